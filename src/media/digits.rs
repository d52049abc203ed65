//! Keys as telephone events (RFC 4733 2.5), both ways: [`DigitReceiver`] makes one digit of the many packets of a press,
//! whatever of them is lost or doubled; [`DigitSender`] makes the packets. Not here: tones in the audio (`audio::dtmf`).

use std::collections::VecDeque;

use crate::wire::rtp::Timestamp;
use crate::wire::telephone_event::{END_PACKETS, TelephoneEvent, event_of};

/// A press counts from this duration on: 40 ms, in timestamp units.
const SHORTEST: u16 = 320;
/// Longest press that we send: one segment (RFC 4733 2.5.1.3), ms.
const LONGEST_MS: u32 = 8000;
/// Shortest, ms.
const SHORTEST_MS: u32 = 40;
/// Timestamp units in a 20 ms frame.
const FRAME: u16 = 160;
/// Level of the tone, -dBm0.
const VOLUME: u8 = 10;
/// Keys that wait to be sent; more are dropped.
const QUEUE: usize = 32;

/// The press that packets are coming for, or came for last.
#[derive(Clone, Copy, Debug)]
struct Press {
    timestamp: Timestamp,
    event: u8,
    duration: u16,
    digit: Option<char>,
    reported: bool,
}

/// Receiving side.
#[derive(Clone, Copy, Debug, Default)]
pub struct DigitReceiver {
    press: Option<Press>,
}

impl DigitReceiver {
    /// A packet of an event arrived. Returns the digits that are now certain: at most the press before, whose end was lost,
    /// and this one.
    pub fn event(&mut self, timestamp: Timestamp, event: TelephoneEvent) -> [Option<char>; 2] {
        let mut before = None;
        match &mut self.press {
            Some(press) if press.timestamp == timestamp && press.event == event.event => {
                press.duration = press.duration.max(event.duration);
            }
            // A late packet of an earlier press.
            Some(press) if timestamp.since(press.timestamp) <= 0 => return [None, None],
            // The next segment of a very long press (RFC 4733 2.5.1.3).
            Some(press) if press.event == event.event && timestamp == press.timestamp.add(u32::from(u16::MAX)) => {
                press.timestamp = timestamp;
            }
            Some(_) | None => {
                before = self.settle();
                let duration = event.duration;
                let digit = event.digit();
                self.press = Some(Press { timestamp, event: event.event, duration, digit, reported: false });
            }
        }
        let this = match &mut self.press {
            Some(press) if event.end || press.duration >= SHORTEST => press.report(),
            Some(_) | None => None,
        };
        [before, this]
    }

    /// Audio with this timestamp arrived: an event before it is over. Returns the digit if it was not told yet.
    pub fn audio(&mut self, timestamp: Timestamp) -> Option<char> {
        let over = self
            .press
            .is_some_and(|press| !press.reported && timestamp.since(press.timestamp) > i32::from(press.duration));
        if over { self.settle() } else { None }
    }

    /// The sender's timestamps begin anew.
    pub fn restart(&mut self) -> Option<char> {
        let digit = self.settle();
        self.press = None;
        digit
    }

    fn settle(&mut self) -> Option<char> {
        self.press.as_mut().and_then(Press::report)
    }
}

impl Press {
    fn report(&mut self) -> Option<char> {
        let digit = if self.reported { None } else { self.digit };
        self.reported = true;
        digit
    }
}

/// What to send in place of a frame of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// The payload.
    pub event: TelephoneEvent,
    /// When the press began; the same in all packets of it.
    pub timestamp: Timestamp,
    /// Set on the first packet.
    pub marker: bool,
}

#[derive(Clone, Copy, Debug)]
enum Sending {
    /// The key is down.
    Pressed { event: u8, timestamp: Timestamp, sent: u16, length: u16 },
    /// The key is up; the end is told again.
    Ending { event: u8, timestamp: Timestamp, length: u16, left: u8 },
}

/// Sending side. Ends are 20 ms apart, so that one burst of loss does not take all three.
#[derive(Debug)]
pub struct DigitSender {
    queue: VecDeque<(u8, u16)>,
    sending: Option<Sending>,
}

impl Default for DigitSender {
    fn default() -> Self {
        Self { queue: VecDeque::with_capacity(QUEUE), sending: None }
    }
}

impl DigitSender {
    /// Queues a key. False when it is none, or when too many wait.
    pub fn press(&mut self, digit: char, ms: u32) -> bool {
        let Some(event) = event_of(digit).filter(|_| self.queue.len() < QUEUE) else { return false };
        self.queue.push_back((event, (ms.clamp(SHORTEST_MS, LONGEST_MS) * 8) as u16));
        true
    }

    /// True while a key is being sent or waits.
    pub fn is_busy(&self) -> bool {
        self.sending.is_some() || !self.queue.is_empty()
    }

    /// The frame beginning at `now` is due. `None`: send audio.
    pub fn tick(&mut self, now: Timestamp) -> Option<EventPacket> {
        let sending = match self.sending {
            Some(sending) => sending,
            None => {
                let (event, length) = self.queue.pop_front()?;
                Sending::Pressed { event, timestamp: now, sent: 0, length }
            }
        };
        let (packet, next) = sending.step();
        self.sending = next;
        Some(packet)
    }
}

