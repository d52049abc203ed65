//! Our automatic side of a call: ear, mouth, turn-taking and conversation in one machine. It hears frames and says lines;
//! it asks for a human, or for the end. It knows no SIP and no packet, and never falls silent: what cannot be said or
//! understood ends in another prompt, in a human, or in a goodbye.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod interface;

pub use interface::{BotConfig, BotParts, Input, Output, Why};

use super::hearing::{self, Hearing};
use super::speaking::{self, Line, PromptEnd, Speaking};
use super::thoughts::{Thought, Thoughts};
use crate::audio::frame::Frame;
use crate::conversation::{self, Conversation, Say};
use crate::dialplan::Plan;
use crate::ids::SpeakId;
use crate::journal::{CallTime, Entry, TransferFailure};
use crate::speech::Transcript;
use crate::turn::barge_in::{self, BargeIn, BargeInConfig};
use crate::turn::floor::{self, Floor, FloorConfig};

/// What it does for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    /// Nothing yet.
    Absent,
    /// Talks with the caller.
    Serving,
    /// Keeps the caller company while a human is dialled.
    Waiting,
    /// A human talks with the caller; the bot takes notes.
    Noting,
    /// Says goodbye.
    Leaving,
}

/// How well our own side does.
#[derive(Debug, Default)]
struct Troubles {
    unspoken: u8,
    dead_airs: u8,
    /// Of what is being said, something was broken off or not said at all.
    broken: bool,
}

/// The machine.
pub struct Bot {
    config: BotConfig,
    plan: Arc<Plan>,
    epoch: Instant,
    duty: Duty,
    thoughts: Thoughts,
    hearing: Hearing,
    speaking: Speaking,
    barge_in: BargeIn,
    floor: Floor,
    next_speak: SpeakId,
    /// End of the caller's speech that is not answered yet.
    unanswered: Option<Instant>,
    troubles: Troubles,
    music: Arc<[i16]>,
    outputs: VecDeque<Output>,
}

impl Bot {
    /// Ready, and silent until [`Input::Started`].
    pub fn new(parts: BotParts) -> Self {
        let BotParts { config, plan, understanding, epoch, music } = parts;
        let dialogue = &plan.dialogue;
        let no_input_ms = u32::try_from(dialogue.no_input_after.as_millis()).unwrap_or(u32::MAX);
        let floor = FloorConfig { no_input_ms, dead_air_ms: config.dead_air_ms };
        let barge_in = BargeInConfig { enabled: dialogue.barge_in, speech_ms: config.barge_in_ms };
        let hearing = Hearing::new(config.hearing.clone());
        Self {
            thoughts: Thoughts::new(Conversation::new(plan.clone(), understanding).with_llm(config.llm.clone())),
            hearing: if dialogue.speech { hearing } else { hearing.deaf() },
            speaking: Speaking::new(config.speaking),
            barge_in: BargeIn::new(barge_in),
            floor: Floor::new(floor, epoch),
            next_speak: SpeakId(1),
            unanswered: None,
            troubles: Troubles::default(),
            duty: Duty::Absent,
            outputs: VecDeque::with_capacity(4),
            config,
            plan,
            epoch,
            music,
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Started(moment) => {
                self.duty = Duty::Serving;
                self.floor.handle(now, floor::Input::BotOwes);
                self.think(now, Thought::Started(moment));
            }
            Input::Frame(frame) => self.hearing.handle(now, hearing::Input::Frame(frame)),
            Input::Voice(voice) => self.hearing.handle(now, hearing::Input::Voice(voice)),
            Input::Hypothesis(guess) => self.hearing.handle(now, hearing::Input::Hypothesis(guess)),
            Input::Transcript(text) => self.hearing.handle(now, hearing::Input::Transcript(text)),
            Input::RecogniserInterrupted => self.hearing.handle(now, hearing::Input::Interrupted),
            Input::RecogniserLost(reason) => self.hearing.handle(now, hearing::Input::Lost(reason)),
            Input::Sound(sound) => self.speaking.handle(now, sound),
            Input::Digit(digit) => self.on_digit(now, digit),
            Input::Tool(reply) => {
                self.think(now, Thought::Tool(reply));
            }
            Input::Llm(reply) => {
                self.think(now, Thought::Llm(reply));
            }
            Input::TransferFailed(failure) => self.on_transfer_failed(now, failure),
            Input::Bridged => self.on_bridged(now),
            Input::Held => self.on_held(now),
            Input::Resumed => self.on_resumed(now),
            Input::Store(room) => {
                self.thoughts.store(now, room);
                self.hear_conversation(now);
            }
            Input::Leave => self.leave(now),
            Input::Timeout => self.on_time(now),
        }
        self.settle(now);
    }

