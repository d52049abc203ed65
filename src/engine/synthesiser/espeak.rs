//! Speech by espeak-ng, run as its own process: text on its standard input, WAV from its standard output. It is the voice
//! that is always there, in all three languages; it sounds like a machine.
//!
//! A process of its own because espeak-ng is GPL and keeps global state. One process a prompt: it starts in a few
//! milliseconds and speaks some hundred times faster than real time. It is killed when cancelled, when it gives no sound
//! for too long, and when the adapter leaves.

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::level::Leveller;
use super::{Cancel, PieceSink, RATE_HZ, Synthesiser, SynthesiserError, Words};
use crate::audio::resample::FileResampler;
use crate::audio::wav::{self, Encoding, WavError};
use crate::engine::manifest::Model;
use crate::speech::Language;

/// Most characters of one prompt.
pub const MOST_CHARACTERS: usize = 2000;
/// Bytes read at once: 93 ms at 22050 Hz.
const PIECE_BYTES: usize = 4096;
/// Most sound of one prompt: 3 min. More is a runaway.
const MOST_BYTES: u64 = 22_050 * 2 * 180;
/// A header that is longer is none.
const MOST_HEADER: usize = 8192;
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One language's voice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspeakVoice {
    /// espeak-ng's name, e.g. `yue`.
    pub name: String,
    /// Words a minute, 80 to 450.
    pub speed: u16,
    /// 0 to 99.
    pub pitch: u8,
}

/// How espeak-ng is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspeakConfig {
    /// Program, searched in PATH.
    pub program: String,
    /// Voice by language.
    pub voices: Vec<(Language, EspeakVoice)>,
    /// No sound for so long: the process is killed.
    pub time_out: Duration,
}

impl Default for EspeakConfig {
    fn default() -> Self {
        let voice = |name: &str, speed| EspeakVoice { name: name.to_owned(), speed, pitch: 50 };
        Self {
            program: "espeak-ng".to_owned(),
            // The default of 175 is slow for Mandarin: 9.5 s where Cantonese takes 5.5 s.
            voices: vec![
                (Language::Cantonese, voice("yue", 165)),
                (Language::Mandarin, voice("cmn-latn-pinyin", 200)),
                (Language::English, voice("en-gb", 160)),
            ],
            time_out: Duration::from_secs(2),
        }
    }
}

impl EspeakConfig {
    /// The defaults with the voices of a manifest entry.
    pub fn of(model: &Model) -> Self {
        let mut config = Self::default();
        for (language, name) in &model.voices {
            if let Some((_, voice)) = config.voices.iter_mut().find(|(of, _)| of == language) {
                voice.name.clone_from(name);
            }
        }
        config
    }
}

/// The adapter. Shared by all synthesiser threads.
#[derive(Debug)]
pub struct Espeak {
    config: EspeakConfig,
    version: String,
}

impl Espeak {
    /// Asks the program for its version, and so whether it is there.
    pub fn find(config: EspeakConfig) -> Result<Self, SynthesiserError> {
        let asked = Command::new(&config.program).arg("--version").stdin(Stdio::null()).output();
        let not_there = |error| SynthesiserError::NotThere { program: config.program.clone(), error };
        let text = String::from_utf8_lossy(&asked.map_err(not_there)?.stdout).into_owned();
        let version =
            text.split_whitespace().find(|w| w.starts_with(|c: char| c.is_ascii_digit())).unwrap_or("unknown");
        Ok(Self { version: version.to_owned(), config })
    }

    fn voice(&self, language: Language) -> Option<&EspeakVoice> {
        self.config.voices.iter().find(|(of, _)| *of == language).map(|(_, voice)| voice)
    }

