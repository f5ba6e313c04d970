#!/bin/sh
# The tests start Redis servers and a browser of their own, and run the documentation's curl. What is missing is installed if that can be done without
# asking; else one line for each says how to get it.
set -eu

has_redis () { command -v redis-server > /dev/null; }
has_curl () { command -v curl > /dev/null; }

# CHROMIUM names one that is somewhere else.
has_chromium () {
  for program in "${CHROMIUM:-chromium}" chromium-browser google-chrome; do
    command -v "$program" > /dev/null && return 0
  done
  return 1
}

missing=
has_redis || missing='redis-server'
has_curl || missing="$missing curl"
has_chromium || missing="$missing chromium"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
  echo "installing what the tests need:" $missing
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # one word for each package
  { apt-get update && apt-get install --yes --no-install-recommends $missing; } > /dev/null && exit 0
fi

has_redis || echo 'redis-server is needed for the tests: apt install redis-server (Debian, Ubuntu), brew install redis (macOS)' >&2
has_curl || echo 'curl is needed for the tests: apt install curl (Debian, Ubuntu), brew install curl (macOS)' >&2
has_chromium || echo 'Chromium is needed for the tests: apt install chromium (Debian), or set CHROMIUM to that or Chrome' >&2
exit 1
