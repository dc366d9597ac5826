//! Folding keeps sums, and the page its size, on made-up reports.

use super::data::{Kind, Timeline};
use super::embed::Template;
use super::fold::Folded;
use super::names::{FrameNames, Interner};
use super::render::{self, Bounds};
use super::small::is_within_small;
use super::whole::{Place, Row, Time, Whole};
use crate::tree::Tree;
use std::collections::BTreeMap;
use std::sync::Arc;
use tm_analyzer::analysis::{Blame, Plumbing};
use tm_analyzer::ids::Stamp;
use tm_analyzer::model::{Amount, Frame};
use tm_analyzer::replay::{Cell, Flow, Grid};
use tm_testing::Random;

const N_SLICES: u32 = 64;

/// A recording of `n_stacks` stacks with names of `name_bytes` bytes.
fn whole(n_stacks: usize, name_bytes: usize) -> Whole {
    let mut random = Random::new(5);
    let mut frames = FrameNames::default();
    let mut tree = Tree::default();
    let named = |number: u64| {
        let function = format!("f{number}{}", "<x>".repeat(name_bytes / 3));
        Arc::new(Frame { function: Some(function.into()), ..Frame::new("a.c", number as u32) })
    };
    let pool: Vec<Arc<Frame>> = (0..200).map(named).collect();
    let (mut rows, mut cells) = (Vec::new(), Vec::new());
    for site in 0..n_stacks as u32 {
        let depth = 1 + random.below(12);
        let stack: Vec<_> = (0..depth).map(|_| Arc::clone(&pool[random.below(200) as usize])).collect();
        let mut node = Tree::ROOT;
        let mut blamed = Tree::ROOT;
        for (place, frame) in stack.iter().enumerate() {
            node =
                frames.inward(std::slice::from_ref(frame)).fold(node, |node, frame| tree.child(node, frame));
            if place == depth as usize / 2 {
                blamed = node;
            }
        }
        let place = Place { node, blamed, thread: random.below(2) as u32, ..Place::default() };
        let mut row = Row { place, start: Amount::of_block(random.below(100)), ..Row::default() };
        for slice in 0..N_SLICES {
            if random.below(8) > 0 {
                continue;
            }
            let magnitude = random.below(16);
            let allocated = Amount::of_block(random.below(1 << magnitude));
            cells.push(Cell { site, slice, flow: Flow { allocated, ..Flow::default() } });
            row.sizes.add(Amount::size_class(allocated.bytes), allocated);
            row.measures[2] += allocated.bytes;
            row.measures[3] += 1;
        }
        rows.push(row);
    }
    let grid = Grid::new((Stamp(0), Stamp(6_400)), N_SLICES, [Stamp(777)].into_iter());
    let boundaries = grid.stamps().map(|stamp| stamp.0).collect();
    let time = Time {
        grid,
        boundaries,
        peak: 13,
        course: Timeline::default(),
        marks: Vec::new(),
        lives: Vec::new(),
        limits_ns: Vec::new(),
    };
    let names = Interner::default;
    Whole {
        kind: Kind::Recording,
        origins: Vec::new(),
        notices: Vec::new(),
        blame: Blame::new(Plumbing::none()),
        frames,
        tree,
        domains: names(),
        threads: names(),
        labels: names(),
        processes: names(),
        rows,
        cells,
        time: Some(time),
        measured: "all",
        recorded_ns: 0,
        search: Arc::default(),
        source: Vec::new(),
    }
}

/// All that was allocated up to each boundary's time, by thread.
fn sums(whole: &Whole) -> BTreeMap<(u64, u32), (u64, u64)> {
    let boundaries = &whole.time.as_ref().expect("there is one").boundaries;
    let mut sums: BTreeMap<(u64, u32), (u64, u64)> = BTreeMap::new();
    for (number, boundary) in boundaries.iter().enumerate() {
        for (place, row) in (0u32..).zip(&whole.rows) {
            let sum = sums.entry((*boundary, row.place.thread)).or_default();
            let first = whole.cells.partition_point(|cell| cell.site < place);
            let own = whole.cells[first..].iter().take_while(|cell| cell.site == place);
            let came = own.filter(|cell| (cell.slice as usize) < number).map(|cell| cell.flow.allocated);
            came.chain([row.start]).for_each(|amount| *sum = (sum.0 + amount.bytes, sum.1 + amount.count));
        }
    }
    sums
}

fn is_in_order(whole: &Whole) -> bool {
    let nodes = whole.tree.nodes();
    let is_ancestor = |blamed: u32, node: u32| {
        let mut at = node;
        while at > blamed {
            at = nodes[at as usize].0;
        }
        at == blamed
    };
    nodes.iter().enumerate().skip(1).all(|(node, (parent, _))| (*parent as usize) < node)
        && whole.rows.iter().all(|row| is_ancestor(row.place.blamed, row.place.node))
        && whole.cells.is_sorted_by(|a, b| (a.site, a.slice) < (b.site, b.slice))
}

#[test]
fn folding_keeps_all_sums_at_each_boundary_that_is_left() {
    let mut folding = whole(2_000, 0);
    let before = sums(&folding);
    let n_stacks = 2_000;
    let mut folded = Folded::default();
    for n_nodes_max in [1_000_000, 5_000, 1_000, 100, 7, 2] {
        folding.fold(n_nodes_max, &mut folded);
        assert!(folding.tree.len() <= n_nodes_max, "{n_nodes_max}: {}", folding.tree.len());
        assert!(is_in_order(&folding));
        assert_eq!(sums(&folding), before);
        assert!(folded.n_stacks <= n_stacks && (folded.n_stacks > 0) == (n_nodes_max < 1_000_000));
    }
    let n_slices = folding.time.as_ref().map(Time::n_slices);
    while folding.join_slices(&mut folded) {
        assert!(is_in_order(&folding));
        let after = sums(&folding);
        assert!(after.iter().all(|(key, sum)| before[key] == *sum));
    }
    assert_eq!(folded.n_slices, n_slices);
    // The first, the peak, the mark and the last.
    let time = folding.time.expect("it is still there");
    assert_eq!(time.boundaries.len(), 4);
    assert!(time.boundaries.contains(&777) && time.peak > 0 && time.peak < 3);
}

#[test]
fn what_is_large_stays_as_it_is() {
    let mut folding = whole(500, 0);
    let large = folding.rows.iter_mut().max_by_key(|row| row.measures[2]).expect("there are some");
    large.measures[0] = 1_000;
    let (parent, frame) = folding.tree.nodes()[large.place.node as usize];
    assert!(parent > 0 || frame > 0);
    folding.fold(60, &mut Folded::default());
    let largest = folding.rows.iter().max_by_key(|row| row.measures[0]).expect("there are some");
    assert!(!is_within_small(&folding.tree, largest.place.node));
    assert_eq!(folding.tree.nodes()[largest.place.node as usize].1, frame);
}

#[test]
fn a_page_keeps_its_size_whatever_there_is() {
    let template = Template::built();
    for (n_stacks, name_bytes) in [(3_000, 10), (3_000, 100_000), (1, 3)] {
        let bounds = Bounds { file_bytes: template.len() + 60_000, ..Bounds::default() };
        let html = render::html(&mut whole(n_stacks, name_bytes), &template, bounds, false);
        assert!(html.len() <= bounds.file_bytes, "{n_stacks} {name_bytes}: {}", html.len());
    }
}
