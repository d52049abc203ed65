//! What a model's answer means: one command of the vocabulary, of names that the line has and that may be chosen on that
//! day. Whatever the grammar was, nothing is believed: a server may ignore it. What may follow from a command is decided by
//! the policy, as for the embedded understanding's.

use jiff::civil::Date;
use serde_json::Value;

use crate::conversation::command::Command;
use crate::dialplan::Plan;
use crate::dialplan::schema::{Intent, Target};
use crate::journal::LlmFailure;

use super::MOST_SAID;

/// Of a name that is not there, so much is written down.
const MOST_NAME: usize = 40;

/// What a model says.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What is to be done.
    pub command: Command,
    /// Free wording, where the plan allows it: said instead of the small talk's prompt.
    pub say: Option<String>,
}

/// Reads an answer for a plan on a day.
pub fn read(text: &str, plan: &Plan, day: Date) -> Result<Answer, LlmFailure> {
    let mut value: Value = serde_json::from_str(text.trim()).map_err(|_| LlmFailure::NoCommand)?;
    let say = value.as_object_mut().and_then(|fields| fields.remove("say"));
    let command: Command = serde_json::from_value(value).map_err(|_| LlmFailure::NoCommand)?;
    allowed(&command, plan, day)?;
    let say = match (say, &command) {
        (None, _) => None,
        (Some(Value::String(say)), Command::ChitChat { .. }) if plan.work.llm.free_wording => sayable(&say),
        (Some(_), _) => return Err(LlmFailure::NoCommand),
    };
    Ok(Answer { command, say })
}

/// Whether the plan has what the command names, and it may be chosen.
fn allowed(command: &Command, plan: &Plan, day: Date) -> Result<(), LlmFailure> {
    let known = |ok: bool, name: &str| {
        let name = || name.chars().filter(|c| !c.is_control()).take(MOST_NAME).collect();
        if ok { Ok(()) } else { Err(LlmFailure::NotThere { name: name() }) }
    };
    let entry = |name: &str| plan.knowledge.iter().any(|entry| entry.name == name && entry.standing.on(day).is_ok());
    let goes_on = |intent: &Intent| !matches!(intent.then, Target::End(_));
    let intent = |name: &str, chat: Option<bool>| {
        plan.intent(name).is_some_and(|intent| goes_on(intent) && chat.is_none_or(|chat| chat == intent.chat))
    };
    match command {
        Command::StartFlow { intent: name } => known(intent(name, Some(false)), name),
        Command::ChitChat { intent: name } => known(intent(name, Some(true)), name),
        Command::Answer { entry: name } => known(entry(name), name),
        Command::Script { script: name } => {
            known(plan.work.scripts.iter().any(|script| script.name == *name && script.standing.on(day).is_ok()), name)
        }
        Command::Clarify { between: [first, second] } => {
            let there = |name: &str| name.strip_prefix("knowledge:").map_or_else(|| intent(name, None), entry);
            known(there(first) && first != second, first)?;
            known(there(second), second)
        }
        Command::Speak { language } => known(plan.languages.contains(language), &language.to_string()),
        Command::Repeat | Command::Handoff { .. } | Command::NoMatch => Ok(()),
        // Only of use while something is being asked, and a model is not asked then.
        Command::SetSlot { .. } | Command::CorrectSlot { .. } => Err(LlmFailure::NoCommand),
        Command::Affirm | Command::Deny | Command::Cancel | Command::GoBack => Err(LlmFailure::NoCommand),
    }
}

/// One line of words, short, without digits: a model that names a price or a day is not listened to.
fn sayable(say: &str) -> Option<String> {
    let say = say.trim();
    let fits = !say.is_empty() && say.chars().count() <= MOST_SAID;
    (fits && !say.chars().any(|c| c.is_control() || c.is_numeric() || "{}<>[]|`\\".contains(c))).then(|| say.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialplan::demo;

    const DAY: Date = jiff::civil::date(2026, 3, 4);

    #[test]
    fn commands_of_names_that_the_line_has_are_taken_and_nothing_else() {
        let plan = demo::plan();
        let end = plan.intents.iter().find(|intent| matches!(intent.then, Target::End(_))).unwrap().name.clone();
        let not_there = |name: &str| Err(LlmFailure::NotThere { name: name.to_owned() });
        let no_command = || Err(LlmFailure::NoCommand);
        let table = [
            (
                r#"{"command":"start_flow","intent":"bill"}"#.to_owned(),
                Ok(Command::StartFlow { intent: "bill".into() }),
            ),
            (" {\"command\":\"no_match\"}\n".to_owned(), Ok(Command::NoMatch)),
            (
                r#"{"command":"answer","entry":"voicemail"}"#.to_owned(),
                Ok(Command::Answer { entry: "voicemail".into() }),
            ),
            (r#"{"command":"start_flow","intent":"wire_money"}"#.to_owned(), not_there("wire_money")),
            (format!(r#"{{"command":"chit_chat","intent":"{end}"}}"#), not_there(&end)),
            (r#"{"command":"chit_chat","intent":"bill"}"#.to_owned(), not_there("bill")),
            (r#"{"command":"clarify","between":["bill","bill"]}"#.to_owned(), not_there("bill")),
            (
                r#"{"command":"clarify","between":["bill","knowledge:nothing"]}"#.to_owned(),
                not_there("knowledge:nothing"),
            ),
            (format!(r#"{{"command":"answer","entry":"{}"}}"#, "x".repeat(5_000)), not_there(&"x".repeat(40))),
            (r#"{"command":"set_slot","slot":"number","value":"1"}"#.to_owned(), no_command()),
            (r#"{"command":"affirm"}"#.to_owned(), no_command()),
            (r#"{"command":"no_match","say":"hello"}"#.to_owned(), no_command()),
            (r#"{"command":"start_flow","intent":"bill"} and more"#.to_owned(), no_command()),
            (r#"{"command":"drop_table"}"#.to_owned(), no_command()),
            ("[]".to_owned(), no_command()),
            (String::new(), no_command()),
        ];
        for (text, expected) in table {
            assert_eq!(read(&text, &plan, DAY).map(|answer| answer.command), expected, "{text}");
        }
        let mut plan = plan;
        plan.knowledge.iter_mut().for_each(|entry| entry.standing.approval = None);
        let told = read(r#"{"command":"answer","entry":"voicemail"}"#, &plan, DAY).map(|answer| answer.command);
        assert_eq!(told, not_there("voicemail"), "not approved");
    }

    #[test]
    fn free_wording_counts_only_where_it_is_allowed_and_harmless() {
        let mut plan = demo::plan();
        let chat = plan.intents.iter().find(|i| i.chat && !matches!(i.then, Target::End(_))).unwrap().name.clone();
        let said = |plan: &Plan, say: &str| {
            let text = serde_json::json!({ "command": "chit_chat", "intent": chat, "say": say }).to_string();
            read(&text, plan, DAY).map(|answer| answer.say)
        };
        assert_eq!(said(&plan, "唔使客氣"), Err(LlmFailure::NoCommand), "approve-first");
        plan.work.llm.free_wording = true;
        assert_eq!(said(&plan, "唔使客氣"), Ok(Some("唔使客氣".to_owned())));
        for harm in ["", "only $5 a month", "{name}", &"長".repeat(MOST_SAID + 1), "a\nb"] {
            assert_eq!(said(&plan, harm), Ok(None), "{harm}");
        }
    }
}
