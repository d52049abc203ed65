//! A dialplan: what one hotline says, understands and does, read from `dialplans/<line>/`. Values and checks only: files
//! arrive as name and text ([`PlanFiles`]); whoever reads folders is above the line.
//!
//! | file | holds |
//! |---|---|
//! | `plan.toml` | numbers, languages, intents and where they lead, workflows and tools, ladders, menu, queues, hours |
//! | `prompts/{yue,cmn,eng}.toml` | `[say]` what the bot says; `[labels]` names of intents and reasons, for briefings |
//! | `phrases/{yue,cmn,eng}.toml` | what callers say, by intent |
//! | `knowledge/{yue,cmn,eng}.toml` | questions and answers |
//! | `knowledge/entries.toml` | tags, days and approval of each entry; without approval it is never answered |
//! | `scripts/NAME.toml` | texts that are spoken word for word, with version, approval and what must be heard |
//! | `scenarios/*.txt` | conversations that must go as written |
//!
//! ```text
//! PlanFiles --read::plan--> Plan + Problems --route::Routes--> the plan of a dialled number
//! ```
//! Is not: the dialogue itself (`conversation`), nor the transfer (`call`).
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod bias;
pub mod calendar;
pub mod check;
#[cfg(test)]
pub mod demo;
pub mod editor;
pub mod pattern;
pub mod read;
pub mod route;
pub mod schema;
pub mod script;
pub mod standing;
pub mod workflow;

pub use read::{PlanFiles, read_plan};
pub use route::Routes;
pub use schema::Plan;
