//! `[hours]` of a plan.

use std::str::FromStr;
use std::sync::Arc;

use jiff::civil::Date;

use super::{Almanac, Calendar, Closing, DaySpan, Days, Feast, HONG_KONG, SignalError, Special, Stretch, YEARS};
use crate::settings::Section;

/// Most special days of a plan.
const SPECIAL: usize = 500;

/// Why a text closes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClosingError {
    /// Nothing that is known.
    #[error("expected @hk-gazetted, typhoon>=8, rain=black or extreme, found \"{0}\"")]
    Unknown(String),
    /// The signal.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// Exactly this signal, but not the worse ones: never meant.
    #[error("\"{0}\" would stay open under a higher signal; write \"{1}\"")]
    Exactly(String, String),
}

impl FromStr for Closing {
    type Err = ClosingError;
    fn from_str(text: &str) -> Result<Self, ClosingError> {
        let exactly = || ClosingError::Exactly(text.to_owned(), text.replacen('=', ">=", 1));
        match (text, text.split_once('=').map(|(name, signal)| (name.trim(), signal.trim()))) {
            ("@hk-gazetted", _) => Ok(Self::Gazetted),
            ("extreme", _) => Ok(Self::Extreme),
            (_, Some(("typhoon>", signal))) => Ok(Self::Typhoon(signal.parse()?)),
            (_, Some(("rain>", signal)) | Some(("rain", signal @ "black"))) => Ok(Self::Rain(signal.parse()?)),
            (_, Some(("rain" | "typhoon", _))) => Err(exactly()),
            _ => Err(ClosingError::Unknown(text.to_owned())),
        }
    }
}

/// Why a text is no days.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DaysError {
    /// Nothing that is known.
    #[error(
        "expected e.g. 2026-12-24, 2026-12-24..2026-12-26, 12-24, @hk-gazetted, @lunar-new-year-eve, @mid-autumn or @winter-solstice, found \"{0}\""
    )]
    Unknown(String),
    /// Ends before it begins.
    #[error("\"{0}\" ends before it begins")]
    Backwards(String),
}

impl FromStr for Days {
    type Err = DaysError;
    fn from_str(text: &str) -> Result<Self, DaysError> {
        let unknown = || DaysError::Unknown(text.to_owned());
        let date =
            |text: &str| text.trim().parse::<Date>().ok().filter(|_| text.trim().len() == 10).ok_or_else(unknown);
        match text {
            "@hk-gazetted" => return Ok(Self::Gazetted),
            "@lunar-new-year-eve" => return Ok(Self::Festival(Feast::LunarNewYearEve)),
            "@mid-autumn" => return Ok(Self::Festival(Feast::MidAutumn)),
            "@winter-solstice" => return Ok(Self::Festival(Feast::WinterSolstice)),
            _ => {}
        }
        if let Some((first, last)) = text.split_once("..") {
            let (first, last) = (date(first)?, date(last)?);
            return if first <= last {
                Ok(Self::Range(first, last))
            } else {
                Err(DaysError::Backwards(text.to_owned()))
            };
        }
        if text.len() == 5 {
            // A leap year, so that 02-29 is a day.
            let day = date(&format!("2024-{text}"))?;
            return Ok(Self::Yearly(day.month(), day.day()));
        }
        date(text).map(|day| Self::Range(day, day))
    }
}

impl Calendar {
    /// Reads `[hours]`; `None` where the plan has none.
    pub(crate) fn read(mut section: Section<'_>) -> Option<Self> {
        if !section.is_present() {
            return None;
        }
        let open = section.strings("open");
        let open = section.required("open", "a list such as [\"mon-fri 09:00-18:00\"]", open).unwrap_or_default();
        let week = each(&section, "open", open, DaySpan::from_str);
        let closed = section.strings("closed").unwrap_or_default();
        let closings = each(&section, "closed", closed, Closing::from_str);
        let offset = section.parsed::<Offset>("utc_offset", "an offset such as \"+08:00\"");
        let sections = section.sections("special");
        if sections.len() > SPECIAL {
            section.problem("special", format_args!("{} special days, at most {SPECIAL}", sections.len()));
        }
        let special: Vec<Special> = sections.into_iter().map(special).collect();
        section.finish();
        let lunar = |on: &Days| matches!(on, Days::Gazetted | Days::Festival(_));
        let wanted = closings.contains(&Closing::Gazetted) || special.iter().flat_map(|s| &s.on).any(lunar);
        let almanac = if wanted { Arc::new(Almanac::new()) } else { Arc::default() };
        Some(Self { utc_offset_minutes: offset.map_or(HONG_KONG, |o| o.0), week, special, closings, almanac })
    }
}

fn each<T, E: std::fmt::Display>(
    section: &Section<'_>,
    key: &str,
    texts: Vec<String>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Vec<T> {
    let mut all = Vec::with_capacity(texts.len());
    for text in texts {
        match parse(&text) {
            Ok(value) => all.push(value),
            Err(error) => section.problem(key, error),
        }
    }
    all
}

fn special(mut section: Section<'_>) -> Special {
    let on = section.strings("on");
    let on =
        section.required("on", "a list of days such as [\"2026-12-24\", \"@winter-solstice\"]", on).unwrap_or_default();
    let on: Vec<Days> = each(&section, "on", on, Days::from_str);
    let open = section.strings("open");
    let open = section.required("open", "hours such as [\"09:00-13:00\"], or [] for closed", open).unwrap_or_default();
    let open = each(&section, "open", open, Stretch::from_str);
    for days in &on {
        if let Days::Range(first, last) = days
            && (!YEARS.contains(&first.year()) || !YEARS.contains(&last.year()))
        {
            section.problem("on", format_args!("years {} to {} only", YEARS.start(), YEARS.end()));
        }
    }
    let name = section.string("name");
    section.finish();
    Special { on, open, name }
}

/// Minutes east of UTC: `+08:00`.
struct Offset(i32);

impl FromStr for Offset {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (sign, rest) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(rest), _) => (1, rest),
            (None, Some(rest)) => (-1, rest),
            (None, None) => return Err("no sign"),
        };
        let (hours, minutes) = rest.split_once(':').ok_or("no colon")?;
        let (hours, minutes): (i32, i32) =
            (hours.parse().map_err(|_| "no number")?, minutes.parse().map_err(|_| "no number")?);
        if (0..=14).contains(&hours) && (0..60).contains(&minutes) {
            Ok(Self(sign * (hours * 60 + minutes)))
        } else {
            Err("-14:00 to +14:00")
        }
    }
}
