//! Files of one hotline to a [`Plan`]. Every problem of every file is reported; a plan comes back only where there is none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::dialplan::calendar::Calendar;
use crate::dialplan::check;
use crate::dialplan::pattern::Pattern;
use crate::dialplan::schema::{
    Accept, Choice, Dialogue, Intent, Ladder, Plan, Queue, RingTarget, Slot, SlotKind, Target,
};
use crate::dialplan::workflow::Work;
use crate::settings::{Problems, Section, Source};
use crate::speech::Language;

mod escalation;
mod texts;
mod values;
mod work;

#[cfg(test)]
mod tests;

pub use texts::ENTRIES;
use texts::{knowledge, phrases, texts};
use values::{Kind, Span};

/// The files of one hotline: path within the folder (`plan.toml`, `prompts/yue.toml`) to text.
#[derive(Clone, Debug, Default)]
pub struct PlanFiles {
    /// Name of the line: its folder's name.
    pub name: String,
    /// Where the folder lies, for messages, e.g. `dialplans/demo`.
    pub folder: String,
    /// Path to text.
    pub files: BTreeMap<String, String>,
}

/// Reads and checks one hotline. `warnings` are not in the way of the plan.
pub fn read_plan(files: &PlanFiles, problems: &Problems, warnings: &Problems) -> Option<Plan> {
    let found = Problems::default();
    let plan = read_files(files, &found);
    if let Some(plan) = &plan {
        check::plan(files, plan, &found, warnings);
    }
    let clean = found.is_empty();
    for problem in found.into_vec() {
        problems.push(problem);
    }
    plan.filter(|_| clean)
}

/// Reads without checks between files and sections.
pub(super) fn read_files(files: &PlanFiles, problems: &Problems) -> Option<Plan> {
    let Some(text) = files.files.get("plan.toml") else {
        problems.push_file(&files.folder, "plan.toml is missing; every hotline has one");
        return None;
    };
    let source = Source::new(format!("{}/plan.toml", files.folder), text.as_str());
    let table = source.parse(problems);
    let mut root = Section::root(&source, &table, problems);
    let languages = languages(&mut root);
    let (prompts, labels) = texts(files, &languages, problems);
    let (phrases, knowledge) = (phrases(files, &languages, problems), knowledge(files, &languages, problems));
    let reader = Reader {
        queues: root.section("queue").keys(),
        workflows: root.section("workflow").keys(),
        languages: languages.clone(),
    };
    let (hot_words, speech) = super::bias::hearing(root.section("hearing"));
    let mut plan = Plan {
        name: files.name.clone(),
        title: root.string("title").unwrap_or_else(|| files.name.clone()),
        numbers: numbers(&mut root),
        dialogue: Dialogue { speech, ..reader.dialogue(root.section("dialogue")) },
        intents: reader.intents(&mut root, phrases, files, problems),
        knowledge,
        work: Work { scripts: super::script::scripts(files, &reader, problems), ..reader.work(&mut root) },
        escalation: reader.escalation(root.section("escalation")),
        queues: reader.queues(&mut root),
        hours: Calendar::read(root.section("hours")),
        recording: root.boolean("recording").unwrap_or(true),
        prompts,
        labels,
        languages,
        bias: Arc::default(),
    };
    plan.bias = Arc::new(super::bias::of(&plan, hot_words));
    root.finish();
    Some(plan)
}

fn languages(root: &mut Section<'_>) -> Vec<Language> {
    let names = root.strings("languages");
    let names = root.required("languages", "a list such as [\"yue\", \"cmn\", \"eng\"]", names).unwrap_or_default();
    let mut all = Vec::new();
    for name in names {
        match name.parse::<Language>() {
            Ok(language) if all.contains(&language) => {
                root.problem("languages", format_args!("'{name}' is there twice"))
            }
            Ok(language) => all.push(language),
            Err(error) => root.problem("languages", error),
        }
    }
    if all.is_empty() {
        root.problem("languages", "expected at least one language");
        all.push(Language::Cantonese);
    }
    all
}

fn numbers(root: &mut Section<'_>) -> Vec<Pattern> {
    let texts = root.strings("numbers");
    let texts = root.required("numbers", "a list of dialled numbers such as [\"1823\", \"_2XXX\"]", texts);
    let mut all = Vec::new();
    for text in texts.unwrap_or_default() {
        match text.parse() {
            Ok(pattern) => all.push(pattern),
            Err(error) => root.problem("numbers", format_args!("\"{text}\" {error}")),
        }
    }
    all
}

pub(super) struct Reader {
    queues: Vec<String>,
    workflows: Vec<String>,
    pub(super) languages: Vec<Language>,
}

