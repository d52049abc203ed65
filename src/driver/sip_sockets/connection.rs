//! One connection as one task: opened (TCP, then TLS, then WebSocket, as its transport has it), carried until either side ends.
//! What is a message in a stream is the endpoint's business.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::{client, server};
use tokio_tungstenite::WebSocketStream;

use super::seats::Seat;
use super::tls::Tls;
use super::websocket::{self, Origins};
use crate::sip::flow::{Flow, Transport};

/// A connection that is not open after this, all handshakes included, is given up.
const OPENING: Duration = Duration::from_secs(5);

/// A message that the peer has not taken after this ends the connection.
pub(super) const WRITE: Duration = Duration::from_secs(10);

/// What a connection tells the sockets.
pub(super) struct Event {
    /// Whose it is.
    pub(super) flow: Flow,
    /// Which of those that had this flow.
    pub(super) serial: u64,
    pub(super) news: News,
}

/// See [`Event`].
pub(super) enum News {
    /// A connection can be used; this is the way out of one that a peer opened.
    Opened(Option<mpsc::Sender<Bytes>>),
    Bytes(Bytes),
    Closed,
}

/// A connection that does not come about.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// We have no certificate.
    #[error("no certificate: [sip] tls_certificate is not set")]
    NoCertificate,
    /// Nobody has told us who should be there: it is no trunk's address.
    #[error("no trunk is at this address: there is no name to verify")]
    NoName,
    /// WebSocket peers connect to us.
    #[error("a WebSocket peer cannot be called back when its connection has ended")]
    Browser,
    /// No WebSocket, or not the one that we want.
    #[error("no WebSocket: {0}")]
    WebSocket(String),
    /// The peer, its certificate, or the line.
    #[error("{0}")]
    Failed(#[from] std::io::Error),
    #[error("no answer in {} s", OPENING.as_secs())]
    Late,
}

/// What a connection's task needs.
pub(super) struct Connection {
    pub(super) flow: Flow,
    pub(super) serial: u64,
    pub(super) tls: Tls,
    pub(super) origins: Origins,
    pub(super) outgoing: mpsc::Receiver<Bytes>,
    pub(super) events: mpsc::Sender<Event>,
    /// Given back when the task ends.
    pub(super) _seat: Seat,
}

impl Connection {
    /// Of a peer that has connected; `sender` is its way out, told once it is open.
    pub(super) async fn serve(self, stream: TcpStream, sender: mpsc::Sender<Bytes>) {
        match timeout(OPENING, self.accept(stream)).await.unwrap_or(Err(HandshakeError::Late)) {
            Ok(stream) => {
                if self.say(News::Opened(Some(sender))).await {
                    self.carry_any(stream).await;
                }
            }
            // Scanners do this all day.
            Err(error) => {
                let Flow { transport, remote, .. } = self.flow;
                tracing::debug!(%remote, %error, "SIP over {}", transport.as_str());
            }
        }
    }

    async fn accept(&self, stream: TcpStream) -> Result<Stream, HandshakeError> {
        prepare(&stream);
        let (transport, origins) = (self.flow.transport, self.origins.clone());
        Ok(match transport {
            Transport::Udp | Transport::Tcp => Stream::Plain(stream),
            Transport::Tls => Stream::Accepted(Box::new(self.tls.accept(transport, stream).await?)),
            Transport::Ws => Stream::Socket(Box::new(websocket::accept(stream, origins).await?)),
            Transport::Wss => {
                let stream = self.tls.accept(transport, stream).await?;
                Stream::SecureSocket(Box::new(websocket::accept(stream, origins).await?))
            }
        })
    }

    /// To a peer.
    pub(super) async fn open(self) {
        let flow = self.flow;
        match timeout(OPENING, self.connect()).await.unwrap_or(Err(HandshakeError::Late)) {
            Ok(stream) => {
                if self.say(News::Opened(None)).await {
                    self.carry_any(stream).await;
                }
            }
            Err(error) => {
                tracing::warn!(remote = %flow.remote, %error, "SIP over {}: cannot connect", flow.transport.as_str());
                self.say(News::Closed).await;
            }
        }
    }

    /// False where nobody listens any more.
    pub(super) async fn say(&self, news: News) -> bool {
        self.events.send(Event { flow: self.flow, serial: self.serial, news }).await.is_ok()
    }

    async fn connect(&self) -> Result<Stream, HandshakeError> {
        let Flow { transport, remote, .. } = self.flow;
        if matches!(transport, Transport::Ws | Transport::Wss) {
            return Err(HandshakeError::Browser);
        }
        let stream = TcpStream::connect(remote).await?;
        prepare(&stream);
        Ok(match transport {
            Transport::Tls => Stream::Opened(Box::new(self.tls.connect(remote, stream).await?)),
            _ => Stream::Plain(stream),
        })
    }

    async fn carry_any(self, stream: Stream) {
        match stream {
            Stream::Plain(stream) => self.carry(stream).await,
            Stream::Accepted(stream) => self.carry(stream).await,
            Stream::Opened(stream) => self.carry(stream).await,
            Stream::Socket(socket) => self.carry_messages(*socket).await,
            Stream::SecureSocket(socket) => self.carry_messages(*socket).await,
        }
    }

    /// Moves bytes both ways until either side ends.
    async fn carry(mut self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            tokio::select! {
                read = stream.read(&mut buffer) => match read {
                    Ok(length) if length > 0 => {
                        let bytes = Bytes::copy_from_slice(&buffer[..length]);
                        if !self.say(News::Bytes(bytes)).await {
                            return;
                        }
                    }
                    _ => break,
                },
                bytes = self.outgoing.recv() => match bytes {
                    Some(bytes) => match timeout(WRITE, write(&mut stream, &bytes)).await {
                        Ok(Ok(())) => {}
                        _ => break,
                    },
                    None => break,
                },
            }
        }
        // TLS takes its leave; a peer that does not read it is gone anyway.
        let _ = timeout(WRITE, stream.shutdown()).await;
        self.say(News::Closed).await;
    }
}

enum Stream {
    Plain(TcpStream),
    Accepted(Box<server::TlsStream<TcpStream>>),
    Opened(Box<client::TlsStream<TcpStream>>),
    Socket(Box<WebSocketStream<TcpStream>>),
    SecureSocket(Box<WebSocketStream<server::TlsStream<TcpStream>>>),
}

fn prepare(stream: &TcpStream) {
    // SIP messages are small and urgent; a connection that refuses this still works.
    let _ = stream.set_nodelay(true);
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    // TLS keeps what the socket does not take at once until it is asked.
    stream.flush().await
}
