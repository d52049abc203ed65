//! The gateway's side of a recogniser process: one thread that carries the calls' frames to the child and its reports back,
//! and replaces a child that has ended or fallen silent.
//!
//! ```text
//! Loading -Ready-> Up -ended, silent, unwritable-> Down -back-off over-> Loading
//! ```
//! While there is no child, frames of the calls are thrown away (an utterance in hand is lost anyway). After
//! [`OUTAGE_LIMIT`] without one the calls are lost and new ones are refused until a child is up again.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded, select};

use super::protocol::{self, Report, Request, StreamId};
use crate::engine::recogniser::RecogniserError;
use crate::engine::recogniser::second_pass::SecondPassCounts;
use crate::engine::worker::{Control, Counts, EngineEvent, EventKind, Intake, PoolConfig};
use crate::speech::{Bias, Hypothesis};

/// Calls wait so long for a new child.
pub const OUTAGE_LIMIT: Duration = Duration::from_secs(4);
/// A child that answers nothing for so long although it is given audio is taken for dead.
const SILENCE_LIMIT: Duration = Duration::from_millis(1_500);
/// So many frames without an answer are more than a voice activity window that is not full yet (a caller on hold sends none).
const SILENCE_FRAMES: usize = 10;
/// A child may take so long to load its models.
const LOAD_LIMIT: Duration = Duration::from_secs(60);
/// A write that takes longer means that the child does not read.
const WRITE_LIMIT: Duration = Duration::from_secs(1);
const BACK_OFF_FIRST: Duration = Duration::from_millis(250);
const BACK_OFF_MOST: Duration = Duration::from_secs(10);
/// After so long without an end a child counts as healthy, and the next one is started at once again.
const HEALTHY: Duration = Duration::from_secs(60);
/// How often a bridge without calls looks at its timers.
const IDLE_TICK: Duration = Duration::from_millis(50);
/// Reports of a child that wait for the bridge; when full the child waits.
const REPORTS: usize = 4_096;

/// A child that was started.
pub struct Launched {
    /// The way to it.
    pub socket: UnixStream,
    /// The process; `None` where something else is behind the socket.
    pub child: Option<Child>,
}

/// Starts children.
pub trait Launch: Send + Sync + 'static {
    /// Starts one; it says [`Report::Ready`] once it has loaded its models.
    fn launch(&self) -> std::io::Result<Launched>;
}

/// What a reader thread brings.
enum News {
    Report(Report),
    Ended,
}

/// News with the number of its child.
type Numbered = (u64, News);

enum Link {
    Down { until: Instant },
    Loading { launched: Launched, since: Instant },
    Up { launched: Launched, since: Instant, unanswered: Unanswered },
}

/// Frames that the child was given since it last said anything.
#[derive(Clone, Copy, Debug, Default)]
struct Unanswered {
    since: Option<Instant>,
    frames: usize,
}

impl Unanswered {
    fn add(&mut self, now: Instant, frames: usize) {
        if frames > 0 {
            self.since.get_or_insert(now);
            self.frames += frames;
        }
    }

    fn is_too_much(&self, now: Instant) -> bool {
        self.frames >= SILENCE_FRAMES && self.since.is_some_and(|since| now.duration_since(since) > SILENCE_LIMIT)
    }
}

struct Call {
    stream: StreamId,
    intake: Intake,
    next: u64,
    pending: Option<(u64, Control)>,
}

pub(crate) struct Bridge {
    pub(crate) config: PoolConfig,
    pub(crate) launcher: Arc<dyn Launch>,
    pub(crate) opened: Receiver<Intake>,
    pub(crate) woken: Receiver<()>,
    pub(crate) streams: Arc<AtomicUsize>,
    pub(crate) alive: Arc<AtomicBool>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) second_pass: Arc<SecondPassCounts>,
    pub(crate) stop: Arc<AtomicBool>,
}

