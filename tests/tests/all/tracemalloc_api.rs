//! CPython's own tests of tracemalloc while it traces, against the C API: one test here for each there, by its name. The
//! programs are `programs/tracemalloc_api.c` and `tracemalloc_track.c`, which check; what a file has to say is checked here.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tm_analyzer::model::Snapshot;
use tm_analyzer::reader::Recording;
use tm_tests::products::products;
use tm_tests::programs::compile;
use tm_tests::recorded::Recorded;
use tm_tests::run::{Outcome, Run};

/// Runs a test of the program, which has to be content.
fn passes(source: &str, name: &str) -> Outcome {
    let program = compile(source, &["-g", "-O1", "-pthread"]);
    let outcome = Run::new(program).args([name]).env("TM_START", "0").recorded();
    assert!(outcome.status.success(), "{}:\n{}{}", outcome.status, outcome.stdout, outcome.stderr);
    outcome
}

/// The groups of a file by whole stacks, as `tmtool stats` has them.
fn statistics(file: &str) -> Value {
    let arguments = ["stats", file, "--key", "traceback", "--raw", "--limit", "0", "--json"];
    let output = Command::new(&products().tmtool).args(arguments).output().expect("tmtool starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
    answer["statistics"].clone()
}

fn load(folder: &Path, name: &str) -> Snapshot {
    Snapshot::load(&folder.join(name)).unwrap_or_else(|error| panic!("{error}"))
}

macro_rules! tests {
    ($source:literal: $($name:ident)*) => { $(
        #[test]
        fn $name() {
            passes($source, stringify!($name));
        }
    )* };
}

tests! { "tracemalloc_api.c":
    test_get_tracemalloc_memory
    test_get_object_traceback
    test_new_reference
    test_set_traceback_limit
    test_get_traced_memory
    test_clear_traces
    test_reset_peak
    test_is_tracing
    test_fork
    test_no_incomplete_frames
}

tests! { "tracemalloc_track.c":
    test_track
    test_track_without_gil
    test_track_already_tracked
    test_untrack
    test_untrack_without_gil
    test_stop_track
    test_stop_untrack
    test_tracemalloc_track_race
    test_late_untrack
}

#[test]
fn test_get_traces() {
    let outcome = passes("tracemalloc_api.c", "test_get_traces");
    let line: u32 =
        outcome.stdout.trim().strip_prefix("line ").expect("it says it").parse().expect("a number");
    let snapshot = load(&outcome.folder(), "get_traces.snap");
    assert_eq!(snapshot.traces.len(), 1, "{snapshot:?}");
    let trace = &snapshot.traces[0];
    assert_eq!((trace.domain, trace.size, snapshot.traceback_limit), (0, 12345, 1));
    let latest = trace.traceback.most_recent().expect("it has a frame");
    assert!(latest.filename.ends_with("tracemalloc_api.c"), "{latest:?}");
    assert_eq!((latest.lineno, trace.traceback.frames().len()), (line, 1));
    assert!(!outcome.folder().join("stopped.snap").exists());
}

#[test]
fn test_get_traces_intern_traceback() {
    let outcome = passes("tracemalloc_api.c", "test_get_traces_intern_traceback");
    let recorded = Recorded::open(outcome.recording());
    assert_eq!(recorded.allocations.len(), 2, "{:?}", recorded.allocations);
    assert_eq!(recorded.allocations[0].stack, recorded.allocations[1].stack);
}

#[test]
fn test_snapshot() {
    let outcome = passes("tracemalloc_api.c", "test_snapshot");
    let dumped = statistics(&outcome.folder().join("snapshot.snap").display().to_string());
    let marked = statistics(&format!("{}@mark:snapshot", outcome.recording().display()));
    assert_eq!(dumped, marked);
    assert_eq!(dumped[0]["size"], 123, "{dumped:#}");
    let snapshot = load(&outcome.folder(), "snapshot.snap");
    assert!(snapshot.traces[0].traceback.total_nframe() > Some(10), "{snapshot:?}");
    assert!(!outcome.folder().join("after.snap").exists());
}

#[test]
fn test_snapshot_save_attr() {
    let outcome = passes("tracemalloc_api.c", "test_snapshot_save_attr");
    let recording = Recording::open(outcome.recording()).unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<&str> = recording.commands.iter().map(|command| command.name.as_str()).collect();
    assert!(names.contains(&"snapshot: new attribute"), "{names:?}");
    let tags: Vec<&str> = recording.tags.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(tags, ["test attribute"]);
}
