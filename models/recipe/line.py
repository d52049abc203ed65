"""The telephone line: room and level, noise, G.711, lost packets, 8 -> 16 kHz, and the log-mel features sherpa-onnx computes."""
import audioop
import math

import numpy as np
from scipy.signal import firwin, lfilter, resample, resample_poly, upfirdn

from speak import RATE

BINS, KEPT = 80, 58   # sherpa gives 80 bins to 8 kHz; the model reads the first 58 (to 3.57 kHz), which a G.711 line really carries
FLOOR = -14.0         # log energy below this is line silence and resampler residue: the model clamps there
HALF_BANDS = [firwin(taps, 0.5) * 2 for taps in (15, 31, 47, 63)]
GATEWAY = firwin(79, 0.5, window=("kaiser", 7.9)) * 2   # like src/audio/resample/half_band.rs; never used in training


def to_8k(wave, stretch=1.0, rate=RATE):
    """To 8 kHz; `stretch` above 1 makes it longer and lower, as a larger speaker on a slower tape."""
    common = {22050: (160, 441), 32000: (160, 640), 16000: (160, 320), 8000: (160, 160)}[rate]
    return resample_poly(wave, round(common[0] * stretch), common[1]).astype(np.float32)


def noise(kind, n, np_rng):
    white = np_rng.standard_normal(n).astype(np.float32)
    if kind == "white":
        return white
    spectrum = np.fft.rfft(white)
    slope = 0.5 if kind == "pink" else 1.0
    spectrum /= np.maximum(np.arange(len(spectrum)), 50 * n / 8000) ** slope
    out = np.fft.irfft(spectrum, n).astype(np.float32)
    return out / (out.std() + 1e-9)


def colour(wave, rng):
    """A telephone set: one gentle high-pass and one tilt."""
    if rng.random() < 0.5:
        pole = math.exp(-2 * math.pi * rng.uniform(60, 300) / 8000)
        wave = lfilter([1, -1], [1, -pole], wave)
    return lfilter([1, rng.uniform(-0.3, 0.3)], [1], wave).astype(np.float32)


def call(speech, lead, tail, rng, np_rng, snr=None, floor_db=None, coloured=True, babble=None, kinds=("white", "pink", "brown"),
         level_db=None):
    """One utterance as the gateway receives it: float 8 kHz after a G.711 round trip."""
    level_db = rng.uniform(-34, -14) if level_db is None else level_db
    if coloured:
        speech = colour(speech, rng)
    rms = float(np.sqrt(np.mean(speech ** 2))) + 1e-9
    speech = speech * (10 ** (level_db / 20) / rms)
    wave = np.concatenate([np.zeros(int(lead * 8000), np.float32), speech, np.zeros(int(tail * 8000), np.float32)])
    if snr is not None:
        n = noise(rng.choice(kinds), len(wave), np_rng) if babble is None else babble(len(wave))
        wave = wave + n * 10 ** ((level_db - snr) / 20)
    if floor_db is not None:
        wave = wave + noise("white", len(wave), np_rng) * 10 ** (floor_db / 20)
    return g711(wave, rng.random() < 0.5)


def g711(wave, mu):
    pcm = (np.clip(wave, -1, 1) * 32767).astype("<i2").tobytes()
    coded = audioop.ulaw2lin(audioop.lin2ulaw(pcm, 2), 2) if mu else audioop.alaw2lin(audioop.lin2alaw(pcm, 2), 2)
    return np.frombuffer(coded, "<i2").astype(np.float32) / 32768


def lose_packets(wave, rng):
    """Some 20 ms packets become silence, as a receiver without concealment plays them."""
    wave = wave.copy()
    rate = rng.uniform(0.005, 0.03)
    for at in range(0, len(wave), 160):
        if rng.random() < rate:
            wave[at:at + 160] = 0
    return wave


def to_16k(wave, rng=None):
    """8 -> 16 kHz by one of several filters, so that no single one is learnt; without rng the common one."""
    kind = rng.randrange(7) if rng else 0
    if kind <= 1:
        return resample_poly(wave, 2, 1).astype(np.float32)
    if kind == 2:
        return resample(wave, 2 * len(wave)).astype(np.float32)
    return half_band(wave, HALF_BANDS[kind - 3])


def half_band(wave, taps):
    return upfirdn(taps, wave, 2)[len(taps) // 2:][:2 * len(wave)].astype(np.float32)


def _mel_edges():
    """Hz where librosa's 80 mel filters from 0 to 8 kHz begin, peak and end."""
    step = 200.0 / 3
    to_mel = lambda hz: hz / step if hz < 1000 else 15 + math.log(hz / 1000) * 27 / math.log(6.4)
    to_hz = lambda mel: mel * step if mel < 15 else 1000 * math.exp((mel - 15) * math.log(6.4) / 27)
    return np.array([to_hz(m) for m in np.linspace(0, to_mel(8000), BINS + 2)])


def mel_centres():
    """Centre of each bin that the model reads, Hz."""
    return _mel_edges()[1:KEPT + 1]


def _slaney_mel():
    """librosa's mel filters for 16 kHz, 512-point FFT."""
    edges = _mel_edges()
    hz = np.arange(257) * 16000 / 512
    filters = np.zeros((BINS, 257))
    for i in range(BINS):
        low, mid, high = edges[i:i + 3]
        filters[i] = np.maximum(0, np.minimum((hz - low) / (mid - low), (high - hz) / (high - mid))) * 2 / (high - low)
    return filters.T.astype(np.float32)


_MEL = _slaney_mel()
_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)).astype(np.float32)


def features(wave16):
    """Log-mel frames as kaldi-native-fbank gives them to a NeMo model in sherpa-onnx (see check_features.py)."""
    n = len(wave16)
    count = (n + 80) // 160
    at = np.arange(count)[:, None] * 160 - 120 + np.arange(400)[None]
    at = np.where(at < 0, -at - 1, at)
    at = np.where(at >= n, 2 * n - 1 - at, at)
    frames = wave16[at]
    emphasised = frames.copy()
    emphasised[:, 1:] -= 0.97 * frames[:, :-1]
    emphasised[:, 0] -= 0.97 * frames[:, 0]
    spectrum = np.fft.rfft(emphasised * _HANN, 512)
    power = (spectrum.real ** 2 + spectrum.imag ** 2).astype(np.float32)
    return np.log(np.maximum(power @ _MEL, 1.1920929e-07))
