//! A report made small enough: what hardly counts is folded together. Sums stay as they are.
//!
//! ```text
//! main            main              a node stays while what is below it is a large enough share of anything;
//!  +- a            +- a             what does not goes to "(small)", below the nearest node that stays
//!  |   +- b        |
//!  |   +- c        +- (small)
//!  +- d                +- c        what is blamed for the most of it stays, by its line
//! ```

use rustc_hash::{FxHashMap, FxHashSet};

use super::small::{SMALL_FRAME, is_within_small};
use super::whole::{N_MEASURES, Place, Row, Time, Whole};
use crate::tree::Tree;
use tm_analyzer::replay::Cell;

/// What was folded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Folded {
    /// Stacks that are shown as "(small)".
    pub n_stacks: u64,
    /// Each has less than this share of each measure.
    pub share: f64,
    /// How many slices of time there were, if they were joined.
    pub n_slices: Option<usize>,
}

impl Whole {
    /// Folds stacks together so that there are at most `n_nodes_max` nodes.
    pub fn fold(&mut self, n_nodes_max: usize, folded: &mut Folded) {
        if self.tree.len() > n_nodes_max {
            let shares = self.shares();
            // A part is for the lines that are blamed for what goes.
            let least = threshold(&self.tree, &shares, n_nodes_max / 4 * 3);
            folded.share = folded.share.max(least);
            self.keep(|node| shares[node as usize] >= least, n_nodes_max, folded);
        }
        let (rows, cells) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.cells));
        (self.rows, self.cells) = add_up(rows, cells);
    }

    /// The share of each node with all below it, the largest of all measures.
    fn shares(&self) -> Vec<f64> {
        let mut sums = vec![[0_u64; N_MEASURES]; self.tree.len()];
        for row in &self.rows {
            let of_node = &mut sums[row.place.node as usize];
            of_node.iter_mut().zip(row.measures).for_each(|(sum, more)| *sum = sum.saturating_add(more));
        }
        for (node, &(parent, _)) in self.tree.nodes().iter().enumerate().skip(1).rev() {
            let below = sums[node];
            sums[parent as usize]
                .iter_mut()
                .zip(below)
                .for_each(|(sum, more)| *sum = sum.saturating_add(more));
        }
        let whole = sums[Tree::ROOT as usize];
        let share = |sum: &[u64; N_MEASURES]| {
            let parts = sum.iter().zip(whole).filter(|(_, whole)| *whole > 0);
            parts.map(|(part, whole)| *part as f64 / whole as f64).fold(0.0, f64::max)
        };
        sums.iter().map(share).collect()
    }

    /// Keeps the nodes that `stays` says, which has to be so of the parent of each of them.
    fn keep(&mut self, stays: impl Fn(u32) -> bool, n_nodes_max: usize, folded: &mut Folded) {
        let (mut tree, mut new): (Tree, Vec<u32>) = (Tree::default(), vec![Tree::ROOT]);
        let mut kept = vec![true];
        for (node, &(parent, frame)) in self.tree.nodes().iter().enumerate().skip(1) {
            let parent_stays = kept[parent as usize];
            let stays = parent_stays && stays(node as u32) && frame != SMALL_FRAME;
            let parent = new[parent as usize];
            // A node whose parent went goes where that went.
            new.push(match (stays, parent_stays) {
                (true, _) => tree.child(parent, frame),
                (false, true) => tree.child(parent, SMALL_FRAME),
                (false, false) => parent,
            });
            kept.push(stays);
        }
        folded.n_stacks += self.n_gone(&kept);
        let leaves = self.leaves(&kept, &new, n_nodes_max.saturating_sub(tree.len()));
        for Row { place, .. } in &mut self.rows {
            let [node, blamed] = [place.node, place.blamed].map(|node| node as usize);
            let frame = self.tree.nodes()[blamed].1;
            place.node = new[node];
            if kept[blamed] {
                place.blamed = new[blamed];
                continue;
            }
            if leaves.contains(&(place.node, frame)) {
                place.node = tree.child(place.node, frame);
            }
            place.blamed = place.node;
        }
        self.tree = tree;
    }

    /// How many stacks go that had not gone before.
    fn n_gone(&self, kept: &[bool]) -> u64 {
        let mut gone: Vec<u32> = self.rows.iter().map(|row| row.place.node).collect();
        gone.retain(|node| !kept[*node as usize] && !is_within_small(&self.tree, *node));
        gone.sort_unstable();
        gone.dedup();
        gone.len() as u64
    }

    /// The blamed frames that stay within nodes of small stacks, so that lines, functions and files have their sums: those that are
    /// blamed for the most, at most `n_max`. Each is (node of small stacks, frame).
    fn leaves(&self, kept: &[bool], new: &[u32], n_max: usize) -> FxHashSet<(u32, u32)> {
        let mut weights: FxHashMap<(u32, u32), u64> = FxHashMap::default();
        for row in self.rows.iter().filter(|row| !kept[row.place.blamed as usize]) {
            let (_, frame) = self.tree.nodes()[row.place.blamed as usize];
            if frame != SMALL_FRAME {
                let weight = weights.entry((new[row.place.node as usize], frame)).or_default();
                *weight = row.measures.iter().fold(*weight, |sum, more| sum.saturating_add(*more));
            }
        }
        let mut weights: Vec<((u32, u32), u64)> = weights.into_iter().collect();
        weights.sort_unstable_by_key(|&(leaf, weight)| (std::cmp::Reverse(weight), leaf));
        weights.into_iter().take(n_max).map(|(leaf, _)| leaf).collect()
    }

    /// How many cells there are.
    pub fn n_cells(&self) -> usize {
        self.cells.len()
    }

    /// Joins slices in pairs; `false` if there are none left to join.
    pub fn join_slices(&mut self, folded: &mut Folded) -> bool {
        let n_before = self.time.as_ref().map_or(0, Time::n_slices);
        let Some(stages) = self.time.as_mut().and_then(Time::halve) else { return false };
        folded.n_slices.get_or_insert(n_before);
        let new = |slice: u32| stages.get(slice as usize + 1).map_or(slice, |stage| stage.saturating_sub(1));
        self.cells.iter_mut().for_each(|cell| cell.slice = new(cell.slice));
        add_up_cells(&mut self.cells);
        true
    }
}

