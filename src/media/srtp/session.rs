//! A stream's two directions: what we send is protected, what comes is checked and opened.

use super::SrtpError;
use super::replay::Replay;
use super::sdes::Mki;
use super::suite::{MasterKey, Suite};
use super::transform::{Place, Purpose, RTCP_HEADER, Transform};

/// Longest RTCP packet that is opened, bytes.
pub(super) const LONGEST_RTCP: usize = 1500;
/// Sources remembered of one key. Another one takes the place of that which was silent longest; only who has the key can be
/// one.
const SOURCES: usize = 4;
/// The last index of SRTCP.
const LAST_RTCP: u32 = 0x7fff_ffff;
const RTP_HEADER: usize = 12;

fn field<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], SrtpError> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(SrtpError::Short)
}

/// Sequence number, source, and how many bytes stay readable: the fixed header, the CSRCs, the extension.
fn rtp_header(packet: &[u8]) -> Result<(u16, u32, usize), SrtpError> {
    let [first, _, high, low] = field(packet, 0)?;
    let ssrc = u32::from_be_bytes(field(packet, 8)?);
    let mut length = RTP_HEADER + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let [_, _, words_high, words_low] = field(packet, length)?;
        length += 4 + 4 * usize::from(u16::from_be_bytes([words_high, words_low]));
    }
    if length > packet.len() {
        return Err(SrtpError::Short);
    }
    Ok((u16::from_be_bytes([high, low]), ssrc, length))
}

/// Our side.
pub struct Protector {
    key: MasterKey,
    rtp: Transform,
    rtcp: Transform,
    /// Our source and what it has sent: a packet twice would give its keystream away.
    sent: Option<(u32, Replay)>,
    rtcp_index: u32,
}

impl Protector {
    /// Nothing was sent with this key.
    pub fn new(key: &MasterKey) -> Self {
        let (rtp, rtcp) = (Transform::new(key, Purpose::Rtp), Transform::new(key, Purpose::Rtcp));
        Self { key: *key, rtp, rtcp, sent: None, rtcp_index: 0 }
    }

    /// Its key.
    pub fn key(&self) -> &MasterKey {
        &self.key
    }

    /// Protects the RTP packet in the first `length` bytes and returns its new length.
    pub fn protect(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let (sequence, ssrc, header) = rtp_header(buffer.get(..length).ok_or(SrtpError::Short)?)?;
        let mut replay = match self.sent {
            Some((source, replay)) if source == ssrc => replay,
            Some(_) | None => Replay::default(),
        };
        let index = replay.estimate(sequence).ok_or(SrtpError::Exhausted)?;
        if !replay.is_fresh(index) {
            return Err(SrtpError::Replayed);
        }
        let length = self.rtp.seal_rtp(Place { ssrc, index }, buffer, header, length)?;
        replay.accept(index);
        self.sent = Some((ssrc, replay));
        Ok(length)
    }

    /// Protects the RTCP packet in the first `length` bytes and returns its new length.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let ssrc = u32::from_be_bytes(field(buffer, 4)?);
        let index = self.rtcp_index.checked_add(1).filter(|index| *index <= LAST_RTCP).ok_or(SrtpError::Exhausted)?;
        let word = (0x8000_0000 | index).to_be_bytes();
        let length = self.rtcp.seal_rtcp(Place { ssrc, index: index.into() }, buffer, length, word)?;
        self.rtcp_index = index;
        Ok(length)
    }
}

/// One of the other side's sources.
#[derive(Clone, Copy)]
struct Source {
    ssrc: u32,
    rtp: Replay,
    rtcp: Replay,
    /// When it was heard, in packets of this key.
    heard: u64,
}

/// The other side's.
pub struct Unprotector {
    key: MasterKey,
    mki: Option<Mki>,
    rtp: Transform,
    rtcp: Transform,
    sources: [Option<Source>; SOURCES],
    packets: u64,
}

impl Unprotector {
    /// Nothing has come with this key. `mki`: what the other side puts behind its packets.
    pub fn new(key: &MasterKey, mki: Option<Mki>) -> Self {
        let (rtp, rtcp) = (Transform::new(key, Purpose::Rtp), Transform::new(key, Purpose::Rtcp));
        Self { key: *key, mki, rtp, rtcp, sources: [None; SOURCES], packets: 0 }
    }

