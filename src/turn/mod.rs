//! Turn-taking: when the caller speaks ([`activity`]), when a turn is over ([`endpointing`]), when the bot must yield
//! ([`barge_in`]) and who has the floor ([`floor`]). Four small sans-IO machines of one shape; each knows times and
//! probabilities, none knows audio, SIP or what is said.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod activity;
pub mod barge_in;
pub mod endpointing;
pub mod floor;
