//! Voices that can be told apart and found again: sums of sines from a seed, and a search for them.

/// 8 kHz samples of a voice, `ms` long.
pub fn voice(seed: u64, ms: u64) -> Vec<i16> {
    let mut random = fastrand::Rng::with_seed(seed);
    let length = (ms * 8) as usize;
    let mut samples = Vec::with_capacity(length);
    let mut parts = [(0.0f64, 0.0f64); 4];
    for index in 0..length {
        // A new chord every 60 ms, as syllables would.
        if index % 480 == 0 {
            parts = [(); 4].map(|()| (250.0 + 1500.0 * random.f64(), std::f64::consts::TAU * random.f64()));
        }
        let at = index as f64 / 8000.0;
        let sum: f64 = parts.iter().map(|(hz, phase)| (std::f64::consts::TAU * hz * at + phase).sin()).sum();
        samples.push((sum * 2500.0) as i16);
    }
    samples
}

/// Share of the voice's 100 ms pieces that are found in the recording (normalised correlation above 0.7), 0 to 1.
pub fn found(recording: &[i16], voice: &[i16]) -> f64 {
    let pieces: Vec<&[i16]> = voice.chunks_exact(800).step_by(4).collect();
    let hits = pieces.iter().filter(|piece| best_match(recording, piece) > 0.7).count();
    hits as f64 / pieces.len().max(1) as f64
}

fn best_match(recording: &[i16], piece: &[i16]) -> f64 {
    let energy = |samples: &[i16]| samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>();
    let own = energy(piece);
    let mut best = 0.0f64;
    // Every third sample of every second lag: the voices have little above 2 kHz.
    for start in (0..recording.len().saturating_sub(piece.len())).step_by(1) {
        let window = &recording[start..start + piece.len()];
        let quick: i64 =
            window.iter().step_by(16).zip(piece.iter().step_by(16)).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum();
        if (quick as f64) * 16.0 < own * 0.3 {
            continue;
        }
        let product: f64 = window.iter().zip(piece).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        best = best.max(product / (own * energy(window)).sqrt().max(1.0));
    }
    best
}

/// Root mean square of samples.
pub fn loudness(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    (sum / samples.len().max(1) as f64).sqrt()
}
