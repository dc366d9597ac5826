//! Decodes records into events, each a moment of one address. Knows nothing of files: the caller passes on the bytes of a
//! segment, all at once or as they come.

use tm_common::event::{Decoder, Event};
use tm_common::functions::Function;
use tm_common::ids::{Address, Space, StackId, Stamp, StreamIndex, TagIndex, ThreadIndex};
use tm_common::sampling::{SampleRate, Totals};
use tm_common::varint::Reader;

use super::block::SIZE_MAX;
use super::event::{ALL, Action, MergedEvent, State};
use crate::reader::checkpoint::Passed;
use crate::reader::{FirstIds, Repeats, ThreadTag, ThreadTags};

/// The bytes from here on are not what an encoder writes: the rest of the segment cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DamagedFrom(pub usize);

/// What is known of a stream's earlier records.
#[derive(Debug)]
pub(crate) struct RecordDecoder {
    stream: StreamIndex,
    decoder: Decoder,
    thread: ThreadIndex,
    tag: TagIndex,
    latest: Stamp,
    limit: Stamp,
    sample_rate: SampleRate,
    /// What is folded of the first segment, until that is there.
    passed: Option<Passed>,
    /// Whether the next event is the folded half of a reallocation.
    is_half: bool,
}

impl RecordDecoder {
    /// Before the first segment of `stream`, whose events carry `tag`.
    pub fn new(stream: StreamIndex, tag: TagIndex) -> RecordDecoder {
        RecordDecoder {
            stream,
            decoder: Decoder::new(Stamp(0)),
            thread: ThreadIndex(0),
            tag,
            latest: Stamp(0),
            limit: Stamp(0),
            sample_rate: SampleRate::EVERY,
            passed: None,
            is_half: false,
        }
    }

    /// Before what follows the folded part of `stream`.
    pub fn after(passed: Passed, stream: StreamIndex) -> RecordDecoder {
        RecordDecoder { passed: Some(passed), ..RecordDecoder::new(stream, passed.tag) }
    }

    /// Decodes what is folded at the start of a segment, which was just begun and whose place in the chain is `sequence`: what
    /// follows refers to it. Returns where the rest begins in `bytes`: at their end, if what is folded cannot be read, and at their
    /// start but in the first segment of the stream.
    pub fn pass_folded(
        &mut self,
        sequence: u32,
        bytes: &[u8],
        thread_tags: &ThreadTags,
        repeats: &Repeats,
    ) -> usize {
        let passed = self.passed.take().filter(|passed| passed.sequence == sequence);
        let Some(passed) = passed else { return 0 };
        let folded = bytes.get(..passed.bytes).unwrap_or(bytes);
        let is_read =
            self.decode(folded, thread_tags, repeats, usize::MAX, &mut Vec::new()) == Ok(folded.len());
        self.is_half = passed.is_half;
        if is_read { folded.len() } else { bytes.len() }
    }

    /// The stamp of the latest event.
    pub fn latest(&self) -> Stamp {
        self.latest
    }

    /// The tag in force.
    pub fn tag(&self) -> TagIndex {
        self.tag
    }

    /// Goes on to a segment of events of `thread`, sampled at a rate, whose time differences count from `base`. Nothing in it is
    /// later than `limit`.
    pub fn begin_segment(&mut self, base: Stamp, thread: ThreadIndex, limit: Stamp, sample_rate: SampleRate) {
        self.decoder.reset(base);
        (self.thread, self.limit, self.sample_rate, self.is_half) = (thread, limit, sample_rate, false);
    }

    /// Appends the events of the next records, which are whole, until `batch` has `n_wanted`. Returns the number of
    /// bytes that they take.
    ///
    /// # Errors
    /// Where they stop making sense; those before are appended.
    pub fn decode(
        &mut self,
        bytes: &[u8],
        thread_tags: &ThreadTags,
        repeats: &Repeats,
        n_wanted: usize,
        batch: &mut Vec<MergedEvent>,
    ) -> Result<usize, DamagedFrom> {
        let n_before = batch.len();
        let mut reader = Reader::new(bytes);
        let sample_bytes = self.sample_rate.mean_bytes();
        let thread_tag = thread_tags.of_samples(self.thread, self.tag, sample_bytes);
        let (latest, limit, stream, first_ids) = (self.latest, self.limit, self.stream, repeats.look());
        let mut out = Out { batch, latest, limit, stream, thread_tag, first_ids };
        let mut is_damaged = false;
        let mut good = 0;
        while out.batch.len() < n_wanted && !reader.is_at_end() {
            // A copy for each kind of record, of what this kind needs: else each event would be put into memory to be passed on.
            match self.decoder.decode_to(
                &mut reader,
                #[inline(always)]
                |event| out.push(event),
            ) {
                Ok(Some(Taken::Moments)) => {}
                Ok(Some(Taken::Thread(thread))) => {
                    (self.thread, self.tag) = (thread, TagIndex::NONE);
                    out.thread_tag = thread_tags.of_samples(thread, TagIndex::NONE, sample_bytes);
                }
                Ok(Some(Taken::Tag(tag))) => {
                    self.tag = tag;
                    out.thread_tag = thread_tags.of_samples(self.thread, tag, sample_bytes);
                }
                // No later version writes zeros: a page is lost here.
                Ok(None) if bytes.get(good) != Some(&0) => {}
                Ok(Some(Taken::Nothing) | None) | Err(_) => {
                    is_damaged = true;
                    break;
                }
            }
            good = reader.position();
        }
        self.latest = out.latest;
        if self.is_half && out.batch.len() > n_before {
            self.is_half = false;
            out.batch.remove(n_before);
        }
        if is_damaged { Err(DamagedFrom(good)) } else { Ok(reader.position()) }
    }
}

