//! Statistics of what one source sends us: RFC 3550 A.1 (sequence numbers, without probation: the first words of a call
//! matter more than a stray packet), A.3 (loss), A.8 (interarrival jitter); duplicates told from reordered packets.

use std::time::Instant;

use super::bursts::Bursts;
use crate::wire::rtcp::ReportBlock;
use crate::wire::rtp::{SequenceNumber, Ssrc, Timestamp};

/// A forward step over this many packets is a jump; a backward one over the other too (RFC 3550 A.1).
const MAX_DROPOUT: i16 = 3000;
const MAX_MISORDER: i16 = 100;
/// Timestamp units in a second.
const CLOCK_HZ: u128 = 8000;

/// What a packet's sequence number says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The newest so far. `skipped` packets between it and the last are missing or late.
    Newest {
        /// How many.
        skipped: u16,
    },
    /// Came after a later one.
    Reordered,
    /// Came before.
    Duplicate,
    /// Far from the others, for the first time: to be dropped.
    Stray,
    /// Far from the others, for the second time running: the sender has begun anew.
    Restarted,
}

/// Reception from one source.
#[derive(Clone, Debug)]
pub struct Reception {
    ssrc: Ssrc,
    first: u64,
    highest: u64,
    /// Which of the 64 packets up to the highest have come; bit 0 is the highest.
    seen: u64,
    stray: Option<SequenceNumber>,
    received: u64,
    duplicate: u64,
    reordered: u64,
    /// Transit time of the last packet and mean deviation of such times, in timestamp units; the latter times 16.
    transit: Option<u32>,
    jitter16: u32,
    reported: Reported,
    bursts: Bursts,
}

/// Figures at the last report, for the fraction since.
#[derive(Clone, Copy, Debug, Default)]
struct Reported {
    expected: u64,
    received: u64,
}

impl Reception {
    /// Begins with the first packet of a source, which must then be given to [`Self::packet`] too.
    pub fn new(ssrc: Ssrc, sequence: SequenceNumber) -> Self {
        // One cycle up, so that packets that overtook the first have a number.
        let first = (1 << 16) + u64::from(sequence.0);
        Self {
            ssrc,
            first,
            highest: first - 1,
            seen: 0,
            stray: None,
            received: 0,
            duplicate: 0,
            reordered: 0,
            transit: None,
            jitter16: 0,
            reported: Reported::default(),
            bursts: Bursts::default(),
        }
    }

    /// The source.
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Counts a packet. `elapsed` is the time since any fixed instant.
    pub fn packet(&mut self, sequence: SequenceNumber, timestamp: Timestamp, elapsed: std::time::Duration) -> Place {
        let step = sequence.since(SequenceNumber((self.highest & 0xffff) as u16));
        let place = if step > 0 && step < MAX_DROPOUT {
            self.newest(step as u64)
        } else if step <= 0 && step > -MAX_MISORDER {
            self.older(u64::from(step.unsigned_abs()))
        } else if self.stray == Some(sequence) {
            self.begin_anew(sequence);
            Place::Restarted
        } else {
            self.stray = Some(sequence.next());
            return Place::Stray;
        };
        self.stray = None;
        if let Place::Newest { skipped } = place {
            self.bursts.lost(skipped.into());
            self.bursts.received();
        }
        match place {
            Place::Newest { .. } | Place::Reordered | Place::Restarted => {
                self.received += 1;
                self.note_jitter(timestamp, elapsed);
            }
            Place::Duplicate => self.duplicate += 1,
            Place::Stray => {}
        }
        place
    }

    fn newest(&mut self, step: u64) -> Place {
        self.seen = if step >= 64 { 1 } else { (self.seen << step) | 1 };
        self.highest += step;
        Place::Newest { skipped: (step - 1) as u16 }
    }

    fn older(&mut self, age: u64) -> Place {
        let bit = 1u64.checked_shl(age as u32).unwrap_or(0);
        if self.seen & bit != 0 || bit == 0 {
            return Place::Duplicate;
        }
        self.seen |= bit;
        self.first = self.first.min(self.highest - age);
        self.reordered += 1;
        Place::Reordered
    }

    /// The numbers begin anew; what was counted stays counted.
    fn begin_anew(&mut self, sequence: SequenceNumber) {
        let expected = self.expected();
        let cycle = (self.highest >> 16) + 1;
        self.highest = (cycle << 16) + u64::from(sequence.0);
        self.first = self.highest - expected;
        self.seen = 1;
        self.transit = None;
    }

    fn note_jitter(&mut self, timestamp: Timestamp, elapsed: std::time::Duration) {
        let arrival = (elapsed.as_micros() * CLOCK_HZ / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp.0);
        if let Some(last) = self.transit {
            // A pause of the sender's clock is no jitter: a second is the most that counts.
            let difference = transit.wrapping_sub(last).cast_signed().unsigned_abs().min(CLOCK_HZ as u32);
            self.jitter16 = (self.jitter16 + difference).saturating_sub((self.jitter16 + 8) >> 4);
        }
        self.transit = Some(transit);
    }

    /// A packet whose timestamp has no meaning for jitter came (a key press holds its timestamp).
    pub fn forget_transit(&mut self) {
        self.transit = None;
    }

    /// The newest packet came too late to be of use.
    pub fn discarded(&mut self) {
        self.bursts.discarded();
    }

