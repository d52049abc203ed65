//! Rows to entries of a hotline; a row is taken whole or left with its reason.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::rows::Rows;
use crate::settings::nearest;
use crate::speech::Language;

/// Longest answer, in characters: what a prompt may have.
const ANSWER: usize = 400;
/// Longest question, in characters.
const QUESTION: usize = 200;

/// An entry as a table has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) texts: BTreeMap<Language, (Vec<String>, String)>,
    pub(super) tags: Vec<String>,
    pub(super) from: Option<Date>,
    pub(super) until: Option<Date>,
    pub(super) approval: Option<(String, Date)>,
}

/// A row that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) line: usize,
    pub(super) why: String,
}

/// Rows of a file, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sorted {
    pub(super) taken: Vec<Entry>,
    pub(super) left: Vec<Left>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Name,
    Questions(Language),
    Answer(Language),
    Tags,
    From,
    Until,
    ApprovedBy,
    ApprovedAt,
}

/// Rows to entries. An error where the columns are not those of knowledge.
pub(super) fn sort(tables: &[Rows], file: &str, languages: &[Language]) -> Result<Sorted, String> {
    let mut sorted = Sorted::default();
    let mut names = BTreeMap::new();
    let mut questions: BTreeMap<String, String> = BTreeMap::new();
    for table in tables {
        let columns = columns(table, file, languages)?;
        for (line, cells) in table.rows.iter().filter(|(_, cells)| cells.iter().any(|cell| !cell.trim().is_empty())) {
            let line = *line;
            let entry = entry(&columns, cells, table.head.len(), languages)
                .and_then(|entry| new_here(entry, line, &mut names, &mut questions));
            match entry {
                Ok(entry) => sorted.taken.push(entry),
                Err(why) => sorted.left.push(Left { line, why }),
            }
        }
    }
    Ok(sorted)
}

/// Refuses what an earlier row has already.
fn new_here(
    entry: Entry,
    line: usize,
    names: &mut BTreeMap<String, usize>,
    questions: &mut BTreeMap<String, String>,
) -> Result<Entry, String> {
    if let Some(first) = names.get(&entry.name) {
        return Err(format!("'{}' is there already in line {first}", entry.name));
    }
    let plain =
        |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
    let asked: BTreeSet<String> =
        entry.texts.values().flat_map(|(all, _)| all.iter().map(|text| plain(text))).collect();
    if let Some((text, owner)) = asked.iter().find_map(|text| questions.get_key_value(text)) {
        return Err(format!("\"{text}\" is a question of '{owner}' already"));
    }
    names.insert(entry.name.clone(), line);
    questions.extend(asked.into_iter().map(|text| (text, entry.name.clone())));
    Ok(entry)
}

fn columns(table: &Rows, file: &str, languages: &[Language]) -> Result<Vec<Column>, String> {
    let mut names: Vec<(String, Column)> = vec![
        ("id".into(), Column::Name),
        ("name".into(), Column::Name),
        ("tags".into(), Column::Tags),
        ("valid_from".into(), Column::From),
        ("valid_to".into(), Column::Until),
        ("approved_by".into(), Column::ApprovedBy),
        ("approved_at".into(), Column::ApprovedAt),
    ];
    for language in languages {
        names.push((format!("questions_{language}"), Column::Questions(*language)));
        names.push((format!("question_{language}"), Column::Questions(*language)));
        names.push((format!("answer_{language}"), Column::Answer(*language)));
    }
    let mut all: Vec<Column> = Vec::with_capacity(table.head.len());
    for head in &table.head {
        let plain = head.trim().to_lowercase().replace([' ', '-'], "_");
        let Some((_, column)) = names.iter().find(|(name, _)| *name == plain) else {
            let near = nearest(&plain, names.iter().map(|(name, _)| name.as_str()));
            let known = names.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            let hint = near.map_or(format!("columns are {known}"), |name| format!("nearest: '{name}'"));
            return Err(format!("{file}: no column is called '{head}' in this hotline's knowledge; {hint}"));
        };
        if all.contains(column) {
            return Err(format!("{file}: the column '{head}' is there twice"));
        }
        all.push(*column);
    }
    let mut needed = languages.iter().flat_map(|l| [Column::Questions(*l), Column::Answer(*l)]).chain([Column::Name]);
    if let Some(column) = needed.find(|column| !all.contains(column)) {
        let name = names.iter().find(|(_, known)| *known == column).map_or("", |(name, _)| name.as_str());
        return Err(format!("{file}: the column '{name}' is missing"));
    }
    Ok(all)
}

