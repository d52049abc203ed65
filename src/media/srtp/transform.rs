//! One direction's keys for RTP or for RTCP, and what they do to a packet's bytes. A packet's place in its stream (source
//! and index) comes from outside; nothing is remembered.

use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::SrtpError;
use super::suite::{MasterKey, Suite};

/// Blocks of keystream made at once: the processor works on several together.
const BLOCKS: usize = 8;
const BLOCK: usize = 16;
/// Bytes of the HMAC key (RFC 3711 5.2).
const MAC_KEY: usize = 20;
/// Bytes of an RTCP header that stay readable.
pub(super) const RTCP_HEADER: usize = 8;

/// What a key is derived for (RFC 3711 4.3.1): its label for RTP; that for RTCP is 3 more.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Rtp = 0,
    Rtcp = 3,
}

/// A packet's place: its source and its index, 48 bits of RTP or 31 of RTCP.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) ssrc: u32,
    pub(super) index: u64,
}

impl Place {
    /// Bytes that differ with each packet, as they lie in every nonce: source, then 48 bits of index.
    fn bytes(self) -> [u8; 10] {
        let mut bytes = [0; 10];
        bytes[..4].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes[4..].copy_from_slice(&self.index.to_be_bytes()[2..]);
        bytes
    }

    /// The rollover counter: it is authenticated, not sent (RFC 3711 4.2).
    fn rollovers(self) -> [u8; 4] {
        ((self.index >> 16) as u32).to_be_bytes()
    }
}

/// Keys at work.
#[allow(clippy::large_enum_variant, reason = "two a stream, boxed with it")]
pub(super) enum Transform {
    /// AES in counter mode, HMAC-SHA1 behind it.
    Counter {
        cipher: Aes128,
        salt: [u8; 14],
        mac: Hmac<Sha1>,
        tag: usize,
    },
    Gcm128 {
        cipher: Aes128Gcm,
        salt: [u8; 12],
    },
    Gcm256 {
        cipher: Aes256Gcm,
        salt: [u8; 12],
    },
}

impl Transform {
    /// Derives session keys.
    pub(super) fn new(master: &MasterKey, purpose: Purpose) -> Self {
        let label = purpose as u8;
        let (rtp_tag, rtcp_tag) = master.suite().tag_lengths();
        match master.suite() {
            Suite::AesCm80 | Suite::AesCm32 => {
                let key: [u8; 16] = derive(master, label);
                let mac_key: [u8; MAC_KEY] = derive(master, label + 1);
                let tag = if label == 0 { rtp_tag } else { rtcp_tag };
                Self::counter(&key, &mac_key, derive(master, label + 2), tag)
            }
            Suite::Gcm128 => Self::gcm128(&derive(master, label), derive(master, label + 2)),
            Suite::Gcm256 => Self::gcm256(&derive(master, label), derive(master, label + 2)),
        }
    }

    pub(super) fn counter(key: &[u8; 16], mac_key: &[u8; MAC_KEY], salt: [u8; 14], tag: usize) -> Self {
        let mut block = sha1::digest::Key::<Hmac<Sha1>>::default();
        block[..MAC_KEY].copy_from_slice(mac_key);
        // A key shorter than the hash's block is one with zeros behind it (RFC 2104 2).
        Self::Counter { cipher: Aes128::new(key.into()), salt, mac: Hmac::new(&block), tag }
    }

    pub(super) fn gcm128(key: &[u8; 16], salt: [u8; 12]) -> Self {
        Self::Gcm128 { cipher: Aes128Gcm::new(key.into()), salt }
    }

    pub(super) fn gcm256(key: &[u8; 32], salt: [u8; 12]) -> Self {
        Self::Gcm256 { cipher: Aes256Gcm::new(key.into()), salt }
    }

    /// Bytes of its tag.
    pub(super) fn tag(&self) -> usize {
        match self {
            Self::Counter { tag, .. } => *tag,
            Self::Gcm128 { .. } | Self::Gcm256 { .. } => 16,
        }
    }

    /// Protects an RTP packet of `length` bytes, `header` of them readable, and returns its new length.
    pub(super) fn seal_rtp(
        &self,
        place: Place,
        buffer: &mut [u8],
        header: usize,
        length: usize,
    ) -> Result<usize, SrtpError> {
        let end = length + self.tag();
        let packet = buffer.get_mut(..end).ok_or(SrtpError::Room)?;
        let (packet, tag) = packet.split_at_mut(length);
        if header > length {
            return Err(SrtpError::Short);
        }
        match self {
            Self::Counter { cipher, salt, mac, .. } => {
                xor_keystream(cipher, counter_iv(salt, place), &mut packet[header..]);
                tag.copy_from_slice(&digest(mac, packet, &place.rollovers())[..tag.len()]);
            }
            Self::Gcm128 { .. } | Self::Gcm256 { .. } => {
                let (aad, payload) = packet.split_at_mut(header);
                tag.copy_from_slice(&self.seal(place, aad, payload)?);
            }
        }
        Ok(end)
    }

