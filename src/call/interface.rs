//! What a call is made of, what can happen to it, and what it asks for. Values only; the machine is [`super::Call`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::bot::{self, BotConfig};
use super::transfer::{self, TransferConfig};
use crate::audio::frame::{Frame, WideFrame};
use crate::conversation::{LlmReply, LlmRequest, ToolReply, ToolRequest, Understanding};
use crate::dialplan::Plan;
use crate::dialplan::calendar::Moment;
use crate::dialplan::schema::RingTarget;
use crate::ids::{CallId, DialogId, LegId, SpeakId, UtteranceId};
use crate::journal::profile::Profile;
use crate::journal::{RecogniserLoss, Record};
pub use crate::media::browser::{DtlsTerms, Fingerprint};
pub use crate::media::codec::Codec;
pub use crate::media::srtp::sdes::{Srtp, SrtpKeys};
use crate::media::stream::Datagram;
use crate::redact::Redacted;
use crate::sip::event::{AddressedOrder, DialogEvent, IncomingInvite};
use crate::speech::{Hypothesis, Language, Transcript, VoiceActivity};

/// How calls run. What a dialplan says of the same goes before it.
#[derive(Clone, Debug)]
pub struct CallConfig {
    /// The bot.
    pub bot: BotConfig,
    /// Transfers.
    pub transfer: TransferConfig,
    /// No packet from a party for this long: the party is lost.
    pub patience: Duration,
    /// No call lasts longer.
    pub longest: Duration,
    /// Host part of telephones' addresses at each trunk, by the trunk's name, e.g. `pbx` -> `10.0.0.5:5060`. Where a trunk
    /// is not in it, its name stands there.
    pub domains: Arc<BTreeMap<String, String>>,
    /// How audio is agreed.
    pub media: MediaPolicy,
}

/// How keys are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keys {
    /// As telephone events (RFC 4733), or as tones where the other side knows none.
    #[default]
    Events,
    /// By SIP INFO (application/dtmf-relay); telephone events are not agreed on.
    Info,
}

impl std::str::FromStr for Keys {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "rtp" => Ok(Self::Events),
            "info" => Ok(Self::Info),
            _ => Err("expected \"rtp\" or \"info\""),
        }
    }
}

/// How audio is agreed with the other side.
#[derive(Clone, Debug)]
pub struct MediaPolicy {
    /// Codecs, the best first.
    pub codecs: Arc<[Codec]>,
    /// The same at trunks, and groups of them, that have it their own way, by name.
    pub codecs_at: Arc<BTreeMap<String, Arc<[Codec]>>>,
    /// Whether it is encrypted.
    pub srtp: Srtp,
    /// The same at trunks that have it their own way, by the trunk's name.
    pub srtp_at: Arc<BTreeMap<String, Srtp>>,
    /// How keys are sent and taken at trunks that have it their own way, by the trunk's name.
    pub keys_at: Arc<BTreeMap<String, Keys>>,
    /// Whether our pauses are sent as such where the other side agrees.
    pub dtx: bool,
    /// Of the certificate that browsers are shown; `None`: they are refused.
    pub dtls: Option<Fingerprint>,
}

impl Default for MediaPolicy {
    fn default() -> Self {
        Self {
            codecs: Arc::from(Codec::ALL),
            codecs_at: Arc::default(),
            srtp: Srtp::Off,
            srtp_at: Arc::default(),
            keys_at: Arc::default(),
            dtx: false,
            dtls: None,
        }
    }
}

impl MediaPolicy {
    /// Codecs with a peer that belongs to this trunk, or to none.
    pub fn codecs_of(&self, trunk: Option<&str>) -> &[Codec] {
        trunk.and_then(|trunk| self.codecs_at.get(trunk)).unwrap_or(&self.codecs)
    }

    /// How keys are sent to a peer that belongs to this trunk, or to none.
    pub fn keys_of(&self, trunk: Option<&str>) -> Keys {
        trunk.and_then(|trunk| self.keys_at.get(trunk)).copied().unwrap_or_default()
    }

