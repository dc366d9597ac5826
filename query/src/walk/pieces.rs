//! The blocks of a level as parts of pages, as many at a time as pages are read together.

use std::mem::swap;

use crate::memory::{Forbidden, Memory, PAGE_BYTES, PAGE_WORDS, Pages, Slot};

/// The most parts at a time: few enough that they stay in the processor's cache with their pages.
const PIECES_MAX: usize = 4096;
/// Fewer blocks stay in the order in which they were found: their pages are all there.
const SORTED_MIN: usize = 128;
const WORD_BYTES: u64 = size_of::<u64>() as u64;

/// A block, or what is left of it.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub start: u64,
    pub size: u64,
}

/// Words of a page.
#[derive(Clone, Copy, Debug)]
struct Piece {
    slot: Slot,
    from: u16,
    until: u16,
}

/// The blocks of a level that are being gone through.
#[derive(Debug, Default)]
pub struct Pieces {
    spans: Vec<Span>,
    /// The first that is not yet begun.
    next: usize,
    /// The rest of the one that is.
    rest: Option<Span>,
    pieces: Vec<Piece>,
    /// The number of pieces that are of the block that was begun last.
    n_of_last: usize,
}

impl Pieces {
    /// Begins with the blocks of a level, which it takes over: if they are many in the order of their addresses, so that each page is read once.
    pub fn start(&mut self, spans: &mut Vec<Span>) {
        // Both rooms are used again and again: a list has as many levels as blocks.
        swap(&mut self.spans, spans);
        spans.clear();
        if self.spans.len() > SORTED_MIN {
            self.spans.sort_unstable_by_key(|span| span.start);
        }
        (self.next, self.rest, self.n_of_last) = (0, None, 0);
        self.pieces.clear();
    }

    /// Takes the next pieces, and loads their pages; `false` if there are none.
    ///
    /// # Errors
    /// The system lets nobody read.
    pub fn load<M: Memory>(&mut self, pages: &mut Pages<M>) -> Result<bool, Forbidden> {
        // So large a part of a block that cannot be read is no memory of ours, as that of a device: the block may be
        // without end.
        let is_unreadable = |piece: &Piece| pages.get(piece.slot).is_none();
        if self.n_of_last == self.pieces.len() && self.pieces.iter().all(is_unreadable) {
            self.rest = None;
        }
        self.pieces.clear();
        self.n_of_last = 0;
        pages.begin();
        while self.pieces.len() < PIECES_MAX {
            let Some(span) = self.rest.take().or_else(|| self.take_next()) else { break };
            let number = span.start / PAGE_BYTES;
            let Some(slot) = pages.want(number) else {
                self.rest = Some(span);
                break;
            };
            let (first, n_words) = (span.start % PAGE_BYTES / WORD_BYTES, span.size / WORD_BYTES);
            let n_here = n_words.min(PAGE_WORDS as u64 - first);
            self.n_of_last += 1;
            self.pieces.push(Piece { slot, from: first as u16, until: (first + n_here) as u16 });
            let n_bytes = n_here * WORD_BYTES;
            self.rest = Span { start: span.start.wrapping_add(n_bytes), size: span.size - n_bytes }.if_any();
        }
        pages.load()?;
        Ok(!self.pieces.is_empty())
    }

    /// Returns the words of the pieces that can be read.
    pub fn words<'a, M: Memory>(&'a self, pages: &'a Pages<M>) -> impl Iterator<Item = &'a [u64]> {
        let words = |piece: &Piece| pages.get(piece.slot)?.get(piece.from.into()..piece.until.into());
        self.pieces.iter().filter_map(words)
    }

    fn take_next(&mut self) -> Option<Span> {
        loop {
            let span = *self.spans.get(self.next)?;
            self.next += 1;
            self.n_of_last = 0;
            if let Some(span) = span.aligned().if_any() {
                return Some(span);
            }
        }
    }
}

impl Span {
    /// Cuts the span to begin at a multiple of a word's size, and to end with the address space.
    fn aligned(self) -> Span {
        let n_skipped = self.start.wrapping_neg() % WORD_BYTES;
        let start = self.start.wrapping_add(n_skipped);
        let size = self.size.saturating_sub(n_skipped);
        Span { start, size: size.min(start.wrapping_neg().wrapping_sub(1)) }
    }

    /// Returns the span if a word is in it.
    fn if_any(self) -> Option<Span> {
        (self.size >= WORD_BYTES).then_some(self)
    }
}
