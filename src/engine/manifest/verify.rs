//! Files against the manifest: there, size, checksum.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{ManifestError, Model, ModelFile};

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

impl ModelFile {
    /// What is different about the file that was found; `None` where it is the right one, as far as is known.
    pub fn difference(&self, found: &Fingerprint) -> Option<String> {
        if let Some(bytes) = self.bytes
            && bytes != found.bytes
        {
            return Some(format!("{} bytes, expected {bytes}", found.bytes));
        }
        let expected = self.sha256.as_ref().filter(|expected| **expected != found.sha256)?;
        Some(format!("sha256 {}, expected {expected}", found.sha256))
    }
}

impl Model {
    /// Checks that the licence is accepted where it must be, and every file against the manifest.
    pub fn verify(&self) -> Result<(), ManifestError> {
        if self.files.is_empty() && !self.is_program() {
            return Err(ManifestError::NotListed { model: self.id.clone(), get: self.how_to_get() });
        }
        self.files.iter().try_for_each(|file| self.verify_file(file))?;
        self.verify_licence()
    }

    fn verify_file(&self, file: &ModelFile) -> Result<(), ManifestError> {
        let (model, path) = (self.id.clone(), file.path.display().to_string());
        let Ok(found) = fingerprint(&file.path) else {
            return Err(ManifestError::Missing { model, path, get: self.how_to_get() });
        };
        if file.sha256.is_none() {
            return Err(ManifestError::NoChecksum { model, path });
        }
        match file.difference(&found) {
            Some(difference) => Err(ManifestError::Other { model, path, difference, get: self.how_to_get() }),
            None => Ok(()),
        }
    }

    /// What a person does to have the right files.
    pub fn how_to_get(&self) -> String {
        match (&self.origin.download, self.origin.get.as_str()) {
            (Some(_), _) => format!("run `tingwa models pull {}`", self.id),
            (None, "") => "run `make setup`".to_owned(),
            (None, get) => get.to_owned(),
        }
    }
}
