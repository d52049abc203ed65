//! Requests of workflows to companies' own systems: a small pool of threads, one request each at a time, to hosts that the
//! configuration names and no other. Redirects are not followed and no proxy is used, so a request goes where it is meant to
//! go. Secrets are filled in here and are in no log, no journal and no plan.
//!
//! Queue `tools`: 64 requests over all calls. When it is full the request fails at once (`busy`), which the workflow's error
//! branch takes; [`ToolPool::refused`] counts it. Every request is answered once; what waited too long is not sent.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use ureq::Agent;
use ureq::http::{Request, Uri, header};

use super::llm::address::is_inside;
use crate::conversation::{ToolOutcome, ToolReply, ToolRequest};
use crate::dialplan::workflow::fill;
use crate::journal::ToolFailure;
use crate::redact::Redacted;
use crate::settings::Section;

/// Requests that may wait.
pub const TOOL_QUEUE: usize = 64;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// Where the answer goes. Called once, from a thread of the pool.
pub type ToolSink = Box<dyn FnOnce(ToolReply) + Send>;

/// `[tools]` and every `[[host]]`.
#[derive(Clone, Debug, Default)]
pub struct ToolsConfig {
    /// Requests at the same time.
    pub at_once: u8,
    hosts: BTreeMap<String, HostConfig>,
}

#[derive(Clone, Debug)]
struct HostConfig {
    /// Scheme, host, port and the beginning of every path.
    base: String,
    /// As they are written: references.
    secrets: BTreeMap<String, Redacted<String>>,
}

/// A host cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ToolsError {
    /// A secret cannot be had.
    #[error("[[host]] {host}: secret '{name}': {what}")]
    Secret {
        /// Host.
        host: String,
        /// Secret's name.
        name: String,
        /// Why not.
        what: String,
    },
    /// The operating system gives no thread.
    #[error("cannot start a thread for tools: {0}")]
    Thread(std::io::Error),
}

impl ToolsConfig {
    /// Reads both.
    pub fn read(root: &mut Section<'_>) -> Self {
        let mut section = root.section("tools");
        let at_once = section.integer("at_once", 1..=64).and_then(|n| u8::try_from(n).ok()).unwrap_or(4);
        section.finish();
        let mut hosts = BTreeMap::new();
        for mut section in root.sections("host") {
            let name = section.string("name");
            let name = section.required("name", "a name that tools of a dialplan write as host", name);
            let url = section.string("url");
            let url = section.required("url", "an address such as \"https://crm.example.com\"", url);
            let mut named = section.section("secrets");
            let keys = named.keys();
            let secrets = keys.into_iter().filter_map(|key| Some((key.clone(), named.string(&key)?.into()))).collect();
            named.finish();
            let base = url.and_then(|url| match base(&url) {
                Ok(base) => Some(base),
                Err(what) => {
                    section.problem("url", what);
                    None
                }
            });
            if let (Some(name), Some(base)) = (name, base)
                && hosts.insert(name.clone(), HostConfig { base, secrets }).is_some()
            {
                section.problem("name", format_args!("another host is called '{name}'"));
            }
            section.finish();
        }
        Self { at_once, hosts }
    }

    /// Hosts with the names of their secrets.
    pub fn names(&self) -> BTreeMap<String, BTreeSet<String>> {
        let each = |(name, host): (&String, &HostConfig)| (name.clone(), host.secrets.keys().cloned().collect());
        self.hosts.iter().map(each).collect()
    }
}

/// The address that every path is added to. What callers say does not travel in the clear beyond the company's own net.
fn base(url: &str) -> Result<String, &'static str> {
    let uri: Uri = url.parse().map_err(|_| "expected an address such as \"https://crm.example.com\"")?;
    let host = uri.host().ok_or("expected http:// or https:// and a host")?;
    let inside = host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(is_inside);
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if inside => {}
        Some("http") => {
            return Err("http:// goes to an address of this machine or of a private net only; expected https://");
        }
        _ => return Err("expected http:// or https://"),
    }
    if uri.query().is_some() || uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("expected scheme, host and port; keys belong to secrets");
    }
    Ok(url.trim_end_matches('/').to_owned())
}

struct Host {
    base: String,
    secrets: BTreeMap<String, Redacted<String>>,
}

struct Job {
    request: ToolRequest,
    asked: Instant,
    sink: ToolSink,
}

/// The asking end; its threads end with the last of it.
#[derive(Clone)]
pub struct ToolPool {
    jobs: Sender<Job>,
    refused: Arc<AtomicU64>,
}

impl ToolPool {
    /// Starts the threads. `secret` turns a reference into what it names.
    pub fn start(config: &ToolsConfig, secret: impl Fn(&str) -> Result<String, String>) -> Result<Self, ToolsError> {
        let mut hosts = BTreeMap::new();
        for (name, host) in &config.hosts {
            let mut secrets = BTreeMap::new();
            for (key, reference) in &host.secrets {
                let wrong = |what| ToolsError::Secret { host: name.clone(), name: key.clone(), what };
                secrets.insert(key.clone(), secret(reference.reveal()).map_err(wrong)?.into());
            }
            hosts.insert(name.clone(), Host { base: host.base.clone(), secrets });
        }
        let (jobs, waiting) = crossbeam_channel::bounded(TOOL_QUEUE);
        let hosts = Arc::new(hosts);
        for number in 0..config.at_once.max(1) {
            let (hosts, waiting) = (hosts.clone(), waiting.clone());
            let thread = std::thread::Builder::new().name(format!("tools-{number}"));
            thread.spawn(move || work(&hosts, &waiting)).map_err(ToolsError::Thread)?;
        }
        Ok(Self { jobs, refused: Arc::default() })
    }

