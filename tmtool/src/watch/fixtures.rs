//! Made-up samples for tests.

use tm_common::ids::Stamp;

use super::data::history::History;
use super::data::sample::{Facts, Interval, LargestStack, Name, Row, Sample, State};
use super::data::sums::Figures;
use tm_analyzer::model::{Amount, Frame, KeyType, Traceback, Uncertainty};
use tm_analyzer::replay::MemoryKind;

/// A row called `file:line` that holds one byte.
pub fn named(id: u64, file: &str, line: u32) -> Row {
    let name = Name::Place(Traceback::new(vec![Frame::new(file, line)], None));
    let live = Amount::of_block(1);
    let figures = Figures { live, ..Figures::default() };
    Row { id, name, figures, uncertainty: Uncertainty::EXACT, largest: None }
}

fn row(id: u64, frame: (&str, u32, Option<&str>), live: (u64, u64), allocated: (u64, u64)) -> Row {
    let (file, line, function) = frame;
    let frame = Frame { function: function.map(Into::into), ..Frame::new(file, line) };
    let sum = |(bytes, count)| Amount { bytes, count };
    let lately = Amount { bytes: allocated.0 / 10, count: allocated.1 / 10 };
    let figures = Figures { live: sum(live), allocated: sum(allocated), lately };
    let mut main = Frame::new("src/main.c", 9);
    main.function = Some("main".into());
    let traceback = Traceback::new(vec![frame.clone(), main], Some(2));
    let largest = Some(LargestStack { traceback, figures, n_stacks: 3 });
    let name = Name::Place(Traceback::new(vec![frame], None));
    Row { id, name, figures, uncertainty: Uncertainty::EXACT, largest }
}

/// Three rows.
pub fn rows() -> Vec<Row> {
    vec![
        row(1, ("src/a.c", 1, Some("first")), (62_000, 1_000), (640_000, 10_000)),
        row(2, ("lib.so+0x10", 0, None), (1_024, 1), (9_000_000, 300_000)),
        row(3, ("src/b.c", 2, Some("second")), (13_000_000, 3_334), (13_000_000, 3_334)),
    ]
}

fn thread(tid: u32, name: &str, row: Row) -> Row {
    let name = Name::Thread { tid, name: name.to_owned() };
    Row { id: tid.into(), name, largest: None, ..row }
}

/// A process that has run for a minute.
pub fn sample() -> Sample {
    let mut history = History::new(Stamp(0), 10);
    for step in 0..120 {
        history.on_alloc(100_000, Stamp(step * 10));
    }
    let [first, second, _] = <[Row; 3]>::try_from(rows()).expect("there are three");
    Sample {
        facts: Facts {
            recording: "server.bin".to_owned(),
            recording_bytes: 12 << 20,
            program: "./server --port 80".to_owned(),
            pid: 4321,
            state: State::Running,
            elapsed_ns: 60_000_000_000,
            live: Amount { bytes: 13_063_024, count: 4_335 },
            peak: Amount { bytes: 14_000_000, count: 5_000 },
            peak_ns: 12_300_000_000,
            mapped: Amount { bytes: 30 << 20, count: 41 },
            mapped_peak: Amount { bytes: 32 << 20, count: 44 },
            n_lost: 0,
            n_threads: 2,
            is_estimated: false,
            lately: Interval { ns: 1_000_000_000, n_events: 61_234, n_bytes: 2_264_000, is_first: false },
            notes: Vec::new(),
        },
        history,
        key_type: KeyType::Lineno,
        memory_kind: MemoryKind::Traced,
        traceback_limit: 16,
        sites: rows(),
        threads: vec![thread(4321, "server", first), thread(4330, "worker", second)],
    }
}
