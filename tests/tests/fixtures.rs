//! Recordings and snapshots of every format version stay readable, with the figures that they had.
//!
//! `fixtures/version-1.bin` is `programs/sample.c` recorded on another day; the figures are counted by hand from that
//! program, but for the 288 bytes that the C library allocates for a thread.

use std::fs;

use tempfile::TempDir;
use tm_analyzer::cli::info::gather;
use tm_analyzer::model::{Cumulative, KeyType, Moment, Snapshot};
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::{Processes, Selection};
use tm_analyzer::snapshot::take_snapshot;
use tm_tests::fixtures::{fixture, recording};

/// (bytes, blocks) by stack, the most first.
fn by_stack(snapshot: &Snapshot) -> Vec<(u64, u64)> {
    let groups = snapshot.statistics(KeyType::Traceback, Cumulative::Off).expect("stacks have no callers");
    groups.iter().map(|group| (group.size, group.count)).collect()
}

#[test]
fn a_recording_of_version_1_has_the_figures_that_it_had() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let path = folder.path().join("version-1.bin");
    fs::write(&path, recording("version-1.bin")).expect("as above");
    let info = gather(&path).expect("version 1 is read for ever");
    assert!(info.complete, "{:?} {:?}", info.incomplete_because, info.problems);
    assert_eq!(info.command_line, ["./sample"]);
    assert_eq!((info.program.as_str(), info.host.as_str()), ("/opt/example/sample", "example"));
    assert_eq!((info.pid, info.processes, info.threads, info.stacks), (30_951, 2, 3, 24));
    assert_eq!((info.start_realtime_ns, info.duration_ns), (1_795_456_325_060_985_940, 1_276_456));
    assert_eq!((info.lost_events, info.unknown_frees, info.missed_frees), (0, 0, 0));
    let figures = info.process_list.iter().map(|process| {
        let calls = (process.allocations, process.reallocations, process.frees);
        let live = (process.live_bytes_at_end, process.live_blocks_at_end);
        (process.ending, calls, process.bytes_allocated, (process.peak_bytes, process.peak_blocks), live)
    });
    assert_eq!(
        figures.collect::<Vec<_>>(),
        [
            ("exit", (144, 5, 90), 58_018, (7_808, 55), (6_808, 54)),
            ("_exit", (3, 0, 1), 21, (6_808, 54), (6_805, 56)),
        ]
    );
    let modules: Vec<&str> = info.module_list.iter().map(|module| module.path.as_str()).collect();
    let (libc, loader) = ("/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2");
    let own = ["/opt/example/sample", "linux-vdso.so.1", "/opt/example/libtm.so"];
    assert_eq!(modules, [&own[..], &[libc, loader]].concat());
    assert_eq!(info.module_list[0].build_id.len(), 40);
}

#[test]
fn a_snapshot_of_it_has_the_blocks_that_it_had() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let path = folder.path().join("version-1.bin");
    fs::write(&path, recording("version-1.bin")).expect("as above");
    let recording = Recording::open(&path).expect("version 1 is read for ever");
    let at = |moment| take_snapshot(&recording, Processes::All, &moment, &Selection::default());
    let peak = at(Moment::Peak).expect("every recording has a peak");
    assert_eq!(by_stack(&peak), [(5_000, 1), (1_200, 50), (1_000, 1), (288, 1), (256, 1), (64, 1)]);
    // The child's loop was unrolled.
    let end = at(Moment::End).expect("every recording has an end");
    assert_eq!(
        by_stack(&end),
        [(5_000, 1), (1_200, 50), (288, 1), (256, 1), (64, 1), (7, 1), (7, 1), (7, 1)]
    );
    assert!(peak.traces.iter().all(|trace| trace.traceback.frames().len() >= 3));
}

#[test]
fn a_snap_file_of_version_1_has_the_lines_that_it_had() {
    let snapshot = Snapshot::load(&fixture("version-1.snap")).expect("version 1 is read for ever");
    let lines = snapshot.statistics(KeyType::Lineno, Cumulative::Off).expect("lines are a key");
    let shown: Vec<String> =
        lines.iter().map(|line| format!("{} {} {}", line.traceback, line.size, line.count)).collect();
    assert_eq!(
        shown,
        [
            "/opt/example/sample.c:39 5000 1",
            "/opt/example/sample.c:29 1200 50",
            "/opt/example/sample.c:16 1000 1",
            "/opt/example/sample.c:49 256 1",
            "/opt/example/sample.c:48 64 1",
        ]
    );
    let function = snapshot.traces[0].traceback.most_recent().and_then(|frame| frame.function.clone());
    assert!(["many", "grow", "main", "worker"].contains(&function.as_deref().expect("it was known")));
    let origin = snapshot.origin.expect("it was made from a recording");
    assert_eq!((origin.pid, origin.live_bytes, origin.live_blocks), (30_951, 7_808, 55));
    assert!(origin.notes.iter().any(|note| note == "Filtered with --include *sample.c*."));
}
