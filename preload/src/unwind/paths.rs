//! The ways by which a thread's latest stacks have come to the frames of its cached stack that they joined.
//!
//! A path is remembered by the state of its leaf: the words that the steps from there to the join read, where in the cached
//! stack the join was, and the node of the leaf. Where all of it is found again, the stack is known: no rule is looked
//! up, no step taken, no node entered, and the cached stack stays as it is.
//!
//! ```text
//!  words    | those that the leaf's step read | its caller's | ... | those of the step to the join |
//!           \__ compared one by one, innermost first: what a walk would read, and no more ________/
//! ```
//!
//! It rests on what the cache rests on ([`super::stack_cache`]): equal states and equal words make equal steps. Programs come
//! to the same function at the same stack pointer by several paths. The first word that differs from a path's, and its place,
//! say where the next one is looked for: a tree by the content of the stack, whose nodes are places in one table.

use tm_common::ids::StackId;
use tm_common::stack::FrameKind;

use super::Caller;
use super::cached_frame::{CachedFrame, Marks};
use super::stack_cache::Word;
use super::stack_memory::Readable;
use crate::lockfree::sum_of_products;

/// The number of keys for paths.
const KEYS_LOG2: u32 = 6;
/// The number of places that a path may have under one key.
const WAYS: usize = 3;
/// The number of places for paths: 30 KiB, so that a thread takes 64 KiB in all.
const SLOTS: usize = WAYS << KEYS_LOG2;
/// The most words of a path.
const WORDS_MAX: usize = 11;
/// The number of paths that a stack is compared with at most.
const PROBES: usize = 4;

/// The number of stacks that came by no path after which, ...
const MISSES: u32 = 128;
/// ... if there were no more than this in all, ...
const STACKS_WORTH: u32 = MISSES + MISSES / 4;
/// ... none is looked for: for the next stacks, this number of them.
const REST: u32 = 2048;

/// A path: what a stack has in common with one that was walked, from the leaf to the join.
#[derive(Debug)]
pub struct Path {
    /// The leaf's return address; 0 for none.
    pc: usize,
    /// The leaf's stack pointer.
    sp: usize,
    /// The leaf's frame pointer.
    fp: usize,
    /// The join's frame pointer.
    join_fp: usize,
    /// The join's node.
    join_node: StackId,
    /// The leaf's node.
    node: StackId,
    /// The join's place in the cached stack.
    place: u32,
    /// The join's stack pointer, in words from the leaf's.
    join_at: u16,
    /// A bit for each word that is a return address.
    return_addresses: u16,
    n_words: i8,
    /// See [`Path::NEEDS_FP`].
    flags: u8,
    /// Where the words are, in words from the leaf's stack pointer, ...
    at: [u16; WORDS_MAX],
    /// ... and what they hold.
    held: [usize; WORDS_MAX],
}

impl Path {
    /// A step of the path or outward of it uses the leaf's frame pointer.
    const NEEDS_FP: u8 = 1;
    /// A step outward of the join uses the join's.
    const JOIN_NEEDS_FP: u8 = 2;

    #[inline(always)]
    fn begins_at(&self, caller: Caller) -> bool {
        self.pc == caller.pc && self.sp == caller.sp
    }

    #[inline(always)]
    fn join_sp(&self) -> usize {
        self.sp + size_of::<usize>() * usize::from(self.join_at)
    }

    /// Finds what of the stack of `caller`, where the path begins, is not as it was: a number that stands for it. Reads what a walk
    /// would: as long as the words are equal, so are the steps.
    #[inline(always)]
    fn difference(&self, caller: Caller, stack: Readable) -> Option<usize> {
        if self.flags & Self::NEEDS_FP != 0 && self.fp != caller.fp {
            return Some(caller.fp);
        }
        if !stack.ends_at_or_above(self.join_sp()) {
            return Some(0);
        }
        // SAFETY: right behind what belongs to the path.
        let (at, held) = unsafe { (self.at.as_ptr().add(WORDS_MAX), self.held.as_ptr().add(WORDS_MAX)) };
        // Up to 0: an instruction less a word.
        let mut n = -isize::from(self.n_words);
        while n != 0 {
            // SAFETY: a path has no more words than there is room for; they lie between the live stack pointer, which is aligned, and the
            // join's, which are in the stack's mapping.
            let (holds, held) = unsafe {
                let at = usize::from(*at.offset(n));
                ((caller.sp as *const usize).add(at).read(), *held.offset(n))
            };
            if holds != held {
                return Some(holds.wrapping_sub(n as usize));
            }
            n += 1;
        }
        None
    }

    /// Returns the place of word `n`, counted from the inside: the last one stands at the end.
    #[inline(always)]
    fn place_of_word(&self, n: usize) -> usize {
        (WORDS_MAX + n).wrapping_sub(self.n_words as usize)
    }

    /// Returns the place in the cached stack where it joins.
    #[inline(always)]
    pub fn place(&self) -> usize {
        self.place as usize
    }

