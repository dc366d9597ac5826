//! The report of `tmtool leaks`: what is live at the end. The youngest blocks stand apart, since they may be in use.

use std::io;

use serde::Serialize;

use super::Report;
use super::stats::{self, Stats, StatsObject};
use crate::report::parts::header::Summary;
use crate::report::parts::human::{counted, duration, size};
use crate::report::parts::style::Style;
use crate::report::parts::{csv, estimate, header, json};
use tm_analyzer::model::Origin;
use tm_analyzer::text::LineSource;

/// What the report shows.
pub struct Leaks<'a> {
    /// Groups of the blocks that are old enough to be leaks.
    pub old: Stats<'a>,
    /// Groups of those that are younger.
    pub young: Stats<'a>,
    /// Groups of those that run-time libraries keep for themselves, of any age.
    pub runtime: Stats<'a>,
    /// Whether the text shows these groups, and not a line for all.
    pub shows_runtime: bool,
    /// Blocks that came after this are young, in ns from the recording's start.
    pub young_after_ns: u64,
}

impl Report for Leaks<'_> {
    fn origins(&self) -> Vec<&Origin> {
        self.old.origins()
    }

    fn text(&self, style: &Style, source: &mut dyn LineSource) -> String {
        let after = duration(self.young_after_ns);
        let summary = &self.old.snapshot;
        let mut text = match summary.origin {
            Some(origin) => header::of_run(origin, &header::live_line(origin), style),
            None => header::text(summary, style),
        };
        text += &section(&format!("Allocated up to {after} and not freed"), &self.old, style, source);
        if self.young.snapshot.count > 0 {
            let title = format!("Allocated after {after}, perhaps still in use");
            text.push('\n');
            text += &section(&title, &self.young, style, source);
        }
        text + &runtime(self, style, source)
    }

    fn json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        json::write(
            &LeaksObject {
                leaks: StatsObject::of("leaks", &self.old),
                young_after_ns: self.young_after_ns,
                young: StatsObject::of("leaks", &self.young),
                runtime: StatsObject::of("leaks", &self.runtime),
            },
            out,
        )
    }

    /// One table, with a first column that tells the old from the young and from what run-time libraries keep for
    /// themselves.
    fn csv(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let headings = stats::csv_headings(self.old.is_estimate());
        csv::headings(&format!("age,{headings}"), self.old.key_type, out)?;
        self.old.csv_rows("old,", out)?;
        self.young.csv_rows("young,", out)?;
        self.runtime.csv_rows("runtime,", out)
    }
}

/// What libraries keep for themselves: a line, unless more is wanted.
fn runtime(leaks: &Leaks<'_>, style: &Style, source: &mut dyn LineSource) -> String {
    let Leaks { runtime, shows_runtime, .. } = leaks;
    if runtime.snapshot.count == 0 {
        return String::new();
    }
    let title = "Kept by run-time libraries for themselves";
    if *shows_runtime {
        return format!("\n{}", section(title, runtime, style, source));
    }
    let bytes = sum(runtime);
    let blocks = counted(runtime.snapshot.count, "block");
    let groups = counted(runtime.statistics.len() as u64, stats::group_noun(runtime.key_type));
    let them = if runtime.statistics.len() == 1 { "it" } else { "them" };
    format!("\n{title}: {bytes} in {blocks} ({groups}; --runtime shows {them})\n")
}

/// The bytes of all groups.
fn sum(stats: &Stats<'_>) -> String {
    let Summary { size: bytes, uncertainty, .. } = &stats.snapshot;
    size(*bytes) + &estimate::behind(uncertainty, *bytes)
}

fn section(title: &str, stats: &Stats<'_>, style: &Style, source: &mut dyn LineSource) -> String {
    if stats.snapshot.count == 0 {
        return style.heading(&format!("{title}: nothing")) + "\n";
    }
    let blocks = counted(stats.snapshot.count, "block");
    let heading = style.heading(&format!("{title}: {} in {blocks}", sum(stats)));
    heading + "\n" + &stats::groups(stats, style, source)
}

#[derive(Serialize)]
struct LeaksObject<'a> {
    #[serde(flatten)]
    leaks: StatsObject<'a>,
    young_after_ns: u64,
    young: StatsObject<'a>,
    runtime: StatsObject<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::{origin, profiles};
    use crate::report::json_of;
    use crate::report::parts::header::Summary;
    use tm_analyzer::model::{Cumulative, KeyType, Snapshot};
    use tm_analyzer::text::NoLines;

    #[test]
    fn the_youngest_stand_apart() {
        let (young, old) = profiles();
        let (key_type, cumulative) = (KeyType::Lineno, Cumulative::Off);
        let groups = [&old, &young].map(|snapshot| snapshot.statistics(key_type, cumulative).unwrap());
        let origin = origin();
        let stats = |snapshot, statistics| Stats {
            snapshot: Summary { origin: Some(&origin), ..Summary::of(snapshot) },
            key_type,
            cumulative,
            statistics,
            limit: Some(1),
        };
        let libraries = profiles().0;
        let mut leaks = Leaks {
            old: stats(&old, &groups[0]),
            young: stats(&young, &groups[1]),
            runtime: stats(&libraries, &groups[1]),
            shows_runtime: false,
            young_after_ns: 11_250_000_000,
        };
        assert_eq!(
            leaks.text(&Style { width: Some(80), ..Style::default() }, &mut NoLines),
            "\
tm.app.4321.bin: app --fast, pid 4321 on host
At peak, 3.21 s of 12.50 s: 12.3 MiB live in 45,678 blocks
Allocated up to 11.25 s and not freed: 65.5 KiB in 1,027 blocks
Shown: 1 of 3 lines, 62.5 KiB in 1,000 blocks (95.4%)

    SIZE  SHARE  COUNT  AVERAGE  LOCATION
62.5 KiB  95.4%  1,000     64 B  .../a/project/src/node.cpp:1234  Node::make(..)

Allocated after 11.25 s, perhaps still in use: 14.5 KiB in 202 blocks
Shown: 1 of 3 lines, 12.5 KiB in 200 blocks (86.5%)

    SIZE  SHARE  COUNT  AVERAGE  LOCATION
12.5 KiB  86.5%    200     64 B  .../a/project/src/node.cpp:1234  Node::make(..)

Kept by run-time libraries for themselves: 14.5 KiB in 202 blocks (3 lines; --runtime shows them)
"
        );
        let nothing = Snapshot::new(Vec::new(), 16).profile();
        leaks.old = stats(&nothing, &groups[0][..0]);
        let text_without = leaks.text(&Style::default(), &mut NoLines);
        assert!(text_without.contains("Allocated up to 11.25 s and not freed: nothing\n\nAllocated after"));
        leaks.shows_runtime = true;
        let whole = leaks.text(&Style::default(), &mut NoLines);
        assert!(whole.contains(
            "\nKept by run-time libraries for themselves: 14.5 KiB in 202 blocks\nShown: 1 of 3 lines"
        ));
        let value: serde_json::Value = serde_json::from_str(&json_of(&leaks)).unwrap();
        assert_eq!((&value["report"], &value["young"]["n_groups"]), (&"leaks".into(), &3.into()));
    }
}
