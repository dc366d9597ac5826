//! The report of `tmtool diff`: what grew and shrank from one snapshot to another.

use std::io;

use serde::Serialize;

use super::Report;
use super::stats::{group_noun, label_heading};
use crate::report::parts::estimate::{self, EstimateObject};
use crate::report::parts::header::{self, Summary};
use crate::report::parts::json::{FrameObject, SnapshotObject};
use crate::report::parts::notice::{self, Notice};
use crate::report::parts::style::Style;
use crate::report::parts::{csv, human, json, label, stacks, table};
use tm_analyzer::model::{Cumulative, KeyType, Origin, StatisticDiff, Uncertainty};
use tm_analyzer::text::LineSource;

/// What the report shows.
pub struct Diff<'a> {
    /// The earlier snapshot.
    pub old: Summary<'a>,
    /// The later one.
    pub new: Summary<'a>,
    /// What was grouped by.
    pub key_type: KeyType,
    /// Whether blocks count for callers.
    pub cumulative: Cumulative,
    /// All groups of both, in their order: what did not change is at the end.
    pub statistics: &'a [StatisticDiff],
    /// How many of them to show; `None` for all.
    pub limit: Option<usize>,
}

/// What is said where next to nothing is compared with anything.
const LINES_MOVED: &str =
    "Most is at lines of one side only, as when lines have moved between two builds: try --key function.";

impl<'a> Diff<'a> {
    /// The groups that changed, as many as are shown.
    pub fn shown(&self) -> impl Iterator<Item = &StatisticDiff> {
        self.changed().take(self.limit.unwrap_or(usize::MAX))
    }

    /// What helps to read the report, if anything does.
    pub fn hint(&self) -> Option<&'static str> {
        let is_of_lines = matches!(self.key_type, KeyType::Lineno | KeyType::Traceback);
        let recording = |summary: &Summary<'a>| summary.origin.map(|origin| origin.recording.as_str());
        let is_one_run = recording(&self.old).is_some() && recording(&self.old) == recording(&self.new);
        (is_of_lines && !is_one_run && self.is_mostly_one_sided()).then_some(LINES_MOVED)
    }

    /// What is to be known of both sides alike, and is said once.
    fn common_notes(&self) -> Vec<Notice> {
        let notices = |summary: &Summary<'a>| summary.origin.map(notice::of).unwrap_or_default();
        let (old, mut new) = (notices(&self.old), notices(&self.new));
        new.retain(|notice| !notice.is_warning() && old.contains(notice));
        new
    }

    /// Whether any of it is estimated.
    fn is_estimate(&self) -> bool {
        self.old.is_estimate() || self.new.is_estimate()
    }

    /// Whether of both sides more than half of the bytes are in groups that the other one does not have.
    fn is_mostly_one_sided(&self) -> bool {
        let (mut of_old, mut of_new, mut only_old, mut only_new) = (0_u128, 0_u128, 0_u128, 0_u128);
        for diff in self.statistics {
            let new = u128::from(diff.size);
            let old = u128::try_from(i128::from(diff.size) - i128::from(diff.size_diff)).unwrap_or(0);
            let n_old = i128::from(diff.count) - i128::from(diff.count_diff);
            of_old += old;
            of_new += new;
            only_old += if diff.count == 0 { old } else { 0 };
            only_new += if n_old == 0 { new } else { 0 };
        }
        of_old > 0 && of_new > 0 && only_old * 2 > of_old && only_new * 2 > of_new
    }

    fn changed(&self) -> impl Iterator<Item = &StatisticDiff> {
        self.statistics.iter().filter(|diff| (diff.size_diff, diff.count_diff) != (0, 0))
    }
}

