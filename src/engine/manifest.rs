//! `models/manifest.toml`: which models there are, what they are for, whose they are, and which bytes they must have.
//! A model whose file has no checksum in the manifest is never loaded: a wrong file can end the process inside a native
//! library.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::settings::{Problems, Section, Source};
use crate::speech::Language;

/// Where a checkout has its manifest.
pub const DEFAULT_PATH: &str = "models/manifest.toml";

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Speech to text.
    Recogniser,
    /// Voice activity.
    Vad,
    /// Text to speech.
    Synthesiser,
}

impl Kind {
    const NAMES: [(&'static str, Self); 3] =
        [("recogniser", Self::Recogniser), ("vad", Self::Vad), ("synthesiser", Self::Synthesiser)];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Self::NAMES.iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name))
    }
}

/// What a file is within its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The network, where there is one.
    Model,
    /// First network of several.
    Encoder,
    /// Second network of several.
    Decoder,
    /// Third network of several.
    Joiner,
    /// Token table.
    Tokens,
}

impl Role {
    const NAMES: [(&'static str, Self); 5] = [
        ("model", Self::Model),
        ("encoder", Self::Encoder),
        ("decoder", Self::Decoder),
        ("joiner", Self::Joiner),
        ("tokens", Self::Tokens),
    ];

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, role)| *role == self).map_or("", |(name, _)| name)
    }
}

/// One file of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFile {
    /// What it is.
    pub role: Role,
    /// Where it is; absolute, or relative to the manifest's folder made whole.
    pub path: PathBuf,
    /// Checksum in lower-case hexadecimal, where it is known.
    pub sha256: Option<String>,
    /// Size, where it is known.
    pub bytes: Option<u64>,
}

/// One model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Name by which it is asked for.
    pub id: String,
    /// What it is for.
    pub kind: Kind,
    /// Which adapter of this program runs it.
    pub engine: String,
    /// Languages that it hears or speaks; empty where it does not matter.
    pub languages: Vec<Language>,
    /// Samples a second that it takes or gives.
    pub rate_hz: u32,
    /// Licence of the weights.
    pub licence: String,
    /// Where it comes from.
    pub source: String,
    /// How to get it; shown when a file is missing.
    pub get: String,
    /// Anything else that a person should know.
    pub notes: String,
    /// Its files.
    pub files: Vec<ModelFile>,
    /// Voice of each language (synthesisers only).
    pub voices: Vec<(Language, String)>,
}

/// The manifest, or a file that it names, is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The manifest cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// Manifest.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The manifest has mistakes; one a line.
    #[error("{0}")]
    Mistakes(String),
    /// No model of that name.
    #[error("no model '{id}' in {path}{hint}")]
    Unknown {
        /// Name asked for.
        id: String,
        /// Manifest.
        path: String,
        /// Nearest name, or all.
        hint: String,
    },
    /// A file is not there.
    #[error("model {model} missing: no file {path}; {get}")]
    Missing {
        /// Model id.
        model: String,
        /// File.
        path: String,
        /// What to do.
        get: String,
    },
    /// A file is there and its checksum is not in the manifest.
    #[error(
        "model {model}: {path} has no sha256 in the manifest and is not loaded; check the file's origin, then write what `tingwa models hash {path}` prints into the manifest"
    )]
    NoChecksum {
        /// Model id.
        model: String,
        /// File.
        path: String,
    },
    /// A file is there and is another one.
    #[error("model {model}: {path} is not the file of the manifest ({difference}); {get}")]
    Other {
        /// Model id.
        model: String,
        /// File.
        path: String,
        /// Size or checksum as found and as expected.
        difference: String,
        /// What to do.
        get: String,
    },
    /// The model has no file of that role.
    #[error("model {model} has no file with role '{role}' in the manifest")]
    NoSuchFile {
        /// Model id.
        model: String,
        /// Role asked for.
        role: &'static str,
    },
}

impl Model {
    /// The path of its file of that role.
    pub fn file(&self, role: Role) -> Result<PathBuf, ManifestError> {
        let missing = || ManifestError::NoSuchFile { model: self.id.clone(), role: role.name() };
        self.files.iter().find(|f| f.role == role).map(|f| f.path.clone()).ok_or_else(missing)
    }

