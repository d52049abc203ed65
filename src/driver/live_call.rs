//! One call machine and everything of the shell that belongs to it: its sockets' names, its way to the recogniser, its
//! prompts under way. Does what the machine asks for; a bug in the machine ends this call and no other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::handshake::Handshake;
use super::media_thread::Shell;
use crate::call::{Call, CallParts, DtlsTerms, Input, Output, SpeakOrder, SrtpKeys};
use crate::conversation::{LlmOutcome, LlmReply, LlmRequest, ToolReply, ToolRequest};
use crate::engine::synthesiser::{SpeakHandle, SpeakRequest};
use crate::engine::worker::{AudioFeed, Pushed};
use crate::ids::{CallId, DialogId, LegId, SpeakId};
use crate::journal::{CallTime, EndCause, Entry, LlmFailure, RecogniserLoss, Record};
use crate::sip::event::{AddressedOrder, DialogOrder};

/// Prompts under way that are remembered for cancelling; older ones are left to finish.
const SPEAKS: usize = 16;

/// A call and its ends in the shell.
pub struct LiveCall {
    id: CallId,
    call: Call,
    began: Instant,
    line: String,
    feed: Option<AudioFeed>,
    speaks: BTreeMap<SpeakId, SpeakHandle>,
    legs: Vec<(LegId, usize)>,
    /// Of legs that are browsers, until the leg ends: the other side may want the last flight again.
    handshakes: Vec<(LegId, Handshake)>,
    dialogs: Vec<DialogId>,
    recording: bool,
    drop_noted: bool,
    answers: Vec<Answer>,
}

/// What the shell answers at once to something that the machine asked for.
enum Answer {
    Port { leg: LegId, dialog: DialogId, address: SocketAddr },
    Keys { leg: LegId, keys: Option<SrtpKeys> },
    NoPort { leg: LegId },
    Dialog { leg: LegId, dialog: DialogId },
    RecogniserLost(RecogniserLoss),
    SpeakFailed { speak: SpeakId },
    Tool(ToolReply),
    Llm(LlmReply),
}

impl LiveCall {
    /// A call that has just come in. `sockets` is the name of its caller's RTP sockets in the shell.
    pub fn begin(now: Instant, parts: CallParts, sockets: usize, shell: &mut Shell) -> Self {
        let (id, dialog, line) = (parts.id, parts.invite.dialog, parts.plan.name.clone());
        let recording = parts.recording.clone();
        if let Some(path) = &recording {
            shell.services.recorder.begin(id, path);
        }
        let wanted = parts.plan.dialogue.speech.then(|| shell.open_feed(id, parts.plan.bias.clone()));
        let (feed, deaf) = match wanted {
            None => (None, None),
            Some(Ok(feed)) => (Some(feed), None),
            Some(Err(reason)) => (None, Some(reason)),
        };
        Self {
            id,
            call: Call::new(now, parts),
            began: now,
            line,
            feed,
            speaks: BTreeMap::new(),
            legs: vec![(LegId::CALLER, sockets)],
            handshakes: Vec::new(),
            dialogs: vec![dialog],
            recording: recording.is_some(),
            drop_noted: false,
            answers: deaf.map(Answer::RecogniserLost).into_iter().collect(),
        }
    }

    /// The dialogs that belong to it.
    pub fn dialogs(&self) -> &[DialogId] {
        &self.dialogs
    }

    /// A dialog that takes the place of one of them.
    pub fn adopt(&mut self, dialog: DialogId) {
        self.dialogs.push(dialog);
    }

    /// When it wants to be woken.
    pub fn deadline(&self) -> Option<Instant> {
        let handshakes = self.handshakes.iter().filter_map(|(_, handshake)| handshake.deadline());
        self.call.deadline().map(|(at, _)| at).into_iter().chain(handshakes).min()
    }

