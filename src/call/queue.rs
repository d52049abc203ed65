//! Whom to ring, and in which order: the telephones of one queue, each once per transfer. Who is free, skilled or next
//! in turn is not known here yet.

use std::sync::Arc;

use crate::dialplan::schema::{Plan, Queue, RingTarget};

/// The telephones of a queue that have not been tried yet.
#[derive(Debug)]
pub struct Targets {
    plan: Arc<Plan>,
    queue: String,
    next: usize,
}

impl Targets {
    /// All of them, in the order of the plan. A queue that the plan has not got has none.
    pub fn new(plan: Arc<Plan>, queue: &str) -> Self {
        Self { plan, queue: queue.to_owned(), next: 0 }
    }

    /// What the plan says of the queue.
    pub fn queue(&self) -> Option<&Queue> {
        self.plan.queues.get(&self.queue)
    }

    /// The next telephone.
    pub fn take(&mut self) -> Option<RingTarget> {
        let target = self.queue()?.ring.get(self.next)?.clone();
        self.next += 1;
        Some(target)
    }
}
