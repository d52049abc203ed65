//! Who a new request comes from: a trunk by its address, somebody with an account by digest (RFC 3261 22), or a stranger. What is
//! held against strangers, and what becomes of those who go on.

use std::time::Instant;

use super::checks::Refusal;
use super::config::{Account, EndpointConfig, PHONES, Phone, Trunk, UnknownSource};
use super::request::Arrival;
use super::{Counter, Endpoint, Output};
use crate::sip::digest::client::{Asked, Credentials};
use crate::sip::digest::server::{DigestServer, Verdict};
use crate::sip::flow::Flow;
use crate::sip::shield::{Shield, Strike};
use crate::wire::sip::header::HeaderName;
use crate::wire::sip::message::{Method, Request, StatusCode};

/// Who a new request comes from.
pub(super) enum Source {
    Peer(Peer),
    Refused(Refusal),
    Ignored,
}

/// Somebody who may ask for something, by the place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Trunk(usize),
    Phone(usize),
}

/// What is asked for a proof, and who is not listened to.
pub(super) struct Gate {
    pub(super) digest: DigestServer,
    pub(super) shield: Shield,
}

/// What counts of a peer when it calls.
pub(super) struct PeerFacts<'a> {
    pub(super) name: &'a str,
    pub(super) trusted: bool,
    pub(super) account: Option<&'a Account>,
    /// Header fields that go into the journal and on to an agent.
    pub(super) keep: &'a [HeaderName],
    /// The number that is proved, where one is.
    pub(super) number: Option<&'a str>,
}

impl Peer {
    pub(super) fn facts<'a>(self, trunks: &'a [Trunk], phones: &'a [Phone]) -> Option<PeerFacts<'a>> {
        match self {
            Self::Trunk(place) => {
                let Trunk { name, trusted, account, policy, .. } = trunks.get(place)?;
                let (keep, account) = (policy.headers.keep.as_slice(), account.as_ref());
                Some(PeerFacts { name, trusted: *trusted, account, keep, number: None })
            }
            Self::Phone(place) => {
                let number = Some(phones.get(place)?.credentials.username.as_str());
                Some(PeerFacts { name: PHONES, trusted: false, account: None, keep: &[], number })
            }
        }
    }
}

impl Endpoint {
    /// The trunk whose list allows a source.
    pub(super) fn trunk_of(&self, flow: Flow) -> Option<&Trunk> {
        self.config.trunk_of(flow)
    }

    /// True where a trunk is at this address, whether its calls are taken or not.
    pub(super) fn is_peer(&self, flow: Flow) -> bool {
        self.trunk_of(flow).is_some() || self.trunks.states.iter().any(|state| state.is_at(flow.remote.ip()))
    }

    /// True for somebody to whom nothing is said.
    pub(super) fn is_stranger(&self, flow: Flow) -> bool {
        let silent = self.config.unknown == UnknownSource::Silence;
        silent && !self.is_peer(flow) && !self.config.is_phones_network(flow)
    }

    /// True where a new request of this source is not looked at any more.
    pub(super) fn is_shut_out(&mut self, now: Instant, flow: Flow) -> bool {
        let shut = self.gate.shield.is_shut_out(now, flow.remote.ip());
        if shut {
            self.count(Counter::ShutOut);
        }
        shut
    }

    /// Holds something against a source. Never against a trunk's address, nor where a telephone is registered: there, one
    /// wrong password would take others along; the user's own waiting time must do.
    pub(super) fn strike(&mut self, now: Instant, flow: Flow, strike: Strike) {
        if self.is_peer(flow) || self.registrar.is_at(flow.remote.ip()) {
            return;
        }
        if let Some(shut_out) = self.gate.shield.strike(now, flow.remote.ip(), strike) {
            self.out.push_back(Output::ShutOut(shut_out));
            if flow.transport.is_connected() {
                self.out.push_back(Output::Close { flow });
                self.flow_closed(now, flow);
            }
        }
    }

