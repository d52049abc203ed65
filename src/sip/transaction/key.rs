//! Which transaction a message belongs to (RFC 3261 17.1.3, 17.2.3).

use std::hash::{DefaultHasher, Hasher};

use crate::wire::sip::header::{HeaderName, Via};
use crate::wire::sip::message::{Method, Request, Response};

/// 128 bits for what names a transaction: hundreds of thousands are kept, and two that share them do not happen. They need not
/// be secret: whoever finds a pair has taken one request of his own for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Print([u64; 2]);

impl Print {
    fn of(bytes: &[u8]) -> Self {
        Self([0, 1].map(|half| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(half);
            hasher.write(bytes);
            hasher.finish()
        }))
    }
}

/// Key of a server transaction. An ACK has the key of the INVITE that it acknowledges (with a refusal), a CANCEL its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerKey(Print);

impl ServerKey {
    /// The key of a request.
    pub fn of(request: &Request, via: &Via) -> Self {
        let method = match &request.method {
            Method::Ack => &Method::Invite,
            other => other,
        };
        Self::with_method(request, via, method)
    }

    /// The key of the INVITE that a CANCEL is for (RFC 3261 9.2).
    pub fn of_cancelled(request: &Request, via: &Via) -> Self {
        Self::with_method(request, via, &Method::Invite)
    }

    fn with_method(request: &Request, via: &Via, method: &Method) -> Self {
        let mut key = Vec::with_capacity(96);
        key.extend_from_slice(method.as_str().as_bytes());
        match via.branch().filter(|_| via.has_cookie()) {
            Some(branch) => {
                let mut sent_by = format!("|{}:{}|", via.host, via.port.unwrap_or(0));
                sent_by.make_ascii_lowercase();
                key.extend_from_slice(sent_by.as_bytes());
                key.extend_from_slice(branch.as_bytes());
            }
            None => Self::push_rfc_2543(&mut key, request, method),
        }
        Self(Print::of(&key))
    }

    /// Without a branch of RFC 3261: Request-URI, From tag, Call-ID, CSeq number, top Via; the To tag too but where the ACK's
    /// is not the INVITE's.
    fn push_rfc_2543(key: &mut Vec<u8>, request: &Request, method: &Method) {
        let headers = &request.headers;
        let tag = |address: Option<String>| address.unwrap_or_default();
        let from = tag(headers.from().ok().and_then(|from| from.tag().map(str::to_owned)));
        let to = match method {
            Method::Invite => String::new(),
            _ => tag(headers.to().ok().and_then(|to| to.tag().map(str::to_owned))),
        };
        let number = headers.cseq().map(|cseq| cseq.number.to_string()).unwrap_or_default();
        let uri = request.uri.to_string();
        for part in [uri.as_bytes(), from.as_bytes(), to.as_bytes(), number.as_bytes()] {
            key.push(b'|');
            key.extend_from_slice(part);
        }
        let via = headers.values(&HeaderName::Via).next();
        for part in [headers.get(&HeaderName::CallId), via.as_ref()].into_iter().flatten() {
            key.push(b'|');
            key.extend_from_slice(part);
        }
    }
}

/// Key by which a request that came by two paths is known (RFC 3261 8.2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MergeKey(Print);

impl MergeKey {
    /// `None` for a request within a dialog, or that lacks what it takes.
    pub fn of(request: &Request) -> Option<Self> {
        let headers = &request.headers;
        if headers.to().ok()?.tag().is_some() {
            return None;
        }
        let cseq = headers.cseq().ok()?;
        let from = headers.from().ok()?;
        let mut key = format!("{cseq}|{}|", from.tag()?).into_bytes();
        key.extend_from_slice(headers.get(&HeaderName::CallId)?);
        Some(Self(Print::of(&key)))
    }
}

/// Key of a client transaction: our branch, which a CANCEL shares with its INVITE.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey {
    branch: String,
    cancel: bool,
}

impl ClientKey {
    /// For a request of ours.
    pub fn new(branch: &str, method: &Method) -> Self {
        Self { branch: branch.to_owned(), cancel: *method == Method::Cancel }
    }

    /// The key of a response; `None` where it lacks what it takes.
    pub fn of(response: &Response) -> Option<Self> {
        let via = response.headers.via().ok()?;
        let cseq = response.headers.cseq().ok()?;
        Some(Self { branch: via.branch()?.to_owned(), cancel: cseq.method == Method::Cancel })
    }
}
