//! The shell around SIP and calls: sockets, media threads, RTP ports, live calls. Carries; decides nothing.

pub mod directory;
pub mod inbox;
pub mod lines;
pub mod live_call;
pub mod media_thread;
pub mod pace;
pub mod router;
pub mod rtp_port;
pub mod secret;
pub mod sip_sockets;
pub mod softphone;

use std::net::IpAddr;

use crate::call::Srtp;
use crate::settings::Section;
use rtp_port::PortRange;

/// Where media runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriverConfig {
    /// Address of the RTP sockets, and in our session descriptions.
    pub address: IpAddr,
    /// Ports of the RTP sockets.
    pub ports: PortRange,
    /// Media threads; calls are spread over them.
    pub threads: u8,
    /// Whether audio is encrypted, where a trunk does not say.
    pub srtp: Srtp,
}

impl DriverConfig {
    /// Reads `[media]`.
    pub fn read(mut section: Section<'_>) -> Self {
        let address = section.parsed("address", "an IP address").unwrap_or(IpAddr::from([127, 0, 0, 1]));
        let ports = section.string("ports").map_or(Some(PortRange { first: 16_384, last: 18_383 }), |text| {
            let range = parse_range(&text);
            if range.is_none() {
                section.problem("ports", format_args!("expected two ports like \"16384-18383\", found \"{text}\""));
            }
            range
        });
        let threads = section.integer("threads", 1..=64).unwrap_or(1);
        let srtp = section.parsed("srtp", "\"off\", \"offer\" or \"required\"").unwrap_or_default();
        section.finish();
        Self {
            address,
            ports: ports.unwrap_or(PortRange { first: 16_384, last: 18_383 }),
            threads: u8::try_from(threads).unwrap_or(1),
            srtp,
        }
    }
}

fn parse_range(text: &str) -> Option<PortRange> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
    let range = PortRange { first: first + first % 2, last };
    (range.first > 1023 && range.last > range.first).then_some(range)
}
