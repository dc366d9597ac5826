//! Servers and runtimes as they are installed are attached to and detached from under load, again and again, and serve on.
//!
//! The oracles are their clients, and what they check of their own work.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tm_tests::attached::{said, tmtool};
use tm_tests::info::{info, number};
use tm_tests::products::products;
use tm_tests::real::{free_port, is_left_out, not_as_root, postgres_folder, script};
use tm_tests::run::Run;
use tm_tests::wait;

const N_ROUNDS: u32 = 200;

/// Attaches to each of its processes in turn. The processes make the recordings, some of them with little rights.
fn assert_serves_on(run: &Run) {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
    let mut running = run.clone().with_input().start_bare();
    let pids = wait::for_some("the server", || {
        let said = running.stdout_so_far();
        said.split_once('\n').map(|(pids, _)| pids.split(' ').map(str::to_owned).collect::<Vec<_>>())
    });
    let recordings: Vec<String> =
        pids.iter().map(|pid| folder.path().join(pid).display().to_string()).collect();
    for round in 0..N_ROUNDS {
        for (pid, recording) in pids.iter().zip(&recordings) {
            let first = ["attach", pid, "-o", recording];
            let arguments = if round == 0 { &first } else { &first[..2] };
            let attached =
                Command::new(&products().tmtool).args(arguments).env("TM_SELF_CHECK", "100").output();
            let attached = attached.expect("it was built");
            assert!(attached.status.success(), "{arguments:?}, round {round}: {attached:?}");
        }
        for pid in &pids {
            said(&["detach", pid]);
        }
    }
    drop(running.child.stdin.take());
    let outcome = running.finish();
    assert_eq!(
        outcome.stdout,
        format!("{}\nthe server ended with 0\n", pids.join(" ")),
        "{}",
        outcome.stderr
    );
    assert!(outcome.status.success(), "{outcome:?}");
    for recording in &recordings {
        let info = info(recording.as_ref());
        assert!(number(&info, "allocations") > 0, "{info}");
        assert_eq!((&info["complete"], number(&info, "lost_events")), (&true.into(), 0), "{info}");
        assert_eq!(number(&info, "self_check_differences"), 0, "{info}");
        assert!(tmtool(&["stats", recording]).status.success());
    }
}

#[test]
fn redis_with_its_own_allocator_and_threads() {
    if !is_left_out(&["redis-server", "redis-benchmark"]) {
        assert_serves_on(&script("under_load.sh", &["redis"]));
    }
}

#[test]
fn workers_of_nginx() {
    if !is_left_out(&["/usr/sbin/nginx", "ab"]) {
        assert_serves_on(&script("under_load.sh", &["nginx", &free_port()]));
    }
}

#[test]
fn postgres_and_one_of_its_backends() {
    let folder = postgres_folder();
    if !is_left_out(&[&format!("{folder}/pgbench"), "setpriv"]) {
        assert_serves_on(&not_as_root(script("under_load.sh", &["postgres", &folder])));
    }
}

#[test]
fn node_with_a_worker() {
    if !is_left_out(&["node"]) {
        assert_serves_on(&script("under_load.sh", &["node"]));
    }
}

#[test]
fn a_virtual_machine_with_threads_that_fault() {
    if !is_left_out(&["javac", "java"]) {
        assert_serves_on(&script("under_load.sh", &["java"]));
    }
}
