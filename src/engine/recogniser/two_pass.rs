//! Two recognisers for one caller: a streaming one whose guesses serve barge-in and endpointing, and one of whole utterances whose
//! text counts in the end. The second begins when the caller pauses, on a thread of its own, and is void when he goes on.
//!
//! Queue `second pass`: 64 utterances a worker; when full, or later than [`TwoPassConfig::wait`], the first one's text stands.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::any::{AnyRecogniser, AnyStream};
use super::{Heard, Recogniser, RecogniserError, RecogniserStream};
use crate::audio::frame::WideFrame;
use crate::engine::manifest::Model;
use crate::speech::Bias;

const UTTERANCES: usize = 64;
/// Frames of an utterance that are kept for the second: 30 s.
const FRAMES: usize = 1_500;

/// How long the end of an utterance may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwoPassConfig {
    /// For the second text, from the end of the utterance. The other calls of the worker wait with it, so it is short: the second
    /// one mostly began 450 ms before, at the pause.
    pub wait: Duration,
}

impl Default for TwoPassConfig {
    fn default() -> Self {
        Self { wait: Duration::from_millis(300) }
    }
}

/// Hears a whole utterance.
pub type WholeUtterance = Box<dyn FnMut(&[WideFrame]) -> Heard>;

struct Job {
    frames: Vec<WideFrame>,
    void: Arc<AtomicBool>,
    reply: Sender<Heard>,
}

/// The second recogniser's thread.
pub struct SecondPass {
    jobs: Sender<Job>,
}

impl SecondPass {
    /// Starts the thread, which makes its recogniser itself; returns when it is loaded.
    pub fn start<F>(make: F) -> Result<Self, RecogniserError>
    where
        F: FnOnce() -> Result<WholeUtterance, RecogniserError> + Send + 'static,
    {
        let (jobs, asked) = bounded::<Job>(UTTERANCES);
        let (ready, loaded) = bounded(1);
        let run = move || {
            let mut hear = match make() {
                Ok(hear) => hear,
                Err(error) => return drop(ready.send(Err(error))),
            };
            let _ = ready.send(Ok(()));
            for job in asked {
                if job.void.load(Ordering::Acquire) {
                    continue;
                }
                match catch_unwind(AssertUnwindSafe(|| hear(&job.frames))) {
                    // Nobody waits any more where it comes too late.
                    Ok(heard) => drop(job.reply.try_send(heard)),
                    Err(_) => tracing::error!("the second recogniser panicked; the first one's text stands"),
                }
            }
        };
        std::thread::Builder::new()
            .name("second-pass".to_owned())
            .spawn(run)
            .map_err(|error| RecogniserError::Thread(error.to_string()))?;
        loaded.recv().map_err(|_| RecogniserError::Thread("it ended while loading".to_owned()))??;
        Ok(Self { jobs })
    }

    /// With a model of the manifest.
    pub fn load(model: &Model) -> Result<Self, RecogniserError> {
        let model = model.clone();
        Self::start(move || {
            let recogniser = AnyRecogniser::load(&model)?;
            Ok(Box::new(move |frames: &[WideFrame]| match recogniser.open(&Arc::default()) {
                Ok(mut stream) => {
                    frames.iter().for_each(|frame| stream.accept(frame));
                    stream.finish()
                }
                Err(error) => {
                    tracing::error!(%error, "the second recogniser opens no stream");
                    Heard::nothing()
                }
            }))
        })
    }

    fn ask(&self, frames: &[WideFrame]) -> Option<Asked> {
        let (reply, answer) = bounded(1);
        let void = Arc::new(AtomicBool::new(false));
        let job = Job { frames: frames.to_vec(), void: void.clone(), reply };
        self.jobs.try_send(job).ok().map(|()| Asked { void, answer })
    }
}

struct Asked {
    void: Arc<AtomicBool>,
    answer: Receiver<Heard>,
}

/// Both recognisers.
pub struct TwoPass {
    first: AnyRecogniser,
    second: Rc<SecondPass>,
    config: TwoPassConfig,
}

impl TwoPass {
    /// Of two loaded ones.
    pub fn new(first: AnyRecogniser, second: SecondPass, config: TwoPassConfig) -> Self {
        Self { first, second: Rc::new(second), config }
    }
}

impl Recogniser for TwoPass {
    type Stream = TwoPassStream;

    fn open(&self, bias: &Arc<Bias>) -> Result<TwoPassStream, RecogniserError> {
        let (first, second) = (self.first.open(bias)?, self.second.clone());
        Ok(TwoPassStream { first, last: LastWord { second, wait: self.config.wait, frames: Vec::new(), asked: None } })
    }

    fn decode(&self, streams: &mut [&mut TwoPassStream]) {
        let mut firsts: Vec<&mut AnyStream> = streams.iter_mut().map(|stream| &mut stream.first).collect();
        self.first.decode(&mut firsts);
    }
}

/// One caller.
pub struct TwoPassStream {
    first: AnyStream,
    last: LastWord,
}

/// The second recogniser's part in one caller's utterance.
struct LastWord {
    second: Rc<SecondPass>,
    wait: Duration,
    frames: Vec<WideFrame>,
    asked: Option<Asked>,
}

impl LastWord {
    fn accept(&mut self, frame: &WideFrame) {
        if self.frames.len() >= FRAMES {
            self.frames.remove(0);
        }
        self.frames.push(frame.clone());
    }

