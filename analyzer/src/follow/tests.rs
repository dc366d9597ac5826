//! Recordings that grow while they are followed, against the same recordings read when they are done.

use std::collections::BTreeMap;

use tempfile::NamedTempFile;
use tm_common::header::GRAIN_BYTES;
use tm_common::ids::{ProcessIndex, Space, StackId, Stamp};

use super::made_program::{HABITS, Habits, Made, make};
use super::testing::Script;
use super::*;
use crate::replay::{Processes, run};
use tm_testing::Random;

pub(super) const FIRST: ProcessIndex = ProcessIndex(0);
/// What the reader may rely on beside clocks that are wrong by as much in the other direction.
pub(super) const WAIT_NS: u64 = 20_000;

/// A block, with what its thread and tag are.
pub(super) type Known = (Space, u64, u64, u64, u32, u32, u32);

pub(super) fn known(recording: &Recording, blocks: impl Iterator<Item = Block>) -> Vec<Known> {
    let known = |block: Block| {
        let (thread, tag) =
            (recording.thread_tags.thread(block.thread_tag), recording.thread_tags.tag(block.thread_tag));
        (block.space, block.address.0, block.size, block.birth.0, block.stack.0, thread.0, tag.0)
    };
    let mut known: Vec<Known> = blocks.map(known).collect();
    known.sort_unstable();
    known
}

/// The same with the ids that `finished` has of their stacks. Where one is there twice, the other may have been whole first.
fn by_first_ids(finished: &Recording, mut known: Vec<Known>) -> Vec<Known> {
    let first_ids = finished.stacks.repeats.look();
    known.iter_mut().for_each(|(_, _, _, _, stack, ..)| *stack = first_ids.of(StackId(*stack)).0);
    known.sort_unstable();
    known
}

const ACCOUNTS: [MemoryKind; 2] = [MemoryKind::Traced, MemoryKind::Mappings];

/// What the finished recording says of `until`, against what was found while it grew.
fn assert_same(finished: &Recording, follower: &Follower, until: Stamp, what: &str) {
    let followed = follower.recording();
    let done = |engine: &crate::replay::Engine<'_>, ()| {
        for memory_kind in ACCOUNTS {
            let found = by_first_ids(finished, known(followed, follower.live().iter(memory_kind)));
            let expected = known(finished, engine.live().iter(memory_kind));
            assert_eq!(found, expected, "{what}: live, {memory_kind:?}");
            let found = by_first_ids(finished, known(followed, follower.peak_blocks(memory_kind)));
            assert_eq!(
                found,
                known(finished, engine.peak_blocks(memory_kind)),
                "{what}: peak, {memory_kind:?}"
            );
        }
        assert_eq!(follower.totals(), engine.totals(), "{what}");
        assert_eq!(follower.is_tracing(), engine.is_tracing(), "{what}");
    };
    run(finished, Processes::One(follower.process()), until, |_| (), done).expect("there is such a process");
    assert_same_stacks(finished, follower, what);
}

/// The stacks of all live blocks are there, whole.
fn assert_same_stacks(finished: &Recording, follower: &Follower, what: &str) {
    for block in follower.live().iter(MemoryKind::Traced).filter(|block| block.stack != StackId::NONE) {
        let frames = |recording: &Recording| {
            assert!(recording.stacks.has(block.stack), "{what}: {:?}", block.stack);
            let native =
                recording.stack(block.stack).map(|stack| (stack.total_depth(), stack.collect::<Vec<_>>()));
            let python = recording.stacks.python(block.stack, u32::MAX);
            let python = python.map(|stack| (stack.total_depth(), stack.collect::<Vec<_>>()));
            let codes: Vec<_> =
                python.iter().flat_map(|(_, frames)| frames).map(|frame| frame.code).collect();
            let table = |code| (recording.python.code(code).cloned(), recording.python.line_table(code));
            (native, python, codes.into_iter().map(table).collect::<Vec<_>>())
        };
        let found = frames(follower.recording());
        assert!(found.2.iter().all(|(code, table)| code.is_some() && table.is_some()), "{what}");
        assert_eq!(found, frames(finished), "{what}: {:?}", block.stack);
    }
}

/// A hole, as a recording is ahead of what is claimed of it.
pub(super) fn fresh_file() -> NamedTempFile {
    let file = NamedTempFile::new().expect("a temporary file");
    file.as_file().set_len(64 << 20).expect("it takes no room");
    file
}

fn finished(script: &mut Script) -> (NamedTempFile, Recording) {
    let file = fresh_file();
    script.play(&file, u64::MAX);
    let recording = Recording::open(file.path()).expect("it is valid");
    (file, recording)
}

