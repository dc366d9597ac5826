//! Sums by stack of blocks that are too many to be listed: all allocations of a run, for one.

use super::{Origin, Statistic};

/// What a [`Snapshot`](super::Snapshot) would be if the blocks of each stack were added up. It is grouped and compared
/// like one.
///
/// ```
/// use tm_analyzer::model::{Cumulative, Frame, KeyType, Statistic, Tally, Traceback};
///
/// let stack = |line| Traceback::new(vec![Frame::new("a.c", line)], None);
/// let stacks = [3, 4].map(|line| stack(line)).map(|traceback| {
///     Statistic { traceback, tag: None, size: 10, count: 1_000_000_000_000 }
/// });
/// let tally = Tally { stacks: stacks.into(), traceback_limit: 16, origin: None };
/// let statistics = tally.statistics(KeyType::Filename, Cumulative::Off).unwrap();
/// assert_eq!((statistics.len(), statistics[0].count), (1, 2_000_000_000_000));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    /// Bytes and blocks by whole stack and label, in no particular order.
    pub stacks: Vec<Statistic>,
    /// The most frames that a traceback was allowed to keep.
    pub traceback_limit: u32,
    /// The recording and moment that this is, if it was made from a recording.
    pub origin: Option<Origin>,
}

impl Tally {
    /// Bytes of all blocks; a sum past 2^64 stays there.
    pub fn total_size(&self) -> u64 {
        self.stacks.iter().fold(0, |sum: u64, stack| sum.saturating_add(stack.size))
    }

    /// Number of all blocks; a sum past 2^64 stays there.
    pub fn total_count(&self) -> u64 {
        self.stacks.iter().fold(0, |sum: u64, stack| sum.saturating_add(stack.count))
    }
}
