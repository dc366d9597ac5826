//! A packed recording's file, read at the offsets that its contents have in the recording.

use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use memchr::memmem;
use tm_common::bytes::{u32_at, u64_at};
use tm_common::error::DecodeError;

use super::block::{self, Block, HEAD_BYTES, Missing, Piece};
use super::cache::Cache;
use super::{FILE_HEADER_BYTES, MAGIC, VERSION, file_header};
use crate::error::{Error, Result};

/// How much of unpacked contents is kept at most, in bytes: some blocks for each of the streams that are read beside each other.
const CACHE_BYTES: usize = 64 << 20;

/// A packed recording, open.
#[derive(Debug)]
pub(crate) struct PackedFile {
    file: File,
    /// The recording's length in bytes.
    len: u64,
    blocks: Vec<PiecesOf>,
    /// Those of each block together, as they come in it.
    pieces: Vec<Placed>,
    /// The places of the pieces in the order of their offsets; none overlaps another one.
    by_offset: Vec<u32>,
    /// The blocks with names.
    names: Vec<Block>,
    cache: Cache,
}

#[derive(Debug)]
struct PiecesOf {
    block: Block,
    places: Range<usize>,
}

#[derive(Debug)]
struct Placed {
    piece: Piece,
    block: u32,
    /// Where its content begins in the block's.
    start: u32,
}

impl Placed {
    fn end(&self) -> u64 {
        self.piece.offset + HEAD_BYTES as u64 + u64::from(self.piece.len)
    }
}

/// A packed recording and what was found of its file.
#[derive(Debug)]
pub(crate) struct Opening {
    pub packed: PackedFile,
    pub found: PackedState,
}

/// What was found of a packed recording's file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PackedState {
    /// Its size in bytes.
    pub bytes: u64,
    /// Its blocks.
    pub n_blocks: u64,
    /// Whether the file ends before its last block.
    pub is_cut: bool,
    /// Places where there should be a block and is none.
    pub n_damaged: u64,
    /// Places that the system could not read, and what it said.
    pub unreadable: Option<String>,
}

impl PackedState {
    /// Whether all blocks were found.
    pub fn is_whole(&self) -> bool {
        !self.is_cut && self.n_damaged == 0 && self.unreadable.is_none()
    }
}

impl PackedFile {
    /// Tells whether a file that starts with these bytes is one.
    pub fn is_one(start: &[u8]) -> bool {
        start.starts_with(&MAGIC)
    }

    /// Looks at the blocks of `file`, which is at `path`. Whatever of a cut or damaged one can be read is there.
    ///
    /// # Errors
    /// It is of a later version, or its start cannot be read.
    pub fn open(file: File, path: &Path) -> Result<Opening> {
        let failed = |source| Error::io("read", path, source);
        let format = |source| Error::format(path, source);
        let bytes = file.metadata().map_err(failed)?.len();
        let mut start = [0; FILE_HEADER_BYTES];
        if bytes < FILE_HEADER_BYTES as u64 {
            return Err(format(DecodeError::Truncated));
        }
        file.read_exact_at(&mut start, 0).map_err(failed)?;
        let (version, len) = (u32_at(&start, 8).map_err(format)?, u64_at(&start, 16).map_err(format)?);
        if version <= VERSION && ![true, false].iter().any(|&has_names| start == *file_header(len, has_names))
        {
            return Err(format(DecodeError::Invalid { field: "length", found: len }));
        }
        let len = len.min(i64::MAX as u64);
        if version > VERSION {
            return Err(format(DecodeError::NewerVersion { found: version, readable: VERSION }));
        }
        let mut packed = PackedFile {
            file,
            len,
            blocks: Vec::new(),
            pieces: Vec::new(),
            by_offset: Vec::new(),
            names: Vec::new(),
            cache: Cache::new(CACHE_BYTES),
        };
        let mut found = PackedState { bytes, ..PackedState::default() };
        packed.find_blocks(&mut found);
        found.n_damaged += packed.order();
        found.n_blocks = (packed.blocks.len() + packed.names.len()) as u64;
        Ok(Opening { packed, found })
    }

    fn find_blocks(&mut self, state: &mut PackedState) {
        let mut at = FILE_HEADER_BYTES as u64;
        // Each segment has a check of its own, four bytes that nothing can guess; other pieces are long.
        let n_pieces_max = usize::try_from(state.bytes / 4).unwrap_or(usize::MAX);
        while state.n_damaged < N_DAMAGED_MAX {
            if self.pieces.len() > n_pieces_max {
                state.n_damaged += 1;
                return;
            }
            match block::find(&self.file, at) {
                Ok(found) if found.is_end => return,
                Ok(found) => {
                    at = found.end;
                    state.is_cut |= found.end > state.bytes;
                    match found.has_names {
                        true => self.names.push(found.block),
                        false => self.take(found.block, &found.pieces),
                    }
                }
                Err(Missing::Cut) => {
                    state.is_cut = true;
                    return;
                }
                Err(missing) => {
                    match missing {
                        Missing::Unreadable(error) => state.unreadable = Some(error.to_string()),
                        _ => state.n_damaged += 1,
                    }
                    // What follows may be whole.
                    let Some(next) = self.next_magic(at + 1) else {
                        return;
                    };
                    at = next;
                }
            }
        }
    }

