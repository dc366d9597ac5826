//! Writes what lives now to a `.snap` file.

use std::fs;
use std::path::Path;

use tm_analyzer::events::Block;
use tm_analyzer::model::{Moment, Origin, Snapshot};
use tm_analyzer::reader::file::identity;
use tm_analyzer::replay::{Findings, MemoryKind, Processes};
use tm_common::ids::Stamp;

use crate::failure::{Answer, Failure};
use crate::process::Process;

/// Dumps what lives at `now` to `path`.
///
/// # Errors
/// Nothing is traced, or the file cannot be written or is the recording.
pub fn dump(process: &mut Process, now: Stamp, path: &Path) -> Answer<()> {
    process.check_is_tracing()?;
    let there = fs::metadata(path).map(|status| identity(&status));
    if there.is_ok_and(|there| there == process.recording().file.identity()) {
        return Err(Failure::Failed(format!("{} is the recording; dump to another file", path.display())));
    }
    Ok(snapshot(process, now).dump(path)?)
}

fn snapshot(process: &mut Process, now: Stamp) -> Snapshot {
    let mut blocks: Vec<Block> = process.follower.live().iter(MemoryKind::Traced).collect();
    blocks.sort_unstable_by_key(|block| (block.space, block.address));
    let recording = process.follower.recording();
    let mut snapshot = process.names.namer.snapshot(recording, &blocks);
    let totals = process.follower.totals();
    let live = totals.live(MemoryKind::Traced);
    let moment_ns = recording.ns(now);
    let (problems, sampling) = (process.follower.problems(), totals.samples.sampling());
    let findings = Findings { problems, sampling, left_out_until: None };
    let asking = Processes::One(process.follower.process());
    snapshot.origin = Some(Origin {
        moment: Moment::TimeNs(moment_ns).to_string(),
        moment_ns,
        live_bytes: live.bytes,
        live_blocks: live.count,
        unknown_frees: totals.unknown_frees,
        duration_ns: moment_ns,
        ..process.names.namer.origin(recording, asking, &findings)
    });
    snapshot
}
