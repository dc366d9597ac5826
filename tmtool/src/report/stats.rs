//! The report of `tmtool stats`: live blocks by file, line or stack.

use std::io;

use serde::Serialize;

use super::Report;
use crate::report::parts::header::{self, Summary};
use crate::report::parts::human::ratio;
use crate::report::parts::json::{SnapshotObject, StatisticObject};
use crate::report::parts::style::Style;
use crate::report::parts::{csv, estimate, human, json, label, stacks, table};
use tm_analyzer::model::{Cumulative, KeyType, Origin, Statistic};
use tm_analyzer::text::LineSource;

/// What the report shows.
pub struct Stats<'a> {
    /// The snapshot that was grouped.
    pub snapshot: Summary<'a>,
    /// What blocks are grouped by.
    pub key_type: KeyType,
    /// Whether blocks count for callers.
    pub cumulative: Cumulative,
    /// All groups, in their order.
    pub statistics: &'a [Statistic],
    /// How many of them to show; `None` for all.
    pub limit: Option<usize>,
}

impl Stats<'_> {
    /// The groups that are shown.
    pub fn shown(&self) -> &[Statistic] {
        let n_shown = self.limit.unwrap_or(usize::MAX).min(self.statistics.len());
        self.statistics.get(..n_shown).unwrap_or_default()
    }

    /// Whether any of it is estimated.
    pub(super) fn is_estimate(&self) -> bool {
        self.snapshot.is_estimate()
    }

    /// Writes the groups as rows of CSV, each after the fields `first`.
    pub(super) fn csv_rows(&self, first: &str, out: &mut dyn io::Write) -> io::Result<()> {
        for stat in self.shown() {
            let (average, share) = (ratio(stat.size, stat.count), ratio(stat.size, self.snapshot.size));
            let mut numbers = format!("{first}{},{},{average:.1},{share:.6}", stat.size, stat.count);
            if self.is_estimate() {
                numbers += &format!(",{}", estimate::csv(&stat.uncertainty));
            }
            csv::row(&numbers, &stat.traceback, stat.tag.as_deref(), self.key_type, out)?;
        }
        Ok(())
    }
}

/// The columns of [`Stats::csv_rows`].
pub(super) fn csv_headings(is_estimate: bool) -> String {
    let headings = "size,count,average,share";
    if is_estimate { format!("{headings},{}", estimate::CSV_HEADINGS) } else { headings.to_owned() }
}

/// Groups and what they are groups of.
#[derive(Serialize)]
pub(super) struct StatsObject<'a> {
    report: &'static str,
    version: u32,
    key: String,
    cumulative: Option<&'static str>,
    snapshot: SnapshotObject<'a>,
    /// The number of all groups; `statistics` are the first.
    n_groups: usize,
    statistics: Vec<StatisticObject<'a>>,
}

impl<'a> StatsObject<'a> {
    /// `stats` as the answer of the report of this name.
    pub(super) fn of(report: &'static str, stats: &'a Stats<'_>) -> StatsObject<'a> {
        StatsObject {
            report,
            version: json::VERSION,
            key: stats.key_type.to_string(),
            cumulative: json::cumulative_name(stats.cumulative),
            snapshot: SnapshotObject::of(&stats.snapshot),
            n_groups: stats.statistics.len(),
            statistics: stats
                .shown()
                .iter()
                .map(|stat| StatisticObject::of(stat, stats.snapshot.size))
                .collect(),
        }
    }
}

impl Report for Stats<'_> {
    fn origins(&self) -> Vec<&Origin> {
        self.snapshot.origin.into_iter().collect()
    }

    fn text(&self, style: &Style, source: &mut dyn LineSource) -> String {
        header::text(&self.snapshot, style) + &groups(self, style, source)
    }

    fn json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        json::write(&StatsObject::of("stats", self), out)
    }

    /// `share` is of the snapshot's bytes, 0 to 1.
    fn csv(&self, out: &mut dyn io::Write) -> io::Result<()> {
        csv::headings(&csv_headings(self.is_estimate()), self.key_type, out)?;
        self.csv_rows("", out)
    }
}

