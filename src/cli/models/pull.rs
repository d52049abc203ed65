//! `tingwa models pull`: fetches a model's files, shows how it goes, and says what to do when it does not.
//!
//! Talks to one place only: `--from`, else `models_base` of the configuration, else the address in the manifest.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{licence, pin};
use crate::cli::{CliError, ConfigArgs, table};
use crate::engine::fetch::{FetchError, Fetched, Place, Policy, Watch, fetch};
use crate::engine::manifest::{Model, ModelFile};

/// Arguments of `tingwa models pull`.
#[derive(Debug, Args)]
#[command(
    after_help = "Where from: --from, else BASE/MODEL of `[engine] models_base` in the configuration, else the model's own address.\n--from names the folder or address that holds the model's files under the names of the manifest.\n\nAn interrupted fetch leaves FILE.part; the same command goes on with it."
)]
pub struct PullArgs {
    /// The model
    pub id: String,
    /// Folder or web address with the model's files
    #[arg(long, value_name = "FOLDER|ADDRESS")]
    from: Option<String>,
    /// Accept the licence without a question (`tingwa models show MODEL` shows it)
    #[arg(long, visible_alias = "yes")]
    accept_licence: bool,
    /// Take files whose checksum nobody knows, and write what came into the manifest
    #[arg(long)]
    accept_unpinned: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Fetches what is missing.
pub fn run(args: &PullArgs, manifest: &Path, model: &Model) -> Result<(), Box<dyn Error>> {
    if model.files.is_empty() {
        return Err(format!("{} has no files to fetch; {}", model.id, model.origin.get).into());
    }
    if model.verify().is_ok() {
        println!("{} is here, and every byte is right", model.id);
        return Ok(());
    }
    let place = place(args, model)?;
    let unpinned: Vec<_> = model.files.iter().filter(|f| f.sha256.is_none()).map(|f| f.name.as_str()).collect();
    if !unpinned.is_empty() && !args.accept_unpinned {
        return Err(format!(
            "nobody knows the checksum of {} of {}, so a wrong file would not be noticed; where you trust {place}, add --accept-unpinned: what comes is then written into the manifest",
            unpinned.join(", "),
            model.id
        )
        .into());
    }
    licence::settle(model, args.accept_licence, "--accept-licence")?;
    interruptible()?;
    let size = model.bytes().map_or_else(String::new, |bytes| format!(" ({})", table::size(bytes)));
    println!("{}{size} from {place}", model.id);
    for file in &model.files {
        one(file, &place.within(&file.name))?;
    }
    if !unpinned.is_empty() {
        pin::pin(manifest, model)?;
        println!("checksums written into {}", manifest.display());
    }
    println!("{} is here; `tingwa models verify {}` loads it", model.id, model.id);
    Ok(())
}

fn place(args: &PullArgs, model: &Model) -> Result<Place, Box<dyn Error>> {
    if let Some(from) = &args.from {
        let place = Place::of(from);
        let inner = place.within(&model.id);
        // A folder of several models is as good as the model's own.
        let is_shelf = matches!(&inner, Place::Folder(path) if path.is_dir());
        return Ok(if is_shelf { inner } else { place });
    }
    if let Some(base) = configured_base(&args.config)? {
        return Ok(Place::of(&base).within(&model.id));
    }
    match &model.origin.download {
        Some(address) => Ok(Place::of(address)),
        None => {
            let get = if model.origin.get.is_empty() { &model.origin.source } else { &model.origin.get };
            Err(format!(
                "the manifest has no address for {} ({get}); name the place of its files: `tingwa models pull {} --from FOLDER`",
                model.id, model.id
            )
            .into())
        }
    }
}

/// `models_base`, where there is a configuration; a gateway that is still to be set up has none.
fn configured_base(config: &ConfigArgs) -> Result<Option<String>, CliError> {
    if !config.config.exists() && config.is_default() {
        return Ok(None);
    }
    Ok(config.load()?.engine.models_base)
}

fn one(file: &ModelFile, place: &Place) -> Result<(), FetchError> {
    let mut bar = Bar::new(&file.name);
    let outcome = fetch(file, place, &Policy::default(), &mut bar);
    bar.bar.finish_and_clear();
    match outcome? {
        Fetched::AlreadyThere => println!("  {}  was here", file.name),
        Fetched::New(found) if file.sha256.is_some() => {
            println!("  {}  {}, checksum right", file.name, table::size(found.bytes));
        }
        Fetched::New(found) => println!("  {}  {}, sha256 {}", file.name, table::size(found.bytes), found.sha256),
    }
    Ok(())
}

/// Says how to go on when a person stops the program. What has come is on the disk already.
fn interruptible() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            eprintln!("\nstopped; the same command goes on where this was");
            std::process::exit(130);
        }
    })?;
    Ok(())
}

