//! Values out of speech and keys, checked: digits in three languages, Hong Kong telephone numbers, yes and no; identity and
//! payment cards, days, amounts, codes, choices (in the files below). Where plain reading gives no valid value, characters that
//! sound like a digit are tried. Of a correction (「唔係聽日，係後日」) the corrected part counts. Is not a parser of times of day.

use jiff::civil::Date;

use crate::conversation::normalise::{Token, Views};
use crate::conversation::readings::Readings;
use crate::conversation::written::{self, Kind};
use crate::dialplan::schema::{SlotKind, Texts};
use crate::speech::Language;

mod assent;
mod choice;
mod day;
pub mod mask;
mod values;

pub use assent::plain_yes;
pub use values::is_card;

/// A value of this kind in what was said, today in Hong Kong.
pub fn fill(kind: &SlotKind, said: &Views, readings: &Readings, today: Date) -> Option<String> {
    let corrected = if *kind == SlotKind::YesNo { None } else { corrected(said, readings) };
    let corrected = corrected.and_then(|tail| value(kind, &tail, readings, today));
    corrected.or_else(|| value(kind, said, readings, today))
}

/// A value of this kind in what was said after 「唔係，係」, and nowhere else.
pub fn fill_corrected(kind: &SlotKind, said: &Views, readings: &Readings, today: Date) -> Option<String> {
    value(kind, &corrected(said, readings)?, readings, today)
}

fn value(kind: &SlotKind, said: &Views, readings: &Readings, today: Date) -> Option<String> {
    match kind {
        SlotKind::YesNo => yes_no(said).map(|yes| if yes { "yes" } else { "no" }.to_owned()),
        SlotKind::Phone | SlotKind::Digits { .. } | SlotKind::Card => {
            let all = check(kind, &digits(said), today).or_else(|| among_others(kind, said, readings, today));
            all.or_else(|| check(kind, &digits_by_sound(said, readings), today))
        }
        SlotKind::IdentityCard => values::identity_card(said),
        SlotKind::Day(when) => day::day(*when, said, readings, today).map(|day| day.to_string()),
        SlotKind::Amount { min, max } => values::amount(*min, *max, said, readings),
        SlotKind::Code(shape) => values::code(shape, said),
        SlotKind::Choice(choices) => choice::choice(choices, said, readings),
    }
}

/// What comes after 「唔係..，係」, "no, it is", "sorry i mean".
fn corrected(said: &Views, readings: &Readings) -> Option<Views> {
    let is = |at: usize| match said.tokens.get(at) {
        Some(Token::Han('係' | '是')) => {
            !matches!(at.checked_sub(1).and_then(|at| said.tokens.get(at)), Some(Token::Han('唔' | '不')))
        }
        Some(Token::Word(word)) => matches!(word.as_str(), "is" | "it's" | "mean" | "but" | "actually"),
        Some(Token::Han(_)) | None => false,
    };
    let at = (1..said.tokens.len()).rev().find(|at| is(*at))?;
    let (before, after) = (said.tokens.get(..at)?, said.tokens.get(at + 1..)?);
    let before = crate::conversation::normalise::joined(before);
    let denied = ["唔係", "唔啱", "錯", "不是", "不對", " no ", " not ", " wrong ", " sorry "];
    let denied = denied.iter().any(|word| before.contains(word));
    (denied && !after.is_empty()).then(|| Views::of_tokens(after.to_vec(), readings))
}

