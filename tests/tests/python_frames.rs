//! The Python frames of allocations are those that Python's own `traceback` module says in the same place.

use std::collections::HashMap;

use tm_analyzer::python::Lines;
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::events;
use tm_common::ids::{ProcessIndex, StackId};
use tm_tests::info::{info, number};
use tm_tests::run::Run;

const PYTHON: &str = "/usr/bin/python3";

fn program() -> Run {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/frames.py");
    Run::new(PYTHON).args([script]).env("TM_SELF_CHECK", "1")
}

/// The frames of a stack as `name:line`, innermost first. CPython shows none that has not begun.
fn frames(recording: &Recording, stack: StackId) -> Vec<String> {
    let frames = recording.stacks.python(stack, u32::MAX).into_iter().flatten();
    let shown = frames.filter(|frame| !frame.is_incomplete);
    let frames = shown.map(|frame| {
        let code = recording.python.code(frame.code).expect("a frame's code is recorded");
        let table = recording.python.line_table(frame.code).expect("all of it");
        let lines = Lines::read(code.line_table_kind, &table, code.first_line);
        let name = code.name.rsplit('.').next().unwrap_or(&code.name);
        format!("{name}:{}", lines.line(frame.instruction))
    });
    frames.collect()
}

/// The frames of each block, by its size.
fn recorded(recording: &Recording) -> HashMap<u64, Vec<String>> {
    let mut found = HashMap::new();
    let replayed = events(recording, ProcessIndex(0), |event| {
        if (100_000..200_000).contains(&event.size) {
            found.insert(event.size, frames(recording, event.stack));
        }
    });
    replayed.expect("the first process is there");
    found
}

#[test]
fn frames_are_those_that_python_says() {
    let outcome = program().recorded();
    assert_eq!((outcome.status.code(), outcome.messages()), (Some(0), Vec::new()), "{}", outcome.stderr);
    let recording = Recording::open(outcome.recording()).expect("it is a recording");
    let found = recorded(&recording);
    let mut n_blocks = 0;
    for line in outcome.stdout.lines() {
        let mut said = line.split('|');
        let size: u64 = said.next().and_then(|size| size.parse().ok()).expect("a size");
        // A bytearray has a byte more.
        let frames = found.get(&(size + 1)).unwrap_or_else(|| panic!("no block of {size} bytes"));
        assert_eq!(*frames, said.collect::<Vec<_>>(), "the block of {size} bytes");
        n_blocks += 1;
    }
    assert_eq!(n_blocks, 1 + 1 + 3 + 1 + 4 + 3 + 4 + 40 + 1 + 20);
    let info = info(outcome.recording());
    assert_eq!(number(&info, "lost_events"), 0);
    assert_eq!(recording.header.self_check_differences, 0);
    assert!(recording.header.self_checks > 1000, "{}", recording.header.self_checks);
}

#[test]
fn frames_can_be_left_out_or_cut() {
    let without = program().env("TM_PYTHON_FRAMES", "0").recorded();
    let recording = Recording::open(without.recording()).expect("it is a recording");
    assert!(recording.python.interpreters.is_empty());
    assert!(recorded(&recording).values().all(Vec::is_empty));
    for limit in [1usize, 4] {
        let cut = program().env("TM_NFRAME", limit.to_string()).recorded();
        let recording = Recording::open(cut.recording()).expect("it is a recording");
        let found = recorded(&recording);
        for line in cut.stdout.lines() {
            let (size, frames) = line.split_once('|').expect("a size and frames");
            let size: u64 = size.parse().expect("a number");
            let found = &found[&(size + 1)];
            let n_kept = found.len();
            let all: Vec<_> = frames.split('|').collect();
            assert_eq!(found[..], all[..n_kept], "the innermost of {size}");
            assert!(
                n_kept == all.len() || (limit.div_ceil(2)..2 * limit).contains(&n_kept),
                "{n_kept} of {limit}"
            );
        }
    }
}
