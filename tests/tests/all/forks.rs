//! Processes that are made while others allocate, in every way that Linux has: no child hangs, and all their calls are
//! in the recordings.
//!
//! The oracle is the counting preload, which counts in memory that all the processes share.

use serde_json::Value;
use tm_tests::counting::{Counts, assert_counts_and_behaviour};
use tm_tests::info::{all, assert_nothing_missing, number, sum};
use tm_tests::programs::{compile, installed};
use tm_tests::run::{Outcome, Run, files};
use tm_tests::soak::times;

/// Runs a scenario of `programs/forks.c` `n` times, with all counts and the behaviour as without us.
fn forks(scenario: &str, n: u32) -> (Outcome, Counts) {
    let run = Run::new(compile("forks.c", &["-O1", "-pthread"])).args([scenario, &n.to_string()]);
    let (outcome, counts) = assert_counts_and_behaviour(&run);
    assert_eq!((outcome.stdout.as_str(), outcome.status.code()), ("done\n", Some(3)));
    (outcome, counts)
}

/// The endings of all processes but the first, sorted.
fn endings(info: &Value) -> Vec<String> {
    let list = info["process_list"].as_array().expect("a list");
    let mut endings: Vec<String> =
        list.iter().skip(1).map(|process| process["ending"].as_str().expect("a word").to_owned()).collect();
    endings.sort();
    endings
}

/// Asserts how `n` children ended, by turns: `exit`, `_exit`, another program, abort.
fn assert_four_endings(outcome: &Outcome, n: u32) {
    let infos = all(&outcome.recordings);
    assert_eq!(infos.len() as u32, 1 + n / 4, "the first program and the executed ones");
    let first = infos.iter().max_by_key(|info| number(info, "processes")).expect("there are some");
    let quarter = |ending: &str| vec![ending.to_owned(); n as usize / 4];
    let expected = [quarter("_exit"), quarter("exit"), quarter("unknown"), quarter("unknown")].concat();
    assert_eq!(endings(first), expected);
    let executed = infos.iter().filter(|info| number(info, "processes") == 1);
    executed.for_each(|info| assert_eq!(info["complete"], true, "{info}"));
}

#[test]
fn fork_while_other_threads_allocate() {
    let n = times(20, 200);
    let (outcome, _) = forks("fork while others allocate", n);
    assert_four_endings(&outcome, n);
}

#[test]
fn a_raw_clone_is_a_fork() {
    let n = times(8, 200);
    let (outcome, _) = forks("raw clone", n);
    assert_four_endings(&outcome, n);
}

#[test]
fn what_a_child_of_vfork_allocates_is_its_parent_s() {
    let (outcome, counts) = forks("vfork that allocates", times(8, 200));
    let infos = all(&outcome.recordings);
    assert_eq!((infos.len(), sum(&infos, "processes")), (1, 1));
    assert!(counts.allocations >= u64::from(times(8, 200)) * 30);
}

#[test]
fn children_and_grandchildren_that_run_at_once_share_one_file() {
    let n = times(10, 100);
    let (outcome, _) = forks("all at once", n);
    let infos = all(&outcome.recordings);
    assert_eq!(number(&infos[0], "processes"), 1 + 2 * u64::from(n));
    assert_eq!(endings(&infos[0]), vec!["_exit"; 2 * n as usize]);
}

/// Containers in containers: a child whose pid is its parent's is a child all the same.
#[test]
fn processes_that_are_all_number_1_are_told_apart() {
    if !tm_tests::run::may_administer() {
        return;
    }
    let (outcome, _) = forks("first of their namespaces", 3);
    let infos = all(&outcome.recordings);
    assert_eq!(number(&infos[0], "processes"), 4);
}

/// Most of them are shells that fork and programs that end at once.
#[test]
fn a_shell_script_that_runs_very_many_processes() {
    let n = times(40, 1000);
    let script = format!(
        "i=0; while [ $i -lt {n} ]; do /bin/true; (x=$(echo $i | cat); exit $x) & wait $!; i=$((i+1)); done; echo $i"
    );
    for shell in ["dash", "bash"] {
        let run = Run::new(installed(shell)).args(["-c", &script]);
        let (outcome, _) = assert_counts_and_behaviour(&run);
        assert_eq!((outcome.stdout.trim(), outcome.status.code()), (n.to_string().as_str(), Some(0)));
        // The shell, and `true` and `cat` in each round.
        assert_eq!(outcome.recordings.len() as u32, 1 + 2 * n, "{shell}");
    }
}

/// A daemon's descriptors 0, 1 and 2 are files of its own: nothing of ours is in them, also when there is something to
/// say, and what it allocates is recorded.
#[test]
fn a_daemon_that_closes_all_descriptors_gets_none_of_our_bytes_in_its_files() {
    let daemon = compile("daemon.c", &["-O1"]);
    for may_grow in [true, false] {
        let run = if may_grow {
            Run::new(&daemon)
        } else {
            // What it has to say is that the recording cannot grow.
            Run::new(installed("prlimit")).args(["--fsize=500000"]).args([&daemon])
        };
        let outcome = run.recorded();
        outcome.assert_like(&run.bare());
        assert_eq!(outcome.stdout, "served\n");
        let written = files(&outcome.folder());
        assert_eq!(written.len(), 6, "{written:?}");
        for file in written {
            let text = std::fs::read_to_string(&file).expect("it is text");
            assert_eq!(text, "line\n".repeat(3), "{}", file.display());
        }
        let infos = all(&outcome.recordings);
        let of_daemon = infos.iter().filter(|info| info["program"] == daemon.display().to_string());
        let [info] = of_daemon.collect::<Vec<_>>()[..] else {
            panic!("one recording: {:?}", outcome.recordings)
        };
        // 100 of the first process, 199,998 of the daemon.
        let events = number(info, "allocations") + number(info, "frees") + number(info, "lost_events");
        assert!(events >= 2 * 200_098, "{info}");
        if may_grow {
            assert_nothing_missing(info);
        } else {
            assert!(
                number(info, "lost_events") > 0 && info["problems"] == Value::Array(Vec::new()),
                "{info}"
            );
        }
    }
}
