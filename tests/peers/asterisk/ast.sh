#!/usr/bin/env bash
# ast.sh start|stop|cli 'COMMAND'   The company's PBX: Asterisk on 127.0.0.1:5070. Files below $AST_RUN.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
export AST_ROOT=${AST_ROOT:-/opt/asterisk-root}
: "${AST_RUN:=/tmp/tingwa-peers/asterisk}"
A=$HERE/in-root
case ${1:-} in
start)
  mkdir -p "$AST_RUN"/{etc,log/cdr-csv,spool,lib/keys,run,tmp}
  rm -f "$AST_RUN"/run/*
  for f in "$HERE"/etc/*.conf; do
    sed -e "s#@MOD@#$AST_ROOT/usr/lib/x86_64-linux-gnu/asterisk/modules#g; s#@ROOT@#$AST_ROOT#g; s#@RUN@#$AST_RUN#g" \
      -e "s#@IP@#127.0.0.1#g; s#@SIP@#5070#g; s#@RTPLO@#20000#g; s#@RTPHI@#20999#g" "$f" >"$AST_RUN/etc/${f##*/}"
  done
  # Modules that only ask whether their file is there.
  for f in acl amd agents ari ccss cdr cel chan_websocket cli_aliases confbridge features followme http indications manager pjproject \
    pjsip_notify pjsip_wizard queuerules queues res_fax res_http_media_cache res_parking udptl voicemail websocket_client; do
    [ -e "$AST_RUN/etc/$f.conf" ] || printf '[general]\n' >"$AST_RUN/etc/$f.conf"
  done
  setsid "$A" asterisk -f -C "$AST_RUN/etc/asterisk.conf" >"$AST_RUN/run.log" 2>&1 </dev/null &
  echo $! >"$AST_RUN/pid"
  for _ in $(seq 100); do
    "$0" cli 'core waitfullybooted' 2>/dev/null | grep -q 'fully booted' && exit 0
    kill -0 "$(cat "$AST_RUN/pid")" || break
    sleep 0.1
  done
  echo "Asterisk did not start; see $AST_RUN/run.log" >&2
  exit 1
  ;;
stop)
  P=$(cat "$AST_RUN/pid")
  "$0" cli 'core stop now' >/dev/null 2>&1 || kill "$P" 2>/dev/null || true
  for _ in $(seq 50); do kill -0 "$P" 2>/dev/null || exit 0; sleep 0.1; done
  kill -9 "$P"
  ;;
cli)
  shift
  "$A" asterisk -C "$AST_RUN/etc/asterisk.conf" -rx "$*"
  ;;
*)
  sed -n 2p "$0"
  exit 2
  ;;
esac
