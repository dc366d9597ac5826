//! Appends metadata records: claim room, write the body, then the word that makes it a record.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tm_common::header::{GRAIN_BYTES, SharedRoom};
use tm_common::ids::{CodeIndex, Epoch, ProcessIndex, Stamp, ThreadIndex};
use tm_common::metadata::{
    BUILD_ID_BYTES_MAX, CommandKind, InterpreterState, LineTableKind, MappedCode, MappedCommand, MappedEpoch,
    MappedInterpreter, MappedLineTable, MappedModule, MappedModuleGone, MappedName, MappedNote,
    MappedProcess, MappedProgramHeader, MappedRange, MappedText, MappedThread, MetadataKind, NAME_BYTES_MAX,
    NOTE_BYTES_MAX, NameKind, NoteReason, PENDING, PROGRAM_HEADERS_MAX, TEXT_BYTES_MAX, TextKind, WORD_BYTES,
    word,
};
use tm_common::segment::{GRAINS_MAX, HEADER_BYTES, MappedSegment, SegmentHeader, SegmentKind};

use super::{Recording, extent};
use crate::lockfree::room;
use crate::sys::objects::image::Image;
use crate::sys::syscall::{self, ThreadName};

/// The characters of a name, in UTF-8, each with how many of its bytes it takes.
pub trait Characters: Iterator<Item = ([u8; 4], usize)> + Clone {}

impl<T: Iterator<Item = ([u8; 4], usize)> + Clone> Characters for T {}

/// A Python code object, as it is recorded.
#[derive(Debug)]
pub struct NewCode<'a, File, Name> {
    /// The characters of its file's name, ...
    pub file: File,
    /// ... and of its own.
    pub name: Name,
    /// The number of its first line.
    pub first_line: i32,
    /// The way its line table is written.
    pub line_table_kind: LineTableKind,
    /// Its line table.
    pub line_table: &'a [u8],
}

/// A record under construction; [`Draft::commit`] makes it one.
struct Draft {
    start: *mut u8,
    len: usize,
    kind: MetadataKind,
}

impl Draft {
    /// Writes `value` at the start of the record: its structure, whose first word is [`Draft::pending`].
    fn put<T>(&self, offset: usize, value: T) {
        if !self.holds(offset, size_of::<T>()) {
            return;
        }
        // SAFETY: inside the record, which is this draft's alone and aligned to 8 bytes, as all structures are.
        unsafe { self.start.add(offset).cast::<T>().write(value) };
    }

    fn put_bytes(&self, offset: usize, bytes: &[u8]) {
        if !self.holds(offset, bytes.len()) {
            return;
        }
        // SAFETY: inside the record, which is this draft's alone.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.add(offset), bytes.len()) };
    }

    /// Writes characters, each with how many of its bytes it takes.
    fn put_characters(&self, offset: usize, characters: impl Characters) {
        let mut at = offset;
        for (bytes, len) in characters {
            self.put_bytes(at, bytes.get(..len).unwrap_or(&bytes));
            at += len;
        }
    }

    /// Tells whether a part of the body lies in the record, as it always does: the length was computed from the same values.
    fn holds(&self, offset: usize, len: usize) -> bool {
        debug_assert!(offset + len <= self.len, "a metadata body fits its record");
        offset + len <= self.len
    }

    fn pending(&self) -> AtomicU64 {
        AtomicU64::new(word(self.len, PENDING))
    }

    /// Makes it a record; returns where it is.
    fn commit(self) -> *mut u8 {
        // SAFETY: the record starts with an aligned word.
        let first = unsafe { &*self.start.cast::<AtomicU64>() };
        // Release: publishes the body.
        first.store(word(self.len, self.kind as u16), Ordering::Release);
        self.start
    }
}

