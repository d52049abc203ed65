//! Which calls are live, and on which media thread: for the drain, for orders, for whoever wants to look. The only map of
//! calls that several threads share; no hot path goes through it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::inbox::InboxSender;
use super::media_thread::Item;
use crate::call::Order;
use crate::ids::{CallId, DialogId};
use crate::sip::endpoint::INCOMING_DIALOG;

/// The media threads and their calls.
#[derive(Clone)]
pub struct Directory {
    threads: Arc<[InboxSender<Item>]>,
    live: Arc<Mutex<BTreeMap<CallId, usize>>>,
    stopped: Arc<AtomicBool>,
}

impl Directory {
    /// Over these threads; never none.
    pub fn new(threads: Vec<InboxSender<Item>>) -> Self {
        Self { threads: threads.into(), live: Arc::default(), stopped: Arc::default() }
    }

    /// The id of the `count`-th dialog that thread `thread` opens.
    pub fn outgoing_dialog(thread: usize, count: u64) -> DialogId {
        DialogId((thread as u64) << 48 | (count & 0xffff_ffff_ffff))
    }

    fn thread_of(&self, dialog: DialogId) -> usize {
        let incoming = dialog.0 & INCOMING_DIALOG != 0;
        let number = if incoming { dialog.0 & !INCOMING_DIALOG } else { dialog.0 >> 48 };
        usize::try_from(number).unwrap_or(0) % self.threads.len()
    }

    /// Gives something to the thread that has, or will have, this dialog's call. Gives it back where the thread is full.
    pub fn push(&self, dialog: DialogId, item: Item) -> Result<(), Item> {
        self.threads[self.thread_of(dialog)].push(item)
    }

    /// Asks something of a live call. False where there is no such call, or its thread is full.
    pub fn order(&self, call: CallId, order: Order) -> bool {
        let thread = self.lock().get(&call).copied();
        thread.is_some_and(|thread| self.threads[thread].push(Item::Order { call, order }).is_ok())
    }

    /// Calls that are live now.
    pub fn calls(&self) -> Vec<CallId> {
        self.lock().keys().copied().collect()
    }

    /// How many calls are live now.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Ends every media thread.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        for thread in self.threads.iter() {
            // A thread whose queue is full sees the stop flag of its last item later; there is no more to do.
            let _ = thread.push(Item::Stop);
        }
    }

    /// True once the threads were told to end: what finds no room then has no call any more.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(super) fn enter(&self, call: CallId, thread: usize) {
        self.lock().insert(call, thread);
    }

    pub(super) fn leave(&self, call: CallId) {
        self.lock().remove(&call);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CallId, usize>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
