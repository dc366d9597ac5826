//! Folds a recording's first events into what is known of them: the content of a checkpoint, as bytes, and which room of the
//! file is not needed any more once these stand in it. Writes nothing: a keeper does.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::Path;

use rustc_hash::{FxHashMap, FxHashSet};
use tm_common::header::{GRAIN_BYTES, abilities};
use tm_common::ids::{ProcessIndex, Stamp, StreamIndex};

use crate::error::{Error, Result};
use crate::events::position;
use crate::reader::checkpoint::{Checkpoint, FoldedStream, Passed};
use crate::reader::streams::StreamSegment;
use crate::reader::{Recording, Settled};
use crate::replay::{self, Folded, stamps_in};

/// What a thread has not written this long after its stamp, in ns, it does not write before the events are folded: it would have
/// lost its processor for that long between the two, and its event comes late.
const WRITTEN_AFTER_NS: u64 = 100_000_000;

/// How often half of the rest is left; then nothing is.
const HALVINGS: u32 = 4;

/// A moment up to which `recording` may be folded, so that about half of the segments in streams' own extents stay, which are those that
/// come back, and half of that for each fold that was in vain; `None` if it is too young, or nothing would come of it.
#[must_use]
pub fn moment(recording: &Recording, n_vain: u32) -> Option<Stamp> {
    let is_own = |grain: u64| {
        let extents = &recording.own_extents;
        let before = extents.partition_point(|extent| extent.first <= grain);
        let extent = before.checked_sub(1).and_then(|place| extents.get(place));
        extent.is_some_and(|extent| grain < extent.first.saturating_add(extent.grains))
    };
    let n_folded = recording.folded_grains.iter().filter(|&&grain| is_own(grain)).count();
    let segments = recording.streams.iter().flat_map(|stream| &stream.segments);
    let own = segments.clone().filter(|segment| is_own(segment.offset / GRAIN_BYTES as u64));
    let mut bases: Vec<Stamp> = own.map(|segment| segment.base).collect();
    bases.sort_unstable();
    let known = recording.last_stamp().min(replay::stamp_at(recording, recording.duration_ns()));
    let written = Stamp(known.0.saturating_sub(stamps_in(recording, WRITTEN_AFTER_NS)));
    let n_all = n_folded + bases.len();
    let n_to_stay = if n_vain < HALVINGS { n_all >> (n_vain + 1) } else { 0 };
    let moment = match (n_to_stay, bases.get((n_all - n_to_stay).saturating_sub(n_folded))) {
        (0, _) => written,
        // A moment before the segment begins: all that is earlier is whole.
        (_, Some(stays)) => Stamp(stays.0.saturating_sub(1)).min(written),
        (_, None) => return None,
    };
    (segments.count() > 0 && Some(moment) > recording.folded_until()).then_some(moment)
}

/// Folds one recording again and again while it is written. It keeps what cannot change any more, so that a process that has ended is
/// asked for and folded once: who has ended, and all that is folded so far, whether that stands in the recording or not. What does not
/// is lost with it, and is still there to be folded.
#[derive(Debug, Default)]
pub struct Folder {
    /// The processes that write no more.
    gone: BTreeSet<ProcessIndex>,
    kept: Option<Kept>,
}

/// All that is folded so far.
#[derive(Debug)]
struct Kept {
    /// The number of the checkpoint that the recording has.
    number: u32,
    /// Whether that is this one, or an earlier one.
    stands: bool,
    /// How far streams are folded; without a body.
    checkpoint: Checkpoint,
    /// What stands in the body.
    folded: Folded,
}

impl Folder {
    /// Opens the recording at `path`, which is the same each time, for [`Folder::fold`].
    ///
    /// # Errors
    /// As [`Recording::open`].
    pub fn open(&mut self, path: &Path) -> Result<Recording> {
        let checkpoint = self.kept.as_ref().map(|kept| (kept.number, &kept.checkpoint));
        let recording = Recording::open_again(path, &Settled { gone: &self.gone, checkpoint })?;
        self.gone.clone_from(&recording.gone);
        Ok(recording)
    }

