//! Tags by their names, in a recording or a `.snap` file.

use std::collections::BTreeSet;
use std::path::Path;

use tm_common::ids::TagIndex;

use crate::error::{Error, Refusal, Result};
use crate::model::Snapshot;
use crate::reader::Recording;

/// What the blocks without a tag are called.
pub const NO_TAG: &str = "(no tag)";

/// The numbers of the tag `name`, which the threads of a program may have given it each for itself. What reports call
/// blocks without a tag means these, unless a tag is called so.
///
/// # Errors
/// There is no such tag.
pub(super) fn of_recording(recording: &Recording, name: &str) -> Result<Vec<TagIndex>> {
    let found: Vec<TagIndex> =
        recording.tags.iter().filter(|(_, known)| known == name).map(|(tag, _)| *tag).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    if name == NO_TAG {
        return Ok(vec![TagIndex::NONE]);
    }
    let known = recording.tags.iter().map(|(_, known)| known.as_str()).collect();
    Err(unknown(recording.file.path(), name, known))
}

/// Keeps the blocks of `snapshot`, from the file at `path`, that have the tag `name`.
///
/// # Errors
/// No block has it.
pub(super) fn keep(snapshot: &mut Snapshot, path: &Path, name: &str) -> Result<()> {
    let known: BTreeSet<&str> = snapshot.traces.iter().filter_map(|trace| trace.tag.as_deref()).collect();
    let wanted = match (known.contains(name), name) {
        (true, _) => Some(name),
        (false, NO_TAG) => None,
        (false, _) => return Err(unknown(path, name, known)),
    };
    snapshot.traces.retain(|trace| trace.tag.as_deref() == wanted);
    Ok(())
}

fn unknown(path: &Path, name: &str, known: BTreeSet<&str>) -> Error {
    let known = known.into_iter().map(str::to_owned).collect();
    Refusal::NoTag { name: name.to_owned(), known }.of(path)
}