    /// True where all its files are there, whatever is in them.
    pub fn is_installed(&self) -> bool {
        self.files.iter().all(|f| f.path.is_file())
    }

    /// Checks every file against the manifest: there, size, checksum.
    pub fn verify(&self) -> Result<(), ManifestError> {
        self.files.iter().try_for_each(|file| self.verify_file(file))
    }

    fn verify_file(&self, file: &ModelFile) -> Result<(), ManifestError> {
        let (model, path) = (self.id.clone(), file.path.display().to_string());
        let get = if self.get.is_empty() { "run `make setup`".to_owned() } else { self.get.clone() };
        let Ok(found) = fingerprint(&file.path) else {
            return Err(ManifestError::Missing { model, path, get });
        };
        let Some(expected) = &file.sha256 else { return Err(ManifestError::NoChecksum { model, path }) };
        if let Some(bytes) = file.bytes
            && bytes != found.bytes
        {
            let difference = format!("{} bytes, expected {bytes}", found.bytes);
            return Err(ManifestError::Other { model, path, difference, get });
        }
        if *expected != found.sha256 {
            let difference = format!("sha256 {}, expected {expected}", found.sha256);
            return Err(ManifestError::Other { model, path, difference, get });
        }
        Ok(())
    }
}

/// Size and checksum of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Size.
    pub bytes: u64,
    /// Checksum in lower-case hexadecimal.
    pub sha256: String,
}

/// Reads a file and sums it up.
pub fn fingerprint(path: &Path) -> std::io::Result<Fingerprint> {
    let mut file = File::open(path)?;
    let (mut sum, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(Fingerprint { bytes, sha256: hex::encode(sum.finalize()) });
        }
        sum.update(&piece[..read]);
        bytes += read as u64;
    }
}

/// All models.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    path: PathBuf,
    /// Models in the order of the file.
    pub models: Vec<Model>,
}

