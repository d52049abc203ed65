//! Scores of a turn: anger or distress, urgency, and whether a person is needed; each a logistic over counters that people can read,
//! with every feature and its weight, so that it can be explained and contested.
//!
//! Need for a person: weights fitted on situations judged by hand (`tests/data/scores/need_for_human.tsv`, which says how); they say
//! what the authors of this project would do, and are no measurement of calls. Anger and urgency: weights set by hand. None of them
//! transfers a call: only high emotion over two turns has a supervisor told. Prosody (pitch, loudness, pace) is no feature yet:
//! no engine gives it.

use std::borrow::Cow;

use crate::conversation::command::Command;
use crate::conversation::normalise::{Token, Views};
use crate::conversation::readings::Readings;
use crate::journal::escalation::Level;
use crate::journal::scores::{Feature, Score, Scores};
use crate::speech::{Emotion, SoundEvent, SpeechTags};

/// From here anger or distress is high.
pub const HIGH: f32 = 0.6;

/// A logistic.
struct Model {
    bias: f32,
    weights: &'static [(&'static str, f32)],
}

const HUMAN: Model = Model {
    bias: -6.24,
    weights: &[
        ("unresolved", 4.74),
        ("misses", 2.4),
        ("silences", 2.7),
        ("tool_failures", 4.2),
        ("unsure", 4.06),
        ("failed_transfers", 4.3),
        ("emotion", 8.07),
        ("sensitive", 4.53),
    ],
};

const EMOTION: Model = Model {
    bias: -3.0,
    weights: &[
        ("strong_words", 3.6),
        ("mild_words", 1.6),
        ("angry_voice", 2.4),
        ("distressed_voice", 2.0),
        ("happy_voice", -1.5),
        ("crying", 3.0),
        ("repeated", 1.2),
    ],
};

const URGENCY: Model = Model {
    bias: -3.0,
    weights: &[("danger", 7.0), ("hurry_words", 2.4), ("emotion", 1.5), ("repeated", 0.8), ("sensitive", 1.0)],
};

impl Model {
    /// The score of what was counted; what is nought is left out of its reasons.
    fn score(&self, counted: &[(&'static str, f32)]) -> Score {
        let weight =
            |name: &str| self.weights.iter().find(|(known, _)| *known == name).map_or(0.0, |(_, weight)| *weight);
        let there = counted.iter().filter(|(_, value)| *value != 0.0);
        let because: Vec<Feature> = there
            .map(|(name, value)| Feature { name: Cow::Borrowed(*name), value: *value, weight: weight(name) })
            .collect();
        let sum: f32 = because.iter().map(|feature| feature.value * feature.weight).sum();
        Score { value: 1.0 / (1.0 + (-(self.bias + sum)).exp()), because }
    }
}

/// What has gone wrong so far, before this turn is acted on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Unresolved turns in a row.
    pub unresolved: u8,
    /// Answers in a row that are no value of what is asked for.
    pub misses: u8,
    /// Silences in a row.
    pub silences: u8,
    /// Failures of tools in a row.
    pub tool_failures: u8,
    /// Turns in a row of which the recogniser was unsure.
    pub unsure: u8,
    /// Transfers that came to nothing.
    pub failed_transfers: u8,
    /// The caller says the same again.
    pub repeated: bool,
}

const STRONG: &[&str] = &[
    "好嬲",
    "嬲死",
    "激死",
    "離譜",
    "過份",
    "混賬",
    "仆街",
    "垃圾",
    "廢物",
    "收皮",
    "呃人",
    "忍無可忍",
    "氣死",
    "很生气",
    "气死",
    "太过分",
    "混蛋",
    "垃圾公司",
    "骗人",
    "受够",
    "furious",
    "ridiculous",
    "unacceptable",
    "outrageous",
    "disgusting",
    "bullshit",
    "fed up",
    "sick of this",
    "angry",
    "useless",
    "好驚",
    "好害怕",
    "頂唔順",
    "崩潰",
    "很害怕",
    "崩溃",
    "terrified",
    "desperate",
    "scared",
];

const MILD: &[&str] = &[
    "唔滿意",
    "好煩",
    "麻煩晒",
    "又係咁",
    "講咗好多次",
    "等咗好耐",
    "等咗好久",
    "搞咩",
    "有冇搞錯",
    "不满意",
    "很烦",
    "又是这样",
    "说了很多次",
    "等了很久",
    "搞什么",
    "annoyed",
    "annoying",
    "frustrated",
    "frustrating",
    "not happy",
    "unhappy",
    "disappointed",
    "how many times",
    "waste of time",
    "again and again",
];

const HURRY: &[&str] = &[
    "即刻",
    "馬上",
    "好急",
    "趕時間",
    "趕住",
    "快啲",
    "而家就要",
    "立刻",
    "马上",
    "很急",
    "赶时间",
    "快点",
    "urgent",
    "urgently",
    "right now",
    "immediately",
    "as soon as possible",
    "asap",
    "hurry",
];

/// Words of feeling and of hurry, ready to be looked for.
#[derive(Clone, Debug)]
pub struct Feelings {
    strong: Vec<Vec<Token>>,
    mild: Vec<Vec<Token>>,
    hurry: Vec<Vec<Token>>,
}

impl Feelings {
    /// All of them.
    pub fn new(readings: &Readings) -> Self {
        let all = |words: &[&str]| -> Vec<Vec<Token>> {
            words.iter().map(|word| Views::of(word, readings).tokens).filter(|word| !word.is_empty()).collect()
        };
        Self { strong: all(STRONG), mild: all(MILD), hurry: all(HURRY) }
    }