/// What changes while a bridge runs.
struct Running<'a> {
    bridge: &'a Bridge,
    link: Link,
    generation: u64,
    back_off: Duration,
    outage_since: Option<Instant>,
    calls: Vec<Call>,
    /// The pool is gone, and all calls.
    is_deserted: bool,
    last_stream: StreamId,
    biases: Vec<(String, u64, u32)>,
    bytes: Vec<u8>,
    news: (Sender<Numbered>, Receiver<Numbered>),
}

impl Bridge {
    /// Starts the first child, says on `ready` whether it loaded, and serves until the pool is shut down.
    pub(crate) fn run(self, ready: &Sender<Result<(), RecogniserError>>) {
        let now = Instant::now();
        let mut running = Running {
            bridge: &self,
            link: Link::Down { until: now },
            generation: 0,
            back_off: Duration::ZERO,
            outage_since: Some(now),
            calls: Vec::new(),
            is_deserted: false,
            last_stream: 0,
            biases: Vec::new(),
            bytes: Vec::with_capacity(1 << 16),
            news: bounded(REPORTS),
        };
        if let Err(error) = running.first_child() {
            self.alive.store(false, Ordering::Release);
            // The pool waits for exactly one answer.
            let _ = ready.send(Err(error));
            return;
        }
        let _ = ready.send(Ok(()));
        while !self.stop.load(Ordering::Acquire) && !running.is_deserted {
            running.round();
        }
        running.lose_all();
        running.end_child();
        self.alive.store(false, Ordering::Release);
    }
}

