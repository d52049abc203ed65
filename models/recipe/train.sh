#!/bin/bash
# One command: sentences -> speech -> features -> training -> int8 model -> measured figures -> card.
#
#   models/recipe/train.sh [MINUTES]        default 75 minutes of training on two CPU cores; about 20 more for the rest
#
# Seeded. Stopped and started again, it goes on where it was. Work files: $TINGWA_WORK (default ~/.cache/tingwa/train),
# among them its own Python environment; $TINGWA_PYTHON names another interpreter that has requirements.txt installed.
set -euo pipefail
cd "$(dirname "$0")"
minutes=${1:-75}
work=${TINGWA_WORK:-$HOME/.cache/tingwa/train}
model=$(realpath ..)/tiny-trilingual
export ORT_DISABLE_TELEMETRY=1 OPENBLAS_NUM_THREADS=1 GOMP_SPINCOUNT=0 OMP_WAIT_POLICY=PASSIVE PYTHONDONTWRITEBYTECODE=1
mkdir -p "$work"

say() { printf '%(%H:%M:%S)T  %s\n' -1 "$*"; }

ldconfig -p | grep -q libespeak-ng.so.1 || { echo "install libespeak-ng1 and espeak-ng-data (apt)"; exit 1; }
python=${TINGWA_PYTHON:-$work/venv/bin/python}
if [ ! -x "$python" ]; then
  say "making $work/venv"
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet -r requirements.txt
fi

say "features as sherpa-onnx computes them"
"$python" check_features.py

say "speech (34 shards, about 48 hours of sound)"
nice -n 5 "$python" gen.py --out "$work/shards" --shards 34 --per-shard 1500 --jobs 2

say "training for $minutes minutes"
nice -n 10 "$python" train.py --shards "$work/shards" --out "$work/checkpoint.pt" --minutes "$minutes"

say "export"
"$python" export.py --checkpoint "$work/checkpoint.pt" --out "$model" 2>/dev/null

say "measuring: onnxruntime chunk by chunk, then the sherpa-onnx wheel"
rm -f "$model/eval.json"
good=0
"$python" evaluate.py --model "$model" --engine onnx --out "$model/eval.json" --samples "$model/sample" || good=1
"$python" evaluate.py --model "$model" --engine sherpa --out "$model/eval.json" || good=1
"$python" card.py --checkpoint "$work/checkpoint.pt" --model "$model"
say "done: $model"
exit $good
