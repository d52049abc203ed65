//! Silero VAD (v5 and v6 interface) on 8 kHz: windows of 256 samples with the 32 before them, and a recurrent state.
//!
//! While the gate is closed the model is not run and the probability is 0. When the gate opens, the state begins anew and
//! the last windows before are run through first, so that the model is warm when speech begins.
//!
//! A telephone key is two steady tones, which the model takes for a vowel one time in twenty. While one sounds the gate is
//! closed and the model hears silence; while one is suspected, which takes 19 ms, the probability is 0 whatever the model says.

use std::collections::VecDeque;

use ort::session::Session;
use ort::value::TensorRef;

use super::gate::{Gate, GateConfig};
use super::{Vad, VadError};
use crate::audio::dtmf::Detector;
use crate::audio::frame::WideFrame;
use crate::audio::resample::Downsampler16To8;
use crate::engine::manifest::{Model, Role};
use crate::engine::runtime;
use crate::speech::VoiceActivity;

const RATE_HZ: i64 = 8000;
const WINDOW: usize = 256;
const WINDOW_MS: u16 = 32;
const CONTEXT: usize = 32;
const STATE: usize = 2 * 128;
/// Windows before the gate's opening that warm the model up.
const WARM_UP: usize = 6;
/// Windows after a key that only warm it up: cold, it takes noise for speech now and then.
const AFTER_KEY: u8 = 2;

/// The model, for all calls of one worker.
pub struct SileroVad {
    session: Session,
    gate: Option<GateConfig>,
    counts: SileroCounts,
}

/// How often the model ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SileroCounts {
    /// Windows that were run through the model, warm-up included.
    pub run: u64,
    /// Windows that the gate kept from it.
    pub skipped: u64,
}

impl SileroVad {
    /// Checks the file against the manifest and loads it. Without a gate every window is run.
    pub fn load(model: &Model, gate: Option<GateConfig>) -> Result<Self, VadError> {
        model.verify()?;
        let failed = |error: ort::Error| VadError::Failed(error.to_string());
        let session = Session::builder(runtime::environment()?)
            .and_then(|b| Ok(b.with_intra_threads(1)?))
            .and_then(|b| Ok(b.with_inter_threads(1)?))
            .and_then(|mut b| b.commit_from_file(model.file(Role::Model).map_err(|e| ort::Error::new(e.to_string()))?))
            .map_err(failed)?;
        let found: Vec<&str> = session.inputs().iter().map(|input| input.name()).collect();
        if found != ["input", "state", "sr"] {
            let found = found.join(", ");
            return Err(VadError::OtherModel { model: model.id.clone(), expected: "input, state, sr", found });
        }
        Ok(Self { session, gate, counts: SileroCounts::default() })
    }

    /// How often the model ran so far.
    pub fn counts(&self) -> SileroCounts {
        self.counts
    }

    fn run(&mut self, memory: &mut Memory, window: &[f32; WINDOW]) -> Result<f32, VadError> {
        self.counts.run += 1;
        let mut input = [0.0_f32; CONTEXT + WINDOW];
        input[..CONTEXT].copy_from_slice(&memory.context);
        input[CONTEXT..].copy_from_slice(window);
        let failed = |error: ort::Error| VadError::Failed(error.to_string());
        let samples = TensorRef::from_array_view(([1_usize, CONTEXT + WINDOW], &input[..])).map_err(failed)?;
        let state = TensorRef::from_array_view(([2_usize, 1, 128], &memory.state[..])).map_err(failed)?;
        let rate_value = [RATE_HZ];
        let rate = TensorRef::from_array_view(([0_usize; 0], &rate_value[..])).map_err(failed)?;
        let outputs = self.session.run(ort::inputs![samples, state, rate]).map_err(failed)?;
        let (_, probability) = outputs[0].try_extract_tensor::<f32>().map_err(failed)?;
        let (_, state) = outputs[1].try_extract_tensor::<f32>().map_err(failed)?;
        let probability = *probability.first().ok_or_else(|| VadError::Failed("an empty answer".to_owned()))?;
        if state.len() != STATE {
            return Err(VadError::Failed(format!("a state of {} values, expected {STATE}", state.len())));
        }
        memory.state.copy_from_slice(state);
        memory.context.copy_from_slice(&window[WINDOW - CONTEXT..]);
        Ok(probability.clamp(0.0, 1.0))
    }
}

