//! Where the calling thread's stacks are mapped: memory outside of them is never read.

use core::ops::Range;

use crate::sys::maps;

/// How many stacks a thread may switch between without its mappings being asked for again: its own, a signal stack
/// and a few fibers.
const RANGES: usize = 4;

/// The mappings in which this thread has had a stack pointer.
#[derive(Debug)]
pub struct StackMemory {
    /// The latest first.
    ranges: [Readable; RANGES],
}

impl StackMemory {
    /// Forgets all: the memory may belong to somebody else now.
    pub fn clear(&mut self) {
        self.ranges.fill(Readable { start: 0, end: 0 });
    }

    /// The mapping that holds `sp`. `None` if it is not mapped.
    #[inline(always)]
    pub fn around(&mut self, sp: usize) -> Option<Readable> {
        let [latest, ..] = self.ranges;
        if latest.holds_byte(sp) { Some(latest) } else { self.look_up(sp) }
    }

    #[inline(never)]
    fn look_up(&mut self, sp: usize) -> Option<Readable> {
        let known = self.ranges.iter().position(|range| range.holds_byte(sp));
        let (place, found) = match known.and_then(|place| Some((place, *self.ranges.get(place)?))) {
            Some(known) => known,
            None => {
                let Range { start, end } = maps::mapping_of(sp)?;
                // A stack that has grown replaces what was known of it, a new one the oldest.
                let same = self.ranges.iter().position(|range| range.end == end);
                (same.unwrap_or(RANGES - 1), Readable { start, end })
            }
        };
        if let Some(newer) = self.ranges.get_mut(..=place) {
            newer.rotate_right(1);
        }
        self.ranges[0] = found;
        Some(found)
    }
}

/// The mapping of a stack.
#[derive(Clone, Copy, Debug)]
pub struct Readable {
    start: usize,
    end: usize,
}

impl Readable {
    #[inline(always)]
    fn holds_byte(&self, address: usize) -> bool {
        address.wrapping_sub(self.start) < self.end.wrapping_sub(self.start)
    }

    /// Whether the word at `address` can be read.
    #[inline]
    pub fn holds(&self, address: usize) -> bool {
        address >= self.start && address.is_multiple_of(8) && address < self.end && self.end - address >= 8
    }

    /// Whether the mapping reaches up to `address`.
    #[inline(always)]
    pub fn ends_at_or_above(&self, address: usize) -> bool {
        address <= self.end
    }

    /// The word at `address`, if it lies in the stack.
    #[inline]
    pub fn word(&self, address: usize) -> Option<usize> {
        // SAFETY: inside a readable mapping of the thread's own stack.
        self.holds(address).then(|| unsafe { (address as *const usize).read() })
    }
}
