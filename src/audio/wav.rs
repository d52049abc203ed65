//! RIFF/WAVE headers as bytes: build, patch, read, repair. No file is touched here; the recorder writes what this says.
//!
//! After Microsoft's "Multimedia Programming Interface and Data Specifications 1.0" and "New Multimedia Data Types". PCM of
//! 16 bits has a `fmt ` chunk of 16 bytes; the two laws need one of 18 and a `fact` chunk, or strict readers refuse them.
//! Not here: RF64 (files over 4 GB; sizes stop at the most that fits), WAVE lists and cues.

use smallvec::SmallVec;

/// Most bytes of audio that a header can state.
pub const MAX_DATA_BYTES: u64 = 0xffff_ffff - 64;

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 16-bit linear, little-endian.
    Pcm16,
    /// G.711 mu-law.
    MuLaw,
    /// G.711 A-law.
    ALaw,
}

impl Encoding {
    /// Bytes of one sample of one channel.
    pub fn sample_bytes(self) -> u16 {
        match self {
            Self::Pcm16 => 2,
            Self::MuLaw | Self::ALaw => 1,
        }
    }

    fn tag(self) -> u16 {
        match self {
            Self::Pcm16 => 1,
            Self::ALaw => 6,
            Self::MuLaw => 7,
        }
    }

    fn of(tag: u16, bits: u16) -> Option<Self> {
        match (tag, bits) {
            (1, 16) => Some(Self::Pcm16),
            (6, 8) => Some(Self::ALaw),
            (7, 8) => Some(Self::MuLaw),
            _ => None,
        }
    }
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WavFormat {
    /// How samples are stored.
    pub encoding: Encoding,
    /// Channels, interleaved sample by sample.
    pub channels: u16,
    /// Rate of each channel, Hz.
    pub sample_rate_hz: u32,
}

/// Bytes to be written over a file's own at `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Place in the file, bytes.
    pub offset: u64,
    /// What belongs there.
    pub bytes: [u8; 4],
}

/// The fields of a header that grow with the file.
pub type Patches = SmallVec<[Patch; 3]>;

/// Why bytes are no header that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// No RIFF file of type WAVE.
    #[error("no RIFF/WAVE file")]
    NotWave,
    /// The `data` chunk does not begin within the bytes given.
    #[error("the WAV header is cut off")]
    Truncated,
    /// The `fmt ` chunk is missing, or has no channels or no rate.
    #[error("malformed fmt chunk")]
    Format,
    /// Neither PCM of 16 bits nor G.711.
    #[error("WAV format {tag} with {bits} bits is not supported")]
    Unsupported {
        /// WAVE format tag.
        tag: u16,
        /// Bits of a sample.
        bits: u16,
    },
}

impl WavFormat {
    /// Bytes of one sample of all channels.
    pub fn block_align(&self) -> u16 {
        self.channels.saturating_mul(self.encoding.sample_bytes())
    }

    fn is_law(&self) -> bool {
        self.encoding != Encoding::Pcm16
    }

    /// Length of [`Self::header`], bytes.
    pub fn header_len(&self) -> u64 {
        if self.is_law() { 58 } else { 44 }
    }

    /// Header of a file with `data_bytes` of audio; 0 for one that is being begun.
    pub fn header(&self, data_bytes: u64) -> Vec<u8> {
        let mut header = Vec::with_capacity(58);
        header.extend_from_slice(b"RIFF\0\0\0\0WAVEfmt ");
        header.extend_from_slice(&(if self.is_law() { 18u32 } else { 16 }).to_le_bytes());
        header.extend_from_slice(&self.encoding.tag().to_le_bytes());
        header.extend_from_slice(&self.channels.to_le_bytes());
        header.extend_from_slice(&self.sample_rate_hz.to_le_bytes());
        let byte_rate = self.sample_rate_hz.saturating_mul(u32::from(self.block_align()));
        header.extend_from_slice(&byte_rate.to_le_bytes());
        header.extend_from_slice(&self.block_align().to_le_bytes());
        header.extend_from_slice(&(8 * self.encoding.sample_bytes()).to_le_bytes());
        if self.is_law() {
            header.extend_from_slice(b"\0\0fact\x04\0\0\0\0\0\0\0");
        }
        header.extend_from_slice(b"data\0\0\0\0");
        for patch in self.patches(data_bytes) {
            let offset = patch.offset as usize;
            header[offset..offset + 4].copy_from_slice(&patch.bytes);
        }
        header
    }