    /// Whether audio is encrypted with a peer that belongs to this trunk, or to none.
    pub fn srtp_of(&self, trunk: Option<&str>) -> Srtp {
        trunk.and_then(|trunk| self.srtp_at.get(trunk)).copied().unwrap_or(self.srtp)
    }
}

impl Default for CallConfig {
    fn default() -> Self {
        Self {
            bot: BotConfig::default(),
            transfer: TransferConfig::default(),
            patience: Duration::from_secs(20),
            longest: Duration::from_secs(4 * 3600),
            domains: Arc::default(),
            media: MediaPolicy::default(),
        }
    }
}

/// What a call is made of.
pub struct CallParts {
    /// Its name.
    pub id: CallId,
    /// The INVITE that began it.
    pub invite: IncomingInvite,
    /// The line that was dialled.
    pub plan: Arc<Plan>,
    /// What was learnt from the line's phrases.
    pub understanding: Arc<Understanding>,
    /// Settings.
    pub config: CallConfig,
    /// Where the caller's RTP shall come to, as the caller shall see it.
    pub address: SocketAddr,
    /// Wall time now and what is hoisted, for opening hours.
    pub moment: Moment,
    /// File of the recording, relative to the recordings folder; `None`: not recorded.
    pub recording: Option<String>,
    /// What is remembered of the caller.
    pub profile: Profile,
    /// What a waiting caller hears, 8 kHz, looped.
    pub music: Arc<[i16]>,
    /// For everything random (SSRC, sequence numbers, session ids).
    pub seed: u64,
    /// What media keys are made from: from the system's random source, of this call alone.
    pub secret: [u8; 32],
}

/// Everything that can happen to a call.
#[derive(Debug)]
pub enum Input<'a> {
    /// News of a dialog.
    Dialog {
        /// Which.
        dialog: DialogId,
        /// What.
        event: DialogEvent,
    },
    /// The port that [`Output::OpenLeg`] asked for, and a free dialog id.
    LegPort {
        /// For which leg.
        leg: LegId,
        /// Dialog of its INVITE.
        dialog: DialogId,
        /// Where its RTP shall come to, as the other side shall see it.
        address: SocketAddr,
    },
    /// The dialog id that [`Output::OpenDialog`] asked for.
    LegDialog {
        /// For which leg.
        leg: LegId,
        /// Free.
        dialog: DialogId,
    },
    /// There is no port to be had.
    NoLegPort {
        /// For which leg.
        leg: LegId,
    },
    /// What came of a handshake that [`Output::Handshake`] asked for; `None`: it has failed.
    LegKeys {
        /// For which leg.
        leg: LegId,
        /// With what it protects its audio.
        keys: Option<SrtpKeys>,
    },
    /// A datagram on a leg's RTP port.
    Rtp {
        /// Which leg.
        leg: LegId,
        /// From where.
        from: SocketAddr,
        /// What.
        bytes: &'a [u8],
    },
    /// A datagram on a leg's RTCP port.
    Rtcp {
        /// Which leg.
        leg: LegId,
        /// From where.
        from: SocketAddr,
        /// What.
        bytes: &'a [u8],
    },
    /// From the recogniser: voice activity of the caller.
    Voice(VoiceActivity),
    /// From the recogniser: a guess.
    Hypothesis(Hypothesis),
    /// From the recogniser: final text.
    Transcript(Transcript),
    /// The recogniser lost what it heard of the utterance in hand and goes on.
    RecogniserInterrupted,
    /// The recogniser hears this call no more.
    RecogniserLost(RecogniserLoss),
    /// From the synthesiser: the next samples of a prompt, 8 kHz.
    PromptAudio {
        /// Which prompt.
        speak: SpeakId,
        /// Samples.
        samples: Arc<[i16]>,
    },
    /// From the synthesiser: all samples have come.
    PromptDone {
        /// Which prompt.
        speak: SpeakId,
    },
    /// From the synthesiser: no (more) samples will come.
    PromptFailed {
        /// Which prompt.
        speak: SpeakId,
    },
    /// A tool has answered, or will not.
    Tool(ToolReply),
    /// The language model has answered, or will not.
    Llm(LlmReply),
    /// The store takes entries again (true), or has no room for decisions (false).
    Store {
        /// Whether there is room.
        room: bool,
    },
    /// A person at the console, or the gateway itself, wants something.
    Order(Order),
    /// A fault in the shell that serves this call: get the caller to a human.
    Fault {
        /// What; nothing personal.
        what: &'static str,
    },
    /// [`super::Call::deadline`] has come.
    Timeout,
}

