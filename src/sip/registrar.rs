//! The side that telephones register to (RFC 3261 10.3): which addresses each has at present, and on which flow it is reached.
//! Who they are was proved before; requests and answers are the endpoint's business.
//!
//! Followed beyond it: the flow is remembered (RFC 5626's idea, without its headers), since most telephones stand behind NAT or
//! are browsers; `+sip.instance` tells that a telephone has come again at another address. A connection that ends takes its
//! bindings with it. Of more contacts than are kept, the one that was refreshed longest ago goes.
//! Not here: Path (RFC 3327), GRUU (RFC 5627), domains of our own (every Request-URI counts as ours).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::flow::Flow;
use crate::wire::sip::header::{Contacts, HeaderName, NameAddr};
use crate::wire::sip::message::{Request, StatusCode};
use crate::wire::sip::uri::Uri;

/// Seconds of a binding that names none.
const DEFAULT_SECONDS: u32 = 3_600;

/// Bounds of what telephones may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrarLimits {
    /// Shortest binding, seconds; less is refused with 423.
    pub least: u32,
    /// Longest, seconds; more is cut.
    pub most: u32,
    /// Addresses that one telephone has at a time.
    pub contacts: usize,
}

impl Default for RegistrarLimits {
    fn default() -> Self {
        Self { least: 60, most: 3_600, contacts: 4 }
    }
}

/// Where one telephone is.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Request-URI of what is sent there.
    pub uri: Uri,
    /// By what way.
    pub flow: Flow,
    /// Preference, thousandths.
    q: u16,
    until: Instant,
    refreshed: Instant,
    call_id: Bytes,
    number: u32,
    /// Contact as it was given, without `expires`.
    contact: NameAddr,
}

/// Why a REGISTER fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// With this status.
    With(StatusCode),
    /// 423: not for so short a time.
    TooBrief {
        /// Seconds that are enough.
        least: u32,
    },
}

/// One Contact of a request, judged.
struct Wanted {
    contact: NameAddr,
    seconds: u32,
    q: u16,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Registrar {
    limits: RegistrarLimits,
    /// By the telephone's place in the configuration.
    phones: Vec<Vec<Binding>>,
}

impl Registrar {
    /// For so many telephones.
    pub fn new(phones: usize, limits: RegistrarLimits) -> Self {
        Self { limits, phones: (0..phones).map(|_| Vec::new()).collect() }
    }

    /// Does what a REGISTER asks, all of it or nothing; what the telephone has then, as values of Contact.
    pub fn register(
        &mut self,
        now: Instant,
        phone: usize,
        flow: Flow,
        request: &Request,
    ) -> Result<Vec<Bytes>, Refused> {
        let refused = |status| Err(Refused::With(status));
        self.expire(now);
        let Some(bindings) = self.phones.get_mut(phone) else { return refused(StatusCode::NOT_FOUND) };
        let headers = &request.headers;
        let (Ok(contacts), Ok(cseq)) = (headers.contacts(), headers.cseq()) else {
            return refused(StatusCode::BAD_REQUEST);
        };
        let call_id = headers.get(&HeaderName::CallId).cloned().unwrap_or_default();
        // One that cannot be read is as if it were not there (10.3, 7).
        let all = headers.expires().ok().flatten();
        let late = |binding: &Binding| binding.call_id == call_id && cseq.number <= binding.number;
        let wanted = match contacts {
            Contacts::Star if all != Some(0) => return refused(StatusCode::BAD_REQUEST),
            Contacts::Star if bindings.iter().any(late) => return refused(StatusCode::SERVER_INTERNAL_ERROR),
            Contacts::Star => {
                bindings.clear();
                Vec::new()
            }
            Contacts::List(list) => self.limits.judge(list, all)?,
        };
        let mut new = bindings.clone();
        for Wanted { contact, seconds, q } in wanted {
            let before = new.iter().position(|binding| same(&binding.contact, &contact));
            if before.is_some_and(|place| late(&new[place])) {
                return refused(StatusCode::SERVER_INTERNAL_ERROR);
            }
            if let Some(place) = before {
                new.remove(place);
            }
            if seconds > 0 {
                let until = now + Duration::from_secs(u64::from(seconds));
                let uri = contact.uri.clone();
                let (call_id, number) = (call_id.clone(), cseq.number);
                let flow = way_to(flow, &uri);
                new.push(Binding { uri, flow, q, until, refreshed: now, call_id, number, contact });
            }
        }
        // They stand in the order in which they were refreshed.
        let beyond = new.len().saturating_sub(self.limits.contacts);
        new.drain(..beyond);
        *bindings = new;
        Ok(bindings.iter().map(|binding| binding.described(now)).collect())
    }

