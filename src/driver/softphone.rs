//! The built-in softphone of `tingwa call`: places calls, or answers them as an agent would, and follows a script in each.
//! One thread, one SIP socket, one [`Endpoint`], one loop; each call is a [`visit`]. A phone for demonstrations, tests and
//! load, no part of the gateway.
//!
//! UDP only. Digest for outgoing calls and registration by the endpoint's trunk account. Names are looked up once, at the
//! start (A and AAAA; no SRV).

use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::fd::{AsFd, OwnedFd};

use self::report::{CallEnd, CallReport};
use self::script::{Cue, Script};
use self::visit::{Visit, VisitParts};
use super::pace;
use super::rtp_port::{PortAllocator, PortError, PortRange};
use super::secret::{self, NoSecret};
use crate::ids::DialogId;
use crate::media::codec::Codec;
use crate::media::srtp::sdes::{KeySource, Security, Srtp};
use crate::sip::digest::client::Credentials;
use crate::sip::endpoint::config::{Account, EndpointConfig, Network, Trunk, UnknownSource};
use crate::sip::endpoint::{Endpoint, Input, Output};
use crate::sip::event::{AddressedOrder, DialogEvent, DialogOrder, IncomingInvite, OutgoingTarget};
use crate::sip::flow::{Flow, Transport};
use crate::sip::registration::RegistrationState;
use crate::sip::trunk::TrunkPolicy;
use crate::store::recording::RecordingError;
use crate::wire::sip::uri::SipUri;

pub mod report;
pub mod script;
mod visit;

/// Name of the phone's only trunk.
const TRUNK: &str = "line";
/// SIP's port where a URI names none.
const SIP_PORT: u16 = 5060;
/// Ports of the phone's RTP, clear of the gateway's own default.
const RTP_PORTS: PortRange = PortRange { first: 30_000, last: 49_999 };
/// Kernel events taken at once.
const EVENTS: usize = 128;
/// Largest datagram that is looked at.
const DATAGRAM: usize = 8_192;
/// The phone looks up at least this often, to see whether it shall stop.
const LOOK_UP: Duration = Duration::from_millis(200);
/// What is still under way at the end (BYE, un-REGISTER) may take so long.
const FAREWELL: Duration = Duration::from_secs(2);
/// Seconds of a registration.
const REGISTER_SECONDS: u32 = 300;
/// Tokens of the sockets that belong to no call.
const SIP_TOKEN: u64 = u64::MAX;
const CANARY_TOKEN: u64 = u64::MAX - 1;

/// Which side of calls the phone is.
#[derive(Clone, Debug)]
pub enum Part {
    /// It dials.
    Caller {
        /// Whom, e.g. `sip:1823@127.0.0.1:5060`.
        uri: String,
        /// Calls a second, where there are several.
        rate: f64,
    },
    /// It is dialled.
    Agent {
        /// What it does then.
        manner: Manner,
        /// Calls at once; more are told that it is busy.
        at_once: u32,
    },
}

/// What an agent's phone does when it is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Answers after this.
    Answer(Duration),
    /// Refuses with 486.
    Busy,
    /// Rings until the caller gives up.
    Silent,
}