    /// Tells whether it leads to `frame`, as that is now.
    #[inline(always)]
    pub fn joins(&self, frame: &CachedFrame) -> bool {
        frame.node == self.join_node
            && frame.sp == self.join_sp()
            && (!frame.marks.has(Marks::NEEDS_FP)
                || self.flags & Self::JOIN_NEEDS_FP != 0 && frame.fp == self.join_fp)
    }
}

/// A thread's paths. All zeros is none.
#[derive(Debug)]
pub struct Paths {
    table: [Path; SLOTS],
    /// Where the stack that is walked now will be put; [`SLOTS`] for nowhere.
    vacant: usize,
    n_filled: usize,
    n_missed: u32,
    /// The number of the stack from which on misses are counted.
    since: u32,
}

impl Paths {
    /// Forgets all paths.
    pub fn clear(&mut self) {
        if core::mem::take(&mut self.n_filled) != 0 {
            self.table.iter_mut().for_each(|path| path.pc = 0);
        }
    }

    /// Finds the path of `caller`, in `stack`, as far as it `fits`: where it joins the cached stack, and the node of the leaf. `n_stacks`
    /// is the stack's number.
    #[inline(always)]
    pub fn find(
        &mut self,
        caller: Caller,
        stack: Readable,
        n_stacks: u32,
        fits: impl FnOnce(&Path) -> bool,
    ) -> Option<(usize, StackId)> {
        if self.rest(n_stacks) {
            return None;
        }
        self.vacant = match self.path_of(caller, stack) {
            Err(vacant) => vacant,
            Ok(path) => {
                if fits(path) {
                    return Some((path.place(), path.node));
                }
                self.slot(path)
            }
        };
        self.miss(n_stacks);
        None
    }

    /// Returns the path of `caller`; the error is the place where it belongs.
    #[inline(always)]
    fn path_of(&self, caller: Caller, stack: Readable) -> Result<&Path, usize> {
        let mut key = sum_of_products(caller.pc as u64, caller.sp as u64);
        let mut probe = 1;
        loop {
            let first = (key >> (u64::BITS - KEYS_LOG2)) as usize * WAYS;
            let set = &self.table[first..first + WAYS];
            let Some(path) = set.iter().find(|path| path.begins_at(caller)) else {
                let free = set.iter().position(|path| path.pc == 0);
                return Err(first + free.unwrap_or(self.n_filled % WAYS));
            };
            let Some(difference) = path.difference(caller, stack) else { return Ok(path) };
            if probe == PROBES {
                return Err(self.slot(path));
            }
            probe += 1;
            key = sum_of_products(key, difference as u64);
        }
    }

    /// Returns the place of `path`, which is one of the table's.
    fn slot(&self, path: &Path) -> usize {
        // SAFETY: of the same table.
        unsafe { core::ptr::from_ref(path).offset_from_unsigned(self.table.as_ptr()) }
    }

    /// Returns the frames from `caller` to the join of its path, innermost first, without the join: the latest search has found it.
    #[cold]
    pub fn frames(&self, caller: Caller, stack: Readable) -> impl Iterator<Item = usize> {
        let path = self.path_of(caller, stack).ok();
        let words = path.into_iter().flat_map(|path| {
            let is_address = |n: &usize| path.return_addresses & 1 << n != 0;
            let n_words = usize::try_from(path.n_words).unwrap_or(0);
            (0..n_words).filter(is_address).filter_map(|n| path.held.get(path.place_of_word(n)).copied())
        });
        // Each address is that of the frame outward, and the last one that of the join.
        let n_frames = path.map_or(0, |path| path.return_addresses.count_ones() as usize);
        path.map(|path| path.pc).into_iter().chain(words).take(n_frames)
    }

