//! Ordinary programs that once tripped the recorder, one story each: see `tests/programs/survives.c`.

use std::process::{Command, Stdio};

use tm_tests::info::{assert_nothing_missing, info, number};
use tm_tests::products::products;
use tm_tests::programs::compile;
use tm_tests::run::{Outcome, Run};

/// Runs a scenario, compares it with a bare run, and walks every stack twice.
fn survives(scenario: &str) -> Outcome {
    let run = Run::new(compile("survives.c", &["-O1", "-g", "-pthread"])).args([scenario]);
    let outcome = run.clone().env("TM_SELF_CHECK", "1").recorded();
    outcome.assert_like(&run.bare());
    assert_eq!(outcome.stdout, "done\n");
    let info = info(outcome.recording());
    assert_nothing_missing(&info);
    assert!(number(&info, "self_checks") > 0);
    assert_eq!(number(&info, "self_check_differences"), 0);
    outcome
}

#[test]
fn a_thread_that_a_forked_child_starts_before_it_allocates_has_a_place_of_its_own() {
    let info = info(survives("thread_of_a_child_first").recording());
    assert_eq!(number(&info, "processes"), 2);
    assert!(number(&info, "allocations") > 300_000);
}

#[test]
fn a_stack_that_ends_early_once_is_whole_again_afterwards() {
    survives("return_address_of_zero");
}

#[test]
fn registering_code_often_does_not_make_the_stack_table_grow() {
    let info = info(survives("many_registered_frames").recording());
    assert!(number(&info, "stacks") < 1_000, "{} nodes", number(&info, "stacks"));
}

#[test]
fn a_handler_on_a_small_signal_stack_stays_on_it() {
    survives("small_signal_stack");
}

/// A line of ours must not kill a program whose standard error nobody reads.
#[test]
fn a_message_to_a_broken_pipe_does_not_end_the_program() {
    let mut command = Command::new(compile("survives.c", &["-O1", "-g", "-pthread"]));
    command
        .env("LD_PRELOAD", &products().library)
        .env("TM_OUT", "/nonexistent/folder/x")
        .stdout(Stdio::null());
    let (reader, writer) = std::io::pipe().expect("the system has pipes");
    drop(reader);
    let status = command.stderr(writer).status().expect("the program starts");
    assert_eq!(status.code(), Some(7));
}
