"""lexicon.tsv and phrases.tsv beside the model: what can be written, and which words follow which.

    python lexicon.py --out ../tiny-trilingual

lexicon.tsv   TEXT  LANGUAGE  UNITS  COUNT     a character or an English word, its units, how often it is read so
phrases.tsv   COUNT  LANGUAGE  TEXT            training-side sentences and frequent words of several characters
Held-out sentences are in neither. Counts are relative within a language.
"""
import argparse
import collections
import itertools
import pathlib
import random
import re

import open_words
import speak
import texts
import units

LEXICON_HEAD = """# What the small recogniser can write: text, language, units, count. Made by models/recipe/lexicon.py.
# Cantonese readings: rime-cantonese by CanCLID and contributors, CC BY 4.0 (tones kept, rare characters dropped, espeak-ng's readings added).
# Mandarin readings: pypinyin's table (MIT); counts: jieba's word list (MIT). English readings: CMUdict (BSD-2-Clause, Carnegie Mellon University).
"""
PHRASES_HEAD = """# How often what is said: count, language, text. Made by models/recipe/lexicon.py from this recipe's templates (training side only),
# jieba's word list (MIT) and rime-cantonese (CC BY 4.0). A text after "~" is a part of a sentence, not a whole one.
"""
PLANS = pathlib.Path(__file__).parent.parent.parent / "dialplans"
DRAWS, WORDS = 6000, 36000
CODES = {"yue": "yue", "cmn": "cmn", "en": "eng"}


def sentences(name, rng):
    """Training-side sentences, the held-out ones never."""
    language, out = texts.Language(name), collections.Counter()
    while sum(out.values()) < DRAWS:
        plain = language.draw(rng, held_out=False)
        sentence = language.vary(plain, rng) if rng.random() < 0.15 else plain
        if not language.held_out("{}", sentence):
            out[sentence] += 1
    return out


def plan_texts():
    """Whatever the shipped hotlines say or hear, for its characters and words."""
    return "".join(path.read_text("utf-8").lower() for path in sorted(PLANS.rglob("*.toml")))


def chinese(name, said, rng):
    """character -> how often, as spoken: word list and, weighing as much, the templates."""
    words, counts = open_words.mandarin() if name == "cmn" else open_words.cantonese()
    listed, spoken = collections.Counter(), collections.Counter()
    for word, count in zip(words, counts):
        for c in word:
            listed[c] += count
    for sentence, count in said.items():
        for c in sentence:
            if units.is_han(c):
                spoken[c] += count
    share = sum(listed.values()) / sum(spoken.values())
    total = {c: listed[c] + share * spoken[c] for c in listed | spoken}
    keep = sorted(total, key=lambda c: (-total[c], c))[:8000]
    if name == "yue":
        keep += [c for c in sorted(set(plan_texts())) if units.is_han(c) and c in units.jyutping()[0] and c not in set(keep)]
    return {c: max(total.get(c, 0), 1.0) for c in keep}


def cantonese_rows(counts):
    espeak = speak.Espeak()
    for c, count in counts.items():
        readings = {r: share for share, r in units.jyutping()[0].get(c, []) if share >= 0.02}
        said = units.espeak_syllables(espeak.spoken(c))
        if len(said) == 1 and re.fullmatch(r"[a-z]+", said[0][0]) and said[0][1] in "123456":
            readings.setdefault("".join(said[0]), 0.1)
        total = sum(readings.values())
        for reading, share in readings.items():
            yield c, units.split_jyutping(reading), count * share / total


def mandarin_rows(counts):
    import pypinyin
    for c, count in counts.items():
        found = pypinyin.pinyin(c, style=pypinyin.Style.TONE3, neutral_tone_with_five=True, heteronym=True)[0]
        found = [r for r in dict.fromkeys(found) if re.fullmatch(r"[a-z]+[1-5]", r)]
        for at, reading in enumerate(found[:4]):
            share = 0.85 if at == 0 and len(found) > 1 else 1.0 if at == 0 else 0.15 / (min(4, len(found)) - 1)
            yield c, units.split_pinyin(reading), count * share


def english_rows(said):
    counts = collections.Counter(open_words.english())
    for sentence, count in said.items():
        for word in re.findall(r"[a-z']+", sentence):
            counts[word] += count * 3
    for word in re.findall(r"[a-z']+", plan_texts()) + list(units.ENGLISH) + [c for c in units.LETTERS]:
        counts[word] += 1
    for word in sorted(counts):
        phones = units.read_english(word)
        if phones:
            yield word, ["e:" + p for p in phones], counts[word]


def several(name, limit):
    """Frequent words of several characters, their counts damped."""
    words, counts = open_words.mandarin() if name == "cmn" else open_words.cantonese()
    rows = [(w, c) for w, c in zip(words, counts) if len(w) > 1][:limit]
    return {"~" + w: max(1, round((c ** 0.5) / 12)) for w, c in rows}


def main(args):
    rng, known = random.Random(args.seed), units.index()
    said = {name: sentences(name, rng) for name in texts.LANGUAGES}
    rows = [(c, "yue", u, n) for c, u, n in cantonese_rows(chinese("yue", said["yue"], rng))]
    rows += [(c, "cmn", u, n) for c, u, n in mandarin_rows(chinese("cmn", said["cmn"], rng))]
    mixed = said["en"] + said["yue"] + said["cmn"]
    rows += [(w, "eng", u, n) for w, u, n in english_rows(mixed)]
    rows = sorted({(text, code, " ".join(u), f"{count:.6g}") for text, code, u, count in rows if all(x in known for x in u)})
    (args.out / "lexicon.tsv").write_text(LEXICON_HEAD + "".join("\t".join(row) + "\n" for row in rows), "utf-8")
    lines = [(count, CODES[name], sentence) for name in texts.LANGUAGES for sentence, count in said[name].items()]
    lines += [(count, name, word) for name in ("yue", "cmn") for word, count in several(name, WORDS).items()]
    lines.sort(key=lambda x: (x[1], x[2]))
    (args.out / "phrases.tsv").write_text(PHRASES_HEAD + "".join(f"{c}\t{l}\t{t}\n" for c, l, t in lines), "utf-8")
    by = collections.Counter(row[1] for row in rows)
    print(f"lexicon.tsv: {dict(by)}; phrases.tsv: {len(lines)} lines, {(args.out / 'phrases.tsv').stat().st_size >> 10} KiB")


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--out", type=pathlib.Path, required=True)
    ask.add_argument("--seed", type=int, default=11)
    main(ask.parse_args())
