#!/usr/bin/env bash
# install.sh   A real browser and SIP.js for it: chromium-headless-shell by Debian, sip.js by npm, in a folder of its own and no part of
# the program. Idempotent; root. Exit 3: they cannot be had here.
set -uo pipefail
FOLDER=${TINGWA_CACHE:-$HOME/.cache/tingwa}/peers-browser
missing=""
for package in chromium-headless-shell openssl espeak-ng sox iproute2 python3; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
command -v npm >/dev/null || missing="$missing npm"
if [ -n "$missing" ]; then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null; } || exit 3
fi
if [ ! -e "$FOLDER/node_modules/sip.js/lib/index.js" ]; then
  mkdir -p "$FOLDER"
  npm install --prefix "$FOLDER" --no-audit --no-fund --silent sip.js@0.21.2 >&2 || exit 3
fi