    fn take(&mut self, block: Block, pieces: &[Piece]) {
        let (number, first, mut start) = (self.blocks.len() as u32, self.pieces.len(), 0);
        for &piece in pieces {
            self.pieces.push(Placed { piece, block: number, start });
            start += piece.len;
        }
        self.blocks.push(PiecesOf { block, places: first..self.pieces.len() });
    }

    /// Puts the pieces in the order of their offsets. Returns how many are left out, since others hold the same bytes.
    fn order(&mut self) -> u64 {
        let mut order: Vec<u32> = (0..self.pieces.len() as u32).collect();
        let placed = |place: u32| self.pieces.get(place as usize);
        order.sort_by_key(|&place| placed(place).map_or(0, |placed| placed.piece.offset));
        let (n, mut end) = (order.len(), 0);
        order.retain(|&place| {
            let placed = placed(place).filter(|placed| placed.piece.offset >= end);
            end = placed.map_or(end, Placed::end);
            placed.is_some()
        });
        let n_left_out = (n - order.len()) as u64;
        self.by_offset = order;
        n_left_out
    }

    /// Where the next block may begin, from `at` on.
    fn next_magic(&self, at: u64) -> Option<u64> {
        let (mut at, mut buffer) = (at, vec![0; SEARCHED_BYTES]);
        loop {
            let n = self.file.read_at(&mut buffer, at).ok()?;
            let read = buffer.get(..n).filter(|read| read.len() >= block::MAGIC.len())?;
            if let Some(place) = memmem::find(read, &block::MAGIC) {
                return Some(at + place as u64);
            }
            at += (n - (block::MAGIC.len() - 1)) as u64;
        }
    }

    /// The recording's length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The contents of its blocks with names; `None` for one that is damaged.
    pub fn names(&self) -> impl Iterator<Item = Option<Vec<u8>>> {
        self.names.iter().map(|block| block::contents(&self.file, block, std::iter::empty()).ok())
    }

    /// What the system says of the packed file.
    pub fn status(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Reads what the recording has at `offset` into `buffer`. Returns how much that is: less at its end.
    ///
    /// # Errors
    /// What the system says, and a block that is damaged.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let n = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..n).unwrap_or_default();
        buffer.fill(0);
        let end = offset + n as u64;
        for placed in self.from(offset).take_while(|placed| placed.piece.offset < end) {
            let piece = &placed.piece;
            copy(&piece.head, piece.offset, offset, buffer);
            let content_at = piece.offset + HEAD_BYTES as u64;
            if content_at < end && content_at + u64::from(piece.len) > offset {
                let contents = self.contents(placed.block)?;
                let content = contents.get(placed.start as usize..).unwrap_or_default();
                let content = content.get(..piece.len as usize).unwrap_or_default();
                copy(content, content_at, offset, buffer);
            }
        }
        Ok(n)
    }

    /// The first offset from `offset` on that a piece holds; `None` if none follows.
    pub fn next_data(&self, offset: u64) -> Option<u64> {
        self.from(offset).next().map(|placed| placed.piece.offset.max(offset))
    }

    /// The pieces that do not end before `offset`, in their order.
    fn from(&self, offset: u64) -> impl Iterator<Item = &Placed> {
        let placed = |place: &u32| self.pieces.get(*place as usize);
        let ends_before = |place: &u32| placed(place).is_some_and(|placed| placed.end() <= offset);
        let first = self.by_offset.partition_point(ends_before);
        self.by_offset.iter().skip(first).filter_map(placed)
    }

    fn contents(&self, number: u32) -> io::Result<Arc<Vec<u8>>> {
        let of =
            self.blocks.get(number as usize).ok_or_else(|| io::Error::other("there is no such block"))?;
        self.cache.get(number, || {
            let pieces = self.pieces.get(of.places.clone()).unwrap_or_default();
            block::contents(&self.file, &of.block, pieces.iter().map(|placed| &placed.piece))
        })
    }
}

/// How much is searched at once, in bytes.
const SEARCHED_BYTES: usize = 64 << 10;

/// What follows as many damaged places is not looked for.
const N_DAMAGED_MAX: u64 = 1000;

/// Copies what `bytes`, which are at `at`, and `buffer`, which is at `offset`, have in common.
fn copy(bytes: &[u8], at: u64, offset: u64, buffer: &mut [u8]) {
    let (skipped, start) = match usize::try_from(offset.saturating_sub(at)) {
        Ok(skipped) => (skipped, offset.max(at) - offset),
        Err(_) => return,
    };
    let (from, to) = (bytes.get(skipped..), buffer.get_mut(start as usize..));
    if let (Some(from), Some(to)) = (from, to) {
        let n = from.len().min(to.len());
        to[..n].copy_from_slice(&from[..n]);
    }
}
