//! Decodes records into events, each a moment of one address. Knows nothing of files: the caller passes on the bytes of a
//! segment, all at once or as they come.

use tm_common::event::{Decoder, Event};
use tm_common::functions::Function;
use tm_common::ids::{Address, Space, StackId, Stamp, StreamIndex, TagIndex, ThreadIndex};
use tm_common::varint::Reader;

use super::block::SIZE_MAX;
use super::event::{ALL, Action, MergedEvent, State};
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
}

impl RecordDecoder {
    /// Before the first segment of `stream`.
    pub fn new(stream: StreamIndex) -> RecordDecoder {
        RecordDecoder {
            stream,
            decoder: Decoder::new(Stamp(0)),
            thread: ThreadIndex(0),
            tag: TagIndex::NONE,
            latest: Stamp(0),
            limit: Stamp(0),
        }
    }

    /// Goes on to a segment of events of `thread`, whose time differences count from `base`. Nothing in it is later than
    /// `limit`.
    pub fn begin_segment(&mut self, base: Stamp, thread: ThreadIndex, limit: Stamp) {
        self.decoder.reset(base);
        (self.thread, self.limit) = (thread, limit);
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
        let mut reader = Reader::new(bytes);
        let thread_tag = thread_tags.of(self.thread, self.tag);
        let (latest, limit, stream, first_ids) = (self.latest, self.limit, self.stream, repeats.look());
        let mut out = Out { batch, latest, limit, stream, thread_tag, first_ids };
        let mut is_damaged = false;
        let mut good = 0;
        while out.batch.len() < n_wanted && !reader.is_at_end() {
            match self.decoder.decode(&mut reader) {
                Ok(Some(Event::ThreadStart { thread, .. })) => {
                    (self.thread, self.tag) = (thread, TagIndex::NONE);
                    out.thread_tag = ThreadTag::of_thread(thread);
                }
                Ok(Some(Event::Tag { tag, .. })) => {
                    self.tag = tag;
                    out.thread_tag = thread_tags.of(self.thread, tag);
                }
                Ok(Some(event)) if out.push(event) => {}
                // No later version writes zeros: a page is lost here.
                Ok(None) if bytes.get(good) != Some(&0) => {}
                Ok(_) | Err(_) => {
                    is_damaged = true;
                    break;
                }
            }
            good = reader.position();
        }
        self.latest = out.latest;
        if is_damaged { Err(DamagedFrom(good)) } else { Ok(reader.position()) }
    }
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
    /// Splits an event into moments; `false`, and nothing is changed, if there can be no such event: address 0, more
    /// bytes than there are, or later than what follows.
    #[inline]
    fn push(&mut self, event: Event) -> bool {
        match event {
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
                let is_told = space != Space::HEAP && space != Space::MAPPINGS;
                let is_possible = is_told && address != ALL && stamp <= self.limit;
                if is_possible {
                    self.in_space(Action::Move, space, address, (0, stack), stamp);
                }
                is_possible
            }
            Event::Tag { .. } | Event::ThreadStart { .. } => true,
        }
    }

    #[inline]
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

    #[inline]
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
