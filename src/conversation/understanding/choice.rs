//! One of two: when to ask "did you mean A or B?", and which of them an answer names.

use crate::conversation::command::Command;
use crate::conversation::intent::Guess;
use crate::conversation::normalise::{Token, Views};
use crate::conversation::readings::Readings;
use crate::conversation::slot;
use crate::dialplan::Plan;

/// The runner-up must be at least this likely to be worth asking about.
const WORTH_ASKING: f32 = 0.15;

const FIRST: &[&str] = &["第一", "前者", "頭嗰", "前面", "first", "former"];
const SECOND: &[&str] = &["第二", "後者", "後嗰", "後面", "second", "latter"];
/// Only where nothing else is said.
const ONE: &[&str] = &["一", "1", "one", "頭一", "頭先嗰"];
const TWO: &[&str] = &["二", "2", "two", "尾嗰"];
const NEITHER: &[&str] = &["都唔係", "兩樣都唔", "兩個都唔", "都不是", "都不对", "neither", "none of"];

/// The two intents, where the best is hardly likelier than the next and the plan asks then. `best` is that of the guess.
pub(super) fn close(guess: &Guess, best: &str, plan: &Plan) -> Option<[String; 2]> {
    let margin = plan.dialogue.repair.clarify.as_ref()?.margin;
    let (second, confidence) = guess.second?;
    let first = plan.intents.get(guess.best.0).filter(|intent| intent.name == best)?;
    let second = plan.intents.get(second).filter(|intent| !intent.chat && intent.then != first.then)?;
    let near = confidence >= WORTH_ASKING && guess.best.1 - confidence < margin;
    near.then(|| [first.name.clone(), second.name.clone()])
}

/// Which of two an answer names; a denial of both.
pub(super) fn of_two(said: &Views, between: &[String; 2], plan: &Plan, readings: &Readings) -> Option<Command> {
    let has = |words: &[&str]| words.iter().any(|word| holds(said, &Views::of(word, readings)));
    let is = |words: &[&str]| words.iter().any(|word| Views::of(word, readings).core == said.core);
    if has(NEITHER) {
        return Some(Command::Deny);
    }
    let named = |name: &String| {
        let labels = plan.languages.iter().filter_map(|language| plan.labels.get(name, *language));
        labels.into_iter().any(|label| holds(said, &Views::of(label, readings)))
    };
    let first = has(FIRST) || is(ONE) || named(&between[0]);
    let second = has(SECOND) || is(TWO) || named(&between[1]);
    let chosen = match (first, second) {
        (true, false) => &between[0],
        (false, true) => &between[1],
        (true, true) => return None,
        (false, false) => return (slot::yes_no(said) == Some(false) && said.core.len() <= 3).then_some(Command::Deny),
    };
    Some(match chosen.strip_prefix("knowledge:") {
        Some(entry) => Command::Answer { entry: entry.to_owned() },
        None => Command::StartFlow { intent: chosen.clone() },
    })
}

fn holds(said: &Views, word: &Views) -> bool {
    let part: &[Token] = &word.core;
    !part.is_empty() && said.core.windows(part.len()).any(|window| window == part)
}
