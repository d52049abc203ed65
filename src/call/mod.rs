//! One call: the caller's leg, the bot, and the human who is called to help. It composes SIP events, streams, turn-taking
//! and conversation, and decides nothing that they can decide. Sans-IO like its parts: the shell carries bytes, orders and
//! sounds, and comes back when [`Call::deadline`] says so.
//!
//! ```text
//! driver/call <-> Call -- leg (dialog + stream) x 2
//!                      -- bot (hearing, speaking, turn-taking, conversation)
//!                      -- transfer (queue) -- the agent's mouth (speaking)
//!                      -- ending: the one way out
//! ```
//! | file | holds |
//! |---|---|
//! | `dialogs` | what SIP says about the legs |
//! | `frames` | the 20 ms clock: pull, mix, send, record |
//! | `passing` | caller and agent in one codec: payloads pass as they are |
//! | `handover` | from bot to human and back |
//! | `replacing` | REFER and Replaces |
//! | `ending` | [`Call::end`] |
//!
//! Journal entries come out before the effect that they announce ([`Output::Journal`]).
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

pub mod bot;
mod dialogs;
mod ending;
mod frames;
mod handover;
pub mod hearing;
mod interface;
pub mod leg;
mod passing;
pub mod queue;
mod replacing;
pub mod speaking;
mod thoughts;
pub mod transfer;

pub use bot::BotConfig;
pub use interface::{
    CallConfig, CallParts, Codec, DtlsTerms, Fingerprint, Input, Keys, MediaPolicy, Order, Output, SpeakOrder, Srtp,
    SrtpKeys, Why,
};

use crate::dialplan::Plan;
use crate::dialplan::calendar::Moment;
use crate::ids::{CallId, DialogId, LegId, SpeakId};
use crate::journal::profile::OptOut;
use crate::journal::{CallTime, EndCause, Entry, Record, Role};
use crate::media::bridge::Bridge;
use crate::media::srtp::sdes::KeySource;
use crate::media::stream;
use crate::redact::Redacted;
use crate::sip::event::{AddressedOrder, DialogOrder, Particulars};

use bot::{Bot, BotParts};
use leg::{Leg, LegIdentity};
use speaking::{Speaking, SpeakingConfig};
use transfer::Transfer;

/// How far a call has come.
enum Phase {
    /// Our 200 held an offer, and the ACK brings the answer (RFC 3264 5); or a browser's keys are being made.
    Answering,
    /// Caller and bot.
    WithBot,
    /// The caller waits while telephones ring.
    Transferring(Box<Handover>),
    /// Caller and agent.
    Bridged {
        /// The agent's.
        agent: Box<Leg>,
    },
    /// Over.
    Over,
}

/// A transfer under way.
struct Handover {
    transfer: Transfer,
    agent: Leg,
    mouth: Speaking,
    blind: bool,
}

/// Whether the call is being recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recording {
    Off,
    On,
    Paused,
}

/// Whether the caller had to be brought to a human without briefing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rescue {
    NotNeeded,
    Tried { what: &'static str },
}

/// What does not change about a call.
struct Facts {
    id: CallId,
    config: CallConfig,
    plan: Arc<Plan>,
    caller: Redacted<String>,
    particulars: Particulars,
    trusted: bool,
    epoch: Instant,
    moment: Moment,
    seed: u64,
    secret: [u8; 32],
}

/// The machine.
pub struct Call {
    facts: Facts,
    caller: Leg,
    bot: Bot,
    phase: Phase,
    bridge: Bridge,
    /// Payloads pass between caller and agent as they are.
    passing: bool,
    next_frame: Instant,
    next_leg: LegId,
    recording: Recording,
    rescue: Rescue,
    refer: Option<replacing::Refer>,
    outputs: VecDeque<Output>,
}

impl Call {
    /// Answers the INVITE, or refuses it where no media can be agreed.
    pub fn new(now: Instant, parts: CallParts) -> Self {
        let CallParts { id, invite, plan, understanding, config, address, moment, recording, profile, .. } = parts;
        let (music, seed, secret) = (parts.music, parts.seed, parts.secret);
        let refused: Vec<OptOut> = profile.opt_outs.iter().copied().collect();
        let recording = recording.filter(|_| !profile.opted_out(OptOut::Recording));
        let keys = KeySource::new(secret, LegId::CALLER.0.into());
        let peer = Some(invite.source.ip());
        let patience = config.patience;
        let identity = LegIdentity { id: LegId::CALLER, role: Role::Caller, seed, patience, keys, peer };
        let mut caller = Leg::calling(identity, invite.dialog, address);
        caller.allow(&config.media, invite.trunk.as_deref());
        let bot =
            BotParts { config: config.bot.clone(), plan: plan.clone(), understanding, profile, epoch: now, music };
        let mut call = Self {
            caller,
            bot: Bot::new(bot),
            phase: Phase::Answering,
            bridge: Bridge::new(),
            passing: false,
            next_frame: now,
            next_leg: LegId::CALLER.next(),
            recording: if recording.is_some() { Recording::On } else { Recording::Off },
            rescue: Rescue::NotNeeded,
            refer: None,
            outputs: VecDeque::with_capacity(8),
            facts: Facts {
                id,
                config,
                plan,
                caller: invite.from.clone(),
                particulars: invite.particulars,
                trusted: invite.trusted,
                epoch: now,
                moment,
                seed,
                secret,
            },
        };
        call.note(
            now,
            Entry::Offered {
                from: invite.from,
                to: invite.to,
                sip_call_id: invite.call_id,
                dialplan: call.facts.plan.name.clone(),
            },
        );
        call.note_particulars(now);
        for what in refused {
            call.note(now, Entry::OptedOut { what, remembered: true });
        }
        call.caller.at(invite.trunk.as_deref());
        call.answer(now, invite.dialog, invite.offer.as_deref(), recording);
        call
    }

