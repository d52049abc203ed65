//! The lines of a browser: UDP/TLS/RTP/SAVPF with certificate fingerprint, ICE, rtcp-mux and one bundled medium (RFC 5763 5,
//! RFC 8839, RFC 8842, RFC 8843, RFC 9429 5).
//!
//! The other side restarts ICE by another `a=ice-ufrag` and `a=ice-pwd` in an offer: ours then change, too (RFC 8839 4.4.1.1.1);
//! the handshake is made anew only where the fingerprint or the roles change.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;

use super::{LocalMedia, NegotiateError};
use crate::media::browser::ice::candidate;
use crate::media::browser::{DtlsRole, DtlsTerms, Fingerprint, IceCredentials};
use crate::media::srtp::sdes::KeySource;
use crate::wire::sdp::{Attribute, Media, SessionDescription};

/// What we offer.
pub const PROTOCOL: &str = "UDP/TLS/RTP/SAVPF";
/// Name of our one medium.
const MID: &str = "0";

/// Our half of DTLS-SRTP on one leg.
#[derive(Clone, Debug)]
pub struct LocalDtls {
    /// Of our certificate.
    pub fingerprint: Fingerprint,
    /// What ICE credentials are made from.
    pub keys: KeySource,
    /// True: our first offer asks for it. It is answered in any case.
    pub offers: bool,
    /// How often the other side has restarted ICE.
    restarts: u32,
    /// Its credentials.
    remote: Option<(Bytes, Bytes)>,
    /// Whether media are bundled.
    bundles: bool,
}

impl LocalDtls {
    /// Nothing was said so far.
    pub fn new(fingerprint: Fingerprint, keys: KeySource, offers: bool) -> Self {
        Self { fingerprint, keys, offers, restarts: 0, remote: None, bundles: true }
    }

    fn ice(&self, restarts: u32) -> IceCredentials {
        IceCredentials::new(&self.keys.bytes(restarts))
    }

    /// How often there was a restart, this description included.
    fn restarts(&self, theirs: &(Bytes, Bytes), is_offer: bool) -> u32 {
        let is_restart = is_offer && self.remote.as_ref().is_some_and(|before| before != theirs);
        self.restarts.wrapping_add(u32::from(is_restart))
    }
}

/// Whether it is the medium of a browser.
fn is_ours(media: &Media) -> bool {
    [PROTOCOL, "UDP/TLS/RTP/SAVP"].iter().any(|protocol| media.protocol.eq_ignore_ascii_case(protocol))
}

fn ice_of(session: &SessionDescription, media: &Media) -> Option<(Bytes, Bytes)> {
    let value = |name| session.attribute_of(media, name).and_then(|attribute| attribute.value.clone());
    Some((value("ice-ufrag")?, value("ice-pwd")?))
}

