//! `libtm_query.so`: answers a recorded program's questions about its own memory.
//!
//! `libtm.so` loads it at the first question and calls it through [`tm_query_api`], with the calling thread's events muted. It
//! follows the recording of its own process, as any reader of the file would, so nothing of it is on the event path.
//!
//! ```text
//! abi -> answer -> states (by process) -> state: follower, books (sums, index), names
//!              \-> finder -> walk -> memory
//! ```
//!
//! It has no thread and holds no descriptor between questions. It must not panic: a panic would end the program.

mod allocator;

mod failure;
mod host;

mod memory;

mod index;
mod sums;

mod books;

mod walk;

mod finder;

mod names;
mod state;
mod states;

mod answer;

mod abi;

#[cfg(test)]
mod large_tests;

pub use abi::tm_query_api;
