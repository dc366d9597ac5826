//! The report of `tmtool timeline`: live bytes over time as a chart for a terminal, with the peak marked.

use std::io;

use serde::Serialize;

use super::Report;
use super::stats::{self, Stats, StatsObject};
use crate::report::parts::human::{counted, duration, size};
use crate::report::parts::style::Style;
use crate::report::parts::{header, json};
use tm_analyzer::model::Origin;
use tm_analyzer::text::LineSource;

/// What the report shows.
pub struct Timeline<'a> {
    /// The most that was live in each step of time, in order; the steps are of equal length.
    pub points: &'a [Point],
    /// Where the chart begins, in ns from the recording's start.
    pub from_ns: u64,
    /// Where it ends.
    pub until_ns: u64,
    /// Groups of what was live at the highest point.
    pub stats: Stats<'a>,
}

/// A point of the curve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Point {
    /// When, in ns from the recording's start.
    pub at_ns: u64,
    /// Live bytes.
    pub size: u64,
    /// Live blocks.
    pub count: u64,
}

impl Timeline<'_> {
    /// The highest point, the first if several; its place among the points.
    pub fn peak(&self) -> (usize, Point) {
        let reversed = self.points.iter().copied().enumerate().rev();
        reversed.max_by_key(|(_, point)| point.size).unwrap_or_default()
    }
}

const CHART_ROWS: usize = 12;
/// Where the width is not known, and at most: a longer line is not easier to read.
const WIDTH_UNKNOWN: usize = 100;
const WIDTH_MAX: usize = 160;
/// Eighths of a character cell, from below.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

impl Report for Timeline<'_> {
    fn origins(&self) -> Vec<&Origin> {
        self.stats.origins()
    }

    fn text(&self, style: &Style, source: &mut dyn LineSource) -> String {
        let (_, peak) = self.peak();
        let blocks = counted(peak.count, "block");
        let sentence = format!("At most {} live in {blocks}, at {}", size(peak.size), duration(peak.at_ns));
        let mut text = match self.stats.snapshot.origin {
            Some(origin) => header::of_run(origin, &sentence, style),
            None => sentence + "\n",
        };
        text.push('\n');
        text += &chart(self, style.width.unwrap_or(WIDTH_UNKNOWN).min(WIDTH_MAX));
        if self.stats.snapshot.count > 0 {
            text += &format!(
                "\nLive at {}:\n{}",
                duration(peak.at_ns),
                stats::groups(&self.stats, style, source)
            );
        }
        text
    }

    fn json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let Timeline { points, from_ns, until_ns, stats } = self;
        let stats = StatsObject::of("timeline", stats);
        json::write(&TimelineObject { stats, from_ns: *from_ns, until_ns: *until_ns, points }, out)
    }

    /// The curve, a line for each of its points.
    fn csv(&self, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(b"at_ns,size,count\n")?;
        self.points
            .iter()
            .try_for_each(|Point { at_ns, size, count }| writeln!(out, "{at_ns},{size},{count}"))
    }
}

#[derive(Serialize)]
struct TimelineObject<'a> {
    #[serde(flatten)]
    stats: StatsObject<'a>,
    from_ns: u64,
    until_ns: u64,
    points: &'a [Point],
}

/// The chart in lines of at most `width` characters.
fn chart(timeline: &Timeline<'_>, width: usize) -> String {
    let (peak_place, peak) = timeline.peak();
    let top = size(peak.size);
    let axis_width = top.len().max(3);
    let n_columns = width.saturating_sub(axis_width + 2).clamp(10, timeline.points.len().max(10));
    let columns = columns(timeline.points, n_columns);
    let peak_column = peak_place * n_columns / timeline.points.len().max(1);

    let mark = "v peak";
    let mark = if peak_column + mark.len() > n_columns { "peak v" } else { mark };
    let before = if mark.ends_with('v') { (peak_column + 1).saturating_sub(mark.len()) } else { peak_column };
    let mut text = format!("{:axis_width$}  {}{mark}\n", "", " ".repeat(before));
    for row in (0..CHART_ROWS).rev() {
        let label = match row {
            _ if row + 1 == CHART_ROWS => top.clone(),
            _ if row + 1 == CHART_ROWS / 2 => size(peak.size / 2),
            0 => "0".to_owned(),
            _ => String::new(),
        };
        let line: String = columns.iter().map(|&column| cell(column, peak.size, row)).collect();
        text += &format!("{label:>axis_width$} |{}\n", line.trim_end());
    }
    let (from, until) = (duration(timeline.from_ns), duration(timeline.until_ns));
    let gap = n_columns.saturating_sub(from.len());
    text + &format!(
        "{:axis_width$} +{}\n{:axis_width$}  {from}{until:>gap$}\n",
        "",
        "-".repeat(n_columns),
        ""
    )
}

