//! What can be written, and which units each of it is made of: a prefix tree over units whose nodes hold words. A word is
//! a Chinese character or an English word; the same character of two languages is two words.
//!
//! `lexicon.tsv`: `TEXT TAB LANGUAGE TAB UNITS TAB COUNT` a line; `#` begins a comment. `tokens.txt`: `UNIT NUMBER` a line, `<blk>`
//! is 0. Words that are in neither still come out: every English phone may be spelled by itself.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::super::text::simplified;
use crate::speech::Language;

/// A unit of the network: its row in `tokens.txt`. 0 is the blank.
pub type Unit = u16;

/// A word's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WordId(pub u32);

/// Where in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Between words.
    pub const ROOT: Self = Self(0);
}

/// How each English phone is spelled where no word fits.
const SPELLINGS: [(&str, &str); 39] = [
    ("AA", "o"),
    ("AE", "a"),
    ("AH", "u"),
    ("AO", "or"),
    ("AW", "ow"),
    ("AY", "i"),
    ("B", "b"),
    ("CH", "ch"),
    ("D", "d"),
    ("DH", "th"),
    ("EH", "e"),
    ("ER", "er"),
    ("EY", "ay"),
    ("F", "f"),
    ("G", "g"),
    ("HH", "h"),
    ("IH", "i"),
    ("IY", "ee"),
    ("JH", "j"),
    ("K", "k"),
    ("L", "l"),
    ("M", "m"),
    ("N", "n"),
    ("NG", "ng"),
    ("OW", "o"),
    ("OY", "oy"),
    ("P", "p"),
    ("R", "r"),
    ("S", "s"),
    ("SH", "sh"),
    ("T", "t"),
    ("TH", "th"),
    ("UH", "oo"),
    ("UW", "oo"),
    ("V", "v"),
    ("W", "w"),
    ("Y", "y"),
    ("Z", "z"),
    ("ZH", "s"),
]; // one row a phone of ARPAbet

/// The files do not say what a lexicon says.
#[derive(Debug, thiserror::Error)]
pub enum LexiconError {
    /// A line of `tokens.txt`.
    #[error("tokens.txt:{line}: expected a unit, a space and its number, in order from 0")]
    Tokens {
        /// Line.
        line: usize,
    },
    /// A line of `lexicon.tsv`.
    #[error("lexicon.tsv:{line}: {what}")]
    Entry {
        /// Line.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

/// What is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// Character, or word in lower case.
    pub text: Box<str>,
    /// Language.
    pub language: Language,
    /// Natural logarithm of its share among its language's words.
    pub prior: f32,
    /// True for a spelled phone: it is joined to the ones beside it.
    pub is_spelling: bool,
}

#[derive(Debug, Default)]
struct Node {
    children: Vec<(Unit, NodeId)>,
    /// Words that end here with the logarithm of this reading's share, likeliest first.
    words: Vec<(WordId, f32)>,
    /// Logarithm of the prior of the likeliest word from here on.
    prospect: f32,
}

/// Words and their tree.
#[derive(Debug)]
pub struct Lexicon {
    units: Vec<Box<str>>,
    nodes: Vec<Node>,
    words: Vec<Word>,
    by_text: FxHashMap<(Box<str>, Language), WordId>,
    longest_english: usize,
}

/// Names of units by number.
pub fn read_units(tokens: &str) -> Result<Vec<Box<str>>, LexiconError> {
    let mut units = Vec::new();
    for (at, line) in tokens.lines().enumerate() {
        let parts = line.rsplit_once(' ').filter(|(_, number)| number.parse() == Ok(units.len()));
        let Some((name, _)) = parts else { return Err(LexiconError::Tokens { line: at + 1 }) };
        units.push(name.into());
    }
    Ok(units)
}

impl Lexicon {
    /// Reads both files.
    pub fn parse(tokens: &str, lexicon: &str) -> Result<Self, LexiconError> {
        let units = read_units(tokens)?;
        let numbers: FxHashMap<&str, Unit> =
            units.iter().enumerate().filter_map(|(n, name)| Some((&**name, Unit::try_from(n).ok()?))).collect();
        let mut rows: BTreeMap<(&str, Language), Vec<Reading>> = BTreeMap::new();
        for (at, line) in lexicon.lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let (key, spelled, count) =
                entry(line, &numbers).map_err(|what| LexiconError::Entry { line: at + 1, what })?;
            rows.entry(key).or_default().push((spelled, count));
        }
        let mut built = Self {
            units: Vec::new(),
            nodes: vec![Node::default()],
            words: Vec::with_capacity(rows.len()),
            by_text: FxHashMap::default(),
            longest_english: 1,
        };
        let mut totals: BTreeMap<Language, f64> = BTreeMap::new();
        for ((_, language), readings) in &rows {
            *totals.entry(*language).or_default() += readings.iter().map(|(_, count)| count).sum::<f64>();
        }
        for ((text, language), readings) in rows {
            let all: f64 = readings.iter().map(|(_, count)| count).sum();
            let prior = (all / totals.get(&language).copied().unwrap_or(1.0)).ln() as f32;
            let word = built.add_word(Word { text: text.into(), language, prior, is_spelling: false });
            for (spelled, count) in readings {
                built.add_reading(word, &spelled, (count / all).ln() as f32);
            }
        }
        built.add_spellings(&numbers);
        built.units = units;
        built.settle();
        Ok(built)
    }

