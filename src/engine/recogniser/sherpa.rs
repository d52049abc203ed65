//! Streaming recognition by sherpa-onnx: NeMo CTC (our small model) and the other streaming families it reads.
//!
//! Its own endpointing stays off (it counts blanks, not silence) and it runs one thread: the batch over calls is the
//! parallelism. A bad model file ends the whole process inside the library, so files are checked against the manifest
//! before they are handed over, and `tingwa models verify` tries them in a child process.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use sherpa_onnx::{OnlineRecognizer, OnlineRecognizerConfig, OnlineStream};

use super::hot_words::HotWords;
use super::{Heard, Recogniser, RecogniserError, RecogniserStream, text};
use crate::audio::frame::{WIDE_FRAME_SAMPLES, WideFrame};
use crate::engine::manifest::{Model, Role};
use crate::speech::{Bias, SpeechTags};

/// Engines of the manifest that this adapter loads.
pub const ENGINES: &str = "sherpa-nemo-ctc, sherpa-zipformer-ctc, sherpa-paraformer, sherpa-transducer";
const RATE_HZ: i32 = 16_000;
/// Silence after the last frame, so that the model's look-ahead and the last chunk are complete: 0.5 s.
static PADDING: [f32; 8000] = [0.0; 8000];

/// Guesses that a search with hot words keeps.
const PATHS: i32 = 4;

/// A model that sherpa-onnx has loaded. Stays on the thread that loaded it.
pub struct SherpaRecogniser {
    native: Rc<OnlineRecognizer>,
    hot_words: Option<HotWords>,
    /// It was said that hot words do not help.
    told: Cell<bool>,
}

impl SherpaRecogniser {
    /// Checks the model's files against the manifest and loads it.
    pub fn load(model: &Model) -> Result<Self, RecogniserError> {
        model.verify()?;
        let mut config = OnlineRecognizerConfig::default();
        let file = |role: Role| model.file(role).map(|path| Some(path_text(&path)));
        let parts = &mut config.model_config;
        match model.engine.as_str() {
            "sherpa-nemo-ctc" => parts.nemo_ctc.model = file(Role::Model)?,
            "sherpa-zipformer-ctc" => parts.zipformer2_ctc.model = file(Role::Model)?,
            "sherpa-paraformer" => {
                parts.paraformer.encoder = file(Role::Encoder)?;
                parts.paraformer.decoder = file(Role::Decoder)?;
            }
            "sherpa-transducer" => {
                parts.transducer.encoder = file(Role::Encoder)?;
                parts.transducer.decoder = file(Role::Decoder)?;
                parts.transducer.joiner = file(Role::Joiner)?;
            }
            other => {
                let (model, engine) = (model.id.clone(), other.to_owned());
                return Err(RecogniserError::UnknownEngine { model, engine, known: ENGINES.to_owned() });
            }
        }
        parts.tokens = file(Role::Tokens)?;
        parts.num_threads = 1;
        config.enable_endpoint = false;
        let hot_words = if model.engine == "sherpa-transducer" { HotWords::of(model)? } else { None };
        config.decoding_method = Some("greedy_search".to_owned());
        if let Some(hot_words) = &hot_words {
            config.decoding_method = Some("modified_beam_search".to_owned());
            config.max_active_paths = PATHS;
            config.model_config.modeling_unit = Some(hot_words.unit().to_owned());
            config.model_config.bpe_vocab = hot_words.pieces.as_deref().map(path_text);
        }
        let native = OnlineRecognizer::create(&config).ok_or_else(|| RecogniserError::Refused(model.id.clone()))?;
        Ok(Self { native: Rc::new(native), hot_words, told: Cell::new(false) })
    }
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl Recogniser for SherpaRecogniser {
    type Stream = SherpaStream;

    fn open(&self, bias: &Arc<Bias>) -> Result<SherpaStream, RecogniserError> {
        let hot_words = self.hot_words.as_ref().and_then(|words| words.line(bias)).map(String::into_boxed_str);
        if self.hot_words.is_none() && !bias.hot_words.is_empty() && !self.told.replace(true) {
            tracing::info!("this recogniser takes no hot words: those of the dialplans do not help it");
        }
        let stream = begin(&self.native, hot_words.as_deref());
        let (native, samples) = (self.native.clone(), [0.0; WIDE_FRAME_SAMPLES]);
        Ok(SherpaStream { native, stream, hot_words, samples, guess: String::new(), fresh: true })
    }

    fn decode(&self, streams: &mut [&mut SherpaStream]) {
        let mut decoded = vec![false; streams.len()];
        loop {
            let is_ready = |s: &&mut SherpaStream| self.native.is_ready(&s.stream);
            let ready: Vec<usize> = (0..streams.len()).filter(|&at| is_ready(&streams[at])).collect();
            if ready.is_empty() {
                break;
            }
            let batch: Vec<&OnlineStream> = ready.iter().map(|&at| &streams[at].stream).collect();
            self.native.decode_multiple_streams(&batch);
            for at in ready {
                decoded[at] = true;
            }
        }
        for (stream, decoded) in streams.iter_mut().zip(decoded) {
            if decoded {
                stream.read();
            }
        }
    }
}

fn begin(native: &OnlineRecognizer, hot_words: Option<&str>) -> OnlineStream {
    hot_words.map_or_else(|| native.create_stream(), |words| native.create_stream_with_hotwords(words))
}

/// One caller.
pub struct SherpaStream {
    native: Rc<OnlineRecognizer>,
    stream: OnlineStream,
    hot_words: Option<Box<str>>,
    samples: [f32; WIDE_FRAME_SAMPLES],
    guess: String,
    fresh: bool,
}

impl SherpaStream {
    fn read(&mut self) {
        if let Some(result) = self.native.get_result(&self.stream) {
            self.guess = text::tidy(&result.text);
        }
    }
}

impl RecogniserStream for SherpaStream {
    fn accept(&mut self, frame: &WideFrame) {
        for (to, from) in self.samples.iter_mut().zip(&frame.0) {
            *to = f32::from(*from) / 32768.0;
        }
        self.stream.accept_waveform(RATE_HZ, &self.samples);
        self.fresh = false;
    }

