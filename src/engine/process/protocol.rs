//! What the gateway and its recogniser process say to each other: a length, a kind, a body; numbers little-endian.
//! Reading is bounded and believes nothing: bytes that are no message are an error and never a panic.

use std::io::Read;

use crate::audio::frame::{WIDE_FRAME_SAMPLES, WideFrame};
use crate::engine::totals::{Added, SecondPass};
use crate::ids::UtteranceId;
use crate::speech::{Bias, Language, SpeechTags, Transcript, VoiceActivity};

/// Longest message, bytes. A bias of some thousand phrases has a few hundred thousand.
pub const LONGEST: usize = 8 << 20;

/// A call's stream within one bridge.
pub type StreamId = u64;

/// From the gateway to the child.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "frames pass without a heap allocation each")]
pub enum Request {
    /// From here on `number` means this bias.
    Bias {
        /// Its number.
        number: u32,
        /// What callers say.
        bias: Bias,
    },
    /// A stream begins.
    Open {
        /// Its number.
        stream: StreamId,
        /// Number of its bias.
        bias: u32,
    },
    /// 20 ms of it.
    Frame {
        /// Stream.
        stream: StreamId,
        /// Samples.
        frame: WideFrame,
    },
    /// Its utterance is over.
    Finish {
        /// Stream.
        stream: StreamId,
        /// Which utterance.
        utterance: UtteranceId,
    },
    /// Its utterance so far is to be forgotten.
    Restart {
        /// Stream.
        stream: StreamId,
        /// The next utterance.
        utterance: UtteranceId,
    },
    /// It ends.
    Close {
        /// Stream.
        stream: StreamId,
    },
}

/// From the child to the gateway.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The models are loaded.
    Ready,
    /// Voice activity.
    Voice {
        /// Stream.
        stream: StreamId,
        /// What was found.
        voice: VoiceActivity,
    },
    /// A guess.
    Hypothesis {
        /// Stream.
        stream: StreamId,
        /// Which utterance.
        utterance: UtteranceId,
        /// Text so far.
        text: String,
    },
    /// A final text.
    Transcript {
        /// Stream.
        stream: StreamId,
        /// It.
        transcript: Transcript,
    },
    /// Frames were dropped.
    Overloaded {
        /// Stream.
        stream: StreamId,
        /// How many.
        frames: u32,
    },
    /// This stream is heard no more.
    Lost {
        /// Stream.
        stream: StreamId,
    },
    /// What was counted since the last of these; of no stream.
    Counted(Added),
}

