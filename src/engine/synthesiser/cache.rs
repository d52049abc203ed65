//! Remembers what was spoken: in memory up to a number of bytes (least recently used go first), and, for the fixed prompts
//! of the dialplans, in a folder, so that the next start speaks at once.
//!
//! What is said with a caller's own figures stays in memory only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::audio::wav::{self, Encoding, WavFormat};
use crate::engine::synthesiser::RATE_HZ;

const FORMAT: WavFormat = WavFormat { encoding: Encoding::Pcm16, channels: 1, sample_rate_hz: RATE_HZ };

/// What makes a sound what it is: text and the engine's fingerprint, summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of a text said by an engine with that fingerprint.
    pub fn new(fingerprint: &str, text: &str) -> Self {
        let mut sum = Sha256::new();
        sum.update(fingerprint.as_bytes());
        sum.update([0]);
        sum.update(text.as_bytes());
        Self(sum.finalize().into())
    }
}

/// How much is kept, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// Most bytes of samples in memory.
    pub bytes: usize,
    /// Folder of the fixed prompts.
    pub folder: Option<PathBuf>,
}

impl Default for CacheConfig {
    /// 64 MiB: 70 minutes of speech.
    fn default() -> Self {
        Self { bytes: 64 << 20, folder: None }
    }
}

/// The memory of a synthesiser.
#[derive(Debug)]
pub struct Cache {
    config: CacheConfig,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    sounds: BTreeMap<Key, (u64, Arc<[i16]>)>,
    by_use: BTreeMap<u64, Key>,
    bytes: usize,
    uses: u64,
}

impl Cache {
    /// An empty one.
    pub fn new(config: CacheConfig) -> Self {
        Self { config, kept: Mutex::default() }
    }

    /// The samples, from memory or from the folder.
    pub fn get(&self, key: Key) -> Option<Arc<[i16]>> {
        if let Some(found) = self.lock().find(key) {
            return Some(found);
        }
        let file = std::fs::read(self.file(key)?).ok()?;
        let samples: Arc<[i16]> = read_wav(&file)?.into();
        self.put(key, samples.clone());
        Some(samples)
    }

    /// Keeps samples in memory.
    pub fn put(&self, key: Key, samples: Arc<[i16]>) {
        let size = size_of_val(&*samples);
        if size > self.config.bytes {
            return;
        }
        let mut kept = self.lock();
        kept.remove(key);
        while kept.bytes + size > self.config.bytes {
            let Some(oldest) = kept.by_use.values().next().copied() else { break };
            kept.remove(oldest);
        }
        kept.uses += 1;
        let used = kept.uses;
        kept.bytes += size;
        kept.by_use.insert(used, key);
        kept.sounds.insert(key, (used, samples));
    }

    /// Keeps samples in memory and in the folder, where there is one.
    pub fn put_for_good(&self, key: Key, samples: Arc<[i16]>) -> std::io::Result<()> {
        let file = self.file(key);
        if let Some(file) = file.filter(|file| !file.exists()) {
            std::fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
            let half = file.with_extension(format!("{}.part", std::process::id()));
            std::fs::write(&half, write_wav(&samples))?;
            std::fs::rename(&half, &file)?;
        }
        self.put(key, samples);
        Ok(())
    }

    /// Bytes of samples in memory.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn file(&self, key: Key) -> Option<PathBuf> {
        Some(self.config.folder.as_ref()?.join(format!("{}.wav", hex::encode(key.0))))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Every change of the maps is complete before a panic could leave them.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn find(&mut self, key: Key) -> Option<Arc<[i16]>> {
        self.uses += 1;
        let now = self.uses;
        let (used, samples) = self.sounds.get_mut(&key)?;
        self.by_use.remove(used);
        *used = now;
        self.by_use.insert(now, key);
        Some(samples.clone())
    }

    fn remove(&mut self, key: Key) {
        if let Some((used, samples)) = self.sounds.remove(&key) {
            self.by_use.remove(&used);
            self.bytes -= size_of_val(&*samples);
        }
    }
}

fn write_wav(samples: &[i16]) -> Vec<u8> {
    let mut bytes = FORMAT.header(size_of_val(samples) as u64);
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

fn read_wav(bytes: &[u8]) -> Option<Vec<i16>> {
    let header = wav::parse(bytes).ok().filter(|header| header.format == FORMAT)?;
    let data = bytes.get(header.data_offset as usize..)?;
    let whole = data.len() as u64 == header.data_bytes;
    whole.then(|| data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(value: i16, samples: usize) -> Arc<[i16]> {
        vec![value; samples].into()
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = Cache::new(CacheConfig { bytes: 400, folder: None });
        let keys = [Key::new("e", "a"), Key::new("e", "b"), Key::new("e", "c")];
        cache.put(keys[0], sound(1, 100));
        cache.put(keys[1], sound(2, 100));
        assert_eq!(cache.get(keys[0]), Some(sound(1, 100)));
        cache.put(keys[2], sound(3, 100));
        assert_eq!(cache.get(keys[1]), None);
        assert_eq!(cache.get(keys[0]), Some(sound(1, 100)));
        assert_eq!(cache.bytes(), 400);
        cache.put(keys[1], sound(9, 1000));
        assert_eq!((cache.get(keys[1]), cache.bytes()), (None, 400));
    }

    #[test]
    fn another_voice_is_another_sound() {
        assert_ne!(Key::new("espeak yue 175", "好"), Key::new("espeak yue 150", "好"));
        assert_ne!(Key::new("ab", "c"), Key::new("a", "bc"));
    }

    #[test]
    fn the_folder_outlives_the_process_and_a_broken_file_is_not_spoken() {
        let folder = std::env::temp_dir().join(format!("tingwa-cache-{}", std::process::id()));
        let config = CacheConfig { bytes: 1 << 20, folder: Some(folder.clone()) };
        let key = Key::new("e", "fixed prompt");
        Cache::new(config.clone()).put_for_good(key, sound(7, 160)).unwrap();
        let anew = Cache::new(config.clone());
        assert_eq!(anew.get(key), Some(sound(7, 160)));
        Cache::new(config.clone()).put(Key::new("e", "your balance is 5"), sound(1, 10));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        for file in std::fs::read_dir(&folder).unwrap() {
            std::fs::write(file.unwrap().path(), b"RIFFnonsense").unwrap();
        }
        assert_eq!(Cache::new(config).get(key), None);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
