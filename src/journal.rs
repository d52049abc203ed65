//! The one truth of a call: an ordered list of facts. Storage, `why`, call records, metrics and webhooks all read the
//! same entries; the call knows none of them. Values only: who writes them where is the store's business.

pub mod escalation;
pub mod scores;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{CallId, LegId, LlmId, SpeakId, ToolCallId, UtteranceId};
use crate::redact::Redacted;
use crate::speech::{Language, SpeechTags};

/// Time since the call's INVITE arrived, ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallTime(pub u64);

impl fmt::Display for CallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>3}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// A fact of a call and when it became one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Whose fact it is.
    pub call: CallId,
    /// When.
    pub at: CallTime,
    /// What.
    pub entry: Entry,
}

/// Why a call is not heard any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecogniserLoss {
    /// The recogniser ended, and none took its place in time.
    Gone,
    /// It has no room: the call was refused at its start, or a second of its audio was not taken.
    Overloaded,
    /// It took the audio and answered nothing: no voice activity, or no text of utterances that had ended.
    Silent,
    /// It was replaced too often in this call.
    Unsteady,
    /// Written before reasons were.
    #[default]
    Unknown,
}

/// Who a leg belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The customer.
    Caller,
    /// A human who takes the call.
    Agent,
    /// A human who listens in.
    Supervisor,
}

/// Whose doing it was, and why, that a call ended. Every call ends with exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum EndCause {
    /// The caller sent BYE.
    CallerHungUp,
    /// The caller gave up before the answer (CANCEL, RFC 3261 9).
    CallerCancelled,
    /// The caller was handed to somebody else by REFER, and we left.
    HandedOver,
    /// The agent sent BYE after the bridge.
    AgentHungUp,
    /// The bot said goodbye and hung up.
    BotGoodbye,
    /// Refused before the answer with this SIP status.
    Refused {
        /// SIP status code, 300 to 699.
        status: u16,
    },
    /// No packet and no answer from the caller's side any more.
    CallerLost,
    /// The gateway was asked to stop and the call outlived the drain.
    Drained,
    /// A fault of our own; the text says which.
    Failed {
        /// For people; holds nothing personal.
        what: String,
    },
    /// The process died in mid-call; written at the next start.
    Crashed,
}

/// Why a transfer to one target did not come to a bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum TransferFailure {
    /// 486 or 600.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// Another final answer of 300 and above.
    Refused {
        /// SIP status code.
        status: u16,
    },
    /// The agent pressed 2.
    Declined,
    /// The agent answered but never accepted.
    NeverAccepted,
    /// The agent hung up during the briefing.
    AgentHungUp,
    /// The target could not be dialled at all.
    Unreachable,
}

/// Why a language model's answer was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum LlmFailure {
    /// Switched off.
    Off,
    /// Too many questions wait already.
    Busy,
    /// It failed several times in a row and is left alone for a while.
    Resting,
    /// Not within the caller's patience.
    Late,
    /// No connection, or it broke.
    Unreachable,
    /// Its address is neither of this machine nor of a private net, and nobody allowed that.
    NotAllowed,
    /// HTTP status other than 200.
    Status {
        /// Which.
        status: u16,
    },
    /// More bytes or tokens than allowed.
    TooLong,
    /// Not the stream or the JSON that was agreed on.
    Garbled,
    /// The answer is no command of the vocabulary.
    NoCommand,
    /// It names what the line does not have, or what may not be chosen: not approved, or the end of the call.
    NotThere {
        /// The name; from the model, shortened.
        name: String,
    },
    /// The caller went on: spoke again, pressed a key.
    Overtaken,
}

/// Why a tool gave no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum ToolFailure {
    /// Too many requests wait already; it was not sent.
    Busy,
    /// The configuration names no such host, or no such secret of it; it was not sent.
    NotConfigured,
    /// A value cannot stand in the path; it was not sent.
    Unsendable {
        /// Its name.
        name: String,
    },
    /// No connection.
    Unreachable,
    /// No answer in time.
    Late,
    /// The answer is larger than the dialplan allows.
    TooLarge,
    /// An HTTP status other than 2xx.
    Status,
    /// The answer is no JSON.
    NotJson,
    /// The answer lacks a value that the dialplan binds.
    Missing {
        /// Its name.
        name: String,
    },
}

/// What the policy decided to do with a turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// Say a prompt and listen again.
    Answer {
        /// Prompt id in the dialplan.
        prompt: String,
    },
    /// Say a prompt and hang up.
    Goodbye {
        /// Prompt id in the dialplan.
        prompt: String,
    },
    /// Hand the caller to a human.
    Escalate {
        /// Queue in the dialplan.
        queue: String,
    },
    /// Ask a tool of the dialplan.
    Call {
        /// Name of the tool.
        tool: String,
    },
    /// Nothing to say: go on listening.
    Listen,
}

