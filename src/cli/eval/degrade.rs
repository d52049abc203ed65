//! What a line does to a recording on its way to the recogniser: level, noise, codec, lost packets. Seeded: the same
//! recording under the same condition is the same for every engine.
//!
//! Losses at 8 kHz go through the gateway's own concealment. G.722 has none of its own: the hole is filled with what that
//! concealment makes of the lower half of the band. Opus conceals its own, from the next packet's FEC where there is one.

use std::error::Error;

use audio_codec::g722::{G722Decoder, G722Encoder};
use audio_codec::{Decoder, Encoder};
use clap::ValueEnum;
use opus_rs::{Application, OpusDecoder, OpusEncoder};

use super::noise::{self, NoiseKind};
use crate::audio::frame::{FRAME_SAMPLES, Frame, WIDE_FRAME_SAMPLES, WideFrame};
use crate::audio::g711::Law;
use crate::audio::resample::{Downsampler16To8, Upsampler8To16, resample_all_f32};
use crate::media::conceal::Concealer;

/// Quiet before the recording: a call has been listening for longer than the recogniser's pre-roll.
const LEAD_MS: usize = 300;
/// Quiet after it: what a call waits before it takes an utterance for ended.
const TAIL_MS: usize = 500;
/// Frames this far under the loudest are pauses, dB.
const PAUSE_BELOW_DB: f32 = 30.0;
/// Speech stands out of the recording's own noise by this, dB.
const ABOVE_NOISE_DB: f32 = 8.0;
/// Bits a second of Opus, as browsers send speech at 16 kHz.
const OPUS_BITRATE: i32 = 24_000;

/// How the line codes sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Codec {
    /// Not at all: 8 kHz as it is.
    #[default]
    None,
    /// G.711 mu-law, 8 kHz.
    Pcmu,
    /// G.711 A-law, 8 kHz.
    Pcma,
    /// G.722 at 64 kbit/s, 16 kHz.
    G722,
    /// Opus at 24 kbit/s with FEC, 16 kHz.
    Opus,
}

impl Codec {
    /// As the command line writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pcmu => "pcmu",
            Self::Pcma => "pcma",
            Self::G722 => "g722",
            Self::Opus => "opus",
        }
    }

    /// Samples a second that it carries.
    pub fn rate_hz(self) -> u32 {
        match self {
            Self::None | Self::Pcmu | Self::Pcma => 8_000,
            Self::G722 | Self::Opus => 16_000,
        }
    }
}

/// What is done to every recording of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Condition {
    /// Codec.
    pub codec: Codec,
    /// Share of packets that are lost, percent.
    pub loss_percent: f32,
    /// Mean length of a run of lost packets (Gilbert-Elliott); `None` for losses that know nothing of each other.
    pub burst: Option<f32>,
    /// Speech over noise, dB.
    pub noise_db: Option<f32>,
    /// Of what kind.
    pub noise_kind: NoiseKind,
    /// Level of the speech, dBFS.
    pub level_dbfs: Option<f32>,
}

impl Condition {
    /// In words, for tables.
    pub fn label(&self) -> String {
        let mut parts = Vec::new();
        if self.codec != Codec::None {
            parts.push(self.codec.name().to_owned());
        }
        if self.loss_percent > 0.0 {
            let burst = self.burst.map(|burst| format!(" bursts of {burst}")).unwrap_or_default();
            parts.push(format!("loss {} %{burst}", self.loss_percent));
        }
        if let Some(db) = self.noise_db {
            parts.push(format!("{} {db} dB", self.noise_kind.name()));
        }
        if let Some(level) = self.level_dbfs {
            parts.push(format!("level {level} dBFS"));
        }
        if parts.is_empty() { "as recorded".to_owned() } else { parts.join(", ") }
    }
}

/// A recording as the recogniser gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Frames.
    pub frames: Vec<WideFrame>,
    /// Where its first sound begins and its last one ends, ms. By level, before noise was added: a guess.
    pub speech_ms: [u64; 2],
    /// Time by which the recording begins later than its file does, ms.
    pub lead_ms: u64,
}

