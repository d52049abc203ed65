//! Asks DNS where a SIP server is (RFC 3263): the questions of [`Lookup`], put by hickory as /etc/resolv.conf and /etc/hosts have it.
//!
//! What is found goes to the endpoint as one ordered list with its TTL; the endpoint asks again before that is over, so that no call
//! waits for DNS. hickory's own cache (256 names) keeps each record for its TTL. Bounded: one question a trunk at a time. An answer that
//! cannot be had (time-out, SERVFAIL) leaves what was known; only NAPTR may fail, since many resolvers do not know it.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::lookup::Lookup as Answer;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{RData, RecordType};

use crate::sip::flow::Transport;
use crate::sip::trunk::locate::{MAX_TARGETS, Naptr, Question, Srv};
use crate::sip::trunk::{Located, Lookup, Target};

/// Names that hickory keeps.
const CACHE: u64 = 256;
/// TTL of what has none: a name in /etc/hosts.
const LONGEST: Duration = Duration::from_secs(3600);

/// An answer cannot be had. That there is no record is an answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LookupError(String);

impl LookupError {
    /// No answer in time.
    pub fn late() -> Self {
        Self("no answer in time".to_owned())
    }
}

/// Records of one question, none where there are none, and how long that is true.
#[derive(Clone, Debug)]
pub struct Records<T> {
    /// Records.
    pub all: Vec<T>,
    /// TTL.
    pub ttl: Duration,
}

/// DNS, or a table in tests.
pub trait Zone: Send + Sync {
    /// NAPTR records of a name.
    fn naptr(&self, name: &str) -> impl Future<Output = Result<Records<Naptr>, LookupError>> + Send;
    /// SRV records of a name.
    fn srv(&self, name: &str) -> impl Future<Output = Result<Records<Srv>, LookupError>> + Send;
    /// A and AAAA records of a host.
    fn addresses(&self, host: &str) -> impl Future<Output = Result<Records<IpAddr>, LookupError>> + Send;
}

/// Finds a server's addresses; at least one.
pub async fn locate(zone: &impl Zone, lookup: &Lookup) -> Result<Located, LookupError> {
    let mut finding = Finding { targets: Vec::new(), ttl: LONGEST };
    let services = match lookup.first() {
        Question::Addresses { transport, port } => {
            finding.host(zone, &lookup.host, (transport, port), 0, 0).await?;
            return finding.done();
        }
        Question::Srv(services) => services,
        Question::Naptr => match zone.naptr(&lookup.host).await {
            Ok(records) => {
                finding.lasts(records.ttl);
                let chosen = lookup.chosen(records.all);
                if chosen.is_empty() { lookup.services() } else { chosen }
            }
            Err(error) => {
                tracing::debug!(host = lookup.host, %error, "no NAPTR");
                lookup.services()
            }
        },
    };
    if !finding.services(zone, &services).await? {
        let transport = lookup.fallback();
        finding.host(zone, &lookup.host, (transport, transport.default_port()), 0, 0).await?;
    }
    finding.done()
}

struct Finding {
    targets: Vec<Target>,
    ttl: Duration,
}

impl Finding {
    fn lasts(&mut self, ttl: Duration) {
        self.ttl = self.ttl.min(ttl);
    }

    /// False where there is no SRV record at all.
    async fn services(&mut self, zone: &impl Zone, services: &[(Transport, String)]) -> Result<bool, LookupError> {
        let mut any = false;
        for (place, (transport, name)) in (0u32..).zip(services) {
            let records = zone.srv(name).await?;
            if records.all.is_empty() {
                continue;
            }
            any = true;
            self.lasts(records.ttl);
            for srv in records.all.into_iter().filter(|srv| srv.target != ".").take(MAX_TARGETS) {
                let rank = place << 16 | u32::from(srv.priority);
                self.host(zone, &srv.target, (*transport, srv.port), rank, srv.weight).await?;
            }
        }
        Ok(any)
    }

    async fn host(
        &mut self,
        zone: &impl Zone,
        host: &str,
        (transport, port): (Transport, u16),
        rank: u32,
        weight: u16,
    ) -> Result<(), LookupError> {
        let records = zone.addresses(host).await?;
        if !records.all.is_empty() {
            self.lasts(records.ttl);
        }
        let target = |ip| Target { transport, address: SocketAddr::new(ip, port), rank, weight };
        self.targets.extend(records.all.into_iter().map(target));
        Ok(())
    }

