//! Each `TM_` variable does what the table of settings says; what is wrong is said in one line and left at its
//! default; and files that are not ours stay as they are.
//!
//! The oracle is the bare run, and the file system.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::events;
use tm_common::ids::ProcessIndex;
use tm_common::settings;
use tm_tests::info::{info, number};
use tm_tests::programs::compile;
use tm_tests::run::{Outcome, Run, files};

/// Blocks of 321 bytes that `programs/settings.c` allocates.
const N_BLOCKS: usize = 100;

fn program() -> Run {
    Run::new(compile("settings.c", &["-O0", "-fno-omit-frame-pointer"]))
}

/// (depth, frames shown) of the stack of each block of 321 bytes.
fn stacks(path: &Path) -> Vec<(Option<u32>, usize)> {
    let recording = Recording::open(path).expect("it is a recording");
    let mut stacks = Vec::new();
    events(&recording, ProcessIndex(0), |event| {
        if event.size == 321 {
            let stack = recording.stack(event.stack).expect("it is there");
            stacks.push((stack.total_depth(), stack.count()));
        }
    })
    .expect("the first process is there");
    assert_eq!(stacks.len(), N_BLOCKS);
    stacks
}

/// Asserts that it ran as without us and was recorded, and said these lines.
fn assert_records(outcome: &Outcome, messages: &[&str]) {
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.messages(), messages);
    assert!(number(&info(outcome.recording()), "allocations") >= N_BLOCKS as u64);
}

#[test]
fn nothing_of_us_is_noticed_inside() {
    let temporary = TempDir::new().expect("the temporary folder can be written");
    let run = program().folder(temporary.path());
    let (bare, recorded) = (run.bare(), run.recorded());
    let own = |outcome: &Outcome| outcome.stdout.replace(&outcome.folder().display().to_string(), "");
    assert_eq!(own(&recorded), own(&bare));
    assert!(bare.stdout.contains("descriptor 2") && bare.stdout.contains(" 1 threads"), "{}", bare.stdout);
    assert_records(&recorded, &[]);
    let mode = fs::metadata(recorded.recording()).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600, "only the owner may read what the program did");
}

#[test]
fn disable_records_nothing_and_writes_no_file() {
    let outcome = program().env("TM_DISABLE", "1").recorded();
    assert_eq!((outcome.recordings.len(), outcome.stderr.as_str()), (0, ""));
    assert_eq!(files(&outcome.folder()), Vec::<std::path::PathBuf>::new());
    assert_records(&program().env("TM_DISABLE", "0").recorded(), &[]);
}

#[test]
fn nframe_keeps_that_many_frames_and_the_depth() {
    let all = stacks(program().recorded().recording());
    let (depth, kept) = all[0];
    assert!(
        kept >= 14 && depth == Some(kept as u32),
        "13 of deep, main, and what is below: {depth:?}, {kept}"
    );
    for limit in [5, 2, 100, 16_384] {
        let outcome = program().env("TM_NFRAME", limit.to_string()).recorded();
        assert_eq!(number(&info(outcome.recording()), "lost_events"), 0);
        for stack in stacks(outcome.recording()) {
            assert_eq!(stack, (depth, kept.min(limit)), "TM_NFRAME={limit}");
        }
    }
    let outcome = program().env("TM_NFRAME", "1").recorded();
    for stack in stacks(outcome.recording()) {
        assert_eq!(stack, (None, 1), "TM_NFRAME=1 walks no stack");
    }
}

#[test]
fn unwind_fp_finds_the_frames_of_a_program_that_keeps_frame_pointers() {
    let outcome = program().env("TM_UNWIND", "fp").recorded();
    let recording = Recording::open(outcome.recording()).expect("it is a recording");
    assert_eq!(recording.header.unwind, 1);
    for (_, kept) in stacks(outcome.recording()) {
        assert!(kept >= 14, "13 of deep and main: {kept}");
    }
}

#[test]
fn self_check_walks_every_nth_stack_twice() {
    let outcome = program().env("TM_SELF_CHECK", "10").recorded();
    let info = info(outcome.recording());
    let checks = number(&info, "self_checks");
    assert_eq!(checks, (number(&info, "allocations") + number(&info, "reallocations")) / 10);
    assert_eq!(number(&info, "self_check_differences"), 0);
}

#[test]
fn run_stands_in_the_header() {
    let outcome = program().env("TM_RUN", "123456789012").recorded();
    assert_eq!(Recording::open(outcome.recording()).expect("it is a recording").header.run, 123_456_789_012);
}

