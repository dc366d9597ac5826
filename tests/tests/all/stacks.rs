//! Recorded stacks are those that libgcc's unwinder finds at the same moment: programs note `_Unwind_Backtrace` at their
//! own allocations (`programs/noted.h`), for stacks of all shapes and with the flags that change how stacks look.

use tm_common::stack::FrameKind;
use tm_tests::exact_stacks::{assert_stacks_are_the_noted_ones, record};
use tm_tests::programs::compile;
use tm_tests::recorded::hexadecimal;

/// Builds `stacks.cc` with `flags` and checks all of its stacks.
fn stacks_are_exact(flags: &[&str]) {
    let program = compile("stacks.cc", &[&["-g", "-pthread"], flags].concat());
    let (recorded, notes) = record(&program, &[]);
    assert!(notes.list.len() > 120, "only {} notes", notes.list.len());
    assert_stacks_are_the_noted_ones(&program, &recorded, &notes);
}

#[test]
fn stacks_are_exact_without_optimization() {
    stacks_are_exact(&["-O0"]);
}

#[test]
fn stacks_are_exact_without_optimization_and_frame_pointers() {
    stacks_are_exact(&["-O0", "-fomit-frame-pointer", "-DFP_IS_FREE"]);
}

#[test]
fn stacks_are_exact_with_optimization() {
    stacks_are_exact(&["-O2", "-DTAIL_CALLS"]);
}

#[test]
fn stacks_are_exact_with_the_frame_pointer_as_a_general_register() {
    stacks_are_exact(&["-O2", "-DTAIL_CALLS", "-fomit-frame-pointer", "-DFP_IS_FREE"]);
}

#[test]
fn stacks_are_exact_with_frame_pointers() {
    stacks_are_exact(&["-O2", "-DTAIL_CALLS", "-fno-omit-frame-pointer"]);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn stacks_are_exact_where_every_function_realigns_its_stack() {
    stacks_are_exact(&["-O2", "-DTAIL_CALLS", "-mstackrealign"]);
}

#[test]
#[cfg(target_arch = "aarch64")]
fn stacks_are_exact_where_return_addresses_are_signed() {
    stacks_are_exact(&["-O0", "-mbranch-protection=standard"]);
    stacks_are_exact(&["-O2", "-DTAIL_CALLS", "-mbranch-protection=standard"]);
    stacks_are_exact(&["-O2", "-DTAIL_CALLS", "-march=armv8.3-a", "-mbranch-protection=pac-ret+leaf+b-key"]);
}

#[test]
fn stacks_are_exact_in_signal_handlers() {
    // Of each processor what its functions do first and last alone.
    let own =
        if cfg!(target_arch = "x86_64") { "-mstackrealign" } else { "-mbranch-protection=pac-ret+leaf" };
    for flags in [["-O2", "-fomit-frame-pointer"], ["-O0", "-g"], ["-O2", own]] {
        for alternate in [&[][..], &["alternate"]] {
            let program = compile("signals.c", &flags);
            let (recorded, notes) = record(&program, alternate);
            assert_eq!(notes.list.len(), 63, "three raised, sixty of the timer");
            assert_stacks_are_the_noted_ones(&program, &recorded, &notes);
            let frames = recorded.frames(recorded.last_of(notes.list[62].block));
            let interrupted = frames.iter().filter(|frame| frame.kind == FrameKind::Interrupted);
            assert_eq!(interrupted.count(), 1, "the interrupted frame is marked");
        }
    }
}

#[test]
fn a_recursion_of_10_000_frames_is_whole() {
    let program = compile("recursion.c", &["-O2"]);
    let (recorded, notes) = record(&program, &["10000", "10001", "1"]);
    assert!(notes.list[0].frames.len() > 10_000);
    assert_stacks_are_the_noted_ones(&program, &recorded, &notes);
}

#[test]
fn a_recursion_of_100_000_frames_keeps_the_innermost_16_384() {
    const N_KEPT: usize = 16_384;
    let program = compile("recursion.c", &["-O2"]);
    // Beside the deepest, 500 allocations from 90,000 frames on: each may be a new stack, none may bring all its frames.
    let (recorded, notes) = record(&program, &["100000", "90000", "20"]);
    let note = &notes.list[0];
    let deepest = recorded.last_of(note.block);
    let addresses = recorded.exact_addresses(deepest);
    assert_eq!(addresses.len(), N_KEPT);
    assert_eq!(addresses[1..], note.frames[1..N_KEPT]);
    let total_depth = recorded.recording.stack(deepest.stack).and_then(|stack| stack.total_depth());
    assert_eq!(total_depth, Some(note.frames.len() as u32));
    let n_nodes = recorded.recording.stacks.n_nodes();
    assert!(n_nodes < 200_000, "500 allocations in a deep recursion left {n_nodes} nodes");
    assert!(recorded.allocations.len() > 500);
}

#[test]
fn without_unwind_tables_frame_pointers_are_followed_and_marked_as_guesses() {
    let without = ["-O2", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fno-omit-frame-pointer"];
    let program = compile("guessed.c", &without);
    let (recorded, notes) = record(&program, &[]);
    let note = &notes.list[0];
    let frames = recorded.frames(recorded.last_of(note.block));
    let addresses: Vec<u64> = frames.iter().map(|frame| frame.pc).collect();
    let n = note.frames.len();
    assert_eq!(addresses[1..n], note.frames[1..], "{}", hexadecimal(addresses.iter().copied()));
    assert!(frames[1..n].iter().all(|frame| frame.kind == FrameKind::Guessed), "{frames:?}");
}

#[test]
fn stacks_of_fibers_are_exact_also_at_used_addresses_and_in_other_threads() {
    for flags in [["-O2", "-pthread"], ["-O0", "-pthread"]] {
        let program = compile("fibers.c", &flags);
        let (recorded, notes) = record(&program, &[]);
        assert!(notes.list.len() > 1_000, "only {} notes", notes.list.len());
        assert_stacks_are_the_noted_ones(&program, &recorded, &notes);
    }
}
