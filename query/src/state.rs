//! What is known of a process: what lives in it now, and names.

use tm_analyzer::follow::{Follower, Options};
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::LiveBlocks;

use crate::books::Books;
use crate::failure::{Answer, Failure};
use crate::finder::Finder;
use crate::host::Host;
use crate::names::Names;

/// A process's.
pub struct State {
    pub follower: Follower,
    pub books: Books,
    pub names: Names,
}

impl State {
    /// At the start of the process.
    ///
    /// # Errors
    /// Its recording cannot be read, or is another file.
    pub fn open(host: &Host<'_>) -> Answer<State> {
        let identity = host.identity();
        // What the program sees of peaks is what tracemalloc says; and no descriptor stays open in it.
        let options = Options { resets_peak: true, keep_open: false, identity: Some(identity.file) };
        let follower = Follower::open(host.path(), identity.process, options)?;
        let books = Books::of(follower.live());
        Ok(State { follower, books, names: Names::default() })
    }

    /// Takes in what was recorded up to now.
    ///
    /// # Errors
    /// The recording cannot be read any further.
    pub fn catch_up(&mut self, host: &Host<'_>) -> Answer<()> {
        let now = host.now();
        self.follower.catch_up(now, &mut self.books)?;
        self.names.refresh(self.follower.recording(), self.follower.process(), now);
        Ok(())
    }

    /// The recording.
    pub fn recording(&self) -> &Recording {
        self.follower.recording()
    }

    /// # Errors
    /// The process records nothing now.
    pub fn check_is_tracing(&self) -> Answer<()> {
        if self.follower.is_tracing() { Ok(()) } else { Err(Failure::NotTracing) }
    }

    /// What is needed to find blocks and to name them.
    pub fn parts(&mut self) -> (Finder<'_>, &Recording, &mut Names) {
        let tables: &LiveBlocks = self.follower.live();
        let finder = Finder::new(tables, self.books.index(tables));
        (finder, self.follower.recording(), &mut self.names)
    }
}
