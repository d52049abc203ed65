//! Characters to toneless Jyutping, and simplified to Hong Kong traditional characters, out of the tables of
//! `models/readings/`. Longest word first, then one reading a character. Is not a segmenter: words that read as their
//! characters do are not in the table.

use std::collections::HashMap;

use crate::speech::Language;

const JYUTPING: &str = include_str!("../../models/readings/jyutping.txt");
const SIMPLIFIED: &str = include_str!("../../models/readings/simplified.txt");
/// Longest word of the table, in characters.
const LONGEST_WORD: usize = 4;

/// Which script a character tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Written so in simplified text only.
    Simplified,
    /// Written so in traditional text only.
    Traditional,
}

/// The tables, parsed once.
#[derive(Debug)]
pub struct Readings {
    characters: HashMap<char, &'static str>,
    words: HashMap<&'static str, Vec<&'static str>>,
    traditional: HashMap<char, char>,
    script: HashMap<char, Script>,
}

impl Default for Readings {
    fn default() -> Self {
        Self::load()
    }
}

impl Readings {
    /// Parses the tables (a few ms).
    pub fn load() -> Self {
        let (characters_text, words_text) = JYUTPING.split_once("\n\n").unwrap_or((JYUTPING, ""));
        let mut characters = HashMap::with_capacity(30_000);
        for (syllable, all) in characters_text.lines().filter_map(|line| line.split_once('\t')) {
            characters.extend(all.chars().map(|c| (c, syllable)));
        }
        let words = words_text.lines().filter_map(|line| line.split_once('\t'));
        let words = words.map(|(word, syllables)| (word, syllables.split(' ').collect())).collect();
        let (mut traditional, mut script) = (HashMap::new(), HashMap::new());
        for (number, line) in SIMPLIFIED.lines().enumerate() {
            let mut chars = line.chars();
            while let (Some(from), Some(to)) = (chars.next(), chars.next()) {
                traditional.insert(from, to);
                if number == 0 {
                    script.insert(from, Script::Simplified);
                    script.entry(to).or_insert(Script::Traditional);
                }
            }
        }
        Self { characters, words, traditional, script }
    }

    /// The Hong Kong traditional form of a character.
    pub fn traditional(&self, c: char) -> char {
        self.traditional.get(&c).copied().unwrap_or(c)
    }

    /// The script that a character belongs to, where it tells.
    pub fn script(&self, c: char) -> Option<Script> {
        self.script.get(&c).copied()
    }

    /// One syllable a character; a character without reading stands for itself.
    pub fn syllables(&self, text: &[char]) -> Vec<String> {
        let mut all = Vec::with_capacity(text.len());
        let mut at = 0;
        while let Some(c) = text.get(at) {
            let word = (2..=LONGEST_WORD.min(text.len() - at)).rev().find_map(|length| {
                let word: String = text.get(at..at + length)?.iter().collect();
                self.words.get(word.as_str())
            });
            match word {
                Some(syllables) => {
                    all.extend(syllables.iter().map(|s| (*s).to_owned()));
                    at += syllables.len().max(1);
                }
                None => {
                    all.push(self.characters.get(c).map_or_else(|| c.to_string(), |s| (*s).to_owned()));
                    at += 1;
                }
            }
        }
        all
    }
}

/// A syllable with the lazy sounds of Hong Kong folded: n- as l-, ng- dropped, gwo- as go-, -ng as -n after a and o,
/// -k as -t after a and o.
pub fn lazy(syllable: &str) -> String {
    let mut all = match syllable {
        "ng" | "m" => return syllable.to_owned(),
        s if s.starts_with("ng") => s[2..].to_owned(),
        s if s.starts_with('n') => format!("l{}", &s[1..]),
        s if s.starts_with("gwo") || s.starts_with("kwo") => format!("{}{}", &s[..1], &s[2..]),
        s => s.to_owned(),
    };
    for (from, to) in [("aang", "aan"), ("ang", "an"), ("ong", "on"), ("aak", "aat"), ("ak", "at"), ("ok", "ot")] {
        if all.ends_with(from) {
            all.truncate(all.len() - from.len());
            all.push_str(to);
            break;
        }
    }
    all
}

/// The language that a script speaks for, on a line whose recogniser writes Cantonese in traditional and Mandarin in
/// simplified characters.
pub fn language_of(script: Script) -> Language {
    match script {
        Script::Simplified => Language::Mandarin,
        Script::Traditional => Language::Cantonese,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_characters_and_words() {
        let readings = Readings::load();
        let read = |text: &str| readings.syllables(&text.chars().collect::<Vec<_>>()).join(" ");
        assert_eq!(read("我想查詢漫遊"), "ngo soeng caa seon maan jau");
        assert_eq!(read("銀行"), "ngan hong");
        assert_eq!(read("行街"), "haang gaai");
    }

    #[test]
    fn folds_scripts_and_lazy_sounds() {
        let readings = Readings::load();
        assert_eq!("转人工说电话".chars().map(|c| readings.traditional(c)).collect::<String>(), "轉人工説電話");
        assert_eq!(readings.script('转'), Some(Script::Simplified));
        assert_eq!(readings.script('轉'), Some(Script::Traditional));
        assert_eq!(readings.script('人'), None);
        let folded = ["nei", "ngo", "gwok", "ng", "ngaang", "dak"].map(lazy);
        assert_eq!(folded, ["lei", "o", "got", "ng", "aan", "dat"]);
    }
}
