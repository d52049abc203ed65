//! One call at the softphone: SIP events and packets in; SIP orders, packets and a recording out. The loop that feeds it is
//! in the module above.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use super::report::{CallEnd, CallReport, Pacing};
use super::script::{Action, Note, Script};
use super::{PhoneError, What};
use crate::audio::frame::{FRAME_MS, Frame};
use crate::driver::pace;
use crate::driver::rtp_port::RtpPorts;
use crate::ids::DialogId;
use crate::media::codec::Codec;
use crate::media::negotiate::{self, LocalMedia, Negotiated};
use crate::media::srtp::sdes::Security;
use crate::media::stream::{Input, Output, Stream, StreamConfig};
use crate::sip::event::{DialogEvent, DialogOrder, SdpBody};
use crate::store::recording::Recording;
use crate::wire::rtp::RtpPacket;

const FRAME: Duration = Duration::from_millis(FRAME_MS as u64);
/// Later than this with a frame, and the frames between are left out.
const FRAME_LATE: Duration = Duration::from_millis(200);
/// How long a key is pressed, ms.
const KEY_MS: u32 = 120;
/// No packet for so long: the other side is gone.
const PATIENCE: Duration = Duration::from_secs(30);
/// Keys of the other side that are remembered.
const KEYS: usize = 64;

/// What a call of this phone begins with.
pub(super) struct VisitParts {
    pub(super) number: u32,
    pub(super) dialog: DialogId,
    pub(super) peer: String,
    pub(super) ports: RtpPorts,
    /// Our RTP address as the other side shall see it.
    pub(super) address: SocketAddr,
    pub(super) script: Script,
    pub(super) seed: u64,
    /// Give up, or hang up, after this.
    pub(super) longest: Duration,
    pub(super) stamped: bool,
    pub(super) codecs: Vec<Codec>,
    pub(super) security: Security,
}

/// How far a call is.
enum Stage {
    /// We dialled.
    Dialling,
    /// They dialled; `answer_at` is empty where we never answer.
    Ringing { answer_at: Option<Instant>, offer: Option<SdpBody> },
    /// We answered with an offer of our own and wait for theirs.
    Answered,
    /// Both can talk.
    Talking(Box<Talk>),
    /// We hung up; the dialog's end is awaited.
    Ending,
}

struct Talk {
    stream: Stream,
    began: Instant,
    next_frame: Instant,
    recording: Option<Recording>,
}

/// See the module.
pub(super) struct Visit {
    parts: VisitParts,
    local: LocalMedia,
    began: Instant,
    stage: Stage,
    record_to: Option<std::path::PathBuf>,
    report: CallReport,
    /// Why we hung up, while the dialog still ends.
    ending: Option<CallEnd>,
    /// What the SIP endpoint is asked.
    pub(super) orders: Vec<DialogOrder>,
    /// What a listener is told.
    pub(super) news: Vec<What>,
}

impl Visit {
    pub(super) fn new(now: Instant, parts: VisitParts, record_to: Option<&Path>) -> Self {
        let report = CallReport {
            number: parts.number,
            peer: parts.peer.clone(),
            end: CallEnd::Lost,
            setup_ms: None,
            talked: Duration::ZERO,
            responses_ms: Vec::new(),
            keys: String::new(),
            quality: None,
            pacing: Pacing::default(),
        };
        let mut local = LocalMedia::new(parts.address, parts.seed >> 1).secured(parts.security);
        local.codecs.clone_from(&parts.codecs);
        Self {
            local,
            parts,
            began: now,
            stage: Stage::Dialling,
            record_to: record_to.map(Path::to_owned),
            report,
            ending: None,
            orders: Vec::new(),
            news: Vec::new(),
        }
    }

    pub(super) fn dialog(&self) -> DialogId {
        self.parts.dialog
    }

    /// The offer of a call that we place.
    pub(super) fn offer(&mut self) -> SdpBody {
        negotiate::offer(&mut self.local).into()
    }

