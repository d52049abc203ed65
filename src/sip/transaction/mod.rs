//! The four transactions of RFC 3261 17 with the Accepted states of RFC 6026 and the corrections of RFC 4320 (no late
//! 408, no provisional answer but 100 to a request that is no INVITE, which we never send). One file a machine, one function a state.
//!
//! A transaction holds printed messages and deadlines, no parsed message: what a message means is the endpoint's
//! business. It differs from the house's one shape in one point: effects go into a buffer that the caller hands in, since an
//! endpoint holds thousands of these and a queue in each would cost memory. Matching is in [`key`].

use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;

use super::timers::{Reliability, Timer};

pub mod client_invite;
pub mod client_other;
pub mod key;
pub mod server_invite;
pub mod server_other;

pub use client_invite::ClientInvite;
pub use client_other::ClientOther;
pub use server_invite::ServerInvite;
pub use server_other::ServerOther;

/// A client transaction, in the order in which they began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// A server transaction, in the order in which they began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(pub u64);

/// What can happen to a client transaction.
#[derive(Clone, Debug)]
pub enum ClientInput {
    /// 1xx.
    Provisional,
    /// 2xx.
    Success,
    /// 300 and above; `ack` is the printed ACK (RFC 3261 17.1.1.3), empty for requests that are no INVITE.
    Refusal {
        /// Printed ACK.
        ack: Bytes,
    },
    /// The message could not be sent or the connection is gone.
    TransportFailed,
    /// Time has passed.
    Timeout,
}

/// What can happen to a server transaction.
#[derive(Clone, Debug)]
pub enum ServerInput {
    /// The request again.
    Repeated,
    /// The user's answer.
    Answer {
        /// Status code.
        status: u16,
        /// The answer, printed.
        bytes: Bytes,
    },
    /// ACK; INVITE only.
    Ack,
    /// The answer could not be sent or the connection is gone.
    TransportFailed,
    /// Time has passed.
    Timeout,
}

/// What a transaction asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send these bytes where the transaction's messages go.
    Transmit(Bytes),
    /// The message just handed in is for the transaction's user.
    Deliver,
    /// Nobody answers: 408 for a client's user (RFC 3261 8.1.3.1), a lost dialog for a server's.
    TimedOut,
    /// It could not be sent: 503 for a client's user.
    Unsendable,
    /// Forget this transaction.
    Ended,
}

/// Effects of one input, in order.
pub type Effects = SmallVec<[Effect; 3]>;

/// A copy without the room that printing left: thousands of answers are kept for 32 s.
fn compact(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// A client transaction of either kind.
#[derive(Debug)]
pub enum ClientTransaction {
    /// INVITE.
    Invite(ClientInvite),
    /// Anything else.
    Other(ClientOther),
}

impl ClientTransaction {
    /// Starts one; the first transmission is among the effects.
    pub fn start(now: Instant, invite: bool, request: Bytes, reliability: Reliability, effects: &mut Effects) -> Self {
        if invite {
            Self::Invite(ClientInvite::start(now, request, reliability, effects))
        } else {
            Self::Other(ClientOther::start(now, request, reliability, effects))
        }
    }

    /// One step.
    pub fn handle(&mut self, now: Instant, input: ClientInput, effects: &mut Effects) {
        match self {
            Self::Invite(machine) => machine.handle(now, input, effects),
            Self::Other(machine) => machine.handle(now, input, effects),
        }
    }

    /// When to come back, and for which timer.
    pub fn deadline(&self) -> Option<(Instant, Timer)> {
        match self {
            Self::Invite(machine) => machine.deadline(),
            Self::Other(machine) => machine.deadline(),
        }
    }
}

/// A server transaction of either kind.
#[derive(Debug)]
pub enum ServerTransaction {
    /// INVITE.
    Invite(ServerInvite),
    /// Anything else.
    Other(ServerOther),
}

impl ServerTransaction {
    /// One step.
    pub fn handle(&mut self, now: Instant, input: ServerInput, effects: &mut Effects) {
        match self {
            Self::Invite(machine) => machine.handle(now, input, effects),
            Self::Other(machine) => machine.handle(now, input, effects),
        }
    }

    /// When to come back, and for which timer.
    pub fn deadline(&self) -> Option<(Instant, Timer)> {
        match self {
            Self::Invite(machine) => machine.deadline(),
            Self::Other(machine) => machine.deadline(),
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Drives one transaction along a script of times.
    use super::*;
    use std::time::Duration;

    /// Runs `step` with a time-out at each deadline up to `until_ms`; returns what came at which millisecond.
    pub fn run<M>(
        machine: &mut M,
        start: Instant,
        until_ms: u64,
        deadline: impl Fn(&M) -> Option<(Instant, Timer)>,
        mut step: impl FnMut(&mut M, Instant, &mut Effects),
    ) -> Vec<(u64, Timer, Vec<Effect>)> {
        let mut seen = Vec::new();
        while let Some((at, timer)) = deadline(machine) {
            if at > start + Duration::from_millis(until_ms) {
                break;
            }
            let mut effects = Effects::new();
            step(machine, at, &mut effects);
            assert_ne!(deadline(machine), Some((at, timer)), "the same deadline twice");
            seen.push(((at - start).as_millis() as u64, timer, effects.to_vec()));
        }
        seen
    }
}
