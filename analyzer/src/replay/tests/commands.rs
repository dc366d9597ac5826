//! Commands, domains of the program's own, mappings and tags in a replay.

use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, Domain, ProcessIndex, Space, StackId, Stamp, TagIndex};
use tm_common::metadata::{CommandKind, NameKind};

use crate::model::{Amount, EstimatesBy, Moment};
use crate::reader::Recording;
use crate::replay::*;
use tm_testing::RecordingBuilder;

const FIRST: ProcessIndex = ProcessIndex(0);
const POOL: Space = Space(2);

fn malloc(address: u64, size: u64, stamp: u64) -> Event {
    let (function, stack) = (Function::Malloc, StackId::NONE);
    Event::Allocate { function, address: Address(address), size, stack, stamp: Stamp(stamp) }
}

fn free(address: u64, stamp: u64) -> Event {
    Event::Free { function: Function::Free, address: Address(address), stamp: Stamp(stamp) }
}

fn track(space: Space, address: u64, size: u64, stamp: u64) -> Event {
    let stack = StackId::NONE;
    Event::Track { space, address: Address(address), size, stack, stamp: Stamp(stamp) }
}

fn untrack(space: Space, address: u64, size: u64, stamp: u64) -> Event {
    Event::Untrack { space, address: Address(address), size, stamp: Stamp(stamp) }
}

fn open(builder: &RecordingBuilder) -> Recording {
    Recording::open(builder.file().path()).expect("it is valid")
}

fn totals(recording: &Recording) -> Totals {
    all_totals(recording).processes[0].1
}

fn addresses(recording: &Recording, moment: Moment, spaces: Option<Vec<Space>>) -> Vec<u64> {
    let selection = Selection { spaces, ..Selection::default() };
    let found: RawSnapshot =
        snapshot(recording, Processes::One(FIRST), &moment, &selection).expect("there is such a moment");
    found.blocks.iter().map(|block| block.address.0).collect()
}

#[test]
fn a_clearing_forgets_what_is_older_and_its_frees_are_no_mistakes() {
    let mut builder = RecordingBuilder::with_process();
    builder.command(0, CommandKind::Clear, 0, 30, "");
    for event in
        [malloc(0x10, 5, 10), malloc(0x20, 50, 30), malloc(0x30, 7, 31), free(0x10, 40), free(0x20, 41)]
    {
        builder.event(FIRST, 0, &event);
    }
    let recording = open(&builder);
    let found = totals(&recording);
    assert_eq!((found.live.bytes, found.live.count, found.peak.bytes), (7, 1, 55));
    assert_eq!((found.unknown_frees, found.forgotten_frees), (0, 2));
    assert_eq!(addresses(&recording, Moment::End, None), [0x30]);
    assert_eq!(addresses(&recording, Moment::Peak, None), [0x10, 0x20]);
}

#[test]
fn nothing_counts_between_stop_and_start() {
    let mut builder = RecordingBuilder::with_process();
    builder.command(0, CommandKind::Stop, 0, 20, "");
    builder.command(0, CommandKind::Start, 5, 50, "");
    let realloc = Event::Reallocate {
        old: Address(0x10),
        new: Address(0x50),
        size: 9,
        stack: StackId::NONE,
        begin: Stamp(60),
        end: Stamp(61),
    };
    for event in [malloc(0x10, 5, 10), malloc(0x20, 50, 30), malloc(0x30, 7, 55), realloc] {
        builder.event(FIRST, 0, &event);
    }
    let recording = open(&builder);
    assert_eq!(addresses(&recording, Moment::TimeNs(40), None), [0u64; 0]);
    // A block from before that is resized is tracked from there on.
    assert_eq!(addresses(&recording, Moment::End, None), [0x30, 0x50]);
    assert_eq!(totals(&recording).allocations, 2);
}

