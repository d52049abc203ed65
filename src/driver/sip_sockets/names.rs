//! The endpoint's questions where a trunk is, put to DNS beside everything else. One question a trunk at a time: the endpoint asks again
//! only after an answer.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::driver::resolver::{LookupError, SystemZone, locate};
use crate::sip::trunk::{Located, Lookup};

/// Answers that may wait for the endpoint; more wait in their tasks.
const QUEUE: usize = 64;
/// A look-up with all its questions is given up after this.
const LONGEST: Duration = Duration::from_secs(15);

/// What was found.
pub(super) struct Found {
    pub(super) trunk: usize,
    /// Name that a certificate must have, and what was found.
    pub(super) host: String,
    pub(super) located: Option<Located>,
}

/// See the module.
pub(super) struct Names {
    zone: Option<SystemZone>,
    answers: (mpsc::Sender<Found>, mpsc::Receiver<Found>),
}

impl Names {
    pub(super) fn new() -> Self {
        Self { zone: None, answers: mpsc::channel(QUEUE) }
    }

    /// Asks; [`Names::next`] answers.
    pub(super) fn ask(&mut self, trunk: usize, lookup: Lookup) {
        let zone = match &self.zone {
            Some(zone) => Ok(zone.clone()),
            None => SystemZone::new().inspect(|zone| self.zone = Some(zone.clone())),
        };
        let answers = self.answers.0.clone();
        tokio::spawn(async move {
            let located = match find(zone, &lookup).await {
                Ok(located) => Some(located),
                Err(error) => {
                    tracing::warn!(host = lookup.host, %error, "a trunk's name cannot be looked up");
                    None
                }
            };
            // Nobody listens only where the gateway has stopped.
            let _ = answers.send(Found { trunk, host: lookup.host, located }).await;
        });
    }

    pub(super) async fn next(&mut self) -> Found {
        match self.answers.1.recv().await {
            Some(found) => found,
            // We hold a sender ourselves.
            None => std::future::pending().await,
        }
    }
}

async fn find(zone: Result<SystemZone, LookupError>, lookup: &Lookup) -> Result<Located, LookupError> {
    let found = timeout(LONGEST, locate(&zone?, lookup)).await;
    found.unwrap_or_else(|_| Err(LookupError::late()))
}

/// Addresses that are reached by TLS.
pub(super) fn secure(located: &Located) -> impl Iterator<Item = SocketAddr> + '_ {
    let secure = located.targets.iter().filter(|target| target.transport == crate::sip::flow::Transport::Tls);
    secure.map(|target| target.address)
}
