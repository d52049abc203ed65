//! What a turn means, as [`Command`]s. The rules of a turn that may be about anything, in order; the first that holds decides:
//!
//! 1. words of fraud or danger -> a human at once (`urgent`)
//! 2. an explicit wish for a human, or for a language that the line lacks -> a human (`asked_for_human`)
//! 3. a request for another language -> that language (`asked_for_language`)
//! 4. a stored question alike enough, and more so than the best intent, of an entry that is approved and valid that day
//!    -> its answer (`knowledge:NAME`)
//! 5. an intent in scope and not ambiguous -> where it leads (`intent:NAME`)
//! 6. small talk that the turn began with set aside (「喂你好，」「唔該」), rules 4 and 5 for the rest
//! 7. else not understood; an intent that would end the call on weak evidence is not understood either
//!
//! Where a value, a yes or one of two is asked for, that comes before rules 4 to 7 ([`Situation`]). What a supervisor is to be told
//! comes along with any of them. Pure: the same words give the same commands. What follows, and the counting, is the policy's.

use jiff::civil::Date;

use crate::conversation::command::Command;
use crate::conversation::escalation::Lexicon;
use crate::conversation::intent::{Classifier, Guess};
use crate::conversation::knowledge::Knowledge;
use crate::conversation::language;
use crate::conversation::navigation::Navigation;
use crate::conversation::normalise::{Token, Views};
use crate::conversation::readings::Readings;
use crate::conversation::scores::Feelings;
use crate::conversation::slot;
use crate::dialplan::Plan;
use crate::dialplan::schema::{Slot, SlotKind, Target};
use crate::journal::escalation::ReasonCode;
use crate::redact::Redacted;
use crate::speech::Language;

mod choice;

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
    navigation: Navigation,
    feelings: Feelings,
}

/// What a turn means and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What it means.
    pub command: Command,
    /// The classifier's view, for the journal.
    pub guess: Option<Guess>,
}

/// Everything that a turn asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Understood {
    /// What a supervisor is told first, then the one that is acted on. Never empty.
    pub commands: Vec<Command>,
    /// The classifier's view, where it was asked.
    pub guess: Option<Guess>,
}

/// What a turn is heard against.
#[derive(Clone, Copy, Debug)]
pub enum Situation<'a> {
    /// The caller may say anything.
    Open,
    /// A value is asked for.
    Slot {
        /// Which.
        slot: &'a Slot,
        /// The value that was read back and waits for yes or no.
        confirming: Option<&'a str>,
        /// The question reads back what is to be done: only a plain yes is one.
        read_back: bool,
        /// What was asked for before it in the same matter, and may be corrected.
        earlier: &'a [Slot],
    },
    /// Which of two is asked.
    Choice {
        /// As in [`Command::Clarify`].
        between: &'a [String; 2],
    },
    /// Something is under way that only a wish can stop: a tool is asked, a script is read.
    Busy,
}

