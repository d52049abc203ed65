//! How a call sounds over a bad network, by our own jitter buffer, concealment and figures.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tingwa::audio::frame::Frame;
use tingwa::media::codec::Codec;
use tingwa::media::negotiate::{self, LocalMedia};
use tingwa::media::quality::{mean_opinion_score, rating};
use tingwa::media::stream::{Input, Output, Stream, StreamConfig};

use super::network::{Conditions, Network};
use super::signal;

/// Delay that no stream can be without: the network's, and a packet and a frame of 20 ms.
const LEAST_MS: f32 = 40.0;

fn stream(negotiated: negotiate::Negotiated, now: Instant) -> Stream {
    let patience = Duration::from_secs(60);
    Stream::new(StreamConfig { negotiated, peer: None, cname: "x".to_owned(), seed: 3, patience }, now)
}

/// What came of `seconds` of speech in one codec over this network.
struct Outcome {
    /// The score of the far end's stream, delay and late packets in it.
    score: f32,
    /// The best that the E-model gives for what the network lost, with no other delay than it must have.
    bound: f32,
    lost: f32,
    /// Share of frames that were concealed in whole or in part.
    concealed: f32,
    buffer_ms: f32,
}

fn talk(codec: Codec, conditions: Conditions, seconds: u64) -> Outcome {
    let now = Instant::now();
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    let mut ours = LocalMedia::new(address("192.0.2.1:4000"), 1);
    let mut theirs = LocalMedia::new(address("192.0.2.2:5000"), 2);
    (ours.codecs, theirs.codecs) = (vec![codec], vec![codec]);
    let offer = negotiate::offer(&mut ours);
    let (agreed, answer) = negotiate::answer(&offer, &mut theirs).unwrap();
    let mut to = stream(agreed, now);
    let mut from = stream(negotiate::accept(&answer, &mut ours).unwrap(), now);
    let mut network = Network::new(conditions, 7);
    let speech = signal::voice(5, seconds * 1000);
    let (mut way, mut sent, mut lost) = (Vec::new(), 0u32, 0u32);
    for ms in 0..seconds * 1000 {
        let at = now + Duration::from_millis(ms);
        if ms % 20 == 0 {
            let frame = Frame::from_slice(&speech[ms as usize * 8..][..160]);
            from.handle(at, Input::Send(&frame));
            while let Some(output) = from.poll() {
                if let Output::Transmit { datagram, .. } = output {
                    sent += 1;
                    match network.pass() {
                        Some(delay) => way.push((at + delay, datagram)),
                        None => lost += 1,
                    }
                }
            }
        }
        way.sort_by_key(|(due, _)| *due);
        let arrived = way.partition_point(|(due, _)| *due <= at);
        for (_, datagram) in way.drain(..arrived) {
            to.handle(at, Input::Rtp { from: address("192.0.2.1:4000"), bytes: datagram.as_bytes() });
            while to.poll().is_some() {}
        }
        if ms % 20 == 13 {
            to.pull(at);
        }
    }
    let figures = to.quality();
    let share = lost as f32 / sent as f32;
    Outcome {
        score: figures.mos,
        bound: mean_opinion_score(rating(codec, LEAST_MS, share, 1.0)),
        lost: share,
        concealed: figures.concealed as f32 / sent as f32,
        buffer_ms: figures.buffer_ms,
    }
}

#[test]
fn two_per_cent_in_bursts_and_20_ms_of_jitter_cost_little_more_than_they_must() {
    for codec in [Codec::Pcma, Codec::Opus] {
        for burst in [1.0, 2.0, 4.0] {
            let conditions = Conditions { loss: 2.0, burst, jitter_ms: 20, ..Conditions::default() };
            let Outcome { score, bound, lost, concealed, buffer_ms } = talk(codec, conditions, 60);
            let name = format!("{codec:?}, bursts of {burst}: {score:.2} of {bound:.2}, lost {lost:.3}");
            assert!((0.005..0.05).contains(&lost), "{name}");
            assert!(bound - score < 0.3, "{name}, buffer {buffer_ms} ms");
            assert!(buffer_ms <= 30.0, "{name}, buffer {buffer_ms} ms");
            // A lost packet lies across two frames.
            assert!(concealed < 2.0 * lost + 0.05, "{name}, {concealed:.3} concealed");
        }
    }
}
