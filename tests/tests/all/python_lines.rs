//! What reports say of Python programs: the lines of Python that allocate, also where C code between them does it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tm_tests::products::products;
use tm_tests::python::{DEBIAN, Python, environment};
use tm_tests::soak::is_long;

/// The groups that `tmtool stats` shows, largest first.
fn statistics(recording: &Path, arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(&products().tmtool);
    let output =
        command.args(["stats", "--json"]).args(arguments).arg(recording).output().expect("tmtool starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
    report["statistics"].as_array().expect("a list").clone()
}

/// A text, or none where there is none.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The frames of a group, oldest first.
fn frames(group: &Value) -> Vec<(&str, u64, &str)> {
    let frames = group["traceback"].as_array().expect("a list").iter();
    let line = |frame: &Value| frame["lineno"].as_u64().expect("a number");
    frames.map(|frame| (text(&frame["filename"]), line(frame), text(&frame["function"]))).collect()
}

/// The number of the line that ends with the comment.
fn line_of(source: &str, comment: &str) -> u64 {
    let line = source.lines().position(|line| line.ends_with(&format!("# {comment}")));
    line.unwrap_or_else(|| panic!("no line ends with # {comment}")) as u64 + 1
}

#[test]
fn lines_of_python_are_to_blame() {
    let python = Python::at(Path::new(DEBIAN));
    let outcome = python.run("keeps.py", &[]).recorded();
    assert_eq!(outcome.stdout, "5\n", "{}", outcome.stderr);
    let source = std::fs::read_to_string(python.folder().join("keeps.py")).expect("we copied it");
    let expected =
        ["plain", "hooked", "generated", "replaced", "compared"].map(|name| line_of(&source, name));
    let groups = statistics(outcome.recording(), &["--limit", "5"]);
    let found: Vec<u64> = groups.iter().map(|group| frames(group)[0].1).collect();
    assert_eq!(found, expected, "{groups:#?}");
    for (group, mib) in groups.iter().zip([11, 9, 7, 5, 3]) {
        assert!(frames(group)[0].0.ends_with("/keeps.py"), "{group}");
        let size = group["size"].as_u64().expect("a number");
        assert!((mib << 20..(mib << 20) + 4096).contains(&size), "{mib} MiB: {group}");
    }
}

#[test]
fn frames_are_chosen() {
    let python = Python::at(Path::new(DEBIAN));
    let outcome = python.run("keeps.py", &[]).recorded();
    let of = |choice: &str| {
        let arguments = ["--key", "traceback", "--limit", "5", "--frames", choice];
        let groups = statistics(outcome.recording(), &arguments);
        let mut stacks = groups.iter().map(|group| {
            let frames = frames(group).into_iter();
            frames.map(|(file, _, function)| (file.ends_with(".py"), function.to_owned())).collect::<Vec<_>>()
        });
        // The callback of re.sub: sub -> C code -> by_callback.
        let found = stacks.find(|frames| frames.iter().any(|(_, function)| function == "by_callback"));
        found.or_else(|| stacks.next()).unwrap_or_default()
    };
    let python_frames: Vec<String> = of("python").into_iter().map(|(_, function)| function).collect();
    assert_eq!(python_frames, ["<module>", "main", "sub", "by_callback"]);
    let all = of("all");
    let among: Vec<String> =
        all.iter().filter(|(is_python, _)| *is_python).map(|(_, name)| name.clone()).collect();
    assert_eq!(among, python_frames, "{all:?}");
    let native = of("native");
    assert!(native.iter().all(|(is_python, _)| !is_python), "{native:?}");
}

#[test]
fn lines_of_pandas_are_to_blame() {
    if !is_long() {
        return;
    }
    let python = Python::at(&environment());
    let outcome = python.run("data_frames.py", &[]).recorded();
    assert_eq!(outcome.stdout, "800000 800000 500\n", "{}", outcome.stderr);
    for group in statistics(outcome.recording(), &["--limit", "5"]) {
        let (file, line, _) = frames(&group)[0];
        let is_ours = file.ends_with("/data_frames.py") || file.contains("/site-packages/pandas/");
        assert!(is_ours && file.ends_with(".py") && line > 0, "{group}");
    }
    let groups = statistics(outcome.recording(), &["--key", "traceback", "--limit", "5", "--frames", "all"]);
    for group in groups {
        let frames = frames(&group);
        let is_python = |frame: &(&str, u64, &str)| frame.0.ends_with(".py");
        let outermost = frames.iter().find(|frame| is_python(frame)).expect("Python code runs");
        assert!(outermost.0.ends_with("/data_frames.py") && outermost.2 == "<module>", "{group}");
        assert!(!is_python(frames.last().expect("a frame")), "C code allocates: {group}");
    }
}
