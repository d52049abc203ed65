//! What a call and the SIP endpoint say to each other about one dialog. A call never sees a transaction, a header or a
//! retransmission; the endpoint never sees audio. SDP passes as bytes (RFC 3264 is the media part's business).

use std::sync::Arc;

use crate::ids::DialogId;
use crate::redact::Redacted;

/// A session description in a message body (`application/sdp`).
pub type SdpBody = Arc<[u8]>;

/// An INVITE that asks for a new call. The endpoint has already sent 100 Trying and has checked it (RFC 3261 8.2).
#[derive(Clone, Debug)]
pub struct IncomingInvite {
    /// The early dialog that its answers create.
    pub dialog: DialogId,
    /// User part of From, or of P-Asserted-Identity where the trunk is trusted.
    pub from: Redacted<String>,
    /// Display name of the caller, decoded for people.
    pub display_name: Option<Redacted<String>>,
    /// User part of the Request-URI: the dialled number.
    pub to: String,
    /// Call-ID header.
    pub call_id: String,
    /// What else it says.
    pub particulars: Particulars,
    /// The offer; `None` when the caller wants ours (RFC 3264 5, offer in 200).
    pub offer: Option<SdpBody>,
    /// Name of the trunk that it came by, where one matched.
    pub trunk: Option<String>,
    /// Whether that trunk is trusted (RFC 3325).
    pub trusted: bool,
    /// Address that it came from.
    pub source: std::net::SocketAddr,
}

/// What an INVITE says of a call beyond who calls whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Particulars {
    /// Whom it was for before it was diverted to us, oldest first.
    pub diverted: Vec<Diverted>,
    /// True where the caller's number is not to be shown to anybody.
    pub withheld: bool,
    /// Header fields that the trunk's configuration wants kept, by name.
    pub kept: Vec<(String, Redacted<String>)>,
    /// User-to-User as written (RFC 7433): facts that travel with the call.
    pub user_to_user: Option<Redacted<String>>,
    /// Max-Forwards: how often it may be passed on yet.
    pub hops: Option<u8>,
}

/// Somebody who did not take a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diverted {
    /// Number or SIP user.
    pub number: Redacted<String>,
    /// As written: `user-busy`, `SIP;cause=302`.
    pub why: Option<String>,
}

/// Why the other side ends something (RFC 3326).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `SIP` or `Q.850`.
    pub protocol: String,
    /// Its cause.
    pub cause: u16,
}

/// Whom a REFER names (RFC 3515).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferTarget {
    /// Its URI without header fields and method.
    pub uri: Redacted<String>,
    /// User part of it: the number.
    pub user: Redacted<String>,
    /// Value of Replaces for the INVITE (RFC 3891), where the transfer is an attended one.
    pub replaces: Option<String>,
    /// Value of Referred-By for the INVITE (RFC 3892).
    pub referred_by: Option<Redacted<String>>,
}

/// What happened in a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialogEvent {
    /// Outgoing, where the order named a group of trunks: the INVITE goes by this one of them.
    GoesBy {
        /// Its name.
        trunk: String,
        /// The status with which the one before came to nothing; 408 where it said nothing.
        after: Option<u16>,
    },
    /// Outgoing: 180, or 183 with or without early media.
    Ringing {
        /// Session description of a 183, early media.
        sdp: Option<SdpBody>,
    },
    /// Outgoing: 2xx; the endpoint has sent the ACK.
    Answered {
        /// The answer to our offer.
        sdp: Option<SdpBody>,
    },
    /// Outgoing: final answer of 300 and above, or no answer at all (408), or not to be reached (503).
    Refused {
        /// SIP status code.
        status: u16,
    },
    /// Our 2xx was acknowledged: the first one of an incoming call, or a later one that held an offer of ours.
    Acknowledged {
        /// The answer, where our 200 held the offer; some leave it out.
        sdp: Option<SdpBody>,
    },
    /// Re-INVITE or UPDATE with an offer; answer it with [`DialogOrder::AnswerOffer`].
    Offered {
        /// The new offer.
        sdp: SdpBody,
    },
    /// Re-INVITE without an offer: the other side wants ours (RFC 3261 14.2). Give it with [`DialogOrder::AnswerOffer`]; its
    /// ACK brings the answer as [`DialogEvent::Acknowledged`].
    OfferWanted,
    /// The other side's answer to our [`DialogOrder::Offer`].
    OfferAnswered {
        /// The answer.
        sdp: SdpBody,
    },
    /// It refused our offer; the session goes on as it was.
    OfferRefused {
        /// SIP status code.
        status: u16,
    },
    /// An offer of ours is asked for: one that had to wait or met one of the other side (491), or one that keeps the session
    /// alive (RFC 4028). What the session is to be now, with [`DialogOrder::Offer`].
    OfferAgain,
    /// REFER: somebody else is to take the place of the other side. Answer with [`DialogOrder::TakeRefer`] or
    /// [`DialogOrder::RefuseRefer`].
    Referred {
        /// Who.
        target: ReferTarget,
    },
    /// How our [`DialogOrder::Refer`] goes; 200 and above is the end of it.
    ReferNews {
        /// SIP status code.
        status: u16,
    },
    /// An INVITE takes this dialog's place (RFC 3891): answer `by`, end this one.
    Replaced {
        /// The dialog that its answers create.
        by: DialogId,
        /// Its offer; `None` where it wants ours.
        offer: Option<SdpBody>,
    },
    /// Why what follows happens: BYE, CANCEL or a refusal that says so.
    Because(Reason),
    /// A key sent as INFO (application/dtmf-relay).
    Digit(char),
    /// Incoming, before the answer: CANCEL. The endpoint has sent 487.
    Cancelled,
    /// The other side sent BYE, or stopped answering. The dialog is gone.
    Ended {
        /// True where it was no BYE but a time-out (no ACK for 64*T1, no answer to a request of ours).
        lost: bool,
    },
}

