//! Carries entries from the calls to the database: one bounded queue, one task, one transaction for whatever waits.
//! Queue `journal`: 4,096 entries. When it is full the calls decide no further until there is room (audio goes on).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::callers::Callers;
use super::sqlite::Database;
use crate::journal::Record;

/// Entries that may wait for the database.
pub const JOURNAL_QUEUE: usize = 4096;

/// Most entries in one transaction.
const BATCH: usize = 256;

/// The calls' end of the queue.
#[derive(Clone, Debug)]
pub struct JournalQueue {
    sender: mpsc::Sender<Record>,
    lost: Arc<AtomicU64>,
}

impl JournalQueue {
    /// True while there is room for a call's next decisions.
    pub fn has_room(&self) -> bool {
        self.sender.capacity() > JOURNAL_QUEUE / 8
    }

    /// Hands an entry over. The eighth of the queue that `has_room` holds back takes what calls in progress still write.
    pub fn push(&self, record: Record) {
        if let Err(error) = self.sender.try_send(record) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "journal entry lost: the queue to the database is full");
        }
    }

    /// Entries that found no room.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// The queue and the task's end of it.
pub fn journal_queue() -> (JournalQueue, mpsc::Receiver<Record>) {
    let (sender, receiver) = mpsc::channel(JOURNAL_QUEUE);
    (JournalQueue { sender, lost: Arc::new(AtomicU64::new(0)) }, receiver)
}

/// Writes until every [`JournalQueue`] is gone. A failed transaction is tried again with back-off, and never dropped.
/// `callers` learn from calls that have ended. `watched` gets what was written; where it is full, it misses some.
pub async fn write_journal(
    database: Database,
    mut queue: mpsc::Receiver<Record>,
    callers: Option<Callers>,
    watched: Option<mpsc::Sender<Record>>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let mut wait_ms = 50;
        while let Err(error) = database.append(&batch).await {
            tracing::error!(%error, retry_in_ms = wait_ms, "the journal cannot be written");
            tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
            wait_ms = (wait_ms * 2).min(5_000);
        }
        if let Some(callers) = &callers {
            callers.learn_ended(&batch).await;
        }
        for record in batch.drain(..) {
            if let Some(watched) = &watched {
                // Somebody who watches misses a line rather than holding up the journal.
                let _ = watched.try_send(record);
            }
        }
    }
}
