//! Parameters of WWW-Authenticate, Proxy-Authenticate, Authorization and Proxy-Authorization (RFC 3261 20.7, 20.44,
//! RFC 7616, RFC 8760). What they mean is the digest's business; which are quoted is decided by who builds them.

use std::fmt;

use bytes::Bytes;

use super::super::MAX_PARAMS;
use super::super::text::{Cursor, Text, is_token_byte, write_quoted};

/// One parameter. Not `Debug`: see [`AuthParams`].
#[derive(Clone, PartialEq, Eq)]
pub struct AuthParam {
    /// Name as written.
    pub name: Text,
    /// Value without quotes and escapes.
    pub value: Bytes,
    /// True where the value stands in quotes.
    pub quoted: bool,
}

/// A challenge or credentials: a scheme and its parameters in order.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthParams {
    /// `Digest` or another.
    pub scheme: Text,
    /// Parameters in order.
    pub params: Vec<AuthParam>,
}

impl AuthParams {
    /// An empty one.
    pub fn new(scheme: &str) -> Self {
        Self { scheme: Text::from(scheme), params: Vec::new() }
    }

    /// Reads one header line's value. A scheme whose parameters are no list (a bearer token) has none here.
    pub fn parse(source: &Bytes) -> Option<Self> {
        let mut cursor = Cursor::new(source);
        cursor.skip_space();
        let scheme = cursor.token()?;
        cursor.skip_space();
        let mut params = Vec::new();
        while !cursor.is_end() {
            if cursor.eat(b',') {
                continue;
            }
            let Some(param) = parse_param(&mut cursor) else {
                // Another scheme may say what it likes (RFC 4475 3.3.7); digest may not.
                let digest = scheme.eq_ignore_case("Digest");
                return (!digest).then_some(Self { scheme, params: Vec::new() });
            };
            if params.len() == MAX_PARAMS {
                return None;
            }
            params.push(param);
        }
        Some(Self { scheme, params })
    }

    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.params.iter().find(|param| param.name.eq_ignore_case(name)).map(|param| &param.value[..])
    }
    /// The same as text; `None` also where it is no UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }
    /// Appends `name="value"`.
    pub fn push_quoted(&mut self, name: &str, value: &str) {
        self.push(name, value, true);
    }
    /// Appends `name=value`; a value that is no token is quoted after all.
    pub fn push_token(&mut self, name: &str, value: &str) {
        let token = !value.is_empty() && value.bytes().all(is_token_byte);
        self.push(name, value, !token);
    }
    fn push(&mut self, name: &str, value: &str, quoted: bool) {
        let value = Text::from(value).into_bytes();
        self.params.push(AuthParam { name: Text::from(name), value, quoted });
    }
    /// As a header value.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(self.scheme.as_bytes());
        for (index, param) in self.params.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b" " } else { b", " });
            out.extend_from_slice(param.name.as_bytes());
            out.push(b'=');
            if param.quoted {
                write_quoted(&mut out, &param.value);
            } else {
                out.extend_from_slice(&param.value);
            }
        }
        Bytes::from(out)
    }
}

fn parse_param(cursor: &mut Cursor<'_>) -> Option<AuthParam> {
    let name = cursor.token()?;
    if !cursor.eat(b'=') {
        return None;
    }
    let quoted = cursor.peek() == Some(b'"');
    let value = if quoted {
        cursor.quoted()?
    } else {
        // An unquoted URI or base64 is wrong and common.
        cursor.take_while(|byte| is_token_byte(byte) || b"/:=@;?&[]$".contains(&byte))
    };
    if !quoted && value.is_empty() {
        return None;
    }
    cursor.skip_space();
    (cursor.is_end() || cursor.peek() == Some(b',')).then_some(AuthParam { name, value, quoted })
}

impl fmt::Display for AuthParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

/// Names only: credentials do not belong in logs.
impl fmt::Debug for AuthParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.params.iter().map(|param| param.name.as_str());
        write!(f, "{} ", self.scheme)?;
        f.debug_list().entries(names).finish()
    }
}