impl Time {
    /// Takes every second boundary out of those that need not stay. Returns the new number of each stage.
    fn halve(&mut self) -> Option<Vec<u32>> {
        let stages = self.grid.halve(Some(self.peak))?;
        let mut place = 0;
        self.boundaries.retain(|_| {
            place += 1;
            stages[place] > stages[place - 1]
        });
        self.peak = stages[self.peak] as usize;
        Some(stages)
    }

    /// How many slices there are.
    pub fn n_slices(&self) -> usize {
        self.boundaries.len().saturating_sub(1)
    }
}

/// The least share of nodes that stay so that there are at most `n_nodes_max`, with those for what went.
fn threshold(tree: &Tree, shares: &[f64], n_nodes_max: usize) -> f64 {
    let nodes = tree.nodes();
    let mut gone_below = vec![0_u32; nodes.len()];
    nodes.iter().skip(1).for_each(|(parent, _)| gone_below[*parent as usize] += 1);
    // Those of the larger share first, and so each after its parent.
    let by_share = |node: u32| (std::cmp::Reverse(shares[node as usize].to_bits()), node);
    let shown = (1..nodes.len() as u32).filter(|node| !is_within_small(tree, *node));
    // No share is below zero, and the bits of such numbers are in the order of the numbers.
    let mut order: Vec<(std::cmp::Reverse<u64>, u32)> = shown.map(by_share).collect();
    // Each that stays is one more: those after the first `n_nodes_max` go in any case.
    if order.len() > n_nodes_max + 1 {
        order.select_nth_unstable(n_nodes_max);
        order.truncate(n_nodes_max + 1);
    }
    order.sort_unstable();
    let (mut n_nodes, mut least) = (2, f64::INFINITY);
    for (place, &(_, node)) in order.iter().enumerate() {
        let parent = nodes[node as usize].0 as usize;
        gone_below[parent] -= 1;
        n_nodes += 1 + usize::from(gone_below[node as usize] > 0);
        n_nodes -= usize::from(gone_below[parent] == 0);
        let share = shares[node as usize];
        let is_last_of_share = order.get(place + 1).is_none_or(|(_, next)| shares[*next as usize] < share);
        if is_last_of_share && n_nodes <= n_nodes_max {
            least = share;
        }
    }
    least
}

