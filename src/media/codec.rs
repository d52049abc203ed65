//! The voice codecs of a stream: their names in session descriptions, their clocks, and what turns payloads into samples of
//! 8 kHz and back. One reader and one writer a stream, as G.722 and Opus remember what came before.

use std::str::FromStr;

use crate::audio::g711::Law;
use crate::audio::{g722, opus};
use crate::wire::rtp::{PayloadType, Timestamp};

/// Longest payload that we write, bytes: 60 ms of G.711.
pub const LONGEST: usize = 480;

/// A voice codec that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722, of which we use the lower band. Its RTP clock is 8000 Hz though it samples at 16 (RFC 3551 4.5.2).
    G722,
    /// Opus (RFC 7587).
    Opus,
}

impl Codec {
    /// All, in the usual order of preference: what every telephone has and costs nothing first.
    pub const ALL: [Self; 4] = [Self::Pcma, Self::Pcmu, Self::G722, Self::Opus];

    /// Encoding name of `a=rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
        }
    }

    /// Payload type in our own first offer; that of RFC 3551 where it has one.
    pub fn own_type(self) -> PayloadType {
        match self {
            Self::Pcmu => PayloadType::PCMU,
            Self::Pcma => PayloadType::PCMA,
            Self::G722 => PayloadType::G722,
            Self::Opus => PayloadType::OPUS,
        }
    }

    /// The codec that a payload type means without an `a=rtpmap`.
    pub fn of_static(payload_type: PayloadType) -> Option<Self> {
        [Self::Pcmu, Self::Pcma, Self::G722].into_iter().find(|codec| codec.own_type() == payload_type)
    }

    /// RTP clock in Hz.
    pub fn clock_hz(self) -> u32 {
        8000 * self.units()
    }

    /// Units of its RTP clock in a sample of 8 kHz.
    pub fn units(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 1,
            Self::Opus => 6,
        }
    }

    /// What stands in `a=rtpmap` behind the payload type. Opus always says two channels (RFC 7587 7).
    pub fn rtpmap(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU/8000",
            Self::Pcma => "PCMA/8000",
            Self::G722 => "G722/8000",
            Self::Opus => "opus/48000/2",
        }
    }

    /// What we say in `a=fmtp`.
    pub fn parameters(self) -> Option<&'static str> {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => None,
            Self::Opus => Some("maxplaybackrate=8000;sprop-maxcapturerate=8000;useinbandfec=1"),
        }
    }

    /// One of the two laws of G.711.
    pub fn is_g711(self) -> bool {
        matches!(self, Self::Pcmu | Self::Pcma)
    }
}

impl FromStr for Codec {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.name().eq_ignore_ascii_case(text))
            .ok_or("expected PCMA, PCMU, G722 or opus")
    }
}

/// Turns payloads into samples.
#[allow(clippy::large_enum_variant, reason = "one a stream; the large ones are boxed in themselves")]
pub enum Reader {
    /// G.711.
    G711(Codec, Law),
    /// G.722.
    G722(g722::Decoder),
    /// Opus; `None` where it could not be set up.
    Opus(Option<opus::Decoder>),
}

impl Reader {
    /// Nothing has come.
    pub fn new(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu => Self::G711(codec, Law::Mu),
            Codec::Pcma => Self::G711(codec, Law::A),
            Codec::G722 => Self::G722(g722::Decoder::default()),
            Codec::Opus => Self::Opus(opus::Decoder::new()),
        }
    }

    /// What it reads.
    pub fn codec(&self) -> Codec {
        match self {
            Self::G711(codec, _) => *codec,
            Self::G722(_) => Codec::G722,
            Self::Opus(_) => Codec::Opus,
        }
    }

    /// Decodes as much as fits; returns how many samples.
    pub fn decode(&mut self, payload: &[u8], samples: &mut [i16]) -> usize {
        match self {
            Self::G711(_, law) => law.decode(payload, samples),
            Self::G722(decoder) => decoder.decode(payload, samples),
            Self::Opus(decoder) => decoder.as_mut().map_or(0, |decoder| decoder.decode(payload, samples)),
        }
    }

    /// Before [`Self::decode`] of the payload that came after a loss: what it knows of the samples lost, all of `samples`.
    /// Returns how many there are: 0 where the codec has no redundancy.
    pub fn recover(&mut self, next: &[u8], samples: &mut [i16]) -> usize {
        match self {
            Self::G711(..) | Self::G722(_) | Self::Opus(None) => 0,
            Self::Opus(Some(decoder)) => decoder.recover(next, samples),
        }
    }
}

