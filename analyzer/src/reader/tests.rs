//! Files as they are found in the field: whole, cut, damaged, and not recordings at all.

use std::mem::offset_of;
use std::path::Path;

use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::header::{GRAIN_BYTES, Header, MappedHeader, VERSION};
use tm_common::ids::{Address, Epoch, ProcessIndex, StackId, Stamp};
use tm_common::metadata::{Ending, TextKind};

use super::{Problem, Recording};
use crate::replay;
use tm_testing::{Random, RecordingBuilder, file_of};

const FIRST: ProcessIndex = ProcessIndex(0);

fn malloc(address: u64, stack: StackId, stamp: u64) -> Event {
    Event::Allocate {
        function: Function::Malloc,
        address: Address(address),
        size: 8,
        stack,
        stamp: Stamp(stamp),
    }
}

/// Two streams of several segments of one grain each.
fn example() -> RecordingBuilder {
    let mut builder = RecordingBuilder::with_process();
    builder.grains = 1;
    builder.text(0, TextKind::Executable, "/bin/example");
    builder.text(0, TextKind::CommandLine, "example\0--fast\0");
    builder.thread(0, 0, "example");
    builder.thread(0, 0, "worker");
    let main = builder.node(StackId::NONE, 0x1000);
    let stack = builder.node(main, 0x2000);
    for place in 0..3_000 {
        builder.event(FIRST, place as u32 % 2, &malloc(0x10_0000 + place * 4096, stack, place * 100));
    }
    builder
}

fn open(bytes: &[u8]) -> crate::error::Result<Recording> {
    Recording::open(file_of(bytes).path())
}

fn n_allocations(recording: &Recording) -> u64 {
    replay::all_totals(recording).processes.iter().map(|(_, totals)| totals.allocations).sum()
}

#[test]
fn a_whole_recording_is_read_without_problems() {
    let file = example().file();
    let recording = Recording::open(file.path()).expect("it is valid");
    assert_eq!(recording.problems, []);
    let process = recording.first_process().expect("there is one");
    assert_eq!((process.pid, process.ending), (100, Ending::Exit));
    assert_eq!(process.command_line, ["example", "--fast"]);
    assert_eq!(recording.threads.len(), 1);
    assert_eq!(recording.threads[0].name, "worker");
    assert!(recording.streams.len() == 2 && recording.streams[0].segments.len() > 1);
    assert_eq!(n_allocations(&recording), 3_000);
    let pcs: Vec<u64> = recording.stack(StackId(5)).expect("it is there").map(|frame| frame.pc).collect();
    assert_eq!(pcs, [0x2000, 0x1000]);
    assert_eq!(recording.duration_ns(), 1_000_000);
}

#[test]
fn room_that_was_given_back_is_not_missed() {
    let mut builder = example();
    builder.trimmed_grains = 40;
    assert_eq!(open(&builder.build()).expect("it is valid").problems, []);
}

#[test]
fn room_that_was_claimed_and_never_made_is_not_missed_but_what_is_cut_is() {
    let mut builder = example();
    builder.ungrown_grains = 40;
    let bytes = builder.build();
    assert_eq!(open(&bytes).expect("it is valid").problems, []);
    let (found, expected) = (bytes.len() as u64 - 1, bytes.len() as u64);
    let cut = open(&bytes[..bytes.len() - 1]).expect("the rest is valid");
    assert_eq!(cut.problems.first(), Some(&Problem::Cut { found, expected }));
}

/// Recordings of before the file's length stood in the header.
#[test]
fn without_the_length_what_was_claimed_is_missed() {
    let mut bytes = example().build();
    let at = offset_of!(MappedHeader, file_grains);
    bytes[at..at + 8].fill(0);
    assert_eq!(open(&bytes).expect("it is valid").problems, []);
    let cut = open(&bytes[..bytes.len() - 1]).expect("the rest is valid");
    assert!(matches!(cut.problems.first(), Some(Problem::Cut { .. })), "{:?}", cut.problems);
}

#[test]
fn what_is_not_a_recording_has_one_clear_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let said = |path: &Path| Recording::open(path).map(|_| ()).expect_err("not a recording").to_string();
    assert!(said(folder.path()).contains("is a directory"));
    assert!(said(&folder.path().join("none.bin")).contains("no such file"));
    assert!(said(file_of(b"").path()).contains("is empty"));
    assert!(said(file_of(b"#!/bin/sh\necho hello\n").path()).contains("not a tm recording"));
    assert!(said(Path::new("/dev/null")).contains("is a device"));
    let mut newer = example().build();
    newer[8] = VERSION as u8 + 1;
    assert!(said(file_of(&newer).path()).contains("format version 6, and only those up to"));
}

#[test]
fn a_recording_cut_anywhere_yields_what_is_left() {
    let bytes = example().build();
    let mut random = Random::new(1);
    let grains = (1..bytes.len() / GRAIN_BYTES).map(|grain| grain * GRAIN_BYTES);
    let anywhere = (0..100)
        .map(|_| Header::NEEDED_BYTES + random.below((bytes.len() - Header::NEEDED_BYTES) as u64) as usize);
    let mut ends: Vec<usize> = grains.chain(anywhere).collect();
    ends.sort_unstable();
    let mut before = 0;
    for end in ends {
        let file = file_of(&bytes[..end]);
        let recording = Recording::open(file.path()).expect("the header is there");
        assert!(matches!(recording.problems.first(), Some(Problem::Cut { .. })), "{:?}", recording.problems);
        let now = n_allocations(&recording);
        assert!(now >= before && now <= 3_000, "{end}");
        before = now;
    }
    assert!(before > 2_000);
    assert!(open(&bytes[..100]).is_err());
}

