//! Workflows and tools: what a line does step by step, and whom it asks over HTTP. Types, and how conditions and templates
//! are read and evaluated; [`super::check`] proves that a workflow ends, that every name is bound before it is used, and
//! that nothing is changed without the caller's yes.
//!
//! Steps go downwards. The only way back is a `then` step with `at_most`, so every workflow ends.
//! Is not the conversation that walks through it, nor the request: those are `conversation` and `driver`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::schema::{Slot, Target};
use super::script::Script;

mod condition;

pub use condition::{By, Condition, ConditionError, Operand, Test};

/// Most workflows, and most tools, of one plan.
pub const MOST: usize = 100;
/// Most steps of one workflow.
pub const MOST_STEPS: usize = 60;
/// Longest value that a tool may bind, in characters: more cannot be said or sent.
pub const MOST_VALUE: usize = 200;

/// Everything that a line does in a fixed order.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// Workflows.
    pub workflows: BTreeMap<String, Workflow>,
    /// Tools.
    pub tools: BTreeMap<String, Tool>,
    /// Texts that are spoken word for word.
    pub scripts: Vec<Script>,
    /// Whether a language model may be asked, where the gateway has one.
    pub llm: LlmUse,
}

/// `[llm]` of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LlmUse {
    /// A language model is asked where the line's own understanding is unsure.
    pub ask: bool,
    /// It may word small talk itself. If not, everything that is said is an approved text of the line.
    pub free_wording: bool,
}

/// What is done for an intent or a key, step by step.
#[derive(Clone, Debug, PartialEq)]
pub struct Workflow {
    /// Name; targets write it as `run:NAME`.
    pub name: String,
    /// Steps in the order of the file. Never empty.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name, or its number from 1: what a journal calls it.
    pub name: String,
    /// What it does.
    pub act: StepAct,
}

/// What a step does. Where nothing else is said the next step follows.
#[derive(Clone, Debug, PartialEq)]
pub enum StepAct {
    /// Says a prompt.
    Say(String),
    /// Asks the caller for a value.
    Ask(Slot),
    /// Asks a tool; binds its results.
    Call {
        /// Name of the tool.
        tool: String,
        /// Where it leads when the tool fails.
        fail: Branch,
    },
    /// Reads back and asks for a yes. Only then may a tool change anything.
    Confirm {
        /// Prompt that reads back.
        prompt: String,
        /// Where a no leads.
        no: Branch,
    },
    /// Looks at what is known.
    When {
        /// What must hold.
        condition: Condition,
        /// Where it leads then.
        then: Branch,
        /// Where it leads otherwise; `None`: the next step.
        otherwise: Option<Branch>,
    },
    /// Goes somewhere else.
    Then {
        /// Where.
        to: Branch,
        /// How often in one run; needed where it goes back.
        limit: Option<Limit>,
    },
}

/// How often a step may go back.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// Times in one run of the workflow.
    pub at_most: u8,
    /// Where it leads after that.
    pub after: Branch,
}

/// Where a step leads.
#[derive(Clone, Debug, PartialEq)]
pub enum Branch {
    /// To the step with this place, from 0.
    Step(usize),
    /// Out of the workflow.
    Leave(Target),
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Does something; a second one does it again.
    Post,
    /// Sets; a second one changes nothing more.
    Put,
    /// Alters a part.
    Patch,
    /// Removes; a second one changes nothing more.
    Delete,
}

impl Method {
    /// As it is written in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// True where a second request does nothing that the first has not done (RFC 9110 9.2.2).
    pub fn is_idempotent(self) -> bool {
        matches!(self, Self::Get | Self::Put | Self::Delete)
    }
}

impl std::str::FromStr for Method {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];
        all.into_iter().find(|method| method.as_str() == text).ok_or("no such method here")
    }
}

/// Something that is asked over HTTP, at a host that the configuration names.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Name.
    pub name: String,
    /// Method.
    pub method: Method,
    /// Name of the host in the configuration (`[[host]]`).
    pub host: String,
    /// Path and query; `{name}` is a value, percent-encoded.
    pub path: String,
    /// Headers; `{secret:NAME}` is a secret of the host. No values of the caller.
    pub headers: BTreeMap<String, String>,
    /// JSON; `{name}` within its strings is a value.
    pub body: Option<serde_json::Value>,
    /// What is bound from the answer.
    pub results: Vec<ResultPath>,
    /// For one attempt.
    pub timeout: Duration,
    /// Attempts after the first. 0 where the method is not idempotent.
    pub retries: u8,
    /// True where it changes something: only after the caller's yes.
    pub changes: bool,
    /// Prompt while the caller waits.
    pub filler: String,
    /// Largest answer that is read, bytes.
    pub max_bytes: usize,
}

/// A value of a JSON answer (RFC 6901) and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultPath {
    /// Name that it is bound to.
    pub name: String,
    /// JSON pointer.
    pub pointer: String,
    /// False where the answer may lack it; written with a `?` at its end.
    pub always: bool,
}

impl Tool {
    /// Every name that it sends, each once, in the order of the alphabet.
    pub fn sends(&self) -> Vec<&str> {
        let mut all = placeholders(&self.path);
        if let Some(body) = &self.body {
            strings(body, &mut |text| all.extend(placeholders(text)));
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Secrets that its headers name.
    pub fn secrets(&self) -> Vec<&str> {
        let named = self.headers.values().flat_map(|text| placeholders(text));
        named.filter_map(|name| name.strip_prefix("secret:")).collect()
    }

    /// The longest that an answer may take, with every attempt.
    pub fn patience(&self) -> Duration {
        self.timeout * (u32::from(self.retries) + 1)
    }
}

fn strings<'a>(value: &'a serde_json::Value, each: &mut impl FnMut(&'a str)) {
    match value {
        serde_json::Value::String(text) => each(text),
        serde_json::Value::Array(all) => all.iter().for_each(|value| strings(value, each)),
        serde_json::Value::Object(all) => all.values().for_each(|value| strings(value, each)),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// Names between braces.
pub fn placeholders(text: &str) -> Vec<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect()
}

/// A text with every `{name}` replaced; `Err` with the first name that `value` does not know.
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, &str> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        filled.push_str(before);
        filled.push_str(&value(name).ok_or(name)?);
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}