    /// Gives the machine one input and does everything that follows. False once the call is over.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, shell: &mut Shell) -> bool {
        if matches!(input, Input::Timeout) {
            self.repeat(now, shell);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.call.handle(now, input)));
        match outcome {
            Ok(()) => self.settle(now, shell),
            Err(_) => self.fail(now, shell),
        }
    }

    /// Does what the machine has asked for. False once the call is over.
    pub fn settle(&mut self, now: Instant, shell: &mut Shell) -> bool {
        loop {
            while let Some(output) = self.call.poll() {
                if !self.perform(now, output, shell) {
                    return false;
                }
            }
            let Some(answer) = self.answers.pop() else { return true };
            let input = match answer {
                Answer::Port { leg, dialog, address } => Input::LegPort { leg, dialog, address },
                Answer::Keys { leg, keys } => Input::LegKeys { leg, keys },
                Answer::Dialog { leg, dialog } => Input::LegDialog { leg, dialog },
                Answer::NoPort { leg } => Input::NoLegPort { leg },
                Answer::RecogniserLost(reason) => Input::RecogniserLost(reason),
                Answer::SpeakFailed { speak } => Input::PromptFailed { speak },
                Answer::Tool(reply) => Input::Tool(reply),
                Answer::Llm(reply) => Input::Llm(reply),
            };
            if catch_unwind(AssertUnwindSafe(|| self.call.handle(now, input))).is_err() {
                return self.fail(now, shell);
            }
        }
    }

    fn perform(&mut self, now: Instant, output: Output, shell: &mut Shell) -> bool {
        match output {
            Output::Journal(record) => shell.services.journal.push(record),
            Output::Sip(order) => {
                if shell.services.orders.try_send(order).is_err() {
                    tracing::error!(call = %self.id, "SIP order lost: the queue to the endpoint is full");
                }
            }
            Output::Rtp { leg, to, datagram } => shell.send(self.sockets(leg), false, to, datagram.as_bytes()),
            Output::Rtcp { leg, to, datagram } => shell.send(self.sockets(leg), true, to, datagram.as_bytes()),
            Output::Handshake { leg, to, terms, bytes } => self.shake_hands(now, leg, (to, terms), &bytes, shell),
            Output::Hear(frame) => self.hear(now, &frame, shell),
            Output::FinishUtterance(utterance) => {
                if let Some(feed) = &mut self.feed {
                    // A refusal shows as a missing transcript, which the call waits for with a limit.
                    let _ = feed.finish(utterance);
                }
            }
            Output::RestartUtterance(utterance) => {
                if let Some(feed) = &mut self.feed {
                    // As above: the next utterance then holds some of this one.
                    let _ = feed.restart(utterance);
                }
            }
            Output::Speak(order) => self.speak(order, shell),
            Output::CancelSpeak(speak) => {
                if let Some(handle) = self.speaks.remove(&speak) {
                    handle.cancel();
                }
            }
            Output::AskTool(request) => self.ask_tool(*request, shell),
            Output::AskLlm(request) => self.ask_llm(*request, shell),
            Output::Record { left, right } => {
                if !shell.services.recorder.frames(self.id, left, right) {
                    self.note_drop(now, "recorder", shell);
                }
            }
            Output::OpenLeg { leg } => self.open_leg(leg, shell),
            Output::OpenDialog { leg } => {
                let dialog = shell.new_dialog(self.id);
                self.dialogs.push(dialog);
                self.answers.push(Answer::Dialog { leg, dialog });
            }
            Output::CloseLeg { leg } => self.close_leg(leg, shell),
            Output::Done => {
                self.release(shell);
                return false;
            }
        }
        true
    }

    fn sockets(&self, leg: LegId) -> Option<usize> {
        self.legs.iter().find(|(id, _)| *id == leg).map(|(_, sockets)| *sockets)
    }

    fn hear(&mut self, now: Instant, frame: &crate::audio::frame::WideFrame, shell: &Shell) {
        match self.feed.as_mut().map(|feed| feed.push(frame)) {
            None | Some(Pushed::Queued) => {}
            Some(Pushed::DroppedOldest) => self.note_drop(now, "hearing", shell),
            Some(Pushed::Stalled) => self.lose_recogniser(RecogniserLoss::Overloaded),
            Some(Pushed::Closed) => self.lose_recogniser(RecogniserLoss::Gone),
        }
    }

    fn lose_recogniser(&mut self, reason: RecogniserLoss) {
        self.feed = None;
        self.answers.push(Answer::RecogniserLost(reason));
    }

    fn speak(&mut self, order: SpeakOrder, shell: &Shell) {
        let SpeakOrder { speak, prompt, text, language } = order;
        let recording = Some(format!("{}/{prompt}", self.line));
        let request = SpeakRequest { call: self.id, speak, text, language, recording };
        match shell.services.synthesiser.speak(request, shell.sound_sink()) {
            Ok(handle) => {
                if self.speaks.len() >= SPEAKS {
                    self.speaks.pop_first();
                }
                self.speaks.insert(speak, handle);
            }
            Err(_) => self.answers.push(Answer::SpeakFailed { speak }),
        }
    }

    fn ask_tool(&mut self, request: ToolRequest, shell: &Shell) {
        if let Err(refused) = shell.services.tools.ask(request, shell.tool_sink(self.id)) {
            self.answers.push(Answer::Tool(refused));
        }
    }

    fn ask_llm(&mut self, request: LlmRequest, shell: &Shell) {
        let (id, failure) = (request.id, LlmFailure::Off);
        let refused = match &shell.services.llm {
            Some(llm) => llm.ask(request, shell.llm_sink(self.id)),
            None => Err(LlmReply { id, outcome: LlmOutcome::Failed(failure), ms: 0 }),
        };
        self.answers.extend(refused.err().map(Answer::Llm));
    }

    /// A prompt has been delivered: there is nothing left to cancel.
    pub fn spoken(&mut self, speak: SpeakId) {
        self.speaks.remove(&speak);
    }

    fn open_leg(&mut self, leg: LegId, shell: &mut Shell) {
        match shell.open_sockets(self.id, leg) {
            Ok((sockets, address)) => {
                let dialog = shell.new_dialog(self.id);
                self.legs.push((leg, sockets));
                self.dialogs.push(dialog);
                self.answers.push(Answer::Port { leg, dialog, address });
            }
            Err(error) => {
                tracing::error!(call = %self.id, %error, "no media for another leg");
                self.answers.push(Answer::NoPort { leg });
            }
        }
    }

    /// A piece of a handshake. Other terms than before begin another one.
    fn shake_hands(&mut self, now: Instant, leg: LegId, to: (SocketAddr, DtlsTerms), bytes: &[u8], shell: &Shell) {
        let (to, terms) = to;
        self.handshakes.retain(|(id, handshake)| *id != leg || handshake.terms().same_keys(&terms));
        if !self.handshakes.iter().any(|(id, _)| *id == leg) {
            self.handshakes.push((leg, Handshake::new(now, &shell.services.identity, terms, to)));
        }
        self.go_on(now, |id, handshake| (id == leg).then(|| handshake.moved(to)).map(|()| bytes), shell);
    }

    /// Flights that were not answered go out again.
    fn repeat(&mut self, now: Instant, shell: &Shell) {
        self.go_on(now, |_, handshake| handshake.deadline().filter(|at| *at <= now).map(|_| &[][..]), shell);
    }

    /// Gives those handshakes these bytes that `which` picks, and sends what they have to say.
    fn go_on<'a>(&mut self, now: Instant, which: impl Fn(LegId, &mut Handshake) -> Option<&'a [u8]>, shell: &Shell) {
        for (leg, handshake) in &mut self.handshakes {
            let Some(bytes) = which(*leg, handshake) else { continue };
            let sockets = self.legs.iter().find(|(id, _)| id == leg).map(|(_, sockets)| *sockets);
            let to = handshake.destination();
            let Some(outcome) = handshake.handle(now, bytes, |packet| shell.send(sockets, false, to, packet)) else {
                continue;
            };
            if let Err(error) = &outcome {
                tracing::warn!(call = %self.id, %leg, %error, "no keys for a browser's audio");
            }
            self.answers.push(Answer::Keys { leg: *leg, keys: outcome.ok() });
        }
    }

    fn close_leg(&mut self, leg: LegId, shell: &mut Shell) {
        self.handshakes.retain(|(id, _)| *id != leg);
        if let Some(index) = self.legs.iter().position(|(id, _)| *id == leg) {
            shell.close_sockets(self.legs.swap_remove(index).1);
        }
    }

    fn note_drop(&mut self, now: Instant, queue: &str, shell: &Shell) {
        if !std::mem::replace(&mut self.drop_noted, true) {
            shell.services.journal.push(self.record(now, Entry::Dropped { queue: queue.to_owned() }));
        }
    }

    fn record(&self, now: Instant, entry: Entry) -> Record {
        let ms = now.saturating_duration_since(self.began).as_millis();
        Record { call: self.id, at: CallTime(u64::try_from(ms).unwrap_or(u64::MAX)), entry }
    }

    /// The machine has panicked: its state is not to be trusted. Everybody is hung up and the journal is closed.
    fn fail(&mut self, now: Instant, shell: &mut Shell) -> bool {
        tracing::error!(call = %self.id, "a bug ended this call");
        let what = "a bug in the call machine".to_owned();
        shell.services.journal.push(self.record(now, Entry::Ended(EndCause::Failed { what })));
        for dialog in &self.dialogs {
            // The endpoint drops what comes too late.
            let _ = shell.services.orders.try_send(AddressedOrder { dialog: *dialog, order: DialogOrder::HangUp });
        }
        self.release(shell);
        false
    }

    fn release(&mut self, shell: &mut Shell) {
        for handle in self.speaks.values() {
            handle.cancel();
        }
        for (_, sockets) in self.legs.drain(..) {
            shell.close_sockets(sockets);
        }
        if self.recording {
            shell.services.recorder.end(self.id);
        }
        self.feed = None;
    }
}
