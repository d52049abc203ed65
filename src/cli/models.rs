//! `tingwa models`: which models there are, whether they are the right ones, whether they load, and what they hear.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::audio::frame::{Frame, WideFrame};
use crate::audio::resample::{Upsampler8To16, resample_all_f32};
use crate::engine::local::{LocalEngines, check_here, check_in_child};
use crate::engine::manifest::{DEFAULT_PATH, Kind, Manifest, Model, fingerprint};
use crate::engine::runtime;
use crate::engine::synthesiser::recorded;
use crate::engine::worker::{EngineFactory, EventKind, Feeding, rehearse};

/// Arguments of `tingwa models`.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// Model manifest.
    #[arg(long, global = true, default_value = DEFAULT_PATH)]
    pub manifest: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub what: ModelsCommand,
}

/// What `tingwa models` can do.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// Lists all models, whether they are installed, their languages and licences.
    List,
    /// Checks files against their checksums and loads each model in a process of its own.
    Verify {
        /// Models to check; all that are installed where none is named.
        ids: Vec<String>,
    },
    /// Says what a recogniser hears in a recording (WAV, FLAC, MP3, Ogg), with voice activity and its guesses.
    Try {
        /// The recording.
        file: PathBuf,
        /// Recogniser.
        #[arg(long, default_value = "tiny-trilingual")]
        recogniser: String,
        /// Voice activity model.
        #[arg(long, default_value = "silero-vad")]
        vad: String,
    },
    /// Prints the manifest lines of files: size and checksum.
    Hash {
        /// Files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Writes size and checksum of a model's files as they are now into the manifest. Only for files that you made or
    /// whose origin you checked.
    Pin {
        /// The model.
        id: String,
    },
    /// Loads one model in this process.
    #[command(hide = true)]
    Load {
        /// The model.
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
        ModelsCommand::List => list(&manifest),
        ModelsCommand::Verify { ids } => return verify(&manifest, &args.manifest, ids),
        ModelsCommand::Try { file, recogniser, vad } => try_file(&manifest, recogniser, vad, file)?,
        ModelsCommand::Hash { files } => return hash(files),
        ModelsCommand::Pin { id } => pin(&args.manifest, manifest.model(id)?)?,
        ModelsCommand::Load { id } => check_here(manifest.model(id)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(manifest: &Manifest) {
    println!("{:<24} {:<12} {:<14} {:<12} licence", "model", "kind", "languages", "installed");
    for model in &manifest.models {
        let languages = model.languages.iter().map(|l| l.code()).collect::<Vec<_>>().join(",");
        let installed = match (model.is_installed(), model.files.iter().all(|f| f.sha256.is_some())) {
            (true, true) => "yes",
            (true, false) => "no checksum",
            (false, _) => "no",
        };
        println!("{:<24} {:<12} {:<14} {:<12} {}", model.id, model.kind, languages, installed, model.licence);
        if !model.is_installed() {
            println!("{:<24} {}", "", model.get);
        }
    }
    match runtime::library() {
        Ok(path) => println!("\nONNX Runtime: {}", path.display()),
        Err(error) => println!("\nONNX Runtime: {error}"),
    }
}

fn verify(manifest: &Manifest, path: &Path, ids: &[String]) -> Result<ExitCode, Box<dyn Error>> {
    let mut models: Vec<&Model> = Vec::new();
    for id in ids {
        models.push(manifest.model(id)?);
    }
    if ids.is_empty() {
        models.extend(manifest.models.iter().filter(|model| model.is_installed()));
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

fn try_file(manifest: &Manifest, recogniser: &str, vad: &str, file: &Path) -> Result<(), Box<dyn Error>> {
    let frames = read_as_call(file)?;
    let mut engines = LocalEngines::of(manifest, recogniser, vad)?.make()?;
    let mut voiced = false;
    let spent = rehearse(&mut engines, Feeding::default(), &frames, &mut |at, kind| {
        let at = at as f64 / 1000.0;
        match kind {
            EventKind::Voice(voice) => {
                if (voice.probability >= 0.5) != voiced {
                    voiced = !voiced;
                    println!("{at:7.2} s  {}", if voiced { "speech" } else { "silence" });
                }
            }
            EventKind::Hypothesis(guess) => println!("{at:7.2} s    {}", guess.text.reveal()),
            EventKind::Transcript(heard) => {
                let language = heard.language.map_or("no language", |language| language.code());
                println!("{at:7.2} s  = {}  [{language}]", heard.text.reveal());
            }
            EventKind::Overloaded { .. } | EventKind::Lost => println!("{at:7.2} s  {kind:?}"),
        }
    })?;
    let seconds = frames.len() as f64 * 0.02;
    let work = spent.processor.as_secs_f64();
    println!(
        "\n{seconds:.1} s of audio took {:.0} ms of a processor: {:.2} %; final after {:.1} ms",
        work * 1000.0,
        100.0 * work / seconds,
        spent.finish.as_secs_f64() * 1000.0
    );
    Ok(())
}

/// A recording as a call would bring it: 8 kHz, in frames, widened for the recogniser.
pub fn read_as_call(file: &Path) -> Result<Vec<WideFrame>, Box<dyn Error>> {
    let (samples, rate) = recorded::decode(file)?;
    let narrow = resample_all_f32(&samples, rate, 8000)?;
    let narrow: Vec<i16> = narrow.iter().map(|sample| (sample.clamp(-1.0, 1.0) * 32767.0) as i16).collect();
    let mut up = Upsampler8To16::default();
    Ok(Frame::split(&narrow).map(|frame| up.process(&frame)).collect())
}

fn hash(files: &[PathBuf]) -> Result<ExitCode, Box<dyn Error>> {
    for file in files {
        let found = fingerprint(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        println!("name = \"{name}\"\nsha256 = \"{}\"\nbytes = {}\n", found.sha256, found.bytes);
    }
    Ok(ExitCode::SUCCESS)
}

fn pin(path: &Path, model: &Model) -> Result<(), Box<dyn Error>> {
    if model.kind == Kind::Synthesiser || model.files.is_empty() {
        return Err(format!("model {} has no files", model.id).into());
    }
    let mut text = std::fs::read_to_string(path)?;
    for file in &model.files {
        let found = fingerprint(&file.path).map_err(|error| format!("{}: {error}", file.path.display()))?;
        let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        text = pinned(&text, &model.id, &name, &found.sha256, found.bytes);
    }
    let half = path.with_extension("toml.part");
    std::fs::write(&half, text)?;
    std::fs::rename(&half, path)?;
    Ok(())
}

/// The manifest's text with one file's size and checksum set. Works on lines, so that comments and order stay.
fn pinned(text: &str, id: &str, name: &str, sha256: &str, bytes: u64) -> String {
    let (mut out, mut in_model, mut in_file) = (Vec::new(), false, false);
    for line in text.lines() {
        let key = line.split('=').next().unwrap_or("").trim();
        if line.starts_with('[') {
            in_file = false;
            in_model &= line.trim() != "[[model]]";
        }
        in_model |= line.trim() == format!("id = \"{id}\"");
        if in_file && matches!(key, "sha256" | "bytes") {
            continue;
        }
        out.push(line.to_owned());
        if in_model && line.trim() == format!("name = \"{name}\"") {
            in_file = true;
            out.push(format!("sha256 = \"{sha256}\""));
            out.push(format!("bytes = {bytes}"));
        }
    }
    out.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_one_file_and_leaves_the_rest_alone() {
        let text = "# models\n[[model]]\nid = \"a\"\n[[model.file]]\nrole = \"model\"\nname = \"m\"\nsha256 = \"old\"\nbytes = 1\n\n[[model]]\nid = \"b\"\n[[model.file]]\nname = \"m\"\n";
        let want = "# models\n[[model]]\nid = \"a\"\n[[model.file]]\nrole = \"model\"\nname = \"m\"\nsha256 = \"new\"\nbytes = 2\n\n[[model]]\nid = \"b\"\n[[model.file]]\nname = \"m\"\n";
        assert_eq!(pinned(text, "a", "m", "new", 2), want);
        assert_eq!(pinned(want, "a", "m", "new", 2), want);
        assert!(pinned(text, "b", "m", "new", 2).ends_with("name = \"m\"\nsha256 = \"new\"\nbytes = 2\n"));
        assert_eq!(pinned(text, "c", "m", "new", 2), text);
    }
}
