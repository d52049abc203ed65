//! `tingwa eval --language`: how well the language of a turn is told from its text, over labelled utterances, and how often the
//! reply changes its language where the caller did not, over calls of several turns. No audio and no recogniser: a set names the
//! recogniser's view where it wants one.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;

use serde::Serialize;

use crate::conversation::language::{Before, Follow, Strength, Turn, hear};
use crate::conversation::readings::Readings;
use crate::speech::Language;

/// The labelled utterances of the repository.
pub const UTTERANCES: &str = "tests/data/language/utterances.tsv";
/// Its calls.
pub const CALLS: &str = "tests/data/language/calls.tsv";
/// First line of a set of utterances.
const HEADER: &str = "text\texpected\tbefore\ttags";
/// Rows and columns of the confusions.
const ANSWERS: [&str; 4] = ["yue", "cmn", "eng", "neutral"];

/// One labelled utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Utterance {
    /// What was said, as a recogniser writes it.
    pub text: String,
    /// Its language; `None` for neutral.
    pub expected: Option<Language>,
    /// The language of the reply before it.
    pub before: Language,
    /// What else it belongs to.
    pub tags: Vec<String>,
}

/// One call: its turns in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What it shows.
    pub name: String,
    /// Text, the recogniser's view, the language that the reply should have after it.
    pub turns: Vec<(String, Option<Language>, Language)>,
}

/// How many of a group were told right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Score {
    /// Utterances.
    pub utterances: usize,
    /// Told right.
    pub right: usize,
    /// The share.
    pub accuracy: f64,
}

impl Score {
    fn add(&mut self, is_right: bool) {
        self.utterances += 1;
        self.right += usize::from(is_right);
        self.accuracy = self.right as f64 / self.utterances as f64;
    }
}

/// An utterance that was told wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// What was said.
    pub text: String,
    /// What it is.
    pub expected: &'static str,
    /// What it was taken for.
    pub told: &'static str,
    /// By what.
    pub evidence: &'static str,
}

/// What became of one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Walk {
    /// What it shows.
    pub call: String,
    /// Turns.
    pub turns: usize,
    /// Turns after which the reply should be in another language than before.
    pub due: usize,
    /// Turns after which it was.
    pub changes: usize,
    /// Changes to a language that the caller had not changed to. One that comes late is none.
    pub flips: usize,
    /// Turns after which the reply was in the wrong language.
    pub wrong: usize,
    /// True where a turn mixes characters and words, or the recogniser's view changes.
    pub mixed: bool,
}

/// All that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Over all utterances.
    pub all: Score,
    /// By the language that they are in.
    pub languages: BTreeMap<&'static str, Score>,
    /// By tag.
    pub tags: BTreeMap<String, Score>,
    /// How often what (first) was taken for what (second).
    pub confusions: BTreeMap<&'static str, BTreeMap<&'static str, usize>>,
    /// All that was told wrong.
    pub mistakes: Vec<Mistake>,
    /// The calls.
    pub calls: Vec<Walk>,
    /// Flips over all calls.
    pub flips: usize,
    /// Flips over the calls that mix languages.
    pub mixed_flips: usize,
}

fn code(language: Option<Language>) -> &'static str {
    language.map_or("neutral", Language::code)
}

/// Judges every utterance by itself and walks through every call, on lines that begin in Cantonese.
pub fn measure(utterances: &[Utterance], calls: &[Call], readings: &Readings) -> Report {
    let (mut all, mut languages, mut tags) = (Score::default(), BTreeMap::new(), BTreeMap::new());
    let mut confusions: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut mistakes = Vec::new();
    for utterance in utterances {
        let (told, evidence) = tell(utterance, readings);
        let (expected, told) = (code(utterance.expected), code(told));
        all.add(told == expected);
        languages.entry(expected).or_insert_with(Score::default).add(told == expected);
        for tag in &utterance.tags {
            tags.entry(tag.clone()).or_insert_with(Score::default).add(told == expected);
        }
        *confusions.entry(expected).or_default().entry(told).or_default() += 1;
        if told != expected {
            mistakes.push(Mistake { text: utterance.text.clone(), expected, told, evidence });
        }
    }
    let calls: Vec<Walk> = calls.iter().map(|call| walk(call, readings)).collect();
    let flips = calls.iter().map(|call| call.flips).sum();
    let mixed_flips = calls.iter().filter(|call| call.mixed).map(|call| call.flips).sum();
    Report { all, languages, tags, confusions, mistakes, calls, flips, mixed_flips }
}

fn tell(utterance: &Utterance, readings: &Readings) -> (Option<Language>, &'static str) {
    // A caller who is answered in English came to a line that begins in Cantonese.
    let chinese = if utterance.before == Language::Mandarin { Language::Mandarin } else { Language::Cantonese };
    match hear(&utterance.text, None, Before { current: utterance.before, chinese }, readings) {
        Turn::Asked(language) => (Some(language), "asked for"),
        Turn::Spoke(judged) | Turn::Declined(_, judged) => {
            ((judged.strength > Strength::Neutral).then_some(judged.language), judged.evidence)
        }
    }
}

