"""Measure an exported model as the gateway runs it: 8 kHz sound, the gateway's half-band filter to 16 kHz, 160 ms chunks, int8.

    python evaluate.py --model DIR --engine onnx   [--out eval.json] [--samples DIR]
    python evaluate.py --model DIR --engine sherpa                       (the sherpa-onnx wheel, its own features and decoder)

Token error: Levenshtein distance over tokens (a Chinese character or an English word) divided by the tokens spoken.
"""
import argparse
import json
import os
import pathlib
import sys
import time
import wave

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
        return texts.tokens(self.recogniser.get_result(stream).lower())


def padded(wave8, seconds):
    return np.concatenate([wave8, np.zeros(int(seconds * 8000), np.float32)])


def measure(engine, items, pad=PAD):
    """-> per item: token errors, tokens spoken, what was heard."""
    return [(testset.distance(texts.tokens(u["text"]), heard := engine(padded(u["wave"], pad))), len(texts.tokens(u["text"])), heard)
            for u in items]


def summary(rows):
    wrong, spoken = sum(r[0] for r in rows), sum(r[1] for r in rows)
    return {"sentences": len(rows), "tokens": spoken, "token_errors": wrong,
            "token_error_percent": round(100 * wrong / max(1, spoken), 2),
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
           "voices": {v: pick(lambda u: u["voice"] == v)["token_error_percent"] for v in sorted({u["voice"] for u in items})},
           "tail": {f"{p} s": summary(measure(engine, items[::3], p))["token_error_percent"] for p in (0.1, 0.2, 0.3, 0.4, 0.5, 1.0)}}
    phrases = testset.phrases()
    heard = measure(engine, phrases)
    out["peer_phrases"] = [{"text": u["text"], "voice": u["voice"], "rate": u["rate"], "heard": join(h), "right": e == 0}
                           for u, (e, _, h) in zip(phrases, heard)]
    out["errors"] = [{"text": join(texts.tokens(u["text"])), "heard": join(h), "voice": u["voice"]} for u, (e, _, h) in zip(items, rows) if e][:40]
    return out


def join(tokens):
    """Tokens as a line of text: a space on both sides of English words."""
    text = "".join(" " + t[1:] + " " if t.startswith("▁") else t for t in tokens)
    return " ".join(text.split())


def write_samples(folder, engine):
    """Three short sentences a language, taken by seed and length alone."""
    folder.mkdir(parents=True, exist_ok=True)
    lines, wanted = [], dict.fromkeys(texts.LANGUAGES, 3)
    for u in testset.make(30, seed=4, new_template_every=10 ** 9, tail=0.3):
        name, seconds = u["language"], len(u["wave"]) / 8000
        if wanted[name] == 0 or seconds > 2.7 or len(texts.tokens(u["text"])) < 4:
            continue
        wanted[name] -= 1
        file = f"{name}-{3 - wanted[name]}.wav"
        with wave.open(str(folder / file), "wb") as out:
            out.setparams((1, 2, 8000, 0, "NONE", ""))
            out.writeframes((np.clip(u["wave"], -1, 1) * 32767).round().astype("<i2").tobytes())
        text = join(texts.tokens(u["text"]))
        lines.append(json.dumps({"audio": file, "text": text, "language": name}, ensure_ascii=False))
        print(file, f"{seconds:.1f} s", text, "=>", join(engine(padded(u["wave"], PAD))))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--model", type=pathlib.Path, required=True)
    ask.add_argument("--engine", choices=("onnx", "sherpa"), default="onnx")
    ask.add_argument("--per-language", type=int, default=200)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--out", type=pathlib.Path)
    ask.add_argument("--samples", type=pathlib.Path)
    args = ask.parse_args()
    engine = {"onnx": Onnx, "sherpa": Sherpa}[args.engine](args.model)
    result = report(engine, args.per_language, args.seed)
    print(json.dumps(result, ensure_ascii=False, indent=1))
    if args.out:
        everything = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {}
        everything[args.engine] = result
        args.out.write_text(json.dumps(everything, ensure_ascii=False, indent=1) + "\n", "utf-8")
    if args.samples:
        write_samples(args.samples, engine)
    good = all(r["token_error_percent"] <= 15 for r in result["languages"].values()) and all(p["right"] for p in result["peer_phrases"])
    print("within 15 % and every peer phrase right" if good else "NOT within the limits")
    sys.exit(0 if good else 1)
