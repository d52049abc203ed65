//! A stream with a browser, from the first check to lost keys.

use std::time::Duration;

use super::super::{Input, StreamConfig};
use super::*;
use crate::audio::frame::Frame;
use crate::media::browser::{DtlsTerms, Fingerprint, IceCredentials};
use crate::media::negotiate::{Codec, Direction, Negotiated};
use crate::media::srtp::Suite;
use crate::wire::stun::{Class, Message, Writer};

const SILENCE: Frame = Frame::SILENCE;

fn page(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 7], port))
}

fn credentials(seed: u8) -> IceCredentials {
    IceCredentials::new(&[seed; 32])
}

fn agreed(role: DtlsRole, ice: IceCredentials) -> Negotiated {
    Negotiated {
        codec: Codec::Pcmu,
        payload_type: 0,
        telephone_event: None,
        event_clock_hz: 8000,
        other_event: None,
        remote: SocketAddr::from(([0, 0, 0, 0], 9)),
        remote_rtcp: SocketAddr::from(([0, 0, 0, 0], 9)),
        ptime_ms: 20,
        direction: Direction::SendRecv,
        srtp: None,
        voip_metrics: false,
        dtx: false,
        dtls: Some(DtlsTerms { role, peer: Fingerprint([1; 32]), ice }),
    }
}

fn keys(ours: u8) -> SrtpKeys {
    SrtpKeys::exported(Suite::Gcm128, &[[1; 16], [2; 16]].concat().repeat(2)[..56], ours == 1).unwrap()
}

fn check(to: IceCredentials, nominates: bool) -> Vec<u8> {
    let mut room = [0; 256];
    let writer = Writer::new(&mut room, Class::Request, [3; 12]).check(&format!("{}:x", to.ufrag()), 1, 2, nominates);
    let length = writer.finish(Some(to.password().as_bytes())).unwrap();
    room[..length].to_vec()
}

struct Bench {
    stream: Stream,
    now: Instant,
}

impl Bench {
    fn new(role: DtlsRole) -> Self {
        let now = Instant::now();
        let patience = Duration::from_secs(20);
        let negotiated = agreed(role, credentials(1));
        let config = StreamConfig { negotiated, cname: "x".into(), seed: 5, patience, peer: None };
        Self { stream: Stream::new(config, now), now }
    }

    /// What comes of it: kinds of datagrams and where they go, `keys` for pieces of the handshake.
    fn give(&mut self, input: Input<'_>) -> Vec<String> {
        self.now += Duration::from_millis(20);
        self.stream.handle(self.now, input);
        std::iter::from_fn(|| self.stream.poll())
            .map(|output| match output {
                Output::Transmit { to, datagram } => format!("{:?} to {}", Kind::of(datagram.as_bytes()), to.port()),
                Output::Handshake { to, bytes, .. } => format!("handshake {} {}", to.port(), bytes.len()),
                Output::TransmitRtcp { .. } => panic!("there is one port"),
                Output::Heard(_) => "heard".to_owned(),
                other => format!("{other:?}"),
            })
            .collect()
    }

    fn from(&mut self, port: u16, bytes: &[u8]) -> Vec<String> {
        self.give(Input::Rtp { from: page(port), bytes })
    }
}

#[test]
fn silence_until_there_are_keys() {
    let mut bench = Bench::new(DtlsRole::Passive);
    assert!(!bench.stream.is_ready() && bench.give(Input::Send(&SILENCE)).is_empty());
    assert!(bench.from(1, &[22, 254, 253]).is_empty(), "a handshake from who knows where");
    assert_eq!(bench.from(1, &check(credentials(1), true)), ["Stun to 1"]);
    assert!(bench.give(Input::Send(&SILENCE)).is_empty(), "nominated, and no keys");
    assert_eq!(bench.from(1, &[22, 254, 253]), ["handshake 1 3"]);
    assert!(bench.from(2, &[22, 254, 253]).is_empty());
    assert_eq!(bench.give(Input::Keys(Some(keys(1)))), ["Ready"]);
    assert_eq!(bench.give(Input::Send(&SILENCE)), ["Rtp to 1"]);
    assert!(bench.give(Input::Keys(Some(keys(2)))).is_empty(), "once");
    // Reports go the same way, and the page's own are read there.
    bench.now += Duration::from_secs(8);
    assert_eq!(bench.give(Input::Timeout), ["Rtcp to 1"]);
    // The page moves to another network.
    assert_eq!(bench.from(2, &check(credentials(1), true)), ["Stun to 2"]);
    assert_eq!(bench.give(Input::Send(&SILENCE)), ["Rtp to 2"]);
}

