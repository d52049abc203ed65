//! Calls that have come and are not begun yet: what is remembered of their callers is being looked up. The look-up has 50 ms; then the
//! call begins with nothing remembered, and an answer that comes later is dropped. What happens in the dialog meanwhile (a CANCEL) waits
//! with it, in order. Values only: the media thread asks and begins.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ids::DialogId;
use crate::sip::event::{DialogEvent, IncomingInvite};

/// How long a call waits for what is remembered of its caller.
pub const PATIENCE: Duration = Duration::from_millis(50);
/// Events of one dialog that wait; more are lost.
const NEWS: usize = 8;

/// A call that is about to begin on line `L`.
pub struct Waiting<L> {
    /// Its INVITE.
    pub invite: Box<IncomingInvite>,
    /// The line.
    pub line: L,
    /// What has happened in its dialog since, in order.
    pub news: Vec<DialogEvent>,
    until: Instant,
}

/// All of them.
pub struct Doorstep<L> {
    waiting: BTreeMap<DialogId, Waiting<L>>,
}

impl<L> Default for Doorstep<L> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new() }
    }
}

impl<L> Doorstep<L> {
    /// A call whose caller is being looked up.
    pub fn wait(&mut self, now: Instant, invite: Box<IncomingInvite>, line: L) {
        let waiting = Waiting { line, news: Vec::new(), until: now + PATIENCE, invite };
        self.waiting.insert(waiting.invite.dialog, waiting);
    }

    /// News of a dialog: kept where its call waits, else given back.
    pub fn news(&mut self, dialog: DialogId, event: DialogEvent) -> Option<DialogEvent> {
        let Some(waiting) = self.waiting.get_mut(&dialog) else { return Some(event) };
        if waiting.news.len() < NEWS {
            waiting.news.push(event);
        }
        None
    }

    /// The caller was looked up: the call, where it still waits.
    pub fn take(&mut self, dialog: DialogId) -> Option<Waiting<L>> {
        self.waiting.remove(&dialog)
    }

    /// A call that has waited long enough.
    pub fn overdue(&mut self, now: Instant) -> Option<Waiting<L>> {
        let dialog = self.waiting.iter().find(|(_, waiting)| waiting.until <= now).map(|(dialog, _)| *dialog)?;
        self.waiting.remove(&dialog)
    }

    /// Any of them, where none may wait any longer.
    pub fn any(&mut self) -> Option<Waiting<L>> {
        self.waiting.pop_first().map(|(_, waiting)| waiting)
    }

    /// When the first of them has waited long enough.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite(dialog: u64) -> Box<IncomingInvite> {
        Box::new(IncomingInvite {
            dialog: DialogId(dialog),
            from: "91234567".into(),
            display_name: None,
            to: "1823".to_owned(),
            call_id: "a@b".to_owned(),
            particulars: Default::default(),
            offer: None,
            trunk: None,
            trusted: false,
            source: std::net::SocketAddr::from(([127, 0, 0, 1], 5060)),
        })
    }

    #[test]
    fn a_call_begins_with_the_answer_or_after_50_ms_and_only_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut doorstep = Doorstep::default();
        assert_eq!(doorstep.deadline(), None);
        doorstep.wait(at(0), invite(1), "a");
        doorstep.wait(at(10), invite(2), "b");
        assert_eq!(doorstep.deadline(), Some(at(50)));
        assert_eq!(doorstep.take(DialogId(2)).map(|waiting| waiting.line), Some("b"));
        assert!(doorstep.take(DialogId(2)).is_none(), "a second answer finds nobody");
        assert!(doorstep.overdue(at(49)).is_none());
        assert_eq!(doorstep.overdue(at(50)).map(|waiting| waiting.line), Some("a"));
        assert!(doorstep.take(DialogId(1)).is_none(), "a late answer finds nobody");
        assert_eq!(doorstep.deadline(), None);
    }

    #[test]
    fn a_cancel_waits_with_its_call_and_other_news_goes_on() {
        let mut doorstep = Doorstep::default();
        doorstep.wait(Instant::now(), invite(1), ());
        assert!(doorstep.news(DialogId(1), DialogEvent::Cancelled).is_none());
        assert!(doorstep.news(DialogId(2), DialogEvent::Cancelled).is_some());
        for _ in 0..2 * NEWS {
            doorstep.news(DialogId(1), DialogEvent::Cancelled);
        }
        let waiting = doorstep.take(DialogId(1)).unwrap();
        assert_eq!(waiting.news.len(), NEWS);
        assert!(doorstep.news(DialogId(1), DialogEvent::Cancelled).is_some());
    }
}
