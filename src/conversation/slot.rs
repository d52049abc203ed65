//! Values out of speech: digits in three languages, Hong Kong telephone numbers, yes and no. Where plain reading gives no
//! valid value, characters that sound like a digit are tried. Is not a parser of amounts, dates or times.

use crate::conversation::normalise::{Token, Views};
use crate::conversation::readings::Readings;
use crate::conversation::written::{self, Kind};
use crate::dialplan::schema::SlotKind;
use crate::speech::Language;

/// A value of this kind in what was said.
pub fn fill(kind: SlotKind, said: &Views, readings: &Readings) -> Option<String> {
    match kind {
        SlotKind::YesNo => yes_no(said).map(|yes| if yes { "yes" } else { "no" }.to_owned()),
        SlotKind::Phone | SlotKind::Digits { .. } => {
            let all = check(kind, &digits(said)).or_else(|| among_others(kind, said, readings));
            all.or_else(|| check(kind, &digits_by_sound(said, readings)))
        }
    }
}

/// The value that these digits are, where they are one.
pub fn check(kind: SlotKind, digits: &str) -> Option<String> {
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
            (usize::from(min)..=usize::from(max)).contains(&digits.len()).then(|| digits.to_owned())
        }
        SlotKind::YesNo => None,
    }
}

/// Most digits that keys may enter for this kind.
pub fn most_digits(kind: SlotKind) -> usize {
    match kind {
        SlotKind::Phone => 8,
        SlotKind::Digits { max, .. } => usize::from(max),
        SlotKind::YesNo => 1,
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
fn among_others(kind: SlotKind, said: &Views, readings: &Readings) -> Option<String> {
    let spans = written::written(&said.joined(), Language::Cantonese, readings).spans;
    let runs = spans.iter().filter(|span| matches!(span.kind, Kind::Phone | Kind::Digits));
    let words = said.tokens.iter().filter_map(|token| match token {
        Token::Word(word) if word.len() > 1 && word.chars().all(|c| c.is_ascii_digit()) => Some(word.as_str()),
        Token::Word(_) | Token::Han(_) => None,
    });
    let mut values = runs.map(|span| span.value.trim_start_matches('+')).chain(words);
    let mut values = std::iter::from_fn(|| values.find_map(|value| check(kind, value)));
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
mod tests {
    use super::*;

    fn value(kind: SlotKind, text: &str) -> Option<String> {
        let readings = Readings::load();
        fill(kind, &Views::of(text, &readings), &readings)
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
    }
}
