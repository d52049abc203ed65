//! Browsers' offers and answers.

use super::*;
use crate::media::browser::{DtlsRole, Fingerprint};
use crate::media::srtp::sdes::KeySource;

fn side(port: u16, offers: bool) -> LocalMedia {
    let keys = KeySource::new([port as u8; 32], 0);
    let dtls = LocalDtls::new(Fingerprint([port as u8; 32]), keys, offers);
    LocalMedia::new(SocketAddr::from(([192, 0, 2, 10], port)), 7).for_browsers(Some(dtls))
}

/// As Chromium writes it, without its header extensions and most of its codecs.
fn chromium(ice: &str, setup: &str) -> Vec<u8> {
    let lines = [
        "v=0",
        "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS 7a1c",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8 110 126",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=candidate:1 1 udp 2113937151 6a1f.local 51206 typ host generation 0",
        &format!("a=ice-ufrag:{ice}"),
        &format!("a=ice-pwd:{ice}LyRtBs0aPsA5kWqQ7yHGLTkL"),
        "a=ice-options:trickle",
        &format!("a=fingerprint:sha-256 {}", ["7A"; 32].join(":")),
        &format!("a=setup:{setup}"),
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=rtcp-fb:111 transport-cc",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:110 telephone-event/48000",
        "a=rtpmap:126 telephone-event/8000",
        "a=ssrc:3735928559 cname:x",
    ];
    lines.join("\r\n").into_bytes()
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8(bytes.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

fn value(bytes: &[u8], name: &str) -> String {
    let start = format!("a={name}:");
    lines(bytes).iter().find_map(|line| line.strip_prefix(&start).map(str::to_owned)).unwrap_or_default()
}

#[test]
fn an_answer_to_chromium() {
    let mut local = side(40_000, false);
    let (agreed, answer) = answer(&chromium("abcd", "actpass"), &mut local).unwrap();
    let terms = agreed.dtls.unwrap();
    assert_eq!((terms.role, terms.peer), (DtlsRole::Passive, Fingerprint([0x7a; 32])));
    assert_eq!((agreed.codec, agreed.telephone_event, agreed.srtp), (Codec::Pcmu, Some(126), None));
    assert_eq!(agreed.direction, Direction::SendRecv);
    let answer = lines(&answer);
    let session: Vec<_> = answer.iter().take_while(|line| !line.starts_with("m=")).collect();
    assert!(session.iter().any(|line| *line == "a=ice-lite") && session.iter().any(|line| *line == "a=group:BUNDLE 0"));
    for line in [
        "m=audio 40000 UDP/TLS/RTP/SAVPF 0 126",
        "a=candidate:1 1 udp 2130706431 192.0.2.10 40000 typ host",
        "a=rtcp-mux",
        "a=mid:0",
        "a=setup:passive",
        &format!("a=ice-ufrag:{}", terms.ice.ufrag()),
        &format!("a=ice-pwd:{}", terms.ice.password()),
        &format!("a=fingerprint:sha-256 {}", ["40"; 32].join(":")),
    ] {
        assert!(answer.iter().any(|one| one == line), "{line} in {answer:#?}");
    }
}

#[test]
fn what_is_missing_is_no_browser() {
    let whole = String::from_utf8(chromium("abcd", "actpass")).unwrap();
    for line in ["a=rtcp-mux", "a=ice-pwd", "a=ice-ufrag", "a=setup", "a=fingerprint"] {
        let without: Vec<&str> = whole.lines().filter(|one| !one.starts_with(line)).collect();
        let refused = answer(without.join("\r\n").as_bytes(), &mut side(40_000, false)).unwrap_err();
        assert_eq!(refused, NegotiateError::NoDtls, "{line}");
    }
    let plain = &mut LocalMedia::new("192.0.2.10:40000".parse().unwrap(), 7);
    assert_eq!(answer(whole.as_bytes(), plain).unwrap_err(), NegotiateError::NoDtls);
    // What may stand above all media is found there.
    let (head, media) = whole.split_once("m=audio").unwrap();
    let moved: Vec<&str> =
        media.lines().filter(|line| line.starts_with("a=ice-") || line.starts_with("a=fing")).collect();
    let rest: Vec<&str> = media.lines().filter(|line| !moved.contains(line)).collect();
    let above = format!("{head}{}\r\nm=audio{}", moved.join("\r\n"), rest.join("\r\n"));
    assert!(answer(above.as_bytes(), &mut side(40_000, false)).is_ok());
}

#[test]
fn our_offer_and_its_answer() {
    let (mut a, mut b) = (side(40_000, true), side(50_000, false));
    let offered = offer(&mut a);
    assert_eq!(value(&offered, "setup"), "actpass");
    assert!(lines(&offered).iter().any(|line| line.starts_with("m=audio 40000 UDP/TLS/RTP/SAVPF 8 0 9 111")));
    let (theirs, answered) = answer(&offered, &mut b).unwrap();
    let active = String::from_utf8(answered).unwrap().replace("setup:passive", "setup:active");
    let ours = accept(active.as_bytes(), &mut a).unwrap().dtls.unwrap();
    assert_eq!(
        (ours.role, ours.peer, theirs.dtls.unwrap().peer),
        (DtlsRole::Passive, Fingerprint([80; 32]), Fingerprint([64; 32]))
    );
    assert_eq!(value(&offered, "ice-ufrag"), ours.ice.ufrag());
    // Hold: the same medium, the same credentials; the answer leaves the roles.
    a.hold = true;
    let again = offer(&mut a);
    assert_eq!((value(&again, "mid"), value(&again, "ice-ufrag")), ("0".into(), ours.ice.ufrag().into()));
    assert!(lines(&again).iter().any(|line| line == "a=group:BUNDLE 0"));
    let kept = active.lines().filter(|line| !line.starts_with("a=setup")).collect::<Vec<_>>().join("\r\n");
    assert_eq!(accept(kept.as_bytes(), &mut a).unwrap().dtls, Some(ours));
}

#[test]
fn new_offers_and_restarts() {
    let mut local = side(40_000, false);
    let first = answer(&chromium("abcd", "actpass"), &mut local).unwrap().0.dtls.unwrap();
    let (same, bytes) = answer(&chromium("abcd", "actpass"), &mut local).unwrap();
    assert_eq!((same.dtls, value(&bytes, "setup")), (Some(first), "passive".into()));
    let restarted = answer(&chromium("efgh", "actpass"), &mut local).unwrap().0.dtls.unwrap();
    assert!(restarted.ice != first.ice && restarted.same_keys(&first));
    let (again, _) = answer(&chromium("efgh", "actpass"), &mut local).unwrap();
    assert_eq!(again.dtls, Some(restarted), "once");
    assert!(value(&offer(&mut local), "ice-ufrag") == restarted.ice.ufrag());
}

#[test]
fn further_media_keep_their_names() {
    let video = "\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n";
    let mut offer = chromium("abcd", "actpass");
    offer.extend(video.bytes());
    let offer = String::from_utf8(offer).unwrap().replace("BUNDLE 0", "BUNDLE 0 1");
    let (_, bytes) = answer(offer.as_bytes(), &mut side(40_000, false)).unwrap();
    let answer = lines(&bytes);
    assert_eq!(answer[answer.len() - 2..], ["m=video 0 UDP/TLS/RTP/SAVPF 96", "a=mid:1"]);
    assert!(answer.iter().any(|line| line == "a=group:BUNDLE 0"));
}
