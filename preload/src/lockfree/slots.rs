//! Where stack nodes are found: a hash table from a node's content to its id, for all threads at once.
//!
//! Nothing is ever removed. Two threads that meet the same new node at once may both have it written, under two ids. When
//! the table is too full, one thread copies it into another; what others add to the old one meanwhile is not found again.

use tm_common::ids::{Epoch, StackId};
use tm_common::stack::{FrameKind, StackNode};

use super::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use super::try_lock::TryLock;
use super::{FACTORS, const_fn, discard, fresh, keep, sum_of_products};

/// Slots of the first table: 1 MiB, of which only touched pages cost memory.
const SLOTS_MIN: usize = if cfg!(loom) { 4 } else { 64 * 1024 };
/// The farthest that a key may stand from its slot; a table that needs more is too full.
const PROBES_MAX: usize = if cfg!(loom) { 2 } else { 48 };
/// A page of slots, ...
const SLOTS_IN_PAGE: usize = 256;
/// ... which is for the children of half as many parents, ...
const PARENTS_IN_PAGE_LOG2: u32 = 7;
/// ... and searched so far, two lines of the processor's cache, before the rest of the table is.
const PROBES_NEAR: usize = if cfg!(loom) { PROBES_MAX } else { 2 * SLOTS_IN_LINE };
/// Slots of a line of the cache, which are searched one after the other, from any of them on.
const SLOTS_IN_LINE: usize = if cfg!(loom) { 1 } else { 4 };

/// A slot of the hash table. `key` is claimed by compare-and-swap; `value` follows, with the id in it.
///
/// ```text
/// key    parent:16 (low half) | pc:48
/// value  id:32 | parent:16 (high half) | epoch and kind:16      0 = the claimer has not written the node yet
/// ```
#[derive(Debug, Default)]
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
    /// The table that this one replaced; null for the first.
    before: *const Table,
}

/// The table in use, and how it is replaced.
#[derive(Debug)]
pub struct Slots {
    table: AtomicPtr<Table>,
    growing: TryLock,
}

/// Finds nodes that are known, and stand in their first line.
#[derive(Clone, Copy)]
pub struct Reader {
    table: &'static Table,
    epoch: Epoch,
}

impl Reader {
    /// Returns the id of a node; `None` if it has to be [interned](Slots::intern).
    #[inline(always)]
    pub fn find(self, parent: StackId, pc: u64, kind: FrameKind) -> Option<StackId> {
        let key = Key::of(&StackNode { parent, epoch: self.epoch, kind, pc })?;
        (0..SLOTS_IN_LINE).find_map(|probe| {
            // SAFETY: the mask keeps the place inside the table.
            let slot = unsafe { &*self.table.slots.add(key.place(probe) & self.table.mask) };
            slot.id_of(key)
        })
    }
}

// SAFETY: the slots are atomic, and stay where they are for good.
unsafe impl Sync for Table {}

/// Returns the table before the first one, in which nothing is found.
#[cfg(not(loom))]
#[inline(always)]
fn empty() -> &'static Table {
    static SLOT: Slot = Slot { key: AtomicU64::new(0), value: AtomicU64::new(0) };
    static TABLE: Table = Table {
        mask: 0,
        epochs: 0,
        n_keys: AtomicU32::new(0),
        slots: &raw const SLOT,
        before: core::ptr::null(),
    };
    &TABLE
}

