//! What the endpoint is told about its surroundings. Values only; reading them from a file is the configuration's business.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use crate::sip::digest::client::Credentials;
use crate::sip::flow::{Flow, Transport};
use crate::sip::registrar::RegistrarLimits;
use crate::sip::shield::ShieldConfig;
use crate::sip::trunk::TrunkPolicy;

/// In the place of a trunk's name: the telephones that are registered here. No trunk may be called so.
pub const PHONES: &str = "phone";

/// See the module.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Sockets that the shell listens on; requests of ours leave from the first of their transport.
    pub listen: Vec<(Transport, SocketAddr)>,
    /// Our address as others see it, where it is not that of the socket; one of each family.
    pub advertised: Vec<IpAddr>,
    /// For User-Agent and Server, e.g. `tingwa/0.1.0`.
    pub product: String,
    /// Realm of our challenges.
    pub realm: String,
    /// What strangers get.
    pub unknown: UnknownSource,
    /// Peers.
    pub trunks: Vec<Trunk>,
    /// Telephones that may register.
    pub phones: Vec<Phone>,
    /// What they may ask for.
    pub registrar: RegistrarLimits,
    /// When strangers are shut out.
    pub shield: ShieldConfig,
    /// An INVITE of ours without any answer goes another way after this; where there is no other, it is given up after twice this.
    pub try_time: Duration,
    /// Sizes of tables.
    pub limits: Limits,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            advertised: Vec::new(),
            product: concat!("tingwa/", env!("CARGO_PKG_VERSION")).to_owned(),
            realm: "tingwa".to_owned(),
            unknown: UnknownSource::Refuse,
            trunks: Vec::new(),
            phones: Vec::new(),
            registrar: RegistrarLimits::default(),
            shield: ShieldConfig::default(),
            try_time: super::attempts::TRY_TIME,
            limits: Limits::default(),
        }
    }
}

/// What a new request gets whose source no trunk allows, no telephone may come from, and no digest account covers. A trunk's own
/// address is no stranger: it is always told, with 403, what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownSource {
    /// No answer: scanners learn nothing.
    Silence,
    /// 403, or 401 where some trunk has accounts.
    Refuse,
}

/// A SIP peer.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// Its name in the configuration.
    pub name: String,
    /// Where our requests go, where [`TrunkPolicy::lookup`] does not find it.
    pub address: SocketAddr,
    /// Over what, likewise.
    pub transport: Transport,
    /// Host part of our addresses there, e.g. `pbx.example`.
    pub domain: String,
    /// Sources whose calls are its calls.
    pub allow: Vec<Network>,
    /// True where its P-Asserted-Identity is believed (RFC 3325).
    pub trusted: bool,
    /// Who we are there.
    pub account: Option<Account>,
    /// Who may call by digest from anywhere as if from this trunk.
    pub callers: Vec<Credentials>,
    /// How it is found and used.
    pub policy: TrunkPolicy,
}

/// A telephone that registers here (RFC 3261 10.3), as an agent's without a PBX.
#[derive(Clone, Debug)]
pub struct Phone {
    /// Its name and its secret. The name is the user part of its address, too.
    pub credentials: Credentials,
    /// Where it may come from. From elsewhere it gets what strangers get.
    pub allow: Vec<Network>,
}

/// Who we are at a trunk.
#[derive(Clone, Debug)]
pub struct Account {
    /// User part of our address.
    pub user: String,
    /// For its challenges.
    pub credentials: Credentials,
    /// Register, asking for this many seconds; `None` where the trunk knows us without.
    pub register: Option<u32>,
}

/// Sizes of tables. Where one is full, a new call gets 503 and is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Client and server transactions together. Calls that are up may exceed it by a quarter, so that they can end.
    pub transactions: usize,
    /// Dialogs.
    pub dialogs: usize,
    /// Connections that are being read.
    pub streams: usize,
    /// Calls to us without a final answer, of everybody.
    pub half_open: usize,
    /// The same from one address (or /64 of IPv6) of a trunk.
    pub half_open_per_source: usize,
    /// The same of one registered telephone.
    pub half_open_per_phone: usize,
    /// Most bytes of a request's body; more is refused with 513.
    pub body: usize,
    /// Seconds of Retry-After.
    pub retry_after: u32,
}

impl Default for Limits {
    fn default() -> Self {
        // 7,000 calls/s keep four transactions each for 32 s in the worst case.
        // A call waits some ms for its answer, half a second where a media thread is behind.
        Self {
            transactions: 1_000_000,
            dialogs: 50_000,
            streams: 4_096,
            half_open: 8_000,
            half_open_per_source: 4_000,
            half_open_per_phone: 4,
            body: 16 * 1_024,
            retry_after: 5,
        }
    }
}

impl EndpointConfig {
    /// The flow to a peer; `None` where nothing listens in its address family, or on UDP where it is asked by UDP.
    pub fn flow_to(&self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        let local = self.local(transport, remote)?;
        Some(Flow { transport, local, remote })
    }

    /// The same peer over TCP; `None` where it is no datagram's flow, or we do not listen on TCP.
    pub(super) fn over_tcp(&self, flow: Flow) -> Option<Flow> {
        let fits = |(transport, local): &&(Transport, SocketAddr)| {
            *transport == Transport::Tcp && local.is_ipv4() == flow.remote.is_ipv4()
        };
        let (transport, local) = *self.listen.iter().find(fits)?;
        (flow.transport == Transport::Udp).then_some(Flow { transport, local, ..flow })
    }

    /// Our side towards a peer. A connection can be opened without a listener on its transport: what comes back comes on it.
    fn local(&self, transport: Transport, remote: SocketAddr) -> Option<SocketAddr> {
        let mut near = self.listen.iter().filter(|(_, local)| local.is_ipv4() == remote.is_ipv4());
        if let Some((_, local)) = near.clone().find(|(listener, _)| *listener == transport) {
            return Some(*local);
        }
        let (_, local) = near.next().filter(|_| transport.is_connected())?;
        Some(SocketAddr::new(local.ip(), transport.default_port()))
    }
}

/// A range of addresses, `192.0.2.0/24` or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The text is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address, or an address and a prefix length as in 192.0.2.0/24")]
pub struct BadNetwork;

impl Network {
    /// True where the address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, other, bits) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (u128::from(own.to_bits()), u128::from(other.to_bits()), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        // A shift by all 128 bits leaves nothing, hence a match.
        let shift = bits - u32::from(self.prefix);
        own.checked_shr(shift).unwrap_or(0) == other.checked_shr(shift).unwrap_or(0)
    }
}

impl FromStr for Network {
    type Err = BadNetwork;
    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| BadNetwork)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| BadNetwork)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(longest);
        if prefix > longest { Err(BadNetwork) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for (network, address, inside) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("192.0.2.0/24", "::ffff:192.0.2.1", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert_eq!(parsed.contains(address.parse().unwrap()), inside, "{network} {address}");
        }
        for bad in ["", "192.0.2.0/33", "::/129", "host", "192.0.2.0/", "192.0.2.0/x"] {
            assert_eq!(bad.parse::<Network>(), Err(BadNetwork), "{bad}");
        }
    }
}
