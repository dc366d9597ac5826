//! The stack table: nodes in the file, found by a lock-free hash table in private memory.
//!
//! A node is never changed or removed. Two threads that meet the same new frame at once may write it twice; readers
//! see two nodes of equal content, which is right, if a little wasteful. Nobody ever waits.

use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use tm_common::header::{GRAIN_BYTES, SharedRoom};
use tm_common::ids::{Epoch, StackId};
use tm_common::segment::{GRAINS_MAX, HEADER_BYTES, MappedSegment, SegmentHeader, SegmentKind};
use tm_common::stack::{NODE_BYTES, StackNode};

use super::{Recording, extent};
use crate::lockfree::room;
use crate::lockfree::slots::{Reader, Slots};

/// The first stack segment of a process, 8 KiB; the next ones are four times as large each.
const GRAINS_FIRST: u16 = 2;

/// So many nodes a process joins with Python frames without looking for them: 16 MiB.
pub const UNASKED_MAX: u32 = if cfg!(test) { 100 } else { 1 << 20 };

/// The table of this process. A forked child goes on with its copy: ids are places in the common file.
#[derive(Debug)]
pub struct StackTable {
    segment: AtomicPtr<MappedSegment>,
    slots: Slots,
    n_unasked: AtomicU32,
}

impl StackTable {
    /// Makes an empty table.
    pub const fn new() -> StackTable {
        StackTable {
            segment: AtomicPtr::new(core::ptr::null_mut()),
            slots: Slots::new(),
            n_unasked: AtomicU32::new(0),
        }
    }

    /// Returns what finds nodes of one epoch.
    #[inline(always)]
    pub fn reader(&self, epoch: Epoch) -> Reader {
        self.slots.reader(epoch)
    }

    /// Returns the id of `node`, which is written if it is new. [`StackId::NONE`] if the file cannot grow.
    #[inline(never)]
    pub fn intern(&self, recording: &Recording, node: StackNode) -> StackId {
        self.slots.intern(node, || self.append(recording, node))
    }

    /// Returns an id of `node`, which joins a stack with Python frames and which the thread has not met lately.
    ///
    /// Programs join new pairs all the time: half of an import's allocations do. They would be most of the table, and hardly one is
    /// ever looked for. So it is written, maybe once more than it has to be; after [`UNASKED_MAX`] of them the table is asked.
    #[inline(never)]
    pub fn join(&self, recording: &Recording, node: StackNode) -> StackId {
        // Relaxed, both: a number on its own. It does not run on once it is used up.
        let is_unasked = self.n_unasked.load(Ordering::Relaxed) < UNASKED_MAX
            && self.n_unasked.fetch_add(1, Ordering::Relaxed) < UNASKED_MAX;
        if is_unasked { self.append(recording, node) } else { self.intern(recording, node) }
    }

    /// Writes a node to the file.
    #[cold]
    fn append(&self, recording: &Recording, node: StackNode) -> StackId {
        loop {
            // Acquire: receives the segment's header.
            let current = self.segment.load(Ordering::Acquire);
            // SAFETY: segments stay mapped.
            if let Some(segment) = unsafe { current.as_ref() } {
                let capacity = usize::from(segment.grains) * GRAIN_BYTES - HEADER_BYTES;
                if let Some(at) = room::take_bytes(&segment.used, NODE_BYTES, capacity) {
                    return write_node(segment, at, node);
                }
            }
            if !self.begin_segment(recording, current) {
                return StackId::NONE;
            }
        }
    }

    fn begin_segment(&self, recording: &Recording, current: *mut MappedSegment) -> bool {
        if recording.join_as(SharedRoom::Stacks, &self.segment, current) {
            return true;
        }
        // SAFETY: segments stay mapped.
        let current_segment = unsafe { current.as_ref() };
        let wanted = match current_segment {
            // A forked child adds little to its parent's stacks.
            Some(segment) if segment.process == recording.process().0 => (segment.grains * 4).min(GRAINS_MAX),
            _ => GRAINS_FIRST,
        };
        let (Some(header), Some(room)) = (recording.header(), recording.claim(1, wanted)) else {
            return false;
        };
        let segment = SegmentHeader {
            // Relaxed: numbers only have to be distinct.
            sequence: header.n_stack_segments.fetch_add(1, Ordering::Relaxed),
            ..SegmentHeader::empty(SegmentKind::Stacks, room.grains, recording.process())
        };
        let replaced = extent::replace(&self.segment, current, room, segment);
        recording.share(SharedRoom::Stacks, room.first_grain, room.grains);
        // Look-ups do without the file. Who is writing a node there at this moment has its page back.
        // SAFETY: common extents stay mapped.
        unsafe { extent::let_go(replaced) };
        true
    }

    /// Returns the size of the hash table.
    #[cfg(test)]
    pub fn n_slots(&self) -> usize {
        self.slots.n_slots()
    }

    /// Makes it usable for a forked child.
    pub fn after_fork(&self) {
        self.slots.after_fork();
    }
}

fn write_node(segment: &MappedSegment, at: usize, node: StackNode) -> StackId {
    let words = node.encode();
    // SAFETY: the node lies in the segment and was taken for this call alone.
    unsafe {
        let place = core::ptr::from_ref(segment).cast_mut().cast::<u8>().add(HEADER_BYTES + at).cast::<u64>();
        place.write(words[0]);
        place.add(1).write(words[1]);
    }
    StackId::new(segment.sequence, ((HEADER_BYTES + at) / NODE_BYTES) as u32)
}
