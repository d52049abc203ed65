//! What callers of a hotline are likely to say, for recognisers that can lean towards it: the examples of its intents, its
//! questions, and the hot words of `[hearing]`. Weighs nothing itself: how far an engine leans is the engine's business.

use crate::dialplan::schema::Plan;
use crate::settings::Section;
use crate::speech::Bias;

/// Hot words of one line. More are refused.
const HOT_WORDS: usize = 1_000;
/// FNV-1a, 64 bit: offset basis and prime.
const FNV: (u64, u64) = (0xcbf2_9ce4_8422_2325, 0x0000_0100_0000_01b3);

/// Reads `[hearing]`: `hot_words = ["海港電訊", "roaming"]`, and whether callers are heard at all (`speech`).
pub(crate) fn hearing(mut section: Section<'_>) -> (Vec<(String, f32)>, bool) {
    let speech = section.boolean("speech").unwrap_or(true);
    let words = section.strings("hot_words").unwrap_or_default();
    if words.len() > HOT_WORDS {
        section.problem("hot_words", format_args!("{} words, at most {HOT_WORDS} are leant towards", words.len()));
    }
    section.finish();
    (words.into_iter().map(|word| (word, 1.0)).collect(), speech)
}

/// Everything of a plan that is worth leaning towards.
pub(crate) fn of(plan: &Plan, hot_words: Vec<(String, f32)>) -> Bias {
    let intents = plan.intents.iter().flat_map(|intent| &intent.phrases);
    let questions = plan.knowledge.iter().flat_map(|question| &question.questions);
    let all = intents.chain(questions).flat_map(|(language, texts)| texts.iter().map(|text| (*language, text.clone())));
    let phrases: Vec<_> = all.collect();
    let texts = phrases.iter().map(|(_, text)| text).chain(hot_words.iter().map(|(word, _)| word));
    let hashed = texts.flat_map(|text| text.bytes().chain([0xff]));
    let version = hashed.fold(FNV.0, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(FNV.1));
    Bias { line: plan.name.clone(), version, phrases, hot_words }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialplan::demo;
    use crate::speech::Language;

    #[test]
    fn a_plan_leans_towards_what_its_callers_say() {
        let plan = demo::plan();
        for language in Language::ALL {
            assert!(plan.bias.phrases.iter().filter(|(l, _)| *l == language).count() > 50, "{language}");
        }
        assert!(plan.bias.hot_words.iter().any(|(word, _)| word == "海港電訊"));
        let other = of(&plan, vec![("another word".to_owned(), 1.0)]);
        assert_ne!(plan.bias.version, other.version);
        assert_eq!(plan.bias.version, demo::plan().bias.version);
    }
}
