//! URIs of RFC 3261 19.1 and their comparison.

use super::*;

fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn prints_what_it_read() {
    for text in [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:user;par=u%40example.net@example.com",
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        "sip:[2001:db8::10]:5070;lr",
        "tel:+852-2345-6789;phone-context=example.com",
        "soap.beep://192.0.2.103:3002",
        "nobodyKnowsThisScheme:totallyopaquecontent",
    ] {
        assert_eq!(uri(text).to_string(), text);
    }
}

#[test]
fn refuses_what_is_none() {
    for (text, error) in [
        ("alice", UriError::Scheme),
        ("sip:", UriError::Host),
        ("sip:@host", UriError::User),
        ("sip::pw@host", UriError::User),
        ("sip:a b@host", UriError::Host),
        ("sip:a@b@c", UriError::Host),
        ("sip:a@999.1.1.1", UriError::Host),
        ("sip:a@host:", UriError::Port),
        ("sip:a@host:65536", UriError::Port),
        ("sip:a@[::1", UriError::Host),
        ("sip:a@host;", UriError::Param),
        ("sip:a@host; lr", UriError::Host),
        ("sip:a@host:5060x", UriError::Param),
        ("sip:a@host?", UriError::Header),
        ("tel:", UriError::User),
        ("tel:hello", UriError::User),
        ("http:", UriError::Host),
    ] {
        assert_eq!(text.parse::<Uri>(), Err(error), "{text}");
    }
    let many = format!("sip:h{}", ";a=b".repeat(MAX_PARAMS + 1));
    assert_eq!(many.parse::<Uri>(), Err(UriError::TooMany));
}

/// The examples of RFC 3261 19.1.4.
#[test]
fn compares_as_the_rfc_says() {
    for (one, two) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+358-555-1234567", "tel:+3585551234567"),
    ] {
        assert!(uri(one).equivalent(&uri(two)), "{one} {two}");
        assert!(uri(two).equivalent(&uri(one)), "{two} {one}");
    }
    for (one, two) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sips:a@b", "sip:a@b"),
        ("sip:a%3Bb@c", "sip:a;b@c"),
        ("sip:a@b;maddr=192.0.2.1", "sip:a@b"),
        ("sip:a@b", "tel:1"),
    ] {
        assert!(!uri(one).equivalent(&uri(two)), "{one} {two}");
        assert!(!uri(two).equivalent(&uri(one)), "{two} {one}");
    }
}

#[test]
fn users_are_decoded_and_escaped() {
    let parsed: SipUri = "sip:sips%3Auser%40example.com@example.net".parse().unwrap();
    assert_eq!(parsed.user_decoded().as_deref(), Some("sips:user@example.com"));
    let built = SipUri::new(Some("a:b@c#聽"), Host::V4(Ipv4Addr::LOCALHOST), Some(5070));
    assert_eq!(built.to_string(), "sip:a%3Ab%40c%23%E8%81%BD@127.0.0.1:5070");
    assert_eq!(built.to_string().parse::<SipUri>().unwrap().user_decoded().as_deref(), Some("a:b@c#聽"));
    assert_eq!(uri("tel:+852-2345(67)").user_decoded().as_deref(), Some("+852234567"));
    assert_eq!(uri("sip:100%@h").user_decoded().as_deref(), Some("100%"));
}

#[test]
fn addresses_and_params() {
    for (text, address) in [
        ("sip:192.0.2.1", Some("192.0.2.1:5060")),
        ("sips:a@192.0.2.1", Some("192.0.2.1:5061")),
        ("sip:a@[2001:db8::1]:5080", Some("[2001:db8::1]:5080")),
        ("sip:a@example.com", None),
        ("sip:a@example.com;maddr=192.0.2.9", Some("192.0.2.9:5060")),
    ] {
        assert_eq!(text.parse::<SipUri>().unwrap().address(), address.map(|text| text.parse().unwrap()), "{text}");
    }
    let mut parsed: SipUri = "sip:h;LR;transport=TCP".parse().unwrap();
    assert!(parsed.is_lr());
    assert_eq!(parsed.transport(), Some("TCP"));
    parsed.params.set("transport", Some("udp"));
    parsed.params.remove("lr");
    parsed.params.push("ob", None::<Bytes>);
    assert_eq!(parsed.to_string(), "sip:h;transport=udp;ob");
}
