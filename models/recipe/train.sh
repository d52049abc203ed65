#!/bin/bash
# One command: sentences -> speech -> features -> training -> int8 model -> measured figures -> card.
#
#   models/recipe/train.sh [MINUTES]        default 52 minutes of training on two CPU cores; about 25 more for the rest
#
# $TINGWA names the program that pins the new files in the manifest and measures what is written (`make model` sets it).
# Seeded. Stopped and started again, it goes on where it was. Work files: $TINGWA_WORK (default ~/.cache/tingwa/train),
# among them its own Python environment; $TINGWA_PYTHON names another interpreter that has requirements.txt installed.
set -euo pipefail
cd "$(dirname "$0")"
minutes=${1:-52}
tingwa=${TINGWA:?set TINGWA to the program, or run 'make model'}
work=${TINGWA_WORK:-$HOME/.cache/tingwa/train}
model=$(realpath ..)/tiny-trilingual
export ORT_DISABLE_TELEMETRY=1 OPENBLAS_NUM_THREADS=1 GOMP_SPINCOUNT=0 OMP_WAIT_POLICY=PASSIVE PYTHONDONTWRITEBYTECODE=1
mkdir -p "$work"

say() { printf '%(%H:%M:%S)T  %s\n' -1 "$*"; }

missing=""
ldconfig -p | grep -q libespeak-ng.so.1 || missing="$missing libespeak-ng1 espeak-ng-data"
command -v flite >/dev/null || missing="$missing flite"
[ -e /usr/share/rime-data/jyut6ping3.words.dict.yaml ] || missing="$missing rime-data-jyut6ping3"
[ -e /usr/share/dict/american-english-small ] || missing="$missing wamerican-small"
[ -z "$missing" ] || { echo "install with apt:$missing"; exit 1; }
python=${TINGWA_PYTHON:-$work/venv/bin/python}
if [ ! -x "$python" ]; then
  say "making $work/venv"
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet -r requirements.txt
fi

say "features as sherpa-onnx computes them"
"$python" check_features.py

say "speech (54 shards, about 79 hours of sound)"
nice -n 5 "$python" gen.py --out "$work/shards" --shards 54 --per-shard 1500 --jobs 2

say "training for $minutes minutes"
nice -n 10 "$python" train.py --shards "$work/shards" --out "$work/checkpoint.pt" --minutes "$minutes"

say "export"
"$python" export.py --checkpoint "$work/checkpoint.pt" --out "$model" 2>/dev/null

say "lexicon and phrases"
"$python" lexicon.py --out "$model"
"$tingwa" models pin tiny-trilingual --manifest ../manifest.toml

say "measuring units: onnxruntime chunk by chunk, then the sherpa-onnx wheel"
rm -f "$model/eval.json"
good=0
"$python" evaluate.py --model "$model" --engine onnx --out "$model/eval.json" || good=1
"$python" evaluate.py --model "$model" --engine sherpa --out "$model/eval.json" || good=1
say "measuring text: the gateway's own decoder"
"$python" testset.py --write "$work/testset" --seed 1
"$python" text_errors.py --model "$model" --set "$work/testset" --out "$work/text.json" >"$work/text.log" || say "a target is missed: $(tail -n 1 "$work/text.log")"
"$tingwa" eval "$work/testset/manifest.jsonl" --manifest ../manifest.toml --json >"$work/words.json"
"$python" card.py --checkpoint "$work/checkpoint.pt" --model "$model" --words "$work/words.json" --text "$work/text.json"
say "done: $model"
exit $good
