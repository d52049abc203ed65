//! A leg whose other side is a browser: DTLS-SRTP (RFC 5763, RFC 5764) on a path that ICE has found (RFC 8445), with RTP,
//! RTCP, STUN and DTLS on one port (RFC 5761, RFC 7983). Sans-IO.
//!
//! We are an ICE-lite agent (RFC 8445 2.5): one host candidate, checks are answered and none is sent, the other side
//! nominates, and consent (RFC 7675) is what it asks and we answer. The handshake itself is made in the shell
//! (`driver/handshake`), since it draws from the system's random source; what it must achieve ([`DtlsTerms`]), where it may come
//! from and where it goes is decided here.
//!
//! Not here: DTLS-SRTP without ICE or without rtcp-mux, full ICE, trickled candidates of ours, RTP over TCP candidates, SHA-1
//! fingerprints.
//!
//! | file | holds |
//! |---|---|
//! | `ice` | credentials, checks and their answers, the nominated pair |
//! | `terms` | fingerprints, roles, what was agreed |
//! | `demux` | which protocol a datagram is |
//! | `path` | where a stream comes from and goes to: the lock of symmetric RTP, or ICE |

pub mod demux;
pub mod ice;
pub mod path;
pub mod terms;

pub use ice::IceCredentials;
pub use terms::{DtlsRole, DtlsTerms, Fingerprint};
