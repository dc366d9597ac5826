//! The frames of a thread's last Python chain, how they compare with the live ones, and those that are read anew.

use tm_common::ids::{CodeIndex, StackId};

use super::frame::{Bits, Live, plain_previous, previous, read};
use crate::sys::memory::pages;
use crate::sys::process::signals::SignalsBlocked;
use crate::sys::syscall;

/// Frames that fit without asking for more: 36 KiB, of which only touched pages cost memory.
const CAPACITY_MIN: usize = 512;
/// Deeper chains end there: CPython itself ends recursions far before.
pub const DEPTH_MAX: usize = 256 * 1024;
/// The number of cached frames, from the innermost, among which that of a live frame is looked for.
const WINDOW: usize = 8;

/// A frame of the last chain.
#[derive(Clone, Copy, Debug)]
pub struct Cached {
    /// What was read of it.
    pub live: Live,
    /// Its node; its caller's if it is a mark.
    pub node: StackId,
    /// The number of its code object; 0 if that is not known.
    pub number: CodeIndex,
}

impl Cached {
    const OUTSIDE: Cached = Cached {
        live: Live { frame: usize::MAX, code: 0, instruction: 0, marks: 0 },
        node: StackId::NONE,
        number: CodeIndex(0),
    };
}

/// The next frame cannot be read, or there is no room for it.
#[derive(Debug)]
pub struct Ended;

/// How the cached frames go on outward of one that the live frames come to.
pub enum Compared {
    /// As the live ones do; this number of the outer ones are as they were.
    Whole(usize),
    /// Up to the one in this place, where the live ones go on at another address.
    Diverged(usize, usize),
}

impl Compared {
    /// Returns how it stands at the outermost cached frame, whose live caller is at `outer`.
    fn at_end(n_kept: usize, outer: usize) -> Compared {
        if outer == 0 { Compared::Whole(n_kept) } else { Compared::Diverged(0, outer) }
    }
}

/// The frames. All zeros is none.
#[derive(Debug)]
pub struct CachedFrames {
    /// Outermost first; in front of them stands [`Cached::OUTSIDE`]. Null before the first chain.
    cached: *mut Cached,
    /// The frames that are read anew, innermost first.
    read: *mut Live,
    /// How many there is room for, of each.
    capacity: usize,
    /// How many are cached, ...
    pub len: usize,
    /// ... and how many were read anew.
    pub n_read: usize,
}

impl CachedFrames {
    /// Returns the cached frame at `place`, which must be less than their number.
    #[inline(always)]
    pub fn cached(&self, place: usize) -> &Cached {
        debug_assert!(place < self.len);
        // SAFETY: so many were written.
        unsafe { &*self.cached.add(place) }
    }

    /// Returns the frame that was the `n`th to be read anew.
    #[inline(always)]
    pub fn read_anew(&self, n: usize) -> Live {
        debug_assert!(n < self.n_read);
        // SAFETY: so many were written.
        unsafe { *self.read.add(n) }
    }

    /// Notes a frame that is to be entered.
    #[inline(always)]
    pub fn push(&mut self, live: Live) -> Result<(), Ended> {
        if self.n_read == self.capacity - self.len {
            self.grow()?;
        }
        // SAFETY: there is room.
        unsafe { self.read.add(self.n_read).write(live) };
        self.n_read += 1;
        Ok(())
    }

    /// Returns the place of the cached frame at this address, if it is one of the innermost.
    #[inline(always)]
    pub fn place_of(&self, frame: usize, end: usize) -> Option<usize> {
        (end.saturating_sub(WINDOW)..end).rev().find(|&place| self.cached(place).live.frame == frame)
    }

    /// Compares the cached frames from `place` outward with the live ones, the first of which is at the same address. Some of the
    /// innermost may have changed. Outward of one that has not mostly none has: their differences are looked at all at once.
    #[inline(always)]
    pub fn compare<const SHAPE: usize>(&self, place: usize) -> Compared {
        let (mut at, mut n_kept) = (place, place + 1);
        loop {
            let live = self.cached(at).live;
            // SAFETY: the live frames lead there.
            let (now, outer) = unsafe { (read::<SHAPE>(live.frame), previous::<SHAPE>(live.frame)) };
            let is_same = now == live;
            if !is_same {
                n_kept = at;
            }
            let Some(outward) = at.checked_sub(1) else { return Compared::at_end(n_kept, outer) };
            if self.cached(outward).live.frame != outer {
                return Compared::Diverged(at, outer);
            }
            at = outward;
            if is_same {
                break;
            }
        }
        // SAFETY: in front of the outermost one stands `OUTSIDE`, at whose address no frame is.
        unsafe {
            let (mut cached, mut bits) = (self.cached.add(at).cast_const(), Bits::default());
            let outer = loop {
                let live = &(*cached).live;
                bits.add_difference::<SHAPE>(live);
                let outer = plain_previous::<SHAPE>(live.frame);
                cached = cached.sub(1);
                if (*cached).live.frame != outer {
                    break outer;
                }
            };
            if bits.are_any::<SHAPE>() {
                return self.compare_each::<SHAPE>(place);
            }
            match cached.add(1).offset_from_unsigned(self.cached) {
                0 => Compared::at_end(n_kept, outer),
                at => Compared::Diverged(at, outer),
            }
        }
    }

