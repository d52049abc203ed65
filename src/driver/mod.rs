//! The shell around SIP and calls: sockets, media threads, RTP ports, live calls. Carries; decides nothing.

pub mod directory;
pub mod doorstep;
pub mod handshake;
pub mod inbox;
pub mod lines;
pub mod live_call;
pub mod llm;
pub mod media_thread;
pub mod pace;
pub mod resolver;
pub mod router;
pub mod rtp_port;
#[cfg(test)]
mod scripted_server;
pub mod secret;
pub mod signals;
pub mod sip_sockets;
pub mod softphone;
pub mod tools;

use std::net::IpAddr;

use crate::call::{Codec, Srtp};
use crate::settings::Section;
use rtp_port::PortRange;

/// Where media runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverConfig {
    /// Address of the RTP sockets, and in our session descriptions.
    pub address: IpAddr,
    /// In our session descriptions instead, where others see us so: NAT that keeps ports.
    pub advertised: Option<IpAddr>,
    /// Ports of the RTP sockets.
    pub ports: PortRange,
    /// Media threads; calls are spread over them.
    pub threads: u8,
    /// Codecs, the best first.
    pub codecs: Vec<Codec>,
    /// Whether audio is encrypted, where a trunk does not say.
    pub srtp: Srtp,
    /// Whether our pauses are sent as such where the other side agrees.
    pub dtx: bool,
}

impl DriverConfig {
    /// Reads `[media]`.
    pub fn read(mut section: Section<'_>) -> Self {
        let address = section.parsed("address", "an IP address").unwrap_or(IpAddr::from([127, 0, 0, 1]));
        let advertised: Option<IpAddr> = section.parsed("advertise", "an IP address");
        if advertised.is_some_and(|other| other.is_ipv4() != address.is_ipv4()) {
            section.problem("advertise", format_args!("expected an address of the family of address, {address}"));
        }
        let ports = section.string("ports").map_or(Some(PortRange { first: 16_384, last: 18_383 }), |text| {
            let range = parse_range(&text);
            if range.is_none() {
                section.problem("ports", format_args!("expected two ports like \"16384-18383\", found \"{text}\""));
            }
            range
        });
        let threads = section.integer("threads", 1..=64).unwrap_or(1);
        let codecs = read_codecs(&mut section).unwrap_or_else(|| Codec::ALL.to_vec());
        let srtp = section.parsed("srtp", "\"off\", \"offer\", \"required\" or \"dtls\"").unwrap_or_default();
        let dtx = section.boolean("dtx").unwrap_or(false);
        section.finish();
        Self {
            address,
            advertised,
            ports: ports.unwrap_or(PortRange { first: 16_384, last: 18_383 }),
            threads: u8::try_from(threads).unwrap_or(1),
            codecs,
            srtp,
            dtx,
        }
    }
}

/// `codecs` of a section; `None` where it says nothing.
pub fn read_codecs(section: &mut Section<'_>) -> Option<Vec<Codec>> {
    let names =
        |codecs: &[Codec]| codecs.iter().map(|codec| format!("\"{}\"", codec.name())).collect::<Vec<_>>().join(", ");
    let texts = section.strings("codecs")?;
    let mut codecs = Vec::new();
    for text in &texts {
        match text.parse() {
            Ok(codec) if codecs.contains(&codec) => {
                section.problem("codecs", format_args!("\"{text}\" stands there twice"))
            }
            Ok(codec) => codecs.push(codec),
            Err(_) => section.problem("codecs", format_args!("expected {}, found \"{text}\"", names(&Codec::ALL))),
        }
    }
    if texts.is_empty() {
        section.problem("codecs", "expected at least one codec");
    }
    Some(codecs)
}

fn parse_range(text: &str) -> Option<PortRange> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
    let range = PortRange { first: first + first % 2, last };
    (range.first > 1023 && range.last > range.first).then_some(range)
}
