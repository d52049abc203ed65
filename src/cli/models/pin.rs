//! Writes checksums into the manifest, and nothing else: comments and order stay.

use std::error::Error;
use std::path::Path;

use crate::engine::manifest::{Model, fingerprint};

/// Writes size and checksum of a model's files as they are now.
pub fn pin(manifest: &Path, model: &Model) -> Result<(), Box<dyn Error>> {
    if model.files.is_empty() {
        return Err(format!("model {} has no files", model.id).into());
    }
    let mut text = std::fs::read_to_string(manifest)?;
    for file in &model.files {
        let found = fingerprint(&file.path).map_err(|error| format!("{}: {error}", file.path.display()))?;
        text = pinned(&text, &model.id, &file.name, &found.sha256, found.bytes);
    }
    let half = manifest.with_extension("toml.part");
    std::fs::write(&half, text)?;
    std::fs::rename(&half, manifest)?;
    Ok(())
}

/// The manifest's text with one file's size and checksum set.
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