#[cfg(loom)]
fn empty() -> &'static Table {
    new_table(1, 0, core::ptr::null()).expect("there is memory")
}

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

    /// Makes the key of a node; `None` for code addresses of more than 48 bits, which no kernel gives a program that
    /// has not asked for them.
    #[inline]
    fn of(node: &StackNode) -> Option<Key> {
        let parent = u64::from(node.parent.0);
        let epoch = node.epoch.0;
        let tag = (parent >> 16) << 16 | u64::from(epoch & Self::EPOCH_MASK) << 4 | node.kind as u64;
        let key = node.pc | parent << Self::PC_BITS;
        (node.pc >> Self::PC_BITS == 0).then_some(Key { key, tag, epochs: epoch & !Self::EPOCH_MASK })
    }

    /// Returns a sum whose upper half every bit of the address, the parent, the epoch and the kind reaches.
    #[inline(always)]
    fn sum(self) -> u64 {
        let pc = self.key & ((1 << Self::PC_BITS) - 1);
        let rest = self.key >> Self::PC_BITS | (self.tag & 0xffff_ffff) << 16;
        sum_of_products(pc, rest)
    }

    /// Returns where the node stands if its page has no room: another place all over the table at each probe. Sums of neighbours
    /// differ by one number, and so would places that are sums: some nodes then find nothing but full pages, and a table
    /// with room for eight times what it has is replaced by a larger one. So the sum is multiplied and folded twice.
    fn far_place(self, probe: usize) -> usize {
        let sum = self.sum();
        let folded = (sum ^ sum >> 29).wrapping_mul(FACTORS[0].wrapping_add(2 * probe as u64));
        ((folded ^ folded >> 32).wrapping_mul(FACTORS[1]) >> 32) as usize
    }

    /// Returns where the node may stand, in the order of the search: first near the nodes of its parent's neighbours.
    ///
    /// Nodes are numbered as they come, so a program that meets new stacks is in one part of the numbers for a while. A
    /// page of slots for 128 of them keeps it in a few pages of the table, where all over a large one each frame misses
    /// the processor's caches of memory and of addresses. Parents of many children overflow to anywhere.
    #[inline(always)]
    fn place(self, probe: usize) -> usize {
        if probe < PROBES_NEAR {
            let hash = (self.sum() >> 32) as usize;
            let parent = self.key >> Self::PC_BITS | self.tag & 0xffff_0000;
            let page = (parent as usize >> PARENTS_IN_PAGE_LOG2) * SLOTS_IN_PAGE;
            page + in_line(hash, probe) % SLOTS_IN_PAGE
        } else {
            in_line(self.far_place(probe / SLOTS_IN_LINE), probe % SLOTS_IN_LINE)
        }
    }
}

/// Returns the `probe`-th place of those that begin at `start`: first all of its line.
#[inline(always)]
fn in_line(start: usize, probe: usize) -> usize {
    let line = start / SLOTS_IN_LINE + probe / SLOTS_IN_LINE;
    line * SLOTS_IN_LINE + (start + probe) % SLOTS_IN_LINE
}

impl Slot {
    /// Returns the id of the node of `key`, if it stands here.
    #[inline(always)]
    fn id_of(&self, key: Key) -> Option<StackId> {
        // Relaxed: the key carries nothing with it. Acquire: receives the node, which another thread wrote.
        let (found, value) = (self.key.load(Ordering::Relaxed), self.value.load(Ordering::Acquire));
        let same = found == key.key && value as u32 == key.tag as u32 && value >> 32 != 0;
        same.then_some(StackId((value >> 32) as u32))
    }
}

impl Slots {
    const_fn! {
        /// Makes slots without a table.
        pub fn new() -> Slots {
            Slots { table: AtomicPtr::new(core::ptr::null_mut()), growing: TryLock::new() }
        }
    }

    /// Returns what finds nodes of one epoch.
    #[inline(always)]
    pub fn reader(&self, epoch: Epoch) -> Reader {
        // Acquire: receives the table's content from `replace`.
        // SAFETY: tables are never unmapped.
        let table = unsafe { self.table.load(Ordering::Acquire).as_ref() };
        let usable = table.filter(|table| table.epochs == epoch.0 & !Key::EPOCH_MASK);
        Reader { table: usable.unwrap_or_else(empty), epoch }
    }

    /// Returns the id of `node`; that which `write` gives it, if it is new. [`StackId::NONE`] if that is what `write` says.
    #[inline(always)]
    pub fn intern(&self, node: StackNode, write: impl Fn() -> StackId) -> StackId {
        let Some(key) = Key::of(&node) else { return write() };
        for _ in 0..2 {
            // Acquire: receives the table's content from `replace`.
            let current = self.table.load(Ordering::Acquire);
            // SAFETY: tables are never unmapped.
            let table = unsafe { current.as_ref() };
            let usable = table.filter(|table| table.epochs == key.epochs);
            if let Some(id) = usable.and_then(|table| self.intern_in(table, key, &write)) {
                return id;
            }
            // A crowded neighbourhood in a table with room is bad luck: growing would not be worth it.
            if usable.is_some_and(|table| !table.has_many()) || !self.replace(current, key.epochs) {
                break;
            }
        }
        write()
    }