    /// What to overwrite in a file that began with [`Self::header`] and now has `data_bytes` of audio. An odd number asks
    /// for one byte of padding behind it, when the file is closed.
    pub fn patches(&self, data_bytes: u64) -> Patches {
        let layout = Layout { data_offset: self.header_len(), fact_offset: self.is_law().then_some(46) };
        layout.patches(self, data_bytes)
    }
}

/// Where a header's growing fields are.
struct Layout {
    /// First byte of audio.
    data_offset: u64,
    /// Value of the `fact` chunk.
    fact_offset: Option<u64>,
}

impl Layout {
    fn patches(&self, format: &WavFormat, data_bytes: u64) -> Patches {
        let data = data_bytes.min(MAX_DATA_BYTES);
        let riff = (self.data_offset - 8 + data + data % 2).min(0xffff_ffff);
        let mut patches = Patches::new();
        patches.push(Patch { offset: 4, bytes: (riff as u32).to_le_bytes() });
        if let Some(offset) = self.fact_offset {
            let samples = data / u64::from(format.block_align().max(1));
            patches.push(Patch { offset, bytes: (samples as u32).to_le_bytes() });
        }
        patches.push(Patch { offset: self.data_offset - 4, bytes: (data as u32).to_le_bytes() });
        patches
    }
}

/// What a file's beginning says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WavHeader {
    /// What the file holds.
    pub format: WavFormat,
    /// First byte of audio.
    pub data_offset: u64,
    /// Bytes of audio, as stated; after a crash it is too low.
    pub data_bytes: u64,
}

/// Reads the beginning of a file; 4096 bytes are enough but for strange ones.
pub fn parse(prefix: &[u8]) -> Result<WavHeader, WavError> {
    read(prefix).map(|(header, _)| header)
}

fn read(prefix: &[u8]) -> Result<(WavHeader, Layout), WavError> {
    if !matches!(prefix, [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..]) {
        return Err(if prefix.len() < 12 { WavError::Truncated } else { WavError::NotWave });
    }
    let (mut format, mut fact_offset) = (None, None);
    let mut offset = 12usize;
    // Each turn steps over 8 bytes or more of `prefix`.
    loop {
        let rest = prefix.get(offset..).ok_or(WavError::Truncated)?;
        let (id, rest) = rest.split_first_chunk::<4>().ok_or(WavError::Truncated)?;
        let (length, body) = rest.split_first_chunk::<4>().ok_or(WavError::Truncated)?;
        let length = u32::from_le_bytes(*length);
        offset += 8;
        match id {
            b"fmt " => format = Some(read_format(body.get(..length as usize).ok_or(WavError::Truncated)?)?),
            b"fact" if length >= 4 => fact_offset = Some(offset as u64),
            b"data" => {
                let format = format.ok_or(WavError::Format)?;
                let header = WavHeader { format, data_offset: offset as u64, data_bytes: u64::from(length) };
                return Ok((header, Layout { data_offset: offset as u64, fact_offset }));
            }
            _ => {}
        }
        offset = offset.saturating_add(length as usize).saturating_add(length as usize % 2);
    }
}

