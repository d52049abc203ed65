//! SIP machines (RFC 3261), sans-IO. Knows no RTP: session descriptions pass through as bytes.
#![deny(clippy::disallowed_methods)]

pub mod event;
