//! RFC 4475: every message gets the answer that the table asks for, and the very one that it says; as a registrar, too; and a
//! stranger gets none.

use super::phones::{at, with_phones};
use super::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sip-torture");

fn messages() -> Vec<(String, toml::Table, Vec<u8>)> {
    let table: toml::Table = std::fs::read_to_string(format!("{FOLDER}/table.toml")).unwrap().parse().unwrap();
    let rows = table["message"].as_array().unwrap().iter().map(|row| {
        let row = row.as_table().unwrap().clone();
        let name = row["name"].as_str().unwrap().to_owned();
        let bytes = std::fs::read(format!("{FOLDER}/{name}.sip")).unwrap();
        (name, row, bytes)
    });
    rows.collect()
}

fn text(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Statuses of all answers, the calls that come of it answered; 1xx and more first.
fn answers(mut bench: Bench, flow: Flow, bytes: &[u8]) -> (Vec<String>, Bench) {
    bench.flow = flow;
    bench.receive(bytes);
    for _ in 0..bench.incoming.len() {
        bench.order(DialogOrder::Answer { sdp: sdp("ours") });
    }
    // The answer to a broken request repeats what is broken and need not parse.
    let unparsed = std::mem::take(&mut bench.rest).into_iter().filter_map(|output| match output {
        Output::Transmit { bytes, .. } => Some(String::from_utf8_lossy(bytes.get(8..11)?).into_owned()),
        _ => None,
    });
    let all = bench.words().into_iter().chain(unparsed).collect();
    (all, bench)
}

#[test]
fn every_message_is_answered_as_the_rfc_asks() {
    let messages = messages();
    assert_eq!(messages.len(), 49);
    let mut wrong = Vec::new();
    for (name, row, bytes) in messages {
        let mut allowed = vec![text(&row["expect"])];
        allowed.extend(row.get("also").and_then(|also| also.as_array()).into_iter().flatten().map(text));
        let (words, bench) = answers(Bench::new(), flow(Transport::Udp), &bytes);
        let last = words.last().cloned().unwrap_or_else(|| "silence".to_owned());
        let kind = if last == "200" { "accept" } else { last.as_str() };
        let stateless = bench.endpoint.transactions() == 0 || !bench.incoming.is_empty();
        if !allowed.iter().any(|one| one == kind) || last != text(&row["answer"]) || words.len() > 2 || !stateless {
            wrong.push(format!("{name}: {words:?}, allowed {allowed:?}, table {}", row["answer"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_registrar_answers_them_as_the_rfc_asks() {
    let mut rows = 0;
    for (name, row, bytes) in messages() {
        let registers = bytes.starts_with(b"REGISTER ") || name == "esc02";
        assert_eq!(row.contains_key("registrar"), registers, "{name}: every REGISTER has its row");
        if !registers {
            continue;
        }
        rows += 1;
        let phone = at("198.51.100.7:40000", Transport::Udp);
        let (words, bench) = answers(Bench::with(with_phones()), phone, &bytes);
        assert_eq!((words, bench.endpoint.transactions()), (vec![text(&row["registrar"])], 0), "{name}");
    }
    assert_eq!(rows, 10);
}

#[test]
fn a_stranger_gets_no_answer_to_any_of_them() {
    for (name, _, bytes) in messages() {
        let stranger = at("203.0.113.9:5060", Transport::Udp);
        let (words, bench) = answers(Bench::with(with_phones()), stranger, &bytes);
        assert_eq!((words.len(), bench.endpoint.transactions()), (0, 0), "{name}");
    }
}