/// The other side cannot be understood, or is gone.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The other side has ended.
    #[error("the other side has ended")]
    Ended,
    /// The system.
    #[error(transparent)]
    System(#[from] std::io::Error),
    /// Bytes that are no message.
    #[error("no message: {0}")]
    Malformed(&'static str),
}

/// What a bias is on the wire; languages by their codes.
#[derive(serde::Serialize, serde::Deserialize)]
struct BiasBody {
    line: String,
    version: u64,
    phrases: Vec<(Language, String)>,
    hot_words: Vec<(String, f32)>,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct TranscriptBody {
    utterance: UtteranceId,
    text: String,
    language: Option<Language>,
    confidence: f32,
    #[serde(default)]
    tags: SpeechTags,
}

/// Writes a message: `begin`, fields, `end`.
struct Writing<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Writing<'a> {
    fn begin(out: &'a mut Vec<u8>, kind: u8) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(kind);
        Self { out, start }
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        self.out.extend_from_slice(bytes);
        self
    }

    fn end(self) {
        let length = u32::try_from(self.out.len() - self.start - 4).unwrap_or(u32::MAX);
        self.out[self.start..self.start + 4].copy_from_slice(&length.to_le_bytes());
    }
}

/// Puts a request at the end of `out`.
pub fn write_request(request: &Request, out: &mut Vec<u8>) {
    match request {
        Request::Bias { number, bias } => {
            let Bias { line, version, phrases, hot_words } = bias.clone();
            // A map of texts and numbers always becomes JSON.
            let body = serde_json::to_vec(&BiasBody { line, version, phrases, hot_words }).unwrap_or_default();
            Writing::begin(out, 1).bytes(&number.to_le_bytes()).bytes(&body).end();
        }
        Request::Open { stream, bias } => {
            Writing::begin(out, 2).bytes(&stream.to_le_bytes()).bytes(&bias.to_le_bytes()).end();
        }
        Request::Frame { stream, frame } => {
            let mut writing = Writing::begin(out, 3).bytes(&stream.to_le_bytes());
            for sample in &frame.0 {
                writing = writing.bytes(&sample.to_le_bytes());
            }
            writing.end();
        }
        Request::Finish { stream, utterance } => {
            Writing::begin(out, 4).bytes(&stream.to_le_bytes()).bytes(&utterance.0.to_le_bytes()).end();
        }
        Request::Restart { stream, utterance } => {
            Writing::begin(out, 5).bytes(&stream.to_le_bytes()).bytes(&utterance.0.to_le_bytes()).end();
        }
        Request::Close { stream } => Writing::begin(out, 6).bytes(&stream.to_le_bytes()).end(),
    }
}

/// Puts a report at the end of `out`.
pub fn write_report(report: &Report, out: &mut Vec<u8>) {
    match report {
        Report::Ready => Writing::begin(out, 1).end(),
        Report::Voice { stream, voice } => Writing::begin(out, 2)
            .bytes(&stream.to_le_bytes())
            .bytes(&voice.probability.to_le_bytes())
            .bytes(&voice.duration_ms.to_le_bytes())
            .end(),
        Report::Hypothesis { stream, utterance, text } => Writing::begin(out, 3)
            .bytes(&stream.to_le_bytes())
            .bytes(&utterance.0.to_le_bytes())
            .bytes(text.as_bytes())
            .end(),
        Report::Transcript { stream, transcript } => {
            let Transcript { utterance, text, language, confidence, tags } = transcript.clone();
            let body = TranscriptBody { utterance, text: text.into_inner(), language, confidence, tags };
            let body = serde_json::to_vec(&body).unwrap_or_default();
            Writing::begin(out, 4).bytes(&stream.to_le_bytes()).bytes(&body).end();
        }
        Report::Overloaded { stream, frames } => {
            Writing::begin(out, 5).bytes(&stream.to_le_bytes()).bytes(&frames.to_le_bytes()).end();
        }
        Report::Lost { stream } => Writing::begin(out, 6).bytes(&stream.to_le_bytes()).end(),
        Report::Counted(Added { frames_dropped, worker_panics, busy_us, second_pass }) => {
            let numbers = [*frames_dropped, *worker_panics, *busy_us].into_iter().chain(second_pass.numbers());
            numbers.fold(Writing::begin(out, 7), |writing, number| writing.bytes(&number.to_le_bytes())).end();
        }
    }
}

/// The rest of a body while it is read.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ProtocolError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(ProtocolError::Malformed("too short"))?;
        self.0 = rest;
        Ok(*head)
    }

    fn stream(&mut self) -> Result<StreamId, ProtocolError> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn number(&mut self) -> Result<u32, ProtocolError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Reads one message into `buffer` and hands out its kind and body.
fn read<'a>(from: &mut impl Read, buffer: &'a mut Vec<u8>) -> Result<(u8, Body<'a>), ProtocolError> {
    let mut head = [0; 4];
    match from.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Err(ProtocolError::Ended),
        Err(error) => return Err(error.into()),
    }
    let length = u32::from_le_bytes(head) as usize;
    if length == 0 || length > LONGEST {
        return Err(ProtocolError::Malformed("a length beyond reason"));
    }
    buffer.clear();
    buffer.resize(length, 0);
    from.read_exact(buffer)?;
    let (kind, body) = buffer.split_first().ok_or(ProtocolError::Malformed("empty"))?;
    Ok((*kind, Body(body)))
}

fn json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, ProtocolError> {
    serde_json::from_slice(bytes).map_err(|_| ProtocolError::Malformed("a body that does not read"))
}

/// Waits for the next request.
pub fn read_request(from: &mut impl Read, buffer: &mut Vec<u8>) -> Result<Request, ProtocolError> {
    let (kind, mut body) = read(from, buffer)?;
    Ok(match kind {
        1 => {
            let number = body.number()?;
            let BiasBody { line, version, phrases, hot_words } = json(body.rest())?;
            Request::Bias { number, bias: Bias { line, version, phrases, hot_words } }
        }
        2 => Request::Open { stream: body.stream()?, bias: body.number()? },
        3 => {
            let stream = body.stream()?;
            let samples = body.rest();
            if samples.len() != 2 * WIDE_FRAME_SAMPLES {
                return Err(ProtocolError::Malformed("a frame of another length"));
            }
            let mut frame = WideFrame::SILENCE;
            for (sample, bytes) in frame.0.iter_mut().zip(samples.chunks_exact(2)) {
                *sample = i16::from_le_bytes([bytes[0], bytes[1]]);
            }
            Request::Frame { stream, frame }
        }
        4 => Request::Finish { stream: body.stream()?, utterance: UtteranceId(body.number()?) },
        5 => Request::Restart { stream: body.stream()?, utterance: UtteranceId(body.number()?) },
        6 => Request::Close { stream: body.stream()? },
        _ => return Err(ProtocolError::Malformed("a kind that is none")),
    })
}

