//! Our side of a stream: packets out of frames and keys, or of what passes from another stream, numbered and stamped (RFC 3550
//! 5.1). Time is counted in samples of 8 kHz and brought to the codec's clock in the packet.

use std::time::{Duration, Instant};

use super::codec::{self, Codec};
use super::digits::{DigitSender, EventPacket};
use super::packer::Packer;
use super::passing::{Kind, Passage, Passing};
use super::pauses::{Pauses, Sent};
use crate::audio::frame::{FRAME_MS, FRAME_SAMPLES, Frame};
use crate::wire::rtp::{PayloadType, RtpHeader, SequenceNumber, Ssrc, Timestamp};

/// Longest datagram that we send, bytes: a header, 60 ms of G.711 and what SRTP adds are 508.
const DATAGRAM: usize = 560;
const FRAME_TIME: Duration = Duration::from_millis(FRAME_MS as u64);
/// Frames that come later than this after the last begin a new talk spurt.
const PAUSE: Duration = Duration::from_millis(3 * FRAME_MS as u64);

/// Bytes to send, held inline: nothing is allocated for a packet.
#[derive(Clone)]
pub struct Datagram {
    bytes: [u8; DATAGRAM],
    length: u16,
}

impl Default for Datagram {
    fn default() -> Self {
        Self { bytes: [0; DATAGRAM], length: 0 }
    }
}

impl std::fmt::Debug for Datagram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Datagram({} bytes)", self.length)
    }
}

impl Datagram {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(super) fn set_length(&mut self, length: usize) {
        self.length = length.min(DATAGRAM) as u16;
    }

    /// These bytes; cut off where they are too many.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut datagram = Self::default();
        let length = bytes.len().min(DATAGRAM);
        datagram.bytes[..length].copy_from_slice(&bytes[..length]);
        datagram.set_length(length);
        datagram
    }

    fn packet(header: &RtpHeader, payload: &[u8]) -> Self {
        let mut datagram = Self::default();
        let start = header.write(&mut datagram.bytes).unwrap_or(0);
        let end = (start + payload.len()).min(DATAGRAM);
        datagram.bytes[start..end].copy_from_slice(&payload[..end - start]);
        datagram.set_length(end);
        datagram
    }
}

/// The sending side of one stream.
pub struct Sender {
    ssrc: Ssrc,
    sequence: SequenceNumber,
    /// Stamp of the next frame.
    timestamp: Timestamp,
    packer: Packer,
    passage: Option<(Passage, Timestamp)>,
    payload_type: PayloadType,
    event_type: Option<PayloadType>,
    /// Units of the events' clock in a sample.
    event_units: u16,
    digits: DigitSender,
    pauses: Pauses,
    /// An event that is to be sent now.
    event: Option<EventPacket>,
    last: Option<Instant>,
    /// The next audio packet begins a talk spurt.
    marker: bool,
    packets: u32,
    octets: u32,
}

impl Sender {
    /// A new source with random SSRC, sequence number and timestamp (RFC 3550 5.1).
    pub fn new(random: &mut fastrand::Rng, codec: Codec, payload_type: u8, event_type: Option<u8>) -> Self {
        let mut sender = Self {
            ssrc: Ssrc(random.u32(..)),
            // In the lower half, so that a peer that knows no wrap is spared it for ten minutes.
            sequence: SequenceNumber(random.u16(..0x8000)),
            timestamp: Timestamp(random.u32(..)),
            packer: Packer::new(codec),
            passage: None,
            payload_type: PayloadType::PCMU,
            event_type: None,
            event_units: 1,
            digits: DigitSender::default(),
            pauses: Pauses::default(),
            event: None,
            last: None,
            marker: true,
            packets: 0,
            octets: 0,
        };
        sender.agree(codec, payload_type, event_type, codec.clock_hz(), FRAME_MS);
        sender
    }

