//! Reads `extensions.conf` (Asterisk 13 and later): contexts, `exten`, `same`, `include`; comments. What it means is Asterisk's;
//! here is only what can be carried over to a hotline, and a word for each line that cannot. Variables are not filled in, files
//! that are included are not read.

use std::collections::BTreeMap;
use std::fmt;

use crate::dialplan::calendar::DaySpan;
use crate::dialplan::pattern::Pattern;

/// Most lines that are looked at.
const LINES: usize = 100_000;
/// Extensions that are no numbers (docs.asterisk.org, "Special Dialplan Extensions").
const SPECIAL: [&str; 10] = ["s", "i", "t", "h", "o", "a", "e", "T", "fax", "failed"];

/// One line that does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// From 1.
    line: usize,
    context: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// An application of an extension.
    App { exten: String, app: String, args: Vec<String> },
    /// Another context's extensions, perhaps at some times only.
    Include { context: String, times: Vec<String> },
    /// Anything else, as it was written.
    Other(String),
}

/// What a line became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    line: usize,
    /// False: a person must decide.
    pub carried: bool,
    text: String,
    note: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.carried { "carried" } else { "NOT    " };
        write!(f, "{mark} line {}: {}: {}", self.line, self.text, self.note)
    }
}

/// What a hotline takes from a context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// In Asterisk's order of preference, so that the first match is its best match.
    pub numbers: Vec<String>,
    /// Telephones.
    pub ring: Vec<String>,
    pub ring_seconds: Option<u16>,
    /// `mon-fri 09:00-18:00`.
    pub hours: Vec<String>,
    pub lines: Vec<Line>,
}

/// The lines of a file that do something.
pub fn steps(text: &str) -> Vec<Step> {
    let mut all = Vec::new();
    let (mut context, mut exten) = ("general".to_owned(), String::new());
    let mut comment = false;
    for (at, raw) in text.lines().enumerate().take(LINES) {
        let line = uncommented(raw, &mut comment);
        let line = line.trim();
        if let Some(rest) = line.strip_prefix('[') {
            rest.split_once(']').map_or(rest, |(name, _)| name).clone_into(&mut context);
            continue;
        }
        if line.is_empty() || context == "general" || context == "globals" {
            continue;
        }
        let (key, value) =
            line.split_once('=').map_or((line, ""), |(k, v)| (k.trim(), v.trim_start_matches('>').trim()));
        let what = match key {
            "exten" => {
                let (name, rest) = value.split_once(',').unwrap_or((value, ""));
                name.trim().clone_into(&mut exten);
                app(&exten, rest)
            }
            "same" => app(&exten, value),
            "include" => {
                let mut parts = value.split([',', '|']).map(|part| part.trim().to_owned());
                Some(What::Include { context: parts.next().unwrap_or_default(), times: parts.collect() })
            }
            _ => None,
        };
        let what = what.unwrap_or_else(|| What::Other(line.to_owned()));
        all.push(Step { line: at + 1, context: context.clone(), what });
    }
    all
}

/// A line without its comments: `;` to the end, `;--` to `--;` over lines; `\;` is a semicolon.
fn uncommented(raw: &str, inside: &mut bool) -> String {
    let (mut text, mut rest) = (String::new(), raw);
    loop {
        if *inside {
            let Some((_, after)) = rest.split_once("--;") else { return text };
            (*inside, rest) = (false, after);
        }
        let Some(at) = rest.find(';') else { return text + rest };
        let (before, after) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('\\') {
            text = text + before + ";";
            rest = after.get(1..).unwrap_or("");
        } else if after.starts_with(";--") && !after.starts_with(";---") {
            text += before;
            (*inside, rest) = (true, after.get(3..).unwrap_or(""));
        } else {
            return text + before;
        }
    }
}

/// `1(label),Dial(PJSIP/6001,25)` of an extension.
fn app(exten: &str, rest: &str) -> Option<What> {
    let (_priority, call) = rest.split_once(',')?;
    let (app, args) =
        call.split_once('(').map_or((call, ""), |(app, args)| (app, args.trim_end().trim_end_matches(')')));
    let args = split(args);
    Some(What::App { exten: exten.to_owned(), app: app.trim().to_owned(), args })
}

/// Arguments: commas within brackets and quotes do not count.
fn split(text: &str) -> Vec<String> {
    let (mut all, mut depth, mut quoted) = (vec![String::new()], 0_i32, false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth -= 1,
            _ => {}
        }
        match all.last_mut() {
            Some(_) if c == ',' && depth <= 0 && !quoted => all.push(String::new()),
            Some(last) => last.push(c),
            None => {}
        }
    }
    all
}

/// Every context with its numbers.
pub fn contexts(steps: &[Step]) -> Vec<(String, Vec<String>)> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for step in steps {
        let numbers = all.entry(step.context.clone()).or_default();
        if let What::App { exten, .. } = &step.what
            && !numbers.contains(exten)
        {
            numbers.push(exten.clone());
        }
    }
    all.into_iter().collect()
}

