//! What `tingwa call` prints: happenings, the end, the figures of many calls, JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::driver::softphone::report::{CallEnd, CallReport, Pacing, percentile};
use crate::driver::softphone::script::Step;
use crate::driver::softphone::{Happening, What};

/// A step for people.
pub fn step(step: &Step) -> String {
    match step {
        Step::Wait(time) => format!("wait       {:.1} s", time.as_secs_f32()),
        Step::Quiet(_) => "listen     until they pause".to_owned(),
        Step::Say(language, text) => format!("say        {text} [{language}]"),
        Step::Play(file) => format!("play       {file}"),
        Step::Keys(keys) => format!("press      {keys}"),
        Step::HangUp => "hang up".to_owned(),
    }
}

/// One line of what happens; nothing for what is not worth one.
pub fn line(happening: &Happening, steps: &[String], several: bool) -> Option<String> {
    let text = match &happening.what {
        What::Listening(address) => format!("listening  on {address} (UDP)"),
        What::Registered => "registered at the PBX".to_owned(),
        What::NotRegistered(why) => format!("not registered: {why}; trying again"),
        What::Dials(uri) => format!("dial       {uri}"),
        What::Dialled(from) => format!("called     by {from}"),
        What::Rings => "rings".to_owned(),
        What::Answered { setup_ms } => format!("answered   after {setup_ms:.0} ms"),
        What::Step(number) => steps.get(*number)?.clone(),
        What::TheySpeak { response_ms: Some(ms) } => format!("they speak {ms} ms after our last word"),
        What::TheySpeak { response_ms: None } => "they speak".to_owned(),
        What::TheyAreQuiet => "they pause".to_owned(),
        What::Key(key) => format!("they press {key}"),
        What::NothingArrives => "silence    no packet comes any more".to_owned(),
        What::Ended(end) => format!("ended      {}", describe(end)),
    };
    let seconds = happening.at.as_secs_f32();
    Some(if several {
        format!("{seconds:8.3}  #{:<3} {text}", happening.call)
    } else {
        format!("{seconds:8.3}  {text}")
    })
}

fn describe(end: &CallEnd) -> String {
    match end {
        CallEnd::WeHungUp => "we hung up".to_owned(),
        CallEnd::TheyHungUp => "they hung up".to_owned(),
        CallEnd::TooLong => "we hung up: as long as --max allows".to_owned(),
        CallEnd::Refused { status } => format!("refused with {status}"),
        CallEnd::NobodyThere => "nobody listens there".to_owned(),
        CallEnd::NotAnswered => "not answered, we gave up".to_owned(),
        CallEnd::Cancelled => "the caller gave up".to_owned(),
        CallEnd::Lost => "the other side was lost".to_owned(),
        CallEnd::NoAudio(why) => format!("no audio: {why}"),
    }
}

/// What to check when a call came to nothing.
fn advice(end: &CallEnd, uri: &str) -> Option<String> {
    let text = match end {
        CallEnd::NobodyThere => format!(
            "nobody listens at {uri} (UDP). Is the gateway running (`tingwa serve`), and does its [sip] listen name this address and port?"
        ),
        CallEnd::Refused { status: 408 } => format!(
            "no answer from {uri} for 32 s. Is the address right, and does a firewall let UDP through? The gateway logs every call with `tingwa serve --log debug`"
        ),
        CallEnd::Refused { status: 403 } => {
            "the gateway does not know us: a [[trunk]] must allow our address (allow = [\"127.0.0.1\"])".to_owned()
        }
        CallEnd::Refused { status: 401 | 407 } => "the other side wants an account: --user and --password".to_owned(),
        CallEnd::Refused { status: 404 } => {
            format!("no dialplan has the number of {uri}; `numbers` in dialplans/*/plan.toml says which there are")
        }
        CallEnd::Refused { status: 486 | 600 } => "busy".to_owned(),
        CallEnd::Refused { status: 480 } => "the other side is not available now".to_owned(),
        CallEnd::Refused { status: 488 } => "no codec in common: this phone speaks PCMU and PCMA".to_owned(),
        CallEnd::Refused { status: 503 } => "the gateway takes no call now: it drains, or it is full".to_owned(),
        CallEnd::Lost => "the other side stopped answering in mid-call".to_owned(),
        CallEnd::Refused { .. }
        | CallEnd::WeHungUp
        | CallEnd::TheyHungUp
        | CallEnd::TooLong
        | CallEnd::NotAnswered
        | CallEnd::Cancelled
        | CallEnd::NoAudio(_) => return None,
    };
    Some(text)
}

/// The last lines.
pub fn summary(reports: &[CallReport], uri: &str) -> String {
    match reports {
        [] => "no call\n".to_owned(),
        [report] => one(report, uri),
        many => figures(many, uri),
    }
}

fn one(report: &CallReport, uri: &str) -> String {
    let mut text = format!("call       {}", describe(&report.end));
    if let Some(setup) = report.setup_ms {
        let _ = write!(text, "; answered after {setup:.0} ms, talked {:.1} s", report.talked.as_secs_f32());
    }
    if let Some(q) = &report.quality {
        let _ = write!(text, "; {} packets, {} lost, MOS {:.2}", q.received, q.lost, q.mos);
    }
    if !report.responses_ms.is_empty() {
        let all: Vec<_> = report.responses_ms.iter().map(ToString::to_string).collect();
        let _ = write!(text, "; responses {} ms", all.join(", "));
    }
    text.push('\n');
    if let Some(advice) = advice(&report.end, uri) {
        let _ = writeln!(text, "tingwa: {advice}");
    }
    text
}

