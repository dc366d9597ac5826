//! The contents of the process's own blocks, which other threads may unmap at any time: it is copied out by the kernel,
//! which then says so, and never loaded.
//!
//! ```text
//! walk -> pages (which are wanted, 1 MiB at a time) -> memory (a system call for all of them)
//! ```

mod own;
mod pages;

pub use own::OwnMemory;
pub use pages::{Pages, Slot};

/// The bytes of a page here: of every system's pages a part or all.
pub const PAGE_BYTES: u64 = 4096;
/// The words of a page.
pub const PAGE_WORDS: usize = PAGE_BYTES as usize / size_of::<u64>();

/// The words of a page, at their offsets.
pub type Page = [u64; PAGE_WORDS];

/// The system lets nobody read this process's memory, as its words say.
#[derive(Debug)]
pub struct Forbidden(pub std::io::Error);

/// Reads memory.
pub trait Memory {
    /// Reads the pages with these `numbers` (addresses by [`PAGE_BYTES`]), as many as there are of `pages` and `readable`:
    /// says of each whether it could be read.
    ///
    /// # Errors
    /// None may be read.
    fn read(&mut self, numbers: &[u64], pages: &mut [Page], readable: &mut [bool]) -> Result<(), Forbidden>;
}
