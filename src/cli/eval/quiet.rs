//! What is no speech: silence, noise, tones, keys, music, hum and clicks, minutes of each, over the whole way of a call.
//! Words and utterances that come of them are false.

use std::error::Error;

use indicatif::ProgressBar;
use serde::Serialize;

use super::ear::Ear;
use super::noise::{Pink, white};
use crate::audio::dtmf::DigitSource;
use crate::audio::frame::{Frame, SAMPLE_RATE_HZ, WideFrame};
use crate::audio::g711::Law;
use crate::audio::mix::to_sample;
use crate::audio::music::waiting_music;
use crate::audio::resample::Upsampler8To16;
use crate::audio::tone::{Tone, ToneSource, amplitude};
use crate::engine::score::tokens;
use crate::engine::worker::Feeding;

/// Silence after each sound: 1 s.
const SETTLE_FRAMES: usize = 50;

/// A sound without speech.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quiet {
    /// Nothing at all.
    Silence,
    /// What a line or a comfort noise generator makes, dBFS; its level wanders a little.
    LineNoise(f32),
    /// White noise, dBFS.
    White(f32),
    /// Pink noise, dBFS.
    Pink(f32),
    /// A tone of the network, by its name.
    Tone(&'static str, Tone),
    /// Three tones that announce "no such number", over and over.
    Information,
    /// Keys pressed at random.
    Keys,
    /// The same over white noise, dBFS.
    KeysInNoise(f32),
    /// The gateway's own waiting music.
    Music,
    /// Melodies of a harsh voice with a beat under them.
    Melody,
    /// Mains hum with its harmonics, Hz and dBFS.
    Hum(f64, f32),
    /// Clicks and crackles.
    Clicks,
}

const fn tone(name: &'static str, frequencies_hz: [u16; 2], cadence_ms: [u16; 4]) -> Quiet {
    Quiet::Tone(name, Tone { frequencies_hz, level_dbm0: -16, cadence_ms })
}

/// All that is tried. Cadences after ITU-T E.180 Supplement 2.
pub const ALL: [Quiet; 31] = [
    Quiet::Silence,
    Quiet::LineNoise(-70.0),
    Quiet::LineNoise(-60.0),
    Quiet::LineNoise(-50.0),
    Quiet::LineNoise(-40.0),
    Quiet::White(-50.0),
    Quiet::White(-35.0),
    Quiet::White(-25.0),
    Quiet::Pink(-50.0),
    Quiet::Pink(-35.0),
    Quiet::Pink(-25.0),
    Quiet::Tone("ringing, Hong Kong", Tone::RINGBACK),
    tone("ringing, United Kingdom", [400, 450], [400, 200, 400, 2_000]),
    Quiet::Tone("ringing, China", Tone::RINGBACK_CN),
    tone("ringing, North America", [440, 480], [2_000, 4_000, 0, 0]),
    Quiet::Tone("busy, Hong Kong", Tone::BUSY),
    tone("busy, United Kingdom", [400, 0], [375, 375, 0, 0]),
    Quiet::Tone("busy, China", Tone::BUSY_CN),
    tone("congestion, Hong Kong", [480, 620], [250, 250, 0, 0]),
    tone("congestion, United Kingdom", [400, 0], [400, 350, 225, 525]),
    tone("dial tone, Hong Kong", [350, 440], [60_000, 0, 0, 0]),
    tone("fax calling", [1_100, 0], [500, 3_000, 0, 0]),
    tone("modem answering", [2_100, 0], [3_300, 1_000, 0, 0]),
    Quiet::Information,
    Quiet::Keys,
    Quiet::KeysInNoise(-55.0),
    Quiet::KeysInNoise(-40.0),
    Quiet::Music,
    Quiet::Melody,
    Quiet::Hum(50.0, -25.0),
    Quiet::Clicks,
];

