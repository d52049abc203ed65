//! Keys in offers and answers.

use super::super::srtp::Suite;
use super::super::srtp::sdes::{KeySource, Srtp};
use super::*;

fn side(srtp: Srtp, secret: u8) -> LocalMedia {
    let address = SocketAddr::from(([192, 0, 2, secret], 40_000));
    LocalMedia::new(address, 7).secured(Security::new(srtp, KeySource::new([secret; 32], 0)))
}

/// A description of the other side: `|` ends a line, `%` is a bar.
fn remote(lines: &str) -> Vec<u8> {
    let head = "v=0|o=a 1 1 IN IP4 198.51.100.7|s=-|c=IN IP4 198.51.100.7|t=0 0|";
    format!("{head}{lines}|").replace('|', "\r\n").replace('%', "|").into_bytes()
}

fn lines(bytes: &[u8], start: &str) -> Vec<String> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    text.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
}

#[test]
fn who_agrees_on_what() {
    use Srtp::{Off, Offer, Required};
    // Offerer, answerer, profile, whether it is encrypted or refused.
    let table = [
        (Off, Off, "RTP/AVP", Ok(false)),
        (Off, Offer, "RTP/AVP", Ok(false)),
        (Off, Required, "RTP/AVP", Err(NegotiateError::NoKeys)),
        (Offer, Off, "RTP/AVP", Ok(false)),
        (Offer, Offer, "RTP/AVP", Ok(true)),
        (Offer, Required, "RTP/AVP", Ok(true)),
        (Required, Off, "RTP/SAVP", Err(NegotiateError::OnlySecure)),
        (Required, Offer, "RTP/SAVP", Ok(true)),
        (Required, Required, "RTP/SAVP", Ok(true)),
    ];
    for (offerer, answerer, profile, expected) in table {
        let name = format!("{offerer:?} to {answerer:?}");
        let (mut a, mut b) = (side(offerer, 1), side(answerer, 2));
        let offered = offer(&mut a);
        assert!(lines(&offered, "m=")[0].contains(&format!("40000 {profile} ")), "{name}");
        assert_eq!(lines(&offered, "a=crypto:").len(), if offerer == Off { 0 } else { 3 }, "{name}");
        match answer(&offered, &mut b) {
            Err(error) => assert_eq!(Err(error), expected, "{name}"),
            Ok((theirs, answered)) => {
                let ours = accept(&answered, &mut a).unwrap();
                assert_eq!(Ok(ours.srtp.is_some()), expected, "{name}");
                assert!(lines(&answered, "m=")[0].contains(&format!("40000 {profile} ")), "{name}");
                assert_eq!(lines(&answered, "a=crypto:").len(), usize::from(ours.srtp.is_some()), "{name}");
                let seen = ours.srtp.map(|keys| (keys.local, keys.remote));
                assert_eq!(seen, theirs.srtp.map(|keys| (keys.remote, keys.local)), "{name}");
                assert!(ours.srtp.is_none_or(|keys| keys.local.suite() == Suite::Gcm256 && keys.tag == 1), "{name}");
            }
        }
    }
}

/// RFC 4568 5 and 9.1.
const KEY: &str = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