    /// A call that comes in: let it ring.
    pub(super) fn ring(&mut self, now: Instant, after: Option<Duration>, offer: Option<SdpBody>) {
        self.orders.push(DialogOrder::Ring);
        self.stage = Stage::Ringing { answer_at: after.map(|after| now + after), offer };
    }

    /// When to come back.
    pub(super) fn deadline(&self) -> Instant {
        let end = self.began + self.parts.longest;
        match &self.stage {
            Stage::Dialling | Stage::Answered | Stage::Ending => end,
            Stage::Ringing { answer_at, .. } => answer_at.map_or(end, |at| at.min(end)),
            Stage::Talking(talk) => {
                let stream = talk.stream.deadline().map_or(end, |(at, _)| at);
                talk.next_frame.min(stream).min(end)
            }
        }
    }

    /// What the dialog says. True where the call is over.
    pub(super) fn dialog_event(&mut self, now: Instant, event: DialogEvent) -> Result<bool, PhoneError> {
        match event {
            DialogEvent::Ringing { .. } => self.news.push(What::Rings),
            DialogEvent::Answered { sdp } => self.answered(now, sdp)?,
            DialogEvent::Acknowledged { sdp: Some(sdp) } => match self.stage {
                Stage::Answered => self.accept(now, &sdp)?,
                Stage::Talking(_) => self.reanswered(now, &sdp),
                Stage::Dialling | Stage::Ringing { .. } | Stage::Ending => {}
            },
            DialogEvent::Acknowledged { sdp: None } => {}
            DialogEvent::Offered { sdp } => self.offered(now, &sdp),
            DialogEvent::OfferWanted => {
                let sdp = negotiate::offer(&mut self.local).into();
                self.orders.push(DialogOrder::AnswerOffer { sdp });
            }
            DialogEvent::OfferAgain => {
                let sdp = negotiate::offer(&mut self.local).into();
                self.orders.push(DialogOrder::Offer { sdp });
            }
            DialogEvent::OfferAnswered { sdp } => self.reanswered(now, &sdp),
            // The last is the loop's business.
            DialogEvent::GoesBy { .. }
            | DialogEvent::OfferRefused { .. }
            | DialogEvent::ReferNews { .. }
            | DialogEvent::Because(_)
            | DialogEvent::Replaced { .. } => {}
            DialogEvent::Referred { .. } => self.orders.push(DialogOrder::RefuseRefer { status: 603 }),
            DialogEvent::Digit(key) => self.key(key),
            DialogEvent::Refused { status } => return Ok(self.over(now, CallEnd::Refused { status })),
            DialogEvent::Cancelled => return Ok(self.over(now, CallEnd::Cancelled)),
            DialogEvent::Ended { lost } => {
                return Ok(self.over(now, if lost { CallEnd::Lost } else { CallEnd::TheyHungUp }));
            }
        }
        Ok(false)
    }

    fn answered(&mut self, now: Instant, sdp: Option<SdpBody>) -> Result<(), PhoneError> {
        let setup_ms = now.saturating_duration_since(self.began).as_secs_f32() * 1000.0;
        self.report.setup_ms = Some(setup_ms);
        self.news.push(What::Answered { setup_ms });
        match sdp {
            Some(sdp) => self.accept(now, &sdp),
            None => {
                self.hang_up(now, CallEnd::NoAudio("the answer holds no session description".to_owned()));
                Ok(())
            }
        }
    }

    fn accept(&mut self, now: Instant, answer: &[u8]) -> Result<(), PhoneError> {
        match negotiate::accept(answer, &mut self.local) {
            Ok(agreed) => self.talk(now, agreed),
            Err(error) => {
                self.hang_up(now, CallEnd::NoAudio(error.to_string()));
                Ok(())
            }
        }
    }

    /// A re-INVITE or UPDATE.
    fn offered(&mut self, now: Instant, offer: &[u8]) {
        let order = match (negotiate::answer(offer, &mut self.local), &mut self.stage) {
            (Ok((agreed, sdp)), Stage::Talking(talk)) => {
                talk.stream.renegotiate(now, agreed);
                DialogOrder::AnswerOffer { sdp: sdp.into() }
            }
            (Ok(_) | Err(_), _) => DialogOrder::RefuseOffer { status: 488 },
        };
        self.orders.push(order);
    }

