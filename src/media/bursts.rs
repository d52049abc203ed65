//! Losses in bursts and in the gaps between (RFC 3611 4.7.2): a burst begins and ends with a loss, and fewer than `GMIN`
//! packets in a row come within it. A loss alone is one of the gap. Counted from definitions, not by the RFC's example code.
//!
//! Seen from the newest packet: one that comes after a later one has been counted as lost here.

use crate::wire::voip_metrics::GMIN;

/// A run of losses that may be a burst.
#[derive(Clone, Copy, Debug)]
struct Open {
    packets: u64,
    lost: u64,
    /// Packets that came since its last loss.
    since: u64,
}

/// The losses of one source.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bursts {
    open: Option<Open>,
    bursts: u64,
    burst: Span,
    gap: Span,
    losses: u64,
    /// Losses in a row, counted once each.
    runs: u64,
    last_lost: bool,
}

/// Packets, and how many of them were lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    packets: u64,
    lost: u64,
}

impl Span {
    fn add(&mut self, packets: u64, lost: u64) {
        self.packets += packets;
        self.lost += lost;
    }

    fn density(self) -> u8 {
        (self.lost * 256).checked_div(self.packets).unwrap_or(0).min(255) as u8
    }
}

/// What is to be said of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurstFigures {
    /// Lost of what belongs to bursts, in 1/256.
    pub burst_density: u8,
    /// Lost of what belongs to gaps, in 1/256.
    pub gap_density: u8,
    /// Mean length of a burst, ms.
    pub burst_ms: u16,
    /// Mean length of a gap, ms.
    pub gap_ms: u16,
    /// Mean run of losses over that of random loss (G.107 3.5, `BurstR`); 1 is random.
    pub ratio: f32,
}

impl Bursts {
    /// So many packets did not come.
    pub fn lost(&mut self, packets: u64) {
        if packets == 0 {
            return;
        }
        let open = self.open.get_or_insert(Open { packets: 0, lost: 0, since: 0 });
        open.packets += open.since + packets;
        open.lost += packets;
        open.since = 0;
        self.losses += packets;
        self.runs += u64::from(!std::mem::replace(&mut self.last_lost, true));
    }

    /// The next one came.
    pub fn received(&mut self) {
        self.last_lost = false;
        match &mut self.open {
            Some(open) => {
                open.since += 1;
                if open.since >= u64::from(GMIN) {
                    self.close();
                }
            }
            None => self.gap.packets += 1,
        }
    }

    /// The one that came last was of no use.
    pub fn discarded(&mut self) {
        match &mut self.open {
            Some(open) => open.since = open.since.saturating_sub(1),
            None => self.gap.packets = self.gap.packets.saturating_sub(1),
        }
        self.lost(1);
    }

    fn close(&mut self) {
        let Some(Open { packets, lost, since }) = self.open.take() else { return };
        if lost > 1 {
            self.bursts += 1;
            self.burst.add(packets, lost);
            self.gap.add(since, 0);
        } else {
            self.gap.add(packets + since, lost);
        }
    }

    /// The figures of packets of `packet_ms`.
    pub fn figures(mut self, packet_ms: u32) -> BurstFigures {
        self.close();
        let mean = |packets: u64, count: u64| {
            let ms = (packets * u64::from(packet_ms)).checked_div(count).unwrap_or(0);
            u16::try_from(ms).unwrap_or(u16::MAX)
        };
        let packets = (self.burst.packets + self.gap.packets).max(1);
        let came = 1.0 - self.losses as f32 / packets as f32;
        let ratio = if self.runs == 0 { 1.0 } else { self.losses as f32 / self.runs as f32 * came };
        BurstFigures {
            burst_density: self.burst.density(),
            gap_density: self.gap.density(),
            burst_ms: mean(self.burst.packets, self.bursts),
            gap_ms: mean(self.gap.packets, self.bursts + 1),
            ratio: ratio.max(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `-` came, `x` is lost, `o` came too late.
    fn figures(packets: &str) -> BurstFigures {
        let mut bursts = Bursts::default();
        for packet in packets.chars() {
            match packet {
                'x' => bursts.lost(1),
                'o' => {
                    bursts.received();
                    bursts.discarded();
                }
                _ => bursts.received(),
            }
        }
        bursts.figures(20)
    }

    #[test]
    fn bursts_and_gaps() {
        let quiet = "-".repeat(50);
        // Packets; density and ms of bursts, of gaps.
        let table = [
            (quiet.clone(), (0, 0), (0, 1000)),
            // One alone belongs to the gap: 1 of 101.
            (format!("{quiet}x{quiet}"), (0, 0), (2, 2020)),
            // Three of five: 153/256 of 100 ms; two gaps of 50.
            (format!("{quiet}xx-x{quiet}"), (192, 80), (0, 1000)),
            (format!("{quiet}x-o-x{quiet}"), (153, 100), (0, 1000)),
            // Fifteen between belong together, sixteen do not.
            (format!("{quiet}x{}x{quiet}", "-".repeat(15)), (30, 340), (0, 1000)),
            (format!("{quiet}x{}x{quiet}", "-".repeat(16)), (0, 0), (4, 2360)),
            // Not over yet.
            (format!("{quiet}xx"), (255, 40), (0, 500)),
        ];
        for (packets, burst, gap) in table {
            let figures = figures(&packets);
            let given = ((figures.burst_density, figures.burst_ms), (figures.gap_density, figures.gap_ms));
            assert_eq!(given, (burst, gap), "{packets}");
        }
    }

    #[test]
    fn how_far_from_random() {
        let random: String = (0..1000).map(|n| if n % 50 == 7 { 'x' } else { '-' }).collect();
        assert_eq!(figures(&random).ratio, 1.0);
        let bursty: String = (0..1000).map(|n| if n % 200 < 4 { 'x' } else { '-' }).collect();
        assert!((3.8..4.0).contains(&figures(&bursty).ratio), "{}", figures(&bursty).ratio);
        assert_eq!(figures("").ratio, 1.0);
    }
}
