//! What was lost of events before they were folded.

use super::*;

/// What was lost stays lost when the events around it are folded.
#[test]
fn segments_that_were_missing_are_said_to_be_after_they_are_folded() {
    let file = Program::new(13, false).run(20_000);
    let mut bytes = std::fs::read(file.path()).expect("it is there");
    let whole = Recording::open(file.path()).expect("it is valid");
    let long = whole.streams.iter().filter(|stream| stream.segments.len() > 3);
    let lost: Vec<u64> = long.take(2).map(|stream| stream.segments[1].offset).collect();
    for offset in &lost {
        let at = *offset as usize - HEADER_BYTES;
        bytes[at..at + GRAIN_BYTES].fill(0);
    }
    let file = file_of(&bytes);
    let damaged = Recording::open(file.path()).expect("the rest is valid");
    let missing = Problem::MissingSegments { count: 2, streams: 2 };
    assert!(lost.len() == 2 && damaged.problems.contains(&missing), "{:?}", damaged.problems);
    let end = replay::stamp_at(&damaged, damaged.duration_ns());
    let folded = with_checkpoint(&file, &fold(&damaged, end).expect("it can be folded"), 1);
    let (folded, n_gone) = without_folded(&folded);
    let recording = Recording::open(folded.path()).expect("it is valid");
    assert!(n_gone > 3 && recording.problems.contains(&missing), "{:?}", recording.problems);
    let again = with_checkpoint(&folded, &fold(&recording, end).expect("it can be folded"), 2);
    let recording = Recording::open(again.path()).expect("it is valid");
    assert!(recording.problems.contains(&missing), "{:?}", recording.problems);
}

/// What of events is damaged is passed over, and said, once: before and behind the moment up to which they are folded.
#[test]
fn damage_is_what_it_is_of_all_events() {
    let mut n_damaged = 0;
    for seed in 0..6 {
        let file = Program::new(20 + seed, seed % 2 == 1).run(3_000);
        let (mut random, whole) = (Random::new(seed), Recording::open(file.path()).expect("it is valid"));
        let mut bytes = std::fs::read(file.path()).expect("it is there");
        let segments = whole.streams.iter().flat_map(|stream| &stream.segments);
        for segment in segments.filter(|segment| segment.len > 100) {
            if random.below(4) == 0 {
                let at = segment.offset as usize + random.below(segment.len as u64 - 20) as usize;
                bytes[at..at + 20].fill([0, 0xff][random.below(2) as usize]);
            }
        }
        let file = file_of(&bytes);
        let whole = Recording::open(file.path()).expect("the rest is valid");
        for percent in [20, 50, 80] {
            let fold = fold(&whole, percent_of(&whole, percent)).expect("it can be folded");
            let folded = with_checkpoint(&file, &fold, 1);
            let recording = Recording::open(folded.path()).expect("it is valid");
            compare(&whole, &recording, &format!("seed {seed}, {percent} %"));
        }
        n_damaged += answers(&whole, Processes::All, &Selection::default()).damage.concat().len();
    }
    assert!(n_damaged > 6, "{n_damaged}");
}