impl Running<'_> {
    fn first_child(&mut self) -> Result<(), RecogniserError> {
        self.launch(Instant::now());
        let Link::Loading { .. } = self.link else {
            return Err(RecogniserError::Process("it could not be started".to_owned()));
        };
        loop {
            match self.news.1.recv_timeout(LOAD_LIMIT) {
                Ok((_, News::Report(Report::Ready))) => {
                    self.up(Instant::now());
                    return Ok(());
                }
                Ok((_, News::Report(_))) => {}
                Ok((_, News::Ended)) | Err(_) => {
                    self.end_child();
                    let what = "it ended, or took too long, before its models were loaded; the log has its last words";
                    return Err(RecogniserError::Process(what.to_owned()));
                }
            }
        }
    }

    fn round(&mut self) {
        // Half a worker's tick, as frames wait here and there. Without calls only timers are looked at; an opened call wakes it.
        let tick = if self.calls.is_empty() { IDLE_TICK } else { self.bridge.config.tick / 2 };
        select! {
            recv(self.news.1) -> news => if let Ok((generation, news)) = news {
                self.hear(generation, news);
                // What else has come; bounded by the queue.
                for (generation, news) in self.news.1.clone().try_iter().take(REPORTS) {
                    self.hear(generation, news);
                }
            },
            recv(self.bridge.woken) -> _ => {}
            default(tick) => {}
        }
        let now = Instant::now();
        loop {
            match self.bridge.opened.try_recv() {
                Ok(intake) => self.admit(intake),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.is_deserted = self.calls.is_empty();
                    break;
                }
            }
        }
        self.watch(now);
        self.forward(now);
        let before = self.calls.len();
        if before > 0 {
            self.close_gone();
        }
    }

    /// Timers of the link.
    fn watch(&mut self, now: Instant) {
        match &self.link {
            Link::Down { until } if now >= *until => self.launch(now),
            Link::Loading { since, .. } if now.duration_since(*since) > LOAD_LIMIT => {
                self.broken(now, "it does not load its models");
            }
            Link::Up { unanswered, .. } if unanswered.is_too_much(now) => {
                self.broken(now, "it answers nothing");
            }
            Link::Up { since, .. } if self.back_off > Duration::ZERO && now.duration_since(*since) > HEALTHY => {
                self.back_off = Duration::ZERO;
            }
            Link::Down { .. } | Link::Loading { .. } | Link::Up { .. } => {}
        }
        if self.outage_since.is_some_and(|since| now.duration_since(since) > OUTAGE_LIMIT) {
            self.bridge.alive.store(false, Ordering::Release);
            self.lose_all();
        }
    }

    fn launch(&mut self, now: Instant) {
        self.generation += 1;
        match self.bridge.launcher.launch().and_then(|launched| self.listen(launched)) {
            Ok(launched) => self.link = Link::Loading { launched, since: now },
            Err(error) => {
                tracing::error!(%error, "a recogniser process could not be started");
                self.down(now);
            }
        }
    }

    /// Starts the threads that read what the child says.
    fn listen(&self, mut launched: Launched) -> std::io::Result<Launched> {
        launched.socket.set_write_timeout(Some(WRITE_LIMIT))?;
        let (mut socket, sender, generation) = (launched.socket.try_clone()?, self.news.0.clone(), self.generation);
        std::thread::Builder::new().name("recogniser-reports".to_owned()).spawn(move || {
            let mut buffer = Vec::new();
            while let Ok(report) = protocol::read_report(&mut socket, &mut buffer) {
                if sender.send((generation, News::Report(report))).is_err() {
                    return;
                }
            }
            // Without a bridge there is nobody to tell.
            let _ = sender.send((generation, News::Ended));
        })?;
        if let Some(errors) = launched.child.as_mut().and_then(|child| child.stderr.take()) {
            std::thread::Builder::new().name("recogniser-errors".to_owned()).spawn(move || repeat(errors))?;
        }
        Ok(launched)
    }

    fn hear(&mut self, generation: u64, news: News) {
        if generation != self.generation {
            return;
        }
        let report = match news {
            News::Report(report) => report,
            // Of one that was ended from here nothing more is to be said.
            News::Ended if matches!(self.link, Link::Down { .. }) => return,
            News::Ended => return self.broken(Instant::now(), "it ended"),
        };
        // Says nothing about whether the workers still hear.
        if let Report::Counted(added) = report {
            return added.add_to(&self.bridge.counts, &self.bridge.second_pass);
        }
        if let Link::Up { unanswered, .. } = &mut self.link {
            *unanswered = Unanswered::default();
        }
        let (stream, kind) = match report {
            Report::Ready => return self.up(Instant::now()),
            Report::Counted(_) => return,
            Report::Voice { stream, voice } => (stream, EventKind::Voice(voice)),
            Report::Hypothesis { stream, utterance, text } => {
                (stream, EventKind::Hypothesis(Hypothesis { utterance, text: text.into() }))
            }
            Report::Transcript { stream, transcript } => (stream, EventKind::Transcript(transcript)),
            Report::Overloaded { stream, frames } => (stream, EventKind::Overloaded { frames }),
            Report::Lost { stream } => return self.lose(stream),
        };
        // Streams are numbered in order, and so are the calls.
        if let Ok(at) = self.calls.binary_search_by_key(&stream, |call| call.stream) {
            self.calls[at].tell(kind);
        }
    }

    fn up(&mut self, now: Instant) {
        let link = std::mem::replace(&mut self.link, Link::Down { until: now });
        let Link::Loading { launched, since } = link else {
            self.link = link;
            return;
        };
        tracing::info!(load_ms = now.duration_since(since).as_millis(), "a recogniser process is up");
        self.link = Link::Up { launched, since: now, unanswered: Unanswered::default() };
        self.outage_since = None;
        self.biases.clear();
        self.bridge.alive.store(true, Ordering::Release);
        for at in 0..self.calls.len() {
            let (stream, bias) = (self.calls[at].stream, self.calls[at].intake.bias.clone());
            self.ask_open(stream, &bias);
        }
    }

    fn broken(&mut self, now: Instant, what: &str) {
        let was_up = matches!(self.link, Link::Up { .. });
        tracing::error!(what, calls = self.calls.len(), "a recogniser process is replaced");
        self.end_child();
        self.bridge.counts.restarts.fetch_add(1, Ordering::Relaxed);
        self.outage_since = self.outage_since.or(Some(now));
        self.down(now);
        if was_up {
            for call in &mut self.calls {
                call.skip();
                self.bridge.counts.interrupted.fetch_add(1, Ordering::Relaxed);
                call.tell(EventKind::Interrupted);
            }
        }
        self.watch(now);
    }

    /// Waits for the next try: not at all the first time, then twice as long each time.
    fn down(&mut self, now: Instant) {
        self.link = Link::Down { until: now + self.back_off };
        self.back_off = (self.back_off * 2).clamp(BACK_OFF_FIRST, BACK_OFF_MOST);
    }

    fn end_child(&mut self) {
        let link = std::mem::replace(&mut self.link, Link::Down { until: Instant::now() });
        let (Link::Loading { launched, .. } | Link::Up { launched, .. }) = link else { return };
        // Both fail only where the other side is gone already.
        let _ = launched.socket.shutdown(std::net::Shutdown::Both);
        if let Some(mut child) = launched.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn admit(&mut self, intake: Intake) {
        self.last_stream += 1;
        let (stream, bias) = (self.last_stream, intake.bias.clone());
        self.calls.push(Call { stream, intake, next: 0, pending: None });
        if matches!(self.link, Link::Up { .. }) {
            self.ask_open(stream, &bias);
        }
    }

    fn ask_open(&mut self, stream: StreamId, bias: &Arc<Bias>) {
        let known = self.biases.iter().find(|(line, version, _)| *line == bias.line && *version == bias.version);
        let number = match known {
            Some((_, _, number)) => *number,
            None => {
                let number = u32::try_from(self.biases.len()).unwrap_or(u32::MAX);
                self.biases.push((bias.line.clone(), bias.version, number));
                let request = Request::Bias { number, bias: Bias::clone(bias) };
                protocol::write_request(&request, &mut self.bytes);
                number
            }
        };
        protocol::write_request(&Request::Open { stream, bias: number }, &mut self.bytes);
    }

    /// Everything that the calls have for the child, in one write.
    fn forward(&mut self, now: Instant) {
        let Link::Up { launched, unanswered, .. } = &mut self.link else {
            self.calls.iter_mut().for_each(Call::skip);
            self.bytes.clear();
            return;
        };
        let mut frames = 0;
        for call in &mut self.calls {
            frames += call.collect(&mut self.bytes);
        }
        if self.bytes.is_empty() {
            return;
        }
        unanswered.add(now, frames);
        let written = launched.socket.write_all(&self.bytes);
        self.bytes.clear();
        if written.is_err() {
            self.broken(now, "it does not read");
        }
    }

    fn close_gone(&mut self) {
        let Self { calls, bytes, bridge, .. } = self;
        calls.retain(|call| {
            if call.is_gone() {
                protocol::write_request(&Request::Close { stream: call.stream }, bytes);
                bridge.streams.fetch_sub(1, Ordering::AcqRel);
            }
            !call.is_gone()
        });
        // What calls that are gone still had to hear is no sign of anything.
        if let (true, Link::Up { unanswered, .. }) = (calls.is_empty(), &mut self.link) {
            *unanswered = Unanswered::default();
        }
    }

    fn lose(&mut self, stream: StreamId) {
        if let Ok(at) = self.calls.binary_search_by_key(&stream, |call| call.stream) {
            let call = self.calls.remove(at);
            self.let_go(call);
        }
    }

    fn lose_all(&mut self) {
        for call in std::mem::take(&mut self.calls) {
            self.let_go(call);
        }
        while let Ok(mut intake) = self.bridge.opened.try_recv() {
            self.bridge.streams.fetch_sub(1, Ordering::AcqRel);
            intake.lose();
        }
    }

    fn let_go(&self, mut call: Call) {
        self.bridge.counts.streams_lost.fetch_add(1, Ordering::Relaxed);
        self.bridge.streams.fetch_sub(1, Ordering::AcqRel);
        call.intake.lose();
    }
}