/// Sums over many calls.
struct Sums {
    answered: usize,
    ends: BTreeMap<String, usize>,
    setup: Vec<f32>,
    responses: Vec<u32>,
    received: u64,
    lost: u64,
    late: u64,
    lowest_mos: f32,
    pacing: Pacing,
}

fn sums(reports: &[CallReport]) -> Sums {
    let mut sums = Sums {
        answered: 0,
        ends: BTreeMap::new(),
        setup: Vec::new(),
        responses: Vec::new(),
        received: 0,
        lost: 0,
        late: 0,
        lowest_mos: 4.5,
        pacing: Pacing::default(),
    };
    for report in reports {
        *sums.ends.entry(describe(&report.end)).or_default() += 1;
        sums.setup.extend(report.setup_ms);
        sums.responses.extend(&report.responses_ms);
        sums.pacing.merge(&report.pacing);
        if let Some(quality) = &report.quality {
            sums.answered += 1;
            sums.received += quality.received;
            sums.lost += quality.lost;
            sums.late += quality.late;
            sums.lowest_mos = sums.lowest_mos.min(quality.mos);
        }
    }
    sums
}

fn figures(reports: &[CallReport], uri: &str) -> String {
    let mut sums = sums(reports);
    let ends: Vec<_> = sums.ends.iter().map(|(end, count)| format!("{count} {end}")).collect();
    let mut text = format!("calls      {}, answered {}: {}\n", reports.len(), sums.answered, ends.join(", "));
    let three = |values: &mut [f32]| {
        let at = |values: &mut [f32], share| percentile(values, share).unwrap_or(0.0);
        format!("p50 {:.1}  p95 {:.1}  max {:.1} ms", at(values, 0.5), at(values, 0.95), at(values, 1.0))
    };
    if !sums.setup.is_empty() {
        let _ = writeln!(text, "answered   {}", three(&mut sums.setup));
    }
    if !sums.responses.is_empty() {
        let mut responses: Vec<f32> = sums.responses.iter().map(|&ms| ms as f32).collect();
        let _ = writeln!(text, "responses  {} ({})", three(&mut responses), responses.len());
    }
    let _ = writeln!(
        text,
        "packets    {} received, {} lost, {} late, lowest MOS {:.2}",
        sums.received, sums.lost, sums.late, sums.lowest_mos
    );
    if let (Some(half), Some(most)) = (sums.pacing.percentile_ms(0.5), sums.pacing.percentile_ms(0.99)) {
        let _ = writeln!(text, "pacing     off by p50 {half:.2}  p99 {most:.2} ms");
    }
    if let Some(advice) = reports.iter().find_map(|report| advice(&report.end, uri)) {
        let _ = writeln!(text, "tingwa: {advice}");
    }
    text
}

/// One line of JSON.
pub fn json(reports: &[CallReport]) -> String {
    let mut sums = sums(reports);
    let calls: Vec<_> = reports.iter().map(call_json).collect();
    serde_json::json!({
        "calls": calls.len(),
        "answered": sums.answered,
        "good": reports.iter().filter(|report| report.end.is_good()).count(),
        "setup_ms": { "p50": percentile(&mut sums.setup, 0.5), "p95": percentile(&mut sums.setup, 0.95) },
        "response_ms": { "p50": percentile(&mut sums.responses, 0.5), "p95": percentile(&mut sums.responses, 0.95), "count": sums.responses.len() },
        "packets": { "received": sums.received, "lost": sums.lost, "late": sums.late },
        "pacing_ms": { "p50": sums.pacing.percentile_ms(0.5), "p99": sums.pacing.percentile_ms(0.99) },
        "each": calls,
    })
    .to_string()
}

fn call_json(report: &CallReport) -> serde_json::Value {
    serde_json::json!({
        "number": report.number,
        "peer": report.peer,
        "end": describe(&report.end),
        "good": report.end.is_good(),
        "setup_ms": report.setup_ms,
        "talked_s": report.talked.as_secs_f32(),
        "responses_ms": report.responses_ms,
        "keys": report.keys,
        "received": report.quality.map(|q| q.received),
        "lost": report.quality.map(|q| q.lost),
        "mos": report.quality.map(|q| q.mos),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn report(end: CallEnd, setup_ms: Option<f32>) -> CallReport {
        CallReport {
            number: 1,
            peer: "sip:1@h".to_owned(),
            end,
            setup_ms,
            talked: Duration::from_secs(3),
            responses_ms: vec![640],
            keys: String::new(),
            quality: None,
            pacing: Pacing::default(),
        }
    }

    #[test]
    fn a_stranger_is_told_what_to_check() {
        let told = summary(&[report(CallEnd::NobodyThere, None)], "sip:1823@127.0.0.1:5060");
        assert!(told.contains("nobody listens at sip:1823@127.0.0.1:5060"), "{told}");
        assert!(told.contains("tingwa serve"), "{told}");
        assert!(summary(&[report(CallEnd::Refused { status: 404 }, None)], "sip:9@h").contains("numbers"));
    }

    #[test]
    fn many_calls_are_summed_up() {
        let reports = [report(CallEnd::WeHungUp, Some(2.0)), report(CallEnd::Refused { status: 503 }, None)];
        let told = summary(&reports, "sip:1@h");
        assert!(told.contains("1 refused with 503") && told.contains("1 we hung up"), "{told}");
        let json: serde_json::Value = serde_json::from_str(&json(&reports)).unwrap();
        assert_eq!((json["calls"].as_u64(), json["good"].as_u64()), (Some(2), Some(1)));
        assert_eq!(json["response_ms"]["p50"], 640);
    }
}
