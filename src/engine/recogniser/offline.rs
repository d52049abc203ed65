//! Engines that know whole utterances only (SenseVoice, WenetSpeech-Yue, Whisper, Qwen3-ASR, FireRedASR ..), by sherpa-onnx,
//! several utterances in one batch.

use std::ffi::CString;

use super::hot_words::HotWords;
use super::native::{Answer, Files, Native};
use super::whole::{Utterance, WholeUtterances};
use super::{Heard, RecogniserError, text};
use crate::engine::manifest::{Model, Role};
use crate::speech::{Emotion, Language, SoundEvent, SpeechTags};

/// Engines of the manifest that this adapter loads.
pub const ENGINES: &str = "sherpa-sense-voice, sherpa-wenet-ctc, sherpa-whisper, sherpa-qwen3-asr, sherpa-fire-red-asr, \
                           sherpa-offline-paraformer, sherpa-offline-nemo-ctc, sherpa-offline-zipformer-ctc, \
                           sherpa-offline-transducer";

/// A loaded model. Stays on the thread that loaded it.
pub struct OfflineRecogniser {
    native: Native,
    hot_words: Option<HotWords>,
}

impl OfflineRecogniser {
    /// Checks the model's files against the manifest and loads it.
    pub fn load(model: &Model) -> Result<Self, RecogniserError> {
        model.verify()?;
        let mut files = files(model)?;
        let hot_words = if files.transducer.is_some() { HotWords::of(model)? } else { None };
        files.hot_words = hot_words
            .as_ref()
            .map(|words| (words.unit(), words.pieces.as_ref().map(|path| path.to_string_lossy().into_owned())));
        let native = Native::load(&files).ok_or_else(|| RecogniserError::Refused(model.id.clone()))?;
        Ok(Self { native, hot_words })
    }
}

fn files(model: &Model) -> Result<Files, RecogniserError> {
    let file = |role: Role| model.file(role).map(|path| path.to_string_lossy().into_owned());
    let mut files = Files::default();
    match model.engine.as_str() {
        "sherpa-sense-voice" => files.sense_voice = Some(file(Role::Model)?),
        "sherpa-wenet-ctc" => files.wenet_ctc = Some(file(Role::Model)?),
        "sherpa-offline-nemo-ctc" => files.nemo_ctc = Some(file(Role::Model)?),
        "sherpa-offline-zipformer-ctc" => files.zipformer_ctc = Some(file(Role::Model)?),
        "sherpa-offline-paraformer" => files.paraformer = Some(file(Role::Model)?),
        "sherpa-fire-red-asr" => files.fire_red = Some([file(Role::Encoder)?, file(Role::Decoder)?]),
        "sherpa-whisper" => files.whisper = Some([file(Role::Encoder)?, file(Role::Decoder)?]),
        "sherpa-offline-transducer" => {
            files.transducer = Some([file(Role::Encoder)?, file(Role::Decoder)?, file(Role::Joiner)?]);
        }
        "sherpa-qwen3-asr" => {
            let tokenizer = model.folder_of(Role::Tokenizer)?.to_string_lossy().into_owned();
            files.qwen3 = Some([file(Role::ConvFrontend)?, file(Role::Encoder)?, file(Role::Decoder)?, tokenizer]);
        }
        other => {
            let (model, engine) = (model.id.clone(), other.to_owned());
            return Err(RecogniserError::UnknownEngine { model, engine, known: ENGINES.to_owned() });
        }
    }
    if model.engine != "sherpa-qwen3-asr" {
        files.tokens = Some(file(Role::Tokens)?);
    }
    Ok(files)
}

impl WholeUtterances for OfflineRecogniser {
    fn hear(&mut self, utterances: &[Utterance]) -> Vec<Heard> {
        let each = utterances.iter().map(|utterance| {
            let words = self.hot_words.as_ref().and_then(|words| words.line(&utterance.bias));
            (&utterance.samples[..], words.and_then(|words| CString::new(words).ok()))
        });
        self.native.hear(each).iter().map(heard).collect()
    }
}

/// An answer as the rest of the house has it. Tags come as fields, or as `<|yue|>` in the text.
fn heard(answer: &Answer) -> Heard {
    let (mut raw, mut names) = (String::new(), vec![tag(&answer.lang), tag(&answer.emotion), tag(&answer.event)]);
    let mut rest = answer.text.as_str();
    while let Some((before, after)) = rest.split_once("<|") {
        raw.push_str(before);
        let Some((name, more)) = after.split_once("|>") else {
            rest = "";
            break;
        };
        names.push(name);
        rest = more;
    }
    raw.push_str(rest);
    let text = text::tidy(&raw);
    let named = names.iter().find_map(|name| language(name));
    let tags = SpeechTags {
        emotion: names.iter().find_map(|name| emotion(name)),
        event: names.iter().find_map(|name| event(name)),
    };
    Heard { language: named.or_else(|| text::language_of(&text)), text, confidence: 1.0, tags }
}

