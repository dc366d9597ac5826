//! Threads that intern stack nodes in a table of four slots, which grows with the second one.

use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use tm_common::ids::{Epoch, StackId};
use tm_common::stack::{FrameKind, StackNode};

use super::{cells, check, read, thread, write};
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

/// Returns the first addresses from `pc` on that a table of `n_slots` has in `place`.
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

/// Two writers begin with the same node and go on with different ones that want its slot; a reader looks for both.
#[test]
fn ids_that_are_seen_are_of_nodes_that_are_written() {
    check(2, |order| {
        let stacks = Stacks::new();
        let pcs: Vec<u64> = addresses_at(0, 4, 1).take(3).collect();
        let (same, different) = (pcs[0], [pcs[1], pcs[2]]);
        let [one, two] = different.map(|pc| {
            thread(&stacks, move |stacks: &Stacks| {
                let id = stacks.intern(same);
                stacks.intern(pc);
                Some(id)
            })
        });
        let reader = thread(&stacks, move |stacks| {
            stacks.find(same);
            stacks.find(different[0]);
            None
        });
        let ids: Vec<StackId> = order.run([one, two, reader]).into_iter().flatten().collect();
        assert_eq!(different.map(|pc| stacks.n_written(pc)), [1, 1]);
        let n_same = if ids[0] == ids[1] { 1 } else { 2 };
        assert_eq!(stacks.n_written(same), n_same, "nothing is written that nobody has");
        different.iter().for_each(|&pc| assert_ne!(stacks.intern(pc), StackId::NONE));
    });
}

/// Two writers want one slot for different nodes, in a table that they find empty.
#[test]
fn a_slot_goes_to_one_node() {
    check(3, |order| {
        let stacks = Stacks::new();
        let pcs: Vec<u64> =
            addresses_at(0, 8, 1).filter(|&pc| Slots::first_place(&node(pc), 4) == 0).take(3).collect();
        let writers = [pcs[0], pcs[1]].map(|pc| thread(&stacks, move |stacks: &Stacks| stacks.intern(pc)));
        order.run(writers);
        pcs.iter().for_each(|&pc| assert_eq!(stacks.content(stacks.intern(pc)), pc));
        for &pc in &pcs {
            stacks.find(pc);
        }
    });
}

/// One thread adds a node while another one replaces the table; then a last node gets the place that a torn copy of
/// that one would be in, and a reader looks for it.
#[test]
fn a_table_that_is_copied_while_nodes_are_added_has_no_node_under_another_s_key() {
    check(2, |order| {
        let stacks = Stacks::new();
        let torn = Slots::first_place(&node(0), 8);
        let elsewhere = |&pc: &u64| Slots::first_place(&node(pc), 8) != torn;
        let [first, second, third] =
            [0, 1, 2].map(|place| addresses_at(place, 4, 1).find(elsewhere).expect("there are many"));
        let last = addresses_at(torn, 8, 1).next().expect("there are many");
        stacks.intern(first);
        let adds = thread(&stacks, move |stacks| _ = stacks.intern(second));
        let grows = thread(&stacks, move |stacks| [third, last].iter().for_each(|&pc| _ = stacks.intern(pc)));
        let looks = thread(&stacks, move |stacks| _ = stacks.find(last));
        order.run([adds, grows, looks]);
        for pc in [first, second, third, last] {
            assert_eq!(stacks.content(stacks.intern(pc)), pc);
        }
    });
}
