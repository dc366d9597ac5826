//! Room in a file that is kept, in extents of one size: where it is claimed, which of it the keeper has, and how it is given
//! back to the processes.
//!
//! ```text
//!  end of the file --\
//!  list (header)   ----> spare --> parts of the checkpoint that holds --> stale --> spare --> list
//!  extents of streams that are folded -------------------------------------------/
//! ```

use std::io;
use std::mem;
use std::ops::Range;
use std::sync::atomic::Ordering;

use tm_common::free_list::{Top, next_of};
use tm_common::header::{CUTTING, VERSION};
use tm_common::ids::Stamp;
use tm_common::segment::{SegmentHeader, SegmentKind, UNNUMBERED};

use super::file::{Found, KeptFile};

/// The part of the limit that is kept for the first checkpoint.
const RESERVED_SHARE: u64 = 32;
/// The most extents that are claimed for it: some 64 MiB.
const EXTENTS_RESERVED_MAX: u64 = 256;
/// The part that is held for one that had no room: without it all later events would be lost.
const HELD_SHARE: u64 = 4;

/// What the keeper has of a file.
#[derive(Debug)]
pub(super) struct Room {
    /// The file.
    pub file: KeptFile,
    /// Free extents that are not on the list, by their first grains.
    pub spare: Vec<u64>,
    /// Those with the parts of the checkpoint that holds, ...
    pub parts: Vec<u64>,
    /// ... and of those that held before.
    pub stale: Vec<u64>,
    /// The latest number of a checkpoint, whole or not.
    pub number: u32,
}

/// A checkpoint that stands in the file and does not hold yet.
#[derive(Debug)]
pub(super) struct Written {
    number: u32,
    parts: Vec<u64>,
}

impl Room {
    /// The grains that the processes can still have.
    pub fn free_grains(&self) -> u64 {
        // Relaxed: a look.
        let end = self.file.header().end_grain.load(Ordering::Relaxed);
        let at_end = if end < CUTTING { self.file.limit_grains.saturating_sub(end) } else { 0 };
        at_end + u64::from(self.top().count()) * self.file.extent_grains
    }

    fn top(&self) -> Top {
        // Acquire: receives what stands in the first extent, for who goes on to read it.
        Top::of(self.file.header().free_extents.load(Ordering::Acquire))
    }

    /// Claims room for the first checkpoint: the processes may have all other by the time that it is made.
    pub fn reserve(&mut self) -> io::Result<()> {
        while self.parts.is_empty() && self.spare.len() < self.extents_in(RESERVED_SHARE) {
            match self.claim()? {
                Some(extent) => self.spare.push(extent),
                None => break,
            }
        }
        Ok(())
    }

    /// Returns how many extents are one of `n_parts` equal parts of the limit, at least two.
    fn extents_in(&self, n_parts: u64) -> usize {
        (self.file.limit_grains / n_parts / self.file.extent_grains).clamp(2, EXTENTS_RESERVED_MAX) as usize
    }

    /// Writes a checkpoint as of `until` into room that is spare, or claimed; `None` if there is none.
    pub fn write(&mut self, bytes: &[u8], until: Stamp) -> io::Result<Option<Written>> {
        let n_parts = bytes.len().div_ceil(self.file.part_bytes()).max(1);
        while self.spare.len() < n_parts {
            match self.claim()? {
                Some(extent) => self.spare.push(extent),
                None => {
                    self.push_all_but(self.extents_in(HELD_SHARE))?;
                    return Ok(None);
                }
            }
        }
        self.number += 1;
        let parts = self.spare.split_off(self.spare.len() - n_parts);
        let with_bytes = parts.iter().zip(bytes.chunks(self.file.part_bytes()));
        let mut wrote = with_bytes
            .zip(0..)
            .map(|((&part, bytes), place)| self.file.write_part(part, self.number, place, until, bytes));
        if let Err(error) = wrote.try_for_each(|wrote| wrote) {
            self.stale.extend(parts);
            return Err(error);
        }
        Ok(Some(Written { number: self.number, parts }))
    }

    /// Makes a checkpoint the one that holds.
    pub fn publish(&mut self, written: Written) {
        let header = self.file.header();
        // Release: before what an older reader does not know.
        header.version.fetch_max(VERSION, Ordering::Release);
        let word = u64::from(written.number) << 32 | written.parts.len() as u64;
        // Release: publishes the parts.
        header.checkpoint.store(word, Ordering::Release);
        self.stale.extend(mem::replace(&mut self.parts, written.parts));
    }

    /// Gives back the room of older checkpoints and of `done`, extents of streams that are folded; keeps what the next
    /// checkpoint may need.
    pub fn give_back(&mut self, done: &[Range<u64>]) -> io::Result<()> {
        let left = done.iter().filter(|extent| self.is_left(extent)).map(|extent| extent.start);
        let left: Vec<u64> = left.collect();
        self.stale.extend(left);
        while let Some(&extent) = self.stale.last() {
            self.file.write_free(extent)?;
            self.spare.extend(self.stale.pop());
        }
        if self.parts.is_empty() {
            return self.reserve();
        }
        self.push_all_but(self.parts.len() + self.parts.len() / 4 + 1)
    }

