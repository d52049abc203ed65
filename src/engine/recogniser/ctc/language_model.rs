//! How likely a word is after two others: counts of up to three words in a row with absolute discounting (Ney, Essen and
//! Kneser 1994, interpolated), from the model's own phrases and, mixed in, from what a hotline's callers say.
//!
//! Not here: which language comes after which (the beam charges that when a word begins).

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::lexicon::{Lexicon, WordId};
use crate::engine::score::tokens;
use crate::speech::{Bias, Language};

/// Before the first word.
pub const BEGIN: WordId = WordId(u32::MAX);
/// After the last word.
pub const END: WordId = WordId(u32::MAX - 1);
/// What each seen count gives up to the unseen.
const DISCOUNT: f64 = 0.6;
/// Share of the mixture that the hotline's own phrases get.
const LEANING: f64 = 0.5;
/// How often a hot word counts as heard.
const HOT_COUNT: f64 = 8.0;
/// Begins a text that is no whole sentence.
const PART: char = '~';
/// Begins words of which only the last is counted, as following the others.
const FOLLOWS: char = '=';
/// Probability of the end where nothing is known of it.
const END_PRIOR: f64 = 0.1;

/// A line of `phrases.tsv` is not one.
#[derive(Debug, thiserror::Error)]
#[error("phrases.tsv:{line}: expected a count, a language and a text between tabs")]
pub struct PhrasesError {
    /// Line.
    pub line: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    total: f64,
    kinds: f64,
}

/// Counts of words in a row.
#[derive(Debug, Default)]
struct Counts {
    one: FxHashMap<WordId, f64>,
    one_total: f64,
    two: FxHashMap<(WordId, WordId), f64>,
    three: FxHashMap<(WordId, WordId, WordId), f64>,
    after_one: FxHashMap<WordId, Seen>,
    after_two: FxHashMap<(WordId, WordId), Seen>,
}

impl Counts {
    fn add(&mut self, words: &[WordId], count: f64) {
        for (at, word) in words.iter().enumerate() {
            if *word == BEGIN {
                continue;
            }
            *self.one.entry(*word).or_default() += count;
            self.one_total += count;
            if at >= 1 {
                let before = words[at - 1];
                see(&mut self.two, &mut self.after_one, (before, *word), before, count);
            }
            if at >= 2 {
                let (first, second) = (words[at - 2], words[at - 1]);
                see(&mut self.three, &mut self.after_two, (first, second, *word), (first, second), count);
            }
        }
    }

    /// Counts only the last of up to three words, as following the others.
    fn add_last(&mut self, words: &[WordId], count: f64) {
        match *words {
            [word] => {
                *self.one.entry(word).or_default() += count;
                self.one_total += count;
            }
            [before, word] => see(&mut self.two, &mut self.after_one, (before, word), before, count),
            [first, second, word] => {
                see(&mut self.three, &mut self.after_two, (first, second, word), (first, second), count);
            }
            _ => {}
        }
    }

    fn is_empty(&self) -> bool {
        self.one.is_empty()
    }

    /// Probability after two words, `base` being the probability without any.
    fn probability(&self, history: [WordId; 2], word: WordId, base: f64) -> f64 {
        let [first, second] = history;
        let one = if self.one_total > 0.0 {
            let counted = self.one.get(&word).copied().unwrap_or_default();
            let given_up = DISCOUNT * self.one.len() as f64;
            let kept = (counted - DISCOUNT).max(0.0);
            (kept + given_up * base) / (self.one_total + given_up).max(1.0)
        } else {
            base
        };
        let Some(after_one) = self.after_one.get(&second) else { return one };
        let two = discounted(self.two.get(&(second, word)), after_one, one);
        let Some(after_two) = self.after_two.get(&(first, second)) else { return two };
        discounted(self.three.get(&(first, second, word)), after_two, two)
    }
}

fn see<K: std::hash::Hash + Eq, C: std::hash::Hash + Eq>(
    counts: &mut FxHashMap<K, f64>,
    seen: &mut FxHashMap<C, Seen>,
    key: K,
    context: C,
    count: f64,
) {
    let entry = counts.entry(key).or_default();
    let seen = seen.entry(context).or_default();
    seen.kinds += f64::from(u8::from(*entry == 0.0));
    seen.total += count;
    *entry += count;
}

