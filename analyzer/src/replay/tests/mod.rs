//! Histories whose truth is known, recorded with clocks that disagree.

use std::collections::BTreeMap;

use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, ProcessIndex, StackId, Stamp, ThreadIndex};

mod commands;
mod forks;
mod mappings;
mod sampling;

use crate::events::Block;
use crate::model::{Amount, Moment};
use crate::reader::Recording;
use crate::replay::{Processes, RawSnapshot, Selection, Totals, all_totals, events};
use tm_testing::{Random, RecordingBuilder};

pub(super) const FIRST: ProcessIndex = ProcessIndex(0);

pub(super) fn malloc(address: u64, size: u64, stamp: u64) -> Event {
    let (function, stack) = (Function::Malloc, StackId::NONE);
    Event::Allocate { function, address: Address(address), size, stack, stamp: Stamp(stamp) }
}

pub(super) fn free(address: u64, stamp: u64) -> Event {
    Event::Free { function: Function::Free, address: Address(address), stamp: Stamp(stamp) }
}

fn realloc(old: u64, new: u64, size: u64, (begin, end): (u64, u64)) -> Event {
    let (old, new, stack) = (Address(old), Address(new), StackId::NONE);
    Event::Reallocate { old, new, size, stack, begin: Stamp(begin), end: Stamp(end) }
}

pub(super) fn open(builder: &RecordingBuilder) -> Recording {
    Recording::open(builder.file().path()).expect("it is valid")
}

fn totals(recording: &Recording, process: u32) -> Totals {
    all_totals(recording).processes[process as usize].1
}

pub(super) fn snapshot(
    recording: &Recording,
    process: ProcessIndex,
    moment: Moment,
) -> crate::error::Result<RawSnapshot> {
    super::snapshot(recording, Processes::One(process), &moment, &Selection::default())
}

pub(super) fn addresses(recording: &Recording, process: u32, moment: Moment) -> Vec<u64> {
    let snapshot = snapshot(recording, ProcessIndex(process), moment).expect("the process is there");
    snapshot.blocks.iter().map(|block| block.address.0).collect()
}

#[test]
fn every_function_is_counted_where_it_belongs() {
    let mut builder = RecordingBuilder::with_process();
    let grow = Event::Allocate {
        function: Function::Realloc,
        address: Address(0x40),
        size: 5,
        stack: StackId::NONE,
        stamp: Stamp(20),
    };
    let shrink = Event::Free { function: Function::Realloc, address: Address(0x40), stamp: Stamp(40) };
    for event in [
        malloc(0x10, 100, 10),
        grow,
        realloc(0x10, 0x20, 300, (25, 30)),
        shrink,
        free(0x999, 50),
        malloc(0x20, 7, 60),
    ] {
        builder.event(FIRST, 0, &event);
    }
    let recording = open(&builder);
    let expected = Totals {
        allocations: 2,
        reallocations: 2,
        frees: 2,
        bytes_allocated: 412,
        live: Amount { bytes: 7, count: 1 },
        peak: Amount { bytes: 305, count: 2 },
        peak_stamp: Stamp(30),
        unknown_frees: 1,
        missed_frees: 1,
        ..Totals::default()
    };
    assert_eq!(totals(&recording, 0), expected);
}

#[test]
fn moments_are_what_was_live_then() {
    let mut builder = RecordingBuilder::with_process();
    for event in [malloc(0x10, 1, 100), malloc(0x20, 9, 200), free(0x20, 300), malloc(0x30, 2, 400)] {
        builder.event(FIRST, 0, &event);
    }
    let recording = open(&builder);
    let peak = snapshot(&recording, FIRST, Moment::Peak).expect("the process is there");
    assert_eq!((peak.moment_ns, peak.totals[0].1.peak.bytes, peak.blocks.len()), (200, 10, 2));
    assert_eq!(addresses(&recording, 0, Moment::Peak), [0x10, 0x20]);
    assert_eq!(addresses(&recording, 0, Moment::End), [0x10, 0x30]);
    assert_eq!(addresses(&recording, 0, Moment::TimeNs(99)), [0u64; 0]);
    assert_eq!(addresses(&recording, 0, Moment::TimeNs(200)), [0x10, 0x20]);
    assert_eq!(addresses(&recording, 0, Moment::Percent(0.03)), [0x10]);
    assert!(snapshot(&recording, ProcessIndex(3), Moment::End).is_err());
}

