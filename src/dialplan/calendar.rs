//! Weekly opening hours at a fixed offset from UTC (Hong Kong has had no summer time since 1979). Time comes in as a
//! value. Is not a holiday calendar.

use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

/// Minutes of a day.
const DAY: i64 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// When a line is open, week for week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeeklyHours {
    /// Stretches; open where any holds.
    pub spans: Vec<DaySpan>,
    /// Minutes east of UTC.
    pub utc_offset_minutes: i32,
}

/// The same hours on some days of the week, written `mon-fri 09:00-18:00`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaySpan {
    days: [bool; 7],
    from: i64,
    until: i64,
}

/// Why a text is no stretch of hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected e.g. \"mon-fri 09:00-18:00\", found \"{0}\"")]
pub struct HoursError(pub String);

impl FromStr for DaySpan {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let bad = || HoursError(text.to_owned());
        let (days_text, hours) = text.trim().split_once(' ').ok_or_else(bad)?;
        let (from, until) = hours.trim().split_once('-').ok_or_else(bad)?;
        let (from, until) = (minutes(from).ok_or_else(bad)?, minutes(until).ok_or_else(bad)?);
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
        if from == DAY || from == until {
            return Err(bad());
        }
        Ok(Self { days, from, until })
    }
}

fn minutes(text: &str) -> Option<i64> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
    let valid = (0..60).contains(&minute) && (0..=24).contains(&hour) && hour * 60 + minute <= DAY;
    valid.then(|| hour * 60 + minute)
}

impl WeeklyHours {
    /// True where the line is open at this time.
    pub fn is_open(&self, at: SystemTime) -> bool {
        let seconds = match at.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX / 2),
            Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX / 2),
        };
        let local = seconds.div_euclid(60) + i64::from(self.utc_offset_minutes);
        // 1970-01-01 was a Thursday, day 3 of a week that begins on Monday.
        let weekday = (local.div_euclid(DAY) + 3).rem_euclid(7);
        let minute = local.rem_euclid(DAY);
        self.spans.iter().any(|span| span.holds(weekday, minute))
    }
}

impl DaySpan {
    fn holds(&self, weekday: i64, minute: i64) -> bool {
        let open = |day: i64| usize::try_from(day.rem_euclid(7)).is_ok_and(|day| self.days[day]);
        if self.from < self.until {
            open(weekday) && (self.from..self.until).contains(&minute)
        } else {
            open(weekday) && minute >= self.from || open(weekday - 1) && minute < self.until
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Seconds since 1970 of a Hong Kong wall time in the week that begins on Monday 2026-02-16.
    fn at(day: u64, hour: u64, minute: u64) -> SystemTime {
        let monday = 1_771_171_200; // 2026-02-15T16:00:00Z
        UNIX_EPOCH + Duration::from_secs(monday + day * 86_400 + hour * 3600 + minute * 60)
    }

    #[test]
    fn weeks_open_and_close() {
        let hours = WeeklyHours {
            spans: vec!["mon-fri 09:00-18:00".parse().unwrap(), "sat 22:00-02:00".parse().unwrap()],
            utc_offset_minutes: 480,
        };
        let table = [
            (at(0, 8, 59), false),
            (at(0, 9, 0), true),
            (at(4, 17, 59), true),
            (at(4, 18, 0), false),
            (at(5, 12, 0), false),
            (at(5, 23, 0), true),
            (at(6, 1, 59), true),
            (at(6, 2, 0), false),
        ];
        for (time, open) in table {
            assert_eq!(hours.is_open(time), open, "{time:?}");
        }
    }

    #[test]
    fn days_wrap_and_nonsense_is_refused() {
        let always: DaySpan = "sat-fri 00:00-24:00".parse().unwrap();
        assert!(always.days.iter().all(|d| *d));
        for bad in [
            "",
            "mon",
            "mon 9-18",
            "mon 09:00-25:00",
            "moon 09:00-10:00",
            "mon 09:00-09:00",
            "mon 24:00-01:00",
            "mon 09:00-9223372036854775807:00",
        ] {
            assert!(bad.parse::<DaySpan>().is_err(), "{bad}");
        }
    }
}
