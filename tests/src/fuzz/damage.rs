//! Damage to a recording: what happens to files in the field, and what a forger would do, who knows the layout.

#![allow(clippy::ptr_arg, reason = "all kinds of damage have one signature, and some change the length")]

use std::mem::offset_of;

use tm_common::header::{ClockKind, GRAIN_BYTES, Header, MappedHeader, MappedRequest, REQUESTS_MAX, request};
use tm_common::segment::{HEADER_BYTES, SegmentKind};
use tm_common::stack::NODE_BYTES;

use super::layout::{Part, SEGMENT_FIELDS, parts, parts_of, put, seal};
use super::random::Random;
use super::{events, metadata};

/// Whether a reader can see the damage: if it cannot, no figure that it changes can be held against the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// Other figures must come with a sentence that something is wrong.
    Visible,
    /// Bytes became others that the program might have written.
    None,
}

type Kind = (&'static str, Trace, fn(&mut Vec<u8>, &mut Random));

/// All kinds.
const KINDS: [Kind; 22] = [
    ("cut", Trace::Visible, cut),
    ("a segment's header damaged", Trace::Visible, damage_segment_header),
    ("a segment in mid-chain wiped", Trace::Visible, wipe_inner_segment),
    ("a page inside a segment zeroed", Trace::Visible, zero_inner_page),
    ("a grain of zeros inserted", Trace::Visible, insert_zeros),
    ("appended", Trace::Visible, append),
    ("bytes flipped", Trace::None, flip_bytes),
    ("bits flipped", Trace::None, flip_bits),
    ("the file's header", Trace::None, file_header),
    ("requests", Trace::None, requests),
    ("a clock that hardly runs", Trace::None, slow_clock),
    ("a segment header forged", Trace::None, forge_segment_header),
    ("segments swapped", Trace::None, swap_segments),
    ("a segment doubled", Trace::None, double_segment),
    ("a page of garbage", Trace::None, garbage_page),
    ("a page from elsewhere", Trace::None, page_from_elsewhere),
    ("a grain removed", Trace::None, remove_grain),
    ("events overwritten", Trace::None, events::overwrite),
    ("events shifted", Trace::None, events::shift),
    ("events forged", Trace::None, events::forge),
    ("a stack node", Trace::None, stack_node),
    ("metadata", Trace::None, metadata::damage),
];

/// Damages `file` in one way, now and then in up to four. Says how, and whether it can be seen.
pub fn damage(file: &mut Vec<u8>, random: &mut Random) -> (String, Trace) {
    let n_times = if random.once_in(3) { 2 + random.below(3) } else { 1 };
    let (mut said, mut trace) = (Vec::new(), Trace::Visible);
    for _ in 0..n_times {
        let (name, kind, apply) = random.of(&KINDS);
        apply(file, random);
        said.push(*name);
        if *kind == Trace::None {
            trace = Trace::None;
        }
    }
    (said.join(", "), trace)
}

fn cut(file: &mut Vec<u8>, random: &mut Random) {
    file.truncate(random.below(file.len()));
}

fn damage_segment_header(file: &mut Vec<u8>, random: &mut Random) {
    let parts = parts(file);
    let Some(part) = (!parts.is_empty()).then(|| random.of(&parts)) else { return };
    // Byte 8 to 11 are `used`, which is not under the check: it changes while the program runs.
    let at = *random.of(&[4, 5, 6, 7, 12, 13, 14, 15, 16, 20, 24, 28, 32, 39]);
    file[part.start + at] ^= 1 << random.below(8);
}

/// The events segments that have another one of their chain behind them.
fn inner_segments(file: &[u8]) -> Vec<Part> {
    let events = parts_of(file, SegmentKind::Events);
    let key = |part: &Part| (part.header.process, part.header.stream);
    let has_next = |part: &&Part| {
        let mut others = events.iter().filter(|other| key(other) == key(part));
        others.any(|other| other.header.sequence > part.header.sequence)
    };
    events.iter().filter(has_next).copied().collect()
}

fn wipe_inner_segment(file: &mut Vec<u8>, random: &mut Random) {
    let inner = inner_segments(file);
    if !inner.is_empty() {
        let part = random.of(&inner);
        file[part.start..part.start + part.len].fill(0);
    }
}

/// What a crash of the machine leaves of a page that was not written back yet.
fn zero_inner_page(file: &mut Vec<u8>, random: &mut Random) {
    let large: Vec<Part> = parts(file)
        .into_iter()
        .filter(|part| part.used() > GRAIN_BYTES && part.header.kind != SegmentKind::Metadata)
        .collect();
    if !large.is_empty() {
        let part = random.of(&large);
        let page = part.start + GRAIN_BYTES * (1 + random.below(part.used() / GRAIN_BYTES));
        let end = (page + GRAIN_BYTES).min(part.start + part.len);
        file[page..end].fill(0);
    }
}

fn insert_zeros(file: &mut Vec<u8>, random: &mut Random) {
    let starts: Vec<usize> = parts(file).iter().map(|part| part.start).collect();
    if !starts.is_empty() {
        let at = *random.of(&starts);
        file.splice(at..at, [0; GRAIN_BYTES]);
    }
}

fn append(file: &mut Vec<u8>, random: &mut Random) {
    let n_bytes = random.below(3 * GRAIN_BYTES);
    let zeros = random.once_in(2);
    let start = file.len().next_multiple_of(GRAIN_BYTES);
    file.resize(start, 0);
    // No byte of it is the first of a segment's magic.
    file.extend((0..n_bytes).map(|_| if zeros { 0 } else { random.any() as u8 & 0x3f }));
}

fn flip_bytes(file: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(20) {
        let at = random.below(file.len());
        put(file, at, 1, random.any());
    }
}

fn flip_bits(file: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(4) {
        let at = random.below(file.len());
        if let Some(byte) = file.get_mut(at) {
            *byte ^= 1 << random.below(8);
        }
    }
}

fn requests(file: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(4) {
        let at = offset_of!(MappedHeader, requests) + random.below(REQUESTS_MAX) * size_of::<MappedRequest>();
        put(file, at, 4, request::READY.into());
        put(file, at + 4, 4, random.below(3) as u64);
        put(file, at + 8, 4, random.below(6) as u64);
        put(file, at + 12, 4, random.awkward());
        put(file, at + 16, 8, random.awkward());
        put(file, at + 24 + 8 * random.below(13), 8, random.any());
    }
}

fn file_header(file: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        // The magic and the version only now and then: they end the case.
        let first = if random.once_in(10) { 0 } else { 12 };
        let (width, at) = (*random.of(&[1, 2, 4, 8]), first + random.below(Header::NEEDED_BYTES - first));
        put(file, at / width * width, width, random.awkward());
    }
}

