//! The cheap gate: earshot on 16 ms of 16 kHz, opened at a low score and kept open for a while.

use crate::audio::frame::{FRAME_MS, WideFrame};

const WINDOW: usize = 256;

/// How the gate opens and closes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateConfig {
    /// Score, 0 to 1, from which it opens. Speech scores 0.64 and more for nine tenths of its time; line noise up to
    /// -45 dBFS stays below 0.48, louder noise opens the gate and is left to the model.
    pub open_from: f32,
    /// It stays open for so long after the last such score, ms.
    pub hold_ms: u32,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self { open_from: 0.45, hold_ms: 480 }
    }
}

/// One caller's gate.
pub struct Gate {
    config: GateConfig,
    detector: Box<earshot::Detector>,
    window: [i16; WINDOW],
    filled: usize,
    open_left_ms: u32,
    score: f32,
}

impl Gate {
    /// A closed gate.
    pub fn new(config: GateConfig) -> Self {
        let detector = Box::new(earshot::Detector::default());
        Self { config, detector, window: [0; WINDOW], filled: 0, open_left_ms: 0, score: 0.0 }
    }

    /// Takes 20 ms in; true while open.
    pub fn hear(&mut self, frame: &WideFrame) -> bool {
        self.open_left_ms = self.open_left_ms.saturating_sub(FRAME_MS);
        let mut rest = frame.0.as_slice();
        while !rest.is_empty() {
            let take = rest.len().min(WINDOW - self.filled);
            self.window[self.filled..self.filled + take].copy_from_slice(&rest[..take]);
            (self.filled, rest) = (self.filled + take, &rest[take..]);
            if self.filled == WINDOW {
                self.filled = 0;
                self.score = self.detector.predict_i16(&self.window);
                if self.score >= self.config.open_from {
                    self.open_left_ms = self.config.hold_ms;
                }
            }
        }
        self.open_left_ms > 0
    }

    /// The last score, 0 to 1.
    pub fn score(&self) -> f32 {
        self.score
    }
}
