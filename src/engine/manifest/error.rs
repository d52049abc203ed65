//! What can be wrong with the manifest or with a model's files, and what a person does then.

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
    /// Nobody has listed its files yet.
    #[error("model {model}: its files are not listed in the manifest yet; {get}")]
    NotListed {
        /// Model id.
        model: String,
        /// What to do.
        get: String,
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
        "model {model}: {path} has no sha256 in the manifest and is not loaded; check the file's origin, then run `tingwa models pin {model}`"
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
    /// Its licence has conditions, and nobody has accepted them here.
    #[error(
        "model {model}: nobody has accepted its licence here ({licence}); read it with `tingwa models show {model}`, then run `tingwa models accept {model}`"
    )]
    LicenceNotAccepted {
        /// Model id.
        model: String,
        /// The licence's name.
        licence: String,
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