/// Sends a recording over the line. `voices` make a babble and have the codec's rate.
pub fn send(
    samples: &[f32],
    rate_hz: u32,
    condition: &Condition,
    voices: &[Vec<f32>],
    seed: u64,
) -> Result<Received, Box<dyn Error>> {
    let line_hz = condition.codec.rate_hz();
    let per_ms = line_hz as usize / 1000;
    let mut line = vec![0.0; LEAD_MS * per_ms];
    line.extend(resample_all_f32(samples, rate_hz, line_hz)?);
    line.extend(std::iter::repeat_n(0.0, TAIL_MS * per_ms));
    let speech_ms = speech(&line, per_ms);
    let mut random = fastrand::Rng::with_seed(seed);
    set_level(&mut line, condition.level_dbfs);
    if let Some(db) = condition.noise_db {
        let gain = (active_power(&line) / 10f32.powf(db / 10.0)).sqrt();
        let under = noise::make(condition.noise_kind, line.len(), voices, &mut random);
        line.iter_mut().zip(under).for_each(|(sample, noise)| *sample += gain * noise);
    }
    let line: Vec<i16> = line.iter().map(|sample| (sample.clamp(-1.0, 1.0) * 32767.0) as i16).collect();
    let mut losses = Losses::new(condition, random);
    let frames = match condition.codec {
        Codec::None => narrow(&line, None, &mut losses),
        Codec::Pcmu => narrow(&line, Some(Law::Mu), &mut losses),
        Codec::Pcma => narrow(&line, Some(Law::A), &mut losses),
        Codec::G722 => g722(&line, &mut losses)?,
        Codec::Opus => opus(&line, condition.loss_percent, &mut losses)?,
    };
    Ok(Received { frames, speech_ms, lead_ms: LEAD_MS as u64 })
}

/// Mean power.
pub fn power(samples: &[f32]) -> f32 {
    (samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len().max(1) as f64) as f32
}

fn decibel(power: f32) -> f32 {
    10.0 * power.max(1e-10).log10()
}

/// Mean power of what is not a pause: pieces within 30 dB of the loudest.
pub fn active_power(samples: &[f32]) -> f32 {
    let powers: Vec<f32> = samples.chunks(FRAME_SAMPLES).map(power).collect();
    let least = powers.iter().copied().fold(0.0, f32::max) * 10f32.powf(-PAUSE_BELOW_DB / 10.0);
    let active: Vec<f32> = powers.into_iter().filter(|power| *power > 0.0 && *power >= least).collect();
    active.iter().sum::<f32>() / active.len().max(1) as f32
}

fn set_level(samples: &mut [f32], dbfs: Option<f32>) {
    let now = active_power(samples);
    if let Some(dbfs) = dbfs.filter(|_| now > 0.0) {
        let gain = (10f32.powf(dbfs / 10.0) / now).sqrt();
        samples.iter_mut().for_each(|sample| *sample *= gain);
    }
}

/// Where sound begins and ends, ms.
fn speech(samples: &[f32], per_ms: usize) -> [u64; 2] {
    const STEP_MS: usize = 10;
    let levels: Vec<f32> = samples.chunks(STEP_MS * per_ms).map(|piece| decibel(power(piece))).collect();
    // The quiet that was put around it says nothing of the recording's noise.
    let mut inner: Vec<f32> = levels.iter().copied().filter(|level| *level > -90.0).collect();
    inner.sort_by(f32::total_cmp);
    let (Some(loudest), Some(floor)) = (inner.last(), inner.get(inner.len() / 20)) else { return [0, 0] };
    let least = (loudest - PAUSE_BELOW_DB).max((floor + ABOVE_NOISE_DB).min(loudest - 10.0));
    let first = levels.iter().position(|level| *level >= least).unwrap_or(0);
    let last = levels.iter().rposition(|level| *level >= least).unwrap_or(0);
    [(first * STEP_MS) as u64, ((last + 1) * STEP_MS) as u64]
}

