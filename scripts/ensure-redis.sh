#!/bin/sh
# Ensures that the tests can start Redis, with either a container engine or redis-server. If the machine has neither of
# these and the script runs as root, the script installs Debian's package redis-server.
#
# 1. The script prints what it installs, and why, before it installs anything outside the clone.
# 2. With PANNIER_INSTALL=never, the script installs nothing, prints the command to run instead, and fails.
# 3. The installation of the package starts no server.
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

refuse() { # refuse CAUSE : exits 1 and prints the command to run instead
  if command -v apt-get >/dev/null 2>&1; then
    sudo=
    [ "$(id -u)" = 0 ] || sudo='sudo '
    remedy="run \`${sudo}apt-get update && ${sudo}apt-get install --no-install-recommends redis-server\`"
  else
    remedy="install redis-server 7 or later"
  fi
  echo "cannot run the tests: they need a Redis server, redis-server was not found, no container engine is running, and $1; $remedy, or start a container engine" >&2
  exit 1
}

[ "${PANNIER_INSTALL:-}" != never ] || refuse "PANNIER_INSTALL is never"
command -v apt-get >/dev/null 2>&1 || refuse "apt-get was not found"
[ "$(id -u)" = 0 ] || refuse "only root can install redis-server"

cat >&2 <<'TEXT'
The tests need a Redis server. This machine has no redis-server, and no container engine is running.
Installing Debian's package redis-server with apt-get. Its service is not started.
Set PANNIER_INSTALL=never to prevent the installation.
TEXT
# Prevents the package from starting a server on the default port, because the tests start their own servers.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\nexit 101\n' | install -m 755 /dev/stdin "$policy"
fi
{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server; } >/dev/null || {
  echo "cannot install redis-server: apt-get failed; see its output, install redis-server 7 or later, or start a container engine" >&2
  exit 1
}
