//! The events of a process, told to a data file.

use std::cell::RefCell;
use std::io::Write;

use super::data_file::DataFile;
use crate::export::lived::{ByLife, Show};
use tm_analyzer::events::Block;
use tm_analyzer::reader::Recording;
use tm_common::ids::{StackId, Stamp};

/// Writes each event to a file, for which stacks are named.
pub struct EventLines<'a, W, N> {
    /// What the events are of.
    pub recording: &'a Recording,
    /// Where they go.
    pub file: &'a RefCell<DataFile<W>>,
    /// Shows stacks.
    pub show: &'a RefCell<N>,
}

impl<W: Write, N: FnMut(StackId, &mut Show<'_>)> ByLife for EventLines<'_, W, N> {
    #[inline]
    fn came(&mut self, block: &Block) {
        let mut file = self.file.borrow_mut();
        file.time(self.recording.ns(block.birth));
        let bytes = block.amount(&self.recording.thread_tags).bytes;
        file.allocated((bytes, block.stack), |stack, show| (self.show.borrow_mut())(stack, show));
    }

    #[inline]
    fn went(&mut self, block: &Block, stamp: Stamp, is_temporary: bool) {
        let mut file = self.file.borrow_mut();
        file.time(self.recording.ns(stamp));
        let bytes = block.amount(&self.recording.thread_tags).bytes;
        file.freed((bytes, block.stack), is_temporary, |stack, show| (self.show.borrow_mut())(stack, show));
    }
}
