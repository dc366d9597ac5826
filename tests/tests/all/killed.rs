//! The end in the middle of threads that allocate, by `kill -9` and in every other way: what was done before it is in
//! the recording.
//!
//! The oracle is the program itself, which counts each call of each thread in a shared file before and after it.

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use tempfile::NamedTempFile;
use tm_analyzer::events::Action;
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::events;
use tm_common::ids::ProcessIndex;
use tm_tests::info::{info, number};
use tm_tests::programs::compile;
use tm_tests::run::{Outcome, Run};
use tm_tests::soak::times;
use tm_tests::wait;

const N_THREADS: usize = 4;
const NUMBERS: usize = 5;

/// What a thread has counted.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    tid: u64,
    allocations_begun: u64,
    allocations_done: u64,
    frees_begun: u64,
    frees_done: u64,
}

/// `programs/burst.c`, to be ended as `how` says, or by us if that is empty.
fn burst(how: &str) -> (Run, NamedTempFile) {
    let file = NamedTempFile::new().expect("the temporary folder can be written");
    file.as_file().set_len((N_THREADS * NUMBERS * 8) as u64).expect("as above");
    let run = Run::new(compile("burst.c", &["-O1", "-pthread"])).env("BURST_FILE", file.path());
    (if how.is_empty() { run } else { run.args([how]) }, file)
}

fn counted(file: &NamedTempFile) -> Vec<Counted> {
    let bytes = std::fs::read(file.path()).expect("we created it");
    let numbers: Vec<u64> =
        bytes.chunks_exact(8).map(|number| u64::from_le_bytes(number.try_into().expect("8 bytes"))).collect();
    let thread = |numbers: &[u64]| {
        let &[tid, allocations_begun, allocations_done, frees_begun, frees_done] = numbers else {
            panic!("{NUMBERS} numbers a thread")
        };
        Counted { tid, allocations_begun, allocations_done, frees_begun, frees_done }
    };
    numbers.chunks_exact(NUMBERS).map(thread).collect()
}

/// Allocations and frees by the kernel's number of the thread.
fn recorded(path: &Path) -> HashMap<u64, (u64, u64)> {
    let recording = Recording::open(path).expect("it is a recording");
    assert_eq!(recording.problems, []);
    let tids: HashMap<_, _> = recording.threads.iter().map(|thread| (thread.index, thread.tid)).collect();
    let mut calls = HashMap::new();
    if recording.processes.is_empty() {
        // Killed between the file's name and its first record: no event comes before that one.
        return calls;
    }
    events(&recording, ProcessIndex(0), |event| {
        let (allocations, frees) =
            calls.entry(u64::from(tids[&recording.thread_tags.thread(event.thread_tag)])).or_default();
        *allocations += u64::from(event.action == Action::Allocate);
        *frees += u64::from(event.action == Action::Free);
    })
    .expect("the first process is there");
    calls
}

/// Asserts that each thread's calls are in the recording, except at most the one that it was in.
fn assert_all_is_there(path: &Path, file: &NamedTempFile) {
    let recorded = recorded(path);
    for thread in counted(file) {
        let (allocations, frees) = recorded.get(&thread.tid).copied().unwrap_or_default();
        let allocations_may_be = thread.allocations_done..=thread.allocations_begun;
        assert!(allocations_may_be.contains(&allocations), "{allocations} allocations of {thread:?}");
        assert!((thread.frees_done..=thread.frees_begun).contains(&frees), "{frees} frees of {thread:?}");
        let under_way =
            thread.allocations_begun - thread.allocations_done + thread.frees_begun - thread.frees_done;
        assert!(under_way <= 1, "a thread does one thing at a time: {thread:?}");
    }
    let info = info(path);
    assert_eq!((number(&info, "lost_events"), number(&info, "unknown_frees")), (0, 0));
}

/// A time shorter than `limit` that differs from call to call.
fn random_below(limit: Duration) -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    let thousandth = now.subsec_nanos().wrapping_mul(0x9e37_79b9) >> 8;
    limit * (thousandth % 1000) / 1000
}

