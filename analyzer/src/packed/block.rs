//! A block: some pieces of a recording, compressed by columns. A piece is a segment, or a run of grains that is none.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use tm_common::bytes::{u32_at, u64_at};
use tm_common::segment::{HEADER_BYTES, SegmentHeader};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use super::{Damaged, columns, nodes};

/// How much of a piece stands in its block's table: of a segment, its header.
pub(crate) const HEAD_BYTES: usize = HEADER_BYTES;

pub(super) const MAGIC: [u8; 4] = *b"TMPB";
/// The bytes of a block before its columns' sizes.
pub(super) const HEADER_LEN: usize = 24;
const COLUMN_LEN: usize = 8;
const PIECE_LEN: usize = 12 + HEAD_BYTES;

/// More than this no block holds, whatever it says: in bytes, ...
const CONTENT_MAX: u32 = 64 << 20;
/// ... and in pieces.
pub(crate) const PIECES_MAX: usize = 4096;

/// What the columns of a block are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// The contents as they are, in one column.
    Raw = 0,
    /// Fields of records.
    Events = 1,
    /// Fields of stack nodes.
    Nodes = 2,
    /// Names, of no piece, in one column.
    Names = 3,
    /// None: it ends the file.
    End = 255,
}

impl Codec {
    fn from_id(id: u8) -> Option<Codec> {
        [Codec::Raw, Codec::Events, Codec::Nodes, Codec::Names, Codec::End]
            .into_iter()
            .find(|codec| *codec as u8 == id)
    }

    fn n_columns(self) -> usize {
        match self {
            Codec::Raw | Codec::Names => 1,
            Codec::Events => columns::N_COLUMNS,
            Codec::Nodes => nodes::N_COLUMNS,
            Codec::End => 0,
        }
    }
}

/// A run of bytes of the recording; what no piece holds is zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where it is in the recording, in bytes.
    pub offset: u64,
    /// The bytes after its head that are kept.
    pub len: u32,
    /// Its first bytes.
    pub head: [u8; HEAD_BYTES],
}

impl Piece {
    /// Its number, if it is a segment of stacks.
    fn segment_number(&self) -> u32 {
        SegmentHeader::parse(&self.head).ok().flatten().map_or(0, |header| header.sequence)
    }
}

/// Where a block is, without its contents.
#[derive(Clone, Debug)]
pub(super) struct Block {
    codec: Codec,
    /// The sizes of each column: as it is, and packed.
    columns: Vec<(u32, u32)>,
    /// Where the first column is in the file.
    at: u64,
    /// The bytes of all pieces' contents.
    pub content_len: u32,
}

/// A block that was found, and what it holds.
#[derive(Debug)]
pub(super) struct Found {
    pub block: Block,
    pub pieces: Vec<Piece>,
    pub is_end: bool,
    /// Whether it holds names, and so no piece.
    pub has_names: bool,
    /// Where the next one is in the file.
    pub end: u64,
}

/// Why there is no block where one was looked for.
#[derive(Debug)]
pub(super) enum Missing {
    /// The file ends there, or within it.
    Cut,
    /// The bytes are not what is written here.
    Damaged,
    /// The system could not read.
    Unreadable(io::Error),
}

impl From<io::Error> for Missing {
    fn from(error: io::Error) -> Missing {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Missing::Cut,
            _ => Missing::Unreadable(error),
        }
    }
}

impl From<Damaged> for Missing {
    fn from(_: Damaged) -> Missing {
        Missing::Damaged
    }
}

/// Writes blocks, one after the other.
pub(crate) struct BlockWriter {
    compressor: Compressor<'static>,
}

