//! Parts of recordings as bytes.

use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;

use tempfile::NamedTempFile;
use tm_common::ids::ProcessIndex;
use tm_common::segment::{SegmentHeader, SegmentKind};

/// A file that holds `bytes`.
pub fn file_of(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("room for it");
    file
}

/// A segment's header, of process 0.
pub(crate) fn segment(kind: SegmentKind, grains: u16, used: usize) -> SegmentHeader {
    SegmentHeader { used: used as u32, ..SegmentHeader::empty(kind, grains.max(1), ProcessIndex(0)) }
}

/// The bytes of a segment header.
pub fn header_bytes(header: &SegmentHeader) -> Vec<u8> {
    let mapped = header.mapped();
    let mut bytes = words32(&[mapped.magic]);
    bytes.extend(mapped.kind.to_le_bytes());
    bytes.extend(mapped.grains.to_le_bytes());
    let used = mapped.used.load(Relaxed);
    bytes.extend(words32(&[
        used,
        mapped.process,
        mapped.stream,
        mapped.sequence,
        mapped.thread,
        mapped.check,
    ]));
    bytes.extend(words64(&[mapped.base_stamp, mapped.sample_bytes, 0, 0]));
    bytes
}

/// Words of 32 bits as the format stores them.
pub fn words32(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Words of 64 bits as the format stores them.
pub fn words64(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
