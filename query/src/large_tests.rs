//! Walks of large structures in real memory: each block is found once, in whatever order the blocks lie.
//!
//! The long form (`TM_SOAK=1`) has ten million blocks, needs 2 GB, and prints what a walk costs: `scripts/bench --parts
//! walks`.

use std::time::Duration;

use tm_analyzer::reader::Recording;
use tm_analyzer::replay::{Processes, run};
use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, ProcessIndex, StackId, Stamp};

use crate::allocator::held_bytes;
use crate::finder::Finder;
use crate::index::Index;
use crate::memory::OwnMemory;
use crate::walk::{Limits, walk};
use tm_testing::{Random, RecordingBuilder};

/// Ten million in the long form.
fn n_blocks() -> u64 {
    if std::env::var_os("TM_SOAK").is_some_and(|value| value == "1") { 10_000_000 } else { 20_000 }
}

/// The bytes that malloc makes of 24 to 40.
const STRIDE: u64 = 48;
const SIZE: u64 = 40;
const WORDS: usize = (STRIDE / 8) as usize;

/// The blocks' memory, in the order of their addresses.
struct Arena(Vec<u64>);

impl Arena {
    fn new() -> Arena {
        Arena(vec![0; n_blocks() as usize * WORDS])
    }

    fn address(&self, block: u64) -> u64 {
        self.0.as_ptr().addr() as u64 + STRIDE * block
    }

    fn set(&mut self, block: u64, word: usize, to: u64) {
        self.0[block as usize * WORDS + word] = self.address(to);
    }
}

fn measure(name: &str, arena: &Arena, root: u64) {
    let mut builder = RecordingBuilder::with_process();
    builder.grains = 1000;
    let stack = builder.node(StackId::NONE, 0x1000);
    for block in 0..n_blocks() {
        let event = Event::Allocate {
            stamp: Stamp(block + 1),
            address: Address(arena.address(block)),
            size: SIZE,
            stack,
            function: Function::Malloc,
        };
        builder.event(ProcessIndex(0), 0, &event);
    }
    let file = builder.file();
    drop(builder);
    let before = held_bytes();
    let recording = Recording::open(file.path()).unwrap();
    let start = ProcessorTime::now();
    run(
        &recording,
        Processes::One(ProcessIndex(0)),
        Stamp(u64::MAX),
        |_| (),
        |engine, ()| {
            // Other tests of the process take and give back memory meanwhile; the long form runs one at a time.
            let (replayed, table) = (start.since(), held_bytes().saturating_sub(before));
            let start = ProcessorTime::now();
            let index = Index::of(engine.live());
            let (indexed, with_index) = (start.since(), held_bytes().saturating_sub(before));
            let finder = Finder::new(engine.live(), &index);
            let root = finder.smallest(arena.address(root)).unwrap();
            let start = ProcessorTime::now();
            let found = walk(root, &finder, OwnMemory::by_call(), Limits::NONE, &mut ()).unwrap();
            let walked = start.since();
            assert_eq!((found.count, found.size, found.is_cut), (n_blocks(), n_blocks() * SIZE, false));
            println!(
                "{name}: replayed in {replayed:?} ({} B a block), index in {indexed:?} ({:.2} B a block), \
             walk in {walked:?}, {} depths",
                table / n_blocks() as usize,
                with_index.saturating_sub(table) as f64 / n_blocks() as f64,
                found.by_depth.len()
            );
        },
    )
    .unwrap();
}

/// The user's and the system's that this thread has used: others may be at work on the machine.
#[derive(Clone, Copy, Debug)]
struct ProcessorTime {
    user: Duration,
    system: Duration,
}

impl ProcessorTime {
    fn now() -> ProcessorTime {
        // SAFETY: all zeros is a value of it.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: the usage is ours to write.
        unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut usage) };
        let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, 1000 * time.tv_usec as u32);
        ProcessorTime { user: time(usage.ru_utime), system: time(usage.ru_stime) }
    }

    fn since(self) -> ProcessorTime {
        let now = ProcessorTime::now();
        ProcessorTime { user: now.user - self.user, system: now.system - self.system }
    }
}

/// Returns the order in which blocks of a shuffled structure were made.
fn shuffled() -> Vec<u64> {
    let (mut order, mut random): (Vec<u64>, _) = ((0..n_blocks()).collect(), Random::new(5));
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last as u64 + 1) as usize);
    }
    order
}

#[test]
fn a_list_is_walked_whole() {
    for (name, order) in [
        ("list upward", (0..n_blocks()).collect()),
        ("list downward", (0..n_blocks()).rev().collect()),
        ("list shuffled", shuffled()),
    ] {
        let mut arena = Arena::new();
        order.windows(2).for_each(|pair| arena.set(pair[0], 0, pair[1]));
        measure(name, &arena, order[0]);
    }
}

#[test]
fn a_tree_is_walked_whole() {
    for (name, order) in [("tree by level", (0..n_blocks()).collect()), ("tree shuffled", shuffled())] {
        let mut arena = Arena::new();
        for child in 1..n_blocks() {
            let parent = order[((child - 1) / 2) as usize];
            arena.set(parent, 1 + (child % 2) as usize, order[child as usize]);
            arena.set(order[child as usize], 0, parent);
        }
        measure(name, &arena, order[0]);
    }
}
