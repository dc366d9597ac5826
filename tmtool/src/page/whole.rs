//! All that a report is made of, before anything is folded together.

use std::sync::Arc;

use super::data::{Kind, Life, Mark, Notice, Origin, Timeline};
use super::names::{FrameNames, Interner};
use crate::report::parts::human::counted;
use crate::tree::{AddressFrames, Outer, Tree};
use tm_analyzer::analysis::Blame;
use tm_analyzer::ids::StackId;
use tm_analyzer::model::{Amount, Frame, SourceText, StackView};
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::{Cell, Grid, Histogram};
use tm_analyzer::request::Grouping;
use tm_analyzer::snapshot::{Namer, Places};
use tm_analyzer::symbolize::Search;

/// How many measures decide what is small.
pub const N_MEASURES: usize = 4;

/// A report in the making.
pub struct Whole {
    pub kind: Kind,
    pub origins: Vec<Origin>,
    pub notices: Vec<Notice>,
    /// What says which frames allocate for others.
    pub blame: Blame,
    pub frames: FrameNames,
    pub tree: Tree,
    pub domains: Interner<String>,
    pub threads: Interner<String>,
    pub labels: Interner<String>,
    pub processes: Interner<String>,
    pub rows: Vec<Row>,
    /// What came and went, by the row's place in `rows` and by slice.
    pub cells: Vec<Cell>,
    pub time: Option<Time>,
    /// What the measures of rows are of, as an end of a sentence.
    pub measured: &'static str,
    /// Source files may be shown that were not written after this, in ns since 1970.
    pub recorded_ns: u64,
    /// Where they are looked for.
    pub search: Arc<Search>,
    /// The lines that the recordings carry, the new one's first.
    pub source: Vec<Arc<SourceText>>,
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

/// Stacks as nodes.
pub struct Stacks {
    pub blame: Blame,
    /// The nodes of the addresses of the last stack that was seen as a whole.
    outer: Outer<u32>,
    pub frames: FrameNames,
    pub tree: Tree,
    /// The nodes of native stacks, and of their outer parts.
    known: Places,
    addresses: AddressFrames,
}

impl Stacks {
    /// None so far.
    pub fn new(grouping: &Grouping) -> Stacks {
        Stacks {
            blame: grouping.blame_of_lines(),
            outer: Outer::default(),
            frames: FrameNames::default(),
            tree: Tree::default(),
            known: Places::default(),
            addresses: AddressFrames::default(),
        }
    }

    /// (innermost, blamed) of a stack.
    pub fn nodes(&mut self, stack: StackView<'_>) -> (u32, u32) {
        let Stacks { blame, frames, tree, outer, .. } = self;
        let last = blame.cut_stack(stack).last().cloned();
        let is_last = |frame: &Arc<_>| last.as_ref().is_some_and(|last| Arc::ptr_eq(last, frame));
        // The page hides interpreters' own frames itself.
        let seen = blame.whole_stack(stack);
        let n_inner = seen.iter().rev().position(is_last).unwrap_or(0);
        let mut nodes = outer.of_addresses(seen, |caller, address| {
            frames.inward(address).fold(caller.unwrap_or(Tree::ROOT), |node, frame| tree.child(node, frame))
        });
        let node = nodes.next_back().unwrap_or(Tree::ROOT);
        let blamed = (0..n_inner).fold(node, |node, _| tree.nodes()[node as usize].0);
        (node, blamed)
    }

    /// The same of a native stack, each part of which is looked at once; `None` for one that has to be seen as a whole.
    pub fn nodes_of_native(
        &mut self,
        recording: &Recording,
        stack: StackId,
        namer: &mut Namer,
    ) -> Option<(u32, u32)> {
        let Stacks { blame, frames, tree, known, addresses, .. } = self;
        let mut child = |caller, address, named: &[Arc<Frame>]| {
            addresses.called(tree, caller, (address, named), |named| frames.of_address(named).collect())
        };
        let blamed = namer.blamed_place(recording, stack, blame, (Tree::ROOT, known), &mut child)?;
        let node = namer.place(recording, stack, (Tree::ROOT, known), &mut child)?;
        Some((node, blamed))
    }
}
