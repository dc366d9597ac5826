//! massif's file, for `ms_print` and massif-visualizer: what was live over time, now and then with the stacks that it had been
//! allocated by, as trees from the allocating function outward.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::frames::clean;
use super::lived::{command_line, end_stamp, lives_of};
use super::points::Points;
use super::shown::ShownStacks;
use super::{Events, Format, Needs, Writer, valgrind_frame};
use crate::errors::StreamError;
use crate::tree::Tree as StackTree;
use tm_analyzer::model::{Amount, Frame};
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::{ByStack, Lived, Moments};
use tm_common::ids::StackId;

/// Places with less than this part of what is live are shown together, as massif does.
const THRESHOLD_PERCENT: f64 = 1.0;
/// What `ms_print` takes for the start of a comment, anywhere on a line, and what stands in its place.
const COMMENT: (char, &str) = ('#', "$");

/// As many moments as massif itself keeps at most, and of how many one is written with its stacks.
const MOMENTS: u32 = 100;
const DETAILED_EVERY: u32 = 10;

/// The row of the table.
pub const FORMAT: Format = Format {
    name: "massif",
    suffix: ".massif",
    purpose: "massif's snapshots, for ms_print and massif-visualizer",
    loses: "threads, tags, counts of blocks, and all but 100 moments and the peak",
    next: "ms_print {}",
    needs: Needs::Events,
    takes_measure: false,
    counts_samples: false,
    is_text: true,
    is_like: |start| start.starts_with(b"desc: "),
    write: Writer::Events(write),
};

/// Writes massif's file.
///
/// # Errors
/// All processes are asked for, the recording cannot be read, or `out` cannot be written to.
pub fn write(events: &Events<'_>, out: &mut dyn Write) -> Result<(), StreamError> {
    let recorded = events.recorded;
    recorded.one_process("a peak")?;
    // Most stacks have nothing at any of the moments, and need no names.
    let stacks = RefCell::new(StackNumbers::default());
    let mut moments = Vec::new();
    let until = end_stamp(recorded);
    recorded.run(
        |engine| {
            let lives = lives_of(recorded, engine, |block| stacks.borrow_mut().of(block.stack));
            let start = lives.peak_stamp.max(recorded.begin().stamp);
            Moments::new(lives, (start, until), MOMENTS, DETAILED_EVERY)
        },
        |engine, found| {
            let (noted, lives) = found.finish();
            let (at, peak) = (lives.peak_stamp, lives.peak);
            let live = engine.live().iter(recorded.selection.memory_kind());
            let places = lives.finish(live, until).into_iter().map(|life| life.live_at_peak).zip(0..);
            let places = places.filter(|(live, _)| live.count > 0).map(|(live, place)| (place, live));
            let peak = Lived { at, live: peak, places: Some(places.collect()) };
            moments = with_peak(&recorded.recording, noted, peak);
        },
    )?;
    let stacks = stacks.into_inner();
    let mut namer = recorded.namer_at(recorded.until.stamp);
    namer.prepare(&recorded.recording, stacks.of_moments(&moments).map(|(_, stack)| stack));
    let mut shown = ShownStacks::new(events, namer);
    let mut points = Points::new(|stack, called| shown.place(stack, called));
    stacks.name(&mut moments, |stack| points.node(stack));
    let description = format!("--time-unit=ms (tmtool {} export massif)", env!("CARGO_PKG_VERSION"));
    let massif = Massif {
        command_line: command_line(recorded),
        description: &description,
        frames: &points.numbers.frames,
        tree: &points.tree,
        moments: &moments,
    };
    Ok(massif.write(out)?)
}

/// Stacks by number, in the order in which they come.
#[derive(Default)]
struct StackNumbers {
    numbers: ByStack,
    stacks: Vec<StackId>,
}

impl StackNumbers {
    #[inline]
    fn of(&mut self, stack: StackId) -> u32 {
        self.numbers.get(stack).unwrap_or_else(|| {
            let number = self.stacks.len() as u32;
            self.stacks.push(stack);
            self.numbers.insert(stack, number);
            number
        })
    }

