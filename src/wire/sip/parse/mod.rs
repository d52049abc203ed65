//! Datagrams and streams to messages (RFC 3261 7 and 18.3, RFC 5626 keepalive), and what is wrong with those that are none.
//!
//! A message is checked once, here: start line, Via, From, To, Call-ID, CSeq, Max-Forwards, Contact, Route, Record-Route,
//! Content-Length. Every other header is read on demand. Peers of RFC 2543 (no cookie in the branch) may leave Max-Forwards
//! out (RFC 4475 3.4.1). LF alone ends a line; folds become one space; a lone CR makes a line bad.

mod check;
mod head;
mod stream;

use std::borrow::Cow;

use bytes::Bytes;

use self::check::check;
use self::head::Head;
pub use self::stream::{StreamItem, StreamParser};
use super::MAX_MESSAGE_BYTES;
use super::message::{Message, Request, StatusCode};

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A request that is to be refused. The topmost Via names at least a sent-by; where its parameters cannot be read,
    /// the answer goes to where the request came from.
    #[error("{status} {reason}")]
    BadRequest {
        /// 400, 505 or 513.
        status: StatusCode,
        /// Reason phrase that names the header.
        reason: String,
        /// What could be read: `Response::to_request` answers it.
        partial: Box<Request>,
    },
    /// To be dropped: no SIP, a response, an ACK, or a request whose Via says nothing.
    #[error("dropped: {why}")]
    Silent {
        /// For the log and the counter; holds nothing that the peer sent.
        why: Cow<'static, str>,
    },
}

impl ParseError {
    fn silent(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Silent { why: why.into() }
    }
}

/// The first thing found wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    status: StatusCode,
    reason: Cow<'static, str>,
}

impl Problem {
    fn bad_request(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reason: reason.into() }
    }
}

/// True for a datagram that only keeps a binding alive (RFC 5626 and common practice): line ends, NUL or blanks.
pub fn is_keepalive(datagram: &[u8]) -> bool {
    datagram.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b'\0' | b' '))
}

/// Reads one datagram. Without Content-Length the body is the rest of it; what follows the body is ignored.
pub fn parse_datagram(datagram: &[u8]) -> Result<Message, ParseError> {
    if datagram.len() > MAX_MESSAGE_BYTES {
        return Err(ParseError::silent("too large"));
    }
    let source = Bytes::copy_from_slice(datagram);
    let mut head = Head::parse(&source)?;
    let rest = source.slice(head.length..);
    if !head.complete {
        head.note(Problem::bad_request("Missing Empty Line"));
    }
    let body = match head.content_length {
        None => rest,
        Some(length) => match usize::try_from(length).ok().filter(|length| *length <= rest.len()) {
            Some(length) => rest.slice(..length),
            None => {
                head.note(Problem::bad_request("Content-Length Larger Than Message"));
                rest
            }
        },
    };
    check(head, body)
}

#[cfg(test)]
mod tests;
