//! How a conversation tells what it decided: to the journal first, then to the caller.

use std::collections::BTreeMap;

use crate::conversation::{Output, Say, briefing, slot};
use crate::journal::{Act, Decision, Entry};
use crate::speech::Language;

use super::{Conversation, Phase, Reason};

/// Said where a checked plan lacks a prompt after all: never silence.
const LAST_WORDS: &str = "唔好意思，請稍等。";

impl Conversation {
    pub(super) fn goodbye(&mut self, prompt: &str, values: &BTreeMap<String, String>, why: Reason) {
        self.decide(Act::Goodbye { prompt: prompt.to_owned() }, why);
        self.parked.clear();
        self.phase = Phase::Closing;
        let language = self.voice.before.current;
        self.say(prompt, values, language, false);
    }

    pub(super) fn answer(&mut self, prompt: &str, values: BTreeMap<String, String>, why: Reason) {
        self.decide(Act::Answer { prompt: prompt.to_owned() }, why);
        let language = self.voice.before.current;
        self.say(prompt, &values, language, false);
        self.memory.last = Some((prompt.to_owned(), values));
    }

    /// Answers without leaving the question that is open, and asks it again.
    pub(super) fn answer_in_place(&mut self, prompt: &str, why: Reason) {
        let last = self.memory.last.clone();
        self.answer(prompt, BTreeMap::new(), why);
        if let (Phase::Filling(_) | Phase::Clarifying(_), Some((prompt, values))) = (&self.phase, last.clone()) {
            let language = self.voice.before.current;
            self.say(&prompt, &values, language, true);
        }
        self.memory.last = last;
    }

    pub(super) fn decide(&mut self, act: Act, why: Reason) {
        let name = |number: usize| self.plan.intents.get(number).map(|intent| intent.name.clone());
        let mut evidence = why.evidence;
        if let Some(guess) = &why.guess {
            let threshold = self.mind.classifier().threshold();
            evidence.push_str(&format!("; score {:.2}, threshold {threshold:.2}", guess.score));
            if let Some((second, confidence)) = guess.second {
                evidence.push_str(&format!("; runner-up {} {confidence:.2}", name(second).unwrap_or_default()));
            }
        }
        let decision = Decision {
            act,
            rule: why.rule,
            intent: why.guess.and_then(|guess| name(guess.best.0)),
            confidence: why.guess.map(|guess| guess.best.1),
            language: self.voice.before.current,
            evidence: evidence.trim_start_matches("; ").to_owned(),
        };
        self.outputs.push_back(Output::Note(Entry::Decided(decision)));
    }

    pub(super) fn say(&mut self, prompt: &str, values: &BTreeMap<String, String>, language: Language, append: bool) {
        let text = self.plan.text(prompt, language).unwrap_or(LAST_WORDS);
        let back = |(name, value): (&String, &String)| {
            let said = self.plan.slot_kind(name).map(|kind| slot::read_back(kind, value, language, &self.plan.labels));
            (name.clone(), said.unwrap_or_else(|| slot::told(value, language, &self.plan.labels)))
        };
        self.memory.heard_out = false;
        let say = Say {
            prompt: prompt.to_owned(),
            text: briefing::render(text, &values.iter().map(back).collect(), language),
            language,
            barge_in: self.allows_barge_in(),
            append,
        };
        self.outputs.push_back(Output::Say(say));
    }

    /// Says words that are no prompt of the plan.
    pub(super) fn say_text(&mut self, prompt: &str, text: String) {
        self.memory.heard_out = false;
        let (language, barge_in) = (self.voice.before.current, self.allows_barge_in());
        self.outputs.push_back(Output::Say(Say { prompt: prompt.to_owned(), text, language, barge_in, append: false }));
    }
}
