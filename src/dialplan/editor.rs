//! JSON Schemas of a dialplan's files, for editors that complete and underline (`#:schema ../schema/plan.json` for Taplo).
//! Made by the reader itself: it reads a specimen in which every table occurs, and what it asks for is the schema.
//! Is not a check: what a schema cannot say (a queue that does not exist) `tingwa check` says.

use std::collections::BTreeMap;

use serde_json::Value;

use super::read::{PlanFiles, read_files};
use crate::settings::Problems;
use crate::speech::Language;

/// Has every table that a plan may have.
const SPECIMEN: &str = r#"
languages = ["yue", "cmn", "eng"]
[dialogue]
menu = { 1 = "repeat" }
[memory]
[memory.same_as_last]
[hours]
[[hours.special]]
[queue.NAME]
[intent.NAME]
[[intent.NAME.slots]]
[intent.NAME.slots.choices]
NAME = []
[[workflow.NAME.steps]]
ask = { choices = { NAME = [] } }
[tool.NAME]
headers = { NAME = "" }
results = { NAME = "" }
"#;

/// Name of a file's schema, the schema.
pub fn schemas() -> Vec<(&'static str, Value)> {
    let files = [
        ("plan", "plan.toml", SPECIMEN, "A tingwa dialplan"),
        (
            "prompts",
            "prompts/yue.toml",
            "[say]\nNAME = \"\"\n[labels]\nNAME = \"\"\n",
            "What the bot says in one language",
        ),
        ("phrases", "phrases/yue.toml", "NAME = []\n", "What callers say in one language, by intent"),
        ("knowledge", "knowledge/yue.toml", "[NAME]\n", "Questions and answers in one language"),
        ("script", "scripts/NAME.toml", "", "A text that is spoken word for word"),
        ("entries", "knowledge/entries.toml", "[NAME]\n", "Tags, days and approval of questions and answers"),
    ];
    let texts = |full: bool| -> BTreeMap<String, String> {
        let text = |text: &str| if full { text.to_owned() } else { String::new() };
        files.iter().map(|(_, path, specimen, _)| ((*path).to_owned(), text(specimen))).collect()
    };
    let read = |full| {
        let listening = Problems::listening();
        let files = PlanFiles { name: "x".to_owned(), folder: "x".to_owned(), files: texts(full) };
        read_files(&files, &listening);
        listening
    };
    let (full, empty) = (read(true), read(false));
    let all = files.iter().map(|(name, path, _, title)| (*name, full.schema(&empty, &format!("x/{path}"), title)));
    all.map(|(name, schema)| (name, if name == "script" { of_any_languages(schema) } else { schema })).collect()
}

/// A plan has the languages that it has; a schema cannot know which.
fn of_any_languages(mut schema: Value) -> Value {
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|key| Language::ALL.iter().all(|language| key != language.code()));
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialplan::demo;

    fn schema(name: &str) -> Value {
        schemas().into_iter().find(|(n, _)| *n == name).unwrap().1
    }

    #[test]
    fn the_schema_knows_what_the_reader_knows() {
        let plan = schema("plan");
        assert_eq!(plan["required"], serde_json::json!(["languages", "numbers", "dialogue", "escalation"]));
        let queue = &plan["properties"]["queue"]["additionalProperties"];
        assert_eq!(queue["required"], serde_json::json!(["ring", "no_agent"]));
        assert_eq!(queue["properties"]["ring_timeout"]["description"], "a time such as \"25s\"");
        let special = &plan["properties"]["hours"]["properties"]["special"]["items"];
        assert_eq!(special["required"], serde_json::json!(["on", "open"]));
        assert_eq!(plan["properties"]["escalation"]["properties"]["unresolved"]["maximum"], 9);
        assert_eq!(schema("phrases")["additionalProperties"]["type"], "array");
        assert_eq!(schema("knowledge")["additionalProperties"]["required"], serde_json::json!(["questions", "answer"]));
    }

    /// Follows every key of a file through its schema.
    fn walk(value: &toml::Value, schema: &Value, path: &str) {
        match value {
            toml::Value::Table(table) => {
                assert_eq!(schema["type"], "object", "{path}");
                for (key, value) in table {
                    let known = schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]);
                    assert!(known.is_object(), "{path}.{key} is in no schema");
                    walk(value, known, &format!("{path}.{key}"));
                }
                for key in schema["required"].as_array().into_iter().flatten() {
                    assert!(table.contains_key(key.as_str().unwrap()), "{path} has no {key}");
                }
            }
            toml::Value::Array(all) => all.iter().for_each(|value| walk(value, &schema["items"], path)),
            toml::Value::String(_) => assert_eq!(schema["type"], "string", "{path}"),
            toml::Value::Boolean(_) => assert_eq!(schema["type"], "boolean", "{path}"),
            toml::Value::Integer(_) => assert_eq!(schema["type"], "integer", "{path}"),
            other => panic!("{path}: {other}"),
        }
    }

    #[test]
    fn the_demo_line_holds_to_the_schemas() {
        for (path, text) in demo::files().files {
            let name = path.split(['/', '.']).find(|part| *part == "entries").or(path.split(['/', '.']).next());
            let name = name.unwrap().to_owned();
            walk(&toml::from_str(&text).unwrap(), &schema(&name), &path);
        }
    }

    #[test]
    fn the_published_schemas_are_those_of_the_reader() {
        let published = [
            ("plan", include_str!("../../dialplans/schema/plan.json")),
            ("prompts", include_str!("../../dialplans/schema/prompts.json")),
            ("phrases", include_str!("../../dialplans/schema/phrases.json")),
            ("knowledge", include_str!("../../dialplans/schema/knowledge.json")),
            ("entries", include_str!("../../dialplans/schema/entries.json")),
            ("script", include_str!("../../dialplans/schema/script.json")),
        ];
        for (name, text) in published {
            let told: Value = serde_json::from_str(text).unwrap();
            assert_eq!(told, schema(name), "{name}: `tingwa schema --write dialplans/schema` brings it up to date");
        }
    }
}
