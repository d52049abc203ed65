//! `tingwa models bench`: what a recogniser costs on this machine, by the path of a call.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;

use super::listen::read_as_call;
use crate::audio::frame::WideFrame;
use crate::cli::table::{self, Table};
use crate::engine::local::LocalEngines;
use crate::engine::manifest::Manifest;
use crate::engine::worker::{EngineFactory, EventKind, Feeding, rehearse};

const FRAME_SECONDS: f64 = 0.02;
/// The set that comes with the program, beside the manifest.
const SAMPLES: &str = "tiny-trilingual/sample/manifest.jsonl";

/// Arguments of `tingwa models bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The recogniser
    #[arg(default_value = "tiny-trilingual")]
    id: String,
    /// A recording, or a set of them (.jsonl with "audio" in each line); the sample set where none is named
    file: Option<PathBuf>,
    /// Voice activity model
    #[arg(long, default_value = "silero-vad")]
    vad: String,
    /// Times that the set is heard
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Also print the lines for the manifest
    #[arg(long)]
    toml: bool,
}

#[derive(Deserialize)]
struct Item {
    audio: PathBuf,
}

/// What the rounds showed.
#[derive(Debug, Default)]
struct Bench {
    audio: f64,
    work: Duration,
    finals: Vec<f64>,
    firsts: Vec<f64>,
}

impl Bench {
    fn rtf(&self) -> f64 {
        self.work.as_secs_f64() / self.audio.max(FRAME_SECONDS)
    }
}

/// Measures and prints.
pub fn run(args: &BenchArgs, manifest: &Manifest) -> Result<(), Box<dyn Error>> {
    let file = args.file.clone().unwrap_or_else(|| manifest.folder().join(SAMPLES));
    let recordings = read(&file)?;
    let (before, began) = (memory("VmRSS"), Instant::now());
    let mut engines = LocalEngines::of(manifest, &args.id, &args.vad)?.patient().make()?;
    let (loading, loaded) = (began.elapsed(), memory("VmRSS"));
    let mut bench = Bench::default();
    for _ in 0..args.rounds.max(1) {
        for frames in &recordings {
            hear(&mut engines, frames, &mut bench)?;
        }
    }
    let seconds = recordings.iter().map(Vec::len).sum::<usize>() as f64 * FRAME_SECONDS;
    let audio = format!("{} recordings, {seconds:.0} s, {}", recordings.len(), file.display());
    println!("{} on {}; {} rounds of {audio}\n", args.id, machine(), args.rounds.max(1));
    let of = |middle: f64, most: f64| (format!("{middle:.1} ms"), format!("{most:.1} ms"));
    let mut table = Table::new(["", "middle", "most"]).right(1).right(2);
    let (middle, most) =
        spread(&mut bench.firsts).map_or_else(|| ("none".to_owned(), "none".to_owned()), |(a, b)| of(a, b));
    table.row(["first guess after the voice began".to_owned(), middle, most]);
    let (middle, most) =
        spread(&mut bench.finals).map_or_else(|| ("none".to_owned(), "none".to_owned()), |(a, b)| of(a, b));
    table.row(["final text after the end".to_owned(), middle, most]);
    table.row(["processor time a second of audio".to_owned(), format!("{:.2} %", 100.0 * bench.rtf()), String::new()]);
    table.row(["loading, files' checksums and all".to_owned(), format!("{} ms", loading.as_millis()), String::new()]);
    table.row(["memory of the models".to_owned(), table::size(loaded.saturating_sub(before)), String::new()]);
    table.row(["memory of the process".to_owned(), table::size(loaded), table::size(memory("VmHWM"))]);
    table.lines().iter().for_each(|line| println!("{line}"));
    if cfg!(debug_assertions) {
        println!("\nThis program was built without optimisation: the figures are too high.");
    }
    if args.toml {
        let quoted = toml::Value::String;
        println!(
            "\n[[model.measured]]\nrtf = {:.4}\nwhere = {}\non = {}",
            bench.rtf(),
            quoted(machine()),
            quoted(audio)
        );
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<Vec<WideFrame>>, Box<dyn Error>> {
    if file.extension().is_none_or(|ext| ext != "jsonl") {
        return Ok(vec![read_as_call(file)?]);
    }
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let item: Item =
            serde_json::from_str(line).map_err(|error| format!("{}:{}: {error}", file.display(), number + 1))?;
        all.push(read_as_call(&folder.join(item.audio))?);
    }
    if all.is_empty() {
        return Err(format!("{}: no recordings in it", file.display()).into());
    }
    Ok(all)
}

fn hear(
    engines: &mut (<LocalEngines as EngineFactory>::Recogniser, <LocalEngines as EngineFactory>::Vad),
    frames: &[WideFrame],
    bench: &mut Bench,
) -> Result<(), Box<dyn Error>> {
    let (mut voice_began, mut first) = (None, None);
    let spent = rehearse(engines, Feeding::default(), frames, &mut |at, kind| match kind {
        EventKind::Voice(voice) if voice.probability >= 0.5 && voice_began.is_none() => {
            voice_began = Some(at.saturating_sub(u64::from(voice.duration_ms)));
        }
        EventKind::Hypothesis(guess) if !guess.text.reveal().is_empty() && first.is_none() => first = Some(at),
        _ => {}
    })?;
    bench.audio += frames.len() as f64 * FRAME_SECONDS;
    bench.work += spent.processor;
    bench.finals.push(spent.finish.as_secs_f64() * 1000.0);
    bench.firsts.extend(first.zip(voice_began).map(|(first, began)| first.saturating_sub(began) as f64));
    Ok(())
}

/// Middle and largest.
fn spread(values: &mut [f64]) -> Option<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    Some((*values.get(values.len() / 2)?, *values.last()?))
}

/// A figure of this process's memory, bytes; 0 where the system does not say.
fn memory(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let name = name.map_or("an unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{name}, {cores} cores, one thread")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_most() {
        assert_eq!(spread(&mut [3.0, 1.0, 2.0]), Some((2.0, 3.0)));
        assert_eq!(spread(&mut []), None);
    }

    #[test]
    fn this_process_has_memory_and_nothing_has_none() {
        assert!(memory("VmRSS") > 1_000_000);
        assert_eq!(memory("VmNothing"), 0);
    }
}
