//! Real programs on real tasks: the same output and end as without libtm.so, each call recorded, by the counting preload
//! in the same run, nothing missing, and all stacks right. Those that are common and quick run always if they are
//! installed, all of them in the long form. The tasks are in `programs/real`.

use std::path::Path;

use tm_tests::counting::{Counts, assert_counts, assert_counts_and_behaviour};
use tm_tests::info::{all, number, sum};
use tm_tests::products::products;
use tm_tests::programs::installed;
use tm_tests::real::{free_port, is_left_out, is_missing, not_as_root, postgres_folder, script, task};
use tm_tests::run::{Outcome, Run};
use tm_tests::soak::times;

/// Debian's: one that stands in the way of a version manager's wrapper is many shells more.
const PYTHON: &str = "/usr/bin/python3";

fn amount(short: u32, long: u32) -> String {
    times(short, long).to_string()
}

/// Asserts that the stacks were checked, in a run of at least that many allocations.
fn assert_checked(outcome: &Outcome, counts: Counts, at_least: u64) {
    assert!(counts.allocations > at_least, "too little happened to prove anything: {counts:?}");
    assert!(sum(&all(&outcome.recordings), "self_checks") > at_least / 200, "stacks were not checked");
}

/// Runs a task bare and recorded; asserts counts, behaviour, the end, and a least number of allocations.
fn assert_recorded(run: &Run, code: i32, at_least: u64) -> Outcome {
    let (outcome, counts) = assert_counts_and_behaviour(run);
    let Outcome { stdout, stderr, .. } = &outcome;
    assert_eq!(outcome.status.code(), Some(code), "{stdout}{stderr}");
    assert_checked(&outcome, counts, at_least);
    outcome
}

/// The most processes in the recording of a program.
fn processes(outcome: &Outcome, program: &str) -> u64 {
    let of_program = |info: &&serde_json::Value| {
        Path::new(info["program"].as_str().expect("a path")).file_name().is_some_and(|name| name == program)
    };
    let infos = all(&outcome.recordings);
    let processes = infos.iter().filter(of_program).map(|info| number(info, "processes"));
    processes.max().unwrap_or_else(|| panic!("no recording of {program}: {:?}", outcome.recordings))
}