impl Quiet {
    /// For tables.
    pub fn name(self) -> String {
        match self {
            Self::Silence => "silence".to_owned(),
            Self::LineNoise(level) => format!("line noise {level} dBFS"),
            Self::White(level) => format!("white noise {level} dBFS"),
            Self::Pink(level) => format!("pink noise {level} dBFS"),
            Self::Tone(name, _) => name.to_owned(),
            Self::Information => "special information".to_owned(),
            Self::Keys => "keys".to_owned(),
            Self::KeysInNoise(level) => format!("keys in noise {level} dBFS"),
            Self::Music => "waiting music".to_owned(),
            Self::Melody => "melodies".to_owned(),
            Self::Hum(hz, level) => format!("hum {hz} Hz {level} dBFS"),
            Self::Clicks => "clicks".to_owned(),
        }
    }

    /// True for what must never become a word: silence, and all that the network makes.
    pub fn must_be_silent(self) -> bool {
        matches!(self, Self::Silence | Self::Tone(..) | Self::Information | Self::Keys | Self::KeysInNoise(_))
    }

    /// So many seconds of it at 8 kHz.
    pub fn make(self, seconds: usize, seed: u64) -> Vec<i16> {
        let length = seconds * SAMPLE_RATE_HZ as usize;
        let mut random = fastrand::Rng::with_seed(seed);
        match self {
            Self::Silence => vec![0; length],
            Self::LineNoise(level) => line_noise(level, length, &mut random),
            Self::White(level) => {
                let gain = full_scale(level);
                (0..length).map(|_| to_sample(gain * white(&mut random))).collect()
            }
            Self::Pink(level) => {
                let (gain, mut pink) = (full_scale(level), Pink::new(&mut random));
                (0..length).map(|_| to_sample(gain * pink.next(&mut random))).collect()
            }
            Self::Tone(_, tone) => {
                let mut source = ToneSource::new(tone);
                frames(length, || source.next_frame())
            }
            Self::Information => information(length),
            Self::Keys => keys(length, &mut random),
            Self::KeysInNoise(level) => {
                let gain = full_scale(level);
                let keys = keys(length, &mut random);
                keys.into_iter().map(|key| to_sample(f32::from(key) + gain * white(&mut random))).collect()
            }
            Self::Music => waiting_music().into_iter().cycle().take(length).collect(),
            Self::Melody => melody(length, &mut random),
            Self::Hum(hz, level) => hum(hz, level, length),
            Self::Clicks => clicks(length, &mut random),
        }
    }
}

fn full_scale(dbfs: f32) -> f32 {
    32768.0 * 10f32.powf(dbfs / 20.0)
}

fn frames(length: usize, mut next: impl FnMut() -> Frame) -> Vec<i16> {
    let mut out = Vec::with_capacity(length + 160);
    while out.len() < length {
        out.extend(next().0);
    }
    out.truncate(length);
    out
}

/// Noise with the low end taken up and the high end down, whose level wanders by some dB over seconds.
fn line_noise(level: f32, length: usize, random: &mut fastrand::Rng) -> Vec<i16> {
    let (mut smooth, mut wander) = (0.0, 0.0);
    let next = |n: usize| {
        if n.is_multiple_of(1_600) {
            wander = 0.9 * wander + 0.8 * white(random);
        }
        smooth = 0.5 * smooth + 0.866 * white(random);
        to_sample(full_scale(level + wander) * smooth)
    };
    (0..length).map(next).collect()
}

fn sine(hz: f64, n: usize) -> f64 {
    (std::f64::consts::TAU * hz * n as f64 / f64::from(SAMPLE_RATE_HZ)).sin()
}

/// ITU-T E.180: 950, 1400 and 1800 Hz, 330 ms each, then a second of nothing.
fn information(length: usize) -> Vec<i16> {
    let part = SAMPLE_RATE_HZ as usize * 330 / 1000;
    let next = |n: usize| {
        let at = n % (3 * part + SAMPLE_RATE_HZ as usize);
        [950.0, 1_400.0, 1_800.0].get(at / part).map_or(0, |hz| to_sample((amplitude(-16.0) * sine(*hz, at)) as f32))
    };
    (0..length).map(next).collect()
}

