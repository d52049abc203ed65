//! Real sockets on loopback.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::tls::TlsFiles;
use super::*;
use crate::sip::endpoint::config::EndpointConfig;

pub(super) struct Deaf;

impl EndpointSink for Deaf {
    fn take(&mut self, _: Output) {}
}

pub(super) const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A gateway that knows nobody, on one address.
pub(super) struct Gateway {
    pub(super) address: SocketAddr,
    pub(super) tls: Tls,
    task: tokio::task::JoinHandle<()>,
    _keep: (mpsc::Sender<AddressedOrder>, tokio::sync::watch::Sender<bool>),
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Gateway {
    pub(super) fn start(transport: Transport, files: TlsFiles) -> Self {
        let tls = Tls::load(files, &[]).unwrap();
        Self::with(transport, tls, EndpointConfig::default(), |_| {})
    }

    pub(super) fn with(
        transport: Transport,
        tls: Tls,
        config: EndpointConfig,
        change: impl FnOnce(&mut SipSockets<Deaf>),
    ) -> Self {
        let endpoint = Endpoint::new(config, 1, Instant::now());
        let (order, orders) = mpsc::channel(1);
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let listen = [(transport, LOOPBACK)];
        let mut sockets = SipSockets::bind(endpoint, &listen, tls.clone(), orders, stopped, Deaf).unwrap();
        change(&mut sockets);
        let address = sockets.listeners[0].local;
        Self { address, tls, task: tokio::spawn(sockets.run()), _keep: (order, stop) }
    }
}

pub(super) fn question(transport: &str) -> Vec<u8> {
    format!(
        "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/{transport} h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// Asks over a stream and gives the first line of the answer without its reason.
pub(super) async fn asks(stream: &mut (impl tokio::io::AsyncRead + AsyncWrite + Unpin), transport: &str) -> String {
    stream.write_all(&question(transport)).await.unwrap();
    let mut answer = [0; 11];
    stream.read_exact(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A folder of certificates; gone with it.
pub(super) struct Authority {
    pub(super) folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tingwa-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        write(&folder.join("ca.pem"), &params.self_signed(&key).unwrap().pem());
        Self { folder, issuer: Issuer::new(params, key) }
    }

    /// Writes NAME.pem and NAME.key for a subject.
    pub(super) fn issue(&self, name: &str, subject: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![subject.to_owned()]).unwrap();
        let (one, two) = (self.folder.join(format!("{name}.pem")), self.folder.join(format!("{name}.key")));
        write(&one, &certificate.signed_by(&key, &self.issuer).unwrap().pem());
        write(&two, &key.serialize_pem());
        (one, two)
    }

    /// Files of one who is called `subject` and believes this authority, of peers as of servers.
    pub(super) fn files(&self, name: &str, subject: &str) -> TlsFiles {
        let (certificate, key) = self.issue(name, subject);
        TlsFiles { certificate: Some(certificate), key: Some(key), client_ca: None, ca: Some(self.ca()) }
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }
}

#[allow(clippy::disallowed_methods, reason = "a test writes certificates")]
pub(super) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn strangers_cannot_take_every_descriptor() {
    let tls = Tls::load(TlsFiles::default(), &[]).unwrap();
    let gateway = Gateway::with(Transport::Tcp, tls, EndpointConfig::default(), |sockets| {
        sockets.seats = Seats::new(ConnectionLimits { all: 8, per_address: 3 });
    });
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(TcpStream::connect(gateway.address).await.unwrap());
    }
    let mut refused = TcpStream::connect(gateway.address).await.unwrap();
    assert_eq!(refused.read(&mut [0; 8]).await.unwrap(), 0, "the fourth is closed");
    assert_eq!(asks(&mut held[0], "TCP").await, "SIP/2.0 403", "those before it are served");
}

#[tokio::test]
async fn one_address_cannot_take_all_places() {
    let tls = Tls::load(TlsFiles::default(), &[]).unwrap();
    let gateway = Gateway::with(Transport::Tcp, tls, EndpointConfig::default(), |sockets| {
        sockets.seats = Seats::new(ConnectionLimits { all: 8, per_address: 2 });
    });
    let from = |host: u8| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).unwrap();
        socket.connect(gateway.address)
    };
    let first = from(2).await.unwrap();
    let _second = from(2).await.unwrap();
    let mut third = from(2).await.unwrap();
    assert_eq!(third.read(&mut [0; 8]).await.unwrap(), 0, "the third of one address");
    assert_eq!(asks(&mut from(3).await.unwrap(), "TCP").await, "SIP/2.0 403", "another has its own places");
    drop(first);
    // The gateway sees the end of it in its own time.
    let served = async {
        loop {
            let mut again = from(2).await.unwrap();
            let mut answer = [0; 7];
            if again.write_all(&question("TCP")).await.is_ok() && again.read_exact(&mut answer).await.is_ok() {
                break answer;
            }
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(10), served).await.unwrap();
    assert_eq!(&answer, b"SIP/2.0", "a place that was given back");
}