/// Which packets do not arrive.
struct Losses {
    random: fastrand::Rng,
    /// Chance of a loss after a packet that came, and after one that was lost.
    after: [f32; 2],
    is_lost: bool,
}

impl Losses {
    fn new(condition: &Condition, mut random: fastrand::Rng) -> Self {
        let share = (condition.loss_percent / 100.0).clamp(0.0, 0.99);
        let after = match condition.burst {
            None => [share, share],
            Some(burst) => {
                let leave = burst.max(1.0).recip();
                [(share * leave / (1.0 - share)).min(1.0), 1.0 - leave]
            }
        };
        let is_lost = random.f32() < share;
        Self { random, after, is_lost }
    }

    fn next(&mut self) -> bool {
        self.is_lost = self.random.f32() < self.after[usize::from(self.is_lost)];
        self.is_lost
    }
}

/// 8 kHz: coded, lost and concealed, widened.
fn narrow(line: &[i16], law: Option<Law>, losses: &mut Losses) -> Vec<WideFrame> {
    let (mut concealer, mut up) = (Concealer::new(), Upsampler8To16::default());
    let pass = |sent: Frame| {
        let mut frame = law.map_or(sent.clone(), |law| law.decode_frame(&law.encode_frame(&sent)));
        conceal(&mut concealer, &mut frame.0, losses.next());
        up.process(&frame)
    };
    Frame::split(line).map(pass).collect()
}

fn conceal(concealer: &mut Concealer, samples: &mut [i16], is_lost: bool) {
    if is_lost { concealer.conceal(samples) } else { concealer.good(samples) }
}

/// 16 kHz by G.722.
fn g722(line: &[i16], losses: &mut Losses) -> Result<Vec<WideFrame>, Box<dyn Error>> {
    let (mut encoder, mut decoder) = (G722Encoder::new(), G722Decoder::new());
    let (mut wide, mut lost) = (Vec::with_capacity(line.len()), Vec::new());
    for sent in WideFrame::split(line) {
        let mut bytes = [0; WIDE_FRAME_SAMPLES / 2 + 1];
        let length = encoder.encode_into(&sent.0, &mut bytes)?;
        let mut frame = WideFrame::SILENCE;
        // What is lost never reaches the decoder; its state goes on from the packet before.
        lost.push(losses.next());
        if lost.last() == Some(&false) {
            decoder.decode_into(&bytes[..length], &mut frame.0)?;
        }
        wide.extend(frame.0);
    }
    if lost.contains(&true) {
        fill(&mut wide, &lost);
    }
    Ok(WideFrame::split(&wide).collect())
}

/// Fills lost frames of 16 kHz with the concealment of the band under 4 kHz, and so the first 10 ms after them, which it
/// merges.
fn fill(wide: &mut [i16], lost: &[bool]) {
    /// Delay of down and up together, samples at 16 kHz.
    const DELAY: usize = 38 + 39;
    const MERGE: usize = WIDE_FRAME_SAMPLES / 2;
    let (mut down, mut up, mut concealer) = (Downsampler16To8::default(), Upsampler8To16::default(), Concealer::new());
    let mut low: Vec<i16> = Vec::with_capacity(wide.len() + 2 * WIDE_FRAME_SAMPLES);
    // The filters are behind: the frame that a loss hits in them is the same one but for 2 ms.
    let mut narrow: Vec<i16> = WideFrame::split(wide).flat_map(|frame| down.process(&frame).0).collect();
    for (samples, is_lost) in narrow.chunks_mut(FRAME_SAMPLES).zip(lost) {
        conceal(&mut concealer, samples, *is_lost);
    }
    narrow.extend([0; 2 * FRAME_SAMPLES]);
    low.extend(Frame::split(&narrow).flat_map(|frame| up.process(&frame).0));
    let mut before = false;
    for (number, is_lost) in lost.iter().enumerate() {
        let at = number * WIDE_FRAME_SAMPLES;
        let length = if *is_lost { WIDE_FRAME_SAMPLES } else { MERGE * usize::from(before) };
        for index in at..(at + length).min(wide.len()) {
            let made = f32::from(low.get(index + DELAY).copied().unwrap_or(0));
            let weight = if *is_lost { 1.0 } else { 1.0 - (index - at) as f32 / MERGE as f32 };
            wide[index] = (weight * made + (1.0 - weight) * f32::from(wide[index])) as i16;
        }
        before = *is_lost;
    }
}

