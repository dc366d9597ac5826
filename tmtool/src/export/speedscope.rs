//! speedscope's file format: several sampled profiles over one list of frames.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::frames::{UNKNOWN, clean, function, source_file};
use super::measure::Measure;
use super::paths::Paths;
use super::{Format, Needs, Sites, Writer};
use crate::tree::{Outer, Tree};
use tm_analyzer::model::{Activity, ActivityProfile, Counted, Frame, SumsBy};

/// The row of the table.
pub const FORMAT: Format = Format {
    name: "speedscope",
    suffix: ".speedscope.json",
    purpose: "speedscope: time order, left heavy and sandwich views of each figure, in one file",
    loses: "lines of callers (each function that allocated has its own), tags, time, addresses",
    next: "speedscope {}    (npm install -g speedscope, or https://www.speedscope.app)",
    needs: Needs::MomentOrSums(Counted::WITH_TEMPORARY),
    takes_measure: false,
    counts_samples: false,
    is_text: true,
    is_like: |start| start.starts_with(START.as_bytes()),
    write: Writer::Sites(write),
};

const START: &str = r#"{"$schema":"https://www.speedscope.app/file-format-schema.json","#;

/// The profiles of a file, the first one shown.
const MEASURES: [Measure; 5] = [
    Measure::LiveBytes,
    Measure::LiveBlocks,
    Measure::AllocatedBytes,
    Measure::Allocations,
    Measure::TemporaryBytes,
];

