//! One stream's RTCP: when to report (RFC 3550 6.2: every 5 s, randomised between half and one and a half), what, and the
//! round trip from what comes back. Bandwidth scaling (6.3) is left out: there are two members.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::reception::Reception;
use super::sender::{Datagram, Sender};
use crate::wire::rtcp::{NtpMiddle, NtpTime, Report, RtcpError, SenderInfo, parse};
use crate::wire::voip_metrics::VoipMetrics;

/// Mean time between reports.
const INTERVAL: Duration = Duration::from_secs(5);
/// Longest CNAME that we send, bytes.
const LONGEST_CNAME: usize = 64;

/// RTCP of one stream.
pub struct Control {
    /// Our time is counted from here: the wall clock is not read, and the other side needs only differences (RFC 3550 4).
    start: Instant,
    random: fastrand::Rng,
    cname: String,
    next: Instant,
    /// Last sender report of the other side: its time, and when it came.
    heard: Option<(NtpMiddle, Instant)>,
    learned: Option<SocketAddr>,
    round_trip: Option<Duration>,
    remote_loss: Option<f32>,
    /// How our packets sound there.
    metrics: Option<VoipMetrics>,
    sent_at_last_report: u32,
}

impl Control {
    /// The first report is due after half the usual time.
    pub fn new(cname: &str, seed: u64, now: Instant) -> Self {
        let cname = cname.chars().filter(char::is_ascii_graphic).take(LONGEST_CNAME).collect();
        let mut control = Self {
            start: now,
            random: fastrand::Rng::with_seed(seed),
            cname,
            next: now,
            heard: None,
            learned: None,
            round_trip: None,
            remote_loss: None,
            metrics: None,
            sent_at_last_report: 0,
        };
        control.next = now + control.interval() / 2;
        control
    }

    fn interval(&mut self) -> Duration {
        INTERVAL.mul_f64(0.5 + self.random.f64())
    }

    fn time(&self, now: Instant) -> NtpTime {
        NtpTime::from_unix(now.saturating_duration_since(self.start))
    }

    /// When the next report is due.
    pub fn deadline(&self) -> Instant {
        self.next
    }

    /// A datagram came from `from`, whose right to send was checked. Returns true when the other side says goodbye.
    pub fn received(
        &mut self,
        now: Instant,
        from: SocketAddr,
        bytes: &[u8],
        sender: &Sender,
    ) -> Result<bool, RtcpError> {
        let received = parse(bytes)?;
        self.learned = Some(from);
        if let Some((_, info)) = received.sender {
            self.heard = Some((info.ntp.middle(), now));
        }
        let arrival = self.time(now).middle();
        for block in received.blocks.iter().filter(|block| block.ssrc == sender.ssrc()) {
            self.round_trip = block.round_trip(arrival).or(self.round_trip);
            self.remote_loss = Some(f32::from(block.fraction_lost) / 256.0);
        }
        self.metrics = received.metrics.filter(|metrics| metrics.ssrc == sender.ssrc()).or(self.metrics);
        Ok(!received.bye.is_empty())
    }

    /// Where reports go: where the other side's come from, else where they should.
    pub fn destination(&self, otherwise: SocketAddr) -> SocketAddr {
        self.learned.unwrap_or(otherwise)
    }

    /// A new session description gave another address.
    pub fn forget_source(&mut self) {
        self.learned = None;
    }

    /// Writes a report and plans the next one. `None` where there is nothing to say: nothing was sent and nothing heard.
    pub fn report(
        &mut self,
        now: Instant,
        sender: &Sender,
        reception: Option<&mut Reception>,
        metrics: Option<VoipMetrics>,
        bye: Option<&str>,
    ) -> Option<Datagram> {
        let interval = self.interval();
        self.next = now + interval;
        let info = SenderInfo {
            ntp: self.time(now),
            rtp_timestamp: sender.timestamp_at(now),
            packets: sender.packets(),
            octets: sender.octets(),
        };
        let has_sent = sender.packets() != self.sent_at_last_report;
        self.sent_at_last_report = sender.packets();
        let block = reception.map(|reception| {
            let mut block = reception.report();
            block.jitter = block.jitter.saturating_mul(sender.units());
            if let Some((time, at)) = self.heard {
                block.last_sr = time;
                let since = now.saturating_duration_since(at).as_micros().min(u128::from(u16::MAX) * 1_000_000);
                block.delay_since_last_sr = (since * 65_536 / 1_000_000) as u32;
            }
            block
        });
        if !has_sent && block.is_none() && bye.is_none() {
            return None;
        }
        let report = Report {
            ssrc: sender.ssrc(),
            sender: has_sent.then_some(info),
            blocks: block.as_slice(),
            metrics,
            cname: &self.cname,
            bye,
        };
        let mut datagram = Datagram::default();
        let length = report.write(datagram.room()).ok()?;
        datagram.set_length(length);
        Some(datagram)
    }