/// The value that these keys are, where they are one. Choices count from 1; days are written 0503 or 05032026.
pub fn check(kind: &SlotKind, digits: &str, today: Date) -> Option<String> {
    match kind {
        SlotKind::Phone => {
            let local = match digits.len() {
                11 => digits.strip_prefix("852").unwrap_or(digits),
                _ => digits,
            };
            let first = local.chars().next()?;
            (local.len() == 8 && matches!(first, '2' | '3' | '5'..='9')).then(|| local.to_owned())
        }
        SlotKind::Digits { min, max } => {
            (usize::from(*min)..=usize::from(*max)).contains(&digits.len()).then(|| digits.to_owned())
        }
        SlotKind::Card => is_card(digits).then(|| digits.to_owned()),
        SlotKind::Day(when) => day::of_keys(*when, digits, today).map(|day| day.to_string()),
        SlotKind::Amount { min, max } => values::bounded(*min, *max, digits),
        SlotKind::Code(shape) => values::code_of_digits(shape, digits),
        SlotKind::Choice(choices) => {
            let place = digits.parse::<usize>().ok()?.checked_sub(1)?;
            choices.get(place).map(|choice| choice.name.clone())
        }
        // No key is a letter.
        SlotKind::YesNo | SlotKind::IdentityCard => None,
    }
}

/// Most digits that keys may enter for this kind.
pub fn most_digits(kind: &SlotKind) -> usize {
    match kind {
        SlotKind::Phone | SlotKind::Day(_) | SlotKind::IdentityCard => 8,
        SlotKind::Digits { max, .. } => usize::from(*max),
        SlotKind::YesNo | SlotKind::Choice(_) => 1,
        SlotKind::Card => *values::CARD.end(),
        SlotKind::Amount { .. } => 9,
        SlotKind::Code(shape) => shape.bytes().filter(|c| *c == b'#').count(),
    }
}

/// As in a written text; an answer may also say 兩 for a digit.
fn han_digit(c: char) -> Option<char> {
    match c {
        '兩' => Some('2'),
        '壹' => Some('1'),
        '貳' => Some('2'),
        c => written::han_digit(c),
    }
}

/// All digits that were said, in order; "double five" and "triple one" count.
pub fn digits(said: &Views) -> String {
    let mut all = String::new();
    let mut times = 1;
    for token in &said.tokens {
        let digit = match token {
            Token::Han(c) => han_digit(*c),
            Token::Word(word) if word.chars().all(|c| c.is_ascii_digit()) => {
                all.push_str(word);
                continue;
            }
            Token::Word(word) => {
                times = match word.as_str() {
                    "double" => 2,
                    "triple" => 3,
                    _ => times,
                };
                written::word_digit(word)
            }
        };
        if let Some(digit) = digit {
            all.extend(std::iter::repeat_n(digit, times));
            times = 1;
        }
    }
    all
}

/// The one number of this kind among others: 「打咗三次，電話係九一二三四五六七」. Of two that differ neither is taken.
fn among_others(kind: &SlotKind, said: &Views, readings: &Readings, today: Date) -> Option<String> {
    let spans = written::written(&said.joined(), Language::Cantonese, readings).spans;
    let runs = spans.iter().filter(|span| matches!(span.kind, Kind::Phone | Kind::Digits));
    let words = said.tokens.iter().filter_map(|token| match token {
        Token::Word(word) if word.len() > 1 && word.chars().all(|c| c.is_ascii_digit()) => Some(word.as_str()),
        Token::Word(_) | Token::Han(_) => None,
    });
    let mut values = runs.map(|span| span.value.trim_start_matches('+')).chain(words);
    let mut values = std::iter::from_fn(|| values.find_map(|value| check(kind, value, today)));
    let first = values.next()?;
    values.all(|other| other == first).then_some(first)
}

/// As [`digits`], but a character counts by its sound. For answers that are nothing but a number.
fn digits_by_sound(said: &Views, readings: &Readings) -> String {
    let chars: Vec<char> =
        said.core.iter().filter_map(|token| if let Token::Han(c) = token { Some(*c) } else { None }).collect();
    let of_sound = |syllable: &str| {
        Some(match syllable {
            "ling" => '0',
            "jat" => '1',
            "ji" | "loeng" => '2',
            "saam" => '3',
            "sei" => '4',
            "ng" | "m" => '5',
            "luk" => '6',
            "cat" => '7',
            "baat" => '8',
            "gau" => '9',
            _ => return None,
        })
    };
    readings.syllables(&chars).iter().filter_map(|syllable| of_sound(syllable)).collect()
}

