//! Times of day, lengths of time and days, in Chinese and English.

use super::chinese::{Cardinal, cardinal};
use super::english;
use super::tokens::{Tok, follows, is_word, one_of};
use super::{Found, Kind};
use crate::speech::Language;

/// What may stand before a bare 三點 and makes a time of it.
const DAY_PARTS: [&str; 29] = [
    "上晝", "下晝", "上午", "下午", "朝早", "夜晚", "晚上", "早上", "中午", "凌晨", "今晚", "聽晚", "尋晚", "今早",
    "聽朝", "今朝", "明早", "明天", "今天", "后天", "聽日", "今日", "後日", "昨天", "昨晚", "傍晚", "晏晝", "早晨",
    "半夜",
];
/// What follows a number with 號 that is no day of the month.
const NO_DAY: [&str; 22] = [
    "風球", "风球", "波", "線", "线", "巴士", "樓", "楼", "仔", "舖", "鋪", "铺", "閘", "闸", "窗", "檯", "台", "館",
    "碼頭", "碼", "码", "房",
];

fn after_day_part(said: &[Tok], at: usize) -> bool {
    DAY_PARTS.iter().any(|part| {
        let length = part.chars().count();
        at >= length && follows(said, at - length, part)
    })
}

fn time(taken: usize, hour: u64, minute: u64) -> Option<Found> {
    let text = format!("{hour}:{minute:02}");
    Found::new(taken, Kind::Time, text.clone(), text)
}

/// 三點半, 三點搭九, 三點三個字, 十二點九, 三点一刻, 下晝三點.
pub(super) fn chinese_time(said: &[Tok], at: usize, language: Language) -> Option<Found> {
    let Cardinal { value: hour, length, .. } = cardinal(said, at)?;
    if hour > 24 {
        return None;
    }
    let (_, size) = one_of(said, at + length, &["點", "点"])?;
    let place = at + length + size;
    let taken = place - at;
    if let Some((_, size)) = one_of(said, place, &["鐘", "钟", "正", "整"]) {
        return time(taken + size, hour, 0);
    }
    if follows(said, place, "半") {
        return time(taken + 1, hour, 30);
    }
    if let Some((quarter, size)) = one_of(said, place, &["一刻", "三刻"]) {
        return time(taken + size, hour, if quarter == "一刻" { 15 } else { 45 });
    }
    let skip = usize::from(follows(said, place, "搭")) + usize::from(follows(said, place, "零"));
    if let Some(Cardinal { value: number, length, .. }) = cardinal(said, place + skip) {
        let after = place + skip + length;
        if let Some((_, size)) = one_of(said, after, &["分鐘", "分钟", "分"])
            && number < 60
        {
            return time(after + size - at, hour, number);
        }
        // Five minutes are a 字.
        if language == Language::Cantonese && (1..12).contains(&number) {
            let size = one_of(said, after, &["個字"]).map_or(0, |(_, size)| size);
            return time(after + size - at, hour, number * 5);
        }
        if (10..60).contains(&number) && language == Language::Mandarin {
            return time(after - at, hour, number);
        }
    }
    if after_day_part(said, at) { time(taken, hour, 0) } else { None }
}

/// 個半鐘, 兩個半鐘, 三個鐘, 兩個字, 两个半小时.
pub(super) fn chinese_duration(said: &[Tok], at: usize, language: Language) -> Option<Found> {
    const HOURS: [&str; 4] = ["鐘頭", "鐘", "小時", "小时"];
    let measure = |place: usize| one_of(said, place, &["個", "个"]).map(|(text, _)| text);
    if let (Some(one), true) = (measure(at), follows(said, at + 1, "半")) {
        let (hours, size) = one_of(said, at + 2, &HOURS)?;
        let text = if hours.starts_with('小') { format!("1.5{hours}") } else { format!("1.5{one}{hours}") };
        return Found::new(2 + size, Kind::Duration, text, "90");
    }
    let Cardinal { value, length, .. } = cardinal(said, at)?;
    let place = at + length;
    let one = measure(place)?;
    if follows(said, place + 1, "半")
        && let Some((hours, size)) = one_of(said, place + 2, &HOURS)
    {
        let text =
            if hours.starts_with('小') { format!("{value}.5{hours}") } else { format!("{value}.5{one}{hours}") };
        return Found::new(length + 2 + size, Kind::Duration, text, (value * 60 + 30).to_string());
    }
    if let Some((hours, size)) = one_of(said, place + 1, &HOURS) {
        return Found::new(length + 1 + size, Kind::Duration, format!("{value}{one}{hours}"), (value * 60).to_string());
    }
    // 尾四個字 are letters, not minutes.
    let of_text = at > 0 && said[at - 1].han().is_some_and(|c| "尾頭首後前呢嗰打".contains(c));
    if language == Language::Cantonese && value < 12 && !of_text && follows(said, place + 1, "字") {
        let minutes = value * 5;
        return Found::new(length + 2, Kind::Duration, format!("{minutes}分鐘"), minutes.to_string());
    }
    None
}

