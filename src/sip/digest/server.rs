//! The side that asks for a proof. A nonce says itself when it was made and that it is ours, so that nothing is kept for
//! callers that never come back; a bounded table of used nonces holds each one's highest count against replays.
//!
//! Not checked: that `uri` is the Request-URI (proxies rewrite it).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::{Algorithm, Proof, Protection, equal_in_constant_time};
use crate::redact::Redacted;
use crate::wire::sip::header::AuthParams;

/// How long a nonce may be used.
const NONCE_LIFETIME: Duration = Duration::from_secs(300);
/// Most nonces whose count is remembered. When full the oldest goes and is stale from then on.
const MAX_NONCES: usize = 4096;

/// What a request's credentials are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Proved.
    Passed {
        /// Which account.
        username: String,
    },
    /// Ask (again): nothing was said, or it was wrong.
    Challenge {
        /// The password was right, the nonce too old.
        stale: bool,
    },
}

/// See the module.
pub struct DigestServer {
    realm: String,
    secret: [u8; 32],
    start: Instant,
    issued: u64,
    used: BTreeMap<NonceId, Use>,
    /// Nonces below this are forgotten, hence stale.
    forgotten: NonceId,
}

/// Milliseconds since the start, and a number that makes it unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
struct NonceId(u64, u64);

struct Use {
    count: u32,
    response: String,
}

impl DigestServer {
    /// For one realm. The secret comes from the endpoint's random source.
    pub fn new(realm: &str, secret: [u8; 32], start: Instant) -> Self {
        let realm = realm.to_owned();
        Self { realm, secret, start, issued: 0, used: BTreeMap::new(), forgotten: NonceId::default() }
    }

    /// Challenges with one fresh nonce, SHA-256 first (RFC 8760 2.4: in the order of preference).
    pub fn challenges(&mut self, now: Instant, stale: bool) -> [AuthParams; 2] {
        self.issued += 1;
        let made = u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX);
        let nonce = self.nonce(NonceId(made, self.issued));
        [Algorithm::SHA_256, Algorithm::MD5].map(|algorithm| {
            let mut challenge = AuthParams::new("Digest");
            challenge.push_quoted("realm", &self.realm);
            challenge.push_quoted("nonce", &nonce);
            challenge.push_token("algorithm", algorithm.token());
            challenge.push_quoted("qop", "auth");
            if stale {
                challenge.push_token("stale", "true");
            }
            challenge
        })
    }

    fn nonce(&self, id: NonceId) -> String {
        let mut seal = Sha256::new();
        seal.update(self.secret);
        seal.update(id.0.to_be_bytes());
        seal.update(id.1.to_be_bytes());
        format!("{:016x}{:016x}{}", id.0, id.1, hex::encode(&seal.finalize()[..12]))
    }

    fn read_nonce(&self, nonce: &[u8]) -> Option<NonceId> {
        let text = std::str::from_utf8(nonce).ok()?;
        let number = |range| u64::from_str_radix(text.get(range)?, 16).ok();
        let id = NonceId(number(0..16)?, number(16..32)?);
        equal_in_constant_time(self.nonce(id).as_bytes(), nonce).then_some(id)
    }

    /// Judges credentials of this realm. `password` looks an account up.
    pub fn judge<'p>(
        &mut self,
        now: Instant,
        credentials: Option<&AuthParams>,
        method: &str,
        password: impl FnOnce(&str) -> Option<&'p Redacted<String>>,
    ) -> Verdict {
        self.prove(now, credentials, method, password).unwrap_or(Verdict::Challenge { stale: false })
    }

    /// `None` where the proof is missing or wrong.
    fn prove<'p>(
        &mut self,
        now: Instant,
        credentials: Option<&AuthParams>,
        method: &str,
        password: impl FnOnce(&str) -> Option<&'p Redacted<String>>,
    ) -> Option<Verdict> {
        let given = credentials?;
        let username = given.text("username")?;
        let password = password(username)?;
        let algorithm = match given.text("algorithm") {
            Some(token) => Algorithm::parse(token)?,
            None => Algorithm::MD5,
        };
        if given.get("realm")? != self.realm.as_bytes() || !given.text("qop")?.eq_ignore_ascii_case("auth") {
            return None;
        }
        let nonce = given.get("nonce")?;
        let id = self.read_nonce(nonce)?;
        let nonce_count = given.get("nc").filter(|nc| nc.len() == 8)?;
        let count = u32::from_str_radix(std::str::from_utf8(nonce_count).ok()?, 16).ok()?;
        let expected = Proof {
            algorithm,
            username: username.as_bytes(),
            realm: self.realm.as_bytes(),
            password: password.reveal().as_bytes(),
            nonce,
            protection: Some(Protection { nonce_count, client_nonce: given.get("cnonce")? }),
            method: method.as_bytes(),
            uri: given.get("uri")?,
        }
        .response();
        let response = given.get("response")?.to_ascii_lowercase();
        if !equal_in_constant_time(expected.as_bytes(), &response) {
            return None;
        }
        let age = now.saturating_duration_since(self.start + Duration::from_millis(id.0));
        if age > NONCE_LIFETIME || !self.count_is_fresh(id, count, expected) {
            return Some(Verdict::Challenge { stale: true });
        }
        Some(Verdict::Passed { username: username.to_owned() })
    }

    /// True where this count of the nonce is new, or is a repeat of the very same request.
    fn count_is_fresh(&mut self, id: NonceId, count: u32, response: String) -> bool {
        if id < self.forgotten {
            return false;
        }
        if let Some(before) = self.used.get(&id)
            && (count < before.count || count == before.count && response != before.response)
        {
            return false;
        }
        self.used.insert(id, Use { count, response });
        if self.used.len() > MAX_NONCES
            && let Some((oldest, _)) = self.used.pop_first()
        {
            self.forgotten = NonceId(oldest.0, oldest.1 + 1);
        }
        true
    }
}

