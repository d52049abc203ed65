//! The VoIP metrics block of RTCP extended reports (RFC 3611 4.7): how a call sounds where its packets arrive. Of the other
//! blocks none is written; all are stepped over.

use super::rtp::Ssrc;

/// RTCP packet type of extended reports (RFC 3611 2).
pub const EXTENDED_REPORT: u8 = 207;
/// Received packets in a row that end a burst of losses (RFC 3611 4.7.2 recommends 16).
pub const GMIN: u8 = 16;
/// Length of a packet with one such block, bytes.
pub const LENGTH: usize = 8 + BLOCK;

const BLOCK_TYPE: u8 = 7;
const BLOCK: usize = 36;
/// A figure that is not known.
const UNKNOWN: u8 = 127;
/// Standard concealment, and a jitter buffer that adapts (RFC 3611 4.7.6).
const RECEIVER: u8 = 0b1011_0000;

/// The figures. Those that we never know (levels, echo) are not among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VoipMetrics {
    /// The sender that it is about.
    pub ssrc: Ssrc,
    /// Packets that never came since the beginning, in 1/256.
    pub lost: u8,
    /// Packets that came too late or too early, in 1/256.
    pub discarded: u8,
    /// Of bursts, how much was lost, in 1/256.
    pub burst_density: u8,
    /// Of the gaps between them, how much was lost, in 1/256.
    pub gap_density: u8,
    /// Mean length of a burst, ms.
    pub burst_ms: u16,
    /// Mean length of a gap, ms.
    pub gap_ms: u16,
    /// Round trip of RTCP, ms; 0 where it is not known.
    pub round_trip_ms: u16,
    /// What the end itself takes: packets, buffer, encoding. ms.
    pub end_system_ms: u16,
    /// Transmission rating of the E-model, 0 to 100.
    pub rating: Option<u8>,
    /// Mean opinion score of listening, times 10.
    pub listening: Option<u8>,
    /// The same of talking, with the delay in it.
    pub conversation: Option<u8>,
    /// What the jitter buffer holds now, ms.
    pub buffer_ms: u16,
    /// The most that it may hold, ms.
    pub buffer_most_ms: u16,
}

impl VoipMetrics {
    /// An extended report of `reporter` with this block, at the start of `out`; its length. `None` where it does not fit.
    pub fn write(&self, reporter: Ssrc, out: &mut [u8]) -> Option<usize> {
        let out = out.first_chunk_mut::<LENGTH>()?;
        let figure = |figure: Option<u8>| figure.unwrap_or(UNKNOWN);
        out[..4].copy_from_slice(&[0x80, EXTENDED_REPORT, 0, (LENGTH / 4 - 1) as u8]);
        out[4..8].copy_from_slice(&reporter.0.to_be_bytes());
        out[8..12].copy_from_slice(&[BLOCK_TYPE, 0, 0, (BLOCK / 4 - 1) as u8]);
        out[12..16].copy_from_slice(&self.ssrc.0.to_be_bytes());
        out[16..20].copy_from_slice(&[self.lost, self.discarded, self.burst_density, self.gap_density]);
        for (at, value) in [
            (20, self.burst_ms),
            (22, self.gap_ms),
            (24, self.round_trip_ms),
            (26, self.end_system_ms),
            (38, self.buffer_ms),
            (40, self.buffer_most_ms),
            (42, self.buffer_most_ms),
        ] {
            out[at..at + 2].copy_from_slice(&value.to_be_bytes());
        }
        out[28..32].copy_from_slice(&[UNKNOWN, UNKNOWN, UNKNOWN, GMIN]);
        let scores = [figure(self.rating), UNKNOWN, figure(self.listening), figure(self.conversation)];
        out[32..36].copy_from_slice(&scores);
        out[36..38].copy_from_slice(&[RECEIVER, 0]);
        Some(LENGTH)
    }

    /// The first such block of an extended report, all of it in `packet`. `None` where there is none, or it is not sound.
    pub fn find(packet: &[u8]) -> Option<Self> {
        let mut rest = packet.get(8..)?;
        loop {
            let &[kind, _, high, low] = rest.first_chunk::<4>()?;
            let (block, after) = rest.split_at_checked(4 * (usize::from(u16::from_be_bytes([high, low])) + 1))?;
            if kind == BLOCK_TYPE {
                return block.first_chunk::<BLOCK>().map(Self::read);
            }
            rest = after;
        }
    }

    fn read(block: &[u8; BLOCK]) -> Self {
        let short = |at: usize| u16::from_be_bytes([block[at], block[at + 1]]);
        let figure = |at: usize, most: u8| Some(block[at]).filter(|figure| *figure <= most);
        Self {
            ssrc: Ssrc(u32::from_be_bytes([block[4], block[5], block[6], block[7]])),
            lost: block[8],
            discarded: block[9],
            burst_density: block[10],
            gap_density: block[11],
            burst_ms: short(12),
            gap_ms: short(14),
            round_trip_ms: short(16),
            end_system_ms: short(18),
            rating: figure(24, 100),
            listening: figure(26, 50),
            conversation: figure(27, 50),
            buffer_ms: short(30),
            buffer_most_ms: short(32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: VoipMetrics = VoipMetrics {
        ssrc: Ssrc(0x0102_0304),
        lost: 5,
        discarded: 6,
        burst_density: 128,
        gap_density: 2,
        burst_ms: 60,
        gap_ms: 4000,
        round_trip_ms: 70,
        end_system_ms: 55,
        rating: Some(88),
        listening: Some(42),
        conversation: None,
        buffer_ms: 30,
        buffer_most_ms: 500,
    };

    #[test]
    fn the_block_has_the_layout_of_the_rfc() {
        let mut out = [0; LENGTH + 3];
        assert_eq!(METRICS.write(Ssrc(9), &mut out), Some(44));
        #[rustfmt::skip]
        let expected = [
            0x80, 207, 0, 10,  0, 0, 0, 9,
            7, 0, 0, 8,  1, 2, 3, 4,
            5, 6, 128, 2,  0, 60, 15, 160,  0, 70, 0, 55,
            127, 127, 127, 16,  88, 127, 42, 127,
            0xb0, 0, 0, 30,  1, 244, 1, 244,
        ];
        assert_eq!(out[..44], expected);
        assert_eq!(VoipMetrics::find(&expected), Some(METRICS));
        assert_eq!(METRICS.write(Ssrc(9), &mut out[..43]), None);
    }

    #[test]
    fn other_blocks_are_stepped_over_and_short_ones_believed_in_nothing() {
        let mut out = [0; LENGTH];
        METRICS.write(Ssrc(9), &mut out);
        // A receiver reference time block first.
        let with = [&out[..8], &[4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8], &out[8..]].concat();
        assert_eq!(VoipMetrics::find(&with), Some(METRICS));
        for length in 0..LENGTH {
            assert_eq!(VoipMetrics::find(&out[..length]), None, "{length}");
        }
        assert_eq!(VoipMetrics::find(&[0x80, 207, 0, 3, 0, 0, 0, 9, 7, 0, 0, 1, 0, 0, 0, 0]), None);
        out[32] = 255;
        assert_eq!(VoipMetrics::find(&out).unwrap().rating, None);
    }
}