    /// Checks and opens an RTP packet with its tag at the end, and returns its new length. Nothing is changed where the tag
    /// is wrong (with AES-GCM the payload may be).
    pub(super) fn open_rtp(&self, place: Place, packet: &mut [u8], header: usize) -> Result<usize, SrtpError> {
        let length = packet.len().checked_sub(self.tag()).filter(|length| *length >= header).ok_or(SrtpError::Short)?;
        let (packet, tag) = packet.split_at_mut(length);
        match self {
            Self::Counter { cipher, salt, mac, .. } => {
                verify(mac, packet, &place.rollovers(), tag)?;
                xor_keystream(cipher, counter_iv(salt, place), &mut packet[header..]);
            }
            Self::Gcm128 { .. } | Self::Gcm256 { .. } => {
                let (aad, payload) = packet.split_at_mut(header);
                self.open(place, aad, payload, tag)?;
            }
        }
        Ok(length)
    }

    /// Protects an RTCP packet of `length` bytes; `word` is its index with the E bit set. Returns its new length.
    pub(super) fn seal_rtcp(
        &self,
        place: Place,
        buffer: &mut [u8],
        length: usize,
        word: [u8; 4],
    ) -> Result<usize, SrtpError> {
        let end = length + 4 + self.tag();
        let packet = buffer.get_mut(..end).ok_or(SrtpError::Room)?;
        if length < RTCP_HEADER {
            return Err(SrtpError::Short);
        }
        match self {
            Self::Counter { cipher, salt, mac, .. } => {
                xor_keystream(cipher, counter_iv(salt, place), &mut packet[RTCP_HEADER..length]);
                packet[length..length + 4].copy_from_slice(&word);
                let (signed, tag) = packet.split_at_mut(length + 4);
                tag.copy_from_slice(&digest(mac, signed, &[])[..tag.len()]);
            }
            Self::Gcm128 { .. } | Self::Gcm256 { .. } => {
                let aad = rtcp_aad(packet, word);
                let tag = self.seal(place, &aad, &mut packet[RTCP_HEADER..length])?;
                packet[length..length + 16].copy_from_slice(&tag);
                packet[length + 16..].copy_from_slice(&word);
            }
        }
        Ok(end)
    }

    /// Checks and opens an RTCP packet; its word, whose E bit says whether it is encrypted, and its tag are apart from it.
    pub(super) fn open_rtcp(
        &self,
        place: Place,
        packet: &mut [u8],
        word: [u8; 4],
        tag: &[u8],
    ) -> Result<(), SrtpError> {
        let encrypted = word[0] & 0x80 != 0;
        match self {
            Self::Counter { cipher, salt, mac, .. } => {
                verify(mac, packet, &word, tag)?;
                if encrypted {
                    xor_keystream(cipher, counter_iv(salt, place), &mut packet[RTCP_HEADER..]);
                }
            }
            Self::Gcm128 { .. } | Self::Gcm256 { .. } if encrypted => {
                let aad = rtcp_aad(packet, word);
                self.open(place, &aad, &mut packet[RTCP_HEADER..], tag)?;
            }
            Self::Gcm128 { .. } | Self::Gcm256 { .. } => {
                // All of it is only authenticated, the word behind it (RFC 7714 9.3).
                let mut aad = [0; super::session::LONGEST_RTCP + 4];
                let room = aad.get_mut(..packet.len() + 4).ok_or(SrtpError::Short)?;
                let (all, last) = room.split_at_mut(packet.len());
                all.copy_from_slice(packet);
                last.copy_from_slice(&word);
                self.open(place, room, &mut [], tag)?;
            }
        }
        Ok(())
    }

    fn seal(&self, place: Place, aad: &[u8], payload: &mut [u8]) -> Result<[u8; 16], SrtpError> {
        let sealed = match self {
            Self::Counter { .. } => return Err(SrtpError::Authentication),
            Self::Gcm128 { cipher, salt } => {
                cipher.encrypt_inout_detached(&gcm_iv(salt, place).into(), aad, payload.into())
            }
            Self::Gcm256 { cipher, salt } => {
                cipher.encrypt_inout_detached(&gcm_iv(salt, place).into(), aad, payload.into())
            }
        };
        // Fails for packets of 64 GB only.
        sealed.map(Into::into).map_err(|_| SrtpError::Room)
    }