    /// Finds or inserts in one table; `None` if it is too full.
    #[inline(always)]
    fn intern_in(&self, table: &Table, key: Key, write: &impl Fn() -> StackId) -> Option<StackId> {
        for probe in 0..PROBES_MAX {
            // SAFETY: the mask keeps the place inside the table.
            let slot = unsafe { &*table.slots.add(key.place(probe) & table.mask) };
            // Relaxed: the key carries nothing with it; the value does.
            if slot.key.load(Ordering::Relaxed) == 0
                && slot.key.compare_exchange(0, key.key, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            {
                return Some(self.insert(table, slot, key, write()));
            }
            if let Some(id) = slot.id_of(key) {
                return Some(id);
            }
        }
        None
    }

    #[cold]
    fn insert(&self, table: &Table, slot: &Slot, key: Key, id: StackId) -> StackId {
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

    /// Replaces the table `seen` by one of twice the size with the same content, or by an empty one for other epochs.
    /// False if another thread is at it or has done it, or there is no memory: then the node at hand is written without
    /// being found again.
    #[cold]
    fn replace(&self, seen: *mut Table, epochs: u32) -> bool {
        let Some(_held) = self.growing.take() else { return false };
        let unchanged = self.table.load(Ordering::Acquire) == seen;
        // SAFETY: tables are never unmapped.
        let old = unsafe { seen.as_ref() }.filter(|old| old.epochs == epochs);
        let n_slots = old.map_or(SLOTS_MIN, |old| (old.mask + 1) * 2);
        let before = old.map_or(core::ptr::null(), core::ptr::from_ref);
        let new = if unchanged { new_table(n_slots, epochs, before) } else { None };
        if let Some(new) = new {
            old.into_iter().for_each(|old| copy(old, new));
            // Release: publishes the new table's content. What others add to the old one meanwhile is not found again.
            self.table.store(core::ptr::from_ref(new).cast_mut(), Ordering::Release);
            // Not the old one, which others are reading: a slot that became another node's meanwhile would be taken for
            // the first one's. The one before it has been out of use since the last replacement.
            // SAFETY: tables are never unmapped.
            if let Some(before) = old.and_then(|old| unsafe { old.before.as_ref() }) {
                discard(before.slots, before.mask + 1);
            }
        }
        new.is_some() || !unchanged
    }

    /// Returns the size of the table.
    #[cfg(test)]
    pub fn n_slots(&self) -> usize {
        // SAFETY: tables are never unmapped.
        unsafe { self.table.load(Ordering::Acquire).as_ref() }.map_or(0, |table| table.mask + 1)
    }

    /// Returns where a table of `n_slots` has the node, if nobody else is there.
    #[cfg(loom)]
    pub fn first_place(node: &StackNode, n_slots: usize) -> usize {
        Key::of(node).map_or(0, |key| key.place(0)) & (n_slots - 1)
    }

    /// Releases the try-lock that a forked child may have inherited locked.
    pub fn after_fork(&self) {
        self.growing.after_fork();
    }
}

impl Table {
    /// Tells whether an eighth of the slots is taken.
    fn has_many(&self) -> bool {
        // Relaxed: as in `insert`.
        self.n_keys.load(Ordering::Relaxed) as usize > self.mask / 8
    }
}

fn new_table(n_slots: usize, epochs: u32, before: *const Table) -> Option<&'static Table> {
    let slots: *const Slot = fresh(n_slots);
    if slots.is_null() {
        return None;
    }
    keep(Table { mask: n_slots - 1, epochs, n_keys: AtomicU32::new(0), slots, before })
}

fn copy(from: &Table, to: &Table) {
    for place in 0..=from.mask {
        // SAFETY: inside the table.
        let slot = unsafe { &*from.slots.add(place) };
        // Acquire: receives the node, and the key, which is therefore looked at afterwards: before, it might be none yet.
        let value = slot.value.load(Ordering::Acquire);
        let key = slot.key.load(Ordering::Relaxed);
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Each frame has ten callees, so the pages of most parents overflow: nodes go to all of the table before it grows.
    #[test]
    fn a_table_grows_because_it_is_full_and_for_nothing_else() {
        const N_NODES: u32 = 300_000;
        let slots = Slots::new();
        let node = |id: u32| StackNode {
            parent: StackId(id / 10),
            epoch: Epoch(0),
            kind: FrameKind::Return,
            pc: 0x5555_5555_4000 + u64::from(id % 10) * 12,
        };
        for id in 1..=N_NODES {
            assert_eq!(slots.intern(node(id), || StackId(id)), StackId(id), "node {id}");
        }
        let n_slots = slots.n_slots();
        assert!(n_slots <= (N_NODES as usize * 2).next_power_of_two(), "{n_slots} slots for {N_NODES} nodes");
        for id in 1..=N_NODES {
            assert_eq!(slots.intern(node(id), || StackId::NONE), StackId(id), "node {id} is found again");
        }
    }
}
