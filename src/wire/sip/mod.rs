//! SIP messages as values (RFC 3261 sections 7, 8.2.6.2, 18.3, 19, 20 and 25): parser, printer, typed headers. Transactions
//! and dialogs are not here, and nothing here decides more than whether a message can be read.
//!
//! - [`text`]: text sliced from a message, quoted strings, display names for people.
//! - [`uri`]: `sip:`, `sips:` and `tel:` URIs, their parameters and comparison.
//! - [`header`]: header names and typed header values.
//! - [`message`]: [`message::Request`], [`message::Response`] and their ordered [`message::Headers`].
//! - [`parse`]: datagrams and streams to messages; what is wrong with those that are none.
//! - [`print`]: messages to bytes.
//!
//! Header values stay bytes: a display name in GBK must not cost the headers after it.

pub mod header;
pub mod message;
pub mod parse;
pub mod print;
pub mod text;
pub mod uri;

#[cfg(test)]
mod torture;

/// Most bytes of one message, start line to body.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// Most header lines of one message.
pub const MAX_HEADER_LINES: usize = 256;
/// Most bytes of one header line's value, folds taken out.
pub const MAX_LINE_BYTES: usize = 16 * 1024;
/// Most parameters of one value, and most header fields within one URI.
pub const MAX_PARAMS: usize = 64;
/// Most values of one header, over all its lines.
pub const MAX_VALUES: usize = 256;
