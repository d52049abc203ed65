//! What the SIP endpoint says, brought to the media threads: a new call to the line of its number, news of a dialog to the
//! thread of its call.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::mpsc;

use super::directory::Directory;
use super::lines::Lines;
use super::media_thread::Item;
use super::sip_sockets::EndpointSink;
use crate::ids::DialogId;
use crate::sip::endpoint::Output;
use crate::sip::event::{AddressedOrder, DialogEvent, DialogOrder, IncomingInvite};
use crate::sip::registration::RegistrationState;
use crate::sip::trunk::TrunkHealth;

/// The lines that take calls now; replaced whole by a reload.
#[derive(Clone, Default)]
pub struct LiveLines(Arc<RwLock<Arc<Lines>>>);

impl LiveLines {
    /// The lines as they are now.
    pub fn get(&self) -> Arc<Lines> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// New calls take these lines; live calls finish on theirs.
    pub fn replace(&self, lines: Lines) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(lines);
    }
}

/// The endpoint's way to the calls.
pub struct Router {
    /// Where calls live.
    pub directory: Directory,
    /// Hotlines.
    pub lines: LiveLines,
    /// Back to the endpoint, for refusals.
    pub orders: mpsc::Sender<AddressedOrder>,
    /// Dialogs that took the place of another (RFC 3891): whose thread has their call.
    pub moved: BTreeMap<DialogId, DialogId>,
}

impl Router {
    fn refuse(&self, dialog: DialogId, status: u16) {
        if self.orders.try_send(AddressedOrder { dialog, order: DialogOrder::Refuse { status } }).is_err() {
            tracing::error!(status, "a refusal found no room; the INVITE will time out");
        }
    }

    fn news(&mut self, dialog: DialogId, event: DialogEvent) {
        let place = self.moved.get(&dialog).copied().unwrap_or(dialog);
        if event.is_last() {
            self.moved.remove(&dialog);
        }
        let newcomer = if let DialogEvent::Replaced { by, .. } = &event { Some(*by) } else { None };
        if let Some(by) = newcomer {
            self.moved.insert(by, place);
        }
        if self.directory.push(place, Item::Dialog { dialog, event }).is_err() {
            if !self.directory.is_stopped() {
                tracing::error!(%dialog, "news of a dialog lost: the media thread's queue is full");
            }
            if let Some(by) = newcomer {
                self.refuse(by, 503);
            }
        }
    }

    fn incoming(&self, invite: IncomingInvite) {
        let dialog = invite.dialog;
        let Some(line) = self.lines.get().find(&invite.to).cloned() else {
            tracing::info!(to = invite.to, "no hotline has this number");
            return self.refuse(dialog, 404);
        };
        if self.directory.push(dialog, Item::Incoming { invite: Box::new(invite), line }).is_err() {
            tracing::error!("call refused: the media thread's queue is full");
            self.refuse(dialog, 503);
        }
    }
}

impl EndpointSink for Router {
    fn take(&mut self, output: Output) {
        match output {
            Output::Incoming(invite) => self.incoming(invite),
            Output::Dialog { dialog, event } => self.news(dialog, event),
            Output::Registration { trunk, state } => registration(&trunk, &state),
            Output::Phone { name, contacts: 0 } => {
                tracing::info!(phone = name, "telephone gone: its registration has ended")
            }
            Output::Phone { name, contacts } => tracing::info!(phone = name, contacts, "telephone registered"),
            Output::ShutOut(shut_out) => tracing::warn!(
                source = %shut_out.who,
                for_s = shut_out.time.as_secs(),
                "SIP: a stranger is shut out: it asked too often without a [[trunk]] that allows it or the right password"
            ),
            Output::Count(count) => tracing::debug!(?count, "SIP endpoint"),
            Output::Trunk { trunk, health } => trunk_health(&trunk, &health),
            Output::Transmit { .. } | Output::Close { .. } | Output::Locate { .. } => {} // the sockets' business
        }
    }
}

/// Says what an administrator must know about a trunk.
fn trunk_health(trunk: &str, health: &TrunkHealth) {
    match health {
        TrunkHealth::Up => tracing::info!(trunk, "the trunk is up again"),
        TrunkHealth::Down { why, again } => {
            tracing::warn!(trunk, why, again_s = again.map(|again| again.as_secs()), "the trunk is down");
        }
    }
}

/// Says what an administrator must know about a registration.
fn registration(trunk: &str, state: &RegistrationState) {
    match state {
        RegistrationState::Registering => tracing::debug!(trunk, "registering"),
        RegistrationState::Registered { expires } => tracing::info!(trunk, expires_s = expires.as_secs(), "registered"),
        RegistrationState::Removed => tracing::info!(trunk, "registration taken back"),
        RegistrationState::Failed { status, why, retry_in } => tracing::error!(
            trunk,
            status,
            why,
            retry_in_s = retry_in.as_secs(),
            "the PBX does not register us; check user, password and uri of this [[trunk]]"
        ),
    }
}
