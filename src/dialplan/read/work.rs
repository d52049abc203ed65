//! `[workflow.NAME]` with its `[[workflow.NAME.steps]]`, and `[tool.NAME]`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Reader, needed, slot, there};
use crate::dialplan::schema::Target;
use crate::dialplan::workflow::{
    Branch, Condition, Limit, LlmUse, MOST, MOST_STEPS, Method, ResultPath, Step, StepAct, Tool, Work, Workflow,
};
use crate::settings::Section;

use super::values::Span;

/// What an attempt may take where the plan says nothing.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest that an attempt may take: a caller waits.
const LONGEST: Duration = Duration::from_secs(30);
/// Largest answer where the plan says nothing, bytes.
const ANSWER: i64 = 64 << 10;
/// Most results of one tool, and most headers.
const RESULTS: usize = 32;
/// What a step may be.
const KINDS: [&str; 6] = ["say", "ask", "tool", "confirm", "when", "then"];

/// Whether a language model may be asked.
fn llm(mut section: Section<'_>) -> LlmUse {
    let ask = section.boolean("ask").unwrap_or(false);
    let free_wording = section.boolean("free_wording").unwrap_or(false);
    if free_wording && !ask {
        section.problem("free_wording", "needs ask = true: nobody is asked for words");
    }
    section.finish();
    LlmUse { ask, free_wording }
}