const NO: &[&str] = &[
    "唔係",
    "唔啱",
    "唔得",
    "唔好",
    "唔要",
    "唔使",
    "錯",
    "冇喇",
    "冇啦",
    "冇",
    "不是",
    "不對",
    "不行",
    "不要",
    "不用",
    "沒有",
    "不",
    " no ",
    " nope ",
    " wrong ",
    " not ",
    " incorrect ",
    "唔",
];
const YES: &[&str] = &[
    "係",
    "啱",
    "冇錯",
    "冇問題",
    "正確",
    "好",
    "可以",
    "得",
    "要",
    "有",
    "是",
    "對",
    "沒錯",
    "沒問題",
    "行",
    "嗯",
    " yes ",
    " yeah ",
    " yep ",
    " correct ",
    " right ",
    " ok ",
    " okay ",
    " sure ",
    " please ",
    " fine ",
];

/// Yes or no; `None` where it is neither.
pub fn yes_no(said: &Views) -> Option<bool> {
    let text = said.joined();
    let (no, yes) = (first(&text, NO), first(&text, YES));
    let cleared = ["冇錯", "唔錯", "沒錯", "冇問題", "沒問題", " not wrong ", "係咪"];
    if cleared.iter().any(|phrase| text.contains(phrase)) {
        return Some(true);
    }
    match (no, yes) {
        (Some(no), Some(yes)) => Some(yes < no),
        (Some(_), None) => Some(false),
        (None, Some(_)) => Some(true),
        (None, None) => None,
    }
}

fn first(text: &str, words: &[&str]) -> Option<usize> {
    words.iter().filter_map(|word| text.find(word)).min()
}

/// How a value of a slot is said back. Of a payment card only the last four digits are.
pub fn read_back(kind: &SlotKind, value: &str, language: Language, labels: &Texts) -> String {
    match kind {
        SlotKind::Phone | SlotKind::Digits { .. } | SlotKind::YesNo => spoken(value, language),
        SlotKind::Card => {
            let last = value.get(value.len().saturating_sub(4)..).unwrap_or("");
            let ending = match language {
                Language::Cantonese => "尾數",
                Language::Mandarin => "尾号",
                Language::English => "ending in ",
            };
            format!("{ending}{}", spoken(last, language))
        }
        SlotKind::IdentityCard | SlotKind::Code(_) => spelled(value, language),
        SlotKind::Day(_) => value.parse().map_or_else(|_| value.to_owned(), |date| day::spoken(date, language)),
        SlotKind::Amount { .. } => match language {
            Language::Cantonese => format!("{value}蚊"),
            Language::Mandarin => format!("{value}块"),
            Language::English => format!("{value} dollars"),
        },
        SlotKind::Choice(choices) => {
            let words = choices.iter().find(|choice| choice.name == value).and_then(|choice| choice.words.first());
            labels.get(value, language).or(words.map(String::as_str)).unwrap_or(value).to_owned()
        }
    }
}

/// How a value that no slot has asked for is said: a tool's word (`morning`) by the plan's label for it, its day (`2026-03-05`)
/// as a day, anything else as it is.
pub fn told(value: &str, language: Language, labels: &Texts) -> String {
    let day = Some(value).filter(|value| value.len() == 10).and_then(|value| value.parse().ok());
    let day = day.map(|date| day::spoken(date, language));
    day.or_else(|| labels.get(value, language).map(str::to_owned)).unwrap_or_else(|| value.to_owned())
}

