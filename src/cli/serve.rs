//! `tingwa serve`: the gateway itself, in the foreground.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;

use super::{CliError, ConfigArgs, why};
use crate::app::{self, Watcher};
use crate::driver::lines::Lines;
use crate::ids::CallId;
use crate::journal::{Entry, Record};

/// Answer calls.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tingwa serve\n  tingwa serve --config /etc/tingwa/tingwa.toml --json-log\n  tingwa serve --show-calls      # what is said in calls, for demonstrations\n\nSIGTERM drains and stops; SIGHUP reloads the dialplans."
)]
pub struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print what is heard, decided and said in calls as it happens (personal data!)
    #[arg(long)]
    show_calls: bool,
    /// Log as JSON, one object a line
    #[arg(long)]
    json_log: bool,
    /// What to log: error, warn, info, debug, trace, or a filter such as tingwa::sip=debug
    #[arg(long, env = "TINGWA_LOG", default_value = "info")]
    log: String,
}

/// Runs until told to stop.
pub fn run(args: &ServeArgs) -> Result<ExitCode, CliError> {
    let config = args.config.load()?;
    let filter =
        EnvFilter::try_new(&args.log).map_err(|error| CliError::Usage(format!("--log {}: {error}", args.log)))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let log = log.with_ansi(std::io::stderr().is_terminal());
    if args.json_log {
        log.json().init()
    } else {
        log.init()
    }
    let terminal = Terminal { show_calls: args.show_calls, bar: None, names: BTreeMap::new() };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("shell")
        .enable_all()
        .build()
        .map_err(|source| CliError::System { doing: "cannot start the runtime".to_owned(), source })?;
    runtime.block_on(app::serve(config, terminal))?;
    Ok(ExitCode::SUCCESS)
}

/// Shows a person what happens.
struct Terminal {
    show_calls: bool,
    bar: Option<ProgressBar>,
    names: BTreeMap<CallId, String>,
}

impl Watcher for Terminal {
    fn prompts(&mut self, done: usize, of: usize) {
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
            let bar = ProgressBar::new(of as u64).with_message("speaking the fixed prompts");
            style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
        });
        bar.set_position(done as u64);
        if done == of {
            bar.finish_and_clear();
        }
    }

    fn ready(&mut self, lines: &Lines, listening: &[String]) {
        let lines: Vec<_> = lines.all().map(|line| line.plan.name.clone()).collect();
        tracing::info!(listening = listening.join(" "), lines = lines.join(" "), "ready");
    }

    fn fact(&mut self, record: &Record) {
        if !self.show_calls {
            return;
        }
        if let Entry::Offered { from, .. } = &record.entry {
            self.names.insert(record.call, from.reveal().clone());
        }
        let name = self.names.get(&record.call).cloned().unwrap_or_default();
        println!("[{name:>10}] {}", why::line(record));
        if matches!(record.entry, Entry::Ended(_)) {
            self.names.remove(&record.call);
        }
    }
}
