//! Prompts that a person has spoken: one file a prompt and language, under `prompts/<language>/<prompt>.<ext>` of a line,
//! read whole at start. WAV, FLAC, MP3 and Ogg Vorbis; any rate, any channels; brought to the level of all other voices.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::level::level;
use super::{RATE_HZ, SynthesiserError};
use crate::audio::resample::resample_all_f32;
use crate::speech::Language;

/// Endings of files that are read.
pub const ENDINGS: [&str; 4] = ["wav", "flac", "mp3", "ogg"];
const MOST_BYTES: u64 = 32 << 20;
const MOST_SECONDS: usize = 180;

/// All recorded prompts, by `line/prompt` and language.
#[derive(Clone, Debug, Default)]
pub struct Recordings {
    sounds: BTreeMap<(String, Language), Arc<[i16]>>,
}

impl Recordings {
    /// Reads a line's `prompts` folder; gives how many were found and every file that could not be read.
    pub fn load(&mut self, line: &str, folder: &Path) -> (usize, Vec<SynthesiserError>) {
        let (mut found, mut problems) = (0, Vec::new());
        for language in Language::ALL {
            let Ok(entries) = std::fs::read_dir(folder.join(language.code())) else { continue };
            let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            files.sort();
            for file in files {
                let ending = file.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
                let prompt = file.file_stem().and_then(|stem| stem.to_str());
                let (Some(ending), Some(prompt)) = (ending, prompt) else { continue };
                if !ENDINGS.contains(&ending.as_str()) {
                    continue;
                }
                match read(&file) {
                    Ok(samples) => {
                        found += 1;
                        self.sounds.insert((format!("{line}/{prompt}"), language), samples);
                    }
                    Err(error) => problems.push(error),
                }
            }
        }
        (found, problems)
    }

    /// The recording of a prompt, 8 kHz.
    pub fn get(&self, name: &str, language: Language) -> Option<Arc<[i16]>> {
        self.sounds.get(&(name.to_owned(), language)).cloned()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sounds.len()
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.sounds.is_empty()
    }
}

/// One file as samples of the line.
pub fn read(file: &Path) -> Result<Arc<[i16]>, SynthesiserError> {
    let (samples, rate) = decode(file)?;
    let narrow = resample_all_f32(&samples, rate, RATE_HZ).map_err(|error| problem(file, error))?;
    let samples = level(&narrow);
    if samples.is_empty() {
        return Err(problem(file, "it holds nothing but silence"));
    }
    Ok(samples.into())
}

/// One file as mono samples of -1 to 1 at its own rate.
pub fn decode(file: &Path) -> Result<(Vec<f32>, u32), SynthesiserError> {
    let told = |error: Error| problem(file, error);
    let opened = std::fs::File::open(file).map_err(|error| problem(file, error))?;
    if opened.metadata().is_ok_and(|m| m.len() > MOST_BYTES) {
        return Err(problem(file, format_args!("larger than {} MiB", MOST_BYTES >> 20)));
    }
    let source = MediaSourceStream::new(Box::new(opened), Default::default());
    let mut hint = Hint::new();
    if let Some(ending) = file.extension().and_then(|e| e.to_str()) {
        hint.with_extension(ending);
    }
    let (format_options, meta_options) = (FormatOptions::default(), MetadataOptions::default());
    let mut format =
        symphonia::default::get_probe().probe(&hint, source, format_options, meta_options).map_err(told)?;
    let track = format.default_track(TrackType::Audio).ok_or_else(|| problem(file, "no audio in it"))?;
    let parameters = track.codec_params.as_ref().and_then(|p| p.audio());
    let parameters = parameters.ok_or_else(|| problem(file, "no audio in it"))?;
    let (id, options) = (track.id, AudioDecoderOptions::default());
    let mut decoder = symphonia::default::get_codecs().make_audio_decoder(parameters, &options).map_err(told)?;
    let (mut mono, mut rate, mut interleaved) = (Vec::new(), 0, Vec::<f32>::new());
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(error) => return Err(told(error)),
        };
        if packet.track_id != id {
            continue;
        }
        let audio = decoder.decode(&packet).map_err(told)?;
        let channels = audio.spec().channels().count().max(1);
        rate = audio.spec().rate();
        audio.copy_to_vec_interleaved(&mut interleaved);
        mono.extend(interleaved.chunks(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32));
        if mono.len() > MOST_SECONDS * rate as usize {
            return Err(problem(file, format_args!("longer than {MOST_SECONDS} s")));
        }
    }
    if rate == 0 {
        return Err(problem(file, "no audio in it"));
    }
    Ok((mono, rate))
}

fn problem(file: &Path, what: impl std::fmt::Display) -> SynthesiserError {
    SynthesiserError::Recording { file: file.display().to_string(), what: what.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::loudness;
    use crate::audio::wav::{Encoding, WavFormat};

    fn write_stereo_tone(file: &Path, rate: u32, seconds: f32) {
        let format = WavFormat { encoding: Encoding::Pcm16, channels: 2, sample_rate_hz: rate };
        let frames = (rate as f32 * seconds) as u32;
        let mut bytes = format.header(u64::from(frames) * 4);
        for n in 0..frames {
            let sample = ((n as f32 * 440.0 * std::f32::consts::TAU / rate as f32).sin() * 3000.0) as i16;
            bytes.extend(sample.to_le_bytes().repeat(2));
        }
        std::fs::write(file, bytes).unwrap();
    }

    #[test]
    fn a_lines_prompts_are_found_by_name_and_language_and_bad_files_are_named() {
        let folder = std::env::temp_dir().join(format!("tingwa-recorded-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("yue")).unwrap();
        std::fs::create_dir_all(folder.join("eng")).unwrap();
        write_stereo_tone(&folder.join("yue/welcome.wav"), 44_100, 1.5);
        write_stereo_tone(&folder.join("eng/welcome.WAV"), 16_000, 1.0);
        std::fs::write(folder.join("eng/broken.mp3"), b"no sound at all").unwrap();
        std::fs::write(folder.join("eng/notes.txt"), b"not a recording").unwrap();
        let mut recordings = Recordings::default();
        let (found, problems) = recordings.load("bank", &folder);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!((found, recordings.len()), (2, 2));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].to_string().contains("broken.mp3"), "{}", problems[0]);
        let welcome = recordings.get("bank/welcome", Language::Cantonese).unwrap();
        assert!((11_900..=12_100).contains(&welcome.len()), "{} samples", welcome.len());
        assert!((loudness::dbfs(&welcome) + 20.0).abs() < 1.0);
        assert!(recordings.get("bank/welcome", Language::English).is_some());
        assert!(recordings.get("bank/welcome", Language::Mandarin).is_none());
        assert!(recordings.get("shop/welcome", Language::English).is_none());
    }
}
