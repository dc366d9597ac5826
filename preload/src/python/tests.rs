//! Chains of made-up frames against a walk that remembers nothing.

use std::cell::RefCell;
use std::collections::HashMap;
use std::vec::Vec;

use tm_common::ids::{CodeIndex, StackId};
use tm_common::python::PythonFrame;
use tm_common::stack::{EndReason, FrameKind};

use super::chain::Chain;
use super::frame::{Nodes, innermost_node};
use super::layout::{Entry, FrameShape};

const FRAME_WORDS: usize = 16;
const CODE_WORDS: usize = 32;
const N_FRAMES: usize = 64;
const N_CODES: usize = 4;
const INSTRUCTIONS_AT: usize = 128;
const FIRST_TRACEABLE: usize = 2;
/// An owner of frames that are none of the program's.
const SHIM: u16 = 3;

/// The nodes that were entered, by what they are.
#[derive(Default)]
struct Table {
    nodes: RefCell<HashMap<(StackId, u64, FrameKind), StackId>>,
    codes: Vec<[u64; CODE_WORDS]>,
}

impl Nodes for Table {
    fn enter(&self, parent: StackId, pc: u64, kind: FrameKind) -> StackId {
        let mut nodes = self.nodes.borrow_mut();
        let next = StackId(1 + nodes.len() as u32);
        *nodes.entry((parent, pc, kind)).or_insert(next)
    }

    fn code(&self, address: usize) -> Option<CodeIndex> {
        let place = self.codes.iter().position(|code| code.as_ptr() as usize == address)?;
        Some(CodeIndex(1 + place as u32))
    }

    fn instructions(&self, address: usize) -> (usize, usize) {
        (address + INSTRUCTIONS_AT, FIRST_TRACEABLE)
    }
}

/// A frame as the test means it.
#[derive(Clone, Copy, Debug)]
struct Meant {
    /// The place of its memory.
    at: usize,
    code: usize,
    /// In code units; -1 before the first.
    instruction: i64,
    is_generator: bool,
    is_entry: bool,
    is_shim: bool,
}

/// Memory with frames in it, and what they mean, outermost first.
struct Interpreter {
    shape: FrameShape,
    memory: Vec<[u64; FRAME_WORDS]>,
    frames: Vec<Meant>,
    table: Table,
    others: u64,
}

impl Interpreter {
    fn new(shape: FrameShape) -> Interpreter {
        let table = Table { codes: std::vec![[0; CODE_WORDS]; N_CODES], ..Table::default() };
        let memory = std::vec![[0; FRAME_WORDS]; N_FRAMES];
        Interpreter { shape, memory, frames: Vec::new(), table, others: 1 }
    }

    fn address(&self, at: usize) -> usize {
        self.memory[at].as_ptr() as usize
    }

    /// Writes all frames to memory. Returns the address of the innermost.
    fn write(&mut self) -> usize {
        let mut outer = 0;
        for meant in self.frames.clone() {
            let code = self.table.codes[meant.code].as_ptr() as usize;
            let shape = self.shape;
            let marks = match shape.entry {
                Entry::Each => 0,
                Entry::Marked => u16::from(meant.is_entry) | u16::from(meant.is_generator) << 8,
                Entry::Shim if meant.is_shim => SHIM,
                Entry::Shim => u16::from(meant.is_generator),
            };
            let instruction = match shape.entry {
                Entry::Each => (meant.instruction << shape.instruction_shift) as u32 as u64,
                _ => ((code + INSTRUCTIONS_AT) as u64).wrapping_add_signed(2 * meant.instruction),
            };
            let bytes = self.memory[meant.at].as_mut_ptr().cast::<u8>();
            self.others = self.others.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            // SAFETY: inside of the frame's memory.
            unsafe {
                // What else is there changes all the time.
                bytes.add(shape.marks & !7).cast::<u64>().write(self.others);
                bytes.add(shape.instruction).cast::<u64>().write_unaligned(instruction);
                bytes.add(shape.code).cast::<usize>().write(code | shape.code_tags & 1);
                bytes.add(shape.previous).cast::<usize>().write(outer);
                if shape.marks_mask != 0 {
                    bytes.add(shape.marks).cast::<u16>().write(marks);
                }
            }
            outer = self.address(meant.at);
        }
        outer
    }

