//! One party's dialog and stream. Knows which orders its dialog may still be given, so that every leg is ended once: by
//! us, or by the other side, never by both.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::interface::{Keys, MediaPolicy};
use crate::audio::frame::Frame;
use crate::ids::{DialogId, LegId};
use crate::journal::{Quality, QualityThere, Role};
use crate::media::negotiate::{self, Direction, LocalDtls, LocalMedia, Negotiated};
use crate::media::quality::QualityFigures;
use crate::media::srtp::sdes::{KeySource, Security, Srtp};
use crate::media::stream::{self, Stream, StreamConfig};
use crate::sip::event::{DialogOrder, SdpBody};

/// What does not change about a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegIdentity {
    /// Number within the call.
    pub id: LegId,
    /// Whose.
    pub role: Role,
    /// For everything random in its stream.
    pub seed: u64,
    /// No packet for this long: the party is lost.
    pub patience: Duration,
    /// Its keys, where audio is encrypted.
    pub keys: KeySource,
    /// Host that its signalling comes from, where it is known.
    pub peer: Option<IpAddr>,
}

/// How far it has come.
enum Link {
    /// An outgoing leg waits for its port.
    Opening,
    /// An INVITE is out, or our offer in a 200; no answer yet.
    Calling { dialog: DialogId, local: LocalMedia },
    /// Audio flows.
    Up { dialog: DialogId, local: LocalMedia, stream: Box<Stream>, direction: Direction, held: bool },
    /// Over, or not yet there.
    Gone,
}

/// One party's leg.
pub struct Leg {
    identity: LegIdentity,
    /// Name of the trunk that its dialog is at, where it is known.
    trunk: Option<String>,
    keys: Keys,
    /// Somebody has answered (200).
    answered: bool,
    link: Link,
}

/// How a leg was closed.
#[derive(Debug)]
pub struct Closed {
    /// Order that ends its dialog, where one was left to end.
    pub hang_up: Option<DialogId>,
    /// Figures of its stream, where one ran.
    pub quality: Option<Quality>,
}

/// The other side's description cannot be used; nothing has changed.
#[derive(Debug, thiserror::Error)]
#[error("the session description of leg {leg} cannot be used: {reason}")]
pub struct NoMedia {
    /// Whose.
    pub leg: LegId,
    /// What the negotiation said.
    pub reason: String,
}

impl Leg {
    /// A leg that does not exist (yet).
    pub fn absent(identity: LegIdentity) -> Self {
        Self { identity, trunk: None, keys: Keys::default(), answered: false, link: Link::Gone }
    }

    /// An outgoing leg without port or dialog.
    pub fn opening(identity: LegIdentity) -> Self {
        Self { identity, trunk: None, keys: Keys::default(), answered: false, link: Link::Opening }
    }

    /// A leg whose dialog exists and whose media is to be agreed.
    pub fn calling(identity: LegIdentity, dialog: DialogId, address: SocketAddr) -> Self {
        let local = LocalMedia::new(address, identity.seed & 0x7fff_ffff_ffff_ffff);
        Self { identity, trunk: None, keys: Keys::default(), answered: false, link: Link::Calling { dialog, local } }
    }

    /// Gives an opening leg its port and dialog.
    pub fn opened(&mut self, dialog: DialogId, address: SocketAddr) {
        if matches!(self.link, Link::Opening) {
            *self = Self::calling(self.identity, dialog, address);
        }
    }

    /// Says at which trunk its dialog is.
    pub fn at(&mut self, trunk: Option<&str>) {
        self.trunk = trunk.map(str::to_owned);
    }

    /// At which trunk its dialog is.
    pub fn trunk(&self) -> Option<&str> {
        self.trunk.as_deref()
    }

    /// Gives the leg another dialog, since somebody else takes its party's place; the one before.
    pub fn hand_over(&mut self, to: DialogId) -> Option<DialogId> {
        match &mut self.link {
            Link::Calling { dialog, .. } | Link::Up { dialog, .. } => Some(std::mem::replace(dialog, to)),
            Link::Opening | Link::Gone => None,
        }
    }

