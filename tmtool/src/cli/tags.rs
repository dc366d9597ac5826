//! `--tag NAME`: the label that a command is about, in a recording or a `.snap` file.

use std::collections::BTreeSet;

use crate::errors::{Error, Result};
use tm_common::ids::TagIndex;

use super::selection::listed;
use crate::report::parts::label::NO_TAG;
use tm_analyzer::model::Snapshot;
use tm_analyzer::reader::Recording;

/// The numbers of the label `name`, which the threads of a program may have given it each for itself. What reports call
/// blocks without a label means these, unless a label is called so.
///
/// # Errors
/// There is no such label.
pub fn of_recording(recording: &Recording, name: &str) -> Result<Vec<TagIndex>> {
    let found: Vec<TagIndex> =
        recording.tags.iter().filter(|(_, known)| known == name).map(|(tag, _)| *tag).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    if name == NO_TAG {
        return Ok(vec![TagIndex::NONE]);
    }
    let known = recording.tags.iter().map(|(_, known)| known.as_str()).collect();
    Err(unknown(&recording.file.path().display().to_string(), name, known))
}

/// Keeps the blocks of `snapshot`, from the file `file`, that have the label `name`.
///
/// # Errors
/// No block has it.
pub fn keep(snapshot: &mut Snapshot, file: &str, name: &str) -> Result<()> {
    let known: BTreeSet<&str> = snapshot.traces.iter().filter_map(|trace| trace.tag.as_deref()).collect();
    let wanted = match (known.contains(name), name) {
        (true, _) => Some(name),
        (false, NO_TAG) => None,
        (false, _) => return Err(unknown(file, name, known)),
    };
    snapshot.traces.retain(|trace| trace.tag.as_deref() == wanted);
    Ok(())
}

fn unknown(file: &str, name: &str, known: BTreeSet<&str>) -> Error {
    let known: Vec<String> = known.into_iter().map(str::to_owned).collect();
    let tags = if known.is_empty() { "it has no tags".to_owned() } else { listed("tags", known) };
    Error::Message(format!("{file} has no tag '{name}'; {tags}"))
}
