//! The events of a process, told to a data file.

use std::cell::RefCell;
use std::io::Write;

use super::data_file::DataFile;
use tm_analyzer::events::{Block, MergedEvent};
use tm_analyzer::model::Traceback;
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::{LatestBlocks, Observer, Selection};
use tm_common::ids::{StackId, Stamp};

/// Hears of each event, and writes it.
pub struct EventLines<'a, W, N> {
    recording: &'a Recording,
    selection: &'a Selection,
    file: &'a RefCell<DataFile<W>>,
    /// The stack of a number.
    name: &'a RefCell<N>,
    latest: LatestBlocks,
}

impl<'a, W: Write, N: FnMut(StackId) -> Traceback> EventLines<'a, W, N> {
    /// Writes the events of the blocks in `selection` to a file, for which stacks are named; `inherited` are those that live at
    /// the start.
    pub fn new(
        recording: &'a Recording,
        selection: &'a Selection,
        (file, name): (&'a RefCell<DataFile<W>>, &'a RefCell<N>),
        inherited: impl Iterator<Item = Block>,
    ) -> Self {
        let mut events = EventLines { recording, selection, file, name, latest: LatestBlocks::default() };
        inherited.for_each(|block| events.came(&block));
        events
    }

    #[inline]
    fn came(&mut self, block: &Block) {
        if self.selection.admits_newborn(block) {
            let mut file = self.file.borrow_mut();
            file.time(self.recording.ns(block.birth));
            file.allocated((block.size, block.stack), |stack| (self.name.borrow_mut())(stack));
        }
    }

    #[inline]
    fn went(&mut self, block: &Block, stamp: Stamp, is_temporary: bool) {
        if self.selection.admits_newborn(block) {
            let mut file = self.file.borrow_mut();
            file.time(self.recording.ns(stamp));
            file.freed((block.size, block.stack), is_temporary, |stack| (self.name.borrow_mut())(stack));
        }
    }
}

impl<W: Write, N: FnMut(StackId) -> Traceback> Observer for EventLines<'_, W, N> {
    #[inline]
    fn on_alloc(&mut self, block: &Block) {
        self.latest.came(block, &self.selection.thread_tags);
        self.came(block);
    }

    #[inline]
    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        let is_temporary = self.latest.went(block, event, &self.selection.thread_tags);
        self.went(block, event.stamp, is_temporary);
    }

    fn on_forget(&mut self, block: &Block, stamp: Stamp) {
        self.went(block, stamp, false);
    }
}