impl DialogEvent {
    /// True for the last event of a dialog; there is exactly one.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Cancelled | Self::Ended { .. })
    }
}

/// What a call asks of its dialog. Orders that come too late (the dialog is gone) are dropped by the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialogOrder {
    /// Incoming: 180 Ringing.
    Ring,
    /// Incoming: 183 Session Progress with early media.
    Progress {
        /// Our answer.
        sdp: SdpBody,
    },
    /// Incoming: 200 OK.
    Answer {
        /// Our answer, or our offer where the INVITE had none.
        sdp: SdpBody,
    },
    /// Incoming: a final refusal.
    Refuse {
        /// SIP status code, 300 to 699.
        status: u16,
    },
    /// Outgoing: INVITE. The caller of this order has chosen the [`DialogId`].
    Invite {
        /// Whom to dial.
        target: OutgoingTarget,
        /// Our offer.
        offer: SdpBody,
        /// Extra headers as name and value, e.g. User-to-User.
        headers: Vec<(String, Redacted<String>)>,
    },
    /// Accept a re-INVITE or UPDATE with 200.
    AnswerOffer {
        /// Our answer, or our offer where the re-INVITE had none ([`DialogEvent::OfferWanted`]).
        sdp: SdpBody,
    },
    /// Refuse that offer, usually 488; the session goes on as it was.
    RefuseOffer {
        /// SIP status code.
        status: u16,
    },
    /// Change the session: re-INVITE with this offer. [`DialogEvent::OfferAnswered`], [`DialogEvent::OfferRefused`] or
    /// [`DialogEvent::OfferAgain`] follows. Nothing before the 2xx.
    Offer {
        /// Our offer.
        sdp: SdpBody,
    },
    /// Press a key by INFO (application/dtmf-relay).
    Press {
        /// 0-9, `*`, `#`, A-D.
        digit: char,
        /// How long, ms.
        ms: u32,
    },
    /// Do what a REFER asks: 202, and a NOTIFY that it is being tried.
    TakeRefer,
    /// Do not.
    RefuseRefer {
        /// SIP status code.
        status: u16,
    },
    /// Tell the sender of a REFER how it goes; 200 and above is the end of it.
    TellRefer {
        /// SIP status code.
        status: u16,
    },
    /// Ask the other side to call somebody else (REFER).
    Refer {
        /// Whom, e.g. `sip:6001@192.0.2.2`. Where `replaces` names a dialog it is who is there instead.
        to: String,
        /// A dialog of ours that it shall take over (attended transfer).
        replaces: Option<DialogId>,
    },
    /// End it, whatever its state: CANCEL, BYE, or 487/603 to an INVITE not yet answered.
    HangUp,
}

/// Whom to dial and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingTarget {
    /// Request-URI, e.g. `sip:6001@127.0.0.1:5070`.
    pub uri: String,
    /// Name of the trunk whose address, account and limits apply, or of a group of trunks: then the host of `uri` is replaced.
    pub trunk: String,
    /// Display name that the agent's phone shows.
    pub display_name: Option<Redacted<String>>,
}

/// An order and the dialog that it is for.
#[derive(Clone, Debug)]
pub struct AddressedOrder {
    /// Which dialog.
    pub dialog: DialogId,
    /// What to do.
    pub order: DialogOrder,
}
