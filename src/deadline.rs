//! Timers of a machine as one small table: when to come back, and why. No clock is read here.

use std::time::Instant;

/// The earliest of several deadlines, each with its reason.
///
/// ```
/// # use tingwa::deadline::earliest;
/// # use std::time::{Duration, Instant};
/// let now = Instant::now();
/// let first = earliest([Some((now + Duration::from_millis(20), "frame")), None, Some((now, "ring"))]);
/// assert_eq!(first, Some((now, "ring")));
/// ```
pub fn earliest<Why>(deadlines: impl IntoIterator<Item = Option<(Instant, Why)>>) -> Option<(Instant, Why)> {
    let mut first: Option<(Instant, Why)> = None;
    for candidate in deadlines.into_iter().flatten() {
        if first.as_ref().is_none_or(|(at, _)| candidate.0 < *at) {
            first = Some(candidate);
        }
    }
    first
}

/// True when `at` is set and `now` has reached it.
pub fn is_due(at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| now >= at)
}
