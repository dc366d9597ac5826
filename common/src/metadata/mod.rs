//! Metadata records: what the events refer to, `docs/format.md` section "Metadata".
//!
//! A record is a multiple of 8 bytes that starts with a word: its length in bytes, with this word, in the low half and
//! its kind in the high half. A writer claims the room, writes the word with [`PENDING`], the body, and last the word
//! with the kind.

pub mod control;
mod python;
mod read;
mod start;

use core::sync::atomic::{AtomicU32, AtomicU64};

pub use python::{
    Code, Interpreter, InterpreterState, LineTableKind, MappedCode, MappedInterpreter, MappedLineTable,
    MappedRange,
};
pub use read::{Metadata, Module, Records};
pub use start::{start_argument, started_frames, started_rate};

/// The kind of a record that is being written; it stays so if the process dies meanwhile.
pub const PENDING: u16 = 0xffff;
/// The size of the first word, and what every record's length is a multiple of.
pub const WORD_BYTES: usize = 8;
/// The longest text that is kept, in bytes: half of the largest segment.
pub const TEXT_BYTES_MAX: usize = 32 * 1024;
/// The most loadable segments that are kept of a module: half of the largest segment of the file. Real modules have 2 to 10.
pub const PROGRAM_HEADERS_MAX: usize = 1024;
/// The longest build id that is kept, in bytes. Linkers write 8, 16 or 20.
pub const BUILD_ID_BYTES_MAX: usize = 64;

/// The kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
#[allow(missing_docs, reason = "see the structures of the same names")]
pub enum MetadataKind {
    Process = 1,
    Thread = 2,
    Text = 3,
    Module = 4,
    ModuleGone = 5,
    Epoch = 6,
    Command = 7,
    Name = 8,
    Note = 9,
    Interpreter = 10,
    Code = 11,
    LineTable = 12,
}

/// The meaning of a text for its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum TextKind {
    /// The absolute path of the program.
    Executable = 1,
    /// The arguments, each ended by a NUL.
    CommandLine = 2,
    /// The host's name.
    Host = 3,
    /// The working directory at the start.
    WorkingDirectory = 4,
}

/// The way a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Ending {
    /// It has not ended, or was killed, or executed another program.
    Unknown = 0,
    /// It returned from `main` or called `exit`.
    Exit = 1,
    /// It called `_exit`, `_Exit` or `quick_exit`.
    ImmediateExit = 2,
}

/// Returns the first word of a record of `len` bytes.
#[must_use]
pub const fn word(len: usize, kind: u16) -> u64 {
    len as u64 | (kind as u64) << 32
}

/// A process. The one structure that changes after it was written: `ended` and `end_stamp`.
#[repr(C)]
#[derive(Debug)]
pub struct MappedProcess {
    /// See [`word`].
    pub word: AtomicU64,
    /// The number.
    pub process: u32,
    /// The process that forked it, `u32::MAX` for the first.
    pub parent: u32,
    /// The kernel's number.
    pub pid: u32,
    /// The kernel's number of its parent.
    pub ppid: u32,
    /// The first epoch.
    pub epoch: u32,
    /// The parent's epoch when it was forked.
    pub parent_epoch: u32,
    /// The moment when it began to record.
    pub start_stamp: u64,
    /// `/proc/PID/stat` field 22.
    pub process_start: u64,
    /// The moment when it ended, if `ended` is not 0.
    pub end_stamp: AtomicU64,
    /// An [`Ending`].
    pub ended: AtomicU32,
    /// [`control`]: read before every event, 0 while all are recorded.
    pub control: AtomicU32,
}

/// The commands to a process about its traces, by its program or from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum CommandKind {
    /// Record events. The argument is [`start_argument`].
    Start = 1,
    /// Record nothing, and forget what lives.
    Stop = 2,
    /// Forget what lives.
    Clear = 3,
    /// Remember the moment under a name.
    Mark = 4,
}

