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

use crate::export::frames::clean;
use crate::tree::Tree;
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
/// How many bytes are kept until they are written.
const BUFFER_BYTES: usize = 1 << 16;

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

/// A data file that is being written. The first failure is kept until its end, and nothing is written after it.
pub struct DataFile<W> {
    out: W,
    buffer: Vec<u8>,
    failed: Option<io::Error>,
    strings: FxHashMap<Arc<str>, u32>,
    /// Functions by the place of the outermost one, which no other address has; they so stay in their place.
    addresses: FxHashMap<(usize, usize), (Arc<Frame>, u32)>,
    /// Stacks of the numbers of addresses; the root is that without frames.
    stacks: Tree,
    /// The numbers of whole addresses, by the numbers that they have where they come from.
    of_address: Vec<Option<u32>>,
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
            out,
            buffer: Vec::with_capacity(BUFFER_BYTES + 256),
            failed: None,
            strings: FxHashMap::default(),
            addresses: FxHashMap::default(),
            stacks: Tree::default(),
            of_address: Vec::new(),
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
        file.line(b'v', &[TOOL_VERSION.into(), FORMAT_VERSION.into()]);
        file.buffer.extend_from_slice(b"X ");
        file.buffer.extend_from_slice(clean(&command_line.join(" ")).as_bytes());
        file.buffer.extend_from_slice(b"\nc 0\n");
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
            self.line(b'c', &[milliseconds]);
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
        self.event(b'+', number);
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
            self.event(b'-', number);
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
            self.event(b'-', number);
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
        self.flush();
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.out),
        }
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
        self.line(b'a', &[size, stack.into()]);
        self.n_allocations += 1;
        self.n_allocations - 1
    }

    /// The number of the stack that ends with the functions of an address, the innermost first, called from the stack `caller`.
    fn stack(&mut self, caller: u32, address: Option<u32>, functions: &[Arc<Frame>]) -> u32 {
        let address = match address {
            Some(address) => self.whole_address(address as usize, functions),
            None => self.address(functions),
        };
        let next = self.stacks.len() as u32;
        let stack = self.stacks.child(caller, address);
        if stack == next {
            self.line(b't', &[address.into(), caller.into()]);
        }
        stack
    }

    /// The number of the address that has the number `address` where it comes from, with all its functions.
    fn whole_address(&mut self, address: usize, functions: &[Arc<Frame>]) -> u32 {
        if self.of_address.len() <= address {
            self.of_address.resize(address + 1, None);
        }
        if let Some(known) = self.of_address[address] {
            return known;
        }
        let number = self.address(functions);
        self.of_address[address] = Some(number);
        number
    }

    /// The number of an address, with its functions, the innermost first.
    fn address(&mut self, functions: &[Arc<Frame>]) -> u32 {
        let Some(outermost) = functions.last() else { return 0 };
        let key = (Arc::as_ptr(outermost).addr(), functions.len());
        if let Some((_, known)) = self.addresses.get(&key) {
            return *known;
        }
        let module = match outermost.is_python() {
            true => self.string(PYTHON),
            false => outermost.module_path().map_or(0, |path| self.string(path)),
        };
        let mut numbers = vec![outermost.address.unwrap_or(0), module.into()];
        // Without a name and a line, heaptrack shows the address and the module.
        let named = functions.iter().filter(|frame| frame.function.is_some() || frame.lineno != 0);
        for frame in named {
            let function = frame.function.as_deref().map_or(0, |function| self.string(function));
            let file = if frame.lineno == 0 { 0 } else { self.string(&frame.filename) };
            numbers.extend([function.into(), file.into(), u64::from(frame.lineno)]);
        }
        self.line(b'i', &numbers);
        let number = self.addresses.len() as u32 + 1;
        self.addresses.insert(key, (Arc::clone(outermost), number));
        number
    }

    fn string(&mut self, text: &str) -> u32 {
        if let Some(&known) = self.strings.get(text) {
            return known;
        }
        let shown = clean(text);
        let bytes = shown.as_bytes();
        self.buffer.extend_from_slice(b"s ");
        hexadecimal(&mut self.buffer, bytes.len() as u64);
        self.buffer.push(b' ');
        self.buffer.extend_from_slice(bytes);
        self.end_line();
        let number = self.strings.len() as u32 + 1;
        self.strings.insert(text.into(), number);
        number
    }

    /// The line of an event, of which there are millions: it is written as 16 bytes, and those beyond its end are taken back.
    #[inline]
    fn event(&mut self, kind: u8, number: u32) {
        let (digits, n_digits) = digits(number);
        let line = u128::from(kind) | u128::from(b' ') << 8 | u128::from(digits) << 16;
        let line = line | u128::from(b'\n') << (16 + 8 * n_digits);
        let n_bytes = self.buffer.len() + 3 + n_digits;
        self.buffer.extend_from_slice(&line.to_le_bytes());
        self.buffer.truncate(n_bytes);
        if n_bytes >= BUFFER_BYTES {
            self.flush();
        }
    }

    fn line(&mut self, kind: u8, numbers: &[u64]) {
        self.buffer.push(kind);
        for &number in numbers {
            self.buffer.push(b' ');
            hexadecimal(&mut self.buffer, number);
        }
        self.end_line();
    }

    #[inline]
    fn end_line(&mut self) {
        self.buffer.push(b'\n');
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush();
        }
    }

    #[cold]
    fn flush(&mut self) {
        if self.failed.is_none() {
            self.failed = self.out.write_all(&self.buffer).err();
        }
        self.buffer.clear();
    }
}

fn hexadecimal(buffer: &mut Vec<u8>, number: u64) {
    let (upper, lower) = ((number >> 32) as u32, number as u32);
    if upper > 0 {
        hexadecimal(buffer, upper.into());
        buffer.extend_from_slice(&all_digits(lower).to_le_bytes());
        return;
    }
    let (digits, n_digits) = digits(lower);
    let n_bytes = buffer.len() + n_digits;
    buffer.extend_from_slice(&digits.to_le_bytes());
    buffer.truncate(n_bytes);
}

/// The digits of a number without zeros before them, the first one in the lowest byte; and how many there are.
#[inline]
fn digits(number: u32) -> (u64, usize) {
    let n_digits = (u32::BITS - number.leading_zeros()).div_ceil(4).max(1);
    (all_digits(number) >> (8 * (8 - n_digits)), n_digits as usize)
}

/// The eight digits of a number, the first one in the lowest byte.
#[inline]
fn all_digits(number: u32) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // The upper half of what is left goes to the lower bytes, which come first: halves, bytes and digits of the number.
    let halves = u64::from(number >> 16) | u64::from(number & 0xffff) << 32;
    let bytes = halves >> 8 & 0x00ff_0000_00ff | (halves & 0x00ff_0000_00ff) << 16;
    let digits = bytes >> 4 & 0x000f_000f_000f_000f | (bytes & 0x000f_000f_000f_000f) << 8;
    // 1 in the byte of each digit from a on.
    let letters = (digits + 6 * EACH) >> 4 & EACH;
    digits + EACH * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10)
}

#[cfg(test)]
mod tests;
