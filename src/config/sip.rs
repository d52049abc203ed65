//! `[sip]`, `[[trunk]]` and `[[phone]]`: where we listen, which peers there are, who we are to them.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Instant;

use crate::call::Srtp;
use crate::driver::sip_sockets::ConnectionLimits;
use crate::driver::sip_sockets::tls::{Tls, TlsError, TlsFiles};
use crate::driver::sip_sockets::websocket::Origins;
use crate::settings::Section;
use crate::sip::digest::client::Credentials;
use crate::sip::endpoint::Endpoint;
use crate::sip::endpoint::config::{Account, EndpointConfig, Limits, Network, PHONES, Trunk, UnknownSource};
use crate::sip::flow::Transport;
use crate::sip::shield::ShieldConfig;
use crate::wire::sip::uri::{Scheme, SipUri};

mod defence;
mod phones;

use phones::Phones;

/// Seconds of a registration where nothing else is asked for.
const REGISTER_SECONDS: u32 = 300;

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
    trunks: Vec<TrunkConfig>,
    phones: Phones,
    tables: Limits,
    shield: ShieldConfig,
}

/// A trunk as it is written; its host is looked up when the endpoint is made.
#[derive(Clone, Debug)]
struct TrunkConfig {
    name: String,
    host: String,
    port: u16,
    transport: Transport,
    allow: Vec<Network>,
    trusted: bool,
    account: Option<Account>,
    callers: Vec<Credentials>,
    srtp: Option<Srtp>,
}

/// The machine and its sockets cannot be made of what is configured.
#[derive(Debug, thiserror::Error)]
pub enum SipSetupError {
    /// A trunk's host has no address.
    #[error("[[trunk]] {trunk}: cannot find the address of {host}: {source}")]
    Resolve {
        /// Its name.
        trunk: String,
        /// Its host.
        host: String,
        /// What the system said.
        source: std::io::Error,
    },
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
        let (tables, shield) = defence::read(&mut section);
        section.finish();
        let trunks = root.sections("trunk").into_iter().filter_map(read_trunk).collect();
        let phones = Phones::read(root);
        Self { listen, origins, limits, unknown, advertised, realm, tls, trunks, phones, tables, shield }
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

    /// Host and port of each trunk by its name, as they are written in the addresses of its telephones.
    pub fn domains(&self) -> std::collections::BTreeMap<String, String> {
        let host = |trunk: &TrunkConfig| match trunk.port {
            port if port == trunk.transport.default_port() => trunk.host.clone(),
            port => format!("{}:{port}", trunk.host),
        };
        self.trunks.iter().map(|trunk| (trunk.name.clone(), host(trunk))).collect()
    }

    /// Whether audio is encrypted at trunks that say so themselves, by the trunk's name.
    pub fn srtp(&self) -> std::collections::BTreeMap<String, Srtp> {
        self.trunks.iter().filter_map(|trunk| Some((trunk.name.clone(), trunk.srtp?))).collect()
    }

    /// The machine, with every trunk's host looked up, and the certificates of its sockets.
    pub async fn endpoint(&self, now: Instant) -> Result<(Endpoint, Tls), SipSetupError> {
        let mut config = EndpointConfig {
            listen: self.listen.clone(),
            advertised: self.advertised.clone(),
            realm: self.realm.clone(),
            unknown: self.unknown(),
            phones: self.phones.all.clone(),
            registrar: self.phones.limits,
            shield: self.shield,
            limits: self.tables,
            ..EndpointConfig::default()
        };
        for trunk in &self.trunks {
            config.trunks.push(trunk.resolve().await?);
        }
        let secure = config.trunks.iter().filter(|trunk| trunk.transport == Transport::Tls);
        let names: Vec<_> = secure.map(|trunk| (trunk.address, trunk.domain.clone())).collect();
        let tls = Tls::load(self.tls.clone(), &names)?;
        Ok((Endpoint::new(config, fastrand::u64(..), now), tls))
    }
}

