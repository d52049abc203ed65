//! Our own small model: sub-syllable units from a CTC network, words by a search along a lexicon with a language model that
//! leans towards the hotline. Streams with partial results; 240 ms of look-ahead.
//!
//! ```text
//! 20 ms -> features (10 ms) -> network (80 ms, batched over calls) -> beam (40 ms) -> words -> text, language, confidence
//! ```
//! Not here: voice activity and endpointing.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

pub mod beam;
pub mod features;
pub mod language_model;
pub mod lexicon;
pub mod network;
#[cfg(test)]
mod tests;

use beam::{Beam, BeamConfig, Found};
use features::{FeatureStream, Features};
use language_model::{Background, LanguageModel};
use lexicon::{Lexicon, LexiconError, WordId};
use network::{Network, NetworkError, NetworkStream};

use super::{Heard, Recogniser, RecogniserError, RecogniserStream, text};
use crate::audio::frame::WideFrame;
use crate::engine::manifest::{Model, Role};
use crate::speech::{Bias, Language, SpeechTags};

/// The engine's name in the manifest.
pub const ENGINE: &str = "tingwa-ctc";
/// Hotlines whose leaning is kept; one more throws out the oldest.
const LEANINGS: usize = 64;
/// Silence after the last frame, so that look-ahead and last step are complete: 0.5 s.
const PADDING_FRAMES: usize = 25;

