//! `tingwa llm`: switches the language model off and on at once, shows how it stands, and asks it about a sentence as a call
//! would, with what would follow.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use crate::config::{Config, secret};
use crate::conversation::{LlmOutcome, LlmRequest, llm};
use crate::dialplan::calendar;
use crate::driver::llm::LlmPool;
use crate::ids::LlmId;
use crate::settings::Problems;

use super::{CliError, ConfigArgs, check};

/// Switch the language model off or on, or try it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tingwa llm status\n  tingwa llm off            # at once, for calls in progress, too; stays over a restart\n  tingwa llm on\n  tingwa llm try dialplans/demo 我部機成日斷線"
)]
pub struct LlmArgs {
    #[command(subcommand)]
    command: LlmCommand,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, clap::Subcommand)]
enum LlmCommand {
    /// Show whether one is configured, where, and whether it is switched off
    Status,
    /// No call asks it any more
    Off,
    /// Calls ask it again
    On,
    /// Ask it what sentences mean
    Try {
        /// The hotline's folder
        hotline: std::path::PathBuf,
        /// Sentences
        #[arg(required = true)]
        texts: Vec<String>,
    },
}

/// Switches, shows or tries.
pub fn run(args: &LlmArgs) -> Result<ExitCode, CliError> {
    let config = args.config.load()?;
    let path = config.llm_off.clone();
    let system = |doing: &str| {
        let doing = format!("{doing} {}", path.display());
        move |source| CliError::System { doing, source }
    };
    match &args.command {
        LlmCommand::Status => {}
        LlmCommand::Off => {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(system("cannot make the folder of"))?;
            }
            let text = "The language model is switched off while this file is here: tingwa llm on\n";
            std::fs::write(&path, text).map_err(system("cannot write"))?;
        }
        LlmCommand::On if path.exists() => std::fs::remove_file(&path).map_err(system("cannot remove"))?,
        LlmCommand::On => {}
        LlmCommand::Try { hotline, texts } => return try_on(&config, hotline, texts),
    }
    println!("{}", status(&config));
    Ok(ExitCode::SUCCESS)
}

fn status(config: &Config) -> String {
    let Some(llm) = &config.llm else { return "no language model is configured ([llm], enabled = true)".to_owned() };
    let side = if config.llm_off.exists() { "off: tingwa llm on" } else { "on" };
    let ms = llm.terms.budget.as_millis();
    format!("{} at {}, {ms} ms a question, switched {side}", llm.terms.model, llm.address())
}

fn try_on(config: &Config, hotline: &Path, texts: &[String]) -> Result<ExitCode, CliError> {
    let llm = config.llm.as_ref().ok_or_else(|| CliError::Usage(status(config)))?;
    let (problems, warnings) = (Problems::default(), Problems::default());
    let plans = check::load(hotline, &problems, &warnings);
    let [plan] = plans.as_slice() else {
        return Err(CliError::Usage(format!("{}: expected one dialplan without problems", hotline.display())));
    };
    let pool =
        LlmPool::start(llm, config.llm_off.clone(), secret).map_err(|error| CliError::Usage(error.to_string()))?;
    let day = calendar::day(std::time::SystemTime::now());
    let instructions = llm::Instructions::of(plan, day);
    println!("instructions  {} characters", instructions.text.chars().count());
    let mut answered = true;
    for text in texts {
        let said = llm::sent(text, false, &llm.terms);
        println!("sent          {said}");
        let (terms, instructions) = (&llm.terms, instructions.clone());
        let request = LlmRequest {
            id: LlmId(1),
            instructions,
            said: said.into(),
            max_tokens: terms.max_tokens,
            budget: terms.budget,
        };
        let began = Instant::now();
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let reply = match pool.ask(request, Box::new(move |reply| drop(sender.send(reply)))) {
            Ok(()) => receiver.recv().map_err(|_| CliError::Usage("no answer at all".to_owned()))?,
            Err(reply) => reply,
        };
        let ms = began.elapsed().as_millis();
        let meant = match reply.outcome {
            LlmOutcome::Failed(failure) => Err(failure),
            LlmOutcome::Answered(text) => {
                println!("answered      {} ({ms} ms)", text.reveal());
                llm::answer::read(text.reveal(), plan, day)
            }
        };
        match meant {
            Ok(answer) => println!("means         {:?}", answer.command),
            Err(failure) => {
                answered = false;
                println!("no use        {failure:?} ({ms} ms): the embedded understanding decides");
            }
        }
    }
    Ok(if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
