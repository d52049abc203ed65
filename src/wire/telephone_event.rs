//! Keys pressed, as RTP payload (RFC 4733 2.3): parse, write, and which event is which key.
//!
//! Events 0 to 15 are keys. Others (flash, fax and modem tones) are read as events but are no digits. Not here: when to
//! repeat and when an event has ended (2.5, in `media::stream`), and RFC 4733 4 tones.

/// Length of the payload, bytes.
pub const PAYLOAD_LEN: usize = 4;

/// Packets that carry the end of an event: it is sent three times (RFC 4733 2.5.1.4).
pub const END_PACKETS: u8 = 3;

const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// One telephone-event payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// Event code.
    pub event: u8,
    /// The event is over.
    pub end: bool,
    /// Level of the tone as minus dBm0, 0 to 63.
    pub volume: u8,
    /// Time since the event began, timestamp units; 0xFFFF means that it goes on in a new segment.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads a payload; `None` under four bytes. More than four are allowed and not read.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let &[event, flags, duration_high, duration_low] = payload.first_chunk::<PAYLOAD_LEN>()?;
        let duration = u16::from_be_bytes([duration_high, duration_low]);
        Some(Self { event, end: flags & 0x80 != 0, volume: flags & 0x3f, duration })
    }

    /// The payload.
    pub fn to_bytes(self) -> [u8; PAYLOAD_LEN] {
        let [duration_high, duration_low] = self.duration.to_be_bytes();
        [self.event, self.volume.min(63) | if self.end { 0x80 } else { 0 }, duration_high, duration_low]
    }

    /// The key, where the event is one.
    pub fn digit(self) -> Option<char> {
        KEYS.get(usize::from(self.event)).copied()
    }
}

/// Event code of a key: 0-9, `*`, `#`, A-D in either case.
pub fn event_of(digit: char) -> Option<u8> {
    let key = digit.to_ascii_uppercase();
    KEYS.iter().position(|&known| known == key).map(|index| index as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_event() {
        for (event, key) in KEYS.into_iter().enumerate() {
            let payload = TelephoneEvent { event: event as u8, end: false, volume: 10, duration: 160 };
            assert_eq!(event_of(key), Some(event as u8));
            assert_eq!(payload.digit(), Some(key));
        }
        assert_eq!(event_of('d'), Some(15));
        assert_eq!(event_of('x'), None);
        assert_eq!(event_of('０'), None);
    }

    #[test]
    fn flash_is_no_digit() {
        assert_eq!(TelephoneEvent::parse(&[16, 0, 0, 0]).unwrap().digit(), None);
    }

    #[test]
    fn bytes_of_the_rfc() {
        // RFC 4733 2.6 figure 5, last packet of "1": volume 7, duration 1760, end.
        let event = TelephoneEvent { event: 1, end: true, volume: 7, duration: 1760 };
        assert_eq!(event.to_bytes(), [1, 0x87, 0x06, 0xe0]);
        assert_eq!(TelephoneEvent::parse(&[1, 0x87, 0x06, 0xe0]), Some(event));
    }

    #[test]
    fn every_payload_survives_a_round_trip_but_for_the_reserved_bit() {
        for flags in 0..=255u8 {
            let bytes = [3, flags, 0xff, 0xff];
            let expected = [3, flags & !0x40, 0xff, 0xff];
            assert_eq!(TelephoneEvent::parse(&bytes).unwrap().to_bytes(), expected);
        }
    }

    #[test]
    fn short_payloads_are_refused_and_long_ones_read() {
        assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), None);
        assert_eq!(TelephoneEvent::parse(&[]), None);
        assert_eq!(TelephoneEvent::parse(&[5, 10, 0, 80, 99]).unwrap().digit(), Some('5'));
    }
}
