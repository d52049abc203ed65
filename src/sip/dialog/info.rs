//! INFO within a dialog (RFC 6086): keys as application/dtmf-relay and application/dtmf, the form that PBXs send; ours go as
//! application/dtmf-relay, one at a time: a repeated INFO that the next had overtaken would be refused (RFC 3261 12.2.2), and
//! its key lost. No packages.

use std::collections::VecDeque;

use super::established::{Established, Next, reply};
use super::{Desk, DialogOutput, Purpose};
use crate::sip::event::DialogEvent;
use crate::sip::transaction::ServerId;
use crate::wire::sip::header::HeaderName;
use crate::wire::sip::message::{Method, Request, Response, StatusCode};

/// Keys that wait to be sent; more are dropped.
const QUEUE: usize = 32;

/// A key, and how long it is pressed, ms.
type Press = (char, u32);

/// Keys of ours.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Sent and not answered.
    asked: Option<Press>,
    waiting: VecDeque<Press>,
}

impl Established {
    /// The call presses a key.
    pub(super) fn press(&mut self, digit: char, ms: u32, desk: &mut Desk<'_>) {
        if matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D') && self.keys.waiting.len() < QUEUE {
            self.keys.waiting.push_back((digit, ms));
        }
        if self.keys.asked.is_none() {
            self.next_key(desk);
        }
    }

    /// The key before was answered, or never will be: the next.
    pub(super) fn next_key(&mut self, desk: &mut Desk<'_>) {
        self.keys.asked = self.keys.waiting.pop_front();
        let Some((digit, ms)) = self.keys.asked else { return };
        let mut request = Box::new(self.core.request(Method::Info, desk.author));
        request.set_body("application/dtmf-relay", format!("Signal={digit}\r\nDuration={ms}\r\n"));
        desk.out.push(DialogOutput::Ask { request, purpose: Purpose::Key });
    }

    /// An answer to our INFO: whatever it says the key is not pressed twice, but for a digest that was asked.
    pub(super) fn key_answered(&mut self, response: &Response, desk: &mut Desk<'_>) {
        let status = response.status.as_u16();
        if status < 200 {
            return;
        }
        let challenged =
            matches!(status, 401 | 407) && self.core.prover.as_mut().is_some_and(|prover| prover.challenged(response));
        if challenged && let Some(press) = self.keys.asked {
            self.keys.waiting.push_front(press);
        }
        self.next_key(desk);
    }
}

/// Answers INFO; a key is told to the call.
pub(super) fn info(transaction: ServerId, request: &Request, desk: &mut Desk<'_>) -> Next {
    // RFC 6086 4.2.2: no package was agreed on.
    if request.headers.contains(&HeaderName::InfoPackage) {
        return reply(transaction, request, StatusCode::BAD_INFO_PACKAGE, desk);
    }
    if request.body.is_empty() {
        return reply(transaction, request, StatusCode::OK, desk);
    }
    let kind = request.headers.content_type().ok().flatten();
    let Some(kind) = kind.filter(|kind| kind.is("application", "dtmf-relay") || kind.is("application", "dtmf")) else {
        let refusal = desk.author.answer_unsupported(request, "application/dtmf-relay");
        desk.answer(transaction, &refusal);
        return Next::Stay;
    };
    let Some(digit) = digit(&request.body, kind.is("application", "dtmf")) else {
        return reply(transaction, request, StatusCode::BAD_REQUEST, desk);
    };
    reply(transaction, request, StatusCode::OK, desk);
    desk.tell(DialogEvent::Digit(digit));
    Next::Stay
}

/// The key in a body of application/dtmf-relay (`Signal=5`) or application/dtmf (`5`).
fn digit(body: &[u8], bare: bool) -> Option<char> {
    let text = std::str::from_utf8(body).ok()?;
    let value = if bare {
        text
    } else {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then_some(value)
        })?
    };
    let value = value.trim();
    let mut chars = value.chars();
    match (chars.next()?.to_ascii_uppercase(), chars.next()) {
        (key @ ('0'..='9' | '*' | '#' | 'A'..='D'), None) => Some(key),
        // Some number the keys as RFC 4733 does.
        ('1', Some('0')) if value.len() == 2 => Some('*'),
        ('1', Some('1')) if value.len() == 2 => Some('#'),
        _ => None,
    }
}
