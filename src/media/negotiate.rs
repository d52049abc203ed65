//! What two sides can do together: offer and answer (RFC 3264) for one audio stream of G.711, G.722 or Opus with telephone
//! events (RFC 4733), as session descriptions in and out.
//!
//! Followed: one `m=` line per offered one, all but the first fit audio refused; the offerer's payload types; codecs in our
//! order, the two laws of G.711 in the offerer's where they stand side by side in ours; mirrored directions; hold, also by 0.0.0.0 (8.4); versions that grow with each change (8); re-offers that keep
//! their `m=` lines and payload types; keys in `a=crypto` (RFC 4568) on RTP/SAVP and, where both sides can, on RTP/AVP
//! (RFC 8643); browsers' UDP/TLS/RTP/SAVPF in `browser`. Not here: rtcp-mux without DTLS (left out), `a=fmtp` of events beyond the keys, preconditions. We send
//! packets of 20 ms whatever `ptime` asks for, which RFC 8866 6.4 leaves to us.

use std::net::{IpAddr, SocketAddr};

pub use self::browser::LocalDtls;
use super::browser::DtlsTerms;
pub use super::codec::Codec;
use super::srtp::sdes::{CryptoLine, Security, SrtpKeys};
pub use crate::wire::sdp::Direction;
use crate::wire::sdp::{Attribute, Media, SdpError, SessionDescription, parse};
use crate::wire::sip::text::Text;

mod browser;

/// Packet times that we take; others are read as the usual one. ms.
const PTIME_RANGE: std::ops::RangeInclusive<u32> = 10..=60;
/// Packet time that we send, and assume where nothing is said. ms.
const PTIME_MS: u32 = 20;
/// Payload type of telephone events in our own first offer, by their clock.
const EVENT_TYPES: [(u8, u32); 2] = [(101, 8000), (102, 48_000)];
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

    fn audio(&self, codecs: &[(Codec, u8)], events: &[(u8, u32)], direction: Direction, keys: &[CryptoLine]) -> Media {
        let types: Vec<u8> =
            codecs.iter().map(|&(_, number)| number).chain(events.iter().map(|&(number, _)| number)).collect();
        let mut media = Media::audio(self.address.port(), &types);
        for (codec, number) in codecs {
            media.attributes.push(Attribute::with_value("rtpmap", format_args!("{number} {}", codec.rtpmap())));
            if let Some(parameters) = codec.parameters() {
                media.attributes.push(Attribute::with_value("fmtp", format_args!("{number} {parameters}")));
            }
        }
        for (number, clock_hz) in events {
            media.attributes.push(Attribute::with_value("rtpmap", format_args!("{number} telephone-event/{clock_hz}")));
            media.attributes.push(Attribute::with_value("fmtp", format_args!("{number} {KEY_EVENTS}")));
        }
        media.attributes.extend(keys.iter().map(|line| Attribute::with_value("crypto", line)));
        media.attributes.push(Attribute::with_value("ptime", PTIME_MS));
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
    /// Where our RTP goes. Unspecified (0.0.0.0) while the other side holds us in the old manner.
    pub remote: SocketAddr,
    /// Where our RTCP goes.
    pub remote_rtcp: SocketAddr,
    /// Packet time that the other side announced, ms. What it sends may differ.
    pub ptime_ms: u32,
    /// Which way audio flows, seen from us.
    pub direction: Direction,
    /// Keys, where audio is encrypted and they stand in the descriptions.
    pub srtp: Option<SrtpKeys>,
    /// How keys are made, where a handshake makes them.
    pub dtls: Option<DtlsTerms>,
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
    let Negotiated { codec, payload_type, direction, srtp, .. } = negotiated;
    let event = events(&negotiated);
    let keys = srtp.map(|keys| keys.line());
    let mut audio = local.audio(&[(codec, payload_type)], event.as_slice(), direction, keys.as_slice());
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
    local.agreed = Some(negotiated);
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
    let mut audio = local.audio(&codecs, &events, local.direction(), &local.offered);
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
        remote,
        remote_rtcp,
        ptime_ms: media.ptime_ms().filter(|ptime| PTIME_RANGE.contains(ptime)).unwrap_or(PTIME_MS),
        direction: direction(ours.sends() && theirs_receive, ours.receives() && theirs.sends()),
        srtp,
        dtls,
    })
}

