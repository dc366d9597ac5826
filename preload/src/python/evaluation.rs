//! Where the evaluation function is. Compilers put what they take for seldom run into a part of its own, far from the rest, and no
//! symbol of a stripped interpreter tells of that; in some builds it is nearly all of the function.
//!
//! ```text
//!  the part of the exported symbol    jumps into the other part, ...
//!  the other part                     and jumps back, into the middle: no other function does
//! ```
//!
//! Each part has an entry of its own in the unwind tables. Code is not decoded: whatever looks like a jump is taken for one, so a
//! part is only believed in where it looks so in both directions.

use core::ops::Range;

use tm_common::metadata::MappedRange;

use crate::sys::arch::{JUMP_ALIGNMENT, jump_target};
use crate::sys::objects::image::Image;

/// Compilers divide a function into two parts, tools that come after them into three.
const PARTS_MAX: usize = 4;
/// The most other functions that are looked into for a way back.
const OTHERS_MAX: usize = 16;
/// The longest part that is looked into: seven times what a build without optimisation has.
const PART_BYTES_MAX: usize = 1 << 20;

/// The addresses of an evaluation function.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation {
    ranges: [MappedRange; PARTS_MAX],
    n_parts: usize,
}

impl Evaluation {
    /// Finds the parts of the function whose first instruction is at `address`. `function_at` tells how far the function at an address
    /// goes, as the unwind tables have it.
    #[cold]
    pub fn find(
        image: &Image,
        address: usize,
        function_at: impl Fn(usize) -> Option<Range<usize>>,
    ) -> Evaluation {
        let first = function_at(address).unwrap_or(address..address);
        // SAFETY: what can be read of a segment, which is mapped as long as the object is loaded.
        let code = unsafe { Code::new(image.readable_segment(address)) };
        code.function(first, function_at)
    }

    /// Returns its parts, the one of the exported symbol first.
    pub fn parts(&self) -> &[MappedRange] {
        self.ranges.get(..self.n_parts).unwrap_or(&[])
    }

    fn part(&self, place: usize) -> Option<Range<usize>> {
        self.parts().get(place).map(|part| part.start as usize..part.end as usize)
    }

    fn add(&mut self, part: &Range<usize>) {
        if let Some(place) = self.ranges.get_mut(self.n_parts) {
            *place = MappedRange { start: part.start as u64, end: part.end as u64 };
            self.n_parts += 1;
        }
    }

    fn has(&self, address: usize) -> bool {
        self.parts().iter().any(|part| (part.start..part.end).contains(&(address as u64)))
    }

    /// Tells whether `address` is in a part, and not where it begins: other functions may jump there instead of calling it.
    fn has_inside(&self, address: usize) -> bool {
        self.has(address) && self.parts().iter().all(|part| part.start != address as u64)
    }
}

/// Machine code that can be read.
struct Code(Range<usize>);

impl Code {
    /// # Safety
    /// The range is readable for as long as this is used.
    unsafe fn new(range: Range<usize>) -> Code {
        Code(range)
    }

    /// Returns the function of which `first` is a part.
    fn function(
        &self,
        first: Range<usize>,
        function_at: impl Fn(usize) -> Option<Range<usize>>,
    ) -> Evaluation {
        let mut found = Evaluation { ranges: [MappedRange::default(); PARTS_MAX], n_parts: 0 };
        found.add(&first);
        let mut others = [const { 0..0 }; OTHERS_MAX];
        let (mut n_others, mut place) = (0, 0);
        while let Some(part) = found.part(place) {
            for target in self.jumps(&part) {
                let is_known = found.has(target) || others.iter().any(|other| other.contains(&target));
                let Some(other) = (!is_known).then(|| function_at(target)).flatten() else { continue };
                if self.jumps(&other).any(|target| found.has_inside(target)) {
                    found.add(&other);
                } else {
                    let Some(free) = others.get_mut(n_others) else { return found };
                    *free = other;
                    n_others += 1;
                }
            }
            place += 1;
        }
        found
    }

    /// Returns where all that looks like a jump in `part` leads, as far as there is code.
    fn jumps(&self, part: &Range<usize>) -> impl Iterator<Item = usize> {
        let is_inside = self.0.start <= part.start && part.end <= self.0.end;
        let is_read = is_inside && !part.is_empty() && part.len() <= PART_BYTES_MAX;
        // SAFETY: inside of what can be read, by the promise of `new`.
        let read = || unsafe { core::slice::from_raw_parts(part.start as *const u8, part.len()) };
        let bytes: &[u8] = if is_read { read() } else { &[] };
        let (start, code) = (part.start, self.0.clone());
        let places = (0..bytes.len()).step_by(JUMP_ALIGNMENT);
        let targets = places.filter_map(move |at| jump_target(start + at, bytes.get(at..)?));
        targets.filter(move |target| code.contains(target))
    }
}

#[cfg(test)]
mod tests;
