//! `[sip]` and `[[trunk]]`: where we listen, which peers there are, who we are to them.

use std::net::SocketAddr;
use std::time::Instant;

use crate::call::Srtp;
use crate::settings::Section;
use crate::sip::digest::client::Credentials;
use crate::sip::endpoint::Endpoint;
use crate::sip::endpoint::config::{Account, EndpointConfig, Network, Trunk, UnknownSource};
use crate::sip::flow::Transport;
use crate::wire::sip::uri::SipUri;

/// SIP's port where a URI names none (RFC 3261 19.1.2).
const DEFAULT_PORT: u16 = 5060;
/// Seconds of a registration where nothing else is asked for.
const REGISTER_SECONDS: u32 = 300;

/// Listening addresses and trunks.
#[derive(Clone, Debug)]
pub struct SipConfig {
    /// Sockets to listen on.
    pub listen: Vec<(Transport, SocketAddr)>,
    unknown: UnknownSource,
    advertised: Option<std::net::IpAddr>,
    realm: String,
    trunks: Vec<TrunkConfig>,
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

/// A trunk's host has no address.
#[derive(Debug, thiserror::Error)]
#[error("[[trunk]] {trunk}: cannot find the address of {host}: {source}")]
pub struct ResolveError {
    trunk: String,
    host: String,
    source: std::io::Error,
}

impl SipConfig {
    /// Reads `[sip]` and every `[[trunk]]`.
    pub fn read(root: &mut Section<'_>) -> Self {
        let mut section = root.section("sip");
        let listen = read_listen(&mut section);
        let unknown = section.string("unknown").map_or(UnknownSource::Refuse, |text| match text.as_str() {
            "silence" => UnknownSource::Silence,
            "refuse" => UnknownSource::Refuse,
            other => {
                section.problem("unknown", format_args!("expected \"refuse\" or \"silence\", found \"{other}\""));
                UnknownSource::Refuse
            }
        });
        let advertised = section.parsed("advertise", "an IP address");
        let realm = section.string("realm").unwrap_or_else(|| "tingwa".to_owned());
        section.finish();
        let trunks = root.sections("trunk").into_iter().filter_map(read_trunk).collect();
        Self { listen, unknown, advertised, realm, trunks }
    }

    /// The addresses, for people.
    pub fn listening(&self) -> Vec<String> {
        self.listen
            .iter()
            .map(|(transport, address)| format!("{}:{address}", transport.as_str().to_lowercase()))
            .collect()
    }

    /// Host and port of each trunk by its name, as they are written in the addresses of its telephones.
    pub fn domains(&self) -> std::collections::BTreeMap<String, String> {
        let host = |trunk: &TrunkConfig| match trunk.port {
            DEFAULT_PORT => trunk.host.clone(),
            port => format!("{}:{port}", trunk.host),
        };
        self.trunks.iter().map(|trunk| (trunk.name.clone(), host(trunk))).collect()
    }

    /// Whether audio is encrypted at trunks that say so themselves, by the trunk's name.
    pub fn srtp(&self) -> std::collections::BTreeMap<String, Srtp> {
        self.trunks.iter().filter_map(|trunk| Some((trunk.name.clone(), trunk.srtp?))).collect()
    }

    /// The machine, with every trunk's host looked up.
    pub async fn endpoint(&self, now: Instant) -> Result<Endpoint, ResolveError> {
        let mut config = EndpointConfig {
            listen: self.listen.clone(),
            advertised: self.advertised,
            realm: self.realm.clone(),
            unknown: self.unknown,
            ..EndpointConfig::default()
        };
        for trunk in &self.trunks {
            config.trunks.push(trunk.resolve().await?);
        }
        Ok(Endpoint::new(config, fastrand::u64(..), now))
    }
}

impl TrunkConfig {
    async fn resolve(&self) -> Result<Trunk, ResolveError> {
        let failed = |source| ResolveError { trunk: self.name.clone(), host: self.host.clone(), source };
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
        .unwrap_or_else(|| vec![format!("udp:127.0.0.1:{DEFAULT_PORT}"), format!("tcp:127.0.0.1:{DEFAULT_PORT}")]);
    let mut all = Vec::new();
    for text in &texts {
        match parse_listen(text) {
            Some(listen) => all.push(listen),
            None => {
                section.problem("listen", format_args!("expected \"udp:ADDRESS:PORT\" or \"tcp:..\", found \"{text}\""))
            }
        }
    }
    if texts.is_empty() {
        section.problem("listen", "expected at least one address");
    }
    all
}

fn parse_listen(text: &str) -> Option<(Transport, SocketAddr)> {
    let (transport, address) = text.split_once(':')?;
    let transport = match transport {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        _ => return None,
    };
    Some((transport, address.parse().ok()?))
}

fn read_trunk(mut section: Section<'_>) -> Option<TrunkConfig> {
    let name = section.string("name");
    let name = section.required("name", "a name that dialplans use, e.g. \"pbx\"", name);
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
    let transport = match uri.transport().map(str::to_ascii_lowercase).as_deref() {
        None | Some("udp") => Transport::Udp,
        Some("tcp") => Transport::Tcp,
        Some(other) => {
            section.problem("uri", format_args!("transport \"{other}\" is not supported; expected udp or tcp"));
            return None;
        }
    };
    Some((uri.host.to_string(), uri.port.unwrap_or(DEFAULT_PORT), transport))
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
