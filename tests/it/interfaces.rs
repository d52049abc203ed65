//! The interfaces of models whose weights are not here, as `tingwa models verify` proves them: each in a process of its own.

use std::path::Path;
use std::process::Command;

fn models() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models")
}

fn verify(manifest: &Path, ids: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tingwa"));
    let output = command.args(["models", "verify", "--manifest"]).arg(manifest).args(ids).output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn every_interface_loads_and_works_in_a_process_of_its_own() {
    let text = std::fs::read_to_string(models().join("manifest.toml")).unwrap();
    let ids: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"')).collect();
    let here = |id: &&str| cfg!(feature = "whisper") || *id != "whisper-cpp-says-thanks";
    let ids: Vec<&str> = ids.into_iter().filter(here).collect();
    assert!(ids.len() >= 12, "{ids:?}");
    let (success, said) = verify(&models().join("manifest.toml"), &ids);
    assert!(success, "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), ids.len(), "{said}");
}

#[test]
fn a_file_of_another_interface_ends_its_own_process_only() {
    let folder = std::env::temp_dir().join(format!("tingwa-interfaces-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let text = std::fs::read_to_string(models().join("manifest.toml")).unwrap();
    let text = text.replace("folder = \"", &format!("folder = \"{}/", models().display()));
    // SenseVoice's reader looks for what NeMo's file does not say.
    let text = text.replace("\"sherpa-offline-nemo-ctc\"", "\"sherpa-sense-voice\"");
    let manifest = folder.join("manifest.toml");
    std::fs::write(&manifest, text).unwrap();
    let (success, said) = verify(&manifest, &["nemo-ctc-says-thanks", "wenet-ctc-says-thanks"]);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(!success, "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("FAILED") && lines[0].contains("exit status: 255"), "{said}");
    assert!(lines[1].starts_with("ok ") && lines.len() == 2, "{said}");
}
