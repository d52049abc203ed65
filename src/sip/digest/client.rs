//! The side that proves who it is: answers a challenge (401, 407) and goes on using its nonce.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Algorithm, Proof, Protection, Qop};
use crate::redact::Redacted;
use crate::sip::author::Author;
use crate::wire::sip::header::{AuthParam, AuthParams, HeaderName};
use crate::wire::sip::message::{Request, Response};
use crate::wire::sip::text::Text;

/// A user and the secret shared with the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// User name of the digest; often, not always, the user part of the address.
    pub username: String,
    /// Password.
    pub password: Redacted<String>,
}

/// The request that an answer is for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its Request-URI.
    pub uri: &'a str,
    /// Its body.
    pub body: &'a [u8],
}

/// A challenge that we can answer.
#[derive(Clone)]
pub struct Challenge {
    realm: Bytes,
    nonce: Bytes,
    opaque: Option<Bytes>,
    algorithm: Algorithm,
    /// False where the challenge did not name one; then the answer does not either.
    algorithm_named: bool,
    /// `None` where the challenge names none (RFC 2069).
    qop: Option<Qop>,
    /// The nonce was too old, the password was right.
    pub stale: bool,
    /// The header that the answer goes into.
    pub answer_in: HeaderName,
    used: u32,
}

impl Challenge {
    /// The first of several that we can answer: the server orders them by what it prefers (RFC 8760 2.4).
    pub fn choose<'a>(values: impl IntoIterator<Item = (&'a HeaderName, AuthParams)>) -> Option<Self> {
        values.into_iter().find_map(|(name, params)| Self::read(name, &params))
    }

    fn read(name: &HeaderName, params: &AuthParams) -> Option<Self> {
        if !params.scheme.eq_ignore_case("Digest") {
            return None;
        }
        let copy = |name: &str| params.get(name).map(Bytes::copy_from_slice);
        let algorithm = match params.text("algorithm") {
            Some(token) => Algorithm::parse(token)?,
            None => Algorithm::MD5,
        };
        let qop = match params.text("qop") {
            Some(list) => {
                // What proxies add to a body breaks auth-int: only where nothing less is offered.
                let offered: Vec<_> = list.split(',').filter_map(|qop| Qop::parse(qop.trim())).collect();
                Some(if offered.contains(&Qop::Auth) { Qop::Auth } else { *offered.first()? })
            }
            None => None,
        };
        let answer_in = match name {
            HeaderName::ProxyAuthenticate => HeaderName::ProxyAuthorization,
            _ => HeaderName::Authorization,
        };
        Some(Self {
            realm: copy("realm")?,
            nonce: copy("nonce")?,
            opaque: copy("opaque"),
            algorithm,
            algorithm_named: params.get("algorithm").is_some(),
            qop,
            stale: params.text("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            answer_in,
            used: 0,
        })
    }

    /// The header value that answers it. `client_nonce` is fresh each time; counts how often the nonce is used.
    pub fn answer(&mut self, credentials: &Credentials, asked: &Asked<'_>, client_nonce: &str) -> AuthParams {
        let &Asked { method, uri, body } = asked;
        self.used += 1;
        let nonce_count = format!("{:08x}", self.used);
        let protection = (self.qop.is_some() || self.algorithm.per_session).then_some(Protection {
            qop: self.qop.unwrap_or(Qop::Auth),
            nonce_count: nonce_count.as_bytes(),
            client_nonce: client_nonce.as_bytes(),
        });
        let proof = Proof {
            algorithm: self.algorithm,
            username: credentials.username.as_bytes(),
            realm: &self.realm,
            password: credentials.password.reveal().as_bytes(),
            nonce: &self.nonce,
            protection,
            method: method.as_bytes(),
            uri: uri.as_bytes(),
            body,
        };
        let mut answer = AuthParams::new("Digest");
        answer.push_quoted("username", &credentials.username);
        push_bytes(&mut answer, "realm", &self.realm);
        push_bytes(&mut answer, "nonce", &self.nonce);
        answer.push_quoted("uri", uri);
        answer.push_quoted("response", &proof.response());
        if self.algorithm_named {
            answer.push_token("algorithm", self.algorithm.token());
        }
        if let Some(qop) = self.qop {
            answer.push_token("qop", qop.token());
            answer.push_token("nc", &nonce_count);
        }
        if protection.is_some() {
            answer.push_quoted("cnonce", client_nonce);
        }
        if let Some(opaque) = &self.opaque {
            push_bytes(&mut answer, "opaque", opaque);
        }
        answer
    }
}

/// Credentials and the challenges that they answer: at most one of the server and one of a proxy before it.
#[derive(Clone)]
pub struct Prover {
    credentials: Credentials,
    challenges: SmallVec<[Challenge; 2]>,
    in_a_row: u8,
}

/// Most challenges in a row that are answered; a server that never has enough is a fault of its own.
const MAX_IN_A_ROW: u8 = 4;