#[test]
fn the_peak_is_that_of_a_naive_replay() {
    let mut random = Random::new(3);
    for _ in 0..20 {
        let mut builder = RecordingBuilder::with_process();
        let mut live = BTreeMap::new();
        let mut peak = (0, BTreeMap::new());
        for place in 1..500 {
            let (address, new) = (16 * (1 + random.below(20)), 16 * (1 + random.below(20)));
            let (size, now) = (random.below(1_000), 100 * place);
            let event = match (live.contains_key(&address), live.contains_key(&new)) {
                (true, taken) if random.below(2) == 0 && (!taken || new == address) => {
                    live.remove(&address);
                    live.insert(new, size);
                    realloc(address, new, size, (now, now + 7))
                }
                (true, _) => {
                    live.remove(&address);
                    free(address, now)
                }
                (false, _) => {
                    live.insert(address, size);
                    malloc(address, size, now)
                }
            };
            builder.event(FIRST, 0, &event);
            if live.values().sum::<u64>() > peak.0 {
                peak = (live.values().sum(), live.clone());
            }
        }
        let found = snapshot(&open(&builder), FIRST, Moment::Peak).expect("the process is there");
        assert_eq!(
            (found.totals[0].1.peak.bytes, found.totals[0].1.peak.count),
            (peak.0, peak.1.len() as u64)
        );
        let blocks: BTreeMap<u64, u64> =
            found.blocks.iter().map(|block| (block.address.0, block.size)).collect();
        assert_eq!(blocks, peak.1);
    }
}

#[test]
fn a_ring_names_its_threads() {
    let mut builder = RecordingBuilder::with_process();
    builder.event(FIRST, 0, &malloc(0x10, 1, 10));
    builder.event(FIRST, 0, &Event::ThreadStart { thread: ThreadIndex(9), stamp: Stamp(20) });
    builder.event(FIRST, 0, &malloc(0x20, 1, 30));
    let recording = open(&builder);
    let mut threads = Vec::new();
    events(&recording, FIRST, |event| threads.push(recording.thread_tags.thread(event.thread_tag).0))
        .expect("the process is there");
    assert_eq!(threads, [0, 9]);
}

/// A true history of several threads, and what it leaves.
struct History {
    /// (thread, true time in ns, event), by time.
    events: Vec<(u64, u64, Event)>,
    live: BTreeMap<u64, u64>,
    n_allocations: u64,
    n_frees: u64,
}

/// `n_events` events of `n_threads` that pass `n_addresses` around; `pause_ns` between them on the average. An address
/// rests for `rest_ns` after an allocation and after a free before there is another of the same kind. After each
/// `burst` events everything rests.
fn history(
    random: &mut Random,
    n_events: u64,
    n_threads: u64,
    n_addresses: u64,
    pause_ns: u64,
    rest_ns: u64,
    burst: u64,
) -> History {
    let mut history = History { events: Vec::new(), live: BTreeMap::new(), n_allocations: 0, n_frees: 0 };
    let mut latest: BTreeMap<(u64, bool), u64> = BTreeMap::new();
    let mut now = 100_000;
    while (history.events.len() as u64) < n_events {
        now += 1 + random.below(2 * pause_ns);
        if burst > 0 && (history.events.len() as u64).is_multiple_of(burst) {
            now += 45_000; // more than the tolerance and both clocks' errors
        }
        let address = 16 * (1 + random.below(n_addresses));
        let thread = random.below(n_threads);
        let is_free = history.live.contains_key(&address);
        if latest.get(&(address, is_free)).is_some_and(|&then| now - then < rest_ns) {
            continue;
        }
        latest.insert((address, is_free), now);
        if is_free {
            history.live.remove(&address);
            history.n_frees += 1;
            history.events.push((thread, now, free(address, 0)));
        } else {
            let size = history.events.len() as u64 + 1;
            history.live.insert(address, size);
            history.n_allocations += 1;
            history.events.push((thread, now, malloc(address, size, 0)));
        }
    }
    history
}

