//! The part of a conversation that walks through a workflow: says, asks, looks things up, decides by what is known, and
//! changes nothing without a plain yes. `tingwa check` has proved that every name is bound and that every change has its yes
//! on every way; both are looked at here once more, and where they do not hold a human takes over.
//!
//! While a tool is asked the caller hears a filler after 0.8 s and again 3 s after each; a tool that does not answer in its
//! time has failed, whatever the shell does. A second failure in a row brings a human, wherever the plan leads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::conversation::Output;
use crate::conversation::command::Command;
use crate::conversation::tool::{self, ToolOutcome, ToolReply};
use crate::dialplan::schema::{Slot, SlotKind, Target};
use crate::dialplan::workflow::{Branch, StepAct, Tool, placeholders};
use crate::ids::ToolCallId;
use crate::journal::escalation::ReasonCode;
use crate::journal::{Act, Entry, ToolFailure};
use crate::redact::Redacted;

use super::filling::Filling;
use super::policy::Turn;
use super::{Conversation, HUMAN_KEY, Phase, Reason, why};

/// The caller hears the filler when a tool takes longer than this.
const FILLER_AFTER: Duration = Duration::from_millis(800);
/// And again so long after it has been said.
const FILLER_AGAIN: Duration = Duration::from_secs(3);
/// And again after this, where nobody told that it has been said: the caller spoke over it.
const FILLER_AT_LATEST: Duration = Duration::from_secs(8);
/// The shell's own time on top of a tool's.
const GRACE: Duration = Duration::from_millis(1_500);
/// Failures in a row that bring a human.
const MOST_FAILURES: u8 = 2;
/// The same workflow may be begun so often without coming to its end.
const MOST_BEGUN: u8 = 3;
/// Steps in one walk between two waits: more than the largest workflow with its loops can have.
const MOST_WALKED: usize = 1_000;
/// Name under which a read-back's yes or no is kept until it is looked at; no name of a plan has a space.
const ANSWER: &str = "the answer";

/// How far a workflow has come.
#[derive(Clone, Debug)]
pub(super) struct Working {
    workflow: String,
    step: usize,
    values: BTreeMap<String, String>,
    /// How often each step has gone back.
    backs: BTreeMap<usize, u8>,
    /// The caller said yes, and nothing was bound or changed since.
    agreed: bool,
    /// Steps that asked for a value since something was last changed: to these the caller may go back.
    asked: Vec<usize>,
}

/// A tool is asked.
#[derive(Debug)]
pub(super) struct Asking {
    work: Working,
    id: ToolCallId,
    asked: Option<Instant>,
    give_up: Option<Instant>,
    filler_due: Option<Instant>,
    /// The workflow said something after the caller's last word. If not, what is being said is stale and is cut.
    append: bool,
}

/// From one wait to the next.
struct Walk {
    work: Working,
    why: Option<Reason>,
    /// Steps since the last decision, for its evidence.
    trail: Vec<String>,
    /// Something is being said that must not be cut.
    append: bool,
}

impl Walk {
    fn reason(&mut self, step: &str) -> Reason {
        let rule = || why(&format!("workflow:{}:{step}", self.work.workflow));
        let mut reason = self.why.take().unwrap_or_else(rule);
        self.trail.push(step.to_owned());
        reason.evidence.push_str(&format!("; steps of {}: {}", self.work.workflow, self.trail.join(" > ")));
        self.trail.clear();
        reason
    }

    fn go(&mut self, branch: &Branch) -> Option<Target> {
        match branch {
            Branch::Step(to) => self.work.step = *to,
            Branch::Leave(target) => return Some(target.clone()),
        }
        None
    }
}

impl Conversation {
    /// Begins a workflow with what is known already.
    pub(super) fn run(&mut self, workflow: &str, values: BTreeMap<String, String>, why: Reason) {
        let begun = self.memory.begun.entry(workflow.to_owned()).or_default();
        *begun = begun.saturating_add(1);
        if *begun > MOST_BEGUN {
            *begun = 0;
            return self.escalate(None, ReasonCode::FlowLoop, Reason { rule: format!("flow_loop:{workflow}"), ..why });
        }
        let (backs, asked) = (BTreeMap::new(), Vec::new());
        let work = Working { workflow: workflow.to_owned(), step: 0, values, backs, agreed: false, asked };
        self.walk(Walk { work, why: Some(why), trail: Vec::new(), append: false });
    }

