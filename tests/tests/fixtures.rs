//! Recordings and snapshots of every format version stay readable, with the figures that they had.
//!
//! `fixtures/version-1.bin` is `programs/sample.c` recorded on another day, `fixtures/version-2.bin` is
//! `programs/sample_2.c`, and so on; the figures are counted by hand from these programs, except the 288 bytes that the C library
//! allocates for a thread, and estimates. Files of snapshots are of version 1 to this
//! day; `fixtures/version-3.snap` has what came with recordings of version 3.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use tm_analyzer::model::{Cumulative, KeyType, Moment, Snapshot};
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::{MemoryKind, Processes, Selection};
use tm_analyzer::snapshot::take_snapshot;
use tm_common::ids::{Domain, ProcessIndex};
use tm_tests::fixtures::{fixture, recording};
use tmtool::cli::commands::info::gather;

/// The fixture `name` in a folder of its own.
fn unpacked(name: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let path = folder.path().join(name);
    fs::write(&path, recording(name)).expect("as above");
    (folder, path)
}

/// (bytes, blocks) by stack, the most first.
fn by_stack(snapshot: &Snapshot) -> Vec<(u64, u64)> {
    let groups =
        snapshot.profile().statistics(KeyType::Traceback, Cumulative::Off).expect("stacks have no callers");
    groups.iter().map(|group| (group.size, group.count)).collect()
}

