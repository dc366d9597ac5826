//! A made program whose stack is walked by cache and paths, and by a walk that remembers nothing: both have to see the same.
//!
//! Its functions are addresses with rules, its stack is a mapping in which it calls and returns, and where words are changed
//! that no program would change: what is remembered must not be taken for what is there.

use std::collections::HashMap;
use std::vec::Vec;

use tm_common::ids::StackId;
use tm_common::stack::FrameKind;

use super::stack_cache::StackCache;
use super::stack_memory::StackMemory;
use super::tables::rule::{Kind, Rule};
use super::walk::Unwinder;
use super::{Caller, Frame, Frames};
use crate::python::tests::Random;
use crate::recording::Recording;
use crate::sys::memory::pages;

const STACK_WORDS: usize = 16 * 1024;
const N_FUNCTIONS: usize = 20;
/// The number of places in a function that calls are made from.
const N_CALLS: usize = 3;
const DEPTH_MAX: usize = 40;
/// Stacks that are longer are not known by a path.
const LIMIT: usize = 2 * 36;

/// The ways in which functions keep their stack.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// A frame of a number of words.
    Plain(usize),
    /// The same, with the frame pointer saved, which then holds anything.
    Saves(usize),
    /// With a frame pointer; the frame's size differs from call to call.
    Framed,
    /// Has aligned its stack, as a step that is taken anew at each event does.
    Aligned,
    /// Without an unwind table.
    Unknown,
    Outermost,
}

/// A call that has not returned.
struct Call {
    function: usize,
    place: usize,
    sp: usize,
    fp: usize,
}

struct Program {
    random: Random,
    /// The number of calls of which it goes another way in one.
    steadiness: usize,
    styles: Vec<Style>,
    stack: *mut usize,
    calls: Vec<Call>,
    /// The number of calls that mostly stay.
    base: usize,
    /// What was changed and will be put back.
    changed: Vec<(*mut usize, usize)>,
}

fn pc(function: usize, place: usize) -> usize {
    0x10_0000 + 0x1000 * function + 0x10 * place
}

impl Program {
    fn new(seed: u64, has_frame_pointers: bool, steadiness: usize) -> Program {
        let mut random = Random(seed);
        let mut styles = Vec::from([Style::Outermost]);
        for n in 1..N_FUNCTIONS {
            let words = 3 + random.below(8);
            styles.push(match random.below(8) {
                _ if has_frame_pointers && n % 5 != 0 => Style::Framed,
                0..=3 => Style::Plain(words),
                4 | 5 => Style::Saves(words),
                6 => Style::Framed,
                _ if n == 7 => Style::Unknown,
                _ if n == 8 => Style::Aligned,
                _ => Style::Plain(words),
            });
        }
        let stack: *mut [usize; STACK_WORDS] = pages::zeroed(1);
        let mut program = Program {
            random,
            steadiness,
            styles,
            stack: stack.cast(),
            calls: Vec::new(),
            base: 1,
            changed: Vec::new(),
        };
        let sp = program.at(STACK_WORDS - 64) as usize;
        program.calls.push(Call { function: 0, place: 0, sp, fp: 7 });
        program
    }

    fn at(&self, word: usize) -> *mut usize {
        assert!(word < STACK_WORDS);
        // SAFETY: in the stack.
        unsafe { self.stack.add(word) }
    }

    fn rules(&self) -> impl Iterator<Item = (usize, Rule)> {
        let rule = |style| match style {
            Style::Plain(words) => Rule::new(Kind::FromStackPointer, -1, Rule::FP_SAME, 8 * words as i32),
            Style::Saves(words) => Rule::new(Kind::FromStackPointer, -1, -2, 8 * words as i32),
            Style::Framed => Rule::new(Kind::FromFramePointer, -1, -2, 16),
            Style::Aligned => Rule::new(Kind::Dereference, -1, 0, -8),
            Style::Unknown => Rule::guess(tm_common::stack::EndReason::NoTable),
            Style::Outermost => Rule::of_kind(Kind::End),
        };
        let functions = self.styles.iter().enumerate();
        functions.flat_map(move |(n, &style)| (0..N_CALLS).map(move |place| (pc(n, place), rule(style))))
    }

    fn innermost(&self) -> &Call {
        self.calls.last().expect("the outermost never returns")
    }