    /// Next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The earliest of what it waits for.
    pub fn deadline(&self) -> Option<(Instant, Why)> {
        if self.duty == Duty::Absent {
            return None;
        }
        crate::deadline::earliest([
            self.hearing.deadline().map(|(at, _)| (at, Why::Hearing)),
            self.speaking.deadline().map(|(at, _)| (at, Why::Sound)),
            self.barge_in.deadline().map(|(at, _)| (at, Why::BargeIn)),
            self.floor.deadline().map(|(at, _)| (at, Why::Floor)),
            self.thoughts.deadline().map(|at| (at, Why::Conversation)),
        ])
    }

    /// True where the caller hears nothing from it now.
    pub fn is_quiet(&self) -> bool {
        self.speaking.is_quiet()
    }

    /// The next 20 ms for the caller. Drain the outputs before the frame goes out.
    pub fn next_frame(&mut self, now: Instant) -> Frame {
        let frame = self.speaking.next_frame(now);
        self.settle(now);
        frame
    }

    /// A number for an act of speaking, of this mouth or of the one at the agent's ear.
    pub fn take_speak(&mut self) -> SpeakId {
        let speak = self.next_speak;
        self.next_speak = speak.next();
        speak
    }

    fn on_time(&mut self, now: Instant) {
        if self.duty == Duty::Absent {
            return;
        }
        self.hearing.handle(now, hearing::Input::Timeout);
        self.speaking.handle(now, speaking::Input::Timeout);
        self.settle(now);
        self.barge_in.handle(now, barge_in::Input::Timeout);
        self.floor.handle(now, floor::Input::Timeout);
        self.thoughts.on_time(now);
        self.hear_conversation(now);
    }

    fn on_digit(&mut self, now: Instant, digit: char) {
        if self.duty == Duty::Serving {
            self.unanswered = Some(now);
            self.think(now, Thought::Digit(digit));
        }
    }

    /// True where the keys that the caller presses are not to be written down.
    pub fn hides_keys(&self) -> bool {
        self.duty == Duty::Serving && self.thoughts.hides_keys()
    }

    fn on_transfer_failed(&mut self, now: Instant, failure: TransferFailure) {
        self.duty = Duty::Serving;
        self.speaking.music(None);
        self.hearing.handle(now, hearing::Input::Forget);
        self.floor.handle(now, floor::Input::BotOwes);
        self.think(now, Thought::TransferFailed(failure));
    }

    fn on_bridged(&mut self, now: Instant) {
        self.duty = Duty::Noting;
        self.speaking.music(None);
        self.speaking.handle(now, speaking::Input::Stop);
        self.floor.handle(now, floor::Input::HumanJoined);
        self.think(now, Thought::Bridged);
    }

    fn on_held(&mut self, now: Instant) {
        self.speaking.pause();
        self.hearing.handle(now, hearing::Input::Forget);
        self.floor.handle(now, floor::Input::HumanJoined);
    }

    fn on_resumed(&mut self, now: Instant) {
        self.speaking.resume();
        match self.duty {
            Duty::Absent | Duty::Noting => {}
            Duty::Serving | Duty::Waiting | Duty::Leaving if self.speaking.is_busy() => {
                self.floor.handle(now, floor::Input::BotStarted);
            }
            Duty::Waiting => self.floor.handle(now, floor::Input::BotStarted),
            Duty::Serving | Duty::Leaving => self.give_floor_to_caller(now),
        }
    }

