//! How well a recogniser hears: errors against a reference, counted in characters for Chinese and in words for English.

use crate::engine::recogniser::text::{is_chinese, tidy};

/// Errors of one or of many transcripts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// Tokens heard as others.
    pub substitutions: u64,
    /// Tokens not heard.
    pub deletions: u64,
    /// Tokens heard that were not said.
    pub insertions: u64,
    /// Tokens of the reference.
    pub reference: u64,
}

impl Errors {
    /// Adds another transcript's.
    pub fn add(&mut self, other: Self) {
        self.substitutions += other.substitutions;
        self.deletions += other.deletions;
        self.insertions += other.insertions;
        self.reference += other.reference;
    }

    /// Errors of all kinds.
    pub fn total(&self) -> u64 {
        self.substitutions + self.deletions + self.insertions
    }

    /// Errors a token of the reference: 0 is perfect, above 1 is possible.
    pub fn rate(&self) -> f64 {
        if self.reference == 0 { 0.0 } else { self.total() as f64 / self.reference as f64 }
    }
}

/// What is compared: each Chinese character and each word between them, without punctuation, case and width.
pub fn tokens(text: &str) -> Vec<String> {
    let (mut all, mut word) = (Vec::new(), String::new());
    for c in tidy(text).chars() {
        let ends_word = is_chinese(c) || !(c.is_alphanumeric() || c == '\'');
        if ends_word && !word.is_empty() {
            all.push(std::mem::take(&mut word));
        }
        if is_chinese(c) {
            all.push(c.to_string());
        } else if !ends_word {
            word.push(c);
        }
    }
    if !word.is_empty() {
        all.push(word);
    }
    all
}

/// Least edits that make the reference of what was heard (Levenshtein), counted by kind.
pub fn compare(reference: &str, heard: &str) -> Errors {
    let (reference, heard) = (tokens(reference), tokens(heard));
    let mut row: Vec<Errors> =
        (0..=heard.len()).map(|n| Errors { insertions: n as u64, ..Errors::default() }).collect();
    for (said, word) in reference.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = Errors { deletions: said as u64 + 1, ..Errors::default() };
        for at in 1..row.len() {
            let mut replaced = diagonal;
            replaced.substitutions += u64::from(heard[at - 1] != *word);
            let mut deleted = row[at];
            deleted.deletions += 1;
            let mut inserted = row[at - 1];
            inserted.insertions += 1;
            diagonal = row[at];
            row[at] = [replaced, deleted, inserted].into_iter().min_by_key(Errors::total).unwrap_or(replaced);
        }
    }
    let mut errors = row.pop().unwrap_or_default();
    errors.reference = reference.len() as u64;
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_into_what_is_compared() {
        assert_eq!(tokens("我想CHECK下，bill!"), ["我", "想", "check", "下", "bill"]);
        assert_eq!(tokens("I'd like  two"), ["i'd", "like", "two"]);
    }

    #[test]
    fn counts_errors_by_kind() {
        let rows = [
            ("我想查詢", "我想查詢", (0, 0, 0, 4)),
            ("我想查詢", "我查信", (1, 1, 0, 4)),
            ("i want", "i do want it", (0, 0, 2, 2)),
            ("好", "", (0, 1, 0, 1)),
            ("", "好", (0, 0, 1, 0)),
        ];
        for (reference, heard, (substitutions, deletions, insertions, reference_tokens)) in rows {
            let want = Errors { substitutions, deletions, insertions, reference: reference_tokens };
            assert_eq!(compare(reference, heard), want, "{reference} / {heard}");
        }
    }

    #[test]
    fn a_rate_is_errors_by_reference() {
        let mut all = compare("我想查詢", "我想");
        all.add(compare("i want", "i want"));
        assert!((all.rate() - 2.0 / 6.0).abs() < 1e-9);
        assert_eq!(Errors::default().rate(), 0.0);
    }
}
