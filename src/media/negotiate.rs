//! What two sides can do together: offer and answer (RFC 3264) for one audio stream of G.711, G.722 or Opus with telephone
//! events (RFC 4733), as session descriptions in and out.
//!
//! Followed: one `m=` line per offered one, all but the first fit audio refused; the offerer's payload types; codecs in our
//! order, the two laws of G.711 in the offerer's where they stand side by side in ours; mirrored directions; hold, also by 0.0.0.0 (8.4); versions that grow with each change (8); re-offers that keep
//! their `m=` lines and payload types; keys in `a=crypto` (RFC 4568) on RTP/SAVP and, where both sides can, on RTP/AVP
//! (RFC 8643); browsers' UDP/TLS/RTP/SAVPF in `browser`. Not here: rtcp-mux without DTLS (left out), `a=fmtp` of events beyond the
//! keys, preconditions. We send packets as long as `ptime` asks and `maxptime` allows, and say the same in our answer; what comes
//! may be of any length.

use std::net::{IpAddr, SocketAddr};

pub use self::browser::LocalDtls;
use super::browser::DtlsTerms;
pub use super::codec::Codec;
use super::packer::PTIME_RANGE;
use super::srtp::sdes::{CryptoLine, Security, SrtpKeys};
use crate::wire::rtp::PayloadType;
pub use crate::wire::sdp::Direction;
use crate::wire::sdp::{Attribute, Media, SdpError, SessionDescription, parse};
use crate::wire::sip::text::Text;

mod browser;

/// Packet time of our first offer, and that we send where nothing is said. ms.
const PTIME_MS: u32 = 20;
/// Payload type of telephone events in our own first offer, by their clock.
const EVENT_TYPES: [(u8, u32); 2] = [(101, 8000), (102, 48_000)];
/// Clock of comfort noise, Hz (RFC 3389 4).
const NOISE_HZ: u32 = 8000;
/// Extended reports (RFC 3611 5.1).
const METRICS: &str = "rtcp-xr";
/// Keys, as events.
const KEY_EVENTS: &str = "0-15";

/// What a payload type of this medium stands for, where it is a codec of ours.
fn codec_of(media: &Media, payload_type: u8) -> Option<Codec> {
    let format = media.format(payload_type)?;
    Codec::ALL.into_iter().find(|codec| {
        let is_named = format.encoding.eq_ignore_ascii_case(codec.name()) && format.clock_hz == codec.clock_hz();
        // Opus says two channels whatever it holds; some say one.
        is_named && (format.channels == 1 || *codec == Codec::Opus)
    })
}

/// What we can do on one leg, and what was said so far. Lives as long as the leg.
#[derive(Clone, Debug)]
pub struct LocalMedia {
    /// Our RTP address as the other side shall see it; RTCP is one port above.
    pub address: SocketAddr,
    /// Codecs in our order of preference.
    pub codecs: Vec<Codec>,
    /// Whether telephone events are offered and answered.
    pub telephone_event: bool,
    /// True: hold the other side in the next offer or answer.
    pub hold: bool,
    /// Whether pauses may be sent as such: comfort noise (RFC 3389) and `usedtx` of Opus (RFC 7587) are offered and answered.
    pub dtx: bool,
    /// What is done about encryption.
    pub security: Security,
    /// Our half of DTLS-SRTP, where it is answered.
    pub dtls: Option<LocalDtls>,
    session_id: u64,
    version: u64,
    /// Our last description.
    last: Option<SessionDescription>,
    /// Which of its `m=` lines is the audio.
    place: usize,
    /// What was agreed last.
    agreed: Option<Negotiated>,
    /// Keys in our last offer.
    offered: Vec<CryptoLine>,
}

impl LocalMedia {
    /// All codecs and telephone events at this address. `session_id` should be unique to this machine.
    pub fn new(address: SocketAddr, session_id: u64) -> Self {
        Self {
            address,
            codecs: Codec::ALL.to_vec(),
            telephone_event: true,
            hold: false,
            dtx: false,
            security: Security::Off,
            dtls: None,
            session_id,
            version: session_id,
            last: None,
            place: 0,
            agreed: None,
            offered: Vec::new(),
        }
    }

    /// The same, with this about encryption.
    #[must_use]
    pub fn secured(self, security: Security) -> Self {
        Self { security, ..self }
    }

