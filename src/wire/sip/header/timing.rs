//! Headers about time: Session-Expires and Min-SE (RFC 4028), Retry-After, Timestamp, Date (RFC 3261 20). All times are
//! seconds; nothing here reads a clock.

use std::fmt;

use bytes::Bytes;

use super::super::text::{Cursor, Text, decimal, trim, value_end};
use super::super::uri::Params;

/// A number of seconds and what follows it.
fn parse_seconds(cursor: &mut Cursor<'_>) -> Option<u32> {
    cursor.skip_space();
    let digits = cursor.pass_while(|byte| byte.is_ascii_digit());
    u32::try_from(decimal(digits)?).ok()
}

/// Who refreshes a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// Who sent the request.
    Uac,
    /// Who answered it.
    Uas,
}

/// Session-Expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// Interval in seconds.
    pub seconds: u32,
    /// Who refreshes, where that is said.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads a header value.
    pub fn parse(source: &Bytes) -> Option<Self> {
        let mut cursor = Cursor::new(source);
        let seconds = parse_seconds(&mut cursor)?;
        let params = Params::parse_header(&mut cursor)?;
        let refresher = match params.text("refresher") {
            Some(who) if who.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(who) if who.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            Some(_) => return None,
            None => None,
        };
        Some(Self { seconds, refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.refresher {
            Some(Refresher::Uac) => write!(f, "{};refresher=uac", self.seconds),
            Some(Refresher::Uas) => write!(f, "{};refresher=uas", self.seconds),
            None => write!(f, "{}", self.seconds),
        }
    }
}

/// Min-SE in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MinSe(pub u32);

impl MinSe {
    /// Reads a header value.
    pub fn parse(source: &Bytes) -> Option<Self> {
        let mut cursor = Cursor::new(source);
        let seconds = parse_seconds(&mut cursor)?;
        Params::parse_header(&mut cursor)?;
        Some(Self(seconds))
    }
}

impl fmt::Display for MinSe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Retry-After; the comment is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter {
    /// Seconds to wait.
    pub seconds: u32,
    /// Seconds for which the other side will be there after that.
    pub duration: Option<u32>,
}

impl RetryAfter {
    /// Reads a header value.
    pub fn parse(source: &Bytes) -> Option<Self> {
        let mut cursor = Cursor::new(source);
        let seconds = parse_seconds(&mut cursor)?;
        cursor.skip_space();
        if cursor.peek() == Some(b'(') {
            let length = comment_length(cursor.rest())?;
            cursor.pass(length);
        }
        let params = Params::parse_header(&mut cursor)?;
        let duration = match params.text("duration") {
            Some(text) => Some(u32::try_from(decimal(text.as_bytes())?).ok()?),
            None => None,
        };
        Some(Self { seconds, duration })
    }
}

/// Length of the comment at the start of `bytes`, nested ones included.
fn comment_length(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.duration {
            Some(duration) => write!(f, "{};duration={duration}", self.seconds),
            None => write!(f, "{}", self.seconds),
        }
    }
}

/// Timestamp: opaque decimals that a response repeats, and the delay that it adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// As the client wrote it.
    pub value: Text,
    /// Seconds between receiving and answering, as written.
    pub delay: Option<Text>,
}

impl Timestamp {
    /// Reads a header value.
    pub fn parse(source: &Bytes) -> Option<Self> {
        let mut parts = source.split(|byte| *byte == b' ' || *byte == b'\t').filter(|part| !part.is_empty());
        let number = |part: &[u8]| {
            let legal = part.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
            let once = part.iter().filter(|byte| **byte == b'.').count() <= 1;
            (legal && once).then(|| Text::from_bytes(source.slice_ref(part))).flatten()
        };
        let value = number(parts.next()?)?;
        let delay = match parts.next() {
            Some(part) => Some(number(part)?),
            None => None,
        };
        parts.next().is_none().then_some(Self { value, delay })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.delay {
            Some(delay) => write!(f, "{} {delay}", self.value),
            None => f.write_str(&self.value),
        }
    }
}

/// Date: always GMT (RFC 3261 20.17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SipDate {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub unix_seconds: i64,
}

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl SipDate {
    /// Reads `Sat, 13 Nov 2010 23:29:00 GMT`; other zones and forms are none.
    pub fn parse(source: &Bytes) -> Option<Self> {
        let comma = value_end(source, 0);
        let weekday = std::str::from_utf8(trim(&source[..comma])).ok()?;
        let rest = std::str::from_utf8(source.get(comma + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().take(6).collect();
        let [day, month, year, time, "GMT"] = fields[..] else { return None };
        if !WEEKDAYS.iter().any(|name| name.eq_ignore_ascii_case(weekday)) || year.len() != 4 {
            return None;
        }
        let number = |text: &str| decimal(text.as_bytes()).and_then(|number| i64::try_from(number).ok());
        let month = i64::try_from(MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?).ok()? + 1;
        let (day, year) = (number(day)?, number(year)?);
        let mut clock = time.split(':').map(|text| if text.len() == 2 { number(text) } else { None });
        let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
        if clock.next().is_some() || hour > 23 || minute > 59 || second > 60 || !(1..=31).contains(&day) {
            return None;
        }
        let days = days_from_civil(year, month, day);
        Some(Self { unix_seconds: days * 86_400 + hour * 3_600 + minute * 60 + second })
    }
}

/// Days since 1970-01-01 of a date in the Gregorian calendar, whose year begins in March for this purpose.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl fmt::Display for SipDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.unix_seconds.div_euclid(86_400);
        let second = self.unix_seconds.rem_euclid(86_400);
        let shifted = days + 719_468;
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = (shifted_month + 2) % 12;
        let year = era * 400 + year_of_era + i64::from(month < 2);
        let weekday = (days + 3).rem_euclid(7);
        let name = |names: &[&'static str], index: i64| {
            usize::try_from(index).ok().and_then(|index| names.get(index).copied()).unwrap_or_default()
        };
        write!(
            f,
            "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
            name(&WEEKDAYS, weekday),
            name(&MONTHS, month),
            second / 3_600,
            second / 60 % 60,
            second % 60
        )
    }
}
