//! DHAT's file, version 2, for valgrind's `dh_view.html` and the Firefox Profiler: what each stack allocated, how long it
//! lived, and what was live when. How often blocks were read and written is not known.

use std::cell::RefCell;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use serde::Serialize;
use serde::ser::SerializeSeq;

use super::frames::clean;
use super::lived::{command_line, end_stamp, lives_of, ns_per_stamp, process};
use super::points::Points as StackNumbers;
use super::shown::ShownStacks;
use super::{Events, Format, Needs, Writer, valgrind_frame};
use crate::errors::StreamError;
use crate::tree::Tree;
use tm_analyzer::model::Frame;
use tm_analyzer::replay::ProgramPoint;
use tm_common::ids::Stamp;

/// Blocks that live shorter are short-lived, in microseconds.
const SHORT_LIVED_US: u64 = 10;
/// The place of the first frame: DHAT's own one stands before it.
const FIRST_FRAME: u32 = 1;

/// The row of the table.
pub const FORMAT: Format = Format {
    name: "dhat",
    suffix: ".dhat.json",
    purpose: "DHAT's program points, for valgrind's dh_view.html and the Firefox Profiler",
    loses: "threads, tags, sizes of blocks and when they lived; reads and writes are not known",
    next: "open {} in valgrind's dh_view.html",
    needs: Needs::Events,
    takes_measure: false,
    counts_samples: false,
    is_text: true,
    is_like: |start| start.starts_with(b"{\"dhatFileVersion\""),
    write: Writer::Events(write),
};

/// Writes DHAT's file.
///
/// # Errors
/// All processes are asked for, the recording cannot be read, or `out` cannot be written to.
pub fn write(events: &Events<'_>, out: &mut dyn Write) -> Result<(), StreamError> {
    let recorded = events.recorded;
    recorded.one_process("a peak")?;
    let mut stacks = ShownStacks::at_end(events);
    let points = RefCell::new(StackNumbers::new(|stack, called| stacks.place(stack, called)));
    let (mut lives, mut peak) = (Vec::new(), Stamp(0));
    recorded.run(
        |engine| lives_of(recorded, engine, |block| points.borrow_mut().of(block.stack)),
        |engine, found| {
            peak = found.peak_stamp;
            lives = found.finish(engine.live().iter(recorded.selection.memory_kind()), end_stamp(recorded));
        },
    )?;
    let points = points.into_inner();
    let recording = &recorded.recording;
    let dhat = Dhat {
        command_line: command_line(recorded),
        pid: process(recorded).map_or(0, |process| process.pid),
        peak_ns: recording.ns(peak),
        end_ns: recorded.end().ns,
        ns_per_stamp: ns_per_stamp(recording),
        frames: &points.numbers.frames,
        tree: &points.tree,
        points: &points.stacks.iter().copied().zip(lives).collect::<Vec<(u32, ProgramPoint)>>(),
    };
    Ok(dhat.write(out)?)
}

/// What a file is made of.
pub struct Dhat<'a> {
    /// The program's command line.
    pub command_line: &'a [String],
    /// Its process id.
    pub pid: u32,
    /// When most was live, in ns.
    pub peak_ns: u64,
    /// The end, in ns.
    pub end_ns: u64,
    /// Nanoseconds from one stamp, in which lifetimes are, to the next.
    pub ns_per_stamp: f64,
    /// The frames, by number.
    pub frames: &'a [Arc<Frame>],
    /// The stacks of numbers of frames.
    pub tree: &'a Tree,
    /// The nodes of stacks, and what happened; none twice.
    pub points: &'a [(u32, ProgramPoint)],
}

/// DHAT's members, in its order.
#[derive(Serialize)]
struct File<'a> {
    #[serde(rename = "dhatFileVersion")]
    version: u32,
    mode: &'static str,
    verb: &'static str,
    bklt: bool,
    bkacc: bool,
    tu: &'static str,
    #[serde(rename = "Mtu")]
    mtu: &'static str,
    tuth: u64,
    cmd: String,
    pid: u32,
    te: u64,
    tg: u64,
    pps: Points<'a>,
    ftbl: Frames<'a>,
}

