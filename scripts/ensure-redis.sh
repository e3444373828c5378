#!/bin/sh
# Makes sure that the tests find a Redis: a container engine, else redis-server, else Debian's package, which root installs.
#
# 1. Before it installs anything outside the clone it says what, and why.
# 2. PANNIER_INSTALL=never: it installs nothing, and fails with the command to run instead.
# 3. The package starts no server.
set -eu

case ${PANNIER_INSTALL:-} in
  '' | never) ;;
  *)
    echo "PANNIER_INSTALL must be never or unset, got \"$PANNIER_INSTALL\"" >&2
    exit 2
    ;;
esac

if "${PANNIER_TEST_ENGINE:-docker}" version >/dev/null 2>&1 || command -v redis-server >/dev/null 2>&1; then
  exit 0
fi

refuse() { # refuse CAUSE : ends with the command to run instead
  if command -v apt-get >/dev/null 2>&1; then
    sudo=
    [ "$(id -u)" = 0 ] || sudo='sudo '
    remedy="run \`${sudo}apt-get update && ${sudo}apt-get install --no-install-recommends redis-server\`"
  else
    remedy="install redis-server 7 or later"
  fi
  echo "cannot run the tests: they need a real Redis, there is no redis-server, no container engine answers, and $1; $remedy, or start a container engine" >&2
  exit 1
}

[ "${PANNIER_INSTALL:-}" != never ] || refuse "PANNIER_INSTALL is never"
command -v apt-get >/dev/null 2>&1 || refuse "there is no apt-get to install one"
[ "$(id -u)" = 0 ] || refuse "only root can install one"

cat >&2 <<'TEXT'
The tests need a real Redis. There is no redis-server, and no container engine answers.
Installing Debian's package redis-server on this machine: apt-get update, apt-get install redis-server. Its service is not started.
With PANNIER_INSTALL=never nothing is installed.
TEXT
# The package would start a server on the standard port. The tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\nexit 101\n' | install -m 755 /dev/stdin "$policy"
fi
{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server; } >/dev/null || {
  echo "cannot install redis-server: apt-get failed, see above; install redis-server 7 or later, or start a container engine" >&2
  exit 1
}
