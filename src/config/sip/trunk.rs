//! One `[[trunk]]`: where a peer is, who we are there, what it may carry, which header fields are touched.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::call::{Codec, Keys, Srtp};
use crate::driver::read_codecs;
use crate::settings::Section;
use crate::sip::digest::client::Credentials;
use crate::sip::endpoint::config::{Account, Network, PHONES, Trunk};
use crate::sip::flow::Transport;
use crate::sip::trunk::policy::may_be_ruled;
use crate::sip::trunk::{HeaderRules, Lookup, Probe, TrunkPolicy};
use crate::wire::sip::header::HeaderName;
use crate::wire::sip::uri::{Scheme, SipUri};

/// Seconds of a registration where nothing else is asked for.
const REGISTER_SECONDS: u32 = 300;
/// Header rules of a trunk, each kind.
const MAX_RULES: usize = 16;
/// Longest value of a header rule, bytes.
const MAX_VALUE: usize = 512;

/// A trunk as it is written.
#[derive(Clone, Debug)]
pub(super) struct TrunkConfig {
    pub(super) name: String,
    /// Host in addresses of its telephones.
    pub(super) host: String,
    /// Port there.
    pub(super) port: u16,
    /// Who must prove its name where it is reached by TLS: the outbound proxy where there is one.
    pub(super) server: String,
    /// Where it is, where that is written as an address.
    pub(super) address: Option<SocketAddr>,
    pub(super) transport: Transport,
    pub(super) allow: Vec<Network>,
    pub(super) trusted: bool,
    pub(super) account: Option<Account>,
    pub(super) callers: Vec<Credentials>,
    pub(super) srtp: Option<Srtp>,
    pub(super) codecs: Option<Vec<Codec>>,
    pub(super) keys: Option<Keys>,
    pub(super) policy: TrunkPolicy,
}

impl TrunkConfig {
    /// Host and port as they stand in addresses of telephones there.
    pub(super) fn domain(&self) -> String {
        match self.port {
            port if port == self.transport.default_port() => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }

    /// For the endpoint.
    pub(super) fn trunk(&self) -> Trunk {
        Trunk {
            name: self.name.clone(),
            // Unused where it is looked up.
            address: self.address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], self.port))),
            transport: self.transport,
            domain: self.host.clone(),
            allow: self.allow.clone(),
            trusted: self.trusted,
            account: self.account.clone(),
            callers: self.callers.clone(),
            policy: self.policy.clone(),
        }
    }
}

/// A peer as a URI names it.
#[derive(Debug)]
struct Peer {
    uri: SipUri,
    transport: Transport,
}

/// Every `[[trunk]]`.
pub(super) fn read_trunks(root: &mut Section<'_>) -> Vec<TrunkConfig> {
    let mut all: Vec<TrunkConfig> = Vec::new();
    for section in root.sections("trunk") {
        if let Some(trunk) = read_trunk(section, &all) {
            all.push(trunk);
        }
    }
    all
}

fn read_trunk(mut section: Section<'_>, before: &[TrunkConfig]) -> Option<TrunkConfig> {
    let name = section.string("name");
    let name = section.required("name", "a name that dialplans use, e.g. \"pbx\"", name);
    if name.as_deref() == Some(PHONES) {
        section.problem("name", format_args!("\"{PHONES}\" stands for the telephones that register here"));
    }
    let uri = section.string("uri");
    let uri = section.required("uri", "the peer's address, e.g. \"sip:pbx.example:5060\"", uri);
    let target = uri.and_then(|text| parse_peer(&section, "uri", &text));
    let proxy = section.string("proxy").and_then(|text| parse_peer(&section, "proxy", &text));
    let allow = read_allow(&mut section);
    let account = read_account(&mut section);
    let trusted = section.boolean("trusted").unwrap_or(true);
    let srtp = section.parsed("srtp", "\"off\", \"offer\", \"required\" or \"dtls\"");
    let codecs = read_codecs(&mut section);
    let keys = section.parsed("dtmf", "\"rtp\" or \"info\"");
    let callers = section.sections("caller").into_iter().filter_map(read_caller).collect();
    let policy = read_policy(&mut section);
    check_names(&section, name.as_deref(), &policy, (srtp, codecs.as_deref(), keys), before);
    section.finish();
    let (target, name) = (target?, name?);
    let server = proxy.as_ref().unwrap_or(&target);
    let mut policy = TrunkPolicy { lookup: lookup(server), secure: target.uri.scheme == Scheme::Sips, ..policy };
    policy.port = target.uri.port.filter(|port| *port != target.transport.default_port());
    let port_of = |peer: &Peer| peer.uri.port.unwrap_or(peer.transport.default_port());
    let (server_host, address) = (server.uri.host.to_string(), server.uri.host.ip());
    let address = address.map(|ip| SocketAddr::new(ip, port_of(server)));
    let (transport, port, host) = (server.transport, port_of(&target), target.uri.host.to_string());
    policy.proxy = proxy.map(|peer| loose(peer.uri));
    let server = server_host;
    Some(TrunkConfig {
        name,
        host,
        port,
        server,
        address,
        transport,
        allow,
        trusted,
        account,
        callers,
        srtp,
        codecs,
        keys,
        policy,
    })
}