/// What holds of the call when a turn is heard.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The line.
    pub plan: &'a Plan,
    /// Who asks for "Chinese" gets this one.
    pub chinese: Language,
    /// In Hong Kong.
    pub today: Date,
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
        let lexicon = Lexicon::new(&plan.escalation.words, &readings);
        Self {
            classifier: Classifier::train(&examples, plan.intents.len()),
            knowledge: Knowledge::new(&questions),
            lexicon,
            openings,
            navigation: Navigation::new(&readings),
            feelings: Feelings::new(&readings),
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

    /// A wish for a human or for another language: rules 1 to 3, which hold in every situation.
    fn wish(&self, said: &Views, at: Setting<'_>) -> Option<Command> {
        if let Some(reason) = self.lexicon.find(said) {
            return Some(Command::handoff(reason));
        }
        let language = language::asked_for(said, at.chinese)?;
        Some(match at.plan.languages.contains(&language) {
            true => Command::Speak { language },
            false => Command::handoff(ReasonCode::LanguageUnsupported),
        })
    }

    /// Words of feeling and of hurry.
    pub fn feelings(&self) -> &Feelings {
        &self.feelings
    }

    /// The search for questions, for people who ask what would be answered.
    pub fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// Everything that a turn asks for in its situation.
    pub fn commands(&self, said: &Views, situation: Situation<'_>, at: Setting<'_>) -> Understood {
        let mut commands: Vec<Command> = self.lexicon.notices(said).into_iter().map(Command::handoff).collect();
        let verdict = match situation {
            Situation::Open => self.open(said, at),
            Situation::Slot { slot, confirming, read_back, earlier } => {
                let value = self.value(said, at, slot, confirming, read_back, earlier);
                match self.wish(said, at).or(value) {
                    Some(command) => Verdict { command, guess: None },
                    None => self.judge(said, at.plan, at.chinese, at.today),
                }
            }
            Situation::Choice { between } => {
                let chosen = self.wish(said, at).or_else(|| choice::of_two(said, between, at.plan, &self.readings));
                match chosen.or_else(|| self.navigation.find(said)) {
                    Some(command) => Verdict { command, guess: None },
                    None => self.judge(said, at.plan, at.chinese, at.today),
                }
            }
            Situation::Busy => Verdict { command: self.wish(said, at).unwrap_or(Command::NoMatch), guess: None },
        };
        commands.push(verdict.command);
        Understood { commands, guess: verdict.guess }
    }

    /// The rules; where none holds, a word that keeps a conversation going; where two intents are about as likely, both.
    fn open(&self, said: &Views, at: Setting<'_>) -> Verdict {
        let verdict = self.judge(said, at.plan, at.chinese, at.today);
        let command = match verdict.command {
            Command::NoMatch => self.navigation.find(said).unwrap_or(Command::NoMatch),
            Command::StartFlow { intent } => {
                let between = verdict.guess.and_then(|guess| choice::close(&guess, &intent, at.plan));
                between.map_or(Command::StartFlow { intent }, |between| Command::Clarify { between })
            }
            command => command,
        };
        Verdict { command, ..verdict }
    }

    /// The value that is asked for, a yes or no to it, or a word that leads elsewhere.
    fn value(
        &self,
        said: &Views,
        at: Setting<'_>,
        slot: &Slot,
        confirming: Option<&str>,
        read_back: bool,
        earlier: &[Slot],
    ) -> Option<Command> {
        let fill = |slot: &Slot| slot::fill(&slot.kind, said, &self.readings, at.today);
        let set = |value: String| Command::SetSlot { slot: slot.name.clone(), value: Redacted::new(value) };
        let correct =
            |slot: &Slot, value: String| Command::CorrectSlot { slot: slot.name.clone(), value: Redacted::new(value) };
        let earlier = || {
            earlier.iter().rev().find_map(|slot| {
                let value = slot::fill_corrected(&slot.kind, said, &self.readings, at.today)?;
                Some(correct(slot, value))
            })
        };
        if read_back {
            let no = slot::yes_no(said) == Some(false);
            let answer = if slot::plain_yes(said) { Some("yes") } else { no.then_some("no") };
            return earlier().or(answer.map(|answer| set(answer.to_owned()))).or_else(|| self.navigation.find(said));
        }
        if let Some(before) = confirming {
            let other = fill(slot).filter(|value| value != before && slot.kind != SlotKind::YesNo);
            let said_so = slot::yes_no(said).map(|yes| if yes { Command::Affirm } else { Command::Deny });
            if let Some(command) = other.map(|value| correct(slot, value)).or(said_so) {
                return Some(command);
            }
        } else if let Some(value) = fill(slot) {
            return Some(set(value));
        }
        earlier().or_else(|| self.navigation.find(said))
    }

    /// The rules in order, on a day in Hong Kong.
    pub fn judge(&self, said: &Views, plan: &Plan, chinese: Language, day: Date) -> Verdict {
        let guess = self.classifier.guess(said);
        if let Some(command) = self.wish(said, Setting { plan, chinese, today: day }) {
            return Verdict { command, guess };
        }
        let command = self.content(said, guess, plan, day);
        let chat = matches!(command, Command::ChitChat { .. } | Command::NoMatch);
        let rest = if chat { self.rest(said, plan, day) } else { None };
        rest.unwrap_or(Verdict { command, guess })
    }

    /// Rules 4 and 5.
    fn content(&self, said: &Views, guess: Option<Guess>, plan: &Plan, day: Date) -> Command {
        let counts = |entry: usize| plan.knowledge.get(entry).is_some_and(|question| question.standing.on(day).is_ok());
        let ends = |number: usize| plan.intents.get(number).is_some_and(|intent| matches!(intent.then, Target::End(_)));
        let enough = |guess: &Guess| guess.best.1 >= if ends(guess.best.0) { TO_HANG_UP } else { AMBIGUOUS };
        let sure = guess.filter(|guess| guess.in_scope && enough(guess));
        let question = |number: usize| {
            let entry = plan.knowledge.get(number).map(|question| question.name.clone());
            entry.map_or(Command::NoMatch, |entry| Command::Answer { entry })
        };
        match (self.knowledge.find(said, counts), sure) {
            (Some((number, likeness)), Some(guess)) if likeness >= guess.best.1 || guess.score < WEAK => {
                question(number)
            }
            (Some((number, _)), None) => question(number),
            (_, Some(guess)) => of_intent(plan, guess.best.0),
            (None, None) => Command::NoMatch,
        }
    }

    /// Rule 6: what follows the small talk, where that is more than small talk.
    fn rest(&self, said: &Views, plan: &Plan, day: Date) -> Option<Verdict> {
        let opening = self.openings.iter().find(|opening| said.core.starts_with(opening))?;
        let rest = said.core.get(opening.len()..).filter(|rest| rest.len() >= REST)?;
        let views = Views::of_tokens(rest.to_vec(), &self.readings);
        let guess = self.classifier.guess(&views);
        let command = self.content(&views, guess, plan, day);
        let more = !matches!(command, Command::ChitChat { .. } | Command::NoMatch);
        more.then_some(Verdict { command, guess })
    }
}

