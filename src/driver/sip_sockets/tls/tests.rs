//! Handshakes with certificates made here, on loopback.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::tests::{Authority, Gateway, LOOPBACK, question, write};
use super::*;
use crate::redact::Redacted;
use crate::sip::digest::client::Credentials;
use crate::sip::endpoint::config::{Account, EndpointConfig, Trunk};
use crate::sip::flow::Transport;
use crate::sip::trunk::TrunkPolicy;

/// What a peer gets who connects with these files to who must be `name`, and asks; and the certificate that it was shown.
async fn served(gateway: &Gateway, files: TlsFiles, name: &str) -> Result<(String, Vec<u8>), HandshakeError> {
    let peer = Tls::load(files, &[(gateway.address, name.to_owned())]).unwrap();
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let mut stream = peer.connect(gateway.address, stream).await?;
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    stream.write_all(&question("TLS")).await?;
    // TLS 1.3 tells a client that it was refused only where it reads.
    let mut answer = [0; 11];
    stream.read_exact(&mut answer).await?;
    Ok((String::from_utf8_lossy(&answer).into_owned(), shown))
}

fn anonymous(authority: &Authority) -> TlsFiles {
    TlsFiles { ca: Some(authority.ca()), ..TlsFiles::default() }
}

#[tokio::test]
async fn asked_over_tls() {
    let authority = Authority::new("asked");
    let gateway = Gateway::start(Transport::Tls, authority.files("gateway", "gateway.example"));
    let (answer, _) = served(&gateway, anonymous(&authority), "gateway.example").await.unwrap();
    assert_eq!(answer, "SIP/2.0 403");
    let mut plain = TcpStream::connect(gateway.address).await.unwrap();
    plain.write_all(&question("TCP")).await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"SIP"), "SIP in the clear gets no SIP");
}

#[tokio::test]
async fn only_peers_with_a_certificate_where_that_is_asked_for() {
    let authority = Authority::new("mutual");
    let files = TlsFiles { client_ca: Some(authority.ca()), ..authority.files("gateway", "gateway.example") };
    let gateway = Gateway::start(Transport::Tls, files);
    assert!(served(&gateway, anonymous(&authority), "gateway.example").await.is_err(), "without");
    let own = authority.files("peer", "peer.example");
    assert_eq!(served(&gateway, own, "gateway.example").await.unwrap().0, "SIP/2.0 403", "with");
    let other = Authority::new("mutual-other");
    let foreign = TlsFiles { ca: Some(authority.ca()), ..other.files("peer", "peer.example") };
    assert!(served(&gateway, foreign, "gateway.example").await.is_err(), "of another authority");
}

#[tokio::test]
async fn a_reload_takes_new_certificates_and_refuses_bad_ones() {
    let authority = Authority::new("reload");
    let gateway = Gateway::start(Transport::Tls, authority.files("gateway", "gateway.example"));
    let (_, first) = served(&gateway, anonymous(&authority), "gateway.example").await.unwrap();
    let (certificate, _) = authority.issue("gateway", "gateway.example");
    let (_, still) = served(&gateway, anonymous(&authority), "gateway.example").await.unwrap();
    assert_eq!(first, still, "files alone change nothing");
    gateway.tls.reload().unwrap();
    let (_, second) = served(&gateway, anonymous(&authority), "gateway.example").await.unwrap();
    assert_ne!(first, second);
    write(&certificate, "no certificate");
    assert!(matches!(gateway.tls.reload(), Err(TlsError::Empty { key: "tls_certificate", .. })));
    let (other, _) = authority.issue("other", "gateway.example");
    std::fs::rename(other, certificate).unwrap();
    assert!(matches!(gateway.tls.reload(), Err(TlsError::Unusable(_))), "a certificate of another key");
    let (_, third) = served(&gateway, anonymous(&authority), "gateway.example").await.unwrap();
    assert_eq!(second, third, "the old one stays");
}

fn provider(address: SocketAddr) -> EndpointConfig {
    let account = Account {
        user: "6000".into(),
        credentials: Credentials { username: "6000".into(), password: Redacted::from("geheim") },
        register: Some(300),
    };
    let trunk = Trunk {
        name: "provider".into(),
        address,
        transport: Transport::Tls,
        domain: "provider.example".into(),
        allow: Vec::new(),
        trusted: false,
        account: Some(account),
        callers: Vec::new(),
        policy: TrunkPolicy::default(),
    };
    EndpointConfig { listen: vec![(Transport::Tcp, LOOPBACK)], trunks: vec![trunk], ..EndpointConfig::default() }
}

/// What a provider with these files hears from a gateway that registers there and believes `ca`.
async fn heard_by(server: TlsFiles, ca: PathBuf) -> io::Result<String> {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = listener.local_addr().unwrap();
    let files = TlsFiles { ca: Some(ca), ..TlsFiles::default() };
    let tls = Tls::load(files, &[(address, "provider.example".to_owned())]).unwrap();
    let _gateway = Gateway::with(Transport::Tcp, tls, provider(address), |_| {});
    let server = Tls::load(server, &[]).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = server.accept(Transport::Tls, stream).await.map_err(io::Error::other)?;
    let mut heard = vec![0; 330];
    stream.read_exact(&mut heard).await?;
    Ok(String::from_utf8_lossy(&heard).into_owned())
}

#[tokio::test]
async fn a_server_must_prove_its_name() {
    let authority = Authority::new("names");
    let heard = heard_by(authority.files("right", "provider.example"), authority.ca()).await.unwrap();
    assert!(heard.starts_with("REGISTER sip:provider.example SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:5061;"), "{heard}");
    assert!(heard.contains("<sip:6000@127.0.0.1:5061;transport=tls>"), "{heard}");
    heard_by(authority.files("wrong", "elsewhere.example"), authority.ca()).await.unwrap_err();
    let other = Authority::new("names-other");
    heard_by(other.files("right", "provider.example"), authority.ca()).await.unwrap_err();
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new("files");
    let good = authority.files("one", "gateway.example");
    let missing = PathBuf::from("/nowhere/x.pem");
    let said = |files: TlsFiles| Tls::load(files, &[]).err().unwrap().to_string();
    for (files, key) in [
        (TlsFiles { certificate: Some(missing.clone()), ..good.clone() }, "tls_certificate"),
        (TlsFiles { key: Some(missing.clone()), ..good.clone() }, "tls_key"),
        (TlsFiles { key: good.certificate.clone(), ..good.clone() }, "tls_key"),
        (TlsFiles { client_ca: Some(missing.clone()), ..good.clone() }, "tls_client_ca"),
        (TlsFiles { ca: good.key.clone(), ..good.clone() }, "tls_ca"),
    ] {
        let text = said(files);
        assert!(text.ends_with(&format!("check [sip] {key}")), "{text}");
    }
    let address = LOOPBACK;
    let two = [(address, "a.example".to_owned()), (address, "b.example".to_owned())];
    assert!(matches!(Tls::load(good.clone(), &two), Err(TlsError::TwoNames(..))));
    assert!(matches!(Tls::load(good, &[(address, "a b".to_owned())]), Err(TlsError::Name(_))));
}
