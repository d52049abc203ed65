#!/usr/bin/env bash
# speech.sh DIR   What the phones say: 8 kHz mono WAV, and A-law for SIPp. 0.3 s of silence before, 0.7 s after.
set -euo pipefail
OUT=$1
mkdir -p "$OUT"
say() { # NAME VOICE TEXT
  espeak-ng -v "$2" -s 150 -w "$OUT/.t.wav" "$3"
  sox -D "$OUT/.t.wav" -r 8000 -c 1 -b 16 "$OUT/$1.wav" norm -6 pad 0.3 0.7
  sox -D "$OUT/$1.wav" -t al "$OUT/$1.al"
}
say yue_bill yue '我想查詢我張單'
say yue_agent yue '我要找人工客服'
say cmn_agent cmn-latn-pinyin '我要找人工客服'
say en_agent en-gb 'I want to speak to an agent'
say agent_talks en-gb 'Good evening, this is the customer service, how may I help you today'
sox -D -n -r 8000 -c 1 -b 16 "$OUT/silence.wav" trim 0 20
rm -f "$OUT/.t.wav"