fn keys(length: usize, random: &mut fastrand::Rng) -> Vec<i16> {
    let mut out = Vec::with_capacity(length + 4_000);
    while out.len() < length {
        let key = *random.choice(b"0123456789*#").unwrap_or(&b'0') as char;
        if let Some(mut source) = DigitSource::new(key, random.u32(60..400)) {
            while let Some(frame) = source.next_frame() {
                out.extend(frame.0);
            }
        }
        let pause = random.usize(400..8_000);
        out.extend(std::iter::repeat_n(0, pause));
    }
    out.truncate(length);
    out
}

/// Notes of a sawtooth's first harmonics in a scale of five tones, with a drum of noise on each beat.
fn melody(length: usize, random: &mut fastrand::Rng) -> Vec<i16> {
    const SCALE: [i32; 10] = [0, 2, 4, 7, 9, 12, 14, 16, 19, 21];
    let (mut out, mut place) = (Vec::with_capacity(length + 8_000), 5_i32);
    while out.len() < length {
        place = (place + random.i32(-2..=2)).clamp(0, 9);
        let hz = 196.0 * 2f64.powf(f64::from(SCALE[place as usize]) / 12.0);
        let duration = [1_600, 2_400, 3_200][random.usize(0..3)];
        for n in 0..duration {
            let t = n as f64 / f64::from(SAMPLE_RATE_HZ);
            let note: f64 = (1..=8).map(|k| sine(hz * f64::from(k), n) / f64::from(k)).sum();
            let drum = f64::from(white(random)) * (-t * 40.0).exp();
            let edge = (n.min(duration - n) as f64 / 80.0).min(1.0);
            out.push(to_sample((edge * (2_500.0 * note * (-t * 2.0).exp() + 1_500.0 * drum)) as f32));
        }
    }
    out.truncate(length);
    out
}

fn hum(hz: f64, level: f32, length: usize) -> Vec<i16> {
    // Odd harmonics are the stronger ones; the telephone's band keeps little of the first.
    let parts = [(1.0, 0.3), (2.0, 0.3), (3.0, 1.0), (4.0, 0.2), (5.0, 0.7), (7.0, 0.5), (9.0, 0.3), (11.0, 0.2)];
    let power: f64 = parts.iter().map(|(_, gain)| gain * gain / 2.0).sum();
    let gain = f64::from(full_scale(level)) / power.sqrt();
    let next = |n: usize| to_sample((gain * parts.iter().map(|(k, a)| a * sine(hz * k, n)).sum::<f64>()) as f32);
    (0..length).map(next).collect()
}

/// Single samples, and crackles of some ms that die away, up to full amplitude.
fn clicks(length: usize, random: &mut fastrand::Rng) -> Vec<i16> {
    let mut out = vec![0_i16; length];
    let mut at = 0;
    loop {
        at += random.usize(800..12_000);
        let (loudness, decay) = (random.f32() * 30_000.0, random.usize(1..80) as f32);
        let Some(rest) = out.get_mut(at..) else { return out };
        for (n, sample) in rest.iter_mut().take(400).enumerate() {
            *sample = to_sample(loudness * white(random) * (-(n as f32) / decay).exp());
        }
    }
}

/// What became of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct False {
    /// What it was.
    pub sound: String,
    /// Minutes of it.
    pub minutes: f64,
    /// How often the call's ear took it for speech that begins (a prompt would have stopped).
    pub starts: u64,
    /// Utterances, most of them empty: no word.
    pub utterances: u64,
    /// Words and characters, in utterances or left over in the recogniser for the next one.
    pub words: u64,
    /// Words an hour.
    pub words_per_hour: f64,
    /// Starts an hour.
    pub starts_per_hour: f64,
    /// True where none is allowed.
    pub must_be_silent: bool,
    /// Processor seconds a second of it.
    pub real_time_factor: f64,
    /// What was heard; what was left over in brackets.
    pub heard: String,
}