/// A transfer on the terminal.
struct Bar {
    bar: ProgressBar,
}

impl Bar {
    fn new(name: &str) -> Self {
        let bar = ProgressBar::new(0).with_message(format!("  {name}"));
        bar.set_style(style("{msg} {wide_bar} {decimal_bytes}"));
        Self { bar }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Watch for Bar {
    fn begun(&mut self, there: u64, total: Option<u64>) {
        match total {
            Some(total) => {
                self.bar.set_length(total);
                let all = "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left";
                self.bar.set_style(style(all));
            }
            None => self.bar.set_style(style("{msg} {spinner} {decimal_bytes}  {decimal_bytes_per_sec}")),
        }
        // What was there before says nothing about the rate.
        self.bar.set_position(there);
        self.bar.tick();
        self.bar.reset_eta();
        if there > 0 {
            // Asked for before: the bar is locked while it is suspended.
            let name = self.bar.message();
            self.bar.suspend(|| println!("{name}  goes on after {}", table::size(there)));
        }
    }

    fn at(&mut self, there: u64) {
        self.bar.set_position(there);
    }

    fn checking(&mut self) {
        self.bar.set_style(style("{msg}  {decimal_bytes}, summing up"));
        self.bar.tick();
    }

    fn pause(&mut self, why: &FetchError, wait: Duration) {
        self.bar.suspend(|| eprintln!("  {why}; again in {} s", wait.as_secs()));
        std::thread::sleep(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::manifest::Manifest;

    #[test]
    fn a_resumed_bar_stands_where_the_file_does() {
        let mut bar = Bar::new("a.onnx");
        bar.begun(0, None);
        bar.begun(40, Some(100));
        assert_eq!((bar.bar.position(), bar.bar.length()), (40, Some(100)));
        bar.at(70);
        assert_eq!(bar.bar.position(), 70);
    }

    #[test]
    fn the_nearest_word_on_where_from_counts() {
        let folder = std::env::temp_dir().join(format!("tingwa-pull-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("shelf/a")).unwrap();
        let text = "[[model]]\nid = \"a\"\nkind = \"vad\"\nengine = \"silero\"\nrate = 8000\nlicence = \"MIT\"\ncommercial = \"free\"\nsource = \"here\"\n";
        let model = |text: &str| Manifest::parse(Path::new("m"), text).unwrap().models.remove(0);
        let (nowhere, own) = (model(text), model(&format!("{text}download = \"https://own/x\"\n")));
        let config = folder.join("t.toml");
        std::fs::write(&config, "[engine]\nmodels_base = \"http://base/\"\n").unwrap();
        let from = |from: Option<String>, config: &str| PullArgs {
            id: "a".to_owned(),
            from,
            accept_licence: false,
            accept_unpinned: false,
            config: ConfigArgs { config: config.into() },
        };
        let with_base = config.display().to_string();
        std::fs::write(folder.join("plain.toml"), "").unwrap();
        let plain = folder.join("plain.toml").display().to_string();
        let shelf = folder.join("shelf");
        let told =
            |args: &PullArgs, model: &Model| place(args, model).map(|p| p.to_string()).map_err(|e| e.to_string());
        assert_eq!(told(&from(Some("http://f/".to_owned()), &with_base), &own), Ok("http://f".to_owned()));
        let inner = shelf.join("a").display().to_string();
        assert_eq!(told(&from(Some(shelf.display().to_string()), &with_base), &own), Ok(inner));
        assert_eq!(told(&from(None, &with_base), &own), Ok("http://base/a".to_owned()));
        assert_eq!(told(&from(None, &plain), &own), Ok("https://own/x".to_owned()));
        assert!(told(&from(None, &plain), &nowhere).unwrap_err().contains("--from FOLDER"));
        assert!(told(&from(None, "/no/such.toml"), &own).unwrap_err().contains("/no/such.toml"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
