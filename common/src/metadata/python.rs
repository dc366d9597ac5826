//! Records of Python interpreters and of the code that they run.

use core::mem::offset_of;
use core::sync::atomic::AtomicU64;

use super::Metadata;
use super::read::slice;
use crate::bytes::{u32_at, u64_at};
use crate::error::DecodeError;
use crate::ids::{Address, CodeIndex, Epoch, ProcessIndex};

/// A Python interpreter that was found in a process; the [`MappedRange`]s of its evaluation function follow, which runs
/// Python code.
#[repr(C)]
#[derive(Debug)]
pub struct MappedInterpreter {
    /// See [`super::word`].
    pub word: AtomicU64,
    /// The process that it runs in.
    pub process: u32,
    /// The epoch in which it was found.
    pub epoch: u32,
    /// The first address of the module that it is, [`super::MappedModule::start`].
    pub start: u64,
    /// `PY_VERSION_HEX`; 0 if that is not known.
    pub version: u32,
    /// An [`InterpreterState`].
    pub state: u32,
    /// The number of ranges.
    pub n_ranges: u32,
    /// 0.
    pub reserved: u32,
}

/// A range of addresses.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MappedRange {
    /// The first address.
    pub start: u64,
    /// The first address after it.
    pub end: u64,
}

/// Whether the frames of an interpreter are read, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum InterpreterState {
    /// They are.
    Read = 0,
    /// Its version is none whose frames are known.
    UnknownVersion = 1,
    /// It is built without the global lock, and so are its frames.
    FreeThreaded = 2,
    /// What stands in its memory is not what its version should have there.
    UnexpectedLayout = 3,
    /// A second interpreter library in the same process: the frames of the first one are read.
    Second = 4,
    /// A reason of a later version.
    Other = 15,
}

impl InterpreterState {
    /// Returns the state with number `id`.
    #[must_use]
    pub const fn from_id(id: u32) -> InterpreterState {
        match id {
            0 => InterpreterState::Read,
            1 => InterpreterState::UnknownVersion,
            2 => InterpreterState::FreeThreaded,
            3 => InterpreterState::UnexpectedLayout,
            4 => InterpreterState::Second,
            _ => InterpreterState::Other,
        }
    }
}

/// A Python code object; its file name and its qualified name follow, in UTF-8, in which what is no character (a lone surrogate, by which Python keeps
/// a byte of a file name) is as Python's `surrogatepass` writes it. Its line table comes in [`MappedLineTable`]s.
#[repr(C)]
#[derive(Debug)]
pub struct MappedCode {
    /// See [`super::word`].
    pub word: AtomicU64,
    /// The process that met it first.
    pub process: u32,
    /// Its [`crate::ids::CodeIndex`].
    pub code: u32,
    /// `co_firstlineno`.
    pub first_line: i32,
    /// A [`LineTableKind`].
    pub line_table_kind: u32,
    /// The length of the whole line table in bytes.
    pub line_table_len: u32,
    /// The length of the file name in bytes.
    pub file_len: u32,
    /// The length of the qualified name in bytes (3.9 and 3.10: the name).
    pub name_len: u32,
    /// 0.
    pub reserved: u32,
}

/// A part of a code object's line table; the bytes follow. A table has as many parts as it needs.
#[repr(C)]
#[derive(Debug)]
pub struct MappedLineTable {
    /// See [`super::word`].
    pub word: AtomicU64,
    /// Its [`crate::ids::CodeIndex`].
    pub code: u32,
    /// Where in the table the part begins, in bytes.
    pub offset: u32,
    /// The number of bytes that follow.
    pub len: u32,
    /// 0.
    pub reserved: u32,
}

/// How a line table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum LineTableKind {
    /// `co_lnotab` of 3.9 (CPython's Objects/lnotab_notes.txt). Instructions are counted in code units of 2 bytes all the same.
    Lnotab = 1,
    /// `co_linetable` of 3.10 (PEP 626).
    Pairs = 2,
    /// `co_linetable` since 3.11 (PEP 657; CPython's Objects/locations.md).
    Locations = 3,
    /// One of a later version.
    Other = 15,
}

impl LineTableKind {
    /// Returns the kind with number `id`.
    #[must_use]
    pub const fn from_id(id: u32) -> LineTableKind {
        match id {
            1 => LineTableKind::Lnotab,
            2 => LineTableKind::Pairs,
            3 => LineTableKind::Locations,
            _ => LineTableKind::Other,
        }
    }
}

const _: () = assert!(size_of::<MappedInterpreter>() == 40);
const _: () = assert!(size_of::<MappedRange>() == 16);
const _: () = assert!(size_of::<MappedCode>() == 40);
const _: () = assert!(size_of::<MappedLineTable>() == 24);

/// A Python interpreter as read from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of MappedInterpreter")]
pub struct Interpreter<'a> {
    pub process: ProcessIndex,
    pub epoch: Epoch,
    pub start: Address,
    pub version: u32,
    pub state: InterpreterState,
    /// [`MappedRange`]s, see [`Interpreter::ranges`].
    ranges: &'a [u8],
}

impl Interpreter<'_> {
    /// Returns where its evaluation function is.
    pub fn ranges(&self) -> impl Iterator<Item = MappedRange> + '_ {
        let chunks = self.ranges.chunks_exact(size_of::<MappedRange>());
        chunks.filter_map(|bytes| {
            Some(MappedRange { start: u64_at(bytes, 0).ok()?, end: u64_at(bytes, 8).ok()? })
        })
    }
}