    /// Another agreement; numbers and stamps go on.
    pub fn agree(
        &mut self,
        codec: Codec,
        payload_type: u8,
        event_type: Option<u8>,
        event_clock_hz: u32,
        ptime_ms: u32,
    ) {
        self.packer.agree(codec, ptime_ms);
        self.passage = None;
        self.payload_type = PayloadType::new(payload_type).unwrap_or(codec.own_type());
        self.event_type = event_type.and_then(PayloadType::new);
        self.event_units = u16::try_from(event_clock_hz / 8000).unwrap_or(1).max(1);
    }

    /// Whether pauses are sent as such, by what was agreed last.
    pub fn pause(&mut self, agreed: bool) {
        self.pauses.agree(agreed, self.packer.codec());
    }

    /// Units of the RTP clock in a sample of 8 kHz.
    pub fn units(&self) -> u32 {
        self.packer.codec().units()
    }

    /// Another SSRC: the other side has the same one (RFC 3550 8.2).
    pub fn change_ssrc(&mut self, random: &mut fastrand::Rng) {
        self.ssrc = Ssrc(random.u32(..));
        self.marker = true;
        (self.packets, self.octets) = (0, 0);
    }

    /// Ourselves.
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Packets sent as this source; wraps.
    pub fn packets(&self) -> u32 {
        self.packets
    }

    /// Payload bytes sent as this source; wraps.
    pub fn octets(&self) -> u32 {
        self.octets
    }

    /// The stamp that a sample taken now would have.
    pub fn timestamp_at(&self, now: Instant) -> Timestamp {
        let since = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        let first_of_last = Timestamp(self.timestamp.0.wrapping_sub(FRAME_SAMPLES as u32));
        self.on_wire(first_of_last.add((since.as_micros() / 125) as u32))
    }

    fn on_wire(&self, timestamp: Timestamp) -> Timestamp {
        Timestamp(timestamp.0.wrapping_mul(self.units()))
    }

    /// Queues a key. False when it cannot be sent: no event was agreed, it is no key, or too many wait.
    pub fn press(&mut self, digit: char, ms: u32) -> bool {
        self.event_type.is_some() && self.digits.press(digit, ms)
    }

    /// True while a key is being sent or waits.
    pub fn is_pressing(&self) -> bool {
        self.event.is_some() || self.digits.is_busy()
    }

    /// These 20 ms are to be sent: the frame, or an event while a key is down. Take packets by [`Self::packet`] until there
    /// is none.
    pub fn frame(&mut self, now: Instant, frame: &Frame) {
        self.passage = None;
        self.keep_time(now);
        self.event = self.event_type.and_then(|_| self.digits.tick(self.timestamp));
        if self.event.is_some() {
            self.pauses.end();
        } else if self.pauses.push(frame) == Sent::Audio {
            self.packer.push(self.timestamp, frame);
        }
        self.timestamp = self.timestamp.add(FRAME_SAMPLES as u32);
    }

    /// The next packet that is full.
    pub fn packet(&mut self) -> Option<Datagram> {
        let mut payload = [0; codec::LONGEST];
        // What was said before the key or the pause goes out before it.
        let rest = self.event.is_some() || self.pauses.is_due();
        if let Some((stamp, length)) = self.packer.next(rest, &mut payload) {
            let marker = std::mem::take(&mut self.marker);
            let header = self.header(self.payload_type, marker, self.on_wire(stamp));
            return Some(self.send(&header, &payload[..length]));
        }
        if let Some(pause) = self.pauses.take() {
            return Some(self.send_pause(&pause));
        }
        let (mut packet, event_type) = (self.event.take()?, self.event_type?);
        packet.event.duration = packet.event.duration.saturating_mul(self.event_units);
        let header = self.header(event_type, packet.marker, self.on_wire(packet.timestamp));
        Some(self.send(&header, &packet.event.to_bytes()))
    }

    /// The frame that was taken last is one of a pause; what is said next begins a talk spurt (RFC 3551 4.1).
    fn send_pause(&mut self, payload: &[u8]) -> Datagram {
        self.marker = true;
        let payload_type = if self.pauses.is_noise() { PayloadType::COMFORT_NOISE } else { self.payload_type };
        let stamp = Timestamp(self.timestamp.0.wrapping_sub(FRAME_SAMPLES as u32));
        self.send(&self.header(payload_type, false, self.on_wire(stamp)), payload)
    }

