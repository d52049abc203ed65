//! Tables of offers and answers.

use super::*;

fn local() -> LocalMedia {
    LocalMedia::new("192.0.2.10:40000".parse().unwrap(), 7)
}

/// A description of the other side: its lines from `c=` on.
fn remote(lines: &str) -> Vec<u8> {
    let head = "v=0\no=alice 2890844526 2890844526 IN IP4 host.example.com\ns=-\nt=0 0\n";
    format!("{head}{}\n", lines.replace('|', "\n")).replace('\n', "\r\n").into_bytes()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap().replace("\r\n", "|")
}

const PLAIN: &str = "c=IN IP4 198.51.100.7|m=audio 5004 RTP/AVP 8 0 101|a=rtpmap:101 telephone-event/8000";

#[test]
fn who_knows_events_by_two_clocks_may_send_both() {
    let answered = |lines: &str| answer(&remote(lines), &mut local()).unwrap().0.other_event;
    let opus = "c=IN IP4 198.51.100.7|m=audio 9000 RTP/AVP 111 101 102|a=rtpmap:111 opus/48000/2";
    let (low, high) = ("a=rtpmap:101 telephone-event/8000", "a=rtpmap:102 telephone-event/48000");
    assert_eq!(answered(&format!("{opus}|{low}|{high}")), Some(101));
    assert_eq!(answered(&format!("{opus}|{high}")), None);
    assert_eq!(answered(&format!("{opus}|{low}")), None, "it is the one that was chosen");
    let g711 = "c=IN IP4 198.51.100.7|m=audio 9000 RTP/AVP 8 101 102";
    assert_eq!(answered(&format!("{g711}|{low}|{high}")), None);
}

#[test]
fn an_answer_in_full() {
    let (negotiated, bytes) = answer(&remote(PLAIN), &mut local()).unwrap();
    assert_eq!(
        negotiated,
        Negotiated {
            codec: Codec::Pcma,
            payload_type: 8,
            telephone_event: Some(101),
            event_clock_hz: 8000,
            other_event: None,
            remote: "198.51.100.7:5004".parse().unwrap(),
            remote_rtcp: "198.51.100.7:5005".parse().unwrap(),
            ptime_ms: 20,
            direction: Direction::SendRecv,
            srtp: None,
            dtls: None,
            voip_metrics: false,
            dtx: false,
        }
    );
    assert_eq!(
        text(bytes),
        "v=0|o=- 7 7 IN IP4 192.0.2.10|s=-|c=IN IP4 192.0.2.10|t=0 0|m=audio 40000 RTP/AVP 8 101|a=rtpmap:8 PCMA/8000|\
         a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-15|a=ptime:20|a=sendrecv|"
    );
}