    fn hypothesis(&self) -> &str {
        &self.guess
    }

    fn finish(&mut self) -> Option<Heard> {
        if !self.fresh {
            self.stream.accept_waveform(RATE_HZ, &PADDING);
            self.stream.set_option("is_final", "1");
            self.stream.input_finished();
            while self.native.is_ready(&self.stream) {
                self.native.decode(&self.stream);
            }
            self.read();
        }
        let text = std::mem::take(&mut self.guess);
        self.reset();
        Some(Heard { language: text::language_of(&text), text, confidence: 1.0, tags: SpeechTags::default() })
    }

    fn reset(&mut self) {
        self.guess.clear();
        if !self.fresh {
            // The library's own reset keeps frames that it has not worked on yet, and after input_finished there is none.
            self.stream = begin(&self.native, self.hot_words.as_deref());
            self.fresh = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::frame::Frame;
    use crate::audio::resample::Upsampler8To16;
    use crate::engine::test_speech;
    use crate::speech::Language;

    /// The small model by its other interface: its units come out, not text.
    fn load() -> SherpaRecogniser {
        let mut model = test_speech::model("tiny-trilingual");
        model.engine = "sherpa-nemo-ctc".to_owned();
        SherpaRecogniser::load(&model).unwrap()
    }

    fn wide(text: &str, language: Language) -> Vec<WideFrame> {
        let mut samples = vec![0; 2400];
        samples.extend(test_speech::say(text, language));
        let mut up = Upsampler8To16::default();
        Frame::split(&samples).map(|frame| up.process(&frame)).collect()
    }

    #[test]
    fn hears_sentences_and_guesses_while_they_are_said() {
        let recogniser = load();
        let rows = [
            ("我想查詢我張單", Language::Cantonese, "y:cy:aa4y:s"),
            ("我想查询我的账单", Language::Mandarin, "m:zhm:ang4m:dm:an1"),
            ("i want to check my bill", Language::English, "e:be:ihe:l"),
        ];
        for (text, language, units) in rows {
            let mut stream = recogniser.open(&Arc::default()).unwrap();
            let mut guesses = 0;
            for frame in wide(text, language) {
                stream.accept(&frame);
                let before = stream.hypothesis().to_owned();
                recogniser.decode(&mut [&mut stream]);
                guesses += usize::from(before != stream.hypothesis());
            }
            let heard = stream.finish().unwrap();
            assert!(heard.text.replace(' ', "").contains(units), "{text}: {}", heard.text);
            assert!(guesses >= 2, "{guesses} guesses");
            assert_eq!(stream.finish().unwrap().text, "", "the next utterance begins empty");
        }
    }

    #[test]
    fn many_callers_in_one_batch_hear_what_each_hears_alone() {
        let recogniser = load();
        let texts = ["i want to check my bill", "i want to speak to an agent", "cancel my plan"];
        let calls: Vec<_> = texts.iter().map(|text| wide(text, Language::English)).collect();
        let alone: Vec<String> = calls
            .iter()
            .map(|frames| {
                let mut stream = recogniser.open(&Arc::default()).unwrap();
                frames.iter().for_each(|frame| stream.accept(frame));
                stream.finish().unwrap().text
            })
            .collect();
        let mut streams: Vec<_> = calls.iter().map(|_| recogniser.open(&Arc::default()).unwrap()).collect();
        for at in 0..calls.iter().map(Vec::len).max().unwrap() {
            for (stream, frames) in streams.iter_mut().zip(&calls) {
                frames.get(at).into_iter().for_each(|frame| stream.accept(frame));
            }
            let mut batch: Vec<_> = streams.iter_mut().collect();
            recogniser.decode(&mut batch);
        }
        let together: Vec<String> = streams.iter_mut().map(|stream| stream.finish().unwrap().text).collect();
        assert_eq!(together, alone);
        assert!(alone.iter().all(|text| !text.is_empty()));
    }

    #[test]
    fn silence_and_a_reset_leave_nothing() {
        let recogniser = load();
        let mut stream = recogniser.open(&Arc::default()).unwrap();
        assert_eq!(
            stream.finish().unwrap(),
            Heard { text: String::new(), language: None, confidence: 1.0, tags: SpeechTags::default() }
        );
        wide("i want to check my bill", Language::English).iter().for_each(|frame| stream.accept(frame));
        recogniser.decode(&mut [&mut stream]);
        assert_ne!(stream.hypothesis(), "");
        stream.reset();
        assert_eq!(stream.hypothesis(), "");
        assert_eq!(stream.finish().unwrap().text, "");
    }

    /// The other interfaces, by networks that say the same whatever they hear (`tests/data/models/make.py`).
    #[test]
    fn every_streaming_interface_says_what_its_network_says() {
        let hot_words = vec![("多謝".to_owned(), 1.0), ("冇呢個字".to_owned(), 1.0)];
        let biased = Arc::new(Bias { hot_words, ..Bias::default() });
        let rows = [
            ("streaming-zipformer-ctc", &Arc::default(), "好多謝"),
            ("streaming-paraformer", &biased, "好多謝"),
            ("streaming-transducer", &Arc::default(), "好多射"),
            ("streaming-transducer", &biased, "好多謝"),
        ];
        for (id, bias, want) in rows {
            let recogniser = SherpaRecogniser::load(&test_speech::constant(id)).unwrap();
            let mut streams: Vec<_> = (0..3).map(|_| recogniser.open(bias).unwrap()).collect();
            for round in 0..2 {
                for _ in 0..75 {
                    streams.iter_mut().for_each(|stream| stream.accept(&WideFrame::SILENCE));
                    recogniser.decode(&mut streams.iter_mut().collect::<Vec<_>>());
                }
                for stream in &mut streams {
                    assert!(want.starts_with(stream.hypothesis()), "{id}: {}", stream.hypothesis());
                    let heard = stream.finish().unwrap();
                    assert_eq!(
                        (heard.text.as_str(), heard.language),
                        (want, Some(Language::Cantonese)),
                        "{id}, {round}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_file_that_is_not_the_manifests_is_never_handed_over() {
        let mut model = test_speech::model("tiny-trilingual");
        model.files[0].sha256 = Some("0".repeat(64));
        assert!(matches!(SherpaRecogniser::load(&model), Err(RecogniserError::Model(_))));
        let mut other = test_speech::model("tiny-trilingual");
        other.engine = "espeak-ng".to_owned();
        assert!(matches!(SherpaRecogniser::load(&other), Err(RecogniserError::UnknownEngine { .. })));
    }
}
