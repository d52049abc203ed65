//! Two sides of a call, or one side and hand-made packets, on a simulated clock.

use super::super::srtp::Suite;
use super::super::srtp::sdes::{KeySource, SrtpKeys};
use super::*;
use crate::audio::loudness;
use crate::wire::rtcp;
use crate::wire::rtp::{RtpHeader, SequenceNumber, Ssrc};

const HERE: &str = "192.0.2.1:4000";
const THERE: &str = "192.0.2.2:5000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn agreed(remote: &str) -> Negotiated {
    let remote = address(remote);
    Negotiated {
        codec: Codec::Pcma,
        payload_type: 8,
        telephone_event: Some(101),
        event_clock_hz: 8000,
        other_event: None,
        remote,
        remote_rtcp: SocketAddr::new(remote.ip(), remote.port() + 1),
        ptime_ms: 20,
        direction: crate::media::negotiate::Direction::SendRecv,
        srtp: None,
        dtls: None,
        voip_metrics: false,
        dtx: false,
    }
}

fn stream(seed: u64, negotiated: Negotiated, now: Instant) -> Stream {
    Stream::new(
        StreamConfig { negotiated, peer: None, cname: "x7f3".into(), seed, patience: Duration::from_secs(10) },
        now,
    )
}

fn tone(n: u64) -> Frame {
    let mut frame = Frame::SILENCE;
    for (i, sample) in frame.0.iter_mut().enumerate() {
        let t = (n * 160 + i as u64) as f32 / 8000.0;
        *sample = (8000.0 * (t * 400.0 * std::f32::consts::TAU).sin()) as i16;
    }
    frame
}

/// What a stream told, its frames as their number and the quietest of them.
#[derive(Default)]
struct Told {
    digits: String,
    heard: usize,
    quietest: f32,
    transmitted: Vec<(SocketAddr, Datagram)>,
    controls: Vec<(SocketAddr, Datagram)>,
    passed: Vec<Passing>,
    presence: Vec<&'static str>,
    handshake: Vec<Vec<u8>>,
}

impl Told {
    fn drain(&mut self, stream: &mut Stream) {
        while let Some(output) = stream.poll() {
            match output {
                Output::Heard(frame) => {
                    self.heard += 1;
                    self.quietest = self.quietest.min(loudness::dbfs(&frame.0));
                }
                Output::Digit(digit) => self.digits.push(digit),
                Output::Transmit { to, datagram } => self.transmitted.push((to, datagram)),
                Output::TransmitRtcp { to, datagram } => self.controls.push((to, datagram)),
                Output::Pass(passing) => self.passed.push(passing),
                Output::Lost => self.presence.push("lost"),
                Output::Resumed => self.presence.push("resumed"),
                Output::Ready => self.presence.push("ready"),
                Output::Handshake { bytes, .. } => self.handshake.push(bytes.into_vec()),
            }
        }
    }
}

/// Two streams that send tones to each other for `seconds`; `lose` says which packets of the left one do not arrive.
/// Returns both and what the right one told.
fn talk(
    left: Negotiated,
    right: Negotiated,
    digits: &str,
    seconds: u64,
    lose: impl Fn(u64) -> bool,
) -> (Stream, Stream, Told) {
    let start = Instant::now();
    let (mut left, mut right) = (stream(1, left, start), stream(2, right, start));
    let (mut told_left, mut told_right) = (Told::default(), Told::default());
    for digit in digits.chars() {
        left.handle(start, Input::SendDigit { digit, ms: 80 });
    }
    for n in 0..seconds * 50 {
        let now = start + Duration::from_millis(20 * n);
        for (stream, told, frame) in
            [(&mut left, &mut told_left, tone(n)), (&mut right, &mut told_right, Frame::SILENCE)]
        {
            stream.handle(now, Input::Send(&frame));
            told.drain(stream);
        }
        let later = now + Duration::from_millis(10);
        for (_, datagram) in told_left.transmitted.drain(..).filter(|_| !lose(n)) {
            right.handle(later, Input::Rtp { from: address(HERE), bytes: datagram.as_bytes() });
            told_right.drain(&mut right);
        }
        for (_, datagram) in told_right.transmitted.drain(..) {
            left.handle(later, Input::Rtp { from: address(THERE), bytes: datagram.as_bytes() });
            told_left.drain(&mut left);
        }
        for (_, datagram) in std::mem::take(&mut told_left.controls) {
            right.handle(later, Input::Rtcp { from: address("192.0.2.1:4001"), bytes: datagram.as_bytes() });
        }
        for (_, datagram) in std::mem::take(&mut told_right.controls) {
            left.handle(later, Input::Rtcp { from: address("192.0.2.2:5001"), bytes: datagram.as_bytes() });
        }
        right.pull(later);
        left.pull(later);
    }
    (left, right, told_right)
}

