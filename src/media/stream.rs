//! One leg's RTP and RTCP: datagrams in, frames and keys out; frames and keys in, datagrams out. Counts everything.
//!
//! RFC 3550 (8.2: an SSRC collision is met by changing ours), RFC 3551, RFC 4733, symmetric RTP of RFC 4961. After comfort
//! noise (RFC 3389) or an empty packet of Opus the other side pauses: that is no loss, and people hear the noise. Encrypted where that was agreed ([`super::guard`]). Not here: sockets, and who hears whom.
//!
//! Differs from the first contract: `Input::Send` must come every 20 ms, silence included; [`Stream::pull`] as well where
//! anybody listens or records.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::arrival::Arrival;
use super::browser::DtlsTerms;
use super::browser::path::Path;
use super::codec::{ClockScale, Codec, Reader};
use super::comfort::ComfortNoise;
use super::control::Control;
use super::digits::DigitReceiver;
use super::guard::{self, Guard};
use super::inband::InBand;
use super::jitter::{Jitter, Pulled};
use super::negotiate::Negotiated;
use super::passing::{Kind, Passing};
use super::quality::{self, QualityFigures, mean_opinion_score};
use super::reception::{self, Place, Reception};
pub use super::sender::Datagram;
use super::sender::Sender;
use super::srtp::sdes::SrtpKeys;
use super::timeline::{Timeline, Written};
use crate::audio::frame::{FRAME_MS, FRAME_SAMPLES, Frame};
use crate::deadline::earliest;
use crate::wire::rtp::{PayloadType, RtpPacket, Timestamp};
use crate::wire::telephone_event::TelephoneEvent;
use crate::wire::voip_metrics::VoipMetrics;

mod browser;

/// Longest payload that is taken: 120 ms of G.711. Longer ones are cut.
const LONGEST_PAYLOAD: usize = 960;
/// Longest loss that a packet's redundancy is asked for, samples, and of what it must be a multiple: 2.5 ms.
const LONGEST_RECOVERED: usize = 3 * FRAME_SAMPLES;
const RECOVERED_STEP: usize = 20;
/// Outputs that wait to be polled; more are dropped and counted. A packet makes a few, a burst behind a hole up to 52.
const OUTPUTS: usize = 64;

/// What a stream begins with.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// What was agreed.
    pub negotiated: Negotiated,
    /// Host that the signalling comes from, where it is known: its RTP may come from there too.
    pub peer: Option<IpAddr>,
    /// Our name in RTCP: random, never a person's (RFC 7022).
    pub cname: String,
    /// Seed of SSRC, sequence number, timestamp and report times.
    pub seed: u64,
    /// No packet for this long is told as [`Output::Lost`].
    pub patience: Duration,
}

/// What can happen to a stream.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram on the RTP port.
    Rtp {
        /// Its sender.
        from: SocketAddr,
        /// All of it.
        bytes: &'a [u8],
    },
    /// A datagram on the RTCP port.
    Rtcp {
        /// Its sender.
        from: SocketAddr,
        /// All of it.
        bytes: &'a [u8],
    },
    /// 20 ms have passed: this is to be sent. While a key is being sent, or we hold the other side, it is not.
    Send(&'a Frame),
    /// A payload of another stream is to be sent as it is, where it was agreed here too.
    Pass(&'a Passing),
    /// Queue a key.
    SendDigit {
        /// 0-9, `*`, `#`, A-D.
        digit: char,
        /// How long, ms; held to 40 to 8000.
        ms: u32,
    },
    /// The handshake that [`Output::Handshake`] asked for has made the keys; `None`: it has failed.
    Keys(Option<SrtpKeys>),
    /// A deadline has come.
    Timeout,
}

/// What a stream asks for.
#[derive(Debug)]
pub enum Output {
    /// 20 ms for the recogniser, in RTP order on arrival.
    Heard(Frame),
    /// A key, once per press.
    Digit(char),
    /// Give this to the stream of the other side ([`Input::Pass`]): asked for by [`Stream::pass_on`].
    Pass(Passing),
    /// Send this from the RTP port.
    Transmit {
        /// To whom.
        to: SocketAddr,
        /// What.
        datagram: Datagram,
    },
    /// Send this from the RTCP port.
    TransmitRtcp {
        /// To whom.
        to: SocketAddr,
        /// What.
        datagram: Datagram,
    },
    /// For the handshake that makes the keys: a piece of it, or (without bytes) that it is for us to begin it. The first of
    /// these terms begins one; what it has to say goes to this address, from the RTP port.
    Handshake {
        /// Where the other side is.
        to: SocketAddr,
        /// What it must achieve.
        terms: DtlsTerms,
        /// What came.
        bytes: Box<[u8]>,
    },
    /// The keys are made: from now on it hears and speaks. Only where a handshake was needed.
    Ready,
    /// No packet for as long as our patience. Told once, until packets come again.
    Lost,
    /// Packets come again.
    Resumed,
}

/// Why a stream wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The recogniser needs a made-up frame.
    Fill,
    /// An RTCP report is due.
    Report,
    /// Patience is at its end.
    Patience,
}