impl TrunkConfig {
    async fn resolve(&self) -> Result<Trunk, SipSetupError> {
        let failed = |source| SipSetupError::Resolve { trunk: self.name.clone(), host: self.host.clone(), source };
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let mut addresses = tokio::net::lookup_host((host, self.port)).await.map_err(failed)?;
        let address = addresses.next().ok_or_else(|| failed(std::io::Error::other("it has none")))?;
        Ok(Trunk {
            name: self.name.clone(),
            address,
            transport: self.transport,
            domain: self.host.clone(),
            allow: self.allow.clone(),
            trusted: self.trusted,
            account: self.account.clone(),
            callers: self.callers.clone(),
        })
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

fn read_trunk(mut section: Section<'_>) -> Option<TrunkConfig> {
    let name = section.string("name");
    let name = section.required("name", "a name that dialplans use, e.g. \"pbx\"", name);
    if name.as_deref() == Some(PHONES) {
        section.problem("name", format_args!("\"{PHONES}\" stands for the telephones that register here"));
    }
    let uri = section.string("uri");
    let uri = section.required("uri", "the peer's address, e.g. \"sip:pbx.example:5060\"", uri);
    let target = uri.and_then(|text| parse_target(&section, &text));
    let allow = read_allow(&mut section);
    let account = read_account(&mut section);
    let trusted = section.boolean("trusted").unwrap_or(true);
    let srtp = section.parsed("srtp", "\"off\", \"offer\" or \"required\"");
    let callers = section.sections("caller").into_iter().filter_map(read_caller).collect();
    section.finish();
    let (host, port, transport) = target?;
    Some(TrunkConfig { name: name?, host, port, transport, allow, trusted, account, callers, srtp })
}

fn parse_target(section: &Section<'_>, text: &str) -> Option<(String, u16, Transport)> {
    let Ok(uri) = text.parse::<SipUri>() else {
        section.problem("uri", format_args!("expected \"sip:HOST\" or \"sip:HOST:PORT\", found \"{text}\""));
        return None;
    };
    let transport = match (uri.scheme, uri.transport().map(str::to_ascii_lowercase).as_deref()) {
        (Scheme::Sips, None | Some("tcp" | "tls")) | (Scheme::Sip, Some("tls")) => Transport::Tls,
        (Scheme::Sip, None | Some("udp")) => Transport::Udp,
        (Scheme::Sip, Some("tcp")) => Transport::Tcp,
        (_, Some(other)) => {
            let message = format_args!("transport \"{other}\" is not supported here; expected udp, tcp or tls");
            section.problem("uri", message);
            return None;
        }
    };
    Some((uri.host.to_string(), uri.port.unwrap_or(transport.default_port()), transport))
}

fn read_allow(section: &mut Section<'_>) -> Vec<Network> {
    let mut all = Vec::new();
    for text in section.strings("allow").unwrap_or_default() {
        match text.parse() {
            Ok(network) => all.push(network),
            Err(error) => section.problem("allow", format_args!("\"{text}\": {error}")),
        }
    }
    all
}

fn read_secret(section: &mut Section<'_>, key: &str) -> Option<String> {
    let text = section.string(key)?;
    match super::secret(&text) {
        Ok(secret) => Some(secret),
        Err(why) => {
            section.problem(key, why);
            None
        }
    }
}

fn read_account(section: &mut Section<'_>) -> Option<Account> {
    let user = section.string("user");
    let auth_user = section.string("auth_user");
    let password = read_secret(section, "password");
    let register = section.boolean("register").unwrap_or(false);
    let expires =
        section.integer("expires", 60..=86_400).and_then(|s| u32::try_from(s).ok()).unwrap_or(REGISTER_SECONDS);
    let Some(user) = user else {
        if register {
            section.problem("register", "a registration needs user and password");
        }
        return None;
    };
    let username = auth_user.unwrap_or_else(|| user.clone());
    let credentials = Credentials { username, password: password.unwrap_or_default().into() };
    Some(Account { user, credentials, register: register.then_some(expires) })
}

fn read_caller(mut section: Section<'_>) -> Option<Credentials> {
    let user = section.string("user");
    let user = section.required("user", "a user name", user);
    let password = read_secret(&mut section, "password");
    let password = section.required("password", "a secret, e.g. \"${file:/etc/tingwa/phone.pw}\"", password);
    section.finish();
    Some(Credentials { username: user?, password: password?.into() })
}

#[cfg(test)]
mod tests;
