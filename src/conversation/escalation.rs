//! Words that lead to a human, or to a supervisor's ear: an explicit wish for a person, fraud and danger that do not wait to be
//! understood, complaints and what else nlu.md 5 names. Matched word by word, and for longer Chinese phrases also by sound, so that a
//! recogniser's homophone does not keep a caller from a person. Is not the ladder of unresolved turns: that is the policy's.

use std::collections::BTreeMap;

use crate::conversation::normalise::{Token, Views};
use crate::conversation::readings::Readings;
use crate::journal::escalation::{Level, ReasonCode};

mod words;

/// Words that turn a wish into its opposite when they stand just before it.
const NEGATIONS: &[&str] = &[
    "唔想",
    "唔要",
    "唔使",
    "唔需要",
    "唔好",
    "唔係想",
    "不是想",
    "不要",
    "不想",
    "不用",
    "不需要",
    "don't want",
    "do not want",
    "don't need",
    "do not need",
    "don't",
    "not",
];
/// How many tokens before a wish a negation may stand.
const NEGATION_REACH: usize = 5;
/// Chinese phrases of this length and more are also matched by sound.
const BY_SOUND: usize = 3;

/// All words of a line.
#[derive(Clone, Debug)]
pub struct Lexicon {
    words: Vec<(ReasonCode, Views)>,
    negations: Vec<Vec<Token>>,
}

impl Lexicon {
    /// Built-in words and the plan's own.
    pub fn new(own: &BTreeMap<ReasonCode, Vec<String>>, readings: &Readings) -> Self {
        let owned = |reason: ReasonCode| own.get(&reason).into_iter().flatten().map(String::as_str);
        let built_in =
            |reason| words::WORDS.iter().filter(move |(of, _)| *of == reason).flat_map(|(_, all)| all.iter().copied());
        // Danger before wishes, wishes before what a supervisor is told; as built in within a level.
        let mut order: Vec<ReasonCode> = words::WORDS.iter().map(|(reason, _)| *reason).collect();
        order.extend(own.keys().filter(|reason| words::WORDS.iter().all(|(of, _)| of != *reason)));
        order.sort_by_key(|reason| match reason.level() {
            Level::Takeover => 0,
            Level::Transfer => 1,
            Level::Notify => 2,
        });
        let mut all = Vec::new();
        for reason in order {
            all.extend(built_in(reason).chain(owned(reason)).map(|word| (reason, Views::of(word, readings))));
        }
        all.retain(|(_, views)| !views.tokens.is_empty());
        let negations = NEGATIONS.iter().map(|word| Views::of(word, readings).tokens).collect();
        Self { words: all, negations }
    }

    /// Why a person is wanted or needed at once, by what was said. Danger comes before all else.
    pub fn find(&self, said: &Views) -> Option<ReasonCode> {
        let mut asks = self.words.iter().filter(|(reason, _)| reason.level() != Level::Notify);
        asks.find(|(reason, word)| self.holds(said, *reason, word)).map(|(reason, _)| *reason)
    }

    /// Why a supervisor is told; each reason once.
    pub fn notices(&self, said: &Views) -> Vec<ReasonCode> {
        let mut found: Vec<ReasonCode> = Vec::new();
        for (reason, word) in self.words.iter().filter(|(reason, _)| reason.level() == Level::Notify) {
            if !found.contains(reason) && self.holds(said, *reason, word) {
                found.push(*reason);
            }
        }
        found
    }

    fn holds(&self, said: &Views, reason: ReasonCode, word: &Views) -> bool {
        let whatever = reason.level() == Level::Takeover;
        if let Some(at) = position(&said.tokens, &word.tokens) {
            return whatever || !self.negated(&said.tokens, at, &word.tokens);
        }
        let chinese = word.tokens.iter().all(|token| matches!(token, Token::Han(_)));
        if !chinese || word.tokens.len() < BY_SOUND || word.syllables.len() != word.tokens.len() {
            return false;
        }
        match position(&said.syllables, &word.syllables) {
            Some(at) => whatever || !self.negated(&said.core, at, &word.tokens),
            None => false,
        }
    }

    fn negated(&self, tokens: &[Token], at: usize, word: &[Token]) -> bool {
        let before = tokens.get(at.saturating_sub(NEGATION_REACH)..at).unwrap_or_default();
        self.negations.iter().any(|negation| position(before, negation).is_some() && !word.starts_with(negation))
    }
}

/// Where `part` begins in `all`.
fn position<T: PartialEq>(all: &[T], part: &[T]) -> Option<usize> {
    if part.is_empty() {
        return None;
    }
    all.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hears_wishes_for_a_human_in_three_languages() {
        let readings = Readings::load();
        let own = BTreeMap::from([
            (ReasonCode::AskedForHuman, vec!["搵阿姐".to_owned()]),
            (ReasonCode::Outage, vec!["全港冇電".to_owned()]),
        ]);
        let lexicon = Lexicon::new(&own, &readings);
        let human = Some(ReasonCode::AskedForHuman);
        let table = [
            ("我要搵真人", human),
            ("我想揾真人傾呀", human),
            ("我想穩真人", human),
            ("我要找人工客服", human),
            ("转人工", human),
            ("轉人功", human),
            ("i want to speak to a person", human),
            ("agent please", human),
            ("搵阿姐", human),
            ("唔使轉駁喇", None),
            ("i don't want to speak to a person", None),
            ("唔想同機械人講嘢", human),
            ("我想查詢我張單", None),
            ("我畀人呃咗錢，我要搵真人", Some(ReasonCode::Fraud)),
            ("this is fraud", Some(ReasonCode::Fraud)),
            ("我被骗了", Some(ReasonCode::Fraud)),
            ("我唔想做人喇", Some(ReasonCode::Safety)),
            ("我唔見咗張信用卡", Some(ReasonCode::LostCard)),
            ("i lost my sim card", None),
            ("全港冇電呀", Some(ReasonCode::Outage)),
            ("can you speak japanese", Some(ReasonCode::LanguageUnsupported)),
            ("我要投訴", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(lexicon.find(&Views::of(text, &readings)), expected, "{text}");
        }
    }

    #[test]
    fn hears_what_a_supervisor_wants_to_know() {
        let readings = Readings::load();
        let lexicon = Lexicon::new(&BTreeMap::new(), &readings);
        let table: [(&str, &[ReasonCode]); 8] = [
            ("我要投訴去消委會", &[ReasonCode::Regulator, ReasonCode::Complaint]),
            ("我會搵律師告你哋", &[ReasonCode::Legal]),
            ("我要報警", &[ReasonCode::Legal]),
            ("我会找记者曝光", &[ReasonCode::Media]),
            ("i will cancel my contract", &[ReasonCode::Churn]),
            ("i am blind and need help", &[ReasonCode::Vulnerable]),
            ("我唔係想投訴", &[]),
            ("我想查詢我張單", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(lexicon.notices(&Views::of(text, &readings)), expected, "{text}");
        }
    }
}
