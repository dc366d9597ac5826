//! Recordings that grow while they are followed, against the same recordings read when they are done.

use std::collections::BTreeMap;

use tempfile::NamedTempFile;
use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::header::GRAIN_BYTES;
use tm_common::ids::{Address, ProcessIndex, Space, StackId, Stamp, TagIndex};
use tm_common::metadata::{CommandKind, NameKind};

use super::testing::Script;
use super::*;
use crate::replay::{Processes, run};
use tm_testing::Random;

pub(super) const FIRST: ProcessIndex = ProcessIndex(0);
const POOL: Space = Space(2);
/// What the reader may rely on beside clocks that are wrong by as much in the other direction.
pub(super) const WAIT_NS: u64 = 20_000;

/// How the threads of a made-up program behave.
#[derive(Clone, Copy)]
struct Habits {
    n_events: usize,
    n_threads: u64,
    n_addresses: u64,
    pause_ns: u64,
    /// How long an address rests before its next event.
    rest_ns: u64,
    /// How far clocks are off.
    error_ns: u64,
    /// How many of 1,000 events are written late.
    late: u64,
    /// With commands, mappings, a domain of the program's own and tags.
    all_kinds: bool,
}

const HABITS: Habits = Habits {
    n_events: 2_000,
    n_threads: 4,
    n_addresses: 30,
    pause_ns: 1_500,
    rest_ns: 45_000,
    error_ns: 10_000,
    late: 0,
    all_kinds: false,
};

/// A program, as it is written to the file and as it was.
struct Made {
    script: Script,
    live: BTreeMap<u64, u64>,
}

/// Lets threads pass addresses around: each is in use or not, and nobody touches it before its latest event is written.
fn make(seed: u64, habits: Habits) -> Made {
    let mut random = Random::new(seed);
    let mut script = Script::new(seed + 1_000);
    script.builder.process(None, 0, None);
    script.builder.name(NameKind::Space, 2, 77, "pool");
    script.metadata(1);
    let mut program = Program {
        habits,
        live: BTreeMap::new(),
        busy_until: BTreeMap::new(),
        latest: vec![0; 16],
        errors: (0..16).map(|_| random.below(2 * habits.error_ns + 1)).collect(),
        stacks: vec![StackId::NONE],
        has_constant_errors: seed.is_multiple_of(2),
        is_tracing: true,
    };
    let mut now = 100_000;
    for _ in 0..habits.n_events {
        now += 1 + random.below(2 * habits.pause_ns);
        program.do_something(&mut script, &mut random, now);
    }
    script.finish();
    Made { script, live: program.live }
}

struct Program {
    habits: Habits,
    live: BTreeMap<u64, u64>,
    /// The end of what keeps an address or a thread (those below 100) busy.
    busy_until: BTreeMap<u64, u64>,
    latest: Vec<u64>,
    errors: Vec<u64>,
    stacks: Vec<StackId>,
    has_constant_errors: bool,
    is_tracing: bool,
}

impl Program {
    fn stamp(&mut self, random: &mut Random, thread: u64, now: u64) -> Stamp {
        let Habits { error_ns, .. } = self.habits;
        let constant = self.errors[thread as usize];
        let error = if self.has_constant_errors { constant } else { random.below(2 * error_ns + 1) };
        let latest = &mut self.latest[thread as usize];
        *latest = (now + error - error_ns).max(*latest);
        Stamp(*latest)
    }

    fn is_busy(&self, key: u64, now: u64) -> bool {
        self.busy_until.get(&key).is_some_and(|&until| until > now)
    }

