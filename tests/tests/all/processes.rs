//! Forked processes are processes of one recording, executed programs have recordings of their own, and every way to
//! end keeps what happened before.
//!
//! What is right is counted by hand in `programs/processes.c`.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use serde_json::Value;
use tm_tests::info::{all, assert_nothing_missing, info, number};
use tm_tests::programs::{compile, installed};
use tm_tests::run::{Outcome, Run, files};

fn processes(scenario: &str) -> Run {
    Run::new(compile("processes.c", &["-O1", "-pthread"])).args([scenario])
}

/// Runs it bare and recorded, which must look alike.
fn outcome(run: &Run) -> Outcome {
    let outcome = run.recorded();
    outcome.assert_like(&run.bare());
    outcome
}

fn list<'a>(info: &'a Value, key: &str) -> &'a [Value] {
    info[key].as_array().expect("a list")
}

/// The recordings, by their number of allocations.
fn by_allocations(outcome: &Outcome) -> Vec<Value> {
    let mut infos = all(&outcome.recordings);
    infos.iter().for_each(assert_nothing_missing);
    infos.sort_by_key(|info| number(info, "allocations"));
    infos
}

#[test]
fn a_forked_child_is_a_process_of_its_own_in_the_same_recording() {
    let outcome = outcome(&processes("fork"));
    let info = info(outcome.recording());
    assert_nothing_missing(&info);
    let [parent, child] = list(&info, "process_list") else { panic!("two processes: {info}") };
    assert_eq!((&child["parent"], &parent["parent"]), (&Value::from(0), &Value::Null));
    assert_ne!(parent["pid"], child["pid"]);
    let numbers = |process, keys: [&str; 4]| keys.map(|key| number(process, key));
    let keys = ["allocations", "frees", "live_blocks_at_end", "live_bytes_at_end"];
    assert_eq!(numbers(parent, keys), [15, 10, 5, 55]);
    // 10 inherited, 4 of them freed; 7 of its own, 2 freed.
    assert_eq!(numbers(child, keys), [7, 6, 11, 6 * 100 + 5 * 1000]);
    assert_eq!((&parent["ending"], &child["ending"]), (&Value::from("exit"), &Value::from("_exit")));
}

#[test]
fn children_of_children_know_their_parents() {
    let outcome = outcome(&processes("generations"));
    let info = info(outcome.recording());
    assert_nothing_missing(&info);
    let found = list(&info, "process_list").iter().map(|process| {
        let inherited = number(process, "live_blocks_at_end") - number(process, "allocations");
        (process["parent"].as_u64(), number(process, "allocations"), inherited)
    });
    let expected = [(None, 1, 0), (Some(0), 2, 1), (Some(1), 3, 3), (Some(2), 4, 6), (Some(3), 100, 10)];
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn an_executed_program_has_its_own_recording() {
    let outcome = outcome(&processes("exec"));
    let [before, after] = by_allocations(&outcome).try_into().expect("two recordings");
    assert_eq!((number(&before, "allocations"), number(&after, "allocations")), (12, 33));
    assert_eq!(before["pid"], after["pid"], "exec keeps the process");
    assert_eq!((&before["complete"], &after["complete"]), (&Value::from(false), &Value::from(true)));
}

#[test]
fn vfork_leaves_the_parent_s_recording_whole() {
    let outcome = outcome(&processes("vfork"));
    let [parent, child] = by_allocations(&outcome).try_into().expect("two recordings");
    assert_eq!((number(&parent, "allocations"), number(&child, "allocations")), (15, 33));
    assert_eq!(list(&parent, "process_list")[0]["ending"], "exit");
    assert_eq!(number(&parent, "processes"), 1);
}

#[test]
fn a_spawned_program_has_its_own_recording() {
    let outcome = outcome(&processes("spawn"));
    let [parent, child] = by_allocations(&outcome).try_into().expect("two recordings");
    assert_eq!((number(&parent, "allocations"), number(&child, "allocations")), (15, 33));
    assert_ne!(parent["pid"], child["pid"]);
}

#[test]
fn no_program_overwrites_the_recording_of_one_that_still_runs() {
    let program = compile("processes.c", &["-O1", "-pthread"]);
    let script = format!("'{0}' child; '{0}' spawn; exit 0", program.display());
    let run = Run::new(installed("sh")).args(["-c", &script]).env("TM_OUT", "fixed.bin").env("TM_RUN", "77");
    let outcome = run.recorded();
    assert_eq!(outcome.stderr, "");
    let recordings = files(&outcome.folder());
    // sh, the child, the one that spawns, and its child.
    assert_eq!(recordings.len(), 4, "{recordings:?}");
    for (recording, info) in recordings.iter().zip(all(&recordings)) {
        let pid = number(&info, "pid");
        let name = if Path::new(info["program"].as_str().expect("a path")) == program {
            format!("fixed.bin.{pid}")
        } else {
            "fixed.bin".to_owned()
        };
        assert_eq!(recording.file_name().expect("a name").to_string_lossy(), name);
    }
}

#[test]
fn with_a_fixed_name_and_no_run_number_a_running_parent_is_not_overwritten_either() {
    let outcome = processes("spawn").env("TM_OUT", "fixed.bin").recorded();
    let infos = all(&files(&outcome.folder()));
    let mut allocations: Vec<u64> = infos.iter().map(|info| number(info, "allocations")).collect();
    allocations.sort_unstable();
    assert_eq!(allocations, [15, 33]);
}

#[test]
fn follow_0_records_the_first_program_and_its_forks_only() {
    for (scenario, allocations) in [("exec", 12), ("vfork", 15), ("spawn", 15)] {
        let outcome = outcome(&processes(scenario).env("TM_FOLLOW", "0"));
        let info = info(outcome.recording());
        assert_eq!(number(&info, "allocations"), allocations, "{scenario}");
    }
    let outcome = outcome(&processes("fork").env("TM_FOLLOW", "0"));
    assert_eq!(number(&info(outcome.recording()), "processes"), 2);
}

#[test]
fn every_ending_keeps_what_happened_before() {
    for (scenario, allocations, ending, code, signal) in [
        ("_exit", 21, "_exit", Some(5), None),
        ("_Exit", 21, "_exit", Some(5), None),
        ("quick_exit", 21, "_exit", Some(5), None),
        ("abort", 21, "unknown", None, Some(6)),
        ("vfork, abort", 12, "unknown", None, Some(6)),
        ("segfault", 21, "unknown", None, Some(11)),
        ("pthread_exit", 21, "exit", Some(0), None),
        ("", 21, "exit", Some(92), None),
    ] {
        let outcome = outcome(&processes(scenario));
        assert_eq!((outcome.status.code(), outcome.status.signal()), (code, signal), "{scenario}");
        let info = info(outcome.recording());
        assert_nothing_missing(&info);
        assert!(number(&info, "allocations") >= allocations, "{scenario}: {info}");
        assert_eq!(list(&info, "process_list")[0]["ending"], ending, "{scenario}");
        assert_eq!(info["complete"], signal.is_none(), "{scenario}: {}", info["incomplete_because"]);
    }
}

#[test]
fn exit_from_another_thread_is_an_exit() {
    let outcome = outcome(&processes("exit in thread"));
    assert_eq!(outcome.status.code(), Some(6));
    let info = info(outcome.recording());
    assert_nothing_missing(&info);
    assert_eq!((&info["complete"], number(&info, "threads")), (&Value::from(true), 2));
    assert!(number(&info, "allocations") >= 10, "pthread_create may allocate too: {info}");
}