    fn done(mut self) -> Result<Located, LookupError> {
        if self.targets.is_empty() {
            return Err(LookupError("it has no address".to_owned()));
        }
        self.targets.sort_by_key(|target| target.rank);
        self.targets.truncate(MAX_TARGETS);
        Ok(Located { targets: self.targets, ttl: self.ttl })
    }
}

/// The system's DNS.
#[derive(Clone)]
pub struct SystemZone(TokioResolver);

impl SystemZone {
    /// Reads /etc/resolv.conf.
    pub fn new() -> Result<Self, LookupError> {
        let mut builder = TokioResolver::builder_tokio().map_err(|error| LookupError(error.to_string()))?;
        let options = builder.options_mut();
        options.cache_size = CACHE;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        builder.build().map(Self).map_err(|error| LookupError(error.to_string()))
    }
}

impl Zone for SystemZone {
    async fn naptr(&self, name: &str) -> Result<Records<Naptr>, LookupError> {
        read(self.0.lookup(absolute(name), RecordType::NAPTR).await, |data| match data {
            RData::NAPTR(naptr) => Some(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: String::from_utf8_lossy(&naptr.flags).into_owned(),
                services: String::from_utf8_lossy(&naptr.services).into_owned(),
                replacement: naptr.replacement.to_utf8(),
            }),
            _ => None,
        })
    }

    async fn srv(&self, name: &str) -> Result<Records<Srv>, LookupError> {
        read(self.0.srv_lookup(absolute(name)).await, |data| match data {
            RData::SRV(srv) => {
                Some(Srv { priority: srv.priority, weight: srv.weight, port: srv.port, target: srv.target.to_utf8() })
            }
            _ => None,
        })
    }

    async fn addresses(&self, host: &str) -> Result<Records<IpAddr>, LookupError> {
        match self.0.lookup_ip(host).await {
            Ok(found) => Ok(Records { all: found.iter().collect(), ttl: until(found.valid_until()) }),
            Err(error) => nothing(error),
        }
    }
}

/// No search list of /etc/resolv.conf for names of services.
fn absolute(name: &str) -> String {
    if name.ends_with('.') { name.to_owned() } else { format!("{name}.") }
}

fn until(at: Instant) -> Duration {
    at.saturating_duration_since(Instant::now())
}

fn read<T>(answer: Result<Answer, NetError>, record: impl Fn(&RData) -> Option<T>) -> Result<Records<T>, LookupError> {
    match answer {
        Ok(found) => {
            let all = found.answers().iter().filter_map(|one| record(&one.data)).collect();
            Ok(Records { all, ttl: until(found.valid_until()) })
        }
        Err(error) => nothing(error),
    }
}

