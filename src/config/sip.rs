//! `[sip]`, `[[trunk]]` and `[[phone]]`: where we listen, which peers there are, who we are to them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::call::{Codec, Keys, Srtp};
use crate::driver::sip_sockets::ConnectionLimits;
use crate::driver::sip_sockets::tls::{Tls, TlsError, TlsFiles};
use crate::driver::sip_sockets::websocket::Origins;
use crate::settings::Section;
use crate::sip::endpoint::Endpoint;
use crate::sip::endpoint::config::{EndpointConfig, Limits, UnknownSource};
use crate::sip::flow::Transport;
use crate::sip::shield::ShieldConfig;

mod defence;
mod phones;
mod trunk;

use phones::Phones;
use trunk::{TrunkConfig, by_name, read_trunks};

/// Listening addresses and trunks.
#[derive(Clone, Debug)]
pub struct SipConfig {
    /// Sockets to listen on.
    pub listen: Vec<(Transport, SocketAddr)>,
    /// Pages whose WebSockets are taken.
    pub origins: Origins,
    /// How many connections there may be.
    pub limits: ConnectionLimits,
    unknown: Option<UnknownSource>,
    advertised: Vec<IpAddr>,
    realm: String,
    tls: TlsFiles,
    try_time: Duration,
    trunks: Vec<TrunkConfig>,
    phones: Phones,
    tables: Limits,
    shield: ShieldConfig,
}

