//! What a tool is asked and what its answer means: the request made of a plan's templates and the conversation's values, and
//! values out of a JSON answer. Values only; who sends it is the shell's business, and secrets are known to nobody here.
//!
//! A value in a path is percent-encoded (RFC 3986 2.1), so that it stays one segment or one query value; `.` and `..` are
//! not sent at all, as they would name another path.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::dialplan::workflow::{MOST_VALUE, Method, Tool, fill};
use crate::ids::ToolCallId;
use crate::journal::ToolFailure;
use crate::redact::Redacted;

/// A request for the shell.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolRequest {
    /// Which; the answer names it.
    pub id: ToolCallId,
    /// Name of the tool.
    pub tool: String,
    /// Name of the host in the configuration.
    pub host: String,
    /// Method.
    pub method: Method,
    /// Path and query, ready to send.
    pub path: Redacted<String>,
    /// Headers; `{secret:NAME}` is filled by the shell.
    pub headers: BTreeMap<String, String>,
    /// JSON.
    pub body: Option<Redacted<String>>,
    /// For one attempt.
    pub timeout: Duration,
    /// Attempts, at least one.
    pub attempts: u8,
    /// Largest answer that is read, bytes.
    pub max_bytes: usize,
}

/// The shell's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolReply {
    /// Which request.
    pub id: ToolCallId,
    /// Name of the tool.
    pub tool: String,
    /// What came of it.
    pub outcome: ToolOutcome,
    /// From the request to the answer, ms.
    pub ms: u64,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolOutcome {
    /// An answer.
    Answered {
        /// HTTP status.
        status: u16,
        /// Body.
        body: Redacted<String>,
    },
    /// None.
    Failed(ToolFailure),
}

impl ToolOutcome {
    /// HTTP status, where there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            Self::Failed(_) => None,
        }
    }
}

/// The request of a tool with these values.
pub fn request(id: ToolCallId, tool: &Tool, values: &BTreeMap<String, String>) -> Result<ToolRequest, ToolFailure> {
    let unsendable = |name: &str| ToolFailure::Unsendable { name: name.to_owned() };
    let in_path =
        |name: &str| values.get(name).filter(|value| !matches!(value.as_str(), "" | "." | "..")).map(|v| encoded(v));
    let path = fill(&tool.path, in_path).map_err(unsendable)?;
    let body = tool.body.as_ref().map(|body| filled(body, values)).transpose().map_err(|name| unsendable(&name))?;
    Ok(ToolRequest {
        id,
        tool: tool.name.clone(),
        host: tool.host.clone(),
        method: tool.method,
        path: path.into(),
        headers: tool.headers.clone(),
        body: body.map(|body| body.to_string().into()),
        timeout: tool.timeout,
        attempts: tool.retries.saturating_add(1),
        max_bytes: tool.max_bytes,
    })
}

