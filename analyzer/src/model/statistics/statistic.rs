//! What grouping and comparing give: tracemalloc's `Statistic` and `StatisticDiff`, with their texts and orders.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::model::{Traceback, Uncertainty, format_size};

/// The blocks of one group.
#[derive(Clone, PartialEq)]
pub struct Statistic {
    /// What the group has in common: a whole traceback, or one frame (by file, with line 0). Nothing of a group by tag.
    pub traceback: Traceback,
    /// The tag, in groups by tag; `None` for blocks without one and in other groups.
    pub tag: Option<Arc<str>>,
    /// Bytes of all blocks; a sum past 2^64 stays there.
    pub size: u64,
    /// Number of blocks.
    pub count: u64,
    /// How far both are from certain: not tracemalloc's.
    pub uncertainty: Uncertainty,
}

impl Statistic {
    /// The order of reports: by size, count and traceback, the largest first; groups of one file by their functions, groups
    /// by tag by the tags.
    pub fn report_order(&self, other: &Statistic) -> Ordering {
        let key = |stat: &Statistic| (stat.size, stat.count);
        let order = key(other).cmp(&key(self)).then_with(|| other.traceback.cmp(&self.traceback));
        order
            .then_with(|| function(&self.traceback).cmp(&function(&other.traceback)))
            .then_with(|| self.tag.cmp(&other.tag))
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = format_size(self.size as f64, false);
        write!(f, "{}: size={size}, count={}", self.traceback, self.count)?;
        write_average(f, self.size, self.count)
    }
}

impl fmt::Debug for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Statistic traceback={:?} size={} count={}>", self.traceback, self.size, self.count)
    }
}

/// The blocks of one group in a new snapshot, and by how much they differ from those in an old one.
#[derive(Clone, PartialEq)]
pub struct StatisticDiff {
    /// What the group has in common.
    pub traceback: Traceback,
    /// As in [`Statistic`].
    pub tag: Option<Arc<str>>,
    /// Bytes in the new snapshot.
    pub size: u64,
    /// Bytes in the new one less bytes in the old one; differences past 63 bits stay at the limit.
    pub size_diff: i64,
    /// Blocks in the new snapshot.
    pub count: u64,
    /// Blocks in the new one less blocks in the old one.
    pub count_diff: i64,
    /// How far the size and the count are from certain.
    pub uncertainty: Uncertainty,
    /// How far the differences are: by what either side is.
    pub uncertainty_diff: Uncertainty,
}

impl StatisticDiff {
    /// The order of reports: the largest difference in size first, whichever its sign; then by size, difference in
    /// count, count and traceback; groups of one file by their functions, groups by tag by the tags.
    pub fn report_order(&self, other: &StatisticDiff) -> Ordering {
        let key = |diff: &StatisticDiff| {
            (diff.size_diff.unsigned_abs(), diff.size, diff.count_diff.unsigned_abs(), diff.count)
        };
        let order = key(other).cmp(&key(self)).then_with(|| other.traceback.cmp(&self.traceback));
        order
            .then_with(|| function(&self.traceback).cmp(&function(&other.traceback)))
            .then_with(|| self.tag.cmp(&other.tag))
    }
}

impl fmt::Display for StatisticDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = format_size(self.size as f64, false);
        let size_diff = format_size(self.size_diff as f64, true);
        let (count, count_diff) = (self.count, self.count_diff);
        write!(f, "{}: size={size} ({size_diff}), count={count} ({count_diff:+})", self.traceback)?;
        write_average(f, self.size, self.count)
    }
}

impl fmt::Debug for StatisticDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<StatisticDiff traceback={:?} size={} ({:+}) count={} ({:+})>",
            self.traceback, self.size, self.size_diff, self.count, self.count_diff
        )
    }
}

fn function(traceback: &Traceback) -> Option<&str> {
    traceback.most_recent()?.function.as_deref()
}

fn write_average(f: &mut fmt::Formatter<'_>, size: u64, count: u64) -> fmt::Result {
    if count == 0 {
        return Ok(());
    }
    write!(f, ", average={}", format_size(size as f64 / count as f64, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Frame;

    const EXACT: Uncertainty = Uncertainty::EXACT;

    fn at(filename: &str, lineno: u32) -> Traceback {
        Traceback::new(vec![Frame::new(filename, lineno)], None)
    }

    #[test]
    fn texts_are_cpythons() {
        let stat = Statistic { traceback: at("b.py", 1), tag: None, size: 66, count: 1, uncertainty: EXACT };
        assert_eq!(stat.to_string(), "b.py:1: size=66 B, count=1, average=66 B");
        let diff = StatisticDiff {
            traceback: at("a.py", 5),
            tag: None,
            size: 5002,
            size_diff: 5000,
            count: 2,
            count_diff: 1,
            uncertainty: EXACT,
            uncertainty_diff: EXACT,
        };
        assert_eq!(diff.to_string(), "a.py:5: size=5002 B (+5000 B), count=2 (+1), average=2501 B");
    }

    #[test]
    fn a_group_that_is_gone_has_no_average() {
        let diff = StatisticDiff {
            traceback: at("a", 1),
            tag: None,
            size: 0,
            size_diff: -7,
            count: 0,
            count_diff: -1,
            uncertainty: EXACT,
            uncertainty_diff: EXACT,
        };
        assert_eq!(diff.to_string(), "a:1: size=0 B (-7 B), count=0 (-1)");
    }

    #[test]
    fn ties_put_the_larger_traceback_first() {
        let mut stats = [("a.py", 1), ("b.py", 1), ("b.py", 2)].map(|(file, line)| Statistic {
            traceback: at(file, line),
            tag: None,
            size: 1,
            count: 1,
            uncertainty: EXACT,
        });
        stats.sort_by(Statistic::report_order);
        assert_eq!(stats.map(|stat| stat.traceback.to_string()), ["b.py:2", "b.py:1", "a.py:1"]);
    }
}
