//! What the Observatory has hoisted: tropical cyclone signal, rainstorm signal, and the government's "extreme conditions".
//! Each holds until a time, so that a forgotten signal closes no line for good. Set by a person (`tingwa signal`), kept in a
//! small TOML file that a gateway reads again when it changes. Is not a feed: nothing here fetches.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use super::moment::{HONG_KONG, instant, local};
use crate::settings::{Problems, Section, Source};

/// Signals in force, each with its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// Tropical cyclone signal.
    pub typhoon: Option<(Typhoon, SystemTime)>,
    /// Rainstorm signal.
    pub rain: Option<(Rain, SystemTime)>,
    /// "Extreme conditions" after a super typhoon.
    pub extreme: Option<SystemTime>,
}

/// A tropical cyclone signal: 1, 3, 8, 9 or 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Typhoon(u8);

/// A rainstorm signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rain {
    /// 黃
    Amber,
    /// 紅
    Red,
    /// 黑
    Black,
}

/// Why a text is no signal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// No such tropical cyclone signal.
    #[error("expected a tropical cyclone signal 1, 3, 8, 9 or 10, found \"{0}\"")]
    Typhoon(String),
    /// No such rainstorm signal.
    #[error("expected amber, red or black, found \"{0}\"")]
    Rain(String),
}

impl FromStr for Typhoon {
    type Err = SignalError;
    /// `8`, and with a direction as the Observatory writes it: `8NE`.
    fn from_str(text: &str) -> Result<Self, SignalError> {
        let number = text.trim_end_matches(['N', 'E', 'S', 'W']);
        match (number.parse(), number.len() == text.len()) {
            (Ok(number @ (1 | 3 | 8 | 9 | 10)), true) | (Ok(number @ 8), false) => Ok(Self(number)),
            _ => Err(SignalError::Typhoon(text.to_owned())),
        }
    }
}

impl FromStr for Rain {
    type Err = SignalError;
    fn from_str(text: &str) -> Result<Self, SignalError> {
        match text {
            "amber" => Ok(Self::Amber),
            "red" => Ok(Self::Red),
            "black" => Ok(Self::Black),
            _ => Err(SignalError::Rain(text.to_owned())),
        }
    }
}

impl fmt::Display for Typhoon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Rain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amber => "amber",
            Self::Red => "red",
            Self::Black => "black",
        })
    }
}

/// For people: what is hoisted and until when, in Hong Kong's time.
impl fmt::Display for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = |at| format!("until {}", local(at, HONG_KONG).strftime("%Y-%m-%d %H:%M"));
        let typhoon = self.typhoon.map(|(signal, at)| format!("tropical cyclone signal {signal} {}", until(at)));
        let rain = self.rain.map(|(signal, at)| format!("{signal} rainstorm signal {}", until(at)));
        let extreme = self.extreme.map(|at| format!("extreme conditions {}", until(at)));
        let all: Vec<String> = [typhoon, rain, extreme].into_iter().flatten().collect();
        f.write_str(if all.is_empty() { "none" } else { "" })?;
        f.write_str(&all.join(", "))
    }
}

impl Signals {
    /// Those that are in force at this time.
    #[must_use]
    pub fn at(&self, now: SystemTime) -> Self {
        Self {
            typhoon: self.typhoon.filter(|(_, until)| now < *until),
            rain: self.rain.filter(|(_, until)| now < *until),
            extreme: self.extreme.filter(|until| now < *until),
        }
    }

    /// Reads the file that [`Signals::to_toml`] writes.
    pub fn parse(name: &str, text: &str, problems: &Problems) -> Self {
        let source = Source::new(name, text);
        let table = source.parse(problems);
        let mut root = Section::root(&source, &table, problems);
        let mut typhoon = root.section("typhoon");
        let hoisted = typhoon.parsed::<Typhoon>("signal", "1, 3, 8, 9 or 10 in quotes");
        let typhoon = hoisted.zip(until(typhoon));
        let mut rain = root.section("rain");
        let hoisted = rain.parsed::<Rain>("signal", "amber, red or black");
        let rain = hoisted.zip(until(rain));
        let extreme = until(root.section("extreme"));
        root.finish();
        Self { typhoon, rain, extreme }
    }

    /// The file, for people and for [`Signals::parse`].
    pub fn to_toml(&self) -> String {
        let time = |until| format!("until = \"{}+08:00\"", local(until, HONG_KONG).strftime("%Y-%m-%dT%H:%M"));
        let mut text = "# What `tingwa signal` has set; a gateway reads it again within seconds.\n".to_owned();
        if let Some((signal, until)) = self.typhoon {
            text += &format!("[typhoon]\nsignal = \"{signal}\"\n{}\n", time(until));
        }
        if let Some((signal, until)) = self.rain {
            text += &format!("[rain]\nsignal = \"{signal}\"\n{}\n", time(until));
        }
        if let Some(until) = self.extreme {
            text += &format!("[extreme]\n{}\n", time(until));
        }
        text
    }
}

fn until(mut section: Section<'_>) -> Option<SystemTime> {
    if !section.is_present() {
        return None;
    }
    let what = "a time such as \"2026-09-01T18:00+08:00\"";
    let text = section.string("until");
    let text = section.required("until", what, text);
    let until = text.and_then(|text| match instant(&text, HONG_KONG) {
        Some(at) => Some(at),
        None => {
            section.problem("until", format_args!("expected {what}, found \"{text}\""));
            None
        }
    });
    section.finish();
    until
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_written_read_and_expire() {
        let at = |text| instant(text, HONG_KONG).unwrap();
        let signals = Signals {
            typhoon: Some(("8NE".parse().unwrap(), at("2026-09-01T18:00"))),
            rain: Some((Rain::Black, at("2026-09-01T12:00"))),
            extreme: Some(at("2026-09-02T06:00")),
        };
        let problems = Problems::default();
        assert_eq!(Signals::parse("s", &signals.to_toml(), &problems), signals, "{}", problems.report());
        assert_eq!(signals.at(at("2026-09-01T11:59")), signals);
        let noon = signals.at(at("2026-09-01T12:00"));
        assert_eq!((noon.typhoon, noon.rain), (signals.typhoon, None));
        assert_eq!(signals.at(at("2026-09-02T06:00")), Signals::default());
    }

    #[test]
    fn a_bad_file_is_reported_and_hoists_nothing() {
        let problems = Problems::default();
        let text = "[typhoon]\nsignal = \"7\"\nuntil = \"2026-09-01T18:00\"\n[rain]\nsignal = \"black\"\n[extreme]\nuntil = \"x\"\n";
        assert_eq!(Signals::parse("s.toml", text, &problems), Signals::default());
        let report = problems.report();
        for part in
            ["s.toml:2:10: typhoon.signal: expected", "missing key 'until' in [rain]", "extreme.until: expected a time"]
        {
            assert!(report.contains(part), "{part}: {report}");
        }
        for bad in ["2", "3NE", "", "NE", "11"] {
            assert!(bad.parse::<Typhoon>().is_err(), "{bad}");
        }
    }
}
