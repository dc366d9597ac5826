//! The allocations of a recording one by one, with their stacks: what is compared with notes.

use std::collections::HashMap;
use std::path::Path;

use tm_analyzer::events::Action;
use tm_analyzer::reader::{Recording, StackFrame};
use tm_analyzer::replay::events;
use tm_common::functions::Function;
use tm_common::ids::{ProcessIndex, StackId};
use tm_common::stack::FrameKind;

/// An allocation or the end of a reallocation.
#[derive(Clone, Copy, Debug)]
pub struct Allocation {
    /// The block.
    pub block: u64,
    /// What was called.
    pub function: Function,
    /// The kernel's number of the thread.
    pub tid: u32,
    /// The stack.
    pub stack: StackId,
}

/// An open recording with the allocations of its first process.
#[derive(Debug)]
pub struct Recorded {
    /// The recording.
    pub recording: Recording,
    /// In the order of time.
    pub allocations: Vec<Allocation>,
}

impl Recorded {
    /// Opens the recording at `path`, which must be without problems.
    ///
    /// # Panics
    /// It is not, or it cannot be read.
    pub fn open(path: &Path) -> Recorded {
        let recording = Recording::open(path).unwrap_or_else(|error| panic!("{error}"));
        assert!(recording.problems.is_empty(), "{:?}", recording.problems);
        let mut allocations = Vec::new();
        let threads = &recording.threads;
        let replayed = events(&recording, ProcessIndex(0), |event| {
            if matches!(event.action, Action::Allocate | Action::ReallocateEnd) {
                let thread = threads
                    .iter()
                    .find(|thread| thread.index == recording.thread_tags.thread(event.thread_tag));
                allocations.push(Allocation {
                    block: event.address.0,
                    function: event.function,
                    tid: thread.expect("every event's thread is recorded").tid,
                    stack: event.stack,
                });
            }
        });
        replayed.unwrap_or_else(|error| panic!("{error}"));
        Recorded { recording, allocations }
    }

    /// The allocations of each thread that `programs/oracle/unwind_preload.c` counts.
    pub fn counted_by_thread(&self) -> HashMap<u32, Vec<Allocation>> {
        let counted = [Function::Malloc, Function::Calloc, Function::Realloc];
        let mut by_thread: HashMap<u32, Vec<Allocation>> = HashMap::new();
        for allocation in self.allocations.iter().filter(|allocation| counted.contains(&allocation.function))
        {
            by_thread.entry(allocation.tid).or_default().push(*allocation);
        }
        by_thread
    }

    /// The last allocation that returned `block`.
    ///
    /// # Panics
    /// There is none.
    pub fn last_of(&self, block: u64) -> Allocation {
        let last = self.allocations.iter().rev().find(|allocation| allocation.block == block);
        *last.unwrap_or_else(|| panic!("no allocation returned {block:#x}"))
    }

    /// The frames of an allocation, innermost first.
    ///
    /// # Panics
    /// It has no stack.
    pub fn frames(&self, allocation: Allocation) -> Vec<StackFrame> {
        let stack = self.recording.stack(allocation.stack);
        stack.unwrap_or_else(|| panic!("{allocation:?} has no stack")).collect()
    }

    /// The same as addresses, none of which may be a guess.
    ///
    /// # Panics
    /// One is, or there is no stack.
    pub fn exact_addresses(&self, allocation: Allocation) -> Vec<u64> {
        let frames = self.frames(allocation);
        let guess = frames.iter().position(|frame| frame.kind == FrameKind::Guessed);
        assert_eq!(guess, None, "a frame is guessed: {}", hexadecimal(frames.iter().map(|frame| frame.pc)));
        frames.iter().map(|frame| frame.pc).collect()
    }
}

/// Addresses as people read them.
pub fn hexadecimal(addresses: impl IntoIterator<Item = u64>) -> String {
    addresses.into_iter().map(|address| format!("{address:x} ")).collect()
}