    /// The answer to a later offer of ours.
    fn reanswered(&mut self, now: Instant, answer: &[u8]) {
        if let (Ok(agreed), Stage::Talking(talk)) = (negotiate::accept(answer, &mut self.local), &mut self.stage) {
            talk.stream.renegotiate(now, agreed);
        }
    }

    /// We pick up.
    fn pick_up(&mut self, now: Instant, offer: Option<&SdpBody>) -> Result<(), PhoneError> {
        let setup_ms = now.saturating_duration_since(self.began).as_secs_f32() * 1000.0;
        let Some(offer) = offer else {
            let sdp = negotiate::offer(&mut self.local).into();
            self.orders.push(DialogOrder::Answer { sdp });
            self.stage = Stage::Answered;
            return Ok(());
        };
        match negotiate::answer(offer, &mut self.local) {
            Ok((agreed, sdp)) => {
                self.orders.push(DialogOrder::Answer { sdp: sdp.into() });
                self.report.setup_ms = Some(setup_ms);
                self.news.push(What::Answered { setup_ms });
                self.talk(now, agreed)
            }
            Err(error) => {
                self.ending = Some(CallEnd::NoAudio(error.to_string()));
                self.orders.push(DialogOrder::Refuse { status: 488 });
                self.stage = Stage::Ending;
                Ok(())
            }
        }
    }

    fn talk(&mut self, now: Instant, negotiated: Negotiated) -> Result<(), PhoneError> {
        let recording = self.record_to.as_deref().map(Recording::create).transpose()?;
        let cname = format!("phone-{:08x}", self.parts.seed & 0xffff_ffff);
        let config = StreamConfig { negotiated, peer: None, cname, seed: self.parts.seed, patience: PATIENCE };
        let stream = Stream::new(config, now);
        self.stage = Stage::Talking(Box::new(Talk { stream, began: now, next_frame: now, recording }));
        Ok(())
    }

    /// Time has passed.
    pub(super) fn time_passed(&mut self, now: Instant) -> Result<(), PhoneError> {
        if now >= self.began + self.parts.longest {
            let end = if matches!(self.stage, Stage::Talking(_)) { CallEnd::TooLong } else { CallEnd::NotAnswered };
            self.hang_up(now, end);
            return Ok(());
        }
        match &mut self.stage {
            Stage::Dialling | Stage::Answered | Stage::Ending => Ok(()),
            Stage::Ringing { answer_at, offer } => {
                if answer_at.is_some_and(|at| now >= at) {
                    let offer = offer.take();
                    return self.pick_up(now, offer.as_ref());
                }
                Ok(())
            }
            Stage::Talking(talk) => {
                let frame_due = now >= talk.next_frame;
                if frame_due {
                    self.frame(now)?;
                } else if talk.stream.deadline().is_some_and(|(at, _)| now >= at) {
                    talk.stream.handle(now, Input::Timeout);
                }
                self.drain(now);
                Ok(())
            }
        }
    }

    /// 20 ms of the script.
    fn frame(&mut self, now: Instant) -> Result<(), PhoneError> {
        let Stage::Talking(talk) = &mut self.stage else { return Ok(()) };
        let late = now.saturating_duration_since(talk.next_frame);
        talk.next_frame = if late > FRAME_LATE { now + FRAME } else { talk.next_frame + FRAME };
        let action = self.parts.script.frame(now.saturating_duration_since(talk.began));
        let frame = match action {
            Action::Send(frame) => frame,
            Action::Over => Frame::SILENCE,
            Action::Press(digit) => {
                talk.stream.handle(now, Input::SendDigit { digit, ms: KEY_MS });
                Frame::SILENCE
            }
            Action::HangUp => {
                self.hang_up(now, CallEnd::WeHungUp);
                return Ok(());
            }
        };
        talk.stream.handle(now, Input::Send(&frame));
        if let Some(recording) = &mut talk.recording {
            recording.append(&frame, &talk.stream.pull(now))?;
        }
        while let Some(note) = self.parts.script.poll() {
            self.news.push(match note {
                Note::Began(step) => What::Step(step),
                Note::FarSpeaks { response_ms } => What::TheySpeak { response_ms },
                Note::FarQuiet => What::TheyAreQuiet,
            });
        }
        Ok(())
    }

