//! One file per subcommand. A subcommand reads its arguments, asks the parts, prints; it decides nothing.

pub mod call;
pub mod calls;
pub mod check;
pub mod eval;
pub mod export;
pub mod fmt;
pub mod import;
pub mod knowledge;
pub mod llm;
pub mod models;
pub mod new;
pub mod nlu;
pub mod recogniser_worker;
pub mod route_test;
pub mod schema;
pub mod serve;
pub mod signal;
pub mod table;
pub mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::{Config, ConfigError};

/// 聽話 — an on-box voice hotline gateway: answers SIP calls in Cantonese, Mandarin and English.
#[derive(Debug, Parser)]
#[command(name = "tingwa", version, arg_required_else_help = true)]
#[command(
    after_help = "Examples:\n  tingwa serve --config tingwa.toml\n  tingwa call sip:1823@127.0.0.1:5060 say:yue:我想查詢我張單\n  tingwa why last"
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer calls
    Serve(serve::ServeArgs),
    /// Check dialplans and run their scenarios
    Check(check::CheckArgs),
    /// Train, test and explain understanding
    Nlu(nlu::NluArgs),
    /// Switch the language model off or on, or try it
    Llm(llm::LlmArgs),
    /// Import and search questions and answers
    Knowledge(knowledge::KnowledgeArgs),
    /// Show which hotline takes a number, and whether its people are there
    RouteTest(route_test::RouteTestArgs),
    /// Show or set typhoon and rainstorm signals
    Signal(signal::SignalArgs),
    /// Make a hotline that works, to change
    New(new::NewArgs),
    /// Bring dialplans into one shape
    Fmt(fmt::FmtArgs),
    /// Make a hotline from an Asterisk dialplan
    Import(import::ImportArgs),
    /// Print what a PBX needs to send calls here
    Export(export::ExportArgs),
    /// Print the JSON Schema of a dialplan's files
    Schema(schema::SchemaArgs),
    /// Place or answer a call with the built-in softphone
    Call(call::CallArgs),
    /// Measure a recogniser over labelled audio
    Eval(eval::EvalArgs),
    /// List calls, newest first
    Calls(calls::CallsArgs),
    /// Show what a call heard, decided and said, and why
    Why(why::WhyArgs),
    /// List, fetch, verify, try and measure models
    Models(models::ModelsArgs),
    /// The recogniser process of a gateway
    #[command(hide = true)]
    RecogniserWorker(recogniser_worker::RecogniserWorkerArgs),
    /// Print shell completions
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// True where it reads, prints and ends: no sockets, no children that could close a pipe on it.
    fn only_prints(&self) -> bool {
        match self {
            Self::Serve(_) | Self::Call(_) | Self::Eval(_) | Self::Models(_) | Self::RecogniserWorker(_) => false,
            Self::Check(_) | Self::Calls(_) | Self::Why(_) | Self::Completions { .. } => true,
            Self::RouteTest(_) | Self::Signal(_) | Self::Nlu(_) | Self::Knowledge(_) | Self::Schema(_) => true,
            Self::Llm(_) | Self::New(_) | Self::Fmt(_) | Self::Import(_) | Self::Export(_) => true,
        }
    }
}

const DEFAULT_CONFIG: &str = "tingwa.toml";

/// Where the configuration is.
#[derive(Debug, Clone, clap::Args)]
pub struct ConfigArgs {
    /// Configuration file
    #[arg(long, short, env = "TINGWA_CONFIG", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
}

impl ConfigArgs {
    /// Reads it; every problem at once.
    pub fn load(&self) -> Result<Config, CliError> {
        Ok(Config::load(&self.config)?)
    }

    /// True where nobody named another.
    pub fn is_default(&self) -> bool {
        self.config.as_os_str() == DEFAULT_CONFIG
    }
}

/// Why a subcommand could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] crate::store::sqlite::StoreError),
    /// The gateway could not start or ended badly.
    #[error(transparent)]
    App(#[from] crate::app::AppError),
    /// What a measuring subcommand ran into.
    #[error(transparent)]
    Other(#[from] Box<dyn std::error::Error>),
    /// Something about the arguments.
    #[error("{0}")]
    Usage(String),
    /// The operating system said no.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// Runs a short asynchronous piece of a subcommand.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| CliError::System { doing: "cannot start the runtime".to_owned(), source })?;
    Ok(runtime.block_on(future))
}

/// The program: arguments to an exit code. Errors go to standard error, for people.
pub fn run() -> ExitCode {
    for (name, value) in crate::engine::runtime::VARIABLES {
        // SAFETY: nothing else runs yet; `main` calls this before any thread is started.
        unsafe { std::env::set_var(name, value) };
    }
    let command = Arguments::parse().command;
    if command.only_prints() {
        // SAFETY: nothing else runs yet. `tingwa why last | head` then ends as other programs do, not with a panic.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    }
    let outcome = match command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Nlu(args) => nlu::run(&args),
        Command::Llm(args) => llm::run(&args),
        Command::Knowledge(args) => knowledge::run(&args),
        Command::RouteTest(args) => route_test::run(&args),
        Command::Signal(args) => signal::run(&args),
        Command::New(args) => new::run(&args),
        Command::Fmt(args) => fmt::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Call(args) => call::run(&args),
        Command::Eval(args) => eval::run(&args).map_err(CliError::from),
        Command::Calls(args) => calls::run(&args),
        Command::Why(args) => why::run(&args),
        Command::Models(args) => models::run(&args).map_err(CliError::from),
        Command::RecogniserWorker(args) => recogniser_worker::run(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "tingwa", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("tingwa: {error}");
        ExitCode::FAILURE
    })
}
