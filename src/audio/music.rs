//! Waiting music of our own: a quiet pentatonic melody of bell-like notes over long low ones, composed here and free of any
//! licence. For lines that bring no music file.

use std::f64::consts::TAU;

use super::frame::SAMPLE_RATE_HZ;

/// Length of a beat, samples: 72 beats a minute.
const BEAT: usize = SAMPLE_RATE_HZ as usize * 60 / 72;
/// Beats of the loop.
const BEATS: usize = 32;
/// Peak of the result, samples: about -12 dBFS, under speech.
const PEAK: f64 = 8_000.0;

/// Melody: half-beat of its beginning, MIDI note number (60 is middle C).
const MELODY: [(usize, u8); 36] = [
    (0, 67),
    (2, 69),
    (3, 72),
    (4, 74),
    (7, 72),
    (8, 69),
    (10, 67),
    (12, 64),
    (14, 67),
    (16, 69),
    (18, 72),
    (19, 74),
    (20, 76),
    (23, 74),
    (24, 72),
    (26, 69),
    (28, 67),
    (32, 64),
    (34, 67),
    (35, 69),
    (36, 72),
    (39, 69),
    (40, 67),
    (42, 64),
    (44, 62),
    (46, 64),
    (48, 67),
    (50, 69),
    (51, 72),
    (52, 74),
    (54, 76),
    (56, 74),
    (57, 72),
    (58, 69),
    (60, 67),
    (62, 72),
];

/// Low notes: beat, MIDI note number.
const BASS: [(usize, u8); 8] = [(0, 48), (4, 45), (8, 53), (12, 55), (16, 48), (20, 45), (24, 50), (28, 55)];

/// One loop at 8 kHz, about 27 seconds. Its end runs over into its beginning, so that it repeats without a seam. Costs some
/// ten milliseconds: make it once and share it.
pub fn waiting_music() -> Vec<i16> {
    let mut mix = vec![0f64; BEAT * BEATS];
    for (half_beat, note) in MELODY {
        add_note(&mut mix, half_beat * BEAT / 2, note, 1.0, 1.1);
    }
    for (beat, note) in BASS {
        add_note(&mut mix, beat * BEAT, note, 0.7, 2.2);
        add_note(&mut mix, beat * BEAT + BEAT, note + 7, 0.35, 1.8);
        add_note(&mut mix, beat * BEAT + 2 * BEAT, note + 12, 0.3, 1.8);
    }
    let peak = mix.iter().fold(1e-9f64, |peak, sample| peak.max(sample.abs()));
    mix.into_iter().map(|sample| (sample * PEAK / peak).round() as i16).collect()
}

/// Adds a struck note that dies away with a time constant of `decay_s`; what passes the end goes on at the beginning.
fn add_note(mix: &mut [f64], start: usize, note: u8, level: f64, decay_s: f64) {
    let rate = f64::from(SAMPLE_RATE_HZ);
    let hz = 440.0 * 2f64.powf((f64::from(note) - 69.0) / 12.0);
    let length = ((decay_s * 5.0 * rate) as usize).min(mix.len());
    for n in 0..length {
        let time = n as f64 / rate;
        let rise = (time / 0.012).min(1.0);
        let fall = (-time / decay_s).exp() * (1.0 - n as f64 / length as f64);
        // Three partials, the higher ones dying sooner, as in a soft bell.
        let tone = (TAU * hz * time).sin()
            + 0.35 * (-time * 2.5).exp() * (TAU * 2.0 * hz * time).sin()
            + 0.12 * (-time * 6.0).exp() * (TAU * 3.0 * hz * time).sin();
        let index = (start + n) % mix.len();
        mix[index] += level * rise * fall * tone;
    }
}

#[cfg(test)]
mod tests {
    use super::super::loudness::{dbfs, peak};
    use super::*;

    #[test]
    fn it_is_quiet_even_and_without_a_seam() {
        let music = waiting_music();
        assert_eq!(music.len(), BEAT * BEATS);
        assert_eq!(peak(&music), 8_000);
        for (second, samples) in music.chunks_exact(8_000).enumerate() {
            let level = dbfs(samples);
            assert!((-36.0..-16.0).contains(&level), "second {second}: {level} dBFS");
        }
        let largest = music.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap();
        let seam = (i32::from(music[0]) - i32::from(music[music.len() - 1])).abs();
        assert!(seam <= largest && largest < 6_000, "seam {seam}, largest step {largest}");
    }
}
