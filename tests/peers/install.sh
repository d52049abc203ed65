#!/usr/bin/env bash
# install.sh   The real peers on Debian 12: baresip, SIPp, and Asterisk 22 with its own libraries from sid in a folder of its own.
# Idempotent; root. About 90 s from nothing. Exit 3: the packages cannot be had here.
set -uo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
PACKAGES="debootstrap baresip-core sip-tester espeak-ng sox iproute2 python3 python3-numpy"
export AST_ROOT=${AST_ROOT:-/opt/asterisk-root}
missing=""
for package in $PACKAGES; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null; } || exit 3
fi
"$HERE/asterisk/install.sh" >/tmp/tingwa-asterisk-install.log 2>&1 || { tail -5 /tmp/tingwa-asterisk-install.log >&2; exit 3; }
