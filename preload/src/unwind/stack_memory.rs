//! Where the calling thread's stacks are mapped: memory outside of them is never read.

use core::ops::Range;

use super::arch;
use crate::sys::{maps, syscall};

/// How many stacks a thread may switch between without its mappings being asked for again: its own, a signal stack
/// and a few fibers.
const RANGES: usize = 4;

/// The smallest page that there is; larger ones are asked about more than once.
const PROBED_PAGE_BYTES: usize = 4096;
/// How far outward a new stack is probed: 256 system calls, some 50 µs. Few stacks are deeper when first seen.
const PROBED_BYTES_MAX: usize = 1 << 20;

/// The mappings in which this thread has had a stack pointer.
#[derive(Debug)]
pub struct StackMemory {
    ranges: [Range<usize>; RANGES],
    oldest: usize,
}

impl StackMemory {
    /// Forgets all: the memory may belong to somebody else now.
    pub fn clear(&mut self) {
        self.ranges.fill(0..0);
    }

    /// What can be read outward from `sp`, red zone included: up to the end of its mapping. `None` if it is not mapped.
    #[inline]
    pub fn above(&mut self, sp: usize) -> Option<Readable> {
        match self.ranges.iter().find(|range| range.contains(&sp)) {
            Some(range) => Some(Readable::of(range, sp)),
            None => self.look_up(sp),
        }
    }

    #[cold]
    fn look_up(&mut self, sp: usize) -> Option<Readable> {
        let range = maps::mapping_of(sp).or_else(|| self.probe(sp))?;
        let readable = Readable::of(&range, sp);
        // A stack that has grown replaces what was known of it.
        let same = self.ranges.iter().position(|known| known.end == range.end);
        let place = same.unwrap_or_else(|| {
            self.oldest = (self.oldest + 1) % RANGES;
            self.oldest
        });
        if let Some(slot) = self.ranges.get_mut(place) {
            *slot = range;
        }
        Some(readable)
    }

    /// The readable pages from `sp`'s outward, for a process that cannot open `/proc/self/maps`: it is not mounted, or
    /// the process has changed its root or used up its descriptors. Each page is asked about once: where a known range
    /// begins, its end is taken.
    fn probe(&self, sp: usize) -> Option<Range<usize>> {
        let start = sp & !(PROBED_PAGE_BYTES - 1);
        let mut end = start;
        while end - start < PROBED_BYTES_MAX {
            if let Some(known) = self.ranges.iter().find(|range| range.contains(&end)) {
                end = known.end;
                break;
            }
            if !syscall::is_readable(end) {
                break;
            }
            end += PROBED_PAGE_BYTES;
        }
        (end > start).then_some(start..end)
    }
}

/// A part of a stack that is mapped.
#[derive(Clone, Copy, Debug)]
pub struct Readable {
    start: usize,
    end: usize,
}

impl Readable {
    /// A function that a signal interrupted between `leave` and `ret` has its caller's registers below its `sp`: unwind
    /// tables still say so, and the kernel leaves the red zone alone.
    #[inline]
    fn of(range: &Range<usize>, sp: usize) -> Readable {
        Readable { start: sp.saturating_sub(arch::RED_ZONE_BYTES).max(range.start), end: range.end }
    }

    /// Whether the word at `address` can be read.
    #[inline]
    pub fn holds(&self, address: usize) -> bool {
        address >= self.start && address.is_multiple_of(8) && address < self.end && self.end - address >= 8
    }

    /// Whether the word at `address`, known to be aligned, lies in the mapping. One comparison.
    #[inline]
    pub fn holds_inner(&self, address: usize) -> bool {
        // The mapping ends at a page, so an aligned word that starts in it ends in it.
        address.wrapping_sub(self.start) < self.end - self.start
    }

    /// The word at `address`, if it lies in the stack.
    #[inline]
    pub fn word(&self, address: usize) -> Option<usize> {
        // SAFETY: inside a readable mapping of the thread's own stack.
        self.holds(address).then(|| unsafe { (address as *const usize).read() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::pages;

    #[test]
    fn probing_ends_where_nothing_can_be_read() {
        let pages: *mut [[u8; PROBED_PAGE_BYTES]; 8] = pages::zeroed(1);
        let start = pages as usize;
        let memory = StackMemory { ranges: [const { 0..0 }; RANGES], oldest: 0 };
        let forbidden = start + 5 * PROBED_PAGE_BYTES;
        syscall::mprotect(forbidden, PROBED_PAGE_BYTES, libc::PROT_NONE).expect("it is mapped");
        assert_eq!(memory.probe(start + 5000), Some(start + PROBED_PAGE_BYTES..forbidden));
        assert_eq!(memory.probe(forbidden + 8), None);
        let known = start + 3 * PROBED_PAGE_BYTES..start + 4 * PROBED_PAGE_BYTES;
        let memory = StackMemory { ranges: [known.clone(), 0..0, 0..0, 0..0], oldest: 0 };
        assert_eq!(memory.probe(start), Some(start..known.end), "what is known is not asked about again");
    }
}
