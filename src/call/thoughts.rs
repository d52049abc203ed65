//! What the conversation is told, and when. While the store has no room for decisions, thoughts wait here in order: a
//! store that stalls slows decisions, never audio.

use std::collections::VecDeque;
use std::time::Instant;

use crate::conversation::{Conversation, Input, LlmReply, Output, ToolReply};
use crate::dialplan::calendar::Moment;
use crate::journal::TransferFailure;
use crate::redact::Redacted;
use crate::speech::{Language, Transcript};

/// Thoughts that may wait. Of more, the oldest is dropped.
const DEFERRED: usize = 16;

/// What the conversation is told.
#[derive(Clone, Debug)]
pub enum Thought {
    /// The call was answered.
    Started(Moment),
    /// The caller finished a turn.
    Turn(Transcript),
    /// The caller finished a turn, and the bot speaks on.
    SpokenOver(Transcript),
    /// The caller pressed a key.
    Digit(char),
    /// The caller says nothing.
    NoInput,
    /// The caller has heard everything.
    SpokenToEnd,
    /// All was said, but not all of it was heard: the synthesiser broke off.
    BrokenOff,
    /// Nobody took the call.
    TransferFailed(TransferFailure),
    /// A tool has answered, or will not.
    Tool(ToolReply),
    /// The language model has answered, or will not.
    Llm(LlmReply),
    /// A human has the caller.
    Bridged,
    /// The ear is deaf for good.
    RecogniserLost,
}

/// Whether decisions can be written down.
#[derive(Debug)]
enum Store {
    Open,
    Full { deferred: VecDeque<Thought> },
}

/// The conversation and what waits for it.
pub struct Thoughts {
    conversation: Conversation,
    store: Store,
}

impl Thoughts {
    /// With an open store.
    pub fn new(conversation: Conversation) -> Self {
        Self { conversation, store: Store::Open }
    }

    /// Tells the conversation, or remembers to. True where it was told.
    pub fn think(&mut self, now: Instant, thought: Thought) -> bool {
        match &mut self.store {
            Store::Open => {
                self.tell(now, &thought);
                true
            }
            Store::Full { deferred } => {
                if deferred.len() >= DEFERRED {
                    deferred.pop_front();
                }
                deferred.push_back(thought);
                false
            }
        }
    }

    /// The store has room (again), or none.
    pub fn store(&mut self, now: Instant, room: bool) {
        match (&mut self.store, room) {
            (Store::Open, true) | (Store::Full { .. }, false) => {}
            (Store::Open, false) => self.store = Store::Full { deferred: VecDeque::with_capacity(DEFERRED) },
            (Store::Full { deferred }, true) => {
                let deferred = std::mem::take(deferred);
                self.store = Store::Open;
                for thought in &deferred {
                    self.tell(now, thought);
                }
            }
        }
    }

    /// A deadline may have passed.
    pub fn on_time(&mut self, now: Instant) {
        if matches!(self.store, Store::Open) && self.deadline().is_some_and(|due| now >= due) {
            self.conversation.handle(now, Input::Timeout);
        }
    }

    /// Next thing that the conversation asks for.
    pub fn poll(&mut self) -> Option<Output> {
        self.conversation.poll()
    }

    /// When the conversation wants to be called back. Never while the store is full.
    pub fn deadline(&self) -> Option<Instant> {
        match self.store {
            Store::Open => self.conversation.deadline().map(|(at, _)| at),
            Store::Full { .. } => None,
        }
    }

    /// Language of this transcript, as the conversation sees it.
    pub fn language_of(&self, transcript: &Transcript) -> Language {
        self.conversation.language_of(transcript)
    }

    /// This transcript as it may be written down.
    pub fn kept(&self, transcript: &Transcript) -> Transcript {
        self.conversation.kept(transcript)
    }

    /// True where the keys that the caller presses are not to be written down.
    pub fn hides_keys(&self) -> bool {
        self.conversation.asks_for_card()
    }

    /// This transcript as people write it, where that differs.
    pub fn written(&self, transcript: &Transcript, language: Language) -> Option<Redacted<String>> {
        self.conversation.written(transcript, language)
    }

    /// Language of the last reply.
    pub fn language(&self) -> Language {
        self.conversation.language()
    }

    fn tell(&mut self, now: Instant, thought: &Thought) {
        let input = match thought {
            Thought::Started(moment) => Input::Started(*moment),
            Thought::Turn(transcript) => Input::Turn(transcript),
            Thought::SpokenOver(transcript) => Input::SpokenOver(transcript),
            Thought::Digit(digit) => Input::Digit(*digit),
            Thought::NoInput => Input::NoInput,
            Thought::SpokenToEnd => Input::SpokenToEnd,
            Thought::BrokenOff => Input::BrokenOff,
            Thought::TransferFailed(TransferFailure::Unreachable) => Input::TransferUnavailable,
            Thought::TransferFailed(failure) => Input::TransferFailed { failure: failure.clone() },
            Thought::Tool(reply) => Input::Tool(reply),
            Thought::Llm(reply) => Input::Llm(reply),
            Thought::Bridged => Input::Bridged,
            Thought::RecogniserLost => Input::RecogniserLost,
        };
        self.conversation.handle(now, input);
    }
}
