//! Recordings that are still being written: each command reads them as of a moment, exactly, and says so.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tm_tests::products::products;
use tm_tests::programs::compile;
use tm_tests::run::{Run, Running};
use tm_tests::wait;

const N_SLOTS: u64 = 1024;
/// What each thread has in its hands, and what starts with the process.
const N_OTHERS: u64 = 8;

fn tmtool(arguments: &[&str]) -> Output {
    Command::new(&products().tmtool).args(arguments).output().expect("it was built")
}

fn text(arguments: &[&str]) -> String {
    let output = tmtool(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("it is text")
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&text(&[arguments, &["--json"]].concat())).expect("it is JSON")
}

/// Starts the program and waits until it is at work: what it says.
fn start(arguments: &[&str]) -> (Running, String) {
    let program = Run::new(compile("hands_over.c", &["-O1", "-g", "-pthread"]));
    let program = program.args(arguments).start_recorded();
    wait::until("its start", || {
        program.stdout_so_far().ends_with('\n') && !program.recordings_so_far().is_empty()
    });
    let pid = program.stdout_so_far().trim().to_owned();
    (program, pid)
}

/// Nothing is amiss: no free of an unknown block, none that was not seen, no segment missing, no more than can live.
fn check_info(file: &str) {
    let info = json(&["info", file]);
    let number = |name: &str| info[name].as_u64().expect("it is a number");
    assert_eq!((number("unknown_frees"), number("missed_frees"), number("lost_events")), (0, 0, 0));
    assert_eq!((&info["problems"], &info["still_running"]), (&Value::Array(vec![]), &Value::Bool(true)));
    for process in info["process_list"].as_array().expect("it is a list") {
        let blocks = |name: &str| process[name].as_u64().expect("it is a number");
        assert!(blocks("peak_blocks") <= N_SLOTS + N_OTHERS, "{process}");
        // A block that is being reallocated at that moment stands at neither address; there are two threads.
        let between = blocks("allocations") - blocks("frees") - blocks("live_blocks_at_end");
        assert!(between <= 2, "{process}");
    }
}

fn check_reports(file: &str, more: &[&str], snap: &Path) {
    let (half, end) = (format!("{file}@50%"), format!("{file}@end"));
    for command in ["stats", "peak", "leaks", "top", "temporary", "timeline"] {
        let arguments = [&[command, file], more].concat();
        let report = text(&arguments);
        let first = report.lines().next().unwrap_or_default();
        assert!(first.contains(", still running: as of "), "{report}");
        assert!(!report.contains("Warning") && !report.contains("missing"), "{report}");
    }
    let stats = json(&[&["stats", &end], more].concat());
    let origin = &stats["snapshot"]["origin"];
    assert_eq!((&origin["still_running"], &origin["unknown_frees"]), (&Value::Bool(true), &Value::from(0)));
    assert_eq!(origin["moment_ns"], origin["duration_ns"]);
    assert!(origin["live_blocks"].as_u64() <= Some(N_SLOTS + N_OTHERS), "{origin}");
    let diff = text(&[&["diff", &half, &end], more].concat());
    assert_eq!(diff.matches(", still running: as of ").count(), 2, "{diff}");
    assert!(!diff.contains("Warning"), "{diff}");
    text(&[&["filter", file, "-o", snap.to_str().expect("it is text")], more].concat());
    assert!(text(&["stats", snap.to_str().expect("it is text")]).contains(", still running: as of "));
}

#[test]
fn threads_that_hand_blocks_over_are_seen_as_of_a_moment() {
    let (mut program, pid) = start(&[]);
    let file = program.recordings_so_far().remove(0);
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let (file, snap) = (file.to_str().expect("it is text"), folder.path().join("a.snap"));
    for _ in 0..3 {
        check_info(file);
        check_reports(file, &[], &snap);
    }
    text(&["snapshot", &pid, "-o", snap.to_str().expect("it is text")]);
    assert!(text(&["stats", snap.to_str().expect("it is text")]).contains(", still running: as of "));
    // A copy is nobody's, and one that was killed does not run.
    program.child.kill().expect("it is our child");
    program.child.wait().expect("it is our child");
    assert!(!text(&["stats", file]).contains("still running"));
    assert_eq!(json(&["info", file])["still_running"], Value::Bool(false));
}

#[test]
fn a_child_that_outlives_its_parent_still_writes() {
    let (mut program, pid) = start(&["child"]);
    program.child.wait().expect("it is our child");
    let file = program.recordings_so_far().remove(0);
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let (file, snap) = (file.to_str().expect("it is text"), folder.path().join("a.snap"));
    for _ in 0..2 {
        check_info(file);
        check_reports(file, &["--process", &pid], &snap);
    }
    // Of the parent, which has ended, nothing more comes.
    assert!(!text(&["stats", file]).contains("still running"));
    Command::new("kill").args(["-9", &pid]).status().expect("it is there");
}

/// Held at a known state: what is there is what was asked for, to the byte.
#[test]
fn a_program_at_rest_is_counted_to_the_byte() {
    let program = Run::new(compile("on_demand.c", &["-O0", "-g", "-pthread"])).with_input();
    let mut program = program.start_recorded();
    let stdin = program.child.stdin.as_mut().expect("it is piped");
    std::io::Write::write_all(stdin, b"1000 1000\n3 500000\n").expect("it reads");
    wait::until("its answers", || program.stdout_so_far().lines().count() >= 3);
    let file = program.recordings_so_far().remove(0);
    let origin = &json(&["stats", file.to_str().expect("it is text")])["snapshot"]["origin"];
    let (bytes, blocks) = (1 + 1_000 * 1_000 + 3 * 500_000, 1 + 1_000 + 3);
    assert_eq!((&origin["live_bytes"], &origin["live_blocks"]), (&Value::from(bytes), &Value::from(blocks)));
}

#[test]
fn what_is_no_plain_recording_is_said_and_standard_input_is_read() {
    let recorded = Run::new("/bin/true").recorded();
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("it is everywhere").success());
    let packed = folder.path().join("a.bin.gz");
    std::fs::write(&packed, [0x1f, 0x8b, 8, 0]).expect("it can be written");
    let zstd = folder.path().join("a.bin.zst");
    std::fs::write(&zstd, [0x28, 0xb5, 0x2f, 0xfd, 0]).expect("it can be written");
    for (what, expected) in [
        (pipe.as_path(), " is a pipe; "),
        (&packed, "unpack it first, with 'gzip -d "),
        (&zstd, "unpack it first, with 'zstd -d "),
        (Path::new("/dev/null"), " is a device, "),
        (folder.path(), " is a directory"),
    ] {
        for command in ["stats", "info", "watch"] {
            let output = tmtool(&[command, what.to_str().expect("it is text")]);
            let said = String::from_utf8(output.stderr).expect("it is text");
            assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
            assert!(said.contains(expected), "{said}");
        }
    }
    let script =
        format!("cat '{}' | '{}' info -", recorded.recording().display(), products().tmtool.display());
    let piped = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).output().expect("it is there");
    assert!(String::from_utf8_lossy(&piped.stdout).starts_with("-: complete"), "{piped:?}");
}
