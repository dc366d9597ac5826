//! Writes what lives now to a `.snap` file.

use std::fs;
use std::path::Path;

use tm_analyzer::events::Block;
use tm_analyzer::model::{Moment, Origin, Snapshot};
use tm_analyzer::reader::file::identity;
use tm_analyzer::replay::{MemoryKind, Processes};
use tm_common::ids::Stamp;

use crate::failure::{Answer, Failure};
use crate::state::State;

/// Dumps what lives at `now` to `path`.
///
/// # Errors
/// Nothing is traced, or the file cannot be written or is the recording.
pub fn dump(state: &mut State, now: Stamp, path: &Path) -> Answer<()> {
    state.check_is_tracing()?;
    let there = fs::metadata(path).map(|status| identity(&status));
    if there.is_ok_and(|there| there == state.recording().file.identity()) {
        return Err(Failure::Failed(format!("{} is the recording; dump to another file", path.display())));
    }
    Ok(snapshot(state, now).dump(path)?)
}

fn snapshot(state: &mut State, now: Stamp) -> Snapshot {
    let mut blocks: Vec<Block> = state.follower.live().iter(MemoryKind::Traced).collect();
    blocks.sort_unstable_by_key(|block| (block.space, block.address));
    let recording = state.follower.recording();
    let mut snapshot = state.names.namer.snapshot(recording, &blocks);
    let totals = state.follower.totals();
    let live = totals.live(MemoryKind::Traced);
    let moment_ns = recording.ns(now);
    let process = Processes::One(state.follower.process());
    snapshot.origin = Some(Origin {
        moment: Moment::TimeNs(moment_ns).to_string(),
        moment_ns,
        live_bytes: live.bytes,
        live_blocks: live.count,
        unknown_frees: totals.unknown_frees,
        duration_ns: moment_ns,
        ..state.names.namer.origin(recording, process, &state.follower.problems())
    });
    snapshot
}