#[test]
fn what_is_agreed() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let c = "c=IN IP4 198.51.100.7";
    // Offer; codec, its type, type of events, packet time, direction.
    let table = [
        (
            "RFC 3264 10.1, first audio",
            format!("{c}|m=audio 62986 RTP/AVP 0 4 18|a=rtpmap:0 PCMU/8000"),
            (Codec::Pcmu, 0, None, 20, SendRecv),
        ),
        ("offerer's order", format!("{c}|m=audio 9000 RTP/AVP 18 0 8"), (Codec::Pcmu, 0, None, 20, SendRecv)),
        (
            "dynamic types",
            format!("{c}|m=audio 9000 RTP/AVP 97 96|a=rtpmap:96 telephone-event/8000|a=rtpmap:97 pcma/8000/1"),
            (Codec::Pcma, 97, Some(96), 20, SendRecv),
        ),
        (
            "events at other rates",
            format!(
                "{c}|m=audio 9000 RTP/AVP 8 98 99|a=rtpmap:98 telephone-event/48000|a=rtpmap:99 telephone-event/8000"
            ),
            (Codec::Pcma, 8, Some(99), 20, SendRecv),
        ),
        (
            "G.711 before what is dear",
            format!("{c}|m=audio 9000 RTP/AVP 96 9 0|a=rtpmap:96 opus/48000/2"),
            (Codec::Pcmu, 0, None, 20, SendRecv),
        ),
        ("G.722 alone", format!("{c}|m=audio 9000 RTP/AVP 9 101"), (Codec::G722, 9, None, 20, SendRecv)),
        (
            "Opus alone, events at both clocks",
            format!(
                "{c}|m=audio 9000 RTP/AVP 96 98 99|a=rtpmap:96 OPUS/48000/2|a=rtpmap:98 telephone-event/8000|\
                 a=rtpmap:99 telephone-event/48000"
            ),
            (Codec::Opus, 96, Some(99), 20, SendRecv),
        ),
        (
            "a static type mapped anew",
            format!("{c}|m=audio 9000 RTP/AVP 0 8|a=rtpmap:0 G726-32/8000"),
            (Codec::Pcma, 8, None, 20, SendRecv),
        ),
        ("30 ms", format!("{c}|m=audio 9000 RTP/AVP 8|a=ptime:30"), (Codec::Pcma, 8, None, 30, SendRecv)),
        ("200 ms", format!("{c}|m=audio 9000 RTP/AVP 8|a=ptime:200"), (Codec::Pcma, 8, None, 60, SendRecv)),
        (
            "at most 20 ms",
            format!("{c}|m=audio 9000 RTP/AVP 8|a=ptime:40|a=maxptime:20"),
            (Codec::Pcma, 8, None, 20, SendRecv),
        ),
        ("10 ms at most", format!("{c}|m=audio 9000 RTP/AVP 8|a=maxptime:10"), (Codec::Pcma, 8, None, 10, SendRecv)),
        ("hold", format!("{c}|m=audio 9000 RTP/AVP 8|a=sendonly"), (Codec::Pcma, 8, None, 20, RecvOnly)),
        (
            "hold at session level",
            format!("{c}|a=sendonly|m=audio 9000 RTP/AVP 8"),
            (Codec::Pcma, 8, None, 20, RecvOnly),
        ),
        ("listener", format!("{c}|m=audio 9000 RTP/AVP 8|a=recvonly"), (Codec::Pcma, 8, None, 20, SendOnly)),
        ("inactive", format!("{c}|m=audio 9000 RTP/AVP 8|a=inactive"), (Codec::Pcma, 8, None, 20, Inactive)),
        ("hold of old", "c=IN IP4 0.0.0.0|m=audio 9000 RTP/AVP 8".into(), (Codec::Pcma, 8, None, 20, RecvOnly)),
    ];
    for (name, offer, expected) in table {
        let (n, bytes) = answer(&remote(&offer), &mut local()).unwrap();
        assert_eq!((n.codec, n.payload_type, n.telephone_event, n.ptime_ms, n.direction), expected, "{name}");
        let ends = format!("|a=ptime:{}|a={}|", expected.3, expected.4.as_str());
        assert!(text(bytes).ends_with(&ends), "{name}");
    }
}

#[test]
fn codecs_are_taken_in_our_order() {
    use Codec::{G722, Opus, Pcma, Pcmu};
    let offer = remote("c=IN IP4 198.51.100.7|m=audio 9000 RTP/AVP 0 8 9 96|a=rtpmap:96 opus/48000/2");
    let table: [(&[Codec], Codec); 5] = [
        (&[Opus, G722, Pcma, Pcmu], Opus),
        (&[G722, Opus], G722),
        (&[Pcma, Pcmu, G722], Pcmu),
        (&[Pcma, G722, Pcmu], Pcma),
        (&[Pcma], Pcma),
    ];
    for (ours, expected) in table {
        let mut local = LocalMedia { codecs: ours.to_vec(), ..local() };
        let (agreed, bytes) = answer(&offer, &mut local).unwrap();
        assert_eq!((agreed.codec, agreed.event_clock_hz), (expected, expected.clock_hz()), "{ours:?}");
        assert_eq!(text(bytes).matches("|a=rtpmap:").count(), 1);
    }
    let mut local = LocalMedia { codecs: vec![G722], ..local() };
    assert!(text(super::offer(&mut local)).contains("|m=audio 40000 RTP/AVP 9 101|"));
}

