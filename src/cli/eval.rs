//! `tingwa eval`: how well a recogniser hears a set of recordings, through the very path of a call, over lines good and bad;
//! what it makes of sounds that are no speech; and how well a turn's language is told from its text.
//!
//! The set is JSON lines (`{"audio": "a.wav", "text": "what was said", "language": "yue", "tags": ["short"]}`) or a CSV or
//! TSV table with a header of those names; audio is relative to the file. Errors are counted in characters for Chinese and
//! in words for English, so one figure serves for mixed speech.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::audio::resample::resample_all_f32;
use crate::engine::manifest::{DEFAULT_PATH, Manifest};
use crate::engine::synthesiser::recorded;
use crate::engine::worker::Feeding;

mod degrade;
mod ear;
mod figures;
mod homophones;
mod html;
mod language;
mod noise;
mod plot;
mod quiet;
mod set;
mod table;
mod worst;

use degrade::{Codec, Condition};
use ear::Ear;
use figures::{Calibration, Difference, Groups, Marks, Outcome};
use homophones::Folding;
use noise::NoiseKind;
use set::Item;

/// Recordings whose voices make a babble.
const BABBLE_FROM: usize = 32;

/// Arguments of `tingwa eval`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(false))]
pub struct EvalArgs {
    /// Set of recordings: JSON lines, CSV or TSV of audio, text, language and tags.
    #[arg(group = "what")]
    pub set: Option<PathBuf>,
    /// Instead of a set: so many minutes each of silence, noise, tones, keys, music, hum and clicks.
    #[arg(long, value_name = "MINUTES", group = "what")]
    pub silence: Option<f64>,
    /// Instead of a set: how well the language of labelled utterances is told, and how steadily replies keep it.
    #[arg(
        long,
        value_name = "UTTERANCES",
        num_args = 0..=1,
        default_missing_value = language::UTTERANCES,
        group = "what",
        conflicts_with_all = ["against", "html", "codec", "loss", "noise"]
    )]
    pub language: Option<PathBuf>,
    /// Calls of several turns for `--language`.
    #[arg(long, requires = "language", default_value = language::CALLS)]
    pub calls: PathBuf,
    /// Model manifest.
    #[arg(long, default_value = DEFAULT_PATH)]
    pub manifest: PathBuf,
    /// Recogniser.
    #[arg(long, default_value = "tiny-trilingual")]
    pub recogniser: String,
    /// A second recogniser over the same recordings.
    #[arg(long, conflicts_with = "silence")]
    pub against: Option<String>,
    /// Voice activity model.
    #[arg(long, default_value = "silero-vad")]
    pub vad: String,
    /// When the recogniser is fed.
    #[arg(long, value_enum, default_value = "speech")]
    pub feeding: FeedingArg,
    /// Who says where an utterance begins and ends.
    #[arg(long, value_enum, default_value = "file")]
    pub utterances: UtterancesArg,
    /// What the line does.
    #[command(flatten)]
    pub line: LineArgs,
    /// How texts are compared and shown.
    #[command(flatten)]
    pub show: ShowArgs,
}

/// What the line does to the recordings. Several values of one make a run each.
#[derive(Debug, Args)]
pub struct LineArgs {
    /// Codecs, one run each.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "none")]
    pub codec: Vec<Codec>,
    /// Lost packets, percent; several for one run each.
    #[arg(long, value_delimiter = ',', default_value = "0", value_name = "PERCENT")]
    pub loss: Vec<f32>,
    /// Packets are lost in runs of this mean length (Gilbert-Elliott), not each by itself.
    #[arg(long, value_name = "PACKETS")]
    pub burst: Option<f32>,
    /// Noise so far under the speech; several for one run each.
    #[arg(long, value_delimiter = ',', value_name = "DB")]
    pub noise: Vec<f32>,
    /// What noise.
    #[arg(long, value_enum, default_value = "white")]
    pub noise_kind: NoiseKind,
    /// Level of the speech, as it is where none is given.
    #[arg(long, value_name = "DBFS", allow_hyphen_values = true)]
    pub level: Option<f32>,
    /// Seed of noises, losses and the bootstrap.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// How texts are compared and shown.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// What counts as the same: `homophones` adds a column, `script` folds Traditional and Simplified everywhere.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub fold: Vec<Fold>,
    /// Print every recording that was not heard right.
    #[arg(long)]
    pub errors: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Write a page with plots, confusions and the worst recordings.
    #[arg(long, value_name = "FILE", conflicts_with = "silence")]
    pub html: Option<PathBuf>,
    /// Exit with failure where any language's error rate is above this, 0 to 1; with `--silence` where silence, tones or
    /// keys make more words than this in an hour; with `--language` where more utterances than this are told wrong, 0 to 1, or
    /// a reply changes its language where the caller did not.
    #[arg(long)]
    pub at_most: Option<f64>,
}

