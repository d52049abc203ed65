//! sherpa-onnx's recogniser of whole utterances, by its C interface: the safe crate drops the language, emotion and event
//! that SenseVoice tells. All `unsafe` of this adapter is here.
//!
//! Is not: a choice of engine (see [`super::offline`]).

use std::ffi::{CStr, CString, c_char};
use std::ptr::NonNull;

use serde::Deserialize;
use sherpa_onnx_sys as sys;

/// Rate of the samples, Hz.
const RATE_HZ: i32 = 16_000;

/// Which files an engine wants, as text; what is `None` it does not want.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    pub(super) tokens: Option<String>,
    pub(super) sense_voice: Option<String>,
    pub(super) wenet_ctc: Option<String>,
    pub(super) nemo_ctc: Option<String>,
    pub(super) paraformer: Option<String>,
    pub(super) fire_red: Option<[String; 2]>,
    pub(super) whisper: Option<[String; 2]>,
    pub(super) transducer: Option<[String; 3]>,
    pub(super) qwen3: Option<[String; 4]>,
    pub(super) zipformer_ctc: Option<String>,
    /// What the tokens are and, for pieces of words, their file: for a transducer that takes hot words.
    pub(super) hot_words: Option<(&'static str, Option<String>)>,
}

/// What the library says of an utterance.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    pub(super) text: String,
    #[serde(default)]
    pub(super) lang: String,
    #[serde(default)]
    pub(super) emotion: String,
    #[serde(default)]
    pub(super) event: String,
}

/// A loaded model. Stays on the thread that loaded it.
pub(super) struct Native {
    recogniser: NonNull<sys::OfflineRecognizer>,
}

/// Strings that must outlive the call that they are given to.
#[derive(Default)]
struct Strings(Vec<CString>);

impl Strings {
    fn keep(&mut self, text: &str) -> *const c_char {
        // A path with a zero byte is no path; the library then misses its file and refuses.
        let text = CString::new(text).unwrap_or_default();
        let pointer = text.as_ptr();
        self.0.push(text);
        pointer
    }

    fn keep_option(&mut self, text: Option<&String>) -> *const c_char {
        text.map_or(std::ptr::null(), |text| self.keep(text))
    }
}

impl Native {
    /// Loads the model; `None` where the library refuses it. A bad file may end this process.
    pub(super) fn load(files: &Files) -> Option<Self> {
        let mut strings = Strings::default();
        // SAFETY: the configuration is plain data of numbers and pointers, for which all zeros is a valid value ("not set").
        let mut config: sys::OfflineRecognizerConfig = unsafe { std::mem::zeroed() };
        config.feat_config.sample_rate = RATE_HZ;
        config.feat_config.feature_dim = 80;
        config.decoding_method = strings.keep("greedy_search");
        if let Some((unit, pieces)) = &files.hot_words {
            config.decoding_method = strings.keep("modified_beam_search");
            config.max_active_paths = 4;
            config.model_config.modeling_unit = strings.keep(unit);
            config.model_config.bpe_vocab = strings.keep_option(pieces.as_ref());
        }
        let model = &mut config.model_config;
        model.num_threads = 1;
        model.provider = strings.keep("cpu");
        model.tokens = strings.keep_option(files.tokens.as_ref());
        model.sense_voice.model = strings.keep_option(files.sense_voice.as_ref());
        model.sense_voice.language = strings.keep("auto");
        model.wenet_ctc.model = strings.keep_option(files.wenet_ctc.as_ref());
        model.nemo_ctc.model = strings.keep_option(files.nemo_ctc.as_ref());
        model.zipformer_ctc.model = strings.keep_option(files.zipformer_ctc.as_ref());
        model.paraformer.model = strings.keep_option(files.paraformer.as_ref());
        if let Some([encoder, decoder]) = &files.fire_red {
            (model.fire_red_asr.encoder, model.fire_red_asr.decoder) = (strings.keep(encoder), strings.keep(decoder));
        }
        if let Some([encoder, decoder]) = &files.whisper {
            (model.whisper.encoder, model.whisper.decoder) = (strings.keep(encoder), strings.keep(decoder));
            (model.whisper.task, model.whisper.tail_paddings) = (strings.keep("transcribe"), -1);
        }
        if let Some([encoder, decoder, joiner]) = &files.transducer {
            model.transducer.encoder = strings.keep(encoder);
            model.transducer.decoder = strings.keep(decoder);
            model.transducer.joiner = strings.keep(joiner);
        }
        if let Some([frontend, encoder, decoder, tokenizer]) = &files.qwen3 {
            let qwen3 = &mut model.qwen3_asr;
            (qwen3.conv_frontend, qwen3.encoder) = (strings.keep(frontend), strings.keep(encoder));
            (qwen3.decoder, qwen3.tokenizer) = (strings.keep(decoder), strings.keep(tokenizer));
            (qwen3.max_total_len, qwen3.max_new_tokens, qwen3.seed) = (512, 128, 42);
            (qwen3.temperature, qwen3.top_p) = (1e-6, 0.8);
        }
        // SAFETY: all pointers of the configuration are null or point into `strings`, which lives to the end of this call; the
        // library copies what it keeps.
        let recogniser = unsafe { sys::SherpaOnnxCreateOfflineRecognizer(&raw const config) };
        NonNull::new(recogniser.cast_mut()).map(|recogniser| Self { recogniser })
    }

