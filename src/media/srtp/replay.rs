//! Which packet a sequence number stands for (RFC 3711 3.3.1), and whether it came before (3.3.2, Appendix A): a window
//! of 64 packets. Nothing here is changed by a packet whose tag has not been checked.

/// Packets that may still come behind the newest.
pub const WINDOW: u64 = 64;
/// Packet indices have 48 bits; a stream that is so long needs another key.
const LAST_INDEX: u64 = (1 << 48) - 1;

/// One source's packets so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// The newest index, once there is one.
    newest: Option<u64>,
    /// Bit n: the packet n before the newest came.
    seen: u64,
}

impl Replay {
    /// The index (rollover counter and sequence number) that is nearest to the newest. `None` where it would be before the
    /// first packet, or past the last that a key may have.
    pub fn estimate(&self, sequence: u16) -> Option<u64> {
        match self.newest {
            None => Some(u64::from(sequence)),
            Some(newest) => {
                let step = i64::from(sequence.wrapping_sub(newest as u16).cast_signed());
                newest.checked_add_signed(step).filter(|index| *index <= LAST_INDEX)
            }
        }
    }

    /// True for a packet that has not come and is not behind the window.
    pub fn is_fresh(&self, index: u64) -> bool {
        match self.newest {
            None => true,
            Some(newest) if index > newest => true,
            Some(newest) => {
                let age = newest - index;
                age < WINDOW && self.seen & (1 << age) == 0
            }
        }
    }

    /// The packet's tag was right.
    pub fn accept(&mut self, index: u64) {
        match self.newest {
            Some(newest) if index <= newest => {
                if let Some(bit) = 1u64.checked_shl((newest - index).min(WINDOW) as u32) {
                    self.seen |= bit;
                }
            }
            newest => {
                let step = newest.map_or(WINDOW, |newest| index - newest);
                self.seen = self.seen.checked_shl(step.min(WINDOW) as u32).unwrap_or(0) | 1;
                self.newest = Some(index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_roll_over_and_back() {
        let mut replay = Replay::default();
        let mut indices = Vec::new();
        for sequence in [65_534, 65_535, 1, 0, 65_533, 2, 32_768, 65_000, 5] {
            let index = replay.estimate(sequence).unwrap();
            if replay.is_fresh(index) {
                replay.accept(index);
            }
            indices.push(index);
        }
        let roll = 65_536;
        assert_eq!(
            indices,
            [65_534, 65_535, roll + 1, roll, 65_533, roll + 2, roll + 32_768, roll + 65_000, 2 * roll + 5]
        );
    }

    #[test]
    fn before_the_first_and_past_the_last_there_is_nothing() {
        let mut replay = Replay::default();
        replay.accept(3);
        assert_eq!(replay.estimate(65_530), None);
        let mut replay = Replay::default();
        replay.accept(LAST_INDEX - 1);
        assert_eq!(replay.estimate(0xffff), Some(LAST_INDEX));
        assert_eq!(replay.estimate(0), None);
    }

    #[test]
    fn each_packet_once_and_within_the_window() {
        // Fed in this order: fresh or not.
        let table = [
            (100, true),
            (100, false),
            (163, true),
            (100, false),
            (101, true),
            (99, false),
            (164, true),
            (100, false),
            (101, false),
            (102, true),
            (164 + 64, true),
            (164, false),
            (165, true),
            (1000, true),
            (937, true),
            (936, false),
        ];
        let mut replay = Replay::default();
        for (step, (index, fresh)) in table.into_iter().enumerate() {
            assert_eq!(replay.is_fresh(index), fresh, "step {step}: {index}");
            if fresh {
                replay.accept(index);
            }
        }
    }

    #[test]
    fn like_a_set_of_all_that_came() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut replay = Replay::default();
        let mut all = std::collections::BTreeSet::new();
        let mut at = 40_000u64;
        for _ in 0..100_000 {
            at += random.u64(..3);
            let index = at - random.u64(..100);
            let newest = all.last().copied();
            let fresh = !all.contains(&index) && newest.is_none_or(|newest: u64| index + WINDOW > newest);
            assert_eq!(replay.is_fresh(index), fresh, "{index} behind {newest:?}");
            assert!(newest.is_none() || replay.estimate(index as u16) == Some(index));
            if fresh {
                replay.accept(index);
                all.insert(index);
            }
        }
    }
}
