//! Allocations are attributed to the lines that made them: lines marked `HERE:` in C, C++ and Rust programs, inlined
//! ones too, and the frames are those of binutils' `addr2line -i` for the same addresses.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tm_analyzer::events::Block;
use tm_analyzer::model::Moment;
use tm_analyzer::replay::{Processes, Selection, snapshot};
use tm_common::ids::ProcessIndex;
use tm_tests::products::products;
use tm_tests::programs::compile;
use tm_tests::recorded::Recorded;
use tm_tests::run::{Outcome, Run};

/// The allocations that a program keeps: bytes in all, blocks, and the marks of its frames, innermost first.
type Kept = (u64, u64, &'static [&'static str]);

const C: [Kept; 3] =
    [(1001, 1, &["direct"]), (2103, 1, &["inlined", "outer", "calls_outer"]), (726, 6, &["loop"])];
const CXX: [Kept; 4] = [
    (4, 1, &["new"]),
    (333, 1, &["constructor", "calls_constructor"]),
    (444, 1, &["lambda", "calls_lambda"]),
    (440, 1, &["template", "calls_template"]),
];
const RUST: [Kept; 3] =
    [(256, 1, &["boxed", "calls_boxed"]), (777, 1, &["inlined", "calls_inlined"]), (198, 1, &["vector"])];

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(name)
}

/// The line with the mark.
fn line_of(source: &Path, mark: &str) -> u64 {
    let text = std::fs::read_to_string(source).expect("it was compiled");
    let ending = format!("// HERE:{mark}");
    let mut lines = text.lines().zip(1..).filter(|(line, _)| line.ends_with(&ending));
    let (_, line) = lines.next().unwrap_or_else(|| panic!("no {ending} in {}", source.display()));
    assert!(lines.next().is_none(), "two {ending}");
    line
}

fn record(program: &Path) -> Outcome {
    let outcome = Run::new(program).recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    outcome
}

fn statistics(recording: &Path, key: &str, options: &[&str]) -> Vec<Value> {
    let mut command = Command::new(&products().tmtool);
    command
        .args(["stats", "--json", "--limit", "0", "--at", "end", "--key", key])
        .args(options)
        .arg(recording);
    let output = command.output().expect("tmtool starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
    json["statistics"].as_array().expect("a list").clone()
}

/// The lines of the program's own source in a group, innermost first.
fn own_lines(group: &Value, source: &Path) -> Vec<u64> {
    let frames = group["traceback"].as_array().expect("a list").iter().rev();
    let own = frames.filter(|frame| frame["filename"] == source.display().to_string());
    own.map(|frame| frame["lineno"].as_u64().expect("a number")).collect()
}

fn assert_lines_are_known(name: &str, flags: &[&str], kept: &[Kept]) {
    let source = source(name);
    let outcome = record(&compile(name, flags));
    let stacks = statistics(outcome.recording(), "traceback", &[]);
    let by_line = statistics(outcome.recording(), "lineno", &[]);
    for (size, count, marks) in kept {
        let lines: Vec<u64> = marks.iter().map(|mark| line_of(&source, mark)).collect();
        let of_this_stack = |group: &&Value| own_lines(group, &source).starts_with(&lines);
        let found: Vec<&Value> = stacks.iter().filter(of_this_stack).collect();
        let [group] = found[..] else {
            panic!("{} stacks have {marks:?} at {lines:?}: {stacks:#?}", found.len())
        };
        assert_eq!(
            (group["size"].as_u64(), group["count"].as_u64()),
            (Some(*size), Some(*count)),
            "{marks:?}"
        );
        // What C++ and Rust have in between is plumbing: the line itself is blamed.
        let group = by_line.iter().find(|group| own_lines(group, &source) == lines[..1]);
        let group = group.unwrap_or_else(|| panic!("no group of {marks:?}: {by_line:#?}"));
        assert_eq!(
            (group["size"].as_u64(), group["count"].as_u64()),
            (Some(*size), Some(*count)),
            "{marks:?}"
        );
    }
}

/// Every frame of the program in every stack of it, as `addr2line` and as tmtool have it: (line, file) from the
/// innermost inlined function outwards.
fn assert_frames_are_addr2lines(name: &str, flags: &[&str]) {
    let program = compile(name, flags);
    let outcome = record(&program);
    let recorded = Recorded::open(outcome.recording());
    let groups = statistics(outcome.recording(), "traceback", &["--raw"]);
    let told: Vec<Vec<String>> = groups
        .iter()
        .map(|group| {
            let frames = group["traceback"].as_array().expect("a list").iter().rev();
            let own = frames.filter(|frame| frame["module"] == program.display().to_string());
            own.filter(|frame| frame["lineno"] != 0)
                .map(|frame| {
                    format!("{}:{}", frame["filename"].as_str().unwrap_or_default(), frame["lineno"])
                })
                .collect()
        })
        .collect();
    let mut n_compared = 0;
    let (first, all) = (Processes::One(ProcessIndex(0)), Selection::default());
    let end = snapshot(&recorded.recording, first, &Moment::End, &all).expect("it has a process");
    let kept: Vec<Block> = end.blocks;
    for stack in
        kept.iter().map(|block| recorded.recording.stack(block.stack).expect("each block has a stack"))
    {
        let frames = stack.filter_map(|frame| {
            let module = recorded.recording.module_at(frame.epoch, frame.pc)?;
            (Path::new(&module.path) == program).then(|| frame.pc - 1 - module.bias)
        });
        let expected = addr2line(&program, &frames.collect::<Vec<_>>());
        if expected.is_empty() {
            continue;
        }
        assert!(told.contains(&expected), "addr2line says {expected:#?}, tmtool has {told:#?}");
        n_compared += 1;
    }
    assert!(n_compared > 2, "only {n_compared} stacks were compared");
}

fn addr2line(program: &Path, addresses: &[u64]) -> Vec<String> {
    let mut command = Command::new("addr2line");
    command
        .args(["-i", "-C", "-e"])
        .arg(program)
        .args(addresses.iter().map(|address| format!("{address:#x}")));
    let output =
        command.output().expect("addr2line is not installed: scripts/setup installs what the tests need");
    let text = String::from_utf8(output.stdout).expect("names are ASCII");
    let known = text
        .lines()
        .map(|line| line.split(" (disc").next().unwrap_or(line))
        .filter(|line| !line.contains('?'));
    known.map(str::to_owned).collect()
}

#[test]
fn lines_of_c_are_known() {
    assert_lines_are_known("here.c", &["-g", "-O2", "-fno-optimize-sibling-calls"], &C);
    assert_lines_are_known("here.c", &["-g", "-O0"], &C);
}

#[test]
fn lines_of_cxx_are_known() {
    assert_lines_are_known("here.cc", &["-g", "-O2", "-fno-optimize-sibling-calls"], &CXX);
}

#[test]
fn lines_of_rust_are_known() {
    assert_lines_are_known("here.rs", &["-g", "-O"], &RUST);
}

#[test]
fn frames_are_those_of_addr2line() {
    assert_frames_are_addr2lines("here.c", &["-g", "-O2", "-fno-optimize-sibling-calls"]);
    assert_frames_are_addr2lines("here.cc", &["-g", "-O2", "-fno-optimize-sibling-calls"]);
    assert_frames_are_addr2lines("here.rs", &["-g", "-O"]);
}
