//! The table of blocks: each has a row when its life is known, those that live on at the end.

use std::cell::RefCell;
use std::fs::File;
use std::io;

use rustc_hash::FxHashMap;

use super::batch::{Batch, Common};
use super::run::{self, Run};
use super::table::{Cell, Column, Kind, OPTIONAL, REQUIRED, Table};
use crate::export::lived::ByLife;
use tm_analyzer::events::Block;
use tm_analyzer::model::Amount;
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::ByStack;
use tm_common::ids::{Space, StackId, Stamp, TagIndex, ThreadIndex};

const OWN_COLUMNS: [Column; 9] = [
    ("address", Kind::Integer, REQUIRED),
    ("size", Kind::Number, REQUIRED),
    ("stack_id", Kind::Integer, REQUIRED),
    ("tid", Kind::Number, REQUIRED),
    ("tag", Kind::Text, OPTIONAL),
    ("domain", Kind::Text, REQUIRED),
    // When it came and went, in ns since the start of the recording.
    ("alloc_ns", Kind::Integer, REQUIRED),
    ("free_ns", Kind::Integer, OPTIONAL),
    ("is_temporary", Kind::Flag, REQUIRED),
];

/// A row for each block.
pub const COLUMNS: &[Column] = &run::columns_with::<9, 15>(OWN_COLUMNS);

/// The table, and what it has met so far.
pub struct Blocks<'a> {
    recording: &'a Recording,
    run: &'a Run,
    table: Table<File>,
    /// The latest rows, which the table has not got yet.
    batch: Batch,
    /// The first failure: nothing is written after it.
    failed: Option<io::Error>,
    /// The stacks of all blocks so far, in the order in which they came, ...
    stacks: Vec<StackId>,
    /// ... and by their numbers.
    known_stacks: ByStack,
    /// The process that rows of the table are of.
    pid: Option<u32>,
    tags: FxHashMap<TagIndex, Cell>,
    domains: FxHashMap<Space, Cell>,
    tids: FxHashMap<ThreadIndex, i64>,
}

impl<'a> Blocks<'a> {
    /// Writes blocks of `recording` to `table`.
    pub fn new(recording: &'a Recording, run: &'a Run, table: Table<File>) -> Blocks<'a> {
        Blocks {
            recording,
            run,
            table,
            batch: Batch::default(),
            failed: None,
            stacks: Vec::new(),
            known_stacks: ByStack::default(),
            pid: None,
            tags: FxHashMap::default(),
            domains: FxHashMap::default(),
            tids: recording.threads.iter().map(|thread| (thread.index, thread.tid.into())).collect(),
        }
    }

    /// Ends the table.
    ///
    /// # Errors
    /// Something could not be written.
    pub fn finish(mut self) -> io::Result<Vec<StackId>> {
        self.write_batch();
        match self.failed {
            Some(error) => Err(error),
            None => self.table.finish().map(|_| self.stacks),
        }
    }

    /// Adds a block of the process `pid`, which went at `went`, if it did.
    #[inline]
    fn add(&mut self, pid: u32, block: &Block, went: Option<Stamp>, is_temporary: bool) {
        let thread_tags = &self.recording.thread_tags;
        let (tag, thread) = (thread_tags.tag(block.thread_tag), thread_tags.thread(block.thread_tag));
        let common = Common { pid, tag, space: block.space, is_gone: went.is_some() };
        if !self.batch.takes(common) {
            self.write_batch();
            self.batch.common = Some(common);
        }
        if self.known_stacks.get(block.stack).is_none() {
            self.known_stacks.insert(block.stack, 0);
            self.stacks.push(block.stack);
        }
        let tid = self.tids.get(&thread).copied().unwrap_or(0);
        self.batch.push(block, tid, went, is_temporary);
    }

    /// Writes the latest rows.
    #[cold]
    fn write_batch(&mut self) {
        let Some(Common { pid, tag, space, .. }) = self.batch.common else { return };
        if self.pid != Some(pid) {
            self.pid = Some(pid);
            let cells = self.run.cells(&mut self.table, pid);
            self.table.begin_rows(&cells);
        }
        let Blocks { recording, table, batch, tags, domains, .. } = self;
        let tag = match tag {
            TagIndex::NONE => Cell::Null,
            tag => *tags.entry(tag).or_insert_with(|| {
                let unnamed = || format!("tag {}", tag.0);
                table.text(&recording.tag_name(tag).map_or_else(unnamed, str::to_owned))
            }),
        };
        let domain = *domains.entry(space).or_insert_with(|| {
            let (domain, name) = recording.domain(space);
            table.text(&if name.is_empty() { domain.0.to_string() } else { name.to_owned() })
        });
        let is_well = self.failed.is_none();
        let written = batch.take(recording, [tag, domain], |n_rows, columns| match is_well {
            true => table.push_all(n_rows, columns),
            false => Ok(()),
        });
        self.failed = self.failed.take().or(written.err());
    }
}

/// The rows of the blocks of a process.
pub struct Rows<'a, 'b> {
    recording: &'a Recording,
    blocks: &'b RefCell<Blocks<'a>>,
    pid: u32,
    live: Amount,
    /// The most bytes that were live.
    pub peak: Amount,
    /// When that was first so.
    pub peak_stamp: Stamp,
}

impl<'a, 'b> Rows<'a, 'b> {
    /// Writes those of the process `pid`.
    pub fn new(blocks: &'b RefCell<Blocks<'a>>, pid: u32) -> Rows<'a, 'b> {
        Rows {
            recording: blocks.borrow().recording,
            blocks,
            pid,
            live: Amount::default(),
            peak: Amount::default(),
            peak_stamp: Stamp(0),
        }
    }

    /// Writes those that live on, `live`.
    pub fn finish(&mut self, live: impl Iterator<Item = Block>) {
        let mut blocks = self.blocks.borrow_mut();
        live.for_each(|block| blocks.add(self.pid, &block, None, false));
    }
}

impl ByLife for Rows<'_, '_> {
    #[inline]
    fn came(&mut self, block: &Block) {
        self.live += block.amount(&self.recording.thread_tags);
        if self.live.bytes > self.peak.bytes {
            (self.peak, self.peak_stamp) = (self.live, block.birth);
        }
    }

    #[inline]
    fn went(&mut self, block: &Block, stamp: Stamp, is_temporary: bool) {
        self.live -= block.amount(&self.recording.thread_tags);
        self.blocks.borrow_mut().add(self.pid, block, Some(stamp), is_temporary);
    }
}
