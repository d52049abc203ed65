//! Identities. Newtypes without behaviour: a call, a leg, a dialog, an utterance and a prompt can never be mixed up.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One caller's visit, from INVITE to its last leg gone. Printed as a ULID, so that calls sort by their start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub ulid::Ulid);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for CallId {
    type Err = ulid::DecodeError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        ulid::Ulid::from_string(s).map(Self)
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The id after this one; ids wrap rather than panic.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.wrapping_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id!(
    /// One party's SIP dialog and RTP stream within one call; 0 is the caller's.
    LegId(u16)
);
number_id!(
    /// A SIP dialog (RFC 3261 12), early or confirmed, within this process. Given by the SIP endpoint for an incoming
    /// INVITE, and by whoever orders an outgoing one.
    DialogId(u64)
);
number_id!(
    /// Speech of one party between silences, within one call.
    UtteranceId(u32)
);
number_id!(
    /// One act of speaking by the bot, within one call.
    SpeakId(u32)
);
number_id!(
    /// One request of a tool, within one call.
    ToolCallId(u32)
);
number_id!(
    /// One question to a language model, within one call.
    LlmId(u32)
);

impl LegId {
    /// The leg that every call begins with.
    pub const CALLER: Self = Self(0);
}
