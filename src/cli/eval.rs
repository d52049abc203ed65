//! `tingwa eval`: how well a recogniser hears a set of recordings, through the very path of a call.
//!
//! The set is JSON lines: `{"audio": "a.wav", "text": "what was said", "language": "yue"}`, audio relative to the file.
//! Errors are counted in characters for Chinese and in words for English, so one figure serves for mixed speech.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::cli::models::read_as_call;
use crate::engine::local::LocalEngines;
use crate::engine::manifest::{DEFAULT_PATH, Manifest};
use crate::engine::score::{Errors, compare};
use crate::engine::worker::{EngineFactory, EventKind, Feeding, rehearse};
use crate::speech::Language;

/// Arguments of `tingwa eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Set of recordings, JSON lines of audio, text and language.
    pub set: PathBuf,
    /// Model manifest.
    #[arg(long, default_value = DEFAULT_PATH)]
    pub manifest: PathBuf,
    /// Recogniser.
    #[arg(long, default_value = "tiny-trilingual")]
    pub recogniser: String,
    /// Voice activity model.
    #[arg(long, default_value = "silero-vad")]
    pub vad: String,
    /// When the recogniser is fed.
    #[arg(long, value_enum, default_value = "speech")]
    pub feeding: FeedingArg,
    /// Print every recording that was not heard right.
    #[arg(long)]
    pub errors: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Exit with failure where any language's error rate is above this, 0 to 1.
    #[arg(long)]
    pub at_most: Option<f64>,
}

/// When the recogniser is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FeedingArg {
    /// Around speech, as in calls.
    Speech,
    /// All the time.
    Always,
}

