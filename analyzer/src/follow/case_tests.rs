//! Cases that are rare or of a kind of their own, each laid out by hand.

use std::mem::offset_of;
use std::os::unix::fs::FileExt;

use tempfile::NamedTempFile;
use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::header::MappedHeader;
use tm_common::ids::{Address, ProcessIndex, StackId, Stamp, TagIndex};
use tm_common::metadata::{CommandKind, MappedThread};
use tm_common::segment::HEADER_BYTES;

use super::testing::Script;
use super::tests::{FIRST, WAIT_NS, fresh_file, known};
use super::*;
use crate::events::MergedEvent;
use tm_testing::RecordingBuilder;

fn malloc(address: u64, size: u64, stamp: u64) -> Event {
    let (function, stack) = (Function::Malloc, StackId::NONE);
    Event::Allocate { function, address: Address(address), size, stack, stamp: Stamp(stamp) }
}

fn free(address: u64, stamp: u64) -> Event {
    Event::Free { function: Function::Free, address: Address(address), stamp: Stamp(stamp) }
}

/// A script that has begun, and a file for it.
fn begun() -> (Script, NamedTempFile) {
    let mut script = Script::new(5);
    script.step_ns = 1;
    script.builder.process(None, 0, None);
    script.metadata(1);
    (script, fresh_file())
}

fn opened(script: &mut Script, file: &NamedTempFile, at: u64, process: u32, options: Options) -> Follower {
    script.play(file, at);
    Follower::open(file.path(), ProcessIndex(process), options).expect("it has begun")
}

fn sizes(follower: &Follower, memory_kind: MemoryKind) -> Vec<u64> {
    known(follower.recording(), follower.live().iter(memory_kind))
        .into_iter()
        .map(|(_, _, size, ..)| size)
        .collect()
}

#[test]
fn a_block_in_the_place_that_realloc_gives_back_is_not_taken_for_the_old_one() {
    let (mut script, file) = begun();
    script.event(100, FIRST, 0, &malloc(0x10, 1, 100));
    // Another thread gets 0x10 before the record of the call that gave it back is written.
    script.event(1_000_000, FIRST, 1, &malloc(0x10, 2, 1_000_000));
    let (old, new, size, stack) = (Address(0x10), Address(0x20), 4, StackId::NONE);
    let (begin, end) = (Stamp(500_000), Stamp(1_500_000));
    script.event(3_000_000, FIRST, 0, &Event::Reallocate { old, new, size, stack, begin, end });
    script.event(4_000_000, FIRST, 0, &free(0x10, 4_000_000));
    script.finish();
    let mut follower = opened(&mut script, &file, 50, 0, Options::default());
    for (at, expected) in
        [(400_000, vec![1]), (2_000_000, vec![2]), (3_500_000, vec![2, 4]), (5_000_000, vec![4])]
    {
        script.play(&file, at);
        follower.catch_up(Stamp(at), &mut ()).expect("it is there");
        assert_eq!(sizes(&follower, MemoryKind::Traced), expected, "at {at}");
    }
    let totals = follower.totals();
    assert_eq!((totals.unknown_frees, totals.missed_frees, totals.reallocations), (0, 0, 1));
}

#[test]
fn a_clearing_that_comes_late_forgets_what_is_older_alone() {
    let (mut script, file) = begun();
    for (address, stamp) in [(0x10, 100), (0x20, 300)] {
        script.event(stamp, FIRST, 0, &malloc(address, stamp, stamp));
    }
    script.builder.command(0, CommandKind::Clear, 0, 200, "");
    script.metadata(500);
    // Its stamp is that of a time which is forgotten.
    script.event(600, FIRST, 1, &malloc(0x30, 150, 150));
    script.finish();
    let options = Options { resets_peak: true, ..Options::default() };
    let mut follower = opened(&mut script, &file, 50, 0, options);
    for (at, expected, peak) in [(400, vec![300, 100], 400), (700, vec![300], 300)] {
        script.play(&file, at);
        follower.catch_up(Stamp(at), &mut ()).expect("it is there");
        let mut found = sizes(&follower, MemoryKind::Traced);
        found.sort_by_key(|&size| std::cmp::Reverse(size));
        assert_eq!((found, follower.totals().peak.bytes), (expected, peak), "at {at}");
    }
    follower.reset_peak(Stamp(700));
    assert_eq!(follower.peak_blocks(MemoryKind::Traced).map(|block| block.size).collect::<Vec<_>>(), [300]);
}

