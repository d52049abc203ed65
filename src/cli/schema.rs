//! `tingwa schema`: the JSON Schemas of a dialplan's files, for editors.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::dialplan::editor::schemas;

use super::CliError;

/// Print the JSON Schema of a dialplan's files.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tingwa schema\n  tingwa schema prompts\n  tingwa schema --write dialplans/schema\n\nAn editor with Taplo follows the first line of a file:\n  #:schema ../schema/plan.json"
)]
pub struct SchemaArgs {
    /// plan, prompts, phrases, knowledge, entries or script
    #[arg(default_value = "plan")]
    file: String,
    /// Write all of them into this folder instead
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

/// Prints or writes.
pub fn run(args: &SchemaArgs) -> Result<ExitCode, CliError> {
    let all: Vec<_> = schemas().into_iter().map(|(name, schema)| (name, format!("{schema:#}\n"))).collect();
    if let Some(folder) = &args.write {
        let system = |source| CliError::System { doing: format!("cannot write in {}", folder.display()), source };
        std::fs::create_dir_all(folder).map_err(system)?;
        for (name, text) in &all {
            std::fs::write(folder.join(format!("{name}.json")), text).map_err(system)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let names = || all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let found = all.iter().find(|(name, _)| *name == args.file);
    let (_, text) =
        found.ok_or_else(|| CliError::Usage(format!("no schema '{}'; there are {}", args.file, names())))?;
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}
