"""Errors of text: characters and English words after the search of decoder.py, without a hotline's leaning, by language, kind and voice.

    python text_errors.py --model DIR --set DIR [--out text.json]

The set is what `testset.py --write` made. Token error: Levenshtein distance over tokens (a Chinese character or an English word)
divided by the tokens spoken. The gateway's own figures come from `tingwa eval` on the same set; units are in evaluate.py.
"""
import argparse
import json
import pathlib
import re
import sys
import wave

import numpy as np

import decoder
import evaluate
import labels
import line
import speak
import testset
import units

PAD = 0.5  # silence that the gateway feeds after speech has ended, seconds
LANGUAGES = {"yue": "yue", "cmn": "cmn", "eng": "en"}
TARGETS = {"digits": 3, "amounts": 3, "dates": 3, "person": 3, "mixed": 12, "free-mixed": 12}


class Onnx(evaluate.Onnx):
    """The model chunk by chunk as evaluate.py runs it, all rows kept."""

    def __init__(self, folder):
        super().__init__(folder)
        self.search = decoder.Decoder(folder)

    def rows(self, wave8):
        feats = line.features(line.half_band(wave8, line.GATEWAY))
        channel, last, count, out = np.zeros((1, 1, 1, 1), np.float32), np.zeros(self.cache, np.float32), np.zeros(1, np.int64), []
        for at in range(0, len(feats) - self.window + 1, self.window):
            chunk = np.ascontiguousarray(feats[at:at + self.window].T[None])
            found = self.session.run(None, {"audio_signal": chunk, "length": np.array([self.window]), "cache_last_channel": channel,
                                            "cache_last_time": last, "cache_last_channel_len": count})
            out.append(found[0][0])
            channel, last, count = found[2:]
        return np.concatenate(out)

    def __call__(self, wave8):
        """-> units, words"""
        rows = self.rows(wave8)
        return testset.greedy(rows.argmax(-1).tolist(), self.names), self.search(rows)


def toneless(spelled):
    return [u.rstrip("123456") for u in spelled]


def padded(wave8, seconds):
    return np.concatenate([wave8, np.zeros(int(seconds * 8000), np.float32)])


def read(folder):
    """The set: sound, text, units, tags."""
    spell, out = labels.Labels(speak.Espeak()), []
    for row in map(json.loads, (folder / "manifest.jsonl").read_text("utf-8").splitlines()):
        with wave.open(str(folder / row["audio"]), "rb") as sound:
            samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.float32) / 32768
        name, text = LANGUAGES[row["language"]], row["text"]
        spelled = spell.of(name, text)
        if spelled is None:
            print("no reading, left out:", text)
            continue
        tag = lambda start: next(t[len(start):] for t in row["tags"] if t.startswith(start))
        out.append(dict(row, wave=samples, units=spelled, kind=row["tags"][0], kinds=row["tags"][:-2], snr=tag("snr"), voice=tag("voice-"),
                        language="mixed" if re.search("[a-z]", text) and name != "en" else row["language"]))
    return out


def measure(engine, items, pad=PAD):
    """Adds what was heard to copies of the items, and how wrong it was."""
    out = []
    for item in items:
        spelled, words = engine(padded(item["wave"], pad))
        said = units.words(item["text"])
        out.append(dict(item, heard_units=spelled, heard=words, unit_wrong=testset.distance(item["units"], spelled),
                        flat_wrong=testset.distance(toneless(item["units"]), toneless(spelled)), tokens=len(said),
                        wrong=testset.distance(said, words)))
    return out


def summary(rows):
    spoken = sum(len(r["units"]) for r in rows)
    out = {"sentences": len(rows), "units": spoken,
           "unit_error_percent": round(100 * sum(r["unit_wrong"] for r in rows) / max(1, spoken), 2),
           "unit_error_without_tone_percent": round(100 * sum(r["flat_wrong"] for r in rows) / max(1, spoken), 2)}
    tokens, wrong = sum(r["tokens"] for r in rows), sum(r["wrong"] for r in rows)
    return out | {"tokens": tokens, "token_errors": wrong, "token_error_percent": round(100 * wrong / max(1, tokens), 2),
                  "sentences_right_percent": round(100 * sum(r["wrong"] == 0 for r in rows) / max(1, len(rows)), 1)}