/// 16 kHz by Opus.
fn opus(line: &[i16], loss_percent: f32, losses: &mut Losses) -> Result<Vec<WideFrame>, Box<dyn Error>> {
    const RATE_HZ: i32 = 16_000;
    let mut encoder = OpusEncoder::new(RATE_HZ, 1, Application::Voip)?;
    encoder.bitrate_bps = OPUS_BITRATE;
    encoder.complexity = 5;
    encoder.use_inband_fec = true;
    encoder.packet_loss_perc = loss_percent.round() as i32;
    let mut packets = Vec::new();
    for sent in WideFrame::split(line) {
        let mut bytes = [0; 1276];
        let length = encoder.encode_i16(&sent.0, WIDE_FRAME_SAMPLES, &mut bytes)?;
        packets.push((!losses.next()).then(|| bytes[..length].to_vec()));
    }
    let mut decoder = OpusDecoder::new(RATE_HZ, 1)?;
    let mut frames = Vec::with_capacity(packets.len());
    for (number, packet) in packets.iter().enumerate() {
        let mut out = [0.0; WIDE_FRAME_SAMPLES];
        match (packet, packets.get(number + 1).and_then(Option::as_ref)) {
            (Some(packet), _) => decoder.decode(packet, WIDE_FRAME_SAMPLES, &mut out)?,
            (None, Some(next)) => decoder.decode_fec(next, WIDE_FRAME_SAMPLES, &mut out)?,
            (None, None) => decoder.decode(&[], WIDE_FRAME_SAMPLES, &mut out)?,
        };
        let mut frame = WideFrame::SILENCE;
        frame.0.iter_mut().zip(out).for_each(|(to, from)| *to = (from * 32768.0).clamp(-32768.0, 32767.0) as i16);
        frames.push(frame);
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second of a voice-like tone at 16 kHz, between half seconds of nothing.
    fn voice() -> Vec<f32> {
        let tone = |n: usize| {
            let t = n as f32 / 16_000.0 * std::f32::consts::TAU;
            0.2 * (t * 200.0).sin() + 0.1 * (t * 600.0).sin() + 0.1 * (t * 2600.0).sin()
        };
        let mut all = vec![0.0; 8000];
        all.extend((0..16_000).map(tone));
        all.extend([0.0; 8000]);
        all
    }

    fn sent(condition: Condition) -> Received {
        send(&voice(), 16_000, &condition, &[], 7).unwrap()
    }

    fn samples(received: &Received) -> Vec<f32> {
        received.frames.iter().flat_map(|frame| frame.0).map(|s| f32::from(s) / 32768.0).collect()
    }

    /// Likeness of two sounds at the best of the first shifts, 0 to 1.
    fn likeness(a: &[f32], b: &[f32]) -> f32 {
        let norm = |x: &[f32]| x.iter().map(|s| s * s).sum::<f32>().sqrt();
        let at = |shift: usize| {
            let dot: f32 = a.iter().zip(&b[shift..]).map(|(x, y)| x * y).sum();
            dot / (norm(a) * norm(b)).max(1e-9)
        };
        (0..400).map(at).fold(0.0, f32::max)
    }

    #[test]
    fn every_codec_brings_the_sound_over_with_quiet_around_it() {
        for codec in [Codec::None, Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus] {
            let received = sent(Condition { codec, ..Condition::default() });
            assert_eq!(received.frames.len(), (300 + 2000 + 500) / 20, "{codec:?}");
            let [begin, end] = received.speech_ms;
            assert!(begin.abs_diff(800) <= 20 && end.abs_diff(1800) <= 20, "{codec:?}: {begin} to {end}");
            let all = samples(&received);
            let like = likeness(&voice(), &all[300 * 16..]);
            assert!(like > 0.9, "{codec:?}: {like}");
        }
    }

    #[test]
    fn the_noise_is_as_far_below_as_it_is_asked_to_be() {
        for (codec, db) in [(Codec::None, 10.0), (Codec::G722, 20.0)] {
            let received = sent(Condition { codec, noise_db: Some(db), ..Condition::default() });
            let all = samples(&received);
            let (quiet, loud) = (power(&all[1600..11_000]), power(&all[16_000..28_000]));
            let found = decibel(loud - quiet) - decibel(quiet);
            // Half of the white noise lies above the 4 kHz that a narrow line keeps, which it never had.
            assert!((found - db).abs() < 1.0, "{codec:?}: {found}");
        }
    }

    #[test]
    fn the_level_is_set() {
        let received = sent(Condition { level_dbfs: Some(-35.0), ..Condition::default() });
        let found = decibel(power(&samples(&received)[16_000..28_000]));
        assert!((found + 35.0).abs() < 0.5, "{found}");
    }

    #[test]
    fn losses_have_their_share_and_their_length() {
        for (burst, length) in [(None, 1.0 / 0.9), (Some(4.0), 4.0), (Some(1.0), 1.0)] {
            let condition = Condition { loss_percent: 10.0, burst, ..Condition::default() };
            let mut losses = Losses::new(&condition, fastrand::Rng::with_seed(2));
            let all: Vec<bool> = (0..200_000).map(|_| losses.next()).collect();
            let lost = all.iter().filter(|lost| **lost).count();
            let runs = all.windows(2).filter(|pair| !pair[0] && pair[1]).count();
            assert!((lost as f64 / all.len() as f64 - 0.1).abs() < 0.01, "{burst:?}: {lost}");
            assert!((lost as f64 / runs as f64 - length).abs() < 0.15 * length, "{burst:?}: {lost} in {runs}");
        }
    }

    #[test]
    fn holes_are_filled_and_the_same_seed_makes_the_same_holes() {
        for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
            let condition = Condition { codec, loss_percent: 10.0, ..Condition::default() };
            let (whole, holed) = (sent(Condition { loss_percent: 0.0, ..condition }), sent(condition));
            assert_eq!(holed, sent(condition));
            assert_ne!(holed, whole, "{codec:?}");
            // A steady tone: no frame of it has gone silent.
            let loudness = |r: &Received| r.frames[42..88].iter().map(|f| crate::audio::loudness::dbfs(&f.0)).collect();
            let (before, after): (Vec<f32>, Vec<f32>) = (loudness(&whole), loudness(&holed));
            let worst = before.iter().zip(&after).map(|(a, b)| a - b).fold(0.0, f32::max);
            assert!(worst < 15.0, "{codec:?}: a frame is {worst} dB too quiet");
            let like = likeness(&voice(), &samples(&holed)[300 * 16..]);
            assert!(like > 0.8, "{codec:?}: {like}");
        }
    }

    #[test]
    fn a_condition_says_what_it_is() {
        assert_eq!(Condition::default().label(), "as recorded");
        let all = Condition {
            codec: Codec::Pcmu,
            loss_percent: 3.0,
            burst: Some(2.0),
            noise_db: Some(15.0),
            noise_kind: NoiseKind::Babble,
            level_dbfs: Some(-30.0),
        };
        assert_eq!(all.label(), "pcmu, loss 3 % bursts of 2, babble 15 dB, level -30 dBFS");
    }
}