    fn add_word(&mut self, word: Word) -> WordId {
        let id = WordId(u32::try_from(self.words.len()).unwrap_or(u32::MAX));
        if !word.is_spelling {
            self.by_text.insert((word.text.clone(), word.language), id);
            if word.language == Language::English {
                self.longest_english = self.longest_english.max(word.text.chars().count());
            }
        }
        self.words.push(word);
        id
    }

    fn add_reading(&mut self, word: WordId, spelled: &[Unit], share: f32) {
        let mut node = NodeId::ROOT;
        for unit in spelled {
            node = match self.child(node, *unit) {
                Some(child) => child,
                None => {
                    let child = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
                    self.nodes.push(Node::default());
                    let children = &mut self.nodes[node.0 as usize].children;
                    let place = children.partition_point(|(other, _)| other < unit);
                    children.insert(place, (*unit, child));
                    child
                }
            };
        }
        self.nodes[node.0 as usize].words.push((word, share));
    }

    fn add_spellings(&mut self, numbers: &FxHashMap<&str, Unit>) {
        for (phone, spelling) in SPELLINGS {
            if let Some(unit) = numbers.get(format!("e:{phone}").as_str()) {
                let (text, language) = (spelling.into(), Language::English);
                let word = self.add_word(Word { text, language, prior: -3.5, is_spelling: true });
                self.add_reading(word, &[*unit], 0.0);
            }
        }
    }

    /// Likeliest words first at every node.
    fn settle(&mut self) {
        let words = &self.words;
        for node in &mut self.nodes {
            let likely = |(id, share): &(WordId, f32)| words[id.0 as usize].prior + share;
            node.words.sort_by(|a, b| likely(b).total_cmp(&likely(a)).then(a.0.cmp(&b.0)));
            node.words.shrink_to_fit();
        }
        // Children have higher numbers than their parents.
        for at in (0..self.nodes.len()).rev() {
            let own =
                self.nodes[at].words.first().map_or(f32::NEG_INFINITY, |(id, share)| self.word(*id).prior + share);
            let further = self.nodes[at].children.iter().map(|(_, child)| self.nodes[child.0 as usize].prospect);
            self.nodes[at].prospect = further.fold(own, f32::max);
        }
    }

    /// Logarithm of the prior of the likeliest word from this node on; 0 between words.
    pub fn prospect(&self, node: NodeId) -> f32 {
        if node == NodeId::ROOT { 0.0 } else { self.nodes.get(node.0 as usize).map_or(0.0, |node| node.prospect) }
    }

    /// The node one unit further.
    pub fn child(&self, node: NodeId, unit: Unit) -> Option<NodeId> {
        let children = &self.nodes.get(node.0 as usize)?.children;
        children.binary_search_by_key(&unit, |(unit, _)| *unit).ok().map(|at| children[at].1)
    }

    /// True where longer words go on from here.
    pub fn has_children(&self, node: NodeId) -> bool {
        self.nodes.get(node.0 as usize).is_some_and(|node| !node.children.is_empty())
    }

    /// Words that end here with the logarithm of the reading's share, likeliest first.
    pub fn words_at(&self, node: NodeId) -> &[(WordId, f32)] {
        self.nodes.get(node.0 as usize).map_or(&[], |node| &node.words)
    }

    /// A word by its number.
    pub fn word(&self, id: WordId) -> &Word {
        &self.words[id.0 as usize]
    }

    /// The number of a word.
    pub fn find(&self, text: &str, language: Language) -> Option<WordId> {
        self.by_text.get(&(text.into(), language)).copied()
    }

    /// Words in it.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// True for a lexicon that can write nothing.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Name of a unit.
    pub fn unit(&self, unit: Unit) -> &str {
        self.units.get(usize::from(unit)).map_or("", |name| name)
    }