fn discounted(counted: Option<&f64>, context: &Seen, less: f64) -> f64 {
    let kept = (counted.copied().unwrap_or_default() - DISCOUNT).max(0.0);
    // Counts below the discount give up all they have.
    let given_up = (DISCOUNT * context.kinds).min(context.total);
    (kept + given_up * less) / (kept.max(context.total))
}

/// The model's own phrases.
#[derive(Debug)]
pub struct Background {
    counts: Counts,
}

impl Background {
    /// Reads `phrases.tsv`: `COUNT TAB LANGUAGE TAB TEXT` a line; a text after `~` is a part of a sentence; after `=` it says
    /// only how often its last word follows the others (up to two).
    pub fn parse(phrases: &str, lexicon: &Lexicon) -> Result<Self, PhrasesError> {
        let mut counts = Counts::default();
        for (at, line) in phrases.lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let wrong = || PhrasesError { line: at + 1 };
            let mut parts = line.splitn(3, '\t');
            let count = parts.next().and_then(|c| c.parse::<f64>().ok()).filter(|c| *c > 0.0).ok_or_else(wrong)?;
            let language = parts.next().and_then(|l| l.parse::<Language>().ok()).ok_or_else(wrong)?;
            let text = parts.next().ok_or_else(wrong)?;
            if let Some(part) = text.strip_prefix(PART) {
                lexicon.words_of(part, language).iter().for_each(|words| counts.add(words, count));
            } else if let Some(row) = text.strip_prefix(FOLLOWS) {
                let known = lexicon.words_of(row, language);
                if let Some(words) = known.first().filter(|words| words.len() == tokens(row).len()) {
                    counts.add_last(words, count);
                }
            } else {
                learn(&mut counts, lexicon, text, language, count);
            }
        }
        Ok(Self { counts })
    }
}

fn learn(counts: &mut Counts, lexicon: &Lexicon, text: &str, language: Language, count: f64) {
    let parts = lexicon.words_of(text, language);
    let is_whole = parts.len() == 1;
    for part in parts {
        if is_whole {
            let mut words = Vec::with_capacity(part.len() + 3);
            words.extend([BEGIN, BEGIN]);
            words.extend(part);
            words.push(END);
            counts.add(&words, count);
        } else {
            counts.add(&part, count);
        }
    }
}

/// The background leaning towards one hotline.
#[derive(Debug)]
pub struct LanguageModel {
    background: Arc<Background>,
    leaning: Counts,
    hot: FxHashSet<WordId>,
}

impl LanguageModel {
    /// Learns what the hotline's callers say.
    pub fn leaning(background: Arc<Background>, bias: &Bias, lexicon: &Lexicon) -> Self {
        let mut leaning = Counts::default();
        for (language, text) in &bias.phrases {
            learn(&mut leaning, lexicon, text, *language, 1.0);
        }
        let mut hot = FxHashSet::default();
        for (text, weight) in &bias.hot_words {
            for language in [Language::Cantonese, Language::Mandarin] {
                for part in lexicon.words_of(text, language) {
                    hot.extend(part.iter().copied());
                    leaning.add(&part, HOT_COUNT * f64::from(*weight));
                }
            }
        }
        Self { background, leaning, hot }
    }

    /// Natural logarithm of the probability of `word` after `history`.
    pub fn score(&self, lexicon: &Lexicon, history: [WordId; 2], word: WordId) -> f32 {
        let base = if word == END { END_PRIOR } else { f64::from(lexicon.word(word).prior).exp() / 3.0 };
        let known = self.background.counts.probability(history, word, base);
        let mixed = if self.leaning.is_empty() {
            known
        } else {
            (1.0 - LEANING) * known + LEANING * self.leaning.probability(history, word, known)
        };
        mixed.max(1e-12).ln() as f32
    }

