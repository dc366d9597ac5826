//! The boundaries of slices.
//!
//! ```text
//! boundaries      0        1        2        3
//! stages      0   |   1    |   2    |   3    |        an event at a boundary's stamp comes before it
//! slices          |   0    |   1    |   2    |
//! ```

use tm_common::ids::Stamp;

use crate::replay::observers::steps::Steps;

/// Boundaries in ascending order. Some stay whatever happens; others go where slices are joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    boundaries: Vec<(Stamp, bool)>,
}

impl Grid {
    /// `n_slices` of about equal length from the first stamp to the second, and boundaries at `fixed`, which stay.
    pub fn new((from, until): (Stamp, Stamp), n_slices: u32, fixed: impl Iterator<Item = Stamp>) -> Grid {
        let even = Steps { from, until, n: n_slices };
        let inner = (1..n_slices).map(|slice| (even.start_of(slice), false));
        let fixed = fixed.filter(|stamp| (from..=until).contains(stamp)).chain([from, until]);
        let mut boundaries: Vec<_> = inner.chain(fixed.map(|stamp| (stamp, true))).collect();
        // Of equal ones the one that stays.
        boundaries.sort_unstable_by_key(|&(stamp, stays)| (stamp, !stays));
        boundaries.dedup_by_key(|(stamp, _)| *stamp);
        Grid { boundaries }
    }

    /// Returns the last stamp before each boundary.
    pub fn stamps(&self) -> impl Iterator<Item = Stamp> + '_ {
        self.boundaries.iter().map(|(stamp, _)| *stamp)
    }

    /// Returns how many boundaries there are: one more than slices.
    pub fn len(&self) -> usize {
        self.boundaries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.boundaries.is_empty()
    }

    /// The stamp of a boundary; behind the last there is none.
    #[inline]
    pub(super) fn stamp(&self, boundary: usize) -> Stamp {
        self.boundaries.get(boundary).map_or(Stamp(u64::MAX), |(stamp, _)| *stamp)
    }

    /// Whether a boundary may go.
    pub(super) fn is_loose(&self, boundary: usize) -> bool {
        self.boundaries.get(boundary).is_some_and(|(_, stays)| !stays)
    }

    /// Puts a boundary that stays before that of number `place`.
    pub(super) fn insert(&mut self, place: usize, stamp: Stamp) {
        self.boundaries.insert(place, (stamp, true));
    }

    /// Takes every second boundary out of those that need not stay, but not `kept`. Returns the new number of each stage; `None`,
    /// and nothing is changed, if there is none to go.
    pub fn halve(&mut self, kept: Option<usize>) -> Option<Vec<u32>> {
        let mut n_loose = 0;
        let goes = self.boundaries.iter().enumerate().map(|(place, &(_, stays))| {
            let is_loose = !stays && Some(place) != kept;
            n_loose += usize::from(is_loose);
            is_loose && n_loose % 2 == 1
        });
        let goes: Vec<bool> = goes.collect();
        goes.contains(&true).then(|| self.without(&goes))
    }

    /// Takes out what `other` does not have. Returns the new number of each stage.
    pub(super) fn intersect(&mut self, other: &Grid) -> Vec<u32> {
        let has = |stamp: Stamp| other.boundaries.binary_search_by_key(&stamp, |(known, _)| *known).is_ok();
        let goes: Vec<bool> = self.stamps().map(|stamp| !has(stamp)).collect();
        self.without(&goes)
    }

    /// Takes out the boundaries that are marked. Returns the new number of each stage.
    pub(super) fn without(&mut self, goes: &[bool]) -> Vec<u32> {
        let (mut stages, mut n_kept) = (vec![0], 0);
        for goes in goes {
            n_kept += u32::from(!goes);
            stages.push(n_kept);
        }
        let mut goes = goes.iter();
        self.boundaries.retain(|_| !goes.next().is_some_and(|goes| *goes));
        stages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(grid: &Grid) -> Vec<u64> {
        grid.stamps().map(|stamp| stamp.0).collect()
    }

    #[test]
    fn marks_stay_where_slices_are_joined() {
        let marks = [35, 50, 700].map(Stamp);
        let mut grid = Grid::new((Stamp(10), Stamp(90)), 8, marks.into_iter());
        assert_eq!(stamps(&grid), [10, 20, 30, 35, 40, 50, 60, 70, 80, 90]);
        let stages = grid.halve(None).expect("some go");
        assert_eq!(stamps(&grid), [10, 30, 35, 50, 60, 80, 90]);
        assert_eq!(stages, [0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7]);
        assert_eq!(grid.halve(Some(1)).map(|_| stamps(&grid)), Some(vec![10, 30, 35, 50, 80, 90]));
        while grid.halve(None).is_some() {}
        assert_eq!(stamps(&grid), [10, 35, 50, 90]);
    }

    #[test]
    fn an_empty_time_is_one_boundary() {
        assert_eq!(stamps(&Grid::new((Stamp(5), Stamp(5)), 4, std::iter::empty())), [5]);
    }
}