impl Call {
    fn tell(&mut self, kind: EventKind) {
        (self.intake.sink)(EngineEvent { call: self.intake.call, kind });
    }

    /// Puts its frames and requests, in order, at the end of `bytes`; answers how many frames.
    fn collect(&mut self, bytes: &mut Vec<u8>) -> usize {
        let mut frames = 0;
        loop {
            self.ask_before(self.next, bytes);
            let Ok((number, frame)) = self.intake.frames.try_recv() else {
                return frames;
            };
            // A request that was made before this frame is in the other queue by now, also where it was not a moment ago; and
            // frames that were dropped also stand before a request that comes after them.
            self.ask_before(number, bytes);
            let missing = number.saturating_sub(self.next);
            if missing > 0 {
                self.tell(EventKind::Overloaded { frames: u32::try_from(missing).unwrap_or(u32::MAX) });
            }
            self.next = number + 1;
            protocol::write_request(&Request::Frame { stream: self.stream, frame }, bytes);
            frames += 1;
        }
    }

    /// Puts the requests that come before this frame.
    fn ask_before(&mut self, number: u64, bytes: &mut Vec<u8>) {
        loop {
            if self.pending.is_none() {
                self.pending = self.intake.controls.try_recv().ok();
            }
            let Some((_, control)) = self.pending.take_if(|(after, _)| number >= *after) else { return };
            let stream = self.stream;
            let request = match control {
                Control::Finish(utterance) => Request::Finish { stream, utterance },
                Control::Restart(utterance) => Request::Restart { stream, utterance },
            };
            protocol::write_request(&request, bytes);
        }
    }