    fn pause(&mut self) {
        self.asked = self.second.ask(&self.frames);
    }

    fn resume(&mut self) {
        if let Some(asked) = self.asked.take() {
            asked.void.store(true, Ordering::Release);
        }
    }

    /// The text that counts, `first` being what the streaming one heard.
    fn finish(&mut self, first: Heard) -> Heard {
        if self.frames.is_empty() {
            return first;
        }
        if self.asked.is_none() {
            self.pause();
        }
        self.frames.clear();
        let asked = self.asked.take();
        let second = asked.and_then(|asked| match asked.answer.recv_timeout(self.wait) {
            Ok(heard) => Some(heard),
            Err(_) => {
                asked.void.store(true, Ordering::Release);
                None
            }
        });
        match second {
            // One that hears nothing where the other heard words has missed them; what it says of the voice still counts.
            Some(second) if second.text.is_empty() && !first.text.is_empty() => Heard { tags: second.tags, ..first },
            Some(second) => second,
            None => first,
        }
    }

    fn reset(&mut self) {
        self.resume();
        self.frames.clear();
    }
}

impl RecogniserStream for TwoPassStream {
    fn accept(&mut self, frame: &WideFrame) {
        self.first.accept(frame);
        self.last.accept(frame);
    }

    fn hypothesis(&self) -> &str {
        self.first.hypothesis()
    }

    fn pause(&mut self) {
        self.last.pause();
    }

    fn resume(&mut self) {
        self.last.resume();
    }

    fn finish(&mut self) -> Heard {
        let first = self.first.finish();
        self.last.finish(first)
    }

    fn reset(&mut self) {
        self.first.reset();
        self.last.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::{Emotion, SpeechTags};

    fn said(text: &str) -> Heard {
        Heard { text: text.to_owned(), ..Heard::nothing() }
    }

    /// A second recogniser that says how many frames it heard, and waits for a token before each answer.
    fn counting() -> (LastWord, Sender<()>, Receiver<usize>) {
        let (go, gate) = bounded::<()>(100);
        let (heard, counts) = bounded(100);
        let second = SecondPass::start(move || {
            Ok(Box::new(move |frames: &[WideFrame]| {
                heard.send(frames.len()).unwrap();
                gate.recv().unwrap();
                assert_ne!(frames.len(), 13, "an unlucky utterance");
                let tags = SpeechTags { emotion: Some(Emotion::Sad), event: None };
                let text = if frames.len() == 1 { String::new() } else { format!("{} frames", frames.len()) };
                Heard { tags, ..said(&text) }
            }))
        });
        let wait = Duration::from_secs(20);
        let last = LastWord { second: Rc::new(second.unwrap()), wait, frames: Vec::new(), asked: None };
        (last, go, counts)
    }

    fn hear(last: &mut LastWord, frames: usize) {
        (0..frames).for_each(|_| last.accept(&WideFrame::SILENCE));
    }

    #[test]
    fn what_was_begun_at_the_pause_is_the_text() {
        let (mut last, go, counts) = counting();
        hear(&mut last, 5);
        last.pause();
        assert_eq!(counts.recv().unwrap(), 5, "it works while the pause lasts");
        go.send(()).unwrap();
        hear(&mut last, 3);
        assert_eq!(last.finish(said("first")).text, "5 frames");
        assert!(counts.try_recv().is_err(), "and only once");
        assert_eq!(last.finish(said("nothing new")).text, "nothing new");
    }

    #[test]
    fn what_was_begun_is_void_when_the_caller_goes_on() {
        let (mut last, go, _counts) = counting();
        hear(&mut last, 5);
        last.pause();
        last.resume();
        hear(&mut last, 2);
        (0..2).for_each(|_| go.send(()).unwrap());
        assert_eq!(last.finish(said("first")).text, "7 frames");
    }

    #[test]
    fn the_first_text_stands_where_the_second_is_late_full_or_gone() {
        let (mut last, go, _counts) = counting();
        last.wait = Duration::ZERO;
        hear(&mut last, 5);
        assert_eq!(last.finish(said("late")).text, "late");
        for _ in 0..2 * UTTERANCES {
            hear(&mut last, 2);
            assert_eq!(last.finish(said("full")).text, "full");
        }
        while go.try_send(()).is_ok() {}
        let (mut last, go, _counts) = counting();
        (0..2).for_each(|_| go.send(()).unwrap());
        hear(&mut last, 13);
        assert_eq!(last.finish(said("panicked")).text, "panicked");
        hear(&mut last, 4);
        assert_eq!(last.finish(said("first")).text, "4 frames", "and goes on");
    }

    #[test]
    fn words_are_not_lost_to_a_second_that_hears_none() {
        let (mut last, go, _counts) = counting();
        go.send(()).unwrap();
        hear(&mut last, 1);
        let heard = last.finish(said("first"));
        assert_eq!((heard.text.as_str(), heard.tags.emotion), ("first", Some(Emotion::Sad)));
    }

    #[test]
    fn a_second_that_cannot_load_stops_the_start() {
        let refused = SecondPass::start(|| Err(RecogniserError::Refused("x".to_owned())));
        assert!(matches!(refused.err(), Some(RecogniserError::Refused(_))));
    }
}
