//! The part of a conversation that asks a language model: only where a turn may be about anything and the line's own
//! understanding is unsure of it (nothing matched, or two intents are about as likely), so that a turn that is understood is
//! answered as fast as ever. The embedded commands are kept; they stand where the model answers late, wrongly, not at all, or
//! does not know either. What a model names goes the way of every command: the policy acts, workflows ask before they change
//! anything, an entry must be approved for the day.
//!
//! What the caller says or presses meanwhile counts at once, and the question is forgotten.

use std::time::Instant;

use crate::conversation::Output;
use crate::conversation::command::Command;
use crate::conversation::llm::{self, Instructions, LlmOutcome, LlmReply, LlmRequest, LlmTerms, answer};
use crate::conversation::normalise;
use crate::ids::LlmId;
use crate::journal::{Act, Entry, LlmFailure};

use super::policy::Turn;
use super::{Conversation, Phase};

/// What free wording is called in a journal.
const WORDS: &str = "llm";

/// What a caller says who wants no language model, without spaces, in small letters.
const DECLINED: [&str; 16] = [
    "唔要ai",
    "唔好用ai",
    "唔想用ai",
    "唔使ai",
    "唔要人工智能",
    "唔好用人工智能",
    "唔想用人工智能",
    "不要ai",
    "不要用ai",
    "不想用ai",
    "不要人工智能",
    "不要用人工智能",
    "noai",
    "withoutai",
    "don'tuseai",
    "donotuseai",
];

/// What a call knows of the model.
#[derive(Debug, Default)]
pub(super) struct Llm {
    terms: Option<LlmTerms>,
    /// The caller wants none.
    declined: bool,
    asked: LlmId,
    /// Made at the first question.
    told: Option<Instructions>,
}

/// A question is under way.
#[derive(Debug)]
pub(super) struct Consulting {
    id: LlmId,
    /// What the embedded understanding would do.
    commands: Vec<Command>,
    turn: Turn,
    asked: Option<Instant>,
    due: Option<Instant>,
}

impl Consulting {
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }
}

impl Conversation {
    /// With a language model, where there is one.
    pub fn with_llm(mut self, terms: Option<LlmTerms>) -> Self {
        self.llm.terms = terms.filter(|_| self.plan.work.llm.ask);
        self
    }

    /// The caller wants no language model: none is asked in this call. For callers who said so in an earlier call.
    pub fn decline_llm(&mut self) {
        if self.llm.terms.is_some() && !std::mem::replace(&mut self.llm.declined, true) {
            self.outputs.push_back(Output::Note(Entry::LlmDeclined));
        }
    }

    /// True where the caller says so now.
    pub(super) fn declines(&mut self, text: &str) -> bool {
        let text: String = text.to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
        let said = DECLINED.iter().any(|words| text.contains(words));
        if said {
            self.decline_llm();
        }
        said
    }

    /// Asks about a turn of which the embedded understanding is unsure. False where nobody is asked.
    pub(super) fn consult(&mut self, commands: &[Command], turn: &Turn, text: &str) -> bool {
        let (Some(terms), Phase::Listening) = (&self.llm.terms, &self.phase) else { return false };
        if self.llm.declined || self.llm.asked.0 >= llm::MOST_ASKED {
            return false;
        }
        let Some(because) = unsure(commands, turn, terms.margin) else { return false };
        let sent = llm::sent(text, self.asks_for_card(), terms);
        if normalise::Views::of(&sent, &self.mind.readings).core.is_empty() {
            return false;
        }
        let told = self.llm.told.get_or_insert_with(|| Instructions::of(&self.plan, self.today)).clone();
        let id = self.llm.asked.next();
        self.llm.asked = id;
        let asked = Entry::LlmAsked { request: id, model: terms.model.clone(), because, sent: sent.as_str().into() };
        let request = LlmRequest {
            id,
            instructions: told,
            said: sent.into(),
            max_tokens: terms.max_tokens,
            budget: terms.budget,
        };
        self.outputs.push_back(Output::Note(asked));
        self.outputs.push_back(Output::AskLlm(Box::new(request)));
        let (commands, turn) = (commands.to_vec(), turn.clone());
        self.phase = Phase::Consulting(Box::new(Consulting { id, commands, turn, asked: None, due: None }));
        true
    }