#[test]
fn a_clean_minute() {
    let (left, right, told) = talk(agreed(THERE), agreed(HERE), "", 60, |_| false);
    let figures = right.quality();
    assert_eq!((figures.received, figures.lost, figures.late, figures.dropped, figures.sent), (3000, 0, 0, 0, 3000));
    assert_eq!((told.heard, told.presence.len()), (3000, 0));
    assert!(told.quietest > -20.0, "{}", told.quietest);
    let round_trip = left.quality().round_trip_ms.unwrap();
    assert!((9.0..21.0).contains(&round_trip), "{round_trip}");
    assert_eq!(left.quality().remote_loss, Some(0.0));
    assert!(figures.mos > 4.3 && figures.jitter_ms < 0.2, "{figures:?}");
}

/// An agreement on this codec.
fn spoken(codec: Codec, remote: &str) -> Negotiated {
    let event_clock_hz = codec.clock_hz();
    Negotiated { codec, payload_type: codec.own_type().get(), event_clock_hz, ..agreed(remote) }
}

#[test]
fn a_lossy_minute_of_every_codec() {
    for codec in Codec::ALL {
        let (left, right, told) =
            talk(spoken(codec, THERE), spoken(codec, HERE), "159#0", 60, |n| n > 200 && n % 20 == 7);
        let figures = right.quality();
        assert_eq!((figures.received, figures.lost, figures.dropped), (2860, 140, 0), "{codec:?}");
        assert!((2960..=3000).contains(&told.heard), "{codec:?}: {}", told.heard);
        assert_eq!(told.digits, "159#0", "{codec:?}");
        // A hole would be -100. Opus fades in.
        assert!(told.quietest > -45.0, "{codec:?}: {}", told.quietest);
        assert!(figures.jitter_ms < 0.3, "{codec:?}: {}", figures.jitter_ms);
        assert!(left.quality().round_trip_ms.is_some());
        // What Opus loses it makes up from the packet after.
        let concealed = figures.concealed;
        assert!(if codec == Codec::Opus { concealed < 20 } else { concealed >= 140 }, "{codec:?}: {concealed}");
    }
}

#[test]
fn a_codec_changes_in_the_middle_and_back() {
    let start = Instant::now();
    let mut told = Told::default();
    let mut left = stream(1, agreed(THERE), start);
    let mut right = stream(2, agreed(HERE), start);
    for n in 0..400 {
        let now = start + Duration::from_millis(20 * n);
        if n % 100 == 50 {
            let codec = [Codec::Opus, Codec::G722, Codec::Opus, Codec::Pcmu][n as usize / 100];
            left.renegotiate(now, spoken(codec, THERE));
            right.renegotiate(now, spoken(codec, HERE));
        }
        left.handle(now, Input::Send(&tone(n)));
        let mut sent = Told::default();
        sent.drain(&mut left);
        for (_, datagram) in sent.transmitted {
            right.handle(now, Input::Rtp { from: address(HERE), bytes: datagram.as_bytes() });
        }
        told.drain(&mut right);
        let pulled = right.pull(now);
        assert!(n % 100 < 60 || n < 60 || loudness::dbfs(&pulled.0) > -22.0, "{n}: {}", loudness::dbfs(&pulled.0));
    }
    assert_eq!((right.quality().received, right.quality().lost, right.quality().dropped), (400, 0, 0));
    assert!((390..=410).contains(&told.heard), "{}", told.heard);
}

#[test]
fn a_pause_is_no_loss_and_people_hear_its_noise() {
    let start = Instant::now();
    let mut right = stream(2, agreed(HERE), start);
    let mut heard = Vec::new();
    for n in 0..100u16 {
        let now = start + Duration::from_millis(20 * u64::from(n));
        let header = RtpHeader {
            marker: n == 0,
            payload_type: if n == 30 { PayloadType::COMFORT_NOISE } else { PayloadType::PCMA },
            sequence: SequenceNumber(n),
            timestamp: Timestamp(160 * u32::from(n)),
            ssrc: Ssrc(9),
        };
        let mut bytes = header.to_bytes().to_vec();
        match n {
            30 => bytes.push(50),
            31..70 => bytes.clear(),
            _ => bytes.extend([0x2a; 160]),
        }
        // The pause begins with a packet of noise and ends with speech; its sequence numbers go on.
        if n >= 70 {
            bytes[2..4].copy_from_slice(&(n - 39).to_be_bytes());
        }
        if !bytes.is_empty() {
            right.handle(now, Input::Rtp { from: address(HERE), bytes: &bytes });
        }
        right.handle(now, Input::Timeout);
        Told::default().drain(&mut right);
        heard.push(loudness::dbfs(&right.pull(now).0));
    }
    assert!(heard[40..65].iter().all(|level| (-53.0..-47.0).contains(level)), "{:?}", &heard[30..70]);
    assert!(heard[80..].iter().all(|level| *level > -20.0), "{:?}", &heard[70..]);
    let figures = right.quality();
    // Two frames of fading at its beginning, as what was said still sounds in the concealment.
    assert!(figures.lost == 0 && figures.concealed <= 2, "{figures:?}");
}

