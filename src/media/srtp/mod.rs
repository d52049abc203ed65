//! SRTP and SRTCP for one stream, keyed by SDP (SDES) or by a handshake (RFC 5764 4.2): packets in place, nothing allocated for a packet. Sans-IO.
//!
//! Followed: RFC 3711 (3.3 packet processing, 3.3.1 index estimation, 3.3.2 replay protection, 3.4 SRTCP, 4.1.1 AES in
//! counter mode, 4.2.1 HMAC-SHA1, 4.3.1 key derivation once a master key), RFC 7714 (AES-GCM), RFC 4568 (`a=crypto`).
//! Not here: key derivation rates other than 0, several master keys at once, RFC 6188 (AES-CM with 192 and 256 bits),
//! encrypted header extensions (RFC 6904), the handshake itself.
//!
//! | file | holds |
//! |---|---|
//! | `suite` | suites and master keys |
//! | `transform` | one direction's cipher: seal and open |
//! | `replay` | which packets came, and which index a sequence number stands for |
//! | `session` | [`Protector`] and [`Unprotector`] |
//! | `exported` | keys that a handshake made |
//! | `sdes` | `a=crypto`, keys of our own, what may be sent in the clear |

mod exported;
mod replay;
pub mod sdes;
mod session;
mod suite;
mod transform;

pub use session::{Protector, Unprotector};
pub use suite::{MasterKey, Suite};

/// Bytes that protection adds to an RTP packet at most: a tag.
pub const RTP_OVERHEAD: usize = 16;
/// Bytes that protection adds to an RTCP packet at most: a tag, and the index with its E bit.
pub const RTCP_OVERHEAD: usize = 20;

/// Why a packet cannot be protected, or is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    /// Headers and tag do not fit into the bytes there are.
    #[error("too short for its headers and tag")]
    Short,
    /// The buffer has no room for the tag.
    #[error("no room for the tag")]
    Room,
    /// The tag is not that of these bytes: another key, damage, or forgery.
    #[error("wrong authentication tag")]
    Authentication,
    /// Came before, or is older than the window.
    #[error("replayed or too old")]
    Replayed,
    /// A handshake is still to make the keys.
    #[error("no keys yet")]
    NoKeys,
    /// All packets of this key are used up (RFC 3711 9.2).
    #[error("the key is used up")]
    Exhausted,
}
