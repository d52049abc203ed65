//! Conversations that the business writes and `tingwa check` runs against a plan, one step a line:
//!
//! ```text
//! # a comment
//! at       2026-02-18T21:00        wall time of the line, before anything else; else a working Wednesday, 15:00
//! signal   typhoon 8                hoisted, before the first turn; also `rain black`, `extreme`
//! caller   我想搵真人傾             a turn as the recogniser writes it
//! interrupts 唔使讀喇               the same, before what the bot says is heard to its end
//! digit    1                       keys, one or several
//! pause                            the caller stops pressing keys
//! silence                          the caller says nothing
//! recogniser lost                  speech recognition fails: keys only from here on
//! agent    no-answer 25s           how the transfer ends: no-answer busy declined refused never-accepted hung-up
//!                                  unreachable unavailable accepts
//! tool     order -> {"status": "shipped"}    the tool answers with this; `fails`, `fails 500`; `late`: the filler is due
//! asked    GET shop/orders/123     part of what the tool was asked, its body included
//! bot      好，幫你轉駁緊           the bot says this (part of it is enough); `bot @greeting` names the prompt
//! decision escalate asked_for_human queue=general intent=bill language=yue prompt=bill
//! escalated takeover fraud transferred    level, reason and outcome; `escalated none`: nobody was told anything
//! briefing 客人要求搵真人           part of what the agent is told
//! language eng                     language of the last reply
//! end                              the bot has hung up
//! ```
//! Expectations look at what the step before them brought. Every prompt counts as spoken to its end.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::conversation::{Conversation, Input, Output, Say, ToolOutcome, ToolReply, ToolRequest, Understanding};
use crate::dialplan::Plan;
use crate::dialplan::calendar::{HONG_KONG, Moment, Rain, SignalError, Signals, Typhoon, instant};
use crate::dialplan::check::BRIEFING;
use crate::ids::UtteranceId;
use crate::journal::{Act, Decision, Entry, ToolFailure, TransferFailure};
use crate::redact::Redacted;
use crate::settings::{Problem, Problems, nearest};
use crate::speech::{Language, Transcript};

/// Most steps of one scenario.
const MOST_STEPS: usize = 1000;
/// Keys count as paused after this; longer than the conversation waits.
const PAUSE: Duration = Duration::from_secs(10);
/// The year 2242: a signal's end that no scenario sees.
const FOREVER: Duration = Duration::from_secs(1 << 33);
/// 2026-03-04, a Wednesday and no holiday, 15:00 in Hong Kong.
const USUAL_TIME: u64 = 1_772_607_600;

/// What scenarios have reached, to be held against the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Steps that were run.
    pub steps: usize,
    /// Intents that were understood.
    pub intents: BTreeSet<String>,
    /// Prompts that were said, `knowledge:NAME` among them.
    pub prompts: BTreeSet<String>,
    /// Queues that callers came to.
    pub queues: BTreeSet<String>,
    /// Tools that were asked.
    pub tools: BTreeSet<String>,
    /// Decisions that were made.
    pub decisions: usize,
    /// Decisions without a rule, and turns without a decision.
    pub unexplained: usize,
}

impl Reached {
    /// Adds what another scenario has reached.
    pub fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.intents.extend(other.intents);
        self.prompts.extend(other.prompts);
        self.queues.extend(other.queues);
        self.tools.extend(other.tools);
        self.decisions += other.decisions;
        self.unexplained += other.unexplained;
    }

    /// What of the plan no scenario has reached: `intent bill`, `prompt closed`, `question password`, `queue general`.
    pub fn missing(&self, plan: &Plan) -> Vec<String> {
        let intents = plan.intents.iter().map(|intent| &intent.name).filter(|name| !self.intents.contains(*name));
        let spoken = plan.prompts.0.keys().filter(|id| *id != BRIEFING && !self.prompts.contains(*id));
        let questions = plan.knowledge.iter().filter(|q| q.standing.approval.is_some());
        let questions = questions.filter(|question| !self.prompts.contains(&question.prompt_id));
        let queues = plan.queues.keys().filter(|name| !self.queues.contains(*name));
        let intents = intents.map(|name| format!("intent {name}"));
        let spoken = spoken.map(|name| format!("prompt {name}"));
        let questions = questions.map(|question| format!("question {}", question.name));
        let tools = plan.work.tools.keys().filter(|name| !self.tools.contains(*name));
        let tools = tools.map(|name| format!("tool {name}"));
        intents.chain(tools).chain(spoken).chain(questions).chain(queues.map(|name| format!("queue {name}"))).collect()
    }
}