/// Why the small model cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CtcError {
    /// A file cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// File.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The lexicon.
    #[error(transparent)]
    Lexicon(#[from] LexiconError),
    /// The phrases.
    #[error(transparent)]
    Phrases(#[from] language_model::PhrasesError),
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The files are not of one model.
    #[error("the network has {network} units and tokens.txt has {tokens}")]
    Units {
        /// Of the network.
        network: usize,
        /// Of the table.
        tokens: usize,
    },
}

struct Shared {
    network: RefCell<Network>,
    shape: network::Shape,
    features: Arc<Features>,
    lexicon: Lexicon,
    background: Arc<Background>,
    leanings: RefCell<VecDeque<(String, u64, Rc<LanguageModel>)>>,
    config: BeamConfig,
}

/// The loaded model. Stays on the thread that loaded it.
pub struct CtcRecogniser {
    shared: Rc<Shared>,
}

impl CtcRecogniser {
    /// Checks the model's files against the manifest and loads it.
    pub fn load(model: &Model) -> Result<Self, RecogniserError> {
        model.verify()?;
        let (network, tokens) = (model.file(Role::Model)?, model.file(Role::Tokens)?);
        let (lexicon, phrases) = (model.file(Role::Lexicon)?, model.file(Role::Phrases)?);
        Ok(Self::read(&network, &tokens, &lexicon, &phrases, BeamConfig::default())?)
    }

    /// Loads files by their paths, for tuning.
    pub fn read(
        network: &Path,
        tokens: &Path,
        lexicon: &Path,
        phrases: &Path,
        config: BeamConfig,
    ) -> Result<Self, CtcError> {
        let read = |path: &Path| {
            let unreadable = |error| CtcError::Unreadable { path: path.display().to_string(), error };
            std::fs::read_to_string(path).map_err(unreadable)
        };
        let tokens = read(tokens)?;
        let lexicon = Lexicon::parse(&tokens, &read(lexicon)?)?;
        let background = Arc::new(Background::parse(&read(phrases)?, &lexicon)?);
        let network = Network::load(network)?;
        let (shape, tokens) = (network.shape(), tokens.lines().count());
        if shape.units != tokens {
            return Err(CtcError::Units { network: shape.units, tokens });
        }
        let (network, features) = (RefCell::new(network), Features::new());
        let leanings = RefCell::new(VecDeque::new());
        Ok(Self { shared: Rc::new(Shared { network, shape, features, lexicon, background, leanings, config }) })
    }

    fn leaning(&self, bias: &Bias) -> Rc<LanguageModel> {
        let mut known = self.shared.leanings.borrow_mut();
        if let Some((_, _, model)) =
            known.iter().find(|(line, version, _)| *line == bias.line && *version == bias.version)
        {
            return model.clone();
        }
        let model = Rc::new(LanguageModel::leaning(self.shared.background.clone(), bias, &self.shared.lexicon));
        if known.len() >= LEANINGS {
            known.pop_front();
        }
        known.push_back((bias.line.clone(), bias.version, model.clone()));
        model
    }
}

impl Recogniser for CtcRecogniser {
    type Stream = CtcStream;

    fn open(&self, bias: &Arc<Bias>) -> Result<CtcStream, RecogniserError> {
        let shared = self.shared.clone();
        let network = shared.network.borrow().open();
        let (features, beam) = (shared.features.open(), Beam::new(shared.config));
        let model = self.leaning(bias);
        Ok(CtcStream { shared, model, features, network, beam, guess: String::new(), fresh: true })
    }

    fn decode(&self, streams: &mut [&mut CtcStream]) {
        loop {
            let shape = self.shared.shape;
            let mut ready: Vec<&mut CtcStream> =
                streams.iter_mut().map(|s| &mut **s).filter(|s| s.network.is_ready(&shape)).collect();
            if ready.is_empty() {
                return;
            }
            step(&self.shared, &mut ready);
        }
    }
}

/// One step of the network for all of them, and what follows from it.
fn step(shared: &Shared, streams: &mut [&mut CtcStream]) {
    let mut rows: Vec<Vec<f32>> = vec![Vec::new(); streams.len()];
    let stepped = {
        let mut places: Vec<&mut NetworkStream> = streams.iter_mut().map(|s| &mut s.network).collect();
        shared.network.borrow_mut().step(&mut places, &mut |number, found| rows[number].extend_from_slice(found))
    };
    if let Err(error) = stepped {
        tracing::error!(%error, "a step of the recogniser failed; what was said in it is lost");
        streams.iter_mut().for_each(|stream| stream.network.reset());
        return;
    }
    for (stream, rows) in streams.iter_mut().zip(rows) {
        for row in rows.chunks(shared.shape.units) {
            stream.beam.step(row, &shared.lexicon, &stream.model);
        }
        let words = stream.beam.best(&shared.lexicon);
        stream.guess = write(&words, &shared.lexicon);
    }
}

/// One caller.
pub struct CtcStream {
    shared: Rc<Shared>,
    model: Rc<LanguageModel>,
    features: FeatureStream,
    network: NetworkStream,
    beam: Beam,
    guess: String,
    fresh: bool,
}

impl RecogniserStream for CtcStream {
    fn accept(&mut self, frame: &WideFrame) {
        let Self { features, network, .. } = self;
        features.push(frame, &mut |bins| network.push(bins));
        self.fresh = false;
    }

    fn hypothesis(&self) -> &str {
        &self.guess
    }

    fn finish(&mut self) -> Option<Heard> {
        if self.fresh {
            return Some(Heard::nothing());
        }
        for _ in 0..PADDING_FRAMES {
            self.accept(&WideFrame::SILENCE);
        }
        let shared = self.shared.clone();
        while self.network.is_ready(&shared.shape) {
            step(&shared, &mut [self]);
        }
        let found = self.beam.finish(&shared.lexicon, &self.model);
        let text = write(&found.words, &shared.lexicon);
        let language = language(&found.words, &shared.lexicon);
        self.reset();
        Some(Heard { text, language, confidence: confidence(&found), tags: SpeechTags::default() })
    }

    fn reset(&mut self) {
        self.guess.clear();
        if !self.fresh {
            self.features.reset();
            self.network.reset();
            self.beam.reset();
            self.fresh = true;
        }
    }
}

/// Words as text; phones that were spelled are joined to one word.
fn write(words: &[WordId], lexicon: &Lexicon) -> String {
    let (mut raw, mut spelling) = (String::new(), false);
    for word in words.iter().map(|id| lexicon.word(*id)) {
        if !(spelling && word.is_spelling) {
            raw.push(' ');
        }
        spelling = word.is_spelling;
        raw.push_str(&word.text);
    }
    text::tidy(raw.trim())
}

/// The language that most was said in; an English word within Chinese does not make it English.
fn language(words: &[WordId], lexicon: &Lexicon) -> Option<Language> {
    let count = |language| words.iter().filter(|id| lexicon.word(**id).language == language).count();
    let (yue, cmn, eng) = (count(Language::Cantonese), count(Language::Mandarin), count(Language::English));
    match (yue + cmn, eng) {
        (0, 0) => None,
        (0, _) => Some(Language::English),
        (chinese, english) if english >= 3 && chinese * 2 <= english => Some(Language::English),
        _ if yue >= cmn => Some(Language::Cantonese),
        _ => Some(Language::Mandarin),
    }
}

/// How far the words may be believed, 0 to 1: how sure the network was of its units, and how far other words were behind. The
/// weights are fitted on the recipe's development set.
fn confidence(found: &Found) -> f32 {
    if found.words.is_empty() {
        return 1.0;
    }
    let [base, certainty, margin] = CONFIDENCE;
    let odds = base + certainty * found.certainty + margin * found.margin.min(3.0);
    1.0 / (1.0 + (-odds).exp())
}

/// Logistic weights: one, certainty, margin.
const CONFIDENCE: [f32; 3] = [-4.5, 7.0, 1.9];