impl BlockWriter {
    /// One that compresses by `level`, as zstd counts them.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new(level: i32) -> io::Result<BlockWriter> {
        let mut compressor = Compressor::new(level)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(BlockWriter { compressor })
    }

    /// Writes a block of `pieces`, whose `contents` stand one after the other. What `codec` cannot take apart is stored as
    /// it is. Returns how long it is in bytes.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(
        &mut self,
        out: &mut dyn Write,
        codec: Codec,
        pieces: &[Piece],
        contents: &[u8],
    ) -> io::Result<u64> {
        let (codec, columns) = match split(codec, pieces, contents) {
            Ok(columns) => (codec, columns),
            Err(Damaged) => (Codec::Raw, vec![contents.to_vec()]),
        };
        let table: Vec<u8> = pieces.iter().flat_map(bytes_of).collect();
        let table = self.compressor.compress(&table)?;
        let mut head = Vec::with_capacity(HEADER_LEN + columns.len() * COLUMN_LEN + table.len());
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&[codec as u8, columns.len() as u8, 0, 0]);
        let sizes = [pieces.len(), table.len(), contents.len()];
        sizes.iter().for_each(|size| head.extend_from_slice(&(*size as u32).to_le_bytes()));
        head.extend_from_slice(&[0; 4]);
        let mut packed = Vec::with_capacity(columns.len());
        for column in &columns {
            let frame = if column.is_empty() { Vec::new() } else { self.compressor.compress(column)? };
            head.extend_from_slice(&(column.len() as u32).to_le_bytes());
            head.extend_from_slice(&(frame.len() as u32).to_le_bytes());
            packed.push(frame);
        }
        head.extend_from_slice(&table);
        let check = crc32fast::hash(&head);
        head[HEADER_LEN - 4..HEADER_LEN].copy_from_slice(&check.to_le_bytes());
        out.write_all(&head)?;
        packed.iter().try_for_each(|frame| out.write_all(frame))?;
        Ok((head.len() + packed.iter().map(Vec::len).sum::<usize>()) as u64)
    }
}

fn bytes_of(piece: &Piece) -> Vec<u8> {
    [&piece.offset.to_le_bytes()[..], &piece.len.to_le_bytes(), &piece.head].concat()
}

fn split(codec: Codec, pieces: &[Piece], contents: &[u8]) -> Result<Vec<Vec<u8>>, Damaged> {
    let mut columns = vec![Vec::new(); codec.n_columns()];
    let mut rest = contents;
    for piece in pieces {
        let (content, behind) = rest.split_at_checked(piece.len as usize).ok_or(Damaged)?;
        rest = behind;
        match codec {
            Codec::Raw => columns.iter_mut().for_each(|column| column.extend_from_slice(content)),
            Codec::Events => columns::split(content, &mut columns)?,
            Codec::Nodes => nodes::split(piece.segment_number(), content, &mut columns)?,
            Codec::Names | Codec::End => {}
        }
    }
    if codec == Codec::Names {
        columns = vec![contents.to_vec()];
    }
    Ok(columns)
}

/// Finds the block that begins at byte `at`.
///
/// # Errors
/// There is none.
pub(super) fn find(file: &File, at: u64) -> Result<Found, Missing> {
    let mut head = vec![0; HEADER_LEN];
    file.read_exact_at(&mut head, at)?;
    let field = |place| u32_at(&head, place).map_err(|_| Damaged);
    let (n_pieces, table_len, content_len, check) = (field(8)?, field(12)?, field(16)?, field(20)?);
    let codec = head.get(4).and_then(|id| Codec::from_id(*id)).ok_or(Damaged)?;
    let n_columns = usize::from(*head.get(5).ok_or(Damaged)?);
    let is_possible = head.starts_with(&MAGIC)
        && n_columns == codec.n_columns()
        && n_pieces as usize <= PIECES_MAX
        && content_len <= CONTENT_MAX
        && table_len as usize <= zstd::zstd_safe::compress_bound(n_pieces as usize * PIECE_LEN);
    if !is_possible {
        return Err(Missing::Damaged);
    }
    let behind = n_columns * COLUMN_LEN + table_len as usize;
    head.resize(HEADER_LEN + behind, 0);
    let rest = head.get_mut(HEADER_LEN..).unwrap_or_default();
    file.read_exact_at(rest, at + HEADER_LEN as u64)?;
    if let Some(place) = head.get_mut(HEADER_LEN - 4..HEADER_LEN) {
        place.fill(0);
    }
    if crc32fast::hash(&head) != check {
        return Err(Missing::Damaged);
    }
    let (sizes, table) = head.split_at(HEADER_LEN + n_columns * COLUMN_LEN);
    let sizes = sizes.get(HEADER_LEN..).unwrap_or_default();
    let columns = sizes.chunks_exact(COLUMN_LEN).map(|size| Ok((u32_at(size, 0)?, u32_at(size, 4)?)));
    let columns: Vec<(u32, u32)> =
        columns.collect::<Result<_, tm_common::error::DecodeError>>().map_err(|_| Damaged)?;
    let at = at + head.len() as u64;
    let end = at + columns.iter().map(|(_, packed)| u64::from(*packed)).sum::<u64>();
    let pieces = pieces(table, n_pieces as usize)?;
    let held: u64 = pieces.iter().map(|piece| u64::from(piece.len)).sum();
    if held != u64::from(content_len) && codec != Codec::Names {
        return Err(Missing::Damaged);
    }
    let (is_end, has_names) = (codec == Codec::End, codec == Codec::Names);
    Ok(Found { block: Block { codec, columns, at, content_len }, pieces, is_end, has_names, end })
}