fn tag(text: &str) -> &str {
    text.trim().trim_start_matches("<|").trim_end_matches("|>")
}

fn language(name: &str) -> Option<Language> {
    match name {
        "yue" => Some(Language::Cantonese),
        "zh" => Some(Language::Mandarin),
        "en" => Some(Language::English),
        _ => None,
    }
}

fn emotion(name: &str) -> Option<Emotion> {
    Some(match name {
        "NEUTRAL" => Emotion::Neutral,
        "HAPPY" => Emotion::Happy,
        "SAD" => Emotion::Sad,
        "ANGRY" => Emotion::Angry,
        "FEARFUL" => Emotion::Fearful,
        "DISGUSTED" => Emotion::Disgusted,
        "SURPRISED" => Emotion::Surprised,
        _ => return None,
    })
}

fn event(name: &str) -> Option<SoundEvent> {
    Some(match name {
        "Speech" => SoundEvent::Speech,
        "BGM" => SoundEvent::Music,
        "Applause" => SoundEvent::Applause,
        "Laughter" => SoundEvent::Laughter,
        "Cry" => SoundEvent::Crying,
        "Sneeze" => SoundEvent::Sneezing,
        "Breath" => SoundEvent::Breathing,
        "Cough" => SoundEvent::Coughing,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::test_speech;
    use crate::speech::Bias;

    #[test]
    fn tags_are_read_where_they_stand() {
        let inline = |text: &str| heard(&Answer { text: text.to_owned(), ..Answer::default() });
        let found = inline("<|zh|><|HAPPY|><|BGM|><|woitn|>你好");
        assert_eq!((found.text.as_str(), found.language), ("你好", Some(Language::Mandarin)));
        assert_eq!(found.tags, SpeechTags { emotion: Some(Emotion::Happy), event: Some(SoundEvent::Music) });
        let found = inline("<|EMO_UNKNOWN|>hello <|broken");
        assert_eq!((found.text.as_str(), found.tags), ("hello", SpeechTags::default()));
        let fields = Answer { lang: "<|en|>".to_owned(), emotion: "SAD".to_owned(), ..Answer::default() };
        assert_eq!(heard(&fields).language, Some(Language::English));
        assert_eq!(heard(&fields).tags.emotion, Some(Emotion::Sad));
    }

    fn constant(interface: &str) -> OfflineRecogniser {
        OfflineRecogniser::load(&test_speech::constant(interface)).unwrap()
    }

    fn silence(frames: usize) -> Utterance {
        Utterance::new(vec![0.0; frames * 320], Arc::default(), Arc::default())
    }

    /// The interfaces, by networks that say the same whatever they hear (`tests/data/models/make.py`).
    #[test]
    fn every_offline_interface_says_what_its_network_says() {
        for interface in ["wenet-ctc", "nemo-ctc", "zipformer-ctc", "paraformer", "fire-red", "whisper"] {
            let heard = constant(interface).hear(&[silence(60), silence(90)]);
            let texts: Vec<_> = heard.iter().map(|heard| (heard.text.as_str(), heard.language)).collect();
            assert_eq!(texts, [("好多謝", Some(Language::Cantonese)); 2], "{interface}");
        }
    }

    #[test]
    fn each_hotline_has_its_own_hot_words_in_one_batch() {
        let hot_words = vec![("多謝".to_owned(), 1.0)];
        let biased = Arc::new(Bias { hot_words, ..Bias::default() });
        let utterances = [silence(60), Utterance::new(vec![0.0; 16_000], biased, Arc::default())];
        let heard = constant("transducer").hear(&utterances);
        assert_eq!(heard.iter().map(|heard| heard.text.as_str()).collect::<Vec<_>>(), ["好多射", "好多謝"]);
    }

    #[test]
    fn sense_voice_tells_language_emotion_and_event() {
        let heard = constant("sense-voice").hear(&[silence(50), silence(80)]);
        assert_eq!(heard.len(), 2);
        for heard in heard {
            assert_eq!((heard.text.as_str(), heard.language), ("好多謝", Some(Language::Cantonese)));
            assert_eq!(heard.tags, SpeechTags { emotion: Some(Emotion::Angry), event: Some(SoundEvent::Speech) });
        }
    }
}
