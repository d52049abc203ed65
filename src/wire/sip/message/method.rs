//! Methods: names with regard to case (RFC 3261 7.1).

use std::fmt;

use super::super::text::Text;

/// A method.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Sets a call up, or changes it.
    Invite,
    /// Acknowledges the final answer to an INVITE.
    Ack,
    /// Ends a call.
    Bye,
    /// Gives an INVITE up.
    Cancel,
    /// Asks what a server can do.
    Options,
    /// Tells where somebody is.
    Register,
    /// Mid-call information (RFC 6086).
    Info,
    /// Acknowledges a provisional answer (RFC 3262).
    Prack,
    /// Changes a session before the final answer (RFC 3311).
    Update,
    /// Asks to call somebody else (RFC 3515).
    Refer,
    /// Tells about a subscription (RFC 6665).
    Notify,
    /// Asks for events (RFC 6665).
    Subscribe,
    /// Instant message (RFC 3428).
    Message,
    /// Publishes event state (RFC 3903).
    Publish,
    /// Any other, as written.
    Other(Text),
}

const KNOWN: [(Method, &str); 14] = [
    (Method::Invite, "INVITE"),
    (Method::Ack, "ACK"),
    (Method::Bye, "BYE"),
    (Method::Cancel, "CANCEL"),
    (Method::Options, "OPTIONS"),
    (Method::Register, "REGISTER"),
    (Method::Info, "INFO"),
    (Method::Prack, "PRACK"),
    (Method::Update, "UPDATE"),
    (Method::Refer, "REFER"),
    (Method::Notify, "NOTIFY"),
    (Method::Subscribe, "SUBSCRIBE"),
    (Method::Message, "MESSAGE"),
    (Method::Publish, "PUBLISH"),
];

impl Method {
    /// The method as it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name.as_str(),
            known => KNOWN.iter().find(|(method, _)| method == known).map_or("", |(_, name)| name),
        }
    }
}

impl From<Text> for Method {
    fn from(name: Text) -> Self {
        match KNOWN.iter().find(|(_, known)| name == *known) {
            Some((method, _)) => method.clone(),
            None => Self::Other(name),
        }
    }
}

impl From<&str> for Method {
    fn from(name: &str) -> Self {
        Self::from(Text::from(name))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