/// Lets the ear hear one kind over a G.711 line.
pub fn hear(ear: &mut Ear, quiet: Quiet, seconds: usize, seed: u64) -> Result<False, Box<dyn Error>> {
    let mut up = Upsampler8To16::default();
    let sent = quiet.make(seconds, seed);
    let line = |frame: Frame| up.process(&Law::A.decode_frame(&Law::A.encode_frame(&frame)));
    let mut frames: Vec<_> = Frame::split(&sent).map(line).collect();
    // What the recogniser is still fed after the last sound is no left-over yet.
    frames.extend(std::iter::repeat_n(WideFrame::SILENCE, SETTLE_FRAMES));
    let account = ear.hear_call(&frames, Feeding::default())?;
    let hours = seconds as f64 / 3600.0;
    let mut text = account.text;
    if !account.left_over.is_empty() {
        text = format!("{text} [{}]", account.left_over);
    }
    let words = tokens(&text).len() as u64;
    Ok(False {
        sound: quiet.name(),
        minutes: seconds as f64 / 60.0,
        starts: account.starts,
        utterances: account.utterances,
        words,
        words_per_hour: words as f64 / hours,
        starts_per_hour: account.starts as f64 / hours,
        must_be_silent: quiet.must_be_silent(),
        real_time_factor: account.work.as_secs_f64() / seconds as f64,
        heard: text,
    })
}

/// All kinds, so many seconds each.
pub fn hear_all(ear: &mut Ear, seconds: usize, seed: u64, bar: &ProgressBar) -> Result<Vec<False>, Box<dyn Error>> {
    bar.set_length(ALL.len() as u64);
    let mut all = Vec::new();
    for (quiet, number) in ALL.into_iter().zip(seed..) {
        bar.set_message(quiet.name());
        all.push(hear(ear, quiet, seconds, number)?);
        bar.inc(1);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::audio::loudness::{SILENCE_DBFS, dbfs};
    use crate::engine::manifest::{DEFAULT_PATH, Manifest};

    const SEED: u64 = 1;

    #[test]
    fn every_sound_is_as_long_as_asked_and_comes_again() {
        for quiet in ALL {
            let made = quiet.make(3, SEED);
            assert_eq!(made.len(), 24_000, "{}", quiet.name());
            assert_eq!(made, quiet.make(3, SEED), "{}", quiet.name());
            let is_silent = dbfs(&made) <= SILENCE_DBFS;
            assert_eq!(is_silent, quiet == Quiet::Silence, "{}", quiet.name());
        }
        for (quiet, level) in
            [(Quiet::White(-35.0), -35.0), (Quiet::Pink(-25.0), -25.0), (Quiet::Hum(50.0, -25.0), -25.0)]
        {
            let found = dbfs(&quiet.make(10, SEED));
            assert!((found - level).abs() < 1.0, "{}: {found}", quiet.name());
        }
    }

    /// 20 s of each through the shipped models and the call's own ear.
    #[test]
    fn silence_tones_and_keys_make_no_word_and_nothing_makes_one() {
        let manifest = Manifest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFAULT_PATH)).unwrap();
        let mut ear = Ear::load(&manifest, "tiny-trilingual", "silero-vad").unwrap();
        let mut bad = Vec::new();
        for quiet in ALL {
            let heard = hear(&mut ear, quiet, 20, SEED).unwrap();
            if heard.words > 0 || (quiet.must_be_silent() && heard.utterances > 0) {
                bad.push(format!("{}: {} utterances, '{}'", heard.sound, heard.utterances, heard.heard));
            }
        }
        assert!(bad.is_empty(), "{bad:#?}");
        // The same ear does hear a person.
        let speech = crate::engine::test_speech::say("i want to check my bill", crate::speech::Language::English);
        let mut up = Upsampler8To16::default();
        let frames: Vec<_> = Frame::split(&speech).map(|frame| up.process(&frame)).collect();
        let account = ear.hear_call(&frames, Feeding::default()).unwrap();
        assert!(account.utterances >= 1 && account.text.contains("bill"), "{account:?}");
    }
}
