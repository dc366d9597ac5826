//! Stacks are exact where the code goes on to another stack, by whatever register and in whatever direction, and lies
//! about it cost nothing but frames. The oracle is libgcc's unwinder.

use std::path::Path;

use tm_common::stack::EndReason;
use tm_tests::exact_stacks::{assert_stacks_are_the_noted_ones, recorded_and_noted};
use tm_tests::info::{assert_nothing_missing, info, number};
use tm_tests::notes::Notes;
use tm_tests::programs::compile;
use tm_tests::recorded::Recorded;
use tm_tests::run::Run;

/// Records `program` with every stack walked twice, and compares with what it noted, to the end of each stack.
fn stacks_are_exact(program: &Path, n_notes_min: usize) {
    let run = Run::new(program).args(["notes"]).env("TM_SELF_CHECK", "1");
    let (recorded, notes) = recorded_and_noted(&run);
    assert!(notes.list.len() >= n_notes_min, "only {} notes", notes.list.len());
    assert_stacks_are_the_noted_ones(program, &recorded, &notes);
    assert_ends_are_known(&recorded, &notes);
    let header = &recorded.recording.header;
    assert!(header.self_checks > 0);
    assert_eq!(header.self_check_differences, 0, "of {} stacks that were walked twice", header.self_checks);
}

fn assert_ends_are_known(recorded: &Recorded, notes: &Notes) {
    for note in &notes.list {
        let doubts = recorded.recording.stacks.doubts(recorded.last_of(note.block).stack);
        assert_eq!((doubts.guessed_beyond, doubts.end), (None, None), "{}", note.name);
    }
}

#[test]
fn stacks_are_exact_by_any_register_and_in_any_direction() {
    for flags in
        [["-O2", "-pthread", "-g"], ["-O2", "-pthread", "-fomit-frame-pointer"], ["-O0", "-pthread", "-g"]]
    {
        stacks_are_exact(&compile("switched_stacks.c", &flags), 900);
    }
}

/// GCC has them for x86_64 alone.
#[test]
#[cfg(target_arch = "x86_64")]
fn stacks_are_exact_on_split_stacks() {
    // By the linker that gives what is called of other code a stack with room: with others malloc has what happens to be left.
    stacks_are_exact(&compile("split_stacks.c", &["-O1", "-fsplit-stack", "-fuse-ld=gold"]), 60);
}

/// A switch leaves a frame whose caller is elsewhere, which is looked at anew at each event; where it leads in a circle,
/// the walk must end, and say so.
#[test]
fn circles_of_stacks_end_and_are_marked() {
    let run = Run::new(compile("circles.c", &["-O1"]));
    let outcome = run.recorded();
    outcome.assert_like(&run.bare());
    let found = info(outcome.recording());
    assert_nothing_missing(&found);
    assert!(number(&found, "allocations") >= 40);
    let recorded = Recorded::open(outcome.recording());
    let of_circles = recorded.allocations.iter().filter(|allocation| {
        let doubts = recorded.recording.stacks.doubts(allocation.stack);
        doubts.end.is_some_and(|(reason, _)| reason == EndReason::Endless)
    });
    assert_eq!(of_circles.count(), 40);
}
