//! When a human is needed: the three levels, their reasons, cool-downs and what is written down of them. An asked-for person is never
//! held back by a cool-down; emotion alone never transfers ([`crate::dialplan::check`] refuses a plan that says so).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::conversation::briefing::{self, Facts};
use crate::conversation::command::Command;
use crate::conversation::normalise::Views;
use crate::conversation::scores::{Counters, HIGH};
use crate::conversation::understanding::{Setting, Situation};
use crate::conversation::{Briefing, Output};
use crate::dialplan::schema::Target;
use crate::journal::escalation::{Level, Outcome, ReasonCode};
use crate::journal::{Act, Entry};
use crate::speech::{Language, SpeechTags};

use super::policy::RECENT;
use super::{Conversation, Phase, Reason, Topic, why};

/// Transfers tried in one call, in vain or because the line is closed, before the bot says goodbye.
const MOST_TRANSFERS: u8 = 3;
/// The same where somebody must take over at once.
const MOST_TAKEOVERS: u8 = 6;

/// What was tried, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct Escalations {
    now: Option<Instant>,
    transfers: u8,
    /// Nobody took the call.
    failed: Option<Instant>,
    /// The caller asked for a person and was offered help first.
    retained: bool,
    /// Turns in a row of high anger or distress.
    heated: u8,
    /// A supervisor was told of this.
    told: BTreeMap<ReasonCode, Instant>,
}

impl Escalations {
    pub(super) fn at(&mut self, now: Instant) {
        self.now = Some(now);
    }

    fn within(&self, since: Option<Instant>, wait: Duration) -> bool {
        since.zip(self.now).is_some_and(|(since, now)| now.saturating_duration_since(since) < wait)
    }
}

/// High anger or distress over so many turns in a row: a supervisor is told.
const SUSTAINED: u8 = 2;

/// Reasons that the gateway finds by itself: not asked again right after nobody took the call.
fn is_automatic(reason: ReasonCode) -> bool {
    match reason {
        ReasonCode::Unresolved | ReasonCode::NoInput | ReasonCode::ToolFailed => true,
        ReasonCode::AuthenticationFailed | ReasonCode::LowConfidence | ReasonCode::FlowLoop => true,
        ReasonCode::AskedForHuman | ReasonCode::KeyPressed | ReasonCode::Planned | ReasonCode::OwnFault => false,
        ReasonCode::LanguageUnsupported => false,
        ReasonCode::Vip | ReasonCode::Emotion | ReasonCode::Complaint | ReasonCode::Regulator => false,
        ReasonCode::Legal | ReasonCode::Media | ReasonCode::Churn | ReasonCode::Vulnerable => false,
        ReasonCode::Fraud | ReasonCode::LostCard | ReasonCode::Safety | ReasonCode::Outage => false,
        ReasonCode::Urgent => false,
    }
}

/// The rule under which a handoff is journalled.
fn rule_of(reason: ReasonCode) -> &'static str {
    match reason.level() {
        Level::Takeover => "urgent",
        Level::Transfer | Level::Notify => reason.code(),
    }
}

impl Conversation {
    /// A human, as a turn asks for.
    pub(super) fn handoff(&mut self, reason: ReasonCode, mut why: Reason) {
        why.rule = rule_of(reason).to_owned();
        self.escalate(None, reason, why);
    }

    fn note_escalated(&mut self, level: Level, reason: ReasonCode, outcome: Outcome) {
        self.outputs.push_back(Output::Note(Entry::Escalated { level, reason, outcome }));
    }

    /// Level 2: tells a supervisor, within the cool-down. True where the plan has such a call transferred.
    pub(super) fn notify(&mut self, reason: ReasonCode) -> bool {
        let plan = Arc::clone(&self.plan);
        let rule = &plan.escalation.notify;
        if rule.ignore.contains(&reason) {
            return false;
        }
        let before = self.escalations.told.get(&reason).copied();
        if self.escalations.within(before, rule.cool_down) {
            return false;
        }
        if let Some(now) = self.escalations.now {
            self.escalations.told.insert(reason, now);
        }
        self.note_escalated(Level::Notify, reason, Outcome::Notified);
        reason != ReasonCode::Emotion && rule.transfer.contains(&reason)
    }

