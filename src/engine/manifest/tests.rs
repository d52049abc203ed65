//! The manifest: reading, mistakes, files, licences; and the repository's own.

use super::*;

const SMALL: &str = r#"
[[model]]
id = "a"
kind = "vad"
engine = "silero"
rate = 8000
licence = "MIT"
commercial = "free"
source = "here"
[[model.file]]
role = "model"
name = "a.onnx"
"#;

/// What adapters are called, those that are still to be written among them.
const ENGINES: [(Kind, &[&str]); 3] = [
    (
        Kind::Recogniser,
        &[
            "sherpa-nemo-ctc",
            "sherpa-zipformer-ctc",
            "sherpa-paraformer",
            "sherpa-transducer",
            "sherpa-sense-voice",
            "sherpa-wenet-ctc",
            "sherpa-whisper",
            "sherpa-qwen3-asr",
            "sherpa-fire-red-asr",
            "sherpa-offline-paraformer",
            "sherpa-offline-nemo-ctc",
            "sherpa-offline-transducer",
            "whisper-cpp",
            "tingwa-ctc",
        ],
    ),
    (Kind::Vad, &["silero"]),
    (Kind::Synthesiser, &["espeak-ng", "sherpa-kokoro", "sherpa-vits", "canto-tts"]),
];

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tingwa-manifest-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn only(folder: &Path, text: &str) -> Model {
    Manifest::parse(&folder.join("manifest.toml"), text).unwrap_or_else(|error| panic!("{error}")).models.remove(0)
}

#[test]
fn the_repositorys_manifest_is_right_and_its_models_are_there() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFAULT_PATH);
    let manifest = Manifest::load(&path).unwrap();
    for id in ["tiny-trilingual", "silero-vad", "espeak-ng"] {
        manifest.model(id).unwrap().verify().unwrap();
    }
    for model in &manifest.models {
        let id = &model.id;
        assert!(!model.licence.name.is_empty() && !model.origin.source.is_empty(), "{id}");
        assert!(
            ENGINES.iter().any(|(kind, names)| *kind == model.kind && names.contains(&model.engine.as_str())),
            "{id}"
        );
        assert!(model.is_program() || model.bytes().is_some() || model.files.is_empty(), "{id}: no size");
        assert!(model.origin.download.is_some() || !model.origin.get.is_empty(), "{id}: no way to get it");
        assert!(
            model.origin.download.is_none() || model.is_pinned() && model.files.iter().all(|f| f.bytes.is_some()),
            "{id}"
        );
        assert!(model.licence.commercial == Commercial::Free || model.licence.address.is_some(), "{id}");
        assert!(model.kind == Kind::Vad || !model.languages.is_empty(), "{id}");
        if model.verify().is_ok() {
            assert!(model.is_installed(), "{id}");
        }
    }
}

#[test]
fn mistakes_are_told_all_at_once() {
    let text = SMALL.replace("licence = \"MIT\"\n", "").replace("vad", "wad").replace("8000", "\"8k\"");
    let error = Manifest::parse(Path::new("m/manifest.toml"), &text).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 3, "{error}");
    assert!(error.contains("m/manifest.toml:4:") && error.contains("expected one of recogniser, vad"), "{error}");
    let twice = format!("{SMALL}{SMALL}");
    let error = Manifest::parse(Path::new("m"), &twice).unwrap_err().to_string();
    assert!(error.contains("'a' is there twice"), "{error}");
}

#[test]
fn a_file_stays_within_its_models_folder() {
    for name in ["../a.onnx", "/etc/passwd", "b/../../a", ""] {
        let outcome = Manifest::parse(Path::new("m"), &SMALL.replace("a.onnx", name));
        let refused = outcome.is_err_and(|error| error.to_string().contains("within the model's folder"));
        assert_eq!(refused, !name.is_empty(), "{name}");
    }
    let inner = only(Path::new("m"), &SMALL.replace("a.onnx", "inner/a.onnx"));
    assert_eq!(inner.folder_of(Role::Model).unwrap(), Path::new("m/inner"));
}

#[test]
fn a_file_is_loaded_only_as_the_manifest_has_it() {
    let folder = folder("files");
    let missing = only(&folder, SMALL).verify().unwrap_err();
    assert!(missing.to_string().ends_with("run `make setup`"), "{missing}");
    std::fs::write(folder.join("a.onnx"), b"network").unwrap();
    assert!(matches!(only(&folder, SMALL).verify(), Err(ManifestError::NoChecksum { .. })));
    let found = fingerprint(&folder.join("a.onnx")).unwrap();
    let with = |sum: &str, bytes: u64| only(&folder, &format!("{SMALL}sha256 = \"{sum}\"\nbytes = {bytes}\n"));
    with(&found.sha256, 7).verify().unwrap();
    assert!(matches!(with(&found.sha256, 8).verify(), Err(ManifestError::Other { .. })));
    assert!(matches!(with(&"0".repeat(64), 7).verify(), Err(ManifestError::Other { .. })));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_licence_with_conditions_is_accepted_before_the_model_is_loaded_and_again_when_it_changes() {
    let folder = folder("licence");
    std::fs::write(folder.join("a.onnx"), b"network").unwrap();
    let sum = fingerprint(&folder.join("a.onnx")).unwrap().sha256;
    let text =
        format!("{SMALL}sha256 = \"{sum}\"\n").replace("\"free\"", "\"conditions\"\nconditions = \"Say \\\"so\\\".\"");
    let model = only(&folder, &text);
    let error = model.verify().unwrap_err().to_string();
    assert!(error.contains("`tingwa models accept a`"), "{error}");
    model.accept("陳大文 \"Tai\"", "2026-11-27T12:00:00Z").unwrap();
    model.verify().unwrap();
    assert_eq!(model.acceptance().unwrap().who, "陳大文 \"Tai\"");
    let changed = only(&folder, &text.replace("Say", "Never say"));
    assert!(matches!(changed.verify(), Err(ManifestError::LicenceNotAccepted { .. })));
    std::fs::write(model.acceptance_path(), "who = 1").unwrap();
    assert!(model.needs_acceptance(), "a broken record is none");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn conditions_must_be_spelt_out() {
    let error = Manifest::parse(Path::new("m"), &SMALL.replace("\"free\"", "\"no\"")).unwrap_err().to_string();
    assert!(error.contains("needs 'conditions'"), "{error}");
}

#[test]
fn an_unknown_model_names_its_nearest() {
    let manifest = Manifest::parse(Path::new("m"), &SMALL.replace("\"a\"", "\"silero-vad\"")).unwrap();
    let error = manifest.model("silero-wad").unwrap_err().to_string();
    assert!(error.contains("nearest: 'silero-vad'"), "{error}");
    assert!(manifest.model("silero-vad").unwrap().file(Role::Tokens).is_err());
}

#[test]
fn a_size_is_exact_where_all_is_known() {
    let model = only(Path::new("m"), &format!("{SMALL}bytes = 7\n"));
    assert_eq!(model.bytes(), Some(7));
    let text = SMALL.replace("rate = 8000", "rate = 8000\nabout_mb = 3");
    assert_eq!(only(Path::new("m"), &text).bytes(), Some(3_000_000));
    assert_eq!(only(Path::new("m"), SMALL).bytes(), None);
}