fn walk(call: &Call, readings: &Readings) -> Walk {
    let mut follow = Follow::new(Before { current: Language::Cantonese, chinese: Language::Cantonese });
    let mut due_before = Language::Cantonese;
    let views: BTreeSet<Language> = call.turns.iter().filter_map(|(_, engine, _)| *engine).collect();
    let has = |text: &str, what: fn(char) -> bool| text.chars().any(what);
    let mixes =
        |text: &str| has(text, |c| c.is_ascii_alphabetic()) && has(text, |c| !c.is_ascii() && c.is_alphabetic());
    let mut walk = Walk {
        call: call.name.clone(),
        turns: call.turns.len(),
        due: 0,
        changes: 0,
        flips: 0,
        wrong: 0,
        mixed: views.len() > 1 || call.turns.iter().any(|(text, ..)| mixes(text)),
    };
    for (text, engine, expected) in &call.turns {
        let reply_before = follow.before.current;
        follow.turn(hear(text, *engine, follow.before, readings));
        let (changed, due) = (follow.before.current != reply_before, *expected != due_before);
        walk.due += usize::from(due);
        walk.changes += usize::from(changed);
        let wrong = follow.before.current != *expected;
        walk.flips += usize::from(changed && wrong);
        walk.wrong += usize::from(wrong);
        due_before = *expected;
    }
    walk
}

/// Reads a set of utterances: a header, then a line each. Lines that begin with `#` are comments.
pub fn read_utterances(path: &Path) -> Result<Vec<Utterance>, Box<dyn Error>> {
    let text = read(path)?;
    let mut lines = lines(&text).filter(|(_, line)| !line.is_empty());
    let place = |number: usize, problem: &str| format!("{}:{number}: {problem}", path.display());
    match lines.next() {
        Some((_, HEADER)) => {}
        other => return Err(place(other.map_or(1, |(n, _)| n), &format!("expected the header {HEADER:?}")).into()),
    }
    let mut all = Vec::new();
    for (number, line) in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        let [text, expected, before, tags] = fields[..] else {
            return Err(place(number, &format!("{} fields where the header has 4", fields.len())).into());
        };
        let language = |code: &str| code.parse::<Language>().map_err(|error| place(number, &error.to_string()));
        let expected = if expected == "neutral" { None } else { Some(language(expected)?) };
        let tags = tags.split(';').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
        all.push(Utterance { text: text.to_owned(), expected, before: language(before)?, tags });
    }
    Ok(all)
}

/// Reads calls: a comment that names each, then text, the recogniser's view or `-`, and the language of the reply after it, a line
/// a turn; an empty line ends a call.
pub fn read_calls(path: &Path) -> Result<Vec<Call>, Box<dyn Error>> {
    let text = read(path)?;
    let mut all: Vec<Call> = Vec::new();
    let mut name = "";
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        if let Some(comment) = line.strip_prefix('#') {
            (name, open) = (comment.trim(), false);
        } else if line.trim().is_empty() {
            open = false;
        } else {
            let place = |problem: &str| format!("{}:{}: {problem}", path.display(), number + 1);
            let fields: Vec<&str> = line.split('\t').collect();
            let [text, engine, expected] = fields[..] else {
                return Err(place(&format!("{} fields where a turn has 3", fields.len())).into());
            };
            let language = |code: &str| code.parse::<Language>().map_err(|error| place(&error.to_string()));
            let engine = if engine == "-" { None } else { Some(language(engine)?) };
            let turn = (text.to_owned(), engine, language(expected)?);
            match all.last_mut() {
                Some(call) if open => call.turns.push(turn),
                Some(_) | None => all.push(Call { name: name.to_owned(), turns: vec![turn] }),
            }
            open = true;
        }
    }
    Ok(all)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Lines with their numbers, without comments.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')).map(|(at, line)| (at + 1, line))
}

/// Reads, measures.
pub fn report(utterances: &Path, calls: &Path) -> Result<Report, Box<dyn Error>> {
    Ok(measure(&read_utterances(utterances)?, &read_calls(calls)?, &Readings::load()))
}

/// Prints the report as tables of text; with `errors` all that was told wrong.
pub fn print(report: &Report, errors: bool) {
    println!("{:<28} {:>10} {:>6} {:>9}", "", "utterances", "right", "accuracy");
    print_score("all", &report.all);
    for (language, score) in ANSWERS.iter().filter_map(|code| report.languages.get_key_value(code)) {
        print_score(language, score);
    }
    report.tags.iter().for_each(|(tag, score)| print_score(&format!("#{tag}"), score));
    print!("\n{:<28}", "is, taken for");
    ANSWERS.iter().for_each(|told| print!(" {told:>8}"));
    println!();
    for expected in ANSWERS {
        print!("{expected:<28}");
        for told in ANSWERS {
            let count = report.confusions.get(expected).and_then(|row| row.get(told)).unwrap_or(&0);
            print!(" {count:>8}");
        }
        println!();
    }
    println!("\n{:<72} {:>5} {:>4} {:>7} {:>5} {:>5}", "calls", "turns", "due", "changes", "flips", "wrong");
    for walk in &report.calls {
        println!(
            "{:<72} {:>5} {:>4} {:>7} {:>5} {:>5}",
            walk.call, walk.turns, walk.due, walk.changes, walk.flips, walk.wrong
        );
    }
    let mixed = report.calls.iter().filter(|call| call.mixed).count();
    println!(
        "{} flips in {} calls; {} in the {mixed} that mix languages",
        report.flips,
        report.calls.len(),
        report.mixed_flips
    );
    for mistake in report.mistakes.iter().filter(|_| errors) {
        println!("  {} for {}, by {}: {}", mistake.told, mistake.expected, mistake.evidence, mistake.text);
    }
}

