//! The cheap gate: on a line that is truly silent (digital silence, comfort noise) the model need not run.
//!
//! It knows levels only. A neural gate (earshot 1.2.2) was measured in its place: 22 us a frame where the model itself costs
//! 40, and it delayed the first window of speech by 64 ms in one utterance of twenty; so it is not here.

use crate::audio::frame::{FRAME_MS, WideFrame};
use crate::audio::loudness;

/// How the gate opens and closes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateConfig {
    /// Level of a frame from which it opens, dBFS. Far below any speech: what it keeps out is never heard.
    pub open_from_dbfs: f32,
    /// It stays open for so long after the last such frame, ms.
    pub hold_ms: u32,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self { open_from_dbfs: -62.0, hold_ms: 480 }
    }
}

/// One caller's gate.
#[derive(Clone, Debug)]
pub struct Gate {
    config: GateConfig,
    open_left_ms: u32,
}

impl Gate {
    /// A closed gate.
    pub fn new(config: GateConfig) -> Self {
        Self { config, open_left_ms: 0 }
    }

    /// Takes 20 ms in; true while open.
    pub fn hear(&mut self, frame: &WideFrame) -> bool {
        self.open_left_ms = self.open_left_ms.saturating_sub(FRAME_MS);
        if loudness::dbfs(&frame.0) >= self.config.open_from_dbfs {
            self.open_left_ms = self.config.hold_ms;
        }
        self.open_left_ms > 0
    }

    /// Closes until the next frame that opens it.
    pub fn shut(&mut self) {
        self.open_left_ms = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_at_once_and_closes_late() {
        let mut gate = Gate::new(GateConfig { open_from_dbfs: -62.0, hold_ms: 60 });
        // The idle pattern of A-law decodes to 8.
        let (idle, whisper) = (WideFrame([8; 320]), WideFrame([60; 320]));
        let heard: Vec<bool> = [&idle, &whisper, &idle, &idle, &idle, &whisper].map(|f| gate.hear(f)).into();
        assert_eq!(heard, [false, true, true, true, false, true]);
        gate.shut();
        assert!(!gate.hear(&idle) && gate.hear(&whisper));
    }
}
