//! A browser's side by the same crate, and handshakes written out.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::super::tests::{Authority, Gateway, question};
use super::super::tls::{Tls, TlsFiles};
use super::*;
use crate::sip::endpoint::config::EndpointConfig;
use crate::sip::flow::Transport;

/// The handshake of a peer with these headers.
async fn greeted<S>(stream: S, headers: &[(&'static str, &str)]) -> Result<(WebSocketStream<S>, Option<String>), u16>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = "ws://gateway.example/ws".into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    match client_async(request, stream).await {
        Ok((socket, response)) => {
            let chosen = response.headers().get(SEC_WEBSOCKET_PROTOCOL);
            Ok((socket, chosen.map(|value| value.to_str().unwrap().to_owned())))
        }
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

async fn connected(gateway: &Gateway) -> TcpStream {
    TcpStream::connect(gateway.address).await.unwrap()
}

const SIP: (&str, &str) = ("sec-websocket-protocol", "sip");

async fn phone(gateway: &Gateway) -> WebSocketStream<TcpStream> {
    greeted(connected(gateway).await, &[SIP]).await.unwrap().0
}

fn gateway(origins: Option<&[&str]>) -> Gateway {
    let tls = Tls::load(TlsFiles::default(), &[]).unwrap();
    let origins = Origins::new(origins.map(|list| list.iter().map(|one| (*one).to_owned()).collect()));
    Gateway::with(Transport::Ws, tls, EndpointConfig::default(), |sockets| sockets.origins = origins)
}

async fn next(socket: &mut WebSocketStream<impl AsyncRead + AsyncWrite + Unpin>) -> Message {
    socket.next().await.unwrap().unwrap()
}

fn starts(message: &Message, with: &str) -> bool {
    matches!(message, Message::Text(text) if text.starts_with(with))
}

#[tokio::test]
async fn asked_by_text_and_by_binary_one_message_each() {
    let gateway = gateway(None);
    let mut phone = phone(&gateway).await;
    let text = String::from_utf8(question("WS")).unwrap();
    for message in [Message::text(text.clone()), Message::binary(question("WS"))] {
        phone.send(message).await.unwrap();
        let answer = next(&mut phone).await;
        assert!(starts(&answer, "SIP/2.0 403"), "{answer:?}");
    }
    // RFC 7118 5.2: what follows the message is not another one.
    phone.send(Message::text(text.repeat(2))).await.unwrap();
    assert!(starts(&next(&mut phone).await, "SIP/2.0 403"));
    phone.send(Message::text("\r\n\r\n")).await.unwrap();
    assert_eq!(next(&mut phone).await, Message::text("\r\n"), "RFC 5626 4.4.1");
    phone.send(Message::Ping(Bytes::from_static(b"x"))).await.unwrap();
    assert_eq!(next(&mut phone).await, Message::Pong(Bytes::from_static(b"x")), "RFC 6455 5.5.2");
}

#[tokio::test]
async fn the_subprotocol_is_demanded() {
    let gateway = gateway(None);
    for (offer, expected) in [
        (&[][..], Err(400)),
        (&[("sec-websocket-protocol", "chat")][..], Err(400)),
        (&[("sec-websocket-protocol", "chat, SIP")][..], Ok(())),
        (&[("sec-websocket-protocol", "chat"), SIP][..], Ok(())),
    ] {
        // The client under test refuses an answer that differs from what it offered, hence no comparison where it offered two.
        let stream = connected(&gateway).await;
        let status = match raw_handshake(stream, offer).await {
            101 => Ok(()),
            other => Err(other),
        };
        assert_eq!(status, expected, "{offer:?}");
    }
    let (_, chosen) = greeted(connected(&gateway).await, &[SIP]).await.unwrap();
    assert_eq!(chosen.as_deref(), Some("sip"));
}

/// The status of a handshake.
async fn raw_handshake(mut stream: TcpStream, headers: &[(&str, &str)]) -> u16 {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: gateway.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    String::from_utf8_lossy(&status[9..]).parse().unwrap()
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let gateway = gateway(Some(&["https://phone.example"]));
    for (origin, expected) in [
        (Some("https://phone.example"), 101),
        (Some("HTTPS://Phone.example"), 101),
        (Some("https://evil.example"), 403),
        (Some("https://phone.example.evil.example"), 403),
        (Some("null"), 403),
        (None, 101),
    ] {
        let mut headers = vec![SIP];
        headers.extend(origin.map(|origin| ("origin", origin)));
        assert_eq!(raw_handshake(connected(&gateway).await, &headers).await, expected, "{origin:?}");
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_the_connection() {
    let gateway = gateway(None);
    let mut phone = phone(&gateway).await;
    phone.send(Message::binary(vec![b' '; MAX_MESSAGE_BYTES + 1])).await.unwrap();
    let after = phone.next().await;
    assert!(matches!(after, None | Some(Err(_) | Ok(Message::Close(_)))), "{after:?}");
}

#[tokio::test]
async fn browsers_need_no_certificate() {
    let authority = Authority::new("wss");
    let files = TlsFiles { client_ca: Some(authority.ca()), ..authority.files("gateway", "gateway.example") };
    let gateway = Gateway::start(Transport::Wss, files);
    let browser = TlsFiles { ca: Some(authority.ca()), ..TlsFiles::default() };
    let browser = Tls::load(browser, &[(gateway.address, "gateway.example".into())]).unwrap();
    let stream = browser.connect(gateway.address, connected(&gateway).await).await.unwrap();
    let (mut phone, _) = greeted(stream, &[SIP]).await.unwrap();
    phone.send(Message::binary(question("WSS"))).await.unwrap();
    assert!(starts(&next(&mut phone).await, "SIP/2.0 403"));
}