    /// Writes down the scores of a turn; sustained anger or distress has a supervisor told, and nothing more.
    pub(super) fn note_scores(&mut self, said: &Views, tags: SpeechTags, commands: &[Command], restated: bool) {
        let misses = if let Phase::Filling(filling) = &self.phase { filling.misses } else { 0 };
        let topic = commands.iter().find_map(|command| match command {
            Command::StartFlow { intent } => Some(intent.clone()),
            Command::Answer { entry } => Some(format!("knowledge:{entry}")),
            _ => None,
        });
        let again = self.memory.answered.and_then(|(last, age)| Some((self.topic_name(last)?, age)));
        let repeated = again.as_ref().is_some_and(|(last, age)| Some(last) == topic.as_ref() && *age <= RECENT);
        let counters = Counters {
            unresolved: self.tally.unresolved,
            misses,
            silences: self.tally.silences,
            tool_failures: self.tally.tools,
            unsure: self.tally.unsure,
            failed_transfers: self.escalations.transfers,
            repeated: repeated || restated,
        };
        let mut scores = self.mind.feelings().scores(said, tags, commands, counters);
        scores.topic = topic.or(again.map(|(last, _)| last));
        let heated = scores.emotion.value >= HIGH;
        self.outputs.push_back(Output::Note(Entry::Scored(scores)));
        self.escalations.heated = if heated { self.escalations.heated.saturating_add(1) } else { 0 };
        if self.escalations.heated >= SUSTAINED {
            self.notify(ReasonCode::Emotion);
        }
    }

    fn topic_name(&self, topic: Topic) -> Option<String> {
        match topic {
            Topic::Intent(number) => self.plan.intents.get(number).map(|intent| intent.name.clone()),
            Topic::Entry(number) => self.plan.knowledge.get(number).map(|question| question.prompt_id.clone()),
        }
    }

