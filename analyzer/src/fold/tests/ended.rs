//! Processes that have ended, and those that begin when their parent's events are folded.

use std::collections::BTreeSet;

use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, StackId};
use tm_testing::RecordingBuilder;

use super::*;

/// A child of which nothing is folded, whose parent did nothing between the fork and the moment up to which it is folded.
#[test]
fn nothing_is_unknown_of_a_child_whose_parent_did_nothing_since() {
    let stack = StackId::NONE;
    let of = |function, address, stamp| match function {
        Function::Free => Event::Free { function, address: Address(address), stamp: Stamp(stamp) },
        _ => Event::Allocate { function, address: Address(address), size: 8, stack, stamp: Stamp(stamp) },
    };
    for (parent_again, is_known) in [(9_000, true), (3_000, false)] {
        let mut builder = RecordingBuilder::new();
        builder.process(None, 0, None);
        builder.process(Some(0), 2_000, None);
        let (parent, child) = (ProcessIndex(0), ProcessIndex(1));
        for (process, event) in [
            (parent, of(Function::Malloc, 16, 1_000)),
            (parent, of(Function::Malloc, 32, 2_000)),
            (parent, of(Function::Free, 32, parent_again)),
            (child, of(Function::Free, 16, 6_000)),
            (child, of(Function::Free, 32, 7_000)),
        ] {
            builder.event(process, 0, &event);
        }
        let file = builder.file();
        let whole = Recording::open(file.path()).expect("it is valid");
        let mut fold = fold(&whole, Stamp(5_000)).expect("it can be folded");
        retain(&mut fold, |process| process.index() == parent);
        let late = with_checkpoint(&file, &fold, 1);
        let recording = Recording::open(late.path()).expect("it is valid");
        let found = answers(&recording, Processes::One(child), &Selection::default());
        assert_eq!(found.damage.concat().is_empty(), is_known, "{:?}", found.damage);
        assert_eq!(found.totals[0].forgotten_frees, if is_known { 0 } else { 2 });
    }
}

/// A process that has ended: all of its room comes back, and it counts among all as it did. Where it was killed before the first event of a
/// segment, that begins later than all that is folded; and where its bytes mean nothing, they are said once.
#[test]
fn of_a_process_that_has_ended_what_it_did_is_kept_and_no_room() {
    let (empty, damaged) = (&[][..], &[0xff; 20][..]);
    for (is_sampled, last) in [(false, None), (true, None), (false, Some(empty)), (true, Some(damaged))] {
        let mut file = Program::new(12, is_sampled).run(8_000);
        let child = ProcessIndex(1);
        if let Some(bytes) = last {
            file = with_last_segment(&file, child, bytes);
        }
        let whole = Recording::open(file.path()).expect("it is valid");
        let mut recording = Recording::open(file.path()).expect("it is valid");
        recording.gone.insert(child);
        let early = fold(&recording, percent_of(&whole, 50)).expect("it can be folded");
        assert_eq!(are_closed(&early), [false, false], "it has more events");
        let first = with_checkpoint(&file, &early, 1);
        let mut recording = Recording::open(first.path()).expect("it is valid");
        recording.gone.insert(child);
        let late = fold(&recording, percent_of(&whole, 100)).expect("it can be folded");
        assert_eq!(are_closed(&late), [false, true]);
        let second = with_checkpoint(&first, &late, 2);
        let mut again = Recording::open(second.path()).expect("it is valid");
        assert!(again.streams.iter().all(|stream| stream.process != child), "nothing of it is read any more");
        // And once more, when nothing tells that it has ended.
        again.gone.clear();
        let third = fold(&again, percent_of(&whole, 100)).expect("it can be folded");
        let (third, n_gone) = without_folded(&with_checkpoint(&second, &third, 3));
        assert!(n_gone > 3);
        let folded = Recording::open(third.path()).expect("it is valid");
        compare_all(&folded, &whole);
        let damage = answers(&folded, Processes::All, &Selection::default()).damage.concat();
        let undecodable = Problem::UndecodableEvents { segments: 1, bytes: 20 };
        assert_eq!(damage.contains(&undecodable), last == Some(damaged), "{damage:?}");
        let refused = run(&folded, Processes::One(child), Stamp(u64::MAX), |_| (), |_, ()| ());
        assert!(matches!(refused, Err(Error::Closed { .. })), "{refused:?}");
    }
}

/// The recording with one more segment, behind those of the last stream of `process` and of `bytes`, that begins later than all events.
fn with_last_segment(file: &NamedTempFile, process: ProcessIndex, bytes: &[u8]) -> NamedTempFile {
    let recording = Recording::open(file.path()).expect("it is valid");
    let stream = recording.streams_of(process).last().expect("it has events");
    let last = stream.segments.last().expect("it is one");
    let header = SegmentHeader {
        used: bytes.len() as u32,
        stream: stream.index,
        sequence: last.sequence + 1,
        thread: last.thread,
        sample_rate: last.sample_rate,
        base_stamp: Stamp(percent_of(&recording, 100).0 + 1_000),
        ..SegmentHeader::empty(SegmentKind::Events, 1, process)
    };
    let mut all = std::fs::read(file.path()).expect("it is there");
    let end = all.len() + GRAIN_BYTES;
    all.extend(header_bytes(&header));
    all.extend(bytes);
    all.resize(end, 0);
    file_of(&all)
}

