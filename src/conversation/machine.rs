//! One call's conversation: its phase, the language of its replies, what went wrong in a row. Asks the policy what a turn
//! means, decides what follows, and writes it down before it is said.
//!
//! ```text
//! Waiting -Started-> Listening <-> Filling (a slot is asked for)
//!                       |  ^ TransferFailed
//!                       v  |
//!                  Transferring -Bridged-> Done        Listening -> Closing -SpokenToEnd-> Done
//!
//! Listening -> Asking (a workflow waits for a tool) -Tool-> Listening, Filling, Transferring, Closing
//! Listening -script-> Reading -SpokenToEnd (each sentence)-> Reading .. -> where the script leads
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use jiff::civil::Date;

use crate::conversation::briefing::{self, Facts};
use crate::conversation::escalation::Wish;
use crate::conversation::intent::Guess;
use crate::conversation::language::{self, Before, Follow, Judged, Strength};
use crate::conversation::normalise::Views;
use crate::conversation::policy::{Meaning, Understanding};
use crate::conversation::{Briefing, Input, Output, Say, Why, slot, written};
use crate::dialplan::Plan;
use crate::dialplan::calendar::{self, Moment, Opening};
use crate::dialplan::schema::{SlotKind, Target};
use crate::ids::ToolCallId;
use crate::journal::{Act, Decision, Entry, TransferFailure};
use crate::redact::Redacted;
use crate::speech::{Language, Transcript};

mod filling;
mod reading;
mod working;

use filling::Filling;
use reading::Reading;
use working::Asking;

/// The key that always leads to a human.
const HUMAN_KEY: char = '0';
/// Transfers tried in one call, in vain or because the line is closed, before the bot says goodbye.
const MOST_TRANSFERS: u8 = 3;
/// An intent asked again within this many turns was not answered well.
const RECENT: u8 = 3;

/// The conversation of one call.
#[derive(Debug)]
pub struct Conversation {
    plan: Arc<Plan>,
    mind: Arc<Understanding>,
    phase: Phase,
    voice: Follow,
    tally: Tally,
    memory: Memory,
    open: bool,
    /// In Hong Kong, when the call was answered.
    today: Date,
    /// The recogniser was lost when it could not be said yet.
    deaf: bool,
    next_tool: ToolCallId,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum Phase {
    Waiting,
    Listening,
    Filling(Filling),
    Asking(Box<Asking>),
    Reading(Reading),
    Transferring { queue: String },
    Closing,
    Done,
}

/// What went wrong in a row (silences, turns, tools), and transfers tried.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    silences: u8,
    unresolved: u8,
    tools: u8,
    transfers: u8,
}