/// What becomes of what comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Use {
    /// It is decoded, for whoever pulls and for the recogniser.
    #[default]
    Heard,
    /// That, and it passes on as it is.
    HeardAndPassed,
    /// It passes on as it is, and nobody listens here. Keys are told all the same.
    Passed,
}

/// When the other side was heard.
#[derive(Clone, Copy, Debug)]
struct Presence {
    patience: Duration,
    heard: Instant,
    lost: bool,
}

/// What is counted beside [`Reception`].
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Of sources before this one.
    before: QualityFigures,
    dropped: u64,
    strangers: u64,
    concealed: u64,
    sent: u64,
    passed: u64,
}

/// Keys pressed on the other side, as events or, where none were agreed, as tones; tones are sent here too.
#[derive(Default)]
struct Presses {
    events: DigitReceiver,
    tones: InBand,
}

/// What becomes of what comes: samples in their places, read once for people and once for the recogniser.
struct Ears {
    reader: Reader,
    clock: ClockScale,
    jitter: Jitter,
    arrival: Arrival,
    comfort: ComfortNoise,
}

/// The stream of one leg.
pub struct Stream {
    negotiated: Negotiated,
    start: Instant,
    random: fastrand::Rng,
    path: Path,
    sender: Sender,
    reception: Option<Reception>,
    timeline: Timeline,
    ears: Ears,
    presses: Presses,
    guard: Guard,
    control: Control,
    presence: Presence,
    usage: Use,
    counts: Counts,
    outputs: VecDeque<Output>,
}

impl Stream {
    /// Begins to listen; nothing is sent before the first [`Input::Send`].
    pub fn new(config: StreamConfig, now: Instant) -> Self {
        let agreed = config.negotiated;
        let mut random = fastrand::Rng::with_seed(config.seed);
        let Negotiated { codec, payload_type, telephone_event, event_clock_hz, ptime_ms, .. } = agreed;
        let mut sender = Sender::new(&mut random, codec, payload_type, telephone_event);
        sender.agree(codec, payload_type, telephone_event, event_clock_hz, ptime_ms);
        sender.pause(agreed.dtx);
        let control = Control::new(&config.cname, random.u64(..), now);
        let mut guard = Guard::new(agreed.srtp.as_ref());
        if agreed.dtls.is_some() {
            guard.await_keys();
        }
        Self {
            negotiated: agreed,
            start: now,
            random,
            path: Path::new(now, &agreed, config.peer),
            sender,
            reception: None,
            timeline: Timeline::new(),
            ears: Ears {
                reader: Reader::new(agreed.codec),
                clock: ClockScale::default(),
                jitter: Jitter::new(),
                arrival: Arrival::new(),
                comfort: ComfortNoise::new(config.seed),
            },
            presses: Presses::default(),
            guard,
            control,
            presence: Presence { patience: config.patience, heard: now, lost: false },
            usage: Use::Heard,
            counts: Counts::default(),
            outputs: VecDeque::with_capacity(4),
        }
    }

