//! Snapshots as files: a header, then one MessagePack map of interned tables ([`tables`]).
//!
//! ```text
//!  0         8          12       16             24             32
//!  +---------+----------+--------+--------------+--------------+------------------- - -
//!  |  magic  | version  |   0    | body's bytes | body's FNV-1a| body: MessagePack
//!  +---------+----------+--------+--------------+--------------+------------------- - -
//! ```
//!
//! A cut, damaged, foreign or newer file is an error, before anything is made of it. Nothing that a file says makes us
//! allocate more than a fixed multiple of its size.

mod tables;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;

use self::tables::Tables;
use super::Snapshot;
use crate::error::{Error, Result};
use crate::files::{input, whole};

/// The high bit and the line end show a file that went through a text-mode copy.
const MAGIC: [u8; 8] = *b"\x89TMSNP\r\n";
/// The version of snapshots of all blocks.
const VERSION: u32 = 1;
/// The version of those of samples, which who knows none must not take for all.
const VERSION_SAMPLED: u32 = 2;
const HEADER_BYTES: usize = 32;
/// How deep values may be nested, each level being a call: [`Tables`] has 6, and later versions may add some.
const DEPTH_MAX: usize = 32;

/// Whether the file at `path` starts as a snapshot file does; its name does not matter.
///
/// # Errors
/// If the file cannot be opened or read.
pub fn is_snap_file(path: &Path) -> Result<bool> {
    let file = input::open(path)?;
    let start = read_at_most(&file, MAGIC.len() as u64, path)?;
    Ok(start == MAGIC)
}

pub(super) fn dump(snapshot: &Snapshot, path: &Path) -> Result<()> {
    let body = rmp_serde::to_vec_named(&Tables::of(snapshot)?)
        .map_err(|error| Error::io("write", path, io::Error::other(error)))?;
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend(MAGIC);
    let version = if snapshot.is_sampled() { VERSION_SAMPLED } else { VERSION };
    header.extend(version.to_le_bytes());
    header.extend(0u32.to_le_bytes());
    header.extend((body.len() as u64).to_le_bytes());
    header.extend(fnv1a(&body).to_le_bytes());
    whole::write(path, &[&header, &body]).map_err(|error| Error::io("write", path, error))
}

pub(super) fn load(path: &Path) -> Result<Snapshot> {
    let file = input::open(path)?;
    let header = parse_header(&read_at_most(&file, HEADER_BYTES as u64, path)?, path)?;
    // One byte more than expected shows a file that goes on.
    let body = read_at_most(&file, header.body_bytes.saturating_add(1), path)?;
    let found = body.len() as u64;
    if found < header.body_bytes {
        let what = format!("the snapshot is cut: {found} of {} bytes are there", header.body_bytes);
        return Err(damaged(path, what));
    }
    if found > header.body_bytes || fnv1a(&body) != header.checksum {
        return Err(damaged(path, "the snapshot is damaged: its checksum is wrong".to_owned()));
    }
    let invalid = |what: String| damaged(path, format!("the snapshot is not valid: {what}"));
    let mut body = rmp_serde::Deserializer::from_read_ref(&body);
    body.set_max_depth(DEPTH_MAX);
    let tables = Tables::deserialize(&mut body).map_err(|error| invalid(error.to_string()))?;
    tables.into_snapshot().map_err(invalid)
}

/// The next `bytes_max` bytes of `file`, or as many as there are: memory follows the file, not what it claims.
fn read_at_most(file: &File, bytes_max: u64, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes).map_err(|error| Error::io("read", path, error))?;
    Ok(bytes)
}

struct Header {
    body_bytes: u64,
    checksum: u64,
}

fn parse_header(bytes: &[u8], path: &Path) -> Result<Header> {
    let not_ours = || Error::NotASnapshot { path: path.to_owned() };
    let bytes = bytes.strip_prefix(&MAGIC).ok_or_else(not_ours)?;
    let cut = || damaged(path, "the snapshot is cut within its header".to_owned());
    let (version, bytes) = bytes.split_first_chunk().ok_or_else(cut)?;
    let version = u32::from_le_bytes(*version);
    if !(VERSION..=VERSION_SAMPLED).contains(&version) {
        let known = VERSION_SAMPLED;
        return Err(Error::OtherSnapshotVersion { path: path.to_owned(), found: version, known });
    }
    let (_, bytes) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
    let (body_bytes, bytes) = bytes.split_first_chunk().ok_or_else(cut)?;
    let (checksum, _) = bytes.split_first_chunk().ok_or_else(cut)?;
    let body_bytes = u64::from_le_bytes(*body_bytes);
    Ok(Header { body_bytes, checksum: u64::from_le_bytes(*checksum) })
}

fn damaged(path: &Path, what: String) -> Error {
    Error::DamagedSnapshot { path: path.to_owned(), what }
}

/// FNV-1a in 64 bits, against damage, not against malice.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
