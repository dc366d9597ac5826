//! The report of `tmtool top`: who allocated most, whether it was freed or not.

use serde::Serialize;

use super::header;
use super::human::{counted, size};
use super::json::{StatsObject, to_text};
use super::stats::{self, Stats};
use super::style::Style;
use tm_analyzer::model::LineSource;

/// What the report shows.
pub struct Top<'a> {
    /// Groups of all allocations.
    pub stats: Stats<'a>,
    /// Since when, in ns from the recording's start.
    pub from_ns: u64,
}

/// The report as text. `source` gives the source lines of tracebacks.
pub fn text(top: &Top<'_>, style: &Style, source: &mut dyn LineSource) -> String {
    let Some(origin) = top.stats.snapshot.origin else {
        return stats::text(&top.stats, style, source);
    };
    let (bytes, blocks) = (size(top.stats.snapshot.size), counted(top.stats.snapshot.count, "block"));
    let sentence = format!("{}: {bytes} allocated in {blocks}", header::span(top.from_ns, origin));
    header::of_run(origin, &sentence, style) + &stats::groups(&top.stats, style, source)
}

/// The report as JSON.
pub fn json(top: &Top<'_>) -> String {
    to_text(&TopObject { stats: StatsObject::of("top", &top.stats), from_ns: top.from_ns })
}

#[derive(Serialize)]
struct TopObject<'a> {
    #[serde(flatten)]
    stats: StatsObject<'a>,
    from_ns: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::snapshots;
    use crate::report::header::Summary;
    use tm_analyzer::model::{Cumulative, KeyType, NoLines};

    #[test]
    fn all_allocations_are_counted() {
        let (_, new) = snapshots();
        let statistics = new.statistics(KeyType::Lineno, Cumulative::Off).unwrap();
        let (key_type, cumulative) = (KeyType::Lineno, Cumulative::Off);
        let snapshot = Summary::of(&new);
        let stats = Stats { snapshot, key_type, cumulative, statistics: &statistics, limit: Some(1) };
        let top = Top { stats, from_ns: 1_000_000 };
        assert_eq!(
            text(&top, &Style { width: Some(80), is_full: false, colour: false }, &mut NoLines),
            "\
tm.app.4321.bin: app --fast, pid 4321 on host
From 1.0 ms to 3.21 s of 12.50 s: 65.5 KiB allocated in 1,027 blocks
Shown: 1 of 3 lines, 62.5 KiB in 1,000 blocks (95.4%)

    SIZE  SHARE  COUNT  AVERAGE  LOCATION
62.5 KiB  95.4%  1,000     64 B  .../a/project/src/node.cpp:1234  Node::make(..)
"
        );
        assert!(json(&top).contains("\"report\": \"top\""));
    }
}
