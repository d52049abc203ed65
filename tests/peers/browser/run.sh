#!/usr/bin/env bash
# run.sh TINGWA [NAME-PART...]   A real Chromium calls a real gateway and is called by it, in a network namespace of its own. Exit 1
# when a check failed; skipped, loudly, only where the browser cannot be had.
set -uo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
TINGWA=$(realpath "$1")
shift
"$HERE/install.sh"
case $? in
0) ;;
3)
  printf '\n\033[1;31m!!! BROWSER SKIPPED: Chromium or SIP.js cannot be installed here (no package mirror).\033[0m\n\n'
  exit 0
  ;;
*) exit 1 ;;
esac
. "$HERE/../namespace.sh" tingwa-browser
# A browser looks for its ways beyond loopback: an interface that leads nowhere, with the page's address and the gateway's.
{ ip -n $NS link add eth0 type veth peer name eth1 && ip -n $NS address add 192.0.2.1/24 dev eth0 && ip -n $NS address add 192.0.2.10/24 dev eth0 &&
  ip -n $NS link set eth0 up && ip -n $NS link set eth1 up && ip -n $NS route add default dev eth0; } || exit 1
ip netns exec $NS /usr/bin/python3 "$HERE/check.py" "$TINGWA" "$@" 9>&-