    /// The model has answered, or will not. What comes too late finds nobody waiting.
    pub(super) fn consulted(&mut self, reply: &LlmReply) {
        match std::mem::replace(&mut self.phase, Phase::Listening) {
            Phase::Consulting(consulting) if consulting.id == reply.id => {
                self.conclude(*consulting, &reply.outcome, reply.ms);
            }
            phase => self.phase = phase,
        }
    }

    fn conclude(&mut self, consulting: Consulting, outcome: &LlmOutcome, ms: u64) {
        let Consulting { id, mut commands, mut turn, .. } = consulting;
        let read = match outcome {
            LlmOutcome::Answered(text) => answer::read(text.reveal(), &self.plan, self.today),
            LlmOutcome::Failed(failure) => Err(failure.clone()),
        };
        let named = read.as_ref().ok().and_then(|answer| serde_json::to_string(&answer.command).ok());
        let failure = read.as_ref().err().cloned();
        self.outputs.push_back(Output::Note(Entry::LlmAnswered { request: id, ms, command: named, failure }));
        let model = self.llm.terms.as_ref().map_or("", |terms| terms.model.as_str()).to_owned();
        match read {
            Err(_) => turn.evidence.push_str(&format!("; model {model} of no use")),
            Ok(answer) if answer.command == Command::NoMatch => {
                turn.evidence.push_str(&format!("; model {model} does not know either"));
            }
            Ok(answer) => {
                turn.evidence.push_str(&format!("; by model {model}"));
                if let Some(say) = answer.say {
                    return self.say_freely(say, &turn);
                }
                commands.pop();
                commands.push(answer.command);
            }
        }
        self.act(commands, &turn);
    }

    /// Small talk in the model's own words, where the plan allows that.
    fn say_freely(&mut self, text: String, turn: &Turn) {
        self.decide(Act::Answer { prompt: WORDS.to_owned() }, turn.because("llm:words".to_owned()));
        self.say_text(WORDS, text);
    }

    /// The caller goes on: the question is forgotten.
    pub(super) fn overtake(&mut self) {
        if let Phase::Consulting(consulting) = &self.phase {
            let (request, failure) = (consulting.id, Some(LlmFailure::Overtaken));
            self.outputs.push_back(Output::Note(Entry::LlmAnswered { request, ms: 0, command: None, failure }));
            self.phase = Phase::Listening;
        }
    }

    /// Sets the time of a question that has just been asked; the end of every input.
    pub(super) fn arm_consulting(&mut self, now: Instant) {
        let budget = self.llm.terms.as_ref().map(|terms| terms.budget).unwrap_or_default();
        if let Phase::Consulting(consulting) = &mut self.phase
            && consulting.asked.is_none()
        {
            (consulting.asked, consulting.due) = (Some(now), Some(now + budget));
        }
    }

    pub(super) fn consulting_timeout(&mut self, now: Instant) {
        let Phase::Consulting(consulting) = &self.phase else { return };
        if !crate::deadline::is_due(consulting.due, now) {
            return;
        }
        let waited = consulting.asked.map_or(0, |asked| now.saturating_duration_since(asked).as_millis());
        let ms = u64::try_from(waited).unwrap_or(u64::MAX);
        self.consulted(&LlmReply { id: consulting.id, outcome: LlmOutcome::Failed(LlmFailure::Late), ms });
    }
}

/// Why the embedded understanding does not stand alone; `None` where it does.
fn unsure(commands: &[Command], turn: &Turn, margin: f32) -> Option<String> {
    match commands.last()? {
        Command::NoMatch => Some("no_match".to_owned()),
        Command::Clarify { .. } => Some("clarify".to_owned()),
        Command::StartFlow { .. } | Command::ChitChat { .. } => {
            let guess = turn.guess?;
            let ahead = guess.best.1 - guess.second.map_or(0.0, |(_, confidence)| confidence);
            (ahead < margin).then(|| format!("margin {ahead:.2}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
