//! Keys in session descriptions (RFC 4568): `a=crypto` lines, keys of our own, and what may be sent in the clear.
//!
//! Whoever reads the signalling can hear the call: SDES belongs on SIP over TLS, or in a network that is trusted. A line is
//! left out, as if it were not there, where its suite is unknown, where it has several keys, a key derivation rate, or a
//! session parameter that we do not follow (RFC 4568 6.3). The lifetime is not counted: a call's hours of packets are far
//! below the least that a suite guarantees.

use std::fmt;
use std::str::FromStr;

use aes::Aes256;
use aes::cipher::KeyInit;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::SrtpError;
use super::suite::{MasterKey, Suite};
use super::transform::xor_keystream;

/// Some leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// What stands where a key has the number of its suite.
const NO_SUITE: u8 = 0xff;
/// Longest master key identifier (RFC 4568 6.1), bytes.
const LONGEST_MKI: u8 = 128;
/// What we offer, in this order. A tag of 32 bits is answered where it is asked for, never offered.
const OFFERED: [Suite; 3] = [Suite::Gcm256, Suite::Gcm128, Suite::AesCm80];

/// Whether audio is encrypted, as it is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Srtp {
    /// Never: an offer of nothing but SRTP is refused.
    #[default]
    Off,
    /// Where the other side can: we offer RTP/AVP with keys (RFC 8643), and answer both kinds.
    Offer,
    /// Always: we offer RTP/SAVP, and refuse what has no keys.
    Required,
    /// Always, and the other side is a browser: we offer UDP/TLS/RTP/SAVPF. What it offers is answered as with [`Self::Required`].
    Dtls,
}

impl FromStr for Srtp {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "offer" => Ok(Self::Offer),
            "required" => Ok(Self::Required),
            "dtls" => Ok(Self::Dtls),
            _ => Err("expected off, offer, required or dtls"),
        }
    }
}

/// Where our keys come from: a secret of the call, made by the system's random source, and the number of a stream in it.
/// The same secret and number give the same keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeySource {
    secret: [u8; 32],
    stream: u32,
}

impl KeySource {
    /// Keys of the stream with this number. Two streams of one secret must not have the same.
    pub fn new(secret: [u8; 32], stream: u32) -> Self {
        Self { secret, stream }
    }

    /// The master key of a suite: keystream of AES-256 under the secret.
    pub fn key(&self, suite: Suite) -> MasterKey {
        let mut iv = [0; 16];
        iv[..4].copy_from_slice(&self.stream.to_be_bytes());
        iv[4] = suite as u8;
        let mut bytes = [0; 44];
        let bytes = &mut bytes[..suite.key_length() + suite.salt_length()];
        xor_keystream(&Aes256::new(&self.secret.into()), iv, bytes);
        MasterKey::of(suite, bytes)
    }

    /// Bytes that nobody can guess and that are no key: for ICE credentials, another set after each restart.
    pub fn bytes<const N: usize>(&self, restart: u32) -> [u8; N] {
        let mut iv = [0; 16];
        iv[..4].copy_from_slice(&self.stream.to_be_bytes());
        iv[4] = NO_SUITE;
        iv[5..9].copy_from_slice(&restart.to_be_bytes());
        let mut bytes = [0; N];
        xor_keystream(&Aes256::new(&self.secret.into()), iv, &mut bytes);
        bytes
    }

    /// The lines of our offer.
    pub fn offer(&self) -> impl Iterator<Item = CryptoLine> + '_ {
        OFFERED.into_iter().zip(1..).map(|(suite, tag)| CryptoLine { tag, key: self.key(suite), mki: None })
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySource(stream {})", self.stream)
    }
}

/// What we do about encryption on one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Nothing.
    #[default]
    Off,
    /// Keys are offered and taken.
    On {
        /// True: nothing is sent or taken in the clear.
        required: bool,
        /// Ours.
        keys: KeySource,
    },
}

impl Security {
    /// As configured.
    pub fn new(srtp: Srtp, keys: KeySource) -> Self {
        match srtp {
            Srtp::Off => Self::Off,
            Srtp::Offer => Self::On { required: false, keys },
            Srtp::Required | Srtp::Dtls => Self::On { required: true, keys },
        }
    }
}

/// A master key identifier: what stands in each packet to name its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mki {
    value: u64,
    length: u8,
}

