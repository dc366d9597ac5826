//! Memory mappings in a replay: what observers hear of them, and what stays apart.

use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, ProcessIndex, Space, StackId, Stamp};

use crate::model::{Amount, Moment};
use crate::reader::Recording;
use crate::replay::*;
use tm_testing::{Random, RecordingBuilder};

const FIRST: ProcessIndex = ProcessIndex(0);
const PAGE: u64 = 4096;

fn map(page: u64, n_pages: u64, stamp: u64) -> Event {
    let (space, stack) = (Space::MAPPINGS, StackId(stamp as u32));
    Event::Track { space, address: Address(PAGE * page), size: PAGE * n_pages, stack, stamp: Stamp(stamp) }
}

fn unmap(page: u64, n_pages: u64, stamp: u64) -> Event {
    let space = Space::MAPPINGS;
    Event::Untrack { space, address: Address(PAGE * page), size: PAGE * n_pages, stamp: Stamp(stamp) }
}

fn malloc(address: u64, stamp: u64) -> Event {
    let (function, stack) = (Function::Malloc, StackId(stamp as u32));
    Event::Allocate { function, address: Address(address), size: 10, stack, stamp: Stamp(stamp) }
}

fn free(address: u64, stamp: u64) -> Event {
    Event::Free { function: Function::Free, address: Address(address), stamp: Stamp(stamp) }
}

fn recording(events: &[Event]) -> Recording {
    let mut builder = RecordingBuilder::with_process();
    events.iter().for_each(|event| builder.event(FIRST, 0, event));
    Recording::open(builder.file().path()).expect("it is valid")
}

fn of(space: Space) -> Selection {
    Selection { spaces: Some(vec![space]), ..Selection::default() }
}

fn run_all<O: Observer>(recording: &Recording, observer: impl Fn() -> O, mut done: impl FnMut(O)) {
    let processes = Processes::One(FIRST);
    run(recording, processes, Stamp(u64::MAX), |_| observer(), |_, observer| done(observer))
        .expect("it is there");
}

#[test]
fn a_reservation_is_larger_than_any_block() {
    let found = recording(&[map(1, 1 << 36, 10), unmap(1 << 20, 1, 20)]);
    let totals = all_totals(&found);
    assert_eq!(totals.processes[0].1.mapped, Amount { bytes: PAGE * ((1 << 36) - 1), count: 2 });
}

#[test]
fn the_peak_is_what_was_there_when_it_was_first_reached() {
    let found =
        recording(&[map(10, 10, 10), map(10, 10, 20), map(12, 2, 30), map(40, 1, 40), unmap(10, 31, 50)]);
    let births = |moment| -> Vec<u64> {
        let raw: RawSnapshot =
            snapshot(&found, Processes::One(FIRST), &moment, &of(Space::MAPPINGS)).expect("it is there");
        raw.blocks.iter().map(|block| block.birth.0).collect()
    };
    assert_eq!(births(Moment::Peak), [20, 30, 20, 40]);
    let found = recording(&[map(10, 10, 10), map(10, 10, 20), map(12, 2, 30)]);
    let raw: RawSnapshot =
        snapshot(&found, Processes::One(FIRST), &Moment::Peak, &of(Space::MAPPINGS)).expect("it is there");
    assert_eq!(raw.blocks.iter().map(|block| block.birth.0).collect::<Vec<_>>(), [10]);
}

/// Each page that goes counts once, however often its range is cut.
#[test]
fn only_the_part_that_is_unmapped_is_churn() {
    let events: Vec<Event> = (0..10).map(|page| unmap(100 + page, 1, 20 + page)).collect();
    let found = recording(&[&[map(100, 20, 10)][..], &events].concat());
    let selection = of(Space::MAPPINGS);
    run_all(
        &found,
        || Churn::new(&selection, FIRST),
        |churn| assert_eq!(churn.sums.amounts.total().bytes, 10 * PAGE),
    );
    run_all(
        &found,
        || Lifetimes::new(&selection, FIRST, vec![15]),
        |lifetimes| {
            let pages: Vec<u64> =
                lifetimes.decades.iter().map(|sums| sums.amounts.total().bytes / PAGE).collect();
            assert_eq!(pages, [5, 5]);
        },
    );
}

#[test]
fn a_block_is_temporary_whatever_is_mapped_meanwhile() {
    let events =
        [malloc(0x10, 10), map(1, 4, 11), map(9, 4, 12), unmap(1, 1, 13), free(0x10, 14), unmap(9, 4, 15)];
    let found = recording(&events);
    for (space, expected) in [(Space::HEAP, vec![10]), (Space::MAPPINGS, vec![12])] {
        let selection = of(space);
        run_all(
            &found,
            || Lifetimes::new(&selection, FIRST, vec![]),
            |lifetimes| {
                let stacks: Vec<u64> = lifetimes
                    .temporary
                    .amounts
                    .sorted()
                    .iter()
                    .map(|(site, _)| site.stack.0.into())
                    .collect();
                assert_eq!(stacks, expected);
            },
        );
    }
}

/// The most of all steps is the peak, and no report on the heap has anything of it.
#[test]
fn timelines_and_sums_are_of_one_account() {
    let mut random = Random::new(7);
    let mut events = vec![malloc(0x10, 5)];
    for stamp in (10..3_000).step_by(3) {
        let (page, n) = (1 + random.below(200), 1 + random.below(40));
        events.push(if random.below(3) > 0 { map(page, n, stamp) } else { unmap(page, n, stamp) });
    }
    let found = recording(&events);
    let totals = all_totals(&found).processes[0].1;
    let maps = events.iter().filter(|event| matches!(event, Event::Track { .. })).count() as u64;
    for (selection, most, count) in [
        (Selection::default(), 10, 1),
        (of(Space::HEAP), 10, 1),
        (of(Space::MAPPINGS), totals.mapped_peak.bytes, maps),
    ] {
        let new = || Timeline::new(&selection, (Stamp(0), Stamp(3_000)), 50, std::iter::empty());
        run_all(&found, new, |timeline| {
            assert_eq!(timeline.finish().iter().map(|step| step.most.bytes).max(), Some(most));
        });
        run_all(
            &found,
            || Allocations::new(&selection, FIRST),
            |allocations| {
                assert_eq!(allocations.sums.amounts.total().count, count);
            },
        );
    }
}