impl Sending {
    fn step(self) -> (EventPacket, Option<Self>) {
        match self {
            Self::Pressed { event, timestamp, sent, length } => {
                let sent_now = (sent + FRAME).min(length);
                let end = sent_now == length;
                let next = if end {
                    Self::Ending { event, timestamp, length, left: END_PACKETS - 1 }
                } else {
                    Self::Pressed { event, timestamp, sent: sent_now, length }
                };
                (packet(event, timestamp, sent_now, end, sent == 0), Some(next))
            }
            Self::Ending { event, timestamp, length, left } => {
                let next = (left > 1).then(|| Self::Ending { event, timestamp, length, left: left - 1 });
                (packet(event, timestamp, length, true, false), next)
            }
        }
    }
}

fn packet(event: u8, timestamp: Timestamp, duration: u16, end: bool, marker: bool) -> EventPacket {
    EventPacket { event: TelephoneEvent { event, end, volume: VOLUME, duration }, timestamp, marker }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The packets of "42#", 100 ms each, with the frames of audio between them as `None`.
    fn sent() -> Vec<(Timestamp, Option<EventPacket>)> {
        let mut sender = DigitSender::default();
        for digit in ['4', '2', '#'] {
            assert!(sender.press(digit, 100));
        }
        assert!(!sender.press('x', 100));
        let mut frames = Vec::new();
        for n in 0..26 {
            let now = Timestamp(u32::MAX - 1000).add(n * 160);
            frames.push((now, sender.tick(now)));
        }
        assert!(!sender.is_busy());
        frames
    }

    fn received(frames: impl IntoIterator<Item = (Timestamp, Option<EventPacket>)>) -> String {
        let mut receiver = DigitReceiver::default();
        let mut digits = String::new();
        for (now, packet) in frames {
            match packet {
                Some(packet) => digits.extend(receiver.event(packet.timestamp, packet.event).into_iter().flatten()),
                None => digits.extend(receiver.audio(now)),
            }
        }
        digits
    }

    #[test]
    fn packets_of_a_press() {
        let frames = sent();
        let first: Vec<_> = frames[..7].iter().map(|(_, packet)| packet.unwrap()).collect();
        assert_eq!(first.iter().map(|p| p.event.duration).collect::<Vec<_>>(), [160, 320, 480, 640, 800, 800, 800]);
        assert_eq!(
            first.iter().map(|p| p.event.end).collect::<Vec<_>>(),
            [false, false, false, false, true, true, true]
        );
        assert_eq!(first.iter().filter(|p| p.marker).count(), 1);
        assert!(first[0].marker && first.iter().all(|p| p.timestamp == first[0].timestamp && p.event.event == 4));
        let second = frames[7].1.unwrap();
        assert_eq!((second.event.event, second.marker, second.timestamp), (2, true, frames[7].0));
        assert_eq!(frames.iter().filter(|(_, packet)| packet.is_none()).count(), 5);
    }

    #[test]
    fn each_press_is_one_digit_whatever_is_lost() {
        let frames = sent();
        assert_eq!(received(frames.clone()), "42#");
        let doubled: Vec<_> = frames.iter().flat_map(|&frame| [frame, frame]).collect();
        assert_eq!(received(doubled), "42#");
        // Any one packet of each press survives.
        for kept in 0..7 {
            let thinned: Vec<_> =
                frames.iter().enumerate().filter(|(n, f)| f.1.is_none() || n % 7 == kept).map(|(_, &f)| f).collect();
            assert_eq!(received(thinned), "42#", "only packet {kept}");
        }
        // All ends lost.
        let endless: Vec<_> = frames.iter().filter(|f| f.1.is_none_or(|p| !p.event.end)).copied().collect();
        assert_eq!(received(endless), "42#");
        // Neighbours swapped, also across presses.
        for offset in 0..2 {
            let mut swapped = frames.clone();
            swapped[offset..].chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
            assert_eq!(received(swapped), "42#");
        }
    }

    #[test]
    fn a_digit_is_told_at_40_ms() {
        let mut receiver = DigitReceiver::default();
        let mut frames = sent().into_iter().filter_map(|(_, packet)| packet);
        let mut told = || frames.next().map(|p| receiver.event(p.timestamp, p.event)).unwrap()[1];
        assert_eq!([told(), told(), told()], [None, Some('4'), None]);
    }

    #[test]
    fn a_very_long_press_is_one_digit() {
        let mut receiver = DigitReceiver::default();
        let event = |duration, end| TelephoneEvent { event: 5, end, volume: 10, duration };
        assert_eq!(receiver.event(Timestamp(1000), event(u16::MAX, false)), [None, Some('5')]);
        assert_eq!(receiver.event(Timestamp(1000 + 65_535), event(160, false)), [None, None]);
        assert_eq!(receiver.event(Timestamp(1000 + 65_535), event(800, true)), [None, None]);
        assert_eq!(receiver.event(Timestamp(90_000), event(800, true)), [None, Some('5')], "pressed again");
    }

    #[test]
    fn events_that_are_no_keys_are_no_digits() {
        let mut receiver = DigitReceiver::default();
        let flash = TelephoneEvent { event: 16, end: true, volume: 0, duration: 800 };
        assert_eq!(receiver.event(Timestamp(1), flash), [None, None]);
        assert_eq!(receiver.audio(Timestamp(9000)), None);
    }

    #[test]
    fn lengths_and_numbers_are_bounded() {
        let mut sender = DigitSender::default();
        assert_eq!((0..100).filter(|_| sender.press('1', u32::MAX)).count(), QUEUE);
        let mut packets = 0;
        while sender.tick(Timestamp(packets * 160)).is_some() {
            packets += 1;
        }
        assert_eq!(packets, 32 * (400 + 2));
        sender.press('1', 0);
        assert_eq!(sender.tick(Timestamp(0)).unwrap().event.duration, 160);
        assert_eq!(sender.tick(Timestamp(160)).unwrap().event.duration, 320);
    }
}
