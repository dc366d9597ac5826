//! `tmtool` as a user of a Python program runs it, on a recording by hand: an extension was called by `lib.py`, which `main.py` had
//! called; the interpreter made something as it started.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, CodeIndex, ProcessIndex, StackId, Stamp};
use tm_common::metadata::{InterpreterState, LineTableKind, TextKind};
use tm_common::python::PythonFrame;
use tm_common::stack::FrameKind;
use tm_testing::RecordingBuilder;

/// Where the interpreter is, its evaluation function, and addresses in both and in the extension.
const INTERPRETER: (u64, u64) = (0x10_0000, 0x20_0000);
const EVALUATES: (u64, u64) = (0x11_0000, 0x11_8000);
const IN_INTERPRETER: u64 = 0x12_0001;
const IN_EVALUATION: u64 = 0x11_0011;
const IN_EXTENSION: u64 = 0x30_0101;

/// The first byte of an entry of a line table: its kind, and how many units it covers.
const fn line_entry(kind: u8, n_units: u8) -> u8 {
    0x80 | kind << 3 | (n_units - 1)
}

fn python(builder: &mut RecordingBuilder, caller: StackId, code: u32, instruction: u32) -> StackId {
    let (code, instruction) = (CodeIndex(code), Some(instruction));
    let frame = PythonFrame { code, instruction, is_incomplete: false, is_entry: caller == StackId::NONE };
    builder.node_of(FrameKind::Python, caller, frame.encode())
}

/// A folder with `a.bin`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("main.py");
    std::fs::write(&main, "import lib\n\nlib.Table().read(3)\n").unwrap();
    let mut builder = RecordingBuilder::with_process();
    builder.text(0, TextKind::Executable, "/nowhere/python3.12");
    builder.thread(0, 0, "main");
    builder.module(0, 0, INTERPRETER, "/nowhere/python3.12");
    builder.module(0, 0, (0x30_0000, 0x31_0000), "/nowhere/ext.so");
    let state = (0x030c_01f0, InterpreterState::Read as u32);
    builder.interpreter((0, 0), INTERPRETER.0, state, &[EVALUATES]);
    let state = (0x0307_00f0, InterpreterState::UnknownVersion as u32);
    builder.interpreter((0, 0), 0x90_0000, state, &[]);
    // Each unit is a line further than the one before.
    let table = (
        LineTableKind::Locations as u32,
        &[line_entry(0, 1), line_entry(13, 1), 2, line_entry(13, 1), 2][..],
    );
    builder.code(1, (main.to_str().unwrap(), "<module>"), 1, table);
    builder.code(2, ("/nowhere/lib.py", "Table.read.<locals>.<listcomp>"), 70, table);
    let root = builder.node(StackId::NONE, IN_INTERPRETER);
    let evaluation = builder.node(root, IN_EVALUATION);
    let extension = builder.node(evaluation, IN_EXTENSION);
    let of_main = python(&mut builder, StackId::NONE, 1, 2);
    let of_lib = python(&mut builder, of_main, 2, 1);
    let joined = [
        (builder.node_of(FrameKind::Joined, extension, of_lib.0.into()), 1_000),
        (builder.node_of(FrameKind::Joined, evaluation, of_main.0.into()), 200),
        (root, 30),
    ];
    for (place, (stack, size)) in joined.into_iter().enumerate() {
        let place = place as u64 + 1;
        let (function, address, stamp) = (Function::Malloc, Address(place << 12), Stamp(place * 100));
        builder.event(ProcessIndex(0), 0, &Event::Allocate { function, address, size, stack, stamp });
    }
    std::fs::write(folder.path().join("a.bin"), builder.build()).unwrap();
    folder
}

fn run(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tmtool"));
    let output = command.current_dir(folder).args(words).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {error}");
    String::from_utf8(output.stdout).unwrap().replace(folder.to_str().unwrap(), "F")
}

/// The rows of a report: `SIZE LOCATION FUNCTION`.
fn rows(folder: &Path, words: &[&str]) -> Vec<String> {
    let text = run(folder, &[words, &["--json", "--limit", "0"]].concat());
    let value: Value = serde_json::from_str(&text).unwrap();
    let row = |statistic: &Value| {
        let frame = &statistic["traceback"].as_array().unwrap().last().unwrap();
        let text = |name: &str| frame[name].as_str().unwrap_or("-").to_owned();
        format!(
            "{} {}:{} {} {}",
            statistic["size"],
            text("filename"),
            frame["lineno"],
            text("function"),
            text("language")
        )
    };
    value["statistics"].as_array().unwrap().iter().map(row).collect()
}

const LIB: &str = "/nowhere/lib.py:71 Table.read.<locals>.<listcomp> python";
const MAIN: &str = "F/main.py:3 <module> python";

