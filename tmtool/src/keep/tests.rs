//! A keeper that ends at each step, and the next one: it has what that one had, once, and nothing of what the processes have.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::Ordering;

use tempfile::NamedTempFile;
use tm_common::free_list::{Top, next_of};
use tm_common::header::{GRAIN_BYTES, MAGIC, MappedHeader, VERSION};
use tm_common::ids::{ProcessIndex, Stamp, StreamIndex};
use tm_common::segment::{SegmentHeader, SegmentKind};

use super::file::KeptFile;
use super::recover::recover;
use super::room::Room;

const EXTENT: u64 = 17;
const LIMIT: u64 = 256;
const FIRST: u64 = 64;

/// A recording with a header, room for four extents at its end, and extents that streams have, by their first grains.
struct Recording(NamedTempFile);

impl Recording {
    fn new(own: &[u64]) -> Recording {
        let file = NamedTempFile::new().expect("a temporary file");
        let mut header = [0; GRAIN_BYTES];
        header[..8].copy_from_slice(&MAGIC);
        let mut put = |at: usize, value: u64| header[at..at + 8].copy_from_slice(&value.to_le_bytes());
        put(std::mem::offset_of!(MappedHeader, version), 3);
        put(std::mem::offset_of!(MappedHeader, end_grain), LIMIT - 4 * EXTENT);
        put(std::mem::offset_of!(MappedHeader, limit_grains), LIMIT);
        put(std::mem::offset_of!(MappedHeader, extent_grains), EXTENT);
        file.as_file().set_len(LIMIT * GRAIN_BYTES as u64).expect("it takes no room");
        file.as_file().write_all_at(&header, 0).expect("it can be written");
        let recording = Recording(file);
        own.iter().for_each(|&first| recording.put_own(first, 16));
        recording
    }

    fn file(&self) -> &File {
        self.0.as_file()
    }

    /// Puts an extent that a stream has, with a segment of `grains`.
    fn put_own(&self, first: u64, grains: u16) {
        let stream = StreamIndex(4);
        let extent = SegmentHeader {
            used: EXTENT as u32,
            stream: StreamIndex(stream.0 + 1),
            sequence: EXTENT as u32,
            base_stamp: Stamp(first),
            ..SegmentHeader::empty(SegmentKind::Extent, 1, ProcessIndex(0))
        };
        let events = SegmentHeader {
            used: 100,
            stream,
            ..SegmentHeader::empty(SegmentKind::Events, grains, ProcessIndex(0))
        };
        for (header, grain) in [(extent, first), (events, first + 1)] {
            let bytes = header.mapped().into_bytes();
            self.file().write_all_at(&bytes, grain * GRAIN_BYTES as u64).expect("it can be written");
        }
    }

    /// The next keeper.
    fn room(&self) -> Room {
        let file = KeptFile::open(self.0.path(), Path::new("a.bin")).expect("it is one");
        recover(file).expect("it can be read")
    }

    fn is_zero(&self, grains: std::ops::Range<u64>) -> bool {
        let mut bytes = vec![1; ((grains.end - grains.start) * GRAIN_BYTES as u64) as usize];
        self.file().read_exact_at(&mut bytes, grains.start * GRAIN_BYTES as u64).expect("it is that long");
        bytes.iter().all(|&byte| byte == 0)
    }
}

fn extent(first: u64) -> std::ops::Range<u64> {
    first..first + EXTENT
}

#[test]
fn a_checkpoint_holds_once_it_is_named_and_its_room_goes_round() {
    let recording = Recording::new(&[FIRST, FIRST + EXTENT]);
    let mut room = recording.room();
    let content = vec![7; room.file.part_bytes() + 1];
    let written = room.write(&content, Stamp(5)).expect("it can be written").expect("there is room");
    // Killed before it is named: the next one has the room.
    let end = room.file.header().end_grain.load(Ordering::Relaxed);
    let mut next = recording.room();
    assert_eq!((next.parts.len(), next.stale.len(), next.number), (0, 2, 1));
    next.stale.clear();
    drop(next);
    room.publish(written);
    // Killed before room is given back: the streams' extents are as they were.
    let mut room = recording.room();
    assert_eq!((room.parts.len(), &room.stale, room.number), (2, &Vec::new(), 1));
    assert_eq!(room.file.header().version.load(Ordering::Relaxed), VERSION);
    room.give_back(&[extent(FIRST), extent(FIRST + EXTENT)]).expect("it can be written");
    assert!(recording.is_zero(FIRST + 1..FIRST + EXTENT));
    // The next checkpoint takes what is spare, then what is on the list, and claims no more of the file than it needs.
    let written = room.write(&content, Stamp(6)).expect("it can be written").expect("there is room");
    assert_eq!(room.file.header().end_grain.load(Ordering::Relaxed), end);
    room.publish(written);
    room.give_back(&[]).expect("it can be written");
    let room = recording.room();
    assert_eq!((room.parts.len(), room.number), (2, 2));
    // Two of two checkpoints: the parts, and as much as the next one needs.
    assert_eq!(room.stale.len() + room.listed().map_or(0, |listed| listed.len()), 2);
}

