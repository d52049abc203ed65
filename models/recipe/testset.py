"""The test: voices and sentences that training never hears, over G.711 with noise 15 to 30 dB below the speech."""
import argparse
import json
import pathlib
import random
import re
import wave as wave_file

import numpy as np

import labels
import line
import speak
import texts
import units

SNR = (15, 30)


def make(per_language, seed, new_template_every=8, tail=0.0):
    """-> [{wave (8 kHz float), text, language, new_template, snr}]. The seed alone decides everything."""
    espeak, rng, np_rng, out = speak.Espeak(), random.Random(seed), np.random.default_rng(seed), []
    spell = labels.Labels(espeak)
    for name in texts.LANGUAGES:
        language, seen = texts.Language(name), set()
        while len(seen) < per_language:
            new = len(seen) % new_template_every == new_template_every - 1
            sentence = language.draw(rng, held_out=True, new_template=new)
            if sentence in seen:
                continue
            seen.add(sentence)
            spelled = spell.of(name, sentence)
            if spelled is None:
                continue
            voice, base = rng.choice(speak.TEST_VARIANTS), rng.choice(speak.BASES[name])
            wave, _ = espeak.say(name, base, voice, sentence, rng.randrange(130, 206), rng.randrange(30, 75), rng.randrange(35, 70))
            snr = rng.uniform(*SNR)
            heard = line.call(line.to_8k(wave), rng.uniform(0.1, 1.0), tail, rng, np_rng, snr)
            out.append({"wave": heard, "text": sentence, "units": spelled, "language": name, "new_template": new, "snr": snr, "voice": voice})
    return out


def distance(reference, heard):
    """Token errors: insertions, deletions and replacements (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, r in enumerate(reference, 1):
        before, row[0] = row[:], i
        for j, h in enumerate(heard, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (r != h))
    return row[-1]


def greedy(frames, names):
    """CTC: best token of each frame, repeats and blanks dropped."""
    out, before = [], 0
    for v in frames:
        if v != before and v:
            out.append(names[v])
        before = v
    return out


def clip(name, sentence, rng, np_rng, espeak):
    """One sentence by a voice that training never hears, over the line; None where a word has no reading."""
    if units.of(name, sentence) is None:
        return None
    if name == "en" and rng.random() < 0.2:
        voice = speak.FLITE_TEST[0]
        wave, rate = speak.flite(voice, sentence, rng.uniform(0.9, 1.15), rng.randrange(95, 190))
        clean = line.to_8k(wave, 1.0, rate)
    else:
        voice, base = rng.choice(speak.TEST_VARIANTS), rng.choice(speak.BASES[name])
        wave, _ = espeak.say(name, base, voice, sentence, rng.randrange(130, 206), rng.randrange(30, 75), rng.randrange(35, 70))
        clean = line.to_8k(wave)
    snr = rng.uniform(*SNR)
    return line.call(clean, rng.uniform(0.2, 0.8), 0.3, rng, np_rng, snr), voice, snr


NUMBERS = {"digits": r"\{[DPM]\d+\}", "amounts": r"\{n\}", "dates": r"\{(date|time|day)\}"}
PERSON = {"yue": "真人|人工|職員|同事|經理|接線生", "cmn": "人工|客服|真人|经理", "en": r"\b(person|agent|operator|human|representative|manager|someone)\b"}
KINDS = {"template": 70, "new-template": 15, "digits": 25, "amounts": 20, "dates": 20, "person": 25}


def tagged(name, kind, rng):
    """A held-out sentence of this kind."""
    language = texts.Language(name)
    while True:
        if kind == "new-template":
            return language.draw(rng, held_out=True, new_template=True)
        if kind == "person":
            asks = [t for t in language.train + language.test_only if re.search(PERSON[name], language.fill(t, rng))]
            sentence = language.vary(language.fill(rng.choice(asks), rng), rng)
            if re.search(PERSON[name], sentence) and language.held_out("{}", sentence) and sentence not in language.fixed_if(True):   # gen.py never says such a one
                return sentence
            continue
        template = rng.choice(language.train)
        sentence = language.fill(template, rng)
        mixed = name != "en" and re.search("[a-z]", sentence)
        if not language.held_out(template, sentence) or (kind == "mixed") != bool(mixed):
            continue
        if kind in ("template", "mixed") or re.search(NUMBERS[kind], template):
            return sentence


def free(file, seed):
    """Sentences in no template: of the first part the test (odd seeds) and the tuning set (even ones) get every other one; the
    second part is the test's alone."""
    _, shared, test = re.split(r"^#.*\n", (texts.TEXT_DIR / f"test-{file}.txt").read_text("utf-8"), flags=re.MULTILINE)
    return shared.split("\n")[:-1][seed % 2::2] + (test.split("\n")[:-1] if seed % 2 else [])


def write(folder, seed):
    """Sound files and a manifest for `tingwa eval`."""
    folder.mkdir(parents=True, exist_ok=True)
    espeak, rng, np_rng, rows, seen = speak.Espeak(), random.Random(seed), np.random.default_rng(seed), [], set()
    wanted = [(name, kind) for name in texts.LANGUAGES for kind, count in KINDS.items() for _ in range(count)]
    wanted += [(name, "mixed") for name, count in (("yue", 45), ("cmn", 20)) for _ in range(count)]
    jobs = []
    for name, kind in wanted:
        for _ in range(50):
            sentence = tagged(name, kind, rng)
            if sentence not in seen:
                break
        seen.add(sentence)
        jobs.append((name, sentence, [kind]))
    for file, name, tags in (("yue", "yue", ["free"]), ("cmn", "cmn", ["free"]), ("en", "en", ["free"]), ("mixed", "yue", ["mixed", "free-mixed"])):
        jobs += [(name, s, tags) for s in free(file, seed)]
    for name, sentence, tags in jobs:
        made = clip(name, sentence, rng, np_rng, espeak)
        if made is None:
            print("no reading:", sentence)
            continue
        heard, voice, snr = made
        path = f"{len(rows):04}.wav"
        with wave_file.open(str(folder / path), "wb") as out:
            out.setnchannels(1), out.setsampwidth(2), out.setframerate(8000)
            out.writeframes((np.clip(heard, -1, 1) * 32767).astype("<i2").tobytes())
        code = {"en": "eng"}.get(name, name)
        rows.append({"audio": path, "text": sentence, "language": code, "tags": tags + [f"snr{int(snr // 5) * 5}", f"voice-{voice}"]})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), "utf-8")
    print(f"{folder}: {len(rows)} recordings")


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description="write a test set for `tingwa eval`")
    ask.add_argument("--write", type=pathlib.Path, required=True)
    ask.add_argument("--seed", type=int, default=1)
    args = ask.parse_args()
    write(args.write, args.seed)
