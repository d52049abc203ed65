//! `tingwa models`: which models there are, how to get them, whether they are the right ones, whether they load, what they
//! hear and what they cost.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::engine::local::{check_here, check_in_child};
use crate::engine::manifest::{DEFAULT_PATH, Manifest, Model, fingerprint};

mod bench;
mod licence;
mod list;
mod listen;
mod pin;
mod pull;

pub use listen::read_as_call;

/// Arguments of `tingwa models`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tingwa models list\n  tingwa models show sense-voice-small\n  tingwa models pull sense-voice-small\n  tingwa models pull sense-voice-small --from /media/usb/sense-voice\n  tingwa models verify\n  tingwa models try call.wav --recogniser tiny-trilingual,sense-voice-small\n  tingwa models bench sense-voice-small"
)]
pub struct ModelsArgs {
    /// Model manifest
    #[arg(long, global = true, default_value = DEFAULT_PATH)]
    pub manifest: PathBuf,
    /// What to do
    #[command(subcommand)]
    pub what: ModelsCommand,
}

/// What `tingwa models` can do.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List all models: languages, size, licence, whether they are installed, what they cost
    List {
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Show one model: its licence in full, origin, files, measurements
    Show {
        /// The model
        id: String,
    },
    /// Fetch a model and check every byte; goes on where an interrupted fetch stopped
    Pull(pull::PullArgs),
    /// Accept the licence of a model that is not simply free for commercial use
    Accept {
        /// The model
        id: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Check files against their checksums and load each model in a process of its own
    Verify {
        /// Models to check; all that are installed where none is named
        ids: Vec<String>,
    },
    /// Say what recognisers hear in a recording (WAV, FLAC, MP3, Ogg), with voice activity and their guesses
    Try {
        /// The recording
        file: PathBuf,
        /// Recognisers, separated by commas
        #[arg(long, value_delimiter = ',', default_value = "tiny-trilingual")]
        recogniser: Vec<String>,
        /// Voice activity model
        #[arg(long, default_value = "silero-vad")]
        vad: String,
    },
    /// Measure a recogniser: time of a processor, first guess, final text, memory
    Bench(bench::BenchArgs),
    /// Print the manifest lines of files: size and checksum
    Hash {
        /// Files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Write size and checksum of a model's files as they are now into the manifest; only for files that you made or whose
    /// origin you checked
    Pin {
        /// The model
        id: String,
    },
    /// Load one model in this process
    #[command(hide = true)]
    Load {
        /// The model
        id: String,
    },
}

/// Runs `tingwa models`.
pub fn run(args: &ModelsArgs) -> Result<ExitCode, Box<dyn Error>> {
    if let ModelsCommand::Hash { files } = &args.what {
        return hash(files);
    }
    let manifest = Manifest::load(&args.manifest)?;
    match &args.what {
        ModelsCommand::List { json: false } => list::table(&manifest),
        ModelsCommand::List { json: true } => list::json(&manifest)?,
        ModelsCommand::Show { id } => list::show(manifest.model(id)?),
        ModelsCommand::Pull(pull) => pull::run(pull, &args.manifest, manifest.model(&pull.id)?)?,
        ModelsCommand::Accept { id, yes } => licence::accept(manifest.model(id)?, *yes)?,
        ModelsCommand::Verify { ids } => return verify(&manifest, &args.manifest, ids),
        ModelsCommand::Try { file, recogniser, vad } => listen::run(&manifest, recogniser, vad, file)?,
        ModelsCommand::Bench(bench) => bench::run(bench, &manifest)?,
        ModelsCommand::Hash { files } => return hash(files),
        ModelsCommand::Pin { id } => pin::pin(&args.manifest, manifest.model(id)?)?,
        ModelsCommand::Load { id } => check_here(manifest.model(id)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(manifest: &Manifest, path: &Path, ids: &[String]) -> Result<ExitCode, Box<dyn Error>> {
    let mut models: Vec<&Model> = Vec::new();
    for id in ids {
        models.push(manifest.model(id)?);
    }
    if ids.is_empty() {
        models.extend(manifest.models.iter().filter(|model| model.is_installed()));
    }
    if models.is_empty() {
        println!("no model is installed; `tingwa models list` shows what there is");
    }
    let mut bad = 0;
    for model in models {
        match check_in_child(path, model) {
            Ok(()) => println!("ok      {}", model.id),
            Err(error) => {
                bad += 1;
                println!("FAILED  {}: {error}", model.id);
            }
        }
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn hash(files: &[PathBuf]) -> Result<ExitCode, Box<dyn Error>> {
    for file in files {
        let found = fingerprint(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        println!("name = \"{name}\"\nsha256 = \"{}\"\nbytes = {}\n", found.sha256, found.bytes);
    }
    Ok(ExitCode::SUCCESS)
}
