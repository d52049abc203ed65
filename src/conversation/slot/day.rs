//! Days out of speech, resolved by the day of the call: 聽日, 下個禮拜三, 十五號, 三月五號, next friday, march fifth. A day without a
//! month or a year is the next such day, or the last where the slot is of the past. Is not a calendar of feasts.

use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan};

use crate::conversation::normalise::Views;
use crate::conversation::readings::Readings;
use crate::conversation::written::{self, Kind};
use crate::dialplan::schema::When;
use crate::speech::Language;

/// Longest first, so that 大後日 is not 後日.
const RELATIVE: [(&str, i64); 21] = [
    ("day after tomorrow", 2),
    ("day before yesterday", -2),
    ("大後日", 3),
    ("大後天", 3),
    ("大前日", -3),
    ("大前天", -3),
    ("後日", 2),
    ("後天", 2),
    ("前日", -2),
    ("前天", -2),
    ("聽日", 1),
    ("聽朝", 1),
    ("聽晚", 1),
    ("明天", 1),
    ("今日", 0),
    ("今天", 0),
    ("尋日", -1),
    ("昨天", -1),
    ("tomorrow", 1),
    ("today", 0),
    ("yesterday", -1),
];
const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The one day that was said, where it is one that the slot takes.
pub(super) fn day(when: When, said: &Views, readings: &Readings, today: Date) -> Option<Date> {
    let text = said.joined().replace('琴', "尋");
    let found = relative(&text, today).or_else(|| weekday(when, &text, today));
    let found = found.or_else(|| calendar_day(when, said, &text, readings, today))?;
    takes(when, found, today).then_some(found)
}

/// Keys: day and month, with or without the year: 0503, 05032026.
pub(super) fn of_keys(when: When, keys: &str, today: Date) -> Option<Date> {
    let number = |range: std::ops::Range<usize>| keys.get(range)?.parse::<i16>().ok();
    let (day, month) = (number(0..2)?, number(2..4)?);
    let found = match keys.len() {
        4 => in_year(when, None, month, day, today),
        8 => in_year(when, Some(number(4..8)?), month, day, today),
        _ => None,
    }?;
    takes(when, found, today).then_some(found)
}

fn takes(when: When, day: Date, today: Date) -> bool {
    match when {
        When::Any => true,
        When::Future => day >= today,
        When::Past => day <= today,
    }
}

fn plus(day: Date, span: Span) -> Option<Date> {
    day.checked_add(span).ok()
}

/// 聽日; of two that differ neither.
fn relative(text: &str, today: Date) -> Option<Date> {
    let (mut rest, mut found) = (text.to_owned(), None);
    for (word, days) in RELATIVE {
        if rest.contains(word) {
            if found.is_some_and(|other| other != days) {
                return None;
            }
            found = Some(days);
            rest = rest.replace(word, "|");
        }
    }
    plus(today, found?.days())
}

/// 禮拜三, 下個星期日, 上禮拜五, next friday.
fn weekday(when: When, text: &str, today: Date) -> Option<Date> {
    let (day, before) = chinese_weekday(text).or_else(|| {
        let (word, day) = WEEKDAYS.iter().find(|(word, _)| text.contains(&format!(" {word} ")))?;
        Some((*day, text.split(word).next()?.to_owned()))
    })?;
    let before = before.trim_end_matches(['個', ' ']);
    let monday = plus(today, (-i64::from(today.weekday().to_monday_zero_offset())).days())?;
    let in_week = |week: i64| plus(monday, (week * 7 + i64::from(day.to_monday_zero_offset())).days());
    if before.ends_with('下') || before.ends_with("next") {
        return in_week(1);
    }
    if before.ends_with('上') || before.ends_with("last") {
        return in_week(-1);
    }
    if before.ends_with(['今', '呢', '這']) || before.ends_with("this") {
        return in_week(0);
    }
    let this = in_week(0)?;
    match when {
        When::Past if this > today => in_week(-1),
        When::Any | When::Future if this < today => in_week(1),
        When::Any | When::Future | When::Past => Some(this),
    }
}

