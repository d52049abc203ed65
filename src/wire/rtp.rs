//! RTP packets as a view over received bytes, and a header writer into the caller's buffer. Nothing is copied or allocated.
//!
//! RFC 3550 5.1 (fixed header, CSRC list, padding) and 5.3.1 (header extension, stepped over, its content is not read).
//! Reading is by `rtp-rs`, which checks every length before use; writing is ours, as we send neither CSRC, padding nor
//! extension. Not here: RFC 8285 elements, SRTP, and any judgement about order or loss (that is `media`).

use rtp_rs::{RtpReader, RtpReaderError};

/// Length of the header that we write, bytes.
pub const HEADER_LEN: usize = 12;

/// Number of a packet in its stream; wraps (RFC 3550 5.1). No `Ord`: serial numbers have none, see [`Self::is_newer_than`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The number of the packet after this one.
    #[must_use]
    pub fn next(self) -> Self {
        self.add(1)
    }

    /// The number `packets` later.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "wraps, which `+` must not do silently")]
    pub fn add(self, packets: u16) -> Self {
        Self(self.0.wrapping_add(packets))
    }

    /// How many packets this one is after `earlier`; negative when it is before. Exact within half the number space.
    pub fn since(self, earlier: Self) -> i16 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }

    /// True when this packet was sent after `other`.
    pub fn is_newer_than(self, other: Self) -> bool {
        self.since(other) > 0
    }
}

/// Unwraps sequence numbers to a count that only grows (the extended sequence number of RFC 3550 A.1, in 64 bits).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequenceExtender {
    highest: Option<u64>,
}

impl SequenceExtender {
    /// The extended number of `sequence`, taken as the one nearest to the highest seen. The first is placed one cycle up,
    /// so that packets that overtook it still have a number.
    pub fn extend(&mut self, sequence: SequenceNumber) -> u64 {
        const CYCLE: u64 = 1 << 16;
        let extended = match self.highest {
            None => CYCLE + u64::from(sequence.0),
            Some(highest) => {
                let highest_sequence = SequenceNumber((highest % CYCLE) as u16);
                highest.saturating_add_signed(i64::from(sequence.since(highest_sequence)))
            }
        };
        self.highest = Some(self.highest.map_or(extended, |highest| highest.max(extended)));
        extended
    }

    /// The highest extended number so far.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}

/// Sampling instant of a packet's first sample in units of the codec's clock (8 kHz here); wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Timestamp(pub u32);

impl Timestamp {
    /// The instant `units` later.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "wraps, which `+` must not do silently")]
    pub fn add(self, units: u32) -> Self {
        Self(self.0.wrapping_add(units))
    }

    /// How many units this instant is after `earlier`; negative when it is before.
    pub fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }
}

/// Synchronisation source: the sender of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ssrc(pub u32);

/// Payload type, 0 to 127 (RFC 3551).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadType(u8);

impl PayloadType {
    /// G.711 mu-law.
    pub const PCMU: Self = Self(0);
    /// G.711 A-law.
    pub const PCMA: Self = Self(8);
    /// G.722.
    pub const G722: Self = Self(9);
    /// Opus, where the number is ours to choose.
    pub const OPUS: Self = Self(111);
    /// Comfort noise (RFC 3389).
    pub const COMFORT_NOISE: Self = Self(13);

    /// `None` above 127.
    pub const fn new(number: u8) -> Option<Self> {
        if number <= 127 { Some(Self(number)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// Why bytes are no RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// Fewer bytes than the fixed header.
    #[error("{0} bytes are too few for an RTP header")]
    TooShort(usize),
    /// Version field other than 2.
    #[error("RTP version {0}, expected 2")]
    Version(u8),
    /// CSRC list, extension or padding byte reach beyond the end.
    #[error("RTP headers reach beyond the end of the packet")]
    Truncated,
    /// Padding of 0 bytes or more than there are.
    #[error("RTP padding of {0} bytes does not fit")]
    Padding(u8),
}

/// A received packet. Checked once in [`Self::parse`]; the accessors cannot fail.
#[derive(Debug)]
pub struct RtpPacket<'a> {
    reader: RtpReader<'a>,
}

impl<'a> RtpPacket<'a> {
    /// Views `bytes`, one whole datagram.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        match RtpReader::new(bytes) {
            Ok(reader) => Ok(Self { reader }),
            Err(RtpReaderError::BufferTooShort(len)) => Err(RtpError::TooShort(len)),
            Err(RtpReaderError::UnsupportedVersion(version)) => Err(RtpError::Version(version)),
            Err(RtpReaderError::HeadersTruncated { .. }) => Err(RtpError::Truncated),
            Err(RtpReaderError::PaddingLengthInvalid(len)) => Err(RtpError::Padding(len)),
        }
    }