/// The policy's one output of a turn, with its why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What to do.
    pub act: Act,
    /// The rule that fired, e.g. `asked_for_human`, `intent:bill`, `no_match:2`.
    pub rule: String,
    /// Best intent, where one was scored.
    pub intent: Option<String>,
    /// Calibrated confidence of that intent, 0 to 1.
    pub confidence: Option<f32>,
    /// Language of the reply.
    pub language: Language,
    /// Further evidence in words, e.g. the runner-up intent; nothing personal.
    pub evidence: String,
}

/// How one leg's stream went (RFC 3550 6.4, ITU-T G.107).
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Quality {
    /// Packets that arrived.
    pub received: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets too late to be played.
    pub late: u64,
    /// Interarrival jitter, ms.
    pub jitter_ms: f32,
    /// Round trip by RTCP, ms, where a report came back.
    pub round_trip_ms: Option<f32>,
    /// Mean opinion score by the E-model, 1 to 4.5.
    pub mos: f32,
    /// Packets that we sent.
    pub sent: u64,
    /// Of those, passed on from the other side of a bridge as they were.
    #[serde(default)]
    pub passed: u64,
    /// Datagrams of strangers, dropped (RFC 7362).
    #[serde(default)]
    pub strangers: u64,
    /// How we sound there, where the other side told (RFC 3611 4.7).
    #[serde(default)]
    pub there: Option<QualityThere>,
}

