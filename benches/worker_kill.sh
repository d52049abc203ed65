#!/usr/bin/env bash
# benches/worker_kill.sh TINGWA [OUT]   Twenty calls speak; the recogniser process is killed with -9 in the middle of a sentence; the callers
# say it again. Prints: calls lost (must be 0), how long there was no recogniser, what the callers were told, what was heard afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
TINGWA=${1:-tingwa}
RUN=${2:-$(mktemp -d "${TMPDIR:-/tmp}/tingwa-kill.XXXXXX")}
CALLS=${CALLS:-20}
mkdir -p "$RUN"
ADDRESS=127.0.0.1:5066
sed -e 's#5062#5066#; s#20000-21999#44000-45999#' -e "s#\"var/demo/prompts\"#\"${TINGWA_CACHE:-$HOME/.cache/tingwa}/prompts\"#" \
  -e "s#\"var/demo\"#\"$RUN/var\"#" examples/demo.toml > "$RUN/gateway.toml"
"$TINGWA" serve --config "$RUN/gateway.toml" --log info > "$RUN/gateway.out" 2> "$RUN/gateway.log" &
GATEWAY=$!
trap 'kill $GATEWAY 2>/dev/null || true; wait 2>/dev/null || true' EXIT
for _ in $(seq 300); do
  if timeout 10 "$TINGWA" call sip:1823@$ADDRESS --quiet wait:0.2 > /dev/null 2>&1; then break; fi
  kill -0 $GATEWAY || { cat "$RUN/gateway.log"; exit 1; }
  sleep 0.3
done
worker() { pgrep -P $GATEWAY -f recogniser-worker; }
first=$(worker)
"$TINGWA" call sip:1823@$ADDRESS --count "$CALLS" --rate 20 --max 90 --json --seed 7 \
  wait:13 say:yue:我想查詢我張單 wait:2.5 quiet say:yue:我想開通漫遊 quiet hangup > "$RUN/calls.json" &
PHONE=$!
sleep 14.2
kill -9 "$first"
wait $PHONE || true
sleep 1
python3 - "$RUN" "$CALLS" <<'PY'
import json, pathlib, re, sqlite3, sys
run, calls = pathlib.Path(sys.argv[1]), int(sys.argv[2])
phone = json.load(open(run / "calls.json"))
database = sqlite3.connect(next(p for p in (run / "var").rglob("*") if p.suffix in (".db", ".sqlite", ".sqlite3")))
facts = lambda name: database.execute("select call, at_ms, body from entries where fact = ? order by call, number", (name,)).fetchall()
told = {call: at for call, at, _ in facts("recogniser_interrupted")}
after = [(call, at - told[call], json.loads(body)["text"]) for call, at, body in facts("caller_turn") if call in told and at > told[call]]
again = [call for call, _, body in facts("bot_turn") if call in told and "no_match" in json.loads(body)["prompt"]]
lost = {call for call, _, _ in facts("recogniser_lost")}
load = re.findall(r"is up load_ms=(\d+)|load_ms=(\d+)", re.sub(r"\x1b\[[0-9;]*m", "", (run / "gateway.log").read_text()))
print(f"{calls} calls; their recogniser process is killed with -9 while they speak")
print(f"calls that went to their end: {phone['good']} of {calls}; told of it: {len(told)}; given up to keys: {len(lost)}")
print(f"asked to say it again: {len(set(again))}; heard afterwards: {len({c for c, _, _ in after})}, first transcript "
      f"{min((ms for _, ms, _ in after), default=0) / 1000:.1f} s after the kill")
print(f"the new process was up {max(load[-1]) if load else '?'} ms after it was started")
PY
grep -E "recogniser process" "$RUN/gateway.log" | sed 's/\x1b\[[0-9;]*m//g' | cut -c1-150
