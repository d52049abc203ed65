//! Tries the small recogniser's search on a set of recordings, for tuning: token error by tag, and each recording's certainty and
//! margin for fitting its confidence.
//!
//!     cargo run --release --example decode -- MODEL_FOLDER SET/manifest.jsonl [--dump] [KEY=VALUE ..]
//!
//! Keys are the fields of `BeamConfig`. The whole set is recognised without voice activity, as the recipe's evaluation does.

#![allow(clippy::disallowed_methods, reason = "a tool reads files and the clock")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tingwa::audio::frame::Frame;
use tingwa::audio::resample::Upsampler8To16;
use tingwa::engine::recogniser::ctc::CtcRecogniser;
use tingwa::engine::recogniser::ctc::beam::BeamConfig;
use tingwa::engine::recogniser::{Heard, Recogniser, RecogniserStream};
use tingwa::engine::score::{Errors, compare};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, set, more @ ..] = &arguments[..] else {
        return Err("usage: decode MODEL_FOLDER SET/manifest.jsonl [--dump] [KEY=VALUE ..]".into());
    };
    let mut config = BeamConfig::default();
    for pair in more.iter().filter_map(|word| word.split_once('=')) {
        set_value(&mut config, pair)?;
    }
    let dump = more.iter().any(|word| word == "--dump");
    let folder = Path::new(folder);
    let file = |name: &str| folder.join(name);
    let recogniser = CtcRecogniser::read(
        &file("model.int8.onnx"),
        &file("tokens.txt"),
        &file("lexicon.tsv"),
        &file("phrases.tsv"),
        config,
    )?;
    let mut by_tag: BTreeMap<String, Errors> = BTreeMap::new();
    let (began, mut seconds) = (Instant::now(), 0.0);
    for line in std::fs::read_to_string(set)?.lines() {
        let item: serde_json::Value = serde_json::from_str(line)?;
        let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
        let samples = read_wav(&Path::new(set).with_file_name(text("audio")))?;
        seconds += samples.len() as f64 / 8000.0;
        let (mut up, mut stream) = (Upsampler8To16::default(), recogniser.open(&Arc::default())?);
        for frame in Frame::split(&samples) {
            stream.accept(&up.process(&frame));
            recogniser.decode(&mut [&mut stream]);
        }
        let heard = stream.finish().unwrap_or_else(Heard::nothing);
        let errors = compare(&text("text"), &heard.text);
        let tags = item["tags"].as_array().cloned().unwrap_or_default();
        let tags = tags.iter().filter_map(|tag| tag.as_str());
        let main = tags.clone().next().unwrap_or("").to_owned();
        let language = text("language");
        for key in tags.map(str::to_owned).chain([language.clone(), format!("{language} {main}"), "all".to_owned()]) {
            by_tag.entry(key).or_default().add(errors);
        }
        if dump {
            let said = text("text");
            println!("{}\t{}\t{:.4}\t{said}\t{}", errors.total(), errors.reference, heard.confidence, heard.text);
        }
    }
    for (tag, errors) in &by_tag {
        eprintln!("{tag:<20} {:>6.2} % of {}", 100.0 * errors.rate(), errors.reference);
    }
    eprintln!("{:.2} % of a processor", 100.0 * began.elapsed().as_secs_f64() / seconds);
    Ok(())
}

fn set_value(config: &mut BeamConfig, (key, value): (&str, &str)) -> Result<(), Box<dyn Error>> {
    let whole = || value.parse::<usize>();
    let real = || value.parse::<f32>();
    match key {
        "hypotheses" => config.hypotheses = whole()?,
        "units" => config.units = whole()?,
        "homophones" => config.homophones = whole()?,
        "unit_floor" => config.unit_floor = real()?,
        "width" => config.width = real()?,
        "language_weight" => config.language_weight = real()?,
        "word_reward" => config.word_reward = real()?,
        "switch_cost" => config.switch_cost = real()?,
        "hot_reward" => config.hot_reward = real()?,
        "spelling_cost" => config.spelling_cost = real()?,
        other => return Err(format!("no such key: {other}").into()),
    }
    Ok(())
}

/// 16-bit mono WAV as the recipe writes it: 44 bytes of head.
fn read_wav(path: &Path) -> Result<Vec<i16>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let body = bytes.get(44..).ok_or("too short for a WAV file")?;
    Ok(body.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
}
