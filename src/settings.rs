//! TOML read by hand: every problem at once, each with file, line, column, what was expected and the nearest valid key.
//! Used by the configuration, the dialplans and the model manifest. Not a serde format: serde stops at the first error.
//!
//! ```
//! use tingwa::settings::{Problems, Section, Source};
//! let source = Source::new("tingwa.toml", "[sip]\nlisten = 5\nlissten = \"x\"\n");
//! let problems = Problems::default();
//! let table = source.parse(&problems);
//! let mut root = Section::root(&source, &table, &problems);
//! let mut sip = root.section("sip");
//! assert_eq!(sip.string("listen"), None);
//! sip.finish();
//! root.finish();
//! let report = problems.report();
//! assert!(report.contains("tingwa.toml:2:10: sip.listen: expected a string, found an integer"));
//! assert!(report.contains("tingwa.toml:3:1: unknown key 'lissten' in [sip]; nearest valid key: 'listen'"));
//! ```

use std::cell::RefCell;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

mod asked;

use asked::{Asked, What};

/// One thing that is wrong with a file, so that a person can mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// File as it was named.
    pub file: String,
    /// Line, from 1; 0 where the problem is of the file as a whole.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what was expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.message)
        } else {
            write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
        }
    }
}

/// Collects problems over several files.
#[derive(Debug, Default)]
pub struct Problems {
    found: RefCell<Vec<Problem>>,
    /// What readers ask for, where it is written down.
    asked: Option<RefCell<Vec<Asked>>>,
}

impl Problems {
    /// Writes down what readers ask for, for [`Problems::schema`].
    pub fn listening() -> Self {
        Self { asked: Some(RefCell::default()), ..Self::default() }
    }
    /// The JSON Schema of a file, from what its reader asked of a specimen that has every table (this) and of a file with
    /// nothing in it (`empty`).
    pub fn schema(&self, empty: &Self, file: &str, title: &str) -> serde_json::Value {
        let asked = |problems: &Self| problems.asked.as_ref().map(|asked| asked.borrow().clone()).unwrap_or_default();
        asked::schema(&asked(self), &asked(empty), file, title)
    }
    /// Adds one.
    pub fn push(&self, problem: Problem) {
        self.found.borrow_mut().push(problem);
    }
    /// Adds one that concerns a file as a whole.
    pub fn push_file(&self, file: impl fmt::Display, message: impl Into<String>) {
        self.push(Problem { file: file.to_string(), line: 0, column: 0, message: message.into() });
    }
    /// True while nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }
    /// All problems in the order of file and line.
    pub fn into_vec(self) -> Vec<Problem> {
        let mut all = self.found.into_inner();
        all.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        all
    }
    /// One line a problem.
    pub fn report(&self) -> String {
        self.found.borrow().iter().map(|p| format!("{p}\n")).collect()
    }
}

/// A file's name and text.
#[derive(Debug)]
pub struct Source {
    name: String,
    text: String,
}

impl Source {
    /// Text that came from `name`.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// The table in it. Syntax errors become problems and what could be read is returned.
    pub fn parse(&self, problems: &Problems) -> Spanned<DeTable<'_>> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        for error in errors {
            self.problem(problems, error.span().unwrap_or(0..0), error.message().to_owned());
        }
        table
    }

    /// Adds a problem at a place of this file.
    pub fn problem(&self, problems: &Problems, span: Range<usize>, message: String) {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        problems.push(Problem { file: self.name.clone(), line, column, message });
    }
}