    /// Throws away what waits.
    fn skip(&mut self) {
        self.pending = None;
        for (number, _) in self.intake.frames.try_iter() {
            self.next = number + 1;
        }
        self.intake.controls.try_iter().for_each(drop);
    }

    fn is_gone(&self) -> bool {
        // The feed is the only other holder of what tells that it was dropped.
        Arc::strong_count(&self.intake.shared) == 1
    }
}

/// The child's standard error, line by line, into the log.
fn repeat(errors: std::process::ChildStderr) {
    use std::io::{BufRead, BufReader, Read};
    const LONGEST: u64 = 2_000;
    let mut reader = BufReader::new(errors);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => tracing::warn!("recogniser process: {}", String::from_utf8_lossy(&line).trim_end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_requests_that_come_before_a_frame_are_written_before_it() {
        use crate::audio::frame::WideFrame;
        use crate::ids::UtteranceId;
        let (frames, taken) = crossbeam_channel::bounded(4);
        let (controls, asked) = crossbeam_channel::bounded(4);
        let shared = Arc::new(crate::engine::worker::Shared { closed: AtomicBool::new(false) });
        let id = crate::ids::CallId(ulid::Ulid(1));
        let intake =
            Intake { call: id, bias: Arc::default(), frames: taken, controls: asked, shared, sink: Box::new(drop) };
        let mut call = Call { stream: 7, intake, next: 0, pending: None };
        // Frames 0 to 4 were dropped.
        controls.send((3, Control::Finish(UtteranceId(0)))).unwrap();
        controls.send((4, Control::Restart(UtteranceId(2)))).unwrap();
        frames.send((5, WideFrame::SILENCE)).unwrap();
        let mut bytes = Vec::new();
        assert_eq!(call.collect(&mut bytes), 1);
        let stream = 7;
        let mut wanted = Vec::new();
        for request in [
            Request::Finish { stream, utterance: UtteranceId(0) },
            Request::Restart { stream, utterance: UtteranceId(2) },
            Request::Frame { stream, frame: WideFrame::SILENCE },
        ] {
            protocol::write_request(&request, &mut wanted);
        }
        assert_eq!(bytes, wanted);
    }

    #[test]
    fn a_child_is_silent_only_where_it_had_enough_to_answer() {
        let began = Instant::now();
        let later = began + SILENCE_LIMIT + Duration::from_millis(1);
        let table = [(0, later, false), (1, later, false), (9, later, false), (10, began, false), (10, later, true)];
        for (frames, now, expected) in table {
            let mut unanswered = Unanswered::default();
            unanswered.add(began, frames);
            unanswered.add(began, 0);
            assert_eq!(unanswered.is_too_much(now), expected, "{frames} frames");
        }
    }
}
