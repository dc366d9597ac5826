//! `scripts/bench` runs, checks what it measures, and says what it found.

use std::process::Command;

/// Short, with threads and without, and the parts that are no workloads.
const SOME: &str = "containers,short-threads,start-up,scaling";

fn bench(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bench")).args(arguments).output().expect("it is built");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_quick_run_checks_its_events_and_reports_each_workload() {
    let (code, report, said) = bench(&["--quick", "--only", SOME]);
    assert_eq!(code, Some(0), "{said}");
    assert!(report.contains("All runs were right"), "{report}");
    for beginning in
        ["| containers | ", "| short-threads * | ", "| bare | ", "| start-up added to `/bin/true` | "]
    {
        assert!(report.lines().any(|line| line.starts_with(beginning)), "no line {beginning}: {report}");
    }
    // What was not run is not judged.
    assert!(
        report.contains("| wall time of python3-json, times bare | ≤ 1.25 | – | not measured |"),
        "{report}"
    );
}

#[test]
fn a_workload_that_does_not_exist_is_named() {
    let (code, _, said) = bench(&["--only", "containers,nothing"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("no workload 'nothing'"), "{said}");
}