/// The report without its header: the groups, and how many of them are shown.
pub(super) fn groups(stats: &Stats<'_>, style: &Style, source: &mut dyn LineSource) -> String {
    let mut text = shown_line(stats) + "\n";
    if stats.shown().is_empty() {
        return text;
    }
    text.push('\n');
    text + &match stats.key_type {
        KeyType::Traceback => by_stack(stats, style, source),
        _ => by_place(stats, style),
    }
}

/// How a key's groups are called, for "2 of 30 lines".
pub(super) fn group_noun(key_type: KeyType) -> &'static str {
    match key_type {
        KeyType::Filename => "file",
        KeyType::Lineno => "line",
        KeyType::Traceback => "stack",
        KeyType::Function => "function",
        KeyType::Module => "module",
        KeyType::Tag => "tag",
    }
}

/// What stands above the groups' names.
pub(super) fn label_heading(key_type: KeyType) -> &'static str {
    if key_type == KeyType::Tag { "TAG" } else { "LOCATION" }
}

fn shown_line(stats: &Stats<'_>) -> String {
    let shown = stats.shown();
    let groups = human::counted(stats.statistics.len() as u64, group_noun(stats.key_type));
    let n_shown = human::count(shown.len() as u64);
    let size = shown.iter().fold(0, |sum: u64, stat| sum.saturating_add(stat.size));
    let count = shown.iter().fold(0, |sum: u64, stat| sum.saturating_add(stat.count));
    match stats.cumulative {
        Cumulative::Off => format!(
            "Shown: {n_shown} of {groups}, {} in {} ({})",
            human::size(size),
            human::counted(count, "block"),
            human::percent(size, stats.snapshot.size)
        ),
        Cumulative::Once => {
            let noun = group_noun(stats.key_type);
            format!("Shown: {n_shown} of {groups}; a block counts once for each {noun} in its stack")
        }
        Cumulative::Tracemalloc => {
            format!(
                "Shown: {n_shown} of {groups}; a block counts for every frame in its stack, repeated ones too"
            )
        }
    }
}

fn by_place(stats: &Stats<'_>, style: &Style) -> String {
    let rows: Vec<_> = stats
        .shown()
        .iter()
        .map(|stat| {
            let mut cells = vec![
                human::size(stat.size),
                human::percent(stat.size, stats.snapshot.size),
                human::count(stat.count),
                human::average(stat.size, stat.count),
            ];
            if stats.is_estimate() {
                cells.insert(1, estimate::cell(&stat.uncertainty, stat.size));
            }
            (cells, stat)
        })
        .collect();
    let mut headings = vec!["SIZE", "SHARE", "COUNT", "AVERAGE", label_heading(stats.key_type)];
    if stats.is_estimate() {
        headings.insert(1, estimate::HEADING);
    }
    table::text(&headings, &rows, style, |stat, width| {
        label::group(&stat.traceback, stat.tag.as_deref(), stats.key_type, width, style.is_full)
    })
}

