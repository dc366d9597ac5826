//! All that a report is made of, before anything is folded together.

use std::sync::Arc;

use super::data::{Kind, Life, Mark, Notice, Origin, Timeline};
use super::names::{FrameNames, Interner};
use super::tree::Tree;
use crate::report::parts::human::counted;
use tm_analyzer::analysis::{Blame, Frames};
use tm_analyzer::model::{Amount, Traceback};
use tm_analyzer::replay::{Flow, Grid, Histogram};

/// How many measures decide what is small.
pub const N_MEASURES: usize = 4;

/// A report in the making.
pub struct Whole {
    pub kind: Kind,
    pub origins: Vec<Origin>,
    pub notices: Vec<Notice>,
    pub frames: FrameNames,
    pub tree: Tree,
    pub domains: Interner<String>,
    pub threads: Interner<String>,
    pub labels: Interner<String>,
    pub processes: Interner<String>,
    pub rows: Vec<Row>,
    pub time: Option<Time>,
    /// What the measures of rows are of, as an end of a sentence.
    pub measured: &'static str,
    /// Source files may be shown that were not written after this, in ns since 1970.
    pub recorded_ns: u64,
}

impl Whole {
    /// What it is of, as the end of a sentence.
    pub fn kept(&self) -> String {
        let n_nodes = self.tree.len().saturating_sub(1) as u64;
        let nodes = counted(n_nodes, "node");
        match &self.time {
            Some(time) => format!("{nodes} of stacks over {}", counted(time.n_slices() as u64, "slice")),
            None => format!("{nodes} of stacks"),
        }
    }
}

/// What blocks have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub node: u32,
    pub domain: u32,
    pub thread: u32,
    pub label: u32,
    pub process: u32,
    pub blamed: u32,
}

/// The sums of a place.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub place: Place,
    pub start: Amount,
    pub after: Amount,
    /// What came and went, by slice.
    pub cells: Vec<(u32, Flow)>,
    pub sizes: Histogram,
    pub lifetimes: Histogram,
    /// How much it is, in different ways: where all are small, the row is.
    pub measures: [u64; N_MEASURES],
}

/// The time of a recording.
pub struct Time {
    pub grid: Grid,
    /// The boundaries in ns.
    pub boundaries: Vec<u64>,
    pub peak: usize,
    pub course: Timeline,
    pub marks: Vec<Mark>,
    pub lives: Vec<Life>,
    pub limits_ns: Vec<u64>,
}

/// Finds the nodes of stacks: the innermost, and the one to blame.
pub struct Stacks {
    pub blame: Blame,
    pub seen: Frames,
}

impl Stacks {
    /// (innermost, blamed) of a stack.
    pub fn nodes(&mut self, stack: &Traceback, frames: &mut FrameNames, tree: &mut Tree) -> (u32, u32) {
        // The page hides interpreters' own frames itself.
        let seen = if self.seen == Frames::All { stack.clone() } else { self.seen.of(stack) };
        let cut = self.blame.cut(stack);
        let last = cut.frames().last();
        let is_last = |frame: &Arc<_>| last.is_some_and(|last| Arc::ptr_eq(last, frame));
        let n_blamed = seen.frames().iter().rposition(is_last).map_or(seen.frames().len(), |place| place + 1);
        let (mut node, mut blamed) = (Tree::ROOT, Tree::ROOT);
        for (place, frame) in frames.of(&seen).into_iter().enumerate() {
            node = tree.child(node, frame);
            if place + 1 == n_blamed {
                blamed = node;
            }
        }
        (node, blamed)
    }
}
