//! Parameters `;name=value` of URIs and of header values, in order, names without regard to case.

use std::borrow::Cow;

use bytes::Bytes;

use super::super::MAX_PARAMS;
use super::super::text::{Cursor, Text, is_token_byte, unescape};
use super::UriError;

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Name as written.
    pub name: Text,
    /// Value as written, quotes and escapes included; `None` for a bare `;lr`.
    pub value: Option<Bytes>,
}

/// Parameters in the order in which they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<Param>);

impl Params {
    /// All, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Param> {
        self.0.iter()
    }
    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The first of this name: its value as written.
    pub fn get(&self, name: &str) -> Option<Option<&Bytes>> {
        self.0.iter().find(|param| param.name.eq_ignore_case(name)).map(|param| param.value.as_ref())
    }
    /// True where there is one of this name, with a value or without.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
    /// The value as written, quotes included.
    pub fn raw(&self, name: &str) -> Option<&Bytes> {
        self.get(name)?
    }
    /// The value without quotes and escapes.
    pub fn value(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let raw = self.raw(name)?;
        Some(match unquoted(raw) {
            Some(inside) => unescape(inside),
            None => Cow::Borrowed(raw),
        })
    }
    /// The value as text without quotes; `None` where it is no UTF-8 or holds escapes within quotes.
    pub fn text(&self, name: &str) -> Option<&str> {
        let raw = self.raw(name)?;
        match unquoted(raw) {
            Some(inside) if inside.contains(&b'\\') => None,
            Some(inside) => std::str::from_utf8(inside).ok(),
            None => std::str::from_utf8(raw).ok(),
        }
    }
    /// Appends one. The value is written as given: quote it where it is no token.
    pub fn push(&mut self, name: impl Into<Text>, value: Option<impl Into<Bytes>>) {
        self.0.push(Param { name: name.into(), value: value.map(Into::into) });
    }
    /// Sets the first of this name, or appends it.
    pub fn set(&mut self, name: &str, value: Option<impl Into<Bytes>>) {
        let value = value.map(Into::into);
        match self.0.iter_mut().find(|param| param.name.eq_ignore_case(name)) {
            Some(param) => param.value = value,
            None => self.0.push(Param { name: Text::from(name), value }),
        }
    }
    /// Takes all of this name away.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|param| !param.name.eq_ignore_case(name));
    }

    /// URI parameters: `source` is empty or begins with `;`.
    pub(super) fn parse_uri(source: &Bytes) -> Result<Self, UriError> {
        let mut params = Self::default();
        if source.is_empty() {
            return Ok(params);
        }
        if source[0] != b';' {
            return Err(UriError::Param);
        }
        for part in source[1..].split(|byte| *byte == b';') {
            let equals = part.iter().position(|byte| *byte == b'=');
            let name = &part[..equals.unwrap_or(part.len())];
            if name.is_empty() || !part.iter().all(|byte| is_uri_param_byte(*byte)) {
                return Err(UriError::Param);
            }
            if params.0.len() == MAX_PARAMS {
                return Err(UriError::TooMany);
            }
            let name = Text::from_bytes(source.slice_ref(name)).ok_or(UriError::Param)?;
            let value = equals.map(|at| source.slice_ref(&part[at + 1..]));
            params.0.push(Param { name, value });
        }
        Ok(params)
    }

    /// Header parameters from here to the end of the value: `*( ; name [ = token / host / quoted-string ] )`.
    pub(crate) fn parse_header(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut params = Self::default();
        while cursor.eat(b';') {
            if params.0.len() == MAX_PARAMS {
                return None;
            }
            let name = cursor.token()?;
            let value = if cursor.eat(b'=') { Some(header_value(cursor)?) } else { None };
            params.0.push(Param { name, value });
        }
        cursor.skip_space();
        cursor.is_end().then_some(params)
    }

    /// Writes each as `;name` or `;name=value`.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        for param in &self.0 {
            out.push(b';');
            out.extend_from_slice(param.name.as_bytes());
            if let Some(value) = &param.value {
                out.push(b'=');
                out.extend_from_slice(value);
            }
        }
    }
}

impl<'a> IntoIterator for &'a Params {
    type Item = &'a Param;
    type IntoIter = std::slice::Iter<'a, Param>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn header_value(cursor: &mut Cursor<'_>) -> Option<Bytes> {
    if cursor.peek() == Some(b'"') {
        let rest = cursor.rest();
        let length = super::super::text::quoted_end(rest, 1)? + 1;
        return Some(cursor.take(length));
    }
    // Tokens, hosts with port, and whatever else peers send unquoted, up to the next separator.
    let value = cursor.take_while(|byte| is_token_byte(byte) || byte >= 0x80 || b"[]:/@$&?()".contains(&byte));
    (!value.is_empty()).then_some(value)
}

fn unquoted(raw: &[u8]) -> Option<&[u8]> {
    raw.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

fn is_uri_param_byte(byte: u8) -> bool {
    is_token_byte(byte) || b"[]/:&$()=".contains(&byte)
}