/// What counts as the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fold {
    /// Characters that sound alike but for the tone, in a second column.
    Homophones,
    /// Simplified and Traditional characters.
    Script,
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

/// Who says where an utterance begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UtterancesArg {
    /// Each recording is one.
    File,
    /// The call's own ear: voice activity and endpointing.
    Call,
}

/// One recogniser over one line.
#[derive(Debug, Serialize)]
pub struct Run {
    /// Recogniser.
    pub recogniser: String,
    /// What the line did.
    pub condition: String,
    /// Figures.
    #[serde(flatten)]
    pub groups: Groups,
    /// What came in time.
    pub marks: Marks,
    /// How far confidence can be trusted.
    pub calibration: Calibration,
    /// Every recording.
    #[serde(skip)]
    pub outcomes: Vec<Outcome>,
}

impl Run {
    fn of(recogniser: &str, condition: &str, items: &[Item], outcomes: Vec<Outcome>) -> Self {
        Self {
            recogniser: recogniser.to_owned(),
            condition: condition.to_owned(),
            groups: Groups::of(items, &outcomes),
            marks: Marks::of(&outcomes),
            calibration: Calibration::of(&outcomes),
            outcomes,
        }
    }
}

/// The two recognisers over one line.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// What the line did.
    pub condition: String,
    /// `all` or a language.
    pub group: String,
    /// The first one's error rate.
    pub first: f64,
    /// The second one's.
    pub second: f64,
    /// Second less first.
    #[serde(flatten)]
    pub difference: Difference,
}

/// All that was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The set's name.
    pub set: String,
    /// Recordings.
    #[serde(skip)]
    pub items: Vec<Item>,
    /// Runs: by line, then by recogniser.
    pub runs: Vec<Run>,
    /// With two recognisers: how far they differ.
    pub differences: Vec<Comparison>,
    /// The column of errors by sound is asked for.
    #[serde(skip)]
    pub by_sound: bool,
}