impl Report for Diff<'_> {
    fn origins(&self) -> Vec<&Origin> {
        [self.old.origin, self.new.origin].into_iter().flatten().collect()
    }

    fn text(&self, style: &Style, source: &mut dyn LineSource) -> String {
        let common = self.common_notes();
        let without = |summary: &Summary<'_>| header::without(summary, &common, style);
        let mut text = headed("Old: ", &without(&self.old)) + &headed("New: ", &without(&self.new));
        text += &notice::lines(&common, style);
        text += &difference_line(self);
        text += &shown_line(self);
        if let Some(hint) = self.hint() {
            text += &format!("{}\n", style.warning(&format!("Note: {hint}")));
        }
        if self.shown().next().is_none() {
            return text;
        }
        text.push('\n');
        text + &match self.key_type {
            KeyType::Traceback => by_stack(self, style, source),
            _ => by_place(self, style),
        }
    }

    fn json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let object = DiffObject {
            report: "diff",
            version: json::VERSION,
            key: self.key_type.to_string(),
            cumulative: json::cumulative_name(self.cumulative),
            old: SnapshotObject::of(&self.old),
            new: SnapshotObject::of(&self.new),
            hint: self.hint(),
            n_groups: self.statistics.len(),
            statistics: self.shown().map(StatisticDiffObject::of).collect(),
        };
        json::write(&object, out)
    }

    /// The groups that changed.
    fn csv(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let headings = "size_diff,size,count_diff,count";
        let of_estimate = format!("{headings},{},size_diff_error,count_diff_error", estimate::CSV_HEADINGS);
        csv::headings(if self.is_estimate() { &of_estimate } else { headings }, self.key_type, out)?;
        for stat in self.shown() {
            let mut numbers = format!("{},{},{},{}", stat.size_diff, stat.size, stat.count_diff, stat.count);
            if self.is_estimate() {
                let of_diff = &stat.uncertainty_diff;
                let (bytes, count) = (of_diff.bytes(), of_diff.count());
                numbers += &format!(",{},{bytes},{count}", estimate::csv(&stat.uncertainty));
            }
            csv::row(&numbers, &stat.traceback, stat.tag.as_deref(), self.key_type, out)?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct DiffObject<'a> {
    report: &'static str,
    version: u32,
    key: String,
    cumulative: Option<&'static str>,
    old: SnapshotObject<'a>,
    new: SnapshotObject<'a>,
    hint: Option<&'static str>,
    /// The number of all groups; `statistics` are the first of those that changed.
    n_groups: usize,
    statistics: Vec<StatisticDiffObject<'a>>,
}

#[derive(Serialize)]
struct StatisticDiffObject<'a> {
    size: u64,
    size_diff: i64,
    count: u64,
    count_diff: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<EstimateObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate_diff: Option<EstimateObject>,
    tag: Option<&'a str>,
    traceback: Vec<FrameObject<'a>>,
}

