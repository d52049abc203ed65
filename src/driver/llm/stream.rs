//! The answer of an OpenAI-compatible chat server, byte by byte: server-sent events (HTML living standard, 9.2: `data`
//! fields, comments, any of the three line ends) whose data are `chat.completion.chunk` objects, or one `chat.completion`
//! object of a server that does not stream. Ready as soon as the JSON object in it is closed: what a server adds is not waited
//! for. Holds no socket and no clock. Follows no field but `data`; event names, ids and retry times mean nothing here.

use serde::Deserialize;

use crate::journal::LlmFailure;

/// Largest answer, in bytes as they come over the wire.
pub const MOST_BYTES: usize = 64 << 10;

/// How far an answer has come.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// More is needed.
    More,
    /// The JSON object that the model wrote.
    Complete(String),
    /// There will be none.
    Failed(LlmFailure),
}

/// What the body is, by its Content-Type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// `text/event-stream`.
    Events,
    /// `application/json`.
    Whole,
}

/// Reads one answer.
#[derive(Debug)]
pub struct ChatStream {
    body: Body,
    bytes: usize,
    most_chunks: usize,
    chunks: usize,
    line: Vec<u8>,
    /// A CR ended the line before: an LF now belongs to it.
    after_return: bool,
    data: String,
    text: String,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Option<Message>,
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
}

impl ChatStream {
    /// Of a body whose model may say so many tokens; each chunk holds one or more.
    pub fn new(body: Body, max_tokens: u16) -> Self {
        // Role, end, usage and the like come in chunks of their own.
        let most_chunks = usize::from(max_tokens) + 16;
        let (line, data, text) = (Vec::new(), String::new(), String::new());
        Self { body, bytes: 0, most_chunks, chunks: 0, line, after_return: false, data, text }
    }

    /// Takes what has arrived.
    pub fn feed(&mut self, bytes: &[u8]) -> Progress {
        self.bytes += bytes.len();
        if self.bytes > MOST_BYTES {
            return Progress::Failed(LlmFailure::TooLong);
        }
        if self.body == Body::Whole {
            self.line.extend_from_slice(bytes);
            return Progress::More;
        }
        for byte in bytes {
            let ends = match byte {
                b'\n' if std::mem::take(&mut self.after_return) => continue,
                b'\n' | b'\r' => true,
                _ => false,
            };
            self.after_return = *byte == b'\r';
            if !ends {
                self.line.push(*byte);
                continue;
            }
            match self.end_of_line() {
                Progress::More => {}
                over => return over,
            }
        }
        Progress::More
    }

    /// Nothing more will come.
    pub fn end(&mut self) -> Progress {
        let over = match self.body {
            Body::Whole => {
                let text = String::from_utf8(std::mem::take(&mut self.line)).unwrap_or_default();
                self.chunk(&text)
            }
            // A last event without an empty line is none, by the standard.
            Body::Events => Progress::More,
        };
        if over == Progress::More { Progress::Failed(LlmFailure::Unreachable) } else { over }
    }

    fn end_of_line(&mut self) -> Progress {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return if data.is_empty() { Progress::More } else { self.chunk(&data) };
        }
        let Ok(line) = String::from_utf8(line) else { return Progress::Failed(LlmFailure::Garbled) };
        let line = line.trim_start_matches('\u{FEFF}');
        if let Some(data) = line.strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        }
        Progress::More
    }

    fn chunk(&mut self, data: &str) -> Progress {
        self.chunks += 1;
        if self.chunks > self.most_chunks {
            return Progress::Failed(LlmFailure::TooLong);
        }
        if data.trim() == "[DONE]" {
            return Progress::Failed(LlmFailure::NoCommand);
        }
        let Ok(chunk) = serde_json::from_str::<Chunk>(data) else { return Progress::Failed(LlmFailure::Garbled) };
        if chunk.error.is_some() {
            return Progress::Failed(LlmFailure::Garbled);
        }
        let Some(choice) = chunk.choices.into_iter().next() else { return Progress::More };
        let message = choice.delta.or(choice.message).unwrap_or_default();
        self.text.push_str(&message.content.unwrap_or_default());
        if let Some(object) = object(&self.text) {
            return Progress::Complete(object.to_owned());
        }
        match choice.finish_reason.as_deref() {
            None => Progress::More,
            Some("length") => Progress::Failed(LlmFailure::TooLong),
            Some(_) => Progress::Failed(LlmFailure::NoCommand),
        }
    }
}