    /// Puts spare extents on the list, and keeps `n_kept`.
    pub fn push_all_but(&mut self, n_kept: usize) -> io::Result<()> {
        while self.spare.len() > n_kept {
            let Some(&extent) = self.spare.last() else { break };
            self.push(extent)?;
            self.spare.pop();
        }
        Ok(())
    }

    /// Tells whether this is an extent that one stream had for itself and has left: filled, or with room that nobody took before its
    /// process ended. One that was cut at a process's end may have become a part of others.
    fn is_left(&self, extent: &Range<u64>) -> bool {
        let Some(Found { header, next_free: 0, .. }) = self.file.at(extent.start) else { return false };
        let is_own = header.kind == SegmentKind::Extent
            && header.stream.0 > 0
            && u64::from(header.sequence) == self.file.extent_grains
            && extent.end - extent.start == self.file.extent_grains;
        let is_of_owner = |segment: &SegmentHeader| {
            let of_stream = header.stream.0 == UNNUMBERED || header.stream.0 == segment.stream.0 + 1;
            segment.kind == SegmentKind::Events && segment.process == header.process && of_stream
        };
        let has_rest = header.used < header.sequence;
        let mut at = extent.start + 1;
        while is_own && at < extent.end {
            at += match self.file.at(at) {
                Some(Found { header: segment, .. }) if is_of_owner(&segment) => {
                    u64::from(segment.grains.max(1))
                }
                None if has_rest => 1,
                _ => return false,
            };
        }
        is_own && at == extent.end
    }

    /// Takes an extent off the list, or claims one at the file's end: a free one that is not on the list.
    fn claim(&mut self) -> io::Result<Option<u64>> {
        if let Some(extent) = self.pop() {
            self.file.write_next(extent, 0, 0)?;
            return Ok(Some(extent));
        }
        let (grains, limit) = (self.file.extent_grains, self.file.limit_grains);
        let moved = |end: u64| Some(end + grains).filter(|&to| end < CUTTING && to <= limit);
        let end = &self.file.header().end_grain;
        // Acquire: receives the room as it was left by who gave it back, or has cut it off.
        let Ok(first) = end.fetch_update(Ordering::Acquire, Ordering::Relaxed, moved) else {
            return Ok(None);
        };
        let begun = self.file.reach(first + grains).and_then(|()| self.file.write_free(first));
        if let Err(error) = begun {
            // Release: nothing of it is being touched any more.
            _ = end.compare_exchange(first + grains, first, Ordering::Release, Ordering::Relaxed);
            return Err(error);
        }
        Ok(Some(first))
    }

    fn pop(&self) -> Option<u64> {
        loop {
            let top = self.top();
            let first = Some(u64::from(top.first)).filter(|&first| first > 0)?;
            let next = self.next_of(first);
            if self.top() != top {
                continue;
            }
            let popped = top.popped(next?);
            // Acquire: as in `top`.
            let word = &self.file.header().free_extents;
            if word.compare_exchange(top.word(), popped.word(), Ordering::Acquire, Ordering::Relaxed).is_ok()
            {
                return Some(first);
            }
        }
    }

    /// The next one of a free extent; `None` if none is there.
    fn next_of(&self, first: u64) -> Option<u32> {
        let found = self.file.at(first)?;
        let is_one = found.header.kind == SegmentKind::Extent
            && u64::from(found.header.sequence) == self.file.extent_grains
            && found.header.base_stamp.0 == first;
        next_of(found.next_free).filter(|_| is_one)
    }

    /// Puts a free extent on the list; one that is too far behind for its number stays spare.
    fn push(&mut self, extent: u64) -> io::Result<()> {
        let Ok(first) = u32::try_from(extent) else { return Ok(()) };
        loop {
            let top = self.top();
            self.file.write_next(extent, top.first, u64::from(top.n_pushed) + 1)?;
            let word = &self.file.header().free_extents;
            // Release: publishes the extent as it stands in the file.
            let pushed = top.pushed(first).word();
            if word.compare_exchange(top.word(), pushed, Ordering::Release, Ordering::Relaxed).is_ok() {
                return Ok(());
            }
        }
    }

    /// The extents on the list; `None` if processes take them faster than it is looked at.
    pub fn listed(&self) -> Option<Vec<u64>> {
        for _ in 0..LIST_ATTEMPTS {
            let top = self.top();
            let mut listed = Vec::new();
            let mut next = top.first;
            while next > 0 && listed.len() < usize::from(u16::MAX) {
                listed.push(u64::from(next));
                next = self.next_of(next.into()).unwrap_or(0);
            }
            // No extent came or went, so each is where it was.
            if self.top() == top {
                return Some(listed);
            }
        }
        None
    }

    /// How many extents were put on the list, as the next one notes it.
    pub fn next_push(&self) -> u64 {
        u64::from(self.top().n_pushed) + 1
    }
}

/// The number of looks at a list that changes meanwhile.
const LIST_ATTEMPTS: usize = 100;
