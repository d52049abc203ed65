"""Write card.md beside the model: what it is, what it was made of, what was measured, what it cannot show."""
import argparse
import hashlib
import json
import pathlib
import subprocess

import torch

import speak
import texts

CARD = """# tiny-trilingual: an espeak test model

A small streaming recogniser for Cantonese (yue), Mandarin (cmn) and English (en), made so that tingwa's tests and its demo hotline
can hear and answer without downloading anything. **It has only ever heard the robot voices of espeak-ng.** The figures below say
that the whole path works, from G.711 to text. They say nothing about human speech: expect it to fail on people. For a real line use
one of the models named in `models/manifest.toml`.

## What it is
| | |
|---|---|
| file | `model.int8.onnx`, {size} bytes, sha256 `{sha_model}` |
| tokens | `tokens.txt`, {tokens} entries, sha256 `{sha_tokens}`: Chinese characters (Traditional for yue, Simplified for cmn), `▁words` for English |
| interface | sherpa-onnx 2.0.1 `online nemo_ctc`: 80 librosa mel bins, 16 kHz, chunks of 160 ms; only the bins to 3.57 kHz are read |
| network | {weights:.2f} M weights, seven dilated convolution blocks, CTC, 240 ms look-ahead |
| after speech | feed 0.5 s of silence, or the last words stay inside (0.3 s is the least: see `tail` in eval.json) |
| out of vocabulary | it writes the nearest words it knows; it has no way to say "unknown" |

## What it was made of
{hours:.1f} hours of speech by espeak-ng 1.51 ({voices} voice variants, {templates} sentence templates with slots: telephone company and bank;
numbers, dates, times, yes and no, code-mixed sentences), through a model of a telephone line: level, tilt, white, pink and brown
noise, babble, mu-law or A-law, lost packets, several 8 to 16 kHz filters. No human recording, no borrowed text, no pre-trained weights.
{minutes:.0f} minutes of wall-clock time on two shared CPU cores, {steps} steps, seed {seed}, recipe at commit `{commit}` (`models/recipe/train.sh`).{note}
Data are the same for the same seed and espeak-ng version; weights are not bit for bit (the length of training is wall-clock time).

## What was measured
{test}. Token error = wrong, missing and added tokens / tokens spoken
(a Chinese character or an English word). int8 model, streaming, 160 ms chunks.

| | token error, onnxruntime | token error, sherpa-onnx 2.0.1 | whole sentences right | known template, new words | new template |
|---|---|---|---|---|---|
{table}

By noise: {snr}. By silence after the speech: {tail}. By voice: {byvoice}.
Phrases of the telephony tests, espeak's default voices, no noise: {phrases_right} of {phrases} right.

## Where it falls short
- Human speech: not measured, not expected to work.
- Sentences that share no words with the templates: it knows {tokens} tokens and nothing else.
- A new template is harder than a known one with new words (last column): the network has learnt the sentences as well as the sounds.
- The test shares synthesiser, noise kinds and line model with the training data; only voices and sentences are new.

## Licence
Weights, tokens and samples: Apache-2.0 OR MIT, as the project. espeak-ng (GPL-3.0-or-later) was run as a program to make sound; its
licence covers the program and its data, not the sound that it makes, and no part of it is in these files.
"""


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(args):
    was = torch.load(args.checkpoint, weights_only=False)
    figures = json.loads((args.model / "eval.json").read_text("utf-8"))
    onnx, sherpa = figures["onnx"], figures["sherpa"]
    percent = lambda r: f"{r['token_error_percent']:.1f} % ({r['token_errors']}/{r['tokens']})"
    table = "\n".join(f"| {n} | {percent(onnx['languages'][n])} | {percent(sherpa['languages'][n])} | "
                      f"{onnx['languages'][n]['sentences_right_percent']:.0f} % of {onnx['languages'][n]['sentences']} | "
                      f"{percent(onnx['known_templates_new_words'][n])} | {percent(onnx['new_templates'][n])} |" for n in texts.LANGUAGES)
    commit = subprocess.run(["git", "log", "-1", "--format=%h", "--", "."], capture_output=True, text=True).stdout.strip()
    model, tokens = args.model / "model.int8.onnx", args.model / "tokens.txt"
    templates = sum(len(set(language.train)) for language in map(texts.Language, texts.LANGUAGES))
    (args.model / "card.md").write_text(CARD.format(
        size=model.stat().st_size, sha_model=sha(model), sha_tokens=sha(tokens), tokens=len(was["names"]),
        weights=sum(v.numel() for k, v in was["average"].items() if not k.startswith("phones")) / 1e6, hours=was["hours"],
        voices=len(speak.TRAIN_VARIANTS) + 1, templates=templates, minutes=was["spent"] / 60, steps=was["step"], seed=was["seed"],
        commit=commit, note=" " + args.note if args.note else "", test=onnx["test"][0].upper() + onnx["test"][1:], table=table,
        snr=", ".join(f"{k}: {v['token_error_percent']} %" for k, v in onnx["snr"].items()),
        tail=", ".join(f"{k}: {v} %" for k, v in onnx["tail"].items()),
        byvoice=", ".join(f"{k}: {v} %" for k, v in onnx["voices"].items()),
        phrases=len(onnx["peer_phrases"]), phrases_right=sum(p["right"] for p in onnx["peer_phrases"])), "utf-8")
    print(args.model / "card.md")


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--checkpoint", type=pathlib.Path, required=True)
    ask.add_argument("--model", type=pathlib.Path, required=True)
    ask.add_argument("--note", default="", help="what was not as train.sh does it")
    main(ask.parse_args())
