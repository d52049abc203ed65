"""Golden features for the gateway's own feature code: prints Rust rows (frame, bin, value) of a fixed sound.

    python golden.py > ../../src/engine/recogniser/ctc/golden.in
"""
import math

import numpy as np

import line

seed, samples = 1, []
for n in range(16000):
    seed = (seed * 1664525 + 1013904223) % 2 ** 32
    noise = (seed >> 16) / 65536 - 0.5
    t = n / 16000
    tone = lambda hz: math.sin(2 * math.pi * hz * t)
    samples.append(round((tone(220.0) * 4000 + tone(1730.0) * 2000) * t + noise * 300))
features = line.features(np.array(samples, np.float32) / 32768)
rows = [(frame, bin, features[frame][bin]) for frame in (0, 1, 2, 10, 49, 80, 97) for bin in (0, 1, 7, 20, 40, 57, 79)]
print("[\n" + "".join(f"    ({frame}, {bin}, {value:.4f}),\n" for frame, bin, value in rows) + "]")