/// What a hotline takes from a context. The numbers of contexts that it includes stay where they are: they are mostly telephones.
pub fn carry(steps: &[Step], context: &str) -> Carried {
    let mut carried = Carried::default();
    for step in steps.iter().filter(|step| step.context == context) {
        let (text, outcome) = match &step.what {
            What::App { exten, app, args } => {
                number(exten, step.line, &mut carried);
                (format!("{app}({})", args.join(",")), application(app, args, &mut carried))
            }
            What::Include { context, times } => (format!("include {context}"), included(context, times, &mut carried)),
            What::Other(text) => (text.clone(), Err("is not understood here".to_owned())),
        };
        let (is_carried, note) = outcome.map_or_else(|note| (false, note), |note| (true, note));
        carried.lines.push(Line { line: step.line, carried: is_carried, text, note });
    }
    let pattern = |text: &String| text.parse::<Pattern>().ok();
    carried.numbers.sort_by(|a, b| match (pattern(a), pattern(b)) {
        (Some(a), Some(b)) => b.asterisk_prefers(&a).cmp(&a.asterisk_prefers(&b)),
        _ => std::cmp::Ordering::Equal,
    });
    carried
}

/// The extension as a number of the hotline, once.
fn number(exten: &str, line: usize, carried: &mut Carried) {
    let (number, caller) = exten.split_once('/').map_or((exten, None), |(number, caller)| (number, Some(caller)));
    let known = carried.numbers.iter().any(|known| known == number);
    let note = |carried: &mut Carried, is_carried, note: String| {
        carried.lines.push(Line { line, carried: is_carried, text: format!("exten {exten}"), note });
    };
    match number.parse::<Pattern>() {
        _ if known => {}
        _ if SPECIAL.contains(&number) => {}
        _ if number.contains("${") => note(carried, false, "has a variable in it".to_owned()),
        Err(error) => note(carried, false, error.to_string()),
        Ok(_) => {
            carried.numbers.push(number.to_owned());
            note(carried, true, format!("numbers: {number}"));
            if let Some(caller) = caller {
                note(carried, false, format!("no route looks at the caller's number ({caller})"));
            }
        }
    }
}

/// What an application became, or why not.
fn application(app: &str, args: &[String], carried: &mut Carried) -> Result<String, String> {
    let first = args.first().map_or("", String::as_str);
    match app.to_ascii_lowercase().as_str() {
        "answer" | "noop" | "wait" | "hangup" | "progress" | "ringing" | "verbose" => Ok("needs no line".to_owned()),
        "mixmonitor" | "monitor" => Ok("recording = true".to_owned()),
        "dial" => dial(args, carried),
        "gotoiftime" => {
            let times: Vec<String> = first.split('?').next().unwrap_or("").split('|').map(str::to_owned).collect();
            let times = if times.len() > 1 { times } else { args.to_vec() };
            let times: Vec<String> =
                times.iter().map(|t| t.split('?').next().unwrap_or("").trim().to_owned()).collect();
            hours(&times, carried)
        }
        "playback" | "background" => {
            Err(format!("write what '{first}' says into prompts/, and what callers want as [intent.NAME]"))
        }
        "waitexten" | "read" => Err("keys: [dialogue] menu; 0 is always a person".to_owned()),
        "queue" => Err(format!("write the members of queue '{first}' into [queue.general] ring")),
        "voicemail" => Err("there is no voicemail here; 'closed' and 'no_agent' say what is said instead".to_owned()),
        "goto" | "gotoif" | "gosub" | "gosubif" | "macro" => Err("leads elsewhere; look there".to_owned()),
        "set" => Err("a variable; the language follows the caller".to_owned()),
        _ => Err("has no counterpart".to_owned()),
    }
}

/// `Dial(PJSIP/6001&SIP/6002@trunk,25)`.
fn dial(args: &[String], carried: &mut Carried) -> Result<String, String> {
    let mut users = Vec::new();
    for target in args.first().map_or("", String::as_str).split('&') {
        let (technology, rest) = target.split_once('/').unwrap_or(("", target));
        let user = rest.split(['@', '/']).next().unwrap_or("");
        let plain = !user.is_empty() && user.chars().all(|c| c.is_ascii_alphanumeric() || "+-_.".contains(c));
        match technology.to_ascii_uppercase().as_str() {
            "PJSIP" | "SIP" | "IAX2" if plain => users.push(user.to_owned()),
            _ => return Err(format!("'{target}' is no telephone that can be written down")),
        }
    }
    users.retain(|user| !carried.ring.contains(user));
    carried.ring.extend(users);
    if let Some(seconds) = args.get(1).and_then(|text| text.parse().ok()).filter(|s| (1..=300).contains(s)) {
        carried.ring_seconds = Some(seconds);
    }
    Ok(format!("[queue.general] ring: {}", carried.ring.join(", ")))
}

