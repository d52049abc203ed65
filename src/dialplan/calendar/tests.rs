//! A week, its holidays, its special days and its storms.

use super::*;
use crate::settings::{Problems, Section, Source};

fn read(text: &str) -> (Option<Calendar>, String) {
    let (source, problems) = (Source::new("plan.toml", text), Problems::default());
    let table = source.parse(&problems);
    let mut root = Section::root(&source, &table, &problems);
    let calendar = Calendar::read(root.section("hours"));
    (calendar, problems.report())
}

fn calendar(text: &str) -> Calendar {
    let (calendar, report) = read(text);
    assert_eq!(report, "");
    calendar.unwrap()
}

const OFFICE: &str = r#"
[hours]
open = ["mon-fri 09:00-18:00", "sat 22:00-02:00"]
closed = ["@hk-gazetted", "typhoon>=8", "rain=black", "extreme"]
[[hours.special]]
on = ["2026-12-24..2026-12-25", "12-31"]
open = ["09:00-13:00"]
name = "Christmas hours"
[[hours.special]]
on = ["@lunar-new-year-eve", "@winter-solstice"]
open = ["09:00-12:00"]
[[hours.special]]
on = ["2026-08-03"]
open = []
"#;

#[test]
fn the_first_rule_that_says_anything_decides() {
    let office = calendar(OFFICE);
    let table = [
        ("2026-03-02T08:59", "closed: weekly hours"),
        ("2026-03-02T09:00", "open: weekly hours"),
        ("2026-03-06T18:00", "closed: weekly hours"),
        ("2026-03-07T23:00", "open: weekly hours"),
        ("2026-03-08T01:59", "open: weekly hours"),
        ("2026-03-08T02:00", "closed: weekly hours"),
        ("2026-02-17T10:00", "closed: general holiday: Lunar New Year's Day 農曆年初一"),
        ("2026-04-07T10:00", "closed: general holiday: the day following Easter Monday 復活節星期一翌日"),
        // Saturday 26 September is a holiday: its night hours do not begin, nor go on on Sunday.
        ("2026-09-26T23:00", "closed: general holiday: the day following the Chinese Mid-Autumn Festival 中秋節翌日"),
        ("2026-09-27T01:00", "closed: weekly hours"),
        // Special days come before holidays.
        ("2026-12-25T10:00", "open: special day: Christmas hours"),
        ("2026-12-25T13:00", "closed: special day: Christmas hours"),
        ("2027-12-31T12:59", "open: special day: Christmas hours"),
        ("2026-02-16T11:59", "open: special day: 農曆年三十晚"),
        ("2026-02-16T12:00", "closed: special day: 農曆年三十晚"),
        ("2026-12-22T11:00", "open: special day: 冬至"),
        ("2026-08-03T11:00", "closed: special day: 2026-08-03"),
    ];
    for (at, expected) in table {
        let moment = Moment::from(instant(at, HONG_KONG).unwrap());
        assert_eq!(office.opening(&moment).to_string(), expected, "{at}");
    }
}

#[test]
fn storms_close_a_line_until_they_expire() {
    let office = calendar(OFFICE);
    let at = |text| instant(text, HONG_KONG).unwrap();
    let storm = |typhoon: Option<&str>, rain: Option<Rain>, extreme: bool| Signals {
        typhoon: typhoon.map(|signal| (signal.parse().unwrap(), at("2026-03-02T12:00"))),
        rain: rain.map(|signal| (signal, at("2026-03-02T12:00"))),
        extreme: extreme.then(|| at("2026-03-02T12:00")),
    };
    let table = [
        (storm(Some("3"), Some(Rain::Red), false), "open: weekly hours"),
        (storm(Some("8NE"), None, false), "closed: tropical cyclone signal 8"),
        (storm(Some("10"), Some(Rain::Black), false), "closed: tropical cyclone signal 10"),
        (storm(Some("3"), Some(Rain::Black), false), "closed: black rainstorm signal"),
        (storm(None, None, true), "closed: extreme conditions"),
    ];
    for (signals, expected) in table {
        assert_eq!(office.opening(&Moment { at: at("2026-03-02T11:59"), signals }).to_string(), expected);
        assert!(office.opening(&Moment { at: at("2026-03-02T12:00"), signals }).open, "{expected}");
    }
    let careless = calendar("[hours]\nopen = [\"mon-sun 00:00-24:00\"]\n");
    assert!(careless.opening(&Moment { at: at("2026-03-02T11:59"), signals: table[2].0 }).open);
}

#[test]
fn every_mistake_in_hours_is_named() {
    let table = [
        ("closed = [\"typhoon=8\"]", "\"typhoon=8\" would stay open under a higher signal; write \"typhoon>=8\""),
        ("closed = [\"rain=red\"]", "write \"rain>=red\""),
        ("closed = [\"typhoon>=7\"]", "expected a tropical cyclone signal 1, 3, 8, 9 or 10, found \"7\""),
        ("closed = [\"@hk\"]", "expected @hk-gazetted, typhoon>=8, rain=black or extreme, found \"@hk\""),
        (
            "[[hours.special]]\non = [\"2026-02-30\"]\nopen = []",
            "plan.toml:4:6: hours.special[1].on: expected e.g. 2026-12-24",
        ),
        ("[[hours.special]]\non = [\"2026-02-03..2026-02-01\"]\nopen = []", "ends before it begins"),
        ("[[hours.special]]\non = [\"2062-02-03\"]\nopen = []", "years 2012 to 2050 only"),
        ("[[hours.special]]\non = [\"02-30\"]\nopen = [\"9-10\"]", "expected e.g. \"09:00-13:00\", found \"9-10\""),
        ("[[hours.special]]\non = [\"02-29\"]", "missing key 'open' in [[hours.special]] number 1"),
        ("[[hours.special]]\nopen = []\nonn = []", "nearest valid key: 'on'"),
    ];
    for (text, expected) in table {
        let (_, report) = read(&format!("[hours]\nopen = [\"mon 09:00-10:00\"]\n{text}\n"));
        assert!(report.contains(expected), "{text}: {report}");
    }
}
