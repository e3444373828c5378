#!/bin/sh
# Makes sure that the tests find a Redis: a container engine, else redis-server, else Debian's package where we may install it.
set -eu
if docker version >/dev/null 2>&1 || command -v redis-server >/dev/null 2>&1; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "tests: no container engine and no redis-server here, installing Debian's redis-server (not started)" >&2
  # The package would start a server on the standard port: the tests start their own.
  policy=/usr/sbin/policy-rc.d
  made=
  [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy; made=1; }
  status=0
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server; } >/dev/null || status=$?
  [ -z "$made" ] || rm -f $policy
  exit $status
fi
echo "tests: they need a real Redis: install redis-server 7 or later, or start a container engine (docker)" >&2
exit 1
