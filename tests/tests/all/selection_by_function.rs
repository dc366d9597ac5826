//! `--focus`, `--ignore` and `--hide` select what their expressions say, in every report: the oracle reads all stacks from
//! `--json --key traceback` and matches their names itself.

use std::process::{Command, Output};

use serde_json::Value;
use tm_tests::products::products;
use tm_tests::programs::compile;
use tm_tests::python::DEBIAN;
use tm_tests::run::{Outcome, Run};

fn tmtool(arguments: &[&str]) -> Output {
    Command::new(&products().tmtool).args(arguments).output().expect("tmtool starts")
}

/// The answer of `tmtool COMMAND FILE OPTIONS --json`.
fn answer(command: &str, file: &str, options: &[&str]) -> Value {
    let output = tmtool(&[&[command, file, "--json"], options].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

/// Bytes and blocks.
type Sum = (u64, u64);

fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_else(|| panic!("{field} is a number: {value}"))
}

/// The sums of all groups of a report that has one list of them.
fn sum(answer: &Value) -> Sum {
    let groups = answer["statistics"].as_array().expect("a list");
    groups.iter().fold((0, 0), |(bytes, blocks), group| {
        (bytes + number(group, "size"), blocks + number(group, "count"))
    })
}

/// The names of a frame that expressions look at.
fn names(frame: &Value) -> impl Iterator<Item = &str> {
    ["function", "filename", "module"].into_iter().filter_map(|field| frame[field].as_str())
}

/// The sum of the stacks of a report, listed whole, that have a frame with a name in which one of `words` stands.
fn naive(all: &Value, words: &[&str]) -> Sum {
    let groups = all["statistics"].as_array().expect("a list");
    let has = |group: &&Value| {
        let mut frames = group["traceback"].as_array().expect("a list").iter();
        frames.any(|frame| names(frame).any(|name| words.iter().any(|word| name.contains(word))))
    };
    groups.iter().filter(has).fold((0, 0), |(bytes, blocks), group| {
        (bytes + number(group, "size"), blocks + number(group, "count"))
    })
}

const WHOLE: [&str; 5] = ["--key", "traceback", "--raw", "--limit", "0"];

/// Compares reports of `file` with sums over all its stacks. Each of `words` is a plain part of a name.
fn compare(file: &str, words: &[&str], frames: &str) {
    for (command, moment) in [
        ("stats", &["--at", "peak"][..]),
        ("stats", &["--between", "20%..80%", "--churn"]),
        ("top", &[]),
        ("temporary", &[]),
    ] {
        let view = [&WHOLE[..], moment, &["--frames", frames]].concat();
        let all = answer(command, file, &view);
        let whole = sum(&all);
        for word in words {
            let expected = naive(&all, &[word]);
            assert!(command != "stats" || moment[0] != "--at" || expected.1 > 0, "{word} stands nowhere");
            let focused = answer(command, file, &[&view[..], &["--focus", word]].concat());
            assert_eq!(sum(&focused), expected, "{command} {moment:?} --focus {word}");
            let ignored = answer(command, file, &[&view[..], &["--ignore", word]].concat());
            let others = (whole.0 - expected.0, whole.1 - expected.1);
            assert_eq!(sum(&ignored), others, "{command} {moment:?} --ignore {word}");
            if command == "stats" {
                let hidden = answer(command, file, &[&view[..], &["--hide", word]].concat());
                assert_eq!((sum(&hidden), naive(&hidden, &[word])), (whole, (0, 0)), "--hide {word}");
            }
        }
        let either: Vec<&str> = words.iter().flat_map(|word| ["--focus", word]).collect();
        let focused = answer(command, file, &[&view[..], &either].concat());
        assert_eq!(sum(&focused), naive(&all, words), "{command} {moment:?} {either:?}");
    }
}

fn file(outcome: &Outcome) -> String {
    outcome.recording().display().to_string()
}

fn leaking() -> Outcome {
    let outcome = Run::new(compile("leak.cc", &["-g", "-O1"])).recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    outcome
}

#[test]
fn sums_are_those_of_the_stacks_of_a_program_in_cpp() {
    let outcome = leaking();
    let file = file(&outcome);
    compare(&file, &["log_line", "std::vector", "libstdc++"], "all");
    // What was never freed is of the lines of the log.
    let leaks = |options: &[&str]| {
        let leaks = answer("leaks", &file, options);
        ["snapshot", "young", "runtime"].map(|part| {
            let part = if part == "snapshot" { &leaks["snapshot"] } else { &leaks[part]["snapshot"] };
            number(part, "count")
        })
    };
    let [old, young, _] = leaks(&["--focus", "^log_line"]);
    assert_eq!(old + young, 1_000);
    let [old, young, runtime] = leaks(&["--ignore", "^log_line"]);
    assert_eq!((old + young, runtime), (0, 1));
    // A snapshot of a part has what the report of the part has.
    let snap = outcome.recording().with_extension("snap").display().to_string();
    let written = tmtool(&["filter", &file, "--focus", "push_back|log_line", "-o", &snap]);
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let of_file = answer("stats", &file, &["--focus", "push_back|log_line", "--limit", "0"]);
    assert_eq!(sum(&answer("stats", &snap, &["--limit", "0"])), sum(&of_file));
    let of_snap = answer("stats", &snap, &["--focus", "log_line", "--limit", "0"]);
    assert_eq!(sum(&of_snap), sum(&answer("stats", &file, &["--focus", "log_line", "--limit", "0"])));
    let (old, new) = (format!("{file}@25%"), format!("{file}@75%"));
    let diff = tmtool(&["diff", &old, &new, "--focus", "log_line", "--json"]);
    let diff: Value = serde_json::from_slice(&diff.stdout).expect("--json prints JSON");
    assert_eq!(diff["statistics"].as_array().map(Vec::len), Some(1), "{diff:#}");
}

#[test]
fn the_highest_point_of_the_time_line_is_that_of_the_selection() {
    let outcome = leaking();
    let file = file(&outcome);
    let options = ["--focus", "log_line", "--limit", "0"];
    let timeline = answer("timeline", &file, &options);
    let points = timeline["points"].as_array().expect("a list");
    let most = points.iter().map(|point| number(point, "size")).max().expect("there are points");
    // Each tenth line of 2,000 bytes is kept, and the last request's is one more, for a while.
    assert_eq!((most, sum(&timeline)), (1_001 * 2_000, (1_001 * 2_000, 1_001)));
}

#[test]
fn sums_are_those_of_the_stacks_of_a_program_in_python() {
    let program = "import json\ndef work(n):\n    return [(json.loads('{\"a\": [1, 2, 3]}'), bytearray(1000)) for _ in range(n)]\nkept = work(2000)\n";
    let outcome = Run::new(DEBIAN).args(["-c", program]).recorded();
    let file = file(&outcome);
    compare(&file, &["work", "json", "libc.so"], "all");
    compare(&file, &["json"], "python");
    compare(&file, &["PyList", "libc.so"], "native");
}

#[test]
fn a_live_view_is_of_the_selection() {
    let outcome = leaking();
    let file = file(&outcome);
    let look = tmtool(&["watch", &file, "--once", "--limit", "0", "--focus", "^log_line"]);
    let text = String::from_utf8_lossy(&look.stdout).into_owned();
    let note = "Note: Selected with --focus ^log_line: table and chart are of these alone, 1953 KiB in 1,000 blocks now.";
    assert!(text.contains(note) && text.contains("Shown: 1 of 1\n"), "{text}");
    let nothing = tmtool(&["watch", &file, "--once", "--focus", "no_such_function"]);
    let text = String::from_utf8_lossy(&nothing.stdout).into_owned();
    assert!(text.contains("Note: No frame of the recording matches --focus no_such_function.\n"), "{text}");
}

#[test]
fn what_matches_nothing_is_said() {
    let outcome = leaking();
    let text = tmtool(&["stats", &file(&outcome), "--focus", "no_such", "--hide", "main"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for note in [
        "Selected: 0 B in 0 blocks (0.0%)\n",
        "Note: Selected with --focus no_such.\n",
        "Note: Frames are hidden with --hide main.\n",
        "Note: No frame of the recording matches --focus no_such.\n",
    ] {
        assert!(text.contains(note), "{text}");
    }
}
