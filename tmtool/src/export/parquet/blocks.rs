//! The table of blocks: each has a row when its life is known, those that live on at the end.

use std::cell::RefCell;
use std::fs::File;
use std::io;

use rustc_hash::FxHashMap;

use super::run::{self, Run};
use super::table::{Cell, Column, Kind, OPTIONAL, REQUIRED, Table};
use crate::export::lived::ByLife;
use tm_analyzer::events::Block;
use tm_analyzer::model::Amount;
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::ByStack;
use tm_common::ids::{Space, StackId, Stamp, TagIndex};

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
    /// The first failure: nothing is written after it.
    failed: Option<io::Error>,
    /// The stacks of all blocks so far, in the order in which they came, ...
    stacks: Vec<StackId>,
    /// ... and by their numbers.
    known_stacks: ByStack,
    /// The process that rows are of.
    pid: Option<u32>,
    tags: FxHashMap<TagIndex, Cell>,
    domains: FxHashMap<Space, Cell>,
    latest_domain: Option<(Space, Cell)>,
    tids: Vec<Cell>,
}

impl<'a> Blocks<'a> {
    /// Writes blocks of `recording` to `table`.
    pub fn new(recording: &'a Recording, run: &'a Run, table: Table<File>) -> Blocks<'a> {
        let n_threads = recording.threads.iter().map(|thread| thread.index.0 as usize + 1).max().unwrap_or(0);
        // Only damage has numbers past those of the threads that are known.
        let mut tids = vec![Cell::Integer(0); n_threads.min(recording.threads.len() * 4 + 4)];
        for thread in &recording.threads {
            tids.get_mut(thread.index.0 as usize).into_iter().for_each(|tid| *tid = thread.tid.into());
        }
        Blocks {
            recording,
            run,
            table,
            failed: None,
            stacks: Vec::new(),
            known_stacks: ByStack::default(),
            pid: None,
            tags: FxHashMap::default(),
            domains: FxHashMap::default(),
            latest_domain: None,
            tids,
        }
    }

    /// Ends the table.
    ///
    /// # Errors
    /// Something could not be written.
    pub fn finish(self) -> io::Result<Vec<StackId>> {
        match self.failed {
            Some(error) => Err(error),
            None => self.table.finish().map(|_| self.stacks),
        }
    }

    /// Writes a block of the process `pid`, which went at `went`, if it did.
    fn write(&mut self, pid: u32, block: &Block, went: Option<Stamp>, is_temporary: bool) {
        if self.failed.is_some() {
            return;
        }
        if self.pid != Some(pid) {
            self.pid = Some(pid);
            let cells = self.run.cells(&mut self.table, pid);
            self.table.begin_rows(&cells);
        }
        if self.known_stacks.get(block.stack).is_none() {
            self.known_stacks.insert(block.stack, 0);
            self.stacks.push(block.stack);
        }
        let Blocks { recording, table, .. } = self;
        let thread_tags = &recording.thread_tags;
        let tag = match thread_tags.tag(block.thread_tag) {
            TagIndex::NONE => Cell::Null,
            tag => *self.tags.entry(tag).or_insert_with(|| {
                let unnamed = || format!("tag {}", tag.0);
                table.text(&recording.tag_name(tag).map_or_else(unnamed, str::to_owned))
            }),
        };
        let domain = match self.latest_domain {
            Some((latest, domain)) if latest == block.space => domain,
            _ => *self.domains.entry(block.space).or_insert_with(|| {
                let (domain, name) = recording.domain(block.space);
                table.text(&if name.is_empty() { domain.0.to_string() } else { name.to_owned() })
            }),
        };
        self.latest_domain = Some((block.space, domain));
        let tid = self.tids.get(thread_tags.thread(block.thread_tag).0 as usize).copied();
        let row = [
            block.address.0.into(),
            block.size.into(),
            block.stack.0.into(),
            tid.unwrap_or(Cell::Integer(0)),
            tag,
            domain,
            recording.ns(block.birth).into(),
            went.map(|stamp| recording.ns(stamp)).into(),
            Cell::Flag(is_temporary),
        ];
        self.failed = table.push(&row).err();
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
        live.for_each(|block| blocks.write(self.pid, &block, None, false));
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
        self.blocks.borrow_mut().write(self.pid, block, Some(stamp), is_temporary);
    }
}
