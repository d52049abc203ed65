//! **tingwa** (聽話, "listens"): an on-box voice hotline gateway. It answers SIP calls, hears Cantonese, Mandarin and
//! English, decides what the caller wants, answers aloud and bridges warmly to a human agent on the company's own PBX.
//!
//! Read `ARCHITECTURE.md` first: a middle that only decides (sans-IO machines of one shape), a shell that carries.

pub mod deadline;
pub mod ids;
pub mod journal;
pub mod redact;
pub mod settings;
pub mod sip;
pub mod speech;
