//! Conversations that the business writes and `tingwa check` runs against a plan, one step a line:
//!
//! ```text
//! # a comment
//! at       2026-02-18T21:00        wall time of the line, before anything else; else a Wednesday, 15:00
//! caller   我想搵真人傾             a turn as the recogniser writes it
//! digit    1                       keys, one or several
//! pause                            the caller stops pressing keys
//! silence                          the caller says nothing
//! agent    no-answer 25s           how the transfer ends: no-answer busy declined refused never-accepted hung-up
//!                                  unreachable unavailable accepts
//! bot      好，幫你轉駁緊           the bot says this (part of it is enough); `bot @greeting` names the prompt
//! decision escalate asked_for_human queue=general intent=bill language=yue prompt=bill
//! briefing 客人要求搵真人           part of what the agent is told
//! language eng                     language of the last reply
//! end                              the bot has hung up
//! ```
//! Expectations look at what the step before them brought. Every prompt counts as spoken to its end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::conversation::{Conversation, Input, Output, Say, Understanding};
use crate::dialplan::Plan;
use crate::ids::UtteranceId;
use crate::journal::{Act, Decision, Entry, TransferFailure};
use crate::redact::Redacted;
use crate::settings::{Problem, Problems, nearest};
use crate::speech::{Language, Transcript};

/// Most steps of one scenario.
const MOST_STEPS: usize = 1000;
/// Keys count as paused after this; longer than the conversation waits.
const PAUSE: Duration = Duration::from_secs(10);
/// 2026-02-18, a Wednesday, 15:00 in Hong Kong.
const USUAL_TIME: u64 = 1_771_398_000;

/// Runs one scenario; returns the number of its steps. `now` is any time.
pub fn run(
    plan: &Arc<Plan>,
    mind: &Arc<Understanding>,
    file: &str,
    text: &str,
    now: Instant,
    problems: &Problems,
) -> usize {
    let mut runner = Runner {
        conversation: Conversation::new(Arc::clone(plan), Arc::clone(mind)),
        offset: plan.hours.as_ref().map_or(480, |hours| i64::from(hours.utc_offset_minutes)),
        now,
        turns: UtteranceId(0),
        started: false,
        happened: Happened::default(),
        ended: false,
    };
    let mut steps = 0;
    for (number, line) in text.lines().enumerate().take(MOST_STEPS) {
        let line = line.split_once("  #").map_or(line, |(before, _)| before).trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        steps += 1;
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if let Err(message) = runner.step(word, rest.trim()) {
            problems.push(Problem { file: file.to_owned(), line: number + 1, column: 1, message });
        }
    }
    steps
}

struct Runner {
    conversation: Conversation,
    offset: i64,
    now: Instant,
    turns: UtteranceId,
    started: bool,
    happened: Happened,
    ended: bool,
}

/// What the last step brought and nobody has asked for yet.
#[derive(Default)]
struct Happened {
    said: VecDeque<Say>,
    decided: VecDeque<Decision>,
    briefing: Option<String>,
    speaking: bool,
}

impl Runner {
    fn step(&mut self, word: &str, rest: &str) -> Result<(), String> {
        if word == "at" {
            let at = wall_time(rest, self.offset)
                .ok_or_else(|| format!("expected e.g. 2026-02-18T21:00, found \"{rest}\""))?;
            return if self.started { Err("'at' belongs before every other step".to_owned()) } else { self.start(at) };
        }
        if !self.started {
            self.start(UNIX_EPOCH + Duration::from_secs(USUAL_TIME))?;
        }
        match word {
            "caller" => self.caller(rest),
            "digit" | "digits" => rest.chars().filter(|c| !c.is_whitespace()).try_for_each(|key| match key {
                '0'..='9' | '*' | '#' | 'A'..='D' => self.input(Input::Digit(key)),
                other => Err(format!("'{other}' is no key")),
            }),
            "pause" => {
                self.now += PAUSE;
                self.input(Input::Timeout)
            }
            "silence" => self.input(Input::NoInput),
            "agent" => self.agent(rest),
            "bot" => self.expect_said(rest),
            "decision" => self.expect_decision(rest),
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
            other => {
                let words = [
                    "at", "caller", "digit", "pause", "silence", "agent", "bot", "decision", "briefing", "language",
                    "end",
                ];
                let hint = nearest(other, words).map_or(words.join(", "), |word| format!("nearest: '{word}'"));
                Err(format!("no step is called '{other}'; {hint}"))
            }
        }
    }

    fn start(&mut self, at: SystemTime) -> Result<(), String> {
        self.started = true;
        self.input(Input::Started { at })
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
        self.input(Input::Turn(&transcript))
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

    /// The playout has ended, if anything was said since it last did.
    fn spoken(&mut self) -> Result<(), String> {
        if std::mem::take(&mut self.happened.speaking) {
            self.conversation.handle(self.now, Input::SpokenToEnd);
            self.drain();
        }
        Ok(())
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
                Output::Note(Entry::Decided(decision)) => self.happened.decided.push_back(decision),
                Output::Note(_) => {}
                Output::Say(say) => {
                    self.happened.speaking = true;
                    self.happened.said.push_back(say);
                }
                Output::Escalate { briefing, .. } => self.happened.briefing = Some(briefing.text),
                Output::HangUp => self.ended = true,
            }
        }
    }

    fn expect_said(&mut self, expected: &str) -> Result<(), String> {
        let mut others = Vec::new();
        while let Some(say) = self.happened.said.pop_front() {
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

    fn expect_decision(&mut self, expected: &str) -> Result<(), String> {
        let Some(decision) = self.happened.decided.pop_front() else { return Err("nothing was decided".to_owned()) };
        let (act, target) = match &decision.act {
            Act::Answer { prompt } => ("answer", format!("prompt={prompt}")),
            Act::Goodbye { prompt } => ("goodbye", format!("prompt={prompt}")),
            Act::Escalate { queue } => ("escalate", format!("queue={queue}")),
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

/// `2026-02-18T21:00` at an offset in minutes.
fn wall_time(text: &str, offset: i64) -> Option<SystemTime> {
    let (date, time) = text.trim().split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let (hour, minute) = time.split_once(':')?;
    let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
    let valid = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !valid || !(0..24).contains(&hour) || !(0..60).contains(&minute) {
        return None;
    }
    // Days since 1970-01-01 of the proleptic Gregorian calendar; years counted from March.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute - offset) * 60;
    Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_times() {
        assert_eq!(wall_time("2026-02-18T15:00", 480), Some(UNIX_EPOCH + Duration::from_secs(USUAL_TIME)));
        assert_eq!(wall_time("1970-01-01T08:00", 480), Some(UNIX_EPOCH));
        for bad in ["", "2026-02-18", "2026-13-01T00:00", "2026-01-01T25:00", "xT:"] {
            assert_eq!(wall_time(bad, 480), None, "{bad}");
        }
    }
}