    /// Compares like [`CachedFrames::compare`], one after the other.
    #[inline(never)]
    fn compare_each<const SHAPE: usize>(&self, place: usize) -> Compared {
        let (mut at, mut n_kept) = (place, place + 1);
        loop {
            let live = self.cached(at).live;
            // SAFETY: the live frames lead there.
            let (now, outer) = unsafe { (read::<SHAPE>(live.frame), previous::<SHAPE>(live.frame)) };
            if now != live {
                n_kept = at;
            }
            let Some(outward) = at.checked_sub(1) else { return Compared::at_end(n_kept, outer) };
            if self.cached(outward).live.frame != outer {
                return Compared::Diverged(at, outer);
            }
            at = outward;
        }
    }

    /// Notes the frames at the addresses of the cached ones from `first` to `last`.
    #[inline(always)]
    pub fn read_again<const SHAPE: usize>(&mut self, first: usize, last: usize) -> Result<(), Ended> {
        for place in (first..=last).rev() {
            // SAFETY: the live frames lead there, see `compare`.
            self.push(unsafe { read::<SHAPE>(self.cached(place).live.frame) })?;
        }
        Ok(())
    }

    /// Takes those of the frames that were read, which are all, that are as the cache has them. Returns how many.
    pub fn keep_equal(&mut self) -> usize {
        let mut n_kept = 0;
        while self.n_read > 0 && n_kept < self.len {
            // SAFETY: so many were written.
            let outermost = unsafe { *self.read.add(self.n_read - 1) };
            if self.cached(n_kept).live != outermost {
                break;
            }
            n_kept += 1;
            self.n_read -= 1;
        }
        n_kept
    }

    /// Puts a frame in a place, whose node is not known. If there `was` one, it may have run the same code object.
    #[inline(always)]
    pub fn put(&mut self, place: usize, live: Live, was: bool) {
        // SAFETY: there is room.
        let cached = unsafe { &mut *self.cached.add(place) };
        let number = if was && cached.live.code == live.code { cached.number } else { CodeIndex(0) };
        *cached = Cached { live, node: StackId::NONE, number };
    }

    /// Notes what became of the cached frame at `place`, which must be less than their number.
    #[inline(always)]
    pub fn set(&mut self, place: usize, cached: Cached) {
        debug_assert!(place < self.len);
        // SAFETY: so many were written.
        unsafe { *self.cached.add(place) = cached };
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) -> Result<(), Ended> {
        let capacity = (2 * self.capacity).max(CAPACITY_MIN);
        if capacity > DEPTH_MAX {
            return Err(Ended);
        }
        // A handler that left by siglongjmp would leave the pointers to a room that is gone.
        let _blocked = SignalsBlocked::now();
        let outside: *mut Cached = pages::zeroed(1 + capacity);
        let read: *mut Live = pages::zeroed(capacity);
        if outside.is_null() || read.is_null() {
            // The next event tries again: what one of the two may have got must not pile up.
            give_back(outside, 1 + capacity);
            give_back(read, capacity);
            return Err(Ended);
        }
        let cached = outside.wrapping_add(1);
        // SAFETY: the beginning of the room.
        unsafe { outside.write(Cached::OUTSIDE) };
        let (old_cached, old_read, old) = (self.cached, self.read, self.capacity);
        if !old_cached.is_null() {
            // SAFETY: both rooms are as long as that, and the old ones are nobody else's.
            unsafe {
                core::ptr::copy_nonoverlapping(old_cached, cached, self.len);
                core::ptr::copy_nonoverlapping(old_read, read, self.n_read);
            }
        }
        if !old_cached.is_null() {
            give_back(old_cached.wrapping_sub(1), 1 + old);
        }
        give_back(old_read, old);
        (self.cached, self.read, self.capacity) = (cached, read, capacity);
        Ok(())
    }
}

/// Unmaps a room for `count` values, if there is one.
fn give_back<T>(room: *mut T, count: usize) {
    if !room.is_null() {
        // SAFETY: pages of the chain's own, which nothing points to any more.
        unsafe { syscall::munmap(room.cast(), count * size_of::<T>()) };
    }
}
