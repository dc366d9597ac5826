//! Walks of made-up graphs in a made-up memory, against a search that is written as one would say it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tm_common::ids::{Address, Space, StackId};

use super::*;
use crate::memory::{PAGE_BYTES, PAGE_WORDS, Page};
use tm_testing::Random;

/// Blocks by start, each with its words; between them nothing can be read.
#[derive(Clone, Default)]
struct Graph {
    blocks: BTreeMap<u64, Vec<u64>>,
    unreadable: BTreeSet<u64>,
    next: u64,
}

impl Graph {
    fn new() -> Graph {
        Graph { next: 0x5000_0000, ..Graph::default() }
    }

    /// Returns a block of `words`; returns its start.
    fn block(&mut self, words: Vec<u64>) -> u64 {
        let start = self.next;
        self.next += 16 + 8 * words.len() as u64;
        self.blocks.insert(start, words);
        start
    }

    fn at(&self, start: u64) -> Block {
        let size = 8 * self.blocks[&start].len() as u64;
        Block { address: Address(start), size, stack: StackId((start % 3) as u32), ..Block::default() }
    }

    fn holding(&self, word: u64) -> Option<u64> {
        let (start, words) = self.blocks.range(..=word).next_back()?;
        (word - start < 8 * words.len() as u64).then_some(*start)
    }

    fn walk(&self, root: u64, limits: Limits, visitor: &mut impl Visitor) -> Found {
        walk(self.at(root), self, self, limits, visitor).unwrap()
    }
}

impl Heap for Graph {
    fn is_near(&self, word: u64) -> bool {
        word >= 0x5000_0000
    }

    fn find(&self, pointers: &mut [Pointer], visited: &Visited, found: &mut Vec<Block>) {
        let starts = pointers.iter().filter_map(|pointer| self.holding(pointer.word));
        let new = starts.filter(|start| !visited.contains(Space::HEAP, *start));
        found.extend(new.map(|start| self.at(start)));
    }
}

impl Memory for &Graph {
    fn read(&mut self, numbers: &[u64], pages: &mut [Page], readable: &mut [bool]) -> Result<(), Forbidden> {
        for ((number, page), readable) in numbers.iter().zip(pages).zip(readable) {
            *readable = !self.unreadable.contains(number);
            *page = [0xdead_beef_dead_beef; PAGE_WORDS];
            let start = number * PAGE_BYTES;
            let first = self.blocks.range(..=start).next_back().map_or(start, |(start, _)| *start);
            for (block, words) in self.blocks.range(first..start + PAGE_BYTES) {
                let n_before = start.saturating_sub(*block).div_ceil(8);
                let words = words.iter().skip(n_before as usize);
                for (at, word) in (block + 8 * n_before..start + PAGE_BYTES).step_by(8).zip(words) {
                    page[((at - start) / 8) as usize] = *word;
                }
            }
        }
        Ok(())
    }
}

/// Size, count, sums by depth, and whether there was more.
type Sums = (u64, u64, Vec<(usize, usize)>, bool);

fn sums(found: &Found) -> Sums {
    let by_depth = found.by_depth.iter().map(|group| (group.size, group.count)).collect();
    assert!(found.by_depth.iter().enumerate().all(|(depth, group)| group.depth == depth));
    let (size, count) = found.by_stack.values().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
    assert_eq!((size, count), (found.size, found.count));
    (found.size, found.count, by_depth, found.is_cut)
}

/// Does the same as words say it: distances first, then the sums.
fn naive(graph: &Graph, root: u64, depth_max: usize) -> Sums {
    let mut depths = HashMap::from([(root, 0)]);
    let mut queue = vec![root];
    while !queue.is_empty() {
        let block = queue.remove(0);
        let at_word = |place: usize| block + 8 * place as u64;
        for (place, word) in graph.blocks[&block].iter().enumerate() {
            if graph.unreadable.contains(&(at_word(place) / PAGE_BYTES)) {
                continue;
            }
            let Some(target) = graph.holding(*word).filter(|target| !depths.contains_key(target)) else {
                continue;
            };
            depths.insert(target, depths[&block] + 1);
            queue.push(target);
        }
    }
    let is_cut = depths.values().any(|depth| *depth > depth_max);
    depths.retain(|_, depth| *depth <= depth_max);
    let mut by_depth = vec![(0, 0); depths.values().max().map_or(0, |max| max + 1)];
    let mut size = 0;
    for (block, depth) in &depths {
        let bytes = 8 * graph.blocks[block].len();
        size += bytes as u64;
        by_depth[*depth] = (by_depth[*depth].0 + bytes, by_depth[*depth].1 + 1);
    }
    (size, depths.len() as u64, by_depth, is_cut)
}