    /// How losses came together.
    pub fn bursts(&self) -> Bursts {
        self.bursts
    }

    /// Packets that should have come.
    fn expected(&self) -> u64 {
        self.highest + 1 - self.first
    }

    /// Packets that came, each counted once.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets that never came.
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    /// Packets that came again.
    pub fn duplicate(&self) -> u64 {
        self.duplicate
    }

    /// Packets that came after a later one.
    pub fn reordered(&self) -> u64 {
        self.reordered
    }

    /// Interarrival jitter, timestamp units.
    pub fn jitter(&self) -> u32 {
        self.jitter16 >> 4
    }

    /// A report block on what came since the last such block. The fields on sender reports are left for the caller.
    pub fn report(&mut self) -> ReportBlock {
        let (expected, received) = (self.expected(), self.received);
        let expected_since = expected.saturating_sub(self.reported.expected);
        let lost_since = expected_since.saturating_sub(received.saturating_sub(self.reported.received));
        self.reported = Reported { expected, received };
        let fraction = (lost_since * 256).checked_div(expected_since).unwrap_or(0).min(255) as u8;
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: fraction,
            cumulative_lost: i32::try_from(self.lost()).unwrap_or(i32::MAX),
            // The cycle that we began in counts as the zeroth.
            highest_sequence: (self.highest as u32).wrapping_sub(1 << 16),
            jitter: self.jitter(),
            ..ReportBlock::default()
        }
    }
}

/// Elapsed time for [`Reception::packet`].
pub(super) fn since(start: Instant, now: Instant) -> std::time::Duration {
    now.saturating_duration_since(start)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn fed(numbers: &[u16]) -> (Reception, Vec<Place>) {
        let mut reception = Reception::new(Ssrc(7), SequenceNumber(numbers[0]));
        let places = numbers
            .iter()
            .enumerate()
            .map(|(n, &number)| {
                reception.packet(
                    SequenceNumber(number),
                    Timestamp(160 * n as u32),
                    Duration::from_millis(20 * n as u64),
                )
            })
            .collect();
        (reception, places)
    }

    #[test]
    fn places_in_order_wrapped_lost_doubled_reordered() {
        use Place::{Duplicate, Newest, Reordered};
        let next = Newest { skipped: 0 };
        let (reception, places) = fed(&[65_534, 65_535, 0, 2, 1, 1, 2, 5, 65_533]);
        assert_eq!(
            places,
            [
                next,
                next,
                next,
                Newest { skipped: 1 },
                Reordered,
                Duplicate,
                Duplicate,
                Newest { skipped: 2 },
                Reordered
            ]
        );
        // 65533 to 5 are nine packets, 3 and 4 are missing.
        assert_eq!((reception.received(), reception.lost()), (7, 2));
        assert_eq!((reception.duplicate(), reception.reordered()), (2, 2));
    }

    #[test]
    fn a_stray_is_dropped_and_a_restart_believed() {
        let (reception, places) = fed(&[10, 11, 40_000, 12, 30_000, 30_001, 30_002]);
        let next = Place::Newest { skipped: 0 };
        assert_eq!(places, [next, next, Place::Stray, next, Place::Stray, Place::Restarted, next]);
        assert_eq!((reception.received(), reception.lost()), (5, 0));
    }

    #[test]
    fn many_cycles_are_counted() {
        let mut reception = Reception::new(Ssrc(7), SequenceNumber(65_000));
        for n in 0..200_000u32 {
            if n % 10 != 3 {
                let sequence = SequenceNumber(65_000u16.wrapping_add(n as u16));
                reception.packet(sequence, Timestamp(160 * n), Duration::from_millis(20 * u64::from(n)));
            }
        }
        assert_eq!((reception.received(), reception.lost()), (180_000, 20_000));
        assert_eq!(reception.jitter(), 0);
        let block = reception.report();
        assert_eq!(block.highest_sequence, 65_000 + 199_999);
        assert_eq!((block.fraction_lost, block.cumulative_lost), (25, 20_000));
        assert_eq!(reception.report().fraction_lost, 0, "nothing since the last report");
    }

    #[test]
    fn jitter_is_that_of_the_rfc() {
        // Packets alternately 0 and 10 ms late: each difference is 80 units, and the mean comes to that.
        let mut reception = Reception::new(Ssrc(7), SequenceNumber(0));
        for n in 0..500u32 {
            let late = u64::from(n % 2) * 10;
            reception.packet(
                SequenceNumber(n as u16),
                Timestamp(160 * n),
                Duration::from_millis(20 * u64::from(n) + late),
            );
        }
        assert!((78..=80).contains(&reception.jitter()), "{}", reception.jitter());
    }

    #[test]
    fn no_numbers_make_it_panic() {
        let mut random = fastrand::Rng::with_seed(9);
        let mut reception = Reception::new(Ssrc(1), SequenceNumber(0));
        let mut number = 0u16;
        for _ in 0..300_000 {
            number = match random.u8(..10) {
                0 => random.u16(..),
                1 => number.wrapping_sub(random.u16(..200)),
                _ => number.wrapping_add(random.u16(..4)),
            };
            let elapsed = Duration::from_millis(random.u64(..u64::from(u32::MAX)));
            reception.packet(SequenceNumber(number), Timestamp(random.u32(..)), elapsed);
            reception.report();
        }
        assert!(reception.received() > 0);
    }
}
