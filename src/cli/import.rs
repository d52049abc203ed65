//! `tingwa import extensions.conf`: an Asterisk dialplan's context as a hotline: numbers, languages of the menu, telephones, and
//! hours are carried over into a new hotline; everything else is told line by line, for a person to decide.

use std::path::PathBuf;
use std::process::ExitCode;

use super::CliError;
use super::new::{self, Hotline};
use crate::speech::Language;

mod asterisk;

use asterisk::Carried;

/// Make a hotline from an Asterisk dialplan.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tingwa import /etc/asterisk/extensions.conf\n  tingwa import extensions.conf --context from-trunk --name clinic"
)]
pub struct ImportArgs {
    /// extensions.conf
    file: PathBuf,
    /// The context whose numbers come here; without it the contexts are listed
    #[arg(long)]
    context: Option<String>,
    /// Name of the new hotline; the context's name if left out
    #[arg(long)]
    name: Option<String>,
    /// Trunk of tingwa.toml behind which the telephones are
    #[arg(long, default_value = "pbx")]
    trunk: String,
    /// Where hotlines are kept
    #[arg(long = "in", value_name = "DIR", default_value = "dialplans")]
    folder: PathBuf,
}

/// Imports and reports.
pub fn run(args: &ImportArgs) -> Result<ExitCode, CliError> {
    let system = |source| CliError::System { doing: format!("cannot read {}", args.file.display()), source };
    let text = String::from_utf8_lossy(&std::fs::read(&args.file).map_err(system)?).into_owned();
    let steps = asterisk::steps(&text);
    let Some(context) = &args.context else {
        println!("contexts of {}; choose one with --context:", args.file.display());
        for (name, numbers) in asterisk::contexts(&steps) {
            println!("  {name}: {}", numbers.join(" "));
        }
        return Ok(ExitCode::FAILURE);
    };
    let carried = asterisk::carry(&steps, context);
    if carried.numbers.is_empty() {
        return Err(CliError::Usage(format!("no numbers in the context '{context}' of {}", args.file.display())));
    }
    let name = args.name.clone().unwrap_or_else(|| context.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    let folder = args.folder.join(&name);
    let files = files(&carried, &name, args).map_err(CliError::Usage)?;
    new::write(&folder, &files)?;
    println!("{} made from [{context}] of {}", folder.display(), args.file.display());
    carried.lines.iter().for_each(|line| println!("  {line}"));
    let left = carried.lines.iter().filter(|line| !line.carried).count();
    println!("{} lines carried over, {left} not; then: tingwa check {}", carried.lines.len() - left, folder.display());
    Ok(ExitCode::SUCCESS)
}

/// The new hotline's files: a skeleton with what was carried over in its plan.
fn files(carried: &Carried, name: &str, args: &ImportArgs) -> Result<Vec<(String, String)>, String> {
    let first = carried.numbers.first().map_or("1000", String::as_str);
    let hotline = Hotline {
        name,
        title: name,
        number: first,
        languages: &Language::ALL,
        folder: &args.folder.join(name),
        schema: args.folder.join("schema").is_dir(),
    };
    let mut files = hotline.files()?;
    let list = |all: &[String]| all.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", ");
    for (path, text) in &mut files {
        if path != "plan.toml" {
            continue;
        }
        *text =
            text.replacen(&format!("numbers = [\"{first}\"]"), &format!("numbers = [{}]", list(&carried.numbers)), 1);
        if !carried.ring.is_empty() {
            let ring: Vec<String> = carried.ring.iter().map(|user| format!("sip:{user}@{}", args.trunk)).collect();
            *text = with_line(text, "ring = ", &format!("ring = [{}]", list(&ring)));
        }
        if let Some(seconds) = carried.ring_seconds {
            *text = text.replacen("ring_timeout = \"25s\"", &format!("ring_timeout = \"{seconds}s\""), 1);
        }
        if !carried.hours.is_empty() {
            *text = text.replacen("open = [\"mon-fri 09:00-18:00\"]", &format!("open = [{}]", list(&carried.hours)), 1);
        }
    }
    Ok(files)
}

/// The text with another line instead of the one that begins like this.
fn with_line(text: &str, beginning: &str, line: &str) -> String {
    text.lines().map(|old| if old.starts_with(beginning) { line } else { old }).flat_map(|line| [line, "\n"]).collect()
}
