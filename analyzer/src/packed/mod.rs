//! Packed recordings: a recording's segments in compressed blocks (`docs/format.md`, "Packed recordings"). [`PackedFile`]
//! answers reads at the recording's own offsets, so that readers of recordings need not know how one is stored.
//!
//! ```text
//! columns (records), nodes (stacks)  <->  block (compressed)  <->  file (reads by offset)
//! ```

mod block;
mod cache;
mod columns;
mod file;
mod nodes;

pub(crate) use block::{BlockWriter, Codec, HEAD_BYTES, PIECES_MAX, Piece};
pub(crate) use file::{Opening, PackedFile, PackedState};

/// How a packed recording begins.
pub const MAGIC: [u8; 8] = *b"\x89TMPAK\r\n";
/// The version of the format; those up to it are read.
pub const VERSION: u32 = 2;
/// The version of a file without names, which says so.
const VERSION_WITHOUT_NAMES: u32 = 1;
/// The bytes before the first block.
pub(crate) const FILE_HEADER_BYTES: usize = 24;

/// The bytes before the first block, of a recording of `len` bytes, with names or without: magic, version, CRC-32 of the
/// others, the length.
pub(crate) fn file_header(len: u64, has_names: bool) -> Vec<u8> {
    let version = if has_names { VERSION } else { VERSION_WITHOUT_NAMES };
    let (start, end) = ([&MAGIC[..], &version.to_le_bytes()].concat(), len.to_le_bytes());
    let check = crc32fast::hash(&[&start[..], &end].concat()).to_le_bytes();
    [&start[..], &check, &end].concat()
}

/// Bytes are not what is written here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged;
