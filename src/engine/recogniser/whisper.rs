//! Whisper by whisper.cpp (cargo feature `whisper`): an engine of whole utterances for machines with time to spare. On processors a
//! turbo model takes seconds for an utterance of three: sherpa-onnx's SenseVoice takes a tenth of that.
//!
//! What whisper-rs 0.16 gets wrong is gone round: its safe abort callback never fires (an own one is set), its setters of language and
//! prompt leak at every call (language is set once, the prompt goes in as tokens), `tokenize` writes past its buffer's end where the
//! text has more tokens than it was given room for (it is given room for all). Its voice activity model is not used: it forgets at every
//! call. ggml's threads spin at barriers, so there is one; more utterances at once are more `second_pass_threads`.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperState};

use super::whole::{Utterance, WholeUtterances};
use super::{Heard, RecogniserError, text};
use crate::engine::manifest::{Model, Role};
use crate::speech::{Bias, Language, SpeechTags};

/// Its name in the manifest.
pub const ENGINE: &str = "whisper-cpp";

/// Vocabularies of fewer tokens than this have no token for Cantonese (large-v3 and its turbo have one).
const VOCABULARY_WITH_CANTONESE: c_int = 51_866;
/// Positions of the encoder a second of audio.
const POSITIONS_A_SECOND: usize = 50;
/// Fewer positions than this make it repeat itself.
const FEWEST_POSITIONS: usize = 192;
/// Most tokens of hot words before an utterance.
const PROMPT: usize = 200;
/// Tokens that a second of speech may have: what is more is a loop.
const TOKENS_A_SECOND: usize = 12;
/// From this probability of no speech on, a piece is no speech.
const NO_SPEECH: f32 = 0.6;

/// A loaded model with room for one utterance. Stays on the thread that loaded it.
pub struct WhisperRecogniser {
    context: WhisperContext,
    state: WhisperState,
    /// What holds for all utterances.
    params: FullParams<'static, 'static>,
    knows_cantonese: bool,
}

impl WhisperRecogniser {
    /// Checks the model's file against the manifest and loads it.
    pub fn load(model: &Model) -> Result<Self, RecogniserError> {
        model.verify()?;
        // Its stories go nowhere instead of standard error.
        whisper_rs::install_logging_hooks();
        let refused = |_| RecogniserError::Refused(model.id.clone());
        let mut how = WhisperContextParameters::default();
        how.use_gpu(false);
        let context = WhisperContext::new_with_params(model.file(Role::Model)?, how).map_err(refused)?;
        let state = context.create_state().map_err(refused)?;
        let knows_cantonese = context.n_vocab() >= VOCABULARY_WITH_CANTONESE;
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        params.set_n_threads(1);
        // Leaks a few bytes for each model, not for each utterance.
        params.set_language(language_code(&model.languages, knows_cantonese));
        params.set_no_context(true);
        params.set_single_segment(true);
        params.set_no_timestamps(true);
        params.set_suppress_nst(true);
        // Without it a hard utterance is tried again up to five times.
        params.set_temperature_inc(0.0);
        params.set_print_progress(false);
        params.set_print_realtime(false);
        params.set_print_special(false);
        params.set_print_timestamps(false);
        Ok(Self { context, state, params, knows_cantonese })
    }

    fn hear_one(&mut self, utterance: &Utterance) -> Heard {
        let prompt = self.prompt(&utterance.bias);
        let mut params: FullParams<'static, '_> = self.params.clone();
        params.set_tokens(&prompt);
        params.set_audio_ctx(positions(utterance.samples.len(), self.context.n_audio_ctx()));
        let seconds = utterance.samples.len().div_ceil(16_000);
        params.set_max_tokens(c_int::try_from(16 + seconds * TOKENS_A_SECOND).unwrap_or(c_int::MAX));
        let void: *const AtomicBool = &raw const **utterance.void();
        // SAFETY: `stop` reads the flag that `void` points at, which the utterance keeps alive until `full` is back.
        unsafe {
            params.set_abort_callback(Some(stop));
            params.set_abort_callback_user_data(void.cast_mut().cast());
        }
        match self.state.full(params, &utterance.samples) {
            Ok(()) => self.read(),
            Err(error) => {
                if !utterance.is_void() {
                    tracing::warn!(%error, "whisper did not work an utterance through");
                }
                Heard::nothing()
            }
        }
    }

    /// Hot words as the beginning of what was said before.
    fn prompt(&self, bias: &Bias) -> Vec<c_int> {
        let words: Vec<&str> = bias.hot_words.iter().map(|(word, _)| word.as_str()).collect();
        let words = words.join(", ").replace('\0', "");
        if words.is_empty() {
            return Vec::new();
        }
        // A token is at least a byte, so there is room for all.
        let mut tokens = self.context.tokenize(&words, words.len() + 1).unwrap_or_default();
        tokens.truncate(PROMPT);
        tokens
    }

