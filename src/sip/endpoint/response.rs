//! Responses, and the steps of transactions of both kinds.

use std::time::Instant;

use bytes::Bytes;

use super::tables::Owner;
use super::{Counter, Endpoint, TimerKey};
use crate::sip::dialog::{DialogInput, Purpose};
use crate::sip::flow::Flow;
use crate::sip::registration::RegistrationInput;
use crate::sip::transaction::key::ClientKey;
use crate::sip::transaction::{ClientId, ClientInput, ClientTransaction, Effect, Effects, ServerId, ServerInput};
use crate::wire::sip::header::{CSeq, HeaderName};
use crate::wire::sip::message::{Method, Request, Response};

/// A larger request goes over TCP where the peer takes it: the path's MTU is not known (18.1.1).
const MAX_DATAGRAM: usize = 1_300;

impl Endpoint {
    pub(super) fn response(&mut self, now: Instant, response: &Response) {
        // More than one Via: it is meant for somebody behind us (8.1.3.3).
        let single = response.headers.values(&HeaderName::Via).nth(1).is_none();
        let key = ClientKey::of(response).filter(|_| single);
        let Some(id) = key.and_then(|key| self.transactions.find_client(&key)) else {
            return self.count(Counter::StrayResponse);
        };
        if let Some(slot) = self.transactions.client(id) {
            slot.fallback = None;
        }
        let input = match response.status.as_u16() {
            ..200 => ClientInput::Provisional,
            200..300 => ClientInput::Success,
            300.. => {
                let invite = self.transactions.client(id).and_then(|slot| slot.invite.as_ref());
                ClientInput::Refusal { ack: invite.map_or_else(Bytes::new, |invite| ack_to_refusal(invite, response)) }
            }
        };
        self.run_client(now, id, input, Some(response));
    }

    /// Starts a transaction for a request that has no Via yet.
    pub(super) fn start_client(
        &mut self,
        now: Instant,
        flow: Flow,
        mut request: Box<Request>,
        owner: Owner,
    ) -> ClientId {
        let branch = self.author.stamp(&mut request, flow);
        let bytes = request.to_bytes();
        let tcp = self.config.over_tcp(flow).filter(|_| bytes.len() > MAX_DATAGRAM);
        match tcp.filter(|_| !self.connections.is_udp_only(now, flow.remote)) {
            Some(tcp) => {
                let branch = self.author.restamp(&mut request, tcp);
                let bytes = request.to_bytes();
                let id = self.start_stamped(now, tcp, (request, bytes), &branch, owner);
                if let Some(slot) = self.transactions.client(id) {
                    slot.fallback = Some(flow);
                }
                id
            }
            None => self.start_stamped(now, flow, (request, bytes), &branch, owner),
        }
    }

    /// A connection could not be had for a large INVITE: it goes over UDP after all (18.1.1). Other requests are not kept.
    pub(super) fn falls_back(&mut self, now: Instant, id: ClientId) -> bool {
        let Some(slot) = self.transactions.client(id) else { return false };
        let (Some(flow), true) = (slot.fallback.take(), slot.invite.is_some()) else { return false };
        self.timers.set(TimerKey::Client(id), None);
        let Some(slot) = self.transactions.remove_client(id) else { return false };
        let Some(mut request) = slot.invite else { return false };
        self.connections.note_udp_only(now, flow.remote);
        let branch = self.author.restamp(&mut request, flow);
        let bytes = request.to_bytes();
        let client = self.start_stamped(now, flow, (request, bytes), &branch, slot.owner);
        if let Owner::Dialog(dialog, Purpose::Invite) = slot.owner
            && let Some(dialog) = self.dialogs.get(dialog)
        {
            dialog.invite = Some(client);
        }
        true
    }

    fn start_stamped(
        &mut self,
        now: Instant,
        flow: Flow,
        (request, bytes): (Box<Request>, Bytes),
        branch: &str,
        owner: Owner,
    ) -> ClientId {
        let id = self.transactions.next_client();
        let key = ClientKey::new(branch, &request.method);
        let is_invite = request.method == Method::Invite;
        let mut effects = Effects::new();
        let reliability = flow.transport.reliability();
        let machine = ClientTransaction::start(now, is_invite, bytes, reliability, &mut effects);
        self.timers.set(TimerKey::Client(id), machine.deadline().map(|(at, _)| at));
        self.transactions.add_client(id, key, machine, flow, owner, is_invite.then_some(request));
        for effect in effects {
            if let Effect::Transmit(bytes) = effect {
                self.transmit(flow, bytes);
            }
        }
        id
    }

    /// CANCEL in a transaction of its own (9.1), with the INVITE's Via.
    pub(super) fn start_cancel(&mut self, now: Instant, invite: ClientId) {
        let Some(slot) = self.transactions.client(invite) else { return };
        let flow = slot.flow;
        let Some(request) = slot.invite.as_ref().map(|invite| hop_request(invite, Method::Cancel, None)) else {
            return;
        };
        let Ok(via) = request.headers.via() else { return };
        let branch = via.branch().unwrap_or_default().to_owned();
        let bytes = request.to_bytes();
        self.start_stamped(now, flow, (Box::new(request), bytes), &branch, Owner::Nobody);
    }

    pub(super) fn client_timeout(&mut self, now: Instant, id: ClientId) {
        self.run_client(now, id, ClientInput::Timeout, None);
    }

    pub(super) fn server_timeout(&mut self, now: Instant, id: ServerId) {
        self.run_server(now, id, ServerInput::Timeout);
    }

