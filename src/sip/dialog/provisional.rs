//! Reliable provisional answers to one INVITE (RFC 3262 3): one at a time, each with the next RSeq, repeated from T1 on with
//! doubling intervals over any transport until its PRACK comes, given up after 64*T1.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::{Desk, DialogOutput};
use crate::sip::event::SdpBody;
use crate::sip::timers::{GIVE_UP, Reliability, Repeat, Timer};
use crate::sip::transaction::ServerId;
use crate::wire::sip::header::{HeaderName, RAck};
use crate::wire::sip::message::{Method, Response, StatusCode};

/// Answers that wait for the PRACK of the one before. Of more, the oldest is left out: the later one says more.
const MAX_WAITING: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Provisional {
    /// Of the last one sent.
    rseq: Option<u32>,
    unacknowledged: Option<Unacknowledged>,
    waiting: VecDeque<(StatusCode, Option<SdpBody>)>,
}

#[derive(Debug)]
struct Unacknowledged {
    status: u16,
    bytes: Bytes,
    repeat: Repeat,
    give_up: Instant,
    /// True where it holds a session description: then no 2xx may overtake its PRACK.
    described: bool,
}

/// What time has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// There is still some.
    Left,
    /// No PRACK came in 64*T1.
    Gone,
}

impl Provisional {
    /// True while a PRACK is waited for.
    pub(super) fn is_pending(&self) -> bool {
        self.unacknowledged.is_some()
    }

    /// True while a 2xx has to wait.
    pub(super) fn blocks_answer(&self) -> bool {
        self.unacknowledged.as_ref().is_some_and(|pending| pending.described)
    }

    /// When to come back.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.unacknowledged.as_ref().map(|pending| pending.repeat.at.min(pending.give_up))
    }

    /// Puts an answer behind the one that is under way.
    pub(super) fn put_off(&mut self, status: StatusCode, sdp: Option<SdpBody>) {
        if self.waiting.len() == MAX_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back((status, sdp));
    }

    /// The next one that was put off.
    pub(super) fn take(&mut self) -> Option<(StatusCode, Option<SdpBody>)> {
        self.waiting.pop_front()
    }

    /// Sends an answer; none is under way.
    pub(super) fn send(&mut self, now: Instant, transaction: ServerId, mut answer: Response, desk: &mut Desk<'_>) {
        // The first is chosen freely between 1 and 2**31 - 1 (RFC 3262 3).
        let rseq = self.rseq.map_or_else(|| desk.author.below(i32::MAX as u32) + 1, |last| last.wrapping_add(1));
        self.rseq = Some(rseq);
        answer.headers.push(HeaderName::Require, &b"100rel"[..]);
        answer.headers.push_text(HeaderName::RSeq, rseq);
        desk.answer(transaction, &answer);
        let Some(repeat) = Timer::A.repeat(now, Reliability::Unreliable) else { return };
        self.unacknowledged = Some(Unacknowledged {
            status: answer.status.as_u16(),
            bytes: answer.to_bytes(),
            repeat,
            give_up: now + GIVE_UP,
            described: !answer.body.is_empty(),
        });
    }

    /// What a PRACK of the answer under way says.
    pub(super) fn expected(&self, invite: u32) -> Option<Expected> {
        let rseq = self.rseq.filter(|_| self.is_pending())?;
        Some(Expected { rseq, invite })
    }

    /// Its PRACK came.
    pub(super) fn acknowledged(&mut self) {
        self.unacknowledged = None;
    }

    /// Time has passed.
    pub(super) fn timeout(&mut self, now: Instant, transaction: ServerId, desk: &mut Desk<'_>) -> Patience {
        let Some(pending) = &mut self.unacknowledged else { return Patience::Left };
        if now >= pending.give_up {
            return Patience::Gone;
        }
        if now >= pending.repeat.at {
            pending.repeat = pending.repeat.next(now);
            let (status, bytes) = (pending.status, pending.bytes.clone());
            desk.out.push(DialogOutput::Answer { transaction, status, bytes });
        }
        Patience::Left
    }
}

/// What the RAck of the PRACK has to be that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    rseq: u32,
    invite: u32,
}

impl Expected {
    /// True for its RAck.
    pub(super) fn fits(self, rack: &RAck) -> bool {
        rack.rseq == self.rseq && rack.cseq.number == self.invite && rack.cseq.method == Method::Invite
    }
}
