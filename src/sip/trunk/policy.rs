//! What the configuration says of a trunk beyond who it is and where. Values only.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::locate::Lookup;
use crate::wire::sip::header::HeaderName;
use crate::wire::sip::message::Headers;
use crate::wire::sip::uri::SipUri;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct TrunkPolicy {
    /// Where it is looked up; `None`: it is at its `address`.
    pub lookup: Option<Lookup>,
    /// Dialplans may name the group instead of one trunk of it.
    pub group: Option<String>,
    /// Within the group: the lowest first, as in SRV.
    pub priority: u16,
    /// Share among trunks of one priority, as in SRV.
    pub weight: u16,
    /// Port in addresses of its telephones, where one is written.
    pub port: Option<u16>,
    /// True where its URI is a `sips:` one: telephones there are, too, and our Contact is.
    pub secure: bool,
    /// Outbound proxy: the first Route of what we send outside of dialogs.
    pub proxy: Option<SipUri>,
    /// OPTIONS that ask whether it is there.
    pub probe: Option<Probe>,
    /// Calls at a time, both directions together; `None`: as many as come.
    pub max_calls: Option<u32>,
    /// Calls a second in each direction; `None`: as many as come.
    pub max_rate: Option<u16>,
    /// Header fields that are set, removed, kept.
    pub headers: Arc<HeaderRules>,
}

/// How a trunk is asked whether it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Time between two OPTIONS to one address.
    pub every: Duration,
    /// So many in a row without an answer: the address is down.
    pub misses: u8,
}

/// Rules for header fields. Names that dialogs and transactions live by are not taken ([`may_be_ruled`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderRules {
    /// Taken out of our INVITEs.
    pub remove: Vec<HeaderName>,
    /// The one value that our INVITEs have, whatever there was.
    pub set: Vec<(HeaderName, Bytes)>,
    /// One more value.
    pub add: Vec<(HeaderName, Bytes)>,
    /// Fields of its INVITEs that the journal keeps.
    pub keep: Vec<HeaderName>,
}

impl HeaderRules {
    /// Applies what is for our INVITEs.
    pub fn apply(&self, headers: &mut Headers) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.set(name.clone(), value.clone());
        }
        for (name, value) in &self.add {
            headers.push(name.clone(), value.clone());
        }
    }
}

/// False for fields that this side writes itself: transactions, dialogs and bodies depend on them.
pub fn may_be_ruled(name: &HeaderName) -> bool {
    !matches!(
        name,
        HeaderName::Via
            | HeaderName::From
            | HeaderName::To
            | HeaderName::CallId
            | HeaderName::CSeq
            | HeaderName::Contact
            | HeaderName::Route
            | HeaderName::RecordRoute
            | HeaderName::MaxForwards
            | HeaderName::ContentLength
            | HeaderName::ContentType
            | HeaderName::Require
            | HeaderName::Supported
            | HeaderName::Allow
            | HeaderName::Authorization
            | HeaderName::ProxyAuthorization
            | HeaderName::SessionExpires
            | HeaderName::MinSe
    )
}
