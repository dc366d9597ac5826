//! Unwind tables that the program registers for code that it makes (`__register_frame`), as compilers at run time do.
//!
//! A table is copied when it comes: another thread may take it back, and its memory away, while it is searched. For the same
//! reason a copy's memory is never given back, but used for another one.

use core::ops::Range;

use super::bytes::Bytes;
use super::eh_frame::{self, Entry};
use crate::lockfree::records::Records;
use crate::lockfree::try_lock::TryLock;
use crate::sys::{pages, syscall};

/// A table that is longer is not believed to be one: LLVM's of a million functions is shorter.
const TABLE_BYTES_MAX: usize = 64 << 20;
/// The smallest room for a copy. Others are of twice the size, and so on, so that one serves for many.
const ROOM_BYTES_MIN: usize = 256;
/// Rooms of up to half of this are taken from memory of this size.
const CHUNK_BYTES: usize = 64 << 10;
/// The smallest page that there is.
const PAGE_BYTES: usize = 4096;

/// A registered table, or a room without one.
#[derive(Clone, Copy, Debug, Default)]
struct Table {
    /// Where the program has it; 0 for none.
    original: usize,
    copy: usize,
    bytes: usize,
    room_bytes: usize,
    /// The addresses of its code, with gaps.
    code: (usize, usize),
}

const WORDS: usize = 6;

impl Table {
    fn to_words(self) -> [usize; WORDS] {
        [self.original, self.copy, self.bytes, self.room_bytes, self.code.0, self.code.1]
    }

    fn from_words([original, copy, bytes, room_bytes, first, last]: [usize; WORDS]) -> Table {
        Table { original, copy, bytes, room_bytes, code: (first, last) }
    }

    fn entries(&self) -> Bytes {
        // SAFETY: a copy's memory stays.
        unsafe { Bytes::moved(self.copy..self.copy + self.bytes, self.original) }
    }
}

/// The tables.
#[derive(Debug)]
pub struct Registered {
    known: Records<WORDS>,
    changing: TryLock,
    /// What is left of the last chunk; changed under the lock alone.
    chunk: core::cell::UnsafeCell<Range<usize>>,
}

// SAFETY: `chunk` is used under the lock alone.
unsafe impl Sync for Registered {}

impl Registered {
    /// None.
    pub const fn new() -> Registered {
        Registered {
            known: Records::new(),
            changing: TryLock::new(),
            chunk: core::cell::UnsafeCell::new(0..0),
        }
    }

    /// The entry that covers `address`.
    #[cold]
    #[inline(never)]
    pub fn find(&self, address: usize) -> Option<Entry> {
        self.known.all().find_map(|(key, words)| {
            let table = Table::from_words(words);
            if !(table.code.0..table.code.1).contains(&address) {
                return None;
            }
            // A copy that was replaced meanwhile may have said anything. One of code that is on the stack is not.
            eh_frame::scan(table.entries(), address).filter(|_| self.known.has(key))
        })
    }

    /// Learns of the table at `original`. Without memory, or while another thread does the same, it stays unknown: stacks through
    /// its code are marked then.
    #[cold]
    #[inline(never)]
    pub fn add(&self, original: usize) {
        let Some(bytes) = table_bytes(original) else { return };
        let Some(_held) = self.changing.take() else { return };
        let Some((copy, room_bytes)) = self.room(bytes) else { return };
        // SAFETY: the table can be read, and the room is nobody's.
        unsafe { core::ptr::copy_nonoverlapping(original as *const u8, copy as *mut u8, bytes) };
        let mut table = Table { original, copy, bytes, room_bytes, code: (usize::MAX, 0) };
        for entry in eh_frame::entries(table.entries()) {
            let end = entry.start.saturating_add(entry.len);
            table.code = (table.code.0.min(entry.start), table.code.1.max(end));
        }
        self.known.add(table.to_words());
    }

    /// Forgets the table at `original`.
    #[cold]
    #[inline(never)]
    pub fn remove(&self, original: usize) {
        let Some(_held) = self.changing.take() else { return };
        let is_it = |words: [usize; WORDS]| Table::from_words(words).original == original && original != 0;
        if let Some((key, words)) = self.known.all().find(|(_, words)| is_it(*words)) {
            let Table { copy, room_bytes, .. } = Table::from_words(words);
            self.known.remove(key);
            self.known.add(Table { copy, room_bytes, ..Table::default() }.to_words());
        }
    }

    /// Releases the try-lock that a forked child may have inherited locked.
    pub fn after_fork(&self) {
        self.changing.after_fork();
    }

    /// Room for so many bytes, and how large it is. Under the lock.
    fn room(&self, bytes: usize) -> Option<(usize, usize)> {
        let room_bytes = bytes.max(ROOM_BYTES_MIN).next_power_of_two();
        let is_free = |table: Table| table.original == 0 && table.room_bytes == room_bytes;
        if let Some((key, words)) = self.known.all().find(|(_, words)| is_free(Table::from_words(*words))) {
            self.known.remove(key);
            return Some((Table::from_words(words).copy, room_bytes));
        }
        // SAFETY: under the lock.
        let chunk = unsafe { &mut *self.chunk.get() };
        if room_bytes > CHUNK_BYTES / 2 {
            let pages: *mut u8 = pages::zeroed(room_bytes);
            return (!pages.is_null()).then_some((pages as usize, room_bytes));
        }
        if chunk.len() < room_bytes {
            let pages: *mut u8 = pages::zeroed(CHUNK_BYTES);
            if pages.is_null() {
                return None;
            }
            *chunk = pages as usize..pages as usize + CHUNK_BYTES;
        }
        let start = chunk.start;
        chunk.start += room_bytes;
        Some((start, room_bytes))
    }
}

/// How long the table at `start` is, up to the entry of length 0 that ends it, or to where nothing can be read.
fn table_bytes(start: usize) -> Option<usize> {
    let mut readable_end = start;
    let mut may_read = |at: usize, bytes: usize| {
        let end = at.checked_add(bytes)?;
        while readable_end < end {
            // The kernel reads aligned words.
            syscall::is_readable(readable_end & !7).then_some(())?;
            readable_end = (readable_end & !(PAGE_BYTES - 1)) + PAGE_BYTES;
        }
        Some(())
    };
    let mut at = start;
    while at - start < TABLE_BYTES_MAX {
        let Some(()) = may_read(at, 4) else { break };
        // SAFETY: the kernel has read that page.
        let len = unsafe { (at as *const u32).read_unaligned() };
        let next = at + 4 + len as usize;
        // Entries of 4 GiB are for no table that fits here.
        if len == 0 || len == u32::MAX || next - start > TABLE_BYTES_MAX {
            break;
        }
        let Some(()) = may_read(at, 4 + len as usize) else { break };
        at = next;
    }
    (at > start).then_some(at - start)
}
