//! `tingwa nlu`: what the classifier makes of labelled phrases, without a call: trains and tries it on phrases that it has not
//! seen, tests it on a set of its own, explains one text word by word. Measures what a gateway runs, and sets nothing.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use crate::conversation::intent::Classifier;
use crate::conversation::normalise::Views;
use crate::conversation::readings::Readings;

use super::CliError;

mod data;
mod figures;

use data::{Phrase, Set};
use figures::{Figures, Outcome};

/// Parts of a set that are left out in turn.
const PARTS: usize = 5;

/// Train, test and explain understanding.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tingwa nlu train phrases.csv\n  tingwa nlu train dialplans/demo\n  tingwa nlu test train.csv test.csv\n  tingwa nlu explain dialplans/demo 我想check下個bill\n\nA set is CSV or TSV with the columns text and intent (or category, label), or JSON lines with these keys, or a\ndialplan's folder. Phrases of the intents oos, out_of_scope and none belong to no intent: they are tested, never learnt."
)]
pub struct NluArgs {
    #[command(subcommand)]
    command: NluCommand,
    /// Pairs of intents that are confused most
    #[arg(long, global = true, default_value_t = 10)]
    pairs: usize,
    /// Print figures as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum NluCommand {
    /// Learn a set, and try it on parts that were left out
    Train {
        /// The set
        set: PathBuf,
    },
    /// Learn one set and try it on another
    Test {
        /// What is learnt
        train: PathBuf,
        /// What is tried
        test: PathBuf,
    },
    /// Show what a text is understood as, and which of its words say so
    Explain {
        /// What is learnt
        set: PathBuf,
        /// The text
        text: String,
    },
}

