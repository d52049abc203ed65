//! The one check of a message that was read: what is mandatory is there, once, and readable (RFC 3261 8.1.1 and 20).

use bytes::Bytes;

use super::super::header::{CSeq, HeaderError, HeaderName, Via};
use super::super::message::{Headers, Message, Method, Request, Response};
use super::head::{Head, StartLine};
use super::{ParseError, Problem};

/// Makes a message of its parts, or says why it is none.
pub(super) fn check(head: Head, body: Bytes) -> Result<Message, ParseError> {
    let Head { start, headers, problem, .. } = head;
    match start {
        StartLine::Request { method, uri } => check_request(Request { method, uri, headers, body }, problem),
        StartLine::Response { status, reason } => {
            let wrong = match problem {
                Some(problem) => Some(problem),
                None => check_identity(&headers).err().map(Problem::from),
            };
            match wrong {
                Some(problem) => Err(ParseError::silent(problem.reason)),
                None => Ok(Message::Response(Response { status, reason, headers, body })),
            }
        }
    }
}

fn check_request(request: Request, problem: Option<Problem>) -> Result<Message, ParseError> {
    let found = match problem {
        Some(problem) => Err(problem),
        None => check_headers(&request),
    };
    let Err(problem) = found else { return Ok(Message::Request(request)) };
    if request.method == Method::Ack {
        return Err(ParseError::silent("bad ACK"));
    }
    let routable = request.headers.values(&HeaderName::Via).next().is_some_and(|via| Via::has_sent_by(&via));
    if !routable {
        return Err(ParseError::silent("no Via to answer to"));
    }
    let reason = problem.reason.into_owned();
    Err(ParseError::BadRequest { status: problem.status, reason, partial: Box::new(request) })
}

fn check_headers(request: &Request) -> Result<(), Problem> {
    let headers = &request.headers;
    let (cookie, cseq) = check_identity(headers)?;
    if cseq.method != request.method {
        return Err(Problem::bad_request("CSeq Method Mismatch"));
    }
    if headers.max_forwards()?.is_none() && cookie {
        return Err(HeaderError::missing(HeaderName::MaxForwards).into());
    }
    headers.contacts()?;
    headers.routes()?;
    headers.record_routes()?;
    Ok(())
}

/// What names a transaction and a dialog. Gives whether the topmost Via is one of RFC 3261, and CSeq.
fn check_identity(headers: &Headers) -> Result<(bool, CSeq), HeaderError> {
    let vias = headers.vias()?;
    headers.from()?;
    headers.to()?;
    headers.call_id()?;
    let cseq = headers.cseq()?;
    Ok((vias.first().is_some_and(Via::has_cookie), cseq))
}

impl From<HeaderError> for Problem {
    fn from(error: HeaderError) -> Self {
        Self::bad_request(error.to_string())
    }
}