struct Memory {
    state: [f32; STATE],
    context: [f32; CONTEXT],
}

impl Memory {
    const EMPTY: Self = Self { state: [0.0; STATE], context: [0.0; CONTEXT] };
}

/// One caller.
pub struct SileroStream {
    gate: Option<Gate>,
    keys: Detector,
    /// Windows after a key that only warm the model up.
    after_key: u8,
    narrow: Downsampler16To8,
    window: [f32; WINDOW],
    filled: usize,
    memory: Box<Memory>,
    before: VecDeque<Box<[f32; WINDOW]>>,
    is_open: bool,
}

impl Vad for SileroVad {
    type Stream = SileroStream;

    fn open(&self) -> SileroStream {
        SileroStream {
            gate: self.gate.map(Gate::new),
            keys: Detector::new(),
            after_key: 0,
            narrow: Downsampler16To8::default(),
            window: [0.0; WINDOW],
            filled: 0,
            memory: Box::new(Memory::EMPTY),
            before: VecDeque::with_capacity(WARM_UP + 1),
            is_open: self.gate.is_none(),
        }
    }

    fn detect(
        &mut self,
        stream: &mut SileroStream,
        frame: &WideFrame,
        out: &mut Vec<VoiceActivity>,
    ) -> Result<(), VadError> {
        let hears = stream.gate.as_mut().is_none_or(|gate| gate.hear(frame));
        let narrow = stream.narrow.process(frame);
        stream.keys.push(&narrow);
        if stream.keys.is_down()
            && let Some(gate) = &mut stream.gate
        {
            // The silence after a key is no reason to listen: the model errs on it.
            gate.shut();
        }
        let hears = hears && !stream.keys.is_down();
        let may_be_speech = !stream.keys.suspects();
        for sample in &narrow.0 {
            stream.window[stream.filled] = f32::from(*sample) / 32768.0;
            stream.filled += 1;
            if stream.filled == WINDOW {
                stream.filled = 0;
                let probability = if hears && stream.after_key == 0 { self.listen(stream)? } else { self.skip(stream) };
                let probability = if may_be_speech { probability } else { 0.0 };
                out.push(VoiceActivity { probability, duration_ms: WINDOW_MS });
            }
        }
        Ok(())
    }
}

impl SileroVad {
    fn listen(&mut self, stream: &mut SileroStream) -> Result<f32, VadError> {
        if !stream.is_open {
            stream.is_open = true;
            *stream.memory = Memory::EMPTY;
            for window in std::mem::take(&mut stream.before) {
                self.run(&mut stream.memory, &window)?;
            }
        }
        self.run(&mut stream.memory, &stream.window)
    }

