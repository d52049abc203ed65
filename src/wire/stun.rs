//! STUN messages (RFC 8489) as far as connectivity checks need them (RFC 8445 7): binding requests, and their answers, with
//! MESSAGE-INTEGRITY under a short-term credential and FINGERPRINT. Read in place; written into a buffer of the caller's.
//!
//! Followed: 5 (header), 6.3 (comprehension-required attributes that are unknown are named), 14.2 (XOR-MAPPED-ADDRESS), 14.3,
//! 14.5, 14.7, 14.8, 14.13. Not here: long-term credentials, SHA-256 integrity, TCP, TURN.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Bytes of a header.
const HEADER: usize = 20;
/// The value that tells STUN from what came before it.
const COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
/// What a CRC-32 is mixed with, so that it is no other protocol's.
const FINGERPRINT_XOR: u32 = 0x5354_554e;
/// Bytes of MESSAGE-INTEGRITY with its head, and of FINGERPRINT with its head.
const INTEGRITY: usize = 24;
const FINGERPRINT: usize = 8;
/// Unknown attributes that an answer names at most.
const UNKNOWN: usize = 8;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT_TYPE: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802a;

/// What kind of message it is. Of methods there is only Binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// The answer.
    Success,
    /// The answer that says no.
    Error,
}

impl Class {
    fn bits(self) -> u16 {
        match self {
            Self::Request => 0x0001,
            Self::Indication => 0x0011,
            Self::Success => 0x0101,
            Self::Error => 0x0111,
        }
    }
}

/// Why bytes are no STUN message that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StunError {
    /// Lengths do not fit together.
    #[error("malformed")]
    Malformed,
    /// Not the magic cookie of RFC 5389 and later.
    #[error("no magic cookie")]
    Cookie,
    /// Another method than Binding.
    #[error("another method than Binding")]
    Method,
    /// FINGERPRINT is missing, or not that of these bytes.
    #[error("wrong fingerprint")]
    Fingerprint,
}

/// Names a request and its answer.
pub type TransactionId = [u8; 12];

/// A message that was read: its fingerprint is right, its integrity is for [`Message::is_signed_by`] to say.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    class: Class,
}