/// What became of a record.
enum Taken {
    /// Moments, of which each was appended.
    Moments,
    /// The thread that the stream belongs to from here on.
    Thread(ThreadIndex),
    /// The tag of what follows.
    Tag(TagIndex),
    /// There can be no such event.
    Nothing,
}

struct Out<'a> {
    batch: &'a mut Vec<MergedEvent>,
    latest: Stamp,
    limit: Stamp,
    stream: StreamIndex,
    thread_tag: ThreadTag,
    first_ids: FirstIds<'a>,
}

impl Out<'_> {
    /// Splits an event into moments; takes nothing of it if there can be no such event: address 0, more bytes than there are, or later
    /// than what follows.
    #[inline(always)]
    fn push(&mut self, event: Event) -> Taken {
        let is_possible = match event {
            Event::Allocate { function, address, size, stack, stamp } => {
                let is_possible = address.0 != 0 && size <= SIZE_MAX && stamp <= self.limit;
                if is_possible {
                    self.moment(Action::Allocate, function, address, (size, stack), stamp);
                }
                is_possible
            }
            Event::Free { function, address, stamp } => {
                let is_possible = address.0 != 0 && stamp <= self.limit;
                if is_possible {
                    self.moment(Action::Free, function, address, (0, StackId::NONE), stamp);
                }
                is_possible
            }
            Event::Reallocate { old, new, size, stack, begin, end } => {
                let is_possible = old.0 != 0 && new.0 != 0 && size <= SIZE_MAX && end <= self.limit;
                if is_possible {
                    let (function, nothing) = (Function::Realloc, (0, StackId::NONE));
                    self.moment(Action::ReallocateBegin, function, old, nothing, begin);
                    self.moment(Action::ReallocateEnd, function, new, (size, stack), end);
                }
                is_possible
            }
            Event::ThreadStart { thread, .. } => return Taken::Thread(thread),
            Event::Tag { tag, .. } => return Taken::Tag(tag),
            told => self.push_told(told),
        };
        if is_possible { Taken::Moments } else { Taken::Nothing }
    }

    /// Does the same with what the program tells of, and with totals; returns whether there can be such an event.
    #[inline(never)]
    fn push_told(&mut self, event: Event) -> bool {
        match event {
            Event::Track { space, address, size, stack, stamp } => {
                // A reservation may have any size: ranges are kept elsewhere than blocks.
                let has_room = size <= SIZE_MAX || space == Space::MAPPINGS;
                let is_possible = has_room && stamp <= self.limit;
                if is_possible {
                    self.in_space(Action::Track, space, address, (size, stack), stamp);
                }
                is_possible
            }
            Event::Untrack { space, address, size, stamp } => {
                let is_possible = stamp <= self.limit && (address != ALL || space == Space::MAPPINGS);
                if is_possible {
                    self.in_space(Action::Untrack, space, address, (size, StackId::NONE), stamp);
                }
                is_possible
            }
            Event::UntrackAll { space, stamp } => {
                let is_possible = stamp <= self.limit;
                if is_possible {
                    self.in_space(Action::Untrack, space, ALL, (0, StackId::NONE), stamp);
                }
                is_possible
            }
            Event::Move { space, address, stack, stamp } => {
                self.push_beside(Action::Move, space, address, (0, stack), stamp)
            }
            Event::Label { space, address, size, stamp } => {
                self.push_beside(Action::Label, space, address, (size, StackId::NONE), stamp)
            }
            Event::Totals { space, totals, stamp } => {
                let is_possible = stamp <= self.limit && space != Space::MAPPINGS;
                if is_possible {
                    self.totals(space, &totals, stamp);
                }
                is_possible
            }
            _ => true,
        }
    }

    /// Does the same with what is said of a block that is there already.
    fn push_beside(
        &mut self,
        action: Action,
        space: Space,
        address: Address,
        (size, stack): (u64, StackId),
        stamp: Stamp,
    ) -> bool {
        let is_told = space != Space::HEAP && space != Space::MAPPINGS;
        let is_possible = is_told && address != ALL && stamp <= self.limit;
        if is_possible {
            self.in_space(action, space, address, (size, stack), stamp);
        }
        is_possible
    }

    #[cold]
    fn totals(&mut self, space: Space, totals: &Totals, stamp: Stamp) {
        let &Totals { bytes, n_allocated, n_reallocated, n_freed, held_bytes, held_high } = totals;
        for (action, first, second) in [
            (Action::TotalAllocated, n_allocated, bytes),
            (Action::TotalFreed, n_freed, n_reallocated),
            (Action::TotalHeld, held_bytes as u64, held_high as u64),
        ] {
            self.in_space(action, space, Address(first), (second, StackId::NONE), stamp);
        }
    }

    #[inline(always)]
    fn moment(
        &mut self,
        action: Action,
        function: Function,
        address: Address,
        (size, stack): (u64, StackId),
        stamp: Stamp,
    ) {
        self.add(action, function, Space::HEAP, address, (size, stack), stamp);
    }

    fn in_space(
        &mut self,
        action: Action,
        space: Space,
        address: Address,
        (size, stack): (u64, StackId),
        stamp: Stamp,
    ) {
        self.add(action, Function::Malloc, space, address, (size, stack), stamp);
    }

    #[inline(always)]
    fn add(
        &mut self,
        action: Action,
        function: Function,
        space: Space,
        address: Address,
        (size, stack): (u64, StackId),
        stamp: Stamp,
    ) {
        // Only damage makes a stream go back in time; the merge relies on it not to.
        self.latest = self.latest.max(stamp);
        let stack = self.first_ids.of(stack);
        let (stamp, stream, thread_tag, state) = (self.latest, self.stream, self.thread_tag, State::Pending);
        let event =
            MergedEvent { stamp, address, size, stack, thread_tag, stream, action, function, space, state };
        self.batch.push(event);
    }
}