#[test]
fn the_active_side_begins_when_the_path_is_found() {
    let mut bench = Bench::new(DtlsRole::Active);
    assert_eq!(bench.from(1, &check(credentials(1), false)), ["Stun to 1"]);
    assert_eq!(bench.from(1, &check(credentials(1), true)), ["Stun to 1", "handshake 1 0"]);
    assert_eq!(bench.from(1, &check(credentials(1), true)), ["Stun to 1"], "it has begun");
    assert_eq!(bench.from(2, &check(credentials(1), true)), ["Stun to 2", "handshake 2 0"], "it goes on there");
}

#[test]
fn audio_and_checks_are_presence() {
    let mut bench = Bench::new(DtlsRole::Passive);
    bench.from(1, &check(credentials(1), true));
    bench.give(Input::Keys(Some(keys(1))));
    // The other side of the same keys.
    let mut theirs = crate::media::guard::Guard::new(Some(&keys(2)));
    let mut datagram = Datagram::of(&[&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0xff; 160]].concat());
    theirs.close(false, &mut datagram).unwrap();
    assert_eq!(bench.from(5, datagram.as_bytes()), ["heard"], "signed, wherever it comes from");
    assert!(bench.from(1, datagram.as_bytes()).is_empty(), "again");
    for _ in 0..3 {
        bench.now += Duration::from_secs(15);
        let told = bench.from(1, &check(credentials(1), false));
        assert!(!told.iter().any(|one| one == "Lost"), "{told:?}");
    }
    bench.now += Duration::from_secs(25);
    assert!(bench.give(Input::Timeout).iter().any(|one| one == "Lost"));
}

#[test]
fn without_keys_it_is_lost() {
    let mut bench = Bench::new(DtlsRole::Passive);
    for _ in 0..3 {
        bench.now += Duration::from_secs(5);
        assert_eq!(bench.from(1, &check(credentials(1), true)), ["Stun to 1"]);
    }
    bench.now += Duration::from_secs(6);
    assert_eq!(bench.give(Input::Timeout), ["Lost"], "checks alone are no call");
    let mut bench = Bench::new(DtlsRole::Passive);
    assert_eq!(bench.give(Input::Keys(None)), ["Lost"]);
    assert!(bench.give(Input::Keys(None)).is_empty());
}

#[test]
fn a_restart_keeps_the_keys_and_another_certificate_does_not() {
    let mut bench = Bench::new(DtlsRole::Passive);
    bench.from(1, &check(credentials(1), true));
    bench.give(Input::Keys(Some(keys(1))));
    bench.stream.renegotiate(bench.now, agreed(DtlsRole::Passive, credentials(2)));
    assert_eq!(bench.give(Input::Send(&SILENCE)), ["Rtp to 1"], "audio goes on meanwhile");
    assert_eq!(bench.from(4, &check(credentials(2), true)), ["Stun to 4"]);
    assert_eq!(bench.give(Input::Send(&SILENCE)), ["Rtp to 4"]);
    let mut other = agreed(DtlsRole::Passive, credentials(2));
    other.dtls = other.dtls.map(|terms| DtlsTerms { peer: Fingerprint([9; 32]), ..terms });
    bench.stream.renegotiate(bench.now, other);
    assert!(!bench.stream.is_ready() && bench.give(Input::Send(&SILENCE)).is_empty());
    assert_eq!(bench.from(4, &[22, 254, 253]), ["handshake 4 3"]);
    assert_eq!(bench.give(Input::Keys(Some(keys(2)))), ["Ready"]);
    assert_eq!(bench.give(Input::Send(&SILENCE)), ["Rtp to 4"]);
}

#[test]
fn nonsense_on_a_shared_port_is_no_panic() {
    let mut random = fastrand::Rng::with_seed(7983);
    let mut bench = Bench::new(DtlsRole::Active);
    let sound = check(credentials(1), true);
    for _ in 0..5_000 {
        let mut bytes = if random.bool() { sound.clone() } else { vec![0; random.usize(0..300)] };
        for _ in 0..random.usize(0..4) {
            if let Some(byte) = random.choice(bytes.iter_mut()) {
                *byte = random.u8(..);
            }
        }
        for told in bench.from(random.u16(1..4), &bytes) {
            assert!(told.starts_with("Stun") || told.starts_with("handshake") || told == "Lost", "{told}");
        }
    }
    let mut room = [0; 64];
    let length = Writer::new(&mut room, Class::Indication, [1; 12]).finish(None).unwrap();
    assert!(Message::parse(&room[..length]).is_ok() && bench.from(1, &room[..length]).is_empty());
}
