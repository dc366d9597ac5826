//! Forked processes in recordings that are laid out by hand: what they inherit, what counts for whom, and their ends.

use tm_common::ids::{ProcessIndex, Stamp};

use super::{FIRST, addresses, free, malloc, open, snapshot};
use crate::events::Block;
use crate::model::{Amount, EstimatesBy, Moment};
use crate::reader::Recording;
use crate::replay::{
    Allocations, Churn, Engine, Lifetimes, Observer, Processes, Selection, Site, all_totals, run,
};
use tm_testing::RecordingBuilder;

#[test]
fn a_forked_process_starts_with_its_parents_blocks() {
    let mut builder = RecordingBuilder::with_process();
    let child = builder.process(Some(0), 150, None);
    let grandchild = builder.process(Some(1), 250, None);
    for event in [malloc(0x10, 1, 100), malloc(0x20, 2, 140), free(0x10, 160), malloc(0x30, 4, 170)] {
        builder.event(FIRST, 0, &event);
    }
    for event in [free(0x10, 200), malloc(0x10, 50, 210), free(0x20, 260)] {
        builder.event(child, 1, &event);
    }
    builder.event(grandchild, 2, &free(0x20, 300));
    let recording = open(&builder);
    assert_eq!(addresses(&recording, 0, Moment::End), [0x20, 0x30]);
    assert_eq!(addresses(&recording, 1, Moment::End), [0x10]);
    assert_eq!(addresses(&recording, 1, Moment::TimeNs(205)), [0x20]);
    assert_eq!(addresses(&recording, 1, Moment::TimeNs(150)), [0x10, 0x20]);
    assert_eq!(addresses(&recording, 2, Moment::End), [0x10]);
    let too_early =
        snapshot(&recording, child, Moment::TimeNs(149)).expect_err("it did not exist").to_string();
    let message = "process 101 began at 0.00000015 s, after 0.000000149 s";
    assert!(too_early.ends_with(message), "{too_early}");
    let all = all_totals(&recording);
    let found = all.processes.iter().map(|(_, t)| (t.live.count, t.frees, t.allocations));
    assert_eq!(found.collect::<Vec<_>>(), [(2, 1, 3), (1, 2, 1), (1, 1, 0)]);
    assert!(all.processes.iter().all(|(_, totals)| totals.unknown_frees + totals.missed_frees == 0));
    // Of all processes, inherited blocks count for the one that allocated them.
    let of_all = |moment| {
        let found =
            crate::replay::snapshot::<Vec<Block>>(&recording, Processes::All, &moment, &Selection::default());
        found.expect("they are there").blocks.iter().map(|block| block.size).collect::<Vec<_>>()
    };
    assert_eq!(of_all(Moment::End), [50, 2, 4]);
    assert_eq!(of_all(Moment::TimeNs(145)), [1, 2]);
}

/// The sums by size of an observer of all processes, up to `until`.
fn sum_of_all<O: Observer>(
    recording: &Recording,
    until: u64,
    observer: impl Fn(ProcessIndex) -> O,
    sums_of: impl Fn(O) -> EstimatesBy<Site>,
) -> Amount {
    let mut sums = EstimatesBy::default();
    let done = |_: &Engine<'_>, observer| sums.merge(&sums_of(observer));
    run(recording, Processes::All, Stamp(until), |engine| observer(engine.process()), done)
        .expect("it is valid");
    sums.amounts.total()
}

#[test]
fn what_an_ended_process_did_counts_and_what_it_had_does_not() {
    let mut builder = RecordingBuilder::with_process();
    let child = builder.process(Some(0), 150, Some(300));
    builder.event(FIRST, 0, &malloc(0x10, 1, 100));
    for event in [malloc(0x20, 10, 200), free(0x20, 210), malloc(0x30, 100, 220)] {
        builder.event(child, 1, &event);
    }
    let (recording, all) = (open(&builder), Selection::default());
    for (until, sizes) in [(250, vec![100, 1]), (400, vec![1])] {
        let allocated = sum_of_all(&recording, until, |of| Allocations::new(&all, of), |found| found.sums);
        assert_eq!(allocated, Amount { bytes: 111, count: 3 });
        let churn = sum_of_all(&recording, until, |of| Churn::new(&all, of), |found| found.sums);
        assert_eq!(churn, Amount { bytes: 10, count: 1 });
        let live =
            crate::replay::snapshot::<Vec<Block>>(&recording, Processes::All, &Moment::TimeNs(until), &all)
                .expect("it is there");
        assert_eq!(live.blocks.iter().map(|block| block.size).collect::<Vec<_>>(), sizes);
    }
}

#[test]
fn an_inherited_block_that_each_process_frees_is_freed_once() {
    let mut builder = RecordingBuilder::with_process();
    let child = builder.process(Some(0), 150, None);
    let orphan = builder.process(Some(7), 150, None);
    for event in [malloc(0x10, 1, 100), malloc(0x20, 2, 110), free(0x10, 160)] {
        builder.event(FIRST, 0, &event);
    }
    for event in [free(0x10, 200), free(0x20, 210), malloc(0x10, 4, 220), free(0x10, 230)] {
        builder.event(child, 1, &event);
    }
    for event in [malloc(0x10, 8, 200), free(0x10, 210)] {
        builder.event(orphan, 2, &event);
    }
    let (recording, all) = (open(&builder), Selection::default());
    let once = Amount { bytes: 13, count: 3 };
    assert_eq!(sum_of_all(&recording, u64::MAX, |of| Churn::new(&all, of), |found| found.sums), once);
    let by_lifetime = sum_of_all(
        &recording,
        u64::MAX,
        |of| Lifetimes::new(&all, of, Vec::new()),
        |found| found.decades.into_iter().next().unwrap_or_default(),
    );
    assert_eq!(by_lifetime, once);
}

/// A process that ended does not get older, nor do its blocks.
#[test]
fn ages_end_with_the_process() {
    let mut builder = RecordingBuilder::with_process();
    let child = builder.process(Some(0), 150, Some(300));
    builder.event(FIRST, 0, &malloc(0x10, 1, 100));
    builder.event(child, 1, &malloc(0x20, 10, 200));
    let recording = open(&builder);
    let sizes = |processes, moment, ages| {
        let selection = Selection { ages, ..Selection::default() };
        let found = crate::replay::snapshot::<Vec<Block>>(&recording, processes, &moment, &selection)
            .expect("it is there");
        found.blocks.iter().map(|block| block.size).collect::<Vec<_>>()
    };
    for moment in [Moment::End, Moment::TimeNs(300), Moment::TimeNs(900_000)] {
        assert_eq!(sizes(Processes::One(child), moment.clone(), 100..=100), [10], "{moment}");
        assert_eq!(sizes(Processes::One(child), moment, 101..=u64::MAX), [1]);
    }
    assert_eq!(sizes(Processes::One(child), Moment::TimeNs(250), 50..=50), [10]);
    assert_eq!(sizes(Processes::All, Moment::End, 0..=100), [10]);
}
