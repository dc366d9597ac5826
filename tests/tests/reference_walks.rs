//! Stacks of large programs are exact: every 1,000th is compared with libgcc's unwinder, which a preload in front of
//! libtm.so asks, and with libtm.so's own slow walk (`TM_SELF_CHECK`).

use std::path::PathBuf;
use std::process::Command;

use tm_tests::info::{info, number};
use tm_tests::notes::read_preload_notes;
use tm_tests::programs::compile;
use tm_tests::recorded::{Recorded, hexadecimal};
use tm_tests::run::Run;

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

fn assert_every_thousandth_stack_is_libgccs(run: Run) {
    let oracle = compile("oracle/unwind_preload.c", &["-O2", "-shared", "-fPIC", "-fexceptions"]);
    // The innermost frame is the oracle's own function. One of its functions is all that it may come from.
    let outcome = run.preload_before(&oracle).env("NOTES", "notes").env("EVERY", "1000").recorded();
    assert!(outcome.status.success(), "{}: {}", outcome.status, outcome.stderr);
    let notes = read_preload_notes(&outcome.folder().join("notes"));
    let recorded = Recorded::open(outcome.recording());
    let by_thread = recorded.counted_by_thread();
    let mut wrong = Vec::new();
    for note in &notes {
        let allocation = by_thread[&note.tid][note.number as usize];
        assert_eq!(allocation.block, note.block, "allocation {} of thread {}", note.number, note.tid);
        let addresses = recorded.exact_addresses(allocation);
        if addresses[1..] != note.frames {
            let [noted, recorded] =
                [&note.frames, &addresses[1..].to_vec()].map(|list| hexadecimal(list.iter().copied()));
            wrong.push(format!("allocation {}\n    noted    {noted}\n    recorded {recorded}", note.number));
        }
        let module = recorded.recording.module_at(recorded.frames(allocation)[0].epoch, addresses[0]);
        let innermost = module.map(|module| PathBuf::from(&module.path));
        assert_eq!(innermost.as_deref(), Some(oracle.as_path()), "the innermost frame is the oracle's");
    }
    assert!(notes.len() > 100, "only {} stacks were compared", notes.len());
    let (n_wrong, n) = (wrong.len(), notes.len());
    wrong.truncate(5);
    assert!(n_wrong == 0, "{n_wrong} of {n} stacks differ:\n{}", wrong.join("\n"));
}

fn assert_self_checks_find_no_difference(run: Run) {
    let outcome = run.env("TM_SELF_CHECK", "1000").recorded();
    assert!(outcome.status.success(), "{}: {}", outcome.status, outcome.stderr);
    let info = info(outcome.recording());
    assert!(number(&info, "self_checks") > 100, "only {} self-checks", info["self_checks"]);
    assert_eq!(number(&info, "self_check_differences"), 0);
}

#[test]
fn stacks_of_python_are_those_of_libgcc() {
    assert_every_thousandth_stack_is_libgccs(python());
}

#[test]
fn stacks_of_the_compiler_are_those_of_libgcc() {
    assert_every_thousandth_stack_is_libgccs(compiler());
}

#[test]
fn self_checks_of_python_find_no_difference() {
    assert_self_checks_find_no_difference(python());
}

#[test]
fn self_checks_of_the_compiler_find_no_difference() {
    assert_self_checks_find_no_difference(compiler());
}
