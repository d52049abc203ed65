//! TLS for SIP (RFC 3261 26.3, RFC 5922): certificates from files, read again at SIGHUP; TLS 1.2 and 1.3 by rustls.
//!
//! A peer that we connect to must prove the name that its trunk's `uri` has (a DNS name or an address in its certificate's
//! subjectAltName), whatever hosts DNS leads to from there (RFC 5922 4). A peer that connects to us must show a certificate of `tls_client_ca` where that is set, but for browsers
//! (`wss`); which trunk a call belongs to is still decided by source address or digest. Not followed: subjectAltName of type URI (RFC 5922 7.1),
//! common names, revocation.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::connection::HandshakeError;
use crate::sip::flow::Transport;

/// Addresses whose names are known; DNS may lead to new ones for ever.
const MAX_NAMES: usize = 1_024;

/// Files in PEM, as `[sip]` names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Our certificate, then those between it and its authority.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Authorities for peers that connect to us; `None`: no certificate is asked for.
    pub client_ca: Option<PathBuf>,
    /// Authorities for peers that we connect to; `None`: those that browsers trust (Mozilla's list).
    pub ca: Option<PathBuf>,
}

/// Certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or holds no PEM of what it should.
    #[error("cannot read {what} in {}: {source}; check [sip] {key}", path.display())]
    File {
        /// What was sought.
        what: &'static str,
        /// Key of the configuration.
        key: &'static str,
        /// File.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// The file has no certificate.
    #[error("no certificate in {}; check [sip] {key}", path.display())]
    Empty {
        /// Key of the configuration.
        key: &'static str,
        /// File.
        path: PathBuf,
    },
    /// A name that no certificate can have.
    #[error("no certificate can be for \"{0}\"; check the uri of its [[trunk]]")]
    Name(String),
    /// One connection serves all trunks at an address, and proves one name.
    #[error("two trunks over TLS are at {0} by two names, {1} and {2}; write one name for both")]
    TwoNames(SocketAddr, String, String),
    /// Certificate and key do not belong together, or are of a kind that TLS cannot use.
    #[error("certificates of [sip] cannot be used: {0}")]
    Unusable(String),
}

/// Everything that the files give.
struct Loaded {
    acceptor: Option<TlsAcceptor>,
    /// Asks for no certificate: browsers have none.
    for_browsers: Option<TlsAcceptor>,
    connector: TlsConnector,
}

/// See the module. Clones share what was loaded last.
#[derive(Clone)]
pub struct Tls {
    files: Arc<TlsFiles>,
    loaded: Arc<RwLock<Arc<Loaded>>>,
    names: Arc<RwLock<BTreeMap<SocketAddr, ServerName<'static>>>>,
}

impl Tls {
    /// Reads the files. `names` says who must be at an address that we connect to.
    pub fn load(files: TlsFiles, names: &[(SocketAddr, String)]) -> Result<Self, TlsError> {
        let loaded = Arc::new(RwLock::new(Arc::new(load(&files)?)));
        let mut all = BTreeMap::new();
        for (address, name) in names {
            let plain = name.trim_start_matches('[').trim_end_matches(']').to_owned();
            let name = ServerName::try_from(plain).map_err(|_| TlsError::Name(name.clone()))?;
            match all.insert(*address, name.clone()) {
                Some(other) if other != name => return Err(TlsError::TwoNames(*address, bare(&other), bare(&name))),
                _ => {}
            }
        }
        Ok(Self { files: Arc::new(files), loaded, names: Arc::new(RwLock::new(all)) })
    }