/// What an intent asks for.
fn of_intent(plan: &Plan, number: usize) -> Command {
    match plan.intents.get(number) {
        Some(intent) if intent.chat => Command::ChitChat { intent: intent.name.clone() },
        Some(intent) => Command::StartFlow { intent: intent.name.clone() },
        None => Command::NoMatch,
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
        let intent = |name: &str| of_intent(&plan, plan.intents.iter().position(|intent| intent.name == name).unwrap());
        let entry = |name: &str| Command::Answer { entry: name.to_owned() };
        let table = [
            ("我畀人呃咗錢，我要搵真人", Command::handoff(ReasonCode::Fraud)),
            ("我想搵真人查張單", Command::handoff(ReasonCode::AskedForHuman)),
            ("講普通話", Command::Speak { language: Language::Mandarin }),
            ("講中文", Command::Speak { language: Language::Cantonese }),
            ("點樣開通留言信箱呀", entry("voicemail")),
            ("我想check下個bill", intent("bill")),
            ("喂你好我想開漫遊", intent("roaming")),
            ("唔該", intent("thanks")),
            ("no", intent("no")),
            ("有冇其他優惠", intent("plan_change")),
            ("冇訊號", intent("fault")),
            ("", Command::NoMatch),
            ("榴槤芒果火龍果", Command::NoMatch),
        ];
        for (text, expected) in table {
            assert_eq!(mind.judge(&mind.views(text), &plan, Language::Cantonese, DAY).command, expected, "{text}");
        }
        let cantonese_only = Plan { languages: vec![Language::Cantonese], ..plan };
        let at = Setting { plan: &cantonese_only, chinese: Language::Cantonese, today: DAY };
        let unsupported = Some(Command::handoff(ReasonCode::LanguageUnsupported));
        assert_eq!(mind.wish(&mind.views("講普通話"), at), unsupported);
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
            let command = mind.judge(&mind.views("點樣開通留言信箱呀"), &plan, Language::Cantonese, DAY).command;
            let answered = command == Command::Answer { entry: "voicemail".to_owned() };
            assert_eq!(answered, expected, "{standing:?}");
        }
    }
}
