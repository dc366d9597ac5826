//! The exact course of what is held, beside samples: where it is the peak's, and where it cannot be.

use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, Space, StackId, Stamp};
use tm_common::metadata::CommandKind;
use tm_common::sampling::{SampleRate, Totals};

use super::{FIRST, free, malloc, open};
use crate::reader::Recording;
use crate::replay::*;
use tm_testing::RecordingBuilder;

/// A size far above the mean of 64: each block is a sample that stands for itself.
const SIZE: u64 = 4_096;

fn held(bytes: i64, high: i64, stamp: u64) -> Event {
    let totals = Totals { held_bytes: bytes, held_high: high, ..Totals::default() };
    Event::Totals { space: Space::HEAP, totals, stamp: Stamp(stamp) }
}

fn builder() -> RecordingBuilder {
    let mut builder = RecordingBuilder::with_process();
    builder.sample_rate = SampleRate::of_bytes(64).expect("it is a rate");
    builder
}

/// The samples say that most lives at 50, the threads that it does at 20; and nothing lives at 60.
fn events(builder: &mut RecordingBuilder) {
    for event in [
        malloc(0x1_0000, SIZE, 20),
        held(9_000, 9_000, 21),
        malloc(0x2_0000, SIZE, 50),
        held(8_192, 8_192, 51),
        free(0x1_0000, 60),
        free(0x2_0000, 60),
        held(0, 8_192, 61),
    ] {
        builder.event(FIRST, 0, &event);
    }
}

fn peak(recording: &Recording) -> (u64, u64, bool) {
    let totals = all_totals(recording).processes[0].1;
    (totals.peak_stamp.0, totals.peak.count, totals.samples.is_peak_estimated)
}

/// The peaks of three observers, each of which finds its own; and the most of one of them.
fn peaks(recording: &Recording) -> [u64; 4] {
    let selection = Selection::default().in_recording(recording);
    let mut found = [0; 4];
    let until = Stamp(100);
    let time = || SliceTime {
        grid: Grid::new((Stamp(1), until), 1, std::iter::empty()),
        steps: vec![until],
        limits: Vec::new(),
        has_peak: true,
    };
    run(
        recording,
        Processes::One(FIRST),
        until,
        |_| {
            let points = ProgramPoints::new(&selection, |_| 0, Stamp(0), std::iter::empty());
            let timeline = Timeline::new(&selection, (Stamp(0), until), 1, std::iter::empty());
            (points, (timeline, Slices::new(&selection, time(), std::iter::empty())))
        },
        |_, (points, (timeline, slices))| {
            let (most, sums) = (timeline.finish()[0], slices.finish(FIRST));
            let boundary = sums.peak.expect("it is asked for");
            let boundary = sums.grid.stamps().nth(boundary).expect("it is one");
            found = [points.peak_stamp.0, boundary.0, most.at.0, most.most.bytes];
        },
    )
    .expect("it is there");
    found
}

#[test]
fn the_peak_is_that_of_what_threads_tell() {
    let mut builder = builder();
    events(&mut builder);
    let recording = open(&builder);
    assert_eq!(peak(&recording), (21, 1, false));
    assert_eq!(peaks(&recording), [21, 21, 21, 9_000]);
}

/// What was allocated before counts in no thread's totals, and its frees do.
#[test]
fn after_a_late_start_the_peak_is_that_of_the_samples() {
    for kind in [CommandKind::Start, CommandKind::Clear] {
        let mut builder = builder();
        builder.command(0, kind, 5, 10, "");
        events(&mut builder);
        let recording = open(&builder);
        assert_eq!(peak(&recording), (50, 2, true), "{kind:?}");
        assert_eq!(peaks(&recording), [50, 50, 50, 2 * SIZE], "{kind:?}");
    }
}

/// Every event, then a stop, then samples: of the latter the first totals are less than what lived before.
#[test]
fn a_phase_of_every_event_keeps_its_peak() {
    let mut builder = RecordingBuilder::with_process();
    builder.event(FIRST, 0, &malloc(0x9_0000, 1 << 20, 5));
    builder.event(FIRST, 0, &free(0x9_0000, 6));
    builder.command(0, CommandKind::Stop, 0, 8, "");
    builder.command(0, CommandKind::Start, 5, 10, "");
    builder.sample_rate = SampleRate::of_bytes(64).expect("it is a rate");
    events(&mut builder);
    let recording = open(&builder);
    assert_eq!(peak(&recording), (5, 1, true));
    assert_eq!(peaks(&recording), [5, 5, 5, 1 << 20]);
}