#[test]
fn a_recording_of_version_1_has_the_figures_that_it_had() {
    let (_folder, path) = unpacked("version-1.bin");
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
    let (_folder, path) = unpacked("version-1.bin");
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
    let lines = snapshot.profile().statistics(KeyType::Lineno, Cumulative::Off).expect("lines are a key");
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

#[test]
fn a_recording_of_version_2_has_the_figures_that_it_had() {
    let (_folder, path) = unpacked("version-2.bin");
    let info = gather(&path).expect("version 2 is read for ever");
    assert!(info.complete, "{:?} {:?}", info.incomplete_because, info.problems);
    assert_eq!((info.program.as_str(), info.host.as_str()), ("/opt/example/sample_2", "example"));
    assert_eq!((info.processes, info.threads), (2, 3));
    assert_eq!((info.lost_events, info.unknown_frees, info.missed_frees), (0, 0, 0));
    // Of two that the clearing and the stop forgot, and of one that came in between, resized.
    assert_eq!(info.forgotten_frees, 3);
    let figures = info.process_list.iter().map(|process| {
        let calls = (process.allocations, process.reallocations, process.frees);
        let live = (process.live_bytes_at_end, process.live_blocks_at_end);
        (process.ending, calls, process.bytes_allocated, (process.peak_bytes, process.peak_blocks), live)
    });
    let allocated = 3 * 1_000 + 2 * 10 + 2_000 + 251 + 288 + 5 * 70;
    let live = 2_000 + 251 + 600 + 288 + 3 * 70;
    assert_eq!(
        figures.collect::<Vec<_>>(),
        [
            ("exit", (19, 1, 4), allocated, (2_000 + 251 + 1_000 + 500, 11), (live, 14)),
            ("_exit", (1, 0, 1), 11, (live, 14), (live - 50 + 11 - 600, 13)),
        ]
    );
    let domains = info.domains.iter().map(|domain| {
        (domain.domain, domain.name.as_str(), domain.live_bytes_at_end, domain.live_blocks_at_end)
    });
    assert_eq!(domains.collect::<Vec<_>>(), [(7, "pool", 600, 1)]);
    assert_eq!((info.tracks, info.untracks), (3, 2));
    let mapped = info.mappings.expect("it maps memory");
    assert_eq!((mapped.maps, mapped.unmaps), (2, 3));
    assert_eq!((mapped.peak_bytes, mapped.peak_ranges), ((8 + 3) * 4096, 3));
    assert_eq!((mapped.bytes_at_end, mapped.ranges_at_end), ((8 + 2) * 4096, 3));
    let commands = info.commands.command_list.iter().map(|command| {
        assert!(!command.from_outside);
        (command.process, command.kind, command.n_frames)
    });
    assert_eq!(commands.collect::<Vec<_>>(), [(0, "clear", None), (0, "stop", None), (0, "start", Some(16))]);
    let marks = info.commands.mark_list.iter().map(|mark| (mark.process, mark.name.as_str()));
    assert_eq!(marks.collect::<Vec<_>>(), [(0, "before"), (0, "after"), (1, "child")]);
    assert_eq!(info.commands.tag_list, ["child", "query", "request", "worker"]);
}

#[test]
fn snapshots_of_it_have_the_tags_domains_and_mappings_that_they_had() {
    let (_folder, path) = unpacked("version-2.bin");
    let recording = Recording::open(&path).expect("version 2 is read for ever");
    let at = |process, moment, memory_kind| {
        let process = Processes::One(ProcessIndex(process));
        take_snapshot(&recording, process, &moment, &Selection::of_account(memory_kind)).expect("it has them")
    };
    let mark = |process, name: &str| at(process, Moment::Mark(name.to_owned()), MemoryKind::Traced);
    let by_tag = |snapshot: &Snapshot| {
        let groups = snapshot.profile().statistics(KeyType::Tag, Cumulative::Off).expect("tags are a key");
        groups
            .iter()
            .map(|group| (group.tag.as_deref().unwrap_or("").to_owned(), group.size, group.count))
            .collect::<Vec<_>>()
    };
    let rows = |rows: &[(&str, u64, u64)]| {
        rows.iter().map(|&(name, size, count)| (name.to_owned(), size, count)).collect::<Vec<_>>()
    };
    assert_eq!(by_tag(&mark(0, "before")), rows(&[("", 3_000, 3)]));
    let untagged = 2_000 + 2 * 8 + 600 + 288;
    let after = [("", untagged, 5), ("worker", 210, 3), ("request", 205, 5), ("query", 30, 1)];
    assert_eq!(by_tag(&mark(0, "after")), rows(&after));
    let child = [
        ("", untagged - 600, 4),
        ("worker", 210, 3),
        ("request", 155, 4),
        ("query", 30, 1),
        ("child", 11, 1),
    ];
    assert_eq!(by_tag(&mark(1, "child")), rows(&child));

    let sizes = |snapshot: Snapshot, domain| {
        let of_domain = snapshot.traces.iter().filter(|trace| trace.domain == domain);
        let mut sizes: Vec<u64> = of_domain.map(|trace| trace.size).collect();
        sizes.sort_unstable();
        sizes
    };
    assert_eq!(sizes(at(0, Moment::Peak, MemoryKind::Traced), 7), [500, 1_000]);
    assert_eq!(sizes(at(0, Moment::End, MemoryKind::Traced), 7), [600]);
    assert_eq!(sizes(at(1, Moment::End, MemoryKind::Traced), 7), [0u64; 0]);
    let pages = |process| {
        let snapshot = at(process, Moment::End, MemoryKind::Mappings);
        sizes(snapshot, Domain::MAPPINGS.0).into_iter().map(|bytes| bytes / 4096).collect::<Vec<_>>()
    };
    assert_eq!((pages(0), pages(1)), (vec![2, 4, 4], vec![2, 4]));
}

#[test]
fn a_recording_of_version_3_has_the_figures_and_notes_that_it_had() {
    let (_folder, path) = unpacked("version-3.bin");
    let info = gather(&path).expect("version 3 is read for ever");
    assert!(info.complete, "{:?} {:?}", info.incomplete_because, info.problems);
    assert_eq!((info.program.as_str(), info.host.as_str()), ("/opt/example/sample_3", "example"));
    assert_eq!((info.processes, info.threads, info.stacks), (2, 1, 16));
    let figures = info.process_list.iter().map(|process| {
        let live = (process.live_bytes_at_end, process.live_blocks_at_end);
        (process.ending, process.allocations, process.bytes_allocated, live)
    });
    assert_eq!(
        figures.collect::<Vec<_>>(),
        [("exit", 15, 2_900, (2_900, 15)), ("unknown", 0, 0, (2_900, 15))]
    );
    assert_eq!(info.notes, ["Executed programs that are static cannot be recorded: /opt/example/static."]);
}

/// What is not certain of each stack, the one with the most bytes first: guessed frames, and in which file.
fn marks(snapshot: &Snapshot) -> Vec<(u64, usize, Vec<String>)> {
    let groups =
        snapshot.profile().statistics(KeyType::Traceback, Cumulative::Off).expect("stacks have no callers");
    let marks = groups.iter().map(|group| {
        let guessed = group.traceback.frames().iter().filter(|frame| frame.is_guessed()).count();
        let doubts =
            group.traceback.doubts().iter().map(|doubt| {
                format!("{} {}", doubt.kind.name(), doubt.module.as_deref().unwrap_or_default())
            });
        (group.size, guessed, doubts.collect())
    });
    marks.collect()
}

#[test]
fn stacks_of_it_have_the_marks_that_they_had() {
    let (_folder, path) = unpacked("version-3.bin");
    let recording = Recording::open(&path).expect("version 3 is read for ever");
    let process = Processes::One(ProcessIndex(0));
    let snapshot =
        take_snapshot(&recording, process, &Moment::End, &Selection::default()).expect("it has one");
    let of = |kind: &str| vec![format!("{kind} /opt/example/sample_3")];
    // The first loop was unrolled, and lines are not known without the program.
    let expected =
        [(1_000, 0, vec![]), (1_000, 0, vec![]), (600, 0, of("no_entry")), (300, 5, of("guessed"))];
    assert_eq!(marks(&snapshot), expected);
}

#[test]
fn a_snap_file_with_marks_has_those_that_it_had() {
    let snapshot = Snapshot::load(&fixture("version-3.snap")).expect("version 1 is read for ever");
    let of = |kind: &str| vec![format!("{kind} /opt/example/sample_3")];
    let expected = [(2_000, 0, vec![]), (600, 0, of("no_entry")), (300, 5, of("guessed"))];
    assert_eq!(marks(&snapshot), expected);
    let guessed = snapshot.traces.iter().find(|trace| trace.size == 30).expect("there are ten");
    let frames = guessed.traceback.frames().iter().map(|frame| {
        let mark = if frame.is_guessed() { " (guessed)" } else { "" };
        format!("{}:{} {}{mark}", frame.filename, frame.lineno, frame.function.as_deref().unwrap_or_default())
    });
    assert_eq!(
        frames.collect::<Vec<_>>(),
        [
            "sample_3+0x10b0:0 _start (guessed)",
            "csu/libc-start.c:360 __libc_start_main_impl (guessed)",
            "sysdeps/nptl/libc_start_call_main.h:58 __libc_start_call_main (guessed)",
            "/opt/example/sample_3.c:44 main (guessed)",
            "/opt/example/sample_3.c:35 outer (guessed)",
            "sample_3+0x1181:0 frameless",
            "/opt/example/sample_3.c:16 allocates",
        ]
    );
    let notes = snapshot.origin.expect("it was made from a recording").notes;
    let expected = [
        "Executed programs that are static cannot be recorded: /opt/example/static.",
        "Of 2 processes the first is shown; --process takes another's PID, or all.",
        "20.7% of the bytes have stacks that end in sample_3, whose unwind table does not tell of that code.",
        "10.3% of the bytes have stacks that are guessed beyond sample_3, for want of an unwind table.",
    ];
    assert_eq!(notes, expected);
}

#[test]
fn a_recording_of_version_4_has_the_figures_that_it_had() {
    let (_folder, path) = unpacked("version-4.bin");
    let info = gather(&path).expect("version 4 is read for ever");
    assert!(info.complete, "{:?} {:?}", info.incomplete_because, info.problems);
    assert_eq!((info.program.as_str(), info.host.as_str()), ("/opt/example/sample_4", "example"));
    let [process] = &info.process_list[..] else { panic!("one process: {:?}", info.process_list) };
    let calls = (process.allocations, process.reallocations, process.frees);
    assert_eq!((calls, process.bytes_allocated), ((1_004, 1, 400), 64_000 + 300_000 + 210_000));
    let recording = Recording::open(&path).expect("version 4 is read for ever");
    assert_eq!(recording.sample_bytes(), 4_096);
    let process = Processes::One(ProcessIndex(0));
    let snapshot =
        take_snapshot(&recording, process, &Moment::End, &Selection::default()).expect("it has one");
    // The loop of the large ones was unrolled. Nine samples of 64 bytes stand for 600 blocks.
    let large = [(200_000, 1), (100_000, 1), (100_000, 1), (100_000, 1)];
    assert_eq!(by_stack(&snapshot), [&large[..], &[(37_152, 582)]].concat());
}

#[test]
fn a_recording_of_version_5_has_the_figures_that_it_had() {
    let (_folder, path) = unpacked("version-5.bin");
    let info = gather(&path).expect("version 5 is read for ever");
    assert!(info.complete, "{:?} {:?}", info.incomplete_because, info.problems);
    assert_eq!((info.program.as_str(), info.host.as_str()), ("/opt/example/sample_5", "example"));
    assert_eq!((info.limit_bytes, info.folded_ns), (Some(1 << 20), Some(17_288_475_737)));
    let figures = info.process_list.iter().map(|process| {
        let calls = (process.allocations, process.frees, process.bytes_allocated);
        let live = (process.live_bytes_at_end, process.live_blocks_at_end);
        (process.ending, calls, (process.peak_bytes, process.peak_blocks), live)
    });
    let of_parent = (10 + 1 + 600_000 + 5, 1 + 600_000, 10_000 + 200_000 + 600_000 * 48 + 2_500);
    let of_child = (30_000 + 3, 30_000 + 1, 30_000 * 56 + 210);
    assert_eq!(
        figures.collect::<Vec<_>>(),
        [
            ("exit", of_parent, (210_000, 11), (12_500, 15)),
            ("_exit", of_child, (10_210, 13), (10_210 - 1_000, 12)),
        ]
    );
}

#[test]
fn of_what_it_has_folded_answers_are_those_that_they_were() {
    let (_folder, path) = unpacked("version-5.bin");
    let recording = Recording::open(&path).expect("version 5 is read for ever");
    let at = |processes, moment| take_snapshot(&recording, processes, &moment, &Selection::default());
    let parent = Processes::One(ProcessIndex(0));
    let peak = at(parent, Moment::Peak).expect("every recording has a peak");
    assert_eq!(by_stack(&peak), [(200_000, 1), (10_000, 10)]);
    let end = at(Processes::All, Moment::End).expect("every recording has an end");
    assert_eq!(by_stack(&end), [(10_000, 10), (2_500, 5), (210, 3)]);
    // The child had ended when it was folded.
    let child = at(Processes::One(ProcessIndex(1)), Moment::End).expect_err("what it inherited is not there");
    assert!(child.to_string().contains("has only sums of process 15880"), "{child}");
}
