//! Prompts, phrases and knowledge: one file a language each.

use std::collections::BTreeMap;

use super::PlanFiles;
use crate::dialplan::schema::{Question, Texts};
use crate::dialplan::standing::Standing;
use crate::settings::{Problems, Section, Source, nearest};
use crate::speech::Language;

fn parse_each(
    files: &PlanFiles,
    folder: &str,
    languages: &[Language],
    problems: &Problems,
    mut read: impl FnMut(Language, Section<'_>),
) {
    for language in languages {
        let path = format!("{folder}/{language}.toml");
        let name = format!("{}/{path}", files.folder);
        let Some(text) = files.files.get(&path) else {
            problems.push_file(name, format!("is missing; the plan speaks '{language}'"));
            continue;
        };
        let source = Source::new(name, text.as_str());
        let table = source.parse(problems);
        read(*language, Section::root(&source, &table, problems));
    }
}

pub(super) fn texts(files: &PlanFiles, languages: &[Language], problems: &Problems) -> (Texts, Texts) {
    let (mut prompts, mut labels) = (Texts::default(), Texts::default());
    parse_each(files, "prompts", languages, problems, |language, mut root| {
        for (key, texts) in [("say", &mut prompts), ("labels", &mut labels)] {
            let mut section = root.section(key);
            for id in section.keys() {
                let Some(text) = section.string(&id) else { continue };
                if text.trim().is_empty() || text.chars().count() > MAX_PROMPT {
                    section.problem(&id, format_args!("expected 1 to {MAX_PROMPT} characters"));
                }
                texts.0.entry(id).or_default().insert(language, text);
            }
            section.finish();
        }
        root.finish();
    });
    (prompts, labels)
}

/// Longest prompt, in characters: about a minute of speech.
const MAX_PROMPT: usize = 400;
/// Longest phrase of a caller, in characters.
const MAX_PHRASE: usize = 200;
/// Most phrases of one intent in one language.
const MAX_PHRASES: usize = 2000;

pub(super) fn phrases(
    files: &PlanFiles,
    languages: &[Language],
    problems: &Problems,
) -> BTreeMap<String, BTreeMap<Language, Vec<String>>> {
    let mut all: BTreeMap<String, BTreeMap<Language, Vec<String>>> = BTreeMap::new();
    parse_each(files, "phrases", languages, problems, |language, mut root| {
        for intent in root.keys() {
            let Some(phrases) = root.strings(&intent) else { continue };
            if phrases.len() > MAX_PHRASES
                || phrases.iter().any(|p| p.trim().is_empty() || p.chars().count() > MAX_PHRASE)
            {
                let what = format!("expected at most {MAX_PHRASES} phrases of 1 to {MAX_PHRASE} characters");
                root.problem(&intent, what);
            }
            all.entry(intent).or_default().insert(language, phrases);
        }
        root.finish();
    });
    all
}

pub(super) fn knowledge(files: &PlanFiles, languages: &[Language], problems: &Problems) -> Vec<Question> {
    let mut all: BTreeMap<String, Question> = BTreeMap::new();
    if !files.files.keys().any(|path| path.starts_with("knowledge/")) {
        return Vec::new();
    }
    parse_each(files, "knowledge", languages, problems, |language, mut root| {
        for name in root.keys() {
            let mut section = root.section(&name);
            let questions = section.strings("questions");
            let questions = section.required("questions", "a list of ways to ask", questions).unwrap_or_default();
            let answer = section.string("answer");
            let answer = section.required("answer", "what the bot says", answer);
            section.finish();
            let question = all.entry(name.clone()).or_insert_with(|| Question {
                prompt_id: format!("knowledge:{name}"),
                name,
                questions: BTreeMap::new(),
                answers: BTreeMap::new(),
                tags: Vec::new(),
                standing: Standing::default(),
            });
            question.questions.insert(language, questions);
            question.answers.extend(answer.map(|text| (language, text)));
        }
        root.finish();
    });
    entries(files, &mut all, problems);
    all.into_values().collect()
}

/// Path of the file that says of each entry what holds in every language.
pub const ENTRIES: &str = "knowledge/entries.toml";

fn entries(files: &PlanFiles, all: &mut BTreeMap<String, Question>, problems: &Problems) {
    let Some(text) = files.files.get(ENTRIES) else { return };
    let source = Source::new(format!("{}/{ENTRIES}", files.folder), text.as_str());
    let table = source.parse(problems);
    let mut root = Section::root(&source, &table, problems);
    for name in root.keys() {
        let mut section = root.section(&name);
        let (tags, standing) = (section.strings("tags").unwrap_or_default(), Standing::read(&mut section));
        section.finish();
        match all.get_mut(&name) {
            Some(question) => (question.tags, question.standing) = (tags, standing),
            None => {
                let hint = nearest(&name, all.keys().map(String::as_str))
                    .map_or(String::new(), |n| format!("; nearest: '{n}'"));
                root.problem(&name, format_args!("is no entry of knowledge/*.toml{hint}"));
            }
        }
    }
    root.finish();
}