    fn call(&mut self, function: usize) {
        let outer = self.innermost();
        let (cfa, fp, return_address) = (outer.sp as *mut usize, outer.fp, pc(outer.function, outer.place));
        let place = usize::from(self.random.below(self.steadiness) == 0);
        // SAFETY: all are in the stack: there is room for more calls than are made.
        let (sp, fp) = unsafe {
            cfa.sub(1).write(return_address);
            match self.styles[function] {
                Style::Outermost | Style::Plain(0..=1) => unreachable!("it is never called"),
                Style::Plain(words) => (cfa.sub(words), fp),
                Style::Saves(words) => {
                    cfa.sub(2).write(fp);
                    (cfa.sub(words), usize::from(self.random.below(self.steadiness) == 0))
                }
                Style::Framed | Style::Unknown => {
                    cfa.sub(2).write(fp);
                    let words = if self.random.below(4 * self.steadiness) == 0 {
                        self.random.below(9)
                    } else {
                        function % 3
                    };
                    (cfa.sub(2 + words), cfa.sub(2) as usize)
                }
                Style::Aligned => {
                    let own_fp = cfa.sub(4 + self.random.below(2));
                    own_fp.write(fp);
                    own_fp.sub(1).write(cfa as usize);
                    (own_fp.sub(2), own_fp as usize)
                }
            }
        };
        self.calls.push(Call { function, place, sp: sp as usize, fp });
    }

    /// Goes on to the next allocation, from which the caller is returned.
    fn run_on(&mut self) -> Caller {
        for (at, word) in self.changed.drain(..).rev() {
            // SAFETY: in the stack.
            unsafe { at.write(word) };
        }
        // Mostly it goes on from where it is, and now and then from elsewhere.
        if self.random.below(300) == 0 {
            self.base = 1 + self.random.below(DEPTH_MAX - 7);
            self.calls.truncate(1 + self.random.below(self.base));
        }
        self.calls.truncate(self.base + self.random.below(3));
        let last = self.calls.len() - 1;
        self.calls[last].place = usize::from(self.random.below(self.steadiness) == 0);
        let depth = self.base + 1 + self.random.below(5);
        while self.calls.len() < depth {
            let from = self.innermost().function;
            // From each function few others are called, so that paths come again.
            let function =
                1 + (from * 7 + usize::from(self.random.below(self.steadiness) == 0) * 5) % (N_FUNCTIONS - 1);
            self.call(function);
        }
        let Call { function, place, sp, fp } = *self.innermost();
        for _ in 0..usize::from(self.random.below(self.steadiness) == 0) {
            let words = (self.calls[0].sp - sp) / 8;
            // SAFETY: between the innermost frame and the outermost one.
            let at = unsafe { (sp as *mut usize).add(self.random.below(words.max(1))) };
            // SAFETY: as above.
            self.changed.push((at, unsafe { at.read() }));
            let word = match self.random.below(4) {
                0 => 0,
                1 => at as usize + 8 * self.random.below(20),
                _ => pc(self.random.below(N_FUNCTIONS), self.random.below(N_CALLS)),
            };
            // SAFETY: as above.
            unsafe { at.write(word) };
        }
        // Where the frame is found by the frame pointer, the stack pointer may be anything.
        let is_odd = self.styles[function] == Style::Framed && self.random.below(self.steadiness) == 0;
        Caller { pc: pc(function, place), sp: sp - if is_odd { 4 } else { 0 }, fp }
    }
}

/// What the stack table is to the recorder.
#[derive(Default)]
struct Nodes(HashMap<(StackId, u64, FrameKind), StackId>);

impl Nodes {
    fn enter(&mut self, parent: StackId, frame: Frame) -> StackId {
        let next = StackId(self.0.len() as u32 + 1);
        *self.0.entry((parent, frame.pc(), frame.kind())).or_insert(next)
    }
}

/// What is under test: all that a thread has for its stacks.
struct Walks {
    unwinder: Unwinder,
    recording: Recording,
    memory: StackMemory,
    cache: StackCache,
    frames: Frames,
    nodes: Nodes,
    n_stacks: u32,
    n_known: u32,
}

