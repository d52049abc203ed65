//! `tingwa knowledge`: questions and answers of a hotline from the tables that people keep them in, and what would be answered
//! to a text, with scores and why. Writes the hotline's own files whole or not at all.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::civil::Date;

use crate::conversation::Understanding;
use crate::conversation::knowledge::Hit;
use crate::dialplan::{Plan, PlanFiles, read_plan};
use crate::driver::lines::read_folder;
use crate::settings::Problems;

use super::{CliError, check};

mod entries;
mod files;
mod rows;

/// Import and search questions and answers.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tingwa knowledge import faq.xlsx --hotline dialplans/demo\n  tingwa knowledge search 點樣改密碼 --hotline dialplans/demo\n\nA table has the columns id, and for each language of the hotline questions_yue and answer_yue (several questions\non lines of their own, or with | between them); and where wanted tags, valid_from, valid_to, approved_by and\napproved_at. An entry is answered only when somebody has approved it."
)]
pub struct KnowledgeArgs {
    #[command(subcommand)]
    command: KnowledgeCommand,
}

#[derive(Debug, clap::Subcommand)]
enum KnowledgeCommand {
    /// Take over a table: CSV, TSV, XLSX or Markdown
    Import(ImportArgs),
    /// Show what would be answered, and why
    Search(SearchArgs),
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// The table
    file: PathBuf,
    /// The hotline's folder
    #[arg(long, value_name = "DIR")]
    hotline: PathBuf,
    /// Take nothing where any row cannot be taken
    #[arg(long)]
    all_or_nothing: bool,
    /// Say what would be done, write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
struct SearchArgs {
    /// What a caller says
    text: String,
    /// The hotline's folder
    #[arg(long, value_name = "DIR")]
    hotline: PathBuf,
    /// On this day in Hong Kong; today if left out
    #[arg(long, value_name = "YYYY-MM-DD")]
    on: Option<Date>,
    /// How many entries to show
    #[arg(long, default_value_t = 5)]
    most: usize,
}

/// Imports or searches.
pub fn run(args: &KnowledgeArgs) -> Result<ExitCode, CliError> {
    match &args.command {
        KnowledgeCommand::Import(args) => import(args),
        KnowledgeCommand::Search(args) => search(args),
    }
}

/// The hotline of a folder; what is wrong with it is printed.
fn hotline(folder: &Path) -> Result<(PlanFiles, Plan), CliError> {
    let problems = Problems::default();
    let files = read_folder(folder, &problems);
    let plan = read_plan(&files, &problems, &Problems::default());
    match plan {
        Some(plan) if problems.is_empty() => Ok((files, plan)),
        _ => Err(CliError::Usage(format!("{} is not right yet:\n{}", folder.display(), problems.report()))),
    }
}

fn import(args: &ImportArgs) -> Result<ExitCode, CliError> {
    let (files, plan) = hotline(&args.hotline)?;
    let name = args.file.display().to_string();
    let tables = rows::read(&args.file)?;
    let sorted = entries::sort(&tables, &name, &plan.languages).map_err(CliError::Usage)?;
    let (taken, left) = (&sorted.taken, &sorted.left);
    left.iter().for_each(|row| println!("{name}:{}: not taken: {}", row.line, row.why));
    let known = |entry: &entries::Entry| plan.knowledge.iter().any(|question| question.name == entry.name);
    let (old, new): (Vec<_>, Vec<_>) = taken.iter().partition(|entry| known(entry));
    let unapproved = taken.iter().filter(|entry| entry.approval.is_none()).count();
    println!(
        "{}: {} rows: {} entries new, {} written over, {} not taken; {unapproved} without approval, never answered until they have it",
        name,
        taken.len() + left.len(),
        new.len(),
        old.len(),
        left.len()
    );
    if args.all_or_nothing && !left.is_empty() || taken.is_empty() {
        println!("nothing written");
        return Ok(ExitCode::FAILURE);
    }
    let changed = files::with_entries(&files, taken, &plan.languages).map_err(CliError::Usage)?;
    let problems = Problems::default();
    let mut after = files.clone();
    after.files.extend(changed.iter().map(|(path, text)| (path.clone(), text.clone())));
    if read_plan(&after, &problems, &Problems::default()).is_none() {
        return Err(CliError::Usage(format!(
            "nothing written; the hotline would not be right:\n{}",
            problems.report()
        )));
    }
    if args.dry_run {
        println!("nothing written: a dry run");
    } else {
        files::write(&args.hotline, &changed)?;
        changed.iter().for_each(|(path, _)| println!("written: {}", args.hotline.join(path).display()));
    }
    Ok(if left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn search(args: &SearchArgs) -> Result<ExitCode, CliError> {
    let (_, plan) = hotline(&args.hotline)?;
    let mind = Understanding::train(&plan);
    let day = args.on.unwrap_or_else(check::today);
    found(&args.text, &plan, &mind, day, args.most).iter().for_each(|line| println!("{line}"));
    Ok(ExitCode::SUCCESS)
}

/// What would be answered on a day, then the entries that come near.
fn found(text: &str, plan: &Plan, mind: &Understanding, day: Date, most: usize) -> Vec<String> {
    let views = mind.views(text);
    let chinese = plan.default_chinese();
    let command = mind.judge(&views, plan, chinese, day).command;
    let threshold = mind.knowledge().threshold();
    let mut lines = vec![
        format!("read as    {}", views.joined().trim()),
        format!("answer     {}", check::meant(&command)),
        format!("threshold  {threshold:.2} likeness, on {day}"),
    ];
    let examples: Vec<&String> = plan.knowledge.iter().flat_map(|q| q.questions.values().flatten()).collect();
    let hits = mind.knowledge().rank(&views, most.max(1) + 1);
    let first = hits.first().map_or(0.0, |hit| hit.likeness);
    for (place, hit) in hits.iter().enumerate().take(most) {
        let next = if place == 0 { hits.get(1).map_or(0.0, |hit| hit.likeness) } else { first };
        let Some(question) = plan.knowledge.get(hit.entry) else { continue };
        let standing =
            question.standing.on(day).map_or_else(|unfit| unfit.to_string(), |()| "may be answered".to_owned());
        let near = if mind.knowledge().is_enough(hit.likeness, next) { "" } else { ", not alike enough" };
        let asked = examples.get(hit.example).map_or("", |text| text.as_str());
        lines.push(format!("{:>2}. {:.2}   {} ({standing}{near})", place + 1, hit.likeness, question.name));
        lines.push(format!("           by \"{asked}\": {}", shares(hit)));
        lines.extend(question.answers.get(&plan.default_language()).map(|answer| format!("           {answer}")));
    }
    lines
}

fn shares(hit: &Hit) -> String {
    let names = ["words", "letters", "sounds", "written"];
    let all = names.iter().zip(hit.by_view).filter(|(_, share)| *share >= 0.005);
    all.map(|(name, share)| format!("{name} {:.0} %", share * 100.0)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
