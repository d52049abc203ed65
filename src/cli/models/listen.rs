//! `tingwa models try`: a recording as a call would bring it, and what each recogniser makes of it.

use std::error::Error;
use std::path::Path;

use crate::audio::frame::{Frame, WideFrame};
use crate::audio::resample::{Upsampler8To16, resample_all_f32};
use crate::engine::local::LocalEngines;
use crate::engine::manifest::Manifest;
use crate::engine::synthesiser::recorded;
use crate::engine::worker::{EngineFactory, EventKind, Feeding, rehearse};

/// Lets each recogniser hear the file.
pub fn run(manifest: &Manifest, recognisers: &[String], vad: &str, file: &Path) -> Result<(), Box<dyn Error>> {
    let frames = read_as_call(file)?;
    for (number, recogniser) in recognisers.iter().enumerate() {
        if recognisers.len() > 1 {
            println!("{}{recogniser}", if number > 0 { "\n" } else { "" });
        }
        hear(manifest, recogniser, vad, &frames)?;
    }
    Ok(())
}

fn hear(manifest: &Manifest, recogniser: &str, vad: &str, frames: &[WideFrame]) -> Result<(), Box<dyn Error>> {
    let mut engines = LocalEngines::of(manifest, recogniser, vad)?.patient().make()?;
    let mut voiced = false;
    let spent = rehearse(&mut engines, Feeding::default(), frames, &mut |at, kind| {
        let at = at as f64 / 1000.0;
        match kind {
            EventKind::Voice(voice) => {
                if (voice.probability >= 0.5) != voiced {
                    voiced = !voiced;
                    println!("{at:7.2} s  {}", if voiced { "speech" } else { "silence" });
                }
            }
            EventKind::Hypothesis(guess) => println!("{at:7.2} s    {}", guess.text.reveal()),
            EventKind::Transcript(heard) => {
                let language = heard.language.map_or("no language", |language| language.code());
                println!("{at:7.2} s  = {}  [{language}]", heard.text.reveal());
            }
            EventKind::Overloaded { .. } | EventKind::Interrupted | EventKind::Lost => println!("{at:7.2} s  {kind:?}"),
        }
    })?;
    let seconds = frames.len() as f64 * 0.02;
    let work = spent.processor.as_secs_f64();
    println!(
        "\n{seconds:.1} s of audio took {:.0} ms of a processor: {:.2} %; final after {:.1} ms",
        work * 1000.0,
        100.0 * work / seconds,
        spent.finish.as_secs_f64() * 1000.0
    );
    Ok(())
}

/// A recording as a call would bring it: 8 kHz, in frames, widened for the recogniser.
pub fn read_as_call(file: &Path) -> Result<Vec<WideFrame>, Box<dyn Error>> {
    let (samples, rate) = recorded::decode(file)?;
    let narrow = resample_all_f32(&samples, rate, 8000)?;
    let narrow: Vec<i16> = narrow.iter().map(|sample| (sample.clamp(-1.0, 1.0) * 32767.0) as i16).collect();
    let mut up = Upsampler8To16::default();
    Ok(Frame::split(&narrow).map(|frame| up.process(&frame)).collect())
}
