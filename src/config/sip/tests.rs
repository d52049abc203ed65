//! `[sip]` and `[[trunk]]` as people write them.

use super::*;
use crate::settings::{Problems, Source};

/// What is read, and the problems without their file.
fn read(text: &str) -> (SipConfig, Vec<String>) {
    let (source, problems) = (Source::new("t", text), Problems::default());
    let table = source.parse(&problems);
    let mut root = Section::root(&source, &table, &problems);
    let config = SipConfig::read(&mut root);
    root.finish();
    (config, problems.into_vec().iter().map(ToString::to_string).collect())
}

#[test]
fn every_transport_can_be_listened_on() {
    let files = "tls_certificate = \"c.pem\"\ntls_key = \"k.pem\"\n";
    let (config, problems) = read(&format!(
        "[sip]\nlisten = [\"udp:[::1]:5060\", \"WSS:192.0.2.1:443\"]\ntls = \"127.0.0.1:5061\"\nws = \"[::1]:80\"\n\
         wss = \"127.0.0.1:8443\"\n{files}tls_ca = \"ca.pem\"\n"
    ));
    assert_eq!(problems, [""; 0]);
    assert_eq!(
        config.listening(),
        ["udp:[::1]:5060", "wss:192.0.2.1:443", "tls:127.0.0.1:5061", "ws:[::1]:80", "wss:127.0.0.1:8443"]
    );
    assert_eq!((config.tls.ca, config.tls.client_ca), (Some("ca.pem".into()), None));
}

#[test]
fn tls_needs_a_certificate_and_its_key() {
    for (text, expected) in [
        ("tls = \"127.0.0.1:5061\"", &["tls_certificate", "tls_key"][..]),
        ("listen = [\"wss:127.0.0.1:443\"]", &["tls_certificate", "tls_key"]),
        ("tls_certificate = \"c.pem\"", &["tls_key"]),
        ("tls_key = \"k.pem\"", &["tls_certificate"]),
        ("tls_ca = \"ca.pem\"", &[]),
        ("ws = \"127.0.0.1:80\"", &[]),
    ] {
        let (_, problems) = read(&format!("[sip]\n{text}\n"));
        assert_eq!(problems.len(), expected.len(), "{text}: {problems:?}");
        for (problem, key) in problems.iter().zip(expected) {
            assert!(problem.contains(&format!("sip.{key}: expected a PEM file")), "{problem}");
        }
    }
    let (_, problems) = read("[sip]\nlisten = [\"sctp:127.0.0.1:5060\"]\ntls = \"5061\"\n");
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn how_a_trunk_is_reached() {
    for (uri, expected) in [
        ("sip:pbx.example", Some(("pbx.example", 5060, Transport::Udp))),
        ("sip:pbx.example;transport=TCP", Some(("pbx.example", 5060, Transport::Tcp))),
        ("sip:pbx.example;transport=tls", Some(("pbx.example", 5061, Transport::Tls))),
        ("sips:pbx.example", Some(("pbx.example", 5061, Transport::Tls))),
        ("sips:pbx.example:5071;transport=tcp", Some(("pbx.example", 5071, Transport::Tls))),
        ("sip:[2001:db8::1]", Some(("[2001:db8::1]", 5060, Transport::Udp))),
        ("sips:pbx.example;transport=udp", None),
        ("sip:pbx.example;transport=ws", None),
    ] {
        let (config, problems) = read(&format!("[[trunk]]\nname = \"pbx\"\nuri = \"{uri}\"\n"));
        let trunk = config.trunks.first().map(|trunk| (trunk.host.as_str(), trunk.port, trunk.transport));
        assert_eq!(trunk, expected, "{uri}");
        assert_eq!(problems.is_empty(), expected.is_some(), "{uri}: {problems:?}");
    }
}

#[test]
fn advertised_addresses_and_limits() {
    for (text, advertised, wrong) in [
        ("advertise = \"203.0.113.1\"", &["203.0.113.1"][..], false),
        ("advertise = \"203.0.113.1\"\nadvertise_ipv6 = \"2001:db8::f\"", &["203.0.113.1", "2001:db8::f"], false),
        ("advertise_ipv6 = \"2001:db8::f\"", &["2001:db8::f"], false),
        ("advertise = \"203.0.113.1\"\nadvertise_ipv6 = \"203.0.113.2\"", &["203.0.113.1", "203.0.113.2"], true),
        ("connections_per_address = 0", &[], true),
    ] {
        let (config, problems) = read(&format!("[sip]\n{text}\n"));
        let given: Vec<_> = config.advertised.iter().map(ToString::to_string).collect();
        assert_eq!(
            (&given[..], problems.is_empty()),
            (&advertised.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>()[..], !wrong),
            "{text}"
        );
    }
    let (config, _) = read("[sip]\nconnections = 10\nconnections_per_address = 2\n");
    assert_eq!(config.limits, ConnectionLimits { all: 10, per_address: 2 });
}

#[test]
fn telephones_that_register_here() {
    let good = "[[phone]]\nuser = \"anna\"\npassword = \"pw\"\nallow = [\"192.168.0.0/16\"]\n";
    let (config, problems) = read(&format!("{good}[registrar]\nmin_expires = 30\ncontacts = 2\n"));
    assert_eq!(problems, [""; 0]);
    assert_eq!(config.phones(), ["anna".to_owned()].into());
    let limits = config.phones.limits;
    assert_eq!((limits.least, limits.most, limits.contacts), (30, 3_600, 2));
    for (text, expected) in [
        (format!("{good}{good}"), "there are two [[phone]] \"anna\""),
        (good.replace("anna", "an na"), "user: expected a name without blanks"),
        (good.replace("user = \"anna\"\n", ""), "missing key 'user'"),
        (good.replace("password = \"pw\"\n", ""), "missing key 'password'"),
        (good.replace("\"pw\"", "\"\""), "expected a secret, found an empty one"),
        (good.replace("allow = [\"192.168.0.0/16\"]\n", ""), "expected the networks that it may come from"),
        (format!("{good}[registrar]\nmin_expires = 3600\nmax_expires = 60\n"), "expected at most max_expires, 60"),
        ("[[trunk]]\nname = \"phone\"\nuri = \"sip:h\"\n".to_owned(), "stands for the telephones that register here"),
    ] {
        let (_, problems) = read(&text);
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:?}");
    }
    assert_eq!(crate::sip::endpoint::config::PHONES, crate::dialplan::schema::PHONES, "one word for both");
}