    fn open(&self, place: Place, aad: &[u8], payload: &mut [u8], tag: &[u8]) -> Result<(), SrtpError> {
        let tag: &[u8; 16] = tag.try_into().map_err(|_| SrtpError::Short)?;
        let opened = match self {
            Self::Counter { .. } => return Err(SrtpError::Authentication),
            Self::Gcm128 { cipher, salt } => {
                cipher.decrypt_inout_detached(&gcm_iv(salt, place).into(), aad, payload.into(), tag.into())
            }
            Self::Gcm256 { cipher, salt } => {
                cipher.decrypt_inout_detached(&gcm_iv(salt, place).into(), aad, payload.into(), tag.into())
            }
        };
        opened.map_err(|_| SrtpError::Authentication)
    }
}

/// What is authenticated with an encrypted RTCP packet: its header and the word (RFC 7714 9.2).
fn rtcp_aad(packet: &[u8], word: [u8; 4]) -> [u8; RTCP_HEADER + 4] {
    let mut aad = [0; RTCP_HEADER + 4];
    aad[..RTCP_HEADER].copy_from_slice(&packet[..RTCP_HEADER]);
    aad[RTCP_HEADER..].copy_from_slice(&word);
    aad
}

fn digest(mac: &Hmac<Sha1>, first: &[u8], second: &[u8]) -> [u8; 20] {
    let mut mac = mac.clone();
    mac.update(first);
    mac.update(second);
    mac.finalize().into_bytes().into()
}

fn verify(mac: &Hmac<Sha1>, first: &[u8], second: &[u8], tag: &[u8]) -> Result<(), SrtpError> {
    let mut mac = mac.clone();
    mac.update(first);
    mac.update(second);
    mac.verify_truncated_left(tag).map_err(|_| SrtpError::Authentication)
}

/// Nonce of counter mode (RFC 3711 4.1.1); its last 16 bits count blocks.
fn counter_iv(salt: &[u8; 14], place: Place) -> [u8; BLOCK] {
    let mut iv = [0; BLOCK];
    iv[..14].copy_from_slice(salt);
    iv[4..14].iter_mut().zip(place.bytes()).for_each(|(byte, with)| *byte ^= with);
    iv
}

/// Nonce of AES-GCM (RFC 7714 8.1 and 9.1).
fn gcm_iv(salt: &[u8; 12], place: Place) -> [u8; 12] {
    let mut iv = *salt;
    iv[2..].iter_mut().zip(place.bytes()).for_each(|(byte, with)| *byte ^= with);
    iv
}

/// Adds the keystream of counter mode. Packets are far shorter than the 2^16 blocks there are.
pub(super) fn xor_keystream(
    cipher: &impl BlockCipherEncrypt<BlockSize = aes::cipher::consts::U16>,
    iv: [u8; BLOCK],
    data: &mut [u8],
) {
    let mut number = u16::from_be_bytes([iv[14], iv[15]]);
    for part in data.chunks_mut(BLOCKS * BLOCK) {
        let mut blocks = [Array::from(iv); BLOCKS];
        let blocks = &mut blocks[..part.len().div_ceil(BLOCK)];
        for block in &mut *blocks {
            block[14..].copy_from_slice(&number.to_be_bytes());
            number = number.wrapping_add(1);
        }
        cipher.encrypt_blocks(blocks);
        part.iter_mut().zip(blocks.iter().flatten()).for_each(|(byte, with)| *byte ^= with);
    }
}

