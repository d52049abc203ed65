//! From log probabilities of units to words: CTC prefix search (Graves 2006; Hannun et al. 2014) along the lexicon's tree,
//! with the language model where a word ends. Hypotheses of the same future (place in the tree, last unit, last two words)
//! are one; the likelier past is kept.
//!
//! Incremental: rows go in as they come, [`Beam::best`] may be asked at any time, [`Beam::finish`] weighs the end. The same
//! rows give the same words: ties go to the smaller key.

use rustc_hash::FxHashMap;

use super::language_model::{BEGIN, END, LanguageModel};
use super::lexicon::{Lexicon, NodeId, Unit, WordId};
use crate::speech::Language;

/// How the search weighs and how wide it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeamConfig {
    /// Hypotheses that live on after each row.
    pub hypotheses: usize,
    /// Units of a row that are followed up.
    pub units: usize,
    /// Units below this log probability are not followed up.
    pub unit_floor: f32,
    /// A hypothesis so far below the best is given up (natural logarithm).
    pub width: f32,
    /// Words of one sound that are weighed against each other, likeliest first.
    pub homophones: usize,
    /// Weight of the language model against the sound.
    pub language_weight: f32,
    /// Added for each word, against the language model's liking for few.
    pub word_reward: f32,
    /// Cost of a word in another language than the one before it.
    pub switch_cost: f32,
    /// Added for each hot word.
    pub hot_reward: f32,
    /// Cost of a phone that is spelled because no word fits.
    pub spelling_cost: f32,
}

impl Default for BeamConfig {
    fn default() -> Self {
        Self {
            hypotheses: 96,
            units: 16,
            unit_floor: -8.0,
            width: 16.0,
            homophones: 24,
            language_weight: 0.55,
            word_reward: 1.6,
            switch_cost: 2.0,
            hot_reward: 0.7,
            spelling_cost: 3.0,
        }
    }
}

/// No word before.
const NO_LINK: u32 = u32::MAX;
/// Above this many links those that nobody needs any more are dropped.
const LINKS: usize = 1 << 16;
/// A row whose blank is likelier than this (0.999) moves nothing.
const SURE_BLANK: f32 = -0.001;
const NEVER: f32 = f32::NEG_INFINITY;

#[derive(Clone, Copy, Debug)]
struct Link {
    word: WordId,
    before: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    history: [WordId; 2],
    node: NodeId,
    last: Unit,
}

#[derive(Clone, Copy, Debug)]
struct Hypothesis {
    key: Key,
    /// Score of the paths that end in a blank.
    blank: f32,
    /// Score of the paths that end in the last unit.
    other: f32,
    link: u32,
    /// A word that has just ended and has no link yet.
    ended: Option<WordId>,
    /// Sum of the log probabilities of its units, and how many.
    sure: f32,
    heard: u16,
}

impl Hypothesis {
    fn total(&self) -> f32 {
        self.blank.max(self.other)
    }
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Words in order.
    pub words: Vec<WordId>,
    /// Mean probability of the units heard, 0 to 1; 1 for none.
    pub certainty: f32,
    /// How much better than the next other words, natural logarithm a unit; large where nothing else came close.
    pub margin: f32,
}

/// One utterance being searched.
pub struct Beam {
    config: BeamConfig,
    living: Vec<Hypothesis>,
    next: Vec<Hypothesis>,
    places: FxHashMap<Key, u32>,
    links: Vec<Link>,
    likely: Vec<(Unit, f32)>,
}

impl Beam {
    /// With nothing heard.
    pub fn new(config: BeamConfig) -> Self {
        let mut beam = Self {
            config,
            living: Vec::with_capacity(config.hypotheses),
            next: Vec::with_capacity(config.hypotheses * 16),
            places: FxHashMap::default(),
            links: Vec::new(),
            likely: Vec::with_capacity(config.units),
        };
        beam.reset();
        beam
    }

    /// Forgets the utterance.
    pub fn reset(&mut self) {
        self.living.clear();
        self.links.clear();
        let key = Key { history: [BEGIN, BEGIN], node: NodeId::ROOT, last: 0 };
        let (blank, other) = (0.0, NEVER);
        self.living.push(Hypothesis { key, blank, other, link: NO_LINK, ended: None, sure: 0.0, heard: 0 });
    }

