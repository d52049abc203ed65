//! `tingwa calls`: the list of calls, newest first.

use std::process::ExitCode;

use crate::journal::EndCause;
use crate::store::sqlite::{CallRow, Database};

use super::{CliError, ConfigArgs, block_on};

/// List calls, newest first.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tingwa calls\n  tingwa calls --limit 5 --numbers\n  tingwa calls --json | jq .end_cause"
)]
pub struct CallsArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// How many
    #[arg(long, short = 'n', default_value_t = 20)]
    limit: u32,
    /// Show callers' numbers in full
    #[arg(long)]
    numbers: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Prints the list.
pub fn run(args: &CallsArgs) -> Result<ExitCode, CliError> {
    let config = args.config.load()?;
    let rows = block_on(async { Database::open(&config.store.database).await?.calls(args.limit).await })??;
    if rows.is_empty() && !args.json {
        println!("No calls yet in {}.", config.store.database.display());
    }
    for row in rows {
        if args.json { print_json(&row, args.numbers) } else { print_line(&row, args.numbers) }
    }
    Ok(ExitCode::SUCCESS)
}

fn number(row: &CallRow, in_full: bool) -> String {
    let number = row.caller.reveal();
    let length = number.chars().count();
    if in_full || length <= 4 {
        return number.clone();
    }
    let tail: String = number.chars().skip(length - 4).collect();
    format!("…{tail}")
}

fn print_line(row: &CallRow, in_full: bool) {
    let began = jiff::Timestamp::from_millisecond(row.started_ms).map_or_else(
        |_| row.started_ms.to_string(),
        |t| t.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    );
    let seconds = |ms: Option<i64>| ms.map_or("-".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1000.0));
    println!(
        "{}  {began}  {:>10} -> {:<8} {:<8} {:>9}  {}{}",
        row.id,
        number(row, in_full),
        row.dialled,
        row.dialplan,
        seconds(row.ended_ms),
        row.end_cause.as_ref().map_or("in progress".to_owned(), describe),
        if row.bridged_ms.is_some() { ", bridged to an agent" } else { "" },
    );
}

fn print_json(row: &CallRow, in_full: bool) {
    println!(
        "{}",
        serde_json::json!({
            "id": row.id, "started_ms": row.started_ms, "caller": number(row, in_full), "dialled": row.dialled,
            "dialplan": row.dialplan, "answered_ms": row.answered_ms, "bridged_ms": row.bridged_ms,
            "ended_ms": row.ended_ms, "end_cause": row.end_cause, "recording": row.recording,
        })
    );
}

/// An end cause for people.
pub fn describe(cause: &EndCause) -> String {
    match cause {
        EndCause::CallerHungUp => "caller hung up".to_owned(),
        EndCause::CallerCancelled => "caller gave up before the answer".to_owned(),
        EndCause::HandedOver => "handed over".to_owned(),
        EndCause::AgentHungUp => "agent hung up".to_owned(),
        EndCause::BotGoodbye => "bot said goodbye".to_owned(),
        EndCause::Refused { status } => format!("refused with {status}"),
        EndCause::CallerLost => "caller lost".to_owned(),
        EndCause::Drained => "ended by the drain".to_owned(),
        EndCause::Failed { what } => format!("failed: {what}"),
        EndCause::Crashed => "cut off by a crash of the gateway".to_owned(),
    }
}
