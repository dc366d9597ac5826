//! Unwind tables that the program registers for code that it makes (`__register_frame`), as compilers at run time do.
//!
//! A table is copied when it comes: another thread may take it back, and its memory away, while it is searched. For the same
//! reason a copy's memory is never given back, but used for another one.

use core::ops::Range;

use super::bytes::Bytes;
use super::eh_frame::{self, Entry};
use crate::lockfree::records::Records;
use crate::lockfree::try_lock::TryLock;
use crate::sys::memory::pages;
use crate::sys::syscall;

/// A table that is longer is not believed to be one: LLVM's of a million functions is shorter.
const TABLE_BYTES_MAX: usize = 64 << 20;
/// The smallest room for a copy. Others are of twice the size, and so on, so that one serves for many.
const ROOM_BYTES_MIN: usize = 256;
/// Rooms of up to half of this are taken from memory of this size.
const CHUNK_BYTES: usize = 64 << 10;
/// The smallest page that there is.
const PAGE_BYTES: usize = 4096;

/// A registered table.
#[derive(Clone, Copy, Debug)]
struct Table {
    /// Where the program has it.
    original: usize,
    copy: usize,
    bytes: usize,
    /// The addresses of its code, with gaps.
    code: (usize, usize),
}

const WORDS: usize = 5;

impl Table {
    fn to_words(self) -> [usize; WORDS] {
        [self.original, self.copy, self.bytes, self.code.0, self.code.1]
    }

    fn from_words([original, copy, bytes, first, last]: [usize; WORDS]) -> Table {
        Table { original, copy, bytes, code: (first, last) }
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
    /// Changed under the lock alone.
    rooms: core::cell::UnsafeCell<Rooms>,
}

// SAFETY: `rooms` is used under the lock alone.
unsafe impl Sync for Registered {}

impl Registered {
    /// None.
    pub const fn new() -> Registered {
        Registered {
            known: Records::new(),
            changing: TryLock::new(),
            rooms: core::cell::UnsafeCell::new(Rooms { chunk: 0..0, free: [0; N_ROOM_SIZES] }),
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
        // SAFETY: under the lock.
        let Some(copy) = unsafe { &mut *self.rooms.get() }.take(bytes) else { return };
        // SAFETY: the table can be read, and the room is nobody's.
        unsafe { core::ptr::copy_nonoverlapping(original as *const u8, copy as *mut u8, bytes) };
        let mut table = Table { original, copy, bytes, code: (usize::MAX, 0) };
        for entry in eh_frame::entries(table.entries()) {
            let end = entry.start.saturating_add(entry.len);
            table.code = (table.code.0.min(entry.start), table.code.1.max(end));
        }
        self.known.add(table.to_words());
    }

    /// Forgets the table at `original`, whatever other threads do meanwhile: other code may come to where its code was. Its room
    /// is lost if another thread has the lock.
    #[cold]
    #[inline(never)]
    pub fn remove(&self, original: usize) {
        let tables = || self.known.all().map(|(key, words)| (key, Table::from_words(words)));
        let Some((key, table)) = tables().find(|(_, table)| table.original == original) else { return };
        if self.known.remove(key)
            && let Some(_held) = self.changing.take()
        {
            // SAFETY: under the lock.
            unsafe { &mut *self.rooms.get() }.give_back(table.copy, table.bytes);
        }
    }

    /// Releases the try-lock that a forked child may have inherited locked.
    pub fn after_fork(&self) {
        self.changing.after_fork();
    }
}

/// How many sizes of rooms there are: powers of two.
const N_ROOM_SIZES: usize = (TABLE_BYTES_MAX / ROOM_BYTES_MIN).ilog2() as usize + 1;

/// The memory for copies.
#[derive(Debug)]
struct Rooms {
    /// What is left of the last chunk.
    chunk: Range<usize>,
    /// The first free room of each size, 0 for none; a free room begins with the next one.
    free: [usize; N_ROOM_SIZES],
}

impl Rooms {
    /// Returns the size of the room that holds this number of bytes, and which one in the order of sizes it is.
    fn size(bytes: usize) -> (usize, usize) {
        let room_bytes = bytes.max(ROOM_BYTES_MIN).next_power_of_two();
        (room_bytes, (room_bytes / ROOM_BYTES_MIN).ilog2() as usize)
    }