    fn start(&self, words: Words<'_>) -> Result<Running, SynthesiserError> {
        let mut command = Command::new(&self.config.program);
        command.args(["--stdin", "--stdout", "-b", "1", "-z"]);
        if let Some(voice) = self.voice(words.language) {
            let (speed, pitch) = (voice.speed.to_string(), voice.pitch.to_string());
            command.args(["-v", &voice.name, "-s", &speed, "-p", &pitch]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let program = self.config.program.clone();
        let not_there = |error| SynthesiserError::NotThere { program: program.clone(), error };
        let mut running = Running { child: command.spawn().map_err(not_there)?, program: program.clone() };
        if let Some(mut input) = running.child.stdin.take() {
            // The text is far smaller than a pipe holds, so this does not wait; closing it is what makes espeak begin.
            match input.write_all(plain(words.text).as_bytes()) {
                // It ended without reading: how, its status tells.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
                written => written.map_err(|error| running.pipe(error))?,
            }
        }
        Ok(running)
    }
}

/// Text as espeak-ng must get it: `[[` would begin phonemes.
fn plain(text: &str) -> String {
    let mut text = text.replace("[[", " ").replace("]]", " ");
    text.retain(|c| !c.is_control() || c == '\n');
    text.push('\n');
    text
}

impl Synthesiser for Espeak {
    fn fingerprint(&self, language: Language) -> String {
        match self.voice(language) {
            Some(EspeakVoice { name, speed, pitch }) => {
                format!("espeak-ng {} {name} {speed} {pitch} {}", self.version, super::level::TARGET_DBFS)
            }
            None => format!("espeak-ng {}", self.version),
        }
    }

    fn speak(&self, words: Words<'_>, cancel: &Cancel, sink: &mut PieceSink<'_>) -> Result<(), SynthesiserError> {
        let characters = words.text.chars().count();
        if characters > MOST_CHARACTERS {
            return Err(SynthesiserError::TooLong { characters, limit: MOST_CHARACTERS });
        }
        let mut running = self.start(words)?;
        let mut wav = WavStream::default();
        let mut line: Option<FileResampler> = None;
        let mut narrow = Vec::new();
        let mut leveller = Leveller::default();
        let (mut bytes, mut total) = ([0; PIECE_BYTES], 0);
        loop {
            let Some(read) = running.read(&mut bytes, self.config.time_out, cancel)? else { return Ok(()) };
            total += read as u64;
            if read == 0 || total > MOST_BYTES {
                break;
            }
            let samples = wav.push(&bytes[..read]).map_err(|what| running.not_wav(what))?;
            if samples.is_empty() {
                continue;
            }
            if line.is_none() {
                let made = FileResampler::new(wav.rate_hz, RATE_HZ);
                line = Some(made.map_err(|error| running.not_wav(error.to_string()))?);
            }
            narrow.clear();
            if let Some(line) = line.as_mut() {
                line.push(&samples, &mut narrow);
            }
            let piece = leveller.push(&narrow);
            if !piece.is_empty() && sink(piece.into()).is_break() {
                return Ok(());
            }
        }
        running.end(total)?;
        narrow.clear();
        if let Some(line) = line {
            line.finish(&mut narrow);
        }
        let mut rest = leveller.push(&narrow);
        rest.extend(leveller.finish());
        if !rest.is_empty() {
            // Nothing comes after it, so it is all the same whether the sink wants more.
            let _: ControlFlow<()> = sink(Arc::from(rest));
        }
        Ok(())
    }
}

/// A started process; killed and waited for when dropped.
struct Running {
    child: Child,
    program: String,
}

impl Running {
    /// Next bytes; 0 at the end, `None` when cancelled.
    fn read(
        &mut self,
        bytes: &mut [u8],
        time_out: Duration,
        cancel: &Cancel,
    ) -> Result<Option<usize>, SynthesiserError> {
        let program = self.program.clone();
        let pipe = |error| SynthesiserError::Pipe { program: program.clone(), error };
        let Some(output) = self.child.stdout.as_mut() else { return Ok(Some(0)) };
        let began = Instant::now();
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK_AGAIN.subsec_nanos()) };
        loop {
            if cancel.is_cancelled() {
                return Ok(None);
            }
            match poll(&mut [PollFd::new(output, PollFlags::IN)], Some(&wait)) {
                Ok(0) if began.elapsed() >= time_out => {
                    return Err(SynthesiserError::TimedOut { program, waited: time_out });
                }
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return output.read(bytes).map(Some).map_err(pipe),
                Err(error) => return Err(pipe(error.into())),
            }
        }
    }

