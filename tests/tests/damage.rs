//! What cannot be read or recorded is said in one sentence that names the file, with exit code 1; what is left of a cut
//! recording is read, and that it is cut is said.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use tm_common::header::{GRAIN_BYTES, VERSION, VERSION_UNSAMPLED};
use tm_common::segment::{SegmentHeader, SegmentKind};
use tm_tests::fuzz::random::Random;
use tm_tests::info::{info, number};
use tm_tests::products::products;
use tm_tests::programs::{compile, installed};
use tm_tests::run::{Outcome, Run};

/// Byte 8 of a recording: its version.
const VERSION_AT: usize = 8;

fn tmtool(arguments: &[&str]) -> Output {
    let mut command = Command::new(&products().tmtool);
    command.args(arguments).env("LC_ALL", "C").output().expect("tmtool starts")
}

/// A recording of some size.
fn recording() -> Outcome {
    let script = "import json; json.loads(json.dumps([[n] for n in range(20000)]))";
    let run = Run::new("/usr/bin/python3").args(["-c", script]).env("PYTHONMALLOC", "malloc");
    let outcome = run.recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    outcome
}

/// Asserts that the command could not be done and says why in one line that has all of `words`.
fn assert_one_sentence(arguments: &[&str], words: &[&str]) {
    let output = tmtool(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(said.starts_with("tmtool: ") && !said.contains("panicked"), "{arguments:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?} does not say '{word}': {said}");
    }
    assert!(output.stdout.is_empty(), "{arguments:?} prints something all the same");
}

/// The same of every command that reads a recording.
fn assert_no_command_reads(file: &Path, word: &str) {
    let name = file.display().to_string();
    let folder = TempDir::new().expect("the temporary folder can be written");
    let out = folder.path().join("out.snap").display().to_string();
    for arguments in [
        &["info", &name][..],
        &["info", "--json", &name],
        &["stats", &name],
        &["diff", &name, &name],
        &["filter", &name, "-o", &out],
    ] {
        assert_one_sentence(arguments, &[&name, word]);
    }
    assert!(!Path::new(&out).exists(), "filter leaves a file");
}

#[test]
fn files_that_are_no_recordings_are_refused_by_name() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("as above");
        path
    };
    assert_no_command_reads(&folder.path().join("missing.bin"), "no such file");
    assert_no_command_reads(&write("empty.bin", b""), "empty");
    assert_no_command_reads(&write("text.bin", b"This is a text.\n".repeat(1000).as_slice()), "not a");
    assert_no_command_reads(&write("short.bin", b"x"), "not a");
    assert_no_command_reads(folder.path(), "directory");
}

#[test]
fn a_recording_of_a_newer_version_is_refused() {
    let outcome = recording();
    let mut bytes = fs::read(outcome.recording()).expect("it is there");
    assert_eq!(u32::from(bytes[VERSION_AT]), VERSION_UNSAMPLED, "older ones read what is not sampled");
    bytes[VERSION_AT] = VERSION as u8 + 1;
    let newer = outcome.folder().join("newer.bin");
    fs::write(&newer, bytes).expect("the scratch folder can be written");
    assert_no_command_reads(&newer, &format!("version {}", VERSION + 1));
}

#[test]
fn a_cut_recording_is_read_to_the_cut_and_that_is_said() {
    let outcome = recording();
    let bytes = fs::read(outcome.recording()).expect("it is there");
    let whole = info(outcome.recording());
    let cut = outcome.folder().join("cut.bin");
    let mut random = Random::of_case(1, 0);
    let mut n_allocations = Vec::new();
    for _ in 0..10 {
        // The header is whole: without it, a file is no recording.
        let at = 4096 + random.below(bytes.len() - 4096);
        fs::write(&cut, &bytes[..at]).expect("the scratch folder can be written");
        let name = cut.display().to_string();
        let told = info(&cut);
        let problems = told["problems"].as_array().expect("a list").clone();
        assert!(
            problems.iter().any(|problem| problem.to_string().contains("cut")),
            "cut at {at}: {problems:?}"
        );
        assert_eq!(told["complete"], false, "cut at {at}");
        assert!(number(&told, "allocations") <= number(&whole, "allocations"), "cut at {at}");
        n_allocations.push((at, number(&told, "allocations")));
        for arguments in [&["info", &name][..], &["stats", &name], &["diff", &name, &name]] {
            let output = tmtool(arguments);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{arguments:?}, cut at {at} of {}: {said}", bytes.len());
        }
    }
    n_allocations.sort_unstable();
    assert!(
        n_allocations.is_sorted_by_key(|&(_, n)| n),
        "more of the file gives more events: {n_allocations:?}"
    );
    assert!(n_allocations[9].1 > 0, "something is read: {n_allocations:?}");
}

#[test]
fn programs_that_cannot_be_recorded_are_refused_before_they_run() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let script = folder.path().join("script");
    fs::write(&script, "#!/no/such/interpreter\n").expect("as above");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("as above");
    let says = compile("says_so.c", &["-static"]);
    let own_malloc = compile("own_malloc.c", &["-rdynamic"]);
    let refused: [(PathBuf, &str); 4] = [
        (says, "static"),
        (folder.path().join("missing"), "missing"),
        (script, "/no/such/interpreter"),
        (own_malloc, "malloc"),
    ];
    for (program, word) in refused {
        let name = program.display().to_string();
        assert_one_sentence(&["run", &name], &[&name, word]);
    }
    assert_one_sentence(&["run", "no-such-program-anywhere"], &["no-such-program-anywhere"]);
}

#[test]
fn rustc_is_refused_for_its_own_malloc() {
    let sysroot =
        Command::new(installed("rustc")).args(["--print", "sysroot"]).output().expect("rustc starts");
    let rustc = Path::new(String::from_utf8_lossy(&sysroot.stdout).trim()).join("bin/rustc");
    let name = rustc.display().to_string();
    assert_one_sentence(&["run", &name, "--version"], &[&name, "malloc"]);
}

/// What reports say below their first lines, exports of events say on standard error.
#[test]
fn an_export_says_what_is_missing_as_reports_do() {
    let outcome = Run::new(compile("bounded.c", &["-g", "-O1", "-pthread"])).args(["1", "1", "1"]).recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    let mut bytes = fs::read(outcome.recording()).expect("it is there");
    let is_second = |at: &usize| {
        let header = SegmentHeader::parse(&bytes[*at..]).ok().flatten();
        header.is_some_and(|header| header.kind == SegmentKind::Events && header.sequence == 1)
    };
    let second = (1..bytes.len() / GRAIN_BYTES).map(|grain| grain * GRAIN_BYTES).find(is_second);
    let second = second.expect("a stream has two segments");
    bytes[second..second + GRAIN_BYTES].fill(0);
    let folder = TempDir::new().expect("the temporary folder can be written");
    let damaged = folder.path().join("damaged.bin").display().to_string();
    fs::write(&damaged, &bytes).expect("as above");
    let missing = "At least 1 segment of events is missing in 1 stream.";
    let report = tmtool(&["stats", &damaged]);
    assert!(String::from_utf8_lossy(&report.stdout).contains(missing));
    for format in ["heaptrack", "dhat", "massif"] {
        let out = folder.path().join(format).display().to_string();
        let output = tmtool(&["export", format, &damaged, "-o", &out]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.matches(missing).count() == 1, "{format}: {said}");
        assert!(said.contains("whose allocation was not seen"), "{format}: {said}");
    }
}
