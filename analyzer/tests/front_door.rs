//! The example of the crate, run as a stranger would run it.

use std::process::{Command, Output};

use tm_analyzer::ids::{Address, ProcessIndex, StackId, Stamp};
use tm_common::event::Event;
use tm_common::functions::Function;
use tm_testing::RecordingBuilder;

fn top_at_peak(path: &std::path::Path) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--offline", "--package", "tm-analyzer", "--example", "top_at_peak", "--"]);
    cargo.arg(path).output().expect("cargo runs")
}

#[test]
fn ten_lines_tell_who_held_the_memory_at_the_peak() {
    let mut builder = RecordingBuilder::with_process();
    let modules = [(0x1000, "/opt/prog"), (0x3000, "/opt/libx.so")];
    for (start, path) in modules {
        builder.module(0, 0, (start, start + 0x1000), path);
    }
    let stacks = modules.map(|(start, _)| builder.node(StackId::NONE, start + 0x11));
    let malloc = |address, size, stack, stamp| Event::Allocate {
        function: Function::Malloc,
        address: Address(address),
        size,
        stack,
        stamp: Stamp(stamp),
    };
    let events = [
        malloc(0x10, 100, stacks[0], 10),
        malloc(0x20, 300, stacks[1], 20),
        malloc(0x30, 300, stacks[1], 30),
        Event::Free { function: Function::Free, address: Address(0x20), stamp: Stamp(40) },
    ];
    for event in events {
        builder.event(ProcessIndex(0), 0, &event);
    }
    let file = builder.file();
    let output = top_at_peak(file.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = "libx.so+0x10:0: size=600 B, count=2, average=300 B\n\
                    prog+0x10:0: size=100 B, count=1, average=100 B\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn what_is_no_recording_is_an_error_that_can_be_matched() {
    use tm_analyzer::{Error, Recording};
    let missing = Recording::open("no/such.bin".as_ref()).expect_err("it is not there");
    assert!(matches!(&missing, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound));
    assert!(std::error::Error::source(&missing).is_some());
    assert!(!top_at_peak("no/such.bin".as_ref()).status.success());
}
