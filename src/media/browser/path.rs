//! Where a stream comes from and where ours goes: by the address that was signalled, with the lock of symmetric RTP, or by ICE.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::ice::{Answer, LiteAgent};
use crate::media::negotiate::Negotiated;
use crate::media::source::SourceLock;
use crate::wire::rtp::Ssrc;

/// A stream's way.
#[derive(Clone, Copy, Debug)]
pub enum Path {
    /// Signalled, and learnt from what comes.
    Symmetric(SourceLock),
    /// Nominated by the other side's checks. What comes is believed by its signature, wherever it comes from.
    Ice(LiteAgent),
}

impl Path {
    /// As agreed. `peer`: host that the signalling comes from, where it is known.
    pub fn new(now: Instant, agreed: &Negotiated, peer: Option<IpAddr>) -> Self {
        match &agreed.dtls {
            Some(terms) => Self::Ice(LiteAgent::new(terms.ice)),
            None => Self::Symmetric(SourceLock::new(now, agreed.remote, peer)),
        }
    }

    /// As agreed anew.
    pub fn agree(&mut self, now: Instant, agreed: &Negotiated) {
        match (self, &agreed.dtls) {
            (Self::Ice(agent), Some(terms)) => agent.agree(terms.ice),
            (Self::Symmetric(lock), None) => lock.signal(now, agreed.remote),
            (this, _) => *this = Self::new(now, agreed, None),
        }
    }

    /// A connectivity check; what to answer.
    pub fn check(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<Answer> {
        match self {
            Self::Symmetric(_) => None,
            Self::Ice(agent) => agent.check(from, datagram),
        }
    }

    /// Whether a piece of the handshake from there is to be taken: where keys are still to be made, whoever may send it can
    /// spoil them.
    pub fn admits_handshake(&self, from: SocketAddr) -> bool {
        match self {
            Self::Symmetric(_) => false,
            Self::Ice(agent) => agent.knows(from),
        }
    }

    /// Whether a sound packet is to be taken. `proved`: it was authenticated.
    pub fn admit(&mut self, now: Instant, from: SocketAddr, ssrc: Ssrc, proved: bool) -> bool {
        match self {
            Self::Symmetric(lock) => lock.admit(now, from, ssrc, proved),
            Self::Ice(_) => true,
        }
    }

    /// Whether RTCP from there is to be read.
    pub fn admits_control(&self, from: SocketAddr) -> bool {
        match self {
            Self::Symmetric(lock) => lock.admits_control(from),
            Self::Ice(_) => true,
        }
    }

    /// Where to send; `None` while that is not known, or nothing is to be sent.
    pub fn destination(&self) -> Option<SocketAddr> {
        match self {
            Self::Symmetric(lock) => lock.destination(),
            Self::Ice(agent) => agent.nominated(),
        }
    }

    /// True when packets come from elsewhere than was signalled.
    pub fn is_translated(&self) -> bool {
        match self {
            Self::Symmetric(lock) => lock.is_translated(),
            Self::Ice(_) => false,
        }
    }
}
