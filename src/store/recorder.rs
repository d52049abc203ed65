//! The thread that writes recordings, so that no media thread ever waits for a disk.
//! Queue `recorder`: 8,192 items (1.6 s of 100 calls). When it is full the item is dropped and counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError};

use super::recording::{Recording, repair};
use crate::audio::frame::Frame;
use crate::ids::CallId;

/// Items that may wait for the disk.
pub const RECORDER_QUEUE: usize = 8_192;

enum Item {
    Begin { call: CallId, path: PathBuf },
    Frames { call: CallId, frames: Box<(Frame, Frame)> },
    End { call: CallId },
}

/// The calls' end of the queue.
#[derive(Clone)]
pub struct Recorder {
    folder: PathBuf,
    sender: Sender<Item>,
    dropped: Arc<AtomicU64>,
}

impl Recorder {
    /// Starts the thread. It ends when the last `Recorder` is gone.
    pub fn start(folder: PathBuf) -> std::io::Result<(Self, JoinHandle<()>)> {
        std::fs::create_dir_all(&folder)?;
        let (sender, receiver) = crossbeam_channel::bounded(RECORDER_QUEUE);
        let thread = std::thread::Builder::new().name("recorder".to_owned()).spawn(move || write(&receiver))?;
        Ok((Self { folder, sender, dropped: Arc::new(AtomicU64::new(0)) }, thread))
    }

    /// Begins a call's recording; `path` is relative to the recordings folder.
    pub fn begin(&self, call: CallId, path: &str) {
        self.push(Item::Begin { call, path: self.folder.join(path) });
    }

    /// Appends 20 ms. False where the queue was full and they were dropped.
    pub fn frames(&self, call: CallId, left: Frame, right: Frame) -> bool {
        self.push(Item::Frames { call, frames: Box::new((left, right)) })
    }

    /// Ends a call's recording.
    pub fn end(&self, call: CallId) {
        self.push(Item::End { call });
    }

    /// Items that found no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn push(&self, item: Item) -> bool {
        match self.sender.try_send(item) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }
}

fn write(queue: &Receiver<Item>) {
    let mut open: BTreeMap<CallId, Recording> = BTreeMap::new();
    for item in queue {
        let (call, outcome) = match item {
            Item::Begin { call, path } => (call, Recording::create(&path).map(|r| drop(open.insert(call, r)))),
            Item::Frames { call, frames } => match open.get_mut(&call) {
                Some(recording) => (call, recording.append(&frames.0, &frames.1)),
                None => continue,
            },
            Item::End { call } => match open.remove(&call) {
                Some(mut recording) => (call, recording.flush()),
                None => continue,
            },
        };
        if let Err(error) = outcome {
            tracing::error!(%call, %error, "recording lost");
            open.remove(&call);
        }
    }
    for recording in open.values_mut() {
        if let Err(error) = recording.flush() {
            tracing::error!(%error, "recording not closed");
        }
    }
}

/// Mends every recording of the calls that a crash cut off; returns how many had to be mended.
pub fn repair_all(folder: &Path, recordings: impl IntoIterator<Item = String>) -> usize {
    let mut mended = 0;
    for path in recordings {
        match repair(&folder.join(path)) {
            Ok(changed) => mended += usize::from(changed),
            Err(error) => tracing::warn!(%error, "a recording could not be mended"),
        }
    }
    mended
}
