//! Threads that intern stack nodes in a table of four slots, which grows with the second one.

use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use tm_common::ids::{Epoch, StackId};
use tm_common::stack::{FrameKind, StackNode};

use super::{cells, check, join, read, write};
use crate::lockfree::slots::Slots;

const EPOCH: Epoch = Epoch(1);

/// The table and the nodes that were written: id n is the n-th, from 1, and a node is its address.
struct Stacks {
    slots: Slots,
    n_nodes: AtomicU32,
    nodes: Vec<UnsafeCell<u64>>,
}

fn node(pc: u64) -> StackNode {
    StackNode { parent: StackId::NONE, epoch: EPOCH, kind: FrameKind::Return, pc }
}

/// The first addresses from `pc` on that a table of `n_slots` has in `place`.
fn addresses_at(place: usize, n_slots: usize, pc: u64) -> impl Iterator<Item = u64> {
    (pc..).filter(move |&pc| Slots::first_place(&node(pc), n_slots) == place)
}

impl Stacks {
    fn new() -> Arc<Stacks> {
        Arc::new(Stacks { slots: Slots::new(), n_nodes: AtomicU32::new(0), nodes: cells(12) })
    }

    fn intern(&self, pc: u64) -> StackId {
        let id = self.slots.intern(node(pc), || {
            // Relaxed: it only divides the nodes.
            let place = self.n_nodes.fetch_add(1, Ordering::Relaxed);
            write(&self.nodes[place as usize], pc);
            StackId(place + 1)
        });
        assert_eq!(self.content(id), pc, "an id says what was interned");
        id
    }

    fn find(&self, pc: u64) -> Option<StackId> {
        let id = self.slots.reader(EPOCH).find(StackId::NONE, pc, FrameKind::Return);
        assert!(id.is_none_or(|id| self.content(id) == pc), "what is found is the node");
        id
    }

    fn content(&self, id: StackId) -> u64 {
        read(&self.nodes[id.0 as usize - 1])
    }

    fn n_written(&self, pc: u64) -> usize {
        self.nodes.iter().filter(|node| read(node) == pc).count()
    }
}

/// Two writers begin with the same node and go on with different ones that want its slot; a reader looks for all.
#[test]
fn ids_that_are_seen_are_of_nodes_that_are_written() {
    check(2, || {
        let stacks = Stacks::new();
        let pcs: Vec<u64> = addresses_at(0, 4, 1).take(3).collect();
        let threads = [[pcs[0], pcs[1]], [pcs[0], pcs[2]]].map(|pcs| {
            let stacks = stacks.clone();
            thread::spawn(move || pcs.map(|pc| stacks.intern(pc)))
        });
        stacks.find(pcs[0]);
        stacks.find(pcs[1]);
        let ids = join(threads);
        let written = [pcs[0], pcs[1], pcs[2]].map(|pc| stacks.n_written(pc));
        assert!((1..=2).contains(&written[0]) && written[1..] == [1, 1], "{written:?}");
        assert_eq!(written[0] == 2, ids[0][0] != ids[1][0], "nothing is written that nobody has");
    });
}

/// One thread adds a node while another one replaces the table; then a last node gets the place that a torn copy of
/// that one would be in.
#[test]
fn a_table_that_is_copied_while_nodes_are_added_has_no_node_under_another_s_key() {
    check(2, || {
        let stacks = Stacks::new();
        let torn = Slots::first_place(&node(0), 8);
        let elsewhere = |&pc: &u64| Slots::first_place(&node(pc), 8) != torn;
        let [first, second, third] =
            [0, 1, 2].map(|place| addresses_at(place, 4, 1).find(elsewhere).expect("there are many"));
        let last = addresses_at(torn, 8, 1).next().expect("there are many");
        stacks.intern(first);
        let adds = {
            let stacks = stacks.clone();
            thread::spawn(move || stacks.intern(second))
        };
        let grows = {
            let stacks = stacks.clone();
            thread::spawn(move || [third, last].map(|pc| stacks.intern(pc)))
        };
        join([adds]);
        stacks.find(last);
        join([grows]);
        [first, second, third, last].iter().for_each(|&pc| assert_eq!(stacks.content(stacks.intern(pc)), pc));
    });
}
