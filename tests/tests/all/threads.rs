//! Threads come, are named, and go; what they free on their very last steps is recorded, and thousands of them take
//! no more room than those that run at the same time.
//!
//! The oracle is the counting preload, and for sizes and names the programs themselves.

use std::collections::{HashMap, HashSet};

use tm_analyzer::events::{Action, Total};
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::events;
use tm_common::ids::{ProcessIndex, Space, ThreadIndex};
use tm_tests::counting::{Counter, assert_counts_and_behaviour};
use tm_tests::info::{info, number};
use tm_tests::programs::compile;
use tm_tests::run::{Outcome, Run};

fn threads(scenario: &str) -> Outcome {
    let run = Run::new(compile("threads.c", &["-O1", "-pthread"])).args([scenario]);
    let (outcome, _) = assert_counts_and_behaviour(&run);
    assert_eq!(outcome.stdout, "done\n");
    outcome
}

/// Allocations and frees of blocks of `size` bytes, and how many threads allocated them.
fn of_size(outcome: &Outcome, size: u64) -> (usize, usize, usize) {
    let recording = Recording::open(outcome.recording()).expect("it is a recording");
    let (mut live, mut threads) = (HashMap::new(), HashMap::new());
    let (mut allocations, mut frees) = (0, 0);
    events(&recording, ProcessIndex(0), |event| {
        if event.action == Action::Allocate && event.size == size {
            allocations += 1;
            live.insert(event.address, ());
            threads.insert(recording.thread_tags.thread(event.thread_tag), ());
        } else if event.action == Action::Free && live.remove(&event.address).is_some() {
            frees += 1;
        }
    })
    .expect("the first process is there");
    (allocations, frees, threads.len())
}

#[test]
fn ten_thousand_short_threads_share_few_streams_and_lose_nothing() {
    let outcome = threads("short");
    assert_eq!(of_size(&outcome, 48), (50_000, 40_000, 10_000));
    let recording = Recording::open(outcome.recording()).expect("it is a recording");
    // Two for each thread that exists at one time.
    let at_most = 2 * (1 + 4);
    assert!(recording.header.n_streams <= at_most, "{} streams", recording.header.n_streams);
    assert_eq!(number(&info(outcome.recording()), "threads"), 10_001);
}

/// A thread goes on with the line of the one whose place it has, tells what that one had not told of itself, and is in the recording
/// only if it has samples.
#[test]
fn ten_thousand_short_threads_that_sample_share_few_lines() {
    let counter = Counter::new();
    let run = Run::new(compile("threads.c", &["-O1", "-pthread"])).args(["short"]).env("TM_SAMPLE", "4K");
    let outcome = counter.on(&run).recorded();
    let (counts, bytes) = counter.counts();
    let recording = Recording::open(outcome.recording()).expect("it is a recording");
    let mut told: HashMap<ThreadIndex, (i64, u64)> = HashMap::new();
    let replayed = events(&recording, ProcessIndex(0), |event| {
        let of_thread = told.entry(recording.thread_tags.thread(event.thread_tag)).or_default();
        match event.total().filter(|_| event.space == Space::HEAP) {
            Some(Total::Held { bytes, .. }) => of_thread.0 = bytes,
            Some(Total::Allocated { calls, .. }) => of_thread.1 = calls,
            _ => {}
        }
    });
    replayed.expect("the first process is there");
    // Those of the main thread, and of as many as there are at one time.
    let lines = recording.totals.iter().filter(|(_, line)| line.space == Space::HEAP);
    let lines: Vec<_> = lines.map(|(_, line)| line.totals).collect();
    assert!((2..=10).contains(&lines.len()), "{lines:?}");
    assert_eq!(lines.iter().map(|totals| totals.n_allocated).sum::<u64>(), counts.allocations);
    let n_told = told.values().map(|(_, calls)| calls).sum::<u64>();
    // One sample in 85 allocations.
    assert!(n_told <= counts.allocations && n_told > counts.allocations - 3_000, "{n_told} of {counts:?}");
    let held = told.values().map(|(held, _)| held).sum::<i64>();
    let at_most = 2 * 4096 * lines.len() as i64;
    assert!((held - bytes.held).abs() <= at_most, "{held} of {bytes:?}, in {} lines", lines.len());
    assert_eq!(number(&info(outcome.recording()), "threads"), 10_001);
    let known: HashSet<ThreadIndex> = recording.threads.iter().map(|thread| thread.index).collect();
    assert!(told.keys().all(|thread| known.contains(thread)), "who tells of itself is there");
    assert!((100..2_000).contains(&known.len()), "{} threads with samples", known.len());
}

#[test]
fn five_hundred_threads_that_live_at_once_have_a_stream_each() {
    let outcome = threads("live");
    assert_eq!(of_size(&outcome, 49), (10_000, 10_000, 500));
    assert_eq!(number(&info(outcome.recording()), "threads"), 501);
}

#[test]
fn a_pending_cancellation_waits_for_a_cancellation_point_which_no_hook_is() {
    // Of each of 100 threads: 1 before, 98 with the cancellation pending, 1 in the cleanup handler.
    assert_eq!(of_size(&threads("cancelled"), 55), (10_000, 10_000, 100));
}

#[test]
fn frees_in_the_destructors_of_thread_specific_data_are_recorded() {
    let outcome = threads("destructors");
    // 100 threads of 3 blocks and 3 more from destructors, all given back.
    assert_eq!(of_size(&outcome, 77), (600, 600, 100));
}

#[test]
fn frees_in_the_destructors_of_cxx_thread_locals_are_recorded() {
    let run = Run::new(compile("tls_destructors.cc", &["-O1", "-pthread"]));
    let (outcome, counts) = assert_counts_and_behaviour(&run);
    assert!(counts.allocations > 200 * 50, "{counts:?}");
    // A string of 100 + i characters has room for a zero too; it is made in a destructor and freed after it.
    for i in 0..10 {
        assert_eq!(of_size(&outcome, 101 + i), (200, 200, 200), "of {} bytes", 101 + i);
    }
}

fn names(outcome: &Outcome) -> Vec<String> {
    let info = info(outcome.recording());
    let list = info["thread_list"].as_array().expect("a list");
    let mut names: Vec<String> =
        list.iter().filter_map(|thread| thread["name"].as_str()).map(str::to_owned).collect();
    names.sort();
    assert!(list.iter().all(|thread| thread["process"] == 0));
    names
}

const NAMES: [&str; 5] = ["a \"quoted\" one", "collector", "fifteen letters", "threads", "worker/3"];

#[test]
fn threads_have_the_names_that_they_gave_themselves_before_they_allocated() {
    assert_eq!(names(&threads("names at once")), NAMES);
}

#[test]
fn a_thread_s_new_name_is_noticed() {
    assert_eq!(names(&threads("names")), NAMES);
}
