//! A thread that hosts calls: their RTP sockets, their deadlines and one inbox, in one loop without locks. It wakes for a
//! packet, an item or a deadline, gives each to its call's machine and does what the machine asks for.
//!
//! Paced by the kernel's high-resolution timers at real-time priority where allowed (see [`super::pace`]).

use std::collections::{BTreeMap, BTreeSet};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use tokio::sync::mpsc;

use super::directory::Directory;
use super::handshake::Identity;
use super::inbox::{Inbox, InboxSender, Popped};
use super::live_call::LiveCall;
use super::llm::{LlmPool, LlmSink};
use super::pace;
use super::rtp_port::{PortAllocator, PortError};
use super::secret;
use super::signals::LiveSignals;
use super::tools::{ToolPool, ToolSink};
use crate::call::{CallConfig, CallParts, Input, Order};
use crate::conversation::{LlmReply, ToolReply, Understanding};
use crate::dialplan::Plan;
use crate::dialplan::calendar::Moment;
use crate::engine::synthesiser::{SpeakEvent, SpeakEventKind, SpeakSink, SynthesiserPool};
use crate::engine::worker::{AudioFeed, EngineEvent, EventKind, RecogniserPool};
use crate::ids::{CallId, DialogId, LegId};
use crate::journal::RecogniserLoss;
use crate::sip::event::{AddressedOrder, DialogEvent, DialogOrder, IncomingInvite};
use crate::speech::Bias;
use crate::store::journal_writer::JournalQueue;
use crate::store::recorder::Recorder;

/// Kernel events taken at once.
const EVENTS: usize = 256;
/// Largest RTP or RTCP datagram that is looked at; more is cut off.
const DATAGRAM: usize = 2_048;
/// Items taken from the inbox before the sockets have their turn.
const ITEMS: usize = 512;
/// Shortest sleep where nothing is due yet: what falls due within it goes out together, and a wake-up serves many calls.
const COALESCE: Duration = Duration::from_micros(200);
/// The token of the inbox; all others name sockets.
const INBOX_TOKEN: u64 = u64::MAX;

/// What a media thread is told.
pub enum Item {
    /// A new call on this line.
    Incoming {
        /// The INVITE.
        invite: Box<IncomingInvite>,
        /// The line.
        line: Arc<Line>,
    },
    /// News of a dialog.
    Dialog {
        /// Which.
        dialog: DialogId,
        /// What.
        event: DialogEvent,
    },
    /// From the recogniser.
    Heard(EngineEvent),
    /// From the synthesiser.
    Sound(SpeakEvent),
    /// From a tool.
    Tool {
        /// Which call asked.
        call: CallId,
        /// What came of it.
        reply: ToolReply,
    },
    /// From the language model.
    Llm {
        /// Which call asked.
        call: CallId,
        /// What came of it.
        reply: LlmReply,
    },
    /// From a person or the gateway.
    Order {
        /// Which call.
        call: CallId,
        /// What.
        order: Order,
    },
    /// End the thread; live calls are ended as drained first.
    Stop,
}

/// A hotline, ready to take calls.
pub struct Line {
    /// Its dialplan.
    pub plan: Arc<Plan>,
    /// What was learnt from its phrases.
    pub understanding: Arc<Understanding>,
}

/// What every media thread uses.
#[derive(Clone)]
pub struct Services {
    /// How calls run.
    pub config: CallConfig,
    /// Hearing.
    pub recognisers: Arc<RecogniserPool>,
    /// Speaking.
    pub synthesiser: Arc<SynthesiserPool>,
    /// To the SIP endpoint.
    pub orders: mpsc::Sender<AddressedOrder>,
    /// To the database.
    pub journal: JournalQueue,
    /// To the disk.
    pub recorder: Recorder,
    /// What waiting callers hear, 8 kHz.
    pub music: Arc<[i16]>,
    /// Typhoon and rainstorm signals.
    pub signals: LiveSignals,
    /// To companies' own systems.
    pub tools: ToolPool,
    /// Who we are to browsers.
    pub identity: Arc<Identity>,
    /// To the language model, where there is one.
    pub llm: Option<LlmPool>,
}

