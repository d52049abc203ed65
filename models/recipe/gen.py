"""Make training shards: templates -> espeak-ng -> telephone line -> features, tokens and phoneme times.

    python gen.py --out DIR --text DIR --shards 16 --per-shard 1500 --jobs 2

Each shard depends only on its number, so a broken run goes on where it stopped. train.py may start on the first ones.
"""
import argparse
import concurrent.futures
import multiprocessing
import os
import pathlib
import random
import re
import time

import numpy as np

import corpora
import labels
import line
import speak
import texts
import units

FRAME = 0.04          # one output frame of the model: four feature frames of 10 ms
LEAD = (0.0, 1.5)     # silence before and after the speech, seconds
OPEN = 0.18           # share of utterances that are words in no order
CLAUSE = 0.30         # share that are clauses of everyday text
SHARES = {"yue": 0.33, "cmn": 0.31, "en": 0.36}
OTHER_FAMILY = 0.4    # share of the English that flite and festival say
TAIL = (0.36, 1.2)    # the gateway pads 0.5 s; a last chunk of up to 0.15 s may never be decoded


class Maker:
    """Draws utterances; one per process."""

    def __init__(self, clauses):
        self.espeak, self.festival = speak.Espeak(), speak.Festival()
        self.labels, self.clauses = labels.Labels(self.espeak), clauses
        self.languages = {n: texts.Language(n) for n in texts.LANGUAGES}
        self.recent = []      # last clean waves, to make babble of

    def say(self, name, sentence, rng, variants):
        """-> clean 8 kHz wave, [(second, phoneme)]"""
        if name == "en" and rng.random() < OTHER_FAMILY:
            pitch = rng.randrange(80, 220) if rng.random() < 0.6 else None
            if rng.random() < 0.6:
                wave, rate = speak.flite(rng.choice(speak.FLITE_TRAIN), sentence, rng.uniform(0.8, 1.3), pitch)
            else:
                wave, rate = self.festival.say(rng.choice(speak.FESTIVAL_TRAIN), sentence, rng.uniform(0.8, 1.3), pitch)
            return line.to_8k(wave, rng.uniform(0.84, 1.16), rate), [(0.0, "?")]
        plain = variants is not speak.TEST_VARIANTS and rng.random() < 0.2
        variant = "" if plain else rng.choice(variants)
        base = rng.choice(speak.BASES[name])
        rate = 175 if rng.random() < 0.25 else rng.randrange(120, 216)
        pitch, span = (50, 50) if rng.random() < 0.3 else (rng.randrange(25, 80), rng.randrange(30, 75))
        wave, phones = self.espeak.say(name, base, variant, sentence, rate, pitch, span)
        stretch = rng.choice([1.0, rng.uniform(0.88, 1.12)])
        return line.to_8k(wave, stretch), [(t * round(160 * stretch) / 160, p) for t, p in phones]

    def babble(self, n, rng):
        out = np.zeros(n, np.float32)
        for _ in range(3):
            voice = rng.choice(self.recent)
            at = rng.randrange(max(1, len(voice)))
            loop = np.tile(np.roll(voice, at), n // len(voice) + 1)[:n]
            out += loop / (loop.std() + 1e-6)
        return out / (out.std() + 1e-6)

    def sentence(self, language, rng):
        """Mostly a template; some with words around it, some a salad of slot values. Never one held out for the test."""
        while True:
            kind, plain = rng.random(), language.draw(rng, held_out=False)
            if kind < OPEN:
                return language.open(rng)
            if kind < OPEN + CLAUSE:
                return rng.choice(corpora.read(self.clauses, language.name))
            kind -= OPEN + CLAUSE
            out = language.salad(rng) if kind < 0.07 else language.vary(plain, rng) if kind < 0.16 else plain
            if not language.held_out("{}", out):
                return out
            if out == plain:
                return plain

    def speech(self, rng):
        """-> clean 8 kHz wave, phones, units; one sentence, or two with a pause."""
        draw = lambda: rng.choices(list(SHARES), SHARES.values())[0]
        name, (wave, phones, toks) = draw(), (np.zeros(0, np.float32), [], [])
        for part in range(2 if rng.random() < 0.12 else 1):
            if part:
                wave = np.concatenate([wave, np.zeros(int(rng.uniform(0.1, 0.7) * 8000), np.float32)])
                name = name if rng.random() < 0.7 else draw()
            sentence, spelled = None, None
            while spelled is None or any(u not in units.index() for u in spelled):
                sentence = self.sentence(self.languages[name], rng)
                spelled = self.labels.of(name, sentence)
            said, marks = self.say(name, sentence, rng, speak.TRAIN_VARIANTS)
            phones += [(t + len(wave) / 8000, p) for t, p in marks] + [((len(wave) + len(said)) / 8000, "sil")]
            wave = np.concatenate([wave, said])
            toks += spelled
        return wave, phones, toks

    def tone(self, rng):
        """What is no speech: nothing, ringing, a row of keypad tones, chords."""
        n = int(rng.uniform(0.4, 4.0) * 8000)
        t, wave, kind, at = np.arange(n) / 8000, np.zeros(n, np.float32), rng.random(), 0
        if kind < 0.25:
            return wave, [], []
        while at < n:
            long = int((rng.uniform(0.05, 0.4) if kind < 0.6 else rng.uniform(0.2, 1.5)) * 8000)
            if kind < 0.6:
                pitches = rng.choice((697, 770, 852, 941)), rng.choice((1209, 1336, 1477, 1633))
            elif kind < 0.75:
                pitches = rng.choice([(440, 480), (425, 425), (400, 450), (1000, 1000), (480, 620)])
            else:
                root = 110 * 2 ** (rng.randrange(0, 30) / 12)
                pitches = [root * k * p for p in (1, rng.choice((1.19, 1.26)), 1.5) for k in (1, 2)]
            fade = np.linspace(1, rng.uniform(0.1, 1) if kind >= 0.75 else 1, len(t[at:at + long]))
            wave[at:at + long] = sum(np.sin(2 * np.pi * p * t[at:at + long]) for p in pitches) * fade / len(pitches)
            at += long + int(rng.uniform(0, 0.4 if kind < 0.6 else 0.1) * 8000)
        return wave * 0.2, [], []

    def utterance(self, rng, np_rng):
        """-> features (T, KEPT), frame phones, token strings."""
        wave, phones, toks = self.tone(rng) if rng.random() < 0.04 else self.speech(rng)
        lead = rng.uniform(*LEAD) if rng.random() < 0.8 else rng.uniform(0, 0.1)
        tail = rng.uniform(*TAIL)
        kind = rng.random()
        snr = None if kind < 0.15 else rng.uniform(10, 32)
        babble = (lambda n: self.babble(n, rng)) if kind > 0.92 and self.recent else None
        if babble:
            snr = rng.uniform(15, 30)
        floor_db = rng.uniform(-75, -50) if rng.random() < 0.4 else None
        if toks:
            self.recent = (self.recent + [wave])[-12:]
        heard = line.call(wave, lead, tail, rng, np_rng, snr, floor_db, babble=babble)
        if rng.random() < 0.12:
            heard = line.lose_packets(heard, rng)
        feats = line.features(line.to_16k(heard, rng))[:, :line.KEPT]
        feats = np.maximum(feats[:len(feats) // 4 * 4], line.FLOOR)
        return feats, frame_phones(phones, lead, len(feats) // 4), toks


def frame_phones(phones, lead, frames):
    """The phoneme sounding at the middle of each output frame."""
    out, at = ["sil"] * frames, 0
    marks = [(lead + t, phone_class(p)) for t, p in phones] + [(1e9, "sil")]
    for (start, name), (end, _) in zip(marks, marks[1:]):
        first, last = int(np.ceil(start / FRAME - 0.5)), int(np.ceil(end / FRAME - 0.5))
        for at in range(max(0, first), min(frames, last)):
            out[at] = name
    return out


def phone_class(name):
    name = re.sub(r"^(\w+):_.*$", "sil", name)
    if name == "?":
        return name
    return name if name else "sil"


def make_shard(path, number, count, seed, clauses):
    began, maker, vocabulary = time.time(), Maker(clauses), texts.vocabulary()
    rng, np_rng = random.Random(seed * 1000 + number), np.random.default_rng(seed * 1000 + number)
    feats, phones, toks = [], [], []
    for _ in range(count):
        f, p, t = maker.utterance(rng, np_rng)
        feats.append(f.astype(np.float16)), phones.append(p), toks.append([vocabulary[x] for x in t])
    names = sorted({p for ps in phones for p in ps})
    index = {n: i for i, n in enumerate(names)}
    partial = path.with_suffix(".part.npz")
    np.savez(partial, feats=np.concatenate(feats), frames=[len(f) for f in feats], names=names,
             phones=np.concatenate([[index[x] for x in p] for p in phones]).astype(np.int16),
             tokens=np.concatenate([np.array(t, np.int16) for t in toks]), token_counts=[len(t) for t in toks])
    os.replace(partial, path)
    hours = sum(len(f) for f in feats) / 360000
    print(f"{path.name}: {count} utterances, {hours:.2f} h, {time.time() - began:.0f} s", flush=True)


def keep_making(path, number, count, seed, clauses):
    """A process for each shard: espeak-ng 1.51 crashes on a rare mix of voice, text and pitch; then other draws are tried."""
    for attempt in range(5):
        if path.exists():
            return
        process = multiprocessing.get_context("spawn").Process(target=make_shard, args=(path, number + 100000 * attempt, count, seed, clauses))
        process.start()
        process.join()
        if not path.exists():
            print(f"{path.name}: synthesiser ended with {process.exitcode}, trying other draws", flush=True)
    raise SystemExit(f"{path.name}: gave up")


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--out", type=pathlib.Path, required=True)
    ask.add_argument("--text", type=pathlib.Path, required=True, help="what corpora.py wrote")
    ask.add_argument("--first", type=int, default=0)
    ask.add_argument("--shards", type=int, default=16)
    ask.add_argument("--per-shard", type=int, default=1500)
    ask.add_argument("--jobs", type=int, default=2)
    ask.add_argument("--seed", type=int, default=7)
    args = ask.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(lambda i: keep_making(args.out / f"shard{i:03}.npz", i, args.per_shard, args.seed, args.text), range(args.first, args.first + args.shards)))
