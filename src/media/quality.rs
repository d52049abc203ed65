//! Figures of one leg's stream, and what a listener would say of it: the E-model (ITU-T G.107, simplified: no echo, no
//! noise but the default) for G.711 with concealment (G.113 Appendix I).

/// Figures of one leg's stream so far.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct QualityFigures {
    /// Packets that arrived, each counted once.
    pub received: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets too late to be played.
    pub late: u64,
    /// Packets that came again.
    pub duplicate: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Datagrams of strangers: neither from where the stream comes from nor from where it may.
    pub strangers: u64,
    /// Packets that we passed on from another stream as they were; counted as sent too.
    pub passed: u64,
    /// Datagrams dropped: of a payload type that was not agreed, or no RTP at all.
    pub dropped: u64,
    /// Frames pulled that were concealed in whole or in part.
    pub concealed: u64,
    /// Interarrival jitter, ms.
    pub jitter_ms: f32,
    /// How long the jitter buffer holds audio at least, ms.
    pub buffer_ms: f32,
    /// Round trip by RTCP, ms, where a report came back.
    pub round_trip_ms: Option<f32>,
    /// Share of our packets that the other side lost, 0 to 1, by its last report.
    pub remote_loss: Option<f32>,
    /// Mean opinion score, 1 to 4.5.
    pub mos: f32,
    /// Packets that we sent.
    pub sent: u64,
}

/// Robustness of G.711 with concealment against random loss (G.113 table I.2).
const BPL: f32 = 25.1;
/// Transmission rating with all defaults of G.107.
const R_DEFAULT: f32 = 93.2;

/// Mean opinion score for a one-way delay (mouth to ear, ms) and a share of lost packets (0 to 1).
pub fn mean_opinion_score(one_way_ms: f32, loss: f32) -> f32 {
    let late = (one_way_ms - 177.3).max(0.0);
    let delay = 0.024 * one_way_ms.max(0.0) + 0.11 * late;
    let percent = 100.0 * loss.clamp(0.0, 1.0);
    let equipment = 95.0 * percent / (percent + BPL);
    let rating = (R_DEFAULT - delay - equipment).clamp(0.0, 100.0);
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_known_lines() {
        // One-way delay, loss, score: G.107 gives 4.41 for a perfect line and 4.4 to 4.3 at 50 to 150 ms.
        let table = [
            (0.0, 0.0, 4.41),
            (50.0, 0.0, 4.38),
            (150.0, 0.0, 4.32),
            (50.0, 0.01, 4.31),
            (50.0, 0.05, 3.87),
            (50.0, 0.10, 3.27),
            (400.0, 0.0, 3.11),
            (50.0, 1.0, 1.08),
        ];
        for (delay, loss, score) in table {
            let given = mean_opinion_score(delay, loss);
            assert!((given - score).abs() < 0.1, "{delay} ms, {loss}: {given}, expected {score}");
        }
    }

    #[test]
    fn worse_is_never_better() {
        for n in 0..100 {
            let loss = n as f32 / 100.0;
            assert!(mean_opinion_score(60.0, loss + 0.01) <= mean_opinion_score(60.0, loss));
            assert!(mean_opinion_score(n as f32 * 10.0 + 10.0, 0.02) <= mean_opinion_score(n as f32 * 10.0, 0.02));
        }
        assert!((1.0..=4.5).contains(&mean_opinion_score(f32::MAX, 9.0)));
    }
}
