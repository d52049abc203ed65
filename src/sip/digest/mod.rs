//! Digest authentication (RFC 7616, RFC 8760, RFC 3261 22): the arithmetic, shared by [`client`] and [`server`]. MD5, SHA-256 and
//! SHA-512-256 with and without `-sess`; qop `auth` or none (RFC 2069 peers). Not `auth-int`, not `userhash`.
//!
//! Quoted values go into the hash without their quotes and escapes, as [`crate::wire::sip::header::AuthParams`] holds them.

use md5::{Digest, Md5};
use sha2::{Sha256, Sha512_256};

pub mod client;
pub mod server;

/// A hash function of RFC 7616.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashFunction {
    /// MD5; what PBXs still speak.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512/256.
    Sha512Over256,
}

/// The `algorithm` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithm {
    /// Which hash.
    pub hash: HashFunction,
    /// The `-sess` form.
    pub per_session: bool,
}

impl Algorithm {
    /// What a missing parameter means.
    pub const MD5: Self = Self { hash: HashFunction::Md5, per_session: false };
    /// `SHA-256`.
    pub const SHA_256: Self = Self { hash: HashFunction::Sha256, per_session: false };

    /// Reads the parameter; `None` for what we do not speak.
    pub fn parse(token: &str) -> Option<Self> {
        const SUFFIX: &str = "-sess";
        let cut = token.len().checked_sub(SUFFIX.len()).filter(|cut| token.is_char_boundary(*cut));
        let (name, per_session) = match cut.map(|cut| token.split_at(cut)) {
            Some((name, suffix)) if suffix.eq_ignore_ascii_case(SUFFIX) => (name, true),
            _ => (token, false),
        };
        let hash = [HashFunction::Md5, HashFunction::Sha256, HashFunction::Sha512Over256]
            .into_iter()
            .find(|hash| Self { hash: *hash, per_session: false }.token().eq_ignore_ascii_case(name))?;
        Some(Self { hash, per_session })
    }

    /// As RFC 7616 and RFC 8760 spell it.
    pub fn token(self) -> &'static str {
        match (self.hash, self.per_session) {
            (HashFunction::Md5, false) => "MD5",
            (HashFunction::Md5, true) => "MD5-sess",
            (HashFunction::Sha256, false) => "SHA-256",
            (HashFunction::Sha256, true) => "SHA-256-sess",
            (HashFunction::Sha512Over256, false) => "SHA-512-256",
            (HashFunction::Sha512Over256, true) => "SHA-512-256-sess",
        }
    }

    fn hash(self, parts: &[&[u8]]) -> String {
        fn run<D: Digest>(parts: &[&[u8]]) -> String {
            let mut digest = D::new();
            for (number, part) in parts.iter().enumerate() {
                if number > 0 {
                    digest.update(b":");
                }
                digest.update(part);
            }
            hex::encode(digest.finalize())
        }
        match self.hash {
            HashFunction::Md5 => run::<Md5>(parts),
            HashFunction::Sha256 => run::<Sha256>(parts),
            HashFunction::Sha512Over256 => run::<Sha512_256>(parts),
        }
    }
}

/// The fields of qop `auth`.
#[derive(Clone, Copy, Debug)]
pub struct Protection<'a> {
    /// Nonce count as sent: eight hex digits.
    pub nonce_count: &'a [u8],
    /// The client's nonce.
    pub client_nonce: &'a [u8],
}

/// Everything that a response is computed from.
#[derive(Clone, Copy)]
pub struct Proof<'a> {
    /// Which hash.
    pub algorithm: Algorithm,
    /// Who.
    pub username: &'a [u8],
    /// Where.
    pub realm: &'a [u8],
    /// The shared secret.
    pub password: &'a [u8],
    /// The server's nonce.
    pub nonce: &'a [u8],
    /// `None` where the server asked for no qop (RFC 2069).
    pub protection: Option<Protection<'a>>,
    /// Request method.
    pub method: &'a [u8],
    /// The `uri` parameter.
    pub uri: &'a [u8],
}

impl Proof<'_> {
    /// The `response` parameter, lower-case hex.
    pub fn response(&self) -> String {
        let algorithm = self.algorithm;
        let mut ha1 = algorithm.hash(&[self.username, self.realm, self.password]);
        if algorithm.per_session {
            let client_nonce = self.protection.map_or(&b""[..], |p| p.client_nonce);
            ha1 = algorithm.hash(&[ha1.as_bytes(), self.nonce, client_nonce]);
        }
        let ha2 = algorithm.hash(&[self.method, self.uri]);
        match self.protection {
            Some(Protection { nonce_count, client_nonce }) => {
                algorithm.hash(&[ha1.as_bytes(), self.nonce, nonce_count, client_nonce, b"auth", ha2.as_bytes()])
            }
            None => algorithm.hash(&[ha1.as_bytes(), self.nonce, ha2.as_bytes()]),
        }
    }
}

/// Equal, in a time that does not tell where the first difference is.
pub(crate) fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_the_rfcs() {
        let rfc7616 = Proof {
            algorithm: Algorithm::MD5,
            username: b"Mufasa",
            realm: b"http-auth@example.org",
            password: b"Circle of Life",
            nonce: b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            protection: Some(Protection {
                nonce_count: b"00000001",
                client_nonce: b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            }),
            method: b"GET",
            uri: b"/dir/index.html",
        };
        assert_eq!(rfc7616.response(), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            Proof { algorithm: Algorithm::SHA_256, ..rfc7616 }.response(),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
        let rfc2617 = Proof {
            realm: b"testrealm@host.com",
            password: b"Circle Of Life",
            nonce: b"dcd98b7102dd2f0e8b11d0f600bfb0c093",
            protection: Some(Protection { nonce_count: b"00000001", client_nonce: b"0a4f113b" }),
            ..rfc7616
        };
        assert_eq!(rfc2617.response(), "6629fae49393a05397450978507c4ef1");
        // RFC 2069 form (no qop); the value is erratum 749 of RFC 2069.
        let rfc2069 = Proof { password: b"CircleOfLife", protection: None, ..rfc2617 };
        assert_eq!(rfc2069.response(), "1949323746fe6a43ef61f9606e7febea");
    }

    #[test]
    fn algorithm_names() {
        for token in ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"] {
            assert_eq!(Algorithm::parse(&token.to_lowercase()).map(Algorithm::token), Some(token));
        }
        for token in ["", "SHA256", "-sess", "SHA-1", "é-sess"] {
            assert_eq!(Algorithm::parse(token), None, "{token}");
        }
    }
}
