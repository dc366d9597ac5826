//! Stacks of large programs are exact: every 1,000th is compared with libgcc's unwinder, which a preload in front of
//! libtm.so asks, and with libtm.so's own slow walk (`TM_SELF_CHECK`).

use std::path::{Path, PathBuf};
use std::process::Command;

use tm_tests::exact_stacks::{Agreement, compare_numbered};
use tm_tests::info::{info, number};
use tm_tests::notes::{Note, Notes, read_preload_notes};
use tm_tests::programs::{compile, compile_by, find_installed, installed};
use tm_tests::recorded::Recorded;
use tm_tests::run::Run;
use tm_tests::soak::{is_long, times};

/// JSON, a recursion in Python and in C, sorting with a callback, regular expressions, threads, exceptions.
const PYTHON: &str = "
import json, re, threading
def work(n):
    data = {str(i): [i, {'k' * (i % 50): None}] for i in range(n)}
    text = json.dumps(data, indent=1)
    assert json.loads(text) == data
    return sorted(re.findall('[0-9]+', text), key=lambda word: (len(word), word))
def recursion(n):
    return [n, recursion(n - 1)] if n else []
def raises(n):
    try:
        raise ValueError([n] * n)
    except ValueError as error:
        return str(error)
threads = [threading.Thread(target=work, args=(2000,)) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
work(10000)
repr(recursion(300))
json.dumps(recursion(300))
for n in range(300): raises(n)
";

fn python() -> Run {
    Run::new("/usr/bin/python3").args(["-c", PYTHON]).env("PYTHONMALLOC", "malloc")
}

/// The C++ compiler itself, on a translation unit that includes `<regex>`.
fn compiler() -> Run {
    let path = PathBuf::from(compiler_says("-print-prog-name=cc1plus"));
    assert!(path.is_absolute(), "cc1plus is not installed: scripts/setup installs what the tests need");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/regex.cc");
    let run = Run::new(path).args(["-quiet", "-D_GNU_SOURCE", "-O1", source, "-o", "regex.s"]);
    run.args(["-imultiarch", &compiler_says("-print-multiarch")])
}

fn compiler_says(option: &str) -> String {
    let output = Command::new("g++").arg(option).output();
    let output = output.expect("g++ is not installed: scripts/setup installs what the tests need");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Compares one of each `every` stacks of each thread with libgcc's: of all programs that `run` executes, without their forked
/// children.
fn compared(run: Run, every: u32) -> Agreement {
    let oracle = compile("oracle/unwind_preload.c", &["-O2", "-shared", "-fPIC", "-fexceptions"]);
    let folder = tempfile::TempDir::with_prefix("tm-notes-").expect("the temporary folder can be written");
    let file = folder.path().join("notes");
    let run = run.preload_before(&oracle).env("NOTES", &file).env("EVERY", every.to_string());
    let outcome = run.recorded();
    assert!(outcome.status.success(), "{}: {}", outcome.status, outcome.stderr);
    let all = read_preload_notes(&file);
    let mut sum = Agreement::default();
    for path in &outcome.recordings {
        let recorded = Recorded::open(path);
        let by_thread = recorded.counted_by_thread();
        let is_of = |note: &&Note| by_thread.contains_key(&note.tid_and_number().0);
        let notes = Notes { bias: 0, list: all.list.iter().filter(is_of).cloned().collect() };
        for note in &notes.list {
            let (tid, number) = note.tid_and_number();
            let innermost = recorded.frames(by_thread[&tid][number])[0];
            let module = recorded.recording.module_at(innermost.epoch, innermost.pc);
            let module = module.map(|module| PathBuf::from(&module.path));
            assert_eq!(module.as_deref(), Some(oracle.as_path()), "the innermost frame is the oracle's");
        }
        let Agreement { whole, marked, beyond } = compare_numbered(&recorded, &notes, 0);
        sum =
            Agreement { whole: sum.whole + whole, marked: sum.marked + marked, beyond: sum.beyond + beyond };
    }
    eprintln!("{} recordings, {} notes: {sum:?}", outcome.recordings.len(), all.list.len());
    sum
}

fn assert_stacks_are_libgccs(run: Run, every: u32) {
    let agreement = compared(run, every);
    assert!(agreement.whole > 100 && agreement.marked == 0, "{agreement:?}");
}

fn assert_self_checks_find_no_difference(run: Run, every: u32) {
    let outcome = run.env("TM_SELF_CHECK", every.to_string()).recorded();
    assert!(outcome.status.success(), "{}: {}", outcome.status, outcome.stderr);
    let info = info(outcome.recording());
    assert!(number(&info, "self_checks") > 100, "only {} self-checks", info["self_checks"]);
    assert_eq!(number(&info, "self_check_differences"), 0);
}

#[test]
fn stacks_of_python_are_those_of_libgcc() {
    assert_stacks_are_libgccs(python(), 1000);
}

#[test]
fn stacks_of_the_compiler_are_those_of_libgcc() {
    assert_stacks_are_libgccs(compiler(), 1000);
}

/// A task of `programs/real`.
fn task(reader: &str, name: &str, arguments: &[&str]) -> Run {
    let task = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/real").join(name);
    Run::new(installed(reader)).args([task]).args(arguments)
}

#[test]
fn stacks_of_git_and_all_that_it_executes_are_those_of_libgcc() {
    assert_stacks_are_libgccs(task("bash", "git.sh", &[&times(3, 100).to_string()]), times(100, 50));
}

#[test]
fn stacks_of_sqlite_are_those_of_libgcc() {
    assert_stacks_are_libgccs(
        task("bash", "sqlite.sh", &[&times(3_000, 200_000).to_string()]),
        times(25, 20),
    );
}

/// What is installed of those with stacks of another kind: a parser with callbacks, interpreters, a compiler.
#[test]
fn stacks_of_many_programs_are_those_of_libgcc() {
    if !is_long() {
        return eprintln!("left out: a task of the long form (TM_SOAK=1)");
    }
    let perl = "my %h; push @{$h{$_ % 97}}, join('', sort { $b cmp $a } split //, $_ * 7919) for 1..50000;
        eval { die { a => [1..9] } } for 1..100; print scalar(keys %h);";
    let runs = [
        ("perl", Run::new("perl").args(["-e", perl])),
        (
            "bash",
            task("bash", "shell.sh", &["60"])
                .through(Path::new("/bin/sh"), &["-c".as_ref(), "\"$@\"; exit 0".as_ref(), "sh".as_ref()]),
        ),
        ("make", task("bash", "make.sh", &["4"])),
        ("clang++", task("bash", "clang.sh", &["20"])),
        (
            "gfortran",
            Run::new("gfortran").args([
                "-c",
                "-O2",
                concat!(env!("CARGO_MANIFEST_DIR"), "/programs/names.f90"),
                "-o",
                "a.o",
            ]),
        ),
        (
            "gdc",
            Run::new("gdc").args([
                "-c",
                "-O2",
                concat!(env!("CARGO_MANIFEST_DIR"), "/programs/names.d"),
                "-o",
                "a.o",
            ]),
        ),
        ("gdb", Run::new("gdb").args(["-nx", "-batch", "-ex", "info functions ^main", "/usr/bin/git"])),
    ];
    for (program, run) in runs {
        match find_installed(program) {
            Some(_) => assert_stacks_are_libgccs(run, 100),
            None => {
                panic!("{program} is not installed: scripts/setup --programs installs what the tests need")
            }
        }
    }
}

/// The crate `stacker` changes stacks by a frame pointer, in assembly.
#[test]
fn stacks_of_rust_that_grow_by_other_stacks_are_those_of_libgcc() {
    assert_stacks_are_libgccs(Run::new(env!("CARGO_BIN_EXE_grows_stack")).args(["300"]), 1);
}

#[test]
fn self_checks_of_rust_that_grows_by_other_stacks_find_no_difference() {
    assert_self_checks_find_no_difference(Run::new(env!("CARGO_BIN_EXE_grows_stack")).args(["1500"]), 10);
}

/// LLVM registers a table for what it compiles at run time: stacks go through it to the outermost frame.
#[test]
fn stacks_through_code_that_llvm_compiles_at_run_time_are_those_of_libgcc() {
    if !is_long() {
        return eprintln!("left out: a task of the long form (TM_SOAK=1)");
    }
    let program = compile_by("clang", "jit.c", &["-O1", "-fomit-frame-pointer", "-c", "-emit-llvm"]);
    for kind in ["-jit-kind=orc", "-jit-kind=mcjit"] {
        let agreement = compared(Run::new(installed("lli")).args([kind]).args([&program]), 20);
        assert!(agreement.whole > 500 && agreement.marked == 0, "{agreement:?}");
    }
}

#[test]
fn self_checks_of_python_find_no_difference() {
    assert_self_checks_find_no_difference(python(), 1000);
}

#[test]
fn self_checks_of_the_compiler_find_no_difference() {
    assert_self_checks_find_no_difference(compiler(), 1000);
}
