//! Programs that restrict themselves: no counter, no system calls, no more locked memory. They go on as without us, and what
//! is not recorded any more is counted.

use serde_json::Value;
use tm_tests::info::{info, number};
use tm_tests::programs::compile;
use tm_tests::run::{Outcome, Run};

/// Runs `programs/restricts.c` as it is and under libtm.so.
fn like_bare(arguments: &[&str]) -> Outcome {
    let run = Run::new(compile("restricts.c", &["-O1", "-pthread"])).args(arguments);
    let outcome = run.recorded();
    outcome.assert_like(&run.bare());
    assert!(outcome.status.success(), "{}", outcome.stderr);
    outcome
}

fn millions_of_ns(info: &Value) -> u64 {
    number(info, "duration_ns") / 1_000_000
}

/// `PR_SET_TSC`: reading the counter is SIGSEGV from there on, in threads that are started later too.
#[test]
fn a_program_without_the_counter_is_recorded_to_its_end() {
    let outcome = like_bare(&["counter"]);
    let info = info(outcome.recording());
    assert_eq!((number(&info, "lost_events"), number(&info, "unknown_frees")), (0, 0));
    assert!(number(&info, "allocations") >= 4_000, "{}", info["allocations"]);
    assert_eq!(info["problems"], Value::Array(Vec::new()));
    // A clock that went on at another rate would be far from the seconds that a run takes at most.
    assert!(millions_of_ns(&info) < 300_000, "{}", info["duration_ns"]);
}

/// Strict mode takes the counter too, and kills for the first system call. Its thread cannot end its process's recording.
#[test]
fn a_program_in_strict_mode_is_recorded_as_far_as_there_was_room() {
    let outcome = like_bare(&["strict"]);
    let info = info(outcome.recording());
    let recorded = number(&info, "allocations") + number(&info, "frees");
    assert_eq!(recorded + number(&info, "lost_events"), 400_020);
    assert!(number(&info, "lost_events") > 0 && recorded > 20, "{recorded}");
    assert_eq!(number(&info, "unknown_frees"), 0);
}

/// Limits at which the program alone can start all of its threads, and ours beside them would not fit.
#[test]
fn what_a_program_may_lock_is_its_own() {
    for kib in ["6000", "4500"] {
        let outcome = like_bare(&["locked", kib]);
        assert!(outcome.stdout.starts_with("locked\n"), "{kib}: {}", outcome.stdout);
        assert_eq!(outcome.stdout, "locked\n6 threads\n", "{kib}");
        let info = info(outcome.recording());
        assert_eq!(number(&info, "lost_events"), 0, "{}", outcome.stderr);
        assert!(number(&info, "allocations") >= 6_000);
    }
}
