//! What a turn looks like in figures: three scores, each with the features that make it. Values only; the features and their
//! weights are `conversation`'s.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// One reason for a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// What was counted or heard; a word of the lexicon's classes, never the caller's words.
    pub name: Cow<'static, str>,
    /// How much of it.
    pub value: f32,
    /// What one of it adds, on the logistic scale.
    pub weight: f32,
}

/// A score, 0 to 1, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// 0 to 1.
    pub value: f32,
    /// Features that are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<Feature>,
}

/// The scores of a turn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// What the caller has been about, latest first where it is known: an intent or a knowledge entry.
    pub topic: Option<String>,
    /// Anger or distress.
    pub emotion: Score,
    /// How little this can wait.
    pub urgency: Score,
    /// How likely it is that a person is needed.
    pub human: Score,
}
