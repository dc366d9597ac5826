//! Reading metadata records from bytes of unknown origin. What a dead writer left unfinished hides nothing else.

use core::mem::offset_of;

use super::{
    CommandKind, Ending, MappedCommand, MappedEpoch, MappedModule, MappedModuleGone, MappedName, MappedNote,
    MappedProcess, MappedProgramHeader, MappedText, MappedThread, NameKind, OUTSIDE, PENDING, TextKind,
    WORD_BYTES, python,
};
use crate::bytes::{u16_at, u32_at, u64_at};
use crate::error::DecodeError;
use crate::ids::{Address, CodeIndex, Epoch, ProcessIndex, Stamp, ThreadIndex};

/// A record as read from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the mapped structures of the same names")]
pub enum Metadata<'a> {
    Process {
        process: ProcessIndex,
        parent: Option<ProcessIndex>,
        pid: u32,
        ppid: u32,
        epoch: Epoch,
        parent_epoch: Epoch,
        start: Stamp,
        process_start: u64,
        ended: Ending,
        end: Stamp,
    },
    Thread {
        process: ProcessIndex,
        thread: ThreadIndex,
        tid: u32,
        n_more: u32,
        stamp: Stamp,
        name: &'a [u8],
    },
    Text {
        process: ProcessIndex,
        /// The kind; `None` for one that a later version added.
        kind: Option<TextKind>,
        text: &'a [u8],
    },
    Module(Module<'a>),
    ModuleGone {
        process: ProcessIndex,
        epoch: Epoch,
        start: Address,
        stamp: Stamp,
    },
    Epoch {
        process: ProcessIndex,
        epoch: Epoch,
        previous: Epoch,
        stamp: Stamp,
    },
    Command {
        process: ProcessIndex,
        /// The thread; `None` from outside of the process.
        thread: Option<ThreadIndex>,
        /// The kind; `None` for one that a later version added.
        kind: Option<CommandKind>,
        argument: u32,
        stamp: Stamp,
        name: &'a [u8],
    },
    Name {
        process: ProcessIndex,
        /// The kind; `None` for one that a later version added.
        kind: Option<NameKind>,
        number: u32,
        value: u32,
        name: &'a [u8],
    },
    Note {
        process: ProcessIndex,
        /// A [`super::NoteReason`], or one that a later version added.
        reason: u32,
        text: &'a [u8],
    },
    Interpreter(python::Interpreter<'a>),
    Code(python::Code<'a>),
    LineTable {
        code: CodeIndex,
        offset: u32,
        bytes: &'a [u8],
    },
}

/// A module as read from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of MappedModule")]
pub struct Module<'a> {
    pub process: ProcessIndex,
    pub epoch: Epoch,
    pub bias: u64,
    pub start: Address,
    pub end: Address,
    pub stamp: Stamp,
    /// [`MappedProgramHeader`]s, see [`Module::program_headers`].
    program_headers: &'a [u8],
    pub build_id: &'a [u8],
    pub path: &'a [u8],
}

impl Module<'_> {
    /// Returns the loadable segments in the file's order.
    pub fn program_headers(&self) -> impl Iterator<Item = MappedProgramHeader> + '_ {
        let chunks = self.program_headers.chunks_exact(size_of::<MappedProgramHeader>());
        chunks.filter_map(|bytes| {
            Some(MappedProgramHeader {
                virtual_address: u64_at(bytes, 0).ok()?,
                memory_bytes: u64_at(bytes, 8).ok()?,
                file_offset: u64_at(bytes, 16).ok()?,
                flags: u64_at(bytes, 24).ok()?,
            })
        })
    }
}

/// The records of a metadata segment.
///
/// Yields an error for each record that cannot be read and goes on behind it; ends where the rest is not records.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    /// The bytes that are not read yet.
    bytes: &'a [u8],
    /// The number of bytes at first.
    len: usize,
    has_unfinished: bool,
}