impl<'a> StatisticDiffObject<'a> {
    fn of(diff: &'a StatisticDiff) -> StatisticDiffObject<'a> {
        StatisticDiffObject {
            size: diff.size,
            size_diff: diff.size_diff,
            count: diff.count,
            count_diff: diff.count_diff,
            estimate: EstimateObject::of(&diff.uncertainty),
            estimate_diff: EstimateObject::of(&diff.uncertainty_diff),
            tag: diff.tag.as_deref(),
            traceback: json::frames(&diff.traceback),
        }
    }
}

/// `lines` behind `heading`, the second one and those after it indented as far.
fn headed(heading: &str, lines: &str) -> String {
    let indent = " ".repeat(heading.len());
    let mut text = String::new();
    for (index, line) in lines.lines().enumerate() {
        text += &format!("{}{line}\n", if index == 0 { heading } else { &indent });
    }
    text
}

fn difference_line(diff: &Diff<'_>) -> String {
    let difference = |new: u64, old: u64| {
        let difference = i128::from(new) - i128::from(old);
        difference.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    };
    let (mut both, bytes) = (diff.new.uncertainty, difference(diff.new.size, diff.old.size));
    both += diff.old.uncertainty;
    let size = human::signed_size(bytes) + &plus_minus(&both);
    let count = difference(diff.new.count, diff.old.count);
    let noun = human::nouns(count.unsigned_abs(), "block");
    format!("Difference: {size}, {} {noun}\n", human::signed_count(count))
}

fn shown_line(diff: &Diff<'_>) -> String {
    let n_shown = human::count(diff.shown().count() as u64);
    let n_changed = diff.changed().count() as u64;
    let changed = human::counted(n_changed, group_noun(diff.key_type));
    let unchanged = human::count(diff.statistics.len() as u64 - n_changed);
    let counting = match diff.cumulative {
        Cumulative::Off => String::new(),
        Cumulative::Once => {
            format!("; a block counts once for each {} in its stack", group_noun(diff.key_type))
        }
        Cumulative::Tracemalloc => "; a block counts for every frame in its stack".to_owned(),
    };
    let shown = format!("Shown: {n_shown} of {changed} that changed ({unchanged} did not){counting}\n");
    match diff.changed().filter(|stat| is_noise(stat)).count() as u64 {
        0 => shown,
        n => format!("{shown}~: no more than chance explains ({})\n", counted_of(n, n_changed)),
    }
}

fn counted_of(n: u64, whole: u64) -> String {
    format!("{} of {}", human::count(n), human::count(whole))
}

/// Whether a difference of estimates may be none.
fn is_noise(stat: &StatisticDiff) -> bool {
    let uncertainty = &stat.uncertainty_diff;
    uncertainty.is_estimate() && stat.size_diff.unsigned_abs() <= uncertainty.bytes()
}

/// A difference in bytes, marked where it may be none.
fn size_diff(stat: &StatisticDiff) -> String {
    format!("{}{}", if is_noise(stat) { "~" } else { "" }, human::signed_size(stat.size_diff))
}

/// Writes how many bytes a difference may be off.
fn plus_minus(uncertainty: &Uncertainty) -> String {
    if uncertainty.is_estimate() { format!(" ±{}", human::size(uncertainty.bytes())) } else { String::new() }
}

fn by_place(diff: &Diff<'_>, style: &Style) -> String {
    let rows: Vec<_> = diff
        .shown()
        .map(|stat| {
            let mut cells = vec![
                size_diff(stat),
                human::size(stat.size),
                human::signed_count(stat.count_diff),
                human::count(stat.count),
            ];
            if diff.is_estimate() {
                cells.insert(1, plus_minus(&stat.uncertainty_diff).trim_start().to_owned());
            }
            (cells, stat)
        })
        .collect();
    let mut headings = vec!["SIZE DIFF", "SIZE", "COUNT DIFF", "COUNT", label_heading(diff.key_type)];
    if diff.is_estimate() {
        headings.insert(1, estimate::HEADING);
    }
    table::text(&headings, &rows, style, |stat, width| {
        label::group(&stat.traceback, stat.tag.as_deref(), diff.key_type, width, style.is_full)
    })
}

fn by_stack(diff: &Diff<'_>, style: &Style, source: &mut dyn LineSource) -> String {
    let traceback_limit = diff.old.traceback_limit.max(diff.new.traceback_limit);
    let mut text = String::new();
    for (index, stat) in diff.shown().enumerate() {
        let heading = format!(
            "{}. {}{} to {}, {} to {}",
            index + 1,
            size_diff(stat),
            plus_minus(&stat.uncertainty_diff),
            human::size(stat.size),
            human::signed_count(stat.count_diff),
            human::counted(stat.count, "block")
        );
        if index > 0 {
            text.push('\n');
        }
        text += &style.heading(&heading);
        text.push('\n');
        text += &stacks::text(&stat.traceback, traceback_limit, style, source);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::profiles;
    use tm_analyzer::text::NoLines;

    fn report(key_type: KeyType, limit: usize) -> String {
        let (old, new) = profiles();
        let statistics = new.compare_to(&old, key_type, Cumulative::Off).unwrap();
        let diff = Diff {
            old: Summary::of(&old),
            new: Summary::of(&new),
            key_type,
            cumulative: Cumulative::Off,
            statistics: &statistics,
            limit: Some(limit),
        };
        diff.text(&Style { width: Some(80), ..Style::default() }, &mut NoLines)
    }

    #[test]
    fn by_line() {
        assert_eq!(
            report(KeyType::Lineno, 20),
            "\
Old: A snapshot of unknown origin: 14.5 KiB in 202 blocks
New: tm.app.4321.bin: app --fast, pid 4321 on host
     At peak, 3.21 s of 12.50 s: 65.5 KiB live in 1,027 blocks
Difference: +51.1 KiB, +825 blocks
Shown: 2 of 2 lines that changed (1 did not)

SIZE DIFF      SIZE  COUNT DIFF  COUNT  LOCATION
+50.0 KiB  62.5 KiB        +800  1,000  .../src/node.cpp:1234  Node::make(int)
  +1104 B    2080 B         +25     26  src/table.c:57  table_grow
"
        );
    }

    #[test]
    fn what_is_true_of_both_sides_is_said_once() {
        let (_, mut new) = profiles();
        let mut old = new.clone();
        let notes = |own: &str| vec!["Of both.".to_owned(), own.to_owned()];
        old.origin.as_mut().unwrap().notes = notes("Of the old.");
        new.origin.as_mut().unwrap().notes = notes("Of the new.");
        let statistics = &new.compare_to(&old, KeyType::Lineno, Cumulative::Off).unwrap();
        let (old, new) = (Summary::of(&old), Summary::of(&new));
        let diff = Diff {
            old,
            new,
            key_type: KeyType::Lineno,
            cumulative: Cumulative::Off,
            statistics,
            limit: None,
        };
        let text = diff.text(&Style::default(), &mut NoLines);
        let notes: Vec<&str> = text.lines().filter(|line| line.contains("Note")).collect();
        assert_eq!(notes, ["     Note: Of the old.", "     Note: Of the new.", "Note: Of both."], "{text}");
    }

    #[test]
    fn by_stack() {
        assert_eq!(
            report(KeyType::Traceback, 1),
            "\
Old: A snapshot of unknown origin: 14.5 KiB in 202 blocks
New: tm.app.4321.bin: app --fast, pid 4321 on host
     At peak, 3.21 s of 12.50 s: 65.5 KiB live in 1,027 blocks
Difference: +51.1 KiB, +825 blocks
Shown: 1 of 2 stacks that changed (1 did not)

1. +50.0 KiB to 62.5 KiB, +800 to 1,000 blocks
  File \"src/main.c\", line 9, in main
  File \"/home/user/quite/long/path/of/a/project/src/node.cpp\", line 1234, in Node::make(..)
"
        );
    }
}