    fn do_something(&mut self, script: &mut Script, random: &mut Random, now: u64) {
        let Habits { n_threads, n_addresses, rest_ns, late, all_kinds, .. } = self.habits;
        let thread = random.below(n_threads);
        let address = 1_600 + 16 * random.below(n_addresses);
        if self.is_busy(thread, now) || self.is_busy(address, now) {
            return;
        }
        let mut then = now;
        if random.below(8) == 0 {
            let parent = self.stacks[random.below(self.stacks.len() as u64) as usize];
            let (stack, there) = script.node(now, parent, 0x1000 + random.below(1_000));
            self.stacks.push(stack);
            then = there;
        }
        if all_kinds && random.below(10) == 0 {
            let written = self.do_other(script, random, then);
            self.busy_until.insert(0, written);
            return;
        }
        let stamp = self.stamp(random, thread, then);
        let stack = self.stacks[random.below(self.stacks.len() as u64) as usize];
        let event = match self.live.remove(&address) {
            Some(_) => Event::Free { function: Function::Free, address: Address(address), stamp },
            None => {
                let size = 1 + random.below(1_000);
                self.live.insert(address, size);
                let (function, address) = (Function::Malloc, Address(address));
                Event::Allocate { function, address, size, stack, stamp }
            }
        };
        let is_late = random.below(1_000) < late;
        let at = then + if is_late { 30_000 + random.below(300_000) } else { 0 };
        let written = script.event(at, FIRST, thread as u32, &event);
        self.busy_until.insert(thread, written);
        self.busy_until.insert(address, written.max(then + rest_ns));
    }

    /// Does, by thread 0, what has no order among threads.
    fn do_other(&mut self, script: &mut Script, random: &mut Random, now: u64) -> u64 {
        let stamp = self.stamp(random, 0, now);
        let stack = self.stacks[random.below(self.stacks.len() as u64) as usize];
        let number = 1 + random.below(20);
        let (space, address, size) = match random.below(2) {
            0 => (POOL, Address(number), 1 + random.below(500)),
            _ => (Space::MAPPINGS, Address(4096 * number), 4096 * (1 + random.below(5))),
        };
        let event = match random.below(20) {
            0..8 => Event::Track { space, address, size, stack, stamp },
            8..14 => {
                let size = if space == Space::MAPPINGS { size } else { 0 };
                Event::Untrack { space, address, size, stamp }
            }
            14..17 => {
                let tag = random.below(4) as u32;
                script.builder.name(NameKind::Tag, tag, 0, &format!("tag {tag}"));
                let there = script.metadata(now);
                return script.event(there, FIRST, 0, &Event::Tag { tag: TagIndex(tag), stamp });
            }
            17 => {
                script.builder.command(0, CommandKind::Clear, 0, stamp.0, "");
                return script.metadata(now);
            }
            18 => {
                let kind = if self.is_tracing { CommandKind::Stop } else { CommandKind::Start };
                self.is_tracing = !self.is_tracing;
                script.builder.command(0, kind, 7, stamp.0, "");
                return script.metadata(now);
            }
            _ => {
                script.builder.command(0, CommandKind::Mark, 0, stamp.0, "a mark");
                script.builder.thread(0, number as u32, "a thread");
                script.builder.module(0, 0, (0x1000, 0x2000), "/lib/a");
                return script.metadata(now);
            }
        };
        script.event(now, FIRST, 0, &event)
    }
}

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

const ACCOUNTS: [MemoryKind; 2] = [MemoryKind::Traced, MemoryKind::Mappings];

/// What the finished recording says of `until`, against what was found while it grew.
fn assert_same(finished: &Recording, follower: &Follower, until: Stamp, what: &str) {
    let followed = follower.recording();
    let done = |engine: &crate::replay::Engine<'_>, ()| {
        for memory_kind in ACCOUNTS {
            let found = known(followed, follower.live().iter(memory_kind));
            let expected = known(finished, engine.live().iter(memory_kind));
            assert_eq!(found, expected, "{what}: live, {memory_kind:?}");
            let found = known(followed, follower.peak_blocks(memory_kind));
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
            let stack = recording.stack(block.stack).unwrap_or_else(|| panic!("{what}: {:?}", block.stack));
            (stack.total_depth(), stack.collect::<Vec<_>>())
        };
        assert_eq!(frames(follower.recording()), frames(finished), "{what}: {:?}", block.stack);
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
