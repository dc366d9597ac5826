//! Packed recordings against the bytes that they were made of.

use tempfile::NamedTempFile;
use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::header::GRAIN_BYTES;
use tm_common::ids::{Address, ProcessIndex, StackId, Stamp};
use tm_testing::{Random, RecordingBuilder, file_of};

use super::*;
use crate::replay;

/// Three streams of several segments, with a run of grains that are no segment before the last ones.
fn example() -> Vec<u8> {
    let mut builder = RecordingBuilder::with_process();
    builder.grains = 4;
    let (mut random, mut stack) = (Random::new(1), StackId::NONE);
    for place in 0..20_000 {
        if place % 100 == 0 {
            stack = builder.node(if place % 1_000 == 0 { StackId::NONE } else { stack }, 0x1000 + place);
        }
        // Far enough apart for no two processors' clocks to be in doubt.
        let (address, stamp) = (Address(0x10_0000 + place / 2 % 997 * 16), Stamp(place * 30_000));
        let event = match place % 2 {
            0 => {
                let (function, size) = (Function::Malloc, random.below(500));
                Event::Allocate { function, address, size, stack, stamp }
            }
            _ => Event::Free { function: Function::Free, address, stamp },
        };
        builder.event(ProcessIndex(0), (place % 3) as u32, &event);
    }
    let mut bytes = builder.build();
    let end = bytes.len();
    bytes.resize(end + 3 * GRAIN_BYTES, 0);
    bytes[end + GRAIN_BYTES + 5] = 7;
    bytes
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let recording = Recording::open(file_of(bytes).path()).expect("its header is there");
    let packed = pack(&recording, 3, &mut out).expect("it can be read");
    assert_eq!(packed.packed_bytes, out.len() as u64);
    out
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let recording = Recording::open(file_of(bytes).path()).expect("its header is there");
    unpack(&recording, &mut out).expect("it can be read");
    out
}

fn totals(file: &NamedTempFile) -> (String, Vec<String>) {
    let recording = Recording::open(file.path()).expect("its header is there");
    let totals = format!("{:?}", replay::all_totals(&recording).processes);
    (totals, recording.problems.iter().map(ToString::to_string).collect())
}

#[test]
fn what_was_packed_comes_back_byte_for_byte() {
    let bytes = example();
    let small = packed(&bytes);
    assert!(small.len() * 2 < bytes.len(), "{} of {}", small.len(), bytes.len());
    assert!(unpacked(&small) == bytes);
    assert_eq!(totals(&file_of(&small)), totals(&file_of(&bytes)));
    // A packed one can be packed again.
    assert!(unpacked(&packed(&small)) == bytes);
}

#[test]
fn reads_at_any_place_give_what_the_recording_has_there() {
    let bytes = example();
    let small = file_of(&packed(&bytes));
    let file = RecordingFile::open(small.path()).expect("it is whole");
    assert_eq!(file.len_bytes(), bytes.len() as u64);
    let (mut random, mut buffer) = (Random::new(2), Vec::new());
    for _ in 0..2_000 {
        let offset = random.below(bytes.len() as u64 + 100) as usize;
        let len = random.below(3 * GRAIN_BYTES as u64) as usize;
        file.read(offset as u64, len, &mut buffer).expect("it is whole");
        let expected = bytes.get(offset..).unwrap_or_default();
        assert!(buffer == expected[..len.min(expected.len())], "{len} bytes at {offset}");
    }
}

#[test]
fn damage_of_the_recording_is_as_damaged_afterwards() {
    let mut random = Random::new(3);
    for _ in 0..40 {
        let mut bytes = example();
        for _ in 0..1 + random.below(20) {
            // Its first grain is what makes it a recording.
            let place = GRAIN_BYTES + random.below((bytes.len() - GRAIN_BYTES) as u64) as usize;
            bytes[place] ^= 1 << random.below(8);
        }
        bytes.truncate(bytes.len() - random.below(5 * GRAIN_BYTES as u64) as usize);
        let small = packed(&bytes);
        assert_eq!(totals(&file_of(&small)), totals(&file_of(&bytes)));
        assert!(unpacked(&small) == bytes);
    }
}

#[test]
fn a_cut_or_damaged_packed_file_is_read_as_far_as_it_goes_and_says_so() {
    let small = packed(&example());
    let whole = totals(&file_of(&small));
    let mut random = Random::new(4);
    let (mut n_cut, mut n_damaged) = (0, 0);
    for _ in 0..60 {
        let mut bytes = small.clone();
        let is_cut = random.below(2) == 0;
        let place = random.below(bytes.len() as u64) as usize;
        if is_cut {
            bytes.truncate(place);
        } else {
            bytes[place] ^= 1 << random.below(8);
        }
        // Without the start and the first block it is none.
        let Ok(recording) = Recording::open(file_of(&bytes).path()) else { continue };
        let refusal = pack(&recording, 3, &mut Vec::new());
        let is_whole = recording.file.packed().expect("it is packed").is_whole();
        assert!(is_whole || refusal.is_err(), "byte {place}");
        let totals = replay::all_totals(&recording);
        let said = recording.problems.len() + totals.problems.len();
        assert!(said > 0 || format!("{:?}", totals.processes) == whole.0, "byte {place}, cut {is_cut}");
        n_cut += u64::from(recording.problems.contains(&crate::reader::Problem::PackedCut));
        n_damaged += u64::from(!is_cut && said > 0);
    }
    assert!(n_cut > 10 && n_damaged > 10, "{n_cut} cut, {n_damaged} damaged");
}

#[test]
fn what_cannot_be_packed_or_unpacked_is_said() {
    let sentence = |failure: Failure| match failure {
        Failure::Reading(error) => error.to_string(),
        Failure::Writing(error) => panic!("{error}"),
    };
    let bytes = example();
    let plain = file_of(&bytes);
    let recording = Recording::open(plain.path()).expect("it is whole");
    let mut out = Vec::new();
    let failure = unpack(&recording, &mut out).expect_err("it is not packed");
    assert!(sentence(failure).ends_with("is a recording that is not packed"));
    let mut newer = packed(&bytes);
    newer[8] = 9;
    let error = Recording::open(file_of(&newer).path()).expect_err("it is newer");
    assert!(error.to_string().contains("version 9"), "{error}");
    let error = RecordingFile::open_growing(file_of(&packed(&bytes)).path()).expect_err("it is packed");
    assert!(error.to_string().contains("is a packed recording"), "{error}");
    let mut written = recording;
    written.as_of = Some(Stamp(1));
    let failure = pack(&written, 3, &mut out).expect_err("it is being written");
    assert!(sentence(failure).ends_with("is still being written"));
    assert!(out.is_empty());
}
