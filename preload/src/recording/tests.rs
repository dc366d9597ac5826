//! Threads write a recording in a scratch folder; what `tm_common` reads from the file is what they wrote.

use core::sync::atomic::Ordering;
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString};
use std::path::PathBuf;
use std::vec::Vec;

use tm_common::event::{Decoder, Event};
use tm_common::functions::Function;
use tm_common::header::{GRAIN_BYTES, Header};
use tm_common::ids::{Address, Epoch, StackId, Stamp, ThreadIndex};
use tm_common::metadata::{Metadata, Records, TextKind};
use tm_common::segment::{HEADER_BYTES, SegmentHeader, SegmentKind};
use tm_common::stack::{FrameKind, NODE_BYTES, StackNode};
use tm_common::varint::Reader;

use super::Recording;
use super::identity::Identity;
use super::output::{CreateRefused, Path};
use super::stack_table::{StackTable, UNASKED_MAX};
use super::stream::Stream;
use crate::config::Config;

/// A file of its own for each test, gone at its end.
pub(super) struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(std::format!("tm-unit-{}-{name}.bin", std::process::id()));
        std::fs::remove_file(&path).ok();
        Scratch(path)
    }

    fn create(&self) -> Result<&'static Recording, CreateRefused> {
        self.create_as(&Config::DEFAULT)
    }

    pub fn create_as(&self, config: &Config) -> Result<&'static Recording, CreateRefused> {
        // Mapped extents outlive the test, so the recording does too.
        let recording: &'static Recording = std::boxed::Box::leak(std::boxed::Box::new(Recording::new()));
        let name = CString::new(self.0.to_str().expect("UTF-8")).expect("no NUL");
        let mut path = Path::EMPTY;
        path.push(name.to_bytes());
        recording.create(&mut path, config).map(|()| recording)
    }

    /// The header, and all segments: the grain where each begins, its header and what is in it.
    pub fn segments(&self) -> (Header, Vec<(u64, SegmentHeader, Vec<u8>)>) {
        let bytes = std::fs::read(&self.0).expect("the recording is readable");
        let header = Header::parse(&bytes).expect("it has a header");
        let mut found = Vec::new();
        let mut at = GRAIN_BYTES;
        while at < bytes.len() {
            let segment = SegmentHeader::parse(&bytes[at..]).expect("no segment header is damaged");
            let grains = segment.map_or(1, |segment| usize::from(segment.grains));
            if let Some(segment) = segment {
                let end = (at + grains * GRAIN_BYTES).min(at + HEADER_BYTES + segment.used as usize);
                found.push((
                    (at / GRAIN_BYTES) as u64,
                    segment,
                    bytes[at + HEADER_BYTES..end.min(bytes.len())].to_vec(),
                ));
            }
            at += grains * GRAIN_BYTES;
        }
        (header, found)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

pub(super) fn new_stream() -> std::boxed::Box<Stream> {
    // SAFETY: all zeros is a stream without a segment.
    std::boxed::Box::new(unsafe { core::mem::zeroed() })
}

/// Makes the thread of this number.
pub(super) fn identity(index: u32) -> &'static Identity {
    // SAFETY: all zeros is that of a thread that is not recorded.
    let identity: &Identity = std::boxed::Box::leak(std::boxed::Box::new(unsafe { core::mem::zeroed() }));
    identity.assign(ThreadIndex(index), index);
    identity
}

/// Makes the k-th event of a thread.
pub(super) fn event(thread: u32, k: u64) -> Event {
    let address = Address(0x1000_0000 * u64::from(thread + 1) + 16 * (k % 5000));
    if k.is_multiple_of(3) {
        Event::Free { function: Function::Free, address, stamp: Stamp(1_000_000 + 2 * k) }
    } else {
        let stack = StackId::new(1, (4 + k % 90) as u32);
        Event::Allocate {
            function: Function::Malloc,
            address,
            size: k % 700,
            stack,
            stamp: Stamp(1_000_000 + 2 * k),
        }
    }
}

