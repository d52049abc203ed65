#!/usr/bin/env bash
# run.sh TINGWA [NAME-PART...]   Real peers call a real gateway. Everything happens in a network namespace of its own, so that no
# other program on this machine can meet it. Exit 1 when a check failed; skipped, loudly, only where apt cannot reach.
set -uo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
TINGWA=$(realpath "$1")
shift
"$HERE/install.sh"
case $? in
0) ;;
3)
  printf '\n\033[1;31m!!! PEERS SKIPPED: Asterisk, SIPp and baresip cannot be installed here (no package mirror).\033[0m\n\n'
  exit 0
  ;;
*) exit 1 ;;
esac
. "$HERE/namespace.sh" tingwa-peers
# Names are asked of names.py within the namespace; `ip netns exec` shows this file as /etc/resolv.conf there.
mkdir -p /etc/netns/$NS && printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >/etc/netns/$NS/resolv.conf
trap 'ip netns del $NS 2>/dev/null; rm -rf /etc/netns/$NS' EXIT
ip netns exec $NS /usr/bin/python3 "$HERE/check.py" "$TINGWA" "$@" 9>&-
asterisk=$?
"$HERE/browser/run.sh" "$TINGWA" "$@" 9>&- || exit 1
exit $asterisk
