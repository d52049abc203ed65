//! Finding a SIP server (RFC 3263 4), as far as it is deciding: which question comes first, what an answer of DNS means, in which
//! order targets are tried. Asking is the shell's (`driver/resolver`).
//!
//! | host | port written | transport written | asked | transport |
//! |---|---|---|---|---|
//! | address | | | nothing | as written, else UDP; `sips`: TLS |
//! | name | yes | | A, AAAA | as written, else UDP; `sips`: TLS |
//! | name | no | yes | SRV of that transport, then A, AAAA | as written |
//! | name | no | no | NAPTR, then SRV of each transport, then A, AAAA | as found, else UDP; `sips`: TLS |
//!
//! Not followed: NAPTR replacements with a regular expression (4.1 forbids them), SCTP, WebSocket (RFC 7118 5.1 finds browsers no server).

use std::net::SocketAddr;
use std::time::Duration;

use crate::sip::flow::Transport;

/// Targets of one look-up that are kept.
pub const MAX_TARGETS: usize = 16;

/// A server that is known by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Its name, as certificates have it too (RFC 5922 4).
    pub host: String,
    /// Port, where one is written.
    pub port: Option<u16>,
    /// Transport, where one is written.
    pub transport: Option<Transport>,
    /// True for `sips:`: TLS or nothing.
    pub secure: bool,
}

/// One address of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Over what.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
    /// The lowest is tried first: place of the transport, then the priority of SRV.
    pub rank: u32,
    /// Share among those of one rank.
    pub weight: u16,
}

/// What a look-up has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Addresses; never more than [`MAX_TARGETS`].
    pub targets: Vec<Target>,
    /// How long that is true.
    pub ttl: Duration,
}

/// A record that leads from a domain to a service (RFC 2915, RFC 3403).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// The lowest first; higher ones are not looked at once one fits.
    pub order: u16,
    /// Among those of one order.
    pub preference: u16,
    /// `s` here.
    pub flags: String,
    /// `SIP+D2U` and its like.
    pub services: String,
    /// Name of the SRV record.
    pub replacement: String,
}

/// A record that leads from a service to hosts (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// The lowest first.
    pub priority: u16,
    /// Share among those of one priority.
    pub weight: u16,
    /// Port.
    pub port: u16,
    /// Host; `.`: the service is not there.
    pub target: String,
}

/// What is to be asked first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// NAPTR of the host; where none fits, the SRV records of [`Lookup::services`].
    Naptr,
    /// SRV records by name, each with its transport.
    Srv(Vec<(Transport, String)>),
    /// Addresses of the host.
    Addresses {
        /// Over what.
        transport: Transport,
        /// Port.
        port: u16,
    },
}

impl Lookup {
    /// What is to be asked first.
    pub fn first(&self) -> Question {
        match (self.port, self.transport) {
            (Some(port), _) => Question::Addresses { transport: self.fallback(), port },
            (None, Some(_)) => Question::Srv(self.services()),
            (None, None) => Question::Naptr,
        }
    }

    /// The SRV records that a domain without NAPTR is asked for (4.1), the best first.
    pub fn services(&self) -> Vec<(Transport, String)> {
        let candidates = [(Transport::Udp, "_sip._udp"), (Transport::Tcp, "_sip._tcp"), (Transport::Tls, "_sips._tcp")];
        let wanted = |transport: Transport| match (self.secure, self.transport) {
            (true, _) => transport == Transport::Tls,
            (false, Some(written)) => transport == written,
            (false, None) => true,
        };
        let all = candidates.into_iter().filter(|(transport, _)| wanted(*transport));
        all.map(|(transport, label)| (transport, format!("{label}.{}", self.host))).collect()
    }

    /// The SRV records that NAPTR records lead to, the best first; none: nothing fits (4.1).
    pub fn chosen(&self, mut records: Vec<Naptr>) -> Vec<(Transport, String)> {
        records.sort_by_key(|record| (record.order, record.preference));
        let transport = |record: &Naptr| match record.services.to_ascii_uppercase().as_str() {
            "SIP+D2U" if !self.secure => Some(Transport::Udp),
            "SIP+D2T" if !self.secure => Some(Transport::Tcp),
            "SIPS+D2T" => Some(Transport::Tls),
            _ => None,
        };
        let fits = |record: Naptr| {
            let terminal = record.flags.eq_ignore_ascii_case("s") && !record.replacement.is_empty();
            Some((transport(&record).filter(|_| terminal)?, record.replacement))
        };
        records.into_iter().filter_map(fits).collect()
    }

