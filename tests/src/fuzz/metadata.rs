//! Damage to the metadata of a recording: lengths, kinds, numbers and texts of its records.

#![allow(clippy::ptr_arg, reason = "all kinds of damage have one signature, and some change the length")]

use tm_common::metadata::WORD_BYTES;
use tm_common::segment::SegmentKind;

use super::layout::{parts_of, put};
use super::random::Random;

/// Changes a few records of one segment.
pub fn damage(file: &mut Vec<u8>, random: &mut Random) {
    let segments = parts_of(file, SegmentKind::Metadata);
    if segments.is_empty() {
        return;
    }
    let part = random.of(&segments);
    let records = records(file, part.content(), part.content() + part.used());
    if records.is_empty() {
        return;
    }
    for _ in 0..1 + random.below(4) {
        let (at, len) = *random.of(&records);
        match random.below(7) {
            0 => put(file, at, 4, random.awkward()),
            1 => put(file, at + 4, 2, random.below(13) as u64),
            // Numbers, ranges and counts stand at multiples of their size.
            2 => put(file, at + 4 * random.below(len / 4), 4, random.awkward()),
            3 => put(file, at + 8 * random.below(len / 8), 8, random.awkward()),
            4 => put(file, at + random.below(len), 1, random.any() | 0x80),
            5 => {
                let (from, n_bytes) = *random.of(&records);
                let end = (from + n_bytes.min(len)).min(file.len());
                file.copy_within(from..end, at);
            }
            _ => file[at..at + len].fill(0),
        }
    }
}

/// The records between `at` and `end`, as (place, length).
fn records(file: &[u8], mut at: usize, end: usize) -> Vec<(usize, usize)> {
    let mut records = Vec::new();
    while at + WORD_BYTES <= end {
        let len = u32::from_le_bytes(file[at..at + 4].try_into().expect("4 bytes")) as usize;
        if len < WORD_BYTES || !len.is_multiple_of(WORD_BYTES) || at + len > end {
            at += WORD_BYTES;
            continue;
        }
        records.push((at, len));
        at += len;
    }
    records
}
