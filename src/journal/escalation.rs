//! Escalation as a journal knows it: three levels, a closed list of reasons, and what came of each. Values only; which reason
//! leads where is the dialplan's and the policy's business.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How much of a human is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Level 1: a person takes the call.
    Transfer,
    /// Level 2: a supervisor is told; the call goes on, or is transferred before others.
    Notify,
    /// Level 3: a person takes the call at once, before everything else.
    Takeover,
}

impl Level {
    /// 1 to 3, as people call it.
    pub fn number(self) -> u8 {
        match self {
            Self::Transfer => 1,
            Self::Notify => 2,
            Self::Takeover => 3,
        }
    }
}

/// Why a human is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The caller asks for a person.
    AskedForHuman,
    /// The caller pressed the key for a person.
    KeyPressed,
    /// The dialplan leads there: an intent, a key, a branch of a workflow.
    Planned,
    /// Too many unresolved turns in a row.
    Unresolved,
    /// Too many silences in a row.
    NoInput,
    /// A tool failed twice, or failed where the plan has no other way.
    ToolFailed,
    /// Who the caller is could not be proved in three tries.
    AuthenticationFailed,
    /// The recogniser was unsure of two turns in a row.
    LowConfidence,
    /// The same workflow was begun again and again, and never came to its end.
    FlowLoop,
    /// The caller wants a language that the line does not speak.
    LanguageUnsupported,
    /// Something of ours does not hold: a value that is not bound, a script that is not in force.
    OwnFault,
    /// A customer of standing.
    Vip,
    /// Anger or distress over two turns.
    Emotion,
    /// A complaint.
    Complaint,
    /// A regulator is named.
    Regulator,
    /// Lawyers, courts or the police are named.
    Legal,
    /// The press is named.
    Media,
    /// The caller wants to leave the company.
    Churn,
    /// The caller needs particular care.
    Vulnerable,
    /// Fraud, or a transaction that nobody authorised.
    Fraud,
    /// A payment card is lost or stolen.
    LostCard,
    /// Life or safety.
    Safety,
    /// The company's service is down.
    Outage,
    /// A word that the dialplan calls urgent.
    Urgent,
}

impl ReasonCode {
    /// All of them, level by level.
    pub const ALL: [Self; 24] = [
        Self::AskedForHuman,
        Self::KeyPressed,
        Self::Planned,
        Self::Unresolved,
        Self::NoInput,
        Self::ToolFailed,
        Self::AuthenticationFailed,
        Self::LowConfidence,
        Self::FlowLoop,
        Self::LanguageUnsupported,
        Self::OwnFault,
        Self::Vip,
        Self::Emotion,
        Self::Complaint,
        Self::Regulator,
        Self::Legal,
        Self::Media,
        Self::Churn,
        Self::Vulnerable,
        Self::Fraud,
        Self::LostCard,
        Self::Safety,
        Self::Outage,
        Self::Urgent,
    ];

    /// The level that it belongs to.
    pub fn level(self) -> Level {
        match self {
            Self::AskedForHuman | Self::KeyPressed | Self::Planned | Self::Unresolved | Self::NoInput => {
                Level::Transfer
            }
            Self::ToolFailed | Self::AuthenticationFailed | Self::LowConfidence | Self::FlowLoop => Level::Transfer,
            Self::LanguageUnsupported | Self::OwnFault => Level::Transfer,
            Self::Vip | Self::Emotion | Self::Complaint | Self::Regulator | Self::Legal => Level::Notify,
            Self::Media | Self::Churn | Self::Vulnerable => Level::Notify,
            Self::Fraud | Self::LostCard | Self::Safety | Self::Outage | Self::Urgent => Level::Takeover,
        }
    }

    /// As dialplans and journals write it.
    pub fn code(self) -> &'static str {
        match self {
            Self::AskedForHuman => "asked_for_human",
            Self::KeyPressed => "key_pressed",
            Self::Planned => "planned",
            Self::Unresolved => "unresolved",
            Self::NoInput => "no_input",
            Self::ToolFailed => "tool_failed",
            Self::AuthenticationFailed => "authentication_failed",
            Self::LowConfidence => "low_confidence",
            Self::FlowLoop => "flow_loop",
            Self::LanguageUnsupported => "language_unsupported",
            Self::OwnFault => "own_fault",
            Self::Vip => "vip",
            Self::Emotion => "emotion",
            Self::Complaint => "complaint",
            Self::Regulator => "regulator",
            Self::Legal => "legal",
            Self::Media => "media",
            Self::Churn => "churn",
            Self::Vulnerable => "vulnerable",
            Self::Fraud => "fraud",
            Self::LostCard => "lost_card",
            Self::Safety => "safety",
            Self::Outage => "outage",
            Self::Urgent => "urgent",
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for ReasonCode {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|reason| reason.code() == text).ok_or("no reason of an escalation")
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Somebody is rung.
    Transferred {
        /// Queue in the dialplan.
        queue: String,
    },
    /// A supervisor is told; the call goes on.
    Notified,
    /// A transfer is under way already; a supervisor is told.
    Upgraded,
    /// The caller was first offered help, as the dialplan wants it; the next time a person is rung.
    Retained,
    /// Too soon after the last time.
    CoolingDown,
    /// Nobody is there: the line is closed.
    Closed,
    /// Humans were tried too often in this call.
    GaveUp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_written_the_same_everywhere() {
        for reason in ReasonCode::ALL {
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{}\"", reason.code()));
            assert_eq!(reason.code().parse(), Ok(reason));
        }
        assert!("angry".parse::<ReasonCode>().is_err());
        let levels: Vec<u8> = ReasonCode::ALL.iter().map(|reason| reason.level().number()).collect();
        assert!(levels.is_sorted() && levels.last() == Some(&3), "{levels:?}");
    }
}
