//! The part of a conversation that walks through a workflow: says, asks, looks things up, decides by what is known, and
//! changes nothing without a plain yes. `tingwa check` has proved that every name is bound and that every change has its yes
//! on every way; both are looked at here once more, and where they do not hold a human takes over.
//!
//! While a tool is asked the caller hears a filler after 0.8 s and again 3 s after each; a tool that does not answer in its
//! time has failed, whatever the shell does. A second failure in a row brings a human, wherever the plan leads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::conversation::language::{self, Judged};
use crate::conversation::normalise::Views;
use crate::conversation::policy::Meaning;
use crate::conversation::tool::{self, ToolOutcome, ToolReply};
use crate::conversation::{Output, slot};
use crate::dialplan::schema::{Slot, SlotKind, Target};
use crate::dialplan::workflow::{Branch, StepAct, Tool, placeholders};
use crate::ids::ToolCallId;
use crate::journal::{Act, Entry, ToolFailure};
use crate::redact::Redacted;

use super::filling::Filling;
use super::{Conversation, HUMAN_KEY, Phase, Reason, why, wish_rule};

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
        let work = Working { workflow: workflow.to_owned(), step: 0, values, backs: BTreeMap::new(), agreed: false };
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
            _ => walk.work.agreed = false,
        }
        walk.work.step += 1;
        self.walk(walk);
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
            let Some(step) = workflow.steps.get(walk.work.step) else { return };
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
        self.phase = Phase::Listening;
        self.in_turn(append, |me| me.follow(target, work.values, reason));
    }

    /// What a checked plan cannot come to: a human.
    fn stuck(&mut self, mut walk: Walk, step: &str, what: &str) {
        let mut reason = walk.reason(step);
        reason.rule = format!("workflow:{}:{what}", walk.work.workflow);
        self.in_turn(walk.append, |me| me.escalate(None, reason));
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
        let mut reason = why(&format!("tool_failed:{}", tool.name));
        reason.evidence = failure_name(failure).to_owned();
        let queue = if let Branch::Leave(Target::Queue(queue)) = fail { Some(queue.as_str()) } else { None };
        if self.tally.tools >= MOST_FAILURES && queue.is_none() {
            reason.rule.push_str(":again");
            self.phase = Phase::Listening;
            return self.in_turn(walk.append, |me| me.escalate(None, reason));
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

    /// The caller spoke meanwhile.
    pub(super) fn asking_turn(&mut self, asking: Box<Asking>, views: &Views, judged: Judged) {
        let because = |rule: &str| Reason { evidence: format!("language by {}", judged.evidence), ..why(rule) };
        let chinese = language::chinese_meant(judged, self.voice.before);
        let wish = self.mind.wish(views, &self.plan, chinese);
        if let Some(Meaning::Wish(wish)) = wish {
            return self.wish(wish, because(wish_rule(wish)));
        }
        self.phase = Phase::Asking(asking);
        match wish {
            Some(Meaning::Language(language)) => {
                self.voice.asked(language);
                self.filler(because("asked_for_language"));
            }
            _ => self.filler(because("asking")),
        }
    }

    pub(super) fn asking_digit(&mut self, digit: char) {
        if digit == HUMAN_KEY {
            self.escalate(None, why("key:0"));
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

    /// What was said as the value of a slot. A read-back wants more than a word that may mean yes.
    pub(super) fn value_said(&self, slot: &Slot, views: &Views) -> Option<String> {
        if slot.name != ANSWER {
            return slot::fill(&slot.kind, views, &self.mind.readings, self.today);
        }
        let no = slot::yes_no(views) == Some(false);
        if plain_yes(views) { Some("yes".to_owned()) } else { no.then(|| "no".to_owned()) }
    }
}

/// True for the question of a read-back: heard to its end, as what is agreed to must have been heard.
pub(super) fn is_read_back(slot: &Slot) -> bool {
    slot.name == ANSWER
}

fn read_back(prompt: &str) -> Slot {
    Slot { name: ANSWER.to_owned(), kind: SlotKind::YesNo, ask: prompt.to_owned(), confirm: None, keys: None }
}

/// Yes, and nothing that could take it back: 「好，但係改做聽日」 and 「好唔好？」 are no yes.
fn plain_yes(views: &Views) -> bool {
    const YES: [&str; 27] = [
        "冇問題",
        "沒問題",
        "冇錯",
        "沒錯",
        "正確",
        "確認",
        "同意",
        "可以",
        "係",
        "啱",
        "好",
        "得",
        "是",
        "對",
        "行",
        "嗯",
        "yes ",
        "yeah ",
        "yep ",
        "correct ",
        "right ",
        "sure ",
        "okay ",
        "ok ",
        "confirm ",
        "confirmed ",
        "go ahead ",
    ];
    const POLITE: [&str; 17] = [
        "唔該",
        "麻煩",
        "多謝",
        "謝謝",
        "請",
        "你",
        "曬",
        "嘅",
        "的",
        "就",
        "please ",
        "thank you ",
        "thanks ",
        "that s ",
        "that is ",
        "it is ",
        "all ",
    ];
    let text = views.joined();
    let core = crate::conversation::normalise::joined(&views.core);
    let (mut rest, mut agreed) = (core.trim_start(), false);
    while !rest.is_empty() {
        let yes = YES.iter().find_map(|word| rest.strip_prefix(word));
        agreed |= yes.is_some();
        match yes.or_else(|| POLITE.iter().find_map(|word| rest.strip_prefix(word))) {
            Some(behind) => rest = behind.trim_start(),
            None => return false,
        }
    }
    agreed && !text.contains('嗎')
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