#[test]
fn strangers_hear_nothing_unless_it_is_said_otherwise() {
    let trunk = "[[trunk]]\nname = \"pbx\"\nuri = \"sip:h\"\n";
    let caller = "[[trunk.caller]]\nuser = \"2001\"\npassword = \"pw\"\n";
    for (text, expected) in [
        (String::new(), UnknownSource::Silence),
        (trunk.to_owned(), UnknownSource::Silence),
        (format!("{trunk}{caller}"), UnknownSource::Refuse),
        (format!("[sip]\nunknown = \"silence\"\n{trunk}{caller}"), UnknownSource::Silence),
        (format!("[sip]\nunknown = \"refuse\"\n{trunk}"), UnknownSource::Refuse),
    ] {
        assert_eq!(read(&text).0.unknown(), expected, "{text}");
    }
    let (config, problems) =
        read("[sip]\nshut_out_after = 0\nshut_out_minutes = 5\nhalf_open = 10\nhalf_open_per_source = 3\n");
    assert_eq!(problems, [""; 0]);
    assert_eq!((config.shield.tries, config.shield.shut_out.as_secs()), (0, 300));
    assert_eq!((config.tables.half_open, config.tables.half_open_per_source), (10, 3));
}

/// A trunk with these lines, and one before it.
fn two(first: &str, second: &str) -> (SipConfig, Vec<String>) {
    read(&format!(
        "[[trunk]]\nname = \"a\"\nuri = \"sip:192.0.2.1\"\n{first}\n[[trunk]]\nname = \"b\"\nuri = \"sip:pbx.example\"\n{second}\n"
    ))
}

