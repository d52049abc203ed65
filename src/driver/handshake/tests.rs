//! Two of our own shake hands.

use super::*;
use crate::media::browser::IceCredentials;

struct Side {
    handshake: Handshake,
    outcome: Option<HandshakeOutcome>,
    sent: Vec<Vec<u8>>,
}

impl Side {
    fn new(now: Instant, identity: &Identity, role: DtlsRole, peer: Fingerprint) -> Self {
        let ice = IceCredentials::new(&[1; 32]);
        let to = SocketAddr::from(([127, 0, 0, 1], 9));
        let handshake = Handshake::new(now, identity, DtlsTerms { role, peer, ice }, to);
        Self { handshake, outcome: None, sent: Vec::new() }
    }

    fn handle(&mut self, now: Instant, bytes: &[u8]) {
        let Self { handshake, outcome, sent } = self;
        let came = handshake.handle(now, bytes, |packet| sent.push(packet.to_vec()));
        assert!(came.is_none() || outcome.is_none(), "told twice");
        *outcome = came.or(outcome.take());
    }
}

/// Lets both talk until both have an outcome; every `lose`th datagram is lost. The time that it took.
fn shake(a: &mut Side, b: &mut Side, start: Instant, lose: usize) -> Duration {
    let (mut now, mut count) = (start, 0);
    a.handle(now, &[]);
    b.handle(now, &[]);
    while now < start + Duration::from_secs(40) {
        let (from_a, from_b) = (std::mem::take(&mut a.sent), std::mem::take(&mut b.sent));
        if from_a.is_empty() && from_b.is_empty() {
            if a.outcome.is_some() && b.outcome.is_some() {
                break;
            }
            let next = [&a.handshake, &b.handshake].into_iter().filter_map(Handshake::deadline).min();
            let Some(next) = next else { break };
            now = next.max(now);
            a.handle(now, &[]);
            b.handle(now, &[]);
            continue;
        }
        let mut arrives = || {
            count += 1;
            lose == 0 || count % lose != 0
        };
        from_a.iter().filter(|_| arrives()).for_each(|bytes| b.handle(now, bytes));
        from_b.iter().filter(|_| arrives()).for_each(|bytes| a.handle(now, bytes));
    }
    now - start
}

#[test]
fn both_come_to_the_same_keys() {
    let (one, other) = (Identity::fresh().unwrap(), Identity::fresh().unwrap());
    assert_ne!(one.fingerprint(), other.fingerprint());
    let now = Instant::now();
    for lose in [0, 5, 3] {
        let mut a = Side::new(now, &one, DtlsRole::Active, other.fingerprint());
        let mut b = Side::new(now, &other, DtlsRole::Passive, one.fingerprint());
        let took = shake(&mut a, &mut b, now, lose);
        let (ours, theirs) = (a.outcome.unwrap().unwrap(), b.outcome.unwrap().unwrap());
        assert_eq!((ours.local, ours.remote), (theirs.remote, theirs.local), "losing every {lose}th");
        assert_eq!(ours.local.suite(), Suite::Gcm256);
        assert!(lose != 0 || took.is_zero(), "{took:?}");
        let _ = took;
    }
}

#[test]
fn a_stranger_is_refused() {
    let (one, other, signalled) = (Identity::fresh().unwrap(), Identity::fresh().unwrap(), Identity::fresh().unwrap());
    let now = Instant::now();
    for role in [DtlsRole::Active, DtlsRole::Passive] {
        let theirs = if role == DtlsRole::Active { DtlsRole::Passive } else { DtlsRole::Active };
        let mut a = Side::new(now, &one, role, signalled.fingerprint());
        let mut b = Side::new(now, &other, theirs, one.fingerprint());
        shake(&mut a, &mut b, now, 0);
        assert_eq!(a.outcome, Some(Err(HandshakeFailure::Stranger)), "{role:?}");
        assert_eq!(a.handshake.deadline(), None);
    }
}

#[test]
fn nobody_answers() {
    let identity = Identity::fresh().unwrap();
    let now = Instant::now();
    let mut a = Side::new(now, &identity, DtlsRole::Active, identity.fingerprint());
    a.handle(now, &[]);
    let mut sent = 0;
    while let (None, Some(at)) = (&a.outcome, a.handshake.deadline()) {
        sent += std::mem::take(&mut a.sent).len();
        assert!(at <= now + Duration::from_secs(20), "{:?}", at - now);
        a.handle(at, &[]);
    }
    assert!(matches!(a.outcome, Some(Err(HandshakeFailure::Dtls(_)))) && sent > 3, "{sent} {:?}", a.outcome);
}

#[test]
fn nonsense_is_no_panic() {
    let identity = Identity::fresh().unwrap();
    let now = Instant::now();
    let mut random = fastrand::Rng::with_seed(5764);
    for _ in 0..200 {
        let mut a = Side::new(now, &identity, DtlsRole::Passive, identity.fingerprint());
        for _ in 0..4 {
            let mut bytes: Vec<u8> = (0..random.usize(1..200)).map(|_| random.u8(..)).collect();
            bytes[0] = random.u8(20..24);
            a.handle(now, &bytes);
        }
        assert!(a.outcome.is_none_or(|outcome| outcome.is_err()));
    }
}