/// Runs `tingwa eval`.
pub fn run(args: &EvalArgs) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(utterances) = &args.language {
        return tell_languages(args, utterances);
    }
    let manifest = Manifest::load(&args.manifest)?;
    let mut ears = vec![Ear::load(&manifest, &args.recogniser, &args.vad)?];
    if let Some(second) = &args.against {
        ears.push(Ear::load(&manifest, second, &args.vad)?);
    }
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed}, {eta} left  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    if let (Some(minutes), Some(ear)) = (args.silence, ears.first_mut()) {
        return hear_quiet(args, ear, minutes, &bar);
    }
    let Some(set) = &args.set else { return Err("no set of recordings".into()) };
    let items = set::read(set)?;
    let conditions = args.line.conditions();
    bar.set_length((items.len() * conditions.len()) as u64);
    let mut report = Report {
        set: set.display().to_string(),
        runs: Vec::new(),
        differences: Vec::new(),
        by_sound: args.show.fold.contains(&Fold::Homophones),
        items,
    };
    let folding = Folding::new(args.show.fold.contains(&Fold::Script));
    for condition in &conditions {
        report.runs.extend(hear_set(args, condition, &report.items, &mut ears, &folding, &bar)?);
    }
    bar.finish_and_clear();
    report.differences = differences(&report, args.line.seed);
    if let Some(file) = &args.show.html {
        std::fs::write(file, html::page(&report)).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if args.show.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        table::print(&report);
    }
    let rates = report.runs.iter().flat_map(|run| run.groups.languages.values());
    let is_above = |limit: f64| rates.clone().any(|figures| figures.error_rate > limit);
    Ok(if args.show.at_most.is_some_and(is_above) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl LineArgs {
    /// Every codec with every loss and every noise.
    fn conditions(&self) -> Vec<Condition> {
        let noises: Vec<Option<f32>> =
            if self.noise.is_empty() { vec![None] } else { self.noise.iter().copied().map(Some).collect() };
        let mut all = Vec::new();
        for &codec in &self.codec {
            for &loss_percent in &self.loss {
                all.extend(noises.iter().map(|&noise_db| Condition {
                    codec,
                    loss_percent,
                    burst: self.burst,
                    noise_db,
                    noise_kind: self.noise_kind,
                    level_dbfs: self.level,
                }));
            }
        }
        all
    }
}

/// All recordings over one line, by each ear in turn: one run an ear.
fn hear_set(
    args: &EvalArgs,
    condition: &Condition,
    items: &[Item],
    ears: &mut [Ear],
    folding: &Folding,
    bar: &ProgressBar,
) -> Result<Vec<Run>, Box<dyn Error>> {
    let voices = match (condition.noise_db, condition.noise_kind) {
        (Some(_), NoiseKind::Babble) => voices(items, condition.codec.rate_hz(), args.line.seed)?,
        _ => Vec::new(),
    };
    let mut heard: Vec<Vec<Outcome>> = ears.iter().map(|_| Vec::with_capacity(items.len())).collect();
    bar.set_message(condition.label());
    for (number, item) in items.iter().enumerate() {
        let (samples, rate_hz) = recorded::decode(&item.audio)?;
        // Neighbouring seeds make unlike numbers in this generator.
        let seed = args.line.seed.wrapping_mul(1_000_003).wrapping_add(number as u64);
        let received = degrade::send(&samples, rate_hz, condition, &voices, seed)?;
        for (ear, outcomes) in ears.iter_mut().zip(&mut heard) {
            let account = match args.utterances {
                UtterancesArg::File => ear.hear_whole(&received.frames, args.feeding.into())?,
                UtterancesArg::Call => ear.hear_call(&received.frames, args.feeding.into())?,
            };
            let mut outcome = Outcome::of(number, item, account, received.speech_ms, received.lead_ms, folding);
            outcome.times.audio = received.frames.len() as f64 * 20.0;
            if args.show.errors && !outcome.is_right() {
                bar.suspend(|| print_error(&ear.id, item, &outcome));
            }
            outcomes.push(outcome);
        }
        bar.inc(1);
    }
    let run = |(ear, outcomes): (&Ear, Vec<Outcome>)| Run::of(&ear.id, &condition.label(), items, outcomes);
    Ok(ears.iter().zip(heard).map(run).collect())
}

fn print_error(ear: &str, item: &Item, outcome: &Outcome) {
    let (language, file) = (item.spoken.code(), item.audio.display());
    println!("{language}  {file}  {ear}\n    said  {}\n    heard {}", item.text, outcome.heard);
}

/// Some of the set's recordings, for a babble.
fn voices(items: &[Item], rate_hz: u32, seed: u64) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    fastrand::Rng::with_seed(seed).shuffle(&mut order);
    let mut all = Vec::new();
    for item in order.into_iter().take(BABBLE_FROM).filter_map(|at| items.get(at)) {
        let (samples, from_hz) = recorded::decode(&item.audio)?;
        all.push(resample_all_f32(&samples, from_hz, rate_hz)?);
    }
    Ok(all)
}

/// How far the second recogniser differs from the first: over all, and by language.
fn differences(report: &Report, seed: u64) -> Vec<Comparison> {
    let mut all = Vec::new();
    for pair in report.runs.chunk_by(|a, b| a.condition == b.condition) {
        let [first, second] = pair else { continue };
        for (group, _) in first.groups.languages_in_order() {
            let of = |run: &Run| -> Vec<Outcome> {
                let is_in = |o: &&Outcome| {
                    group == "all" || report.items.get(o.item).is_some_and(|item| item.spoken.code() == group)
                };
                run.outcomes.iter().filter(is_in).cloned().collect()
            };
            let (a, b) = (of(first), of(second));
            let difference = Difference::of(&a.iter().collect::<Vec<_>>(), &b.iter().collect::<Vec<_>>(), seed);
            let rate = |run: &Run| run.groups.languages.get(group).map_or(0.0, |figures| figures.error_rate);
            all.push(Comparison {
                condition: first.condition.clone(),
                group: group.to_owned(),
                first: rate(first),
                second: rate(second),
                difference,
            });
        }
    }
    all
}