    /// Takes in one input. Drain [`Self::poll`] before the next.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Rtp { from, bytes } => self.datagram(now, from, bytes),
            Input::Rtcp { from, bytes } => self.rtcp(now, from, bytes),
            Input::Send(frame) => self.send(now, frame),
            Input::Pass(passing) => self.pass(now, passing),
            Input::SendDigit { digit, ms } => {
                if !self.sender.press(digit, ms) && self.negotiated.telephone_event.is_none() {
                    self.presses.tones.press(digit, ms);
                }
            }
            Input::Keys(keys) => self.keys(now, keys.as_ref()),
            Input::Timeout => {}
        }
        self.time_passed(now);
    }

    /// The next thing asked for.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Timeout`].
    pub fn deadline(&self) -> Option<(Instant, Why)> {
        let patience = (self.negotiated.direction.receives() && !self.presence.lost)
            .then(|| (self.presence.heard + self.presence.patience, Why::Patience));
        earliest([
            self.ears.arrival.deadline().map(|at| (at, Why::Fill)),
            Some((self.control.deadline(), Why::Report)),
            patience,
        ])
    }

    /// The next 20 ms for ears and recordings, out of the jitter buffer.
    pub fn pull(&mut self, now: Instant) -> Frame {
        let mut frame = Frame::SILENCE;
        match self.ears.jitter.pull(now, &self.timeline, &mut frame) {
            Pulled::Concealed => self.counts.concealed += 1,
            Pulled::Waiting => self.ears.comfort.fill(&mut frame),
            Pulled::Frame => {}
        }
        frame
    }

    /// A new agreement: after a re-INVITE, or the answer after early media.
    pub fn renegotiate(&mut self, now: Instant, negotiated: Negotiated) {
        if negotiated.remote != self.negotiated.remote {
            self.control.forget_source();
        }
        self.path.agree(now, &negotiated);
        let Negotiated { codec, payload_type, telephone_event, event_clock_hz, ptime_ms, .. } = negotiated;
        self.sender.agree(codec, payload_type, telephone_event, event_clock_hz, ptime_ms);
        self.sender.pause(negotiated.dtx);
        match (negotiated.dtls, self.negotiated.dtls) {
            (Some(terms), Some(before)) if terms.same_keys(&before) => {}
            (Some(_), _) => self.guard.await_keys(),
            (None, _) if self.guard.agree(negotiated.srtp.as_ref()) => self.sender.change_ssrc(&mut self.random),
            (None, _) => {}
        }
        if negotiated.direction.receives() {
            // What was silent by agreement was not lost.
            self.presence.heard = self.presence.heard.max(now);
        } else {
            self.ears.arrival.rest();
        }
        self.negotiated = negotiated;
    }

    /// What is done with what comes from now on.
    pub fn pass_on(&mut self, usage: Use) {
        match (self.usage, usage) {
            (Use::Heard | Use::HeardAndPassed, Use::Passed) => self.ears.arrival.rest(),
            // What was not heard is no gap.
            (Use::Passed, Use::Heard | Use::HeardAndPassed) => self.begin_anew(),
            (Use::Heard | Use::HeardAndPassed, Use::Heard | Use::HeardAndPassed) | (Use::Passed, Use::Passed) => {}
        }
        self.usage = usage;
    }

    /// Whether payloads may pass between this stream and `other` as they are: same codec, packets as long as either asks, pauses and
    /// keys by the same means, both ways open, and no key of ours to be sent.
    pub fn passes_to(&self, other: &Self) -> bool {
        use super::negotiate::Direction::SendRecv;
        let (ours, theirs) = (&self.negotiated, &other.negotiated);
        let events = |agreed: &Negotiated| agreed.telephone_event.map(|_| agreed.event_clock_hz);
        ours.codec == theirs.codec
            && ours.ptime_ms == theirs.ptime_ms
            && ours.dtx == theirs.dtx
            && events(ours) == events(theirs)
            && ours.direction == SendRecv
            && theirs.direction == SendRecv
            && !self.is_pressing()
            && !other.is_pressing()
    }

    fn is_pressing(&self) -> bool {
        self.sender.is_pressing() || self.presses.tones.is_busy()
    }

    /// What is agreed now.
    pub fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// Says goodbye by RTCP: the last thing before the leg ends.
    pub fn bye(&mut self, now: Instant) {
        self.report(now, Some(""));
    }

    /// Figures so far.
    pub fn quality(&self) -> QualityFigures {
        let mut figures = self.figures_of_source();
        figures.dropped = self.counts.dropped;
        figures.strangers = self.counts.strangers;
        figures.passed = self.counts.passed;
        figures.concealed = self.counts.concealed;
        figures.sent = self.counts.sent;
        figures.buffer_ms = self.ears.jitter.target_ms();
        figures.round_trip_ms = self.control.round_trip().map(|time| time.as_secs_f32() * 1000.0);
        figures.remote_loss = self.control.remote_loss();
        let expected = (figures.received + figures.lost).max(1);
        let missing = (figures.lost + figures.late) as f32 / expected as f32;
        let one_way = figures.round_trip_ms.unwrap_or(0.0) / 2.0 + figures.buffer_ms + 2.0 * FRAME_MS as f32;
        let ratio = self.reception.as_ref().map_or(1.0, |reception| reception.bursts().figures(FRAME_MS).ratio);
        figures.mos = mean_opinion_score(quality::rating(self.negotiated.codec, one_way, missing, ratio));
        figures
    }

    /// How the other side hears us, by its last VoIP metrics (RFC 3611).
    pub fn remote_metrics(&self) -> Option<VoipMetrics> {
        self.control.metrics()
    }

    fn metrics(&self) -> Option<VoipMetrics> {
        let reception = self.reception.as_ref().filter(|_| self.negotiated.voip_metrics)?;
        let bursts = reception.bursts().figures(FRAME_MS);
        let metrics = quality::voip_metrics(self.negotiated.codec, &self.quality(), &bursts);
        Some(VoipMetrics { ssrc: reception.ssrc(), ..metrics })
    }

    /// Reception of this source added to that of those before it.
    fn figures_of_source(&self) -> QualityFigures {
        let mut figures = self.counts.before;
        figures.late = self.ears.jitter.late();
        if let Some(reception) = &self.reception {
            figures.received += reception.received();
            figures.lost += reception.lost();
            figures.duplicate += reception.duplicate();
            figures.reordered += reception.reordered();
            figures.jitter_ms = reception.jitter() as f32 / 8.0;
        }
        figures
    }

    fn rtp(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let mut room = [0; guard::LONGEST];
        let opened = self.guard.open(false, bytes, &mut room).ok();
        let Some(packet) = opened.and_then(|bytes| RtpPacket::parse(bytes).ok()) else {
            self.counts.dropped += 1;
            return;
        };
        let payload_type = packet.payload_type();
        let number = Some(payload_type.get());
        let is_event = [self.negotiated.telephone_event, self.negotiated.other_event].contains(&number);
        let codec = self.codec_of(payload_type);
        let known = is_event || codec.is_some() || payload_type == PayloadType::COMFORT_NOISE;
        if !known {
            self.counts.dropped += 1;
            return;
        }
        if !self.path.admit(now, from, packet.ssrc(), self.guard.is_secure()) {
            self.counts.strangers += 1;
            return;
        }
        self.heard(now);
        if packet.ssrc() == self.sender.ssrc() {
            self.sender.change_ssrc(&mut self.random);
        }
        let spoken = codec.unwrap_or(self.negotiated.codec);
        if spoken.units() != self.ears.reader.codec().units() {
            // Another clock: no stamp before has to do with one after.
            self.begin_anew();
            self.ears.reader = Reader::new(spoken);
        }
        let timestamp = self.ears.clock.scale(packet.timestamp(), spoken.units());
        let Some(place) = self.receive(now, &packet, timestamp) else { return };
        if self.usage != Use::Heard {
            self.give_on(&packet, is_event, codec);
        }
        if is_event {
            self.event(now, &packet, timestamp);
        } else if self.usage == Use::Passed {
            if let Some(digit) = self.presses.events.audio(timestamp) {
                self.emit(Output::Digit(digit));
            }
        } else if let Some(codec) = codec {
            self.audio(now, (&packet, timestamp), codec, place);
        } else {
            self.ears.comfort.begin(packet.payload());
            self.silence(now, timestamp, FRAME_SAMPLES);
        }
    }

    /// What comes goes on to the other side of the bridge, if it is what was agreed.
    fn give_on(&mut self, packet: &RtpPacket<'_>, is_event: bool, codec: Option<Codec>) {
        let kind = match codec {
            // Its duration is counted by another clock.
            _ if is_event && self.negotiated.telephone_event != Some(packet.payload_type().get()) => return,
            _ if is_event => Kind::Event(self.negotiated.event_clock_hz),
            Some(codec) => Kind::Voice(codec),
            None if self.negotiated.dtx => Kind::Noise,
            None => return,
        };
        match Passing::of(kind, packet) {
            Some(passing) => self.emit(Output::Pass(passing)),
            None => self.counts.dropped += 1,
        }
    }

    /// The codec of a payload type: what was agreed, or the static types, which some send whatever was agreed.
    fn codec_of(&self, payload_type: PayloadType) -> Option<Codec> {
        if payload_type.get() == self.negotiated.payload_type {
            Some(self.negotiated.codec)
        } else {
            Codec::of_static(payload_type)
        }
    }

    fn heard(&mut self, now: Instant) {
        self.presence.heard = now;
        if std::mem::take(&mut self.presence.lost) {
            self.emit(Output::Resumed);
        }
    }

    /// Counts a packet; `None` when it is to be dropped.
    fn receive(&mut self, now: Instant, packet: &RtpPacket<'_>, timestamp: Timestamp) -> Option<Place> {
        let sequence = packet.sequence();
        if self.reception.as_ref().is_none_or(|reception| reception.ssrc() != packet.ssrc()) {
            if self.reception.is_some() {
                self.counts.before = QualityFigures { late: 0, ..self.figures_of_source() };
                self.begin_anew();
            }
            self.reception = Some(Reception::new(packet.ssrc(), sequence));
        }
        let elapsed = reception::since(self.start, now);
        let place = self.reception.as_mut()?.packet(sequence, timestamp, elapsed);
        match place {
            Place::Newest { .. } | Place::Reordered => Some(place),
            Place::Restarted => {
                self.begin_anew();
                Some(place)
            }
            Place::Duplicate => None,
            Place::Stray => {
                self.counts.dropped += 1;
                None
            }
        }
    }

    /// Timestamps begin anew: another source, or the same one restarted.
    fn begin_anew(&mut self) {
        self.timeline.clear();
        self.ears.jitter.restart();
        self.ears.arrival.restart();
        if let Some(digit) = self.presses.events.restart() {
            self.emit(Output::Digit(digit));
        }
    }

    fn audio(&mut self, now: Instant, (packet, timestamp): (&RtpPacket<'_>, Timestamp), codec: Codec, place: Place) {
        if codec != self.ears.reader.codec() {
            self.ears.reader = Reader::new(codec);
        }
        if codec == Codec::Opus && packet.payload().len() <= 1 {
            // Nothing is being said (RFC 6716 2.1.9).
            return self.silence(now, timestamp, FRAME_SAMPLES);
        }
        self.ears.comfort.end();
        self.recover(packet.payload(), timestamp, place);
        let mut samples = [0i16; LONGEST_PAYLOAD];
        let length = self.ears.reader.decode(packet.payload(), &mut samples);
        let samples = &samples[..length];
        if samples.is_empty() {
            return;
        }
        if let Some(digit) = self.presses.events.audio(timestamp) {
            self.emit(Output::Digit(digit));
        }
        let mut at = self.timeline.place(timestamp);
        match self.timeline.write(timestamp, samples) {
            Written::Stored => {}
            Written::Known => return,
            // In sequence, yet of the past: the sender has set its clock anew without a new SSRC.
            Written::TooOld if matches!(place, Place::Newest { .. }) => {
                self.begin_anew();
                at = self.timeline.place(timestamp);
                self.timeline.write(timestamp, samples);
            }
            Written::TooOld => return,
        }
        let in_time = self.ears.jitter.arrived(now, at, length);
        if let Some(reception) = self.reception.as_mut().filter(|_| !in_time && matches!(place, Place::Newest { .. })) {
            reception.discarded();
        }
        self.ears.arrival.arrived(now, at);
        self.give_out_heard();
    }

    /// What was lost right before a packet, where the packet itself knows of it.
    fn recover(&mut self, next: &[u8], timestamp: Timestamp, place: Place) {
        let lost = self.timeline.place(timestamp).since(self.timeline.end());
        let Place::Newest { skipped: 1.. } = place else { return };
        let mut samples = [0i16; LONGEST_RECOVERED];
        let Some(samples) = usize::try_from(lost).ok().and_then(|lost| samples.get_mut(..lost)) else { return };
        if samples.is_empty() || samples.len() % RECOVERED_STEP != 0 || self.ears.jitter.is_idle() {
            return;
        }
        if self.ears.reader.recover(next, samples) == samples.len() {
            self.timeline.write(Timestamp(timestamp.0.wrapping_sub(samples.len() as u32)), samples);
        }
    }

    fn give_out_heard(&mut self) {
        let mut frame = Frame::SILENCE;
        while self.ears.arrival.next(&self.timeline, &mut frame) {
            self.give_out(&frame);
        }
    }

    fn give_out(&mut self, frame: &Frame) {
        if self.negotiated.telephone_event.is_none()
            && let Some(digit) = self.presses.tones.hear(frame)
        {
            self.emit(Output::Digit(digit));
        }
        self.emit(Output::Heard(frame.clone()));
    }

    fn event(&mut self, now: Instant, packet: &RtpPacket<'_>, timestamp: Timestamp) {
        if let Some(reception) = &mut self.reception {
            reception.forget_transit();
        }
        let Some(mut event) = TelephoneEvent::parse(packet.payload()) else {
            self.counts.dropped += 1;
            return;
        };
        let units = u16::try_from(self.negotiated.event_clock_hz / 8000).unwrap_or(1).max(1);
        event.duration /= units;
        for digit in self.presses.events.event(timestamp, event).into_iter().flatten() {
            self.emit(Output::Digit(digit));
        }
        self.silence(now, timestamp, usize::from(event.duration));
    }

    /// The time of a key press or of a pause is silence, not loss. Only what is new of it is written, and only after audio has begun.
    fn silence(&mut self, now: Instant, timestamp: Timestamp, length: usize) {
        let at = self.timeline.place(timestamp);
        let new = at.after(length as i64).since(self.timeline.end());
        if self.reception.is_none() || self.ears.jitter.is_idle() || new <= 0 || new > length as i64 {
            return;
        }
        self.timeline.write_silence(timestamp.add((length as i64 - new) as u32), new as usize);
        self.ears.arrival.arrived(now, at);
        self.give_out_heard();
    }

    fn rtcp(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let mut room = [0; guard::LONGEST];
        // With SRTP the key proves who sends.
        let admitted = self.guard.is_secure() || self.path.admits_control(from);
        let opened = if admitted { self.guard.open(true, bytes, &mut room).ok() } else { None };
        let sound = opened.is_some_and(|bytes| self.control.received(now, from, bytes, &self.sender).is_ok());
        if sound {
            // A muted phone may send no RTP for long, yet says by RTCP that it is there.
            self.heard(now);
        } else {
            self.counts.dropped += 1;
        }
    }

    fn send(&mut self, now: Instant, frame: &Frame) {
        let allowed = self.negotiated.direction.sends();
        let Some(to) = self.path.destination().filter(|_| allowed) else {
            self.sender.skip(now);
            return;
        };
        let tone = if self.negotiated.telephone_event.is_none() { self.presses.tones.next_frame() } else { None };
        self.sender.frame(now, tone.as_ref().unwrap_or(frame));
        while let Some(datagram) = self.sender.packet() {
            self.transmit(to, datagram);
        }
    }

    fn pass(&mut self, now: Instant, passing: &Passing) {
        let allowed = self.negotiated.direction.sends();
        let Some(to) = self.path.destination().filter(|_| allowed) else { return };
        match self.sender.pass(now, passing) {
            Some(datagram) => {
                self.counts.passed += 1;
                self.transmit(to, datagram);
            }
            None => self.counts.dropped += 1,
        }
    }

    fn transmit(&mut self, to: SocketAddr, mut datagram: Datagram) {
        if self.guard.close(false, &mut datagram).is_ok() {
            self.counts.sent += 1;
            self.emit(Output::Transmit { to, datagram });
        } else {
            self.counts.dropped += 1;
        }
    }

    fn time_passed(&mut self, now: Instant) {
        let mut frame = Frame::SILENCE;
        if self.ears.arrival.fill(now, &self.timeline, &mut frame) {
            self.give_out(&frame);
        }
        if now >= self.control.deadline() {
            self.report(now, None);
        }
        let patience = self.presence.heard + self.presence.patience;
        if self.negotiated.direction.receives() && !self.presence.lost && now >= patience {
            self.presence.lost = true;
            self.emit(Output::Lost);
        }
    }

    fn report(&mut self, now: Instant, bye: Option<&str>) {
        let metrics = self.metrics();
        let report = self.control.report(now, &self.sender, self.reception.as_mut(), metrics, bye);
        let (Some(mut datagram), Some(to)) = (report, self.path.destination()) else { return };
        if self.guard.close(true, &mut datagram).is_err() {
            self.counts.dropped += 1;
            return;
        }
        if self.negotiated.dtls.is_some() {
            return self.emit(Output::Transmit { to, datagram });
        }
        // Behind a router only the RTP address is known; the RTCP port is the next one by custom.
        let otherwise = if self.path.is_translated() {
            SocketAddr::new(to.ip(), to.port().saturating_add(1))
        } else {
            self.negotiated.remote_rtcp
        };
        self.emit(Output::TransmitRtcp { to: self.control.destination(otherwise), datagram });
    }

    fn emit(&mut self, output: Output) {
        if self.outputs.len() < OUTPUTS {
            self.outputs.push_back(output);
        } else {
            self.counts.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests;