impl Prover {
    /// Not yet challenged.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, challenges: SmallVec::new(), in_a_row: 0 }
    }

    /// Takes note of a 401 or 407; true where sending the request again, signed, may help.
    pub fn challenged(&mut self, response: &Response) -> bool {
        let names = [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate];
        let offered = names
            .iter()
            .flat_map(|name| response.headers.challenges(name).into_iter().map(move |params| (name, params)));
        let Some(new) = Challenge::choose(offered) else { return false };
        self.in_a_row += 1;
        let before = self.challenges.iter().position(|old| old.answer_in == new.answer_in);
        if let Some(before) = before {
            let old = self.challenges.remove(before);
            // The nonce was fresh and the answer to it was refused: the password is wrong.
            if old.used == 1 && !new.stale && old.realm == new.realm {
                return false;
            }
        }
        self.challenges.push(new);
        self.in_a_row <= MAX_IN_A_ROW
    }

    /// Takes note of an answer that was no challenge.
    pub fn satisfied(&mut self) {
        self.in_a_row = 0;
    }

    /// Signs a request for all that has been asked so far.
    pub fn sign(&mut self, request: &mut Request, author: &mut Author) {
        let uri = request.uri.to_string();
        for challenge in &mut self.challenges {
            let nonce = author.token();
            let asked = Asked { method: request.method.as_str(), uri: &uri, body: &request.body };
            let answer = challenge.answer(&self.credentials, &asked, &nonce);
            request.headers.set(challenge.answer_in.clone(), answer.to_bytes());
        }
    }
}

impl std::fmt::Debug for Prover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prover").field("challenges", &self.challenges.len()).finish_non_exhaustive()
    }
}

fn push_bytes(params: &mut AuthParams, name: &'static str, value: &Bytes) {
    params.params.push(AuthParam { name: Text::from_static(name), value: value.clone(), quoted: true });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &'static str) -> AuthParams {
        AuthParams::parse(&Bytes::from_static(text.as_bytes())).unwrap()
    }

    fn mufasa() -> Credentials {
        Credentials { username: "Mufasa".into(), password: Redacted::from("Circle of Life") }
    }

    #[test]
    fn answers_as_rfc_7616_and_8760_spell_it() {
        let text = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
                    nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                    opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
        let mut challenge = Challenge::choose([(&HeaderName::WwwAuthenticate, params(text))]).unwrap();
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let get = Asked { method: "GET", uri: "/dir/index.html", body: b"" };
        let answer = challenge.answer(&mufasa(), &get, cnonce);
        assert_eq!(
            answer.to_string(),
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", uri=\"/dir/index.html\", \
             response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\", algorithm=SHA-256, \
             qop=auth, nc=00000001, cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        );
        let counts: Vec<_> =
            (0..15).map(|_| challenge.answer(&mufasa(), &get, "c").text("nc").unwrap().to_owned()).collect();
        assert_eq!((counts[8].as_str(), counts[14].as_str()), ("0000000a", "00000010"));
    }

    #[test]
    fn chooses_the_first_that_it_can_answer() {
        let www = &HeaderName::WwwAuthenticate;
        let chosen = Challenge::choose([
            (www, params("Digest realm=\"r\", nonce=\"1\", algorithm=SHA-999, qop=\"auth\"")),
            (www, params("Digest realm=\"r\", nonce=\"2\", algorithm=SHA-256, qop=\"auth-conf\"")),
            (&HeaderName::ProxyAuthenticate, params("Digest realm=\"r\", nonce=\"3\", algorithm=MD5, stale=TRUE")),
        ])
        .unwrap();
        assert_eq!(chosen.nonce, "3");
        assert_eq!(chosen.answer_in, HeaderName::ProxyAuthorization);
        assert!(chosen.stale);
    }

    #[test]
    fn the_body_is_protected_only_where_nothing_less_is_offered() {
        let asked = Asked { method: "INVITE", uri: "sip:1000@192.0.2.1", body: b"v=0" };
        let answer = |qop: &str| {
            let text = format!("Digest realm=\"http-auth@example.org\", nonce=\"n\", algorithm=SHA-256, qop=\"{qop}\"");
            let params = AuthParams::parse(&Bytes::from(text)).unwrap();
            let mut challenge = Challenge::choose([(&HeaderName::WwwAuthenticate, params)]).unwrap();
            challenge.answer(&mufasa(), &asked, "c")
        };
        let (both, only) = (answer("auth-int, auth"), answer("auth-int"));
        assert_eq!((both.text("qop"), only.text("qop")), (Some("auth"), Some("auth-int")));
        let other = Asked { body: b"v=1", ..asked };
        let text = "Digest realm=\"http-auth@example.org\", nonce=\"n\", algorithm=SHA-256, qop=\"auth-int\"";
        let mut challenge = Challenge::choose([(&HeaderName::WwwAuthenticate, params(text))]).unwrap();
        assert_ne!(challenge.answer(&mufasa(), &other, "c").text("response"), only.text("response"));
    }

    #[test]
    fn without_qop_as_rfc_2069() {
        let text = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        let mut challenge = Challenge::choose([(&HeaderName::WwwAuthenticate, params(text))]).unwrap();
        let who = Credentials { username: "Mufasa".into(), password: Redacted::from("CircleOfLife") };
        let answer = challenge.answer(&who, &Asked { method: "GET", uri: "/dir/index.html", body: b"" }, "unused");
        assert_eq!(answer.text("response"), Some("1949323746fe6a43ef61f9606e7febea"));
        assert!(answer.get("qop").is_none() && answer.get("cnonce").is_none() && answer.get("nc").is_none());
        assert!(answer.get("algorithm").is_none());
    }
}