/// The most of the points that belong to each column.
fn columns(points: &[Point], n_columns: usize) -> Vec<u64> {
    let column = |column: usize| {
        let start = column * points.len() / n_columns;
        let end = ((column + 1) * points.len() / n_columns).max(start + 1).min(points.len());
        points.get(start..end).unwrap_or_default().iter().map(|point| point.size).max().unwrap_or(0)
    };
    (0..n_columns).map(column).collect()
}

/// How much of the cell in `row`, counted from below, a column of `value` fills. What is not 0 is seen.
fn cell(value: u64, top: u64, row: usize) -> char {
    let eighths = u128::from(value) * (CHART_ROWS * 8) as u128;
    let height = eighths.div_ceil(u128::from(top.max(1))) as usize;
    let filled = height.saturating_sub(row * 8).min(8);
    EIGHTHS.get(filled).copied().unwrap_or(' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::origin;
    use crate::report::json_of;
    use crate::report::parts::header::Summary;
    use tm_analyzer::model::{Cumulative, KeyType, Snapshot};
    use tm_analyzer::text::NoLines;

    /// A rise to a peak of 1 MiB at 3/4 and a fall.
    fn points() -> Vec<Point> {
        let heights = (0..60).map(|step| if step < 45 { step + 1 } else { 60 - step });
        let point = |(step, height): (u64, u64)| Point {
            at_ns: step * 100_000_000,
            size: height * (1 << 20) / 45,
            count: height,
        };
        (0..).zip(heights).map(point).collect()
    }

    #[test]
    fn a_chart_has_axes_and_a_marked_peak() {
        let (points, origin, empty) = (points(), origin(), Snapshot::new(vec![], 16).profile());
        let stats = Stats {
            snapshot: Summary { origin: Some(&origin), ..Summary::of(&empty) },
            key_type: KeyType::Lineno,
            cumulative: Cumulative::Off,
            statistics: &[],
            limit: None,
        };
        let timeline = Timeline { points: &points, from_ns: 0, until_ns: 6_000_000_000, stats };
        assert_eq!(
            timeline.text(&Style { width: Some(50), ..Style::default() }, &mut NoLines),
            "\
tm.app.4321.bin: app --fast, pid 4321 on host
At most 1024 KiB live in 45 blocks, at 4.40 s

                                       v peak
1024 KiB |                           ▂▄█
         |                         ▄▆███
         |                      ▁▅▇█████
         |                    ▃▇████████
         |                 ▂▄███████████
         |               ▄▆█████████████
 512 KiB |            ▁▅▇███████████████
         |          ▃▇██████████████████
         |       ▂▄██████████████████████▆▂
         |     ▄▆███████████████████████████▄▂
         |  ▁▅▇███████████████████████████████▅▃
       0 |▃▇████████████████████████████████████▇▅
         +----------------------------------------
          0 ns                              6.00 s
"
        );
        assert!(json_of(&timeline).contains("\"points\": ["));
    }

    #[test]
    fn nothing_is_a_flat_line() {
        assert_eq!(columns(&[], 3), [0, 0, 0]);
        assert_eq!(cell(0, 0, 0), ' ');
        assert_eq!((cell(1, 1 << 40, 0), cell(1, 1 << 40, 1)), ('▁', ' '));
        assert_eq!(cell(u64::MAX, u64::MAX, CHART_ROWS - 1), '█');
    }
}