impl Mki {
    /// Where it begins, when it ends at `end`.
    pub(super) fn before(self, packet: &[u8], end: usize) -> Result<usize, SrtpError> {
        let at = end.checked_sub(usize::from(self.length)).ok_or(SrtpError::Short)?;
        let bytes = packet.get(at..end).ok_or(SrtpError::Short)?;
        let (zeros, low) = bytes.split_at(bytes.len().saturating_sub(8));
        let value = low.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        let same = value == self.value && zeros.iter().all(|byte| *byte == 0);
        if same { Ok(at) } else { Err(SrtpError::Authentication) }
    }
}

/// An `a=crypto` line that we can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CryptoLine {
    /// Number within the description: an answer names the line that it takes.
    pub tag: u32,
    /// The describing side's key: what it sends is protected with it.
    pub key: MasterKey,
    /// What it puts into its packets to name the key.
    pub mki: Option<Mki>,
}

impl CryptoLine {
    /// Reads what follows `a=crypto:`; `None` for a line to be left out.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut fields = std::str::from_utf8(value).ok()?.split_ascii_whitespace();
        let tag = fields.next()?;
        let tag = (tag.len() <= 9).then(|| tag.parse().ok()).flatten()?;
        let name = fields.next()?;
        let suite = Suite::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))?;
        let (method, info) = fields.next()?.split_once(':')?;
        if !method.eq_ignore_ascii_case("inline") || info.contains(';') || !fields.all(is_followed) {
            return None;
        }
        let mut parts = info.split('|');
        let key = MasterKey::new(suite, &BASE64.decode(parts.next()?).ok()?)?;
        let mut mki = None;
        for part in parts {
            match part.split_once(':') {
                Some((value, length)) => mki = Some(parse_mki(value, length)?),
                None => part.strip_prefix("2^").unwrap_or(part).parse::<u64>().map(drop).ok()?,
            }
        }
        Some(Self { tag, key, mki })
    }
}

/// What is written behind `a=crypto:`. It holds the key.
impl fmt::Display for CryptoLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} inline:{}", self.tag, self.key.suite().name(), BASE64.encode(self.key.bytes()))
    }
}

fn parse_mki(value: &str, length: &str) -> Option<Mki> {
    let length = length.parse().ok().filter(|length| (1..=LONGEST_MKI).contains(length))?;
    Some(Mki { value: value.parse().ok()?, length })
}

/// Session parameters: a window's size is a hint, the order of error correction has no meaning without it, what begins with
/// a dash may be passed over (RFC 4568 6.3.7).
fn is_followed(parameter: &str) -> bool {
    parameter == "KDR=0"
        || parameter.starts_with("WSH=")
        || parameter.starts_with("FEC_ORDER=")
        || parameter.starts_with('-')
}

/// What was agreed: with what each side protects what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrtpKeys {
    /// Number of the line.
    pub tag: u32,
    /// Ours.
    pub local: MasterKey,
    /// The other side's.
    pub remote: MasterKey,
    /// What the other side puts into its packets to name its key.
    pub mki: Option<Mki>,
}