/// Waits for the next report.
pub fn read_report(from: &mut impl Read, buffer: &mut Vec<u8>) -> Result<Report, ProtocolError> {
    let (kind, mut body) = read(from, buffer)?;
    Ok(match kind {
        1 => Report::Ready,
        2 => {
            let stream = body.stream()?;
            let (probability, duration_ms) = (f32::from_le_bytes(body.take()?), u16::from_le_bytes(body.take()?));
            Report::Voice { stream, voice: VoiceActivity { probability, duration_ms } }
        }
        3 => {
            let (stream, utterance) = (body.stream()?, UtteranceId(body.number()?));
            Report::Hypothesis { stream, utterance, text: String::from_utf8_lossy(body.rest()).into_owned() }
        }
        4 => {
            let stream = body.stream()?;
            let TranscriptBody { utterance, text, language, confidence, tags } = json(body.rest())?;
            let transcript = Transcript { utterance, text: text.into(), language, confidence, tags };
            Report::Transcript { stream, transcript }
        }
        5 => Report::Overloaded { stream: body.stream()?, frames: body.number()? },
        6 => Report::Lost { stream: body.stream()? },
        7 => {
            let mut next = || body.take().map(u64::from_le_bytes);
            let (frames_dropped, worker_panics, busy_us) = (next()?, next()?, next()?);
            let second_pass = SecondPass::of_numbers([next()?, next()?, next()?, next()?, next()?, next()?]);
            Report::Counted(Added { frames_dropped, worker_panics, busy_us, second_pass })
        }
        _ => return Err(ProtocolError::Malformed("a kind that is none")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_reads_back_as_written() {
        let phrases = vec![(Language::Cantonese, "查張單".to_owned())];
        let bias = Bias { line: "demo".to_owned(), version: 7, phrases, hot_words: vec![("5G".to_owned(), 1.0)] };
        let utterance = UtteranceId(9);
        let requests = [
            Request::Bias { number: 3, bias },
            Request::Open { stream: 1, bias: 3 },
            Request::Frame { stream: 1, frame: WideFrame::from_slice(&[1, -2, 3]) },
            Request::Finish { stream: 1, utterance },
            Request::Restart { stream: 1, utterance },
            Request::Close { stream: u64::MAX },
        ];
        let mut bytes = Vec::new();
        requests.iter().for_each(|request| write_request(request, &mut bytes));
        let (mut from, mut buffer) = (&bytes[..], Vec::new());
        for request in &requests {
            assert_eq!(read_request(&mut from, &mut buffer).unwrap(), *request);
        }
        assert!(matches!(read_request(&mut from, &mut buffer), Err(ProtocolError::Ended)));
        let (text, language, tags) = ("好".to_owned().into(), Some(Language::Mandarin), SpeechTags::default());
        let reports = [
            Report::Ready,
            Report::Voice { stream: 1, voice: VoiceActivity { probability: 0.5, duration_ms: 32 } },
            Report::Hypothesis { stream: 1, utterance, text: "我想".to_owned() },
            Report::Transcript {
                stream: 1,
                transcript: Transcript { utterance, text, language, confidence: 0.5, tags },
            },
            Report::Overloaded { stream: 1, frames: 4 },
            Report::Lost { stream: 1 },
            Report::Counted(Added {
                frames_dropped: 1,
                worker_panics: 2,
                busy_us: u64::MAX,
                second_pass: SecondPass::of_numbers([3, 4, 5, 6, 7, 8]),
            }),
        ];
        let mut bytes = Vec::new();
        reports.iter().for_each(|report| write_report(report, &mut bytes));
        let mut from = &bytes[..];
        for report in &reports {
            assert_eq!(read_report(&mut from, &mut buffer).unwrap(), *report);
        }
    }

    #[test]
    fn bytes_that_are_no_message_are_an_error() {
        let mut seed = fastrand::Rng::with_seed(7);
        let mut buffer = Vec::new();
        for _ in 0..20_000 {
            let length: u8 = seed.u8(1..80);
            let mut bytes = vec![length, 0, 0, 0, seed.u8(0..9)];
            bytes.extend((0..seed.usize(0..90)).map(|_| seed.u8(..)));
            // Any outcome but a panic or an endless wait.
            let _ = read_request(&mut &bytes[..], &mut buffer);
            let _ = read_report(&mut &bytes[..], &mut buffer);
        }
        let huge = u32::MAX.to_le_bytes();
        assert!(matches!(read_report(&mut &huge[..], &mut buffer), Err(ProtocolError::Malformed(_))));
    }
}
