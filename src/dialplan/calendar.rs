//! When the people of a line are there: weekly hours, special days, Hong Kong's general holidays, typhoon and rainstorm
//! signals. Asked in this order, the first that says anything decides: a signal that closes the line; the first special day
//! in the plan; a general holiday, where the plan keeps them; the hours of the week. Time comes in as a value, at a fixed
//! offset from UTC. Sundays are days of the week, not holidays, though the ordinance counts them.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use jiff::civil::Date;

mod holidays;
mod moment;
mod read;
mod signals;
mod weekly;

#[cfg(test)]
mod tests;

pub use holidays::{Almanac, Feast, Holiday, YEARS, holidays};
pub use moment::{HONG_KONG, Moment, day, instant, local};
pub use read::{ClosingError, DaysError};
pub use signals::{Rain, SignalError, Signals, Typhoon};
pub use weekly::{DaySpan, HoursError, Stretch};

/// When a line is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Minutes east of UTC.
    pub utc_offset_minutes: i32,
    /// Hours of the week; open where any holds.
    pub week: Vec<DaySpan>,
    /// Days with hours of their own, first match wins.
    pub special: Vec<Special>,
    /// What closes the line.
    pub closings: Vec<Closing>,
    almanac: Arc<Almanac>,
}

/// Something that closes a line, written `@hk-gazetted`, `typhoon>=8`, `rain=black`, `extreme`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// General holidays.
    Gazetted,
    /// This tropical cyclone signal or a higher one.
    Typhoon(Typhoon),
    /// This rainstorm signal or a higher one.
    Rain(Rain),
    /// "Extreme conditions".
    Extreme,
}

/// Days with hours of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Special {
    /// Which days.
    pub on: Vec<Days>,
    /// Hours; none: closed.
    pub open: Vec<Stretch>,
    /// For people.
    pub name: Option<String>,
}

/// Days, written `2026-12-24`, `2026-12-24..2026-12-26`, `12-24` (every year), `@winter-solstice`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Days {
    /// From one day to another, both included.
    Range(Date, Date),
    /// Month and day of every year.
    Yearly(i8, i8),
    /// General holidays: `@hk-gazetted`.
    Gazetted,
    /// A lunar day or solar term: `@lunar-new-year-eve`, `@mid-autumn`, `@winter-solstice`.
    Festival(Feast),
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(first, last) if first == last => write!(f, "{first}"),
            Self::Range(first, last) => write!(f, "{first}..{last}"),
            Self::Yearly(month, day) => write!(f, "{month:02}-{day:02}"),
            Self::Gazetted => f.write_str("@hk-gazetted"),
            Self::Festival(feast) => f.write_str(feast.english()),
        }
    }
}

/// Whether a line is open, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// People are there.
    pub open: bool,
    /// Why.
    pub why: Why,
}

/// The rule that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The plan has no hours.
    Always,
    /// The hours of the week.
    Week,
    /// A special day of the plan.
    Special(String),
    /// A general holiday.
    Holiday(Holiday),
    /// A tropical cyclone signal.
    Typhoon(Typhoon),
    /// A rainstorm signal.
    Rain(Rain),
    /// "Extreme conditions".
    Extreme,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("no hours: always"),
            Self::Week => f.write_str("weekly hours"),
            Self::Special(name) => write!(f, "special day: {name}"),
            Self::Holiday(holiday) => write!(f, "general holiday: {holiday}"),
            Self::Typhoon(signal) => write!(f, "tropical cyclone signal {signal}"),
            Self::Rain(signal) => write!(f, "{signal} rainstorm signal"),
            Self::Extreme => f.write_str("extreme conditions"),
        }
    }
}

impl Opening {
    /// Of a plan without hours.
    pub const ALWAYS: Self = Self { open: true, why: Why::Always };
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.open { "open" } else { "closed" }, self.why)
    }
}

/// The hours of one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayHours {
    /// Stretches that begin on it.
    pub hours: Vec<Stretch>,
    /// By which rule.
    pub why: Why,
}

impl Calendar {
    /// Hours of the week and nothing else.
    pub fn weekly(week: Vec<DaySpan>, utc_offset_minutes: i32) -> Self {
        Self { utc_offset_minutes, week, special: Vec::new(), closings: Vec::new(), almanac: Arc::default() }
    }

    /// Whether the line is open now, and why.
    pub fn opening(&self, now: &Moment) -> Opening {
        if let Some(why) = self.signal(&now.signals, now.at) {
            return Opening { open: false, why };
        }
        let local = local(now.at, self.utc_offset_minutes);
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let today = self.day(local.date());
        if today.hours.iter().any(|hours| hours.holds(minute)) {
            return Opening { open: true, why: today.why };
        }
        if let Ok(yesterday) = local.date().yesterday().map(|date| self.day(date))
            && yesterday.hours.iter().any(|hours| hours.holds_next_day(minute))
        {
            return Opening { open: true, why: yesterday.why };
        }
        Opening { open: false, why: today.why }
    }

    /// The hours of a day, whatever is hoisted.
    pub fn day(&self, date: Date) -> DayHours {
        let holiday = self.almanac.holidays.get(&date).copied();
        if let Some(special) = self.special.iter().find(|special| special.on.iter().any(|on| self.is_on(*on, date))) {
            let feast = self.almanac.festivals.get(&date).map(|feast| feast.chinese().to_owned());
            let name = special.name.clone().or(holiday.map(|h| h.to_string())).or(feast);
            return DayHours {
                hours: special.open.clone(),
                why: Why::Special(name.unwrap_or_else(|| date.to_string())),
            };
        }
        match holiday.filter(|_| self.closings.contains(&Closing::Gazetted)) {
            Some(holiday) => DayHours { hours: Vec::new(), why: Why::Holiday(holiday) },
            None => {
                let weekday = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
                DayHours { hours: self.week.iter().filter_map(|span| span.on(weekday)).collect(), why: Why::Week }
            }
        }
    }

    /// What is known of holidays; empty where the plan asks for none.
    pub fn almanac(&self) -> &Almanac {
        &self.almanac
    }

    fn is_on(&self, days: Days, date: Date) -> bool {
        match days {
            Days::Range(first, last) => (first..=last).contains(&date),
            Days::Yearly(month, day) => (date.month(), date.day()) == (month, day),
            Days::Gazetted => self.almanac.holidays.contains_key(&date),
            Days::Festival(feast) => self.almanac.festivals.get(&date) == Some(&feast),
        }
    }

    fn signal(&self, signals: &Signals, now: SystemTime) -> Option<Why> {
        let signals = signals.at(now);
        self.closings.iter().find_map(|closing| match *closing {
            Closing::Gazetted => None,
            Closing::Typhoon(least) => {
                signals.typhoon.filter(|(signal, _)| *signal >= least).map(|(signal, _)| Why::Typhoon(signal))
            }
            Closing::Rain(least) => {
                signals.rain.filter(|(signal, _)| *signal >= least).map(|(signal, _)| Why::Rain(signal))
            }
            Closing::Extreme => signals.extreme.map(|_| Why::Extreme),
        })
    }
}
