//! Requests on their way to a transaction, a dialog or a refusal.

use std::sync::Arc;
use std::time::Instant;

use super::checks::{self, Refusal};
use super::particulars::{particulars, reason};
use super::source::{Peer, PeerFacts, Source};
use super::{Admission, Counter, Endpoint, INCOMING_DIALOG, Output};
use crate::ids::DialogId;
use crate::redact::Redacted;
use crate::sip::dialog::{Dialog, DialogInput, Standing, Uas};
use crate::sip::event::{DialogEvent, IncomingInvite, Reason, SdpBody};
use crate::sip::flow::Flow;
use crate::sip::shield::Strike;
use crate::sip::transaction::key::{MergeKey, ServerKey};
use crate::sip::transaction::{ServerInput, ServerInvite, ServerOther, ServerTransaction};
use crate::sip::trunk::state::Direction;
use crate::wire::sip::header::{HeaderName, Via};
use crate::wire::sip::message::{Method, Request, StatusCode};
use crate::wire::sip::uri::Uri;

/// Where answers go (18.2.2, RFC 3581 4), but for `maddr`.
pub(super) fn reply_flow(flow: Flow, via: &Via) -> Flow {
    if flow.transport.is_connected() || via.rport().is_some() {
        return flow;
    }
    flow.to(std::net::SocketAddr::new(flow.remote.ip(), via.port.unwrap_or(flow.transport.default_port())))
}

/// A request, where its answers go, and what its transaction is known by.
pub(super) struct Arrival {
    pub(super) request: Request,
    pub(super) flow: Flow,
    pub(super) reply: Flow,
    via: Via,
    pub(super) key: ServerKey,
}

impl Endpoint {
    pub(super) fn request(&mut self, now: Instant, flow: Flow, mut request: Request) {
        let Ok(mut via) = request.headers.via() else { return self.count(Counter::Unreadable) };
        via.set_source(flow.remote);
        request.headers.replace_first_value(&HeaderName::Via, &via.to_bytes());
        let key = ServerKey::of(&request, &via);
        if let Some(id) = self.transactions.find_server(&key) {
            if request.method != Method::Ack {
                self.run_server(now, id, ServerInput::Repeated);
            } else if self.run_server(now, id, ServerInput::Ack) {
                self.ack(now, &request);
            }
            return;
        }
        self.note_alias(flow, &via);
        let reply = reply_flow(flow, &via);
        let arrival = Arrival { request, flow, reply, via, key };
        match arrival.request.method {
            Method::Ack => self.ack(now, &arrival.request),
            Method::Cancel => self.cancel(now, &arrival),
            _ if arrival.request.headers.to().is_ok_and(|to| to.tag().is_some()) => self.within_dialog(now, arrival),
            _ => self.new_request(now, arrival),
        }
    }

    /// The dialog that a request names.
    fn dialog_of(&self, request: &Request) -> Option<DialogId> {
        let to = request.headers.to().ok()?;
        let from = request.headers.from().ok()?;
        let call_id = request.headers.get(&HeaderName::CallId)?;
        self.dialogs.find(to.tag()?, call_id, from.tag().unwrap_or_default())
    }

    /// An ACK that no transaction swallowed: one to a 2xx, or to a refusal that was sent without a transaction.
    fn ack(&mut self, now: Instant, request: &Request) {
        match self.dialog_of(request) {
            Some(id) => self.run_dialog(now, id, DialogInput::Ack(request)),
            None => self.count(Counter::StrayAck),
        }
    }

