//! RTCP: our compound report, and what we read from the other side's.
//!
//! RFC 3550 6.1 (compound), 6.4 (SR, RR), 6.5 (SDES, CNAME only, written and not read: it may name a person), 6.6 (BYE).
//! RFC 3611 4.7 (VoIP metrics of XR, by [`super::voip_metrics`]). RFC 5506 reduced-size packets are read, not written. Feedback, APP
//! and other extended reports are stepped over. When to send is `media`'s.

use std::time::Duration;

use rtcp_types::prelude::*;
use rtcp_types::{Bye, Compound, ReceiverReport, Sdes, SdesChunk, SdesItem, SenderReport};
use smallvec::SmallVec;

use super::rtp::{Ssrc, Timestamp};
use super::voip_metrics::{EXTENDED_REPORT, VoipMetrics};

/// Report blocks that one packet can hold.
pub const MAX_BLOCKS: usize = 31;

/// Blocks and BYE sources kept from one datagram; more are dropped.
const MAX_KEPT: usize = 32;

/// Wall-clock time as 32.32 fixed-point seconds since 1900 (RFC 3550 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// From the time since 1970. Wraps in 2036, as the format does.
    pub fn from_unix(since_1970: Duration) -> Self {
        const SECONDS_1900_TO_1970: u64 = 2_208_988_800;
        let seconds = since_1970.as_secs().wrapping_add(SECONDS_1900_TO_1970);
        let fraction = (u64::from(since_1970.subsec_nanos()) << 32) / 1_000_000_000;
        Self((seconds << 32) | fraction)
    }

    /// The middle 32 bits, as report blocks carry them.
    pub fn middle(self) -> NtpMiddle {
        NtpMiddle((self.0 >> 16) as u32)
    }
}

/// The middle 32 bits of an [`NtpTime`]: 16.16 fixed-point seconds. 0 in a report block means "no sender report yet".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NtpMiddle(pub u32);

/// Sender's part of an SR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// When the report was sent.
    pub ntp: NtpTime,
    /// The same instant on the stream's clock.
    pub rtp_timestamp: Timestamp,
    /// Packets sent so far.
    pub packets: u32,
    /// Payload bytes sent so far.
    pub octets: u32,
}

/// What one side received from one sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The sender that it is about.
    pub ssrc: Ssrc,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the start; negative where duplicates outnumber losses. Held to 24 bits on the wire.
    pub cumulative_lost: i32,
    /// Extended highest sequence number received.
    pub highest_sequence: u32,
    /// Interarrival jitter, timestamp units.
    pub jitter: u32,
    /// [`NtpTime::middle`] of the last SR received; 0 when there was none.
    pub last_sr: NtpMiddle,
    /// Time since that SR arrived, 1/65536 s.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    /// Round-trip time when this block, which is about our stream, arrives at `arrival` (RFC 3550 6.4.1). `None` before
    /// the other side has had an SR of ours, or where its figures would give a negative time.
    pub fn round_trip(&self, arrival: NtpMiddle) -> Option<Duration> {
        if self.last_sr.0 == 0 {
            return None;
        }
        let units = arrival.0.wrapping_sub(self.last_sr.0).wrapping_sub(self.delay_since_last_sr);
        (units.cast_signed() >= 0).then(|| Duration::from_nanos(u64::from(units) * 1_000_000_000 / 65_536))
    }

    fn from_wire(block: &rtcp_types::ReportBlock<'_>) -> Self {
        Self {
            ssrc: Ssrc(block.ssrc()),
            fraction_lost: block.fraction_lost(),
            cumulative_lost: (block.cumulative_lost() << 8).cast_signed() >> 8,
            highest_sequence: block.extended_sequence_number(),
            jitter: block.interarrival_jitter(),
            last_sr: NtpMiddle(block.last_sender_report_timestamp()),
            delay_since_last_sr: block.delay_since_last_sender_report_timestamp(),
        }
    }

    fn to_wire(self) -> rtcp_types::ReportBlockBuilder {
        let lost = self.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff;
        rtcp_types::ReportBlock::builder(self.ssrc.0)
            .fraction_lost(self.fraction_lost)
            .cumulative_lost(lost)
            .extended_sequence_number(self.highest_sequence)
            .interarrival_jitter(self.jitter)
            .last_sender_report_timestamp(self.last_sr.0)
            .delay_since_last_sender_report_timestamp(self.delay_since_last_sr)
    }
}

