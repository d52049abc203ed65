"""Measure an exported model as the gateway runs it: 8 kHz sound, the gateway's half-band filter to 16 kHz, 80 ms steps, int8.

    python evaluate.py --model DIR --engine onnx   [--out eval.json]
    python evaluate.py --model DIR --engine sherpa                       (the sherpa-onnx wheel, its own features and decoder)

Unit error: Levenshtein distance over units (see units.py) divided by the units spoken, as the network gives them: greedy, without
lexicon. What is written in the end (characters, words) is measured by `tingwa eval` on the set that testset.py --write makes.
"""
import argparse
import collections
import json
import os
import pathlib
import sys
import time

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np

import line
import testset
import texts

PAD = 0.5  # silence that the gateway feeds after speech has ended, seconds


class Onnx:
    """onnxruntime fed chunk by chunk, exactly the calls sherpa-onnx makes."""

    def __init__(self, folder):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(folder / "model.int8.onnx"), options, providers=["CPUExecutionProvider"])
        self.names = [l.rsplit(" ", 1)[0] for l in (folder / "tokens.txt").read_text("utf-8").splitlines()]
        meta = self.session.get_modelmeta().custom_metadata_map
        self.window = int(meta["window_size"])
        self.cache = [1] + [int(meta[f"cache_last_time_dim{i}"]) for i in (1, 2, 3)]

    def __call__(self, wave8):
        feats = line.features(line.half_band(wave8, line.GATEWAY))
        channel, last, count, best = np.zeros((1, 1, 1, 1), np.float32), np.zeros(self.cache, np.float32), np.zeros(1, np.int64), []
        for at in range(0, len(feats) - self.window + 1, self.window):
            chunk = np.ascontiguousarray(feats[at:at + self.window].T[None])
            out = self.session.run(None, {"audio_signal": chunk, "length": np.array([self.window]), "cache_last_channel": channel,
                                          "cache_last_time": last, "cache_last_channel_len": count})
            best += out[0][0].argmax(-1).tolist()
            channel, last, count = out[2:]
        return testset.greedy(best, self.names)


class Sherpa:
    """The sherpa-onnx wheel, fed 20 ms at a time as the gateway does."""

    def __init__(self, folder):
        import sherpa_onnx
        self.recogniser = sherpa_onnx.OnlineRecognizer.from_nemo_ctc(
            tokens=str(folder / "tokens.txt"), model=str(folder / "model.int8.onnx"), num_threads=1, provider="cpu")

    def __call__(self, wave8):
        stream, wave16 = self.recogniser.create_stream(), line.half_band(wave8, line.GATEWAY)
        for at in range(0, len(wave16), 320):
            stream.accept_waveform(16000, wave16[at:at + 320])
            while self.recogniser.is_ready(stream):
                self.recogniser.decode_stream(stream)
        return self.recogniser.tokens(stream)


def padded(wave8, seconds):
    return np.concatenate([wave8, np.zeros(int(seconds * 8000), np.float32)])


def measure(engine, items, pad=PAD):
    """-> per item: unit errors, units spoken, unit errors without tone, what was heard."""
    out = []
    for u in items:
        heard = engine(padded(u["wave"], pad))
        flat = testset.distance(toneless(u["units"]), toneless(heard))
        out.append((testset.distance(u["units"], heard), len(u["units"]), flat, heard))
    return out


def toneless(spelled):
    return [u.rstrip("123456") for u in spelled]


def confusions(items, rows, most=25):
    """The commonest mistakes of each language: said, heard, how often; "-" for nothing."""
    out = {}
    for name in texts.LANGUAGES:
        count = collections.Counter()
        for u, row in zip(items, rows):
            if u["language"] == name:
                count.update(pair for pair in align(u["units"], row[3]) if pair[0] != pair[1])
        out[name] = [[said, heard, n] for (said, heard), n in count.most_common(most)]
    return out


def align(said, heard):
    table = [[(i + j, None) if not i * j else None for j in range(len(heard) + 1)] for i in range(len(said) + 1)]
    for i in range(1, len(said) + 1):
        for j in range(1, len(heard) + 1):
            table[i][j] = min((table[i - 1][j - 1][0] + (said[i - 1] != heard[j - 1]), 0), (table[i - 1][j][0] + 1, 1), (table[i][j - 1][0] + 1, 2))
    i, j, out = len(said), len(heard), []
    while i or j:
        way = table[i][j][1] if i and j else 1 if i else 2
        out.append((said[i - 1] if way != 2 else "-", heard[j - 1] if way != 1 else "-"))
        i, j = i - (way != 2), j - (way != 1)
    return out


