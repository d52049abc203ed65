//! Payloads that pass from one stream to another as they came, where both sides of a bridge speak the same codec: nothing is
//! decoded or encoded, only numbers, stamps and source become ours ([`Passage`]). What was lost on the way here stays a gap
//! in the numbers, so that the far end conceals it and counts it.
//!
//! An RTP translator (RFC 3550 7.1) but for the source, which is ours as the far end knows it. Not here: whether payloads may
//! pass at all, which is the call's to say.

use super::codec::Codec;
use crate::wire::rtp::{SequenceNumber, Ssrc, Timestamp};

/// Longest payload that passes, bytes: 60 ms of G.711 are 480. A longer one is not passed on.
pub const LONGEST: usize = 500;
/// A leap of the numbers beyond which they are taken to have begun anew (RFC 3550 A.1, `MAX_DROPOUT`).
const LEAP: u16 = 3000;

/// What a payload is, whatever its type is called on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Audio of this codec.
    Voice(Codec),
    /// A telephone event, by a clock of so many Hz.
    Event(u32),
    /// Comfort noise.
    Noise,
}

/// A payload on its way, held inline.
#[derive(Clone)]
pub struct Passing {
    pub(super) kind: Kind,
    pub(super) marker: bool,
    pub(super) sequence: SequenceNumber,
    /// As it was on the wire.
    pub(super) timestamp: Timestamp,
    pub(super) ssrc: Ssrc,
    length: u16,
    payload: [u8; LONGEST],
}

impl std::fmt::Debug for Passing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Passing({:?}, {} bytes)", self.kind, self.length)
    }
}

impl Passing {
    /// Takes a packet up. `None` where its payload is too long.
    pub(super) fn of(kind: Kind, packet: &crate::wire::rtp::RtpPacket<'_>) -> Option<Self> {
        let payload = packet.payload();
        let mut passing = Self {
            kind,
            marker: packet.marker(),
            sequence: packet.sequence(),
            timestamp: packet.timestamp(),
            ssrc: packet.ssrc(),
            length: payload.len() as u16,
            payload: [0; LONGEST],
        };
        passing.payload.get_mut(..payload.len())?.copy_from_slice(payload);
        Some(passing)
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload[..usize::from(self.length)]
    }
}

/// Where a passing packet stands in our own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its number.
    pub sequence: SequenceNumber,
    /// Units of the codec's clock since the passage began.
    pub since: u32,
    /// It is the first of the passage.
    pub first: bool,
    /// It is later than all before it.
    pub newest: bool,
}

/// How the numbers of one source become ours, from its first packet on.
#[derive(Clone, Copy, Debug)]
pub struct Passage {
    ssrc: Ssrc,
    /// Stamp of its first packet, and our number of it.
    stamp: Timestamp,
    ours: SequenceNumber,
    newest: SequenceNumber,
    /// Packets that the newest is after the first; `None` before the first.
    index: Option<u64>,
}

impl Passage {
    /// Begins with this packet, to which `ours` is given.
    pub fn begin(packet: &Passing, ours: SequenceNumber) -> Self {
        Self { ssrc: packet.ssrc, stamp: packet.timestamp, ours, newest: packet.sequence, index: None }
    }

    /// Whether a packet belongs to it: of the same source, and no leap away.
    pub fn goes_on(&self, packet: &Passing) -> bool {
        packet.ssrc == self.ssrc && packet.sequence.since(self.newest).unsigned_abs() < LEAP
    }

    /// Its place. `None` for a packet from before the first, whose number is taken.
    pub fn place(&mut self, packet: &Passing) -> Option<Placed> {
        let step = packet.sequence.since(self.newest);
        let index = self.index.unwrap_or(0).checked_add_signed(step.into())?;
        let newest = self.index.is_none_or(|newest| index > newest);
        if newest {
            (self.newest, self.index) = (packet.sequence, Some(index));
        }
        let since = packet.timestamp.0.wrapping_sub(self.stamp.0);
        Some(Placed { sequence: self.ours.add(index as u16), since, first: index == 0, newest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rtp::{PayloadType, RtpHeader, RtpPacket};

    fn passing(number: u16, ssrc: u32, payload: &[u8]) -> Option<Passing> {
        let header = RtpHeader {
            marker: false,
            payload_type: PayloadType::PCMA,
            sequence: SequenceNumber(number),
            timestamp: Timestamp((i32::from(number.cast_signed()) * 160).cast_unsigned()),
            ssrc: Ssrc(ssrc),
        };
        let bytes = [&header.to_bytes()[..], payload].concat();
        Passing::of(Kind::Voice(Codec::Pcma), &RtpPacket::parse(&bytes).unwrap())
    }

    #[test]
    fn numbers_keep_their_distances() {
        let mut passage = Passage::begin(&passing(65_534, 7, &[]).unwrap(), SequenceNumber(100));
        // Number there; ours, units since the first, newest.
        let table = [
            (65_534, Some((100, 0, true))),
            (65_535, Some((101, 160, true))),
            (2, Some((104, 640, true))),
            (1, Some((103, 480, false))),
            (65_533, None),
            (3, Some((105, 800, true))),
        ];
        for (number, expected) in table {
            let packet = passing(number, 7, &[]).unwrap();
            assert!(passage.goes_on(&packet));
            let placed = passage.place(&packet).map(|p| (p.sequence.0, p.since, p.newest));
            assert_eq!(placed, expected, "{number}");
        }
        assert!(!passage.goes_on(&passing(3, 8, &[]).unwrap()), "another source");
        assert!(!passage.goes_on(&passing(9_000, 7, &[]).unwrap()), "begun anew");
    }

    #[test]
    fn a_long_passage_wraps_many_times() {
        let mut passage = Passage::begin(&passing(5, 7, &[]).unwrap(), SequenceNumber(9));
        for n in 0..200_000u32 {
            let placed = passage.place(&passing(5u16.wrapping_add(n as u16), 7, &[]).unwrap());
            assert_eq!(placed.map(|p| p.sequence), Some(SequenceNumber(9u16.wrapping_add(n as u16))), "{n}");
        }
    }

    #[test]
    fn payloads_pass_whole_or_not_at_all() {
        let bytes: Vec<u8> = (0..=255).chain(0..=243).collect();
        assert_eq!(passing(1, 7, &bytes).unwrap().payload(), bytes);
        assert!(passing(1, 7, &[0; LONGEST + 1]).is_none());
        assert_eq!(passing(1, 7, &[]).unwrap().payload(), [0u8; 0]);
    }
}
