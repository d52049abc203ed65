//! The part of a conversation that asks for slots: by voice or by keys, read back, confirmed, interrupted by a wish for a
//! human, another language or another intent.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::conversation::language::{self, Judged};
use crate::conversation::normalise::Views;
use crate::conversation::policy::Meaning;
use crate::conversation::{Output, slot};
use crate::dialplan::schema::{Slot, SlotKind, Target};

use super::working::{Working, is_read_back};
use super::{Conversation, HUMAN_KEY, Phase, Reason, why, wish_rule};

/// Keys of a number are complete when none follows for this long.
const KEYS_PAUSE: Duration = Duration::from_secs(4);
/// Times that one slot is asked for.
const MOST_ASKED: u8 = 3;
/// Confidence from which an intent interrupts the filling of a slot.
const INTERRUPTS: f32 = 0.6;

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
    /// The question of a workflow's step.
    pub(super) fn of_step(intent: usize, values: BTreeMap<String, String>, work: Box<Working>) -> Self {
        let (keys, keys_due) = (String::new(), None);
        Self { intent, slot: 0, values, confirming: false, keys, keys_due, misses: 0, work: Some(work) }
    }
}

impl Conversation {
    fn slot_of(&self, filling: &Filling) -> Option<Slot> {
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

    pub(super) fn filling_turn(&mut self, filling: Filling, views: &Views, judged: Judged) {
        let evidence = format!("language by {}", judged.evidence);
        let because = |rule: String| Reason { rule, guess: None, evidence: evidence.clone() };
        let chinese = language::chinese_meant(judged, self.voice.before);
        match self.mind.wish(views, &self.plan, chinese) {
            Some(Meaning::Wish(wish)) => return self.wish(wish, because(wish_rule(wish).to_owned())),
            Some(Meaning::Language(language)) => {
                self.voice.asked(language);
                return self.ask(filling, because("asked_for_language".to_owned()));
            }
            Some(Meaning::Intent(_) | Meaning::Question(_) | Meaning::NotUnderstood) | None => {}
        }
        let Some(slot) = self.slot_of(&filling) else { return self.free_turn(views, judged) };
        if filling.confirming {
            let value = slot::fill(&slot.kind, views, &self.mind.readings, self.today);
            let other = value.filter(|value| filling.values.get(&slot.name) != Some(value));
            match (slot::yes_no(views), other) {
                (_, Some(value)) if slot.kind != SlotKind::YesNo => {
                    return self.filled(filling, &slot, value, &evidence);
                }
                (Some(true), _) => {
                    let next = Filling { slot: filling.slot + 1, misses: 0, ..filling };
                    return self.ask(next, because(format!("slot:{}:confirmed", slot.name)));
                }
                (Some(false), _) => return self.missed(filling, because(format!("slot:{}:denied", slot.name))),
                (None, _) => {}
            }
        } else if let Some(value) = self.value_said(&slot, views) {
            return self.filled(filling, &slot, value, &evidence);
        }
        let verdict = self.mind.judge(views, &self.plan, chinese, self.today);
        let sure = verdict.guess.is_some_and(|guess| guess.best.1 >= INTERRUPTS);
        match verdict.meaning {
            // Small talk is no answer to a read-back, and no reason to forget what is being done.
            Meaning::Intent(number) if is_read_back(&slot) && self.plan.intents.get(number).is_some_and(|i| i.chat) => {
                self.missed(filling, because(format!("slot:{}:missed", slot.name)));
            }
            Meaning::Intent(number) if sure && number != filling.intent => {
                let repeat = self.plan.intents.get(number).is_some_and(|intent| intent.then == Target::Repeat);
                if repeat { self.ask(filling, because("repeat".to_owned())) } else { self.free_turn(views, judged) }
            }
            Meaning::Question(_) => self.free_turn(views, judged),
            Meaning::Intent(_) | Meaning::Wish(_) | Meaning::Language(_) | Meaning::NotUnderstood => {
                self.missed(filling, Reason { guess: verdict.guess, ..because(format!("slot:{}:missed", slot.name)) });
            }
        }
    }

    fn filled(&mut self, mut filling: Filling, slot: &Slot, value: String, evidence: &str) {
        filling.values.insert(slot.name.clone(), value);
        let why = Reason { rule: format!("slot:{}", slot.name), guess: None, evidence: evidence.to_owned() };
        match &slot.confirm {
            Some(prompt) => {
                (filling.confirming, filling.keys, filling.keys_due) = (true, String::new(), None);
                let values = filling.values.clone();
                self.phase = Phase::Filling(filling);
                self.answer(prompt, values, why);
            }
            None => {
                let next = Filling { slot: filling.slot + 1, misses: 0, ..filling };
                self.ask(next, why);
            }
        }
    }

    fn missed(&mut self, filling: Filling, why: Reason) {
        let misses = filling.misses.saturating_add(1);
        if misses >= MOST_ASKED {
            return self.escalate(None, why);
        }
        self.ask(Filling { misses, ..filling }, why);
    }

    pub(super) fn filling_digit(&mut self, now: Instant, mut filling: Filling, digit: char) {
        let Some(slot) = self.slot_of(&filling) else { return };
        if digit == HUMAN_KEY && filling.keys.is_empty() {
            return self.escalate(None, why("key:0"));
        }
        match digit {
            '1' | '2' if filling.confirming || slot.kind == SlotKind::YesNo => {
                let yes = digit == '1';
                let rule = format!("key:{digit}");
                if slot.kind == SlotKind::YesNo && !filling.confirming {
                    let value = if yes { "yes" } else { "no" };
                    return self.filled(filling, &slot, value.to_owned(), &rule);
                }
                if yes {
                    return self.ask(Filling { slot: filling.slot + 1, misses: 0, ..filling }, why(&rule));
                }
                self.missed(filling, why(&rule));
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
            Some(value) => self.filled(filling, slot, value, "keys"),
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
