//! The endpoint's trunks: looks their names up, asks them by OPTIONS whether they are there, counts their calls, says when one is down
//! and when it is up again. How one fares is [`crate::sip::trunk::state`]'s business.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;

use super::attempts::Attempt;
use super::config::{EndpointConfig, Trunk};
use super::tables::Owner;
use super::{Counter, Endpoint, Output, TimerKey};
use crate::ids::DialogId;
use crate::sip::flow::Flow;
use crate::sip::trunk::state::{Direction, Due};
use crate::sip::trunk::{Located, Target, TrunkState};
use crate::wire::sip::header::{CSeq, HeaderName, NameAddr};
use crate::wire::sip::message::{Method, Request, Response, StatusCode};
use crate::wire::sip::uri::{Host, Scheme, SipUri, Uri};

/// How they fare, and the INVITEs that look for a way.
#[derive(Default)]
pub(super) struct Trunks {
    /// In the order of the configuration.
    pub(super) states: Vec<TrunkState>,
    /// INVITEs of ours without an answer.
    pub(super) attempts: BTreeMap<DialogId, Attempt>,
    /// Which trunk a call counts at.
    calls: BTreeMap<DialogId, usize>,
}

impl Trunks {
    pub(super) fn new(now: Instant, config: &EndpointConfig) -> Self {
        let state = |trunk: &Trunk| TrunkState::new(now, trunk.fixed(), &trunk.policy);
        Self { states: config.trunks.iter().map(state).collect(), ..Self::default() }
    }

    /// The call counts nowhere any more.
    pub(super) fn leave(&mut self, dialog: DialogId) {
        if let Some(state) = self.calls.remove(&dialog).and_then(|place| self.states.get_mut(place)) {
            state.leave();
        }
    }
}

impl Endpoint {
    /// Looks at every trunk for the first time.
    pub(super) fn start_trunks(&mut self, now: Instant) {
        for place in 0..self.config.trunks.len() {
            if self.config.trunks[place].policy.lookup.is_none() {
                self.add_registration(now, place);
            }
            self.trunk_timeout(now, place);
        }
    }

    pub(super) fn trunk_timeout(&mut self, now: Instant, place: usize) {
        let (Some(trunk), Some(state)) = (self.config.trunks.get(place), self.trunks.states.get_mut(place)) else {
            return;
        };
        for due in state.timeout(now, &trunk.policy) {
            match due {
                Due::Lookup => {
                    if let Some(lookup) = self.config.trunks[place].policy.lookup.clone() {
                        self.out.push_back(Output::Locate { trunk: place, lookup });
                    }
                }
                Due::Probe(target) => self.probe(now, place, target),
            }
        }
        self.trunk_changed(now, place);
    }

    /// DNS has answered, or has not (RFC 3263).
    pub(super) fn located(&mut self, now: Instant, place: usize, found: Option<Located>) {
        let Some(state) = self.trunks.states.get_mut(place) else { return };
        let is_found = found.is_some();
        state.located(now, found);
        if is_found {
            self.add_registration(now, place);
        }
        self.trunk_changed(now, place);
    }

    /// Says what is new of a trunk and when to look at it again.
    pub(super) fn trunk_changed(&mut self, now: Instant, place: usize) {
        let (Some(trunk), Some(state)) = (self.config.trunks.get(place), self.trunks.states.get_mut(place)) else {
            return;
        };
        if let Some(health) = state.news(now) {
            self.out.push_back(Output::Trunk { trunk: trunk.name.clone(), health });
        }
        self.timers.set(TimerKey::Trunk(place), state.deadline());
    }

    /// Where requests outside of dialogs go: an address that is up, else one that may be.
    pub(super) fn way(&mut self, now: Instant, place: usize) -> Option<Flow> {
        let state = self.trunks.states.get(place)?;
        let author = &mut self.author;
        let mut targets = state.targets(now, false, |below| author.below(below));
        targets.extend(state.targets(now, true, |below| author.below(below)));
        let config = &self.config;
        targets.into_iter().find_map(|target| config.flow_to(target.transport, target.address))
    }

    /// An answer came from an address of a trunk.
    pub(super) fn trunk_answered(&mut self, now: Instant, place: usize, flow: Flow, response: &Response) {
        let Some(state) = self.trunks.states.get_mut(place) else { return };
        state.answered(flow.remote);
        if response.status == StatusCode::SERVICE_UNAVAILABLE
            && let Ok(Some(wait)) = response.headers.retry_after()
        {
            state.asked_for_rest(now, flow.remote, wait.seconds);
        }
        self.trunk_changed(now, place);
    }

