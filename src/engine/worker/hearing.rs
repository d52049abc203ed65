//! One call within a worker: its frames in order, voice activity, the decision when the recogniser is fed, and the
//! events that follow.

use std::collections::VecDeque;

use crossbeam_channel::TryRecvError;

use super::{Control, EngineEvent, EventKind, Feeding, Intake};
use crate::audio::frame::{FRAME_MS, WideFrame};
use crate::engine::recogniser::{Heard, Recogniser, RecogniserStream};
use crate::engine::vad::{Vad, VadError};
use crate::ids::UtteranceId;
use crate::speech::{Hypothesis, Transcript, VoiceActivity};

/// Frames that one call may have worked through before the others have their turn: a call that pushes as fast as it is
/// heard would keep the worker for itself.
const FRAMES_PER_ROUND: usize = 16;

/// Voice activity from which the recogniser is fed. Low on purpose: the turn decides with its own, higher, threshold.
const FEED_FROM: f32 = 0.3;

/// A turn begins with two stretches in a row (64 ms) at least as probable as the first of these, one of them as the second.
/// Feeding that never came to it belongs to no utterance. Not above `end_below` and `start_above` of the turn's activity.
const TURN_FROM: [f32; 2] = [0.35, 0.5];

/// So long without voice within an utterance and the recogniser is told that it may be over: what is expensive begins early.
const PAUSE_MS: u32 = 200;

/// What the recogniser is being fed on.
#[derive(Default)]
struct FedOn {
    /// It is fed for so long yet, ms.
    left_ms: u32,
    /// The probability before.
    before: f32,
    /// Whether a turn may have begun, since it was first fed after its last answer.
    turned: Option<bool>,
    /// Without voice for so long, ms.
    quiet_ms: u32,
}

/// What the call asks, and the frame that it is asked before.
#[derive(Default)]
struct Asked {
    /// Next request, with the number of the frame that it comes before.
    next: Option<(u64, Control)>,
    /// A frame that was taken from the queue and comes after `due`.
    frame: Option<(u64, WideFrame)>,
    /// All before it is heard: it is its turn.
    due: Option<Control>,
    /// The utterance that has ended and whose text is not there yet. What is heard meanwhile is of the next one.
    finishing: Option<UtteranceId>,
}

/// One call.
pub(super) struct Hearing<R: Recogniser, V: Vad> {
    intake: Intake,
    stream: R::Stream,
    voice: V::Stream,
    feeding: Feeding,
    pre_roll: VecDeque<WideFrame>,
    fed_on: FedOn,
    utterance: UtteranceId,
    said: String,
    next: u64,
    asked: Asked,
    activity: Vec<VoiceActivity>,
    /// True once the call has let go of its feed.
    pub(super) gone: bool,
    /// True where frames were fed since the last decode.
    pub(super) fed: bool,
}

impl<R: Recogniser, V: Vad> Hearing<R, V> {
    pub(super) fn new(intake: Intake, stream: R::Stream, voice: V::Stream, feeding: Feeding) -> Self {
        Self {
            intake,
            stream,
            voice,
            feeding,
            pre_roll: VecDeque::with_capacity(32),
            fed_on: FedOn::default(),
            utterance: UtteranceId::default(),
            said: String::new(),
            next: 0,
            asked: Asked::default(),
            activity: Vec::with_capacity(4),
            gone: false,
            fed: false,
        }
    }

    /// The recogniser's stream, for a batch.
    pub(super) fn stream(&mut self) -> &mut R::Stream {
        &mut self.stream
    }

