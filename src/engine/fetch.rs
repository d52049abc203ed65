//! Fetches the files of models, from a web address or a folder, and lets only the right ones into their place.
//!
//! A file grows as `NAME.part` beside its place; what an interrupted transfer left there is gone on with. It is renamed
//! into place when size and checksum are the manifest's; until then the file that is in place stays as it is. Talks only to
//! the place that it is given, and to where that redirects.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::manifest::{Fingerprint, ModelFile, fingerprint};

mod error;
mod http;
mod part;
#[cfg(test)]
mod tests;

pub use error::FetchError;
use part::Part;
pub use part::part_bytes;

/// An attempt that brought so much does not count as failed: a long file over a bad line gets there.
const PROGRESS_BYTES: u64 = 1 << 20;
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const PIECE_BYTES: usize = 1 << 16;

/// Where files come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A web address without the last slash.
    Address(String),
}

impl Place {
    /// A folder or `file://...`, or `http://...` or `https://...`.
    pub fn of(text: &str) -> Self {
        if text.starts_with("https://") || text.starts_with("http://") {
            return Self::Address(text.trim_end_matches('/').to_owned());
        }
        Self::Folder(PathBuf::from(text.strip_prefix("file://").unwrap_or(text)))
    }

    /// The place within it of that name.
    #[must_use]
    pub fn within(&self, name: &str) -> Self {
        match self {
            Self::Folder(path) => Self::Folder(path.join(name)),
            Self::Address(address) => Self::Address(format!("{address}/{}", encoded(name))),
        }
    }
}

/// A name as a web address writes it (RFC 3986, 2); its slashes stay.
fn encoded(name: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    name.bytes().map(one).collect()
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Address(address) => f.write_str(address),
        }
    }
}

/// How long and how often it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts without progress before it gives up.
    pub attempts: u32,
    /// Before the second attempt; doubles from attempt to attempt.
    pub first_wait: Duration,
    /// A connection that brings nothing for so long is given up.
    pub silence: Duration,
    /// Most bytes of a file whose size the manifest does not know.
    pub most_bytes: u64,
}

impl Default for Policy {
    fn default() -> Self {
        let (first_wait, silence) = (Duration::from_secs(1), Duration::from_secs(30));
        Self { attempts: 5, first_wait, silence, most_bytes: 8_000_000_000 }
    }
}

/// Is told how a transfer goes.
pub trait Watch {
    /// So much is there, of so much where that is known; may come again after a pause.
    fn begun(&mut self, there: u64, total: Option<u64>);
    /// So much is there now.
    fn at(&mut self, there: u64);
    /// All is there; its checksum is being worked out.
    fn checking(&mut self);
    /// An attempt failed; the next one begins when this returns, and that should take `wait`.
    fn pause(&mut self, why: &FetchError, wait: Duration);
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The right file was there before.
    AlreadyThere,
    /// It was fetched, and this is it.
    New(Fingerprint),
}

/// A file being read.
struct Source {
    reader: Box<dyn Read>,
    /// Where in the file the reader stands.
    from: u64,
    /// Size of the whole file where it is known.
    total: Option<u64>,
}

/// Fetches one file from a place that has exactly that file.
pub fn fetch(file: &ModelFile, place: &Place, policy: &Policy, watch: &mut dyn Watch) -> Result<Fetched, FetchError> {
    if file.sha256.is_some() && fingerprint(&file.path).is_ok_and(|found| file.difference(&found).is_none()) {
        return Ok(Fetched::AlreadyThere);
    }
    let mut part = Part::open(&file.path)?;
    let outcome = fetch_into(&mut part, file, place, policy, watch);
    if outcome.is_err() && part.there() == 0 {
        // Leaves nothing behind; where that fails too, an empty file does no harm.
        let _ = part.remove();
    }
    Ok(Fetched::New(outcome?))
}

fn fetch_into(
    part: &mut Part,
    file: &ModelFile,
    place: &Place,
    policy: &Policy,
    watch: &mut dyn Watch,
) -> Result<Fingerprint, FetchError> {
    if file.sha256.is_none() {
        // Nothing would notice two halves of different files.
        part.restart()?;
    }
    let mut fresh = part.there() == 0;
    loop {
        transfer(file, place, policy, part, watch)?;
        watch.checking();
        let found = part.fingerprint()?;
        match file.difference(&found) {
            None => {
                part.install(&file.path)?;
                return Ok(found);
            }
            // What was left from before may have been of another file.
            Some(_) if !fresh => {
                part.restart()?;
                fresh = true;
            }
            Some(difference) => {
                part.remove()?;
                return Err(FetchError::Other { place: place.clone(), difference });
            }
        }
    }
}

