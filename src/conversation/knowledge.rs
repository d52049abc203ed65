//! Questions and answers: the stored question most like what was said, by BM25 (k1 1.2, b 0.4) over tokens, letters, sounds and
//! the written view, on an inverted index in memory. Half of a match is that score against itself, so that one threshold serves
//! short and long questions; half is how much of what was said any question of the entry has. The threshold is set on the
//! entries' own questions, each left out in turn; nobody labels anything. Below it an entry counts that stands out before all others. Not a search library (tantivy): it would index the
//! same hashed features, for some thousand questions that take milliseconds here, and know nothing of likeness to itself.
//!
//! Sounds make it robust to homophones, letters to spelling. Is not the judge of what may be answered (approval, days): who asks
//! says which entries count.

use std::collections::HashMap;

use crate::conversation::features::{BLOCKS, features};
use crate::conversation::normalise::Views;

const K1: f32 = 1.2;
const B: f32 = 0.4;
/// Likeness from which a question counts as asked, where the entries themselves do not tell.
const USUAL: f32 = 0.32;
/// The threshold that the entries tell is kept within these: few entries with few questions tell little.
const LOWEST: f32 = 0.28;
const HIGHEST: f32 = 0.40;
/// Weight of the entry's questions together against the one that is most alike.
const TOGETHER: f32 = 0.5;
/// Below the threshold an entry is found where it is at least so alike, and stands out so far before every other entry.
const FEEBLE: f32 = 0.20;
const STANDS_OUT: f32 = 1.6;
/// Among fewer entries than this, standing out says nothing.
const MANY: usize = 8;
/// Questions that are left out in turn to set the threshold, at most; spread over all.
const LEFT_OUT: usize = 600;

/// All questions, ready for search.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    questions: Vec<Stored>,
    entries: usize,
    /// Feature to where it is in `lists`.
    places: HashMap<u64, u32>,
    /// By feature, the questions that have it.
    lists: Vec<Vec<u32>>,
    mean_length: f32,
    threshold: f32,
}

#[derive(Clone, Debug)]
struct Stored {
    entry: usize,
    /// Place among all examples that were given.
    example: usize,
    terms: Vec<Term>,
    own_score: f32,
}

/// A feature and its block.
type Term = (u64, u8);

/// A stored question that has something of what was said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Its entry.
    pub entry: usize,
    /// Which of the examples that the search was built of.
    pub example: usize,
    /// How alike, 0 to 1.
    pub likeness: f32,
    /// Share of the likeness by tokens, letters, sounds and the written view.
    pub by_view: [f32; BLOCKS],
}

impl Knowledge {
    /// Stores questions with the number of their entry.
    pub fn new(examples: &[(Views, usize)]) -> Self {
        let mut all = Self { threshold: USUAL, ..Self::default() };
        for (example, (views, entry)) in examples.iter().enumerate() {
            let (terms, number) = (terms(views), u32::try_from(example).unwrap_or(u32::MAX));
            for (hash, _) in &terms {
                let next = u32::try_from(all.lists.len()).unwrap_or(u32::MAX);
                let place = *all.places.entry(*hash).or_insert(next);
                if place == next {
                    all.lists.push(Vec::new());
                }
                all.lists[place as usize].push(number);
            }
            all.entries = all.entries.max(entry + 1);
            all.questions.push(Stored { entry: *entry, example, terms, own_score: 0.0 });
        }
        let total: usize = all.questions.iter().map(|q| q.terms.len()).sum();
        all.mean_length = (total as f32 / all.questions.len().max(1) as f32).max(1.0);
        let own: Vec<f32> = all.questions.iter().map(|q| all.own_score(&q.terms, q.terms.len())).collect();
        for (question, score) in all.questions.iter_mut().zip(own) {
            question.own_score = score;
        }
        all.threshold = all.told_threshold();
        all
    }

    /// Likeness from which a question counts as asked.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The entry that was asked for and how alike, 0 to 1; `None` where none that counts is alike enough.
    pub fn find(&self, views: &Views, counts: impl Fn(usize) -> bool) -> Option<(usize, f32)> {
        let mut best = vec![0.0_f32; self.entries];
        for (stored, likeness) in self.questions.iter().zip(self.likenesses(&terms(views), None)) {
            best[stored.entry] = best[stored.entry].max(likeness);
        }
        let found = best.iter().copied().enumerate().filter(|(entry, _)| counts(*entry));
        let (entry, likeness) = found.max_by(|a, b| a.1.total_cmp(&b.1))?;
        let others = best.iter().enumerate().filter(|(other, _)| *other != entry).map(|(_, likeness)| *likeness);
        self.is_enough(likeness, others.fold(0.0, f32::max)).then_some((entry, likeness.min(1.0)))
    }

    /// Whether this likeness is enough, where the next entry has that one.
    pub fn is_enough(&self, likeness: f32, next: f32) -> bool {
        let stands_out = self.entries >= MANY && likeness >= FEEBLE && likeness >= STANDS_OUT * next;
        likeness >= self.threshold || stands_out
    }