/// What a phone begins with.
#[derive(Clone, Debug)]
pub struct PhoneConfig {
    /// Caller or agent.
    pub part: Part,
    /// Address of the SIP socket; `None` where the way to the other side decides.
    pub local: Option<SocketAddr>,
    /// User part of our address.
    pub user: String,
    /// For challenges; empty where there is none.
    pub password: String,
    /// Where to register, e.g. `sip:127.0.0.1:5070`.
    pub registrar: Option<String>,
    /// What is done in each call.
    pub cues: Vec<Cue>,
    /// Calls in all; 0 for an agent means without end.
    pub calls: u32,
    /// A call may take so long.
    pub longest: Duration,
    /// Two-channel recording: we are left. With several calls a number is added.
    pub record: Option<PathBuf>,
    /// Measure how evenly packets come, by the kernel's time stamps.
    pub measure_pacing: bool,
    /// Whether audio is encrypted.
    pub srtp: Srtp,
    /// Codecs, the best first.
    pub codecs: Vec<Codec>,
    /// Seed of all randomness.
    pub seed: u64,
}

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// In which call, from 1; 0 is the phone itself.
    pub call: u32,
    /// Since the phone began.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Calls can come.
    Listening(SocketAddr),
    /// The PBX knows us.
    Registered,
    /// It does not.
    NotRegistered(String),
    /// We dial.
    Dials(String),
    /// We are dialled, by this number.
    Dialled(String),
    /// The other phone rings.
    Rings,
    /// From INVITE to 200, ms.
    Answered {
        /// ms.
        setup_ms: f32,
    },
    /// A cue of the script began, from 0.
    Step(usize),
    /// The other side speaks.
    TheySpeak {
        /// After our last sound, where it is an answer, ms.
        response_ms: Option<u32>,
    },
    /// The other side is quiet.
    TheyAreQuiet,
    /// The other side pressed a key.
    Key(char),
    /// No packet comes any more.
    NothingArrives,
    /// The call is over.
    Ended(CallEnd),
}