/// What a person, or the gateway, can ask of a live call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// End it.
    HangUp,
    /// End it: the gateway stops.
    Drain,
    /// Hand the caller, who is with the bot, to this telephone by REFER and leave.
    Refer(RingTarget),
    /// Hand the caller to the agent it is bridged with, by REFER with Replaces, and leave.
    LetGo,
    /// Put the caller on hold, or take it back. The bot waits meanwhile.
    Hold(bool),
    /// Stop recording, or go on.
    PauseRecording(bool),
}

/// Everything that a call can ask for, in the order in which it is to be done.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "frames and datagrams pass without a heap allocation each")]
pub enum Output {
    /// Hand this to the store before anything that follows.
    Journal(Record),
    /// For the SIP endpoint.
    Sip(AddressedOrder),
    /// Send on a leg's RTP port.
    Rtp {
        /// Which leg.
        leg: LegId,
        /// Where to.
        to: SocketAddr,
        /// What.
        datagram: Datagram,
    },
    /// Send on a leg's RTCP port.
    Rtcp {
        /// Which leg.
        leg: LegId,
        /// Where to.
        to: SocketAddr,
        /// What.
        datagram: Datagram,
    },
    /// A piece of a leg's handshake, or (without bytes) its beginning. What the handshake has to say goes to this address, on the
    /// leg's RTP port; [`Input::LegKeys`] tells what came of it.
    Handshake {
        /// Which leg.
        leg: LegId,
        /// Where to.
        to: SocketAddr,
        /// What it must achieve. Others than before begin another one.
        terms: DtlsTerms,
        /// What came.
        bytes: Box<[u8]>,
    },
    /// The caller, for the recogniser: 20 ms at 16 kHz, in RTP order on arrival.
    Hear(WideFrame),
    /// The recogniser shall give the text of what it heard since the last time.
    FinishUtterance(UtteranceId),
    /// The recogniser shall forget what it heard since then; what follows belongs to this utterance.
    RestartUtterance(UtteranceId),
    /// The synthesiser shall speak.
    Speak(SpeakOrder),
    /// The synthesiser need not speak this any more.
    CancelSpeak(SpeakId),
    /// Ask a tool: [`Input::Tool`] answers, in time or not at all.
    AskTool(Box<ToolRequest>),
    /// Ask the language model: [`Input::Llm`] answers, in time or not at all.
    AskLlm(Box<LlmRequest>),
    /// 20 ms for the recording.
    Record {
        /// The caller.
        left: Frame,
        /// What the caller hears.
        right: Frame,
    },
    /// A port for this new leg, please: [`Input::LegPort`] or [`Input::NoLegPort`] answers.
    OpenLeg {
        /// The leg to be.
        leg: LegId,
    },
    /// A free dialog id for this leg, please, which keeps its port: [`Input::LegDialog`] answers.
    OpenDialog {
        /// Whose place is to be taken.
        leg: LegId,
    },
    /// The leg's port is free.
    CloseLeg {
        /// Which.
        leg: LegId,
    },
    /// Nothing will follow: forget this call.
    Done,
}

/// Something for the synthesiser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpeakOrder {
    /// Its number.
    pub speak: SpeakId,
    /// Prompt id in the dialplan, to find a recorded one.
    pub prompt: String,
    /// The words.
    pub text: Redacted<String>,
    /// Their language.
    pub language: Language,
}

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The next 20 ms.
    Frame,
    /// The bot.
    Bot(bot::Why),
    /// A telephone that was dialled.
    Transfer(transfer::Why),
    /// The agent's briefing.
    Briefing,
    /// A stream.
    Stream(LegId),
    /// Somebody who was called by REFER.
    Refer,
    /// The longest call.
    Longest,
}
