//! A media thread's one queue: what the SIP endpoint, the engines and the console have to say to its calls.
//! Queue `inputs`: 8,192 items a thread. When it is full the item is refused and counted; whoever pushed it decides.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender};
use rustix::event::{EventfdFlags, eventfd};

/// Items that may wait for one media thread.
pub const INBOX_CAPACITY: usize = 8_192;

/// The pushing end; wakes the thread.
#[derive(Debug)]
pub struct InboxSender<T> {
    sender: Sender<T>,
    wake: Arc<OwnedFd>,
    refused: Arc<AtomicU64>,
}

impl<T> Clone for InboxSender<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), wake: self.wake.clone(), refused: self.refused.clone() }
    }
}

impl<T> InboxSender<T> {
    /// Pushes and wakes. Gives the item back where the queue is full or the thread is gone.
    pub fn push(&self, item: T) -> Result<(), T> {
        match self.sender.try_send(item) {
            Ok(()) => {
                // The counter of an eventfd overflows after 2^64 wake-ups that nobody read.
                let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
                Ok(())
            }
            Err(error) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(error.into_inner())
            }
        }
    }

    /// Items that found no room.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// The thread's end.
#[derive(Debug)]
pub struct Inbox<T> {
    receiver: Receiver<T>,
    wake: Arc<OwnedFd>,
}

impl<T> Inbox<T> {
    /// Takes the next item; also clears the wake-up.
    pub fn pop(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    /// True while nothing waits.
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// Clears the wake-up. Call before the items are taken, so that none is overlooked.
    pub fn clear_wake(&self) {
        let mut counter = [0; 8];
        // Nothing to read means that nobody woke us: as good as cleared.
        let _ = rustix::io::read(&self.wake, &mut counter);
    }

    /// To be watched for readability.
    pub fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// Both ends of a queue.
pub fn inbox<T>() -> std::io::Result<(InboxSender<T>, Inbox<T>)> {
    let (sender, receiver) = crossbeam_channel::bounded(INBOX_CAPACITY);
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let refused = Arc::new(AtomicU64::new(0));
    Ok((InboxSender { sender, wake: wake.clone(), refused }, Inbox { receiver, wake }))
}