def false_units(engine, seconds=60):
    """Units written where nobody speaks, by kind of sound."""
    t, rng = np.arange(seconds * 8000) / 8000, np.random.default_rng(5)
    on = (t % 4 < 0.4) | ((t % 4 > 0.6) & (t % 4 < 1.0))
    keys = [(697, 1209), (770, 1336), (852, 1477), (941, 1336)]
    pressed = sum((np.floor(t) % 4 == k) * (np.sin(2 * np.pi * a * t) + np.sin(2 * np.pi * b * t)) for k, (a, b) in enumerate(keys)) * (t % 1 < 0.2)
    sounds = {"silence": 0 * t, "ringing": on * (np.sin(2 * np.pi * 440 * t) + np.sin(2 * np.pi * 480 * t)) * 0.1, "keys": pressed * 0.1,
              "line noise": rng.standard_normal(len(t)) * 10 ** (-50 / 20), "loud noise": rng.standard_normal(len(t)) * 10 ** (-30 / 20)}
    return {name: len(engine(line.g711(sound.astype(np.float32), True))) for name, sound in sounds.items()}


def summary(rows):
    wrong, spoken, flat = (sum(r[i] for r in rows) for i in (0, 1, 2))
    return {"sentences": len(rows), "units": spoken, "unit_errors": wrong,
            "unit_error_percent": round(100 * wrong / max(1, spoken), 2),
            "without_tone_percent": round(100 * flat / max(1, spoken), 2),
            "sentences_right_percent": round(100 * sum(r[0] == 0 for r in rows) / max(1, len(rows)), 1)}


def report(engine, per_language, seed):
    items = testset.make(per_language, seed)
    began = time.process_time()
    rows = measure(engine, items)
    cost = (time.process_time() - began) / sum(len(u["wave"]) / 8000 + PAD for u in items)
    pick = lambda test: summary([r for r, u in zip(rows, items) if test(u)])
    out = {"test": f"{per_language} sentences a language, voices and sentences never trained on, G.711, noise 15-30 dB below, seed {seed}",
           "cpu_seconds_per_second_of_sound": round(cost, 4),
           "languages": {n: pick(lambda u: u["language"] == n) for n in texts.LANGUAGES},
           "known_templates_new_words": {n: pick(lambda u: u["language"] == n and not u["new_template"]) for n in texts.LANGUAGES},
           "new_templates": {n: pick(lambda u: u["language"] == n and u["new_template"]) for n in texts.LANGUAGES},
           "snr": {f"{a}-{a + 5} dB": pick(lambda u: a <= u["snr"] < a + 5) for a in (15, 20, 25)},
           "voices": {v: pick(lambda u: u["voice"] == v)["unit_error_percent"] for v in sorted({u["voice"] for u in items})},
           "tail": {f"{p} s": summary(measure(engine, items[::3], p))["unit_error_percent"] for p in (0.1, 0.2, 0.3, 0.4, 0.5, 1.0)}}
    out["confusions"] = confusions(items, rows)
    out["units_in_a_minute_without_speech"] = false_units(engine)
    return out


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--model", type=pathlib.Path, required=True)
    ask.add_argument("--engine", choices=("onnx", "sherpa"), default="onnx")
    ask.add_argument("--per-language", type=int, default=200)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--out", type=pathlib.Path)
    args = ask.parse_args()
    engine = {"onnx": Onnx, "sherpa": Sherpa}[args.engine](args.model)
    result = report(engine, args.per_language, args.seed)
    print(json.dumps(result, ensure_ascii=False, indent=1))
    if args.out:
        everything = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {}
        everything[args.engine] = result
        args.out.write_text(json.dumps(everything, ensure_ascii=False, indent=1) + "\n", "utf-8")
    good = all(r["unit_error_percent"] <= 8 for r in result["languages"].values())
    print("within 8 %" if good else "NOT within 8 %")
    sys.exit(0 if good else 1)
