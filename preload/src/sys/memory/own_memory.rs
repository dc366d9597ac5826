//! What this library has mapped for itself, so that none of it is locked: a process may lock all of its memory
//! (`mlockall`), and how much it may lock is limited. What is ours must not use that up.
//!
//! ```text
//!  mlockall           all that is listed here is unlocked again; where only with it the limit would be passed, the
//!                     mappings of the process are locked one by one
//!  MCL_FUTURE         new mappings would be locked as they come: so private memory is made by enlarging a page that is not
//!                     locked (the seed), and the recording is mapped again from a part of it that is not
//! ```

use core::ffi::c_int;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use super::maps::{Mapping, Maps};
use crate::sys::objects::link_map::{self, LinkMap};
use crate::sys::process;
use crate::sys::syscall::{self, Errno, Result};

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
    add_library();
    // Relaxed: whether there is one.
    if SEED.load(Ordering::Relaxed) == 0
        && let Ok(seed) = syscall::mmap_unlisted(process::page_bytes())
        && SEED.compare_exchange(0, seed as usize, Ordering::Relaxed, Ordering::Relaxed).is_err()
    {
        // SAFETY: nobody has seen it.
        unsafe { syscall::munmap_unlisted(seed, process::page_bytes()) };
    }
}

/// Notes the library itself, which the loader has mapped.
fn add_library() {
    static IS_NOTED: AtomicBool = AtomicBool::new(false);
    let image = LinkMap::all().find(|map| map.is_ours()).and_then(link_map::image_of);
    // Relaxed: it is to be there once.
    if let Some(image) = image.filter(|_| !IS_NOTED.swap(true, Ordering::Relaxed)) {
        let range = image.range();
        add(range.start as *mut u8, range.len());
    }
}

/// Unlocks what is ours, which the process has locked with the rest of its memory; and what comes later, if it locks that.
#[cold]
pub fn unlock(future: bool) {
    // Relaxed: a flag on its own.
    LOCKS_FUTURE.store(future, Ordering::Relaxed);
    ranges().for_each(|range| syscall::munlock(range.start, range.len()));
}

/// Returns all that is ours, in whole pages.
fn ranges() -> impl Iterator<Item = Range<usize>> {
    // Relaxed: as in `add`.
    let seed = SEED.load(Ordering::Relaxed);
    let further = parts().skip(1).map(|part| (core::ptr::from_ref(part) as usize, size_of::<Part>()));
    let listed =
        places().map(|place| (place.start.load(Ordering::Relaxed), place.len.load(Ordering::Relaxed)));
    let all = core::iter::once((seed, 1)).chain(further).chain(listed);
    let page_bytes = process::page_bytes();
    all.filter(|&(start, _)| start != 0).map(move |(start, len)| {
        start & !(page_bytes - 1)..start.saturating_add(len).next_multiple_of(page_bytes)
    })
}

/// Does what `mlockall` does, where that is refused only because of what is ours: locks the mappings of the process one by one.
/// `false`, and nothing is locked, if they are too much without us.
#[cold]
pub fn lock_all_but_ours(flags: c_int) -> bool {
    let Some(maps) = Maps::open().filter(|_| flags & libc::MCL_CURRENT != 0) else { return false };
    let mut n_bytes = 0u64;
    each_but_ours(&maps, &mut |range| n_bytes += range.len() as u64);
    if n_bytes > syscall::limit(libc::RLIMIT_MEMLOCK) {
        return false;
    }
    if flags & libc::MCL_FUTURE != 0 {
        if syscall::lock_all(flags & !libc::MCL_CURRENT).is_err() {
            return false;
        }
    } else if is_locked_when_new() {
        // It ends with a call that does not ask for it, and there is no other way to end it.
        syscall::unlock_all();
    }
    let on_fault = flags & libc::MCL_ONFAULT != 0;
    let flags = if on_fault { libc::MLOCK_ONFAULT } else { 0 };
    each_but_ours(&maps, &mut |range| syscall::lock(range.start, range.len(), flags));
    true
}

/// Visits the parts of the process's mappings that are not ours.
fn each_but_ours(maps: &Maps, visit: &mut dyn FnMut(Range<usize>)) {
    maps.each(0, &mut |mapping: &Mapping| {
        // The kernel's own page in the upper half is in no process's account.
        let mut rest = mapping.range();
        while !rest.is_empty() && rest.end <= isize::MAX as usize {
            let ours = ranges().filter(|range| range.end > rest.start).min_by_key(|range| range.start);
            let ours = ours.filter(|ours| ours.start < rest.end).unwrap_or(rest.end..rest.end);
            if ours.start > rest.start {
                visit(rest.start..ours.start);
            }
            rest.start = ours.end;
        }
        true
    });
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
    let page_bytes = process::page_bytes();
    let len = len.next_multiple_of(page_bytes);
    let grown = syscall::enlarge(seed, page_bytes, len + page_bytes);
    // Release: the page is the next one's.
    SEED.store(grown.map_or(seed, |start| start as usize + len), Ordering::Release);
    grown
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE_BYTES: usize = 4096;

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
