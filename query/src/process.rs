//! What is known of a process: what lives in it now, and the names of stacks.

use std::sync::Arc;

use tm_analyzer::error::Error;
use tm_analyzer::follow::{Follower, Options};
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::LiveBlocks;

use crate::failure::{Answer, Failure};
use crate::finder::Finder;
use crate::host::Host;
use crate::live_index::LiveIndex;
use crate::names::Names;

/// A process that asks, as it was at its last question.
pub struct Process {
    /// Follows its recording.
    pub follower: Follower,
    /// Finds its live blocks.
    pub live_index: LiveIndex,
    /// The names of its stacks.
    pub names: Names,
}

impl Process {
    /// Opens the recording of the process that `host` speaks for, as it was at the start of the process.
    ///
    /// # Errors
    /// Its recording cannot be read, or is another file.
    pub fn open(host: &Host<'_>) -> Answer<Process> {
        let identity = host.identity();
        // What the program sees of peaks is what tracemalloc says; and no descriptor stays open in it.
        let options = Options { resets_peak: true, keep_open: false, identity: Some(identity.file) };
        let follower = Follower::open(host.path(), identity.process, options)?;
        let live_index = LiveIndex::of(follower.live(), Arc::clone(&follower.recording().thread_tags));
        Ok(Process { follower, live_index, names: Names::default() })
    }

    /// Takes in what was recorded up to now.
    ///
    /// # Errors
    /// The recording cannot be read any further.
    pub fn catch_up(&mut self, host: &Host<'_>) -> Answer<()> {
        let now = host.now();
        if let Err(error) = self.follower.catch_up(now, &mut self.live_index) {
            let Error::Folded { .. } = error else { return Err(error.into()) };
            // Events were folded that nobody had asked for: all is known anew.
            *self = Process::open(host)?;
            self.follower.catch_up(now, &mut self.live_index)?;
        }
        self.names.refresh(self.follower.recording(), self.follower.process(), now);
        Ok(())
    }

    /// Returns the recording.
    pub fn recording(&self) -> &Recording {
        self.follower.recording()
    }

    /// Checks that the process records now.
    ///
    /// # Errors
    /// It does not.
    pub fn check_is_tracing(&self) -> Answer<()> {
        if self.follower.is_tracing() { Ok(()) } else { Err(Failure::NotTracing) }
    }

    /// Lends what finds blocks and what names them.
    pub fn parts(&mut self) -> (Finder<'_>, &Recording, &mut Names) {
        let tables: &LiveBlocks = self.follower.live();
        let finder = Finder::new(tables, self.live_index.index(tables));
        (finder, self.follower.recording(), &mut self.names)
    }
}
