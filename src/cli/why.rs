//! `tingwa why CALL`: what a call heard, decided and said, and why.

use std::process::ExitCode;

use crate::journal::escalation::{Level, Outcome, ReasonCode};
use crate::journal::scores::{Score, Scores};
use crate::journal::{Act, Decision, Entry, RecogniserLoss, Record};
use crate::speech::SpeechTags;
use crate::store::sqlite::Database;

use super::{CliError, ConfigArgs, block_on, calls};

/// Show what a call heard, decided and said, and why.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tingwa why 01KAJ3\n  tingwa why last\n  tingwa why last --decisions\n  tingwa why 01KAJ3 --json"
)]
pub struct WhyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Call id, or as much of its beginning as is unique; `last` for the newest
    call: String,
    /// Only what was decided
    #[arg(long)]
    decisions: bool,
    /// The entries as they are stored, one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Prints the journal of one call.
pub fn run(args: &WhyArgs) -> Result<ExitCode, CliError> {
    let config = args.config.load()?;
    let found = block_on(async {
        let database = Database::open(&config.store.database).await?;
        let row = match args.call.as_str() {
            "last" => database.calls(1).await?.pop(),
            id => database.find(id).await?,
        };
        match row {
            Some(row) => Ok(Some((database.journal(row.id).await?, row))),
            None => Ok::<_, crate::store::sqlite::StoreError>(None),
        }
    })??;
    let Some((journal, row)) = found else {
        return Err(CliError::Usage(format!(
            "no call, or more than one, begins with '{}'; `tingwa calls` lists them",
            args.call
        )));
    };
    for record in &journal {
        if args.json {
            println!("{}", serde_json::to_string(record).map_err(|e| CliError::Usage(e.to_string()))?);
        } else if !args.decisions
            || matches!(record.entry, Entry::Decided(_) | Entry::Scored(_) | Entry::Escalated { .. })
        {
            println!("{}", line(record));
        }
    }
    if let Some(recording) = row.recording.filter(|_| !args.json) {
        println!("recording {}", config.store.recordings.join(recording).display());
    }
    Ok(ExitCode::SUCCESS)
}

/// One entry for people. Shows what was said: for those who may read calls, never for logs.
pub fn line(record: &Record) -> String {
    format!("{}  {}", record.at, text(&record.entry))
}

fn text(entry: &Entry) -> String {
    match entry {
        Entry::Offered { to, dialplan, .. } => format!("offered    {to} on dialplan {dialplan}"),
        Entry::Answered => "answered".to_owned(),
        Entry::RecordingStarted { path } => format!("recording  {path}"),
        Entry::RecordingPaused { paused } => format!("recording  {}", if *paused { "paused" } else { "goes on" }),
        Entry::CallerTurn { text, written, language, confidence, tags, began, ended, .. } => {
            let length = ended.0.saturating_sub(began.0);
            let said = text.reveal();
            let written = written.as_ref().map_or(String::new(), |written| format!(" = {}", written.reveal()));
            format!(
                "heard      {said}{written} [{language}, confidence {confidence:.2}, {length} ms{}]",
                tags_text(tags)
            )
        }
        Entry::Digit { leg, digit } => format!("key        {digit} (leg {leg})"),
        Entry::NoInput { count } => format!("silence    {count} in a row"),
        Entry::Decided(decision) => decided(decision),
        Entry::Scored(scores) => scored(scores),
        Entry::Escalated { level, reason, outcome } => escalated(*level, *reason, outcome),
        Entry::BotTurn { prompt, text, language, .. } => format!("says       {} [{language}, {prompt}]", text.reveal()),
        script @ (Entry::ScriptHeard { .. } | Entry::ScriptEnded { .. }) => script_text(script),
        Entry::AnswerBegan { response_ms: Some(ms), .. } => {
            format!("speaks     {ms} ms after the caller, by voice activity")
        }
        Entry::AnswerBegan { response_ms: None, .. } => "speaks".to_owned(),
        Entry::BotTurnEnded { heard_ms, complete, .. } => {
            format!("said       {heard_ms} ms{}", if *complete { "" } else { ", cut short" })
        }
        Entry::BargeIn { .. } => "barge-in   the caller speaks over the bot".to_owned(),
        Entry::RecogniserInterrupted => "deaf       for a moment: the recogniser is replaced".to_owned(),
        Entry::RecogniserLost { reason } => {
            format!("deaf       speech recognition is lost{}; keys only", loss(*reason))
        }
        Entry::Dropped { queue } => format!("dropped    queue {queue} was full"),
        Entry::LegEnded { leg, role, quality } => match quality {
            Some(q) => {
                let there = q.there.and_then(|there| there.mos).map(|mos| format!(", {mos:.1} there"));
                format!(
                    "leg ended  {role:?} (leg {leg}): {} packets in, {} lost, jitter {:.1} ms, MOS {:.2}{}",
                    q.received,
                    q.lost,
                    q.jitter_ms,
                    q.mos,
                    there.unwrap_or_default()
                )
            }
            None => format!("leg ended  {role:?} (leg {leg})"),
        },
        Entry::Ended(cause) => format!("ended      {}", calls::describe(cause)),
        Entry::ToolCalled { .. } | Entry::ToolAnswered { .. } => tool_text(entry),
        Entry::LlmAsked { .. } | Entry::LlmAnswered { .. } | Entry::LlmDeclined => llm_text(entry),
        transfer => transfer_text(transfer),
    }
}