fn included(context: &str, times: &[String], carried: &mut Carried) -> Result<String, String> {
    let left = format!("the numbers of [{context}] stay in Asterisk; import it by itself where they belong here");
    if times.is_empty() { Err(left) } else { hours(times, carried).map(|hours| format!("{hours}; {left}")) }
}

/// `09:00-18:00,mon-fri,*,*`: hours of the week where days of the month and months are `*`.
fn hours(times: &[String], carried: &mut Carried) -> Result<String, String> {
    let get = |at: usize| times.get(at).map_or("*", |text| text.trim());
    let time = if get(0) == "*" { "00:00-24:00".to_owned() } else { get(0).to_owned() };
    let days = if get(1) == "*" { "mon-sun".to_owned() } else { get(1).to_ascii_lowercase().replace('&', ",") };
    let text = format!("{days} {time}");
    match (get(2), get(3), text.parse::<DaySpan>()) {
        ("*", "*", Ok(_)) => {
            if !carried.hours.contains(&text) {
                carried.hours.push(text.clone());
            }
            Ok(format!("[hours] open: {text}; Asterisk's line may mean the opposite, look at where it leads"))
        }
        (_, _, Err(_)) => Err(format!("no hours: {}", times.join(","))),
        _ => Err("days of the month: write them as [[hours.special]]; general holidays are closed already".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
[general]
static=yes
[globals]
X=1
[from-trunk]   ; calls of the carrier
exten => _18XX,1,NoOp(a \; b)
 same => n,GotoIfTime(09:00-18:00,mon-fri,*,*?open,1)
 same => n,GotoIfTime(*,*,25,dec?closed,1)
exten => 1823,1(start),Answer()
same => n,Set(CHANNEL(language)=yue)
;-- not this
exten => 9999,1,Dial(SIP/9999)
--;
 same => n,Background(menu,,en)
 same => n,Dial(PJSIP/6001&SIP/6002@pbx,30,tT)
 same => n,Dial(Local/${EXTEN}@x)
 same => n,Voicemail(6001@default,u)
exten => _21[,1,Hangup
exten => 2000/91234567,1,Queue(support,t)
exten => h,1,Hangup()
include => more,09:00-13:00,sat,*,*
ignorepat => 9
[more]
exten => _3.,1,Macro(x)
include => from-trunk
[other]
exten => 7,1,Hangup()
"#;

    #[test]
    fn a_context_becomes_what_a_hotline_can_hold() {
        let carried = carry(&steps(FILE), "from-trunk");
        assert_eq!(carried.numbers, ["1823", "2000", "_18XX"]);
        assert_eq!((carried.ring.join(" "), carried.ring_seconds), ("6001 6002".to_owned(), Some(30)));
        assert_eq!(carried.hours, ["mon-fri 09:00-18:00", "sat 09:00-13:00"]);
        let report: Vec<String> = carried.lines.iter().map(ToString::to_string).collect();
        for expected in [
            "carried line 7: NoOp(a ; b): needs no line",
            "NOT     line 9: GotoIfTime(*,*,25,dec?closed,1): days of the month: write them as [[hours.special]]; general holidays are closed already",
            "NOT     line 11: Set(CHANNEL(language)=yue): a variable; the language follows the caller",
            "carried line 16: Dial(PJSIP/6001&SIP/6002@pbx,30,tT): [queue.general] ring: 6001, 6002",
            "NOT     line 17: Dial(Local/${EXTEN}@x): 'Local/${EXTEN}@x' is no telephone that can be written down",
            "NOT     line 19: exten _21[: has a '[' without its ']' or with nothing inside",
            "NOT     line 20: exten 2000/91234567: no route looks at the caller's number (91234567)",
            "NOT     line 23: ignorepat => 9: is not understood here",
        ] {
            assert!(report.iter().any(|line| line == expected), "{expected}\n{report:#?}");
        }
        let include = report.iter().find(|line| line.contains("include more")).unwrap();
        assert!(include.starts_with("carried line 22") && include.contains("[more] stay in Asterisk"), "{include}");
        assert!(!report.iter().any(|line| line.contains("9999")), "{report:#?}");
    }

    #[test]
    fn contexts_are_listed_with_their_numbers() {
        let names: Vec<String> =
            contexts(&steps(FILE)).into_iter().map(|(name, n)| format!("{name} {}", n.len())).collect();
        assert_eq!(names, ["from-trunk 5", "more 1", "other 1"]);
    }

    #[test]
    fn nonsense_is_no_panic() {
        for text in
            ["[", "exten", "[x]\nexten =>\nsame =>\n;--", "[x]\nexten => 1,1,Dial(\ninclude =>", "[x]\n\\;=\u{0}"]
        {
            carry(&steps(text), "x");
        }
    }
}
