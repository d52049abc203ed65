//! `[escalation]` with its three levels, and `[dialogue.repair]`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::values::Span;
use super::{Reader, needed, there};
use crate::dialplan::schema::{Clarify, Escalation, NotifyRule, Repair, TakeoverRule, TransferRule};
use crate::journal::escalation::{Level, ReasonCode};
use crate::settings::Section;

/// A supervisor is not told the same again for so long.
const TOLD: Duration = Duration::from_secs(300);
/// What the gateway finds by itself rings nobody again for so long after nobody took the call.
const TRIED: Duration = Duration::from_secs(30);
/// The recogniser is unsure below this.
const LOW_CONFIDENCE: f32 = 0.3;
/// Two intents are about as likely within this.
const MARGIN: f32 = 0.15;

impl Reader {
    pub(super) fn escalation(&self, mut section: Section<'_>) -> Escalation {
        let queue = needed(&mut section, "queue");
        if !queue.is_empty() {
            there(&section, "queue", ("queue", &queue), &self.queues);
        }
        let mut words = words(section.section("words"));
        for (key, reason) in [("human_words", ReasonCode::AskedForHuman), ("urgent_words", ReasonCode::Urgent)] {
            words.entry(reason).or_default().extend(section.strings(key).unwrap_or_default());
        }
        let escalation = Escalation {
            queue,
            transferring: needed(&mut section, "transferring"),
            closed: needed(&mut section, "closed"),
            gave_up: needed(&mut section, "gave_up"),
            unresolved: section.integer("unresolved", 1..=9).and_then(|n| u8::try_from(n).ok()).unwrap_or(2),
            words,
            transfer: transfer(section.section("transfer")),
            notify: notify(section.section("notify")),
            takeover: self.takeover(section.section("takeover")),
        };
        section.finish();
        escalation
    }

    fn takeover(&self, mut section: Section<'_>) -> TakeoverRule {
        let queue = section.string("queue");
        if let Some(queue) = &queue {
            there(&section, "queue", ("queue", queue), &self.queues);
        }
        let (transferring, always) = (section.string("transferring"), section.boolean("always").unwrap_or(true));
        section.finish();
        TakeoverRule { queue, transferring, always }
    }
}

/// Words that callers say, by the reason's code.
fn words(mut section: Section<'_>) -> BTreeMap<ReasonCode, Vec<String>> {
    let mut all = BTreeMap::new();
    for reason in heard() {
        if let Some(words) = section.strings(reason.code()) {
            all.insert(reason, words);
        }
    }
    section.finish();
    all
}

/// Reasons that are told by what was said.
fn heard() -> impl Iterator<Item = ReasonCode> {
    ReasonCode::ALL.into_iter().filter(|reason| match reason {
        ReasonCode::AskedForHuman | ReasonCode::LanguageUnsupported => true,
        ReasonCode::Vip | ReasonCode::Emotion => false,
        other => other.level() != Level::Transfer,
    })
}

fn transfer(mut section: Section<'_>) -> TransferRule {
    let rule = TransferRule {
        retention: section.string("retention"),
        cool_down: span(&mut section, "cool_down", TRIED),
        low_confidence: share(&mut section, "low_confidence", LOW_CONFIDENCE),
    };
    section.finish();
    rule
}

fn notify(mut section: Section<'_>) -> NotifyRule {
    let rule = NotifyRule {
        ignore: reasons(&mut section, "ignore"),
        transfer: reasons(&mut section, "transfer"),
        cool_down: span(&mut section, "cool_down", TOLD),
    };
    if rule.transfer.contains(&ReasonCode::Emotion) {
        section.problem("transfer", "emotion alone never transfers a call; a supervisor is told of it");
    }
    section.finish();
    rule
}

fn reasons(section: &mut Section<'_>, key: &str) -> BTreeSet<ReasonCode> {
    let mut all = BTreeSet::new();
    let level: Vec<ReasonCode> = ReasonCode::ALL.into_iter().filter(|r| r.level() == Level::Notify).collect();
    for name in section.strings(key).unwrap_or_default() {
        match level.iter().find(|reason| reason.code() == name) {
            Some(reason) => drop(all.insert(*reason)),
            None => {
                let names: Vec<&str> = level.iter().map(|reason| reason.code()).collect();
                section.problem(key, format_args!("'{name}' is no reason of level 2; there are {}", names.join(", ")));
            }
        }
    }
    all
}

/// `[dialogue.repair]`.
pub(super) fn repair(mut section: Section<'_>) -> Repair {
    let mut clarify = section.section("clarify");
    let tries = clarify.integer("tries", 1..=5).and_then(|n| u8::try_from(n).ok()).unwrap_or(2);
    let margin = share(&mut clarify, "margin", MARGIN);
    let say = clarify.string("say");
    let say =
        if clarify.is_present() { clarify.required("say", "a prompt with {first} and {second}", say) } else { None };
    clarify.finish();
    let repair = Repair {
        clarify: say.map(|say| Clarify { say, margin, tries }),
        returning: section.string("returning"),
        cancelled: section.string("cancelled"),
    };
    section.finish();
    repair
}

fn span(section: &mut Section<'_>, key: &str, default: Duration) -> Duration {
    section.parsed::<Span>(key, "a time such as \"30s\" or \"5m\"").map_or(default, |span| span.0)
}

/// A share as text, `"0.15"`.
fn share(section: &mut Section<'_>, key: &str, default: f32) -> f32 {
    const EXPECTED: &str = "a share of 1 in quotes, e.g. \"0.15\"";
    match section.parsed::<f32>(key, EXPECTED) {
        None => default,
        Some(share) if (0.0..=1.0).contains(&share) => share,
        Some(_) => {
            section.problem(key, format_args!("expected {EXPECTED}"));
            default
        }
    }
}