impl Recording {
    /// Takes room for a record of `len` bytes, rounded up. `None` if the file cannot grow.
    fn draft(&self, kind: MetadataKind, len: usize) -> Option<Draft> {
        let len = len.next_multiple_of(WORD_BYTES);
        loop {
            // Acquire: receives the segment's header.
            let current = self.metadata.load(Ordering::Acquire);
            // SAFETY: segments stay mapped.
            if let Some(start) = unsafe { current.as_ref() }.and_then(|segment| take(segment, len)) {
                let draft = Draft { start, len, kind };
                // Relaxed: the record is not one yet; this lets readers pass over it if we die.
                // SAFETY: the record starts with an aligned word that is this draft's alone.
                unsafe { (*start.cast::<AtomicU64>()).store(word(len, PENDING), Ordering::Relaxed) };
                return Some(draft);
            }
            self.begin_metadata_segment(current, len)?;
        }
    }

    fn begin_metadata_segment(&self, current: *mut MappedSegment, len: usize) -> Option<()> {
        if self.join_as(SharedRoom::Metadata, &self.metadata, current) {
            return Some(());
        }
        let needed = (HEADER_BYTES + len).div_ceil(GRAIN_BYTES).min(usize::from(GRAINS_MAX)) as u16;
        let room = self.claim(needed, needed)?;
        let header = SegmentHeader::empty(SegmentKind::Metadata, room.grains, self.process());
        let replaced = extent::replace(&self.metadata, current, room, header);
        self.share(SharedRoom::Metadata, room.first_grain, room.grains);
        // SAFETY: common extents stay mapped.
        unsafe { extent::let_go(replaced) };
        Some(())
    }

    /// Records a process, with what its control word says at first; where its ending will be written.
    pub fn add_process(
        &self,
        parent: Option<(ProcessIndex, Epoch)>,
        pid: u32,
        start: Stamp,
        control: u32,
    ) -> *mut MappedProcess {
        let Some(draft) = self.draft(MetadataKind::Process, size_of::<MappedProcess>()) else {
            return core::ptr::null_mut();
        };
        let process = MappedProcess {
            word: draft.pending(),
            process: self.process().0,
            parent: parent.map_or(u32::MAX, |(process, _)| process.0),
            pid,
            ppid: syscall::getppid(),
            epoch: self.own_epoch().0,
            parent_epoch: parent.map_or(0, |(_, epoch)| epoch.0),
            start_stamp: start.0,
            process_start: crate::sys::process::own_start_ticks(),
            end_stamp: AtomicU64::new(0),
            ended: AtomicU32::new(0),
            control: AtomicU32::new(control),
        };
        draft.put(0, process);
        draft.commit().cast()
    }

    /// Records a thread, or a thread's new name; returns where, null if the file cannot grow.
    pub fn add_thread(
        &self,
        thread: ThreadIndex,
        tid: u32,
        name: ThreadName,
        stamp: Stamp,
    ) -> *mut MappedThread {
        let Some(draft) = self.draft(MetadataKind::Thread, size_of::<MappedThread>()) else {
            return core::ptr::null_mut();
        };
        let (process, thread, stamp, n_more) = (self.process().0, thread.0, stamp.0, AtomicU32::new(0));
        draft.put(0, MappedThread { word: draft.pending(), process, thread, tid, n_more, stamp, name });
        draft.commit().cast()
    }

    /// Records what the process was told, by `thread`. `None` if the file cannot grow.
    pub fn add_command(
        &self,
        kind: CommandKind,
        thread: ThreadIndex,
        argument: u32,
        stamp: Stamp,
        name: &[u8],
    ) -> Option<()> {
        let name = name.get(..NAME_BYTES_MAX).unwrap_or(name);
        let header_len = size_of::<MappedCommand>();
        let draft = self.draft(MetadataKind::Command, header_len + name.len())?;
        let command = MappedCommand {
            word: draft.pending(),
            process: self.process().0,
            thread: thread.0,
            kind: kind as u32,
            argument,
            stamp: stamp.0,
            len: name.len() as u32,
            reserved: 0,
        };
        draft.put(0, command);
        draft.put_bytes(header_len, name);
        draft.commit();
        Some(())
    }