/// Why the phone cannot work.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// Not a SIP address.
    #[error("'{0}' is no SIP address; expected sip:NUMBER@HOST or sip:NUMBER@HOST:PORT (UDP)")]
    BadUri(String),
    /// No address for that name.
    #[error("cannot find the address of {host}: {source}")]
    UnknownHost {
        /// Host and port.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// The SIP socket cannot be had.
    #[error("cannot use UDP {address}: {source}{}", hint(source))]
    Socket {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No RTP ports.
    #[error(transparent)]
    Ports(#[from] PortError),
    /// No key can be made.
    #[error(transparent)]
    Secret(#[from] NoSecret),
    /// The recording failed.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The system refuses something else.
    #[error("the phone cannot wait for its sockets: {0}")]
    Epoll(#[from] rustix::io::Errno),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program has that port, `ss -lunp` shows which",
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address, `ip address` shows which it has",
        _ => "",
    }
}

/// A host of a SIP URI, looked up.
fn resolve(uri: &str) -> Result<(SipUri, SocketAddr), PhoneError> {
    let bad = || PhoneError::BadUri(uri.to_owned());
    let parsed: SipUri = uri.parse().map_err(|_| bad())?;
    if parsed.transport().is_some_and(|transport| !transport.eq_ignore_ascii_case("udp")) {
        return Err(bad());
    }
    let host = parsed.host.to_string();
    let port = parsed.port.unwrap_or(SIP_PORT);
    let unknown = |source| PhoneError::UnknownHost { host: format!("{host}:{port}"), source };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut found = (bare, port).to_socket_addrs().map_err(unknown)?;
    let address = found.next().ok_or_else(|| unknown(io::Error::other("it has none")))?;
    Ok((parsed, address))
}

/// A socket that shares the way to the other side, and so learns our address there and whether anybody listens.
fn canary(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(to)?;
    Ok(socket)
}

/// See the module.
pub struct Softphone<'a> {
    config: PhoneConfig,
    started: Instant,
    local: SocketAddr,
    socket: UdpSocket,
    canary: Option<UdpSocket>,
    endpoint: Endpoint,
    epoll: OwnedFd,
    ports: PortAllocator,
    visits: BTreeMap<u32, Visit>,
    dialogs: BTreeMap<DialogId, u32>,
    begun: u32,
    random: fastrand::Rng,
    reports: Vec<CallReport>,
    tell: &'a mut dyn FnMut(Happening),
}

impl<'a> Softphone<'a> {
    /// Opens its socket; nothing is sent yet.
    pub fn open(config: PhoneConfig, tell: &'a mut dyn FnMut(Happening)) -> Result<Self, PhoneError> {
        let target = match (&config.part, &config.registrar) {
            (Part::Caller { uri, .. }, _) => Some(uri),
            (Part::Agent { .. }, registrar) => registrar.as_ref(),
        };
        let peer = target.map(|uri| resolve(uri)).transpose()?;
        let failed = |address| move |source| PhoneError::Socket { address, source };
        let canary = match &peer {
            Some((_, to)) => Some(canary(*to).map_err(failed(*to))?),
            None => None,
        };
        let on_the_way = canary.as_ref().and_then(|socket| socket.local_addr().ok()).map(|local| local.ip());
        let wanted = config.local.unwrap_or_else(|| SocketAddr::new(on_the_way.unwrap_or([0; 4].into()), 0));
        let socket = UdpSocket::bind(wanted).map_err(failed(wanted))?;
        socket.set_nonblocking(true).map_err(failed(wanted))?;
        // A burst of answers waits in the kernel; a smaller buffer still works.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
        let local = socket.local_addr().map_err(failed(wanted))?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        watch(&epoll, &socket, SIP_TOKEN)?;
        if let Some(canary) = &canary {
            watch(&epoll, canary, CANARY_TOKEN)?;
        }
        let started = Instant::now();
        let advertised = local.ip().is_unspecified().then_some(on_the_way).flatten();
        let endpoint = Endpoint::new(endpoint_config(&config, peer.as_ref(), local, advertised), config.seed, started);
        let first = RTP_PORTS.first + u16::try_from(config.seed % 4_000).unwrap_or(0) * 2;
        let media = advertised.unwrap_or(local.ip());
        Ok(Self {
            started,
            local,
            socket,
            canary,
            endpoint,
            epoll,
            ports: PortAllocator::new(media, PortRange { first, ..RTP_PORTS }),
            visits: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            begun: 0,
            random: fastrand::Rng::with_seed(config.seed),
            reports: Vec::new(),
            tell,
            config,
        })
    }

    /// Runs until all calls are over, or `stop` is set. Gives what is left of each call.
    pub fn run(mut self, stop: &AtomicBool) -> Result<Vec<CallReport>, PhoneError> {
        pace::make_punctual();
        if let Part::Agent { .. } = self.config.part {
            self.happened(0, What::Listening(self.local));
        }
        let mut datagram = vec![0; DATAGRAM];
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); EVENTS];
        while !stop.load(Ordering::Relaxed) && !self.is_done() {
            self.turn(&mut events, &mut datagram)?;
        }
        let now = Instant::now();
        for visit in self.visits.values_mut() {
            visit.hang_up(now, CallEnd::WeHungUp);
        }
        self.settle_all(now)?;
        self.endpoint.handle(now, Input::Drain);
        self.drain(now)?;
        while Instant::now() < now + FAREWELL && (self.endpoint.dialogs() > 0 || self.is_registered()) {
            self.turn(&mut events, &mut datagram)?;
        }
        while let Some((number, mut visit)) = self.visits.pop_first() {
            visit.abandon(Instant::now(), CallEnd::Lost);
            self.keep(number, visit);
        }
        Ok(self.reports)
    }

    fn is_registered(&self) -> bool {
        self.config.registrar.is_some() && self.endpoint.transactions() > 0
    }

    fn is_done(&self) -> bool {
        self.config.calls > 0 && self.begun >= self.config.calls && self.visits.is_empty()
    }

    /// Waits for whatever comes first and deals with it.
    fn turn(&mut self, events: &mut [MaybeUninit<epoll::Event>], datagram: &mut [u8]) -> Result<(), PhoneError> {
        let wait = self.deadline().saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.min(LOOK_UP).subsec_nanos()) };
        let tokens: Vec<u64> = match epoll::wait(&self.epoll, events, Some(&timeout)) {
            Ok((ready, _)) => ready.iter().map(|event| event.data.u64()).collect(),
            Err(_) => Vec::new(), // interrupted by a signal
        };
        for token in tokens {
            self.receive(token, datagram)?;
        }
        let now = Instant::now();
        if self.endpoint.deadline().is_some_and(|(at, _)| at <= now) {
            self.endpoint.handle(now, Input::Timeout);
            self.drain(now)?;
        }
        if self.next_call().is_some_and(|at| at <= now) {
            self.dial(now)?;
        }
        let due: Vec<u32> =
            self.visits.iter().filter(|(_, v)| v.deadline() <= now).map(|(number, _)| *number).collect();
        for number in due {
            if let Some(visit) = self.visits.get_mut(&number) {
                visit.time_passed(now)?;
            }
            self.settle(number)?;
        }
        Ok(())
    }

    fn deadline(&self) -> Instant {
        let look_up = Instant::now() + LOOK_UP;
        let sip = self.endpoint.deadline().map(|(at, _)| at);
        self.visits.values().map(Visit::deadline).chain(sip).chain(self.next_call()).fold(look_up, Instant::min)
    }

    /// When the next call is placed.
    fn next_call(&self) -> Option<Instant> {
        match &self.config.part {
            Part::Caller { rate, .. } if self.begun < self.config.calls => {
                Some(self.started + Duration::from_secs_f64(f64::from(self.begun) / rate.max(0.001)))
            }
            Part::Caller { .. } | Part::Agent { .. } => None,
        }
    }

    fn receive(&mut self, token: u64, datagram: &mut [u8]) -> Result<(), PhoneError> {
        let now = Instant::now();
        match token {
            SIP_TOKEN => {
                // One datagram a turn: where there are more, epoll says so again.
                let Ok((length, remote)) = self.socket.recv_from(datagram) else { return Ok(()) };
                let flow = Flow { transport: Transport::Udp, local: self.local, remote };
                self.endpoint.handle(now, Input::Received { flow, bytes: &datagram[..length] });
                self.drain(now)
            }
            CANARY_TOKEN => {
                let heard = self.canary.as_ref().map(|canary| canary.recv(datagram));
                if matches!(heard, Some(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused) {
                    self.nobody_there(now);
                }
                Ok(())
            }
            token => {
                let number = u32::try_from(token / 2).unwrap_or(0);
                if let Some(visit) = self.visits.get_mut(&number) {
                    visit.receive(now, token % 2 == 1, datagram);
                }
                self.settle(number)
            }
        }
    }

    /// Only where nothing was ever answered: a program that restarts is none of our business.
    fn nobody_there(&mut self, now: Instant) {
        if let (Part::Caller { .. }, true) = (&self.config.part, self.reports.is_empty()) {
            self.begun = self.config.calls;
            while let Some((number, mut visit)) = self.visits.pop_first() {
                visit.abandon(now, CallEnd::NobodyThere);
                self.keep(number, visit);
            }
        }
    }

    /// Places the next call.
    fn dial(&mut self, now: Instant) -> Result<(), PhoneError> {
        let Part::Caller { uri, .. } = self.config.part.clone() else { return Ok(()) };
        let dialog = DialogId(u64::from(self.begun) + 1);
        let number = self.begin(now, dialog, uri.clone(), None)?;
        let Some(visit) = self.visits.get_mut(&number) else { return Ok(()) };
        let offer = visit.offer();
        self.happened(number, What::Dials(uri.clone()));
        let target = OutgoingTarget { uri, trunk: TRUNK.to_owned(), display_name: None };
        let order = DialogOrder::Invite { target, offer, headers: Vec::new() };
        self.order(now, dialog, order)?;
        if let (1, Some(canary)) = (number, &self.canary) {
            // Two empty lines are a keepalive (RFC 5626 3.5.1): where nobody listens, the kernel is told.
            let _ = canary.send(b"\r\n\r\n");
        }
        Ok(())
    }

    fn begin(
        &mut self,
        now: Instant,
        dialog: DialogId,
        peer: String,
        from: Option<SocketAddr>,
    ) -> Result<u32, PhoneError> {
        let ports = self.ports.allocate()?;
        self.begun += 1;
        let number = self.begun;
        let token = u64::from(number) * 2;
        watch(&self.epoll, &ports.rtp, token)?;
        watch(&self.epoll, &ports.rtcp, token + 1)?;
        let mut address = ports.local;
        if address.ip().is_unspecified() {
            // Listening everywhere: the way to this caller says which address is ours for it.
            let on_the_way = from.and_then(|from| canary(from).ok()).and_then(|socket| socket.local_addr().ok());
            address.set_ip(on_the_way.map_or(address.ip(), |local| local.ip()));
        }
        let parts = VisitParts {
            number,
            dialog,
            peer,
            ports,
            address,
            script: Script::new(self.config.cues.iter().cloned()),
            seed: self.random.u64(..),
            longest: self.config.longest,
            stamped: self.config.measure_pacing,
            codecs: self.config.codecs.clone(),
            security: Security::new(self.config.srtp, KeySource::new(secret::fresh()?, 0)),
        };
        let record_to = self.config.record.as_deref().map(|path| numbered(path, number, self.config.calls));
        self.visits.insert(number, Visit::new(now, parts, record_to.as_deref()));
        self.dialogs.insert(dialog, number);
        Ok(number)
    }

    fn incoming(&mut self, now: Instant, invite: IncomingInvite) -> Result<(), PhoneError> {
        let Part::Agent { manner, at_once } = self.config.part else {
            return self.order(now, invite.dialog, DialogOrder::Refuse { status: 486 });
        };
        let had_enough = self.config.calls > 0 && self.begun >= self.config.calls;
        if had_enough || self.visits.len() >= at_once as usize {
            return self.order(now, invite.dialog, DialogOrder::Refuse { status: 486 });
        }
        let caller = invite.from.reveal().clone();
        self.happened(self.begun + 1, What::Dialled(caller));
        if manner == Manner::Busy {
            self.begun += 1;
            self.happened(self.begun, What::Ended(CallEnd::Refused { status: 486 }));
            return self.order(now, invite.dialog, DialogOrder::Refuse { status: 486 });
        }
        let number = self.begin(now, invite.dialog, invite.from.into_inner(), Some(invite.source))?;
        let after = match manner {
            Manner::Answer(after) => Some(after),
            Manner::Busy | Manner::Silent => None,
        };
        if let Some(visit) = self.visits.get_mut(&number) {
            visit.ring(now, after, invite.offer);
        }
        self.settle(number)
    }

    fn order(&mut self, now: Instant, dialog: DialogId, order: DialogOrder) -> Result<(), PhoneError> {
        self.endpoint.handle(now, Input::Order(AddressedOrder { dialog, order }));
        self.drain(now)
    }

    /// Does what the endpoint asks for.
    fn drain(&mut self, now: Instant) -> Result<(), PhoneError> {
        while let Some(output) = self.endpoint.poll() {
            match output {
                // A datagram that the kernel does not take is a lost datagram: the transaction repeats it.
                Output::Transmit { flow, bytes } => drop(self.socket.send_to(&bytes, flow.remote)),
                // One peer, whose address its user has given.
                Output::Close { .. } | Output::Locate { .. } | Output::Trunk { .. } => {}
                Output::Incoming(invite) => self.incoming(now, invite)?,
                Output::Dialog { event: DialogEvent::Replaced { by, .. }, .. } => {
                    self.order(now, by, DialogOrder::Refuse { status: 603 })?;
                }
                Output::Dialog { dialog, event } => {
                    let Some(number) = self.dialogs.get(&dialog).copied() else { continue };
                    let Some(visit) = self.visits.get_mut(&number) else { continue };
                    let over = visit.dialog_event(now, event)?;
                    self.settle(number)?;
                    if let Some(visit) = over.then(|| self.visits.remove(&number)).flatten() {
                        self.keep(number, visit);
                    }
                }
                Output::Registration { state, .. } => self.registration(state),
                Output::Count(counter) => tracing::debug!(counter = counter.name(), "phone"),
                // It takes no registrations and trusts everybody.
                Output::Phone { .. } | Output::ShutOut(_) => {}
            }
        }
        Ok(())
    }

    fn registration(&mut self, state: RegistrationState) {
        match state {
            RegistrationState::Registered { .. } => self.happened(0, What::Registered),
            RegistrationState::Failed { status, why, .. } => {
                self.happened(0, What::NotRegistered(format!("{why} ({status})")));
            }
            RegistrationState::Registering | RegistrationState::Removed => {}
        }
    }

    /// Passes on what a call asks for and tells.
    fn settle(&mut self, number: u32) -> Result<(), PhoneError> {
        let Some(visit) = self.visits.get_mut(&number) else { return Ok(()) };
        let (orders, news, dialog) =
            (std::mem::take(&mut visit.orders), std::mem::take(&mut visit.news), visit.dialog());
        for what in news {
            self.happened(number, what);
        }
        let now = Instant::now();
        for order in orders {
            self.order(now, dialog, order)?;
        }
        Ok(())
    }

    fn settle_all(&mut self, now: Instant) -> Result<(), PhoneError> {
        for number in self.visits.keys().copied().collect::<Vec<_>>() {
            self.settle(number)?;
        }
        self.drain(now)
    }

    /// A call is over.
    fn keep(&mut self, number: u32, mut visit: Visit) {
        for what in std::mem::take(&mut visit.news) {
            self.happened(number, what);
        }
        self.dialogs.remove(&visit.dialog());
        // Closing the sockets takes them off the epoll list.
        let report = visit.into_report();
        self.happened(number, What::Ended(report.end.clone()));
        self.reports.push(report);
    }

    fn happened(&mut self, call: u32, what: What) {
        (self.tell)(Happening { call, at: self.started.elapsed(), what });
    }
}