#[derive(Clone, Debug, Default)]
struct Memory {
    /// The last prompt and its values, to say again.
    last: Option<(String, BTreeMap<String, String>)>,
    /// The last intent with an answer, and how many turns ago.
    answered: Option<(usize, u8)>,
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
            memory: Memory::default(),
            open: true,
            today: Date::ZERO,
            deaf: false,
            next_tool: ToolCallId(1),
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input. Outputs wait for [`Self::poll`].
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Started(moment) => self.started(&moment),
            Input::Turn(transcript) => self.turn(transcript, false),
            Input::SpokenOver(transcript) => self.turn(transcript, true),
            Input::Digit(digit) => self.digit(now, digit),
            Input::NoInput => self.no_input(),
            Input::SpokenToEnd => self.spoken(now, true),
            Input::BrokenOff => self.spoken(now, false),
            Input::Tool(reply) => self.replied(reply),
            Input::TransferFailed { failure } => {
                self.transfer_over(&format!("transfer_failed:{}", failure_name(&failure)))
            }
            Input::TransferUnavailable => self.transfer_over("transfer_unavailable"),
            Input::Bridged => self.phase = Phase::Done,
            Input::RecogniserLost => self.recogniser_lost(),
            Input::Timeout => {
                self.asking_timeout(now);
                self.timeout(now);
            }
        }
        self.arm(now);
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
            Phase::Waiting | Phase::Listening | Phase::Reading(_) => None,
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
        let speaks = matches!(self.phase, Phase::Listening | Phase::Filling(_) | Phase::Asking(_) | Phase::Reading(_));
        speaks && self.plan.dialogue.barge_in
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
        match self.phase {
            Phase::Waiting => {}
            Phase::Listening | Phase::Filling(_) | Phase::Asking(_) | Phase::Reading(_) => return,
            Phase::Transferring { .. } | Phase::Closing | Phase::Done => return,
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
        let rule = match self.phase {
            Phase::Waiting | Phase::Done => return,
            Phase::Transferring { .. } => Some("transferring"),
            Phase::Closing => Some("closing"),
            Phase::Listening | Phase::Filling(_) | Phase::Asking(_) | Phase::Reading(_) => None,
        };
        if let Some(rule) = rule {
            return self.decide(Act::Listen, why(rule));
        }
        self.tally.silences = 0;
        let views = self.mind.views(transcript.text.reveal());
        let judged = self.judge_language(transcript, &views);
        self.voice.hear(judged);
        if let Some(language) = language::declined(&views) {
            self.voice.declined(language, judged);
        }
        self.memory.said = self.kept(transcript).text.reveal().trim().to_owned();
        if let Some((_, age)) = &mut self.memory.answered {
            *age = age.saturating_add(1);
        }
        match std::mem::replace(&mut self.phase, Phase::Listening) {
            Phase::Filling(filling) => self.filling_turn(filling, &views, judged),
            Phase::Asking(asking) => self.asking_turn(asking, &views, judged),
            Phase::Reading(reading) => self.reading_turn(reading, &views, judged, over),
            Phase::Waiting | Phase::Listening | Phase::Transferring { .. } | Phase::Closing | Phase::Done => {
                self.free_turn(&views, judged);
            }
        }
    }

    fn free_turn(&mut self, views: &Views, judged: Judged) {
        let chinese = language::chinese_meant(judged, self.voice.before);
        let verdict = self.mind.judge(views, &self.plan, chinese, self.today);
        let stays = if judged.language == self.voice.before.current { "" } else { ", the reply's stays" };
        let evidence = format!("language by {}{stays}", judged.evidence);
        let because = |rule: String| Reason { rule, guess: verdict.guess, evidence: evidence.clone() };
        match verdict.meaning {
            Meaning::Wish(wish) => self.wish(wish, because(wish_rule(wish).to_owned())),
            Meaning::Language(language) => self.change_language(language, because("asked_for_language".to_owned())),
            Meaning::Question(number) => self.question(number, because),
            Meaning::Intent(number) => self.intent(number, because),
            Meaning::NotUnderstood => self.not_understood(because("no_match".to_owned())),
        }
    }

    fn question(&mut self, number: usize, because: impl FnOnce(String) -> Reason) {
        let Some(question) = self.plan.knowledge.get(number) else { return };
        let (prompt, approval) = (question.prompt_id.clone(), question.standing.approval.clone());
        self.tally.unresolved = 0;
        let mut why = because(prompt.clone());
        if let Some(approval) = approval {
            why.evidence.push_str(&format!("; approved {}", approval.at));
        }
        self.answer(&prompt, BTreeMap::new(), why);
    }

    fn wish(&mut self, wish: Wish, why: Reason) {
        match wish {
            Wish::Human | Wish::Urgent => self.escalate(None, why),
        }
    }

    fn change_language(&mut self, language: Language, why: Reason) {
        self.voice.asked(language);
        self.tally.unresolved = 0;
        let prompt = self.plan.dialogue.language_changed.clone();
        self.answer(&prompt, BTreeMap::new(), why);
    }

    fn intent(&mut self, number: usize, because: impl FnOnce(String) -> Reason) {
        let plan = Arc::clone(&self.plan);
        let Some(intent) = plan.intents.get(number) else { return };
        let mut rule = format!("intent:{}", intent.name);
        if !intent.chat {
            let again = self.memory.answered.is_some_and(|(last, age)| last == number && age <= RECENT);
            self.memory.answered = Some((number, 0));
            self.memory.wanted.push(number);
            self.memory.wanted.drain(..self.memory.wanted.len().saturating_sub(8));
            if again {
                self.tally.unresolved = self.tally.unresolved.saturating_add(1);
                if self.tally.unresolved >= plan.escalation.unresolved {
                    return self.escalate(None, because(format!("repeated:{}", intent.name)));
                }
                rule.push_str(":again");
            } else {
                self.tally.unresolved = 0;
            }
        } else if intent.then != Target::Unresolved && intent.then != Target::Repeat {
            self.tally.unresolved = 0;
        }
        if intent.slots.is_empty() {
            return self.follow(&intent.then, BTreeMap::new(), because(rule));
        }
        let filling = Filling {
            intent: number,
            slot: 0,
            values: BTreeMap::new(),
            confirming: false,
            keys: String::new(),
            keys_due: None,
            misses: 0,
            work: None,
        };
        self.ask(filling, because(rule));
    }

    fn follow(&mut self, target: &Target, values: BTreeMap<String, String>, mut why: Reason) {
        if let Target::Say(prompt) | Target::End(prompt) = target
            && let Some(field) = self.unbound(prompt, &values)
        {
            why.rule.push_str(&format!(":unbound:{field}"));
            return self.escalate(None, why);
        }
        match target {
            Target::Say(prompt) => self.answer(prompt, values, why),
            Target::End(prompt) => self.goodbye(prompt, &values, why),
            Target::Queue(queue) => self.escalate(Some(queue), why),
            Target::Script(name) => self.read_script(name, why),
            Target::Language(language) => self.change_language(*language, why),
            Target::Run(workflow) => self.run(workflow, values, why),
            Target::Repeat => {
                let greeting = (self.plan.dialogue.greeting.clone(), BTreeMap::new());
                let (prompt, values) = self.memory.last.clone().unwrap_or(greeting);
                self.answer(&prompt, values, why);
            }
            Target::Unresolved => self.not_understood(why),
        }
    }

    /// One more unresolved turn: the next prompt of the ladder, or its end.
    fn not_understood(&mut self, mut why: Reason) {
        self.tally.unresolved = self.tally.unresolved.saturating_add(1);
        why.rule = format!("{}:{}", why.rule, self.tally.unresolved);
        let plan = Arc::clone(&self.plan);
        let ladder = &plan.dialogue.no_match;
        let step = usize::from(self.tally.unresolved);
        match ladder.prompts.get(step.saturating_sub(1)) {
            Some(prompt) if self.tally.unresolved < plan.escalation.unresolved => {
                self.answer(prompt, BTreeMap::new(), why)
            }
            Some(_) | None => match &ladder.then {
                Target::End(prompt) => self.goodbye(prompt, &BTreeMap::new(), why),
                Target::Queue(queue) => self.escalate(Some(queue), why),
                Target::Say(_)
                | Target::Script(_)
                | Target::Language(_)
                | Target::Run(_)
                | Target::Repeat
                | Target::Unresolved => {
                    self.escalate(None, why);
                }
            },
        }
    }

    // -- keys and silence

    fn digit(&mut self, now: Instant, digit: char) {
        match &mut self.phase {
            Phase::Waiting | Phase::Closing | Phase::Done | Phase::Transferring { .. } => {}
            Phase::Listening => self.menu(digit),
            Phase::Asking(_) => self.asking_digit(digit),
            Phase::Reading(_) => self.reading_digit(digit),
            Phase::Filling(filling) => {
                let filling = filling.clone();
                self.tally.silences = 0;
                self.filling_digit(now, filling, digit);
            }
        }
    }

    fn menu(&mut self, digit: char) {
        self.tally.silences = 0;
        let rule = format!("key:{digit}");
        if digit == HUMAN_KEY {
            return self.escalate(None, why(&rule));
        }
        match self.plan.dialogue.menu.get(&digit).cloned() {
            Some(target) => {
                self.tally.unresolved = 0;
                self.follow(&target, BTreeMap::new(), why(&rule));
            }
            None => self.not_understood(why("key:unknown")),
        }
    }

    fn no_input(&mut self) {
        match &self.phase {
            Phase::Waiting | Phase::Transferring { .. } | Phase::Done => return,
            Phase::Closing => return self.hang_up(),
            // It is for us to speak.
            Phase::Asking(_) => return self.filler(why("asking")),
            Phase::Filling(filling) if filling.keys_due.is_some() => return,
            Phase::Reading(reading) => {
                let reading = reading.clone();
                return self.sentence_missed(reading, why("no_input"));
            }
            Phase::Listening | Phase::Filling(_) => {}
        }
        self.tally.silences = self.tally.silences.saturating_add(1);
        let count = self.tally.silences;
        self.outputs.push_back(Output::Note(Entry::NoInput { count }));
        let plan = Arc::clone(&self.plan);
        let ladder = &plan.dialogue.no_input;
        let why = why(&format!("no_input:{count}"));
        match (ladder.prompts.get(usize::from(count) - 1), &ladder.then) {
            (Some(prompt), _) => self.answer_in_place(prompt, why),
            (None, Target::End(prompt)) => self.goodbye(prompt, &BTreeMap::new(), why),
            (None, Target::Queue(queue)) => self.escalate(Some(queue), why),
            (
                None,
                Target::Say(_)
                | Target::Script(_)
                | Target::Language(_)
                | Target::Run(_)
                | Target::Repeat
                | Target::Unresolved,
            ) => {
                self.escalate(None, why);
            }
        }
    }

    /// Answers without leaving the filling of a slot, and asks for the slot again.
    fn answer_in_place(&mut self, prompt: &str, why: Reason) {
        let last = self.memory.last.clone();
        self.answer(prompt, BTreeMap::new(), why);
        if let (Phase::Filling(_), Some((prompt, values))) = (&self.phase, last.clone()) {
            let language = self.voice.before.current;
            self.say(&prompt, &values, language, true);
        }
        self.memory.last = last;
    }

    // -- ends and transfers

    /// All was said; `whole` where all of it was heard.
    fn spoken(&mut self, now: Instant, whole: bool) {
        match &self.phase {
            Phase::Closing => self.hang_up(),
            Phase::Asking(_) => self.asking_spoken(now),
            Phase::Reading(reading) => {
                let reading = reading.clone();
                if whole { self.sentence_heard(reading) } else { self.sentence_missed(reading, why("broken_off")) }
            }
            Phase::Waiting | Phase::Listening | Phase::Filling(_) | Phase::Transferring { .. } | Phase::Done => {}
        }
    }

    fn hang_up(&mut self) {
        self.phase = Phase::Done;
        self.outputs.push_back(Output::HangUp);
    }

    fn escalate(&mut self, queue: Option<&str>, mut why: Reason) {
        let plan = Arc::clone(&self.plan);
        let queue = queue.unwrap_or(&plan.escalation.queue).to_owned();
        self.leave_script();
        self.phase = Phase::Listening;
        (self.tally.unresolved, self.tally.silences) = (0, 0);
        if self.tally.transfers >= MOST_TRANSFERS {
            why.rule.push_str(":gave_up");
            return self.goodbye(&plan.escalation.gave_up, &BTreeMap::new(), why);
        }
        self.tally.transfers += 1;
        if !self.open {
            why.rule.push_str(":closed");
            return self.answer(&plan.escalation.closed, BTreeMap::new(), why);
        }
        let language = plan.queues.get(&queue).map_or(plan.default_language(), |queue| queue.briefing_language);
        let facts = Facts {
            rule: &why.rule,
            wanted: &self.memory.wanted,
            caller: self.voice.before.current,
            said: &self.memory.said,
        };
        let briefing = Briefing { text: briefing::text(&plan, facts, language), language };
        let reason = why.rule.clone();
        self.decide(Act::Escalate { queue: queue.clone() }, why);
        self.phase = Phase::Transferring { queue: queue.clone() };
        let caller = self.voice.before.current;
        self.say(&plan.escalation.transferring, &BTreeMap::new(), caller, false);
        self.outputs.push_back(Output::Escalate { queue, reason, briefing });
    }

    fn transfer_over(&mut self, rule: &str) {
        let plan = Arc::clone(&self.plan);
        let prompt = match &self.phase {
            Phase::Transferring { queue } => plan.queues.get(queue).map_or("", |queue| queue.no_agent.as_str()),
            Phase::Waiting | Phase::Listening | Phase::Filling(_) | Phase::Asking(_) | Phase::Reading(_) => return,
            Phase::Closing | Phase::Done => return,
        };
        self.phase = Phase::Listening;
        self.answer(prompt, BTreeMap::new(), why(rule));
        if std::mem::take(&mut self.deaf) {
            self.recogniser_lost();
        }
    }

    fn recogniser_lost(&mut self) {
        match self.phase {
            // Said once the caller has been greeted, has heard the script, or is back from a transfer in vain.
            Phase::Waiting | Phase::Reading(_) | Phase::Transferring { .. } => self.deaf = true,
            Phase::Closing | Phase::Done => {}
            Phase::Listening | Phase::Filling(_) | Phase::Asking(_) => {
                let prompt = self.plan.dialogue.keys_only.clone();
                self.answer(&prompt, BTreeMap::new(), why("recogniser_lost"));
            }
        }
    }

    fn goodbye(&mut self, prompt: &str, values: &BTreeMap<String, String>, why: Reason) {
        self.decide(Act::Goodbye { prompt: prompt.to_owned() }, why);
        self.phase = Phase::Closing;
        let language = self.voice.before.current;
        self.say(prompt, values, language, false);
    }

    fn answer(&mut self, prompt: &str, values: BTreeMap<String, String>, why: Reason) {
        self.decide(Act::Answer { prompt: prompt.to_owned() }, why);
        let language = self.voice.before.current;
        self.say(prompt, &values, language, false);
        self.memory.last = Some((prompt.to_owned(), values));
    }

    fn decide(&mut self, act: Act, why: Reason) {
        let name = |number: usize| self.plan.intents.get(number).map(|intent| intent.name.clone());
        let mut evidence = why.evidence;
        if let Some(guess) = &why.guess {
            let threshold = self.mind.classifier().threshold();
            evidence.push_str(&format!("; score {:.2}, threshold {threshold:.2}", guess.score));
            if let Some((second, confidence)) = guess.second {
                evidence.push_str(&format!("; runner-up {} {confidence:.2}", name(second).unwrap_or_default()));
            }
        }
        let decision = Decision {
            act,
            rule: why.rule,
            intent: why.guess.and_then(|guess| name(guess.best.0)),
            confidence: why.guess.map(|guess| guess.best.1),
            language: self.voice.before.current,
            evidence: evidence.trim_start_matches("; ").to_owned(),
        };
        self.outputs.push_back(Output::Note(Entry::Decided(decision)));
    }

    fn say(&mut self, prompt: &str, values: &BTreeMap<String, String>, language: Language, append: bool) {
        let text = self.plan.text(prompt, language).unwrap_or(LAST_WORDS);
        let back = |(name, value): (&String, &String)| {
            let said = self.plan.slot_kind(name).map(|kind| slot::read_back(kind, value, language, &self.plan.labels));
            (name.clone(), said.unwrap_or_else(|| slot::told(value, language, &self.plan.labels)))
        };
        let say = Say {
            prompt: prompt.to_owned(),
            text: briefing::render(text, &values.iter().map(back).collect(), language),
            language,
            barge_in: self.allows_barge_in(),
            append,
        };
        self.outputs.push_back(Output::Say(say));
    }
}

/// Said where a checked plan lacks a prompt after all: never silence.
const LAST_WORDS: &str = "唔好意思，請稍等。";

fn why(rule: &str) -> Reason {
    Reason { rule: rule.to_owned(), ..Reason::default() }
}

fn wish_rule(wish: Wish) -> &'static str {
    match wish {
        Wish::Human => "asked_for_human",
        Wish::Urgent => "urgent",
    }
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
