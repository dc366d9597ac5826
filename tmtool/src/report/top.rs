//! The report of `tmtool top`: who allocated most, whether it was freed or not.

use std::io;

use serde::Serialize;

use super::Report;
use super::stats::{self, Stats, StatsObject};
use crate::report::parts::header::Summary;
use crate::report::parts::human::{counted, size};
use crate::report::parts::style::Style;
use crate::report::parts::{estimate, header, json};
use tm_analyzer::model::Origin;
use tm_analyzer::text::LineSource;

/// What the report shows.
pub struct Top<'a> {
    /// Groups of all allocations.
    pub stats: Stats<'a>,
    /// Since when, in ns from the recording's start.
    pub from_ns: u64,
}

impl Report for Top<'_> {
    fn origins(&self) -> Vec<&Origin> {
        self.stats.origins()
    }

    fn text(&self, style: &Style, source: &mut dyn LineSource) -> String {
        let Some(origin) = self.stats.snapshot.origin else {
            return self.stats.text(style, source);
        };
        let Summary { size: bytes, count, uncertainty, .. } = &self.stats.snapshot;
        let (more, blocks) = (estimate::behind(uncertainty, *bytes), counted(*count, "block"));
        let bytes = size(*bytes) + &more;
        let sentence = format!("{}: {bytes} allocated in {blocks}", header::span(self.from_ns, origin));
        header::of_run(origin, &sentence, style) + &stats::groups(&self.stats, style, source)
    }

    fn json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        json::write(&TopObject { stats: StatsObject::of("top", &self.stats), from_ns: self.from_ns }, out)
    }

    fn csv(&self, out: &mut dyn io::Write) -> io::Result<()> {
        self.stats.csv(out)
    }
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
    use crate::report::fixtures::profiles;
    use crate::report::json_of;
    use crate::report::parts::header::Summary;
    use tm_analyzer::model::{Cumulative, KeyType};
    use tm_analyzer::text::NoLines;

    #[test]
    fn all_allocations_are_counted() {
        let (_, new) = profiles();
        let statistics = new.statistics(KeyType::Lineno, Cumulative::Off).unwrap();
        let (key_type, cumulative) = (KeyType::Lineno, Cumulative::Off);
        let snapshot = Summary::of(&new);
        let stats = Stats { snapshot, key_type, cumulative, statistics: &statistics, limit: Some(1) };
        let top = Top { stats, from_ns: 1_000_000 };
        assert_eq!(
            top.text(&Style { width: Some(80), ..Style::default() }, &mut NoLines),
            "\
tm.app.4321.bin: app --fast, pid 4321 on host
From 1.0 ms to 3.21 s of 12.50 s: 65.5 KiB allocated in 1,027 blocks
Shown: 1 of 3 lines, 62.5 KiB in 1,000 blocks (95.4%)

    SIZE  SHARE  COUNT  AVERAGE  LOCATION
62.5 KiB  95.4%  1,000     64 B  .../a/project/src/node.cpp:1234  Node::make(..)
"
        );
        assert!(json_of(&top).contains("\"report\": \"top\""));
    }
}
