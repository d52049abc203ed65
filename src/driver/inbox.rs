//! A media thread's one queue: what the SIP endpoint, the engines and the console have to say to its calls.
//! Queue `inputs`: 8,192 items a thread. When it is full the item is refused and counted; whoever pushed it decides.
//!
//! The thread runs at real-time priority and those who push do not. It must never wait for one of them, on whose core it may
//! be: a lock-free queue whose reader spins on a half-written slot stood still for 0.95 s so (until the kernel lets ordinary
//! threads have a twentieth). Hence a mutex that it only tries; what it does not get now is there after the next short sleep.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use rustix::event::{EventfdFlags, eventfd};

/// Items that may wait for one media thread.
pub const INBOX_CAPACITY: usize = 8_192;

#[derive(Debug)]
struct Shared<T> {
    items: Mutex<VecDeque<T>>,
    wake: OwnedFd,
    /// The thread is gone.
    closed: AtomicBool,
    refused: AtomicU64,
}

/// The pushing end; wakes the thread.
#[derive(Debug)]
pub struct InboxSender<T>(Arc<Shared<T>>);

impl<T> Clone for InboxSender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> InboxSender<T> {
    /// Pushes and wakes. Gives the item back where the queue is full or the thread is gone.
    pub fn push(&self, item: T) -> Result<(), T> {
        let shared = &*self.0;
        let mut items = shared.items.lock().unwrap_or_else(PoisonError::into_inner);
        if items.len() >= INBOX_CAPACITY || shared.closed.load(Ordering::Relaxed) {
            shared.refused.fetch_add(1, Ordering::Relaxed);
            return Err(item);
        }
        items.push_back(item);
        drop(items);
        // The counter of an eventfd overflows after 2^64 wake-ups that nobody read.
        let _ = rustix::io::write(&shared.wake, &1u64.to_ne_bytes());
        Ok(())
    }

    /// Items that found no room.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }
}

/// What the thread finds in its inbox.
#[derive(Debug, PartialEq, Eq)]
pub enum Popped<T> {
    /// The next item.
    Item(T),
    /// Nothing waits.
    Nothing,
    /// Somebody is pushing at this moment: look again soon, and do not wait for him.
    Busy,
}

/// The thread's end.
#[derive(Debug)]
pub struct Inbox<T>(Arc<Shared<T>>);

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Relaxed);
    }
}

impl<T> Inbox<T> {
    /// Takes the next item. Never waits.
    pub fn pop(&self) -> Popped<T> {
        self.items().map_or(Popped::Busy, |mut items| items.pop_front().map_or(Popped::Nothing, Popped::Item))
    }

    fn items(&self) -> Option<MutexGuard<'_, VecDeque<T>>> {
        match self.0.items.try_lock() {
            Ok(items) => Some(items),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Clears the wake-up. Call before the items are taken, so that none is overlooked.
    pub fn clear_wake(&self) {
        let mut counter = [0; 8];
        // Nothing to read means that nobody woke us: as good as cleared.
        let _ = rustix::io::read(&self.0.wake, &mut counter);
    }

    /// To be watched for readability.
    pub fn wake_fd(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }
}

/// Both ends of a queue.
pub fn inbox<T>() -> std::io::Result<(InboxSender<T>, Inbox<T>)> {
    let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let (items, closed, refused) = (Mutex::new(VecDeque::new()), AtomicBool::new(false), AtomicU64::new(0));
    let shared = Arc::new(Shared { items, wake, closed, refused });
    Ok((InboxSender(shared.clone()), Inbox(shared)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_order_and_no_more_than_there_is_room_for() {
        let (sender, inbox) = inbox().unwrap();
        assert_eq!(inbox.pop(), Popped::<usize>::Nothing);
        let taken = (0..INBOX_CAPACITY + 2).filter(|n| sender.push(*n).is_ok()).count();
        assert_eq!((taken, sender.refused()), (INBOX_CAPACITY, 2));
        assert!((0..INBOX_CAPACITY).all(|n| inbox.pop() == Popped::Item(n)));
        assert_eq!(inbox.pop(), Popped::Nothing);
        drop(inbox);
        assert_eq!(sender.push(1), Err(1), "the thread is gone");
    }

    #[test]
    fn the_thread_does_not_wait_for_one_who_pushes() {
        let (sender, inbox) = inbox().unwrap();
        sender.push(1).unwrap();
        let pushing = sender.0.items.lock().unwrap();
        assert_eq!(inbox.pop(), Popped::Busy);
        drop(pushing);
        assert_eq!(inbox.pop(), Popped::Item(1));
    }
}
