#!/usr/bin/env bash
# benches/speaking_at_once.sh TINGWA [CALLS]   Many callers speak for a quarter of a minute at the same time, gateway and recogniser held to one core (the phones have
# the other): CPU while they speak, frames that the recogniser missed, and how long after the end of speech its text was there.
set -euo pipefail
cd "$(dirname "$0")/.."
TINGWA=${1:-tingwa}
CALLS=${2:-100}
RUN=$(mktemp -d "${TMPDIR:-/tmp}/tingwa-speaking.XXXXXX")
ADDRESS=127.0.0.1:5064
TICK=$(getconf CLK_TCK)
sed -e 's#5062#5064#; s#20000-21999#40000-43999#' -e "s#\"var/demo/prompts\"#\"${TINGWA_CACHE:-$HOME/.cache/tingwa}/prompts\"#" \
  -e "s#\"var/demo\"#\"$RUN/var\"#" examples/demo.toml > "$RUN/gateway.toml"
taskset -c 0 "$TINGWA" serve --config "$RUN/gateway.toml" --log warn > "$RUN/gateway.out" 2> "$RUN/gateway.log" &
GATEWAY=$!
trap 'kill $GATEWAY 2>/dev/null || true; wait 2>/dev/null || true' EXIT
for _ in $(seq 300); do
  timeout 10 "$TINGWA" call sip:1823@$ADDRESS --quiet wait:0.2 > /dev/null 2>&1 && break
  kill -0 $GATEWAY || { cat "$RUN/gateway.log"; exit 1; }
  sleep 0.3
done
cpu_ms() { for p in $GATEWAY $(pgrep -P $GATEWAY -f recogniser-worker || true); do cat /proc/"$p"/stat; done | awk -v t="$TICK" '{ sum += ($14 + $15) * 1000 / t } END { print int(sum) }'; }

# One breath of about 17 s (20 s end a turn): no pause is long enough to end it sooner.
said="我想查詢我張單同埋開通漫遊我下個禮拜三要去日本公幹所以想問下數據點樣收費如果用多咗會唔會加錢另外我屋企嘅寬頻由尋晚開始就好慢我試過重新開機都係一樣麻煩你派個師傅嚟睇下"
taskset -c 1 "$TINGWA" call sip:1823@$ADDRESS --count "$CALLS" --rate 100 --pacing --max 120 --json --seed 7 \
  wait:14 "say:yue:$said" quiet hangup > "$RUN/calls.json" &
PHONE=$!
sleep 18   # all of them are in the middle of it
before=$(cpu_ms); sleep 10; used=$(( $(cpu_ms) - before ))
wait $PHONE || true
sleep 1
python3 - "$RUN" "$CALLS" "$used" <<'P'
import collections, json, sqlite3, sys
run, calls, used = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
phone = json.load(open(f"{run}/calls.json"))
facts = collections.Counter(dict(sqlite3.connect(f"{run}/var/tingwa.sqlite").execute("select fact, count(*) from entries group by fact")))
print(f"{calls} calls speaking at once, gateway on one core: {phone['good']} good, {used / 100:.0f} % of that core while they speak ({used / 100 / calls:.2f} % a call)")
print("answer after the end of speech, p50/p95 ms:", {k: phone["response_ms"].get(k) for k in ("p50", "p95")})
bad = {fact: n for fact, n in facts.items() if any(word in fact for word in ("drop", "interrupt", "lost"))}
print(f"{facts['caller_turn']} turns in the journal; dropped, interrupted, lost: {bad or 'none'}")
P
[ -s "$RUN/gateway.log" ] && { echo "the gateway warned:"; cut -c29- "$RUN/gateway.log" | sort | uniq -c | sort -rn | head -5; }
echo "raw: $RUN"
