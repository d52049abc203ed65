//! What this side writes into every message that it starts or answers: Via, Contact, tags, branches, what it supports.
//! All randomness of the SIP part comes from here, from one seed.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::flow::{Flow, Transport};
use crate::wire::sip::header::{HeaderName, NameAddr, Via};
use crate::wire::sip::message::{Method, Request, Response, StatusCode};
use crate::wire::sip::text::Text;
use crate::wire::sip::uri::{Host, Scheme, SipUri};

/// Methods that this endpoint takes, for Allow.
pub const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, PRACK, UPDATE, REFER, NOTIFY";
/// Option tags that this endpoint supports (RFC 3262, RFC 4028, RFC 3891, RFC 4488).
pub const SUPPORTED: &[&str] = &["100rel", "timer", "replaces", "norefersub"];
/// Bodies that this endpoint takes in an INVITE.
pub const ACCEPT: &str = "application/sdp";

/// See the module.
#[derive(Debug)]
pub struct Author {
    random: fastrand::Rng,
    advertised: Vec<IpAddr>,
    product: Text,
}

impl Author {
    /// Of `advertised`, the first of a socket's family stands in Via and Contact instead of its address (NAT, 0.0.0.0).
    pub fn new(seed: u64, advertised: Vec<IpAddr>, product: &str) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), advertised, product: Text::from(product) }
    }

    /// 64 random bits as a token: tag, client nonce.
    pub fn token(&mut self) -> String {
        format!("{:016x}", self.random.u64(..))
    }

    /// A Call-ID.
    pub fn call_id(&mut self) -> String {
        format!("{:032x}", self.random.u128(..))
    }

    /// Random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.random.fill(bytes);
    }

    /// A number from 0 to 1.
    pub fn share(&mut self) -> f64 {
        self.random.f64()
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u32) -> u32 {
        self.random.u32(..limit)
    }

    /// Our address as others shall see it.
    pub fn address(&self, local: SocketAddr) -> SocketAddr {
        let advertised = self.advertised.iter().find(|address| address.is_ipv4() == local.is_ipv4());
        SocketAddr::new(advertised.copied().unwrap_or(local.ip()), local.port())
    }

    /// Puts a fresh Via of ours on top and returns its branch.
    pub fn stamp(&mut self, request: &mut Request, flow: Flow) -> String {
        let (via, branch) = self.via(flow);
        request.headers.push_front(HeaderName::Via, via);
        branch
    }

    /// Puts another Via in the place of the topmost one, for another flow, and returns its branch.
    pub fn restamp(&mut self, request: &mut Request, flow: Flow) -> String {
        let (via, branch) = self.via(flow);
        request.headers.replace_first_value(&HeaderName::Via, &via);
        branch
    }

    fn via(&mut self, flow: Flow) -> (Bytes, String) {
        let branch = format!("z9hG4bK{:016x}", self.random.u64(..));
        let mut via = Via::new(flow.transport.as_str(), self.address(flow.local), &branch);
        // RFC 5923 8.1: the peer may send its requests for us on this connection.
        if matches!(flow.transport, Transport::Tcp | Transport::Tls) {
            via.params.push("alias", None::<Bytes>);
        }
        (via.to_bytes(), branch)
    }

    /// Our URI on a flow: the Contact. `secure`: a `sips:` one, where what it answers or begins is (RFC 3261 8.1.1.8, 12.1.1).
    pub fn uri(&self, flow: Flow, user: Option<&str>, secure: bool) -> SipUri {
        let address = self.address(flow.local);
        let mut uri = SipUri::new(user, Host::from(address.ip()), Some(address.port()));
        if secure && matches!(flow.transport, Transport::Tls | Transport::Wss) {
            uri.scheme = Scheme::Sips;
        }
        // 26.2.2: `transport=tls` says nothing that `sips:` does not.
        if flow.transport != Transport::Udp && !(uri.scheme == Scheme::Sips && flow.transport == Transport::Tls) {
            uri.params.push("transport", Some(flow.transport.as_param()));
        }
        uri
    }

    /// Contact as a header value.
    pub fn contact(&self, flow: Flow, user: Option<&str>, secure: bool) -> Bytes {
        NameAddr::new(self.uri(flow, user, secure)).to_bytes()
    }

    /// Adds what every request of ours says.
    pub fn sign_request(&self, request: &mut Request) {
        request.headers.push(HeaderName::MaxForwards, &b"70"[..]);
        request.headers.push(HeaderName::UserAgent, self.product.clone().into_bytes());
        if matches!(request.method, Method::Invite | Method::Update) {
            request.headers.push(HeaderName::Allow, ALLOW);
            request.headers.push(HeaderName::Supported, SUPPORTED.join(", "));
        }
    }

    /// An answer (RFC 3261 8.2.6). 2xx to INVITE, UPDATE and OPTIONS, and every 405, say what we take.
    pub fn answer(&self, request: &Request, status: StatusCode, to_tag: Option<&str>) -> Response {
        let mut response = Response::to_request(request, status, to_tag);
        response.headers.push(HeaderName::Server, self.product.clone().into_bytes());
        let describes = matches!(request.method, Method::Invite | Method::Update | Method::Options);
        let refuses_method = matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED);
        if refuses_method || status.is_success() && describes {
            response.headers.push(HeaderName::Allow, ALLOW);
        }
        if status.is_success() && describes {
            response.headers.push(HeaderName::Supported, SUPPORTED.join(", "));
            response.headers.push(HeaderName::Accept, ACCEPT);
        }
        response
    }

    /// 415 (RFC 3261 8.2.3): the body is of a type that is not taken; `accept` says which are.
    pub fn answer_unsupported(&self, request: &Request, accept: &'static str) -> Response {
        let mut response = self.answer(request, StatusCode::UNSUPPORTED_MEDIA_TYPE, None);
        response.headers.push(HeaderName::Accept, accept);
        response
    }

    /// An answer that asks to come again: 503 while draining or full, 500 for a request out of order.
    pub fn answer_later(&self, request: &Request, status: StatusCode, to_tag: Option<&str>, seconds: u32) -> Response {
        let mut response = self.answer(request, status, to_tag);
        response.headers.push_text(HeaderName::RetryAfter, seconds);
        response
    }
}