fn watch(epoll: &OwnedFd, socket: impl AsFd, token: u64) -> Result<(), PhoneError> {
    Ok(epoll::add(epoll, socket, epoll::EventData::new_u64(token), epoll::EventFlags::IN)?)
}

/// The file of one call's recording.
fn numbered(path: &Path, number: u32, calls: u32) -> PathBuf {
    if calls == 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().map_or_else(|| "call".into(), |stem| stem.to_string_lossy());
    path.with_file_name(format!("{stem}-{number}.wav"))
}

/// A phone trusts everybody: it is run by hand, for calls that its user awaits.
fn endpoint_config(
    config: &PhoneConfig,
    peer: Option<&(SipUri, SocketAddr)>,
    local: SocketAddr,
    advertised: Option<IpAddr>,
) -> EndpointConfig {
    let everybody: Vec<Network> = ["0.0.0.0/0", "::/0"].iter().filter_map(|text| text.parse().ok()).collect();
    let address = peer.map_or(local, |(_, address)| *address);
    let credentials = Credentials { username: config.user.clone(), password: config.password.clone().into() };
    let account = Account {
        user: config.user.clone(),
        credentials,
        register: config.registrar.is_some().then_some(REGISTER_SECONDS),
    };
    let trunk = Trunk {
        name: TRUNK.to_owned(),
        address,
        transport: Transport::Udp,
        domain: peer.map_or_else(|| local.ip().to_string(), |(uri, _)| uri.host.to_string()),
        allow: everybody,
        trusted: false,
        account: Some(account),
        callers: Vec::new(),
        policy: TrunkPolicy::default(),
    };
    EndpointConfig {
        listen: vec![(Transport::Udp, local)],
        advertised: advertised.into_iter().collect(),
        product: concat!("tingwa-phone/", env!("CARGO_PKG_VERSION")).to_owned(),
        unknown: UnknownSource::Refuse,
        trunks: vec![trunk],
        ..EndpointConfig::default()
    }
}

#[cfg(test)]
mod tests;