/// Runs one scenario; returns what it reached. `now` is any time.
pub fn run(
    plan: &Arc<Plan>,
    mind: &Arc<Understanding>,
    file: &str,
    text: &str,
    now: Instant,
    problems: &Problems,
) -> Reached {
    let mut runner = Runner {
        conversation: Conversation::new(Arc::clone(plan), Arc::clone(mind)),
        offset: plan.hours.as_ref().map_or(HONG_KONG, |hours| hours.utc_offset_minutes),
        signals: Signals::default(),
        now,
        turns: UtteranceId(0),
        at: UNIX_EPOCH + Duration::from_secs(USUAL_TIME),
        started: false,
        happened: Happened::default(),
        ended: false,
        asked: None,
        reached: Reached::default(),
    };
    for (number, line) in text.lines().enumerate().take(MOST_STEPS) {
        let line = line.split_once("  #").map_or(line, |(before, _)| before).trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        runner.reached.steps += 1;
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if let Err(message) = runner.step(word, rest.trim()) {
            problems.push(Problem { file: file.to_owned(), line: number + 1, column: 1, message });
        }
    }
    runner.reached
}

struct Runner {
    conversation: Conversation,
    offset: i32,
    signals: Signals,
    now: Instant,
    turns: UtteranceId,
    at: SystemTime,
    started: bool,
    happened: Happened,
    ended: bool,
    asked: Option<ToolRequest>,
    reached: Reached,
}

/// What the last step brought and nobody has asked for yet.
#[derive(Default)]
struct Happened {
    said: VecDeque<Say>,
    decided: VecDeque<Decision>,
    escalated: VecDeque<String>,
    briefing: Option<String>,
    speaking: bool,
}

impl Runner {
    fn step(&mut self, word: &str, rest: &str) -> Result<(), String> {
        if word == "at" {
            let at = instant(rest, self.offset)
                .ok_or_else(|| format!("expected e.g. 2026-02-18T21:00, found \"{rest}\""))?;
            self.at = at;
            return if self.started { Err("'at' belongs before every other step".to_owned()) } else { Ok(()) };
        }
        if word == "signal" {
            return if self.started {
                Err("'signal' belongs before every other step".to_owned())
            } else {
                self.signal(rest)
            };
        }
        if !self.started {
            self.started = true;
            self.input(Input::Started(Moment { at: self.at, signals: self.signals }))?;
        }
        match word {
            "caller" => self.caller(rest),
            "interrupts" => self.interrupts(rest),
            "digit" | "digits" => rest.chars().filter(|c| !c.is_whitespace()).try_for_each(|key| match key {
                '0'..='9' | '*' | '#' | 'A'..='D' => self.input(Input::Digit(key)),
                other => Err(format!("'{other}' is no key")),
            }),
            "pause" => {
                self.now += PAUSE;
                self.input(Input::Timeout)
            }
            "silence" => self.input(Input::NoInput),
            "recogniser" if rest == "lost" => self.input(Input::RecogniserLost),
            "recogniser" => Err(format!("expected 'recogniser lost', found \"{rest}\"")),
            "agent" => self.agent(rest),
            "tool" => self.tool(rest),
            "asked" => self.expect_asked(rest),
            "bot" => self.expect_said(rest),
            "decision" => self.expect_decision(rest),
            "escalated" => self.expect_escalated(rest),
            "briefing" => match &self.happened.briefing {
                Some(text) if plain(text).contains(&plain(rest)) => Ok(()),
                Some(text) => Err(format!("the agent was told \"{text}\"")),
                None => Err("no agent was called".to_owned()),
            },
            "language" => {
                let expected: Language = rest.parse().map_err(|error| format!("{error}"))?;
                let found = self.conversation.language();
                if found == expected { Ok(()) } else { Err(format!("the reply is in '{found}'")) }
            }
            "end" => {
                self.spoken()?;
                if self.ended { Ok(()) } else { Err("the bot has not hung up".to_owned()) }
            }
            other => Err(unknown_step(other)),
        }
    }

