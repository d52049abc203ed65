//! Dialogs of a call (RFC 3261 12 to 15): [`Uas`] for an incoming INVITE, [`Uac`] for an outgoing one, over one shared
//! [`core::Core`] and, once answered, one [`established::Established`].
//!
//! Every dialog ends with exactly one of [`DialogEvent::Refused`], [`DialogEvent::Cancelled`] and [`DialogEvent::Ended`], also when
//! it was the call that hung up. Like transactions, dialogs write what they ask for into a buffer that is handed in.
//! REFER and NOTIFY count within an answered call only. An INVITE with Replaces is the endpoint's business.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::author::Author;
use super::event::{DialogEvent, DialogOrder};
use super::flow::Flow;
use super::transaction::ServerId;
use crate::wire::sip::header::NameAddr;
use crate::wire::sip::message::{Request, Response};
use crate::wire::sip::uri::{Scheme, Uri};

mod asking;
pub mod core;
mod early;
pub mod established;
mod forks;
mod info;
mod offered;
mod provisional;
mod refer;
mod session;
pub mod uac;
pub mod uas;

pub(crate) use established::{is_sdp, unsupported};
pub(crate) use session::{MIN_SE, ask as ask_for_a_timer};
pub use uac::Uac;
pub use uas::Uas;

/// What a request of ours within a dialog is for; its answer comes back with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The INVITE that makes the dialog.
    Invite,
    /// A re-INVITE or UPDATE that changes its session.
    Change,
    /// The PRACK of a provisional answer.
    Prack,
    /// The BYE that ends it.
    Bye,
    /// A REFER.
    Refer,
    /// A NOTIFY about their REFER.
    Notify,
    /// An INFO with a key.
    Key,
    /// BYE for a branch of a fork that answered too late.
    ExtraBye,
}

/// What can happen to a dialog.
#[derive(Clone, Debug)]
pub enum DialogInput<'a> {
    /// The call wants something.
    Order(DialogOrder),
    /// A request within the dialog, never ACK or CANCEL.
    Request {
        /// To be answered there.
        transaction: ServerId,
        /// The request.
        request: &'a Arc<Request>,
    },
    /// ACK to a 2xx.
    Ack(&'a Request),
    /// CANCEL of the INVITE in this transaction.
    Cancel {
        /// The INVITE's transaction.
        transaction: ServerId,
    },
    /// An answer to a request of ours.
    Response {
        /// To which.
        purpose: Purpose,
        /// The answer.
        response: &'a Response,
    },
    /// A request of ours was not answered (408) or not sent (503).
    NoAnswer {
        /// Which.
        purpose: Purpose,
        /// 408 or 503.
        status: u16,
    },
    /// The transaction of our INVITE is over: no further fork can answer.
    InviteClosed,
    /// An answer of ours could not be sent: the caller's connection is gone.
    Unreachable,
    /// The call wants the other side to call somebody else; the value of Refer-To.
    Refer(NameAddr),
    /// Time has passed.
    Timeout,
}

/// What a dialog asks for.
#[derive(Clone, Debug)]
pub enum DialogOutput {
    /// For the call.
    Tell(DialogEvent),
    /// Answer a request of the other side. A 2xx to INVITE may be given again.
    Answer {
        /// In this transaction.
        transaction: ServerId,
        /// Status code of `bytes`.
        status: u16,
        /// The answer, printed.
        bytes: Bytes,
    },
    /// Send a request in a transaction of its own; it has no Via yet.
    Ask {
        /// The request.
        request: Box<Request>,
        /// What for.
        purpose: Purpose,
    },
    /// Send CANCEL for an INVITE of this purpose.
    Cancel(Purpose),
    /// Forget its transaction: the CANCEL led to nothing.
    Abandon(Purpose),
    /// Send outside of any transaction: ACK to a 2xx.
    Transmit(Bytes),
}

/// Where a dialog writes what it asks for, and what it needs to write messages.
pub struct Desk<'a> {
    /// Writes tags, Via and Contact.
    pub author: &'a mut Author,
    /// What is asked for, in order.
    pub out: &'a mut Vec<DialogOutput>,
}

impl Desk<'_> {
    fn tell(&mut self, event: DialogEvent) {
        self.out.push(DialogOutput::Tell(event));
    }

    fn answer(&mut self, transaction: ServerId, response: &Response) {
        let status = response.status.as_u16();
        self.out.push(DialogOutput::Answer { transaction, status, bytes: response.to_bytes() });
    }
}

/// True for a `sips:` address.
pub(crate) fn is_secure(uri: &Uri) -> bool {
    uri.as_sip().is_some_and(|uri| uri.scheme == Scheme::Sips)
}

/// True for an INVITE that asks for a session interval which is too small for us (RFC 4028 9).
pub(crate) fn asks_too_short_a_session(request: &Request) -> bool {
    session::SessionTimer::is_too_small(&request.headers)
}

/// How far a dialog has come, for an INVITE that wants its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// We called, nobody has answered.
    Ringing,
    /// They called, we have not answered.
    Offered,
    /// Answered.
    Up,
    /// Ending or over.
    Over,
}

/// A dialog of either kind.
#[derive(Debug)]
pub enum Dialog {
    /// They called us.
    Uas(Box<Uas>),
    /// We called them.
    Uac(Box<Uac>),
}

impl Dialog {
    /// One step.
    pub fn handle(&mut self, now: Instant, input: DialogInput<'_>, desk: &mut Desk<'_>) {
        match self {
            Self::Uas(uas) => uas.handle(now, input, desk),
            Self::Uac(uac) => uac.handle(now, input, desk),
        }
    }

    /// When to come back.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Uas(uas) => uas.deadline(),
            Self::Uac(uac) => uac.deadline(),
        }
    }

    /// True where nothing more can come of it.
    pub fn is_over(&self) -> bool {
        match self {
            Self::Uas(uas) => uas.is_over(),
            Self::Uac(uac) => uac.is_over(),
        }
    }

    /// Where its messages go.
    pub fn flow(&self) -> Flow {
        match self {
            Self::Uas(uas) => uas.flow(),
            Self::Uac(uac) => uac.flow(),
        }
    }

    /// How an INVITE with Replaces finds it (RFC 3891 3).
    pub fn standing(&self) -> Standing {
        match self {
            Self::Uas(uas) => uas.standing(),
            Self::Uac(uac) => uac.standing(),
        }
    }

    /// What it shares with others, where it is answered.
    pub fn core(&self) -> Option<&core::Core> {
        match self {
            Self::Uas(uas) => uas.core(),
            Self::Uac(uac) => uac.core(),
        }
    }

    /// True where we have called somebody with this Call-ID.
    pub fn has_called(&self, call_id: &[u8]) -> bool {
        match self {
            Self::Uas(_) => false,
            Self::Uac(uac) => uac.has_called(call_id),
        }
    }

    /// True where a request with these belongs here; the local tag has matched already.
    pub fn matches(&self, call_id: &[u8], remote_tag: &str) -> bool {
        match self {
            Self::Uas(uas) => uas.matches(call_id, remote_tag),
            Self::Uac(uac) => uac.matches(call_id, remote_tag),
        }
    }
}
