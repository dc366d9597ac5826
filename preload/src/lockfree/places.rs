//! Places for threads: a list that is only added to, where a place goes from a thread that is gone to another one.

use super::atomic::{AtomicPtr, AtomicU64, Ordering};
use super::const_fn;

/// A place. All zeros is one that nobody has, with all zeros in it.
#[repr(C)]
#[derive(Debug)]
pub struct Place<T> {
    next: *const Place<T>,
    /// The number of threads that had the place before, and the tid of the one that has it: `n_before:32 | tid:32`. The
    /// kernel uses a tid again, so a tid alone would not tell whether the place has gone through other hands since it
    /// was looked at.
    owner: AtomicU64,
    content: T,
}

#[cfg(loom)]
impl<T> Place<T> {
    /// Makes a place that nobody has.
    pub fn new(content: T) -> Place<T> {
        Place { next: core::ptr::null(), owner: AtomicU64::new(0), content }
    }
}

/// All of them.
#[derive(Debug)]
pub struct Places<T> {
    first: AtomicPtr<Place<T>>,
    /// Where the last search for a free place ended.
    cursor: AtomicPtr<Place<T>>,
}

// SAFETY: places are reached through atomics; their contents are as shared as `T` allows.
unsafe impl<T: Sync> Sync for Place<T> {}

impl<T> Places<T> {
    const_fn! {
        /// Makes an empty list of places.
        pub fn new() -> Places<T> {
            Places {
                first: AtomicPtr::new(core::ptr::null_mut()),
                cursor: AtomicPtr::new(core::ptr::null_mut()),
            }
        }
    }

    /// Returns what stands in all places.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.from(&self.first).map(|place| &place.content)
    }

    fn from(&self, start: &AtomicPtr<Place<T>>) -> impl Iterator<Item = &Place<T>> {
        // Acquire: receives the places from whoever appended them.
        // SAFETY: places are never unmapped.
        let first = unsafe { start.load(Ordering::Acquire).as_ref() };
        // SAFETY: as above.
        core::iter::successors(first, |place| unsafe { place.next.as_ref() })
    }

    /// Gives thread `tid` the place of one that is gone, if there is one among the next `n_probes`.
    pub fn take_over(&self, tid: u32, n_probes: usize, exists: impl Fn(u32) -> bool) -> Option<&T> {
        let candidates = self.from(&self.cursor).chain(self.from(&self.first)).take(n_probes);
        for place in candidates {
            // Release: publishes the place to who starts there. Any place will do.
            self.cursor.store(place.next.cast_mut(), Ordering::Release);
            // Acquire: who sees a thread's number here must find the thread alive, or gone, and not yet to begin. What a
            // thread that is gone has left is seen by whoever the kernel has told so.
            let owner = place.owner.load(Ordering::Acquire);
            let mine = ((owner >> 32) + 1) << 32 | u64::from(tid);
            // Release: publishes that this thread has begun.
            if !exists(owner as u32)
                && place.owner.compare_exchange(owner, mine, Ordering::Release, Ordering::Relaxed).is_ok()
            {
                return Some(&place.content);
            }
        }
        None
    }

    /// Adds `place`, which is thread `tid`'s.
    ///
    /// # Safety
    /// `place` is valid and nobody else's, and stays where it is for good.
    pub unsafe fn append(&self, place: *mut Place<T>, tid: u32) -> &T {
        // SAFETY: the caller's; not published yet.
        unsafe { (*place).owner = AtomicU64::new(u64::from(tid)) };
        let mut first = self.first.load(Ordering::Relaxed);
        loop {
            // SAFETY: as above.
            unsafe { (*place).next = first };
            // Release: publishes the place.
            match self.first.compare_exchange(first, place, Ordering::Release, Ordering::Relaxed) {
                // SAFETY: places are never unmapped.
                Ok(_) => return unsafe { &(*place).content },
                Err(other) => first = other,
            }
        }
    }
}