    /// Whether it is for this key and identifier.
    pub fn is_of(&self, key: &MasterKey, mki: Option<Mki>) -> bool {
        self.key == *key && self.mki == mki
    }

    /// Checks an RTP packet, opens it in place and returns its new length.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let (sequence, ssrc, header) = rtp_header(packet)?;
        let source = self.source(ssrc);
        let index = source.rtp.estimate(sequence).ok_or(SrtpError::Replayed)?;
        if !source.rtp.is_fresh(index) {
            return Err(SrtpError::Replayed);
        }
        let tag = self.rtp.tag();
        let length = match (self.mki, self.key.suite()) {
            (None, _) => packet.len(),
            // Behind the tag (RFC 7714 8.2) ..
            (Some(mki), Suite::Gcm128 | Suite::Gcm256) => mki.before(packet, packet.len())?,
            // .. or before it (RFC 3711 3.1).
            (Some(mki), Suite::AesCm80 | Suite::AesCm32) => {
                let at = packet.len().checked_sub(tag).ok_or(SrtpError::Short)?;
                let end = mki.before(packet, at)?;
                packet.copy_within(at.., end);
                end + tag
            }
        };
        let length = self.rtp.open_rtp(Place { ssrc, index }, &mut packet[..length], header)?;
        self.note(ssrc).rtp.accept(index);
        Ok(length)
    }

    /// Checks an RTCP packet, opens it in place and returns its new length.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let tag_length = self.rtcp.tag();
        let before = |end: usize, length: usize| end.checked_sub(length).ok_or(SrtpError::Short);
        let without_mki = |end: usize| self.mki.map_or(Ok(end), |mki| mki.before(packet, end));
        // Where the tag and the word with the index begin, and where the packet itself ends.
        let (tag_at, word_at, end) = match self.key.suite() {
            Suite::Gcm128 | Suite::Gcm256 => {
                let word_at = before(without_mki(packet.len())?, 4)?;
                let tag_at = before(word_at, tag_length)?;
                (tag_at, word_at, tag_at)
            }
            Suite::AesCm80 | Suite::AesCm32 => {
                let tag_at = before(packet.len(), tag_length)?;
                let word_at = before(without_mki(tag_at)?, 4)?;
                (tag_at, word_at, word_at)
            }
        };
        if !(RTCP_HEADER..=LONGEST_RTCP).contains(&end) {
            return Err(SrtpError::Short);
        }
        let word: [u8; 4] = field(packet, word_at)?;
        let index = u64::from(u32::from_be_bytes(word) & LAST_RTCP);
        let ssrc = u32::from_be_bytes(field(packet, 4)?);
        if !self.source(ssrc).rtcp.is_fresh(index) {
            return Err(SrtpError::Replayed);
        }
        let mut tag = [0; 16];
        let tag = &mut tag[..tag_length];
        tag.copy_from_slice(&packet[tag_at..tag_at + tag_length]);
        self.rtcp.open_rtcp(Place { ssrc, index }, &mut packet[..end], word, tag)?;
        self.note(ssrc).rtcp.accept(index);
        Ok(end)
    }

    /// What is known of a source; nothing, of one that has not been heard.
    fn source(&self, ssrc: u32) -> Source {
        let unknown = Source { ssrc, rtp: Replay::default(), rtcp: Replay::default(), heard: 0 };
        self.sources.iter().flatten().find(|source| source.ssrc == ssrc).copied().unwrap_or(unknown)
    }

    /// A source has proved that it has the key: its place in the table.
    fn note(&mut self, ssrc: u32) -> &mut Source {
        self.packets += 1;
        let mut source = self.source(ssrc);
        source.heard = self.packets;
        let known = self.sources.iter().position(|place| place.is_some_and(|source| source.ssrc == ssrc));
        let place = known.unwrap_or_else(|| {
            let silent_longest = (0..SOURCES).min_by_key(|&place| self.sources[place].map_or(0, |source| source.heard));
            silent_longest.unwrap_or(0)
        });
        self.sources[place].insert(source)
    }
}

#[cfg(test)]
mod tests;