#[test]
fn a_forked_process_is_followed_from_what_its_parent_had() {
    let (mut script, file) = begun();
    let tag = |stamp| Event::Tag { tag: TagIndex(3), stamp: Stamp(stamp) };
    script.event(100, FIRST, 0, &tag(90));
    for event in [malloc(0x10, 1, 100), malloc(0x20, 2, 140)] {
        script.event(150, FIRST, 0, &event);
    }
    let child = script.builder.process(Some(0), 160, None);
    let written = script.metadata(160);
    script.event(written + 100, FIRST, 0, &free(0x10, written + 100));
    for (address, at) in [(0x10, 5_000), (0x20, 6_000)] {
        script.event(at, child, 1, &free(address, at));
        script.event(at + 1, child, 1, &malloc(address + 1, at, at + 1));
    }
    script.finish();
    let mut follower = opened(&mut script, &file, 5_500, 1, Options::default());
    assert_eq!(sizes(&follower, MemoryKind::Traced), [1, 2]);
    let tags = known(follower.recording(), follower.live().iter(MemoryKind::Traced)).into_iter();
    assert_eq!(tags.map(|(.., tag)| tag).collect::<Vec<_>>(), [3, 3]);
    for (at, expected) in [(4_000, vec![1, 2]), (5_500, vec![5_000, 2]), (9_000, vec![5_000, 6_000])] {
        script.play(&file, at);
        follower.catch_up(Stamp(at), &mut ()).expect("it is there");
        assert_eq!(sizes(&follower, MemoryKind::Traced), expected, "at {at}");
    }
    let missing = Follower::open(file.path(), ProcessIndex(7), Options::default()).expect_err("it has two");
    assert!(missing.to_string().contains("has no process 7"), "{missing}");
}

/// Enough for several segments.
const N_EVENTS: u64 = 15_000;

/// A recording of one stream with several segments, and where their headers are.
fn many_segments() -> (Script, NamedTempFile, Vec<u64>) {
    let (mut script, file) = begun();
    let (stack, _) = script.node(10, StackId::NONE, 0x1000);
    for place in 0..N_EVENTS {
        let (at, function, address) = (100 + 10 * place, Function::Malloc, Address(16 * (1 + place)));
        script.event(at, FIRST, 0, &Event::Allocate { function, address, size: 1, stack, stamp: Stamp(at) });
    }
    script.finish();
    script.play(&file, u64::MAX);
    let whole = Recording::open(file.path()).expect("it is valid");
    let headers = whole.streams[0].segments.iter().map(|segment| segment.offset - HEADER_BYTES as u64);
    (script, file, headers.collect())
}

#[test]
fn a_damaged_header_loses_its_segment_alone_and_is_named_as_long_as_it_is_damaged() {
    let (script, file, headers) = many_segments();
    // The first byte of its stream's number, which is 0.
    let set = |byte| script.damage(&file, headers[1] + 16, byte);
    let events_of = |follower: &Follower| follower.totals().allocations;

    set(1);
    let mut follower = Follower::open(file.path(), FIRST, Options::default()).expect("it is one");
    assert_eq!(follower.problems(), [], "it may be being written");
    set(0);
    follower.catch_up(Stamp(u64::MAX), &mut ()).expect("it is there");
    assert_eq!((follower.problems(), events_of(&follower)), (vec![], N_EVENTS));

    set(1);
    let damaged = Recording::open(file.path()).expect("the rest is valid");
    let expected = [
        Problem::DamagedHeaders { count: 1, first: headers[1] },
        Problem::MissingSegments { count: 1, streams: 1 },
    ];
    assert_eq!(damaged.problems, expected);
    let mut follower = Follower::open(file.path(), FIRST, Options::default()).expect("it is one");
    follower.catch_up(Stamp(u64::MAX), &mut ()).expect("it is there");
    assert_eq!(follower.problems(), expected);
    assert_eq!(events_of(&follower), crate::replay::all_totals(&damaged).processes[0].1.allocations);
    assert!((1..N_EVENTS).contains(&events_of(&follower)));
    set(0);
    follower.catch_up(Stamp(u64::MAX), &mut ()).expect("it is there");
    assert!(!follower.problems().contains(&expected[0]));
}

#[test]
fn headers_that_are_damaged_after_they_were_found_are_named_too() {
    let (script, file, headers) = many_segments();
    let mut follower = Follower::open(file.path(), FIRST, Options::default()).expect("it is one");
    follower.catch_up(Stamp(u64::MAX), &mut ()).expect("it is there");
    let whole = Recording::open(file.path()).expect("it is valid");
    let layout = crate::reader::scan::scan(&whole.file);
    let is_growing = |found: &&FoundSegment| {
        found.header.kind != SegmentKind::Events || Some(&found.offset) == headers.last()
    };
    let growing: Vec<u64> = layout.segments.iter().filter(is_growing).map(|found| found.offset).collect();
    assert_eq!(growing.len(), 3, "one of each kind");
    for &offset in &growing {
        script.damage(&file, offset + 12, 9);
    }
    for n_named in [0, 3] {
        follower.catch_up(Stamp(u64::MAX), &mut ()).expect("it is there");
        let expected = (n_named > 0).then(|| Problem::DamagedHeaders { count: n_named, first: growing[0] });
        assert_eq!(follower.problems(), Vec::from_iter(expected));
    }
}

