//! One mouth of the bot: what is to be said, in order; asked of the synthesiser ahead of time; played one prompt at a
//! time. Gives frames every 20 ms, and says what began, what ended and how much of it was heard. A prompt that the
//! synthesiser does not deliver is left out and reported, never waited for without end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audio::frame::Frame;
use crate::ids::SpeakId;
use crate::media::playout::{Playout, PlayoutEvent};
use crate::speech::Language;

/// Prompts that may wait behind the one that sounds. More are refused and reported as failed.
pub const QUEUE: usize = 8;

/// Samples that a prompt may gather before its turn comes. More are dropped.
const GATHERED: usize = crate::media::playout::QUEUE_SAMPLES;

/// Something to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Prompt id in the dialplan.
    pub prompt: String,
    /// The words.
    pub text: String,
    /// Their language.
    pub language: Language,
    /// True where the listener may speak over it.
    pub interruptible: bool,
}

/// How long to wait for the synthesiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpeakingConfig {
    /// For the first sound of the prompt whose turn it is, ms.
    pub first_sound_ms: u32,
    /// For the next sound, ms.
    pub next_sound_ms: u32,
}

impl Default for SpeakingConfig {
    fn default() -> Self {
        Self { first_sound_ms: 3_000, next_sound_ms: 3_000 }
    }
}

/// What can happen to it.
#[derive(Clone, Debug)]
pub enum Input {
    /// Say this.
    Say {
        /// Its number.
        speak: SpeakId,
        /// What.
        line: Line,
        /// True: after all else. False: instead of all else; but a line that may not be interrupted is heard to its end.
        append: bool,
    },
    /// Be silent at once and forget what waits.
    Stop,
    /// Sound of a prompt.
    Piece {
        /// Whose.
        speak: SpeakId,
        /// 8 kHz.
        samples: Arc<[i16]>,
    },
    /// All sound of a prompt has come.
    Done {
        /// Which.
        speak: SpeakId,
    },
    /// No (more) sound of a prompt will come.
    Failed {
        /// Which.
        speak: SpeakId,
    },
    /// A deadline may have passed.
    Timeout,
}

/// How a prompt that had begun came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptEnd {
    /// All of it was given out.
    Complete,
    /// The synthesiser broke off: the listener missed something that he should have heard.
    BrokenOff,
    /// It was stopped, and with it what was to follow.
    Stopped,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Let the synthesiser speak this.
    Ask {
        /// Its number.
        speak: SpeakId,
        /// What.
        line: Line,
    },
    /// Let the synthesiser stop this.
    Cancel {
        /// Which.
        speak: SpeakId,
    },
    /// The frame just given out is the first of this prompt.
    Began {
        /// Which.
        speak: SpeakId,
        /// What.
        line: Line,
    },
    /// A prompt that had begun is over.
    Ended {
        /// Which.
        speak: SpeakId,
        /// So much was given out, ms.
        heard_ms: u64,
        /// How.
        end: PromptEnd,
    },
    /// A prompt was left out: no sound of it came.
    Unspoken {
        /// Which.
        speak: SpeakId,
        /// What, where it is worth another try.
        line: Option<Line>,
    },
    /// Nothing is left to say.
    AllSpoken {
        /// False where it was told to stop.
        to_end: bool,
    },
}

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Sound from the synthesiser.
    Sound,
}

/// A prompt whose turn has not come.
#[derive(Debug)]
struct Waiting {
    speak: SpeakId,
    line: Line,
    pieces: Vec<Arc<[i16]>>,
    gathered: usize,
    done: bool,
    broken: bool,
}

/// The prompt whose turn it is.
#[derive(Debug)]
enum Current {
    None,
    /// No sound was given out yet.
    Silent {
        speak: SpeakId,
        line: Line,
        until: Instant,
        done: bool,
        broken: bool,
    },
    Sounding {
        speak: SpeakId,
        interruptible: bool,
        until: Instant,
        done: bool,
        broken: bool,
    },
}

/// The machine.
pub struct Speaking {
    config: SpeakingConfig,
    playout: Playout,
    current: Current,
    waiting: VecDeque<Waiting>,
    outputs: VecDeque<Output>,
}