/// Why RTCP could not be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtcpError {
    /// The bytes are no RTCP compound packet.
    #[error("malformed RTCP packet")]
    Malformed,
    /// Too many blocks, or a CNAME or reason over 255 bytes.
    #[error("an RTCP field is too long")]
    TooLong,
    /// The caller's buffer is too small.
    #[error("no room for an RTCP packet of {0} bytes")]
    NoRoom(usize),
}

/// A compound report of ours: SR when `sender` is set, else RR; then SDES with CNAME; then BYE when `bye` is set.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Ourselves.
    pub ssrc: Ssrc,
    /// Set when we have sent packets since the last report.
    pub sender: Option<SenderInfo>,
    /// What we received, at most [`MAX_BLOCKS`].
    pub blocks: &'a [ReportBlock],
    /// How it sounds here, where that was asked for.
    pub metrics: Option<VoipMetrics>,
    /// Our canonical name: a random one per call, never a person's (RFC 7022).
    pub cname: &'a str,
    /// Set, with a reason that may be empty, when the stream ends here.
    pub bye: Option<&'a str>,
}

impl Report<'_> {
    /// Writes the packet at the start of `out` and returns its length.
    pub fn write(&self, out: &mut [u8]) -> Result<usize, RtcpError> {
        let mut compound = Compound::builder();
        compound = if let Some(sender) = self.sender {
            let report = SenderReport::builder(self.ssrc.0)
                .ntp_timestamp(sender.ntp.0)
                .rtp_timestamp(sender.rtp_timestamp.0)
                .packet_count(sender.packets)
                .octet_count(sender.octets);
            compound
                .add_packet(self.blocks.iter().fold(report, |report, block| report.add_report_block(block.to_wire())))
        } else {
            let report = ReceiverReport::builder(self.ssrc.0);
            compound
                .add_packet(self.blocks.iter().fold(report, |report, block| report.add_report_block(block.to_wire())))
        };
        let cname = SdesItem::builder(SdesItem::CNAME, self.cname);
        compound = compound.add_packet(Sdes::builder().add_chunk(SdesChunk::builder(self.ssrc.0).add_item(cname)));
        let mut length = compound.calculate_size().map_err(|_| RtcpError::TooLong)?;
        let room = out.get_mut(..length).ok_or(RtcpError::NoRoom(length))?;
        compound.write_into(room).map_err(|_| RtcpError::TooLong)?;
        if let Some(metrics) = &self.metrics {
            length += metrics.write(self.ssrc, &mut out[length..]).ok_or(RtcpError::NoRoom(length))?;
        }
        // BYE is the last (RFC 3550 6.1).
        if let Some(reason) = self.bye {
            let bye = Bye::builder().add_source(self.ssrc.0).reason(reason);
            let more = bye.calculate_size().map_err(|_| RtcpError::TooLong)?;
            let room = out.get_mut(length..length + more).ok_or(RtcpError::NoRoom(length + more))?;
            length += bye.write_into(room).map_err(|_| RtcpError::TooLong)?;
        }
        Ok(length)
    }
}

/// What a datagram from the other side told us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The last sender report in it.
    pub sender: Option<(Ssrc, SenderInfo)>,
    /// All report blocks, of SR and RR.
    pub blocks: SmallVec<[ReportBlock; 2]>,
    /// The last block of VoIP metrics in it.
    pub metrics: Option<VoipMetrics>,
    /// Sources that have left.
    pub bye: SmallVec<[Ssrc; 2]>,
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const BYE: u8 = 203;

/// Reads one datagram. All packets in it must be sound in length and version, else none is believed.
///
/// The compound is walked here and not by `rtcp_types::Compound`, which parses also the types that we do not need: its
/// SDES parser overflows (a panic in builds with overflow checks) on a PRIV item with a prefix length above 252.
pub fn parse(bytes: &[u8]) -> Result<Received, RtcpError> {
    let mut received = Received::default();
    let mut rest = bytes;
    if rest.is_empty() {
        return Err(RtcpError::Malformed);
    }
    while !rest.is_empty() {
        let &[_, packet_type, length_high, length_low] = rest.first_chunk::<4>().ok_or(RtcpError::Malformed)?;
        if rest[0] >> 6 != 2 {
            return Err(RtcpError::Malformed);
        }
        let length = 4 * (usize::from(u16::from_be_bytes([length_high, length_low])) + 1);
        let (packet, after) = rest.split_at_checked(length).ok_or(RtcpError::Malformed)?;
        read_packet(packet_type, packet, &mut received)?;
        rest = after;
    }
    Ok(received)
}

