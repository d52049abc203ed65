//! Worker threads with engines that count and detectors that go by loudness.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;
use crate::engine::recogniser::{Heard, RecogniserStream};
use crate::engine::vad::VadError;
use crate::speech::{Bias, SpeechTags};

/// Frames of a test carry one number: 0 is silence, 666 makes the recogniser panic.
const PANIC: i16 = 666;

/// The text of an utterance with this frame is there once `late` is free.
const SLOW: i16 = 555;

/// While the worker is at this frame, the call goes on.
const MEANWHILE: i16 = 444;

struct Counting {
    gate: Arc<std::sync::Mutex<()>>,
    late: Arc<std::sync::Mutex<()>>,
}

struct CountingStream {
    frames: Vec<i16>,
    text: String,
    pauses: (u8, u8),
    slow: Option<Heard>,
    late: Arc<std::sync::Mutex<()>>,
}

impl Recogniser for Counting {
    type Stream = CountingStream;

    fn open(&self, _bias: &Arc<Bias>) -> Result<CountingStream, RecogniserError> {
        let (late, slow) = (self.late.clone(), None);
        Ok(CountingStream { frames: Vec::new(), text: String::new(), pauses: (0, 0), slow, late })
    }

    fn decode(&self, streams: &mut [&mut CountingStream]) {
        drop(self.gate.lock().unwrap());
        for stream in streams {
            assert!(!stream.frames.contains(&PANIC), "asked to panic");
            stream.text = format!("{:?}", stream.frames);
        }
    }
}

impl RecogniserStream for CountingStream {
    fn accept(&mut self, frame: &WideFrame) {
        self.frames.push(frame.0[0]);
    }
    fn hypothesis(&self) -> &str {
        &self.text
    }
    fn pause(&mut self) {
        self.pauses.0 += 1;
    }
    fn resume(&mut self) {
        self.pauses.1 += 1;
    }
    fn finish(&mut self) -> Option<Heard> {
        let mut text = format!("{:?}", self.frames);
        if let (paused @ 1.., resumed) = self.pauses {
            text = format!("paused {paused}, resumed {resumed}");
        }
        let is_slow = self.frames.contains(&SLOW);
        self.reset();
        let heard = Heard { text, language: None, confidence: 0.5, tags: SpeechTags::default() };
        if is_slow {
            self.slow = Some(heard);
            return None;
        }
        Some(heard)
    }
    fn finished(&mut self) -> Option<Heard> {
        self.late.try_lock().ok().and_then(|_| self.slow.take())
    }
    fn reset(&mut self) {
        self.frames.clear();
        self.text.clear();
        self.pauses = (0, 0);
    }
}

/// What happens while the worker is at the frame [`MEANWHILE`].
type Meanwhile = Arc<std::sync::Mutex<Option<Box<dyn FnOnce() + Send>>>>;

struct LoudIsVoice {
    meanwhile: Meanwhile,
}