    /// What is said in each of these (16 kHz, -1 to 1), in one batch. Hot words only for a model that was loaded for them:
    /// others end the process.
    pub(super) fn hear<'a>(&self, utterances: impl Iterator<Item = (&'a [f32], Option<CString>)>) -> Vec<Answer> {
        let streams: Vec<Option<Stream>> =
            utterances.map(|(samples, words)| self.stream(samples, words.as_deref())).collect();
        let batch: Vec<*const sys::OfflineStream> =
            streams.iter().flatten().map(|stream| stream.0.as_ptr().cast_const()).collect();
        let count = i32::try_from(batch.len()).unwrap_or(0);
        if count > 0 {
            // SAFETY: recogniser and streams are alive and used by this thread only; `batch` holds `count` of them.
            unsafe {
                sys::SherpaOnnxDecodeMultipleOfflineStreams(self.recogniser.as_ptr(), batch.as_ptr(), count);
            }
        }
        streams.iter().map(|stream| stream.as_ref().map(Stream::answer).unwrap_or_default()).collect()
    }

    fn stream(&self, samples: &[f32], hot_words: Option<&CStr>) -> Option<Stream> {
        let count = i32::try_from(samples.len()).ok()?;
        let recogniser = self.recogniser.as_ptr();
        // SAFETY: the recogniser is alive; the library copies the words and the `count` samples.
        unsafe {
            let stream = match hot_words {
                Some(words) => sys::SherpaOnnxCreateOfflineStreamWithHotwords(recogniser, words.as_ptr()),
                None => sys::SherpaOnnxCreateOfflineStream(recogniser),
            };
            let stream = Stream(NonNull::new(stream.cast_mut())?);
            sys::SherpaOnnxAcceptWaveformOffline(stream.0.as_ptr(), RATE_HZ, samples.as_ptr(), count);
            Some(stream)
        }
    }
}

/// One utterance within the library.
struct Stream(NonNull<sys::OfflineStream>);

impl Stream {
    fn answer(&self) -> Answer {
        // SAFETY: the stream is alive; the text is read before it is given back.
        unsafe {
            let text = sys::SherpaOnnxGetOfflineStreamResultAsJson(self.0.as_ptr());
            if text.is_null() {
                return Answer::default();
            }
            let answer = serde_json::from_slice(CStr::from_ptr(text).to_bytes()).unwrap_or_default();
            sys::SherpaOnnxDestroyOfflineStreamResultJson(text);
            answer
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: made by the library, and nothing else holds it.
        unsafe { sys::SherpaOnnxDestroyOfflineStream(self.0.as_ptr()) };
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        // SAFETY: made by the library, and nothing else holds it.
        unsafe { sys::SherpaOnnxDestroyOfflineRecognizer(self.recogniser.as_ptr()) };
    }
}
