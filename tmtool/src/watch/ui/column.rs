//! The columns of the tables: headings, figures, orders.

use clap::ValueEnum;

use crate::report::parts::human::{self, brief_count};
use crate::watch::data::sample::{Interval, Row};
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

    #[test]
    fn columns_follow_each_other_around_the_ends() {
        assert_eq!(Column::Live.next(1), Column::Blocks);
        assert_eq!(Column::Live.next(-1), Column::Name);
        assert_eq!(Column::Name.next(1), Column::Live);
    }
}
