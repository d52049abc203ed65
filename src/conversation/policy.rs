//! The rules of a free turn, in order; the first that holds decides:
//!
//! 1. words of fraud or danger -> a human (`urgent`)
//! 2. an explicit wish for a human -> a human (`asked_for_human`)
//! 3. a request for another language -> that language (`asked_for_language`)
//! 4. a stored question alike enough, and more so than the best intent -> its answer (`knowledge:NAME`)
//! 5. an intent in scope and not ambiguous -> where it leads (`intent:NAME`)
//! 6. else not understood
//!
//! Pure: the same words give the same verdict. What follows from it, and the counting, is the machine's.

use crate::conversation::escalation::{Lexicon, Wish};
use crate::conversation::intent::{Classifier, Guess};
use crate::conversation::knowledge::Knowledge;
use crate::conversation::language;
use crate::conversation::normalise::Views;
use crate::conversation::readings::Readings;
use crate::dialplan::Plan;
use crate::speech::Language;

/// Below this confidence the best intent is no better than a coin among several.
const AMBIGUOUS: f32 = 0.25;

/// Everything that a plan's line has learnt. Built once a plan, shared by its calls.
#[derive(Debug)]
pub struct Understanding {
    /// Tables of readings.
    pub readings: Readings,
    classifier: Classifier,
    knowledge: Knowledge,
    lexicon: Lexicon,
}

/// What a turn means and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What it means.
    pub meaning: Meaning,
    /// The classifier's view, for the journal.
    pub guess: Option<Guess>,
}

/// What a turn means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A human is wanted or needed at once.
    Wish(Wish),
    /// Another language is wanted.
    Language(Language),
    /// The intent with this place in the plan.
    Intent(usize),
    /// The question with this place in the plan.
    Question(usize),
    /// Nothing that the line knows.
    NotUnderstood,
}

impl Understanding {
    /// Learns a plan: 0.1 to 1 s for a few thousand phrases.
    pub fn train(plan: &Plan) -> Self {
        let readings = Readings::load();
        let mut examples = Vec::new();
        for (number, intent) in plan.intents.iter().enumerate() {
            for phrase in intent.phrases.values().flatten() {
                examples.push((Views::of(phrase, &readings), number));
            }
        }
        let mut questions = Vec::new();
        for (number, question) in plan.knowledge.iter().enumerate() {
            for text in question.questions.values().flatten() {
                questions.push((Views::of(text, &readings), number));
            }
        }
        let lexicon = Lexicon::new(&plan.escalation.human_words, &plan.escalation.urgent_words, &readings);
        Self {
            classifier: Classifier::train(&examples, plan.intents.len()),
            knowledge: Knowledge::new(&questions),
            lexicon,
            readings,
        }
    }

    /// All views of a text.
    pub fn views(&self, text: &str) -> Views {
        Views::of(text, &self.readings)
    }

    /// The classifier, for measurements.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// A wish for a human or for another language: rules 1 to 3, which hold in every state.
    pub fn wish(&self, said: &Views, plan: &Plan) -> Option<Meaning> {
        if let Some(wish) = self.lexicon.find(said) {
            return Some(Meaning::Wish(wish));
        }
        language::asked_for(said).filter(|language| plan.languages.contains(language)).map(Meaning::Language)
    }

    /// The rules in order.
    pub fn judge(&self, said: &Views, plan: &Plan) -> Verdict {
        let guess = self.classifier.guess(said);
        if let Some(meaning) = self.wish(said, plan) {
            return Verdict { meaning, guess };
        }
        let sure = guess.filter(|guess| guess.in_scope && guess.best.1 >= AMBIGUOUS);
        let question = self.knowledge.find(said);
        let meaning = match (question, sure) {
            (Some((question, likeness)), Some(guess)) if likeness >= guess.best.1 => Meaning::Question(question),
            (Some((question, _)), None) => Meaning::Question(question),
            (_, Some(guess)) => Meaning::Intent(guess.best.0),
            (None, None) => Meaning::NotUnderstood,
        };
        Verdict { meaning, guess }
    }
}
