//! The way of a call through a worker, on this thread and as fast as it goes: for trials, error rates and benches. What is
//! heard is what a call would have heard, gate, pre-roll and all.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::hearing::Hearing;
use super::{Control, EventKind, Feeding, Intake, QUEUE_FRAMES, Shared};
use crate::audio::frame::WideFrame;
use crate::engine::recogniser::{Recogniser, RecogniserError};
use crate::engine::vad::Vad;
use crate::ids::{CallId, UtteranceId};
use crate::speech::Bias;

const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// How long it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Time of a processor for all of it, whatever else the machine did.
    pub processor: Duration,
    /// From the last request for a transcript to the transcript, by the clock.
    pub finish: Duration,
    /// The same in time of a processor.
    pub finish_processor: Duration,
}

/// Hears the frames as one utterance. Each event is told with the audio time at which it came, ms.
pub fn rehearse<R: Recogniser, V: Vad>(
    engines: &mut (R, V),
    feeding: Feeding,
    frames: &[WideFrame],
    told: &mut dyn FnMut(u64, EventKind),
) -> Result<Spent, RecogniserError> {
    let mut rehearsal = Rehearsal::new(engines, feeding)?;
    for (number, frame) in frames.iter().enumerate() {
        rehearsal.push(frame, &mut |kind| told((number as u64 + 1) * 20, kind))?;
    }
    rehearsal.finish(UtteranceId::default(), &mut |kind| told(frames.len() as u64 * 20, kind))?;
    Ok(rehearsal.spent())
}

/// One call that is rehearsed frame by frame, by whoever decides when its utterances end.
pub struct Rehearsal<'e, R: Recogniser, V: Vad> {
    engines: &'e mut (R, V),
    hearing: Hearing<R, V>,
    frames: Sender<(u64, WideFrame)>,
    controls: Sender<(u64, Control)>,
    events: Receiver<EventKind>,
    pushed: u64,
    spent: Spent,
}

impl<'e, R: Recogniser, V: Vad> Rehearsal<'e, R, V> {
    /// Nothing heard yet.
    pub fn new(engines: &'e mut (R, V), feeding: Feeding) -> Result<Self, RecogniserError> {
        let bias = Arc::new(Bias::default());
        let (frames, taken) = bounded(QUEUE_FRAMES);
        let (controls, asked) = bounded(1);
        let (event, events) = bounded(4 * QUEUE_FRAMES);
        let intake = Intake {
            call: CallId(ulid::Ulid(0)),
            bias: bias.clone(),
            frames: taken,
            controls: asked,
            shared: Arc::new(Shared { closed: AtomicBool::new(false) }),
            // More events than fit are not to be had from one frame.
            sink: Box::new(move |told| drop(event.try_send(told.kind))),
        };
        let hearing = Hearing::new(intake, engines.0.open(&bias)?, engines.1.open(), feeding);
        Ok(Self { engines, hearing, frames, controls, events, pushed: 0, spent: Spent::default() })
    }

    /// Hears 20 ms.
    pub fn push(&mut self, frame: &WideFrame, told: &mut dyn FnMut(EventKind)) -> Result<(), RecogniserError> {
        // The queue is empty before each frame.
        let _ = self.frames.try_send((self.pushed, frame.clone()));
        self.pushed += 1;
        let begun = processor_time();
        self.round(told)?;
        self.spent.processor += processor_time().saturating_sub(begun);
        Ok(())
    }

    /// Ends an utterance here; its transcript is told.
    pub fn finish(&mut self, utterance: UtteranceId, told: &mut dyn FnMut(EventKind)) -> Result<(), RecogniserError> {
        let (began, before) = (Instant::now(), self.spent.processor);
        self.ask(Control::Finish(utterance), told)?;
        self.spent.finish = began.elapsed();
        self.spent.finish_processor = self.spent.processor.saturating_sub(before);
        Ok(())
    }

    /// Forgets what was heard; the next utterance is this.
    pub fn restart(&mut self, utterance: UtteranceId, told: &mut dyn FnMut(EventKind)) -> Result<(), RecogniserError> {
        self.ask(Control::Restart(utterance), told)
    }

    /// How long it took so far.
    pub fn spent(&self) -> Spent {
        self.spent
    }

    fn ask(&mut self, control: Control, told: &mut dyn FnMut(EventKind)) -> Result<(), RecogniserError> {
        // Each control is done with before the next.
        let _ = self.controls.try_send((self.pushed, control));
        let begun = processor_time();
        self.round(told)?;
        while self.hearing.is_asked() {
            // A second recogniser is at it.
            std::thread::sleep(LOOK_AGAIN);
            self.round(told)?;
        }
        self.spent.processor += processor_time().saturating_sub(begun);
        Ok(())
    }

    fn round(&mut self, told: &mut dyn FnMut(EventKind)) -> Result<(), RecogniserError> {
        self.hearing.absorb(&mut self.engines.1)?;
        if std::mem::take(&mut self.hearing.fed) {
            self.engines.0.decode(&mut [self.hearing.stream()]);
        }
        self.hearing.answer();
        self.events.try_iter().for_each(told);
        Ok(())
    }
}

/// What this process has used of a processor: also the threads of a second recogniser.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
