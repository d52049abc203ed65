//! What is kept: the journal in SQLite, the recordings beside it, what is remembered of callers. Knows the journal, not the call.

pub mod callers;
pub mod journal_writer;
pub mod recorder;
pub mod recording;
pub mod sqlite;

use std::path::PathBuf;

use crate::settings::Section;

/// Where things are kept.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// SQLite file.
    pub database: PathBuf,
    /// Folder of the recordings.
    pub recordings: PathBuf,
}

impl StoreConfig {
    /// Reads `[store]`.
    pub fn read(mut section: Section<'_>) -> Self {
        let folder = PathBuf::from(section.string("folder").unwrap_or_else(|| "var".to_owned()));
        let config = Self { database: folder.join("tingwa.sqlite"), recordings: folder.join("recordings") };
        section.finish();
        config
    }
}
