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

/// One step from what was said to what was heard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edit {
    /// Heard as it was said.
    Right(String),
    /// Heard as another: said, heard.
    Substituted(String, String),
    /// Said and not heard.
    Deleted(String),
    /// Heard and not said.
    Inserted(String),
}

/// Least edits that make what was heard of the reference (Levenshtein), in order. `same` says which tokens count as one.
/// Of several ways the one with most tokens right is taken, and in it the one that substitutes first.
pub fn align(reference: &[String], heard: &[String], same: &dyn Fn(&str, &str) -> bool) -> Vec<Edit> {
    // A substitution costs a trifle more, so that of two ways with as many errors the one with more right tokens wins.
    const EDIT: usize = 1 << 16;
    const SUBSTITUTION: usize = EDIT + 1;
    let width = heard.len() + 1;
    // cost[said * width + at]: edits from the first `said` tokens of the reference to the first `at` heard.
    let mut cost: Vec<usize> = vec![0; (reference.len() + 1) * width];
    for (at, first) in cost.iter_mut().take(width).enumerate() {
        *first = at * EDIT;
    }
    for said in 1..=reference.len() {
        let (above, row) = cost.split_at_mut(said * width);
        let above = &above[(said - 1) * width..];
        row[0] = said * EDIT;
        for at in 1..width {
            let differ = if same(&reference[said - 1], &heard[at - 1]) { 0 } else { SUBSTITUTION };
            row[at] = (above[at - 1] + differ).min(above[at] + EDIT).min(row[at - 1] + EDIT);
        }
    }
    let (mut said, mut at, mut edits) = (reference.len(), heard.len(), Vec::with_capacity(reference.len().max(width)));
    while said > 0 || at > 0 {
        let here = cost[said * width + at];
        let came = |said_before: usize, at_before: usize, by: usize| {
            said >= said_before && at >= at_before && here == cost[(said - said_before) * width + at - at_before] + by
        };
        let is_right = said > 0 && at > 0 && same(&reference[said - 1], &heard[at - 1]);
        if is_right && came(1, 1, 0) {
            (said, at) = (said - 1, at - 1);
            edits.push(Edit::Right(reference[said].clone()));
        } else if came(1, 0, EDIT) {
            said -= 1;
            edits.push(Edit::Deleted(reference[said].clone()));
        } else if came(0, 1, EDIT) {
            at -= 1;
            edits.push(Edit::Inserted(heard[at].clone()));
        } else {
            (said, at) = (said - 1, at - 1);
            edits.push(Edit::Substituted(reference[said].clone(), heard[at].clone()));
        }
    }
    edits.reverse();
    edits
}

impl Errors {
    /// Counts by kind.
    pub fn of(edits: &[Edit]) -> Self {
        let mut errors = Self::default();
        for edit in edits {
            match edit {
                Edit::Right(_) => errors.reference += 1,
                Edit::Substituted(..) => {
                    errors.reference += 1;
                    errors.substitutions += 1;
                }
                Edit::Deleted(_) => {
                    errors.reference += 1;
                    errors.deletions += 1;
                }
                Edit::Inserted(_) => errors.insertions += 1,
            }
        }
        errors
    }
}

/// Least edits that make what was heard of the reference, counted by kind.
pub fn compare(reference: &str, heard: &str) -> Errors {
    Errors::of(&align(&tokens(reference), &tokens(heard), &|a, b| a == b))
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
    fn an_alignment_says_what_became_of_each_token() {
        let edits = align(&tokens("我想 check 張單"), &tokens("我唔想 cheque 單"), &|a, b| a == b);
        let text = |s: &str| s.to_owned();
        let want = [
            Edit::Right(text("我")),
            Edit::Inserted(text("唔")),
            Edit::Right(text("想")),
            Edit::Substituted(text("check"), text("cheque")),
            Edit::Deleted(text("張")),
            Edit::Right(text("單")),
        ];
        assert_eq!(edits, want);
        let alike = align(&tokens("張單"), &tokens("章單"), &|a, b| a == b || (a, b) == ("張", "章"));
        assert_eq!(Errors::of(&alike), Errors { reference: 2, ..Errors::default() });
    }

    #[test]
    fn a_rate_is_errors_by_reference() {
        let mut all = compare("我想查詢", "我想");
        all.add(compare("i want", "i want"));
        assert!((all.rate() - 2.0 / 6.0).abs() < 1e-9);
        assert_eq!(Errors::default().rate(), 0.0);
    }
}