    /// Where a telephone is best reached: the highest preference, then the latest.
    pub fn best(&self, now: Instant, phone: usize) -> Option<&Binding> {
        let bindings = self.phones.get(phone)?;
        bindings.iter().filter(|binding| binding.until > now).max_by_key(|binding| (binding.q, binding.refreshed))
    }

    /// How many addresses a telephone has.
    pub fn contacts(&self, phone: usize) -> usize {
        self.phones.get(phone).map_or(0, Vec::len)
    }

    /// True where a telephone is reached by this connection.
    pub fn uses(&self, flow: Flow) -> bool {
        self.all().any(|binding| binding.flow == flow)
    }

    /// True where some telephone is at this address.
    pub fn is_at(&self, address: std::net::IpAddr) -> bool {
        self.all().any(|binding| binding.flow.remote.ip() == address)
    }

    fn all(&self) -> impl Iterator<Item = &Binding> {
        self.phones.iter().flatten()
    }

    /// A connection has ended; the telephones that were there.
    pub fn disconnected(&mut self, flow: Flow) -> Vec<usize> {
        self.drop_where(|binding| binding.flow == flow)
    }

    /// Time has passed; the telephones that have lost an address.
    pub fn expire(&mut self, now: Instant) -> Vec<usize> {
        self.drop_where(|binding| binding.until <= now)
    }

    fn drop_where(&mut self, gone: impl Fn(&Binding) -> bool) -> Vec<usize> {
        let mut changed = Vec::new();
        for (phone, bindings) in self.phones.iter_mut().enumerate() {
            let before = bindings.len();
            bindings.retain(|binding| !gone(binding));
            if bindings.len() < before {
                changed.push(phone);
            }
        }
        changed
    }

    /// When to come back.
    pub fn deadline(&self) -> Option<Instant> {
        self.all().map(|binding| binding.until).min()
    }
}

impl RegistrarLimits {
    fn judge(&self, list: Vec<NameAddr>, all: Option<u32>) -> Result<Vec<Wanted>, Refused> {
        if list.len() > self.contacts {
            return Err(Refused::With(StatusCode::FORBIDDEN));
        }
        let mut wanted: Vec<Wanted> = Vec::new();
        for mut contact in list {
            // What we dial must be a SIP address; we know no way to another.
            if contact.uri.as_sip().is_none() {
                return Err(Refused::With(StatusCode::BAD_REQUEST));
            }
            let seconds = match contact.params.text("expires").map(str::parse::<u64>) {
                Some(Ok(seconds)) => u32::try_from(seconds).unwrap_or(u32::MAX),
                Some(Err(_)) => DEFAULT_SECONDS,
                None => all.unwrap_or(DEFAULT_SECONDS),
            };
            if seconds > 0 && seconds < self.least {
                return Err(Refused::TooBrief { least: self.least });
            }
            let q = contact.params.text("q").and_then(preference).unwrap_or(1_000);
            contact.params.remove("expires");
            wanted.push(Wanted { contact, seconds: seconds.min(self.most), q });
        }
        Ok(wanted)
    }
}

impl Binding {
    /// Contact with the seconds that are left.
    fn described(&self, now: Instant) -> Bytes {
        let left = self.until.saturating_duration_since(now).as_secs();
        let mut contact = self.contact.clone();
        contact.params.push("expires", Some(Bytes::from(left.to_string())));
        contact.to_bytes()
    }
}

/// The same address (19.1.4), or the same telephone as before (RFC 5626 4.1).
fn same(one: &NameAddr, other: &NameAddr) -> bool {
    let instance = |contact: &NameAddr| {
        let id = contact.params.raw("+sip.instance")?.clone();
        Some((id, contact.params.raw("reg-id").cloned()))
    };
    let again = matches!((instance(one), instance(other)), (Some(a), Some(b)) if a == b);
    again || one.uri.equivalent(&other.uri)
}

/// Where requests go: back on the flow. Over UDP a telephone that is where it says it is may listen at another port than it
/// sends from.
fn way_to(flow: Flow, uri: &Uri) -> Flow {
    let sip = uri.as_sip().filter(|sip| !flow.transport.is_connected() && sip.host.ip() == Some(flow.remote.ip()));
    match sip {
        Some(sip) => flow.to(SocketAddr::new(flow.remote.ip(), sip.port.unwrap_or(flow.transport.default_port()))),
        None => flow,
    }
}

/// `0.7` as 700 (RFC 3261 25.1 qvalue); `None` for what is none.
fn preference(text: &str) -> Option<u16> {
    let value: f64 = text.parse().ok().filter(|q| (0.0..=1.0).contains(q))?;
    Some((value * 1_000.0).round() as u16)
}

#[cfg(test)]
mod tests;
