//! What both sides of a dialog share (RFC 3261 12.1, 12.2): identity, sequence numbers, route set, remote target. Requests
//! go out on the flow that the dialog came by, whatever host the route names: that is what gets through NAT and what needs
//! no name look-up; routing by the route's own address is a later issue.

use bytes::Bytes;

use super::is_secure;
use crate::sip::author::Author;
use crate::sip::digest::client::Prover;
use crate::sip::flow::Flow;
use crate::wire::sip::header::{CSeq, HeaderName, NameAddr};
use crate::wire::sip::message::{Headers, Method, Request, Response};
use crate::wire::sip::uri::Uri;

/// See the module.
#[derive(Debug)]
pub struct Core {
    /// Where messages go.
    pub flow: Flow,
    /// Signs requests where the other side asks for it.
    pub prover: Option<Prover>,
    /// User part of our Contact.
    pub user: Option<String>,
    /// The INVITE was for a `sips:` address: our Contact is one, too.
    secure: bool,
    call_id: Bytes,
    /// From of our requests, with our tag.
    local: Bytes,
    /// To of our requests, with their tag where they have one.
    remote: Bytes,
    remote_tag: String,
    local_seq: u32,
    remote_seq: Option<u32>,
    target: Uri,
    routes: Vec<NameAddr>,
}

impl Core {
    /// From an INVITE that came; `local` is its To with our tag. `None` where it lacks what makes a dialog.
    pub fn of_invite(flow: Flow, invite: &Request, local: Bytes) -> Option<Self> {
        let headers = &invite.headers;
        let from = headers.from().ok()?;
        Some(Self {
            flow,
            prover: None,
            user: invite.uri.user_decoded(),
            secure: is_secure(&invite.uri),
            call_id: headers.get(&HeaderName::CallId)?.clone(),
            local,
            remote: headers.get(&HeaderName::From)?.clone(),
            // Peers of RFC 2543 have no tag (12.1.1).
            remote_tag: from.tag().unwrap_or_default().to_owned(),
            local_seq: 0,
            remote_seq: Some(headers.cseq().ok()?.number),
            target: target(headers).unwrap_or(from.uri),
            routes: headers.record_routes().ok()?,
        })
    }

    /// From an answer to our INVITE, provisional or final.
    pub fn of_answer(flow: Flow, invite: &Request, answer: &Response, user: Option<String>) -> Option<Self> {
        let headers = &answer.headers;
        let mut routes = headers.record_routes().ok()?;
        routes.reverse();
        Some(Self {
            flow,
            prover: None,
            user,
            secure: is_secure(&invite.uri),
            call_id: invite.headers.get(&HeaderName::CallId)?.clone(),
            local: invite.headers.get(&HeaderName::From)?.clone(),
            remote: headers.get(&HeaderName::To)?.clone(),
            remote_tag: headers.to().ok()?.tag().unwrap_or_default().to_owned(),
            local_seq: invite.headers.cseq().ok()?.number,
            remote_seq: None,
            // Some answer without Contact; what we dialled is the best that is known.
            target: target(headers).unwrap_or_else(|| invite.uri.clone()),
            routes,
        })
    }

    /// Our Contact in it.
    pub fn contact(&self, author: &Author) -> Bytes {
        author.contact(self.flow, self.user.as_deref(), self.secure)
    }

    /// Goes on with the numbers of the early dialog that it was; route set and target are those of the 2xx (13.2.2.4).
    pub fn continues(&mut self, early: &Self) {
        self.local_seq = self.local_seq.max(early.local_seq);
        self.remote_seq = early.remote_seq;
    }

    /// True where a message belongs to this dialog; the local tag has matched already.
    pub fn matches(&self, call_id: &[u8], remote_tag: &str) -> bool {
        self.call_id == call_id && self.remote_tag == remote_tag
    }

