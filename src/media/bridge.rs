//! Who hears whom in a call. Frames in, frames out; nobody hears themselves.
//!
//! The bot has two mouths, one towards the caller (prompts, music) and one towards the agent (briefing): each always reaches
//! its own listener. Its ears are the recogniser, which hears the caller's stream and not a mix.

use crate::audio::frame::Frame;
use crate::audio::mix;

/// Somebody in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// The customer.
    Caller,
    /// Our automatic side.
    Bot,
    /// A human who takes the call.
    Agent,
    /// A human who listens in.
    Supervisor,
}

impl Party {
    /// Everybody.
    pub const ALL: [Self; 4] = [Self::Caller, Self::Bot, Self::Agent, Self::Supervisor];
}

/// How caller and agent stand to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrangement {
    /// The caller and the bot talk.
    #[default]
    BotAlone,
    /// The caller hears music, the agent the briefing; they do not hear each other.
    Briefing,
    /// The caller hears what comes before a telephone is answered, a PBX's announcement for one (RFC 3960), and no music.
    EarlyMedia,
    /// Caller and agent talk.
    Bridged,
}

/// What a supervisor does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Supervision {
    /// There is none.
    #[default]
    Absent,
    /// Hears everybody, is heard by nobody.
    Listen,
    /// Is heard by the agent.
    Whisper,
    /// Is heard by agent and caller.
    Barge,
}

/// What was said in these 20 ms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spoken {
    /// By the caller.
    pub caller: Frame,
    /// By the agent.
    pub agent: Frame,
    /// By the supervisor.
    pub supervisor: Frame,
    /// By the bot to the caller.
    pub bot_to_caller: Frame,
    /// By the bot to the agent.
    pub bot_to_agent: Frame,
}

/// What each shall hear in these 20 ms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The caller.
    pub caller: Frame,
    /// The agent.
    pub agent: Frame,
    /// The supervisor.
    pub supervisor: Frame,
}

/// The matrix of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bridge {
    arrangement: Arrangement,
    supervision: Supervision,
}

impl Bridge {
    /// Caller and bot, nobody else.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes how caller and agent stand.
    pub fn arrange(&mut self, arrangement: Arrangement) {
        self.arrangement = arrangement;
    }

    /// Changes what the supervisor does.
    pub fn supervise(&mut self, supervision: Supervision) {
        self.supervision = supervision;
    }

    /// What the supervisor does.
    pub fn supervision(&self) -> Supervision {
        self.supervision
    }

    /// How caller and agent stand.
    pub fn arrangement(&self) -> Arrangement {
        self.arrangement
    }

    /// Whether `listener` hears `speaker` now.
    pub fn hears(&self, listener: Party, speaker: Party) -> bool {
        use Party::{Agent, Bot, Caller, Supervisor};
        match (listener, speaker) {
            (Caller, Caller) | (Bot, Bot) | (Agent, Agent) | (Supervisor, Supervisor) => false,
            (Caller, Bot) => self.arrangement != Arrangement::EarlyMedia,
            (Agent, Bot) => true,
            (Caller, Agent) => matches!(self.arrangement, Arrangement::EarlyMedia | Arrangement::Bridged),
            (Agent, Caller) => self.arrangement == Arrangement::Bridged,
            (Bot, Caller | Agent) => self.arrangement != Arrangement::Bridged,
            (Bot, Supervisor) => false,
            (Supervisor, Caller | Bot | Agent) => self.supervision != Supervision::Absent,
            (Agent, Supervisor) => matches!(self.supervision, Supervision::Whisper | Supervision::Barge),
            (Caller, Supervisor) => self.supervision == Supervision::Barge,
        }
    }

    /// Mixes for every listener.
    pub fn mix(&self, spoken: &Spoken) -> Heard {
        Heard {
            caller: self.mix_for(Party::Caller, spoken),
            agent: self.mix_for(Party::Agent, spoken),
            supervisor: self.mix_for(Party::Supervisor, spoken),
        }
    }

    fn mix_for(&self, listener: Party, spoken: &Spoken) -> Frame {
        let voices = Party::ALL.into_iter().filter(|&speaker| self.hears(listener, speaker));
        mix::sum(voices.flat_map(|speaker| mouths(listener, speaker, spoken).into_iter().flatten()))
    }
}

/// The frames in which `listener` hears `speaker`.
fn mouths(listener: Party, speaker: Party, spoken: &Spoken) -> [Option<&Frame>; 2] {
    match (speaker, listener) {
        (Party::Caller, _) => [Some(&spoken.caller), None],
        (Party::Agent, _) => [Some(&spoken.agent), None],
        (Party::Supervisor, _) => [Some(&spoken.supervisor), None],
        (Party::Bot, Party::Caller) => [Some(&spoken.bot_to_caller), None],
        (Party::Bot, Party::Agent) => [Some(&spoken.bot_to_agent), None],
        (Party::Bot, Party::Supervisor) => [Some(&spoken.bot_to_caller), Some(&spoken.bot_to_agent)],
        (Party::Bot, Party::Bot) => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each voice is a number of its own, so that a sum names who was heard.
    fn spoken() -> Spoken {
        Spoken {
            caller: Frame([1; 160]),
            agent: Frame([10; 160]),
            supervisor: Frame([100; 160]),
            bot_to_caller: Frame([1000; 160]),
            bot_to_agent: Frame([10_000; 160]),
        }
    }

    #[test]
    fn who_hears_whom() {
        use Arrangement::{BotAlone, Bridged, Briefing, EarlyMedia};
        use Supervision::{Absent, Barge, Listen, Whisper};
        // Heard by caller, agent, supervisor.
        let table = [
            (BotAlone, Absent, [1000, 10_000, 0]),
            (BotAlone, Listen, [1000, 10_000, 11_011]),
            (BotAlone, Barge, [1100, 10_100, 11_011]),
            (Briefing, Absent, [1000, 10_000, 0]),
            (Briefing, Whisper, [1000, 10_100, 11_011]),
            (EarlyMedia, Absent, [10, 10_000, 0]),
            (Bridged, Absent, [1010, 10_001, 0]),
            (Bridged, Listen, [1010, 10_001, 11_011]),
            (Bridged, Whisper, [1010, 10_101, 11_011]),
            (Bridged, Barge, [1110, 10_101, 11_011]),
        ];
        for (arrangement, supervision, [caller, agent, supervisor]) in table {
            let mut bridge = Bridge::new();
            bridge.arrange(arrangement);
            bridge.supervise(supervision);
            let heard = bridge.mix(&spoken());
            let expected = Heard {
                caller: Frame([caller; 160]),
                agent: Frame([agent; 160]),
                supervisor: Frame([supervisor; 160]),
            };
            assert_eq!(heard, expected, "{arrangement:?} {supervision:?}");
            for party in Party::ALL {
                assert!(!bridge.hears(party, party));
            }
        }
    }

    #[test]
    fn loud_voices_saturate() {
        let mut bridge = Bridge::new();
        bridge.arrange(Arrangement::Bridged);
        bridge.supervise(Supervision::Barge);
        let loud = Frame([30_000; 160]);
        let spoken = Spoken { agent: loud.clone(), supervisor: loud.clone(), bot_to_caller: loud, ..Spoken::default() };
        assert_eq!(bridge.mix(&spoken).caller, Frame([i16::MAX; 160]));
    }
}