#[test]
fn offers_of_others() {
    let audio = format!("m=audio 9000 RTP/SAVP 8|a=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}%2^20%1:4 FEC_ORDER=FEC_SRTP");
    let (agreed, bytes) = answer(&remote(&audio), &mut side(Srtp::Offer, 2)).unwrap();
    let keys = agreed.srtp.unwrap();
    assert_eq!((keys.tag, keys.local.suite(), keys.mki.is_some()), (1, Suite::AesCm80, true));
    let line = &lines(&bytes, "a=crypto:")[0];
    assert!(line.starts_with("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:") && !line.contains('|'), "{line}");

    // The first line that can be followed, under its own tag.
    let several = format!(
        "m=audio 9000 RTP/SAVP 8|a=crypto:1 AES_256_CM_HMAC_SHA1_80 {KEY}|a=crypto:2 AES_CM_128_HMAC_SHA1_80 {KEY} KDR=3|\
         a=crypto:4 AES_CM_128_HMAC_SHA1_32 {KEY}|a=crypto:3 AES_CM_128_HMAC_SHA1_80 {KEY}"
    );
    let (agreed, _) = answer(&remote(&several), &mut side(Srtp::Required, 2)).unwrap();
    assert_eq!(agreed.srtp.map(|keys| (keys.tag, keys.local.suite())), Some((4, Suite::AesCm32)));

    // What cannot be answered is refused, with 488 as any offer.
    let none = format!("m=audio 9000 RTP/SAVP 8|a=crypto:1 AES_256_CM_HMAC_SHA1_80 {KEY}");
    for srtp in [Srtp::Offer, Srtp::Required] {
        let refused = answer(&remote(&none), &mut side(srtp, 2)).unwrap_err();
        assert_eq!(refused, NegotiateError::NoKeys);
    }

    // Both kinds in one offer, as older telephones make it: the first that fits is taken, the other refused in its place.
    let both = format!("{audio}|m=audio 9002 RTP/AVP 8");
    for (srtp, port, media) in [
        (Srtp::Off, 9002, ["m=audio 0 RTP/SAVP 8", "m=audio 40000 RTP/AVP 8"]),
        (Srtp::Offer, 9000, ["m=audio 40000 RTP/SAVP 8", "m=audio 0 RTP/AVP 8"]),
    ] {
        let (agreed, bytes) = answer(&remote(&both), &mut side(srtp, 2)).unwrap();
        assert_eq!((agreed.remote.port(), agreed.srtp.is_some()), (port, srtp != Srtp::Off));
        assert_eq!(lines(&bytes, "m="), media);
    }
}

#[test]
fn answers_of_others() {
    let keys = |tag: u32, suite: &str| format!("|a=crypto:{tag} {suite} {KEY}");
    let plain = "m=audio 9000 RTP/AVP 8";
    // Ours, the answer, whether it is encrypted.
    let table = [
        (Srtp::Offer, plain.to_owned() + &keys(3, "AES_CM_128_HMAC_SHA1_80"), Ok(true)),
        (Srtp::Offer, plain.to_owned(), Ok(false)),
        (Srtp::Required, plain.to_owned(), Err(NegotiateError::NoKeys)),
        (Srtp::Required, "m=audio 9000 RTP/SAVP 8".to_owned() + &keys(3, "AES_CM_128_HMAC_SHA1_80"), Ok(true)),
        (
            Srtp::Required,
            "m=audio 9000 RTP/SAVP 8".to_owned() + &keys(1, "AES_CM_128_HMAC_SHA1_80"),
            Err(NegotiateError::NoKeys),
        ),
        (Srtp::Required, "m=audio 9000 RTP/SAVP 8".to_owned(), Err(NegotiateError::NoKeys)),
    ];
    for (srtp, text, expected) in table {
        let mut local = side(srtp, 1);
        offer(&mut local);
        let agreed = accept(&remote(&text), &mut local).map(|agreed| agreed.srtp.is_some());
        assert_eq!(agreed, expected, "{srtp:?}: {text}");
    }
}

#[test]
fn keys_stay_through_new_offers() {
    let (mut a, mut b) = (side(Srtp::Required, 1), side(Srtp::Required, 2));
    let (_, answered) = answer(&offer(&mut a), &mut b).unwrap();
    let first = accept(&answered, &mut a).unwrap();
    // Ours ..
    a.hold = true;
    let again = offer(&mut a);
    assert_eq!(lines(&again, "a=crypto:").len(), 1, "what was agreed, nothing else");
    let (_, answered) = answer(&again, &mut b).unwrap();
    let second = accept(&answered, &mut a).unwrap();
    assert_eq!((first.srtp, second.direction), (second.srtp, Direction::SendOnly));
    // .. and theirs.
    let (third, answered) = answer(&offer(&mut b), &mut a).unwrap();
    assert_eq!(third.srtp, first.srtp);
    assert!(lines(&answered, "m=")[0].contains("RTP/SAVP"));
    // A key of theirs that changes leaves ours.
    let audio = remote(&format!("m=audio 9000 RTP/SAVP 8|a=crypto:1 AEAD_AES_256_GCM inline:{}", "A".repeat(59)));
    let (fourth, _) = answer(&audio, &mut a).unwrap();
    let (before, after) = (first.srtp.unwrap(), fourth.srtp.unwrap());
    assert!(before.local == after.local && before.remote != after.remote);
}
