//! Personal data is a type: what is [`Redacted`] shows its length, never its text, in `Debug` and `Display`, and so in
//! every log. Storage and faces that may show it ask for it by name with [`Redacted::reveal`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number, a name or a transcript. Serialises as its plain value: what is stored is protected by the store.
#[derive(Clone, PartialEq, Eq, Hash, Default, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Wraps a personal value.
    pub fn new(value: T) -> Self {
        Self(value)
    }
    /// The value itself. A call of this is a place to look at in a review.
    pub fn reveal(&self) -> &T {
        &self.0
    }
    /// The value itself, owned.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: Into<String>> From<T> for Redacted<String> {
    fn from(value: T) -> Self {
        Self(value.into())
    }
}

impl<T: AsRef<str>> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} characters]", self.0.as_ref().chars().count())
    }
}

impl<T: AsRef<str>> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_length_only() {
        let number = Redacted::from("+85291234567");
        assert_eq!(format!("{number} {number:?}"), "[12 characters] [12 characters]");
        assert_eq!(number.reveal(), "+85291234567");
    }
}
