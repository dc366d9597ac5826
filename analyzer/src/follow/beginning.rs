//! Where a follower begins: with what a forked process inherited, or after events that are folded; and once more, when a keeper has
//! folded others meanwhile.

use std::sync::Arc;

use tm_common::ids::ProcessIndex;

use super::Follower;
use crate::error::{Error, Result};
use crate::reader::Recording;
use crate::replay::{From, beginning_here};

impl Follower {
    /// Begins where events are folded to by now, and goes on silently to where it was, so that an observer misses nothing. The
    /// blocks' makers keep their numbers.
    ///
    /// # Errors
    /// As [`Follower::open`]; [`Error::Folded`] if events are folded that were not replayed yet. Then nothing has changed.
    pub(super) fn begin_again(&mut self) -> Result<()> {
        let path = self.recording.file.path().to_owned();
        let reached = self.recording.latest.unwrap_or_else(|| self.engine.replayed_until());
        let thread_tags = Arc::clone(&self.recording.thread_tags);
        let mut again = Follower::open_with(&path, self.process, self.options, thread_tags)?;
        if again.recording.folded_until() > Some(reached) {
            return Err(Error::Folded { path });
        }
        again.wait_for(reached);
        again.read()?;
        again.engine.run(reached, &mut ());
        again.recording.latest = Some(reached);
        if self.options.resets_peak {
            again.engine.take_peak_of(self.engine.totals());
        }
        *self = again;
        Ok(())
    }
}

/// What `process` begins with. What its parents did is read to its end by now, and once.
pub(super) fn beginning(recording: &mut Recording, process: ProcessIndex) -> Result<From> {
    let is_forked = recording.process(process).is_some_and(|process| process.parent.is_some());
    if !is_forked && recording.header.checkpoint == 0 {
        return beginning_here(recording, process);
    }
    let mut whole = Recording::open(recording.file.path())?;
    if whole.file.identity() != recording.file.identity() {
        return Err(Error::Replaced { path: recording.file.path().to_owned() });
    }
    // The blocks' makers are numbers of these.
    whole.thread_tags = Arc::clone(&recording.thread_tags);
    let from = beginning_here(&whole, process)?;
    (recording.header.checkpoint, recording.header.free_extents) =
        (whole.header.checkpoint, whole.header.free_extents);
    recording.checkpoint = whole.checkpoint;
    Ok(from)
}
