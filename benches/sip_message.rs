//! What one SIP message costs: reading an INVITE of an Asterisk, its answer, its session description; and the endpoint's
//! whole answer to an OPTIONS.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock for the machine")]

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use tingwa::sip::endpoint::config::EndpointConfig;
use tingwa::sip::endpoint::{Endpoint, Input};
use tingwa::sip::flow::{Flow, Transport};
use tingwa::wire::sdp;
use tingwa::wire::sip::message::{Message, Response, StatusCode};
use tingwa::wire::sip::parse::parse_datagram;

const OFFER: &str = "v=0\r\no=root 1821 1821 IN IP4 198.51.100.7\r\ns=Asterisk\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
    m=audio 17842 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

fn message(method: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} sip:1823@203.0.113.10:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK-524287-1;rport\r\n\
         Max-Forwards: 68\r\nRecord-Route: <sip:198.51.100.7;lr>\r\nContact: <sip:91234567@198.51.100.7:5060>\r\n\
         To: <sip:1823@203.0.113.10>\r\nFrom: \"Chan Tai Man\" <sip:91234567@198.51.100.7>;tag=as7d8f9a0b\r\n\
         Call-ID: 7a6b5c4d3e2f1a0b@198.51.100.7\r\nCSeq: 102 {method}\r\nUser-Agent: Asterisk PBX 22.1.0\r\n\
         Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, MESSAGE\r\nSupported: replaces, timer\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sip");
    let invite = message("INVITE", OFFER);
    group.bench_function("parse an INVITE", |bench| bench.iter(|| parse_datagram(black_box(&invite))));
    let Ok(Message::Request(request)) = parse_datagram(&invite) else { panic!("the INVITE is well-formed") };
    group.bench_function("build and print its 200", |bench| {
        bench.iter(|| Response::to_request(&request, StatusCode::OK, Some("a1b2")).to_bytes());
    });
    group.bench_function("parse its session description", |bench| bench.iter(|| sdp::parse(black_box(&request.body))));
    let flow = Flow {
        transport: Transport::Udp,
        local: ([203, 0, 113, 10], 5060).into(),
        remote: ([198, 51, 100, 7], 5060).into(),
    };
    let now = Instant::now();
    let mut config = EndpointConfig { listen: vec![(Transport::Udp, flow.local)], ..EndpointConfig::default() };
    config.unknown = tingwa::sip::endpoint::config::UnknownSource::Refuse;
    let mut endpoint = Endpoint::new(config, 1, now);
    let options = message("OPTIONS", "");
    group.bench_function("endpoint: an OPTIONS and its answer", |bench| {
        bench.iter(|| {
            endpoint.handle(now, Input::Received { flow, bytes: &options });
            while let Some(output) = endpoint.poll() {
                black_box(output);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, messages);
criterion_main!(benches);
