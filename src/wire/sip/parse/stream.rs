//! Messages out of a byte stream (RFC 3261 18.3, 7.5): any split, Content-Length mandatory, keepalive reported (RFC 5626).
//!
//! A message that cannot be read costs only itself as long as its length is known; without a length nothing after it can
//! be trusted, and the connection is to be closed. At most twice [`MAX_MESSAGE_BYTES`] are kept.

use bytes::BytesMut;

use super::super::MAX_MESSAGE_BYTES;
use super::super::message::{Message, StatusCode};
use super::check::check;
use super::head::Head;
use super::{ParseError, Problem};

/// What came out of a stream; used at once and never kept, so its size does not matter.
#[allow(clippy::large_enum_variant, reason = "used at once and never kept")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamItem {
    /// A message.
    Message(Message),
    /// A message that cannot be used; the next one can.
    Bad(ParseError),
    /// A line end between messages: the answer to a ping of ours, or the first half of one.
    Pong,
    /// The second line end in a row: answer with one line end.
    Ping,
    /// The stream is lost: answer where there is something to answer, then close. Nothing comes after it.
    Broken(Option<ParseError>),
}

/// Cuts one connection's bytes into messages.
#[derive(Default)]
pub struct StreamParser {
    buffer: BytesMut,
    /// A head whose body is not there yet, and the length of that body.
    waiting: Option<(Head, usize)>,
    /// Bytes at the start of the buffer that hold no end of a head.
    scanned: usize,
    line_ended: bool,
    broken: bool,
}

impl StreamParser {
    /// A parser at the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what the connection gave, at most [`MAX_MESSAGE_BYTES`] at once; then call [`Self::next`] until it has nothing.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        let room = (2 * MAX_MESSAGE_BYTES).saturating_sub(self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// A line end that stood alone until now was an answer: the next one does not make a ping of it. For whoever sends pings and
    /// so gets answers one by one.
    pub fn forget_line_end(&mut self) {
        self.line_ended = false;
    }

    /// The next item; `None` until more is pushed.
    #[allow(clippy::should_implement_trait, reason = "an iterator may not be pushed to between two items")]
    pub fn next(&mut self) -> Option<StreamItem> {
        if self.broken {
            return None;
        }
        if self.waiting.is_none() {
            if let Some(item) = self.next_line_end() {
                return Some(item);
            }
            let length = self.head_length()?;
            if let Some(broken) = self.take_head(length) {
                return Some(broken);
            }
        }
        self.take_body()
    }

    /// Bytes kept that are no whole message yet.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    fn next_line_end(&mut self) -> Option<StreamItem> {
        loop {
            let length = match self.buffer[..] {
                [b'\r', b'\n', ..] => 2,
                [b'\n', ..] => 1,
                [b'\r'] | [] => return None,
                _ => {
                    self.line_ended = false;
                    return None;
                }
            };
            let _ = self.buffer.split_to(length);
            if length == 2 {
                self.line_ended = !self.line_ended;
                return Some(if self.line_ended { StreamItem::Pong } else { StreamItem::Ping });
            }
        }
    }

    /// Length of the head with its empty line, once that is there. A head that is too long is cut where it is.
    fn head_length(&mut self) -> Option<usize> {
        let limit = self.buffer.len().min(MAX_MESSAGE_BYTES);
        for at in self.scanned..limit {
            if self.buffer[at] == b'\n' && matches!(self.buffer[..at], [.., b'\n', b'\r'] | [.., b'\n']) {
                self.scanned = 0;
                return Some(at + 1);
            }
        }
        self.scanned = limit;
        // Nothing that a peer may send has no line end within the first lines.
        (limit == MAX_MESSAGE_BYTES).then_some(limit)
    }

    /// Takes a head and waits for its body; gives an item only where the stream is lost.
    fn take_head(&mut self, length: usize) -> Option<StreamItem> {
        let source = self.buffer.split_to(length).freeze();
        let head = match Head::parse(&source) {
            Ok(head) => head,
            Err(error) => return Some(self.break_off(Some(error))),
        };
        if !head.complete {
            return Some(self.break_with(head, StatusCode::MESSAGE_TOO_LARGE, "Message Too Large"));
        }
        if let Some(reason) = head.bad_length {
            return Some(self.break_with(head, StatusCode::BAD_REQUEST, reason));
        }
        let Some(body) = head.content_length else {
            return Some(self.break_with(head, StatusCode::BAD_REQUEST, "Missing Content-Length"));
        };
        match usize::try_from(body).ok().filter(|body| *body <= MAX_MESSAGE_BYTES - length) {
            Some(body) => self.waiting = Some((head, body)),
            None => return Some(self.break_with(head, StatusCode::MESSAGE_TOO_LARGE, "Message Too Large")),
        }
        None
    }

    fn take_body(&mut self) -> Option<StreamItem> {
        let (head, length) = self.waiting.take_if(|(_, length)| self.buffer.len() >= *length)?;
        let body = self.buffer.split_to(length).freeze();
        Some(match check(head, body) {
            Ok(message) => StreamItem::Message(message),
            Err(error) => StreamItem::Bad(error),
        })
    }

    fn break_with(&mut self, mut head: Head, status: StatusCode, reason: &'static str) -> StreamItem {
        head.problem = Some(Problem { status, reason: reason.into() });
        let error = check(head, bytes::Bytes::new()).err();
        self.break_off(error)
    }

    fn break_off(&mut self, error: Option<ParseError>) -> StreamItem {
        self.broken = true;
        self.buffer = BytesMut::new();
        let answer = error.filter(|error| matches!(error, ParseError::BadRequest { .. }));
        StreamItem::Broken(answer)
    }
}
