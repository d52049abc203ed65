//! Keys as tones in the audio, both ways, for a stream on which no telephone event was agreed.

use std::collections::VecDeque;

use crate::audio::dtmf::{Detector, DigitSource};
use crate::audio::frame::Frame;

/// Keys that wait to be sent; more are dropped.
const QUEUE: usize = 32;

/// Both directions of one stream.
pub struct InBand {
    detector: Detector,
    queue: VecDeque<(char, u32)>,
    sounding: Option<DigitSource>,
}

impl Default for InBand {
    fn default() -> Self {
        Self { detector: Detector::new(), queue: VecDeque::with_capacity(QUEUE), sounding: None }
    }
}

impl InBand {
    /// Listens to received audio; a key when its press is certain.
    pub fn hear(&mut self, frame: &Frame) -> Option<char> {
        self.detector.push(frame)
    }

    /// Queues a key. False when it is none or too many wait.
    pub fn press(&mut self, digit: char, ms: u32) -> bool {
        let room = self.queue.len() < QUEUE && DigitSource::new(digit, ms).is_some();
        if room {
            self.queue.push_back((digit, ms));
        }
        room
    }

    /// True while a key sounds or waits.
    pub fn is_busy(&self) -> bool {
        self.sounding.is_some() || !self.queue.is_empty()
    }

    /// The frame to send in place of the call's audio while a key sounds.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.sounding.as_mut().and_then(DigitSource::next_frame) {
                return Some(frame);
            }
            self.sounding = None;
            let (digit, ms) = self.queue.pop_front()?;
            self.sounding = DigitSource::new(digit, ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sent_are_keys_heard() {
        let (mut from, mut to) = (InBand::default(), InBand::default());
        "11D#0".chars().for_each(|digit| assert!(from.press(digit, 80)));
        assert!(!from.press('x', 80));
        let mut heard = String::new();
        while let Some(frame) = from.next_frame() {
            heard.extend(to.hear(&frame));
        }
        assert_eq!(heard, "11D#0");
        assert_eq!((0..50).filter(|_| from.press('1', 80)).count(), QUEUE);
    }
}
