//! Registration of one account to a PBX (RFC 3261 10.2): REGISTER, its challenge, 423, refresh before the end, back-off with
//! jitter after a failure, removal when the gateway drains. It never gives up.
//!
//! Not here: Path and Service-Route (RFC 3327, RFC 3608), outbound flows (RFC 5626), several contacts.

use std::mem;
use std::time::{Duration, Instant};

use super::author::Author;
use super::digest::client::{Credentials, Prover};
use super::flow::Flow;
use crate::wire::sip::header::{CSeq, Contacts, HeaderName, NameAddr};
use crate::wire::sip::message::{Method, Request, Response};
use crate::wire::sip::uri::{Scheme, SipUri, Uri};

/// First wait after a failure; doubles up to [`MAX_BACK_OFF`].
const BACK_OFF: Duration = Duration::from_secs(2);
/// Longest wait after a failure, unless the registrar asks for more.
const MAX_BACK_OFF: Duration = Duration::from_secs(120);
/// Longest wait that a registrar's Retry-After gets.
const MAX_RETRY_AFTER: u32 = 3600;

/// What is registered where.
#[derive(Clone, Debug)]
pub struct RegistrationConfig {
    /// Where REGISTER goes.
    pub flow: Flow,
    /// Address of record, `sip:6000@pbx.example`; the registrar is its host.
    pub address: SipUri,
    /// How long to ask for, seconds.
    pub expires: u32,
    /// Account.
    pub credentials: Credentials,
    /// Outbound proxy: the Route of each REGISTER.
    pub proxy: Option<SipUri>,
}

/// How a registration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrationState {
    /// The first REGISTER, or the first after a failure, is under way.
    Registering,
    /// The PBX knows us.
    Registered {
        /// For how long from now on, unless refreshed.
        expires: Duration,
    },
    /// It does not.
    Failed {
        /// SIP status; 408 where nobody answered, 503 where nothing could be sent.
        status: u16,
        /// For people.
        why: String,
        /// When the next attempt comes.
        retry_in: Duration,
    },
    /// Taken back at the end.
    Removed,
}

/// What can happen to a registration.
#[derive(Clone, Copy, Debug)]
pub enum RegistrationInput<'a> {
    /// The answer to the REGISTER under way.
    Response(&'a Response),
    /// It was not answered (408) or not sent (503).
    NoAnswer(u16),
    /// The TCP connection that the PBX would call us by is gone.
    Disconnected,
    /// The gateway drains.
    Remove,
    /// Time has passed.
    Timeout,
}

/// What a registration asks for.
#[derive(Clone, Debug)]
pub enum RegistrationOutput {
    /// Send this in a transaction of its own; it has no Via yet.
    Ask(Box<Request>),
    /// How it stands now.
    Tell(RegistrationState),
}

/// See the module.
#[derive(Debug)]
pub struct Registration {
    config: RegistrationConfig,
    prover: Prover,
    call_id: String,
    tag: String,
    seq: u32,
    failures: u32,
    state: Stage,
}

#[derive(Debug)]
enum Stage {
    /// To be registered then: at the start, and after a failure.
    Waiting {
        until: Instant,
    },
    /// REGISTER is under way. `known` while the PBX still has an earlier one.
    Asking {
        known: bool,
    },
    Registered {
        refresh: Instant,
    },
    /// REGISTER with Expires: 0 is under way.
    Removing,
    Removed,
}

impl Registration {
    /// Due at once.
    pub fn new(now: Instant, config: RegistrationConfig, author: &mut Author) -> Self {
        let prover = Prover::new(config.credentials.clone());
        let (call_id, tag) = (author.call_id(), author.token());
        Self { config, prover, call_id, tag, seq: 0, failures: 0, state: Stage::Waiting { until: now } }
    }

    /// REGISTERs go to this address from now on: the registrar has several (RFC 3263).
    pub fn goes_by(&mut self, flow: Flow) {
        self.config.flow = flow;
    }

    /// Where REGISTER goes.
    pub fn flow(&self) -> Flow {
        self.config.flow
    }