    /// How its audio may be agreed at this trunk; to be said before anything is offered or answered.
    pub fn allow(&mut self, policy: &MediaPolicy, trunk: Option<&str>) {
        if let Link::Calling { local, .. } = &mut self.link {
            local.codecs = policy.codecs_of(trunk).to_vec();
            local.dtx = policy.dtx;
            self.keys = policy.keys_of(trunk);
            local.telephone_event = self.keys == Keys::Events;
            let (srtp, keys) = (policy.srtp_of(trunk), self.identity.keys);
            local.security = Security::new(srtp, keys);
            local.dtls = policy.dtls.map(|ours| LocalDtls::new(ours, keys, srtp == Srtp::Dtls));
        }
    }

    /// Whether keys are sent to it by INFO.
    pub fn takes_info(&self) -> bool {
        self.keys == Keys::Info
    }

    /// Number within the call.
    pub fn id(&self) -> LegId {
        self.identity.id
    }

    /// Whose.
    pub fn role(&self) -> Role {
        self.identity.role
    }

    /// Its dialog, while it has one.
    pub fn dialog(&self) -> Option<DialogId> {
        match self.link {
            Link::Calling { dialog, .. } | Link::Up { dialog, .. } => Some(dialog),
            Link::Opening | Link::Gone => None,
        }
    }

    /// Which way audio flows, once agreed.
    pub fn direction(&self) -> Option<Direction> {
        match self.link {
            Link::Up { direction, .. } => Some(direction),
            Link::Opening | Link::Calling { .. } | Link::Gone => None,
        }
    }

    /// Somebody has answered: whether there is anything to be heard yet. A browser's keys may come later.
    pub fn answered(&mut self) -> bool {
        self.answered = true;
        self.is_ready()
    }

    /// Whether somebody has answered.
    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// True where media is agreed and its keys, if a handshake makes them, are there.
    pub fn is_ready(&self) -> bool {
        matches!(&self.link, Link::Up { stream, .. } if stream.is_ready())
    }

    /// True where the party is to be talked with: it hears us, and we have not put it on hold.
    pub fn takes_part(&self) -> bool {
        match self.link {
            Link::Up { direction, held, .. } => direction.sends() && !held,
            Link::Opening | Link::Calling { .. } | Link::Gone => true,
        }
    }

    /// Whether the next offer or answer puts the party on hold.
    pub fn hold(&mut self, hold: bool) {
        if let Link::Up { local, .. } = &mut self.link {
            local.hold = hold;
        }
    }

    /// Our offer, the first or a later one.
    pub fn offer(&mut self) -> Option<SdpBody> {
        match &mut self.link {
            Link::Calling { local, .. } | Link::Up { local, .. } => Some(negotiate::offer(local).into()),
            Link::Opening | Link::Gone => None,
        }
    }

    /// Answers the other side's offer, the first or a later one.
    pub fn answer(&mut self, now: Instant, offer: &[u8]) -> Result<SdpBody, NoMedia> {
        let leg = self.identity.id;
        let (negotiated, body) = match &mut self.link {
            Link::Calling { local, .. } | Link::Up { local, .. } => {
                negotiate::answer(offer, local).map_err(|error| no_media(leg, &error))?
            }
            Link::Opening | Link::Gone => return Err(no_media(leg, &"the leg is not up")),
        };
        self.agree(now, negotiated);
        Ok(body.into())
    }

    /// Takes the answer to our last offer.
    pub fn accept(&mut self, now: Instant, answer: Option<&[u8]>) -> Result<(), NoMedia> {
        let leg = self.identity.id;
        let Some(answer) = answer else { return Err(no_media(leg, &"there is none")) };
        let negotiated = match &mut self.link {
            Link::Calling { local, .. } | Link::Up { local, .. } => {
                negotiate::accept(answer, local).map_err(|error| no_media(leg, &error))?
            }
            Link::Opening | Link::Gone => return Err(no_media(leg, &"the leg is not up")),
        };
        self.agree(now, negotiated);
        Ok(())
    }

    /// Says which host its signalling comes from.
    pub fn signalled_from(&mut self, peer: Option<IpAddr>) {
        self.identity.peer = peer;
    }

    /// Whether payloads may pass between both parties as they are.
    pub fn passes_to(&self, other: &Self) -> bool {
        match (&self.link, &other.link) {
            (Link::Up { stream, .. }, Link::Up { stream: other, .. }) => stream.passes_to(other),
            (Link::Opening | Link::Calling { .. } | Link::Gone | Link::Up { .. }, _) => false,
        }
    }

