//! `libtm_query.so`: answers a recorded program's questions about its own memory.
//!
//! `libtm.so` loads it at the first question and calls it through [`tm_query_api`], with the calling thread's events muted. It
//! follows the recording of its own process, as any reader of the file would, so nothing of it is on the event path.
//!
//! ```text
//! abi -> answer -> processes (forks copy locks) -> process: follower, live_index (sums, index), names
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

mod live_index;

mod walk;

mod finder;

mod names;
mod process;
mod processes;

mod answer;

mod abi;

#[cfg(test)]
mod large_tests;

pub use abi::tm_query_api;
