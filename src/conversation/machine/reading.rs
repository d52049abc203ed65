//! A filed script being read: one sentence at a time, each noted once it was heard to its end. Who speaks over a sentence that
//! must be heard hears it again from its beginning; who asks for a person gets one, and the journal says how much was heard.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::conversation::Output;
use crate::conversation::command::Command;
use crate::dialplan::script::Script;
use crate::journal::escalation::ReasonCode;
use crate::journal::{Act, Entry};

use super::policy::Turn;
use super::{Conversation, HUMAN_KEY, Phase, Reason, why};

/// The same sentence is begun anew this often; then a human takes over.
const MOST_AGAIN: u8 = 3;

/// A script and how far it was heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    script: usize,
    /// Sentences heard to their end; the next is being spoken.
    heard: usize,
    /// Times that this sentence was begun anew.
    again: u8,
}

impl Conversation {
    fn script_of(&self, reading: &Reading) -> Option<&Script> {
        self.plan.work.scripts.get(reading.script)
    }

    /// Begins a script; one that is not in force is not spoken in other words: a human takes over.
    pub(super) fn read_script(&mut self, name: &str, mut reason: Reason) {
        let plan = Arc::clone(&self.plan);
        let Some((number, script)) = plan.work.scripts.iter().enumerate().find(|(_, script)| script.name == name)
        else {
            return self.escalate(None, ReasonCode::OwnFault, reason);
        };
        if let Err(unfit) = script.standing.on(self.today) {
            reason.rule.push_str(":not_in_force");
            reason.evidence.push_str(&format!("; script {name} {}: {unfit}", script.version));
            return self.escalate(None, ReasonCode::OwnFault, reason);
        }
        reason.evidence.push_str(&format!("; script {name} {}", script.version));
        self.speak_sentence(Reading { script: number, heard: 0, again: 0 }, Some(reason));
    }

    /// Speaks the next sentence; `reason` where that is a decision and not the script going on.
    fn speak_sentence(&mut self, reading: Reading, reason: Option<Reason>) {
        let sentence = self.script_of(&reading).and_then(|script| script.sentences.get(reading.heard));
        let Some(prompt) = sentence.map(|sentence| sentence.prompt_id.clone()) else { return };
        if let Some(reason) = reason {
            self.decide(Act::Answer { prompt: prompt.clone() }, reason);
        }
        self.phase = Phase::Reading(reading);
        let language = self.voice.before.current;
        self.say(&prompt, &BTreeMap::new(), language, false);
    }

    /// The sentence was heard to its end.
    pub(super) fn sentence_heard(&mut self, mut reading: Reading) {
        let Some(script) = self.script_of(&reading) else { return };
        (reading.heard, reading.again) = (reading.heard + 1, 0);
        let (of, then) = (script.sentences.len(), script.then.clone());
        let rule = format!("script:{}:heard", script.name);
        let entry = Entry::ScriptHeard {
            script: script.name.clone(),
            version: script.version.clone(),
            language: self.voice.before.current,
            sentence: count(reading.heard),
            of: count(of),
        };
        self.outputs.push_back(Output::Note(entry));
        if reading.heard < of {
            return self.speak_sentence(reading, None);
        }
        self.phase = Phase::Reading(reading);
        self.leave_script();
        self.follow(&then, BTreeMap::new(), why(&rule));
        if std::mem::take(&mut self.deaf) {
            self.recogniser_lost();
        }
    }

    /// Notes how much was heard of the script that is being read, and listens.
    pub(super) fn leave_script(&mut self) {
        let Phase::Reading(reading) = &self.phase else { return };
        if let Some(script) = self.script_of(reading) {
            let entry = Entry::ScriptEnded {
                script: script.name.clone(),
                version: script.version.clone(),
                heard: count(reading.heard),
                of: count(script.sentences.len()),
                must: count(script.must_hear),
                satisfied: reading.heard >= script.must_hear,
            };
            self.outputs.push_back(Output::Note(entry));
        }
        self.phase = Phase::Listening;
    }

    /// The sentence that is being spoken is one of those that must be heard.
    pub(super) fn must_hear_on(&self, reading: &Reading) -> bool {
        self.script_of(reading).is_some_and(|script| reading.heard < script.must_hear)
    }

    /// What was understood while a script is read; a person was not asked for.
    pub(super) fn act_reading(&mut self, reading: Reading, command: &Command, turn: &Turn) {
        let must = self.must_hear_on(&reading);
        self.phase = Phase::Reading(reading.clone());
        match command {
            Command::Speak { language } => {
                self.voice.asked(*language);
                let whole = Reading { heard: 0, again: 0, ..reading };
                self.speak_sentence(whole, Some(turn.because("asked_for_language".to_owned())));
            }
            _ if must && turn.over => self.decide(Act::Listen, turn.because("spoken_over".to_owned())),
            _ if must => self.sentence_missed(reading, turn.because(String::new())),
            _ => {
                self.leave_script();
                self.act_open(command.clone(), turn);
            }
        }
    }

    /// The sentence was cut short: once more from its beginning, within bounds.
    pub(super) fn sentence_missed(&mut self, mut reading: Reading, mut reason: Reason) {
        let Some(script) = self.script_of(&reading) else { return };
        let cut = format!("; sentence {} of {} was not heard to its end", reading.heard + 1, script.sentences.len());
        let name = script.name.clone();
        reason.evidence.push_str(&cut);
        reading.again = reading.again.saturating_add(1);
        if reading.again > MOST_AGAIN {
            reason.rule = format!("script:{name}:not_heard");
            self.phase = Phase::Reading(reading);
            return self.escalate(None, ReasonCode::Unresolved, reason);
        }
        reason.rule = format!("script:{name}:again");
        self.speak_sentence(reading, Some(reason));
    }

    pub(super) fn reading_digit(&mut self, digit: char) {
        if digit == HUMAN_KEY {
            self.escalate(None, ReasonCode::KeyPressed, why("key:0"));
        }
    }
}

fn count(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests;
