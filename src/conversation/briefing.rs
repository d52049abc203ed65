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

/// What is counted or measured, in Chinese: the character after a quantity.
const COUNTED: &str = "蚊塊块元毫個个日天月年次件張张分小鐘钟歲岁";
/// The same in English: the word after it.
const MEASURED: &str =
    "dollar dollars cents day days hour hours minute minutes month months year years gigabytes points";

/// A prompt's text with `{name}` replaced. Digits are said one by one, unless what follows makes them a quantity: 「{amount}蚊」.
pub fn render(text: &str, values: &BTreeMap<String, String>, language: Language) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| {
        let field = format!("{{{name}}}");
        let mut parts = text.split(field.as_str());
        let mut filled = parts.next().unwrap_or("").to_owned();
        for behind in parts {
            let said = if is_counted(behind) { value.clone() } else { slot::spoken(value, language) };
            filled.push_str(&said);
            filled.push_str(behind);
        }
        filled
    })
}

/// Whether a number before this text is a quantity.
fn is_counted(behind: &str) -> bool {
    let behind = behind.trim_start();
    let word: String = behind.chars().take_while(char::is_ascii_alphabetic).collect();
    behind.starts_with(|c| COUNTED.contains(c)) || MEASURED.split(' ').any(|unit| unit == word)
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
        let values = BTreeMap::from([("n".to_owned(), "168".to_owned())]);
        let table = [
            ("帳單係{n}蚊，編號{n}。", Language::Cantonese, "帳單係168蚊，編號一六八。"),
            ("用了{n} 個 G", Language::Mandarin, "用了168 個 G"),
            ("{n} dollars are overdue, number {n} day", Language::English, "168 dollars are overdue, number 168 day"),
            ("Your reference is {n}. Days", Language::English, "Your reference is 1 6 8. Days"),
        ];
        for (text, language, expected) in table {
            assert_eq!(render(text, &values, language), expected);
        }
    }
}
