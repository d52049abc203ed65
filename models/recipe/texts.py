"""Sentences of a telephone hotline, drawn from the templates in text/*.txt.

A sentence is *held out* (test only) when its template is marked "?" or when the hash of its words says so;
sentences without a slot are never held out by hash, because nothing else could teach their words.
"""
import hashlib
import pathlib
import re

import open_words
import units

LANGUAGES = ("yue", "cmn", "en")
TEXT_DIR = pathlib.Path(__file__).parent / "text"
HELD_OUT_ONE_IN = 10

ZH_DIGITS = "零一二三四五六七八九"
EN_SMALL = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
            "seventeen eighteen nineteen").split()
EN_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
EN_ORDINALS = ("_ first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
               "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth").split()
EN_MONTHS = "_ january february march april may june july august september october november december".split()


def tokens(sentence):
    """What is scored: one Chinese character or one '▁word' each."""
    return ["▁" + t if t.isascii() else t for t in units.words(sentence)]


def zh_number(n, two):
    """0..9999 as it is said; `two` is the character used for 200 and 2000 (二, 兩 or 两)."""
    if n < 10:
        return ZH_DIGITS[n]
    out, gap = "", False
    digits = [int(d) for d in str(n)]
    for i, d in enumerate(digits):
        power = len(digits) - 1 - i
        if d == 0:
            gap = True
            continue
        if gap:
            out, gap = out + "零", False
        name = two if d == 2 and power >= 2 else ZH_DIGITS[d]
        out += ("" if d == 1 and power == 1 and i == 0 else name) + ["", "十", "百", "千"][power]
    return out