impl Speaking {
    /// With nothing to say.
    pub fn new(config: SpeakingConfig) -> Self {
        let (current, waiting) = (Current::None, VecDeque::with_capacity(QUEUE));
        Self { config, playout: Playout::new(), current, waiting, outputs: VecDeque::with_capacity(8) }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Say { speak, line, append } => self.say(now, speak, line, append),
            Input::Stop => self.stop(),
            Input::Piece { speak, samples } => self.take(now, speak, samples),
            Input::Done { speak } => self.done(speak, false),
            Input::Failed { speak } => self.done(speak, true),
            Input::Timeout => {}
        }
        self.on_time(now);
    }

    /// Next thing to say.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the synthesiser has been waited for long enough.
    pub fn deadline(&self) -> Option<(Instant, Why)> {
        match self.current {
            Current::Silent { until, done: false, .. } | Current::Sounding { until, done: false, .. } => {
                Some((until, Why::Sound))
            }
            Current::None | Current::Silent { done: true, .. } | Current::Sounding { done: true, .. } => None,
        }
    }

    /// The next 20 ms. Read the outputs before the frame goes out.
    pub fn next_frame(&mut self, now: Instant) -> Frame {
        let frame = self.playout.next_frame();
        while let Some(event) = self.playout.poll() {
            self.on_playout(now, event);
        }
        frame
    }

    /// True where nothing sounds and nothing will before the next input.
    pub fn is_quiet(&self) -> bool {
        self.playout.is_quiet()
    }

    /// What plays while there is nothing to say; `None`: silence.
    pub fn music(&mut self, samples: Option<Arc<[i16]>>) {
        self.playout.music(samples);
    }

    /// Holds the prompt where it is.
    pub fn pause(&mut self) {
        self.playout.pause();
    }

    /// Goes on after [`Self::pause`].
    pub fn resume(&mut self) {
        self.playout.resume();
    }

    /// The prompt that sounds now.
    pub fn sounding(&self) -> Option<SpeakId> {
        match self.current {
            Current::Sounding { speak, .. } => Some(speak),
            Current::None | Current::Silent { .. } => None,
        }
    }

    /// True while something sounds or is about to.
    pub fn is_busy(&self) -> bool {
        !matches!(self.current, Current::None)
    }

    fn say(&mut self, now: Instant, speak: SpeakId, line: Line, append: bool) {
        if !append {
            match self.current {
                Current::Sounding { interruptible: false, .. } => self.forget_waiting(),
                Current::None | Current::Silent { .. } | Current::Sounding { .. } => self.silence(),
            }
        }
        if self.waiting.len() >= QUEUE {
            self.outputs.push_back(Output::Unspoken { speak, line: None });
            return;
        }
        self.outputs.push_back(Output::Ask { speak, line: line.clone() });
        self.waiting.push_back(Waiting { speak, line, pieces: Vec::new(), gathered: 0, done: false, broken: false });
        self.advance(now);
    }

    fn stop(&mut self) {
        if self.is_busy() {
            self.silence();
            self.outputs.push_back(Output::AllSpoken { to_end: false });
        }
    }

    /// Ends the current prompt and forgets the rest, without a word about it.
    fn silence(&mut self) {
        self.forget_waiting();
        match std::mem::replace(&mut self.current, Current::None) {
            Current::None => {}
            Current::Silent { speak, .. } => {
                self.playout.stop();
                self.outputs.push_back(Output::Cancel { speak });
            }
            Current::Sounding { speak, done, .. } => {
                let heard_ms = self.playout.position().map_or(0, |(_, ms)| u64::from(ms));
                self.playout.stop();
                if !done {
                    self.outputs.push_back(Output::Cancel { speak });
                }
                self.outputs.push_back(Output::Ended { speak, heard_ms, end: PromptEnd::Stopped });
            }
        }
    }

    fn forget_waiting(&mut self) {
        for waiting in self.waiting.drain(..) {
            self.outputs.push_back(Output::Cancel { speak: waiting.speak });
        }
    }

    /// Gives the next prompt its turn.
    fn advance(&mut self, now: Instant) {
        if self.is_busy() {
            return;
        }
        let Some(mut next) = self.waiting.pop_front() else { return };
        self.playout.start(next.speak);
        for piece in std::mem::take(&mut next.pieces) {
            self.playout.push(next.speak, piece);
        }
        if next.done {
            self.playout.finish(next.speak);
        }
        let until = now + ms(self.config.first_sound_ms);
        let Waiting { speak, line, done, broken, .. } = next;
        self.current = Current::Silent { speak, line, until, done, broken };
    }

    fn take(&mut self, now: Instant, id: SpeakId, samples: Arc<[i16]>) {
        match &mut self.current {
            Current::Silent { speak, until, .. } | Current::Sounding { speak, until, .. } if *speak == id => {
                *until = now + ms(self.config.next_sound_ms);
                self.playout.push(id, samples);
                return;
            }
            Current::None | Current::Silent { .. } | Current::Sounding { .. } => {}
        }
        if let Some(waiting) = self.waiting.iter_mut().find(|w| w.speak == id)
            && waiting.gathered + samples.len() <= GATHERED
        {
            waiting.gathered += samples.len();
            waiting.pieces.push(samples);
        }
    }

    /// No more sound of it will come. Where none came at all, the next frame finds that out.
    fn done(&mut self, id: SpeakId, failed: bool) {
        match &mut self.current {
            Current::Silent { speak, done, broken, .. } | Current::Sounding { speak, done, broken, .. }
                if *speak == id =>
            {
                (*done, *broken) = (true, failed);
                self.playout.finish(id);
            }
            Current::None | Current::Silent { .. } | Current::Sounding { .. } => {
                if let Some(waiting) = self.waiting.iter_mut().find(|w| w.speak == id) {
                    (waiting.done, waiting.broken) = (true, failed);
                }
            }
        }
    }

    fn after_current(&mut self, now: Instant) {
        self.advance(now);
        if !self.is_busy() {
            self.outputs.push_back(Output::AllSpoken { to_end: true });
        }
    }

    fn on_playout(&mut self, now: Instant, event: PlayoutEvent) {
        match (std::mem::replace(&mut self.current, Current::None), event) {
            (Current::Silent { speak, line, until, done, broken }, PlayoutEvent::Started { speak: id })
                if id == speak =>
            {
                self.current = Current::Sounding { speak, interruptible: line.interruptible, until, done, broken };
                self.outputs.push_back(Output::Began { speak, line });
            }
            (Current::Sounding { speak, broken, .. }, PlayoutEvent::Ended { speak: id, played_ms, .. })
                if id == speak =>
            {
                let heard_ms = u64::from(played_ms);
                let end = if broken { PromptEnd::BrokenOff } else { PromptEnd::Complete };
                self.outputs.push_back(Output::Ended { speak, heard_ms, end });
                self.after_current(now);
            }
            (Current::Silent { speak, line, .. }, PlayoutEvent::Ended { speak: id, stopped: false, .. })
                if id == speak =>
            {
                self.outputs.push_back(Output::Unspoken { speak, line: Some(line) });
                self.after_current(now);
            }
            // News of a prompt that was silenced before.
            (current, PlayoutEvent::Started { .. } | PlayoutEvent::Ended { .. }) => self.current = current,
        }
    }

    fn on_time(&mut self, now: Instant) {
        if self.deadline().is_none_or(|(due, _)| now < due) {
            return;
        }
        match self.current {
            // The rest of it never came: what there is counts as all.
            Current::Silent { speak, .. } | Current::Sounding { speak, .. } => {
                self.outputs.push_back(Output::Cancel { speak });
                self.done(speak, true);
            }
            Current::None => {}
        }
    }
}

