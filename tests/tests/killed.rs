//! `kill -9` in the middle of threads that allocate: what was done before it is in the recording.
//!
//! The oracle is the program itself, which counts each call in a shared file before and after it.

use std::collections::HashSet;
use std::time::Duration;

use tempfile::NamedTempFile;
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::{Action, events};
use tm_common::functions::Function;
use tm_common::ids::ProcessIndex;
use tm_tests::info::{info, number};
use tm_tests::programs::compile;
use tm_tests::run::Run;

const N_THREADS: u64 = 4;

/// Sums over the threads of one of four numbers.
fn sums(file: &NamedTempFile) -> [u64; 4] {
    let bytes = std::fs::read(file.path()).expect("we created it");
    let mut sums = [0; 4];
    for (place, number) in bytes.chunks_exact(8).enumerate() {
        sums[place % 4] += u64::from_le_bytes(number.try_into().expect("8 bytes"));
    }
    sums
}

/// Whether each thread has done a hundred allocations: on a busy machine one may start late.
fn all_threads_are_at_it(file: &NamedTempFile) -> bool {
    let bytes = std::fs::read(file.path()).expect("we created it");
    let done =
        bytes.chunks_exact(32).map(|counts| u64::from_le_bytes(counts[8..16].try_into().expect("8 bytes")));
    done.min().is_some_and(|fewest| fewest >= 100)
}

#[test]
fn kill_9_loses_at_most_the_call_that_each_thread_was_in() {
    for milliseconds in [20, 60, 120] {
        let file = NamedTempFile::new().expect("the temporary folder can be written");
        file.as_file().set_len(N_THREADS * 32).expect("as above");
        let program = compile("burst.c", &["-O1", "-pthread"]);
        let mut running = Run::new(program).env("BURST_FILE", file.path()).start_recorded();
        while !all_threads_are_at_it(&file) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(milliseconds));
        running.child.kill().expect("it runs");
        let outcome = running.finish();
        let [allocations_begun, allocations_done, frees_begun, frees_done] = sums(&file);
        let info = info(outcome.recording());
        // The thread library allocates too: its calls are those of the main thread.
        let others = main_thread_calls(&outcome);
        let allocations = number(&info, "allocations") - others;
        assert!(
            (allocations_done..=allocations_begun).contains(&allocations),
            "{allocations} {:?}",
            sums(&file)
        );
        let frees = number(&info, "frees");
        assert!((frees_done..=frees_begun).contains(&frees), "{frees} {:?}", sums(&file));
        assert!(allocations_begun - allocations_done <= N_THREADS && frees_begun - frees_done <= N_THREADS);
        assert_eq!((number(&info, "lost_events"), number(&info, "unknown_frees")), (0, 0));
        assert_eq!(info["complete"], false);
    }
}

/// Allocations of the thread that made the first event.
fn main_thread_calls(outcome: &tm_tests::run::Outcome) -> u64 {
    let recording = Recording::open(outcome.recording()).expect("it is a recording");
    let (mut first, mut calls, mut threads) = (None, 0, HashSet::new());
    events(&recording, ProcessIndex(0), |event| {
        let first = *first.get_or_insert(event.thread);
        threads.insert(event.thread);
        let allocation = event.action == Action::Allocate && event.function != Function::Realloc;
        calls += u64::from(allocation && event.thread == first);
    })
    .expect("the first process is there");
    assert_eq!(threads.len() as u64, N_THREADS + 1, "the main thread and the others");
    calls
}