#[test]
fn the_line_of_python_code_is_to_blame_unless_native_frames_are_looked_at() {
    let folder = folder();
    let stats = |words: &[&str]| rows(folder.path(), &[&["stats", "a.bin"], words].concat());
    let start = "30 python3.12+0x20000:0 - -".to_owned();
    let by_line = [format!("1000 {LIB}"), format!("200 {MAIN}"), start.clone()];
    assert_eq!(stats(&[]), by_line);
    assert_eq!(stats(&["--frames", "all"]), by_line);
    assert_eq!(stats(&["--frames", "python"]), by_line);
    let native = ["1000 ext.so+0x100:0 - -", "200 python3.12+0x10010:0 - -", "30 python3.12+0x20000:0 - -"];
    assert_eq!(stats(&["--frames", "native"]), native);
    // The innermost frames of all that are looked at.
    let raw = ["1000 ext.so+0x100:0 - -".to_owned(), format!("200 {MAIN}"), start.clone()];
    assert_eq!(stats(&["--raw"]), raw);
    assert_eq!(stats(&["--raw", "--frames", "python"]), by_line);
    assert_eq!(stats(&["--raw", "--frames", "native"]), native);
    // Patterns of the user's hold for Python code.
    assert_eq!(stats(&["--plumbing", "@*/lib.py"]), [format!("1200 {MAIN}"), start.clone()]);
    assert_eq!(stats(&["--plumbing", "Table.*.<listcomp>"]), [format!("1200 {MAIN}"), start]);
    let modules = stats(&["--key", "module"]);
    assert_eq!(modules[0], "1000 /nowhere/lib.py:0 - python");
}

#[test]
fn whole_stacks_have_the_frames_that_are_asked_for() {
    let folder = folder();
    let stack = |words: &[&str]| {
        let words = &[&["stats", "a.bin", "--key", "traceback", "--limit", "1"], words].concat();
        run(folder.path(), words).split_once("average 1000 B\n").unwrap().1.to_owned()
    };
    let main = "  File \"F/main.py\", line 3, in <module>\n    lib.Table().read(3)\n";
    let lib = "  File \"/nowhere/lib.py\", line 71, in Table.read.<locals>.<listcomp>\n";
    let extension = "  File \"ext.so+0x100\"\n";
    assert_eq!(stack(&[]), format!("{main}{lib}{extension}"));
    assert_eq!(stack(&["--frames", "python"]), format!("{main}{lib}"));
    let of_interpreter = |offset| format!("  File \"python3.12+0x{offset}\"\n");
    let native = format!("{}{}{extension}", of_interpreter("20000"), of_interpreter("10010"));
    assert_eq!(stack(&["--frames", "native"]), native);
}

#[test]
fn every_report_of_stacks_knows_python_frames() {
    let folder = folder();
    let first = |words: &[&str]| rows(folder.path(), words).swap_remove(0);
    for report in ["peak", "leaks", "top", "timeline"] {
        assert_eq!(first(&[report, "a.bin"]), format!("1000 {LIB}"), "{report}");
        assert_eq!(first(&[report, "a.bin", "--frames", "native"]), "1000 ext.so+0x100:0 - -", "{report}");
    }
    // The block that made the peak is shown at the line to blame, however groups are made.
    let peak = run(folder.path(), &["peak", "a.bin@250ns", "--key", "traceback"]);
    assert!(peak.contains("Reached by 200 B of thread 100 main, F/main.py:3  <module>\n"), "{peak}");
    let watched = run(folder.path(), &["watch", "a.bin", "--once", "--sort", "live"]);
    assert!(watched.contains("/nowhere/lib.py:71"), "{watched}");
    // A .snap file keeps all, whatever is looked at afterwards.
    let filter = ["filter", "a.bin", "--include", "*/lib.py:71", "-o", "a.snap"];
    run(folder.path(), &filter);
    assert_eq!(rows(folder.path(), &["stats", "a.snap"]), [format!("1000 {LIB}")]);
    assert_eq!(rows(folder.path(), &["stats", "a.snap", "--frames", "native"]), ["1000 ext.so+0x100:0 - -"]);
    let difference = run(folder.path(), &["diff", "a.bin", "a.snap", "--json"]);
    assert!(difference.contains("F/main.py"), "{difference}");
}

#[test]
fn interpreters_are_listed_and_those_that_are_not_read_are_said_everywhere() {
    let folder = folder();
    let sentence = "The frames of Python 3.7.0 are not read, because the recorder does not know the frames of that version";
    let info = run(folder.path(), &["info", "a.bin"]);
    assert!(info.contains("\npython         3.12.1, its frames are read (/nowhere/python3.12)\n"), "{info}");
    for words in
        [&["info", "a.bin"][..], &["stats", "a.bin"], &["top", "a.bin"], &["watch", "a.bin", "--once"]]
    {
        let text = run(folder.path(), words);
        assert!(text.contains(sentence), "{words:?}: {text}");
    }
}