fn read_format(chunk: &[u8]) -> Result<WavFormat, WavError> {
    const EXTENSIBLE: u16 = 0xfffe;
    let u16_at = |offset: usize| {
        let bytes = chunk.get(offset..).and_then(|rest| rest.first_chunk::<2>()).ok_or(WavError::Format)?;
        Ok(u16::from_le_bytes(*bytes))
    };
    let bits = u16_at(14)?;
    // An extensible format has its tag at the start of a GUID.
    let tag = match u16_at(0)? {
        EXTENSIBLE => u16_at(24)?,
        tag => tag,
    };
    let channels = u16_at(2)?;
    let sample_rate_hz = u32::from(u16_at(4)?) | u32::from(u16_at(6)?) << 16;
    if channels == 0 || sample_rate_hz == 0 {
        return Err(WavError::Format);
    }
    let encoding = Encoding::of(tag, bits).ok_or(WavError::Unsupported { tag, bits })?;
    Ok(WavFormat { encoding, channels, sample_rate_hz })
}

/// What makes a file whole again whose writer was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// What the file holds.
    pub format: WavFormat,
    /// What to overwrite; empty where the header is right already.
    pub patches: Patches,
    /// Bytes of audio that there are.
    pub data_bytes: u64,
    /// Length to cut or (by one byte of padding) to extend the file to.
    pub file_len: u64,
}