fn ms(value: u32) -> Duration {
    Duration::from_millis(u64::from(value))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test has to begin at some time")]
mod tests {
    use super::*;

    struct Mouth {
        now: Instant,
        speaking: Speaking,
        said: Vec<String>,
    }

    impl Mouth {
        fn new() -> Self {
            Self { now: Instant::now(), speaking: Speaking::new(SpeakingConfig::default()), said: Vec::new() }
        }

        fn say(&mut self, id: u32, interruptible: bool, append: bool) {
            let line = Line { prompt: format!("p{id}"), text: "x".into(), language: Language::English, interruptible };
            self.handle(Input::Say { speak: SpeakId(id), line, append });
        }

        fn sound(&mut self, id: u32, ms: usize) {
            self.handle(Input::Piece { speak: SpeakId(id), samples: Arc::from(vec![900i16; ms * 8]) });
            self.handle(Input::Done { speak: SpeakId(id) });
        }

        fn handle(&mut self, input: Input) {
            self.speaking.handle(self.now, input);
            self.drain();
        }

        fn frames(&mut self, count: usize) {
            for _ in 0..count {
                self.now += ms(20);
                self.speaking.handle(self.now, Input::Timeout);
                self.speaking.next_frame(self.now);
                self.drain();
            }
        }

        fn drain(&mut self) {
            while let Some(output) = self.speaking.poll() {
                self.said.push(match output {
                    Output::Ask { speak, .. } => format!("ask {speak}"),
                    Output::Cancel { speak } => format!("cancel {speak}"),
                    Output::Began { speak, .. } => format!("began {speak}"),
                    Output::Ended { speak, heard_ms, end } => {
                        format!("ended {speak} {heard_ms} {}", end == PromptEnd::Complete)
                    }
                    Output::Unspoken { speak, line } => format!("unspoken {speak} {}", line.is_some()),
                    Output::AllSpoken { to_end } => format!("all {to_end}"),
                });
            }
        }
    }

    #[test]
    fn prompts_follow_each_other() {
        let mut mouth = Mouth::new();
        mouth.say(1, true, false);
        mouth.say(2, true, true);
        mouth.sound(2, 40);
        mouth.sound(1, 60);
        mouth.frames(8);
        let all = ["ask 1", "ask 2", "began 1", "ended 1 60 true", "began 2", "ended 2 40 true", "all true"];
        assert_eq!(mouth.said, all);
    }

    #[test]
    fn a_new_line_replaces_the_old_unless_that_must_be_heard() {
        for (interruptible, expected) in [
            (true, vec!["ask 1", "ask 2", "began 1", "cancel 2", "ended 1 40 false", "ask 3", "began 3"]),
            (false, vec!["ask 1", "ask 2", "began 1", "cancel 2", "ask 3", "ended 1 100 true", "began 3"]),
        ] {
            let mut mouth = Mouth::new();
            mouth.say(1, interruptible, false);
            mouth.say(2, true, true);
            mouth.sound(1, 100);
            mouth.frames(2);
            mouth.say(3, true, false);
            mouth.sound(3, 1000);
            mouth.frames(6);
            assert_eq!(mouth.said, expected, "interruptible: {interruptible}");
        }
    }

    #[test]
    fn stop_is_told_once_and_says_how_much_was_heard() {
        let mut mouth = Mouth::new();
        mouth.say(1, true, false);
        mouth.handle(Input::Piece { speak: SpeakId(1), samples: Arc::from(vec![900i16; 8000]) });
        mouth.frames(10);
        mouth.handle(Input::Stop);
        mouth.handle(Input::Stop);
        mouth.frames(3);
        assert_eq!(mouth.said, ["ask 1", "began 1", "cancel 1", "ended 1 200 false", "all false"]);
    }

    #[test]
    fn a_synthesiser_that_gives_nothing_is_not_waited_for() {
        let mut late = Mouth::new();
        late.say(1, true, false);
        late.frames(152);
        assert_eq!(late.said, ["ask 1", "cancel 1", "unspoken 1 true", "all true"]);
        let mut failed = Mouth::new();
        failed.say(1, true, false);
        failed.handle(Input::Failed { speak: SpeakId(1) });
        failed.frames(1);
        assert_eq!(failed.said, ["ask 1", "unspoken 1 true", "all true"]);
        let mut broken_off = Mouth::new();
        broken_off.say(1, true, false);
        broken_off.handle(Input::Piece { speak: SpeakId(1), samples: Arc::from(vec![900i16; 800]) });
        broken_off.frames(160);
        assert_eq!(broken_off.said, ["ask 1", "began 1", "cancel 1", "ended 1 100 false", "all true"]);
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut mouth = Mouth::new();
        for id in 0..=QUEUE as u32 + 1 {
            mouth.say(id, true, true);
        }
        let refused = format!("unspoken {} false", QUEUE + 1);
        assert_eq!(mouth.said.last(), Some(&refused));
    }
}
