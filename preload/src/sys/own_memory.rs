//! What this library has mapped for itself, so that none of it is locked: a process may lock all of its memory
//! (`mlockall`), and how much it may lock is limited. What is ours must not use that up.
//!
//! ```text
//!  mlockall           all that is listed here is unlocked again
//!  MCL_FUTURE         new mappings would be locked as they come: so private memory is made by enlarging a page that is not
//!                     locked (the seed), and the recording is mapped again from a part of it that is not
//! ```

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use super::syscall::{self, Errno, Result};

/// The number of mappings in one part of the list.
const IN_PART: usize = 255;

struct Place {
    /// 0 if the place is free.
    start: AtomicUsize,
    len: AtomicUsize,
}

/// A part of the list; it grows by another one when it is full.
struct Part {
    next: AtomicPtr<Part>,
    places: [Place; IN_PART],
}

static FIRST: Part = Part {
    next: AtomicPtr::new(core::ptr::null_mut()),
    places: [const { Place { start: AtomicUsize::new(0), len: AtomicUsize::new(0) } }; IN_PART],
};

/// New mappings of the process are locked.
static LOCKS_FUTURE: AtomicBool = AtomicBool::new(false);
/// A page that is not locked; 0 if there is none, or somebody uses it.
static SEED: AtomicUsize = AtomicUsize::new(0);

const PAGE_BYTES: usize = 4096;

fn parts() -> impl Iterator<Item = &'static Part> {
    // Acquire: receives the part's memory. SAFETY: parts stay mapped.
    core::iter::successors(Some(&FIRST), |part| unsafe { part.next.load(Ordering::Acquire).as_ref() })
}

fn places() -> impl Iterator<Item = &'static Place> {
    parts().flat_map(|part| &part.places)
}

/// Notes a mapping.
#[cold]
pub fn add(start: *mut u8, len: usize) {
    loop {
        let mut last = &FIRST;
        for part in parts() {
            last = part;
            for place in &part.places {
                // Relaxed: the address says all; the length is looked at only for one that is there.
                let taken =
                    place.start.compare_exchange(0, start as usize, Ordering::Relaxed, Ordering::Relaxed);
                if taken.is_ok() {
                    place.len.store(len, Ordering::Relaxed);
                    return;
                }
            }
        }
        // Without memory it is not noted: then it counts as the process's own if that locks all.
        let Ok(fresh) = syscall::mmap_unlisted(size_of::<Part>()) else { return };
        // Release: publishes the memory, of which zeros are an empty part.
        let published = last.next.compare_exchange(
            core::ptr::null_mut(),
            fresh.cast(),
            Ordering::Release,
            Ordering::Relaxed,
        );
        if published.is_err() {
            // SAFETY: nobody has seen it.
            unsafe { syscall::munmap_unlisted(fresh, size_of::<Part>()) };
        }
    }
}

/// Notes that `len` bytes from `start`, the beginning of a mapping or all of it, are not mapped any more.
#[cold]
pub fn remove(start: *mut u8, len: usize) {
    let start = start as usize;
    // Relaxed: as in `add`.
    if let Some(place) = places().find(|place| place.start.load(Ordering::Relaxed) == start) {
        let rest = place.len.load(Ordering::Relaxed).saturating_sub(len);
        place.len.store(rest, Ordering::Relaxed);
        place.start.store(if rest == 0 { 0 } else { start + len }, Ordering::Relaxed);
    }
}

/// Called before the process locks its memory: afterwards there may be no room for another page.
#[cold]
pub fn before_locking() {
    // Relaxed: whether there is one.
    if SEED.load(Ordering::Relaxed) == 0
        && let Ok(seed) = syscall::mmap_unlisted(PAGE_BYTES)
        && SEED.compare_exchange(0, seed as usize, Ordering::Relaxed, Ordering::Relaxed).is_err()
    {
        // SAFETY: nobody has seen it.
        unsafe { syscall::munmap_unlisted(seed, PAGE_BYTES) };
    }
}

/// Unlocks what is ours, which the process has locked with the rest of its memory; and what comes later, if it locks that.
#[cold]
pub fn unlock(future: bool) {
    LOCKS_FUTURE.store(future, Ordering::Relaxed);
    // Relaxed: as in `add`.
    let seed = SEED.load(Ordering::Relaxed);
    if seed != 0 {
        syscall::munlock(seed, PAGE_BYTES);
    }
    for part in parts() {
        syscall::munlock(
            core::ptr::from_ref(part) as usize,
            if core::ptr::eq(part, &FIRST) { 0 } else { size_of::<Part>() },
        );
    }
    for place in places() {
        let start = place.start.load(Ordering::Relaxed);
        if start != 0 {
            syscall::munlock(start, place.len.load(Ordering::Relaxed));
        }
    }
}

/// Tells whether new mappings of the process are locked.
pub fn is_locked_when_new() -> bool {
    // Relaxed: a flag on its own.
    LOCKS_FUTURE.load(Ordering::Relaxed)
}

/// Takes `len` bytes of private memory that are not locked, though new memory is: the seed is enlarged by them, which
/// moves it, and its last page is the next seed. Fails if there is none, or another thread uses it.
pub fn from_seed(len: usize) -> Result<*mut u8> {
    // Acquire: receives the page from whoever has put it back.
    let seed = SEED.swap(0, Ordering::Acquire);
    if seed == 0 {
        return Err(Errno(libc::EAGAIN));
    }
    let len = len.next_multiple_of(PAGE_BYTES);
    let grown = syscall::enlarge(seed, PAGE_BYTES, len + PAGE_BYTES);
    // Release: the page is the next one's.
    SEED.store(grown.map_or(seed, |start| start as usize + len), Ordering::Release);
    grown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
        let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).expect("Linux has it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    #[test]
    fn what_is_mapped_is_listed_until_it_is_not() {
        let listed = |start: usize| {
            let place = places().find(|place| place.start.load(Ordering::Relaxed) == start);
            place.map(|place| place.len.load(Ordering::Relaxed))
        };
        let all: std::vec::Vec<usize> = (1..1_000).map(|n| n << 40).collect();
        for &start in &all {
            add(start as *mut u8, 3 * PAGE_BYTES);
        }
        assert!(all.iter().all(|&start| listed(start) == Some(3 * PAGE_BYTES)));
        remove(all[0] as *mut u8, PAGE_BYTES);
        assert_eq!((listed(all[0]), listed(all[0] + PAGE_BYTES)), (None, Some(2 * PAGE_BYTES)));
        remove((all[0] + PAGE_BYTES) as *mut u8, 2 * PAGE_BYTES);
        for &start in &all {
            remove(start as *mut u8, 3 * PAGE_BYTES);
        }
        assert!(all.iter().all(|&start| listed(start).is_none()));
    }

    #[test]
    fn memory_from_the_seed_is_zero_and_not_locked() {
        before_locking();
        let before = locked_kib();
        for len in [1, PAGE_BYTES, 300 * PAGE_BYTES] {
            let start = from_seed(len).expect("there is a seed");
            // SAFETY: so many bytes were mapped.
            assert!((0..len).all(|at| unsafe { start.add(at).read() } == 0));
            // SAFETY: as above.
            unsafe { start.write_bytes(7, len) };
        }
        assert_eq!(locked_kib(), before);
    }
}