impl Reader {
    fn dialogue(&self, mut section: Section<'_>) -> Dialogue {
        let mut no_input = section.section("no_input");
        let after = no_input.parsed::<Span>("after", "a time such as \"6s\"").map_or(Duration::from_secs(6), |s| s.0);
        let mut menu_section = section.section("menu");
        let mut menu = BTreeMap::new();
        for key in menu_section.keys() {
            let target = self.target(&mut menu_section, &key);
            match (key.chars().next(), key.chars().count(), target) {
                (Some('0'), 1, _) => menu_section.problem(&key, "key 0 always leads to a human and is not configured"),
                (Some(digit @ ('1'..='9' | '*' | '#')), 1, Some(target)) => {
                    menu.insert(digit, target);
                }
                (_, _, None) => {}
                _ => menu_section.problem(&key, "expected a key: 1 to 9, * or #"),
            }
        }
        menu_section.finish();
        let dialogue = Dialogue {
            greeting: needed(&mut section, "greeting"),
            hear_greeting_out: section.boolean("hear_greeting_out").unwrap_or(false),
            greeting_others: section.string("greeting_others"),
            language_changed: needed(&mut section, "language_changed"),
            keys_only: needed(&mut section, "keys_only"),
            barge_in: section.boolean("barge_in").unwrap_or(true),
            no_input: self.ladder(no_input),
            no_match: self.ladder(section.section("no_match")),
            no_input_after: after,
            menu,
            speech: true,
            repair: escalation::repair(section.section("repair")),
        };
        section.finish();
        dialogue
    }

    fn ladder(&self, mut section: Section<'_>) -> Ladder {
        let prompts = section.strings("say");
        let prompts = section.required("say", "a list of prompt names, one a try", prompts).unwrap_or_default();
        let then = self.target_or_human(&mut section, "then");
        if section.is_present() && (prompts.is_empty() || prompts.len() > 9) {
            section.problem("say", "expected one to nine prompt names");
        }
        section.finish();
        Ladder { prompts, then }
    }

    fn target_or_human(&self, section: &mut Section<'_>, key: &str) -> Target {
        let target = self.target(section, key);
        section.required(key, "where it leads, e.g. \"go:general\"", target).unwrap_or(Target::Unresolved)
    }

    pub(super) fn target(&self, section: &mut Section<'_>, key: &str) -> Option<Target> {
        let text = section.string(key)?;
        let target = match text.split_once(':') {
            Some(("say", prompt)) => Target::Say(prompt.to_owned()),
            Some(("end", prompt)) => Target::End(prompt.to_owned()),
            Some(("script", name)) => Target::Script(name.to_owned()),
            Some(("go", queue)) => {
                there(section, key, ("queue", queue), &self.queues);
                Target::Queue(queue.to_owned())
            }
            Some(("run", workflow)) => {
                there(section, key, ("workflow", workflow), &self.workflows);
                Target::Run(workflow.to_owned())
            }
            Some(("lang", code)) => match code.parse::<Language>() {
                Ok(language) if self.languages.contains(&language) => Target::Language(language),
                Ok(_) => {
                    section.problem(key, format_args!("'{code}' is not among the plan's languages"));
                    return None;
                }
                Err(error) => {
                    section.problem(key, error);
                    return None;
                }
            },
            None if text == "repeat" => Target::Repeat,
            None if text == "back" => Target::Back,
            None if text == "unresolved" => Target::Unresolved,
            Some(_) | None => {
                let what = "expected say:PROMPT, go:QUEUE, end:PROMPT, script:NAME, run:WORKFLOW, lang:CODE, repeat, back or unresolved";
                section.problem(key, format_args!("{what}, found \"{text}\""));
                return None;
            }
        };
        Some(target)
    }

    fn intents(
        &self,
        root: &mut Section<'_>,
        mut phrases: BTreeMap<String, BTreeMap<Language, Vec<String>>>,
        files: &PlanFiles,
        problems: &Problems,
    ) -> Vec<Intent> {
        let mut all = Vec::new();
        for (name, mut section) in root.named_sections("intent") {
            let then = self.target_or_human(&mut section, "then");
            let slots = section.sections("slots").into_iter().filter_map(slot).collect();
            let chat = section.boolean("chat").unwrap_or(false);
            section.finish();
            let phrases = phrases.remove(&name).unwrap_or_default();
            all.push(Intent { name, then, chat, slots, phrases });
        }
        for (name, by_language) in phrases {
            for language in by_language.keys() {
                let names = all.iter().map(|intent: &Intent| intent.name.as_str());
                let hint =
                    crate::settings::nearest(&name, names).map_or(String::new(), |n| format!("; nearest: '{n}'"));
                let file = format!("{}/phrases/{language}.toml", files.folder);
                problems.push_file(file, format!("'{name}' is no intent of plan.toml{hint}"));
            }
        }
        all
    }

