//! The events of a process, told to a data file.

use std::cell::RefCell;
use std::io::Write;

use super::data_file::{Allocated, DataFile, NS_PER_MS};
use crate::export::lived::ByLife;
use crate::export::shown::ShownStacks;
use tm_analyzer::events::Block;
use tm_analyzer::reader::Recording;
use tm_common::ids::Stamp;

/// Writes each event to a file, for which stacks are named.
pub struct EventLines<'a, W> {
    /// What the events are of.
    pub recording: &'a Recording,
    /// Nanoseconds from one of its stamps to the next.
    pub ns_per_stamp: f64,
    /// Where they go.
    pub file: &'a RefCell<DataFile<W>>,
    /// The stacks with their names.
    pub stacks: &'a RefCell<ShownStacks<'a>>,
}

impl<W: Write> EventLines<'_, W> {
    /// What follows is at `stamp`.
    #[inline]
    fn time(&self, file: &mut DataFile<W>, stamp: Stamp) {
        if stamp > file.until {
            let ns = self.recording.ns(stamp);
            file.time(ns);
            // Nothing new is said up to the end of the millisecond; both ends of what is left are rounded.
            let left_ns = (NS_PER_MS - ns % NS_PER_MS).saturating_sub(2);
            file.until = Stamp(stamp.0.saturating_add((left_ns as f64 / self.ns_per_stamp) as u64));
        }
    }
}

impl<W: Write> ByLife for EventLines<'_, W> {
    #[inline]
    fn came(&mut self, block: &Block) {
        let mut file = self.file.borrow_mut();
        self.time(&mut file, block.birth);
        let bytes = block.amount(&self.recording.thread_tags).bytes;
        file.allocated(Allocated::new(bytes, block.stack), |stack, called| {
            self.stacks.borrow_mut().place(stack, called)
        });
    }

    #[inline]
    fn went(&mut self, block: &Block, stamp: Stamp, is_temporary: bool) {
        let mut file = self.file.borrow_mut();
        self.time(&mut file, stamp);
        let bytes = block.amount(&self.recording.thread_tags).bytes;
        file.freed(Allocated::new(bytes, block.stack), is_temporary, |stack, called| {
            self.stacks.borrow_mut().place(stack, called)
        });
    }
}
