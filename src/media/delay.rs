//! How late packets are against the fastest of them: the 97 % quantile of the relative delay, with forgetting. It is how
//! long audio must be held so that 97 of 100 packets are there when they are played.
//!
//! Relative delay is arrival minus timestamp, less the least such difference of the last four to eight seconds, so that
//! neither side's clock nor its drift matters.

use std::time::{Duration, Instant};

use super::timeline::Position;

/// Width of a bin of the histogram, and how many: 0 to 500 ms.
const BIN_MS: f32 = 5.0;
const BINS: usize = 100;
/// Share of packets that shall be in time.
const IN_TIME: f32 = 0.97;
/// Weight of a packet against the one after it: half forgotten after 230 packets.
const FORGET: f32 = 0.997;
/// Assumed before packets say better.
const FIRST_GUESS_MS: f32 = 20.0;
/// How long the least transit time is believed: one window fills while the one before it counts too.
const WINDOW: Duration = Duration::from_secs(4);
/// A packet later than this against the fastest says that the sender's clock stood still meanwhile: 600 ms, in us.
const STALL_US: i64 = 600_000;
/// Duration of a sample, us.
const SAMPLE_US: i64 = 125;

/// The estimate for one stream.
pub struct DelayEstimate {
    origin: Option<(Instant, Position)>,
    bins: [f32; BINS],
    /// One past the highest bin in use.
    used: usize,
    total: f32,
    weight: f32,
    /// Least transit time of the window before this one, and of this one, us from the first packet's.
    least_before: i64,
    least: i64,
    window_start: Option<Instant>,
    quantile_ms: f32,
}

impl Default for DelayEstimate {
    fn default() -> Self {
        Self::new()
    }
}

impl DelayEstimate {
    /// Nothing has arrived.
    pub fn new() -> Self {
        let mut bins = [0.0; BINS];
        bins[(FIRST_GUESS_MS / BIN_MS) as usize - 1] = 1.0;
        Self {
            origin: None,
            bins,
            used: (FIRST_GUESS_MS / BIN_MS) as usize,
            total: 1.0,
            weight: 1.0,
            least_before: i64::MAX,
            least: i64::MAX,
            window_start: None,
            quantile_ms: FIRST_GUESS_MS,
        }
    }

    /// A packet whose first sample is `at` arrived.
    pub fn arrived(&mut self, now: Instant, at: Position) {
        self.origin.get_or_insert((now, at));
        let Some(transit) = self.transit_us(now, at) else { return };
        if transit.saturating_sub(self.floor_us()) > STALL_US && self.least < i64::MAX {
            self.least_before = i64::MAX;
            self.least = transit;
        }
        self.note_least(now, transit);
        let relative_ms = (transit - self.floor_us()) as f32 / 1000.0;
        let bin = ((relative_ms / BIN_MS) as usize).min(BINS - 1);
        self.weight /= FORGET;
        self.bins[bin] += self.weight;
        self.used = self.used.max(bin + 1);
        self.total += self.weight;
        if self.weight > 1e12 {
            self.rescale();
        }
        self.find_quantile();
    }

    fn note_least(&mut self, now: Instant, transit: i64) {
        let start = *self.window_start.get_or_insert(now);
        if now.saturating_duration_since(start) >= WINDOW {
            self.window_start = Some(now);
            self.least_before = self.least;
            self.least = transit;
        } else {
            self.least = self.least.min(transit);
        }
    }

    fn rescale(&mut self) {
        self.used = 1;
        for (index, bin) in self.bins.iter_mut().enumerate() {
            *bin /= self.weight;
            // What is nearly forgotten is forgotten.
            *bin = if *bin < 1e-6 { 0.0 } else { *bin };
            self.used = if *bin > 0.0 { index + 1 } else { self.used };
        }
        self.total = self.bins.iter().sum();
        self.weight = 1.0;
    }

    fn find_quantile(&mut self) {
        let mut late = self.total * (1.0 - IN_TIME);
        let mut bin = self.used;
        while bin > 1 {
            late -= self.bins[bin - 1];
            if late < 0.0 {
                break;
            }
            bin -= 1;
        }
        self.quantile_ms = bin as f32 * BIN_MS;
    }

    fn transit_us(&self, now: Instant, at: Position) -> Option<i64> {
        let (origin, first) = self.origin?;
        let elapsed = now.saturating_duration_since(origin).as_micros() as i64;
        Some(elapsed - at.since(first).saturating_mul(SAMPLE_US))
    }

    fn floor_us(&self) -> i64 {
        self.least.min(self.least_before)
    }

    /// How long audio should be held, ms.
    pub fn target_ms(&self) -> f32 {
        self.quantile_ms
    }

    /// How much later than by the fastest packet `at` would be played now, ms. 0 before the first packet.
    pub fn delay_ms(&self, now: Instant, at: Position) -> f32 {
        self.transit_us(now, at).map_or(0.0, |transit| transit.saturating_sub(self.floor_us()) as f32 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::timeline::Timeline;
    use super::*;

    /// Feeds packets of 20 ms, each late by what `late_ms` says of its number; returns the target at the end.
    fn target(packets: u64, late_ms: impl Fn(u64) -> u64) -> f32 {
        let (start, line) = (Instant::now(), Timeline::new());
        let mut estimate = DelayEstimate::new();
        for n in 0..packets {
            let now = start + Duration::from_millis(20 * n + late_ms(n));
            estimate.arrived(now, line.end().after(160 * n as i64));
        }
        estimate.target_ms()
    }

    #[test]
    fn the_target_follows_the_97_percent_quantile() {
        assert_eq!(target(1, |_| 0), 20.0, "the first guess");
        assert_eq!(target(500, |_| 0), 5.0, "no jitter");
        assert_eq!(target(2000, |n| n % 41), 40.0, "even jitter of 0 to 40 ms");
        assert_eq!(target(2000, |n| if n % 50 == 7 { 120 } else { 3 }), 5.0, "2 % of spikes are left to concealment");
        assert_eq!(target(2000, |n| if n % 20 == 7 { 101 } else { 0 }), 105.0, "5 % are not");
        assert_eq!(target(2000, |n| if n < 1000 { 5000 + n % 9 } else { n % 9 }), 10.0, "an old route is forgotten");
        assert_eq!(target(2000, |n| 590 * (n % 2)), 500.0, "the estimate is bounded");
        assert_eq!(target(1000, |n| if n < 500 { 0 } else { 3000 }), 5.0, "a sender whose clock stood still for 3 s");
    }

    #[test]
    fn drifting_clocks_do_not_add_up() {
        // The other side's clock is slow by 1 in 1000: after 200 s it lags 200 ms.
        assert!(target(10_000, |n| n / 50) <= 15.0);
    }

    #[test]
    fn delay_is_measured_from_the_fastest_packet() {
        let (start, line) = (Instant::now(), Timeline::new());
        let mut estimate = DelayEstimate::new();
        assert_eq!(estimate.delay_ms(start, line.end()), 0.0);
        estimate.arrived(start + Duration::from_millis(10), line.end());
        estimate.arrived(start + Duration::from_millis(20), line.end().after(160));
        assert_eq!(estimate.delay_ms(start + Duration::from_millis(30), line.end().after(80)), 20.0);
    }
}
