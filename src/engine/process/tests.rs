//! Bridges with children that are threads and do as told.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::bridge::{Launch, Launched};
use super::protocol::{self, Report, Request, StreamId};
use crate::audio::frame::WideFrame;
use crate::engine::recogniser::RecogniserError;
use crate::engine::totals::{self, Added};
use crate::engine::worker::{AudioFeed, EventKind, PoolConfig, Pushed, RecogniserPool};
use crate::ids::{CallId, UtteranceId};
use crate::speech::{Bias, Transcript, VoiceActivity};

const PATIENCE: Duration = Duration::from_secs(20);

/// Hands each child's end of the socket to the test; where there is none left, children cannot be started.
struct Desk {
    sockets: Sender<UnixStream>,
}

impl Launch for Desk {
    fn launch(&self) -> std::io::Result<Launched> {
        let (socket, theirs) = UnixStream::pair()?;
        self.sockets.try_send(theirs).map_err(|_| std::io::Error::other("no more children"))?;
        Ok(Launched { socket, child: None })
    }
}

/// The child as a test plays it.
struct Child {
    socket: UnixStream,
    buffer: Vec<u8>,
}

impl Child {
    fn of(sockets: &Receiver<UnixStream>) -> Self {
        let socket = sockets.recv_timeout(PATIENCE).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, buffer: Vec::new() }
    }

    fn say(&mut self, report: &Report) {
        let mut bytes = Vec::new();
        protocol::write_report(report, &mut bytes);
        self.socket.write_all(&bytes).unwrap();
    }

    fn next(&mut self) -> Request {
        protocol::read_request(&mut self.socket, &mut self.buffer).unwrap()
    }

    /// Takes the next request, if the gateway still makes any.
    fn next_or_end(&mut self) -> bool {
        protocol::read_request(&mut self.socket, &mut self.buffer).is_ok()
    }

    /// Answers until a stream is opened.
    fn opened(&mut self) -> (Option<Bias>, StreamId) {
        let mut told = None;
        loop {
            match self.next() {
                Request::Bias { bias, .. } => told = Some(bias),
                Request::Open { stream, .. } => return (told, stream),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Hears frames until one that begins with this sample.
    fn hear_until(&mut self, first: i16) {
        loop {
            if let Request::Frame { frame, stream } = self.next() {
                let voice = VoiceActivity { probability: 0.9, duration_ms: 20 };
                self.say(&Report::Voice { stream, voice });
                if frame.0[0] == first {
                    return;
                }
            }
        }
    }
}

fn start(children: usize) -> (Receiver<UnixStream>, std::thread::JoinHandle<Result<RecogniserPool, RecogniserError>>) {
    let (sockets, started) = bounded(children);
    let config = PoolConfig { tick: Duration::from_millis(1), ..PoolConfig::default() };
    let pool = std::thread::spawn(move || RecogniserPool::start_processes(config, 1, Arc::new(Desk { sockets })));
    (started, pool)
}

fn open(pool: &RecogniserPool) -> (AudioFeed, Receiver<EventKind>) {
    let (sender, events) = bounded(1_000);
    let bias = Bias { line: "demo".to_owned(), version: 1, ..Bias::default() };
    let sink = Box::new(move |event: crate::engine::worker::EngineEvent| sender.send(event.kind).unwrap());
    (pool.open(CallId(ulid::Ulid(1)), Arc::new(bias), sink).unwrap(), events)
}

fn frame(first: i16) -> WideFrame {
    WideFrame::from_slice(&[first])
}

fn until(events: &Receiver<EventKind>, wanted: impl Fn(&EventKind) -> bool) -> usize {
    let mut before = 0;
    while !wanted(&events.recv_timeout(PATIENCE).unwrap()) {
        before += 1;
    }
    before
}

#[test]
fn a_call_is_heard_on_by_the_next_child() {
    let (sockets, starting) = start(2);
    let mut child = Child::of(&sockets);
    child.say(&Report::Ready);
    let pool = starting.join().unwrap().unwrap();
    let (mut feed, events) = open(&pool);
    let (bias, stream) = child.opened();
    assert_eq!(bias.unwrap().line, "demo");
    feed.push(&frame(1));
    child.hear_until(1);
    until(&events, |kind| matches!(kind, EventKind::Voice(_)));
    drop(child);
    assert_eq!(until(&events, |kind| *kind == EventKind::Interrupted), 0);
    let mut child = Child::of(&sockets);
    child.say(&Report::Ready);
    let (bias, again) = child.opened();
    assert_eq!((bias.unwrap().version, again), (1, stream), "the new child knows nothing of the old one");
    feed.push(&frame(2));
    assert!(feed.finish(UtteranceId(5)));
    child.hear_until(2);
    assert_eq!(child.next(), Request::Finish { stream, utterance: UtteranceId(5) });
    let utterance = UtteranceId(5);
    let transcript = Transcript {
        utterance,
        text: "好".to_owned().into(),
        language: None,
        confidence: 0.5,
        tags: Default::default(),
    };
    child.say(&Report::Transcript { stream, transcript: transcript.clone() });
    until(&events, |kind| *kind == EventKind::Transcript(transcript.clone()));
    assert_eq!(pool.counts().restarts.load(Ordering::Relaxed), 1);
    assert_eq!(pool.counts().interrupted.load(Ordering::Relaxed), 1);
    drop(feed);
    assert_eq!(child.next(), Request::Close { stream });
    pool.shut_down();
}

#[test]
fn what_a_child_counts_is_counted_here_and_is_no_sign_of_life() {
    let (sockets, starting) = start(2);
    let mut child = Child::of(&sockets);
    child.say(&Report::Ready);
    let pool = starting.join().unwrap().unwrap();
    let (mut feed, events) = open(&pool);
    let (_, stream) = child.opened();
    let second_pass = totals::SecondPass { heard: 3, late: 1, ..Default::default() };
    let added = Added { frames_dropped: 4, worker_panics: 1, busy_us: 50, second_pass };
    (0..2).for_each(|_| child.say(&Report::Counted(added)));
    child.say(&Report::Voice { stream, voice: VoiceActivity { probability: 0.9, duration_ms: 20 } });
    until(&events, |kind| matches!(kind, EventKind::Voice(_)));
    let numbers = [&pool.counts().frames_dropped, &pool.second_pass_counts().heard, &pool.second_pass_counts().late];
    assert_eq!(numbers.map(|number| number.load(Ordering::Relaxed)), [8, 6, 2]);
    // It counts on, but hears nothing.
    (0..20).for_each(|_| assert_eq!(feed.push(&frame(1)), Pushed::Queued));
    let counting = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        protocol::write_report(&Report::Counted(Added::default()), &mut bytes);
        while child.socket.write_all(&bytes).is_ok() && child.next_or_end() {}
    });
    until(&events, |kind| *kind == EventKind::Interrupted);
    counting.join().unwrap();
    pool.shut_down();
}

