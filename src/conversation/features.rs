//! What the classifier and the knowledge search see of an utterance: hashed n-grams in four blocks, each a bag of its own.
//! Hashes are 64 bits of FNV-1a with a mix: no dictionary of strings, the same on every machine.

use crate::conversation::normalise::{Token, Views};

/// Blocks of features. Each is weighted and normalised for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Block {
    /// Sequences of 1 to 3 tokens of the core view.
    Tokens,
    /// Sequences of 2 to 5 letters within Latin words.
    Letters,
    /// Sequences of 1 to 3 syllables.
    Sounds,
    /// Sequences of 1 to 2 tokens of the written view.
    Written,
}

/// Number of blocks.
pub const BLOCKS: usize = 4;

/// Hashes of all features, block by block; repeated where a feature occurs more than once.
pub fn features(views: &Views) -> [Vec<u64>; BLOCKS] {
    let core: Vec<String> = views.core.iter().map(Token::text).collect();
    let mut blocks: [Vec<u64>; BLOCKS] = Default::default();
    let [tokens, letters, sounds, written] = &mut blocks;
    sequences(&core, 1..=3, Block::Tokens, tokens);
    for token in &views.core {
        if let Token::Word(word) = token {
            letters_of(word, letters);
        }
    }
    if views.core.iter().any(|token| matches!(token, Token::Han(_))) {
        sequences(&views.syllables, 1..=3, Block::Sounds, sounds);
        let text: Vec<String> = views.written.iter().map(Token::text).collect();
        sequences(&text, 1..=2, Block::Written, written);
    }
    blocks
}

fn sequences(items: &[String], lengths: std::ops::RangeInclusive<usize>, block: Block, out: &mut Vec<u64>) {
    for length in lengths {
        for window in items.windows(length) {
            let mut hash = Hash::new(block, length);
            for item in window {
                hash.add(item.as_bytes());
                hash.add(&[0]);
            }
            out.push(hash.finish());
        }
    }
}

fn letters_of(word: &str, out: &mut Vec<u64>) {
    let padded: Vec<char> = std::iter::once(' ').chain(word.chars()).chain(std::iter::once(' ')).collect();
    for length in 2..=5 {
        for window in padded.windows(length) {
            let mut hash = Hash::new(Block::Letters, length);
            for c in window {
                hash.add(&u32::from(*c).to_le_bytes());
            }
            out.push(hash.finish());
        }
    }
}

/// FNV-1a, 64 bits, with a final mix so that near keys lie apart.
struct Hash(u64);

impl Hash {
    fn new(block: Block, length: usize) -> Self {
        let mut hash = Self(0xcbf2_9ce4_8422_2325);
        hash.add(&[block as u8, u8::try_from(length).unwrap_or(u8::MAX)]);
        hash
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 33)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::readings::Readings;

    #[test]
    fn homophones_share_their_sounds() {
        let readings = Readings::load();
        let sounds = |text| features(&Views::of(text, &readings))[Block::Sounds as usize].clone();
        assert_eq!(sounds("開通漫遊"), sounds("開通慢遊"));
        let tokens = |text| features(&Views::of(text, &readings))[Block::Tokens as usize].clone();
        assert_ne!(tokens("開通漫遊"), tokens("開通慢遊"));
        assert_eq!(tokens("check下bill").len(), 6);
        assert!(sounds("check my bill").is_empty());
    }
}
