//! Entries into a hotline's knowledge files: what people have written beside them stays, and either all files are new or none.

use std::path::Path;

use toml_edit::{Array, DocumentMut, Item, Table, Value};

use super::entries::Entry;
use crate::cli::CliError;
use crate::dialplan::PlanFiles;
use crate::dialplan::read::ENTRIES;
use crate::speech::Language;

/// The knowledge files with the entries in them: path within the folder, text.
pub(super) fn with_entries(
    files: &PlanFiles,
    entries: &[Entry],
    languages: &[Language],
) -> Result<Vec<(String, String)>, String> {
    let open = |path: &str| -> Result<DocumentMut, String> {
        let text = files.files.get(path).map_or("", String::as_str);
        text.parse().map_err(|error| format!("{}/{path}: {error}", files.folder))
    };
    let mut all = Vec::new();
    for language in languages {
        let path = format!("knowledge/{language}.toml");
        let mut document = open(&path)?;
        for entry in entries {
            let Some((questions, answer)) = entry.texts.get(language) else { continue };
            set(
                &mut document,
                &entry.name,
                &mut [("questions", Some(list(questions))), ("answer", Some(answer.as_str().into()))],
            );
        }
        all.push((path, document.to_string()));
    }
    let mut document = open(ENTRIES)?;
    for entry in entries {
        let text = |text: &dyn std::fmt::Display| Value::from(text.to_string());
        let mut values = [
            ("tags", (!entry.tags.is_empty()).then(|| list(&entry.tags))),
            ("valid_from", entry.from.map(|day| text(&day))),
            ("valid_to", entry.until.map(|day| text(&day))),
            ("approved_by", entry.approval.as_ref().map(|(by, _)| text(by))),
            ("approved_at", entry.approval.as_ref().map(|(_, at)| text(at))),
        ];
        set(&mut document, &entry.name, &mut values);
    }
    all.push((ENTRIES.to_owned(), document.to_string()));
    Ok(all)
}

/// Sets (or removes) keys of an entry's table, which is made at the end where it is not there.
fn set(document: &mut DocumentMut, name: &str, values: &mut [(&str, Option<Value>)]) {
    let item = document.entry(name).or_insert_with(|| Item::Table(Table::new()));
    let Some(table) = item.as_table_like_mut() else { return };
    for (key, value) in values {
        match value.take() {
            Some(value) => drop(table.insert(key, Item::Value(value))),
            None => drop(table.remove(key)),
        }
    }
}

fn list(texts: &[String]) -> Value {
    Value::Array(texts.iter().map(String::as_str).collect::<Array>())
}

/// Writes all files beside the old ones, then puts them in place; where that fails the old ones come back.
pub(super) fn write(folder: &Path, files: &[(String, String)]) -> Result<(), CliError> {
    let system = |path: &Path| {
        let doing = format!("cannot write {}; nothing is changed", path.display());
        move |source| CliError::System { doing, source }
    };
    let mut moved = Vec::new();
    for (path, text) in files {
        let new = folder.join(format!("{path}.new"));
        if let Some(parent) = new.parent() {
            std::fs::create_dir_all(parent).map_err(system(parent))?;
        }
        if let Err(error) = std::fs::write(&new, text) {
            files.iter().for_each(|(path, _)| drop(std::fs::remove_file(folder.join(format!("{path}.new")))));
            return Err(system(&new)(error));
        }
    }
    for (path, _) in files {
        let (target, new) = (folder.join(path), folder.join(format!("{path}.new")));
        let before = std::fs::read(&target).ok();
        if let Err(error) = std::fs::rename(&new, &target) {
            for (target, before) in moved {
                put_back(target, before);
            }
            files.iter().for_each(|(path, _)| drop(std::fs::remove_file(folder.join(format!("{path}.new")))));
            return Err(system(&target)(error));
        }
        moved.push((target, before));
    }
    Ok(())
}

fn put_back(target: std::path::PathBuf, before: Option<Vec<u8>>) {
    // Nothing more can be done where even this fails; the error of the import is told.
    let _ = match before {
        Some(bytes) => std::fs::write(target, bytes),
        None => std::fs::remove_file(target),
    };
}
