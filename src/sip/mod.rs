//! SIP machines (RFC 3261), sans-IO. Knows no RTP: session descriptions pass through as bytes.
//!
//! [`endpoint::Endpoint`] is what the shell owns; the rest are its parts. [`event`] is what calls see of it.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod author;
pub mod dialog;
pub mod digest;
pub mod endpoint;
pub mod event;
pub mod flow;
pub mod lifetime;
pub mod registrar;
pub mod registration;
pub mod shield;
pub mod timers;
pub mod transaction;
pub mod trunk;
