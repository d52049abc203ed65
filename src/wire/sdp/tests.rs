//! Session descriptions as phones send them, and damaged ones.

use super::*;

const OFFER: &str = "v=0\r\n\
    o=- 20518 0 IN IP4 203.0.113.1\r\n\
    s=-\r\n\
    c=IN IP4 203.0.113.1\r\n\
    b=AS:84\r\n\
    t=0 0\r\n\
    a=sendonly\r\n\
    m=audio 54400 RTP/SAVP 8 0 96 101\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:96 opus/48000/2\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-16\r\n\
    a=ptime:20\r\n\
    a=maxptime:150\r\n\
    a=rtcp:53020 IN IP4 198.51.100.7\r\n\
    a=rtcp-mux\r\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n\
    m=video 0 RTP/AVP 31\r\n\
    i=camera\r\n\
    c=IN IP6 2001:db8::2\r\n\
    a=inactive\r\n";

#[test]
fn reads_what_audio_needs() {
    let session = parse(OFFER.as_bytes()).unwrap();
    assert_eq!((&*session.origin.session_id, &*session.origin.version), ("20518", "0"));
    let [audio, video] = &session.media[..] else { panic!("{session:?}") };
    assert!(audio.is_audio());
    assert_eq!(audio.payload_types().collect::<Vec<_>>(), [8, 0, 96, 101]);
    assert_eq!(audio.format(0).unwrap().encoding, "PCMU");
    assert_eq!((audio.format(96).unwrap().clock_hz, audio.format(96).unwrap().channels), (48000, 2));
    assert_eq!(audio.format(97), None);
    let fmtps: Vec<Fmtp> = audio.fmtps().collect();
    assert_eq!((fmtps.len(), fmtps[0].payload_type, &fmtps[0].params[..]), (1, 101, &b"0-16"[..]));
    assert_eq!((audio.ptime_ms(), audio.maxptime_ms()), (Some(20), Some(150)));
    assert_eq!(audio.rtcp(), Some(RtcpAddress { port: 53020, address: Some("198.51.100.7".parse().unwrap()) }));
    assert!(audio.is_rtcp_mux() && !video.is_rtcp_mux());
    assert_eq!(audio.cryptos().count(), 1);
    assert_eq!(session.direction_of(audio), Direction::SendOnly);
    assert_eq!(session.direction_of(video), Direction::Inactive);
    assert_eq!(session.connection_of(audio).unwrap().ip(), Some("203.0.113.1".parse().unwrap()));
    assert_eq!(session.connection_of(video).unwrap().ip(), Some("2001:db8::2".parse().unwrap()));
    assert_eq!(session.to_bytes(), OFFER.as_bytes());
}

#[test]
fn tolerates_the_usual_sloppiness() {
    let table: [(&str, &str); 5] = [
        ("LF alone", "v=0\no=- 1 1 IN IP4 10.0.0.1\ns=\nc=IN IP4 10.0.0.1\nt=0 0\nm=audio 4000 RTP/AVP 0\n"),
        ("no s= and t=", "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n"),
        ("no end", "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0"),
        ("blank lines", "v=0\r\no=-  1 1 IN IP4 h\r\n\r\nm=audio 4000 RTP/AVP 0 \r\n\r\n"),
        ("unknown line", "v=0\r\no=- 1 1 IN IP4 h\r\nx=y\r\nm=audio 4000 RTP/AVP 0\r\nq=\r\na=\r\n"),
    ];
    for (what, text) in table {
        let session = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(session.media[0].payload_types().collect::<Vec<_>>(), [0], "{what}");
        assert_eq!(parse(&session.to_bytes()).as_ref(), Ok(&session), "{what}");
    }
    // A name in GBK and a session id beyond 64 bits cost nothing.
    let odd = b"v=0\r\no=- 36893488147419103232 1 IN IP4 h\r\ns=\xD5\xC5\r\nt=0 0\r\nm=audio 1 RTP/AVP x 0 200\r\n";
    let session = parse(odd).unwrap();
    assert_eq!(session.media[0].payload_types().collect::<Vec<_>>(), [0]);
    assert_eq!(session.to_bytes(), &odd[..]);
}

