//! Code that no unwind table describes, or a table made at run time, or a damaged one: what can be known is exact, the
//! rest is marked as a guess, and no read of ours ever faults.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use tm_common::stack::FrameKind;
use tm_tests::exact_stacks::{assert_stacks_are_the_noted_ones, record, recorded_and_noted};
use tm_tests::fuzz::random::Random;
use tm_tests::info::{assert_nothing_missing, info, number};
use tm_tests::programs::{compile, installed};
use tm_tests::recorded::hexadecimal;
use tm_tests::run::Run;
use tm_tests::soak::times;

#[test]
fn generated_code_with_frame_pointers_is_walked_and_marked_as_a_guess() {
    let program = compile("generated_code.c", &["-O2"]);
    let (recorded, notes) = record(&program, &["unregistered"]);
    assert_eq!(notes.list.len(), 6);
    for note in &notes.list {
        let frames = recorded.frames(recorded.last_of(note.block));
        let addresses: Vec<u64> = frames.iter().map(|frame| frame.pc).collect();
        // libgcc knows nothing beyond the generated code's return address; the frame pointer leads on to `calls`.
        let n_known = note.frames.len();
        assert_eq!(addresses[1..n_known], note.frames[1..], "{}", hexadecimal(addresses.iter().copied()));
        assert!(frames.len() > n_known + 2, "it ends in the generated code");
        assert!(frames[..n_known].iter().all(|frame| frame.kind == FrameKind::Return));
        assert!(frames[n_known..].iter().all(|frame| frame.kind == FrameKind::Guessed));
    }
}

/// Another table for other code at the same address each time, and no frame pointer to guess by.
#[test]
fn stacks_through_generated_code_are_exact_by_the_table_that_is_registered() {
    let program = compile("generated_code.c", &["-O2"]);
    let (recorded, notes) =
        recorded_and_noted(&Run::new(&program).args(["notes", "registered"]).env("TM_SELF_CHECK", "1"));
    assert_eq!(notes.list.len(), 6);
    assert!(notes.list.iter().all(|note| note.frames.len() >= 6), "libgcc has the whole stack");
    assert_stacks_are_the_noted_ones(&program, &recorded, &notes);
    assert_eq!(recorded.recording.header.self_check_differences, 0);
}

#[test]
fn garbage_in_the_frame_pointer_of_code_without_tables_is_not_followed_to_a_fault() {
    // What was above the stack in its mapping stays, cannot be read any more, or is gone.
    for gone in [&[][..], &["0"], &["1"]] {
        let program = compile("no_tables.c", &["-O2", "-g", "-pthread"]);
        let run = Run::new(program).args(gone).env("TM_SELF_CHECK", "1");
        let outcome = run.recorded();
        outcome.assert_like(&run.bare());
        assert_eq!(outcome.stdout, "0 faults\n");
        let info = info(outcome.recording());
        assert_nothing_missing(&info);
        assert!(number(&info, "self_checks") > 100);
        assert_eq!(number(&info, "self_check_differences"), 0);
    }
}

/// Elsewhere each guess that leaves its page is a system call, see `docs/design.md`.
#[test]
fn guesses_on_the_first_thread_s_stack_need_no_system_call() {
    let without = ["-O2", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fno-omit-frame-pointer"];
    let program = compile("large_frames.c", &without);
    let outcome = Run::new(&program).env("TM_SELF_CHECK", "100").recorded();
    let info = info(outcome.recording());
    assert_nothing_missing(&info);
    assert!(number(&info, "allocations") >= 10_000 && number(&info, "self_checks") >= 100);
    let trace = outcome.folder().join("trace");
    let strace = ["-f", "-e", "trace=rt_sigprocmask", "-o", &trace.display().to_string()].map(OsString::from);
    let arguments: Vec<&OsStr> = strace.iter().map(OsString::as_os_str).collect();
    let traced = Run::new(&program).through(&installed("strace"), &arguments).recorded();
    assert!(traced.status.success(), "{}", traced.stderr);
    let n_calls = std::fs::read_to_string(&trace).expect("strace has written it").lines().count();
    assert!(n_calls < 1_000, "{n_calls} system calls for 10,000 allocations");
}

/// A copy of `library` whose section of unwind tables is overwritten in places that `seed` decides.
fn damaged_copy(library: &Path, folder: &Path, seed: u64) -> PathBuf {
    let mut bytes = std::fs::read(library).expect("it was compiled");
    let (offset, size) = tables_of(&bytes);
    let mut random = Random::of_case(seed, 0);
    let mut next = || random.any() as usize;
    for _ in 0..1 + next() % 12 {
        bytes[offset + next() % size] = [0, 0xff, 0x7f, 0x80, next() as u8][next() % 5];
    }
    let copy = folder.join(format!("damaged-{seed}.so"));
    std::fs::write(&copy, bytes).expect("the temporary folder can be written");
    copy
}

/// Where `.eh_frame_hdr` and what follows it stand in an ELF file: its segment `PT_GNU_EH_FRAME`, and a page after it.
fn tables_of(elf: &[u8]) -> (usize, usize) {
    const PT_GNU_EH_FRAME: u64 = 0x6474_e550;
    let number = |at: usize, len: usize| {
        elf[at..at + len].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let (headers, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let header = (0..count).map(|place| (headers + place * size) as usize);
    let header = header.into_iter().find(|at| number(*at, 4) == PT_GNU_EH_FRAME).expect("it has tables");
    let (offset, len) = (number(header + 8, 8) as usize, number(header + 32, 8) as usize);
    (offset, len + 200)
}

#[test]
fn damaged_unwind_tables_cost_frames_and_nothing_else() {
    // Small pages, and large ones that leave holes between the segments.
    for pages in ["-Wl,-z,max-page-size=4096", "-Wl,-z,max-page-size=2097152"] {
        damaged_unwind_tables_cost_frames(pages);
    }
}

fn damaged_unwind_tables_cost_frames(pages: &str) {
    let flags = ["-O1", "-shared", "-fPIC", "-DALLOCATES=one_allocates", "-DSIZE=100", pages];
    let library = compile("library.c", &flags);
    let folder = tempfile::TempDir::with_prefix("tm-tables-").expect("the temporary folder can be written");
    let n = u64::from(times(200, 4_000));
    let copies: Vec<PathBuf> = (0..n).map(|seed| damaged_copy(&library, folder.path(), seed)).collect();
    let run = Run::new(compile("calls_libraries.c", &["-O1"])).args(&copies);
    for variables in [[("TM_SELF_CHECK", "0")], [("TM_SELF_CHECK", "1")]] {
        let run = run.clone().env(variables[0].0, variables[0].1);
        let outcome = run.recorded();
        outcome.assert_like(&run.bare());
        assert_eq!(outcome.stdout, format!("{n} called\n"));
        let info = info(outcome.recording());
        assert_nothing_missing(&info);
        assert_eq!(number(&info, "self_check_differences"), 0);
    }
}