def no_speech(minutes, seed):
    """Sound that holds no speech, by kind: 8 kHz waves of ten seconds."""
    rng, tone = np.random.default_rng(seed), lambda hz: np.sin(2 * np.pi * hz * np.arange(80000) / 8000)
    pulse = lambda on, off: (np.arange(80000) / 8000 % (on + off) < on).astype(float)
    keys = [(l, h) for l in (697, 770, 852, 941) for h in (1209, 1336, 1477)]
    chords = [(220, 277, 330), (196, 247, 294), (175, 220, 262), (247, 311, 370)]
    kinds = {"silence": lambda: np.zeros(80000), "white line noise": lambda: line.noise("white", 80000, rng) * 10 ** (rng.uniform(-60, -30) / 20),
             "pink line noise": lambda: line.noise("pink", 80000, rng) * 10 ** (rng.uniform(-60, -30) / 20),
             "ringing": lambda: 0.1 * pulse(0.4, 0.2 + rng.uniform(0, 2)) * (tone(440) + tone(480)),
             "keypad tones": lambda: 0.1 * pulse(rng.uniform(0.08, 0.3), rng.uniform(0.1, 0.8)) * sum(map(tone, keys[rng.integers(12)])),
             "chords (music)": lambda: 0.06 * np.concatenate([sum(map(tone, chords[i]))[:10000] * np.linspace(1, 0.2, 10000)
                                                              for i in rng.integers(0, 4, 8)])}
    return {kind: [line.g711(make().astype(np.float32), bool(i % 2)) for i in range(int(minutes * 6))] for kind, make in kinds.items()}


def report(engine, items):
    rows = measure(engine, items)
    pick = lambda test: summary([r for r in rows if test(r)])
    languages, kinds = [*LANGUAGES, "mixed"], list(dict.fromkeys(k for r in rows for k in r["kinds"]))
    known = {n: dict.fromkeys(k for r in rows if r["language"] == n for k in r["kinds"]) for n in languages}
    return {"test": f"{len(items)} sentences; voices and sentences never trained on, G.711, noise 15-30 dB below; no leaning towards a hotline",
            "languages": {n: pick(lambda r: r["language"] == n) for n in languages},
            "kinds": {k: pick(lambda r: k in r["kinds"]) for k in kinds},
            "kinds_by_language": {f"{n} {k}": pick(lambda r: r["language"] == n and k in r["kinds"]) for n in languages for k in known[n]},
            "snr": {f"{s}-{int(s) + 5} dB": pick(lambda r: r["snr"] == s) for s in ("15", "20", "25")},
            "voices": {v: pick(lambda r: r["voice"] == v) for v in sorted({r["voice"] for r in rows})},
            "english_by_espeak": pick(lambda r: r["language"] == "eng" and r["voice"] not in speak.FLITE_TEST),
            "false_words": {kind: {"minutes": round(len(waves) / 6, 1), "words": sum(len(engine(w)[1]) for w in waves)}
                            for kind, waves in no_speech(10, seed=5).items()},
            "errors": [{"text": r["text"], "heard": join(r["heard"]), "voice": r["voice"], "tags": r["kinds"]} for r in rows if r["wrong"]][:60]}


def join(words):
    """Words as a line of text: a space on both sides of English ones."""
    return " ".join("".join(f" {w} " if w[0].isascii() else w for w in words).split())


def within(result):
    """Which targets are missed."""
    figure = lambda r: r.get("token_error_percent", 0)
    missed = [f"{n} {figure(result['languages'][n])} % > 6 %" for n in LANGUAGES if figure(result["languages"][n]) > 6]
    return missed + [f"{k} {figure(result['kinds'][k])} % > {t} %" for k, t in TARGETS.items() if k in result.get("kinds", {})
                     and figure(result["kinds"][k]) > t]


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--model", type=pathlib.Path, required=True)
    ask.add_argument("--set", type=pathlib.Path, required=True)
    ask.add_argument("--out", type=pathlib.Path)
    args = ask.parse_args()
    items = read(args.set)
    result = report(Onnx(args.model), items)
    print(json.dumps(result, ensure_ascii=False, indent=1))
    if args.out:
        args.out.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", "utf-8")
    missed = within(result)
    print("missed: " + "; ".join(missed) if missed else "every target met")
    sys.exit(1 if missed else 0)
