//! Made-up code, and tables that are damaged.

use std::vec::Vec;

use super::super::tests::Random;
use super::*;

const PART_BYTES: usize = 256;
const N_FUNCTIONS: usize = 24;

/// A jump over this distance, and what is left of five bytes.
fn jump(distance: i32) -> [u8; 5] {
    let mut bytes = [0xe9, 0, 0, 0, 0];
    if cfg!(target_arch = "x86_64") {
        bytes[1..].copy_from_slice(&(distance - 5).to_le_bytes());
    } else {
        bytes[..4].copy_from_slice(&(0x1400_0000 | (distance / 4) as u32 & 0x03ff_ffff).to_le_bytes());
    }
    bytes
}

/// Machine code of functions that stand one behind the other, without an instruction at first.
struct Memory(Vec<[u8; PART_BYTES]>);

impl Memory {
    fn new() -> Memory {
        Memory(std::vec![[0; PART_BYTES]; N_FUNCTIONS])
    }

    fn code(&self) -> Range<usize> {
        let range = self.0.as_flattened().as_ptr_range();
        range.start as usize..range.end as usize
    }

    fn function(&self, number: usize) -> Range<usize> {
        let start = self.code().start + number * PART_BYTES;
        start..start + PART_BYTES
    }

    /// Writes a jump from one place to another, each a function and bytes into it.
    fn jump(&mut self, (from, from_at): (usize, usize), (to, to_at): (usize, usize)) {
        let (from_address, to_address) =
            (self.function(from).start + from_at, self.function(to).start + to_at);
        let bytes = jump(to_address.wrapping_sub(from_address) as i32);
        self.0[from][from_at..from_at + bytes.len()].copy_from_slice(&bytes);
        assert_eq!(jump_target(from_address, &self.0[from][from_at..]), Some(to_address));
    }

    /// The numbers of the functions that are taken for parts of the first.
    fn parts(&self) -> Vec<usize> {
        let start = self.code().start;
        let at = |address: usize| Some(self.function((address - start) / PART_BYTES));
        let found = self.search(self.function(0), at);
        let number = |part: &MappedRange| (part.start as usize - start) / PART_BYTES;
        assert!(found.parts().iter().all(|part| self.function(number(part)).end as u64 == part.end));
        found.parts().iter().map(number).collect()
    }

    fn search(&self, first: Range<usize>, at: impl Fn(usize) -> Option<Range<usize>>) -> Evaluation {
        // SAFETY: our own memory.
        unsafe { Code::new(self.code()) }.function(first, at)
    }
}

#[test]
fn parts_jump_into_each_other() {
    let mut memory = Memory::new();
    assert_eq!(memory.parts(), [0]);
    memory.jump((0, 16), (5, 0));
    memory.jump((0, 32), (7, 40));
    memory.jump((7, 64), (0, 20));
    assert_eq!(memory.parts(), [0, 7]);
    // A part of the part.
    memory.jump((7, 128), (3, 0));
    memory.jump((3, 4), (7, 132));
    assert_eq!(memory.parts(), [0, 7, 3]);
    for more in 8..16 {
        memory.jump((0, 4 * more + 16), (more, 8));
        memory.jump((more, 16), (0, 20));
    }
    assert_eq!(memory.parts().len(), PARTS_MAX);
}

#[test]
fn other_functions_are_no_parts() {
    let mut memory = Memory::new();
    // Jumped to in place of a call, as the first is by it; and what only looks like a jump, into the middle.
    memory.jump((0, 0), (1, 0));
    memory.jump((1, 252 - 4), (0, 0));
    memory.jump((0, 8), (2, 100));
    // It calls the first, and is not jumped to.
    memory.jump((4, 8), (0, 100));
    assert_eq!(memory.parts(), [0]);
    // There are more of them than are looked into.
    let mut memory = Memory::new();
    for other in 1..N_FUNCTIONS {
        memory.jump((0, 8 * other), (other, 0));
    }
    memory.jump((N_FUNCTIONS - 1, 8), (0, 100));
    assert_eq!(memory.parts(), [0]);
}

#[test]
fn damaged_tables_have_nothing_read_elsewhere() {
    let mut memory = Memory::new();
    let mut random = Random(1);
    let nowhere = memory.search(4096..4096, |_| None);
    assert_eq!(nowhere.parts(), [MappedRange { start: 4096, end: 4096 }]);
    for round in 0..2_000 {
        let code = memory.code();
        for function in &mut memory.0 {
            for place in (0..PART_BYTES).step_by(8) {
                let distance = random.below(2 * code.len()) as i32 - code.len() as i32;
                function[place..place + 5].copy_from_slice(&jump(distance));
            }
        }
        // Entries of any length, which begin anywhere, also before and behind the code.
        let at = |address: usize| {
            let mut random = Random((round * code.len() + address - code.start) as u64);
            let start = address - random.below(1000);
            let len = if random.below(8) == 0 { usize::MAX } else { random.below(2000) };
            Some(start..start.saturating_add(len)).filter(|_| random.below(10) > 0)
        };
        let first = at(code.start + 500).unwrap_or(0..usize::MAX);
        let found = memory.search(first.clone(), at);
        assert!((1..=PARTS_MAX).contains(&found.parts().len()), "round {round}");
        assert_eq!(found.part(0), Some(first), "round {round}");
    }
}