#[test]
fn what_was_being_put_on_the_list_is_there_or_the_next_keepers() {
    let recording = Recording::new(&[FIRST, FIRST + EXTENT]);
    let mut room = recording.room();
    room.file.write_free(FIRST).expect("it can be written");
    assert_eq!(recording.room().stale, [FIRST], "never put there");
    room.file.write_next(FIRST, 0, room.next_push()).expect("it can be written");
    assert_eq!(recording.room().stale, [FIRST], "it would have been the next one");
    room.spare.push(FIRST);
    room.push_all_but(0).expect("it can be written");
    assert_eq!((recording.room().stale, room.listed()), (vec![], Some(vec![FIRST])));
    room.file.write_free(FIRST + EXTENT).expect("it can be written");
    room.spare.push(FIRST + EXTENT);
    room.push_all_but(0).expect("it can be written");
    assert_eq!(room.listed(), Some(vec![FIRST + EXTENT, FIRST]));
    // A process has taken it, and has not begun to use it yet.
    let word = &room.file.header().free_extents;
    let top = Top::of(word.load(Ordering::Relaxed));
    word.store(top.popped(FIRST as u32).word(), Ordering::Relaxed);
    assert_eq!((recording.room().stale, room.listed()), (vec![], Some(vec![FIRST])));
}

#[test]
fn only_what_a_stream_had_and_filled_is_given_back() {
    let recording = Recording::new(&[FIRST, FIRST + EXTENT]);
    // The second one's end may be another's.
    recording.put_own(FIRST + EXTENT, 12);
    let mut room = recording.room();
    let outside = LIMIT - EXTENT;
    let done = [extent(FIRST), extent(FIRST + EXTENT), FIRST..FIRST + 5, extent(outside), extent(0)];
    room.give_back(&done).expect("it can be written");
    let has = |first| room.spare.contains(&first);
    assert!(has(FIRST) && !has(FIRST + EXTENT) && !has(outside) && !has(0), "{:?}", room.spare);
    let is_free = |first| room.file.at(first).is_some_and(|found| next_of(found.next_free).is_some());
    assert!(is_free(FIRST) && !is_free(FIRST + EXTENT) && !is_free(outside));
}

#[test]
fn the_first_checkpoint_has_room_before_it_is_made() {
    let recording = Recording::new(&[]);
    let mut room = recording.room();
    room.give_back(&[]).expect("it can be written");
    assert_eq!((room.spare.len(), room.free_grains()), (2, 2 * EXTENT));
    // The processes have all other.
    room.file.header().end_grain.store(LIMIT, Ordering::Relaxed);
    let mut next = recording.room();
    next.give_back(&[]).expect("it can be written");
    assert_eq!(next.spare.len(), 2);
    let content = vec![7; 2 * next.file.part_bytes()];
    assert!(next.write(&content, Stamp(5)).expect("it can be written").is_some());
}

#[test]
fn without_room_nothing_is_written() {
    let recording = Recording::new(&[]);
    let mut room = recording.room();
    let content = vec![7; room.file.part_bytes() * 5];
    assert!(room.write(&content, Stamp(5)).expect("it can be read").is_none());
    assert_eq!(
        (room.spare.len(), room.free_grains()),
        (3, EXTENT),
        "the processes have what is more than a part"
    );
    let written = room.write(&content[..10], Stamp(5)).expect("as above").expect("there is room");
    room.publish(written);
    room.give_back(&[]).expect("it can be written");
    assert_eq!((room.spare.len(), room.free_grains()), (2, EXTENT));
}
