//! Blocks that wander between threads at the speed of the allocator, at addresses that are used again at once: the
//! recording, put together from each thread's part, has for every address the blocks that were there, in their order.
//!
//! The oracle is the program, which counts the blocks of each address while it has the address for itself.

use std::collections::HashMap;

use tm_analyzer::events::Action;
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::events;
use tm_common::ids::ProcessIndex;
use tm_tests::counting::assert_counts_and_behaviour;
use tm_tests::programs::compile;
use tm_tests::run::{Outcome, Run};
use tm_tests::soak::times;

/// For each address, the sizes of its blocks in the order in which they were there.
type History = HashMap<u64, Vec<u64>>;

/// What the program has written: (address, number at the address, size << 32 | thread).
fn known(outcome: &Outcome) -> History {
    let bytes = std::fs::read(outcome.folder().join("known")).expect("the program wrote it");
    let (words, []) = bytes.as_chunks::<8>() else { panic!("no list of numbers") };
    let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let mut numbered: HashMap<u64, Vec<(u64, u64)>> = HashMap::new();
    for block in words.chunks_exact(3) {
        numbered.entry(block[0]).or_default().push((block[1], block[2] >> 32));
    }
    let in_order = |(address, mut blocks): (u64, Vec<(u64, u64)>)| {
        blocks.sort_unstable();
        (address, blocks.into_iter().map(|(_, size)| size).collect())
    };
    numbered.into_iter().map(in_order).collect()
}

/// What the recording says, of all threads but the first, which only starts them.
fn recorded(outcome: &Outcome) -> History {
    let recording = Recording::open(outcome.recording()).expect("it is a recording");
    let mut history = History::new();
    let mut first = None;
    events(&recording, ProcessIndex(0), |event| {
        let first = *first.get_or_insert(event.thread_tag);
        if matches!(event.action, Action::Allocate | Action::ReallocateEnd) && event.thread_tag != first {
            history.entry(event.address.0).or_default().push(event.size);
        }
    })
    .expect("the first process is there");
    history
}

#[test]
fn every_address_has_its_blocks_in_the_order_in_which_they_were_there() {
    let rounds = times(100_000, 3_000_000).to_string();
    let run = Run::new(compile("shared_blocks.c", &["-O2", "-pthread"])).args(["known", &rounds]);
    let (outcome, counts) = assert_counts_and_behaviour(&run);
    assert!(counts.frees > 100_000 && counts.reallocations > 100_000, "{counts:?}");
    let (known, recorded) = (known(&outcome), recorded(&outcome));
    let most_used = known.values().map(Vec::len).max();
    assert!(most_used > Some(100), "addresses were hardly used again: {most_used:?}");
    let sorted = |blocks: &Vec<u64>| {
        let mut blocks = blocks.clone();
        blocks.sort_unstable();
        blocks
    };
    for (address, blocks) in &known {
        assert_eq!(recorded.get(address).map(sorted), Some(sorted(blocks)), "the blocks at {address:x}");
    }
    // Two short lives that follow each other within the skew of two processors' counters can change places.
    let n_differ = known.iter().filter(|(address, blocks)| recorded.get(address) != Some(blocks)).count();
    assert!(n_differ <= known.len() / 5000, "{n_differ} of {} addresses have another order", known.len());
    assert_eq!(recorded.len(), known.len(), "addresses that the program does not know of");
}