#[test]
fn our_own_pauses_are_heard_as_the_noise_that_was_there() {
    // Codec, its type, level of the room between two sentences as it is sent and as it is heard, dBFS.
    for (codec, payload_type, heard) in [(Codec::Pcma, 8, -64.0..-56.0), (Codec::Opus, 111, -101.0..-90.0)] {
        let with =
            |remote| Negotiated { codec, payload_type, event_clock_hz: codec.clock_hz(), dtx: true, ..agreed(remote) };
        let start = Instant::now();
        let (mut left, mut right) = (stream(1, with(THERE), start), stream(2, with(HERE), start));
        let (mut told_left, mut told_right) = (Told::default(), Told::default());
        let mut random = fastrand::Rng::with_seed(5);
        let mut levels = Vec::new();
        for n in 0..400 {
            let now = start + Duration::from_millis(20 * n);
            // Two seconds of speech, two of a room at -60 dBFS.
            let mut frame = tone(n);
            if n % 200 >= 100 {
                frame.0.fill_with(|| random.i16(-57..=57));
            }
            left.handle(now, Input::Send(&frame));
            told_left.drain(&mut left);
            for (_, datagram) in told_left.transmitted.drain(..) {
                right.handle(
                    now + Duration::from_millis(9),
                    Input::Rtp { from: address(HERE), bytes: datagram.as_bytes() },
                );
            }
            right.handle(now + Duration::from_millis(10), Input::Timeout);
            told_right.drain(&mut right);
            levels.push(loudness::dbfs(&right.pull(now + Duration::from_millis(10)).0));
        }
        let figures = right.quality();
        // Twice 100 frames of speech, 10 of hangover, 5 packets of the pause.
        assert_eq!((figures.received, figures.lost, figures.dropped, figures.late), (230, 0, 0, 0), "{codec:?}");
        // What was said last fades for up to 60 ms.
        assert!(figures.concealed <= 2 * 3, "{codec:?}: {figures:?}");
        assert!(levels[125..200].iter().all(|level| heard.contains(level)), "{codec:?}: {:?}", &levels[110..200]);
        assert!(levels[215..300].iter().all(|level| *level > -20.0), "{codec:?}: {:?}", &levels[200..300]);
        assert!(told_right.presence.is_empty());
        assert!((390..=410).contains(&told_right.heard), "the recogniser's time goes on: {}", told_right.heard);
    }
}

#[test]
fn comfort_noise_passes_where_both_sides_agreed_on_it() {
    let now = Instant::now();
    let with = |remote| Negotiated { dtx: true, ..agreed(remote) };
    let (mut from, mut to) = (stream(1, with(THERE), now), stream(2, with(HERE), now));
    assert!(from.passes_to(&to) && !from.passes_to(&stream(3, agreed(HERE), now)));
    from.pass_on(Use::Passed);
    let (mut told, mut sent) = (Told::default(), Told::default());
    for (number, at, kind, payload) in
        [(0, 0, 8, &[0x2a; 160][..]), (1, 160, 13, &[60]), (2, 3360, 13, &[61]), (3, 8000, 8, &[0x2a; 160])]
    {
        let now = now + Duration::from_millis(u64::from(at / 8));
        let bytes = packet(9, number, at, kind, payload);
        from.handle(now, Input::Rtp { from: address(THERE), bytes: &bytes });
        told.drain(&mut from);
        for passing in told.passed.drain(..) {
            to.handle(now, Input::Pass(&passing));
        }
        sent.drain(&mut to);
    }
    let packets: Vec<_> =
        sent.transmitted.iter().map(|(_, datagram)| RtpPacket::parse(datagram.as_bytes()).unwrap()).collect();
    let seen: Vec<_> = packets
        .iter()
        .map(|packet| {
            (packet.payload_type().get(), packet.timestamp().since(packets[0].timestamp()), packet.payload().len())
        })
        .collect();
    assert_eq!(seen, [(8, 0, 160), (13, 160, 1), (13, 3360, 1), (8, 8000, 160)]);
}

