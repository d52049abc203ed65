//! English numbers: cardinals to the billions, ordinals, money, per cent, years.

use super::tokens::{Tok, is_word};
use super::{Found, Kind};
use crate::speech::Language;

const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const ORDINALS: [&str; 19] = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
];
const TENTHS: [&str; 2] = ["twentieth", "thirtieth"];

fn word(said: &[Tok], at: usize) -> Option<&str> {
    said.get(at).and_then(Tok::word)
}

fn small(said: &[Tok], at: usize) -> Option<u64> {
    let text = word(said, at)?;
    SMALL.iter().position(|name| *name == text).map(|n| n as u64)
}

fn tens(said: &[Tok], at: usize) -> Option<u64> {
    let text = word(said, at)?;
    TENS.iter().position(|name| *name == text).map(|n| (n as u64 + 2) * 10)
}

/// A number below a hundred: value and words.
pub(super) fn one_number(said: &[Tok], at: usize) -> Option<(u64, usize)> {
    match tens(said, at) {
        Some(ten) => match small(said, at + 1).filter(|one| (1..10).contains(one)) {
            Some(one) => Some((ten + one, 2)),
            None => Some((ten, 1)),
        },
        None => small(said, at).map(|value| (value, 1)),
    }
}

/// A number: "two hundred and fifty", "a hundred and five", "one thousand two hundred".
pub(super) fn cardinal(said: &[Tok], at: usize) -> Option<(u64, usize)> {
    let hundred = |place: usize| is_word(said, place, "hundred");
    let large = |place: usize| match word(said, place) {
        Some("thousand") => Some(1_000),
        Some("million") => Some(1_000_000),
        Some("billion") => Some(1_000_000_000),
        _ => None,
    };
    let (mut total, mut place) = (0, at);
    let mut last = u64::MAX;
    loop {
        let linked = usize::from(place > at && is_word(said, place, "and"));
        let begin = place + linked;
        let one = is_word(said, begin, "a") && (hundred(begin + 1) || large(begin + 1).is_some());
        let part = if one { Some((1, 1)) } else { one_number(said, begin) };
        let Some((mut value, mut size)) = part else { break };
        if hundred(begin + size) && value < 100 {
            (value, size) = (value * 100, size + 1);
            let and = usize::from(is_word(said, begin + size, "and"));
            if let Some((rest, more)) = one_number(said, begin + size + and).filter(|(rest, _)| *rest > 0) {
                (value, size) = (value + rest, size + and + more);
            }
        }
        match large(begin + size) {
            Some(unit) if unit < last => {
                (total, last, place) = (total + value * unit, unit, begin + size + 1);
            }
            // A rest below a unit ends the number; two numbers side by side are two.
            _ if place == at || last <= 1_000_000_000 && value < last => {
                (total, place) = (total + value, begin + size);
                break;
            }
            _ => break,
        }
    }
    (place > at).then_some((total, place - at))
}

/// "twenty first": value and words.
pub(super) fn ordinal(said: &[Tok], at: usize) -> Option<(u64, usize)> {
    let plain = |place: usize| {
        let text = word(said, place)?;
        ORDINALS.iter().position(|name| *name == text).map(|n| n as u64 + 1)
    };
    if let Some(ten) = tens(said, at) {
        return plain(at + 1).filter(|one| *one < 10).map(|one| (ten + one, 2));
    }
    let tenth = TENTHS.iter().position(|name| word(said, at) == Some(name)).map(|n| (n as u64 + 2) * 10);
    plain(at).or(tenth).map(|value| (value, 1))
}

/// "two hundred and fifty dollars", "twenty dollars and fifty cents", "fifty cents".
pub(super) fn money(said: &[Tok], at: usize, _: Language) -> Option<Found> {
    let (value, size) = cardinal(said, at)?;
    let is_cents = |place: usize| matches!(word(said, place), Some("cent" | "cents"));
    if is_cents(at + size) && value < 100 {
        let exact = format!("0.{value:02}");
        return Found::new(size + 1, Kind::Money, format!("${exact}"), exact);
    }
    let words = match word(said, at + size)? {
        "dollar" | "dollars" | "bucks" => 1,
        "hong" if is_word(said, at + size + 1, "kong") && is_word(said, at + size + 2, "dollars") => 3,
        _ => return None,
    };
    let place = at + size + words;
    let and = usize::from(is_word(said, place, "and"));
    if let Some((cents, more)) = one_number(said, place + and).filter(|(_, more)| is_cents(place + and + more)) {
        let exact = format!("{value}.{cents:02}");
        return Found::new(place + and + more + 1 - at, Kind::Money, format!("${exact}"), exact);
    }
    Found::new(size + words, Kind::Money, format!("${value}"), value.to_string())
}

/// "ten percent", years, ordinals from the tenth on, numbers of two digits or more.
pub(super) fn number(said: &[Tok], at: usize, _: Language) -> Option<Found> {
    if let Some((value, size)) = ordinal(said, at) {
        let ending = match (value % 10, value / 10) {
            (_, 1) => "th",
            (1, _) => "st",
            (2, _) => "nd",
            (3, _) => "rd",
            _ => "th",
        };
        return if value < 10 {
            None
        } else {
            Found::new(size, Kind::Number, format!("{value}{ending}"), value.to_string())
        };
    }
    let (value, size) = cardinal(said, at)?;
    let percent = match word(said, at + size) {
        Some("percent") => 1,
        Some("per") if is_word(said, at + size + 1, "cent") => 2,
        _ => 0,
    };
    if percent > 0 {
        return Found::new(size + percent, Kind::Percent, format!("{value}%"), value.to_string());
    }
    if let Some((rest, more)) = one_number(said, at + size)
        && matches!(value, 19 | 20)
        && size == 1
        && rest >= 10
    {
        let year = (value * 100 + rest).to_string();
        return Found::new(size + more, Kind::Date, year.clone(), year);
    }
    if value < 10 { None } else { Found::new(size, Kind::Number, value.to_string(), value.to_string()) }
}