/// Turns samples into payloads.
#[allow(clippy::large_enum_variant, reason = "one a stream; the large ones are boxed in themselves")]
pub enum Writer {
    /// G.711.
    G711(Codec, Law),
    /// G.722.
    G722(g722::Encoder),
    /// Opus; `None` where it could not be set up.
    Opus(Option<opus::Encoder>),
}

impl Writer {
    /// Nothing was sent.
    pub fn new(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu => Self::G711(codec, Law::Mu),
            Codec::Pcma => Self::G711(codec, Law::A),
            Codec::G722 => Self::G722(g722::Encoder::default()),
            Codec::Opus => Self::Opus(opus::Encoder::new()),
        }
    }

    /// What it writes.
    pub fn codec(&self) -> Codec {
        match self {
            Self::G711(codec, _) => *codec,
            Self::G722(_) => Codec::G722,
            Self::Opus(_) => Codec::Opus,
        }
    }

    /// Whether it takes samples of 16 kHz, not of 8.
    pub fn is_wide(&self) -> bool {
        matches!(self, Self::G722(_))
    }

    /// Encodes samples, of Opus 10, 20, 40 or 60 ms; returns the payload's length.
    pub fn encode(&mut self, samples: &[i16], payload: &mut [u8; LONGEST]) -> usize {
        match self {
            Self::G711(_, law) => law.encode(samples, payload),
            Self::G722(encoder) => encoder.encode(samples, payload),
            Self::Opus(encoder) => encoder.as_mut().map_or(0, |encoder| encoder.encode(samples, payload)),
        }
    }
}

/// Brings the stamps of a codec's clock to 8 kHz. Of a stream; another clock begins anew.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClockScale {
    units: u32,
    /// A stamp on the wire and its place at 8 kHz.
    anchor: Option<(Timestamp, Timestamp)>,
}

impl ClockScale {
    /// The stamp at 8 kHz.
    pub fn scale(&mut self, wire: Timestamp, units: u32) -> Timestamp {
        if units <= 1 {
            *self = Self::default();
            return wire;
        }
        let (from, at) = match self.anchor {
            Some(anchor) if self.units == units => anchor,
            Some(_) | None => (wire, Timestamp(wire.0 / units)),
        };
        // Whole steps of the anchor, so that nothing is lost by rounding.
        let steps = wire.since(from).div_euclid(units.cast_signed());
        let at = at.add(steps.cast_unsigned());
        self.units = units;
        self.anchor = Some((from.add(steps.wrapping_mul(units.cast_signed()).cast_unsigned()), at));
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_people_write_them() {
        for (text, codec) in
            [("pcma", Codec::Pcma), ("PCMU", Codec::Pcmu), ("g722", Codec::G722), ("Opus", Codec::Opus)]
        {
            assert_eq!(text.parse(), Ok(codec));
        }
        assert!("G729".parse::<Codec>().is_err());
        assert_eq!(Codec::of_static(PayloadType::OPUS), None);
    }

    #[test]
    fn clocks_are_brought_to_8_khz_over_every_wrap_and_back() {
        let mut scale = ClockScale::default();
        let start = u32::MAX - 5000;
        let first = scale.scale(Timestamp(start), 6);
        for n in [1u32, 2, 3, 5, 4, 100, 1_000_000, 2_500_000, 2_500_001] {
            let at = scale.scale(Timestamp(start.wrapping_add(n.wrapping_mul(960))), 6);
            assert_eq!(at.since(first), (n * 160).cast_signed(), "packet {n}");
        }
        // Stamps that are no multiple of six add up all the same.
        let mut scale = ClockScale::default();
        let first = scale.scale(Timestamp(0), 6);
        let last = (1..=60_000).map(|n| scale.scale(Timestamp(n * 7), 6)).last().unwrap();
        assert_eq!(last.since(first), 70_000);
        assert_eq!(scale.scale(Timestamp(77), 1), Timestamp(77));
    }
}
