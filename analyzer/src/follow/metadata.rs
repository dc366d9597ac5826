//! Metadata records, read as they are written. Those whose writer is still at them are looked at again.

use rustc_hash::FxHashSet;
use tm_common::ids::ProcessIndex;
use tm_common::metadata::{MappedProcess, MappedThread, Metadata, Records};
use tm_common::segment::HEADER_BYTES;

use crate::reader::{Command, FoundSegment, Headers, OpenFile, Recording, TablesBuilder};

/// No record is smaller; so much less is never filled.
const RECORD_BYTES_MIN: usize = 32;

/// A segment that may come to have more records.
#[derive(Debug)]
struct Segment {
    offset: u64,
    process: ProcessIndex,
    capacity: usize,
    /// How many bytes were in use when it was read.
    used: usize,
    /// Up to here all is read.
    n_read: usize,
    /// The ends of records behind that which are read.
    read: FxHashSet<usize>,
    has_unfinished: bool,
}

/// Reads the metadata of a recording, of which that of one process is kept up to date.
#[derive(Debug)]
pub(super) struct MetadataReader {
    process: ProcessIndex,
    segments: Vec<Segment>,
    records: TablesBuilder,
    /// Where the process's own record is in the file, which changes after it was written, ...
    own_record: Option<u64>,
    /// ... and those of its threads, which do where there is a limit.
    thread_records: Vec<u64>,
    buffer: Vec<u8>,
    /// Records that could not be read.
    pub n_damaged: u64,
}

impl MetadataReader {
    /// Nothing is read.
    pub fn new(process: ProcessIndex) -> MetadataReader {
        MetadataReader {
            process,
            segments: Vec::new(),
            records: TablesBuilder::default(),
            own_record: None,
            thread_records: Vec::new(),
            buffer: Vec::new(),
            n_damaged: 0,
        }
    }

    /// Adds a segment that was found.
    pub fn add(&mut self, found: &FoundSegment) {
        self.segments.push(Segment {
            offset: found.offset,
            process: found.header.process,
            capacity: found.header.len_bytes().saturating_sub(HEADER_BYTES),
            used: 0,
            n_read: 0,
            read: FxHashSet::default(),
            has_unfinished: false,
        });
    }

    /// Brings `recording` up to date; returns the commands that it did not have. Segments of processes that are not in the
    /// `line` (the process with those that it was forked from, once that is known) are read once.
    pub fn look(
        &mut self,
        file: &OpenFile,
        headers: &mut Headers,
        recording: &mut Recording,
        line: Option<&[ProcessIndex]>,
    ) -> Vec<Command> {
        self.records.exchange(recording);
        let mut segments = std::mem::take(&mut self.segments);
        segments.retain_mut(|segment| {
            self.read(file, headers, segment);
            let is_full = segment.used.saturating_add(RECORD_BYTES_MIN) > segment.capacity;
            let may_matter = line.is_none_or(|line| line.contains(&segment.process));
            may_matter && (!is_full || segment.has_unfinished)
        });
        self.segments = segments;
        self.read_again(file, recording.header.limit_grains > 0);
        crate::reader::metadata::commands::waiting(&recording.header)
            .for_each(|command| self.records.command(command));
        self.records.place_modules();
        self.records.exchange(recording);
        self.records.take_new_commands()
    }

    fn read(&mut self, file: &OpenFile, headers: &mut Headers, segment: &mut Segment) {
        // What cannot be read now is read the next time.
        let Some(used) = headers.used_now(file, segment.offset) else { return };
        let used = (used as usize).min(segment.capacity);
        if used == segment.used && !segment.has_unfinished {
            return;
        }
        let offset = segment.offset + (HEADER_BYTES + segment.n_read) as u64;
        let len = used.saturating_sub(segment.n_read);
        if file.read(offset, len, &mut self.buffer).is_err() || self.buffer.len() < len {
            return;
        }
        let bytes = std::mem::take(&mut self.buffer);
        let mut records = Records::new(&bytes);
        while let Some(record) = records.next() {
            let end = segment.n_read + records.position();
            if segment.read.insert(end) {
                self.add_record(record.ok(), segment.offset + (HEADER_BYTES + end) as u64);
            }
        }
        segment.used = used;
        segment.has_unfinished = records.has_unfinished();
        if !segment.has_unfinished {
            segment.n_read = used;
            segment.read.clear();
        }
        self.buffer = bytes;
    }

    /// Adds a record that ends at `end` in the file.
    fn add_record(&mut self, record: Option<Metadata<'_>>, end: u64) {
        let Some(record) = record else {
            self.n_damaged += 1;
            return;
        };
        match record {
            Metadata::Process { process, .. } if process == self.process => {
                self.own_record = end.checked_sub(size_of::<MappedProcess>() as u64);
            }
            Metadata::Thread { process, .. } if process == self.process => {
                self.thread_records.extend(end.checked_sub(size_of::<MappedThread>() as u64));
            }
            _ => {}
        }
        self.records.add(record);
    }

    /// Sees whether the process has ended, and how many threads have gone on under the numbers of others.
    fn read_again(&mut self, file: &OpenFile, is_limited: bool) {
        let threads = if is_limited { &self.thread_records[..] } else { &[] };
        let threads = threads.iter().map(|&offset| (offset, size_of::<MappedThread>()));
        let own = self.own_record.map(|offset| (offset, size_of::<MappedProcess>()));
        for (offset, len) in own.into_iter().chain(threads) {
            if file.read(offset, len, &mut self.buffer).is_ok()
                && let Some(Ok(record @ (Metadata::Process { .. } | Metadata::Thread { .. }))) =
                    Records::new(&self.buffer).next()
            {
                self.records.add(record);
            }
        }
    }
}
