//! Keys in the audio itself (ITU-T Q.23, Q.24): to send where the other side knows no telephone-event, and to hear where it
//! sends none.
//!
//! The detector is eight Goertzel filters over windows of 102 samples (12.75 ms), the length that puts all eight frequencies
//! nearest to whole bins. Followed of Q.24: frequency (1.5 % must, 3.5 % must not), twist (8 dB, reverse 4 dB), 40 ms
//! shortest tone and pause, breaks up to 10 ms bridged. Not followed: detection under a dial tone.

use super::frame::{Frame, SAMPLE_RATE_HZ};
use super::mix::to_sample;
use super::tone::{Oscillator, amplitude, edge_gain};

const ROWS_HZ: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS_HZ: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// Level of the lower frequency, dBm0; the higher one is 2 dB above it, as lines weaken high frequencies more.
const ROW_DBM0: f64 = -9.0;
const COLUMN_DBM0: f64 = -7.0;

fn place_of(digit: char) -> Option<(usize, usize)> {
    let key = digit.to_ascii_uppercase();
    KEYS.iter().enumerate().find_map(|(row, keys)| Some((row, keys.iter().position(|&known| known == key)?)))
}

/// Sounds one key, then a pause as long as the shortest allowed.
#[derive(Clone, Debug)]
pub struct DigitSource {
    row: Oscillator,
    column: Oscillator,
    position: u32,
    sounding: u32,
    total: u32,
}

/// Pause after a key, samples: 60 ms.
const PAUSE: u32 = SAMPLE_RATE_HZ * 60 / 1000;

impl DigitSource {
    /// `None` where `digit` is no key. The tone lasts `ms`, held to 40 to 10 000.
    pub fn new(digit: char, ms: u32) -> Option<Self> {
        let (row, column) = place_of(digit)?;
        let sounding = SAMPLE_RATE_HZ * ms.clamp(40, 10_000) / 1000;
        Some(Self {
            row: Oscillator::new(ROWS_HZ[row]),
            column: Oscillator::new(COLUMNS_HZ[column]),
            position: 0,
            sounding,
            total: sounding + PAUSE,
        })
    }

    /// The next 20 ms; `None` at the end.
    pub fn next_frame(&mut self) -> Option<Frame> {
        if self.position >= self.total {
            return None;
        }
        let (row_amplitude, column_amplitude) = (amplitude(ROW_DBM0), amplitude(COLUMN_DBM0));
        let mut frame = Frame::SILENCE;
        for sample in &mut frame.0 {
            let sum = row_amplitude * self.row.next() + column_amplitude * self.column.next();
            *sample = to_sample((sum * edge_gain(self.position, self.sounding)) as f32);
            self.position += 1;
        }
        Some(frame)
    }
}

/// Samples of half a window. Windows overlap by half.
const HALF: usize = 51;
/// Least power of row and column together, as the mean square of samples: -36 dBm0 each.
const MIN_POWER: f32 = 130_000.0;
/// Share of a window's power that the two frequencies must hold. It is also the share of the window that they must fill. A
/// key 1.5 % off keeps 0.72 or more of its power.
const MIN_SHARE: f32 = 0.62;
/// Most that the column may lie under the row (line loss), and above it: 8 and 4 dB, with margin for what leaks from the
/// stronger into the weaker.
const TWIST: f32 = 10.0;
const REVERSE_TWIST: f32 = 3.2;
/// How far the best row and the best column must stand over the others: 6 dB.
const MIN_LEAD: f32 = 4.0;
/// Windows in a row that must show a key: 22 ms of tone at the least, and any 40 ms hold four whole windows.
const PRESS_WINDOWS: u8 = 4;
/// Windows in a row without it that end it: a break of 10 ms spoils two, a pause of 40 ms six.
const RELEASE_WINDOWS: u8 = 4;

/// Hears keys pressed. Each press is reported once, about 40 ms after its beginning.
#[derive(Clone, Debug)]
pub struct Detector {
    filters: [Goertzel; 8],
    /// Sum of squares of the half window being filled, and of the one before.
    power: f32,
    power_before: f32,
    filled: usize,
    /// What the last window held, and for how many windows.
    last: Option<char>,
    run: u8,
    /// The key that was reported and is still down.
    down: Option<char>,
    /// Windows without it since.
    missing: u8,
}

