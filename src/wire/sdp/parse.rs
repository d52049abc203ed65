//! Lines to a [`SessionDescription`].

use bytes::Bytes;

use super::super::sip::text::{Text, decimal, trim};
use super::print::{media_place, session_place};
use super::{
    AddressType, Attribute, Connection, MAX_FORMATS, MAX_LINES, MAX_MEDIA, MAX_SDP_BYTES, Media, Origin, OtherLine,
    SdpError, SessionDescription,
};

/// Reads a session description.
pub fn parse(bytes: &[u8]) -> Result<SessionDescription, SdpError> {
    if bytes.len() > MAX_SDP_BYTES {
        return Err(SdpError::TooLong);
    }
    let source = Bytes::copy_from_slice(bytes);
    let mut reader = Reader::default();
    let mut versioned = false;
    for line in source.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if trim(line).is_empty() {
            continue;
        }
        if !versioned {
            versioned = trim(line) == b"v=0";
            if versioned {
                continue;
            }
            return Err(SdpError::Version);
        }
        let [kind, b'=', ..] = *line else { return Err(SdpError::Line) };
        if line.contains(&b'\r') || !kind.is_ascii_graphic() {
            return Err(SdpError::Line);
        }
        reader.take(kind, source.slice_ref(&line[2..]))?;
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    origin: Option<Origin>,
    name: Option<Bytes>,
    connection: Option<Connection>,
    times: Vec<Text>,
    other: Vec<OtherLine>,
    attributes: Vec<Attribute>,
    media: Vec<Media>,
}

impl Reader {
    fn take(&mut self, kind: u8, value: Bytes) -> Result<(), SdpError> {
        match (kind, self.media.last_mut()) {
            (b'm', _) => {
                if self.media.len() == MAX_MEDIA {
                    return Err(SdpError::TooMany);
                }
                self.media.push(parse_media(&value)?);
            }
            // Of several addresses the first is taken (RFC 4566 5.7 allows several for layered multicast only).
            (b'c', Some(media)) => {
                let connection = parse_connection(&value)?;
                media.connection.get_or_insert(connection);
            }
            (b'c', None) => {
                let connection = parse_connection(&value)?;
                self.connection.get_or_insert(connection);
            }
            (b'a', Some(media)) => push(&mut media.attributes, parse_attribute(&value))?,
            (b'a', None) => push(&mut self.attributes, parse_attribute(&value))?,
            (b'o', None) if self.origin.is_none() => self.origin = Some(parse_origin(&value)?),
            (b's', None) if self.name.is_none() => self.name = Some(value),
            (b't', None) => push(&mut self.times, Text::from_bytes(value).ok_or(SdpError::Line)?)?,
            (kind, Some(media)) => push(&mut media.other, OtherLine { kind, value })?,
            (kind, None) => push(&mut self.other, OtherLine { kind, value })?,
        }
        Ok(())
    }

    fn finish(mut self) -> Result<SessionDescription, SdpError> {
        // In the order in which they are printed: what is read and printed is then the same value.
        self.other.sort_by_key(|other| session_place(other.kind));
        for media in &mut self.media {
            media.other.sort_by_key(|other| media_place(other.kind));
        }
        Ok(SessionDescription {
            origin: self.origin.ok_or(SdpError::Origin)?,
            name: self.name.unwrap_or_else(|| Bytes::from_static(b"-")),
            connection: self.connection,
            times: if self.times.is_empty() { vec![Text::from_static("0 0")] } else { self.times },
            other: self.other,
            attributes: self.attributes,
            media: self.media,
        })
    }
}

fn push<T>(list: &mut Vec<T>, item: T) -> Result<(), SdpError> {
    if list.len() == MAX_LINES {
        return Err(SdpError::TooMany);
    }
    list.push(item);
    Ok(())
}

/// The next word of a line; `None` at its end.
fn words(value: &Bytes) -> impl Iterator<Item = Option<Text>> + '_ {
    value
        .split(|byte| *byte == b' ' || *byte == b'\t')
        .filter(|word| !word.is_empty())
        .map(|word| Text::from_bytes(value.slice_ref(word)))
}

fn parse_address_type(network: &Text, address: &Text) -> Option<AddressType> {
    if !network.eq_ignore_case("IN") {
        return None;
    }
    if address.eq_ignore_case("IP4") {
        return Some(AddressType::Ip4);
    }
    address.eq_ignore_case("IP6").then_some(AddressType::Ip6)
}

fn parse_origin(value: &Bytes) -> Result<Origin, SdpError> {
    let mut words = words(value);
    let mut word = || words.next().flatten().ok_or(SdpError::Origin);
    let (username, session_id, version, network, kind, address) =
        (word()?, word()?, word()?, word()?, word()?, word()?);
    let digits = |text: &Text| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(&session_id) || !digits(&version) {
        return Err(SdpError::Origin);
    }
    let address_type = parse_address_type(&network, &kind).ok_or(SdpError::Origin)?;
    Ok(Origin { username, session_id, version, address_type, address })
}

fn parse_connection(value: &Bytes) -> Result<Connection, SdpError> {
    let mut words = words(value);
    let mut word = || words.next().flatten().ok_or(SdpError::Connection);
    let (network, kind, address) = (word()?, word()?, word()?);
    let address_type = parse_address_type(&network, &kind).ok_or(SdpError::Connection)?;
    Ok(Connection { address_type, address })
}

fn parse_attribute(value: &Bytes) -> Attribute {
    let colon = value.iter().position(|byte| *byte == b':');
    let name = trim(&value[..colon.unwrap_or(value.len())]);
    // A name that is no UTF-8 is nothing that we know; it must not cost the rest.
    let name =
        Text::from_bytes(value.slice_ref(name)).unwrap_or_else(|| String::from_utf8_lossy(name).into_owned().into());
    Attribute { name, value: colon.map(|colon| value.slice(colon + 1..)) }
}

fn parse_media(value: &Bytes) -> Result<Media, SdpError> {
    let mut words = words(value);
    let mut word = || words.next().flatten().ok_or(SdpError::Media);
    let (kind, ports, protocol) = (word()?, word()?, word()?);
    let number = |text: &str| decimal(text.as_bytes()).and_then(|number| u16::try_from(number).ok());
    let (port, port_count) = match ports.split_once('/') {
        Some((port, count)) => (number(port), number(count)),
        None => (number(&ports), Some(1)),
    };
    let formats: Option<Vec<Text>> = words.take(MAX_FORMATS + 1).collect();
    let formats = formats.ok_or(SdpError::Media)?;
    if formats.len() > MAX_FORMATS {
        return Err(SdpError::TooMany);
    }
    Ok(Media {
        kind,
        port: port.ok_or(SdpError::Media)?,
        port_count: port_count.ok_or(SdpError::Media)?,
        protocol,
        formats,
        connection: None,
        other: Vec::new(),
        attributes: Vec::new(),
    })
}
