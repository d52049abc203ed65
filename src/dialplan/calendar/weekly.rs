//! Stretches of opening hours: `09:00-18:00`, and on which days of a week: `mon-fri 09:00-18:00`. A stretch may end after
//! midnight; it then belongs to the day on which it began.

use std::fmt;
use std::str::FromStr;

/// Minutes of a day.
pub const DAY: u16 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// From one minute of a day until another, which may be of the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    from: u16,
    until: u16,
}

/// The same hours on some days of the week, written `mon-fri 09:00-18:00`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaySpan {
    days: [bool; 7],
    hours: Stretch,
}

/// Why a text is no stretch of hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// With days.
    #[error("expected e.g. \"mon-fri 09:00-18:00\", found \"{0}\"")]
    Days(String),
    /// Without.
    #[error("expected e.g. \"09:00-13:00\", found \"{0}\"")]
    Hours(String),
}

impl FromStr for Stretch {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let bad = || HoursError::Hours(text.to_owned());
        let (from, until) = text.trim().split_once('-').ok_or_else(bad)?;
        let (from, until) = (minutes(from).ok_or_else(bad)?, minutes(until).ok_or_else(bad)?);
        if from == DAY || from == until { Err(bad()) } else { Ok(Self { from, until }) }
    }
}

impl FromStr for DaySpan {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let bad = || HoursError::Days(text.to_owned());
        let (days_text, hours) = text.trim().split_once(' ').ok_or_else(bad)?;
        let hours = hours.parse().map_err(|_| bad())?;
        let mut days = [false; 7];
        for part in days_text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let day = |name: &str| DAYS.iter().position(|d| *d == name);
            let (first, last) = (day(first).ok_or_else(bad)?, day(last).ok_or_else(bad)?);
            let mut at = first;
            loop {
                days[at] = true;
                if at == last {
                    break;
                }
                at = (at + 1) % 7;
            }
        }
        Ok(Self { days, hours })
    }
}

fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let valid = minute < 60 && hour <= 24;
    valid.then(|| hour * 60 + minute).filter(|at| *at <= DAY)
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, until) = (self.from, self.until);
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
    }
}

impl Stretch {
    /// True where it holds at this minute of the day on which it begins.
    pub fn holds(self, minute: u16) -> bool {
        minute >= self.from && (minute < self.until || self.until < self.from)
    }

    /// True where it holds at this minute of the day after the one on which it began.
    pub fn holds_next_day(self, minute: u16) -> bool {
        self.until < self.from && minute < self.until
    }
}

impl DaySpan {
    /// Its hours on this day of the week, 0 for Monday.
    pub fn on(&self, weekday: usize) -> Option<Stretch> {
        self.days.get(weekday).copied().unwrap_or(false).then_some(self.hours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_wrap_and_nonsense_is_refused() {
        let always: DaySpan = "sat-fri 00:00-24:00".parse().unwrap();
        assert!(always.days.iter().all(|d| *d));
        let some: DaySpan = "mon,wed-thu 09:00-18:30".parse().unwrap();
        let days: Vec<_> = (0..8).filter(|day| some.on(*day).is_some()).collect();
        assert_eq!((days, some.hours.to_string()), (vec![0, 2, 3], "09:00-18:30".to_owned()));
        for bad in [
            "",
            "mon",
            "mon 9-18",
            "mon 09:00-25:00",
            "moon 09:00-10:00",
            "mon 09:00-09:00",
            "mon 24:00-01:00",
            "mon 09:00-9223372036854775807:00",
            "mon 09:00-65535:00",
        ] {
            assert!(bad.parse::<DaySpan>().is_err(), "{bad}");
        }
    }

    #[test]
    fn stretches_hold_until_their_end_and_over_midnight() {
        let (day, night): (Stretch, Stretch) = ("09:00-18:00".parse().unwrap(), "22:00-02:00".parse().unwrap());
        assert_eq!([539, 540, 1079, 1080].map(|m| day.holds(m)), [false, true, true, false]);
        assert_eq!([1319, 1320, 1439, 60].map(|m| night.holds(m)), [false, true, true, false]);
        assert_eq!([0, 119, 120, 1320].map(|m| night.holds_next_day(m)), [true, true, false, false]);
        assert!(!day.holds_next_day(600));
    }
}