    /// True for a word that the hotline wants heard right.
    pub fn is_hot(&self, word: WordId) -> bool {
        self.hot.contains(&word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: &str = "<blk> 0\ny:a1 1\ny:b1 2\n";
    const LEXICON: &str = "張\tyue\ty:a1\t1\n將\tyue\ty:a1\t3\n單\tyue\ty:b1\t4\n";

    fn model(phrases: &str, bias: &Bias) -> (Lexicon, LanguageModel) {
        let lexicon = Lexicon::parse(TOKENS, LEXICON).unwrap();
        let background = Arc::new(Background::parse(phrases, &lexicon).unwrap());
        let model = LanguageModel::leaning(background, bias, &lexicon);
        (lexicon, model)
    }

    fn id(lexicon: &Lexicon, text: &str) -> WordId {
        lexicon.find(text, Language::Cantonese).unwrap()
    }

    #[test]
    fn probabilities_are_those_of_the_formula() {
        let (lexicon, model) = model("3\tyue\t張單\n1\tyue\t將單\n", &Bias::default());
        let (bill, will, paper) = (id(&lexicon, "張"), id(&lexicon, "將"), id(&lexicon, "單"));
        // One word: counts 張 3, 將 1, 單 4, END 4; 12 in all, 4 kinds, 2.4 given up.
        let one = (3.0 - 0.6 + 2.4 * (0.125 / 3.0)) / 14.4;
        // After BEGIN 4 times, two kinds.
        let two = (3.0 - 0.6 + 1.2 * one) / 4.0;
        let three = (3.0 - 0.6 + 1.2 * two) / 4.0;
        let found = f64::from(model.score(&lexicon, [BEGIN, BEGIN], bill)).exp();
        assert!((found - three).abs() < 1e-6, "{found} {three}");
        let sum: f64 = [bill, will, paper, END]
            .iter()
            .map(|word| f64::from(model.score(&lexicon, [BEGIN, BEGIN], *word)).exp())
            .sum();
        assert!(sum < 1.0 && sum > 0.9, "{sum}");
    }

    #[test]
    fn a_hotline_turns_a_homophone() {
        let (lexicon, plain) = model("1\tyue\t將單\n", &Bias::default());
        let phrases = vec![(Language::Cantonese, "張單".to_owned())];
        let (_, leaning) = model("1\tyue\t將單\n", &Bias { phrases, ..Bias::default() });
        let (bill, will) = (id(&lexicon, "張"), id(&lexicon, "將"));
        let better = |model: &LanguageModel| {
            model.score(&lexicon, [BEGIN, BEGIN], bill) > model.score(&lexicon, [BEGIN, BEGIN], will)
        };
        assert!(!better(&plain));
        assert!(leaning.score(&lexicon, [BEGIN, BEGIN], bill) > plain.score(&lexicon, [BEGIN, BEGIN], bill));
        let hot = Bias { hot_words: vec![("張單".to_owned(), 1.0)], ..Bias::default() };
        let (_, hot) = model("1\tyue\t將單\n", &hot);
        assert!(hot.is_hot(bill) && !hot.is_hot(will));
        assert!(hot.score(&lexicon, [BEGIN, bill], id(&lexicon, "單")) > plain.score(&lexicon, [BEGIN, bill], will));
    }

    #[test]
    fn words_in_a_row_count_only_as_following() {
        let (lexicon, model) = model("4\tyue\t=張\n2\tyue\t=將單\n", &Bias::default());
        let (bill, will, paper) = (id(&lexicon, "張"), id(&lexicon, "將"), id(&lexicon, "單"));
        // One word: 張 4 of 4, one kind; nothing is known of 單 but its prior (a half), of which a third is taken.
        let one = 0.6 * (0.5 / 3.0) / 4.6;
        let two = (2.0 - 0.6 + 0.6 * one) / 2.0;
        let found = f64::from(model.score(&lexicon, [BEGIN, will], paper)).exp();
        assert!((found - two).abs() < 1e-6, "{found} {two}");
        let found = f64::from(model.score(&lexicon, [BEGIN, bill], paper)).exp();
        assert!((found - one).abs() < 1e-6, "{found} {one}");
    }

    #[test]
    fn mistakes_have_a_place() {
        let lexicon = Lexicon::parse(TOKENS, LEXICON).unwrap();
        for phrases in ["x\tyue\t張", "1\tyu\t張", "1\tyue", "0\tyue\t張"] {
            let error = Background::parse(&format!("# ours\n{phrases}"), &lexicon).unwrap_err();
            assert_eq!(error.line, 2);
        }
    }
}
