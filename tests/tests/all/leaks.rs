//! Planted leaks and growth are named first, each moment's groups add up to what was live, and what one report counts
//! another one counts too. The programs are `programs/leak.cc` and `leak.rs`; the oracle of the totals and of the peak is
//! valgrind.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tm_tests::products::products;
use tm_tests::programs::{compile, copy, installed};
use tm_tests::run::{Outcome, Run};

fn record(source: &str, flags: &[&str]) -> Outcome {
    let outcome = Run::new(compile(source, flags)).recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    outcome
}

/// The answer of `tmtool COMMAND FILE OPTIONS --json`.
fn answer(command: &str, file: &str, options: &[&str]) -> Value {
    let mut tmtool = Command::new(&products().tmtool);
    let output = tmtool.arg(command).arg(file).args(options).arg("--json").output().expect("tmtool starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

fn name(outcome: &Outcome) -> String {
    outcome.recording().display().to_string()
}

/// The number of the line of `source` with the mark.
fn line_of(source: &str, mark: &str) -> u64 {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(source);
    let text = std::fs::read_to_string(path).expect("it was compiled");
    let (_, line) = text.lines().zip(1..).find(|(line, _)| line.ends_with(mark)).expect("it is marked");
    line
}

/// Whether the program's innermost line of a group is the one with the mark.
fn is_at(group: &Value, source: &str, mark: &str) -> bool {
    let mut frames = group["traceback"].as_array().expect("a list").iter().rev();
    let own = frames.find(|frame| frame["filename"].as_str().is_some_and(|name| name.ends_with(source)));
    own.is_some_and(|frame| frame["lineno"] == line_of(source, mark))
}

#[test]
fn a_planted_leak_is_named_first() {
    for (source, flags) in [("leak.cc", ["-g", "-O1"]), ("leak.rs", ["-g", "-O"])] {
        let outcome = record(source, &flags);
        let leaks = answer("leaks", &name(&outcome), &[]);
        let first = &leaks["statistics"][0];
        assert!(is_at(first, source, "// LEAK"), "{source}: {first:#}");
        assert_eq!(first["traceback"].as_array().map(Vec::len), Some(1), "the line itself: {first:#}");
        let young: u64 = leaks["young"]["snapshot"]["count"].as_u64().expect("a number");
        let old: u64 = leaks["snapshot"]["count"].as_u64().expect("a number");
        assert_eq!(old + young, 1_000, "{source}");
        // The library of C++ keeps one block for emergencies, Rust's one for standard output.
        let runtime: u64 = leaks["runtime"]["snapshot"]["count"].as_u64().expect("a number");
        assert_eq!(runtime, 1, "{source}: {:#}", leaks["runtime"]["statistics"]);
    }
}

#[test]
fn a_growth_between_two_phases_is_named_first() {
    let outcome = record("leak.cc", &["-g", "-O1"]);
    let mut tmtool = Command::new(&products().tmtool);
    let moments = ["25%", "75%"].map(|moment| format!("{}@{moment}", name(&outcome)));
    let output = tmtool.arg("diff").args(&moments).arg("--json").output();
    let output = output.expect("tmtool starts");
    let diff: Value = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
    assert!(is_at(&diff["statistics"][0], "leak.cc", "// GROWTH"), "{diff:#}");
    let between = answer("stats", &name(&outcome), &["--between", "25%..75%"]);
    assert!(is_at(&between["statistics"][0], "leak.cc", "// GROWTH"), "{between:#}");
}

#[test]
fn groups_add_up_at_ten_moments() {
    let outcome = Run::new("/usr/bin/python3").args(["-c", "import json, argparse"]).recorded();
    let timeline = answer("timeline", &name(&outcome), &[]);
    assert_eq!(timeline["points"].as_array().map(Vec::len), Some(1_000));
    for percent in (10..=100).step_by(10) {
        let at = format!("{}@{percent}%", name(&outcome));
        let stats = answer("stats", &at, &["--limit", "0"]);
        let groups = stats["statistics"].as_array().expect("a list");
        let size: u64 = groups.iter().filter_map(|group| group["size"].as_u64()).sum();
        let count: u64 = groups.iter().filter_map(|group| group["count"].as_u64()).sum();
        let origin = &stats["snapshot"]["origin"];
        assert!(size > 0, "{percent} %");
        assert_eq!(
            (&origin["live_bytes"], &origin["live_blocks"]),
            (&size.into(), &count.into()),
            "{percent} %"
        );
    }
    // The peak is the same in each report that knows it.
    let peak = answer("peak", &name(&outcome), &[]);
    let stats = answer("stats", &name(&outcome), &["--at", "peak"]);
    let highest =
        timeline["points"].as_array().expect("a list").iter().filter_map(|point| point["size"].as_u64());
    assert_eq!(peak["snapshot"]["size"], stats["snapshot"]["size"]);
    assert_eq!(peak["snapshot"]["size"].as_u64(), highest.max());
    assert_eq!(peak["statistics"], stats["statistics"]);
}

#[test]
fn valgrind_counts_as_many_bytes() {
    let program = compile("leak.cc", &["-g", "-O1"]);
    let outcome = Run::new(&program).recorded();
    let output = Command::new(installed("valgrind"))
        .args(["--run-libc-freeres=no", "--run-cxx-freeres=no"])
        .arg(&program)
        .output()
        .expect("valgrind starts");
    let text = String::from_utf8_lossy(&output.stderr).replace(',', "");
    let numbers = |heading: &str| {
        let line = text.lines().find(|line| line.contains(heading)).expect("valgrind sums up");
        let words = line.split(heading).nth(1).unwrap_or_default().split_whitespace();
        words.filter_map(|word| word.parse().ok()).collect::<Vec<u64>>()
    };
    // "total heap usage: 30013 allocs 29012 frees 64818237 bytes allocated"
    let [n_allocations, _, bytes] = numbers("total heap usage:")[..] else { panic!("{text}") };
    let top = answer("top", &name(&outcome), &[]);
    assert_eq!((&top["snapshot"]["count"], &top["snapshot"]["size"]), (&n_allocations.into(), &bytes.into()));
    // "in use at exit: 2072704 bytes in 1001 blocks"
    let [bytes, n_blocks] = numbers("in use at exit:")[..] else { panic!("{text}") };
    let origin = &answer("leaks", &name(&outcome), &[])["snapshot"]["origin"];
    assert_eq!((&origin["live_blocks"], &origin["live_bytes"]), (&n_blocks.into(), &bytes.into()));
}

#[test]
fn massif_knows_the_same_peak() {
    let program = compile("leak.cc", &["-g", "-O1"]);
    let outcome = Run::new(&program).recorded();
    let folder = tempfile::tempdir().expect("a folder");
    let measured = folder.path().join("massif.out");
    let status = Command::new(installed("valgrind"))
        .args(["--quiet", "--tool=massif", "--peak-inaccuracy=0.0"])
        .arg(format!("--massif-out-file={}", measured.display()))
        .arg(&program)
        .status()
        .expect("valgrind starts");
    assert!(status.success(), "{status}");
    // "mem_heap_B=14248520", once for each moment
    let text = std::fs::read_to_string(&measured).expect("massif writes it");
    let sizes = text.lines().filter_map(|line| line.strip_prefix("mem_heap_B=")?.parse::<u64>().ok());
    let peak = answer("peak", &name(&outcome), &[]);
    assert_eq!(peak["snapshot"]["size"].as_u64(), sizes.max());
}

/// A snapshot has its names: what it says does not depend on the program's file, or on the recording.
#[test]
fn a_snap_file_says_the_same_when_recording_and_program_are_gone() {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let program = folder.path().join("leak");
    copy(&compile("leak.cc", &["-g", "-O1"]), &program);
    let outcome = Run::new(&program).recorded();
    let snap = folder.path().join("leak.snap").display().to_string();
    let tmtool = |arguments: &[&str]| {
        let output = Command::new(&products().tmtool).args(arguments).output().expect("tmtool starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("tmtool prints UTF-8")
    };
    let recording = name(&outcome);
    tmtool(&["filter", &recording, "--exclude", "no such file", "--at", "end", "-o", &snap]);
    let before = tmtool(&["stats", &snap, "--key", "traceback", "--raw"]);
    assert!(before.contains("leak.cc\", line"), "{before}");
    let live = tmtool(&["stats", &recording, "--at", "end", "--key", "traceback", "--raw"]);
    let groups = |text: &str| text.split_once("\n\n").expect("a header, then groups").1.to_owned();
    assert_eq!(groups(&before), groups(&live));
    std::fs::remove_file(&program).expect("it was copied");
    std::fs::remove_file(outcome.recording()).expect("it was made");
    assert_eq!(tmtool(&["stats", &snap, "--key", "traceback", "--raw"]), before);
}

/// Sizes of the leaks, the largest first, and the bytes that libraries keep for themselves.
fn leaks_and_kept(outcome: &Outcome) -> (Vec<u64>, u64) {
    let leaks = answer("leaks", &name(outcome), &["--limit", "0", "--key", "traceback"]);
    let size = |group: &Value| group["size"].as_u64().expect("a number");
    let groups =
        |list: &Value| list["statistics"].as_array().expect("a list").iter().map(size).collect::<Vec<_>>();
    let mut found = [groups(&leaks), groups(&leaks["young"])].concat();
    found.sort_by_key(|&size| std::cmp::Reverse(size));
    let kept = &leaks["runtime"]["snapshot"];
    let sum = found.iter().sum::<u64>() + size(kept);
    assert_eq!(kept["origin"]["live_bytes"], sum, "each block is in one place");
    (found, size(kept))
}

#[test]
fn what_libraries_keep_for_themselves_hides_no_leak_and_is_none() {
    let outcome = record("keeps_for_itself.c", &["-O1", "-ldl", "-lpthread"]);
    let (leaks, kept) = leaks_and_kept(&outcome);
    let stream = leaks.first().copied().unwrap_or_default();
    assert_eq!(leaks, [stream, 123, 30], "the stream, the block and the string");
    assert!(stream > 200 && kept > 2_000, "{stream} {kept}");

    let outcome = record("keeps_for_itself.cc", &["-O1"]);
    let (leaks, kept) = leaks_and_kept(&outcome);
    assert_eq!(leaks, [201, 100, 32], "the string's text, the array, the string");
    assert!(kept > 70_000, "the pool for exceptions alone is that large: {kept}");

    let text = |options: &[&str]| {
        let mut tmtool = Command::new(&products().tmtool);
        let output =
            tmtool.arg("leaks").arg(outcome.recording()).args(options).output().expect("tmtool starts");
        String::from_utf8(output.stdout).expect("text")
    };
    let folded = text(&[]);
    let last = folded.lines().last().expect("some");
    assert!(last.starts_with("Kept by run-time libraries for themselves: "), "{folded}");
    assert!(!folded.contains("libstdc++") && text(&["--runtime"]).contains("libstdc++"), "{folded}");
}
