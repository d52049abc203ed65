//! Questions to a language model over HTTP: `POST BASE/chat/completions` of the OpenAI interface, streamed, as llama.cpp's
//! server, vLLM and others answer it. A small pool of threads, one question each at a time. No redirect is followed and no
//! proxy used. Nothing here knows what an answer means.
//!
//! Queue `llm`: 8 questions over all calls wait; one more fails at once (`busy`). A question that has waited past its budget
//! is not sent. After three failures in a row the server is left alone for 30 s (`resting`), so that no caller waits for a
//! machine that is down. [`LlmPool::counts`] counts all of it.
//!
//! Off at once: while the switch's file is there (`tingwa llm off` makes it) every question fails (`off`), also one that is
//! under way.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use serde_json::json;
use ureq::Agent;
use ureq::http::{Request, header};
use ureq::unversioned::transport::DefaultConnector;

use crate::conversation::{LlmOutcome, LlmReply, LlmRequest, LlmTerms};
use crate::journal::LlmFailure;
use crate::redact::Redacted;
use crate::settings::Section;

pub mod address;
pub mod stream;

use address::Guard;
use stream::{Body, ChatStream, Progress};

/// Questions that may wait.
pub const LLM_QUEUE: usize = 8;
/// Failures in a row after which the server is left alone,
const TIRED: u32 = 3;
/// for so long.
const REST: Duration = Duration::from_secs(30);

/// Where the answer goes. Called once, from a thread of the pool.
pub type LlmSink = Box<dyn FnOnce(LlmReply) + Send>;

/// How an answer is held to its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `response_format` with a JSON Schema.
    JsonSchema,
    /// llama.cpp's `grammar`.
    Gbnf,
}

/// `[llm]`.
#[derive(Clone, Debug)]
pub struct LlmConfig {
    base: String,
    allow_remote: bool,
    /// As it is written: a reference.
    key: Option<Redacted<String>>,
    shape: Shape,
    at_once: u8,
    /// What calls are told.
    pub terms: LlmTerms,
}

impl LlmConfig {
    /// The server's base address.
    pub fn address(&self) -> &str {
        &self.base
    }

    /// Reads the section; `None` where there is none, or it says `enabled = false`.
    pub fn read(mut section: Section<'_>) -> Option<Self> {
        let present = section.is_present();
        let enabled = section.boolean("enabled").unwrap_or(true);
        let allow_remote = section.boolean("allow_remote").unwrap_or(false);
        let url = section.string("url");
        let model = section.string("model");
        let key = section.string("key").map(Redacted::from);
        let shape = match section.string("grammar").as_deref() {
            None | Some("json_schema") => Shape::JsonSchema,
            Some("gbnf") => Shape::Gbnf,
            Some(_) => {
                section.problem("grammar", "expected \"json_schema\" (most servers) or \"gbnf\" (llama.cpp)");
                Shape::JsonSchema
            }
        };
        let budget_ms = section.integer("budget_ms", 100..=5_000).and_then(|n| u64::try_from(n).ok()).unwrap_or(800);
        let max_tokens = section.integer("max_tokens", 16..=1_024).and_then(|n| u16::try_from(n).ok()).unwrap_or(96);
        let at_once = section.integer("at_once", 1..=16).and_then(|n| u8::try_from(n).ok()).unwrap_or(2);
        let margin = section.float("margin", 0.0..=1.0).unwrap_or(0.2);
        let send_identity = section.boolean("send_identity").unwrap_or(false);
        let (mut base, mut named) = (None, None);
        if present {
            let url = section.required("url", "an address such as \"http://127.0.0.1:8080/v1\"", url);
            base = url.and_then(|url| match address::base(&url, allow_remote) {
                Ok(base) => Some(base),
                Err(what) => {
                    section.problem("url", what);
                    None
                }
            });
            named = section.required("model", "the model's name as its server knows it", model);
        }
        section.finish();
        let budget = Duration::from_millis(budget_ms);
        let terms = LlmTerms { model: named?, budget, max_tokens, margin: margin as f32, send_identity };
        let config = Self { base: base?, allow_remote, key, shape, at_once, terms };
        enabled.then_some(config)
    }
}

/// The model cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// The key cannot be had.
    #[error("[llm] key: {0}")]
    Key(String),
    /// The operating system gives no thread.
    #[error("cannot start a thread for the language model: {0}")]
    Thread(std::io::Error),
}

/// What has been counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LlmCounts {
    /// Questions.
    pub asked: u64,
    /// Answers in time with something in them.
    pub answered: u64,
    /// Too late.
    pub late: u64,
    /// Found no room.
    pub busy: u64,
    /// Not sent: switched off, or the server is left alone.
    pub unsent: u64,
    /// Any other failure.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct Counters {
    asked: AtomicU64,
    answered: AtomicU64,
    late: AtomicU64,
    busy: AtomicU64,
    unsent: AtomicU64,
    failed: AtomicU64,
}