/// Both sides of an agreement on SRTP, each with what it sends first.
fn secured(suite: Suite) -> (Negotiated, Negotiated) {
    let key = |n: u8| KeySource::new([n; 32], 0).key(suite);
    let keys = |local, remote| Some(SrtpKeys { tag: 1, local: key(local), remote: key(remote), mki: None });
    (Negotiated { srtp: keys(1, 2), ..agreed(THERE) }, Negotiated { srtp: keys(2, 1), ..agreed(HERE) })
}

#[test]
fn a_minute_encrypted() {
    for suite in Suite::ALL {
        let (left, right) = secured(suite);
        let (left, right, told) = talk(left, right, "159#0", 60, |n| n % 20 == 7);
        let figures = right.quality();
        assert_eq!((figures.received, figures.lost, figures.dropped), (2850, 150, 0), "{suite:?}");
        assert_eq!(told.digits, "159#0", "{suite:?}");
        assert!(told.quietest > -20.0, "{}", told.quietest);
        assert!(left.quality().round_trip_ms.is_some(), "{suite:?}: reports are read");
    }
}

#[test]
fn encrypted_nothing_else_is_taken_or_sent() {
    let now = Instant::now();
    let at = |ms| now + Duration::from_millis(ms);
    let (here, there) = secured(Suite::AesCm80);
    let (mut ours, mut theirs) = (stream(1, here, now), stream(2, there, now));
    let mut plain = stream(3, agreed(HERE), now);
    let sent = |stream: &mut Stream, at: Instant| {
        let mut told = Told::default();
        stream.handle(at, Input::Send(&tone(0)));
        told.drain(stream);
        told.transmitted.pop().map(|(_, datagram)| datagram).unwrap()
    };
    let packet = sent(&mut theirs, at(0));
    let mut forged = packet.as_bytes().to_vec();
    forged[20] ^= 1;
    for (bytes, dropped) in [
        (&forged[..], 1),
        (sent(&mut plain, at(0)).as_bytes(), 2),
        (packet.as_bytes(), 2),
        (packet.as_bytes(), 3),
        (&[0x80, 200, 0, 1], 4),
        (&[0x80; 1501], 5),
    ] {
        ours.handle(at(5), Input::Rtp { from: address(THERE), bytes });
        assert_eq!(ours.quality().dropped, dropped);
    }
    assert_eq!(ours.quality().received, 1, "the one that was theirs, once");
    // A report in the clear is no sign of life either.
    plain.bye(at(10));
    let mut told = Told::default();
    told.drain(&mut plain);
    ours.handle(at(10), Input::Rtcp { from: address(THERE), bytes: told.controls[0].1.as_bytes() });
    assert_eq!(ours.quality().dropped, 6);
}

#[test]
fn what_goes_on_with_its_key_goes_on_and_a_key_taken_anew_is_another_source() {
    let now = Instant::now();
    let at = |ms| now + Duration::from_millis(ms);
    let (here, there) = secured(Suite::Gcm128);
    let (mut ours, mut theirs) = (stream(1, here, now), stream(2, there, now));
    let sent = |stream: &mut Stream, at: Instant| {
        let mut told = Told::default();
        stream.handle(at, Input::Send(&tone(0)));
        told.drain(stream);
        told.transmitted.pop().map(|(_, datagram)| datagram).unwrap()
    };
    let source = |datagram: &Datagram| RtpPacket::parse(datagram.as_bytes()).unwrap().ssrc();
    let first = sent(&mut theirs, at(0));
    ours.handle(at(1), Input::Rtp { from: address(THERE), bytes: first.as_bytes() });
    theirs.renegotiate(at(10), there);
    ours.renegotiate(at(10), here);
    let second = sent(&mut theirs, at(20));
    assert_eq!(source(&first), source(&second));
    ours.handle(at(21), Input::Rtp { from: address(THERE), bytes: second.as_bytes() });
    ours.handle(at(22), Input::Rtp { from: address(THERE), bytes: first.as_bytes() });
    assert_eq!((ours.quality().received, ours.quality().dropped), (2, 1), "what came before the re-INVITE came before");
    // In the clear for a while, then again with the key that it had.
    theirs.renegotiate(at(30), agreed(HERE));
    theirs.renegotiate(at(30), there);
    assert_ne!(source(&sent(&mut theirs, at(40))), source(&second));
}

