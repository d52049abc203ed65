//! Bytes to values and back: SIP (RFC 3261), SDP (RFC 8866), RTP, RTCP, telephone events and STUN. No state, no time, no I/O.
//!
//! Everything here reads bytes that a stranger sent: it never panics, does work bounded by the length of what it was given,
//! and allocates nothing for what a peer merely claims.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod sip;
pub mod stun;
pub mod telephone_event;
pub mod voip_metrics;