    /// The scores of a turn, without its topic.
    pub fn scores(&self, said: &Views, tags: SpeechTags, commands: &[Command], counters: Counters) -> Scores {
        let count = |words: &[Vec<Token>]| words.iter().filter(|word| holds(&said.tokens, word)).count().min(3) as f32;
        let is = |holds: bool| f32::from(u8::from(holds));
        let repeated = is(counters.repeated);
        let emotion = EMOTION.score(&[
            ("strong_words", count(&self.strong)),
            ("mild_words", count(&self.mild)),
            ("angry_voice", is(matches!(tags.emotion, Some(Emotion::Angry | Emotion::Disgusted)))),
            ("distressed_voice", is(matches!(tags.emotion, Some(Emotion::Sad | Emotion::Fearful)))),
            ("happy_voice", is(tags.emotion == Some(Emotion::Happy))),
            ("crying", is(tags.event == Some(SoundEvent::Crying))),
            ("repeated", repeated),
        ]);
        let of_level = |wanted: Level| {
            let all =
                commands.iter().filter(|command| matches!(command, Command::Handoff { level, .. } if *level == wanted));
            all.count().min(3) as f32
        };
        let (danger, sensitive) = (of_level(Level::Takeover), of_level(Level::Notify));
        let urgency = URGENCY.score(&[
            ("danger", danger),
            ("hurry_words", count(&self.hurry)),
            ("emotion", tenth(emotion.value)),
            ("repeated", repeated),
            ("sensitive", sensitive),
        ]);
        let human = HUMAN.score(&[
            ("unresolved", f32::from(counters.unresolved)),
            ("misses", f32::from(counters.misses)),
            ("silences", f32::from(counters.silences)),
            ("tool_failures", f32::from(counters.tool_failures)),
            ("unsure", f32::from(counters.unsure)),
            ("failed_transfers", f32::from(counters.failed_transfers)),
            ("emotion", tenth(emotion.value)),
            ("sensitive", sensitive),
        ]);
        Scores { topic: None, emotion, urgency, human }
    }
}

/// To a tenth: a score as a feature of another is not worth more.
fn tenth(value: f32) -> f32 {
    (value * 10.0).round() / 10.0
}

fn holds(said: &[Token], word: &[Token]) -> bool {
    said.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::escalation::ReasonCode;

    #[test]
    fn the_weights_are_those_of_the_situations_judged_by_hand() {
        let text = include_str!("../../tests/data/scores/need_for_human.tsv");
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let names: Vec<&str> = lines.next().unwrap().split('\t').skip(1).collect();
        let known: Vec<&str> = HUMAN.weights.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, known);
        let (mut right, mut all, mut bins) = (0, 0, [(0.0_f32, 0.0_f32); 5]);
        for line in lines {
            let values: Vec<f32> = line.split('\t').map(|value| value.parse().unwrap()).collect();
            let counted: Vec<_> =
                HUMAN.weights.iter().zip(&values[1..]).map(|((name, _), value)| (*name, *value)).collect();
            let score = HUMAN.score(&counted).value;
            right += usize::from((score >= 0.5) == (values[0] > 0.5));
            all += 1;
            let bin = &mut bins[((score * 5.0) as usize).min(4)];
            *bin = (bin.0 + score, bin.1 + values[0]);
        }
        let error = bins.iter().map(|(said, was)| (said - was).abs()).sum::<f32>() / all as f32;
        assert!(right * 100 >= all * 95 && error <= 0.15, "{right} of {all}, calibration error {error}");
    }

    #[test]
    fn feelings_and_hurry_are_heard_in_three_languages_and_say_why() {
        let readings = Readings::load();
        let feelings = Feelings::new(&readings);
        let scores = |text: &str, tags: SpeechTags, commands: &[Command], counters: Counters| {
            feelings.scores(&Views::of(text, &readings), tags, commands, counters)
        };
        let (quiet, none) = (SpeechTags::default(), Counters::default());
        for text in ["我真係好嬲，太離譜喇", "我很生气", "this is ridiculous, i am furious"] {
            assert!(scores(text, quiet, &[], none).emotion.value >= HIGH, "{text}");
        }
        for text in ["我想查詢我張單", "查账单", "check my bill please"] {
            let calm = scores(text, quiet, &[], none);
            assert!(calm.emotion.value < 0.1 && calm.human.value < 0.1 && calm.urgency.value < 0.1, "{text} {calm:?}");
            assert!(calm.emotion.because.is_empty(), "{text}");
        }
        let angry = SpeechTags { emotion: Some(Emotion::Angry), event: None };
        assert!(scores("我想查詢我張單", angry, &[], none).emotion.value < HIGH, "a voice alone is not enough");
        let again = Counters { repeated: true, ..none };
        assert!(scores("又係咁", angry, &[], again).emotion.value >= HIGH);
        let fraud = [Command::handoff(ReasonCode::Fraud)];
        assert!(scores("我畀人呃咗錢", quiet, &fraud, none).urgency.value > 0.9);
        let hurry = scores("快啲啦好急", quiet, &[], none).urgency;
        assert!(hurry.value > 0.5 && hurry.because.iter().any(|feature| feature.name == "hurry_words"), "{hurry:?}");
        let lost = Counters { unresolved: 2, ..none };
        let human = scores("我想查詢我張單", quiet, &[], lost).human;
        assert!(
            human.value > 0.8 && human.because.iter().any(|f| f.name == "unresolved" && f.value == 2.0),
            "{human:?}"
        );
    }
}
