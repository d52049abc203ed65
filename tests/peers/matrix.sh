#!/usr/bin/env bash
# matrix.sh TINGWA [PEER...]   Calls of every peer that can be had here, over every transport, with every codec and encryption that it
# knows, and hold, transfer and keys with each; writes tests/peers/interop.md. Peers: asterisk22 asterisk16 kamailio baresip linphone sipp;
# "failed" runs what failed the last time (a machine that compiles beside it spoils audio). Eight minutes. Root; everything in a network namespace of its own. Asterisk 16: AST_SUITE=bullseye AST_ROOT=/opt/asterisk16-root asterisk/install.sh
set -uo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
TINGWA=$(realpath "$1")
shift
"$HERE/install.sh" || exit 1
for package in linphone-cli kamailio kamailio-tls-modules; do
  dpkg-query -W -f='${Status}' $package 2>/dev/null | grep -q 'ok installed' || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $package >/dev/null
done
. "$HERE/namespace.sh" tingwa-matrix
ip netns exec $NS /usr/bin/python3 "$HERE/interop.py" "$TINGWA" "$@" 9>&-
