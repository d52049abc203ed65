//! Orders of calls to dialogs, and what dialogs ask for.

use std::time::Instant;

use bytes::Bytes;

use super::config::{Account, Trunk};
use super::tables::Owner;
use super::{Counter, Endpoint, INCOMING_DIALOG, Output, TimerKey};
use crate::ids::DialogId;
use crate::redact::Redacted;
use crate::sip::dialog::uac::Invitation;
use crate::sip::dialog::{Desk, Dialog, DialogInput, DialogOutput, Purpose, Standing, Uac, ask_for_a_timer};
use crate::sip::digest::client::Prover;
use crate::sip::event::{AddressedOrder, DialogEvent, DialogOrder, OutgoingTarget, SdpBody};
use crate::sip::flow::Flow;
use crate::sip::transaction::ServerInput;
use crate::wire::sip::header::{CSeq, HeaderName, NameAddr};
use crate::wire::sip::message::{Method, Request, StatusCode};
use crate::wire::sip::uri::{Host, SipUri, Uri};

/// How somebody is reached.
struct Way {
    flow: Flow,
    uri: Uri,
    /// Our address there.
    address: SipUri,
    account: Option<Account>,
}

impl Endpoint {
    pub(super) fn order(&mut self, now: Instant, order: AddressedOrder) {
        let AddressedOrder { dialog, order } = order;
        match order {
            DialogOrder::Invite { target, offer, headers } => {
                if self.dialogs.contains(dialog) || dialog.0 & INCOMING_DIALOG != 0 {
                    return self.count(Counter::LateOrder);
                }
                self.invite(now, dialog, &target, offer, headers);
            }
            DialogOrder::Refer { to, replaces } if self.dialogs.contains(dialog) => {
                match self.refer_to(&to, replaces) {
                    Some(to) => self.run_dialog(now, dialog, DialogInput::Refer(to)),
                    None => {
                        let event = DialogEvent::ReferNews { status: StatusCode::NO_SUCH_TRANSACTION.as_u16() };
                        self.out.push_back(Output::Dialog { dialog, event });
                    }
                }
            }
            order if self.dialogs.contains(dialog) => self.run_dialog(now, dialog, DialogInput::Order(order)),
            _ => self.count(Counter::LateOrder),
        }
    }

    /// `None` where the URI is none, or the dialog to be taken over is not answered.
    fn refer_to(&mut self, to: &str, replaces: Option<DialogId>) -> Option<NameAddr> {
        let Some(id) = replaces else {
            return Uri::parse(&Bytes::copy_from_slice(to.as_bytes())).ok().map(NameAddr::new);
        };
        let tag = self.dialogs.local_tag(id)?.to_owned();
        Some(self.dialogs.get(id)?.dialog.core()?.refer_to(&tag))
    }

    pub(super) fn dialog_timeout(&mut self, now: Instant, id: DialogId) {
        self.run_dialog(now, id, DialogInput::Timeout);
    }

    pub(super) fn run_dialog(&mut self, now: Instant, id: DialogId, input: DialogInput<'_>) {
        let Some(slot) = self.dialogs.get(id) else { return };
        let mut out = Vec::new();
        slot.dialog.handle(now, input, &mut Desk { author: &mut self.author, out: &mut out });
        self.perform(now, id, out);
        self.settle(id);
    }

    /// Keeps the tables in step with what a dialog has become.
    fn settle(&mut self, id: DialogId) {
        let Some(slot) = self.dialogs.get(id) else { return };
        if slot.dialog.standing() != Standing::Offered {
            self.dialogs.end_half_open(id);
        }
        let Some(slot) = self.dialogs.get(id) else { return };
        if slot.dialog.is_over() {
            let change = slot.change;
            self.dialogs.remove(id);
            self.timers.set(TimerKey::Dialog(id), None);
            // A re-INVITE that got a provisional answer would wait for ever.
            if let Some(change) = change.filter(|change| self.transactions.awaits_answer(*change)) {
                self.timers.set(TimerKey::Client(change), None);
                self.transactions.remove_client(change);
            }
        } else {
            let deadline = slot.dialog.deadline();
            self.timers.set(TimerKey::Dialog(id), deadline);
        }
    }

    fn perform(&mut self, now: Instant, id: DialogId, outputs: Vec<DialogOutput>) {
        for output in outputs {
            match output {
                DialogOutput::Tell(event) => {
                    self.live -= usize::from(event.is_last() && self.live > 0);
                    self.out.push_back(Output::Dialog { dialog: id, event });
                }
                DialogOutput::Answer { transaction, status, bytes } => {
                    self.run_server(now, transaction, ServerInput::Answer { status, bytes });
                }
                DialogOutput::Ask { request, purpose } => {
                    let Some(flow) = self.dialogs.get(id).map(|slot| slot.dialog.flow()) else { continue };
                    let client = self.start_client(now, flow, request, Owner::Dialog(id, purpose));
                    if let Some(slot) = self.dialogs.get(id) {
                        match purpose {
                            Purpose::Invite => slot.invite = Some(client),
                            Purpose::Change => slot.change = Some(client),
                            Purpose::Prack | Purpose::Refer | Purpose::Notify | Purpose::Bye | Purpose::ExtraBye => {}
                        }
                    }
                }
                DialogOutput::Cancel(purpose) => {
                    if let Some(invite) = self.dialogs.get(id).and_then(|slot| slot.client(purpose)) {
                        self.start_cancel(now, invite);
                    }
                }
                DialogOutput::Abandon(purpose) => {
                    if let Some(invite) = self.dialogs.get(id).and_then(|slot| slot.client(purpose)) {
                        self.forget_client(now, invite);
                    }
                }
                DialogOutput::Transmit(bytes) => {
                    if let Some(flow) = self.dialogs.get(id).map(|slot| slot.dialog.flow()) {
                        self.transmit(flow, bytes);
                    }
                }
            }
        }
    }

