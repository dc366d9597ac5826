//! Signals and cancellations that come while an event is being recorded, at any instruction: what the handler does is
//! recorded too, and if there is no coming back, what the thread and others do afterwards is.
//!
//! No real allocator may be interrupted so, so the programs run on `programs/oracle/reentrant_malloc.c`, which may.

use std::path::PathBuf;

use tempfile::NamedTempFile;
use tm_analyzer::events::Action;
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::events;
use tm_common::ids::ProcessIndex;
use tm_tests::exact_stacks::{assert_and_remove_stubs, assert_stacks_are_the_noted_ones, recorded_and_noted};
use tm_tests::info::{assert_nothing_missing, info, number};
use tm_tests::programs::compile;
use tm_tests::run::{Outcome, Run};
use tm_tests::soak::times;

fn reentrant_allocator() -> PathBuf {
    compile("oracle/reentrant_malloc.c", &["-O2", "-shared", "-fPIC"])
}

/// How many blocks of each of `sizes` were allocated.
fn n_allocations<const N: usize>(outcome: &Outcome, sizes: [u64; N]) -> [u64; N] {
    let recording = Recording::open(outcome.recording()).expect("it is a recording");
    let mut numbers = [0; N];
    events(&recording, ProcessIndex(0), |event| {
        if event.action == Action::Allocate
            && let Some(place) = sizes.iter().position(|&size| size == event.size)
        {
            numbers[place] += 1;
        }
    })
    .expect("the first process is there");
    numbers
}

#[test]
fn a_handler_that_interrupts_the_recorder_is_recorded_with_its_exact_stack() {
    let n = times(300, 4_000);
    for flags in [["-O2", "-fomit-frame-pointer"], ["-O0", "-g"]] {
        for alternate in [&[][..], &["alternate"]] {
            let program = compile("interrupted_anywhere.c", &flags);
            let run = Run::new(&program).args(["notes", &n.to_string()]).args(alternate);
            let (recorded, mut notes) = recorded_and_noted(&run.preload_after(reentrant_allocator()));
            assert_eq!(notes.list.len(), n as usize);
            if cfg!(target_arch = "aarch64") {
                assert_and_remove_stubs(&recorded, &mut notes);
                assert!(notes.list.len() > n as usize / 2, "{}", notes.list.len());
            }
            assert_stacks_are_the_noted_ones(&program, &recorded, &notes);
        }
    }
}

#[test]
fn a_handler_that_interrupts_the_recorder_loses_nothing_and_both_walks_agree() {
    let program = compile("interrupted_anywhere.c", &["-O2", "-g"]);
    let run = Run::new(program).args(["notes", &times(300, 4_000).to_string()]).env("TM_SELF_CHECK", "1");
    let outcome = run.preload_after(reentrant_allocator()).recorded();
    assert!(outcome.status.success(), "{} {}", outcome.status, outcome.stderr);
    let info = info(outcome.recording());
    assert_nothing_missing(&info);
    assert!(number(&info, "self_checks") > 1_000);
    assert_eq!(number(&info, "self_check_differences"), 0);
}

/// Jumps out of the recorder and asserts that what was done before a jump and after all of them is recorded.
fn jumps_out_of_handlers(arguments: &[&str]) {
    let file = NamedTempFile::new().expect("the temporary folder can be written");
    file.as_file().set_len(4096).expect("as above");
    let (jumps, calls) = (times(500, 2_000), times(20_000, 200_000));
    let run = Run::new(compile("left_by_siglongjmp.c", &["-O1", "-g"]));
    let run = run.args([jumps.to_string(), calls.to_string()]).args(arguments);
    let outcome = run.env("LEFT_FILE", file.path()).preload_after(reentrant_allocator()).recorded();
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("done\n", ""));
    let bytes = std::fs::read(file.path()).expect("we created it");
    let count =
        |place: usize| u64::from_le_bytes(bytes[8 * place..8 * place + 8].try_into().expect("8 bytes"));
    let (begun, done) = (count(0), count(1));
    let [recorded, in_peace] = n_allocations(&outcome, [40, 99]);
    assert!((done..=begun).contains(&recorded), "{recorded} of {done} to {begun}");
    assert!(begun - done >= u64::from(jumps), "each jump leaves one call: {done} of {begun} ended");
    assert_eq!(in_peace, 100_000);
    let info = info(outcome.recording());
    assert_eq!(number(&info, "lost_events"), 0, "{}", info["lost_by_reason"]);
    assert_eq!((number(&info, "unknown_frees"), number(&info, "missed_frees")), (0, 0));
    assert_eq!(info["problems"].as_array().map(Vec::len), Some(0), "{}", info["problems"]);
    // What makes the file grow is not left locked: then every thread would map small pieces of its own for ever, a segment each.
    let [extents, of_events] = ["extents", "events"].map(|what| number(&info["segments"], what));
    assert!(extents < 100 || extents * 4 < of_events, "{}", info["segments"]);
}

#[test]
fn a_handler_that_leaves_the_recorder_by_siglongjmp_costs_at_most_the_event_under_way() {
    jumps_out_of_handlers(&[]);
}

#[test]
fn a_handler_on_a_signal_stack_that_leaves_by_siglongjmp_costs_no_more() {
    jumps_out_of_handlers(&["alternate"]);
}

#[test]
fn threads_that_are_cancelled_in_the_recorder_end_as_without_it_and_others_go_on() {
    let n = u64::from(times(200, 10_000));
    let program =
        compile("cancelled_anywhere.c", &["-O2", "-g", "-pthread", "-fexceptions", "-fnon-call-exceptions"]);
    let outcome = Run::new(program).args([&n.to_string()]).preload_after(reentrant_allocator()).recorded();
    assert!(outcome.status.success(), "{} {}", outcome.status, outcome.stderr);
    let words: Vec<u64> = outcome.stdout.split(' ').filter_map(|word| word.trim().parse().ok()).collect();
    let [cleaned_up, begun, done] = words[..] else { panic!("{}", outcome.stdout) };
    assert_eq!(cleaned_up, n, "every thread's cleanup handler ran");
    let [recorded, in_peace, by_handlers] = n_allocations(&outcome, [40, 99, 88]);
    assert!((done..=begun).contains(&recorded), "{recorded} of {done} to {begun}");
    assert_eq!((in_peace, by_handlers), (100_000, n));
    let info = info(outcome.recording());
    assert_eq!(number(&info, "lost_events"), 0, "{}", info["lost_by_reason"]);
    assert_eq!((number(&info, "unknown_frees"), number(&info, "missed_frees")), (0, 0));
}
