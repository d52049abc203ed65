//! The conversation of one call: transcripts, keys and silences in; decisions, prompts and the wish for a human out. It
//! cannot tell a phone from a test file. One decision a turn, each journalled with its rule before its effect.
//!
//! ```text
//! transcript -> normalise (views) -> escalation, language, intent, knowledge, slot -> Commands -> policy (machine) -> Decision, Say
//! ```
//! [`Understanding`] is what a plan has learnt (shared by calls); [`Conversation`] is one call's state. Entries that this
//! part notes: `NoInput`, `Scored`, `Decided`, `Escalated`, `ScriptHeard`, `ScriptEnded`. The call notes what only it can know: `CallerTurn`, `Digit`, `BotTurn`, ..
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod briefing;
pub mod command;
pub mod escalation;
pub mod features;
pub mod intent;
pub mod knowledge;
pub mod language;
pub mod linear;
pub mod llm;
pub mod machine;
pub mod navigation;
pub mod normalise;
pub mod readings;
pub mod scenario;
pub mod scores;
pub mod slot;
pub mod tool;
pub mod understanding;
pub mod written;

pub use command::Command;
pub use llm::{LlmOutcome, LlmReply, LlmRequest, LlmTerms};
pub use machine::Conversation;
pub use tool::{ToolOutcome, ToolReply, ToolRequest};
pub use understanding::Understanding;

use crate::dialplan::calendar::Moment;
use crate::journal::escalation::Level;
use crate::journal::{Entry, TransferFailure};
use crate::speech::{Language, Transcript};

/// Everything that can happen to a conversation.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// The call was answered. Wall time and signals, for opening hours.
    Started(Moment),
    /// The caller finished a turn.
    Turn(&'a Transcript),
    /// The caller finished a turn while the bot went on speaking.
    SpokenOver(&'a Transcript),
    /// The caller pressed a key.
    Digit(char),
    /// The caller said nothing for [`crate::dialplan::schema::Dialogue::no_input_after`] after the bot had ended (timed by the floor).
    NoInput,
    /// All that was to be said has been spoken to its end, or could not be spoken at all. Not sent where it was cut short.
    SpokenToEnd,
    /// As that, but the synthesiser broke off: not all of it was heard.
    BrokenOff,
    /// Every telephone of the queue was tried in vain; this was the last failure.
    TransferFailed {
        /// Why the last one failed.
        failure: TransferFailure,
    },
    /// A tool has answered, or will not.
    Tool(&'a ToolReply),
    /// The language model has answered, or will not.
    Llm(&'a LlmReply),
    /// The transfer could not be tried (trunk down, no target).
    TransferUnavailable,
    /// Caller and agent hear each other: the bot has nothing more to say.
    Bridged,
    /// Speech recognition is lost for the rest of the call: keys only.
    RecogniserLost,
    /// [`Conversation::deadline`] has come.
    Timeout,
}

/// Everything that a conversation can ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A fact for the journal; its effect follows.
    Note(Entry),
    /// Say this.
    Say(Say),
    /// Ask a tool: [`Input::Tool`] answers.
    Ask(Box<ToolRequest>),
    /// Ask the language model: [`Input::Llm`] answers.
    AskLlm(Box<LlmRequest>),
    /// Hand the caller to a human. Comes right after the `Say` that tells the caller: dial while it is spoken, play
    /// music when it ends.
    Escalate {
        /// Queue in the plan.
        queue: String,
        /// Levels 2 and 3 go before others.
        level: Level,
        /// The rule, e.g. `asked_for_human`.
        reason: String,
        /// What the agent is told before the bridge.
        briefing: Briefing,
    },
    /// The goodbye was spoken: hang up.
    HangUp,
}

/// Something to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// Prompt id in the dialplan.
    pub prompt: String,
    /// The words.
    pub text: String,
    /// Their language.
    pub language: Language,
    /// True where the caller may speak over it.
    pub barge_in: bool,
    /// True: after what is being said now. False: instead of it.
    pub append: bool,
}

/// What the agent is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Briefing {
    /// The words.
    pub text: String,
    /// Their language (the agent's).
    pub language: Language,
}

/// Why a conversation wants to be called back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The caller stopped pressing keys in the middle of a number.
    KeysPaused,
    /// A tool takes its time.
    Tool,
    /// The language model takes its time.
    Llm,
}