fn tool_text(entry: &Entry) -> String {
    match entry {
        Entry::ToolCalled { request, tool, at, path, body } => {
            let body = body.as_ref().map_or(String::new(), |body| format!(" with {}", body.reveal()));
            format!("asks       {tool}: {at}{}{body} (request {request})", path.reveal())
        }
        Entry::ToolAnswered { request, tool, status, failure, ms, values } => {
            let status = status.map_or(String::new(), |status| format!(", status {status}"));
            let failure = failure.as_ref().map_or(String::new(), |failure| format!(", failed: {failure:?}"));
            let bound = values.iter().map(|(name, value)| format!(" {name}={}", value.reveal())).collect::<String>();
            format!("answered   {tool} after {ms} ms{status}{failure}{bound} (request {request})")
        }
        other => format!("{other:?}"),
    }
}

fn llm_text(entry: &Entry) -> String {
    match entry {
        Entry::LlmAsked { request, model, because, sent } => {
            format!("asks model {model} about \"{}\" because {because} (question {request})", sent.reveal())
        }
        Entry::LlmAnswered { request, ms, command, failure } => {
            let command = command.as_ref().map_or(String::new(), |command| format!(" {command}"));
            let taken = failure.as_ref().map_or(", taken".to_owned(), |failure| format!(", not taken: {failure:?}"));
            format!("model says{command} after {ms} ms{taken} (question {request})")
        }
        _ => "no model   the caller wants none".to_owned(),
    }
}

fn loss(reason: RecogniserLoss) -> &'static str {
    match reason {
        RecogniserLoss::Gone => ": it ended and none took its place",
        RecogniserLoss::Overloaded => ": it has no room for this call",
        RecogniserLoss::Silent => ": it answers nothing",
        RecogniserLoss::Unsteady => ": it was replaced too often",
        RecogniserLoss::Unknown => "",
    }
}

fn transfer_text(entry: &Entry) -> String {
    match entry {
        Entry::TransferDialling { leg, target } => format!("dials      {target} (leg {leg})"),
        Entry::GoesBy { leg, trunk, after: None } => format!("goes by    {trunk} (leg {leg})"),
        Entry::GoesBy { leg, trunk, after: Some(status) } => {
            format!("goes by    {trunk}; the trunk before came to nothing, {status} (leg {leg})")
        }
        Entry::TransferRinging { leg } => format!("rings      (leg {leg})"),
        Entry::Briefing { leg, text } => format!("briefs     {} (leg {leg})", text.reveal()),
        Entry::TransferAccepted { leg } => format!("accepted   by the agent (leg {leg})"),
        Entry::TransferFailed { leg, failure } => format!("no agent   {failure:?} (leg {leg})"),
        Entry::Bridged { leg } => format!("bridged    caller and agent (leg {leg})"),
        Entry::EndReason { leg, protocol, cause } => format!("reason     {protocol} {cause} (leg {leg})"),
        Entry::Particulars { diverted, withheld, kept, user_to_user } => {
            let from: Vec<&str> = diverted.iter().map(|number| number.reveal().as_str()).collect();
            let diverted = if from.is_empty() { String::new() } else { format!(" diverted from {}", from.join(", ")) };
            let data = user_to_user.as_ref().map(|value| format!(" data {}", value.reveal())).unwrap_or_default();
            let kept: String = kept.iter().map(|(name, value)| format!(" {name}: {}", value.reveal())).collect();
            format!("particular{diverted}{}{data}{kept}", if *withheld { " number withheld" } else { "" })
        }
        Entry::Replaced { leg } => format!("replaced   by somebody else (leg {leg})"),
        Entry::TransferGivenUp => "given up   no agent; the bot goes on".to_owned(),
        other => format!("{other:?}"),
    }
}

