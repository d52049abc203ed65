//! The policy: what follows from the commands of a turn, where anything may be said, and the count of turns that came to nothing.
//!
//! A turn is *unresolved* where nothing was understood, the answer was denied, the same was asked within three turns, a tool failed, or
//! the caller spoke over the answer and said the same again. Two in a row (`escalation.unresolved`) bring a human. An answer that is none
//! of these begins the count anew; small talk that only keeps the conversation going (say that again) leaves it as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::conversation::Output;
use crate::conversation::command::{Command, MOST_COMMANDS};
use crate::conversation::intent::Guess;
use crate::dialplan::schema::Target;
use crate::journal::escalation::{Level, ReasonCode};
use crate::speech::Language;

use super::filling::Filling;
use super::{Conversation, HUMAN_KEY, Phase, Reason, Topic, why};

/// What was asked again within this many turns was not answered well.
pub(super) const RECENT: u8 = 3;
/// Questions that wait while another matter is seen to.
const MOST_PARKED: usize = 2;
/// Turns in a row of which the recogniser is unsure, and that nobody understands, bring a human.
const MOST_UNSURE: u8 = 2;

/// What is known of a turn besides its commands.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    pub(super) guess: Option<Guess>,
    pub(super) evidence: String,
    /// The caller spoke over the answer and said the same again.
    pub(super) restated: bool,
    /// What the bot says goes on.
    pub(super) over: bool,
}

impl Turn {
    pub(super) fn because(&self, rule: String) -> Reason {
        Reason { rule, guess: self.guess, evidence: self.evidence.clone() }
    }
}

impl Conversation {
    /// Acts on the first command that is not for a supervisor's ear alone.
    pub(super) fn act(&mut self, commands: Vec<Command>, turn: &Turn) {
        let (mut wanted, mut at_once) = (None, None);
        for command in commands.into_iter().take(MOST_COMMANDS) {
            match command {
                Command::Handoff { level: Level::Notify, reason } => {
                    if self.notify(reason) {
                        at_once = at_once.or(Some(reason));
                    }
                }
                command => wanted = wanted.or(Some(command)),
            }
        }
        let wanted = wanted.unwrap_or(Command::NoMatch);
        let command = match (wanted, at_once) {
            (Command::Handoff { level, reason }, _) => Command::Handoff { level, reason },
            (_, Some(reason)) => Command::handoff(reason),
            (command, None) => command,
        };
        if let Command::Handoff { reason, .. } = command {
            return self.handoff(reason, turn.because(String::new()));
        }
        match std::mem::replace(&mut self.phase, Phase::Listening) {
            Phase::Filling(filling) => self.act_filling(filling, command, turn),
            Phase::Clarifying(clarifying) => self.act_clarifying(clarifying, command, turn),
            Phase::Asking(asking) => self.act_asking(asking, &command, turn),
            Phase::Reading(reading) => self.act_reading(reading, &command, turn),
            Phase::Waiting | Phase::Listening | Phase::Consulting(_) => self.act_open(command, turn),
            Phase::Transferring { .. } | Phase::Closing | Phase::Done => {
                self.act_open(command, turn);
            }
        }
    }

    /// Where anything may be said.
    pub(super) fn act_open(&mut self, command: Command, turn: &Turn) {
        match command {
            Command::Handoff { reason, .. } => self.handoff(reason, turn.because(String::new())),
            Command::Speak { language } => {
                self.change_language(language, turn.because("asked_for_language".to_owned()));
            }
            Command::Answer { entry } => self.question(&entry, turn),
            Command::StartFlow { intent } | Command::ChitChat { intent } => self.intent(&intent, turn),
            Command::Script { script } => {
                self.tally.unresolved = 0;
                self.read_script(&script, turn.because(format!("script:{script}")));
            }
            Command::Clarify { between } => self.clarify(between, turn.because("clarify".to_owned())),
            Command::Repeat => self.follow(&Target::Repeat, BTreeMap::new(), turn.because("repeat".to_owned())),
            Command::GoBack => self.follow(&Target::Back, BTreeMap::new(), turn.because("back".to_owned())),
            Command::Deny => self.not_understood(turn.because("denied".to_owned())),
            Command::Affirm | Command::Cancel | Command::NoMatch => {
                self.not_understood(turn.because("no_match".to_owned()));
            }
            Command::SetSlot { .. } | Command::CorrectSlot { .. } => {
                self.not_understood(turn.because("no_match".to_owned()));
            }
        }
    }