    /// One row of log probabilities, the blank first.
    pub fn step(&mut self, row: &[f32], lexicon: &Lexicon, model: &LanguageModel) {
        let Some(blank) = row.first().copied() else { return };
        if blank > SURE_BLANK {
            for hypothesis in &mut self.living {
                hypothesis.blank = hypothesis.total() + blank;
                hypothesis.other = NEVER;
            }
            return;
        }
        self.pick(row);
        let living = std::mem::take(&mut self.living);
        let ceiling = living.iter().map(Hypothesis::total).fold(NEVER, f32::max);
        let likeliest = self.likely.iter().map(|(_, p)| *p).fold(blank, f32::max);
        let floor = ceiling + likeliest - self.config.width;
        for hypothesis in &living {
            if hypothesis.total() + likeliest >= floor {
                self.extend(hypothesis, row, blank, floor, lexicon, model);
            }
        }
        self.living = living;
        self.select();
    }

    /// The row's likeliest units.
    fn pick(&mut self, row: &[f32]) {
        let Self { likely, config, .. } = self;
        likely.clear();
        for (unit, probability) in row.iter().enumerate().skip(1) {
            let full = likely.len() == config.units;
            if *probability < config.unit_floor || full && likely.last().is_some_and(|(_, least)| probability <= least)
            {
                continue;
            }
            if full {
                likely.pop();
            }
            let place = likely.partition_point(|(_, other)| other >= probability);
            likely.insert(place, (Unit::try_from(unit).unwrap_or(0), *probability));
        }
    }

    fn extend(
        &mut self,
        from: &Hypothesis,
        row: &[f32],
        blank: f32,
        floor: f32,
        lexicon: &Lexicon,
        model: &LanguageModel,
    ) {
        self.keep(Hypothesis { blank: from.total() + blank, other: NEVER, ..*from });
        if let Some(again) = row.get(usize::from(from.key.last)).filter(|_| from.key.last != 0) {
            self.keep(Hypothesis { blank: NEVER, other: from.other + again, ..*from });
        }
        for at in 0..self.likely.len() {
            let (unit, probability) = self.likely[at];
            let Some(node) = lexicon.child(from.key.node, unit) else { continue };
            let before = if unit == from.key.last { from.blank } else { from.total() };
            let mut score = before + probability;
            if from.key.node == NodeId::ROOT {
                score -= self.switch(from.key.history[1], unit, lexicon);
            }
            // What the word will cost at least is charged as it grows, or long words nobody said would crowd out the rest.
            let prospect = lexicon.prospect(node) - lexicon.prospect(from.key.node);
            score += self.config.language_weight * prospect;
            if score < floor {
                continue;
            }
            let key = Key { node, last: unit, ..from.key };
            let (sure, heard) = (from.sure + probability, from.heard.saturating_add(1));
            let moved = Hypothesis { key, blank: NEVER, other: score, sure, heard, ..*from };
            if lexicon.has_children(node) {
                self.keep(moved);
            }
            self.end_words(&moved, floor, lexicon, model);
        }
    }

    fn end_words(&mut self, at: &Hypothesis, floor: f32, lexicon: &Lexicon, model: &LanguageModel) {
        let BeamConfig { language_weight, word_reward, hot_reward, spelling_cost, homophones, .. } = self.config;
        let charged = lexicon.prospect(at.key.node);
        for (word, share) in lexicon.words_at(at.key.node).iter().take(homophones) {
            let likelihood = model.score(lexicon, at.key.history, *word) + share - charged;
            let mut score = at.other + language_weight * likelihood + word_reward;
            if model.is_hot(*word) {
                score += hot_reward;
            }
            if lexicon.word(*word).is_spelling {
                score -= spelling_cost;
            }
            if score >= floor {
                let key = Key { history: [at.key.history[1], *word], node: NodeId::ROOT, last: at.key.last };
                self.keep(Hypothesis { key, other: score, ended: Some(*word), ..*at });
            }
        }
    }

    /// The cost of beginning a word of the unit's language after the word before.
    fn switch(&self, before: WordId, unit: Unit, lexicon: &Lexicon) -> f32 {
        if before == BEGIN {
            return 0.0;
        }
        let same = Some(lexicon.word(before).language) == language_of(lexicon.unit(unit));
        if same { 0.0 } else { self.config.switch_cost }
    }

