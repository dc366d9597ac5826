//! Programs that give up rights and means while they are recorded, or start without them: they do what they do without
//! us, and of what they allocate each call is in the recording or counted as lost.
//!
//! The oracle is the counting preload, whose memory stays mapped.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tm_tests::counting::counted;
use tm_tests::info::{all, number, sum};
use tm_tests::products::products;
use tm_tests::programs::{compile, copy};
use tm_tests::run::{Outcome, Run, may_administer};

fn program() -> PathBuf {
    compile("rights.c", &["-O1", "-pthread"])
}

/// Runs `programs/rights.c`, which gives `what` up, and asserts that it goes on as without us and that each call of it
/// and its child is recorded or counted as lost. Returns how many were lost.
fn lost_without(what: &str) -> u64 {
    let run = Run::new(program()).args([what]);
    let (outcome, counts) = counted(&run);
    let bare = run.bare();
    assert_eq!(outcome.stdout, format!("done without {what}\n"));
    assert_eq!((&outcome.stdout, outcome.status), (&bare.stdout, bare.status));
    let infos = all(&outcome.recordings);
    let [info] = &infos[..] else { panic!("one recording: {:?}", outcome.recordings) };
    assert_eq!((&info["problems"], number(info, "unknown_frees")), (&Value::Array(Vec::new()), 0));
    let events = ["allocations", "reallocations", "frees", "lost_events"].map(|key| number(info, key));
    let made = counts.allocations + counts.reallocations + counts.frees;
    assert_eq!(events.iter().sum::<u64>(), made, "without {what}: {events:?}");
    let lost = number(info, "lost_events");
    // One line, and only if there is something to say.
    assert_eq!(outcome.stderr.lines().count(), usize::from(lost > 0), "{}", outcome.stderr);
    assert_eq!(outcome.messages().len(), usize::from(lost > 0), "{}", outcome.stderr);
    lost
}

#[test]
fn a_program_without_the_right_to_open_its_recording_loses_none_or_counts_them() {
    let mut without = vec!["descriptors", "open", "fallocate"];
    if may_administer() {
        without.extend(["chroot", "user"]);
    }
    for what in without {
        let lost = lost_without(what);
        println!("without {what}: {lost} events lost");
    }
}

/// `unshare` of the user namespace fails in a process with two threads: there is none of ours.
#[test]
fn other_namespaces_take_nothing_from_the_recording() {
    if may_administer() {
        assert_eq!(lost_without("namespaces"), 0);
    }
}

#[test]
fn without_proc_nothing_is_lost_and_stacks_are_whole() {
    if !may_administer() {
        return;
    }
    assert_eq!(lost_without("proc"), 0);
    let stacks_of = |what| {
        let run = Run::new(program()).args([what]);
        number(&all(&run.recorded().recordings)[0], "stacks")
    };
    assert_eq!(stacks_of("proc"), stacks_of(""), "a stack that is not known to be mapped has one frame");
}

/// The program starts again without `what`: the recordings of before and after, in this order.
fn started_without(what: &str) -> (Outcome, Vec<Value>) {
    let program = program();
    let run = Run::new(&program).args([what.as_ref(), program.as_os_str()]);
    let outcome = run.recorded();
    let bare = run.bare();
    assert_eq!((&outcome.stdout, outcome.status), (&bare.stdout, bare.status), "{}", outcome.stderr);
    let mut infos = all(&outcome.recordings);
    infos.sort_by_key(|info| number(info, "allocations"));
    (outcome, infos)
}

#[test]
fn a_program_that_starts_without_proc_is_recorded_under_its_name() {
    if !may_administer() {
        return;
    }
    let (outcome, infos) = started_without("proc");
    assert_eq!(outcome.stderr, "");
    let [before, after] = &infos[..] else { panic!("two recordings: {:?}", outcome.recordings) };
    assert_eq!(after["program"], before["program"]);
    assert!(number(after, "allocations") > 300_000 && after["complete"] == true, "{after}");
    assert_eq!(sum(&infos, "lost_events"), 0);
    assert!(number(after, "stacks") > 20, "{} stack nodes", number(after, "stacks"));
}

#[test]
fn a_folder_that_is_read_only_gets_one_line_and_the_program_runs() {
    if !may_administer() {
        return;
    }
    let (outcome, infos) = started_without("writable output");
    assert_eq!(infos.len(), 1, "that of before: {:?}", outcome.recordings);
    let [message] = outcome.messages()[..] else { panic!("one line: {}", outcome.stderr) };
    assert!(message.contains("read-only file system; nothing is recorded"), "{message}");
}

/// The loader leaves preloads away, and `tmtool run` says so before anybody wonders.
#[test]
fn a_set_user_id_program_is_refused_with_the_reason() {
    if !may_administer() {
        return;
    }
    let folder = tempfile::TempDir::new().expect("the temporary folder can be written");
    let program = folder.path().join("privileged");
    copy(&program_that_ends_at_once(), &program);
    std::os::unix::fs::chown(&program, Some(65534), Some(65534)).expect("root may");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).expect("it is ours");
    let outcome = Run::new(&program).recorded();
    outcome.assert_like(&Run::new(&program).bare());
    assert_eq!(outcome.recordings.len(), 0, "the loader has preloaded into a set-user-ID program");
    let said = refusal(&products().tmtool, &program);
    assert!(said.contains("set-user-ID"), "{said}");
}

#[test]
fn a_library_path_with_a_space_or_a_colon_is_refused_with_the_reason() {
    let folder = tempfile::TempDir::new().expect("the temporary folder can be written");
    for name in ["with space", "with:colon"] {
        let place = folder.path().join(name);
        fs::create_dir(&place).expect("as above");
        for product in [&products().tmtool, &products().library] {
            copy(product, &place.join(product.file_name().expect("a name")));
        }
        let said = refusal(&place.join("tmtool"), &program_that_ends_at_once());
        assert!(said.contains(name) && said.contains("has a space or a colon; move it"), "{said}");
    }
}

fn program_that_ends_at_once() -> PathBuf {
    compile("c_only.c", &["-O1"])
}

/// What `tmtool run` says of a program that it does not start.
fn refusal(tmtool: &Path, program: &Path) -> String {
    let output = Command::new(tmtool).arg("run").arg(program).output().expect("tmtool starts");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stderr).into_owned()
}
