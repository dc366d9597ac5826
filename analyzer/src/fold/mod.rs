//! Folds a recording's first events into what is known of them: the content of a checkpoint, as bytes, and which room of the
//! file is not needed any more once these stand in it. Writes nothing: a keeper does.

#[cfg(test)]
mod tests;

use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};
use tm_common::header::{GRAIN_BYTES, abilities};
use tm_common::ids::{ProcessIndex, Stamp, StreamIndex};

use crate::error::{Error, Result};
use crate::events::position;
use crate::reader::Recording;
use crate::reader::checkpoint::{Checkpoint, FoldedStream, Passed};
use crate::reader::streams::StreamSegment;
use crate::replay::{self, Folded, FoldedProcess, stamps_in};

/// What a thread has not written this long after its stamp, in ns, it does not write before the events are folded: it would have
/// lost its processor for that long between the two, and its event comes late.
const WRITTEN_AFTER_NS: u64 = 100_000_000;

/// How often half of the rest is left; then nothing is.
const HALVINGS: u32 = 4;

/// What a checkpoint is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// What its parts hold, one after the other.
    pub bytes: Vec<u8>,
    /// The moment: no event is folded that is later.
    pub until: Stamp,
    /// The extents, as grains, of which all is folded and to which nobody writes any more.
    pub done: Vec<Range<u64>>,
}

/// A moment up to which `recording` may be folded, so that about half of the events that are left stay, and half of that for each
/// fold that was in vain; `None` if it is too young, or nothing would come of it.
#[must_use]
pub fn moment(recording: &Recording, n_vain: u32) -> Option<Stamp> {
    let segments = recording.streams.iter().flat_map(|stream| &stream.segments);
    let mut segments: Vec<(Stamp, usize)> = segments.map(|segment| (segment.base, segment.len)).collect();
    segments.sort_unstable();
    let all = segments.iter().map(|(_, len)| len).sum::<usize>();
    let to_fold = if n_vain < HALVINGS { all - (all >> (n_vain + 1)) } else { all };
    let mut passed = 0;
    let middle = segments.iter().find(|(_, len)| {
        passed += len;
        passed > to_fold
    });
    let known = recording.last_stamp().min(replay::stamp_at(recording, recording.duration_ns()));
    let written = Stamp(known.0.saturating_sub(stamps_in(recording, WRITTEN_AFTER_NS)));
    // A moment before the segment begins: all that is earlier is whole.
    let middle =
        middle.filter(|_| to_fold < all).map_or(written, |(base, _)| Stamp(base.0.saturating_sub(1)));
    let moment = middle.min(written);
    (all > 0 && Some(moment) > recording.folded_until()).then_some(moment)
}

/// Folds all events up to `until`, and a few later ones where it shows only then what came before what.
///
/// # Errors
/// What was folded earlier cannot be read, or there is no memory.
pub fn fold(recording: &Recording, until: Stamp) -> Result<Fold> {
    if recording.checkpoint.is_none() && recording.header.checkpoint > 0 {
        return Err(Error::NewerCheckpoint { path: recording.file.path().to_owned() });
    }
    let processes = replay::fold(recording, until)?;
    let until_of: FxHashMap<u32, Stamp> =
        processes.iter().map(|process| (process.index().0, process.until())).collect();
    let closed: FxHashSet<ProcessIndex> =
        processes.iter().filter(|process| process.is_closed()).map(FoldedProcess::index).collect();
    let leaves_full = recording.header.abilities & abilities::LEAVES_FULL != 0;
    let mut streams = still_folded(recording);
    let mut missing = recording.checkpoint.as_ref().map_or((0, 0), |checkpoint| checkpoint.missing);
    for stream in &recording.streams {
        // One of a process that began later is all there.
        if let Some(&until) = until_of.get(&stream.process.0) {
            let is_closed = closed.contains(&stream.process);
            // All of one that is closed is folded, a segment without events that begins later too.
            let until = if is_closed { Stamp(u64::MAX) } else { until };
            let is_left = |segment: &StreamSegment| is_closed || leaves_full && segment.is_full;
            let passed = position(recording, stream, until, is_left);
            let n_missing = stream.missing_before(passed.sequence);
            missing =
                (missing.0.saturating_add(n_missing), missing.1.saturating_add(u64::from(n_missing > 0)));
            streams.insert((stream.process, stream.index), passed);
        }
    }
    let done = done(recording, &streams, &closed);
    let mut streams: Vec<FoldedStream> = streams.into_iter().map(folded_stream).collect();
    streams.sort_unstable_by_key(|stream| (stream.process, stream.stream));
    let until = until_of.into_values().max().unwrap_or(until);
    let no_memory = |source| Error::io("fold", recording.file.path(), source);
    let body = Folded::new(processes).encode().map_err(no_memory)?;
    let bytes = Checkpoint { until, sample_bytes: recording.sample_bytes(), missing, streams, body }
        .encode()
        .map_err(no_memory)?;
    Ok(Fold { bytes, until, done })
}

/// How far each stream is folded.
type Streams = FxHashMap<(ProcessIndex, StreamIndex), Passed>;

/// How far each stream was folded earlier, also one of which nothing is left.
fn still_folded(recording: &Recording) -> Streams {
    let folded = recording.checkpoint.iter().flat_map(|checkpoint| &checkpoint.streams);
    folded.map(|stream| (stream.key(), stream.passed())).collect()
}

fn folded_stream(((process, stream), passed): ((ProcessIndex, StreamIndex), Passed)) -> FoldedStream {
    FoldedStream {
        process: process.0,
        stream: stream.0,
        sequence: passed.sequence,
        bytes: passed.bytes as u32,
        tag: passed.tag.0,
        is_half: passed.is_half,
    }
}

/// The extents that one stream had for itself and has left: all segments in it are folded, and nobody writes in them any more.
fn done(recording: &Recording, streams: &Streams, closed: &FxHashSet<ProcessIndex>) -> Vec<Range<u64>> {
    let (mut kept, mut folded) = (Vec::new(), recording.folded_grains.clone());
    for stream in &recording.streams {
        let passed = streams.get(&(stream.process, stream.index)).copied().unwrap_or_default();
        for segment in &stream.segments {
            let is_folded = segment.sequence < passed.sequence;
            if is_folded { &mut folded } else { &mut kept }.push(segment.offset / GRAIN_BYTES as u64);
        }
    }
    kept.sort_unstable();
    folded.sort_unstable();
    let any_in = |places: &[u64], extent: &Range<u64>| {
        let first = places.partition_point(|place| *place < extent.start);
        places.get(first).is_some_and(|place| *place < extent.end)
    };
    let extents = recording.own_extents.iter().filter_map(|extent| {
        let grains = extent.first..extent.first.saturating_add(extent.grains);
        let is_left = closed.contains(&extent.process) || extent.is_full && any_in(&folded, &grains);
        is_left.then_some(grains)
    });
    extents.filter(|extent| !any_in(&kept, extent)).collect()
}
