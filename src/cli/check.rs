//! `tingwa check [DIR]...`: reads dialplans, names everything that is wrong with them, learns them and runs their
//! scenarios. Exit code 0 where nothing is wrong.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use jiff::civil::Date;

use crate::conversation::{Command, Understanding, scenario};
use crate::dialplan::calendar::day;
use crate::dialplan::schema::Target;
use crate::dialplan::{Plan, PlanFiles, check, read_plan};
use crate::driver::lines::{line_folders, read_folder};
use crate::settings::Problems;
use crate::speech::Language;

use super::{CliError, ConfigArgs};

/// Phrases that are understood otherwise, of which this many are shown.
const MISREAD: usize = 20;

/// Check dialplans and run their scenarios.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tingwa check\n  tingwa check dialplans/demo\n  tingwa check dialplans/demo --ask 我想check下個bill"
)]
pub struct CheckArgs {
    /// Folders of one dialplan, or of several
    #[arg(default_value = "dialplans")]
    folders: Vec<PathBuf>,
    /// Do not run scenarios
    #[arg(long)]
    no_scenarios: bool,
    /// Show what this would be understood as
    #[arg(long, value_name = "TEXT")]
    ask: Vec<String>,
    /// Warnings count as problems
    #[arg(long)]
    strict: bool,
    /// Telephones must be behind a trunk of this configuration; tingwa.toml where there is one
    #[command(flatten)]
    config: ConfigArgs,
}

