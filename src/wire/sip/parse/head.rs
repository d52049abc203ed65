//! Start line and header lines. Reading goes on after the first problem: a 400 needs the headers that can be read.

use bytes::Bytes;

use super::super::header::HeaderName;
use super::super::message::{Headers, Method, StatusCode};
use super::super::text::{Text, decimal, is_space, is_token_byte, trim};
use super::super::uri::Uri;
use super::super::{MAX_HEADER_LINES, MAX_LINE_BYTES};
use super::{ParseError, Problem};

/// The first line of a message.
pub(super) enum StartLine {
    Request { method: Method, uri: Uri },
    Response { status: StatusCode, reason: Bytes },
}

/// A message up to its body.
pub(super) struct Head {
    pub(super) start: StartLine,
    pub(super) headers: Headers,
    /// `None` where there is no such header.
    pub(super) content_length: Option<u64>,
    /// Why the length cannot be trusted.
    pub(super) bad_length: Option<&'static str>,
    pub(super) problem: Option<Problem>,
    /// Where the body begins.
    pub(super) length: usize,
    /// True where the empty line was there.
    pub(super) complete: bool,
}

impl Head {
    /// Reads the head; an error only where this is no SIP or a response that cannot be read.
    pub(super) fn parse(source: &Bytes) -> Result<Self, ParseError> {
        let blank = source.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let mut lines = Lines { source, at: blank };
        let first = lines.next().ok_or_else(|| ParseError::silent("empty"))?;
        let (start, problem) = parse_start_line(&source.slice_ref(first.bytes))?;
        let mut head = Self {
            start,
            headers: Headers::with_capacity(16),
            content_length: None,
            bad_length: None,
            problem,
            length: source.len(),
            complete: false,
        };
        while let Some(line) = lines.next() {
            if line.bytes.is_empty() {
                head.complete = line.ended;
                head.length = lines.at;
                break;
            }
            let end = lines.fold_end();
            head.take_line(source, line.bytes, end.map(|end| (end, lines.at)));
            if let Some(end) = end {
                lines.at = end;
            }
        }
        Ok(head)
    }

    /// Notes a problem unless there is an earlier one.
    pub(super) fn note(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
    }

    /// Takes one logical line; `folds` is where its folded lines end and begin.
    fn take_line(&mut self, source: &Bytes, line: &[u8], folds: Option<(usize, usize)>) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return self.note(Problem::bad_request("Bad Header Line"));
        };
        // White space may stand before the colon, not before the name: that would be a fold of nothing.
        let name_end = line[..colon].iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
        let Some(name) = HeaderName::parse(&line[..name_end]) else {
            return self.note(Problem::bad_request("Bad Header Name"));
        };
        let value = match folds {
            None => source.slice_ref(trim(&line[colon + 1..])),
            Some((end, start)) => unfold(&line[colon + 1..], &source[start..end]),
        };
        if value.len() > MAX_LINE_BYTES {
            return self.note(Problem::bad_request("Header Line Too Long"));
        }
        if value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return self.note(Problem::bad_request(format!("Bad {name}")));
        }
        if name == HeaderName::ContentLength {
            return self.take_content_length(&value);
        }
        if self.headers.len() == MAX_HEADER_LINES {
            return self.note(Problem::bad_request("Too Many Header Lines"));
        }
        self.headers.push(name, value);
    }

    fn take_content_length(&mut self, value: &[u8]) {
        let bad = match (decimal(value), self.content_length) {
            (None, _) => "Bad Content-Length",
            (Some(length), Some(earlier)) if length != earlier => "Repeated Content-Length",
            (Some(length), _) => {
                self.content_length = Some(length);
                return;
            }
        };
        self.bad_length = Some(bad);
        self.note(Problem::bad_request(bad));
    }
}

/// First line and folded lines as one: each fold becomes one space.
fn unfold(first: &[u8], folds: &[u8]) -> Bytes {
    let mut value = trim(first).to_vec();
    for line in folds.split(|byte| *byte == b'\n') {
        let line = trim(line.strip_suffix(b"\r").unwrap_or(line));
        if !line.is_empty() {
            if !value.is_empty() {
                value.push(b' ');
            }
            value.extend_from_slice(line);
        }
    }
    Bytes::from(value)
}

