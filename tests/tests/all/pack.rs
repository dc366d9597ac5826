//! Packed recordings: every report says the same of them, what is unpacked is the recording, and an event takes less than a byte.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use tm_tests::info::{info, number};
use tm_tests::products::products;
use tm_tests::programs::compile;
use tm_tests::run::Run;

/// JSON and trees of Python's own, so that blocks of all ages, sizes and stacks come and go.
const SCRIPT: &str = "
import ast, json
for i in range(6):
    json.loads(json.dumps([{'a': j, 'b': str(j), 'c': [j] * 3} for j in range(8000)]))
source = open(ast.__file__).read()
for i in range(3):
    ast.parse(source)
";

/// What `tmtool` says, run in the folder of the file.
fn says(file: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(&products().tmtool);
    command.args(arguments).current_dir(file.parent().expect("it is in a folder"));
    let output = command.output().expect("tmtool can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The recording again, in a folder of its own, packed under the same name.
fn packed(recording: &Path, folder: &Path) -> std::path::PathBuf {
    let file = folder.join(recording.file_name().expect("it has one"));
    let (recording, target) = (recording.to_str().expect("UTF-8"), file.to_str().expect("UTF-8"));
    let (status, _, stderr) = says(&file, &["pack", recording, "-o", target]);
    assert_eq!(status, Some(0), "{stderr}");
    file
}

fn assert_the_same(run: &Run) {
    let outcome = run.recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    let scratch = TempDir::new().expect("the temporary folder can be written");
    let recording = outcome.recording();
    let small = packed(recording, scratch.path());
    let name = small.file_name().and_then(|name| name.to_str()).expect("UTF-8");
    let questions: [&[&str]; 8] = [
        &["stats", name],
        &["stats", name, "--key", "traceback", "--at", "50%", "--json"],
        &["peak", name],
        &["leaks", name],
        &["top", name],
        &["timeline", name],
        &["temporary", name],
        &["diff", &format!("{name}@25%"), &format!("{name}@75%")],
    ];
    for question in questions {
        let (status, stdout, stderr) = says(&small, question);
        assert!(status == Some(0) && !stdout.is_empty(), "{question:?}: {stderr}");
        assert_eq!((status, stdout, stderr), says(recording, question), "{question:?}");
    }
    let (status, _, stderr) = says(&small, &["pack", "--unpack", name, "-o", "unpacked.bin"]);
    assert_eq!(status, Some(0), "{stderr}");
    let unpacked = fs::read(scratch.path().join("unpacked.bin")).expect("it was written");
    assert!(unpacked == fs::read(recording).expect("it is there"));
    let [of_small, of_whole] = [&small, recording].map(info);
    assert_eq!(number(&of_small, "packed_bytes"), fs::metadata(&small).expect("it is there").len());
    assert_eq!(number(&of_small, "recording_bytes"), number(&of_whole, "recording_bytes"));
}

#[test]
fn every_report_says_the_same() {
    assert_the_same(&Run::new(compile("threads.c", &["-g", "-pthread"])));
    assert_the_same(&Run::new(compile("forks_with_memory.c", &["-g"])));
    assert_the_same(&Run::new(compile("leak.cc", &["-g", "-O1"])));
}

#[test]
fn an_event_of_a_python_program_takes_less_than_a_byte() {
    let outcome = Run::new("/usr/bin/python3").args(["-c", SCRIPT]).env("PYTHONMALLOC", "malloc").recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    let scratch = TempDir::new().expect("the temporary folder can be written");
    let small = packed(outcome.recording(), scratch.path());
    let info = info(&small);
    let events: u64 = ["allocations", "reallocations", "frees"].iter().map(|key| number(&info, key)).sum();
    assert!(events > 1_000_000, "{events}");
    let bytes = number(&info, "packed_bytes");
    assert!(bytes <= events, "{bytes} bytes for {events} events");
    let name = small.file_name().and_then(|name| name.to_str()).expect("UTF-8");
    let question = ["stats", name, "--key", "traceback"];
    assert_eq!(says(&small, &question), says(outcome.recording(), &question));
}

#[test]
fn nothing_is_packed_over_what_is_no_recording_and_a_cut_file_is_read() {
    let outcome = Run::new(compile("threads.c", &["-g", "-pthread"])).recorded();
    let scratch = TempDir::new().expect("the temporary folder can be written");
    let recording = outcome.recording();
    let small = packed(recording, scratch.path());
    let name = small.file_name().and_then(|name| name.to_str()).expect("UTF-8");
    fs::write(scratch.path().join("notes.txt"), "mine").expect("as above");
    for (arguments, code, sentence) in [
        (&["pack", name, "-o", "notes.txt"][..], 2, "is there and no recording"),
        (&["pack", name, "-o", name], 2, "is the file that is read"),
        (&["pack", "notes.txt"], 1, "is not a tm recording"),
        (&["pack", "--unpack", recording.to_str().expect("UTF-8")], 1, "is a recording that is not packed"),
        (&["pack", name, "--level", "50"], 2, "50"),
    ] {
        let (status, _, stderr) = says(&small, arguments);
        assert!(status == Some(code) && stderr.contains(sentence), "{arguments:?}: {status:?} {stderr}");
    }
    assert_eq!(fs::read(scratch.path().join("notes.txt")).expect("it is there"), b"mine");
    let bytes = fs::read(&small).expect("it is there");
    fs::write(&small, &bytes[..bytes.len() - 100]).expect("as above");
    let (status, stdout, _) = says(&small, &["info", name]);
    assert!(status == Some(0) && stdout.contains("The packed file is cut"), "{status:?} {stdout}");
}
