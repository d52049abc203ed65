//! What the handshake must achieve: who begins it, and whose certificate the other side must have.

use std::fmt;
use std::str::FromStr;

use super::ice::IceCredentials;

/// The SHA-256 of a certificate (RFC 8122).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha-256 ")?;
        for (index, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// It is not `sha-256` and 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected sha-256 and 32 bytes in hexadecimal with colons")]
pub struct NoFingerprint;

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let (hash, value) = text.trim().split_once(' ').ok_or(NoFingerprint)?;
        if !hash.eq_ignore_ascii_case("sha-256") {
            return Err(NoFingerprint);
        }
        let mut bytes = [0; 32];
        let mut parts = value.trim().split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit()));
            *byte = part.and_then(|part| u8::from_str_radix(part, 16).ok()).ok_or(NoFingerprint)?;
        }
        if parts.next().is_none() { Ok(Self(bytes)) } else { Err(NoFingerprint) }
    }
}

/// Who begins the handshake (RFC 4145 4, RFC 5763 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsRole {
    /// We: the client.
    Active,
    /// The other side: we are the server.
    Passive,
}

impl DtlsRole {
    /// As it stands in our `a=setup`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
        }
    }

    /// Ours, by the other side's `a=setup`. Where it leaves the choice to us (`actpass`) we wait, unless we began before:
    /// a session that goes on keeps its roles (RFC 8842 5.3).
    pub fn of(theirs: &str, before: Option<Self>) -> Option<Self> {
        match theirs {
            "actpass" => Some(before.unwrap_or(Self::Passive)),
            "active" => Some(Self::Passive),
            "passive" => Some(Self::Active),
            _ => None,
        }
    }
}

/// What was agreed about keys and path with a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtlsTerms {
    /// Who begins.
    pub role: DtlsRole,
    /// Of the certificate that the other side must show.
    pub peer: Fingerprint,
    /// Ours, by which checks are known.
    pub ice: IceCredentials,
}

impl DtlsTerms {
    /// Whether a handshake for the other terms does for these: another path needs no other keys.
    pub fn same_keys(&self, other: &Self) -> bool {
        (self.role, self.peer) == (other.role, other.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_and_written() {
        let text = format!("sha-256 {}", ["AB"; 32].join(":"));
        assert_eq!(text.parse(), Ok(Fingerprint([0xab; 32])));
        assert_eq!(text.to_lowercase().parse(), Ok(Fingerprint([0xab; 32])));
        assert_eq!(Fingerprint([0xab; 32]).to_string(), text);
        let short = ["AB"; 31].join(":");
        for wrong in
            [&text[..60], &text.replace("256", "1"), &format!("{text}:AB"), &format!("sha-256 {short}:+B"), "sha-256"]
        {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(NoFingerprint), "{wrong}");
        }
    }

    #[test]
    fn roles() {
        use DtlsRole::{Active, Passive};
        let table = [
            ("actpass", None, Some(Passive)),
            ("actpass", Some(Active), Some(Active)),
            ("active", None, Some(Passive)),
            ("active", Some(Active), Some(Passive)),
            ("passive", None, Some(Active)),
            ("holdconn", None, None),
        ];
        for (theirs, before, ours) in table {
            assert_eq!(DtlsRole::of(theirs, before), ours, "{theirs} {before:?}");
        }
    }
}
