//! The file of signals: read when it changes, so that `tingwa signal` needs no restart, and written whole.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use crate::dialplan::calendar::Signals;
use crate::settings::{Problem, Problems};

/// Largest file of signals that is read, bytes.
const FILE_BYTES: u64 = 64 << 10;

/// The signals as new calls see them.
#[derive(Clone, Default)]
pub struct LiveSignals(Arc<RwLock<Signals>>);

impl LiveSignals {
    /// As they are now; may have expired.
    pub fn get(&self) -> Signals {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, signals: Signals) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = signals;
    }
}

/// Looks at the file from time to time and tells the calls.
pub struct SignalFile {
    path: PathBuf,
    seen: Option<SystemTime>,
    live: LiveSignals,
}

impl SignalFile {
    /// Nothing is read yet.
    pub fn new(path: PathBuf, live: LiveSignals) -> Self {
        Self { path, seen: None, live }
    }

    /// Reads the file where it has changed. What is wrong with it leaves the old signals in force.
    pub fn look(&mut self) -> Option<Result<Signals, Vec<Problem>>> {
        let changed = self.path.metadata().and_then(|file| file.modified()).ok();
        if changed == self.seen {
            return None;
        }
        self.seen = changed;
        let read = load(&self.path);
        if let Ok(signals) = &read {
            self.live.set(*signals);
        }
        Some(read)
    }
}

/// The signals of a file; none where there is no file.
pub fn load(path: &Path) -> Result<Signals, Vec<Problem>> {
    let problems = Problems::default();
    let name = path.display().to_string();
    let signals = match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Signals::default()),
        Ok(file) if file.len() > FILE_BYTES => {
            problems.push_file(&name, format!("larger than {} KiB", FILE_BYTES >> 10));
            Signals::default()
        }
        _ => match std::fs::read_to_string(path) {
            Ok(text) => Signals::parse(&name, &text, &problems),
            Err(error) => {
                problems.push_file(&name, format!("cannot be read: {error}"));
                Signals::default()
            }
        },
    };
    if problems.is_empty() { Ok(signals) } else { Err(problems.into_vec()) }
}

/// Writes the file beside itself and puts it in place, so that nobody reads half of it.
pub fn save(path: &Path, signals: &Signals) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let half = path.with_extension("new");
    std::fs::write(&half, signals.to_toml())?;
    std::fs::rename(half, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialplan::calendar::Rain;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_changed_file_is_read_and_a_bad_one_changes_nothing() {
        let folder = std::env::temp_dir().join(format!("tingwa-signals-{}", std::process::id()));
        let path = folder.join("signals.toml");
        let live = LiveSignals::default();
        let mut file = SignalFile::new(path.clone(), live.clone());
        assert!(file.look().is_none(), "no file, no news");
        let until = UNIX_EPOCH + Duration::from_secs(1_790_000_040);
        let black = Signals { rain: Some((Rain::Black, until)), ..Signals::default() };
        save(&path, &black).unwrap();
        assert_eq!(file.look(), Some(Ok(black)));
        assert_eq!((live.get(), file.look()), (black, None));
        std::fs::write(&path, "[rain]\nsignal = \"blue\"\n").unwrap();
        let later = std::fs::File::options().write(true).open(&path).unwrap();
        later.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
        assert!(file.look().unwrap().is_err());
        assert_eq!(live.get(), black, "the old signals stay in force");
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!((file.look(), live.get()), (Some(Ok(Signals::default())), Signals::default()));
    }
}
