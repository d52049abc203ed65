//! Measures understanding on public data that is not part of the project:
//!
//! `cargo run --release --example understanding -- DATA` where DATA holds `banking77/`, `hkcancor/utf8/`, `ud_hk/`.
//! Prints accuracy, training time, time a turn, out-of-scope figures of the demo line, toneless Jyutping accuracy.
#![allow(clippy::disallowed_methods, reason = "a measurement reads files and the clock")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use jiff::civil::{Date, date};
use tingwa::conversation::Command;
use tingwa::conversation::intent::Classifier;
use tingwa::conversation::normalise::Views;
use tingwa::conversation::readings::Readings;
use tingwa::dialplan::schema::Target;

/// Questions are asked on this day.
const DAY: Date = date(2026, 3, 4);

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "../shared/data".to_owned());
    let folder = Path::new(&folder);
    let readings = Readings::load();
    let words: Vec<String> = std::env::args().skip(2).collect();
    let wanted = |what: &str| words.is_empty() || words.iter().any(|word| word == what);
    if wanted("demo") {
        demo(folder, &readings);
    }
    if wanted("readings") {
        jyutping(folder, &readings);
    }
    if wanted("banking77") {
        banking77(folder, &readings);
    }
}

fn read(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok();
    if text.is_none() {
        println!("{}: not here, skipped", path.display());
    }
    text
}

/// Text and category of a line of CSV with optional quotes.
fn csv(line: &str) -> Option<(String, &str)> {
    let (text, label) = line.rsplit_once(',')?;
    Some((text.trim_matches('"').replace("\"\"", "\""), label))
}

fn banking77(folder: &Path, readings: &Readings) {
    let (Some(train), Some(test)) =
        (read(&folder.join("banking77/train.csv")), read(&folder.join("banking77/test.csv")))
    else {
        return;
    };
    let mut labels: Vec<String> = Vec::new();
    let mut load = |text: &str| -> Vec<(Views, usize)> {
        // Questions may span lines: a row ends where the quotes are closed.
        let mut rows = Vec::new();
        let mut row = String::new();
        for line in text.lines().skip(1) {
            row.push_str(line);
            if row.matches('"').count() % 2 == 1 {
                row.push(' ');
                continue;
            }
            if let Some((text, label)) = csv(&row) {
                let number = labels.iter().position(|l| l == label).unwrap_or_else(|| {
                    labels.push(label.to_owned());
                    labels.len() - 1
                });
                rows.push((Views::of(&text, readings), number));
            }
            row.clear();
        }
        rows
    };
    let (train, test) = (load(&train), load(&test));
    let before = Instant::now();
    let classifier = Classifier::train(&train, labels.len());
    println!(
        "banking77: {} phrases, {} intents, learnt in {:.2} s, {} MB of weights, threshold {:.2}, temperature {:.1}",
        train.len(),
        labels.len(),
        before.elapsed().as_secs_f32(),
        classifier.bytes() >> 20,
        classifier.threshold(),
        classifier.temperature()
    );
    let (mut right, mut kept, mut error) = (0, 0, 0.0_f32);
    let mut bins = [(0.0_f32, 0.0_f32); 10];
    for (views, label) in &test {
        let Some(guess) = classifier.guess(views) else { continue };
        let hit = guess.best.0 == *label;
        right += usize::from(hit);
        kept += usize::from(guess.in_scope);
        let bin = &mut bins[((guess.best.1 * 10.0) as usize).min(9)];
        bin.0 += guess.best.1;
        bin.1 += f32::from(u8::from(hit));
    }
    bins.iter().for_each(|(confidence, hits)| error += (confidence - hits).abs());
    let total = test.len() as f32;
    println!(
        "  accuracy {:.2} %, kept {:.1} %, calibration error {:.3}",
        100.0 * right as f32 / total,
        100.0 * kept as f32 / total,
        error / total
    );
    let texts: Vec<String> = test.iter().map(|(views, _)| views.joined()).collect();
    times(&texts, readings, &classifier);
}