impl Reader {
    /// Everything that is done in steps.
    pub(super) fn work(&self, root: &mut Section<'_>) -> Work {
        let tools: BTreeMap<_, _> = root
            .named_sections("tool")
            .into_iter()
            .map(|(name, section)| (name.clone(), tool(name, section)))
            .collect();
        let names: Vec<String> = tools.keys().cloned().collect();
        let sections = root.named_sections("workflow");
        if sections.len() > MOST || tools.len() > MOST {
            root.problem("workflow", format_args!("expected at most {MOST} workflows and {MOST} tools"));
        }
        let read = |(name, section): (String, Section<'_>)| (name.clone(), self.workflow(name, section, &names));
        let workflows = sections.into_iter().map(read).collect();
        Work { workflows, tools, scripts: Vec::new(), llm: llm(root.section("llm")) }
    }

    fn workflow(&self, name: String, mut section: Section<'_>, tools: &[String]) -> Workflow {
        let mut sections = section.sections("steps");
        let given: Vec<Option<String>> = sections.iter_mut().map(|step| step.string("name")).collect();
        if section.is_present() && (given.is_empty() || given.len() > MOST_STEPS) {
            section.problem("steps", format_args!("expected 1 to {MOST_STEPS} [[workflow.{name}.steps]]"));
        }
        let names: Vec<String> =
            given.iter().enumerate().map(|(at, name)| name.clone().unwrap_or_else(|| (at + 1).to_string())).collect();
        let mut steps = Vec::new();
        for (at, mut section) in sections.into_iter().enumerate().take(MOST_STEPS) {
            if names.iter().take(at).any(|earlier| *earlier == names[at]) {
                section.problem("name", format_args!("another step is called '{}'", names[at]));
            }
            let act = self.act(&mut section, &names, tools);
            section.finish();
            let act = act.unwrap_or(StepAct::Say(String::new()));
            steps.push(Step { name: names[at].clone(), act });
        }
        section.finish();
        Workflow { name, steps }
    }

    fn act(&self, section: &mut Section<'_>, steps: &[String], tools: &[String]) -> Option<StepAct> {
        // Every kind is asked for, so that the schema has all of them.
        let say = section.string("say");
        let ask = section.section("ask");
        let asks = ask.is_present();
        let ask = if asks { slot(ask) } else { None };
        let (tool, confirm) = (section.string("tool"), section.string("confirm"));
        let condition = section.parsed::<Condition>("when", "a condition such as \"status == 'shipped'\"");
        let then = self.branch(section, "then", steps);
        let [fail, no, otherwise, after] =
            ["fail", "no", "otherwise", "after"].map(|key| self.branch(section, key, steps));
        let at_most = section.integer("at_most", 1..=9).and_then(|n| u8::try_from(n).ok());
        let mut has = |key: &str| if key == "ask" { asks } else { section.string(key).is_some() };
        let there_are = KINDS.map(|kind| (kind, has(kind)));
        let with_when = there_are.contains(&("when", true));
        let kinds: Vec<&str> = there_are
            .into_iter()
            .filter(|(kind, has)| *has && !(*kind == "then" && with_when))
            .map(|(kind, _)| kind)
            .collect();
        let [kind] = kinds.as_slice() else {
            let message = format!("expected one of {}", KINDS.join(", "));
            let found = if kinds.is_empty() { "none".to_owned() } else { kinds.join(" and ") };
            section.problem(kinds.last().copied().unwrap_or(""), format_args!("{message}; found {found}"));
            return None;
        };
        let belongs = [
            (fail.is_some(), "fail", "tool"),
            (no.is_some(), "no", "confirm"),
            (otherwise.is_some(), "otherwise", "when"),
            (after.is_some(), "after", "then"),
            (at_most.is_some(), "at_most", "then"),
        ];
        for (_, key, with) in belongs.into_iter().filter(|(has, _, with)| *has && with != kind) {
            section.problem(key, format_args!("belongs to a step with '{with}'"));
        }
        let must =
            |section: &Section<'_>, key: &str, what: &str, branch: Option<Branch>| section.required(key, what, branch);
        Some(match *kind {
            "say" => StepAct::Say(say?),
            "ask" => StepAct::Ask(ask?),
            "tool" => {
                let tool = tool?;
                there(section, "tool", ("tool", &tool), tools);
                let fail = must(section, "fail", "where it leads when the tool fails, e.g. \"go:general\"", fail);
                StepAct::Call { tool, fail: fail? }
            }
            "confirm" => {
                let no = must(section, "no", "where a no leads, e.g. \"say:not_booked\"", no);
                StepAct::Confirm { prompt: confirm?, no: no? }
            }
            "when" => {
                let then = must(section, "then", "where it leads when that holds", then);
                StepAct::When { condition: condition?, then: then?, otherwise }
            }
            _ => {
                let limit = match (at_most, after) {
                    (Some(at_most), Some(after)) => Some(Limit { at_most, after }),
                    (None, None) => None,
                    (Some(_), None) | (None, Some(_)) => {
                        section
                            .problem("then", "at_most and after belong together: how often, and where it leads then");
                        None
                    }
                };
                StepAct::Then { to: then?, limit }
            }
        })
    }

    fn branch(&self, section: &mut Section<'_>, key: &str, steps: &[String]) -> Option<Branch> {
        let text = section.string(key)?;
        let Some(name) = text.strip_prefix("step:") else { return self.leaving(section, key) };
        there(section, key, ("step", name), steps);
        steps.iter().position(|step| step == name).map(Branch::Step)
    }

    /// A workflow does not run another: two that run each other would never end.
    fn leaving(&self, section: &mut Section<'_>, key: &str) -> Option<Branch> {
        let target = self.target(section, key)?;
        if matches!(target, Target::Run(_)) {
            section.problem(
                key,
                "a workflow does not run another; expected step:NAME, say:PROMPT, go:QUEUE or end:PROMPT",
            );
        }
        Some(Branch::Leave(target))
    }
}

fn tool(name: String, mut section: Section<'_>) -> Tool {
    let method = section.parsed::<Method>("method", "GET, POST, PUT, PATCH or DELETE").unwrap_or(Method::Get);
    let timeout = section.parsed::<Span>("timeout", "a time such as \"5s\"").map_or(TIMEOUT, |span| span.0);
    if timeout > LONGEST {
        section.problem("timeout", format_args!("a caller waits: at most {} s", LONGEST.as_secs()));
    }
    let retries = section.integer("retries", 0..=3).and_then(|n| u8::try_from(n).ok()).unwrap_or(0);
    if retries > 0 && !method.is_idempotent() {
        let what = "is not tried again: a second one could do it twice; only GET, PUT and DELETE are";
        section.problem("retries", format_args!("{} {what}", method.as_str()));
    }
    let host = section.string("host");
    let host = section.required("host", "the name of a [[host]] in the configuration", host).unwrap_or_default();
    let path = section.string("path");
    let path = section.required("path", "a path such as \"/orders/{order}\"", path).unwrap_or_default();
    if section.is_present() && !is_path(&path) {
        section.problem("path", "expected a path that begins with one '/', without spaces or '#'; values as {name}");
    }
    let body = section.string("body").and_then(|text| match serde_json::from_str(&text) {
        Ok(body) => Some(body),
        Err(error) => {
            section.problem("body", format_args!("expected JSON: {error}"));
            None
        }
    });
    if body.is_some() && matches!(method, Method::Get | Method::Delete) {
        section.problem("body", format_args!("a {} has none", method.as_str()));
    }
    let (headers, results) = (headers(section.section("headers")), results(section.section("results")));
    let most = section.integer("max_bytes", 1..=1 << 20).unwrap_or(ANSWER);
    let tool = Tool {
        name,
        host,
        path,
        headers,
        body,
        results,
        timeout: timeout.min(LONGEST),
        retries,
        changes: section.boolean("changes").unwrap_or(method != Method::Get),
        filler: needed(&mut section, "filler"),
        max_bytes: usize::try_from(most).unwrap_or(1 << 16),
        method,
    };
    section.finish();
    tool
}

/// RFC 3986 3.3 and 3.4, with `{name}` among it.
fn is_path(path: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?%{}".contains(c);
    path.starts_with('/') && !path.starts_with("//") && path.chars().all(fits)
}

fn headers(mut section: Section<'_>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for name in section.keys() {
        let Some(text) = section.string(&name) else { continue };
        let lower = name.to_ascii_lowercase();
        let secret =
            ["authorization", "cookie", "token", "key", "secret", "password"].iter().any(|w| lower.contains(w));
        let fields = crate::dialplan::workflow::placeholders(&text);
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            || !text.chars().all(|c| (' '..='~').contains(&c))
        {
            section.problem(&name, "expected a header's name, and a value of ASCII");
        } else if ["host", "content-length", "transfer-encoding", "connection"].contains(&lower.as_str()) {
            section.problem(&name, "is set by the gateway");
        } else if fields.iter().any(|field| !field.starts_with("secret:")) {
            section.problem(&name, "holds no values of a caller, only {secret:NAME} of the host's secrets");
        } else if secret && fields.is_empty() {
            section.problem(
                &name,
                "a secret does not stand in a plan: {secret:NAME} names one of the host's in the configuration",
            );
        }
        all.insert(name, text);
    }
    if all.len() > RESULTS {
        section.problem("", format_args!("expected at most {RESULTS}"));
    }
    section.finish();
    all
}

fn results(mut section: Section<'_>) -> Vec<ResultPath> {
    let mut all = Vec::new();
    for name in section.keys() {
        let Some(text) = section.string(&name) else { continue };
        let (pointer, always) = text.strip_suffix('?').map_or((text.as_str(), true), |pointer| (pointer, false));
        if !pointer.starts_with('/') {
            section.problem(
                &name,
                "expected a JSON pointer such as \"/order/status\"; with a ? at its end it may be absent",
            );
        }
        all.push(ResultPath { name, pointer: pointer.to_owned(), always });
    }
    if all.len() > RESULTS {
        section.problem("", format_args!("expected at most {RESULTS}"));
    }
    section.finish();
    all
}
