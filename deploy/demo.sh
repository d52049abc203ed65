#!/usr/bin/env bash
# deploy/demo.sh TINGWA   A hotline on one machine: the gateway, an agent's phone, three callers, all over real SIP and RTP
# of loopback. Prints the conversations as they happen; ends with success only where everybody was understood and the
# transfer came to a bridge. 一部機上嘅熱線示範。
set -euo pipefail
cd "$(dirname "$0")/.."
TINGWA=${1:-tingwa}
GATEWAY=127.0.0.1:5062
AGENT=127.0.0.1:5091
RUN=$(mktemp -d "${TMPDIR:-/tmp}/tingwa-demo.XXXXXX")
PROMPTS=${TINGWA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tingwa}/prompts
STARTED=()

if [ -t 1 ]; then
  BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' YELLOW=$'\e[33m' BLUE=$'\e[34m' CYAN=$'\e[36m' OFF=$'\e[0m'
else
  BOLD= DIM= RED= GREEN= YELLOW= BLUE= CYAN= OFF=
fi

leave() {
  trap - EXIT
  # A pipeline's first process and its last: `tail -f` would outlive the other.
  for pid in $(jobs -p) "${STARTED[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait "${GATEWAY_PID:-}" 2>/dev/null || true
}
trap leave EXIT
trap 'exit 130' INT TERM

heading() { printf '\n%s━━ %s%s\n' "$BOLD" "$*" "$OFF"; }
fail() {
  printf '%s✗ %s%s\n' "$RED" "$*" "$OFF" >&2
  printf '%s  log 記錄: %s%s\n' "$DIM" "$RUN/gateway.log" "$OFF" >&2
  FAILED=1
}
FAILED=0

# Colours what --show-calls prints, and leaves out what only an engineer wants.
pretty() {
  grep --line-buffered -vE '  (recording|leg ended|answered|said  |offered)|speaks$' | sed -u -E \
    -e "s/^\[ *([^]]*)\]/  $DIM\1$OFF/" -e 's/ \((open|language by.*)\)$//' \
    -e "s/(heard     ) (.*)/$YELLOW\1 聽到 \2$OFF/" \
    -e "s/(says      ) (.*)/$GREEN\1 講　 \2$OFF/" \
    -e "s/(decided   ) (.*)/$CYAN\1 決定 \2$OFF/" \
    -e "s/(speaks    ) (.*)/$DIM\1 　　 \2$OFF/" \
    -e "s/(dials     |rings     |briefs    |accepted  |bridged   |no agent  )/$BLUE\1$OFF 轉駁/"
}

heading "tingwa 聽話 · start 啟動"
sed -e "s#\"var/demo/prompts\"#\"$PROMPTS\"#" -e "s#\"var/demo\"#\"$RUN/var\"#" examples/demo.toml > "$RUN/demo.toml"
"$TINGWA" serve --config "$RUN/demo.toml" --show-calls > "$RUN/calls.log" 2> "$RUN/gateway.log" &
GATEWAY_PID=$!
STARTED+=("$GATEWAY_PID")
printf 'the gateway loads its models and speaks its prompts 載入模型、準備提示語 '
for _ in $(seq 600); do
  grep -q ' ready' "$RUN/gateway.log" && break
  if ! kill -0 "$GATEWAY_PID" 2>/dev/null; then
    printf '\n'
    cat "$RUN/gateway.log" >&2
    fail "the gateway did not start 閘道未能啟動"
    exit 1
  fi
  printf '.'
  sleep 0.2
done
printf '\n'
grep -q ' ready' "$RUN/gateway.log" || { fail "the gateway was not ready within two minutes 兩分鐘內未準備好"; exit 1; }
echo "gateway 閘道   sip:1823@$GATEWAY   $(sed -n 's/^\(VmRSS\):\s*/memory 記憶體 /p' /proc/$GATEWAY_PID/status)"

"$TINGWA" call --answer "$AGENT" --user 6001 --ring 1.5 --record "$RUN/agent.wav" \
  quiet keys:1 wait:1.2 'say:eng:Hello, this is Amy of Harbour Telecom. How can I help you?' \
  quiet 'say:eng:Of course. I will correct the bill for you right away.' > "$RUN/agent.log" 2>&1 &
STARTED+=($!)
AGENT_PID=$!
echo "agent 客服       sip:6001@$AGENT"

tail -n +1 -f "$RUN/calls.log" 2>/dev/null | pretty &
STARTED+=($!)

# one NAME NUMBER STEP.. : places a call and keeps what the phone measured
one() {
  local name=$1 number=$2
  shift 2
  if ! "$TINGWA" call "sip:1823@$GATEWAY" --from "$number" --record "$RUN/$name.wav" --max 90 --quiet "$@" > "$RUN/$name.txt" 2>&1; then
    cat "$RUN/$name.txt" >&2
    fail "call $name did not end well 通話未能完成"
  fi
  sleep 0.5 # the last lines of the conversation
}

heading "1  廣東話 Cantonese · 「我想查詢我張單」 asks for the bill"
one cantonese 91234567 quiet say:yue:我想查詢我張單 quiet say:yue:冇喇唔該 quiet

heading "2  普通话 Mandarin · 「我想开通漫游」 asks for roaming, over the bot 打断提示语"
one mandarin 98765432 wait:13.5 say:cmn:我想开通漫游 quiet say:cmn:没有了谢谢 quiet

heading "3  English · \"I want to speak to a person\" · warm transfer 轉駁真人"
one english 61112222 wait:19.5 "say:eng:I want to speak to a person" quiet:2 "say:eng:My bill is wrong. Please check it." quiet:2
sleep 0.5
kill "$AGENT_PID" 2>/dev/null || true

heading "Calls 通話紀錄"
"$TINGWA" calls --config "$RUN/demo.toml" || fail "tingwa calls"

# journal NUMBER : the facts of that caller's call
journal() {
  local id
  id=$("$TINGWA" calls --config "$RUN/demo.toml" --json --numbers | grep -F "\"caller\":\"$1\"" | sed -E 's/.*"id":"([^"]+)".*/\1/' | head -1)
  [ -n "$id" ] && "$TINGWA" why "$id" --config "$RUN/demo.toml" --json
}
journal 91234567 > "$RUN/cantonese.json" || true
journal 98765432 > "$RUN/mandarin.json" || true
journal 61112222 > "$RUN/english.json" || true
grep -q '"prompt":"bill".*"language":"yue"' "$RUN/cantonese.json" || fail "the Cantonese caller did not hear about the bill 廣東話：未有答到賬單"
grep -q '"prompt":"roaming".*"language":"cmn"' "$RUN/mandarin.json" || fail "the Mandarin caller did not hear about roaming 普通話：未有答到漫遊"
grep -q '"act":"escalate"' "$RUN/english.json" || fail "the English caller was not understood 英文：未有聽明"
grep -q '"fact":"bridged"' "$RUN/english.json" || fail "the caller was not bridged to the agent 未能轉駁真人"

heading "Response time 回應時間 · end of the caller's speech to the first sound of the answer, measured at the phone 話畢至開口，由電話量度"
for name in cantonese mandarin english; do
  measured=$(sed -n 's/.*responses //p' "$RUN/$name.txt")
  # Behind the first answer of the English call it is the agent who answers.
  if [ "$name" = english ]; then measured="${measured%%,*}"; fi
  printf '  %-10s %s\n' "$name" "${measured% ms} ms"
done
heading "Recordings 錄音 · left: caller 左：客人, right: the other side 右：對方"
find "$RUN/var/recordings" -name '*.wav' -printf '  %p  (%k KB)\n' | sort
echo "  $RUN/agent.wav  (the agent's phone 客服電話)"
echo "  ${DIM}more 詳情: $TINGWA why last --config $RUN/demo.toml$OFF"

if [ "$FAILED" = 0 ]; then
  printf '\n%s✓ three calls in three languages understood, one bridged to a person 三語皆通，成功轉駁真人%s\n' "$GREEN$BOLD" "$OFF"
else
  printf '\n%s✗ the demonstration did not succeed; see above 示範未完全成功%s\n' "$RED$BOLD" "$OFF"
  exit 1
fi