    fn question(&mut self, name: &str, turn: &Turn) {
        let plan = Arc::clone(&self.plan);
        let found = plan.knowledge.iter().enumerate().find(|(_, question)| question.name == name);
        let Some((number, question)) = found else { return self.not_understood(turn.because("no_match".to_owned())) };
        // Whoever understood it may not have looked: what nobody approved for today is never said.
        if let Err(unfit) = question.standing.on(self.today) {
            let mut why = turn.because("no_match".to_owned());
            why.evidence.push_str(&format!("; {} {unfit}", question.prompt_id));
            return self.not_understood(why);
        }
        let Some(rule) = self.settle(Topic::Entry(number), &question.prompt_id, turn) else { return };
        let mut why = turn.because(rule);
        if let Some(approval) = &question.standing.approval {
            why.evidence.push_str(&format!("; approved {}", approval.at));
        }
        self.answer(&question.prompt_id, BTreeMap::new(), why);
    }

    /// Counts an answer about something. The rule under which it is given; `None` where a human takes over instead.
    fn settle(&mut self, topic: Topic, rule: &str, turn: &Turn) -> Option<String> {
        let again = self.memory.answered.is_some_and(|(last, age)| last == topic && age <= RECENT);
        self.memory.answered = Some((topic, 0));
        if !again && !turn.restated {
            self.tally.unresolved = 0;
            return Some(rule.to_owned());
        }
        self.tally.unresolved = self.tally.unresolved.saturating_add(1);
        if self.tally.unresolved >= self.plan.escalation.unresolved {
            let name = rule.split_once(':').map_or(rule, |(_, name)| name);
            self.escalate(None, ReasonCode::Unresolved, turn.because(format!("repeated:{name}")));
            return None;
        }
        Some(format!("{rule}:{}", if again { "again" } else { "restated" }))
    }

    pub(super) fn change_language(&mut self, language: Language, why: Reason) {
        self.voice.asked(language);
        self.tally.unresolved = 0;
        let prompt = self.plan.dialogue.language_changed.clone();
        self.answer(&prompt, BTreeMap::new(), why);
    }

    fn intent(&mut self, name: &str, turn: &Turn) {
        let plan = Arc::clone(&self.plan);
        let found = plan.intents.iter().enumerate().find(|(_, intent)| intent.name == name);
        let Some((number, intent)) = found else { return self.not_understood(turn.because("no_match".to_owned())) };
        let mut rule = format!("intent:{}", intent.name);
        if !intent.chat {
            self.memory.wanted.push(number);
            self.memory.wanted.drain(..self.memory.wanted.len().saturating_sub(8));
            let Some(counted) = self.settle(Topic::Intent(number), &rule, turn) else { return };
            rule = counted;
        } else if !matches!(intent.then, Target::Unresolved | Target::Repeat | Target::Back) {
            self.tally.unresolved = 0;
        }
        if intent.slots.is_empty() {
            return self.follow(&intent.then, BTreeMap::new(), turn.because(rule));
        }
        self.ask(Filling::of_intent(number), turn.because(rule));
    }

    pub(super) fn follow(&mut self, target: &Target, values: BTreeMap<String, String>, mut why: Reason) {
        if let Target::Say(prompt) | Target::End(prompt) = target
            && let Some(field) = self.unbound(prompt, &values)
        {
            why.rule.push_str(&format!(":unbound:{field}"));
            return self.escalate(None, ReasonCode::OwnFault, why);
        }
        match target {
            Target::Say(prompt) => self.answer(prompt, values, why),
            Target::End(prompt) => self.goodbye(prompt, &values, why),
            Target::Queue(queue) => self.escalate(Some(queue), ReasonCode::Planned, why),
            Target::Script(name) => self.read_script(name, why),
            Target::Language(language) => self.change_language(*language, why),
            Target::Run(workflow) => self.run(workflow, values, why),
            // Where there is no question to go back to, what was said last is said again.
            Target::Repeat | Target::Back => {
                let greeting = (self.plan.dialogue.greeting.clone(), BTreeMap::new());
                let (prompt, values) = self.memory.last.clone().unwrap_or(greeting);
                self.answer(&prompt, values, why);
            }
            Target::Unresolved => self.not_understood(why),
        }
    }