fn read_packet(packet_type: u8, packet: &[u8], received: &mut Received) -> Result<(), RtcpError> {
    match packet_type {
        SENDER_REPORT => {
            let report = SenderReport::parse(packet).map_err(|_| RtcpError::Malformed)?;
            let info = SenderInfo {
                ntp: NtpTime(report.ntp_timestamp()),
                rtp_timestamp: Timestamp(report.rtp_timestamp()),
                packets: report.packet_count(),
                octets: report.octet_count(),
            };
            received.sender = Some((Ssrc(report.ssrc()), info));
            keep_blocks(&mut received.blocks, report.report_blocks());
        }
        RECEIVER_REPORT => {
            let report = ReceiverReport::parse(packet).map_err(|_| RtcpError::Malformed)?;
            keep_blocks(&mut received.blocks, report.report_blocks());
        }
        BYE => {
            let bye = Bye::parse(packet).map_err(|_| RtcpError::Malformed)?;
            let room = MAX_KEPT.saturating_sub(received.bye.len());
            received.bye.extend(bye.ssrcs().take(room).map(Ssrc));
        }
        EXTENDED_REPORT => received.metrics = VoipMetrics::find(packet).or(received.metrics),
        _ => {}
    }
    Ok(())
}

fn keep_blocks<'a>(kept: &mut SmallVec<[ReportBlock; 2]>, blocks: impl Iterator<Item = rtcp_types::ReportBlock<'a>>) {
    let room = MAX_KEPT.saturating_sub(kept.len());
    kept.extend(blocks.take(room).map(|block| ReportBlock::from_wire(&block)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: ReportBlock = ReportBlock {
        ssrc: Ssrc(0x0102_0304),
        fraction_lost: 13,
        cumulative_lost: -5,
        highest_sequence: 0x0001_fffe,
        jitter: 77,
        last_sr: NtpMiddle(0x1111_2222),
        delay_since_last_sr: 65_536,
    };

    const SENDER: SenderInfo = SenderInfo {
        ntp: NtpTime(0xe000_0000_8000_0000),
        rtp_timestamp: Timestamp(4321),
        packets: 500,
        octets: 80_000,
    };

    fn written(report: &Report<'_>) -> Vec<u8> {
        let mut out = [0u8; 512];
        let length = report.write(&mut out).unwrap();
        out[..length].to_vec()
    }

    fn sender_report() -> Report<'static> {
        Report {
            ssrc: Ssrc(9),
            sender: Some(SENDER),
            blocks: &[BLOCK],
            metrics: None,
            cname: "k3x9",
            bye: Some("done"),
        }
    }

    #[test]
    fn a_sender_report_with_bye_reads_back() {
        let received = parse(&written(&sender_report())).unwrap();
        assert_eq!(received.sender, Some((Ssrc(9), SENDER)));
        assert_eq!(received.blocks.as_slice(), [BLOCK]);
        assert_eq!(received.bye.as_slice(), [Ssrc(9)]);
    }

    #[test]
    fn a_receiver_report_has_the_bytes_of_the_rfc() {
        let report = Report { ssrc: Ssrc(9), sender: None, blocks: &[BLOCK], metrics: None, cname: "abc", bye: None };
        #[rustfmt::skip]
        let expected = [
            0x81, 201, 0, 7,  0, 0, 0, 9,
            1, 2, 3, 4,  13, 0xff, 0xff, 0xfb,  0, 1, 0xff, 0xfe,  0, 0, 0, 77,  0x11, 0x11, 0x22, 0x22,  0, 1, 0, 0,
            0x81, 202, 0, 3,  0, 0, 0, 9,  1, 3, b'a', b'b', b'c', 0, 0, 0,
        ];
        assert_eq!(written(&report), expected);
        assert_eq!(parse(&expected).unwrap().sender, None);
    }

    #[test]
    fn losses_are_held_to_24_bits() {
        for (lost, expected) in [(i32::MAX, 0x7f_ffff), (i32::MIN, -0x80_0000), (0, 0), (-1, -1)] {
            let block = ReportBlock { cumulative_lost: lost, ..BLOCK };
            let report = Report { blocks: &[block], ..sender_report() };
            assert_eq!(parse(&written(&report)).unwrap().blocks[0].cumulative_lost, expected);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let long = "x".repeat(256);
        let mut out = [0u8; 2048];
        assert_eq!(Report { cname: &long, ..sender_report() }.write(&mut out), Err(RtcpError::TooLong));
        assert_eq!(Report { bye: Some(&long), ..sender_report() }.write(&mut out), Err(RtcpError::TooLong));
        assert_eq!(Report { blocks: &[BLOCK; 32], ..sender_report() }.write(&mut out), Err(RtcpError::TooLong));
        assert!(Report { blocks: &[BLOCK; MAX_BLOCKS], ..sender_report() }.write(&mut out).is_ok());
        assert!(matches!(sender_report().write(&mut out[..20]), Err(RtcpError::NoRoom(_))));
    }

    #[test]
    fn the_round_trip_of_the_rfc_example() {
        // RFC 3550 figure 2: A = 0xb710:8000, LSR = 0xb705:2000, DLSR = 5.250 s, round trip 6.125 s.
        let block = ReportBlock { last_sr: NtpMiddle(0xb705_2000), delay_since_last_sr: 0x0005_4000, ..BLOCK };
        assert_eq!(block.round_trip(NtpMiddle(0xb710_8000)), Some(Duration::from_millis(6125)));
        assert_eq!(block.round_trip(NtpMiddle(0xb705_3000)), None, "negative");
        assert_eq!(ReportBlock { last_sr: NtpMiddle(0), ..block }.round_trip(NtpMiddle(0xb710_8000)), None);
    }

    #[test]
    fn ntp_time_counts_from_1900() {
        let time = NtpTime::from_unix(Duration::from_millis(1_500));
        assert_eq!(time, NtpTime(((2_208_988_800 + 1) << 32) | (1 << 31)));
        assert_eq!(time.middle(), NtpMiddle(((2_208_988_801u64 << 16) as u32) | 0x8000));
    }

    #[test]
    fn other_packet_types_are_stepped_over() {
        let mut bytes = vec![0x80, 204, 0, 2, 0, 0, 0, 9, b'n', b'a', b'm', b'e'];
        bytes.extend(written(&sender_report()));
        assert_eq!(parse(&bytes).unwrap().blocks.len(), 1);
        // A private SDES item with a prefix length of 255.
        let private = [0x81, 202, 0, 3, 0, 0, 0, 9, 8, 5, 255, 0, 0, 0, 0, 0];
        assert_eq!(parse(&private), Ok(Received::default()));
    }

    #[test]
    fn metrics_stand_before_the_goodbye() {
        let metrics = VoipMetrics { ssrc: Ssrc(3), lost: 4, rating: Some(90), ..VoipMetrics::default() };
        let bytes = written(&Report { metrics: Some(metrics), ..sender_report() });
        let received = parse(&bytes).unwrap();
        assert_eq!((received.metrics, received.bye.as_slice()), (Some(metrics), &[Ssrc(9)][..]));
        assert_eq!(bytes.len(), written(&sender_report()).len() + super::super::voip_metrics::LENGTH);
    }

    #[test]
    fn malformed_packets_are_refused() {
        let whole = written(&sender_report());
        for length in 0..whole.len() {
            let prefix = parse(&whole[..length]);
            let at_packet_end = [52, 52 + 16].contains(&length);
            assert_eq!(prefix.is_ok(), at_packet_end, "prefix of {length} of {} bytes", whole.len());
        }
        assert_eq!(parse(&[0x40, 201, 0, 1, 0, 0, 0, 9]), Err(RtcpError::Malformed));
        assert_eq!(parse(&[0x82, 201, 0, 1, 0, 0, 0, 9]), Err(RtcpError::Malformed));
        assert_eq!(parse(&[0x9f, 203, 0, 1, 0, 0, 0, 9]), Err(RtcpError::Malformed));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut random = fastrand::Rng::with_seed(11);
        let whole = written(&sender_report());
        let mut accepted = 0;
        for _ in 0..100_000 {
            let mut bytes = whole.clone();
            for _ in 0..random.usize(1..4) {
                let index = random.usize(..bytes.len());
                bytes[index] = random.u8(..);
            }
            if random.u8(..8) == 0 {
                bytes.truncate(random.usize(..bytes.len()));
            }
            if let Ok(received) = parse(&bytes) {
                accepted += 1;
                assert!(received.blocks.len() <= MAX_KEPT && received.bye.len() <= MAX_KEPT);
            }
        }
        assert!(accepted > 1000, "{accepted}");
    }
}