    /// Our description with these media. Its version is the last one's where nothing has changed.
    fn describe(&mut self, media: Vec<Media>, place: usize) -> Vec<u8> {
        let mut session = SessionDescription::new(self.session_id, self.version, self.address.ip());
        session.attributes = self.session_lines(media.get(place));
        session.media = media;
        if self.last.as_ref().is_some_and(|last| *last != session) {
            self.version = self.version.wrapping_add(1);
            session.origin.version = self.version.to_string().into();
        }
        let bytes = session.to_bytes().to_vec();
        self.last = Some(session);
        self.place = place;
        bytes
    }

    /// What we allow at most.
    fn direction(&self) -> Direction {
        if self.hold { Direction::SendOnly } else { Direction::SendRecv }
    }

    /// Payload type of comfort noise, where it is to be offered or was agreed. It goes with codecs of its clock.
    fn noise(&self, codecs: &[(Codec, u8)]) -> Option<u8> {
        let wanted = self.agreed.map_or(self.dtx, |agreed| agreed.dtx);
        let noise = PayloadType::COMFORT_NOISE.get();
        let fits = codecs.iter().any(|(codec, _)| codec.clock_hz() == NOISE_HZ);
        (wanted && fits && codecs.iter().all(|&(_, number)| number != noise)).then_some(noise)
    }

    fn audio(
        &self,
        codecs: &[(Codec, u8)],
        events: &[(u8, u32)],
        direction: Direction,
        keys: &[CryptoLine],
        ptime_ms: u32,
    ) -> Media {
        let noise = self.noise(codecs);
        let numbers = codecs.iter().map(|&(_, number)| number).chain(noise);
        let types: Vec<u8> = numbers.chain(events.iter().map(|&(number, _)| number)).collect();
        let mut media = Media::audio(self.address.port(), &types);
        for (codec, number) in codecs {
            media.attributes.push(Attribute::with_value("rtpmap", format_args!("{number} {}", codec.rtpmap())));
            if let Some(parameters) = codec.parameters() {
                let dtx = if self.dtx { ";usedtx=1" } else { "" };
                media.attributes.push(Attribute::with_value("fmtp", format_args!("{number} {parameters}{dtx}")));
            }
        }
        if let Some(number) = noise {
            media.attributes.push(Attribute::with_value("rtpmap", format_args!("{number} CN/8000")));
        }
        for (number, clock_hz) in events {
            media.attributes.push(Attribute::with_value("rtpmap", format_args!("{number} telephone-event/{clock_hz}")));
            media.attributes.push(Attribute::with_value("fmtp", format_args!("{number} {KEY_EVENTS}")));
        }
        media.attributes.extend(keys.iter().map(|line| Attribute::with_value("crypto", line)));
        // Where they are known, and in every offer: we read them.
        if self.agreed.is_none_or(|agreed| agreed.voip_metrics) {
            media.attributes.push(Attribute::with_value(METRICS, "voip-metrics"));
        }
        media.attributes.push(Attribute::with_value("ptime", ptime_ms));
        media.attributes.push(Attribute::flag(direction.as_str()));
        media
    }
}

/// What both sides agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The voice.
    pub codec: Codec,
    /// Its payload type, both ways.
    pub payload_type: u8,
    /// Payload type of telephone events, where they were agreed.
    pub telephone_event: Option<u8>,
    /// Clock of those events in Hz: the codec's, but for peers that know them at 8000 only.
    pub event_clock_hz: u32,
    /// Another payload type of events, which the far end may use as well: Chromium sends those of 8000 Hz beside Opus.
    pub other_event: Option<u8>,
    /// Where our RTP goes. Unspecified (0.0.0.0) while the other side holds us in the old manner.
    pub remote: SocketAddr,
    /// Where our RTCP goes.
    pub remote_rtcp: SocketAddr,
    /// How long the packets are that we send, as the other side asks, ms. What it sends may differ.
    pub ptime_ms: u32,
    /// Which way audio flows, seen from us.
    pub direction: Direction,
    /// Keys, where audio is encrypted and they stand in the descriptions.
    pub srtp: Option<SrtpKeys>,
    /// How keys are made, where a handshake makes them.
    pub dtls: Option<DtlsTerms>,
    /// Whether the other side wants VoIP metrics in our reports (RFC 3611 5.1).
    pub voip_metrics: bool,
    /// Whether pauses are sent as such: as comfort noise, of Opus as packets without audio.
    pub dtx: bool,
}

