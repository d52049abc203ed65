//! What is said digit by digit or letter by letter: runs of digits in three languages mixed, telephone numbers, Hong Kong
//! identity cards with their check digit, initials.

use super::tokens::{Tok, follows, is_word, one_of};
use super::{Found, Kind};
use crate::speech::Language;

/// Fewest digits of a run; two may be "two or three of it".
const FEWEST: usize = 3;

/// The digit said here, alone or doubled: how often, which, and how many words.
fn said_digit(said: &[Tok], at: usize) -> Option<(usize, char, usize)> {
    let tok = said.get(at)?;
    let times = match tok.word() {
        Some("double") => 2,
        Some("triple") => 3,
        Some(word) => return word_digit(word).map(|digit| (1, digit, 1)),
        None => return han_digit(tok.han()?).map(|digit| (1, digit, 1)),
    };
    let (_, digit, _) = said_digit(said, at + 1).filter(|(_, _, words)| *words == 1)?;
    Some((times, digit, 2))
}

/// The digit that a Chinese character is when digits are read one by one.
pub(crate) fn han_digit(c: char) -> Option<char> {
    Some(match c {
        '零' | '〇' | '洞' | '圈' => '0',
        '一' | '幺' => '1',
        '二' => '2',
        '三' => '3',
        '四' => '4',
        '五' => '5',
        '六' => '6',
        '七' => '7',
        '八' => '8',
        '九' => '9',
        _ => return None,
    })
}

/// The digit that an English word is.
pub(crate) fn word_digit(word: &str) -> Option<char> {
    Some(match word {
        "zero" | "oh" | "o" => '0',
        "one" => '1',
        "two" => '2',
        "three" => '3',
        "four" => '4',
        "five" => '5',
        "six" => '6',
        "seven" => '7',
        "eight" => '8',
        "nine" => '9',
        digit if digit.len() == 1 => digit.chars().next().filter(char::is_ascii_digit)?,
        _ => return None,
    })
}

/// All digits from here, and how many words they take.
fn digits_from(said: &[Tok], at: usize) -> (String, usize) {
    let (mut digits, mut taken) = (String::new(), 0);
    while let Some((times, digit, words)) = said_digit(said, at + taken) {
        digits.extend(std::iter::repeat_n(digit, times));
        taken += words;
    }
    (digits, taken)
}

/// Three digits or more in a row; eight that may be a Hong Kong number are written as one.
pub(super) fn run(said: &[Tok], at: usize, _: Language) -> Option<Found> {
    let (mut digits, mut taken) = digits_from(said, at);
    // The last character belongs to a number where a unit follows: 一二三 四百.
    if digits.len() > FEWEST && said.get(at + taken).and_then(Tok::han).is_some_and(|c| "十百千萬万".contains(c)) {
        digits.pop();
        taken -= 1;
    }
    let starts_with_o = is_word(said, at, "oh") || is_word(said, at, "o");
    if digits.len() < FEWEST || starts_with_o && digits.len() < 4 {
        return None;
    }
    let is_local = |number: &str| number.len() == 8 && number.starts_with(['2', '3', '5', '6', '7', '8', '9']);
    let grouped = |number: &str| format!("{} {}", &number[..4], &number[4..]);
    match digits.strip_prefix("852") {
        Some(local) if is_local(local) => {
            Found::new(taken, Kind::Phone, format!("+852 {}", grouped(local)), format!("+852{local}"))
        }
        _ if is_local(&digits) => Found::new(taken, Kind::Phone, grouped(&digits), digits),
        _ => Found::new(taken, Kind::Digits, digits.clone(), digits),
    }
}

fn letter(said: &[Tok], at: usize) -> Option<char> {
    let word = said.get(at)?.word()?;
    let c = word.chars().next()?;
    (word.len() == 1 && c.is_ascii_alphabetic()).then(|| c.to_ascii_uppercase())
}

/// One or two letters, six digits, and the check digit after 括號 or "bracket".
pub(super) fn identity_card(said: &[Tok], at: usize, _: Language) -> Option<Found> {
    let first = letter(said, at)?;
    let second = letter(said, at + 1).filter(|_| said_digit(said, at + 1).is_none());
    let prefix: String = [Some(first), second].into_iter().flatten().collect();
    let mut place = at + prefix.len();
    let mut digits = String::new();
    while digits.len() < 6 {
        let (times, digit, words) = said_digit(said, place)?;
        digits.extend(std::iter::repeat_n(digit, times));
        place += words;
    }
    let opens = one_of(said, place, &["括號", "括号", "括弧"]).map(|(_, size)| size);
    let opens = opens.or_else(|| (is_word(said, place, "bracket") || is_word(said, place, "brackets")).then_some(1))?;
    place += opens;
    let check = match said_digit(said, place) {
        Some((1, digit, 1)) => digit,
        _ => letter(said, place).filter(|c| *c == 'A')?,
    };
    place += 1;
    if let Some((_, size)) = one_of(said, place, &["括號", "括号", "括弧"]) {
        place += size;
    } else if is_word(said, place, "close") && is_word(said, place + 1, "bracket") {
        place += 2;
    } else if is_word(said, place, "bracket") || follows(said, place, "埋") {
        place += 1;
    }
    if digits.len() != 6 {
        return None;
    }
    let verdict = if check_digit(&prefix, &digits) == Some(check) { "right" } else { "wrong" };
    let text = format!("{prefix}{digits}({check})");
    Found::new(place - at, Kind::IdentityCard, text.clone(), format!("{text} check {verdict}"))
}

/// The check digit of a Hong Kong identity card: weights 9 to 2, a missing first letter counts 36, A is 10; modulo 11.
pub(crate) fn check_digit(prefix: &str, digits: &str) -> Option<char> {
    let padded = format!("{prefix:>2}{digits}");
    let value = |c: char| if c == ' ' { Some(36) } else { c.to_digit(36) };
    let sum = (2..=9).rev().zip(padded.chars()).map(|(weight, c)| value(c).map(|v| v * weight)).sum::<Option<u32>>()?;
    match (11 - sum % 11) % 11 {
        10 => Some('A'),
        digit => char::from_digit(digit, 10),
    }
}

/// a t m, h k i d.
pub(super) fn letters(said: &[Tok], at: usize, _: Language) -> Option<Found> {
    let all: String = (at..said.len()).map_while(|place| letter(said, place)).collect();
    // "a" before one letter is more likely the article, and "i" the person.
    if all.len() < 2 || all.len() == 2 && (all.starts_with('A') || all.starts_with('I')) {
        return None;
    }
    Found::new(all.len(), Kind::Letters, all.clone(), all)
}