impl<'a> Message<'a> {
    /// Reads a whole datagram.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, StunError> {
        let header = bytes.first_chunk::<HEADER>().ok_or(StunError::Malformed)?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if length % 4 != 0 || bytes.len() != HEADER + length {
            return Err(StunError::Malformed);
        }
        if header[4..8] != COOKIE {
            return Err(StunError::Cookie);
        }
        let kind = u16::from_be_bytes([header[0], header[1]]);
        let class = [Class::Request, Class::Indication, Class::Success, Class::Error]
            .into_iter()
            .find(|class| class.bits() == kind)
            .ok_or(StunError::Method)?;
        let message = Self { bytes, class };
        let mut attributes = Attributes(&bytes[HEADER..]);
        if attributes.by_ref().last().is_none() || !attributes.0.is_empty() {
            return Err(StunError::Malformed);
        }
        message.check_fingerprint()?;
        Ok(message)
    }

    /// Its kind.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Its name.
    pub fn transaction(&self) -> TransactionId {
        let mut id = [0; 12];
        id.copy_from_slice(&self.bytes[8..HEADER]);
        id
    }

    /// What counts: behind MESSAGE-INTEGRITY only FINGERPRINT has a meaning (RFC 8489 14.5).
    fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let mut signed = false;
        Attributes(&self.bytes[HEADER..]).map_while(move |(_, kind, value)| {
            let counts = !signed || kind == FINGERPRINT_TYPE;
            signed |= kind == MESSAGE_INTEGRITY;
            counts.then_some((kind, value))
        })
    }

    fn value(&self, wanted: u16) -> Option<&'a [u8]> {
        self.attributes().find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
    }

    /// USERNAME.
    pub fn username(&self) -> Option<&'a [u8]> {
        self.value(USERNAME)
    }

    /// Whether the pair is nominated.
    pub fn uses_candidate(&self) -> bool {
        self.value(USE_CANDIDATE).is_some()
    }

    /// Whether the sender takes the other side to be in control.
    pub fn is_controlled(&self) -> bool {
        self.value(ICE_CONTROLLED).is_some()
    }

    /// Attributes that have to be understood and are not, as many as an answer names.
    pub fn unknown(&self) -> impl Iterator<Item = u16> + use<'a> {
        let known =
            [USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, UNKNOWN_ATTRIBUTES, XOR_MAPPED_ADDRESS, PRIORITY, USE_CANDIDATE];
        self.attributes()
            .map(|(kind, _)| kind)
            .filter(move |kind| *kind < 0x8000 && !known.contains(kind))
            .take(UNKNOWN)
    }

    /// XOR-MAPPED-ADDRESS.
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        let value = self.value(XOR_MAPPED_ADDRESS)?;
        let (&[_, family, high, low], address) = value.split_first_chunk::<4>()?;
        let mask = &self.bytes[4..HEADER];
        let port = u16::from_be_bytes([high ^ mask[0], low ^ mask[1]]);
        let ip = match family {
            1 => IpAddr::from(masked::<4>(address, mask)?),
            2 => IpAddr::from(masked::<16>(address, mask)?),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    /// Whether there is a MESSAGE-INTEGRITY.
    pub fn is_signed(&self) -> bool {
        self.value(MESSAGE_INTEGRITY).is_some()
    }

    /// Whether who has this password made it.
    pub fn is_signed_by(&self, password: &[u8]) -> bool {
        let signature = Attributes(&self.bytes[HEADER..]).find(|(_, kind, _)| *kind == MESSAGE_INTEGRITY);
        let Some((rest, _, value)) = signature else { return false };
        let end = self.bytes.len() - rest - INTEGRITY;
        signature_of(&self.bytes[..end], password).verify_slice(value).is_ok()
    }

    fn check_fingerprint(&self) -> Result<(), StunError> {
        let end =
            self.bytes.len().checked_sub(FINGERPRINT).filter(|end| *end >= HEADER).ok_or(StunError::Fingerprint)?;
        let expected = fingerprint_of(&self.bytes[..end]);
        let last = Attributes(&self.bytes[end..]).next();
        let is_right = matches!(last, Some((0, FINGERPRINT_TYPE, value)) if *value == expected);
        if is_right { Ok(()) } else { Err(StunError::Fingerprint) }
    }
}

fn masked<const N: usize>(address: &[u8], mask: &[u8]) -> Option<[u8; N]> {
    let mut out: [u8; N] = address.try_into().ok()?;
    out.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    Some(out)
}

/// Attributes in order: bytes behind it, its type, its value. Ends early, with bytes left, where one is cut off.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (usize, u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[a, b, c, d], rest) = self.0.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([c, d]));
        let value = rest.get(..length)?;
        self.0 = rest.get(length.next_multiple_of(4)..)?;
        Some((self.0.len(), u16::from_be_bytes([a, b]), value))
    }
}

/// HMAC-SHA1 over what stands before MESSAGE-INTEGRITY, as if the message ended with it.
fn signature_of(before: &[u8], password: &[u8]) -> Hmac<Sha1> {
    let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(password).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(&before[..2]);
    mac.update(&length_of(before.len() + INTEGRITY));
    mac.update(&before[4..]);
    mac
}

/// CRC-32 over what stands before FINGERPRINT, which a message ends with.
fn fingerprint_of(before: &[u8]) -> [u8; 4] {
    (crc32(before) ^ FINGERPRINT_XOR).to_be_bytes()
}

fn length_of(message: usize) -> [u8; 2] {
    u16::try_from(message - HEADER).unwrap_or(u16::MAX).to_be_bytes()
}

/// CRC-32 of ISO 3309 (RFC 8489 14.7), bit by bit: a check comes every few seconds.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// Writes one message.
pub struct Writer<'a> {
    bytes: &'a mut [u8],
    length: usize,
    full: bool,
}

impl<'a> Writer<'a> {
    /// A message without attributes in this buffer.
    pub fn new(bytes: &'a mut [u8], class: Class, transaction: TransactionId) -> Self {
        let mut writer = Self { bytes, length: 0, full: false };
        writer.put(&class.bits().to_be_bytes());
        writer.put(&[0, 0]);
        writer.put(&COOKIE);
        writer.put(&transaction);
        writer
    }

