//! Recognition in a process of its own: native code that crashes, or ends its process over a model file, takes no call with
//! it. The gateway's side is a [`bridge`] thread in place of a recogniser thread; the other side is `tingwa
//! recogniser-worker`, which runs the very workers of [`super::worker`].
//!
//! ```text
//! AudioFeed -> queues -> bridge thread == socket ==> child: reader -> AudioFeed -> recogniser threads
//!     call <- sink   <- bridge thread <== socket == child: writer <- events
//! ```
//! A child that ends or falls silent is replaced; its calls are told once ([`super::worker::EventKind::Interrupted`]), lose the
//! utterance in hand and are heard on by the next child.

pub mod bridge;
pub mod child;
pub mod launcher;
pub mod protocol;
#[cfg(test)]
mod tests;