/// Records a history with clocks that are up to `error_ns` wrong, but never go back within a thread.
fn record(history: &History, random: &mut Random, error_ns: u64, constant: bool) -> Recording {
    let mut builder = RecordingBuilder::with_process();
    let mut latest = [0u64; 16];
    let offsets: Vec<u64> = (0..16).map(|_| random.below(2 * error_ns + 1)).collect();
    for (thread, time, event) in &history.events {
        let error = if constant { offsets[*thread as usize] } else { random.below(2 * error_ns + 1) };
        let stamp = (time + error - error_ns).max(latest[*thread as usize]);
        latest[*thread as usize] = stamp;
        let mut event = *event;
        match &mut event {
            Event::Allocate { stamp: at, .. } | Event::Free { stamp: at, .. } => *at = Stamp(stamp),
            _ => {}
        }
        builder.event(FIRST, *thread as u32, &event);
    }
    open(&builder)
}

#[test]
fn histories_come_back_exactly_though_clocks_disagree() {
    let mut random = Random::new(5);
    for round in 0..60 {
        let (threads, addresses) = (2 + round % 7, 1 + random.below(40));
        let history = history(&mut random, 2_000, threads, addresses, 2_000, 21_000, 0);
        let recording = record(&history, &mut random, 10_000, round % 2 == 0);
        let found = snapshot(&recording, FIRST, Moment::End).expect("the process is there");
        let totals = found.totals[0].1;
        assert_eq!((totals.unknown_frees, totals.missed_frees), (0, 0), "round {round}");
        assert_eq!((totals.allocations, totals.frees), (history.n_allocations, history.n_frees));
        let blocks: BTreeMap<u64, u64> =
            found.blocks.iter().map(|&Block { address, size, .. }| (address.0, size)).collect();
        assert_eq!(blocks, history.live);
        assert_eq!(totals.live.bytes, history.live.values().sum::<u64>());
    }
}

/// Where an address is used several times within the clocks' error, nothing tells which block was first; but what is
/// live, and how often something happened, is known all the same.
fn hand_offs(seed: u64, error_ns: u64, burst: u64) {
    let mut random = Random::new(seed);
    for round in 0..200 {
        let (threads, addresses) = (2 + round % 7, 1 + random.below(12));
        let pause_ns = 50 + random.below(4_000);
        let history = history(&mut random, 1_500, threads, addresses, pause_ns, 0, burst);
        let recording = record(&history, &mut random, error_ns, round % 2 == 0);
        let found = snapshot(&recording, FIRST, Moment::End).expect("the process is there");
        let totals = found.totals[0].1;
        let what = format!("round {round}: {threads} threads, {addresses} addresses, {pause_ns} ns");
        assert_eq!((totals.unknown_frees, totals.missed_frees), (0, 0), "{what}");
        assert_eq!((totals.allocations, totals.frees), (history.n_allocations, history.n_frees));
        let live: Vec<u64> = found.blocks.iter().map(|block| block.address.0).collect();
        assert_eq!(live, history.live.keys().copied().collect::<Vec<_>>(), "{what}");
        assert_eq!(totals.live.bytes, found.blocks.iter().map(|block| block.size).sum::<u64>());
    }
}

#[test]
fn bursts_of_hand_offs_lose_and_invent_nothing() {
    hand_offs(6, 10_000, 100);
}

/// Counters of real machines differ by less than a microsecond.
#[test]
fn endless_hand_offs_lose_and_invent_nothing_with_real_clocks() {
    hand_offs(7, 500, 0);
}

#[test]
fn what_comes_too_late_is_left_over() {
    let mut builder = RecordingBuilder::with_process();
    for event in [malloc(0x10, 1, 1_000), free(0x10, 40_000)] {
        builder.event(FIRST, 0, &event);
    }
    builder.event(FIRST, 1, &malloc(0x10, 2, 15_000));
    let recording = open(&builder);
    let totals = totals(&recording, 0);
    assert_eq!((totals.missed_frees, totals.unknown_frees, totals.live.count), (1, 0, 0));
}