/// Checks and reports.
pub fn run(args: &CheckArgs) -> Result<ExitCode, CliError> {
    let (problems, warnings) = (Problems::default(), Problems::default());
    let all = args.folders.iter().flat_map(|folder| read_folders(folder, &problems)).collect();
    let named = !args.config.is_default() || args.config.config.is_file();
    let peers = if named { Some(args.config.load()?.peers()) } else { None };
    for (files, plan) in plans(all, &problems, &warnings) {
        if let Some(peers) = &peers {
            check::telephones(&files, &plan, peers, &problems);
            check::hosts(&files, &plan, &peers.hosts, &warnings);
        }
        let before = Instant::now();
        let mind = Arc::new(Understanding::train(&plan));
        let phrases: usize = plan.intents.iter().flat_map(|intent| intent.phrases.values()).map(Vec::len).sum();
        println!(
            "{}: {} intents, {phrases} phrases, {} questions, {} prompts in {} languages; learnt in {} ms",
            files.folder,
            plan.intents.len(),
            plan.knowledge.len(),
            plan.prompts.0.len(),
            plan.languages.len(),
            before.elapsed().as_millis()
        );
        let plan = Arc::new(plan);
        for text in &args.ask {
            println!("{}", asked(text, &plan, &mind));
        }
        misread(&plan, &mind).iter().for_each(|line| println!("{}: {line}", files.folder));
        if !args.no_scenarios {
            scenarios(&files, &plan, &mind, &problems);
        }
    }
    let (problems, warnings) = (problems.into_vec(), warnings.into_vec());
    problems.iter().for_each(|problem| eprintln!("{problem}"));
    warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    let bad = !problems.is_empty() || args.strict && !warnings.is_empty();
    println!("{} problems, {} warnings", problems.len(), warnings.len());
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// In Hong Kong.
pub(super) fn today() -> Date {
    day(std::time::SystemTime::now())
}

/// For people.
pub(super) fn meant(command: &Command) -> String {
    match command {
        Command::StartFlow { intent } | Command::ChitChat { intent } => format!("intent {intent}"),
        Command::Answer { entry } => format!("knowledge {entry}"),
        Command::Handoff { reason, .. } => format!("a wish for a human ({reason})"),
        Command::Speak { language } => format!("a wish for '{language}'"),
        Command::NoMatch => "nothing".to_owned(),
        other => format!("{other:?}"),
    }
}

fn asked(text: &str, plan: &Plan, mind: &Understanding) -> String {
    let verdict = mind.judge(&mind.views(text), plan, plan.default_chinese(), today());
    let name = |number: usize| plan.intents.get(number).map_or("?", |intent| intent.name.as_str());
    let guess = verdict.guess.map_or("nothing to score".to_owned(), |guess| {
        let second = guess.second.map_or(String::new(), |(n, p)| format!(", then {} {p:.2}", name(n)));
        let threshold = mind.classifier().threshold();
        format!(
            "{} {:.2}{second}; score {:.2}, threshold {threshold:.2}",
            name(guess.best.0),
            guess.best.1,
            guess.score
        )
    });
    format!("  \"{text}\": {} ({guess})", meant(&verdict.command))
}

/// Phrases of an intent that the line understands otherwise: taken by a rule, a question or another intent.
fn misread(plan: &Plan, mind: &Understanding) -> Vec<String> {
    let mut lines = Vec::new();
    for intent in &plan.intents {
        let said = intent.phrases.iter().flat_map(|(language, all)| all.iter().map(move |phrase| (*language, phrase)));
        for (language, phrase) in said {
            // "Chinese" asked for in English is Cantonese, as in a call.
            let chinese = if language == Language::Mandarin { language } else { Language::Cantonese };
            let command = mind.judge(&mind.views(phrase), plan, chinese, today()).command;
            let found = match &command {
                Command::StartFlow { intent: found } | Command::ChitChat { intent: found } if *found == intent.name => {
                    continue;
                }
                Command::StartFlow { intent: found } | Command::ChitChat { intent: found } => found.clone(),
                // Who asks for a human gets one, whatever the intent is called.
                Command::Handoff { .. } if matches!(intent.then, Target::Queue(_)) => continue,
                Command::Answer { entry } => entry.clone(),
                other => meant(other),
            };
            lines.push(format!("\"{phrase}\" of '{}' is understood as {found}", intent.name));
        }
    }
    let more = lines.len().saturating_sub(MISREAD);
    lines.truncate(MISREAD);
    lines.extend((more > 0).then(|| format!("and {more} phrases more")));
    lines
}

fn scenarios(files: &PlanFiles, plan: &Arc<Plan>, mind: &Arc<Understanding>, problems: &Problems) {
    let (mut count, mut reached) = (0, scenario::Reached::default());
    for (path, text) in files.files.iter().filter(|(path, _)| path.starts_with("scenarios/")) {
        let name = format!("{}/{path}", files.folder);
        reached.add(scenario::run(plan, mind, &name, text, Instant::now(), problems));
        count += 1;
    }
    println!("{}: {count} scenarios, {} steps", files.folder, reached.steps);
    let missing = reached.missing(plan);
    if count > 0 && !missing.is_empty() {
        println!("{}: no scenario reaches {}", files.folder, missing.join(", "));
    }
}

/// Reads every dialplan of a folder, in the order of their names; plans with problems are left out.
pub fn load(folder: &Path, problems: &Problems, warnings: &Problems) -> Vec<Plan> {
    plans(read_folders(folder, problems), problems, warnings).into_iter().map(|(_, plan)| plan).collect()
}

fn read_folders(folder: &Path, problems: &Problems) -> Vec<PlanFiles> {
    let folders = line_folders(folder);
    if folders.is_empty() {
        problems.push_file(
            folder.display(),
            "no plan.toml here nor in a folder within; expected e.g. dialplans/demo/plan.toml",
        );
    }
    folders.iter().map(|folder| read_folder(folder, problems)).collect()
}

fn plans(all: Vec<PlanFiles>, problems: &Problems, warnings: &Problems) -> Vec<(PlanFiles, Plan)> {
    let mut read = Vec::new();
    for files in all {
        if let Some(plan) = read_plan(&files, problems, warnings) {
            read.push((files, plan));
        }
    }
    if read.len() > 1 {
        let pairs: Vec<(&PlanFiles, &Plan)> = read.iter().map(|(files, plan)| (files, plan)).collect();
        check::between(&pairs, problems, warnings);
    }
    read
}