/// An address of nobody: ICE says where audio goes.
pub(super) fn no_address(ipv4: bool) -> IpAddr {
    if ipv4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// What comes of the other side's medium where it is a browser's; `None` where it is none.
pub(super) fn agree(
    session: &SessionDescription,
    media: &Media,
    local: &LocalMedia,
    is_offer: bool,
) -> Result<Option<DtlsTerms>, NegotiateError> {
    if !is_ours(media) {
        return Ok(None);
    }
    let ours = local.dtls.as_ref().ok_or(NegotiateError::NoDtls)?;
    let before = local.agreed.and_then(|agreed| agreed.dtls);
    let text = |name| session.attribute_of(media, name).and_then(Attribute::text).map(str::trim);
    // Several hashes of the same certificate may be there (RFC 8122 5).
    let fingerprints = media.attributes.iter().chain(&session.attributes).filter(|line| line.name == *"fingerprint");
    let peer = fingerprints.filter_map(Attribute::text).find_map(|text| text.parse::<Fingerprint>().ok());
    // An answer may leave out `a=setup` where it stood before; then the roles stay.
    let role = match text("setup") {
        Some(theirs) => DtlsRole::of(theirs, before.map(|before| before.role)),
        None => before.map(|before| before.role),
    };
    let (Some(role), Some(peer), Some(theirs), true) = (role, peer, ice_of(session, media), media.is_rtcp_mux()) else {
        return Err(NegotiateError::NoDtls);
    };
    Ok(Some(DtlsTerms { role, peer, ice: ours.ice(ours.restarts(&theirs, is_offer)) }))
}

impl LocalMedia {
    /// The same, with this about browsers.
    #[must_use]
    pub fn for_browsers(self, dtls: Option<LocalDtls>) -> Self {
        Self { dtls, ..self }
    }

    /// Whether our next offer is a browser's: a session that goes on stays what it is.
    pub(super) fn offers_dtls(&self) -> bool {
        let said = self.last.as_ref().and_then(|last| last.media.get(self.place));
        match said {
            Some(media) => is_ours(media),
            None => self.dtls.as_ref().is_some_and(|dtls| dtls.offers),
        }
    }

    /// Completes our medium of an offer.
    pub(super) fn offer_dtls(&self, audio: &mut Media) {
        let Some(dtls) = self.dtls.as_ref().filter(|_| is_ours(audio)) else { return };
        let said = self.last.as_ref().and_then(|last| last.media.get(self.place));
        match said {
            Some(media) => audio.attributes.extend(media.attribute("mid").cloned()),
            None => audio.attributes.push(Attribute::with_value("mid", MID)),
        }
        self.lines(audio, "actpass", dtls, dtls.ice(dtls.restarts));
    }

    /// Completes our medium of an answer.
    pub(super) fn answer_dtls(&self, audio: &mut Media, terms: &DtlsTerms, offered: &Media) {
        let Some(dtls) = &self.dtls else { return };
        audio.attributes.extend(offered.attribute("mid").cloned());
        self.lines(audio, terms.role.as_str(), dtls, terms.ice);
    }

    fn lines(&self, audio: &mut Media, setup: &str, dtls: &LocalDtls, ice: IceCredentials) {
        audio.attributes.extend([
            Attribute::flag("rtcp-mux"),
            Attribute::with_value("ice-ufrag", ice.ufrag()),
            Attribute::with_value("ice-pwd", ice.password()),
            Attribute::with_value("candidate", candidate(self.address)),
            Attribute::flag("end-of-candidates"),
            Attribute::with_value("fingerprint", dtls.fingerprint),
            Attribute::with_value("setup", setup),
        ]);
    }

    /// What a description of ours says of the whole session.
    pub(super) fn session_lines(&self, media: Option<&Media>) -> Vec<Attribute> {
        let (Some(media), Some(dtls)) = (media.filter(|media| is_ours(media)), &self.dtls) else { return Vec::new() };
        let mut lines = vec![Attribute::flag("ice-lite")];
        let mid = media.attribute("mid").and_then(Attribute::text).filter(|_| dtls.bundles);
        lines.extend(mid.map(|mid| Attribute::with_value("group", format_args!("BUNDLE {mid}"))));
        lines
    }

    /// Remembers what the other side said, once it is agreed.
    pub(super) fn note_dtls(&mut self, session: &SessionDescription, media: &Media, is_offer: bool) {
        let Some(dtls) = self.dtls.as_mut().filter(|_| is_ours(media)) else { return };
        let Some(theirs) = ice_of(session, media) else { return };
        dtls.restarts = dtls.restarts(&theirs, is_offer);
        dtls.remote = Some(theirs);
        let mid = media.attribute("mid").and_then(Attribute::text);
        let mut groups = session.attributes.iter().filter(|line| line.name == *"group").filter_map(Attribute::text);
        dtls.bundles = groups.any(|group| {
            let mut words = group.split_ascii_whitespace();
            words.next() == Some("BUNDLE") && words.any(|word| Some(word) == mid)
        });
    }
}