    fn keep(&mut self, found: Hypothesis) {
        match self.places.entry(found.key) {
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(u32::try_from(self.next.len()).unwrap_or(u32::MAX));
                self.next.push(found);
            }
            std::collections::hash_map::Entry::Occupied(place) => {
                let known = &mut self.next[*place.get() as usize];
                let (blank, other) = (known.blank.max(found.blank), known.other.max(found.other));
                if found.total() > known.total() {
                    *known = found;
                }
                (known.blank, known.other) = (blank, other);
            }
        }
    }

    /// The best live on; words that have just ended get their link.
    fn select(&mut self) {
        let order = |a: &Hypothesis, b: &Hypothesis| b.total().total_cmp(&a.total()).then(a.key.cmp(&b.key));
        if self.next.len() > self.config.hypotheses {
            self.next.select_nth_unstable_by(self.config.hypotheses, order);
            self.next.truncate(self.config.hypotheses);
        }
        self.next.sort_unstable_by(order);
        self.living.clear();
        for mut hypothesis in self.next.drain(..) {
            if let Some(word) = hypothesis.ended.take() {
                self.links.push(Link { word, before: hypothesis.link });
                hypothesis.link = u32::try_from(self.links.len() - 1).unwrap_or(NO_LINK);
            }
            self.living.push(hypothesis);
        }
        self.places.clear();
        if self.links.len() > LINKS {
            self.forget_unused();
        }
    }

    /// Keeps only the links that a living hypothesis leads to.
    fn forget_unused(&mut self) {
        let mut moved: FxHashMap<u32, u32> = FxHashMap::default();
        let mut kept: Vec<Link> = Vec::new();
        for index in 0..self.living.len() {
            let mut way = Vec::new();
            let mut at = self.living[index].link;
            while at != NO_LINK && !moved.contains_key(&at) {
                way.push(at);
                at = self.links[at as usize].before;
            }
            for old in way.into_iter().rev() {
                let Link { word, before } = self.links[old as usize];
                let before = moved.get(&before).copied().unwrap_or(NO_LINK);
                moved.insert(old, u32::try_from(kept.len()).unwrap_or(NO_LINK));
                kept.push(Link { word, before });
            }
            let link = self.living[index].link;
            self.living[index].link = moved.get(&link).copied().unwrap_or(NO_LINK);
        }
        self.links = kept;
    }

    /// The likeliest words so far; of a word that may go on, what it is if it does not.
    pub fn best(&self, lexicon: &Lexicon) -> Vec<WordId> {
        let Some(best) = self.living.first() else { return Vec::new() };
        let mut words = self.words(best.link);
        if best.key.node != NodeId::ROOT {
            let whole = lexicon.words_at(best.key.node).iter().find(|(word, _)| !lexicon.word(*word).is_spelling);
            words.extend(whole.map(|(word, _)| *word));
        }
        words
    }

    /// The likeliest whole utterance.
    pub fn finish(&self, lexicon: &Lexicon, model: &LanguageModel) -> Found {
        let weight = self.config.language_weight;
        let whole = self.living.iter().filter(|h| h.key.node == NodeId::ROOT);
        let mut ended: Vec<(f32, &Hypothesis)> =
            whole.map(|h| (h.total() + weight * model.score(lexicon, h.key.history, END), h)).collect();
        ended.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.key.cmp(&b.1.key)));
        let Some((score, best)) = ended.first().copied() else {
            return Found { words: self.best(lexicon), certainty: 0.0, margin: 0.0 };
        };
        let words = self.words(best.link);
        let units = f32::from(best.heard.max(1));
        let other = ended.iter().skip(1).find(|(_, h)| self.words(h.link) != words);
        let margin = other.map_or(10.0, |(next, _)| (score - next) / units);
        let certainty = if best.heard == 0 { 1.0 } else { (best.sure / units).exp() };
        Found { words, certainty, margin }
    }

    fn words(&self, mut link: u32) -> Vec<WordId> {
        let mut words = Vec::new();
        while let Some(Link { word, before }) = self.links.get(link as usize) {
            words.push(*word);
            link = *before;
        }
        words.reverse();
        words
    }
}

/// The language that a unit's name begins with.
pub fn language_of(unit: &str) -> Option<Language> {
    match unit.split_once(':')?.0 {
        "y" => Some(Language::Cantonese),
        "m" => Some(Language::Mandarin),
        "e" => Some(Language::English),
        _ => None,
    }
}
