//! One call's recording: a two-channel WAV (caller left, the other side right), 16-bit PCM at 8 kHz, appended frame by
//! frame. Its header is set right every second, so that a killed process leaves a file that plays up to its last second;
//! [`repair`] takes in the rest at the next start.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::audio::frame::{Frame, SAMPLE_RATE_HZ};
use crate::audio::wav::{self, Encoding, WavFormat};

const FORMAT: WavFormat = WavFormat { encoding: Encoding::Pcm16, channels: 2, sample_rate_hz: SAMPLE_RATE_HZ };

/// Frames between two patches of the header: one second.
const FRAMES_PER_PATCH: u32 = 50;

/// Bytes that wait in memory before they go to the file: 200 ms.
const BUFFERED_BYTES: usize = 10 * 640;

/// What went wrong with a recording.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {path}: {source}")]
pub struct RecordingError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecordingError {
    let path = path.to_owned();
    move |source| RecordingError { doing, path, source }
}

/// A recording being written.
#[derive(Debug)]
pub struct Recording {
    file: File,
    path: PathBuf,
    waiting: Vec<u8>,
    data_bytes: u64,
    frames_since_patch: u32,
}

impl Recording {
    /// Makes the file and the folders above it.
    pub fn create(path: &Path) -> Result<Self, RecordingError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed("cannot make the folder of", path))?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(failed("cannot make the recording", path))?;
        file.write_all(&FORMAT.header(0)).map_err(failed("cannot write the recording", path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            waiting: Vec::with_capacity(BUFFERED_BYTES + 640),
            data_bytes: 0,
            frames_since_patch: 0,
        })
    }

    /// Appends 20 ms of both sides.
    pub fn append(&mut self, left: &Frame, right: &Frame) -> Result<(), RecordingError> {
        for (left, right) in left.0.iter().zip(&right.0) {
            self.waiting.extend_from_slice(&left.to_le_bytes());
            self.waiting.extend_from_slice(&right.to_le_bytes());
        }
        self.frames_since_patch += 1;
        if self.frames_since_patch >= FRAMES_PER_PATCH {
            self.flush()?;
        } else if self.waiting.len() >= BUFFERED_BYTES {
            self.write_waiting()?;
        }
        Ok(())
    }

    /// Writes what waits and sets the header right.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        self.write_waiting()?;
        self.frames_since_patch = 0;
        patch_header(&mut self.file, self.data_bytes).map_err(failed("cannot write the header of", &self.path))
    }

    fn write_waiting(&mut self) -> Result<(), RecordingError> {
        self.file.write_all(&self.waiting).map_err(failed("cannot write the recording", &self.path))?;
        self.data_bytes += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }
}

fn patch_header(file: &mut File, data_bytes: u64) -> io::Result<()> {
    for patch in FORMAT.patches(data_bytes) {
        file.seek(SeekFrom::Start(patch.offset))?;
        file.write_all(&patch.bytes)?;
    }
    file.seek(SeekFrom::End(0)).map(drop)
}

/// Sets right the header of a file that its writer left in a hurry. Returns true where it had to be mended.
pub fn repair(path: &Path) -> Result<bool, RecordingError> {
    let doing = "cannot repair the recording";
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(failed(doing, path))?;
    let length = file.metadata().map_err(failed(doing, path))?.len();
    let mut header = Vec::new();
    Read::by_ref(&mut file).take(FORMAT.header_len()).read_to_end(&mut header).map_err(failed(doing, path))?;
    let Ok(repair) = wav::repair(&header, length) else {
        file.set_len(0).and_then(|()| file.rewind()).map_err(failed(doing, path))?;
        file.write_all(&FORMAT.header(0)).map_err(failed(doing, path))?;
        return Ok(true);
    };
    for patch in &repair.patches {
        file.seek(SeekFrom::Start(patch.offset)).map_err(failed(doing, path))?;
        file.write_all(&patch.bytes).map_err(failed(doing, path))?;
    }
    if repair.file_len != length {
        file.set_len(repair.file_len).map_err(failed(doing, path))?;
    }
    Ok(!repair.patches.is_empty() || repair.file_len != length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_cut_off_by_a_crash_is_mended() {
        let folder = std::env::temp_dir().join(format!("tingwa-recording-{}", std::process::id()));
        let path = folder.join("a.wav");
        let mut recording = Recording::create(&path).unwrap();
        for _ in 0..60 {
            recording.append(&Frame::default(), &Frame::default()).unwrap();
        }
        drop(recording);
        assert!(repair(&path).unwrap(), "60 frames: 50 are in the header");
        assert!(!repair(&path).unwrap());
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 44 + 60 * 640);
        assert_eq!(&bytes[40..44], &u32::to_le_bytes(60 * 640));
        std::fs::write(&path, [0; 10]).unwrap();
        assert!(repair(&path).unwrap(), "not even a header");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