#[test]
fn a_lossy_minute() {
    let (left, right, told) = talk(agreed(THERE), agreed(HERE), "", 60, |n| n % 20 == 7);
    let figures = right.quality();
    assert_eq!((figures.received, figures.lost), (2850, 150));
    assert!((2998..=3000).contains(&told.heard), "{}: concealed for the recogniser", told.heard);
    assert!(told.quietest > -20.0, "{}: no holes", told.quietest);
    let loss = left.quality().remote_loss.unwrap();
    assert!((0.03..0.07).contains(&loss), "{loss}");
    assert!((3.5..4.1).contains(&figures.mos), "{}", figures.mos);
}

#[test]
fn digits_arrive_whatever_is_lost() {
    for modulus in [2, 3, 5, 1000] {
        let (_, right, told) = talk(agreed(THERE), agreed(HERE), "159#0", 3, |n| n % modulus == 1);
        assert_eq!(told.digits, "159#0", "every {modulus}th packet lost");
        assert!(right.quality().lost <= 150 / modulus + 1);
    }
}

#[test]
fn without_events_digits_are_tones() {
    let plain = |remote| Negotiated { telephone_event: None, ..agreed(remote) };
    let (_, _, told) = talk(plain(THERE), plain(HERE), "42D", 3, |_| false);
    assert_eq!(told.digits, "42D");
}

/// One packet of a hand-made sender.
fn packet(ssrc: u32, sequence: u16, timestamp: u32, payload_type: u8, payload: &[u8]) -> Vec<u8> {
    let header = RtpHeader {
        marker: false,
        payload_type: PayloadType::new(payload_type).unwrap(),
        sequence: SequenceNumber(sequence),
        timestamp: Timestamp(timestamp),
        ssrc: Ssrc(ssrc),
    };
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

struct Bench {
    start: Instant,
    stream: Stream,
    told: Told,
}

impl Bench {
    fn new() -> Self {
        let start = Instant::now();
        Self { start, stream: stream(3, agreed(THERE), start), told: Told::default() }
    }
    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }
    fn give(&mut self, ms: u64, from: &str, bytes: &[u8]) {
        let now = self.at(ms);
        self.stream.handle(now, Input::Rtp { from: address(from), bytes });
        self.told.drain(&mut self.stream);
    }
    fn audio(&mut self, ms: u64, ssrc: u32, n: u16) {
        self.give(ms, THERE, &packet(ssrc, n, u32::from(n) * 160, 8, &[0x2a; 160]));
    }
    /// Wakes the stream at its deadlines up to `ms`.
    fn wait(&mut self, ms: u64) {
        while let Some((due, _)) = self.stream.deadline().filter(|&(due, _)| due <= self.at(ms)) {
            self.stream.handle(due, Input::Timeout);
            self.told.drain(&mut self.stream);
        }
    }
}

#[test]
fn silence_of_the_other_side_is_told_once() {
    let mut bench = Bench::new();
    bench.audio(0, 1, 0);
    bench.wait(30_000);
    assert_eq!(bench.told.presence, ["lost"]);
    bench.audio(30_000, 1, 1);
    bench.wait(50_000);
    assert_eq!(bench.told.presence, ["lost", "resumed", "lost"]);
    // Two true frames, and made-up ones from 100 ms after each on.
    let expected = 2 + (30_000 - 100) / 20 + (20_000 - 100) / 20;
    assert!(bench.told.heard.abs_diff(expected) <= 3, "{}: time goes on, {expected}", bench.told.heard);
}

#[test]
fn a_held_side_is_not_missed() {
    let mut bench = Bench::new();
    bench.audio(0, 1, 0);
    let held = Negotiated { direction: crate::media::negotiate::Direction::Inactive, ..agreed(THERE) };
    let now = bench.at(100);
    bench.stream.renegotiate(now, held);
    bench.wait(60_000);
    assert!(bench.told.presence.is_empty());
    let now = bench.at(60_000);
    bench.stream.handle(now, Input::Send(&Frame::SILENCE));
    bench.told.drain(&mut bench.stream);
    assert!(bench.told.transmitted.is_empty(), "and is sent nothing");
    bench.stream.renegotiate(now, agreed(THERE));
    bench.wait(70_001);
    assert_eq!(bench.told.presence, ["lost"]);
}

