//! HTTP GET with `Range` (RFC 9110, 14): a file from an offset. Not here: what is done with its bytes.

use std::time::Duration;

use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

use super::{FetchError, Place, Policy, Source};

const CONNECT_LIMIT: Duration = Duration::from_secs(15);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
const MOST_REDIRECTS: u32 = 5;

/// Asks for the file from that offset; `None` where the server has nothing there (416).
pub(super) fn open(address: &str, from: u64, policy: &Policy) -> Result<Option<Source>, FetchError> {
    let mut request = agent(address, policy).get(address).header(header::ACCEPT_ENCODING, "identity");
    if from > 0 {
        request = request.header(header::RANGE, format!("bytes={from}-"));
    }
    let response = request.call().map_err(|error| failed(address, &error))?;
    let place = || Place::Address(address.to_owned());
    let what = format!("HTTP {}", response.status());
    match response.status() {
        StatusCode::OK => {
            let total = response.body().content_length();
            Ok(Some(Source { reader: Box::new(response.into_body().into_reader()), from: 0, total }))
        }
        StatusCode::PARTIAL_CONTENT => match content_range(&response) {
            Some((from, total)) => {
                Ok(Some(Source { reader: Box::new(response.into_body().into_reader()), from, total }))
            }
            None => Err(FetchError::Broken { place: place(), what: "part of a file, and not which part".to_owned() }),
        },
        StatusCode::RANGE_NOT_SATISFIABLE => Ok(None),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(FetchError::NotThere { place: place(), what }),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Err(FetchError::Broken { place: place(), what }),
        status if status.is_server_error() => Err(FetchError::Broken { place: place(), what }),
        _ => Err(FetchError::Denied { place: place(), what }),
    }
}

fn agent(address: &str, policy: &Policy) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        // Whoever names a safe address gets no other by a redirect.
        .https_only(address.starts_with("https://"))
        .max_redirects(MOST_REDIRECTS)
        .user_agent(concat!("tingwa/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT_LIMIT))
        .timeout_recv_response(Some(ANSWER_LIMIT))
        .timeout_per_read(Some(policy.silence));
    if is_loopback(address) {
        config = config.proxy(None);
    }
    config.build().into()
}

/// True for an address of this machine, which no proxy can reach.
fn is_loopback(address: &str) -> bool {
    let host = address.split("://").nth(1).unwrap_or("").split('/').next().unwrap_or("");
    ["localhost", "127.", "[::1]"].iter().any(|local| host.starts_with(local))
}

/// First byte and size of the whole file, from `Content-Range: bytes FIRST-LAST/TOTAL`.
fn content_range(response: &Response<Body>) -> Option<(u64, Option<u64>)> {
    let text = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

fn failed(address: &str, error: &ureq::Error) -> FetchError {
    let (place, what) = (Place::Address(address.to_owned()), error.to_string());
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => FetchError::NotThere { place, what },
        ureq::Error::TooManyRedirects
        | ureq::Error::RequireHttpsOnly(_)
        | ureq::Error::Tls(_)
        | ureq::Error::Rustls(_) => FetchError::Denied { place, what },
        _ => FetchError::Broken { place, what },
    }
}