fn transfer(
    file: &ModelFile,
    place: &Place,
    policy: &Policy,
    part: &mut Part,
    watch: &mut dyn Watch,
) -> Result<(), FetchError> {
    let mut failures = 0;
    loop {
        let before = part.there();
        let error = match attempt(file, place, policy, part, watch) {
            Err(error) if error.is_passing() => error,
            other => return other,
        };
        failures = if part.there() >= before.saturating_add(PROGRESS_BYTES) { 1 } else { failures + 1 };
        if failures >= policy.attempts {
            return Err(error.given_up(failures));
        }
        let wait = policy.first_wait.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST_WAIT);
        watch.pause(&error, wait);
    }
}

fn attempt(
    file: &ModelFile,
    place: &Place,
    policy: &Policy,
    part: &mut Part,
    watch: &mut dyn Watch,
) -> Result<(), FetchError> {
    if file.bytes.is_some_and(|bytes| part.there() > bytes) {
        part.restart()?;
    }
    if file.bytes == Some(part.there()) {
        return Ok(());
    }
    let source = match open(place, part.there(), policy)? {
        Some(source) if source.from == part.there() => source,
        Some(source) if source.from == 0 => {
            part.restart()?;
            source
        }
        _ => {
            part.restart()?;
            let what = "it does not go on where the transfer stopped".to_owned();
            return Err(FetchError::Broken { place: place.clone(), what });
        }
    };
    let other = |difference| FetchError::Other { place: place.clone(), difference };
    if let (Some(total), Some(bytes)) = (source.total, file.bytes)
        && total != bytes
    {
        return Err(other(format!("{total} bytes, expected {bytes}")));
    }
    let total = file.bytes.or(source.total);
    let most = total.unwrap_or(policy.most_bytes).min(policy.most_bytes.max(file.bytes.unwrap_or(0)));
    part.needs_room(total.unwrap_or(0))?;
    watch.begun(part.there(), total);
    copy(source.reader, place, most, part, watch)?;
    match total {
        Some(total) if part.there() < total => {
            let what = format!("it ended after {} of {total} bytes", part.there());
            Err(FetchError::Broken { place: place.clone(), what })
        }
        _ => Ok(()),
    }
}

fn copy(
    mut reader: Box<dyn Read>,
    place: &Place,
    most: u64,
    part: &mut Part,
    watch: &mut dyn Watch,
) -> Result<(), FetchError> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = match reader.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(FetchError::Broken { place: place.clone(), what: error.to_string() }),
        };
        if part.there() + read as u64 > most {
            part.remove()?;
            let difference = format!("more than {most} bytes");
            return Err(FetchError::Other { place: place.clone(), difference });
        }
        part.add(&piece[..read])?;
        watch.at(part.there());
    }
}

/// Opens the file at an offset; `None` where the place has nothing at that offset.
fn open(place: &Place, from: u64, policy: &Policy) -> Result<Option<Source>, FetchError> {
    match place {
        Place::Address(address) => http::open(address, from, policy),
        Place::Folder(path) => open_file(path, from),
    }
}

fn open_file(path: &Path, from: u64) -> Result<Option<Source>, FetchError> {
    use std::io::{Seek, SeekFrom};
    let place = || Place::Folder(path.to_path_buf());
    let opened = std::fs::File::open(path).and_then(|mut file| {
        let total = file.metadata()?.len();
        file.seek(SeekFrom::Start(from))?;
        Ok((file, total))
    });
    match opened {
        Ok((_, total)) if from > total => Ok(None),
        Ok((file, total)) => Ok(Some(Source { reader: Box::new(file), from, total: Some(total) })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(FetchError::NotThere { place: place(), what: "no such file".to_owned() })
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(FetchError::Denied { place: place(), what: error.to_string() })
        }
        Err(error) => Err(FetchError::Broken { place: place(), what: error.to_string() }),
    }
}
