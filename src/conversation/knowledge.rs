//! Questions and answers: the stored question most like what was said, by BM25 (k1 1.2, b 0.4) over tokens, sounds and the
//! written view. A match is a score against itself, so that one threshold serves short and long questions.

use std::collections::BTreeMap;

use crate::conversation::features::{BLOCKS, features};
use crate::conversation::normalise::Views;

const K1: f32 = 1.2;
const B: f32 = 0.4;
/// Likeness from which a question counts as asked.
const ASKED: f32 = 0.36;

/// All questions, ready for search.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    questions: Vec<Stored>,
    seen_in: BTreeMap<u64, u32>,
    mean_length: f32,
}

#[derive(Clone, Debug)]
struct Stored {
    question: usize,
    terms: Vec<u64>,
    own_score: f32,
}

impl Knowledge {
    /// Stores questions with the number of their entry.
    pub fn new(examples: &[(Views, usize)]) -> Self {
        let mut all = Self::default();
        for (views, question) in examples {
            let terms = terms(views);
            for term in &terms {
                *all.seen_in.entry(*term).or_default() += 1;
            }
            all.questions.push(Stored { question: *question, terms, own_score: 0.0 });
        }
        let total: usize = all.questions.iter().map(|q| q.terms.len()).sum();
        all.mean_length = (total as f32 / all.questions.len().max(1) as f32).max(1.0);
        let own: Vec<f32> = all.questions.iter().map(|q| all.score(&q.terms, &q.terms)).collect();
        for (question, score) in all.questions.iter_mut().zip(own) {
            question.own_score = score.max(1e-6);
        }
        all
    }

    /// The entry that was asked for and how alike, 0 to 1; `None` where none is alike enough.
    pub fn find(&self, views: &Views) -> Option<(usize, f32)> {
        let asked = terms(views);
        let own = self.score(&asked, &asked).max(1e-6);
        let likeness = |stored: &Stored| 2.0 * self.score(&asked, &stored.terms) / (own + stored.own_score);
        let best = self.questions.iter().map(|q| (q.question, likeness(q))).max_by(|a, b| a.1.total_cmp(&b.1))?;
        (best.1 >= ASKED).then_some((best.0, best.1.min(1.0)))
    }

    fn score(&self, asked: &[u64], stored: &[u64]) -> f32 {
        let total = self.questions.len() as f32;
        let length = K1 * (1.0 - B + B * stored.len() as f32 / self.mean_length);
        asked
            .iter()
            .filter(|term| stored.binary_search(term).is_ok())
            .map(|term| {
                let seen = self.seen_in.get(term).copied().unwrap_or(0) as f32;
                let rarity = ((total - seen + 0.5) / (seen + 0.5) + 1.0).ln();
                rarity * (K1 + 1.0) / (1.0 + length)
            })
            .sum()
    }
}

/// Distinct features of all blocks, sorted.
fn terms(views: &Views) -> Vec<u64> {
    let blocks: [Vec<u64>; BLOCKS] = features(views);
    let mut all: Vec<u64> = blocks.into_iter().flatten().collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::readings::Readings;

    #[test]
    fn finds_the_question_and_nothing_else() {
        let readings = Readings::load();
        let stored = [
            "點樣開通語音信箱",
            "怎么开通语音信箱",
            "how do i set up voicemail",
            "轉台要幾耐",
            "how long does porting take",
        ];
        let examples: Vec<_> = stored.iter().zip([0, 0, 0, 1, 1]).map(|(t, n)| (Views::of(t, &readings), n)).collect();
        let knowledge = Knowledge::new(&examples);
        let find = |text| knowledge.find(&Views::of(text, &readings)).map(|(n, _)| n);
        assert_eq!(find("點樣開通語音訊箱呀"), Some(0));
        assert_eq!(find("how do i set up my voicemail"), Some(0));
        assert_eq!(find("轉台要幾奈"), Some(1));
        assert_eq!(find("我想食飯"), None);
        assert_eq!(find(""), None);
    }
}