    /// What is done with what the party sends from now on.
    pub fn pass_on(&mut self, usage: stream::Use) {
        if let Link::Up { stream, .. } = &mut self.link {
            stream.pass_on(usage);
        }
    }

    /// Whether keys come as events, not as sound.
    pub fn has_events(&self) -> bool {
        matches!(&self.link, Link::Up { stream, .. } if stream.negotiated().telephone_event.is_some())
    }

    /// Something for its stream; dropped where there is none.
    pub fn stream(&mut self, now: Instant, input: stream::Input<'_>) {
        if let Link::Up { stream, .. } = &mut self.link {
            stream.handle(now, input);
        }
    }

    /// Next thing that the stream asks for.
    pub fn poll_stream(&mut self) -> Option<stream::Output> {
        match &mut self.link {
            Link::Up { stream, .. } => stream.poll(),
            Link::Opening | Link::Calling { .. } | Link::Gone => None,
        }
    }

    /// The stream's next deadline.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.link {
            Link::Up { stream, .. } => stream.deadline().map(|(at, _)| at),
            Link::Opening | Link::Calling { .. } | Link::Gone => None,
        }
    }

    /// 20 ms of what the party says; silence where nothing is heard of it.
    pub fn pull(&mut self, now: Instant) -> Frame {
        match &mut self.link {
            Link::Up { stream, .. } => stream.pull(now),
            Link::Opening | Link::Calling { .. } | Link::Gone => Frame::SILENCE,
        }
    }

    /// The stream's last words (RTCP BYE): poll them before [`Self::close`].
    pub fn say_bye(&mut self, now: Instant) {
        if let Link::Up { stream, .. } = &mut self.link {
            stream.bye(now);
        }
    }

    /// Ends it. `None` where it had ended before. The second half, [`Closed::hang_up`], is the caller's to order unless
    /// the other side ended it (`by_them`).
    pub fn close(&mut self, by_them: bool) -> Option<Closed> {
        let (hang_up, quality) = match &mut self.link {
            Link::Gone => return None,
            Link::Opening => (None, None),
            Link::Calling { dialog, .. } => (Some(*dialog), None),
            Link::Up { dialog, stream, .. } => (Some(*dialog), Some(quality(stream))),
        };
        self.link = Link::Gone;
        Some(Closed { hang_up: hang_up.filter(|_| !by_them), quality })
    }

    fn agree(&mut self, now: Instant, negotiated: Negotiated) {
        let LegIdentity { id, seed, patience, peer, .. } = self.identity;
        self.link = match std::mem::replace(&mut self.link, Link::Opening) {
            Link::Calling { dialog, local } => {
                let config = StreamConfig { negotiated, peer, cname: format!("tingwa-{id}"), seed, patience };
                let stream = Box::new(Stream::new(config, now));
                Link::Up { dialog, held: local.hold, local, stream, direction: negotiated.direction }
            }
            Link::Up { dialog, local, mut stream, .. } => {
                stream.renegotiate(now, negotiated);
                Link::Up { dialog, held: local.hold, local, stream, direction: negotiated.direction }
            }
            link @ (Link::Opening | Link::Gone) => link,
        };
    }
}

fn no_media(leg: LegId, reason: &dyn std::fmt::Display) -> NoMedia {
    NoMedia { leg, reason: reason.to_string() }
}

/// The order that ends a leg's dialog.
pub const HANG_UP: DialogOrder = DialogOrder::HangUp;

fn quality(stream: &Stream) -> Quality {
    let figures: QualityFigures = stream.quality();
    let share = |of_256: u8| f32::from(of_256) / 256.0;
    Quality {
        received: figures.received,
        lost: figures.lost,
        late: figures.late,
        jitter_ms: figures.jitter_ms,
        round_trip_ms: figures.round_trip_ms,
        mos: figures.mos,
        sent: figures.sent,
        passed: figures.passed,
        strangers: figures.strangers,
        there: stream.remote_metrics().map(|there| QualityThere {
            lost: share(there.lost),
            discarded: share(there.discarded),
            rating: there.rating,
            mos: there.conversation.map(|score| f32::from(score) / 10.0),
        }),
    }
}
