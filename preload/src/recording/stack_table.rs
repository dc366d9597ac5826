//! The stack table: nodes in the file, found by a lock-free hash table in private memory.
//!
//! A node is never changed or removed. Two threads that meet the same new frame at once may write it twice; readers
//! see two nodes of equal content, which is right, if a little wasteful. Nobody ever waits.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use tm_common::header::GRAIN_BYTES;
use tm_common::ids::{Epoch, RingIndex, StackId, Stamp, ThreadIndex};
use tm_common::segment::{GRAINS_MAX, HEADER_BYTES, MappedSegment, SegmentHeader, SegmentKind};
use tm_common::stack::{FrameKind, NODE_BYTES, StackNode};

use super::Recording;
use crate::sys::pages;
use crate::sys::try_lock::TryLock;

/// Slots of the first hash table: 1 MiB, of which only touched pages cost memory.
const SLOTS_MIN: usize = 64 * 1024;
/// The first stack segment of a process, 8 KiB; the next ones are four times as large each.
const GRAINS_FIRST: u16 = 2;
/// How far a key may stand from its slot; a table that needs more is too full.
const PROBES_MAX: usize = 48;

/// A slot of the hash table. `key` is claimed by compare-and-swap; `value` follows, with the id in it.
///
/// ```text
/// key    parent:16 (low half) | pc:48
/// value  id:32 | parent:16 (high half) | epoch and kind:16      0 = the claimer has not written the node yet
/// ```
#[derive(Debug)]
struct Slot {
    key: AtomicU64,
    value: AtomicU64,
}

#[derive(Debug)]
struct Table {
    mask: usize,
    /// The upper bits of the epochs of all its nodes; slots hold the lower ones.
    epochs: u32,
    n_keys: AtomicU32,
    slots: *const Slot,
}

/// The table of this process. A forked child goes on with its copy: ids are places in the common file.
#[derive(Debug)]
pub struct StackTable {
    segment: AtomicPtr<MappedSegment>,
    table: AtomicPtr<Table>,
    growing: TryLock,
}

/// Finds nodes that are known: nearly all stand in their first slot.
#[derive(Clone, Copy)]
pub struct Reader {
    table: &'static Table,
    epoch: Epoch,
}

impl Reader {
    /// The id of a node; `None` if it has to be [interned](StackTable::intern).
    #[inline(always)]
    pub fn find(self, parent: StackId, pc: u64, kind: FrameKind) -> Option<StackId> {
        let key = Key::of(&StackNode { parent, epoch: self.epoch, kind, pc })?;
        // SAFETY: the mask keeps the place inside the table.
        let slot = unsafe { &*self.table.slots.add(key.place(0) & self.table.mask) };
        slot.id_of(key)
    }
}

/// In which nothing is found.
static EMPTY: Table = Table { mask: 0, epochs: 0, n_keys: AtomicU32::new(0), slots: &raw const EMPTY_SLOT };
static EMPTY_SLOT: Slot = Slot { key: AtomicU64::new(0), value: AtomicU64::new(0) };

// SAFETY: the slots are atomic, and stay where they are for good.
unsafe impl Sync for Table {}

/// A node's key, and what of its value tells it from others with the same key.
#[derive(Clone, Copy)]
struct Key {
    key: u64,
    tag: u64,
    /// [`Table::epochs`].
    epochs: u32,
}

impl Key {
    const PC_BITS: u32 = 48;
    const EPOCH_MASK: u32 = 0xfff;

    /// `None` for code addresses of more than 48 bits, which no kernel gives a program that has not asked for them.
    #[inline]
    fn of(node: &StackNode) -> Option<Key> {
        let parent = u64::from(node.parent.0);
        let epoch = node.epoch.0;
        let tag = (parent >> 16) << 16 | u64::from(epoch & Self::EPOCH_MASK) << 4 | node.kind as u64;
        let key = node.pc | parent << Self::PC_BITS;
        (node.pc >> Self::PC_BITS == 0).then_some(Key { key, tag, epochs: epoch & !Self::EPOCH_MASK })
    }

    /// The upper half of a sum of products: every bit of the address, the parent, the epoch and the kind reaches it.
    #[inline(always)]
    fn hash(self) -> usize {
        let pc = self.key & ((1 << Self::PC_BITS) - 1);
        let rest = self.key >> Self::PC_BITS | (self.tag & 0xffff_ffff) << 16;
        let sum =
            pc.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(rest.wrapping_mul(0xd6e8_feb8_6659_fd93));
        (sum >> 32) as usize
    }

