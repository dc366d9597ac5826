//! The lines of heaptrack's interpreted data file, version 3: numbers are hexadecimal, and what a line names by a number
//! stands before it.
//!
//! ```text
//! v VERSION 3        X COMMAND LINE       s LENGTH STRING (from 1)
//! i ADDRESS MODULE [FUNCTION FILE LINE]*  an address with its functions, the innermost first (from 1)
//! t ADDRESS PARENT   a stack (from 1)     a SIZE STACK   an allocation (from 0)
//! + ALLOCATION       - ALLOCATION         c MILLISECONDS
//! ```
//!
//! heaptrack takes a free for that of a temporary allocation if it has the number of the latest one and nothing came between
//! the two. Two blocks of one size and stack share a number, so a free that would be mistaken gets another number that means
//! the same; and other frees wait for a while, since the order of frees from one allocation to the next changes nothing else.

use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::lines::Lines;
use crate::export::frames::clean;
use crate::tree::{AddressFrames, Tree};
use tm_analyzer::model::Frame;
use tm_analyzer::replay::ByStack;
use tm_analyzer::snapshot::Called;
use tm_common::ids::{StackId, Stamp};

/// heaptrack 1.5.0: the reader wants a version of its own.
const TOOL_VERSION: u32 = 0x10500;
const FORMAT_VERSION: u32 = 3;
/// The module of frames of Python code.
const PYTHON: &str = "python";
/// How long and how many frees wait: not so long that they would be seen late in a chart.
const WAIT_MS: u64 = 100;
const WAITING_MAX: usize = 1 << 14;
/// Nanoseconds of a millisecond, the unit of the file's times.
pub const NS_PER_MS: u64 = 1_000_000;

/// A size and the stack that allocated it. There may be many thousands of them, one of which is asked for at each event: each is as
/// small as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocated {
    /// The lower half of the size, and the upper one.
    size: [u32; 2],
    stack: StackId,
}

impl Allocated {
    /// A block of `size`, allocated by `stack`.
    #[inline]
    pub fn new(size: u64, stack: StackId) -> Allocated {
        Allocated { size: [size as u32, (size >> 32) as u32], stack }
    }

    #[inline]
    fn size(self) -> u64 {
        let [lower, upper] = self.size.map(u64::from);
        upper << 32 | lower
    }
}

/// Hashes one number: each further one would take the hasher as long again.
impl Hash for Allocated {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.size().rotate_left(32) ^ u64::from(self.stack.0));
    }
}

/// A data file that is being written.
pub struct DataFile<W> {
    lines: Lines<W>,
    names: Names,
    /// Stacks of the numbers of addresses; the root is that without frames.
    stacks: Tree,
    addresses: AddressFrames,
    /// The numbers of the recording's stacks.
    of_stack: ByStack,
    /// The numbers of what was allocated, and further ones of the same, which no allocation line has.
    allocations: FxHashMap<Allocated, u32>,
    others: FxHashMap<Allocated, u32>,
    n_allocations: u32,
    /// The number that heaptrack takes for that of a temporary allocation.
    latest: u32,
    milliseconds: u64,
    /// The last stamp that is known to be of this millisecond.
    pub until: Stamp,
    /// Frees that wait for that of the latest allocation, or for the next one, each with the first of its numbers; and since when.
    waiting: Vec<(Allocated, u32)>,
    waiting_since: u64,
}

impl<W: Write> DataFile<W> {
    /// Begins with the program's command line.
    pub fn new(out: W, command_line: &[String]) -> DataFile<W> {
        let mut file = DataFile {
            lines: Lines::new(out),
            names: Names::default(),
            stacks: Tree::default(),
            addresses: AddressFrames::default(),
            of_stack: ByStack::default(),
            allocations: FxHashMap::default(),
            others: FxHashMap::default(),
            n_allocations: 0,
            latest: 0,
            milliseconds: 0,
            until: Stamp(0),
            waiting: Vec::new(),
            waiting_since: 0,
        };
        file.lines.line(b'v', &[TOOL_VERSION.into(), FORMAT_VERSION.into()]);
        file.lines.text(b'X', &clean(&command_line.join(" ")));
        file.lines.line(b'c', &[0]);
        file
    }

    /// What follows is `ns` after the start. Earlier than before is as before.
    #[inline]
    pub fn time(&mut self, ns: u64) {
        let milliseconds = ns / NS_PER_MS;
        if milliseconds > self.milliseconds {
            self.milliseconds = milliseconds;
            if milliseconds - self.waiting_since > WAIT_MS {
                self.free_waiting();
            }
            self.lines.line(b'c', &[milliseconds]);
        }
    }

