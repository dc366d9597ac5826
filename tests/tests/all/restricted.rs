//! Programs that restrict themselves: no counter, no system calls, no more locked memory. They go on as without us, and what
//! is not recorded any more is counted.

use serde_json::Value;
use tm_tests::info::{info, number};
use tm_tests::programs::{compile, installed};
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

/// Limits at which the program alone can lock its memory and start all of its threads, and ours beside it would not fit.
#[test]
fn what_a_program_may_lock_is_its_own() {
    for kib in ["6000", "4500", "3500"] {
        let outcome = like_bare(&["locked", kib]);
        assert_eq!(outcome.stdout, "locked\n6 threads\n", "{kib}");
        let info = info(outcome.recording());
        assert_eq!(number(&info, "lost_events"), 0, "{}", outcome.stderr);
        assert!(number(&info, "allocations") >= 6_000);
    }
}

/// The first limit at which the program alone is not refused any more, to the page. Its addresses are the same in each run,
/// for how much is mapped depends on them.
#[test]
fn a_program_is_refused_to_lock_its_memory_where_it_is_without_us() {
    let program = compile("restricts.c", &["-O1", "-pthread"]);
    let run = |kib: u32| {
        let arguments = ["locked".to_owned(), kib.to_string(), "0".to_owned()];
        Run::new(&program).args(arguments).through(&installed("setarch"), &["-R".as_ref()])
    };
    let is_refused = |outcome: &Outcome| match outcome.stdout.as_str() {
        "locked\n0 threads\n" => false,
        "Cannot allocate memory\n0 threads\n" => true,
        other => panic!("{other}: {}", outcome.stderr),
    };
    let (mut refused, mut granted) = (100, 8_000);
    assert!(is_refused(&run(refused).bare()) && !is_refused(&run(granted).bare()));
    while granted - refused > 4 {
        let middle = (refused + granted) / 8 * 4;
        if is_refused(&run(middle).bare()) { refused = middle } else { granted = middle }
    }
    for (kib, expected) in [(refused - 400, true), (refused, true), (granted, false), (granted + 400, false)]
    {
        let outcome = run(kib).recorded();
        assert_eq!(is_refused(&outcome), expected, "{kib}, granted from {granted} on: {}", outcome.stderr);
    }
}