impl CommandKind {
    /// Returns the kind with number `id`.
    #[must_use]
    pub const fn from_id(id: u32) -> Option<CommandKind> {
        match id {
            1 => Some(CommandKind::Start),
            2 => Some(CommandKind::Stop),
            3 => Some(CommandKind::Clear),
            4 => Some(CommandKind::Mark),
            _ => None,
        }
    }
}

/// The things that have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum NameKind {
    /// A [`crate::ids::TagIndex`].
    Tag = 1,
    /// A [`crate::ids::Space`]; its value is the [`crate::ids::Domain`]. The text may be empty.
    Space = 2,
}

/// The reasons of notes: what a recorder has noticed that every report must say. A reader that does not know the number
/// shows the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum NoteReason {
    /// The process executed the program of this path, which is static: no library can be preloaded into it.
    ExecutedStatic = 1,
    /// The process executed the program of this path, whose dynamic loader is neither glibc's nor musl's.
    ExecutedForeign = 2,
    /// The process executed the program of this path, which gains rights by that: its loader drops preloaded libraries.
    ExecutedPrivileged = 3,
    /// The library of this path was loaded into a namespace of its own (`dlmopen`), which has its own C library.
    OwnNamespace = 4,
    /// The library of this path is a garbage collector: what it frees itself is not seen.
    Collector = 5,
    /// The library of this path was opened with `RTLD_DEEPBIND`, and its calls could not be led to us.
    DeepBind = 6,
    /// This function freed all blocks of a heap at once, and which ones is not known.
    FreedAtOnce = 7,
    /// The module of this path has more loadable segments than are recorded.
    ManySegments = 8,
    /// The constructors of the library of this path ran before its calls were led to us.
    EarlyConstructors = 9,
    /// The recorder was brought into the running process: blocks from before are unknown. The text says how much memory was
    /// resident then.
    Attached = 10,
}

impl NoteReason {
    /// All of them.
    pub const ALL: [NoteReason; 10] = [
        NoteReason::ExecutedStatic,
        NoteReason::ExecutedForeign,
        NoteReason::ExecutedPrivileged,
        NoteReason::OwnNamespace,
        NoteReason::Collector,
        NoteReason::DeepBind,
        NoteReason::FreedAtOnce,
        NoteReason::ManySegments,
        NoteReason::EarlyConstructors,
        NoteReason::Attached,
    ];

    /// Returns the reason with number `id`.
    #[must_use]
    pub fn from_id(id: u32) -> Option<NoteReason> {
        NoteReason::ALL.into_iter().find(|&reason| reason as u32 == id)
    }
}

/// The longest text of a note that is kept, in bytes: the longest path.
pub const NOTE_BYTES_MAX: usize = 4096;

/// The longest name that is kept, in bytes.
pub const NAME_BYTES_MAX: usize = 255;
/// [`MappedCommand::thread`] of what came from outside of the process.
pub const OUTSIDE: u32 = u32::MAX;

/// A thread.
#[repr(C)]
#[derive(Debug)]
pub struct MappedThread {
    /// See [`word`].
    pub word: AtomicU64,
    /// Whose it is.
    pub process: u32,
    /// The number. A later record with the same number gives a later name.
    pub thread: u32,
    /// The kernel's number.
    pub tid: u32,
    /// How many more threads came one after the other, each when the one before had ended, and have the same number: of the same name,
    /// unless names are endless.
    pub n_more: AtomicU32,
    /// The moment of its first event, or, of a further record, of its new name.
    pub stamp: u64,
    /// The name, ended by a NUL unless it is 16 bytes long (`prctl(2)` PR_GET_NAME).
    pub name: [u8; 16],
}

/// A text; the bytes follow.
#[repr(C)]
#[derive(Debug)]
pub struct MappedText {
    /// See [`word`].
    pub word: AtomicU64,
    /// Whose it is.
    pub process: u32,
    /// A [`TextKind`].
    pub kind: u32,
    /// The number of bytes that follow.
    pub len: u32,
    /// 0.
    pub reserved: u32,
}

