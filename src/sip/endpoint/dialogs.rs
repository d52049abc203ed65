//! Orders of calls to dialogs, and what dialogs ask for.

use std::time::Instant;

use bytes::Bytes;

use super::attempts::Attempt;
use super::config::Account;
use super::tables::Owner;
use super::trunks::{own_address, push_route, request_uri};
use super::{Counter, Endpoint, INCOMING_DIALOG, Output, TimerKey};
use crate::ids::DialogId;
use crate::redact::Redacted;
use crate::sip::dialog::uac::Invitation;
use crate::sip::dialog::{Desk, DialogInput, DialogOutput, Purpose, Standing, ask_for_a_timer, is_secure};
use crate::sip::digest::client::Prover;
use crate::sip::event::{AddressedOrder, DialogEvent, DialogOrder, OutgoingTarget, SdpBody};
use crate::sip::flow::Flow;
use crate::sip::transaction::ServerInput;
use crate::sip::trunk::policy::may_be_ruled;
use crate::wire::sip::header::{CSeq, HeaderName, NameAddr};
use crate::wire::sip::message::{Method, Request, StatusCode};
use crate::wire::sip::uri::{SipUri, Uri};

/// How somebody is reached.
struct Way {
    flow: Flow,
    uri: Uri,
    /// Our address there.
    address: SipUri,
    account: Option<Account>,
    /// Its place in the configuration; `None` for a telephone of ours.
    trunk: Option<usize>,
}

impl Endpoint {
    pub(super) fn order(&mut self, now: Instant, order: AddressedOrder) {
        let AddressedOrder { dialog, order } = order;
        match order {
            DialogOrder::Invite { target, offer, headers } => {
                if self.dialogs.contains(dialog) || dialog.0 & INCOMING_DIALOG != 0 {
                    return self.count(Counter::LateOrder);
                }
                self.invite(now, dialog, target, offer, headers);
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
            order if self.dialogs.contains(dialog) => {
                if order == DialogOrder::HangUp {
                    self.forget_attempt(dialog);
                }
                self.run_dialog(now, dialog, DialogInput::Order(order));
            }
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
    pub(super) fn settle(&mut self, id: DialogId) {
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

    pub(super) fn perform(&mut self, now: Instant, id: DialogId, outputs: Vec<DialogOutput>) {
        for output in outputs {
            match output {
                DialogOutput::Tell(_) if self.dialogs.is_disowned(id) => {}
                DialogOutput::Tell(event) if self.goes_on(now, id, &event) => {}
                DialogOutput::Tell(event) => {
                    if event.is_last() {
                        self.forget_attempt(id);
                        self.trunks.leave(id);
                    }
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
                            Purpose::Invite => {
                                slot.invite = Some(client);
                                self.await_answer(now, id);
                            }
                            Purpose::Change => slot.change = Some(client),
                            Purpose::Prack
                            | Purpose::Refer
                            | Purpose::Notify
                            | Purpose::Key
                            | Purpose::Bye
                            | Purpose::ExtraBye => {}
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

    /// The INVITE by this trunk. The status is what the call is told where there is nothing to send.
    pub(super) fn invitation(&mut self, place: usize, flow: Flow, attempt: &Attempt) -> Result<Invitation, StatusCode> {
        let trunk = self.config.trunks.get(place).ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
        let uri = request_uri(trunk, &attempt.target.uri, trunk.name != attempt.target.trunk)?;
        let (address, account) = (own_address(trunk)?, trunk.account.clone());
        let way = Way { flow, uri, address, account, trunk: Some(place) };
        self.compose(way, &attempt.target, &attempt.offer, &attempt.headers)
    }

    /// The INVITE to a telephone of ours.
    pub(super) fn phone_invitation(
        &mut self,
        now: Instant,
        target: &OutgoingTarget,
        offer: &SdpBody,
        headers: &[(String, Redacted<String>)],
    ) -> Result<Invitation, StatusCode> {
        let (flow, uri, address) = self.phone_target(now, target)?;
        self.compose(Way { flow, uri, address, account: None, trunk: None }, target, offer, headers)
    }

    fn compose(
        &mut self,
        way: Way,
        target: &OutgoingTarget,
        offer: &SdpBody,
        extra: &[(String, Redacted<String>)],
    ) -> Result<Invitation, StatusCode> {
        let Way { flow, uri, address, account, trunk } = way;
        let policy = trunk.and_then(|place| self.config.trunks.get(place)).map(|trunk| &trunk.policy);
        let user = account.as_ref().map(|account| account.user.clone());
        let local_tag = self.author.token();
        let mut from = NameAddr::new(address).with_tag(&local_tag);
        if let Some(name) = &target.display_name {
            from = from.with_display(name.reveal());
        }
        let mut request = Request::new(Method::Invite, uri.clone());
        let headers = &mut request.headers;
        push_route(headers, policy.and_then(|policy| policy.proxy.clone()));
        headers.push(HeaderName::From, from.to_bytes());
        headers.push(HeaderName::To, NameAddr::new(uri).to_bytes());
        headers.push_text(HeaderName::CallId, self.author.call_id());
        headers.push_text(HeaderName::CSeq, CSeq { number: 1, method: Method::Invite });
        let secure = is_secure(&request.uri);
        request.headers.push(HeaderName::Contact, self.author.contact(flow, user.as_deref(), secure));
        self.author.sign_request(&mut request);
        ask_for_a_timer(&mut request);
        for (name, value) in extra {
            let name = HeaderName::from(name.as_str());
            // What is left of the caller's own hops (RFC 7332): a circle of forwardings ends.
            if name == HeaderName::MaxForwards {
                if value.reveal() == "0" {
                    return Err(StatusCode::TOO_MANY_HOPS);
                }
                request.headers.set(name, value.reveal().clone());
            } else if may_be_ruled(&name) {
                request.headers.push(name, value.reveal().clone());
            }
        }
        if let Some(policy) = policy {
            policy.headers.apply(&mut request.headers);
        }
        request.set_body("application/sdp", Bytes::copy_from_slice(offer));
        let prover = account.map(|account| Prover::new(account.credentials));
        Ok(Invitation { flow, request, local_tag, user, prover })
    }
}