    /// Asks. Where nothing more can wait, the answer is given back at once.
    pub fn ask(&self, request: ToolRequest, sink: ToolSink) -> Result<(), ToolReply> {
        let refused = self.jobs.try_send(Job { request, asked: Instant::now(), sink });
        refused.map_err(|error| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let Job { request, asked, .. } = error.into_inner();
            tracing::warn!(tool = request.tool, "not asked: {TOOL_QUEUE} requests wait already");
            reply(request.id, request.tool, asked, ToolOutcome::Failed(ToolFailure::Busy))
        })
    }

    /// Requests that found no room.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

fn reply(id: crate::ids::ToolCallId, tool: String, asked: Instant, outcome: ToolOutcome) -> ToolReply {
    let ms = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
    ToolReply { id, tool, outcome, ms }
}

fn work(hosts: &BTreeMap<String, Host>, waiting: &Receiver<Job>) {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        // A connection that the other side has closed meanwhile would fail a request that must not be sent twice.
        .max_idle_connections(0)
        .user_agent(concat!("tingwa/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    while let Ok(Job { request, asked, sink }) = waiting.recv() {
        let outcome = match ask(hosts, &agent, &request, asked) {
            Ok((status, body)) => ToolOutcome::Answered { status, body: body.into() },
            Err(failure) => ToolOutcome::Failed(failure),
        };
        let reply = reply(request.id, request.tool, asked, outcome);
        tracing::debug!(tool = reply.tool, status = reply.outcome.status(), ms = reply.ms, "tool asked");
        sink(reply);
    }
}

/// Every attempt, as far as the time goes.
fn ask(
    hosts: &BTreeMap<String, Host>,
    agent: &Agent,
    request: &ToolRequest,
    asked: Instant,
) -> Result<(u16, String), ToolFailure> {
    let until = asked + request.timeout * u32::from(request.attempts);
    let host = hosts.get(&request.host).ok_or(ToolFailure::NotConfigured)?;
    let mut last = Err(ToolFailure::Late);
    for attempt in 0..request.attempts {
        if attempt > 0 {
            std::thread::sleep(PAUSE);
        }
        let left = until.saturating_duration_since(Instant::now()).min(request.timeout);
        if left.is_zero() {
            return last;
        }
        last = attempt_once(host, agent, request, left);
        let again = match &last {
            Ok((status, _)) => matches!(status, 502..=504),
            Err(failure) => matches!(failure, ToolFailure::Unreachable | ToolFailure::Late),
        };
        // The dialplan gives attempts to idempotent methods only; held here, too.
        if !again || !request.method.is_idempotent() {
            break;
        }
    }
    last
}

fn attempt_once(
    host: &Host,
    agent: &Agent,
    request: &ToolRequest,
    left: Duration,
) -> Result<(u16, String), ToolFailure> {
    let uri = format!("{}{}", host.base, request.path.reveal());
    let mut made =
        Request::builder().method(request.method.as_str()).uri(uri).header(header::ACCEPT, "application/json");
    for (name, text) in &request.headers {
        let secret =
            |field: &str| host.secrets.get(field.strip_prefix("secret:")?).map(|secret| secret.reveal().clone());
        made = made.header(name, fill(text, secret).map_err(|_| ToolFailure::NotConfigured)?);
    }
    let unsendable = |_| ToolFailure::Unsendable { name: "headers".to_owned() };
    let answer = match &request.body {
        Some(body) => {
            let made = made
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.reveal().clone())
                .map_err(unsendable)?;
            agent.run(agent.configure_request(made).timeout_global(Some(left)).build())
        }
        None => {
            let made = made.body(()).map_err(unsendable)?;
            agent.run(agent.configure_request(made).timeout_global(Some(left)).build())
        }
    };
    let mut answer = answer.map_err(|error| failure(&error))?;
    let status = answer.status().as_u16();
    let limit = u64::try_from(request.max_bytes).unwrap_or(u64::MAX);
    let body = answer.body_mut().with_config().limit(limit).read_to_vec().map_err(|error| failure(&error))?;
    Ok((status, String::from_utf8(body).map_err(|_| ToolFailure::NotJson)?))
}

fn failure(error: &ureq::Error) -> ToolFailure {
    match error {
        ureq::Error::Timeout(_) => ToolFailure::Late,
        ureq::Error::BodyExceedsLimit(_) => ToolFailure::TooLarge,
        ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed => ToolFailure::Status,
        other => {
            // Its text names the host at most.
            tracing::warn!("a tool cannot be reached: {other}");
            ToolFailure::Unreachable
        }
    }
}

#[cfg(test)]
mod tests;