    /// The words of a sentence: each Chinese character as one of `language`, each western word as English. Mandarin is written
    /// in simplified characters here; traditional ones count as those. What the lexicon has not got is left out, and the
    /// sentence falls apart there.
    pub fn words_of(&self, sentence: &str, language: Language) -> Vec<Vec<WordId>> {
        let (mut parts, mut current) = (Vec::new(), Vec::new());
        for token in crate::engine::score::tokens(sentence) {
            let chinese = token.chars().next().is_some_and(super::super::text::is_chinese);
            let spoken = if chinese && language == Language::English { Language::Cantonese } else { language };
            let found = if chinese { self.find(&token, spoken) } else { self.find(&token, Language::English) };
            let found = found.or_else(|| {
                let simplified =
                    token.chars().next().filter(|_| chinese && spoken == Language::Mandarin).map(simplified)?;
                self.find(simplified.encode_utf8(&mut [0; 4]), spoken)
            });
            match found {
                Some(word) => current.push(word),
                None if current.is_empty() => {}
                None => parts.push(std::mem::take(&mut current)),
            }
        }
        if !current.is_empty() {
            parts.push(current);
        }
        parts
    }
}

/// Units and how often.
type Reading = (Vec<Unit>, f64);
type Entry<'a> = ((&'a str, Language), Vec<Unit>, f64);

fn entry<'a>(line: &'a str, numbers: &FxHashMap<&str, Unit>) -> Result<Entry<'a>, String> {
    let parts: Vec<&str> = line.split('\t').collect();
    let [text, language, spelled, count] = parts[..] else {
        return Err(format!("expected text, language, units and count between tabs, found {} columns", parts.len()));
    };
    let language: Language = language.parse().map_err(|error: crate::speech::UnknownLanguage| error.to_string())?;
    let mut units = Vec::new();
    for name in spelled.split(' ') {
        units.push(*numbers.get(name).ok_or_else(|| format!("'{name}' is no unit of tokens.txt"))?);
    }
    let count: f64 = count.parse().map_err(|_| format!("'{count}' is no number"))?;
    if !(count > 0.0 && count.is_finite()) {
        return Err(format!("a count above 0 is expected, found {count}"));
    }
    Ok(((text, language), units, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: &str = "<blk> 0\ny:ng 1\ny:o5 2\ne:AY 3\ne:B 4\nm:w 5\nm:o3 6\n";
    const LEXICON: &str = "# ours\n我\tyue\ty:ng y:o5\t9\n臥\tyue\ty:ng y:o5\t1\n我\tcmn\tm:w m:o3\t5\ni\teng\te:AY\t3\nbye\teng\te:B e:AY\t1\n";

    #[test]
    fn words_stand_at_the_end_of_their_units() {
        let lexicon = Lexicon::parse(TOKENS, LEXICON).unwrap();
        let onset = lexicon.child(NodeId::ROOT, 1).unwrap();
        assert!(lexicon.words_at(onset).is_empty() && lexicon.has_children(onset));
        let end = lexicon.child(onset, 2).unwrap();
        let texts: Vec<&str> = lexicon.words_at(end).iter().map(|(id, _)| &*lexicon.word(*id).text).collect();
        assert_eq!(texts, ["我", "臥"]);
        assert!(!lexicon.has_children(end) && lexicon.child(end, 1).is_none());
        assert_ne!(lexicon.find("我", Language::Cantonese), lexicon.find("我", Language::Mandarin));
    }

    #[test]
    fn traditional_characters_count_as_the_simplified_ones_of_mandarin() {
        let lexicon = Lexicon::parse(TOKENS, "账\tcmn\tm:w m:o3\t5\n我\tcmn\tm:w m:o3\t5\n").unwrap();
        let both = lexicon.words_of("我账", Language::Mandarin);
        assert_eq!(both.concat().len(), 2);
        assert_eq!(lexicon.words_of("我賬", Language::Mandarin), both);
        assert!(lexicon.words_of("賬", Language::Cantonese).is_empty(), "Cantonese has characters of its own");
        assert_eq!(lexicon.unit(2), "y:o5");
        let spelled = lexicon.child(NodeId::ROOT, 4).unwrap();
        assert!(lexicon.words_at(spelled).iter().any(|(id, _)| lexicon.word(*id).is_spelling));
    }

    #[test]
    fn sentences_fall_apart_where_a_word_is_unknown() {
        let lexicon = Lexicon::parse(TOKENS, LEXICON).unwrap();
        let parts = lexicon.words_of("我 bye 龜 i", Language::Cantonese);
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn mistakes_have_a_place() {
        let table = [
            ("a 0\nb 2\n", "", "tokens.txt:2: "),
            (
                TOKENS,
                "我\tyue\ty:ng",
                "lexicon.tsv:1: expected text, language, units and count between tabs, found 3 columns",
            ),
            (TOKENS, "# x\n我\txx\ty:ng\t1", "lexicon.tsv:2: 'xx' is no language"),
            (TOKENS, "我\tyue\ty:gg\t1", "lexicon.tsv:1: 'y:gg' is no unit of tokens.txt"),
            (TOKENS, "我\tyue\ty:ng\t0", "lexicon.tsv:1: a count above 0 is expected"),
        ];
        for (tokens, lexicon, expected) in table {
            let error = Lexicon::parse(tokens, lexicon).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
