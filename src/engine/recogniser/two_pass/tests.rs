//! The second recogniser's part, with one that counts frames and waits for a token before each answer. No clock: what is late
//! is late because it may wait for nothing.

use std::sync::atomic::Ordering;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::super::second_pass::UTTERANCES;
use super::super::whole::{Utterance, WholeUtterances};
use super::*;
use crate::speech::{Emotion, Language, SpeechTags};

/// It panics at an utterance of so many frames.
const UNLUCKY: usize = 13;
/// And hears no word in one of so many.
const WORDLESS: usize = 6;

struct Counting {
    heard: Sender<Vec<usize>>,
    gate: Receiver<()>,
}

impl WholeUtterances for Counting {
    fn hear(&mut self, utterances: &[Utterance]) -> Vec<Heard> {
        let frames: Vec<usize> = utterances.iter().map(|utterance| utterance.samples.len() / 320).collect();
        self.heard.send(frames.clone()).unwrap();
        self.gate.recv().unwrap();
        assert!(!frames.contains(&UNLUCKY), "an unlucky utterance");
        let tags = SpeechTags { emotion: Some(Emotion::Sad), event: None };
        let text = |frames| if frames == WORDLESS { String::new() } else { format!("{frames} frames") };
        frames.into_iter().map(|frames| Heard { tags, ..said(&text(frames)) }).collect()
    }
}

fn said(text: &str) -> Heard {
    Heard { text: text.to_owned(), ..Heard::nothing() }
}

struct Trial {
    last: LastWord,
    go: Sender<()>,
    heard: Receiver<Vec<usize>>,
}

/// As long as nothing comes, the end of an utterance waits; `late` waits for nothing.
fn trial(late: bool) -> Trial {
    let (go, gate) = bounded::<()>(1_000);
    let (counts, heard) = bounded(1_000);
    let make = move || Ok(Counting { heard: counts.clone(), gate: gate.clone() });
    let second = Arc::new(SecondPass::start(1, Arc::default(), make).unwrap());
    let wait = if late { Duration::ZERO } else { Duration::from_secs(3_600) };
    Trial { last: LastWord::new(second, wait, Arc::default()), go, heard }
}

impl Trial {
    fn hear(&mut self, frames: usize) {
        (0..frames).for_each(|_| self.last.recording.push(&WideFrame::SILENCE));
    }

    /// The text of the utterance that ends here, asked for until it is there.
    fn end(&mut self, first: &str) -> Heard {
        let mut heard = self.last.finish(said(first));
        while heard.is_none() {
            std::thread::yield_now();
            heard = self.last.finished();
        }
        heard.unwrap()
    }

    fn counted(
        &self,
        of: impl Fn(&super::super::second_pass::SecondPassCounts) -> &std::sync::atomic::AtomicU64,
    ) -> u64 {
        of(self.last.second.counts()).load(Ordering::SeqCst)
    }
}

#[test]
fn what_was_begun_at_the_pause_is_the_text() {
    let mut trial = trial(false);
    trial.hear(5);
    trial.last.pause();
    assert_eq!(trial.heard.recv().unwrap(), [5], "it works while the pause lasts");
    trial.hear(3);
    trial.go.send(()).unwrap();
    assert_eq!(trial.end("first").text, "5 frames", "the silence after it is not in it");
    assert!(trial.heard.try_recv().is_err(), "and only once");
    assert_eq!(trial.end("nothing new").text, "nothing new");
}

#[test]
fn what_was_begun_is_void_when_the_caller_goes_on() {
    let mut trial = trial(false);
    trial.hear(5);
    trial.last.pause();
    assert_eq!(trial.heard.recv().unwrap(), [5]);
    trial.last.resume();
    trial.hear(2);
    trial.last.pause();
    // Begun and void before its turn came.
    trial.last.resume();
    trial.hear(1);
    (0..2).for_each(|_| trial.go.send(()).unwrap());
    assert_eq!(trial.end("first").text, "8 frames");
    assert_eq!(trial.heard.recv().unwrap(), [8]);
    assert_eq!(trial.counted(|counts| &counts.void), 1);
}

#[test]
fn the_end_of_an_utterance_waits_while_the_next_one_is_heard() {
    let mut trial = trial(false);
    trial.hear(7);
    assert_eq!(trial.last.finish(said("first")), None);
    trial.hear(9);
    trial.last.pause();
    trial.last.reset();
    trial.hear(5);
    assert_eq!(trial.last.finished(), None, "not there yet");
    (0..2).for_each(|_| trial.go.send(()).unwrap());
    let mut heard = None;
    while heard.is_none() {
        std::thread::yield_now();
        heard = trial.last.finished();
    }
    assert_eq!(heard.unwrap().text, "7 frames", "a reset is of the utterance in hand");
    assert_eq!(trial.last.finished(), None, "once");
    assert_eq!(trial.end("next").text, "5 frames");
}

