//! The rules of a free turn, in order; the first that holds decides:
//!
//! 1. words of fraud or danger -> a human (`urgent`)
//! 2. an explicit wish for a human -> a human (`asked_for_human`)
//! 3. a request for another language -> that language (`asked_for_language`)
//! 4. a stored question alike enough, and more so than the best intent, of an entry that is approved and valid that day
//!    -> its answer (`knowledge:NAME`)
//! 5. an intent in scope and not ambiguous -> where it leads (`intent:NAME`)
//! 6. small talk that the turn began with set aside (「喂你好，」「唔該」), rules 4 and 5 for the rest
//! 7. else not understood; an intent that would end the call on weak evidence is not understood either
//!
//! Pure: the same words give the same verdict. What follows from it, and the counting, is the machine's.

use crate::conversation::escalation::{Lexicon, Wish};
use jiff::civil::Date;

use crate::conversation::intent::{Classifier, Guess};
use crate::conversation::knowledge::Knowledge;
use crate::conversation::language;
use crate::conversation::normalise::{Token, Views};
use crate::conversation::readings::Readings;
use crate::dialplan::Plan;
use crate::dialplan::schema::Target;
use crate::speech::Language;

/// Below this confidence the best intent is no better than a coin among several.
const AMBIGUOUS: f32 = 0.25;

/// An intent that ends the call needs this confidence.
const TO_HANG_UP: f32 = 0.5;
/// Against an intent with a lower score than this, a question that is alike enough wins.
const WEAK: f32 = -0.25;
/// The rest of a turn counts when it has this many tokens.
const REST: usize = 2;

