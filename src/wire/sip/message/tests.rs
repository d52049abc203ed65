//! Messages put together and taken apart.

use super::super::header::{HeaderError, NameAddr};
use super::*;

fn request() -> Request {
    let mut request = Request::new(Method::Invite, "sip:100@gw".parse().unwrap());
    for (name, value) in [
        ("Via", "SIP/2.0/UDP p2;branch=z9hG4bK2, SIP/2.0/UDP p1;branch=z9hG4bK1"),
        ("Via", "SIP/2.0/UDP ua;branch=z9hG4bK0"),
        ("Record-Route", "<sip:p2;lr>, <sip:p1;lr>"),
        ("From", "<sip:a@x>;tag=1"),
        ("To", "sip:100@gw"),
        ("Call-ID", "c"),
        ("CSeq", "1 INVITE"),
        ("Timestamp", "54"),
        ("Subject", "not copied"),
    ] {
        request.headers.push(HeaderName::from(name), value);
    }
    request
}

/// RFC 3261 8.2.6.2.
#[test]
fn answers_copy_what_they_must() {
    let request = request();
    let names = |response: &Response| -> Vec<String> {
        response.headers.iter().map(|header| header.name.to_string()).collect()
    };
    let trying = Response::to_request(&request, StatusCode::TRYING, Some("ours"));
    assert_eq!(names(&trying), ["Via", "Via", "From", "To", "Call-ID", "CSeq", "Timestamp"]);
    assert_eq!(trying.headers.to().unwrap().tag(), None);
    let ok = Response::to_request(&request, StatusCode::OK, Some("ours"));
    assert_eq!(names(&ok), ["Via", "Via", "Record-Route", "From", "To", "Call-ID", "CSeq"]);
    assert_eq!(ok.headers.get(&HeaderName::To).unwrap(), "sip:100@gw;tag=ours");
    assert_eq!(ok.headers.vias(), request.headers.vias());
    let busy = Response::to_request(&request, StatusCode::BUSY_HERE, Some("ours"));
    assert!(!busy.headers.contains(&HeaderName::RecordRoute));
    assert!(busy.to_bytes().starts_with(b"SIP/2.0 486 Busy Here\r\n"));

    let mut tagged = request;
    tagged.headers.set(HeaderName::To, "<sip:100@gw>;tag=theirs");
    let again = Response::to_request(&tagged, StatusCode::OK, Some("ours"));
    assert_eq!(again.headers.to().unwrap().tag(), Some("theirs"));
}

#[test]
fn lists_are_edited_value_by_value() {
    let mut headers = request().headers;
    headers.replace_first_value(&HeaderName::Via, b"SIP/2.0/UDP p2;branch=z9hG4bK2;received=1.2.3.4");
    let hops: Vec<_> = headers.values(&HeaderName::Via).collect();
    assert_eq!(hops[0], "SIP/2.0/UDP p2;branch=z9hG4bK2;received=1.2.3.4");
    assert_eq!(hops[1..], ["SIP/2.0/UDP p1;branch=z9hG4bK1", "SIP/2.0/UDP ua;branch=z9hG4bK0"]);
    for left in [2, 1, 0, 0] {
        headers.remove_first_value(&HeaderName::Via);
        assert_eq!(headers.values(&HeaderName::Via).count(), left);
    }
    headers.push_front(HeaderName::Via, "SIP/2.0/UDP me;branch=z9hG4bK9");
    headers.push_front(HeaderName::RecordRoute, "<sip:p3;lr>");
    assert_eq!(headers.iter().next().unwrap().name, HeaderName::Via);
    let routes: Vec<String> = headers.record_routes().unwrap().iter().map(NameAddr::to_string).collect();
    assert_eq!(routes, ["<sip:p3;lr>", "<sip:p2;lr>", "<sip:p1;lr>"]);
    headers.set(HeaderName::RecordRoute, " <sip:only> ");
    assert_eq!(headers.lines(&HeaderName::RecordRoute).collect::<Vec<_>>(), ["<sip:only>"]);
}

#[test]
fn errors_name_the_header() {
    let mut headers = Headers::default();
    assert_eq!(headers.from(), Err(HeaderError::missing(HeaderName::From)));
    headers.push(HeaderName::From, "<sip:a@b");
    assert_eq!(headers.from().unwrap_err().to_string(), "Bad From");
    headers.push(HeaderName::From, "<sip:a@b>");
    assert_eq!(headers.from().unwrap_err().to_string(), "Repeated From");
    headers.push_text(HeaderName::MaxForwards, 256);
    assert_eq!(headers.max_forwards(), Err(HeaderError::bad(HeaderName::MaxForwards)));
    headers.push(HeaderName::Contact, "*");
    assert_eq!(headers.contacts(), Ok(super::super::header::Contacts::Star));
    headers.push(HeaderName::Contact, "<sip:a@b>");
    assert_eq!(headers.contacts().unwrap_err().to_string(), "Bad Contact");
    headers.push(HeaderName::Expires, "99999999999999999999");
    assert_eq!(headers.expires(), Ok(Some(u32::MAX)));
    headers.push(HeaderName::Route, "<sip:a>,".repeat(super::super::MAX_VALUES + 1));
    assert_eq!(headers.routes().unwrap_err().to_string(), "Too Many Route");
}

#[test]
fn options_and_methods() {
    let mut headers = Headers::default();
    headers.push(HeaderName::Supported, "timer, 100rel");
    headers.push(HeaderName::Supported, "replaces,, b@d");
    headers.push(HeaderName::Require, "\"x\"");
    headers.push(HeaderName::Allow, "INVITE, Ack, NEW");
    assert_eq!(
        headers.supported().iter().map(|tag| tag.to_string()).collect::<Vec<_>>(),
        ["timer", "100rel", "replaces"]
    );
    assert!(headers.supports("Timer") && !headers.supports("gruu"));
    // What is no option tag still is something that we do not support.
    assert_eq!(headers.require().len(), 1);
    assert_eq!(headers.allow(), [Method::Invite, Method::from("Ack"), Method::from("NEW")]);
    assert_eq!(Method::from("Ack").as_str(), "Ack");
}

/// Nothing that a value holds can add a header or a message.
#[test]
fn line_ends_in_values_stay_in_their_line() {
    let mut request = request();
    request.headers.push(HeaderName::Subject, "a\r\nEvil: 1\n\nb");
    request.set_body("application/sdp", "v=0\r\n");
    let printed = request.to_bytes();
    let text = std::str::from_utf8(&printed).unwrap();
    assert!(text.contains("\r\nSubject: a  Evil: 1  b\r\n"), "{text}");
    assert!(text.ends_with("Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"), "{text}");
}

#[test]
fn status_codes() {
    assert_eq!((StatusCode::new(99), StatusCode::new(700)), (None, None));
    let odd = StatusCode::new(499).unwrap();
    assert_eq!((odd.class(), odd.is_final(), odd.reason_phrase()), (4, true, "Request Failure"));
    assert!(StatusCode::RINGING.is_provisional() && StatusCode::OK.is_success() && !StatusCode::RINGING.is_final());
}
