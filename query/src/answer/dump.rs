//! Writes what lives now to a `.snap` file, which is there as a whole or not at all.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tm_analyzer::error::Error;
use tm_analyzer::model::{Moment, Origin, Snapshot};
use tm_analyzer::replay::{Account, Block, Processes};
use tm_common::ids::Stamp;

use crate::failure::{Answer, Failure};
use crate::state::State;

/// Dumps what lives at `now` to `path`.
///
/// # Errors
/// Nothing is traced, or the file cannot be written or is the recording.
pub fn dump(state: &mut State, now: Stamp, path: &Path) -> Answer<()> {
    state.check_is_tracing()?;
    let there = fs::metadata(path).ok();
    let identity = there.as_ref().map(|status| (status.dev(), status.ino()));
    if identity == Some(state.recording().file.identity()) {
        return Err(Failure::Failed(format!("{} is the recording; dump to another file", path.display())));
    }
    let snapshot = snapshot(state, now);
    // What is no file, as a terminal or a pipe, is written to; of a link, what it leads to.
    if there.is_some_and(|status| !status.is_file()) {
        return Ok(snapshot.dump(path)?);
    }
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let beside = beside(&path);
    let written = snapshot
        .dump(&beside)
        .and_then(|()| fs::rename(&beside, &path).map_err(|error| Error::io("write", &path, error)));
    if written.is_err() {
        // It may not have come to be.
        let _ = fs::remove_file(&beside);
    }
    Ok(written?)
}

/// A name that nobody else uses, in the same folder.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    name.into()
}

fn snapshot(state: &mut State, now: Stamp) -> Snapshot {
    let mut blocks: Vec<Block> = state.follower.live().iter(Account::Traced).collect();
    blocks.sort_unstable_by_key(|block| (block.space, block.address));
    let recording = state.follower.recording();
    let mut snapshot = state.names.namer.snapshot(recording, &blocks);
    let totals = state.follower.totals();
    let live = totals.live(Account::Traced);
    let moment_ns = recording.ns(now);
    let process = Processes::One(state.follower.process());
    snapshot.origin = Some(Origin {
        moment: Moment::TimeNs(moment_ns).to_string(),
        moment_ns,
        live_bytes: live.bytes,
        live_blocks: live.blocks,
        unknown_frees: totals.unknown_frees,
        duration_ns: moment_ns,
        ..state.names.namer.origin(recording, process, &state.follower.problems())
    });
    snapshot
}