    /// One more unresolved turn: the next prompt of the ladder, or its end.
    pub(super) fn not_understood(&mut self, mut why: Reason) {
        self.tally.unresolved = self.tally.unresolved.saturating_add(1);
        why.rule = format!("{}:{}", why.rule, self.tally.unresolved);
        let plan = Arc::clone(&self.plan);
        let ladder = &plan.dialogue.no_match;
        let step = usize::from(self.tally.unresolved);
        match ladder.prompts.get(step.saturating_sub(1)) {
            Some(prompt) if self.tally.unresolved < plan.escalation.unresolved => {
                self.answer(prompt, BTreeMap::new(), why)
            }
            Some(_) | None => self.ladder_end(&ladder.then, ReasonCode::Unresolved, why),
        }
    }

    /// True where the recogniser was unsure of this turn and of the one before, and neither was understood.
    pub(super) fn unsure_again(&mut self, confidence: f32, turn: &Turn, commands: &[Command]) -> bool {
        let understood = match commands.last() {
            Some(Command::NoMatch) | None => false,
            Some(Command::StartFlow { .. } | Command::ChitChat { .. } | Command::Clarify { .. }) => {
                turn.guess.is_some_and(|guess| guess.best.1 >= super::filling::INTERRUPTS)
            }
            Some(_) => true,
        };
        let unsure = confidence < self.plan.escalation.transfer.low_confidence && !understood;
        self.tally.unsure = if unsure { self.tally.unsure.saturating_add(1) } else { 0 };
        self.tally.unsure >= MOST_UNSURE
    }

    pub(super) fn menu(&mut self, digit: char) {
        self.tally.silences = 0;
        let rule = format!("key:{digit}");
        if digit == HUMAN_KEY {
            return self.escalate(None, ReasonCode::KeyPressed, why(&rule));
        }
        match self.plan.dialogue.menu.get(&digit).cloned() {
            Some(target) => {
                self.tally.unresolved = 0;
                self.follow(&target, BTreeMap::new(), why(&rule));
            }
            None => self.not_understood(why("key:unknown")),
        }
    }

    // -- another matter, and back

    /// Sees to another matter; the question waits.
    pub(super) fn digress(&mut self, filling: Filling, command: Command, turn: &Turn) {
        if let Command::StartFlow { intent } = &command {
            let number = self.plan.intents.iter().position(|other| other.name == *intent);
            self.parked.retain(|parked| Some(parked.intent) != number);
        }
        if self.parked.len() >= MOST_PARKED {
            self.parked.remove(0);
        }
        self.parked.push(filling);
        self.act_open(command, turn);
    }

    /// Back to the question that waits, once nothing else is open: what it was about, and the question again.
    pub(super) fn come_back(&mut self) {
        if !matches!(self.phase, Phase::Listening) {
            return;
        }
        let Some(filling) = self.parked.pop() else { return };
        let (language, plan) = (self.voice.before.current, Arc::clone(&self.plan));
        let name = plan.intents.get(filling.intent).map(|intent| intent.name.as_str());
        let label = name.and_then(|name| plan.labels.get(name, language));
        let before = self.outputs.len();
        self.ask_again(filling, why(&format!("returned:{}", name.unwrap_or("question"))));
        let place = self.outputs.iter().skip(before).position(|output| matches!(output, Output::Say(_)));
        let Some(place) = place.map(|place| before + place) else { return };
        if let Some(Output::Say(question)) = self.outputs.get_mut(place) {
            question.append = true;
        }
        if let (Some(prompt), Some(label)) = (&plan.dialogue.repair.returning, label) {
            let values = BTreeMap::from([("matter".to_owned(), label.to_owned())]);
            self.say(prompt, &values, language, true);
            if let Some(told) = self.outputs.pop_back() {
                self.outputs.insert(place, told);
            }
        }
    }

    /// The caller leaves what is being done.
    pub(super) fn cancelled(&mut self, why: Reason) {
        self.parked.clear();
        self.phase = Phase::Listening;
        self.tally.unresolved = 0;
        let plan = Arc::clone(&self.plan);
        let say = plan.dialogue.repair.cancelled.as_ref().or(plan.dialogue.no_match.prompts.first());
        self.answer(say.map_or("", String::as_str), BTreeMap::new(), why);
    }
}
