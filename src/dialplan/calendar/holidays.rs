//! Hong Kong's general holidays, computed year by year: Cap. 149 (General Holidays Ordinance), schedule and section 6 as they
//! are since 2012, and the lunar days on which many companies close early. Lunar dates and solar terms are tyme4rs's.
//! Is not: a holiday made for one year only (3 September 2015), which a plan writes as a special day; nor the shorter list of
//! statutory holidays (Cap. 57).

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use tyme4rs::tyme::lunar::LunarDay;
use tyme4rs::tyme::solar::{SolarDay, SolarTerm};

/// Years that are known: the ordinance's present rules begin in 2012; beyond the last, lunar dates are not checked.
pub const YEARS: std::ops::RangeInclusive<i16> = 2012..=2050;

/// A general holiday on the day on which it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holiday {
    /// What it is.
    pub feast: Feast,
    /// Kept on a later day, since its own is a Sunday or another holiday.
    pub moved: bool,
}

macro_rules! feasts {
    ($($name:ident $english:literal $chinese:literal,)*) => {
        /// What is kept.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the names are the documentation")]
        pub enum Feast { $($name),* }
        impl Feast {
            /// Its name in English.
            pub fn english(self) -> &'static str { match self { $(Self::$name => $english),* } }
            /// Its name in Chinese.
            pub fn chinese(self) -> &'static str { match self { $(Self::$name => $chinese),* } }
        }
    };
}

feasts! {
    NewYear "the first day of January" "一月一日",
    LunarNewYear "Lunar New Year's Day" "農曆年初一",
    LunarNewYear2 "the second day of Lunar New Year" "農曆年初二",
    LunarNewYear3 "the third day of Lunar New Year" "農曆年初三",
    LunarNewYear4 "the fourth day of Lunar New Year" "農曆年初四",
    ChingMing "Ching Ming Festival" "清明節",
    GoodFriday "Good Friday" "耶穌受難節",
    EasterSaturday "the day following Good Friday" "耶穌受難節翌日",
    EasterMonday "Easter Monday" "復活節星期一",
    LabourDay "Labour Day" "勞動節",
    Buddha "the Birthday of the Buddha" "佛誕",
    TuenNg "Tuen Ng Festival" "端午節",
    EstablishmentDay "HKSAR Establishment Day" "香港特別行政區成立紀念日",
    MidAutumnMorrow "the day following the Chinese Mid-Autumn Festival" "中秋節翌日",
    NationalDay "National Day" "國慶日",
    ChungYeung "Chung Yeung Festival" "重陽節",
    Christmas "Christmas Day" "聖誕節",
    ChristmasMorrow "the first weekday after Christmas Day" "聖誕節後第一個周日",
    LunarNewYearEve "Lunar New Year's Eve" "農曆年三十晚",
    MidAutumn "the Chinese Mid-Autumn Festival" "中秋節",
    WinterSolstice "the Winter Solstice" "冬至",
}

impl std::fmt::Display for Holiday {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (english, chinese) = (self.feast.english(), self.feast.chinese());
        match (self.moved, self.feast) {
            (false, _) => write!(f, "{english} {chinese}"),
            (true, Feast::Christmas) => write!(f, "{}", Self { feast: Feast::ChristmasMorrow, moved: false }),
            (true, Feast::ChristmasMorrow) => write!(f, "the second weekday after Christmas Day 聖誕節後第二個周日"),
            (true, Feast::MidAutumnMorrow) => {
                write!(f, "the second day following the Chinese Mid-Autumn Festival 中秋節後第二日")
            }
            (true, _) => write!(f, "the day following {english} {chinese}翌日"),
        }
    }
}

/// What is known of days: general holidays, and the early-closing days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Almanac {
    /// General holidays but Sundays.
    pub holidays: BTreeMap<Date, Holiday>,
    /// Lunar New Year's Eve, Mid-Autumn Festival, Winter Solstice.
    pub festivals: BTreeMap<Date, Feast>,
}

impl Almanac {
    /// Of all [`YEARS`].
    pub fn new() -> Self {
        let mut all = Self::default();
        for year in YEARS {
            all.holidays.extend(holidays(year));
            all.festivals.extend(festivals(year));
        }
        all
    }
}