    /// Answered without a transaction: a repeated CANCEL finds its INVITE again.
    fn cancel(&mut self, now: Instant, arrival: &Arrival) {
        let key = ServerKey::of_cancelled(&arrival.request, &arrival.via);
        let found = self.transactions.find_server(&key);
        let Some((id, dialog)) = found.and_then(|id| Some((id, self.transactions.server(id)?.dialog))) else {
            return self.know_nothing_of(now, arrival);
        };
        let tag = match self.dialogs.local_tag(dialog) {
            Some(tag) => tag.to_owned(),
            None => self.stateless_tag(&arrival.request),
        };
        let answer = self.author.answer(&arrival.request, StatusCode::OK, Some(&tag));
        self.transmit(arrival.reply, answer.to_bytes());
        // Of an INVITE that sets up a call; a cancelled re-INVITE ends nothing.
        if self.dialogs.get(dialog).is_some_and(|slot| slot.dialog.standing() == Standing::Offered) {
            self.tell_reason(dialog, reason(&arrival.request.headers));
        }
        self.run_dialog(now, dialog, DialogInput::Cancel { transaction: id });
    }

    /// A request for a dialog or a transaction that is not (or no more): 481, but nothing to strangers.
    fn know_nothing_of(&mut self, now: Instant, arrival: &Arrival) {
        if self.is_stranger(arrival.flow) {
            self.count(Counter::UnknownSource);
            return self.strike(now, arrival.flow, Strike::Try);
        }
        if self.is_peer(arrival.flow) || !self.is_shut_out(now, arrival.flow) {
            self.refuse(arrival, Refusal::new(StatusCode::NO_SUCH_TRANSACTION));
        }
    }

    fn tell_reason(&mut self, dialog: DialogId, reason: Option<Reason>) {
        if let Some(reason) = reason {
            self.out.push_back(Output::Dialog { dialog, event: DialogEvent::Because(reason) });
        }
    }

    fn within_dialog(&mut self, now: Instant, arrival: Arrival) {
        let Some(dialog) = self.dialog_of(&arrival.request) else {
            return self.know_nothing_of(now, &arrival);
        };
        let limit = self.config.limits.transactions;
        if self.transactions.len() >= limit + limit / 4 {
            self.count(Counter::TransactionsFull);
            return self.turn_away(&arrival);
        }
        let reliability = arrival.flow.transport.reliability();
        let machine = match arrival.request.method {
            Method::Invite => ServerTransaction::Invite(ServerInvite::new(reliability)),
            _ => ServerTransaction::Other(ServerOther::new(reliability)),
        };
        let transaction = self.transactions.add_server(arrival.key, None, machine, arrival.reply, dialog);
        let request = Arc::new(arrival.request);
        if request.method == Method::Bye {
            self.tell_reason(dialog, reason(&request.headers));
        }
        self.run_dialog(now, dialog, DialogInput::Request { transaction, request: &request });
    }

    fn new_request(&mut self, now: Instant, arrival: Arrival) {
        let peer = match self.source(now, &arrival) {
            Source::Peer(peer) => peer,
            Source::Refused(refusal) => {
                self.count(Counter::UnknownSource);
                return self.refuse(&arrival, refusal);
            }
            Source::Ignored => return self.count(Counter::UnknownSource),
        };
        if self.admission != Admission::Open && matches!(arrival.request.method, Method::Invite | Method::Options) {
            self.count(Counter::TurnedAway);
            return self.turn_away(&arrival);
        }
        let merge = MergeKey::of(&arrival.request);
        let merged = merge.as_ref().is_some_and(|key| self.transactions.is_merged(key));
        let looped = arrival.request.method == Method::Invite && self.is_ours(&arrival.request);
        if let Some(refusal) = checks::refusal(&arrival.request, merged || looped, self.config.limits.body) {
            return self.refuse(&arrival, refusal);
        }
        match (&arrival.request.method, peer) {
            (Method::Options, _) => {
                let tag = self.stateless_tag(&arrival.request);
                let answer = self.author.answer(&arrival.request, StatusCode::OK, Some(&tag));
                self.transmit(arrival.reply, answer.to_bytes());
            }
            (Method::Register, Peer::Phone(phone)) => self.register(now, phone, arrival),
            (Method::Register, Peer::Trunk(_)) => self.refuse(&arrival, Refusal::new(StatusCode::METHOD_NOT_ALLOWED)),
            _ => self.new_call(now, peer, arrival, merge),
        }
    }