/// How our packets sounded where they arrived.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct QualityThere {
    /// Share lost, 0 to 1.
    pub lost: f32,
    /// Share that came too late, 0 to 1.
    pub discarded: f32,
    /// Transmission rating of the E-model, 0 to 100, where it is known.
    pub rating: Option<u8>,
    /// Mean opinion score of talking, where it is known.
    pub mos: Option<f32>,
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Entry {
    /// An INVITE arrived for this call.
    Offered {
        /// The caller's number or SIP user.
        from: Redacted<String>,
        /// The dialled number.
        to: String,
        /// SIP Call-ID, to find it in a trace.
        sip_call_id: String,
        /// The dialplan that took it.
        dialplan: String,
    },
    /// What the INVITE says beyond that.
    Particulars {
        /// Whom the call was for before, oldest first.
        diverted: Vec<Redacted<String>>,
        /// True where the caller's number is not to be shown.
        withheld: bool,
        /// Header fields that the trunk's configuration wants kept.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        kept: BTreeMap<String, Redacted<String>>,
        /// Facts that travel with the call, as written.
        user_to_user: Option<Redacted<String>>,
    },
    /// Why the other side ends a leg, as it says (RFC 3326).
    EndReason {
        /// Whose.
        leg: LegId,
        /// `SIP` or `Q.850`.
        protocol: String,
        /// Its cause.
        cause: u16,
    },
    /// We answered.
    Answered,
    /// Recording began; path relative to the recordings folder.
    RecordingStarted {
        /// File.
        path: String,
    },
    /// Recording stopped for a while, or went on.
    RecordingPaused {
        /// True while paused.
        paused: bool,
    },
    /// The caller finished an utterance and the recogniser wrote it down.
    CallerTurn {
        /// Which utterance.
        utterance: UtteranceId,
        /// What was heard.
        text: Redacted<String>,
        /// The same as people write it: numbers, money, times; where that differs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        written: Option<Redacted<String>>,
        /// Language as judged over all evidence.
        language: Language,
        /// Recogniser's confidence, 0 to 1.
        confidence: f32,
        /// What the recogniser heard besides words.
        #[serde(default, skip_serializing_if = "SpeechTags::is_empty")]
        tags: SpeechTags,
        /// When the caller's speech began.
        began: CallTime,
        /// When the caller's speech ended.
        ended: CallTime,
    },
    /// A key of the phone was pressed (RFC 4733).
    Digit {
        /// By whom.
        leg: LegId,
        /// 0-9 * # A-D; • where it may not be written down (a payment card's).
        digit: char,
    },
    /// The caller said nothing for as long as the dialplan waits.
    NoInput {
        /// In a row.
        count: u8,
    },
    /// Figures of a turn, before it is acted on.
    Scored(scores::Scores),
    /// What the policy decided, and why.
    Decided(Decision),
    /// A human is needed, as one of three levels, and what came of it. Level 2 and 3 are what a supervisor is told.
    Escalated {
        /// How much of a human.
        level: escalation::Level,
        /// Why.
        reason: escalation::ReasonCode,
        /// What came of it.
        #[serde(flatten)]
        outcome: escalation::Outcome,
    },
    /// A tool is asked. Secrets are in headers, and those are not here.
    ToolCalled {
        /// Which request.
        request: ToolCallId,
        /// Name of the tool.
        tool: String,
        /// Method and host as the dialplan names them.
        at: String,
        /// Path and query.
        path: Redacted<String>,
        /// JSON that is sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Redacted<String>>,
    },
    /// A tool has answered, or will not.
    ToolAnswered {
        /// Which request.
        request: ToolCallId,
        /// Name of the tool.
        tool: String,
        /// HTTP status, where there was one.
        status: Option<u16>,
        /// Why the answer is of no use; `None` where it is.
        failure: Option<ToolFailure>,
        /// From the request to the answer, ms.
        ms: u64,
        /// What was bound.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        values: BTreeMap<String, Redacted<String>>,
    },
    /// A language model is asked what a turn means.
    LlmAsked {
        /// Which question.
        request: LlmId,
        /// The model as the configuration names it.
        model: String,
        /// Why the embedded understanding does not stand alone.
        because: String,
        /// What is sent of the caller's words, masked.
        sent: Redacted<String>,
    },
    /// A language model has answered, or will not.
    LlmAnswered {
        /// Which question.
        request: LlmId,
        /// From the question to the answer, ms.
        ms: u64,
        /// The command that it names, where it names one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<String>,
        /// Why it was not taken; `None` where it was.
        failure: Option<LlmFailure>,
    },
    /// The caller wants no language model; none is asked in this call any more.
    LlmDeclined,
    /// A sentence of a filed script was played to its end.
    ScriptHeard {
        /// Name of the script.
        script: String,
        /// Its version.
        version: String,
        /// Language of the sentence.
        language: Language,
        /// Which, from 1.
        sentence: u8,
        /// Of how many.
        of: u8,
    },
    /// A filed script is over.
    ScriptEnded {
        /// Name of the script.
        script: String,
        /// Its version.
        version: String,
        /// Sentences that were played to their end, from the first.
        heard: u8,
        /// Of how many.
        of: u8,
        /// How many must be heard.
        must: u8,
        /// True where those were.
        satisfied: bool,
    },
    /// The bot began to speak.
    BotTurn {
        /// Which act of speaking.
        speak: SpeakId,
        /// Prompt id in the dialplan.
        prompt: String,
        /// Text.
        text: Redacted<String>,
        /// Language.
        language: Language,
    },
    /// The first packet of the bot's answer left.
    AnswerBegan {
        /// Which act of speaking.
        speak: SpeakId,
        /// From the end of the caller's speech to this packet, ms.
        response_ms: Option<u64>,
    },
    /// The bot stopped speaking: at the end, or cut short.
    BotTurnEnded {
        /// Which act of speaking.
        speak: SpeakId,
        /// How much the caller was sent, ms.
        heard_ms: u64,
        /// False where it was cut short.
        complete: bool,
    },
    /// The caller spoke over the bot and the bot stopped.
    BargeIn {
        /// Which act of speaking was stopped.
        speak: SpeakId,
    },
    /// An agent was dialled.
    TransferDialling {
        /// The agent's leg.
        leg: LegId,
        /// Target as configured.
        target: String,
    },
    /// The INVITE to a telephone behind a group of trunks goes by this one of them.
    GoesBy {
        /// The agent's leg.
        leg: LegId,
        /// Name of the trunk.
        trunk: String,
        /// SIP status with which the one before came to nothing; 408 where it said nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u16>,
    },
    /// The agent's phone rings.
    TransferRinging {
        /// The agent's leg.
        leg: LegId,
    },
    /// The agent answered and hears the briefing.
    Briefing {
        /// The agent's leg.
        leg: LegId,
        /// What the agent is told.
        text: Redacted<String>,
    },
    /// The agent accepted.
    TransferAccepted {
        /// The agent's leg.
        leg: LegId,
    },
    /// This target came to nothing.
    TransferFailed {
        /// The agent's leg.
        leg: LegId,
        /// Why.
        failure: TransferFailure,
    },
    /// Caller and agent hear each other.
    Bridged {
        /// The agent's leg.
        leg: LegId,
    },
    /// Somebody else took the place of a party, by REFER or Replaces.
    Replaced {
        /// Whose.
        leg: LegId,
    },
    /// All targets failed; the bot has the floor again.
    TransferGivenUp,
    /// A queue was full and something was dropped (first time in this call).
    Dropped {
        /// The queue's name.
        queue: String,
    },
    /// The recogniser process was replaced; what was heard of the utterance in hand is lost.
    RecogniserInterrupted,
    /// Speech recognition is not to be had; the call goes on without it.
    RecogniserLost {
        /// Why.
        #[serde(default)]
        reason: RecogniserLoss,
    },
    /// A leg is gone, with the figures of its stream.
    LegEnded {
        /// Which.
        leg: LegId,
        /// Whose.
        role: Role,
        /// Figures; absent where no stream ever ran.
        quality: Option<Quality>,
    },
    /// The end. Nothing follows.
    Ended(EndCause),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back_as_written() {
        let entry = Entry::Ended(EndCause::Refused { status: 486 });
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(text, r#"{"fact":"ended","cause":"refused","status":486}"#);
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
    }

    #[test]
    fn a_lost_recogniser_reads_back_with_its_reason_and_from_old_journals_without() {
        let entry = Entry::RecogniserLost { reason: RecogniserLoss::Overloaded };
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(text, r#"{"fact":"recogniser_lost","reason":"overloaded"}"#);
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
        let old = serde_json::from_str::<Entry>(r#"{"fact":"recogniser_lost"}"#).unwrap();
        assert_eq!(old, Entry::RecogniserLost { reason: RecogniserLoss::Unknown });
    }
}