    /// Reads the files again; where one cannot be used, all stays as it was. Connections that are open keep theirs.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = Arc::new(load(&self.files)?);
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Whoever is at this address must be called so: DNS has led there. False where that cannot be kept: there are
    /// [`MAX_NAMES`] already, or somebody else is known to be there.
    pub(super) fn learn(&self, address: SocketAddr, name: &str) -> bool {
        let Ok(name) = ServerName::try_from(name.to_owned()) else { return false };
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let full = names.len() >= MAX_NAMES;
        match names.entry(address) {
            Entry::Occupied(known) if *known.get() == name => true,
            Entry::Vacant(free) if !full => {
                free.insert(name);
                true
            }
            Entry::Occupied(_) | Entry::Vacant(_) => {
                tracing::error!(%address, name = %bare(&name), "TLS: an address cannot be used, it has another name already");
                false
            }
        }
    }

    fn loaded(&self) -> Arc<Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Of a peer over TLS, or over WSS: a browser, which is asked for no certificate.
    pub(super) async fn accept(
        &self,
        transport: Transport,
        stream: TcpStream,
    ) -> Result<tokio_rustls::server::TlsStream<TcpStream>, HandshakeError> {
        let loaded = self.loaded();
        let acceptor = if transport == Transport::Wss { &loaded.for_browsers } else { &loaded.acceptor };
        let acceptor = acceptor.clone().ok_or(HandshakeError::NoCertificate)?;
        Ok(acceptor.accept(stream).await?)
    }

    pub(super) async fn connect(
        &self,
        remote: SocketAddr,
        stream: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, HandshakeError> {
        let known = self.names.read().unwrap_or_else(PoisonError::into_inner).get(&remote).cloned();
        let name = known.ok_or(HandshakeError::NoName)?;
        let connector = self.loaded().connector.clone();
        Ok(connector.connect(name, stream).await?)
    }
}

fn bare(name: &ServerName<'_>) -> String {
    name.to_str().into_owned()
}

fn unusable(error: impl std::fmt::Display) -> TlsError {
    TlsError::Unusable(error.to_string())
}

fn load(files: &TlsFiles) -> Result<Loaded, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let own = match (&files.certificate, &files.key) {
        (Some(certificate), Some(key)) => Some((certificates(certificate, "tls_certificate")?, private_key(key)?)),
        _ => None,
    };
    let ask = files.client_ca.as_deref();
    let acceptor_for = |ask| own.as_ref().map(|own| acceptor(ask, own, &provider)).transpose();
    let (acceptor, for_browsers) = (acceptor_for(ask)?, acceptor_for(None)?);
    let connector = connector(files, own, &provider)?;
    Ok(Loaded { acceptor, for_browsers, connector })
}

type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn acceptor(client_ca: Option<&Path>, own: &Own, provider: &Arc<CryptoProvider>) -> Result<TlsAcceptor, TlsError> {
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let config = match client_ca {
        Some(path) => {
            let roots = Arc::new(roots(path, "tls_client_ca")?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
            config.with_client_cert_verifier(verifier.build().map_err(unusable)?)
        }
        None => config.with_no_client_auth(),
    };
    let config = config.with_single_cert(own.0.clone(), own.1.clone_key()).map_err(unusable)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Our certificate is shown to a peer that asks for one.
fn connector(files: &TlsFiles, own: Option<Own>, provider: &Arc<CryptoProvider>) -> Result<TlsConnector, TlsError> {
    let roots = match &files.ca {
        Some(path) => roots(path, "tls_ca")?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_webpki_verifier(verifier.build().map_err(unusable)?);
    let config = match own {
        Some((certificate, key)) => config.with_client_auth_cert(certificate, key).map_err(unusable)?,
        None => config.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(path: &Path, key: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File { what: "a certificate", key, path: path.to_owned(), source };
    let all = CertificateDer::pem_file_iter(path).map_err(failed)?;
    let all = all.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    if all.is_empty() { Err(TlsError::Empty { key, path: path.to_owned() }) } else { Ok(all) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let failed = |source| TlsError::File { what: "a private key", key: "tls_key", path: path.to_owned(), source };
    PrivateKeyDer::from_pem_file(path).map_err(failed)
}

fn roots(path: &Path, key: &'static str) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path, key)? {
        store.add(certificate).map_err(unusable)?;
    }
    Ok(store)
}

#[cfg(test)]
mod tests;
