//! Conditions of a workflow: `status == 'shipped' and days < 3 or has note`. `and` binds tighter than `or`; there are no
//! parentheses. A name that is not bound makes no comparison true or false: [`Condition::holds`] says so.

use std::collections::BTreeMap;

/// What must hold: one of these lists, each of whose tests holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Joined by `or`; within, by `and`.
    pub any: Vec<Vec<Test>>,
}

/// One test.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// `has NAME`: it is bound.
    Has(String),
    /// `NAME == 'text'`, `NAME < 3`.
    Compare {
        /// The name.
        name: String,
        /// How.
        by: By,
        /// With what.
        with: Operand,
    },
}

/// How two values are compared. Order is that of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// `==`
    Same,
    /// `!=`
    Other,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

/// The right side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A text in quotes, or a number as it was written.
    Text(String),
    /// Another name.
    Name(String),
}

/// A condition cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at \"{at}\"; written like: status == 'shipped' and days < 3 or has note")]
pub struct ConditionError {
    what: &'static str,
    at: String,
}

impl std::str::FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = words(text)?.into_iter().peekable();
        let (mut any, mut all) = (Vec::new(), Vec::new());
        loop {
            all.push(test(&mut words)?);
            match words.next() {
                None => break,
                Some(Word::Name(join)) if join == "and" => {}
                Some(Word::Name(join)) if join == "or" => any.push(std::mem::take(&mut all)),
                Some(other) => return Err(wrong("expected 'and' or 'or'", Some(other))),
            }
        }
        any.push(all);
        Ok(Self { any })
    }
}

impl Condition {
    /// True or false; `Err` with the first name that is not bound.
    pub fn holds(&self, values: &BTreeMap<String, String>) -> Result<bool, &str> {
        for all in &self.any {
            let mut holds = true;
            for test in all {
                if !test.holds(values)? {
                    holds = false;
                    break;
                }
            }
            if holds {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Test {
    fn holds(&self, values: &BTreeMap<String, String>) -> Result<bool, &str> {
        let value = |name| values.get(name).map(String::as_str);
        match self {
            Self::Has(name) => Ok(value(name).is_some()),
            Self::Compare { name, by, with } => {
                let left = value(name).ok_or(name.as_str())?;
                let right = match with {
                    Operand::Text(text) => text.as_str(),
                    Operand::Name(name) => value(name).ok_or(name.as_str())?,
                };
                Ok(by.holds(left, right))
            }
        }
    }
}

impl By {
    fn holds(self, left: &str, right: &str) -> bool {
        let order = match (left.trim().parse::<f64>(), right.trim().parse::<f64>()) {
            (Ok(left), Ok(right)) => left.partial_cmp(&right),
            _ => None,
        };
        let same = left == right || order.is_some_and(std::cmp::Ordering::is_eq);
        match self {
            Self::Same => same,
            Self::Other => !same,
            Self::Less => order.is_some_and(std::cmp::Ordering::is_lt),
            Self::AtMost => order.is_some_and(std::cmp::Ordering::is_le),
            Self::More => order.is_some_and(std::cmp::Ordering::is_gt),
            Self::AtLeast => order.is_some_and(std::cmp::Ordering::is_ge),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Name(String),
    Text(String),
    By(By),
}

fn wrong(what: &'static str, at: Option<Word>) -> ConditionError {
    let at = match at {
        Some(Word::Name(text) | Word::Text(text)) => text,
        Some(Word::By(_)) => "comparison".to_owned(),
        None => "the end".to_owned(),
    };
    ConditionError { what, at }
}

fn words(text: &str) -> Result<Vec<Word>, ConditionError> {
    let mut all = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let comparisons = [
            ("==", By::Same),
            ("!=", By::Other),
            ("<=", By::AtMost),
            (">=", By::AtLeast),
            ("<", By::Less),
            (">", By::More),
        ];
        let compared = comparisons.into_iter().find_map(|(sign, by)| Some((rest.strip_prefix(sign)?, Word::By(by))));
        let (behind, word) = if let Some(found) = compared {
            found
        } else if let Some(quoted) = rest.strip_prefix('\'') {
            let (inner, behind) = quoted
                .split_once('\'')
                .ok_or_else(|| ConditionError { what: "a quote without its end", at: rest.to_owned() })?;
            (behind, Word::Text(inner.to_owned()))
        } else {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            if word.is_empty() {
                return Err(ConditionError { what: "not understood", at: rest.to_owned() });
            }
            let number = first.is_ascii_digit() || first == '-';
            (behind, if number { Word::Text(word.to_owned()) } else { Word::Name(word.to_owned()) })
        };
        all.push(word);
        rest = behind.trim_start();
    }
    Ok(all)
}

fn test(words: &mut impl Iterator<Item = Word>) -> Result<Test, ConditionError> {
    let name = match words.next() {
        Some(Word::Name(name)) => name,
        other => return Err(wrong("expected a name", other)),
    };
    if name == "has" {
        return match words.next() {
            Some(Word::Name(name)) => Ok(Test::Has(name)),
            other => Err(wrong("expected a name after 'has'", other)),
        };
    }
    let by = match words.next() {
        Some(Word::By(by)) => by,
        other => return Err(wrong("expected == != < <= > or >=", other)),
    };
    let with = match words.next() {
        Some(Word::Text(text)) => Operand::Text(text),
        Some(Word::Name(name)) => Operand::Name(name),
        other => return Err(wrong("expected a value: 'text', a number or a name", other)),
    };
    Ok(Test::Compare { name, by, with })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str) -> Result<bool, String> {
        let values = [("status", "shipped"), ("days", "3"), ("limit", "3.0")];
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let condition: Condition = text.parse().map_err(|error: ConditionError| error.to_string())?;
        condition.holds(&values).map_err(str::to_owned)
    }

    #[test]
    fn conditions_hold_or_do_not() {
        let table = [
            ("status == 'shipped'", true),
            ("status=='lost'", false),
            ("status != 'lost'", true),
            ("days < 4", true),
            ("days >= 3 and days <= 3", true),
            ("days > 3", false),
            ("days == limit", true),
            ("status < 4", false),
            ("status == 'lost' or days == 3", true),
            ("status == 'lost' and days == 3 or has days", true),
            ("has note", false),
            ("has note and note == 'x'", false),
            ("days > -1.5", true),
        ];
        for (text, expected) in table {
            assert_eq!(holds(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_bound_is_neither() {
        assert_eq!(holds("note == 'x'"), Err("note".to_owned()));
        assert_eq!(holds("days == note"), Err("note".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for text in
            ["", "status", "status ==", "== 3", "status == 'x", "status == 'x' days", "has", "a & b", "(a == 1)"]
        {
            assert!(text.parse::<Condition>().is_err(), "{text}");
        }
    }
}
