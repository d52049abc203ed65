"""Words of everyday text for utterances that no template holds, so that every syllable and phone is heard in every surrounding.

Mandarin: jieba's word list with its frequencies (MIT). Cantonese: the same words where rime-cantonese (CC BY 4.0) has them in
Traditional characters, and rime's own. English: Debian's wamerican-small (public domain) where CMUdict (BSD) has a reading.
"""
import functools
import itertools
import pathlib
import random

import jieba

import units

READINGS = pathlib.Path(__file__).parent.parent / "readings"
ENGLISH_LIST = pathlib.Path("/usr/share/dict/american-english-small")


@functools.cache
def traditional():
    """Simplified character -> Hong Kong Traditional, from the table that the classifier uses."""
    table = {}
    for row in (READINGS / "simplified.txt").read_text("utf-8").splitlines():
        pairs = row.strip()
        table.update({pairs[i]: pairs[i + 1] for i in range(0, len(pairs) - 1, 2)})
    return table


@functools.cache
def mandarin():
    """(words, frequencies), commonest first."""
    rows = []
    for row in (pathlib.Path(jieba.__file__).parent / "dict.txt").read_text("utf-8").splitlines():
        word, count, _ = row.split(" ")
        if len(word) <= 4 and all(map(units.is_han, word)) and int(count) > 2:
            rows.append((int(count), word))
    rows.sort(reverse=True)
    return [w for _, w in rows[:70000]], [c for c, _ in rows[:70000]]


@functools.cache
def cantonese():
    characters, phrases = units.jyutping()
    table, known = traditional(), {}
    for word, count in zip(*mandarin()):
        written = "".join(table.get(c, c) for c in word)
        if written in phrases or len(written) == 1 and written in characters:
            known.setdefault(written, count)
    for word in phrases:
        known.setdefault(word, 3)
    rows = sorted(known.items(), key=lambda x: (-x[1], x[0]))
    return [w for w, _ in rows], [c for _, c in rows]


@functools.cache
def english():
    """Lower-case words with a reading; proper names and possessives left out."""
    rows = ENGLISH_LIST.read_text("utf-8").split()
    return [w for w in rows if w.isascii() and w.isalpha() and w.islower() and len(w) > 1 and units.read_english(w)]


@functools.cache
def by_sound(language):
    """Every syllable and the common characters that are read so first."""
    out = {}
    if language == "yue":
        common = set(cantonese()[0][:12000])
        for c, readings in units.jyutping()[0].items():
            if len(readings) == 1 or readings[0][0] > 0.6:
                out.setdefault(readings[0][1], []).append(c)
    else:
        singles = [w for w in mandarin()[0] if len(w) == 1]
        common = set(singles[:6000])
        for c, reading in zip(singles, itertools.chain.from_iterable(units.read_mandarin(c) for c in singles)):
            if reading:
                out.setdefault(reading, []).append(c)
    return {s: [c for c in sorted(cs) if c in common] or sorted(cs)[:3] for s, cs in out.items()}


@functools.cache
def _draws(language):
    words, counts = mandarin() if language == "cmn" else cantonese()
    return words, list(itertools.accumulate(c ** 0.5 for c in counts))


def utterance(language, rng: random.Random):
    """A few words in no order; now and then characters by their sound alone."""
    if language == "en":
        return " ".join(rng.choice(english()) for _ in range(rng.randrange(2, 7)))
    words, totals = _draws(language)
    parts = rng.choices(words, cum_weights=totals, k=rng.randrange(2, 6))
    if rng.random() < 0.35:
        sounds = by_sound(language)
        keys = _keys(language)
        parts += [rng.choice(sounds[rng.choice(keys)]) for _ in range(rng.randrange(1, 5))]
        rng.shuffle(parts)
    return "".join(parts)


@functools.cache
def _keys(language):
    return sorted(by_sound(language))