/// Measures.
pub fn run(args: &NluArgs) -> Result<ExitCode, CliError> {
    let readings = Readings::load();
    match &args.command {
        NluCommand::Train { set } => {
            let set = Set::read(set)?;
            let learnt = Learnt::of(&set, &readings);
            let outcomes = left_out(&set, &learnt, &readings);
            report(args, &learnt, &Figures::of(&outcomes, &learnt.names), &format!("{PARTS} parts left out in turn"))?;
        }
        NluCommand::Test { train, test } => {
            let (train, test) = (Set::read(train)?, Set::read(test)?);
            let learnt = Learnt::of(&train, &readings);
            let unknown =
                test.phrases.iter().filter_map(|phrase| phrase.intent.as_ref()).find(|i| !learnt.names.contains(i));
            if let Some(intent) = unknown {
                return Err(CliError::Usage(format!("the test has the intent '{intent}', which was not learnt")));
            }
            let outcomes: Vec<_> = test.phrases.iter().map(|phrase| learnt.try_on(phrase, &readings)).collect();
            report(args, &learnt, &Figures::of(&outcomes, &learnt.names), "a set of its own")?;
        }
        NluCommand::Explain { set, text } => {
            let learnt = Learnt::of(&Set::read(set)?, &readings);
            explain(&learnt, text, &readings).iter().for_each(|line| println!("{line}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A trained classifier and the names of its classes.
struct Learnt {
    classifier: Classifier,
    names: Vec<String>,
    phrases: usize,
    seconds: f64,
}

impl Learnt {
    fn of(set: &Set, readings: &Readings) -> Self {
        let names = set.intents();
        let known: Vec<_> = set.phrases.iter().filter(|phrase| phrase.intent.is_some()).collect();
        let began = Instant::now();
        let classifier = Classifier::train(&examples(&known, &names, readings), names.len());
        Self { classifier, names, phrases: known.len(), seconds: began.elapsed().as_secs_f64() }
    }

    fn try_on(&self, phrase: &Phrase, readings: &Readings) -> Outcome {
        let began = Instant::now();
        let guess = self.classifier.guess(&Views::of(&phrase.text, readings));
        let micros = began.elapsed().as_secs_f64() * 1e6;
        let truth = phrase.intent.as_ref().and_then(|intent| self.names.iter().position(|name| name == intent));
        Outcome { truth, guess, micros }
    }
}

fn examples(phrases: &[&Phrase], names: &[String], readings: &Readings) -> Vec<(Views, usize)> {
    let class = |intent: &String| names.iter().position(|name| name == intent);
    let known = phrases.iter().filter_map(|phrase| Some((phrase, class(phrase.intent.as_ref()?)?)));
    known.map(|(phrase, class)| (Views::of(&phrase.text, readings), class)).collect()
}

/// Every phrase as a classifier sees it that was trained without its part; what belongs to no intent is tried on `learnt`.
fn left_out(set: &Set, learnt: &Learnt, readings: &Readings) -> Vec<Outcome> {
    let mut seen = vec![0_usize; learnt.names.len()];
    let mut parts: Vec<Vec<&Phrase>> = vec![Vec::new(); PARTS];
    let mut outcomes = Vec::with_capacity(set.phrases.len());
    for phrase in &set.phrases {
        match phrase.intent.as_ref().and_then(|intent| learnt.names.iter().position(|name| name == intent)) {
            Some(class) => {
                parts[seen[class] % PARTS].push(phrase);
                seen[class] += 1;
            }
            None => outcomes.push(learnt.try_on(phrase, readings)),
        }
    }
    for out in 0..PARTS {
        let inside: Vec<&Phrase> =
            parts.iter().enumerate().filter(|(n, _)| *n != out).flat_map(|(_, p)| p.clone()).collect();
        let classifier = Classifier::train(&examples(&inside, &learnt.names, readings), learnt.names.len());
        let without = Learnt { classifier, names: learnt.names.clone(), phrases: inside.len(), seconds: 0.0 };
        outcomes.extend(parts[out].iter().map(|phrase| without.try_on(phrase, readings)));
    }
    outcomes
}

fn report(args: &NluArgs, learnt: &Learnt, figures: &Figures, how: &str) -> Result<(), CliError> {
    let classifier = &learnt.classifier;
    if args.json {
        let learnt = serde_json::json!({
            "phrases": learnt.phrases, "intents": learnt.names.len(), "learnt_s": learnt.seconds,
            "threshold": classifier.threshold(), "temperature": classifier.temperature(), "bytes": classifier.bytes(),
        });
        let all = serde_json::json!({ "learnt": learnt, "tried_on": how, "figures": figures });
        println!("{}", serde_json::to_string_pretty(&all).map_err(|error| CliError::Usage(error.to_string()))?);
        return Ok(());
    }
    println!(
        "learnt        {} phrases of {} intents in {:.2} s; {:.1} MB; threshold {:.2}, temperature {:.1}",
        learnt.phrases,
        learnt.names.len(),
        learnt.seconds,
        classifier.bytes() as f64 / 1e6,
        classifier.threshold(),
        classifier.temperature()
    );
    println!("tried on      {how}");
    figures.lines(args.pairs).iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// What a text is understood as, and what the best intent's score would lose without each of its words.
fn explain(learnt: &Learnt, text: &str, readings: &Readings) -> Vec<String> {
    let views = Views::of(text, readings);
    let Some(guess) = learnt.classifier.guess(&views) else { return vec!["nothing in it can be scored".to_owned()] };
    let name = |class: usize| learnt.names.get(class).map_or("?", String::as_str);
    let mut lines = vec![
        format!("read as       {}", views.joined()),
        format!("best          {} {:.2}", name(guess.best.0), guess.best.1),
    ];
    lines.extend(guess.second.map(|(class, confidence)| format!("second        {} {confidence:.2}", name(class))));
    let (side, threshold) = (if guess.in_scope { "in" } else { "out of" }, learnt.classifier.threshold());
    lines.push(format!("scope         {side}: score {:.2}, threshold {threshold:.2}", guess.score));
    let words: Vec<String> = words(text);
    for (at, word) in words.iter().enumerate() {
        let rest: Vec<&str> = words.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, w)| w.as_str()).collect();
        let without = learnt.classifier.score_of(&Views::of(&joined(&rest), readings), guess.best.0);
        if let Some(score) = without {
            lines.push(format!("  {:+.2}       {word}", guess.score - score));
        }
    }
    lines
}

/// Latin words and single characters of a text.
fn words(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '\'' {
            word.push(c);
            continue;
        }
        all.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
        if c.is_alphanumeric() {
            all.push(c.to_string());
        }
    }
    all.extend(Some(word).filter(|word| !word.is_empty()));
    all
}

/// Words put together again: a space only between Latin ones.
fn joined(words: &[&str]) -> String {
    let mut text = String::new();
    for word in words {
        if word.is_ascii() && text.ends_with(|c: char| c.is_ascii()) {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_explained_by_its_words() {
        let readings = Readings::load();
        let text = "text,intent\ncheck my bill,bill\nhow much is my bill,bill\nsend the bill,bill\n我想查張單,bill\n\
            roaming in japan,roaming\nhow much is roaming,roaming\nbuy roaming data,roaming\n我想開漫遊,roaming\n";
        let set = Set::parse("x.csv", text).unwrap();
        let learnt = Learnt::of(&set, &readings);
        let lines = explain(&learnt, "我想check下個bill", &readings);
        assert!(lines[1].starts_with("best          bill"), "{lines:?}");
        let weight = |word: &str| -> f32 {
            let line = lines.iter().find(|line| line.starts_with("  ") && line.ends_with(word)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        assert!(weight("bill") > weight("下") && weight("bill") > 0.1, "{lines:?}");
        assert_eq!(explain(&learnt, "……", &readings), ["nothing in it can be scored"]);
        assert_eq!(
            (words("我想check下 it's"), joined(&["a", "我", "b", "c"])),
            (["我", "想", "check", "下", "it's"].map(str::to_owned).to_vec(), "a我b c".to_owned())
        );
    }
}
