//! Programs that find their own leak: in C, C++ and Rust, unchanged under libtm.so and without it.

use std::path::Path;

use tm_analyzer::model::{Snapshot, Trace};
use tm_analyzer::reader::Recording;
use tm_common::metadata::CommandKind;
use tm_tests::programs::compile;
use tm_tests::run::Run;

const PROGRAMS: [(&str, &[&str]); 3] = [
    ("finds_leak.c", &["-g", "-O1"]),
    ("finds_leak.cc", &["-g", "-O1", "-std=c++14"]),
    // The example of the crate `tm`.
    ("../../api/examples/finds_leak.rs", &["-g", "-O"]),
];

/// The name of the file.
fn name(source: &str) -> &str {
    source.rsplit('/').next().unwrap_or(source)
}

/// The number of the line of `source` with the mark.
fn leaking_line(source: &str) -> u32 {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(source);
    let text = std::fs::read_to_string(path).expect("it was compiled");
    let (_, line) = text.lines().zip(1..).find(|(line, _)| line.ends_with("// LEAK")).expect("it is marked");
    line
}

#[test]
fn a_program_names_the_line_of_its_leak() {
    for (source, flags) in PROGRAMS {
        let outcome = Run::new(compile(source, flags)).args(["own.snap"]).recorded();
        assert!(outcome.status.success(), "{source}: {}", outcome.stderr);
        println!("{}", outcome.stdout);
        let named = outcome.stdout.lines().find_map(|line| line.strip_prefix("leak: "));
        let named =
            named.unwrap_or_else(|| panic!("{source} names no leak: {}{}", outcome.stdout, outcome.stderr));
        assert!(named.ends_with(&format!("/{}:{}", name(source), leaking_line(source))), "{source}: {named}");
        // A hundred sessions a round, of 4,000 bytes and more.
        let growth = |round: u32| {
            let line =
                outcome.stdout.lines().find_map(|line| line.strip_prefix(&format!("round {round}: +")));
            line.and_then(|line| line.strip_suffix(" bytes")?.parse::<u64>().ok()).expect("it grows")
        };
        for round in 1..=3 {
            assert!((400_000..450_000).contains(&growth(round)), "{source}: {}", outcome.stdout);
        }
        assert!(outcome.stdout.contains("all open sessions: "), "{source}: {}", outcome.stdout);
        assert_recorded(source, outcome.recording());
        assert_dumped(source, &outcome.folder().join("own.snap"));
    }
}

/// The marks and the tag are in the recording.
fn assert_recorded(source: &str, recording: &Path) {
    let recording = Recording::open(recording).unwrap_or_else(|error| panic!("{error}"));
    let commands = recording.commands.iter().filter(|command| command.kind == CommandKind::Mark);
    let marks: Vec<&str> = commands.map(|command| command.name.as_str()).collect();
    assert_eq!(marks, ["round 1", "round 2", "round 3", "end"], "{source}");
    let tags: Vec<&str> = recording.tags.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(tags, ["request"], "{source}");
}

/// The snapshot that the program dumped holds the 300 buffers that leaked.
fn assert_dumped(source: &str, snapshot: &Path) {
    let snapshot = Snapshot::load(snapshot).unwrap_or_else(|error| panic!("{error}"));
    let buffers = snapshot.traces.iter().filter(|trace| trace.size == 4000);
    let is_at_leak = |trace: &&Trace| {
        let mut frames = trace.traceback.frames().iter();
        frames.any(|frame| frame.filename.ends_with(name(source)) && frame.lineno == leaking_line(source))
    };
    assert_eq!(buffers.filter(is_at_leak).count(), 300, "{source}");
}

#[test]
fn without_libtm_it_does_the_same_work_and_says_so() {
    for (source, flags) in PROGRAMS {
        let run = Run::new(compile(source, flags)).args(["own.snap"]);
        let outcome = run.bare();
        assert_eq!(outcome.status.code(), run.recorded().status.code(), "{source}");
        let expected =
            "serving\ntm is not loaded: run me with LD_PRELOAD=libtm.so to know where my memory goes\n";
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), (expected, ""), "{source}");
        assert!(!outcome.folder().join("own.snap").exists());
    }
}
