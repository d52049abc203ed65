//! What happens to a datagram on its way: delay, jitter (and so reordering), loss, all from a seed.

use std::time::Duration;

/// How bad the network is.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    pub delay_ms: u64,
    pub jitter_ms: u64,
    /// Lost, per cent.
    pub loss: f64,
    /// How many are lost in a row, on average (a chain of Gilbert's); below 2 each is lost on its own.
    pub burst: f64,
    /// Packets of the caller stop altogether from this moment on, ms.
    pub caller_dead_from_ms: u64,
    /// Packets of agents stop altogether from this moment on, ms.
    pub agent_dead_from_ms: u64,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            delay_ms: 10,
            jitter_ms: 0,
            loss: 0.0,
            burst: 1.0,
            caller_dead_from_ms: u64::MAX,
            agent_dead_from_ms: u64::MAX,
        }
    }
}

pub struct Network {
    pub conditions: Conditions,
    random: fastrand::Rng,
    in_burst: bool,
}

impl Network {
    pub fn new(conditions: Conditions, seed: u64) -> Self {
        Self { conditions, random: fastrand::Rng::with_seed(seed), in_burst: false }
    }

    /// When a datagram arrives, if it does.
    pub fn pass(&mut self) -> Option<Duration> {
        if self.is_lost() {
            return None;
        }
        let jitter =
            if self.conditions.jitter_ms == 0 { 0 } else { self.random.u64(0..=self.conditions.jitter_ms * 1000) };
        Some(Duration::from_micros(self.conditions.delay_ms * 1000 + jitter))
    }

    fn is_lost(&mut self) -> bool {
        let Conditions { loss, burst, .. } = self.conditions;
        let chance = loss / 100.0;
        if burst < 2.0 {
            return self.random.f64() < chance;
        }
        // Leaves a burst after `burst` packets, enters one so often that `loss` of all are lost.
        let turns = if self.in_burst { 1.0 / burst } else { chance / (1.0 - chance) / burst };
        self.in_burst ^= self.random.f64() < turns;
        self.in_burst
    }
}