/// All events are within the time in which a reader may have to swap them, and few of them fit.
fn slow_clock(file: &mut Vec<u8>, random: &mut Random) {
    put(file, offset_of!(MappedHeader, clock_kind), 1, ClockKind::Tsc as u64);
    put(file, offset_of!(MappedHeader, latest_counter), 8, u64::MAX - random.any() % 1000);
    for _ in 0..4 {
        events::forge(file, random);
    }
}

fn forge_segment_header(file: &mut Vec<u8>, random: &mut Random) {
    let parts = parts(file);
    if parts.is_empty() {
        return;
    }
    let part = random.of(&parts);
    for _ in 0..1 + random.below(3) {
        let (offset, n_bytes) = *random.of(&SEGMENT_FIELDS);
        put(file, part.start + offset, n_bytes, random.awkward());
    }
    if !random.once_in(8) {
        seal(file, part.start);
    }
}

fn swap_segments(file: &mut Vec<u8>, random: &mut Random) {
    let parts = parts(file);
    if parts.len() < 2 {
        return;
    }
    let (one, other) = (random.of(&parts), random.of(&parts));
    for at in 0..one.len.min(other.len) {
        file.swap(one.start + at, other.start + at);
    }
}

fn double_segment(file: &mut Vec<u8>, random: &mut Random) {
    let parts = parts(file);
    if parts.is_empty() {
        return;
    }
    let part = random.of(&parts);
    let copy = file[part.start..part.start + part.len].to_vec();
    let at = if random.once_in(2) { file.len() } else { random.of(&parts).start };
    file.splice(at..at, copy);
}

fn garbage_page(file: &mut Vec<u8>, random: &mut Random) {
    let (page, text) = (random.below(file.len() / GRAIN_BYTES), random.once_in(2));
    let page = file.iter_mut().skip(page * GRAIN_BYTES).take(GRAIN_BYTES);
    page.for_each(|byte| *byte = if text { b"TMSG\n a1"[random.below(8)] } else { random.any() as u8 });
}

fn page_from_elsewhere(file: &mut Vec<u8>, random: &mut Random) {
    let n_pages = file.len() / GRAIN_BYTES;
    if n_pages > 1 {
        let (from, to) = (1 + random.below(n_pages - 1), 1 + random.below(n_pages - 1));
        file.copy_within(from * GRAIN_BYTES..(from + 1) * GRAIN_BYTES, to * GRAIN_BYTES);
    }
}

fn remove_grain(file: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(file.len() / GRAIN_BYTES) * GRAIN_BYTES;
    file.drain(at..(at + GRAIN_BYTES).min(file.len()));
}

/// Parents in circles, forward and nowhere; other kinds, epochs and addresses.
fn stack_node(file: &mut Vec<u8>, random: &mut Random) {
    let segments = parts_of(file, SegmentKind::Stacks);
    if segments.is_empty() {
        return;
    }
    let part = random.of(&segments);
    let n_nodes = part.used() / NODE_BYTES;
    for _ in 0..1 + random.below(8) {
        let place = HEADER_BYTES / NODE_BYTES + random.below(n_nodes);
        let other = HEADER_BYTES / NODE_BYTES + random.below(n_nodes + 4);
        let at = part.start + place * NODE_BYTES;
        match random.below(5) {
            0 => put(file, at, 4, random.awkward()),
            1 => put(file, at, 4, other as u64 | u64::from(part.header.sequence) << 12),
            2 => put(file, at + 4, 4, random.awkward()),
            3 => put(file, at + 8, 8, random.awkward()),
            _ => put(file, at, 4, place as u64 | u64::from(part.header.sequence) << 12),
        }
    }
}
