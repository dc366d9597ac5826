//! Stack nodes, read as they are written.
//!
//! Events are published after the nodes that they name, and a node is written after its callers'. So all that is needed for
//! the events of a look is there when the nodes are looked at after them; what is not there yet, or not wholly, belongs to
//! later events and is looked at again.

use tm_common::header::GRAIN_BYTES;
use tm_common::ids::ProcessIndex;
use tm_common::segment::HEADER_BYTES;
use tm_common::stack::NODE_BYTES;

use crate::reader::{FoundSegment, Headers, NodePlace, OpenFile, StackTable};

/// A segment that may come to have more nodes.
#[derive(Debug)]
struct Segment {
    offset: u64,
    process: ProcessIndex,
    /// Where its nodes are in the table.
    first: NodePlace,
    /// In nodes.
    capacity: u32,
    /// So many nodes were looked at.
    n_read: u32,
    /// The nodes among these that were not finished.
    unfinished: Vec<u32>,
}

/// Reads the stack nodes of a recording, of which those of one process are kept up to date.
#[derive(Debug, Default)]
pub(super) struct StackReader {
    segments: Vec<Segment>,
    /// Nodes whose callers were not there in the latest look.
    unresolved: Vec<NodePlace>,
    buffer: Vec<u8>,
    /// Nodes that cannot be read, or that lead nowhere.
    pub n_damaged: u64,
}

/// What a look at the segments found.
#[derive(Default)]
struct Read {
    /// New nodes, as ranges of places.
    ranges: Vec<(NodePlace, NodePlace)>,
    /// New nodes that had been passed over.
    late: Vec<NodePlace>,
    /// Whether one has changed that was taken for finished.
    has_changed: bool,
}

impl StackReader {
    /// Adds a segment that was found; `false` if there is one with its number.
    pub fn add(&mut self, found: &FoundSegment, table: &mut StackTable) -> bool {
        let header = &found.header;
        let capacity = (header.len_bytes().saturating_sub(HEADER_BYTES) / NODE_BYTES) as u32;
        let Some(first) = table.begin_segment(header.sequence, capacity) else { return false };
        let (offset, process) = (found.offset, header.process);
        self.segments.push(Segment { offset, process, first, capacity, n_read: 0, unfinished: Vec::new() });
        true
    }

    /// Brings `table` up to date. Segments of processes that are not in the `line` (the process with those that it was
    /// forked from, once that is known) are read once.
    pub fn look(
        &mut self,
        file: &OpenFile,
        headers: &mut Headers,
        table: &mut StackTable,
        line: Option<&[ProcessIndex]>,
    ) {
        let mut read = Read::default();
        let mut segments = std::mem::take(&mut self.segments);
        segments.retain_mut(|segment| {
            self.read_unfinished(file, table, segment, &mut read);
            self.read(file, headers, table, segment, &mut read);
            let may_matter = line.is_none_or(|line| line.contains(&segment.process));
            may_matter && (segment.n_read < segment.capacity || !segment.unfinished.is_empty())
        });
        self.segments = segments;
        if read.has_changed {
            table.forget_depths();
            read.ranges = vec![(NodePlace::FIRST, table.end())];
        }
        let mut unresolved = Vec::new();
        for &(from, to) in &read.ranges {
            let measured = table.measure(from, to, true);
            self.n_damaged += measured.n_broken;
            unresolved.extend(measured.unresolved);
        }
        let measured = table.measure_all(&read.late, true);
        self.n_damaged += measured.n_broken;
        unresolved.extend(measured.unresolved);
        // Those of the look before have had their chance.
        let waiting = std::mem::replace(&mut self.unresolved, unresolved);
        self.n_damaged += table.measure_all(&waiting, false).n_broken;
    }

    fn read(
        &mut self,
        file: &OpenFile,
        headers: &mut Headers,
        table: &mut StackTable,
        segment: &mut Segment,
        read: &mut Read,
    ) {
        if segment.n_read == segment.capacity {
            return;
        }
        // What cannot be read now is read the next time.
        let Some(used) = headers.used_now(file, segment.offset) else { return };
        let n_nodes = (used / NODE_BYTES as u32).min(segment.capacity);
        let n_new = n_nodes.saturating_sub(segment.n_read) as usize;
        if n_new == 0 || file.read(segment.at(segment.n_read), n_new * NODE_BYTES, &mut self.buffer).is_err()
        {
            return;
        }
        let found = table.set_nodes(segment.first, segment.n_read, &self.buffer);
        self.n_damaged += found.n_damaged;
        segment.unfinished.extend(found.unfinished);
        let n_read = segment.n_read + (self.buffer.len() / NODE_BYTES) as u32;
        read.ranges.push((segment.first.plus(segment.n_read), segment.first.plus(n_read)));
        segment.n_read = n_read;
    }

    /// Looks again at what was not finished. Nothing more may come of a node that has an address and nothing else: it is
    /// an outermost one.
    fn read_unfinished(
        &mut self,
        file: &OpenFile,
        table: &mut StackTable,
        segment: &mut Segment,
        read: &mut Read,
    ) {
        let (Some(&first), Some(&last)) = (segment.unfinished.first(), segment.unfinished.last()) else {
            return;
        };
        let len = (last - first + 1) as usize * NODE_BYTES;
        if file.read(segment.at(first), len, &mut self.buffer).is_err() {
            return;
        }
        for number in std::mem::take(&mut segment.unfinished) {
            let at = (number - first) as usize * NODE_BYTES;
            let Some(bytes) = self.buffer.get(at..at + NODE_BYTES) else { continue };
            if bytes.get(8..).is_none_or(|pc| pc.iter().all(|&byte| byte == 0)) {
                segment.unfinished.push(number);
                continue;
            }
            let found = table.set_nodes(segment.first, number, bytes);
            self.n_damaged += found.n_damaged;
            read.has_changed |= found.has_changed;
            read.late.push(segment.first.plus(number));
        }
    }
}

impl Segment {
    /// Where node `number` is in the file.
    fn at(&self, number: u32) -> u64 {
        self.offset + HEADER_BYTES as u64 + u64::from(number) * NODE_BYTES as u64
    }
}

const _: () = assert!(GRAIN_BYTES.is_multiple_of(NODE_BYTES));
