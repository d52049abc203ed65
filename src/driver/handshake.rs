//! DTLS handshakes that make SRTP keys (RFC 5764), by dimpl, and the certificate that we show in them. Not below the line, as it
//! draws from the system's random source; otherwise a machine like those there. What a handshake must achieve, and whose bytes
//! it sees, the call's stream decides.
//!
//! Followed: DTLS 1.2 and 1.3 with ECDSA certificates, `use_srtp` (RFC 5764 4.1), the fingerprint of the other side's
//! certificate instead of its chain (RFC 8122 6.2). Not here: RSA certificates, session resumption, application data.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Config, Dtls, DtlsCertificate, KeyingMaterial, SrtpProfile};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, SerialNumber};
use sha2::{Digest, Sha256};

use super::secret;
use crate::media::browser::{DtlsRole, DtlsTerms, Fingerprint};
use crate::media::srtp::Suite;
use crate::media::srtp::sdes::SrtpKeys;

/// A handshake that takes longer has failed.
const LONGEST: Duration = Duration::from_secs(15);
/// Before the first repetition.
const REPEAT: Duration = Duration::from_millis(400);
/// Repetitions of a flight: 0.4, 0.8, 1.6, 3.2, 6.4 s.
const REPEATS: usize = 5;
/// Longest datagram that we send, bytes.
const DATAGRAM: usize = 1_200;
/// Longest that one poll may want, bytes: a certificate.
const ROOM: usize = 8_192;
/// Life of our certificate.
const DAYS: i64 = 365;

