//! How a softphone's call went: values, percentiles, and how evenly the other side's packets came.

use std::time::Duration;

use crate::media::quality::QualityFigures;

/// Who ended a call, or why it never began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// Our script, or our user.
    WeHungUp,
    /// BYE from the other side.
    TheyHungUp,
    /// The call took as long as it may.
    TooLong,
    /// A final answer of 300 and above; 408 where nobody answered.
    Refused {
        /// SIP status code.
        status: u16,
    },
    /// Nobody listens at the address (ICMP port unreachable).
    NobodyThere,
    /// We gave up before an answer.
    NotAnswered,
    /// The caller gave up before our answer.
    Cancelled,
    /// The other side no longer answers.
    Lost,
    /// No audio could be agreed.
    NoAudio(String),
}

impl CallEnd {
    /// True where both sides talked and one of them hung up.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::WeHungUp | Self::TheyHungUp)
    }
}

/// What is left of a call.
#[derive(Clone, Debug)]
pub struct CallReport {
    /// Which call of this phone, from 1.
    pub number: u32,
    /// Who called, or who was called.
    pub peer: String,
    /// How it ended.
    pub end: CallEnd,
    /// From INVITE to 200, ms; only where it was answered.
    pub setup_ms: Option<f32>,
    /// From the answer to the end.
    pub talked: Duration,
    /// From the end of each sound of ours to the first of theirs, ms.
    pub responses_ms: Vec<u32>,
    /// Keys that the other side pressed.
    pub keys: String,
    /// Figures of the stream, where there was one.
    pub quality: Option<QualityFigures>,
    /// How evenly the other side's packets came.
    pub pacing: Pacing,
}

/// The value at `share` (0 to 1) of the sorted values; nothing where there are none.
pub fn percentile<T: PartialOrd + Copy>(values: &mut [T], share: f64) -> Option<T> {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    let last = values.len().checked_sub(1)?;
    values.get((last as f64 * share).round() as usize).copied()
}

/// Width of a step of the histogram, us.
const STEP_US: u64 = 10;
/// Steps of the histogram; later ones are counted in the last.
const STEPS: usize = 2_000;
/// Spacing of packets, us.
const SPACING_US: u64 = 20_000;

/// By how much the distance of two packets in sequence differed from 20 ms, as a histogram.
#[derive(Clone, Debug, Default)]
pub struct Pacing {
    counts: Vec<u32>,
    total: u64,
    last: Option<(u16, u64)>,
}

impl Pacing {
    /// A packet came at this time, us on any clock.
    pub fn packet(&mut self, sequence: u16, at_us: u64) {
        if let Some((before, then)) = self.last.replace((sequence, at_us))
            && sequence == before.wrapping_add(1)
        {
            self.count(at_us.saturating_sub(then).abs_diff(SPACING_US));
        }
    }

    fn count(&mut self, off_us: u64) {
        if self.counts.is_empty() {
            self.counts = vec![0; STEPS];
        }
        let step = usize::try_from(off_us / STEP_US).map_or(STEPS - 1, |step| step.min(STEPS - 1));
        self.counts[step] += 1;
        self.total += 1;
    }

    /// Adds another call's.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.is_empty() {
            self.counts = vec![0; STEPS];
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count += other);
        self.total += other.total;
    }

    /// How far off the packet at `share` (0 to 1) was, ms; nothing where no two packets came.
    pub fn percentile_ms(&self, share: f64) -> Option<f32> {
        let mut below = 0;
        let wanted = (self.total as f64 * share).ceil() as u64;
        let step = self.counts.iter().position(|&count| {
            below += u64::from(count);
            below >= wanted && below > 0
        })?;
        Some((step as u64 * STEP_US) as f32 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        assert_eq!(percentile::<u32>(&mut [], 0.5), None);
        assert_eq!(percentile(&mut [7], 0.95), Some(7));
        let mut values: Vec<u32> = (0..=100).rev().collect();
        assert_eq!((percentile(&mut values, 0.5), percentile(&mut values, 0.95)), (Some(50), Some(95)));
    }

    #[test]
    fn pacing_counts_neighbours_only() {
        let mut pacing = Pacing::default();
        assert_eq!(pacing.percentile_ms(0.5), None);
        for (sequence, at_us) in [(65_535, 0), (0, 20_000), (1, 40_500), (3, 100_000), (4, 120_000), (5, 900_000)] {
            pacing.packet(sequence, at_us);
        }
        assert_eq!(pacing.percentile_ms(0.5), Some(0.0), "0, 0.5, 0 and far too late");
        assert_eq!(pacing.percentile_ms(0.75), Some(0.5));
        assert_eq!(pacing.percentile_ms(1.0), Some(19.99), "the last step holds all beyond");
        let mut sum = Pacing::default();
        sum.merge(&pacing);
        sum.merge(&pacing);
        assert_eq!((sum.total, sum.percentile_ms(0.75)), (8, Some(0.5)));
    }
}
