//! The side that asks for a proof. A nonce says itself when it was made and that it is ours, so that nothing is kept for
//! callers that never come back; a bounded table of used nonces holds each one's highest count against replays. It counts from
//! the address only that it was given to: an answer to it proves that somebody is there.
//!
//! A user who does not exist costs as much as one who does, and is answered the same.
//! Not checked: that `uri` is the Request-URI (proxies rewrite it).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::client::Asked;
use super::{Algorithm, Proof, Protection, Qop, equal_in_constant_time};
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
    /// Ask (again): nothing was said, or to a nonce that is not ours.
    Challenge {
        /// The password was right, the nonce too old.
        stale: bool,
    },
    /// Our nonce was answered wrongly: ask again, and remember who it was.
    Wrong,
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

    /// Challenges with one fresh nonce, in the order of preference (RFC 8760 2.4). Telephones take the first that they know;
    /// the oldest know one only, whence no SHA-512-256 here: it is taken, not asked for.
    pub fn challenges(&mut self, now: Instant, to: IpAddr, stale: bool) -> [AuthParams; 2] {
        self.issued += 1;
        let made = u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX);
        let nonce = self.nonce(NonceId(made, self.issued), to);
        [Algorithm::SHA_256, Algorithm::MD5].map(|algorithm| {
            let mut challenge = AuthParams::new("Digest");
            challenge.push_quoted("realm", &self.realm);
            challenge.push_quoted("nonce", &nonce);
            challenge.push_token("algorithm", algorithm.token());
            challenge.push_quoted("qop", "auth,auth-int");
            if stale {
                challenge.push_token("stale", "true");
            }
            challenge
        })
    }

    fn nonce(&self, id: NonceId, to: IpAddr) -> String {
        let mut seal = Sha256::new();
        seal.update(self.secret);
        seal.update(id.0.to_be_bytes());
        seal.update(id.1.to_be_bytes());
        match to.to_canonical() {
            IpAddr::V4(address) => seal.update(address.octets()),
            IpAddr::V6(address) => seal.update(address.octets()),
        }
        format!("{:016x}{:016x}{}", id.0, id.1, hex::encode(&seal.finalize()[..12]))
    }

    fn read_nonce(&self, nonce: &[u8], from: IpAddr) -> Option<NonceId> {
        let text = std::str::from_utf8(nonce).ok()?;
        let number = |range| u64::from_str_radix(text.get(range)?, 16).ok();
        let id = NonceId(number(0..16)?, number(16..32)?);
        equal_in_constant_time(self.nonce(id, from).as_bytes(), nonce).then_some(id)
    }

    /// Judges credentials that came from an address. `password` looks an account up.
    pub fn judge<'p>(
        &mut self,
        now: Instant,
        from: IpAddr,
        credentials: Option<&AuthParams>,
        asked: &Asked<'_>,
        password: impl FnOnce(&str) -> Option<&'p Redacted<String>>,
    ) -> Verdict {
        let again = Verdict::Challenge { stale: false };
        let Some(given) = credentials else { return again };
        let nonce = given.get("nonce").unwrap_or_default();
        let Some(id) = self.read_nonce(nonce, from) else { return again };
        let Some((username, response)) = self.proves(given, nonce, asked, password) else { return Verdict::Wrong };
        let age = now.saturating_duration_since(self.start + Duration::from_millis(id.0));
        let count = given.text("nc").and_then(|nc| u32::from_str_radix(nc, 16).ok()).unwrap_or(0);
        if age > NONCE_LIFETIME || !self.count_is_fresh(id, count, response) {
            return Verdict::Challenge { stale: true };
        }
        Verdict::Passed { username }
    }

    /// The user and the response, where that is right.
    fn proves<'p>(
        &self,
        given: &AuthParams,
        nonce: &[u8],
        asked: &Asked<'_>,
        password: impl FnOnce(&str) -> Option<&'p Redacted<String>>,
    ) -> Option<(String, String)> {
        let username = given.text("username")?;
        let password = password(username);
        let algorithm = match given.text("algorithm") {
            Some(token) => Algorithm::parse(token)?,
            None => Algorithm::MD5,
        };
        // We never ask without qop, so that nobody may answer without: then nothing would tell replays.
        let qop = Qop::parse(given.text("qop")?)?;
        let nonce_count = given.get("nc").filter(|nc| nc.len() == 8 && nc.iter().all(u8::is_ascii_hexdigit))?;
        let expected = Proof {
            algorithm,
            username: username.as_bytes(),
            realm: self.realm.as_bytes(),
            password: password.map_or("", |password| password.reveal()).as_bytes(),
            nonce,
            protection: Some(Protection { qop, nonce_count, client_nonce: given.get("cnonce")? }),
            method: asked.method.as_bytes(),
            uri: given.get("uri")?,
            body: asked.body,
        }
        .response();
        let response = given.get("response")?.to_ascii_lowercase();
        let right = equal_in_constant_time(expected.as_bytes(), &response);
        (right && password.is_some() && given.get("realm") == Some(self.realm.as_bytes()))
            .then(|| (username.to_owned(), expected))
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
            let [first, second] = self.server.challenges(self.now, HERE, false);
            let www = &HeaderName::WwwAuthenticate;
            Challenge::choose([(www, first), (www, second)]).unwrap()
        }
        fn judge(&mut self, given: Option<&AuthParams>) -> Verdict {
            let Self { server, password, now } = self;
            server.judge(*now, HERE, given, &asked("INVITE"), |name| (name == "陳大文").then_some(&*password))
        }
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn asked(method: &str) -> Asked<'_> {
        Asked { method, uri: "sip:1@h", body: b"v=0" }
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
            let answer = challenge.answer(&who("秘密"), &asked("INVITE"), &format!("c{turn}"));
            assert_eq!(pair.judge(Some(&answer)), passed(), "{turn}");
        }
    }

    #[test]
    fn wrong_or_missing_is_challenged() {
        let mut pair = Pair::new();
        let mut challenge = pair.challenge();
        let again = Verdict::Challenge { stale: false };
        assert_eq!(pair.judge(None), again);
        let wrong = challenge.answer(&who("falsch"), &asked("INVITE"), "c");
        assert_eq!(pair.judge(Some(&wrong)), Verdict::Wrong);
        let stranger = Credentials { username: "nobody".into(), password: Redacted::from("") };
        let stranger = challenge.answer(&stranger, &asked("INVITE"), "c");
        assert_eq!(pair.judge(Some(&stranger)), Verdict::Wrong, "as for a wrong password");
        let other_method = challenge.answer(&who("秘密"), &asked("BYE"), "c");
        assert_eq!(pair.judge(Some(&other_method)), Verdict::Wrong);
        let mut forged = challenge.answer(&who("秘密"), &asked("INVITE"), "c");
        forged.params.retain(|param| *param.name != *"qop");
        assert_eq!(pair.judge(Some(&forged)), Verdict::Wrong);
        let right = challenge.answer(&who("秘密"), &asked("INVITE"), "c");
        let elsewhere = |pair: &mut Pair, address: &str| {
            let Pair { server, password, now } = pair;
            server.judge(*now, address.parse().unwrap(), Some(&right), &asked("INVITE"), |_| Some(&*password))
        };
        assert_eq!(elsewhere(&mut pair, "192.0.2.3"), again, "the nonce was given to another");
        assert_eq!(elsewhere(&mut pair, "::ffff:192.0.2.2"), passed());
    }

    #[test]
    fn every_algorithm_and_quality_passes_and_binds_what_it_says() {
        for algorithm in ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"] {
            for qop in ["auth", "auth-int"] {
                let mut pair = Pair::new();
                let [mut offered, _] = pair.server.challenges(pair.now, HERE, false);
                offered.params.retain(|param| *param.name != *"algorithm" && *param.name != *"qop");
                offered.push_token("algorithm", algorithm);
                offered.push_quoted("qop", qop);
                let mut challenge = Challenge::choose([(&HeaderName::WwwAuthenticate, offered)]).unwrap();
                let right = challenge.answer(&who("秘密"), &asked("INVITE"), "c");
                assert_eq!(pair.judge(Some(&right)), passed(), "{algorithm} {qop}");
                let changed = challenge.answer(&who("秘密"), &Asked { body: b"v=1", ..asked("INVITE") }, "c");
                let expected = if qop == "auth" { passed() } else { Verdict::Wrong };
                assert_eq!(pair.judge(Some(&changed)), expected, "{algorithm} {qop}: another body");
            }
        }
    }

    #[test]
    fn replays_and_old_nonces_are_stale_and_repeats_pass() {
        let mut pair = Pair::new();
        let mut challenge = pair.challenge();
        let first = challenge.answer(&who("秘密"), &asked("INVITE"), "c1");
        let second = challenge.answer(&who("秘密"), &asked("INVITE"), "c2");
        assert_eq!(pair.judge(Some(&first)), passed());
        assert_eq!(pair.judge(Some(&first)), passed(), "the same request again, lost answer");
        assert_eq!(pair.judge(Some(&second)), passed());
        assert_eq!(pair.judge(Some(&first)), Verdict::Challenge { stale: true });
        pair.now += Duration::from_secs(301);
        let late = challenge.answer(&who("秘密"), &asked("INVITE"), "c3");
        assert_eq!(pair.judge(Some(&late)), Verdict::Challenge { stale: true });
    }

    #[test]
    fn the_table_of_nonces_is_bounded() {
        let mut pair = Pair::new();
        let mut oldest = pair.challenge();
        for _ in 0..=MAX_NONCES {
            let mut challenge = pair.challenge();
            let answer = challenge.answer(&who("秘密"), &asked("INVITE"), "c");
            assert_eq!(pair.judge(Some(&answer)), passed());
        }
        assert_eq!(pair.server.used.len(), MAX_NONCES);
        let answer = oldest.answer(&who("秘密"), &asked("INVITE"), "c");
        assert_eq!(pair.judge(Some(&answer)), Verdict::Challenge { stale: true });
    }
}