fn script_text(entry: &Entry) -> String {
    match entry {
        Entry::ScriptHeard { script, version, language, sentence, of } => {
            format!("script     {script} {version}: sentence {sentence} of {of} played to its end [{language}]")
        }
        Entry::ScriptEnded { script, version, heard, of, must, satisfied: true } => {
            format!("script     {script} {version}: heard as it must be ({heard} of {of}; {must} must be)")
        }
        Entry::ScriptEnded { script, version, heard, of, must, satisfied: false } => {
            format!("script     {script} {version}: NOT heard as it must be ({heard} of {of}; {must} must be)")
        }
        other => format!("{other:?}"),
    }
}

fn tags_text(tags: &SpeechTags) -> String {
    let emotion = tags.emotion.map(|emotion| format!(", {emotion:?}").to_lowercase());
    let event = tags.event.map(|event| format!(", {event:?}").to_lowercase());
    [emotion, event].into_iter().flatten().collect()
}

fn scored(scores: &Scores) -> String {
    let score = |name: &str, score: &Score| {
        let because = score.because.iter().map(|f| format!(" {} {} x {}", f.name, f.value, f.weight));
        let because = because.collect::<Vec<_>>().join(",");
        let because = if because.is_empty() { String::new() } else { format!(" ({})", because.trim_start()) };
        format!("{name} {:.2}{because}", score.value)
    };
    let all = [("emotion", &scores.emotion), ("urgency", &scores.urgency), ("human", &scores.human)];
    let all = all.map(|(name, of)| score(name, of)).join("; ");
    format!("scores     {all}; topic {}", scores.topic.as_deref().unwrap_or("unknown"))
}

fn escalated(level: Level, reason: ReasonCode, outcome: &Outcome) -> String {
    let outcome = match outcome {
        Outcome::Transferred { queue } => format!("somebody of {queue} is rung"),
        Outcome::Notified => "a supervisor is told".to_owned(),
        Outcome::Upgraded => "somebody is being rung already; a supervisor is told".to_owned(),
        Outcome::Retained => "help is offered first".to_owned(),
        Outcome::CoolingDown => "too soon after the last try".to_owned(),
        Outcome::Closed => "nobody is there".to_owned(),
        Outcome::GaveUp => "tried too often in this call".to_owned(),
    };
    format!("escalates  level {} for {reason}: {outcome}", level.number())
}

fn decided(decision: &Decision) -> String {
    let act = match &decision.act {
        Act::Answer { prompt } => format!("answer {prompt}"),
        Act::Goodbye { prompt } => format!("goodbye {prompt}"),
        Act::Escalate { queue } => format!("escalate to {queue}"),
        Act::Call { tool } => format!("ask tool {tool}"),
        Act::Listen => "listen".to_owned(),
    };
    let mut line = format!("decided    {act} because {}", decision.rule);
    if let (Some(intent), Some(confidence)) = (&decision.intent, decision.confidence) {
        line.push_str(&format!(" [intent {intent} {confidence:.2}]"));
    }
    if !decision.evidence.is_empty() {
        line.push_str(&format!(" ({})", decision.evidence));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ToolCallId;

    #[test]
    fn a_tool_is_shown_with_what_it_was_asked_and_what_it_said() {
        let (request, tool) = (ToolCallId(1), "order".to_owned());
        let path = "/orders/123".into();
        let called = Entry::ToolCalled { request, tool: tool.clone(), at: "GET crm".to_owned(), path, body: None };
        assert_eq!(text(&called), "asks       order: GET crm/orders/123 (request 1)");
        let values = [("status".to_owned(), "shipped".into())].into();
        let answered = Entry::ToolAnswered { request, tool, status: Some(200), failure: None, ms: 31, values };
        assert_eq!(text(&answered), "answered   order after 31 ms, status 200 status=shipped (request 1)");
        assert!(!format!("{called:?} {answered:?}").contains("123"), "in a log it is redacted");
        assert!(!format!("{answered:?}").contains("shipped"));
    }

    #[test]
    fn a_lost_recogniser_is_shown_with_its_reason() {
        let lost = |reason| text(&Entry::RecogniserLost { reason });
        assert!(lost(RecogniserLoss::Silent).contains("lost: it answers nothing; keys only"));
        assert!(lost(RecogniserLoss::Overloaded).contains("lost: it has no room for this call; keys only"));
        assert!(lost(RecogniserLoss::Unknown).contains("is lost; keys only"), "an old journal tells none");
    }
}
