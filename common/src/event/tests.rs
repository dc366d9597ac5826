//! Random events through an encoder and a decoder, and bytes that no encoder wrote.

use super::*;
use crate::varint::Reader;
use std::vec::Vec;

/// Numbers that look random, the same in every run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn random_event(random: &mut Random, stamp: &mut u64) -> Event {
    *stamp += random.below(20) * random.below(20);
    let aligned = 0x5555_0000_0000 + 16 * random.below(600);
    let address = Address(if random.below(10) == 0 { aligned + random.below(1 << 46) } else { aligned });
    let size = if random.below(10) == 0 { random.below(u64::MAX) } else { random.below(64) };
    let stack = StackId(random.below(100) as u32 * 41);
    let at = Stamp(*stamp);
    match random.below(14) {
        0 => Event::Allocate { function: Function::Calloc, address, size, stack, stamp: at },
        1 => Event::Allocate { function: Function::PosixMemalign, address, size, stack, stamp: at },
        2 => Event::Free { function: Function::DeleteSized, address, stamp: at },
        3 => {
            *stamp += random.below(300);
            let new = Address(0x5555_0000_0000 + 8 * random.below(600));
            Event::Reallocate { old: address, new, size, stack, begin: at, end: Stamp(*stamp) }
        }
        4 => Event::ThreadStart { thread: ThreadIndex(random.below(1 << 32) as u32), stamp: at },
        8 => Event::Track { space: Space(random.below(256) as u8), address, size, stack, stamp: at },
        9 => {
            let space = Space(random.below(3) as u8);
            let size = if space == Space::MAPPINGS { size } else { 0 };
            Event::Untrack { space, address, size, stamp: at }
        }
        10 => Event::Tag { tag: TagIndex(random.below(1 << 32) as u32), stamp: at },
        11 => Event::UntrackAll { space: Space(random.below(256) as u8), stamp: at },
        13 => {
            let mut any = || random.below(1 << (7 * TOTAL_BYTES_MAX)) >> random.below(56);
            let held_bytes = (any() >> 1) as i64 * if any() % 2 == 0 { -1 } else { 1 };
            let totals = Totals {
                bytes: any(),
                n_allocated: any(),
                n_reallocated: any(),
                n_freed: any(),
                held_bytes,
                held_high: held_bytes + (any() >> 2) as i64,
            };
            Event::Totals { space: Space(any() as u8), totals, stamp: at }
        }
        12 => Event::Move { space: Space(random.below(256) as u8), address, stack, stamp: at },
        14 => Event::Label { space: Space(random.below(256) as u8), address, size, stamp: at },
        5 => Event::Allocate { function: Function::Malloc, address, size, stack, stamp: at },
        _ => Event::Free { function: Function::Free, address, stamp: at },
    }
}

#[test]
fn random_events_come_back_and_no_record_is_longer_than_promised() {
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut stamp = 1 << 40;
    let events: Vec<Event> = (0..20_000).map(|_| random_event(&mut random, &mut stamp)).collect();
    let mut encoder = Encoder::NEW;
    encoder.reset(Stamp(1 << 40));
    let mut bytes = Vec::new();
    for event in &events {
        let mut buffer = [0; Writer::CAPACITY];
        let len = encoder.encode(*event, &mut buffer);
        assert!((2..=MAX_BYTES).contains(&len), "{event:?}");
        bytes.extend_from_slice(&buffer[..len]);
    }
    let mut decoder = Decoder::new(Stamp(1 << 40));
    let mut reader = Reader::new(&bytes);
    for event in &events {
        assert_eq!(decoder.decode(&mut reader), Ok(Some(*event)));
    }
    assert!(reader.is_at_end());
}

/// A reader of an earlier version passes over them, and reads the rest as it is.
#[test]
fn what_stands_beside_leaves_no_trace_in_other_records() {
    let mut random = Random(7);
    let mut stamp = 1 << 40;
    let events: Vec<Event> = (0..20_000).map(|_| random_event(&mut random, &mut stamp)).collect();
    let bytes = |with_them: bool| {
        let mut encoder = Encoder::NEW;
        encoder.reset(Stamp(1 << 40));
        let mut bytes = Vec::new();
        for event in &events {
            let mut buffer = [0; Writer::CAPACITY];
            let is_beside = matches!(event, Event::Move { .. } | Event::Label { .. } | Event::Totals { .. });
            let len = if is_beside && !with_them { 0 } else { encoder.encode(*event, &mut buffer) };
            bytes.extend_from_slice(if is_beside { &[] } else { &buffer[..len] });
        }
        bytes
    };
    assert_eq!(bytes(true), bytes(false));
}

#[test]
fn damaged_bytes_never_panic() {
    let mut random = Random(99);
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..64).map(|_| random.below(256) as u8).collect();
        let mut decoder = Decoder::new(Stamp(u64::MAX - 5));
        let mut reader = Reader::new(&bytes);
        while !reader.is_at_end() && decoder.decode(&mut reader).is_ok() {}
    }
}

#[test]
fn unknown_extended_records_are_passed_over() {
    let bytes = [9 << 3, 3, 1, 2, 3, 4];
    let mut reader = Reader::new(&bytes);
    assert_eq!(Decoder::new(Stamp(0)).decode(&mut reader), Ok(None));
    assert_eq!(reader.position(), 5);
}

/// `munmap(NULL, 4096)` succeeds, and a program may say of any address that something is there.
#[test]
fn what_is_at_address_0_comes_back() {
    let (space, address, stamp) = (Space::MAPPINGS, Address(0), Stamp(7));
    for event in [
        Event::Untrack { space, address, size: 4096, stamp },
        Event::Track { space, address, size: 4096, stack: StackId(1), stamp },
    ] {
        let (mut encoder, mut buffer) = (Encoder::NEW, [0; Writer::CAPACITY]);
        encoder.reset(Stamp(0));
        let len = encoder.encode(event, &mut buffer);
        assert_eq!(Decoder::new(Stamp(0)).decode(&mut Reader::new(&buffer[..len])), Ok(Some(event)));
    }
}
