//! The messages of RFC 4475 (`tests/data/sip-torture`): what parsing alone decides about each, that what was read prints and
//! reads again as the same, and that no mutation of them makes the parser panic.

use serde::Deserialize;

use super::message::Message;
use super::parse::{ParseError, StreamItem, StreamParser, parse_datagram};
use super::{header::HeaderName, message::Response};

macro_rules! messages {
    ($($name:literal),+ $(,)?) => {
        /// Every message, by name.
        pub(super) const MESSAGES: &[(&str, &[u8])] =
            &[$(($name, include_bytes!(concat!("../../../tests/data/sip-torture/", $name, ".sip"))),)+];
    };
}

messages! {
    "wsinv", "intmeth", "esc01", "escnull", "esc02", "lwsdisp", "longreq", "dblreq", "semiuri", "transports",
    "mpart01", "unreason", "noreason", "badinv01", "clerr", "ncl", "scalar02", "scalarlg", "quotbal", "ltgtruri",
    "lwsruri", "lwsstart", "trws", "escruri", "baddate", "regbadct", "badaspec", "baddn", "badvers", "mismatch01",
    "mismatch02", "bigcode", "badbranch", "insuf", "unkscm", "novelsc", "unksm2", "bext01", "invut", "regaut01",
    "multi01", "mcl01", "bcast", "zeromf", "cparam01", "cparam02", "regescrt", "sdp01", "inv2543",
}

#[derive(Deserialize)]
struct Table {
    message: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    parse: String,
    reason: Option<String>,
}

pub(super) fn message(name: &str) -> &'static [u8] {
    MESSAGES.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes).unwrap()
}

/// Reads what it reads again after printing; every typed header is read for its panics.
fn round_trip(bytes: &[u8]) {
    match parse_datagram(bytes) {
        Ok(message) => {
            let printed = message.to_bytes();
            assert_eq!(parse_datagram(&printed).as_ref(), Ok(&message), "{}", String::from_utf8_lossy(&printed));
            read_everything(&message);
        }
        Err(ParseError::BadRequest { status, partial, .. }) => {
            let answer = Response::to_request(&partial, status, Some("ours")).to_bytes();
            // Only a broken Via or address of the peer's own may make our answer unreadable.
            assert!(answer.ends_with(b"\r\n\r\n"));
        }
        Err(ParseError::Silent { .. }) => {}
    }
}

fn read_everything(message: &Message) {
    let headers = message.headers();
    let _ = (headers.contacts(), headers.routes(), headers.record_routes(), headers.diversion());
    let _ = (headers.refer_to(), headers.referred_by(), headers.p_asserted_identity(), headers.content_type());
    let _ = (headers.expires(), headers.min_expires(), headers.min_se(), headers.session_expires(), headers.rseq());
    let _ = (headers.rack(), headers.replaces(), headers.event(), headers.subscription_state(), headers.date());
    let _ = (headers.retry_after(), headers.timestamp(), headers.require(), headers.allow(), headers.accept());
    let _ = (headers.reasons(), headers.warnings(), headers.user_to_user());
    let _ = headers.challenges(&HeaderName::WwwAuthenticate);
    let _ = headers.credentials(&HeaderName::Authorization);
    if let Ok(from) = headers.from() {
        let printed = from.to_bytes();
        let again = super::header::NameAddr::parse(&printed);
        assert!(again.is_some_and(|again| again.uri == from.uri && again.params == from.params), "{from}");
        let _ = (from.display_for_people(), from.uri.user_decoded(), from.uri.equivalent(&from.uri));
    }
    if let Ok(via) = headers.via() {
        assert_eq!(super::header::Via::parse(&via.to_bytes()), Some(via));
    }
}

#[test]
fn parsing_decides_as_the_table_says() {
    let table: Table = toml::from_str(include_str!("../../../tests/data/sip-torture/table.toml")).unwrap();
    assert_eq!(table.message.len(), MESSAGES.len());
    for row in table.message {
        let (decided, reason) = match parse_datagram(message(&row.name)) {
            Ok(_) => ("ok", None),
            Err(ParseError::BadRequest { reason, .. }) => ("bad", Some(reason)),
            Err(ParseError::Silent { .. }) => ("silent", None),
        };
        assert_eq!((decided, reason), (row.parse.as_str(), row.reason), "{}", row.name);
    }
}

#[test]
fn prints_what_it_read() {
    for (_, bytes) in MESSAGES {
        round_trip(bytes);
    }
}

