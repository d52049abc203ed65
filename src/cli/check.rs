//! `tingwa check [DIR]...`: reads dialplans, names everything that is wrong with them, learns them and runs their
//! scenarios. Exit code 0 where nothing is wrong.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use crate::conversation::{Understanding, scenario};
use crate::dialplan::{Plan, PlanFiles, check, read_plan};
use crate::driver::lines::{line_folders, read_folder};
use crate::settings::Problems;

use super::CliError;

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
}

/// Checks and reports.
pub fn run(args: &CheckArgs) -> Result<ExitCode, CliError> {
    let (problems, warnings) = (Problems::default(), Problems::default());
    let all = args.folders.iter().flat_map(|folder| read_folders(folder, &problems)).collect();
    for (files, plan) in plans(all, &problems, &warnings) {
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

fn asked(text: &str, plan: &Plan, mind: &Understanding) -> String {
    let verdict = mind.judge(&mind.views(text), plan, plan.default_chinese());
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
    format!("  \"{text}\": {:?} ({guess})", verdict.meaning)
}

fn scenarios(files: &PlanFiles, plan: &Arc<Plan>, mind: &Arc<Understanding>, problems: &Problems) {
    let (mut count, mut steps) = (0, 0);
    for (path, text) in files.files.iter().filter(|(path, _)| path.starts_with("scenarios/")) {
        let name = format!("{}/{path}", files.folder);
        steps += scenario::run(plan, mind, &name, text, Instant::now(), problems);
        count += 1;
    }
    println!("{}: {count} scenarios, {steps} steps", files.folder);
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