    /// The packet for a payload that passes from another stream. `None` where it was not agreed here, or is too old.
    pub fn pass(&mut self, now: Instant, passing: &Passing) -> Option<Datagram> {
        let payload_type = match passing.kind {
            Kind::Voice(codec) if codec == self.packer.codec() => self.payload_type,
            Kind::Event(hz) if hz == 8000 * u32::from(self.event_units) => self.event_type?,
            Kind::Noise if self.pauses.is_noise() => PayloadType::COMFORT_NOISE,
            Kind::Voice(_) | Kind::Event(_) | Kind::Noise => return None,
        };
        let (mut passage, from) = match self.passage.filter(|(passage, _)| passage.goes_on(passing)) {
            Some(passage) => passage,
            None => {
                self.packer.clear();
                self.pauses.end();
                self.keep_time(now);
                (Passage::begin(passing, self.sequence), self.timestamp)
            }
        };
        let placed = passage.place(passing);
        self.passage = Some((passage, from));
        let placed = placed?;
        let marker = passing.marker || placed.first || std::mem::take(&mut self.marker);
        let timestamp = self.on_wire(from).add(placed.since);
        let header = RtpHeader { sequence: placed.sequence, ..self.header(payload_type, marker, timestamp) };
        let next = self.sequence;
        let datagram = self.send(&header, passing.payload());
        self.sequence = if placed.newest { placed.sequence.next() } else { next };
        if placed.newest && matches!(passing.kind, Kind::Voice(_)) {
            self.timestamp = from.add(placed.since / self.units() + FRAME_SAMPLES as u32);
            self.last = Some(now);
        }
        Some(datagram)
    }

    /// These 20 ms are not sent (hold); the stream's clock goes on.
    pub fn skip(&mut self, now: Instant) {
        self.passage = None;
        self.packer.clear();
        self.pauses.end();
        self.keep_time(now);
        self.timestamp = self.timestamp.add(FRAME_SAMPLES as u32);
        self.marker = true;
    }

    /// After a pause of the caller the stamps leap by the frames left out.
    fn keep_time(&mut self, now: Instant) {
        if let Some(last) = self.last {
            let since = now.saturating_duration_since(last);
            if since > PAUSE {
                let frames = (since.as_micros() + FRAME_TIME.as_micros() / 2) / FRAME_TIME.as_micros();
                self.timestamp = self.timestamp.add((frames - 1) as u32 * FRAME_SAMPLES as u32);
                self.packer.clear();
                self.marker = true;
            }
        }
        self.last = Some(now);
    }

    fn header(&self, payload_type: PayloadType, marker: bool, timestamp: Timestamp) -> RtpHeader {
        RtpHeader { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc }
    }