fn times(texts: &[String], readings: &Readings, classifier: &Classifier) {
    let mut micros: Vec<f64> = texts
        .iter()
        .map(|text| {
            let before = Instant::now();
            std::hint::black_box(classifier.guess(&Views::of(text, readings)));
            before.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    println!(
        "  a turn with all views: p50 {:.0} us, p99 {:.0} us",
        micros[micros.len() / 2],
        micros[micros.len() * 99 / 100]
    );
}

fn demo(folder: &Path, readings: &Readings) {
    let problems = tingwa::settings::Problems::default();
    let warnings = tingwa::settings::Problems::default();
    let plans = tingwa::cli::check::load(Path::new("dialplans/demo"), &problems, &warnings);
    let Some(plan) = plans.first() else { return println!("{}", problems.report()) };
    let mut phrases = Vec::new();
    for (number, intent) in plan.intents.iter().enumerate() {
        phrases.extend(intent.phrases.values().flatten().map(|text| (text.clone(), number)));
    }
    let common = common_characters(folder, readings);
    let mut noisy_right = [0; 2];
    let (mut right, mut kept, mut kept_right, mut total) = (0, 0, 0, 0);
    for part in 0..5 {
        let views = |text: &str| Views::of(text, readings);
        let inside: Vec<(Views, usize)> =
            phrases.iter().enumerate().filter(|(n, _)| n % 5 != part).map(|(_, (t, l))| (views(t), *l)).collect();
        let classifier = Classifier::train(&inside, plan.intents.len());
        for (_, (text, label)) in phrases.iter().enumerate().filter(|(n, _)| n % 5 == part) {
            let Some(guess) = classifier.guess(&views(text)) else { continue };
            for (noise, count) in [20, 40].into_iter().zip(&mut noisy_right) {
                let text = with_homophones(text, noise, &common, readings);
                *count += usize::from(classifier.guess(&views(&text)).is_some_and(|guess| guess.best.0 == *label));
            }
            total += 1;
            right += usize::from(guess.best.0 == *label);
            let sure = guess.in_scope && guess.best.1 >= 0.25;
            kept += usize::from(sure);
            kept_right += usize::from(sure && guess.best.0 == *label);
        }
    }
    println!(
        "demo, phrases of the plan held out (5 parts): {right} of {total} right, {kept} kept, {kept_right} of these right"
    );
    println!("  with 20 and 40 % of characters replaced by homophones: {noisy_right:?} right");
    let mind = tingwa::conversation::Understanding::train(plan);
    let mut foreign: Vec<(&str, Vec<String>)> = Vec::new();
    for (name, file) in [("cantonese", "ud_hk/yue_hk-ud-test.conllu"), ("chinese", "ud_hk/zh_hk-ud-test.conllu")] {
        let text = read(&folder.join(file)).unwrap_or_default();
        foreign.push((name, text.lines().filter_map(|l| l.strip_prefix("# text = ")).map(str::to_owned).collect()));
    }
    let text = read(&folder.join("banking77/test.csv")).unwrap_or_default();
    foreign.push(("banking77", text.lines().skip(1).filter_map(csv).map(|(text, _)| text).collect()));
    for (name, texts) in foreign {
        let understood = texts.iter().filter(|text| {
            match mind.judge(&mind.views(text), plan, plan.default_chinese(), DAY).command {
                Command::NoMatch => false,
                Command::StartFlow { intent } | Command::ChitChat { intent } => {
                    plan.intent(&intent).is_some_and(|intent| intent.then != Target::Unresolved)
                }
                _ => true,
            }
        });
        let understood = understood.count();
        println!("  foreign {name}: {} of {} rejected", texts.len() - understood, texts.len());
    }
    println!("  threshold {:.2}, temperature {:.1}", mind.classifier().threshold(), mind.classifier().temperature());
    let texts: Vec<String> = phrases.into_iter().map(|(text, _)| text).collect();
    times(&texts, readings, mind.classifier());
}

fn jyutping(folder: &Path, readings: &Readings) {
    let Ok(entries) = std::fs::read_dir(folder.join("hkcancor/utf8")) else {
        return println!("{}: not here, skipped", folder.join("hkcancor/utf8").display());
    };
    let (mut right, mut total) = (0, 0);
    for text in entries.flatten().filter_map(|entry| std::fs::read_to_string(entry.path()).ok()) {
        for sentence in text.split("<sent_tag>").skip(1).filter_map(|rest| rest.split("</sent_tag>").next()) {
            let (mut chars, mut gold) = (Vec::new(), Vec::new());
            for word in sentence.lines() {
                let mut fields = word.trim().split('/');
                let (Some(text), _, Some(reading)) = (fields.next(), fields.next(), fields.next()) else { continue };
                let syllables: Vec<&str> =
                    reading.split(|c: char| c.is_ascii_digit()).filter(|s| !s.is_empty()).collect();
                if syllables.len() == text.chars().count() && text.chars().all(tingwa::conversation::normalise::is_han)
                {
                    chars.extend(text.chars());
                    gold.extend(syllables);
                }
            }
            let found = readings.syllables(&chars);
            total += gold.len();
            right += found.iter().zip(&gold).filter(|(a, b)| a == b).count();
        }
    }
    println!("hkcancor: toneless Jyutping {:.2} % of {total} characters", 100.0 * right as f32 / total.max(1) as f32);
}

/// Characters of the corpora by how they sound.
fn common_characters(folder: &Path, readings: &Readings) -> BTreeMap<String, Vec<char>> {
    let mut by_sound: BTreeMap<String, BTreeSet<char>> = BTreeMap::new();
    for file in ["ud_hk/yue_hk-ud-test.conllu", "ud_hk/zh_hk-ud-test.conllu"] {
        let text = read(&folder.join(file)).unwrap_or_default();
        for c in text.chars().filter(|c| tingwa::conversation::normalise::is_han(*c)) {
            by_sound.entry(readings.syllables(&[c]).concat()).or_default().insert(c);
        }
    }
    by_sound.into_iter().map(|(sound, all)| (sound, all.into_iter().collect())).collect()
}

/// The text with some of its characters, in percent, replaced by others that sound alike.
fn with_homophones(text: &str, percent: u64, common: &BTreeMap<String, Vec<char>>, readings: &Readings) -> String {
    let mut seed = text.bytes().fold(percent, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte))) | 1;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    text.chars()
        .map(|c| {
            let alike = common.get(&readings.syllables(&[readings.traditional(c)]).concat());
            match alike.filter(|_| random() % 100 < percent) {
                Some(alike) => alike.get(random() as usize % alike.len().max(1)).copied().unwrap_or(c),
                None => c,
            }
        })
        .collect()
}
