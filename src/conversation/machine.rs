//! One call's conversation, and the policy: what it is in the middle of, the language of its replies, what went wrong in a row.
//! Understanding says in commands what a turn asks for; the policy alone acts on them, writes down what it decided and why, and
//! then has it said. What it does in which phase is in the files below: `policy` (anything may be said), `filling`, `clarifying`,
//! `reading`, `working`, `escalating`.
//!
//! ```text
//! Waiting -Started-> Listening <-> Filling (a slot is asked for), Clarifying (one of two is)
//!                       |  ^ TransferFailed
//!                       v  |
//!                  Transferring -Bridged-> Done        Listening -> Closing -SpokenToEnd-> Done
//!
//! Listening -> Asking (a workflow waits for a tool) -Tool-> Listening, Filling, Transferring, Closing
//! Listening -script-> Reading -SpokenToEnd (each sentence)-> Reading .. -> where the script leads
//! Filling -another matter-> Listening, and back to the question as soon as that is done
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use jiff::civil::Date;

use crate::conversation::intent::Guess;
use crate::conversation::language::{self, Before, Follow, Judged, Strength};
use crate::conversation::normalise::Views;
use crate::conversation::understanding::{Setting, Situation, Understanding};
use crate::conversation::{Input, Output, Why, slot, written};
use crate::dialplan::Plan;
use crate::dialplan::calendar::{self, Moment, Opening};
use crate::dialplan::schema::SlotKind;
use crate::ids::ToolCallId;
use crate::journal::escalation::ReasonCode;
use crate::journal::{Entry, TransferFailure};
use crate::redact::Redacted;
use crate::speech::{Language, Transcript};

mod clarifying;
mod consulting;
mod escalating;
mod filling;
mod policy;
mod reading;
mod telling;
mod working;

use clarifying::Clarifying;
use consulting::{Consulting, Llm};
use escalating::Escalations;
use filling::Filling;
use reading::Reading;
use working::Asking;

/// The key that always leads to a human.
const HUMAN_KEY: char = '0';

/// The conversation of one call.
#[derive(Debug)]
pub struct Conversation {
    plan: Arc<Plan>,
    mind: Arc<Understanding>,
    phase: Phase,
    voice: Follow,
    tally: Tally,
    escalations: Escalations,
    memory: Memory,
    /// Questions that another matter came before, the latest last.
    parked: Vec<Filling>,
    open: bool,
    /// In Hong Kong, when the call was answered.
    today: Date,
    /// The recogniser was lost when it could not be said yet.
    deaf: bool,
    next_tool: ToolCallId,
    llm: Llm,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum Phase {
    Waiting,
    Listening,
    Filling(Filling),
    Clarifying(Clarifying),
    Consulting(Box<Consulting>),
    Asking(Box<Asking>),
    Reading(Reading),
    Transferring { queue: String },
    Closing,
    Done,
}

/// What went wrong in a row: silences, turns, tools, turns that the recogniser was unsure of.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    silences: u8,
    unresolved: u8,
    tools: u8,
    unsure: u8,
}

/// What an answer was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Intent(usize),
    Entry(usize),
}

#[derive(Clone, Debug, Default)]
struct Memory {
    /// The last prompt and its values, to say again.
    last: Option<(String, BTreeMap<String, String>)>,
    /// What was answered last, and how many turns ago.
    answered: Option<(Topic, u8)>,
    /// The caller's last turn, and whether what was said before the present one was heard to its end.
    before: Vec<crate::conversation::normalise::Token>,
    heard_out: bool,
    /// Workflows that were begun and have not come to their end, with how often.
    begun: BTreeMap<String, u8>,
    /// Intents understood, small talk left out.
    wanted: Vec<usize>,
    /// The caller's last words.
    said: String,
}

/// Why a decision was made.
#[derive(Clone, Debug, Default)]
struct Reason {
    rule: String,
    guess: Option<Guess>,
    evidence: String,
}

