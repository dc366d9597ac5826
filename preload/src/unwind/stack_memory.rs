//! Where the calling thread's stacks are mapped: memory outside of them is never read.

use core::ops::Range;

use crate::sys::memory::maps;
use crate::sys::process::InitialStack;
use crate::sys::{syscall, tls};

/// The number of stacks that a thread may switch between without its mappings being asked for again: its own, a signal
/// stack and a few fibers.
const RANGES: usize = 4;

/// The smallest page that there is; larger ones are asked about more than once.
const PROBED_PAGE_BYTES: usize = 4096;
/// The distance outward that a new stack is probed: 256 system calls, some 50 µs. Few stacks are deeper when first
/// seen.
const PROBED_BYTES_MAX: usize = 1 << 20;

/// The mappings in which this thread has had a stack pointer.
#[derive(Debug)]
pub struct StackMemory {
    /// The latest first.
    ranges: [Readable; RANGES],
}

impl StackMemory {
    /// Empties the list: the memory may belong to somebody else now.
    pub fn clear(&mut self) {
        self.ranges.fill(Readable { start: 0, end: 0 });
    }

    /// Returns the mapping that holds `sp`. `None` if it is not mapped.
    #[inline(always)]
    pub fn around(&mut self, sp: usize) -> Option<Readable> {
        let [latest, ..] = self.ranges;
        if latest.holds_byte(sp) { Some(latest) } else { self.look_up(sp) }
    }

    /// Returns the mapping of another stack, which the word at `at` is in. The stack may have gone since it was looked up, and
    /// where a damaged frame points to may be anything: so the kernel is asked, unless that cannot be.
    #[cold]
    pub fn other_stack(&mut self, at: usize) -> Option<Readable> {
        self.is_readable_now(at).then(|| self.around(at)).flatten()
    }

    /// Returns the word at `at`, wherever that is.
    #[cold]
    pub fn word_elsewhere(&self, at: usize) -> Option<usize> {
        // SAFETY: the kernel has just read it, or it is in a stack that stays.
        self.is_readable_now(at).then(|| unsafe { (at as *const usize).read() })
    }

    fn is_readable_now(&self, at: usize) -> bool {
        let stays = || self.ranges.iter().any(|range| range.stays_at(at));
        at.is_multiple_of(8) && (stays() || syscall::is_readable(at))
    }

    #[inline(never)]
    fn look_up(&mut self, sp: usize) -> Option<Readable> {
        let known = self.ranges.iter().position(|range| range.holds_byte(sp));
        let (place, found) = match known.and_then(|place| Some((place, *self.ranges.get(place)?))) {
            Some(known) => known,
            None => {
                let Range { start, end } = maps::mapping_of(sp).or_else(|| self.probe(sp))?;
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

    /// Returns the readable pages from `sp`'s outward, for a process that cannot open `/proc/self/maps`: it is not mounted, or
    /// the process has changed its root or used up its descriptors. Each page is asked about once: where a known range
    /// begins, its end is taken.
    fn probe(&self, sp: usize) -> Option<Range<usize>> {
        let start = sp & !(PROBED_PAGE_BYTES - 1);
        let mut end = start;
        while end - start < PROBED_BYTES_MAX {
            if let Some(known) = self.ranges.iter().find(|range| range.holds_byte(end)) {
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

/// The mapping of a stack.
#[derive(Clone, Copy, Debug)]
pub struct Readable {
    start: usize,
    end: usize,
}

impl Readable {
    #[inline(always)]
    fn holds_byte(&self, address: usize) -> bool {
        // Two comparisons with memory, where one of a difference takes four instructions.
        address < self.end && address >= self.start
    }

    /// Tells whether the word at `address` can be read.
    #[inline]
    pub fn holds(&self, address: usize) -> bool {
        address >= self.start && address.is_multiple_of(8) && address < self.end && self.end - address >= 8
    }

    /// Tells whether it is the stack that the kernel made for the process: nothing else is in its mapping, and outward of a
    /// stack pointer all of it stays. Other stacks may be part of a mapping of which another part goes.
    #[inline]
    pub fn is_initial(&self) -> bool {
        self.holds_byte(InitialStack::address())
    }

    /// Tells whether the word at `address` is in the stack that the calling thread was started on: it stays as long as the thread.
    /// The C library keeps a thread's variables at the upper end of its stack.
    fn stays_at(&self, address: usize) -> bool {
        let variables = tls::current().as_ptr() as usize;
        self.holds(address) && (self.is_initial() || self.holds_byte(variables) && address < variables)
    }

    /// Tells whether the mapping reaches up to `address`.
    #[inline(always)]
    pub fn ends_at_or_above(&self, address: usize) -> bool {
        address <= self.end
    }

    /// Returns the word at `address`, if it lies in the stack.
    #[inline]
    pub fn word(&self, address: usize) -> Option<usize> {
        // SAFETY: inside a readable mapping of the thread's own stack.
        self.holds(address).then(|| unsafe { (address as *const usize).read() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::pages;

    #[test]
    fn only_the_first_thread_s_stack_is_the_initial_one() {
        let on_stack = 0u8;
        let of_this_thread = maps::mapping_of(&raw const on_stack as usize).expect("a stack is mapped");
        let initial = maps::mapping_of(InitialStack::address()).expect("as above");
        let is_initial = |Range { start, end }: Range<usize>| Readable { start, end }.is_initial();
        // Tests run in threads of their own.
        assert_eq!((is_initial(of_this_thread), is_initial(initial)), (false, true));
    }

    #[test]
    fn probing_ends_where_nothing_can_be_read() {
        let pages: *mut [[u8; PROBED_PAGE_BYTES]; 8] = pages::zeroed(1);
        let start = pages as usize;
        let unknown = Readable { start: 0, end: 0 };
        let memory = StackMemory { ranges: [unknown; RANGES] };
        let forbidden = start + 5 * PROBED_PAGE_BYTES;
        syscall::mprotect(forbidden, PROBED_PAGE_BYTES, libc::PROT_NONE).expect("it is mapped");
        assert_eq!(memory.probe(start + 5000), Some(start + PROBED_PAGE_BYTES..forbidden));
        assert_eq!(memory.probe(forbidden + 8), None);
        let known = Readable { start: start + 3 * PROBED_PAGE_BYTES, end: start + 4 * PROBED_PAGE_BYTES };
        let memory = StackMemory { ranges: [known, unknown, unknown, unknown] };
        assert_eq!(memory.probe(start), Some(start..known.end), "what is known is not asked about again");
    }
}
