//! Where a language model may be: on this machine or in a private net, unless the configuration says `allow_remote = true`.
//! Looked at when the configuration is read and again at every connection, for the address that is really connected to: a
//! name that leads elsewhere tomorrow leads nowhere.

use std::net::IpAddr;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// True for loopback and private addresses (RFC 1918, RFC 4193). Link-local ones are none: clouds serve secrets there.
pub fn is_inside(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

/// The server's base address, e.g. `http://127.0.0.1:8080/v1`; or what is wrong with it.
pub fn base(url: &str, allow_remote: bool) -> Result<String, &'static str> {
    let uri: Uri = url.parse().map_err(|_| "expected an address such as \"http://127.0.0.1:8080/v1\"")?;
    let host = uri.host().ok_or("expected http:// or https:// and a host")?;
    let number = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let surely_inside = host == "localhost" || number.is_some_and(is_inside);
    if number.is_some_and(|address| !is_inside(address)) && !allow_remote {
        return Err("is neither this machine nor a private net: what callers say would leave the company; \
                    allow_remote = true allows that in so many words");
    }
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if surely_inside || !allow_remote => {}
        Some("http") => {
            return Err("http:// goes to an address of this machine or of a private net only; expected https://");
        }
        _ => return Err("expected http:// or https://"),
    }
    if uri.query().is_some() || uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("expected scheme, host, port and path; the key belongs to `key`");
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// Finds addresses, and gives back only those that may be connected to.
#[derive(Debug, Default)]
pub struct Guard {
    /// Any address will do.
    pub allow_remote: bool,
    system: DefaultResolver,
}

impl Guard {
    /// As the configuration says.
    pub fn new(allow_remote: bool) -> Self {
        Self { allow_remote, system: DefaultResolver::default() }
    }
}

/// What a refused address looks like among ureq's errors.
pub const NOT_ALLOWED: &str = "address neither of this machine nor of a private net";

impl Resolver for Guard {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.system.resolve(uri, config, timeout)?;
        let mut kept = self.empty();
        let allowed = found.iter().filter(|address| self.allow_remote || is_inside(address.ip()));
        allowed.for_each(|address| kept.push(*address));
        if kept.is_empty() {
            let refused = std::io::Error::new(std::io::ErrorKind::PermissionDenied, NOT_ALLOWED);
            return Err(ureq::Error::Io(refused));
        }
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_unless_allowed_in_so_many_words() {
        let table = [
            ("http://127.0.0.1:8080/v1/", false, Ok("http://127.0.0.1:8080/v1")),
            ("http://[::1]:8080/v1", false, Ok("http://[::1]:8080/v1")),
            ("http://10.1.2.3/v1", false, Ok("http://10.1.2.3/v1")),
            ("http://[fd00::1]/v1", false, Ok("http://[fd00::1]/v1")),
            ("http://localhost:8080", false, Ok("http://localhost:8080")),
            ("http://gpu.internal/v1", false, Ok("http://gpu.internal/v1")),
            ("https://203.0.113.1/v1", true, Ok("https://203.0.113.1/v1")),
            ("https://api.example.com/v1", true, Ok("https://api.example.com/v1")),
            ("https://203.0.113.1/v1", false, Err(())),
            ("https://[2001:db8::1]/v1", false, Err(())),
            ("http://169.254.169.254/v1", false, Err(())),
            ("http://[::ffff:203.0.113.1]/v1", false, Err(())),
            ("http://0.0.0.0/v1", false, Err(())),
            ("http://api.example.com/v1", true, Err(())),
            ("ftp://127.0.0.1/v1", false, Err(())),
            ("http://user:pw@127.0.0.1/v1", false, Err(())),
            ("http://127.0.0.1/v1?key=1", false, Err(())),
            ("nonsense", false, Err(())),
        ];
        for (url, allow_remote, expected) in table {
            let found = base(url, allow_remote);
            assert_eq!(found.as_deref().map_err(|_| ()), expected, "{url}");
        }
    }
}
