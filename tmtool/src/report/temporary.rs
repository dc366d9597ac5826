//! The report of `tmtool temporary`: blocks that were freed before their thread allocated the next one, and how long
//! blocks live.

use std::io;

use serde::Serialize;

use super::Report;
use super::stats::{self, Stats, StatsObject};
use crate::report::parts::human::{count, counted, percent, size, whole_duration};
use crate::report::parts::json::StatisticObject;
use crate::report::parts::style::Style;
use crate::report::parts::{estimate, header, json, label, table};
use tm_analyzer::model::{KeyType, Origin, Statistic};
use tm_analyzer::text::LineSource;

/// What the report shows.
pub struct Temporary<'a> {
    /// Groups of the temporary blocks.
    pub stats: Stats<'a>,
    /// All blocks that were allocated and freed, by lifetime, the shortest first.
    pub decades: &'a [Decade],
    /// Since when they were allocated, in ns from the recording's start.
    pub from_ns: u64,
}

/// The blocks whose lifetime is between two limits.
#[derive(Clone, Debug)]
pub struct Decade {
    /// They lived less than this, in ns; `None`: longer than all others.
    pub below_ns: Option<u64>,
    /// Their requested bytes.
    pub size: u64,
    /// Their number.
    pub count: u64,
    /// The group with most bytes of them.
    pub most: Option<Statistic>,
}

/// The width of the longest bar.
const BAR_WIDTH: u64 = 10;

impl Report for Temporary<'_> {
    fn origins(&self) -> Vec<&Origin> {
        self.stats.origins()
    }

    fn text(&self, style: &Style, source: &mut dyn LineSource) -> String {
        let Temporary { stats, decades, from_ns } = self;
        let Some(origin) = stats.snapshot.origin else {
            return stats.text(style, source);
        };
        let n_freed = n_freed(decades);
        let sentence = format!(
            "{}: {} allocated and freed\n{} of them ({}) before their thread allocated the next: {}",
            header::span(*from_ns, origin),
            counted(n_freed, "block"),
            count(stats.snapshot.count),
            percent(stats.snapshot.count, n_freed),
            size(stats.snapshot.size) + &estimate::behind(&stats.snapshot.uncertainty, stats.snapshot.size)
        );
        let mut text = header::of_run(origin, &sentence, style) + &stats::groups(stats, style, source);
        if n_freed > 0 {
            text += "\nAll freed blocks by lifetime, and who has most of each:\n\n";
            text += &histogram(decades, stats.key_type, style);
        }
        text
    }

    fn json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let decades = self.decades.iter().map(|decade| DecadeObject {
            below_ns: decade.below_ns,
            size: decade.size,
            count: decade.count,
            most: decade.most.as_ref().map(|most| StatisticObject::of(most, decade.size)),
        });
        let stats = StatsObject::of("temporary", &self.stats);
        json::write(&TemporaryObject { stats, from_ns: self.from_ns, lifetimes: decades.collect() }, out)
    }

    fn csv(&self, out: &mut dyn io::Write) -> io::Result<()> {
        self.stats.csv(out)
    }
}

#[derive(Serialize)]
struct TemporaryObject<'a> {
    #[serde(flatten)]
    stats: StatsObject<'a>,
    from_ns: u64,
    lifetimes: Vec<DecadeObject<'a>>,
}

#[derive(Serialize)]
struct DecadeObject<'a> {
    below_ns: Option<u64>,
    size: u64,
    count: u64,
    most: Option<StatisticObject<'a>>,
}

fn n_freed(decades: &[Decade]) -> u64 {
    decades.iter().fold(0, |sum: u64, decade| sum.saturating_add(decade.count))
}

fn histogram(decades: &[Decade], key_type: KeyType, style: &Style) -> String {
    let whole = n_freed(decades);
    let longest = decades.iter().map(|decade| decade.count).max().unwrap_or(0).max(1);
    let mut previous_ns = 0;
    let mut rows = Vec::new();
    for decade in decades {
        let lifetime = match decade.below_ns {
            Some(below) => format!("< {}", whole_duration(below)),
            None => format!(">= {}", whole_duration(previous_ns)),
        };
        previous_ns = decade.below_ns.unwrap_or(previous_ns);
        let n_marks = (u128::from(decade.count) * u128::from(BAR_WIDTH)).div_ceil(u128::from(longest));
        let bar = format!("{:<width$}", "#".repeat(n_marks as usize), width = BAR_WIDTH as usize);
        let share = percent(decade.count, whole);
        let cells = vec![lifetime, count(decade.count), share, bar, size(decade.size)];
        rows.push((cells, decade.most.as_ref()));
    }
    let headings = ["LIFETIME", "COUNT", "SHARE", "", "SIZE", "MOST"];
    let label = |most: &Option<&Statistic>, width| {
        most.map_or(String::new(), |most| {
            label::group(&most.traceback, most.tag.as_deref(), key_type, width, style.is_full)
        })
    };
    table::text(&headings, &rows, style, label).lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::profiles;
    use crate::report::json_of;
    use crate::report::parts::header::Summary;
    use tm_analyzer::model::{Cumulative, Frame, Traceback, Uncertainty};
    use tm_analyzer::text::NoLines;

    #[test]
    fn lifetimes_are_a_histogram() {
        let (_, new) = profiles();
        let (key_type, cumulative) = (KeyType::Lineno, Cumulative::Off);
        let statistics = new.statistics(key_type, cumulative).unwrap();
        let snapshot = Summary::of(&new);
        let stats = Stats { snapshot, key_type, cumulative, statistics: &statistics, limit: Some(1) };
        let traceback = Traceback::new(vec![Frame::new("src/table.c", 57)], None);
        let most =
            Some(Statistic { traceback, tag: None, size: 90, count: 3, uncertainty: Uncertainty::EXACT });
        let decades = [
            Decade { below_ns: Some(1_000), size: 100_000, count: 3_000, most },
            Decade { below_ns: Some(10_000), size: 0, count: 0, most: None },
            Decade { below_ns: None, size: 5, count: 1, most: None },
        ];
        let temporary = Temporary { stats, decades: &decades, from_ns: 0 };
        assert_eq!(
            temporary.text(&Style { width: Some(80), ..Style::default() }, &mut NoLines),
            "\
tm.app.4321.bin: app --fast, pid 4321 on host
In the first 3.21 s of 12.50 s: 3,001 blocks allocated and freed
1,027 of them (34.2%) before their thread allocated the next: 65.5 KiB
Shown: 1 of 3 lines, 62.5 KiB in 1,000 blocks (95.4%)

    SIZE  SHARE  COUNT  AVERAGE  LOCATION
62.5 KiB  95.4%  1,000     64 B  .../a/project/src/node.cpp:1234  Node::make(..)

All freed blocks by lifetime, and who has most of each:

LIFETIME  COUNT   SHARE                  SIZE  MOST
  < 1 us  3,000  100.0%  ##########  97.7 KiB  src/table.c:57
 < 10 us      0    0.0%                   0 B
>= 10 us      1    0.0%  #                5 B
"
        );
        assert!(json_of(&temporary).contains("\"below_ns\": 10000"));
    }
}