    fn put(&mut self, bytes: &[u8]) {
        match self.bytes.get_mut(self.length..self.length + bytes.len()) {
            Some(room) => room.copy_from_slice(bytes),
            None => self.full = true,
        }
        self.length += bytes.len();
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.put(&kind.to_be_bytes());
        self.put(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.put(value);
        self.put(&[0; 3][..value.len().next_multiple_of(4) - value.len()]);
        let length = length_of(self.length);
        if let Some(room) = self.bytes.get_mut(2..4) {
            room.copy_from_slice(&length);
        }
    }

    /// XOR-MAPPED-ADDRESS.
    #[must_use]
    pub fn mapped_address(mut self, address: SocketAddr) -> Self {
        let mut mask = [0; 16];
        mask.copy_from_slice(self.bytes.get(4..HEADER).unwrap_or(&[0; 16]));
        let [high, low] = address.port().to_be_bytes();
        let mut value = [0; 20];
        value[2..4].copy_from_slice(&[high ^ mask[0], low ^ mask[1]]);
        let length = match address.ip() {
            IpAddr::V4(ip) => {
                value[1] = 1;
                value[4..8].copy_from_slice(&Ipv4Addr::octets(&ip));
                8
            }
            IpAddr::V6(ip) => {
                value[1] = 2;
                value[4..20].copy_from_slice(&Ipv6Addr::octets(&ip));
                20
            }
        };
        value[4..length].iter_mut().zip(&mask).for_each(|(byte, mask)| *byte ^= mask);
        self.attribute(XOR_MAPPED_ADDRESS, &value[..length]);
        self
    }

    /// ERROR-CODE without a reason.
    #[must_use]
    pub fn error(mut self, code: u16) -> Self {
        let [class, number] = [code / 100, code % 100].map(|part| part as u8);
        self.attribute(ERROR_CODE, &[0, 0, class, number]);
        self
    }

    /// UNKNOWN-ATTRIBUTES.
    #[must_use]
    pub fn unknown(mut self, kinds: impl Iterator<Item = u16>) -> Self {
        let mut value = [0; 2 * UNKNOWN];
        let mut length = 0;
        for (room, kind) in value.chunks_exact_mut(2).zip(kinds) {
            room.copy_from_slice(&kind.to_be_bytes());
            length += 2;
        }
        self.attribute(UNKNOWN_ATTRIBUTES, &value[..length]);
        self
    }

    /// What a check of the controlling side holds (RFC 8445 7.1).
    #[must_use]
    pub fn check(mut self, username: &str, priority: u32, tie_breaker: u64, nominates: bool) -> Self {
        self.attribute(USERNAME, username.as_bytes());
        self.attribute(PRIORITY, &priority.to_be_bytes());
        self.attribute(ICE_CONTROLLING, &tie_breaker.to_be_bytes());
        if nominates {
            self.attribute(USE_CANDIDATE, &[]);
        }
        self
    }

    /// Signs it, where there is a password to sign with, and ends it; its length. `None` where the buffer is too small.
    pub fn finish(mut self, password: Option<&[u8]>) -> Option<usize> {
        if let Some(password) = password {
            let before = self.bytes.get(..self.length)?;
            let signature = signature_of(before, password).finalize().into_bytes();
            self.attribute(MESSAGE_INTEGRITY, &signature);
        }
        // Room for FINGERPRINT counts before it is computed.
        let before = self.length;
        self.attribute(FINGERPRINT_TYPE, &[0; 4]);
        if self.full {
            return None;
        }
        let crc = fingerprint_of(&self.bytes[..before]);
        self.bytes[before + 4..self.length].copy_from_slice(&crc);
        Some(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 2.
    const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
    const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff\
        80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
    const ANSWER: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643\
        000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
    const ANSWER_IPV6: &str = "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9fa\
        a5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";

    fn bytes(hex: &str) -> Vec<u8> {
        hex::decode(hex.replace([' ', '\n'], "")).unwrap()
    }

    #[test]
    fn the_request_of_rfc_5769() {
        let bytes = bytes(REQUEST);
        let request = Message::parse(&bytes).unwrap();
        assert_eq!((request.class(), request.username()), (Class::Request, Some(&b"evtj:h6vY"[..])));
        assert!(request.is_controlled() && !request.uses_candidate());
        assert!(request.is_signed_by(PASSWORD) && !request.is_signed_by(b"another"));
        assert_eq!(request.unknown().count(), 0);
        assert_eq!(hex::encode(request.transaction()), "b7e7a701bc34d686fa87dfae");
    }

    #[test]
    fn the_answers_of_rfc_5769() {
        for (hex, address) in
            [(ANSWER, "192.0.2.1:32853"), (ANSWER_IPV6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
        {
            let bytes = bytes(hex);
            let answer = Message::parse(&bytes).unwrap();
            assert_eq!((answer.class(), answer.mapped_address()), (Class::Success, Some(address.parse().unwrap())));
            assert!(answer.is_signed_by(PASSWORD));
            // Ours of the same, without SOFTWARE.
            let mut room = [0; 128];
            let length = Writer::new(&mut room, Class::Success, answer.transaction())
                .mapped_address(address.parse().unwrap())
                .finish(Some(PASSWORD))
                .unwrap();
            let ours = Message::parse(&room[..length]).unwrap();
            assert_eq!((ours.mapped_address(), ours.is_signed_by(PASSWORD)), (answer.mapped_address(), true));
            assert_eq!(length, bytes.len() - 16);
        }
    }

    #[test]
    fn what_is_changed_is_noticed() {
        let whole = bytes(REQUEST);
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 0x04;
            let read = Message::parse(&changed);
            assert!(read.is_err(), "byte {place}: {read:?}");
            assert!(Message::parse(&whole[..place]).is_err());
        }
        assert_eq!(Message::parse(&bytes("0003000021 12a442b7e7a701bc34d686fa87dfae")).unwrap_err(), StunError::Method);
    }

    #[test]
    fn what_follows_the_signature_does_not_count() {
        let mut room = [0; 160];
        let length =
            Writer::new(&mut room, Class::Request, [7; 12]).check("a:b", 1, 2, false).finish(Some(b"pw")).unwrap();
        assert!(Message::parse(&room[..length]).unwrap().is_signed_by(b"pw"));
        // Somebody on the way adds a nomination between signature and fingerprint.
        let mut writer = Writer { bytes: &mut room, length: length - FINGERPRINT, full: false };
        writer.attribute(USE_CANDIDATE, &[]);
        let length = writer.finish(None).unwrap();
        let read = Message::parse(&room[..length]).unwrap();
        assert!(read.is_signed_by(b"pw") && !read.uses_candidate());
    }

    #[test]
    fn unknown_attributes_are_named() {
        let mut room = [0; 160];
        let mut writer = Writer::new(&mut room, Class::Request, [7; 12]).check("a:b", 1, 2, true);
        writer.attribute(0x7ffe, b"odd");
        writer.attribute(0xc057, &[0; 4]);
        let length = writer.finish(Some(b"pw")).unwrap();
        let read = Message::parse(&room[..length]).unwrap();
        assert_eq!(read.unknown().collect::<Vec<_>>(), [0x7ffe]);
        let mut answer = [0; 160];
        let length =
            Writer::new(&mut answer, Class::Error, read.transaction()).error(420).unknown(read.unknown()).finish(None);
        let answer = Message::parse(&answer[..length.unwrap()]).unwrap();
        assert_eq!(
            (answer.value(ERROR_CODE), answer.value(UNKNOWN_ATTRIBUTES)),
            (Some(&[0, 0, 4, 20][..]), Some(&[0x7f, 0xfe][..]))
        );
    }

    #[test]
    fn a_small_buffer_is_no_panic() {
        for room in 0..80 {
            let mut bytes = vec![0; room];
            let writer =
                Writer::new(&mut bytes, Class::Success, [1; 12]).mapped_address("192.0.2.1:9".parse().unwrap());
            assert_eq!(writer.finish(Some(b"pw")).is_some(), room >= 64, "{room}");
        }
    }
}
