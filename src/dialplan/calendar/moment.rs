//! Wall time as a value: an instant and what is hoisted then; instants to local times at a fixed offset and back.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

use super::signals::Signals;

/// Minutes east of UTC; Hong Kong has had no summer time since 1979.
pub const HONG_KONG: i32 = 480;

/// Now, as opening hours need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// By the wall clock.
    pub at: SystemTime,
    /// What has been hoisted; may have expired.
    pub signals: Signals,
}

impl From<SystemTime> for Moment {
    fn from(at: SystemTime) -> Self {
        Self { at, signals: Signals::default() }
    }
}

/// Local time at an offset in minutes; a time that no calendar has becomes 1970.
pub fn local(at: SystemTime, offset_minutes: i32) -> DateTime {
    let offset = Offset::from_seconds(offset_minutes.saturating_mul(60)).unwrap_or(Offset::UTC);
    offset.to_datetime(Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// The day in Hong Kong.
pub fn day(at: SystemTime) -> Date {
    local(at, HONG_KONG).date()
}

/// `2026-02-18T21:00` at an offset in minutes, or with an offset of its own: `2026-02-18T21:00+08:00`.
pub fn instant(text: &str, offset_minutes: i32) -> Option<SystemTime> {
    let text = text.trim();
    if !text.contains(':') {
        return None;
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.into());
    }
    let offset = Offset::from_seconds(offset_minutes.saturating_mul(60)).ok()?;
    Some(offset.to_timestamp(text.parse().ok()?).ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn instants_and_local_times() {
        let noon = UNIX_EPOCH + Duration::from_secs(1_771_387_200);
        for text in ["2026-02-18T12:00", "2026-02-18 12:00", "2026-02-18T12:00+08:00", "2026-02-18T04:00Z"] {
            assert_eq!(instant(text, HONG_KONG), Some(noon), "{text}");
        }
        assert_eq!(local(noon, HONG_KONG).to_string(), "2026-02-18T12:00:00");
        assert_eq!(instant("1970-01-01T08:00", HONG_KONG), Some(UNIX_EPOCH));
        for bad in ["", "2026-02-18", "2026-13-01T00:00", "2026-02-30T00:00", "2026-01-01T25:00", "xT:"] {
            assert_eq!(instant(bad, HONG_KONG), None, "{bad}");
        }
    }
}
