#!/usr/bin/env python3
"""Writes jyutping.txt and simplified.txt beside this file, out of

- Debian's rime-data-jyut6ping3 (CC BY 4.0): readings of characters and words;
- OpenCC's STCharacters.txt and HKVariants.txt (Apache-2.0; wheel opencc-python-reimplemented).

    pip download --no-deps opencc-python-reimplemented && python3 derive.py opencc_python_reimplemented-*.whl

Tones are dropped: recognisers confuse them, and the classifier wants what sounds alike to look alike.
"""
import collections
import pathlib
import re
import sys
import zipfile

RIME = pathlib.Path("/usr/share/rime-data")
HERE = pathlib.Path(__file__).parent
WORDS = 12000
# Single characters whose most frequent reading in speech is not the dictionary's first one.
SPOKEN = {"來": "lai", "聽": "teng", "成": "seng", "啱": "aam", "嚟": "lei", "呢": "ne", "嚹": "laa",
          "驚": "geng", "嗱": "laa", "聲": "seng", "儲": "cou", "訂": "deng", "黑": "haak", "刻": "haak", "哩": "ni", "俾": "bei", "畀": "bei",
          "咩": "me", "嘅": "ge", "啦": "laa", "喇": "laa", "呀": "aa", "啊": "aa", "㗎": "gaa", "噃": "bo", "喎": "wo",
          "吖": "aa", "嘞": "laak", "囉": "lo", "咯": "lo", "吓": "haa", "下": "haa", "平": "peng", "輕": "heng",
          "正": "zing", "重": "zung", "行": "haang", "長": "coeng", "上": "soeng", "生": "saang", "使": "sai",
          "請": "ceng", "名": "meng", "命": "meng", "餅": "beng", "覺": "gok", "度": "dou", "話": "waa", "個": "go",
          "咁": "gam", "噉": "gam", "同": "tung", "到": "dou", "得": "dak", "都": "dou", "好": "hou", "喺": "hai"}


def rows(name):
    body = (RIME / name).read_text(encoding="utf-8").split("\n...\n", 1)[1]
    for line in body.splitlines():
        if line and not line.startswith("#"):
            yield line.split("\t")


def toneless(reading):
    return re.sub(r"[0-9]", "", reading)


def weight(row):
    return float(row[2].rstrip("%")) if len(row) > 2 and row[2] else 100.0


def han(text):
    return all("\u3400" <= c <= "\u9fff" or c >= "\U00020000" for c in text)


def readings():
    frequency = {}
    for line in (RIME / "essay-cantonese.txt").read_text(encoding="utf-8").splitlines():
        word, _, count = line.partition("\t")
        frequency[word] = int(count or 0)
    words = {}
    uses = collections.Counter()
    for row in rows("jyut6ping3.words.dict.yaml"):
        if len(row) > 1 and han(row[0]) and len(row[1].split()) == len(row[0]) and row[0] not in words:
            words[row[0]] = [toneless(s) for s in row[1].split()]
            for char, syllable in zip(row[0], words[row[0]]):
                uses[char, syllable] += frequency.get(row[0], 0) + 1
    chars = {}
    for row in rows("jyut6ping3.chars.dict.yaml"):
        if len(row[0]) == 1:
            key = (weight(row), uses[row[0], toneless(row[1])])
            if row[0] not in chars or key > chars[row[0]][0]:
                chars[row[0]] = (key, toneless(row[1]))
    default = {c: r for c, (_, r) in chars.items()} | SPOKEN
    odd = {w: r for w, r in words.items() if len(w) <= 4 and r != [default.get(c) for c in w]}
    chosen = sorted(odd, key=lambda w: (-frequency.get(w, 0), w))[:WORDS]
    return default, {w: odd[w] for w in sorted(chosen)}


def write_readings():
    default, words = readings()
    by_syllable = collections.defaultdict(list)
    for char in sorted(default):
        by_syllable[default[char]].append(char)
    lines = [f"{s}\t{''.join(by_syllable[s])}" for s in sorted(by_syllable)]
    lines.append("")
    lines += [f"{w}\t{' '.join(r)}" for w, r in words.items()]
    (HERE / "jyutping.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def table(wheel, name):
    for line in wheel.read(f"opencc/dictionary/{name}").decode("utf-8").splitlines():
        left, _, right = line.partition("\t")
        if left and right:
            yield left, right.split()


def write_simplified(path):
    with zipfile.ZipFile(path) as wheel:
        simplified = list(table(wheel, "STCharacters.txt"))
        hong_kong = {left: right[0] for left, right in table(wheel, "HKVariants.txt")}
    both, only = [], []
    for left, right in simplified:
        target = hong_kong.get(right[0], right[0])
        if left != target and len(left) == 1 and len(target) == 1:
            (both if left in right or left in hong_kong.values() else only).append(left + target)
    both += [left + right for left, right in hong_kong.items() if len(left) == len(right) == 1]
    (HERE / "simplified.txt").write_text("".join(only) + "\n" + "".join(both) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write_readings()
    write_simplified(sys.argv[1])
