//! What the caller wants: TF-IDF over the features of all views, one linear classifier an intent, one temperature that
//! makes confidences mean what they say, and a threshold below which nothing is understood. Both are set on held-out
//! phrases of the dialplan itself; nobody labels what is out of scope. Trained when a plan is loaded.

use std::collections::HashMap;

use crate::conversation::features::{BLOCKS, features};
use crate::conversation::linear::{Linear, Options, Row};
use crate::conversation::normalise::Views;

/// Share of held-out phrases that the threshold may reject.
const REJECT: f32 = 0.05;
/// Above this many phrases, hold out one part in five once; else four parts in turn.
const MANY: usize = 3000;
/// Weight of tokens, letters, sounds and the written view against each other.
const WEIGHTS: [f32; BLOCKS] = [1.0, 1.0, 0.8, 1.0];
/// How much a feature that no phrase has weighs in the length of its block: what is mostly unknown scores low.
const UNKNOWN: f32 = 1.5;
/// The threshold is never lower than this, however few and scattered the phrases of a plan are.
const LOWEST_THRESHOLD: f32 = -0.5;

/// Tells intents apart.
#[derive(Clone, Debug)]
pub struct Classifier {
    model: Model,
    temperature: f32,
    threshold: f32,
}

/// The classifier's view of one utterance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// Best intent and its calibrated confidence, 0 to 1.
    pub best: (usize, f32),
    /// Second best and its confidence.
    pub second: Option<(usize, f32)>,
    /// Raw score of the best.
    pub score: f32,
    /// False: nothing that the line knows.
    pub in_scope: bool,
}

impl Classifier {
    /// Trains on phrases with the number of their intent, 0 to `classes`.
    pub fn train(examples: &[(Views, usize)], classes: usize) -> Self {
        let rows: Vec<Example> = examples.iter().map(|(views, label)| (features(views), *label)).collect();
        let held_out = held_out_scores(&rows, classes);
        let temperature = temperature(&held_out);
        let mut best: Vec<f32> = held_out.iter().map(|(scores, _)| highest(scores).1).collect();
        best.sort_by(f32::total_cmp);
        let at = (best.len() as f32 * REJECT) as usize;
        let threshold = best.get(at).copied().unwrap_or(LOWEST_THRESHOLD).clamp(LOWEST_THRESHOLD, 0.0);
        let all: Vec<&Example> = rows.iter().collect();
        Self { model: Model::fit(&all, classes), temperature, threshold }
    }

    /// Scores an utterance. `None` where it holds nothing to score.
    pub fn guess(&self, views: &Views) -> Option<Guess> {
        let scores = self.model.scores(&features(views))?;
        let (best, score) = highest(&scores);
        let confidences = softmax(&scores, self.temperature);
        let second = (0..scores.len()).filter(|class| *class != best).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        Some(Guess {
            best: (best, *confidences.get(best)?),
            second: second.map(|class| (class, confidences[class])),
            score,
            in_scope: score >= self.threshold,
        })
    }

    /// Score of one class, for explanations. `None` where the utterance holds nothing to score.
    pub fn score_of(&self, views: &Views, class: usize) -> Option<f32> {
        self.model.scores(&features(views))?.get(class).copied()
    }

    /// Score below which nothing is understood.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Factor that turns scores into confidences.
    pub fn temperature(&self) -> f32 {
        self.temperature
    }

    /// Bytes that the weights take.
    pub fn bytes(&self) -> usize {
        self.model.linear.bytes()
    }
}

type Example = ([Vec<u64>; BLOCKS], usize);

#[derive(Clone, Debug)]
struct Model {
    vocabulary: HashMap<u64, u32>,
    idf: Vec<f32>,
    /// Inverse document frequency of what was seen once.
    rare: f32,
    linear: Linear,
}

impl Model {
    fn fit(examples: &[&Example], classes: usize) -> Self {
        let mut vocabulary: HashMap<u64, u32> = HashMap::new();
        let mut seen_in: Vec<u32> = Vec::new();
        for (blocks, _) in examples {
            for block in blocks {
                let mut distinct = block.clone();
                distinct.sort_unstable();
                distinct.dedup();
                for hash in distinct {
                    let next = u32::try_from(vocabulary.len()).unwrap_or(u32::MAX);
                    let index = *vocabulary.entry(hash).or_insert(next);
                    if index == next {
                        seen_in.push(0);
                    }
                    seen_in[index as usize] += 1;
                }
            }
        }
        let total = examples.len() as f32;
        let weight = |seen: f32| ((1.0 + total) / (1.0 + seen)).ln() + 1.0;
        let idf: Vec<f32> = seen_in.iter().map(|seen| weight(*seen as f32)).collect();
        let linear = Linear::train(&[], &[], classes, 0, Options::default());
        let mut model = Self { vocabulary, idf, rare: weight(1.0), linear };
        let rows: Vec<Row> = examples.iter().map(|(blocks, _)| model.row(blocks)).collect();
        let labels: Vec<usize> = examples.iter().map(|(_, label)| *label).collect();
        model.linear = Linear::train(&rows, &labels, classes, model.idf.len(), Options::default());
        model
    }