    /// Our address in it, without tag: Referred-By.
    pub fn own_address(&self) -> Bytes {
        match NameAddr::parse(&self.local) {
            Some(own) => NameAddr::new(own.uri).to_bytes(),
            None => self.local.clone(),
        }
    }

    /// Refer-To for somebody who shall take over this dialog with the other side (RFC 5589 7): who is there, and Replaces
    /// with the tags as the other side has them.
    pub fn refer_to(&self, local_tag: &str) -> NameAddr {
        let mut uri = self.target.clone();
        if let Uri::Sip(sip) = &mut uri {
            let value =
                [&self.call_id[..], b";to-tag=", self.remote_tag.as_bytes(), b";from-tag=", local_tag.as_bytes()]
                    .concat();
            sip.headers = vec![(Bytes::from_static(b"Replaces"), escape(&value))];
        }
        NameAddr::new(uri)
    }

    /// The other side's tag.
    pub fn remote_tag(&self) -> &str {
        &self.remote_tag
    }

    /// Takes note of a request's number; false where it is out of order (12.2.2). Gaps are no fault.
    pub fn accept_seq(&mut self, number: u32) -> bool {
        if self.remote_seq.is_some_and(|last| number <= last) {
            return false;
        }
        self.remote_seq = Some(number);
        true
    }

    /// Target refresh by a re-INVITE or UPDATE, or by its answer.
    pub fn refresh_target(&mut self, headers: &Headers) {
        if let Some(target) = target(headers) {
            self.target = target;
        }
    }

    /// The next request of ours, signed where that was asked for; without Via.
    pub fn request(&mut self, method: Method, author: &mut Author) -> Request {
        let number = self.next_number();
        let mut request = self.with_seq(method, number, author);
        self.sign(&mut request, author);
        request
    }

    /// The number of our next request.
    pub fn next_number(&mut self) -> u32 {
        self.local_seq += 1;
        self.local_seq
    }

    /// Signs a request where the other side asks for it.
    pub fn sign(&mut self, request: &mut Request, author: &mut Author) {
        if let Some(prover) = &mut self.prover {
            prover.sign(request, author);
        }
    }

    /// The ACK to a 2xx, with its Via, signed as the INVITE was (22.1 forbids challenging it).
    pub fn ack(&self, invite: &Request, author: &mut Author) -> Bytes {
        let number = invite.headers.cseq().map_or(self.local_seq, |cseq| cseq.number);
        let mut ack = self.with_seq(Method::Ack, number, author);
        for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
            if let Some(value) = invite.headers.get(&name) {
                ack.headers.push(name, value.clone());
            }
        }
        author.stamp(&mut ack, self.flow);
        ack.to_bytes()
    }

    fn with_seq(&self, method: Method, number: u32, author: &Author) -> Request {
        let mut routes: Vec<Bytes> = self.routes.iter().map(NameAddr::to_bytes).collect();
        let mut uri = self.target.clone();
        // A strict router takes the Request-URI; the target becomes the last route (12.2.1.1).
        if let Some(first) = self.routes.first()
            && first.uri.as_sip().is_some_and(|first| !first.is_lr())
        {
            uri = first.uri.clone();
            routes.remove(0);
            routes.push(NameAddr::new(self.target.clone()).to_bytes());
        }
        let mut request = Request::new(method.clone(), uri);
        let headers = &mut request.headers;
        for route in routes {
            headers.push(HeaderName::Route, route);
        }
        headers.push(HeaderName::From, self.local.clone());
        headers.push(HeaderName::To, self.remote.clone());
        headers.push(HeaderName::CallId, self.call_id.clone());
        headers.push_text(HeaderName::CSeq, CSeq { number, method });
        author.sign_request(&mut request);
        request
    }
}

/// Percent-escapes all but what is legal everywhere (RFC 3261 25.1 hvalue).
fn escape(value: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(value.len() + 16);
    for byte in value {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    Bytes::from(out)
}

fn target(headers: &Headers) -> Option<Uri> {
    Some(headers.contact().ok()??.uri)
}