    /// Looks at how it ended.
    fn end(&mut self, sound: u64) -> Result<(), SynthesiserError> {
        // Its output is closed: it is on its way out, unless it was cut off for saying too much.
        if sound > MOST_BYTES {
            return Err(self.not_wav("more than 3 min of sound".to_owned()));
        }
        let status = self.child.wait().map_err(|error| self.pipe(error))?;
        if status.success() && sound > 0 {
            return Ok(());
        }
        let message = "no sound; is the voice installed? (`espeak-ng --voices`)".to_owned();
        Err(SynthesiserError::Ended { program: self.program.clone(), status: status.to_string(), message })
    }

    fn pipe(&self, error: std::io::Error) -> SynthesiserError {
        SynthesiserError::Pipe { program: self.program.clone(), error }
    }

    fn not_wav(&self, what: String) -> SynthesiserError {
        SynthesiserError::NotWav { program: self.program.clone(), what }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both only fail where the process is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// WAV that comes in pieces, with a length field that means nothing.
#[derive(Debug, Default)]
struct WavStream {
    header: Vec<u8>,
    rate_hz: u32,
    odd: Option<u8>,
}

impl WavStream {
    /// Samples of -1 to 1 of the next bytes.
    fn push(&mut self, piece: &[u8]) -> Result<Vec<f32>, String> {
        let begun;
        let mut bytes = piece;
        if self.rate_hz == 0 {
            self.header.extend_from_slice(piece);
            let Some(start) = self.read_header()? else { return Ok(Vec::new()) };
            begun = std::mem::take(&mut self.header);
            bytes = begun.get(start..).unwrap_or_default();
        }
        let mut samples = Vec::with_capacity(bytes.len() / 2 + 1);
        let mut take = |low: u8, high: u8| samples.push(f32::from(i16::from_le_bytes([low, high])) / 32768.0);
        if let (Some(low), Some((high, rest))) = (self.odd, bytes.split_first()) {
            self.odd = None;
            take(low, *high);
            bytes = rest;
        }
        let pairs = bytes.chunks_exact(2);
        if let [odd] = pairs.remainder() {
            self.odd = Some(*odd);
        }
        pairs.for_each(|pair| take(pair[0], pair[1]));
        Ok(samples)
    }

    /// Where the samples begin, once the header is complete.
    fn read_header(&mut self) -> Result<Option<usize>, String> {
        match wav::parse(&self.header) {
            Ok(wav) if wav.format.channels == 1 && wav.format.encoding == Encoding::Pcm16 => {
                self.rate_hz = wav.format.sample_rate_hz;
                Ok(Some(wav.data_offset as usize))
            }
            Ok(_) => Err("other than one channel of 16 bits".to_owned()),
            Err(WavError::Truncated) if self.header.len() < MOST_HEADER => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::loudness;

    fn espeak() -> Espeak {
        Espeak::find(EspeakConfig::default()).expect("these tests need espeak-ng (Debian: apt-get install espeak-ng)")
    }

    fn say(text: &str, language: Language) -> Vec<i16> {
        let mut all = Vec::new();
        let mut sink = |piece: Arc<[i16]>| {
            all.extend_from_slice(&piece);
            ControlFlow::Continue(())
        };
        espeak().speak(Words { text, language }, &Cancel::default(), &mut sink).unwrap();
        all
    }

    #[test]
    fn speaks_three_languages_at_one_level() {
        let rows = [
            ("多謝你打嚟，請問有咩幫到你？", Language::Cantonese),
            ("您好，请问有什么可以帮您？", Language::Mandarin),
            ("Thank you for calling, how may I help you?", Language::English),
        ];
        for (text, language) in rows {
            let samples = say(text, language);
            let seconds = samples.len() as f32 / RATE_HZ as f32;
            assert!((1.0..6.0).contains(&seconds), "{language}: {seconds} s");
            let dbfs = loudness::dbfs(&samples);
            assert!((-25.0..-18.0).contains(&dbfs), "{language}: {dbfs} dBFS");
            assert!(loudness::dbfs(&samples[..800]) > -40.0, "{language}: begins with silence");
        }
    }

    #[test]
    fn text_is_only_text() {
        let plain_length = say("one two three", Language::English).len();
        let odd = say("-w /tmp/x [[h@l'oU]] one two three", Language::English).len();
        assert!(odd > plain_length, "options and phonemes are read out, not obeyed");
        assert!(say("", Language::English).is_empty());
    }

    #[test]
    fn stops_when_cancelled_and_when_the_sink_has_enough() {
        let text = "a very long sentence that goes on and on ".repeat(40);
        let words = Words { text: &text, language: Language::English };
        let cancel = Cancel::default();
        let mut pieces = 0;
        let mut sink = |_: Arc<[i16]>| {
            pieces += 1;
            cancel.cancel();
            ControlFlow::Continue(())
        };
        espeak().speak(words, &cancel, &mut sink).unwrap();
        assert_eq!(pieces, 1);
        let mut enough = |_: Arc<[i16]>| ControlFlow::Break(());
        espeak().speak(words, &Cancel::default(), &mut enough).unwrap();
    }

    #[test]
    fn says_what_is_wrong() {
        let missing = EspeakConfig { program: "espeak-of-nowhere".to_owned(), ..EspeakConfig::default() };
        let error = Espeak::find(missing).unwrap_err().to_string();
        assert!(error.contains("espeak-of-nowhere") && error.contains("apt-get install espeak-ng"), "{error}");
        let text = "x".repeat(MOST_CHARACTERS + 1);
        let words = Words { text: &text, language: Language::English };
        let error = espeak().speak(words, &Cancel::default(), &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(matches!(error, SynthesiserError::TooLong { characters: 2001, limit: 2000 }), "{error}");
    }

    /// The text is more than a pipe holds, so that the process has surely ended while it is written.
    #[test]
    fn a_process_that_ends_before_it_has_read_tells_its_status() {
        let config = EspeakConfig { program: "false".to_owned(), ..EspeakConfig::default() };
        let espeak = Espeak { config, version: "0".to_owned() };
        let text = "x".repeat(1 << 20);
        let mut running = espeak.start(Words { text: &text, language: Language::English }).unwrap();
        let read = running.read(&mut [0; 16], Duration::from_secs(60), &Cancel::default()).unwrap();
        assert_eq!(read, Some(0));
        let error = running.end(0).unwrap_err();
        assert!(matches!(&error, SynthesiserError::Ended { status, .. } if status.contains('1')), "{error}");
    }

    #[test]
    fn a_process_that_hangs_is_given_up() {
        let child = Command::new("sleep").arg("600").stdout(Stdio::piped()).spawn().unwrap();
        let mut running = Running { child, program: "sleep".to_owned() };
        let waited = Duration::from_millis(1);
        let error = running.read(&mut [0; 16], waited, &Cancel::default()).unwrap_err();
        assert!(matches!(error, SynthesiserError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn reads_wav_cut_anywhere() {
        let mut wav =
            b"RIFF\0\0\0\x7fWAVEfmt \x10\0\0\0\x01\0\x01\0\x22\x56\0\0\x44\xac\0\0\x02\0\x10\0data\0\xf0\xff\x7f"
                .to_vec();
        wav.extend([0, 0x40, 0, 0xc0]);
        for cut in 0..=wav.len() {
            let mut stream = WavStream::default();
            let mut samples = stream.push(&wav[..cut]).unwrap();
            samples.extend(stream.push(&wav[cut..]).unwrap());
            assert_eq!((stream.rate_hz, samples), (22_050, vec![0.5, -0.5]), "cut at {cut}");
        }
        assert!(WavStream::default().push(b"not a wav file at all").is_err());
    }
}
