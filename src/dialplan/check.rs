//! Whether a plan holds together: every text in every language, nothing that leads nowhere, nothing that is never reached.
//! Is not a judge of the wording.

use std::collections::{BTreeMap, BTreeSet};

use crate::dialplan::read::{ENTRIES, PlanFiles};
use crate::dialplan::schema::{Ladder, PHONES, Plan, Target, Texts};
use crate::settings::{Problem, Problems, nearest};

mod bound;
mod leads;
mod numbers;
mod reach;
mod scripts;
mod work;

use leads::leads;
pub use numbers::between;

/// Prompt that an agent hears before the bridge.
pub const BRIEFING: &str = "briefing";
/// What the briefing prompt may hold: why, what the caller wanted, the caller's language, the caller's last words.
pub const BRIEFING_FIELDS: [&str; 4] = ["reason", "wanted", "language", "said"];
/// Labels besides intents and languages: reasons of a transfer, and `nothing` where no intent was understood.
pub const REASONS: [&str; 6] = ["asked_for_human", "urgent", "unresolved", "no_input", "key", "nothing"];
/// Fewer phrases than this in one language: warned.
const FEW_PHRASES: usize = 5;

/// Adds what is wrong with a plan.
pub fn plan(files: &PlanFiles, plan: &Plan, problems: &Problems, warnings: &Problems) {
    let checker = Checker { files, plan, problems, warnings };
    checker.unknown_files();
    checker.references();
    checker.texts("say", &plan.prompts);
    checker.texts("labels", &plan.labels);
    checker.labels();
    checker.fields();
    checker.phrases();
    checker.knowledge();
    checker.reach();
    checker.work();
    checker.scripts();
    checker.ladder("dialogue.no_input", &plan.dialogue.no_input);
    checker.ladder("dialogue.no_match", &plan.dialogue.no_match);
    numbers::within(files, plan, problems, warnings);
}

/// What a configuration names and plans refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// Trunks.
    pub trunks: BTreeSet<String>,
    /// Telephones that register here.
    pub phones: BTreeSet<String>,
    /// Hosts of tools, with the names of their secrets.
    pub hosts: BTreeMap<String, BTreeSet<String>>,
}

/// Adds tools whose host or secret the configuration does not name.
pub fn hosts(files: &PlanFiles, plan: &Plan, hosts: &BTreeMap<String, BTreeSet<String>>, problems: &Problems) {
    for tool in plan.work.tools.values() {
        let wrong =
            |message: String| problems.push(located(files, "plan.toml", &format!("[tool.{}]", tool.name), message));
        let Some(secrets) = hosts.get(&tool.host) else {
            let near = nearest(&tool.host, hosts.keys().map(String::as_str));
            let hint = near.map_or_else(String::new, |name| format!("; nearest: '{name}'"));
            let what = format!("no [[host]] is called '{}' in the configuration, so it fails{hint}", tool.host);
            wrong(format!("tool.{}.host: {what}", tool.name));
            continue;
        };
        for secret in tool.secrets().into_iter().filter(|secret| !secrets.contains(*secret)) {
            wrong(format!("tool.{}: host '{}' has no secret '{secret}', so it fails", tool.name, tool.host));
        }
    }
}

/// Adds telephones that are behind no trunk of the configuration, or may not register.
pub fn telephones(files: &PlanFiles, plan: &Plan, peers: &Peers, problems: &Problems) {
    for (name, queue) in &plan.queues {
        for target in &queue.ring {
            let (known, wanted, kind) = match target.trunk.as_str() {
                PHONES => (&peers.phones, &target.user, "[[phone]]"),
                _ => (&peers.trunks, &target.trunk, "[[trunk]]"),
            };
            if known.contains(wanted) {
                continue;
            }
            let near = nearest(wanted, known.iter().map(String::as_str));
            let hint = near.map_or_else(String::new, |name| format!("; nearest: '{name}'"));
            let message = format!("queue.{name}.ring: no {kind} is called '{wanted}' in the configuration{hint}");
            problems.push(located(files, "plan.toml", &format!("\"{target}\""), message));
        }
    }
}

/// A problem at the first place where a file has `needle`.
fn located(files: &PlanFiles, path: &str, needle: &str, message: String) -> Problem {
    let file = format!("{}/{path}", files.folder);
    let text = files.files.get(path).map_or("", String::as_str);
    let found = if needle.is_empty() { None } else { text.find(needle) };
    match found.and_then(|at| text.get(..at)) {
        Some(before) => {
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            Problem { file, line, column, message }
        }
        None => Problem { file, line: 0, column: 0, message },
    }
}

/// The first of many names.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 8;
    let more = names.len().saturating_sub(SHOWN);
    let first = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{first} and {more} more") } else { first }
}

/// Names between braces.
pub fn fields(text: &str) -> Vec<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect()
}

struct Checker<'a> {
    files: &'a PlanFiles,
    plan: &'a Plan,
    problems: &'a Problems,
    warnings: &'a Problems,
}