/// Everything but unreserved characters as `%XX` (RFC 3986 2.3).
fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// JSON with values in its strings. A string cannot be left by a value: it is a value already.
fn filled(json: &serde_json::Value, values: &BTreeMap<String, String>) -> Result<serde_json::Value, String> {
    use serde_json::Value;
    Ok(match json {
        Value::String(text) => Value::String(fill(text, |name| values.get(name).cloned()).map_err(str::to_owned)?),
        Value::Array(all) => Value::Array(all.iter().map(|value| filled(value, values)).collect::<Result<_, _>>()?),
        Value::Object(all) => {
            let each = |(key, value): (&String, &Value)| Ok((key.clone(), filled(value, values)?));
            Value::Object(all.iter().map(each).collect::<Result<_, String>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => json.clone(),
    })
}

/// What an answer binds: each name with its value, `None` where it may be absent and is.
pub fn results(tool: &Tool, outcome: &ToolOutcome) -> Result<BTreeMap<String, Option<String>>, ToolFailure> {
    let (status, body) = match outcome {
        ToolOutcome::Failed(failure) => return Err(failure.clone()),
        ToolOutcome::Answered { status, body } => (*status, body.reveal()),
    };
    if !(200..300).contains(&status) {
        return Err(ToolFailure::Status);
    }
    if tool.results.is_empty() {
        return Ok(BTreeMap::new());
    }
    let json: serde_json::Value = serde_json::from_str(body).map_err(|_| ToolFailure::NotJson)?;
    let mut bound = BTreeMap::new();
    for result in &tool.results {
        let value = json.pointer(&result.pointer).and_then(value);
        if value.is_none() && result.always {
            return Err(ToolFailure::Missing { name: result.name.clone() });
        }
        bound.insert(result.name.clone(), value);
    }
    Ok(bound)
}

/// A value that can be said: no list, no table, nothing empty; braces and control characters are no part of it.
fn value(json: &serde_json::Value) -> Option<String> {
    let text = match json {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) => number.to_string(),
        serde_json::Value::Bool(flag) => flag.to_string(),
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => return None,
    };
    let text: String = text.chars().filter(|c| !c.is_control() && !matches!(c, '{' | '}')).take(MOST_VALUE).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialplan::workflow::ResultPath;

    fn tool(path: &str, body: Option<&str>) -> Tool {
        let result =
            |name: &str, always| ResultPath { name: name.to_owned(), pointer: format!("/order/{name}"), always };
        Tool {
            name: "order".to_owned(),
            method: Method::Get,
            host: "crm".to_owned(),
            path: path.to_owned(),
            headers: [("Authorization".to_owned(), "Bearer {secret:token}".to_owned())].into(),
            body: body.map(|text| serde_json::from_str(text).unwrap()),
            results: vec![result("status", true), result("eta", false)],
            timeout: Duration::from_secs(2),
            retries: 1,
            changes: false,
            filler: "one_moment".to_owned(),
            max_bytes: 100,
        }
    }

    #[test]
    fn a_value_stays_one_segment_and_one_string() {
        let values = |value: &str| BTreeMap::from([("order".to_owned(), value.to_owned())]);
        let table = [
            ("123", Ok("/orders/123?q=123")),
            ("a/../b?c=d&e#f", Ok("/orders/a%2F..%2Fb%3Fc%3Dd%26e%23f?q=a%2F..%2Fb%3Fc%3Dd%26e%23f")),
            ("四 號", Ok("/orders/%E5%9B%9B%20%E8%99%9F?q=%E5%9B%9B%20%E8%99%9F")),
            ("..", Err("order")),
            ("", Err("order")),
        ];
        for (value, expected) in table {
            let made = request(ToolCallId(1), &tool("/orders/{order}?q={order}", None), &values(value));
            let expected =
                expected.map(str::to_owned).map_err(|name| ToolFailure::Unsendable { name: name.to_owned() });
            assert_eq!(made.map(|request| request.path.into_inner()), expected, "{value}");
        }
        let body = tool("/orders", Some(r#"{"order": "no {order}", "list": [1, "{order}"]}"#));
        let made = request(ToolCallId(1), &body, &values(r#"1", "admin": "x"#)).unwrap();
        let json: serde_json::Value = serde_json::from_str(made.body.as_ref().unwrap().reveal()).unwrap();
        assert_eq!(json["order"], r#"no 1", "admin": "x"#);
        assert_eq!(json.as_object().unwrap().len(), 2);
        assert!(!format!("{made:?}").contains("admin"), "redacted in a log");
        assert!(
            request(ToolCallId(1), &body, &BTreeMap::new()).is_err(),
            "a value that is not there is not sent as its name"
        );
    }

    #[test]
    fn an_answer_binds_what_can_be_said() {
        let answered =
            |status, body: &str| results(&tool("/", None), &ToolOutcome::Answered { status, body: body.into() });
        let bound = answered(200, r#"{"order": {"status": " ship{p}ed\n", "eta": 3}}"#).unwrap();
        assert_eq!(bound["status"].as_deref(), Some("shipped"));
        assert_eq!(bound["eta"].as_deref(), Some("3"));
        assert_eq!(answered(200, r#"{"order": {"status": true}}"#).unwrap()["eta"], None);
        let missing = Err(ToolFailure::Missing { name: "status".to_owned() });
        assert_eq!(answered(200, r#"{"order": {"status": ["a"]}}"#), missing);
        assert_eq!(answered(200, r#"{"order": {"status": ""}}"#), missing);
        assert_eq!(answered(200, "<html>"), Err(ToolFailure::NotJson));
        assert_eq!(answered(404, r#"{"order": {"status": "x"}}"#), Err(ToolFailure::Status));
        let long = format!(r#"{{"order": {{"status": "{}"}}}}"#, "x".repeat(1000));
        assert_eq!(answered(200, &long).unwrap()["status"].as_ref().map(String::len), Some(MOST_VALUE));
    }
}
