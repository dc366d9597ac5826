//! The Python frames of a thread: read from the interpreter's memory, and how much of the last chain of them still stands.
//!
//! A frame is read with a few loads. Where the live frames come to one at the address of a cached frame, those outward of it
//! are expected at the addresses that the cache has, and are compared, all of them: a frame that is the same says nothing about
//! its callers. What differs is entered anew, from the outermost inward.
//!
//! ```text
//!  cached   0 outermost ............ join ............ innermost of the last chain
//!  now      0 outermost ............ join | read anew, innermost first, then put here
//!           \__ compared, outward _____/
//! ```
//!
//! The evaluation function's own marks are frames here like the others, so that they are compared too; they have no nodes.

use tm_common::ids::StackId;
use tm_common::stack::{EndReason, FrameKind};

use super::frame::{Live, Nodes, enter, previous, read};
use super::layout::FrameShape;
use super::objects::is_plausible;
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
struct Cached {
    live: Live,
    /// Its node; its caller's if it is a mark.
    node: StackId,
}

/// The next frame cannot be read, or there is no room for it.
#[derive(Debug)]
struct Ended;

/// How the cached frames go on outward of one that the live frames come to.
enum Compared {
    /// As the live ones do; this number of the outer ones are as they were.
    Whole(usize),
    /// Up to the one in this place, where the live ones go on at another address.
    Diverged(usize, usize),
}

/// A thread's last chain. All zeros is an empty one.
#[derive(Debug)]
pub struct Chain {
    /// Outermost first. Null before the first chain.
    cached: *mut Cached,
    /// The frames that are read anew, innermost first.
    read: *mut Live,
    /// How many there is room for, of each.
    capacity: usize,
    len: usize,
    n_read: usize,
    /// How many of the outer cached frames are cut: they have no nodes.
    n_cut: usize,
    /// What [`super::codes::Codes::generation`] was.
    generation: u32,
    /// The address of the interpreter that has been seen to run in the thread; see [`super::interpreter::States::InLateLibrary`].
    pub at_home: usize,
}

impl Chain {
    /// Empties the cache.
    pub fn clear(&mut self) {
        (self.len, self.n_cut) = (0, 0);
    }

    /// Returns the node of the chain whose innermost frame is at `innermost`, of frames that are cut beyond `limit`.
    /// [`StackId::NONE`] if there are none, or the file cannot grow.
    #[inline(never)]
    pub fn node_of<const SHAPE: usize>(
        &mut self,
        innermost: usize,
        generation: u32,
        limit: usize,
        nodes: &impl Nodes,
    ) -> StackId {
        if self.generation != generation {
            // Another code object may be where one of the cached frames has its own.
            self.clear();
            self.generation = generation;
        }
        self.n_read = 0;
        match self.read_to_cache::<SHAPE>(innermost) {
            Ok(n_kept) if self.n_read == 0 && self.n_cut == 0 && n_kept < 2 * limit => {
                self.len = n_kept;
                n_kept.checked_sub(1).map_or(StackId::NONE, |place| self.cached(place).node)
            }
            Ok(n_kept) => self.finish::<SHAPE>(n_kept, StackId::NONE, limit, nodes),
            Err(Ended) => self.finish_ended::<SHAPE>(limit, nodes),
        }
    }

    /// Tells whether the cache, of which a node was just returned, is the chain from `innermost` on: `TM_SELF_CHECK`. A chain that is not
    /// kept is.
    #[cold]
    pub fn is_chain_of<const SHAPE: usize>(&self, innermost: usize) -> bool {
        let mut frame = innermost;
        for place in (0..self.len).rev() {
            // SAFETY: as in `read_to_cache`.
            if !is_plausible(frame) || unsafe { read::<SHAPE>(frame) } != self.cached(place).live {
                return false;
            }
            // SAFETY: as above.
            frame = unsafe { previous::<SHAPE>(frame) };
        }
        self.len == 0 || frame == 0
    }

    #[inline(always)]
    fn cached(&self, place: usize) -> &Cached {
        debug_assert!(place < self.len);
        // SAFETY: so many were written.
        unsafe { &*self.cached.add(place) }
    }