/// As many threads have made some events each and rest, or have ended.
#[test]
fn rings_at_rest_hold_no_events() {
    const N_RINGS: u64 = 200;
    const N_EVENTS: u64 = 2_500;
    let mut builder = RecordingBuilder::with_process();
    builder.grains = 4;
    for place in 0..N_EVENTS {
        for stream in 0..N_RINGS {
            let address = 0x1_0000 * (1 + stream) + 16 * (place * 7 % 4_096);
            builder.event(FIRST, stream as u32, &malloc(address, place, 1_000 * place + stream));
        }
    }
    let file = builder.file();
    for keep_open in [false, true] {
        let options = Options { keep_open, ..Options::default() };
        let mut follower = Follower::open(file.path(), FIRST, options).expect("it is one");
        let mut caught_up = |until| {
            follower.catch_up(Stamp(until), &mut ()).expect("it is there");
            let held = follower.engine.streams_mut().iter().map(GrowingEvents::held_bytes).sum::<usize>();
            (follower.totals().allocations, held)
        };
        // What was read beyond the moment is kept, and no more than that.
        let (n_events, held_bytes) = caught_up(1_000 * (N_EVENTS / 2) - 1);
        let n_left = (N_EVENTS * N_RINGS - n_events) as usize;
        assert_eq!(n_events, N_EVENTS / 2 * N_RINGS);
        assert!(held_bytes > 0 && held_bytes <= n_left * size_of::<MergedEvent>(), "{held_bytes}");
        assert_eq!(caught_up(u64::MAX), (N_EVENTS * N_RINGS, 0));
    }
}

#[test]
fn another_file_in_its_place_is_not_read() {
    let (mut script, file) = begun();
    script.finish();
    let mut follower = opened(&mut script, &file, u64::MAX, 0, Options::default());
    let identity = follower.recording().file.identity();
    let other = fresh_file();
    let options = Options { identity: Some(identity), ..Options::default() };
    assert!(Follower::open(file.path(), FIRST, options).is_ok());
    assert!(follower.catch_up(Stamp(1), &mut ()).is_ok());
    std::fs::rename(other.path(), file.path()).expect("both are in one folder");
    let error = follower.catch_up(Stamp(2), &mut ()).expect_err("it is another one").to_string();
    assert!(error.contains("is another file now"), "{error}");
    assert!(Follower::open(file.path(), FIRST, options).is_err());
    std::fs::write(other.path(), "").expect("its name is removed with it");
}

/// The clock of a process that runs here is known.
#[test]
fn the_present_is_waited_for_and_the_future_is_not() {
    let mut script = Script::new(6);
    script.builder.process_of(std::process::id());
    script.metadata(1);
    script.finish();
    let file = fresh_file();
    let mut follower = opened(&mut script, &file, u64::MAX, 0, Options::default());
    let begun = follower.now().expect("it is ours");
    follower.catch_up(begun, &mut ()).expect("it is there");
    let then = follower.now().expect("it is ours");
    assert!(then.0 >= begun.0 + WAIT_NS, "{then:?} after {begun:?}");
    follower.catch_up(Stamp(then.0 + 3_600_000_000_000), &mut ()).expect("it is there");
    assert!(follower.now().expect("it is ours").0 < then.0 + 60_000_000_000);
}

/// Where there is a limit the recorder counts them in the thread's record, long after it was read.
#[test]
fn threads_that_go_on_under_a_number_are_counted_when_they_come() {
    let (mut script, file) = begun();
    script.builder.thread(0, 0, "worker");
    script.metadata(2);
    script.event(100, FIRST, 0, &malloc(0x10, 1, 100));
    script.event(2_000_000, FIRST, 0, &malloc(0x20, 1, 2_000_000));
    script.finish();
    let end = script.end();
    let mut follower = opened(&mut script, &file, end, 0, Options::default());
    let bytes = std::fs::read(file.path()).expect("it is there");
    let name = bytes.windows(6).position(|it| it == b"worker").expect("it is recorded");
    let record = name - offset_of!(MappedThread, name);
    let put = |offset: usize, value: &[u8]| {
        file.as_file().write_all_at(value, offset as u64).expect("the file can be written");
    };
    put(offset_of!(MappedHeader, limit_grains), &u64::MAX.to_le_bytes());
    for n_more in [0_u32, 1, 98_000] {
        put(record + offset_of!(MappedThread, n_more), &n_more.to_le_bytes());
        follower.catch_up(Stamp(u64::MAX), &mut ()).expect("it is there");
        let [thread] = &follower.recording().threads[..] else { panic!("there is one thread") };
        assert_eq!((thread.n_more, &*thread.name), (n_more, "worker"));
    }
    assert_eq!(follower.recording().threads[0].label(), "worker +98,000");
}
