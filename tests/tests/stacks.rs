//! Recorded stacks are those that libgcc's unwinder finds at the same moment: programs note `_Unwind_Backtrace` at their
//! own allocations (`programs/noted.h`), for stacks of all shapes and with the flags that change how stacks look.

use std::path::Path;
use std::process::Command;

use tm_common::stack::FrameKind;
use tm_tests::notes::{Note, Notes};
use tm_tests::programs::compile;
use tm_tests::recorded::{Recorded, hexadecimal};
use tm_tests::run::Run;

/// Runs `program` with a file for its notes and `arguments`, under libtm.so.
fn record(program: &Path, arguments: &[&str]) -> (Recorded, Notes) {
    let outcome = Run::new(program).args(["notes"]).args(arguments).recorded();
    assert!(outcome.status.success(), "{}: {}", outcome.status, outcome.stderr);
    assert_eq!(outcome.stderr, "", "standard error");
    let notes = Notes::read(&outcome.folder().join("notes"));
    assert!(!notes.list.is_empty(), "nothing was noted");
    (Recorded::open(outcome.recording()), notes)
}

/// The functions of a program, by address, as `nm` has them.
struct Functions(Vec<(u64, u64)>);

impl Functions {
    fn of(program: &Path) -> Functions {
        let output = Command::new("nm").args(["-S", "--defined-only"]).arg(program).output();
        let output = output.expect("nm is not installed: scripts/setup installs what the tests need");
        let text = String::from_utf8(output.stdout).expect("names are ASCII");
        let number = |word: &str| u64::from_str_radix(word, 16).ok();
        let functions = text.lines().filter_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            [start, size, "t" | "T" | "w" | "W", _] => Some((number(start)?, number(start)? + number(size)?)),
            _ => None,
        });
        Functions(functions.collect())
    }

    /// Whether two return addresses are of calls in one function.
    fn hold_both(&self, one: u64, other: u64) -> bool {
        self.0.iter().any(|&(start, end)| [one, other].iter().all(|pc| (start..end).contains(&(pc - 1))))
    }
}

/// Each noted allocation has its noted stack: the innermost return address lies in the same function, all others are
/// equal, and none is guessed.
fn assert_stacks_are_the_noted_ones(program: &Path, recorded: &Recorded, notes: &Notes) {
    let functions = Functions::of(program);
    let mut wrong = Vec::new();
    for note in &notes.list {
        let mut addresses = recorded.exact_addresses(recorded.last_of(note.block));
        // libstdc++'s operator new calls malloc: its frame is the innermost one.
        if note.name == "operator_new" {
            let own = addresses
                .iter()
                .take_while(|&&pc| !functions.hold_both(pc - notes.bias, note.frames[0] - notes.bias));
            addresses.drain(..own.count().min(2));
        }
        let same = functions.hold_both(addresses[0] - notes.bias, note.frames[0] - notes.bias);
        if !same || addresses[1..] != note.frames[1..] {
            wrong.push(difference(note, &addresses));
        }
    }
    let (n_wrong, n) = (wrong.len(), notes.list.len());
    wrong.truncate(5);
    assert!(n_wrong == 0, "{n_wrong} of {n} stacks differ:\n{}", wrong.join("\n"));
}

fn difference(note: &Note, recorded: &[u64]) -> String {
    let show = |frames: &[u64]| hexadecimal(frames.iter().take(40).copied());
    let name = &note.name;
    format!("{name}\n    noted    {}\n    recorded {}", show(&note.frames), show(recorded))
}

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
    stacks_are_exact(&["-O0", "-fomit-frame-pointer", "-DRBP_IS_FREE"]);
}

#[test]
fn stacks_are_exact_with_optimization() {
    stacks_are_exact(&["-O2", "-DTAIL_CALLS"]);
}

#[test]
fn stacks_are_exact_with_rbp_as_a_general_register() {
    stacks_are_exact(&["-O2", "-DTAIL_CALLS", "-fomit-frame-pointer", "-DRBP_IS_FREE"]);
}

#[test]
fn stacks_are_exact_with_frame_pointers() {
    stacks_are_exact(&["-O2", "-DTAIL_CALLS", "-fno-omit-frame-pointer"]);
}

#[test]
fn stacks_are_exact_where_every_function_realigns_its_stack() {
    stacks_are_exact(&["-O2", "-DTAIL_CALLS", "-mstackrealign"]);
}

#[test]
fn stacks_are_exact_in_signal_handlers() {
    for flags in [["-O2", "-fomit-frame-pointer"], ["-O0", "-g"], ["-O2", "-mstackrealign"]] {
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
fn a_recursion_of_40_000_frames_keeps_the_innermost_16_384() {
    const N_KEPT: usize = 16_384;
    let program = compile("recursion.c", &["-O2"]);
    // Beside the deepest, 500 allocations from 30,000 frames on: each may be a new stack, none may bring all its frames.
    let (recorded, notes) = record(&program, &["40000", "30000", "20"]);
    let note = &notes.list[0];
    let deepest = recorded.last_of(note.block);
    let addresses = recorded.exact_addresses(deepest);
    assert_eq!(addresses.len(), N_KEPT);
    assert_eq!(addresses[1..], note.frames[1..N_KEPT]);
    let total_depth = recorded.recording.stack(deepest.stack).and_then(|stack| stack.total_depth());
    assert_eq!(total_depth, Some(note.frames.len() as u32));
    let n_nodes = recorded.recording.stacks.n_nodes();
    assert!(n_nodes < 100_000, "500 allocations in a deep recursion left {n_nodes} nodes");
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
