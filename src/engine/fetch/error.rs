//! Why a file cannot be had, and what a person does then.

use std::path::PathBuf;

use super::Place;

/// Why a file cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The place has no such file.
    #[error(
        "nothing at {place} ({what}); name another place with `--from FOLDER` or `--from ADDRESS`, where the file must lie under that name"
    )]
    NotThere {
        /// File asked for.
        place: Place,
        /// What was said.
        what: String,
    },
    /// The place does not give it to us.
    #[error(
        "{place} is not given to us ({what}); fetch the files with a browser, then `tingwa models pull ID --from FOLDER`"
    )]
    Denied {
        /// File asked for.
        place: Place,
        /// What was said.
        what: String,
    },
    /// The line or the server failed.
    #[error("{place}: {what}")]
    Broken {
        /// File asked for.
        place: Place,
        /// What happened.
        what: String,
    },
    /// The line or the server failed again and again.
    #[error(
        "{place} failed {attempts} times, at last with: {what}; what has come is kept: run the command again, or name another place with `--from`"
    )]
    GivenUp {
        /// File asked for.
        place: Place,
        /// What happened at last.
        what: String,
        /// Attempts in a row.
        attempts: u32,
    },
    /// The bytes are not those of the manifest.
    #[error(
        "{place} is not the file of the manifest ({difference}); it was thrown away and the model is as before. Is the place right? Where its owner changed the file on purpose, change the manifest"
    )]
    Other {
        /// File asked for.
        place: Place,
        /// Size or checksum as found and as expected.
        difference: String,
    },
    /// Another process fetches the same file.
    #[error("{0} is being written by another process; wait for it")]
    Busy(PathBuf),
    /// The disk is too full.
    #[error("{folder} has {free} bytes free and the file needs {needed} more; make room, then run the command again")]
    NoRoom {
        /// Folder of the file.
        folder: PathBuf,
        /// Free there.
        free: u64,
        /// Missing of the file.
        needed: u64,
    },
    /// The disk failed.
    #[error("cannot write {path}: {error}")]
    Disk {
        /// File.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

impl FetchError {
    /// True where another attempt may go better.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Broken { .. })
    }

    pub(super) fn given_up(self, attempts: u32) -> Self {
        match self {
            Self::Broken { place, what } => Self::GivenUp { place, what, attempts },
            other => other,
        }
    }
}