    /// No answer came, or nothing could be sent.
    pub(super) fn trunk_failed(&mut self, now: Instant, place: usize, flow: Flow) {
        let (Some(trunk), Some(state)) = (self.config.trunks.get(place), self.trunks.states.get_mut(place)) else {
            return;
        };
        state.failed(now, flow.remote, &trunk.policy);
        self.trunk_changed(now, place);
    }

    /// One call more at a trunk; false where it has enough.
    pub(super) fn enter_trunk(&mut self, now: Instant, place: usize, dialog: DialogId, direction: Direction) -> bool {
        let (Some(trunk), Some(state)) = (self.config.trunks.get(place), self.trunks.states.get_mut(place)) else {
            return false;
        };
        let entered = state.enter(now, &trunk.policy, direction).is_ok();
        if entered {
            self.trunks.calls.insert(dialog, place);
        } else {
            self.count(Counter::TrunkFull);
        }
        entered
    }

    fn probe(&mut self, now: Instant, place: usize, target: Target) {
        let Some(flow) = self.config.flow_to(target.transport, target.address) else { return };
        let flow = self.connections.reaching(flow);
        let Some(trunk) = self.config.trunks.get(place) else { return };
        let (Ok(own), Ok(there)) = (own_address(trunk), trunk.address_of(None)) else { return };
        let proxy = trunk.policy.proxy.clone();
        let mut request = Request::new(Method::Options, Uri::Sip(there.clone()));
        let headers = &mut request.headers;
        push_route(headers, proxy);
        headers.push(HeaderName::From, NameAddr::new(own).with_tag(&self.author.token()).to_bytes());
        headers.push(HeaderName::To, NameAddr::new(there).to_bytes());
        headers.push_text(HeaderName::CallId, self.author.call_id());
        headers.push_text(HeaderName::CSeq, CSeq { number: 1, method: Method::Options });
        self.author.sign_request(&mut request);
        self.start_client(now, flow, Box::new(request), Owner::Probe(place));
    }

    /// A probe could not be sent: that is no answer, too. One that waits is counted when the next is sent.
    pub(super) fn probe_failed(&mut self, now: Instant, place: usize, flow: Flow) {
        let (Some(trunk), Some(state)) = (self.config.trunks.get(place), self.trunks.states.get_mut(place)) else {
            return;
        };
        state.probe_failed(flow.remote, &trunk.policy);
        self.trunk_changed(now, place);
    }
}

impl Trunk {
    /// Where it is, where that needs no look-up.
    fn fixed(&self) -> Option<Target> {
        let target = Target { transport: self.transport, address: self.address, rank: 0, weight: 0 };
        self.policy.lookup.is_none().then_some(target)
    }

    /// An address of somebody there, or of the trunk itself.
    pub(super) fn address_of(&self, user: Option<&str>) -> Result<SipUri, StatusCode> {
        let host = Host::parse(self.domain.as_bytes()).ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
        let mut uri = SipUri::new(user, host, self.policy.port);
        if self.policy.secure {
            uri.scheme = Scheme::Sips;
        }
        Ok(uri)
    }
}

/// Our address at a trunk.
pub(super) fn own_address(trunk: &Trunk) -> Result<SipUri, StatusCode> {
    let user = trunk.account.as_ref().map_or("tingwa", |account| account.user.as_str());
    let host = Host::parse(trunk.domain.as_bytes()).ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(SipUri::new(Some(user), host, None))
}

/// The first Route of a request: an outbound proxy (RFC 3261 8.1.2).
pub(super) fn push_route(headers: &mut crate::wire::sip::message::Headers, proxy: Option<SipUri>) {
    if let Some(proxy) = proxy {
        headers.push(HeaderName::Route, NameAddr::new(proxy).to_bytes());
    }
}

/// `sips:` where the trunk is secure; the trunk's own host where a group was dialled.
pub(super) fn request_uri(trunk: &Trunk, dialled: &str, by_group: bool) -> Result<Uri, StatusCode> {
    let mut uri = Uri::parse(&Bytes::copy_from_slice(dialled.as_bytes())).map_err(|_| StatusCode::BAD_REQUEST)?;
    if let Uri::Sip(sip) = &mut uri {
        if by_group {
            let there = trunk.address_of(None)?;
            (sip.host, sip.port) = (there.host, there.port);
        }
        if trunk.policy.secure {
            sip.scheme = Scheme::Sips;
        }
    }
    Ok(uri)
}