/// One frequency. Gives the spectrum of half a window, and joins it to the half before by turning that on in phase.
#[derive(Clone, Copy, Debug)]
struct Goertzel {
    coefficient: f32,
    step: (f32, f32),
    turn: (f32, f32),
    s1: f32,
    s2: f32,
    before: (f32, f32),
}

impl Goertzel {
    fn new(hz: f64) -> Self {
        let angle = std::f64::consts::TAU * hz / f64::from(SAMPLE_RATE_HZ);
        let on_circle = |angle: f64| (angle.cos() as f32, angle.sin() as f32);
        Self {
            coefficient: 2.0 * angle.cos() as f32,
            step: on_circle(angle),
            turn: on_circle(angle * HALF as f64),
            s1: 0.0,
            s2: 0.0,
            before: (0.0, 0.0),
        }
    }

    /// Power of the sine in the window that ends here, as its mean square.
    fn end_half(&mut self) -> f32 {
        let real = self.s1 - self.s2 * self.step.0;
        let imaginary = self.s2 * self.step.1;
        let turned_real = self.before.0 * self.turn.0 - self.before.1 * self.turn.1;
        let turned_imaginary = self.before.0 * self.turn.1 + self.before.1 * self.turn.0;
        (self.s1, self.s2, self.before) = (0.0, 0.0, (real, imaginary));
        let window = (2 * HALF) as f32;
        2.0 * ((real + turned_real).powi(2) + (imaginary + turned_imaginary).powi(2)) / (window * window)
    }
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector {
    /// Begins with no key down.
    pub fn new() -> Self {
        let [r0, r1, r2, r3] = ROWS_HZ.map(Goertzel::new);
        let [c0, c1, c2, c3] = COLUMNS_HZ.map(Goertzel::new);
        let filters = [r0, r1, r2, r3, c0, c1, c2, c3];
        Self { filters, power: 0.0, power_before: 0.0, filled: 0, last: None, run: 0, down: None, missing: 0 }
    }

    /// Takes in 20 ms; returns a key when its press has become certain.
    pub fn push(&mut self, frame: &Frame) -> Option<char> {
        let mut pressed = None;
        let mut rest = frame.0.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(HALF - self.filled));
            rest = after;
            self.filled += piece.len();
            for &sample in piece {
                let sample = f32::from(sample);
                self.power += sample * sample;
                for filter in &mut self.filters {
                    let s0 = sample + filter.coefficient * filter.s1 - filter.s2;
                    (filter.s2, filter.s1) = (filter.s1, s0);
                }
            }
            if self.filled == HALF {
                pressed = self.end_half().or(pressed);
            }
        }
        pressed
    }

    /// True from when a press has become certain until 25 ms after its end.
    pub fn is_down(&self) -> bool {
        self.down.is_some()
    }

    /// True where the last 19 ms may be a key: too short a time to be certain.
    pub fn suspects(&self) -> bool {
        self.last.is_some() && self.run >= 2
    }

    fn end_half(&mut self) -> Option<char> {
        let total = (self.power_before + self.power) / (2 * HALF) as f32;
        let powers = self.filters.each_mut().map(Goertzel::end_half);
        (self.power_before, self.power, self.filled) = (self.power, 0.0, 0);
        let found = key_in(&powers, total);
        self.run = if found == self.last { self.run.saturating_add(1) } else { 1 };
        self.last = found;
        if self.down.is_some() {
            self.missing = if found == self.down { 0 } else { self.missing + 1 };
            if self.missing >= RELEASE_WINDOWS {
                self.down = None;
            }
        }
        if self.run < PRESS_WINDOWS || self.down.is_some() {
            return None;
        }
        (self.down, self.missing) = (found, 0);
        found
    }
}

