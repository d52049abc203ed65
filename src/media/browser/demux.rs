//! Which protocol a datagram of a shared port belongs to (RFC 7983 7, RFC 5761 4).

use crate::wire::rtp::is_rtcp;

/// What a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A connectivity check, or the answer to one.
    Stun,
    /// A piece of the handshake.
    Dtls,
    /// Audio, or a key.
    Rtp,
    /// A report.
    Rtcp,
    /// Nothing that is spoken here.
    Other,
}

impl Kind {
    /// By the first two bytes.
    pub fn of(datagram: &[u8]) -> Self {
        match datagram {
            [0..=3, ..] => Self::Stun,
            [20..=63, ..] => Self::Dtls,
            _ if is_rtcp(datagram) => Self::Rtcp,
            [128..=191, ..] => Self::Rtp,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_of_rfc_7983() {
        let table: [(&[u8], Kind); 12] = [
            (&[0, 1], Kind::Stun),
            (&[3], Kind::Stun),
            (&[4], Kind::Other),
            (&[19], Kind::Other),
            (&[20], Kind::Dtls),
            (&[22, 254], Kind::Dtls),
            (&[63], Kind::Dtls),
            (&[64], Kind::Other),
            (&[0x80, 200], Kind::Rtcp),
            (&[0x90, 0x80 | 8], Kind::Rtp),
            (&[0x80, 111], Kind::Rtp),
            (&[], Kind::Other),
        ];
        for (datagram, kind) in table {
            assert_eq!(Kind::of(datagram), kind, "{datagram:?}");
        }
    }
}