fn print_score(name: &str, score: &Score) {
    println!("{name:<28} {:>10} {:>6} {:>7.1} %", score.utterances, score.right, 100.0 * score.accuracy);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(path: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
    }

    /// What was measured, rounded down to a percent.
    #[test]
    fn languages_are_told_as_well_as_measured_and_no_reply_flips() {
        let report = report(&repository(UTTERANCES), &repository(CALLS)).unwrap();
        let held = [("yue", 0.96), ("cmn", 0.97), ("eng", 0.99), ("neutral", 0.92)];
        for (language, least) in held {
            let found = report.languages[language].accuracy;
            assert!(found >= least, "{language}: {found}, {:#?}", report.mistakes);
        }
        assert!(report.all.accuracy >= 0.96 && report.tags["unseen"].accuracy >= 0.87, "{:#?}", report.mistakes);
        assert!(report.all.utterances >= 500 && report.languages.values().all(|score| score.utterances >= 50));
        assert_eq!(report.flips, 0, "{:#?}", report.calls);
        assert!(report.calls.iter().all(|call| call.wrong == 0 && call.changes == call.due), "{:#?}", report.calls);
        assert!(report.calls.iter().filter(|call| call.mixed).count() >= 15);
    }

    #[test]
    fn flips_and_late_changes_are_told_apart() {
        use Language::{Cantonese, English, Mandarin};
        let turn = |text: &str, expected| (text.to_owned(), None, expected);
        let flip = vec![turn("i want to check my bill", Cantonese), turn("bill", Cantonese)];
        let late = vec![turn("我想查詢我張單", Cantonese), turn("账单", Mandarin), turn("转人工", Mandarin)];
        let calls = [("flip", flip), ("late", late)].map(|(name, turns)| Call { name: name.to_owned(), turns });
        let wrong = Utterance { text: "bill".to_owned(), expected: Some(English), before: Cantonese, tags: vec![] };
        let report = measure(&[wrong], &calls, &Readings::load());
        let found: Vec<_> = report.calls.iter().map(|c| (c.due, c.changes, c.flips, c.wrong)).collect();
        assert_eq!(found, [(0, 1, 1, 2), (1, 1, 0, 1)]);
        assert_eq!((report.flips, report.all.right, report.mistakes.len()), (1, 0, 1));
        assert_eq!(report.confusions["eng"]["neutral"], 1);
    }

    #[test]
    fn a_set_is_read_and_its_mistakes_are_placed() {
        let read_as = |name: &str, text: &str| {
            let path = std::env::temp_dir().join(format!("tingwa-language-{}-{name}", std::process::id()));
            std::fs::write(&path, text).unwrap();
            let read =
                (read_utterances(&path).map_err(|e| e.to_string()), read_calls(&path).map_err(|e| e.to_string()));
            std::fs::remove_file(&path).unwrap();
            read
        };
        let (set, _) =
            read_as("a", &format!("# a comment\n{HEADER}\nok\tneutral\teng\tshort; loan\n講中文\tyue\teng\t\n"));
        let set = set.unwrap();
        assert_eq!(
            (set[0].expected, set[0].before, set[0].tags.join("+")),
            (None, Language::English, "short+loan".into())
        );
        assert_eq!((set[1].expected, set[1].tags.len()), (Some(Language::Cantonese), 0));
        for (name, text, problem) in [
            ("b", "text\n".to_owned(), ":1: expected the header"),
            ("c", format!("{HEADER}\nok\tneutral\teng\n"), ":2: 3 fields where the header has 4"),
            ("d", format!("{HEADER}\nok\tklingon\teng\t\n"), ":2: 'klingon' is no language"),
        ] {
            let told = read_as(name, &text).0.unwrap_err();
            assert!(told.contains(problem), "{told}");
        }
        let (_, calls) = read_as("e", "# one\nok\t-\tyue\nok\teng\tyue\n\n# two\nok\tcmn\tcmn\n");
        let calls = calls.unwrap();
        assert_eq!(
            calls.iter().map(|call| (call.name.as_str(), call.turns.len())).collect::<Vec<_>>(),
            [("one", 2), ("two", 1)]
        );
        let told = read_as("f", "# one\nok\t-\n").1.unwrap_err();
        assert!(told.contains(":2: 2 fields where a turn has 3"), "{told}");
    }
}