    /// The question of a workflow's step is answered.
    pub(super) fn resume(&mut self, mut work: Working, mut values: BTreeMap<String, String>, why: Reason) {
        let plan = Arc::clone(&self.plan);
        let answer = values.remove(ANSWER);
        work.values = values;
        let step = plan.work.workflows.get(&work.workflow).and_then(|workflow| workflow.steps.get(work.step));
        let mut walk = Walk { work, why: Some(why), trail: Vec::new(), append: false };
        match step.map(|step| &step.act) {
            Some(StepAct::Confirm { no, .. }) if answer.as_deref() != Some("yes") => {
                walk.work.agreed = false;
                let no = no.clone();
                return self.branch(walk, &no, "no");
            }
            Some(StepAct::Confirm { .. }) => walk.work.agreed = true,
            _ => {
                let step = walk.work.step;
                walk.work.asked.retain(|asked| *asked != step);
                walk.work.asked.push(step);
                walk.work.agreed = false;
            }
        }
        walk.work.step += 1;
        self.walk(walk);
    }

    /// Slots that were asked for and may be asked for again, in the order in which they were.
    pub(super) fn slots_behind(&self, work: &Working) -> Vec<Slot> {
        let steps = self.plan.work.workflows.get(&work.workflow).map_or(&[][..], |workflow| workflow.steps.as_slice());
        let behind = work.asked.iter().filter(|step| **step != work.step).filter_map(|step| steps.get(*step));
        let slots =
            behind.filter_map(|step| if let StepAct::Ask(slot) = &step.act { Some(slot.clone()) } else { None });
        slots.filter(|slot| work.values.contains_key(&slot.name)).collect()
    }

    /// Goes back to the step that asked for this slot: with another value, or to ask for it again.
    pub(super) fn resume_at(&mut self, mut work: Working, name: &str, value: Option<String>, why: Reason) {
        let plan = Arc::clone(&self.plan);
        let steps = plan.work.workflows.get(&work.workflow).map_or(&[][..], |workflow| workflow.steps.as_slice());
        let asks = |step: &usize| matches!(steps.get(*step).map(|step| &step.act), Some(StepAct::Ask(slot)) if slot.name == name);
        let found = work.asked.iter().rposition(asks);
        let Some(place) = found else {
            let walk = Walk { work, why: Some(why), trail: Vec::new(), append: false };
            return self.stuck(walk, "", "no way back");
        };
        work.step = work.asked[place];
        work.asked.truncate(place);
        let mut values = std::mem::take(&mut work.values);
        values.remove(ANSWER);
        match value {
            Some(value) => {
                values.insert(name.to_owned(), value);
                self.resume(work, values, why);
            }
            None => {
                values.remove(name);
                work.values = values;
                self.walk(Walk { work, why: Some(why), trail: Vec::new(), append: false });
            }
        }
    }

    fn branch(&mut self, mut walk: Walk, branch: &Branch, step: &str) {
        match walk.go(branch) {
            None => self.walk(walk),
            Some(target) => self.leave(walk, step, &target),
        }
    }

    fn walk(&mut self, mut walk: Walk) {
        let plan = Arc::clone(&self.plan);
        self.phase = Phase::Listening;
        let Some(workflow) = plan.work.workflows.get(&walk.work.workflow) else {
            return self.stuck(walk, "", "no such workflow");
        };
        for _ in 0..MOST_WALKED {
            // Behind a last step that said something it is the caller's turn.
            let Some(step) = workflow.steps.get(walk.work.step) else {
                self.memory.begun.remove(&walk.work.workflow);
                return;
            };
            let name = step.name.as_str();
            let leave = match &step.act {
                StepAct::Say(prompt) => {
                    if let Some(field) = self.unbound(prompt, &walk.work.values) {
                        return self.stuck(walk, name, &format!("unbound:{field}"));
                    }
                    let (reason, values) = (walk.reason(name), walk.work.values.clone());
                    self.in_turn(walk.append, |me| me.answer(prompt, values, reason));
                    walk.append = true;
                    walk.work.step += 1;
                    None
                }
                StepAct::Ask(slot) => return self.put(walk, name, slot),
                StepAct::Confirm { prompt, .. } => return self.put(walk, name, &read_back(prompt)),
                StepAct::Call { tool, fail } => match plan.work.tools.get(tool) {
                    Some(tool) => return self.call(walk, name, tool, fail),
                    None => return self.stuck(walk, name, "no such tool"),
                },
                StepAct::When { condition, then, otherwise } => match condition.holds(&walk.work.values) {
                    Err(field) => return self.stuck(walk, name, &format!("unbound:{field}")),
                    Ok(holds) => {
                        walk.trail.push(format!("{name} {}", if holds { "holds" } else { "does not hold" }));
                        let next = Branch::Step(walk.work.step + 1);
                        walk.go(if holds { then } else { otherwise.as_ref().unwrap_or(&next) })
                    }
                },
                StepAct::Then { to, limit } => {
                    let backs = walk.work.backs.entry(walk.work.step).or_default();
                    let spent = limit.as_ref().filter(|limit| *backs >= limit.at_most);
                    *backs = backs.saturating_add(1);
                    walk.trail.push(format!("{name}{}", if spent.is_some() { " spent" } else { "" }));
                    walk.go(spent.map_or(to, |limit| &limit.after))
                }
            };
            if let Some(target) = leave {
                return self.leave(walk, name, &target);
            }
        }
        self.stuck(walk, "", "endless");
    }