#[test]
fn a_child_that_answers_nothing_is_replaced() {
    let (sockets, starting) = start(2);
    let mut child = Child::of(&sockets);
    child.say(&Report::Ready);
    let pool = starting.join().unwrap().unwrap();
    let (mut feed, events) = open(&pool);
    child.opened();
    for value in 1..=20 {
        feed.push(&frame(value));
    }
    until(&events, |kind| *kind == EventKind::Interrupted);
    let mut next = Child::of(&sockets);
    next.say(&Report::Ready);
    next.opened();
    feed.push(&frame(3));
    next.hear_until(3);
    until(&events, |kind| matches!(kind, EventKind::Voice(_)));
    pool.shut_down();
}

#[test]
fn without_a_child_calls_are_told_and_new_ones_refused() {
    let (sockets, starting) = start(1);
    let mut child = Child::of(&sockets);
    child.say(&Report::Ready);
    let pool = starting.join().unwrap().unwrap();
    let (mut feed, events) = open(&pool);
    child.opened();
    drop((child, sockets));
    until(&events, |kind| *kind == EventKind::Interrupted);
    assert_eq!(until(&events, |kind| *kind == EventKind::Lost), 0);
    assert_eq!(feed.push(&frame(1)), crate::engine::worker::Pushed::Closed);
    assert!(!pool.is_alive());
    let refused = pool.open(CallId(ulid::Ulid(2)), Arc::default(), Box::new(|_| {}));
    assert!(matches!(refused.err(), Some(RecogniserError::Full { .. })));
    pool.shut_down();
}

#[test]
fn a_pool_that_is_dropped_ends_its_children() {
    let (sockets, starting) = start(1);
    let mut child = Child::of(&sockets);
    child.say(&Report::Ready);
    let pool = starting.join().unwrap().unwrap();
    let (feed, _events) = open(&pool);
    child.opened();
    drop(pool);
    drop(feed);
    while let Ok(request) = protocol::read_request(&mut child.socket, &mut child.buffer) {
        assert!(matches!(request, Request::Close { .. }));
    }
}

#[test]
fn a_child_that_cannot_load_stops_the_start() {
    let (sockets, starting) = start(1);
    drop(Child::of(&sockets));
    assert!(matches!(starting.join().unwrap().err(), Some(RecogniserError::Process(_))));
}

#[test]
fn a_child_that_talks_nonsense_is_replaced() {
    let (sockets, starting) = start(2);
    let mut child = Child::of(&sockets);
    child.say(&Report::Ready);
    let pool = starting.join().unwrap().unwrap();
    let (_feed, events) = open(&pool);
    child.opened();
    child.socket.write_all(b"\xff\xff\xff\xffnonsense").unwrap();
    until(&events, |kind| *kind == EventKind::Interrupted);
    Child::of(&sockets).say(&Report::Ready);
    pool.shut_down();
}