#[test]
fn what_threads_write_into_their_streams_is_what_is_read() {
    const THREADS: u32 = 4;
    const EVENTS: u64 = 120_000;
    let scratch = Scratch::new("streams");
    let recording = scratch.create().expect("the scratch folder is writable");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let mut stream = new_stream();
                stream.hand_over(recording, identity(thread));
                assert!((0..EVENTS).all(|k| stream.write(recording, event(thread, k))));
            });
        }
    });
    let (header, segments) = scratch.segments();
    assert_eq!((header.n_streams, header.lost_events()), (THREADS, 0));
    let mut chains: HashMap<u32, Vec<_>> = HashMap::new();
    for (_, segment, bytes) in segments.iter().filter(|(_, segment, _)| segment.kind == SegmentKind::Events) {
        chains.entry(segment.thread.0).or_default().push((segment, bytes));
    }
    assert_eq!(chains.len(), THREADS as usize);
    for (thread, mut chain) in chains {
        chain.sort_by_key(|(segment, _)| segment.sequence);
        let mut read = Vec::new();
        for (place, (segment, bytes)) in chain.iter().enumerate() {
            assert_eq!(segment.sequence as usize, place, "no segment is missing");
            let mut decoder = Decoder::new(segment.base_stamp);
            let mut reader = Reader::new(bytes);
            while !reader.is_at_end() {
                read.extend(decoder.decode(&mut reader).expect("whole records"));
            }
        }
        assert!(read.iter().copied().eq((0..EVENTS).map(|k| event(thread, k))), "thread {thread}");
    }
}

#[test]
fn threads_that_intern_the_same_stacks_at_once_get_ids_that_say_what_was_interned() {
    const THREADS: u64 = 4;
    // More than three quarters of the first table: it grows while threads are in it.
    const NODES: u64 = 90_000;
    let scratch = Scratch::new("stacks");
    let recording = scratch.create().expect("the scratch folder is writable");
    let table: &'static StackTable = std::boxed::Box::leak(std::boxed::Box::new(StackTable::new()));
    let node = |parent, k: u64| StackNode {
        parent,
        epoch: Epoch(7),
        kind: FrameKind::Return,
        pc: 0x40_0000 + k % 3001,
    };
    let mut ids: Vec<Vec<(StackNode, StackId)>> = Vec::new();
    std::thread::scope(|scope| {
        let write = |start: u64| {
            let mut parent = StackId::NONE;
            let mut interned = Vec::new();
            for k in (0..NODES).map(|k| (k + start) % NODES) {
                parent = if k.is_multiple_of(300) { StackId::NONE } else { parent };
                let node = node(parent, k);
                parent = table.intern(recording, node);
                interned.push((node, parent));
            }
            interned
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || write(thread * 900))).collect();
        ids.extend(threads.into_iter().map(|thread| thread.join().expect("no thread panics")));
    });
    let (_, segments) = scratch.segments();
    let mut nodes: HashMap<StackId, StackNode> = HashMap::new();
    for (_, segment, bytes) in segments.iter().filter(|(_, segment, _)| segment.kind == SegmentKind::Stacks) {
        for (place, bytes) in bytes.chunks_exact(NODE_BYTES).enumerate() {
            let id = StackId::new(segment.sequence, (HEADER_BYTES / NODE_BYTES + place) as u32);
            nodes.extend(StackNode::decode(bytes).expect("a valid kind").map(|node| (id, node)));
        }
    }
    for (node, id) in ids.iter().flatten() {
        assert_eq!(nodes.get(id), Some(node));
    }
    let distinct: HashSet<StackId> = ids.iter().flatten().map(|(_, id)| *id).collect();
    assert_eq!(distinct.len(), nodes.len(), "nothing is written that nobody has");
    assert!(distinct.len() < 3 * NODES as usize, "equal nodes are mostly found again: {}", distinct.len());
}

#[test]
fn stacks_are_joined_without_asking_so_often_and_not_for_ever() {
    let scratch = Scratch::new("joined");
    let recording = scratch.create().expect("the scratch folder is writable");
    let table = StackTable::new();
    let node =
        |pc| StackNode { parent: StackId(9), epoch: Epoch(7), kind: FrameKind::Joined, pc: 0x1000 + pc };
    let join = |pc| table.join(recording, node(pc));
    // Twice as many as may be, each twice.
    let unasked: Vec<StackId> = (0..u64::from(UNASKED_MAX)).map(|k| join(k / 2)).collect();
    let asked: Vec<StackId> = (0..u64::from(UNASKED_MAX)).map(|k| join(k / 2)).collect();
    let distinct = |ids: &[StackId]| ids.iter().collect::<HashSet<_>>().len();
    assert_eq!((distinct(&unasked), distinct(&asked)), (100, 50));
    let (_, segments) = scratch.segments();
    let nodes = segments.iter().filter(|(_, segment, _)| segment.kind == SegmentKind::Stacks);
    assert_eq!(nodes.map(|(.., bytes)| bytes.len() / NODE_BYTES).sum::<usize>(), 150);
}