/// Everything that a plan's line has learnt. Built once a plan, shared by its calls.
#[derive(Debug)]
pub struct Understanding {
    /// Tables of readings.
    pub readings: Readings,
    classifier: Classifier,
    knowledge: Knowledge,
    lexicon: Lexicon,
    /// Small talk that a turn may begin with, longest first.
    openings: Vec<Vec<Token>>,
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
        let chat = |number: &usize| plan.intents.get(*number).is_some_and(|intent| intent.chat);
        let openings = examples.iter().filter(|(_, number)| chat(number)).map(|(views, _)| views.core.clone());
        let mut openings: Vec<Vec<Token>> = openings.filter(|tokens| tokens.len() <= 4).collect();
        openings.sort_by_key(|tokens| std::cmp::Reverse(tokens.len()));
        let lexicon = Lexicon::new(&plan.escalation.human_words, &plan.escalation.urgent_words, &readings);
        Self {
            classifier: Classifier::train(&examples, plan.intents.len()),
            knowledge: Knowledge::new(&questions),
            lexicon,
            openings,
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

    /// A wish for a human or for another language: rules 1 to 3, which hold in every state. Who asks for "Chinese" gets `chinese`.
    pub fn wish(&self, said: &Views, plan: &Plan, chinese: Language) -> Option<Meaning> {
        if let Some(wish) = self.lexicon.find(said) {
            return Some(Meaning::Wish(wish));
        }
        let asked = language::asked_for(said, chinese).filter(|language| plan.languages.contains(language));
        asked.map(Meaning::Language)
    }

    /// The search for questions, for people who ask what would be answered.
    pub fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// The rules in order, on a day in Hong Kong.
    pub fn judge(&self, said: &Views, plan: &Plan, chinese: Language, day: Date) -> Verdict {
        let guess = self.classifier.guess(said);
        if let Some(meaning) = self.wish(said, plan, chinese) {
            return Verdict { meaning, guess };
        }
        let meaning = self.content(said, guess, plan, day);
        let chat = match meaning {
            Meaning::Intent(number) => plan.intents.get(number).is_some_and(|intent| intent.chat),
            Meaning::NotUnderstood => true,
            Meaning::Wish(_) | Meaning::Language(_) | Meaning::Question(_) => false,
        };
        let rest = if chat { self.rest(said, plan, day) } else { None };
        rest.unwrap_or(Verdict { meaning, guess })
    }

    /// Rules 4 and 5.
    fn content(&self, said: &Views, guess: Option<Guess>, plan: &Plan, day: Date) -> Meaning {
        let counts = |entry: usize| plan.knowledge.get(entry).is_some_and(|question| question.standing.on(day).is_ok());
        let ends = |number: usize| plan.intents.get(number).is_some_and(|intent| matches!(intent.then, Target::End(_)));
        let enough = |guess: &Guess| guess.best.1 >= if ends(guess.best.0) { TO_HANG_UP } else { AMBIGUOUS };
        let sure = guess.filter(|guess| guess.in_scope && enough(guess));
        match (self.knowledge.find(said, counts), sure) {
            (Some((question, likeness)), Some(guess)) if likeness >= guess.best.1 || guess.score < WEAK => {
                Meaning::Question(question)
            }
            (Some((question, _)), None) => Meaning::Question(question),
            (_, Some(guess)) => Meaning::Intent(guess.best.0),
            (None, None) => Meaning::NotUnderstood,
        }
    }

    /// Rule 6: what follows the small talk, where that is more than small talk.
    fn rest(&self, said: &Views, plan: &Plan, day: Date) -> Option<Verdict> {
        let opening = self.openings.iter().find(|opening| said.core.starts_with(opening))?;
        let rest = said.core.get(opening.len()..).filter(|rest| rest.len() >= REST)?;
        let views = Views::of_tokens(rest.to_vec(), &self.readings);
        let guess = self.classifier.guess(&views);
        let meaning = self.content(&views, guess, plan, day);
        match meaning {
            Meaning::Intent(number) if plan.intents.get(number).is_none_or(|intent| intent.chat) => None,
            Meaning::NotUnderstood => None,
            Meaning::Intent(_) | Meaning::Question(_) | Meaning::Wish(_) | Meaning::Language(_) => {
                Some(Verdict { meaning, guess })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialplan::demo;
    use crate::dialplan::standing::Standing;

    const DAY: Date = jiff::civil::date(2026, 3, 4);

    #[test]
    fn the_first_rule_that_holds_decides() {
        let plan = demo::plan();
        let mind = Understanding::train(&plan);
        let intent = |name: &str| Meaning::Intent(plan.intents.iter().position(|intent| intent.name == name).unwrap());
        let table = [
            ("我畀人呃咗錢，我要搵真人", Meaning::Wish(Wish::Urgent)),
            ("我想搵真人查張單", Meaning::Wish(Wish::Human)),
            ("講普通話", Meaning::Language(Language::Mandarin)),
            ("講中文", Meaning::Language(Language::Cantonese)),
            ("點樣開通留言信箱呀", Meaning::Question(2)),
            ("我想check下個bill", intent("bill")),
            ("喂你好我想開漫遊", intent("roaming")),
            ("唔該", intent("thanks")),
            ("no", intent("no")),
            ("有冇其他優惠", intent("plan_change")),
            ("冇訊號", intent("fault")),
            ("", Meaning::NotUnderstood),
            ("榴槤芒果火龍果", Meaning::NotUnderstood),
        ];
        for (text, expected) in table {
            assert_eq!(mind.judge(&mind.views(text), &plan, Language::Cantonese, DAY).meaning, expected, "{text}");
        }
        let cantonese_only = Plan { languages: vec![Language::Cantonese], ..plan };
        assert_eq!(mind.wish(&mind.views("講普通話"), &cantonese_only, Language::Cantonese), None);
    }

    #[test]
    fn learning_is_the_same_each_time() {
        let plan = demo::plan();
        let said = "我想知張單幾錢";
        let guess = |mind: &Understanding| mind.judge(&mind.views(said), &plan, Language::Cantonese, DAY).guess;
        assert_eq!(guess(&Understanding::train(&plan)), guess(&Understanding::train(&plan)));
    }

    #[test]
    fn entries_are_answered_only_where_approved_and_in_their_days() {
        let mut plan = demo::plan();
        let mind = Understanding::train(&plan);
        let entry = plan.knowledge.iter().position(|question| question.name == "voicemail").unwrap();
        let approval = plan.knowledge[entry].standing.approval.clone();
        let (before, after) = (DAY.yesterday().unwrap(), DAY.tomorrow().unwrap());
        let table = [
            (Standing { approval: approval.clone(), ..Standing::default() }, true),
            (Standing { approval: approval.clone(), from: Some(DAY), until: Some(DAY) }, true),
            (Standing { approval: approval.clone(), from: Some(after), until: None }, false),
            (Standing { approval, from: None, until: Some(before) }, false),
            (Standing::default(), false),
        ];
        for (standing, expected) in table {
            plan.knowledge[entry].standing = standing.clone();
            let meaning = mind.judge(&mind.views("點樣開通留言信箱呀"), &plan, Language::Cantonese, DAY).meaning;
            assert_eq!(meaning == Meaning::Question(entry), expected, "{standing:?}");
        }
    }
}
