#!/usr/bin/env bash
# benches/calls_per_core.sh TINGWA [OUT]   The gateway under calls of its own softphone, on one machine: CPU and memory a
# call, INVITE to 200, response time (by the phone and from the recorded waveform), pacing, lost packets. Prints a table.
# CPU and memory are those of the gateway with its recogniser processes; the phone runs on the same cores, so figures under load are the worse for it.
set -euo pipefail
cd "$(dirname "$0")/.."
TINGWA=${1:-tingwa}
RUN=${2:-$(mktemp -d "${TMPDIR:-/tmp}/tingwa-bench.XXXXXX")}
mkdir -p "$RUN"
ADDRESS=127.0.0.1:5064
TICK=$(getconf CLK_TCK)
STEPS=${STEPS:-"1 10 50"}
IDLE=${IDLE:-200}

sed -e 's#5062#5064#; s#20000-21999#40000-43999#' -e "s#\"var/demo/prompts\"#\"${TINGWA_CACHE:-$HOME/.cache/tingwa}/prompts\"#" \
  -e "s#\"var/demo\"#\"$RUN/var\"#" examples/demo.toml > "$RUN/gateway.toml"
"$TINGWA" serve --config "$RUN/gateway.toml" --log warn > "$RUN/gateway.out" 2> "$RUN/gateway.log" &
GATEWAY=$!
trap 'kill $GATEWAY 2>/dev/null || true; wait 2>/dev/null || true' EXIT
for _ in $(seq 300); do
  if timeout 10 "$TINGWA" call sip:1823@$ADDRESS --quiet wait:0.2 > /dev/null 2>&1; then break; fi
  kill -0 $GATEWAY || { cat "$RUN/gateway.log"; exit 1; }
  sleep 0.3
done

processes() { echo $GATEWAY; pgrep -P $GATEWAY -f recogniser-worker || true; }
cpu_ms() { for p in $(processes); do cat /proc/$p/stat; done | awk -v t="$TICK" '{ sum += ($14 + $15) * 1000 / t } END { print int(sum) }'; }
rss_kb() { for p in $(processes); do cat /proc/$p/status; done | awk '/^VmRSS/ { sum += $2 } END { print sum }'; }
now_ms() { date +%s%3N; }
field() { python3 -c 'import json,sys
value = json.load(open(sys.argv[1]))
for key in sys.argv[2].split("."): value = value[key]
print("-" if value is None else round(value, 2))' "$1" "$2"; }

echo "machine: $(nproc) cores, $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -1); load before: $(cut -d' ' -f1-3 /proc/loadavg)"
before=$(cpu_ms); sleep 5; echo "gateway without calls: $(( ($(cpu_ms) - before) / 50 )) % of a core, $(( $(rss_kb) / 1024 )) MB"

# waveform FOLDER SINCE : response times in the gateway's recordings that are newer than the file SINCE
waveform() { python3 benches/waveform.py $(find "$1" -name '*.wav' -newer "$2"); }

printf '\n%-28s %6s %9s %14s %14s %18s %16s %8s\n' "speech both ways" good "CPU/call" "200 OK p50/95" "answer p50/95" "waveform p50/95 n" "pacing p50/99" lost
for n in $STEPS; do
  rate=$(awk -v n="$n" 'BEGIN { print (n > 5 ? n / 5 : 1) }')
  touch "$RUN/since"; sleep 0.1
  start=$(now_ms); before=$(cpu_ms)
  "$TINGWA" call sip:1823@$ADDRESS --count "$n" --rate "$rate" --pacing --max 120 --json --seed 7 \
    wait:12.5 say:yue:我想查詢我張單 quiet say:yue:我想開通漫遊 quiet say:yue:你哋分店幾點開門 quiet hangup > "$RUN/speech-$n.json" || true
  used=$(( $(cpu_ms) - before )); took=$(( $(now_ms) - start ))
  talked=$(python3 -c 'import json,sys; print(max(1, int(1000 * sum(c["talked_s"] for c in json.load(open(sys.argv[1]))["each"]))))' "$RUN/speech-$n.json")
  sleep 1
  j=$RUN/speech-$n.json
  printf '%-28s %6s %8s%% %14s %14s %18s %16s %8s\n' "$n calls, $((took / 1000)) s" "$(field "$j" good)/$n" \
    "$(awk -v u=$used -v t="$talked" 'BEGIN { printf "%.2f", 100 * u / t }')" \
    "$(field "$j" setup_ms.p50)/$(field "$j" setup_ms.p95)" "$(field "$j" response_ms.p50)/$(field "$j" response_ms.p95)" \
    "$(waveform "$RUN/var/recordings" "$RUN/since")" "$(field "$j" pacing_ms.p50)/$(field "$j" pacing_ms.p99)" "$(field "$j" packets.lost)"
done

printf '\nINVITE to 200 OK, 50 calls/s, 10 s:   '
"$TINGWA" call sip:1823@$ADDRESS --count 500 --rate 50 --json --max 30 wait:0.5 hangup > "$RUN/setup.json" || true
printf 'p50 %s ms  p95 %s ms, %s of 500 good\n' "$(field "$RUN/setup.json" setup_ms.p50)" "$(field "$RUN/setup.json" setup_ms.p95)" "$(field "$RUN/setup.json" good)"
sleep 3

resting=$(rss_kb)
"$TINGWA" call sip:1823@$ADDRESS --count "$IDLE" --rate 20 --pacing --json --max 90 wait:25 hangup > "$RUN/idle.json" &
PHONE=$!
sleep $(( IDLE / 20 + 6 ))
before=$(cpu_ms); held=$(rss_kb); sleep 5; used=$(( $(cpu_ms) - before ))
wait $PHONE || true
printf '%s calls that are only spoken to:      CPU/call %s %%, pacing off by p50 %s p99 %s ms, lost %s of %s, memory a call %s KB, good %s\n' "$IDLE" \
  "$(awk -v u=$used -v n="$IDLE" 'BEGIN { printf "%.2f", 100 * u / 5000 / n }')" \
  "$(field "$RUN/idle.json" pacing_ms.p50)" "$(field "$RUN/idle.json" pacing_ms.p99)" "$(field "$RUN/idle.json" packets.lost)" \
  "$(field "$RUN/idle.json" packets.received)" "$(( (held - resting) / IDLE ))" "$(field "$RUN/idle.json" good)"
sleep 2
echo "gateway after all calls: $(( $(rss_kb) / 1024 )) MB; most ever $(awk '/^VmHWM/ { print int($2 / 1024) }' /proc/$GATEWAY/status) MB; load now: $(cut -d' ' -f1-3 /proc/loadavg)"
[ -s "$RUN/gateway.log" ] && { echo "the gateway warned:"; sort "$RUN/gateway.log" | cut -c29- | uniq -c | sort -rn | head -5; }
echo "raw figures: $RUN"
