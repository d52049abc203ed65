//! What passes between hearing, understanding and speaking: languages, hypotheses, transcripts. Values only.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::UtteranceId;

/// A language that the gateway hears and speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Language {
    /// Cantonese, written in Traditional characters (BCP 47 `yue-Hant-HK`).
    #[serde(rename = "yue")]
    Cantonese,
    /// Mandarin, written in Simplified characters (BCP 47 `cmn-Hans`).
    #[serde(rename = "cmn")]
    Mandarin,
    /// English.
    #[serde(rename = "eng")]
    English,
}

impl Language {
    /// All languages, in the order in which a line lists them.
    pub const ALL: [Self; 3] = [Self::Cantonese, Self::Mandarin, Self::English];

    /// ISO 639-3 code, as written in dialplans and journals.
    pub fn code(self) -> &'static str {
        match self {
            Self::Cantonese => "yue",
            Self::Mandarin => "cmn",
            Self::English => "eng",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The text names no language that the gateway speaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no language of this gateway; expected yue, cmn or eng")]
pub struct UnknownLanguage(pub String);

impl FromStr for Language {
    type Err = UnknownLanguage;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "yue" | "yue-Hant-HK" | "zh-HK" => Ok(Self::Cantonese),
            "cmn" | "cmn-Hans" | "zh" | "zh-CN" => Ok(Self::Mandarin),
            "eng" | "en" => Ok(Self::English),
            other => Err(UnknownLanguage(other.to_owned())),
        }
    }
}

/// A recogniser's guess while the caller still speaks. Replaces the guess before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hypothesis {
    /// The utterance that it belongs to.
    pub utterance: UtteranceId,
    /// Text so far.
    pub text: crate::redact::Redacted<String>,
}

/// How a voice sounds, by an engine that tells (SenseVoice's seven).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Emotion {
    /// Nothing in particular.
    Neutral,
    /// Happy.
    Happy,
    /// Sad.
    Sad,
    /// Angry.
    Angry,
    /// Afraid.
    Fearful,
    /// Disgusted.
    Disgusted,
    /// Surprised.
    Surprised,
}

/// What is heard besides or instead of words, by an engine that tells (SenseVoice's events).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoundEvent {
    /// Speech and nothing else.
    Speech,
    /// Background music.
    Music,
    /// Applause.
    Applause,
    /// Laughter.
    Laughter,
    /// Crying.
    Crying,
    /// Sneezing.
    Sneezing,
    /// Breathing.
    Breathing,
    /// Coughing.
    Coughing,
}

/// What an engine hears of an utterance besides its words. Empty from engines that tell nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpeechTags {
    /// How the voice sounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emotion: Option<Emotion>,
    /// What else is heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<SoundEvent>,
}

impl SpeechTags {
    /// True where the engine told nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What callers of one hotline are likely to say: an engine that can leans towards it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bias {
    /// The hotline; engines keep what they build of a bias under this name and [`Self::version`].
    pub line: String,
    /// Changes when the phrases or hot words do.
    pub version: u64,
    /// Sentences that callers say or hear: example phrases, choices, knowledge.
    pub phrases: Vec<(Language, String)>,
    /// Words that must be heard right (names, products), with a weight: 1 is a normal leaning.
    pub hot_words: Vec<(String, f32)>,
}

/// Final text of an utterance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// The utterance that it belongs to.
    pub utterance: UtteranceId,
    /// Text as the recogniser wrote it.
    pub text: crate::redact::Redacted<String>,
    /// The engine's own view of the language, where it has one.
    pub language: Option<Language>,
    /// 0 to 1; 1 where the engine has no figure of its own.
    pub confidence: f32,
    /// What the engine heard besides words.
    #[serde(default, skip_serializing_if = "SpeechTags::is_empty")]
    pub tags: SpeechTags,
}

/// Probability of speech in one stretch of a caller's audio, from the voice activity model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoiceActivity {
    /// 0 to 1.
    pub probability: f32,
    /// Length of the stretch, ms.
    pub duration_ms: u16,
}
