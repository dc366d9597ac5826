//! The numbers of code objects: one for each content, and only while a code object lives is its address one of them.
//!
//! ```text
//!  address ── Addresses ──> number                       event
//!     └─ its content ── Slots ──> number                 cold: another address, or another code object there
//!                         └─ record in the file, number  cold: new
//! ```
//!
//! A program that compiles the same text again and again has new code objects each time, and one number for them.

use core::sync::atomic::{AtomicU32, Ordering};

use tm_common::ids::{CodeIndex, Epoch, StackId};
use tm_common::python::PythonFrame;
use tm_common::stack::{FrameKind, StackNode};

use super::layout::Layout;
use super::objects::Code;
use crate::lockfree::addresses::{self, Addresses};
use crate::lockfree::slots::Slots;
use crate::recording::Recording;
use crate::recording::metadata::NewCode;

const _: () = assert!(PythonFrame::CODE_MAX == (1 << addresses::NUMBER_BITS) - 1);

/// The code objects of the process. A forked child goes on with its copy: numbers are the recording's.
#[derive(Debug)]
pub struct Codes {
    addresses: Addresses,
    /// The numbers by content. Its "node" is the content's hash, and the id the number.
    contents: Slots,
    generation: AtomicU32,
}

impl Codes {
    /// Knows none.
    pub const fn new() -> Codes {
        Codes { addresses: Addresses::new(), contents: Slots::new(), generation: AtomicU32::new(0) }
    }

    /// Returns what changes when an address stops being that of a code object that was numbered.
    #[inline(always)]
    pub fn generation(&self) -> u32 {
        // Relaxed: a thread that finds another code object at an address has that from the allocator, after it was freed.
        self.generation.load(Ordering::Relaxed)
    }

    /// Returns the number of the code object at `address`; `None` if it cannot have one.
    ///
    /// # Safety
    /// There is one, and it lives.
    #[inline(always)]
    pub unsafe fn number(&self, recording: &Recording, layout: &Layout, address: usize) -> Option<CodeIndex> {
        match self.addresses.find(address) {
            Some(number) => Some(CodeIndex(number)),
            // SAFETY: the caller's.
            None => unsafe { self.meet(recording, layout, address) },
        }
    }

    /// Numbers a code object that is met at this address for the first time.
    #[cold]
    #[inline(never)]
    unsafe fn meet(&self, recording: &Recording, layout: &Layout, address: usize) -> Option<CodeIndex> {
        // SAFETY: the caller's.
        let number = unsafe { self.number_of_content(recording, layout, address) }?;
        self.addresses.insert(address, number.0);
        Some(number)
    }

    /// Returns the number of a code object by what it says of itself; it is recorded if it is new.
    ///
    /// # Safety
    /// As for [`Codes::number`].
    #[cold]
    pub unsafe fn number_of_content(
        &self,
        recording: &Recording,
        layout: &Layout,
        address: usize,
    ) -> Option<CodeIndex> {
        // SAFETY: the caller's.
        let code = unsafe { Code::of(address, layout) };
        // SAFETY: as above.
        let hash = unsafe { code.hash() };
        let content = StackNode {
            parent: StackId((hash >> 48) as u32),
            epoch: Epoch(0),
            kind: FrameKind::Python,
            pc: hash & ((1 << 48) - 1),
        };
        let number = self.contents.intern(content, || {
            // SAFETY: as above.
            let lines = unsafe { code.line_table() };
            let number = new_number(recording);
            let recorded = number.and_then(|number| {
                let new = NewCode {
                    file: code.file.chars(),
                    name: code.name.chars(),
                    first_line: code.first_line,
                    line_table_kind: layout.code.line_table_kind,
                    line_table: lines,
                };
                recording.add_code(number, &new)?;
                Some(StackId(number.0))
            });
            recorded.unwrap_or(StackId::NONE)
        });
        (number != StackId::NONE).then_some(CodeIndex(number.0))
    }

    /// Forgets the code object at `address`, which is about to go.
    pub fn forget(&self, address: usize) {
        if self.addresses.remove(address) {
            // Relaxed: see `generation`.
            self.generation.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Releases the try-lock that a forked child may have inherited locked.
    pub fn after_fork(&self) {
        self.contents.after_fork();
    }
}

/// Returns the next number of the recording; `None` if there is none left that a frame has room for.
fn new_number(recording: &Recording) -> Option<CodeIndex> {
    let next = &recording.header()?.n_codes;
    // Relaxed, both: numbers only have to be distinct. They do not run on once they are used up.
    if next.load(Ordering::Relaxed) > PythonFrame::CODE_MAX {
        return None;
    }
    let number = next.fetch_add(1, Ordering::Relaxed);
    (number <= PythonFrame::CODE_MAX).then_some(CodeIndex(number))
}
