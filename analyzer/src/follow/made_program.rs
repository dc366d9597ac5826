//! A program for tests whose threads pass addresses around, run Python code and do all else that is recorded. Not part of the tool.

use std::collections::BTreeMap;

use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, CodeIndex, Space, StackId, Stamp, TagIndex};
use tm_common::metadata::{CommandKind, LineTableKind, NameKind};
use tm_common::python::PythonFrame;
use tm_common::stack::FrameKind;

use super::testing::Script;
use super::tests::FIRST;
use tm_testing::Random;

const POOL: Space = Space(2);

/// How the threads of a made-up program behave.
#[derive(Clone, Copy)]
pub(super) struct Habits {
    pub n_events: usize,
    pub n_threads: u64,
    pub n_addresses: u64,
    pub pause_ns: u64,
    /// How long an address rests before its next event.
    pub rest_ns: u64,
    /// How far clocks are off.
    pub error_ns: u64,
    /// How many of 1,000 events are written late.
    pub late: u64,
    /// With commands, mappings, a domain of the program's own and tags.
    pub all_kinds: bool,
}

pub(super) const HABITS: Habits = Habits {
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
pub(super) struct Made {
    pub script: Script,
    pub live: BTreeMap<u64, u64>,
}

/// Lets threads pass addresses around: each is in use or not, and nobody touches it before its latest event is written.
pub(super) fn make(seed: u64, habits: Habits) -> Made {
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
        python: vec![StackId::NONE],
        joined: Vec::new(),
        nodes_until: 0,
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
    /// Python frames, and stacks that these are joined with.
    python: Vec<StackId>,
    joined: Vec<StackId>,
    /// When the latest stack node is there: nobody names one before.
    nodes_until: u64,
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
        let mut then = now.max(self.nodes_until);
        if random.below(8) == 0 {
            let parent = self.stacks[random.below(self.stacks.len() as u64) as usize];
            let (stack, there) = script.node(now, parent, 0x1000 + random.below(1_000));
            self.stacks.push(stack);
            then = there;
        }
        if all_kinds && random.below(8) == 0 {
            then = self.run_python(script, random, then);
        }
        self.nodes_until = then;
        if all_kinds && random.below(10) == 0 {
            let written = self.do_other(script, random, then);
            self.busy_until.insert(0, written);
            return;
        }
        let stamp = self.stamp(random, thread, then);
        let stacks = if all_kinds && random.below(2) == 0 { &self.joined } else { &self.stacks };
        let stack = random.below(stacks.len().max(1) as u64) as usize;
        let stack = stacks.get(stack).copied().unwrap_or(StackId::NONE);
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

    /// Calls a Python function that was not met before: its code object, its frame, and the stack that it is joined with.
    fn run_python(&mut self, script: &mut Script, random: &mut Random, now: u64) -> u64 {
        let number = self.python.len() as u32;
        let table: Vec<u8> = (0..random.below(40)).map(|_| random.below(256) as u8).collect();
        let kind = LineTableKind::Locations as u32;
        script.builder.code(number, ("/a.py", &format!("f{number}")), number, (kind, &table));
        let there = script.metadata(now);
        let frame = PythonFrame {
            code: CodeIndex(number),
            instruction: Some(random.below(9) as u32),
            is_incomplete: false,
            is_entry: random.below(2) == 0,
        };
        let caller = self.python[random.below(self.python.len() as u64) as usize];
        let (python, there) = script.node_of(there, FrameKind::Python, caller, frame.encode());
        let native = self.stacks[random.below(self.stacks.len() as u64) as usize];
        let (joined, mut there) = script.node_of(there, FrameKind::Joined, native, python.0.into());
        self.python.push(python);
        self.joined.push(joined);
        if random.below(3) == 0 {
            // Another thread has joined the same two.
            let (again, then) = script.node_of(there, FrameKind::Joined, native, python.0.into());
            self.joined.push(again);
            there = then;
        }
        there
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
