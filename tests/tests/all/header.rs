//! `tm.h` in every language version, optimization and way to link: it compiles without a warning, its calls work under
//! libtm.so, and do nothing, and say so, without it. The program is `programs/calls_tm.c`, which checks every result.

use tm_tests::products::products;
use tm_tests::programs::compile_by;
use tm_tests::run::{Outcome, Run};

/// Compilers with their languages' versions and the program.
const LANGUAGES: [(&str, &str, &[&str]); 4] = [
    ("gcc", "calls_tm.c", &["-std=c99", "-std=c11", "-std=c17", "-std=gnu17"]),
    ("clang", "calls_tm.c", &["-std=c99", "-std=c17"]),
    ("g++", "includes_tm.cc", &["-std=c++11", "-std=c++14", "-std=c++17", "-std=c++20"]),
    ("clang++", "includes_tm.cc", &["-std=c++11", "-std=c++20"]),
];
const LINKING: [&[&str]; 3] = [&["-fPIE", "-pie"], &["-fno-pie", "-no-pie"], &["-static"]];

fn assert_says(outcome: &Outcome, expected: &str) {
    assert!(outcome.status.success(), "{}: {}{}", outcome.status, outcome.stdout, outcome.stderr);
    assert_eq!(outcome.stdout, format!("{expected}\n"));
}

/// The modes of a language: its first and last version with each optimization and way to link, the others once.
fn modes(versions: &[&'static str]) -> Vec<Vec<&'static str>> {
    let mut modes = Vec::new();
    for (number, version) in versions.iter().enumerate() {
        let is_edge = number == 0 || number + 1 == versions.len();
        for optimization in ["-O0", "-O2"] {
            let linking = if is_edge { &LINKING[..] } else { &LINKING[..1] };
            modes.extend(linking.iter().map(|linking| [&[*version, optimization], *linking].concat()));
        }
    }
    modes
}

#[test]
fn every_mode_compiles_and_works_with_and_without_libtm() {
    for (compiler, source, versions) in LANGUAGES {
        for mode in modes(versions) {
            let flags = [&["-Wall", "-Wextra", "-pedantic", "-Werror"], &mode[..]].concat();
            let run = Run::new(compile_by(compiler, source, &flags));
            assert_says(&run.bare(), "tm is not loaded");
            // A static program has no loader that would preload anything.
            let is_static = flags.contains(&"-static");
            assert_says(&run.recorded(), if is_static { "tm is not loaded" } else { "tm is loaded" });
        }
    }
}

#[test]
fn questions_are_answered_and_without_libtm_they_are_not() {
    for (compiler, source) in [("gcc", "calls_tm.c"), ("g++", "includes_tm.cc")] {
        let run = Run::new(compile_by(compiler, source, &["-g", "-O1"])).args(["calls.snap"]);
        assert_says(&run.bare(), "tm is not loaded");
        let outcome = run.recorded();
        assert_says(&outcome, "tm is loaded");
        assert!(outcome.folder().join("calls.snap").is_file());
    }
}

/// Where nothing is preloaded but the program is linked with `-ltm`. The reference is weak, so that some linkers would leave
/// the library out.
#[test]
fn a_program_may_be_linked_with_the_library() {
    let folder = products().library.parent().expect("it is in a folder").display().to_string();
    let flags = [
        "-O2".to_owned(),
        format!("-L{folder}"),
        format!("-Wl,-rpath,{folder}"),
        "-Wl,--no-as-needed".to_owned(),
        "-ltm".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    for (compiler, source) in [("gcc", "calls_tm.c"), ("g++", "includes_tm.cc")] {
        let outcome = Run::new(compile_by(compiler, source, &flags)).bare();
        assert_says(&outcome, "tm is loaded");
        assert_eq!(outcome.recordings.len(), 1, "{:?}", outcome.recordings);
    }
}

/// Other languages call the exported functions by their names, which are only there under libtm.so.
#[test]
fn python_calls_the_plain_names() {
    let script = "
import ctypes
tm = ctypes.CDLL(None)
assert tm.tm_is_tracing() == 0
assert tm.tm_start(3) == 0
assert (tm.tm_is_tracing(), tm.tm_get_traceback_limit()) == (1, 3)
outer = tm.tm_tag(b'request')
assert tm.tm_track(389047, 4096, ctypes.c_size_t(100)) == 0
assert tm.tm_untrack(389047, 4096) == 0
assert tm.tm_restore_tag(outer) != outer
assert tm.tm_take_snapshot(b'here') == 0
assert tm.tm_take_snapshot(None) == -4
assert tm.tm_stop() == 0
assert tm.tm_is_tracing() == 0
print('called')
";
    let run = Run::new("/usr/bin/python3").args(["-c", script]).env("TM_START", "0");
    assert_says(&run.recorded(), "called");
    // Without it there is nothing of these names.
    let bare =
        Run::new("/usr/bin/python3").args(["-c", "import ctypes; ctypes.CDLL(None).tm_start(3)"]).bare();
    assert!(bare.stderr.contains("undefined symbol: tm_start"), "{}", bare.stderr);
}
