//! Telephones that register here: their REGISTER (RFC 3261 10.3), and how they are rung.

use std::time::Instant;

use bytes::Bytes;

use super::checks::Refusal;
use super::config::PHONES;
use super::request::Arrival;
use super::{Counter, Endpoint, INCOMING_DIALOG, Output, TimerKey};
use crate::ids::DialogId;
use crate::redact::Redacted;
use crate::sip::event::{DialogEvent, OutgoingTarget, SdpBody};
use crate::sip::flow::Flow;
use crate::sip::registrar::Refused;
use crate::sip::transaction::{ServerInput, ServerOther, ServerTransaction};
use crate::wire::sip::header::HeaderName;
use crate::wire::sip::message::{Request, StatusCode};
use crate::wire::sip::uri::{Host, SipUri, Uri};

/// Whose a transaction is that belongs to no dialog; dialogs of others count from 1.
const NO_DIALOG: DialogId = DialogId(INCOMING_DIALOG);

impl Endpoint {
    /// A REGISTER of a telephone that has proved who it is. What succeeds has a transaction: its repeat must not be taken for one
    /// out of order.
    pub(super) fn register(&mut self, now: Instant, phone: usize, arrival: Arrival) {
        if !self.is_own_address(phone, &arrival.request) {
            // 10.3, 4: nobody registers for another.
            return self.refuse(&arrival, Refusal::new(StatusCode::FORBIDDEN));
        }
        if self.transactions.len() >= self.config.limits.transactions {
            self.count(Counter::TransactionsFull);
            return self.turn_away(&arrival);
        }
        let before = self.registrar.contacts(phone);
        match self.registrar.register(now, phone, arrival.flow, &arrival.request) {
            Ok(contacts) => self.registered(now, arrival, contacts),
            Err(Refused::With(status)) => self.refuse(&arrival, Refusal::new(status)),
            Err(Refused::TooBrief { least }) => {
                let refusal = Refusal::new(StatusCode::INTERVAL_TOO_BRIEF);
                self.refuse(&arrival, refusal.with(HeaderName::MinExpires, least.to_string()));
            }
        }
        if self.registrar.contacts(phone) != before {
            self.tell_phone(phone);
        }
        self.await_expiry();
    }

    fn registered(&mut self, now: Instant, arrival: Arrival, contacts: Vec<Bytes>) {
        let tag = self.stateless_tag(&arrival.request);
        let mut answer = self.author.answer(&arrival.request, StatusCode::OK, Some(&tag));
        for contact in contacts {
            answer.headers.push(HeaderName::Contact, contact);
        }
        let Arrival { flow, reply, key, .. } = arrival;
        let machine = ServerTransaction::Other(ServerOther::new(flow.transport.reliability()));
        let transaction = self.transactions.add_server(key, None, machine, reply, NO_DIALOG);
        self.run_server(now, transaction, ServerInput::Answer { status: 200, bytes: answer.to_bytes() });
    }

    fn is_own_address(&self, phone: usize, request: &Request) -> bool {
        let user = request.headers.to().ok().and_then(|to| to.uri.user_decoded());
        self.config.phones.get(phone).is_some_and(|phone| user.as_deref() == Some(&phone.credentials.username))
    }

    pub(super) fn phones_disconnected(&mut self, flow: Flow) {
        for phone in self.registrar.disconnected(flow) {
            self.tell_phone(phone);
        }
        self.await_expiry();
    }

    pub(super) fn phones_timeout(&mut self, now: Instant) {
        for phone in self.registrar.expire(now) {
            self.tell_phone(phone);
        }
        self.await_expiry();
    }

    fn await_expiry(&mut self) {
        self.timers.set(TimerKey::Phones, self.registrar.deadline());
    }

    fn tell_phone(&mut self, phone: usize) {
        if let Some(config) = self.config.phones.get(phone) {
            let name = config.credentials.username.clone();
            self.out.push_back(Output::Phone { name, contacts: self.registrar.contacts(phone) });
        }
    }

    /// Calls a telephone of ours: there is one way, and no other is tried.
    pub(super) fn ring_phone(
        &mut self,
        now: Instant,
        id: DialogId,
        target: &OutgoingTarget,
        offer: &SdpBody,
        headers: &[(String, Redacted<String>)],
    ) {
        let invitation = match self.has_room() {
            true => self.phone_invitation(now, target, offer, headers),
            false => Err(StatusCode::SERVICE_UNAVAILABLE),
        };
        match invitation {
            Ok(invitation) => {
                self.live += 1;
                self.call(now, id, invitation);
            }
            Err(status) => {
                let event = DialogEvent::Refused { status: status.as_u16() };
                self.out.push_back(Output::Dialog { dialog: id, event });
            }
        }
    }

    /// Where a telephone of ours is to be rung: the way, the Request-URI, and who we are there. 404: there is none of this name;
    /// 480: it is not registered.
    pub(super) fn phone_target(
        &self,
        now: Instant,
        target: &OutgoingTarget,
    ) -> Result<(Flow, Uri, SipUri), StatusCode> {
        let uri = Uri::parse(&Bytes::copy_from_slice(target.uri.as_bytes())).map_err(|_| StatusCode::BAD_REQUEST)?;
        let user = uri.user_decoded();
        let named = |phone: &super::config::Phone| Some(phone.credentials.username.as_str()) == user.as_deref();
        let phone = self.config.phones.iter().position(named).ok_or(StatusCode::NOT_FOUND)?;
        let binding = self.registrar.best(now, phone).ok_or(StatusCode::TEMPORARILY_UNAVAILABLE)?;
        let host = Host::parse(self.config.realm.as_bytes());
        let host = host.unwrap_or_else(|| Host::from(self.author.address(binding.flow.local).ip()));
        Ok((binding.flow, binding.uri.clone(), SipUri::new(Some("tingwa"), host, None)))
    }

    /// True for a target that is a telephone of ours.
    pub(super) fn is_for_phone(target: &OutgoingTarget) -> bool {
        target.trunk == PHONES
    }
}