/// A loaded file; its program headers, its build id and its path follow, in this order.
#[repr(C)]
#[derive(Debug)]
pub struct MappedModule {
    /// See [`word`].
    pub word: AtomicU64,
    /// The place where it is loaded.
    pub process: u32,
    /// The epoch in which it was first seen.
    pub epoch: u32,
    /// The number that is added to the file's virtual addresses.
    pub bias: u64,
    /// The first address of its lowest loadable segment.
    pub start: u64,
    /// The first address after its highest loadable segment.
    pub end: u64,
    /// The moment when it was first seen.
    pub stamp: u64,
    /// The length of the path in bytes.
    pub path_len: u32,
    /// The length of the build id in bytes.
    pub build_id_len: u16,
    /// The number of [`MappedProgramHeader`]s.
    pub n_program_headers: u16,
}

/// A loadable segment (`PT_LOAD`) of a module.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MappedProgramHeader {
    /// `p_vaddr`.
    pub virtual_address: u64,
    /// `p_memsz`.
    pub memory_bytes: u64,
    /// `p_offset`.
    pub file_offset: u64,
    /// `p_flags`.
    pub flags: u64,
}

/// A module is no longer loaded.
#[repr(C)]
#[derive(Debug)]
pub struct MappedModuleGone {
    /// See [`word`].
    pub word: AtomicU64,
    /// The place where it was loaded.
    pub process: u32,
    /// The first epoch without it.
    pub epoch: u32,
    /// [`MappedModule::start`].
    pub start: u64,
    /// The moment when that was noticed.
    pub stamp: u64,
}

/// A command about all traces of a process: events up to and including the stamp come before it. Its name follows.
#[repr(C)]
#[derive(Debug)]
pub struct MappedCommand {
    /// See [`word`].
    pub word: AtomicU64,
    /// Whose traces.
    pub process: u32,
    /// The thread that called, or [`OUTSIDE`].
    pub thread: u32,
    /// A [`CommandKind`].
    pub kind: u32,
    /// See [`CommandKind`].
    pub argument: u32,
    /// The moment.
    pub stamp: u64,
    /// The length of the name in bytes.
    pub len: u32,
    /// 0.
    pub reserved: u32,
}

/// A name; its bytes follow. Two numbers may have the same one, and of one number the latest counts.
#[repr(C)]
#[derive(Debug)]
pub struct MappedName {
    /// See [`word`].
    pub word: AtomicU64,
    /// The process that gave it.
    pub process: u32,
    /// A [`NameKind`].
    pub kind: u32,
    /// The number of what it names.
    pub number: u32,
    /// See [`NameKind`].
    pub value: u32,
    /// The length of the name in bytes.
    pub len: u32,
    /// 0.
    pub reserved: u32,
}

/// Something that every report must say; its text follows.
#[repr(C)]
#[derive(Debug)]
pub struct MappedNote {
    /// See [`word`].
    pub word: AtomicU64,
    /// The process that noticed it.
    pub process: u32,
    /// A [`NoteReason`].
    pub reason: u32,
    /// The length of the text in bytes.
    pub len: u32,
    /// 0.
    pub reserved: u32,
}

/// An epoch: addresses may mean something else from here on.
#[repr(C)]
#[derive(Debug)]
pub struct MappedEpoch {
    /// See [`word`].
    pub word: AtomicU64,
    /// Whose addresses.
    pub process: u32,
    /// The epoch that begins.
    pub epoch: u32,
    /// The epoch that ends.
    pub previous: u32,
    /// 0.
    pub reserved: u32,
    /// The moment.
    pub stamp: u64,
}

const _: () = assert!(size_of::<MappedProcess>() == 64);
const _: () = assert!(size_of::<MappedThread>() == 48);
const _: () = assert!(size_of::<MappedText>() == 24);
const _: () = assert!(size_of::<MappedModule>() == 56);
const _: () = assert!(size_of::<MappedProgramHeader>() == 32);
const _: () = assert!(size_of::<MappedModuleGone>() == 32);
const _: () = assert!(size_of::<MappedEpoch>() == 32);
const _: () = assert!(size_of::<MappedCommand>() == 40);
const _: () = assert!(size_of::<MappedName>() == 32);
const _: () = assert!(size_of::<MappedNote>() == 24);
