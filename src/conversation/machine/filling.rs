//! The part of a conversation that asks for slots: by voice or by keys, read back, confirmed, corrected, gone back from, left; and
//! interrupted by another matter, after which the question is asked again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::conversation::command::Command;
use crate::conversation::{Output, slot};
use crate::dialplan::schema::{Slot, SlotKind, Target};
use crate::journal::escalation::ReasonCode;

use super::policy::Turn;
use super::working::{Working, is_read_back};
use super::{Conversation, HUMAN_KEY, Phase, Reason, why};

/// Keys of a number are complete when none follows for this long.
const KEYS_PAUSE: Duration = Duration::from_secs(4);
/// Times that one slot is asked for.
const MOST_ASKED: u8 = 3;
/// Confidence from which an intent interrupts the filling of a slot.
pub(super) const INTERRUPTS: f32 = 0.6;

/// Slots of one intent being asked for.
#[derive(Clone, Debug)]
pub(super) struct Filling {
    pub(super) intent: usize,
    pub(super) slot: usize,
    pub(super) values: BTreeMap<String, String>,
    /// The value was read back and waits for yes or no.
    pub(super) confirming: bool,
    pub(super) keys: String,
    pub(super) keys_due: Option<Instant>,
    pub(super) misses: u8,
    /// The workflow whose step asks; `None`: the intent itself does.
    pub(super) work: Option<Box<Working>>,
}

impl Filling {
    /// The first slot of an intent.
    pub(super) fn of_intent(intent: usize) -> Self {
        let (keys, keys_due) = (String::new(), None);
        Self { intent, slot: 0, values: BTreeMap::new(), confirming: false, keys, keys_due, misses: 0, work: None }
    }

    /// The question of a workflow's step.
    pub(super) fn of_step(intent: usize, values: BTreeMap<String, String>, work: Box<Working>) -> Self {
        let (keys, keys_due) = (String::new(), None);
        Self { intent, slot: 0, values, confirming: false, keys, keys_due, misses: 0, work: Some(work) }
    }
}

impl Conversation {
    pub(super) fn slot_of(&self, filling: &Filling) -> Option<Slot> {
        if let Some(work) = &filling.work {
            return if filling.slot == 0 { self.slot_of_step(work) } else { None };
        }
        self.plan.intents.get(filling.intent)?.slots.get(filling.slot).cloned()
    }

    /// Asks for the current slot, or goes where the intent leads when all are filled.
    pub(super) fn ask(&mut self, mut filling: Filling, why: Reason) {
        (filling.keys, filling.keys_due, filling.confirming) = (String::new(), None, false);
        match self.slot_of(&filling) {
            Some(slot) => {
                let (values, misses) = (filling.values.clone(), filling.misses);
                self.phase = Phase::Filling(filling);
                let by_keys = slot.keys.as_ref().filter(|_| misses > 0);
                self.answer(by_keys.unwrap_or(&slot.ask), values, why);
                if let (true, Some(Output::Say(say))) = (is_read_back(&slot), self.outputs.back_mut()) {
                    say.barge_in = false;
                }
            }
            None => {
                if let Some(work) = filling.work {
                    return self.resume(*work, filling.values, why);
                }
                let then =
                    self.plan.intents.get(filling.intent).map_or(Target::Unresolved, |intent| intent.then.clone());
                self.phase = Phase::Listening;
                self.tally.unresolved = 0;
                self.follow(&then, filling.values, why);
            }
        }
    }

    /// What was asked for before in the same matter and has a value.
    pub(super) fn earlier_slots(&self, filling: &Filling) -> Vec<Slot> {
        match &filling.work {
            Some(work) => self.slots_behind(work),
            None => {
                let slots = self.plan.intents.get(filling.intent).map_or(&[][..], |intent| intent.slots.as_slice());
                slots
                    .iter()
                    .take(filling.slot)
                    .filter(|slot| filling.values.contains_key(&slot.name))
                    .cloned()
                    .collect()
            }
        }
    }

    /// Asks what is being asked once more: the read-back where a value waits for its yes.
    pub(super) fn ask_again(&mut self, filling: Filling, why: Reason) {
        let slot = self.slot_of(&filling).filter(|_| filling.confirming);
        match slot.and_then(|slot| slot.confirm) {
            Some(prompt) => {
                let values = filling.values.clone();
                self.phase = Phase::Filling(filling);
                self.answer(&prompt, values, why);
            }
            None => self.ask(filling, why),
        }
    }