#[test]
fn a_damaged_header_loses_one_segment_only() {
    let mut bytes = example().build();
    let whole = Recording::open(file_of(&bytes).path()).expect("it is valid");
    let segment = &whole.streams[0].segments[1];
    let at = segment.offset as usize - 64;
    bytes[at + 20] ^= 1;
    let file = file_of(&bytes);
    let recording = Recording::open(file.path()).expect("the rest is valid");
    assert_eq!(
        recording.problems,
        [
            Problem::DamagedHeaders { count: 1, first: at as u64 },
            Problem::MissingSegments { count: 1, streams: 1 }
        ]
    );
    assert!((2_000..3_000).contains(&n_allocations(&recording)));
}

#[test]
fn random_damage_is_never_fatal() {
    let bytes = example().build();
    let mut random = Random::new(2);
    for _ in 0..300 {
        let mut damaged = bytes.clone();
        for _ in 0..1 + random.below(20) {
            let place = GRAIN_BYTES as u64 + random.below((bytes.len() - GRAIN_BYTES) as u64);
            damaged[place as usize] = random.below(256) as u8;
        }
        let file = file_of(&damaged);
        let recording = Recording::open(file.path()).expect("the header is good");
        let _ = n_allocations(&recording);
        for process in &recording.processes {
            let (process, peak) = (replay::Processes::One(process.index), crate::model::Moment::Peak);
            let all = replay::Selection::default();
            let snapshot: crate::error::Result<replay::RawSnapshot> =
                replay::snapshot(&recording, process, &peak, &all);
            assert!(snapshot.is_ok());
        }
    }
}

#[test]
fn undecodable_events_are_counted_and_unknown_kinds_passed_over() {
    let mut builder = RecordingBuilder::with_process();
    builder.event(FIRST, 0, &malloc(0x1000, StackId::NONE, 1));
    builder.garbage(FIRST, 0, &[9 << 3, 3, 1, 2, 3]);
    builder.event(FIRST, 0, &malloc(0x2000, StackId::NONE, 2));
    builder.garbage(FIRST, 0, &[3, 200, 1, 1]);
    let file = builder.file();
    let recording = Recording::open(file.path()).expect("it is valid");
    let totals = replay::all_totals(&recording);
    assert_eq!(totals.processes[0].1.allocations, 2);
    assert_eq!(totals.problems, [Problem::UndecodableEvents { segments: 1, bytes: 4 }]);
}

#[test]
fn a_lost_page_of_events_is_said() {
    let mut builder = RecordingBuilder::with_process();
    for place in 0..3_000 {
        builder.event(FIRST, 0, &malloc(0x10_0000 + place * 4096, StackId::NONE, place * 100));
    }
    let mut bytes = builder.build();
    let whole = Recording::open(file_of(&bytes).path()).expect("it is valid");
    let page = whole.streams[0].segments[0].offset as usize - 64 + GRAIN_BYTES;
    bytes[page..page + GRAIN_BYTES].fill(0);
    let file = file_of(&bytes);
    let totals = replay::all_totals(&Recording::open(file.path()).expect("the rest is valid"));
    // An address comes out wrong where the events begin again, or not: then nothing is wrong with frees.
    let [Problem::UndecodableEvents { segments: 1, bytes }, ..] = totals.problems[..] else {
        panic!("{:?}", totals.problems)
    };
    assert!(bytes >= 4_000, "{bytes}");
}

#[test]
fn a_ring_that_is_gone_as_a_whole_is_missed() {
    let mut bytes = example().build();
    bytes[std::mem::offset_of!(MappedHeader, n_streams)] = 3;
    let recording = open(&bytes).expect("it is valid");
    assert_eq!(recording.problems, [Problem::MissingSegments { count: 1, streams: 1 }]);
}

#[test]
fn holes_are_skipped() {
    use std::io::{Seek, SeekFrom, Write};
    let bytes = example().build();
    let middle = 6 * GRAIN_BYTES;
    let file = file_of(&bytes[..middle]);
    // 1 TB of nothing: reading it would take minutes.
    let mut handle = file.reopen().expect("it is there");
    handle.seek(SeekFrom::Start((1 << 40) + middle as u64)).expect("sparse files are ordinary");
    if handle.write_all(&bytes[middle..]).is_err() {
        return; // The file system has no files of this size.
    }
    let recording = Recording::open(file.path()).expect("it is valid");
    assert_eq!(n_allocations(&recording), 3_000);
}

#[test]
fn modules_follow_the_epochs_and_the_fork() {
    let mut builder = RecordingBuilder::with_process();
    builder.process(Some(0), 50, None);
    builder.module(0, 0, (0x1000, 0x2000), "/lib/a");
    builder.epoch(0, 2);
    builder.module_gone(0, 2, 0x1000);
    builder.module(0, 2, (0x1800, 0x3000), "/lib/b");
    builder.module(1, 1, (0x8000, 0x9000), "/lib/child");
    let file = builder.file();
    let recording = Recording::open(file.path()).expect("it is valid");
    let path = |epoch, pc| recording.module_at(Epoch(epoch), pc).map(|module| module.path.as_str());
    assert_eq!(path(0, 0x1900), Some("/lib/a"));
    assert_eq!(path(2, 0x1900), Some("/lib/b"));
    assert_eq!(path(2, 0x1000), None);
    // Epoch 1 is the child's: its own module, and what the parent had in epoch 0.
    assert_eq!(path(1, 0x8000), Some("/lib/child"));
    assert_eq!(path(1, 0x1900), Some("/lib/a"));
    assert_eq!(path(1, 0x2000), None);
    assert_eq!(path(0, 0x8000), None);
}
