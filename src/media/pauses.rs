//! Pauses of our own that are not sent frame by frame (discontinuous transmission): when one begins and ends, and which packets
//! say so.
//!
//! RFC 3389: at the beginning a packet of comfort noise, then one where the level has changed, and one at the latest after 400 ms,
//! which also keeps routers and the other side's patience. Its level only; the spectrum (section 3) is left out, which is white
//! noise. Of Opus the same packets hold no audio (RFC 6716 3.1), and the noise is the decoder's own. Not here: whether it was
//! agreed ([`super::negotiate`]), and the noise that people hear ([`super::comfort`]).

use super::codec::Codec;
use crate::audio::frame::{FRAME_MS, Frame};
use crate::audio::{loudness, opus};

/// A frame below this is quiet, dBov: what a good room leaves between two sentences, and less than the softest consonant.
const QUIET_DBOV: f32 = -55.0;
/// So much quiet is sent as audio before a pause begins: words end softly, and the decoder of Opus learns the noise from it.
const HANGOVER_FRAMES: u32 = 200 / FRAME_MS;
/// The next packet of a pause, where the level has changed and where it has not.
const SOONEST_FRAMES: u32 = 200 / FRAME_MS;
const LATEST_FRAMES: u32 = 400 / FRAME_MS;
/// A change of level that is told, dB.
const CHANGE_DB: f32 = 3.0;
/// Weight of the newest frame in the level.
const NEWEST: f32 = 0.2;
/// Softest level that a packet can name, -dBov.
const SOFTEST: f32 = 127.0;

/// How pauses are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Means {
    /// As audio.
    #[default]
    Audio,
    /// RFC 3389.
    ComfortNoise,
    /// Packets of Opus without audio.
    Empty,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is sent.
    Audio,
    /// A packet of the pause is sent in its place: [`Pauses::take`].
    Pause,
    /// Nothing is sent.
    Nothing,
}

/// The pauses of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pauses {
    means: Means,
    /// Quiet frames in a row.
    quiet: u32,
    /// Their level, dBov.
    level: f32,
    /// Level that was told last, and frames since.
    told: Option<(f32, u32)>,
    /// The one byte of a packet that is to be sent.
    due: Option<u8>,
}

impl Pauses {
    /// Another agreement; nothing is paused.
    pub fn agree(&mut self, agreed: bool, codec: Codec) {
        let means = match codec {
            _ if !agreed => Means::Audio,
            Codec::Pcmu | Codec::Pcma | Codec::G722 => Means::ComfortNoise,
            Codec::Opus => Means::Empty,
        };
        *self = Self { means, ..Self::default() };
    }

    /// Whether packets of comfort noise were agreed.
    pub fn is_noise(&self) -> bool {
        self.means == Means::ComfortNoise
    }

    /// Something else is sent, or nothing may be: the next pause begins anew.
    pub fn end(&mut self) {
        *self = Self { means: self.means, ..Self::default() };
    }

    /// The next frame.
    pub fn push(&mut self, frame: &Frame) -> Sent {
        if self.means == Means::Audio {
            return Sent::Audio;
        }
        let level = loudness::dbfs(&frame.0);
        if level >= QUIET_DBOV {
            self.end();
            return Sent::Audio;
        }
        self.level = if self.quiet == 0 { level } else { self.level + NEWEST * (level - self.level) };
        self.quiet = self.quiet.saturating_add(1);
        if self.quiet <= HANGOVER_FRAMES {
            return Sent::Audio;
        }
        let due = match self.told {
            None => true,
            Some((told, since)) => {
                since + 1 >= LATEST_FRAMES || (since + 1 >= SOONEST_FRAMES && (self.level - told).abs() >= CHANGE_DB)
            }
        };
        if due {
            self.told = Some((self.level, 0));
            self.due = Some(match self.means {
                Means::Audio | Means::ComfortNoise => (-self.level).clamp(0.0, SOFTEST).round() as u8,
                Means::Empty => opus::NOTHING,
            });
            return Sent::Pause;
        }
        self.told = self.told.map(|(told, since)| (told, since + 1));
        Sent::Nothing
    }

    /// Whether a packet of the pause is to be sent.
    pub fn is_due(&self) -> bool {
        self.due.is_some()
    }

    /// Payload of that packet.
    pub fn take(&mut self) -> Option<[u8; 1]> {
        self.due.take().map(|byte| [byte])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every other sample up, every other down: `level` is exact.
    fn at(level: f32) -> Frame {
        let height = (32_768.0 * 10f32.powf(level / 20.0)) as i16;
        let mut frame = Frame::SILENCE;
        frame.0.iter_mut().enumerate().for_each(|(n, sample)| *sample = if n % 2 == 0 { height } else { -height });
        frame
    }

    /// Number of each frame that is not sent as audio, with the byte sent in its place.
    fn run(codec: Codec, level: impl Fn(u32) -> f32, frames: u32) -> Vec<(u32, Option<u8>)> {
        let mut pauses = Pauses::default();
        pauses.agree(true, codec);
        let mut all = Vec::new();
        for n in 0..frames {
            let sent = pauses.push(&at(level(n)));
            let byte = pauses.take().map(|[byte]| byte);
            assert_eq!(sent == Sent::Pause, byte.is_some());
            if sent != Sent::Audio {
                all.push((n, byte));
            }
        }
        all
    }

    #[test]
    fn a_pause_is_told_at_its_beginning_and_every_400_ms() {
        // A sentence, 2 s of a quiet room, a sentence.
        let level = |n| if (50..150).contains(&n) { -62.0 } else { -20.0 };
        let all = run(Codec::Pcma, level, 200);
        assert_eq!((all[0].0, all.len()), (60, 90), "after 200 ms of quiet, to its end");
        let told: Vec<_> = all.iter().filter_map(|&(n, byte)| Some((n, byte?))).collect();
        assert_eq!(told, [(60, 62), (80, 62), (100, 62), (120, 62), (140, 62)]);
        let told: Vec<_> = run(Codec::Opus, level, 200).into_iter().filter_map(|(_, byte)| byte).collect();
        assert_eq!(told, [opus::NOTHING; 5]);
    }

    #[test]
    fn another_level_is_told_sooner_but_not_at_once() {
        let all = run(Codec::Pcmu, |n| if n < 65 { -72.0 } else { -60.0 }, 100);
        let told: Vec<_> = all.into_iter().filter_map(|(n, byte)| Some((n, byte?))).collect();
        // The change is heard in its second frame; 200 ms later the rest of it is told, and 400 ms after that what has not changed.
        assert_eq!(told.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [10, 30, 50, 66, 76, 96]);
        assert_eq!(told.first().map(|(_, byte)| *byte), Some(72));
        assert!(told.last().is_some_and(|(_, byte)| (60..63).contains(byte)), "{told:?}");
    }

    #[test]
    fn short_quiet_softest_silence_and_no_agreement() {
        assert_eq!(run(Codec::Pcma, |n| if n % 12 < 10 { -100.0 } else { -30.0 }, 600), []);
        assert_eq!(run(Codec::Pcma, |_| -54.0, 600), []);
        assert_eq!(run(Codec::Pcma, |_| -200.0, 11), [(10, Some(100))], "silence is named as loudness does");
        let mut pauses = Pauses::default();
        pauses.agree(false, Codec::Pcma);
        assert!((0..600).all(|_| pauses.push(&Frame::SILENCE) == Sent::Audio));
    }
}
