//! Payment card numbers out of what is written down: all digits but the last four become dots, however they were said.

use crate::conversation::written;

/// What stands for a digit.
pub const DOT: char = '•';
/// Where a card number is being asked for, a run of this many digits is taken for (a part of) one.
const PART: usize = 6;

/// A text without the card numbers in it. `asked`: a card number is being asked for.
pub fn cards(text: &str, asked: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut run, mut from, mut digits) = (Vec::new(), 0, String::new());
    let mut end = 0;
    for (at, word, size) in words(text) {
        match digit(word) {
            Some(digit) => {
                if run.is_empty() {
                    from = at;
                }
                run.push((at, size));
                digits.push(digit);
            }
            None if is_between(word) && !run.is_empty() => {}
            None => {
                flush(text, &mut out, &mut end, (&mut run, from, &mut digits), asked);
            }
        }
    }
    flush(text, &mut out, &mut end, (&mut run, from, &mut digits), asked);
    out.push_str(text.get(end..).unwrap_or(""));
    out
}

/// A text without the numbers of Hong Kong identity cards in it: one or two letters and six digits with a check digit behind,
/// however they were said. By shape alone: a number that was misheard is as personal as one that is right.
pub fn identity_cards(text: &str) -> String {
    let words = words(text);
    let mut hidden = vec![false; words.len()];
    let mut at = 0;
    while at < words.len() {
        let begins = words.get(at).is_some_and(|(_, word, _)| is_prefix(word));
        let mut digits = Vec::new();
        let mut next = at + 1;
        while begins && digits.len() < 7 {
            match words.get(next).map(|(_, word, _)| *word) {
                Some(word) if digit(word).is_some() => digits.push(next),
                Some("A" | "a") if digits.len() == 6 => digits.push(next),
                Some(word) if is_between(word) || matches!(word, "(" | "（" | "括" | "號") => {}
                Some(word) if digits.is_empty() && is_prefix(word) => {}
                _ => break,
            }
            next += 1;
        }
        if digits.len() >= 6 {
            digits.iter().for_each(|index| hidden[*index] = true);
            at = next;
        } else {
            at += 1;
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for ((at, _, size), hidden) in words.iter().zip(hidden) {
        if hidden {
            out.push_str(text.get(end..*at).unwrap_or(""));
            out.push(DOT);
            end = at + size;
        }
    }
    out.push_str(text.get(end..).unwrap_or(""));
    out
}

/// The letter or letters of an identity card, said alone: `A`, `WX`. Words that stand for digits are none.
fn is_prefix(word: &str) -> bool {
    (1..=2).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphabetic()) && digit(word).is_none()
}

type Run<'a> = (&'a mut Vec<(usize, usize)>, usize, &'a mut String);

/// Writes what is before the run and the run, masked where it is a card.
fn flush(text: &str, out: &mut String, end: &mut usize, (run, from, digits): Run<'_>, asked: bool) {
    let is_card = super::is_card(digits) || asked && digits.len() >= PART;
    if is_card {
        out.push_str(text.get(*end..from).unwrap_or(""));
        let hidden = run.len().saturating_sub(4);
        for (number, (at, size)) in run.iter().enumerate() {
            match text.get(*end..at + size) {
                Some(word) if number >= hidden => out.push_str(word),
                _ => out.push(DOT),
            }
            *end = at + size;
        }
    }
    run.clear();
    digits.clear();
}

/// Place, text and size of every character, and of every run of Latin letters as one.
fn words(text: &str) -> Vec<(usize, &str, usize)> {
    let mut all: Vec<(usize, &str, usize)> = Vec::new();
    let mut letters: Option<usize> = None;
    let end = text.len();
    for (at, c) in text.char_indices().chain([(end, ' ')]) {
        match (c.is_ascii_alphabetic(), letters) {
            (true, None) => letters = Some(at),
            (true, Some(_)) => {}
            (false, begun) => {
                if let Some(word) = begun.and_then(|from| Some((from, text.get(from..at)?, at - from))) {
                    all.push(word);
                }
                letters = None;
                if let Some(word) = text.get(at..at + c.len_utf8()).filter(|_| at < end) {
                    all.push((at, word, c.len_utf8()));
                }
            }
        }
    }
    all
}

fn digit(word: &str) -> Option<char> {
    let first = word.chars().next()?;
    written::han_digit(first).or_else(|| written::word_digit(&word.to_ascii_lowercase()))
}

/// What may be between the digits of one number.
fn is_between(word: &str) -> bool {
    matches!(word, " " | "-" | "," | "，" | "、" | ".")
        || ["double", "triple"].contains(&word.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_card_only_the_last_four_digits_are_kept() {
        let table = [
            ("我張卡係4111 1111 1111 1111呀", false, "我張卡係•••••••••••• 1111呀"),
            ("四一一一一一一一一一一一一一一一", false, "••••••••••••一一一一"),
            (
                "my card is four one one one one one one one one one one one one one one one",
                false,
                "my card is •••••••••••• one one one one",
            ),
            ("我個電話係九一二三四五六七", false, "我個電話係九一二三四五六七"),
            ("訂單 1234567890123", false, "訂單 1234567890123"),
            ("四一一一一一一一", true, "••••一一一一"),
            ("", true, ""),
            ("no", true, "no"),
        ];
        for (text, asked, expected) in table {
            let masked = cards(text, asked);
            assert_eq!(masked, expected, "{text}");
        }
    }

    #[test]
    fn of_an_identity_card_the_digits_are_hidden() {
        let table = [
            ("我身份證係A123456(3)呀", "我身份證係A••••••(•)呀"),
            ("G 一二三四五六 A", "G •••••• •"),
            ("W X 一二三四五六七", "W X •••••••"),
            ("my id is a one two three four five six three", "my id is a • • • • • • •"),
            ("AB987654（3）", "AB••••••（•）"),
            ("電話91234567", "電話91234567"),
            ("訂單 A12345", "訂單 A12345"),
            ("i have a 5 dollar bill", "i have a 5 dollar bill"),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(identity_cards(text), expected, "{text}");
        }
    }
}