/// The first whole JSON object in a text: from its brace to the brace that closes it. `None` while there is none.
fn object(text: &str) -> Option<&str> {
    let from = text.find('{')?;
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate().skip(from) {
        match byte {
            _ if std::mem::take(&mut escaped) => {}
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' if !in_string => depth += 1,
            b'}' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return text.get(from..=at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(text: &str) -> String {
        let chunk = serde_json::json!({ "object": "chat.completion.chunk", "choices": [{ "index": 0, "delta": { "content": text } }] });
        format!("data: {chunk}\n\n")
    }

    const ANSWER: &str = r#"{"command":"start_flow","intent":"賬單"}"#;

    fn stream(text: &str) -> String {
        let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n";
        format!("{role}: a comment\n\n{}{}data: [DONE]\n\n", delta(&text[..9]), delta(&text[9..]))
    }

    #[test]
    fn an_answer_is_ready_with_its_last_brace_however_it_is_cut() {
        for ends in ["\n", "\r\n", "\r"] {
            let bytes = stream(ANSWER).replace('\n', ends).into_bytes();
            for size in 1..=bytes.len() {
                let mut chat = ChatStream::new(Body::Events, 32);
                let mut over = Progress::More;
                for piece in bytes.chunks(size) {
                    over = chat.feed(piece);
                    if over != Progress::More {
                        break;
                    }
                }
                assert_eq!(over, Progress::Complete(ANSWER.to_owned()), "{ends:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn a_server_that_does_not_stream_is_understood_too() {
        let body = serde_json::json!({ "choices": [{ "message": { "content": ANSWER }, "finish_reason": "stop" }] })
            .to_string();
        let mut chat = ChatStream::new(Body::Whole, 32);
        assert_eq!(chat.feed(body.as_bytes()), Progress::More);
        assert_eq!(chat.end(), Progress::Complete(ANSWER.to_owned()));
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        let finish =
            |reason: &str| format!("data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"{reason}\"}}]}}\n\n");
        let table = [
            ("data: <html>\n\n".to_owned(), LlmFailure::Garbled),
            ("data: {\"error\":{\"message\":\"busy\"}}\n\n".to_owned(), LlmFailure::Garbled),
            ("data: [DONE]\n\n".to_owned(), LlmFailure::NoCommand),
            (delta("I am sorry") + &finish("stop"), LlmFailure::NoCommand),
            (delta("{\"command\"") + &finish("length"), LlmFailure::TooLong),
            (delta("{\"command\""), LlmFailure::Unreachable),
            (String::new(), LlmFailure::Unreachable),
            (delta(" ").repeat(200), LlmFailure::TooLong),
            (format!("data: {}", "x".repeat(MOST_BYTES)), LlmFailure::TooLong),
        ];
        for (text, expected) in table {
            let mut chat = ChatStream::new(Body::Events, 32);
            let over = match chat.feed(text.as_bytes()) {
                Progress::More => chat.end(),
                over => over,
            };
            assert_eq!(over, Progress::Failed(expected), "{}", text.chars().take(80).collect::<String>());
        }
        let mut chat = ChatStream::new(Body::Events, 32);
        assert_eq!(chat.feed(b"data: \xff\xfe\n\n"), Progress::Failed(LlmFailure::Garbled));
    }

    #[test]
    fn the_object_is_found_among_words_and_braces_in_strings() {
        let table = [
            ("```json\n{\"a\":\"}\"}\n```", Some("{\"a\":\"}\"}")),
            ("{\"a\":{\"b\":\"\\\"}\"}} {", Some("{\"a\":{\"b\":\"\\\"}\"}}")),
            ("{\"a\":\"", None),
            ("}", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(object(text), expected, "{text}");
        }
    }
}
