//! Programs of the C library musl, recorded by the same libtm.so as those of glibc: counts are the counting preload's, stacks those of
//! libgcc's unwinder, to the outermost frame.

use std::path::{Path, PathBuf};
use std::process::Command;

use tm_tests::counting::{Counter, assert_counts_by};
use tm_tests::exact_stacks::{assert_stacks_are_the_noted_ones, compare_program, record};
use tm_tests::info::{assert_nothing_missing, info, number};
use tm_tests::products::products;
use tm_tests::programs::{compile_by, installed};
use tm_tests::run::Run;

fn built(source: &str, flags: &[&str]) -> PathBuf {
    installed("musl-gcc");
    // As compilers of musl systems do, the first.
    let flags = [&["-Wl,--eh-frame-hdr"], flags].concat();
    compile_by("musl-gcc", source, &flags)
}

/// A program that notes its stacks by libgcc's unwinder.
fn noting(source: &str) -> PathBuf {
    let find_object = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/oracle/find_object.c");
    built(source, &["-O2", "-fomit-frame-pointer", "-pthread", &find_object.to_string_lossy()])
}

#[test]
fn every_call_is_counted_of_threads_too() {
    for (source, scenarios) in
        [("frees_elsewhere.c", &[""][..]), ("threads.c", &["live", "cancelled", "destructors", "names"])]
    {
        for scenario in scenarios {
            let run =
                Run::new(built(source, &["-O1", "-pthread"])).args([scenario]).env("TM_SELF_CHECK", "10");
            let (outcome, counts) = assert_counts_by(&Counter::built_by("musl-gcc"), &run);
            outcome.assert_like(&run.bare());
            assert!(counts.allocations > 500, "{source} {scenario}: {counts:?}");
        }
    }
}

/// `calloc` and others of musl call functions of its own that are recorded too.
#[test]
fn each_call_is_recorded_once() {
    let run = Run::new(built("musl_functions.c", &["-O1", "-fno-builtin"]));
    let outcome = run.recorded();
    outcome.assert_like(&run.bare());
    assert_eq!((outcome.stdout.as_str(), outcome.status.code()), ("1 1 1\n", Some(0)));
    let info = info(outcome.recording());
    assert_nothing_missing(&info);
    let counts = ["allocations", "reallocations", "frees"].map(|key| number(&info, key));
    assert_eq!(counts, [800, 200, 900]);
}

#[test]
fn stacks_are_exact_up_to_the_outermost_frame() {
    let runs = [("thread_stacks.c", &[][..]), ("recursion.c", &["10000", "9000", "10"])];
    for (source, arguments) in runs {
        let program = noting(source);
        let (recorded, notes) = record(&program, arguments);
        assert_stacks_are_the_noted_ones(&program, &recorded, &notes);
        for note in &notes.list {
            let stack = recorded.last_of(note.block).stack;
            let doubts = recorded.recording.stacks.doubts(stack);
            assert!(doubts.end.is_none() && doubts.guessed_beyond.is_none(), "{source}: {}", note.name);
        }
    }
}

/// What a timer interrupts is code of the program; `raise` is musl's, so that a stack through it is marked where libgcc's ends.
#[test]
fn stacks_of_signal_handlers_are_exact_where_the_program_is_interrupted() {
    for alternate in [&[][..], &["alternate"]] {
        let program = noting("signals.c");
        let (recorded, notes) = record(&program, alternate);
        let agreement = compare_program(&program, &recorded, &notes);
        assert_eq!(
            (agreement.whole + agreement.marked + agreement.beyond, agreement.whole >= 60),
            (63, true)
        );
    }
}

/// Without an unwind table nothing tells where `qsort` has its caller's frame.
#[test]
fn stacks_through_a_function_of_musl_that_calls_back_are_marked() {
    let program = noting("thread_stacks.c");
    let (recorded, notes) = record(&program, &["qsort"]);
    let agreement = compare_program(&program, &recorded, &notes);
    assert_eq!(agreement.whole, notes.list.len(), "libgcc's unwinder ends there too");
    let called_back: Vec<_> = notes.list.iter().filter(|note| note.name == "compares").collect();
    assert!(!called_back.is_empty());
    for note in called_back {
        let doubts = recorded.recording.stacks.doubts(recorded.last_of(note.block).stack);
        assert!(doubts.end.is_some() || doubts.guessed_beyond.is_some());
    }
}

#[test]
fn tmtool_run_records_it_and_processes_of_it_are_part_of_the_recording() {
    let program = built("forks_with_memory.c", &["-O1"]);
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let recording = folder.path().join("r.bin");
    let mut run = Command::new(&products().tmtool);
    let output = run.args(["run", "-o"]).arg(&recording).arg("--").arg(&program).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nothing lost"), "{said}");
    let info = info(&recording);
    assert_nothing_missing(&info);
    assert!(number(&info, "allocations") > 0);
}

/// Either C library's program executes one of the other, and both are recorded.
#[test]
fn programs_of_one_c_library_execute_those_of_the_other() {
    for (by, child) in [("gcc", "musl-gcc"), ("musl-gcc", "gcc")] {
        let child = compile_by(child, "c_only.c", &["-O1"]);
        for way in ["execv", "posix_spawn", "posix_spawnp chdir", "vfork execvp"] {
            let run =
                Run::new(compile_by(by, "executes.c", &["-O1"])).args([way, &*child.to_string_lossy(), "/"]);
            let outcome = run.recorded();
            assert_eq!(outcome.messages(), Vec::<&str>::new(), "{by} {way}");
            let infos: Vec<_> = outcome.recordings.iter().map(|recording| info(recording)).collect();
            let of_child = infos.iter().filter(|info| info["program"] == *child.to_string_lossy());
            let allocations: Vec<u64> = of_child.map(|info| number(info, "allocations")).collect();
            assert!(
                allocations.len() == 1 && allocations[0] >= 50,
                "{by} {way}: {allocations:?} {}",
                outcome.stderr
            );
            infos.iter().for_each(assert_nothing_missing);
        }
    }
}

#[test]
fn a_question_has_no_answer_and_that_is_said() {
    let outcome = Run::new(built("finds_leak.c", &["-g", "-O1"])).recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("tm is not loaded"), "as without it: {}", outcome.stdout);
    let [message] = outcome.messages()[..] else { panic!("one message: {}", outcome.stderr) };
    assert!(message.contains("has no glibc") && message.contains("ask tmtool"), "{message}");
}
