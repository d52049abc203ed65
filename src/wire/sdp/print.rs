//! A [`SessionDescription`] to lines, in the order of RFC 8866 5. A line end within a value becomes spaces.

use std::fmt::Write;

use bytes::Bytes;

use super::{Attribute, Connection, Media, OtherLine, SessionDescription};

/// Where a kept line of the session stands: before `c=`, before `t=`, after it.
pub(super) fn session_place(kind: u8) -> u8 {
    match kind {
        b'i' | b'u' | b'e' | b'p' => 0,
        b'b' => 1,
        _ => 2,
    }
}

/// Where a kept line of a medium stands: before `c=`, after it.
pub(super) fn media_place(kind: u8) -> u8 {
    u8::from(kind != b'i')
}

impl SessionDescription {
    /// As it goes into a message body.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(512);
        line(&mut out, b'v', b"0");
        let origin = &self.origin;
        let text = format!(
            "{} {} {} IN {} {}",
            origin.username,
            origin.session_id,
            origin.version,
            origin.address_type.as_str(),
            origin.address
        );
        line(&mut out, b'o', text.as_bytes());
        line(&mut out, b's', &self.name);
        let at = |place: u8| self.other.iter().filter(move |other| session_place(other.kind) == place);
        others(&mut out, at(0));
        connection(&mut out, self.connection.as_ref());
        others(&mut out, at(1));
        for time in &self.times {
            line(&mut out, b't', time.as_bytes());
        }
        others(&mut out, at(2));
        attributes(&mut out, &self.attributes);
        for media in &self.media {
            media.write_to(&mut out);
        }
        Bytes::from(out)
    }
}

impl Media {
    fn write_to(&self, out: &mut Vec<u8>) {
        let mut text = format!("{} {}", self.kind, self.port);
        if self.port_count != 1 {
            let _ = write!(text, "/{}", self.port_count);
        }
        let _ = write!(text, " {}", self.protocol);
        for format in &self.formats {
            let _ = write!(text, " {format}");
        }
        line(out, b'm', text.as_bytes());
        let at = |place: u8| self.other.iter().filter(move |other| media_place(other.kind) == place);
        others(out, at(0));
        connection(out, self.connection.as_ref());
        others(out, at(1));
        attributes(out, &self.attributes);
    }
}

fn line(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    out.extend([kind, b'=']);
    out.extend(value.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }));
    out.extend_from_slice(b"\r\n");
}

fn others<'a>(out: &mut Vec<u8>, lines: impl Iterator<Item = &'a OtherLine>) {
    for other in lines {
        line(out, other.kind, &other.value);
    }
}

fn connection(out: &mut Vec<u8>, connection: Option<&Connection>) {
    if let Some(connection) = connection {
        let text = format!("IN {} {}", connection.address_type.as_str(), connection.address);
        line(out, b'c', text.as_bytes());
    }
}

fn attributes(out: &mut Vec<u8>, attributes: &[Attribute]) {
    for attribute in attributes {
        let mut text = attribute.name.as_bytes().to_vec();
        if let Some(value) = &attribute.value {
            text.push(b':');
            text.extend_from_slice(value);
        }
        line(out, b'a', &text);
    }
}
