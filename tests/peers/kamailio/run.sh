#!/bin/bash
# run.sh start TARGET... | stop | list      e.g.  run.sh start sip:127.0.0.1:5081 sip:127.0.0.1:5082
# Environment: KAM_IP KAM_PORT KAM_TLSPORT (with KAM_TLS=1) KAM_RUN
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
: "${KAM_IP:=127.0.0.1}" "${KAM_PORT:=5080}" "${KAM_TLSPORT:=5085}" "${KAM_RUN:=/tmp/tingwa-peers/kamailio}"
case ${1:-} in
start) shift; mkdir -p "$KAM_RUN"
  "$HERE/../pki/make.sh" "$KAM_RUN/pki"
  : > "$KAM_RUN/dispatcher.list"; for t in "$@"; do echo "1 $t" >> "$KAM_RUN/dispatcher.list"; done
  sed -e "s#@IP@#$KAM_IP#g; s#@PORT@#$KAM_PORT#g; s#@TLSPORT@#$KAM_TLSPORT#g; s#@RUN@#$KAM_RUN#g" \
      "$HERE/kamailio.cfg" > "$KAM_RUN/kamailio.cfg"
  # -DD: stay in the foreground but fork workers; -m/-M: small memory pools (MB); -Y: runtime folder
  setsid kamailio -f "$KAM_RUN/kamailio.cfg" -DD -E -m 64 -M 8 -Y "$KAM_RUN" ${KAM_TLS:+-A WITH_TLS} >"$KAM_RUN/log" 2>&1 </dev/null &
  echo $! > "$KAM_RUN/pid"
  for _ in $(seq 50); do kamcmd -s "unix:$KAM_RUN/ctl" core.uptime >/dev/null 2>&1 && { echo "up, pid $(cat "$KAM_RUN/pid")"; exit 0; }
    kill -0 "$(cat "$KAM_RUN/pid")" 2>/dev/null || break; sleep 0.1; done
  echo "did not start:" >&2; tail -5 "$KAM_RUN/log" >&2; exit 1 ;;
stop) P=$(cat "$KAM_RUN/pid"); kill "$P"; for _ in $(seq 50); do kill -0 "$P" 2>/dev/null || { echo stopped; exit 0; }; sleep 0.1; done ;;
list) kamcmd -s "unix:$KAM_RUN/ctl" dispatcher.list | grep -E 'URI|FLAGS' | paste - - | sed 's/[ \t]\+/ /g' ;;
*) sed -n 2,3p "$0"; exit 2 ;;
esac
