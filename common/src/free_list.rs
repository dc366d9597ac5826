//! The words of the list of free extents, `docs/format.md` section "Free extents": a keeper puts extents on it, the recorded
//! processes take them off. Knows what is in the words, and not when they change.

/// The beginning of the list, [`crate::header::MappedHeader::free_extents`].
///
/// ```text
///  63      48 47      32 31                0
///  | popped  | pushed   | first grain, or 0 |     both counted modulo 2^16
/// ```
///
/// The two numbers make each word another one, although extents come back: who compares and swaps sees any change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Top {
    /// How many extents were taken off.
    pub n_popped: u16,
    /// How many were put on.
    pub n_pushed: u16,
    /// The first extent's first grain; 0 if the list is empty.
    pub first: u32,
}

impl Top {
    /// Reads the word.
    #[must_use]
    pub const fn of(word: u64) -> Top {
        Top { n_popped: (word >> 48) as u16, n_pushed: (word >> 32) as u16, first: word as u32 }
    }

    /// Returns the word.
    #[must_use]
    pub const fn word(self) -> u64 {
        (self.n_popped as u64) << 48 | (self.n_pushed as u64) << 32 | self.first as u64
    }

    /// Returns how many extents there are.
    #[must_use]
    pub const fn count(self) -> u16 {
        self.n_pushed.wrapping_sub(self.n_popped)
    }

    /// Returns the beginning once an extent was put on, whose `next` is the present first one.
    #[must_use]
    pub const fn pushed(self, first: u32) -> Top {
        Top { n_pushed: self.n_pushed.wrapping_add(1), first, ..self }
    }

    /// Returns the beginning once the first extent was taken off, whose next one is `next`.
    #[must_use]
    pub const fn popped(self, next: u32) -> Top {
        Top { n_popped: self.n_popped.wrapping_add(1), first: next, ..self }
    }

    /// Returns the beginning once all extents were taken off.
    #[must_use]
    pub const fn emptied(self) -> Top {
        Top { n_popped: self.n_pushed, first: 0, ..self }
    }
}

/// The upper half of [`crate::segment::MappedSegment::next_free`] in an extent that a keeper has, "FREE": on the list or not.
const FREE: u64 = u32::from_le_bytes(*b"FREE") as u64;

/// Returns the word of an extent that a keeper has, whose next one on the list begins at grain `next`; 0 for none.
#[must_use]
pub const fn next_word(next: u32) -> u64 {
    FREE << 32 | next as u64
}

/// Returns the next one's grain, 0 for none, by the word of an extent; `None` if no keeper has it.
#[must_use]
pub const fn next_of(word: u64) -> Option<u32> {
    if word >> 32 == FREE { Some(word as u32) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_and_counts_go_round() {
        let top = Top { n_popped: u16::MAX, n_pushed: u16::MAX, first: 0 };
        assert_eq!((top.count(), Top::of(top.word())), (0, top));
        let two = top.pushed(65).pushed(130);
        assert_eq!((two.count(), two.n_pushed, Top::of(two.word())), (2, 1, two));
        let one = two.popped(65);
        assert_eq!((one.count(), one.first, one.popped(0).count()), (1, 65, 0));
        assert_eq!((one.emptied().count(), one.emptied().first), (0, 0));
        assert_ne!(one.popped(0).pushed(65), one, "an extent that comes back makes another word");
    }

    #[test]
    fn the_word_of_an_extent_tells_whether_it_is_free() {
        assert_eq!((next_of(next_word(7)), next_of(next_word(0)), next_of(7)), (Some(7), Some(0), None));
    }
}