/// The key whose two frequencies make up a block of mean square `total`.
fn key_in(powers: &[f32; 8], total: f32) -> Option<char> {
    let (rows, columns) = powers.split_at(4);
    let (row, row_power) = strongest(rows)?;
    let (column, column_power) = strongest(columns)?;
    let both = row_power + column_power;
    let sound = both >= MIN_POWER
        && both >= MIN_SHARE * total
        && row_power <= column_power * TWIST
        && column_power <= row_power * REVERSE_TWIST;
    sound.then(|| KEYS[row][column])
}

/// Index and power of the strongest of four, if it leads the others.
fn strongest(powers: &[f32]) -> Option<(usize, f32)> {
    let (best, &power) = powers.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let leads = powers.iter().enumerate().all(|(index, &other)| index == best || other * MIN_LEAD < power);
    leads.then_some((best, power))
}

#[cfg(test)]
mod tests {
    use super::super::frame::FRAME_SAMPLES;
    use super::super::g711::Law;
    use super::*;

    const ALL: &str = "1234567890*#ABCD";

    /// `ms` of the two sines of a key, each at its level in dBm0 and off its frequency by `off`.
    fn key(digit: char, ms: usize, row_dbm0: f64, column_dbm0: f64, off: f64) -> Vec<i16> {
        let (row, column) = place_of(digit).unwrap();
        let mut low = Oscillator::new(ROWS_HZ[row] * (1.0 + off));
        let mut high = Oscillator::new(COLUMNS_HZ[column] * (1.0 + off));
        (0..ms * 8)
            .map(|_| (amplitude(row_dbm0) * low.next() + amplitude(column_dbm0) * high.next()).round() as i16)
            .collect()
    }

    fn heard(samples: &[i16]) -> String {
        let mut detector = Detector::new();
        let mut digits: String = Frame::split(samples).filter_map(|frame| detector.push(&frame)).collect();
        digits.extend((0..3).filter_map(|_| detector.push(&Frame::SILENCE)));
        digits
    }

    /// A key after each of several stretches of silence, so that it falls differently on the windows.
    fn heard_at_all_offsets(samples: &[i16], mut check: impl FnMut(usize, String)) {
        for offset in (0..2 * HALF).step_by(7) {
            let mut shifted = vec![0; offset + FRAME_SAMPLES];
            shifted.extend_from_slice(samples);
            shifted.extend_from_slice(&[0; 800]);
            check(offset, heard(&shifted));
        }
    }

    #[test]
    fn our_own_keys_are_heard_through_both_laws() {
        for law in [Law::Mu, Law::A] {
            let mut samples = Vec::new();
            for digit in ALL.chars() {
                let mut source = DigitSource::new(digit, 80).unwrap();
                while let Some(frame) = source.next_frame() {
                    samples.extend(law.decode_frame(&law.encode_frame(&frame)).0);
                }
            }
            assert_eq!(heard(&samples), ALL);
        }
        assert!(DigitSource::new('x', 80).is_none());
    }

    #[test]
    fn the_shortest_tones_twist_and_drift_of_q24_are_heard() {
        for digit in ALL.chars() {
            for (row, column, off) in [
                (-9.0, -7.0, 0.0),
                (-7.0, -15.0, 0.0),
                (-11.0, -7.0, 0.0),
                (-27.0, -27.0, 0.0),
                (-3.0, -3.0, 0.0),
                (-9.0, -7.0, 0.015),
                (-9.0, -7.0, -0.015),
            ] {
                heard_at_all_offsets(&key(digit, 40, row, column, off), |offset, digits| {
                    assert_eq!(digits, digit.to_string(), "{row} {column} {off} at offset {offset}");
                });
            }
        }
    }

    #[test]
    fn what_q24_forbids_is_not_heard() {
        for digit in ALL.chars() {
            for (row, column, off) in
                [(-9.0, -7.0, 0.035), (-9.0, -7.0, -0.035), (-4.0, -16.0, 0.0), (-20.0, -8.0, 0.0), (-45.0, -45.0, 0.0)]
            {
                heard_at_all_offsets(&key(digit, 100, row, column, off), |offset, digits| {
                    assert_eq!(digits, "", "{digit} {row} {column} {off} at offset {offset}");
                });
            }
            heard_at_all_offsets(&key(digit, 18, -9.0, -7.0, 0.0), |_, digits| assert_eq!(digits, "", "18 ms"));
        }
    }