#[test]
fn reads_the_tortuous_one_right() {
    let Ok(Message::Request(request)) = parse_datagram(message("wsinv")) else { panic!() };
    let headers = &request.headers;
    assert_eq!(headers.from().unwrap().display.as_deref(), Some(&b"J Rosenberg \\\""[..]));
    assert_eq!(headers.from().unwrap().tag(), Some("98asjd8"));
    assert_eq!(headers.to().unwrap().tag(), Some("1918181833n"));
    assert_eq!(headers.max_forwards(), Ok(Some(68)));
    assert_eq!(headers.cseq().unwrap().to_string(), "9 INVITE");
    let hops: Vec<String> = headers.vias().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        hops,
        [
            "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw",
            "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8",
            "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239",
        ]
    );
    let contact = headers.contact().unwrap().unwrap();
    assert_eq!(
        contact.to_string(),
        r#""Quoted string \"\"" <sip:jdrosen@example.com>;newparam=newvalue;secondparam;q=0.33"#
    );
    assert_eq!(headers.get(&"newfangledheader".into()).unwrap(), "newfangled value continued newfangled value");
    assert_eq!(headers.get(&HeaderName::Subject).unwrap(), "");
    assert!(headers.routes().unwrap()[0].uri.as_sip().unwrap().is_lr());
    assert_eq!(request.body.len(), 150);
}

#[test]
fn takes_the_first_of_two_in_one_datagram() {
    let Ok(Message::Request(request)) = parse_datagram(message("dblreq")) else { panic!() };
    assert_eq!((request.method.as_str(), request.body.len()), ("REGISTER", 0));
}

#[test]
fn escapes_are_no_names() {
    let Ok(Message::Request(request)) = parse_datagram(message("esc02")) else { panic!() };
    assert_eq!(request.method.as_str(), "RE%47IST%45R");
    assert_eq!(request.headers.values(&HeaderName::Contact).count(), 2);
    let Ok(Message::Request(request)) = parse_datagram(message("escnull")) else { panic!() };
    assert_eq!(request.headers.to().unwrap().uri.user_decoded().unwrap(), "null-\0-null");
}

/// The same messages in one stream, cut anywhere, give the same items.
#[test]
fn streams_do_not_depend_on_their_cuts() {
    let names = ["wsinv", "esc01", "unreason", "semiuri", "badvers", "insuf", "mpart01", "longreq", "noreason"];
    let stream: Vec<u8> = names.iter().flat_map(|name| [message(name), b"\r\n\r\n"].concat()).collect();
    let items = |cuts: &mut dyn FnMut() -> usize| {
        let mut parser = StreamParser::new();
        let mut items = Vec::new();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(cuts().clamp(1, rest.len()));
            parser.push(piece);
            items.extend(std::iter::from_fn(|| parser.next()));
            rest = after;
        }
        assert_eq!(parser.buffered(), 0);
        items
    };
    let whole = items(&mut || stream.len());
    let messages = whole.iter().filter(|item| matches!(item, StreamItem::Message(_) | StreamItem::Bad(_))).count();
    assert_eq!((messages, whole.len()), (names.len(), 3 * names.len()));
    assert_eq!(items(&mut || 1), whole);
    let mut random = fastrand::Rng::with_seed(4475);
    for _ in 0..20 {
        assert_eq!(items(&mut || random.usize(1..700)), whole);
    }
}

/// Mutations of every message: cut, doubled, bytes and pieces of others put in.
#[test]
fn no_mutation_panics() {
    let mut random = fastrand::Rng::with_seed(3261);
    let spice: [&[u8]; 12] =
        [b"\"", b"\\", b"<", b">", b",", b";", b"\r\n", b"\r\n ", b"\0", b"\xB3\x5C", b"18446744073709551616", b"[::"];
    for round in 0..40_000 {
        let (_, original) = MESSAGES[round % MESSAGES.len()];
        let mut bytes = original.to_vec();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(0..=bytes.len());
            match random.u8(0..5) {
                0 => bytes.truncate(at.max(30).min(bytes.len())),
                1 => bytes.splice(at..at, spice[random.usize(0..spice.len())].iter().copied()).for_each(drop),
                2 => bytes.drain(at..(at + random.usize(0..20)).min(bytes.len())).for_each(drop),
                3 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.u8(..)),
                _ => {
                    let (_, other) = MESSAGES[random.usize(0..MESSAGES.len())];
                    let from = random.usize(0..other.len());
                    let piece = other[from..other.len().min(from + 60)].to_vec();
                    bytes.splice(at..at, piece).for_each(drop);
                }
            }
        }
        round_trip(&bytes);
        let mut parser = StreamParser::new();
        parser.push(&bytes);
        assert!(std::iter::from_fn(|| parser.next()).count() <= bytes.len());
    }
}
