#!/usr/bin/env python3
"""Writes pinyin.txt beside this file: toneless pinyin of the 6,763 characters of GB 2312, the first two readings of each, out of
the wheel pypinyin (MIT).

    pip download --no-deps pypinyin==0.55.0
    python derive_pinyin.py pypinyin-0.55.0-py2.py3-none-any.whl
"""
import collections
import json
import pathlib
import sys
import unicodedata
import zipfile

MARKS = {"\u0304", "\u0301", "\u030c", "\u0300"}  # the four tones; the dots of ü stay


def toneless(reading):
    bare = "".join(c for c in unicodedata.normalize("NFD", reading) if c not in MARKS)
    return unicodedata.normalize("NFC", bare).replace("ü", "v").replace("ê", "e")


def is_common(char):
    try:
        char.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


table = json.loads(zipfile.ZipFile(sys.argv[1]).read("pypinyin/pinyin_dict.json"))
by_syllable = collections.defaultdict(list)
for code, readings in table.items():
    if is_common(chr(int(code))):
        for syllable in list(dict.fromkeys(map(toneless, readings.split(","))))[:2]:
            by_syllable[syllable].append(chr(int(code)))
lines = (f"{syllable}\t{''.join(sorted(chars))}\n" for syllable, chars in sorted(by_syllable.items()))
(pathlib.Path(__file__).parent / "pinyin.txt").write_text("".join(lines), encoding="utf-8")
