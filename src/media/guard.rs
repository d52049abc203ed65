//! Encryption of one stream as it was agreed: what is sent is protected, what comes is opened, or both pass as they are.
//! What is agreed anew leaves a direction whose key has not changed as it is (RFC 4568 7.1.4).

use super::sender::Datagram;
use super::srtp::sdes::SrtpKeys;
use super::srtp::{Protector, SrtpError, Unprotector};

/// Longest datagram that is opened, bytes.
pub const LONGEST: usize = 1500;

/// Both directions of a stream.
#[derive(Default)]
pub struct Guard {
    secured: Option<Box<Secured>>,
    /// True until a handshake has made the keys: nothing passes.
    waits: bool,
}

struct Secured {
    ours: Protector,
    theirs: Unprotector,
}

impl Guard {
    /// As was agreed first.
    pub fn new(keys: Option<&SrtpKeys>) -> Self {
        let mut guard = Self::default();
        guard.agree(keys);
        guard
    }

    /// As was agreed anew. True where our key is taken into use: the source must then be another, so that no keystream
    /// comes twice.
    pub fn agree(&mut self, keys: Option<&SrtpKeys>) -> bool {
        let before = self.secured.take();
        self.waits = false;
        let Some(keys) = keys else { return false };
        let (ours, theirs) = match before {
            Some(secured) => {
                let Secured { ours, theirs } = *secured;
                (Some(ours), Some(theirs))
            }
            None => (None, None),
        };
        let ours = ours.filter(|ours| *ours.key() == keys.local);
        let theirs = theirs.filter(|theirs| theirs.is_of(&keys.remote, keys.mki));
        let is_new = ours.is_none();
        self.secured = Some(Box::new(Secured {
            ours: ours.unwrap_or_else(|| Protector::new(&keys.local)),
            theirs: theirs.unwrap_or_else(|| Unprotector::new(&keys.remote, keys.mki)),
        }));
        is_new
    }

    /// Keys are to be made: until [`Self::agree`] brings them, nothing passes.
    pub fn await_keys(&mut self) {
        *self = Self { secured: None, waits: true };
    }

    /// Whether keys are still to be made.
    pub fn awaits_keys(&self) -> bool {
        self.waits
    }

    /// Whether what is taken was proved to come from who has the key.
    pub fn is_secure(&self) -> bool {
        self.secured.is_some()
    }

    /// Opens a datagram of the RTP port (of the RTCP port: `control`), with room for it in `room`.
    pub fn open<'a>(
        &mut self,
        control: bool,
        bytes: &'a [u8],
        room: &'a mut [u8; LONGEST],
    ) -> Result<&'a [u8], SrtpError> {
        let Some(secured) = &mut self.secured else { return self.in_the_clear().map(|()| bytes) };
        let packet = room.get_mut(..bytes.len()).ok_or(SrtpError::Room)?;
        packet.copy_from_slice(bytes);
        let length = if control { secured.theirs.unprotect_rtcp(packet)? } else { secured.theirs.unprotect(packet)? };
        Ok(&packet[..length])
    }

    /// Protects a datagram for the RTP port (for the RTCP port: `control`). One that fails must not be sent.
    pub fn close(&mut self, control: bool, datagram: &mut Datagram) -> Result<(), SrtpError> {
        let Some(secured) = &mut self.secured else { return self.in_the_clear() };
        let length = datagram.as_bytes().len();
        let room = datagram.room();
        let length =
            if control { secured.ours.protect_rtcp(room, length)? } else { secured.ours.protect(room, length)? };
        datagram.set_length(length);
        Ok(())
    }

    fn in_the_clear(&self) -> Result<(), SrtpError> {
        if self.waits { Err(SrtpError::NoKeys) } else { Ok(()) }
    }
}
