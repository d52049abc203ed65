//! Bytes to messages, what to say to bytes that are none, and connections that end.

use std::time::Instant;

use bytes::Bytes;

use super::request::reply_flow;
use super::{Counter, Endpoint, Output, TimerKey};
use crate::sip::flow::{Flow, Framing};
use crate::sip::shield::Strike;
use crate::sip::transaction::{ClientInput, ServerInput};
use crate::wire::sip::MAX_MESSAGE_BYTES;
use crate::wire::sip::header::HeaderName;
use crate::wire::sip::message::Message;
use crate::wire::sip::parse::{ParseError, StreamItem, is_keepalive, parse_datagram};

impl Endpoint {
    pub(super) fn receive(&mut self, now: Instant, flow: Flow, bytes: &[u8]) {
        if flow.transport.is_connected()
            && let Some(life) = self.connections.life(flow)
        {
            life.heard(now);
        }
        match flow.transport.framing() {
            Framing::Whole if is_keepalive(bytes) => {
                // RFC 5626 4.4.1, which browsers' stacks use within a WebSocket too; over UDP it asks for nothing.
                if flow.transport.is_connected() && bytes == b"\r\n\r\n" {
                    self.transmit(flow, Bytes::from_static(b"\r\n"));
                }
            }
            Framing::Whole => match parse_datagram(bytes) {
                Ok(message) => {
                    if let Some(life) = self.connections.life(flow) {
                        life.spoken();
                    }
                    self.message(now, flow, message);
                }
                Err(error) => self.unreadable(now, flow, error),
            },
            Framing::Stream => self.receive_stream(now, flow, bytes),
        }
    }

    fn receive_stream(&mut self, now: Instant, flow: Flow, bytes: &[u8]) {
        let Some(mut connection) = self.connections.take(flow, &self.config.limits) else {
            return self.close_full(flow);
        };
        if connection.life.is_some_and(|life| life.pings()) {
            connection.parser.forget_line_end();
        }
        for piece in bytes.chunks(MAX_MESSAGE_BYTES) {
            connection.parser.push(piece);
            while let Some(item) = connection.parser.next() {
                if let Some(life) = &mut connection.life {
                    match item {
                        StreamItem::Message(_) => life.spoken(),
                        StreamItem::Pong => life.line_end(),
                        StreamItem::Ping => life.was_ping(),
                        StreamItem::Bad(_) | StreamItem::Broken(_) => {}
                    }
                }
                match item {
                    StreamItem::Message(message) => self.message(now, flow, message),
                    StreamItem::Bad(error) => self.unreadable(now, flow, error),
                    StreamItem::Pong => {}
                    StreamItem::Ping => self.transmit(flow, Bytes::from_static(b"\r\n")),
                    StreamItem::Broken(error) => {
                        match error {
                            Some(error) => self.unreadable(now, flow, error),
                            None => self.count(Counter::Unreadable),
                        }
                        self.out.push_back(Output::Close { flow });
                        self.flow_closed(now, flow);
                        return;
                    }
                }
            }
        }
        self.connections.put(flow, connection);
    }

    fn message(&mut self, now: Instant, flow: Flow, message: Message) {
        match message {
            Message::Request(request) => self.request(now, flow, request),
            Message::Response(response) => self.response(now, &response),
        }
    }

    fn unreadable(&mut self, now: Instant, flow: Flow, error: ParseError) {
        let ParseError::BadRequest { status, reason, partial } = error else {
            self.count(Counter::Unreadable);
            return self.strike(now, flow, Strike::Try);
        };
        self.count(Counter::Malformed);
        let shut = self.is_shut_out(now, flow);
        self.strike(now, flow, Strike::Try);
        if self.is_stranger(flow) || shut && !self.is_peer(flow) {
            return;
        }
        let mut request = *partial;
        // The parser vouches for a sent-by only; without readable parameters the answer goes back where it came from.
        let reply = match request.headers.via() {
            Ok(mut via) => {
                via.set_source(flow.remote);
                request.headers.replace_first_value(&HeaderName::Via, &via.to_bytes());
                reply_flow(flow, &via)
            }
            Err(_) => flow,
        };
        let tag = self.stateless_tag(&request);
        let mut answer = self.author.answer(&request, status, Some(&tag));
        answer.reason = Bytes::from(reason);
        self.transmit(reply, answer.to_bytes());
    }

    pub(super) fn flow_closed(&mut self, now: Instant, flow: Flow) {
        self.connections.remove(flow);
        self.connections.timers.set(flow, None);
        for key in self.transactions.on_flow(flow) {
            match key {
                TimerKey::Client(id) if self.falls_back(now, id) => {}
                TimerKey::Client(id) => self.run_client(now, id, ClientInput::TransportFailed, None),
                TimerKey::Server(id) => {
                    self.run_server(now, id, ServerInput::TransportFailed);
                }
                TimerKey::Dialog(_)
                | TimerKey::Attempt(_)
                | TimerKey::Trunk(_)
                | TimerKey::Phones
                | TimerKey::Registration(_) => {}
            }
        }
        self.registrations_disconnected(now, flow);
        self.phones_disconnected(flow);
    }
}
