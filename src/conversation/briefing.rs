//! What is said, with its fields filled in: prompts with slot values, and the briefing that an agent hears before the
//! bridge (why, what the caller wanted, in which language), in the agent's language.

use std::collections::BTreeMap;

use crate::conversation::slot;
use crate::dialplan::Plan;
use crate::dialplan::check::BRIEFING;
use crate::journal::escalation::ReasonCode;
use crate::speech::Language;

/// Longest quotation of the caller in a briefing, in characters.
const QUOTED: usize = 40;

/// What is known of a call when a human is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The rule that asked for a human.
    pub rule: &'a str,
    /// Why, of the closed list.
    pub reason: ReasonCode,
    /// Intents understood so far, the latest last.
    pub wanted: &'a [usize],
    /// The caller's language.
    pub caller: Language,
    /// The caller's last words.
    pub said: &'a str,
}

/// A prompt's text with `{name}` replaced; digits are written as they are said.
pub fn render(text: &str, values: &BTreeMap<String, String>, language: Language) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), &slot::spoken(value, language))
    })
}

/// The briefing's words.
pub fn text(plan: &Plan, facts: Facts<'_>, language: Language) -> String {
    let label = |id: &str| plan.labels.get(id, language).unwrap_or(id).to_owned();
    let own = plan.labels.get(facts.reason.code(), language).filter(|_| facts.reason != ReasonCode::Planned);
    let by_rule = match facts.rule.split(':').next().unwrap_or(facts.rule) {
        "asked_for_human" => label("asked_for_human"),
        "urgent" => label("urgent"),
        "no_input" => label("no_input"),
        "key" => label("key"),
        "intent" => label(facts.rule.split(':').nth(1).unwrap_or("nothing")),
        _ => label("unresolved"),
    };
    let reason = own.map_or(by_rule, str::to_owned);
    let mut names: Vec<String> = Vec::new();
    for name in facts.wanted.iter().rev().filter_map(|intent| plan.intents.get(*intent)) {
        let name = label(&name.name);
        if names.len() < 2 && !names.contains(&name) {
            names.push(name);
        }
    }
    let joiner = if language == Language::English { ", " } else { "、" };
    let wanted = if names.is_empty() { label("nothing") } else { names.join(joiner) };
    let said: String = facts.said.chars().take(QUOTED).collect();
    let template = plan.prompts.get(BRIEFING, language).unwrap_or("{reason}. {wanted}.");
    let fields = [("reason", reason), ("wanted", wanted), ("language", label(facts.caller.code())), ("said", said)];
    fields.into_iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), &value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialplan::demo;

    #[test]
    fn an_agent_hears_why_what_and_in_which_language() {
        let plan = demo::plan();
        let number = |name: &str| plan.intents.iter().position(|intent| intent.name == name).unwrap();
        let wanted = [number("bill"), number("roaming"), number("roaming")];
        let facts = Facts {
            rule: "intent:lost",
            reason: ReasonCode::Planned,
            wanted: &wanted,
            caller: Language::Mandarin,
            said: "",
        };
        assert_eq!(
            text(&plan, facts, Language::Cantonese),
            "有客人轉駁。原因：遺失電話或者電話卡。查詢：漫遊、查賬單。客人講普通話。接聽請按一，唔接請按二。"
        );
        let facts = Facts {
            rule: "no_match:2",
            reason: ReasonCode::Unresolved,
            wanted: &[],
            caller: Language::English,
            said: "",
        };
        assert!(text(&plan, facts, Language::English).contains("Reason: the bot could not help. About: not clear."));
    }

    #[test]
    fn fields_are_filled_as_they_are_said() {
        let values = BTreeMap::from([("number".to_owned(), "91234567".to_owned())]);
        assert_eq!(render("打去{number}。", &values, Language::Cantonese), "打去九一二三，四五六七。");
        assert_eq!(render("{other}", &values, Language::English), "{other}");
    }
}
