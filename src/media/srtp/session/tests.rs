//! Both ends of a stream, and what is done to packets between them.

use super::super::sdes::CryptoLine;
use super::*;

fn key(suite: Suite) -> MasterKey {
    let bytes: Vec<u8> = (0..(suite.key_length() + suite.salt_length()) as u8).collect();
    MasterKey::new(suite, &bytes).unwrap()
}

fn rtp(sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// A receiver report and nothing else.
fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x81, 201, 0, 7];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[7; 24]);
    packet
}

fn sealed(protector: &mut Protector, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + super::super::RTP_OVERHEAD, 0);
    let length = protector.protect(&mut buffer, packet.len()).unwrap();
    buffer.truncate(length);
    buffer
}

fn sealed_rtcp(protector: &mut Protector, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + super::super::RTCP_OVERHEAD, 0);
    let length = protector.protect_rtcp(&mut buffer, packet.len()).unwrap();
    buffer.truncate(length);
    buffer
}

fn opened(unprotector: &mut Unprotector, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = packet.to_vec();
    let length = unprotector.unprotect(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

fn opened_rtcp(unprotector: &mut Unprotector, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = packet.to_vec();
    let length = unprotector.unprotect_rtcp(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

#[test]
fn what_is_protected_is_opened_and_hidden_in_between() {
    for suite in Suite::ALL {
        let (mut ours, mut theirs) = (Protector::new(&key(suite)), Unprotector::new(&key(suite), None));
        let (rtp_tag, rtcp_tag) = suite.tag_lengths();
        for length in [0, 1, 15, 16, 17, 127, 128, 129, 160, 480, 1400] {
            let plain = rtp(length as u16 + 7, 5, &vec![0x5a; length]);
            let packet = sealed(&mut ours, &plain);
            assert_eq!((packet.len(), &packet[..12]), (plain.len() + rtp_tag, &plain[..12]));
            assert!(length < 15 || !packet.windows(8).any(|part| part == [0x5a; 8]), "{suite:?} {length}");
            assert_eq!(opened(&mut theirs, &packet), Ok(plain), "{suite:?} {length}");
        }
        for _ in 0..3 {
            let plain = rtcp(5);
            let packet = sealed_rtcp(&mut ours, &plain);
            assert_eq!((packet.len(), &packet[..8]), (plain.len() + rtcp_tag + 4, &plain[..8]));
            assert!(!packet.windows(8).any(|part| part == [7; 8]));
            assert_eq!(opened_rtcp(&mut theirs, &packet), Ok(plain), "{suite:?}");
        }
    }
}

#[test]
fn csrcs_and_extensions_stay_readable_and_are_authenticated() {
    for suite in Suite::ALL {
        let mut plain = rtp(1, 5, &[]);
        plain[0] = 0x92;
        plain.extend_from_slice(&[1, 1, 1, 1, 2, 2, 2, 2, 0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        plain.extend_from_slice(&[0x33; 40]);
        let packet = sealed(&mut Protector::new(&key(suite)), &plain);
        assert_eq!(packet[..28], plain[..28]);
        assert_ne!(packet[28..68], plain[28..]);
        assert_eq!(opened(&mut Unprotector::new(&key(suite), None), &packet), Ok(plain));
        for at in [1, 13, 27, 28, packet.len() - 1] {
            let mut forged = packet.clone();
            forged[at] ^= 0x40;
            let refused = opened(&mut Unprotector::new(&key(suite), None), &forged);
            assert_eq!(refused, Err(SrtpError::Authentication), "{suite:?}, byte {at}");
        }
    }
}

#[test]
fn each_packet_is_taken_once_and_forgery_changes_nothing() {
    for suite in Suite::ALL {
        let (mut ours, mut theirs) = (Protector::new(&key(suite)), Unprotector::new(&key(suite), None));
        let packets: Vec<_> = (0..200u16).map(|n| sealed(&mut ours, &rtp(n, 5, b"voice"))).collect();
        let mut forged = packets[199].clone();
        *forged.last_mut().unwrap() ^= 1;
        for n in [0, 2, 1, 2, 100, 37, 36, 100, 101] {
            assert_eq!(opened(&mut theirs, &forged), Err(SrtpError::Authentication), "{suite:?}");
            let expected = match n {
                36 => Err(SrtpError::Replayed),
                n => Ok(rtp(n as u16, 5, b"voice")),
            };
            let first = opened(&mut theirs, &packets[n]);
            assert!(first == expected || first == Err(SrtpError::Replayed), "{suite:?} {n}");
            assert_eq!(opened(&mut theirs, &packets[n]), Err(SrtpError::Replayed), "{suite:?} {n}");
        }
        let report = sealed_rtcp(&mut ours, &rtcp(5));
        assert_eq!(opened_rtcp(&mut theirs, &report), Ok(rtcp(5)));
        assert_eq!(opened_rtcp(&mut theirs, &report), Err(SrtpError::Replayed));
    }
}

#[test]
fn the_rollover_counter_follows_over_losses_and_is_kept_for_each_source() {
    let suite = Suite::AesCm80;
    let (mut ours, mut theirs) = (Protector::new(&key(suite)), Unprotector::new(&key(suite), None));
    let mut taken = 0;
    for n in 65_000u32..65_536 * 3 {
        let plain = rtp(n as u16, 5, b"voice");
        let packet = sealed(&mut ours, &plain);
        // Nothing comes for nine minutes in the middle.
        if !(90_000..117_000).contains(&n) {
            assert_eq!(opened(&mut theirs, &packet), Ok(plain), "{n}");
            taken += 1;
        }
    }
    assert_eq!(taken, 65_536 * 3 - 65_000 - 27_000);
    let mut other = Protector::new(&key(suite));
    assert!(opened(&mut theirs, &sealed(&mut other, &rtp(9, 6, b"another source begins at 0"))).is_ok());
    assert!(opened(&mut theirs, &sealed(&mut ours, &rtp(0, 5, b"and this one goes on"))).is_ok());
}

#[test]
fn sources_beyond_the_table_take_the_place_of_the_most_silent() {
    let suite = Suite::Gcm128;
    let mut theirs = Unprotector::new(&key(suite), None);
    let packet = |ssrc, sequence| sealed(&mut Protector::new(&key(suite)), &rtp(sequence, ssrc, b"voice"));
    for (ssrc, sequence) in [(1, 0), (2, 0), (3, 0), (4, 0), (1, 1), (5, 0)] {
        assert!(opened(&mut theirs, &packet(ssrc, sequence)).is_ok());
    }
    // 2 was silent longest; what it sends again is not known to be a replay. Of the others it is.
    for (ssrc, replayed) in [(1, true), (3, true), (4, true), (5, true), (2, false)] {
        assert_eq!(opened(&mut theirs, &packet(ssrc, 0)).is_err(), replayed, "{ssrc}");
    }
}

#[test]
fn we_never_send_two_packets_with_one_keystream() {
    let mut ours = Protector::new(&key(Suite::AesCm80));
    let mut buffer = rtp(7, 5, b"voice");
    buffer.resize(40, 0);
    assert!(ours.protect(&mut buffer.clone(), 17).is_ok());
    assert_eq!(ours.protect(&mut buffer, 17), Err(SrtpError::Replayed));
    assert_eq!(ours.protect(&mut buffer[..20], 17), Err(SrtpError::Replayed));
    buffer[3] = 8;
    assert_eq!(ours.protect(&mut buffer[..20], 17), Err(SrtpError::Room));
    assert!(ours.protect(&mut buffer, 17).is_ok(), "what did not fit was not sent");
    ours.rtcp_index = LAST_RTCP;
    assert_eq!(ours.protect_rtcp(&mut [0; 60], 32), Err(SrtpError::Exhausted));
}

#[test]
fn reports_in_the_clear_are_authenticated_too() {
    // As libsrtp2 writes them where encryption of RTCP is off: the E bit is 0.
    let suite = Suite::AesCm80;
    let transform = Transform::new(&key(suite), Purpose::Rtcp);
    let Transform::Counter { mac, .. } = &transform else { panic!() };
    let mut packet = rtcp(5);
    packet.extend_from_slice(&[0, 0, 0, 9]);
    let mut mac = mac.clone();
    hmac::Mac::update(&mut mac, &packet);
    packet.extend_from_slice(&hmac::Mac::finalize(mac).into_bytes()[..10]);
    assert_eq!(opened_rtcp(&mut Unprotector::new(&key(suite), None), &packet), Ok(rtcp(5)));
    packet[33] = 0x80;
    assert_eq!(opened_rtcp(&mut Unprotector::new(&key(suite), None), &packet), Err(SrtpError::Authentication));
}

#[test]
fn key_identifiers_are_stepped_over() {
    let line = |suite: Suite| format!("{}|2^31|258:3", CryptoLine { tag: 1, key: key(suite), mki: None });
    for suite in Suite::ALL {
        let mki = CryptoLine::parse(line(suite).as_bytes()).unwrap().mki;
        let plain = rtp(1, 5, b"voice");
        let packet = sealed(&mut Protector::new(&key(suite)), &plain);
        let at = match suite {
            Suite::Gcm128 | Suite::Gcm256 => packet.len(),
            Suite::AesCm80 | Suite::AesCm32 => packet.len() - suite.tag_lengths().0,
        };
        let with = |value: [u8; 3]| [&packet[..at], &value, &packet[at..]].concat();
        let mut theirs = Unprotector::new(&key(suite), mki);
        assert_eq!(opened(&mut theirs, &with([0, 1, 3])), Err(SrtpError::Authentication));
        assert_eq!(opened(&mut theirs, &with([0, 1, 2])), Ok(plain), "{suite:?}");
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let mut random = fastrand::Rng::with_seed(11);
    let line =
        CryptoLine::parse(format!("{}|7:2", CryptoLine { tag: 1, key: key(Suite::Gcm128), mki: None }).as_bytes());
    for suite in Suite::ALL {
        for mki in [None, line.unwrap().mki] {
            let mut theirs = Unprotector::new(&key(suite), mki);
            let mut ours = Protector::new(&key(suite));
            for _ in 0..20_000 {
                let mut bytes = [0; 64];
                random.fill(&mut bytes);
                bytes[0] = 0x80 | bytes[0] & 0x1f;
                let length = random.usize(..=64);
                assert!(theirs.unprotect(&mut bytes[..length]).is_err());
                assert!(theirs.unprotect_rtcp(&mut bytes[..length]).is_err());
                let _ = ours.protect(&mut bytes, length);
                let _ = ours.protect_rtcp(&mut bytes, length);
            }
        }
    }
}
