"""What espeak-ng really says of a sentence, in units: its own reading of each character where that is a reading we can spell.

A character with several readings (長, 觉) sounds as espeak-ng's dictionary has it, not as ours; a label that says otherwise teaches the
network a wrong tone. Its phonemes come from TextToPhonemes. Mandarin phonemes are understood by what espeak-ng makes of characters
that have one reading only; the third tone before another is left a third tone, as dictionaries write it.
"""
import re

import pypinyin

import open_words
import units

# Syllables whose every character has several readings.
SEEDS = {"l@": "le", "n@N": "neng", "mo": "me", "kei": "gei", "khA": "ka", "nuan": "nuan", "t@": "de"}
MANDARIN_TONES = {"55": "1", "35": "2", "214": "3", "21": "3", "51": "4"}


def cantonese_syllables(spoken):
    """espeak-ng's phonemes of Cantonese -> Jyutping-like syllables; English inside "(en)..(yue)" left out."""
    spoken = re.sub(r"\(en\).*?(\(yue\)|$)", " ", spoken.replace("\n", " "))
    out = []
    for piece in re.split(r"[\s_|]+", spoken.replace("'", "").replace(",", "")):
        for onset, vowel, tone, coda in re.findall(r"([A-Za-z]*?)((?:aa|[aeiouy])[a-zN]*|ng|m|N)(\d)((?:[ptkmnN](?![aeiouy])|ng)*)", piece):
            out.append((onset + vowel + coda).replace("N", "ng") + tone.replace("7", "1"))
    return out


def mandarin_syllables(spoken):
    """espeak-ng's phonemes of Mandarin -> [(phonemes without tone, tone 1-5)], one a character."""
    out = []
    for piece in re.split(r"[\s_|]+", spoken.replace("\n", " ").replace("'", "").replace(",", "")):
        found = re.fullmatch(r"(\D+?)(\d*)([A-Za-z.]*)", piece.replace("-", ""))
        if found and found[1]:
            out.append((found[1] + found[3], MANDARIN_TONES.get(found[2], "5")))
    return out


class Labels:
    """Spells sentences as one synthesiser says them."""

    def __init__(self, espeak):
        self.espeak, self._sounds = espeak, None

    def of(self, name, sentence):
        """Units of a sentence, or None where a character or word has no reading."""
        if name == "en":
            return units.of(name, sentence)
        han = "".join(c for c in sentence if units.is_han(c))
        readings = self.cantonese(han, sentence) if name == "yue" else self.mandarin(han)
        return units.of(name, sentence, readings)

    def cantonese(self, han, sentence):
        known, said = units.read_cantonese(han), cantonese_syllables(self.espeak.spoken(sentence, "yue"))
        if len(said) != len(known):
            return known
        spells = lambda syllable: all(u in units.index() for u in units.split_jyutping(syllable))
        return [s if k and spells(s) else k for k, s in zip(known, said)]

    def mandarin(self, han):
        known, said = units.read_mandarin(han), mandarin_syllables(self.espeak.spoken(han, "cmn-latn-pinyin"))
        if len(said) != len(known):
            return known
        return [self._reading(c, k, s) if k else k for c, k, s in zip(han, known, said)]

    def _reading(self, character, known, said):
        """The reading of the character that sounds as said: the one known, if it does."""
        phonemes, tone = said
        bases = self.sounds().get(phonemes, set())
        fits = lambda reading: reading[:-1] in bases and (reading[-1] == tone or reading[-1] == "3" and tone == "2")
        if fits(known):
            return known
        others = pypinyin.pinyin(character, style=pypinyin.Style.TONE3, neutral_tone_with_five=True, heteronym=True)[0]
        if tone == "5" and known[:-1] in bases:
            others.append(known[:-1] + "5")
        fitting = [r for r in others if re.fullmatch(r"[a-z]+[1-5]", r) and fits(r)]
        return next((r for r in fitting if all(u in units.index() for u in units.split_pinyin(r))), known)

    def sounds(self):
        """espeak-ng's phonemes of a syllable -> pinyin without tone."""
        if self._sounds is None:
            self._sounds = {said: {base} for said, base in SEEDS.items()}
            for reading, characters in open_words.by_sound("cmn").items():
                for c in characters[:4]:
                    readings = pypinyin.pinyin(c, style=pypinyin.Style.TONE3, neutral_tone_with_five=True, heteronym=True)[0]
                    said = mandarin_syllables(self.espeak.spoken(c, "cmn-latn-pinyin"))
                    if len(said) == 1 and len({r[:-1] for r in readings}) == 1:
                        self._sounds.setdefault(said[0][0], set()).add(reading[:-1])
        return self._sounds