impl Counters {
    fn count(&self, outcome: &LlmOutcome) {
        let which = match outcome {
            LlmOutcome::Answered(_) => &self.answered,
            LlmOutcome::Failed(LlmFailure::Late) => &self.late,
            LlmOutcome::Failed(LlmFailure::Busy) => &self.busy,
            LlmOutcome::Failed(LlmFailure::Off | LlmFailure::Resting) => &self.unsent,
            LlmOutcome::Failed(_) => &self.failed,
        };
        self.asked.fetch_add(1, Ordering::Relaxed);
        which.fetch_add(1, Ordering::Relaxed);
    }
}

/// Failures in a row, and until when the server is left alone.
#[derive(Debug)]
struct Health {
    epoch: Instant,
    failures: AtomicU64,
    rests_until_ms: AtomicU64,
}

impl Health {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn rests(&self) -> bool {
        self.now_ms() < self.rests_until_ms.load(Ordering::Relaxed)
    }

    fn note(&self, outcome: &LlmOutcome) {
        let down = match outcome {
            LlmOutcome::Failed(LlmFailure::Late | LlmFailure::Unreachable | LlmFailure::Status { .. }) => true,
            LlmOutcome::Failed(LlmFailure::Off | LlmFailure::Resting | LlmFailure::Busy) => return,
            LlmOutcome::Answered(_) | LlmOutcome::Failed(_) => false,
        };
        if !down {
            self.failures.store(0, Ordering::Relaxed);
        } else if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= u64::from(TIRED) {
            self.failures.store(0, Ordering::Relaxed);
            let rest = u64::try_from(REST.as_millis()).unwrap_or(u64::MAX);
            self.rests_until_ms.store(self.now_ms().saturating_add(rest), Ordering::Relaxed);
            tracing::warn!("the language model failed {TIRED} times in a row; not asked for {} s", REST.as_secs());
        }
    }
}

struct Job {
    request: LlmRequest,
    asked: Instant,
    sink: LlmSink,
}

struct Server {
    url: String,
    model: String,
    key: Option<Redacted<String>>,
    shape: Shape,
    agent: Agent,
    off: PathBuf,
    health: Health,
    counts: Counters,
}

/// The asking end; its threads end with the last of it.
#[derive(Clone)]
pub struct LlmPool {
    jobs: Sender<Job>,
    server: Arc<Server>,
}

impl LlmPool {
    /// Starts the threads. `secret` turns a reference into what it names; `off` is the switch's file.
    pub fn start(
        config: &LlmConfig,
        off: PathBuf,
        secret: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self, LlmError> {
        let key = config.key.as_ref().map(|key| secret(key.reveal())).transpose().map_err(LlmError::Key)?;
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .max_idle_connections(0)
            .user_agent(concat!("tingwa/", env!("CARGO_PKG_VERSION")))
            .build();
        let agent = Agent::with_parts(settings, DefaultConnector::default(), Guard::new(config.allow_remote));
        let server = Arc::new(Server {
            url: format!("{}/chat/completions", config.base),
            model: config.terms.model.clone(),
            key: key.map(Redacted::from),
            shape: config.shape,
            agent,
            off,
            health: Health { epoch: Instant::now(), failures: AtomicU64::new(0), rests_until_ms: AtomicU64::new(0) },
            counts: Counters::default(),
        });
        if config.allow_remote {
            tracing::warn!("[llm] allow_remote: what callers say may leave this machine and its private net");
        }
        let (jobs, waiting) = crossbeam_channel::bounded(LLM_QUEUE);
        for number in 0..config.at_once.max(1) {
            let (server, waiting) = (server.clone(), waiting.clone());
            let thread = std::thread::Builder::new().name(format!("llm-{number}"));
            thread.spawn(move || work(&server, &waiting)).map_err(LlmError::Thread)?;
        }
        Ok(Self { jobs, server })
    }

    /// Asks. Where it cannot be asked at all, the answer is given back at once. The switch is the pool's to look at: whoever asks is
    /// a media thread, and waits for no disk.
    pub fn ask(&self, request: LlmRequest, sink: LlmSink) -> Result<(), LlmReply> {
        let asked = Instant::now();
        if self.server.health.rests() {
            return Err(self.server.reply(&request, asked, LlmOutcome::Failed(LlmFailure::Resting)));
        }
        let refused = self.jobs.try_send(Job { request, asked, sink });
        refused.map_err(|error| {
            let Job { request, asked, .. } = error.into_inner();
            tracing::warn!("language model not asked: {LLM_QUEUE} questions wait already");
            self.server.reply(&request, asked, LlmOutcome::Failed(LlmFailure::Busy))
        })
    }

    /// What has been counted.
    pub fn counts(&self) -> LlmCounts {
        let Counters { asked, answered, late, busy, unsent, failed } = &self.server.counts;
        let [asked, answered, late, busy, unsent, failed] =
            [asked, answered, late, busy, unsent, failed].map(|count| count.load(Ordering::Relaxed));
        LlmCounts { asked, answered, late, busy, unsent, failed }
    }
}

fn work(server: &Server, waiting: &Receiver<Job>) {
    while let Ok(Job { request, asked, sink }) = waiting.recv() {
        let outcome = match server.unwilling() {
            Some(failure) => LlmOutcome::Failed(failure),
            None => match server.ask(&request, asked) {
                // Switched off meanwhile: what came is not used.
                Ok(_) if server.off.exists() => LlmOutcome::Failed(LlmFailure::Off),
                Ok(text) => LlmOutcome::Answered(text.into()),
                Err(failure) => LlmOutcome::Failed(failure),
            },
        };
        server.health.note(&outcome);
        sink(server.reply(&request, asked, outcome));
    }
}

impl Server {
    fn unwilling(&self) -> Option<LlmFailure> {
        if self.off.exists() {
            return Some(LlmFailure::Off);
        }
        self.health.rests().then_some(LlmFailure::Resting)
    }

