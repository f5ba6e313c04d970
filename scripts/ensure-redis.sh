#!/bin/sh
# The tests start Redis servers of their own. Where the program is missing, it is installed if that can be done without
# asking; else one line says how to get it.
set -eu

command -v redis-server > /dev/null && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get > /dev/null; then
  echo 'installing redis-server, which the tests need'
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update && apt-get install --yes --no-install-recommends redis-server; } > /dev/null && exit 0
fi

echo 'redis-server is needed for the tests: apt install redis-server (Debian, Ubuntu), brew install redis (macOS)' >&2
exit 1