    fn leave(&mut self, now: Instant) {
        let language = self.thoughts.language();
        let prompt = self.plan.escalation.gave_up.clone();
        match self.plan.prompts.get(&prompt, language).map(str::to_owned) {
            Some(text) if self.duty != Duty::Leaving => {
                self.duty = Duty::Leaving;
                self.speaking.music(None);
                self.say(now, Line { prompt, text, language, interruptible: false }, false);
            }
            Some(_) | None => self.outputs.push_back(Output::HangUp),
        }
    }

    /// Drains the parts until none has anything to say.
    fn settle(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.hearing.poll() {
                self.on_hearing(now, output);
            } else if let Some(output) = self.speaking.poll() {
                self.on_speaking(now, output);
            } else if let Some(output) = self.barge_in.poll() {
                match output {
                    barge_in::Output::Yield => self.on_yield(now),
                }
            } else if let Some(output) = self.floor.poll() {
                self.on_floor(now, output);
            } else {
                return;
            }
        }
    }

    fn on_hearing(&mut self, now: Instant, output: hearing::Output) {
        match output {
            hearing::Output::Hear(frame) => self.outputs.push_back(Output::Hear(frame)),
            hearing::Output::Finish(utterance) => self.outputs.push_back(Output::Finish(utterance)),
            hearing::Output::Restart(utterance) => self.outputs.push_back(Output::Restart(utterance)),
            hearing::Output::SpeechStarted { since } => {
                self.barge_in.handle(now, barge_in::Input::SpeechStarted { since });
                if self.speaking.sounding().is_none() {
                    self.floor.handle(now, floor::Input::CallerStarted);
                }
            }
            hearing::Output::Wavered => self.barge_in.handle(now, barge_in::Input::Wavered),
            hearing::Output::Steadied => self.barge_in.handle(now, barge_in::Input::Steadied),
            hearing::Output::SpeechEnded => self.barge_in.handle(now, barge_in::Input::SpeechEnded),
            hearing::Output::UtteranceEnded => self.floor.handle(now, floor::Input::CallerEnded),
            hearing::Output::Heard { transcript, began, ended } => self.on_turn(now, transcript, began, ended),
            hearing::Output::Missed => self.on_dead_air(now),
            hearing::Output::Interrupted { in_hand } => {
                self.outputs.push_back(Output::Note(Entry::RecogniserInterrupted));
                // Bounded by the hearing: after a few the recogniser counts as lost.
                if in_hand && self.duty == Duty::Serving && !self.speaking.is_busy() {
                    self.ask_again(now);
                }
            }
            hearing::Output::Lost(reason) => {
                self.outputs.push_back(Output::Note(Entry::RecogniserLost { reason }));
                self.think(now, Thought::RecogniserLost);
            }
        }
    }

    fn on_turn(&mut self, now: Instant, transcript: Transcript, began: Instant, ended: Instant) {
        let short = ended.saturating_duration_since(began) < Duration::from_millis(u64::from(self.config.noise_ms));
        let nothing = transcript.text.reveal().trim().is_empty();
        if nothing && (short || self.speaking.sounding().is_some() || self.duty != Duty::Serving) {
            if self.duty == Duty::Serving && !self.speaking.is_busy() {
                self.give_floor_to_caller(now);
            }
            return;
        }
        let language = self.thoughts.language_of(&transcript);
        let kept = self.thoughts.kept(&transcript);
        self.outputs.push_back(Output::Note(Entry::CallerTurn {
            utterance: transcript.utterance,
            written: self.thoughts.written(&kept, language),
            text: kept.text,
            language,
            confidence: transcript.confidence,
            tags: transcript.tags,
            began: self.time(began),
            ended: self.time(ended),
        }));
        if self.duty == Duty::Serving {
            self.unanswered = Some(ended);
            let over = self.speaking.sounding().is_some();
            self.think(now, if over { Thought::SpokenOver(transcript) } else { Thought::Turn(transcript) });
        }
    }

    fn on_speaking(&mut self, now: Instant, output: speaking::Output) {
        match output {
            speaking::Output::Ask { speak, line } => self.outputs.push_back(Output::Ask { speak, line }),
            speaking::Output::Cancel { speak } => self.outputs.push_back(Output::Cancel { speak }),
            speaking::Output::Began { speak, line } => self.on_began(now, speak, line),
            speaking::Output::Ended { speak, heard_ms, end } => {
                self.troubles.broken |= end == PromptEnd::BrokenOff;
                let complete = end == PromptEnd::Complete;
                self.outputs.push_back(Output::Note(Entry::BotTurnEnded { speak, heard_ms, complete }));
                self.barge_in.handle(now, barge_in::Input::BotEnded);
                self.floor.handle(now, floor::Input::BotOwes);
            }
            speaking::Output::Unspoken { line, .. } => self.on_unspoken(now, line),
            speaking::Output::AllSpoken { to_end } => self.on_all_spoken(now, to_end),
        }
    }

    fn on_began(&mut self, now: Instant, speak: SpeakId, line: Line) {
        self.troubles.unspoken = 0;
        let Line { prompt, text, language, interruptible } = line;
        self.outputs.push_back(Output::Note(Entry::BotTurn { speak, prompt, text: text.into(), language }));
        let waited = self.unanswered.take().map(|since| now.saturating_duration_since(since).as_millis());
        let response_ms = waited.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX));
        self.outputs.push_back(Output::Note(Entry::AnswerBegan { speak, response_ms }));
        self.barge_in.handle(now, barge_in::Input::BotStarted { interruptible });
        self.floor.handle(now, floor::Input::BotStarted);
    }

    /// A prompt without sound: try it once more, then call a human.
    fn on_unspoken(&mut self, now: Instant, line: Option<Line>) {
        if self.troubles.unspoken == 0 {
            self.outputs.push_back(Output::Note(Entry::Dropped { queue: "prompt".to_owned() }));
        }
        self.troubles.unspoken = self.troubles.unspoken.saturating_add(1);
        match (self.duty, line) {
            (Duty::Serving, _) if self.troubles.unspoken >= self.config.failures => {
                (self.troubles.unspoken, self.troubles.broken) = (0, true);
                self.outputs.push_back(Output::Rescue { what: "the bot cannot speak" });
            }
            (Duty::Serving, Some(line)) => self.say(now, line, true),
            (Duty::Serving, None) => self.troubles.broken = true,
            (Duty::Absent | Duty::Waiting | Duty::Noting | Duty::Leaving, _) => {}
        }
    }

    fn on_all_spoken(&mut self, now: Instant, to_end: bool) {
        if self.speaking.is_busy() {
            return;
        }
        let broken = std::mem::take(&mut self.troubles.broken);
        match self.duty {
            Duty::Absent | Duty::Noting => {}
            Duty::Waiting => self.keep_company(now),
            Duty::Leaving => self.outputs.push_back(Output::HangUp),
            Duty::Serving => {
                self.give_floor_to_caller(now);
                if to_end {
                    self.think(now, if broken { Thought::BrokenOff } else { Thought::SpokenToEnd });
                }
            }
        }
    }

    fn on_yield(&mut self, now: Instant) {
        let Some(speak) = self.speaking.sounding() else { return };
        self.outputs.push_back(Output::Note(Entry::BargeIn { speak }));
        self.speaking.handle(now, speaking::Input::Stop);
    }

    fn on_floor(&mut self, now: Instant, output: floor::Output) {
        match (output, self.duty) {
            (floor::Output::NoInput { .. }, Duty::Serving) => self.think(now, Thought::NoInput),
            (floor::Output::DeadAir, Duty::Serving) => self.on_dead_air(now),
            (floor::Output::NoInput { .. } | floor::Output::DeadAir, Duty::Waiting) => self.keep_company(now),
            (floor::Output::NoInput { .. } | floor::Output::DeadAir, Duty::Leaving) if !self.speaking.is_busy() => {
                self.outputs.push_back(Output::HangUp);
            }
            (floor::Output::NoInput { .. } | floor::Output::DeadAir, Duty::Absent | Duty::Noting | Duty::Leaving) => {}
        }
    }

    /// The caller hears nothing although it is our turn: ask again; and again; then call a human.
    fn on_dead_air(&mut self, now: Instant) {
        if self.duty != Duty::Serving || self.speaking.is_busy() {
            return;
        }
        self.troubles.dead_airs = self.troubles.dead_airs.saturating_add(1);
        if self.troubles.dead_airs < self.config.failures {
            self.ask_again(now);
        } else {
            self.outputs.push_back(Output::Rescue { what: "the bot has nothing to say" });
        }
    }

    /// Whatever the caller said is lost: asks for it once more.
    fn ask_again(&mut self, now: Instant) {
        let language = self.thoughts.language();
        let prompt = self.plan.dialogue.no_match.prompts.first().cloned();
        let text = prompt.as_deref().and_then(|id| self.plan.prompts.get(id, language)).map(str::to_owned);
        match (prompt, text) {
            (Some(prompt), Some(text)) => {
                let interruptible = self.plan.dialogue.barge_in;
                self.say(now, Line { prompt, text, language, interruptible }, false);
            }
            (_, _) => self.outputs.push_back(Output::Rescue { what: "the bot has nothing to say" }),
        }
    }

    /// Music, if nothing is being said to the waiting caller.
    fn keep_company(&mut self, now: Instant) {
        if !self.speaking.is_busy() {
            self.speaking.music(Some(self.music.clone()));
        }
        self.floor.handle(now, floor::Input::BotStarted);
    }

    fn give_floor_to_caller(&mut self, now: Instant) {
        self.floor.handle(now, floor::Input::BotOwes);
        self.floor.handle(now, floor::Input::BotEnded);
        if self.hearing.is_open() {
            self.floor.handle(now, floor::Input::CallerStarted);
        }
    }

    fn say(&mut self, now: Instant, line: Line, append: bool) {
        let speak = self.take_speak();
        // What was broken off before is no matter of what is said now.
        self.troubles.broken &= append;
        self.speaking.handle(now, speaking::Input::Say { speak, line, append });
        if self.speaking.sounding().is_none() {
            self.floor.handle(now, floor::Input::BotOwes);
        }
    }

    fn think(&mut self, now: Instant, thought: Thought) {
        let asks = matches!(thought, Thought::Turn(_) | Thought::SpokenOver(_) | Thought::Digit(_) | Thought::NoInput);
        let told = self.thoughts.think(now, thought);
        let acted = self.hear_conversation(now);
        if asks && told && !acted && !self.speaking.is_busy() {
            // It chose to go on listening.
            self.unanswered = None;
            self.give_floor_to_caller(now);
        }
    }

    /// True where the conversation did something about it.
    fn hear_conversation(&mut self, now: Instant) -> bool {
        let mut acted = false;
        while let Some(output) = self.thoughts.poll() {
            match output {
                conversation::Output::Note(entry) => self.outputs.push_back(Output::Note(entry)),
                conversation::Output::Say(Say { prompt, text, language, barge_in, append }) => {
                    acted = true;
                    self.say(now, Line { prompt, text, language, interruptible: barge_in }, append);
                }
                conversation::Output::Ask(request) => {
                    acted = true;
                    self.outputs.push_back(Output::AskTool(request));
                }
                conversation::Output::AskLlm(request) => {
                    acted = true;
                    self.outputs.push_back(Output::AskLlm(request));
                }
                conversation::Output::Escalate { queue, level: _, reason: _, briefing } => {
                    acted = true;
                    self.duty = Duty::Waiting;
                    self.keep_company(now);
                    self.outputs.push_back(Output::Escalate { queue, briefing });
                }
                conversation::Output::HangUp => {
                    acted = true;
                    self.outputs.push_back(Output::HangUp);
                }
            }
        }
        if acted {
            self.troubles.dead_airs = 0;
        }
        acted
    }

    /// Called by the call before a blind transfer: no more talk, only company.
    pub fn wait_for_human(&mut self, now: Instant) {
        self.duty = Duty::Waiting;
        self.speaking.handle(now, speaking::Input::Stop);
        self.keep_company(now);
        self.settle(now);
    }

    fn time(&self, at: Instant) -> CallTime {
        let ms = at.saturating_duration_since(self.epoch).as_millis();
        CallTime(u64::try_from(ms).unwrap_or(u64::MAX))
    }
}
