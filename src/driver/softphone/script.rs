//! What the softphone does in a call, one step after the other, 20 ms at a time, and how long the other side took to
//! answer. Pure: times since the answer and frames in, frames and notes out.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::audio::frame::{FRAME_MS, FRAME_SAMPLES, Frame};
use crate::audio::loudness;
use crate::speech::Language;

/// Louder than this is sound, dBFS.
const SOUND_DBFS: f32 = -45.0;
/// Samples of ours below this are silence.
const SOUND_SAMPLE: u16 = 200;
/// `quiet` gives up after this.
const QUIET_LIMIT: Duration = Duration::from_secs(60);
/// The other side counts as silent after this where `quiet` does not say.
const QUIET: Duration = Duration::from_millis(1200);
/// An answer can only come out of a silence of this length; anything else is talking on.
const ANSWER_PAUSE: Duration = Duration::from_millis(200);
/// A key and its pause, frames.
const KEY_FRAMES: u32 = 10;
/// Notes that wait to be polled; more are dropped.
const NOTES: usize = 16;

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
        let seconds =
            |rest: &str| rest.parse::<f32>().ok().and_then(|s| Duration::try_from_secs_f32(s).ok()).ok_or_else(wrong);
        match (word, rest) {
            ("wait", rest) => Ok(Self::Wait(seconds(rest)?)),
            ("quiet", "") => Ok(Self::Quiet(QUIET)),
            ("quiet", rest) => Ok(Self::Quiet(seconds(rest)?)),
            ("say", rest) => {
                let (language, words) =
                    rest.split_once(':').filter(|(_, words)| !words.is_empty()).ok_or_else(wrong)?;
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
    /// Until the other side has spoken and then been silent for so long.
    Quiet(Duration),
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
            Step::Quiet(time) => Some(Self::Quiet(*time)),
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
#[allow(clippy::large_enum_variant, reason = "lives for one frame; a box would be an allocation every 20 ms")]
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

/// What a listener may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A cue began, counted from 0.
    Began(usize),
    /// The other side began to make a sound, so many ms after the end of ours where it is an answer.
    FarSpeaks {
        /// From sending the last of our sound to receiving the first of theirs, ms.
        response_ms: Option<u32>,
    },
    /// The other side has gone quiet.
    FarQuiet,
}

/// What is known of the other side's sound. Times are since the answer.
#[derive(Debug, Default)]
struct Far {
    loud_at: Option<Duration>,
    speaking: bool,
    /// Has made a sound since the last `quiet` or the last sound of ours.
    spoke: bool,
}

/// Where the script is, and how long the other side took to answer each of its sounds.
#[derive(Debug)]
pub struct Script {
    cues: VecDeque<Cue>,
    begun: usize,
    position: usize,
    waited: u32,
    far: Far,
    our_end: Option<Duration>,
    responses_ms: Vec<u32>,
    notes: VecDeque<Note>,
}

impl Script {
    /// From its first cue.
    pub fn new(cues: impl IntoIterator<Item = Cue>) -> Self {
        Self {
            cues: cues.into_iter().collect(),
            begun: 0,
            position: 0,
            waited: 0,
            far: Far::default(),
            our_end: None,
            responses_ms: Vec::new(),
            notes: VecDeque::new(),
        }
    }

    /// From the end of each sound of ours to the first sound of the other side, ms.
    pub fn responses_ms(&self) -> &[u32] {
        &self.responses_ms
    }

    /// What happened since the last poll.
    pub fn poll(&mut self) -> Option<Note> {
        self.notes.pop_front()
    }

    /// 20 ms of the other side have arrived.
    pub fn heard(&mut self, at: Duration, frame: &Frame) {
        if loudness::dbfs(&frame.0) <= SOUND_DBFS {
            return;
        }
        let paused = self.far.loud_at.is_none_or(|loud| at.saturating_sub(loud) >= ANSWER_PAUSE);
        let answers = self.our_end.take().filter(|_| paused);
        let response_ms = answers.map(|end| u32::try_from(at.saturating_sub(end).as_millis()).unwrap_or(u32::MAX));
        self.responses_ms.extend(response_ms);
        if !self.far.speaking || response_ms.is_some() {
            self.note(Note::FarSpeaks { response_ms });
        }
        self.far = Far { loud_at: Some(at), speaking: true, spoke: true };
    }

    /// Says what to do in the next 20 ms.
    pub fn frame(&mut self, at: Duration) -> Action {
        let silence = self.far.loud_at.map_or(Duration::ZERO, |loud| at.saturating_sub(loud));
        if self.far.speaking && silence >= QUIET {
            self.far.speaking = false;
            self.note(Note::FarQuiet);
        }
        loop {
            let Some(cue) = self.cues.front().cloned() else { return Action::Over };
            if self.waited == 0 {
                self.note(Note::Began(self.begun));
            }
            self.waited += 1;
            if let Some(action) = self.go_on(&cue, at, silence) {
                return action;
            }
            self.cues.pop_front();
            self.begun += 1;
            (self.waited, self.position) = (0, 0);
        }
    }

    /// What this cue does now; nothing where it is over.
    fn go_on(&mut self, cue: &Cue, at: Duration, silence: Duration) -> Option<Action> {
        match cue {
            Cue::HangUp => Some(Action::HangUp),
            Cue::Wait(frames) => (self.waited <= *frames).then_some(Action::Send(Frame::SILENCE)),
            Cue::Quiet(needed) => {
                let over = self.far.spoke && silence >= *needed || self.waited > frames(QUIET_LIMIT);
                self.far.spoke &= !over;
                (!over).then_some(Action::Send(Frame::SILENCE))
            }
            Cue::Sound(samples) => self.play(samples, at),
            Cue::Keys(keys) => {
                let (index, rest) = ((self.waited - 1) / KEY_FRAMES, (self.waited - 1) % KEY_FRAMES);
                if self.waited == 1 {
                    self.far.spoke = false;
                }
                let key = keys.chars().nth(index as usize)?;
                Some(if rest == 0 { Action::Press(key) } else { Action::Send(Frame::SILENCE) })
            }
        }
    }

    fn play(&mut self, samples: &[i16], at: Duration) -> Option<Action> {
        let rest = samples.get(self.position..).filter(|rest| !rest.is_empty())?;
        let frame = Frame::from_slice(rest);
        self.position += FRAME_SAMPLES;
        let end = samples.iter().rposition(|sample| sample.unsigned_abs() >= SOUND_SAMPLE);
        let ends_here = end.is_some_and(|end| (self.position - FRAME_SAMPLES..self.position).contains(&end));
        if ends_here {
            self.our_end = Some(at);
            self.far.spoke = false;
        }
        Some(Action::Send(frame))
    }

    fn note(&mut self, note: Note) {
        if self.notes.len() < NOTES {
            self.notes.push_back(note);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loud() -> Frame {
        Frame(std::array::from_fn(|i| if i % 8 < 4 { 8_000 } else { -8_000 }))
    }

    fn at(frame: u64) -> Duration {
        Duration::from_millis(frame * 20)
    }

    #[test]
    fn steps_are_read_and_refused() {
        assert_eq!("say:yue:我想:搵真人".parse(), Ok(Step::Say(Language::Cantonese, "我想:搵真人".to_owned())));
        assert_eq!("wait:1.5".parse(), Ok(Step::Wait(Duration::from_millis(1500))));
        assert_eq!("quiet".parse(), Ok(Step::Quiet(QUIET)));
        assert_eq!("keys:1*".parse(), Ok(Step::Keys("1*".to_owned())));
        for wrong in ["say:xx:a", "say:yue:", "keys:", "keys:x", "wait:-1", "wait:", "play:", "jump", "hangup:1"] {
            assert!(wrong.parse::<Step>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn speaks_after_the_other_side_and_times_its_answer() {
        let sound = [[9_000; 160], [0; 160]].concat();
        let silent = || Action::Send(Frame::SILENCE);
        let mut script = Script::new([Cue::Quiet(at(3)), Cue::Sound(sound.into()), Cue::Quiet(at(2)), Cue::HangUp]);
        assert_eq!(script.frame(at(0)), silent(), "not heard yet");
        assert_eq!(script.frame(at(9)), silent(), "silence alone is no speech");
        script.heard(at(10), &loud());
        script.heard(at(11), &Frame::SILENCE);
        assert_eq!(script.frame(at(12)), silent());
        assert_eq!(script.frame(at(13)), Action::Send(Frame([9_000; 160])), "quiet for three frames");
        assert_eq!(script.frame(at(14)), silent(), "the sound's own silence");
        assert_eq!(script.frame(at(40)), silent(), "no answer yet");
        script.heard(at(43), &loud());
        assert_eq!(script.responses_ms(), [600], "from the last sound of ours");
        assert_eq!(script.frame(at(44)), silent());
        assert_eq!(script.frame(at(45)), Action::HangUp);
        let notes: Vec<_> = std::iter::from_fn(|| script.poll()).collect();
        let spoke = |response_ms| Note::FarSpeaks { response_ms };
        assert_eq!(notes[..4], [Note::Began(0), spoke(None), Note::Began(1), Note::Began(2)]);
        assert_eq!(notes[4..], [spoke(Some(600)), Note::Began(3)]);
    }

    #[test]
    fn talking_on_is_no_answer() {
        let mut script = Script::new([Cue::Sound([9_000; 160].into()), Cue::Quiet(at(5))]);
        script.heard(at(0), &loud());
        script.frame(at(1));
        script.heard(at(2), &loud());
        assert!(script.responses_ms().is_empty());
        script.heard(at(50), &loud());
        assert!(script.responses_ms().is_empty(), "nothing of ours was answered by that");
    }

    #[test]
    fn quiet_gives_up() {
        let mut script = Script::new([Cue::Quiet(at(5)), Cue::HangUp]);
        let frames = (0..10_000).take_while(|&n| script.frame(at(n)) != Action::HangUp).count();
        assert_eq!(frames, 3_000, "60 s");
    }

    #[test]
    fn keys_have_pauses_between_them() {
        let mut script = Script::new([Cue::Keys("12".to_owned())]);
        let actions: Vec<_> = (0..21).map(|n| script.frame(at(n))).collect();
        let pressed: Vec<_> = actions.iter().enumerate().filter(|(_, a)| matches!(a, Action::Press(_))).collect();
        assert_eq!(pressed, [(0, &Action::Press('1')), (10, &Action::Press('2'))]);
        assert_eq!(actions[20], Action::Over);
    }
}
