//! Requests and responses (RFC 3261 7): values that the machines read and build. Content-Length is no header here: it
//! frames a message on the wire, so the parser takes it off and the printer writes it.

mod accessors;
mod headers;
mod method;
mod status;

use bytes::Bytes;

pub use self::headers::{Header, Headers};
pub use self::method::Method;
pub use self::status::StatusCode;
use super::header::HeaderName;
use super::uri::Uri;

/// A SIP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// Its headers.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }
    /// As it goes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Request-URI.
    pub uri: Uri,
    /// Headers in order, without Content-Length.
    pub headers: Headers,
    /// Body, perhaps empty.
    pub body: Bytes,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: StatusCode,
    /// Reason phrase as written, perhaps empty.
    pub reason: Bytes,
    /// Headers in order, without Content-Length.
    pub headers: Headers,
    /// Body, perhaps empty.
    pub body: Bytes,
}

impl Request {
    /// A request without headers.
    pub fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::default(), body: Bytes::new() }
    }
    /// Sets the body and its Content-Type.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        self.headers.set_text(HeaderName::ContentType, content_type);
        self.body = body.into();
    }
}

impl Response {
    /// A response without headers, with the usual reason phrase.
    pub fn new(status: StatusCode) -> Self {
        let reason = Bytes::from_static(status.reason_phrase().as_bytes());
        Self { status, reason, headers: Headers::default(), body: Bytes::new() }
    }
    /// Sets the body and its Content-Type.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        self.headers.set_text(HeaderName::ContentType, content_type);
        self.body = body.into();
    }

    /// The answer to a request (RFC 3261 8.2.6.2): Via, From, To with our tag, Call-ID and CSeq as they came; Record-Route
    /// where a dialog may come of it (12.1.1); Timestamp in a 100. What a broken request lacks, its answer lacks.
    pub fn to_request(request: &Request, status: StatusCode, to_tag: Option<&str>) -> Self {
        let mut response = Self::new(status);
        let dialog = status.as_u16() > 100 && status.as_u16() < 300;
        for header in request.headers.iter() {
            let copied = match header.name {
                HeaderName::Via | HeaderName::From | HeaderName::To | HeaderName::CallId | HeaderName::CSeq => true,
                HeaderName::RecordRoute => dialog,
                HeaderName::Timestamp => status == StatusCode::TRYING,
                _ => false,
            };
            if copied {
                response.headers.push(header.name.clone(), header.value.clone());
            }
        }
        if let Some(tag) = to_tag.filter(|_| status != StatusCode::TRYING) {
            response.headers.tag_to(tag);
        }
        response
    }
}

#[cfg(test)]
mod tests;