/// A proxy of today routes loosely (RFC 3261 19.1.1 `lr`), whether it is written or not.
fn loose(mut uri: SipUri) -> SipUri {
    if !uri.is_lr() {
        uri.params.push("lr", None::<Bytes>);
    }
    uri
}

/// What is to be looked up, where a name is written (RFC 3263 4).
fn lookup(peer: &Peer) -> Option<Lookup> {
    let (uri, secure) = (&peer.uri, peer.uri.scheme == Scheme::Sips);
    let transport = (uri.transport().is_some() && !secure).then_some(peer.transport);
    let named = uri.host.ip().is_none();
    named.then(|| Lookup { host: uri.host.to_string(), port: uri.port, transport, secure })
}

fn parse_peer(section: &Section<'_>, key: &str, text: &str) -> Option<Peer> {
    let Ok(uri) = text.parse::<SipUri>() else {
        section.problem(key, format_args!("expected \"sip:HOST\" or \"sip:HOST:PORT\", found \"{text}\""));
        return None;
    };
    let transport = match (uri.scheme, uri.transport().map(str::to_ascii_lowercase).as_deref()) {
        (Scheme::Sips, None | Some("tcp" | "tls")) | (Scheme::Sip, Some("tls")) => Transport::Tls,
        (Scheme::Sip, None | Some("udp")) => Transport::Udp,
        (Scheme::Sip, Some("tcp")) => Transport::Tcp,
        (_, Some(other)) => {
            let message = format_args!("transport \"{other}\" is not supported here; expected udp, tcp or tls");
            section.problem(key, message);
            return None;
        }
    };
    Some(Peer { uri, transport })
}

fn read_policy(section: &mut Section<'_>) -> TrunkPolicy {
    let small = |value: Option<i64>| value.and_then(|value| u16::try_from(value).ok());
    let group = section.string("group");
    let priority = small(section.integer("priority", 0..=65_535)).unwrap_or(0);
    let weight = small(section.integer("weight", 0..=65_535)).unwrap_or(1);
    for key in ["priority", "weight"] {
        if group.is_none() && section.keys().iter().any(|given| given == key) {
            section.problem(key, "counts within a group only; expected group = \"NAME\" beside it");
        }
    }
    let every = section.integer("probe", 5..=3_600).and_then(|seconds| u64::try_from(seconds).ok());
    let misses = section.integer("probe_misses", 1..=20).and_then(|count| u8::try_from(count).ok()).unwrap_or(3);
    let probe = every.map(|seconds| Probe { every: Duration::from_secs(seconds), misses });
    let max_calls = section.integer("max_calls", 1..=100_000).and_then(|calls| u32::try_from(calls).ok());
    let max_rate = small(section.integer("max_calls_per_second", 1..=10_000));
    let headers = Arc::new(read_headers(section.section("headers")));
    TrunkPolicy { group, priority, weight, probe, max_calls, max_rate, headers, ..TrunkPolicy::default() }
}

