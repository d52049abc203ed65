//! Messages to bytes: canonical header names, one Content-Length, last. A line end within a value becomes spaces, so that
//! nothing that a value holds can add a header.

use bytes::Bytes;

use super::message::{Headers, Request, Response};
use super::text::is_token_byte;

impl Request {
    /// As it goes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(1024 + self.body.len());
        let method = self.method.as_str();
        out.extend(method.bytes().filter(|byte| is_token_byte(*byte)));
        out.push(b' ');
        let start = out.len();
        self.uri.write_to(&mut out);
        clean(&mut out[start..]);
        out.extend_from_slice(b" SIP/2.0\r\n");
        write_rest(&mut out, &self.headers, &self.body);
        Bytes::from(out)
    }
}

impl Response {
    /// As it goes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(768 + self.body.len());
        out.extend_from_slice(b"SIP/2.0 ");
        out.extend_from_slice(self.status.to_string().as_bytes());
        out.push(b' ');
        let start = out.len();
        out.extend_from_slice(&self.reason);
        clean(&mut out[start..]);
        out.extend_from_slice(b"\r\n");
        write_rest(&mut out, &self.headers, &self.body);
        Bytes::from(out)
    }
}

fn write_rest(out: &mut Vec<u8>, headers: &Headers, body: &[u8]) {
    for header in headers.iter() {
        out.extend_from_slice(header.name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        let start = out.len();
        out.extend_from_slice(&header.value);
        clean(&mut out[start..]);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"Content-Length: ");
    out.extend_from_slice(body.len().to_string().as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
}

fn clean(value: &mut [u8]) {
    for byte in value.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')) {
        *byte = b' ';
    }
}