#[test]
fn kill_9_in_mid_burst_loses_at_most_the_call_that_each_thread_was_in() {
    for _ in 0..times(20, 200) {
        let (run, file) = burst("");
        let mut running = run.start_recorded();
        wait::until("a hundred allocations of each thread", || {
            counted(&file).iter().all(|thread| thread.allocations_done >= 100)
        });
        std::thread::sleep(random_below(Duration::from_millis(20)));
        running.child.kill().expect("it runs");
        let outcome = running.finish();
        assert_all_is_there(outcome.recording(), &file);
        assert_eq!(info(outcome.recording())["complete"], false);
    }
}

#[test]
fn kill_9_at_the_start_leaves_no_event_without_a_recording() {
    for _ in 0..times(20, 200) {
        let (run, file) = burst("");
        let mut running = run.start_recorded();
        let wait = random_below(Duration::from_millis(6));
        let started = Instant::now();
        while started.elapsed() < wait {}
        running.child.kill().expect("it runs");
        let outcome = running.finish();
        let is_unfinished = |path: &&std::path::PathBuf| path.extension().is_some_and(|name| name == "new");
        match outcome.recordings.iter().find(|path| !is_unfinished(path)) {
            Some(recording) => assert_all_is_there(recording, &file),
            None => assert!(counted(&file).iter().all(|thread| thread.allocations_begun == 0)),
        }
    }
}

/// Ends as `how` says while the threads allocate; how that reads in the recording.
fn ended_by(how: &str) -> (Outcome, String) {
    let (run, file) = burst(how);
    let outcome = run.recorded();
    let (run, _another_file) = burst(how);
    outcome.assert_like(&run.bare());
    assert_all_is_there(outcome.recording(), &file);
    let info = info(outcome.recording());
    let ending = info["process_list"][0]["ending"].as_str().expect("a word").to_owned();
    assert_eq!(info["complete"], ending != "unknown", "{how}: {}", info["incomplete_because"]);
    (outcome, ending)
}

#[test]
fn every_end_while_others_allocate_keeps_what_was_done_before() {
    for (how, code, signal, expected) in [
        ("exit", Some(5), None, "exit"),
        ("exit in a thread", Some(6), None, "exit"),
        ("_exit", Some(5), None, "_exit"),
        ("quick_exit", Some(5), None, "_exit"),
        ("quick_exit, _exit in a handler", Some(9), None, "_exit"),
        // By system call: nobody is told.
        ("exit_group", Some(5), None, "unknown"),
        ("abort", None, Some(6), "unknown"),
        ("segfault", None, Some(11), "unknown"),
        ("terminated", None, Some(15), "unknown"),
    ] {
        for _ in 0..times(1, 10) {
            let (outcome, ending) = ended_by(how);
            assert_eq!((outcome.status.code(), outcome.status.signal()), (code, signal), "{how}");
            assert_eq!(ending, expected, "{how}");
        }
    }
}

/// A limit on memory meets the recorder too: then what it cannot keep is counted.
#[test]
fn out_of_memory_every_call_is_recorded_or_counted_as_lost() {
    for how in ["out of memory", "out of addresses"] {
        for _ in 0..times(1, 10) {
            let (run, file) = burst(how);
            let outcome = run.recorded();
            assert_eq!(outcome.status.signal(), Some(6), "{how}: {}", outcome.stderr);
            assert_eq!(outcome.messages().len(), outcome.stderr.lines().count(), "{}", outcome.stderr);
            let recorded = recorded(outcome.recording());
            let lost = number(&info(outcome.recording()), "lost_events");
            let mut missing = 0;
            for thread in counted(&file) {
                let (allocations, _) = recorded.get(&thread.tid).copied().unwrap_or_default();
                assert!(allocations <= thread.allocations_begun, "{allocations} of {thread:?}");
                missing += thread.allocations_done.saturating_sub(allocations);
            }
            // The main thread's few may be among the lost.
            assert!((missing..=missing + 20).contains(&lost), "{how}: {missing} missing, {lost} lost");
            println!(
                "{how}: {missing} of {} lost",
                counted(&file).iter().map(|t| t.allocations_done).sum::<u64>()
            );
        }
    }
}
