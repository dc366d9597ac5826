//! Where the program's calls go to the C library and not to libtm.so, since that came after it, the program runs as without
//! us, what is called through libtm.so is recorded, and one line says that the rest is not.

use std::path::PathBuf;

use tm_tests::info::{info, number};
use tm_tests::products::products;
use tm_tests::programs::{compile, installed_library};
use tm_tests::run::{Outcome, Run};

/// What the one line says, if `outcome` says one.
fn assert_says_what_is_recorded(outcome: &Outcome) {
    let [line] = outcome.messages()[..] else { panic!("one line: {}", outcome.stderr) };
    assert!(line.contains("behind the C library") && line.contains("LD_PRELOAD"), "{line}");
}

/// Counted by hand in `programs/loads_us.c`: what is called of libtm.so's is recorded, also in a thread and after
/// `dlclose`, and nothing else.
fn assert_only_calls_through_us_are_recorded(run: &Run) {
    let bare = run.bare();
    assert_eq!(bare.status.code(), Some(7), "{}", bare.stdout);
    assert!(bare.recordings.is_empty());
    let loaded = run.clone().args([&products().library]).bare();
    assert_says_what_is_recorded(&loaded);
    let info = info(loaded.recording());
    let numbers = ["allocations", "reallocations", "frees", "bytes_allocated", "lost_events"];
    assert_eq!(numbers.map(|key| number(&info, key)), [5, 1, 4, 1000 + 1000 + 1001 + 1002 + 1003 + 1004, 0]);
    assert_eq!(info["complete"], true, "{}", info["incomplete_because"]);
    loaded.without_messages().assert_like(&bare);
}

#[test]
fn calls_through_a_library_that_was_opened_reach_the_c_library_and_are_recorded() {
    let program = compile("loads_us.c", &["-O1", "-g", "-pthread", "-fno-builtin", "-ldl"]);
    assert_only_calls_through_us_are_recorded(&Run::new(program));
}

#[test]
fn calls_through_a_library_that_was_opened_reach_the_allocator_of_the_process() {
    let program = compile("loads_us.c", &["-O1", "-g", "-pthread", "-fno-builtin", "-ldl"]);
    let allocator = installed_library("libjemalloc.so.2");
    assert_only_calls_through_us_are_recorded(&Run::new(program).preload_after(allocator));
}

#[test]
fn a_program_that_is_linked_to_us_behind_the_c_library_is_told_so() {
    let folder = products().library.parent().expect("it is in a folder").display().to_string();
    let (search, rpath) = (format!("-L{folder}"), format!("-Wl,-rpath,{folder}"));
    let program = compile("c_only.c", &["-O1", "-Wl,--no-as-needed", "-lc", &search, &rpath, "-ltm"]);
    let outcome = Run::new(program).bare();
    assert_says_what_is_recorded(&outcome);
    assert_eq!(number(&info(outcome.recording()), "allocations"), 0);
    outcome.without_messages().assert_like(&Run::new(compile("c_only.c", &["-O1"])).bare());
}

/// Nothing of ours can say it, as nothing of ours runs: the loader does, and the program goes on.
#[test]
fn without_room_for_thread_local_variables_the_loader_says_so() {
    let library = |bytes: &str| compile("static_tls.c", &["-O1", "-shared", "-fPIC", bytes]);
    let sizes = ["4096", "2048", "1024", "512", "256", "128", "64", "32", "16"]
        .map(|bytes| format!("-DBYTES={bytes}"));
    let mut arguments: Vec<PathBuf> = sizes.iter().map(|bytes| library(bytes)).collect();
    arguments.push(products().library.clone());
    let run = Run::new(compile("static_tls.c", &["-O1", "-ldl"]));
    let outcome = run.clone().args(&arguments).bare();
    assert_eq!((outcome.stdout.as_str(), outcome.status.code()), ("no static TLS\n", Some(7)));
    assert!(outcome.recordings.is_empty());
    // With room it is loaded: 64 bytes are all that it takes.
    let outcome = run.args(&arguments[arguments.len() - 2..]).bare();
    assert_eq!((outcome.stdout.as_str(), outcome.status.code()), ("loaded\n", Some(7)));
}
