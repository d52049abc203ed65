//! The child's side: requests come in on standard input, which is a socket, and reports go out on the same; recogniser
//! threads of [`crate::engine::worker`] do the work between. Ends when the gateway has ended.
//!
//! Queue `reports`: 8,192 over all streams; when full a report is lost, as on a gateway that does not read.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::protocol::{self, ProtocolError, Report, Request, StreamId};
use crate::engine::recogniser::RecogniserError;
use crate::engine::totals::Added;
use crate::engine::worker::{AudioFeed, EngineFactory, EventKind, PoolConfig, RecogniserPool};
use crate::ids::CallId;
use crate::speech::Bias;

const REPORTS: usize = 8_192;
/// What was counted is told so often, where there is anything.
const COUNTED_EVERY: Duration = Duration::from_secs(1);
/// Biases known at once. A gateway that names more has gone wrong.
const BIASES: usize = 4_096;

/// Why the child ended.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The models cannot be had.
    #[error(transparent)]
    Recogniser(#[from] RecogniserError),
    /// The socket.
    #[error("talking to the gateway: {0}")]
    Protocol(#[from] ProtocolError),
    /// A thread.
    #[error("talking to the gateway: {0}")]
    System(#[from] std::io::Error),
}

/// Serves one gateway until it closes its end.
pub fn serve<F: EngineFactory>(socket: UnixStream, config: PoolConfig, factory: F) -> Result<(), ChildError> {
    let pool = RecogniserPool::start(config, factory)?;
    let (reports, reported) = bounded(REPORTS);
    let out = socket.try_clone()?;
    let writer = std::thread::Builder::new().name("reports".to_owned()).spawn({
        let (counts, second_pass) = (pool.counts().clone(), pool.second_pass_counts().clone());
        move || write(out, &reported, &|| Added::of(&counts, &second_pass))
    })?;
    let _ = reports.send(Report::Ready);
    let outcome = read(socket, &pool, &reports);
    drop(reports);
    pool.shut_down();
    // The writer has nothing left to tell a gateway that has ended.
    let _ = writer.join();
    outcome
}

fn read(mut socket: UnixStream, pool: &RecogniserPool, reports: &Sender<Report>) -> Result<(), ChildError> {
    let (mut biases, mut feeds) = (BTreeMap::<u32, Arc<Bias>>::new(), BTreeMap::<StreamId, AudioFeed>::new());
    let mut buffer = Vec::new();
    loop {
        let request = match protocol::read_request(&mut socket, &mut buffer) {
            Ok(request) => request,
            Err(ProtocolError::Ended) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match request {
            Request::Bias { number, bias } => {
                if biases.len() >= BIASES {
                    return Err(ProtocolError::Malformed("more biases than there are").into());
                }
                biases.insert(number, Arc::new(bias));
            }
            Request::Open { stream, bias } => {
                let bias = biases.get(&bias).cloned().unwrap_or_default();
                match pool.open(CallId(ulid::Ulid(u128::from(stream))), bias, sink(stream, reports.clone())) {
                    Ok(feed) => drop(feeds.insert(stream, feed)),
                    Err(error) => {
                        tracing::warn!(%error, stream, "a stream is refused");
                        let _ = reports.try_send(Report::Lost { stream });
                    }
                }
            }
            Request::Frame { stream, frame } => {
                if let Some(feed) = feeds.get_mut(&stream) {
                    // What is dropped shows as an overload when the worker comes to it.
                    let _ = feed.push(&frame);
                }
            }
            Request::Finish { stream, utterance } => {
                // A refusal shows as a missing transcript, which the call waits for with a limit.
                let _ = feeds.get_mut(&stream).map(|feed| feed.finish(utterance));
            }
            Request::Restart { stream, utterance } => {
                let _ = feeds.get_mut(&stream).map(|feed| feed.restart(utterance));
            }
            Request::Close { stream } => drop(feeds.remove(&stream)),
        }
    }
}

fn sink(stream: StreamId, reports: Sender<Report>) -> crate::engine::worker::EventSink {
    Box::new(move |event| {
        let report = match event.kind {
            EventKind::Voice(voice) => Report::Voice { stream, voice },
            EventKind::Hypothesis(guess) => {
                Report::Hypothesis { stream, utterance: guess.utterance, text: guess.text.into_inner() }
            }
            EventKind::Transcript(transcript) => Report::Transcript { stream, transcript },
            EventKind::Overloaded { frames } => Report::Overloaded { stream, frames },
            EventKind::Interrupted => return, // said by bridges, of which there is none in here
            EventKind::Lost => Report::Lost { stream },
        };
        // See the head: a full queue loses it.
        let _ = reports.try_send(report);
    })
}

fn write(mut socket: UnixStream, reported: &Receiver<Report>, counted: &dyn Fn() -> Added) {
    let mut bytes = Vec::with_capacity(1 << 16);
    let (mut told, mut due) = (Added::default(), Instant::now() + COUNTED_EVERY);
    loop {
        bytes.clear();
        match reported.recv_deadline(due) {
            Ok(report) => protocol::write_report(&report, &mut bytes),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        for more in reported.try_iter().take(1_000) {
            protocol::write_report(&more, &mut bytes);
        }
        if Instant::now() >= due {
            let (all, before) = (counted(), told);
            (told, due) = (all, Instant::now() + COUNTED_EVERY);
            if all != before {
                protocol::write_report(&Report::Counted(all.since(before)), &mut bytes);
            }
        }
        if socket.write_all(&bytes).is_err() {
            return; // the gateway has ended, and reading will see it
        }
    }
}