/// Threads tell what the heap holds: of another domain there are samples alone.
#[test]
fn what_is_in_another_domain_has_a_part_in_the_peak() {
    let mut builder = builder();
    let (space, address, stack) = (Space(2), Address(0x100), StackId::NONE);
    let track = Event::Track { space, address, size: 1 << 20, stack, stamp: Stamp(30) };
    events(&mut builder);
    builder.event(FIRST, 1, &track);
    let recording = open(&builder);
    assert_eq!(peak(&recording), (50, 3, true));
    assert_eq!(peaks(&recording), [50, 50, 50, (1 << 20) + 2 * SIZE]);
}

/// A sample of the heap counts where the program tells of it, also if that is no sample itself, until it ends there.
#[test]
fn a_sample_that_a_domain_tells_of_is_not_the_heap_s() {
    let label = |address, size, stamp| Event::Label {
        space: Space(2),
        address: Address(address),
        size,
        stamp: Stamp(stamp),
    };
    let untrack =
        |stamp| Event::Untrack { space: Space(2), address: Address(0x10_0000), size: 0, stamp: Stamp(stamp) };
    for (events, live, n_samples) in [
        (vec![label(0x10_0000, SIZE, 20)], 0, 1),
        (vec![label(0x10_0000, SIZE - 1, 20)], SIZE, 1),
        (vec![label(0x20_0000, SIZE, 20)], SIZE, 1),
        (vec![label(0x10_0000, SIZE, 20), label(0x10_0000, SIZE, 21)], 0, 1),
        (vec![label(0x10_0000, SIZE, 20), label(0x10_0000, 1, 21)], SIZE, 1),
        (vec![label(0x10_0000, SIZE, 20), untrack(30)], SIZE, 1),
        (vec![untrack(20)], SIZE, 1),
        (vec![label(0x10_0000, SIZE, 20), free(0x10_0000, 30)], 0, 1),
        (vec![label(0x10_0000, SIZE, 20), free(0x10_0000, 30), malloc(0x10_0000, SIZE, 40)], SIZE, 2),
    ] {
        let mut builder = builder();
        builder.event(FIRST, 0, &malloc(0x10_0000, SIZE, 10));
        events.iter().for_each(|event| builder.event(FIRST, 0, event));
        let totals = all_totals(&open(&builder)).processes[0].1;
        assert_eq!(
            (totals.live.bytes, totals.samples.uncertainty.n_samples),
            (live, n_samples),
            "{events:?}"
        );
        assert_eq!((totals.tracks, totals.untracks), (0, 0), "totals tell of them");
        assert_eq!((totals.unknown_frees, totals.missed_frees), (0, 0), "{events:?}");
    }
}

/// Between a sample and its end its thread may have allocated what was not drawn: its count of calls says so.
#[test]
fn a_sample_is_temporary_if_its_thread_made_no_call_before_its_end() {
    let mut builder = builder();
    let calls = |n_allocated, stamp| Event::Totals {
        space: Space::HEAP,
        totals: Totals { n_allocated, ..Totals::default() },
        stamp: Stamp(stamp),
    };
    for (place, (calls_at_birth, calls_at_end)) in
        [(1, Some(1)), (2, Some(3)), (4, None)].into_iter().enumerate()
    {
        let stamp = 10 * (1 + place as u64);
        let address = 0x1_0000 << place;
        builder.event(FIRST, 0, &malloc(address, SIZE << place, stamp));
        builder.event(FIRST, 0, &calls(calls_at_birth, stamp));
        if let Some(at_end) = calls_at_end {
            builder.event(FIRST, 0, &calls(at_end, stamp + 1));
        }
        builder.event(FIRST, 0, &free(address, stamp + 1));
    }
    // Another thread gives it back: its own calls say nothing of it.
    builder.event(FIRST, 0, &malloc(0x90_0000, SIZE << 4, 50));
    builder.event(FIRST, 0, &calls(5, 50));
    builder.event(FIRST, 1, &calls(5, 55));
    let address = Address(0x90_0000);
    builder.event(FIRST, 1, &Event::Free { function: Function::Free, address, stamp: Stamp(56) });
    let recording = open(&builder);
    let selection = Selection::default().in_recording(&recording);
    let mut temporary = 0;
    run(
        &recording,
        Processes::One(FIRST),
        Stamp(100),
        |_| Lifetimes::new(&selection, FIRST, Vec::new()),
        |_, lifetimes| lifetimes.temporary.amounts.iter().for_each(|(_, amount)| temporary += amount.bytes),
    )
    .expect("it is there");
    assert_eq!(temporary, SIZE);
}