#[test]
fn a_list_has_a_block_at_each_depth() {
    let mut graph = Graph::new();
    let mut next = 0;
    for value in 0..5000 {
        next = graph.block(vec![next, value]);
    }
    let found = graph.walk(next, Limits::NONE, &mut ());
    assert_eq!(sums(&found), (16 * 5000, 5000, vec![(16, 1); 5000], false));
}

#[test]
fn a_tree_doubles_with_each_depth_and_its_middle_is_found_too() {
    let mut graph = Graph::new();
    let mut level: Vec<u64> = (0..1024).map(|_| graph.block(vec![0, 0, 0])).collect();
    while level.len() > 1 {
        // To the middle of the one and the last byte of the other.
        level = level.chunks(2).map(|pair| graph.block(vec![pair[0] + 12, pair[1] + 23, 7])).collect();
    }
    let found = graph.walk(level[0], Limits::NONE, &mut ());
    let by_depth = (0..11).map(|depth| (24 << depth, 1 << depth)).collect();
    assert_eq!(sums(&found), (24 * 2047, 2047, by_depth, false));
}

#[test]
fn what_is_shared_or_in_a_cycle_counts_once_at_its_shortest_distance() {
    let mut graph = Graph::new();
    let shared = graph.block(vec![0; 100]);
    let last = graph.block(vec![shared]);
    let middle = graph.block(vec![last, last]);
    let root = graph.block(vec![middle, shared + 8]);
    graph.blocks.insert(last, vec![root]);
    let found = graph.walk(root, Limits::NONE, &mut ());
    assert_eq!(sums(&found), (16 + 16 + 800 + 8, 4, vec![(16, 1), (816, 2), (8, 1)], false));
}

#[test]
fn one_past_the_end_is_another_block() {
    let mut graph = Graph::new();
    let other = graph.block(vec![1]);
    let root = graph.block(vec![other + 8, other - 1]);
    assert_eq!(graph.walk(root, Limits::NONE, &mut ()).count, 1);
}

/// Random graphs: large blocks and small ones, holes in memory, limits of depth.
#[test]
fn it_finds_what_a_naive_search_finds() {
    let mut random = Random::new(11);
    let (mut n_cut, mut n_reached) = (0, 0);
    for _ in 0..300 {
        let mut graph = Graph::new();
        let n_blocks = 1 + random.below(60);
        for _ in 0..n_blocks {
            let n_words = if random.below(20) == 0 { random.below(3000) } else { random.below(9) };
            graph.block(vec![0; n_words as usize]);
        }
        let starts: Vec<u64> = graph.blocks.keys().copied().collect();
        for word in graph.blocks.values_mut().flatten() {
            if random.below(7) == 0 {
                *word = starts[random.below(n_blocks) as usize] + random.below(40);
            }
        }
        let pages = starts.iter().map(|start| start / PAGE_BYTES);
        graph.unreadable = pages.filter(|_| random.below(15) == 0).collect();
        let root = starts[random.below(n_blocks) as usize];
        let depth_max = if random.below(2) == 0 { usize::MAX } else { random.below(5) as usize };
        let found = graph.walk(root, Limits { depth_max, ..Limits::NONE }, &mut ());
        assert_eq!(sums(&found), naive(&graph, root, depth_max));
        (n_cut, n_reached) = (n_cut + u64::from(found.is_cut), n_reached + found.count);
    }
    assert!(n_cut > 5 && n_reached > 500, "{n_cut} {n_reached}");
}

