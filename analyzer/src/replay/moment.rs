//! Moments as stamps of a recording's clock.

use tm_common::ids::Stamp;

use crate::error::{Error, Result};
use crate::model::Moment;
use crate::reader::Recording;

/// A moment of a recording whose events need not be looked at to find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedMoment {
    /// The last stamp that belongs to it.
    pub stamp: Stamp,
    /// Nanoseconds since the recording's start.
    pub ns: u64,
}

/// When `moment` is; `None` for the peak, which only a replay finds.
///
/// # Errors
/// The recording has no such mark.
pub fn fixed(recording: &Recording, moment: &Moment) -> Result<Option<FixedMoment>> {
    if let Moment::Mark(name) = moment {
        let path = recording.file.path().display();
        return Err(Error::Message(format!("{path} has no mark '{name}'; the marks in it are: none")));
    }
    let duration_ns = recording.duration_ns();
    if let Some(ns) = moment.time_ns(duration_ns).filter(|&ns| ns > duration_ns) {
        let (path, ns) = (recording.file.path().display(), Moment::TimeNs(ns));
        let length = Moment::TimeNs(duration_ns);
        return Err(Error::Message(format!("{path} lasts {length}; {ns} is after its end")));
    }
    let fixed = moment.time_ns(duration_ns).map(|ns| {
        let stamp = if *moment == Moment::End { Stamp(u64::MAX) } else { stamp_at(recording, ns) };
        FixedMoment { stamp, ns }
    });
    Ok(fixed)
}

/// The last stamp that is not later than `ns` since the start.
pub fn stamp_at(recording: &Recording, ns: u64) -> Stamp {
    // The clock's own rounding decides, so search instead of dividing.
    let clock = &recording.header.clock;
    let (mut low, mut high) = (0, u64::MAX >> clock.shift);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if clock.ns_since_start(Stamp(middle)) <= ns { low = middle } else { high = middle - 1 }
    }
    Stamp(low)
}

/// How many stamps `ns` are, rounded up: an age of `ns` is at least as many.
pub fn stamps_in(recording: &Recording, ns: u64) -> u64 {
    (ns as f64 / ns_per_stamp(recording)).ceil() as u64
}

/// Nanoseconds from one stamp to the next.
pub(super) fn ns_per_stamp(recording: &Recording) -> f64 {
    let clock = &recording.header.clock;
    clock.ns_per_tick() * (1u64 << clock.shift) as f64
}