    /// Where the node may stand, in the order of the search: first near the nodes of its parent's neighbours.
    ///
    /// Nodes are numbered as they come, so a program that meets new stacks is in one part of the numbers for a while. A
    /// page of slots for 128 of them keeps it in a few pages of the table, where all over a large one each frame misses
    /// the processor's caches of memory and of addresses. Parents of many children overflow to anywhere.
    #[inline(always)]
    fn place(self, probe: usize) -> usize {
        let hash = self.hash();
        if probe < PROBES_NEAR {
            let parent = self.key >> Self::PC_BITS | self.tag & 0xffff_0000;
            let page = (parent as usize >> PARENTS_IN_PAGE_LOG2) * SLOTS_IN_PAGE;
            page + (hash % SLOTS_IN_PAGE + probe) % SLOTS_IN_PAGE
        } else {
            // In steps of its own: a full page must not be in the way.
            (hash >> 8).wrapping_add(probe.wrapping_mul(hash >> 4 | 1))
        }
    }
}

/// A page of slots, ...
const SLOTS_IN_PAGE: usize = 256;
/// ... which is for the children of half as many parents, ...
const PARENTS_IN_PAGE_LOG2: u32 = 7;
/// ... and searched so far before the rest of the table is.
const PROBES_NEAR: usize = 16;

impl Slot {
    /// The id of the node of `key`, if it stands here.
    #[inline(always)]
    fn id_of(&self, key: Key) -> Option<StackId> {
        // Relaxed: the key carries nothing with it. Acquire: receives the node, which another thread wrote.
        let (found, value) = (self.key.load(Ordering::Relaxed), self.value.load(Ordering::Acquire));
        let same = found == key.key && value as u32 == key.tag as u32 && value >> 32 != 0;
        same.then_some(StackId((value >> 32) as u32))
    }
}

impl StackTable {
    /// Empty.
    pub const fn new() -> StackTable {
        StackTable {
            segment: AtomicPtr::new(core::ptr::null_mut()),
            table: AtomicPtr::new(core::ptr::null_mut()),
            growing: TryLock::new(),
        }
    }

    /// For nodes of one epoch.
    #[inline(always)]
    pub fn reader(&self, epoch: Epoch) -> Reader {
        // Acquire: receives the table's content from `replace`.
        // SAFETY: tables are never unmapped.
        let table = unsafe { self.table.load(Ordering::Acquire).as_ref() };
        let usable = table.filter(|table| table.epochs == epoch.0 & !Key::EPOCH_MASK);
        Reader { table: usable.unwrap_or(&EMPTY), epoch }
    }

    /// The id of `node`, which is written if it is new. [`StackId::NONE`] if the file cannot grow.
    #[inline(never)]
    pub fn intern(&self, recording: &Recording, node: StackNode) -> StackId {
        let Some(key) = Key::of(&node) else { return self.append(recording, node) };
        for _ in 0..2 {
            // Acquire: receives the table's content from `replace`.
            let current = self.table.load(Ordering::Acquire);
            // SAFETY: tables are never unmapped.
            let table = unsafe { current.as_ref() };
            let usable = table.filter(|table| table.epochs == key.epochs);
            if let Some(id) = usable.and_then(|table| self.intern_in(table, recording, key, node)) {
                return id;
            }
            // A crowded neighbourhood in a table with room is bad luck: growing would not be worth it.
            if usable.is_some_and(|table| !table.has_many()) || !self.replace(current, key.epochs) {
                break;
            }
        }
        self.append(recording, node)
    }