    /// The best question of each entry, the most alike first, whether alike enough or not.
    pub fn rank(&self, views: &Views, most: usize) -> Vec<Hit> {
        let asked = terms(views);
        let mut best: Vec<(usize, f32)> = self.likenesses(&asked, None).into_iter().enumerate().collect();
        best.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut hits: Vec<Hit> = Vec::new();
        for (at, likeness) in best.into_iter().take_while(|(_, likeness)| *likeness > 0.0) {
            let stored = &self.questions[at];
            if hits.len() < most && hits.iter().all(|hit| hit.entry != stored.entry) {
                let by_view = self.by_view(&asked, stored);
                hits.push(Hit { entry: stored.entry, example: stored.example, likeness: likeness.min(1.0), by_view });
            }
        }
        hits
    }

    fn by_view(&self, asked: &[Term], stored: &Stored) -> [f32; BLOCKS] {
        let mut shares = [0.0; BLOCKS];
        for term in asked.iter().filter(|term| stored.terms.binary_search(term).is_ok()) {
            shares[usize::from(term.1)] += self.weight(term.0, stored.terms.len());
        }
        let sum: f32 = shares.iter().sum();
        shares.map(|share| share / sum.max(1e-6))
    }

    /// Of every stored question, in order; as if `without` were not stored.
    fn likenesses(&self, asked: &[Term], without: Option<usize>) -> Vec<f32> {
        let mut scores = vec![0.0_f32; self.questions.len()];
        let (mut together, mut last, mut all) = (vec![0.0_f32; self.entries], vec![usize::MAX; self.entries], 1e-6);
        for (at, (hash, _)) in asked.iter().enumerate() {
            let rarity = self.rarity(*hash);
            all += rarity;
            let list = self.places.get(hash).and_then(|place| self.lists.get(*place as usize));
            for number in list.into_iter().flatten().map(|number| *number as usize).filter(|n| Some(*n) != without) {
                scores[number] += rarity;
                let entry = self.questions[number].entry;
                if std::mem::replace(&mut last[entry], at) != at {
                    together[entry] += rarity;
                }
            }
        }
        let own = self.own_score(asked, asked.len());
        let likeness = |(stored, score): (&Stored, f32)| {
            let alone = 2.0 * score * self.by_length(stored.terms.len()) / (own + stored.own_score);
            if score > 0.0 { (1.0 - TOGETHER) * alone + TOGETHER * together[stored.entry] / all } else { 0.0 }
        };
        self.questions.iter().zip(scores).map(likeness).collect()
    }

    fn own_score(&self, terms: &[Term], length: usize) -> f32 {
        terms.iter().map(|(hash, _)| self.weight(*hash, length)).sum::<f32>().max(1e-6)
    }

    fn weight(&self, hash: u64, length: usize) -> f32 {
        self.rarity(hash) * self.by_length(length)
    }

    fn rarity(&self, hash: u64) -> f32 {
        let seen = self.places.get(&hash).and_then(|place| self.lists.get(*place as usize)).map_or(0, Vec::len) as f32;
        ((self.questions.len() as f32 - seen + 0.5) / (seen + 0.5) + 1.0).ln()
    }

    fn by_length(&self, length: usize) -> f32 {
        (K1 + 1.0) / (1.0 + K1 * (1.0 - B + B * length as f32 / self.mean_length))
    }

    /// Each question asked of the others: the likeness that the best of its own entry reaches most often and the best of any
    /// other entry, which would be a wrong answer, most seldom.
    fn told_threshold(&self) -> f32 {
        let step = self.questions.len().div_ceil(LEFT_OUT).max(1);
        let (mut right, mut wrong) = (Vec::new(), Vec::new());
        for (at, stored) in self.questions.iter().enumerate().step_by(step) {
            let likenesses = self.likenesses(&stored.terms, Some(at));
            let (mut own, mut other) = (0.0_f32, 0.0_f32);
            for (_, (question, likeness)) in self.questions.iter().zip(likenesses).enumerate().filter(|(n, _)| *n != at)
            {
                let best = if question.entry == stored.entry { &mut own } else { &mut other };
                *best = best.max(likeness);
            }
            right.push(own);
            wrong.push(other);
        }
        let above = |all: &[f32], threshold: f32| all.iter().filter(|l| **l >= threshold).count() as f32;
        let grid = (0..=20).map(|n| LOWEST + (HIGHEST - LOWEST) * n as f32 / 20.0);
        let gain = |threshold: f32| above(&right, threshold) - above(&wrong, threshold);
        let best = grid.map(|threshold| (threshold, gain(threshold))).reduce(|a, b| if b.1 > a.1 { b } else { a });
        best.filter(|(_, gain)| *gain > 0.0).map_or(USUAL, |(threshold, _)| threshold)
    }
}

/// Distinct features of all blocks, sorted.
fn terms(views: &Views) -> Vec<Term> {
    let blocks = features(views).into_iter().zip(0_u8..);
    let mut all: Vec<Term> = blocks.flat_map(|(block, n)| block.into_iter().map(move |hash| (hash, n))).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests;
