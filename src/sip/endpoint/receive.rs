//! Bytes to messages, what to say to bytes that are none, and connections that end.

use std::time::Instant;

use bytes::Bytes;

use super::request::reply_flow;
use super::{Counter, Endpoint, Output, TimerKey};
use crate::sip::endpoint::config::UnknownSource;
use crate::sip::flow::{Flow, Framing};
use crate::sip::transaction::{ClientInput, ServerInput};
use crate::wire::sip::MAX_MESSAGE_BYTES;
use crate::wire::sip::header::HeaderName;
use crate::wire::sip::message::Message;
use crate::wire::sip::parse::{ParseError, StreamItem, is_keepalive, parse_datagram};

impl Endpoint {
    pub(super) fn receive(&mut self, now: Instant, flow: Flow, bytes: &[u8]) {
        match flow.transport.framing() {
            Framing::Whole if is_keepalive(bytes) => {
                // RFC 5626 4.4.1, which browsers' stacks use within a WebSocket too; over UDP it asks for nothing.
                if flow.transport.is_connected() && bytes == b"\r\n\r\n" {
                    self.transmit(flow, Bytes::from_static(b"\r\n"));
                }
            }
            Framing::Whole => match parse_datagram(bytes) {
                Ok(message) => self.message(now, flow, message),
                Err(error) => self.unreadable(flow, error),
            },
            Framing::Stream => self.receive_stream(now, flow, bytes),
        }
    }

    fn receive_stream(&mut self, now: Instant, flow: Flow, bytes: &[u8]) {
        let mut parser = match self.streams.remove(&flow) {
            Some(parser) => parser,
            None if self.streams.len() >= self.config.limits.streams => {
                self.count(Counter::StreamsFull);
                self.out.push_back(Output::Close { flow });
                return;
            }
            None => Default::default(),
        };
        for piece in bytes.chunks(MAX_MESSAGE_BYTES) {
            parser.push(piece);
            while let Some(item) = parser.next() {
                match item {
                    StreamItem::Message(message) => self.message(now, flow, message),
                    StreamItem::Bad(error) => self.unreadable(flow, error),
                    StreamItem::Pong => {}
                    StreamItem::Ping => self.transmit(flow, Bytes::from_static(b"\r\n")),
                    StreamItem::Broken(error) => {
                        match error {
                            Some(error) => self.unreadable(flow, error),
                            None => self.count(Counter::Unreadable),
                        }
                        self.out.push_back(Output::Close { flow });
                        self.flow_closed(now, flow);
                        return;
                    }
                }
            }
        }
        self.streams.insert(flow, parser);
    }

    fn message(&mut self, now: Instant, flow: Flow, message: Message) {
        match message {
            Message::Request(request) => self.request(now, flow, request),
            Message::Response(response) => self.response(now, &response),
        }
    }

    fn unreadable(&mut self, flow: Flow, error: ParseError) {
        let ParseError::BadRequest { status, reason, partial } = error else {
            return self.count(Counter::Unreadable);
        };
        self.count(Counter::Malformed);
        if self.config.unknown == UnknownSource::Silence && self.trunk_of(flow).is_none() {
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
        self.streams.remove(&flow);
        for key in self.transactions.on_flow(flow) {
            match key {
                TimerKey::Client(id) => self.run_client(now, id, ClientInput::TransportFailed, None),
                TimerKey::Server(id) => {
                    self.run_server(now, id, ServerInput::TransportFailed);
                }
                TimerKey::Dialog(_) | TimerKey::Registration(_) => {}
            }
        }
        self.registrations_disconnected(now, flow);
    }
}