impl Checker<'_> {
    fn problem(&self, path: &str, needle: &str, message: String) {
        self.problems.push(located(self.files, path, needle, message));
    }

    fn warning(&self, path: &str, needle: &str, message: String) {
        self.warnings.push(located(self.files, path, needle, message));
    }

    fn unknown_files(&self) {
        for path in self.files.files.keys() {
            let known = match path.split_once('/') {
                None => path == "plan.toml" || path.ends_with(".md"),
                Some(("knowledge", "entries.toml")) => true,
                Some(("prompts" | "phrases" | "knowledge", name)) => {
                    self.plan.languages.iter().any(|language| name.strip_suffix(".toml") == Some(language.code()))
                }
                Some(("scripts", name)) => name.ends_with(".toml"),
                Some(("scenarios", name)) => name.ends_with(".txt"),
                Some(_) => false,
            };
            if !known {
                self.warning(path, "", "is no file of a dialplan in this plan's languages; it is not read".to_owned());
            }
        }
    }

    /// Every prompt that the plan names, and by whom.
    fn named_prompts(&self) -> Vec<(&str, String)> {
        let (plan, dialogue, escalation) = (self.plan, &self.plan.dialogue, &self.plan.escalation);
        let mut all = vec![(BRIEFING, "every plan".to_owned())];
        let mut by_rule = |rule: &str, prompt| all.push((prompt, rule.to_owned()));
        by_rule("dialogue.greeting", dialogue.greeting.as_str());
        by_rule("dialogue.language_changed", dialogue.language_changed.as_str());
        by_rule("dialogue.keys_only", dialogue.keys_only.as_str());
        by_rule("escalation.transferring", escalation.transferring.as_str());
        by_rule("escalation.closed", escalation.closed.as_str());
        by_rule("escalation.gave_up", escalation.gave_up.as_str());
        let (repair, transfer, takeover) = (&dialogue.repair, &escalation.transfer, &escalation.takeover);
        let optional = [
            ("dialogue.greeting_others", dialogue.greeting_others.as_ref()),
            ("dialogue.repair.clarify", repair.clarify.as_ref().map(|clarify| &clarify.say)),
            ("dialogue.repair.returning", repair.returning.as_ref()),
            ("dialogue.repair.cancelled", repair.cancelled.as_ref()),
            ("escalation.transfer.retention", transfer.retention.as_ref()),
            ("escalation.takeover.transferring", takeover.transferring.as_ref()),
        ];
        optional.into_iter().for_each(|(rule, prompt)| prompt.into_iter().for_each(|prompt| by_rule(rule, prompt)));
        for (name, ladder) in [("dialogue.no_input", &dialogue.no_input), ("dialogue.no_match", &dialogue.no_match)] {
            ladder.prompts.iter().for_each(|prompt| by_rule(name, prompt));
        }
        for (name, queue) in &plan.queues {
            by_rule(&format!("queue.{name}.no_agent"), &queue.no_agent);
        }
        for intent in &plan.intents {
            for slot in &intent.slots {
                by_rule(&format!("intent.{}", intent.name), &slot.ask);
                slot.keys.iter().for_each(|prompt| by_rule(&format!("intent.{}", intent.name), prompt));
                slot.confirm.iter().for_each(|prompt| by_rule(&format!("intent.{}", intent.name), prompt));
            }
        }
        all.extend(self.led_to());
        all.extend(self.work_prompts());
        all
    }

    fn references(&self) {
        let named = self.named_prompts();
        for (prompt, by) in &named {
            if !prompt.is_empty() && !self.plan.prompts.0.contains_key(*prompt) {
                let near = nearest(prompt, self.plan.prompts.0.keys().map(String::as_str));
                let hint = near.map_or(String::new(), |name| format!("; nearest: '{name}'"));
                let message = format!("{by}: no prompts file has '{prompt}'{hint}");
                let needle = [format!(":{prompt}\""), format!("\"{prompt}\"")];
                let text = self.files.files.get("plan.toml").map_or("", String::as_str);
                let found = needle.iter().find(|needle| text.contains(needle.as_str())).map_or("", String::as_str);
                self.problem("plan.toml", found, message);
            }
        }
        for prompt in self.plan.prompts.0.keys() {
            if !named.iter().any(|(name, _)| name == prompt) {
                let path = format!("prompts/{}.toml", self.plan.default_language());
                self.warning(&path, prompt, format!("'{prompt}' is never said"));
            }
        }
        let mut queues: BTreeSet<&str> = BTreeSet::from([self.plan.escalation.queue.as_str()]);
        queues.extend(self.plan.escalation.takeover.queue.as_deref());
        for lead in leads(self.plan) {
            if let Target::Queue(name) = lead.to {
                queues.insert(name);
            }
        }
        for name in self.plan.queues.keys().filter(|name| !queues.contains(name.as_str())) {
            self.warning("plan.toml", &format!("[queue.{name}]"), format!("nothing leads to queue '{name}'"));
        }
    }

    fn texts(&self, section: &str, texts: &Texts) {
        for (id, by_language) in &texts.0 {
            for language in &self.plan.languages {
                if by_language.contains_key(language) {
                    continue;
                }
                let there: Vec<_> = by_language.keys().map(|l| l.code()).collect();
                let path = format!("prompts/{language}.toml");
                let message =
                    format!("[{section}] '{id}' is missing in '{language}'; it is there in {}", there.join(", "));
                if self.files.files.contains_key(&path) {
                    self.problem(&path, &format!("[{section}]"), message);
                }
            }
        }
    }

    fn labels(&self) {
        let intents = self.plan.intents.iter().map(|intent| intent.name.as_str());
        let languages = self.plan.languages.iter().map(|language| language.code());
        for id in intents.chain(languages).chain(REASONS) {
            if !self.plan.labels.0.contains_key(id) {
                let path = format!("prompts/{}.toml", self.plan.default_language());
                self.problem(&path, "[labels]", format!("[labels] '{id}' is missing; briefings say it"));
            }
        }
    }

    fn fields(&self) {
        let mut allowed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        allowed.insert(BRIEFING, BRIEFING_FIELDS.into());
        let repair = &self.plan.dialogue.repair;
        if let Some(clarify) = &repair.clarify {
            allowed.entry(&clarify.say).or_default().extend(["first", "second"]);
        }
        if let Some(returning) = &repair.returning {
            allowed.entry(returning).or_default().insert("matter");
        }
        for intent in &self.plan.intents {
            let names: BTreeSet<&str> = intent.slots.iter().map(|slot| slot.name.as_str()).collect();
            let confirms = intent.slots.iter().filter_map(|slot| slot.confirm.as_deref());
            let (Target::Say(then) | Target::End(then)) = &intent.then else {
                confirms.for_each(|prompt| allowed.entry(prompt).or_default().extend(&names));
                continue;
            };
            for prompt in confirms.chain([then.as_str()]) {
                allowed.entry(prompt).or_default().extend(&names);
            }
        }
        self.work_fields(&mut allowed);
        let none = BTreeSet::new();
        for (id, language, text) in self.plan.prompts.iter() {
            let known = allowed.get(id).unwrap_or(&none);
            for field in fields(text).into_iter().filter(|field| !known.contains(field)) {
                let names: Vec<_> = known.iter().copied().collect();
                let what = if names.is_empty() { "no fields".to_owned() } else { names.join(", ") };
                let path = format!("prompts/{language}.toml");
                self.problem(&path, &format!("{{{field}}}"), format!("'{id}' has {{{field}}}; it may hold {what}"));
            }
        }
    }

    fn phrases(&self) {
        if self.plan.intents.is_empty() {
            self.problem("plan.toml", "", "no [intent.NAME]: the bot would understand nothing".to_owned());
        }
        let mut owners: BTreeMap<String, &str> = BTreeMap::new();
        for intent in &self.plan.intents {
            for language in &self.plan.languages {
                let path = format!("phrases/{language}.toml");
                if !self.files.files.contains_key(&path) {
                    continue;
                }
                let phrases = intent.phrases.get(language).map_or(&[][..], Vec::as_slice);
                if phrases.is_empty() {
                    self.problem(&path, "", format!("intent '{}' has no phrases in '{language}'", intent.name));
                } else if phrases.len() < FEW_PHRASES {
                    let message =
                        format!("intent '{}' has only {} phrases in '{language}'", intent.name, phrases.len());
                    self.warning(&path, &intent.name, message);
                }
                for phrase in phrases {
                    let key: String =
                        phrase.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
                    match owners.get(&key) {
                        Some(owner) if *owner != intent.name => {
                            let message = format!("\"{phrase}\" is a phrase of '{owner}' and of '{}'", intent.name);
                            self.problem(&path, phrase, message);
                        }
                        Some(_) => {}
                        None => {
                            owners.insert(key, &intent.name);
                        }
                    }
                }
            }
        }
    }

    fn knowledge(&self) {
        let all = &self.plan.knowledge;
        let names: Vec<&str> =
            all.iter().filter(|q| q.standing.approval.is_none()).map(|question| question.name.as_str()).collect();
        if !names.is_empty() {
            let message = format!(
                "{} of {} knowledge entries are not approved and never answered: {}; entries.toml says approved_by and approved_at",
                names.len(),
                all.len(),
                listed(&names)
            );
            self.warning(ENTRIES, "", message);
        }
        for question in &self.plan.knowledge {
            for language in &self.plan.languages {
                let path = format!("knowledge/{language}.toml");
                if self.files.files.contains_key(&path)
                    && (!question.answers.contains_key(language)
                        || question.questions.get(language).is_none_or(Vec::is_empty))
                {
                    self.problem(&path, "", format!("question '{}' is missing in '{language}'", question.name));
                }
            }
        }
    }

    fn ladder(&self, name: &str, ladder: &Ladder) {
        match &ladder.then {
            Target::Queue(_) | Target::End(_) => {}
            Target::Say(_)
            | Target::Script(_)
            | Target::Language(_)
            | Target::Run(_)
            | Target::Repeat
            | Target::Back
            | Target::Unresolved => {
                let message = format!("{name}.then must be go:QUEUE or end:PROMPT, or the call would never end");
                self.problem("plan.toml", name.rsplit('.').next().unwrap_or(name), message);
            }
        }
    }
}
