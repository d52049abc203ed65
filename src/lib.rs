//! **tingwa** (聽話, "listens"): an on-box voice hotline gateway. It answers SIP calls, hears Cantonese, Mandarin and
//! English, decides what the caller wants, answers aloud and bridges warmly to a human agent on the company's own PBX.
//!
//! Read `ARCHITECTURE.md` first: a middle that only decides (sans-IO machines of one shape), a shell that carries. Shell
//! modules may read clocks and files; machine folders deny that again, each in its `mod.rs`.
#![allow(clippy::disallowed_methods, reason = "the shell carries; machine folders deny this for themselves")]

#[cfg(feature = "shell")]
pub mod app;
pub mod audio;
pub mod call;
#[cfg(feature = "shell")]
pub mod cli;
#[cfg(feature = "shell")]
pub mod config;
pub mod conversation;
pub mod deadline;
pub mod dialplan;
#[cfg(feature = "shell")]
pub mod driver;
#[cfg(feature = "shell")]
pub mod engine;
pub mod ids;
pub mod journal;
pub mod media;
pub mod redact;
pub mod settings;
pub mod sip;
pub mod speech;
#[cfg(feature = "shell")]
pub mod store;
pub mod turn;
pub mod wire;