/// Letters and digits one by one.
fn spelled(value: &str, language: Language) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut digits = String::new();
    for c in value.chars().filter(char::is_ascii_alphanumeric) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        parts.extend(Some(spoken(&std::mem::take(&mut digits), language)).filter(|text| !text.is_empty()));
        parts.push(c.to_string());
    }
    parts.extend(Some(spoken(&digits, language)).filter(|text| !text.is_empty()));
    parts.join(" ")
}

/// How a value is said back: digits in groups of four, by name in Chinese.
pub fn spoken(value: &str, language: Language) -> String {
    if value.is_empty() || !value.chars().all(|c| c.is_ascii_digit()) {
        return value.to_owned();
    }
    const NAMES: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
    let digits: Vec<char> = value.chars().collect();
    let group = |group: &[char]| -> String {
        match language {
            Language::Cantonese | Language::Mandarin => {
                group.iter().filter_map(|c| NAMES.get(c.to_digit(10)? as usize)).collect()
            }
            Language::English => group.iter().map(char::to_string).collect::<Vec<_>>().join(" "),
        }
    };
    let pause = if language == Language::English { ", " } else { "，" };
    digits.chunks(4).map(group).collect::<Vec<_>>().join(pause)
}

#[cfg(test)]
mod kinds;

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Date = jiff::civil::date(2026, 3, 4);

    fn value(kind: SlotKind, text: &str) -> Option<String> {
        let readings = Readings::load();
        fill(&kind, &Views::of(text, &readings), &readings, DAY)
    }

    #[test]
    fn telephone_numbers() {
        let table = [
            ("我個電話係九一二三四五六七", Some("91234567")),
            ("我的电话是 九一二三 四五六七", Some("91234567")),
            ("nine one two three four five six seven", Some("91234567")),
            ("it is six double five two three four triple one", None),
            ("six double five two three four one one", Some("65523411")),
            ("852 9123 4567", Some("91234567")),
            ("救一以三四五六七", Some("91234567")),
            ("一二三四五六七八", None),
            ("九一二三", None),
            ("唔記得", None),
            ("我打咗三次喇電話係九一二三四五六七", Some("91234567")),
            ("i called 3 times my number is nine one two three four five six seven", Some("91234567")),
            ("唔好打九一二三四五六八打九一二三四五六七", None),
        ];
        for (text, expected) in table {
            assert_eq!(value(SlotKind::Phone, text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn yes_and_no() {
        let table = [
            ("係呀", Some(true)),
            ("啱呀冇錯", Some(true)),
            ("唔係呀", Some(false)),
            ("唔啱，唔係呢個", Some(false)),
            ("对", Some(true)),
            ("不对", Some(false)),
            ("没错", Some(true)),
            ("yes that's right", Some(true)),
            ("no that is wrong", Some(false)),
            ("漫遊", None),
        ];
        let readings = Readings::load();
        for (text, expected) in table {
            assert_eq!(yes_no(&Views::of(text, &readings)), expected, "{text}");
        }
        assert_eq!(value(SlotKind::YesNo, "冇").as_deref(), Some("no"));
    }

    #[test]
    fn numbers_are_read_back_in_groups() {
        assert_eq!(spoken("91234567", Language::Cantonese), "九一二三，四五六七");
        assert_eq!(spoken("91234567", Language::English), "9 1 2 3, 4 5 6 7");
        assert_eq!(spoken("yes", Language::English), "yes");
        assert_eq!(value(SlotKind::Digits { min: 4, max: 6 }, "一二三四").as_deref(), Some("1234"));
        let labels = Texts([("am".to_owned(), [(Language::English, "morning".to_owned())].into())].into());
        let told = |value, language| told(value, language, &labels);
        assert_eq!(told("2026-03-15", Language::Cantonese), "三月十五號，星期日");
        assert_eq!((told("am", Language::English), told("am", Language::Mandarin)), ("morning".into(), "am".into()));
        assert_eq!(
            (told("2026-13-15", Language::English), told("388", Language::English)),
            ("2026-13-15".into(), "388".into())
        );
    }
}