#[test]
fn pauses_are_agreed_where_both_sides_want_them() {
    let c = "c=IN IP4 198.51.100.7";
    let opus = "a=rtpmap:96 opus/48000/2";
    // Offer; whether with `dtx`, and what our answer then says.
    let table = [
        (format!("{c}|m=audio 9000 RTP/AVP 8 13"), true, "RTP/AVP 8 13|a=rtpmap:8 PCMA/8000|a=rtpmap:13 CN/8000|"),
        (format!("{c}|m=audio 9000 RTP/AVP 8 13|a=rtpmap:13 CN/8000"), true, "RTP/AVP 8 13|"),
        (format!("{c}|m=audio 9000 RTP/AVP 8 13|a=rtpmap:13 G729/8000"), false, "RTP/AVP 8|"),
        (format!("{c}|m=audio 9000 RTP/AVP 8"), false, "RTP/AVP 8|"),
        (format!("{c}|m=audio 9000 RTP/AVP 96 13|{opus}"), false, "RTP/AVP 96|"),
        (format!("{c}|m=audio 9000 RTP/AVP 96|{opus}|a=fmtp:96 useinbandfec=1; usedtx=1"), true, ";usedtx=1|"),
        (format!("{c}|m=audio 9000 RTP/AVP 96|{opus}|a=fmtp:96 usedtx=0"), false, ";usedtx=1|"),
    ];
    for (offer, expected, says) in table {
        let mut ours = LocalMedia { dtx: true, ..local() };
        let (agreed, bytes) = answer(&remote(&offer), &mut ours).unwrap();
        let bytes = text(bytes);
        assert!(agreed.dtx == expected && bytes.contains(says), "{offer}: {bytes}");
        assert_eq!(text(super::offer(&mut ours)).contains("CN/8000"), expected, "{offer}: offered again");
        let (agreed, bytes) = answer(&remote(&offer), &mut local()).unwrap();
        let bytes = text(bytes);
        assert!(!agreed.dtx && !bytes.contains("CN/") && !bytes.contains("usedtx"), "{offer}: {bytes}");
    }
    let mut ours = LocalMedia { dtx: true, ..local() };
    let offered = super::offer(&mut ours);
    assert!(text(offered.clone()).contains("|m=audio 40000 RTP/AVP 8 0 9 111 13 101 102|"), "{}", text(offered));
    let mut theirs = LocalMedia { dtx: true, ..local() };
    let (agreed, answered) = answer(&offered, &mut theirs).unwrap();
    assert!(agreed.dtx && accept(&answered, &mut ours).unwrap().dtx);
}

#[test]
fn where_media_go() {
    let table = [
        ("c=IN IP4 198.51.100.7|m=audio 9000 RTP/AVP 8|c=IN IP4 203.0.113.9", "203.0.113.9:9000", "203.0.113.9:9001"),
        ("m=audio 9000 RTP/AVP 8|c=IN IP4 203.0.113.9|a=rtcp:53020", "203.0.113.9:9000", "203.0.113.9:53020"),
        (
            "c=IN IP4 203.0.113.9|m=audio 9000 RTP/AVP 8|a=rtcp:53020 IN IP4 198.51.100.1",
            "203.0.113.9:9000",
            "198.51.100.1:53020",
        ),
    ];
    for (offer, rtp, rtcp) in table {
        let (negotiated, _) = answer(&remote(offer), &mut local()).unwrap();
        assert_eq!((negotiated.remote.to_string(), negotiated.remote_rtcp.to_string()), (rtp.into(), rtcp.into()));
    }
}

