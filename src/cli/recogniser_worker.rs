//! `tingwa recogniser-worker`: the child's side of a recogniser process. The gateway starts it; standard input is the socket.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::CliError;
use crate::engine::local::LocalEngines;
use crate::engine::manifest::Manifest;
use crate::engine::process::child;
use crate::engine::recogniser::second_pass::SecondPassConfig;
use crate::engine::worker::PoolConfig;

/// What the gateway names.
#[derive(Debug, clap::Args)]
pub struct RecogniserWorkerArgs {
    /// Model manifest
    #[arg(long)]
    manifest: PathBuf,
    /// Recogniser's id
    #[arg(long)]
    recogniser: String,
    /// Id of a second recogniser for the final text
    #[arg(long)]
    second_pass: Option<String>,
    /// Threads for whole utterances
    #[arg(long, default_value_t = 1)]
    second_pass_threads: usize,
    /// Most time that a final text may take, ms
    #[arg(long, default_value_t = 600)]
    second_pass_wait_ms: u64,
    /// Voice activity model's id
    #[arg(long)]
    vad: String,
    /// Recogniser threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

/// Runs it until the gateway closes the socket.
pub fn run(args: &RecogniserWorkerArgs) -> Result<ExitCode, CliError> {
    let system = |doing: &str| {
        let doing = doing.to_owned();
        move |source: std::io::Error| CliError::System { doing, source }
    };
    // The gateway's end ends this one; where it could not close its socket, the kernel sees to it.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(|error| system("cannot be tied to the gateway")(error.into()))?;
    let stdin = rustix::io::dup(std::io::stdin()).map_err(|error| system("no standard input")(error.into()))?;
    let socket = UnixStream::from(stdin);
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).without_time().init();
    let failed = |error: Box<dyn std::error::Error>| CliError::Other(error);
    let manifest = Manifest::load(&args.manifest).map_err(|error| failed(error.into()))?;
    let engines = LocalEngines::of(&manifest, &args.recogniser, &args.vad).map_err(|error| failed(error.into()))?;
    let passes =
        SecondPassConfig { threads: args.second_pass_threads, wait: Duration::from_millis(args.second_pass_wait_ms) };
    let engines = engines
        .with_second_pass(&manifest, args.second_pass.as_deref(), passes)
        .map_err(|error| failed(error.into()))?;
    let config = PoolConfig { workers: args.threads, ..PoolConfig::default() };
    child::serve(socket, config, engines).map_err(|error| failed(error.into()))?;
    Ok(ExitCode::SUCCESS)
}
