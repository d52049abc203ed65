//! `tingwa callers`: what is remembered of a caller: show it, set it, forget it. Numbers are given, never listed: the store has none.

use std::process::ExitCode;

use super::{CliError, ConfigArgs, block_on};
use crate::config::secret;
use crate::journal::profile::{MOST_TICKETS, OptOut, Profile};
use crate::speech::Language;
use crate::store::callers::{CallerKey, Callers, today};
use crate::store::sqlite::Database;

/// Show, set and forget what is remembered of callers.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tingwa callers show 91234567\n  tingwa callers set 91234567 --tier gold --name 陳生 --ticket T-1024\n  tingwa callers set 91234567 --no recording\n  tingwa callers forget 91234567\n  tingwa callers purge"
)]
pub struct CallersArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(subcommand)]
    command: Do,
}

#[derive(Debug, clap::Subcommand)]
enum Do {
    /// Show what is remembered of a number
    Show {
        /// As the PBX shows it, or in any other form
        number: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Set what calls cannot tell
    Set(SetArgs),
    /// Forget a number whole, what it does not want included
    Forget {
        /// In any form
        number: String,
    },
    /// Forget what is older than the configuration's retention_days
    Purge,
}

#[derive(Debug, clap::Args)]
struct SetArgs {
    /// In any form
    number: String,
    /// Tier, e.g. gold; "" for none
    #[arg(long)]
    tier: Option<String>,
    /// Name to greet with; "" for none
    #[arg(long)]
    name: Option<String>,
    /// yue, cmn or eng
    #[arg(long)]
    language: Option<Language>,
    /// An open ticket, more than once for several
    #[arg(long = "ticket")]
    tickets: Vec<String>,
    /// A ticket that is closed
    #[arg(long = "close")]
    closed: Vec<String>,
    /// What the caller does not want: recording, language-model or memory
    #[arg(long = "no", value_parser = opt_out)]
    no: Vec<OptOut>,
    /// What the caller wants again
    #[arg(long = "yes", value_parser = opt_out)]
    yes: Vec<OptOut>,
}

fn opt_out(text: &str) -> Result<OptOut, String> {
    match text {
        "recording" => Ok(OptOut::Recording),
        "language-model" => Ok(OptOut::LanguageModel),
        "memory" => Ok(OptOut::Memory),
        _ => Err("expected recording, language-model or memory".to_owned()),
    }
}

/// Does it.
pub fn run(args: &CallersArgs) -> Result<ExitCode, CliError> {
    let config = args.config.load()?;
    let written = config.memory.secret.as_ref();
    let written = written.ok_or_else(|| {
        CliError::Usage("nothing is remembered: [memory] in the configuration has no secret".to_owned())
    })?;
    let secret = secret(written).map_err(CliError::Usage)?;
    block_on(async {
        let database = Database::open(&config.store.database).await?;
        let callers = Callers::new(database, &secret, &config.memory).map_err(|e| CliError::Usage(e.to_string()))?;
        match &args.command {
            Do::Show { number, json } => {
                let profile = callers.get(&key(&callers, number)?).await?;
                show(profile.as_ref(), *json);
                Ok(if profile.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
            Do::Set(set) => {
                let key = key(&callers, &set.number)?;
                let profile = callers.change(&key, today(), |profile| set.apply(profile)).await?;
                show(Some(&profile), false);
                Ok(ExitCode::SUCCESS)
            }
            Do::Forget { number } => {
                let known = callers.forget(&key(&callers, number)?).await?;
                println!("{}", if known { "Forgotten." } else { "Nothing was remembered." });
                Ok(ExitCode::SUCCESS)
            }
            Do::Purge => {
                println!("{} forgotten", callers.purge(today()).await?);
                Ok(ExitCode::SUCCESS)
            }
        }
    })?
}

fn key(callers: &Callers, number: &str) -> Result<CallerKey, CliError> {
    let none = || CliError::Usage(format!("'{number}' is no number of one caller: at least 7 digits"));
    callers.key(number).ok_or_else(none)
}

impl SetArgs {
    fn apply(&self, profile: &mut Profile) {
        let text = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        if let Some(tier) = &self.tier {
            profile.tier = text(tier);
        }
        if let Some(name) = &self.name {
            profile.name = text(name).map(Into::into);
        }
        profile.language = self.language.or(profile.language);
        profile
            .tickets
            .retain(|ticket| !self.closed.contains(ticket.reveal()) && !self.tickets.contains(ticket.reveal()));
        profile.tickets.extend(self.tickets.iter().map(|ticket| ticket.clone().into()));
        profile.tickets.drain(..profile.tickets.len().saturating_sub(MOST_TICKETS));
        profile.opt_outs.extend(&self.no);
        profile.opt_outs.retain(|what| !self.yes.contains(what));
    }
}

fn show(profile: Option<&Profile>, json: bool) {
    let Some(profile) = profile else { return println!("{}", if json { "null" } else { "Nothing is remembered." }) };
    if json {
        return println!("{}", serde_json::json!(profile));
    }
    let line = |what: &str, text: Option<String>| println!("{what:<10} {}", text.unwrap_or_else(|| "-".to_owned()));
    let list = |all: Vec<String>| Some(all.join(", ")).filter(|all| !all.is_empty());
    line("name", profile.name.as_ref().map(|name| name.reveal().clone()));
    line("tier", profile.tier.clone());
    line("language", profile.language.map(|language| language.code().to_owned()));
    let ago = |day: u64| match today().saturating_sub(day) {
        0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days => format!("{days} days ago"),
    };
    let wanted = profile.wanted.iter().rev();
    line("called for", list(wanted.map(|w| format!("{}/{} {}", w.dialplan, w.intent, ago(w.day))).collect()));
    line("tickets", list(profile.tickets.iter().map(|ticket| ticket.reveal().clone()).collect()));
    let refused = profile.opt_outs.iter().map(|what| match what {
        OptOut::Recording => "recording".to_owned(),
        OptOut::LanguageModel => "language-model".to_owned(),
        OptOut::Memory => "memory".to_owned(),
    });
    line("wants no", list(refused.collect()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_what_is_said_and_leaves_the_rest() {
        let none = || SetArgs {
            number: String::new(),
            tier: None,
            name: None,
            language: None,
            tickets: Vec::new(),
            closed: Vec::new(),
            no: Vec::new(),
            yes: Vec::new(),
        };
        let mut profile = Profile::default();
        let (tickets, no) = (vec!["a".to_owned(), "b".to_owned()], vec![OptOut::Recording]);
        SetArgs { tier: Some("gold".into()), language: Some(Language::English), tickets, no, ..none() }
            .apply(&mut profile);
        SetArgs { closed: vec!["a".to_owned()], name: Some("陳生".into()), ..none() }.apply(&mut profile);
        assert_eq!((profile.tier.as_deref(), profile.language), (Some("gold"), Some(Language::English)));
        assert_eq!((profile.tickets.len(), profile.opted_out(OptOut::Recording)), (1, true));
        SetArgs { tier: Some(" ".into()), yes: vec![OptOut::Recording], ..none() }.apply(&mut profile);
        assert_eq!((profile.tier, profile.opt_outs.len()), (None, 0));
    }
}