    /// What the payload is.
    pub fn payload_type(&self) -> PayloadType {
        PayloadType(self.reader.payload_type())
    }

    /// First packet of a talk spurt, or of a telephone event.
    pub fn marker(&self) -> bool {
        self.reader.mark()
    }

    /// Number in the stream.
    pub fn sequence(&self) -> SequenceNumber {
        SequenceNumber(self.reader.sequence_number().into())
    }

    /// Instant of the first sample.
    pub fn timestamp(&self) -> Timestamp {
        Timestamp(self.reader.timestamp())
    }

    /// Sender.
    pub fn ssrc(&self) -> Ssrc {
        Ssrc(self.reader.ssrc())
    }

    /// Payload without headers and padding; may be empty.
    pub fn payload(&self) -> &'a [u8] {
        self.reader.payload()
    }
}

/// Header of a packet that we send: no padding, no CSRC, no extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// First packet of a talk spurt, or of a telephone event.
    pub marker: bool,
    /// What the payload is.
    pub payload_type: PayloadType,
    /// Number in the stream.
    pub sequence: SequenceNumber,
    /// Instant of the first sample.
    pub timestamp: Timestamp,
    /// Ourselves.
    pub ssrc: Ssrc,
}

impl RtpHeader {
    /// The header as bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let [sequence_high, sequence_low] = self.sequence.0.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.0.to_be_bytes();
        let [s0, s1, s2, s3] = self.ssrc.0.to_be_bytes();
        let second = self.payload_type.0 | if self.marker { 0x80 } else { 0 };
        [0x80, second, sequence_high, sequence_low, t0, t1, t2, t3, s0, s1, s2, s3]
    }

    /// Writes the header at the start of `out` and returns its length; `None`, with nothing written, when it does not fit.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        *out.first_chunk_mut::<HEADER_LEN>()? = self.to_bytes();
        Some(HEADER_LEN)
    }
}

