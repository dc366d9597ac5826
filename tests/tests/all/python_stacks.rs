//! The Python frames of ten thousand allocations from random places are those that the interpreter itself shows at that moment:
//! through C, generators, coroutines, greenlets, threads, signals, code made at run time (`programs/python/stacks.py`).
//!
//! Short forms: Debian's interpreter, and those that a version manager has built, if any. Long form: five releases.

use std::path::Path;

use tm_tests::info::{assert_nothing_missing, info};
use tm_tests::python::{DEBIAN, Python, build, built, copy_programs};
use tm_tests::python_notes::{Agreement, compare};
use tm_tests::roots::Root;
use tm_tests::run::may_administer;
use tm_tests::soak::{is_long, times};

/// Runs `stacks.py` with `count` allocations and compares them.
fn compare_run(program: &Path, seed: u32, count: usize) -> (String, Agreement) {
    let python = Python::at(program);
    let run = python.run("stacks.py", &[&seed.to_string(), &count.to_string(), "notes"]);
    let outcome = run.recorded();
    assert!(outcome.status.success(), "{} {}", outcome.stdout, outcome.stderr);
    assert_nothing_missing(&info(outcome.recording()));
    (outcome.stdout.clone(), compare(outcome.recording(), &python.folder().join("notes"), true))
}

fn compare_built(version: &str) {
    let programs = built(version);
    if programs.is_empty() {
        eprintln!("left out: no version manager has built a Python {version}");
    }
    for program in programs {
        let count = times(2_000, 10_000) as usize;
        compare_run(&program, 2, count).1.assert_whole(count);
    }
}

#[test]
fn stacks_are_those_of_the_interpreter() {
    let (said, agreement) = compare_run(Path::new(DEBIAN), 1, 10_000);
    assert!(said.contains("greenlets: True"), "{said}");
    agreement.assert_whole(10_000);
    // The native frames of a greenlet's stack are those of the one that it was started from, which may have gone.
    assert!(agreement.doubted < agreement.compared / 2, "{} of 10,000 are doubted", agreement.doubted);
}

#[test]
fn stacks_of_a_shared_3_9() {
    compare_built("3.9");
}

#[test]
fn stacks_of_a_shared_3_10() {
    compare_built("3.10");
}

#[test]
fn stacks_of_a_shared_3_11() {
    compare_built("3.11");
}

#[test]
fn stacks_of_a_shared_3_12() {
    compare_built("3.12");
}

#[test]
fn stacks_of_a_shared_3_13() {
    compare_built("3.13");
}

/// The same in another release of Debian, each of whose interpreters has its package `-dev`.
fn compare_in(release: &str, pythons: &[&str]) {
    if !is_long() || !may_administer() {
        return;
    }
    let packages: Vec<String> = pythons.iter().map(|python| format!("{python}-dev")).collect();
    let packages: Vec<&str> = packages.iter().map(String::as_str).chain(["python3-greenlet"]).collect();
    let root = Root::of(release, &packages);
    for python in pythons {
        copy_programs(root.folder());
        root.succeed(&build(python));
        for seed in 3..6 {
            root.succeed("rm -f notes r.bin");
            let under = "TM_OUT=/tm-test/r.bin LD_PRELOAD=/tm-test/libtm.so";
            root.succeed(&format!("{under} {python} stacks.py {seed} 10000 notes >said"));
            let said = std::fs::read_to_string(root.folder().join("said")).expect("it was written");
            assert!(said.contains("greenlets: True"), "{said}");
            let recording = root.folder().join("r.bin");
            assert_nothing_missing(&info(&recording));
            compare(&recording, &root.folder().join("notes"), false).assert_whole(10_000);
        }
    }
}

#[test]
fn stacks_of_debian_11() {
    compare_in("bullseye", &["python3.9"]);
}

#[test]
fn stacks_of_debian_13() {
    compare_in("trixie", &["python3.13"]);
}

#[test]
fn stacks_of_the_newest_debian() {
    compare_in("sid", &["python3.14", "python3.15"]);
}