    /// Returns what a recording says of each of the program's frames, outermost first.
    fn expected(&self) -> Vec<u64> {
        let mut outer: Option<Meant> = None;
        let mut expected = Vec::new();
        for &meant in &self.frames {
            let has_begun = meant.is_generator || meant.instruction >= FIRST_TRACEABLE as i64;
            if !meant.is_shim {
                let frame = PythonFrame {
                    code: CodeIndex(1 + meant.code as u32),
                    instruction: u32::try_from(meant.instruction).ok(),
                    is_incomplete: self.shape.entry != Entry::Each && !has_begun,
                    is_entry: match self.shape.entry {
                        Entry::Each => true,
                        Entry::Marked => meant.is_entry,
                        Entry::Shim => outer.is_none_or(|outer| outer.is_shim),
                    },
                };
                expected.push(frame.encode());
            }
            outer = Some(meant);
        }
        expected
    }

    /// Returns the node of the chain, from nothing that is remembered.
    fn expected_node(&self, limit: usize) -> StackId {
        let frames = self.expected();
        let n_cut = if frames.len() >= 2 * limit { (frames.len() / limit - 1) * limit } else { 0 };
        let root = match n_cut {
            0 => StackId::NONE,
            _ => self.table.enter(StackId::NONE, n_cut as u64, FrameKind::Cut),
        };
        let enter = |caller, &frame: &u64| self.table.enter(caller, frame, FrameKind::Python);
        frames.iter().skip(n_cut).fold(root, enter)
    }
}

/// Returns the node of the chain from `innermost` on.
fn node_of<const SHAPE: usize>(
    chain: &mut Chain,
    innermost: usize,
    generation: u32,
    limit: usize,
    table: &Table,
) -> StackId {
    let found = chain.find::<SHAPE>(innermost, generation, limit);
    chain.enter::<SHAPE>(found, limit, table)
}

/// Numbers that look random.
pub struct Random(pub u64);