#[test]
fn python_with_threads_and_pools_of_processes() {
    if is_missing(&[PYTHON]) {
        return;
    }
    let outcome = assert_recorded(&script("python.sh", &[PYTHON, &amount(200, 2000)]), 3, 100_000);
    assert!(
        outcome.stdout.contains("499500") && outcome.stdout.contains("returncode=4"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn git_clone_through_the_protocol_and_gc() {
    if is_missing(&["git"]) {
        return;
    }
    let outcome = assert_recorded(&script("git.sh", &[&amount(10, 100)]), 0, 10_000);
    assert!(outcome.stdout.contains("git fails with 1"), "{}", outcome.stdout);
}

#[test]
fn make_with_four_compilers_at_once() {
    if is_missing(&["make", "g++"]) {
        return;
    }
    let outcome = assert_recorded(&script("make.sh", &[&amount(2, 12)]), 0, 100_000);
    assert!(outcome.stdout.contains("make fails with 2"), "{}", outcome.stdout);
}

#[test]
fn perl_with_hashes_closures_and_a_fork() {
    if is_missing(&["perl"]) {
        return;
    }
    let outcome =
        assert_recorded(&task(installed("perl"), "perl.pl", &[&amount(10_000, 200_000)]), 6, 50_000);
    assert_eq!(outcome.stderr, "perl fails\n");
}

#[test]
fn sqlite_writing_rolling_back_and_dumping() {
    if is_missing(&["sqlite3"]) {
        return;
    }
    let outcome = assert_recorded(&script("sqlite.sh", &[&amount(10_000, 200_000)]), 0, 5_000);
    assert!(outcome.stdout.contains("ok\nsqlite3 fails with 1\n"), "{}", outcome.stdout);
}

#[test]
fn bash_with_pipes_traps_and_jobs() {
    let outcome = assert_recorded(&script("shell.sh", &[&amount(10, 200)]), 5, 5_000);
    assert!(outcome.stdout.ends_with(" 5050\n"), "{}", outcome.stdout);
}

#[test]
fn node_with_a_worker_and_its_pool_of_threads() {
    if is_left_out(&["node"]) {
        return;
    }
    assert_recorded(&task(installed("node"), "node.js", &["50000"]), 3, 100_000);
}

#[test]
fn java_compiling_and_running() {
    if is_left_out(&["javac", "java"]) {
        return;
    }
    let outcome = assert_recorded(&script("java.sh", &["20000"]), 0, 20_000);
    assert!(outcome.stdout.contains("java fails with 1"), "{}", outcome.stdout);
}

#[test]
fn clang_compiling_cxx() {
    if is_left_out(&["clang++"]) {
        return;
    }
    assert_recorded(&script("clang.sh", &["50"]), 0, 100_000);
}

/// rustc has an allocator of its own, linked in under the name `malloc`: neither libtm.so nor the counter sees a call.
#[test]
fn cargo_building_testing_and_running_a_crate_but_for_rustc_s_own_malloc() {
    if is_left_out(&["cargo"]) {
        return;
    }
    let run = script("cargo.sh", &[]);
    let (outcome, counts) = assert_counts(&run);
    assert_checked(&outcome, counts, 20_000);
    let messages = outcome.messages();
    let is_rustc_s = |line: &&str| line.starts_with("tm: rustc defines malloc itself");
    assert!(!messages.is_empty() && messages.iter().all(is_rustc_s), "{messages:?}");
    assert!(outcome.stdout.contains("1 passed"), "{}", outcome.stdout);
    outcome.without_messages().assert_like(&run.bare());
}

#[test]
fn redis_under_its_benchmark_with_snapshots() {
    if is_left_out(&["redis-server", "redis-benchmark"]) {
        return;
    }
    let outcome = assert_recorded(&script("redis.sh", &["3"]), 0, 100_000);
    // Debian's redis-server is a link.
    assert!(processes(&outcome, "redis-check-rdb") >= 3, "itself, a rewritten file, a snapshot");
}

#[test]
fn nginx_whose_workers_are_replaced_under_load() {
    if is_left_out(&["/usr/sbin/nginx", "ab"]) {
        return;
    }
    let port = free_port();
    let outcome = assert_recorded(&script("nginx.sh", &["3", &port]), 0, 50_000);
    assert_eq!(processes(&outcome, "nginx"), 5, "the master, two workers, their successors");
}

#[test]
fn postgres_under_pgbench() {
    let folder = postgres_folder();
    if is_left_out(&[&format!("{folder}/pgbench"), "setpriv"]) {
        return;
    }
    let run = not_as_root(script("postgres.sh", &["3", &folder]));
    let outcome = assert_recorded(&run, 0, 50_000);
    assert!(outcome.stdout.contains("t\nSET\nSET\nSET\n99900|1\n"), "{}", outcome.stdout);
    assert!(processes(&outcome, "postgres") >= 10, "the server, its helpers, and one for each client");
}

#[test]
fn tmtool_run_records_them_as_they_are_and_names_the_recording_to_look_at() {
    let make = script("make.sh", &["2"]);
    let python = script("python.sh", &[PYTHON, "200"]);
    for (run, missing, code, told) in
        [(make, is_missing(&["make", "g++"]), 0, "tm.bash."), (python, is_missing(&[PYTHON]), 3, "tm.bash.")]
    {
        if missing {
            continue;
        }
        let bare = run.bare();
        let outcome =
            run.through(&products().tmtool, &["run".as_ref(), "--".as_ref()]).unset("TM_OUT").bare();
        assert_eq!(
            (&outcome.stdout, outcome.status.code()),
            (&bare.stdout, Some(code)),
            "{}",
            outcome.stderr
        );
        assert_eq!(outcome.messages().len(), outcome.stderr.lines().count() - bare.stderr.lines().count());
        assert!(
            !outcome.stderr.contains("LOST") && outcome.stderr.contains("nothing lost"),
            "{}",
            outcome.stderr
        );
        let next = outcome.messages().last().and_then(|line| line.strip_prefix("tm: next: tmtool stats "));
        let next = next.unwrap_or_else(|| panic!("nothing is proposed: {}", outcome.stderr));
        assert!(next.starts_with(told), "{next}");
        let stats = Run::new(&products().tmtool).args(["stats", next]).folder(&outcome.folder()).bare();
        assert!(
            stats.status.success() && stats.stdout.lines().count() > 5,
            "{}{}",
            stats.stdout,
            stats.stderr
        );
    }
}