    /// Returns room for `bytes` bytes.
    fn take(&mut self, bytes: usize) -> Option<usize> {
        let (room_bytes, size) = Rooms::size(bytes);
        let free = self.free.get_mut(size)?;
        if *free != 0 {
            let room = *free;
            // SAFETY: the room is nobody's, and `give_back` has written there.
            *free = unsafe { (room as *const usize).read() };
            return Some(room);
        }
        if room_bytes > CHUNK_BYTES / 2 {
            let pages: *mut u8 = pages::zeroed(room_bytes);
            return (!pages.is_null()).then_some(pages as usize);
        }
        if self.chunk.len() < room_bytes {
            let pages: *mut u8 = pages::zeroed(CHUNK_BYTES);
            if pages.is_null() {
                return None;
            }
            self.chunk = pages as usize..pages as usize + CHUNK_BYTES;
        }
        let start = self.chunk.start;
        self.chunk.start += room_bytes;
        Some(start)
    }

    /// Takes back the room of this number of bytes.
    fn give_back(&mut self, room: usize, bytes: usize) {
        let (_, size) = Rooms::size(bytes);
        if let Some(free) = self.free.get_mut(size) {
            // SAFETY: the room is nobody's any more; all are aligned and longer than a word.
            unsafe { (room as *mut usize).write(*free) };
            *free = room;
        }
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

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// A CIE and an FDE of `len` bytes of code at `start`, whose address is relative to where it stands.
    fn table(start: usize, len: u32, place: usize) -> Vec<u8> {
        const CIE: [u8; 24] =
            [20, 0, 0, 0, 0, 0, 0, 0, 1, b'z', b'R', 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1, 0, 0];
        let mut bytes = CIE.to_vec();
        let entry = |value: u32, bytes: &mut Vec<u8>| bytes.extend(value.to_le_bytes());
        entry(16, &mut bytes);
        entry(28, &mut bytes);
        let here = place + bytes.len();
        entry(start.wrapping_sub(here) as u32, &mut bytes);
        entry(len, &mut bytes);
        entry(0, &mut bytes);
        entry(0, &mut bytes);
        bytes
    }

    #[test]
    fn tables_are_found_until_they_are_taken_back_and_rooms_are_used_again() {
        let registered = Registered::new();
        let tables: *mut [u8; 128] = pages::zeroed(100);
        let places: Vec<usize> = (0..100).map(|n| tables as usize + 128 * n).collect();
        let code = |n: usize| places[0] + (1 << 20) + 1000 * n;
        let write = |n: usize, start: usize| {
            let bytes = table(start, 500, places[n]);
            // SAFETY: within the place, which is this test's.
            unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), places[n] as *mut u8, bytes.len()) };
        };
        for round in 0..5 {
            for (n, &place) in places.iter().enumerate() {
                write(n, code(n + round));
                registered.add(place);
            }
            for n in 0..100 {
                let found = registered.find(code(n + round) + 499).expect("it is registered");
                assert_eq!((found.start, found.len), (code(n + round), 500));
                assert!(registered.find(code(n + round) + 500).is_none());
            }
            for &place in &places {
                registered.remove(place);
            }
            assert!((0..200).all(|n| registered.find(code(n)).is_none()));
        }
        // SAFETY: nobody else has it.
        let rooms = unsafe { &*registered.rooms.get() };
        assert_eq!(rooms.chunk.len(), CHUNK_BYTES - 100 * ROOM_BYTES_MIN, "rooms are used again");
    }

    #[test]
    fn a_table_is_forgotten_while_another_thread_changes_others() {
        let registered = Registered::new();
        let place: *mut [u8; 128] = pages::zeroed(1);
        let code = place as usize + (1 << 20);
        let bytes = table(code, 500, place as usize);
        // SAFETY: within the place, which is this test's.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), place.cast(), bytes.len()) };
        registered.add(place as usize);
        assert!(registered.find(code).is_some());
        let held = registered.changing.take();
        registered.remove(place as usize);
        drop(held);
        assert!(registered.find(code).is_none());
    }

    #[test]
    fn a_table_without_an_end_is_read_as_far_as_there_is_memory() {
        let pages: *mut [u8; PAGE_BYTES] = pages::zeroed(2);
        let end = pages as usize + PAGE_BYTES;
        syscall::mprotect(end, PAGE_BYTES, libc::PROT_NONE).expect("it is mapped");
        let registered = Registered::new();
        let bytes = table(end + 5000, 10, end - 48);
        assert_eq!(bytes.len(), 48);
        // SAFETY: the last bytes of the page.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), (end - 48) as *mut u8, 48) };
        registered.add(end - 48);
        assert!(registered.find(end + 5005).is_some());
        registered.add(end);
        registered.add(0);
        registered.add(usize::MAX - 2);
        assert_eq!(registered.known.all().count(), 1);
    }
}
