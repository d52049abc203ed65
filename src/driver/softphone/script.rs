//! What the softphone does in a call, one step after the other, 20 ms at a time. Pure: frames and levels in, frames out.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::audio::frame::{FRAME_MS, FRAME_SAMPLES, Frame};
use crate::audio::loudness;
use crate::speech::Language;

/// Louder than this is sound, dBFS.
const SOUND_DBFS: f32 = -45.0;
/// `quiet` gives up after this.
const QUIET_LIMIT: Duration = Duration::from_secs(60);
/// The other side counts as silent after this where `quiet` does not say.
const QUIET: Duration = Duration::from_millis(900);

/// One step as it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// `wait:SECONDS`
    Wait(Duration),
    /// `quiet[:SECONDS]`: until the other side has been heard and then silent for so long.
    Quiet(Duration),
    /// `say:LANGUAGE:TEXT`
    Say(Language, String),
    /// `play:FILE`
    Play(String),
    /// `keys:DIGITS`
    Keys(String),
    /// `hangup`
    HangUp,
}

/// A step is not written as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step '{0}': expected wait:SECONDS, quiet, quiet:SECONDS, say:yue:TEXT, play:FILE, keys:DIGITS or hangup")]
pub struct StepError(String);

impl FromStr for Step {
    type Err = StepError;
    fn from_str(text: &str) -> Result<Self, StepError> {
        let wrong = || StepError(text.to_owned());
        let (word, rest) = text.split_once(':').unwrap_or((text, ""));
        let seconds = |rest: &str| {
            rest.parse::<f32>().ok().and_then(|s| Duration::try_from_secs_f32(s).ok()).ok_or_else(wrong)
        };
        match (word, rest) {
            ("wait", rest) => Ok(Self::Wait(seconds(rest)?)),
            ("quiet", "") => Ok(Self::Quiet(QUIET)),
            ("quiet", rest) => Ok(Self::Quiet(seconds(rest)?)),
            ("say", rest) => {
                let (language, words) = rest.split_once(':').ok_or_else(wrong)?;
                Ok(Self::Say(language.parse().map_err(|_| wrong())?, words.to_owned()))
            }
            ("play", file) if !file.is_empty() => Ok(Self::Play(file.to_owned())),
            ("keys", keys) if !keys.is_empty() && keys.chars().all(|c| "0123456789*#ABCD".contains(c)) => {
                Ok(Self::Keys(keys.to_owned()))
            }
            ("hangup", "") => Ok(Self::HangUp),
            _ => Err(wrong()),
        }
    }
}

/// A step with its sound at hand.
#[derive(Clone, Debug)]
pub enum Cue {
    /// Do nothing for so many frames.
    Wait(u32),
    /// Until the other side has spoken and then been silent for so many frames.
    Quiet(u32),
    /// Play these samples, 8 kHz.
    Sound(Arc<[i16]>),
    /// Press these keys.
    Keys(String),
    /// Hang up.
    HangUp,
}

impl Cue {
    /// The cue of a step that needs no sound.
    pub fn silent(step: &Step) -> Option<Self> {
        match step {
            Step::Wait(time) => Some(Self::Wait(frames(*time))),
            Step::Quiet(time) => Some(Self::Quiet(frames(*time))),
            Step::Keys(keys) => Some(Self::Keys(keys.clone())),
            Step::HangUp => Some(Self::HangUp),
            Step::Say(..) | Step::Play(_) => None,
        }
    }
}

fn frames(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / u128::from(FRAME_MS)).unwrap_or(u32::MAX)
}

/// What to do in these 20 ms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this.
    Send(Frame),
    /// Press this key, and send silence.
    Press(char),
    /// Hang up.
    HangUp,
    /// The script is over: send silence.
    Over,
}

/// Where the script is, and how long the other side took to answer each of its sounds.
#[derive(Debug)]
pub struct Script {
    cues: VecDeque<Cue>,
    position: usize,
    waited: u32,
    silence: u32,
    far_spoke: bool,
    since_sound: Option<u32>,
    responses_ms: Vec<u32>,
}

impl Script {
    /// From its first cue.
    pub fn new(cues: impl IntoIterator<Item = Cue>) -> Self {
        Self {
            cues: cues.into_iter().collect(),
            position: 0,
            waited: 0,
            silence: 0,
            far_spoke: false,
            since_sound: None,
            responses_ms: Vec::new(),
        }
    }

    /// From the end of each sound of ours to the first sound of the other side, ms, in steps of 20.
    pub fn responses_ms(&self) -> &[u32] {
        &self.responses_ms
    }

