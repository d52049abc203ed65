//! Keys of `[sip]` that bound what strangers and peers may do.

use std::time::Duration;

use crate::settings::Section;
use crate::sip::endpoint::config::Limits;
use crate::sip::shield::ShieldConfig;

/// Sizes of tables, and when strangers are shut out.
pub(super) fn read(section: &mut Section<'_>) -> (Limits, ShieldConfig) {
    let (tables, shield) = (Limits::default(), ShieldConfig::default());
    let mut number = |key, most| section.integer(key, 1..=most).and_then(|number| usize::try_from(number).ok());
    let tables = Limits {
        half_open: number("half_open", 100_000).unwrap_or(tables.half_open),
        half_open_per_source: number("half_open_per_source", 100_000).unwrap_or(tables.half_open_per_source),
        ..tables
    };
    let tries = section.integer("shut_out_after", 0..=1_000).and_then(|tries| u32::try_from(tries).ok());
    let minutes = section.integer("shut_out_minutes", 1..=1_440).and_then(|minutes| u64::try_from(minutes).ok());
    let shield = ShieldConfig {
        tries: tries.unwrap_or(shield.tries),
        shut_out: minutes.map_or(shield.shut_out, |minutes| Duration::from_secs(60 * minutes)),
    };
    (tables, shield)
}