#[test]
fn refuses_what_is_none() {
    let head = "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\n";
    let many = |line: &str, count: usize| format!("{head}{}", line.repeat(count));
    for (text, error) in [
        (String::new(), SdpError::Origin),
        ("o=- 1 1 IN IP4 h\r\n".into(), SdpError::Version),
        ("v=1\r\n".into(), SdpError::Version),
        ("v=0\r\ns=-\r\n".into(), SdpError::Origin),
        ("v=0\r\no=- 1 x IN IP4 h\r\n".into(), SdpError::Origin),
        ("v=0\r\no=- 1 1 IN IP4\r\n".into(), SdpError::Origin),
        (format!("{head}c=IN IP5 h\r\n"), SdpError::Connection),
        (format!("{head}m=audio 65536 RTP/AVP 0\r\n"), SdpError::Media),
        (format!("{head}m=audio -1 RTP/AVP 0\r\n"), SdpError::Media),
        (format!("{head}m=audio\r\n"), SdpError::Media),
        (format!("{head}hello\r\n"), SdpError::Line),
        (many("m=audio 1 RTP/AVP 0\r\n", MAX_MEDIA + 1), SdpError::TooMany),
        (many("a=x\r\n", MAX_LINES + 1), SdpError::TooMany),
        (format!("{head}m=audio 1 RTP/AVP{}\r\n", " 0".repeat(MAX_FORMATS + 1)), SdpError::TooMany),
        (many("a=x\r\n", MAX_SDP_BYTES), SdpError::TooLong),
    ] {
        assert_eq!(parse(text.as_bytes()), Err(error), "{text:.80}");
    }
}

#[test]
fn builds_an_answer() {
    let mut session = SessionDescription::new(7, 1, "10.0.0.1".parse().unwrap());
    let mut audio = Media::audio(4000, &[8, 101]);
    audio.attributes.push(Attribute::with_value("rtpmap", "8 PCMA/8000"));
    audio.attributes.push(Attribute::flag(Direction::RecvOnly.as_str()));
    session.media.push(audio);
    let video = parse(OFFER.as_bytes()).unwrap().media[1].refused();
    session.media.push(video);
    let text = "v=0\r\no=- 7 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n\
        a=rtpmap:8 PCMA/8000\r\na=recvonly\r\nm=video 0 RTP/AVP 31\r\n";
    assert_eq!(session.to_bytes(), text.as_bytes());
    assert_eq!(Direction::SendOnly.reversed(), Direction::RecvOnly);
    assert!(Connection::new("0.0.0.0".parse().unwrap()).is_unspecified());
}

/// Mutations of an offer: no panic, and what is read prints and reads again as the same.
#[test]
fn no_mutation_panics() {
    let mut random = fastrand::Rng::with_seed(8866);
    for _ in 0..20_000 {
        let mut bytes = OFFER.as_bytes().to_vec();
        for _ in 0..random.usize(1..5) {
            let at = random.usize(0..bytes.len());
            let other = random.usize(0..bytes.len());
            match random.u8(0..4) {
                0 => bytes[at] = random.u8(..),
                1 => bytes.swap(at, other),
                2 => bytes.drain(at..(at + random.usize(1..30)).min(bytes.len() - 1).max(at)).for_each(drop),
                _ => {
                    let piece = bytes[other..bytes.len().min(other + 40)].to_vec();
                    bytes.splice(at..at, piece).for_each(drop);
                }
            }
        }
        let Ok(session) = parse(&bytes) else { continue };
        for media in &session.media {
            let _ = (media.rtpmaps().count(), media.fmtps().count(), media.ptime_ms(), media.rtcp());
        }
        assert_eq!(parse(&session.to_bytes()), Ok(session), "{}", String::from_utf8_lossy(&bytes));
    }
}