#[test]
fn how_a_trunk_is_found() {
    use crate::sip::trunk::Lookup;
    let lookup = |port, transport, secure| Some(Lookup { host: "pbx.example".into(), port, transport, secure });
    for (uri, proxy, expected, address) in [
        ("sip:pbx.example", "", lookup(None, None, false), None),
        ("sip:pbx.example:5060", "", lookup(Some(5060), None, false), None),
        ("sip:pbx.example;transport=tcp", "", lookup(None, Some(Transport::Tcp), false), None),
        ("sips:pbx.example", "", lookup(None, None, true), None),
        ("sip:192.0.2.7:5080", "", None, Some("192.0.2.7:5080")),
        ("sip:provider.example", "proxy = \"sip:192.0.2.8\"", None, Some("192.0.2.8:5060")),
        ("sip:192.0.2.7", "proxy = \"sips:pbx.example\"", lookup(None, None, true), None),
    ] {
        let (config, problems) = read(&format!("[[trunk]]\nname = \"pbx\"\nuri = \"{uri}\"\n{proxy}\n"));
        assert_eq!(problems, [""; 0], "{uri}");
        let trunk = &config.trunks[0];
        assert_eq!(
            (&trunk.policy.lookup, trunk.address),
            (&expected, address.map(|text| text.parse().unwrap())),
            "{uri}"
        );
        assert_eq!(
            trunk.policy.proxy.as_ref().map(|proxy| proxy.is_lr()),
            (!proxy.is_empty()).then_some(true),
            "{uri}"
        );
    }
}

#[test]
fn groups_limits_and_header_rules() {
    let same = "group = \"carriers\"\npriority = 2\nweight = 30\ncodecs = [\"PCMA\"]\n";
    let rules = "probe = 30\nprobe_misses = 2\nmax_calls = 30\nmax_calls_per_second = 5\n[trunk.headers]\n\
                 remove = [\"User-to-User\"]\nkeep = [\"X-Ticket\"]\nset = { \"X-Line\" = \"hotline\" }\n";
    let (config, problems) = two(same, &format!("{same}{rules}"));
    assert_eq!(problems, [""; 0]);
    let names: Vec<_> = config.domains().into_iter().collect();
    let pair = |name: &str, domain: &str| (name.to_owned(), domain.to_owned());
    assert_eq!(names, [pair("a", "192.0.2.1"), pair("b", "pbx.example"), pair("carriers", "carriers")]);
    assert_eq!(config.codecs().get("carriers").map(|codecs| codecs.to_vec()), Some(vec![Codec::Pcma]));
    let policy = &config.trunks[1].policy;
    assert_eq!((policy.priority, policy.weight, policy.max_calls, policy.max_rate), (2, 30, Some(30), Some(5)));
    assert_eq!(policy.probe.map(|probe| (probe.every.as_secs(), probe.misses)), Some((30, 2)));
    assert_eq!((policy.headers.remove.len(), policy.headers.set.len(), policy.headers.keep.len()), (1, 1, 1));
}

#[test]
fn what_is_wrong_with_trunks() {
    for (first, second, expected) in [
        ("", "priority = 1", "t:8:12: trunk[2].priority: counts within a group only"),
        ("group = \"b\"", "", "trunk[2].name: a group is called 'b'"),
        ("", "group = \"a\"", "trunk[2].group: a trunk is called 'a'"),
        ("", "group = \"b\"", "trunk[2].group: a trunk has this name itself"),
        ("group = \"g\"\nsrtp = \"off\"", "group = \"g\"", "trunk[2].srtp: expected the same as in 'a'"),
        ("group = \"g\"", "group = \"g\"\ncodecs = [\"PCMU\"]", "trunk[2].codecs: expected the same as in 'a'"),
        ("", "[trunk.headers]\nset = { Via = \"x\" }", "\"Via\" is written by the gateway"),
        ("", "[trunk.headers]\nset = { \"X-A\" = \"a\\r\\nb\" }", "expected one line"),
        ("", "[trunk.headers]\nremove = [\"X A\"]", "trunk[2].headers.remove: expected the name of a header field"),
        ("", "[trunk.headers]\nkeep = [\"Subject\"]", "trunk[2].headers.keep: expected names that begin with X-"),
        ("", "[trunk.headers]\nkept = []", "nearest valid key: 'keep'"),
        ("", "proxy = \"http://x\"", "trunk[2].proxy: expected \"sip:HOST\""),
        ("", "probe = 1", "trunk[2].probe"),
    ] {
        let (_, problems) = two(first, second);
        assert_eq!(problems.len(), 1, "{first} {second}: {problems:?}");
        assert!(problems[0].contains(expected), "{problems:?} {expected}");
    }
    let (_, problems) = read("[[trunk]]\nname = \"a\"\nuri = \"sip:x\"\n[[trunk]]\nname = \"a\"\nuri = \"sip:y\"\n");
    assert!(problems[0].contains("t:5:8: trunk[2].name: another trunk is called 'a'"), "{problems:?}");
}