    /// An outgoing call (13.2.1).
    fn invite(
        &mut self,
        now: Instant,
        id: DialogId,
        target: &OutgoingTarget,
        offer: SdpBody,
        headers: Vec<(String, Redacted<String>)>,
    ) {
        match self.invitation(now, target, offer, headers) {
            Ok(invitation) => {
                let tag = invitation.local_tag.clone();
                let mut out = Vec::new();
                let uac = Uac::new(invitation, &mut Desk { author: &mut self.author, out: &mut out });
                self.dialogs.add(id, tag, Dialog::Uac(Box::new(uac)));
                self.live += 1;
                self.perform(now, id, out);
                self.settle(id);
            }
            Err(status) => {
                let event = DialogEvent::Refused { status: status.as_u16() };
                self.out.push_back(Output::Dialog { dialog: id, event });
            }
        }
    }

    /// How somebody is reached whom a call wants: a trunk, or a telephone of ours. Nobody else is ever dialled.
    fn way(&self, now: Instant, target: &OutgoingTarget) -> Result<Way, StatusCode> {
        if Self::is_for_phone(target) {
            let (flow, uri, address) = self.phone_target(now, target)?;
            return Ok(Way { flow, uri, address, account: None });
        }
        let trunk = self.config.trunks.iter().find(|trunk| trunk.name == target.trunk);
        let trunk = trunk.ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
        let flow = self.config.flow(trunk).ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
        let flow = self.connections.reaching(flow);
        let uri = Uri::parse(&Bytes::copy_from_slice(target.uri.as_bytes())).map_err(|_| StatusCode::BAD_REQUEST)?;
        Ok(Way { flow, uri, address: own_address(trunk)?, account: trunk.account.clone() })
    }

    /// The status is what the call is told where there is nothing to send.
    fn invitation(
        &mut self,
        now: Instant,
        target: &OutgoingTarget,
        offer: SdpBody,
        extra: Vec<(String, Redacted<String>)>,
    ) -> Result<Invitation, StatusCode> {
        if self.transactions.len() >= self.config.limits.transactions {
            self.count(Counter::TransactionsFull);
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        if self.dialogs.len() >= self.config.limits.dialogs {
            self.count(Counter::DialogsFull);
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        let Way { flow, uri, address, account } = self.way(now, target)?;
        let user = account.as_ref().map(|account| account.user.clone());
        let local_tag = self.author.token();
        let mut from = NameAddr::new(address).with_tag(&local_tag);
        if let Some(name) = &target.display_name {
            from = from.with_display(name.reveal());
        }
        let mut request = Request::new(Method::Invite, uri.clone());
        let headers = &mut request.headers;
        headers.push(HeaderName::From, from.to_bytes());
        headers.push(HeaderName::To, NameAddr::new(uri).to_bytes());
        headers.push_text(HeaderName::CallId, self.author.call_id());
        headers.push_text(HeaderName::CSeq, CSeq { number: 1, method: Method::Invite });
        headers.push(HeaderName::Contact, self.author.contact(flow, user.as_deref()));
        self.author.sign_request(&mut request);
        ask_for_a_timer(&mut request);
        for (name, value) in extra {
            let name = HeaderName::from(name.as_str());
            if name == HeaderName::MaxForwards {
                // What is left of the caller's own hops (RFC 7332): a circle of forwardings ends.
                if value.reveal() == "0" {
                    return Err(StatusCode::TOO_MANY_HOPS);
                }
                request.headers.set(name, value.into_inner());
                continue;
            }
            if !is_ours(&name) {
                request.headers.push(name, value.into_inner());
            }
        }
        request.set_body("application/sdp", Bytes::copy_from_slice(&offer));
        let prover = account.map(|account| Prover::new(account.credentials));
        Ok(Invitation { flow, request, local_tag, user, prover })
    }
}

/// Our address at a trunk.
pub(super) fn own_address(trunk: &Trunk) -> Result<SipUri, StatusCode> {
    let user = trunk.account.as_ref().map_or("tingwa", |account| account.user.as_str());
    let host = Host::parse(trunk.domain.as_bytes()).ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(SipUri::new(Some(user), host, None))
}

/// Headers that no order may set.
fn is_ours(name: &HeaderName) -> bool {
    matches!(
        name,
        HeaderName::Via
            | HeaderName::From
            | HeaderName::To
            | HeaderName::CallId
            | HeaderName::CSeq
            | HeaderName::Contact
            | HeaderName::MaxForwards
            | HeaderName::ContentLength
            | HeaderName::ContentType
            | HeaderName::Require
            | HeaderName::Supported
            | HeaderName::Allow
            | HeaderName::Authorization
            | HeaderName::ProxyAuthorization
    )
}