    fn send(&mut self, header: &RtpHeader, payload: &[u8]) -> Datagram {
        self.sequence = self.sequence.next();
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload.len() as u32);
        Datagram::packet(header, payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rtp::RtpPacket;
    use crate::wire::telephone_event::TelephoneEvent;

    fn sender(event_type: Option<u8>) -> Sender {
        Sender::new(&mut fastrand::Rng::with_seed(1), Codec::Pcma, 8, event_type)
    }

    fn next(sender: &mut Sender, now: Instant) -> Datagram {
        sender.frame(now, &Frame::SILENCE);
        sender.packet().unwrap()
    }

    #[test]
    fn packets_are_numbered_and_stamped() {
        let start = Instant::now();
        let mut sender = sender(None);
        let mut last: Option<(SequenceNumber, Timestamp)> = None;
        // Frame number, and stamp expected against the frame before: the caller pauses for a second after the third.
        for (ms, step, marker) in [
            (0, 0, true),
            (20, 160, false),
            (39, 160, false),
            (1040, 8000, true),
            (1060, 160, false),
            (1110, 160, false),
        ] {
            let datagram = next(&mut sender, start + Duration::from_millis(ms));
            let packet = RtpPacket::parse(datagram.as_bytes()).unwrap();
            if let Some((sequence, timestamp)) = last {
                assert_eq!(packet.sequence(), sequence.next());
                assert_eq!(packet.timestamp().since(timestamp), step, "at {ms}");
            }
            assert_eq!((packet.marker(), packet.payload_type()), (marker, PayloadType::PCMA), "at {ms}");
            assert_eq!(packet.payload(), [0xd5; 160]);
            last = Some((packet.sequence(), packet.timestamp()));
        }
        assert_eq!((sender.packets(), sender.octets()), (6, 960));
    }

    #[test]
    fn a_key_takes_the_place_of_audio() {
        let start = Instant::now();
        let mut sender = sender(Some(101));
        assert!(sender.press('7', 60));
        let mut seen = Vec::new();
        for n in 0..6 {
            let datagram = next(&mut sender, start + Duration::from_millis(20 * n));
            let packet = RtpPacket::parse(datagram.as_bytes()).unwrap();
            if packet.payload_type().get() == 101 {
                let event = TelephoneEvent::parse(packet.payload()).unwrap();
                seen.push((event.digit().unwrap(), event.duration, event.end));
            } else {
                seen.push(('-', 0, packet.marker()));
            }
        }
        let expected = [
            ('7', 160, false),
            ('7', 320, false),
            ('7', 480, true),
            ('7', 480, true),
            ('7', 480, true),
            ('-', 0, true),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn opus_counts_at_48_khz() {
        let start = Instant::now();
        let mut sender = Sender::new(&mut fastrand::Rng::with_seed(1), Codec::Opus, 96, Some(97));
        let mut stamps = Vec::new();
        for n in 0..8 {
            if n == 2 {
                assert!(sender.press('7', 60));
            }
            let datagram = next(&mut sender, start + Duration::from_millis(20 * n));
            let packet = RtpPacket::parse(datagram.as_bytes()).unwrap();
            stamps.push((packet.payload_type().get(), packet.timestamp()));
            if n == 2 {
                assert_eq!(TelephoneEvent::parse(packet.payload()).unwrap().duration, 960);
            }
        }
        let first = stamps[0].1;
        let since: Vec<_> = stamps.iter().map(|(kind, at)| (*kind, at.since(first))).collect();
        assert_eq!(since[..4], [(96, 0), (96, 960), (97, 1920), (97, 1920)]);
        assert_eq!(since[7], (96, 6720));
        assert_eq!(sender.timestamp_at(start + Duration::from_millis(150)).since(first), 7200);
    }

    #[test]
    fn keys_need_an_agreement() {
        let mut sender = sender(None);
        assert!(!sender.press('7', 100));
        sender.agree(Codec::Pcmu, 0, Some(96), 8000, 20);
        assert!(sender.press('7', 100));
    }

    #[test]
    fn while_held_the_clock_goes_on() {
        let start = Instant::now();
        let mut sender = sender(None);
        let stamp = |datagram: Datagram| RtpPacket::parse(datagram.as_bytes()).unwrap().timestamp();
        let before = stamp(next(&mut sender, start));
        for n in 1..50 {
            sender.skip(start + Duration::from_millis(20 * n));
        }
        let after = stamp(next(&mut sender, start + Duration::from_secs(1)));
        assert_eq!(after.since(before), 8000);
        assert_eq!(sender.timestamp_at(start + Duration::from_millis(1010)).since(after), 80);
    }

    #[test]
    fn packets_as_long_as_was_asked_and_a_key_among_them() {
        let start = Instant::now();
        for (ptime_ms, lengths) in [(10, [80, 80]), (20, [160, 160]), (30, [240, 80]), (60, [320, 480])] {
            let mut sender = sender(Some(101));
            sender.agree(Codec::Pcma, 8, Some(101), 8000, ptime_ms);
            let mut seen = Vec::new();
            for n in 0..20 {
                if n == 2 {
                    assert!(sender.press('7', 40));
                }
                sender.frame(start + Duration::from_millis(20 * n), &Frame::SILENCE);
                while let Some(datagram) = sender.packet() {
                    let packet = RtpPacket::parse(datagram.as_bytes()).unwrap();
                    seen.push((
                        packet.payload_type().get(),
                        packet.payload().len(),
                        packet.timestamp(),
                        packet.sequence(),
                    ));
                }
            }
            // Two frames, four packets of the key, the rest of the frames.
            let key = seen.iter().position(|(kind, ..)| *kind == 101).unwrap();
            assert_eq!(seen[key].2.since(seen[0].2), 320, "{ptime_ms}");
            assert_eq!(seen[key - 1].1, lengths[if ptime_ms == 60 { 0 } else { 1 }], "{ptime_ms}");
            assert_eq!(seen[key..].iter().filter(|(kind, ..)| *kind == 101).count(), 4);
            let after = &seen[key + 4..];
            assert_eq!(after[0].2.since(seen[0].2), 6 * 160, "{ptime_ms}");
            assert!(after.iter().all(|(_, length, ..)| *length == ptime_ms as usize * 8));
            assert!(seen.windows(2).all(|pair| pair[1].3 == pair[0].3.next()));
        }
    }

    /// Payload type, payload's length, marker, and units since the first packet, of each packet of 51 frames of sound, 99 of silence,
    /// a key in the midst of them where `key` says so, and 25 of sound.
    fn with_a_pause(codec: Codec, payload_type: u8, ptime_ms: u32, key: bool) -> Vec<(u8, usize, bool, i32)> {
        let start = Instant::now();
        let mut sender = Sender::new(&mut fastrand::Rng::with_seed(1), codec, payload_type, Some(101));
        sender.agree(codec, payload_type, Some(101), codec.clock_hz(), ptime_ms);
        sender.pause(true);
        let (mut all, mut first, mut next) = (Vec::new(), None, None);
        for n in 0..175 {
            let frame = if (51..150).contains(&n) { Frame::SILENCE } else { Frame([1_000; FRAME_SAMPLES]) };
            assert!(!key || n != 100 || sender.press('7', 40));
            sender.frame(start + Duration::from_millis(20 * n), &frame);
            while let Some(datagram) = sender.packet() {
                let packet = RtpPacket::parse(datagram.as_bytes()).unwrap();
                assert!(next.is_none_or(|next| packet.sequence() == next), "numbers have no holes");
                next = Some(packet.sequence().next());
                let first = *first.get_or_insert(packet.timestamp());
                let since = packet.timestamp().since(first);
                all.push((packet.payload_type().get(), packet.payload().len(), packet.marker(), since));
            }
        }
        all
    }

    #[test]
    fn a_pause_of_two_seconds_is_five_packets_and_the_speech_after_it_is_marked() {
        // Codec, its type; the pause's type; units of a frame.
        for (codec, number, noise, unit) in
            [(Codec::Pcma, 8, 13, 160), (Codec::G722, 9, 13, 160), (Codec::Opus, 96, 96, 960)]
        {
            let all = with_a_pause(codec, number, 20, false);
            // A second and 200 ms after it are sent, then the pause at its beginning and every 400 ms.
            assert_eq!(all.len(), 61 + 5 + 25, "{codec:?}");
            let pause: Vec<_> = all[61..66].to_vec();
            let expected: Vec<_> = (0..5).map(|n| (noise, 1, false, unit * (61 + 20 * n))).collect();
            assert_eq!(pause, expected, "{codec:?}");
            let marked: Vec<_> = all.iter().filter(|(_, _, marker, _)| *marker).map(|(.., at)| at / unit).collect();
            assert_eq!(marked, [0, 150], "{codec:?}");
            assert!(all[66..].iter().zip(150..).all(|((kind, _, _, at), n)| *kind == number && *at == unit * n));
        }
    }

    #[test]
    fn what_does_not_fill_a_packet_goes_out_before_the_pause() {
        let all = with_a_pause(Codec::Pcma, 8, 50, false);
        let before: usize = all.iter().take_while(|(kind, ..)| *kind == 8).map(|(_, length, ..)| length).sum();
        assert_eq!(before, 61 * 160);
        assert_eq!(all.iter().filter(|(kind, ..)| *kind == 13).count(), 5);
        let spoken = all.iter().rev().take_while(|(kind, ..)| *kind == 8).last();
        assert_eq!(spoken, Some(&(8, 400, true, 150 * 160)));
    }

    #[test]
    fn a_key_in_a_pause_is_sent_and_the_pause_begins_anew() {
        let all = with_a_pause(Codec::Pcmu, 0, 20, true);
        let kinds: Vec<_> = all.iter().map(|(kind, _, _, at)| (*kind, at / 160)).collect();
        let noise: Vec<_> = kinds.iter().filter(|(kind, _)| *kind == 13).map(|(_, at)| *at).collect();
        let key: Vec<_> = kinds.iter().filter(|(kind, _)| *kind == 101).map(|(_, at)| *at).collect();
        assert!(!key.is_empty() && key.iter().all(|at| *at == 100), "{key:?}");
        assert_eq!(noise[..2], [61, 81]);
        // After the key 200 ms are audio again.
        assert!((110..118).contains(&noise[2]), "{noise:?}");
    }

    #[test]
    fn what_passes_goes_on_from_our_own_and_ours_from_it() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut sender = Sender::new(&mut fastrand::Rng::with_seed(1), Codec::Opus, 96, Some(97));
        sender.agree(Codec::Opus, 96, Some(97), 48_000, 20);
        let passing = |kind, number: u16, payload: &[u8]| {
            let header = RtpHeader {
                marker: false,
                payload_type: PayloadType::OPUS,
                sequence: SequenceNumber(number),
                timestamp: Timestamp(u32::MAX - 1000).add(u32::from(number) * 960),
                ssrc: Ssrc(77),
            };
            let bytes = [&header.to_bytes()[..], payload].concat();
            Passing::of(kind, &RtpPacket::parse(&bytes).unwrap()).unwrap()
        };
        let first = next(&mut sender, at(0));
        let first = RtpPacket::parse(first.as_bytes()).unwrap();
        let since_first = |datagram: &Datagram| {
            let packet = RtpPacket::parse(datagram.as_bytes()).unwrap();
            assert_eq!(packet.ssrc(), first.ssrc());
            let numbers = packet.sequence().since(first.sequence());
            (packet.payload_type().get(), numbers, packet.timestamp().since(first.timestamp()))
        };
        let voice = Kind::Voice(Codec::Opus);
        let mut through = |ms, kind, number, payload: &[u8]| {
            let passed = sender.pass(at(ms), &passing(kind, number, payload))?;
            assert!(passed.as_bytes().ends_with(payload));
            Some(since_first(&passed))
        };
        assert_eq!(through(21, voice, 500, b"a"), Some((96, 1, 960)));
        assert_eq!(through(41, voice, 501, b"b"), Some((96, 2, 1920)));
        assert_eq!(through(81, voice, 503, b"d"), Some((96, 4, 3840)));
        assert_eq!(through(82, voice, 502, b"c"), Some((96, 3, 2880)), "late, in its place");
        assert_eq!(through(83, voice, 499, b"z"), None, "from before");
        assert_eq!(through(101, Kind::Event(48_000), 504, b"event"), Some((97, 5, 4800)));
        assert_eq!(through(102, Kind::Event(8_000), 505, b"event"), None, "by another clock");
        assert_eq!(through(103, Kind::Voice(Codec::Pcma), 505, b"e"), None);
        assert_eq!(through(121, voice, 505, b"f"), Some((96, 6, 5760)));
        let ours = next(&mut sender, at(140));
        assert_eq!(since_first(&ours), (96, 7, 6720), "ours follows on");
        assert_eq!(sender.packets(), 8);
    }
}