fn pieces(table: &[u8], n: usize) -> Result<Vec<Piece>, Damaged> {
    let table = zstd::bulk::decompress(table, n * PIECE_LEN).map_err(|_| Damaged)?;
    let piece = |bytes: &[u8]| {
        let head = bytes.get(12..)?.try_into().ok()?;
        let (offset, len) = (u64_at(bytes, 0).ok()?, u32_at(bytes, 8).ok()?);
        // So that no sum of the two is beyond what a file can be.
        (offset < i64::MAX as u64).then_some(Piece { offset, len, head })
    };
    let pieces: Option<Vec<Piece>> = table.chunks_exact(PIECE_LEN).map(piece).collect();
    pieces.filter(|pieces| pieces.len() == n).ok_or(Damaged)
}

/// Reads the contents of the pieces of `block`, one after the other.
///
/// # Errors
/// What the system says, and [`io::ErrorKind::InvalidData`] for what is not written here.
pub(super) fn contents<'a>(
    file: &File,
    block: &Block,
    pieces: impl Iterator<Item = &'a Piece>,
) -> io::Result<Vec<u8>> {
    let damaged = |_| io::Error::new(io::ErrorKind::InvalidData, "a packed block is damaged");
    let (mut unpacker, mut at) = (Decompressor::new()?, block.at);
    // More than the contents the columns cannot hold: what says so is damaged, and gets no memory.
    let mut room = block.content_len;
    let mut columns = Vec::with_capacity(block.columns.len());
    for &(len, packed_len) in &block.columns {
        room = room.checked_sub(len).ok_or(Damaged).map_err(damaged)?;
        if packed_len as usize > zstd::zstd_safe::compress_bound(len as usize) {
            return Err(damaged(Damaged));
        }
        let mut packed = vec![0; packed_len as usize];
        file.read_exact_at(&mut packed, at)?;
        at += u64::from(packed_len);
        let column = match packed.is_empty() {
            true => Vec::new(),
            false => unpacker.decompress(&packed, len as usize).map_err(|_| damaged(Damaged))?,
        };
        columns.push(column);
    }
    if block.codec == Codec::Names {
        return Ok(columns.into_iter().next().unwrap_or_default());
    }
    let mut rests: Vec<&[u8]> = columns.iter().map(Vec::as_slice).collect();
    let mut contents = Vec::with_capacity(block.content_len as usize);
    for piece in pieces {
        join(block.codec, piece, &mut rests, &mut contents).map_err(damaged)?;
    }
    Ok(contents)
}

fn join(codec: Codec, piece: &Piece, columns: &mut [&[u8]], contents: &mut Vec<u8>) -> Result<(), Damaged> {
    let len = piece.len as usize;
    match (codec, columns) {
        (Codec::Raw, [column]) => {
            let (content, rest) = column.split_at_checked(len).ok_or(Damaged)?;
            *column = rest;
            contents.extend_from_slice(content);
            Ok(())
        }
        (Codec::Events, columns) => columns::join(columns, len, contents),
        (Codec::Nodes, columns) => nodes::join(piece.segment_number(), columns, len, contents),
        (Codec::Raw | Codec::Names | Codec::End, _) => Err(Damaged),
    }
}
