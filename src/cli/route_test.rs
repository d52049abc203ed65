//! `tingwa route-test`: which hotline takes a number, and whether its people are there at a time, each with its why; or a
//! month of a hotline, day by day.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::civil::Date;

use crate::dialplan::calendar::{HONG_KONG, Moment, Opening, Signals, Stretch, holidays, instant, local};
use crate::dialplan::{Plan, Routes};
use crate::driver::signals;
use crate::settings::{Problem, Problems};

use super::table::Table;
use super::{CliError, ConfigArgs, check};

/// How long a signal of the arguments holds after the time that is shown.
const SHOWN_SIGNAL: Duration = Duration::from_secs(12 * 3600);

/// Show which hotline takes a number, and whether its people are there.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tingwa route-test --to 1823\n  tingwa route-test --to 1823 --at 2026-02-17T10:00\n  tingwa route-test --to 1823 --month 2026-02\n  tingwa route-test --to 1823 --at 2026-09-01T10:00 --signal typhoon=8 dialplans"
)]
pub struct RouteTestArgs {
    /// The number that is dialled
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// The caller's number
    #[arg(long, value_name = "NUMBER")]
    from: Option<String>,
    /// When, by the line's clock; now if left out
    #[arg(long, value_name = "2026-02-17T10:00")]
    at: Option<String>,
    /// The hours of every day of a month
    #[arg(long, value_name = "2026-02", conflicts_with = "at")]
    month: Option<String>,
    /// As if this were hoisted: typhoon=8, rain=black, extreme
    #[arg(long, value_name = "SIGNAL")]
    signal: Vec<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Folders of one dialplan, or of several; those of the configuration if left out
    folders: Vec<PathBuf>,
}