    fn row(&self, blocks: &[Vec<u64>; BLOCKS]) -> Row {
        let mut row = Row::new();
        let mut length = 0.0_f32;
        for (block, block_weight) in blocks.iter().zip(WEIGHTS) {
            let mut sorted = block.clone();
            sorted.sort_unstable();
            let (start, mut squares) = (row.len(), 0.0_f32);
            for group in sorted.chunk_by(|a, b| a == b) {
                let times = 1.0 + (group.len() as f32).ln();
                match group.first().and_then(|hash| self.vocabulary.get(hash)) {
                    Some(index) => {
                        let value = times * self.idf[*index as usize];
                        squares += value * value;
                        row.push((*index, value));
                    }
                    None => squares += (UNKNOWN * times * self.rare).powi(2),
                }
            }
            if squares > 0.0 {
                let scale = block_weight / squares.sqrt();
                row.iter_mut().skip(start).for_each(|(_, value)| *value *= scale);
                length += block_weight * block_weight;
            }
        }
        let scale = 1.0 / length.max(1e-6).sqrt();
        row.iter_mut().for_each(|(_, value)| *value *= scale);
        row.sort_unstable_by_key(|(index, _)| *index);
        row
    }

    fn scores(&self, blocks: &[Vec<u64>; BLOCKS]) -> Option<Vec<f32>> {
        if blocks.iter().all(Vec::is_empty) {
            return None;
        }
        let scores = self.linear.scores(&self.row(blocks));
        (!scores.is_empty()).then_some(scores)
    }
}

/// Scores of phrases that the model that scored them had not seen, with their true class.
fn held_out_scores(examples: &[Example], classes: usize) -> Vec<(Vec<f32>, usize)> {
    let (parts, rounds) = if examples.len() > MANY { (5, 1) } else { (4, 4) };
    let mut seen_of_class = vec![0_usize; classes];
    let part: Vec<usize> = examples
        .iter()
        .map(|(_, label)| {
            let seen = &mut seen_of_class[*label];
            *seen += 1;
            *seen % parts
        })
        .collect();
    let mut all = Vec::new();
    for round in 0..rounds {
        let inside: Vec<&Example> = examples.iter().zip(&part).filter(|(_, p)| **p != round).map(|(e, _)| e).collect();
        let model = Model::fit(&inside, classes);
        let outside = examples.iter().zip(&part).filter(|(_, p)| **p == round);
        all.extend(outside.filter_map(|((blocks, label), _)| Some((model.scores(blocks)?, *label))));
    }
    all
}

fn highest(scores: &[f32]) -> (usize, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (class, score) in scores.iter().enumerate() {
        if *score > best.1 {
            best = (class, *score);
        }
    }
    best
}

fn softmax(scores: &[f32], temperature: f32) -> Vec<f32> {
    let top = highest(scores).1;
    let all: Vec<f32> = scores.iter().map(|score| ((score - top) * temperature).exp()).collect();
    let sum: f32 = all.iter().sum();
    all.into_iter().map(|value| value / sum).collect()
}

/// The factor on a grid of 40 that makes the true classes of held-out phrases likeliest.
fn temperature(held_out: &[(Vec<f32>, usize)]) -> f32 {
    let loss = |factor: f32| -> f32 {
        held_out.iter().map(|(scores, label)| -softmax(scores, factor)[*label].max(1e-9).ln()).sum()
    };
    let grid = (0..40).map(|step| 1.12_f32.powi(step));
    grid.map(|factor| (factor, loss(factor))).min_by(|a, b| a.1.total_cmp(&b.1)).map_or(1.0, |(factor, _)| factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::readings::Readings;

    fn small() -> (Readings, Classifier) {
        let readings = Readings::load();
        let phrases = [
            [
                "我想查詢我張單",
                "今個月要交幾多錢",
                "check my bill",
                "張單點解咁貴",
                "how much do i owe",
                "我要查账单",
                "个月单几钱",
                "bill enquiry",
            ],
            [
                "我想開通漫遊",
                "去日本漫遊點收費",
                "roaming for japan",
                "漫遊一日幾多錢",
                "i want roaming",
                "开通漫游",
                "漫游怎么收费",
                "data roaming",
            ],
            [
                "我屋企上唔到網",
                "個網絡壞咗",
                "my internet is down",
                "冇訊號",
                "no signal at home",
                "家里上不了网",
                "网络坏了",
                "broadband is not working",
            ],
        ];
        let mut examples = Vec::new();
        for (label, all) in phrases.iter().enumerate() {
            examples.extend(all.iter().map(|text| (Views::of(text, &readings), label)));
        }
        let classifier = Classifier::train(&examples, 3);
        (readings, classifier)
    }

    #[test]
    fn understands_code_mixing_and_homophones() {
        let (readings, classifier) = small();
        let table = [
            ("我想check下個bill", 0),
            ("開通慢遊", 1),
            ("去韓國roaming幾錢", 1),
            ("屋企上唔倒網", 2),
            ("the internet is not working", 2),
        ];
        for (text, expected) in table {
            let guess = classifier.guess(&Views::of(text, &readings)).unwrap();
            assert_eq!(guess.best.0, expected, "{text} {guess:?}");
            assert!(guess.in_scope, "{text} {guess:?}");
        }
    }

    #[test]
    fn nothing_known_is_out_of_scope() {
        let (readings, classifier) = small();
        assert!(classifier.guess(&Views::of("……", &readings)).is_none());
        let guess = classifier.guess(&Views::of("please sing a song for grandmother", &readings)).unwrap();
        assert!(!guess.in_scope, "{guess:?} {}", classifier.threshold());
    }
}