fn read_headers(mut section: Section<'_>) -> HeaderRules {
    let mut names = |key: &str| -> Vec<HeaderName> {
        let texts = section.strings(key).unwrap_or_default();
        if texts.len() > MAX_RULES {
            section.problem(key, format_args!("expected at most {MAX_RULES} names, found {}", texts.len()));
        }
        texts.iter().filter_map(|text| header_name(&section, key, text)).collect()
    };
    let remove = names("remove");
    let keep = names("keep");
    for name in &keep {
        if !name.as_str().to_ascii_uppercase().starts_with("X-") {
            section.problem("keep", format_args!("expected names that begin with X-, found \"{name}\""));
        }
    }
    let set = read_values(&mut section, "set");
    let add = read_values(&mut section, "add");
    section.finish();
    HeaderRules { remove, set, add, keep }
}

fn read_values(section: &mut Section<'_>, key: &str) -> Vec<(HeaderName, Bytes)> {
    let mut table = section.section(key);
    let names = table.keys();
    let mut all = Vec::new();
    for text in &names {
        let value = table.string(text);
        let (Some(name), Some(value)) = (header_name(&table, text, text), value) else { continue };
        if value.len() > MAX_VALUE || value.chars().any(char::is_control) {
            table.problem(text, format_args!("expected one line of at most {MAX_VALUE} bytes"));
        } else {
            all.push((name, Bytes::from(value)));
        }
    }
    if names.len() > MAX_RULES {
        section.problem(key, format_args!("expected at most {MAX_RULES} names, found {}", names.len()));
    }
    table.finish();
    all
}

fn header_name(section: &Section<'_>, key: &str, text: &str) -> Option<HeaderName> {
    let Some(name) = HeaderName::parse(text.as_bytes()) else {
        section.problem(key, format_args!("expected the name of a header field, found \"{text}\""));
        return None;
    };
    if !may_be_ruled(&name) {
        section.problem(key, format_args!("\"{name}\" is written by the gateway itself and cannot be ruled"));
        return None;
    }
    Some(name)
}

/// Names are unique, a group is no trunk, and what is offered does not depend on which trunk of a group is taken.
fn check_names(
    section: &Section<'_>,
    name: Option<&str>,
    policy: &TrunkPolicy,
    media: (Option<Srtp>, Option<&[Codec]>, Option<Keys>),
    before: &[TrunkConfig],
) {
    let group = policy.group.as_deref();
    for other in before {
        if name == Some(other.name.as_str()) {
            section.problem("name", format_args!("another trunk is called '{}'", other.name));
        }
        if name.is_some() && name == other.policy.group.as_deref() {
            section.problem("name", format_args!("a group is called '{}'; expected another name", name.unwrap_or("")));
        }
        if group == Some(other.name.as_str()) {
            section.problem("group", format_args!("a trunk is called '{}'; expected another name", other.name));
        }
        if group.is_some() && group == other.policy.group.as_deref() {
            let (srtp, codecs, keys) = media;
            let same = [
                ("srtp", srtp == other.srtp),
                ("codecs", codecs == other.codecs.as_deref()),
                ("dtmf", keys == other.keys),
            ];
            for (key, same) in same {
                if !same {
                    let message = format_args!("expected the same as in '{}', which is in this group, too", other.name);
                    section.problem(key, message);
                }
            }
        }
    }
    if group.is_some() && group == name {
        section.problem("group", "a trunk has this name itself; expected another name");
    }
}

/// Each value by the names that a dialplan may say: trunks' and groups'.
pub(super) fn by_name<T>(trunks: &[TrunkConfig], value: impl Fn(&TrunkConfig) -> Option<T>) -> BTreeMap<String, T> {
    let mut all = BTreeMap::new();
    for trunk in trunks {
        for name in [Some(&trunk.name), trunk.policy.group.as_ref()].into_iter().flatten() {
            if let Some(value) = value(trunk) {
                all.insert(name.clone(), value);
            }
        }
    }
    all
}

pub(super) fn read_allow(section: &mut Section<'_>) -> Vec<Network> {
    let mut all = Vec::new();
    for text in section.strings("allow").unwrap_or_default() {
        match text.parse() {
            Ok(network) => all.push(network),
            Err(error) => section.problem("allow", format_args!("\"{text}\": {error}")),
        }
    }
    all
}

pub(super) fn read_secret(section: &mut Section<'_>, key: &str) -> Option<String> {
    let text = section.string(key)?;
    match super::super::secret(&text) {
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