impl<'a> Records<'a> {
    /// Makes the records in `bytes`: a segment without its header, up to what is in use.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Records { bytes, len: bytes.len(), has_unfinished: false }
    }

    /// Returns where the latest record ends, counted from where the bytes begin.
    #[must_use]
    pub fn position(&self) -> usize {
        self.len - self.bytes.len()
    }

    /// Tells whether room was passed over in which there is no record yet: its writer is at it, or has died.
    #[must_use]
    pub fn has_unfinished(&self) -> bool {
        self.has_unfinished
    }

    /// Returns the next record and where it starts, in bytes from the start of what was given.
    pub fn next_with_place(&mut self) -> Option<(usize, Result<Metadata<'a>, DecodeError>)> {
        loop {
            let place = self.len - self.bytes.len();
            let first = u64_at(self.bytes, 0).ok()?;
            if first == 0 {
                // Claimed, and its first word is not written: records stand at multiples of a word.
                self.has_unfinished = true;
                self.bytes = self.bytes.get(WORD_BYTES..)?;
                continue;
            }
            let (len, kind) = (first as u32 as usize, (first >> 32) as u16);
            if len < WORD_BYTES || len % WORD_BYTES != 0 || len > self.bytes.len() {
                self.bytes = &[];
                let error = DecodeError::Invalid { field: "metadata length", found: len as u64 };
                return Some((place, Err(error)));
            }
            let (record, rest) = self.bytes.split_at(len);
            self.bytes = rest;
            self.has_unfinished |= kind == PENDING;
            match parse(kind, record) {
                Ok(Some(metadata)) => return Some((place, Ok(metadata))),
                Ok(None) => {}
                Err(error) => return Some((place, Err(error))),
            }
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Metadata<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_with_place().map(|(_, record)| record)
    }
}

/// Reads one record; `None` for a pending one and for kinds that a later version added.
fn parse(kind: u16, record: &[u8]) -> Result<Option<Metadata<'_>>, DecodeError> {
    Ok(Some(match kind {
        1 => parse_process(record)?,
        2 => Metadata::Thread {
            process: ProcessIndex(u32_at(record, offset_of!(MappedThread, process))?),
            thread: ThreadIndex(u32_at(record, offset_of!(MappedThread, thread))?),
            tid: u32_at(record, offset_of!(MappedThread, tid))?,
            n_more: u32_at(record, offset_of!(MappedThread, n_more))?,
            stamp: Stamp(u64_at(record, offset_of!(MappedThread, stamp))?),
            name: until_nul(slice(record, offset_of!(MappedThread, name), 16)?),
        },
        3 => parse_text(record)?,
        4 => Metadata::Module(parse_module(record)?),
        5 => Metadata::ModuleGone {
            process: ProcessIndex(u32_at(record, offset_of!(MappedModuleGone, process))?),
            epoch: Epoch(u32_at(record, offset_of!(MappedModuleGone, epoch))?),
            start: Address(u64_at(record, offset_of!(MappedModuleGone, start))?),
            stamp: Stamp(u64_at(record, offset_of!(MappedModuleGone, stamp))?),
        },
        6 => Metadata::Epoch {
            process: ProcessIndex(u32_at(record, offset_of!(MappedEpoch, process))?),
            epoch: Epoch(u32_at(record, offset_of!(MappedEpoch, epoch))?),
            previous: Epoch(u32_at(record, offset_of!(MappedEpoch, previous))?),
            stamp: Stamp(u64_at(record, offset_of!(MappedEpoch, stamp))?),
        },
        7 => parse_command(record)?,
        8 => parse_name(record)?,
        9 => parse_note(record)?,
        10 => Metadata::Interpreter(python::parse_interpreter(record)?),
        11 => Metadata::Code(python::parse_code(record)?),
        12 => python::parse_line_table(record)?,
        _ => return Ok(None),
    }))
}