#[test]
fn domains_of_the_program_are_traced_beside_the_heap() {
    let mut builder = RecordingBuilder::with_process();
    builder.name(NameKind::Space, 2, 77, "");
    builder.name(NameKind::Space, 2, 77, "pool");
    let events = [
        malloc(0x10, 100, 10),
        track(POOL, 0x10, 40, 20),
        track(POOL, 0x18, 8, 21),
        // Again, with another size; then one that is not there.
        track(POOL, 0x10, 30, 22),
        untrack(POOL, 0x99, 0, 23),
        untrack(POOL, 0x18, 0, 24),
    ];
    for event in events {
        builder.event(FIRST, 0, &event);
    }
    let recording = open(&builder);
    let found = totals(&recording);
    assert_eq!((found.live.bytes, found.live.count, found.peak.bytes), (130, 2, 148));
    assert_eq!((found.tracks, found.untracks, found.unknown_frees, found.allocations), (3, 2, 0, 1));
    assert_eq!(addresses(&recording, Moment::End, Some(vec![POOL])), [0x10]);
    assert_eq!(addresses(&recording, Moment::Peak, Some(vec![POOL])), [0x10, 0x18]);
    assert_eq!(addresses(&recording, Moment::End, Some(vec![Space::HEAP])), [0x10]);
    assert_eq!(recording.domain(POOL), (Domain(77), "pool"));
}

#[test]
fn all_of_a_domain_can_end_at_once() {
    let mut builder = RecordingBuilder::with_process();
    let other = Space(3);
    let events = [
        malloc(0x10, 100, 10),
        track(POOL, 0x20, 40, 20),
        track(POOL, 0x30, 8, 21),
        track(other, 0x20, 5, 22),
        Event::UntrackAll { space: POOL, stamp: Stamp(30) },
        // Memory of a block that has ended goes back: nobody knew of it.
        free(0x20, 31),
        track(POOL, 0x40, 3, 40),
        untrack(Space::HEAP, 0x10, 0, 41),
        untrack(Space::HEAP, 0x50, 0, 42),
    ];
    for event in events {
        builder.event(FIRST, 0, &event);
    }
    let recording = open(&builder);
    let found = totals(&recording);
    assert_eq!((found.live.bytes, found.live.count, found.peak.bytes), (8, 2, 153));
    assert_eq!((found.unknown_frees, found.forgotten_frees), (0, 1));
    assert_eq!(addresses(&recording, Moment::End, Some(vec![POOL])), [0x40]);
    assert_eq!(addresses(&recording, Moment::Peak, Some(vec![POOL])), [0x20, 0x30]);
}

#[test]
fn blocks_go_to_another_stack_and_are_no_new_ones() {
    let mut builder = RecordingBuilder::with_process();
    let stacks = [1, 2].map(|pc| builder.node(StackId::NONE, pc));
    let [first, second] = stacks;
    let track = |address: u64, size: u64, stack: StackId, stamp: u64| Event::Track {
        space: POOL,
        address: Address(address),
        size,
        stack,
        stamp: Stamp(stamp),
    };
    let moved = |address: u64, stack: StackId, stamp: u64| Event::Move {
        space: POOL,
        address: Address(address),
        stack,
        stamp: Stamp(stamp),
    };
    let events = [
        track(0x10, 40, first, 10),
        track(0x20, 8, first, 20),
        // The peak was before.
        moved(0x10, second, 30),
        // Nothing is there.
        moved(0x30, second, 31),
        untrack(POOL, 0x20, 0, 40),
        moved(0x20, second, 41),
    ];
    for event in events {
        builder.event(FIRST, 0, &event);
    }
    let recording = open(&builder);
    let found = totals(&recording);
    assert_eq!((found.live.bytes, found.live.count, found.peak.bytes), (40, 1, 48));
    assert_eq!((found.tracks, found.untracks, found.unknown_frees), (2, 1, 0));
    let at = |moment| {
        let selection = Selection { spaces: Some(vec![POOL]), ..Selection::default() };
        let found: RawSnapshot =
            snapshot(&recording, Processes::One(FIRST), &moment, &selection).expect("there is such a moment");
        let mut blocks: Vec<_> =
            found.blocks.iter().map(|block| (block.address.0, block.size, block.stack)).collect();
        blocks.sort_unstable();
        blocks
    };
    assert_eq!(at(Moment::Peak), [(0x10, 40, first), (0x20, 8, first)]);
    assert_eq!(at(Moment::End), [(0x10, 40, second)]);
}

