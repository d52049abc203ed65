#!/usr/bin/env bash
# benches/load.sh TINGWA [--quick] [PART...]   SIPp against tingwa and against Asterisk 22 in turn, on this machine, in a network
# namespace of their own: the same scenarios, the same prompt. Prints a table of ratios. The server has core 0, everything that loads
# or measures it core 1. Parts: setup signalling stack listening bridged srtp soak saturated (default: all). See load/load.py.
# Needs the peers of tests/peers/install.sh, tcpdump and root.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/../tests/peers/namespace.sh" tingwa-load
ulimit -n "$(ulimit -Hn)"
ip netns exec $NS /usr/bin/python3 "$HERE/load/load.py" "$@" 9>&-