    fn skip(&mut self, stream: &mut SileroStream) -> f32 {
        self.counts.skipped += 1;
        stream.is_open = false;
        if stream.keys.is_down() {
            stream.before.clear();
            stream.after_key = AFTER_KEY;
            return 0.0;
        }
        stream.after_key = stream.after_key.saturating_sub(1);
        // The oldest window's memory is used again.
        let mut kept = if stream.before.len() == WARM_UP { stream.before.pop_front() } else { None };
        let window = kept.get_or_insert_with(|| Box::new([0.0; WINDOW]));
        **window = stream.window;
        stream.before.extend(kept);
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::dtmf::DigitSource;
    use crate::audio::frame::Frame;
    use crate::audio::resample::Upsampler8To16;
    use crate::engine::test_speech;

    fn hear(vad: &mut SileroVad, samples: &[i16]) -> Vec<f32> {
        let (mut stream, mut wide, mut out) = (vad.open(), Upsampler8To16::default(), Vec::new());
        for frame in Frame::split(samples) {
            vad.detect(&mut stream, &wide.process(&frame), &mut out).unwrap();
        }
        assert!(out.iter().all(|v| v.duration_ms == WINDOW_MS));
        let heard: u32 = out.iter().map(|v| u32::from(v.duration_ms)).sum();
        assert!((heard as usize).abs_diff(samples.len() / 8) < 64, "{heard} ms of {}", samples.len() / 8);
        out.into_iter().map(|v| v.probability).collect()
    }

    fn load(gate: Option<GateConfig>) -> SileroVad {
        SileroVad::load(&test_speech::model("silero-vad"), gate).unwrap()
    }

    /// 1 s of nothing, speech, 1 s of nothing, with a little noise over all of it.
    fn call() -> Vec<i16> {
        let speech = test_speech::say("thank you for calling, how may i help you today", Language::English);
        let mut all = vec![0; 8000];
        all.extend(&speech);
        all.extend([0; 8000]);
        let mut random = fastrand::Rng::with_seed(1);
        all.iter_mut().for_each(|sample| *sample = sample.saturating_add(random.i16(-20..20)));
        all
    }
    use crate::speech::Language;

    #[test]
    fn speech_is_told_from_the_silence_around_it() {
        let call = call();
        for gate in [None, Some(GateConfig::default())] {
            let heard = hear(&mut load(gate), &call);
            let (before, rest) = heard.split_at(28);
            let (speech, after) = rest.split_at(rest.len() - 25);
            assert!(before.iter().all(|p| *p < 0.3), "{before:?}");
            assert!(after.iter().all(|p| *p < 0.3), "{after:?}");
            let loud = speech.iter().filter(|p| **p > 0.5).count();
            assert!(loud * 2 > speech.len(), "{loud} of {} windows", speech.len());
        }
    }

    #[test]
    fn keys_are_no_speech_and_what_follows_them_is() {
        let speech = test_speech::say("thank you for calling", Language::English);
        let (mut all, mut random) = (Vec::new(), fastrand::Rng::with_seed(4));
        for _ in 0..10 {
            for key in "0123456789*#".chars() {
                let mut source = DigitSource::new(key, random.u32(60..300)).unwrap();
                while let Some(frame) = source.next_frame() {
                    all.extend(frame.0);
                }
                all.extend(vec![0; random.usize(400..4_000)]);
            }
        }
        let keys = all.len() / WINDOW;
        all.extend(speech);
        for gate in [None, Some(GateConfig::default())] {
            let heard = hear(&mut load(gate), &all);
            // Speech begins with more than two windows in a row.
            let longest = heard[..keys].split(|p| *p <= 0.5).map(<[f32]>::len).max();
            assert!(longest.is_some_and(|windows| windows < 2), "{longest:?} windows of a key were taken for speech");
            let first = heard[keys..].iter().position(|p| *p > 0.5);
            assert!(first.is_some_and(|windows| windows < 6), "speech after keys is heard late: {first:?}");
        }
    }

    #[test]
    fn the_gate_changes_little_and_saves_the_model_from_silence() {
        let call = call();
        let (mut open, mut gated) = (load(None), load(Some(GateConfig::default())));
        let (all, some) = (hear(&mut open, &call), hear(&mut gated, &call));
        let differ = all.iter().zip(&some).filter(|(a, b)| (**a > 0.5) != (**b > 0.5)).count();
        assert!(differ <= 1, "{differ} of {} decisions differ", all.len());
        let counts = gated.counts();
        assert!(counts.skipped > 30, "{counts:?}");
        let silence = hear(&mut gated, &[0; 16_000]);
        assert!(silence.iter().all(|p| *p == 0.0));
    }
}
