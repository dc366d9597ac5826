//! The report of `tmtool peak`: what the peak was made of, and when and how it was reached.

use std::io;

use serde::Serialize;

use super::Report;
use super::stats::{self, Stats, StatsObject};
use crate::report::parts::human::{duration, percent, printable, size, width};
use crate::report::parts::json::{FrameObject, frames};
use crate::report::parts::style::Style;
use crate::report::parts::{header, json, label};
use tm_analyzer::model::{KeyType, Origin, Traceback};
use tm_analyzer::text::LineSource;

/// What the report shows.
pub struct Peak<'a> {
    /// Groups of the blocks of the peak.
    pub stats: Stats<'a>,
    /// How it was reached.
    pub ascent: Ascent,
}

/// The way to the peak; times in ns from the recording's start.
#[derive(Clone, Debug)]
pub struct Ascent {
    /// Since when at least half of the peak's bytes were live.
    pub half_ns: u64,
    /// Since when at least nine tenths were.
    pub nine_tenths_ns: u64,
    /// The block that made it the peak: bytes, thread, stack; `None` if it was there from the start.
    pub last: Option<(u64, String, Traceback)>,
    /// Bytes that are live at the end of the run.
    pub end_bytes: u64,
}

impl Report for Peak<'_> {
    fn origins(&self) -> Vec<&Origin> {
        self.stats.origins()
    }

    fn text(&self, style: &Style, source: &mut dyn LineSource) -> String {
        let Some(origin) = self.stats.snapshot.origin else {
            return self.stats.text(style, source);
        };
        let Ascent { half_ns, nine_tenths_ns, last, end_bytes } = &self.ascent;
        let mut text = header::text(&self.stats.snapshot, style);
        let share = percent(origin.moment_ns, origin.duration_ns);
        let (half, nine_tenths) = (duration(*half_ns), duration(*nine_tenths_ns));
        text += &format!("After {share} of the run: half of it at {half}, nine tenths at {nine_tenths}\n");
        text += &format!("Live at the end: {}\n", size(*end_bytes));
        if let Some((bytes, thread, traceback)) = last {
            let start = format!("Reached by {} of thread {}, ", size(*bytes), printable(thread));
            let room = style.width.map(|columns| columns.saturating_sub(width(&start)).max(20));
            text +=
                &format!("{start}{}\n", label::group(traceback, None, KeyType::Lineno, room, style.is_full));
        }
        text + &stats::groups(&self.stats, style, source)
    }

    fn json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let Ascent { half_ns, nine_tenths_ns, ref last, end_bytes } = self.ascent;
        let last = last.as_ref().map(|(size, thread, traceback)| LastObject {
            size: *size,
            thread,
            traceback: frames(traceback),
        });
        let stats = StatsObject::of("peak", &self.stats);
        json::write(&PeakObject { stats, half_ns, nine_tenths_ns, last, end_bytes }, out)
    }

    fn csv(&self, out: &mut dyn io::Write) -> io::Result<()> {
        self.stats.csv(out)
    }
}

#[derive(Serialize)]
struct PeakObject<'a> {
    #[serde(flatten)]
    stats: StatsObject<'a>,
    half_ns: u64,
    nine_tenths_ns: u64,
    last: Option<LastObject<'a>>,
    end_bytes: u64,
}

#[derive(Serialize)]
struct LastObject<'a> {
    size: u64,
    thread: &'a str,
    traceback: Vec<FrameObject<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::profiles;
    use crate::report::json_of;
    use crate::report::parts::header::Summary;
    use tm_analyzer::model::{Cumulative, Frame};
    use tm_analyzer::text::NoLines;

    #[test]
    fn it_says_when_and_how() {
        let (_, new) = profiles();
        let (key_type, cumulative) = (KeyType::Lineno, Cumulative::Off);
        let statistics = new.statistics(key_type, cumulative).unwrap();
        let snapshot = Summary::of(&new);
        let stats = Stats { snapshot, key_type, cumulative, statistics: &statistics, limit: Some(1) };
        let last = Traceback::new(vec![Frame::new("src/table.c", 57)], None);
        let ascent = Ascent {
            half_ns: 1_500_000_000,
            nine_tenths_ns: 3_000_000_000,
            last: Some((80, "4321 app".to_owned(), last)),
            end_bytes: 1_024,
        };
        let peak = Peak { stats, ascent };
        assert_eq!(
            peak.text(&Style { width: Some(80), ..Style::default() }, &mut NoLines),
            "\
tm.app.4321.bin: app --fast, pid 4321 on host
At peak, 3.21 s of 12.50 s: 65.5 KiB live in 1,027 blocks
After 25.7% of the run: half of it at 1.50 s, nine tenths at 3.00 s
Live at the end: 1024 B
Reached by 80 B of thread 4321 app, src/table.c:57
Shown: 1 of 3 lines, 62.5 KiB in 1,000 blocks (95.4%)

    SIZE  SHARE  COUNT  AVERAGE  LOCATION
62.5 KiB  95.4%  1,000     64 B  .../a/project/src/node.cpp:1234  Node::make(..)
"
        );
        assert!(json_of(&peak).contains("\"half_ns\": 1500000000"));
    }
}