/// One physical line without its end.
struct Line<'a> {
    bytes: &'a [u8],
    /// False for a last line that no LF ends.
    ended: bool,
}

struct Lines<'a> {
    source: &'a Bytes,
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<Line<'a>> {
        let rest = &self.source[self.at..];
        if rest.is_empty() {
            return None;
        }
        let (end, ended) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end, true),
            None => (rest.len(), false),
        };
        self.at += if ended { end + 1 } else { end };
        let bytes = &rest[..end];
        Some(Line { bytes: bytes.strip_suffix(b"\r").filter(|_| ended).unwrap_or(bytes), ended })
    }
    /// Where the lines that continue the last one end; `None` where there is none.
    fn fold_end(&self) -> Option<usize> {
        let mut ahead = Lines { source: self.source, at: self.at };
        while ahead.source.get(ahead.at).is_some_and(|byte| is_space(*byte)) {
            ahead.next();
        }
        (ahead.at > self.at).then_some(ahead.at)
    }
}

fn parse_start_line(line: &Bytes) -> Result<(StartLine, Option<Problem>), ParseError> {
    if line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
        return parse_status_line(line).map(|start| (start, None)).ok_or_else(|| ParseError::silent("bad status line"));
    }
    if !line.windows(4).any(|window| window.eq_ignore_ascii_case(b"SIP/")) {
        return Err(ParseError::silent("not SIP"));
    }
    Ok(parse_request_line(line))
}

fn parse_status_line(line: &Bytes) -> Option<StartLine> {
    let rest = &line[line.iter().position(|byte| *byte == b' ')?..];
    if !line[..line.len() - rest.len()].eq_ignore_ascii_case(b"SIP/2.0") || line.contains(&b'\r') {
        return None;
    }
    let code = rest.get(1..4)?;
    let status = StatusCode::new(u16::try_from(decimal(code)?).ok()?)?;
    let reason = match rest.get(4) {
        None => Bytes::new(),
        Some(b' ') => line.slice_ref(&rest[5..]),
        Some(_) => return None,
    };
    Some(StartLine::Response { status, reason })
}

/// Always a request line of some sort: what is wrong with it comes along.
fn parse_request_line(line: &Bytes) -> (StartLine, Option<Problem>) {
    let first = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let last = line.iter().rposition(|byte| *byte == b' ').unwrap_or(line.len());
    let method = &line[..first];
    let target = line.get(first + 1..last).unwrap_or_default();
    let version = line.get(last + 1..).unwrap_or_default();

    let known = method.iter().all(|byte| is_token_byte(*byte)) && !method.is_empty();
    let uri = Uri::parse(&line.slice_ref(target)).ok().filter(|uri| is_request_uri(uri, target));
    let problem = if !known {
        Some(Problem::bad_request("Bad Method"))
    } else if !is_version(version) {
        Some(Problem::bad_request("Bad Request-Line"))
    } else if !version[4..].eq(b"2.0") {
        let reason = StatusCode::VERSION_NOT_SUPPORTED.reason_phrase();
        Some(Problem { status: StatusCode::VERSION_NOT_SUPPORTED, reason: reason.into() })
    } else if uri.is_none() {
        Some(Problem::bad_request("Bad Request-URI"))
    } else {
        None
    };
    let method = Text::from_bytes(line.slice_ref(method)).unwrap_or_default();
    let uri = uri.unwrap_or_else(|| Uri::Other { scheme: Text::default(), rest: line.slice_ref(target) });
    (StartLine::Request { method: Method::from(method), uri }, problem)
}

/// No white space, no header fields (RFC 3261 19.1.1, RFC 4475 3.1.2.11).
fn is_request_uri(uri: &Uri, target: &[u8]) -> bool {
    uri.as_sip().is_none_or(|uri| uri.headers.is_empty()) && target.iter().all(|byte| *byte > b' ')
}

/// `SIP/` digits `.` digits.
fn is_version(version: &[u8]) -> bool {
    let Some(numbers) = version.get(4..).filter(|_| version[..4].eq_ignore_ascii_case(b"SIP/")) else { return false };
    let mut parts = numbers.split(|byte| *byte == b'.');
    let mut number = || parts.next().is_some_and(|part| decimal(part).is_some());
    number() && number() && parts.next().is_none()
}
