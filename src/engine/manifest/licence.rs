//! Whose a model is: its licence, what that means for a business, and the record that somebody accepted it.
//!
//! A model that is not simply free for commercial use is loaded only where a file beside it says who accepted which text.
//! The file is a note to the people who run the gateway, no signature.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::{ManifestError, Model};
use crate::settings::{Problems, Section, Source};

/// What the licence says about commercial use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commercial {
    /// Allowed without more than the usual notice.
    Free,
    /// Allowed under conditions, or the matter is not clear: a person has to read.
    Conditions,
    /// Not allowed.
    No,
}

impl Commercial {
    pub(super) const NAMES: [(&'static str, Self); 3] =
        [("free", Self::Free), ("conditions", Self::Conditions), ("no", Self::No)];

    /// As written in the manifest.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, use_of)| *use_of == self).map_or("", |(name, _)| name)
    }
}

/// The licence of a model's weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licence {
    /// Its name, an SPDX expression where there is one.
    pub name: String,
    /// Commercial use.
    pub commercial: Commercial,
    /// Where its text is.
    pub address: Option<String>,
    /// Words that must be shown with the model; empty where none.
    pub attribution: String,
    /// What a person accepts; empty where nothing needs to be.
    pub conditions: String,
}

impl Licence {
    /// Identifies what was shown: another name, address or condition needs another acceptance.
    pub fn text_id(&self) -> String {
        let mut sum = Sha256::new();
        let address = self.address.as_deref().unwrap_or_default();
        for part in [self.name.as_str(), self.commercial.name(), address, &self.attribution, &self.conditions] {
            sum.update(part.as_bytes());
            sum.update([0]);
        }
        hex::encode(&sum.finalize()[..8])
    }
}

/// Somebody accepted a licence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// Who, as the machine knows them.
    pub who: String,
    /// When, RFC 3339.
    pub when: String,
    /// [`Licence::text_id`] of what was accepted.
    pub text_id: String,
}

impl Model {
    /// Where the acceptance is kept.
    pub fn acceptance_path(&self) -> PathBuf {
        self.folder.join(format!("{}.licence-accepted.toml", self.id))
    }

    /// The acceptance of the licence as it is now.
    pub fn acceptance(&self) -> Option<Acceptance> {
        let path = self.acceptance_path();
        let (source, problems) = (Source::new("", std::fs::read_to_string(path).ok()?), Problems::default());
        let table = source.parse(&problems);
        let mut root = Section::root(&source, &table, &problems);
        let (who, when, text_id) = (root.string("who"), root.string("when"), root.string("text_id"));
        let _ = root.string("licence");
        root.finish();
        let accepted = Acceptance { who: who?, when: when?, text_id: text_id? };
        Some(accepted).filter(|accepted| accepted.text_id == self.licence.text_id())
    }

    /// Writes that `who` accepted the licence.
    pub fn accept(&self, who: &str, when: &str) -> std::io::Result<()> {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let text = format!(
            "# Accepted before use, as `tingwa models show {}` shows it.\nwho = {}\nwhen = {}\nlicence = {}\ntext_id = {}\n",
            self.id,
            quoted(who),
            quoted(when),
            quoted(&self.licence.name),
            quoted(&self.licence.text_id())
        );
        std::fs::create_dir_all(&self.folder)?;
        let path = self.acceptance_path();
        let half = path.with_extension("part");
        std::fs::write(&half, text)?;
        std::fs::rename(half, path)
    }

    /// True where the licence needs to be accepted and has not been.
    pub fn needs_acceptance(&self) -> bool {
        self.licence.commercial != Commercial::Free && self.acceptance().is_none()
    }

    pub(super) fn verify_licence(&self) -> Result<(), ManifestError> {
        if !self.needs_acceptance() {
            return Ok(());
        }
        let (model, licence) = (self.id.clone(), self.licence.name.clone());
        Err(ManifestError::LicenceNotAccepted { model, licence })
    }
}
