//! What programs ask of tm while they run, against what they know themselves: memory to the byte, the line of every block,
//! the size of data structures; by many threads, while others allocate, in forked children and in handlers.
//!
//! The programs check, and say what differs.

use tm_tests::info::{assert_nothing_missing, info};
use tm_tests::programs::compile;
use tm_tests::run::{Outcome, Run};
use tm_tests::soak::times;

fn is_content(run: &Run) -> Outcome {
    let outcome = run.recorded();
    assert!(outcome.status.success(), "{}:\n{}{}", outcome.status, outcome.stdout, outcome.stderr);
    assert_eq!(outcome.messages(), Vec::<&str>::new());
    outcome
}

#[test]
fn traced_memory_and_peak_are_what_was_counted_while_threads_are_held() {
    let run = Run::new(compile("traced_memory.c", &["-g", "-O1", "-pthread"]));
    for _ in 0..times(1, 20) {
        let outcome = is_content(&run);
        let n_moments: u32 = outcome.stdout.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
        assert!(n_moments >= 90, "{}", outcome.stdout);
        assert_nothing_missing(&info(outcome.recording()));
    }
}

#[test]
fn ten_thousand_blocks_have_the_lines_that_allocated_them() {
    let run = Run::new(compile("object_traceback.c", &["-g", "-O1"]));
    let n_questions = times(10_000, 200_000).to_string();
    is_content(&run.args([n_questions]));
}

#[test]
fn structures_of_c_have_the_sizes_that_were_computed() {
    let outcome = Run::new(compile("total_size.c", &["-g", "-O1"])).recorded();
    assert!(outcome.status.success(), "{}:\n{}{}", outcome.status, outcome.stdout, outcome.stderr);
    // The verbose walk: a line for each of five blocks.
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(lines.len(), 5, "{lines:#?}");
    assert!(lines.iter().all(|line| line.contains("24") && line.contains("total_size.c:")), "{lines:#?}");
}

#[test]
fn containers_of_cplusplus_have_the_sizes_that_were_counted() {
    for standard in ["-std=c++17", "-std=c++20"] {
        is_content(&Run::new(compile("total_size.cc", &["-g", "-O1", standard])));
    }
}

/// The number after `name` in what the program has said.
fn said(outcome: &Outcome, name: &str) -> f64 {
    let mut words = outcome.stdout.split_whitespace().skip_while(|word| *word != name);
    words.nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no {name}: {}", outcome.stdout))
}

/// Ten million blocks in the long form. A walk whose work grows with the square of them does not end.
#[test]
fn a_large_graph_is_walked_to_its_end_in_bounded_memory() {
    let n_blocks = times(300_000, 10_000_000);
    // Two frames: the lines are known, and the recording is small.
    let run = Run::new(compile("total_size.c", &["-g", "-O1"])).args([n_blocks.to_string()]);
    let outcome = is_content(&run);
    println!("{n_blocks} blocks: {}", outcome.stdout.trim());
    // All of tm's memory: its table of live blocks, the mapped part of the recording, and what the walks left.
    for moment in ["table_bytes", "kept_bytes"] {
        let bytes_a_block = said(&outcome, moment) / f64::from(n_blocks);
        assert!(bytes_a_block < 300.0, "{bytes_a_block} bytes a block: {}", outcome.stdout);
    }
}

fn asks(part: &str) {
    let run = Run::new(compile("asks.c", &["-g", "-O1", "-pthread"])).args([part]);
    for _ in 0..times(1, 20) {
        assert_eq!(is_content(&run).stdout, "right\n");
    }
}

#[test]
fn threads_ask_at_the_same_time() {
    asks("threads_at_once");
}

#[test]
fn answers_are_plausible_while_threads_allocate() {
    asks("meanwhile");
}

#[test]
fn forked_children_know_their_parents_blocks_and_their_own() {
    asks("forked_children");
}

#[test]
fn a_child_asks_whatever_question_was_under_way_at_the_fork() {
    asks("fork_while_asking");
}

#[test]
fn a_handler_is_answered_or_told_that_tm_is_busy() {
    asks("handlers");
}