/// Derives a session key (RFC 3711 4.3.3): keystream of the master key, the label in its nonce.
fn derive<const N: usize>(master: &MasterKey, label: u8) -> [u8; N] {
    let mut iv = [0; BLOCK];
    iv[..14].copy_from_slice(&master.salt());
    iv[7] ^= label;
    let mut out = [0; N];
    match (<[u8; 16]>::try_from(master.key()), <[u8; 32]>::try_from(master.key())) {
        (_, Ok(key)) => xor_keystream(&Aes256::new(&key.into()), iv, &mut out),
        (Ok(key), _) => xor_keystream(&Aes128::new(&key.into()), iv, &mut out),
        // A suite's key has one of these lengths.
        (Err(_), Err(_)) => {}
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text.replace(' ', "")).unwrap().try_into().unwrap()
    }

    /// RFC 3711 B.2.
    #[test]
    fn keystream_of_the_rfc() {
        let cipher = Aes128::new(&bytes("2b7e151628aed2a6abf7158809cf4f3c").into());
        let iv = bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000");
        let mut stream = vec![0; 0xff02 * 16 + 16];
        xor_keystream(&cipher, iv, &mut stream);
        for (block, expected) in [
            (0, "e03ead0935c95e80e166b16dd92b4eb4"),
            (1, "d23513162b02d0f72a43a2fe4a5f97ab"),
            (2, "41e95b3bb0a2e8dd477901e4fca894c0"),
            (0xfeff, "ec8cdf7398607cb0f2d21675ea9ea1e4"),
            (0xff00, "362b7c3c6773516318a077d7fc5073ae"),
            (0xff01, "6a2cc3787889374fbeb4c81b17ba6c44"),
        ] {
            assert_eq!(hex::encode(&stream[block * 16..][..16]), expected, "block {block:x}");
        }
    }

    /// RFC 3711 B.3.
    #[test]
    fn keys_of_the_rfc() {
        let master = bytes::<30>("e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6");
        let master = MasterKey::new(Suite::AesCm80, &master).unwrap();
        assert_eq!(derive::<16>(&master, 0), bytes("c61e7a93744f39ee10734afe3ff7a087"));
        assert_eq!(derive::<14>(&master, 2), bytes("30cbbc08863d8c85d49db34a9ae1"));
        let expected = "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175578ef72270986371c10c\
                        9a369ac2f94a8c5fbcdddc256d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2";
        assert_eq!(derive::<94>(&master, 1), bytes(expected));
    }

    const GALLIA: &str = "8040f17b 8041f8d3 5501a0b2 \
                          47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
    const MARS: &str = "81c8000d 4d617273 \
                        4e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
    const SALT: &str = "517569642070726f2071756f";

    fn gcm(bits: u32) -> Transform {
        let key: [u8; 32] = std::array::from_fn(|n| n as u8);
        match bits {
            128 => Transform::gcm128(key.first_chunk().unwrap(), bytes(SALT)),
            _ => Transform::gcm256(&key, bytes(SALT)),
        }
    }

    /// RFC 7714 16.1 and 16.2.
    #[test]
    fn galois_rtp_of_the_rfc() {
        let place = Place { ssrc: 0x5501_a0b2, index: 0xf17b };
        let plain: [u8; 50] = bytes(GALLIA);
        for (bits, expected) in [
            (
                128,
                "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833 899d7f27beb16a9152cf765ee4390cce",
            ),
            (
                256,
                "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b 7aa3db36dfffd6b0f9bb7878d7a76c13",
            ),
        ] {
            let mut buffer = [0; 66];
            buffer[..50].copy_from_slice(&plain);
            assert_eq!(gcm(bits).seal_rtp(place, &mut buffer, 12, 50), Ok(66));
            assert_eq!((&buffer[..12], &buffer[12..]), (&plain[..12], &bytes::<54>(expected)[..]));
            assert_eq!(gcm(bits).open_rtp(place, &mut buffer, 12), Ok(50));
            assert_eq!(buffer[..50], plain);
        }
    }

    /// RFC 7714 17.1 to 17.4.
    #[test]
    fn galois_rtcp_of_the_rfc() {
        let place = Place { ssrc: 0x4d61_7273, index: 0x5d4 };
        let plain: [u8; 52] = bytes(MARS);
        let word = [0x80, 0, 5, 0xd4];
        let mut buffer = [0; 72];
        buffer[..52].copy_from_slice(&plain);
        assert_eq!(gcm(128).seal_rtcp(place, &mut buffer, 52, word), Ok(72));
        let expected = "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b \
                        c84aa45896cf4d2fc5abf87245d9eade 800005d4";
        assert_eq!((&buffer[..8], &buffer[8..]), (&plain[..8], &bytes::<64>(expected)[..]));

        let mut sealed: [u8; 52] = bytes(
            "81c8000d4d617273 d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad",
        );
        let tag: [u8; 16] = bytes("1d1eb30c4446839f57ff6f6cb26ac3be");
        assert_eq!(gcm(256).open_rtcp(place, &mut sealed, word, &tag), Ok(()));
        assert_eq!(sealed, plain);

        let in_the_clear = [0, 0, 5, 0xd4];
        for (bits, tag) in [(128, "841dd9683dd78ec92ae58790125f62b3"), (256, "91db4afbfeee5a978fab4393ed2615fe")] {
            let mut packet = plain;
            let tag: [u8; 16] = bytes(tag);
            assert_eq!(gcm(bits).open_rtcp(place, &mut packet, in_the_clear, &tag), Ok(()));
            packet[20] ^= 1;
            let forged = gcm(bits).open_rtcp(place, &mut packet, in_the_clear, &tag);
            assert_eq!(forged, Err(SrtpError::Authentication));
        }
    }
}