    /// Takes one input. After [`Output::Done`] nothing has an effect.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        match input {
            Input::Dialog { dialog, event } => self.on_dialog(now, dialog, event),
            Input::LegPort { leg, dialog, address } => self.on_port(now, leg, dialog, address),
            Input::LegDialog { leg, dialog } => self.on_leg_dialog(leg, dialog),
            Input::LegKeys { leg, keys } => self.on_stream(now, leg, stream::Input::Keys(keys)),
            Input::NoLegPort { leg } => self.on_transfer(now, leg, transfer::Input::NotOpened),
            Input::Rtp { leg, from, bytes } => {
                self.on_stream(now, leg, stream::Input::Rtp { from, bytes });
            }
            Input::Rtcp { leg, from, bytes } => {
                self.on_stream(now, leg, stream::Input::Rtcp { from, bytes });
            }
            Input::Voice(voice) => self.bot.handle(now, bot::Input::Voice(voice)),
            Input::Hypothesis(guess) => self.bot.handle(now, bot::Input::Hypothesis(&guess)),
            Input::Transcript(text) => self.bot.handle(now, bot::Input::Transcript(text)),
            Input::RecogniserInterrupted => self.bot.handle(now, bot::Input::RecogniserInterrupted),
            Input::RecogniserLost(reason) => self.bot.handle(now, bot::Input::RecogniserLost(reason)),
            Input::PromptAudio { speak, samples } => self.on_sound(now, speaking::Input::Piece { speak, samples }),
            Input::PromptDone { speak } => self.on_sound(now, speaking::Input::Done { speak }),
            Input::PromptFailed { speak } => self.on_sound(now, speaking::Input::Failed { speak }),
            Input::Tool(reply) => self.bot.handle(now, bot::Input::Tool(reply)),
            Input::Llm(reply) => self.bot.handle(now, bot::Input::Llm(reply)),
            Input::Store { room } => self.bot.handle(now, bot::Input::Store(room)),
            Input::Order(order) => self.on_order(now, order),
            Input::Fault { what } => self.rescue(now, what),
            Input::Timeout => self.on_time(now),
        }
        self.settle(now);
    }

    /// Next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back, and why. `None` once the call is over.
    pub fn deadline(&self) -> Option<(Instant, Why)> {
        let stream_of = |leg: &Leg| leg.deadline().map(|at| (at, Why::Stream(leg.id())));
        let longest = (self.facts.epoch + self.facts.config.longest, Why::Longest);
        let (first, second, agent) = match &self.phase {
            Phase::Over => return None,
            Phase::Answering => return crate::deadline::earliest([Some(longest), stream_of(&self.caller)]),
            Phase::WithBot => (None, None, None),
            Phase::Transferring(handover) => (
                handover.transfer.deadline().map(|(at, why)| (at, Why::Transfer(why))),
                handover.mouth.deadline().map(|(at, _)| (at, Why::Briefing)),
                stream_of(&handover.agent),
            ),
            Phase::Bridged { agent } => (None, None, stream_of(agent)),
        };
        crate::deadline::earliest([
            Some((self.next_frame, Why::Frame)),
            self.bot.deadline().map(|(at, why)| (at, Why::Bot(why))),
            Some(longest),
            self.refer.as_ref().map(|refer| (refer.until, Why::Refer)),
            stream_of(&self.caller),
            first,
            second,
            agent,
        ])
    }

    /// The journal's name of this call.
    pub fn id(&self) -> CallId {
        self.facts.id
    }

    fn on_order(&mut self, now: Instant, order: Order) {
        match order {
            Order::HangUp => self.end(now, EndCause::BotGoodbye),
            Order::Drain => self.end(now, EndCause::Drained),
            Order::Refer(to) => self.refer_caller(Some(&to)),
            Order::LetGo => self.refer_caller(None),
            Order::Hold(hold) => self.hold_caller(hold),
            Order::PauseRecording(paused) => {
                let next = match (self.recording, paused) {
                    (Recording::On, true) => Recording::Paused,
                    (Recording::Paused, false) => Recording::On,
                    (Recording::Off, _) | (Recording::On, false) | (Recording::Paused, true) => return,
                };
                self.note(now, Entry::RecordingPaused { paused });
                self.recording = next;
            }
        }
    }

    fn on_time(&mut self, now: Instant) {
        if now >= self.facts.epoch + self.facts.config.longest {
            return self.end(now, EndCause::Failed { what: "longer than the longest call".to_owned() });
        }
        self.bot.handle(now, bot::Input::Timeout);
        self.on_handover_time(now);
        self.on_refer_time(now);
        self.on_stream(now, LegId::CALLER, stream::Input::Timeout);
        if let Some(agent) = self.agent().map(|leg| leg.id()) {
            self.on_stream(now, agent, stream::Input::Timeout);
        }
        self.settle(now);
        self.on_frames(now);
    }

    /// Does what the parts ask for, until none asks for anything.
    fn settle(&mut self, now: Instant) {
        while !matches!(self.phase, Phase::Over) {
            if let Some(output) = self.bot.poll() {
                self.on_bot(now, output);
            } else if !self.settle_handover(now) {
                return;
            }
        }
    }

    fn on_bot(&mut self, now: Instant, output: bot::Output) {
        match output {
            bot::Output::Note(entry) => self.note(now, entry),
            bot::Output::Hear(frame) => self.outputs.push_back(Output::Hear(frame)),
            bot::Output::Finish(utterance) => self.outputs.push_back(Output::FinishUtterance(utterance)),
            bot::Output::Restart(utterance) => self.outputs.push_back(Output::RestartUtterance(utterance)),
            bot::Output::Ask { speak, line } => self.ask(speak, line),
            bot::Output::Cancel { speak } => self.outputs.push_back(Output::CancelSpeak(speak)),
            bot::Output::AskTool(request) => self.outputs.push_back(Output::AskTool(request)),
            bot::Output::AskLlm(request) => self.outputs.push_back(Output::AskLlm(request)),
            bot::Output::Escalate { queue, briefing } => {
                self.transfer_to(now, &queue, transfer::Manner::Warm(briefing));
            }
            bot::Output::OptOut(what) => self.opt_out(now, what),
            bot::Output::Rescue { what } => self.rescue(now, what),
            bot::Output::HangUp => {
                let cause = match self.rescue {
                    Rescue::NotNeeded => EndCause::BotGoodbye,
                    Rescue::Tried { what } => EndCause::Failed { what: what.to_owned() },
                };
                self.end(now, cause);
            }
        }
    }

    /// The caller does not want something. What was recorded before stays; what follows is not even silence in the file.
    fn opt_out(&mut self, now: Instant, what: OptOut) {
        self.note(now, Entry::OptedOut { what, remembered: false });
        if what == OptOut::Recording {
            self.recording = Recording::Off;
        }
    }

    fn ask(&mut self, speak: SpeakId, line: speaking::Line) {
        let speaking::Line { prompt, text, language, interruptible: _ } = line;
        self.outputs.push_back(Output::Speak(SpeakOrder { speak, prompt, text: text.into(), language }));
    }

    fn note(&mut self, now: Instant, entry: Entry) {
        let ms = now.saturating_duration_since(self.facts.epoch).as_millis();
        let at = CallTime(u64::try_from(ms).unwrap_or(u64::MAX));
        self.outputs.push_back(Output::Journal(Record { call: self.facts.id, at, entry }));
    }

    /// Where the call comes from, if it was diverted or says more.
    fn note_particulars(&mut self, now: Instant) {
        let Particulars { diverted, withheld, kept, user_to_user, hops: _ } = &self.facts.particulars;
        if diverted.is_empty() && !withheld && kept.is_empty() && user_to_user.is_none() {
            return;
        }
        let entry = Entry::Particulars {
            diverted: diverted.iter().map(|station| station.number.clone()).collect(),
            withheld: *withheld,
            kept: kept.iter().cloned().collect(),
            user_to_user: user_to_user.clone(),
        };
        self.note(now, entry);
    }

    fn order(&mut self, dialog: DialogId, order: DialogOrder) {
        self.outputs.push_back(Output::Sip(AddressedOrder { dialog, order }));
    }

    fn agent(&mut self) -> Option<&mut Leg> {
        match &mut self.phase {
            Phase::Transferring(handover) => Some(&mut handover.agent),
            Phase::Bridged { agent } => Some(agent),
            Phase::Answering | Phase::WithBot | Phase::Over => None,
        }
    }

    fn speaking_config(&self) -> SpeakingConfig {
        self.facts.config.bot.speaking
    }
}