#[test]
fn strangers_and_nonsense_are_dropped_and_counted() {
    let mut bench = Bench::new();
    bench.audio(0, 1, 0);
    bench.give(5, "203.0.113.66:9", &packet(99, 500, 7, 8, &[0; 160]));
    bench.give(6, THERE, &[0x80, 8, 0]);
    bench.give(7, THERE, &packet(1, 1, 160, 33, &[0; 160]));
    let now = bench.at(8);
    bench.stream.handle(now, Input::Rtcp { from: address("203.0.113.66:9"), bytes: &[0x80, 201, 0, 1, 0, 0, 0, 9] });
    bench.stream.handle(now, Input::Rtcp { from: address(THERE), bytes: &[1, 2, 3] });
    let figures = bench.stream.quality();
    assert_eq!((figures.received, figures.strangers, figures.dropped), (1, 1, 4));
}

#[test]
fn keys_by_the_other_agreed_type_of_events_count_too() {
    let mut bench = Bench::new();
    let browser = Negotiated { telephone_event: Some(102), other_event: Some(101), ..spoken(Codec::Opus, THERE) };
    bench.stream = stream(3, browser, bench.at(0));
    for (n, number) in [(0u16, 101), (1, 102), (2, 96)] {
        for packet_of in 0..6u16 {
            let end = if packet_of > 2 { 0x8a } else { 0x0a };
            let bytes = packet(7, 6 * n + packet_of, 48_000 * u32::from(n), number, &[5, end, 3, 0xc0]);
            bench.give(1000 * u64::from(n) + 20 * u64::from(packet_of), THERE, &bytes);
        }
    }
    assert_eq!((bench.told.digits.as_str(), bench.stream.quality().dropped), ("55", 6));
}

#[test]
fn a_router_in_between_is_answered() {
    let mut bench = Bench::new();
    let router = "203.0.113.5:61000";
    let config = StreamConfig {
        negotiated: agreed(THERE),
        peer: Some(address(router).ip()),
        cname: "x7f3".into(),
        seed: 1,
        patience: Duration::from_secs(10),
    };
    bench.stream = Stream::new(config, bench.at(0));
    bench.give(0, router, &packet(1, 0, 0, 8, &[0x2a; 160]));
    for n in 0..400 {
        let now = bench.at(20 * n);
        bench.stream.handle(now, Input::Send(&Frame::SILENCE));
        bench.told.drain(&mut bench.stream);
    }
    assert!(bench.told.transmitted.iter().all(|(to, _)| *to == address(router)));
    assert_eq!(bench.told.controls[0].0, address("203.0.113.5:61001"));
}

#[test]
fn another_source_follows_on() {
    let mut bench = Bench::new();
    for n in 0..10 {
        bench.audio(20 * u64::from(n), 1, n);
    }
    for n in 0..10u16 {
        let bytes = packet(2, 60_000 + n, 4_000_000_000 + u32::from(n) * 160, 0, &[0x2a; 160]);
        bench.give(200 + 20 * u64::from(n), THERE, &bytes);
    }
    let figures = bench.stream.quality();
    assert_eq!((figures.received, figures.lost, bench.told.heard), (20, 0, 20));
}

#[test]
fn a_clock_set_anew_is_followed() {
    let mut bench = Bench::new();
    for n in 0..10u16 {
        bench.give(20 * u64::from(n), THERE, &packet(1, n, 1_000_000 + u32::from(n) * 160, 8, &[0x2a; 160]));
    }
    for n in 10..20u16 {
        bench.give(20 * u64::from(n), THERE, &packet(1, n, u32::from(n) * 160, 8, &[0x2a; 160]));
    }
    assert_eq!(bench.told.heard, 20);
}

#[test]
fn our_ssrc_yields_to_theirs() {
    let mut bench = Bench::new();
    let ours = bench.stream.sender.ssrc();
    bench.audio(0, ours.0, 0);
    assert_ne!(bench.stream.sender.ssrc(), ours);
    assert_eq!(bench.stream.quality().received, 1);
}

#[test]
fn goodbye_is_said_by_rtcp() {
    let mut bench = Bench::new();
    bench.audio(0, 1, 0);
    let now = bench.at(1000);
    bench.stream.handle(now, Input::Send(&Frame::SILENCE));
    bench.stream.bye(now);
    bench.told.drain(&mut bench.stream);
    let (to, datagram) = &bench.told.controls[0];
    assert_eq!(*to, address("192.0.2.2:5001"));
    let received = rtcp::parse(datagram.as_bytes()).unwrap();
    assert_eq!((received.bye.len(), received.blocks.len(), received.sender.unwrap().1.packets), (1, 1, 1));
}