#[test]
fn a_block_that_a_domain_tells_of_as_well_counts_there_alone() {
    let mut builder = RecordingBuilder::with_process();
    let realloc = Event::Reallocate {
        old: Address(0x40),
        new: Address(0x50),
        size: 9,
        stack: StackId::NONE,
        begin: Stamp(40),
        end: Stamp(41),
    };
    let events = [
        malloc(0x10, 100, 10),
        malloc(0x20, 50, 11),
        malloc(0x30, 20, 12),
        malloc(0x40, 8, 13),
        track(POOL, 0x10, 100, 20),
        // A part of a block is not the block.
        track(POOL, 0x20, 5, 21),
        track(POOL, 0x30, 20, 22),
        track(POOL, 0x40, 8, 23),
        // Kept for the next one: the heap's again.
        untrack(POOL, 0x10, 0, 30),
        // Ends with the heap's.
        free(0x30, 31),
        untrack(POOL, 0x30, 0, 32),
        realloc,
        untrack(POOL, 0x40, 0, 42),
        track(POOL, 0x50, 9, 43),
    ];
    for event in events {
        builder.event(FIRST, 0, &event);
    }
    let recording = open(&builder);
    let found = totals(&recording);
    assert_eq!((found.live.bytes, found.live.count, found.peak.bytes), (100 + 50 + 5 + 9, 4, 183));
    assert_eq!((found.unknown_frees, found.missed_frees), (0, 0));
    let sorted = |moment, space| {
        let mut addresses = addresses(&recording, moment, Some(vec![space]));
        addresses.sort_unstable();
        addresses
    };
    assert_eq!(sorted(Moment::End, POOL), [0x20, 0x50]);
    assert_eq!(sorted(Moment::End, Space::HEAP), [0x10, 0x20]);
    assert_eq!(sorted(Moment::TimeNs(25), POOL), [0x10, 0x20, 0x30, 0x40]);
    assert_eq!(sorted(Moment::TimeNs(25), Space::HEAP), [0x20]);
}

#[test]
fn mappings_are_an_account_of_their_own() {
    let mut builder = RecordingBuilder::with_process();
    let page = 4096;
    let events = [
        malloc(0x10, 100, 5),
        track(Space::MAPPINGS, 10 * page, 10 * page, 10),
        // The middle goes, then its place and more is mapped over.
        untrack(Space::MAPPINGS, 14 * page, 2 * page, 20),
        track(Space::MAPPINGS, 13 * page, 4 * page, 30),
        untrack(Space::MAPPINGS, page, 11 * page, 40),
    ];
    for event in events {
        builder.event(FIRST, 0, &event);
    }
    let recording = open(&builder);
    let found = totals(&recording);
    assert_eq!((found.live.bytes, found.peak.bytes), (100, 100));
    assert_eq!((found.mapped, found.maps, found.unmaps), (Amount { bytes: 8 * page, count: 3 }, 2, 2));
    assert_eq!(found.mapped_peak.bytes, 10 * page);
    let pages = |moment| -> Vec<u64> {
        addresses(&recording, moment, Some(vec![Space::MAPPINGS]))
            .iter()
            .map(|address| address / page)
            .collect()
    };
    assert_eq!(pages(Moment::End), [12, 13, 17]);
    assert_eq!(pages(Moment::TimeNs(25)), [10, 16]);
    assert_eq!(pages(Moment::Peak), [10]);
}