/// General holidays of one year, in their order, without Sundays.
pub fn holidays(year: i16) -> Vec<(Date, Holiday)> {
    let mut kept: Vec<(Date, Holiday)> = Vec::with_capacity(17);
    for (own, feast) in nominal(year) {
        let mut day = own;
        while day.weekday() == Weekday::Sunday || kept.iter().any(|(other, _)| *other == day) {
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        // "The first weekday after" is its own name on a Monday too.
        let moved = day != own && !(feast == Feast::ChristmasMorrow && own.weekday() == Weekday::Sunday);
        kept.push((day, Holiday { feast, moved }));
    }
    kept.sort_by_key(|(day, _)| *day);
    kept
}

/// Feasts on their own days, in order of days, those of one day in the order of the schedule.
fn nominal(year: i16) -> Vec<(Date, Feast)> {
    use Feast::*;
    let fixed = |month, day| Date::new(year, month, day).ok();
    let from_easter = |days: i64| easter(year)?.checked_add(jiff::Span::new().days(days)).ok();
    let mut all = vec![
        (fixed(1, 1), NewYear),
        (solar_term(year, CHING_MING), ChingMing),
        (from_easter(-2), GoodFriday),
        (from_easter(-1), EasterSaturday),
        (from_easter(1), EasterMonday),
        (fixed(5, 1), LabourDay),
        (lunar(year, 4, 8), Buddha),
        (lunar(year, 5, 5), TuenNg),
        (fixed(7, 1), EstablishmentDay),
        (lunar(year, 8, 16), MidAutumnMorrow),
        (fixed(10, 1), NationalDay),
        (lunar(year, 9, 9), ChungYeung),
        (fixed(12, 25), Christmas),
        (fixed(12, 26), ChristmasMorrow),
    ];
    // Where one of the three days is a Sunday, the fourth day is kept instead of it.
    let new_year = [(1, LunarNewYear), (2, LunarNewYear2), (3, LunarNewYear3), (4, LunarNewYear4)];
    let weekdays = new_year.map(|(day, feast)| (lunar(year, 1, day), feast));
    all.extend(weekdays.into_iter().filter(|(day, _)| day.is_some_and(|d| d.weekday() != Weekday::Sunday)).take(3));
    let mut known: Vec<(Date, Feast)> = all.into_iter().filter_map(|(day, feast)| Some((day?, feast))).collect();
    known.sort();
    known
}

fn festivals(year: i16) -> Vec<(Date, Feast)> {
    let eve = lunar(year, 1, 1).and_then(|day| day.yesterday().ok());
    let all = [
        (eve, Feast::LunarNewYearEve),
        (lunar(year, 8, 15), Feast::MidAutumn),
        // The term of index 0 is the one before January: next year's is this December's.
        (solar_term(year + 1, WINTER_SOLSTICE), Feast::WinterSolstice),
    ];
    all.into_iter().filter_map(|(day, feast)| Some((day?, feast))).collect()
}

/// Solar terms as tyme4rs counts them: from the winter solstice before the year.
const WINTER_SOLSTICE: isize = 0;
const CHING_MING: isize = 7;

fn solar_term(year: i16, index: isize) -> Option<Date> {
    date(&SolarTerm::from_index(isize::from(year), index).get_solar_day())
}

/// Day of a month (not a leap month) of the lunar year that begins in this year.
fn lunar(year: i16, month: isize, day: usize) -> Option<Date> {
    date(&LunarDay::new(isize::from(year), month, day).ok()?.get_solar_day())
}

fn date(day: &SolarDay) -> Option<Date> {
    let (year, month, day) = (day.get_year(), day.get_month(), day.get_day());
    Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()
}

/// Easter Sunday of the Gregorian calendar (Meeus, Astronomical Algorithms, chapter 8: Butcher's rule).
fn easter(year: i16) -> Option<Date> {
    let year_number = i32::from(year);
    let (a, b, c) = (year_number % 19, year_number / 100, year_number % 100);
    let h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
    let l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    Date::new(year, i8::try_from(n / 31).ok()?, i8::try_from(n % 31 + 1).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2012 to 2035, by others; its head says by whom.
    const LISTS: &str = include_str!("../../../tests/data/holidays/hong_kong.txt");

    #[test]
    fn general_holidays_are_those_of_the_gazette() {
        let mut years = 0;
        for line in LISTS.lines().filter(|line| !line.starts_with('#')) {
            let (year, days) = line.split_once(' ').unwrap();
            let found: Vec<String> =
                holidays(year.parse().unwrap()).iter().map(|(day, _)| day.strftime("%m-%d").to_string()).collect();
            assert_eq!(found.join(" "), days, "{year}");
            years += 1;
        }
        assert_eq!(years, 24);
    }

    #[test]
    fn holidays_have_the_names_of_the_gazette() {
        let names = |year, days: &[&str]| -> Vec<String> {
            let all = holidays(year);
            days.iter()
                .map(|day| all.iter().find(|(d, _)| d.strftime("%m-%d").to_string() == *day).unwrap().1.to_string())
                .collect()
        };
        assert_eq!(
            names(2026, &["02-17", "04-06", "04-07", "05-25", "10-19", "12-26"]),
            [
                "Lunar New Year's Day 農曆年初一",
                "the day following Ching Ming Festival 清明節翌日",
                "the day following Easter Monday 復活節星期一翌日",
                "the day following the Birthday of the Buddha 佛誕翌日",
                "the day following Chung Yeung Festival 重陽節翌日",
                "the first weekday after Christmas Day 聖誕節後第一個周日",
            ]
        );
        assert_eq!(names(2024, &["02-13"]), ["the fourth day of Lunar New Year 農曆年初四"]);
        assert_eq!(
            names(2022, &["09-12", "12-26", "12-27"]),
            [
                "the second day following the Chinese Mid-Autumn Festival 中秋節後第二日",
                "the first weekday after Christmas Day 聖誕節後第一個周日",
                "the second weekday after Christmas Day 聖誕節後第二個周日",
            ]
        );
        assert_eq!(names(2027, &["12-27"]), ["the first weekday after Christmas Day 聖誕節後第一個周日"]);
    }

    #[test]
    fn festivals_fall_on_their_days() {
        let found: Vec<String> = festivals(2026).iter().map(|(day, _)| day.to_string()).collect();
        assert_eq!(found, ["2026-02-16", "2026-09-25", "2026-12-22"]);
    }
}