    /// Where there are no records of services: transport and port of the host itself (4.1, 4.2).
    pub fn fallback(&self) -> Transport {
        match (self.secure, self.transport) {
            (true, _) => Transport::Tls,
            (false, written) => written.unwrap_or(Transport::Udp),
        }
    }
}

/// Puts what has a weight into an order drawn anew each time (RFC 2782): weight 0 comes late unless all have it.
/// `draw` gives a number below its argument, which is not 0.
pub fn weighted<T>(mut items: Vec<(u16, T)>, mut draw: impl FnMut(u32) -> u32) -> Vec<T> {
    let mut order = Vec::with_capacity(items.len());
    // Those without weight stand first, so that they have their small chance.
    items.sort_by_key(|(weight, _)| *weight != 0);
    while !items.is_empty() {
        let sum: u32 = items.iter().map(|(weight, _)| u32::from(*weight)).sum();
        let chosen = draw(sum + 1);
        let mut running = 0;
        let place = items.iter().position(|(weight, _)| {
            running += u32::from(*weight);
            running >= chosen
        });
        order.push(items.remove(place.unwrap_or(0)).1);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(port: Option<u16>, transport: Option<Transport>, secure: bool) -> Lookup {
        Lookup { host: "example.com".into(), port, transport, secure }
    }

    #[test]
    fn the_first_question() {
        let srv = |names: &[(Transport, &str)]| {
            Question::Srv(names.iter().map(|(t, name)| (*t, format!("{name}.example.com"))).collect())
        };
        let at = |transport, port| Question::Addresses { transport, port };
        for (port, transport, secure, expected) in [
            (None, None, false, Question::Naptr),
            (None, None, true, Question::Naptr),
            (Some(5080), None, false, at(Transport::Udp, 5080)),
            (Some(5080), None, true, at(Transport::Tls, 5080)),
            (Some(5080), Some(Transport::Tcp), false, at(Transport::Tcp, 5080)),
            (None, Some(Transport::Tcp), false, srv(&[(Transport::Tcp, "_sip._tcp")])),
            (None, Some(Transport::Tls), false, srv(&[(Transport::Tls, "_sips._tcp")])),
            (None, Some(Transport::Tcp), true, srv(&[(Transport::Tls, "_sips._tcp")])),
        ] {
            assert_eq!(lookup(port, transport, secure).first(), expected, "{port:?} {transport:?} {secure}");
        }
        assert_eq!(lookup(None, None, false).services().len(), 3);
        assert_eq!(lookup(None, None, true).services(), [(Transport::Tls, "_sips._tcp.example.com".to_owned())]);
    }

    /// The example of RFC 3263 4.1, and what does not fit.
    #[test]
    fn naptr_records_choose_the_transport() {
        let record = |order, preference, flags: &str, services: &str, replacement: &str| Naptr {
            order,
            preference,
            flags: flags.into(),
            services: services.into(),
            replacement: replacement.into(),
        };
        let records = vec![
            record(90, 50, "s", "SIP+D2T", "_sip._tcp.example.com"),
            record(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com"),
            record(100, 50, "S", "sip+d2u", "_sip._udp.example.com"),
            record(10, 50, "s", "SIP+D2S", "_sip._sctp.example.com"),
            record(10, 50, "u", "SIP+D2U", ""),
            record(1, 1, "s", "E2U+sip", "x.example.com"),
        ];
        let order = |secure| {
            lookup(None, None, secure)
                .chosen(records.clone())
                .into_iter()
                .map(|(transport, _)| transport)
                .collect::<Vec<_>>()
        };
        assert_eq!(order(false), [Transport::Tls, Transport::Tcp, Transport::Udp]);
        assert_eq!(order(true), [Transport::Tls], "sips goes over nothing else");
    }

    #[test]
    fn weights_are_shares() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut first = [0u32; 3];
        for _ in 0..4_000 {
            let order = weighted(vec![(30, 0), (10, 1), (0, 2)], |below| random.u32(..below));
            assert_eq!(order.len(), 3);
            first[order[0]] += 1;
        }
        assert!((2_700..3_100).contains(&first[0]) && (850..1_150).contains(&first[1]), "{first:?}");
        assert!((1..250).contains(&first[2]), "weight 0 has a small chance: {first:?}");
        let order = weighted(vec![(0, 'a'), (0, 'b')], |_| 0);
        assert_eq!(order.len(), 2);
    }
}
