//! Labelled phrases: CSV, TSV, JSON lines, or the phrases of a dialplan. Every mistake is told with its file and line.

use std::path::Path;

use serde::Deserialize;

use super::CliError;
use crate::cli::check;
use crate::settings::Problems;

/// Intents of phrases that belong to none.
const OUT_OF_SCOPE: [&str; 4] = ["oos", "out_of_scope", "none", ""];
/// What the columns may be called.
const TEXT: [&str; 5] = ["text", "utterance", "phrase", "question", "sentence"];
const INTENT: [&str; 3] = ["intent", "category", "label"];

/// One labelled phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    pub text: String,
    /// None: it belongs to no intent.
    pub intent: Option<String>,
}

/// Labelled phrases in the order of their file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    pub phrases: Vec<Phrase>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(alias = "utterance", alias = "phrase", alias = "question", alias = "sentence")]
    text: String,
    #[serde(alias = "category", alias = "label")]
    intent: Option<String>,
}

impl Set {
    /// Reads a file by the ending of its name (`.csv`, `.tsv`, anything else is JSON lines), or a dialplan's folder.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        if path.is_dir() {
            return Self::of_plan(path);
        }
        let system = |source| CliError::System { doing: format!("cannot read {}", path.display()), source };
        let text = std::fs::read_to_string(path).map_err(system)?;
        Self::parse(&path.display().to_string(), &text).map_err(CliError::Usage)
    }

    /// The text of a file called `name`.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{FEFF}');
        let phrases = match name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
            Some("csv") => table(name, text, b','),
            Some("tsv") => table(name, text, b'\t'),
            _ => lines(name, text),
        }?;
        let set = Self { phrases };
        match set.intents().len() {
            0 | 1 => Err(format!("{name}: {} intents; at least two are needed to tell apart", set.intents().len())),
            _ => Ok(set),
        }
    }

    fn of_plan(folder: &Path) -> Result<Self, CliError> {
        let (problems, warnings) = (Problems::default(), Problems::default());
        let plans = check::load(folder, &problems, &warnings);
        let [plan] = plans.as_slice() else {
            let found = problems.report();
            let what = format!("{}: expected one dialplan without problems\n{found}", folder.display());
            return Err(CliError::Usage(what.trim_end().to_owned()));
        };
        let mut phrases = Vec::new();
        for intent in &plan.intents {
            let texts = intent.phrases.values().flatten();
            phrases.extend(texts.map(|text| Phrase { text: text.clone(), intent: Some(intent.name.clone()) }));
        }
        Ok(Self { phrases })
    }

    /// Names of the intents, in the order in which they first come.
    pub fn intents(&self) -> Vec<String> {
        let mut seen = std::collections::BTreeSet::new();
        self.phrases
            .iter()
            .filter_map(|phrase| phrase.intent.clone())
            .filter(|name| seen.insert(name.clone()))
            .collect()
    }
}

fn phrase(text: &str, intent: &str) -> Phrase {
    let intent = Some(intent.trim()).filter(|name| !OUT_OF_SCOPE.contains(name)).map(str::to_owned);
    Phrase { text: text.trim().to_owned(), intent }
}

fn table(name: &str, text: &str, delimiter: u8) -> Result<Vec<Phrase>, String> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| format!("{name}: {error}"))?.clone();
    let column = |names: &[&str]| {
        let found = header.iter().position(|head| names.contains(&head.trim().to_ascii_lowercase().as_str()));
        let heads = || header.iter().collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| format!("{name}:1: no column {}; it has {}", names.join(" or "), heads()))
    };
    let (text_at, intent_at) = (column(&TEXT)?, column(&INTENT)?);
    let mut all = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| format!("{name}: {error}"))?;
        all.push(phrase(record.get(text_at).unwrap_or(""), record.get(intent_at).unwrap_or("")));
    }
    Ok(all)
}

fn lines(name: &str, text: &str) -> Result<Vec<Phrase>, String> {
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line: Line = serde_json::from_str(line).map_err(|error| format!("{name}:{}: {error}", number + 1))?;
        all.push(phrase(&line.text, line.intent.as_deref().unwrap_or("")));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_from_three_shapes() {
        let csv = "text,category\n\"where, \nis it\",card\nmy bill,bill\nsing,oos\n";
        let tsv = "id\tlabel\tutterance\n1\tcard\twhere, \n2\tbill\tmy bill\n";
        let json = "{\"text\": \"where\", \"intent\": \"card\"}\n\n{\"question\": \"my bill\", \"label\": \"bill\"}\n{\"text\": \"sing\"}\n";
        let set = Set::parse("a.csv", csv).unwrap();
        assert_eq!(set.phrases[0], Phrase { text: "where, \nis it".to_owned(), intent: Some("card".to_owned()) });
        assert_eq!(set.phrases[2].intent, None);
        assert_eq!(Set::parse("a.TSV", tsv).unwrap().intents(), ["card", "bill"]);
        assert_eq!(Set::parse("a.jsonl", json).unwrap().phrases[2].intent, None);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let table = [
            ("a.csv", "text,intent\nx,one\n", "a.csv: 1 intents"),
            (
                "a.csv",
                "words,intent\nx,one\n",
                "a.csv:1: no column text or utterance or phrase or question or sentence; it has words, intent",
            ),
            ("a.jsonl", "{\"text\": \"x\", \"intent\": \"one\"}\n{\n", "a.jsonl:2: EOF"),
        ];
        for (name, text, expected) in table {
            let error = Set::parse(name, text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
