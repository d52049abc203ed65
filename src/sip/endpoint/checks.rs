//! What a new request must be before anything is built for it (RFC 3261 8.2, in its order): source, method, Request-URI,
//! merged, Require, body, session interval. Each check gives the answer that refuses, or nothing.

use bytes::Bytes;

use super::config::{EndpointConfig, Trunk};
use crate::sip::author::ACCEPT;
use crate::sip::dialog::{MIN_SE, asks_too_short_a_session, is_sdp, unsupported};
use crate::sip::flow::Flow;
use crate::wire::sip::header::HeaderName;
use crate::wire::sip::message::{Method, Request, StatusCode};
use crate::wire::sip::uri::Uri;

/// A refusal before anything was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, Bytes)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode) -> Self {
        Self { status, headers: Vec::new() }
    }

    pub(super) fn with(mut self, name: HeaderName, value: impl Into<Bytes>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl EndpointConfig {
    /// True where some telephone may come from here.
    pub(super) fn is_phones_network(&self, flow: Flow) -> bool {
        let source = flow.remote.ip();
        self.phones.iter().any(|phone| phone.allow.iter().any(|network| network.contains(source)))
    }

    /// The telephone of this name, where it may come from here.
    pub(super) fn phone(&self, name: &str, flow: Flow) -> Option<usize> {
        let source = flow.remote.ip();
        let found = |phone: &super::config::Phone| {
            phone.credentials.username == name && phone.allow.iter().any(|network| network.contains(source))
        };
        self.phones.iter().position(found)
    }

    /// The trunk whose list allows this source.
    pub(super) fn trunk_of(&self, flow: Flow) -> Option<&Trunk> {
        let source = flow.remote.ip();
        self.trunks.iter().find(|trunk| trunk.allow.iter().any(|network| network.contains(source)))
    }
}

/// Checks of method and message alone; `merged` is true where it came by another path already.
pub(super) fn refusal(request: &Request, merged: bool, most: usize) -> Option<Refusal> {
    method(request)
        .or_else(|| (request.body.len() > most).then(|| Refusal::new(StatusCode::MESSAGE_TOO_LARGE)))
        .or_else(|| scheme(request))
        .or_else(|| merged.then(|| Refusal::new(StatusCode::LOOP_DETECTED)))
        .or_else(|| extensions(request))
        .or_else(|| body(request))
        .or_else(|| acceptable(request))
        .or_else(|| session(request))
}

/// 8.2.1. Whether a method is a word of some RFC or of nobody, it is not one of ours.
fn method(request: &Request) -> Option<Refusal> {
    match request.method {
        Method::Invite | Method::Options | Method::Register => None,
        // Known only within a dialog, and there is none.
        Method::Bye | Method::Info | Method::Update | Method::Prack | Method::Notify => {
            Some(Refusal::new(StatusCode::NO_SUCH_TRANSACTION))
        }
        Method::Other(_) => Some(Refusal::new(StatusCode::NOT_IMPLEMENTED)),
        // Nobody makes us call anybody out of the blue.
        Method::Refer => Some(Refusal::new(StatusCode::FORBIDDEN)),
        Method::Ack | Method::Cancel | Method::Subscribe | Method::Message | Method::Publish => {
            Some(Refusal::new(StatusCode::METHOD_NOT_ALLOWED))
        }
    }
}

/// 8.2.2.1.
fn scheme(request: &Request) -> Option<Refusal> {
    match request.uri {
        Uri::Sip(_) | Uri::Tel(_) => None,
        Uri::Other { .. } => Some(Refusal::new(StatusCode::UNSUPPORTED_URI_SCHEME)),
    }
}

/// 8.2.2.3.
fn extensions(request: &Request) -> Option<Refusal> {
    let unknown = unsupported(request)?;
    Some(Refusal::new(StatusCode::BAD_EXTENSION).with(HeaderName::Unsupported, unknown))
}

/// 8.2.3: type and encoding of a body that is not optional.
fn body(request: &Request) -> Option<Refusal> {
    if request.body.is_empty() {
        return None;
    }
    let disposition = request.headers.get(&HeaderName::ContentDisposition);
    let optional = disposition.is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.windows(17).any(|part| part == b"handling=optional")
    });
    let mut encodings = request.headers.values(&HeaderName::ContentEncoding);
    let encoded = encodings.any(|coding| !coding.eq_ignore_ascii_case(b"identity"));
    // No REGISTER has a body that means anything to us.
    if optional || is_sdp(request) && !encoded || request.method == Method::Register {
        return None;
    }
    let refusal = Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    Some(if encoded {
        refusal.with(HeaderName::AcceptEncoding, &b"identity"[..])
    } else {
        refusal.with(HeaderName::Accept, ACCEPT)
    })
}

/// A caller who takes no session description cannot be given one (RFC 4475 3.3.15).
fn acceptable(request: &Request) -> Option<Refusal> {
    let named = request.method == Method::Invite && request.headers.contains(&HeaderName::Accept);
    let takes = || request.headers.accept().iter().any(|range| range.accepts("application", "sdp"));
    (named && !takes()).then(|| Refusal::new(StatusCode::NOT_ACCEPTABLE))
}

/// RFC 4028 9.
fn session(request: &Request) -> Option<Refusal> {
    let short = request.method == Method::Invite && asks_too_short_a_session(request);
    short.then(|| Refusal::new(StatusCode::SESSION_INTERVAL_TOO_SMALL).with(HeaderName::MinSe, MIN_SE.to_string()))
}