#[test]
fn no_agreement() {
    let c = "c=IN IP4 198.51.100.7";
    let table = [
        (format!("{c}|m=audio 9000 RTP/AVP 18 4"), NegotiateError::NoCommonCodec),
        (format!("{c}|m=audio 9000 RTP/AVP 101|a=rtpmap:101 telephone-event/8000"), NegotiateError::NoCommonCodec),
        (format!("{c}|m=audio 9000 RTP/AVP 96|a=rtpmap:96 PCMA/16000"), NegotiateError::NoCommonCodec),
        (format!("{c}|m=video 9000 RTP/AVP 31|m=audio 9000 RTP/AVP 18"), NegotiateError::NoCommonCodec),
        (c.to_string(), NegotiateError::NoAudio),
        (format!("{c}|m=audio 0 RTP/AVP 8"), NegotiateError::NoAudio),
        (format!("{c}|m=video 9000 RTP/AVP 8"), NegotiateError::NoAudio),
        (format!("{c}|m=audio 9000 RTP/SAVP 8"), NegotiateError::OnlySecure),
        (format!("{c}|m=audio 9000 UDP/TLS/RTP/SAVP 8"), NegotiateError::NoDtls),
        ("m=audio 9000 RTP/AVP 8".into(), NegotiateError::NoAddress),
        ("c=IN IP4 host.example.com|m=audio 9000 RTP/AVP 8".into(), NegotiateError::NoAddress),
        ("c=IN IP4 224.2.1.1/127|m=audio 9000 RTP/AVP 8".into(), NegotiateError::NoAddress),
        ("c=IN IP6 2001:db8::1|m=audio 9000 RTP/AVP 8".into(), NegotiateError::NoAddress),
    ];
    for (offer, error) in table {
        assert_eq!(answer(&remote(&offer), &mut local()).unwrap_err(), error, "{offer}");
    }
    assert!(matches!(answer(b"hello", &mut local()), Err(NegotiateError::Malformed(_))));
}

#[test]
fn further_media_are_refused_in_their_places() {
    // RFC 3264 10.1 with the media in another order, and a second audio stream (10.2).
    let offer = "c=IN IP4 198.51.100.7|m=video 51372 RTP/AVP 31|a=rtpmap:31 H261/90000|m=audio 49170 RTP/AVP 18|\
                 m=audio 49180 RTP/AVP 0|m=audio 49190 RTP/AVP 8";
    let mut local = local();
    let (negotiated, bytes) = answer(&remote(offer), &mut local).unwrap();
    assert_eq!(negotiated.remote.port(), 49180);
    let lines = text(bytes);
    let media: Vec<&str> = lines.split('|').filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        media,
        ["m=video 0 RTP/AVP 31", "m=audio 0 RTP/AVP 18", "m=audio 40000 RTP/AVP 0", "m=audio 0 RTP/AVP 8"]
    );
    // Our re-offer on hold keeps them all.
    local.hold = true;
    let again = text(super::offer(&mut local));
    let media: Vec<&str> = again.split('|').filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        (media[0], media[2], media.len()),
        ("m=video 0 RTP/AVP 31", "m=audio 40000 RTP/AVP 0 8 9 111 101 102", 4)
    );
    assert!(again.contains("|a=sendonly|"));
}

#[test]
fn an_offer_and_its_answer() {
    let mut local = local();
    let bytes = text(offer(&mut local));
    assert!(bytes.contains("|m=audio 40000 RTP/AVP 8 0 9 111 101 102|"), "{bytes}");
    assert!(bytes.contains("|a=rtpmap:9 G722/8000|a=rtpmap:111 opus/48000/2|a=fmtp:111 "), "{bytes}");
    assert!(bytes.contains("|a=rtpmap:102 telephone-event/48000|"), "{bytes}");
    let answered =
        remote("c=IN IP4 198.51.100.7|m=audio 6000 RTP/AVP 0 97|a=rtpmap:97 telephone-event/8000|a=sendonly");
    let negotiated = accept(&answered, &mut local).unwrap();
    assert_eq!((negotiated.codec, negotiated.telephone_event), (Codec::Pcmu, Some(97)));
    assert_eq!(negotiated.direction, Direction::RecvOnly);
    assert!(text(offer(&mut local)).contains("|m=audio 40000 RTP/AVP 0 8 9 111 97|"), "what was agreed goes on");
    for refused in ["c=IN IP4 198.51.100.7|m=audio 0 RTP/AVP 0", "c=IN IP4 198.51.100.7"] {
        assert_eq!(accept(&remote(refused), &mut local), Err(NegotiateError::NoAudio));
    }
    assert_eq!(
        accept(&remote("c=IN IP4 1.2.3.4|m=audio 9 RTP/AVP 18"), &mut local),
        Err(NegotiateError::NoCommonCodec)
    );
}

