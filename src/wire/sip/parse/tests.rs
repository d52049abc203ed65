//! Datagrams and streams: framing, limits, mandatory headers.

use super::super::header::HeaderName;
use super::*;

/// An OPTIONS with these lines in the place of, or beside, the usual ones.
fn options(replaced: &str, lines: &str) -> Vec<u8> {
    let mut text = String::from("OPTIONS sip:gw SIP/2.0\r\n");
    for line in [
        "Via: SIP/2.0/UDP h;branch=z9hG4bK1",
        "From: <sip:a@x>;tag=1",
        "To: <sip:gw>",
        "Call-ID: c@x",
        "CSeq: 1 OPTIONS",
        "Max-Forwards: 70",
    ] {
        if replaced.is_empty() || !line.starts_with(replaced) {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
    text.push_str(lines);
    text.push_str("\r\n");
    text.into_bytes()
}

fn reason(bytes: &[u8]) -> String {
    match parse_datagram(bytes) {
        Ok(_) => "ok".to_owned(),
        Err(ParseError::BadRequest { reason, .. }) => reason,
        Err(ParseError::Silent { .. }) => "silent".to_owned(),
    }
}

#[test]
fn every_mandatory_header_is_named() {
    for (replaced, lines, expected) in [
        ("", "", "ok"),
        ("Via", "", "silent"),
        ("Via", "Via: nonsense\r\n", "silent"),
        ("Via", "Via: SIP/2.0/UDP h;;\r\n", "Bad Via"),
        ("", "Via: nonsense\r\n", "Bad Via"),
        ("From", "", "Missing From"),
        ("From", "From: x\r\n", "Bad From"),
        ("", "From: <sip:a@x>;tag=1\r\n", "Repeated From"),
        ("To", "", "Missing To"),
        ("To", "t: <sip:gw\r\n", "Bad To"),
        ("Call-ID", "", "Missing Call-ID"),
        ("Call-ID", "Call-ID: a b\r\n", "Bad Call-ID"),
        ("CSeq", "", "Missing CSeq"),
        ("CSeq", "CSeq: x OPTIONS\r\n", "Bad CSeq"),
        ("CSeq", "CSeq: 1 INVITE\r\n", "CSeq Method Mismatch"),
        ("Max", "", "Missing Max-Forwards"),
        ("Max", "Max-Forwards: 256\r\n", "Bad Max-Forwards"),
        ("", "Contact: <sip:a\r\n", "Bad Contact"),
        ("", "Route: x\r\n", "Bad Route"),
        ("", "Record-Route: <sip:h\r\n", "Bad Record-Route"),
        ("", "no colon\r\n", "Bad Header Line"),
        ("", "bad name: x\r\n", "Bad Header Name"),
        ("", "Subject: a\rb\r\n", "Bad Subject"),
        ("", "Subject: \u{e9}\r\nX: \u{1}\r\n", "ok"),
    ] {
        assert_eq!(reason(&options(replaced, lines)), expected, "{replaced} {lines:?}");
    }
}

#[test]
fn content_length_over_udp() {
    for (lines, body, expected) in [
        ("", "hello", "ok"),
        ("Content-Length: 5\r\n", "hello", "ok"),
        ("Content-Length: 5\r\nl: 5\r\n", "hello and more", "ok"),
        ("Content-Length: 6\r\n", "hello", "Content-Length Larger Than Message"),
        ("Content-Length: 18446744073709551615\r\n", "hello", "Content-Length Larger Than Message"),
        ("Content-Length: 18446744073709551616\r\n", "hello", "Bad Content-Length"),
        ("Content-Length: -1\r\n", "hello", "Bad Content-Length"),
        ("Content-Length:\r\n", "hello", "Bad Content-Length"),
        ("Content-Length: 5\r\nContent-Length: 4\r\n", "hello", "Repeated Content-Length"),
    ] {
        let bytes = [options("", lines), body.as_bytes().to_vec()].concat();
        assert_eq!(reason(&bytes), expected, "{lines:?}");
        if let Ok(Message::Request(request)) = parse_datagram(&bytes) {
            assert_eq!(request.body, "hello");
            assert!(request.to_bytes().ends_with(b"Content-Length: 5\r\n\r\nhello"));
        }
    }
}

#[test]
fn lines_end_and_fold_in_any_way() {
    let text = "\r\n\nOPTIONS sip:gw SIP/2.0\nv: SIP/2.0/UDP h\n\t;branch=z9hG4bK1\r\nf : <sip:a@x>;tag=1\nt:\r\n <sip:gw>\n\
        i: c\nCSEQ: 1\n OPTIONS\nmax-forwards: 70\nSubject: a \r\n \r\n  b\n\nbody";
    let Ok(Message::Request(request)) = parse_datagram(text.as_bytes()) else { panic!("{}", reason(text.as_bytes())) };
    assert_eq!(request.headers.get(&HeaderName::Subject).unwrap(), "a b");
    assert_eq!((request.headers.len(), &request.body[..]), (7, &b"body"[..]));
    assert_eq!(reason(b"OPTIONS sip:gw SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: a"), "Missing Empty Line");
}

#[test]
fn start_lines() {
    let with = |start: &str| reason(&[start.as_bytes(), &options("", "")["OPTIONS sip:gw SIP/2.0".len()..]].concat());
    for (start, expected) in [
        ("OPTIONS sip:gw sip/2.0", "ok"),
        ("OPTIONS urn:service:sos SIP/2.0", "ok"),
        ("options sip:gw SIP/2.0", "CSeq Method Mismatch"),
        ("OPTIONS sip:gw SIP/3.0", "Version Not Supported"),
        ("OPTIONS sip:gw SIP/2", "Bad Request-Line"),
        ("OPTIONS SIP/2.0", "Bad Request-URI"),
        ("OPTIONS sip:g w SIP/2.0", "Bad Request-URI"),
        ("OPTIONS sip:gw?a=b SIP/2.0", "Bad Request-URI"),
        ("OPT(IONS sip:gw SIP/2.0", "Bad Method"),
        ("GET / HTTP/1.1", "silent"),
        ("SIP/2.0 200 OK", "ok"),
        ("SIP/2.0 200", "ok"),
        ("SIP/2.0 20 OK", "silent"),
        ("SIP/2.0 2000 OK", "silent"),
        ("SIP/2.0 700 OK", "silent"),
        ("SIP/1.0 200 OK", "silent"),
    ] {
        assert_eq!(with(start), expected, "{start}");
    }
    for bytes in [&b""[..], b"\r\n\r\n", b"\0\0\0\0", b"\x00\x01\x00\x00\x21\x12\xa4\x42"] {
        assert_eq!(reason(bytes), "silent");
    }
    assert!(is_keepalive(b"\r\n\r\n") && is_keepalive(b"\0") && !is_keepalive(b"OPTIONS"));
}

#[test]
fn limits_hold() {
    let many = |line: &str, count: usize| reason(&options("", &line.repeat(count)));
    assert_eq!(many("X: y\r\n", 250), "ok");
    assert_eq!(many("X: y\r\n", 251), "Too Many Header Lines");
    assert_eq!(
        reason(&options("", &format!("X: {}\r\n", "y".repeat(super::super::MAX_LINE_BYTES + 1)))),
        "Header Line Too Long"
    );
    assert_eq!(reason(&options("", &format!("X: y\r\n{}", " zz\r\n".repeat(6000)))), "Header Line Too Long");
    assert_eq!(many("v: SIP/2.0/UDP h, SIP/2.0/UDP h\r\n", 200), "Too Many Via");
    assert_eq!(reason(&options("", &format!("m: <sip:h{}>\r\n", ";a".repeat(65)))), "Bad Contact");
    assert_eq!(reason(&vec![b'a'; MAX_MESSAGE_BYTES + 1]), "silent");
}

fn stream(pieces: &[&[u8]]) -> Vec<StreamItem> {
    let mut parser = StreamParser::new();
    let mut items = Vec::new();
    for piece in pieces {
        parser.push(piece);
        items.extend(std::iter::from_fn(|| parser.next()));
    }
    items
}

#[test]
fn streams_need_a_length() {
    let good = options("", "Content-Length: 5\r\n");
    let bad = options("To", "Content-Length: 5\r\n");
    let items = stream(&[&good, b"hello", &bad, b"hello", &good, b"hello\r\n", b"\r\n"]);
    assert!(
        matches!(
            &items[..],
            [
                StreamItem::Message(_),
                StreamItem::Bad(ParseError::BadRequest { .. }),
                StreamItem::Message(_),
                StreamItem::Pong,
                StreamItem::Ping
            ]
        ),
        "{items:?}"
    );
    for (lines, expected) in [
        ("", "Missing Content-Length"),
        ("Content-Length: -1\r\n", "Bad Content-Length"),
        ("bad line\r\nContent-Length: 1\r\nContent-Length: 2\r\n", "Repeated Content-Length"),
        ("Content-Length: 18446744073709551615\r\n", "Message Too Large"),
        ("Content-Length: 65536\r\n", "Message Too Large"),
    ] {
        let items = stream(&[&options("", lines), &good, b"hello"]);
        let [StreamItem::Broken(Some(ParseError::BadRequest { reason, .. }))] = &items[..] else { panic!("{items:?}") };
        assert_eq!(reason, expected);
    }
    assert_eq!(stream(&[b"GET / HTTP/1.1\r\n\r\n", &good]), [StreamItem::Broken(None)]);
}

/// A head that never ends costs 64 KiB and one pass.
#[test]
fn streams_are_bounded() {
    let mut parser = StreamParser::new();
    let mut broken = 0;
    parser.push(b"OPTIONS sip:gw SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n");
    for _ in 0..100_000 {
        parser.push(b"X: yyyyyyyyyyyy\r\n");
        broken +=
            std::iter::from_fn(|| parser.next()).filter(|item| matches!(item, StreamItem::Broken(Some(_)))).count();
        assert!(parser.buffered() <= 2 * MAX_MESSAGE_BYTES);
    }
    assert_eq!((broken, parser.buffered()), (1, 0));
}