/// A frame of the list.
#[derive(Serialize)]
struct SharedFrame {
    name: String,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

/// Writes the file.
///
/// # Errors
/// Those of `out`.
pub fn write(sites: &Sites<'_>, out: &mut dyn Write) -> io::Result<()> {
    let stacks = Stacks::of(sites.activity);
    // Of a known type, so that the many small writes are calls of nothing.
    let out = &mut BufWriter::new(out);
    let origin = sites.activity.origin.clone().unwrap_or_default();
    let name = clean(&format!("{} {}", origin.recording, origin.command_line.join(" ")));
    write!(out, r#"{START}"exporter":"tmtool {}","name":"#, env!("CARGO_PKG_VERSION"))?;
    serde_json::to_writer(&mut *out, name.trim())?;
    write!(out, r#","activeProfileIndex":0,"shared":{{"frames":"#)?;
    serde_json::to_writer(&mut *out, &stacks.frames)?;
    write!(out, "}},\"profiles\":[")?;
    let known = MEASURES.iter().filter(|measure| sites.activity.has_events || !measure.needs_events());
    for (place, &measure) in known.enumerate() {
        if place > 0 {
            writeln!(out, ",")?;
        }
        stacks.profile(sites.activity, measure, out)?;
    }
    writeln!(out, "]}}")?;
    out.flush()
}

/// Sums by stacks of numbers of frames.
#[derive(Default)]
struct Stacks {
    frames: Vec<SharedFrame>,
    of_name: FxHashMap<(String, String, Option<u32>), u32>,
    /// The numbers by the frame and whether it is the innermost: frames are shared.
    of_frame: FxHashMap<(usize, bool), u32>,
    tree: Tree,
    /// The sums by node, in the order of the tree.
    sums: Vec<(u32, Activity)>,
}

impl Stacks {
    fn of(activity: &ActivityProfile) -> Stacks {
        let (mut stacks, mut sums) = (Stacks::default(), SumsBy::default());
        let unknown = Arc::new(Frame::unknown());
        let (mut walk, mut outer) = (activity.stacks.walk(), Outer::default());
        for row in &activity.rows {
            let frames = walk.next_stack().frames;
            let callers = outer.of_callers(frames, |caller, frame| stacks.called(caller, frame, false));
            let caller = callers.last();
            let node = stacks.called(caller, frames.last().unwrap_or(&unknown), true);
            sums.add(node, row.amount);
        }
        let mut ranks = vec![0_u32; stacks.tree.len()];
        for (rank, node) in (0..).zip(stacks.tree.in_order()) {
            ranks[node as usize] = rank;
        }
        stacks.sums = sums.iter().map(|(&node, &sums)| (node, sums)).collect();
        stacks.sums.sort_unstable_by_key(|(node, _)| ranks[*node as usize]);
        stacks
    }

    /// The node of a frame that `caller` has called.
    fn called(&mut self, caller: Option<u32>, frame: &Arc<Frame>, is_innermost: bool) -> u32 {
        let number = self.number(frame, is_innermost);
        self.tree.child(caller.unwrap_or(Tree::ROOT), number)
    }

    /// The number of a frame: callers are one of each function, so that they merge.
    fn number(&mut self, frame: &Arc<Frame>, is_innermost: bool) -> u32 {
        let Stacks { frames, of_name, of_frame, .. } = self;
        *of_frame.entry((Arc::as_ptr(frame).addr(), is_innermost)).or_insert_with(|| {
            let name = if **frame == Frame::unknown() { UNKNOWN.to_owned() } else { function(frame) };
            let line = (is_innermost && frame.lineno > 0).then_some(frame.lineno);
            let key = (name, source_file(frame), line);
            *of_name.entry(key).or_insert_with_key(|(name, file, line)| {
                frames.push(SharedFrame { name: name.clone(), file: file.clone(), line: *line });
                (frames.len() - 1) as u32
            })
        })
    }

    /// Writes one profile: a sample is a stack, its weight the figure.
    fn profile(&self, activity: &ActivityProfile, measure: Measure, out: &mut impl Write) -> io::Result<()> {
        let weighed = || {
            let weighed = self.sums.iter().map(|(node, sums)| (*node, measure.of(activity, sums)));
            weighed.filter(|&(_, weight)| weight > 0)
        };
        let sum = weighed().fold(0, |sum: u64, (_, weight)| sum.saturating_add(weight));
        let unit = if measure.is_bytes() { "bytes" } else { "none" };
        let name = serde_json::to_string(&clean(&measure.words(activity)))?;
        write!(
            out,
            r#"{{"type":"sampled","name":{name},"unit":"{unit}","startValue":0,"endValue":{sum},"samples":["#
        )?;
        let mut paths = Paths::default();
        for (place, (node, _)) in weighed().enumerate() {
            let numbers = paths.of(&self.tree, node, |text, frame| {
                text.push(b',');
                // Memory can be written to.
                let _ = write!(text, "{frame}");
            });
            out.write_all(if place > 0 { b",[" } else { b"[" })?;
            out.write_all(numbers.get(1..).unwrap_or_default())?;
            out.write_all(b"]")?;
        }
        write!(out, r#"],"weights":["#)?;
        for (place, (_, weight)) in weighed().enumerate() {
            out.write_all(if place > 0 { b"," } else { b"" })?;
            serde_json::to_writer(&mut *out, &weight)?;
        }
        write!(out, "]}}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::export::testing::{activity, frame};

    fn written(activity: &ActivityProfile) -> Value {
        let (mut out, sites) = (Vec::new(), Sites { activity, before: None, measure: Measure::LiveBytes });
        write(&sites, &mut out).unwrap();
        assert!((FORMAT.is_like)(&out));
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn each_figure_is_a_profile_and_callers_merge() {
        let mut made = activity(&[
            (&[frame("main", "a.c", 1), frame("f\"\n", "a.c", 3)], None, 10),
            (&[frame("main", "a.c", 2), frame("f\"\n", "a.c", 4)], None, 5),
            (&[], None, 7),
        ]);
        let file = written(&made);
        let names: Vec<&str> = file["shared"]["frames"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["main", "f\"\\n", "f\"\\n", "<unknown>"]);
        let profiles = file["profiles"].as_array().unwrap();
        let sums: Vec<u64> = profiles.iter().map(|profile| profile["endValue"].as_u64().unwrap()).collect();
        assert_eq!(sums, [22, 3, 44, 6, 10]);
        assert_eq!(profiles[0]["samples"], serde_json::json!([[0, 1], [0, 2], [3]]));
        assert_eq!(profiles[0]["weights"], serde_json::json!([10, 5, 7]));
        made.has_events = false;
        assert_eq!(written(&made)["profiles"].as_array().unwrap().len(), 2);
    }
}