    pub(super) fn act_filling(&mut self, filling: Filling, command: Command, turn: &Turn) {
        let Some(slot) = self.slot_of(&filling) else { return self.act_open(command, turn) };
        let read_back = is_read_back(&slot);
        let named = |what: &str| turn.because(format!("slot:{}:{what}", slot.name));
        let sure = turn.guess.is_some_and(|guess| guess.best.1 >= INTERRUPTS);
        match command {
            Command::SetSlot { slot: name, value } | Command::CorrectSlot { slot: name, value }
                if name == slot.name =>
            {
                self.filled(filling, &slot, value.into_inner(), turn.because(format!("slot:{name}")));
            }
            Command::CorrectSlot { slot: name, value } => self.corrected(filling, &name, value.into_inner(), turn),
            Command::Affirm if filling.confirming => self.advance(filling, named("confirmed")),
            Command::Deny if filling.confirming => self.denied(filling, named("denied")),
            Command::Cancel => self.cancelled(turn.because("cancelled".to_owned())),
            Command::GoBack => self.go_back(filling, turn.because("back".to_owned())),
            Command::Repeat => self.ask_again(filling, turn.because("repeat".to_owned())),
            Command::Speak { language } => {
                self.voice.asked(language);
                self.ask_again(filling, turn.because("asked_for_language".to_owned()));
            }
            Command::Handoff { reason, .. } => self.handoff(reason, turn.because(String::new())),
            Command::ChitChat { intent } if sure && !read_back => self.chat_between(filling, &intent, turn),
            Command::StartFlow { intent } if sure && !self.is_about(&filling, &intent) => {
                self.digress(filling, Command::StartFlow { intent }, turn);
            }
            Command::Answer { .. } | Command::Script { .. } => self.digress(filling, command, turn),
            Command::Clarify { .. } if sure && !read_back => self.digress(filling, command, turn),
            Command::SetSlot { .. } | Command::Affirm | Command::Deny | Command::NoMatch => {
                self.missed(filling, named("missed"));
            }
            Command::ChitChat { .. } | Command::StartFlow { .. } | Command::Clarify { .. } => {
                self.missed(filling, named("missed"));
            }
        }
    }

    fn is_about(&self, filling: &Filling, intent: &str) -> bool {
        self.plan.intents.get(filling.intent).is_some_and(|own| own.name == intent)
    }

    /// Small talk between question and answer: what keeps the conversation going does not lose the question.
    fn chat_between(&mut self, filling: Filling, name: &str, turn: &Turn) {
        let then = self.plan.intent(name).map_or(Target::Unresolved, |intent| intent.then.clone());
        let rule = format!("intent:{name}");
        match then {
            Target::Repeat => self.ask_again(filling, turn.because("repeat".to_owned())),
            Target::Back => self.go_back(filling, turn.because(rule)),
            Target::Say(prompt) => {
                self.phase = Phase::Filling(filling);
                self.answer_in_place(&prompt, turn.because(rule));
            }
            Target::Unresolved => self.missed(filling, turn.because(rule)),
            Target::End(_) | Target::Queue(_) | Target::Script(_) | Target::Language(_) | Target::Run(_) => {
                self.act_open(Command::ChitChat { intent: name.to_owned() }, turn);
            }
        }
    }

    /// The next slot without a value.
    fn advance(&mut self, filling: Filling, why: Reason) {
        let mut next = Filling { slot: filling.slot + 1, misses: 0, ..filling };
        while next.work.is_none() && self.slot_of(&next).is_some_and(|slot| next.values.contains_key(&slot.name)) {
            next.slot += 1;
        }
        self.ask(next, why);
    }

    fn denied(&mut self, mut filling: Filling, why: Reason) {
        if let Some(slot) = self.slot_of(&filling) {
            filling.values.remove(&slot.name);
        }
        self.missed(filling, why);
    }

