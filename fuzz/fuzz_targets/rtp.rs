//! Whatever arrives on a media port: RTP, RTCP, telephone-event or STUN readers never panic, and what they accept can be used.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tingwa::audio::g711::Law;
use tingwa::wire::rtcp;
use tingwa::wire::rtp::{RtpPacket, SequenceExtender, is_rtcp};
use tingwa::wire::stun;
use tingwa::wire::telephone_event::TelephoneEvent;

fuzz_target!(|datagram: &[u8]| {
    let _ = is_rtcp(datagram);
    if let Ok(packet) = RtpPacket::parse(datagram) {
        assert!(packet.payload().len() < datagram.len());
        let mut extender = SequenceExtender::default();
        extender.extend(packet.sequence());
        let _ = (packet.marker(), packet.payload_type(), packet.timestamp(), packet.ssrc());
        let _ = Law::A.decode_frame(packet.payload());
        if let Some(event) = TelephoneEvent::parse(packet.payload()) {
            let _ = (event.digit(), event.to_bytes());
        }
    }
    if let Ok(message) = stun::Message::parse(datagram) {
        let _ = (message.username(), message.mapped_address(), message.is_signed_by(b"x"), message.unknown().count());
    }
    if let Ok(received) = rtcp::parse(datagram) {
        for block in &received.blocks {
            let _ = block.round_trip(rtcp::NtpMiddle(0x8000_0000));
        }
    }
});
