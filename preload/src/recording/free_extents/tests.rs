//! A stream under a limit, and a keeper beside it that gives back what the stream has left: events are where they were written,
//! and the file stays as long as it is. Nothing that stands in the list makes anybody crash.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::vec::Vec;

use tm_common::event::{Decoder, Event};
use tm_common::free_list::{Top, next_word};
use tm_common::header::{GRAIN_BYTES, Header, Loss, MappedHeader};
use tm_common::ids::{ProcessIndex, Stamp};
use tm_common::segment::{MappedSegment, SegmentHeader, SegmentKind};
use tm_common::varint::Reader;

use super::super::Recording;
use super::super::tests::{Scratch, event, identity, new_stream};
use crate::config::Config;

const LIMIT_BYTES: u64 = 1 << 20;
const EXTENT_GRAINS: u32 = 17;

/// The keeper's part, in steps.
struct Keeper {
    scratch: Scratch,
    file: File,
    recording: &'static Recording,
}

impl Keeper {
    fn new(name: &str) -> Keeper {
        let scratch = Scratch::new(name);
        let config = Config { limit_bytes: LIMIT_BYTES, ..Config::DEFAULT };
        let recording = scratch.create_as(&config).expect("the scratch folder is writable");
        let file = File::options().read(true).write(true).open(&scratch.0).expect("it is there");
        Keeper { scratch, file, recording }
    }

    fn header(&self) -> &MappedHeader {
        self.recording.header().expect("it is created")
    }

    /// The header, and the stream's segments by their places in the chain: the grain where each begins and what is in it.
    fn chain(&self) -> (Header, HashMap<u32, (u64, Vec<Event>)>) {
        let (header, segments) = self.scratch.segments();
        let mut chain = HashMap::new();
        for (at, segment, bytes) in segments {
            if segment.kind == SegmentKind::Events {
                let (mut decoder, mut reader) = (Decoder::new(segment.base_stamp), Reader::new(&bytes));
                let mut events = Vec::new();
                while !reader.is_at_end() {
                    events.extend(decoder.decode(&mut reader).expect("whole records"));
                }
                assert!(chain.insert(segment.sequence, (at, events)).is_none(), "a place has one segment");
            }
        }
        (header, chain)
    }

    /// Empties the extent that begins at a grain and puts it on the list.
    fn give_back(&self, first: u64) {
        let rest = std::vec![0; (EXTENT_GRAINS as usize - 1) * GRAIN_BYTES];
        self.file.write_all_at(&rest, (first + 1) * GRAIN_BYTES as u64).expect("it can be written");
        let top = Top::of(self.header().free_extents.load(Ordering::Relaxed));
        self.put(first, top.first);
        self.header().free_extents.store(top.pushed(first as u32).word(), Ordering::Release);
    }

    /// Writes the header of a free extent.
    fn put(&self, first: u64, next: u32) {
        let extent = SegmentHeader {
            used: EXTENT_GRAINS,
            sequence: EXTENT_GRAINS,
            base_stamp: Stamp(first),
            ..SegmentHeader::empty(SegmentKind::Extent, 1, ProcessIndex(0))
        };
        let mapped = MappedSegment { next_free: AtomicU64::new(next_word(next)), ..extent.mapped() };
        self.file.write_all_at(&mapped.into_bytes(), first * GRAIN_BYTES as u64).expect("it can be written");
    }
}

#[test]
fn what_is_given_back_is_written_again_and_by_nobody_who_has_left_it() {
    let keeper = Keeper::new("given-back");
    let mut stream = new_stream();
    stream.hand_over(keeper.recording, identity(0));
    let (mut events, mut kept) = ((0..).map(|k| event(0, k)), HashMap::new());
    let mut written = Vec::new();
    for round in 0..20 {
        // A thread is only told by a write that is lost.
        while let Some(event) = events.next().filter(|event| stream.write(keeper.recording, *event)) {
            written.push(event);
        }
        let (header, chain) = keeper.chain();
        assert_eq!(header.lost[Loss::AtLimit as usize], round + 1);
        assert_eq!(header.lost_events(), round + 1, "what is given back is seen at once");
        assert!(header.end_grain * GRAIN_BYTES as u64 <= LIMIT_BYTES);
        let last = *chain.keys().max().expect("there are segments");
        kept.extend(chain.iter().map(|(place, (_, events))| (*place, events.clone())));
        // The first two are no extents' of their own. All but the last one are left.
        for place in 2..last {
            if let Some((grain, _)) = chain.get(&place) {
                keeper.give_back(grain - 1);
            }
        }
    }
    assert_eq!((0..kept.len() as u32).flat_map(|place| kept[&place].clone()).collect::<Vec<_>>(), written);
    let room = LIMIT_BYTES / GRAIN_BYTES as u64 / u64::from(EXTENT_GRAINS);
    assert!(kept.len() as u64 > 10 * room, "{} segments", kept.len());
}

#[test]
fn a_list_that_leads_nowhere_or_round_is_no_list() {
    let keeper = Keeper::new("bad-list");
    let mut stream = new_stream();
    stream.hand_over(keeper.recording, identity(0));
    let mut k = 0;
    let mut write = || {
        k += 1;
        stream.write(keeper.recording, event(0, k))
    };
    while write() {}
    let (_, chain) = keeper.chain();
    let own: Vec<u64> = (2..5).map(|place| chain[&place].0 - 1).collect();
    let [one, two, three] = own[..] else { panic!("three extents: {own:?}") };
    let begin = |first: u64, n: u16| {
        keeper
            .header()
            .free_extents
            .store(Top { n_pushed: n, n_popped: 0, first: first as u32 }.word(), Ordering::Relaxed);
    };
    // In the file's header, in the first extent, not at an extent, in one, in use, behind the end, far behind it.
    let nowhere = [0, 1, 40, one + 1, one + 5, two, 255, 256, 1 << 31, u64::from(u32::MAX)];
    for (n, first) in (1..).zip(nowhere) {
        begin(first, n);
        assert!(!write(), "grain {first}");
    }
    // One that leads to itself, and one that leads out of the file.
    for (n, next) in [(100, one), (101, 1 << 20), (102, 3)] {
        keeper.put(one, next as u32);
        begin(one, n);
        assert!(!write(), "next {next}");
    }
    // One that has another size than all have.
    keeper.put(two, 0);
    keeper.file.write_all_at(&16u32.to_le_bytes(), two * GRAIN_BYTES as u64 + 20).expect("as above");
    begin(two, 103);
    assert!(!write());
    // It was the list, and not that nothing is tried.
    keeper.give_back(three);
    begin(three, 104);
    assert!(write());
}