    /// A value that was given before is another.
    fn corrected(&mut self, mut filling: Filling, name: &str, value: String, turn: &Turn) {
        let why = turn.because(format!("slot:{name}:corrected"));
        if let Some(work) = filling.work.take() {
            return self.resume_at(*work, name, Some(value), why);
        }
        let slots = self.plan.intents.get(filling.intent).map_or(&[][..], |intent| intent.slots.as_slice());
        match slots.iter().position(|slot| slot.name == name).filter(|place| *place < filling.slot) {
            Some(place) => {
                let slot = slots[place].clone();
                self.filled(Filling { slot: place, ..filling }, &slot, value, why);
            }
            None => self.missed(filling, why),
        }
    }

    /// The question before this one; where there is none, this one again.
    fn go_back(&mut self, mut filling: Filling, why: Reason) {
        if let Some(name) = self.earlier_slots(&filling).pop().map(|slot| slot.name) {
            if let Some(work) = filling.work.take() {
                return self.resume_at(*work, &name, None, why);
            }
            filling.slot = filling.slot.saturating_sub(1);
            filling.values.remove(&name);
        }
        if let Some(slot) = self.slot_of(&filling) {
            filling.values.remove(&slot.name);
        }
        self.ask(Filling { misses: 0, ..filling }, why);
    }

    fn filled(&mut self, mut filling: Filling, slot: &Slot, value: String, why: Reason) {
        filling.values.insert(slot.name.clone(), value);
        match &slot.confirm {
            Some(prompt) => {
                (filling.confirming, filling.keys, filling.keys_due) = (true, String::new(), None);
                let values = filling.values.clone();
                self.phase = Phase::Filling(filling);
                self.answer(prompt, values, why);
            }
            None => self.advance(filling, why),
        }
    }

    fn missed(&mut self, filling: Filling, why: Reason) {
        let misses = filling.misses.saturating_add(1);
        if misses >= MOST_ASKED {
            let proves =
                self.slot_of(&filling).is_some_and(|slot| matches!(slot.kind, SlotKind::IdentityCard | SlotKind::Card));
            let reason = if proves { ReasonCode::AuthenticationFailed } else { ReasonCode::Unresolved };
            return self.escalate(None, reason, why);
        }
        self.ask(Filling { misses, ..filling }, why);
    }

    pub(super) fn filling_digit(&mut self, now: Instant, mut filling: Filling, digit: char) {
        let Some(slot) = self.slot_of(&filling) else { return };
        if digit == HUMAN_KEY && filling.keys.is_empty() {
            return self.escalate(None, ReasonCode::KeyPressed, why("key:0"));
        }
        match digit {
            '1' | '2' if filling.confirming || slot.kind == SlotKind::YesNo => {
                let yes = digit == '1';
                let rule = format!("key:{digit}");
                if slot.kind == SlotKind::YesNo && !filling.confirming {
                    let value = if yes { "yes" } else { "no" };
                    return self.filled(filling, &slot, value.to_owned(), slot_by(&slot, &rule));
                }
                if yes {
                    return self.advance(filling, why(&rule));
                }
                self.denied(filling, why(&rule));
            }
            '0'..='9' => {
                (filling.confirming, filling.keys_due) = (false, now.checked_add(KEYS_PAUSE));
                filling.keys.push(digit);
                if filling.keys.len() >= slot::most_digits(&slot.kind) {
                    return self.keys_done(filling, &slot);
                }
                self.phase = Phase::Filling(filling);
            }
            '#' => self.keys_done(filling, &slot),
            _ => {
                (filling.keys, filling.keys_due) = (String::new(), None);
                self.phase = Phase::Filling(filling);
            }
        }
    }

    fn keys_done(&mut self, filling: Filling, slot: &Slot) {
        match slot::check(&slot.kind, &filling.keys, self.today) {
            Some(value) => self.filled(filling, slot, value, slot_by(slot, "keys")),
            None => self.missed(filling, why(&format!("slot:{}:missed", slot.name))),
        }
    }

    pub(super) fn timeout(&mut self, now: Instant) {
        let Phase::Filling(filling) = &self.phase else { return };
        if crate::deadline::is_due(filling.keys_due, now) {
            let filling = filling.clone();
            if let Some(slot) = self.slot_of(&filling) {
                self.keys_done(filling, &slot);
            }
        }
    }
}

fn slot_by(slot: &Slot, evidence: &str) -> Reason {
    Reason { evidence: evidence.to_owned(), ..why(&format!("slot:{}", slot.name)) }
}
