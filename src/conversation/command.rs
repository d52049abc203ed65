//! What a turn of the caller asks for: the one vocabulary between understanding and policy. Whoever understands a turn (the
//! classifier and the rules; a language model) says it in these words and does nothing; the policy ([`super::machine`]) alone
//! acts, and refuses what the plan or the state of the call does not allow. Names are names of the plan: one that the plan
//! does not have is as good as [`Command::NoMatch`].
//!
//! As JSON an object each: `{"command": "start_flow", "intent": "bill"}`.

use serde::{Deserialize, Serialize};

use crate::journal::escalation::{Level, ReasonCode};
use crate::redact::Redacted;
use crate::speech::Language;

/// Most commands of one turn; what is more is not looked at.
pub const MOST_COMMANDS: usize = 8;

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Do what this intent stands for.
    StartFlow {
        /// Its name.
        intent: String,
    },
    /// A value for the slot that is being asked for.
    SetSlot {
        /// Name of the slot.
        slot: String,
        /// The value in the form in which it is kept (what [`super::slot::fill`] makes of the caller's words).
        value: Redacted<String>,
    },
    /// Another value for a slot that has one: 「唔係，係三號」.
    CorrectSlot {
        /// Name of the slot.
        slot: String,
        /// The new value, as above.
        value: Redacted<String>,
    },
    /// Yes, to what was read back or asked.
    Affirm,
    /// No, to what was read back, asked or answered.
    Deny,
    /// Leave what is being done.
    Cancel,
    /// Go back to the question before.
    GoBack,
    /// Ask which of two is meant.
    Clarify {
        /// Intents, or `knowledge:NAME`.
        between: [String; 2],
    },
    /// Answer from the knowledge files.
    Answer {
        /// Name of the entry.
        entry: String,
    },
    /// Read a filed script.
    Script {
        /// Its name.
        script: String,
    },
    /// Small talk, or what is for keeping a conversation going.
    ChitChat {
        /// The small talk's intent.
        intent: String,
    },
    /// Go on in another language.
    Speak {
        /// Which.
        language: Language,
    },
    /// Say that again.
    Repeat,
    /// A human is needed.
    Handoff {
        /// How much of one.
        level: Level,
        /// Why.
        reason: ReasonCode,
    },
    /// Nothing that the line knows.
    NoMatch,
}

impl Command {
    /// A human, for this reason, at the reason's own level.
    pub fn handoff(reason: ReasonCode) -> Self {
        Self::Handoff { level: reason.level(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_back_as_written_and_knows_no_other_words() {
        let all = [
            (Command::StartFlow { intent: "bill".into() }, r#"{"command":"start_flow","intent":"bill"}"#),
            (Command::handoff(ReasonCode::Fraud), r#"{"command":"handoff","level":"takeover","reason":"fraud"}"#),
            (Command::Speak { language: Language::English }, r#"{"command":"speak","language":"eng"}"#),
            (Command::NoMatch, r#"{"command":"no_match"}"#),
        ];
        for (command, text) in all {
            assert_eq!(serde_json::to_string(&command).unwrap(), text);
            assert_eq!(serde_json::from_str::<Command>(text).unwrap(), command);
        }
        for wrong in [r#"{"command":"transfer_money"}"#, r#"{"command":"answer","entry":"a","text":"b"}"#] {
            assert!(serde_json::from_str::<Command>(wrong).is_err(), "{wrong}");
        }
    }
}
