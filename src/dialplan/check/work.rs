//! Whether workflows hold: they end, every step is reached, every name is bound before it is used on whatever way a call
//! comes, an answer is said only where all its values are known, and nothing is changed without a yes to a read-back.

use std::collections::{BTreeMap, BTreeSet};

use super::bound::{Known, known, ways};
use super::leads::leads;
use super::{BRIEFING, Checker, fields};
use crate::dialplan::schema::Target;
use crate::dialplan::workflow::{Branch, Condition, Operand, StepAct, Test, Tool, Workflow};
use crate::settings::{Problem, nearest};

impl Checker<'_> {
    /// Everything about workflows and tools.
    pub(super) fn work(&self) {
        let work = &self.plan.work;
        for workflow in work.workflows.values() {
            self.workflow(workflow);
        }
        let called: BTreeSet<&str> = self.steps().filter_map(|(_, _, act)| called(act)).collect();
        for name in work.tools.keys().filter(|name| !called.contains(name.as_str())) {
            self.warning("plan.toml", &format!("[tool.{name}]"), format!("no workflow asks tool '{name}'"));
        }
        let run = leads(self.plan).into_iter();
        let run = run.filter_map(|lead| if let Target::Run(name) = lead.to { Some(name.as_str()) } else { None });
        let run: BTreeSet<&str> = run.collect();
        for name in work.workflows.keys().filter(|name| !run.contains(name.as_str())) {
            self.warning(
                "plan.toml",
                &format!("[[workflow.{name}.steps]]"),
                format!("nothing leads to workflow '{name}'"),
            );
        }
        for tool in work.tools.values() {
            for text in self.texts_of(&tool.filler).filter(|text| text.contains('{')) {
                let message =
                    format!("tool.{}.filler: \"{text}\" has values; it is said before there are any", tool.name);
                self.problem("plan.toml", &format!("[tool.{}]", tool.name), message);
            }
        }
        self.values_elsewhere();
    }

    fn workflow(&self, workflow: &Workflow) {
        let all = known(self.plan, workflow);
        let names = self.names(workflow);
        for (at, step) in workflow.steps.iter().enumerate() {
            let Some(Some(known)) = all.get(at) else {
                self.at_step(workflow, at, "nobody comes to this step".to_owned());
                continue;
            };
            self.back(workflow, at, &step.act);
            self.uses(workflow, at, &step.act, known, &names);
            for (to, known) in ways(self.plan, workflow, at, known) {
                if let Branch::Leave(Target::Say(prompt) | Target::End(prompt)) = &to {
                    self.says(workflow, at, prompt, &known.bound);
                }
            }
        }
        let last = workflow.steps.len().saturating_sub(1);
        let ends = matches!(workflow.steps.get(last).map(|step| &step.act), Some(StepAct::Say(_)));
        if all.last().is_some_and(Option::is_some) && !ends {
            let message =
                "nothing follows the last step, and the caller would hear nothing; end with say, or with then";
            self.at_step(workflow, last, message.to_owned());
        }
    }

    /// A step that goes back needs a limit; no other kind of step may.
    fn back(&self, workflow: &Workflow, at: usize, act: &StepAct) {
        let goes_back = |branch: &Branch| matches!(branch, Branch::Step(to) if *to <= at);
        let loops = match act {
            StepAct::Then { to, limit: None } => goes_back(to),
            StepAct::Then { to: _, limit: Some(limit) } => goes_back(&limit.after),
            StepAct::Call { fail, .. } => goes_back(fail),
            StepAct::Confirm { no, .. } => goes_back(no),
            StepAct::When { then, otherwise, .. } => goes_back(then) || otherwise.as_ref().is_some_and(goes_back),
            StepAct::Say(_) | StepAct::Ask(_) => false,
        };
        if loops {
            let message = "goes back without a limit; only a step with then, at_most and after goes back";
            self.at_step(workflow, at, message.to_owned());
        }
    }

    fn uses(&self, workflow: &Workflow, at: usize, act: &StepAct, known: &Known, names: &BTreeSet<String>) {
        let unbound = |name: &str, bound: &BTreeSet<String>| {
            if !bound.contains(name) {
                let near = nearest(name, names.iter().map(String::as_str).filter(|near| *near != name));
                let hint = match (names.contains(name), near) {
                    (true, _) => "; there is a way to this step on which it is not".to_owned(),
                    (false, Some(near)) => format!("; nearest: '{near}'"),
                    (false, None) => String::new(),
                };
                self.at_step(workflow, at, format!("'{name}' has no value here{hint}"));
            }
        };
        match act {
            StepAct::Say(prompt) | StepAct::Confirm { prompt, .. } => self.says(workflow, at, prompt, &known.bound),
            StepAct::Ask(slot) => {
                self.says(workflow, at, &slot.ask, &known.bound);
                slot.keys.iter().for_each(|prompt| self.says(workflow, at, prompt, &known.bound));
                let mut bound = known.bound.clone();
                bound.insert(slot.name.clone());
                slot.confirm.iter().for_each(|prompt| self.says(workflow, at, prompt, &bound));
            }
            StepAct::Call { tool, .. } => {
                let Some(tool) = self.plan.work.tools.get(tool) else { return };
                tool.sends().into_iter().for_each(|name| unbound(name, &known.bound));
                self.changes(workflow, at, tool, known);
            }
            StepAct::When { condition, .. } => {
                for (name, bound) in needs(condition, &known.bound) {
                    // What `has` asks for need not be bound, but it must be something.
                    unbound(name, bound.as_ref().unwrap_or(names));
                }
            }
            StepAct::Then { .. } => {}
        }
    }

    /// A tool that changes something comes after a yes to a read-back of what the caller has given for it.
    fn changes(&self, workflow: &Workflow, at: usize, tool: &Tool, known: &Known) {
        if !tool.changes {
            return;
        }
        if !known.agreed {
            let message = format!(
                "tool '{}' changes something, and there is a way to it without the caller's yes: a confirm step must come \
                 before it, and nothing be asked or looked up between them",
                tool.name
            );
            return self.at_step(workflow, at, message);
        }
        let asked = self.asked(workflow);
        for name in tool.sends().into_iter().filter(|name| asked.contains(*name) && !known.read_back.contains(*name)) {
            let message = format!(
                "tool '{}' sends '{name}', which the confirm step does not read back in every language",
                tool.name
            );
            self.at_step(workflow, at, message);
        }
    }

    fn says(&self, workflow: &Workflow, at: usize, prompt: &str, bound: &BTreeSet<String>) {
        let unbound: BTreeSet<&str> =
            self.texts_of(prompt).flat_map(fields).filter(|field| !bound.contains(*field)).collect();
        for field in unbound {
            self.at_step(workflow, at, format!("'{prompt}' has {{{field}}}, which has no value on every way to here"));
        }
    }

    fn texts_of(&self, prompt: &str) -> impl Iterator<Item = &str> {
        self.plan.prompts.0.get(prompt).into_iter().flat_map(|by| by.values()).map(String::as_str)
    }

    /// Names that the caller has given: slots of its steps, and of intents that lead to it.
    fn asked(&self, workflow: &Workflow) -> BTreeSet<String> {
        let steps = workflow.steps.iter().filter_map(|step| match &step.act {
            StepAct::Ask(slot) => Some(slot.name.clone()),
            _ => None,
        });
        let leads = |target: &Target| matches!(target, Target::Run(name) if *name == workflow.name);
        let intents = self.plan.intents.iter().filter(|intent| leads(&intent.then));
        steps.chain(intents.flat_map(|intent| intent.slots.iter().map(|slot| slot.name.clone()))).collect()
    }

    /// Every name that a workflow may bind.
    fn names(&self, workflow: &Workflow) -> BTreeSet<String> {
        let tools = workflow.steps.iter().filter_map(|step| self.plan.work.tools.get(called(&step.act)?));
        let results = tools.flat_map(|tool| tool.results.iter().map(|result| result.name.clone()));
        self.asked(workflow).into_iter().chain(results).collect()
    }

    fn steps(&self) -> impl Iterator<Item = (&Workflow, usize, &StepAct)> {
        let workflows = self.plan.work.workflows.values();
        workflows.flat_map(|w| w.steps.iter().enumerate().map(move |(at, step)| (w, at, &step.act)))
    }

    /// Prompts that workflows and tools name, and by whom.
    pub(super) fn work_prompts(&self) -> Vec<(&str, String)> {
        let tools = self.plan.work.tools.values().map(|tool| (tool.filler.as_str(), format!("tool.{}", tool.name)));
        let mut all: Vec<_> = tools.collect();
        for (workflow, at, act) in self.steps() {
            let by = || place(workflow, at);
            match act {
                StepAct::Say(prompt) | StepAct::Confirm { prompt, .. } => all.push((prompt.as_str(), by())),
                StepAct::Ask(slot) => {
                    let prompts = [Some(&slot.ask), slot.keys.as_ref(), slot.confirm.as_ref()];
                    all.extend(prompts.into_iter().flatten().map(|prompt| (prompt.as_str(), by())));
                }
                StepAct::Call { .. } | StepAct::When { .. } | StepAct::Then { .. } => {}
            }
        }
        all
    }

    /// Names that prompts of workflows may hold at all; [`Self::says`] looks at each place.
    pub(super) fn work_fields<'p>(&'p self, allowed: &mut BTreeMap<&'p str, BTreeSet<&'p str>>) {
        let owned: BTreeMap<&str, BTreeSet<String>> =
            self.plan.work.workflows.values().map(|workflow| (workflow.name.as_str(), self.names(workflow))).collect();
        for (prompt, by) in self.work_prompts().into_iter().chain(self.led_to()) {
            let names = by.strip_prefix("workflow.").and_then(|by| owned.get(by.split(' ').next()?));
            for field in self.texts_of(prompt).flat_map(fields) {
                if names.is_some_and(|names| names.contains(field)) {
                    allowed.entry(prompt).or_default().insert(field);
                }
            }
        }
    }

    /// A prompt with values is said only where they are known, by rules and intents, too.
    fn values_elsewhere(&self) {
        let mut uses: Vec<(&str, String, BTreeSet<&str>)> = Vec::new();
        for (prompt, by) in self.named_prompts() {
            if !by.starts_with("intent.")
                && !by.starts_with("workflow.")
                && !by.starts_with("tool.")
                && prompt != BRIEFING
            {
                uses.push((prompt, by, BTreeSet::new()));
            }
        }
        for intent in &self.plan.intents {
            if let Target::Say(prompt) | Target::End(prompt) = &intent.then {
                let slots = intent.slots.iter().map(|slot| slot.name.as_str()).collect();
                uses.push((prompt, format!("intent.{}", intent.name), slots));
            }
        }
        let elsewhere: BTreeSet<&str> =
            self.plan.intents.iter().flat_map(|i| i.slots.iter().map(|s| s.name.as_str())).collect();
        let works: BTreeSet<String> =
            self.plan.work.workflows.values().flat_map(|workflow| self.names(workflow)).collect();
        for (prompt, by, known) in uses {
            let all: BTreeSet<&str> = self.texts_of(prompt).flat_map(fields).collect();
            // What is nobody's name is reported with the prompt.
            for field in all.into_iter().filter(|f| !known.contains(f) && (elsewhere.contains(f) || works.contains(*f)))
            {
                let message = format!("{by}: '{prompt}' has {{{field}}}, which has no value there");
                self.problem("plan.toml", &format!(":{prompt}\""), message);
            }
        }
    }

    /// A problem at the n-th `[[workflow.NAME.steps]]`.
    fn at_step(&self, workflow: &Workflow, at: usize, message: String) {
        let text = self.files.files.get("plan.toml").map_or("", String::as_str);
        let head = format!("[[workflow.{}.steps]]", workflow.name);
        let line = text.match_indices(&head).nth(at).map_or(0, |(byte, _)| text[..byte].matches('\n').count() + 1);
        let name = workflow.steps.get(at).map_or("?", |step| step.name.as_str());
        let message = format!("workflow.{} step {name}: {message}", workflow.name);
        let file = format!("{}/plan.toml", self.files.folder);
        self.problems.push(Problem { file, line, column: usize::from(line > 0), message });
    }
}

