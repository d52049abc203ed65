"""benches/waveform.py FILE.wav ..: response times read from two-channel recordings (caller left, bot right).

From the last sound of each utterance of the caller to the first sound of the bot behind it, in steps of 5 ms. Sound is 10 ms above
-45 dBFS; an utterance ends where 400 ms of silence follow. An utterance that the bot talked into, or that was not answered within 4 s,
gives no figure. Prints p50/p95 and how many there were.
"""
import array
import sys
import wave

STEP = 40  # samples, 5 ms at 8 kHz
LOUD = (32768 * 10 ** (-45 / 20)) ** 2


def loud_steps(samples):
    power = [sum(s * s for s in samples[i:i + STEP]) / STEP for i in range(0, len(samples) - STEP, STEP)]
    return [a + b > 2 * LOUD for a, b in zip(power, power[1:])]


def responses(path):
    with wave.open(path) as file:
        both = array.array("h", file.readframes(file.getnframes()))
    caller, bot = loud_steps(both[0::2]), loud_steps(both[1::2])
    found, last = [], None
    for step, loud in enumerate(caller):
        if loud:
            last = step
        elif last is not None and step - last >= 80:
            before = any(bot[max(0, last - 20):last + 1])
            answer = next((s for s in range(last + 1, min(last + 800, len(bot))) if bot[s]), None)
            if answer is not None and not before:
                found.append((answer - last) * 5)
            last = None
    return found


times = sorted(t for path in sys.argv[1:] for t in responses(path))
at = lambda share: times[round((len(times) - 1) * share)]
print(f"{at(0.5)}/{at(0.95)} n={len(times)}" if times else "-")
