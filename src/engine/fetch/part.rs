//! The growing file beside a model's file: one writer at a time, whole or not there.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, statvfs};

use super::FetchError;
use crate::engine::manifest::{Fingerprint, fingerprint};

/// `NAME.part`, locked while this lives.
pub(super) struct Part {
    path: PathBuf,
    file: File,
    there: u64,
}

impl Part {
    /// Where the part of a file is.
    pub(super) fn path_of(whole: &Path) -> PathBuf {
        let mut name = whole.file_name().unwrap_or_default().to_os_string();
        name.push(".part");
        whole.with_file_name(name)
    }

    /// Opens what an earlier transfer left, or begins.
    pub(super) fn open(whole: &Path) -> Result<Self, FetchError> {
        let path = Self::path_of(whole);
        let disk = |error| FetchError::Disk { path: path.clone(), error };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(disk)?;
        }
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(disk)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(FetchError::Busy(path));
        }
        // Another process may have put it into place between the opening and the lock.
        let same = |here: &std::fs::Metadata, there: &std::fs::Metadata| here.ino() == there.ino();
        let opened = file.metadata().map_err(disk)?;
        if !std::fs::metadata(&path).is_ok_and(|there| same(&opened, &there)) {
            return Err(FetchError::Busy(path));
        }
        let there = file.seek(SeekFrom::End(0)).map_err(disk)?;
        Ok(Self { path, file, there })
    }

    /// Bytes so far.
    pub(super) fn there(&self) -> u64 {
        self.there
    }

    /// Adds what came.
    pub(super) fn add(&mut self, piece: &[u8]) -> Result<(), FetchError> {
        self.file.write_all(piece).map_err(|error| self.disk(error))?;
        self.there += piece.len() as u64;
        Ok(())
    }

    /// Begins anew.
    pub(super) fn restart(&mut self) -> Result<(), FetchError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|error| self.disk(error))?;
        self.there = 0;
        Ok(())
    }

    /// Fails where the rest of a file of that size has no room.
    pub(super) fn needs_room(&self, total: u64) -> Result<(), FetchError> {
        let folder = self.path.parent().unwrap_or(Path::new(".")).to_path_buf();
        let needed = total.saturating_sub(self.there);
        // Where nobody knows how much is free, writing will show.
        let Ok(disk) = statvfs(&folder) else { return Ok(()) };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < needed { Err(FetchError::NoRoom { folder, free, needed }) } else { Ok(()) }
    }

    /// Its size and checksum.
    pub(super) fn fingerprint(&self) -> Result<Fingerprint, FetchError> {
        fingerprint(&self.path).map_err(|error| self.disk(error))
    }

    /// Puts it into place, over what was there.
    pub(super) fn install(&self, whole: &Path) -> Result<(), FetchError> {
        let done = self.file.sync_all().and_then(|()| std::fs::rename(&self.path, whole));
        done.map_err(|error| self.disk(error))
    }

    /// Throws it away.
    pub(super) fn remove(&mut self) -> Result<(), FetchError> {
        self.there = 0;
        std::fs::remove_file(&self.path).map_err(|error| self.disk(error))
    }

    fn disk(&self, error: std::io::Error) -> FetchError {
        FetchError::Disk { path: self.path.clone(), error }
    }
}

/// What is there of a file that is not whole yet.
pub fn part_bytes(whole: &Path) -> Option<u64> {
    std::fs::metadata(Part::path_of(whole)).ok().map(|found| found.len())
}