fn nothing<T>(error: NetError) -> Result<Records<T>, LookupError> {
    if error.is_nx_domain() || error.is_no_records_found() {
        return Ok(Records { all: Vec::new(), ttl: LONGEST });
    }
    Err(LookupError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A zone as a table; what is not in it has no records, `!` cannot be asked.
    #[derive(Default)]
    struct Table {
        naptr: Vec<(u16, &'static str, &'static str)>,
        srv: BTreeMap<&'static str, Vec<(u16, u16, u16, &'static str)>>,
        hosts: BTreeMap<&'static str, &'static str>,
        silent: &'static str,
    }

    impl Table {
        fn fails(&self, name: &str) -> Result<(), LookupError> {
            if name == self.silent { Err(LookupError("no answer".into())) } else { Ok(()) }
        }
    }

    fn records<T>(all: Vec<T>, seconds: u64) -> Result<Records<T>, LookupError> {
        Ok(Records { all, ttl: Duration::from_secs(seconds) })
    }

    impl Zone for Table {
        async fn naptr(&self, name: &str) -> Result<Records<Naptr>, LookupError> {
            self.fails(name)?;
            let record = |(order, services, replacement): &(u16, &str, &str)| Naptr {
                order: *order,
                preference: 0,
                flags: "s".into(),
                services: (*services).into(),
                replacement: (*replacement).into(),
            };
            records(self.naptr.iter().map(record).collect(), 900)
        }

        async fn srv(&self, name: &str) -> Result<Records<Srv>, LookupError> {
            self.fails(name)?;
            let record = |(priority, weight, port, target): &(u16, u16, u16, &str)| Srv {
                priority: *priority,
                weight: *weight,
                port: *port,
                target: (*target).into(),
            };
            records(self.srv.get(name).map(|all| all.iter().map(record).collect()).unwrap_or_default(), 300)
        }

        async fn addresses(&self, host: &str) -> Result<Records<IpAddr>, LookupError> {
            self.fails(host)?;
            let all = self.hosts.get(host).map(|text| text.split(' ').map(|ip| ip.parse().unwrap()).collect());
            records(all.unwrap_or_default(), 60)
        }
    }

    fn found(zone: &Table, uri: (Option<u16>, Option<Transport>, bool)) -> Result<(Vec<String>, u64), LookupError> {
        let (port, transport, secure) = uri;
        let lookup = Lookup { host: "pbx.example".into(), port, transport, secure };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let located = runtime.block_on(locate(zone, &lookup))?;
        let text = |t: &Target| format!("{} {} {} {}", t.transport.as_param(), t.address, t.rank, t.weight);
        Ok((located.targets.iter().map(text).collect(), located.ttl.as_secs()))
    }

    fn zone() -> Table {
        Table {
            hosts: [
                ("pbx.example", "192.0.2.1"),
                ("a.example", "192.0.2.10 2001:db8::10"),
                ("b.example", "192.0.2.11"),
            ]
            .into(),
            ..Table::default()
        }
    }

    #[test]
    fn a_port_or_no_records_of_services_lead_to_the_host() {
        let rows = [
            ((Some(5080), None, false), "udp 192.0.2.1:5080 0 0"),
            ((None, None, false), "udp 192.0.2.1:5060 0 0"),
            ((None, Some(Transport::Tcp), false), "tcp 192.0.2.1:5060 0 0"),
            ((None, None, true), "tls 192.0.2.1:5061 0 0"),
            ((Some(5071), None, true), "tls 192.0.2.1:5071 0 0"),
        ];
        for (uri, expected) in rows {
            assert_eq!(found(&zone(), uri).unwrap(), (vec![expected.to_owned()], 60), "{uri:?}");
        }
    }

    #[test]
    fn records_of_services_give_ports_priorities_and_weights() {
        let mut zone = zone();
        zone.srv.insert("_sip._udp.pbx.example", vec![(20, 0, 5060, "b.example"), (10, 60, 5070, "a.example")]);
        zone.srv.insert("_sip._tcp.pbx.example", vec![(5, 1, 5060, "a.example")]);
        let (targets, ttl) = found(&zone, (None, None, false)).unwrap();
        let expected = [
            "udp 192.0.2.10:5070 10 60",
            "udp [2001:db8::10]:5070 10 60",
            "udp 192.0.2.11:5060 20 0",
            "tcp 192.0.2.10:5060 65541 1",
            "tcp [2001:db8::10]:5060 65541 1",
        ];
        assert_eq!((targets.iter().map(String::as_str).collect::<Vec<_>>(), ttl), (expected.to_vec(), 60));
        let (targets, _) = found(&zone, (None, Some(Transport::Tcp), false)).unwrap();
        assert_eq!(targets[0], "tcp 192.0.2.10:5060 5 1", "only the transport that is written");
        zone.naptr = vec![(20, "SIP+D2U", "_sip._udp.pbx.example"), (10, "SIP+D2T", "_sip._tcp.pbx.example")];
        let (targets, _) = found(&zone, (None, None, false)).unwrap();
        assert!(targets[0].starts_with("tcp ") && targets[2].starts_with("udp "), "{targets:?}");
        zone.silent = "pbx.example";
        let (targets, _) = found(&zone, (None, None, false)).unwrap();
        assert!(targets[0].starts_with("udp "), "a resolver that knows no NAPTR: {targets:?}");
    }

    #[test]
    fn what_cannot_be_had() {
        let mut zone = zone();
        zone.srv.insert("_sip._udp.pbx.example", vec![(0, 0, 0, ".")]);
        assert!(found(&zone, (None, None, false)).is_err(), "the domain says that there is no such service");
        zone.silent = "_sip._udp.pbx.example";
        assert!(found(&zone, (None, None, false)).is_err(), "not the host instead, while nothing is known");
        assert!(found(&Table::default(), (None, None, false)).is_err());
    }
}
