//! Our side of a stream: packets out of frames and keys, numbered and stamped (RFC 3550 5.1). 20 ms a packet. Time is counted
//! in samples of 8 kHz and brought to the codec's clock in the packet.

use std::time::{Duration, Instant};

use super::codec::{self, Codec, Writer};
use super::digits::DigitSender;
use crate::audio::frame::{FRAME_MS, FRAME_SAMPLES, Frame};
use crate::wire::rtp::{PayloadType, RtpHeader, SequenceNumber, Ssrc, Timestamp};

/// Longest datagram that we send, bytes: a header and 20 ms of G.711 are 172.
const DATAGRAM: usize = 256;
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
    writer: Writer,
    payload_type: PayloadType,
    event_type: Option<PayloadType>,
    /// Units of the events' clock in a sample.
    event_units: u16,
    digits: DigitSender,
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
            writer: Writer::new(codec),
            payload_type: PayloadType::PCMU,
            event_type: None,
            event_units: 1,
            digits: DigitSender::default(),
            last: None,
            marker: true,
            packets: 0,
            octets: 0,
        };
        sender.agree(codec, payload_type, event_type, codec.clock_hz());
        sender
    }

    /// Another agreement; numbers and stamps go on.
    pub fn agree(&mut self, codec: Codec, payload_type: u8, event_type: Option<u8>, event_clock_hz: u32) {
        if codec != self.writer.codec() {
            self.writer = Writer::new(codec);
        }
        self.payload_type = PayloadType::new(payload_type).unwrap_or(codec.own_type());
        self.event_type = event_type.and_then(PayloadType::new);
        self.event_units = u16::try_from(event_clock_hz / 8000).unwrap_or(1).max(1);
    }

    /// Units of the RTP clock in a sample of 8 kHz.
    pub fn units(&self) -> u32 {
        self.writer.codec().units()
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

    /// The packet for these 20 ms: the frame, or an event while a key is down.
    pub fn frame(&mut self, now: Instant, frame: &Frame) -> Datagram {
        self.keep_time(now);
        let event = self.event_type.and_then(|_| self.digits.tick(self.timestamp));
        let datagram = match (event, self.event_type) {
            (Some(mut packet), Some(event_type)) => {
                packet.event.duration = packet.event.duration.saturating_mul(self.event_units);
                let header = self.header(event_type, packet.marker, packet.timestamp);
                self.send(&header, &packet.event.to_bytes())
            }
            (Some(_) | None, _) => {
                let marker = std::mem::take(&mut self.marker);
                let header = self.header(self.payload_type, marker, self.timestamp);
                let mut payload = [0; codec::LONGEST];
                let length = self.writer.encode(frame, &mut payload);
                self.send(&header, &payload[..length])
            }
        };
        self.timestamp = self.timestamp.add(FRAME_SAMPLES as u32);
        datagram
    }

    /// These 20 ms are not sent (hold); the stream's clock goes on.
    pub fn skip(&mut self, now: Instant) {
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
                self.marker = true;
            }
        }
        self.last = Some(now);
    }

    fn header(&self, payload_type: PayloadType, marker: bool, timestamp: Timestamp) -> RtpHeader {
        let timestamp = self.on_wire(timestamp);
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
            let datagram = sender.frame(start + Duration::from_millis(ms), &Frame::SILENCE);
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
            let datagram = sender.frame(start + Duration::from_millis(20 * n), &Frame::SILENCE);
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
            let datagram = sender.frame(start + Duration::from_millis(20 * n), &Frame::SILENCE);
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
        sender.agree(Codec::Pcmu, 0, Some(96), 8000);
        assert!(sender.press('7', 100));
    }

    #[test]
    fn while_held_the_clock_goes_on() {
        let start = Instant::now();
        let mut sender = sender(None);
        let stamp = |datagram: Datagram| RtpPacket::parse(datagram.as_bytes()).unwrap().timestamp();
        let before = stamp(sender.frame(start, &Frame::SILENCE));
        for n in 1..50 {
            sender.skip(start + Duration::from_millis(20 * n));
        }
        let after = stamp(sender.frame(start + Duration::from_secs(1), &Frame::SILENCE));
        assert_eq!(after.since(before), 8000);
        assert_eq!(sender.timestamp_at(start + Duration::from_millis(1010)).since(after), 80);
    }
}
