//! One leg's audio between the network and the call: offer/answer, RTP and RTCP, jitter, concealment, prompts, and who
//! hears whom. Sans-IO: bytes, frames and the time go in; frames, datagrams and digits come out. Knows no SIP: session
//! descriptions pass as bytes, and only `call` brings both together.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod arrival;
pub mod bridge;
pub mod browser;
pub mod bursts;
pub mod codec;
pub mod comfort;
pub mod conceal;
pub mod control;
pub mod delay;
pub mod digits;
pub mod guard;
pub mod inband;
pub mod jitter;
pub mod negotiate;
pub mod packer;
pub mod passing;
pub mod pauses;
pub mod playout;
pub mod quality;
pub mod reception;
pub mod sender;
pub mod source;
pub mod srtp;
pub mod stream;
mod stretch;
pub mod timeline;