/// One table being read. Keys that nobody asked for are problems when it is finished.
#[must_use = "call finish(), or unknown keys go unnoticed"]
pub struct Section<'a> {
    source: &'a Source,
    problems: &'a Problems,
    table: Option<&'a DeTable<'a>>,
    span: Range<usize>,
    path: String,
    asked: Vec<String>,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub fn root(source: &'a Source, table: &'a Spanned<DeTable<'a>>, problems: &'a Problems) -> Self {
        Self { source, problems, table: Some(table.get_ref()), span: 0..0, path: String::new(), asked: Vec::new() }
    }

    /// True where the file has this table.
    pub fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// Keys in the order of the file, for tables whose keys are names.
    pub fn keys(&self) -> Vec<String> {
        self.note("", || What::Names);
        self.table.map(|t| t.keys().map(|k| k.get_ref().to_string()).collect()).unwrap_or_default()
    }

    fn full(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn note(&self, key: &str, what: impl FnOnce() -> What) {
        if let Some(asked) = &self.problems.asked {
            let (file, path) = (self.source.name.clone(), self.path.clone());
            asked.borrow_mut().push(Asked { file, path, key: key.to_owned(), what: what() });
        }
    }

    fn value(&mut self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        if !self.asked.iter().any(|k| k == key) {
            self.asked.push(key.to_owned());
        }
        self.table?.iter().find(|(k, _)| k.get_ref() == key).map(|(_, v)| v)
    }

    /// Adds a problem at a key's value, or at the table where the key is not there.
    pub fn problem(&self, key: &str, message: impl fmt::Display) {
        let found = self.table.and_then(|t| t.iter().find(|(k, _)| k.get_ref() == key));
        let span = found.map_or(self.span.clone(), |(_, v)| v.span());
        self.source.problem(self.problems, span, format!("{}: {message}", self.full(key)));
    }

    fn expected<T>(&self, key: &str, what: &str, found: &DeValue<'_>) -> Option<T> {
        self.problem(key, format_args!("expected {what}, found {}", article(found)));
        None
    }

    /// A string.
    pub fn string(&mut self, key: &str) -> Option<String> {
        self.note(key, || What::Text);
        let value = self.value(key)?.get_ref();
        match value.as_str() {
            Some(text) => Some(text.to_owned()),
            None => self.expected(key, "a string", value),
        }
    }

    /// A whole number within a range.
    pub fn integer(&mut self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        self.note(key, || What::Integer(*range.start(), *range.end()));
        let value = self.value(key)?.get_ref();
        let Some(number) = value.as_integer() else { return self.expected(key, "an integer", value) };
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                self.problem(key, format_args!("expected {} to {}, found {number}", range.start(), range.end()));
                None
            }
        }
    }

    /// A number with or without a fraction.
    pub fn float(&mut self, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        self.note(key, || What::Float(*range.start(), *range.end()));
        let value = self.value(key)?.get_ref();
        let text = match value {
            DeValue::Float(f) => f.as_str(),
            DeValue::Integer(i) => i.as_str(),
            other => return self.expected(key, "a number", other),
        };
        match text.parse::<f64>() {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                self.problem(key, format_args!("expected {} to {}, found {text}", range.start(), range.end()));
                None
            }
        }
    }

    /// true or false.
    pub fn boolean(&mut self, key: &str) -> Option<bool> {
        self.note(key, || What::Boolean);
        let value = self.value(key)?.get_ref();
        match value.as_bool() {
            Some(flag) => Some(flag),
            None => self.expected(key, "true or false", value),
        }
    }

    /// A list of strings; `None` where the key is not there.
    pub fn strings(&mut self, key: &str) -> Option<Vec<String>> {
        self.note(key, || What::Texts);
        let value = self.value(key)?.get_ref();
        let Some(array) = value.as_array() else { return self.expected(key, "a list of strings", value) };
        let mut all = Vec::with_capacity(array.len());
        for item in array.iter() {
            match item.get_ref().as_str() {
                Some(text) => all.push(text.to_owned()),
                None => {
                    let message = format!("{}: expected a string, found {}", self.full(key), article(item.get_ref()));
                    self.source.problem(self.problems, item.span(), message);
                }
            }
        }
        Some(all)
    }

    /// A string that means something else, e.g. an address or `"5s"`; `what` says what was expected.
    pub fn parsed<T: FromStr>(&mut self, key: &str, what: &str) -> Option<T>
    where
        T::Err: fmt::Display,
    {
        self.note(key, || What::Means(what.to_owned()));
        let text = self.string(key)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(key, format_args!("expected {what}, found \"{text}\" ({error})"));
                None
            }
        }
    }

    /// Says that a key must be there if it was not.
    pub fn required<T>(&self, key: &str, what: &str, value: Option<T>) -> Option<T> {
        self.note(key, || What::Required);
        self.note(key, || What::Means(what.to_owned()));
        let there = self.table.is_some_and(|t| t.keys().any(|k| k.get_ref() == key));
        if value.is_none() && !there {
            let place = if self.path.is_empty() { String::new() } else { format!(" in {}", bracketed(&self.path)) };
            let message = format!("missing key '{key}'{place}; expected {what}");
            self.source.problem(self.problems, self.span.clone(), message);
        }
        value
    }

    /// A table within this one; an empty section where it is missing.
    pub fn section(&mut self, key: &str) -> Section<'a> {
        self.note(key, || What::Table);
        let path = self.full(key);
        let (table, span) = match self.value(key) {
            Some(value) => match value.get_ref().as_table() {
                Some(table) => (Some(table), value.span()),
                None => {
                    let _: Option<()> = self.expected(key, "a table", value.get_ref());
                    (None, value.span())
                }
            },
            None => (None, self.span.clone()),
        };
        Section { source: self.source, problems: self.problems, table, span, path, asked: Vec::new() }
    }

    /// Every `[[key]]`.
    pub fn sections(&mut self, key: &str) -> Vec<Section<'a>> {
        self.note(key, || What::Tables);
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            let _: Option<()> = self.expected(key, "[[tables]]", value.get_ref());
            return Vec::new();
        };
        let mut all = Vec::new();
        for (number, item) in array.iter().enumerate() {
            let path = format!("{}[{}]", self.full(key), number + 1);
            match item.get_ref().as_table() {
                Some(table) => all.push(Section {
                    source: self.source,
                    problems: self.problems,
                    table: Some(table),
                    span: item.span(),
                    path,
                    asked: Vec::new(),
                }),
                None => {
                    let message = format!("{path}: expected a table, found {}", article(item.get_ref()));
                    self.source.problem(self.problems, item.span(), message);
                }
            }
        }
        all
    }

    /// Every `[key.NAME]` with its name, in the order of the file.
    pub fn named_sections(&mut self, key: &str) -> Vec<(String, Section<'a>)> {
        let mut parent = self.section(key);
        let names = parent.keys();
        names
            .into_iter()
            .map(|name| {
                let section = parent.section(&name);
                (name, section)
            })
            .collect()
    }

    /// Reports keys that nobody asked for.
    pub fn finish(self) {
        let Some(table) = self.table else { return };
        for (key, _) in table.iter() {
            let name: &str = key.get_ref();
            if self.asked.iter().any(|k| k == name) {
                continue;
            }
            let place =
                if self.path.is_empty() { "at the top".to_owned() } else { format!("in {}", bracketed(&self.path)) };
            let hint = match nearest(name, self.asked.iter().map(String::as_str)) {
                Some(near) => format!("; nearest valid key: '{near}'"),
                None => format!("; valid keys: {}", self.asked.join(", ")),
            };
            self.source.problem(self.problems, key.span(), format!("unknown key '{name}' {place}{hint}"));
        }
    }
}

/// A table's name as a person would look for it: `[sip]`, `[[trunk]] number 2`.
fn bracketed(path: &str) -> String {
    match path.strip_suffix(']').and_then(|path| path.rsplit_once('[')) {
        Some((name, number)) => format!("[[{name}]] number {number}"),
        None => format!("[{path}]"),
    }
}

/// The candidate most like `word`, if any is near enough to be what was meant.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