    fn reply(&self, request: &LlmRequest, asked: Instant, outcome: LlmOutcome) -> LlmReply {
        let ms = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.counts.count(&outcome);
        if let LlmOutcome::Failed(failure) = &outcome {
            tracing::debug!(?failure, ms, "no answer of the language model");
        }
        LlmReply { id: request.id, outcome, ms }
    }

    /// The body of a question. What is the same in every call of a line comes first, byte by byte.
    fn body(&self, request: &LlmRequest) -> String {
        let told = &request.instructions;
        let messages = json!([
            { "role": "system", "content": told.text },
            { "role": "user", "content": request.said.reveal() },
        ]);
        let mut body = json!({
            "model": self.model,
            "messages": messages,
            "stream": true,
            "temperature": 0,
            "max_tokens": request.max_tokens,
            "cache_prompt": true,
        });
        let (name, value) = match self.shape {
            Shape::JsonSchema => (
                "response_format",
                json!({ "type": "json_schema", "json_schema": { "name": "command", "strict": true, "schema": told.schema } }),
            ),
            Shape::Gbnf => ("grammar", json!(told.grammar)),
        };
        if let Some(fields) = body.as_object_mut() {
            fields.insert(name.to_owned(), value);
        }
        body.to_string()
    }

    fn ask(&self, request: &LlmRequest, asked: Instant) -> Result<String, LlmFailure> {
        let left = (asked + request.budget).saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(LlmFailure::Late);
        }
        let mut made = Request::post(&self.url)
            .header(header::ACCEPT, "text/event-stream")
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            made = made.header(header::AUTHORIZATION, format!("Bearer {}", key.reveal()));
        }
        let made = made.body(self.body(request)).map_err(|_| LlmFailure::Garbled)?;
        let made = self.agent.configure_request(made).timeout_global(Some(left)).build();
        let mut answer = self.agent.run(made).map_err(|error| failure(&error))?;
        if answer.status().as_u16() != 200 {
            return Err(LlmFailure::Status { status: answer.status().as_u16() });
        }
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        let body = if kind.starts_with("application/json") { Body::Whole } else { Body::Events };
        let mut chat = ChatStream::new(body, request.max_tokens);
        let mut reader = answer.body_mut().as_reader();
        let mut buffer = [0_u8; 4096];
        loop {
            let progress = match reader.read(&mut buffer) {
                Ok(0) => chat.end(),
                Ok(length) => chat.feed(buffer.get(..length).unwrap_or(&[])),
                Err(error) => return Err(broken(error)),
            };
            match progress {
                Progress::More if asked.elapsed() >= request.budget => return Err(LlmFailure::Late),
                Progress::More => {}
                Progress::Complete(text) => return Ok(text),
                Progress::Failed(failure) => return Err(failure),
            }
        }
    }
}

fn failure(error: &ureq::Error) -> LlmFailure {
    match error {
        ureq::Error::Timeout(_) => LlmFailure::Late,
        ureq::Error::Io(io) if io.to_string() == address::NOT_ALLOWED => {
            tracing::error!("the language model is not asked: its name leads to an {}", address::NOT_ALLOWED);
            LlmFailure::NotAllowed
        }
        ureq::Error::BodyExceedsLimit(_) => LlmFailure::TooLong,
        other => {
            tracing::warn!("the language model cannot be reached: {other}");
            LlmFailure::Unreachable
        }
    }
}

/// The connection broke in the middle of an answer.
fn broken(error: std::io::Error) -> LlmFailure {
    match error.downcast::<ureq::Error>() {
        Ok(error) => failure(&error),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => LlmFailure::Late,
        Err(_) => LlmFailure::Unreachable,
    }
}

#[cfg(test)]
mod tests;