/// Where their audio is.
fn address(session: &SessionDescription, media: &Media, local: &LocalMedia) -> Result<IpAddr, NegotiateError> {
    let ip = session.connection_of(media).and_then(|connection| connection.ip()).ok_or(NegotiateError::NoAddress)?;
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    let fits = !ip.is_multicast() && !broadcast && ip.is_ipv4() == local.address.is_ipv4();
    if fits { Ok(ip) } else { Err(NegotiateError::NoAddress) }
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
    [codec.clock_hz(), 8000].into_iter().find_map(|clock_hz| {
        let number = media.payload_types().find(|&number| {
            media.format(number).is_some_and(|format| {
                format.clock_hz == clock_hz && format.encoding.eq_ignore_ascii_case("telephone-event")
            })
        });
        number.map(|number| (number, clock_hz))
    })
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
mod tests {
    use super::*;

    fn local() -> LocalMedia {
        LocalMedia::new("192.0.2.10:40000".parse().unwrap(), 7)
    }

    /// A description of the other side: its lines from `c=` on.
    fn remote(lines: &str) -> Vec<u8> {
        let head = "v=0\no=alice 2890844526 2890844526 IN IP4 host.example.com\ns=-\nt=0 0\n";
        format!("{head}{}\n", lines.replace('|', "\n")).replace('\n', "\r\n").into_bytes()
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap().replace("\r\n", "|")
    }

    const PLAIN: &str = "c=IN IP4 198.51.100.7|m=audio 5004 RTP/AVP 8 0 101|a=rtpmap:101 telephone-event/8000";

    #[test]
    fn an_answer_in_full() {
        let (negotiated, bytes) = answer(&remote(PLAIN), &mut local()).unwrap();
        assert_eq!(
            negotiated,
            Negotiated {
                codec: Codec::Pcma,
                payload_type: 8,
                telephone_event: Some(101),
                event_clock_hz: 8000,
                remote: "198.51.100.7:5004".parse().unwrap(),
                remote_rtcp: "198.51.100.7:5005".parse().unwrap(),
                ptime_ms: 20,
                direction: Direction::SendRecv,
                srtp: None,
                dtls: None,
            }
        );
        assert_eq!(
            text(bytes),
            "v=0|o=- 7 7 IN IP4 192.0.2.10|s=-|c=IN IP4 192.0.2.10|t=0 0|m=audio 40000 RTP/AVP 8 101|a=rtpmap:8 PCMA/8000|\
             a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-15|a=ptime:20|a=sendrecv|"
        );
    }

    #[test]
    fn what_is_agreed() {
        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        let c = "c=IN IP4 198.51.100.7";
        // Offer; codec, its type, type of events, packet time, direction.
        let table = [
            (
                "RFC 3264 10.1, first audio",
                format!("{c}|m=audio 62986 RTP/AVP 0 4 18|a=rtpmap:0 PCMU/8000"),
                (Codec::Pcmu, 0, None, 20, SendRecv),
            ),
            ("offerer's order", format!("{c}|m=audio 9000 RTP/AVP 18 0 8"), (Codec::Pcmu, 0, None, 20, SendRecv)),
            (
                "dynamic types",
                format!("{c}|m=audio 9000 RTP/AVP 97 96|a=rtpmap:96 telephone-event/8000|a=rtpmap:97 pcma/8000/1"),
                (Codec::Pcma, 97, Some(96), 20, SendRecv),
            ),
            (
                "events at other rates",
                format!(
                    "{c}|m=audio 9000 RTP/AVP 8 98 99|a=rtpmap:98 telephone-event/48000|a=rtpmap:99 telephone-event/8000"
                ),
                (Codec::Pcma, 8, Some(99), 20, SendRecv),
            ),
            (
                "G.711 before what is dear",
                format!("{c}|m=audio 9000 RTP/AVP 96 9 0|a=rtpmap:96 opus/48000/2"),
                (Codec::Pcmu, 0, None, 20, SendRecv),
            ),
            ("G.722 alone", format!("{c}|m=audio 9000 RTP/AVP 9 101"), (Codec::G722, 9, None, 20, SendRecv)),
            (
                "Opus alone, events at both clocks",
                format!(
                    "{c}|m=audio 9000 RTP/AVP 96 98 99|a=rtpmap:96 OPUS/48000/2|a=rtpmap:98 telephone-event/8000|\
                     a=rtpmap:99 telephone-event/48000"
                ),
                (Codec::Opus, 96, Some(99), 20, SendRecv),
            ),
            (
                "a static type mapped anew",
                format!("{c}|m=audio 9000 RTP/AVP 0 8|a=rtpmap:0 G726-32/8000"),
                (Codec::Pcma, 8, None, 20, SendRecv),
            ),
            ("30 ms", format!("{c}|m=audio 9000 RTP/AVP 8|a=ptime:30"), (Codec::Pcma, 8, None, 30, SendRecv)),
            ("200 ms", format!("{c}|m=audio 9000 RTP/AVP 8|a=ptime:200"), (Codec::Pcma, 8, None, 20, SendRecv)),
            ("hold", format!("{c}|m=audio 9000 RTP/AVP 8|a=sendonly"), (Codec::Pcma, 8, None, 20, RecvOnly)),
            (
                "hold at session level",
                format!("{c}|a=sendonly|m=audio 9000 RTP/AVP 8"),
                (Codec::Pcma, 8, None, 20, RecvOnly),
            ),
            ("listener", format!("{c}|m=audio 9000 RTP/AVP 8|a=recvonly"), (Codec::Pcma, 8, None, 20, SendOnly)),
            ("inactive", format!("{c}|m=audio 9000 RTP/AVP 8|a=inactive"), (Codec::Pcma, 8, None, 20, Inactive)),
            ("hold of old", "c=IN IP4 0.0.0.0|m=audio 9000 RTP/AVP 8".into(), (Codec::Pcma, 8, None, 20, RecvOnly)),
        ];
        for (name, offer, expected) in table {
            let (n, bytes) = answer(&remote(&offer), &mut local()).unwrap();
            assert_eq!((n.codec, n.payload_type, n.telephone_event, n.ptime_ms, n.direction), expected, "{name}");
            assert!(text(bytes).contains(&format!("|a={}|", expected.4.as_str())), "{name}");
        }
    }

    #[test]
    fn codecs_are_taken_in_our_order() {
        use Codec::{G722, Opus, Pcma, Pcmu};
        let offer = remote("c=IN IP4 198.51.100.7|m=audio 9000 RTP/AVP 0 8 9 96|a=rtpmap:96 opus/48000/2");
        let table: [(&[Codec], Codec); 5] = [
            (&[Opus, G722, Pcma, Pcmu], Opus),
            (&[G722, Opus], G722),
            (&[Pcma, Pcmu, G722], Pcmu),
            (&[Pcma, G722, Pcmu], Pcma),
            (&[Pcma], Pcma),
        ];
        for (ours, expected) in table {
            let mut local = LocalMedia { codecs: ours.to_vec(), ..local() };
            let (agreed, bytes) = answer(&offer, &mut local).unwrap();
            assert_eq!((agreed.codec, agreed.event_clock_hz), (expected, expected.clock_hz()), "{ours:?}");
            assert_eq!(text(bytes).matches("|a=rtpmap:").count(), 1);
        }
        let mut local = LocalMedia { codecs: vec![G722], ..local() };
        assert!(text(super::offer(&mut local)).contains("|m=audio 40000 RTP/AVP 9 101|"));
    }

    #[test]
    fn where_media_go() {
        let table = [
            (
                "c=IN IP4 198.51.100.7|m=audio 9000 RTP/AVP 8|c=IN IP4 203.0.113.9",
                "203.0.113.9:9000",
                "203.0.113.9:9001",
            ),
            ("m=audio 9000 RTP/AVP 8|c=IN IP4 203.0.113.9|a=rtcp:53020", "203.0.113.9:9000", "203.0.113.9:53020"),
            (
                "c=IN IP4 203.0.113.9|m=audio 9000 RTP/AVP 8|a=rtcp:53020 IN IP4 198.51.100.1",
                "203.0.113.9:9000",
                "198.51.100.1:53020",
            ),
        ];
        for (offer, rtp, rtcp) in table {
            let (negotiated, _) = answer(&remote(offer), &mut local()).unwrap();
            assert_eq!((negotiated.remote.to_string(), negotiated.remote_rtcp.to_string()), (rtp.into(), rtcp.into()));
        }
    }

    #[test]
    fn no_agreement() {
        let c = "c=IN IP4 198.51.100.7";
        let table = [
            (format!("{c}|m=audio 9000 RTP/AVP 18 4"), NegotiateError::NoCommonCodec),
            (format!("{c}|m=audio 9000 RTP/AVP 101|a=rtpmap:101 telephone-event/8000"), NegotiateError::NoCommonCodec),
            (format!("{c}|m=audio 9000 RTP/AVP 96|a=rtpmap:96 PCMA/16000"), NegotiateError::NoCommonCodec),
            (format!("{c}|m=video 9000 RTP/AVP 31|m=audio 9000 RTP/AVP 18"), NegotiateError::NoCommonCodec),
            (c.to_string(), NegotiateError::NoAudio),
            (format!("{c}|m=audio 0 RTP/AVP 8"), NegotiateError::NoAudio),
            (format!("{c}|m=video 9000 RTP/AVP 8"), NegotiateError::NoAudio),
            (format!("{c}|m=audio 9000 RTP/SAVP 8"), NegotiateError::OnlySecure),
            (format!("{c}|m=audio 9000 UDP/TLS/RTP/SAVP 8"), NegotiateError::NoDtls),
            ("m=audio 9000 RTP/AVP 8".into(), NegotiateError::NoAddress),
            ("c=IN IP4 host.example.com|m=audio 9000 RTP/AVP 8".into(), NegotiateError::NoAddress),
            ("c=IN IP4 224.2.1.1/127|m=audio 9000 RTP/AVP 8".into(), NegotiateError::NoAddress),
            ("c=IN IP6 2001:db8::1|m=audio 9000 RTP/AVP 8".into(), NegotiateError::NoAddress),
        ];
        for (offer, error) in table {
            assert_eq!(answer(&remote(&offer), &mut local()).unwrap_err(), error, "{offer}");
        }
        assert!(matches!(answer(b"hello", &mut local()), Err(NegotiateError::Malformed(_))));
    }

    #[test]
    fn further_media_are_refused_in_their_places() {
        // RFC 3264 10.1 with the media in another order, and a second audio stream (10.2).
        let offer = "c=IN IP4 198.51.100.7|m=video 51372 RTP/AVP 31|a=rtpmap:31 H261/90000|m=audio 49170 RTP/AVP 18|\
                     m=audio 49180 RTP/AVP 0|m=audio 49190 RTP/AVP 8";
        let mut local = local();
        let (negotiated, bytes) = answer(&remote(offer), &mut local).unwrap();
        assert_eq!(negotiated.remote.port(), 49180);
        let lines = text(bytes);
        let media: Vec<&str> = lines.split('|').filter(|line| line.starts_with("m=")).collect();
        assert_eq!(
            media,
            ["m=video 0 RTP/AVP 31", "m=audio 0 RTP/AVP 18", "m=audio 40000 RTP/AVP 0", "m=audio 0 RTP/AVP 8"]
        );
        // Our re-offer on hold keeps them all.
        local.hold = true;
        let again = text(super::offer(&mut local));
        let media: Vec<&str> = again.split('|').filter(|line| line.starts_with("m=")).collect();
        assert_eq!(
            (media[0], media[2], media.len()),
            ("m=video 0 RTP/AVP 31", "m=audio 40000 RTP/AVP 0 8 9 111 101 102", 4)
        );
        assert!(again.contains("|a=sendonly|"));
    }

    #[test]
    fn an_offer_and_its_answer() {
        let mut local = local();
        let bytes = text(offer(&mut local));
        assert!(bytes.contains("|m=audio 40000 RTP/AVP 8 0 9 111 101 102|"), "{bytes}");
        assert!(bytes.contains("|a=rtpmap:9 G722/8000|a=rtpmap:111 opus/48000/2|a=fmtp:111 "), "{bytes}");
        assert!(bytes.contains("|a=rtpmap:102 telephone-event/48000|"), "{bytes}");
        let answered =
            remote("c=IN IP4 198.51.100.7|m=audio 6000 RTP/AVP 0 97|a=rtpmap:97 telephone-event/8000|a=sendonly");
        let negotiated = accept(&answered, &mut local).unwrap();
        assert_eq!((negotiated.codec, negotiated.telephone_event), (Codec::Pcmu, Some(97)));
        assert_eq!(negotiated.direction, Direction::RecvOnly);
        assert!(text(offer(&mut local)).contains("|m=audio 40000 RTP/AVP 0 8 9 111 97|"), "what was agreed goes on");
        for refused in ["c=IN IP4 198.51.100.7|m=audio 0 RTP/AVP 0", "c=IN IP4 198.51.100.7"] {
            assert_eq!(accept(&remote(refused), &mut local), Err(NegotiateError::NoAudio));
        }
        assert_eq!(
            accept(&remote("c=IN IP4 1.2.3.4|m=audio 9 RTP/AVP 18"), &mut local),
            Err(NegotiateError::NoCommonCodec)
        );
    }

    #[test]
    fn a_new_offer_does_not_change_the_codec_without_need() {
        let mut local = local();
        answer(&remote("c=IN IP4 198.51.100.7|m=audio 5004 RTP/AVP 0"), &mut local).unwrap();
        let (same, _) = answer(&remote(PLAIN), &mut local).unwrap();
        assert_eq!((same.codec, same.telephone_event), (Codec::Pcmu, Some(101)));
        let (other, _) = answer(&remote("c=IN IP4 198.51.100.7|m=audio 5004 RTP/AVP 8"), &mut local).unwrap();
        assert_eq!(other.codec, Codec::Pcma);
    }

    #[test]
    fn versions_grow_with_each_change_only() {
        let mut local = local();
        let version = |bytes: Vec<u8>| text(bytes).split(' ').nth(2).unwrap().parse::<u64>().unwrap();
        let hold = format!("{PLAIN}|a=sendonly");
        let versions: Vec<u64> = [PLAIN, PLAIN, &hold, &hold, PLAIN]
            .into_iter()
            .map(|offer| version(answer(&remote(offer), &mut local).unwrap().1))
            .collect();
        assert_eq!(versions, [7, 7, 8, 8, 9]);
        let offered = version(offer(&mut local));
        assert_eq!((offered, version(offer(&mut local))), (10, 10));
    }

    #[test]
    fn our_hold_is_ours() {
        let mut local = local();
        local.hold = true;
        let (negotiated, bytes) = answer(&remote(PLAIN), &mut local).unwrap();
        assert_eq!(negotiated.direction, Direction::SendOnly);
        assert!(text(bytes).contains("|a=sendonly|"));
        let (negotiated, _) = answer(&remote(&format!("{PLAIN}|a=sendonly")), &mut local).unwrap();
        assert_eq!(negotiated.direction, Direction::Inactive);
    }

    #[test]
    fn no_offer_makes_it_panic() {
        let mut random = fastrand::Rng::with_seed(2);
        let whole = remote(&format!("{PLAIN}|a=ptime:20|a=rtcp:5 IN IP4 1.2.3.4|m=video 1 RTP/AVP 3"));
        let mut accepted = 0;
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..random.usize(1..6) {
                let index = random.usize(..bytes.len());
                bytes[index] = random.u8(..);
            }
            let mut local = local();
            if let Ok((_, answered)) = answer(&bytes, &mut local) {
                accepted += 1;
                assert!(parse(&answered).is_ok());
            }
        }
        assert!(accepted > 1000, "{accepted}");
    }
}
