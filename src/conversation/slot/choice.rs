//! One of the things on a list: by its words, or by words that sound like them.

use crate::conversation::normalise::Views;
use crate::conversation::readings::Readings;
use crate::dialplan::schema::Choice;

/// The choice that was named; of two that were, the one named by more of what was said, and neither where that is the same.
pub(super) fn choice(choices: &[Choice], said: &Views, readings: &Readings) -> Option<String> {
    let mut best: Option<(usize, &Choice)> = None;
    let mut tie = false;
    for choice in choices {
        let length = choice.words.iter().filter_map(|word| named(&Views::of(word, readings), said)).max();
        let Some(length) = length else { continue };
        match best {
            Some((other, _)) if other > length => {}
            Some((other, _)) if other == length => tie = true,
            Some(_) | None => (best, tie) = (Some((length, choice)), false),
        }
    }
    best.filter(|_| !tie).map(|(_, choice)| choice.name.clone())
}

/// How much of what was said names it: twice the characters and words, one less where only the sound is the same.
fn named(word: &Views, said: &Views) -> Option<usize> {
    let length = word.core.len();
    let within = |found: bool, score: usize| (found && length > 0).then_some(score);
    within(said.core.windows(length.max(1)).any(|part| part == word.core), 2 * length).or_else(|| {
        // One syllable alone sounds like too much.
        let sounds = length > 1 && said.syllables.windows(length).any(|part| part == word.syllables);
        within(sounds, 2 * length - 1)
    })
}
