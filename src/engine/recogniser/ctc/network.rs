//! The acoustic network: sherpa-onnx's streaming NeMo interface, run through ort with many calls in one batch. Features in,
//! log probabilities of each unit out, 40 ms a row.
//!
//! Not here: what the probabilities mean (see [`super::beam`]).

use ort::session::Session;
use ort::value::TensorRef;

use super::features::BINS;
use crate::engine::runtime;

/// Why the network cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The runtime is not to be had.
    #[error(transparent)]
    Runtime(#[from] runtime::RuntimeError),
    /// ONNX Runtime refused the file or failed in a run.
    #[error("running the network: {0}")]
    Failed(String),
    /// The file is no network of this interface.
    #[error("the network's metadata has no {0}; export it with models/recipe/export.py")]
    Metadata(&'static str),
}

/// What a step needs to know of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Feature frames that one step takes.
    pub window: usize,
    /// Feature frames to a row of log probabilities.
    pub subsampling: usize,
    /// Units, the blank first.
    pub units: usize,
    state: [usize; 3],
}

impl Shape {
    fn state_len(&self) -> usize {
        self.state.iter().product()
    }
}

/// The loaded network.
pub struct Network {
    session: Session,
    shape: Shape,
    features: Vec<f32>,
    states: Vec<f32>,
}

/// One stream's place in the network: waiting features and the memory of the layers.
pub struct NetworkStream {
    state: Vec<f32>,
    /// Feature frames not worked on yet, frame after frame.
    waiting: Vec<f32>,
}

impl NetworkStream {
    /// One more feature frame.
    pub fn push(&mut self, bins: &[f32; BINS]) {
        self.waiting.extend_from_slice(bins);
    }

    /// True where a step can be taken.
    pub fn is_ready(&self, shape: &Shape) -> bool {
        self.waiting.len() >= shape.window * BINS
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.state.fill(0.0);
        self.waiting.clear();
    }
}

impl Network {
    /// Loads the file and reads its metadata.
    pub fn load(path: &std::path::Path) -> Result<Self, NetworkError> {
        let failed = |error: ort::Error| NetworkError::Failed(error.to_string());
        let session = Session::builder(runtime::environment()?)
            .and_then(|b| Ok(b.with_intra_threads(1)?))
            .and_then(|b| Ok(b.with_inter_threads(1)?))
            .and_then(|mut b| b.commit_from_file(path))
            .map_err(failed)?;
        let shape = {
            let metadata = session.metadata().map_err(failed)?;
            let number = |key: &'static str| {
                metadata.custom(key).and_then(|v| v.parse::<usize>().ok()).ok_or(NetworkError::Metadata(key))
            };
            Shape {
                window: number("window_size")?.max(1),
                subsampling: number("subsampling_factor")?.max(1),
                units: number("vocab_size")? + 1,
                state: [
                    number("cache_last_time_dim1")?,
                    number("cache_last_time_dim2")?,
                    number("cache_last_time_dim3")?,
                ],
            }
        };
        Ok(Self { session, shape, features: Vec::new(), states: Vec::new() })
    }

    /// Its measures.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// A stream that has heard nothing.
    pub fn open(&self) -> NetworkStream {
        let waiting = Vec::with_capacity(2 * self.shape.window * BINS);
        NetworkStream { state: vec![0.0; self.shape.state_len()], waiting }
    }

    /// One step of each of `streams`, all of which must be ready. `told` gets the number of the stream and its rows of log
    /// probabilities, one after the other.
    pub fn step(
        &mut self,
        streams: &mut [&mut NetworkStream],
        told: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), NetworkError> {
        let (count, shape) = (streams.len(), self.shape);
        self.gather(streams);
        let failed = |error: ort::Error| NetworkError::Failed(error.to_string());
        let [layers, past, width] = shape.state;
        let (lengths, nothing, none) = (vec![shape.window as i64; count], vec![0.0_f32; count], vec![0_i64; count]);
        let inputs = ort::inputs![
            "audio_signal" => TensorRef::from_array_view(([count, BINS, shape.window], &self.features[..])).map_err(failed)?,
            "length" => TensorRef::from_array_view(([count], &lengths[..])).map_err(failed)?,
            "cache_last_channel" => TensorRef::from_array_view(([count, 1, 1, 1], &nothing[..])).map_err(failed)?,
            "cache_last_time" => TensorRef::from_array_view(([count, layers, past, width], &self.states[..])).map_err(failed)?,
            "cache_last_channel_len" => TensorRef::from_array_view(([count], &none[..])).map_err(failed)?,
        ];
        let outputs = self.session.run(inputs).map_err(failed)?;
        let (_, probabilities) = outputs[0].try_extract_tensor::<f32>().map_err(failed)?;
        let (_, states) = outputs[3].try_extract_tensor::<f32>().map_err(failed)?;
        let (each, state_len) = (probabilities.len() / count, shape.state_len());
        if each % shape.units != 0 || states.len() != count * state_len {
            return Err(NetworkError::Failed("an answer of another size than its metadata says".to_owned()));
        }
        for (number, stream) in streams.iter_mut().enumerate() {
            stream.state.copy_from_slice(&states[number * state_len..(number + 1) * state_len]);
            told(number, &probabilities[number * each..(number + 1) * each]);
        }
        Ok(())
    }

    /// Features transposed to bins first, and states, of all streams in one piece each.
    fn gather(&mut self, streams: &mut [&mut NetworkStream]) {
        let used = self.shape.window * BINS;
        self.features.clear();
        self.states.clear();
        for stream in streams.iter_mut() {
            for bin in 0..BINS {
                let frames = stream.waiting[..used].iter().skip(bin).step_by(BINS);
                self.features.extend(frames);
            }
            stream.waiting.drain(..used);
            self.states.extend_from_slice(&stream.state);
        }
    }
}
