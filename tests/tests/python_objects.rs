//! Blocks of CPython's own allocators: what tracemalloc says of the same process, and the calls of malloc that a preload counts.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tm_tests::counting::counted;
use tm_tests::info::{assert_nothing_missing, info, number};
use tm_tests::products::{products, workspace};
use tm_tests::python::built;
use tm_tests::roots::Root;
use tm_tests::run::{Outcome, Run, may_administer};
use tm_tests::soak::is_long;

/// Debian's, which has the interpreter inside of the program.
const PYTHON: &str = "/usr/bin/python3";
/// What asking costs: the objects that pass a call's arguments and take its answer.
const ASKING_BYTES: u64 = 4096;

fn python(script: &str, arguments: &[&str]) -> Run {
    python_at(Path::new(PYTHON), script, arguments)
}

fn python_at(interpreter: &Path, script: &str, arguments: &[&str]) -> Run {
    Run::new(interpreter)
        .args(["-s", "-B"])
        .args([workspace().join("tests/programs").join(script)])
        .args(arguments)
        .env("PYTHONHASHSEED", "0")
}

fn said(outcome: &Outcome) -> Value {
    assert!(outcome.status.success(), "{}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{}{}", outcome.stdout, outcome.stderr))
}

/// Returns what `tmtool stats` says of the domain at the mark.
fn stats(recording: &Path, domain: &str) -> Value {
    let mut command = Command::new(&products().tmtool);
    command.args(["stats", "--json", "--at", "mark:here", "--domain", domain, "--limit", "0"]);
    let output = command.arg(recording).output().expect("tmtool starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

fn two(value: &Value) -> [u64; 2] {
    [0, 1].map(|place| value[place].as_u64().unwrap_or_else(|| panic!("{value}")))
}

#[test]
fn what_python_has_is_what_tracemalloc_says() {
    let outcome = python("python_objects.py", &["tracemalloc_first", "all"]).recorded();
    let (said, stats) = (said(&outcome), stats(outcome.recording(), "python"));
    let ([current, peak], [recorded, recorded_peak]) = (two(&said["traced"]), two(&said["recorded"]));
    assert!(current > 1_000_000 && peak > current, "{said}");
    // tracemalloc began first and has what the start of ours took.
    assert!(current.abs_diff(recorded) < ASKING_BYTES, "{said}");
    assert!(peak.abs_diff(recorded_peak) < ASKING_BYTES, "{said}");
    let snapshot = &stats["snapshot"];
    let (size, count) = (snapshot["size"].as_u64(), snapshot["count"].as_u64());
    assert!(size.is_some_and(|size| size.abs_diff(current) < ASKING_BYTES), "{current}: {snapshot}");
    let blocks = said["blocks"].as_u64().expect("a number");
    assert!(count.is_some_and(|count| count.abs_diff(blocks) < 32), "{blocks}: {snapshot}");
}

/// The lines of `stats`: file, line, bytes, blocks.
fn lines(stats: &Value) -> Vec<Value> {
    let line = |group: &Value| {
        let frame = &group["traceback"][0];
        serde_json::json!([frame["filename"], frame["lineno"], group["size"], group["count"]])
    };
    stats["statistics"].as_array().expect("groups").iter().map(line).collect()
}

/// Asserts that the largest lines are those that the program said of tracemalloc's ten.
fn assert_lines(said: &Value, recording: &Path, count: usize) {
    let stats = stats(recording, "python");
    let theirs = said["lines"].as_array().expect("lines");
    assert_eq!(theirs.len(), 10);
    assert_eq!(lines(&stats)[..count], theirs[..count]);
}

#[test]
fn the_lines_are_tracemalloc_s() {
    let outcome = python("python_objects.py", &["tracemalloc_first", "by_line"]).recorded();
    // Smaller ones are those of objects from free lists too, which have their own before 3.13.
    assert_lines(&said(&outcome), outcome.recording(), 5);
}

/// What is taken from free lists belongs to the line that has it now, since 3.13.
#[test]
fn the_lines_of_objects_that_are_taken_again_are_tracemalloc_s() {
    let interpreters = built("3.13");
    if interpreters.is_empty() {
        eprintln!("left out: no version manager has built a Python 3.13");
    }
    for interpreter in interpreters {
        let run = python_at(&interpreter, "python_objects.py", &["tracemalloc_first", "by_object"]);
        let outcome = run.recorded();
        assert_lines(&said(&outcome), outcome.recording(), 10);
    }
}

/// The same of other releases of Debian: long form only.
fn assert_lines_in(release: &str, interpreters: &[&str]) {
    if !is_long() || !may_administer() {
        return;
    }
    let root = Root::of(release, interpreters);
    root.copy(&["python_objects.py"]);
    for interpreter in interpreters {
        root.succeed(&format!(
            "rm -f r.bin; export PYTHONHASHSEED=0 TM_OUT=/tm-test/r.bin
            LD_PRELOAD=/tm-test/libtm.so {interpreter} -s -B python_objects.py tracemalloc_first by_object >said"
        ));
        let said = std::fs::read_to_string(root.folder().join("said")).expect("it was written");
        let said = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{interpreter}: {said}"));
        assert_lines(&said, &root.folder().join("r.bin"), 10);
    }
}

#[test]
fn the_lines_of_debian_13_are_tracemalloc_s() {
    assert_lines_in("trixie", &["python3.13"]);
}

#[test]
fn the_lines_of_the_newest_debian_are_tracemalloc_s() {
    assert_lines_in("sid", &["python3.14", "python3.15"]);
}

/// One function in the process hears of objects. tracemalloc puts its own in the place of ours, and none when it ends.
#[test]
fn objects_are_heard_of_whoever_comes_and_goes() {
    for interpreter in built("3.13") {
        let script = workspace().join("tests/programs/python_references.py");
        let run = Run::new(&interpreter).args(["-s", "-B"]).args([script]).env("TM_PYTHON_OBJECTS", "1");
        let outcome = run.recorded();
        assert!(outcome.status.success(), "{}", outcome.stderr);
        let stats = stats(outcome.recording(), "python");
        let lines = lines(&stats);
        let said: Value = serde_json::from_str(&outcome.stdout).expect("it prints JSON");
        for kept in said.as_array().expect("lines") {
            assert!(lines.contains(kept), "{kept} is not among {lines:?}");
        }
    }
}

/// tracemalloc hands on to our wrappers, and gives them back when it ends. What it has for itself comes from them.
#[test]
fn tracemalloc_may_begin_later() {
    let outcome = python("python_objects.py", &["tm_first", "all"]).recorded();
    let said = said(&outcome);
    let ([current, peak], [recorded, recorded_peak]) = (two(&said["traced"]), two(&said["recorded"]));
    assert!(recorded > current && recorded_peak > peak, "{said}");
    assert_nothing_missing_but_forgotten(&outcome);
}

/// The end forgets all; memory that blocks have from malloc is unknown then, and so are its frees.
fn assert_nothing_missing_but_forgotten(outcome: &Outcome) {
    let info = info(outcome.recording());
    assert_eq!(number(&info, "lost_events"), 0, "{}", info["lost_by_reason"]);
    assert_eq!((number(&info, "unknown_frees"), number(&info, "missed_frees")), (0, 0));
    assert_eq!(info["problems"].as_array().map(Vec::len), Some(0), "{}", info["problems"]);
}

const JSON: &str = "\
import json
rows = [{'id': i, 'name': 'row %d' % i, 'values': list(range(i % 17)), 'more': {'x': i / 7}} for i in range(4000)]
for _ in range(3):
    rows = json.loads(json.dumps(rows, indent=1))
print(len(json.dumps(rows)), rows[1234])
";

/// With `PYTHONMALLOC=malloc` each block of Python's is one of malloc's: counted in one domain or the other, once.
#[test]
fn each_block_counts_once() {
    for allocator in ["malloc", "malloc_debug", "pymalloc", "pymalloc_debug"] {
        let run = Run::new(PYTHON).args(["-s", "-B", "-c", JSON]).env("PYTHONHASHSEED", "0");
        let run = run.env("PYTHONMALLOC", allocator).env("TM_PYTHON_OBJECTS", "1");
        let (outcome, counts) = counted(&run);
        let info = info(outcome.recording());
        assert_nothing_missing(&info);
        outcome.assert_like(&run.bare());
        let tracks = number(&info, "tracks");
        assert!(tracks > 100_000, "{allocator}: {tracks}");
        if allocator.starts_with("malloc") {
            let recorded = number(&info, "allocations") + number(&info, "reallocations") + tracks;
            assert_eq!(recorded, counts.allocations + counts.reallocations, "{allocator}");
            // What of the heap ends in a call of Python's is no free: so nothing is left over.
            let bare = tm_tests::info::info(run.clone().env("TM_PYTHON_OBJECTS", "0").recorded().recording());
            let live = [&info, &bare].map(|info| number(info, "live_blocks_at_end"));
            assert!(live[0].abs_diff(live[1]) < 32, "{allocator}: {live:?}");
        }
    }
}
