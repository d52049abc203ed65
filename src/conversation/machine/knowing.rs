//! What a conversation does with what is remembered of its caller, by the rules of the plan's `[memory]`, and what it does where the
//! caller does not want something. Remembers nothing itself: the store learns from the journal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::conversation::language::{Before, Follow};
use crate::conversation::normalise::Views;
use crate::conversation::{Command, Output, slot};
use crate::dialplan::calendar::Moment;
use crate::journal::Act;
use crate::journal::escalation::ReasonCode;
use crate::journal::profile::{OptOut, Profile};
use crate::speech::Language;

use super::policy::Turn;
use super::{Conversation, Phase, why};

/// What is known of the caller.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// What is remembered.
    profile: Profile,
    /// "The same as last time?" was asked, about this intent.
    offered: Option<usize>,
}

impl Conversation {
    /// Before the call begins.
    pub(super) fn recall(&mut self, profile: Profile) {
        let spoken = profile.language.filter(|language| self.plan.languages.contains(language));
        if let Some(current) = spoken.filter(|_| self.plan.dialogue.memory.language) {
            let chinese = if current == Language::English { self.voice.before.chinese } else { current };
            self.voice = Follow::new(Before { current, chinese });
        }
        if profile.opted_out(OptOut::LanguageModel) {
            self.decline_llm();
        }
        self.known.profile = profile;
    }

    /// The prompt to greet with, its values, and what of it rests on memory, for the journal.
    pub(super) fn greeting(&self) -> (String, BTreeMap<String, String>, String) {
        let (plan, mut known) = (&self.plan, String::new());
        if plan.dialogue.memory.language && self.known.profile.language == Some(self.voice.before.current) {
            known.push_str("; language of the last call");
        }
        match (&plan.dialogue.memory.greeting, &self.known.profile.name) {
            (Some(prompt), Some(name)) => {
                known.push_str("; name known");
                (prompt.clone(), BTreeMap::from([("name".to_owned(), name.reveal().clone())]), known)
            }
            _ => (plan.dialogue.greeting.clone(), BTreeMap::new(), known),
        }
    }

    /// A supervisor is told of who is important; the caller is asked whether it is about the same as last time.
    pub(super) fn after_greeting(&mut self, now: &Moment) {
        let plan = Arc::clone(&self.plan);
        let important = self.known.profile.tier.as_ref().is_some_and(|tier| plan.dialogue.memory.vip.contains(tier));
        if important && self.notify(ReasonCode::Vip) {
            let before = self.outputs.len();
            self.escalate(None, ReasonCode::Vip, why("vip"));
            for output in self.outputs.iter_mut().skip(before) {
                if let Output::Say(say) = output {
                    say.append = true;
                }
            }
            return;
        }
        let Some(offer) = &plan.dialogue.memory.same_as_last else { return };
        let day = now.at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / (24 * 3600));
        let last = self.known.profile.wanted.iter().rev().find(|wanted| wanted.dialplan == plan.name);
        let recent = last.filter(|last| offer.intents.contains(&last.intent) && last.day + offer.days >= day);
        let Some(number) = recent.and_then(|last| plan.intents.iter().position(|i| i.name == last.intent)) else {
            return;
        };
        let (language, name) = (self.voice.before.current, plan.intents[number].name.as_str());
        let values =
            BTreeMap::from([("matter".to_owned(), plan.labels.get(name, language).unwrap_or(name).to_owned())]);
        self.say(&offer.say, &values, language, true);
        self.memory.last = Some((offer.say.clone(), values));
        self.known.offered = Some(number);
    }

    /// A plain yes or no answers "the same as last time?", where that was asked just before. True where the turn was that.
    pub(super) fn answers_offer(&mut self, views: &Views, commands: &[Command], turn: &Turn) -> bool {
        let offered = self.known.offered.take().filter(|_| matches!(self.phase, Phase::Listening));
        let plain = commands.iter().all(|command| {
            matches!(command, Command::Affirm | Command::Deny | Command::ChitChat { .. } | Command::NoMatch)
        });
        let wish = |command: &Command| {
            matches!(command, Command::Handoff { .. } | Command::Speak { .. } | Command::OptOut { .. })
        };
        // A classifier makes something of one word, too; a person who was asked has answered.
        let plain = plain || !commands.iter().any(wish) && (slot::plain_yes(views) || views.core.len() <= 2);
        let plan = Arc::clone(&self.plan);
        let intent = offered.and_then(|number| plan.intents.get(number)).filter(|_| plain);
        match (intent, slot::yes_no(views), &plan.dialogue.memory.same_as_last) {
            (Some(intent), Some(true), _) => {
                let mut turn = turn.clone();
                turn.evidence.push_str("; the same as last time");
                self.act(vec![Command::StartFlow { intent: intent.name.clone() }], &turn);
                true
            }
            (Some(_), Some(false), Some(offer)) => {
                self.answer(&offer.otherwise, BTreeMap::new(), turn.because("same_as_last:no".to_owned()));
                true
            }
            _ => false,
        }
    }

    /// It has stopped already: the caller is told, and what was being done goes on.
    pub(super) fn opted_out(&mut self, what: OptOut, turn: &Turn) {
        let (plan, why) = (Arc::clone(&self.plan), turn.because(format!("opted_out:{}", name(what))));
        let prompt = match what {
            OptOut::Recording => plan.dialogue.memory.not_recorded.as_deref(),
            OptOut::Memory => plan.dialogue.memory.forgotten.as_deref(),
            OptOut::LanguageModel => None,
        };
        match &self.phase {
            Phase::Asking(_) => self.filler(why),
            // A script that must be heard is not talked over.
            Phase::Reading(_) if turn.over => self.decide(Act::Listen, why),
            Phase::Reading(reading) => {
                let reading = reading.clone();
                self.sentence_missed(reading, why);
            }
            _ => match (prompt, self.memory.last.clone()) {
                (Some(prompt), _) => self.answer_in_place(prompt, why),
                (None, Some((last, values))) => self.answer(&last, values, why),
                (None, None) => self.decide(Act::Listen, why),
            },
        }
    }
}

fn name(what: OptOut) -> &'static str {
    match what {
        OptOut::Recording => "recording",
        OptOut::LanguageModel => "language_model",
        OptOut::Memory => "memory",
    }
}