    /// When to come back.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            Stage::Waiting { until } => Some(*until),
            Stage::Registered { refresh } => Some(*refresh),
            Stage::Asking { .. } | Stage::Removing | Stage::Removed => None,
        }
    }

    /// True after it was taken back.
    pub fn is_removed(&self) -> bool {
        matches!(self.state, Stage::Removed)
    }

    /// One step.
    pub fn handle(
        &mut self,
        now: Instant,
        input: RegistrationInput<'_>,
        author: &mut Author,
        out: &mut Vec<RegistrationOutput>,
    ) {
        self.state = match mem::replace(&mut self.state, Stage::Removed) {
            Stage::Waiting { until } => self.waiting(now, input, until, author, out),
            Stage::Asking { known } => self.asking(now, input, known, author, out),
            Stage::Registered { refresh } => self.registered(now, input, refresh, author, out),
            Stage::Removing => self.removing(input, author, out),
            Stage::Removed => Stage::Removed,
        };
    }

    fn waiting(
        &mut self,
        now: Instant,
        input: RegistrationInput<'_>,
        until: Instant,
        author: &mut Author,
        out: &mut Vec<RegistrationOutput>,
    ) -> Stage {
        match input {
            RegistrationInput::Timeout if now >= until => {
                out.push(RegistrationOutput::Tell(RegistrationState::Registering));
                self.ask(self.config.expires, author, out);
                Stage::Asking { known: false }
            }
            RegistrationInput::Remove => {
                out.push(RegistrationOutput::Tell(RegistrationState::Removed));
                Stage::Removed
            }
            RegistrationInput::Timeout
            | RegistrationInput::Response(_)
            | RegistrationInput::NoAnswer(_)
            | RegistrationInput::Disconnected => Stage::Waiting { until },
        }
    }

    fn asking(
        &mut self,
        now: Instant,
        input: RegistrationInput<'_>,
        known: bool,
        author: &mut Author,
        out: &mut Vec<RegistrationOutput>,
    ) -> Stage {
        match input {
            RegistrationInput::Response(response) => self.answered(now, response, known, author, out),
            RegistrationInput::NoAnswer(status) => {
                let why = if status == 408 { "no answer" } else { "not to be reached" };
                self.failed(now, status, why.to_owned(), None, author, out)
            }
            RegistrationInput::Remove => {
                self.ask(0, author, out);
                Stage::Removing
            }
            // Its transaction fails on its own.
            RegistrationInput::Timeout | RegistrationInput::Disconnected => Stage::Asking { known },
        }
    }

    fn registered(
        &mut self,
        now: Instant,
        input: RegistrationInput<'_>,
        refresh: Instant,
        author: &mut Author,
        out: &mut Vec<RegistrationOutput>,
    ) -> Stage {
        match input {
            RegistrationInput::Timeout if now >= refresh => {
                self.ask(self.config.expires, author, out);
                Stage::Asking { known: true }
            }
            RegistrationInput::Remove => {
                self.ask(0, author, out);
                Stage::Removing
            }
            // Not at once: a PBX that closes after each REGISTER would get them without end.
            RegistrationInput::Disconnected => Stage::Registered { refresh: refresh.min(now + BACK_OFF) },
            RegistrationInput::Timeout | RegistrationInput::Response(_) | RegistrationInput::NoAnswer(_) => {
                Stage::Registered { refresh }
            }
        }
    }

    fn removing(
        &mut self,
        input: RegistrationInput<'_>,
        author: &mut Author,
        out: &mut Vec<RegistrationOutput>,
    ) -> Stage {
        match input {
            RegistrationInput::Response(response) if !response.status.is_final() || !self.is_current(response) => {
                return Stage::Removing;
            }
            RegistrationInput::Response(response)
                if matches!(response.status.as_u16(), 401 | 407) && self.prover.challenged(response) =>
            {
                self.ask(0, author, out);
                return Stage::Removing;
            }
            RegistrationInput::Remove | RegistrationInput::Timeout | RegistrationInput::Disconnected => {
                return Stage::Removing;
            }
            RegistrationInput::Response(_) | RegistrationInput::NoAnswer(_) => {}
        }
        out.push(RegistrationOutput::Tell(RegistrationState::Removed));
        Stage::Removed
    }

    fn answered(
        &mut self,
        now: Instant,
        response: &Response,
        known: bool,
        author: &mut Author,
        out: &mut Vec<RegistrationOutput>,
    ) -> Stage {
        // An answer to an earlier REGISTER of ours says nothing about this one.
        if !self.is_current(response) {
            return Stage::Asking { known };
        }
        match response.status.as_u16() {
            ..200 => Stage::Asking { known },
            200..300 => {
                self.prover.satisfied();
                self.failures = 0;
                let seconds = self.granted(response, author).max(1);
                let expires = Duration::from_secs(u64::from(seconds));
                out.push(RegistrationOutput::Tell(RegistrationState::Registered { expires }));
                Stage::Registered { refresh: now + refresh_after(expires, author) }
            }
            401 | 407 if self.prover.challenged(response) => {
                self.ask(self.config.expires, author, out);
                Stage::Asking { known }
            }
            423 => match response.headers.min_expires().ok().flatten() {
                Some(least) if least > self.config.expires => {
                    self.config.expires = least;
                    self.ask(least, author, out);
                    Stage::Asking { known }
                }
                _ => self.failed(now, 423, "interval too brief, no longer one named".to_owned(), None, author, out),
            },
            status => {
                let reason = String::from_utf8_lossy(&response.reason).into_owned();
                let wait = response.headers.retry_after().ok().flatten();
                let wait = wait.map(|wait| Duration::from_secs(u64::from(wait.seconds.min(MAX_RETRY_AFTER))));
                self.failed(now, status, reason, wait, author, out)
            }
        }
    }

    fn is_current(&self, response: &Response) -> bool {
        response.headers.cseq().is_ok_and(|cseq| cseq.number == self.seq)
    }

    /// How long the registrar keeps our contact, seconds.
    fn granted(&self, response: &Response, author: &Author) -> u32 {
        let ours = author.uri(self.config.flow, self.config.address.user_decoded().as_deref(), false);
        let own = match response.headers.contacts() {
            Ok(Contacts::List(list)) => list.into_iter().find(|contact| {
                contact.uri.as_sip().is_some_and(|uri| {
                    uri.user == ours.user && uri.host.equivalent(&ours.host) && uri.port == ours.port
                })
            }),
            Ok(Contacts::Star) | Err(_) => None,
        };
        let own = own.and_then(|contact| contact.params.text("expires").and_then(|text| text.parse().ok()));
        own.or(response.headers.expires().ok().flatten()).unwrap_or(self.config.expires)
    }

    fn failed(
        &mut self,
        now: Instant,
        status: u16,
        why: String,
        wait: Option<Duration>,
        author: &mut Author,
        out: &mut Vec<RegistrationOutput>,
    ) -> Stage {
        self.prover.satisfied();
        let doubled = BACK_OFF.saturating_mul(1 << self.failures.min(10)).min(MAX_BACK_OFF);
        self.failures += 1;
        // Between half and all of it, so that gateways that lost their PBX together do not come back together.
        let half = u32::try_from(doubled.as_millis() / 2).unwrap_or(u32::MAX).max(1);
        let jittered = doubled / 2 + Duration::from_millis(u64::from(author.below(half)));
        let retry_in = wait.map_or(jittered, |wait| wait.max(jittered));
        out.push(RegistrationOutput::Tell(RegistrationState::Failed { status, why, retry_in }));
        Stage::Waiting { until: now + retry_in }
    }

    fn ask(&mut self, expires: u32, author: &mut Author, out: &mut Vec<RegistrationOutput>) {
        self.seq += 1;
        let RegistrationConfig { flow, address, .. } = &self.config;
        let mut registrar = address.clone();
        registrar.user = None;
        registrar.scheme = Scheme::Sip;
        let mut request = Request::new(Method::Register, Uri::Sip(registrar));
        let own = NameAddr::new(address.clone());
        let contact = author.contact(*flow, address.user_decoded().as_deref(), false);
        let headers = &mut request.headers;
        if let Some(proxy) = &self.config.proxy {
            headers.push(HeaderName::Route, NameAddr::new(proxy.clone()).to_bytes());
        }
        headers.push(HeaderName::From, own.clone().with_tag(&self.tag).to_bytes());
        headers.push(HeaderName::To, own.to_bytes());
        headers.push_text(HeaderName::CallId, &self.call_id);
        headers.push_text(HeaderName::CSeq, CSeq { number: self.seq, method: Method::Register });
        headers.push(HeaderName::Contact, contact);
        headers.push_text(HeaderName::Expires, expires);
        author.sign_request(&mut request);
        self.prover.sign(&mut request, author);
        out.push(RegistrationOutput::Ask(Box::new(request)));
    }
}

/// About 90 % of the time, less a few seconds for a REGISTER that has to be repeated; never less than half.
fn refresh_after(expires: Duration, author: &mut Author) -> Duration {
    let early = Duration::from_secs(5) + expires.mul_f64(f64::from(author.below(50)) / 1000.0);
    expires.mul_f64(0.9).saturating_sub(early).max(expires / 2)
}

#[cfg(test)]
mod tests;