/// The machine and its sockets cannot be made of what is configured.
#[derive(Debug, thiserror::Error)]
pub enum SipSetupError {
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl SipConfig {
    /// Reads `[sip]` and every `[[trunk]]`.
    pub fn read(root: &mut Section<'_>) -> Self {
        let mut section = root.section("sip");
        let listen = read_listen(&mut section);
        let unknown = section.string("unknown").and_then(|text| match text.as_str() {
            "silence" => Some(UnknownSource::Silence),
            "refuse" => Some(UnknownSource::Refuse),
            other => {
                section.problem("unknown", format_args!("expected \"refuse\" or \"silence\", found \"{other}\""));
                None
            }
        });
        let advertised = read_advertised(&mut section);
        let realm = section.string("realm").unwrap_or_else(|| "tingwa".to_owned());
        let tls = read_tls(&mut section, &listen);
        let origins = Origins::new(section.strings("ws_origins"));
        let limits = read_limits(&mut section);
        let try_ms = section.integer("try_ms", 500..=32_000).and_then(|ms| u64::try_from(ms).ok());
        let try_time = try_ms.map_or(EndpointConfig::default().try_time, Duration::from_millis);
        let (tables, shield) = defence::read(&mut section);
        section.finish();
        let trunks = read_trunks(root);
        let phones = Phones::read(root);
        Self { listen, origins, limits, unknown, advertised, realm, tls, try_time, trunks, phones, tables, shield }
    }

    /// Names of the telephones that may register.
    pub fn phones(&self) -> std::collections::BTreeSet<String> {
        self.phones.names()
    }

    /// What strangers get: nothing, unless it is said otherwise, or somebody may call by digest from anywhere, who has to be
    /// asked for the proof.
    fn unknown(&self) -> UnknownSource {
        let asked = self.trunks.iter().any(|trunk| !trunk.callers.is_empty());
        self.unknown.unwrap_or(if asked { UnknownSource::Refuse } else { UnknownSource::Silence })
    }

    /// The addresses, for people.
    pub fn listening(&self) -> Vec<String> {
        self.listen
            .iter()
            .map(|(transport, address)| format!("{}:{address}", transport.as_str().to_ascii_lowercase()))
            .collect()
    }

    /// Host and port of each trunk by its name, as they are written in the addresses of its telephones; groups, too.
    pub fn domains(&self) -> BTreeMap<String, String> {
        // Of a group any host is as good as another: the endpoint writes that of the trunk that is taken.
        let mut all = BTreeMap::new();
        for trunk in &self.trunks {
            all.extend(trunk.policy.group.iter().map(|group| (group.clone(), group.clone())));
            all.insert(trunk.name.clone(), trunk.domain());
        }
        all
    }

    /// Whether audio is encrypted at trunks that say so themselves, by the name of trunk and group.
    pub fn srtp(&self) -> BTreeMap<String, Srtp> {
        by_name(&self.trunks, |trunk| trunk.srtp)
    }

    /// How keys are sent to trunks that say so themselves, likewise.
    pub fn keys(&self) -> BTreeMap<String, Keys> {
        by_name(&self.trunks, |trunk| trunk.keys)
    }

    /// Codecs of trunks that have them their own way, likewise.
    pub fn codecs(&self) -> BTreeMap<String, Arc<[Codec]>> {
        by_name(&self.trunks, |trunk| trunk.codecs.clone().map(Arc::from))
    }

    /// The machine, and the certificates of its sockets.
    pub fn endpoint(&self, now: Instant) -> Result<(Endpoint, Tls), SipSetupError> {
        let config = EndpointConfig {
            listen: self.listen.clone(),
            advertised: self.advertised.clone(),
            realm: self.realm.clone(),
            unknown: self.unknown(),
            phones: self.phones.all.clone(),
            registrar: self.phones.limits,
            shield: self.shield,
            limits: self.tables,
            trunks: self.trunks.iter().map(TrunkConfig::trunk).collect(),
            try_time: self.try_time,
            ..EndpointConfig::default()
        };
        let secure = self.trunks.iter().filter(|trunk| trunk.transport == Transport::Tls);
        let names: Vec<_> = secure.filter_map(|trunk| Some((trunk.address?, trunk.server.clone()))).collect();
        let tls = Tls::load(self.tls.clone(), &names)?;
        Ok((Endpoint::new(config, fastrand::u64(..), now), tls))
    }
}

fn read_listen(section: &mut Section<'_>) -> Vec<(Transport, SocketAddr)> {
    let texts = section
        .strings("listen")
        .unwrap_or_else(|| vec!["udp:127.0.0.1:5060".to_owned(), "tcp:127.0.0.1:5060".to_owned()]);
    let mut all = Vec::new();
    for text in &texts {
        match parse_listen(text) {
            Some(listen) => all.push(listen),
            None => section.problem(
                "listen",
                format_args!("expected \"udp:ADDRESS:PORT\", or tcp, tls, ws or wss for udp; found \"{text}\""),
            ),
        }
    }
    // Each is short for one more item of `listen`.
    for (key, transport) in [("tls", Transport::Tls), ("ws", Transport::Ws), ("wss", Transport::Wss)] {
        all.extend(section.parsed(key, "an address and a port").map(|address| (transport, address)));
    }
    if texts.is_empty() && all.is_empty() {
        section.problem("listen", "expected at least one address");
    }
    all
}

/// At most one address of each family.
fn read_advertised(section: &mut Section<'_>) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = Vec::new();
    for key in ["advertise", "advertise_ipv6"] {
        let Some(address) = section.parsed::<IpAddr>(key, "an IP address") else { continue };
        if all.iter().any(|other| other.is_ipv4() == address.is_ipv4()) {
            section
                .problem(key, format_args!("expected an address of the other family than advertise, found {address}"));
        }
        all.push(address);
    }
    all
}

fn read_limits(section: &mut Section<'_>) -> ConnectionLimits {
    let default = ConnectionLimits::default();
    let mut number = |key, otherwise| {
        section.integer(key, 1..=100_000).and_then(|count| usize::try_from(count).ok()).unwrap_or(otherwise)
    };
    ConnectionLimits {
        all: number("connections", default.all),
        per_address: number("connections_per_address", default.per_address),
    }
}

fn parse_listen(text: &str) -> Option<(Transport, SocketAddr)> {
    let (transport, address) = text.split_once(':')?;
    Some((transport.parse().ok()?, address.parse().ok()?))
}

fn read_tls(section: &mut Section<'_>, listen: &[(Transport, SocketAddr)]) -> TlsFiles {
    let mut file = |key| section.string(key).map(PathBuf::from);
    let files = TlsFiles {
        certificate: file("tls_certificate"),
        key: file("tls_key"),
        client_ca: file("tls_client_ca"),
        ca: file("tls_ca"),
    };
    let secure = listen.iter().any(|(transport, _)| matches!(transport, Transport::Tls | Transport::Wss));
    for (key, given, other) in [
        ("tls_certificate", files.certificate.is_some(), files.key.is_some()),
        ("tls_key", files.key.is_some(), files.certificate.is_some()),
    ] {
        if !given && (secure || other) {
            section.problem(key, "expected a PEM file: TLS needs a certificate and its key");
        }
    }
    files
}

#[cfg(test)]
mod tests;