impl Conversation {
    /// A conversation that has not begun.
    pub fn new(plan: Arc<Plan>, mind: Arc<Understanding>) -> Self {
        let (current, chinese) = (plan.default_language(), plan.default_chinese());
        Self {
            plan,
            mind,
            phase: Phase::Waiting,
            voice: Follow::new(Before { current, chinese }),
            tally: Tally::default(),
            escalations: Escalations::default(),
            memory: Memory::default(),
            parked: Vec::new(),
            open: true,
            today: Date::ZERO,
            deaf: false,
            next_tool: ToolCallId(1),
            llm: Llm::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input. Outputs wait for [`Self::poll`].
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.escalations.at(now);
        match input {
            Input::Started(moment) => self.started(&moment),
            Input::Turn(transcript) => self.turn(transcript, false),
            Input::SpokenOver(transcript) => self.turn(transcript, true),
            Input::Digit(digit) => self.digit(now, digit),
            Input::NoInput => self.no_input(),
            Input::SpokenToEnd => self.spoken(now, true),
            Input::BrokenOff => self.spoken(now, false),
            Input::Tool(reply) => self.replied(reply),
            Input::Llm(reply) => self.consulted(reply),
            Input::TransferFailed { failure } => {
                self.transfer_over(&format!("transfer_failed:{}", failure_name(&failure)))
            }
            Input::TransferUnavailable => self.transfer_over("transfer_unavailable"),
            Input::Bridged => self.phase = Phase::Done,
            Input::RecogniserLost => self.recogniser_lost(),
            Input::Timeout => {
                self.asking_timeout(now);
                self.consulting_timeout(now);
                self.timeout(now);
            }
        }
        self.come_back();
        self.arm(now);
        self.arm_consulting(now);
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Timeout`].
    pub fn deadline(&self) -> Option<(Instant, Why)> {
        match &self.phase {
            Phase::Filling(filling) => filling.keys_due.map(|at| (at, Why::KeysPaused)),
            Phase::Asking(_) => self.asking_due().map(|at| (at, Why::Tool)),
            Phase::Consulting(consulting) => consulting.due().map(|at| (at, Why::Llm)),
            Phase::Waiting | Phase::Listening | Phase::Clarifying(_) | Phase::Reading(_) => None,
            Phase::Transferring { .. } | Phase::Closing | Phase::Done => None,
        }
    }

    /// Language of the last reply.
    pub fn language(&self) -> Language {
        self.voice.before.current
    }

    /// Language of a turn, judged over all evidence; for its journal entry. Changes nothing.
    pub fn language_of(&self, transcript: &Transcript) -> Language {
        let views = self.mind.views(transcript.text.reveal());
        self.judge_language(transcript, &views).language
    }

    /// True while a payment card number is being asked for: its keys are not written down.
    pub fn asks_for_card(&self) -> bool {
        let Phase::Filling(filling) = &self.phase else { return false };
        let slot = self.plan.intents.get(filling.intent).and_then(|intent| intent.slots.get(filling.slot));
        slot.is_some_and(|slot| slot.kind == SlotKind::Card)
    }

    /// The turn as it may be written down: without card numbers.
    pub fn kept(&self, transcript: &Transcript) -> Transcript {
        let text = slot::mask::cards(transcript.text.reveal(), self.asks_for_card());
        Transcript { text: text.into(), ..transcript.clone() }
    }

    /// The turn as people write it (see [`crate::conversation::written`]); `None` where it is what was heard.
    pub fn written(&self, transcript: &Transcript, language: Language) -> Option<Redacted<String>> {
        let heard = transcript.text.reveal();
        let written = written::written(heard, language, &self.mind.readings).text;
        (written != *heard).then(|| written.into())
    }

    /// True while the caller may speak over what is said.
    pub fn allows_barge_in(&self) -> bool {
        self.converses() && self.plan.dialogue.barge_in
    }

    /// True while it is for caller and bot to speak.
    fn converses(&self) -> bool {
        match self.phase {
            Phase::Listening | Phase::Filling(_) | Phase::Clarifying(_) | Phase::Asking(_) => true,
            Phase::Reading(_) | Phase::Consulting(_) => true,
            Phase::Waiting | Phase::Transferring { .. } | Phase::Closing | Phase::Done => false,
        }
    }

    /// True while a tool is asked.
    pub fn is_asking(&self) -> bool {
        matches!(self.phase, Phase::Asking(_))
    }

    fn judge_language(&self, transcript: &Transcript, views: &Views) -> Judged {
        let judged = language::judge(
            transcript.text.reveal(),
            views,
            transcript.language,
            self.voice.before,
            &self.mind.readings,
        );
        match self.plan.languages.contains(&judged.language) {
            true => judged,
            false => {
                let (language, strength) = (self.voice.before.current, Strength::Neutral);
                Judged { language, evidence: "not spoken here", strength }
            }
        }
    }

    fn started(&mut self, now: &Moment) {
        if !matches!(self.phase, Phase::Waiting) {
            return;
        }
        let always = Opening::ALWAYS;
        let opening = self.plan.hours.as_ref().map_or(always, |hours| hours.opening(now));
        (self.open, self.today) = (opening.open, calendar::day(now.at));
        self.phase = Phase::Listening;
        let greeting = self.plan.dialogue.greeting.clone();
        self.answer(&greeting, BTreeMap::new(), Reason { evidence: opening.to_string(), ..why("started") });
        if let Some(Output::Say(say)) = self.outputs.back_mut() {
            say.barge_in &= !self.plan.dialogue.hear_greeting_out;
        }
        if let Some(prompt) = self.plan.dialogue.greeting_others.clone() {
            for language in self.plan.languages.clone().into_iter().skip(1) {
                self.say(&prompt, &BTreeMap::new(), language, true);
            }
        }
        if std::mem::take(&mut self.deaf) {
            self.recogniser_lost();
        }
    }

    /// `over`: the bot went on speaking.
    fn turn(&mut self, transcript: &Transcript, over: bool) {
        if matches!(self.phase, Phase::Waiting | Phase::Done) {
            return;
        }
        self.overtake();
        let views = self.mind.views(transcript.text.reveal());
        let judged = self.judge_language(transcript, &views);
        let chinese = language::chinese_meant(judged, self.voice.before);
        if let Some(rule) = self.leaving() {
            return self.turn_while_leaving(&views, chinese, rule);
        }
        self.tally.silences = 0;
        self.voice.hear(judged);
        if let Some(language) = language::declined(&views) {
            self.voice.declined(language, judged);
        }
        self.memory.said = self.kept(transcript).text.reveal().trim().to_owned();
        if let Some((_, age)) = &mut self.memory.answered {
            *age = age.saturating_add(1);
        }
        let understood = self.understand(&views, chinese);
        let stays = if judged.language == self.voice.before.current { "" } else { ", the reply's stays" };
        let mut turn = policy::Turn {
            guess: understood.guess,
            evidence: format!("language by {}{stays}", judged.evidence),
            restated: self.restates(&views, over),
            over,
        };
        self.note_scores(&views, transcript.tags, &understood.commands, turn.restated);
        self.memory.before = views.core;
        if self.unsure_again(transcript.confidence, &turn, &understood.commands) {
            self.leave_script();
            let rule = turn.because("low_confidence".to_owned());
            return self.escalate(None, ReasonCode::LowConfidence, rule);
        }
        if turn.restated {
            turn.evidence.push_str("; said again over the answer");
        }
        let declined = self.declines(transcript.text.reveal());
        if declined || !self.consult(&understood.commands, &turn, transcript.text.reveal()) {
            self.act(understood.commands, &turn);
        }
    }

    /// What the turn asks for, heard against what is being done.
    fn understand(&self, views: &Views, chinese: Language) -> crate::conversation::understanding::Understood {
        let at = Setting { plan: &self.plan, chinese, today: self.today };
        match &self.phase {
            Phase::Filling(filling) => match self.slot_of(filling) {
                Some(slot) => {
                    let earlier = self.earlier_slots(filling);
                    let confirming = filling.values.get(&slot.name).filter(|_| filling.confirming).map(String::as_str);
                    let read_back = working::is_read_back(&slot);
                    let situation = Situation::Slot { slot: &slot, confirming, read_back, earlier: &earlier };
                    self.mind.commands(views, situation, at)
                }
                None => self.mind.commands(views, Situation::Open, at),
            },
            Phase::Clarifying(clarifying) => {
                self.mind.commands(views, Situation::Choice { between: &clarifying.between }, at)
            }
            Phase::Asking(_) => self.mind.commands(views, Situation::Busy, at),
            Phase::Reading(reading) if self.must_hear_on(reading) => self.mind.commands(views, Situation::Busy, at),
            Phase::Reading(_) => self.mind.commands(views, Situation::Open, at),
            Phase::Waiting | Phase::Listening | Phase::Consulting(_) => self.mind.commands(views, Situation::Open, at),
            Phase::Transferring { .. } | Phase::Closing | Phase::Done => self.mind.commands(views, Situation::Open, at),
        }
    }

    /// The caller spoke over an answer, and says the same again.
    fn restates(&self, views: &Views, over: bool) -> bool {
        let before = &self.memory.before;
        if self.memory.heard_out && !over || before.is_empty() || views.core.len() < 2 {
            return false;
        }
        let same = views.core.iter().filter(|token| before.contains(token)).count();
        same * 3 >= views.core.len().max(before.len()) * 2
    }

    // -- keys and silence

    fn digit(&mut self, now: Instant, digit: char) {
        self.overtake();
        match &mut self.phase {
            Phase::Waiting | Phase::Done | Phase::Transferring { .. } | Phase::Consulting(_) => {}
            // Whoever changes his mind while goodbye is said.
            Phase::Closing => {
                if digit == HUMAN_KEY {
                    self.escalate(None, ReasonCode::KeyPressed, why("key:0"));
                }
            }
            Phase::Listening => self.menu(digit),
            Phase::Clarifying(clarifying) => {
                let clarifying = clarifying.clone();
                self.tally.silences = 0;
                self.clarifying_digit(clarifying, digit);
            }
            Phase::Asking(_) => self.asking_digit(digit),
            Phase::Reading(_) => self.reading_digit(digit),
            Phase::Filling(filling) => {
                let filling = filling.clone();
                self.tally.silences = 0;
                self.filling_digit(now, filling, digit);
            }
        }
    }

    fn no_input(&mut self) {
        match &self.phase {
            // It is for us to speak.
            Phase::Consulting(_) => return,
            Phase::Waiting | Phase::Transferring { .. } | Phase::Done => return,
            Phase::Closing => return self.hang_up(),
            Phase::Asking(_) => return self.filler(why("asking")),
            Phase::Filling(filling) if filling.keys_due.is_some() => return,
            Phase::Reading(reading) => {
                let reading = reading.clone();
                return self.sentence_missed(reading, why("no_input"));
            }
            Phase::Listening | Phase::Filling(_) | Phase::Clarifying(_) => {}
        }
        self.tally.silences = self.tally.silences.saturating_add(1);
        let count = self.tally.silences;
        self.outputs.push_back(Output::Note(Entry::NoInput { count }));
        let plan = Arc::clone(&self.plan);
        let ladder = &plan.dialogue.no_input;
        let why = why(&format!("no_input:{count}"));
        match ladder.prompts.get(usize::from(count) - 1) {
            Some(prompt) => self.answer_in_place(prompt, why),
            None => self.ladder_end(&ladder.then, ReasonCode::NoInput, why),
        }
    }

    /// All was said; `whole` where all of it was heard.
    fn spoken(&mut self, now: Instant, whole: bool) {
        self.memory.heard_out |= whole;
        match &self.phase {
            Phase::Closing => self.hang_up(),
            Phase::Asking(_) => self.asking_spoken(now),
            Phase::Reading(reading) => {
                let reading = reading.clone();
                if whole { self.sentence_heard(reading) } else { self.sentence_missed(reading, why("broken_off")) }
            }
            Phase::Waiting | Phase::Listening | Phase::Filling(_) | Phase::Clarifying(_) => {}
            Phase::Consulting(_) | Phase::Transferring { .. } | Phase::Done => {}
        }
    }
}

fn why(rule: &str) -> Reason {
    Reason { rule: rule.to_owned(), ..Reason::default() }
}

fn failure_name(failure: &TransferFailure) -> &'static str {
    match failure {
        TransferFailure::Busy => "busy",
        TransferFailure::NoAnswer => "no_answer",
        TransferFailure::Refused { .. } => "refused",
        TransferFailure::Declined => "declined",
        TransferFailure::NeverAccepted => "never_accepted",
        TransferFailure::AgentHungUp => "agent_hung_up",
        TransferFailure::Unreachable => "unreachable",
    }
}

#[cfg(test)]
mod tests;