    /// A block came; `place_of` gives its stack a place among those of the file.
    #[inline]
    pub fn allocated(
        &mut self,
        allocated: Allocated,
        place_of: impl FnOnce(StackId, &mut Called<'_>) -> u32,
    ) {
        self.free_waiting();
        let number = self.number(allocated, place_of);
        self.latest = number;
        self.lines.event(b'+', number);
    }

    /// A block went.
    #[inline]
    pub fn freed(
        &mut self,
        allocated: Allocated,
        is_temporary: bool,
        place_of: impl FnOnce(StackId, &mut Called<'_>) -> u32,
    ) {
        let number = self.number(allocated, place_of);
        if is_temporary && number == self.latest {
            self.latest = 0;
            self.lines.event(b'-', number);
            return;
        }
        if self.waiting.is_empty() {
            self.waiting_since = self.milliseconds;
        }
        self.waiting.push((allocated, number));
        if self.waiting.len() == WAITING_MAX {
            self.free_waiting();
        }
    }

    /// Writes the frees that wait, none of which is that of a temporary allocation.
    #[inline]
    fn free_waiting(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        for &(allocated, first) in &waiting {
            let number = if first == self.latest { self.other(allocated) } else { first };
            self.latest = 0;
            self.lines.event(b'-', number);
        }
        waiting.clear();
        self.waiting = waiting;
    }

    /// Ends the file at `ns` after the start.
    ///
    /// # Errors
    /// Something could not be written.
    pub fn finish(mut self, ns: u64) -> io::Result<W> {
        self.free_waiting();
        self.time(ns);
        self.lines.finish()
    }

    #[inline]
    fn number(
        &mut self,
        allocated: Allocated,
        place_of: impl FnOnce(StackId, &mut Called<'_>) -> u32,
    ) -> u32 {
        match self.allocations.get(&allocated) {
            Some(&number) => number,
            None => self.new_number(allocated, place_of),
        }
    }

    #[cold]
    fn new_number(
        &mut self,
        allocated: Allocated,
        place_of: impl FnOnce(StackId, &mut Called<'_>) -> u32,
    ) -> u32 {
        let id = allocated.stack;
        let stack = self.of_stack.get(id).unwrap_or_else(|| {
            let stack =
                place_of(id, &mut |caller, address, functions| self.stack(caller, address, functions));
            self.of_stack.insert(id, stack);
            stack
        });
        let number = self.allocation(allocated.size(), stack);
        self.allocations.insert(allocated, number);
        number
    }

    /// A number of the same that is not the first, nor 0: heaptrack forgets the latest one by making it 0.
    #[cold]
    fn other(&mut self, allocated: Allocated) -> u32 {
        if let Some(&other) = self.others.get(&allocated) {
            return other;
        }
        let Some(stack) = self.of_stack.get(allocated.stack) else { return self.latest };
        let other = self.allocation(allocated.size(), stack);
        self.others.insert(allocated, other);
        other
    }

    fn allocation(&mut self, size: u64, stack: u32) -> u32 {
        self.lines.line(b'a', &[size, stack.into()]);
        self.n_allocations += 1;
        self.n_allocations - 1
    }

    /// The number of the stack that ends with the functions of an address, the innermost first, called from the stack `caller`.
    fn stack(&mut self, caller: u32, address: Option<u32>, functions: &[Arc<Frame>]) -> u32 {
        let DataFile { lines, names, stacks, addresses, .. } = self;
        let n_known = stacks.len();
        let stack = addresses.called(stacks, caller, (address, functions), |functions| {
            [names.address(lines, functions)].into()
        });
        // An address is one number, so no more than one node is new.
        if stacks.len() > n_known {
            let address = stacks.nodes()[stack as usize].1;
            lines.line(b't', &[address.into(), caller.into()]);
        }
        stack
    }
}

/// Strings and addresses, each once: a line says the number of each.
#[derive(Default)]
struct Names {
    strings: FxHashMap<Arc<str>, u32>,
    /// Functions by the place of the outermost one, which no other address has; they so stay in their place.
    addresses: FxHashMap<(usize, usize), (Arc<Frame>, u32)>,
}

impl Names {
    /// The number of an address, with its functions, the innermost first.
    fn address<W: Write>(&mut self, lines: &mut Lines<W>, functions: &[Arc<Frame>]) -> u32 {
        let Some(outermost) = functions.last() else { return 0 };
        let key = (Arc::as_ptr(outermost).addr(), functions.len());
        if let Some((_, known)) = self.addresses.get(&key) {
            return *known;
        }
        let module = match outermost.is_python() {
            true => self.string(lines, PYTHON),
            false => outermost.module_path().map_or(0, |path| self.string(lines, path)),
        };
        let mut numbers = vec![outermost.address.unwrap_or(0), module.into()];
        // Without a name and a line, heaptrack shows the address and the module.
        let named = functions.iter().filter(|frame| frame.function.is_some() || frame.lineno != 0);
        for frame in named {
            let function = frame.function.as_deref().map_or(0, |function| self.string(lines, function));
            let file = if frame.lineno == 0 { 0 } else { self.string(lines, &frame.filename) };
            numbers.extend([function.into(), file.into(), u64::from(frame.lineno)]);
        }
        lines.line(b'i', &numbers);
        let number = self.addresses.len() as u32 + 1;
        self.addresses.insert(key, (Arc::clone(outermost), number));
        number
    }

    fn string<W: Write>(&mut self, lines: &mut Lines<W>, text: &str) -> u32 {
        if let Some(&known) = self.strings.get(text) {
            return known;
        }
        lines.text_of_length(b's', &clean(text));
        let number = self.strings.len() as u32 + 1;
        self.strings.insert(text.into(), number);
        number
    }
}

#[cfg(test)]
mod tests;