impl Walks {
    fn new() -> Walks {
        let unwinder = Unwinder::new();
        assert!(unwinder.rules.initialise());
        // SAFETY: all zeros is an empty one.
        let (memory, cache) = unsafe { (core::mem::zeroed(), core::mem::zeroed()) };
        let frames = Frames { first: core::ptr::null_mut(), capacity: 0, depth: 0 };
        let (recording, nodes) = (Recording::new(), Nodes::default());
        Walks { unwinder, recording, memory, cache, frames, nodes, n_stacks: 0, n_known: 0 }
    }

    fn use_rules(&self, program: &Program) {
        self.unwinder.clear_rules();
        program.rules().for_each(|(pc, rule)| self.unwinder.rules.insert(pc, rule));
    }

    /// Returns the stack as the recorder finds it; `None` if it cannot be cached.
    fn stack_of(&mut self, caller: Caller) -> Option<StackId> {
        self.n_stacks += 1;
        let Walks { unwinder, recording, memory, cache, nodes, .. } = self;
        let known = unwinder.known_stack(recording, caller, self.n_stacks, memory, cache);
        self.n_known += u32::from(known.is_some());
        if known.is_some() {
            return known;
        }
        let Ok(n_kept) = unwinder.walk_to_cache(recording, caller, memory, cache) else {
            cache.clear();
            return None;
        };
        let stack = cache.finish(n_kept, |outer, pc, kind| nodes.enter(outer, Frame::new(pc, kind)));
        if cache.frames().len() < LIMIT {
            cache.remember_path(n_kept);
        }
        Some(stack)
    }

    /// Walks the stack without anything that is remembered, and returns its frames.
    fn fresh_frames(&mut self, caller: Caller) -> Vec<Frame> {
        loop {
            self.unwinder.walk(&self.recording, caller, &mut self.memory, &mut self.frames);
            if self.frames.depth() == self.frames.kept().len() || !self.frames.enlarge(1 << 16) {
                return self.frames.kept().to_vec();
            }
        }
    }

    fn check(&mut self, caller: Caller) {
        let n_known = self.n_known;
        let Some(stack) = self.stack_of(caller) else { return };
        let fresh = self.fresh_frames(caller);
        let expected = fresh.iter().rev().fold(StackId::NONE, |outer, &frame| self.nodes.enter(outer, frame));
        assert_eq!(stack, expected, "stack {} of {caller:x?}: {fresh:x?}", self.n_stacks);
        let by_path = self.n_known > n_known;
        let path = by_path.then(|| self.memory.around(caller.sp)).flatten();
        let path = path.into_iter().flat_map(|stack| self.cache.path_frames(caller, stack));
        let path = path.map(|pc| Frame::new(pc, FrameKind::Return));
        let cached =
            self.cache.live_frames().iter().rev().map(|frame| Frame::new(frame.pc, frame.state().kind));
        assert!(path.chain(cached).eq(fresh.iter().copied()), "the frames of stack {}", self.n_stacks);
        assert!(!by_path || fresh.len() < LIMIT);
    }
}

/// A program's stacks, in which rules change, and in which what is remembered is lost now and then.
fn run(mut program: Program) -> Walks {
    let mut walks = Walks::new();
    walks.use_rules(&program);
    for n in 1..20_000 {
        let caller = program.run_on();
        walks.check(caller);
        match n % 2_000 {
            // A step leads elsewhere than it has led, from the same place: what was walked by the old rules is void.
            0 => {
                walks.check(caller);
                let inner = program.calls.len() - 1 - program.random.below(2);
                program.styles[program.calls[inner].function] = Style::Plain(3 + program.random.below(9));
                walks.use_rules(&program);
                walks.check(caller);
            }
            // As in a forked child.
            500 => walks.cache.clear(),
            // As after an event that was never finished.
            1_000 => walks.cache.clear_all(),
            _ => {}
        }
    }
    walks
}

#[test]
fn what_is_remembered_is_what_a_fresh_walk_finds() {
    for seed in 1..4 {
        for has_frame_pointers in [false, true] {
            let steady = run(Program::new(seed, has_frame_pointers, 12));
            assert!(steady.n_known > steady.n_stacks / 3, "{} were known", steady.n_known);
            // Where hardly any path comes again, none is looked for most of the time.
            let other = run(Program::new(seed, has_frame_pointers, 3));
            // Few are; how few depends on where its memory happens to lie: 1,259 of 19,999 were seen.
            assert!((10..other.n_stacks / 6).contains(&other.n_known), "{} were known", other.n_known);
        }
    }
}