    /// Who a request comes from; what it does to a stranger's record.
    pub(super) fn source(&mut self, now: Instant, arrival: &Arrival) -> Source {
        let flow = arrival.flow;
        let trunk = self.config.trunks.iter().position(|trunk| trunk.allows(flow));
        if let Some(trunk) = trunk {
            return Source::Peer(Peer::Trunk(trunk));
        }
        if self.is_shut_out(now, flow) {
            return Source::Ignored;
        }
        let phones = self.config.is_phones_network(flow);
        let given = arrival.request.headers.credentials(&HeaderName::Authorization);
        let realm = self.config.realm.as_bytes();
        let own = given.iter().find(|params| params.get("realm") == Some(realm));
        let silent = !phones && self.is_stranger(flow);
        if silent && own.is_none() {
            self.strike(now, flow, Strike::Try);
            return Source::Ignored;
        }
        if !phones && self.config.trunks.iter().all(|trunk| trunk.callers.is_empty()) {
            self.strike(now, flow, Strike::Try);
            return if silent { Source::Ignored } else { Source::Refused(Refusal::new(StatusCode::FORBIDDEN)) };
        }
        if phones && let Some(refusal) = unregistrable(&arrival.request) {
            self.strike(now, flow, Strike::Try);
            return Source::Refused(refusal);
        }
        let user = own.and_then(|own| own.text("username")).unwrap_or_default().to_owned();
        if let Some(wait) = self.gate.shield.wait_of(now, &user).filter(|_| !self.registrar.is_at(flow.remote.ip())) {
            self.count(Counter::Guessed);
            self.strike(now, flow, Strike::Try);
            let later = Refusal::new(StatusCode::SERVICE_UNAVAILABLE);
            let seconds = (wait.as_secs() + 1).to_string();
            return if silent { Source::Ignored } else { Source::Refused(later.with(HeaderName::RetryAfter, seconds)) };
        }
        let request = &arrival.request;
        let uri = request.uri.to_string();
        let asked = Asked { method: request.method.as_str(), uri: &uri, body: &request.body };
        let config = &self.config;
        let verdict = self.gate.digest.judge(now, flow.remote.ip(), own, &asked, |name| config.password(name, flow));
        self.judged(now, flow, verdict, user, silent)
    }

    fn judged(&mut self, now: Instant, flow: Flow, verdict: Verdict, user: String, silent: bool) -> Source {
        let stale = match verdict {
            Verdict::Passed { username } => {
                self.gate.shield.forgive(flow.remote.ip());
                self.gate.shield.knew(&username);
                return self.config.account(&username, flow).map_or(Source::Ignored, Source::Peer);
            }
            Verdict::Wrong => {
                self.count(Counter::Guessed);
                self.gate.shield.guessed(now, &user);
                self.strike(now, flow, Strike::Try);
                false
            }
            Verdict::Challenge { stale } => {
                self.strike(now, flow, Strike::Challenge);
                stale
            }
        };
        if silent || self.gate.shield.is_shut_out(now, flow.remote.ip()) {
            return Source::Ignored;
        }
        let mut refusal = Refusal::new(StatusCode::UNAUTHORIZED);
        for challenge in self.gate.digest.challenges(now, flow.remote.ip(), stale) {
            refusal = refusal.with(HeaderName::WwwAuthenticate, challenge.to_bytes());
        }
        Source::Refused(refusal)
    }
}

/// A REGISTER for what can be no telephone of ours, whoever asks (RFC 3261 10.3, 5; RFC 4475 3.3.4).
fn unregistrable(request: &Request) -> Option<Refusal> {
    let sip = request.headers.to().is_ok_and(|to| to.uri.as_sip().is_some());
    (request.method == Method::Register && !sip).then(|| Refusal::new(StatusCode::BAD_REQUEST))
}

impl Trunk {
    fn allows(&self, flow: Flow) -> bool {
        self.allow.iter().any(|network| network.contains(flow.remote.ip()))
    }
}

impl EndpointConfig {
    /// Whose account this is: a telephone's, where it may come from here, or that of a trunk's caller.
    fn account(&self, username: &str, flow: Flow) -> Option<Peer> {
        let is = |account: &Credentials| account.username == username;
        self.phone(username, flow).map(Peer::Phone).or_else(|| {
            let trunk = self.trunks.iter().position(|trunk| trunk.callers.iter().any(is))?;
            Some(Peer::Trunk(trunk))
        })
    }

    fn password(&self, username: &str, flow: Flow) -> Option<&crate::redact::Redacted<String>> {
        match self.account(username, flow)? {
            Peer::Phone(place) => self.phones.get(place).map(|phone| &phone.credentials.password),
            Peer::Trunk(place) => {
                let callers = &self.trunks.get(place)?.callers;
                callers.iter().find(|account| account.username == username).map(|account| &account.password)
            }
        }
    }
}