impl std::fmt::Debug for DigestServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DigestServer").field("realm", &self.realm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::{Challenge, Credentials};
    use super::*;
    use crate::wire::sip::header::HeaderName;

    struct Pair {
        server: DigestServer,
        password: Redacted<String>,
        now: Instant,
    }

    impl Pair {
        fn new() -> Self {
            let now = Instant::now();
            Self { server: DigestServer::new("tingwa", [7; 32], now), password: Redacted::from("秘密"), now }
        }
        fn challenge(&mut self) -> Challenge {
            let [first, second] = self.server.challenges(self.now, false);
            let www = &HeaderName::WwwAuthenticate;
            Challenge::choose([(www, first), (www, second)]).unwrap()
        }
        fn judge(&mut self, given: Option<&AuthParams>) -> Verdict {
            let Self { server, password, now } = self;
            server.judge(*now, given, "INVITE", |name| (name == "陳大文").then_some(&*password))
        }
    }

    fn who(password: &str) -> Credentials {
        Credentials { username: "陳大文".into(), password: Redacted::from(password) }
    }

    fn passed() -> Verdict {
        Verdict::Passed { username: "陳大文".into() }
    }

    #[test]
    fn own_client_passes_beyond_nonce_count_nine() {
        let mut pair = Pair::new();
        let mut challenge = pair.challenge();
        for turn in 0..40 {
            let answer = challenge.answer(&who("秘密"), "INVITE", "sip:1@h", &format!("c{turn}"));
            assert_eq!(pair.judge(Some(&answer)), passed(), "{turn}");
        }
    }

    #[test]
    fn wrong_or_missing_is_challenged() {
        let mut pair = Pair::new();
        let mut challenge = pair.challenge();
        let again = Verdict::Challenge { stale: false };
        assert_eq!(pair.judge(None), again);
        let wrong = challenge.answer(&who("falsch"), "INVITE", "sip:1@h", "c");
        assert_eq!(pair.judge(Some(&wrong)), again);
        let other_method = challenge.answer(&who("秘密"), "BYE", "sip:1@h", "c");
        assert_eq!(pair.judge(Some(&other_method)), again);
        let mut forged = challenge.answer(&who("秘密"), "INVITE", "sip:1@h", "c");
        forged.params.retain(|param| *param.name != *"qop");
        assert_eq!(pair.judge(Some(&forged)), again);
    }

    #[test]
    fn replays_and_old_nonces_are_stale_and_repeats_pass() {
        let mut pair = Pair::new();
        let mut challenge = pair.challenge();
        let first = challenge.answer(&who("秘密"), "INVITE", "sip:1@h", "c1");
        let second = challenge.answer(&who("秘密"), "INVITE", "sip:1@h", "c2");
        assert_eq!(pair.judge(Some(&first)), passed());
        assert_eq!(pair.judge(Some(&first)), passed(), "the same request again, lost answer");
        assert_eq!(pair.judge(Some(&second)), passed());
        assert_eq!(pair.judge(Some(&first)), Verdict::Challenge { stale: true });
        pair.now += Duration::from_secs(301);
        let late = challenge.answer(&who("秘密"), "INVITE", "sip:1@h", "c3");
        assert_eq!(pair.judge(Some(&late)), Verdict::Challenge { stale: true });
    }

    #[test]
    fn the_table_of_nonces_is_bounded() {
        let mut pair = Pair::new();
        let mut oldest = pair.challenge();
        for _ in 0..=MAX_NONCES {
            let mut challenge = pair.challenge();
            let answer = challenge.answer(&who("秘密"), "INVITE", "sip:1@h", "c");
            assert_eq!(pair.judge(Some(&answer)), passed());
        }
        assert_eq!(pair.server.used.len(), MAX_NONCES);
        let answer = oldest.answer(&who("秘密"), "INVITE", "sip:1@h", "c");
        assert_eq!(pair.judge(Some(&answer)), Verdict::Challenge { stale: true });
    }
}
