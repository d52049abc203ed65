"""Speech from text: libespeak-ng through ctypes, with the time of every phoneme.

espeak-ng is GPL-3 and is used here only as a tool that makes sound; nothing of it enters the model files.
"""
import ctypes
import re
import subprocess
import tempfile
import wave as wave_file

import numpy as np

RATE = 22050
# Speech-like variants of normal tempo; whispers, croaks, robots and the three that speak twice as fast are left out.
TRAIN_VARIANTS = """m1 m2 m3 m4 m6 m8 f1 f2 f3 f4 Andy Annie Denis Jacky steph steph2 Gene linda belinda Diogo Lee
Mario Marco Mike Alicia adam aunty benjamin boris caleb david ed edward edward2 grandma iven iven2 john max
miguel norbert pablo paul quincy rob robert sandro shelby travis victor zac klatt2 klatt4""".split()
TEST_VARIANTS = ["m7", "f5", "Alex", "Michael", "Hugo", "m5"]
BASES = {"yue": ["yue"], "cmn": ["cmn-latn-pinyin"], "en": ["en-us", "en", "en-gb-x-rp"]}  # "en" is en-gb, whose own name takes no +variant
_PHONEME_EVENT, _END = 7, 0


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("unique", ctypes.c_uint), ("text_position", ctypes.c_int),
                ("length", ctypes.c_int), ("audio_ms", ctypes.c_int), ("sample", ctypes.c_int),
                ("user", ctypes.c_void_p), ("id", _Id)]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Espeak:
    """One synthesiser (the library is global state: one per process)."""

    def __init__(self):
        self._lib = ctypes.CDLL("libespeak-ng.so.1")
        self._wave, self._phones = [], []
        self._callback = _Callback(self._take)
        rate = self._lib.espeak_Initialize(2, 200, None, 1)  # synchronous, phoneme events on
        assert rate == RATE, rate
        self._lib.espeak_SetSynthCallback(self._callback)

    def _take(self, wave, count, events):
        if wave and count > 0:
            self._wave.append(np.ctypeslib.as_array(wave, (count,)).copy())
        i = 0
        while events[i].type != _END:
            if events[i].type == _PHONEME_EVENT:
                self._phones.append((events[i].audio_ms / 1000.0, events[i].id.string.decode("utf-8", "replace")))
            i += 1
        return 0

    def _say(self, voice, text, rate, pitch, pitch_range):
        self._wave, self._phones = [], []
        if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"no voice {voice}")
        for parameter, value in ((1, rate), (3, pitch), (4, pitch_range)):
            self._lib.espeak_SetParameter(parameter, value, 0)
        data = text.encode()
        self._lib.espeak_Synth(data, len(data) + 1, 0, 1, 0, 1, None, None)
        wave = np.concatenate(self._wave).astype(np.float32) / 32768 if self._wave else np.zeros(1, np.float32)
        return wave, list(self._phones)

    def spoken(self, text, voice):
        """espeak's phonemes of a text, with tones; English parts stand between (en) and the voice's language."""
        self._lib.espeak_SetVoiceByName(voice.encode())
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        at, out = ctypes.c_char_p(text.encode()), []
        while at.value:
            out.append(self._lib.espeak_TextToPhonemes(ctypes.byref(at), 1, 0).decode("utf-8", "replace"))
        return " ".join(out)

    def say(self, language, base, variant, text, rate=175, pitch=50, pitch_range=50):
        """Wave and [(second, "language:phoneme")], silence at both ends cut off."""
        plus = "+" + variant if variant else ""
        if language != "cmn" or not re.search("[a-z]", text):
            wave, phones = trim(*self._say(base + plus, text, rate, pitch, pitch_range))
            return wave, tag(phones, language)
        waves, phones, now = [], [], 0.0  # the Mandarin voice reads English letters as pinyin: say them with an English one
        for part in re.findall(r"[a-z' ]+|[^a-z' ]+", text):
            if not part.strip():
                continue
            english = part.strip()[0].isascii()
            wave, marks = trim(*self._say(("en-us" if english else base) + plus, part, rate, pitch, pitch_range))
            phones += [(float(now + t), ("en:" if english else "cmn:") + p) for t, p in marks]
            waves.append(wave)
            now += len(wave) / RATE
        return np.concatenate(waves), phones


FLITE_TRAIN, FLITE_TEST = ("awb", "kal16", "slt"), ("rms",)


def flite(voice, text, stretch=1.0, pitch=None):
    """English by another synthesiser (CMU flite, its own process): wave and its rate. It tells no phoneme times."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        more = ["--setf", f"int_f0_target_mean={pitch}"] if pitch else []
        subprocess.run(["flite", "-voice", voice, "--setf", f"duration_stretch={stretch}", *more, "-t", text, "-o", file.name],
                       check=True, capture_output=True)
        with wave_file.open(file.name) as sound:
            samples, rate = np.frombuffer(sound.readframes(sound.getnframes()), "<i2"), sound.getframerate()
    return cut(samples, rate), rate


FESTIVAL_TRAIN = ("ked_diphone", "kal_diphone", "cmu_us_slt_arctic_hts")


class Festival:
    """English by a third synthesiser (festival, one process that stays): wave and its rate. It tells no phoneme times."""

    def __init__(self):
        self._process, self._voice = None, None

    def _ask(self, order):
        self._process.stdin.write(order + '(format t "done\\n")(fflush nil)\n')
        self._process.stdin.flush()
        while "done" not in (row := self._process.stdout.readline()):
            if not row:
                raise RuntimeError("festival ended")

    def say(self, voice, text, stretch=1.0, pitch=None):
        if self._process is None:
            self._process = subprocess.Popen(["festival", "--pipe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                             stderr=subprocess.DEVNULL, text=True)
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            order = f"(voice_{voice})" if voice != self._voice else ""
            self._voice = voice
            if pitch and "diphone" in voice:
                order += f"(set! int_lr_params '((target_f0_mean {pitch}) (target_f0_std {pitch // 8}) (model_f0_mean 170) (model_f0_std 34)))"
            order += f"(Parameter.set 'Duration_Stretch {stretch:.3f})(set! u (SynthText \"{text}\"))(utt.save.wave u \"{file.name}\" 'riff)"
            self._ask(order)
            with wave_file.open(file.name) as sound:
                samples, rate = np.frombuffer(sound.readframes(sound.getnframes()), "<i2"), sound.getframerate()
        return cut(samples, rate), rate


def cut(samples, rate):
    """Silence at both ends cut off, to -1..1."""
    loud = np.flatnonzero(np.abs(samples) > 0.01 * (np.abs(samples.astype(np.int32)).max() + 1))
    kept = samples[max(0, loud[0] - rate // 100):loud[-1] + rate // 50] if len(loud) else samples
    return kept.astype(np.float32) / 32768


def tag(phones, language):
    """Prefix each phoneme with its language; "(en)" .. "(yue)" marks inside Cantonese switch it."""
    out, now = [], language
    for t, p in phones:
        if p.startswith("("):
            now = p.strip("()")
        else:
            out.append((t, now + ":" + p))
    return out


def trim(wave, phones, floor=0.01):
    """Cut what is quieter than `floor` of the peak before and after the speech."""
    loud = np.flatnonzero(np.abs(wave) > floor * (np.abs(wave).max() + 1e-9))
    if len(loud) == 0:
        return wave, phones
    start, end = max(0, loud[0] - 220), min(len(wave), loud[-1] + 441)
    return wave[start:end], [(max(0.0, t - start / RATE), p) for t, p in phones if t < end / RATE]
