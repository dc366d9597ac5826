//! Made-up sums for the tests of formats.

use tm_analyzer::model::{
    Activity, ActivityProfile, ActivityRow, Amount, Counted, Frame, Origin, Shown, StackList, Traceback,
};

/// A frame of a function.
pub fn frame(function: &str, file: &str, line: u32) -> Frame {
    Frame { function: Some(function.into()), ..Frame::new(file, line) }
}

/// One live block a row (frames from the outermost on, tag, bytes); as much again was freed, and half of the blocks at once.
pub fn activity(rows: &[(&[Frame], Option<&str>, u64)]) -> ActivityProfile {
    let mut stacks = StackList::default();
    let row = |(frames, tag, bytes): &(&[Frame], Option<&str>, u64)| {
        let amount = |bytes: u64, count: u64| Amount { bytes, count };
        stacks.push(Traceback::new(frames.iter().rev().cloned().collect(), None).view());
        ActivityRow {
            tag: tag.map(Into::into),
            domain: 0,
            process: Some(7),
            amount: Activity {
                allocated: amount(2 * bytes, 2),
                freed: amount(*bytes, 1),
                temporary: amount(bytes / 2, 1),
                at_peak: amount(*bytes, 1),
                at_end: Amount::default(),
            },
            uncertainty: None,
        }
    };
    let origin = Origin {
        recording: "tm.prog.7.bin".to_owned(),
        program: "/usr/bin/prog".to_owned(),
        command_line: vec!["prog".to_owned(), "an argument".to_owned()],
        host: "host".to_owned(),
        pid: 7,
        moment: "peak".to_owned(),
        moment_ns: 1_500_000_000,
        recorded_ns: 1_700_000_000_000_000_000,
        duration_ns: 3_000_000_000,
        ..Origin::default()
    };
    let rows = rows.iter().map(row).collect();
    ActivityProfile {
        rows,
        stacks,
        traceback_limit: 64,
        origin: Some(origin),
        shown: Shown::Peak,
        has_events: true,
        counted: Counted::ALL,
        from_ns: 0,
        until_ns: 3_000_000_000,
        domains: vec![(0, "heap".to_owned()), (77, "pool".to_owned())],
    }
}
