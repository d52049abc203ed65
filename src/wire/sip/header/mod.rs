//! Header names and typed header values (RFC 3261 20 and its extensions). Each value reads itself from one header value
//! and prints itself; which lines a message has is [`super::message::Headers`]' business.

mod address;
mod auth;
mod list;
mod name;
mod timing;
mod value;
mod via;

pub use self::address::{Contacts, NameAddr};
pub use self::auth::{AuthParam, AuthParams};
pub use self::list::{MediaType, ReasonValue, UserToUser, Warning};
pub use self::name::HeaderName;
pub use self::timing::{MinSe, Refresher, RetryAfter, SessionExpires, SipDate, Timestamp};
pub use self::value::{CSeq, EventValue, RAck, Replaces, SubscriptionState};
pub use self::via::Via;

/// A header that a message lacks or that cannot be read. Its text serves as a reason phrase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} {}", name.as_str())]
pub struct HeaderError {
    /// Which header.
    pub name: HeaderName,
    /// "Missing", "Bad", "Repeated" or "Too Many".
    pub problem: &'static str,
}

impl HeaderError {
    /// It is not there.
    pub fn missing(name: HeaderName) -> Self {
        Self { name, problem: "Missing" }
    }
    /// It cannot be read.
    pub fn bad(name: HeaderName) -> Self {
        Self { name, problem: "Bad" }
    }
    /// It may be there once only.
    pub fn repeated(name: HeaderName) -> Self {
        Self { name, problem: "Repeated" }
    }
}

#[cfg(test)]
mod tests;
