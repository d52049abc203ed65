//! Packets as long as the other side asks for (10 to 60 ms, RFC 8866 6.4), out of frames of 20 ms. Nothing is allocated for a
//! packet; what does not fill one waits for the next frame.
//!
//! The clock of a call is 20 ms: of packets of 10 ms two go out at once, and those of 30 and 50 ms are up to 10 ms early or
//! late. Opus knows 10, 20, 40 and 60 ms (RFC 6716 2.1.4) and sends the longest of them that does not exceed what is asked.

use super::codec::{Codec, LONGEST, Writer};
use crate::audio::frame::{FRAME_SAMPLES, Frame};
use crate::audio::resample::Upsampler8To16;
use crate::wire::rtp::Timestamp;

/// Packet times that are sent, ms.
pub const PTIME_RANGE: std::ops::RangeInclusive<u32> = 10..=60;
/// Samples that may wait, at 16 kHz: the longest packet and a frame.
const ROOM: usize = (60 + 20) * 16;

/// The frames that wait, and what makes payloads of them.
pub struct Packer {
    writer: Writer,
    widen: Upsampler8To16,
    samples: [i16; ROOM],
    held: usize,
    /// Stamp of the first sample that waits, at 8 kHz.
    stamp: Timestamp,
    ptime_ms: u32,
}

impl Packer {
    /// Nothing waits.
    pub fn new(codec: Codec) -> Self {
        Self {
            writer: Writer::new(codec),
            widen: Upsampler8To16::new(),
            samples: [0; ROOM],
            held: 0,
            stamp: Timestamp(0),
            ptime_ms: 20,
        }
    }

    /// Another agreement. What waits goes out in packets of the new kind, or with another codec not at all.
    pub fn agree(&mut self, codec: Codec, ptime_ms: u32) {
        if codec != self.codec() {
            *self = Self::new(codec);
        }
        self.ptime_ms = packet_ms(codec, ptime_ms);
    }

    /// What it writes.
    pub fn codec(&self) -> Codec {
        self.writer.codec()
    }

    /// Samples that the codec takes for one of 8 kHz.
    fn width(&self) -> usize {
        if self.writer.is_wide() { 2 } else { 1 }
    }

    /// Takes in 20 ms that begin at `stamp`. Take packets by [`Self::next`] until there is none.
    pub fn push(&mut self, stamp: Timestamp, frame: &Frame) {
        let length = FRAME_SAMPLES * self.width();
        if self.held + length > ROOM {
            self.held = 0;
        }
        if self.held == 0 {
            self.stamp = stamp;
        }
        let room = &mut self.samples[self.held..self.held + length];
        if self.writer.is_wide() {
            self.widen.process_slice(&frame.0, room);
        } else {
            room.copy_from_slice(&frame.0);
        }
        self.held += length;
    }

    /// The next payload that is full, or, with `rest`, the last one that is not: its stamp, and its length in `payload`.
    pub fn next(&mut self, rest: bool, payload: &mut [u8; LONGEST]) -> Option<(Timestamp, usize)> {
        let full = self.ptime_ms as usize * 8 * self.width();
        let samples = if self.held >= full { full } else { self.held };
        if samples == 0 || (samples < full && !rest) {
            return None;
        }
        let stamp = self.stamp;
        let length = self.writer.encode(&self.samples[..samples], payload);
        self.samples.copy_within(samples..self.held, 0);
        self.held -= samples;
        self.stamp = stamp.add((samples / self.width()) as u32);
        Some((stamp, length))
    }

    /// What waits is not sent.
    pub fn clear(&mut self) {
        self.held = 0;
    }
}

/// How long packets of this codec are where `asked` is wished for, ms.
fn packet_ms(codec: Codec, asked: u32) -> u32 {
    let asked = asked.clamp(*PTIME_RANGE.start(), *PTIME_RANGE.end()) / 10 * 10;
    match codec {
        Codec::Pcmu | Codec::Pcma | Codec::G722 => asked,
        Codec::Opus => [60, 40, 20].into_iter().find(|&ms| ms <= asked).unwrap_or(10),
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::Reader;
    use super::*;
    use crate::audio::loudness;

    fn tone(n: u32) -> Frame {
        let mut frame = Frame::SILENCE;
        for (i, sample) in frame.0.iter_mut().enumerate() {
            let t = (n * 160 + i as u32) as f32 / 8000.0;
            *sample = (8000.0 * (t * 400.0 * std::f32::consts::TAU).sin()) as i16;
        }
        frame
    }

    #[test]
    fn every_codec_in_every_packet_time() {
        for codec in Codec::ALL {
            for asked in [0, 10, 20, 30, 40, 50, 60, 200] {
                let (mut packer, mut reader) = (Packer::new(codec), Reader::new(codec));
                packer.agree(codec, asked);
                let ms = packet_ms(codec, asked);
                assert!(PTIME_RANGE.contains(&ms) && (ms <= asked || asked < 10));
                let (mut next, mut packets) = (Timestamp(7), 0);
                for n in 0..60 {
                    packer.push(Timestamp(7 + 160 * n), &tone(n));
                    let mut payload = [0; LONGEST];
                    while let Some((stamp, length)) = packer.next(false, &mut payload) {
                        assert_eq!(stamp, next, "{codec:?} {asked}");
                        let mut samples = [0; 960];
                        let decoded = reader.decode(&payload[..length], &mut samples);
                        assert_eq!(decoded as u32, ms * 8, "{codec:?} {asked}");
                        let level = loudness::dbfs(&samples[..decoded]);
                        assert!(packets < 10 || (-18.0..-12.0).contains(&level), "{codec:?} {asked}: {level}");
                        next = next.add(ms * 8);
                        packets += 1;
                    }
                }
                assert_eq!(packets, 1200 / ms, "{codec:?} {asked}");
            }
        }
    }

    #[test]
    fn the_rest_goes_out_before_something_else() {
        let mut packer = Packer::new(Codec::Pcma);
        packer.agree(Codec::Pcma, 30);
        let mut payload = [0; LONGEST];
        packer.push(Timestamp(0), &tone(0));
        assert_eq!(packer.next(false, &mut payload), None);
        packer.push(Timestamp(160), &tone(1));
        assert_eq!(packer.next(true, &mut payload), Some((Timestamp(0), 240)));
        assert_eq!(packer.next(true, &mut payload), Some((Timestamp(240), 80)));
        assert_eq!(packer.next(true, &mut payload), None);
        packer.push(Timestamp(9000), &tone(2));
        packer.clear();
        packer.push(Timestamp(10_000), &tone(3));
        assert_eq!(packer.next(true, &mut payload), Some((Timestamp(10_000), 160)));
    }
}