    #[test]
    fn a_key_is_down_while_it_sounds_and_a_little_longer() {
        let mut samples = key('7', 200, -9.0, -7.0, 0.0);
        samples.extend([0; 1_600]);
        let mut detector = Detector::new();
        let down: Vec<bool> = Frame::split(&samples)
            .map(|frame| {
                detector.push(&frame);
                detector.is_down()
            })
            .collect();
        let (first, last) = (down.iter().position(|d| *d).unwrap(), down.iter().rposition(|d| *d).unwrap());
        assert!((1..=2).contains(&first) && (9..=11).contains(&last), "{down:?}");
        assert!(down[first..=last].iter().all(|d| *d), "{down:?}");
    }

    #[test]
    fn a_long_press_with_a_short_break_is_one_and_a_pause_makes_two() {
        let press = key('5', 100, -9.0, -7.0, 0.0);
        for (pause_ms, expected) in [(0, "5"), (10, "5"), (40, "55"), (60, "55")] {
            let mut samples = press.clone();
            samples.extend(vec![0; pause_ms * 8]);
            samples.extend_from_slice(&press);
            heard_at_all_offsets(&samples, |offset, digits| {
                assert_eq!(digits, expected, "pause of {pause_ms} ms at offset {offset}");
            });
        }
    }

    #[test]
    fn noise_beneath_is_borne() {
        let mut random = fastrand::Rng::with_seed(1);
        for digit in ALL.chars() {
            let mut samples = key(digit, 80, -9.0, -9.0, 0.0);
            // White noise 15 dB under the two tones together.
            let noise = amplitude(-21.0) * 1.22;
            for sample in &mut samples {
                *sample = sample.saturating_add((noise * (random.f64() * 2.0 - 1.0)) as i16);
            }
            assert_eq!(heard(&samples), digit.to_string());
        }
    }

    /// A minute of harmonics with a gliding pitch under two gliding formants: nearer to keys than voices are.
    fn voice() -> Vec<i16> {
        let mut phase = 0.0f64;
        let at = |n: u32| {
            let time = f64::from(n) / 8_000.0;
            let pitch = 150.0 + 80.0 * (time * 0.9).sin() + 20.0 * (time * 7.3).sin();
            phase += std::f64::consts::TAU * pitch / 8_000.0;
            let formants = [500.0 + 300.0 * (time * 1.7).sin(), 1_500.0 + 600.0 * (time * 1.1).cos()];
            let partial = |harmonic: u32| {
                let hz = pitch * f64::from(harmonic);
                let gain: f64 = formants.iter().map(|formant| 1.0 / (1.0 + ((hz - formant) / 80.0).powi(2))).sum();
                (gain + 0.1) * (phase * f64::from(harmonic)).sin()
            };
            (6_000.0 * (1..=20).map(partial).sum::<f64>()).clamp(-32_000.0, 32_000.0) as i16
        };
        (0..480_000).map(at).collect()
    }

    #[test]
    fn voices_noise_music_and_single_tones_are_no_keys() {
        let mut random = fastrand::Rng::with_seed(9);
        let noise: Vec<i16> = (0..80_000).map(|_| random.i16(-8_000..8_000)).collect();
        assert_eq!(heard(&noise), "");
        assert_eq!(heard(&super::super::music::waiting_music()), "");
        for hz in ROWS_HZ.into_iter().chain(COLUMNS_HZ) {
            let mut oscillator = Oscillator::new(hz);
            let tone: Vec<i16> = (0..1_600).map(|_| (9_000.0 * oscillator.next()) as i16).collect();
            assert_eq!(heard(&tone), "", "{hz} Hz");
        }
        // Of 100 min of espeak-ng (three languages, four pitches) the detector took two places, in one word, for keys.
        assert!(heard(&voice()).len() <= 1, "{}", heard(&voice()));
    }
}