fn parse_process(record: &[u8]) -> Result<Metadata<'_>, DecodeError> {
    let parent = u32_at(record, offset_of!(MappedProcess, parent))?;
    let ended = match u32_at(record, offset_of!(MappedProcess, ended))? {
        1 => Ending::Exit,
        2 => Ending::ImmediateExit,
        _ => Ending::Unknown,
    };
    Ok(Metadata::Process {
        process: ProcessIndex(u32_at(record, offset_of!(MappedProcess, process))?),
        parent: (parent != u32::MAX).then_some(ProcessIndex(parent)),
        pid: u32_at(record, offset_of!(MappedProcess, pid))?,
        ppid: u32_at(record, offset_of!(MappedProcess, ppid))?,
        epoch: Epoch(u32_at(record, offset_of!(MappedProcess, epoch))?),
        parent_epoch: Epoch(u32_at(record, offset_of!(MappedProcess, parent_epoch))?),
        start: Stamp(u64_at(record, offset_of!(MappedProcess, start_stamp))?),
        process_start: u64_at(record, offset_of!(MappedProcess, process_start))?,
        ended,
        end: Stamp(u64_at(record, offset_of!(MappedProcess, end_stamp))?),
    })
}

fn parse_text(record: &[u8]) -> Result<Metadata<'_>, DecodeError> {
    let len = u32_at(record, offset_of!(MappedText, len))? as usize;
    let kind = match u32_at(record, offset_of!(MappedText, kind))? {
        1 => Some(TextKind::Executable),
        2 => Some(TextKind::CommandLine),
        3 => Some(TextKind::Host),
        4 => Some(TextKind::WorkingDirectory),
        _ => None,
    };
    Ok(Metadata::Text {
        process: ProcessIndex(u32_at(record, offset_of!(MappedText, process))?),
        kind,
        text: slice(record, size_of::<MappedText>(), len)?,
    })
}

fn parse_command(record: &[u8]) -> Result<Metadata<'_>, DecodeError> {
    let len = u32_at(record, offset_of!(MappedCommand, len))? as usize;
    let thread = u32_at(record, offset_of!(MappedCommand, thread))?;
    Ok(Metadata::Command {
        process: ProcessIndex(u32_at(record, offset_of!(MappedCommand, process))?),
        thread: (thread != OUTSIDE).then_some(ThreadIndex(thread)),
        kind: CommandKind::from_id(u32_at(record, offset_of!(MappedCommand, kind))?),
        argument: u32_at(record, offset_of!(MappedCommand, argument))?,
        stamp: Stamp(u64_at(record, offset_of!(MappedCommand, stamp))?),
        name: slice(record, size_of::<MappedCommand>(), len)?,
    })
}

fn parse_name(record: &[u8]) -> Result<Metadata<'_>, DecodeError> {
    let len = u32_at(record, offset_of!(MappedName, len))? as usize;
    let kind = match u32_at(record, offset_of!(MappedName, kind))? {
        1 => Some(NameKind::Tag),
        2 => Some(NameKind::Space),
        _ => None,
    };
    Ok(Metadata::Name {
        process: ProcessIndex(u32_at(record, offset_of!(MappedName, process))?),
        kind,
        number: u32_at(record, offset_of!(MappedName, number))?,
        value: u32_at(record, offset_of!(MappedName, value))?,
        name: slice(record, size_of::<MappedName>(), len)?,
    })
}

fn parse_note(record: &[u8]) -> Result<Metadata<'_>, DecodeError> {
    let len = u32_at(record, offset_of!(MappedNote, len))? as usize;
    Ok(Metadata::Note {
        process: ProcessIndex(u32_at(record, offset_of!(MappedNote, process))?),
        reason: u32_at(record, offset_of!(MappedNote, reason))?,
        text: slice(record, size_of::<MappedNote>(), len)?,
    })
}

