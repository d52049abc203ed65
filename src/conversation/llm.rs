//! A language model may be asked where the line's own understanding is unsure. Values and rules of that: what is sent
//! ([`instructions`]), what an answer means ([`answer`]), for whom it is asked at all ([`LlmTerms`]). It names a command of
//! the same closed vocabulary as the embedded understanding; what the command does is decided by the policy as for any other.
//!
//! The request is an output and the answer an input of the conversation, as with tools: no model is known here, no address
//! and no key. Those are the shell's (`driver/llm`). Follows no standard; the shell speaks the OpenAI chat interface.

use std::time::Duration;

use crate::ids::LlmId;
use crate::journal::LlmFailure;
use crate::redact::Redacted;

pub mod answer;
pub mod instructions;

pub use instructions::Instructions;

/// Most questions of one call.
pub const MOST_ASKED: u32 = 20;
/// Longest text of a caller that is sent, in characters.
pub const MOST_SENT: usize = 400;
/// Longest free wording that is said, in characters.
pub const MOST_SAID: usize = 120;

/// How calls may ask a language model; a gateway without one has none.
#[derive(Clone, Debug, PartialEq)]
pub struct LlmTerms {
    /// The model as the configuration names it, for the journal.
    pub model: String,
    /// So long a caller waits for it; then the embedded understanding decides.
    pub budget: Duration,
    /// Most tokens of an answer.
    pub max_tokens: u16,
    /// Asked where the best intent is not this much more likely than the second.
    pub margin: f32,
    /// Identity card numbers are sent as they are.
    pub send_identity: bool,
}

/// A question for the shell.
#[derive(Clone, Debug, PartialEq)]
pub struct LlmRequest {
    /// Which; the answer names it.
    pub id: LlmId,
    /// What is the same in every call of the line, and the shape of an answer.
    pub instructions: Instructions,
    /// What the caller said, without what must not leave.
    pub said: Redacted<String>,
    /// Most tokens of an answer.
    pub max_tokens: u16,
    /// From now; what comes later is ignored.
    pub budget: Duration,
}

/// The shell's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct LlmReply {
    /// Which question.
    pub id: LlmId,
    /// What came of it.
    pub outcome: LlmOutcome,
    /// From the question to the end of the answer, ms.
    pub ms: u64,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
pub enum LlmOutcome {
    /// A text that may be a command.
    Answered(Redacted<String>),
    /// None.
    Failed(LlmFailure),
}

/// The caller's words as they are sent: no card number, no identity card number unless told, one line, not too long.
pub fn sent(text: &str, asks_for_card: bool, terms: &LlmTerms) -> String {
    let text = super::slot::mask::cards(text, asks_for_card);
    let text = if terms.send_identity { text } else { super::slot::mask::identity_cards(&text) };
    text.chars().take(MOST_SENT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_not_leave_does_not() {
        let terms = |send_identity| LlmTerms {
            model: "m".to_owned(),
            budget: Duration::from_millis(800),
            max_tokens: 64,
            margin: 0.2,
            send_identity,
        };
        let text = "我張卡4111 1111 1111 1111，身份證A123456(3)\n幫我查";
        let masked = sent(text, false, &terms(false));
        assert!(!masked.contains("4111") && !masked.contains("123456") && !masked.contains('\n'), "{masked}");
        assert!(masked.starts_with("我張卡") && masked.ends_with("幫我查"), "{masked}");
        assert!(sent(text, false, &terms(true)).contains("A123456(3)"));
        assert_eq!(sent(&"長".repeat(1_000), false, &terms(false)).chars().count(), MOST_SENT);
    }
}