    /// Puts the path between the frames at two places, which has no barrier, where the latest search has found room.
    ///
    /// # Safety
    /// Frames and words were written, up to the leaf's.
    #[inline(always)]
    pub unsafe fn remember(
        &mut self,
        frames: *const CachedFrame,
        words: *const Word,
        (join, leaf): (usize, usize),
    ) {
        // SAFETY: the caller's; one is outward of the leaf, or the leaf itself.
        let (last, first) = unsafe { (&*frames.add(join), &*frames.add(leaf)) };
        let Some(path) = self.table.get_mut(self.vacant) else { return };
        let join_at = (last.sp - first.sp) / size_of::<usize>();
        let (start, mut end) = (last.marks.words_end(), first.marks.words_end());
        let is_aligned = (first.sp | last.sp).is_multiple_of(size_of::<usize>());
        let fits = end - start <= WORDS_MAX && join_at <= usize::from(u16::MAX) && is_aligned;
        // Callers of guessed frames are guessed: so all frames of the path are found by return addresses.
        if !fits || !matches!(last.marks.kind(), FrameKind::Return) {
            return;
        }
        (path.pc, path.sp, path.fp, path.join_fp) = (first.pc, first.sp, first.fp, last.fp);
        (path.join_node, path.node, path.place) = (last.node, first.node, join as u32);
        (path.join_at, path.n_words, path.return_addresses) = (join_at as u16, (end - start) as i8, 0);
        let flag = |frame: &CachedFrame, flag| if frame.marks.has(Marks::NEEDS_FP) { flag } else { 0 };
        path.flags = flag(first, Path::NEEDS_FP) | flag(last, Path::JOIN_NEEDS_FP);
        let mut n = 0;
        for place in (join..leaf).rev() {
            // SAFETY: as above.
            let start = unsafe { (*frames.add(place)).marks.words_end() };
            while end > start && n < WORDS_MAX {
                end -= 1;
                // SAFETY: as above.
                let word = unsafe { &*words.add(end) };
                let place = path.place_of_word(n).min(WORDS_MAX - 1);
                path.at[place] = ((word.at - first.sp) / size_of::<usize>()) as u16;
                path.held[place] = word.held;
                n += 1;
            }
            // A step's return address is the first of its words.
            path.return_addresses |= 1 << (n - 1);
        }
        self.n_filled += 1;
    }

    /// Takes note that the stack of number `n_stacks` has to be walked. If most had to be, paths are let be for a while.
    #[inline(never)]
    fn miss(&mut self, n_stacks: u32) {
        self.n_missed += 1;
        if self.n_missed < MISSES {
            return;
        }
        let n = n_stacks.wrapping_sub(self.since);
        (self.n_missed, self.since) = (0, n_stacks);
        if n < STACKS_WORTH {
            self.since = n_stacks.wrapping_add(REST);
            self.vacant = SLOTS;
        }
    }

    /// Tells whether no path is looked for at the stack of number `n_stacks`.
    #[inline(always)]
    fn rest(&self, n_stacks: u32) -> bool {
        self.since.wrapping_sub(n_stacks).wrapping_sub(1) < REST
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unwind::step::Step;

    #[test]
    fn a_path_joins_no_frame_but_the_one_that_it_led_to() {
        let words = |at| Word { at, held: 0 };
        let [join_sp, sp] = [0x7000, 0x6fc0];
        let frame = |sp, fp, node, needs_fp: bool, words_end| {
            let marks = Marks::of(FrameKind::Return, Step { uses_fp: needs_fp, ..Step::NONE });
            CachedFrame { pc: 7, sp, fp, node: StackId(node), marks: marks.with_words(words_end) }
        };
        let words = [words(join_sp + 8), words(sp + 0x38)];
        for needed in [false, true] {
            let frames = [frame(join_sp, 3, 1, needed, 1), frame(sp, 5, 2, needed, 2)];
            let paths: *mut Paths = crate::sys::memory::pages::zeroed(1);
            // SAFETY: all zeros is none; the frames have so many words.
            let paths = unsafe {
                (*paths).remember(frames.as_ptr(), words.as_ptr(), (0, 1));
                &*paths
            };
            let path = &paths.table[0];
            assert_eq!((path.n_words, path.place()), (1, 0));
            assert!(path.joins(&frame(join_sp, 3, 1, needed, 9)));
            assert!(!path.joins(&frame(join_sp, 3, 2, needed, 9)), "other callers");
            assert!(
                !path.joins(&frame(join_sp + 8, 3, 1, needed, 9)),
                "the same ones elsewhere on the stack"
            );
            // A frame pointer counts where it is used, and if it is not known to be the same, it is not.
            assert_eq!(path.joins(&frame(join_sp, 3, 1, true, 9)), needed);
            assert!(!path.joins(&frame(join_sp, 4, 1, true, 9)));
            assert!(path.joins(&frame(join_sp, 4, 1, false, 9)));
        }
    }

    #[test]
    fn paths_are_let_be_where_none_comes_again_and_looked_for_after_a_while() {
        let paths: *mut Paths = crate::sys::memory::pages::zeroed(1);
        // SAFETY: all zeros is none.
        let paths = unsafe { &mut *paths };
        let resting = |paths: &mut Paths, n: u32| {
            let rests = paths.rest(n);
            if !rests {
                paths.vacant = 0;
                paths.miss(n);
            }
            rests
        };
        // The number of a thread's stacks wraps.
        for start in [1, u32::MAX - 1000] {
            paths.since = start.wrapping_sub(1);
            let n_rests =
                (0..10 * (MISSES + REST)).filter(|&n| resting(paths, start.wrapping_add(n))).count();
            assert!((9 * REST - 10 * 10..=10 * REST).contains(&(n_rests as u32)), "{n_rests}");
            // Where a path is found every other time, they are always looked for.
            (paths.n_missed, paths.since) = (0, start.wrapping_sub(1));
            assert!((0..10_000).all(|n| !resting(paths, start.wrapping_add(2 * n))));
        }
    }
}
