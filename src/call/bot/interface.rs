//! What a bot is made of, what can happen to it, and what it asks for.

use std::sync::Arc;
use std::time::Instant;

use crate::audio::frame::{Frame, WideFrame};
use crate::call::hearing::HearingConfig;
use crate::call::speaking::{self, Line, SpeakingConfig};
use crate::conversation::{Briefing, LlmReply, LlmRequest, LlmTerms, ToolReply, ToolRequest, Understanding};
use crate::dialplan::Plan;
use crate::dialplan::calendar::Moment;
use crate::ids::{SpeakId, UtteranceId};
use crate::journal::{Entry, RecogniserLoss, TransferFailure};
use crate::speech::{Hypothesis, Transcript, VoiceActivity};

/// How the bot listens and speaks. What a dialplan says of the same goes before it.
#[derive(Clone, Debug)]
pub struct BotConfig {
    /// The ear.
    pub hearing: HearingConfig,
    /// The mouth.
    pub speaking: SpeakingConfig,
    /// Caller speech over the bot that stops it, ms.
    pub barge_in_ms: u32,
    /// Silence of ours that counts as dead air, ms.
    pub dead_air_ms: u32,
    /// An utterance without text that is shorter than this was a noise, ms.
    pub noise_ms: u32,
    /// The language model that may be asked, where the dialplan says so.
    pub llm: Option<LlmTerms>,
    /// So many prompts in a row may fail to sound, and so often may air be dead, before a human is called.
    pub failures: u8,
}

impl Default for BotConfig {
    fn default() -> Self {
        Self {
            hearing: HearingConfig::default(),
            speaking: SpeakingConfig::default(),
            barge_in_ms: 200,
            dead_air_ms: 4_000,
            noise_ms: 700,
            llm: None,
            failures: 2,
        }
    }
}

/// What can happen to it.
#[derive(Debug)]
pub enum Input<'a> {
    /// The caller is on the line. Wall time and signals, for opening hours.
    Started(Moment),
    /// 20 ms of the caller, on arrival.
    Frame(&'a Frame),
    /// Voice activity of the caller.
    Voice(VoiceActivity),
    /// The recogniser's guess.
    Hypothesis(&'a Hypothesis),
    /// The recogniser's final text.
    Transcript(Transcript),
    /// The recogniser lost the utterance in hand.
    RecogniserInterrupted,
    /// The recogniser is gone.
    RecogniserLost(RecogniserLoss),
    /// From the synthesiser.
    Sound(speaking::Input),
    /// The caller pressed a key.
    Digit(char),
    /// A tool has answered, or will not.
    Tool(ToolReply),
    /// The language model has answered, or will not.
    Llm(LlmReply),
    /// Nobody took the call.
    TransferFailed(TransferFailure),
    /// Caller and agent hear each other.
    Bridged,
    /// The caller put us on hold.
    Held,
    /// The caller is back.
    Resumed,
    /// The store takes entries again (true), or takes none (false).
    Store(bool),
    /// Say goodbye and hang up.
    Leave,
    /// A deadline may have passed.
    Timeout,
}

/// What it asks for.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "frames pass without a heap allocation each")]
pub enum Output {
    /// A fact for the journal; its effect follows.
    Note(Entry),
    /// For the recogniser.
    Hear(WideFrame),
    /// For the recogniser: the text of this utterance, please.
    Finish(UtteranceId),
    /// For the recogniser: forget what you heard; the next utterance is this.
    Restart(UtteranceId),
    /// For the synthesiser.
    Ask {
        /// Its number.
        speak: SpeakId,
        /// What.
        line: Line,
    },
    /// For the synthesiser: never mind.
    Cancel {
        /// Which.
        speak: SpeakId,
    },
    /// For a tool.
    AskTool(Box<ToolRequest>),
    /// For the language model.
    AskLlm(Box<LlmRequest>),
    /// A human is needed.
    Escalate {
        /// Queue in the plan.
        queue: String,
        /// What the agent is told.
        briefing: Briefing,
    },
    /// Our own side is broken: a human is needed without further words.
    Rescue {
        /// What is broken; nothing personal.
        what: &'static str,
    },
    /// Goodbye was said.
    HangUp,
}

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The ear.
    Hearing,
    /// The synthesiser.
    Sound,
    /// A caller who speaks on.
    BargeIn,
    /// Silence.
    Floor,
    /// The conversation.
    Conversation,
}

/// What a bot is made of.
pub struct BotParts {
    /// Settings.
    pub config: BotConfig,
    /// The line.
    pub plan: Arc<Plan>,
    /// What was learnt from the line's phrases.
    pub understanding: Arc<Understanding>,
    /// When the call began; journal times count from here.
    pub epoch: Instant,
    /// What a waiting caller hears, 8 kHz.
    pub music: Arc<[i16]>,
}