#[test]
fn a_new_offer_does_not_change_the_codec_without_need() {
    let mut local = local();
    answer(&remote("c=IN IP4 198.51.100.7|m=audio 5004 RTP/AVP 0"), &mut local).unwrap();
    let (same, _) = answer(&remote(PLAIN), &mut local).unwrap();
    assert_eq!((same.codec, same.telephone_event), (Codec::Pcmu, Some(101)));
    let (other, _) = answer(&remote("c=IN IP4 198.51.100.7|m=audio 5004 RTP/AVP 8"), &mut local).unwrap();
    assert_eq!(other.codec, Codec::Pcma);
}

#[test]
fn metrics_are_for_whom_asks() {
    let table = [
        ("a=rtcp-xr:voip-metrics", true),
        ("a=rtcp-xr:rcvr-rtt=all voip-metrics", true),
        ("a=rtcp-xr:stat-summary=loss", false),
        ("a=rtcp-xr", false),
        ("a=ptime:20", false),
    ];
    for (line, expected) in table {
        for lines in [
            format!("c=IN IP4 198.51.100.7|m=audio 9000 RTP/AVP 8|{line}"),
            format!("c=IN IP4 198.51.100.7|{line}|m=audio 9000 RTP/AVP 8"),
        ] {
            let mut local = local();
            let (negotiated, bytes) = answer(&remote(&lines), &mut local).unwrap();
            assert_eq!(negotiated.voip_metrics, expected, "{lines}");
            assert_eq!(text(bytes).contains("|a=rtcp-xr:voip-metrics|"), expected, "{lines}");
            assert_eq!(text(offer(&mut local)).contains("|a=rtcp-xr:voip-metrics|"), expected, "{lines}");
        }
    }
    assert!(text(offer(&mut local())).contains("|a=rtcp-xr:voip-metrics|"));
}

#[test]
fn versions_grow_with_each_change_only() {
    let mut local = local();
    let version = |bytes: Vec<u8>| text(bytes).split(' ').nth(2).unwrap().parse::<u64>().unwrap();
    let hold = format!("{PLAIN}|a=sendonly");
    let versions: Vec<u64> = [PLAIN, PLAIN, &hold, &hold, PLAIN]
        .into_iter()
        .map(|offer| version(answer(&remote(offer), &mut local).unwrap().1))
        .collect();
    assert_eq!(versions, [7, 7, 8, 8, 9]);
    let offered = version(offer(&mut local));
    assert_eq!((offered, version(offer(&mut local))), (10, 10));
}

#[test]
fn our_hold_is_ours() {
    let mut local = local();
    local.hold = true;
    let (negotiated, bytes) = answer(&remote(PLAIN), &mut local).unwrap();
    assert_eq!(negotiated.direction, Direction::SendOnly);
    assert!(text(bytes).contains("|a=sendonly|"));
    let (negotiated, _) = answer(&remote(&format!("{PLAIN}|a=sendonly")), &mut local).unwrap();
    assert_eq!(negotiated.direction, Direction::Inactive);
}

#[test]
fn no_offer_makes_it_panic() {
    let mut random = fastrand::Rng::with_seed(2);
    let whole = remote(&format!("{PLAIN}|a=ptime:20|a=rtcp:5 IN IP4 1.2.3.4|m=video 1 RTP/AVP 3"));
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..random.usize(1..6) {
            let index = random.usize(..bytes.len());
            bytes[index] = random.u8(..);
        }
        let mut local = local();
        if let Ok((_, answered)) = answer(&bytes, &mut local) {
            accepted += 1;
            assert!(parse(&answered).is_ok());
        }
    }
    assert!(accepted > 1000, "{accepted}");
}