    fn leave(&mut self, mut walk: Walk, step: &str, target: &Target) {
        walk.trail.pop_if(|last| last.split(' ').next() == Some(step));
        let reason = walk.reason(step);
        let Walk { work, append, .. } = walk;
        if !matches!(target, Target::Queue(_) | Target::Unresolved) {
            self.memory.begun.remove(&work.workflow);
        }
        self.phase = Phase::Listening;
        self.in_turn(append, |me| me.follow(target, work.values, reason));
    }

    /// What a checked plan cannot come to: a human.
    fn stuck(&mut self, mut walk: Walk, step: &str, what: &str) {
        let mut reason = walk.reason(step);
        reason.rule = format!("workflow:{}:{what}", walk.work.workflow);
        self.in_turn(walk.append, |me| me.escalate(None, ReasonCode::OwnFault, reason));
    }

    fn put(&mut self, mut walk: Walk, step: &str, slot: &Slot) {
        if let Some(field) = self.unbound(&slot.ask, &walk.work.values) {
            return self.stuck(walk, step, &format!("unbound:{field}"));
        }
        let reason = walk.reason(step);
        let Walk { work, append, .. } = walk;
        let intent = self.memory.wanted.last().copied().unwrap_or(usize::MAX);
        let filling = Filling::of_step(intent, work.values.clone(), Box::new(work));
        self.in_turn(append, |me| me.ask(filling, reason));
    }

    /// The slot of the step where the workflow waits.
    pub(super) fn slot_of_step(&self, work: &Working) -> Option<Slot> {
        match &self.plan.work.workflows.get(&work.workflow)?.steps.get(work.step)?.act {
            StepAct::Ask(slot) => Some(slot.clone()),
            StepAct::Confirm { prompt, .. } => Some(read_back(prompt)),
            _ => None,
        }
    }

    fn call(&mut self, mut walk: Walk, step: &str, tool: &Tool, fail: &Branch) {
        if tool.changes && !std::mem::take(&mut walk.work.agreed) {
            return self.stuck(walk, step, "unconfirmed");
        }
        if tool.changes {
            walk.work.asked.clear();
        }
        let id = self.next_tool;
        self.next_tool = id.next();
        match tool::request(id, tool, &walk.work.values) {
            Err(failure) => {
                let outcome = ToolOutcome::Failed(failure.clone());
                self.note_answer(
                    &ToolReply { id, tool: tool.name.clone(), outcome, ms: 0 },
                    Some(failure.clone()),
                    BTreeMap::new(),
                );
                self.failed(walk, tool, fail, &failure);
            }
            Ok(request) => {
                let reason = walk.reason(step);
                self.decide(Act::Call { tool: tool.name.clone() }, reason);
                let at = format!("{} {}", request.method.as_str(), request.host);
                let (path, body) = (request.path.clone(), request.body.clone());
                let called = Entry::ToolCalled { request: id, tool: tool.name.clone(), at, path, body };
                self.outputs.push_back(Output::Note(called));
                self.outputs.push_back(Output::Ask(Box::new(request)));
                let asking =
                    Asking { work: walk.work, id, asked: None, give_up: None, filler_due: None, append: walk.append };
                self.phase = Phase::Asking(Box::new(asking));
            }
        }
    }

