//! Filed scripts: texts that are spoken word for word, sentence by sentence, as they were filed with a regulator: version,
//! approval and days, and how much of it must be heard. `scripts/NAME.toml`:
//!
//! ```toml
//! version = "2026-03"
//! approved_by = "Compliance"
//! approved_at = "2026-02-20"
//! must_hear = 2                  # the first two sentences, each to its end; left out: all of them
//! then = "say:agree"             # once it was read
//! yue = ["第一句。", "第二句。", "第三句。"]
//! ```
//! A script has no fields: nothing is filled in. Is not the reading itself (`conversation`).

use std::collections::BTreeMap;

use crate::dialplan::read::{PlanFiles, Reader};
use crate::dialplan::schema::Target;
use crate::dialplan::standing::Standing;
use crate::settings::{Problems, Section, Source};
use crate::speech::Language;

/// Most sentences of one script.
const SENTENCES: usize = 60;
/// Longest sentence, in characters: about a minute of speech.
const SENTENCE: usize = 400;

/// A text that is spoken word for word.
#[derive(Clone, Debug)]
pub struct Script {
    /// Name of its file.
    pub name: String,
    /// As it was filed.
    pub version: String,
    /// Who has approved it, and its days.
    pub standing: Standing,
    /// How many sentences, from the first, must be heard to their end.
    pub must_hear: usize,
    /// In order. Never empty.
    pub sentences: Vec<Sentence>,
    /// Where it leads once it was read.
    pub then: Target,
}

/// One sentence of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// Prompt id under which it is journalled: `script:NAME:2`.
    pub prompt_id: String,
    /// The words.
    pub texts: BTreeMap<Language, String>,
}

/// Reads every script of a plan.
pub(super) fn scripts(files: &PlanFiles, reader: &Reader, problems: &Problems) -> Vec<Script> {
    let mut all = Vec::new();
    for (path, text) in &files.files {
        let name = path.strip_prefix("scripts/").and_then(|name| name.strip_suffix(".toml"));
        let Some(name) = name else { continue };
        let source = Source::new(format!("{}/{path}", files.folder), text.as_str());
        let table = source.parse(problems);
        all.extend(script(name, Section::root(&source, &table, problems), reader));
    }
    all
}

fn script(name: &str, mut root: Section<'_>, reader: &Reader) -> Option<Script> {
    let version = root.string("version");
    let version = root.required("version", "the version as it was filed", version);
    let standing = Standing::read(&mut root);
    let must_hear = root.integer("must_hear", 0..=SENTENCES as i64).and_then(|n| usize::try_from(n).ok());
    let then = reader.target(&mut root, "then");
    let then = root.required("then", "where it leads once it was read, e.g. \"say:agree\"", then);
    let mut sentences: Vec<Sentence> = Vec::new();
    let mut counts: Vec<(Language, usize)> = Vec::new();
    for language in &reader.languages {
        let key = language.code();
        let texts = root.strings(key);
        let texts = root.required(key, "its sentences, word for word", texts).unwrap_or_default();
        let long = texts.iter().any(|text| text.trim().is_empty() || text.chars().count() > SENTENCE);
        if texts.is_empty() || texts.len() > SENTENCES || long {
            root.problem(key, format_args!("expected 1 to {SENTENCES} sentences of 1 to {SENTENCE} characters"));
        }
        if texts.iter().any(|text| text.contains(['{', '}'])) {
            root.problem(key, "has braces; a filed script has no fields");
        }
        counts.push((*language, texts.len()));
        for (at, text) in texts.into_iter().enumerate() {
            if at == sentences.len() {
                let prompt_id = format!("script:{name}:{}", at + 1);
                sentences.push(Sentence { prompt_id, texts: BTreeMap::new() });
            }
            sentences[at].texts.insert(*language, text);
        }
    }
    if let Some((language, count)) = counts.iter().find(|(_, count)| *count != sentences.len()) {
        let most = sentences.len();
        root.problem(language.code(), format_args!("has {count} sentences, another language {most}; each has its own"));
    }
    if let Some(must) = must_hear.filter(|must| *must > sentences.len()) {
        root.problem("must_hear", format_args!("{must} sentences must be heard of {}", sentences.len()));
    }
    root.finish();
    let must_hear = must_hear.unwrap_or(sentences.len());
    Some(Script { name: name.to_owned(), version: version?, standing, must_hear, sentences, then: then? })
}