/// Whether each process is closed, by number.
fn are_closed(fold: &Fold) -> Vec<bool> {
    let body = Checkpoint::decode(&fold.bytes).expect("it was just made").body;
    let mut processes: Vec<FoldedProcess> = rmp_serde::from_slice(&body).expect("it was just made");
    processes.sort_by_key(FoldedProcess::index);
    processes.iter().map(FoldedProcess::is_closed).collect()
}

/// What all processes together are asked for, where some are closed.
pub(super) fn compare_all(folded: &Recording, whole: &Recording) {
    let all = Selection::default();
    let (found, expected) = (answers(folded, Processes::All, &all), answers(whole, Processes::All, &all));
    same(&found.totals, &expected.totals, "totals");
    same(&found.activities, &expected.activities, "activities");
    same(&found.allocated, &expected.allocated, "allocated");
    same(&found.damage, &expected.damage, "damage");
    assert_eq!(own(folded), own(whole));
}

/// What each process that was forked has made itself that is left, and what of it there was at its peak.
fn own(recording: &Recording) -> Vec<[Vec<Told>; 2]> {
    let mut found = Vec::new();
    run(
        recording,
        Processes::All,
        Stamp(u64::MAX),
        |_| (),
        |engine, ()| {
            let Some(fork) = replay::forked_at(recording, engine.process()) else { return };
            let is_own = |block: &Block| block.birth > fork;
            let live = engine.live().iter(MemoryKind::Traced).filter(is_own);
            let peak = engine.peak_blocks(MemoryKind::Traced).filter(is_own);
            found.push([told(recording, live), told(recording, peak)]);
        },
    )
    .expect("there are such processes");
    found
}

/// Processes 0, 1 and 2, each a fork of the one before; 1 ends at 500 µs, the others go on.
fn three_in_a_line(seed: u64) -> NamedTempFile {
    let (mut random, mut builder) = (Random::new(seed), RecordingBuilder::new());
    builder.grains = 1;
    builder.process(None, 0, None);
    builder.process(Some(0), 100_500, None);
    builder.process(Some(1), 200_500, None);
    let stacks: Vec<StackId> = (0..5).map(|pc| builder.node(StackId::NONE, 0x1000 + pc)).collect();
    let mut live: [BTreeSet<u64>; 3] = Default::default();
    for us in 1..1_000 {
        if let 101 | 201 = us {
            live[us as usize / 100] = live[us as usize / 100 - 1].clone();
        }
        let process = match us {
            0..101 => 0,
            101..201 => random.below(2) as usize,
            201..500 => random.below(3) as usize,
            _ => 2 * random.below(2) as usize,
        };
        let (address, size, stamp) = (16 * (1 + random.below(60)), random.below(300), Stamp(1_000 * us));
        let (at, stack) = (Address(address), stacks[random.below(5) as usize]);
        let event = if live[process].remove(&address) {
            Event::Free { function: Function::Free, address: at, stamp }
        } else {
            live[process].insert(address);
            Event::Allocate { function: Function::Malloc, address: at, size, stack, stamp }
        };
        builder.event(ProcessIndex(process as u32), process as u32, &event);
    }
    builder.file()
}

/// A process whose parent has ended and is closed is folded on by itself.
#[test]
fn a_process_whose_parent_has_ended_goes_on() {
    for seed in 0..3 {
        let file = three_in_a_line(seed);
        let whole = Recording::open(file.path()).expect("it is valid");
        let mut folded = file_of(&std::fs::read(file.path()).expect("it is there"));
        for (number, percent) in [(1, 40), (2, 60), (3, 80)] {
            let mut recording = Recording::open(folded.path()).expect("it is valid");
            recording.gone.insert(ProcessIndex(1));
            let until = percent_of(&whole, percent);
            let fold = fold(&recording, until).expect("it can be folded");
            assert_eq!(are_closed(&fold), [false, percent > 50, false]);
            folded = without_folded(&with_checkpoint(&folded, &fold, number)).0;
            let recording = Recording::open(folded.path()).expect("it is valid");
            compare_all(&recording, &whole);
            for process in [0, 2].map(|process| Processes::One(ProcessIndex(process))) {
                let [found, expected] =
                    [&recording, &whole].map(|of| answers(of, process, &Selection::default()));
                assert_eq!(found, expected, "seed {seed}, {percent} %, {process:?}");
            }
        }
    }
}