    /// The stacks that have anything at a moment, in the order of their numbers.
    fn of_moments(&self, moments: &[MassifMoment]) -> impl Iterator<Item = (u32, StackId)> + '_ {
        let places = moments.iter().filter_map(|moment| moment.places.as_ref());
        let mut numbers: Vec<u32> = places.flatten().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.into_iter().filter_map(|number| Some((number, *self.stacks.get(number as usize)?)))
    }

    /// Puts the nodes that `node_of` has of stacks in the place of their numbers.
    fn name(&self, moments: &mut [MassifMoment], mut node_of: impl FnMut(StackId) -> u32) {
        let nodes: FxHashMap<u32, u32> =
            self.of_moments(moments).map(|(number, stack)| (number, node_of(stack))).collect();
        let places = moments.iter_mut().filter_map(|moment| moment.places.as_mut());
        for (number, _) in places.flatten() {
            *number = nodes.get(number).copied().unwrap_or(StackTree::ROOT);
        }
    }
}

/// The moments in the order of time with the peak among them, once.
fn with_peak(recording: &Recording, noted: Vec<Lived>, peak: Lived) -> Vec<MassifMoment> {
    let place = noted.partition_point(|lived| lived.at < peak.at);
    let moment = |is_peak: bool, lived: Lived| {
        let Lived { at, live, places } = lived;
        MassifMoment { ns: recording.ns(at), live, places, is_peak }
    };
    let is_other = |lived: &Lived| lived.at != peak.at || lived.places.is_some();
    let mut noted = noted;
    let later = noted.split_off(place).into_iter().filter(is_other).collect::<Vec<_>>();
    let earlier = noted.into_iter().map(|lived| moment(false, lived));
    earlier
        .chain(std::iter::once(moment(true, peak.clone())))
        .chain(later.into_iter().map(|lived| moment(false, lived)))
        .collect()
}

/// What a file is made of.
pub struct Massif<'a> {
    /// The program's command line.
    pub command_line: &'a [String],
    /// A line on where this is from.
    pub description: &'a str,
    /// The frames, by number.
    pub frames: &'a [Arc<Frame>],
    /// The stacks of numbers of frames.
    pub tree: &'a StackTree,
    /// The moments in the order of time.
    pub moments: &'a [MassifMoment],
}

/// What was live at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct MassifMoment {
    /// When, in ns.
    pub ns: u64,
    /// How much.
    pub live: Amount,
    /// Where, by node of the stack, if that is written.
    pub places: Option<Vec<(u32, Amount)>>,
    /// Whether it is the peak.
    pub is_peak: bool,
}

impl Massif<'_> {
    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "desc: {}", line(self.description))?;
        writeln!(out, "cmd: {}", line(&self.command_line.join(" ")))?;
        writeln!(out, "time_unit: ms")?;
        for (number, moment) in self.moments.iter().enumerate() {
            writeln!(out, "#-----------\nsnapshot={number}\n#-----------")?;
            writeln!(out, "time={}", moment.ns as f64 / 1e6)?;
            writeln!(out, "mem_heap_B={}\nmem_heap_extra_B=0\nmem_stacks_B=0", moment.live.bytes)?;
            let Some(places) = &moment.places else {
                writeln!(out, "heap_tree=empty")?;
                continue;
            };
            writeln!(out, "heap_tree={}", if moment.is_peak { "peak" } else { "detailed" })?;
            let stacks = places.iter().map(|&(node, live)| (node, live.bytes));
            let tree = Tree { massif: self, least: moment.live.bytes as f64 * THRESHOLD_PERCENT / 100.0 };
            tree.write(out, stacks.collect(), moment.live.bytes)?;
        }
        Ok(())
    }
}

/// A text that stays on its line.
fn line(text: &str) -> String {
    clean(text).replace(COMMENT.0, COMMENT.1)
}

/// A tree that is being written.
struct Tree<'a> {
    massif: &'a Massif<'a>,
    /// The least bytes of a place that is shown by itself.
    least: f64,
}

/// The rest of stacks that share their inner frames: the node from which on they go outward, and their bytes.
type Rest = Vec<(u32, u64)>;

/// A place and what of it is still to be written.
struct Node {
    depth: usize,
    title: String,
    bytes: u64,
    rest: Rest,
}