fn by_stack(stats: &Stats<'_>, style: &Style, source: &mut dyn LineSource) -> String {
    let mut text = String::new();
    for (index, stat) in stats.shown().iter().enumerate() {
        let heading = format!(
            "{}. {}{} ({}) in {}, average {}",
            index + 1,
            human::size(stat.size),
            estimate::behind(&stat.uncertainty, stat.size),
            human::percent(stat.size, stats.snapshot.size),
            human::counted(stat.count, "block"),
            human::average(stat.size, stat.count)
        );
        if index > 0 {
            text.push('\n');
        }
        text += &style.heading(&heading);
        text.push('\n');
        text += &stacks::text(&stat.traceback, stats.snapshot.traceback_limit, style, source);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::profiles;
    use tm_analyzer::model::{Profile, Snapshot};
    use tm_analyzer::text::NoLines;

    fn report(
        profile: &Profile,
        key_type: KeyType,
        cumulative: Cumulative,
        limit: usize,
        style: Style,
    ) -> String {
        let statistics = profile.statistics(key_type, cumulative).unwrap();
        let stats = Stats {
            snapshot: Summary::of(profile),
            key_type,
            cumulative,
            statistics: &statistics,
            limit: Some(limit),
        };
        stats.text(&style, &mut NoLines)
    }

    const NARROW: Style = Style { width: Some(80), is_full: false, colour: false, is_ascii: false };

    #[test]
    fn by_line() {
        let (_, new) = profiles();
        assert_eq!(
            report(&new, KeyType::Lineno, Cumulative::Off, 2, NARROW),
            "\
tm.app.4321.bin: app --fast, pid 4321 on host
At peak, 3.21 s of 12.50 s: 65.5 KiB live in 1,027 blocks
Shown: 2 of 3 lines, 64.5 KiB in 1,026 blocks (98.5%)

    SIZE  SHARE  COUNT  AVERAGE  LOCATION
62.5 KiB  95.4%  1,000     64 B  .../a/project/src/node.cpp:1234  Node::make(..)
  2080 B   3.1%     26     80 B  src/table.c:57  table_grow
"
        );
    }

    #[test]
    fn by_file_without_a_limit_to_the_width() {
        let (_, new) = profiles();
        assert_eq!(
            report(&new, KeyType::Filename, Cumulative::Off, 20, Style::default()),
            "\
tm.app.4321.bin: app --fast, pid 4321 on host
At peak, 3.21 s of 12.50 s: 65.5 KiB live in 1,027 blocks
Shown: 3 of 3 files, 65.5 KiB in 1,027 blocks (100.0%)

    SIZE  SHARE  COUNT  AVERAGE  LOCATION
62.5 KiB  95.4%  1,000     64 B  /home/user/quite/long/path/of/a/project/src/node.cpp
  2080 B   3.1%     26     80 B  src/table.c
  1024 B   1.5%      1   1024 B  libc.so.6+0x1234
"
        );
    }

    #[test]
    fn by_stack() {
        let (_, new) = profiles();
        assert_eq!(
            report(&new, KeyType::Traceback, Cumulative::Off, 1, NARROW),
            "\
tm.app.4321.bin: app --fast, pid 4321 on host
At peak, 3.21 s of 12.50 s: 65.5 KiB live in 1,027 blocks
Shown: 1 of 3 stacks, 62.5 KiB in 1,000 blocks (95.4%)

1. 62.5 KiB (95.4%) in 1,000 blocks, average 64 B
  File \"src/main.c\", line 9, in main
  File \"/home/user/quite/long/path/of/a/project/src/node.cpp\", line 1234, in Node::make(..)
"
        );
    }

    #[test]
    fn by_label() {
        let (_, mut new) = profiles();
        for row in new.rows.iter_mut().filter(|row| row.amount.bytes == 80 * 26) {
            row.tag = Some("GET /orders".into());
        }
        assert_eq!(
            report(&new, KeyType::Tag, Cumulative::Off, 20, NARROW),
            "\
tm.app.4321.bin: app --fast, pid 4321 on host
At peak, 3.21 s of 12.50 s: 65.5 KiB live in 1,027 blocks
Shown: 2 of 2 tags, 65.5 KiB in 1,027 blocks (100.0%)

    SIZE  SHARE  COUNT  AVERAGE  TAG
63.5 KiB  96.9%  1,001     65 B  (no tag)
  2080 B   3.1%     26     80 B  GET /orders
"
        );
    }

    #[test]
    fn cumulative_says_how_blocks_count() {
        let (_, new) = profiles();
        let text = report(&new, KeyType::Lineno, Cumulative::Once, 1, NARROW);
        assert!(
            text.contains("Shown: 1 of 4 lines; a block counts once for each line in its stack\n"),
            "{text}"
        );
        assert!(text.ends_with("65.5 KiB  100.0%  1,027     65 B  src/main.c:9  main\n"), "{text}");
    }

    #[test]
    fn an_empty_snapshot_has_no_table() {
        let text = report(&Snapshot::new(vec![], 1).profile(), KeyType::Lineno, Cumulative::Off, 20, NARROW);
        assert_eq!(
            text,
            "A snapshot of unknown origin: 0 B in 0 blocks\nShown: 0 of 0 lines, 0 B in 0 blocks (-)\n"
        );
    }

    #[test]
    fn colour_is_the_heading_alone() {
        let (_, new) = profiles();
        let style = Style { width: Some(80), colour: true, ..Style::default() };
        let text = report(&new, KeyType::Lineno, Cumulative::Off, 2, style);
        assert_eq!(text.matches('\x1b').count(), 2);
    }
}
