//! What is known at every step of a workflow on whatever way a call comes there: names that are bound, and whether the
//! caller has said yes. A fixed point over all ways, so a loop is a way, too.

use std::collections::BTreeSet;

use super::fields;
use super::leads::leads;
use crate::dialplan::Plan;
use crate::dialplan::schema::{Intent, Target};
use crate::dialplan::workflow::{Branch, Condition, StepAct, Test, Workflow};

/// What holds on every way to a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Names that have a value.
    pub(super) bound: BTreeSet<String>,
    /// The caller said yes to a read-back, and nothing was bound or changed since.
    pub(super) agreed: bool,
    /// Names that this read-back has said.
    pub(super) read_back: BTreeSet<String>,
}

impl Known {
    /// What holds on both ways.
    fn meet(&self, other: &Self) -> Self {
        let both = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.intersection(b).cloned().collect();
        Self {
            bound: both(&self.bound, &other.bound),
            agreed: self.agreed && other.agreed,
            read_back: both(&self.read_back, &other.read_back),
        }
    }

    fn without_yes(&self) -> Self {
        Self { bound: self.bound.clone(), ..Self::default() }
    }

    fn with(mut self, name: &str) -> Self {
        self.bound.insert(name.to_owned());
        self
    }
}

/// What is known at each step, `None` where nobody comes; and behind the last step.
pub(super) fn known(plan: &Plan, workflow: &Workflow) -> Vec<Option<Known>> {
    let mut all: Vec<Option<Known>> = vec![None; workflow.steps.len() + 1];
    let mut waiting = vec![(0, entry(plan, workflow))];
    // Each visit takes something away from what is known, so this ends.
    while let Some((at, known)) = waiting.pop() {
        let Some(place) = all.get_mut(at) else { continue };
        let met = place.as_ref().map_or_else(|| known.clone(), |before| before.meet(&known));
        if place.as_ref() == Some(&met) {
            continue;
        }
        *place = Some(met.clone());
        for (to, known) in ways(plan, workflow, at, &met) {
            if let Branch::Step(next) = to {
                waiting.push((next, known));
            }
        }
    }
    all
}

/// Slots that are filled on every way to here; none where a key or a script leads here.
fn entry(plan: &Plan, workflow: &Workflow) -> Known {
    let here = leads(plan).into_iter().filter(|lead| matches!(lead.to, Target::Run(name) if *name == workflow.name));
    let slots = |intent: &Intent| intent.slots.iter().map(|slot| slot.name.clone()).collect::<BTreeSet<_>>();
    let filled = here.map(|lead| lead.intent.map(slots).unwrap_or_default());
    let bound = filled.reduce(|a, b| a.intersection(&b).cloned().collect()).unwrap_or_default();
    Known { bound, ..Known::default() }
}

/// Every way on from a step, with what is known then.
pub(super) fn ways(plan: &Plan, workflow: &Workflow, at: usize, known: &Known) -> Vec<(Branch, Known)> {
    let Some(step) = workflow.steps.get(at) else { return Vec::new() };
    let next = Branch::Step(at + 1);
    match &step.act {
        StepAct::Say(_) => vec![(next, known.clone())],
        StepAct::Ask(slot) => vec![(next, known.without_yes().with(&slot.name))],
        StepAct::Call { tool, fail } => {
            let tool = plan.work.tools.get(tool);
            let failed = if tool.is_some_and(|tool| tool.changes) { known.without_yes() } else { known.clone() };
            let mut after = failed.clone();
            for result in tool.map_or(&[][..], |tool| tool.results.as_slice()) {
                after = after.without_yes();
                match result.always {
                    true => drop(after.bound.insert(result.name.clone())),
                    false => drop(after.bound.remove(&result.name)),
                }
            }
            vec![(fail.clone(), failed), (next, after)]
        }
        StepAct::Confirm { prompt, no } => {
            let yes = Known { agreed: true, read_back: said(plan, prompt), ..known.clone() };
            vec![(no.clone(), known.without_yes()), (next, yes)]
        }
        StepAct::When { condition, then, otherwise } => {
            let holds = has(condition).into_iter().fold(known.clone(), Known::with);
            vec![(then.clone(), holds), (otherwise.clone().unwrap_or(next), known.clone())]
        }
        StepAct::Then { to, limit } => {
            let mut all = vec![(to.clone(), known.clone())];
            all.extend(limit.as_ref().map(|limit| (limit.after.clone(), known.clone())));
            all
        }
    }
}

/// Names that a prompt says in every language.
fn said(plan: &Plan, prompt: &str) -> BTreeSet<String> {
    let texts = plan.prompts.0.get(prompt).into_iter().flat_map(|by| by.values());
    let names = texts.map(|text| fields(text).into_iter().map(str::to_owned).collect::<BTreeSet<_>>());
    names.reduce(|a, b| a.intersection(&b).cloned().collect()).unwrap_or_default()
}

/// Names that are bound where the condition holds.
fn has(condition: &Condition) -> Vec<&str> {
    let [all] = condition.any.as_slice() else { return Vec::new() };
    all.iter().filter_map(|test| if let Test::Has(name) = test { Some(name.as_str()) } else { None }).collect()
}
