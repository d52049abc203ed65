//! `models/manifest.toml`: which models there are, what they are for, whose they are, and which bytes they must have.
//! A model whose file has no checksum in the manifest is never loaded: a wrong file can end the process inside a native
//! library. Nor is one whose licence has conditions, until somebody accepted them.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::speech::Language;

mod error;
pub mod licence;
mod read;
mod verify;

pub use error::ManifestError;
pub use licence::{Acceptance, Commercial, Licence};
pub use verify::{Fingerprint, fingerprint};

/// Where a checkout has its manifest.
pub const DEFAULT_PATH: &str = "models/manifest.toml";

/// The engine that is a program of its own and has no model files.
const PROGRAM: &str = "espeak-ng";

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
    /// All kinds with their names in the manifest.
    pub const NAMES: [(&'static str, Self); 3] =
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
    /// Convolutions before the encoder, where they are a network of their own (Qwen3-ASR).
    ConvFrontend,
    /// Token table.
    Tokens,
    /// Files of a tokenizer, all in one folder (Qwen3-ASR); see [`Model::folder_of`].
    Tokenizer,
    /// Words and how they are said; there may be one a language.
    Lexicon,
    /// Sentences that the decoder knows.
    Phrases,
    /// Voices of a synthesiser.
    Voices,
    /// Pieces of English words with their scores, for hot words.
    Pieces,
}

impl Role {
    const NAMES: [(&'static str, Self); 11] = [
        ("model", Self::Model),
        ("encoder", Self::Encoder),
        ("decoder", Self::Decoder),
        ("joiner", Self::Joiner),
        ("conv-frontend", Self::ConvFrontend),
        ("tokens", Self::Tokens),
        ("tokenizer", Self::Tokenizer),
        ("lexicon", Self::Lexicon),
        ("phrases", Self::Phrases),
        ("voices", Self::Voices),
        ("bpe-vocab", Self::Pieces),
    ];

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, role)| *role == self).map_or("", |(name, _)| name)
    }
}

/// What the tokens of a model are, for hot words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenUnit {
    /// Chinese characters.
    Characters,
    /// Pieces of words.
    Pieces,
    /// Chinese characters, and pieces of English words.
    Both,
}

impl TokenUnit {
    const NAMES: [(&'static str, Self); 3] =
        [("cjkchar", Self::Characters), ("bpe", Self::Pieces), ("cjkchar+bpe", Self::Both)];

    /// Its name in the manifest, and in sherpa-onnx.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, unit)| *unit == self).map_or("", |(name, _)| name)
    }
}

/// One file of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFile {
    /// What it is.
    pub role: Role,
    /// Its name in the manifest: within the model's folder, and within the place that it is fetched from.
    pub name: String,
    /// Where it is; absolute, or relative to the manifest's folder made whole.
    pub path: PathBuf,
    /// Checksum in lower-case hexadecimal, where it is known.
    pub sha256: Option<String>,
    /// Size, where it is known.
    pub bytes: Option<u64>,
}

/// Where a model comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// For people: the page, or how it was made.
    pub source: String,
    /// Address of the folder with its files, for `tingwa models pull`.
    pub download: Option<String>,
    /// How to get it where it cannot be fetched.
    pub get: String,
}

/// What somebody measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Time of one processor a second of audio.
    pub rtf: f64,
    /// The machine.
    pub place: String,
    /// The audio.
    pub audio: String,
    /// Taken from a publication, not measured by this project.
    pub published: bool,
    /// Measured with a network of the same shape, not with this model.
    pub stand_in: bool,
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
    pub licence: Licence,
    /// Where it comes from.
    pub origin: Origin,
    /// Anything else that a person should know.
    pub notes: String,
    /// Folder of its files.
    pub folder: PathBuf,
    /// Its files.
    pub files: Vec<ModelFile>,
    /// Size in million bytes where the files' own sizes are not known.
    pub about_mb: Option<u64>,
    /// Voice of each language (synthesisers only).
    pub voices: Vec<(Language, String)>,
    /// What was measured with it, the most telling first.
    pub measured: Vec<Measured>,
    /// What its tokens are, where it takes hot words (transducers).
    pub hot_words: Option<TokenUnit>,
}

impl Model {
    /// The path of its file of that role.
    pub fn file(&self, role: Role) -> Result<PathBuf, ManifestError> {
        self.files_of(role)?.next().ok_or_else(|| self.no_such_file(role))
    }

    /// The paths of its files of that role, at least one.
    pub fn files_of(&self, role: Role) -> Result<impl Iterator<Item = PathBuf>, ManifestError> {
        let mut files = self.files.iter().filter(move |f| f.role == role).map(|f| f.path.clone()).peekable();
        if files.peek().is_none() { Err(self.no_such_file(role)) } else { Ok(files) }
    }

    /// The folder that the files of that role are in.
    pub fn folder_of(&self, role: Role) -> Result<PathBuf, ManifestError> {
        let file = self.file(role)?;
        Ok(file.parent().map_or_else(|| self.folder.clone(), Path::to_path_buf))
    }

    fn no_such_file(&self, role: Role) -> ManifestError {
        ManifestError::NoSuchFile { model: self.id.clone(), role: role.name() }
    }

    /// True where all its files are there, whatever is in them. A model whose files nobody listed is not.
    pub fn is_installed(&self) -> bool {
        self.is_program() || !self.files.is_empty() && self.files.iter().all(|f| f.path.is_file())
    }

    /// True where the checksum of every file is known.
    pub fn is_pinned(&self) -> bool {
        self.files.iter().all(|f| f.sha256.is_some())
    }

    /// True for an engine that is a program of its own, without files of ours.
    pub fn is_program(&self) -> bool {
        self.engine == PROGRAM
    }

    /// Size of all files, bytes; exact where every file's size is known, else what the manifest says about it.
    pub fn bytes(&self) -> Option<u64> {
        let exact: Option<u64> = self.files.iter().map(|f| f.bytes).sum();
        exact.filter(|bytes| *bytes > 0).or(self.about_mb.map(|mb| mb * 1_000_000))
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

    /// The folder that it is in.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
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

#[cfg(test)]
mod tests;
