//! A process and its forked child, each with its own memory of one file.

use core::sync::atomic::Ordering;

use tm_common::header::{GRAIN_BYTES, SharedRoom};
use tm_common::ids::{Stamp, ThreadIndex};
use tm_common::segment::SegmentKind;

use super::super::Recording;
use super::super::tests::Scratch;
use crate::config::Config;

const LIMIT_BYTES: u64 = 4 << 20;

fn begin(scratch: &Scratch, limit_bytes: u64) -> [&'static Recording; 2] {
    let config = Config { limit_bytes, ..Config::DEFAULT };
    let parent = scratch.create_as(&config).expect("the scratch folder is writable");
    // SAFETY: what a fork does: the copy has the same mappings, none of which goes before the test does. It is never dropped.
    let child = std::boxed::Box::new(unsafe { core::ptr::read(parent) });
    [parent, std::boxed::Box::leak(child)]
}

fn end_grain(recording: &Recording) -> u64 {
    recording.header().expect("it is created").end_grain.load(Ordering::Relaxed)
}

#[test]
fn a_child_takes_room_from_what_its_parent_has_begun_since() {
    let scratch = Scratch::new("shared");
    let [parent, child] = begin(&scratch, LIMIT_BYTES);
    let name = |recording: &Recording, thread| {
        recording.add_thread(ThreadIndex(thread), 1, [0; 16], Stamp(0));
    };
    (0..1_000).for_each(|thread| name(parent, thread));
    // The parent fills the extent that its child has too, and begins another one.
    let before = end_grain(parent);
    while end_grain(parent) == before {
        assert!(parent.claim(4, 4).is_some());
    }
    name(parent, 1_000);
    let (_, segments) = scratch.segments();
    let count = |segments: &[(u64, tm_common::segment::SegmentHeader, std::vec::Vec<u8>)]| {
        segments.iter().filter(|(_, segment, _)| segment.kind == SegmentKind::Metadata).count()
    };
    let (n_segments, end) = (count(&segments), end_grain(parent));
    name(child, 1_001);
    let room = child.claim(1, 1).expect("the parent's extent has room");
    assert!(room.first_grain >= before, "it is in the parent's");
    let (_, segments) = scratch.segments();
    assert_eq!((count(&segments), end_grain(child)), (n_segments, end), "nothing was begun");
    // And the other way round.
    while end_grain(child) == end {
        assert!(child.claim(4, 4).is_some());
    }
    let end = end_grain(child);
    while let Some(room) = parent.claim(1, 1) {
        if room.first_grain >= end - 8 {
            break;
        }
        assert_eq!(end_grain(parent), end, "the child's extent has room");
    }
}

#[test]
fn without_a_limit_each_begins_its_own() {
    let scratch = Scratch::new("not-shared");
    let [parent, child] = begin(&scratch, 0);
    let before = end_grain(parent);
    while end_grain(parent) == before {
        assert!(parent.claim(4, 4).is_some());
    }
    assert_eq!(child.join(SharedRoom::Extent), None);
}

#[test]
fn what_is_no_such_room_is_not_used() {
    let scratch = Scratch::new("shared-badly");
    let [parent, child] = begin(&scratch, LIMIT_BYTES);
    parent.add_thread(ThreadIndex(1), 1, [0; 16], Stamp(0));
    let room = parent.claim(16, 16).expect("there is room");
    let header = parent.header().expect("it is created");
    let (_, segments) = scratch.segments();
    let metadata = segments.iter().find(|(_, segment, _)| segment.kind == SegmentKind::Metadata);
    let metadata = metadata.expect("there is some").0;
    let word = |first: u64, grains: u64| grains << 48 | first;
    let (first, end) = (room.first_grain, end_grain(parent));
    for word in [
        word(0, 1),
        word(1, 0),
        word(1, 62),
        word(metadata, 2),
        word(first, 16),
        word(end - 1, 2),
        word(end, 1),
        word((1 << 48) - 1, 1),
        u64::MAX,
    ] {
        for kind in [SharedRoom::Extent, SharedRoom::Stacks, SharedRoom::Metadata] {
            header.shared[kind as usize].store(word, Ordering::Relaxed);
            assert_eq!(child.join(kind), None, "{kind:?} {word:x}");
        }
    }
    header.shared[SharedRoom::Metadata as usize].store(word(metadata, 1), Ordering::Relaxed);
    let joined = child.join(SharedRoom::Metadata).expect("it is a segment of metadata");
    // SAFETY: it is mapped.
    let grains = unsafe { (*joined).grains };
    assert_eq!(usize::from(grains) * GRAIN_BYTES, GRAIN_BYTES);
    assert_eq!(child.join(SharedRoom::Metadata), None, "it is known by now");
}