fn hear_quiet(args: &EvalArgs, ear: &mut Ear, minutes: f64, bar: &ProgressBar) -> Result<ExitCode, Box<dyn Error>> {
    let seconds = (minutes * 60.0).round().clamp(1.0, 36_000.0) as usize;
    let all = quiet::hear_all(ear, seconds, args.line.seed, bar)?;
    bar.finish_and_clear();
    if args.show.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        table::print_quiet(&all);
    }
    let limit = args.show.at_most.unwrap_or(f64::INFINITY);
    let is_bad = all.iter().any(|sound| sound.must_be_silent && sound.words_per_hour > limit);
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn tell_languages(args: &EvalArgs, utterances: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let report = language::report(utterances, &args.calls)?;
    if args.show.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        language::print(&report, args.show.errors);
    }
    let is_bad = args.show.at_most.is_some_and(|limit| report.flips > 0 || 1.0 - report.all.accuracy > limit);
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[cfg(test)]
mod tests {

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        eval: EvalArgs,
    }

    fn parse(line: &str) -> Result<EvalArgs, clap::Error> {
        Line::try_parse_from(["eval"].into_iter().chain(line.split_whitespace())).map(|line| line.eval)
    }

    fn repository(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
    }

    #[test]
    fn a_line_is_every_codec_with_every_loss_and_noise() {
        let args =
            parse("a.jsonl --codec pcmu,opus --loss 0,3 --burst 2 --noise 20,10 --noise-kind babble --level -30")
                .unwrap();
        let labels: Vec<String> = args.line.conditions().iter().map(Condition::label).collect();
        assert_eq!(labels.len(), 8);
        assert_eq!(labels[0], "pcmu, babble 20 dB, level -30 dBFS");
        assert_eq!(labels[7], "opus, loss 3 % bursts of 2, babble 10 dB, level -30 dBFS");
        assert_eq!(parse("a.jsonl").unwrap().line.conditions(), [Condition::default()]);
        for wrong in ["", "a.jsonl --silence 1", "--silence 1 --html a.html", "--silence 1 --against b"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse("--silence 0.5").unwrap().silence, Some(0.5));
    }

    /// The shipped sample over bad lines, heard by two ears at once, each recording as one utterance and as in a call.
    #[test]
    fn the_sample_is_heard_over_every_line_and_the_same_again() {
        let manifest = Manifest::load(&repository(DEFAULT_PATH)).unwrap();
        let load = || Ear::load(&manifest, "tiny-trilingual", "silero-vad").unwrap();
        let mut ears = [load(), load()];
        let items = set::read(&repository("models/tiny-trilingual/sample/manifest.jsonl")).unwrap();
        let folding = Folding::new(false);
        for utterances in ["file", "call"] {
            let args = parse(&format!(
                "a --utterances {utterances} --codec pcmu,g722,opus --loss 2 --noise 20 --noise-kind babble"
            ));
            let args = args.unwrap();
            for condition in args.line.conditions() {
                let bar = ProgressBar::hidden();
                let runs = hear_set(&args, &condition, &items, &mut ears, &folding, &bar).unwrap();
                let all = &runs[0].groups.languages["all"];
                assert!(all.error_rate < 0.3, "{utterances} {}: {}", condition.label(), all.error_rate);
                assert!(all.latency.partial_after_begin.count >= 8 && all.real_time_factor > 0.0);
                assert_eq!(all.latency.endpoint.count > 0, utterances == "call");
                let texts = |run: &Run| run.outcomes.iter().map(|o| o.heard.clone()).collect::<Vec<_>>();
                assert_eq!(texts(&runs[0]), texts(&runs[1]));
                let (set, items) = (String::new(), items.clone());
                let report = Report { set, items, runs, differences: Vec::new(), by_sound: false };
                let found = differences(&report, 1);
                assert_eq!(found.len(), 5, "all, three languages, mixed");
                assert!(found.iter().all(|line| line.difference.rate == 0.0 && !line.difference.is_sure()));
            }
        }
    }
}
