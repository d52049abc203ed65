//! Digest authentication (RFC 7616, RFC 8760, RFC 3261 22): the arithmetic, shared by [`client`] and [`server`]. MD5, SHA-256 and
//! SHA-512-256 with and without `-sess`; qop `auth`, `auth-int` or none (RFC 2069 peers). Not `userhash`.
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
    /// `SHA-512-256`.
    pub const SHA_512_256: Self = Self { hash: HashFunction::Sha512Over256, per_session: false };

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

/// What a response protects beyond the password (RFC 7616 3.4.3): quality of protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qop {
    /// `auth`: method and URI.
    Auth,
    /// `auth-int`: the body, too.
    AuthInt,
}

impl Qop {
    /// As it is written.
    pub fn token(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }

    /// Reads the parameter of an answer; `None` for what we do not speak.
    pub fn parse(token: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt].into_iter().find(|qop| qop.token().eq_ignore_ascii_case(token))
    }
}

/// The fields of a qop.
#[derive(Clone, Copy, Debug)]
pub struct Protection<'a> {
    /// Which.
    pub qop: Qop,
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
    /// The message's body; counts for `auth-int` only.
    pub body: &'a [u8],
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
        let ha2 = match self.protection {
            Some(Protection { qop: Qop::AuthInt, .. }) => {
                algorithm.hash(&[self.method, self.uri, algorithm.hash(&[self.body]).as_bytes()])
            }
            Some(Protection { qop: Qop::Auth, .. }) | None => algorithm.hash(&[self.method, self.uri]),
        };
        match self.protection {
            Some(Protection { qop, nonce_count, client_nonce }) => {
                let qop = qop.token().as_bytes();
                algorithm.hash(&[ha1.as_bytes(), self.nonce, nonce_count, client_nonce, qop, ha2.as_bytes()])
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
                qop: Qop::Auth,
                nonce_count: b"00000001",
                client_nonce: b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            }),
            method: b"GET",
            uri: b"/dir/index.html",
            body: b"",
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
            protection: Some(Protection { qop: Qop::Auth, nonce_count: b"00000001", client_nonce: b"0a4f113b" }),
            ..rfc7616
        };
        assert_eq!(rfc2617.response(), "6629fae49393a05397450978507c4ef1");
        // RFC 2069 form (no qop); the value is erratum 749 of RFC 2069.
        let rfc2069 = Proof { password: b"CircleOfLife", protection: None, ..rfc2617 };
        assert_eq!(rfc2069.response(), "1949323746fe6a43ef61f9606e7febea");
    }

    /// The example of RFC 7616 3.9.2 as its erratum 4897 has it: what is printed there was made with SHA-512 cut to
    /// 256 bits, which is another function than SHA-512/256 (FIPS 180-4 has other starting values). Whoever computes either
    /// knows by this test which one we speak.
    #[test]
    fn sha_512_256_is_that_of_fips_180_4() {
        let of = |parts: &[&[u8]]| Algorithm::SHA_512_256.hash(parts);
        assert_eq!(
            of(&[b"abc"]),
            "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23",
            "FIPS 180-4 example"
        );
        let proof = Proof {
            algorithm: Algorithm::SHA_512_256,
            username: "Jäsøn Doe".as_bytes(),
            realm: b"api@example.org",
            password: b"Secret, or not?",
            nonce: b"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            protection: Some(Protection {
                qop: Qop::Auth,
                nonce_count: b"00000001",
                client_nonce: b"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
            }),
            method: b"GET",
            uri: b"/doe.json",
            body: b"",
        };
        assert_eq!(proof.response(), "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5");
    }

    /// RFC 7616 3.4.3: A2 holds the hash of the body. The RFC has no example; the values are of Python's hashlib.
    #[test]
    fn auth_int_covers_the_body() {
        let proof = |algorithm, body| Proof {
            algorithm,
            username: b"Mufasa",
            realm: b"http-auth@example.org",
            password: b"Circle of Life",
            nonce: b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            protection: Some(Protection {
                qop: Qop::AuthInt,
                nonce_count: b"00000001",
                client_nonce: b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            }),
            method: b"INVITE",
            uri: b"sip:1000@192.0.2.1",
            body,
        };
        for (algorithm, body, expected) in [
            (Algorithm::MD5, &b""[..], "a94a16bc74a5354729b05c961ac97518"),
            (Algorithm::MD5, &b"v=0"[..], "ac2678969b5bc431c03f325e5a413e7d"),
            (Algorithm::SHA_256, &b"v=0"[..], "8bfcdfe71c6332c9d34f7331f7037a0a3ea8a3cfb21bb13595cc13f7fcd17350"),
            (Algorithm::SHA_512_256, &b"v=0"[..], "2b2376699a3721332266e8d2bf97168e6d99d93caedeea1c5f0e7968fc98f32e"),
        ] {
            assert_eq!(proof(algorithm, body).response(), expected, "{}", algorithm.token());
        }
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