#[test]
fn any_bytes_are_met() {
    let mut random = fastrand::Rng::with_seed(8);
    let mut bench = Bench::new();
    for n in 0..50_000u64 {
        let payload: Vec<u8> = (0..random.usize(..400)).map(|_| random.u8(..)).collect();
        let kind = [8, 0, 101, 13, 77][random.usize(..5)];
        let near = random.u8(..4) != 0;
        let sequence = if near { n as u16 } else { random.u16(..) };
        let timestamp = if near { n as u32 * 160 } else { random.u32(..) };
        let mut bytes = packet(random.u32(..2), sequence, timestamp, kind, &payload);
        if random.u8(..10) == 0 {
            let index = random.usize(..bytes.len());
            bytes[index] = random.u8(..);
        }
        let now = bench.at(n * 20);
        bench.stream.handle(now, Input::Rtp { from: address(THERE), bytes: &bytes });
        bench.stream.handle(now, Input::Rtcp { from: address(THERE), bytes: &payload });
        bench.stream.pull(now);
        bench.told.drain(&mut bench.stream);
    }
    let figures = bench.stream.quality();
    assert!(figures.received > 10_000 && figures.dropped > 0);
}

#[test]
fn what_passes_is_the_same_bytes_under_our_numbers_encrypted_anew() {
    let now = Instant::now();
    for suite in [None, Some(Suite::AesCm80), Some(Suite::Gcm256)] {
        let (here, there) = suite.map_or((agreed(THERE), agreed(HERE)), secured);
        // The far side of the bridge calls its events otherwise.
        let here = Negotiated { telephone_event: Some(96), ..here };
        let (mut from, mut to) = (stream(1, agreed(HERE), now), stream(2, here, now));
        assert!(from.passes_to(&to) && to.passes_to(&from));
        from.pass_on(Use::Passed);
        let mut far = Guard::new(there.srtp.as_ref());
        let mut random = fastrand::Rng::with_seed(4);
        let mut told = Told::default();
        let mut expected = Vec::new();
        for n in 0..300u16 {
            let at = now + Duration::from_millis(20 * u64::from(n));
            let key = (100..110).contains(&n);
            let mut payload = vec![0; if key { 4 } else { 160 }];
            random.fill(&mut payload);
            if key {
                payload[..2].copy_from_slice(&[5, 10]);
            }
            let stamp = if key { 16_000 } else { 160 * u32::from(n) };
            let bytes = packet(9, 65_500u16.wrapping_add(n), stamp, if key { 101 } else { 8 }, &payload);
            if n % 10 == 7 {
                continue;
            }
            expected.push((if key { 96 } else { 8 }, n, stamp, payload));
            from.handle(at, Input::Rtp { from: address(HERE), bytes: &bytes });
            from.handle(at, Input::Timeout);
            told.drain(&mut from);
            for passing in told.passed.drain(..) {
                to.handle(at, Input::Pass(&passing));
            }
            told.drain(&mut to);
        }
        assert_eq!((&told.digits[..], told.heard), ("5", 0), "keys are told, nothing is decoded");
        assert_eq!(told.transmitted.len(), expected.len());
        let mut first = None;
        for ((_, datagram), (kind, number, stamp, payload)) in told.transmitted.iter().zip(&expected) {
            let mut room = [0; guard::LONGEST];
            let opened = far.open(false, datagram.as_bytes(), &mut room).unwrap();
            assert_eq!(suite.is_some(), opened.len() < datagram.as_bytes().len());
            let packet = RtpPacket::parse(opened).unwrap();
            assert_eq!((packet.payload_type().get(), packet.payload()), (*kind, &payload[..]), "{number}");
            let (sequence, timestamp) = *first.get_or_insert((packet.sequence(), packet.timestamp()));
            assert_eq!(packet.sequence().since(sequence), number.cast_signed());
            assert_eq!(packet.timestamp().since(timestamp), stamp.cast_signed());
            assert_eq!(packet.ssrc(), to.sender.ssrc());
        }
        assert_eq!((to.quality().passed, to.quality().sent), (270, 270));
        // Back to the mix: heard after a moment, and what we send goes on.
        from.pass_on(Use::Heard);
        for n in 300..320u16 {
            let at = now + Duration::from_millis(20 * u64::from(n));
            let bytes = packet(9, 65_500u16.wrapping_add(n), 160 * u32::from(n), 8, &[0x2a; 160]);
            from.handle(at, Input::Rtp { from: address(HERE), bytes: &bytes });
            told.drain(&mut from);
            let frame = from.pull(at);
            assert!(n < 304 || loudness::dbfs(&frame.0) > -20.0, "{n}");
        }
        assert!(told.heard >= 19 && told.passed.is_empty());
    }
}

