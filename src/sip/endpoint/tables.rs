//! The endpoint's tables: transactions, and how messages, flows and merged requests find them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use super::TimerKey;
use crate::ids::DialogId;
use crate::sip::dialog::{Dialog, Purpose};
use crate::sip::flow::Flow;
use crate::sip::shield::subscriber;
use crate::sip::transaction::key::{ClientKey, MergeKey, ServerKey};
use crate::sip::transaction::{ClientId, ClientTransaction, ServerId, ServerTransaction};
use crate::wire::sip::message::{Method, Request};

/// A server transaction and what hangs on it.
pub struct ServerSlot {
    /// Its state.
    pub machine: ServerTransaction,
    /// Where its answers go.
    pub reply: Flow,
    /// The dialog that answers.
    pub dialog: DialogId,
    key: ServerKey,
    merge: Option<MergeKey>,
}

/// A client transaction and what hangs on it.
pub struct ClientSlot {
    /// Its state.
    pub machine: ClientTransaction,
    /// Where it sends.
    pub flow: Flow,
    /// Who waits for the answer.
    pub owner: Owner,
    /// An INVITE with its Via, from which CANCEL and ACK are made.
    pub invite: Option<Box<Request>>,
    /// Where it goes instead where its connection cannot be had; `None` once there was an answer.
    pub fallback: Option<Flow>,
    key: ClientKey,
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A dialog.
    Dialog(DialogId, Purpose),
    /// A registration, by its place.
    Registration(usize),
    /// A trunk that is asked whether it is there, by its place.
    Probe(usize),
    /// Nobody: CANCEL.
    Nobody,
}

/// See the module.
#[derive(Default)]
pub struct Transactions {
    /// Boxed: most of them only wait for repeats that never come, and a map has empty places.
    servers: HashMap<ServerId, Box<ServerSlot>>,
    server_keys: HashMap<ServerKey, ServerId>,
    merge_keys: HashMap<MergeKey, ServerId>,
    clients: BTreeMap<ClientId, ClientSlot>,
    client_keys: HashMap<ClientKey, ClientId>,
    /// Those on connections, by connection.
    connected: BTreeSet<(Flow, TimerKey)>,
    next: u64,
}

impl Transactions {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn note_flow(&mut self, flow: Flow, key: TimerKey) {
        if flow.transport.is_connected() {
            self.connected.insert((flow, key));
        }
    }

    /// Adds a server transaction.
    pub fn add_server(
        &mut self,
        key: ServerKey,
        merge: Option<MergeKey>,
        machine: ServerTransaction,
        reply: Flow,
        dialog: DialogId,
    ) -> ServerId {
        let id = ServerId(self.next_number());
        self.server_keys.insert(key, id);
        if let Some(merge) = merge {
            self.merge_keys.insert(merge, id);
        }
        self.note_flow(reply, TimerKey::Server(id));
        self.servers.insert(id, Box::new(ServerSlot { machine, reply, dialog, key, merge }));
        id
    }

    /// Takes one out.
    pub fn remove_server(&mut self, id: ServerId) {
        let Some(slot) = self.servers.remove(&id) else { return };
        self.server_keys.remove(&slot.key);
        if let Some(merge) = &slot.merge {
            self.merge_keys.remove(merge);
        }
        self.connected.remove(&(slot.reply, TimerKey::Server(id)));
    }

    /// One of them.
    pub fn server(&mut self, id: ServerId) -> Option<&mut ServerSlot> {
        self.servers.get_mut(&id).map(AsMut::as_mut)
    }

    /// The one that a request belongs to.
    pub fn find_server(&self, key: &ServerKey) -> Option<ServerId> {
        self.server_keys.get(key).copied()
    }

    /// True where the same request came by another path already.
    pub fn is_merged(&self, key: &MergeKey) -> bool {
        self.merge_keys.contains_key(key)
    }

    /// The id that the next client transaction gets.
    pub fn next_client(&mut self) -> ClientId {
        ClientId(self.next_number())
    }

    /// Adds a client transaction.
    pub fn add_client(
        &mut self,
        id: ClientId,
        key: ClientKey,
        machine: ClientTransaction,
        flow: Flow,
        owner: Owner,
        invite: Option<Box<Request>>,
    ) {
        self.client_keys.insert(key.clone(), id);
        self.note_flow(flow, TimerKey::Client(id));
        self.clients.insert(id, ClientSlot { machine, flow, owner, invite, fallback: None, key });
    }

    /// Takes one out.
    pub fn remove_client(&mut self, id: ClientId) -> Option<ClientSlot> {
        let slot = self.clients.remove(&id)?;
        self.client_keys.remove(&slot.key);
        self.connected.remove(&(slot.flow, TimerKey::Client(id)));
        Some(slot)
    }

    /// One of them.
    pub fn client(&mut self, id: ClientId) -> Option<&mut ClientSlot> {
        self.clients.get_mut(&id)
    }

    /// True for an INVITE of ours without a final answer.
    pub fn awaits_answer(&self, id: ClientId) -> bool {
        self.clients.get(&id).is_some_and(|slot| match &slot.machine {
            ClientTransaction::Invite(invite) => invite.awaits_answer(),
            ClientTransaction::Other(_) => false,
        })
    }

    /// True where we have sent a request with this branch lately.
    pub fn has_sent(&self, branch: &str, method: &Method) -> bool {
        self.find_client(&ClientKey::new(branch, method)).is_some()
    }

    /// Its INVITE is another dialog's from now on, and is not repeated any more.
    pub fn hand_over(&mut self, id: ClientId, to: DialogId) {
        let Some(slot) = self.clients.get_mut(&id) else { return };
        if let Owner::Dialog(_, purpose) = slot.owner {
            slot.owner = Owner::Dialog(to, purpose);
        }
        if let ClientTransaction::Invite(invite) = &mut slot.machine {
            invite.stop_repeating();
        }
    }

