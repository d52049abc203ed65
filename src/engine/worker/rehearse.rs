//! The way of a call through a worker, on this thread and as fast as it goes: for trials, error rates and benches. What is
//! heard is what a call would have heard, gate, pre-roll and all.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

use super::hearing::Hearing;
use super::{Control, EventKind, Feeding, Intake, QUEUE_FRAMES, Shared};
use crate::audio::frame::WideFrame;
use crate::engine::recogniser::{Recogniser, RecogniserError};
use crate::engine::vad::Vad;
use crate::ids::{CallId, UtteranceId};
use crate::speech::Bias;

/// How long it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Time of a processor for all of it, whatever else the machine did.
    pub processor: Duration,
    /// From the request for the transcript to the transcript, by the clock.
    pub finish: Duration,
}

/// Hears the frames as one utterance. Each event is told with the audio time at which it came, ms.
pub fn rehearse<R: Recogniser, V: Vad>(
    engines: &mut (R, V),
    feeding: Feeding,
    frames: &[WideFrame],
    told: &mut dyn FnMut(u64, EventKind),
) -> Result<Spent, RecogniserError> {
    let bias = Arc::new(Bias::default());
    let (sender, taken) = bounded(QUEUE_FRAMES);
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
    let mut hearing = Hearing::<R, V>::new(intake, engines.0.open(&bias)?, engines.1.open(), feeding);
    let mut spent = Spent::default();
    let begun = processor_time();
    for (number, frame) in frames.iter().enumerate() {
        // The queue is empty before each frame.
        let _ = sender.try_send((number as u64, frame.clone()));
        round(engines, &mut hearing)?;
        events.try_iter().for_each(|kind| told((number as u64 + 1) * 20, kind));
    }
    let _ = controls.try_send((frames.len() as u64, Control::Finish(UtteranceId::default())));
    let began = Instant::now();
    round(engines, &mut hearing)?;
    spent.finish = began.elapsed();
    spent.processor = processor_time().saturating_sub(begun);
    events.try_iter().for_each(|kind| told(frames.len() as u64 * 20, kind));
    Ok(spent)
}

/// What this thread has used of a processor.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn round<R: Recogniser, V: Vad>(engines: &mut (R, V), hearing: &mut Hearing<R, V>) -> Result<(), RecogniserError> {
    hearing.absorb(&mut engines.1)?;
    if hearing.fed {
        engines.0.decode(&mut [hearing.stream()]);
    }
    hearing.answer();
    Ok(())
}
