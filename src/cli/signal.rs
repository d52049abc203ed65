//! `tingwa signal`: shows what is hoisted, or sets it until a time. A running gateway follows within seconds.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use crate::dialplan::calendar::{HONG_KONG, Signals, instant};
use crate::driver::signals;

use super::{CliError, ConfigArgs};

/// Show or set typhoon and rainstorm signals.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tingwa signal\n  tingwa signal typhoon=8 --for 12h\n  tingwa signal rain=black --until 2026-09-01T14:00\n  tingwa signal typhoon=none\n  tingwa signal none"
)]
pub struct SignalArgs {
    /// typhoon=1|3|8|9|10|none, rain=amber|red|black|none, extreme, extreme=none; or none for all
    set: Vec<String>,
    /// How long it holds, e.g. 90m or 12h
    #[arg(long = "for", value_name = "TIME", default_value = "12h", conflicts_with = "until")]
    lasts: String,
    /// Until when it holds, in Hong Kong's time
    #[arg(long, value_name = "2026-09-01T14:00")]
    until: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Shows or sets.
pub fn run(args: &SignalArgs) -> Result<ExitCode, CliError> {
    let path = args.config.load()?.signals;
    let now = SystemTime::now();
    let before = signals::load(&path);
    if args.set.is_empty() {
        let found = before.map_err(|wrong| CliError::Usage(wrong.iter().map(|p| format!("{p}\n")).collect()))?;
        println!("{}", found.at(now));
        return Ok(ExitCode::SUCCESS);
    }
    // A file that cannot be read is replaced: the storm does not wait for a comma.
    let before = before.unwrap_or_default().at(now);
    let until = end(args, now).map_err(CliError::Usage)?;
    let after = hoist(before, &args.set, until).map_err(CliError::Usage)?;
    let doing = || format!("cannot write {}", path.display());
    signals::save(&path, &after).map_err(|source| CliError::System { doing: doing(), source })?;
    println!("{after}");
    Ok(ExitCode::SUCCESS)
}

fn end(args: &SignalArgs, now: SystemTime) -> Result<SystemTime, String> {
    let end = match &args.until {
        Some(text) => instant(text, HONG_KONG).ok_or_else(|| format!("no time: \"{text}\"; e.g. 2026-09-01T14:00"))?,
        None => now + length(&args.lasts).ok_or_else(|| format!("no time: \"{}\"; e.g. 90m or 12h", args.lasts))?,
    };
    if end > now { Ok(end) } else { Err("that time is over".to_owned()) }
}

/// `90m`, `12h`; at most a week.
fn length(text: &str) -> Option<Duration> {
    let (number, minutes) = match (text.strip_suffix('m'), text.strip_suffix('h')) {
        (Some(number), _) => (number, 1),
        (None, Some(number)) => (number, 60),
        (None, None) => return None,
    };
    let minutes = number.parse::<u64>().ok()?.checked_mul(minutes)?;
    (1..=7 * 24 * 60).contains(&minutes).then(|| Duration::from_secs(minutes * 60))
}

/// The signals after `typhoon=8`, `rain=none` and the like.
pub(super) fn hoist(before: Signals, changes: &[String], until: SystemTime) -> Result<Signals, String> {
    let mut signals = before;
    for change in changes {
        match change.split_once('=').unwrap_or((change, "")) {
            ("none", "") => signals = Signals::default(),
            ("typhoon", "none") => signals.typhoon = None,
            ("rain", "none") => signals.rain = None,
            ("extreme", "none") => signals.extreme = None,
            ("extreme", "") => signals.extreme = Some(until),
            ("typhoon", signal) => signals.typhoon = Some((signal.parse().map_err(as_text)?, until)),
            ("rain", signal) => signals.rain = Some((signal.parse().map_err(as_text)?, until)),
            _ => return Err(format!("expected typhoon=8, rain=black, extreme or none, found \"{change}\"")),
        }
    }
    Ok(signals)
}

fn as_text(error: crate::dialplan::calendar::SignalError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_set_kept_and_taken_down() {
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let text = |before: Signals, changes: &[&str]| {
            hoist(before, &changes.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>(), until)
        };
        let both = text(Signals::default(), &["typhoon=8", "rain=black"]).unwrap();
        assert_eq!(
            both.to_string(),
            "tropical cyclone signal 8 until 2026-09-21 22:13, black rainstorm signal until 2026-09-21 22:13"
        );
        assert_eq!(text(both, &["rain=none"]).unwrap().typhoon, both.typhoon);
        assert_eq!(text(both, &["none"]), Ok(Signals::default()));
        for bad in ["typhoon=7", "rain", "snow=1", "extreme=8", ""] {
            assert!(text(both, &[bad]).is_err(), "{bad}");
        }
        assert_eq!(["90m", "12h", "8d", "0m", "400h", "-1h"].map(length).iter().flatten().count(), 2);
    }
}
