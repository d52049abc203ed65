//! Header names: any case, compact forms (RFC 3261 7.3.3 and the IANA list), names that nobody knows.

use std::fmt;

use super::super::text::{Text, is_token_byte};

macro_rules! header_names {
    ($($variant:ident $text:literal $($compact:literal)?),+ $(,)?) => {
        /// The name of a header.
        #[derive(Clone, Debug)]
        pub enum HeaderName {
            $(#[doc = concat!("`", $text, "`")] $variant,)+
            /// Any other, as written.
            Other(Text),
        }

        const KNOWN: &[(HeaderName, &str)] = &[$((HeaderName::$variant, $text),)+];

        impl HeaderName {
            /// The name as it is printed: never the compact form.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(name) => name.as_str(),
                }
            }
            fn compact(letter: u8) -> Option<Self> {
                match [letter.to_ascii_lowercase()].as_slice() {
                    $($($compact => Some(Self::$variant),)?)+
                    _ => None,
                }
            }
        }
    };
}

header_names! {
    Via "Via" b"v",
    From "From" b"f",
    To "To" b"t",
    CallId "Call-ID" b"i",
    CSeq "CSeq",
    MaxForwards "Max-Forwards",
    Contact "Contact" b"m",
    ContentLength "Content-Length" b"l",
    ContentType "Content-Type" b"c",
    Route "Route",
    RecordRoute "Record-Route",
    Allow "Allow",
    Supported "Supported" b"k",
    Require "Require",
    UserAgent "User-Agent",
    Expires "Expires",
    Authorization "Authorization",
    Subject "Subject" b"s",
    Accept "Accept",
    AcceptEncoding "Accept-Encoding",
    AcceptLanguage "Accept-Language",
    AlertInfo "Alert-Info",
    AllowEvents "Allow-Events" b"u",
    AuthenticationInfo "Authentication-Info",
    CallInfo "Call-Info",
    ContentDisposition "Content-Disposition",
    ContentEncoding "Content-Encoding" b"e",
    ContentLanguage "Content-Language",
    Date "Date",
    Diversion "Diversion",
    ErrorInfo "Error-Info",
    Event "Event" b"o",
    HistoryInfo "History-Info",
    Identity "Identity" b"y",
    InReplyTo "In-Reply-To",
    InfoPackage "Info-Package",
    Join "Join",
    MimeVersion "MIME-Version",
    MinExpires "Min-Expires",
    MinSe "Min-SE",
    Organization "Organization",
    PAssertedIdentity "P-Asserted-Identity",
    PPreferredIdentity "P-Preferred-Identity",
    Path "Path",
    Priority "Priority",
    Privacy "Privacy",
    ProxyAuthenticate "Proxy-Authenticate",
    ProxyAuthorization "Proxy-Authorization",
    ProxyRequire "Proxy-Require",
    RAck "RAck",
    RSeq "RSeq",
    Reason "Reason",
    RecvInfo "Recv-Info",
    ReferSub "Refer-Sub",
    ReferTo "Refer-To" b"r",
    ReferredBy "Referred-By" b"b",
    RemotePartyId "Remote-Party-ID",
    Replaces "Replaces",
    ReplyTo "Reply-To",
    RetryAfter "Retry-After",
    Server "Server",
    ServiceRoute "Service-Route",
    SessionExpires "Session-Expires" b"x",
    SubscriptionState "Subscription-State",
    TargetDialog "Target-Dialog",
    Timestamp "Timestamp",
    Unsupported "Unsupported",
    UserToUser "User-to-User",
    Warning "Warning",
    WwwAuthenticate "WWW-Authenticate",
}

impl HeaderName {
    /// Reads a name in any case or its compact form; `None` where it is no token.
    pub fn parse(name: &[u8]) -> Option<Self> {
        if let [letter] = *name
            && let Some(known) = Self::compact(letter)
        {
            return Some(known);
        }
        if name.is_empty() || !name.iter().all(|byte| is_token_byte(*byte)) {
            return None;
        }
        let first = name[0] | 0x20;
        let known = KNOWN.iter().find(|(_, text)| {
            text.len() == name.len() && text.as_bytes()[0] | 0x20 == first && text.as_bytes().eq_ignore_ascii_case(name)
        });
        match known {
            Some((known, _)) => Some(known.clone()),
            None => std::str::from_utf8(name).ok().map(|name| Self::Other(Text::from(name))),
        }
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Other(one), Self::Other(two)) => one.eq_ignore_case(two),
            (one, two) => std::mem::discriminant(one) == std::mem::discriminant(two),
        }
    }
}
impl Eq for HeaderName {}

/// A name that is no token becomes one byte for byte: what is none is replaced by `-`.
impl From<&str> for HeaderName {
    fn from(name: &str) -> Self {
        let clean: String = name.bytes().map(|byte| if is_token_byte(byte) { byte as char } else { '-' }).collect();
        Self::parse(clean.as_bytes()).unwrap_or(Self::Other(Text::from_static("-")))
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