def en_number(n):
    if n < 20:
        return EN_SMALL[n]
    if n < 100:
        return EN_TENS[n // 10] + (" " + EN_SMALL[n % 10] if n % 10 else "")
    if n < 1000:
        return EN_SMALL[n // 100] + " hundred" + (" " + en_number(n % 100) if n % 100 else "")
    return en_number(n // 1000) + " thousand" + (" " + en_number(n % 1000) if n % 1000 else "")


def say_digits(digits, language, rng):
    if language == "cmn":
        return "".join("幺" if d == "1" and len(digits) > 6 and rng.random() < .1 else ZH_DIGITS[int(d)] for d in digits)
    if language == "yue":
        return "".join(ZH_DIGITS[int(d)] for d in digits)
    out, zero, i = [], "oh" if rng.random() < .2 else "zero", 0
    while i < len(digits):
        name = zero if digits[i] == "0" else EN_SMALL[int(digits[i])]
        if i + 1 < len(digits) and digits[i] == digits[i + 1] and rng.random() < .2:
            out, i = out + ["double", name], i + 2
        else:
            out, i = out + [name], i + 1
    return " ".join(out)


def digit_slot(kind, count, language, rng):
    digits = "".join(str(rng.randrange(10)) for _ in range(count))
    if kind == "P":
        digits = rng.choice("235689") + digits[1:]
    if kind == "M":
        digits = "1" + rng.choice("35789") + digits[2:]
    return say_digits(digits, language, rng)


def amount(language, rng):
    n = rng.choice([rng.randrange(1, 100), rng.randrange(100, 1000), rng.randrange(10, 100) * 100, rng.randrange(1000, 10000)])
    return en_number(n) if language == "en" else zh_number(n, rng.choice("二兩" if language == "yue" else "二两"))


def time_of_day(language, rng):
    hour = rng.randrange(1, 13)
    if language == "en":
        part = rng.choice(["", " am", " pm", " in the morning", " in the afternoon"])
        return rng.choice([en_number(hour) + " o'clock", en_number(hour) + rng.choice([" fifteen", " thirty", " forty five"]) + part,
                           "half past " + en_number(hour), en_number(hour) + (part or " pm")])
    two, parts = ("兩", ["上晝", "下晝", "夜晚", "朝早", ""]) if language == "yue" else ("两", ["上午", "下午", "晚上", "早上", ""])
    point = "點" if language == "yue" else "点"
    said = two if hour == 2 else zh_number(hour, two)
    if language == "yue":
        tails = [point, point + "鐘", point + "半", point + rng.choice("一三五九") + rng.choice(["個字", ""]), point + "四十五分"]
    else:
        tails = [point, point + "钟", point + "半", point + "一刻", point + "四十五分"]
    return rng.choice(parts) + said + rng.choice(tails)


def date(language, rng):
    month, day = rng.randrange(1, 13), rng.randrange(1, 32)
    if language == "en":
        tens, ones = divmod(day, 10)
        name = EN_ORDINALS[day] if day <= 20 else "thirtieth" if day == 30 else EN_TENS[tens] + " " + EN_ORDINALS[ones]
        return rng.choice([EN_MONTHS[month] + " " + name, "the " + name + " of " + EN_MONTHS[month], "the " + name])
    end = "號" if language == "yue" else "号"
    day_said = zh_number(day, "二") + end
    return rng.choice([zh_number(month, "二") + "月" + day_said, day_said, ("下個月" if language == "yue" else "下个月") + day_said])


class Language:
    """The templates of one language."""

    def __init__(self, name):
        self.name, self.slots, self.train, self.test_only = name, {}, [], []
        for line in (TEXT_DIR / f"{name}.txt").read_text("utf-8").splitlines():
            if not line or line.startswith("#"):
                continue
            if line.startswith("@"):
                slot, _, values = line[1:].partition("=")
                self.slots[slot.strip()] = [v.strip() for v in values.split("|")]
            elif line.startswith("? "):
                self.test_only.append(line[2:])
            else:
                weight, template = re.fullmatch(r"(?:\[(\d+)\] )?(.*)", line).groups()
                slots_weigh = 2 if "{" in template else 1
                self.train += [template] * (int(weight or 1) * slots_weigh)

    def fill(self, template, rng):
        def one(match):
            key = match.group(1)
            if re.fullmatch(r"[DPM]\d+", key):
                return digit_slot(key[0], int(key[1:]), self.name, rng)
            if key == "n":
                return amount(self.name, rng)
            if key == "tens":
                return en_number(rng.randrange(1, 10) * 10) if self.name == "en" else ZH_DIGITS[rng.randrange(1, 10)]
            if key == "time":
                return time_of_day(self.name, rng)
            if key == "date":
                return date(self.name, rng)
            value = rng.choice(self.slots[key])
            return f" {value} " if value[0].isascii() and self.name != "en" else value
        return " ".join(re.sub(r"\{(\w+)\}", one, template).split())

    def held_out(self, template, sentence):
        if template in self.test_only:
            return True
        digest = hashlib.md5(" ".join(tokens(sentence)).encode()).digest()
        return "{" in template and digest[0] * 256 + digest[1] < 65536 // HELD_OUT_ONE_IN

    def draw(self, rng, held_out, new_template=False):
        """One sentence from the training side or, with held_out, one that training never hears."""
        while True:
            template = rng.choice(self.test_only if new_template else self.train)
            sentence = self.fill(template, rng)
            if self.held_out(template, sentence) == held_out and sentence not in self.fixed_if(held_out):
                return sentence

    def vary(self, sentence, rng):
        """A training sentence with a word or two of politeness around it."""
        gap = " " if self.name == "en" else ""
        before, after = rng.choice(self.slots["before"]) + gap, gap + rng.choice(self.slots["after"])
        return rng.choice([before + sentence, sentence + after, before + sentence + after])

    def salad(self, rng):
        """Slot values in no sensible order: here only the sound tells the words."""
        values = [v for slot in sorted(self.slots) for v in self.slots[slot]]
        parts = [rng.choice(values) for _ in range(rng.randrange(1, 5))]
        parts += [digit_slot("D", rng.randrange(1, 6), self.name, rng)] if rng.random() < 0.2 else []
        return " ".join(parts) if self.name == "en" else "".join(f" {p} " if p.isascii() else p for p in parts)

    def open(self, rng):
        """Words of everyday text, in no template."""
        return open_words.utterance(self.name, rng)

    def fixed_if(self, held_out):
        """A filled template may equal a fixed sentence; such a sentence is no test of anything unseen."""
        return {t for t in self.train if "{" not in t} if held_out else ()

    def inventory(self):
        """Every token that can be drawn, in a fixed order."""
        pieces = list(self.train) + self.test_only + [v for values in self.slots.values() for v in values]
        return [t for p in pieces for t in tokens(re.sub(r"\{\w+\}", " ", p))]


def vocabulary():
    """Unit list of the model; index 0 is the CTC blank."""
    return units.index()


if __name__ == "__main__":
    import random
    rng = random.Random(1)
    print(len(vocabulary()), "units")
    for name in LANGUAGES:
        language = Language(name)
        drawn = [language.draw(rng, i % 2 == 1) for i in range(3000)]
        drawn += [language.vary(s, rng) for s in drawn] + [language.salad(rng) for _ in range(3000)]
        unread = {w for s in drawn if units.of(name, s) is None for w in units.words(s) if w.isascii() and not units.read_english(w)}
        assert not unread, unread
        print(name, len(language.train), len(set(drawn)), drawn[:8], language.draw(rng, True, True))
