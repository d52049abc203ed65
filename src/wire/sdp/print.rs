//! A [`SessionDescription`] to lines, in the order of RFC 8866 5. A line end within a value becomes spaces.

use std::fmt::Write;

use bytes::Bytes;

use super::{Attribute, Connection, Media, OtherLine, SessionDescription};

/// Lines that stand between `s=` and `c=`; others follow `t=`.
const BEFORE_CONNECTION: [u8; 4] = *b"iuep";

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
        let early = |other: &&OtherLine| BEFORE_CONNECTION.contains(&other.kind);
        others(&mut out, self.other.iter().filter(early));
        connection(&mut out, self.connection.as_ref());
        others(&mut out, self.other.iter().filter(|other| other.kind == b'b'));
        for time in &self.times {
            line(&mut out, b't', time.as_bytes());
        }
        others(&mut out, self.other.iter().filter(|other| !early(other) && other.kind != b'b'));
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
        others(out, self.other.iter().filter(|other| other.kind == b'i'));
        connection(out, self.connection.as_ref());
        others(out, self.other.iter().filter(|other| other.kind != b'i'));
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
