//! Chinese numbers: cardinals with 廿 and 卅, the short ones of speech (百五, 千二, 两万五), money, percentages and discounts.

use super::tokens::{Tok, ends, follows, one_of};
use super::{Found, Kind};
use crate::speech::Language;

/// Words that begin like a number and are none.
const PROTECTED: [&str; 30] = [
    "十分之",
    "十分",
    "十足十",
    "十足",
    "十全十美",
    "十字",
    "千祈",
    "千萬",
    "千万",
    "萬一",
    "万一",
    "百佳",
    "百貨",
    "百货",
    "百分百",
    "萬寧",
    "百老匯",
    "千禧",
    "萬聖",
    "萬事",
    "万事",
    "萬能",
    "百搭",
    "十二分",
    "一千零一夜",
    "亂七八糟",
    "乱七八糟",
    "三三兩兩",
    "百合",
    "千里",
]; // longest first where one begins another

/// How many characters from here are a protected word.
pub(super) fn protected(said: &[Tok], at: usize) -> usize {
    let after_number = at > 0 && said[at - 1].han().is_some_and(|c| digit(c).is_some());
    if after_number {
        return 0;
    }
    one_of(said, at, &PROTECTED).map_or(0, |(_, length)| length)
}

/// The digit that a character is.
pub(super) fn digit(c: char) -> Option<u64> {
    Some(match c {
        '零' | '〇' => 0,
        '一' => 1,
        '二' | '兩' | '两' => 2,
        '三' => 3,
        '四' => 4,
        '五' => 5,
        '六' => 6,
        '七' => 7,
        '八' => 8,
        '九' => 9,
        _ => return None,
    })
}

/// A number as it stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cardinal {
    pub(super) value: u64,
    pub(super) length: usize,
    /// True where a unit (十, 百, ..) was said, and not a digit alone.
    pub(super) has_unit: bool,
}

fn unit(c: char) -> Option<u64> {
    Some(match c {
        '十' => 10,
        '百' => 100,
        '千' => 1_000,
        '萬' | '万' => 10_000,
        '億' | '亿' => 100_000_000,
        _ => return None,
    })
}

/// What has been read of a number.
#[derive(Default)]
struct Reading {
    total: u64,
    section: u64,
    digit: Option<u64>,
    last_unit: u64,
    zero: bool,
    length: usize,
}

impl Reading {
    /// Takes one more character; false where the number ends before it.
    fn take(&mut self, c: char, next: Option<char>) -> bool {
        let begins = self.length == 0;
        if c == '零' || c == '〇' {
            if self.last_unit < 100 || self.digit.is_some() || !next.is_some_and(|c| digit(c).is_some() || c == '十') {
                return false;
            }
            self.zero = true;
        } else if let Some(value) = digit(c) {
            if self.digit.is_some() || self.last_unit == 1 {
                return false;
            }
            self.digit = Some(value);
        } else if let '廿' | '卅' = c {
            if self.digit.is_some() || self.last_unit == 10 {
                return false;
            }
            self.section += if c == '廿' { 20 } else { 30 };
            (self.last_unit, self.zero) = (10, false);
        } else {
            let Some(size) = unit(c) else { return false };
            // 百五, 千二, 萬八: one of them, where a digit follows.
            let short = begins && size >= 100 && next.is_some_and(|c| digit(c).is_some_and(|d| d > 0));
            let ten = size == 10 && self.digit.is_none() && (begins || self.zero || self.last_unit >= 10_000);
            let count = match self.digit.take() {
                Some(count) => count,
                None if short || ten => 1,
                None if size >= 10_000 && self.section > 0 => 0,
                None => return false,
            };
            if size >= 10_000 {
                self.total += (self.section + count) * size;
                self.section = 0;
            } else if self.last_unit > 1 && self.last_unit <= size {
                self.digit = Some(count);
                return false;
            } else {
                self.section += count * size;
            }
            (self.last_unit, self.zero) = (size, false);
        }
        self.length += 1;
        true
    }
}

/// The number that begins here.
pub(super) fn cardinal(said: &[Tok], at: usize) -> Option<Cardinal> {
    let han = |place: usize| said.get(place).and_then(Tok::han);
    if at > 0 && han(at - 1).is_some_and(|c| "幾几數数".contains(c)) {
        return None;
    }
    let mut reading = Reading::default();
    while let Some(c) = han(at + reading.length) {
        if !reading.take(c, han(at + reading.length + 1)) {
            break;
        }
    }
    let Reading { total, section, digit, last_unit, zero, length } = reading;
    if length == 0 || han(at + length).is_some_and(|c| "幾几多".contains(c) && last_unit > 0) {
        return None;
    }
    let rest = match digit {
        Some(value) if last_unit >= 100 && !zero => value * last_unit / 10,
        Some(value) => value,
        None => 0,
    };
    Some(Cardinal { value: total + section + rest, length, has_unit: last_unit > 0 })
}