/// Why there is no agreement. An offer is then refused with 488 (Not Acceptable Here).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NegotiateError {
    /// It is no session description.
    #[error("malformed session description: {0}")]
    Malformed(#[from] SdpError),
    /// No audio over RTP, or only with port 0.
    #[error("no audio stream over RTP")]
    NoAudio,
    /// Only encrypted audio, and that is switched off.
    #[error("only SRTP is offered, which is switched off here (srtp = \"off\")")]
    OnlySecure,
    /// Encryption is required, by us or by RTP/SAVP, and no key can be used.
    #[error("no a=crypto that can be used, and SRTP is required")]
    NoKeys,
    /// DTLS-SRTP, without all that it takes.
    #[error("DTLS-SRTP needs a=fingerprint:sha-256, a=setup, a=rtcp-mux and ICE, or it is not to be had here")]
    NoDtls,
    /// None that we speak.
    #[error("no codec in common")]
    NoCommonCodec,
    /// A host name, a multicast address, none, or one of another family than ours.
    #[error("no usable media address")]
    NoAddress,
}

/// Answers an offer: the agreement, and the answer as `application/sdp`.
pub fn answer(offer: &[u8], local: &mut LocalMedia) -> Result<(Negotiated, Vec<u8>), NegotiateError> {
    let session = parse(offer)?;
    let mut found = Err(NegotiateError::NoAudio);
    for (index, media) in session.media.iter().enumerate() {
        match agree(&session, media, local, None) {
            Ok(negotiated) => {
                found = Ok((index, negotiated));
                break;
            }
            // The nearest miss is the reason that is told.
            Err(error) if found == Err(NegotiateError::NoAudio) => found = Err(error),
            Err(_) => {}
        }
    }
    let (place, negotiated) = found?;
    local.agreed = Some(negotiated);
    let Negotiated { codec, payload_type, direction, srtp, ptime_ms, .. } = negotiated;
    let event = events(&negotiated);
    let keys = srtp.map(|keys| keys.line());
    let mut audio = local.audio(&[(codec, payload_type)], event.as_slice(), direction, keys.as_slice(), ptime_ms);
    if let Some(terms) = &negotiated.dtls {
        local.answer_dtls(&mut audio, terms, &session.media[place]);
    }
    let media = session.media.iter().enumerate().map(|(index, offered)| {
        if index == place {
            audio.protocol = offered.protocol.clone();
            audio.clone()
        } else {
            offered.refused()
        }
    });
    let media = media.collect();
    local.note_dtls(&session, &session.media[place], true);
    Ok((negotiated, local.describe(media, place)))
}

/// Our offer, as `application/sdp`. A re-offer keeps the `m=` lines and payload types, with what was agreed first.
pub fn offer(local: &mut LocalMedia) -> Vec<u8> {
    let agreed = local.agreed;
    let mut codecs: Vec<(Codec, u8)> = local.codecs.iter().map(|&codec| (codec, codec.own_type().get())).collect();
    if let Some(Negotiated { codec, payload_type, .. }) = agreed {
        codecs.retain(|&(other, _)| other != codec);
        codecs.insert(0, (codec, payload_type));
    }
    let events: Vec<(u8, u32)> = match &agreed {
        Some(agreed) if agreed.telephone_event.is_some() => events(agreed).into_iter().collect(),
        // A number that means something else to the other side already is not used for events.
        _ if !local.telephone_event => Vec::new(),
        _ => EVENT_TYPES
            .into_iter()
            .filter(|&(number, hz)| {
                codecs.iter().any(|&(codec, _)| codec.clock_hz() == hz)
                    && codecs.iter().all(|&(_, other)| other != number)
            })
            .collect(),
    };
    local.offered = match (agreed.and_then(|agreed| agreed.srtp), local.security) {
        // The same key under the same tag: the stream goes on (RFC 4568 7.1.4).
        (Some(keys), _) => vec![keys.line()],
        (None, Security::On { keys, .. }) if !local.offers_dtls() => keys.offer().collect(),
        (None, Security::On { .. } | Security::Off) => Vec::new(),
    };
    let ptime_ms = agreed.map_or(PTIME_MS, |agreed| agreed.ptime_ms);
    let mut audio = local.audio(&codecs, &events, local.direction(), &local.offered, ptime_ms);
    audio.protocol = match (&local.last, local.security) {
        (Some(last), _) if local.place < last.media.len() => last.media[local.place].protocol.clone(),
        _ if local.offers_dtls() => Text::from_static(browser::PROTOCOL),
        (_, Security::On { required: true, .. }) => Text::from_static("RTP/SAVP"),
        (_, Security::On { required: false, .. } | Security::Off) => audio.protocol,
    };
    local.offer_dtls(&mut audio);
    let place = local.place;
    let media = match &local.last {
        Some(last) => last
            .media
            .iter()
            .enumerate()
            .map(|(index, before)| if index == place { audio.clone() } else { before.refused() })
            .collect(),
        None => vec![audio],
    };
    local.describe(media, place)
}

