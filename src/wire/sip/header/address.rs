//! name-addr and addr-spec with header parameters: From, To, Contact, Route, Record-Route, Refer-To, Referred-By,
//! Reply-To, P-Asserted-Identity, Diversion (RFC 3261 20.10, 25.1).
//!
//! An unquoted display name may hold any byte but separators: PBXs send names in GBK without quotes. RFC 4475 3.1.2.15
//! (a comma in one) is refused, as is a `?` outside of angle brackets (3.1.2.13).

use std::fmt;

use bytes::Bytes;

use super::super::text::{Cursor, Text, decode_for_people, is_token_byte, trim, write_quoted};
use super::super::uri::{Params, Uri};

/// An address with an optional display name and header parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// Display name without quotes and escapes, in whatever encoding it came.
    pub display: Option<Bytes>,
    /// The address.
    pub uri: Uri,
    /// Header parameters, `;tag=` and the like.
    pub params: Params,
}

impl NameAddr {
    /// An address without a name.
    pub fn new(uri: impl Into<Uri>) -> Self {
        Self { display: None, uri: uri.into(), params: Params::default() }
    }
    /// The same with this tag instead of any that it has.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", Some(Text::from(tag).into_bytes()));
        self
    }
    /// The same with this display name.
    #[must_use]
    pub fn with_display(mut self, name: &str) -> Self {
        self.display = Some(Text::from(name).into_bytes());
        self
    }

    /// Reads one value.
    pub fn parse(source: &Bytes) -> Option<Self> {
        let mut cursor = Cursor::new(source);
        cursor.skip_space();
        let display = match cursor.peek()? {
            b'"' => {
                let name = cursor.quoted()?;
                cursor.skip_space();
                Some(name)
            }
            _ if is_unbracketed(cursor.rest()) => {
                let uri = cursor.take_while(|byte| !b";, \t".contains(&byte));
                // Header fields in a URI need the brackets (RFC 3261 20.10).
                if uri.contains(&b'?') {
                    return None;
                }
                let uri = Uri::parse(&uri).ok()?;
                return Self { display: None, uri, params: Params::parse_header(&mut cursor)? }.checked();
            }
            _ => {
                let name = cursor.take_while(|byte| byte != b'<');
                let name = name.slice_ref(trim(&name));
                let illegal = |byte: &u8| b"\",;>".contains(byte) || *byte < b' ' && *byte != b'\t';
                if name.iter().any(illegal) {
                    return None;
                }
                (!name.is_empty()).then_some(name)
            }
        };
        if cursor.peek() != Some(b'<') {
            return None;
        }
        cursor.pass(1);
        let uri = cursor.take_while(|byte| byte != b'>');
        if cursor.peek() != Some(b'>') {
            return None;
        }
        cursor.pass(1);
        let uri = Uri::parse(&uri).ok()?;
        Self { display, uri, params: Params::parse_header(&mut cursor)? }.checked()
    }

    /// A tag must be a token: dialogs are known by it.
    fn checked(self) -> Option<Self> {
        match self.params.get("tag") {
            None => Some(self),
            Some(Some(tag)) if tag.iter().all(|byte| is_token_byte(*byte)) => Some(self),
            Some(_) => None,
        }
    }

    /// The tag of a dialog.
    pub fn tag(&self) -> Option<&str> {
        self.params.text("tag")
    }
    /// The display name for a person to read; `None` where it is empty.
    pub fn display_for_people(&self) -> Option<String> {
        let name = decode_for_people(self.display.as_ref()?);
        let name = name.trim();
        (!name.is_empty()).then(|| name.to_owned())
    }
    /// As a header value, always with angle brackets, the name always quoted.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(96);
        if let Some(name) = &self.display {
            write_quoted(&mut out, name);
            out.push(b' ');
        }
        out.push(b'<');
        self.uri.write_to(&mut out);
        out.push(b'>');
        self.params.write_to(&mut out);
        Bytes::from(out)
    }
}

/// True for an addr-spec: no angle bracket opens before the parameters do.
fn is_unbracketed(rest: &[u8]) -> bool {
    rest.iter().find(|byte| b"<;".contains(byte)) != Some(&b'<')
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

/// Contact: `*` alone, or addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `*`: all of them, in a REGISTER that removes.
    Star,
    /// Addresses, perhaps none.
    List(Vec<NameAddr>),
}

impl Contacts {
    /// The first address.
    pub fn first(&self) -> Option<&NameAddr> {
        match self {
            Self::Star => None,
            Self::List(list) => list.first(),
        }
    }
}