/// A Python code object as read from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of MappedCode")]
pub struct Code<'a> {
    pub process: ProcessIndex,
    pub code: CodeIndex,
    pub first_line: i32,
    pub line_table_kind: LineTableKind,
    pub line_table_len: u32,
    pub file: &'a [u8],
    pub name: &'a [u8],
}

pub(super) fn parse_interpreter(record: &[u8]) -> Result<Interpreter<'_>, DecodeError> {
    let n_ranges = u32_at(record, offset_of!(MappedInterpreter, n_ranges))? as usize;
    let ranges_len = n_ranges.checked_mul(size_of::<MappedRange>()).ok_or(DecodeError::Truncated)?;
    Ok(Interpreter {
        process: ProcessIndex(u32_at(record, offset_of!(MappedInterpreter, process))?),
        epoch: Epoch(u32_at(record, offset_of!(MappedInterpreter, epoch))?),
        start: Address(u64_at(record, offset_of!(MappedInterpreter, start))?),
        version: u32_at(record, offset_of!(MappedInterpreter, version))?,
        state: InterpreterState::from_id(u32_at(record, offset_of!(MappedInterpreter, state))?),
        ranges: slice(record, size_of::<MappedInterpreter>(), ranges_len)?,
    })
}

pub(super) fn parse_code(record: &[u8]) -> Result<Code<'_>, DecodeError> {
    let file_len = u32_at(record, offset_of!(MappedCode, file_len))? as usize;
    let name_len = u32_at(record, offset_of!(MappedCode, name_len))? as usize;
    let names = size_of::<MappedCode>();
    let file = slice(record, names, file_len)?;
    Ok(Code {
        process: ProcessIndex(u32_at(record, offset_of!(MappedCode, process))?),
        code: CodeIndex(u32_at(record, offset_of!(MappedCode, code))?),
        first_line: u32_at(record, offset_of!(MappedCode, first_line))?.cast_signed(),
        line_table_kind: LineTableKind::from_id(u32_at(record, offset_of!(MappedCode, line_table_kind))?),
        line_table_len: u32_at(record, offset_of!(MappedCode, line_table_len))?,
        file,
        name: slice(record, names + file_len, name_len)?,
    })
}

pub(super) fn parse_line_table(record: &[u8]) -> Result<Metadata<'_>, DecodeError> {
    let len = u32_at(record, offset_of!(MappedLineTable, len))? as usize;
    Ok(Metadata::LineTable {
        code: CodeIndex(u32_at(record, offset_of!(MappedLineTable, code))?),
        offset: u32_at(record, offset_of!(MappedLineTable, offset))?,
        bytes: slice(record, size_of::<MappedLineTable>(), len)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{MetadataKind, Records, word};
    use super::*;
    use std::vec::Vec;

    fn record(kind: MetadataKind, words: &[u32], rest: &[u8]) -> Vec<u8> {
        let body = words.iter().flat_map(|word| word.to_le_bytes()).chain(rest.iter().copied());
        let mut bytes: Vec<u8> = [0; 8].into_iter().chain(body).collect();
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let first = word(bytes.len(), kind as u16).to_le_bytes();
        bytes[..8].copy_from_slice(&first);
        bytes
    }

    #[test]
    fn what_python_runs_comes_back() {
        let ranges = [16u64, 32, 64, 80].map(u64::to_le_bytes).concat();
        let interpreter = record(MetadataKind::Interpreter, &[1, 2, 4096, 0, 0x030b_02f0, 9, 2, 0], &ranges);
        let code = record(MetadataKind::Code, &[1, 7, u32::MAX, 3, 5, 4, 1, 0], b"a.pyf");
        let table = record(MetadataKind::LineTable, &[7, 3, 2, 0], b"xy");
        let bytes = [interpreter, code, table].concat();
        let records: Vec<_> = Records::new(&bytes).map(|record| record.expect("it is whole")).collect();
        let [Metadata::Interpreter(interpreter), Metadata::Code(code), Metadata::LineTable { .. }] =
            records[..]
        else {
            panic!("{records:?}")
        };
        assert_eq!((interpreter.version, interpreter.state), (0x030b_02f0, InterpreterState::Other));
        let ranges: Vec<_> = interpreter.ranges().map(|range| (range.start, range.end)).collect();
        assert_eq!((interpreter.start, ranges), (Address(4096), [(16, 32), (64, 80)].to_vec()));
        assert_eq!((code.code, code.first_line, code.line_table_len), (CodeIndex(7), -1, 5));
        assert_eq!(
            (code.line_table_kind, code.file, code.name),
            (LineTableKind::Locations, &b"a.py"[..], &b"f"[..])
        );
        assert_eq!(records[2], Metadata::LineTable { code: CodeIndex(7), offset: 3, bytes: b"xy" });
    }

    #[test]
    fn lengths_that_lead_outside_are_errors() {
        for (kind, place) in
            [(MetadataKind::Interpreter, 6), (MetadataKind::Code, 5), (MetadataKind::LineTable, 2)]
        {
            let mut words = [0; 8];
            words[place] = u32::MAX;
            let bytes = record(kind, &words, &[]);
            assert_eq!(Records::new(&bytes).next(), Some(Err(DecodeError::Truncated)), "{kind:?}");
        }
    }
}
