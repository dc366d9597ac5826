//! The lines in which threads that sample count what they do: each its thread's alone, see [`tm_common::sampling`].

use core::sync::atomic::Ordering;

use tm_common::header::{GRAIN_BYTES, VERSION_SAMPLED};
use tm_common::ids::{Space, ThreadIndex};
use tm_common::sampling::{LINE_BYTES, MappedTotals};
use tm_common::segment::{HEADER_BYTES, SegmentHeader, SegmentKind};

use super::{Recording, extent};
use crate::lockfree::room;

/// The grains of a segment of lines: 63 lines.
const GRAINS: u16 = 1;
const _: () = assert!(HEADER_BYTES.is_multiple_of(LINE_BYTES), "lines are whole lines of the cache");

impl Recording {
    /// Takes a line for what `thread` does in `space`, of which there is nothing yet. `None` if the file cannot grow.
    #[cold]
    pub fn take_line(&self, thread: ThreadIndex, space: Space) -> Option<&'static MappedTotals> {
        self.raise_version();
        loop {
            // Acquire: receives the segment's header.
            let current = self.totals.load(Ordering::Acquire);
            // SAFETY: segments stay mapped.
            let segment = unsafe { current.as_ref() };
            let capacity = usize::from(GRAINS) * GRAIN_BYTES - HEADER_BYTES;
            if let Some(at) = segment.and_then(|it| room::take_bytes(&it.used, LINE_BYTES, capacity)) {
                // SAFETY: inside the segment, aligned, zeroed, and this thread's alone.
                let line = unsafe { &*current.cast::<u8>().add(HEADER_BYTES + at).cast::<MappedTotals>() };
                // Release: to a reader of the file, publishes nothing but itself: all else is 0.
                line.owner.store(MappedTotals::owner_of(thread, space), Ordering::Release);
                return Some(line);
            }
            let room = self.claim(GRAINS, GRAINS)?;
            let header = SegmentHeader::empty(SegmentKind::Totals, room.grains, self.process());
            // Threads go on counting in the one before, so its pages stay.
            extent::replace(&self.totals, current, room, header);
        }
    }

    /// Says in the header that not every event is recorded: before the first sample.
    pub fn raise_version(&self) {
        if let Some(header) = self.header() {
            // Release: before what an older reader does not know.
            header.version.fetch_max(VERSION_SAMPLED, Ordering::Release);
        }
    }
}
