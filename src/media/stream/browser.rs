//! A stream whose other side is a browser: one port for everything, silence until a handshake has made the keys.

use std::net::SocketAddr;
use std::time::Instant;

use super::{Output, Stream};
use crate::media::browser::DtlsRole;
use crate::media::browser::demux::Kind;
use crate::media::sender::Datagram;
use crate::media::srtp::sdes::SrtpKeys;

impl Stream {
    /// False while the keys are still to be made: nothing is heard or sent.
    pub fn is_ready(&self) -> bool {
        !self.guard.awaits_keys()
    }

    /// A datagram of the port: of RTP alone, unless it is shared.
    pub(super) fn datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        if self.negotiated.dtls.is_none() {
            return self.rtp(now, from, bytes);
        }
        match Kind::of(bytes) {
            Kind::Rtp => self.rtp(now, from, bytes),
            Kind::Rtcp => self.rtcp(now, from, bytes),
            Kind::Stun => self.check(now, from, bytes),
            Kind::Dtls if self.path.admits_handshake(from) => self.hand_on(from, bytes),
            Kind::Dtls | Kind::Other => self.counts.dropped += 1,
        }
    }

    fn check(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let before = self.path.destination();
        let Some(answer) = self.path.check(from, bytes) else {
            self.counts.dropped += 1;
            return;
        };
        self.emit(Output::Transmit { to: from, datagram: Datagram::of(answer.as_bytes()) });
        if answer.sound && self.is_ready() {
            // A page without a microphone sends nothing else, yet is there.
            self.heard(now);
        }
        let nominated = self.path.destination().filter(|to| before != Some(*to));
        let begins = self.negotiated.dtls.is_some_and(|terms| terms.role == DtlsRole::Active) && !self.is_ready();
        if let Some(to) = nominated.filter(|_| begins) {
            self.hand_on(to, &[]);
        }
    }

    /// A piece of the handshake, or (without bytes) its beginning.
    fn hand_on(&mut self, to: SocketAddr, bytes: &[u8]) {
        if let Some(terms) = self.negotiated.dtls {
            self.emit(Output::Handshake { to, terms, bytes: bytes.into() });
        }
    }

    /// The handshake has made the keys. None, where it has failed: nothing will ever be heard.
    pub(super) fn keys(&mut self, now: Instant, keys: Option<&SrtpKeys>) {
        match keys {
            Some(keys) if self.guard.awaits_keys() => {
                if self.guard.agree(Some(keys)) && self.sender.packets() > 0 {
                    self.sender.change_ssrc(&mut self.random);
                }
                self.presence.heard = now;
                self.emit(Output::Ready);
            }
            None if self.guard.awaits_keys() && !self.presence.lost => {
                self.presence.lost = true;
                self.emit(Output::Lost);
            }
            // Of a handshake that was overtaken by another.
            Some(_) | None => {}
        }
    }
}

#[cfg(test)]
mod tests;