impl Manifest {
    /// Reads the manifest.
    pub fn load(path: &Path) -> Result<Self, ManifestError> {
        let unreadable = |error| ManifestError::Unreadable { path: path.display().to_string(), error };
        Self::parse(path, &std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// Reads a manifest's text; `path` is where it came from.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ManifestError> {
        let (source, problems) = (Source::new(path.display().to_string(), text), Problems::default());
        let table = source.parse(&problems);
        let mut root = Section::root(&source, &table, &problems);
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut models: Vec<Model> = Vec::new();
        for mut section in root.sections("model") {
            if let Some(model) = read_model(&mut section, folder) {
                if models.iter().any(|m| m.id == model.id) {
                    section.problem("id", format_args!("'{}' is there twice", model.id));
                }
                models.push(model);
            }
            section.finish();
        }
        root.finish();
        if problems.is_empty() {
            Ok(Self { path: path.to_path_buf(), models })
        } else {
            Err(ManifestError::Mistakes(problems.report()))
        }
    }

    /// The model of that name.
    pub fn model(&self, id: &str) -> Result<&Model, ManifestError> {
        self.models.iter().find(|m| m.id == id).ok_or_else(|| {
            let near = crate::settings::nearest(id, self.models.iter().map(|m| m.id.as_str()));
            let hint = match near {
                Some(near) => format!("; nearest: '{near}'"),
                None => "; `tingwa models list` shows them".to_owned(),
            };
            ManifestError::Unknown { id: id.to_owned(), path: self.path.display().to_string(), hint }
        })
    }
}

fn read_model(section: &mut Section<'_>, folder: &Path) -> Option<Model> {
    let id = section.string("id");
    let id = section.required("id", "the model's name", id);
    let kind = one_of(section, "kind", &Kind::NAMES);
    let engine = section.string("engine");
    let engine = section.required("engine", "the adapter that runs it", engine);
    let licence = section.string("licence");
    let licence = section.required("licence", "the licence of the weights", licence);
    let source_of = section.string("source");
    let source_of = section.required("source", "where it comes from", source_of);
    let rate = section.integer("rate", 8000..=48_000).and_then(|rate| u32::try_from(rate).ok());
    let rate = section.required("rate", "samples a second", rate);
    let get = section.string("get").unwrap_or_default();
    let notes = section.string("notes").unwrap_or_default();
    let languages = read_languages(section);
    let root = section.string("folder").map_or_else(|| folder.to_path_buf(), |inner| folder.join(inner));
    let mut files = Vec::new();
    for mut file in section.sections("file") {
        files.extend(read_file(&mut file, &root));
        file.finish();
    }
    let mut voices = Vec::new();
    let mut voice_section = section.section("voices");
    for language in Language::ALL {
        voices.extend(voice_section.string(language.code()).map(|voice| (language, voice)));
    }
    voice_section.finish();
    Some(Model {
        id: id?,
        kind: kind?,
        engine: engine?,
        languages,
        rate_hz: rate?,
        licence: licence?,
        source: source_of?,
        get,
        notes,
        files,
        voices,
    })
}

fn read_languages(section: &mut Section<'_>) -> Vec<Language> {
    let names = section.strings("languages").unwrap_or_default();
    let mut languages = Vec::with_capacity(names.len());
    for name in names {
        match name.parse() {
            Ok(language) => languages.push(language),
            Err(error) => section.problem("languages", error),
        }
    }
    languages
}

fn read_file(section: &mut Section<'_>, folder: &Path) -> Option<ModelFile> {
    let name = section.string("name");
    let name = section.required("name", "the file's name within the model's folder", name);
    let role = one_of(section, "role", &Role::NAMES);
    let sha256 = section.string("sha256");
    if let Some(sum) = &sha256
        && (sum.len() != 64 || !sum.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
    {
        section.problem("sha256", "expected 64 lower-case hexadecimal digits");
    }
    let bytes = section.integer("bytes", 1..=i64::MAX).and_then(|bytes| u64::try_from(bytes).ok());
    Some(ModelFile { role: role?, path: folder.join(name?), sha256, bytes })
}

fn one_of<T: Copy>(section: &mut Section<'_>, key: &str, names: &[(&str, T)]) -> Option<T> {
    let all = names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let text = section.string(key);
    let text = section.required(key, &format!("one of {all}"), text)?;
    let found = names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    if found.is_none() {
        section.problem(key, format_args!("expected one of {all}, found \"{text}\""));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
[[model]]
id = "a"
kind = "vad"
engine = "silero"
rate = 8000
licence = "MIT"
source = "here"
[[model.file]]
role = "model"
name = "a.onnx"
"#;

    #[test]
    fn the_repositorys_manifest_is_right_and_its_models_are_there() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFAULT_PATH);
        let manifest = Manifest::load(&path).unwrap();
        for id in ["tiny-trilingual", "silero-vad", "espeak-ng"] {
            manifest.model(id).unwrap().verify().unwrap();
        }
        for model in &manifest.models {
            assert!(!model.licence.is_empty() && !model.source.is_empty());
            assert_eq!(model.verify().is_ok(), model.is_installed(), "{}", model.id);
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
    fn a_file_is_loaded_only_as_the_manifest_has_it() {
        let folder = std::env::temp_dir().join(format!("tingwa-manifest-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let read = |text: &str| Manifest::parse(&folder.join("manifest.toml"), text).unwrap().models.remove(0);
        let missing = read(SMALL).verify().unwrap_err();
        assert!(missing.to_string().ends_with("run `make setup`"), "{missing}");
        std::fs::write(folder.join("a.onnx"), b"network").unwrap();
        assert!(matches!(read(SMALL).verify(), Err(ManifestError::NoChecksum { .. })));
        let found = fingerprint(&folder.join("a.onnx")).unwrap();
        let with = |sum: &str, bytes: u64| read(&format!("{SMALL}sha256 = \"{sum}\"\nbytes = {bytes}\n"));
        with(&found.sha256, 7).verify().unwrap();
        assert!(matches!(with(&found.sha256, 8).verify(), Err(ManifestError::Other { .. })));
        assert!(matches!(with(&"0".repeat(64), 7).verify(), Err(ManifestError::Other { .. })));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn an_unknown_model_names_its_nearest() {
        let manifest = Manifest::parse(Path::new("m"), &SMALL.replace("\"a\"", "\"silero-vad\"")).unwrap();
        let error = manifest.model("silero-wad").unwrap_err().to_string();
        assert!(error.contains("nearest: 'silero-vad'"), "{error}");
        assert!(manifest.model("silero-vad").unwrap().file(Role::Tokens).is_err());
    }
}