struct LegSockets {
    call: CallId,
    leg: LegId,
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

/// Everything of a media thread but its calls.
pub struct Shell {
    pub(super) services: Services,
    number: usize,
    directory: Directory,
    myself: InboxSender<Item>,
    ports: PortAllocator,
    epoll: OwnedFd,
    sockets: Vec<Option<LegSockets>>,
    dialogs: BTreeMap<DialogId, CallId>,
    dialogs_opened: u64,
}

/// The thread's state.
struct MediaThread {
    shell: Shell,
    inbox: Inbox<Item>,
    calls: BTreeMap<CallId, Box<LiveCall>>,
    deadlines: BTreeSet<(Instant, CallId)>,
    scheduled: BTreeMap<CallId, Instant>,
    due: Vec<CallId>,
    journal_room: bool,
    stopping: bool,
}

/// Starts media thread `number`.
pub fn start(
    number: usize,
    services: Services,
    directory: Directory,
    (myself, inbox): (InboxSender<Item>, Inbox<Item>),
    ports: PortAllocator,
) -> std::io::Result<JoinHandle<()>> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, inbox.wake_fd(), epoll::EventData::new_u64(INBOX_TOKEN), epoll::EventFlags::IN)?;
    let shell = Shell {
        services,
        number,
        directory,
        myself,
        ports,
        epoll,
        sockets: Vec::new(),
        dialogs: BTreeMap::new(),
        dialogs_opened: 0,
    };
    let thread = MediaThread {
        shell,
        inbox,
        calls: BTreeMap::new(),
        deadlines: BTreeSet::new(),
        scheduled: BTreeMap::new(),
        due: Vec::new(),
        journal_room: true,
        stopping: false,
    };
    std::thread::Builder::new().name(format!("media-{number}")).spawn(move || thread.run())
}

impl Shell {
    pub(super) fn send(&self, sockets: Option<usize>, control: bool, to: SocketAddr, bytes: &[u8]) {
        let Some(Some(leg)) = sockets.and_then(|index| self.sockets.get(index)) else { return };
        let socket = if control { &leg.rtcp } else { &leg.rtp };
        // A packet that the kernel does not take is a lost packet, as on any line.
        let _ = socket.send_to(bytes, to);
    }

    pub(super) fn open_feed(&self, call: CallId, bias: Arc<Bias>) -> Result<AudioFeed, RecogniserLoss> {
        let myself = self.myself.clone();
        // An event that finds no room is missed by one call for 20 ms; the inbox counts it.
        let sink = Box::new(move |event: EngineEvent| drop(myself.push(Item::Heard(event))));
        match self.services.recognisers.open(call, bias, sink) {
            Ok(feed) => Ok(feed),
            Err(error) => {
                tracing::error!(%call, %error, "this call is not heard");
                let there = self.services.recognisers.is_alive();
                Err(if there { RecogniserLoss::Overloaded } else { RecogniserLoss::Gone })
            }
        }
    }

    pub(super) fn sound_sink(&self) -> SpeakSink {
        let myself = self.myself.clone();
        Box::new(move |event: SpeakEvent| drop(myself.push(Item::Sound(event))))
    }

    pub(super) fn tool_sink(&self, call: CallId) -> ToolSink {
        let myself = self.myself.clone();
        // An answer that finds no room is one that never came: the conversation does not wait for ever.
        Box::new(move |reply| drop(myself.push(Item::Tool { call, reply })))
    }

    pub(super) fn llm_sink(&self, call: CallId) -> LlmSink {
        let myself = self.myself.clone();
        // As with tools: the conversation keeps a time of its own.
        Box::new(move |reply| drop(myself.push(Item::Llm { call, reply })))
    }

    pub(super) fn new_dialog(&mut self, call: CallId) -> DialogId {
        self.dialogs_opened += 1;
        let dialog = Directory::outgoing_dialog(self.number, self.dialogs_opened);
        self.dialogs.insert(dialog, call);
        dialog
    }

    pub(super) fn open_sockets(&mut self, call: CallId, leg: LegId) -> Result<(usize, SocketAddr), PortError> {
        let ports = self.ports.allocate()?;
        let index = self.sockets.iter().position(Option::is_none).unwrap_or_else(|| {
            self.sockets.push(None);
            self.sockets.len() - 1
        });
        for (socket, control) in [(&ports.rtp, 0), (&ports.rtcp, 1)] {
            let token = epoll::EventData::new_u64(index as u64 * 2 + control);
            epoll::add(&self.epoll, socket, token, epoll::EventFlags::IN)
                .map_err(|source| PortError::Address { address: ports.local.ip(), source: source.into() })?;
        }
        self.sockets[index] = Some(LegSockets { call, leg, rtp: ports.rtp, rtcp: ports.rtcp });
        Ok((index, ports.told))
    }

    /// Closing a socket takes it off the epoll list.
    pub(super) fn close_sockets(&mut self, index: usize) {
        if let Some(entry) = self.sockets.get_mut(index) {
            *entry = None;
        }
    }
}