    /// The one that a response belongs to.
    pub fn find_client(&self, key: &ClientKey) -> Option<ClientId> {
        self.client_keys.get(key).copied()
    }

    /// All that use a connection.
    pub fn on_flow(&self, flow: Flow) -> Vec<TimerKey> {
        let first = (flow, TimerKey::Client(ClientId(0)));
        let last = (flow, TimerKey::LAST);
        self.connected.range(first..=last).map(|(_, key)| *key).collect()
    }
}

/// A dialog and how it is found.
pub struct DialogSlot {
    /// Its state.
    pub dialog: Dialog,
    /// The transaction of its INVITE, where we sent it.
    pub invite: Option<ClientId>,
    /// The transaction of our last re-INVITE or UPDATE.
    pub change: Option<ClientId>,
    /// No call knows of it any more; it ends by itself.
    disowned: bool,
    local_tag: String,
    /// Where it comes from, while it waits for its final answer.
    half_open: Option<IpAddr>,
}

impl DialogSlot {
    /// The transaction of our last request of this purpose, where that can be cancelled.
    pub fn client(&self, purpose: Purpose) -> Option<ClientId> {
        match purpose {
            Purpose::Invite => self.invite,
            Purpose::Change => self.change,
            Purpose::Prack | Purpose::Refer | Purpose::Notify | Purpose::Key | Purpose::Bye | Purpose::ExtraBye => None,
        }
    }
}

/// Dialogs by id and by our tag.
#[derive(Default)]
pub struct Dialogs {
    by_id: HashMap<DialogId, DialogSlot>,
    /// How many need a connection.
    on_connection: BTreeMap<Flow, usize>,
    by_tag: HashMap<String, DialogId>,
    /// Calls to us without a final answer, by where they come from; none is 0.
    half_open: BTreeMap<IpAddr, usize>,
    all_half_open: usize,
}

impl Dialogs {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True where this id is taken.
    pub fn contains(&self, id: DialogId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Adds one.
    pub fn add(&mut self, id: DialogId, local_tag: String, dialog: Dialog) {
        self.by_tag.insert(local_tag.clone(), id);
        let flow = dialog.flow();
        if flow.transport.is_connected() {
            *self.on_connection.entry(flow).or_default() += 1;
        }
        self.by_id
            .insert(id, DialogSlot { dialog, invite: None, change: None, disowned: false, local_tag, half_open: None });
    }

    /// A call to us that waits for its final answer.
    pub fn begin_half_open(&mut self, id: DialogId, source: IpAddr) {
        let source = subscriber(source);
        if let Some(slot) = self.by_id.get_mut(&id) {
            slot.half_open = Some(source);
            *self.half_open.entry(source).or_default() += 1;
            self.all_half_open += 1;
        }
    }

    /// It has been answered, or is gone.
    pub fn end_half_open(&mut self, id: DialogId) {
        let source = self.by_id.get_mut(&id).and_then(|slot| slot.half_open.take());
        let Some(source) = source else { return };
        self.all_half_open = self.all_half_open.saturating_sub(1);
        if let Some(count) = self.half_open.get_mut(&source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.half_open.remove(&source);
            }
        }
    }

    /// Calls to us without a final answer.
    pub fn half_open(&self) -> usize {
        self.all_half_open
    }

    /// The same from one address, or its /64.
    pub fn half_open_of(&self, source: IpAddr) -> usize {
        self.half_open.get(&subscriber(source)).copied().unwrap_or(0)
    }

    /// True where we have called somebody with this tag and Call-ID.
    pub fn has_called(&self, local_tag: &str, call_id: &[u8]) -> bool {
        let slot = self.by_tag.get(local_tag).and_then(|id| self.by_id.get(id));
        slot.is_some_and(|slot| slot.dialog.has_called(call_id))
    }

    /// Takes one out.
    pub fn remove(&mut self, id: DialogId) {
        self.end_half_open(id);
        let Some(slot) = self.by_id.remove(&id) else { return };
        self.by_tag.remove(&slot.local_tag);
        let flow = slot.dialog.flow();
        if let Some(count) = self.on_connection.get_mut(&flow) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.on_connection.remove(&flow);
            }
        }
    }

    /// Gives one an id that no call knows.
    pub fn disown(&mut self, id: DialogId, other: DialogId) {
        let Some(mut slot) = self.by_id.remove(&id) else { return };
        slot.disowned = true;
        self.by_tag.insert(slot.local_tag.clone(), other);
        self.by_id.insert(other, slot);
    }

    /// True where no call knows of it.
    pub fn is_disowned(&self, id: DialogId) -> bool {
        self.by_id.get(&id).is_some_and(|slot| slot.disowned)
    }

    /// One of them.
    pub fn get(&mut self, id: DialogId) -> Option<&mut DialogSlot> {
        self.by_id.get_mut(&id)
    }

    /// The one that has this tag, Call-ID and remote tag.
    pub fn find(&self, local_tag: &str, call_id: &[u8], remote_tag: &str) -> Option<DialogId> {
        let id = *self.by_tag.get(local_tag)?;
        self.by_id.get(&id).filter(|slot| slot.dialog.matches(call_id, remote_tag)).map(|_| id)
    }

    /// True where one goes by this connection.
    pub fn use_connection(&self, flow: Flow) -> bool {
        self.on_connection.contains_key(&flow)
    }

    /// Our tag in one of them.
    pub fn local_tag(&self, id: DialogId) -> Option<&str> {
        self.by_id.get(&id).map(|slot| slot.local_tag.as_str())
    }
}
