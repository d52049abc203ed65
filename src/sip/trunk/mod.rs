//! Trunks as the outbound side sees them: what is configured, where a trunk is (RFC 3263), how its addresses fare, how much it may carry.
//!
//! - [`policy`]: values that the configuration gives. [`locate`]: which questions DNS is asked and how its answers are put in order.
//! - [`state`]: one trunk's addresses, their health and its limits, as a machine without sockets; the endpoint asks it.
//!
//! Followed: RFC 3263 4.1 to 4.3, RFC 2782 (weights), RFC 3261 21.5.4 (Retry-After of a 503). Who is tried next is decided in
//! `endpoint/attempts`. Not here: ENUM, RFC 7984 (both families at once), server-side 3263 5.

pub mod locate;
pub mod policy;
pub mod state;

pub use locate::{Located, Lookup, Target};
pub use policy::{HeaderRules, Probe, TrunkPolicy};
pub use state::{TrunkHealth, TrunkState};
