"""The test: voices and sentences that training never hears, over G.711 with noise 15 to 30 dB below the speech."""
import random

import numpy as np

import line
import speak
import texts
import units

SNR = (15, 30)


def make(per_language, seed, new_template_every=8, tail=0.0):
    """-> [{wave (8 kHz float), text, language, new_template, snr}]. The seed alone decides everything."""
    espeak, rng, np_rng, out = speak.Espeak(), random.Random(seed), np.random.default_rng(seed), []
    for name in texts.LANGUAGES:
        language, seen = texts.Language(name), set()
        while len(seen) < per_language:
            new = len(seen) % new_template_every == new_template_every - 1
            sentence = language.draw(rng, held_out=True, new_template=new)
            if sentence in seen:
                continue
            seen.add(sentence)
            spelled = units.of(name, sentence, espeak.spoken(sentence) if name == "yue" else None)
            if spelled is None:
                continue
            voice, base = rng.choice(speak.TEST_VARIANTS), rng.choice(speak.BASES[name])
            wave, _ = espeak.say(name, base, voice, sentence, rng.randrange(130, 206), rng.randrange(30, 75), rng.randrange(35, 70))
            snr = rng.uniform(*SNR)
            heard = line.call(line.to_8k(wave), rng.uniform(0.1, 1.0), tail, rng, np_rng, snr)
            out.append({"wave": heard, "text": sentence, "units": spelled, "language": name, "new_template": new, "snr": snr, "voice": voice})
    return out


def phrases():
    """Sentences that the tests against real telephony peers play, by espeak's own default voices, without noise."""
    espeak, rng, np_rng, out = speak.Espeak(), random.Random(3), np.random.default_rng(3), []
    for name, base, sentence in (("yue", "yue", "我想查詢我張單"), ("yue", "yue", "我要找人工客服"), ("yue", "yue", "係呀唔該"),
                                 ("cmn", "cmn-latn-pinyin", "我要找人工客服"), ("cmn", "cmn-latn-pinyin", "我想查询我的账单"),
                                 ("en", "en-us", "i want to speak to an agent"), ("en", "en", "i want to speak to an agent"),
                                 ("en", "en-us", "i want to check my bill"), ("en", "en", "i want to check my bill"),
                                 ("en", "en", "i would like to check my bill")):
        for rate in (175, 150):
            wave, _ = espeak.say(name, base, "", sentence, rate)
            heard = line.call(line.to_8k(wave), 0.3, 0.0, rng, np_rng, coloured=False, level_db=-22)
            out.append({"wave": heard, "text": sentence, "language": name, "rate": rate, "voice": base})
    return out


def distance(reference, heard):
    """Token errors: insertions, deletions and replacements (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, r in enumerate(reference, 1):
        before, row[0] = row[:], i
        for j, h in enumerate(heard, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (r != h))
    return row[-1]


def greedy(frames, names):
    """CTC: best token of each frame, repeats and blanks dropped."""
    out, before = [], 0
    for v in frames:
        if v != before and v:
            out.append(names[v])
        before = v
    return out
