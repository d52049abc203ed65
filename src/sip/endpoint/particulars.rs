//! What an INVITE says of a call beyond who calls whom: where it was diverted from (RFC 5806, RFC 7044), whether the caller
//! wants not to be known (RFC 3323, 3325), what travels with it (RFC 7433). Read leniently: what cannot be read is left out.

use bytes::Bytes;

use crate::redact::Redacted;
use crate::sip::event::{Diverted, Particulars, Reason};
use crate::wire::sip::header::{HeaderName, NameAddr, ReasonValue};
use crate::wire::sip::message::Headers;
use crate::wire::sip::uri::{Uri, unescape_percent};

/// Stations of a diversion that are kept, the latest.
const MAX_DIVERTED: usize = 8;
/// Longest User-to-User that is kept, bytes as written: 128 octets in hex (RFC 7433 5) and its parameters.
const MAX_USER_TO_USER: usize = 320;

/// Longest value of a field that the configuration wants kept, bytes.
const MAX_KEPT: usize = 512;

/// See the module.
pub(super) fn particulars(headers: &Headers, keep: &[HeaderName]) -> Particulars {
    let user_to_user = headers.get(&HeaderName::UserToUser).filter(|value| value.len() <= MAX_USER_TO_USER);
    let readable = !headers.user_to_user().is_empty();
    Particulars {
        diverted: diverted(headers),
        withheld: withheld(headers),
        hops: headers.max_forwards().ok().flatten(),
        kept: kept(headers, keep),
        user_to_user: user_to_user.filter(|_| readable).map(|value| Redacted::from(String::from_utf8_lossy(value))),
    }
}

/// Fields that the trunk's configuration wants kept, as written.
fn kept(headers: &Headers, keep: &[HeaderName]) -> Vec<(String, Redacted<String>)> {
    let field = |name: &HeaderName| {
        let value = headers.get(name).filter(|value| value.len() <= MAX_KEPT)?;
        let text = String::from_utf8_lossy(value).into_owned();
        Some((name.as_str().to_owned(), Redacted::from(text)))
    };
    keep.iter().filter_map(field).collect()
}

/// Why the other side ends something (RFC 3326); the first reason that names a cause.
pub(super) fn reason(headers: &Headers) -> Option<Reason> {
    let found = headers.reasons().into_iter().find_map(|reason| Some((reason.protocol, reason.cause?)));
    found.map(|(protocol, cause)| Reason { protocol: protocol.as_str().to_owned(), cause })
}

/// Oldest first. History-Info says more than Diversion and goes before it; its last entry is where the call is now.
fn diverted(headers: &Headers) -> Vec<Diverted> {
    let mut history = headers.history_info();
    history.pop();
    let mut stations: Vec<Diverted> = if history.is_empty() {
        let latest_first = headers.diversion().unwrap_or_default();
        latest_first.iter().rev().map(|station| at(station, station.params.text("reason").map(str::to_owned))).collect()
    } else {
        history.iter().map(|station| at(station, history_reason(station))).collect()
    };
    let surplus = stations.len().saturating_sub(MAX_DIVERTED);
    stations.drain(..surplus);
    stations
}

fn at(station: &NameAddr, why: Option<String>) -> Diverted {
    Diverted { number: station.uri.user_decoded().unwrap_or_default().into(), why }
}

/// The Reason in the URI of an entry of History-Info.
fn history_reason(station: &NameAddr) -> Option<String> {
    let Uri::Sip(uri) = &station.uri else { return None };
    let (_, value) = uri.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"Reason"))?;
    let reason = ReasonValue::parse(&Bytes::from(unescape_percent(value).into_owned()))?;
    Some(format!("{};cause={}", reason.protocol, reason.cause?))
}

/// True where the caller's number is not to be shown to anybody. Heard from everybody: nobody is known better for it.
fn withheld(headers: &Headers) -> bool {
    let asked =
        headers.privacy().iter().any(|wish| ["id", "user", "header"].iter().any(|word| wish.eq_ignore_case(word)));
    let nameless = headers.from().is_ok_and(|from| {
        from.uri.as_sip().is_some_and(|uri| uri.host.to_string().eq_ignore_ascii_case("anonymous.invalid"))
    });
    asked || nameless
}