    /// Records the name of a tag or a space, at most [`NAME_BYTES_MAX`] long. `None` if the file cannot grow.
    pub fn add_name(&self, kind: NameKind, number: u32, value: u32, name: &[u8]) -> Option<()> {
        let header_len = size_of::<MappedName>();
        let draft = self.draft(MetadataKind::Name, header_len + name.len())?;
        let (process, kind, len) = (self.process().0, kind as u32, name.len() as u32);
        draft.put(0, MappedName { word: draft.pending(), process, kind, number, value, len, reserved: 0 });
        draft.put_bytes(header_len, name);
        draft.commit();
        Some(())
    }

    /// Records something that every report must say, its text cut at [`NOTE_BYTES_MAX`].
    pub fn add_note(&self, reason: NoteReason, text: &[u8]) {
        let text = text.get(..NOTE_BYTES_MAX).unwrap_or(text);
        let header_len = size_of::<MappedNote>();
        let Some(draft) = self.draft(MetadataKind::Note, header_len + text.len()) else { return };
        let (process, reason, len) = (self.process().0, reason as u32, text.len() as u32);
        draft.put(0, MappedNote { word: draft.pending(), process, reason, len, reserved: 0 });
        draft.put_bytes(header_len, text);
        draft.commit();
    }

    /// Records a text of the process, cut at [`TEXT_BYTES_MAX`]. The parts follow each other.
    pub fn add_text<'a>(&self, kind: TextKind, parts: impl Iterator<Item = &'a [u8]> + Clone) {
        let whole: usize = parts.clone().map(<[u8]>::len).sum();
        let len = whole.min(TEXT_BYTES_MAX);
        let header_len = size_of::<MappedText>();
        let Some(draft) = self.draft(MetadataKind::Text, header_len + len) else { return };
        let (process, kind) = (self.process().0, kind as u32);
        draft.put(0, MappedText { word: draft.pending(), process, kind, len: len as u32, reserved: 0 });
        let mut at = 0;
        for part in parts {
            let part = part.get(..part.len().min(len - at)).unwrap_or(&[]);
            draft.put_bytes(header_len + at, part);
            at += part.len();
        }
        draft.commit();
    }

    /// Records a loaded object, whose path is these parts one after the other; from here on the process is in an epoch of
    /// its own.
    pub fn add_module(&self, image: &Image, path: &[&[u8]]) {
        self.use_own_epoch();
        let range = image.range();
        let build_id = image.build_id();
        let build_id = build_id.get(..BUILD_ID_BYTES_MAX).unwrap_or(build_id);
        let n_loads = image.loads().count();
        let n_headers = n_loads.min(PROGRAM_HEADERS_MAX);
        let headers_at = size_of::<MappedModule>();
        let build_id_at = headers_at + n_headers * size_of::<MappedProgramHeader>();
        let path_at = build_id_at + build_id.len();
        let path_len: usize = path.iter().map(|part| part.len()).sum();
        let Some(draft) = self.draft(MetadataKind::Module, path_at + path_len) else { return };
        draft.put(
            0,
            MappedModule {
                word: draft.pending(),
                process: self.process().0,
                epoch: self.epoch().0,
                bias: image.bias() as u64,
                start: range.start as u64,
                end: range.end as u64,
                stamp: self.now().0,
                path_len: path_len as u32,
                build_id_len: build_id.len() as u16,
                n_program_headers: n_headers as u16,
            },
        );
        for (place, load) in image.loads().take(n_headers).enumerate() {
            let header = MappedProgramHeader {
                virtual_address: load.p_vaddr,
                memory_bytes: load.p_memsz,
                file_offset: load.p_offset,
                flags: u64::from(load.p_flags),
            };
            draft.put(headers_at + place * size_of::<MappedProgramHeader>(), header);
        }
        draft.put_bytes(build_id_at, build_id);
        let mut at = path_at;
        for part in path {
            draft.put_bytes(at, part);
            at += part.len();
        }
        draft.commit();
        if n_headers < n_loads {
            self.add_note(NoteReason::ManySegments, path.last().copied().unwrap_or(&[]));
        }
    }

    /// Records an interpreter, the module at `start`, with where its evaluation function is.
    pub fn add_interpreter(
        &self,
        start: usize,
        version: u32,
        state: InterpreterState,
        ranges: &[MappedRange],
    ) {
        let ranges_at = size_of::<MappedInterpreter>();
        let len = ranges_at + size_of_val(ranges);
        let Some(draft) = self.draft(MetadataKind::Interpreter, len) else { return };
        let interpreter = MappedInterpreter {
            word: draft.pending(),
            process: self.process().0,
            epoch: self.epoch().0,
            start: start as u64,
            version,
            state: state as u32,
            n_ranges: ranges.len() as u32,
            reserved: 0,
        };
        draft.put(0, interpreter);
        for (place, &range) in ranges.iter().enumerate() {
            draft.put(ranges_at + place * size_of::<MappedRange>(), range);
        }
        draft.commit();
    }

    /// Records a Python code object, and its line table behind it. `None` if the file cannot grow.
    pub fn add_code(
        &self,
        number: CodeIndex,
        code: &NewCode<'_, impl Characters, impl Characters>,
    ) -> Option<()> {
        let len_of = |bytes: usize| bytes as u32;
        let file_at = size_of::<MappedCode>();
        let file_len = code.file.clone().map(|(_, len)| len).sum::<usize>();
        let name_len = code.name.clone().map(|(_, len)| len).sum::<usize>();
        let draft = self.draft(MetadataKind::Code, file_at + file_len + name_len)?;
        let mapped = MappedCode {
            word: draft.pending(),
            process: self.process().0,
            code: number.0,
            first_line: code.first_line,
            line_table_kind: code.line_table_kind as u32,
            line_table_len: len_of(code.line_table.len()),
            file_len: len_of(file_len),
            name_len: len_of(name_len),
            reserved: 0,
        };
        draft.put(0, mapped);
        draft.put_characters(file_at, code.file.clone());
        draft.put_characters(file_at + file_len, code.name.clone());
        draft.commit();
        let mut offset = 0;
        for part in code.line_table.chunks(TEXT_BYTES_MAX) {
            self.add_line_table(number, offset, part)?;
            offset += len_of(part.len());
        }
        Some(())
    }

    /// Records the part of a code object's line table that begins at `offset`.
    fn add_line_table(&self, code: CodeIndex, offset: u32, part: &[u8]) -> Option<()> {
        let header_len = size_of::<MappedLineTable>();
        let draft = self.draft(MetadataKind::LineTable, header_len + part.len())?;
        let (code, len) = (code.0, part.len() as u32);
        draft.put(0, MappedLineTable { word: draft.pending(), code, offset, len, reserved: 0 });
        draft.put_bytes(header_len, part);
        draft.commit();
        Some(())
    }

    /// Records that the object at `start` is gone since the present epoch.
    pub fn add_module_gone(&self, start: usize) {
        let Some(draft) = self.draft(MetadataKind::ModuleGone, size_of::<MappedModuleGone>()) else { return };
        let (process, epoch) = (self.process().0, self.epoch().0);
        let (start, stamp) = (start as u64, self.now().0);
        draft.put(0, MappedModuleGone { word: draft.pending(), process, epoch, start, stamp });
        draft.commit();
    }

    /// Records that the present epoch follows `previous`.
    pub fn add_epoch(&self, previous: Epoch) {
        let Some(draft) = self.draft(MetadataKind::Epoch, size_of::<MappedEpoch>()) else { return };
        let (process, epoch, stamp) = (self.process().0, self.epoch().0, self.now().0);
        let previous = previous.0;
        draft.put(0, MappedEpoch { word: draft.pending(), process, epoch, previous, reserved: 0, stamp });
        draft.commit();
    }
}

/// Takes `len` bytes of a metadata segment that were not taken yet.
fn take(segment: &MappedSegment, len: usize) -> Option<*mut u8> {
    let capacity = usize::from(segment.grains) * GRAIN_BYTES - HEADER_BYTES;
    let at = room::take_bytes(&segment.used, len, capacity)?;
    // SAFETY: inside the segment.
    Some(unsafe { core::ptr::from_ref(segment).cast_mut().cast::<u8>().add(HEADER_BYTES + at) })
}