fn chinese_weekday(text: &str) -> Option<(Weekday, String)> {
    let (at, name) = ["禮拜", "星期", "週", "周"].iter().find_map(|name| Some((text.find(name)?, *name)))?;
    let day = match text.get(at + name.len()..)?.chars().next()? {
        '一' | '1' => Weekday::Monday,
        '二' | '2' => Weekday::Tuesday,
        '三' | '3' => Weekday::Wednesday,
        '四' | '4' => Weekday::Thursday,
        '五' | '5' => Weekday::Friday,
        '六' | '6' => Weekday::Saturday,
        '日' | '天' => Weekday::Sunday,
        _ => return None,
    };
    Some((day, text.get(..at)?.to_owned()))
}

/// 三月五號, 十五號, 二零二六年三月五號, march fifth.
fn calendar_day(when: When, said: &Views, text: &str, readings: &Readings, today: Date) -> Option<Date> {
    let (han, words) = said.count();
    let language = if words > han { Language::English } else { Language::Cantonese };
    let written = written::written(&said.joined(), language, readings);
    let mut days = written.spans.iter().filter(|span| span.kind == Kind::Date).map(|span| &span.value);
    let (value, more) = (days.next()?, days.next());
    if more.is_some_and(|other| other != value) {
        return None;
    }
    let year = written.text.split_once('年').and_then(|(before, _)| {
        let digits = before.len().checked_sub(4).and_then(|at| before.get(at..))?;
        digits.parse::<i16>().ok().filter(|year| (2000..2100).contains(year))
    });
    match value.split_once('-') {
        Some((month, day)) => in_year(when, year, month.parse().ok()?, day.parse().ok()?, today),
        None => {
            let day: i8 = value.parse().ok()?;
            let months = ["下個月", "下月", "next month"].iter().any(|word| text.contains(word));
            let step: i64 = if when == When::Past { -1 } else { 1 };
            let first = today.first_of_month();
            let from = i64::from(months);
            // Two steps: not every month has a 31st.
            (from..=from + 2).find_map(|n| {
                let month = plus(first, (n * step).months())?;
                let day = Date::new(month.year(), month.month(), day).ok()?;
                let fits = if step < 0 { day <= today } else { day >= today };
                fits.then_some(day)
            })
        }
    }
}

/// The day of a year that was said, else of the next or last year that makes sense.
fn in_year(when: When, year: Option<i16>, month: i16, day: i16, today: Date) -> Option<Date> {
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let of = |year: i16| Date::new(year, month, day).ok();
    if let Some(year) = year {
        return of(year);
    }
    let this = today.year();
    match when {
        When::Past => [this, this - 1].into_iter().filter_map(of).find(|day| *day <= today),
        When::Any | When::Future => [this, this + 1].into_iter().filter_map(of).find(|day| *day >= today),
    }
}

/// As it is said: 三月五號，星期四.
pub(super) fn spoken(day: Date, language: Language) -> String {
    let number = |n: i8| -> String {
        const ONES: [&str; 10] = ["", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
        let (tens, ones) = (n.unsigned_abs() as usize / 10, n.unsigned_abs() as usize % 10);
        let ten = match tens {
            0 => "",
            1 => "十",
            2 => "二十",
            _ => "三十",
        };
        format!("{ten}{}", ONES[ones])
    };
    let weekday = day.weekday().to_monday_zero_offset().unsigned_abs() as usize;
    let name = ["一", "二", "三", "四", "五", "六", "日"].get(weekday).copied().unwrap_or("");
    let (month, date) = (day.month(), day.day());
    match language {
        Language::Cantonese => format!("{}月{}號，星期{name}", number(month), number(date)),
        Language::Mandarin => format!("{}月{}号，星期{name}", number(month), number(date)),
        Language::English => {
            let (first, rest) = WEEKDAYS.get(weekday).map_or(("", ""), |(name, _)| name.split_at(1));
            let month = MONTHS.get(month.unsigned_abs() as usize - 1).copied().unwrap_or("");
            format!("{}{rest} {date} {month}", first.to_uppercase())
        }
    }
}