impl Vad for LoudIsVoice {
    type Stream = ();
    fn open(&self) {}
    fn detect(&mut self, (): &mut (), frame: &WideFrame, out: &mut Vec<VoiceActivity>) -> Result<(), VadError> {
        if frame.0[0] == MEANWHILE {
            let act = self.meanwhile.lock().unwrap().take().expect("something to happen");
            act();
        }
        let probability = if frame.0[0] == 0 { 0.0 } else { 1.0 };
        out.push(VoiceActivity { probability, duration_ms: 20 });
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Factory {
    made: Arc<AtomicUsize>,
    gate: Arc<std::sync::Mutex<()>>,
    late: Arc<std::sync::Mutex<()>>,
    meanwhile: Meanwhile,
}

impl EngineFactory for Factory {
    type Recogniser = Counting;
    type Vad = LoudIsVoice;
    fn make(&self) -> Result<(Counting, LoudIsVoice), RecogniserError> {
        self.made.fetch_add(1, Ordering::SeqCst);
        Ok((
            Counting { gate: self.gate.clone(), late: self.late.clone() },
            LoudIsVoice { meanwhile: self.meanwhile.clone() },
        ))
    }
}

fn config(feeding: Feeding) -> PoolConfig {
    PoolConfig { tick: Duration::from_millis(1), feeding, ..PoolConfig::default() }
}

fn frame(value: i16) -> WideFrame {
    let mut frame = WideFrame::SILENCE;
    frame.0[0] = value;
    frame
}

fn open(pool: &RecogniserPool, call: u128) -> (AudioFeed, Receiver<EventKind>) {
    let (sender, receiver) = bounded(1000);
    let call = CallId(ulid::Ulid(call));
    let sink = move |event: EngineEvent| {
        assert_eq!(event.call, call);
        sender.send(event.kind).unwrap();
    };
    (pool.open(call, Arc::default(), Box::new(sink)).unwrap(), receiver)
}

/// Everything up to the first event that `is_last` takes.
fn until(events: &Receiver<EventKind>, is_last: impl Fn(&EventKind) -> bool) -> Vec<EventKind> {
    let mut all = Vec::new();
    loop {
        all.push(events.recv_timeout(Duration::from_secs(10)).expect("an event in time"));
        if is_last(&all[all.len() - 1]) {
            return all;
        }
    }
}

fn transcript(events: &Receiver<EventKind>) -> (u32, String) {
    let all = until(events, |kind| matches!(kind, EventKind::Transcript(_)));
    match all.last() {
        Some(EventKind::Transcript(t)) => (t.utterance.0, t.text.reveal().clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_transcript_holds_the_frames_before_its_finish_and_no_others() {
    let pool = RecogniserPool::start(config(Feeding::Always), Factory::default()).unwrap();
    let (mut feed, events) = open(&pool, 1);
    for value in [1, 2, 3] {
        assert_eq!(feed.push(&frame(value)), Pushed::Queued);
    }
    assert!(feed.finish(UtteranceId(0)));
    feed.push(&frame(4));
    assert!(feed.finish(UtteranceId(1)));
    assert!(feed.finish(UtteranceId(2)));
    feed.push(&frame(5));
    assert!(feed.restart(UtteranceId(7)));
    feed.push(&frame(6));
    assert!(feed.finish(UtteranceId(7)));
    let heard: Vec<_> = (0..4).map(|_| transcript(&events)).collect();
    let want = [(0, "[1, 2, 3]"), (1, "[4]"), (2, "[]"), (7, "[6]")];
    assert_eq!(heard, want.map(|(id, text)| (id, text.to_owned())));
}

#[test]
fn a_request_made_while_the_worker_is_at_a_frame_comes_before_the_next_frame() {
    let factory = Factory::default();
    let pool = RecogniserPool::start(config(Feeding::Always), factory.clone()).unwrap();
    let (mut feed, events) = open(&pool, 1);
    let (sender, kept) = bounded(1);
    let (hand_over, received) = bounded::<AudioFeed>(1);
    let act = move || {
        let mut feed = received.recv().unwrap();
        assert!(feed.finish(UtteranceId(0)));
        feed.push(&frame(2));
        sender.send(feed).unwrap();
    };
    *factory.meanwhile.lock().unwrap() = Some(Box::new(act));
    feed.push(&frame(MEANWHILE));
    hand_over.send(feed).unwrap();
    assert_eq!(transcript(&events), (0, format!("[{MEANWHILE}]")));
    drop(kept.recv());
}

#[test]
fn the_recogniser_hears_speech_with_what_came_just_before() {
    let feeding = Feeding::Speech { pre_roll_ms: 40, tail_ms: 60 };
    let pool = RecogniserPool::start(config(feeding), Factory::default()).unwrap();
    let (mut feed, events) = open(&pool, 1);
    for value in [0, 0, 0, 0, 0, 8, 8, 0, 0, 0, 0, 0, 0, 0, 9] {
        feed.push(&frame(value));
    }
    feed.finish(UtteranceId(0));
    let all = until(&events, |kind| matches!(kind, EventKind::Transcript(_)));
    let voices = all.iter().filter(|kind| matches!(kind, EventKind::Voice(_))).count();
    assert_eq!(voices, 15, "voice activity is told for every frame");
    let Some(EventKind::Transcript(heard)) = all.last() else { panic!() };
    assert_eq!(heard.text.reveal(), "[0, 0, 8, 8, 0, 0, 0, 0, 9]");
    assert_eq!(heard.confidence, 0.5);
}

#[test]
fn a_click_that_began_no_turn_is_not_in_the_next_utterance() {
    let feeding = Feeding::Speech { pre_roll_ms: 40, tail_ms: 60 };
    let pool = RecogniserPool::start(config(feeding), Factory::default()).unwrap();
    let (mut feed, events) = open(&pool, 1);
    for value in [0, 0, 0, 8, 0, 0, 0, 0, 9, 9] {
        feed.push(&frame(value));
    }
    feed.finish(UtteranceId(0));
    assert_eq!(transcript(&events), (0, "[0, 0, 9, 9]".to_owned()));
}

#[test]
fn a_recogniser_is_told_of_pauses_within_an_utterance() {
    let feeding = Feeding::Speech { pre_roll_ms: 40, tail_ms: 600 };
    let pool = RecogniserPool::start(config(feeding), Factory::default()).unwrap();
    let (mut feed, events) = open(&pool, 1);
    // Two voiced stretches make a turn; 180 ms are no pause, 200 ms are one.
    for (value, count) in [(0, 15), (8, 3), (0, 9), (8, 1), (0, 10), (8, 1), (0, 12)] {
        for _ in 0..count {
            feed.push(&frame(value));
        }
        until(&events, |kind| matches!(kind, EventKind::Voice(_)));
    }
    feed.finish(UtteranceId(0));
    assert_eq!(transcript(&events), (0, "paused 2, resumed 1".to_owned()));
    for value in [0, 0, 0, 8, 8, 0] {
        feed.push(&frame(value));
    }
    feed.finish(UtteranceId(1));
    assert!(transcript(&events).1.starts_with('['), "nothing of it in the next utterance");
}

#[test]
fn a_text_that_is_late_holds_up_its_own_call_only() {
    let factory = Factory::default();
    let pool = RecogniserPool::start(config(Feeding::Always), factory.clone()).unwrap();
    let (mut slow, events) = open(&pool, 1);
    let (mut other, others) = open(&pool, 2);
    let held = factory.late.lock().unwrap();
    slow.push(&frame(SLOW));
    slow.finish(UtteranceId(0));
    slow.push(&frame(2));
    slow.restart(UtteranceId(5));
    slow.push(&frame(3));
    slow.finish(UtteranceId(5));
    other.push(&frame(4));
    other.finish(UtteranceId(0));
    assert_eq!(transcript(&others), (0, "[4]".to_owned()), "the worker goes on");
    let before = until(&events, |kind| matches!(kind, EventKind::Voice(_)));
    until(&events, |kind| matches!(kind, EventKind::Voice(_)));
    assert!(!before.iter().any(|kind| matches!(kind, EventKind::Transcript(_))));
    drop(held);
    let after = until(&events, |kind| matches!(kind, EventKind::Transcript(_)));
    let early = |kind: &EventKind| matches!(kind, EventKind::Hypothesis(guess) if guess.utterance != UtteranceId(0));
    assert!(!after.iter().any(early), "no guess of the next utterance before this one's text: {after:?}");
    let Some(EventKind::Transcript(late)) = after.last() else { panic!() };
    assert_eq!((late.utterance, late.text.reveal().as_str()), (UtteranceId(0), "[555]"));
    assert_eq!(transcript(&events), (5, "[3]".to_owned()), "and in order");
}

#[test]
fn a_late_worker_costs_the_oldest_frames_and_says_so() {
    let factory = Factory::default();
    let pool = RecogniserPool::start(config(Feeding::Always), factory.clone()).unwrap();
    let (mut feed, events) = open(&pool, 1);
    let held = factory.gate.lock().unwrap();
    feed.push(&frame(1));
    // The worker has taken the first frame in, and now waits in decode.
    until(&events, |kind| matches!(kind, EventKind::Voice(_)));
    let pushed: Vec<Pushed> = (0..150).map(|_| feed.push(&frame(2))).collect();
    assert!(pushed[..50].iter().all(|p| *p == Pushed::Queued));
    assert!(pushed[50..99].iter().all(|p| *p == Pushed::DroppedOldest));
    assert!(pushed[99..].iter().all(|p| *p == Pushed::Stalled), "a second without a frame taken");
    assert_eq!(feed.dropped(), 100);
    let refused = pool.open(CallId(ulid::Ulid(2)), Arc::default(), Box::new(|_| {}));
    assert!(matches!(refused.err(), Some(RecogniserError::Overloaded)), "calls in progress come first");
    assert_eq!(pool.counts().calls_shed.load(Ordering::SeqCst), 1);
    drop(held);
    let all = until(&events, |kind| matches!(kind, EventKind::Overloaded { .. }));
    assert_eq!(all.last(), Some(&EventKind::Overloaded { frames: 100 }));
    feed.finish(UtteranceId(0));
    assert_eq!(transcript(&events).1.matches('2').count(), 50);
    assert_eq!(pool.counts().frames_dropped.load(Ordering::SeqCst), 100);
}

#[test]
fn a_panic_loses_its_calls_and_the_worker_takes_new_ones() {
    let factory = Factory::default();
    let pool = RecogniserPool::start(config(Feeding::Always), factory.clone()).unwrap();
    let (mut victim, heard) = open(&pool, 1);
    let (mut bystander, also) = open(&pool, 2);
    victim.push(&frame(PANIC));
    until(&heard, |kind| *kind == EventKind::Lost);
    until(&also, |kind| *kind == EventKind::Lost);
    assert_eq!(victim.push(&frame(1)), Pushed::Closed);
    assert!(!bystander.finish(UtteranceId(0)));
    let (mut next, events) = open(&pool, 3);
    next.push(&frame(5));
    next.finish(UtteranceId(0));
    assert_eq!(transcript(&events).1, "[5]");
    assert_eq!(factory.made.load(Ordering::SeqCst), 2);
    assert_eq!(pool.counts().worker_panics.load(Ordering::SeqCst), 1);
    assert_eq!((pool.streams(), pool.is_alive()), (1, true));
}

#[test]
fn calls_spread_over_workers_up_to_the_limit() {
    let config = PoolConfig { workers: 2, streams_per_worker: 1, ..config(Feeding::Always) };
    let factory = Factory::default();
    let pool = RecogniserPool::start(config, factory.clone()).unwrap();
    let (mut first, events) = open(&pool, 1);
    let (_second, _) = open(&pool, 2);
    let refused = pool.open(CallId(ulid::Ulid(3)), Arc::default(), Box::new(|_| {}));
    assert!(matches!(refused.err(), Some(RecogniserError::Full { streams: 2, limit: 1 })));
    assert_eq!(factory.made.load(Ordering::SeqCst), 2);
    first.push(&frame(1));
    pool.shut_down();
    until(&events, |kind| *kind == EventKind::Lost);
    assert_eq!(first.push(&frame(1)), Pushed::Closed);
}

#[test]
fn a_dropped_feed_frees_its_stream() {
    let pool = RecogniserPool::start(config(Feeding::Always), Factory::default()).unwrap();
    let (mut feed, events) = open(&pool, 1);
    feed.push(&frame(1));
    drop(feed);
    // The worker lets go of the sink, and with it of the channel's sender.
    while events.recv_timeout(Duration::from_secs(10)).is_ok() {}
    assert_eq!(events.recv_timeout(Duration::ZERO), Err(crossbeam_channel::RecvTimeoutError::Disconnected));
}
