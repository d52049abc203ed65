//! "Did you mean A or B?": asked where two intents are about as likely. Answered by words, by 「第一個」, by keys 1 and 2. "Neither"
//! is an unresolved turn, and the ladder of those goes on.

use std::collections::BTreeMap;

use crate::conversation::command::Command;
use crate::dialplan::schema::Clarify;
use crate::journal::escalation::ReasonCode;
use crate::speech::Language;

use super::policy::Turn;
use super::{Conversation, HUMAN_KEY, Phase, Reason, why};

/// Two things of which one is meant.
#[derive(Clone, Debug)]
pub(super) struct Clarifying {
    pub(super) between: [String; 2],
    /// Times that it was asked.
    asked: u8,
}

impl Conversation {
    /// Asks which of the two is meant, where the plan asks so; else the turn was not understood.
    pub(super) fn clarify(&mut self, between: [String; 2], why: Reason) {
        let known = between.iter().all(|name| self.is_known(name));
        match self.plan.dialogue.repair.clarify.clone().filter(|_| known) {
            Some(clarify) => self.ask_which(Clarifying { between, asked: 0 }, &clarify, why),
            None => self.not_understood(why),
        }
    }

    fn is_known(&self, name: &str) -> bool {
        match name.strip_prefix("knowledge:") {
            Some(entry) => self.plan.knowledge.iter().any(|question| question.name == entry),
            None => self.plan.intent(name).is_some(),
        }
    }

    /// How the plan calls it: an intent's label, an entry's first question.
    fn called(&self, name: &str, language: Language) -> String {
        let label = match name.strip_prefix("knowledge:") {
            Some(entry) => {
                let question = self.plan.knowledge.iter().find(|question| question.name == entry);
                question.and_then(|question| question.questions.get(&language)?.first()).map(String::as_str)
            }
            None => self.plan.labels.get(name, language),
        };
        label.unwrap_or(name).to_owned()
    }

    fn ask_which(&mut self, mut clarifying: Clarifying, clarify: &Clarify, why: Reason) {
        clarifying.asked = clarifying.asked.saturating_add(1);
        let language = self.voice.before.current;
        let [first, second] = clarifying.between.clone().map(|name| self.called(&name, language));
        let values = BTreeMap::from([("first".to_owned(), first), ("second".to_owned(), second)]);
        self.phase = Phase::Clarifying(clarifying);
        self.answer(&clarify.say, values, why);
    }

    pub(super) fn act_clarifying(&mut self, clarifying: Clarifying, command: Command, turn: &Turn) {
        let Some(clarify) = self.plan.dialogue.repair.clarify.clone() else { return self.act_open(command, turn) };
        match command {
            Command::Deny => {
                self.not_understood(turn.because("clarify:denied".to_owned()));
            }
            Command::NoMatch | Command::Affirm | Command::Clarify { .. } if clarifying.asked < clarify.tries => {
                self.ask_which(clarifying, &clarify, turn.because("clarify:missed".to_owned()));
            }
            Command::NoMatch | Command::Affirm | Command::Clarify { .. } => {
                self.not_understood(turn.because("clarify:missed".to_owned()));
            }
            Command::Repeat | Command::GoBack => {
                self.ask_which(clarifying, &clarify, turn.because("repeat".to_owned()));
            }
            Command::Speak { language } => {
                self.voice.asked(language);
                self.ask_which(clarifying, &clarify, turn.because("asked_for_language".to_owned()));
            }
            Command::StartFlow { .. }
            | Command::Answer { .. }
            | Command::Script { .. }
            | Command::ChitChat { .. }
            | Command::SetSlot { .. }
            | Command::CorrectSlot { .. }
            | Command::Cancel
            | Command::Handoff { .. } => self.act_open(command, turn),
        }
    }

    pub(super) fn clarifying_digit(&mut self, clarifying: Clarifying, digit: char) {
        let rule = format!("key:{digit}");
        let [first, second] = clarifying.between.clone();
        let chosen = match digit {
            HUMAN_KEY => return self.escalate(None, ReasonCode::KeyPressed, why(&rule)),
            '1' => first,
            '2' => second,
            _ => {
                self.phase = Phase::Listening;
                return self.menu(digit);
            }
        };
        self.phase = Phase::Listening;
        let turn = Turn { evidence: rule, ..Turn::default() };
        let command = match chosen.strip_prefix("knowledge:") {
            Some(entry) => Command::Answer { entry: entry.to_owned() },
            None => Command::StartFlow { intent: chosen },
        };
        self.act_open(command, &turn);
    }
}