    /// A tool has answered. What comes too late, or after the caller went elsewhere, is only written down.
    pub(super) fn replied(&mut self, reply: &ToolReply) {
        match std::mem::replace(&mut self.phase, Phase::Listening) {
            Phase::Asking(asking) if asking.id == reply.id => self.answered(*asking, reply),
            Phase::Done => self.phase = Phase::Done,
            phase => {
                self.phase = phase;
                let tool = self.plan.work.tools.get(&reply.tool);
                let failure = tool.and_then(|tool| tool::results(tool, &reply.outcome).err());
                self.note_answer(reply, failure, BTreeMap::new());
            }
        }
    }

    fn answered(&mut self, asking: Asking, reply: &ToolReply) {
        let plan = Arc::clone(&self.plan);
        let step = plan.work.workflows.get(&asking.work.workflow).and_then(|w| w.steps.get(asking.work.step));
        let mut walk = Walk { work: asking.work, why: None, trail: Vec::new(), append: asking.append };
        let Some(StepAct::Call { tool, fail }) = step.map(|step| &step.act) else {
            return self.stuck(walk, "", "no such step");
        };
        let Some(tool) = plan.work.tools.get(tool) else { return self.stuck(walk, "", "no such tool") };
        match tool::results(tool, &reply.outcome) {
            Err(failure) => {
                self.note_answer(reply, Some(failure.clone()), BTreeMap::new());
                self.failed(walk, tool, fail, &failure);
            }
            Ok(bound) => {
                let told = |(name, value): (&String, &Option<String>)| Some((name.clone(), value.clone()?.into()));
                self.note_answer(reply, None, bound.iter().filter_map(told).collect());
                (self.tally.tools, self.tally.unresolved) = (0, 0);
                walk.work.agreed &= bound.is_empty();
                for (name, value) in bound {
                    match value {
                        Some(value) => drop(walk.work.values.insert(name, value)),
                        None => drop(walk.work.values.remove(&name)),
                    }
                }
                walk.why = Some(why(&format!("tool:{}", tool.name)));
                walk.work.step += 1;
                self.walk(walk);
            }
        }
    }

    fn failed(&mut self, mut walk: Walk, tool: &Tool, fail: &Branch, failure: &ToolFailure) {
        self.tally.tools = self.tally.tools.saturating_add(1);
        self.tally.unresolved = self.tally.unresolved.saturating_add(1);
        let mut reason = why(&format!("tool_failed:{}", tool.name));
        reason.evidence = failure_name(failure).to_owned();
        let queue = if let Branch::Leave(Target::Queue(queue)) = fail { Some(queue.as_str()) } else { None };
        let often = self.tally.tools >= MOST_FAILURES || self.tally.unresolved >= self.plan.escalation.unresolved;
        if often && queue.is_none() {
            reason.rule.push_str(":again");
            self.phase = Phase::Listening;
            return self.in_turn(walk.append, |me| me.escalate(None, ReasonCode::ToolFailed, reason));
        }
        walk.why = Some(reason);
        self.branch(walk, fail, &tool.name);
    }

    fn note_answer(
        &mut self,
        reply: &ToolReply,
        failure: Option<ToolFailure>,
        values: BTreeMap<String, Redacted<String>>,
    ) {
        let (request, tool, status, ms) = (reply.id, reply.tool.clone(), reply.outcome.status(), reply.ms);
        self.outputs.push_back(Output::Note(Entry::ToolAnswered { request, tool, status, failure, ms, values }));
    }

    // -- while a tool is asked

    /// The caller spoke meanwhile, and did not ask for a person.
    pub(super) fn act_asking(&mut self, asking: Box<Asking>, command: &Command, turn: &Turn) {
        self.phase = Phase::Asking(asking);
        match command {
            Command::Speak { language } => {
                self.voice.asked(*language);
                self.filler(turn.because("asked_for_language".to_owned()));
            }
            _ => self.filler(turn.because("asking".to_owned())),
        }
    }

    pub(super) fn asking_digit(&mut self, digit: char) {
        if digit == HUMAN_KEY {
            self.escalate(None, ReasonCode::KeyPressed, why("key:0"));
        }
    }

    /// Says that it takes a moment, and leaves "say that again" to what was said before.
    pub(super) fn filler(&mut self, reason: Reason) {
        let plan = Arc::clone(&self.plan);
        let Phase::Asking(asking) = &mut self.phase else { return };
        asking.filler_due = None;
        let step = plan.work.workflows.get(&asking.work.workflow).and_then(|w| w.steps.get(asking.work.step));
        let Some(StepAct::Call { tool, .. }) = step.map(|step| &step.act) else { return };
        let Some(tool) = plan.work.tools.get(tool) else { return };
        let last = self.memory.last.clone();
        let append = std::mem::replace(&mut asking.append, true);
        self.in_turn(append, |me| me.answer(&tool.filler, BTreeMap::new(), reason));
        self.memory.last = last;
    }