/// Takes the answer to our last offer.
pub fn accept(answer: &[u8], local: &mut LocalMedia) -> Result<Negotiated, NegotiateError> {
    let session = parse(answer)?;
    let media = session.media.get(local.place).ok_or(NegotiateError::NoAudio)?;
    let negotiated = agree(&session, media, local, Some(&local.offered))?;
    local.note_dtls(&session, media, false);
    local.agreed = Some(negotiated);
    Ok(negotiated)
}

/// What comes of one of the other side's media; `offered` are our keys where it is an answer.
fn agree(
    session: &SessionDescription,
    media: &Media,
    local: &LocalMedia,
    offered: Option<&[CryptoLine]>,
) -> Result<Negotiated, NegotiateError> {
    if !media.is_audio() || media.port == 0 {
        return Err(NegotiateError::NoAudio);
    }
    let dtls = browser::agree(session, media, local, offered.is_none())?;
    let srtp = if dtls.is_some() { None } else { agree_keys(media, local, offered)? };
    let ours = local.direction();
    let (codec, payload_type) = choose(media, local).ok_or(NegotiateError::NoCommonCodec)?;
    let event = local.telephone_event.then(|| event_type(media, codec)).flatten();
    let ip = match dtls {
        // ICE finds the way, whatever stands in `c=`.
        Some(_) => browser::no_address(local.address.is_ipv4()),
        None => address(session, media, local)?,
    };
    let remote = SocketAddr::new(ip, media.port);
    let remote_rtcp = match media.rtcp() {
        Some(rtcp) => {
            SocketAddr::new(rtcp.address.filter(|other| other.is_ipv4() == ip.is_ipv4()).unwrap_or(ip), rtcp.port)
        }
        None => SocketAddr::new(ip, media.port.saturating_add(1)),
    };
    let theirs = session.direction_of(media);
    // 0.0.0.0 says "send me nothing", as sendonly does (RFC 3264 8.4).
    let theirs_receive = theirs.receives() && (!ip.is_unspecified() || dtls.is_some());
    Ok(Negotiated {
        codec,
        payload_type,
        telephone_event: event.map(|(number, _)| number),
        event_clock_hz: event.map_or(codec.clock_hz(), |(_, clock_hz)| clock_hz),
        other_event: event.and_then(|(number, clock_hz)| other_event(media, number, clock_hz)),
        remote,
        remote_rtcp,
        ptime_ms: packet_time(media),
        direction: direction(ours.sends() && theirs_receive, ours.receives() && theirs.sends()),
        srtp,
        dtls,
        voip_metrics: wants_metrics(session, media),
        dtx: local.dtx && wants_pauses(media, codec, payload_type),
    })
}

/// Where their audio is.
fn address(session: &SessionDescription, media: &Media, local: &LocalMedia) -> Result<IpAddr, NegotiateError> {
    let ip = session.connection_of(media).and_then(|connection| connection.ip()).ok_or(NegotiateError::NoAddress)?;
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    let fits = !ip.is_multicast() && !broadcast && ip.is_ipv4() == local.address.is_ipv4();
    if fits { Ok(ip) } else { Err(NegotiateError::NoAddress) }
}

/// `a=rtcp-xr` of the session or the medium; the medium's own goes before.
fn wants_metrics(session: &SessionDescription, media: &Media) -> bool {
    let asked = media.attribute(METRICS).or_else(|| session.attributes.iter().find(|asked| asked.name == *METRICS));
    let named = |asked: &Attribute| asked.text().map(|asked| asked.split(' ').any(|block| block == "voip-metrics"));
    asked.and_then(named).unwrap_or(false)
}