#[test]
fn who_may_pass_payloads_to_whom() {
    use crate::media::negotiate::Direction;
    let now = Instant::now();
    let base = agreed(THERE);
    let rows = [
        ("the same", base, true),
        ("other numbers", Negotiated { payload_type: 99, telephone_event: Some(96), ..base }, true),
        ("another codec", Negotiated { codec: Codec::Pcmu, payload_type: 0, ..base }, false),
        ("other packets", Negotiated { ptime_ms: 30, ..base }, false),
        ("pauses as such", Negotiated { dtx: true, ..base }, false),
        ("no events", Negotiated { telephone_event: None, ..base }, false),
        ("events by another clock", Negotiated { event_clock_hz: 48_000, ..base }, false),
        ("held", Negotiated { direction: Direction::RecvOnly, ..base }, false),
        ("encrypted", secured(Suite::AesCm80).0, true),
    ];
    let one = stream(1, base, now);
    for (name, other, expected) in rows {
        let mut other = stream(2, other, now);
        assert_eq!((one.passes_to(&other), other.passes_to(&one)), (expected, expected), "{name}");
        other.handle(now, Input::SendDigit { digit: '1', ms: 100 });
        assert!(!one.passes_to(&other), "{name}: while a key is being sent");
    }
}

#[test]
fn strangers_are_neither_heard_nor_believed() {
    let now = Instant::now();
    let at = |ms| now + Duration::from_millis(ms);
    let mut ours = stream(1, agreed(THERE), now);
    let mut told = Told::default();
    for n in 0..200u16 {
        let bytes = packet(9, n, 160 * u32::from(n), 8, &[0x2a; 160]);
        ours.handle(at(20 * u64::from(n)), Input::Rtp { from: address(THERE), bytes: &bytes });
        let forged = packet(77, n.wrapping_add(1000), 160 * u32::from(n), 8, &[0x55; 160]);
        for from in ["203.0.113.9:7000", "192.0.2.2:5002"] {
            ours.handle(at(20 * u64::from(n) + 1), Input::Rtp { from: address(from), bytes: &forged });
        }
        ours.handle(at(20 * u64::from(n) + 2), Input::Send(&tone(0)));
        told.drain(&mut ours);
    }
    let figures = ours.quality();
    assert_eq!((figures.received, figures.strangers, figures.dropped), (200, 400, 0));
    assert!(told.transmitted.iter().all(|(to, _)| *to == address(THERE)));
    assert_eq!(told.heard, 200);
}

#[test]
fn packets_of_other_lengths_are_sent_as_asked_and_heard_as_they_come() {
    for ptime_ms in [10, 30, 60] {
        for codec in [Codec::Pcma, Codec::G722, Codec::Opus] {
            let asked = |remote| Negotiated { ptime_ms, ..spoken(codec, remote) };
            let (_, right, told) = talk(asked(THERE), asked(HERE), "42", 3, |_| false);
            let packets = right.quality().received;
            let ms = if codec == Codec::Opus && ptime_ms == 30 { 20 } else { u64::from(ptime_ms) };
            // The two keys are in packets of 20 ms.
            assert!((3_000 / ms - 14..=3_000 / ms + 24).contains(&packets), "{codec:?} {ptime_ms}: {packets}");
            assert_eq!(told.digits, "42", "{codec:?} {ptime_ms}");
            assert!((136..=151).contains(&told.heard), "{codec:?} {ptime_ms}: {}", told.heard);
            assert_eq!((right.quality().lost, right.quality().late), (0, 0));
        }
    }
}

#[test]
fn each_side_learns_how_it_sounds_on_the_other_where_that_was_asked_for() {
    for asked in [true, false] {
        let with = |remote| Negotiated { voip_metrics: asked, ..agreed(remote) };
        // Two of fifty: a burst a second.
        let (left, right, _) = talk(with(THERE), with(HERE), "", 60, |n| n % 50 < 2);
        assert_eq!(right.remote_metrics().is_some(), asked);
        let Some(metrics) = left.remote_metrics() else { continue };
        assert!(asked && metrics.ssrc == left.sender.ssrc());
        assert!((9..=11).contains(&metrics.lost), "{metrics:?}");
        assert_eq!((metrics.burst_density, metrics.burst_ms, metrics.gap_density), (255, 40, 0), "{metrics:?}");
        assert!((940..=960).contains(&metrics.gap_ms), "{metrics:?}");
        assert!((75..=85).contains(&metrics.rating.unwrap()), "{metrics:?}");
        assert!(metrics.listening >= metrics.conversation && metrics.end_system_ms >= 40, "{metrics:?}");
        let clean = right.remote_metrics().unwrap();
        assert!((clean.lost, clean.burst_ms) == (0, 0) && clean.rating > Some(88), "{clean:?}");
    }
}
