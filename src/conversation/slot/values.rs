//! Values that carry their own proof: identity cards and their check digit, payment cards and theirs (Luhn, ISO/IEC 7812-1),
//! order numbers by their shape; and amounts.

use crate::conversation::normalise::{Token, Views};
use crate::conversation::readings::Readings;
use crate::conversation::written::{self, Kind};
use crate::speech::Language;

/// Digits of a payment card.
pub(super) const CARD: std::ops::RangeInclusive<usize> = 13..=19;
/// Largest amount that is read out of speech, in dollars.
const MOST: f64 = 1e9;

/// What was said, as letters and digits.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Letters(String),
    Digits(String),
    /// A word for a bracket: parts nothing.
    Bracket,
    Other,
}

fn pieces(said: &Views) -> Vec<Piece> {
    let mut all: Vec<Piece> = Vec::new();
    let digit = |all: &mut Vec<Piece>, digits: &str| match all.last_mut() {
        Some(Piece::Digits(run)) => run.push_str(digits),
        _ => all.push(Piece::Digits(digits.to_owned())),
    };
    let (mut times, mut at) = (1, 0);
    while let Some(token) = said.tokens.get(at) {
        at += 1;
        match token {
            Token::Han('括') if matches!(said.tokens.get(at), Some(Token::Han('號' | '弧'))) => {
                all.push(Piece::Bracket);
                at += 1;
            }
            Token::Han(c) => match super::han_digit(*c) {
                Some(c) => digit(&mut all, &c.to_string()),
                None => all.push(Piece::Other),
            },
            Token::Word(word) => match word.as_str() {
                "bracket" | "brackets" => all.push(Piece::Bracket),
                "double" => times = 2,
                "triple" => times = 3,
                word => match written::word_digit(word) {
                    Some(c) => digit(&mut all, &c.to_string().repeat(std::mem::replace(&mut times, 1))),
                    None => mixed(word, &mut all),
                },
            },
        }
    }
    all
}

/// A word of letters and digits, as "a123456" or "ht20045512".
fn mixed(word: &str, all: &mut Vec<Piece>) {
    if !word.is_ascii() {
        return all.push(Piece::Other);
    }
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
        let (part, more) = rest.split_at(end);
        match (digits, all.last_mut()) {
            (true, Some(Piece::Digits(run))) => run.push_str(part),
            (true, _) => all.push(Piece::Digits(part.to_owned())),
            (false, _) => all.push(Piece::Letters(part.to_uppercase())),
        }
        rest = more;
    }
}

/// Letters and digits in a row, brackets left out; a word before spelled letters is not part of them.
fn runs(said: &Views) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut letters_before = false;
    for piece in pieces(said) {
        let letters = matches!(piece, Piece::Letters(_));
        match piece {
            Piece::Bracket => continue,
            Piece::Other => all.push(String::new()),
            Piece::Letters(text) if letters_before => all.push(text),
            Piece::Letters(text) | Piece::Digits(text) => match all.last_mut() {
                Some(run) => run.push_str(&text),
                None => all.push(text),
            },
        }
        letters_before = letters;
    }
    all
}

/// A Hong Kong identity card number whose check digit is right: `A123456(3)`.
pub(super) fn identity_card(said: &Views) -> Option<String> {
    only(runs(said).iter().filter_map(|run| {
        let lead = run.chars().take_while(char::is_ascii_uppercase).count();
        let lengths = if lead <= 2 { lead..=lead } else { 1..=2 };
        lengths.filter(|letters| *letters > 0).find_map(|letters| {
            let (prefix, rest) = run.get(lead - letters..)?.split_at_checked(letters)?;
            let (digits, check) = rest.split_at_checked(6)?;
            let digits_only = digits.chars().all(|c| c.is_ascii_digit());
            let right = check.len() == 1 && written::check_digit(prefix, digits).is_some_and(|c| check.starts_with(c));
            (digits_only && right).then(|| format!("{prefix}{digits}({check})"))
        })
    }))
}

/// The one value of several that are the same.
fn only(mut values: impl Iterator<Item = String>) -> Option<String> {
    let first = values.next()?;
    values.all(|other| other == first).then_some(first)
}

/// True for the digits of a payment card: 13 to 19, the last of them right by Luhn's rule.
pub fn is_card(digits: &str) -> bool {
    let sum = digits.bytes().rev().enumerate().map(|(place, byte)| {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        let doubled = digit * (1 + place as u32 % 2);
        if doubled > 9 { doubled - 9 } else { doubled }
    });
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits && CARD.contains(&digits.len()) && sum.sum::<u32>() % 10 == 0
}

/// A code of this shape: `#` is a digit, `@` a letter, else itself. Letters that every code has may be left out.
pub(super) fn code(shape: &str, said: &Views) -> Option<String> {
    let whole = runs(said);
    only(whole.iter().filter_map(|run| {
        let start = run.len().checked_sub(shape.len())?;
        run.get(start..).filter(|tail| fits(shape, tail)).map(str::to_owned)
    }))
    .or_else(|| only(whole.iter().filter_map(|run| code_of_digits(shape, run))))
}

fn fits(shape: &str, text: &str) -> bool {
    shape.len() == text.len()
        && shape.bytes().zip(text.bytes()).all(|(shape, c)| match shape {
            b'#' => c.is_ascii_digit(),
            b'@' => c.is_ascii_uppercase(),
            same => same == c,
        })
}

/// The code of which only the digits were given, as keys give them.
pub(super) fn code_of_digits(shape: &str, digits: &str) -> Option<String> {
    let wanted = shape.bytes().filter(|c| *c == b'#').count();
    let plain = digits.len() == wanted && digits.bytes().all(|c| c.is_ascii_digit()) && !shape.contains('@');
    let mut digits = digits.chars();
    plain.then(|| shape.chars().filter_map(|c| if c == '#' { digits.next() } else { Some(c) }).collect())
}

/// An amount of money in dollars, `350` or `350.50`, within bounds.
pub(super) fn amount(min: u32, max: u32, said: &Views, readings: &Readings) -> Option<String> {
    let (han, words) = said.count();
    let language = if words > han { Language::English } else { Language::Cantonese };
    let spans = written::written(&said.joined(), language, readings).spans;
    let money = spans.iter().filter(|span| span.kind == Kind::Money).map(|span| span.value.clone());
    let numbers = spans.iter().filter(|span| matches!(span.kind, Kind::Number | Kind::Digits));
    let numbers = numbers.map(|span| span.value.clone());
    let figures = said.tokens.iter().filter_map(|token| match token {
        Token::Word(word) if word.bytes().all(|c| c.is_ascii_digit()) => Some(word.clone()),
        Token::Word(_) | Token::Han(_) => None,
    });
    let value = only(money).or_else(|| only(numbers.chain(figures))).or_else(|| {
        let digits = super::digits(said);
        (digits.len() == 1).then_some(digits)
    })?;
    bounded(min, max, &value)
}

pub(super) fn bounded(min: u32, max: u32, value: &str) -> Option<String> {
    let plain: String = value.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    let dollars: f64 = plain.parse().ok()?;
    (dollars <= MOST && (f64::from(min)..=f64::from(max)).contains(&dollars)).then_some(plain)
}