    /// Folds all events up to `until`, and a few later ones where it shows only then what came before what. Returns the extents, as
    /// grains, of which all is folded and to which nobody writes any more: they may be given back once it stands in the recording.
    ///
    /// # Errors
    /// What was folded earlier cannot be read, or there is no memory.
    pub fn fold(&mut self, recording: &Recording, until: Stamp) -> Result<Vec<Range<u64>>> {
        if recording.checkpoint.is_none() && recording.header.checkpoint > 0 {
            return Err(Error::NewerCheckpoint { path: recording.file.path().to_owned() });
        }
        let is_of = |kept: &Kept| recording.checkpoint.as_ref() == Some(&kept.checkpoint);
        let mut folded = match self.kept.take().filter(is_of) {
            Some(kept) => kept.folded,
            None => Folded::of(recording)?,
        };
        folded.seal().map_err(|source| Error::io("fold", recording.file.path(), source))?;
        replay::fold(recording, &mut folded, until);
        let until_of: FxHashMap<ProcessIndex, Stamp> =
            folded.all().map(|(process, until, _)| (process, until)).collect();
        let closed: FxHashSet<ProcessIndex> =
            folded.all().filter(|(.., is_closed)| *is_closed).map(|(process, ..)| process).collect();
        let (streams, missing) = passed(recording, &until_of, &closed);
        let done = done(recording, &streams, &closed);
        let mut streams: Vec<FoldedStream> = streams.into_iter().map(folded_stream).collect();
        streams.sort_unstable_by_key(|stream| (stream.process, stream.stream));
        let until = until_of.into_values().max().unwrap_or(until);
        let sample_bytes = recording.sample_bytes();
        let checkpoint = Checkpoint { until, sample_bytes, missing, streams, body: Vec::new() };
        let number = (recording.header.checkpoint >> 32) as u32;
        self.kept = Some(Kept { number, stands: false, checkpoint, folded });
        Ok(done)
    }

    /// The moment up to which something is folded that does not stand in the recording.
    #[must_use]
    pub fn ahead(&self) -> Option<Stamp> {
        self.kept.as_ref().filter(|kept| !kept.stands).map(|kept| kept.checkpoint.until)
    }

    /// What the parts of a checkpoint are to hold, one after the other, and the moment: no event is folded that is later.
    ///
    /// # Errors
    /// There is no memory.
    pub fn encode(&self) -> io::Result<(Vec<u8>, Stamp)> {
        let Some(Kept { checkpoint, folded, .. }) = &self.kept else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let (body, end) = folded.encode()?;
        let bytes = Checkpoint { body, ..checkpoint.clone() }.encode(end)?;
        Ok((bytes, checkpoint.until))
    }

    /// Notes that what is folded stands in the recording, as its checkpoint with this number.
    pub fn stands(&mut self, number: u32) {
        if let Some(kept) = &mut self.kept {
            (kept.number, kept.stands) = (number, true);
        }
    }
}

/// How far each stream is folded, and how many segments are missing in what is, and in how many streams.
fn passed(
    recording: &Recording,
    until_of: &FxHashMap<ProcessIndex, Stamp>,
    closed: &FxHashSet<ProcessIndex>,
) -> (Streams, (u64, u64)) {
    let leaves_full = recording.header.abilities & abilities::LEAVES_FULL != 0;
    let mut streams = still_folded(recording);
    let mut missing = recording.checkpoint.as_ref().map_or((0, 0), |checkpoint| checkpoint.missing);
    for stream in &recording.streams {
        // One of a process that began later is all there.
        if let Some(&until) = until_of.get(&stream.process) {
            let is_left = |segment: &StreamSegment| leaves_full && segment.is_full;
            // All of one that is closed is folded, a segment without events that begins later too.
            let passed = match closed.contains(&stream.process) {
                true => stream.end(),
                false => position(recording, stream, until, is_left),
            };
            let n_missing = stream.missing_before(passed.sequence);
            missing =
                (missing.0.saturating_add(n_missing), missing.1.saturating_add(u64::from(n_missing > 0)));
            streams.insert((stream.process, stream.index), passed);
        }
    }
    (streams, missing)
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
