//! The objects that the reports' JSON is made of. Field names and meanings are stable; `version` changes if they do.

use std::io;

use serde::Serialize;

use super::estimate::EstimateObject;
use super::header::Summary;
use super::human::ratio;
use super::notice::{self, Notice};
use tm_analyzer::model::{Cumulative, Origin, Statistic, Traceback};

pub(in crate::report) const VERSION: u32 = 1;

/// Totals are those of the traces: after a filter they are less than the origin's live bytes and blocks.
#[derive(Serialize)]
pub(in crate::report) struct SnapshotObject<'a> {
    size: u64,
    count: u64,
    traceback_limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<EstimateObject>,
    origin: Option<&'a Origin>,
    notices: Vec<Notice>,
}

impl<'a> SnapshotObject<'a> {
    /// What `summary` says.
    pub(in crate::report) fn of(summary: &Summary<'a>) -> SnapshotObject<'a> {
        SnapshotObject {
            size: summary.size,
            count: summary.count,
            traceback_limit: summary.traceback_limit,
            estimate: EstimateObject::of(&summary.uncertainty),
            origin: summary.origin,
            notices: summary.origin.map(notice::of).unwrap_or_default(),
        }
    }
}

#[derive(Serialize)]
pub(in crate::report) struct StatisticObject<'a> {
    size: u64,
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<EstimateObject>,
    average: f64,
    /// The share of the snapshot's bytes, 0 to 1; more only in cumulative statistics of recursion.
    share: f64,
    /// The tag, in groups by tag.
    tag: Option<&'a str>,
    traceback: Vec<FrameObject<'a>>,
    doubts: Vec<DoubtObject<'a>>,
}

/// What is not certain of a stack.
#[derive(Serialize)]
struct DoubtObject<'a> {
    kind: &'static str,
    module: Option<&'a str>,
}

/// Frames are oldest first.
#[derive(Serialize)]
pub(in crate::report) struct FrameObject<'a> {
    filename: &'a str,
    lineno: u32,
    function: Option<&'a str>,
    module: Option<&'a str>,
    /// The language of Python code; for native code it is not known.
    language: Option<&'static str>,
    /// It may not have been there.
    guessed: bool,
}

impl<'a> StatisticObject<'a> {
    /// A group, and its share of `whole` bytes.
    pub(in crate::report) fn of(stat: &'a Statistic, whole: u64) -> StatisticObject<'a> {
        StatisticObject {
            size: stat.size,
            count: stat.count,
            estimate: EstimateObject::of(&stat.uncertainty),
            average: ratio(stat.size, stat.count),
            share: ratio(stat.size, whole),
            tag: stat.tag.as_deref(),
            traceback: frames(&stat.traceback),
            doubts: doubts(&stat.traceback),
        }
    }
}

fn doubts(traceback: &Traceback) -> Vec<DoubtObject<'_>> {
    let objects = traceback.doubts().iter();
    objects.map(|doubt| DoubtObject { kind: doubt.kind.name(), module: doubt.module.as_deref() }).collect()
}

/// The frames of `traceback`.
pub(in crate::report) fn frames(traceback: &Traceback) -> Vec<FrameObject<'_>> {
    let frames = traceback.frames().iter();
    let object = frames.map(|frame| FrameObject {
        filename: &frame.filename,
        lineno: frame.lineno,
        function: frame.function.as_deref(),
        module: frame.module_path(),
        language: frame.is_python().then_some("python"),
        guessed: frame.is_guessed(),
    });
    object.collect()
}

/// The name of a way to count for callers.
pub(in crate::report) fn cumulative_name(cumulative: Cumulative) -> Option<&'static str> {
    match cumulative {
        Cumulative::Off => None,
        Cumulative::Once => Some("once"),
        Cumulative::Tracemalloc => Some("tracemalloc"),
    }
}

/// Writes `object` in readable lines.
pub(in crate::report) fn write(object: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, object)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::report::diff::Diff;
    use crate::report::fixtures::profiles;
    use crate::report::json_of;
    use crate::report::stats::Stats;
    use tm_analyzer::model::KeyType;

    #[test]
    fn stats_have_totals_origin_and_frames_oldest_first() {
        let (_, new) = profiles();
        let statistics = new.statistics(KeyType::Traceback, Cumulative::Off).unwrap();
        let report = Stats {
            snapshot: Summary::of(&new),
            key_type: KeyType::Traceback,
            cumulative: Cumulative::Off,
            statistics: &statistics,
            limit: Some(1),
        };
        let mut value: Value = serde_json::from_str(&json_of(&report)).unwrap();
        let origin = value["snapshot"]["origin"].take();
        assert_eq!((&origin["program"], &origin["moment"]), (&json!("app"), &json!("peak")));
        let share = value["statistics"][0]["share"].take();
        assert!((share.as_f64().unwrap() - 64_000.0 / 67_104.0).abs() < 1e-9);
        assert_eq!(
            value,
            json!({
                "report": "stats", "version": 1, "key": "traceback", "cumulative": null, "n_groups": 3,
                "snapshot": {"size": 67_104, "count": 1_027, "traceback_limit": 16, "origin": null, "notices": []},
                "statistics": [{
                    "size": 64_000, "count": 1_000, "average": 64.0, "share": null, "tag": null,
                    "traceback": [
                        {"filename": "src/main.c", "lineno": 9, "function": "main", "module": null, "language": null, "guessed": false},
                        {
                            "filename": "/home/user/quite/long/path/of/a/project/src/node.cpp", "lineno": 1234,
                            "function": "Node::make(int)", "module": null, "language": null, "guessed": false
                        },
                    ],
                    "doubts": [],
                }],
            })
        );
    }

    #[test]
    fn diffs_have_both_sides() {
        let (old, new) = profiles();
        let statistics = new.compare_to(&old, KeyType::Filename, Cumulative::Once).unwrap();
        let report = Diff {
            old: Summary::of(&old),
            new: Summary::of(&new),
            key_type: KeyType::Filename,
            cumulative: Cumulative::Once,
            statistics: &statistics,
            limit: None,
        };
        let value: Value = serde_json::from_str(&json_of(&report)).unwrap();
        assert_eq!(value["cumulative"], "once");
        assert_eq!(value["old"]["count"], 202);
        assert_eq!(value["new"]["count"], 1_027);
        assert_eq!(value["statistics"][0]["size_diff"], 52_304);
        assert_eq!(value["statistics"][0]["traceback"][0]["filename"], "src/main.c");
    }
}