/// Shows one route.
pub fn run(args: &RouteTestArgs) -> Result<ExitCode, CliError> {
    let (folders, signals) = sources(args)?;
    let (problems, warnings) = (Problems::default(), Problems::default());
    let plans: Vec<_> =
        folders.iter().flat_map(|folder| check::load(folder, &problems, &warnings)).map(Arc::new).collect();
    let problems = problems.into_vec();
    problems.iter().for_each(|problem| eprintln!("{problem}"));
    if !problems.is_empty() {
        eprintln!("hotlines with problems are left out");
    }
    let routes = Routes::new(plans);
    let Some(plan) = route(args, &routes) else { return Ok(ExitCode::FAILURE) };
    if let Some(month) = &args.month {
        let lines =
            preview(plan, month).ok_or_else(|| CliError::Usage(format!("no month: \"{month}\"; e.g. 2026-02")))?;
        lines.iter().for_each(|line| println!("{line}"));
    } else {
        let at = time(args, plan)?;
        let until = at + SHOWN_SIGNAL;
        let asked = super::signal::hoist(Signals::default(), &args.signal, until).map_err(CliError::Usage)?;
        let signals = if args.signal.is_empty() { signals } else { asked };
        state(plan, at, signals).iter().for_each(|line| println!("{line}"));
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Folders to read, and what is hoisted: what the arguments say, else the configuration, else nothing.
fn sources(args: &RouteTestArgs) -> Result<(Vec<PathBuf>, Signals), CliError> {
    let configured = !args.config.is_default() || args.config.config.is_file();
    let config =
        (configured && (args.folders.is_empty() || args.signal.is_empty())).then(|| args.config.load()).transpose()?;
    let folders = match &config {
        _ if !args.folders.is_empty() => args.folders.clone(),
        Some(config) => vec![config.dialplans.clone()],
        None => vec![PathBuf::from("dialplans")],
    };
    let kept =
        config.as_ref().map(|config| signals::load(&config.signals).map_err(|wrong| CliError::Usage(told(&wrong))));
    Ok((folders, kept.transpose()?.unwrap_or_default()))
}

fn told(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn time(args: &RouteTestArgs, plan: &Plan) -> Result<SystemTime, CliError> {
    let offset = plan.hours.as_ref().map_or(HONG_KONG, |hours| hours.utc_offset_minutes);
    let bad = |text: &String| CliError::Usage(format!("no time: \"{text}\"; e.g. 2026-02-17T10:00"));
    args.at.as_ref().map_or(Ok(SystemTime::now()), |text| instant(text, offset).ok_or_else(|| bad(text)))
}

/// Prints the way of a number through the patterns.
fn route<'a>(args: &RouteTestArgs, routes: &'a Routes) -> Option<&'a Arc<Plan>> {
    let (matching, refused) = routes.matching(&args.to);
    println!("to        {}", args.to);
    if let Some(from) = &args.from {
        println!("from      {from} (no route looks at the caller's number)");
    }
    let Some((plan, pattern)) = matching.first() else {
        println!(
            "route     none: {refused} patterns of {} hotlines, none matches; the caller gets 404",
            routes.plans().len()
        );
        return None;
    };
    println!("route     \"{}\" of '{}': first match, after {refused} that do not match", pattern.as_str(), plan.name);
    for (other, later) in matching.iter().skip(1).take(9) {
        let asterisk = if later.asterisk_prefers(pattern) { "; Asterisk's best match would prefer it" } else { "" };
        println!("          also \"{}\" of '{}', which comes later{asterisk}", later.as_str(), other.name);
    }
    let languages: Vec<_> = plan.languages.iter().map(|language| language.code()).collect();
    println!("line      {} ({})", plan.title, languages.join(", "));
    Some(plan)
}

/// Whether people are there, and why.
fn state(plan: &Plan, at: SystemTime, signals: Signals) -> Vec<String> {
    let offset = plan.hours.as_ref().map_or(HONG_KONG, |hours| hours.utc_offset_minutes);
    let there = local(at, offset);
    let holiday = holidays(there.year()).into_iter().find(|(day, _)| *day == there.date());
    let opening = plan.hours.as_ref().map_or(Opening::ALWAYS, |hours| hours.opening(&Moment { at, signals }));
    let hours = match &plan.hours {
        None => "no [hours]: always".to_owned(),
        Some(hours) => span(&hours.day(there.date()).hours),
    };
    let people = match opening.open {
        true => format!("there: who asks for one goes to queue '{}'", plan.escalation.queue),
        false => format!("not there: who asks for one hears '{}'", plan.escalation.closed),
    };
    vec![
        format!("at        {}", there.strftime("%Y-%m-%d %H:%M, %A")),
        format!("holiday   {}", holiday.map_or("none".to_owned(), |(_, holiday)| holiday.to_string())),
        format!("signals   {}", signals.at(at)),
        format!("hours     {hours}"),
        format!("people    {people}"),
        format!("why       {opening}"),
    ]
}

fn span(hours: &[Stretch]) -> String {
    let all: Vec<_> = hours.iter().map(ToString::to_string).collect();
    if all.is_empty() { "closed".to_owned() } else { all.join(", ") }
}

/// Every day of a month `2026-02`; `None` where it is none.
fn preview(plan: &Plan, month: &str) -> Option<Vec<String>> {
    let first: Date = format!("{month}-01").parse().ok().filter(|_| month.len() == 7)?;
    let mut table = Table::new(["day", "", "hours", "why"]);
    for day in first.series(jiff::Span::new().days(1)).take(usize::from(first.days_in_month().unsigned_abs())) {
        let (hours, why) = match &plan.hours {
            None => ("00:00-24:00".to_owned(), Opening::ALWAYS.why),
            Some(calendar) => {
                let day = calendar.day(day);
                (span(&day.hours), day.why)
            }
        };
        table.row([day.to_string(), day.strftime("%a").to_string(), hours, why.to_string()]);
    }
    Some(table.lines())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialplan::demo;

    fn office() -> Plan {
        let hours =
            "[hours]\nopen = [\"mon-fri 09:00-18:00\"]\nclosed = [\"@hk-gazetted\", \"typhoon>=8\"]\n\n[intent.bill]";
        let mut files = demo::files();
        let plan = files.files.remove("plan.toml").unwrap();
        let (before, after) = plan.split_once("[hours]").unwrap();
        let after = after.split_once("[intent.bill]").unwrap().1;
        files.files.insert("plan.toml".to_owned(), format!("{before}{hours}{after}"));
        let (problems, warnings) = (Problems::default(), Problems::default());
        let plan = crate::dialplan::read_plan(&files, &problems, &warnings);
        assert_eq!(problems.report(), "");
        plan.unwrap()
    }

    #[test]
    fn a_holiday_says_why_nobody_is_there() {
        let at = instant("2026-02-17T10:00", HONG_KONG).unwrap();
        assert_eq!(
            state(&office(), at, Signals::default()),
            [
                "at        2026-02-17 10:00, Tuesday",
                "holiday   Lunar New Year's Day 農曆年初一",
                "signals   none",
                "hours     closed",
                "people    not there: who asks for one hears 'closed'",
                "why       closed: general holiday: Lunar New Year's Day 農曆年初一",
            ]
        );
    }

    #[test]
    fn a_month_is_previewed_day_by_day() {
        let lines = preview(&office(), "2026-02").unwrap();
        assert_eq!(lines.len(), 29);
        assert_eq!(lines[1], "2026-02-01  Sun  closed       weekly hours");
        assert_eq!(lines[16], "2026-02-16  Mon  09:00-18:00  weekly hours");
        assert_eq!(
            lines[19],
            "2026-02-19  Thu  closed       general holiday: the third day of Lunar New Year 農曆年初三"
        );
        assert!(["", "2026", "2026-13", "2026-2"].iter().all(|bad| preview(&office(), bad).is_none()));
    }
}
