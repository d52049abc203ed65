//! SIP over WebSocket, as a server (RFC 7118, RFC 6455): the handshake, and one SIP message a text or binary message.
//!
//! The subprotocol `sip` is demanded (5.1). Where `ws_origins` is set, a page of another origin is refused; a peer that names no
//! origin is no browser and could name any, so that it is not. A peer that is silent is pinged, and closed where it answers none
//! of [`SILENT_PINGS`]. Not here: connections to WebSocket servers; peers with a Contact in `.invalid` are reached on the
//! connection that they opened.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::connection::{Connection, HandshakeError, News, WRITE};
use crate::wire::sip::MAX_MESSAGE_BYTES;

/// A peer that said nothing for so long is pinged: it keeps proxies and NAT open, too.
const PING: Duration = Duration::from_secs(45);

/// A peer that answers none of so many pings is gone.
const SILENT_PINGS: u32 = 2;

/// Who may come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Option<Arc<[String]>>);

impl Origins {
    /// Pages of these origins, `https://phone.example`; `None`: of all.
    pub fn new(allowed: Option<Vec<String>>) -> Self {
        Self(allowed.map(Arc::from))
    }

    fn allow(&self, headers: &HeaderMap) -> bool {
        let (Some(allowed), Some(origin)) = (&self.0, headers.get(ORIGIN)) else { return true };
        allowed.iter().any(|one| origin.as_bytes().eq_ignore_ascii_case(one.as_bytes()))
    }

    /// What a handshake gets: the subprotocol, or a refusal.
    #[allow(clippy::result_large_err, reason = "the shape that the handshake asks for")]
    fn answer(&self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        if !self.allow(request.headers()) {
            return Err(refusal(StatusCode::FORBIDDEN, "this origin is not in [sip] ws_origins\n"));
        }
        if !speaks_sip(request.headers()) {
            return Err(refusal(StatusCode::BAD_REQUEST, "Sec-WebSocket-Protocol: sip is needed (RFC 7118)\n"));
        }
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("sip"));
        Ok(response)
    }
}

/// True where `sip` is among the subprotocols that a peer offers.
fn speaks_sip(headers: &HeaderMap) -> bool {
    let offers = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    offers.flat_map(|value| value.split(',')).any(|offer| offer.trim().eq_ignore_ascii_case("sip"))
}

fn refusal(status: StatusCode, why: &str) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(why.to_owned()));
    *response.status_mut() = status;
    response
}

/// The server's half of the handshake.
pub(super) async fn accept<S>(stream: S, origins: Origins) -> Result<WebSocketStream<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MAX_MESSAGE_BYTES);
    #[allow(clippy::result_large_err, reason = "the shape that the handshake asks for")]
    let answer = move |request: &Request, response: Response| origins.answer(request, response);
    accept_hdr_async_with_config(stream, answer, Some(config))
        .await
        .map_err(|error| HandshakeError::WebSocket(error.to_string()))
}

impl Connection {
    /// Moves messages both ways until either side ends.
    pub(super) async fn carry_messages(mut self, mut socket: WebSocketStream<impl AsyncRead + AsyncWrite + Unpin>) {
        let mut silent = 0;
        let mut ping_at = Instant::now() + PING;
        loop {
            tokio::select! {
                received = timeout_at(ping_at, socket.next()) => match received {
                    Ok(Some(Ok(message))) => {
                        (silent, ping_at) = (0, Instant::now() + PING);
                        let bytes = match message {
                            Message::Text(text) => Bytes::from(text),
                            Message::Binary(bytes) => bytes,
                            Message::Close(_) => break,
                            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
                        };
                        if !self.say(News::Bytes(bytes)).await {
                            return;
                        }
                    }
                    Ok(_) => break,
                    Err(_) if silent == SILENT_PINGS => break,
                    Err(_) => {
                        (silent, ping_at) = (silent + 1, Instant::now() + PING);
                        if !sent(&mut socket, Message::Ping(Bytes::new())).await {
                            break;
                        }
                    }
                },
                bytes = self.outgoing.recv() => {
                    let Some(bytes) = bytes else { break };
                    if !sent(&mut socket, message(bytes)).await {
                        break;
                    }
                }
            }
        }
        // The closing handshake; a peer that does not read it is gone anyway.
        let _ = timeout(WRITE, socket.close(None)).await;
        self.say(News::Closed).await;
    }
}

/// Text where it is text (RFC 7118 5.2 allows both; browsers' stacks expect text).
fn message(bytes: Bytes) -> Message {
    Utf8Bytes::try_from(bytes.clone()).map_or_else(|_| Message::Binary(bytes), Message::Text)
}

async fn sent(socket: &mut WebSocketStream<impl AsyncRead + AsyncWrite + Unpin>, message: Message) -> bool {
    matches!(timeout(WRITE, socket.send(message)).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests;
