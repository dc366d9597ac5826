//! Damage to the events of a recording: numbers that do not end, bytes that are missing, and records that nobody wrote.

#![allow(clippy::ptr_arg, reason = "all kinds of damage have one signature, and some change the length")]

use tm_common::event::{Encoder, Event};
use tm_common::functions::Function;
use tm_common::ids::{Address, Space, StackId, Stamp, TagIndex, ThreadIndex};
use tm_common::segment::SegmentKind;
use tm_common::varint::Writer;

use super::layout::{Part, parts_of, put};
use super::random::Random;

fn segment(file: &[u8], random: &mut Random) -> Option<Part> {
    let segments: Vec<Part> =
        parts_of(file, SegmentKind::Events).into_iter().filter(|part| part.used() > 0).collect();
    (!segments.is_empty()).then(|| *random.of(&segments))
}

/// A run of bytes that are the worst in their places: endless varints, first bytes of all kinds, zeros.
pub fn overwrite(file: &mut Vec<u8>, random: &mut Random) {
    let Some(part) = segment(file, random) else { return };
    let at = part.content() + random.below(part.used());
    let n_bytes = 1 + random.below(24);
    let byte = *random.of(&[0xff, 0x80, 0x7f, 0x00, 0x05, 0x06, 0x08]);
    let end = (at + n_bytes).min(part.content() + part.used());
    file[at..end].fill(byte);
}

/// Some bytes are taken out or put in, so that what follows is read from the middle of a record.
pub fn shift(file: &mut Vec<u8>, random: &mut Random) {
    let Some(part) = segment(file, random) else { return };
    let (first, end) = (part.content() + random.below(part.used()), part.content() + part.used());
    let n_bytes = (1 + random.below(9)).min(end - first);
    if random.once_in(2) {
        file.copy_within(first + n_bytes..end, first);
    } else {
        file.copy_within(first..end - n_bytes, first + n_bytes);
    }
}

/// Records that are well formed and cannot be true replace the segment's.
pub fn forge(file: &mut Vec<u8>, random: &mut Random) {
    let Some(part) = segment(file, random) else { return };
    let mut encoder = Encoder::NEW;
    let mut stamp = part.header.base_stamp.0;
    encoder.reset(Stamp(stamp));
    let (mut at, end) = (part.content(), part.content() + part.used());
    let few = random.once_in(2);
    loop {
        if !random.once_in(4) {
            stamp = stamp.saturating_add(if random.once_in(50) { random.awkward() } else { 3 });
        }
        let event = event(stamp, few, random);
        let mut buffer = [0; Writer::CAPACITY];
        let len = encoder.encode(event, &mut buffer);
        if at + len > end {
            break;
        }
        file[at..at + len].copy_from_slice(&buffer[..len]);
        at += len;
    }
    let used = at - part.content();
    put(file, part.start + 8, 4, used as u64);
}

/// An event of a few addresses, so that they conflict, or of any.
fn event(stamp: u64, few: bool, random: &mut Random) -> Event {
    let address = |random: &mut Random| {
        Address(if few { 16 * (1 + random.below(8) as u64) } else { random.awkward().max(1) })
    };
    let (stack, size) = (StackId(random.below(64) as u32), random.awkward());
    let stamp = Stamp(stamp);
    let space = Space(random.below(4) as u8);
    match random.below(12) {
        0..3 => Event::Allocate { function: Function::Malloc, address: address(random), size, stack, stamp },
        3..6 => Event::Free { function: Function::Free, address: address(random), stamp },
        6 => {
            let (old, new) = (address(random), address(random));
            Event::Reallocate { old, new, size, stack, begin: stamp, end: stamp }
        }
        7 | 8 => Event::Track { space, address: address(random), size, stack, stamp },
        9 => Event::Untrack { space, address: address(random), size, stamp },
        10 => Event::Tag { tag: TagIndex(random.awkward() as u32), stamp },
        _ => Event::ThreadStart { thread: ThreadIndex(random.awkward() as u32), stamp },
    }
}