#[cfg(test)]
mod tests {
    use tm_common::sampling::SampleRate;
    use tm_testing::RecordingBuilder;

    use super::*;
    use crate::events::{Decoders, EventStream, Merge, Total};
    use crate::reader::Recording;
    use tm_common::ids::ProcessIndex;

    /// The rate changes twice on the way; totals come with what they say, and the line of the thread beside them.
    #[test]
    fn events_know_the_rate_of_their_segment_and_totals_come_in_between() {
        let mut builder = RecordingBuilder::with_process();
        let allocate = |stamp| Event::Allocate {
            function: Function::Malloc,
            address: Address(16 * stamp),
            size: 8,
            stack: StackId::NONE,
            stamp: Stamp(stamp),
        };
        let totals =
            Totals { bytes: 9, n_allocated: 2, n_reallocated: 1, n_freed: 3, held_bytes: -4, held_high: 5 };
        let rate = |bytes| SampleRate::of_bytes(bytes).expect("it is one");
        for (stamp, bytes) in [(1, 0), (2, 512), (3, 512), (5, 4096)] {
            builder.sample_rate = rate(bytes);
            builder.event(ProcessIndex(0), 0, &allocate(stamp));
            if stamp == 3 {
                builder.event(
                    ProcessIndex(0),
                    0,
                    &Event::Totals { space: Space::HEAP, totals, stamp: Stamp(4) },
                );
            }
        }
        builder.totals(ProcessIndex(0), ThreadIndex(7), Space(3), &totals);
        let file = builder.file();
        let recording = Recording::open(file.path()).expect("it is valid");
        assert_eq!((recording.header.version, recording.segment_counts.totals), (4, 1));
        let [(process, line)] = recording.totals[..] else { panic!("one line: {:?}", recording.totals) };
        assert_eq!(
            (process, line.thread, line.space, line.totals),
            (ProcessIndex(0), ThreadIndex(7), Space(3), totals)
        );
        let events = Decoders::without_threads(|decoders| {
            let mut merge = Merge::new(&recording, ProcessIndex(0), decoders);
            let mut events = Vec::new();
            while merge.take(100, &mut events) {}
            assert_eq!(merge.streams_mut().iter_mut().map(|stream| stream.rest().len()).sum::<usize>(), 0);
            events
        });
        let found: Vec<_> = events
            .iter()
            .map(|event| (event.stamp.0, recording.thread_tags.sample_bytes(event.thread_tag), event.total()))
            .collect();
        assert_eq!(
            found,
            [
                (1, 0, None),
                (2, 512, None),
                (3, 512, None),
                (4, 512, Some(Total::Allocated { calls: 2, bytes: 9 })),
                (4, 512, Some(Total::Freed { calls: 3, reallocations: 1 })),
                (4, 512, Some(Total::Held { bytes: -4, high: 5 })),
                (5, 4096, None),
            ]
        );
    }
}