impl Tree<'_> {
    /// Writes all of `stacks`, the innermost functions first. Stacks may be deep, so the calls are not.
    fn write(&self, out: &mut dyn Write, stacks: Rest, bytes: u64) -> io::Result<()> {
        let title = "(heap allocation functions) malloc/new/new[], --alloc-fns, etc.".to_owned();
        let mut waiting = vec![Node { depth: 0, title, bytes, rest: stacks }];
        while let Some(node) = waiting.pop() {
            let (children, folded) = self.children(&node);
            let n_children = children.len() + usize::from(folded.is_some());
            writeln!(out, "{:depth$}n{n_children}: {} {}", "", node.bytes, node.title, depth = node.depth)?;
            // The last to be put is the first to be written.
            waiting.extend(folded);
            waiting.extend(children.into_iter().rev());
        }
        Ok(())
    }

    /// The callers of a node, the largest first, and those that are shown together.
    fn children(&self, node: &Node) -> (Vec<Node>, Option<Node>) {
        let mut callers: BTreeMap<u32, (u64, Rest)> = BTreeMap::new();
        for &(inner, bytes) in &node.rest {
            if let Some((outer, caller)) = self.massif.tree.node(inner) {
                let (sum, rest) = callers.entry(caller).or_default();
                *sum += bytes;
                rest.push((outer, bytes));
            }
        }
        let depth = node.depth + 1;
        let (mut children, mut n_folded, mut folded_bytes) = (Vec::new(), 0, 0);
        for (caller, (bytes, rest)) in callers {
            if bytes > 0 && bytes as f64 >= self.least {
                let frame = self.massif.frames.get(caller as usize);
                let title = frame.map_or_else(String::new, |frame| line(&valgrind_frame::text(frame)));
                children.push(Node { depth, title, bytes, rest });
            } else {
                n_folded += 1;
                folded_bytes += bytes;
            }
        }
        children.sort_by_key(|child| std::cmp::Reverse(child.bytes));
        let title = match n_folded {
            1 => format!("in 1 place, below massif's threshold ({THRESHOLD_PERCENT:.2}%)"),
            n => format!("in {n} places, all below massif's threshold ({THRESHOLD_PERCENT:.2}%)"),
        };
        let folded = (n_folded > 0).then(|| Node { depth, title, bytes: folded_bytes, rest: Vec::new() });
        (children, folded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_go_outward_and_fold_what_is_little() {
        let frame = |file: &str| Arc::new(Frame { function: Some("f#1\n".into()), ..Frame::new(file, 3) });
        let frames = ["a", "b", "main"].map(frame);
        let mut tree = StackTree::default();
        let main = tree.child(StackTree::ROOT, 2);
        let nodes = [tree.child(main, 0), tree.child(main, 1), tree.child(StackTree::ROOT, 1)];
        let amount = |bytes, count| Amount { bytes, count };
        let places = nodes.into_iter().zip([amount(5, 1), amount(1_000, 4), amount(2, 1)]).collect();
        let moment = |ns, live, places, is_peak| MassifMoment { ns, live, places, is_peak };
        let moments = [
            moment(0, amount(0, 0), Some(Vec::new()), false),
            moment(1_500_000, amount(7, 1), None, false),
            moment(2_000_000, amount(1_007, 6), Some(places), true),
        ];
        let massif = Massif {
            command_line: &["./a #1".to_owned()],
            description: "tm",
            frames: &frames,
            tree: &tree,
            moments: &moments,
        };
        let mut out = Vec::new();
        massif.write(&mut out).unwrap();
        let expected = "\
desc: tm
cmd: ./a $1
time_unit: ms
#-----------
snapshot=0
#-----------
time=0
mem_heap_B=0
mem_heap_extra_B=0
mem_stacks_B=0
heap_tree=detailed
n0: 0 (heap allocation functions) malloc/new/new[], --alloc-fns, etc.
#-----------
snapshot=1
#-----------
time=1.5
mem_heap_B=7
mem_heap_extra_B=0
mem_stacks_B=0
heap_tree=empty
#-----------
snapshot=2
#-----------
time=2
mem_heap_B=1007
mem_heap_extra_B=0
mem_stacks_B=0
heap_tree=peak
n2: 1007 (heap allocation functions) malloc/new/new[], --alloc-fns, etc.
 n1: 1002 0x0: f$1\\n (b:3)
  n0: 1000 0x0: f$1\\n (main:3)
 n0: 5 in 1 place, below massif's threshold (1.00%)
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