    /// True for an INVITE of ours that proxies have led back to us (RFC 3261 16.3, 4): it has a Via of a transaction of ours, or
    /// our tag in From. Nobody is served by a hotline that calls a hotline.
    fn is_ours(&self, request: &Request) -> bool {
        let vias = request.headers.vias().unwrap_or_default();
        let sent = |via: &Via| via.branch().is_some_and(|branch| self.transactions.has_sent(branch, &Method::Invite));
        let from = request.headers.from().ok();
        let call_id = request.headers.get(&HeaderName::CallId);
        let tag = from.as_ref().and_then(|from| from.tag());
        vias.iter().skip(1).any(sent)
            || tag.zip(call_id).is_some_and(|(tag, call_id)| self.dialogs.has_called(tag, call_id))
    }

    /// What a new call has to wait for.
    fn full(&self, peer: Peer, flow: Flow) -> Option<Counter> {
        let limits = &self.config.limits;
        let each = match peer {
            Peer::Trunk(_) => limits.half_open_per_source,
            Peer::Phone(_) => limits.half_open_per_phone,
        };
        let source = flow.remote.ip();
        if self.transactions.len() >= limits.transactions {
            Some(Counter::TransactionsFull)
        } else if self.dialogs.len() >= limits.dialogs {
            Some(Counter::DialogsFull)
        } else {
            let full = self.dialogs.half_open() >= limits.half_open || self.dialogs.half_open_of(source) >= each;
            full.then_some(Counter::HalfOpenFull)
        }
    }

    fn new_call(&mut self, now: Instant, peer: Peer, arrival: Arrival, merge: Option<MergeKey>) {
        if let Some(counter) = self.full(peer, arrival.flow) {
            self.count(counter);
            return self.turn_away(&arrival);
        }
        let replaced = match self.replaces(&arrival.request, peer) {
            Ok(replaced) => replaced,
            Err(refusal) => return self.refuse(&arrival, refusal),
        };
        self.next_dialog += 1;
        let dialog = DialogId(INCOMING_DIALOG | self.next_dialog);
        if let Peer::Trunk(trunk) = peer
            && !self.enter_trunk(now, trunk, dialog, Direction::In)
        {
            return self.turn_away(&arrival);
        }
        let Arrival { request, flow, reply, key, .. } = arrival;
        let machine = ServerTransaction::Invite(ServerInvite::new(flow.transport.reliability()));
        let transaction = self.transactions.add_server(key, merge, machine, reply, dialog);
        let trying = self.author.answer(&request, StatusCode::TRYING, None).to_bytes();
        self.run_server(now, transaction, ServerInput::Answer { status: 100, bytes: trying });
        let request = Arc::new(request);
        let Some(peer) = peer.facts(&self.config.trunks, &self.config.phones) else { return };
        let credentials = peer.account.map(|account| account.credentials.clone());
        let incoming = incoming(dialog, &peer, flow, &request);
        let tag = self.author.token();
        // In-dialog requests of ours go where answers go: without rport, the peer does not listen where it sends from.
        match Uas::new(reply, Arc::clone(&request), transaction, tag.clone(), credentials) {
            Some(uas) => {
                self.dialogs.add(dialog, tag, Dialog::Uas(Box::new(uas)));
                self.dialogs.begin_half_open(dialog, flow.remote.ip());
                self.live += 1;
                self.out.push_back(match replaced {
                    Some(replaced) => {
                        let event = DialogEvent::Replaced { by: dialog, offer: incoming.offer };
                        Output::Dialog { dialog: replaced, event }
                    }
                    None => Output::Incoming(incoming),
                });
            }
            None => {
                self.trunks.leave(dialog);
                let bytes = self.author.answer(&request, StatusCode::BAD_REQUEST, Some(&tag)).to_bytes();
                self.run_server(now, transaction, ServerInput::Answer { status: 400, bytes });
            }
        }
    }