    /// Takes in what the call has pushed, up to the next control.
    pub(super) fn absorb(&mut self, vad: &mut V) -> Result<(), VadError> {
        if self.asked.due.is_some() {
            return Ok(());
        }
        for _ in 0..FRAMES_PER_ROUND {
            if self.is_due(self.next) {
                return Ok(());
            }
            let taken = self.asked.frame.take().map_or_else(|| self.intake.frames.try_recv(), Ok);
            match taken {
                // A request that was made before this frame is in the other queue by now, also where it was not a moment ago.
                // Frames that were dropped also stand before a control that comes after them.
                Ok((number, frame)) if self.is_due(number) => {
                    self.asked.frame = Some((number, frame));
                    return Ok(());
                }
                Ok((number, frame)) => self.hear(number, &frame, vad)?,
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => {
                    self.gone = true;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Whether the next request comes before this frame: then it is its turn.
    fn is_due(&mut self, number: u64) -> bool {
        if self.asked.due.is_none() && self.asked.next.is_none() {
            self.asked.next = self.intake.controls.try_recv().ok();
        }
        if let Some((_, control)) = self.asked.next.take_if(|(before, _)| number >= *before) {
            self.asked.due = Some(control);
        }
        self.asked.due.is_some()
    }

    fn hear(&mut self, number: u64, frame: &WideFrame, vad: &mut V) -> Result<(), VadError> {
        let missing = number.saturating_sub(self.next);
        self.next = number + 1;
        if missing > 0 {
            self.tell(EventKind::Overloaded { frames: u32::try_from(missing).unwrap_or(u32::MAX) });
        }
        self.activity.clear();
        vad.detect(&mut self.voice, frame, &mut self.activity)?;
        let mut voiced = false;
        for voice in std::mem::take(&mut self.activity) {
            voiced |= voice.probability >= FEED_FROM;
            if voice.probability >= FEED_FROM
                && let Feeding::Speech { tail_ms, .. } = self.feeding
            {
                self.fed_on.left_ms = tail_ms.max(FRAME_MS);
                let [both, one] = TURN_FROM;
                let (low, high) =
                    (voice.probability.min(self.fed_on.before), voice.probability.max(self.fed_on.before));
                *self.fed_on.turned.get_or_insert(false) |= low >= both && high >= one;
            }
            self.fed_on.before = voice.probability;
            self.tell(EventKind::Voice(voice));
        }
        self.feed(frame);
        self.notice_pause(voiced);
        Ok(())
    }

    fn notice_pause(&mut self, voiced: bool) {
        let fed_on = &mut self.fed_on;
        if voiced {
            if std::mem::take(&mut fed_on.quiet_ms) >= PAUSE_MS {
                self.stream.resume();
            }
        } else if fed_on.turned == Some(true) && fed_on.quiet_ms < PAUSE_MS {
            fed_on.quiet_ms += FRAME_MS;
            if fed_on.quiet_ms >= PAUSE_MS {
                self.stream.pause();
            }
        }
    }

    fn feed(&mut self, frame: &WideFrame) {
        if let Feeding::Speech { pre_roll_ms, .. } = self.feeding {
            if self.fed_on.left_ms == 0 {
                self.forget_noise();
                if self.pre_roll.len() >= (pre_roll_ms / FRAME_MS) as usize {
                    self.pre_roll.pop_front();
                }
                self.pre_roll.push_back(frame.clone());
                return;
            }
            self.fed_on.left_ms = self.fed_on.left_ms.saturating_sub(FRAME_MS);
            for before in self.pre_roll.drain(..) {
                self.stream.accept(&before);
            }
        }
        self.stream.accept(frame);
        self.fed = true;
    }

    /// Feeding has ended. What was no speech for the turn must not stand at the head of the next utterance.
    fn forget_noise(&mut self) {
        if self.fed_on.turned.take_if(|turned| !*turned).is_some() {
            self.stream.reset();
        }
    }

    /// True where the call waits for something.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.due.is_some() || self.asked.finishing.is_some()
    }

    /// Tells the text of an utterance that has ended, once it is there; then the guess where the last decode changed it; then
    /// does what the call asked for at this point. True where something was done and more may be waiting behind it.
    pub(super) fn answer(&mut self) -> bool {
        let mut done = false;
        if let Some(utterance) = self.asked.finishing {
            let Some(heard) = self.stream.finished() else { return false };
            self.tell_heard(utterance, heard);
            done = true;
        }
        if self.stream.hypothesis() != self.said {
            self.said.clear();
            self.said.push_str(self.stream.hypothesis());
            let hypothesis = Hypothesis { utterance: self.utterance, text: self.said.clone().into() };
            self.tell(EventKind::Hypothesis(hypothesis));
        }
        let Some(control) = self.asked.due.take() else { return done };
        self.apply(control);
        true
    }

    fn apply(&mut self, control: Control) {
        self.said.clear();
        self.fed = false;
        let is_quiet = self.fed_on.quiet_ms >= PAUSE_MS;
        (self.fed_on.turned, self.fed_on.quiet_ms) = (None, 0);
        match control {
            Control::Finish(utterance) => {
                self.utterance = utterance.next();
                if is_quiet {
                    // The rest of the silence is no head of the next utterance.
                    self.fed_on.left_ms = 0;
                }
                match self.stream.finish() {
                    Some(heard) => self.tell_heard(utterance, heard),
                    None => self.asked.finishing = Some(utterance),
                }
            }
            Control::Restart(utterance) => {
                self.stream.reset();
                self.utterance = utterance;
            }
        }
    }

    fn tell_heard(&mut self, utterance: UtteranceId, heard: Heard) {
        self.asked.finishing = None;
        let Heard { text, language, confidence, tags } = heard;
        let transcript = Transcript { utterance, text: text.into(), language, confidence, tags };
        self.tell(EventKind::Transcript(transcript));
    }

    /// The last event of this call.
    pub(super) fn lose(mut self) {
        self.intake.lose();
    }

    fn tell(&mut self, kind: EventKind) {
        (self.intake.sink)(EngineEvent { call: self.intake.call, kind });
    }
}

impl Intake {
    /// Closes the feed and tells the call.
    pub(crate) fn lose(&mut self) {
        self.shared.closed.store(true, std::sync::atomic::Ordering::Release);
        let event = EngineEvent { call: self.call, kind: EventKind::Lost };
        // A sink that panics loses its own event and no one else's.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.sink)(event)));
    }
}
