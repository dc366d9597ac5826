//! A program for tests.

use std::collections::BTreeMap;

use tempfile::NamedTempFile;
use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, ProcessIndex, Space, StackId, Stamp, TagIndex};
use tm_common::metadata::{CommandKind, NameKind};
use tm_common::sampling::{SampleRate, Totals as ThreadTotals};
use tm_testing::{Random, RecordingBuilder};

const POOL: Space = Space(2);

/// What two processes do, the second a fork of the first: heap blocks that threads hand on, a domain of their own, mappings, tags, stops.
pub(super) struct Program {
    random: Random,
    builder: RecordingBuilder,
    /// Each process's addresses of the heap and of the pool, with sizes.
    live: [BTreeMap<u64, u64>; 2],
    tracked: [BTreeMap<u64, u64>; 2],
    stacks: Vec<StackId>,
    now: u64,
    is_sampled: bool,
    done: BTreeMap<(u32, u32), ThreadTotals>,
}

impl Program {
    /// A program that does what `seed` says.
    pub fn new(seed: u64, is_sampled: bool) -> Program {
        let mut builder = RecordingBuilder::new();
        builder.grains = 1;
        builder.process(None, 0, None);
        builder.name(NameKind::Space, 2, 77, "pool");
        (1..4).for_each(|tag| builder.name(NameKind::Tag, tag, 0, &format!("tag {tag}")));
        let root = builder.node(StackId::NONE, 0x1000);
        let stacks = (0..20).map(|pc| builder.node(root, 0x2000 + pc)).collect();
        if is_sampled {
            builder.sample_rate = SampleRate::of_bytes(64).expect("it is one");
        }
        let (random, live) = (Random::new(seed), Default::default());
        let (tracked, done) = (Default::default(), BTreeMap::new());
        Program { random, builder, live, tracked, stacks, now: 1_000, is_sampled, done }
    }

    /// The recording of its first events.
    pub fn run(mut self, n_events: u64) -> NamedTempFile {
        for round in 0..n_events {
            self.now += 100_000 + self.random.below(100_000);
            if round == n_events / 3 {
                self.builder.process(Some(0), self.now, None);
                self.live[1] = self.live[0].clone();
                self.tracked[1] = self.tracked[0].clone();
                self.now += 100_000;
            }
            let process = if round > n_events / 3 { self.random.below(2) as u32 } else { 0 };
            if round % 500 == 499 && !self.is_sampled {
                let kind = [CommandKind::Mark, CommandKind::Clear][(round / 500 % 2) as usize];
                self.builder.command(process, kind, 0, self.now, "mark");
            }
            self.event(process);
        }
        self.builder.file()
    }

    fn event(&mut self, process: u32) {
        let thread = self.random.below(3) as u32;
        let stack = self.stacks[self.random.below(20) as usize];
        let (size, stamp) = (self.random.below(300), Stamp(self.now));
        let address = 16 * (1 + self.random.below(150));
        let at = Address(address);
        let place = process as usize;
        let kind = self.random.below(if self.is_sampled { 11 } else { 14 });
        let event = match (kind, self.live[place].contains_key(&address)) {
            (10, true) if self.is_sampled => {
                Event::Label { space: POOL, address: at, size: self.live[place][&address], stamp }
            }
            (10, _) if !self.is_sampled => Event::Tag { tag: TagIndex(self.random.below(4) as u32), stamp },
            (11, _) => Event::Track {
                space: Space::MAPPINGS,
                address: Address(address << 12),
                size: size << 12,
                stack,
                stamp,
            },
            (12, _) => Event::Untrack {
                space: Space::MAPPINGS,
                address: Address(address << 12),
                size: size << 11,
                stamp,
            },
            (13, _) if self.tracked[place].remove(&address).is_some() => {
                Event::Untrack { space: POOL, address: at, size: 0, stamp }
            }
            (13, live) => {
                // A label of a whole block of the heap, or something of its own.
                let size = if live { self.live[place][&address] } else { size };
                self.tracked[place].insert(address, size);
                Event::Track { space: POOL, address: at, size, stack, stamp }
            }
            (8, true) => {
                self.live[place].remove(&address);
                let new = (1..).map(|n| 16 * n).find(|it| !self.live[place].contains_key(it)).unwrap_or(16);
                self.live[place].insert(new, size);
                self.now += 60_000;
                let end = Stamp(self.now);
                Event::Reallocate { old: at, new: Address(new), size, stack, begin: stamp, end }
            }
            (_, true) => {
                self.live[place].remove(&address);
                Event::Free { function: Function::Free, address: at, stamp }
            }
            (_, false) => {
                self.live[place].insert(address, size);
                Event::Allocate { function: Function::Malloc, address: at, size, stack, stamp }
            }
        };
        self.builder.event(ProcessIndex(process), 3 * process + thread, &event);
        if self.is_sampled {
            self.totals(process, thread, &event);
        }
    }

    /// A thread that samples tells what it did; all blocks are samples here.
    fn totals(&mut self, process: u32, thread: u32, event: &Event) {
        let totals = self.done.entry((process, thread)).or_default();
        match event {
            Event::Allocate { size, .. } | Event::Reallocate { size, .. } => {
                totals.n_allocated += 1;
                totals.bytes += size;
                totals.held_bytes += *size as i64;
            }
            Event::Free { .. } => totals.n_freed += 1,
            _ => {}
        }
        totals.held_high = totals.held_bytes.max(totals.held_high);
        let totals = *totals;
        self.now += 10;
        let event = Event::Totals { space: Space::HEAP, totals, stamp: Stamp(self.now) };
        self.builder.event(ProcessIndex(process), 3 * process + thread, &event);
    }
}
