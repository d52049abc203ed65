//! RFC 4475: every message gets the answer that the table asks for.

use super::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sip-torture");

#[test]
fn every_message_is_answered_as_the_rfc_asks() {
    let table = std::fs::read_to_string(format!("{FOLDER}/table.toml")).unwrap();
    let table: toml::Table = table.parse().unwrap();
    let messages = table["message"].as_array().unwrap();
    assert!(messages.len() >= 49, "{}", messages.len());
    let mut wrong = Vec::new();
    for message in messages {
        let name = message["name"].as_str().unwrap();
        let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut allowed = vec![text(&message["expect"])];
        allowed.extend(message.get("also").and_then(|also| also.as_array()).into_iter().flatten().map(text));
        let mut bench = Bench::new();
        bench.receive(std::fs::read(format!("{FOLDER}/{name}.sip")).unwrap());
        for _ in 0..bench.incoming.len() {
            bench.order(DialogOrder::Answer { sdp: sdp("ours") });
        }
        // The answer to a broken request repeats what is broken and need not parse.
        let unparsed = std::mem::take(&mut bench.rest).into_iter().filter_map(|output| match output {
            Output::Transmit { bytes, .. } => Some(String::from_utf8_lossy(bytes.get(8..11)?).into_owned()),
            _ => None,
        });
        let words: Vec<String> = bench.words().into_iter().chain(unparsed).collect();
        let answer = match words.last().map(String::as_str) {
            None => "silence",
            Some("200") => "accept",
            Some(other) => other,
        };
        if !allowed.iter().any(|one| one == answer) || words.len() > 2 {
            wrong.push(format!("{name}: {words:?}, expected {allowed:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