impl SrtpKeys {
    /// Takes the first of the other side's lines that we can follow.
    pub fn answer<'a>(lines: impl Iterator<Item = &'a [u8]>, ours: &KeySource) -> Option<Self> {
        let CryptoLine { tag, key, mki } = lines.into_iter().find_map(CryptoLine::parse)?;
        Some(Self { tag, local: ours.key(key.suite()), remote: key, mki })
    }

    /// Takes the one line of an answer to our offer, which must name a line of ours and its suite (RFC 4568 7.1.3).
    pub fn accept<'a>(mut lines: impl Iterator<Item = &'a [u8]>, offered: &[CryptoLine]) -> Option<Self> {
        let CryptoLine { tag, key, mki } = CryptoLine::parse(lines.next()?)?;
        let ours = offered.iter().find(|line| line.tag == tag && line.key.suite() == key.suite())?;
        Some(Self { tag, local: ours.key, remote: key, mki })
    }

    /// Our line of the answer.
    pub fn line(&self) -> CryptoLine {
        CryptoLine { tag: self.tag, key: self.local, mki: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4568 6.1 and 5.
    const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    #[test]
    fn lines_are_read() {
        // Line; tag and whether there is an MKI, or nothing.
        let table = [
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:32"), Some((1, true))),
            (format!("2 AES_CM_128_HMAC_SHA1_32 inline:{KEY}"), Some((2, false))),
            (format!("999999999 aes_cm_128_hmac_sha1_80 INLINE:{KEY}|2^48"), Some((999_999_999, false))),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1048576|4294967296:4"), Some((1, true))),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|7:1 KDR=0 WSH=128 -NEW"), Some((1, true))),
            (format!("1 AEAD_AES_256_GCM inline:{}", "A".repeat(59)), Some((1, false))),
            (format!("1 AEAD_AES_256_GCM inline:{}=", "A".repeat(59)), Some((1, false))),
            (format!("1 AEAD_AES_128_GCM inline:{}==", "A".repeat(38)), Some((1, false))),
            (format!("1 AEAD_AES_128_GCM inline:{KEY}"), None),
            (format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"), None),
            (format!("1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), None),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY};inline:{KEY}"), None),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=1"), None),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTCP"), None),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNAUTHENTICATED_SRTP"), None),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:129"), None),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|x"), None),
            (format!("1 AES_CM_128_HMAC_SHA1_80 uri:{KEY}"), None),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:d0Rm".to_owned(), None),
            ("1 AES_CM_128_HMAC_SHA1_80".to_owned(), None),
            (String::new(), None),
        ];
        for (line, expected) in table {
            let read = CryptoLine::parse(line.as_bytes());
            assert_eq!(read.map(|read| (read.tag, read.mki.is_some())), expected, "{line}");
        }
    }

    #[test]
    fn a_line_is_written_as_it_was_read() {
        let line = format!("4 AES_CM_128_HMAC_SHA1_80 inline:{KEY}");
        let read = CryptoLine::parse(line.as_bytes()).unwrap();
        assert_eq!(read.to_string(), line);
        assert!(!format!("{read:?}").contains("68, 102"), "{read:?}");
        assert_eq!(hex::encode(read.key.bytes()), hex::encode(BASE64.decode(KEY).unwrap()));
    }

    #[test]
    fn our_keys_differ_in_all_that_names_them() {
        let mut seen = std::collections::BTreeSet::new();
        for secret in [[1; 32], [2; 32]] {
            for stream in [0, 1] {
                for suite in Suite::ALL {
                    let source = KeySource::new(secret, stream);
                    assert_eq!(source.key(suite), source.key(suite));
                    assert!(seen.insert(source.key(suite).bytes()[..16].to_vec()));
                }
            }
        }
        let source = KeySource::new([1; 32], 0);
        for restart in 0..2 {
            assert!(seen.insert(source.bytes::<16>(restart).to_vec()));
        }
        assert_eq!(format!("{source:?}"), "KeySource(stream 0)");
    }

    #[test]
    fn both_sides_come_to_the_same_keys() {
        let (caller, callee) = (KeySource::new([3; 32], 0), KeySource::new([4; 32], 0));
        let offered: Vec<CryptoLine> = caller.offer().collect();
        let tags: Vec<_> = offered.iter().map(|line| (line.tag, line.key.suite())).collect();
        assert_eq!(tags, [(1, Suite::Gcm256), (2, Suite::Gcm128), (3, Suite::AesCm80)]);
        let lines: Vec<String> = offered.iter().map(ToString::to_string).collect();
        // The callee knows only what comes from the second line on.
        let known = lines[1..].iter().map(String::as_bytes);
        let answered = SrtpKeys::answer(known, &callee).unwrap();
        let line = answered.line().to_string();
        let accepted = SrtpKeys::accept([line.as_bytes()].into_iter(), &offered).unwrap();
        assert_eq!((accepted.tag, accepted.local.suite()), (2, Suite::Gcm128));
        assert_eq!((accepted.local, accepted.remote), (answered.remote, answered.local));
        // An answer to what was not asked.
        for (tag, suite) in [(9, Suite::Gcm128), (2, Suite::AesCm80), (3, Suite::AesCm32)] {
            let line = CryptoLine { tag, key: callee.key(suite), mki: None }.to_string();
            assert_eq!(SrtpKeys::accept([line.as_bytes()].into_iter(), &offered), None, "{tag} {suite:?}");
        }
        assert_eq!(SrtpKeys::accept(std::iter::empty(), &offered), None);
    }
}
