//! Branches that no call comes to: ladder prompts behind the escalation, questions that hide an intent's phrase, slots that are
//! asked for twice, special days behind others.

use std::collections::{BTreeMap, BTreeSet};

use super::Checker;
use crate::dialplan::calendar::Days;

impl Checker<'_> {
    /// Warns of every branch that is never taken.
    pub(super) fn reach(&self) {
        self.ladder_behind_escalation();
        self.phrases_behind_questions();
        self.slots_twice();
        self.slot_kinds();
        self.days_behind_days();
    }

    fn ladder_behind_escalation(&self) {
        let unresolved = self.plan.escalation.unresolved;
        let said = usize::from(unresolved).saturating_sub(1);
        for prompt in self.plan.dialogue.no_match.prompts.iter().skip(said) {
            let message = format!(
                "dialogue.no_match.say: '{prompt}' is never said: after {unresolved} turns (escalation.unresolved) a human comes first"
            );
            self.warning("plan.toml", "no_match", message);
        }
    }

    /// A stored question that is a phrase of an intent, too, is answered before the intent is looked at.
    fn phrases_behind_questions(&self) {
        let plain = |text: &str| -> String {
            text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
        };
        let mut asked: BTreeMap<String, &str> = BTreeMap::new();
        for question in &self.plan.knowledge {
            for text in question.questions.values().flatten() {
                asked.insert(plain(text), &question.name);
            }
        }
        for intent in &self.plan.intents {
            for (language, phrase) in intent.phrases.iter().flat_map(|(l, all)| all.iter().map(move |text| (l, text))) {
                if let Some(question) = asked.get(&plain(phrase)) {
                    let message = format!(
                        "\"{phrase}\" of '{}' is never understood: it is a question of '{question}', too",
                        intent.name
                    );
                    self.warning(&format!("phrases/{language}.toml"), phrase, message);
                }
            }
        }
    }

    fn slots_twice(&self) {
        for intent in &self.plan.intents {
            let mut seen = BTreeSet::new();
            for slot in intent.slots.iter().filter(|slot| !seen.insert(&slot.name)) {
                let message = format!("intent.{}: slot '{}' is asked for twice", intent.name, slot.name);
                self.problem("plan.toml", &format!("[[intent.{}.slots]]", intent.name), message);
            }
        }
    }

    /// What is said for a value goes by its slot's name, so that one name has one kind.
    fn slot_kinds(&self) {
        let mut told = BTreeSet::new();
        let other = self.plan.slots().filter(|slot| self.plan.slot_kind(&slot.name) != Some(&slot.kind));
        for slot in other.filter(|slot| told.insert(&slot.name)) {
            let message = format!("slot '{}' has another kind where it is asked for elsewhere", slot.name);
            self.problem("plan.toml", &format!("name = \"{}\"", slot.name), message);
        }
    }

    fn days_behind_days(&self) {
        let Some(hours) = &self.plan.hours else { return };
        for (at, special) in hours.special.iter().enumerate() {
            let before = |day: &Days| {
                hours.special.iter().take(at).position(|other| other.on.iter().any(|earlier| takes(*earlier, *day)))
            };
            for (first, days) in special.on.iter().filter_map(|days| Some((before(days)?, days))) {
                let (first, number) = (first + 1, at + 1);
                let message =
                    format!("[[hours.special]] number {number}: {days} is never looked at: number {first} has it");
                self.warning("plan.toml", "[[hours.special]]", message);
            }
        }
    }
}

/// True where the earlier days have all of the later ones.
fn takes(earlier: Days, later: Days) -> bool {
    match (earlier, later) {
        (Days::Range(a, b), Days::Range(c, d)) => a <= c && d <= b,
        (Days::Yearly(month, day), Days::Range(first, last)) => {
            first == last && (first.month(), first.day()) == (month, day)
        }
        _ => earlier == later,
    }
}