    /// Notes a frame that is to be entered.
    #[inline(always)]
    fn push(&mut self, live: Live) -> Result<(), Ended> {
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
    fn place_of(&self, frame: usize, end: usize) -> Option<usize> {
        (end.saturating_sub(WINDOW)..end).rev().find(|&place| self.cached(place).live.frame == frame)
    }

    /// Reads frames from `innermost` outward, as far as they are not as the cache has them. Returns how many outer ones are.
    #[inline(always)]
    fn read_to_cache<const SHAPE: usize>(&mut self, innermost: usize) -> Result<usize, Ended> {
        let (mut frame, mut end) = (innermost, self.len);
        while frame != 0 {
            let Some(place) = self.place_of(frame, end) else {
                if !is_plausible(frame) {
                    return Err(Ended);
                }
                // SAFETY: the thread's own frames, which nobody else changes, lead there.
                self.push(unsafe { read::<SHAPE>(frame) })?;
                // SAFETY: as above.
                frame = unsafe { previous::<SHAPE>(frame) };
                continue;
            };
            match self.compare::<SHAPE>(place) {
                Compared::Whole(n_kept) => {
                    self.read_again::<SHAPE>(n_kept, place)?;
                    return Ok(n_kept);
                }
                Compared::Diverged(outer, next) => {
                    self.read_again::<SHAPE>(outer, place)?;
                    (frame, end) = (next, outer);
                }
            }
        }
        Ok(self.keep_equal())
    }

    /// Compares the cached frames from `place` outward with the live ones, the first of which is at the same address.
    #[inline(always)]
    fn compare<const SHAPE: usize>(&self, place: usize) -> Compared {
        let (mut at, mut n_kept) = (place, place + 1);
        loop {
            let live = self.cached(at).live;
            // SAFETY: the live frames lead there.
            let (now, outer) = unsafe { (read::<SHAPE>(live.frame), previous::<SHAPE>(live.frame)) };
            if now != live {
                n_kept = at;
            }
            if at == 0 {
                return if outer == 0 { Compared::Whole(n_kept) } else { Compared::Diverged(0, outer) };
            }
            if self.cached(at - 1).live.frame != outer {
                return Compared::Diverged(at, outer);
            }
            at -= 1;
        }
    }

    /// Notes the frames at the addresses of the cached ones from `first` to `last`.
    #[inline(always)]
    fn read_again<const SHAPE: usize>(&mut self, first: usize, last: usize) -> Result<(), Ended> {
        for place in (first..=last).rev() {
            // SAFETY: the live frames lead there, see `compare`.
            self.push(unsafe { read::<SHAPE>(self.cached(place).live.frame) })?;
        }
        Ok(())
    }

    /// Takes those of the frames that were read, which are all, that are as the cache has them. Returns how many.
    fn keep_equal(&mut self) -> usize {
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

    /// Puts the frames that were read behind the `n_kept` outer ones, and enters those whose nodes are not known. The outermost
    /// is under `root`.
    #[inline(never)]
    fn finish<const SHAPE: usize>(
        &mut self,
        n_kept: usize,
        root: StackId,
        limit: usize,
        nodes: &impl Nodes,
    ) -> StackId {
        let shape = const { FrameShape::ALL[SHAPE] };
        for at in 0..self.n_read {
            // SAFETY: there is room for both behind each other, see `push`.
            unsafe {
                let live = *self.read.add(self.n_read - 1 - at);
                self.cached.add(n_kept + at).write(Cached { live, node: StackId::NONE });
            }
        }
        self.len = n_kept + self.n_read;
        let cut = if self.len < 2 * limit { Cut::NONE } else { self.cut(&shape, limit) };
        // Nodes are chains from the cut: another cut makes other nodes.
        let first = if cut.n_cached == self.n_cut { n_kept.max(cut.n_cached) } else { cut.n_cached };
        self.n_cut = cut.n_cached;
        let mut node = match first.checked_sub(1) {
            Some(outer) if first > cut.n_cached => self.cached(outer).node,
            _ if cut.n_frames == 0 => root,
            _ => nodes.enter(root, cut.n_frames as u64, FrameKind::Cut),
        };
        let mut outer = first.checked_sub(1).map(|place| self.cached(place).live.marks);
        for place in first..self.len {
            let live = self.cached(place).live;
            if !shape.is_shim(live.marks) {
                node = enter(&shape, live, outer, node, nodes);
                if node == StackId::NONE {
                    // The file cannot grow. Frames without nodes must not be taken for entered ones.
                    self.clear();
                    return node;
                }
            }
            outer = Some(live.marks);
            // SAFETY: so many were written.
            unsafe { (*self.cached.add(place)).node = node };
        }
        node
    }

    /// Enters the frames of a chain that ends where the next one could not be read.
    #[cold]
    fn finish_ended<const SHAPE: usize>(&mut self, limit: usize, nodes: &impl Nodes) -> StackId {
        self.clear();
        let end = nodes.enter(StackId::NONE, EndReason::PythonFrame as u64, FrameKind::Incomplete);
        let node = if end == StackId::NONE { end } else { self.finish::<SHAPE>(0, end, limit, nodes) };
        // Its outermost frame is another one than that of a whole chain.
        self.clear();
        node
    }

    /// Returns where a chain is cut that may be too deep: as stacks are, it keeps between `limit` frames and twice that, and the cut is at a
    /// multiple of `limit` from the outer end.
    #[cold]
    fn cut(&self, shape: &FrameShape, limit: usize) -> Cut {
        let is_frame = |place: &usize| !shape.is_shim(self.cached(*place).live.marks);
        let depth = (0..self.len).filter(is_frame).count();
        if depth < 2 * limit {
            return Cut::NONE;
        }
        let n_frames = (depth / limit - 1) * limit;
        let last = (0..self.len).filter(is_frame).nth(n_frames - 1).unwrap_or(0);
        Cut { n_cached: last + 1, n_frames }
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
        let cached: *mut Cached = pages::zeroed(capacity);
        let read: *mut Live = pages::zeroed(capacity);
        if cached.is_null() || read.is_null() {
            // The next event tries again: what one of the two may have got must not pile up.
            give_back(cached, capacity);
            give_back(read, capacity);
            return Err(Ended);
        }
        let (old_cached, old_read, old) = (self.cached, self.read, self.capacity);
        if !old_cached.is_null() {
            // SAFETY: both rooms are as long as that, and the old ones are nobody else's.
            unsafe {
                core::ptr::copy_nonoverlapping(old_cached, cached, self.len);
                core::ptr::copy_nonoverlapping(old_read, read, self.n_read);
            }
        }
        give_back(old_cached, old);
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

/// What is left out of a chain.
#[derive(Clone, Copy)]
struct Cut {
    /// Cached frames, with marks among them.
    n_cached: usize,
    /// Frames.
    n_frames: usize,
}

impl Cut {
    const NONE: Cut = Cut { n_cached: 0, n_frames: 0 };
}
