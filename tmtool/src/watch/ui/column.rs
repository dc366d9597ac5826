//! The columns of the tables: headings, figures, orders.

use clap::ValueEnum;

use crate::report::parts::estimate;
use crate::report::parts::human::{self, brief_count};
use crate::watch::data::sample::{Facts, Interval, Row};
use tm_analyzer::model::KeyType;

/// A column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Column {
    /// Bytes that live.
    #[default]
    Live,
    /// Blocks that live.
    Blocks,
    /// Allocations so far.
    Allocs,
    /// Allocations a second.
    AllocsRate,
    /// Bytes allocated a second.
    BytesRate,
    /// The place, tag or thread.
    Name,
}

impl Column {
    /// From left to right.
    pub const ALL: [Column; 6] =
        [Column::Live, Column::Blocks, Column::Allocs, Column::AllocsRate, Column::BytesRate, Column::Name];

    /// The heading.
    pub fn heading(self) -> &'static str {
        match self {
            Column::Live => "LIVE",
            Column::Blocks => "BLOCKS",
            Column::Allocs => "ALLOCS",
            Column::AllocsRate => "ALLOCS/S",
            Column::BytesRate => "BYTES/S",
            Column::Name => "LOCATION",
        }
    }

    /// The column `step` places to the right of this one, around the ends.
    pub fn next(self, step: isize) -> Column {
        let place = Column::ALL.iter().position(|&it| it == self).unwrap_or(0) as isize;
        let n = Column::ALL.len() as isize;
        Column::ALL.get((place + step).rem_euclid(n) as usize).copied().unwrap_or_default()
    }

    /// What rows are ordered by; of names nothing.
    pub fn value(self, row: &Row) -> u64 {
        let figures = &row.figures;
        match self {
            Column::Live => figures.live.bytes,
            Column::Blocks => figures.live.count,
            Column::Allocs => figures.allocated.count,
            Column::AllocsRate => figures.lately.count,
            Column::BytesRate => figures.lately.bytes,
            Column::Name => 0,
        }
    }

    /// The figure as text; of names none, since they have whatever room is left.
    pub fn text(self, row: &Row, interval: &Interval) -> String {
        let value = self.value(row);
        match self {
            Column::Live => human::size(value),
            Column::Blocks | Column::Allocs => brief_count(value),
            Column::AllocsRate => brief_count(interval.a_second(value)),
            Column::BytesRate => human::size(interval.a_second(value)),
            Column::Name => String::new(),
        }
    }
}

/// What stands before the name in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// The figure of a column.
    Figure(Column),
    /// How far what lives may be off, where it is estimated from samples.
    Error,
}

impl Cell {
    /// Those of a process of which `facts` are known, from left to right.
    pub fn all(facts: &Facts) -> impl Iterator<Item = Cell> {
        let is_estimated = facts.is_estimated;
        let columns = Column::ALL.into_iter().filter(|&column| column != Column::Name);
        columns.flat_map(move |column| {
            let error = (is_estimated && column == Column::Live).then_some(Cell::Error);
            [Some(Cell::Figure(column)), error].into_iter().flatten()
        })
    }

    /// The heading.
    pub fn heading(self) -> &'static str {
        match self {
            Cell::Figure(column) => column.heading(),
            Cell::Error => estimate::HEADING,
        }
    }

    /// What it says of `row`.
    pub fn text(self, row: &Row, interval: &Interval) -> String {
        match self {
            Cell::Figure(column) => column.text(row, interval),
            Cell::Error => estimate::cell(&row.uncertainty, row.figures.live.bytes),
        }
    }

    /// Its width on a screen, so that nothing jumps from sample to sample.
    pub fn width(self) -> usize {
        match self {
            Cell::Figure(Column::Live | Column::AllocsRate | Column::BytesRate) => 9,
            Cell::Figure(Column::Blocks) => 8,
            Cell::Figure(Column::Allocs) => 7,
            Cell::Error => 6,
            Cell::Figure(Column::Name) => 0,
        }
    }
}

/// The heading of the last column.
pub fn name_heading(key_type: KeyType, are_threads: bool) -> &'static str {
    match (are_threads, key_type) {
        (true, _) => "THREAD",
        (false, KeyType::Lineno) => "LINE",
        (false, KeyType::Filename) => "FILE",
        (false, KeyType::Function) => "FUNCTION",
        (false, KeyType::Module) => "MODULE",
        (false, KeyType::Tag) => "TAG",
        (false, KeyType::Traceback) => "STACK",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::fixtures::named;
    use tm_analyzer::model::{Amount, Uncertainty, Weight};

    #[test]
    fn columns_follow_each_other_around_the_ends() {
        assert_eq!(Column::Live.next(1), Column::Blocks);
        assert_eq!(Column::Live.next(-1), Column::Name);
        assert_eq!(Column::Name.next(1), Column::Live);
    }

    #[test]
    fn what_is_estimated_says_how_far_it_may_be_off() {
        let headings = |is_estimated| {
            let facts = Facts { is_estimated, ..Facts::default() };
            Cell::all(&facts).map(Cell::heading).collect::<Vec<_>>()
        };
        assert_eq!(headings(false), ["LIVE", "BLOCKS", "ALLOCS", "ALLOCS/S", "BYTES/S"]);
        assert_eq!(headings(true), ["LIVE", "±", "BLOCKS", "ALLOCS", "ALLOCS/S", "BYTES/S"]);
        let weight = Weight { size: 1 << 10, sample_bytes: 1 << 19 };
        let mut row = named(1, "a.c", 1);
        assert_eq!(Cell::Error.text(&row, &Interval::default()), "");
        row.figures.live = Amount { bytes: 100 * weight.bytes(), count: 51_250 };
        row.uncertainty = Uncertainty::of(row.figures.live, weight);
        assert_eq!(Cell::Error.text(&row, &Interval::default()), "±20%");
    }
}