/// 三月十五號, 十五號, 三月; not 八號風球.
pub(super) fn chinese_date(said: &[Tok], at: usize, _: Language) -> Option<Found> {
    let after_ordinal = at > 0 && said[at - 1].han() == Some('第');
    let Cardinal { value, length, .. } = cardinal(said, at)?;
    let day_at = |place: usize| -> Option<(u64, &'static str, usize)> {
        let Cardinal { value, length, .. } = cardinal(said, place)?;
        let (unit, size) = one_of(said, place + length, &["號", "号", "日"])?;
        let is_day = (1..=31).contains(&value) && one_of(said, place + length + size, &NO_DAY).is_none();
        is_day.then_some((value, unit, length + size))
    };
    if follows(said, at + length, "月") && (1..=12).contains(&value) && !after_ordinal {
        return match day_at(at + length + 1) {
            Some((day, unit, size)) => {
                let text = format!("{value}月{day}{unit}");
                Found::new(length + 1 + size, Kind::Date, text, format!("{value}-{day}"))
            }
            None => Found::new(length + 1, Kind::Date, format!("{value}月"), value.to_string()),
        };
    }
    let (day, unit, size) = day_at(at)?;
    // 三日 is a length of time more often than a day.
    if unit == "日" || after_ordinal {
        return None;
    }
    Found::new(size, Kind::Date, format!("{day}{unit}"), day.to_string())
}

/// half past three, quarter to nine, five thirty pm, seven o'clock.
pub(super) fn english_time(said: &[Tok], at: usize, _: Language) -> Option<Found> {
    let hour_at = |place: usize| english::cardinal(said, place).filter(|(hour, _)| (1..=12).contains(hour));
    let past = |place: usize| is_word(said, place, "past");
    let to = |place: usize| is_word(said, place, "to");
    if is_word(said, at, "half") && past(at + 1) {
        let (hour, size) = hour_at(at + 2)?;
        return time(2 + size, hour, 30);
    }
    let article = usize::from(is_word(said, at, "a"));
    if is_word(said, at + article, "quarter") && (past(at + article + 1) || to(at + article + 1)) {
        let (hour, size) = hour_at(at + article + 2)?;
        let (hour, minute) = if past(at + article + 1) { (hour, 15) } else { ((hour + 10) % 12 + 1, 45) };
        return time(article + 2 + size, hour, minute);
    }
    let (hour, size) = english::one_number(said, at).filter(|(hour, _)| (1..=12).contains(hour))?;
    if is_word(said, at + size, "o'clock") {
        return time(size + 1, hour, 0);
    }
    let half_of_day = |place: usize| match said.get(place).and_then(Tok::word) {
        Some("am") => Some(("am", 1)),
        Some("pm") => Some(("pm", 1)),
        Some("a") if is_word(said, place + 1, "m") => Some(("am", 2)),
        Some("p") if is_word(said, place + 1, "m") => Some(("pm", 2)),
        _ => None,
    };
    if let Some((half, words)) = half_of_day(at + size) {
        return Found::new(size + words, Kind::Time, format!("{hour} {half}"), format!("{hour}:00 {half}"));
    }
    let oh = usize::from(is_word(said, at + size, "oh"));
    let (minute, more) = english::one_number(said, at + size + oh)?;
    let (half, words) = half_of_day(at + size + oh + more)?;
    let whole = minute < 60 && (oh == 1) == (minute < 10);
    let text = format!("{hour}:{minute:02} {half}");
    if whole { Found::new(size + oh + more + words, Kind::Time, text.clone(), text) } else { None }
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

fn month(said: &[Tok], at: usize) -> Option<usize> {
    let word = said.get(at)?.word()?;
    MONTHS.iter().position(|month| *month == word)
}

/// twenty first of march, march twenty first.
pub(super) fn english_date(said: &[Tok], at: usize, _: Language) -> Option<Found> {
    let name = |month: usize| {
        let (first, rest) = MONTHS[month].split_at(1);
        format!("{}{rest}", first.to_uppercase())
    };
    let found = |taken: usize, month: usize, day: u64| {
        Found::new(taken, Kind::Date, format!("{day} {}", name(month)), format!("{}-{day}", month + 1))
    };
    if let Some(month) = month(said, at) {
        let (day, size) = english::ordinal(said, at + 1).filter(|(day, _)| *day <= 31)?;
        return found(1 + size, month, day);
    }
    let article = usize::from(is_word(said, at, "the"));
    let (day, size) = english::ordinal(said, at + article).filter(|(day, _)| *day <= 31)?;
    let of = usize::from(is_word(said, at + article + size, "of"));
    let month = month(said, at + article + size + of)?;
    found(article + size + of + 1, month, day)
}
