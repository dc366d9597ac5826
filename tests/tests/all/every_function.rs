//! Each hooked C function succeeds and fails as it does without us, errno included, and is recorded under its name.

use std::collections::BTreeMap;

use tm_analyzer::events::Action;
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::events;
use tm_common::functions::{Family, Function, Role};
use tm_common::ids::ProcessIndex;
use tm_tests::counting::assert_counts_and_behaviour;
use tm_tests::programs::compile;
use tm_tests::run::Run;

/// Counted by hand in `programs/every_function.c`. `realloc(p, 0)` gives its block back, so it is there as a free;
/// `reallocarray` of a block stands under `realloc`, because the format's reallocation names no function.
const CALLS: [(&str, u64); 15] = [
    ("aligned_alloc", 2),
    ("calloc", 2),
    ("cfree", 1),
    ("free", 14),
    ("free_aligned_sized", 1),
    ("free_sized", 1),
    ("malloc", 8),
    ("memalign", 1),
    ("posix_memalign", 1),
    ("pvalloc", 1),
    ("realloc", 5),
    ("realloc as free", 1),
    ("reallocarray", 1),
    ("reallocarray as free", 1),
    ("valloc", 1),
];

fn calls(recording: &Recording) -> BTreeMap<String, u64> {
    let mut calls = BTreeMap::new();
    let mut note = |name: String| *calls.entry(name).or_insert(0) += 1;
    events(recording, ProcessIndex(0), |event| {
        let name = event.function.name();
        match event.action {
            Action::Free if event.function.role() == Role::Reallocate => note(format!("{name} as free")),
            Action::ReallocateBegin | Action::Track | Action::Untrack | Action::Move => {}
            _ => note(name.to_owned()),
        }
    })
    .expect("the first process is there");
    calls
}

#[test]
fn every_function_does_as_without_us_and_is_recorded_by_its_name() {
    let run = Run::new(compile("every_function.c", &["-O1", "-g"]));
    let (outcome, counts) = assert_counts_and_behaviour(&run);
    assert_eq!(outcome.status.code(), Some(3));
    let recording = Recording::open(outcome.recording()).expect("it is a recording");
    let expected = CALLS.iter().map(|(name, n)| ((*name).to_owned(), *n));
    assert_eq!(calls(&recording), expected.collect());
    assert_eq!((counts.allocations, counts.reallocations, counts.frees), (16, 6, 19));
}

#[test]
fn the_test_leaves_no_c_function_out() {
    let source = include_str!("../../programs/every_function.c");
    for function in Function::ALL.iter().filter(|function| function.family() == Family::C) {
        assert!(source.contains(&format!("{}(", function.symbol())), "{} is not called", function.symbol());
    }
}
