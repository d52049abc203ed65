//! A REGISTER of anybody and digest parameters of anybody: no panic, no table that grows, nothing proved by chance, and Contacts
//! that are given back read as they were taken.
#![no_main]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tingwa::redact::Redacted;
use tingwa::sip::digest::client::{Asked, Challenge, Credentials};
use tingwa::sip::digest::server::{DigestServer, Verdict};
use tingwa::sip::flow::{Flow, Transport};
use tingwa::sip::registrar::{Registrar, RegistrarLimits};
use tingwa::wire::sip::header::{AuthParams, HeaderName, NameAddr};
use tingwa::wire::sip::message::{Message, Request};
use tingwa::wire::sip::parse::parse_datagram;

fuzz_target!(|data: &[u8]| {
    let now = Instant::now();
    let here = IpAddr::from([198, 51, 100, 7]);
    digest(now, here, data);
    let flow = Flow { transport: Transport::Udp, local: ([192, 0, 2, 1], 5060).into(), remote: (here, 40_000).into() };
    let limits = RegistrarLimits::default();
    let mut registrar = Registrar::new(1, limits);
    // Several messages, one after the other.
    for (step, text) in data.split(|byte| *byte == 0).enumerate() {
        let Ok(Message::Request(request)) = parse_datagram(text) else { continue };
        judged(now, here, &request);
        let now = now + Duration::from_secs(30 * step as u64);
        if let Ok(contacts) = registrar.register(now, 0, flow, &request) {
            for contact in contacts {
                assert!(NameAddr::parse(&contact).is_some_and(|contact| contact.params.has("expires")));
            }
        }
        assert!(registrar.contacts(0) <= limits.contacts);
        if let Some(binding) = registrar.best(now, 0) {
            assert!(binding.uri.as_sip().is_some());
        }
    }
    registrar.expire(now + Duration::from_secs(10_000_000));
    assert_eq!((registrar.contacts(0), registrar.deadline()), (0, None));
});

fn judged(now: Instant, here: IpAddr, request: &Request) {
    let mut server = DigestServer::new("r", [7; 32], now);
    let secret = Redacted::from("a secret that nobody finds");
    let uri = request.uri.to_string();
    let asked = Asked { method: request.method.as_str(), uri: &uri, body: &request.body };
    for given in request.headers.credentials(&HeaderName::Authorization) {
        let verdict = server.judge(now, here, Some(&given), &asked, |_| Some(&secret));
        assert!(!matches!(verdict, Verdict::Passed { .. }));
    }
}

fn digest(now: Instant, here: IpAddr, data: &[u8]) {
    let Some(params) = AuthParams::parse(&bytes::Bytes::copy_from_slice(data)) else { return };
    assert_eq!(AuthParams::parse(&params.to_bytes()).map(|again| again.to_bytes()), Some(params.to_bytes()));
    let credentials = Credentials { username: "anna".into(), password: Redacted::from("pw") };
    let asked = Asked { method: "REGISTER", uri: "sip:r", body: data };
    let mut server = DigestServer::new("r", [7; 32], now);
    assert!(!matches!(server.judge(now, here, Some(&params), &asked, |_| None), Verdict::Passed { .. }));
    if let Some(mut challenge) = Challenge::choose([(&HeaderName::WwwAuthenticate, params)]) {
        let answer = challenge.answer(&credentials, &asked, "c");
        assert!(AuthParams::parse(&answer.to_bytes()).is_some());
    }
}