    /// The filler has been said to its end.
    pub(super) fn asking_spoken(&mut self, now: Instant) {
        if let Phase::Asking(asking) = &mut self.phase {
            asking.filler_due = asking.filler_due.map(|due| due.min(now + FILLER_AGAIN));
        }
    }

    /// Sets what waits for the clock; the end of every input.
    pub(super) fn arm(&mut self, now: Instant) {
        let plan = Arc::clone(&self.plan);
        let Phase::Asking(asking) = &mut self.phase else { return };
        let patience = || {
            let step = plan.work.workflows.get(&asking.work.workflow)?.steps.get(asking.work.step)?;
            let StepAct::Call { tool, .. } = &step.act else { return None };
            plan.work.tools.get(tool).map(Tool::patience)
        };
        let first = asking.asked.is_none();
        if first {
            asking.give_up = Some(now + patience().unwrap_or_default() + GRACE);
            asking.asked = Some(now);
        }
        let wait = if first { FILLER_AFTER } else { FILLER_AT_LATEST };
        asking.filler_due.get_or_insert(now + wait);
    }

    pub(super) fn asking_due(&self) -> Option<Instant> {
        let Phase::Asking(asking) = &self.phase else { return None };
        asking.filler_due.into_iter().chain(asking.give_up).min()
    }

    pub(super) fn asking_timeout(&mut self, now: Instant) {
        let Phase::Asking(asking) = &self.phase else { return };
        if crate::deadline::is_due(asking.give_up, now) {
            let ms = asking.asked.map_or(0, |asked| now.saturating_duration_since(asked).as_millis());
            let step = self.plan.work.workflows.get(&asking.work.workflow).and_then(|w| w.steps.get(asking.work.step));
            let tool = match step.map(|step| &step.act) {
                Some(StepAct::Call { tool, .. }) => tool.clone(),
                _ => String::new(),
            };
            let outcome = ToolOutcome::Failed(ToolFailure::Late);
            let late = ToolReply { id: asking.id, tool, outcome, ms: u64::try_from(ms).unwrap_or(u64::MAX) };
            self.replied(&late);
        } else if crate::deadline::is_due(asking.filler_due, now) {
            self.filler(why("asking"));
        }
    }

    // -- what is said

    /// A value that the prompt needs and that is not known. Such a prompt is never said.
    pub(super) fn unbound(&self, prompt: &str, values: &BTreeMap<String, String>) -> Option<String> {
        let text = self.plan.prompts.get(prompt, self.voice.before.current)?;
        placeholders(text).into_iter().find(|name| !values.contains_key(*name)).map(str::to_owned)
    }

    /// Does it, and has what it says come after what is being said, where `append`.
    fn in_turn(&mut self, append: bool, act: impl FnOnce(&mut Self)) {
        let before = self.outputs.len();
        act(self);
        let said = self.outputs.iter_mut().skip(before);
        let first = said.filter_map(|output| if let Output::Say(say) = output { Some(say) } else { None }).next();
        if let (true, Some(say)) = (append, first) {
            say.append = true;
        }
    }
}

/// True for the question of a read-back: heard to its end, as what is agreed to must have been heard.
pub(super) fn is_read_back(slot: &Slot) -> bool {
    slot.name == ANSWER
}

fn read_back(prompt: &str) -> Slot {
    Slot { name: ANSWER.to_owned(), kind: SlotKind::YesNo, ask: prompt.to_owned(), confirm: None, keys: None }
}

fn failure_name(failure: &ToolFailure) -> &'static str {
    match failure {
        ToolFailure::Busy => "busy",
        ToolFailure::NotConfigured => "not configured",
        ToolFailure::Unsendable { .. } => "a value cannot be sent",
        ToolFailure::Unreachable => "unreachable",
        ToolFailure::Late => "late",
        ToolFailure::TooLarge => "answer too large",
        ToolFailure::Status => "status",
        ToolFailure::NotJson => "answer is no JSON",
        ToolFailure::Missing { .. } => "answer lacks a value",
    }
}

#[cfg(test)]
#[path = "working/tests.rs"]
mod tests;