/// Whether the other side takes pauses for what they are with this codec.
fn wants_pauses(media: &Media, codec: Codec, payload_type: u8) -> bool {
    if codec == Codec::Opus {
        let parameters = media.fmtps().find(|parameters| parameters.payload_type == payload_type);
        return parameters.is_some_and(|parameters| {
            parameters.params.split(|&byte| byte == b';').any(|parameter| parameter.trim_ascii() == b"usedtx=1")
        });
    }
    let noise = PayloadType::COMFORT_NOISE.get();
    let format = media.payload_types().find(|&number| number == noise).and_then(|number| media.format(number));
    format.is_some_and(|format| format.encoding.eq_ignore_ascii_case("CN") && format.clock_hz == NOISE_HZ)
}

/// How long packets the other side wants, as far as we make them.
fn packet_time(media: &Media) -> u32 {
    let wanted = media.ptime_ms().unwrap_or(PTIME_MS);
    let most = media.maxptime_ms().unwrap_or(u32::MAX);
    wanted.min(most).clamp(*PTIME_RANGE.start(), *PTIME_RANGE.end())
}

/// Keys, or none where both sides speak in the clear.
fn agree_keys(
    media: &Media,
    local: &LocalMedia,
    offered: Option<&[CryptoLine]>,
) -> Result<Option<SrtpKeys>, NegotiateError> {
    let is = |name: &str| media.protocol.eq_ignore_ascii_case(name);
    let secure = is("RTP/SAVP") || is("RTP/SAVPF");
    if !(secure || is("RTP/AVP") || is("RTP/AVPF")) {
        return Err(NegotiateError::NoAudio);
    }
    let Security::On { required, keys } = local.security else {
        return if secure { Err(NegotiateError::OnlySecure) } else { Ok(None) };
    };
    let lines = media.cryptos().map(|line| &line[..]);
    let agreed = match offered {
        Some(offered) => SrtpKeys::accept(lines, offered),
        None => SrtpKeys::answer(lines, &keys),
    };
    if agreed.is_none() && (secure || required) { Err(NegotiateError::NoKeys) } else { Ok(agreed) }
}

/// The codec that goes on where there is one and it is still there, else the first of ours that they know.
fn choose(media: &Media, local: &LocalMedia) -> Option<(Codec, u8)> {
    let known = || media.payload_types().filter_map(|number| codec_of(media, number).map(|codec| (codec, number)));
    let allowed = |codec: Codec| local.codecs.contains(&codec);
    let going_on = local.agreed.and_then(|agreed| known().find(|&(codec, _)| codec == agreed.codec && allowed(codec)));
    // The laws of G.711 are as good as each other: the offerer says which.
    let mut ours = local.codecs.chunk_by(|one, next| one.is_g711() && next.is_g711());
    going_on.or_else(|| ours.find_map(|group| known().find(|(codec, _)| group.contains(codec))))
}

/// Payload type and clock of events: with the codec's clock, else at 8000.
fn event_type(media: &Media, codec: Codec) -> Option<(u8, u32)> {
    [codec.clock_hz(), 8000].into_iter().find_map(|clock_hz| Some((events_at(media, clock_hz)?, clock_hz)))
}

fn events_at(media: &Media, clock_hz: u32) -> Option<u8> {
    media.payload_types().find(|&number| {
        media.format(number).is_some_and(|format| {
            format.clock_hz == clock_hz && format.encoding.eq_ignore_ascii_case("telephone-event")
        })
    })
}

/// The type of events at 8000 where those of another clock were chosen.
fn other_event(media: &Media, chosen: u8, clock_hz: u32) -> Option<u8> {
    events_at(media, 8000).filter(|&number| clock_hz != 8000 && number != chosen)
}

fn events(agreed: &Negotiated) -> Option<(u8, u32)> {
    agreed.telephone_event.map(|number| (number, agreed.event_clock_hz))
}

fn direction(sends: bool, receives: bool) -> Direction {
    match (sends, receives) {
        (true, true) => Direction::SendRecv,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::RecvOnly,
        (false, false) => Direction::Inactive,
    }
}

#[cfg(test)]
mod browser_tests;
#[cfg(test)]
mod secure_tests;

#[cfg(test)]
mod tests;