fn entry(columns: &[Column], cells: &[String], width: usize, languages: &[Language]) -> Result<Entry, String> {
    if cells.iter().skip(width).any(|cell| !cell.trim().is_empty()) {
        return Err(format!("{} cells, but {width} columns", cells.len()));
    }
    let cell = |wanted: Column| {
        let at = columns.iter().position(|column| *column == wanted);
        at.and_then(|at| cells.get(at)).map_or("", |text| text.trim())
    };
    let name = cell(Column::Name).to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(format!("the id has letters, digits, _ and - only, found \"{name}\""));
    }
    let mut texts = BTreeMap::new();
    for language in languages {
        let asked: Vec<String> = cell(Column::Questions(*language))
            .split(['\n', '|'])
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
            .collect();
        let answer = cell(Column::Answer(*language)).split_whitespace().collect::<Vec<_>>().join(" ");
        match (asked.is_empty(), answer.chars().count()) {
            (true, _) => return Err(format!("no question in '{language}'")),
            (false, 0) => return Err(format!("no answer in '{language}'")),
            (false, length) if length > ANSWER => {
                return Err(format!("the answer in '{language}' has {length} characters; {ANSWER} can be spoken"));
            }
            (false, _) => {}
        }
        if let Some(long) = asked.iter().find(|text| text.chars().count() > QUESTION) {
            return Err(format!(
                "a question in '{language}' has {} characters; at most {QUESTION}",
                long.chars().count()
            ));
        }
        if answer.contains(['{', '}']) {
            return Err(format!("the answer in '{language}' has braces; answers have no fields"));
        }
        texts.insert(*language, (asked, answer));
    }
    let tags = cell(Column::Tags).split([',', ';', '、', '，']).map(str::trim).filter(|tag| !tag.is_empty());
    let (from, until) = (day("valid_from", cell(Column::From))?, day("valid_to", cell(Column::Until))?);
    if let (Some(from), Some(until)) = (from, until)
        && until < from
    {
        return Err(format!("valid_to {until} is before valid_from {from}"));
    }
    let approval = match (cell(Column::ApprovedBy), day("approved_at", cell(Column::ApprovedAt))?) {
        ("", None) => None,
        ("", Some(_)) => return Err("approved_at without approved_by".to_owned()),
        (_, None) => return Err("approved_by without approved_at".to_owned()),
        (by, Some(at)) => Some((by.to_owned(), at)),
    };
    Ok(Entry { name, texts, tags: tags.map(str::to_owned).collect(), from, until, approval })
}

/// `2026-03-31`, `2026/3/31` or nothing.
fn day(column: &str, text: &str) -> Result<Option<Date>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let bad = || format!("{column}: \"{text}\" is no day; e.g. 2026-03-31");
    let parts: Vec<i16> =
        text.split(['-', '/']).map(|part| part.trim().parse()).collect::<Result<_, _>>().map_err(|_| bad())?;
    match parts[..] {
        [year, month, day] if year >= 2000 => {
            let (month, day) = (i8::try_from(month).map_err(|_| bad())?, i8::try_from(day).map_err(|_| bad())?);
            Date::new(year, month, day).map(Some).map_err(|_| bad())
        }
        _ => Err(bad()),
    }
}
