//! The headers of a message: lines in the order in which they came. A comma list may stand in one line or in many
//! (RFC 3261 7.3.1); [`Headers::values`] does not care which.

use std::fmt::Display;

use bytes::Bytes;

use super::super::header::{HeaderName, NameAddr};
use super::super::text::{ListSplit, Text, trim, value_end};

/// One header line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Name.
    pub name: HeaderName,
    /// Value without folds and without white space around it; perhaps a comma list.
    pub value: Bytes,
}

/// Header lines in order. Names compare without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

impl Headers {
    /// Room for this many lines.
    pub(crate) fn with_capacity(lines: usize) -> Self {
        Self(Vec::with_capacity(lines))
    }
    /// Count of lines.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// True without any line.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// All lines in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.iter()
    }
    /// Value of the first line of this name.
    pub fn get(&self, name: &HeaderName) -> Option<&Bytes> {
        self.lines(name).next()
    }
    /// True where a line of this name is there.
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.get(name).is_some()
    }
    /// Values of the lines of this name.
    pub fn lines<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a Bytes> {
        self.0.iter().filter(move |header| header.name == *name).map(|header| &header.value)
    }
    /// Values of this name over all lines, comma lists split. Only for headers that are lists.
    pub fn values<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = Bytes> + use<'a> {
        let name = name.clone();
        self.0.iter().filter(move |header| header.name == name).flat_map(|header| ListSplit::new(&header.value))
    }

    /// Appends a line.
    pub fn push(&mut self, name: HeaderName, value: impl Into<Bytes>) {
        self.0.push(Header { name, value: trimmed(value.into()) });
    }
    /// Appends a line with whatever prints itself.
    pub fn push_text(&mut self, name: HeaderName, value: impl Display) {
        self.push(name, value.to_string());
    }
    /// Puts a line before the first of its name, or before all lines (a Via of ours, a route).
    pub fn push_front(&mut self, name: HeaderName, value: impl Into<Bytes>) {
        let at = self.0.iter().position(|header| header.name == name).unwrap_or(0);
        self.0.insert(at, Header { name, value: trimmed(value.into()) });
    }
    /// Puts one line in the place of all lines of this name.
    pub fn set(&mut self, name: HeaderName, value: impl Into<Bytes>) {
        let at = self.0.iter().position(|header| header.name == name).unwrap_or(self.0.len());
        self.remove(&name);
        self.0.insert(at.min(self.0.len()), Header { name, value: trimmed(value.into()) });
    }
    /// The same with whatever prints itself.
    pub fn set_text(&mut self, name: HeaderName, value: impl Display) {
        self.set(name, value.to_string());
    }
    /// Takes all lines of this name away.
    pub fn remove(&mut self, name: &HeaderName) {
        self.0.retain(|header| header.name != *name);
    }
    /// Replaces the first value of a list, leaving the others of its line: the topmost Via.
    pub fn replace_first_value(&mut self, name: &HeaderName, value: &[u8]) {
        let Some(header) = self.0.iter_mut().find(|header| header.name == *name) else { return };
        let (_, others) = split_first(&header.value);
        header.value = match others {
            Some(others) => Bytes::from([value, b", ", &others].concat()),
            None => Bytes::copy_from_slice(value),
        };
    }
    /// Takes the first value of a list away: a Via or a Route that has served.
    pub fn remove_first_value(&mut self, name: &HeaderName) {
        let Some(at) = self.0.iter().position(|header| header.name == *name) else { return };
        match split_first(&self.0[at].value).1 {
            Some(others) => self.0[at].value = others,
            None => {
                self.0.remove(at);
            }
        }
    }
    /// Gives To this tag unless it has one. The rest of the line stays as it came.
    pub(super) fn tag_to(&mut self, tag: &str) {
        let Some(header) = self.0.iter_mut().find(|header| header.name == HeaderName::To) else { return };
        // A To that cannot be read goes back as it came (400).
        if NameAddr::parse(&header.value).is_some_and(|to| to.tag().is_none()) {
            header.value = Bytes::from([&header.value[..], b";tag=", Text::from(tag).as_bytes()].concat());
        }
    }
}

fn trimmed(value: Bytes) -> Bytes {
    let length = trim(&value).len();
    if length == value.len() { value } else { value.slice_ref(trim(&value)) }
}

/// The first value of a comma list, and the values after it where there are any.
fn split_first(line: &Bytes) -> (Bytes, Option<Bytes>) {
    let mut start = 0;
    loop {
        let end = value_end(line, start);
        let value = trim(&line[start..end]);
        if !value.is_empty() || end >= line.len() {
            let others = line.get(end + 1..).map(trim).filter(|others| !others.is_empty());
            return (line.slice_ref(value), others.map(|others| line.slice_ref(others)));
        }
        start = end + 1;
    }
}