/// 三百五十蚊, 十二蚊半, 兩毫子, 三個六, 一嚿水, 两万五千元.
pub(super) fn money(said: &[Tok], at: usize, language: Language) -> Option<Found> {
    let number = cardinal(said, at)?;
    let Cardinal { value, length, .. } = number;
    let after = at + length;
    if language == Language::Mandarin {
        let (unit, size) = one_of(said, after, &["块钱", "块", "元", "塊錢", "塊"])?;
        let text = format!("{value}{unit}");
        return Found::new(length + size, Kind::Money, text, value.to_string());
    }
    if let Some((_, size)) = one_of(said, after, &["蚊雞", "蚊", "元", "塊錢"]) {
        let (cents, more) = cents(said, after + size);
        let text = if cents > 0 { format!("${value}.{cents:02}") } else { format!("${value}") };
        let exact = if cents > 0 { format!("{value}.{cents:02}") } else { value.to_string() };
        return Found::new(length + size + more, Kind::Money, text, exact);
    }
    if let Some((_, size)) = one_of(said, after, &["毫子", "毫"])
        && value < 10
    {
        return Found::new(length + size, Kind::Money, format!("$0.{value}0"), format!("0.{value}0"));
    }
    if let Some((_, size)) = one_of(said, after, &["嚿水", "舊水", "旧水"]) {
        return Found::new(length + size, Kind::Money, format!("${}", value * 100), (value * 100).to_string());
    }
    if follows(said, after, "皮") && ends(said, after + 1) {
        return Found::new(length + 1, Kind::Money, format!("${}", value * 10_000), (value * 10_000).to_string());
    }
    tens_of_cents(said, at, number)
}

/// 蚊半 and 蚊三毫: cents and how many characters.
fn cents(said: &[Tok], at: usize) -> (u64, usize) {
    if follows(said, at, "半") {
        return (50, 1);
    }
    let value = said.get(at).and_then(Tok::han).and_then(digit).filter(|d| *d > 0);
    match (value, one_of(said, at + 1, &["毫子", "毫"])) {
        (Some(value), Some((_, size))) => (value * 10, 1 + size),
        _ => (0, 0),
    }
}

/// 三個六 at the end: three dollars sixty.
fn tens_of_cents(said: &[Tok], at: usize, number: Cardinal) -> Option<Found> {
    let after = at + number.length;
    let tens = said.get(after + 1).and_then(Tok::han).and_then(digit).filter(|d| *d > 0)?;
    if !follows(said, after, "個") || !ends(said, after + 2) {
        return None;
    }
    let exact = format!("{}.{tens}0", number.value);
    Found::new(number.length + 2, Kind::Money, format!("${exact}"), exact)
}

/// 百分之二十, 五巴仙, 九折; else a number of two digits or more.
pub(super) fn number(said: &[Tok], at: usize, _: Language) -> Option<Found> {
    if follows(said, at, "百分之") {
        let Cardinal { value, length, .. } = cardinal(said, at + 3)?;
        return Found::new(3 + length, Kind::Percent, format!("{value}%"), value.to_string());
    }
    if let Some(found) = discount(said, at) {
        return Some(found);
    }
    // 四五十 is about as many.
    let about = at > 0 && said[at - 1].han().is_some_and(|c| digit(c).is_some_and(|d| d > 0));
    let Cardinal { value, length, has_unit } = cardinal(said, at).filter(|_| !about)?;
    if follows(said, at + length, "巴仙") {
        return Found::new(length + 2, Kind::Percent, format!("{value}%"), value.to_string());
    }
    if !has_unit || value < 10 {
        return None;
    }
    Found::new(length, Kind::Number, value.to_string(), value.to_string())
}

/// 九折 is ten percent off, 七五折 twenty-five.
fn discount(said: &[Tok], at: usize) -> Option<Found> {
    let one = |place: usize| said.get(place).and_then(Tok::han).and_then(digit).filter(|d| *d > 0);
    let first = one(at)?;
    let (price, length) = match one(at + 1) {
        Some(second) if follows(said, at + 2, "折") => (first * 10 + second, 2),
        _ if follows(said, at + 1, "折") => (first * 10, 1),
        _ => return None,
    };
    let text = if length == 2 { format!("{price}折") } else { format!("{first}折") };
    Found::new(length + 1, Kind::Percent, text, (100 - price).to_string())
}