fn called(act: &StepAct) -> Option<&str> {
    if let StepAct::Call { tool, .. } = act { Some(tool) } else { None }
}

/// A step, for people.
pub(super) fn place(workflow: &Workflow, at: usize) -> String {
    let step = workflow.steps.get(at).map_or("", |step| step.name.as_str());
    format!("workflow.{} step {step}", workflow.name)
}

/// Where a step leads besides the next.
pub(super) fn branches(act: &StepAct) -> Vec<&Branch> {
    match act {
        StepAct::Say(_) | StepAct::Ask(_) => Vec::new(),
        StepAct::Call { fail, .. } => vec![fail],
        StepAct::Confirm { no, .. } => vec![no],
        StepAct::When { then, otherwise, .. } => [Some(then), otherwise.as_ref()].into_iter().flatten().collect(),
        StepAct::Then { to, limit } => {
            [Some(to), limit.as_ref().map(|limit| &limit.after)].into_iter().flatten().collect()
        }
    }
}

/// Names that a condition looks at, each with what is bound where it does; `None` where it need not be bound.
fn needs<'c>(condition: &'c Condition, bound: &BTreeSet<String>) -> Vec<(&'c str, Option<BTreeSet<String>>)> {
    let mut all = Vec::new();
    for tests in &condition.any {
        let mut bound = bound.clone();
        for test in tests {
            match test {
                Test::Has(name) => {
                    all.push((name.as_str(), None));
                    bound.insert(name.clone());
                }
                Test::Compare { name, with, .. } => {
                    all.push((name.as_str(), Some(bound.clone())));
                    if let Operand::Name(other) = with {
                        all.push((other.as_str(), Some(bound.clone())));
                    }
                }
            }
        }
    }
    all
}
