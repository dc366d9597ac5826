//! Moments as stamps of a recording's clock.

use tm_common::ids::Stamp;
use tm_common::metadata::CommandKind;

use super::run::Processes;
use crate::error::{Error, Result};
use crate::model::Moment;
use crate::reader::{Command, Recording};

/// A moment of a recording whose events need not be looked at to find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvedMoment {
    /// The last stamp that belongs to it.
    pub stamp: Stamp,
    /// Nanoseconds since the recording's start.
    pub ns: u64,
}

/// When `moment` of `processes` is; `None` for the peak, which only a replay finds. The first of several marks of a name
/// in the process counts, or if it has none, the first of the first process that has one.
///
/// # Errors
/// The recording has no such mark, or ends before the moment.
pub fn resolve(
    recording: &Recording,
    processes: Processes,
    moment: &Moment,
) -> Result<Option<ResolvedMoment>> {
    if let Moment::Mark(name) = moment {
        let stamp = mark(recording, processes, name)?.stamp;
        return known(recording, ResolvedMoment { stamp, ns: recording.ns(stamp) }).map(Some);
    }
    let duration_ns = recording.duration_ns();
    if let Some(ns) = moment.time_ns(duration_ns).filter(|&ns| ns > duration_ns) {
        let (path, is_unfinished) = (recording.file.path().to_owned(), recording.is_unfinished());
        return Err(Error::AfterTheEnd { path, ns, duration_ns, is_unfinished });
    }
    let fixed = moment.time_ns(duration_ns).map(|ns| {
        let stamp = if *moment == Moment::End { Stamp(u64::MAX) } else { stamp_at(recording, ns) };
        ResolvedMoment { stamp, ns }
    });
    fixed.map(|moment| known(recording, moment)).transpose()
}

/// `moment`, if its events are there.
///
/// # Errors
/// They are folded.
pub fn known(recording: &Recording, moment: ResolvedMoment) -> Result<ResolvedMoment> {
    match recording.folded_until() {
        Some(folded) if moment.stamp < folded => {
            let (path, folded_ns) = (recording.file.path().to_owned(), recording.ns(folded));
            Err(Error::BeforeTheEvents { path, ns: moment.ns, folded_ns })
        }
        _ => Ok(moment),
    }
}

fn mark<'a>(recording: &'a Recording, processes: Processes, name: &str) -> Result<&'a Command> {
    let marks = || recording.commands.iter().filter(|command| command.kind == CommandKind::Mark);
    let named = || marks().filter(|mark| mark.name == name);
    let own = named().find(|mark| processes == Processes::One(mark.process));
    own.or_else(|| named().next()).ok_or_else(|| {
        let known = marks().map(|mark| (mark.name.clone(), recording.ns(mark.stamp))).collect();
        Error::NoSuchMark { path: recording.file.path().to_owned(), name: name.to_owned(), known }
    })
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