    /// Hoists a signal for the whole scenario.
    fn signal(&mut self, rest: &str) -> Result<(), String> {
        let until = UNIX_EPOCH + FOREVER;
        let said = |error: SignalError| error.to_string();
        match rest.split_once(char::is_whitespace).map_or((rest, ""), |(what, signal)| (what, signal.trim())) {
            ("typhoon", signal) => self.signals.typhoon = Some((signal.parse::<Typhoon>().map_err(said)?, until)),
            ("rain", signal) => self.signals.rain = Some((signal.parse::<Rain>().map_err(said)?, until)),
            ("extreme", "") => self.signals.extreme = Some(until),
            _ => return Err(format!("expected typhoon 8, rain black or extreme, found \"{rest}\"")),
        }
        Ok(())
    }

    /// What is being said is not heard to its end.
    fn interrupts(&mut self, text: &str) -> Result<(), String> {
        self.happened.speaking = false;
        self.caller(text)
    }

    fn caller(&mut self, text: &str) -> Result<(), String> {
        self.turns = self.turns.next();
        let transcript = Transcript {
            utterance: self.turns,
            text: Redacted::from(text),
            language: None,
            confidence: 1.0,
            tags: Default::default(),
        };
        self.input(Input::Turn(&transcript))?;
        self.reached.unexplained += usize::from(self.happened.decided.is_empty());
        Ok(())
    }

    fn agent(&mut self, rest: &str) -> Result<(), String> {
        let failure = match rest.split_whitespace().next().unwrap_or("") {
            "accepts" => return self.input(Input::Bridged),
            "unavailable" => return self.input(Input::TransferUnavailable),
            "no-answer" => TransferFailure::NoAnswer,
            "busy" => TransferFailure::Busy,
            "declined" => TransferFailure::Declined,
            "refused" => TransferFailure::Refused { status: 503 },
            "never-accepts" | "never-accepted" => TransferFailure::NeverAccepted,
            "hung-up" => TransferFailure::AgentHungUp,
            "unreachable" => TransferFailure::Unreachable,
            other => return Err(format!("'{other}' is nothing that an agent does here")),
        };
        self.input(Input::TransferFailed { failure })
    }

    /// How the tool that was asked answers.
    fn tool(&mut self, rest: &str) -> Result<(), String> {
        let (name, answer) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let waits = self.asked.as_ref().filter(|_| self.conversation.is_asking());
        let Some((id, asked)) = waits.map(|request| (request.id, request.tool.clone())) else {
            return Err(format!("no tool is asked; '{name}' cannot answer"));
        };
        if asked != name {
            return Err(format!("tool '{asked}' is asked, not '{name}'"));
        }
        let outcome = match answer.trim() {
            "late" => {
                self.spoken()?;
                let due = self.conversation.deadline().map_or(self.now, |(at, _)| at);
                self.now = self.now.max(due);
                return self.input(Input::Timeout);
            }
            "fails" => ToolOutcome::Failed(ToolFailure::Unreachable),
            answer => match (answer.strip_prefix("fails "), answer.strip_prefix("->")) {
                (Some(status), _) => {
                    let status = status.trim().parse().map_err(|_| format!("'{status}' is no HTTP status"))?;
                    ToolOutcome::Answered { status, body: Redacted::default() }
                }
                (None, Some(body)) => ToolOutcome::Answered { status: 200, body: body.trim().into() },
                (None, None) => return Err(format!("expected '{name} -> {{json}}', '{name} fails' or '{name} late'")),
            },
        };
        self.input(Input::Tool(&ToolReply { id, tool: asked, outcome, ms: 0 }))
    }

    fn expect_asked(&self, expected: &str) -> Result<(), String> {
        let request = self.asked.as_ref().ok_or("no tool was asked")?;
        let body = request.body.as_ref().map_or(String::new(), |body| format!(" {}", body.reveal()));
        let found = format!("{} {}{}{body}", request.method.as_str(), request.host, request.path.reveal());
        if found.contains(expected) { Ok(()) } else { Err(format!("it was asked {found}")) }
    }

    /// The playout has ended, if anything was said since it last did.
    fn spoken(&mut self) -> Result<(), String> {
        for _ in 0..MOST_STEPS {
            if !self.spoken_once() {
                break;
            }
        }
        Ok(())
    }

    /// What is being said is heard to its end; false where nothing is.
    fn spoken_once(&mut self) -> bool {
        let speaking = std::mem::take(&mut self.happened.speaking);
        if speaking {
            self.conversation.handle(self.now, Input::SpokenToEnd);
            self.drain();
        }
        speaking
    }