/// A program point.
#[derive(Serialize)]
struct Point<'a> {
    tb: u64,
    tbk: u64,
    tl: u64,
    mb: u64,
    mbk: u64,
    gb: u64,
    gbk: u64,
    eb: u64,
    ebk: u64,
    fs: Stack<'a>,
}

/// The frames of a stack, the innermost first.
struct Stack<'a>(&'a Tree, u32);

struct Points<'a>(&'a Dhat<'a>);

struct Frames<'a>(&'a Dhat<'a>);

impl Serialize for Points<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Dhat { tree, points, ns_per_stamp, .. } = self.0;
        let mut list = serializer.serialize_seq(Some(points.len()))?;
        for (node, life) in *points {
            list.serialize_element(&Point {
                tb: life.allocated.bytes,
                tbk: life.allocated.count,
                tl: (life.lifetime as f64 * ns_per_stamp / 1e3) as u64,
                mb: life.most.bytes,
                mbk: life.most.count,
                gb: life.live_at_peak.bytes,
                gbk: life.live_at_peak.count,
                eb: life.live.bytes,
                ebk: life.live.count,
                fs: Stack(tree, *node),
            })?;
        }
        list.end()
    }
}

impl Serialize for Stack<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Stack(tree, node) = *self;
        serializer.collect_seq(tree.outward(node).map(|frame| frame + FIRST_FRAME))
    }
}

impl Serialize for Frames<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let frames = self.0.frames.iter().map(|frame| valgrind_frame::text(frame));
        serializer.collect_seq(std::iter::once("[root]".to_owned()).chain(frames))
    }
}

impl Dhat<'_> {
    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let file = File {
            version: 2,
            mode: "heap",
            verb: "Allocated",
            bklt: true,
            bkacc: false,
            tu: "µs",
            mtu: "s",
            tuth: SHORT_LIVED_US,
            cmd: clean(&self.command_line.join(" ")),
            pid: self.pid,
            te: self.end_ns / 1_000,
            tg: self.peak_ns / 1_000,
            pps: Points(self),
            ftbl: Frames(self),
        };
        // Of a known type, so that the many small writes are calls of nothing.
        let mut out = BufWriter::new(out);
        serde_json::to_writer(&mut out, &file)?;
        out.write_all(b"\n")?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_analyzer::model::Amount;

    #[test]
    fn members_are_those_that_the_viewer_asks_for() {
        let amount = |bytes, count| Amount { bytes, count };
        let life = ProgramPoint {
            allocated: amount(100, 5),
            lifetime: 9_000,
            live: amount(20, 1),
            most: amount(60, 3),
            live_at_peak: amount(40, 2),
            ..ProgramPoint::default()
        };
        let frames: Vec<Arc<Frame>> = [("a\"</script>\u{1b}.c", 1), ("main.c", 2)]
            .map(|(file, line)| Frame::new(file, line).into())
            .into();
        let mut tree = Tree::default();
        let main = tree.child(Tree::ROOT, 1);
        let node = tree.child(main, 0);
        let dhat = Dhat {
            tree: &tree,
            command_line: &["./a".to_owned(), "b\n".to_owned()],
            pid: 7,
            peak_ns: 5_000,
            end_ns: 9_999,
            ns_per_stamp: 2.0,
            frames: &frames,
            points: &[(node, life)],
        };
        let mut out = Vec::new();
        dhat.write(&mut out).unwrap();
        let file: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!({
            "dhatFileVersion": 2, "mode": "heap", "verb": "Allocated", "bklt": true, "bkacc": false,
            "tu": "µs", "Mtu": "s", "tuth": 10, "cmd": "./a b\\n", "pid": 7, "te": 9, "tg": 5,
            "pps": [{"tb": 100, "tbk": 5, "tl": 18, "mb": 60, "mbk": 3, "gb": 40, "gbk": 2, "eb": 20, "ebk": 1,
                "fs": [1, 2]}],
            "ftbl": ["[root]", "0x0: ??? (a\"</script>\\u{1b}.c:1)", "0x0: ??? (main.c:2)"],
        });
        assert_eq!(file, expected);
    }
}
