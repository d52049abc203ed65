//! Crypto suites of SDES and their master keys.

use std::fmt;

/// Longest master key with its salt, bytes: AES-256 and 96 bits.
const LONGEST: usize = 44;

/// A crypto suite (RFC 4568 6.2, RFC 7714 14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suite {
    /// AES-256 in Galois/counter mode.
    Gcm256,
    /// AES-128 in Galois/counter mode.
    Gcm128,
    /// AES-128 in counter mode, 80 bits of HMAC-SHA1.
    AesCm80,
    /// AES-128 in counter mode, 32 bits of HMAC-SHA1 on RTP and 80 on RTCP.
    AesCm32,
}

impl Suite {
    /// All, the strongest first.
    pub const ALL: [Self; 4] = [Self::Gcm256, Self::Gcm128, Self::AesCm80, Self::AesCm32];

    /// Its name in `a=crypto`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gcm256 => "AEAD_AES_256_GCM",
            Self::Gcm128 => "AEAD_AES_128_GCM",
            Self::AesCm80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// Bytes of the cipher's key.
    pub fn key_length(self) -> usize {
        match self {
            Self::Gcm256 => 32,
            Self::Gcm128 | Self::AesCm80 | Self::AesCm32 => 16,
        }
    }

    /// Bytes of the salt.
    pub fn salt_length(self) -> usize {
        match self {
            Self::Gcm256 | Self::Gcm128 => 12,
            Self::AesCm80 | Self::AesCm32 => 14,
        }
    }

    /// Bytes of the tag on RTP and on RTCP.
    pub(super) fn tag_lengths(self) -> (usize, usize) {
        match self {
            Self::Gcm256 | Self::Gcm128 => (16, 16),
            Self::AesCm80 => (10, 10),
            Self::AesCm32 => (4, 10),
        }
    }
}

/// A master key and its salt. Says nothing of itself in a log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MasterKey {
    suite: Suite,
    bytes: [u8; LONGEST],
}

impl MasterKey {
    /// Key and salt of a suite, one behind the other; `None` where their length is not the suite's.
    pub fn new(suite: Suite, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == suite.key_length() + suite.salt_length()).then(|| Self::of(suite, bytes))
    }

    /// As [`Self::new`]; what is missing is zero, what is too much is left out.
    pub(super) fn of(suite: Suite, bytes: &[u8]) -> Self {
        let mut key = Self { suite, bytes: [0; LONGEST] };
        key.bytes.iter_mut().zip(bytes).for_each(|(byte, from)| *byte = *from);
        key
    }

    /// What it is for.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Key and salt, one behind the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.suite.key_length() + self.suite.salt_length()]
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.bytes[..self.suite.key_length()]
    }

    /// The salt, with zeros behind it where the suite's is shorter than 112 bits (RFC 7714 11).
    pub(super) fn salt(&self) -> [u8; 14] {
        let mut salt = [0; 14];
        let length = self.suite.salt_length();
        salt[..length].copy_from_slice(&self.bytes[self.suite.key_length()..][..length]);
        salt
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.suite.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_suites_length_and_hides_itself() {
        for (suite, length) in [(Suite::Gcm256, 44), (Suite::Gcm128, 28), (Suite::AesCm80, 30), (Suite::AesCm32, 30)] {
            let bytes = vec![0xab; length];
            let key = MasterKey::new(suite, &bytes).unwrap();
            assert_eq!(key.bytes(), bytes);
            assert_eq!(format!("{key:?}"), format!("MasterKey({})", suite.name()));
            assert_eq!(MasterKey::new(suite, &bytes[1..]), None);
        }
    }
}