    fn input(&mut self, input: Input<'_>) -> Result<(), String> {
        self.spoken()?;
        if self.ended {
            return Err("the bot has hung up already".to_owned());
        }
        self.happened = Happened::default();
        self.conversation.handle(self.now, input);
        self.drain();
        Ok(())
    }

    fn drain(&mut self) {
        while let Some(output) = self.conversation.poll() {
            match output {
                Output::Note(Entry::Decided(decision)) => {
                    self.reached.decisions += 1;
                    self.reached.unexplained += usize::from(decision.rule.is_empty());
                    self.reached.intents.extend(decision.intent.clone());
                    self.happened.decided.push_back(decision);
                }
                Output::Note(Entry::Escalated { level, reason, outcome }) => {
                    let told = serde_json::to_value((level, &outcome)).unwrap_or_default();
                    let word =
                        |pointer| told.pointer(pointer).and_then(|word| word.as_str()).unwrap_or_default().to_owned();
                    self.happened.escalated.push_back(format!("{} {reason} {}", word("/0"), word("/1/outcome")));
                }
                // A scenario has no language model.
                Output::Note(_) | Output::AskLlm(_) => {}
                Output::Ask(request) => {
                    self.reached.tools.insert(request.tool.clone());
                    self.asked = Some(*request);
                }
                Output::Say(say) => {
                    self.reached.prompts.insert(say.prompt.clone());
                    self.happened.speaking = true;
                    self.happened.said.push_back(say);
                }
                Output::Escalate { queue, briefing, .. } => {
                    self.reached.queues.insert(queue);
                    self.happened.briefing = Some(briefing.text);
                }
                Output::HangUp => self.ended = true,
            }
        }
    }

    fn expect_said(&mut self, expected: &str) -> Result<(), String> {
        let mut others = Vec::new();
        loop {
            // A script goes on by itself.
            let Some(say) = self.happened.said.pop_front() else { if self.spoken_once() { continue } else { break } };
            let matches = match expected.strip_prefix('@') {
                Some(prompt) => say.prompt == prompt,
                None => plain(&say.text).contains(&plain(expected)),
            };
            if matches {
                return Ok(());
            }
            others.push(format!("@{} \"{}\"", say.prompt, say.text));
        }
        let found = if others.is_empty() { "nothing".to_owned() } else { others.join(", ") };
        Err(format!("the bot said {found}"))
    }

    fn expect_escalated(&mut self, expected: &str) -> Result<(), String> {
        match self.happened.escalated.pop_front() {
            None if expected == "none" => Ok(()),
            Some(found) if found == expected => Ok(()),
            found => Err(format!("escalated: {}", found.as_deref().unwrap_or("none"))),
        }
    }

    fn expect_decision(&mut self, expected: &str) -> Result<(), String> {
        while self.happened.decided.is_empty() && self.spoken_once() {}
        let Some(decision) = self.happened.decided.pop_front() else { return Err("nothing was decided".to_owned()) };
        let (act, target) = match &decision.act {
            Act::Answer { prompt } => ("answer", format!("prompt={prompt}")),
            Act::Goodbye { prompt } => ("goodbye", format!("prompt={prompt}")),
            Act::Escalate { queue } => ("escalate", format!("queue={queue}")),
            Act::Call { tool } => ("call", format!("tool={tool}")),
            Act::Listen => ("listen", String::new()),
        };
        let intent = format!("intent={}", decision.intent.as_deref().unwrap_or("none"));
        let facts = [act.to_owned(), decision.rule.clone(), target, intent, format!("language={}", decision.language)];
        match expected.split_whitespace().find(|word| !facts.iter().any(|fact| fact == word)) {
            None => Ok(()),
            Some(word) => Err(format!("expected '{word}'; decided: {} ({})", facts.join(" "), decision.evidence)),
        }
    }
}

/// Letters, digits and characters only, lower case: punctuation is not heard.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What a word that is no step should have been.
fn unknown_step(word: &str) -> String {
    const STEPS: &str = "at signal caller interrupts digit pause silence recogniser agent tool asked bot decision escalated briefing language end";
    let near = nearest(word, STEPS.split(' '));
    let hint = near.map_or_else(|| STEPS.replace(' ', ", "), |step| format!("nearest: '{step}'"));
    format!("no step is called '{word}'; {hint}")
}
