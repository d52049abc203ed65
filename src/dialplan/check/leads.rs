//! Every place of a plan that leads somewhere, in one list. What is said, reached, named and bound is asked of it, so that a new way
//! to lead on is seen by every check at once.

use super::Checker;
use super::work::{branches, place};
use crate::dialplan::Plan;
use crate::dialplan::schema::{Intent, Target};
use crate::dialplan::workflow::Branch;

/// One of them.
pub(super) struct Lead<'p> {
    /// Where it stands, for people.
    pub by: String,
    /// The intent whose slots are filled by then; none where it leads on without.
    pub intent: Option<&'p Intent>,
    /// Where it leads.
    pub to: &'p Target,
}

/// All of a plan, in the order of its parts.
pub(super) fn leads(plan: &Plan) -> Vec<Lead<'_>> {
    let bare = |by: String, to| Lead { by, intent: None, to };
    let dialogue = &plan.dialogue;
    let intents = plan.intents.iter();
    let mut all: Vec<_> = intents
        .map(|intent| Lead { by: format!("intent.{}", intent.name), intent: Some(intent), to: &intent.then })
        .collect();
    all.extend(dialogue.menu.iter().map(|(key, to)| bare(format!("dialogue.menu.{key}"), to)));
    all.push(bare("dialogue.no_input".to_owned(), &dialogue.no_input.then));
    all.push(bare("dialogue.no_match".to_owned(), &dialogue.no_match.then));
    all.extend(plan.work.scripts.iter().map(|script| bare(format!("scripts/{}", script.name), &script.then)));
    for workflow in plan.work.workflows.values() {
        for (at, step) in workflow.steps.iter().enumerate() {
            for branch in branches(&step.act) {
                if let Branch::Leave(to) = branch {
                    all.push(bare(place(workflow, at), to));
                }
            }
        }
    }
    all
}

impl<'p> Checker<'p> {
    /// Prompts that something leads to, and where that stands.
    pub(super) fn led_to(&self) -> Vec<(&'p str, String)> {
        let said = |lead: Lead<'p>| match lead.to {
            Target::Say(prompt) | Target::End(prompt) => Some((prompt.as_str(), lead.by)),
            _ => None,
        };
        leads(self.plan).into_iter().filter_map(said).collect()
    }
}