#[test]
fn out_is_a_template() {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux has it");
    let outcome = program().env("TM_OUT", "a.%e.%p.%h.%t.100%%.%x").recorded();
    let [file] = &files(&outcome.folder())[..] else { panic!("one file in {:?}", outcome.folder()) };
    let info = info(file);
    let (pid, start_s) = (number(&info, "pid"), number(&info, "start_realtime_ns") / 1_000_000_000);
    let names = [start_s - 1, start_s].map(|s| format!("a.settings.{pid}.{}.{s}.100%.%x", host.trim()));
    assert!(names.contains(&file.file_name().expect("a name").to_string_lossy().into_owned()), "{file:?}");
}

#[test]
fn without_out_the_recording_is_in_the_working_directory() {
    let empty = "tm: TM_OUT= is not valid";
    for (run, message) in [(program().unset("TM_OUT"), None), (program().env("TM_OUT", ""), Some(empty))] {
        let outcome = run.recorded();
        let [file] = &files(&outcome.folder())[..] else { panic!("one file: {}", outcome.stderr) };
        let pid = number(&info(file), "pid");
        assert_eq!(file.file_name().expect("a name").to_string_lossy(), format!("tm.settings.{pid}.bin"));
        assert_eq!(outcome.messages().len(), usize::from(message.is_some()), "{}", outcome.stderr);
        assert!(outcome.stderr.starts_with(message.unwrap_or_default()), "{}", outcome.stderr);
    }
}

#[test]
fn a_bad_value_gets_one_line_and_its_default() {
    for (name, values) in [
        ("TM_NFRAME", &["0", "16385", "-1", "many", "", "5 ", "0x10", "99999999999999999999999"][..]),
        ("TM_UNWIND", &["", "dwarf", "FP"]),
        ("TM_DISABLE", &["yes", "", "2"]),
        ("TM_FOLLOW", &["yes", "", "2"]),
        ("TM_SELF_CHECK", &["-5", "x", ""]),
        ("TM_RUN", &["x", "", "18446744073709551616"]),
    ] {
        let setting = settings::ALL.iter().find(|setting| setting.name == name).expect("it is in the table");
        for value in values {
            let outcome = program().env(name, value).recorded();
            let line =
                format!("tm: {name}={value} is not valid ({}); using {}", setting.values, setting.default);
            assert_records(&outcome, &[&line]);
            assert_eq!(stacks(outcome.recording()), stacks(program().recorded().recording()));
        }
    }
}

#[test]
fn an_unknown_setting_gets_one_line() {
    let outcome = program().env("TM_NFRAMES", "3").recorded();
    assert_records(&outcome, &["tm: unknown setting TM_NFRAMES is ignored"]);
    assert_records(&program().env("TMX", "3").env("tm_out", "x").recorded(), &[]);
}

/// Runs with `TM_OUT=path` and asserts that it ran as without us, and one line names the path.
fn assert_refused(path: &Path) {
    let outcome = program().env("TM_OUT", path).recorded();
    assert_eq!(outcome.status.code(), Some(0));
    assert!(outcome.stdout.ends_with("13 frames\n"), "{}", outcome.stdout);
    let [message] = outcome.messages()[..] else { panic!("one line: {}", outcome.stderr) };
    assert!(message.contains(&path.display().to_string()) && message.contains("TM_OUT"), "{message}");
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
}

#[test]
fn files_that_are_not_recordings_are_left_alone() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("text"), "my only copy\n".repeat(50)).expect("as above");
    fs::write(at("short"), "x").expect("as above");
    fs::write(at("target"), "of a link\n").expect("as above");
    fs::create_dir(at("folder")).expect("as above");
    symlink(at("target"), at("link")).expect("as above");
    symlink(at("nothing"), at("dangling")).expect("as above");
    symlink("/dev/null", at("null")).expect("as above");
    let state = || {
        let mut state = Vec::new();
        for path in files(folder.path()) {
            let metadata = fs::symlink_metadata(&path).expect("it is there");
            let content = if metadata.is_file() { fs::read(&path).expect("as above") } else { Vec::new() };
            state.push((path, metadata.ino(), metadata.mode(), metadata.mtime_nsec(), content));
        }
        state
    };
    let before = state();
    for name in ["text", "short", "folder", "link", "dangling", "null", "text/below/a/file", "missing/file"] {
        assert_refused(&at(name));
        assert_eq!(state(), before, "{name}");
    }
    assert_refused(Path::new("/dev/null"));
}

#[test]
fn a_recording_of_an_earlier_run_is_replaced() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let run = program().env("TM_OUT", folder.path().join("again.bin"));
    run.recorded();
    let first = number(&info(&folder.path().join("again.bin")), "pid");
    run.recorded();
    let [file] = &files(folder.path())[..] else { panic!("one file in {folder:?}") };
    assert_ne!(number(&info(file), "pid"), first);
}
