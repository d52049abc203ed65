//! `tingwa fmt`: dialplans in one shape, so that a change shows only what changed. TOML: one space around `=`, one blank line
//! before a table, none twice, lists of several lines indented by two; scenarios: steps in one column. Comments and the order of
//! keys stay, and what a file means: it is read before and after, and left alone where that differs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use toml_edit::{Array, Decor, DocumentMut, InlineTable, Item, KeyMut, RawString, Table, Value};

use super::CliError;
use crate::driver::lines::{line_folders, read_folder};
use crate::settings::Problems;

/// Column in which the words of a scenario begin, from 0.
const STEP: usize = 9;

/// Bring dialplans into one shape.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tingwa fmt\n  tingwa fmt dialplans/demo\n  tingwa fmt --check")]
pub struct FmtArgs {
    /// Folders of one dialplan, or of several
    #[arg(default_value = "dialplans")]
    folders: Vec<PathBuf>,
    /// Change nothing; exit code 1 where something would change
    #[arg(long)]
    check: bool,
}

/// Formats.
pub fn run(args: &FmtArgs) -> Result<ExitCode, CliError> {
    let problems = Problems::default();
    let (mut looked, mut changed) = (0, 0);
    for folder in args.folders.iter().flat_map(|folder| line_folders(folder)) {
        for (path, text) in read_folder(&folder, &problems).files {
            looked += 1;
            let file = folder.join(&path);
            match formatted(&path, &text) {
                Ok(new) if new == text => {}
                Ok(new) => {
                    changed += 1;
                    println!("{}{}", file.display(), if args.check { " is not in shape" } else { "" });
                    if !args.check {
                        write(&file, &new)?;
                    }
                }
                Err(why) => problems.push_file(file.display(), why),
            }
        }
    }
    eprint!("{}", problems.report());
    println!("{looked} files, {changed} {}", if args.check { "to change" } else { "changed" });
    let bad = !problems.is_empty() || looked == 0 || args.check && changed > 0;
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn write(file: &Path, text: &str) -> Result<(), CliError> {
    let system = |source| CliError::System { doing: format!("cannot write {}", file.display()), source };
    std::fs::write(file, text).map_err(system)
}

/// A file in shape; why not, where it cannot be.
pub(super) fn formatted(path: &str, text: &str) -> Result<String, String> {
    if !path.ends_with(".toml") {
        return Ok(scenario(text));
    }
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let trailing = lines(document.trailing().as_str().unwrap_or(""));
    document.set_trailing(&trailing);
    table(document.as_table_mut(), true);
    let new = format!("{}\n", document.to_string().trim());
    let (before, after) = (toml::from_str::<toml::Table>(text), toml::from_str::<toml::Table>(&new));
    if before.is_ok() && before == after { Ok(new) } else { Err("would mean something else; left as it is".to_owned()) }
}

/// Comments and blank lines before something: trimmed, no two blank lines in a row.
fn lines(text: &str) -> String {
    let mut all = String::new();
    for line in text.lines().map(str::trim) {
        if !line.is_empty() || !all.ends_with("\n\n") && !all.is_empty() {
            all.push_str(line);
            all.push('\n');
        }
    }
    all
}

fn raw(text: Option<&RawString>) -> &str {
    text.and_then(RawString::as_str).unwrap_or("")
}

fn table(table: &mut Table, root: bool) {
    if !root {
        let before = lines(raw(table.decor().prefix()));
        let comment = raw(table.decor().suffix()).trim().to_owned();
        let prefix = format!("\n{}", before.trim_start_matches('\n'));
        let suffix = if comment.is_empty() { String::new() } else { format!("   {comment}") };
        *table.decor_mut() = Decor::new(prefix, suffix);
    }
    for (mut key, item) in table.iter_mut() {
        match item {
            Item::Value(value) => {
                let before = raw(key.leaf_decor().prefix()).to_owned();
                let blank = before.starts_with('\n') || before.starts_with("\r\n");
                let before = lines(&before);
                let prefix = if blank && !before.is_empty() && !before.starts_with('\n') {
                    format!("\n{before}")
                } else if blank {
                    "\n".to_owned()
                } else {
                    before
                };
                *key.leaf_decor_mut() = Decor::new(prefix, " ");
                dotted(&mut key);
                shape(value);
                let comment = raw(value.decor().suffix()).to_owned();
                *value.decor_mut() = Decor::new(" ", comment.trim_end());
            }
            Item::Table(inner) => self::table(inner, false),
            Item::ArrayOfTables(all) => all.iter_mut().for_each(|inner| self::table(inner, false)),
            Item::None => {}
        }
    }
}

fn dotted(key: &mut KeyMut<'_>) {
    *key.dotted_decor_mut() = Decor::new("", "");
}

fn shape(value: &mut Value) {
    match value {
        Value::Array(array) => list(array),
        Value::InlineTable(inner) => inline(inner),
        _ => {}
    }
}

/// A list: on one line where it was, else its lines indented.
fn list(array: &mut Array) {
    let ends = array.trailing().as_str().unwrap_or("").to_owned();
    let several = ends.contains('\n') || array.iter().any(|item| raw(item.decor().prefix()).contains('\n'));
    for (at, item) in array.iter_mut().enumerate() {
        shape(item);
        let (before, after) = (raw(item.decor().prefix()).to_owned(), raw(item.decor().suffix()).trim().to_owned());
        let comments: Vec<&str> = before.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let prefix = match (before.contains('\n'), at) {
            (true, _) if comments.is_empty() => "\n  ".to_owned(),
            // The first line of what is before an item belongs to the line before: a comment after a comma.
            (true, _) if !before.trim_start_matches([' ', '\t']).starts_with('\n') => {
                format!(" {}\n  ", comments.join("\n  "))
            }
            (true, _) => format!("\n  {}\n  ", comments.join("\n  ")),
            (false, 0) => String::new(),
            (false, _) => " ".to_owned(),
        };
        *item.decor_mut() = Decor::new(prefix, after);
    }
    let comments: Vec<&str> = ends.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let same_line = !ends.trim_start_matches([' ', '\t']).starts_with('\n');
    array.set_trailing(match (several, comments.is_empty(), same_line) {
        (true, true, _) => "\n".to_owned(),
        (true, false, true) => format!(" {}\n", comments.join("\n  ")),
        (true, false, false) => format!("\n  {}\n", comments.join("\n  ")),
        (false, ..) => String::new(),
    });
    array.set_trailing_comma(several && !array.is_empty());
}

fn inline(inner: &mut InlineTable) {
    let last = inner.len().saturating_sub(1);
    for (at, (mut key, value)) in inner.iter_mut().enumerate() {
        *key.leaf_decor_mut() = Decor::new(" ", " ");
        shape(value);
        *value.decor_mut() = Decor::new(" ", if at == last { " " } else { "" });
    }
}

/// Steps in one column; comments as they are.
fn scenario(text: &str) -> String {
    let mut new = String::with_capacity(text.len());
    for line in text.lines().map(str::trim) {
        match line.split_once(char::is_whitespace) {
            _ if line.is_empty() && (new.is_empty() || new.ends_with("\n\n")) => continue,
            Some((word, rest)) if !line.starts_with('#') => {
                let space = " ".repeat(STEP.saturating_sub(word.chars().count()).max(1));
                new.push_str(&format!("{word}{space}{}", rest.trim_start()));
            }
            _ => new.push_str(line),
        }
        new.push('\n');
    }
    format!("{}\n", new.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialplan::demo;

    #[test]
    fn a_plan_is_brought_into_shape_and_keeps_its_comments() {
        let text = "# head\n\n\n\ntitle=\"x\"   # a name  \nlanguages = [ \"yue\",\"cmn\" ]\n[dialogue]\nmenu={1=\"repeat\",  2 = \"unresolved\"}\n\n\n# the rest\n[intent.a]  # why\nthen   =\"say:a\"\n[[intent.a.slots]]\nname = \"n\"\n\n\n[phrases]\na = [\n\"one\", \"two\",\n      # three is more\n  \"three\"  ]\n# end";
        let shaped = "# head\n\ntitle = \"x\"   # a name\nlanguages = [\"yue\", \"cmn\"]\n\n[dialogue]\nmenu = { 1 = \"repeat\", 2 = \"unresolved\" }\n\n# the rest\n[intent.a]   # why\nthen = \"say:a\"\n\n[[intent.a.slots]]\nname = \"n\"\n\n[phrases]\na = [\n  \"one\", \"two\",\n  # three is more\n  \"three\",\n]\n# end\n";
        let new = formatted("plan.toml", text).unwrap();
        assert_eq!(new, shaped);
        assert_eq!(formatted("plan.toml", &new).unwrap(), new, "twice is once");
        assert!(formatted("plan.toml", "a = ").is_err());
    }

    #[test]
    fn scenarios_stand_in_one_column() {
        let text = "\n# why\ncaller  你好   嗎\n\n\nbot @hours\nend  \ndecision intent:hours\n";
        assert_eq!(scenario(text), "# why\ncaller   你好   嗎\n\nbot      @hours\nend\ndecision intent:hours\n");
    }

    #[test]
    fn the_demo_line_means_the_same_in_shape() {
        for (path, text) in demo::files().files {
            let new = formatted(&path, &text).unwrap();
            assert_eq!(formatted(&path, &new).as_ref(), Ok(&new), "{path}");
        }
    }
}