#[test]
fn epochs_do_not_crowd_each_other_and_never_stand_for_one_another() {
    let scratch = Scratch::new("epochs");
    let recording = scratch.create().expect("the scratch folder is writable");
    let table = StackTable::new();
    let mut ids = HashSet::new();
    // Far more epochs than probes, and more than a slot can tell apart.
    for epoch in (0..3 * 4096).step_by(3) {
        let node =
            StackNode { parent: StackId::NONE, epoch: Epoch(epoch), kind: FrameKind::Return, pc: 0x40_1234 };
        let id = table.intern(recording, node);
        assert!(ids.insert(id), "epoch {epoch} has a node of its own");
        assert_eq!(table.intern(recording, node), id);
    }
    assert!(table.n_slots() <= 64 * 1024, "{} slots for 4,096 nodes", table.n_slots());
}

#[test]
fn metadata_of_many_threads_is_whole() {
    let scratch = Scratch::new("metadata");
    let recording = scratch.create().expect("the scratch folder is writable");
    let text = std::vec![b'x'; 3000];
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let text = &text;
            scope.spawn(move || {
                for k in 0..200 {
                    recording.add_thread(
                        ThreadIndex(1000 * thread + k),
                        k,
                        *b"name\0\0\0\0\0\0\0\0\0\0\0\0",
                        Stamp(1),
                    );
                    recording.add_text(TextKind::Host, [&text[..k as usize], b"end"].into_iter());
                }
            });
        }
    });
    let (_, segments) = scratch.segments();
    let (mut threads, mut texts) = (HashSet::new(), 0);
    for (.., bytes) in segments.iter().filter(|(_, segment, _)| segment.kind == SegmentKind::Metadata) {
        for record in Records::new(bytes) {
            match record.expect("whole records") {
                Metadata::Thread { thread, name, .. } => assert!(name == b"name" && threads.insert(thread)),
                Metadata::Text { text, .. } => texts += usize::from(text.ends_with(b"end")),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((threads.len(), texts), (800, 800));
}

#[test]
fn a_trimmed_recording_ends_with_its_last_segment_and_grows_again() {
    let scratch = Scratch::new("trim");
    let recording = scratch.create().expect("the scratch folder is writable");
    let mut stream = new_stream();
    stream.hand_over(recording, identity(0));
    stream.write(recording, event(0, 1));
    recording.trim([]);
    let len = std::fs::metadata(&scratch.0).expect("it exists").len();
    assert_eq!(
        len,
        4 * GRAIN_BYTES as u64,
        "header, extent, a grain of metadata, which has the thread, and one of events"
    );
    assert!((0..100_000).all(|k| stream.write(recording, event(0, k))));
    let (header, segments) = scratch.segments();
    let used: usize =
        segments.iter().filter(|(_, s, _)| s.kind == SegmentKind::Events).map(|(.., b)| b.len()).sum();
    assert!(used > 200_000 && header.lost_events() == 0);
}

#[test]
fn a_file_that_is_no_recording_is_left_alone() {
    let scratch = Scratch::new("foreign");
    std::fs::write(&scratch.0, "somebody's text").expect("writable");
    assert!(matches!(scratch.create(), Err(CreateRefused::NotOurs)));
    assert_eq!(std::fs::read(&scratch.0).expect("readable"), b"somebody's text");
}

/// The numbers of the threads that are recorded, in order.
fn recorded_threads(scratch: &Scratch) -> Vec<u32> {
    let (_, segments) = scratch.segments();
    let metadata = segments.iter().filter(|(_, segment, _)| segment.kind == SegmentKind::Metadata);
    let records = metadata.flat_map(|(.., bytes)| Records::new(bytes));
    let thread = |record| match record {
        Ok(Metadata::Thread { thread, .. }) => thread.0,
        other => panic!("{other:?}"),
    };
    records.map(thread).collect()
}

/// Has a thread of this number write in a place, by the name that it has then.
fn takes_the_place(recording: &Recording, place: &'static Identity, index: u32, name: &CStr) -> u32 {
    // SAFETY: a string of fewer than 16 bytes; only this thread's name.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    place.assign(ThreadIndex(index), index);
    place.record(recording, Stamp(index.into())).0
}

#[test]
fn of_many_threads_under_a_limit_those_of_one_place_and_name_have_one_number() {
    let scratch = Scratch::new("many-threads");
    let config = Config { limit_bytes: 64 << 20, ..Config::DEFAULT };
    let recording = scratch.create_as(&config).expect("the scratch folder is writable");
    let n_threads = &recording.header().expect("it is there").n_threads;
    let places = [identity(0), identity(0)];
    let take = |index: u32, name: &CStr| {
        n_threads.fetch_max(index + 1, Ordering::Relaxed);
        takes_the_place(recording, places[index as usize % 2], index, name)
    };
    // Each has its own number at first.
    assert!((0..256).all(|index| take(index, c"worker") == index));
    for index in 256..1000 {
        assert_eq!(take(index, c"worker"), 254 + index % 2);
    }
    // Another name is another number, and the first one does not come back: the place knows the latest.
    assert_eq!([1000, 1002, 1004].map(|index| take(index, c"other")), [1000; 3]);
    assert_eq!(take(1006, c"worker"), 1006);
    // Names without end, of which some thousand are recorded.
    let name = |index| CString::new(std::format!("w-{index}")).expect("no NUL");
    let numbers: HashSet<u32> = (2000..20_000).map(|index| take(index, &name(index))).collect();
    let recorded = recorded_threads(&scratch);
    assert_eq!((recorded.len(), numbers.len()), (4096, 4096 - 258));
    let (_, segments) = scratch.segments();
    let metadata = segments.iter().filter(|(_, segment, _)| segment.kind == SegmentKind::Metadata);
    let more = metadata.flat_map(|(.., bytes)| Records::new(bytes)).map(|record| match record {
        Ok(Metadata::Thread { n_more, .. }) => u64::from(n_more),
        other => panic!("{other:?}"),
    });
    assert_eq!(more.sum::<u64>() + 4096, 1000 + 4 + 18_000, "all are counted");
}

#[test]
fn a_thread_is_recorded_when_it_writes_and_goes_on_where_the_one_before_was() {
    let scratch = Scratch::new("hand-over");
    let recording = scratch.create().expect("the scratch folder is writable");
    let mut streams = [new_stream(), new_stream()];
    let mut written = Vec::new();
    for thread in 0..200 {
        let identity = identity(thread);
        streams.iter_mut().for_each(|stream| stream.hand_over(recording, identity));
        // Every third one has nothing to say.
        if thread % 3 != 2 {
            streams[0].write(recording, event(thread, 3 * u64::from(thread)));
            written.push(thread);
        }
        // Some leave the segment before the end of their time, and some do before they write.
        if thread % 7 == 0 {
            streams[0].abandon_segment();
        }
    }
    assert_eq!(recorded_threads(&scratch), written);
    let (header, segments) = scratch.segments();
    assert_eq!(header.n_streams, 1, "in the other stream nobody wrote");
    let (mut writers, mut n_segments) = (Vec::new(), 0);
    for (_, segment, bytes) in segments.iter().filter(|(_, segment, _)| segment.kind == SegmentKind::Events) {
        let (mut decoder, mut reader) = (Decoder::new(segment.base_stamp), Reader::new(bytes));
        let mut thread = segment.thread;
        n_segments += 1;
        while !reader.is_at_end() {
            match decoder.decode(&mut reader).expect("whole records").expect("a known one") {
                Event::ThreadStart { thread: next, .. } => thread = next,
                event_read => {
                    writers.push(thread.0);
                    assert_eq!(event_read, event(thread.0, 3 * u64::from(thread.0)));
                }
            }
        }
    }
    writers.sort_unstable();
    assert_eq!(writers, written, "each event is its thread's");
    assert!((20..40).contains(&n_segments), "{n_segments}");
}