impl MediaThread {
    fn run(mut self) {
        if !pace::make_punctual() {
            tracing::warn!(
                thread = self.shell.number,
                "no real-time priority (LimitRTPRIO, CAP_SYS_NICE): paced as the load allows"
            );
        }
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); EVENTS];
        let (mut tokens, mut datagram) = ([0; EVENTS], [0; DATAGRAM]);
        let mut at_most = Duration::ZERO;
        while !(self.stopping && self.calls.is_empty()) {
            let timeout = self.timeout(at_most);
            let ready = match epoll::wait(&self.shell.epoll, &mut events, Some(&timeout)) {
                Ok((ready, _)) => {
                    tokens.iter_mut().zip(&*ready).for_each(|(token, event)| *token = event.data.u64());
                    ready.len()
                }
                Err(_) => 0, // interrupted by a signal
            };
            self.watch_journal();
            for &token in &tokens[..ready] {
                match token {
                    INBOX_TOKEN => self.inbox.clear_wake(),
                    token => self.receive(token, &mut datagram),
                }
                self.wake_due();
            }
            at_most = self.take_items();
            self.wake_due();
        }
    }

    /// Some of what waits in the inbox; when to look again at the latest, whatever else happens.
    fn take_items(&mut self) -> Duration {
        for _ in 0..ITEMS {
            match self.inbox.pop() {
                Popped::Item(item) => self.take(item),
                // Whoever pushes from here on wakes us.
                Popped::Nothing => return Duration::from_secs(1),
                Popped::Busy => return COALESCE,
            }
            self.wake_due();
        }
        Duration::ZERO
    }

    fn timeout(&self, at_most: Duration) -> Timespec {
        let first = self.deadlines.first().map(|(at, _)| at.saturating_duration_since(Instant::now()));
        let wait = first.map_or(at_most, |wait| if wait.is_zero() { wait } else { wait.max(COALESCE).min(at_most) });
        Timespec { tv_sec: wait.as_secs().min(60) as i64, tv_nsec: i64::from(wait.subsec_nanos()) }
    }

    fn watch_journal(&mut self) {
        let room = self.shell.services.journal.has_room();
        if room != self.journal_room {
            self.journal_room = room;
            let now = Instant::now();
            for call in self.calls.keys().copied().collect::<Vec<_>>() {
                self.give(now, call, Input::Store { room });
            }
        }
    }

    fn receive(&mut self, token: u64, datagram: &mut [u8]) {
        let (index, control) = ((token / 2) as usize, token % 2 == 1);
        let Some(Some(entry)) = self.shell.sockets.get(index) else { return };
        let (call, leg) = (entry.call, entry.leg);
        let socket = if control { &entry.rtcp } else { &entry.rtp };
        // One datagram a turn: where there are more, epoll says so again. An error is an ICMP answer to what we sent.
        let Ok((length, from)) = socket.recv_from(datagram) else { return };
        let bytes = &datagram[..length];
        let input = if control { Input::Rtcp { leg, from, bytes } } else { Input::Rtp { leg, from, bytes } };
        self.give(Instant::now(), call, input);
    }

    fn take(&mut self, item: Item) {
        let now = Instant::now();
        match item {
            Item::Incoming { invite, line } => self.begin(now, *invite, &line),
            Item::Dialog { dialog, event } => {
                let call = self.shell.dialogs.get(&dialog).copied();
                if let DialogEvent::Replaced { by, .. } = &event {
                    self.adopt(*by, call);
                }
                if let Some(call) = call {
                    self.give(now, call, Input::Dialog { dialog, event });
                }
            }
            Item::Heard(EngineEvent { call, kind }) => {
                let input = match kind {
                    EventKind::Voice(voice) => Input::Voice(voice),
                    EventKind::Hypothesis(guess) => Input::Hypothesis(guess),
                    EventKind::Transcript(text) => Input::Transcript(text),
                    EventKind::Overloaded { .. } => return, // journalled where the frames were dropped
                    EventKind::Interrupted => Input::RecogniserInterrupted,
                    EventKind::Lost => Input::RecogniserLost(RecogniserLoss::Gone),
                };
                self.give(now, call, input);
            }
            Item::Sound(SpeakEvent { call, speak, kind }) => {
                let input = match kind {
                    SpeakEventKind::Piece(samples) => Input::PromptAudio { speak, samples },
                    SpeakEventKind::Done => Input::PromptDone { speak },
                    SpeakEventKind::Failed(what) => {
                        tracing::error!(%call, what, "a prompt could not be spoken");
                        Input::PromptFailed { speak }
                    }
                };
                let over = !matches!(input, Input::PromptAudio { .. });
                if let Some(live) = self.calls.get_mut(&call).filter(|_| over) {
                    live.spoken(speak);
                }
                self.give(now, call, input);
            }
            Item::Tool { call, reply } => self.give(now, call, Input::Tool(reply)),
            Item::Llm { call, reply } => self.give(now, call, Input::Llm(reply)),
            Item::Order { call, order } => self.give(now, call, Input::Order(order)),
            Item::Stop => {
                self.stopping = true;
                for call in self.calls.keys().copied().collect::<Vec<_>>() {
                    self.give(now, call, Input::Order(Order::Drain));
                }
            }
        }
    }

    fn begin(&mut self, now: Instant, invite: IncomingInvite, line: &Line) {
        let id = CallId(ulid::Ulid::generate());
        let dialog = invite.dialog;
        let refuse = |shell: &Shell, status| {
            // Without room for a refusal the INVITE times out at the caller's side.
            let _ = shell.services.orders.try_send(AddressedOrder { dialog, order: DialogOrder::Refuse { status } });
        };
        let (sockets, address) = match self.shell.open_sockets(id, LegId::CALLER) {
            Ok(_) if self.stopping => return refuse(&self.shell, 503),
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(%error, "call refused");
                return refuse(&self.shell, 503);
            }
        };
        let secret = match secret::fresh() {
            Ok(secret) => secret,
            Err(error) => {
                tracing::error!(%error, "call refused");
                self.shell.close_sockets(sockets);
                return refuse(&self.shell, 503);
            }
        };
        let parts = CallParts {
            id,
            invite,
            plan: line.plan.clone(),
            understanding: line.understanding.clone(),
            config: self.shell.services.config.clone(),
            address,
            moment: Moment { at: SystemTime::now(), signals: self.shell.services.signals.get() },
            recording: line.plan.recording.then(|| recording_path(id)),
            music: self.shell.services.music.clone(),
            seed: fastrand::u64(..),
            secret,
        };
        self.shell.dialogs.insert(dialog, id);
        self.shell.directory.enter(id, self.shell.number);
        let mut live = Box::new(LiveCall::begin(now, parts, sockets, &mut self.shell));
        let alive = live.settle(now, &mut self.shell);
        self.calls.insert(id, live);
        self.schedule(id, alive);
    }

    /// An INVITE with Replaces belongs to the call whose dialog it names. Where that has just ended there is none.
    fn adopt(&mut self, dialog: DialogId, call: Option<CallId>) {
        match call.and_then(|call| Some((call, self.calls.get_mut(&call)?))) {
            Some((call, live)) => {
                live.adopt(dialog);
                self.shell.dialogs.insert(dialog, call);
            }
            None => {
                let order = DialogOrder::Refuse { status: 481 };
                let _ = self.shell.services.orders.try_send(AddressedOrder { dialog, order });
            }
        }
    }

    fn give(&mut self, now: Instant, call: CallId, input: Input<'_>) {
        if let Some(live) = self.calls.get_mut(&call) {
            let alive = live.handle(now, input, &mut self.shell);
            self.schedule(call, alive);
        }
    }

    fn schedule(&mut self, call: CallId, alive: bool) {
        let next = if alive { self.calls.get(&call).and_then(|live| live.deadline()) } else { None };
        let before = self.scheduled.get(&call).copied();
        if next != before {
            if let Some(at) = before {
                self.deadlines.remove(&(at, call));
            }
            match next {
                Some(at) => {
                    self.deadlines.insert((at, call));
                    self.scheduled.insert(call, at);
                }
                None => drop(self.scheduled.remove(&call)),
            }
        }
        if !alive {
            if let Some(live) = self.calls.remove(&call) {
                for dialog in live.dialogs() {
                    self.shell.dialogs.remove(dialog);
                }
            }
            self.shell.directory.leave(call);
        }
    }

    /// Called after every packet and item: what is due to be sent waits for one of them, not for a burst.
    fn wake_due(&mut self) {
        let now = Instant::now();
        if self.deadlines.first().is_none_or(|(at, _)| *at > now) {
            return;
        }
        // One round over what was due: a call that asks to be woken again at once waits for the next.
        let mut due = std::mem::take(&mut self.due);
        due.extend(self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, call)| *call));
        for call in due.drain(..) {
            self.give(Instant::now(), call, Input::Timeout);
        }
        self.due = due;
    }
}

/// Recordings lie in a folder a day.
fn recording_path(id: CallId) -> String {
    let day = jiff::Timestamp::from_millisecond(i64::try_from(id.0.timestamp_ms()).unwrap_or(0)).map_or_else(
        |_| "unknown-day".to_owned(),
        |at| at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d").to_string(),
    );
    format!("{day}/{id}.wav")
}