/// Follows a program in steps of up to `step_ns`; after each, `check` compares.
fn follow(
    seed: u64,
    habits: Habits,
    step_ns: u64,
    mut check: impl FnMut(&Recording, &Follower, Stamp, &str),
) -> (Follower, Made) {
    let (_file, whole) = finished(&mut make(seed, habits).script);
    let mut made = make(seed, habits);
    let file = fresh_file();
    let mut random = Random::new(seed + 2_000);
    let mut now = 50_000;
    made.script.play(&file, now);
    let options = Options { keep_open: seed.is_multiple_of(3), ..Options::default() };
    let mut follower = Follower::open(file.path(), FIRST, options).expect("it has begun");
    while now < made.script.end() {
        now += 1 + random.below(step_ns);
        made.script.play(&file, now);
        let until = Stamp(now - WAIT_NS - habits.error_ns);
        follower.catch_up(until, &mut ()).expect("it is there");
        let what = format!("seed {seed} at {}", until.0);
        assert_eq!(follower.problems(), [], "{what}");
        check(&whole, &follower, until, &what);
    }
    follower.catch_up(Stamp(u64::MAX), &mut ()).expect("it is there");
    assert_eq!(follower.problems(), whole.problems, "seed {seed}");
    let followed = follower.recording();
    assert_eq!(followed.commands, whole.commands);
    assert_eq!(followed.threads, whole.threads);
    assert_eq!((&followed.tags, &followed.spaces), (&whole.tags, &whole.spaces));
    assert_eq!((&followed.processes, followed.modules.all()), (&whole.processes, whole.modules.all()));
    assert_eq!(followed.segment_counts, whole.segment_counts);
    assert_eq!(followed.stacks.n_nodes(), whole.stacks.n_nodes());
    let first_ids = followed.stacks.repeats.look();
    assert_eq!(first_ids.n_repeats() > 0, habits.all_kinds, "seed {seed}");
    assert_eq!(first_ids.n_repeats(), whole.stacks.repeats.look().n_repeats(), "seed {seed}");
    for block in follower.live().iter(MemoryKind::Traced) {
        assert_eq!(block.stack, first_ids.of(block.stack), "seed {seed}");
    }
    drop(first_ids);
    (follower, made)
}

#[test]
fn at_each_moment_it_is_what_the_finished_recording_says() {
    for seed in 0..12 {
        let habits = Habits { n_threads: 1 + seed % 6, n_addresses: 3 + 7 * seed, ..HABITS };
        let (follower, made) = follow(seed, habits, 200_000, assert_same);
        let live: BTreeMap<u64, u64> =
            follower.live().iter(MemoryKind::Traced).map(|block| (block.address.0, block.size)).collect();
        assert_eq!(live, made.live);
    }
}

#[test]
fn commands_mappings_domains_and_labels_are_followed_too() {
    for seed in 20..30 {
        let habits = Habits { all_kinds: true, ..HABITS };
        follow(seed, habits, 300_000, assert_same);
    }
}

/// What is live does not depend on which of two swapped events came first, nor does what was counted.
#[test]
fn hand_offs_within_the_clocks_error_lose_and_invent_nothing() {
    for seed in 40..52 {
        let pause_ns = 50 + 100 * (seed % 10);
        let n_addresses = 1 + seed % 12;
        let habits = Habits { rest_ns: 0, error_ns: 500, pause_ns, n_addresses, ..HABITS };
        let (follower, made) = follow(seed, habits, 50_000, |_, follower, _, what| {
            let totals = follower.totals();
            assert_eq!((totals.unknown_frees, totals.missed_frees), (0, 0), "{what}");
        });
        let live: Vec<u64> = known(follower.recording(), follower.live().iter(MemoryKind::Traced))
            .into_iter()
            .map(|(_, address, ..)| address)
            .collect();
        assert_eq!(live, made.live.into_keys().collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn events_that_are_written_late_are_replayed_late() {
    for seed in 60..70 {
        let habits = Habits { late: 30, error_ns: 500, rest_ns: 0, n_threads: 5, ..HABITS };
        let (follower, made) = follow(seed, habits, 100_000, |_, _, _, _| ());
        let totals = follower.totals();
        assert_eq!((totals.unknown_frees, totals.missed_frees), (0, 0), "seed {seed}");
        assert_eq!(totals.live.bytes, made.live.values().sum::<u64>());
        let live: BTreeMap<u64, u64> =
            follower.live().iter(MemoryKind::Traced).map(|block| (block.address.0, block.size)).collect();
        assert_eq!(live, made.live, "seed {seed}");
    }
}

#[test]
fn damage_while_it_is_followed_is_never_fatal() {
    for seed in 80..110 {
        let habits = Habits { all_kinds: true, n_events: 1_000, ..HABITS };
        let mut made = make(seed, habits);
        let (file, mut random) = (fresh_file(), Random::new(seed));
        made.script.play(&file, 60_000);
        let mut follower = Follower::open(file.path(), FIRST, Options::default()).expect("it has begun");
        for step in 0..20 {
            made.script.play(&file, 60_000 + step * 100_000);
            for _ in 0..random.below(20) {
                let place = GRAIN_BYTES as u64 + random.below(made.script.end_bytes() - GRAIN_BYTES as u64);
                let at = if random.below(2) == 0 { place } else { place / 4096 * 4096 + random.below(64) };
                made.script.damage(&file, at, random.below(256) as u8);
            }
            if step == 15 {
                let len = random.below(made.script.end_bytes());
                file.as_file().set_len(len.max(GRAIN_BYTES as u64)).expect("it is shorter");
            }
            follower.catch_up(Stamp(40_000 + step * 100_000), &mut ()).expect("the header is good");
            let _ = (follower.problems(), follower.peak_blocks(MemoryKind::Traced).count());
            follower.recording().stacks.n_nodes();
        }
    }
}
