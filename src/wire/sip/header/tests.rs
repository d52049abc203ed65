//! Header values: what is read, what is refused, what is printed.

use std::net::SocketAddr;

use bytes::Bytes;

use super::*;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[test]
fn names_in_any_case_and_compact() {
    for (written, name) in [
        ("v", "Via"),
        ("VIA", "Via"),
        ("i", "Call-ID"),
        ("M", "Contact"),
        ("l", "Content-Length"),
        ("x", "Session-Expires"),
        ("cseq", "CSeq"),
        ("WWW-authenticate", "WWW-Authenticate"),
        ("X-Own", "X-Own"),
        ("q", "q"),
    ] {
        assert_eq!(HeaderName::parse(written.as_bytes()).unwrap().as_str(), name);
    }
    assert_eq!(HeaderName::from("x-own"), HeaderName::from("X-OWN"));
    for bad in ["", "a b", "a:", "C\u{e9}"] {
        assert_eq!(HeaderName::parse(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn vias() {
    for (text, printed) in [
        ("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1"),
        (
            " SIP / 2.0 / TCP  first.example.com : 4000 ;ttl=16 ; maddr=224.2.0.1",
            "SIP/2.0/TCP first.example.com:4000;ttl=16;maddr=224.2.0.1",
        ),
        (
            "sip/2.0/UDP [2001:db8::9:1]:6050;received=[2001:db8::9:255]",
            "SIP/2.0/UDP [2001:db8::9:1]:6050;received=[2001:db8::9:255]",
        ),
        (
            "SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK56sdasks",
            "SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK56sdasks",
        ),
    ] {
        assert_eq!(Via::parse(&bytes(text)).unwrap_or_else(|| panic!("{text}")).to_string(), printed);
    }
    for bad in [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0 192.0.2.1",
        "HTTP/1.1/TCP h",
        "SIP/2.0/UDP h:99999",
        "SIP/2.0/UDP h;;branch=a",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/UDP h;received=nowhere",
        "SIP/2.0/UDP h;rport=x",
    ] {
        assert_eq!(Via::parse(&bytes(bad)), None, "{bad}");
    }
    assert!(!Via::parse(&bytes("SIP/2.0/UDP h;branch=z9hG4bK")).unwrap().has_cookie());
    assert!(Via::parse(&bytes("SIP/2.0/UDP h;branch=Z9HG4BKa")).unwrap().has_cookie());
}

/// RFC 3581 4 and RFC 3261 18.2.1.
#[test]
fn via_notes_its_source() {
    let source: SocketAddr = "192.0.2.7:4000".parse().unwrap();
    for (text, after) in [
        (
            "SIP/2.0/UDP 10.1.1.1;branch=z9hG4bKa;rport",
            "SIP/2.0/UDP 10.1.1.1;branch=z9hG4bKa;rport=4000;received=192.0.2.7",
        ),
        ("SIP/2.0/UDP 192.0.2.7;rport", "SIP/2.0/UDP 192.0.2.7;rport=4000;received=192.0.2.7"),
        ("SIP/2.0/UDP 192.0.2.7", "SIP/2.0/UDP 192.0.2.7"),
        ("SIP/2.0/UDP phone.example.com;received=1.2.3.4", "SIP/2.0/UDP phone.example.com;received=192.0.2.7"),
    ] {
        let mut via = Via::parse(&bytes(text)).unwrap();
        via.set_source(source);
        assert_eq!(via.to_string(), after);
        assert_eq!(via.received().is_some(), after.contains("received"));
    }
    let ours = Via::new("TCP", "[::1]:5060".parse().unwrap(), "z9hG4bKx");
    assert_eq!((ours.to_string().as_str(), ours.rport()), ("SIP/2.0/TCP [::1]:5060;branch=z9hG4bKx;rport", Some(None)));
}

#[test]
fn addresses() {
    for (text, name, uri, tag) in [
        (
            "\"A. G. Bell\" <sip:agb@bell-telephone.com> ;tag=a48s",
            Some("A. G. Bell"),
            "sip:agb@bell-telephone.com",
            Some("a48s"),
        ),
        ("sip:+12125551212@server.phone2net.com;tag=887s", None, "sip:+12125551212@server.phone2net.com", Some("887s")),
        (
            "Anonymous <sip:c8oqz84zk7z@privacy.org>;TAG=hyh8",
            Some("Anonymous"),
            "sip:c8oqz84zk7z@privacy.org",
            Some("hyh8"),
        ),
        ("caller<sip:caller@example.com>;tag=323", Some("caller"), "sip:caller@example.com", Some("323")),
        ("<sip:a@b;lr>", None, "sip:a@b;lr", None),
        ("\"\" <tel:+85212345678>", None, "tel:+85212345678", None),
        ("\"a<b>;c\" <sip:x@[::1]:5080>", Some("a<b>;c"), "sip:x@[::1]:5080", None),
        ("sip:a@b;x=\"<y>\"", None, "sip:a@b", None),
        ("聽話 <sip:a@b>", Some("聽話"), "sip:a@b", None),
    ] {
        let address = NameAddr::parse(&bytes(text)).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(address.display_for_people().as_deref(), name, "{text}");
        assert_eq!(address.uri.to_string(), uri);
        assert_eq!(address.tag(), tag, "{text}");
        assert_eq!(NameAddr::parse(&address.to_bytes()), Some(address));
    }
    for bad in [
        "",
        "\"open <sip:a@b>",
        "<sip:a@b",
        "sip:a@b>",
        "a, b <sip:a@b>",
        "sip:a@b?x=y",
        "<sip:a@b>;tag",
        "<sip:a@b>;tag=\"x y\"",
        "<sip:a@b> x",
        "< sip:a@b >",
        "hello",
    ] {
        assert_eq!(NameAddr::parse(&bytes(bad)), None, "{bad}");
    }
}

/// What Chinese PBXs send: GBK and Big5, quoted or not, a trail byte that is a backslash before the closing quote.
#[test]
fn names_in_any_encoding() {
    for (text, name) in [
        (&b"\"\xD5\xC5\xC8\xFD\" <sip:1001@pbx>;tag=1"[..], "张三"),
        (b"\xD5\xC5\xC8\xFD <sip:1001@pbx>;tag=1", "张三"),
        (b"\"\xA4\xFD\xB3\x5C\" <sip:1001@pbx>;tag=1", "王許"),
        (b"\"J \\\"\xD5\xC5\\\"\" <sip:1001@pbx>;tag=1", "J \"张\""),
    ] {
        let address = NameAddr::parse(&Bytes::copy_from_slice(text)).unwrap_or_else(|| panic!("{text:?}"));
        assert_eq!((address.display_for_people().as_deref(), address.tag()), (Some(name), Some("1")));
        assert_eq!(NameAddr::parse(&address.to_bytes()), Some(address));
    }
}

#[test]
fn digest_parameters() {
    let text =
        "Digest realm=\"at\\\"l\", qop=\"auth,auth-int\" ,nonce=\"84a4\",algorithm=SHA-256,stale=FALSE, opaque=\"\"";
    let mut params = AuthParams::parse(&bytes(text)).unwrap();
    assert_eq!(params.text("REALM"), Some("at\"l"));
    assert_eq!(params.text("qop"), Some("auth,auth-int"));
    assert_eq!(
        (params.text("algorithm"), params.text("opaque"), params.text("none")),
        (Some("SHA-256"), Some(""), None)
    );
    params.push_token("nc", "0000000a");
    params.push_quoted("uri", "sip:a@b");
    params.push_token("odd", "a b");
    let printed = params.to_bytes();
    assert!(printed.ends_with(b"stale=FALSE, opaque=\"\", nc=0000000a, uri=\"sip:a@b\", odd=\"a b\""));
    assert!(AuthParams::parse(&printed).unwrap() == params);
    assert!(!format!("{params:?}").contains("84a4"));
    assert!(AuthParams::parse(&bytes("NoOneKnowsThisScheme opaque-data=here")).is_some());
    assert!(AuthParams::parse(&bytes("Bearer abc/def")).unwrap().params.is_empty());
    for bad in ["", "Digest realm", "Digest realm=", "Digest realm=\"x", "Digest a=\"b\" c=d"] {
        assert!(AuthParams::parse(&bytes(bad)).is_none(), "{bad}");
    }
}

#[test]
fn numbers_and_methods() {
    assert_eq!(CSeq::parse(&bytes("0009  INVITE")).unwrap().to_string(), "9 INVITE");
    for bad in ["", "9", "9INVITE", "-1 INVITE", "2147483648 INVITE", "36893488147419103232 REGISTER", "1 IN VITE"] {
        assert_eq!(CSeq::parse(&bytes(bad)), None, "{bad}");
    }
    assert_eq!(RAck::parse(&bytes("776656 1 INVITE")).unwrap().to_string(), "776656 1 INVITE");
    assert_eq!(RAck::parse(&bytes("776656 INVITE")), None);
    let replaces = Replaces::parse(&bytes("12adf2f34456gs5;to-tag=12345;from-tag=54321;early-only")).unwrap();
    assert_eq!(replaces.to_string(), "12adf2f34456gs5;to-tag=12345;from-tag=54321;early-only");
    assert_eq!(Replaces::parse(&bytes("a@b;to-tag=1")), None);
    assert_eq!(EventValue::parse(&bytes("refer;id=93809824")).unwrap().to_string(), "refer;id=93809824");
    assert!(SubscriptionState::parse(&bytes("Terminated;reason=noresource")).unwrap().is_terminated());
}

#[test]
fn times() {
    for (text, printed) in
        [("1800;refresher=uas", "1800;refresher=uas"), ("90 ; Refresher=UAC;x", "90;refresher=uac"), ("90", "90")]
    {
        assert_eq!(SessionExpires::parse(&bytes(text)).unwrap().to_string(), printed);
    }
    assert_eq!(SessionExpires::parse(&bytes("1800;refresher=me")), None);
    assert_eq!(MinSe::parse(&bytes("90;x")), Some(MinSe(90)));
    let after = RetryAfter::parse(&bytes("18000 (at (lunch\\))) ;duration=3600")).unwrap();
    assert_eq!(after.to_string(), "18000;duration=3600");
    assert_eq!(RetryAfter::parse(&bytes("5 (open")), None);
    assert_eq!(Timestamp::parse(&bytes("54.2 0.3")).unwrap().to_string(), "54.2 0.3");
    assert_eq!(Timestamp::parse(&bytes("5.4.2")), None);
    for (text, unix) in [
        ("Sat, 13 Nov 2010 23:29:00 GMT", 1_289_690_940),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000),
    ] {
        let date = SipDate::parse(&bytes(text)).unwrap();
        assert_eq!((date.unix_seconds, date.to_string().as_str()), (unix, text));
    }
    for bad in ["Fri, 01 Jan 2010 16:00:00 EST", "Fri, 01 Jan 2010 24:00:00 GMT", "01 Jan 2010 16:00:00 GMT", ""] {
        assert_eq!(SipDate::parse(&bytes(bad)), None, "{bad}");
    }
}

#[test]
fn lists_of_facts() {
    let sdp = MediaType::parse(&bytes("application / SDP ; charset=x")).unwrap();
    assert!(sdp.is("Application", "sdp"));
    assert!(MediaType::parse(&bytes("application/*")).unwrap().accepts("application", "sdp"));
    assert!(!MediaType::parse(&bytes("*/*;q=0.0")).unwrap().accepts("application", "sdp"));
    assert_eq!(MediaType::parse(&bytes("application")), None);
    let reason = ReasonValue::parse(&bytes("Q.850 ;cause=16 ;text=\"Normal \\\"clearing\\\"\"")).unwrap();
    assert_eq!((reason.cause, reason.text.as_deref()), (Some(16), Some("Normal \"clearing\"")));
    assert_eq!(reason.to_string(), "Q.850;cause=16;text=\"Normal \\\"clearing\\\"\"");
    let warning = Warning::parse(&bytes("307 isi.edu:5060 \"Session parameter 'foo' not understood\"")).unwrap();
    assert_eq!((warning.code, &*warning.agent), (307, "isi.edu:5060"));
    assert_eq!(Warning::parse(&bytes(&warning.to_string())), Some(warning));
    assert_eq!(Warning::parse(&bytes("1812 overture \"In Progress\"")), None);
    let uui = UserToUser::parse(&bytes("56a3;encoding=hex;purpose=x")).unwrap();
    assert_eq!(uui.decoded(), Some(vec![0x56, 0xa3]));
    assert_eq!(UserToUser::parse(&bytes("\"text\";encoding=ascii")).unwrap().decoded(), None);
}
