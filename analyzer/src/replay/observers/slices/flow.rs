//! What came and went in a slice of time.

use std::ops::AddAssign;

use crate::model::Amount;

/// Blocks that came and went. What came and did not go is what more lives after the time than before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// What came, reallocations with their new size.
    pub allocated: Amount,
    /// What went, or is no longer looked at: the program forgot it, a mapping was cut into parts (which come anew).
    pub freed: Amount,
    /// The part of it that was freed before the next allocation of its thread.
    pub temporary: Amount,
}

impl Flow {
    /// Whether nothing came and nothing went.
    pub fn is_nothing(&self) -> bool {
        *self == Flow::default()
    }
}

impl AddAssign for Flow {
    #[inline]
    fn add_assign(&mut self, other: Flow) {
        self.allocated += other.allocated;
        self.freed += other.freed;
        self.temporary += other.temporary;
    }
}

/// The flow of one site in one slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The place in [`super::SliceSums::sites`].
    pub site: u32,
    /// The slice, from 0: that between the boundary of this number and the next.
    pub slice: u32,
    /// What came and went.
    pub flow: Flow,
}

/// Adds up cells of the same site and slice, and puts them in this order.
pub(super) fn add_up(cells: &mut Vec<Cell>) {
    cells.sort_unstable_by_key(|cell| (cell.site, cell.slice));
    cells.dedup_by(|next, sum| {
        let is_same = (next.site, next.slice) == (sum.site, sum.slice);
        if is_same {
            sum.flow += next.flow;
        }
        is_same
    });
    // There may be a million less.
    cells.shrink_to_fit();
}