fn parse_module(record: &[u8]) -> Result<Module<'_>, DecodeError> {
    let n_headers = usize::from(u16_at(record, offset_of!(MappedModule, n_program_headers))?);
    let build_id_len = usize::from(u16_at(record, offset_of!(MappedModule, build_id_len))?);
    let path_len = u32_at(record, offset_of!(MappedModule, path_len))? as usize;
    let headers_at = size_of::<MappedModule>();
    let build_id_at = headers_at + n_headers * size_of::<MappedProgramHeader>();
    Ok(Module {
        process: ProcessIndex(u32_at(record, offset_of!(MappedModule, process))?),
        epoch: Epoch(u32_at(record, offset_of!(MappedModule, epoch))?),
        bias: u64_at(record, offset_of!(MappedModule, bias))?,
        start: Address(u64_at(record, offset_of!(MappedModule, start))?),
        end: Address(u64_at(record, offset_of!(MappedModule, end))?),
        stamp: Stamp(u64_at(record, offset_of!(MappedModule, stamp))?),
        program_headers: slice(record, headers_at, build_id_at - headers_at)?,
        build_id: slice(record, build_id_at, build_id_len)?,
        path: slice(record, build_id_at + build_id_len, path_len)?,
    })
}

pub(super) fn slice(bytes: &[u8], offset: usize, len: usize) -> Result<&[u8], DecodeError> {
    let end = offset.checked_add(len).ok_or(DecodeError::Truncated)?;
    bytes.get(offset..end).ok_or(DecodeError::Truncated)
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    bytes.get(..end).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{MetadataKind, word};
    use std::vec::Vec;

    fn record(kind: u16, body: &[u8]) -> Vec<u8> {
        let len = (WORD_BYTES + body.len()).next_multiple_of(WORD_BYTES);
        let mut bytes = word(len, kind).to_le_bytes().to_vec();
        bytes.extend_from_slice(body);
        bytes.resize(len, 0);
        bytes
    }

    #[test]
    fn a_writer_that_died_hides_only_its_own_record() {
        let gone = [1u32.to_le_bytes(), 7u32.to_le_bytes(), [0; 4], [0; 4], [9, 0, 0, 0], [0; 4]].concat();
        let mut bytes = [0; 24].to_vec();
        bytes.extend(record(PENDING, &[0xaa; 17]));
        bytes.extend(record(MetadataKind::ModuleGone as u16, &gone));
        bytes.extend(record(42, b"a later version's"));
        let mut records = Records::new(&bytes);
        let found: Vec<_> = records.by_ref().collect();
        assert!(records.has_unfinished() && records.position() == bytes.len());
        let expected = Metadata::ModuleGone {
            process: ProcessIndex(1),
            epoch: Epoch(7),
            start: Address(0),
            stamp: Stamp(9),
        };
        assert_eq!(found, [Ok(expected)]);
        // Behind 24 bytes of nothing and a record of 32.
        assert_eq!(Records::new(&bytes).next_with_place(), Some((56, Ok(expected))));
    }

    #[test]
    fn a_note_of_a_later_version_is_read_too() {
        let body =
            [2u32, 77, 3, 0].iter().flat_map(|word| word.to_le_bytes()).chain(*b"why").collect::<Vec<u8>>();
        let bytes = record(MetadataKind::Note as u16, &body);
        let expected = Metadata::Note { process: ProcessIndex(2), reason: 77, text: b"why" };
        assert_eq!(Records::new(&bytes).collect::<Vec<_>>(), [Ok(expected)]);
        let mut longer = bytes.clone();
        longer[16] = 200;
        assert_eq!(Records::new(&longer).next(), Some(Err(DecodeError::Truncated)));
    }

    #[test]
    fn lengths_that_lead_outside_are_errors() {
        for len in [4, 12, 4096] {
            let mut bytes = record(MetadataKind::Text as u16, &[0; 24]);
            bytes[..8].copy_from_slice(&word(len, MetadataKind::Text as u16).to_le_bytes());
            assert!(matches!(Records::new(&bytes).next(), Some(Err(DecodeError::Invalid { .. }))));
        }
        let short = record(MetadataKind::Module as u16, &[0xff; 48]);
        assert_eq!(Records::new(&short).next(), Some(Err(DecodeError::Truncated)));
    }
}