    /// Takes one waiting datagram of the RTP (or RTCP) socket.
    pub(super) fn receive(&mut self, now: Instant, control: bool, datagram: &mut [u8]) {
        let socket = if control { &self.parts.ports.rtcp } else { &self.parts.ports.rtp };
        // An error is an ICMP answer to what we sent.
        let Ok((length, from)) = socket.recv_from(datagram) else { return };
        let bytes = &datagram[..length];
        let Stage::Talking(talk) = &mut self.stage else { return };
        if control {
            talk.stream.handle(now, Input::Rtcp { from, bytes });
        } else {
            if self.parts.stamped
                && let (Ok(packet), Some(at_us)) = (RtpPacket::parse(bytes), pace::last_received_us(socket))
            {
                self.report.pacing.packet(packet.sequence().0, at_us);
            }
            talk.stream.handle(now, Input::Rtp { from, bytes });
        }
        self.drain(now);
    }

    fn drain(&mut self, now: Instant) {
        let mut keys = Vec::new();
        let Stage::Talking(talk) = &mut self.stage else { return };
        let ports = &self.parts.ports;
        while let Some(output) = talk.stream.poll() {
            // A packet that the kernel does not take is a lost packet, as on any line.
            match output {
                Output::Heard(frame) => {
                    self.parts.script.heard(now.saturating_duration_since(talk.began), &frame);
                }
                Output::Digit(key) => keys.push(key),
                Output::Transmit { to, datagram } => drop(ports.rtp.send_to(datagram.as_bytes(), to)),
                Output::TransmitRtcp { to, datagram } => drop(ports.rtcp.send_to(datagram.as_bytes(), to)),
                Output::Lost => self.news.push(What::NothingArrives),
                // We are no browser.
                Output::Resumed | Output::Pass(_) | Output::Handshake { .. } | Output::Ready => {}
            }
        }
        keys.into_iter().for_each(|key| self.key(key));
    }

    fn key(&mut self, key: char) {
        if self.report.keys.len() < KEYS {
            self.report.keys.push(key);
        }
        self.news.push(What::Key(key));
    }

    /// We end it; nothing where it is ending already.
    pub(super) fn hang_up(&mut self, now: Instant, why: CallEnd) {
        if matches!(self.stage, Stage::Ending) {
            // The other side does not take note: the endpoint's own timers end the dialog, or we leave without.
            self.began = now;
            return;
        }
        self.fall_silent(now);
        self.ending = Some(why);
        self.stage = Stage::Ending;
        self.began = now;
        self.orders.push(DialogOrder::HangUp);
    }

    /// The stream's last words, its figures and the end of the recording.
    fn fall_silent(&mut self, now: Instant) {
        if let Stage::Talking(talk) = &mut self.stage {
            talk.stream.bye(now);
        }
        self.drain(now);
        let Stage::Talking(talk) = &mut self.stage else { return };
        self.report.talked = now.saturating_duration_since(talk.began);
        self.report.quality = Some(talk.stream.quality());
        if let Some(recording) = &mut talk.recording {
            // A recording that cannot be completed still plays up to its last second.
            let _ = recording.flush();
        }
    }

    fn over(&mut self, now: Instant, end: CallEnd) -> bool {
        self.fall_silent(now);
        self.stage = Stage::Ending;
        self.report.end = self.ending.take().unwrap_or(end);
        self.report.responses_ms = self.parts.script.responses_ms().to_vec();
        true
    }

    /// What is left of it.
    pub(super) fn into_report(self) -> CallReport {
        self.report
    }

    /// Ends it without the dialog's leave.
    pub(super) fn abandon(&mut self, now: Instant, end: CallEnd) {
        self.over(now, end);
    }
}