#[test]
fn the_first_text_stands_where_the_second_is_late() {
    let mut trial = trial(true);
    trial.hear(5);
    trial.last.pause();
    assert_eq!(trial.last.finish(said("in time")), Some(said("in time")));
    assert_eq!(trial.counted(|counts| &counts.late), 1);
}

#[test]
fn the_first_text_stands_where_the_queue_is_full() {
    let mut trial = trial(true);
    trial.hear(5);
    trial.last.pause();
    assert_eq!(trial.heard.recv().unwrap(), [5], "the thread is busy");
    // Nobody takes what follows.
    let kept: Vec<_> = (0..UTTERANCES).map(|_| trial.last.ask().unwrap()).collect();
    assert!(trial.last.ask().is_none());
    trial.last.begun = None;
    assert_eq!(trial.last.finish(said("full")).unwrap().text, "full");
    assert_eq!(trial.counted(|counts| &counts.refused), 2);
    drop(kept);
}

#[test]
fn the_first_text_stands_where_the_second_panics_and_it_begins_anew() {
    let mut trial = trial(false);
    (0..2).for_each(|_| trial.go.send(()).unwrap());
    trial.hear(UNLUCKY);
    assert_eq!(trial.end("panicked").text, "panicked");
    trial.hear(8);
    assert_eq!(trial.end("first").text, "8 frames");
    assert_eq!((trial.counted(|counts| &counts.failed), trial.counted(|counts| &counts.heard)), (1, 1));
}

#[test]
fn words_are_not_lost_to_a_second_that_hears_none() {
    let mut trial = trial(false);
    trial.go.send(()).unwrap();
    trial.hear(WORDLESS);
    let first = Heard { language: Some(Language::English), confidence: 0.4, ..said("first") };
    assert_eq!(trial.last.finish(first.clone()), None);
    let mut heard = None;
    while heard.is_none() {
        std::thread::yield_now();
        heard = trial.last.finished();
    }
    let tags = SpeechTags { emotion: Some(Emotion::Sad), event: None };
    assert_eq!(heard.unwrap(), Heard { tags, ..first });
    assert_eq!(trial.counted(|counts| &counts.wordless), 1);
}

#[test]
fn utterances_that_wait_are_heard_one_by_one() {
    let mut trial = trial(false);
    trial.hear(5);
    let first = trial.last.ask().unwrap();
    assert_eq!(trial.heard.recv().unwrap(), [5]);
    trial.hear(2);
    let second = trial.last.ask().unwrap();
    drop(trial.last.ask());
    trial.hear(1);
    let third = trial.last.ask().unwrap();
    (0..3).for_each(|_| trial.go.send(()).unwrap());
    assert_eq!(trial.heard.recv().unwrap(), [7]);
    assert_eq!(trial.heard.recv().unwrap(), [8], "without the one that nobody wants");
    drop((first, second, third));
}

/// One takes more than half of what is waited: a second one would come too late.
#[test]
fn what_would_come_too_late_is_refused_at_once_and_not_waited_for() {
    let mut trial = trial(false);
    trial.last.second.assume(trial.last.wait / 2 + Duration::from_secs(1));
    trial.hear(5);
    trial.last.pause();
    assert_eq!(trial.heard.recv().unwrap(), [5], "nothing is before it");
    assert!(trial.last.ask().is_none(), "one is in hand");
    assert_eq!(trial.counted(|counts| &counts.refused), 1);
    // Another caller, at the end of his utterance: no wait at all.
    let (second, wait) = (trial.last.second.clone(), trial.last.wait);
    let mut other = LastWord::new(second, wait, Arc::default());
    (0..9).for_each(|_| other.recording.push(&WideFrame::SILENCE));
    assert_eq!(other.finish(said("first")), Some(said("first")));
    trial.go.send(()).unwrap();
    assert_eq!(trial.end("first").text, "5 frames");
    trial.last.second.assume(Duration::ZERO);
    trial.hear(8);
    trial.go.send(()).unwrap();
    assert_eq!(trial.end("first").text, "8 frames", "there is room again");
}

#[test]
fn what_nobody_waits_for_keeps_nobody_out() {
    let mut trial = trial(false);
    trial.last.second.assume(trial.last.wait / 3);
    trial.hear(5);
    let in_hand = trial.last.ask().unwrap();
    assert_eq!(trial.heard.recv().unwrap(), [5]);
    let waiting = trial.last.ask().unwrap();
    assert!(trial.last.ask().is_some(), "three in all");
    let third = trial.last.ask().unwrap();
    assert!(trial.last.ask().is_none(), "a fourth is too many");
    drop(waiting);
    assert!(trial.last.ask().is_some());
    drop((in_hand, third));
}

#[test]
fn a_second_that_cannot_load_stops_the_start() {
    let refused = SecondPass::start(2, Arc::default(), || Err::<Counting, _>(RecogniserError::Refused("x".to_owned())));
    assert!(matches!(refused.err(), Some(RecogniserError::Refused(_))));
}