    fn read(&self) -> Heard {
        let (mut raw, mut sum, mut count) = (String::new(), 0.0, 0);
        let end = self.context.token_eot();
        for segment in self.state.as_iter().filter(|segment| segment.no_speech_probability() < NO_SPEECH) {
            raw.push_str(&segment.to_str_lossy().unwrap_or_default());
            let tokens = (0..segment.n_tokens()).filter_map(|at| segment.get_token(at));
            for token in tokens.filter(|token| token.token_id() < end) {
                sum += token.token_probability();
                count += 1;
            }
        }
        let text = text::tidy(&raw);
        if text.is_empty() {
            return Heard::nothing();
        }
        let confidence = if count > 0 { (sum / count as f32).clamp(0.0, 1.0) } else { 1.0 };
        let named = whisper_rs::get_lang_str(self.state.full_lang_id_from_state()).and_then(|code| match code {
            "yue" => Some(Language::Cantonese),
            // A vocabulary without Cantonese calls it Chinese.
            "zh" if self.knows_cantonese => Some(Language::Mandarin),
            "en" => Some(Language::English),
            _ => None,
        });
        Heard { language: named.or_else(|| text::language_of(&text)), text, confidence, tags: SpeechTags::default() }
    }
}

impl WholeUtterances for WhisperRecogniser {
    fn hear(&mut self, utterances: &[Utterance]) -> Vec<Heard> {
        utterances.iter().map(|utterance| self.hear_one(utterance)).collect()
    }
}

/// Asked by whisper.cpp before each computation: true stops it.
unsafe extern "C" fn stop(void: *mut c_void) -> bool {
    // SAFETY: `hear_one` gives the address of a flag that lives until whisper.cpp is back.
    unsafe { &*void.cast_const().cast::<AtomicBool>() }.load(Ordering::Acquire)
}

/// The one language of a model; `None` has each utterance's found out, for which it is encoded twice.
fn language_code(languages: &[Language], knows_cantonese: bool) -> Option<&'static str> {
    match languages {
        [Language::Cantonese] if knows_cantonese => Some("yue"),
        [Language::Cantonese | Language::Mandarin] => Some("zh"),
        [Language::English] => Some("en"),
        _ => None,
    }
}

/// Positions of the encoder for so many samples: half as many again as they need, 0 for all that there are.
fn positions(samples: usize, all: c_int) -> c_int {
    let needed = (samples * POSITIONS_A_SECOND).div_ceil(16_000) * 3 / 2;
    let wanted = c_int::try_from(needed.max(FEWEST_POSITIONS)).unwrap_or(c_int::MAX);
    if wanted >= all { 0 } else { wanted }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::test_speech;

    #[test]
    fn the_encoder_is_as_long_as_the_utterance() {
        let rows = [(1_600, 192), (3 * 16_000, 225), (8 * 16_000, 600), (25 * 16_000, 0), (30 * 16_000, 0)];
        for (samples, want) in rows {
            assert_eq!(positions(samples, 1_500), want, "{samples} samples");
        }
    }

    #[test]
    fn cantonese_is_asked_for_where_the_model_has_it() {
        assert_eq!(language_code(&[Language::Cantonese], true), Some("yue"));
        assert_eq!(language_code(&[Language::Cantonese], false), Some("zh"));
        assert_eq!(language_code(&[Language::English], true), Some("en"));
        assert_eq!(language_code(&Language::ALL, true), None);
    }

    /// The real library and graph, with a network of zeros (`tests/data/models/make.py`): it works utterances through and stops
    /// where nobody waits.
    #[test]
    fn whisper_works_an_utterance_through_and_stops_where_nobody_waits() {
        let mut whisper = WhisperRecogniser::load(&test_speech::constant("whisper-cpp")).unwrap();
        assert!(whisper.knows_cantonese);
        let hot_words = (0..600).map(|n| (format!("word {n}"), 1.0)).collect();
        let bias = Arc::new(Bias { hot_words, ..Bias::default() });
        assert_eq!(whisper.prompt(&bias).len(), PROMPT);
        assert_eq!(whisper.prompt(&Bias::default()), Vec::<c_int>::new());
        let void = Arc::new(AtomicBool::new(false));
        let utterances = [
            Utterance::new(vec![0.0; 32_000], bias.clone(), void.clone()),
            Utterance::new(vec![0.1; 16_000], Arc::default(), void.clone()),
        ];
        assert_eq!(whisper.hear(&utterances).len(), 2);
        assert!(whisper.state.full_n_segments() >= 0);
        let mut params = whisper.params.clone();
        void.store(true, Ordering::Release);
        // SAFETY: as in `hear_one`; the flag lives to the end of the test.
        unsafe {
            params.set_abort_callback(Some(stop));
            params.set_abort_callback_user_data(Arc::as_ptr(&void).cast_mut().cast());
        }
        assert!(whisper.state.full(params, &utterances[0].samples).is_err(), "stopped");
        assert_eq!(whisper.hear(&utterances[..1]), [Heard::nothing()]);
    }
}