/// No certificate can be made.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The certificate itself.
    #[error("cannot make a certificate for DTLS: {0}")]
    Certificate(#[from] rcgen::Error),
    /// Its number.
    #[error(transparent)]
    Random(#[from] secret::NoSecret),
    /// What goes with it.
    #[error("cannot set up DTLS: {0}")]
    Dtls(#[from] dimpl::Error),
}

/// Who we are in handshakes: a certificate signed by itself, made anew at each start. Its fingerprint stands in our session
/// descriptions, and nothing else vouches for it.
pub struct Identity {
    certificate: DtlsCertificate,
    fingerprint: Fingerprint,
    config: Arc<Config>,
}

impl Identity {
    /// A new one.
    pub fn fresh() -> Result<Arc<Self>, IdentityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = DistinguishedName::new();
        // Nothing that tells one house from another: it goes in the clear in DTLS 1.2.
        params.distinguished_name.push(DnType::CommonName, "tingwa");
        let now = std::time::SystemTime::now();
        params.not_before = (now - Duration::from_secs(86_400)).into();
        params.not_after = params.not_before + Duration::from_secs(86_400 * DAYS.unsigned_abs());
        params.serial_number = Some(SerialNumber::from_slice(&secret::fresh()?[..16]));
        let certificate = params.self_signed(&key)?.der().to_vec();
        let config = Config::builder()
            .with_crypto_provider(dimpl::crypto::rust_crypto::default_provider())
            .mtu(DATAGRAM)
            .flight_start_rto(REPEAT)
            .flight_retries(REPEATS)
            .handshake_timeout(LONGEST)
            // A check signed with our password has come from there already.
            .use_server_cookie(false)
            .build()?;
        Ok(Arc::new(Self {
            fingerprint: fingerprint_of(&certificate),
            certificate: DtlsCertificate { certificate, private_key: key.serialize_der() },
            config: Arc::new(config),
        }))
    }

    /// Of our certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

fn fingerprint_of(certificate: &[u8]) -> Fingerprint {
    Fingerprint(Sha256::digest(certificate).into())
}

/// Why there are no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeFailure {
    /// Somebody else than who signalled.
    #[error("the certificate is not the one of a=fingerprint")]
    Stranger,
    /// The other side ended it.
    #[error("the other side closed it")]
    Closed,
    /// The library gave up, or it took too long.
    #[error("{0}")]
    Dtls(String),
    /// A bug in the library.
    #[error("a bug in DTLS")]
    Bug,
}

/// What comes of a handshake, once.
pub type HandshakeOutcome = Result<SrtpKeys, HandshakeFailure>;

/// One handshake, and the repetitions of its end for as long as its leg lives.
pub struct Handshake {
    dtls: Option<Dtls>,
    terms: DtlsTerms,
    to: SocketAddr,
    /// Whether the other side has shown the right certificate.
    known: bool,
    told: bool,
    wake: Option<Instant>,
}

impl Handshake {
    /// Nothing was sent; [`Self::handle`] begins it, where it is for us to begin.
    pub fn new(now: Instant, identity: &Identity, terms: DtlsTerms, to: SocketAddr) -> Self {
        let mut dtls = Dtls::new_auto(identity.config.clone(), identity.certificate.clone(), now);
        dtls.set_active(terms.role == DtlsRole::Active);
        Self { dtls: Some(dtls), terms, to, known: false, told: false, wake: None }
    }

    /// What it is for.
    pub fn terms(&self) -> &DtlsTerms {
        &self.terms
    }

    /// Where the other side is.
    pub fn destination(&self) -> SocketAddr {
        self.to
    }

    /// The other side is there now.
    pub fn moved(&mut self, to: SocketAddr) {
        self.to = to;
    }

    /// When to come back without bytes.
    pub fn deadline(&self) -> Option<Instant> {
        self.wake.filter(|_| self.dtls.is_some())
    }

    /// Takes a datagram (none: time has passed), gives what is to be sent to `send`, and its outcome when there is one.
    pub fn handle(&mut self, now: Instant, bytes: &[u8], mut send: impl FnMut(&[u8])) -> Option<HandshakeOutcome> {
        let mut dtls = self.dtls.take()?;
        let worked = catch_unwind(AssertUnwindSafe(|| {
            let outcome = self.work(&mut dtls, now, bytes, &mut send);
            (dtls, outcome)
        }));
        let outcome = match worked {
            Ok((dtls, Ok(keys))) => {
                self.dtls = Some(dtls);
                Ok(keys?)
            }
            Ok((_, Err(failure))) => Err(failure),
            Err(_) => Err(HandshakeFailure::Bug),
        };
        // What fails after the keys are made costs no call: audio has its own.
        (!std::mem::replace(&mut self.told, true)).then_some(outcome)
    }

    fn work(
        &mut self,
        dtls: &mut Dtls,
        now: Instant,
        bytes: &[u8],
        send: &mut impl FnMut(&[u8]),
    ) -> Result<Option<SrtpKeys>, HandshakeFailure> {
        let failed = |error: dimpl::Error| HandshakeFailure::Dtls(error.to_string());
        dtls.handle_timeout(now).map_err(failed)?;
        let mut keys = self.drain(dtls, send)?;
        if !bytes.is_empty() {
            dtls.handle_packet(bytes).map_err(failed)?;
            keys = self.drain(dtls, send)?.or(keys);
        }
        Ok(keys)
    }

    fn drain(&mut self, dtls: &mut Dtls, send: &mut impl FnMut(&[u8])) -> Result<Option<SrtpKeys>, HandshakeFailure> {
        let mut room = [0; ROOM];
        let mut keys = None;
        loop {
            match dtls.poll_output(&mut room) {
                dimpl::Output::Packet(packet) => send(packet),
                dimpl::Output::Timeout(at) => {
                    self.wake = Some(at);
                    return Ok(keys);
                }
                dimpl::Output::PeerCert(certificate) => {
                    self.known = fingerprint_of(certificate) == self.terms.peer;
                    if !self.known {
                        return Err(HandshakeFailure::Stranger);
                    }
                }
                dimpl::Output::KeyingMaterial(material, profile) if self.known => {
                    keys = Some(self.cut(&material, profile)?);
                }
                dimpl::Output::KeyingMaterial(..) => return Err(HandshakeFailure::Stranger),
                dimpl::Output::CloseNotify => return Err(HandshakeFailure::Closed),
                dimpl::Output::BufferTooSmall { needed } => {
                    return Err(HandshakeFailure::Dtls(format!("a message of {needed} bytes")));
                }
                _ => {}
            }
        }
    }

    fn cut(&self, material: &KeyingMaterial, profile: SrtpProfile) -> HandshakeOutcome {
        let suite = match profile {
            SrtpProfile::AEAD_AES_256_GCM => Suite::Gcm256,
            SrtpProfile::AEAD_AES_128_GCM => Suite::Gcm128,
            _ => Suite::AesCm80,
        };
        let keys = SrtpKeys::exported(suite, material, self.terms.role == DtlsRole::Active);
        keys.ok_or_else(|| HandshakeFailure::Dtls(format!("keys of {profile} that do not fit")))
    }
}

#[cfg(test)]
mod tests;
