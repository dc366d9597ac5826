//! The snapshots that the reports' tests show.

use tm_analyzer::model::{Frame, Origin, Profile, Snapshot, Trace, Traceback};

/// A recording's origin without anything amiss.
pub(super) fn origin() -> Origin {
    Origin {
        recording: "tm.app.4321.bin".to_owned(),
        program: "app".to_owned(),
        command_line: vec!["app".to_owned(), "--fast".to_owned()],
        host: "host".to_owned(),
        pid: 4321,
        moment: "peak".to_owned(),
        moment_ns: 3_214_000_000,
        duration_ns: 12_500_000_000,
        live_bytes: 12_900_000,
        live_blocks: 45_678,
        ..Origin::default()
    }
}

/// An old profile without an origin and a new one with one.
pub(super) fn profiles() -> (Profile, Profile) {
    let frame = |file: &str, line, function: &str| Frame {
        function: Some(function.into()),
        ..Frame::new(file, line)
    };
    let main = frame("src/main.c", 9, "main");
    let node = frame("/home/user/quite/long/path/of/a/project/src/node.cpp", 1234, "Node::make(int)");
    let table = frame("src/table.c", 57, "table_grow");
    let trace = |size, frame: &Frame| Trace {
        domain: 0,
        size,
        traceback: Traceback::new(vec![frame.clone(), main.clone()], Some(2)),
        tag: None,
        sample: None,
    };
    let libc = Frame::new("libc.so.6+0x1234", 0);
    let mut old = vec![trace(64, &node); 200];
    old.extend([trace(976, &table), trace(1024, &libc)]);
    let mut new = vec![trace(64, &node); 1_000];
    new.extend(vec![trace(80, &table); 26]);
    new.push(trace(1024, &libc));
    let origin = Origin { live_bytes: 67_104, live_blocks: 1_027, ..origin() };
    let new = Snapshot { traces: new, traceback_limit: 16, origin: Some(origin) };
    (Snapshot::new(old, 16).profile(), new.profile())
}