    fn queues(&self, root: &mut Section<'_>) -> BTreeMap<String, Queue> {
        let sections = root.named_sections("queue");
        if sections.is_empty() {
            root.problem("queue", "a plan needs at least one [queue.NAME]: every failure ends at a human");
        }
        sections.into_iter().map(|(name, section)| (name, queue(section))).collect()
    }
}

/// Says so where the plan has no `name` of this kind.
fn there(section: &Section<'_>, key: &str, (kind, name): (&str, &str), names: &[String]) {
    if !names.iter().any(|known| known == name) {
        let near = crate::settings::nearest(name, names.iter().map(String::as_str));
        let hint = near.map_or(String::new(), |near| format!("; nearest: '{near}'"));
        section.problem(key, format_args!("no {kind} '{name}' in this plan{hint}"));
    }
}

fn queue(mut section: Section<'_>) -> Queue {
    let texts = section.strings("ring");
    let mut ring = Vec::new();
    for text in section.required("ring", "a list such as [\"sip:6001@pbx\"]", texts).unwrap_or_default() {
        match text.parse::<RingTarget>() {
            Ok(target) => ring.push(target),
            Err(error) => section.problem("ring", format_args!("{error}, found \"{text}\"")),
        }
    }
    if section.is_present() && ring.is_empty() {
        section.problem("ring", "nobody to ring");
    }
    let ring_timeout = section.parsed::<Span>("ring_timeout", "a time such as \"25s\"").map_or(25, |s| s.0.as_secs());
    let mut accept = section.section("accept");
    let timeout = accept.parsed::<Span>("timeout", "a time such as \"20s\"").map_or(20, |s| s.0.as_secs());
    let (yes, no) = (key(&mut accept, "yes", '1'), key(&mut accept, "no", '2'));
    if yes == no {
        accept.problem("no", "yes and no are the same key");
    }
    accept.finish();
    let language = section.parsed::<Language>("briefing_language", "yue, cmn or eng");
    let queue = Queue {
        ring,
        ring_timeout: Duration::from_secs(ring_timeout.clamp(1, 300)),
        accept: Accept { yes, no, timeout: Duration::from_secs(timeout.clamp(1, 300)) },
        music: section.string("music"),
        no_agent: needed(&mut section, "no_agent"),
        briefing_language: language.unwrap_or(Language::Cantonese),
    };
    section.finish();
    queue
}

fn key(section: &mut Section<'_>, name: &str, default: char) -> char {
    let Some(text) = section.string(name) else { return default };
    match (text.chars().next(), text.chars().count()) {
        (Some(key @ ('0'..='9' | '*' | '#')), 1) => key,
        _ => {
            section.problem(name, "expected one key of the phone in quotes, e.g. \"1\"");
            default
        }
    }
}

/// Kinds of slots.
const KINDS: &str = "phone, yes_no, digits or digits:MIN-MAX, hkid, card, date, date:future, date:past, amount, amount:MIN-MAX, code:SHAPE or choice";

fn slot(mut section: Section<'_>) -> Option<Slot> {
    let name = section.string("name");
    let name = section.required("name", "a name that prompts write as {name}", name);
    let kind = section.parsed::<Kind>("kind", KINDS);
    let kind = section.required("kind", KINDS, kind);
    let (ask, confirm, keys) = (needed(&mut section, "ask"), section.string("confirm"), section.string("keys"));
    let mut list = section.section("choices");
    let choice = |name: String, list: &mut Section<'_>| {
        let words = list.strings(&name).unwrap_or_default();
        if words.is_empty() {
            list.problem(&name, "expected what callers say for it, e.g. [\"visa\", \"維薩\"]");
        }
        Choice { name, words }
    };
    let choices: Vec<Choice> = list.keys().into_iter().map(|name| choice(name, &mut list)).collect();
    list.finish();
    let kind = match kind.map(|kind| kind.0) {
        Some(SlotKind::Choice(_)) if choices.len() < 2 || choices.len() > 9 => {
            section.problem("kind", "a choice needs two to nine [.. choices]");
            None
        }
        Some(SlotKind::Choice(_)) => Some(SlotKind::Choice(choices)),
        Some(_) if !choices.is_empty() => {
            section.problem("choices", "only kind = \"choice\" has choices");
            None
        }
        other => other,
    };
    section.finish();
    Some(Slot { name: name?, kind: kind?, ask, confirm, keys })
}

fn needed(section: &mut Section<'_>, key: &str) -> String {
    let value = section.string(key);
    section.required(key, "a name of prompts/*.toml or of this plan", value).unwrap_or_default()
}