impl From<FeedingArg> for Feeding {
    fn from(feeding: FeedingArg) -> Self {
        match feeding {
            FeedingArg::Speech => Self::default(),
            FeedingArg::Always => Self::Always,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Item {
    audio: PathBuf,
    text: String,
    language: String,
}

/// Figures of one language, or of all.
#[derive(Debug, Default, Serialize)]
struct Figures {
    utterances: u64,
    tokens: u64,
    errors: u64,
    substitutions: u64,
    deletions: u64,
    insertions: u64,
    error_rate: f64,
    /// Utterances without any error, 0 to 1.
    right: f64,
    /// Utterances whose language the recogniser named right, 0 to 1.
    language_right: f64,
    final_ms_p50: f64,
    final_ms_p95: f64,
    /// Time of one processor a second of audio.
    real_time_factor: f64,
}

#[derive(Debug, Default)]
struct Tally {
    errors: Errors,
    utterances: u64,
    right: u64,
    language_right: u64,
    finals: Vec<Duration>,
    work: Duration,
    audio_ms: u64,
}

/// One recording after it was heard.
struct Outcome {
    errors: Errors,
    language_right: bool,
    finish: Duration,
    work: Duration,
    audio_ms: u64,
}

impl Tally {
    fn add(&mut self, one: &Outcome) {
        self.errors.add(one.errors);
        self.utterances += 1;
        self.right += u64::from(one.errors.total() == 0);
        self.language_right += u64::from(one.language_right);
        self.finals.push(one.finish);
        self.work += one.work;
        self.audio_ms += one.audio_ms;
    }

    fn figures(&mut self) -> Figures {
        self.finals.sort_unstable();
        let last = self.finals.len().saturating_sub(1);
        let at = |share: usize| {
            self.finals.get(last * share / 100).map_or(0.0, |d| (d.as_secs_f64() * 100_000.0).round() / 100.0)
        };
        let share = |part: u64| part as f64 / self.utterances.max(1) as f64;
        Figures {
            utterances: self.utterances,
            tokens: self.errors.reference,
            errors: self.errors.total(),
            substitutions: self.errors.substitutions,
            deletions: self.errors.deletions,
            insertions: self.errors.insertions,
            error_rate: self.errors.rate(),
            right: share(self.right),
            language_right: share(self.language_right),
            final_ms_p50: at(50),
            final_ms_p95: at(95),
            real_time_factor: self.work.as_secs_f64() * 1000.0 / self.audio_ms.max(1) as f64,
        }
    }
}

/// Runs `tingwa eval`.
pub fn run(args: &EvalArgs) -> Result<ExitCode, Box<dyn Error>> {
    let items = read_set(&args.set)?;
    let manifest = Manifest::load(&args.manifest)?;
    let mut engines = LocalEngines::of(&manifest, &args.recogniser, &args.vad)?.make()?;
    let folder = args.set.parent().unwrap_or(Path::new("."));
    let bar = ProgressBar::new(items.len() as u64);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed}, {eta} left  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut all: BTreeMap<String, Tally> = BTreeMap::new();
    for (item, language) in &items {
        let frames = read_as_call(&folder.join(&item.audio))?;
        let mut heard = None;
        let spent = rehearse(&mut engines, args.feeding.into(), &frames, &mut |_, kind| {
            if let EventKind::Transcript(transcript) = kind {
                heard = Some(transcript);
            }
        })?;
        let (text, named) = heard.map(|h| (h.text.into_inner(), h.language)).unwrap_or_default();
        let errors = compare(&item.text, &text);
        if args.errors && errors.total() > 0 {
            bar.suspend(|| {
                println!("{}  {}\n    said  {}\n    heard {text}", language, item.audio.display(), item.text)
            });
        }
        let outcome = Outcome {
            errors,
            language_right: named == Some(*language),
            finish: spent.finish,
            work: spent.processor,
            audio_ms: frames.len() as u64 * 20,
        };
        for name in [language.code(), "all"] {
            all.entry(name.to_owned()).or_default().add(&outcome);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let figures: BTreeMap<String, Figures> = all.into_iter().map(|(name, mut tally)| (name, tally.figures())).collect();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        print_table(&figures);
    }
    let too_many = args.at_most.is_some_and(|limit| figures.values().any(|f| f.error_rate > limit));
    Ok(if too_many { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn read_set(path: &Path) -> Result<Vec<(Item, Language)>, Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut items = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = |error: &dyn Error| format!("{}:{}: {error}", path.display(), number + 1);
        let item: Item = serde_json::from_str(line).map_err(|error| place(&error))?;
        let language = item.language.parse().map_err(|error: crate::speech::UnknownLanguage| place(&error))?;
        items.push((item, language));
    }
    if items.is_empty() {
        return Err(format!("{}: no recordings in it", path.display()).into());
    }
    Ok(items)
}

fn print_table(figures: &BTreeMap<String, Figures>) {
    println!(
        "{:<5} {:>6} {:>7} {:>8} {:>5} {:>5} {:>5} {:>8} {:>9} {:>14} {:>7}",
        "", "utter.", "tokens", "errors", "S", "D", "I", "right", "language", "final p50/p95", "CPU/s"
    );
    for (name, f) in figures {
        println!(
            "{name:<5} {:>6} {:>7} {:>6.1} % {:>5} {:>5} {:>5} {:>6.1} % {:>7.1} % {:>5.1}/{:<5.1} ms {:>7.4}",
            f.utterances,
            f.tokens,
            100.0 * f.error_rate,
            f.substitutions,
            f.deletions,
            f.insertions,
            100.0 * f.right,
            100.0 * f.language_right,
            f.final_ms_p50,
            f.final_ms_p95,
            f.real_time_factor
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_read_and_its_mistakes_are_placed() {
        let path = std::env::temp_dir().join(format!("tingwa-eval-{}.jsonl", std::process::id()));
        let good = r#"{"audio": "a.wav", "text": "好", "language": "yue"}"#;
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_set(&path).map_err(|error| error.to_string())
        };
        let items = read(&format!("{good}\n\n{}\n", good.replace("yue", "en"))).unwrap();
        assert_eq!(
            items.iter().map(|(_, language)| *language).collect::<Vec<_>>(),
            [Language::Cantonese, Language::English]
        );
        assert!(
            read(&format!("{good}\n{}", good.replace("yue", "xx"))).unwrap_err().contains(":2: 'xx' is no language")
        );
        assert!(read(&format!("{good}\n{{")).unwrap_err().contains(":2: "));
        assert!(read("\n").unwrap_err().contains("no recordings"));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn figures_are_of_the_whole_language() {
        let mut tally = Tally::default();
        for (said, heard) in [("我想查詢", "我想查詢"), ("多謝", "多")] {
            let errors = compare(said, heard);
            let (finish, work) = (Duration::from_millis(2), Duration::from_millis(10));
            tally.add(&Outcome { errors, language_right: true, finish, work, audio_ms: 1000 });
        }
        let figures = tally.figures();
        assert_eq!((figures.utterances, figures.tokens, figures.deletions), (2, 6, 1));
        assert!((figures.error_rate - 1.0 / 6.0).abs() < 1e-9);
        assert_eq!((figures.right, figures.final_ms_p50, figures.real_time_factor), (0.5, 2.0, 0.01));
    }
}