    pub(super) fn run_client(&mut self, now: Instant, id: ClientId, input: ClientInput, response: Option<&Response>) {
        let Some(slot) = self.transactions.client(id) else { return };
        let mut effects = Effects::new();
        slot.machine.handle(now, input, &mut effects);
        let (flow, owner) = (slot.flow, slot.owner);
        self.timers.set(TimerKey::Client(id), slot.machine.deadline().map(|(at, _)| at));
        for effect in effects {
            match effect {
                Effect::Transmit(bytes) => self.transmit(flow, bytes),
                Effect::Deliver => {
                    if let Some(response) = response {
                        self.deliver(now, (owner, flow), response);
                    }
                }
                Effect::TimedOut => self.no_answer(now, (owner, flow), 408),
                Effect::Unsendable => self.no_answer(now, (owner, flow), 503),
                Effect::Ended => self.forget_client(now, id),
            }
        }
    }

    fn deliver(&mut self, now: Instant, (owner, flow): (Owner, Flow), response: &Response) {
        match owner {
            Owner::Dialog(dialog, Purpose::Invite) => {
                self.invite_heard(now, dialog, response);
                self.run_dialog(now, dialog, DialogInput::Response { purpose: Purpose::Invite, response });
            }
            Owner::Dialog(dialog, purpose) => self.run_dialog(now, dialog, DialogInput::Response { purpose, response }),
            Owner::Registration(place) => {
                if let Some(trunk) = self.registrations.get(place).map(|one| one.trunk) {
                    self.trunk_answered(now, trunk, flow, response);
                }
                self.run_registration(now, place, RegistrationInput::Response(response));
            }
            Owner::Probe(trunk) => self.trunk_answered(now, trunk, flow, response),
            Owner::Nobody => {}
        }
    }

    fn no_answer(&mut self, now: Instant, (owner, flow): (Owner, Flow), status: u16) {
        match owner {
            Owner::Dialog(dialog, Purpose::Invite) => {
                self.invite_unanswered(now, dialog);
                self.run_dialog(now, dialog, DialogInput::NoAnswer { purpose: Purpose::Invite, status });
            }
            Owner::Dialog(dialog, purpose) => self.run_dialog(now, dialog, DialogInput::NoAnswer { purpose, status }),
            Owner::Registration(place) => {
                if let Some(trunk) = self.registrations.get(place).map(|one| one.trunk) {
                    self.trunk_failed(now, trunk, flow);
                }
                self.run_registration(now, place, RegistrationInput::NoAnswer(status));
            }
            Owner::Probe(trunk) if status == 503 => self.probe_failed(now, trunk, flow),
            Owner::Probe(_) | Owner::Nobody => {}
        }
    }

    /// Takes a client transaction out and tells the dialog where it was its INVITE.
    pub(super) fn forget_client(&mut self, now: Instant, id: ClientId) {
        self.timers.set(TimerKey::Client(id), None);
        let Some(slot) = self.transactions.remove_client(id) else { return };
        if let Owner::Dialog(dialog, Purpose::Invite) = slot.owner
            && self.dialogs.get(dialog).is_some_and(|dialog| dialog.invite == Some(id))
        {
            self.run_dialog(now, dialog, DialogInput::InviteClosed);
        }
    }

    /// True where an ACK is for the dialog.
    pub(super) fn run_server(&mut self, now: Instant, id: ServerId, input: ServerInput) -> bool {
        let Some(slot) = self.transactions.server(id) else { return false };
        let mut effects = Effects::new();
        slot.machine.handle(now, input, &mut effects);
        let (reply, dialog) = (slot.reply, slot.dialog);
        self.timers.set(TimerKey::Server(id), slot.machine.deadline().map(|(at, _)| at));
        let mut deliver = false;
        for effect in effects {
            match effect {
                Effect::Transmit(bytes) => self.transmit(reply, bytes),
                Effect::Deliver => deliver = true,
                // Our refusal was never acknowledged: nothing hangs on it any more.
                Effect::TimedOut => {}
                Effect::Unsendable => {
                    self.transactions.remove_server(id);
                    self.timers.set(TimerKey::Server(id), None);
                    self.run_dialog(now, dialog, DialogInput::Unreachable);
                }
                Effect::Ended => {
                    self.transactions.remove_server(id);
                    self.timers.set(TimerKey::Server(id), None);
                }
            }
        }
        deliver
    }
}

/// ACK to a refusal (17.1.1.3).
fn ack_to_refusal(invite: &Request, response: &Response) -> Bytes {
    hop_request(invite, Method::Ack, response.headers.get(&HeaderName::To)).to_bytes()
}

/// A request that goes the way of an INVITE, hop by hop: CANCEL, or ACK with the To of the refusal.
fn hop_request(invite: &Request, method: Method, to: Option<&Bytes>) -> Request {
    let mut request = Request::new(method.clone(), invite.uri.clone());
    for header in invite.headers.iter() {
        let value = match header.name {
            HeaderName::Via
            | HeaderName::Route
            | HeaderName::From
            | HeaderName::CallId
            | HeaderName::MaxForwards
            | HeaderName::UserAgent => header.value.clone(),
            HeaderName::Authorization | HeaderName::ProxyAuthorization if method == Method::Ack => header.value.clone(),
            HeaderName::To => to.unwrap_or(&header.value).clone(),
            HeaderName::CSeq => {
                let Ok(cseq) = invite.headers.cseq() else { continue };
                request.headers.push_text(HeaderName::CSeq, CSeq { number: cseq.number, method: method.clone() });
                continue;
            }
            _ => continue,
        };
        request.headers.push(header.name.clone(), value);
    }
    request
}
