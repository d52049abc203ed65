//! Inverse text normalisation: a transcript as it was spoken to the form in which people write it: numbers, money, times,
//! dates, telephone and identity card numbers, percentages, spelled letters; Cantonese in Traditional characters.
//!
//! ```text
//! 我要交三百五十蚊   -> 我要交$350          下晝三點半 -> 下晝3:30         double five 三三 -> 5533
//! ```
//! Conservative: a single digit word stays a word (一定, no one), and so does whatever no rule is sure of. Rules are tried in
//! order at each word; words that only look like numbers are protected. Is not: the value of a slot (`conversation::slot`), nor
//! a calendar: 聽日 stays 聽日.

mod chinese;
mod clock;
mod digits;
mod english;
mod tokens;

#[cfg(test)]
mod tests;

use crate::conversation::readings::Readings;
use crate::speech::Language;
pub(super) use digits::{check_digit, han_digit, word_digit};
use tokens::{Tok, join, split};

/// What was written otherwise than it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Number,
    /// An amount of money; value in dollars (or what the caller's unit is).
    Money,
    /// A time of day; value `H:MM`, of twelve hours where the caller gave no half of the day.
    Time,
    /// A length of time; value in minutes.
    Duration,
    /// A day; value as far as it was said: `YYYY`, `M-D`, `D`.
    Date,
    /// A run of digits.
    Digits,
    /// A telephone number; value without spaces.
    Phone,
    /// A Hong Kong identity card number; value with its check digit.
    IdentityCard,
    /// A percentage or discount; value in percent.
    Percent,
    /// Letters said one by one.
    Letters,
}

/// One place of a text that was written otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Kind.
    pub kind: Kind,
    /// As written.
    pub text: String,
    /// Its value; see [`Kind`].
    pub value: String,
}

/// A text as people write it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// All of it.
    pub text: String,
    /// What was changed, in order.
    pub spans: Vec<Span>,
}

/// What a rule makes of the words at its place: how many it takes and what they become.
struct Found {
    taken: usize,
    span: Span,
}

impl Found {
    fn new(taken: usize, kind: Kind, text: impl Into<String>, value: impl Into<String>) -> Option<Self> {
        Some(Self { taken, span: Span { kind, text: text.into(), value: value.into() } })
    }
}

type Rule = fn(&[Tok], usize, Language) -> Option<Found>;

/// In order; the first that knows the place has it.
const RULES: [Rule; 12] = [
    digits::identity_card,
    clock::english_time,
    digits::run,
    clock::chinese_date,
    clock::chinese_time,
    clock::chinese_duration,
    clock::english_date,
    chinese::money,
    english::money,
    chinese::number,
    english::number,
    digits::letters,
];

/// The written form of what was said in this language.
pub fn written(text: &str, language: Language, readings: &Readings) -> Written {
    let text = if language == Language::Cantonese {
        text.chars().map(|c| readings.traditional(c)).collect()
    } else {
        text.to_owned()
    };
    let said = split(&text);
    let (mut pieces, mut spans, mut at) = (Vec::with_capacity(said.len()), Vec::new(), 0);
    while at < said.len() {
        let protected = chinese::protected(&said, at);
        if protected > 0 {
            pieces.extend(said[at..at + protected].iter().map(|tok| tok.text.clone()));
            at += protected;
            continue;
        }
        match RULES.iter().find_map(|rule| rule(&said, at, language)) {
            Some(found) => {
                at += found.taken.max(1);
                pieces.push(found.span.text.clone());
                spans.push(found.span);
            }
            None => {
                pieces.push(said[at].text.clone());
                at += 1;
            }
        }
    }
    Written { text: join(&pieces), spans }
}