    /// Takes 20 ms of the other side and says what to do in the next.
    pub fn frame(&mut self, heard: &Frame) -> Action {
        self.listen(heard);
        loop {
            self.waited += 1;
            match self.cues.front() {
                None => return Action::Over,
                Some(Cue::HangUp) => return Action::HangUp,
                Some(Cue::Wait(frames)) if self.waited <= *frames => return Action::Send(Frame::SILENCE),
                Some(Cue::Quiet(frames)) => {
                    let quiet = self.far_spoke && self.silence >= *frames;
                    if !quiet && self.waited < u32::try_from(QUIET_LIMIT.as_millis()).unwrap_or(0) / FRAME_MS {
                        return Action::Send(Frame::SILENCE);
                    }
                }
                Some(Cue::Sound(samples)) => {
                    if let Some(rest) = samples.get(self.position..).filter(|rest| !rest.is_empty()) {
                        let frame = Frame::from_slice(rest);
                        self.position += FRAME_SAMPLES;
                        return Action::Send(frame);
                    }
                    let trailing = samples.iter().rev().take_while(|s| s.unsigned_abs() < 200).count();
                    self.since_sound = Some(u32::try_from(trailing / FRAME_SAMPLES).unwrap_or(0));
                }
                Some(Cue::Keys(keys)) => {
                    // A key and its pause: 200 ms each.
                    let index = (self.waited as usize - 1) / 10;
                    match keys.chars().nth(index) {
                        Some(key) if (self.waited - 1) % 10 == 0 => return Action::Press(key),
                        Some(_) => return Action::Send(Frame::SILENCE),
                        None => {}
                    }
                }
                Some(Cue::Wait(_)) => {}
            }
            self.cues.pop_front();
            (self.waited, self.position, self.far_spoke) = (0, 0, false);
        }
    }

    fn listen(&mut self, heard: &Frame) {
        if loudness::dbfs(&heard.0) > SOUND_DBFS {
            (self.silence, self.far_spoke) = (0, true);
            if let Some(frames) = self.since_sound.take() {
                self.responses_ms.push(frames * FRAME_MS);
            }
        } else {
            self.silence = self.silence.saturating_add(1);
            self.since_sound = self.since_sound.map(|frames| frames + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loud() -> Frame {
        Frame(std::array::from_fn(|i| if i % 8 < 4 { 8_000 } else { -8_000 }))
    }

    #[test]
    fn steps_are_read_and_refused() {
        assert_eq!("say:yue:我想:搵真人".parse(), Ok(Step::Say(Language::Cantonese, "我想:搵真人".to_owned())));
        assert_eq!("wait:1.5".parse(), Ok(Step::Wait(Duration::from_millis(1500))));
        assert_eq!("keys:1*".parse(), Ok(Step::Keys("1*".to_owned())));
        for wrong in ["say:xx:a", "keys:", "keys:x", "wait:-1", "jump", "hangup:1"] {
            assert!(wrong.parse::<Step>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn speaks_after_the_other_side_and_times_its_answer() {
        let mut script = Script::new([Cue::Quiet(3), Cue::Sound(vec![9_000; 320].into()), Cue::Quiet(2), Cue::HangUp]);
        let (silence, loud) = (Frame::SILENCE, loud());
        assert_eq!(script.frame(&silence), Action::Send(Frame::SILENCE), "not heard yet");
        script.frame(&loud);
        script.frame(&silence);
        script.frame(&silence);
        assert_eq!(script.frame(&silence), Action::Send(Frame([9_000; 160])), "quiet for three frames");
        script.frame(&silence);
        for _ in 0..10 {
            assert_eq!(script.frame(&silence), Action::Send(Frame::SILENCE));
        }
        script.frame(&loud);
        assert_eq!(script.responses_ms(), [200]);
        script.frame(&silence);
        assert_eq!(script.frame(&silence), Action::HangUp);
    }

    #[test]
    fn keys_have_pauses_between_them() {
        let mut script = Script::new([Cue::Keys("12".to_owned())]);
        let actions: Vec<_> = (0..21).map(|_| script.frame(&Frame::SILENCE)).collect();
        let pressed: Vec<_> = actions.iter().enumerate().filter(|(_, a)| matches!(a, Action::Press(_))).collect();
        assert_eq!(pressed, [(0, &Action::Press('1')), (10, &Action::Press('2'))]);
        assert_eq!(actions[20], Action::Over);
    }
}