    /// Round trip by the last report that came back.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// How our packets sound on the other side, by its last VoIP metrics.
    pub fn metrics(&self) -> Option<VoipMetrics> {
        self.metrics
    }

    /// Share of our packets lost, 0 to 1, by the last report that came back.
    pub fn remote_loss(&self) -> Option<f32> {
        self.remote_loss
    }
}

#[cfg(test)]
mod tests {
    use super::super::negotiate::Codec;
    use super::*;
    use crate::audio::frame::Frame;
    use crate::wire::rtp::{SequenceNumber, Ssrc, Timestamp};

    const ELSEWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

    struct Side {
        control: Control,
        sender: Sender,
        reception: Reception,
    }

    fn side(seed: u64, now: Instant, other: Ssrc) -> Side {
        let mut random = fastrand::Rng::with_seed(seed);
        let sender = Sender::new(&mut random, Codec::Pcmu, 0, None);
        Side { control: Control::new("x", seed, now), sender, reception: Reception::new(other, SequenceNumber(1)) }
    }

    #[test]
    fn the_round_trip_is_learnt_from_two_reports() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut a = side(1, at(0), Ssrc(0));
        let mut b = side(2, at(0), a.sender.ssrc());
        a.sender.frame(at(0), &Frame::SILENCE);
        a.sender.packet().unwrap();
        let first = a.control.report(at(1000), &a.sender, None, None, None).unwrap();
        // 30 ms there, 500 ms until b reports, 40 ms back.
        assert_eq!(b.control.received(at(1030), ELSEWHERE, first.as_bytes(), &b.sender), Ok(false));
        b.reception.packet(SequenceNumber(1), Timestamp(0), Duration::ZERO);
        b.reception.packet(SequenceNumber(5), Timestamp(640), Duration::from_millis(80));
        let second = b.control.report(at(1530), &b.sender, Some(&mut b.reception), None, Some("")).unwrap();
        assert_eq!(a.control.received(at(1570), ELSEWHERE, second.as_bytes(), &a.sender), Ok(true), "a goodbye");
        let round_trip = a.control.round_trip().unwrap().as_secs_f32() * 1000.0;
        assert!((round_trip - 70.0).abs() < 0.1, "{round_trip} ms");
        assert_eq!(a.control.remote_loss(), Some(153.0 / 256.0), "three of five lost");
    }

    #[test]
    fn reports_come_about_every_five_seconds() {
        let start = Instant::now();
        let mut one = side(3, start, Ssrc(0));
        let mut now = start;
        let mut intervals = Vec::new();
        for _ in 0..200 {
            one.sender.frame(now, &Frame::SILENCE);
            one.sender.packet().unwrap();
            assert!(one.control.report(now, &one.sender, None, None, None).is_some());
            intervals.push((one.control.deadline() - now).as_millis());
            now = one.control.deadline();
        }
        assert!(intervals.iter().all(|ms| (2500..=7500).contains(ms)));
        let mean = intervals.iter().sum::<u128>() / 200;
        assert!((4500..5500).contains(&mean), "{mean}");
        assert!(one.control.report(now, &one.sender, None, None, None).is_none(), "nothing sent, nothing heard");
        assert!(one.control.report(now, &one.sender, None, None, Some("")).is_some(), "but goodbye is said");
    }

    #[test]
    fn malformed_reports_change_nothing() {
        let now = Instant::now();
        let mut one = side(4, now, Ssrc(0));
        assert!(one.control.received(now, ELSEWHERE, &[0x80, 200, 0, 1], &one.sender).is_err());
        assert_eq!(one.control.destination(SocketAddr::from(([1, 2, 3, 4], 5))).port(), 5);
    }
}