/// True when a datagram on a port shared by both is RTCP rather than RTP (RFC 5761 4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    matches!(bytes, [first, 192..=223, ..] if first >> 6 == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: RtpHeader = RtpHeader {
        marker: true,
        payload_type: PayloadType::PCMA,
        sequence: SequenceNumber(0x1234),
        timestamp: Timestamp(0x5678_9abc),
        ssrc: Ssrc(0xdead_beef),
    };

    #[test]
    fn a_written_header_reads_back() {
        let mut bytes = [0u8; HEADER_LEN + 3];
        assert_eq!(HEADER.write(&mut bytes), Some(HEADER_LEN));
        bytes[HEADER_LEN..].copy_from_slice(b"abc");
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert!(packet.marker());
        assert_eq!(packet.payload_type(), PayloadType::PCMA);
        assert_eq!(packet.sequence(), SequenceNumber(0x1234));
        assert_eq!(packet.timestamp(), Timestamp(0x5678_9abc));
        assert_eq!(packet.ssrc(), Ssrc(0xdead_beef));
        assert_eq!(packet.payload(), b"abc");
    }

    #[test]
    fn a_header_is_not_written_into_too_little_room() {
        let mut bytes = [0xffu8; HEADER_LEN - 1];
        assert_eq!(HEADER.write(&mut bytes), None);
        assert_eq!(bytes, [0xff; HEADER_LEN - 1]);
    }

    /// CSRC list, extension of one word and padding around a payload of two bytes.
    fn full_packet() -> Vec<u8> {
        let mut bytes = HEADER.to_bytes().to_vec();
        bytes[0] = 0x80 | 0x20 | 0x10 | 2;
        bytes.extend_from_slice(&[1, 1, 1, 1, 2, 2, 2, 2]);
        bytes.extend_from_slice(&[0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        bytes.extend_from_slice(b"hi");
        bytes.extend_from_slice(&[0, 0, 3]);
        bytes
    }

    #[test]
    fn csrc_extension_and_padding_are_stepped_over() {
        assert_eq!(RtpPacket::parse(&full_packet()).unwrap().payload(), b"hi");
    }

    #[test]
    fn malformed_packets_are_refused() {
        let full = full_packet();
        for length in 0..full.len() - 5 {
            assert!(RtpPacket::parse(&full[..length]).is_err(), "prefix of {length} bytes");
        }
        let with = |index: usize, value: u8| {
            let mut bytes = full_packet();
            bytes[index] = value;
            RtpPacket::parse(&bytes).map(|packet| packet.payload().len())
        };
        let last = full.len() - 1;
        assert_eq!(with(0, 0x40), Err(RtpError::Version(1)));
        assert_eq!(with(last, 0), Err(RtpError::Padding(0)));
        assert_eq!(with(last, 200), Err(RtpError::Padding(200)));
        assert_eq!(with(last, 5), Ok(0));
        assert_eq!(with(23, 0xff), Err(RtpError::Truncated));
        assert_eq!(with(0, 0x9f), Err(RtpError::Truncated));
        assert_eq!(RtpPacket::parse(&[0x80; 11]).unwrap_err(), RtpError::TooShort(11));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut accepted = 0;
        for _ in 0..200_000 {
            let mut bytes = full_packet();
            bytes.truncate(random.usize(..=bytes.len()));
            for _ in 0..random.usize(..4) {
                if !bytes.is_empty() {
                    let index = random.usize(..bytes.len());
                    bytes[index] = random.u8(..);
                }
            }
            if let Ok(packet) = RtpPacket::parse(&bytes) {
                accepted += 1;
                assert!(packet.payload().len() + HEADER_LEN <= bytes.len());
                assert!(packet.payload_type().get() <= 127);
                let _ = (packet.marker(), packet.sequence(), packet.timestamp(), packet.ssrc());
            }
            let _ = is_rtcp(&bytes);
        }
        assert!(accepted > 1000, "the mutations must leave some packets whole: {accepted}");
    }

    #[test]
    fn serial_numbers_wrap() {
        for (newer, older, distance) in [(0, 65535, 1), (5, 65530, 11), (32767, 0, 32767), (100, 99, 1), (7, 7, 0)] {
            assert_eq!(SequenceNumber(newer).since(SequenceNumber(older)), distance);
            assert_eq!(SequenceNumber(newer).is_newer_than(SequenceNumber(older)), distance > 0);
            assert!(!SequenceNumber(older).is_newer_than(SequenceNumber(newer)));
        }
        assert_eq!(SequenceNumber(65535).next(), SequenceNumber(0));
        assert_eq!(Timestamp(u32::MAX).add(160), Timestamp(159));
        assert_eq!(Timestamp(159).since(Timestamp(u32::MAX)), 160);
        assert_eq!(Timestamp(u32::MAX).since(Timestamp(159)), -160);
    }

    #[test]
    fn extended_numbers_follow_any_walk() {
        let mut random = fastrand::Rng::with_seed(3);
        let start = 65_536 + 65_530u64;
        let mut extender = SequenceExtender::default();
        let mut true_position = start;
        let mut highest = 0;
        for step in 0..200_000u64 {
            let sent = true_position + random.u64(..20) - if step > 0 { random.u64(..20) } else { 0 };
            highest = highest.max(sent);
            let sent = if step == 0 { start } else { sent };
            let extended = extender.extend(SequenceNumber((sent % 65_536) as u16));
            assert_eq!(extended, sent, "at step {step}");
            true_position += random.u64(..100);
        }
        assert!(extender.highest().unwrap() > 65_536 * 50);
    }

    #[test]
    fn rtcp_on_the_same_port_is_told_apart() {
        assert!(is_rtcp(&[0x80, 200, 0, 6]));
        assert!(is_rtcp(&[0x81, 201]));
        assert!(!is_rtcp(&HEADER.to_bytes()));
        assert!(!is_rtcp(&[0x80, 0x80 | 101]));
        assert!(!is_rtcp(&[0x00, 200]));
        assert!(!is_rtcp(&[]));
    }
}
