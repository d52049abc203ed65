//! SIP messages: no panic, and what is read prints and reads again as the same, whole or in pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tingwa::wire::sip::message::Response;
use tingwa::wire::sip::parse::{ParseError, StreamItem, StreamParser, parse_datagram};

fuzz_target!(|bytes: &[u8]| {
    match parse_datagram(bytes) {
        Ok(message) => {
            let printed = message.to_bytes();
            if printed.len() <= tingwa::wire::sip::MAX_MESSAGE_BYTES {
                assert_eq!(parse_datagram(&printed).as_ref(), Ok(&message));
                let (one, two) = printed.split_at(printed.len() / 2);
                let mut parser = StreamParser::new();
                parser.push(one);
                assert_eq!(parser.next(), None);
                parser.push(two);
                assert_eq!(parser.next(), Some(StreamItem::Message(message)));
            }
        }
        Err(ParseError::BadRequest { status, partial, .. }) => {
            let _ = Response::to_request(&partial, status, Some("ours")).to_bytes();
        }
        Err(ParseError::Silent { .. }) => {}
    }
    let mut parser = StreamParser::new();
    for piece in bytes.chunks(97) {
        parser.push(piece);
        while parser.next().is_some() {}
    }
});
