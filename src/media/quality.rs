//! Figures of one leg's stream, and what a listener would say of it: the E-model (ITU-T G.107, simplified: no echo, no
//! noise but the default), with each codec's impairment.

use super::bursts::BurstFigures;
use super::codec::Codec;
use crate::audio::frame::FRAME_MS;
use crate::wire::voip_metrics::VoipMetrics;

/// The most that the jitter buffer waits for a packet ([`super::delay`]), ms.
const BUFFER_MOST_MS: u16 = 500;

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

/// What a codec with its concealment costs (ITU-T G.113).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// Without loss.
    pub equipment: f32,
    /// Robustness against loss.
    pub robustness: f32,
}

impl Impairment {
    /// As published: G.711 with concealment in G.113 (table I.2); narrow-band Opus at its best rate in the measurements of
    /// Al-Ahmadi et al., 2021. Of G.722 the lower band is heard, for which nothing is published on the scale of 8 kHz: taken as
    /// G.711, a waveform codec concealed in the same way.
    pub fn of(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu | Codec::Pcma | Codec::G722 => Self { equipment: 0.0, robustness: 25.1 },
            Codec::Opus => Self { equipment: 2.0, robustness: 16.0 },
        }
    }
}

/// Transmission rating with all defaults of G.107.
const R_DEFAULT: f32 = 93.2;

/// Transmission rating, 0 to 100, for a one-way delay (mouth to ear, ms), a share of lost packets (0 to 1), and how far losses
/// are from random (`BurstR`, 1 or more).
pub fn rating(codec: Codec, one_way_ms: f32, loss: f32, burst_ratio: f32) -> f32 {
    let late = (one_way_ms - 177.3).max(0.0);
    let delay = 0.024 * one_way_ms.max(0.0) + 0.11 * late;
    let percent = 100.0 * loss.clamp(0.0, 1.0);
    let Impairment { equipment, robustness } = Impairment::of(codec);
    let effective = equipment + (95.0 - equipment) * percent / (percent / burst_ratio.max(1.0) + robustness);
    (R_DEFAULT - delay - effective).clamp(0.0, 100.0)
}

/// Mean opinion score, 1 to 4.5, of a rating (G.107 annex B).
pub fn mean_opinion_score(rating: f32) -> f32 {
    let rating = rating.clamp(0.0, 100.0);
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).clamp(1.0, 4.5)
}

/// A share of 0 to 1 in 1/256.
fn share(part: u64, whole: u64) -> u8 {
    (part * 256).checked_div(whole).unwrap_or(0).min(255) as u8
}

fn whole_ms(ms: f32) -> u16 {
    ms.clamp(0.0, f32::from(u16::MAX)) as u16
}

/// What is told of a stream where VoIP metrics are asked for (RFC 3611 4.7), without the source that it is about.
pub fn voip_metrics(codec: Codec, figures: &QualityFigures, bursts: &BurstFigures) -> VoipMetrics {
    let expected = figures.received + figures.lost;
    let missing = (figures.lost + figures.late) as f32 / expected.max(1) as f32;
    let end_system = figures.buffer_ms + 2.0 * FRAME_MS as f32;
    let one_way = figures.round_trip_ms.unwrap_or(0.0) / 2.0 + end_system;
    let score = |rating| (10.0 * mean_opinion_score(rating)).round() as u8;
    let conversation = rating(codec, one_way, missing, bursts.ratio);
    VoipMetrics {
        lost: share(figures.lost, expected),
        discarded: share(figures.late, expected),
        burst_density: bursts.burst_density,
        gap_density: bursts.gap_density,
        burst_ms: bursts.burst_ms,
        gap_ms: bursts.gap_ms,
        round_trip_ms: whole_ms(figures.round_trip_ms.unwrap_or(0.0)),
        end_system_ms: whole_ms(end_system),
        rating: Some(conversation as u8),
        listening: Some(score(rating(codec, 0.0, missing, bursts.ratio))),
        conversation: Some(score(conversation)),
        buffer_ms: whole_ms(figures.buffer_ms),
        buffer_most_ms: BUFFER_MOST_MS,
        ..VoipMetrics::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(one_way_ms: f32, loss: f32) -> f32 {
        mean_opinion_score(rating(Codec::Pcma, one_way_ms, loss, 1.0))
    }

    #[test]
    fn codecs_and_bursts_count() {
        let at = |codec, loss, ratio| rating(codec, 50.0, loss, ratio);
        assert!((at(Codec::Pcmu, 0.0, 1.0) - 92.0).abs() < 0.01);
        assert_eq!(at(Codec::Pcmu, 0.0, 1.0) - at(Codec::Opus, 0.0, 1.0), 2.0);
        // 2 %: 95 * 2 / (2 / BurstR + 25.1).
        for (ratio, cost) in [(1.0, 7.01), (2.0, 7.28), (0.1, 7.01)] {
            let given = at(Codec::Pcmu, 0.0, 1.0) - at(Codec::Pcmu, 0.02, ratio);
            assert!((given - cost).abs() < 0.01, "{ratio}: {given}");
        }
    }

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
            let given = scored(delay, loss);
            assert!((given - score).abs() < 0.1, "{delay} ms, {loss}: {given}, expected {score}");
        }
    }

    #[test]
    fn worse_is_never_better() {
        for n in 0..100 {
            let loss = n as f32 / 100.0;
            assert!(scored(60.0, loss + 0.01) <= scored(60.0, loss));
            assert!(scored(n as f32 * 10.0 + 10.0, 0.02) <= scored(n as f32 * 10.0, 0.02));
        }
        assert!((1.0..=4.5).contains(&scored(f32::MAX, 9.0)));
    }
}