/// The repair of a recording of ours of `file_len` bytes that begins with `prefix`. All behind the header counts as audio,
/// so this is not for files with chunks behind `data`. Half a sample at the end is cut off.
pub fn repair(prefix: &[u8], file_len: u64) -> Result<Repair, WavError> {
    let (header, layout) = read(prefix)?;
    let block = u64::from(header.format.block_align().max(1));
    let there = file_len.saturating_sub(header.data_offset).min(MAX_DATA_BYTES);
    // A padding byte behind an odd number of bytes is no sample.
    let padded = header.data_bytes % 2 == 1 && there == header.data_bytes + 1;
    let data_bytes = if padded { header.data_bytes } else { there } / block * block;
    let mut patches = layout.patches(&header.format, data_bytes);
    patches.retain(|patch| {
        let offset = patch.offset as usize;
        prefix.get(offset..offset + 4) != Some(&patch.bytes)
    });
    let file_len = header.data_offset + data_bytes + data_bytes % 2;
    Ok(Repair { format: header.format, patches, data_bytes, file_len })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO_MU: WavFormat = WavFormat { encoding: Encoding::MuLaw, channels: 2, sample_rate_hz: 8_000 };

    fn formats() -> impl Iterator<Item = WavFormat> {
        [Encoding::Pcm16, Encoding::MuLaw, Encoding::ALaw]
            .into_iter()
            .flat_map(|encoding| [1, 2].map(|channels| WavFormat { encoding, channels, sample_rate_hz: 8_000 }))
    }

    fn apply(file: &mut [u8], patches: &Patches) {
        for patch in patches {
            let offset = patch.offset as usize;
            file[offset..offset + 4].copy_from_slice(&patch.bytes);
        }
    }

    #[test]
    fn the_bytes_of_a_law_header() {
        #[rustfmt::skip]
        let expected = [
            b'R', b'I', b'F', b'F', 114, 0, 0, 0, b'W', b'A', b'V', b'E',
            b'f', b'm', b't', b' ', 18, 0, 0, 0,
            7, 0, 2, 0, 0x40, 0x1f, 0, 0, 0x80, 0x3e, 0, 0, 2, 0, 8, 0, 0, 0,
            b'f', b'a', b'c', b't', 4, 0, 0, 0, 32, 0, 0, 0,
            b'd', b'a', b't', b'a', 64, 0, 0, 0,
        ];
        assert_eq!(STEREO_MU.header(64), expected);
    }

    #[test]
    fn every_header_reads_back() {
        for format in formats() {
            let header = format.header(320);
            assert_eq!(header.len() as u64, format.header_len());
            let expected = WavHeader { format, data_offset: format.header_len(), data_bytes: 320 };
            assert_eq!(parse(&header), Ok(expected));
            for length in 0..header.len() {
                assert_eq!(parse(&header[..length]), Err(WavError::Truncated), "{length} bytes");
            }
        }
    }

    #[test]
    fn patching_is_the_same_as_writing_anew() {
        for format in formats() {
            for data_bytes in [0, 320, 1_000_000, MAX_DATA_BYTES, u64::MAX] {
                let mut header = format.header(0);
                apply(&mut header, &format.patches(data_bytes));
                assert_eq!(header, format.header(data_bytes));
            }
        }
    }

    #[test]
    fn a_killed_recording_is_repaired_and_then_right() {
        for format in formats() {
            let block = u64::from(format.block_align());
            let mut file = format.header(8_000);
            file.resize(file.len() + 12_345, 1);
            let repair_of = |file: &[u8]| repair(&file[..64], file.len() as u64).unwrap();
            let found = repair_of(&file);
            assert_eq!(found.data_bytes, 12_345 / block * block);
            apply(&mut file, &found.patches);
            file.resize(found.file_len as usize, 0);
            assert_eq!(file.len() % 2, 0);
            assert_eq!(file[..format.header_len() as usize], format.header(found.data_bytes));
            let again = repair_of(&file);
            assert_eq!((again.patches.len(), again.data_bytes), (0, found.data_bytes), "{format:?}");
            assert_eq!(again.file_len, file.len() as u64);
        }
    }

    #[test]
    fn a_header_without_audio_is_repaired() {
        let mut header = STEREO_MU.header(0);
        let length = header.len() as u64;
        assert_eq!(repair(&header, length).unwrap().patches.len(), 0);
        apply(&mut header, &STEREO_MU.patches(500));
        assert_eq!(repair(&header, length).unwrap().data_bytes, 0);
        assert_eq!(repair(&header[..30], 30), Err(WavError::Truncated));
    }

    #[test]
    fn other_chunks_and_extensible_formats_are_read() {
        let mut file = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x28\0\0\0".to_vec();
        file.extend_from_slice(&[
            0xfe, 0xff, 1, 0, 0x80, 0x3e, 0, 0, 0, 0x7d, 0, 0, 2, 0, 16, 0, 22, 0, 16, 0, 4, 0, 0, 0,
        ]);
        file.extend_from_slice(&[1, 0, 0, 0, 0, 0, 16, 0, 128, 0, 0, 170, 0, 56, 155, 113]);
        file.extend_from_slice(b"data\x0a\0\0\0");
        let header = parse(&file).unwrap();
        assert_eq!(header.format, WavFormat { encoding: Encoding::Pcm16, channels: 1, sample_rate_hz: 16_000 });
        assert_eq!((header.data_offset, header.data_bytes), (file.len() as u64, 10));
    }

    #[test]
    fn malformed_files_are_refused_with_their_reason() {
        let with = |offset: usize, value: u8| {
            let mut header = STEREO_MU.header(0);
            header[offset] = value;
            parse(&header)
        };
        assert_eq!(with(0, b'X'), Err(WavError::NotWave));
        assert_eq!(with(20, 3), Err(WavError::Unsupported { tag: 3, bits: 8 }));
        assert_eq!(with(22, 0), Err(WavError::Format));
        assert_eq!(with(16, 10), Err(WavError::Format));
        assert_eq!(with(19, 0xff), Err(WavError::Truncated));
        assert_eq!(parse(b"RIFF\0\0\0\0WAVEdata\0\0\0\0"), Err(WavError::Format));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut random = fastrand::Rng::with_seed(4);
        for _ in 0..100_000 {
            let mut header = STEREO_MU.header(random.u64(..1_000));
            for _ in 0..random.usize(1..5) {
                let index = random.usize(..header.len());
                header[index] = random.u8(..);
            }
            header.truncate(random.usize(..=header.len()));
            let file_len = random.u64(..) >> random.u32(..64);
            let _ = parse(&header);
            if let Ok(repair) = repair(&header, file_len) {
                assert!(repair.data_bytes <= file_len);
            }
        }
    }
}