/// Rows of the same place added up, in the order of their places; and the cells of those.
fn add_up(rows: Vec<Row>, cells: Vec<Cell>) -> (Vec<Row>, Vec<Cell>) {
    let mut sums: Vec<Row> = Vec::with_capacity(rows.len());
    let mut of_place: FxHashMap<Place, u32> = FxHashMap::default();
    let mut numbers: Vec<u32> = Vec::with_capacity(rows.len());
    for row in rows {
        let number = *of_place.entry(row.place).or_insert(sums.len() as u32);
        numbers.push(number);
        let Some(sum) = sums.get_mut(number as usize) else {
            sums.push(row);
            continue;
        };
        sum.start += row.start;
        sum.after += row.after;
        sum.sizes.merge(&row.sizes);
        sum.lifetimes.merge(&row.lifetimes);
        sum.measures.iter_mut().zip(row.measures).for_each(|(sum, more)| *sum = sum.saturating_add(more));
    }
    let mut order: Vec<u32> = (0..sums.len() as u32).collect();
    order.sort_unstable_by_key(|&number| sums[number as usize].place);
    let mut new = vec![0; sums.len()];
    (0..).zip(&order).for_each(|(place, &number)| new[number as usize] = place);
    numbers.iter_mut().for_each(|number| *number = new[*number as usize]);
    let sums = order.iter().map(|&number| std::mem::take(&mut sums[number as usize])).collect();
    let mut cells = renumbered(cells, &numbers, order.len());
    add_up_cells(&mut cells);
    (sums, cells)
}

/// `cells` of rows that have new numbers, below `n`, in the order of these.
fn renumbered(cells: Vec<Cell>, numbers: &[u32], n: usize) -> Vec<Cell> {
    if numbers.is_sorted() {
        return cells.into_iter().map(|cell| Cell { site: numbers[cell.site as usize], ..cell }).collect();
    }
    // There may be a million, of a few rows each: they are put where they belong.
    let mut places = vec![0_usize; n + 1];
    cells.iter().for_each(|cell| places[numbers[cell.site as usize] as usize + 1] += 1);
    (0..n).for_each(|row| places[row + 1] += places[row]);
    let Some(&first) = cells.first() else { return cells };
    let mut placed = vec![first; cells.len()];
    for cell in cells {
        let site = numbers[cell.site as usize];
        let place = &mut places[site as usize];
        placed[*place] = Cell { site, ..cell };
        *place += 1;
    }
    placed
}

/// Adds up cells of one row and slice, and puts those of each row, which stand together, in the order of slices.
fn add_up_cells(cells: &mut Vec<Cell>) {
    for row in cells.chunk_by_mut(|one, next| one.site == next.site) {
        if !row.is_sorted_by_key(|cell| cell.slice) {
            row.sort_unstable_by_key(|cell| cell.slice);
        }
    }
    cells.dedup_by(|next, sum| {
        let is_same = (next.site, next.slice) == (sum.site, sum.slice);
        if is_same {
            sum.flow += next.flow;
        }
        is_same
    });
}
