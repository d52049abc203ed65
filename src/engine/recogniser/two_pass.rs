//! Two recognisers for one caller: a streaming one whose guesses serve barge-in and endpointing, and one of whole utterances whose
//! text counts in the end. The second begins when the caller pauses, on a thread of its own, and what it began is void when he goes
//! on. The end of an utterance waits for it without holding up anybody else's: [`RecogniserStream::finished`] is asked until it comes or
//! its time is over. Without the first, it is an engine of whole utterances alone: there are no guesses.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::any::{AnyRecogniser, AnyStream};
use super::second_pass::{Answer, Asked, SecondPass, count};
use super::whole::Recording;
use super::{Heard, Recogniser, RecogniserError, RecogniserStream};
use crate::audio::frame::WideFrame;
use crate::speech::Bias;

/// An engine of whole utterances alone is waited for at least so long: there is no other text.
const ALONE: Duration = Duration::from_secs(2);

/// Both recognisers.
pub struct TwoPass {
    first: Option<AnyRecogniser>,
    second: Arc<SecondPass>,
    wait: Duration,
}

impl TwoPass {
    /// Guesses by `first`, texts by `second`, unless it takes longer than `wait`.
    pub fn new(first: AnyRecogniser, second: Arc<SecondPass>, wait: Duration) -> Self {
        Self { first: Some(first), second, wait }
    }

    /// Texts only.
    pub fn alone(second: Arc<SecondPass>, wait: Duration) -> Self {
        Self { first: None, second, wait: wait.max(ALONE) }
    }
}

impl Recogniser for TwoPass {
    type Stream = TwoPassStream;

    fn open(&self, bias: &Arc<Bias>) -> Result<TwoPassStream, RecogniserError> {
        let first = self.first.as_ref().map(|first| first.open(bias)).transpose()?;
        Ok(TwoPassStream { first, last: LastWord::new(self.second.clone(), self.wait, bias.clone()) })
    }

    fn decode(&self, streams: &mut [&mut TwoPassStream]) {
        if let Some(first) = &self.first {
            let mut firsts: Vec<&mut AnyStream> = streams.iter_mut().filter_map(|s| s.first.as_mut()).collect();
            first.decode(&mut firsts);
        }
    }
}

/// One caller.
pub struct TwoPassStream {
    first: Option<AnyStream>,
    last: LastWord,
}

/// The second recogniser's part in one caller's utterances.
struct LastWord {
    second: Arc<SecondPass>,
    wait: Duration,
    bias: Arc<Bias>,
    recording: Recording,
    /// Begun at the pause that still lasts.
    begun: Option<Asked>,
    /// The utterance before the one in hand, whose text is not there yet.
    ending: Option<Ending>,
}

struct Ending {
    first: Heard,
    asked: Asked,
    until: Instant,
}

impl LastWord {
    fn new(second: Arc<SecondPass>, wait: Duration, bias: Arc<Bias>) -> Self {
        Self { second, wait, bias, recording: Recording::default(), begun: None, ending: None }
    }

    fn pause(&mut self) {
        self.recording.pause();
        self.begun = self.ask();
    }

    fn resume(&mut self) {
        self.recording.resume();
        self.begun = None;
    }

    fn ask(&self) -> Option<Asked> {
        self.second.ask(self.recording.speech()?, &self.bias, self.wait)
    }

    /// Ends the utterance, of which the streaming recogniser heard `first`.
    fn finish(&mut self, first: Heard) -> Option<Heard> {
        let asked = self.begun.take().or_else(|| self.ask());
        self.recording.clear();
        let Some(asked) = asked else { return Some(first) };
        self.ending = Some(Ending { first, asked, until: Instant::now() + self.wait });
        self.finished()
    }

    fn finished(&mut self) -> Option<Heard> {
        let Ending { first, asked, until } = self.ending.take()?;
        match asked.answer() {
            Answer::Heard(second) => Some(self.merge(first, second)),
            Answer::Waiting if Instant::now() < until => {
                self.ending = Some(Ending { first, asked, until });
                None
            }
            Answer::Waiting => {
                if count(&self.second.counts().late).is_power_of_two() {
                    let wait = self.wait.as_millis();
                    tracing::warn!("the second recogniser needs more than {wait} ms: the first one's text stands");
                }
                Some(first)
            }
            Answer::Failed => Some(first),
        }
    }

    /// The second's word counts. One that hears nothing where the other heard words has missed them; what it says of the voice
    /// still counts.
    fn merge(&self, first: Heard, second: Heard) -> Heard {
        if second.text.is_empty() && !first.text.is_empty() {
            count(&self.second.counts().wordless);
            tracing::debug!("the second recogniser heard no words where the first did: the first one's text stands");
            return Heard { tags: second.tags, language: second.language.or(first.language), ..first };
        }
        Heard { language: second.language.or(first.language), ..second }
    }

    fn reset(&mut self) {
        self.begun = None;
        self.recording.clear();
    }
}

impl RecogniserStream for TwoPassStream {
    fn accept(&mut self, frame: &WideFrame) {
        if let Some(first) = &mut self.first {
            first.accept(frame);
        }
        self.last.recording.push(frame);
    }

    fn hypothesis(&self) -> &str {
        self.first.as_ref().map_or("", |first| first.hypothesis())
    }

    fn pause(&mut self) {
        self.last.pause();
    }

    fn resume(&mut self) {
        self.last.resume();
    }

    fn finish(&mut self) -> Option<Heard> {
        // Streaming engines answer at once.
        let first = self.first.as_mut().and_then(RecogniserStream::finish);
        self.last.finish(first.unwrap_or_else(Heard::nothing))
    }

    fn finished(&mut self) -> Option<Heard> {
        self.last.finished()
    }

    fn reset(&mut self) {
        if let Some(first) = &mut self.first {
            first.reset();
        }
        self.last.reset();
    }
}

#[cfg(test)]
mod tests;