impl Random {
    /// The next number, below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// Changes the frames as a program's next event may have changed them.
fn run_on(interpreter: &mut Interpreter, random: &mut Random) {
    let depth = interpreter.frames.len();
    let n_popped = random.below(4).min(depth);
    interpreter
        .frames
        .truncate(depth - if random.below(12) == 0 { random.below(depth + 1) } else { n_popped });
    if let Some(innermost) = interpreter.frames.last_mut() {
        innermost.instruction = random.below(6) as i64 - 1;
    }
    // What is changed far outward is what a look at the innermost frames alone would miss.
    let depth = interpreter.frames.len();
    if depth > 0 && random.below(3) == 0 {
        let changed = &mut interpreter.frames[random.below(depth)];
        match random.below(3) {
            0 => changed.instruction = random.below(6) as i64 - 1,
            1 => changed.code = random.below(N_CODES),
            _ => changed.is_entry = !changed.is_entry,
        }
    }
    for _ in 0..random.below(4) {
        let is_free = |at: &usize| interpreter.frames.iter().all(|frame| frame.at != *at);
        // Mostly the same place again, as on a stack.
        let from = if random.below(4) == 0 { random.below(N_FRAMES) } else { 0 };
        let Some(at) = (from..N_FRAMES).find(is_free) else { break };
        interpreter.frames.push(Meant {
            at,
            code: random.below(N_CODES),
            instruction: random.below(6) as i64 - 1,
            is_generator: random.below(4) == 0 && interpreter.shape.entry != Entry::Each,
            is_entry: random.below(2) == 0,
            is_shim: random.below(4) == 0 && interpreter.shape.entry == Entry::Shim,
        });
    }
}

fn chains_are_those_of_a_walk<const SHAPE: usize>() {
    for limit in [2, 3, 7, 1000] {
        let (mut interpreter, mut random) =
            (Interpreter::new(FrameShape::ALL[SHAPE]), Random(1 + limit as u64));
        // SAFETY: all zeros is an empty chain.
        let mut chain: Chain = unsafe { core::mem::zeroed() };
        let mut generation = 0;
        for round in 0..4_000 {
            run_on(&mut interpreter, &mut random);
            let innermost = interpreter.write();
            if innermost == 0 {
                continue;
            }
            generation += u32::from(random.below(50) == 0);
            let node = node_of::<SHAPE>(&mut chain, innermost, generation, limit, &interpreter.table);
            assert_eq!(node, interpreter.expected_node(limit), "round {round}: {:?}", interpreter.frames);
            assert!(chain.is_chain_of::<SHAPE>(innermost));
            let alone = innermost_node::<SHAPE>(innermost, &interpreter.table);
            let has_begun = |word: &&u64| !PythonFrame::decode(**word).is_incomplete;
            let frames = interpreter.expected();
            let expected = frames.iter().rev().find(has_begun).map_or(StackId::NONE, |&frame| {
                interpreter.table.enter(StackId::NONE, frame, FrameKind::Python)
            });
            assert_eq!(alone, expected);
        }
    }
}

#[test]
fn chains_of_3_9_are_those_of_a_walk() {
    chains_are_those_of_a_walk::<0>();
}

#[test]
fn chains_of_3_10_are_those_of_a_walk() {
    chains_are_those_of_a_walk::<1>();
}

#[test]
fn chains_of_3_11_are_those_of_a_walk() {
    chains_are_those_of_a_walk::<2>();
}

#[test]
fn chains_of_3_12_are_those_of_a_walk() {
    chains_are_those_of_a_walk::<3>();
}

#[test]
fn chains_of_3_14_are_those_of_a_walk() {
    chains_are_those_of_a_walk::<4>();
}

#[test]
fn a_change_that_the_cache_does_not_see_is_one() {
    let mut interpreter = Interpreter::new(FrameShape::ALL[4]);
    let mut random = Random(5);
    // SAFETY: all zeros is an empty chain.
    let mut chain: Chain = unsafe { core::mem::zeroed() };
    while interpreter.frames.len() < 5 {
        run_on(&mut interpreter, &mut random);
    }
    let innermost = interpreter.write();
    node_of::<4>(&mut chain, innermost, 0, 1000, &interpreter.table);
    interpreter.frames[0].instruction += 1;
    interpreter.write();
    assert!(!chain.is_chain_of::<4>(innermost), "the oracle of TM_SELF_CHECK sees it");
}

#[test]
fn a_frame_that_cannot_be_one_ends_the_chain() {
    let mut interpreter = Interpreter::new(FrameShape::ALL[3]);
    let meant =
        Meant { at: 0, code: 0, instruction: 3, is_generator: false, is_entry: false, is_shim: false };
    interpreter.frames = std::vec![meant, Meant { at: 1, ..meant }, Meant { at: 2, ..meant }];
    let innermost = interpreter.write();
    // SAFETY: all zeros is an empty chain.
    let mut chain: Chain = unsafe { core::mem::zeroed() };
    let whole = node_of::<3>(&mut chain, innermost, 0, 1000, &interpreter.table);
    let table = &interpreter.table;
    let end = || table.enter(StackId::NONE, EndReason::PythonFrame as u64, FrameKind::Incomplete);
    let frame = |caller, is_entry| {
        let frame = PythonFrame { code: CodeIndex(1), instruction: Some(3), is_incomplete: false, is_entry };
        table.enter(caller, frame.encode(), FrameKind::Python)
    };
    // No code object where the middle one has its own: it and its callers are not known.
    let mut memory = interpreter.memory.clone();
    let at = interpreter.shape.code / 8;
    interpreter.memory[1][at] = 0x1008;
    assert_eq!(node_of::<3>(&mut chain, innermost, 0, 1000, table), frame(end(), false));
    interpreter.memory[1][at] = memory[1][at];
    assert_eq!(node_of::<3>(&mut chain, innermost, 0, 1000, table), whole);
    // A caller at an address that nothing is at.
    let at = interpreter.shape.previous / 8;
    for nowhere in [0x1001, 0x18, 1 << 60] {
        memory[1][at] = core::mem::replace(&mut interpreter.memory[1][at], nowhere);
        let node = node_of::<3>(&mut chain, innermost, 0, 1000, table);
        assert_eq!(node, frame(frame(end(), true), false), "{nowhere:#x}");
        interpreter.memory[1][at] = memory[1][at];
        assert_eq!(node_of::<3>(&mut chain, innermost, 0, 1000, table), whole);
    }
}