    /// The dialog whose place an INVITE wants (RFC 3891 3). Only the trunk that has it may give it away; telephones of ours are
    /// no trunk, and none takes another's call.
    fn replaces(&mut self, request: &Request, peer: Peer) -> Result<Option<DialogId>, Refusal> {
        if !request.headers.contains(&HeaderName::Replaces) {
            return Ok(None);
        }
        let Peer::Trunk(trunk) = peer else { return Err(Refusal::new(StatusCode::FORBIDDEN)) };
        let Ok(Some(replaces)) = request.headers.replaces() else {
            return Err(Refusal::new(StatusCode::BAD_REQUEST));
        };
        let found = self.dialogs.find(&replaces.to_tag, replaces.call_id.as_bytes(), &replaces.from_tag);
        let slot = found.and_then(|id| Some((id, self.dialogs.get(id)?)));
        let Some((id, slot)) = slot else { return Err(Refusal::new(StatusCode::NO_SUCH_TRANSACTION)) };
        let (standing, flow) = (slot.dialog.standing(), slot.dialog.flow());
        if self.config.trunk_of(flow).map(|trunk| &trunk.name) != self.config.trunks.get(trunk).map(|trunk| &trunk.name)
        {
            return Err(Refusal::new(StatusCode::FORBIDDEN));
        }
        match standing {
            Standing::Up if replaces.early_only => Err(Refusal::new(StatusCode::BUSY_HERE)),
            Standing::Up | Standing::Ringing => Ok(Some(id)),
            Standing::Offered => Err(Refusal::new(StatusCode::NO_SUCH_TRANSACTION)),
            Standing::Over => Err(Refusal::new(StatusCode::DECLINE)),
        }
    }

    pub(super) fn refuse(&mut self, arrival: &Arrival, refusal: Refusal) {
        let tag = self.stateless_tag(&arrival.request);
        let mut answer = self.author.answer(&arrival.request, refusal.status, Some(&tag));
        for (name, value) in refusal.headers {
            answer.headers.push(name, value);
        }
        self.transmit(arrival.reply, answer.to_bytes());
    }

    pub(super) fn turn_away(&mut self, arrival: &Arrival) {
        let tag = self.stateless_tag(&arrival.request);
        let seconds = self.config.limits.retry_after;
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let answer = self.author.answer_later(&arrival.request, status, Some(&tag), seconds);
        self.transmit(arrival.reply, answer.to_bytes());
    }

    /// A tag that a repeat of the request gets again (8.2.7): FNV-1a over what names it.
    pub(super) fn stateless_tag(&self, request: &Request) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325 ^ self.tag_key;
        for name in [HeaderName::CallId, HeaderName::From, HeaderName::CSeq] {
            for byte in request.headers.get(&name).into_iter().flatten() {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        format!("{hash:016x}")
    }
}

fn incoming(dialog: DialogId, peer: &PeerFacts<'_>, flow: Flow, request: &Request) -> IncomingInvite {
    let headers = &request.headers;
    let from = headers.from().ok();
    let asserted = headers.p_asserted_identity().ok().and_then(|list| list.into_iter().next());
    let caller = asserted.filter(|_| peer.trusted).or(from);
    let user = |uri: &Uri| uri.user_decoded().unwrap_or_default();
    let call_id = headers.get(&HeaderName::CallId).map(|value| String::from_utf8_lossy(value).into_owned());
    IncomingInvite {
        dialog,
        from: Redacted::from(match peer.number {
            Some(number) => number.to_owned(),
            None => caller.as_ref().map(|caller| user(&caller.uri)).unwrap_or_default(),
        }),
        display_name: caller.as_ref().and_then(|caller| caller.display_for_people()).map(Redacted::from),
        to: user(&request.uri),
        call_id: call_id.unwrap_or_default(),
        offer: crate::sip::dialog::is_sdp(request).then(|| SdpBody::from(&request.body[..])),
        trunk: Some(peer.name.to_owned()),
        trusted: peer.trusted,
        particulars: particulars(headers, peer.keep),
        source: flow.remote,
    }
}