#[test]
fn a_limit_of_blocks_ends_it_and_says_so_only_if_there_is_more() {
    let mut graph = Graph::new();
    let children: Vec<u64> = (0..9).map(|_| graph.block(vec![0])).collect();
    let root = graph.block(children);
    for (blocks_max, count, is_cut) in [(1, 1, true), (9, 9, true), (10, 10, false), (11, 10, false)] {
        let found = graph.walk(root, Limits { blocks_max, ..Limits::NONE }, &mut ());
        assert_eq!((found.count, found.is_cut), (count, is_cut));
    }
    let found = graph.walk(root, Limits { depth_max: 1, ..Limits::NONE }, &mut ());
    assert_eq!((found.count, found.is_cut), (10, false));
    let found = graph.walk(root, Limits { depth_max: 0, ..Limits::NONE }, &mut ());
    assert_eq!((found.count, found.is_cut), (1, true));
}

/// More unreadable pages than are looked at together: the block is given up, and what comes after it is not.
#[test]
fn a_large_block_is_read_in_pieces_and_one_that_cannot_be_read_is_passed_over() {
    let mut graph = Graph::new();
    let leaf = graph.block(vec![0, 0]);
    let large = graph.block(vec![0; 1 << 19]);
    graph.next = graph.next.next_multiple_of(PAGE_BYTES);
    let unreadable = graph.block(vec![leaf; 1 << 19]);
    graph.next = graph.next.next_multiple_of(PAGE_BYTES);
    let last = graph.block(vec![leaf]);
    let root = graph.block(vec![large, unreadable]);
    graph.unreadable = (unreadable / PAGE_BYTES..last / PAGE_BYTES).collect();
    assert_eq!(graph.walk(root, Limits::NONE, &mut ()).count, 3);
    graph.blocks.get_mut(&large).unwrap()[(1 << 19) - 1] = last;
    assert_eq!(graph.walk(root, Limits::NONE, &mut ()).count, 5);
}

/// Answers from a table, and notes what it is asked and told.
#[derive(Default)]
struct Table {
    follow: HashMap<u64, Follow>,
    named: HashMap<u64, Vec<Block>>,
    asked: Vec<(u64, usize)>,
    counted: Vec<(u64, usize)>,
}

impl Visitor for Table {
    fn decide(&mut self, block: &Block, depth: usize, named: &mut Vec<Block>) -> Follow {
        self.asked.push((block.address.0, depth));
        named.extend(self.named.get(&block.address.0).into_iter().flatten());
        self.follow.get(&block.address.0).copied().unwrap_or(Follow::Words)
    }

    fn counted(&mut self, block: &Block, depth: usize) {
        self.counted.push((block.address.0, depth));
    }
}

#[test]
fn a_visitor_stops_skips_and_names() {
    let mut graph = Graph::new();
    let hidden = graph.block(vec![0]);
    let behind_stop = graph.block(vec![0]);
    let behind_skip = graph.block(vec![0]);
    let named_by_skip = graph.block(vec![0]);
    let stop = graph.block(vec![behind_stop]);
    let skip = graph.block(vec![behind_skip]);
    let near = graph.block(vec![0]);
    // Named at depth 2 by `stop`, but pointed to at depth 1 as well.
    let root = graph.block(vec![stop, skip, near, stop]);
    let mut table = Table::default();
    table.follow.extend([(stop, Follow::Named), (skip, Follow::Nothing)]);
    table.named.insert(stop, vec![graph.at(hidden), graph.at(near), graph.at(hidden)]);
    table.named.insert(skip, vec![graph.at(named_by_skip)]);
    let found = graph.walk(root, Limits::NONE, &mut table);
    assert_eq!(table.asked, [(root, 0), (stop, 1), (skip, 1), (near, 1), (hidden, 2)]);
    assert_eq!(table.counted, [(root, 0), (stop, 1), (near, 1), (hidden, 2)]);
    assert_eq!(sums(&found), (32 + 8 + 8 + 8, 4, vec![(32, 1), (16, 2), (8, 1)], false));
    table.follow.insert(root, Follow::Nothing);
    assert_eq!(graph.walk(root, Limits::NONE, &mut table).count, 0);
}