    /// Finds or inserts in one table; `None` if it is too full.
    fn intern_in(&self, table: &Table, recording: &Recording, key: Key, node: StackNode) -> Option<StackId> {
        for probe in 0..PROBES_MAX {
            // SAFETY: the mask keeps the place inside the table.
            let slot = unsafe { &*table.slots.add(key.place(probe) & table.mask) };
            // Relaxed: the key carries nothing with it; the value does.
            if slot.key.load(Ordering::Relaxed) == 0
                && slot.key.compare_exchange(0, key.key, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            {
                return Some(self.insert(table, slot, recording, key, node));
            }
            if let Some(id) = slot.id_of(key) {
                return Some(id);
            }
        }
        None
    }

    #[cold]
    fn insert(
        &self,
        table: &Table,
        slot: &Slot,
        recording: &Recording,
        key: Key,
        node: StackNode,
    ) -> StackId {
        let id = self.append(recording, node);
        if id != StackId::NONE {
            // Release: publishes the node.
            slot.value.store(u64::from(id.0) << 32 | key.tag & 0xffff_ffff, Ordering::Release);
        }
        // Relaxed: decides when to grow, nothing else. Three quarters full is when probes become long.
        if table.n_keys.fetch_add(1, Ordering::Relaxed) as usize > table.mask / 4 * 3 {
            self.replace(core::ptr::from_ref(table).cast_mut(), key.epochs);
        }
        id
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
                // Relaxed: it only divides the segment. The look before keeps the number from running away.
                let full = segment.used.load(Ordering::Relaxed) as usize >= capacity;
                let at = if full {
                    capacity
                } else {
                    segment.used.fetch_add(NODE_BYTES as u32, Ordering::Relaxed) as usize
                };
                if at + NODE_BYTES <= capacity {
                    return write_node(segment, at, node);
                }
            }
            if !self.begin_segment(recording, current) {
                return StackId::NONE;
            }
        }
    }

    fn begin_segment(&self, recording: &Recording, current: *mut MappedSegment) -> bool {
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
            kind: SegmentKind::Stacks,
            grains: room.grains,
            used: 0,
            process: recording.process(),
            ring: RingIndex(0),
            // Relaxed: numbers only have to be distinct.
            sequence: header.n_stack_segments.fetch_add(1, Ordering::Relaxed),
            thread: ThreadIndex(0),
            base_stamp: Stamp(0),
        };
        // SAFETY: the room is ours alone.
        unsafe { room.start.write(segment.mapped()) };
        // Release: publishes the header. If another thread was faster, its segment serves and ours stays empty.
        let _ = self.segment.compare_exchange(current, room.start, Ordering::Release, Ordering::Relaxed);
        true
    }

    /// Replaces the hash table `seen` by one of twice the size with the same content, or by an empty one for other epochs.
    /// False if another thread is at it or has done it, or there is no memory: then the node at hand is written without
    /// being found again.
    #[cold]
    fn replace(&self, seen: *mut Table, epochs: u32) -> bool {
        let Some(_held) = self.growing.take() else { return false };
        let unchanged = self.table.load(Ordering::Acquire) == seen;
        // SAFETY: tables are never unmapped.
        let old = unsafe { seen.as_ref() }.filter(|old| old.epochs == epochs);
        let n_slots = old.map_or(SLOTS_MIN, |old| (old.mask + 1) * 2);
        let new = if unchanged { new_table(n_slots, epochs) } else { None };
        if let Some(new) = new {
            old.into_iter().for_each(|old| copy(old, new));
            // Release: publishes the new table's content. What others add to the old one meanwhile is not found again.
            self.table.store(core::ptr::from_ref(new).cast_mut(), Ordering::Release);
            // Whoever still reads the old one finds nothing there. Its addresses stay, its memory goes.
            if let Some(old) = old {
                pages::forget(old.slots.cast_mut(), old.mask + 1);
            }
        }
        new.is_some() || !unchanged
    }

    /// The size of the hash table.
    #[cfg(test)]
    pub fn n_slots(&self) -> usize {
        // SAFETY: tables are never unmapped.
        unsafe { self.table.load(Ordering::Acquire).as_ref() }.map_or(0, |table| table.mask + 1)
    }

    /// Releases the try-lock that a forked child may have inherited locked.
    pub fn after_fork(&self) {
        self.growing.after_fork();
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

impl Table {
    /// Whether an eighth of the slots is taken.
    fn has_many(&self) -> bool {
        // Relaxed: as in `insert`.
        self.n_keys.load(Ordering::Relaxed) as usize > self.mask / 8
    }
}

fn new_table(n_slots: usize, epochs: u32) -> Option<&'static Table> {
    let slots: *const Slot = pages::zeroed(n_slots);
    let table: *mut Table = pages::zeroed(1);
    if slots.is_null() || table.is_null() {
        return None;
    }
    // SAFETY: fresh memory of the right size, never unmapped.
    unsafe {
        table.write(Table { mask: n_slots - 1, epochs, n_keys: AtomicU32::new(0), slots });
        Some(&*table)
    }
}

fn copy(from: &Table, to: &Table) {
    for place in 0..=from.mask {
        // SAFETY: inside the table.
        let slot = unsafe { &*from.slots.add(place) };
        // Acquire: as in `intern_in`.
        let (key, value) = (slot.key.load(Ordering::Relaxed), slot.value.load(Ordering::Acquire));
        if value == 0 {
            continue;
        }
        let moved = Key { key, tag: value & 0xffff_ffff, epochs: from.epochs };
        for probe in 0..PROBES_MAX {
            // SAFETY: the mask keeps the place inside the table.
            let target = unsafe { &*to.slots.add(moved.place(probe) & to.mask) };
            // Relaxed: `to` is not published yet.
            if target.key.load(Ordering::Relaxed) == 0 {
                target.key.store(key, Ordering::Relaxed);
                target.value.store(value, Ordering::Relaxed);
                to.n_keys.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
    }
}
