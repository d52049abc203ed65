//! INFO within a dialog (RFC 6086): keys as application/dtmf-relay and application/dtmf, the form that PBXs send. No packages.

use super::Desk;
use super::established::{Next, reply};
use crate::sip::event::DialogEvent;
use crate::sip::transaction::ServerId;
use crate::wire::sip::header::HeaderName;
use crate::wire::sip::message::{Request, StatusCode};

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
