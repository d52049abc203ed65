//! Hot words for sherpa-onnx's transducers, which lean towards them while they search. Only where the manifest says in which
//! units the model's tokens are (`hot_words = ".."`): the library cannot tell, and other families take none.

use std::collections::HashSet;
use std::path::PathBuf;

use super::RecogniserError;
use super::text::is_chinese;
use crate::engine::manifest::{Model, Role, TokenUnit};
use crate::speech::Bias;

/// What a word of weight 1 gains for each token.
const SCORE: f32 = 1.5;
/// More words than this help nobody and slow the search.
const WORDS: usize = 200;

/// How one model takes hot words.
pub(super) struct HotWords {
    unit: TokenUnit,
    /// Pieces of English words and their scores, where there are such.
    pub(super) pieces: Option<PathBuf>,
    tokens: HashSet<String>,
    /// Its English is written in capital letters.
    capitals: bool,
}

impl HotWords {
    /// As the manifest says it; `None` where it says nothing.
    pub(super) fn of(model: &Model) -> Result<Option<Self>, RecogniserError> {
        let Some(unit) = model.hot_words else { return Ok(None) };
        let pieces = if unit == TokenUnit::Characters { None } else { Some(model.file(Role::Pieces)?) };
        let path = model.file(Role::Tokens)?;
        let text = std::fs::read_to_string(&path).map_err(|_| RecogniserError::Refused(model.id.clone()))?;
        let tokens: HashSet<String> =
            text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
        let letters =
            |is: fn(&char) -> bool| tokens.iter().any(|token| !token.starts_with('<') && token.chars().any(|c| is(&c)));
        let capitals = letters(char::is_ascii_uppercase) && !letters(char::is_ascii_lowercase);
        Ok(Some(Self { unit, pieces, tokens, capitals }))
    }

    /// The name of its units in the library.
    pub(super) fn unit(&self) -> &'static str {
        self.unit.name()
    }

    /// The words of a hotline as the library reads them: `WORD :SCORE/WORD :SCORE`. Words with a character that the model has
    /// not are left out. `None` for no words.
    pub(super) fn line(&self, bias: &Bias) -> Option<String> {
        let words = bias.hot_words.iter().filter_map(|(word, weight)| self.word(word).zip(Some(weight)));
        let all: Vec<String> =
            words.take(WORDS).map(|(word, weight)| format!("{word} :{:.2}", SCORE * weight.clamp(0.0, 4.0))).collect();
        (!all.is_empty()).then(|| all.join("/"))
    }

    fn word(&self, word: &str) -> Option<String> {
        let word: String = word.chars().filter(|c| !c.is_control() && !matches!(c, '/' | ':')).collect();
        let known = |c: char| match self.unit {
            TokenUnit::Characters => c == ' ' || self.tokens.contains(c.encode_utf8(&mut [0; 4]) as &str),
            TokenUnit::Pieces => !is_chinese(c),
            TokenUnit::Both => !is_chinese(c) || self.tokens.contains(c.encode_utf8(&mut [0; 4]) as &str),
        };
        let word = if self.capitals { word.to_uppercase() } else { word };
        (!word.trim().is_empty() && word.chars().all(known)).then(|| word.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(unit: TokenUnit, tokens: &[&str], capitals: bool) -> HotWords {
        HotWords { unit, pieces: None, tokens: tokens.iter().map(|t| (*t).to_owned()).collect(), capitals }
    }

    fn bias(words: &[(&str, f32)]) -> Bias {
        let hot_words = words.iter().map(|(word, weight)| ((*word).to_owned(), *weight)).collect();
        Bias { hot_words, ..Bias::default() }
    }

    #[test]
    fn words_are_written_as_the_library_reads_them() {
        let characters = of(TokenUnit::Characters, &["多", "謝"], false);
        assert_eq!(
            characters.line(&bias(&[("多謝", 1.0), ("多射", 1.0), ("謝/:\u{0}", 2.0)])).unwrap(),
            "多謝 :1.50/謝 :3.00"
        );
        assert_eq!(characters.line(&bias(&[("plan b", 1.0), (" ", 1.0)])), None);
        let both = of(TokenUnit::Both, &["多", "謝"], true);
        assert_eq!(both.line(&bias(&[("plan 多", 0.5), ("好", 1.0)])).unwrap(), "PLAN 多 :0.75");
        assert_eq!(of(TokenUnit::Pieces, &[], false).line(&bias(&[("多", 1.0), ("plan", 1.0)])).unwrap(), "plan :1.50");
        assert_eq!(both.line(&Bias::default()), None);
    }
}
