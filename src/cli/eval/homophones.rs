//! What counts as the same when transcripts are compared: by the letter, with scripts folded, or by sound as well.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use crate::conversation::readings::Readings;
use crate::engine::score;
use crate::speech::Language;

/// Toneless pinyin: `syllable TAB characters`.
const PINYIN: &str = include_str!("../../../models/readings/pinyin.txt");

/// The folding of texts before they are compared.
pub struct Folding {
    readings: Readings,
    pinyin: HashMap<char, [&'static str; 2]>,
    /// Simplified and Traditional characters count as the same.
    scripts: bool,
}

impl Folding {
    /// Reads the tables; a few ms.
    pub fn new(scripts: bool) -> Self {
        let mut pinyin: HashMap<char, [&'static str; 2]> = HashMap::with_capacity(7_000);
        for (syllable, characters) in PINYIN.lines().filter_map(|line| line.split_once('\t')) {
            for c in characters.chars() {
                pinyin.entry(c).and_modify(|known| known[1] = syllable).or_insert([syllable; 2]);
            }
        }
        Self { readings: Readings::load(), pinyin, scripts }
    }

    /// What is compared: characters and words, without punctuation, case and width, and without script where asked.
    pub fn tokens(&self, text: &str) -> Vec<String> {
        let text: String = text.nfkc().map(|c| if c == '\u{2019}' { '\'' } else { c }).collect();
        let mut tokens = score::tokens(&text);
        if self.scripts {
            for token in &mut tokens {
                *token = token.chars().map(|c| self.readings.traditional(c)).collect();
            }
        }
        tokens
    }

    /// True where both tokens are characters that sound alike in that language but for the tone; in a mixture, in either.
    pub fn sounds_alike(&self, language: Option<Language>, a: &str, b: &str) -> bool {
        let (Some(a), Some(b)) = (single(a), single(b)) else { return false };
        match language {
            Some(Language::Cantonese) => self.in_cantonese(a, b),
            Some(Language::Mandarin) => self.in_mandarin(a, b),
            Some(Language::English) => false,
            None => self.in_cantonese(a, b) || self.in_mandarin(a, b),
        }
    }

    fn in_cantonese(&self, a: char, b: char) -> bool {
        let sound = |c: char| self.readings.syllables(&[self.readings.traditional(c)]);
        sound(a) == sound(b)
    }

    fn in_mandarin(&self, a: char, b: char) -> bool {
        let (Some(a), Some(b)) = (self.pinyin.get(&a), self.pinyin.get(&b)) else { return false };
        a.iter().any(|syllable| b.contains(syllable))
    }
}

fn single(token: &str) -> Option<char> {
    let mut chars = token.chars();
    let first = chars.next()?;
    chars.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_and_apostrophes_are_folded_and_scripts_on_request() {
        let (plain, folded) = (Folding::new(false), Folding::new(true));
        assert_eq!(plain.tokens("Ｉ’ｍ，ＯＫ １２"), ["i'm", "ok", "12"]);
        assert_ne!(plain.tokens("账单"), plain.tokens("賬單"));
        assert_eq!(folded.tokens("账单"), folded.tokens("賬單"));
    }

    #[test]
    fn sounds_are_those_of_the_language() {
        let folding = Folding::new(false);
        let (yue, cmn) = (Some(Language::Cantonese), Some(Language::Mandarin));
        assert!(folding.sounds_alike(cmn, "帐", "张"));
        assert!(!folding.sounds_alike(cmn, "账", "单"));
        assert!(folding.sounds_alike(yue, "張", "章"));
        assert!(!folding.sounds_alike(yue, "張", "單"));
        // fa and hua are one sound in neither; 花 and 化 are in Cantonese and Mandarin.
        assert!(!folding.sounds_alike(cmn, "发", "化"));
        assert!(folding.sounds_alike(None, "花", "化"));
        assert!(!folding.sounds_alike(Some(Language::English), "張", "章"));
        assert!(!folding.sounds_alike(None, "two", "too"));
    }
}
