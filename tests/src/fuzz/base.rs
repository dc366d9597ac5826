//! The undamaged recordings that cases start from.

use tm_common::header::{GRAIN_BYTES, MappedHeader};
use tm_common::segment::SegmentKind;

use super::layout::{parts, put};
use crate::fixtures;
use crate::programs::compile;
use crate::run::Run;

/// The recording of version 1: two processes, three threads, one segment each.
pub fn small() -> Vec<u8> {
    prepared(fixtures::recording("version-1.bin"))
}

/// A recording of the present version, with several segments of events in one chain.
///
/// # Panics
/// The program cannot be recorded.
pub fn large() -> Vec<u8> {
    let program = compile("sample.c", &["-O1", "-g", "-pthread"]);
    let outcome = Run::new(program).args(["60"]).recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    let bytes = prepared(std::fs::read(outcome.recording()).expect("it was just written"));
    let chain = parts(&bytes).iter().filter(|part| part.header.kind == SegmentKind::Events).count();
    assert!(chain >= 5, "{chain} segments of events are too few to lose one in the middle");
    bytes
}

/// Without the room at the end that was not used, and with other names and build-ids for the libraries of this machine:
/// finding their functions would take most of the time.
fn prepared(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = parts(&bytes).iter().map(|part| part.start + part.len).max().expect("it has segments");
    bytes.truncate(end);
    let end_grain = (end / GRAIN_BYTES) as u64;
    put(&mut bytes, std::mem::offset_of!(MappedHeader, end_grain), 8, end_grain);
    for at in 0..end - 4 {
        if bytes[at..].starts_with(b"/lib") && !bytes[at + 4].is_ascii_lowercase() {
            bytes[at - 1] ^= 1;
            bytes[at + 1] = b'L';
        }
    }
    bytes
}