    /// Somebody is being rung, or goodbye is being said.
    pub(super) fn leaving(&self) -> Option<&'static str> {
        match self.phase {
            Phase::Transferring { .. } => Some("transferring"),
            Phase::Closing => Some("closing"),
            Phase::Waiting | Phase::Listening | Phase::Filling(_) | Phase::Clarifying(_) => None,
            Phase::Consulting(_) | Phase::Asking(_) | Phase::Reading(_) | Phase::Done => None,
        }
    }

    /// A turn while somebody is rung or goodbye is said: only what needs a human counts.
    pub(super) fn turn_while_leaving(&mut self, views: &Views, chinese: Language, rule: &str) {
        let at = Setting { plan: &self.plan, chinese, today: self.today };
        let commands = self.mind.commands(views, Situation::Busy, at).commands;
        for command in commands {
            match command {
                Command::Handoff { level: Level::Notify, reason } => {
                    self.notify(reason);
                }
                Command::Handoff { reason, .. } if matches!(self.phase, Phase::Closing) => {
                    return self.handoff(reason, why(""));
                }
                Command::Handoff { level: Level::Takeover, reason } => {
                    self.note_escalated(Level::Takeover, reason, Outcome::Upgraded);
                }
                _ => {}
            }
        }
        self.decide(Act::Listen, why(rule));
    }

    /// The last rung of a ladder.
    pub(super) fn ladder_end(&mut self, then: &Target, reason: ReasonCode, why: Reason) {
        match then {
            Target::End(prompt) => self.goodbye(prompt, &BTreeMap::new(), why),
            Target::Queue(queue) => self.escalate(Some(queue), reason, why),
            Target::Say(_)
            | Target::Script(_)
            | Target::Language(_)
            | Target::Run(_)
            | Target::Repeat
            | Target::Back
            | Target::Unresolved => self.escalate(None, reason, why),
        }
    }

    /// Rings somebody, where somebody may be rung.
    pub(super) fn escalate(&mut self, queue: Option<&str>, reason: ReasonCode, mut why: Reason) {
        let plan = Arc::clone(&self.plan);
        let (level, escalation) = (reason.level(), &plan.escalation);
        let at_once = level == Level::Takeover;
        let own = escalation.takeover.queue.as_deref().filter(|_| at_once);
        let queue = queue.or(own).unwrap_or(&escalation.queue).to_owned();
        self.leave_script();
        self.phase = Phase::Listening;
        self.parked.clear();
        if let Some(prompt) = escalation.transfer.retention.as_ref().filter(|_| self.retains(reason)) {
            self.escalations.retained = true;
            why.rule.push_str(":retained");
            self.note_escalated(level, reason, Outcome::Retained);
            return self.answer(prompt, BTreeMap::new(), why);
        }
        (self.tally.unresolved, self.tally.silences, self.tally.unsure) = (0, 0, 0);
        if self.escalations.transfers >= if at_once { MOST_TAKEOVERS } else { MOST_TRANSFERS } {
            why.rule.push_str(":gave_up");
            self.note_escalated(level, reason, Outcome::GaveUp);
            return self.goodbye(&escalation.gave_up, &BTreeMap::new(), why);
        }
        self.escalations.transfers += 1;
        let staffed = self.open || at_once && escalation.takeover.always;
        if !staffed {
            why.rule.push_str(":closed");
            self.note_escalated(level, reason, Outcome::Closed);
            return self.answer(&escalation.closed, BTreeMap::new(), why);
        }
        if is_automatic(reason) && self.escalations.within(self.escalations.failed, escalation.transfer.cool_down) {
            why.rule.push_str(":cooling");
            self.note_escalated(level, reason, Outcome::CoolingDown);
            let prompt = plan.queues.get(&queue).map_or(escalation.closed.as_str(), |queue| queue.no_agent.as_str());
            return self.answer(prompt, BTreeMap::new(), why);
        }
        self.ring(queue, level, reason, why);
    }

    fn retains(&self, reason: ReasonCode) -> bool {
        reason == ReasonCode::AskedForHuman && !self.escalations.retained && self.open
    }

    fn ring(&mut self, queue: String, level: Level, code: ReasonCode, why: Reason) {
        let plan = Arc::clone(&self.plan);
        let language = plan.queues.get(&queue).map_or(plan.default_language(), |queue| queue.briefing_language);
        let facts = Facts {
            rule: &why.rule,
            reason: code,
            wanted: &self.memory.wanted,
            caller: self.voice.before.current,
            said: &self.memory.said,
        };
        let briefing = Briefing { text: briefing::text(&plan, facts, language), language };
        let reason = why.rule.clone();
        self.note_escalated(level, code, Outcome::Transferred { queue: queue.clone() });
        self.decide(Act::Escalate { queue: queue.clone() }, why);
        self.phase = Phase::Transferring { queue: queue.clone() };
        let caller = self.voice.before.current;
        let own = plan.escalation.takeover.transferring.as_ref().filter(|_| level == Level::Takeover);
        self.say(own.unwrap_or(&plan.escalation.transferring), &BTreeMap::new(), caller, false);
        self.outputs.push_back(Output::Escalate { queue, level, reason, briefing });
    }

    pub(super) fn transfer_over(&mut self, rule: &str) {
        let plan = Arc::clone(&self.plan);
        let Phase::Transferring { queue } = &self.phase else { return };
        let prompt = plan.queues.get(queue).map_or("", |queue| queue.no_agent.as_str());
        self.escalations.failed = self.escalations.now;
        self.phase = Phase::Listening;
        self.answer(prompt, BTreeMap::new(), why(rule));
        if std::mem::take(&mut self.deaf) {
            self.recogniser_lost();
        }
    }

    pub(super) fn recogniser_lost(&mut self) {
        self.overtake();
        match self.phase {
            // Said once the caller has been greeted, has heard the script, or is back from a transfer in vain.
            Phase::Waiting | Phase::Reading(_) | Phase::Transferring { .. } => self.deaf = true,
            Phase::Closing | Phase::Done => {}
            Phase::Consulting(_) | Phase::Listening | Phase::Filling(_) | Phase::Clarifying(_) | Phase::Asking(_) => {
                let prompt = self.plan.dialogue.keys_only.clone();
                self.answer(&prompt, BTreeMap::new(), why("recogniser_lost"));
            }
        }
    }

    pub(super) fn hang_up(&mut self) {
        self.phase = Phase::Done;
        self.outputs.push_back(Output::HangUp);
    }
}