#[test]
fn a_mark_is_a_moment_with_all_events_up_to_its_stamp() {
    let mut builder = RecordingBuilder::with_process();
    let child = builder.process(Some(0), 5, None);
    for (process, stamp, name) in [(0, 20, "a"), (0, 30, "a"), (1, 5, "a"), (1, 25, "b")] {
        builder.command(process, CommandKind::Mark, 0, stamp, name);
    }
    builder.command(0, CommandKind::Clear, 0, 40, "clear");
    for (address, stamp) in [(0x10, 10), (0x20, 20), (0x30, 21)] {
        builder.event(FIRST, 0, &malloc(address, 1, stamp));
    }
    let recording = open(&builder);
    let mark = |name: &str| Moment::Mark(name.to_owned());
    assert_eq!(addresses(&recording, mark("a"), None), [0x10, 0x20]);
    // Of a name that another process alone has, that one's time.
    assert_eq!(addresses(&recording, mark("b"), None), [0x10, 0x20, 0x30]);
    let ns =
        |processes, name| resolve(&recording, processes, &mark(name)).map(|at| at.expect("it is fixed").ns);
    assert_eq!(ns(Processes::One(child), "a").unwrap(), 5);
    assert_eq!(ns(Processes::All, "a").unwrap(), 20);
    let error = ns(Processes::All, "clear").unwrap_err().to_string();
    let listed = "its 4 marks are a (0.00000002 s), a (0.00000003 s), a (0.000000005 s), b (0.000000025 s)";
    assert!(error.ends_with(&format!("has no mark 'clear'; {listed}")), "{error}");
    let none = resolve(&open(&RecordingBuilder::with_process()), Processes::All, &mark("a")).unwrap_err();
    assert!(none.to_string().contains("it has none"), "{none}");
}

#[test]
fn sums_tell_labels_apart_and_threads_not() {
    let mut builder = RecordingBuilder::with_process();
    let tag = |tag, stamp| Event::Tag { tag: TagIndex(tag), stamp: Stamp(stamp) };
    for (stream, start) in [(0, 0), (1, 100)] {
        for event in [malloc(start + 16, 1, start + 1), tag(3, start + 2), malloc(start + 32, 10, start + 3)]
        {
            builder.event(FIRST, stream, &event);
        }
    }
    let recording = open(&builder);
    let sums: RawSnapshot<EstimatesBy<Site>> =
        snapshot(&recording, Processes::One(FIRST), &Moment::End, &Selection::default())
            .expect("it is there");
    let rows: Vec<_> =
        sums.blocks.amounts.sorted().iter().map(|(site, sum)| (site.tag.0, sum.bytes, sum.count)).collect();
    assert_eq!(rows, [(0, 2, 2), (3, 20, 2)]);
}

#[test]
fn labels_hold_until_the_next_one_and_until_the_thread_ends() {
    let mut builder = RecordingBuilder::with_process();
    let tag = |tag, stamp| Event::Tag { tag: TagIndex(tag), stamp: Stamp(stamp) };
    let thread = tm_common::ids::ThreadIndex(9);
    for event in [
        malloc(0x10, 1, 10),
        tag(3, 11),
        malloc(0x20, 1, 12),
        tag(4, 13),
        malloc(0x30, 1, 14),
        Event::ThreadStart { thread, stamp: Stamp(15) },
        malloc(0x40, 1, 16),
    ] {
        builder.event(FIRST, 0, &event);
    }
    let recording = open(&builder);
    let mut tags = Vec::new();
    events(&recording, FIRST, |event| tags.push(recording.thread_tags.tag(event.thread_tag).0))
        .expect("it is there");
    assert_eq!(tags, [0, 3, 4, 0]);
    let addresses = |selection: Selection| -> Vec<u64> {
        let found: RawSnapshot =
            snapshot(&recording, Processes::One(FIRST), &Moment::End, &selection).expect("it is there");
        found.blocks.iter().map(|block| block.address.0).collect()
    };
    assert_eq!(addresses(Selection { tags: Some(vec![TagIndex(4)]), ..Selection::default() }), [0x30]);
    let of_thread = Selection { threads: Some(vec![thread]), ..Selection::default() };
    assert_eq!(addresses(of_thread), [0x40]);
}
