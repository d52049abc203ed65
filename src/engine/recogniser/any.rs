//! Which engine it is, found out at run time: the manifest names it, and all calls of a worker have the same.

use std::sync::Arc;

use super::ctc::{self, CtcRecogniser, CtcStream};
use super::second_pass::{SecondPass, SecondPassConfig};
use super::sherpa::{self, SherpaRecogniser, SherpaStream};
use super::two_pass::{TwoPass, TwoPassStream};
use super::{Heard, Recogniser, RecogniserError, RecogniserStream, whole};
use crate::audio::frame::WideFrame;
use crate::engine::manifest::Model;
use crate::speech::Bias;

/// A recogniser of any engine of this program.
pub enum AnyRecogniser {
    /// Our own small model.
    Ctc(CtcRecogniser),
    /// Streaming models by sherpa-onnx.
    Sherpa(SherpaRecogniser),
    /// One of whole utterances for the text, and mostly a streaming one for guesses.
    TwoPass(Box<TwoPass>),
}

/// A stream of the recogniser of the same name.
pub enum AnyStream {
    /// Our own small model.
    Ctc(Box<CtcStream>),
    /// Streaming models by sherpa-onnx.
    Sherpa(Box<SherpaStream>),
    /// One of whole utterances for the text, and mostly a streaming one for guesses.
    TwoPass(Box<TwoPassStream>),
}

impl AnyRecogniser {
    /// Checks the model's files against the manifest and loads it with the engine that it names, a streaming one or one of
    /// whole utterances.
    pub fn load(model: &Model) -> Result<Self, RecogniserError> {
        if !whole::knows(&model.engine) {
            return Self::streaming(model).map_err(|error| match error {
                RecogniserError::UnknownEngine { model, engine, known } => {
                    RecogniserError::UnknownEngine { model, engine, known: format!("{known}, {}", whole::engines()) }
                }
                other => other,
            });
        }
        let config = SecondPassConfig::default();
        let second = SecondPass::load(model, config.threads, Arc::default())?;
        Ok(Self::TwoPass(Box::new(TwoPass::alone(Arc::new(second), config.wait))))
    }

    /// The same for streaming engines only: those that can guess while the caller speaks.
    pub fn streaming(model: &Model) -> Result<Self, RecogniserError> {
        match model.engine.as_str() {
            ctc::ENGINE => Ok(Self::Ctc(CtcRecogniser::load(model)?)),
            engine if sherpa::ENGINES.split(", ").any(|known| known == engine) => {
                Ok(Self::Sherpa(SherpaRecogniser::load(model)?))
            }
            other => Err(RecogniserError::UnknownEngine {
                model: model.id.clone(),
                engine: other.to_owned(),
                known: format!("{}, {}", ctc::ENGINE, sherpa::ENGINES),
            }),
        }
    }
}

impl Recogniser for AnyRecogniser {
    type Stream = AnyStream;

    fn open(&self, bias: &Arc<Bias>) -> Result<AnyStream, RecogniserError> {
        Ok(match self {
            Self::Ctc(engine) => AnyStream::Ctc(Box::new(engine.open(bias)?)),
            Self::Sherpa(engine) => AnyStream::Sherpa(Box::new(engine.open(bias)?)),
            Self::TwoPass(engine) => AnyStream::TwoPass(Box::new(engine.open(bias)?)),
        })
    }

    fn decode(&self, streams: &mut [&mut AnyStream]) {
        match self {
            Self::Ctc(engine) => {
                let mut batch: Vec<_> = streams.iter_mut().filter_map(|stream| stream.ctc()).collect();
                engine.decode(&mut batch);
            }
            Self::Sherpa(engine) => {
                let mut batch: Vec<_> = streams.iter_mut().filter_map(|stream| stream.sherpa()).collect();
                engine.decode(&mut batch);
            }
            Self::TwoPass(engine) => {
                let mut batch: Vec<_> = streams.iter_mut().filter_map(|stream| stream.two_pass()).collect();
                engine.decode(&mut batch);
            }
        }
    }
}

impl AnyStream {
    fn ctc(&mut self) -> Option<&mut CtcStream> {
        match self {
            Self::Ctc(stream) => Some(stream),
            Self::Sherpa(_) | Self::TwoPass(_) => None,
        }
    }

    fn sherpa(&mut self) -> Option<&mut SherpaStream> {
        match self {
            Self::Sherpa(stream) => Some(stream),
            Self::Ctc(_) | Self::TwoPass(_) => None,
        }
    }

    fn two_pass(&mut self) -> Option<&mut TwoPassStream> {
        match self {
            Self::TwoPass(stream) => Some(stream),
            Self::Ctc(_) | Self::Sherpa(_) => None,
        }
    }
}

/// Asks the stream of whichever engine.
macro_rules! each {
    ($self:expr, $stream:ident => $answer:expr) => {
        match $self {
            AnyStream::Ctc($stream) => $answer,
            AnyStream::Sherpa($stream) => $answer,
            AnyStream::TwoPass($stream) => $answer,
        }
    };
}

impl RecogniserStream for AnyStream {
    fn accept(&mut self, frame: &WideFrame) {
        each!(self, stream => stream.accept(frame));
    }

    fn hypothesis(&self) -> &str {
        each!(self, stream => stream.hypothesis())
    }

    fn pause(&mut self) {
        each!(self, stream => stream.pause());
    }

    fn resume(&mut self) {
        each!(self, stream => stream.resume());
    }

    fn finish(&mut self) -> Option<Heard> {
        each!(self, stream => stream.finish())
    }

    fn finished(&mut self) -> Option<Heard> {
        each!(self, stream => stream.finished())
    }

    fn reset(&mut self) {
        each!(self, stream => stream.reset());
    }
}
